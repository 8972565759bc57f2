"""RMSprop: the gradient divided by the root of a running average of its square."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..declare import op
from ..kernels import optimisers as native
from ..kernels.optimisers import DType, Loop
from .hyperparameters import at_least
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import ascent, average, average_square, scratch

__all__ = ["RMSprop"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def rmsprop_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    square_avg: Array,
    momentum_buffer: Array | None = None,
    grad_avg: Array | None = None,
    *,
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
) -> Array:
    """One step of `RMSprop` on one parameter, in place."""
    step += 1
    held = (square_avg, *([momentum_buffer] if momentum else []), *([grad_avg] if centered else []))
    arrays = (param, grad, *held)
    if native.fit(*arrays) and native.step(native.rmsprop_loop(
        param.dtype, lr=lr, alpha=alpha, eps=eps, weight_decay=weight_decay, momentum=momentum, centered=centered,
        maximize=maximize,
    ), *arrays):  # fmt: skip
        return param
    s, t = scratch(xp, param)
    g = ascent(xp, param, grad, s, t, maximize=maximize, weight_decay=weight_decay)
    average_square(xp, square_avg, g, alpha, t)
    if not centered:
        xp.sqrt(square_avg, out=t)
    else:
        average(xp, grad_avg, g, alpha, t)
        xp.multiply(grad_avg, grad_avg, out=t)
        xp.sqrt(xp.subtract(square_avg, t, out=t), out=t)
    xp.add(t, eps, out=t)
    if not momentum:
        xp.multiply(g, lr, out=s)
        return xp.subtract(param, xp.divide(s, t, out=s), out=param)
    xp.multiply(momentum_buffer, momentum, out=momentum_buffer)
    xp.add(momentum_buffer, xp.divide(g, t, out=t), out=momentum_buffer)
    return xp.subtract(param, xp.multiply(momentum_buffer, lr, out=t), out=param)


class RMSprop(Optimizer):
    r"""RMSprop (Hinton, lecture 6e of Neural Networks for Machine Learning).

    :math:`v \leftarrow \alpha v + (1 - \alpha) g^2`, then
    :math:`p \leftarrow p - \text{lr} \, g / (\sqrt v + \epsilon)`.
    With ``centered``, v less the square of the running average of g is under the root (Graves,
    https://arxiv.org/abs/1308.0850); with ``momentum`` the quotient is gathered in a buffer first.

    Raises:
        ValueError: a negative hyperparameter.
    """

    formula = rmsprop_
    stored_first = "lr momentum alpha eps centered"
    by_position = 10
    needs: ClassVar = {"momentum_buffer": "momentum", "grad_avg": "centered"}

    @staticmethod
    def check(given: Options) -> None:
        at_least(0.0, alpha=given["alpha"])

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None:
        names = ("lr", "alpha", "eps", "weight_decay", "momentum", "centered", "maximize")
        return native.rmsprop_loop(dtype, **{name: options[name] for name in names})
