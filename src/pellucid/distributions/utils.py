"""What the distributions share: parameters of one shape, probabilities and logits, attributes computed when asked."""

from __future__ import annotations

from collections.abc import Callable
from numbers import Number
from typing import Any

from ..core import Size, Tensor, enable_grad, get_default_dtype
from ..types.dtypes import finfo
from .vocabulary import m

__all__ = [
    "broadcast_all",
    "clamp_probs",
    "lazy_property",
    "logits_to_probs",
    "probs_to_logits",
    "tril_matrix_to_vec",
    "vec_to_tril_matrix",
]

euler_constant = 0.57721566490153286060  # Euler and Mascheroni's


def broadcast_all(*values: Any) -> tuple[Tensor, ...]:
    """Numbers and tensors as tensors of one shape; a number takes the dtype of the tensors beside it.

    Raises:
        ValueError: something is neither a number nor a tensor.
    """
    if not all(isinstance(value, (Tensor, Number)) for value in values):
        kinds = ", ".join(type(value).__name__ for value in values)
        raise ValueError(f"Input arguments must all be instances of Number or Tensor, but got {kinds}")
    if all(isinstance(value, Tensor) for value in values):
        return tuple(m.broadcast_tensors(*values))
    like = next((value for value in values if isinstance(value, Tensor)), None)
    dtype = get_default_dtype() if like is None else like.dtype
    made = [value if isinstance(value, Tensor) else m.tensor(value, dtype=dtype) for value in values]
    return tuple(m.broadcast_tensors(*made))


def standard_normal(shape: Any, dtype: Any) -> Tensor:
    """Normal numbers of mean 0 and standard deviation 1, drawn as PyTorch draws them for distributions."""
    return m.normal(m.zeros(shape, dtype=dtype), m.ones(shape, dtype=dtype))


def _standard_normal(shape: Any, dtype: Any, device: Any = None) -> Tensor:
    """`standard_normal` under the name and with the arguments by which distributions of programs call it."""
    return standard_normal(shape, dtype)


def sum_rightmost(value: Any, dims: int) -> Any:
    """The sum over the last ``dims`` dimensions."""
    if dims == 0:
        return value
    return value.reshape((*tuple(value.shape)[: value.ndim - dims], -1)).sum(-1)


def logits_to_probs(logits: Tensor, is_binary: bool = False) -> Tensor:
    """Probabilities of log-odds (binary), or of logarithms up to a constant."""
    return m.sigmoid(logits) if is_binary else m.softmax(logits, dim=-1)


def clamp_probs(probs: Tensor) -> Tensor:
    """Probabilities away from 0 and 1 by the precision of their dtype."""
    eps = finfo(probs.dtype).eps
    return probs.clamp(min=eps, max=1 - eps)


def probs_to_logits(probs: Tensor, is_binary: bool = False) -> Tensor:
    """The logarithm of probabilities; with ``is_binary`` of the odds."""
    clamped = clamp_probs(probs)
    return m.log(clamped) - m.log1p(-clamped) if is_binary else m.log(clamped)


class lazy_property:
    """An attribute that is computed when it is first asked for, and kept."""

    def __init__(self, wrapped: Callable[[Any], Any]) -> None:
        self.wrapped = wrapped
        self.__doc__ = wrapped.__doc__

    def __get__(self, instance: Any, owner: Any = None) -> Any:
        if instance is None:
            return self
        with enable_grad():
            value = self.wrapped(instance)
        setattr(instance, self.wrapped.__name__, value)
        return value


def tril_matrix_to_vec(mat: Tensor, diag: int = 0) -> Tensor:
    """The lower triangles of matrices (…, D, D) as vectors, row by row, up to the diagonal ``diag``."""
    n = mat.shape[-1]
    if diag < -n or diag >= n:
        raise ValueError(f"diag ({diag}) provided is outside [{-n}, {n - 1}].")
    rows, columns = m.tril_indices(n, n, diag)
    return mat[..., rows, columns]


def vec_to_tril_matrix(vec: Tensor, diag: int = 0) -> Tensor:
    """Vectors (…, D) as the lower triangles of matrices, row by row, up to the diagonal ``diag``."""
    length = vec.shape[-1]
    n = (-(1 + 2 * diag) + ((1 + 2 * diag) ** 2 + 8 * length + 4 * abs(diag) * (diag + 1)) ** 0.5) / 2
    if round(n) - n > finfo(vec.dtype).eps:
        raise ValueError(
            f"The size of last dimension is {length} which cannot be expressed as the lower triangular part of a "
            "square D x D matrix."
        )
    n = round(n)
    mat = m.zeros((*tuple(vec.shape[:-1]), n, n), dtype=vec.dtype)
    rows, columns = m.tril_indices(n, n, diag)
    mat[..., rows, columns] = vec
    return mat


_sum_rightmost = sum_rightmost  # so programs call it


def size(*parts: Any) -> Size:
    """Shapes one after the other, as one."""
    return Size(tuple(length for part in parts for length in part))
