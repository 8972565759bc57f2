"""What the numbers and the settings say about why two tensors differ: a sentence each, or nothing."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.check.parity.sides import Array, Batch

_CLOSE = 1e-6


def hint(
    kind: str, pair: tuple[Array, Array], settings: Sequence[Mapping[str, Any]], frameworks: Sequence[str], batch: Batch
) -> list[str]:
    """Sentences; none where nothing is seen.

    Args:
        kind: of `sides.KINDS`.
        pair: ours and theirs.
        settings: of the layer or the optimiser, on both sides.
        frameworks: what the sides are called.
        batch: whose sizes explain a factor.
    """
    return [*_numbers(kind, *pair, batch), *_settings(settings, frameworks)]


def _settings(settings: Sequence[Mapping[str, Any]], frameworks: Sequence[str]) -> list[str]:
    """Those that both sides have, and have differently."""
    ours, theirs = settings
    first, second = frameworks if frameworks[0] != frameworks[1] else ("first", "second")
    return [
        f"{key}: {ours[key]} ({first}), {theirs[key]} ({second})."
        for key in ours
        if key in theirs and str(ours[key]) != str(theirs[key]) and "<lambda>" not in (ours[key], theirs[key])
    ]


def _numbers(kind: str, ours: Array, theirs: Array, batch: Batch) -> list[str]:
    if ours.shape != theirs.shape:
        return []
    if not (np.isfinite(ours).all() and np.isfinite(theirs).all()):
        who = "first" if not np.isfinite(ours).all() else "second"
        return [f"On the {who} side it is not finite."]
    if not theirs.any() or not ours.any():
        return [f"On the {'second' if ours.any() else 'first'} side it is all zero."]
    if ours.ndim == 2 and ours.shape[0] == ours.shape[1] and _close(ours.T, theirs):
        return ["It is transposed on the second side."]
    factor = float((ours * theirs).sum() / (ours * ours).sum())
    if not _close(factor * ours, theirs):
        return _where(ours, theirs)
    if abs(factor + 1) < _CLOSE:
        return ["The second side's has the opposite sign."]
    said = f"The second side's is {_factor(factor)} × the first's"
    if batch and kind in ("loss", "gradient", "output gradient"):
        words = {batch[-1].size: "the number of elements of the target", len(batch[0]): "the number of samples"}
        for size, what in words.items():
            if size > 1 and _near(factor, size):
                return [f"{said}; {size} is {what}: the first takes a mean, the second a sum."]
            if size > 1 and _near(1 / factor, size):
                return [f"{said}; {size} is {what}: the first takes a sum, the second a mean."]
    if ours.size == 1 and not any(_near(abs(value), round(abs(value))) for value in (factor, 1 / factor)):
        return []  # of any two numbers one is a multiple of the other
    return [f"{said}."]


def _where(ours: Array, theirs: Array) -> list[str]:
    """Along one axis only some places differ, or agree: samples, rows, the last of something."""
    away = np.abs(ours - theirs)
    off = away > _CLOSE * away.max()
    for axis, size in enumerate(ours.shape):
        differs = off.any(axis=tuple(i for i in range(ours.ndim) if i != axis))
        if not differs.all():
            few = differs.sum() <= size / 2
            places = np.flatnonzero(differs if few else ~differs)
            shown = ", ".join(str(place) for place in places[:8]) + (", …" if len(places) > 8 else "")
            return [f"Along axis {axis}, of size {size}, it {'differs' if few else 'agrees'} only at {shown}."]
    return []


def _factor(value: float) -> str:
    """A number, or one over a number, whichever is short."""
    if abs(value) < 1 and abs(1 / value - round(1 / value)) < _CLOSE / abs(value):
        return f"{'−' if value < 0 else ''}1/{round(abs(1 / value))}"
    return f"{value:.6g}"


def _near(value: float, whole: int) -> bool:
    return abs(value - whole) < _CLOSE * whole


def _close(ours: Array, other: Array) -> bool:
    return bool(np.abs(ours - other).max(initial=0.0) <= _CLOSE * max(np.abs(other).max(initial=0.0), 1e-300))
