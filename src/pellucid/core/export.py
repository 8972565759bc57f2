"""What besides ops is offered under `pellucid.` and on Tensor: functions composed of ops; and ops made in place."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from typing import Any, TypeVar

from .dtypes import category
from .errors import ShapeError
from .node import node_name
from .operation import Op
from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Composed functions by name, in order of declaration."""


def function(*, method: bool = True, public: bool = True, name: str | None = None) -> Callable[[F], F]:
    """Offer a function over tensors as `pellucid.NAME` and, with `method`, as `Tensor.NAME`."""

    def declare(made: F) -> F:
        known = name or made.__name__
        if public:
            FUNCTIONS[known] = made
        if method:
            setattr(Tensor, known, made)
        return made

    return declare


def in_place(op: Op) -> Op:
    """The op `NAME_` that stores the result of `op` in its first input, with the same rules.

    Raises where the result does not have the input's shape, or would have to go down a category of dtypes.
    """

    def forward(xp: Any, input: Any, *others: Any, **attributes: Any) -> Any:
        result = op.forward(xp, input, *others, **attributes)
        if result.shape != input.shape:
            raise ShapeError(
                f"output with shape {list(input.shape)} doesn't match the broadcast shape {list(result.shape)}; "
                f"write {op.name} (not in place) for a result of that shape"
            )
        if result.dtype != input.dtype and op.kind != "compare" and category(result.dtype) > category(input.dtype):
            raise RuntimeError(f"result type {result.dtype} can't be cast to the desired output type {input.dtype}")
        input[...] = result
        return input

    forward.__name__, forward.__module__ = op.name + "_", op.forward.__module__
    first = inspect.cleandoc(op.__doc__ or "").split("\n")[0]
    forward.__doc__ = f"In place: {first}"
    made = Op(
        forward, kind=op.kind, elementwise=op.elementwise, domain=op.domain, reference=f"torch.Tensor.{op.name}_",
        mutates=(0,), promotes=None if op.promotes is None else tuple(op.inputs[i] for i in op.promotes),
        public=False, node=op.node or node_name(op.name), check=op.check,
        tensors=tuple(op.inputs[i] for i in op.tensors), like=op.declared,
    )  # fmt: skip
    made.rules = op.rules
    return made
