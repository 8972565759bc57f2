"""What is recorded of an op application, so that backward can walk it.

A node stands for one application. Its `edges` point to where its inputs came from: another node, a leaf tensor, or
None where no gradient is wanted. Numbers rise with time, so a node's inputs always have a smaller `number` than the
node itself: to visit nodes from the highest number down is a reverse topological order, with no search.
"""

# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import functools
import itertools
from collections.abc import Callable
from typing import TYPE_CHECKING, Any, TypeVar, cast

from pellucid.backend import Array

if TYPE_CHECKING:
    from .declaration import Op, Plan
    from .tensor import Tensor

F = TypeVar("F", bound=Callable[..., Any])

next_number = itertools.count().__next__


class Size(tuple[int, ...]):
    """A shape: a tuple that prints and counts as PyTorch's."""

    def numel(self) -> int:
        """The product of the lengths."""
        count = 1
        for length in self:
            count *= length
        return count

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        found = super().__getitem__(index)
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))


class Node:
    """One recorded application of an op."""

    op: Op
    plan: Plan
    edges: list[Any]  # per input: Node, leaf Tensor or None
    saved: list[Any]  # per slot of the plan
    guards: list[Any]  # (counter, its value when saved, slot): the memory must not have changed since
    metas: list[Any]  # per rule: (shape, dtype) of the input
    kwargs: dict[str, Any]
    number: int
    hooks: list[Any] | None = None
    retain: Any = None  # weak reference to a tensor whose grad is to be kept
    where: str | None = None  # the user's line, under detect_anomaly
    called: str | None = None  # PyTorch's name for it, where that depends on the call
    freed: bool = False
    by_products: bool = False  # whether some of what was saved is a by-product of forward

    def propagate(self, g: Any, vocabulary: Any, lifted: bool, create: bool) -> list[tuple[Any, Any]]:
        """(edge, gradient) for each input that wants one; `core.engine` has the general case."""
        raise NotImplementedError

    def free(self) -> None:
        """Drop what was saved for backward; a later backward through here is then an error."""
        if self.guards or self.by_products:
            self.saved, self.guards, self.freed = [], [], True

    def name(self) -> str:
        """PyTorch's name for it, `MulBackward0`: made from the op's name unless its declaration gives another."""
        if self.called is not None:
            return self.called
        if isinstance(self.op.node, str):
            return self.op.node
        return node_name(self.op.name)

    @property
    def next_functions(self) -> tuple[tuple[Any, int], ...]:
        """Where the inputs came from, as PyTorch lists it."""
        return tuple((edge, 0) for edge in self.edges)

    @property
    def metadata(self) -> dict[str, Any]:
        """The attributes that the op was called with."""
        return self.kwargs

    def register_hook(self, hook: Any) -> Any:
        raise TypeError("register_hook is offered on tensors; write tensor.register_hook(...)")

    def __repr__(self) -> str:
        return f"<{self.name()}>"


def node_name(op: str) -> str:
    """PyTorch's name for the node of an op: `log_softmax` is LogSoftmaxBackward0."""
    return "".join(part.title() for part in op.split("_")) + "Backward0"


def called(name: str) -> Callable[[F], F]:
    """For a function composed of ops: its result's node is called `name`, as in PyTorch, where it is one op."""

    def declare(function: F) -> F:
        @functools.wraps(function)
        def named(*args: Any, **kwargs: Any) -> Any:
            result = function(*args, **kwargs)
            for tensor in result if isinstance(result, tuple | list) else (result,):
                node = getattr(tensor, "_node", None)
                if node is not None and all(tensor is not given for given in args):
                    node.called = name
            return result

        return cast("F", named)

    return declare


def shape_and_dtype(tensor: Tensor) -> tuple[Any, Any]:
    """What a gradient for `tensor` must look like."""
    array: Array = tensor._array  # pyright: ignore[reportPrivateUsage]
    return array.shape, array.dtype
