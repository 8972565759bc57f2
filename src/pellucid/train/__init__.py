"""Training: the loop, what may be hung on it, and what it leaves behind.

`Learner` is the loop; a `Callback` is called at its moments. `Recorder`, `Progress`, `Checkpoint` and `NaNGuard` are
some of them; `RunFolder` is where a run keeps its files. Nothing here imports a layer, an optimiser or a data set: each
is known by its interface only, which is PyTorch's.
"""

from pellucid.train.accumulate import Accumulate
from pellucid.train.callback import HOOKS, Callback, SkipBatch, SkipEpoch, StopFit
from pellucid.train.checkpoint import Checkpoint, CheckpointError, load_checkpoint, save_checkpoint
from pellucid.train.csv_logger import CSVLogger
from pellucid.train.divergence import Difference, first_difference
from pellucid.train.early_stopping import EarlyStopping
from pellucid.train.ema import EMA
from pellucid.train.files import write_atomically, write_json
from pellucid.train.gradient_clip import GradientClip
from pellucid.train.guard import NaNGuard, NonFiniteError
from pellucid.train.hooks import Hooks
from pellucid.train.landscape import Landscape, loss_landscape
from pellucid.train.learner import Learner
from pellucid.train.lr_find import LRFinder, lr_find
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
from pellucid.train.mixup import MixUp
from pellucid.train.overfit import OverfitOneBatch
from pellucid.train.progress import Progress
from pellucid.train.recorder import Recorder
from pellucid.train.run import RunFolder, RunFolderError
from pellucid.train.schedule import CosineDecay, OneCycle, ParamScheduler, WarmUp
from pellucid.train.snapshots import Snapshots
from pellucid.train.statistics import ActivationStats, GradientStats
from pellucid.train.tensorboard import TensorBoard
from pellucid.train.time_limit import TimeLimit
from pellucid.train.trace import StepTrace
from pellucid.train.watch import Watcher, watch

__all__ = [
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
