"""Optimisers, at PyTorch's path: ``pellucid.optim.SGD``, and learning-rate schedules in ``lr_scheduler``.

A new optimiser is a file with its formula and its defaults, and a line here.
"""

from . import lr_scheduler
from .adadelta import Adadelta
from .adagrad import Adagrad
from .adam import Adam, AdamW
from .adamax import Adamax
from .asgd import ASGD
from .nadam import NAdam
from .optimizer import Optimizer
from .radam import RAdam
from .rmsprop import RMSprop
from .rprop import Rprop
from .sgd import SGD

__all__ = [
    "ASGD",
    "Adadelta",
    "Adagrad",
    "Adam",
    "AdamW",
    "Adamax",
    "NAdam",
    "Optimizer",
    "RAdam",
    "RMSprop",
    "Rprop",
    "SGD",
    "lr_scheduler",
]

# All optimisers by name, for whoever offers a choice of them.
OPTIMIZERS: dict[str, type[Optimizer]] = {
    name: kind for name, kind in list(globals().items()) if isinstance(kind, type) and kind is not Optimizer
}
