"""The parts of complex numbers: real and imaginary part, conjugate, angle; and numbers made of parts."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, function, op


@op(name="conj", method=False, public=False, reference="torch.conj", node="ConjBackward0")
def conj(xp: Any, input: Any) -> Any:
    """The complex conjugate of each element; a real array itself."""
    return xp.conjugate(input) if input.dtype.kind == "c" else input


conj.vjp(input=lambda m, g: m.conj(g))


@function(name="conj")
def torch_conj(input: Tensor) -> Tensor:
    """The complex conjugate of each element: a - bi of a + bi. A real tensor is returned as it is."""
    return conj(input) if input.is_complex() else input
