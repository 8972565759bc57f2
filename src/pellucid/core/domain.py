"""Where an op is defined and smooth: what the tables of tests draw its inputs from.

A domain is data, not code: an interval, the points where the op has a kink, and how inputs are meant. Checks sample
from it and stay `margin` away from kinks, where the derivative does not exist and finite differences say nothing.
"""

from __future__ import annotations

from dataclasses import dataclass
from math import inf


@dataclass(frozen=True)
class Domain:
    """An interval of real numbers (open or closed makes no difference) without the points in `kinks`."""

    low: float = -inf
    high: float = inf
    kinks: tuple[float, ...] = ()
    integers: bool = False  # also defined on (and meant for) integer and bool tensors alone
    margin: float = 0.05


def real(*kinks: float) -> Domain:
    """All real numbers, smooth everywhere but at `kinks`."""
    return Domain(kinks=kinks)


def positive(low: float = 0.0) -> Domain:
    """Numbers above `low`."""
    return Domain(low=low)


def interval(low: float, high: float, *kinks: float) -> Domain:
    """Numbers between `low` and `high`."""
    return Domain(low=low, high=high, kinks=kinks)


def nonzero() -> Domain:
    """All real numbers but 0."""
    return Domain(kinks=(0.0,), margin=0.2)


def integers() -> Domain:
    """Integer and bool tensors."""
    return Domain(integers=True)
