"""The older names for dtypes: `torch.FloatTensor` and its like, `Tensor.type`, `typename`."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, as_dtype, from_data, method
from pellucid.core import dtype as dtype_type
from pellucid.core.tensor import wrap
from pellucid.declare import function
from pellucid.types.size import Size

from .memory import cast
from .storage import TypedStorage

_NAMES = {
    "Float": "float32", "Double": "float64", "Half": "float16", "BFloat16": "bfloat16", "Long": "int64", "Int": "int32",
    "Short": "int16", "Char": "int8", "Byte": "uint8", "Bool": "bool",
}  # fmt: skip


class TensorType(type):
    """The type of `FloatTensor` and its like: tensors of a dtype are instances of it, and calling it makes one."""

    dtype: dtype_type

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor) and instance.dtype is cls.dtype and instance.device.type == "cpu"

    def __call__(cls, *args: Any) -> Tensor:
        """`FloatTensor(2, 3)` of that shape, not yet filled; `FloatTensor([1, 2])` of these numbers."""
        import numpy as np

        if all(isinstance(size, int) and not isinstance(size, bool) for size in args):
            return wrap(np.zeros(args or (0,), cls.dtype.numpy))
        if len(args) != 1:
            raise TypeError(f"{cls.__name__} takes sizes, or a sequence of numbers, but got {len(args)} arguments")
        data: Any = args[0]
        if isinstance(data, Tensor):
            if data.dtype is not cls.dtype:
                raise TypeError(f"expected {cls.dtype!r} (got {data.dtype!r}): write tensor.to({cls.dtype!r})")
            return data.detach()
        if isinstance(data, TypedStorage) and data.dtype is cls.dtype:
            return wrap(data.memory)
        if isinstance(data, int | float):
            raise TypeError(f"new(): data must be a sequence (got {type(data).__name__})")
        if isinstance(data, Size):
            return wrap(np.zeros(data, cls.dtype.numpy))
        return from_data(data, cls.dtype)

    def __repr__(cls) -> str:
        return f"<class 'torch.{cls.__name__}'>"


def _of(name: str) -> Any:
    made = TensorType(f"{name}Tensor", (), {"__module__": "torch", "__doc__": f"Tensors of {_NAMES[name]}."})
    made.dtype = as_dtype(_NAMES[name])
    return made


FloatTensor, DoubleTensor, HalfTensor = _of("Float"), _of("Double"), _of("Half")
BFloat16Tensor = _of("BFloat16")
LongTensor, IntTensor, ShortTensor = _of("Long"), _of("Int"), _of("Short")
CharTensor, ByteTensor, BoolTensor = _of("Char"), _of("Byte"), _of("Bool")

_OF_DTYPE = {as_dtype(name): f"torch.{kind}Tensor" for kind, name in _NAMES.items()}


def _wanted(given: Any) -> dtype_type:
    if isinstance(given, TensorType):
        return given.dtype
    if isinstance(given, str):
        for known, text in _OF_DTYPE.items():
            if text == given:
                return known
        raise ValueError(f"invalid type: '{given}'; the types are {', '.join(_OF_DTYPE.values())}")
    if isinstance(given, type) and issubclass(given, Tensor):
        return as_dtype("float32")
    return as_dtype(given)


def tensor_type(self: Tensor, dtype: Any = None, non_blocking: bool = False) -> Any:
    """The tensor in another dtype; without one, the old name of its dtype, as text.

    >>> import pellucid
    >>> pellucid.ones(2).type()
    'torch.FloatTensor'
    >>> pellucid.ones(2).type(pellucid.LongTensor)
    tensor([1, 1])
    """
    if dtype is None:
        prefix = "torch.cuda." if self.device.type == "cuda" else "torch."
        return _OF_DTYPE.get(self.dtype, f"torch.{self.dtype.name}").replace("torch.", prefix)
    wanted = _wanted(dtype)
    return self if self.dtype is wanted else cast(self, dtype=wanted)


tensor_type.__name__ = "type"  # which is the builtin within this file
method(tensor_type)


@function()
def get_device(input: Tensor) -> int:
    """The number of the GPU that a tensor is on; -1 on the CPU."""
    return -1 if input.device.index is None else input.device.index


@function(method=False)
def typename(obj: Any) -> str:
    """The name of what an object is: of a tensor, its old type."""
    if isinstance(obj, Tensor):
        return obj.type()
    kind = obj if isinstance(obj, type) else type(obj)
    module = "" if kind.__module__ in ("builtins", None) else f"{kind.__module__}."
    return f"{module}{kind.__qualname__}"
