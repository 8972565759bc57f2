"""What may be changed in a fork of a program while it runs, by hooks in what it calls, to see if it learns better."""

from .data import DropRows, Longer, ScaleInputs, ScaleTargets, Shuffle
from .loss import Attribute, ByForward, Bypass, LogProbabilities, Negate, SameShape, Scale, WeighClasses, Within
from .network import Attached, BatchFirst, Contract, FreshWeights, LessDropout, Rectify, Replace, TrainMode
from .treatment import Treatment
from .updates import (
    Clip,
    ConstantRate,
    Descend,
    LearningRate,
    NoClip,
    NoWeightDecay,
    OptimizeAll,
    ScaleGradients,
    Shrink,
    StepEach,
    TrainStrangers,
    ZeroGradients,
)

__all__ = [
    "Attached",
    "Attribute",
    "BatchFirst",
    "Bypass",
    "ByForward",
    "Clip",
    "ConstantRate",
    "Contract",
    "Descend",
    "DropRows",
    "FreshWeights",
    "LearningRate",
    "LessDropout",
    "Longer",
    "LogProbabilities",
    "Negate",
    "NoClip",
    "NoWeightDecay",
    "OptimizeAll",
    "Rectify",
    "Replace",
    "SameShape",
    "Scale",
    "ScaleGradients",
    "ScaleInputs",
    "ScaleTargets",
    "Shrink",
    "Shuffle",
    "StepEach",
    "TrainMode",
    "TrainStrangers",
    "Treatment",
    "WeighClasses",
    "Within",
    "ZeroGradients",
]
