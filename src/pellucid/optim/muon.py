"""Muon: momentum whose matrix is made orthogonal, so that every direction of a layer moves equally far."""

from __future__ import annotations

import math

from ..backend import Array
from ..core import Tensor
from ..declare import op
from .names import Library, Options
from .optimizer import Optimizer
from .scratch import average, scratch

__all__ = ["Muon"]

_LR_ADJUSTMENTS = (None, "original", "match_rms_adamw")


@op(mutates=(0, 2), method=False, public=False)
def muon_(
    xp: Library,
    param: Array,
    grad: Array,
    momentum_buffer: Array,
    *,
    lr: float = 1e-3,
    weight_decay: float = 0.1,
    momentum: float = 0.95,
    nesterov: bool = True,
    ns_coefficients: tuple[float, float, float] = (3.4445, -4.7750, 2.0315),
    eps: float = 1e-7,
    ns_steps: int = 5,
    adjust_lr_fn: str | None = None,
) -> Array:
    """One step of `Muon` on one parameter, in place."""
    s, t = scratch(xp, param)
    average(xp, momentum_buffer, grad, momentum, t)
    direction = momentum_buffer
    if nesterov:  # from the gradient the part `momentum` of the way to the buffer
        direction = xp.add(grad, xp.multiply(xp.subtract(momentum_buffer, grad, out=t), momentum, out=t), out=s)
    update = orthogonalised(xp, direction, ns_coefficients, ns_steps, eps)
    rows, columns = param.shape
    if adjust_lr_fn == "match_rms_adamw":
        adjusted = lr * 0.2 * math.sqrt(max(rows, columns))
    else:
        adjusted = lr * math.sqrt(max(1, rows / columns))
    xp.multiply(param, 1 - lr * weight_decay, out=param)
    return xp.subtract(param, xp.multiply(update, adjusted, out=t), out=param)


def orthogonalised(
    xp: Library, matrix: Array, coefficients: tuple[float, float, float], steps: int, eps: float
) -> Array:
    """Nearly U Vᵀ of a matrix with the singular value decomposition U S Vᵀ, by Newton and Schulz's iteration.

    X ← a X + (b A + c A²) X with A = X Xᵀ, computed as PyTorch does: each result rounded to bfloat16, which keeps 8
    binary digits of a float32.
    """
    if steps >= 100:
        raise ValueError(f"Number of steps must be less than 100 for computational efficiency, but got {steps}")
    a, b, c = coefficients
    x = _bfloat16(xp, matrix.astype(xp.float32))
    turned = x.shape[0] > x.shape[1]
    x = x.T if turned else x
    norm = _bfloat16(xp, xp.sqrt(xp.sum(x * x)))
    x = _bfloat16(xp, x / xp.maximum(norm, xp.float32(eps)))
    for _ in range(steps):
        gram = _bfloat16(xp, x @ x.T)
        polynomial = _bfloat16(xp, b * gram + c * (gram @ gram))
        x = _bfloat16(xp, a * x + polynomial @ x)
    return x.T if turned else x


def _bfloat16(xp: Library, array: Array) -> Array:
    """A float32 array, rounded to the nearest numbers that bfloat16 has (the upper 16 bits of a float32)."""
    bits = xp.ascontiguousarray(array, xp.float32).view(xp.uint32)
    rounded = (bits + 0x7FFF + ((bits >> 16) & 1)) & 0xFFFF0000
    return rounded.astype(xp.uint32).view(xp.float32).reshape(array.shape)


class Muon(Optimizer):
    r"""Muon (Jordan and others, https://kellerjordan.github.io/posts/muon/), for the matrices of hidden layers.

    :math:`b \leftarrow \mu b + (1 - \mu) g`, then :math:`o \approx U V^T` of :math:`(1 - \mu) g + \mu b` (of b without
    ``nesterov``) by ``ns_steps`` iterations of Newton and Schulz, and
    :math:`p \leftarrow (1 - \text{lr} \cdot \text{weight_decay}) p - \text{lr} \sqrt{\max(1, n / m)} \, o` for n × m
    matrices. ``adjust_lr_fn="match_rms_adamw"`` takes :math:`0.2 \sqrt{\max(n, m)}` for the root (Liu and others,
    https://arxiv.org/abs/2502.16982). Biases, embeddings and the last layer are given to AdamW.

    Raises:
        ValueError: a parameter that is not a matrix; a hyperparameter out of its range.
    """

    formula = muon_
    by_position = 8

    @staticmethod
    def check(given: Options) -> None:
        if given["adjust_lr_fn"] not in _LR_ADJUSTMENTS:
            raise ValueError(
                f"Adjust learning rate function {given['adjust_lr_fn']} is not supported: it must be one of "
                f"{_LR_ADJUSTMENTS}"
            )

    def update(self, param: Tensor, grad: Tensor, state: Options, options: Options) -> None:
        if param.is_complex():
            raise RuntimeError("Muon does not support complex parameters")
        super().update(param, grad, state, options)

    def add_param_group(self, param_group: Options) -> None:
        super().add_param_group(param_group)
        for param in self.param_groups[-1]["params"]:
            if param.ndim != 2:
                raise ValueError(
                    f"Muon only supports 2D parameters whereas we found a parameter with size: {param.shape}; give "
                    "biases, embeddings and convolutions to another optimizer, such as AdamW"
                )
