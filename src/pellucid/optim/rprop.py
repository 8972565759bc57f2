"""Rprop: each weight has a step size of its own, and only the sign of the gradient counts."""

from __future__ import annotations

from ..backend import Array
from ..declare import op
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, scratch

__all__ = ["Rprop"]


@op(mutates=(0, 2, 3, 4), method=False, public=False)
def rprop_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    prev: Array,
    step_size: Array,
    *,
    lr: float = 1e-2,
    etas: tuple[float, float] = (0.5, 1.2),
    step_sizes: tuple[float, float] = (1e-6, 50),
    capturable: bool = False,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
) -> Array:
    """One step of `Rprop` on one parameter, in place."""
    s, t = scratch(xp, param)
    step += 1
    if float(step) == 1:
        step_size[...] = lr
    g = ascent(xp, param, grad, s, t, maximize=maximize)
    xp.multiply(g, prev, out=t)
    same, turned = t > 0, t < 0
    t[...] = 1
    t[same], t[turned] = etas[1], etas[0]
    xp.multiply(step_size, t, out=step_size)
    xp.clip(step_size, step_sizes[0], step_sizes[1], out=step_size)
    prev[...] = g
    prev[turned] = 0
    return xp.subtract(param, xp.multiply(xp.sign(prev, out=t), step_size, out=t), out=param)


class Rprop(Optimizer):
    r"""Rprop (Riedmiller and Braun, `A direct adaptive method for faster backpropagation learning
    <https://doi.org/10.1109/ICNN.1993.298623>`_).

    The step size of a weight, ``lr`` at first, is multiplied by ``etas[1]`` if the gradient has the sign of the last,
    and by ``etas[0]`` if it has turned round, and stays within ``step_sizes``. The weight goes that far against the
    sign of the gradient; where the gradient has turned round it stays, and the next gradient counts as the first.

    Raises:
        ValueError: a negative lr, or ``etas`` other than 0 < etas[0] < 1 < etas[1].
    """

    formula = rprop_
    stored_first = "lr etas step_sizes foreach maximize differentiable"
    by_position = 3

    @staticmethod
    def check(given: Options) -> None:
        low, high = given["etas"]
        if not 0.0 < low < 1.0 < high:
            raise ValueError(f"Invalid eta values: {low}, {high}: they must be 0 < etas[0] < 1 < etas[1]")
