"""Element types: PyTorch's names over NumPy's types, and PyTorch's rules for mixing them.

Promotion (https://pytorch.org/docs/stable/tensor_attributes.html#type-promotion-doc) looks at categories first
(bool < integer < floating < complex). Within the highest category, tensors with dimensions decide before 0-d tensors,
and these before Python numbers: `float32 tensor * 2.5` stays float32, `int64 tensor * 2.5` becomes the default float.
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .bfloat16 import BITS


class dtype:
    """An element type, one object for each: `pellucid.float32 is pellucid.tensor(1.0).dtype`."""

    __slots__ = ("is_complex", "is_floating_point", "itemsize", "name", "numpy")

    def __init__(self, name: str) -> None:
        self.name = name
        self.numpy = BITS if name == "bfloat16" else np.dtype(name)
        self.itemsize = self.numpy.itemsize
        self.is_floating_point = self.numpy.kind in "fV"
        self.is_complex = self.numpy.kind == "c"

    @property
    def is_signed(self) -> bool:
        """Whether the type has negative numbers."""
        return self.numpy.kind in "ifcV"

    def to_complex(self) -> dtype:
        """The complex type whose parts have this type: complex64 for float32."""
        return self if self.is_complex else complex128 if self is float64 else complex64

    def to_real(self) -> dtype:
        """The type of the parts of a complex type: float32 for complex64."""
        return self if not self.is_complex else float64 if self is complex128 else float32

    def __repr__(self) -> str:
        return f"torch.{self.name}"  # PyTorch's text, which programs and people compare

    def __reduce__(self) -> Any:
        return as_dtype, (self.name,)  # pickles and copies as the one object


float16, float32, float64, bfloat16 = dtype("float16"), dtype("float32"), dtype("float64"), dtype("bfloat16")
int8, int16, int32, int64 = dtype("int8"), dtype("int16"), dtype("int32"), dtype("int64")
uint8, bool_ = dtype("uint8"), dtype("bool")
uint16, uint32, uint64 = dtype("uint16"), dtype("uint32"), dtype("uint64")
complex64, complex128 = dtype("complex64"), dtype("complex128")
cfloat, cdouble = complex64, complex128
half, float_, double, short, int_, long = float16, float32, float64, int16, int32, int64

ALL = (float16, bfloat16, float32, float64, complex64, complex128, int8, int16, int32, int64, uint8, bool_)
# Types to read files and arrays in and to cast from: PyTorch computes little in them, and promotes none of them.
WIDE_UNSIGNED = (uint16, uint32, uint64)
OF_NUMPY: dict[np.dtype[Any], dtype] = {member.numpy: member for member in (*ALL, *WIDE_UNSIGNED)}
SCALAR_TYPES = {  # what PyTorch's messages call the types
    "bool": "Bool", "uint8": "Byte", "int8": "Char", "int16": "Short", "int32": "Int", "int64": "Long",
    "float16": "Half", "float32": "Float", "float64": "Double", "bfloat16": "BFloat16", "complex64": "ComplexFloat",
    "complex128": "ComplexDouble", "uint16": "UInt16", "uint32": "UInt32", "uint64": "UInt64",
}  # fmt: skip
_OF_PYTHON: dict[Any, dtype] = {bool: bool_, int: int64, float: float64, complex: complex128}
_CATEGORY = {"b": 0, "i": 1, "u": 1, "f": 2, "V": 2, "c": 3}  # "V" is bfloat16

_default = float32


def get_default_dtype() -> dtype:
    """The type that Python floats become: float32 unless `set_default_dtype` said otherwise."""
    return _default


def set_default_dtype(d: dtype) -> None:
    """Make `d`, a floating type, the type that Python floats become."""
    global _default
    if not d.is_floating_point:
        raise TypeError(f"only floating-point types are supported as the default type, got {d!r}")
    _default = d


def as_dtype(value: Any) -> dtype:
    """The dtype that `value` (a dtype, a NumPy type, `float`, `int` or `bool`) means."""
    if isinstance(value, dtype):
        return value
    if value in _OF_PYTHON:
        return _OF_PYTHON[value]
    try:
        return bfloat16 if value == "bfloat16" else OF_NUMPY[np.dtype(value)]
    except (TypeError, KeyError):
        names = ", ".join(member.name for member in OF_NUMPY.values())
        raise TypeError(f"{value!r} is not an element type that pellucid has; it has {names}") from None


def of_number(value: bool | int | float | complex) -> dtype:
    """The type that a Python number has by itself."""
    if isinstance(value, complex):
        return _default.to_complex()
    return bool_ if isinstance(value, bool) else int64 if isinstance(value, int) else _default


def refuse_wide(value: Any) -> None:
    """Raise OverflowError for an integer that no type of 64 bits has, as PyTorch does whatever the other operand is."""
    if not -(2**63) <= value < 2**64:
        raise OverflowError(
            f"int too big to convert: {value if abs(value) < 2**200 else 'the number'} is not between -2**63 and "
            "2**64 - 1; write it as a float"
        )


def number_in(value: Any, kind: np.dtype[Any]) -> Any:
    """A Python number as the type `kind` holds it; raises RuntimeError where it would be another number.

    As in PyTorch a float loses its fraction, a negative integer within an unsigned type's range wraps around, and
    infinity and NaN are numbers of every floating type. Raises OverflowError for an integer of more than 64 bits.
    """
    if isinstance(value, complex):
        if kind.kind == "c":
            return value
        if value.imag:
            raise RuntimeError(f"value cannot be converted to type {kind} without overflow: {value} is complex")
        value = value.real
    if isinstance(value, int):
        refuse_wide(value)
    if kind.kind in "iu":
        info = np.iinfo(kind)
        low = -info.max if kind.kind == "u" and isinstance(value, int) else info.min
        if not low <= value <= info.max:
            raise RuntimeError(
                f"value cannot be converted to type {kind} without overflow: {value} is not between {info.min} and "
                f"{info.max}; choose a wider dtype"
            )
        return np.array(int(value)).astype(kind)
    if kind.kind == "f" and kind.itemsize >= 4 and math.isfinite(value) and abs(value) > float(np.finfo(kind).max):
        raise RuntimeError(
            f"value cannot be converted to type {kind} without overflow: {value} is larger than {np.finfo(kind).max}; "
            "choose a wider dtype"
        )
    return bool(value) if kind.kind == "b" else value


def category(d: np.dtype[Any]) -> int:
    """0 for bool, 1 for integers, 2 for floating types, 3 for complex ones."""
    return _CATEGORY[d.kind]


def promote_types(type1: dtype, type2: dtype) -> dtype:
    """The smallest type that `type1` and `type2` both convert to, by PyTorch's table.

    >>> promote_types(int64, float16)
    torch.float16
    >>> promote_types(uint8, int8)
    torch.int16
    """
    a, b = type1, type2
    inexact = a.is_floating_point or a.is_complex
    if inexact != (b.is_floating_point or b.is_complex):
        return a if inexact else b
    if a is not b and (a in WIDE_UNSIGNED or b in WIDE_UNSIGNED):
        raise RuntimeError(
            "Promotion for uint16, uint32, uint64 types is not supported, attempted to promote "
            f"{SCALAR_TYPES[a.name]} and {SCALAR_TYPES[b.name]}; write tensor.to(torch.int64) first"
        )
    if a is not b and bfloat16 in (a, b):  # beside float16: neither has all numbers of the other
        a, b = (float32 if kind is bfloat16 else kind for kind in (a, b))
    return OF_NUMPY[np.promote_types(a.numpy, b.numpy)]


def can_cast(from_: dtype, to: dtype) -> bool:
    """Whether an in-place result of type `from_` may be stored in `to` (never down a category)."""
    return category(from_.numpy) <= category(to.numpy)


class iinfo:
    """The limits of an integer type, as `torch.iinfo`."""

    def __init__(self, type: dtype) -> None:
        info = np.iinfo(type.numpy)
        self.dtype, self.bits, self.min, self.max = type.name, info.bits, int(info.min), int(info.max)

    def __repr__(self) -> str:
        return f"iinfo(min={self.min:g}, max={self.max:g}, dtype={self.dtype})"  # as C++ writes them


class finfo:
    """The limits of a floating type, as `torch.finfo`."""

    def __init__(self, type: dtype | None = None) -> None:
        type = type or _default
        if type is bfloat16:
            self._of_bfloat16()
            return
        info: Any = np.finfo(type.numpy)
        self.dtype, self.bits = type.name, int(info.bits)
        self.min, self.max, self.eps = float(info.min), float(info.max), float(info.eps)
        self.tiny = self.smallest_normal = float(info.smallest_normal)
        self.resolution = 10.0 ** -int(info.precision)

    def _of_bfloat16(self) -> None:
        self.dtype, self.bits, self.eps, self.resolution = "bfloat16", 16, 2.0**-7, 0.01
        self.max = (2 - self.eps) * 2.0**127
        self.min, self.tiny, self.smallest_normal = -self.max, 2.0**-126, 2.0**-126

    def __repr__(self) -> str:
        names = ("resolution", "min", "max", "eps", "smallest_normal", "tiny")
        return f"finfo({', '.join(f'{name}={getattr(self, name):g}' for name in names)}, dtype={self.dtype})"
