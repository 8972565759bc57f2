"""The letters of an equation: what arguments and results are called, and a letter with the numbers behind it."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np

from .application import Application

LETTERS = {"matmul": ("A", "B", "C"), "linear": ("X", "W", "b", "Y"), "convolution": ("X", "W", "b", "Y")}
NAMES = {"input": "x", "other": "y", "weight": "w", "bias": "b"}


@dataclass
class Matrix:
    """A letter of an equation, and the numbers that it stands for."""

    symbol: str
    array: np.ndarray

    def to_dict(self) -> dict[str, Any]:
        return {"symbol": self.symbol, "shape": list(self.array.shape), "numbers": self.array.tolist()}


def letter(app: Application, position: int) -> str:
    """What an argument is called in equations."""
    letters = LETTERS.get(app.op.name)
    if letters:
        return letters[position]
    name = app.names[position]
    if name == "weight" and getattr(app.args[position], "ndim", 0) > 1:
        return "W"
    return NAMES.get(name, name)


def result_letter(app: Application) -> str:
    """What the result is called in equations."""
    return LETTERS[app.op.name][-1] if app.op.name in LETTERS else "out"


def stretched(shape: tuple[int, ...], out: tuple[int, ...]) -> list[int]:
    """The axes of the result along which an argument of `shape` broadcasts."""
    missing = len(out) - len(shape)
    return [*range(missing), *(missing + i for i, n in enumerate(shape) if n == 1 != out[missing + i])]


def over(axes: list[int]) -> str:
    return f"Σ over axis {axes[0]}" if len(axes) == 1 else f"Σ over axes {', '.join(map(str, axes))}"
