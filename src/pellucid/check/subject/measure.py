"""A gradient beside central differences: element by element, or along random directions and then where they differ."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.autograd.gradcheck import SAFETY, beside, scale_of
from pellucid.autograd.numeric import Slopes, complex_slope, slope
from pellucid.check.subject.subject import Array, Point

EVERY = 128  # elements of a tensor up to which each is moved by itself
DIRECTIONS = 2  # along which a larger one is
MOST = 512  # elements that are moved one by one where a large one is wrong
TRIES = 5  # points beside the given one at which an element with a kink is looked at
RELATIVE = 1e-7  # what a gradient in float64 may be off by rounding
LOOSE = 1e-2  # a difference that is known no better than this says nothing


@dataclass
class Target:
    """A number as a function of named tensors, and the gradient that somebody says it has."""

    point: Point
    value: Callable[[Point], Any]
    gradient: Callable[[Point], Point]
    analytic: bool = False


@dataclass
class Measured:
    """One tensor. `true` and `given` have its shape, or are a sample of its elements.

    Attributes:
        error: the largest estimated error of a difference, relative to the largest element of the gradient.
        away: the largest distance from it, relative to the same.
        left_out: how many elements have kinks all around, or differences too rough to tell.
    """

    true: Array
    given: Array
    wrong: bool = False
    error: float = 0.0
    away: float = 0.0
    left_out: int = 0
    kinks: int = 0
    complex: int = 0
    elements: int = 0
    sample: bool = False
    where: str = ""


@dataclass
class Measurement:
    """All tensors of a target, at its point and at points beside it."""

    target: Target
    rng: np.random.Generator
    every: int = EVERY
    points: list[tuple[Point, Point]] = field(default_factory=list)  # with the gradients there

    def __post_init__(self) -> None:
        self.points.append((self.target.point, self.target.gradient(self.target.point)))
        self._size = abs(float(np.real(self.target.value(self.target.point))))
        most = max((self._largest(name) for name in self.target.point), default=0.0)
        self._least = max(1e-3 * most, 1e-9 * (1 + self._size))  # a gradient below it is zero but for rounding

    def tensor(self, name: str) -> Measured:
        array = self.target.point[name]
        if array.size <= self.every:
            return self._each(name, list(np.ndindex(array.shape)))
        return self._along(name)

    # --- element by element -------------------------------------------------------------------------------------------

    def _each(self, name: str, places: list[Any], sample: bool = False) -> Measured:
        given = self.points[0][1][name]
        result = Measured(given.copy(), given.copy(), elements=len(places), sample=sample)
        wrong: list[Any] = []
        for place in places:
            way = np.zeros(given.shape)
            way[place] = 1.0
            own, found = self._look(name, way, result)
            result.given[place] = result.true[place] = own
            if found is None:
                continue
            if not self._agree(own, found, self._typical(name)):
                result.true[place] = found.value
                wrong.append(place)
        result.wrong = bool(wrong)
        if sample:
            index = tuple(np.array(places).T)
            result.true, result.given = result.true[index], result.given[index]
        return result

    def _look(self, name: str, way: Array, result: Measured) -> tuple[float, Slopes | None]:
        """The gradient along a direction, and the difference: at the point, or beside it where it has a kink there."""
        own = 0.0
        for attempt in range(TRIES + 1):
            point, gradient = self._point(attempt)
            own = _along(gradient[name], way)
            found = self._judged(point, name, way, own, self._typical(name), result, 1.0)
            if found is not None:
                scale = max(abs(own), abs(found.value), self._largest(name), self._least)
                result.error = max(result.error, found.error / scale)
                result.away = max(result.away, abs(own - found.value) / scale)
                return own, found
            result.kinks += attempt == 0
        result.left_out += 1
        return own, None

    def _judged(
        self, point: Point, name: str, way: Array, own: float, typical: float, result: Measured, part: float
    ) -> Slopes | None:
        """The difference, where it says anything. One that disagrees must do so with other steps, too."""
        found = self._slope(point, name, way, result, part)
        if not self._clear(found, typical):
            return None
        if not self._agree(own, found, typical):
            again = self._slope(point, name, way, result, part / 43)
            if not self._clear(again, typical):
                return None
            if self._agree(own, again, typical):
                return again
        return found

    def _slope(self, point: Point, name: str, way: Array, result: Measured, part: float) -> Slopes:
        def moved(t: Any) -> Any:
            return self.target.value({**point, name: point[name] + t * way})

        size = part * scale_of(point[name], way) / max(1.0, float(np.abs(way).max(initial=0.0)))
        found = slope(moved, size)
        exact = complex_slope(moved, found) if self.target.analytic and not found.kink else None
        if exact is None:
            return found
        result.complex += 1
        return Slopes(exact, 1e-14 * abs(exact), False)

    def _clear(self, found: Slopes, typical: float) -> bool:
        """Whether a difference says anything."""
        scale = max(abs(found.value), 1e-2 * typical)
        return not found.kink and SAFETY * found.error <= LOOSE * scale + 1e-8 * (1 + self._size)

    def _agree(self, own: float, found: Slopes, typical: float) -> bool:
        rounding = RELATIVE * max(abs(own), abs(found.value)) + 1e-2 * RELATIVE * typical
        return abs(own - found.value) <= SAFETY * found.error + rounding

    def _typical(self, name: str) -> float:
        gradient = _finite(self.points[0][1][name])
        return float(np.sqrt(np.mean(gradient**2))) if gradient.size else 0.0

    def _largest(self, name: str) -> float:
        return float(np.abs(_finite(self.points[0][1][name])).max(initial=0.0))

    def _point(self, number: int) -> tuple[Point, Point]:
        while number >= len(self.points):
            moved = {name: beside(array, self.rng) for name, array in self.target.point.items()}
            self.points.append((moved, self.target.gradient(moved)))
        return self.points[number]

    # --- along random directions --------------------------------------------------------------------------------------

    def _along(self, name: str) -> Measured:
        given = self.points[0][1][name]
        result = Measured(given, given, elements=given.size)
        whole = np.ones(given.shape, bool)
        # What is wrong anywhere shows along every direction; what shows along some is a jump that was met on the way.
        verdicts = [self._differs(name, whole, result) for _ in range(DIRECTIONS)]
        clear = [verdict for verdict in verdicts if verdict is not None]
        result.left_out = 0 if clear else given.size
        if clear and all(clear):
            return self._found(name, result)
        return result

    def _differs(self, name: str, mask: Array, result: Measured) -> bool | None:
        """Whether the gradient is wrong somewhere within a mask, by one random direction; None: it cannot be told."""
        way = mask * self.rng.uniform(0.5, 1.5, mask.shape) * self.rng.choice([-1.0, 1.0], mask.shape)
        typical = float(np.sqrt((_finite(self.points[0][1][name][mask]) ** 2).sum()))
        for attempt in range(TRIES + 1):
            point, gradient = self._point(attempt)
            own = _along(gradient[name], way)
            found = self._judged(point, name, way, own, typical, result, 0.25)
            if found is None:
                continue
            scale = max(typical, self._least)
            result.error = max(result.error, found.error / scale)
            result.away = max(result.away, abs(own - found.value) / scale)
            return not self._agree(own, found, 100 * typical)
        return None

    def _found(self, name: str, result: Measured) -> Measured:
        """Where a large tensor is wrong: by bisection along each axis, then element by element."""
        shape = result.given.shape
        lines = [self._lines(name, axis, result) for axis in range(len(shape))]
        block = np.array(np.meshgrid(*lines, indexing="ij")).reshape(len(shape), -1).T
        sample = len(block) > MOST
        if sample:
            block = block[np.sort(self.rng.choice(len(block), MOST, replace=False))]
        found = self._each(name, [tuple(int(i) for i in place) for place in block], sample)
        found.where = _located(shape, lines) + (f"; {MOST} of its elements were measured" if sample else "")
        found.wrong = found.wrong or sample
        return found

    def _lines(self, name: str, axis: int, result: Measured) -> list[int]:
        """The indices along an axis at which something is wrong; all of them, where they are too many to tell apart."""
        shape, length = result.given.shape, result.given.shape[axis]
        budget = 8 + 4 * max(1, length).bit_length()
        found: list[int] = []
        todo = [(0, length)]
        while todo:
            low, high = todo.pop()
            if budget == 0:
                return list(range(length))
            budget -= 1
            mask = np.zeros(shape, bool)
            mask[(slice(None),) * axis + (slice(low, high),)] = True
            if not self._differs(name, mask, result):
                continue
            if high - low == 1:
                found.append(low)
            else:
                middle = (low + high) // 2
                todo += [(middle, high), (low, middle)]
        return found or list(range(length))


def _finite(array: Array) -> Array:
    return array[np.isfinite(array)]


def _along(gradient: Array, way: Array) -> float:
    """The gradient along a direction, in which an element that is not finite matters only where the direction goes."""
    return float(np.where(way != 0, gradient * way, 0.0).sum())


def _located(shape: tuple[int, ...], lines: list[list[int]]) -> str:
    """The part of a tensor that the bisection came down to, in words."""
    parts: list[str] = []
    for axis, (length, found) in enumerate(zip(shape, lines, strict=True)):
        if len(found) < length:
            shown = ", ".join(map(str, found[:5])) + (", …" if len(found) > 5 else "")
            what = "entries" if len(shape) == 1 else {0: "rows", 1: "columns"}.get(axis, f"slices of axis {axis}")
            parts.append(f"{len(found)} of {length} {what} ({shown})")
    return "it differs in " + " and ".join(parts) if parts else "it differs along every axis"
