"""What the transforms have in common: modules that say how they are set, and numbers as torchvision draws them."""

from __future__ import annotations

import numbers
from collections.abc import Sequence
from typing import Any

import pellucid
from pellucid import nn

__all__ = [
    "Perhaps",
    "TransformModule",
    "below",
    "both_ways",
    "sample_of",
    "uniform",
]


def uniform(low: float, high: float) -> float:
    """A number between two, as torchvision draws it."""
    return float(pellucid.empty(1).uniform_(float(low), float(high)).item())


class TransformModule(nn.Module):
    """A transform that is a module; `shown` are the settings in its text."""

    shown: tuple[str, ...] = ()
    between = ", "

    def __repr__(self) -> str:
        return f"{type(self).__name__}({self.between.join(f'{name}={getattr(self, name)}' for name in self.shown)})"


class Perhaps(TransformModule):
    """A change that is made with some probability."""

    shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return self.change(img) if pellucid.rand(1).item() < self.p else img

    def change(self, img: Any) -> Any:
        """The change."""
        raise NotImplementedError


def sample_of(inputs: Sequence[Any]) -> Any:
    """What a transform of samples was given: the one input, or all of them."""
    return inputs[0] if len(inputs) == 1 else inputs


def below(high: int, low: int = 0) -> int:
    """An integer from `low` to `high` - 1, as torchvision draws it."""
    return int(pellucid.randint(low, high, size=(1,)).item())


def both_ways(value: Any) -> Any:
    """From −value to value, where that is one number."""
    return [-float(value), float(value)] if isinstance(value, numbers.Number) else value  # type: ignore[arg-type]
