"""What can be chosen on the page, and what is refused."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import asdict, dataclass, fields
from typing import Any

CLASSES = {"circles": (2, 3), "moons": (2,), "xor": (2,), "spirals": (2, 3), "gaussians": (2, 3)}
DATA = (*CLASSES, "plane")
ACTIVATIONS = {
    "tanh": "nn.Tanh()",
    "relu": "nn.ReLU()",
    "sigmoid": "nn.Sigmoid()",
    "leaky-relu": "nn.LeakyReLU(0.1)",
    "elu": "nn.ELU()",
    "gelu": "nn.GELU()",
    "silu": "nn.SiLU()",
    "identity": "nn.Identity()",
}
LOSSES = ("cross-entropy", "mse", "mae", "huber")
OPTIMISERS = {
    "sgd": "optim.SGD(model.parameters(), lr={lr}{decay})",
    "momentum": "optim.SGD(model.parameters(), lr={lr}, momentum=0.9{decay})",
    "nesterov": "optim.SGD(model.parameters(), lr={lr}, momentum=0.9, nesterov=True{decay})",
    "rmsprop": "optim.RMSprop(model.parameters(), lr={lr}{decay})",
    "adagrad": "optim.Adagrad(model.parameters(), lr={lr}{decay})",
    "adam": "optim.Adam(model.parameters(), lr={lr}{decay})",
    "adamw": "optim.AdamW(model.parameters(), lr={lr}, weight_decay={strength})",
}
REGULARISATIONS = ("none", "l1", "l2")
MOST_LAYERS, MOST_UNITS, MOST_SAMPLES = 6, 64, 2000


class SettingsError(ValueError):
    """A choice that the page cannot train: what was asked, what was received, what to choose instead."""


@dataclass(frozen=True)
class Settings:
    """One training.

    Attributes:
        data: one of `DATA`; all but "plane", which is a regression, have classes.
        noise: the standard deviation of what is added to each point (of "plane": to each value).
        samples: how many points are drawn; `share` of them are for training, the others for the test.
        hidden: the units of each hidden layer, from the inputs on.
        outputs: 1 for two classes by one unit, or for a regression; 2 or 3 for one unit a class.
        strength: of the regularisation; Adam's own decay is used where that is AdamW and L2.
    """

    data: str = "circles"
    noise: float = 0.1
    samples: int = 300
    share: float = 0.7
    hidden: tuple[int, ...] = (4, 2)
    outputs: int = 1
    activation: str = "tanh"
    loss: str = "cross-entropy"
    optimiser: str = "sgd"
    rate: float = 0.1
    batch: int = 10
    regularisation: str = "none"
    strength: float = 0.001
    seed: int = 0

    @property
    def regression(self) -> bool:
        return self.data == "plane"

    @property
    def classes(self) -> int:
        return max(self.outputs, 2)

    def __post_init__(self) -> None:
        _among("data", self.data, DATA)
        _among("activation", self.activation, ACTIVATIONS)
        _among("loss", self.loss, LOSSES)
        _among("optimiser", self.optimiser, OPTIMISERS)
        _among("regularisation", self.regularisation, REGULARISATIONS)
        _within("noise", self.noise, 0, 1)
        _whole("samples", self.samples, 20, MOST_SAMPLES)
        _within("share", self.share, 0.1, 0.9)
        if not isinstance(self.hidden, tuple) or len(self.hidden) > MOST_LAYERS:
            raise SettingsError(f"hidden is {self.hidden!r}; a list of at most {MOST_LAYERS} layers is needed")
        for units in self.hidden:
            _whole("the units of a hidden layer", units, 1, MOST_UNITS)
        _whole("outputs", self.outputs, 1, 3)
        _within("rate", self.rate, 1e-9, 1e4)
        _whole("batch", self.batch, 1, MOST_SAMPLES)
        _within("strength", self.strength, 0, 10)
        _whole("seed", self.seed, 0, 2**31 - 1)
        if self.regression and self.outputs != 1:
            raise SettingsError(f"the plane is a regression, which has 1 output; outputs is {self.outputs}")
        if self.regression and self.loss == "cross-entropy":
            raise SettingsError("cross-entropy compares classes, and the plane has none: choose mse, mae or huber")
        if not self.regression and self.outputs > 1 and self.outputs not in CLASSES[self.data]:
            raise SettingsError(f"{self.data} has 2 classes; outputs is {self.outputs}: choose 1 or 2")

    def to_dict(self) -> dict[str, Any]:
        return {**asdict(self), "hidden": list(self.hidden)}

    @classmethod
    def from_dict(cls, given: Mapping[str, Any]) -> Settings:
        """Settings from what a page sent.

        Raises:
            SettingsError: a name or a value that there is not.

        >>> Settings.from_dict({"data": "moons", "hidden": [8]}).hidden
        (8,)
        """
        if not isinstance(given, Mapping):
            raise SettingsError(f"settings are a set of names and values; received {type(given).__name__}")
        names = [field.name for field in fields(cls)]
        unknown = [str(name) for name in given if name not in names]
        if unknown:
            raise SettingsError(f"there is no setting {', '.join(unknown)}; there are {', '.join(names)}")
        values = dict(given)
        if isinstance(values.get("hidden"), list):
            values["hidden"] = tuple(values["hidden"])
        return cls(**values)


def _among(name: str, value: Any, known: Any) -> None:
    if not isinstance(value, str) or value not in known:
        raise SettingsError(f"{name} is {value!r}; choose one of {', '.join(known)}")


def _within(name: str, value: Any, least: float, most: float) -> None:
    number = isinstance(value, int | float) and not isinstance(value, bool) and math.isfinite(value)
    if not number or not least <= value <= most:
        raise SettingsError(f"{name} is {value!r}; a number from {least:g} to {most:g} is needed")


def _whole(name: str, value: Any, least: int, most: int) -> None:
    if not isinstance(value, int) or isinstance(value, bool) or not least <= value <= most:
        raise SettingsError(f"{name} is {value!r}; a whole number from {least} to {most} is needed")
