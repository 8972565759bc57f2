"""RAdam: Adam that waits until its estimate of the variance can be trusted."""

from __future__ import annotations

from ..backend import Array
from ..declare import op
from .names import Library
from .optimizer import Optimizer
from .scratch import ascent, average, average_square, scratch

__all__ = ["RAdam"]


@op(mutates=(0, 2, 3, 4), method=False, public=False)
def radam_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float = 1e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    maximize: bool = False,
    capturable: bool = False,
    differentiable: bool = False,
) -> Array:
    """One step of `RAdam` on one parameter, in place."""
    s, t = scratch(xp, param)
    beta1, beta2 = betas
    step += 1
    steps = float(step)
    if weight_decay and decoupled_weight_decay:
        xp.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0.0
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    average(xp, exp_avg, g, beta1, t)
    average_square(xp, exp_avg_sq, g, beta2, t)
    correction = 1 - beta2**steps
    longest = 2 / (1 - beta2) - 1
    length = longest - 2 * steps * beta2**steps / correction
    xp.multiply(xp.divide(exp_avg, 1 - beta1**steps, out=s), lr, out=s)
    if length > 5.0:
        ratio = (length - 4) * (length - 2) * longest / ((longest - 4) * (longest - 2) * length)
        xp.add(xp.sqrt(exp_avg_sq, out=t), eps, out=t)
        xp.divide(correction**0.5, t, out=t)
        xp.multiply(xp.multiply(s, t, out=s), ratio**0.5, out=s)
    return xp.subtract(param, s, out=param)


class RAdam(Optimizer):
    r"""RAdam (Liu and others, `On the variance of the adaptive learning rate <https://arxiv.org/abs/1908.03265>`_).

    As `Adam`, where the average v has seen enough: with :math:`\rho_\infty = 2 / (1 - \beta_2) - 1` and
    :math:`\rho_k = \rho_\infty - 2 k \beta_2^k / (1 - \beta_2^k)`, the step of Adam is multiplied by
    :math:`\sqrt{(\rho_k - 4)(\rho_k - 2) \rho_\infty / ((\rho_\infty - 4)(\rho_\infty - 2) \rho_k)}` if
    :math:`\rho_k > 5`, and is not divided by :math:`\sqrt v` at all otherwise.

    Raises:
        ValueError: a negative hyperparameter, or a beta outside [0, 1).
    """

    formula = radam_
    stored_first = "lr betas eps weight_decay maximize foreach capturable"
    by_position = 5
