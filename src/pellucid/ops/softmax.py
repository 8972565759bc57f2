"""Softmax and its logarithm: scores to probabilities."""

from __future__ import annotations

from typing import Any

from pellucid.core import real
from pellucid.declare import op
from pellucid.kernels import rows as native

from .dims import dim_of
from .reduce import sum as _sum
from .reduction import numpy_dtype, widened


@op(domain=real(), reference="torch.nn.functional.softmax")
def softmax(xp: Any, input: Any, *, dim: int, dtype: Any = None) -> Any:
    """e^x / Σ e^x along `dim`, with the largest x taken out first so that nothing overflows.

    `dtype` converts first. Raises for integers (give a floating `dtype`).

    >>> import pellucid
    >>> pellucid.tensor([0.0, 0.0]).softmax(0)
    tensor([0.5000, 0.5000])
    """
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    found = native.softmax(input, dim)
    if found is not None:
        return found
    made, axis, kind = shifted(xp, "softmax", input, dim)
    if not made.size:
        return made.astype(kind, copy=False)
    xp.exp(made, out=made)
    made /= _sum.forward(xp, made, dim=axis, keepdim=True)
    return made.astype(kind, copy=False)


softmax.vjp(input=lambda m, g, out, dim: m.softmax_backward(g, out, dim=dim))


@op(public=False, method=False)
def softmax_backward(xp: Any, grad: Any, output: Any, *, dim: int) -> Any:
    """output · (grad - Σ grad · output): the gradient of softmax."""
    found = native.softmax_backward(grad, output, dim)
    if found is not None:
        return found
    made = xp.asarray(grad * output)
    made -= output * _sum.forward(xp, made, dim=dim, keepdim=True)
    return made


softmax_backward.vjp(
    grad=lambda m, g, output, dim: m.softmax_backward(g, output, dim=dim),
    output=lambda m, g, grad, output, dim: (
        g * (grad - m.sum(grad * output, dim=dim, keepdim=True)) - grad * m.sum(g * output, dim=dim, keepdim=True)
    ),
)


@op(domain=real(), reference="torch.nn.functional.log_softmax")
def log_softmax(xp: Any, input: Any, *, dim: int, dtype: Any = None) -> Any:
    """x - log Σ e^x along `dim`: the logarithm of softmax, finite where softmax itself rounds to 0.

    `dtype` converts first. Raises for integers (give a floating `dtype`).
    """
    if dtype is not None:
        input = input.astype(numpy_dtype(dtype), copy=False)
    found = native.log_softmax(input, dim)
    if found is not None:
        return found
    made, axis, kind = shifted(xp, "log_softmax", input, dim)
    if not made.size:
        return made.astype(kind, copy=False)
    made -= xp.log(_sum.forward(xp, xp.exp(made), dim=axis, keepdim=True))
    return made.astype(kind, copy=False)


log_softmax.vjp(input=lambda m, g, out, dim: m.log_softmax_backward(g, out, dim=dim))


@op(public=False, method=False)
def log_softmax_backward(xp: Any, grad: Any, output: Any, *, dim: int) -> Any:
    """grad - e^output · Σ grad: the gradient of log_softmax."""
    found = native.log_softmax_backward(grad, output, dim)
    if found is not None:
        return found
    made = xp.asarray(xp.exp(output))
    made *= _sum.forward(xp, grad, dim=dim, keepdim=True)
    return xp.subtract(grad, made, out=made)


log_softmax_backward.vjp(
    grad=lambda m, g, output, dim: g - m.sum(g * m.exp(output), dim=dim, keepdim=True),
    output=lambda m, g, grad, output, dim: -(g * m.exp(output)) * m.sum(grad, dim=dim, keepdim=True),
)


def shifted(xp: Any, name: str, input: Any, dim: int) -> Any:
    """A new array of `input` less its largest along `dim`; the axis; and the dtype that the result is to have."""
    axis = dim_of(dim, input.ndim) if input.ndim else None
    if not input.ndim:
        dim_of(dim, 0)
    if input.dtype.kind != "f" and input.size:
        raise NotImplementedError(f"{name} is not implemented for {input.dtype}; write .float() first, or give dtype=")
    wide = widened(xp, input)
    if not input.size:
        return wide.copy(), axis, input.dtype
    return xp.asarray(wide - xp.maximum.reduce(wide, axis=axis, keepdims=True)), axis, input.dtype
