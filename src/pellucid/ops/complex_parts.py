"""The parts of complex numbers: real and imaginary part, conjugate, size and angle; and numbers made of parts.

What ops do with complex numbers follows from their declaration, see `reverse/rules.py` for gradients. The ops that have
no meaning for them, because complex numbers have no order, are listed in `refusals`.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, elementwise, function, op
from pellucid.errors import with_line

from .elements import kind_of


@op(name="conj", method=False, public=False, reference="torch.conj_physical", node="ConjBackward0")
def conj(xp: Any, input: Any) -> Any:
    """The complex conjugate of each element; a real array itself."""
    return xp.conjugate(input) if kind_of(input) == "c" else input


conj.vjp(input=lambda m, g: m.conj(g))


@function(name="conj")
def torch_conj(input: Tensor) -> Tensor:
    """The complex conjugate of each element: a - bi of a + bi. A real tensor is returned as it is.

    >>> import pellucid
    >>> pellucid.tensor([1 + 2j]).conj()
    tensor([1.-2.j])
    """
    return conj(input) if input.is_complex() else input


@function()
def conj_physical(input: Tensor) -> Tensor:
    """The complex conjugate of each element, in memory of its own; a real tensor is returned as it is."""
    return conj(input) if input.is_complex() else input


@function(public=False)
def conj_physical_(input: Tensor) -> Tensor:
    """In place: the complex conjugate of each element."""
    return TABLE["copy_"](input, conj(input)) if input.is_complex() else input


@function()
def resolve_conj(input: Tensor) -> Tensor:
    """The tensor itself: conjugates are computed at once here, and never put off."""
    return input


@function()
def resolve_neg(input: Tensor) -> Tensor:
    """The tensor itself: negatives are computed at once here, and never put off."""
    return input


@function()
def is_conj(input: Tensor) -> bool:
    """Whether a conjugation was put off; never, here."""
    return False


@function()
def is_neg(input: Tensor) -> bool:
    """Whether a negation was put off; never, here."""
    return False


@op(name="real", view=True, method=False, public=False, reference="torch.real")
def real_parts(xp: Any, input: Any) -> Any:
    """The real parts, as a view."""
    return input.real


real_parts.vjp(input=lambda m, g: g)


@op(name="imag", view=True, method=False, public=False, reference="torch.imag")
def imaginary_parts(xp: Any, input: Any) -> Any:
    """The imaginary parts, as a view."""
    return input.imag


imaginary_parts.vjp(input=lambda m, g: g * 1j)


@function(method=False)
def real(input: Tensor) -> Tensor:
    """The real parts, as a view; a real tensor itself.

    >>> import pellucid
    >>> pellucid.real(pellucid.tensor([1 + 2j]))
    tensor([1.])
    """
    return real_parts(input) if input.is_complex() else input


@function(method=False)
def imag(input: Tensor) -> Tensor:
    """The imaginary parts, as a view. Raises RuntimeError for a real tensor."""
    if not input.is_complex():
        raise RuntimeError(with_line("imag is not implemented for tensors with non-complex dtypes."))
    return imaginary_parts(input)


def _set_part(self: Tensor, value: Any, part: Any) -> None:
    TABLE["copy_"](part(self), value if isinstance(value, Tensor) else TABLE["full"](
        size=(), fill_value=value, dtype=self.dtype.to_real()))  # fmt: skip


# The type checker knows no such attributes.
setattr(Tensor, "real", property(real, lambda self, value: _set_part(self, value, real)))  # noqa: B010
setattr(Tensor, "imag", property(imag, lambda self, value: _set_part(self, value, imag)))  # noqa: B010


@op(view=True, method=False)
def view_as_real(xp: Any, input: Any) -> Any:
    """A view of complex numbers as pairs of real ones: (…) -> (…, 2). Raises RuntimeError for real numbers."""
    if kind_of(input) != "c":
        raise RuntimeError("view_as_real is only supported for complex tensors")
    parts = input[..., None]
    return parts.view(parts.real.dtype)


@op(view=True, method=False, holomorphic=False)
def view_as_complex(xp: Any, input: Any) -> Any:
    """A view of pairs of real numbers as complex ones: (…, 2) -> (…). The pairs must lie together in memory."""
    if kind_of(input) != "f" or input.dtype.itemsize < 4:
        raise RuntimeError(f"view_as_complex is only supported for floating point tensors, but got {input.dtype}")
    if not input.ndim:
        raise RuntimeError("Input tensor must have one or more dimensions")
    if input.shape[-1] != 2:
        raise RuntimeError(f"Tensor must have a last dimension of size 2, got shape {tuple(input.shape)}")
    if input.size and input.strides[-1] != input.itemsize:
        raise RuntimeError("Tensor must have a last dimension with stride 1; write .contiguous() first")
    if any(step // input.itemsize % 2 for step in input.strides[:-1]) and input.size:
        raise RuntimeError(
            "Tensor must have a stride divisible by 2 for all but last dimension; write .contiguous() first"
        )
    return input.view(np.dtype(f"c{2 * input.itemsize}"))[..., 0]


view_as_real.vjp(input=lambda m, g: _together(m, g))
view_as_complex.vjp(input=lambda m, g: m.view_as_real(g))


def _together(m: Any, g: Any) -> Any:
    return m.make_complex(m.part(g, key=(..., 0)), m.part(g, key=(..., 1)))


@elementwise(name="make_complex", kind="arith", method=False, public=False, reference="torch.complex",
             node="ComplexBackward0")  # fmt: skip
def make_complex(xp: Any, input: Any, other: Any) -> Any:
    """input + i · other, each as it is: also infinite and NaN."""
    made = xp.empty(xp.broadcast_shapes(input.shape, other.shape), xp.result_type(input, xp.complex64))
    made.real, made.imag = input, other
    return made


make_complex.vjp(input=lambda m, g: g, other=lambda m, g: g * 1j)


@function(method=False, name="complex")
def torch_complex(real: Tensor, imag: Tensor) -> Tensor:
    """Complex numbers from their real and imaginary parts, both of float32 or both of float64.

    >>> import pellucid
    >>> torch_complex(pellucid.tensor([1.0]), pellucid.tensor([2.0]))
    tensor([1.+2.j])
    """
    _parts(real, imag)
    return make_complex(real, imag)


def _parts(first: Tensor, second: Tensor) -> None:
    if not (first.dtype.name in ("float32", "float64") and second.dtype.name in ("float32", "float64")):
        raise RuntimeError(
            with_line(f"Expected both inputs to be Half, Float or Double tensors but got {first.dtype!r} and "
                      f"{second.dtype!r}; half precision has no complex numbers here")
        )  # fmt: skip
    if first.dtype is not second.dtype:
        raise RuntimeError(
            with_line(f"Expected object of scalar type {first.dtype!r} but got scalar type {second.dtype!r} for second "
                      "argument")
        )  # fmt: skip


@function(method=False)
@called("PolarBackward0")
def polar(abs: Tensor, angle: Tensor) -> Tensor:
    """Complex numbers from their sizes and angles: abs · cos(angle) + i · abs · sin(angle)."""
    _parts(abs, angle)
    sine, cosine = TABLE["sin"](angle), TABLE["cos"](angle)
    return make_complex(abs * cosine, abs * sine)


@elementwise(holomorphic=False, domain=None)
def angle(xp: Any, input: Any) -> Any:
    """The angle of each complex number, between -π and π; of a real one 0 or π, NaN for NaN."""
    if kind_of(input) == "c":
        return xp.angle(input)
    return xp.where(xp.isnan(input), input, xp.where(input < 0, xp.pi, 0.0)).astype(input.dtype)


def _angle_rule(m: Any, g: Any, input: Any) -> Any:
    """i z / |z|² · g, 0 at 0; 0 of real numbers."""
    if kind_of(input) != "c":
        return m.zeros_like(g)
    size = m.abs(input)
    return m.where(size == 0, 0.0, g * 1j * input / m.cast_like(size * size, input))


angle.vjp(input=lambda m, g, input: _angle_rule(m, g, input))


@elementwise(kind="arith", method=False, public=False, holomorphic=False, reference="torch.sgn", node="SgnBackward0")
def phase(xp: Any, input: Any) -> Any:
    """z / |z| of each complex number, 0 of 0."""
    size = xp.abs(input)
    return xp.where(size == 0, 0, input / xp.where(size == 0, 1, size))


def _phase_rule(m: Any, g: Any, input: Any, out: Any) -> Any:
    """(g - s · Re(g s')) / |z|, 0 at 0: of the change only what turns counts."""
    size = m.abs(input)
    along = m.cast_like(m.real(g * m.conj(out)), out)
    return m.where(size == 0, 0.0, (g - along * out) / m.cast_like(size, out))


phase.vjp(input=lambda m, g, input, out: _phase_rule(m, g, input, out))


@function()
@called("SgnBackward0")
def sgn(input: Tensor) -> Tensor:
    """z / |z| of each complex number, 0 of 0; of a real one 1, 0 or -1 by its sign."""
    return phase(input) if input.is_complex() else TABLE["sign"](input)


@function(public=False)
def sgn_(input: Tensor) -> Tensor:
    """In place: z / |z| of each complex number; of a real one its sign."""
    return TABLE["copy_"](input, phase(input)) if input.is_complex() else TABLE["sign_"](input)


@function()
def isreal(input: Tensor) -> Tensor:
    """Whether the imaginary part of each element is 0: always for a real tensor."""
    return TABLE["eq"](imag(input), 0) if input.is_complex() else TABLE["eq"](TABLE["zeros_like"](input), 0)


@function(public=False)
def chalf(input: Tensor, memory_format: Any = None) -> Tensor:
    """Refused: complex numbers of half precision are not among pellucid's types."""
    raise NotImplementedError(with_line("complex32 is not a type that pellucid has; write .cfloat() (complex64)"))
