"""`torch.autograd.graph`: the recorded graph as an object, and what is kept for the way back."""

from __future__ import annotations

import weakref
from collections import defaultdict
from collections.abc import Callable, Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any, cast

from pellucid.backend import Array
from pellucid.core import node as nodes
from pellucid.core.application import OpNode
from pellucid.core.context import state
from pellucid.core.declaration import Declaration
from pellucid.core.door import Interpreter, below
from pellucid.core.hooks import RemovableHandle
from pellucid.core.node import AccumulateGrad, Arguments, Attributes
from pellucid.core.tensor import Tensor, counter_of
from pellucid.reverse.engine import Walk
from pellucid.reverse.gradients import GradientEdge, source_of
from pellucid.torch_names import absent

from .context import FunctionCtx
from .saved import disable_saved_tensors_hooks, save_on_cpu, saved_tensors_hooks

__all__ = [
    "GradientEdge", "Node", "allow_mutation_on_saved_tensors", "disable_saved_tensors_hooks", "get_gradient_edge",
    "increment_version", "register_multi_grad_hook", "save_on_cpu", "saved_tensors_hooks",
]  # fmt: skip


class _OfNodes(type):
    """Every node of a graph, and the context of a Function, which PyTorch's is, counts as a `Node`."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, nodes.Node | FunctionCtx)

    def __subclasscheck__(cls, subclass: type) -> bool:
        return subclass is cls or issubclass(subclass, nodes.Node | FunctionCtx)


class Node(metaclass=_OfNodes):
    """What a recorded application is, to ask for: `isinstance(y.grad_fn, Node)`. No class derives from it."""


def get_gradient_edge(tensor: Tensor) -> GradientEdge:
    """Where the gradient of a tensor flows to; `grad` and `backward` take it in place of the tensor.

    Raises:
        RuntimeError: the tensor does not require a gradient.
    """
    if not tensor.requires_grad:
        raise RuntimeError("It is not possible to get the gradient edge for a Tensor that does not require gradients")
    known = tensor._array.shape, tensor._array.dtype
    return GradientEdge(tensor.grad_fn or AccumulateGrad(tensor), tensor.output_nr, known)


def increment_version(tensor: Tensor | Iterable[Tensor]) -> None:
    """Say that a tensor's memory was changed by other means, so that a backward that needs its values refuses."""
    for changed in (tensor,) if isinstance(tensor, Tensor) else tensor:
        counter_of(changed)[0] += 1


@contextmanager
def _unsafe_preserve_version_counter(tensor: Tensor | Sequence[Tensor]) -> Generator[None]:
    """For the length of a block, changes in place of a tensor's memory are not counted (under PyTorch's name)."""
    counters = [counter_of(held) for held in ((tensor,) if isinstance(tensor, Tensor) else tensor)]
    before = [counter[0] for counter in counters]
    try:
        yield
    finally:
        for counter, version in zip(counters, before, strict=True):
            counter[0] = version


class _Handles(RemovableHandle):
    """The handles of one hook on several tensors, as one."""

    def __init__(self, handles: Sequence[RemovableHandle]) -> None:
        self.handles = handles

    def remove(self) -> None:
        for handle in self.handles:
            handle.remove()


def register_multi_grad_hook(
    tensors: Sequence[Tensor], fn: Callable[..., None], *, mode: str = "all"
) -> RemovableHandle:
    """Call `fn` in each backward once with the gradients of several tensors.

    Args:
        mode: "all" calls `fn(grads)`, a list, when the last of those has been computed that this backward computes;
            None is in the place of the others. "any" calls `fn(grad)` with the first.

    >>> import pellucid
    >>> a, b = pellucid.ones(2, requires_grad=True), pellucid.ones(2, requires_grad=True)
    >>> handle = register_multi_grad_hook((a, b), print)
    >>> (a * 2 + b * 3).sum().backward()
    [tensor([2., 2.]), tensor([3., 3.])]
    """
    if mode not in ("all", "any"):
        raise ValueError(f"Expects mode to be one of ('all', 'any') but got {mode}")
    sources = [source_of(tensor) for tensor in tensors]
    held: dict[int, list[Tensor | None]] = {}
    walks: weakref.WeakKeyDictionary[Walk, int] = weakref.WeakKeyDictionary()

    def running() -> Walk:
        return cast("Walk", state.walk)

    def expected() -> int:
        walk = running()
        if walk not in walks:
            walks[walk] = sum(walk.visits(source) for source in sources)
            held[id(walk)] = [None] * len(sources)
            weakref.finalize(walk, held.pop, id(walk), None)
        return walks[walk]

    def arrived(index: int, g: Tensor) -> None:
        walk = running()
        first = walk not in walks
        left = walks[walk] = expected() - 1
        if mode == "any":
            if first:
                fn(g)
            return
        grads = held[id(walk)]
        grads[index] = g
        if left == 0:
            held[id(walk)] = [None] * len(sources)
            fn(grads)

    handles = [tensor.register_hook(lambda g, index=index: arrived(index, g)) for index, tensor in enumerate(tensors)]
    return _Handles(handles)


class _Keeping(Interpreter):
    """Before memory is changed in place that a node needs, has the node keep a copy of it."""

    def __init__(self) -> None:
        self.needed: defaultdict[int, list[weakref.ref[OpNode]]] = defaultdict(list)  # by the id of the counter
        self.copies: weakref.WeakValueDictionary[int, Array] = weakref.WeakValueDictionary()  # that nodes still hold

    def apply(self, op: Declaration, args: Arguments, kwargs: Attributes) -> Any:
        for position in op.mutates:
            if args[position] is not None:
                self._keep(counter_of(args[position]))
        result = below(self, op, args, kwargs)
        first: Any = result[0] if isinstance(result, tuple) else result
        node = first.grad_fn if isinstance(first, Tensor) else None
        if isinstance(node, OpNode):
            for counter, _, _ in node.guards:
                self.needed[id(counter)].append(weakref.ref(node))
        return result

    def _keep(self, counter: list[int]) -> None:
        known: dict[int, Array] = {}  # by the id of what was copied: nodes that saved the same share one copy

        def copied(value: Array) -> Array:
            copy = known.setdefault(id(value), value.copy())
            self.copies[id(copy)] = copy
            return copy

        for reference in self.needed.pop(id(counter), ()):
            node = reference()
            if node is None or not any(guard[0] is counter for guard in node.guards):
                continue
            saved = list(node.saved)
            for guarded, version, slot in node.guards:
                if guarded is counter and version == counter[0]:
                    value = saved[slot]
                    saved[slot] = list(map(copied, value)) if isinstance(value, list) else copied(value)
            node.saved = tuple(saved)
            node.guards = tuple(guard for guard in node.guards if guard[0] is not counter or guard[1] != counter[0])
            node.by_products = True


class _Mutations:
    """What `allow_mutation_on_saved_tensors` gives to its block, under PyTorch's names.

    `cloned` has the copies that were made and that a node still holds, `tid_to_weakhandle` the memory that is saved and
    was not changed since, each by a number.
    """

    def __init__(self, keeping: _Keeping) -> None:
        self.cloned, self.tid_to_weakhandle = keeping.copies, keeping.needed

    def clear(self) -> None:
        """Forget both."""
        self.cloned.clear()
        self.tid_to_weakhandle.clear()


@contextmanager
def allow_mutation_on_saved_tensors() -> Generator[_Mutations]:
    """Within the block, tensors that were saved for backward may be changed in place: they are copied before.

    The block gets an object whose `cloned` holds the copies that are still needed.

    >>> import pellucid
    >>> x = pellucid.tensor([2.0], requires_grad=True)
    >>> with allow_mutation_on_saved_tensors():
    ...     y = x.clone()
    ...     loss = (y * y).sum()
    ...     _ = y.zero_()
    ...     loss.backward()
    >>> x.grad
    tensor([4.])
    """
    if any(isinstance(other, _Keeping) for other in state.interpreters):
        raise RuntimeError("allow_mutation_on_saved_tensors contexts cannot be nested")
    keeping = _Keeping()
    state.interpreters = (*state.interpreters, keeping)
    mutations = _Mutations(keeping)
    try:
        yield mutations
    finally:
        mutations.clear()
        state.interpreters = tuple(other for other in state.interpreters if other is not keeping)


__getattr__ = absent(__name__)
