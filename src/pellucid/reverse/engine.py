"""Reverse mode: from the nodes of a result back to what it was computed from.

`run` keeps the gradients that have arrived at each node so far and takes the node with the highest number next. Its
inputs have smaller numbers, and so do theirs: when a node is taken, all that depends on it has been taken before, and
its gradient is whole. No recursion, no search, memory freed on the way.

A first-order backward computes on raw arrays. Where the result must itself be differentiable (`create_graph`), or an
interpreter listens (a tracer, anomaly detection), gradients are Tensors and go through the door: then the walk is
`lifted`. `rules` calls a node's rules either way.
"""

from __future__ import annotations

import itertools
import operator
from collections.abc import Callable, Sequence
from heapq import heappop, heappush
from typing import Any

import numpy as np

from pellucid.backend.memory import keep_freed
from pellucid.core.application import OpNode
from pellucid.core.context import state
from pellucid.core.modes import set_grad_enabled
from pellucid.core.node import AccumulateGrad, Node, Source, awaiting
from pellucid.core.tensor import Tensor, edge_of, wrap
from pellucid.declare import TABLE
from pellucid.types.bfloat16 import is_narrow, rounded, widened

from .deep import DEEP, in_another_thread
from .hooking import Collected, call_after, call_before, call_hooks
from .rules import array_rules, is_alone, tensor_rules
from .vocabulary import LIFTED, of_array

_ndarray = np.ndarray


class Walk:
    """One call of `run`: where it begins and what it was asked for."""

    callbacks: Sequence[Callable[[], object]] = ()  # called when it is done: `at_end`
    node: Node | None = None  # whose rules are being called

    def __init__(
        self, roots: list[Tensor], targets: list[Source] | None, keep: bool, accumulates: bool = False
    ) -> None:
        self.roots, self.targets, self.keep, self.accumulates = roots, targets, keep, accumulates
        self.number = _next_number()
        self.depth = state.walk.depth + 1 if isinstance(state.walk, Walk) else 0  # within how many others it is
        self._visited: set[Any] | None = None

    def visits(self, source: Any) -> bool:
        """Whether a gradient will arrive at a node or a leaf."""
        if self._visited is None:
            if self.targets is None:
                self._visited = reached(self.roots)
            else:
                self._visited = _leading_to(self.targets, self.roots)
        return source in self._visited

    def order(self) -> list[Any]:
        """The nodes and leaves that gradients arrive at, in that order."""
        nodes = [source for source in reached(self.roots) if isinstance(source, Node) and self.visits(source)]
        nodes.sort(key=lambda node: -node.number)
        last = {edge: node for node in nodes for edge in node.edges}  # by leaf, where its gradient is whole
        order: list[Any] = []
        for node in nodes:
            leaves = (edge for edge in dict.fromkeys(node.edges) if edge is not None and not isinstance(edge, Node))
            order += [node, *(leaf for leaf in leaves if last[leaf] is node and self.visits(leaf))]
        return order


_next_number = itertools.count().__next__


def at_end(callback: Callable[[], object]) -> None:
    """Have a function called when the backward that is running is done, before it returns.

    Raises:
        RuntimeError: none is running.
    """
    walk = state.walk
    if not isinstance(walk, Walk):
        raise RuntimeError("Final callbacks can only be installed during backward pass.")
    walk.callbacks = [*walk.callbacks, callback]


def run(
    roots: list[Tensor],
    seeds: list[Tensor],
    keep: bool,
    create: bool,
    targets: list[Source] | None = None,
    accumulates: bool = False,
) -> list[Any]:
    """Walk back from `roots`. Without `targets`, accumulate into leaves; with, return a gradient for each.

    A target is a node or a leaf, `source_of` a tensor. With `accumulates`, the gradients will be accumulated: then the
    hooks of a target's node are called although it ends there.
    """
    keep_freed()
    walk = Walk(roots, targets, keep, accumulates)
    if walk.depth % DEEP == DEEP - 1:
        return in_another_thread(lambda: _run_within(walk, seeds, create))
    return _run_within(walk, seeds, create)


def _run_within(walk: Walk, seeds: list[Tensor], create: bool) -> list[Any]:
    """Run a walk, which may lie within another, and put back what it has changed of the thread's state."""
    outer, state.walk = state.walk, walk
    before, pushed, packers, overrides = state.grad, state.interpreters, state.packers, state.overrides
    try:
        if pushed:
            state.interpreters = tuple(interpreter for interpreter in pushed if interpreter.in_backward)
        lifted = create or bool(state.interpreters)
        if lifted:  # else no op is applied, but in what is called back
            state.grad, state.overrides = create, False
        found = _run(walk, seeds, create, lifted)
        done = 0
        while done < len(walk.callbacks):  # one may ask for another
            walk.callbacks[done]()
            done += 1
        return found
    finally:
        # What a hook has entered or left meanwhile does not outlast the pass.
        state.grad, state.walk, state.interpreters, state.packers = before, outer, pushed, packers
        state.overrides = overrides


def _run(walk: Walk, seeds: list[Tensor], create: bool, lifted: bool) -> list[Any]:
    roots, targets, keep = walk.roots, walk.targets, walk.keep
    pending: dict[Any, Any] = {}  # node or leaf -> gradient so far
    owned: set[Any] = set()  # those whose gradient is an array of our own, which may be added to in place
    queue: list[tuple[int, Node]] = []
    wanted = targets
    goal = frozenset(wanted or ())
    useful = None if wanted is None else _leading_to(wanted, roots)
    found: dict[Any, Any] = {}

    def arrive(edge: Any, gradient: Any, fresh: bool) -> None:
        known = pending.get(edge)
        if known is None:
            pending[edge] = gradient
            if fresh:
                owned.add(edge)
            if isinstance(edge, Node):
                heappush(queue, (-edge.number, edge))
        elif lifted or type(known) is not _ndarray or type(gradient) is not _ndarray:
            pending[edge] = known + gradient
        elif known.dtype.kind == "V":
            pending[edge] = rounded(widened(known) + widened(gradient))
        elif edge in owned:
            np.add(known, gradient, out=known)
        else:
            pending[edge] = np.asarray(known + gradient)  # NumPy makes 0-d sums scalars
            owned.add(edge)

    def deliver(leaf: Any, gradient: Any) -> None:
        if leaf._hooks:
            gradient = call_hooks(leaf._hooks, gradient, lifted)
            owned.discard(leaf)  # a hook may have kept it
        add = accumulate if leaf._arrival is None else arrive_at
        add(leaf, gradient, lifted, leaf in owned, create)

    awaited = _awaited(roots, useful) if awaiting else None
    if awaited:
        gather = arrive

        def arrive(edge: Any, gradient: Any, fresh: bool) -> None:
            gather(edge, gradient, fresh)
            if edge in awaited:
                awaited[edge] -= 1
                if awaited[edge]:
                    return
                whole = pending.pop(edge)
                if wanted is None:
                    deliver(edge, whole)
                else:
                    found[edge] = call_hooks(edge._hooks, whole, lifted) if edge._hooks else whole
                    owned.discard(edge)

    vocabulary: Any = LIFTED if lifted else of_array(roots[0]._array)
    for root, seed in zip(roots, seeds, strict=True):
        arrive(_begin(root), seed if lifted or seed.is_sparse else seed._array, False)

    while queue:
        node = walk.node = heappop(queue)[1]
        g = pending.pop(node)
        if node.hooks:
            g = call_hooks(node.hooks, g, lifted)
            owned.discard(node)
        if node.retain is not None:
            _retain(node, g, lifted)
        if useful is not None:
            if node in goal:
                found[node] = g
            hooked = walk.accumulates and node.calls is not None
            if not hooked and not any(edge in useful for edge in node.edges if edge is not None):
                continue
        made = None
        if node.calls is not None:
            g = call_before(node, node.calls, g, lifted)
            made = Collected()
        hand_on = made or arrive
        if lifted:
            outer, state.node = state.node, node
            try:
                tensor_rules(node, g, create, hand_on, useful)
            finally:
                state.node = outer
        elif isinstance(node, OpNode):
            array_rules(node, g, vocabulary, hand_on, useful)
        else:
            for edge, gradient in node.propagate(g, vocabulary, False, False):
                hand_on(edge, gradient, False)
        if made is not None and node.calls is not None:
            for edge, gradient in call_after(node, node.calls, made.gradients, g, lifted):
                arrive(edge, gradient, False)
        if not keep:
            node.free()

    if wanted is not None:
        taken = {id(getattr(seed, "_array", seed)) for seed in seeds}
        return [_result(found, pending, edge, lifted, edge in owned, taken) for edge in wanted]
    g = made = None  # what they refer to may be handed over
    for leaf in list(pending):
        gradient = pending.pop(leaf)
        if leaf not in owned and is_alone(gradient):  # of two leaves with one gradient, the second
            owned.add(leaf)
        deliver(leaf, gradient)
    return []


def _result(
    found: dict[Any, Any], pending: dict[Any, Any], edge: Any, lifted: bool, owned: bool, taken: set[int]
) -> Tensor | None:
    """The gradient of one target, in memory of its own: not what a rule handed on, not another target's (`taken`)."""
    gradient = found.get(edge)
    if gradient is None and not isinstance(edge, Node):
        gradient = pending.get(edge)
        if gradient is not None and edge._hooks:
            gradient = found[edge] = call_hooks(edge._hooks, gradient, lifted)
            owned = False
    if gradient is None:
        return None
    array = gradient._array if lifted else gradient
    if not (owned or lifted) or id(array) in taken or array.base is not None:
        gradient = TABLE["clone"](gradient) if lifted else gradient.copy()
        array = gradient._array if lifted else gradient
    taken.add(id(array))
    return gradient if lifted else wrap(gradient)


def _begin(root: Tensor) -> Source:
    """Where a gradient of a root begins: at its node, or at itself, where it is a leaf."""
    edge = edge_of(root)
    return root if edge is None else edge


def reached(roots: list[Tensor]) -> set[Any]:
    """All nodes and leaves that `roots` were computed from."""
    stack: list[Any] = [_begin(root) for root in roots]
    seen: set[Any] = set(stack)
    while stack:
        for edge in getattr(stack.pop(), "edges", ()):
            if edge is not None and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    return seen


def _awaited(roots: list[Tensor], useful: set[Any] | None) -> dict[Any, int]:
    """The leaves with hooks, which wait for the whole gradient, each with how many parts that has."""
    counts: dict[Any, int] = {}
    for source in reached(roots) if useful is None else useful.intersection(reached(roots)):
        for edge in getattr(source, "edges", ()):
            if edge is None or isinstance(edge, Node) or (useful is not None and edge not in useful):
                continue
            if edge._after_hooks or edge._hooks or edge._arrival is not None:
                counts[edge] = counts.get(edge, 0) + 1
    return counts


def _leading_to(wanted: list[Any], roots: list[Tensor]) -> set[Any]:
    """All nodes and leaves between `roots` and `wanted`: the walk goes nowhere else."""
    stack: list[Any] = [root._node for root in roots if root._node is not None]
    seen: set[Any] = set(stack)
    while stack:
        for edge in stack.pop().edges:
            if isinstance(edge, Node) and edge not in seen:
                seen.add(edge)
                stack.append(edge)
    useful = set(wanted)
    for node in sorted(seen, key=_number_of):  # so that what a node was computed from comes before it
        if not useful.isdisjoint(node.edges):
            useful.add(node)
    return useful


_number_of = operator.attrgetter("number")


def _retain(node: Node, g: Any, lifted: bool) -> None:
    tensor = node.retain() if node.retain is not None else None
    if tensor is not None:
        gradient = TABLE["clone"](g) if lifted else wrap(g.copy())
        with set_grad_enabled(lifted and state.grad):
            tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient


def _as_tensor(gradient: Any) -> Any:
    return wrap(gradient) if type(gradient) is _ndarray else gradient


def arrive_at(leaf: Any, gradient: Any, lifted: bool, owned: bool, create: bool) -> None:
    """Accumulate a gradient into a tensor, with the hooks of its `AccumulateGrad` around it."""
    if leaf._arrival is None:
        accumulate(leaf, gradient, lifted, owned, create)
        return
    node = AccumulateGrad(leaf)
    gradient = call_before(node, leaf._arrival, gradient, lifted)
    owned = is_alone(gradient)  # not among the arguments below: there it is referred to once more
    accumulate(leaf, gradient, lifted, owned, create)
    call_after(node, leaf._arrival, [], gradient, lifted)


def _laid_as(array: Any, gradient: Any) -> Any:
    """A copy of the gradient that lies in memory as its leaf does, or contiguous, where the leaf has gaps."""
    copy = np.empty_like(array, dtype=gradient.dtype)
    copy[...] = gradient
    return copy


def accumulate(leaf: Tensor, gradient: Any, lifted: bool, owned: bool, create: bool) -> None:
    known = leaf._grad
    if known is None and type(gradient) is _ndarray:
        if leaf._array.flags.c_contiguous or type(leaf._array) is not _ndarray:
            # A copy lies as a tensor does, last index first.
            leaf._grad = wrap(gradient if owned and gradient.flags.c_contiguous else gradient.copy())
        else:
            leaf._grad = wrap(_laid_as(leaf._array, gradient))
    elif getattr(gradient, "is_sparse", False) or (known is not None and known.is_sparse):
        added = gradient if lifted else _as_tensor(gradient)
        # A sparse tensor is added to a dense one, as in PyTorch not the other way round.
        if known is None:
            leaf._grad = added.clone()
        elif not create and not known.requires_grad and (added.is_sparse or not known.is_sparse):
            known.add_(added)
        else:
            leaf._grad = added + known if known.is_sparse else known + added
    elif lifted:
        if known is None and create and not state.interpreters and type(leaf._array) is _ndarray:
            leaf._grad = TABLE["copy_"](wrap(np.empty_like(leaf._array)), gradient)  # which is PyTorch's node for it
        elif known is None:
            leaf._grad = TABLE["clone"](gradient)
        elif create:
            leaf._grad = known + gradient
        else:
            TABLE["add_"](known, gradient)
    elif known is None:
        leaf._grad = wrap(gradient if owned else gradient.copy())
    elif known._requires:
        with set_grad_enabled(False):
            leaf._grad = known + wrap(gradient)
    else:
        if is_narrow(gradient):
            known._array[...] = rounded(widened(known._array) + widened(gradient))
        else:
            known._array += gradient
        if known._counter is not None:
            known._counter[0] += 1
    if leaf._after_hooks:
        with set_grad_enabled(create):
            for hook in list(leaf._after_hooks.values()):
                if hook(leaf) is not None:
                    raise RuntimeError("Tensor post accumulate grad hooks should return None.")
