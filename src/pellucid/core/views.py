"""Views that share memory, and ops that change a tensor in place, seen by autograd.

Autograd is functional: an in-place op gives its tensor a new history (a new node), it does not change the old one.
For a view that means: the *base* gets a new history too, "the old base with this part replaced" (`ScatterNode`), and
every view of it is from then on "this part of the new base" (`ReplayNode`), made when the view is next used. This is
PyTorch's design (torch/csrc/autograd/functions/tensor.cpp, CopySlices). A view knows its base and the chain of view
ops that leads from there, so that the part can be found in any array of the base's shape.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.errors import describe_call, with_line
from pellucid.types.dtypes import OF_NUMPY, can_cast

from .application import OpNode, compute
from .context import state
from .declaration import Declaration, Forward
from .node import OUT, VALUE, Arguments, Attributes, Counter, Guard, Node, Source, Vocabulary, next_number
from .recorder import record
from .tensor import OF_INFERENCE, UNCOUNTED, Chain, Tensor, View, counter_of, inference, pass_on_retain

_new: Any = object.__new__


def mark(out: Tensor, op: Declaration, source: Tensor, kwargs: Attributes) -> None:
    """Note that `out`, the result of the view op `op` on `source`, shares its memory (reshape may have copied)."""
    if out._array is not source._array and not _shares(out._array, source._array):
        return
    out._counter = counter_of(source)
    if out._counter is UNCOUNTED:  # a part of what inference mode made has no history to follow
        return
    known = source._view
    version = out._counter[0]
    if known is None:
        out._view = View(source, ((op, kwargs),), version, not state.grad and _why())
    else:
        own = not state.grad and _why()
        inherited = not own and bool(known.untracked)
        out._view = View(known.base, (*known.chain, (op, kwargs)), version, own or known.untracked, inherited)


def _why() -> bool | str:
    """Why a view that is made now has no history."""
    return OF_INFERENCE if inference.on else True


def pieces(op: Declaration, source: Tensor, keys: list[tuple[Any, ...]]) -> tuple[Tensor, ...] | None:
    """What the view op gives for each `key`, made in one go; None where a history is to be recorded, or tools watch."""
    array, known = source._array, source._view
    if state.interpreters or type(array) is not np.ndarray or (state.grad and source.requires_grad):
        return None
    counter = counter_of(source)
    version = counter[0]
    base, before, untracked = source, (), not state.grad and _why()
    if known is not None:
        base, before, untracked = known.base, known.chain, untracked or known.untracked
    made: list[Tensor] = []
    for key in keys:
        tensor: Tensor = _new(Tensor)
        tensor._array, tensor._counter = array[key], counter
        if counter is not UNCOUNTED:
            tensor._view = View(base, (*before, (op, {"key": key})), version, untracked)
        made.append(tensor)
    return tuple(made)


def _shares(array: Array, other: Array) -> bool:
    base = array.base
    if base is None:
        return not array.size
    if base is other or base is other.base or not array.size or memory_of(array) is memory_of(other):
        return True
    # Another library may give its arrays anew each time they are asked for.
    return not isinstance(array, np.ndarray) and bool(backend.of_array(array).xp.may_share_memory(array, other))


def memory_of(array: Array) -> Array:
    """The array that owns the memory which `array` is a part of."""
    root, at = array, array.base
    while at is not None:  # NumPy's own as_strided puts an object of its own between an array and its memory
        root = at if hasattr(at, "dtype") else root
        at = getattr(at, "base", None)
    return root


def changed(op: Declaration, args: Arguments) -> Tensor:
    """Count the change of what the op overwrote; its result is its first target."""
    for position in op.mutates:
        tensor = args[position]
        if tensor is not None:
            counter = tensor._counter or changeable(tensor)
            counter[0] += 1
    return args[op.mutates[0]]


def changeable(tensor: Tensor) -> Counter:
    """The count of a tensor's changes. RuntimeError, outside of inference mode, for one that was made in it."""
    if tensor._counter is UNCOUNTED and not inference.on:
        raise RuntimeError(
            with_line(
                "Inplace update to inference tensor outside InferenceMode is not allowed. You can make a clone to get "
                "a normal tensor before doing inplace update."
            )
        )
    return counter_of(tensor)


def evaluate_in_place(
    op: Declaration, args: Arguments, arrays: list[Any], kwargs: Attributes, xp: Any, mask: int, forward: Forward
) -> Tensor:
    """Compute an op that overwrites its first argument (and maybe more), and give that a new history."""
    target: Any = args[op.mutates[0]]
    for position in op.mutates:
        tensor = args[position]
        if tensor is not None and tensor._view is not None:
            _check_memory(op, tensor._array)
    if not state.grad:
        compute(op, args, arrays, kwargs, xp, forward)
        return changed(op, args)
    view = target._view
    recorded = (mask or (view is not None and view.base._requires)) and target._array.dtype.kind in "fcV"
    if recorded and view is not None and view.untracked:
        raise RuntimeError(with_line(view.refusal()))
    for position in op.mutates:
        if args[position] is not None:
            _check_writable(op, args[position])
    node = None
    if recorded:
        check_usable(args)
        holder = object.__new__(Tensor)
        holder._array, holder._counter = target._array, counter_of(target)
        node = record(op, args, arrays, kwargs, mask, holder, ())
        keep_overwritten(op, node)
    compute(op, args, arrays, kwargs, xp, forward)
    for position in op.mutates:
        if args[position] is not None:
            counter_of(args[position])[0] += 1
    if node is not None:
        guards: list[Guard] = [
            (counter, version + (node.plan.saves[slot][0] == OUT), slot) for counter, version, slot in node.guards
        ]
        node.guards = tuple(guards)
        rebase(target, node)
    return target


def keep_overwritten(op: Declaration, node: OpNode) -> None:
    """Where a rule asks for the value that the op is about to overwrite, keep a copy of it."""
    for slot, (what, which) in enumerate(node.plan.saves):
        if what == VALUE and which in op.mutates and node.saved[slot] is not None:
            kept = node.saved[slot].copy()
            for watcher in tuple(state.watchers):
                watcher.overwrite(node.saved[slot], kept)
            node.saved = (*node.saved[:slot], kept, *node.saved[slot + 1 :])
            node.guards = tuple(guard for guard in node.guards if guard[2] != slot)


def rebase(target: Tensor, node: Node) -> None:
    """Make `node` the history of `target`, which was changed in place."""
    view = target._view
    if view is None:
        pass_on_retain(target._node, node)
        target._node, target._requires = node, True
        return
    base = view.base
    scatter = ScatterNode(base, view.chain, node)
    pass_on_retain(base._node, scatter)
    base._node = scatter
    base._requires = True
    view.renew(target)  # whatever was counted: a Function's forward may have been the change, and its node looked since


def _check_writable(op: Declaration, target: Tensor) -> None:
    owner: Tensor = target if target._view is None else target._view.base
    if owner._requires and owner._node is None:
        what = "a leaf Variable" if owner is target else "a view of a leaf Variable"
        raise RuntimeError(
            with_line(
                f"{op.name}: {what} that requires grad is being used in an in-place operation. To change a parameter "
                f"by hand, do it in a `with pellucid.no_grad():` block; else write the op that is not in place "
                f"({op.name.rstrip('_')})"
            )
        )
    changeable(target)


def _check_memory(op: Declaration, array: Array) -> None:
    if 0 in array.strides and any(
        step == 0 and length > 1 for step, length in zip(array.strides, array.shape, strict=True)
    ):
        raise RuntimeError(
            with_line(
                f"{op.name}: unsupported operation: more than one element of the written-to tensor refers to a single "
                "memory location (it was expanded). Please clone() the tensor before performing the operation."
            )
        )


def check_usable(args: Arguments) -> None:
    """Raise RuntimeError where an application is to be recorded of a view that has no history any more."""
    for tensor in args:
        if isinstance(tensor, Tensor) and tensor._view is not None and tensor._requires:
            tensor._view.check(tensor)


def check_in_place_dtype(op: Declaration, args: Arguments, promoted: Arguments) -> None:
    """Refuse an in-place result that would have to go down a category, float to integer say."""
    if op.kind == "compare":
        return
    found, stored = OF_NUMPY[promoted[0]._array.dtype], OF_NUMPY[args[0]._array.dtype]
    if not can_cast(found, stored):
        raise RuntimeError(
            with_line(
                f"{describe_call(op, args, {})}: result type {found.name} can't be cast to the desired "
                f"output type {stored.name}; write the op that is not in place ({op.name.rstrip('_')})"
            )
        )


class ScatterNode(Node):
    """The node of a base of which a part was overwritten: the old base outside, the new part inside."""

    def __init__(self, base: Tensor, chain: Chain, part: Node) -> None:
        self.edges = [(base._node or base) if base._requires else None, part]
        self.kwargs = {"chain": chain}
        self.number = next_number()

    def propagate(self, g: Any, vocabulary: Vocabulary, lifted: bool, create: bool) -> list[tuple[Source | None, Any]]:
        found = [(self.edges[1], vocabulary.view_replay(g, **self.kwargs))]
        if self.edges[0] is not None:
            found.append((self.edges[0], vocabulary.view_zero(g, **self.kwargs)))
        return found

    def name(self) -> str:
        return self.called or "CopySlices"
