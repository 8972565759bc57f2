"""Adagrad: the gradient divided by the root of the sum of all its squares so far."""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..core import Tensor, apply, op
from .optimizer import Optimizer, check_at_least, check_undifferentiable
from .scratch import scratch

__all__ = ["Adagrad"]


@op(mutates=(0, 2, 3), method=False, public=False)
def adagrad_(
    xp: Any,
    param: Array,
    grad: Array,
    step: Array,
    total: Array,
    *,
    lr: float,
    lr_decay: float = 0.0,
    weight_decay: float = 0.0,
    eps: float,
    maximize: bool = False,
) -> Array:
    """One step of `Adagrad` on one parameter, in place."""
    g, (s, t) = grad, scratch(xp, param)
    step += 1
    if maximize:
        g = xp.negative(g, out=s)
    if weight_decay:
        g = xp.add(g, xp.multiply(param, weight_decay, out=t), out=s)
    xp.add(total, xp.multiply(g, g, out=t), out=total)
    xp.add(xp.sqrt(total, out=t), eps, out=t)
    xp.multiply(g, lr / (1 + (float(step) - 1) * lr_decay), out=s)
    return xp.subtract(param, xp.divide(s, t, out=s), out=param)


class Adagrad(Optimizer):
    r"""Adagrad (Duchi, Hazan and Singer, https://jmlr.org/papers/v12/duchi11a.html).

    :math:`G \leftarrow G + g^2`, then :math:`p \leftarrow p - \text{lr}_k \, g / (\sqrt G + \epsilon)` with
    :math:`\text{lr}_k = \text{lr} / (1 + (k - 1) \, \text{lr_decay})` in step k.

    Raises:
        ValueError: a negative hyperparameter.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        lr_decay: float = 0,
        weight_decay: float = 0,
        initial_accumulator_value: float = 0,
        eps: float = 1e-10,
        foreach: bool | None = None,
        *,
        maximize: bool = False,
        differentiable: bool = False,
        fused: bool | None = None,
    ) -> None:
        check_at_least(0.0, lr=lr, lr_decay=lr_decay, weight_decay=weight_decay, eps=eps)
        check_at_least(0.0, initial_accumulator_value=initial_accumulator_value)
        check_undifferentiable(differentiable)
        defaults = {
            "lr": lr,
            "lr_decay": lr_decay,
            "eps": eps,
            "weight_decay": weight_decay,
            "initial_accumulator_value": initial_accumulator_value,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
            "fused": fused,
        }
        super().__init__(params, defaults)
        for group in self.param_groups:  # PyTorch's is there before the first step too
            for param in group["params"]:
                self.state[param] = {
                    "step": self.counter(param),
                    "sum": self.zeros_like(param, group["initial_accumulator_value"]),
                }

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "lr": float(group["lr"]),
            "lr_decay": group["lr_decay"],
            "weight_decay": group["weight_decay"],
            "eps": group["eps"],
            "maximize": group["maximize"],
        }

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        apply(adagrad_, (param, grad, state["step"], state["sum"]), options)
