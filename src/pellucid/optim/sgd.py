"""Stochastic gradient descent, with momentum and Nesterov's variant of it."""

from __future__ import annotations

from typing import Any

from ..backend import Array
from ..core import Tensor, apply, op
from .optimizer import Optimizer, check_at_least, check_undifferentiable
from .scratch import scratch

__all__ = ["SGD"]


@op(mutates=(0, 2), method=False, public=False)
def sgd_(
    xp: Any,
    param: Array,
    grad: Array,
    buffer: Array | None = None,
    *,
    lr: float,
    momentum: float = 0.0,
    dampening: float = 0.0,
    weight_decay: float = 0.0,
    nesterov: bool = False,
    maximize: bool = False,
    l1: float = 0.0,
) -> Array:
    """One step of `SGD` on one parameter, in place."""
    if buffer is None and not (maximize or weight_decay or l1):
        return xp.subtract(param, grad * lr, out=param)
    g, (s, t) = grad, scratch(xp, param)
    if maximize:
        g = xp.negative(g, out=s)
    if weight_decay:
        g = xp.add(g, xp.multiply(param, weight_decay, out=t), out=s)
    if l1:
        g = xp.add(g, xp.multiply(xp.sign(param, out=t), l1, out=t), out=s)
    if buffer is not None:
        xp.multiply(buffer, momentum, out=buffer)
        xp.add(buffer, xp.multiply(g, 1 - dampening, out=t) if dampening else g, out=buffer)
        g = xp.add(g, xp.multiply(buffer, momentum, out=t), out=s) if nesterov else buffer
    return xp.subtract(param, xp.multiply(g, lr, out=t), out=param)


class SGD(Optimizer):
    r"""Stochastic gradient descent: :math:`p \leftarrow p - \text{lr} \cdot d`.

    The direction d is the gradient g, to which ``weight_decay``·p and ``l1``·sign(p) are added first. With
    ``momentum`` μ and ``dampening`` τ it is b in :math:`b \leftarrow \mu b + (1 - \tau) g` (b = g in the first step),
    with ``nesterov`` g + μ·b.

    Args:
        params: parameters, ``(name, parameter)`` pairs, or a list of groups.
        lr, momentum, dampening, weight_decay, nesterov, maximize: as above; ``maximize`` climbs.
        l1: the strength of an L1 penalty, by its subgradient; may differ between groups. PyTorch has none.
        foreach, fused: accepted and stored; they choose between implementations in PyTorch, and there is one here.

    Raises:
        ValueError: a negative hyperparameter; Nesterov without momentum or with dampening.

    Numbers are PyTorch's up to one rounding in each line of the formula (its processor kernels round ``a + x * b``
    once, NumPy twice).

    >>> import pellucid as torch
    >>> w = torch.nn.Parameter(torch.tensor([1.0, 2.0]))
    >>> optimizer = torch.optim.SGD([w], lr=0.5)
    >>> (w * w).sum().backward()
    >>> optimizer.step()
    >>> w.tolist()
    [0.0, 0.0]
    """

    def __init__(
        self,
        params: Any,
        lr: float = 1e-3,
        momentum: float = 0,
        dampening: float = 0,
        weight_decay: float = 0,
        nesterov: bool = False,
        *,
        maximize: bool = False,
        foreach: bool | None = None,
        differentiable: bool = False,
        fused: bool | None = None,
        l1: float = 0,
    ) -> None:
        check_at_least(0.0, lr=lr, momentum=momentum, weight_decay=weight_decay, l1=l1)
        check_undifferentiable(differentiable)
        if nesterov and (momentum <= 0 or dampening != 0):
            raise ValueError("Nesterov momentum requires a momentum and zero dampening")
        defaults = {
            "lr": lr,
            "momentum": momentum,
            "dampening": dampening,
            "weight_decay": weight_decay,
            "nesterov": nesterov,
            "maximize": maximize,
            "foreach": foreach,
            "differentiable": differentiable,
            "fused": fused,
            "l1": l1,
        }
        super().__init__(params, defaults)

    def options(self, group: dict[str, Any]) -> dict[str, Any]:
        return {
            "lr": float(group["lr"]),
            "momentum": group["momentum"],
            "dampening": group["dampening"],
            "weight_decay": group["weight_decay"],
            "nesterov": group["nesterov"],
            "maximize": group["maximize"],
            "l1": group["l1"],
        }

    def update(self, param: Tensor, grad: Tensor, state: dict[str, Any], options: dict[str, Any]) -> None:
        buffer = None
        if options["momentum"]:
            buffer = state.get("momentum_buffer")
            if buffer is None:  # zero, and not dampened: then b = g comes out of the formula
                buffer = state["momentum_buffer"] = self.zeros_like(param)
                options = {**options, "dampening": 0.0}
        apply(sgd_, (param, grad, buffer), options)
