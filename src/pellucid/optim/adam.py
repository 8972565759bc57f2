"""Adam and AdamW: steps scaled by running averages of the gradient and of its square."""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..core import Tensor, apply, op
from .optimizer import Optimizer, check_at_least, check_betas, check_undifferentiable
from .scratch import scratch

__all__ = ["Adam"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def adam_(
    xp: Any,
    param: Array,
    grad: Array,
    step: Array,
    exp_avg: Array,
    exp_avg_sq: Array,
    max_exp_avg_sq: Array | None = None,
    *,
    lr: float,
    beta1: float,
    beta2: float,
    eps: float,
    weight_decay: float = 0.0,
    maximize: bool = False,
    decoupled: bool = False,
    amsgrad: bool = False,
    l1: float = 0.0,
) -> Array:
    """One step of `Adam` (or, ``decoupled``, `AdamW`) on one parameter, in place."""
    g, (s, t) = grad, scratch(xp, param)
    step += 1
    steps = float(step)
    if maximize:
        g = xp.negative(g, out=s)
    if weight_decay and decoupled:
        xp.multiply(param, 1 - lr * weight_decay, out=param)
    elif weight_decay:
        g = xp.add(g, xp.multiply(param, weight_decay, out=t), out=s)
    if l1:
        g = xp.add(g, xp.multiply(xp.sign(param, out=t), l1, out=t), out=s)
    # exp_avg moves towards g by 1 - beta1; exp_avg_sq = beta2 * exp_avg_sq + (1 - beta2) * g * g
    xp.subtract(g, exp_avg, out=t)
    xp.add(exp_avg, xp.multiply(t, 1 - beta1, out=t), out=exp_avg)
    xp.multiply(exp_avg_sq, beta2, out=exp_avg_sq)
    xp.multiply(g, 1 - beta2, out=t)
    xp.add(exp_avg_sq, xp.multiply(t, g, out=t), out=exp_avg_sq)
    if amsgrad:
        exp_avg_sq = xp.maximum(max_exp_avg_sq, exp_avg_sq, out=max_exp_avg_sq)
    # t = sqrt(v / (1 - beta2^k)) + eps
    xp.sqrt(exp_avg_sq, out=t)
    xp.divide(t, (1 - beta2**steps) ** 0.5, out=t)
    xp.add(t, eps, out=t)
    xp.multiply(exp_avg, lr / (1 - beta1**steps), out=s)
    return xp.subtract(param, xp.divide(s, t, out=s), out=param)


class Adam(Optimizer):
    r"""Adam (Kingma and Ba, `Adam: a method for stochastic optimization <https://arxiv.org/abs/1412.6980>`_).

    With running averages :math:`m \leftarrow \beta_1 m + (1 - \beta_1) g` and
    :math:`v \leftarrow \beta_2 v + (1 - \beta_2) g^2`, corrected for their start at zero in step k,

    .. math:: p \leftarrow p - \text{lr} \frac{m / (1 - \beta_1^k)}{\sqrt{v / (1 - \beta_2^k)} + \epsilon}

    Args:
        params: parameters, ``(name, parameter)`` pairs, or a list of groups.
        lr, betas, eps: as above.
        weight_decay: added to the gradient as ``weight_decay * p`` (in `AdamW`, p itself shrinks).
        amsgrad: divide by the largest v so far (Reddi and others, https://openreview.net/forum?id=ryQu7f-RZ).
        maximize: climb.
        l1: the strength of an L1 penalty, by its subgradient. PyTorch has none.
        foreach, capturable, fused: accepted and stored; they choose between implementations in PyTorch.

    Raises:
        ValueError: a negative hyperparameter, or a beta outside [0, 1).

    Numbers are PyTorch's up to rounding: its processor kernels round ``a + x * b`` once, and its square root is not
    always the nearest float.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        betas: tuple[float, float] = (0.9, 0.999),
        eps: float = 1e-8,
        weight_decay: float = 0,
        amsgrad: bool = False,
        *,
        foreach: bool | None = None,
        maximize: bool = False,
        capturable: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
        decoupled_weight_decay: bool = False,
        l1: float = 0,
    ) -> None:
        check_at_least(0.0, lr=lr, eps=eps, weight_decay=weight_decay, l1=l1)
        check_betas(betas)
        check_undifferentiable(differentiable)
        defaults = {
            "lr": lr,
            "betas": betas,
            "eps": eps,
            "weight_decay": weight_decay,
            "amsgrad": amsgrad,
            "maximize": maximize,
            "foreach": foreach,
            "capturable": capturable,
            "differentiable": differentiable,
            "fused": fused,
            "decoupled_weight_decay": decoupled_weight_decay,
            "l1": l1,
        }
        super().__init__(params, defaults)

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        beta1, beta2 = group["betas"]
        return {
            "lr": float(group["lr"]),
            "beta1": beta1,
            "beta2": beta2,
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "maximize": group["maximize"],
            "decoupled": group["decoupled_weight_decay"],
            "amsgrad": group["amsgrad"],
            "l1": group["l1"],
        }

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        if not state:
            state["step"] = self.counter(param)
            state["exp_avg"] = self.zeros_like(param)
            state["exp_avg_sq"] = self.zeros_like(param)
            if options["amsgrad"]:
                state["max_exp_avg_sq"] = self.zeros_like(param)
        largest = state["max_exp_avg_sq"] if options["amsgrad"] else None
        apply(adam_, (param, grad, state["step"], state["exp_avg"], state["exp_avg_sq"], largest), options)
