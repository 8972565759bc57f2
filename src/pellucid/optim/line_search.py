"""A line search: how far to go along a direction, until the strong Wolfe conditions hold.

They ask for enough decrease, f(t) ≤ f(0) + c₁ t f'(0), and a flat enough end, |f'(t)| ≤ c₂ |f'(0)|. First the length
grows until an interval must hold such a point, then the interval shrinks (Nocedal and Wright, Numerical Optimization,
algorithms 3.5 and 3.6), with the choices of Schmidt's minFunc, as PyTorch has them.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

from ..core import Tensor

__all__ = ["strong_wolfe"]


class _Point(NamedTuple):
    """A length, and the loss, the gradient and the slope along the direction there."""

    t: Any
    loss: float
    gradient: Tensor
    slope: Any


def strong_wolfe(
    evaluate: Callable[[Any], tuple[float, Tensor]],
    t: Any,
    d: Tensor,
    loss: float,
    gradient: Tensor,
    slope: Any,
    max_iterations: int,
    c1: float = 1e-4,
    c2: float = 0.9,
    tolerance_change: float = 1e-9,
) -> tuple[float, Tensor, Any, int]:
    """Loss and gradient at the length that was found, the length, and how often ``evaluate`` was called."""
    start = _Point(0, loss, gradient.clone(), slope)

    def at(length: Any) -> _Point:
        new_loss, new_gradient = evaluate(length)
        return _Point(length, new_loss, new_gradient, new_gradient.dot(d))

    def too_high(point: _Point) -> bool:
        return bool(point.loss > start.loss + c1 * point.t * start.slope)

    def flat(point: _Point) -> bool:
        return bool(abs(point.slope) <= -c2 * start.slope)

    # Go on until there must be such a point between the last two.
    previous, point = start, at(t)
    evaluations, iterations, done = 1, 0, False
    bracket: list[_Point] | None = None
    while bracket is None and iterations < max_iterations:
        if too_high(point) or (iterations > 1 and point.loss >= previous.loss):
            bracket = [previous, point]
        elif flat(point):
            bracket, done = [point], True
        elif point.slope >= 0:
            bracket = [previous, point]
        else:
            t = _cubic(previous, point, (point.t + 0.01 * (point.t - previous.t), point.t * 10))
            previous, point = point, at(t)
            evaluations += 1
            iterations += 1
    if bracket is None:
        bracket = [start, point]

    # Shrink the interval.
    largest, stuck = d.abs().max(), False
    low, high = (0, 1) if bracket[0].loss <= bracket[-1].loss else (1, 0)
    while not done and iterations < max_iterations:
        if abs(bracket[1].t - bracket[0].t) * largest < tolerance_change:
            break
        t = _cubic(bracket[0], bracket[1])
        left, right = sorted((bracket[0].t, bracket[1].t))
        margin = 0.1 * (right - left)
        if min(right - t, t - left) < margin:  # close to an end; the second time in a row is once too often
            if stuck or t >= right or t <= left:
                t = right - margin if abs(t - right) < abs(t - left) else left + margin
                stuck = False
            else:
                stuck = True
        else:
            stuck = False
        point = at(t)
        evaluations += 1
        iterations += 1
        if too_high(point) or point.loss >= bracket[low].loss:
            bracket[high] = point
            low, high = (0, 1) if bracket[0].loss <= bracket[1].loss else (1, 0)
        else:
            if flat(point):
                done = True
            elif point.slope * (bracket[high].t - bracket[low].t) >= 0:
                bracket[high] = bracket[low]
            bracket[low] = point
    found = bracket[low]
    return found.loss, found.gradient, found.t, evaluations


def _cubic(a: _Point, b: _Point, bounds: tuple[Any, Any] | None = None) -> Any:
    """Where the cubic through two points with these slopes is least, within the bounds (else between the points)."""
    low, high = bounds or sorted((a.t, b.t))
    d1 = a.slope + b.slope - 3 * (a.loss - b.loss) / (a.t - b.t)
    square = d1**2 - a.slope * b.slope
    if not square >= 0:
        return (low + high) / 2.0
    d2 = square.sqrt()
    if not a.t <= b.t:
        a, b = b, a
    t = b.t - (b.t - a.t) * ((b.slope + d2 - d1) / (b.slope - a.slope + 2 * d2))
    return min(max(t, low), high)
