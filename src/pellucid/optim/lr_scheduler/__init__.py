"""Learning-rate schedules: each sets ``group["lr"]`` of an optimiser when its ``step()`` is called."""

from pellucid.torch_names import absent

from .base import LRScheduler
from .cycles import CosineAnnealingWarmRestarts, CyclicLR, OneCycleLR
from .formulas import (
    ConstantLR,
    CosineAnnealingLR,
    ExponentialLR,
    LambdaLR,
    LinearLR,
    MultiplicativeLR,
    MultiStepLR,
    PolynomialLR,
    StepLR,
)
from .plateau import ReduceLROnPlateau
from .sequences import ChainedScheduler, SequentialLR

__all__ = [
    "ChainedScheduler",
    "ConstantLR",
    "CosineAnnealingLR",
    "CosineAnnealingWarmRestarts",
    "CyclicLR",
    "ExponentialLR",
    "LRScheduler",
    "LambdaLR",
    "LinearLR",
    "MultiStepLR",
    "MultiplicativeLR",
    "OneCycleLR",
    "PolynomialLR",
    "ReduceLROnPlateau",
    "SequentialLR",
    "StepLR",
]

# All schedules by name, for whoever offers a choice of them. Those whose constructor asks for a function or for other
# schedules cannot be had from a text.
SCHEDULERS: dict[str, type[LRScheduler]] = {
    name: kind for name, kind in list(globals().items()) if isinstance(kind, type) and kind is not LRScheduler
}


class _LRScheduler(LRScheduler):
    """The former name of `LRScheduler`, for programs that derive a schedule from it."""


__getattr__ = absent(__name__)
