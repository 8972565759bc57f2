"""Numbers of a model that depend on the size of an input: found from runs on inputs of several sizes.

A recorded run has shapes such as (8, 10) where the program said (batch, 10). Runs with other sizes show which of the
numbers move, and how: a number is kept as a polynomial in the sizes (`Size`), if one explains all runs.
"""

from __future__ import annotations

import itertools
from collections.abc import Mapping, Sequence
from typing import Any

from .errors import OnnxExporterError

Sizes = Mapping[str, int]  # the name of an axis -> how long it is in a run


class Size:
    """A polynomial in the sizes of axes: {("batch", "time"): 2, (): 1} is 2·batch·time + 1.

    What is computed from sizes and is the same for all of them is a plain int again.
    """

    def __init__(self, terms: Mapping[tuple[str, ...], int]) -> None:
        self.terms = dict(terms)

    @staticmethod
    def of(terms: Mapping[tuple[str, ...], int]) -> Size | int:
        kept = {names: factor for names, factor in terms.items() if factor}
        return Size(kept) if any(kept) else kept.get((), 0)

    def __add__(self, other: Size | int) -> Size | int:
        terms = dict(self.terms)
        for names, factor in _terms(other).items():
            terms[names] = terms.get(names, 0) + factor
        return Size.of(terms)

    def __mul__(self, other: Size | int) -> Size | int:
        terms: dict[tuple[str, ...], int] = {}
        for (left, a), (right, b) in itertools.product(self.terms.items(), _terms(other).items()):
            names = tuple(sorted(left + right))
            terms[names] = terms.get(names, 0) + a * b
        return Size.of(terms)

    def __neg__(self) -> Size | int:
        return self * -1

    def __sub__(self, other: Size | int) -> Size | int:
        return self + -other

    def __rsub__(self, other: int) -> Size | int:
        return -self + other

    __radd__, __rmul__ = __add__, __mul__

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Size) and other.terms == self.terms

    def __hash__(self) -> int:
        return hash(frozenset(self.terms.items()))

    def __index__(self) -> int:
        raise OnnxExporterError(f"the size {self} must be a fixed number here")

    def __repr__(self) -> str:
        parts = [
            "·".join([str(factor)] * (factor != 1 or not names) + list(names)) for names, factor in self.terms.items()
        ]
        return " + ".join(parts)


def _terms(value: Size | int) -> dict[tuple[str, ...], int]:
    return value.terms if isinstance(value, Size) else {(): value}


def explain(values: Sequence[int], runs: Sequence[Sizes]) -> Size | int | None:
    """The number that is `values[i]` in `runs[i]`: an int, or a polynomial; None if none of the simple ones is.

    `runs[0]` is the first, then one for each axis with only that axis longer, then one with all of them longer still.
    """
    if len(set(values)) == 1:
        return values[0]
    names = list(runs[0])
    moved = [(name, values[i + 1] - values[0], runs[i + 1][name] - runs[0][name]) for i, name in enumerate(names)]
    if all(change % step == 0 for _, change, step in moved):  # a sum of multiples of sizes
        terms: dict[tuple[str, ...], int] = {(name,): change // step for name, change, step in moved}
        terms[()] = values[0] - sum(factor * runs[0][name] for (name,), factor in terms.items() if factor)
        if all(_at(terms, run) == value for value, run in zip(values, runs, strict=True)):
            return Size.of(terms)
    within = tuple(sorted(name for name, change, _ in moved if change))  # a multiple of a product of sizes
    product = _at({within: 1}, runs[0])
    if values[0] % product == 0:
        terms = {within: values[0] // product}
        if all(_at(terms, run) == value for value, run in zip(values, runs, strict=True)):
            return Size.of(terms)
    return None


def _at(terms: Mapping[tuple[str, ...], int], run: Sizes) -> int:
    total = 0
    for names, factor in terms.items():
        for name in names:
            factor *= run[name]
        total += factor
    return total


def blend(values: Sequence[Any], runs: Sequence[Sizes], what: str) -> Any:
    """What stands for the values that an argument had in the runs, whole numbers within it explained by sizes."""
    first = values[0]
    if all(type(value) is int for value in values):
        found = explain(values, runs)
        if found is None:
            raise _unexplained(what, values, runs)
        return found
    alike = isinstance(first, tuple | list) and all(type(value) is type(first) for value in values)
    if alike and len({len(value) for value in values}) == 1:
        return tuple(blend(entries, runs, what) for entries in zip(*values, strict=True))
    if isinstance(first, slice) and all(isinstance(value, slice) for value in values):
        return slice(*(blend([getattr(v, end) for v in values], runs, what) for end in ("start", "stop", "step")))
    if any(value is not first and value != first for value in values):
        raise _unexplained(what, values, runs)
    return first


def _unexplained(what: str, values: Sequence[Any], runs: Sequence[Sizes]) -> OnnxExporterError:
    seen = ", ".join(f"{value} for {dict(run)}" for value, run in zip(values, runs, strict=True))
    return OnnxExporterError(
        f"{what} depends on the size of a dynamic axis in a way that ONNX's shapes cannot say: {seen}. "
        "Leave that axis out of dynamic_axes"
    )
