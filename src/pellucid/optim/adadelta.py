"""Adadelta: steps in the units of the weights, without a learning rate to be chosen."""

from __future__ import annotations

from ..backend import Array
from ..declare import op
from ..kernels import optimisers as native
from ..kernels.optimisers import DType, Loop
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, average_square, scratch

__all__ = ["Adadelta"]


@op(mutates=(0, 2, 3, 4), method=False, public=False)
def adadelta_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    square_avg: Array,
    acc_delta: Array,
    *,
    lr: float = 1.0,
    rho: float = 0.9,
    eps: float = 1e-6,
    weight_decay: float = 0,
    foreach: bool | None = None,
    capturable: bool = False,
    maximize: bool = False,
    differentiable: bool = False,
) -> Array:
    """One step of `Adadelta` on one parameter, in place."""
    step += 1
    arrays = (param, grad, square_avg, acc_delta)
    if native.fit(*arrays) and native.step(native.adadelta_loop(
        param.dtype, lr=lr, rho=rho, eps=eps, weight_decay=weight_decay, maximize=maximize
    ), *arrays):  # fmt: skip
        return param
    delta, s, t = scratch(xp, param, 3)
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    average_square(xp, square_avg, g, rho, t)
    xp.sqrt(xp.add(square_avg, eps, out=t), out=t)
    xp.sqrt(xp.add(acc_delta, eps, out=delta), out=delta)
    xp.divide(delta, t, out=delta)
    xp.multiply(delta, g, out=delta)
    average_square(xp, acc_delta, delta, rho, t)
    return xp.subtract(param, xp.multiply(delta, lr, out=t), out=param)


class Adadelta(Optimizer):
    r"""Adadelta (Zeiler, https://arxiv.org/abs/1212.5701).

    With the running averages :math:`v \leftarrow \rho v + (1 - \rho) g^2` and
    :math:`u \leftarrow \rho u + (1 - \rho) d^2`, the step is
    :math:`d = g \sqrt{u + \epsilon} / \sqrt{v + \epsilon}` and :math:`p \leftarrow p - \text{lr} \, d`.

    Raises:
        ValueError: a negative hyperparameter, or ``rho`` outside [0, 1].
    """

    formula = adadelta_
    stored_first = "lr rho eps weight_decay maximize capturable"
    by_position = 5

    @staticmethod
    def check(given: Options) -> None:
        if not 0.0 <= given["rho"] <= 1.0:
            raise ValueError(f"Invalid rho value: {given['rho']}: it must be in [0, 1]")

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        names = ("lr", "rho", "eps", "weight_decay", "maximize")
        return native.adadelta_loop(dtype, **{name: options[name] for name in names})
