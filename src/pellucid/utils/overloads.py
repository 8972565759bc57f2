"""`torch.ops.aten`: PyTorch's names for what an op does in a call, as objects that programs compare and call.

There is one op for several of PyTorch's, `matmul` for `mm`, `bmm` and `mv`: which it is depends on the call, as the
name of the recorded node does, and from that name it is taken.
"""

from __future__ import annotations

import functools
import re
import threading
from typing import Any

from ..core import Tensor
from ..core.application import node_name
from ..core.declaration import Declaration
from ..core.node import Arguments, Attributes
from ..declare import FUNCTIONS, TABLE

__all__ = ["Asked", "Namespace", "OpOverload", "OpOverloadPacket", "aten", "overload_of", "thread"]

# Where PyTorch's name is not that of the node.
_NAMES = {
    "softmax": "_softmax", "log_softmax": "_log_softmax", "to_copy": "_to_copy", "prelu_kernel": "_prelu_kernel",
    "scaled_dot_product_flash_attention_for_cpu": "_scaled_dot_product_flash_attention_for_cpu", "true_divide": "div",
    "unsafe_view": "bmm", "log_sigmoid": "log_sigmoid_forward", "matrix_transpose": "t", "spread": "expand",
    "fft_c2_c": "_fft_c2c", "fft_r2_c": "_fft_r2c", "fft_c2_r": "_fft_c2r",
}  # fmt: skip
_OF_TENSORS = frozenset(
    {"add", "sub", "rsub", "mul", "div", "remainder", "fmod", "bitwise_and", "bitwise_or", "bitwise_xor", "index",
     "searchsorted", "masked_fill"}
)  # fmt: skip
_COMPARISONS = frozenset({"eq", "ne", "lt", "le", "gt", "ge"})
_WITH_DIM = {"sum": "dim_IntList", "mean": "dim", "prod": "dim_int", "amax": "default", "amin": "default"}
_OTHERS = {"select": "int", "slice": "Tensor", "transpose": "int", "std": "correction", "var": "correction",
           "split": "Tensor", "max": "default", "min": "default", "squeeze": "dim"}  # fmt: skip
_KNOWN = frozenset(
    {"default", "Tensor", "Scalar", "Tensor_Scalar", "Tensor_Tensor", "Tensor_mode", "Scalar_mode", "int", "dim",
     "dim_IntList", "dim_int", "dims", "correction", "out", "dim_max", "dim_min", "self", "names_dim", "other",
     "unary_out", "start", "start_step", "generator", "from", "value", "src", "Scalar_out", "Tensor_out"}
)  # fmt: skip


class OpOverload:
    """One of PyTorch's functions for one kind of arguments: `torch.ops.aten.mm.default`.

    Called, it does what the function does. While a `TorchDispatchMode` is asked about it, it does that call.
    """

    def __init__(self, packet: OpOverloadPacket, overload: str) -> None:
        self.overloadpacket, self._overloadname = packet, overload
        self.namespace = packet.namespace
        self.__name__ = f"{packet.__name__}.{overload}"
        self.__qualname__ = self.__name__

    @property
    def _opname(self) -> str:
        return self.overloadpacket.__name__

    def name(self) -> str:
        """PyTorch's name for it: `aten::mm`, or `aten::add.Tensor`."""
        return f"{self.namespace}::{self._opname}" + (
            "" if self._overloadname == "default" else f".{self._overloadname}"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        for asked in reversed(thread.asked):
            if asked.overload is self:
                return asked(args, kwargs)
        return self.overloadpacket(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverload(op='{self.namespace}.{self._opname}', overload='{self._overloadname}')>"


class OpOverloadPacket:
    """All overloads of one name, `torch.ops.aten.mm`; called, it does what the function of that name does."""

    def __init__(self, namespace: str, name: str) -> None:
        self.namespace, self.__name__ = namespace, name
        self.__qualname__ = name

    def overloads(self) -> list[str]:
        """The names of those that have been asked for."""
        return [name for name, value in vars(self).items() if isinstance(value, OpOverload)]

    def __getattr__(self, name: str) -> OpOverload:
        if name not in _KNOWN:
            raise AttributeError(f"The underlying op of '{self}' has no overload name {name!r}")
        made = vars(self)[name] = OpOverload(self, name)
        return made

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        own = self.__name__.removeprefix("_")
        found = _function(self.__name__) or _function(own)
        if found is None:
            raise NotImplementedError(f"pellucid has no function under the name of torch.ops.{self}")
        return found(*args, **kwargs)

    def __str__(self) -> str:
        return f"{self.namespace}.{self.__name__}"

    def __repr__(self) -> str:
        return f"<OpOverloadPacket(op='{self.namespace}.{self.__name__}')>"


def _function(name: str) -> Any:
    return FUNCTIONS.get(name) or TABLE.get(name) or getattr(Tensor, name, None)


class Namespace:
    """`torch.ops.aten`: a packet for each name of an op."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __getattr__(self, name: str) -> OpOverloadPacket:
        if name.startswith("__"):
            raise AttributeError(name)
        made = vars(self)[name] = OpOverloadPacket(self.name, name)
        return made


aten = Namespace("aten")


def overload_of(op: Declaration, args: Arguments, kwargs: Attributes) -> OpOverload:
    """What PyTorch would call in place of an op.

    >>> import pellucid
    >>> str(overload_of(TABLE["matmul"], (pellucid.ones(2, 3), pellucid.ones(3, 2)), {}))
    'aten.mm.default'
    """
    node = op.node(args, kwargs) if callable(op.node) else op.node
    name = op.name.removesuffix("_") if node is None or node == node_name(op.name.removesuffix("_")) else _snake(node)
    name = _NAMES.get(name, name)
    packet: OpOverloadPacket = getattr(aten, name + "_" * bool(op.mutates and op.name.endswith("_")))
    return getattr(packet, _overload(name, args, kwargs))


@functools.cache
def _snake(node: str) -> str:
    """The name that a node has after its op: `AddmmBackward0` is of `addmm`."""
    own = re.sub(r"Backwards?\d*$", "", node)
    own = re.sub(r"(\d)D", r"\1d", own)  # of MaxPool2D
    return re.sub(r"(?<=[a-z0-9])(?=[A-Z])", "_", own).lower()


def _overload(name: str, args: Arguments, kwargs: Attributes) -> str:
    if name in _OF_TENSORS:
        return "Tensor"
    first, second = ([isinstance(value, Tensor) for value in args[:2]] + [False, False])[:2]
    if name in _COMPARISONS:
        return "Tensor" if second else "Scalar"
    if name == "pow":
        return ("Tensor_Tensor" if second else "Tensor_Scalar") if first else "Scalar"
    if name in _WITH_DIM:
        return "default" if kwargs.get("dim") is None else _WITH_DIM[name]
    return _OTHERS.get(name, "default")


class Asked:
    """The application of an op that a mode is asked about, as its overload does it."""

    def __init__(self, overload: OpOverload, op: Declaration, apply: Any) -> None:
        self.overload, self.op, self.apply = overload, op, apply
        self.made: Any = None  # what it gave when it was called last

    def __call__(self, args: Arguments, kwargs: Attributes) -> Any:
        self.made = self.apply(self.op, args, kwargs)
        return self.made


class _Thread(threading.local):
    """What modes are being asked about in this thread, innermost last."""

    asked: tuple[Asked, ...] = ()


thread = _Thread()
