"""Adamax: Adam with the largest gradient so far in place of the root of the mean square."""

from __future__ import annotations

from ..backend import Array
from ..declare import op
from .names import Library
from .optimizer import Optimizer
from .scratch import ascent, average, scratch

__all__ = ["Adamax"]


@op(mutates=(0, 2, 3, 4), method=False, public=False)
def adamax_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    exp_avg: Array,
    exp_inf: Array,
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    foreach: bool | None = None,
    maximize: bool = False,
    differentiable: bool = False,
    capturable: bool = False,
) -> Array:
    """One step of `Adamax` on one parameter, in place."""
    s, t = scratch(xp, param)
    beta1, beta2 = betas
    step += 1
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    average(xp, exp_avg, g, beta1, t)
    xp.multiply(exp_inf, beta2, out=exp_inf)
    xp.maximum(exp_inf, xp.add(xp.abs(g, out=t), eps, out=t), out=exp_inf)
    xp.multiply(exp_avg, lr / (1 - beta1 ** float(step)), out=t)
    return xp.subtract(param, xp.divide(t, exp_inf, out=t), out=param)


class Adamax(Optimizer):
    r"""Adamax (Kingma and Ba, section 7.1 of https://arxiv.org/abs/1412.6980).

    With :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g` and
    :math:`u \leftarrow \max(\beta_2 u, |g| + \epsilon)`,
    :math:`p \leftarrow p - \text{lr} \, m / ((1 - \beta_1^k) u)` in step k.

    Raises:
        ValueError: a negative hyperparameter, or a beta outside [0, 1).
    """

    formula = adamax_
    by_position = 5
