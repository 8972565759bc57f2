"""Training: the loop, what may be hung on it, and what it leaves behind.

`Learner` is the loop; a `Callback` is called at its moments. `Recorder`, `Progress`, `Checkpoint` and `NaNGuard` are
some of them; `RunFolder` is where a run keeps its files. Nothing here imports a layer, an optimiser or a data set: each
is known by its interface only, which is PyTorch's.
"""

from pellucid.files import write_atomically, write_json
from pellucid.train.callbacks.accumulate import Accumulate
from pellucid.train.callbacks.augment import Augment
from pellucid.train.callbacks.checkpoint import Checkpoint
from pellucid.train.callbacks.early_stopping import EarlyStopping
from pellucid.train.callbacks.ema import EMA
from pellucid.train.callbacks.gradient_clip import GradientClip
from pellucid.train.callbacks.guard import NaNGuard, NonFiniteError
from pellucid.train.callbacks.mixup import MixUp
from pellucid.train.callbacks.overfit import OverfitOneBatch
from pellucid.train.callbacks.progress import Progress
from pellucid.train.callbacks.schedule import CosineDecay, OneCycle, ParamScheduler, WarmUp
from pellucid.train.callbacks.scheduler import Scheduler
from pellucid.train.callbacks.snapshots import Snapshots
from pellucid.train.callbacks.time_limit import TimeLimit
from pellucid.train.files.checkpoint import CheckpointError, load_checkpoint, save_checkpoint
from pellucid.train.files.run import RunFolder, RunFolderError
from pellucid.train.learner import Learner
from pellucid.train.loop import HOOKS, Callback, SkipBatch, SkipEpoch, StopFit
from pellucid.train.metrics import (
    AUC,
    F1,
    R2,
    Accuracy,
    BalancedAccuracy,
    ConfusionMatrix,
    MeanAbsoluteError,
    Metric,
    TopK,
)
from pellucid.train.probes.landscape import Landscape, loss_landscape
from pellucid.train.probes.lr_find import LRFinder, lr_find
from pellucid.train.records.csv_logger import CSVLogger
from pellucid.train.records.divergence import Difference, first_difference
from pellucid.train.records.hooks import Hooks
from pellucid.train.records.recorder import Recorder
from pellucid.train.records.statistics import ActivationStats, GradientStats
from pellucid.train.records.tensorboard import TensorBoard
from pellucid.train.records.trace import StepTrace
from pellucid.train.records.tracker import Mlflow, Tracker, Wandb
from pellucid.train.records.watch import Watcher, watch

__all__ = [
    "Mlflow",
    "Tracker",
    "Wandb",
    "Augment",
    "Learner",
    "Callback",
    "HOOKS",
    "SkipBatch",
    "SkipEpoch",
    "StopFit",
    "Recorder",
    "Hooks",
    "ActivationStats",
    "GradientStats",
    "watch",
    "Watcher",
    "StepTrace",
    "first_difference",
    "Difference",
    "Progress",
    "Scheduler",
    "Checkpoint",
    "CheckpointError",
    "save_checkpoint",
    "load_checkpoint",
    "Snapshots",
    "CSVLogger",
    "TensorBoard",
    "TimeLimit",
    "lr_find",
    "loss_landscape",
    "Landscape",
    "LRFinder",
    "ParamScheduler",
    "CosineDecay",
    "OneCycle",
    "WarmUp",
    "EarlyStopping",
    "GradientClip",
    "Accumulate",
    "MixUp",
    "EMA",
    "OverfitOneBatch",
    "NaNGuard",
    "NonFiniteError",
    "Metric",
    "Accuracy",
    "BalancedAccuracy",
    "TopK",
    "F1",
    "AUC",
    "ConfusionMatrix",
    "MeanAbsoluteError",
    "R2",
    "RunFolder",
    "RunFolderError",
    "write_atomically",
    "write_json",
]
