"""What linear algebra asks of its arguments, and the error for a matrix that cannot be factored."""

from __future__ import annotations

from typing import Any

from pellucid.errors import ShapeError, with_line
from pellucid.types.dtypes import SCALAR_TYPES


class LinAlgError(RuntimeError):
    """A matrix is singular, or not positive-definite, where an algorithm needs it to be otherwise."""


LinAlgError.__module__, LinAlgError.__qualname__ = "torch._C", "_LinAlgError"


def _numpy(x: Any) -> Any:
    return getattr(x.dtype, "numpy", x.dtype)


def is_complex(x: Any) -> bool:
    """Whether an array or a tensor has complex elements."""
    return _numpy(x).kind == "c"


def floating(name: str, x: Any, what: str = "A", half: bool = False) -> None:
    """Raise for elements that are no floating or complex numbers, and with `half` False for half precision."""
    kind = _numpy(x)
    if kind.kind not in "fcV":
        raise RuntimeError(
            with_line(
                f"{name}: Expected a floating point or complex tensor as input. Got "
                f"{SCALAR_TYPES.get(str(kind), kind)}; write {what}.float() first"
            )
        )
    if kind.itemsize == 2 and not half:
        given = "BFloat16" if kind.kind == "V" else "Half"
        raise RuntimeError(with_line(f"{name}: Low precision dtypes not supported. Got {given}; write {what}.float()"))


def matrices(name: str, x: Any, what: str = "A") -> None:
    """Raise for fewer than two dimensions."""
    if len(x.shape) < 2:
        raise ShapeError(
            with_line(f"{name}: The input tensor {what} must have at least 2 dimensions, got shape {tuple(x.shape)}")
        )


def square(name: str, x: Any, what: str = "A", half: bool = False) -> None:
    """Raise unless `x` is one or more square matrices of floating numbers."""
    matrices(name, x, what)
    if x.shape[-1] != x.shape[-2]:
        raise ShapeError(
            with_line(
                f"{name}: {what} must be batches of square matrices, but they are {x.shape[-2]} by {x.shape[-1]} "
                "matrices"
            )
        )
    floating(name, x, what, half)


def same_dtype(name: str, a: Any, b: Any) -> None:
    """Raise unless both have one dtype."""
    if a.dtype != b.dtype:
        raise RuntimeError(
            with_line(
                f"{name}: Expected A and B to have the same dtype, but found A of type {a.dtype!r} and B of type "
                f"{b.dtype!r} instead; write B.to(A.dtype)"
            )
        )


def adjoint(m: Any, x: Any) -> Any:
    """The conjugate transpose of each matrix."""
    turned = m.matrix_transpose(x)
    return m.conj(turned) if is_complex(x) else turned


def conjugate(m: Any, x: Any) -> Any:
    """The conjugate of each element; a real array itself."""
    return m.conj(x) if is_complex(x) else x


def scaled(m: Any, x: Any, by: Any) -> Any:
    """Each column of the matrices `x` times its number in `by`: x · diag(by)."""
    return x * m.unsqueeze(by, dim=len(by.shape) - 1)


def diagonal_of(m: Any, x: Any) -> Any:
    """The diagonal of each matrix."""
    return m.diagonal(x, offset=0, dim1=-2, dim2=-1)


def on_diagonal(m: Any, values: Any) -> Any:
    """Square matrices with `values` on the diagonal."""
    shape = (*values.shape, values.shape[-1])
    return m.diagonal_embed(values, shape=shape, offset=0, dim1=len(shape) - 2, dim2=len(shape) - 1)


def eye_mask(n: int) -> Any:
    """True on the diagonal of an n × n matrix, as an array of NumPy."""
    import numpy as np

    return np.eye(n, dtype=bool)
