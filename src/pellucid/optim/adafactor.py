"""Adafactor: Adam's second moment of a matrix, kept as one row and one column instead of a matrix."""

from __future__ import annotations

from typing import ClassVar

from ..backend import Array
from ..core import Tensor, apply
from ..declare import op
from .hyperparameters import at_least
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import scratch

__all__ = ["Adafactor"]


@op(mutates=(0, 2, 3, 4, 5), method=False, public=False)
def adafactor_(
    xp: Library,
    param: Array,
    grad: Array,
    step: Array,
    row_var: Array | None = None,
    col_var: Array | None = None,
    variance: Array | None = None,
    *,
    lr: float = 1e-2,
    beta2_decay: float = -0.8,
    eps: tuple[float | None, float] = (None, 1e-3),
    d: float = 1.0,
    weight_decay: float = 0.0,
    foreach: bool | None = None,
    maximize: bool = False,
) -> Array:
    """One step of `Adafactor` on one parameter, in place."""
    if not param.size:
        return param
    s, t = scratch(xp, param)
    step += 1
    steps = float(step)
    least, scale = eps
    least = float(xp.finfo(param.dtype).eps) if least is None else least
    weight = steps**beta2_decay
    rate = max(scale, _root_mean_square(xp, param)) * min(lr, 1 / steps**0.5)
    if weight_decay:
        xp.multiply(param, 1 - lr * weight_decay, out=param)
    squares = xp.multiply(grad, grad, out=t)
    if variance is None:
        row_var += (xp.mean(squares, -1, keepdims=True) - row_var) * weight
        col_var += (xp.mean(squares, -2, keepdims=True) - col_var) * weight
        mean = xp.maximum(xp.mean(row_var, -2, keepdims=True), least)
        estimate = xp.divide(xp.multiply(row_var, col_var, out=s), mean, out=s)
    else:
        variance += (squares - variance) * weight
        estimate = variance
    xp.sqrt(xp.maximum(estimate, least * least, out=s), out=s)
    update = xp.divide(grad, s, out=s)
    rate /= max(1.0, _root_mean_square(xp, update) / d)
    return xp.add(param, xp.multiply(update, rate if maximize else -rate, out=t), out=param)


def _root_mean_square(xp: Library, array: Array) -> float:
    return float(xp.linalg.norm(array.reshape(-1))) / array.size**0.5


class Adafactor(Optimizer):
    r"""Adafactor (Shazeer and Stern, https://arxiv.org/abs/1804.04235), as PyTorch has it.

    Of a matrix, :math:`g^2` is averaged over rows (r) and over columns (c), with the weight
    :math:`1 - k^{\text{beta2_decay}}` on the past in step k; their product, :math:`v = r c / \overline r`, stands for
    the second moment, so the state of an n × m matrix is n + m numbers. Other tensors of two and more dimensions are
    taken as stacks of matrices; vectors keep v whole. With :math:`u = g / \sqrt v` and RMS the root of the mean square,

    .. math:: p \leftarrow (1 - \text{lr} \cdot \text{weight_decay}) p - \max(\epsilon_2, \text{RMS}(p))
        \min(\text{lr}, 1 / \sqrt k) \, u / \max(1, \text{RMS}(u) / d)

    Raises:
        ValueError: a hyperparameter out of its range.
    """

    formula = adafactor_
    by_position = 5
    needs: ClassVar = {"row_var": "a matrix", "col_var": "a matrix", "variance": "a vector"}

    @staticmethod
    def check(given: Options) -> None:
        if not isinstance(given["eps"], (tuple, list)) or len(given["eps"]) != 2:
            raise TypeError(f"eps must be a pair (epsilon1, epsilon2), such as (None, 1e-3), but got {given['eps']!r}")
        first, second = given["eps"]
        at_least(0.0, epsilon1=0.0 if first is None else first, epsilon2=second)
        at_least(1.0, d=given["d"])
        if not given["beta2_decay"] <= 0.0:
            raise ValueError(f"beta2_decay should be <= 0 but is: {given['beta2_decay']}")

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        if param.is_complex():
            raise RuntimeError("Adafactor does not support complex parameters")
        if not state:
            shape, names = tuple(grad.shape), ["variance"]
            shapes = [shape]
            if len(shape) > 1:
                names, shapes = ["row_var", "col_var"], [(*shape[:-1], 1), (*shape[:-2], 1, shape[-1])]
            state["step"] = self.begin("step", param)
            state.update({name: self.zeros(param, size) for name, size in zip(names, shapes, strict=True)})
        held = (state["step"], state.get("row_var"), state.get("col_var"), state.get("variance"))
        apply(self.formula, (param, grad, *held), options)  # type: ignore[arg-type]
