"""Sample rows: inputs for the ops that do not simply have a domain, by the op's name.

An elementwise op whose declaration has a domain needs no row, `test_ops` draws its inputs. Every other op has rows:

    SAMPLES["cumsum"] = [row(real(3, 4), dim=1), row(real(5), dim=0)]

A row is a call of the op: NumPy arrays become tensors (also within lists), all else is handed on. Floating arrays are
tried in float64 and float32; integer and bool arrays stay what they are. PyTorch's answer comes from the op's own
`reference` or from the row's. The rows of a chapter of ops stand in `tests/samples/CHAPTER.py`, in a dict `SAMPLES`.
"""

import importlib
import pkgutil
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np

import tests.samples

_rng = np.random.default_rng(0)


@dataclass(frozen=True)
class Row:
    """One call of an op, and how it is checked."""

    args: tuple[Any, ...]
    attributes: dict[str, Any]
    reference: Callable[..., Any] | None  # of torch tensors, called like the op; None: the op's `reference`
    gradient: bool | str  # whether the gradient is checked, to second order; "torch": against PyTorch's alone
    drop: tuple[str, ...]  # attributes that PyTorch's function does not have
    skip: str | None  # why there is nothing to compare with: then the op must run, and its gradient be right


def row(*args: Any, reference: Callable[..., Any] | None = None, gradient: bool | str = True,
        drop: tuple[str, ...] = (), skip: str | None = None, **attributes: Any) -> Row:  # fmt: skip
    """A row: `row(real(2, 3), dim=0)`."""
    return Row(args, attributes, reference, gradient, drop, skip)


def real(*shape: int, low: float = -2.0, high: float = 2.0) -> np.ndarray:
    """Float64 numbers uniform on [low, high), no two of them equal or close."""
    count = int(np.prod(shape))
    steps = (_rng.permutation(count) + 0.25 + 0.5 * _rng.random(count)) / max(count, 1)
    return (low + (high - low) * steps).reshape(shape)


def positive(*shape: int) -> np.ndarray:
    """Float64 numbers between 0.5 and 2."""
    return real(*shape, low=0.5, high=2.0)


def integers(*shape: int, low: int = -3, high: int = 4) -> np.ndarray:
    """Integers from low to high - 1."""
    return _rng.integers(low, high, shape)


def booleans(*shape: int) -> np.ndarray:
    """True and False."""
    return _rng.random(shape) < 0.5


SAMPLES: dict[str, list[Row]] = {}

# Ops whose test is elsewhere, since they are no function that PyTorch has: the file that tests them.
ELSEWHERE: dict[str, str] = {}


def load() -> None:
    """Read the rows of all chapters; called once, by the tests."""
    for found in pkgutil.iter_modules(tests.samples.__path__):
        chapter = importlib.import_module(f"tests.samples.{found.name}")
        SAMPLES.update(getattr(chapter, "SAMPLES", {}))
        ELSEWHERE.update(getattr(chapter, "ELSEWHERE", {}))
