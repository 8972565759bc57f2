"""Averaged stochastic gradient descent: the mean of the weights along the way is kept beside them."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..declare import op
from .names import Library
from .optimizer import Optimizer
from .scratch import ascent, scratch

__all__ = ["ASGD"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def asgd_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    eta: Array,
    mu: Array,
    ax: Array,
    *,
    lr: float = 1e-2,
    lambd: float = 1e-4,
    alpha: float = 0.75,
    t0: float = 1e6,
    weight_decay: float = 0,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
) -> Array:
    """One step of `ASGD` on one parameter, in place."""
    s, t = scratch(xp, param)
    step += 1
    steps = float(step)
    if steps == 1:
        eta[...] = lr
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    rate = float(eta)
    xp.multiply(param, 1 - lambd * rate, out=param)
    xp.subtract(param, xp.multiply(g, rate, out=t), out=param)
    if float(mu) == 1:
        ax[...] = param
    else:
        xp.add(ax, xp.multiply(xp.subtract(param, ax, out=t), mu, out=t), out=ax)
    eta[...] = lr / (1 + lambd * lr * steps) ** alpha
    mu[...] = 1 / max(1, steps - t0)
    return param


class ASGD(Optimizer):
    r"""Averaged SGD (Polyak and Juditsky, https://doi.org/10.1137/0330046).

    :math:`p \leftarrow (1 - \lambda \eta) p - \eta g` with :math:`\eta = \text{lr} / (1 + \lambda \, \text{lr} \,
    k)^\alpha` in step k + 1. From step ``t0`` on, the state ``ax`` is the mean of p since then; before, it is p.

    Raises:
        ValueError: a negative lr or weight_decay.
    """

    formula = asgd_
    by_position = 9
    scalars: ClassVar = {"step": 0.0, "eta": 0.0, "mu": 1.0}
