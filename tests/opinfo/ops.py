"""Which of PyTorch's OpInfos another library has, and what it calls them."""

import operator
import types
from collections.abc import Callable, Iterator
from functools import cache
from typing import Any

import torch
from torch.testing._internal.opinfo.core import OpInfo

from tests.opinfo.convert import rebound

DTYPES = (
    "float32",
    "float64",
    "int64",
    "int32",
    "uint8",
    "bool",
    "float16",
    "bfloat16",
    "int16",
    "int8",
    "complex64",
    "complex128",
)


@cache
def op_db() -> tuple[OpInfo, ...]:
    """PyTorch's table of ops. Importing it takes seconds, hence once and late."""
    from torch.testing._internal.common_methods_invocations import op_db

    return tuple(op_db)


def lookup(root: Any, path: str) -> Any:
    """The attribute at a dotted path (`nn.functional.relu`), or None."""
    for name in path.split("."):
        root = getattr(root, name, None)
        if root is None:
            return None
    return root


def tensor_attribute(tensor: type, name: str) -> Any:
    """An attribute that the class itself has, or None: `getattr` would find those of every Python class too."""
    own = [base for base in tensor.__mro__ if base is not object and name in vars(base)]
    return getattr(tensor, name, None) if own else None


def function_of(op: OpInfo, module: types.ModuleType) -> Callable[..., Any] | None:
    """What `module` has for an OpInfo: a function of the same path, or the OpInfo's own wrapper around a method."""
    function = lookup(module, op.name)
    method = tensor_attribute(module.Tensor, op.name) or tensor_attribute(module.Tensor, op.name + "_")
    if isinstance(op.op, types.FunctionType) and op.op.__module__.startswith("torch.testing"):
        return rebound(op.op, module) if callable(function) or method is not None else None
    if callable(function):
        return function
    return method if callable(method) and not callable(lookup(torch, op.name)) else None  # `torch.cfloat` is a dtype


def shared_ops(module: types.ModuleType) -> list[OpInfo]:
    """The OpInfos whose op `module` has too, and whose samples give what can be compared."""
    return [op for op in op_db() if function_of(op, module) is not None and op.name not in _OTHER]


# A sparse tensor is compared by tests of its own; PyTorch calls the second by a name that it has for methods alone.
_OTHER = {"to_sparse", "resize_as_"}


def variants(
    op: OpInfo, module: types.ModuleType
) -> Iterator[tuple[str, Callable[..., Any], Callable[..., Any], bool]]:
    """The op's other doors (methods, operators, aliases): name, PyTorch's, the other's, is it in place."""
    tensor = module.Tensor
    names = [op.name, *(alias.name for alias in op.aliases)]
    for name in dict.fromkeys(names):
        function = lookup(module, name)
        if name != op.name and callable(function):
            yield name, lookup(torch, name), function, False
        short = name.split(".")[-1]
        if op.method_variant is not None and callable(theirs := tensor_attribute(tensor, short)):
            ours = getattr(torch.Tensor, short, None)
            if callable(ours):
                yield f"Tensor.{short}", ours, theirs, False
        if op.inplace_variant is not None and callable(theirs := tensor_attribute(tensor, short + "_")):
            ours = getattr(torch.Tensor, short + "_", None)
            if callable(ours):
                yield f"Tensor.{short}_", ours, theirs, True
    for found, in_place in ((op.operator_variant, False), (op.inplace_operator_variant, True)):
        if found is not None and getattr(operator, found.__name__, None) is found:
            yield f"operator.{found.__name__}", found, found, in_place
