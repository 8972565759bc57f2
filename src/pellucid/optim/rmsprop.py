"""RMSprop: the gradient divided by the root of a running average of its square."""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..core import Tensor, apply, op
from .optimizer import Optimizer, check_at_least, check_undifferentiable
from .scratch import scratch

__all__ = ["RMSprop"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def rmsprop_(
    xp: Any,
    param: Array,
    grad: Array,
    step: Array,
    square_avg: Array,
    grad_avg: Array | None = None,
    buffer: Array | None = None,
    *,
    lr: float,
    alpha: float,
    eps: float,
    weight_decay: float = 0.0,
    momentum: float = 0.0,
    centered: bool = False,
    maximize: bool = False,
) -> Array:
    """One step of `RMSprop` on one parameter, in place."""
    g, (s, t) = grad, scratch(xp, param)
    step += 1
    if maximize:
        g = xp.negative(g, out=s)
    if weight_decay:
        g = xp.add(g, xp.multiply(param, weight_decay, out=t), out=s)
    xp.multiply(square_avg, alpha, out=square_avg)
    xp.multiply(g, 1 - alpha, out=t)
    xp.add(square_avg, xp.multiply(t, g, out=t), out=square_avg)
    if not centered:
        xp.sqrt(square_avg, out=t)
    else:
        xp.subtract(g, grad_avg, out=t)
        xp.add(grad_avg, xp.multiply(t, 1 - alpha, out=t), out=grad_avg)
        xp.multiply(grad_avg, grad_avg, out=t)
        xp.sqrt(xp.subtract(square_avg, t, out=t), out=t)
    xp.add(t, eps, out=t)
    if not momentum:
        xp.multiply(g, lr, out=s)
        return xp.subtract(param, xp.divide(s, t, out=s), out=param)
    xp.multiply(buffer, momentum, out=buffer)
    xp.add(buffer, xp.divide(g, t, out=t), out=buffer)
    return xp.subtract(param, xp.multiply(buffer, lr, out=t), out=param)


class RMSprop(Optimizer):
    r"""RMSprop (Hinton, lecture 6e of Neural Networks for Machine Learning).

    :math:`v \leftarrow \alpha v + (1 - \alpha) g^2`, then
    :math:`p \leftarrow p - \text{lr} \, g / (\sqrt v + \epsilon)`.
    With ``centered``, v less the square of the running average of g stands under the root (Graves,
    https://arxiv.org/abs/1308.0850); with ``momentum`` the quotient is gathered in a buffer first.

    Raises:
        ValueError: a negative hyperparameter.
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-2,
        alpha: float = 0.99,
        eps: float = 1e-8,
        weight_decay: float = 0,
        momentum: float = 0,
        centered: bool = False,
        capturable: bool = False,
        foreach: bool | None = None,
        maximize: bool = False,
        differentiable: bool = False,
    ) -> None:
        check_at_least(0.0, lr=lr, eps=eps, momentum=momentum, weight_decay=weight_decay, alpha=alpha)
        check_undifferentiable(differentiable)
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "alpha": alpha,
            "eps": eps,
            "centered": centered,
            "weight_decay": weight_decay,
            "capturable": capturable,
            "foreach": foreach,
            "maximize": maximize,
            "differentiable": differentiable,
        }
        super().__init__(params, defaults)

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "lr": float(group["lr"]),
            "alpha": group["alpha"],
            "eps": group["eps"],
            "weight_decay": group["weight_decay"],
            "momentum": group["momentum"],
            "centered": group["centered"],
            "maximize": group["maximize"],
        }

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        if not state:
            state["step"] = self.counter(param)
            state["square_avg"] = self.zeros_like(param)
            if options["momentum"]:
                state["momentum_buffer"] = self.zeros_like(param)
            if options["centered"]:
                state["grad_avg"] = self.zeros_like(param)
        grad_avg = state["grad_avg"] if options["centered"] else None
        buffer = state["momentum_buffer"] if options["momentum"] else None
        apply(rmsprop_, (param, grad, state["step"], state["square_avg"], grad_avg, buffer), options)
