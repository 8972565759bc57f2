"""Optimisers, at PyTorch's path: ``pellucid.optim.SGD``, and learning-rate schedules in ``lr_scheduler``.

A new optimiser is a file with its formula, which has its defaults, and a line here.
"""

import importlib
from typing import Any

from pellucid.torch_names import lacking

from . import lr_scheduler
from .adadelta import Adadelta
from .adafactor import Adafactor
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .lbfgs import LBFGS
from .muon import Muon
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD
from .sparse_adam import SparseAdam

__all__ = [
    "ASGD",
    "LBFGS",
    "Adadelta",
    "Adafactor",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "Muon",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "SparseAdam",
    "lr_scheduler",
    "swa_utils",
]

# All optimisers by name, for whoever offers a choice of them: SparseAdam takes the gradients of few layers alone.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: kind
    for name, kind in list(globals().items())
    if isinstance(kind, type) and issubclass(kind, Optimizer) and kind not in (Optimizer, SparseAdam)
}


def __getattr__(name: str) -> Any:
    if name == "swa_utils":  # it needs nn, which no optimiser does
        return importlib.import_module(f"{__name__}.swa_utils")
    if name.startswith("__"):
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    raise lacking("torch.optim", name, __all__)
