"""NAdam: Adam that looks ahead along its momentum, as Nesterov's method does."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..declare import op
from .names import Library
from .optimizer import Optimizer
from .scratch import ascent, average, average_square, scratch

__all__ = ["NAdam"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def nadam_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    mu_product: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    *,
    lr: float = 2e-3,
    betas: tuple[float, float] = (0.9, 0.999),
    eps: float = 1e-8,
    weight_decay: float = 0,
    momentum_decay: float = 4e-3,
    decoupled_weight_decay: bool = False,
    foreach: bool | None = None,
    maximize: bool = False,
    capturable: bool = False,
    differentiable: bool = False,
) -> Array:
    """One step of `NAdam` on one parameter, in place."""
    s, t = scratch(xp, param)
    beta1, beta2 = betas
    step += 1
    steps = float(step)
    if weight_decay and decoupled_weight_decay:
        xp.multiply(param, 1 - lr * weight_decay, out=param)
        weight_decay = 0.0
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    mu = beta1 * (1.0 - 0.5 * 0.96 ** (steps * momentum_decay))
    mu_next = beta1 * (1.0 - 0.5 * 0.96 ** ((steps + 1) * momentum_decay))
    mu_product *= mu
    product = float(mu_product)
    average(xp, exp_avg, g, beta1, t)
    average_square(xp, exp_avg_sq, g, beta2, t)
    # t = sqrt(v / (1 - beta2^k)) + eps; p <- p - lr (1 - mu) / (1 - product) g / t - lr mu' / (1 - product mu') m / t
    xp.sqrt(xp.divide(exp_avg_sq, 1 - beta2**steps, out=t), out=t)
    xp.add(t, eps, out=t)
    xp.multiply(g, lr * (1.0 - mu) / (1.0 - product), out=s)
    xp.subtract(param, xp.divide(s, t, out=s), out=param)
    xp.multiply(exp_avg, lr * mu_next / (1.0 - product * mu_next), out=s)
    return xp.subtract(param, xp.divide(s, t, out=s), out=param)


class NAdam(Optimizer):
    r"""NAdam (Dozat, `Incorporating Nesterov momentum into Adam <https://openreview.net/forum?id=OM0jvwB8jIp57ZJjtNEZ>`_).

    As `Adam`, with the momentum :math:`\mu_k = \beta_1 (1 - 0.96^{k \cdot \text{momentum_decay}} / 2)`:

    .. math:: p \leftarrow p - \text{lr} \Big( \frac{1 - \mu_k}{1 - \prod_{i \le k} \mu_i} g
        + \frac{\mu_{k+1}}{1 - \prod_{i \le k+1} \mu_i} m \Big) \Big/ (\sqrt{v / (1 - \beta_2^k)} + \epsilon)

    Raises:
        ValueError: a negative hyperparameter, or a beta outside [0, 1).
    """

    formula = nadam_
    stored_first = "lr betas eps weight_decay momentum_decay decoupled_weight_decay maximize"
    by_position = 6
    scalars: ClassVar = {"step": 0.0, "mu_product": 1.0}
