"""Python's operators on tensors, each an op of the table."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, apply, from_data
from pellucid.declare import TABLE, function
from pellucid.declare.overrides import derived
from pellucid.errors import with_line
from pellucid.types.dtypes import bool_

_BINARY = {
    "add": "add", "sub": "sub", "mul": "mul", "truediv": "true_divide", "floordiv": "floor_divide",
    "mod": "remainder", "pow": "pow", "matmul": "matmul", "and": "bitwise_and", "or": "bitwise_or",
    "xor": "bitwise_xor", "lshift": "bitwise_left_shift", "rshift": "bitwise_right_shift",
}  # fmt: skip
_COMPARE = {"eq": "eq", "ne": "ne", "lt": "lt", "le": "le", "gt": "gt", "ge": "ge"}
_UNARY = {"neg": "neg", "abs": "abs", "invert": "bitwise_not"}


@function()
def positive(input: Tensor) -> Tensor:
    """The tensor itself, as PyTorch's `+input`. Raises for a bool tensor."""
    if input.dtype is bool_:
        raise RuntimeError("The `+` operator, on a bool tensor is not supported; write tensor.int() first")
    return input


def install() -> None:
    """Put the operators whose ops are declared on Tensor."""
    for operator, name in _BINARY.items():
        if name in TABLE:
            setattr(Tensor, f"__{operator}__", _forward(name))
            setattr(Tensor, f"__r{operator}__", _reflected(name))
        if name + "_" in TABLE:
            setattr(Tensor, f"__i{operator}__", _forward(name + "_"))
    for operator, name in _COMPARE.items():
        if name in TABLE:
            setattr(Tensor, f"__{operator}__", _forward(name))
    setattr(Tensor, "__pos__", positive)  # noqa: B010  a plain assignment is refused by the type checker
    for operator, name in _UNARY.items():
        if name in TABLE:
            setattr(Tensor, f"__{operator}__", _unary(name))


_OPERANDS: Any = (Tensor, int, float, complex)  # once: to write `Tensor | int` in a call makes it anew each time
_PLAIN = frozenset((Tensor, int, float))


def _takes(other: Any) -> bool:
    return isinstance(other, _OPERANDS) or hasattr(other, "__array__")


def _forward(name: str) -> Any:
    op = TABLE[name]

    def operate(self: Tensor, other: Tensor | float) -> Tensor:
        if type(other) in _PLAIN and type(self) is Tensor and not derived:
            # What an op asks before the door is known of these; that is a tenth of the time of a small op.
            return apply(op, (self, other), {})
        return op(self, other) if _takes(other) else NotImplemented

    return operate


def _reflected(name: str) -> Any:
    op = TABLE[name]

    def operate(self: Tensor, other: Tensor | float) -> Tensor:
        if type(other) in _PLAIN and type(self) is Tensor and not derived:
            return apply(op, (other, self), {})
        if isinstance(other, _OPERANDS):
            return op(other, self)
        return op(from_data(other, copy=False), self) if _takes(other) else NotImplemented

    return operate


def _unary(name: str) -> Any:
    op = TABLE[name]

    def operate(self: Tensor) -> Tensor:
        if name == "bitwise_not" and (self.is_floating_point() or self.is_complex()):
            raise TypeError(
                with_line(
                    "~ (operator.invert) is only implemented on integer and Boolean-type tensors, this one is "
                    f"{self.dtype!r}"
                )
            )
        return op(self)

    return operate
