"""Reverse mode: from the nodes of a result back to what it was computed from.

`run` keeps the gradients that have arrived at each node so far and takes the node with the highest number next. Its
inputs have smaller numbers, and so do theirs: when a node is taken, all that depends on it has been taken before, and
its gradient is whole. No recursion, no search, memory freed on the way.

A first-order backward computes on raw arrays with the rules' raw vocabulary. Where the result must itself be
differentiable (`create_graph`), or an interpreter listens (a tracer, anomaly detection), the same rules run on
Tensors through the door.

The rules of a node are called in two places, in `_run` on arrays and in `_lifted_rules` on Tensors, since each op of
each step of training passes through the first: to wrap its arrays in Tensors and go through the door for every op of a
rule, only to record nothing, would be work for no result.
"""

from __future__ import annotations

import heapq
from collections.abc import Sequence
from sys import getrefcount
from typing import Any, cast

import numpy as np

from pellucid import backend
from pellucid.types.dtypes import OF_NUMPY, float32

from .application import OpNode
from .context import is_reentry, run_within, state
from .errors import with_line
from .modes import set_grad_enabled
from .node import AUX, OUT, VALUE, Node
from .operation import TABLE
from .tensor import Tensor, wrap, zeros_like
from .vocabulary import LIFTED, Raw

_ndarray = np.ndarray
_raw: dict[Any, Raw] = {}
_HALF = np.dtype(np.float16)
_NUMPY = _raw.setdefault(backend.NUMPY, Raw(backend.NUMPY.xp))


def _references() -> int:
    """What `getrefcount` says of an array that one local variable alone refers to."""
    gradient = np.empty(0)
    return getrefcount(gradient)


_ALONE = _references()


def backward(
    tensors: Tensor | Sequence[Tensor],
    grad_tensors: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    inputs: Any = None,
) -> None:
    """Add the gradients of `tensors` to the `grad` of the leaves that they were computed from.

    `grad_tensors` seeds each non-scalar with the gradient of what comes after it. `create_graph` makes the gradients
    differentiable themselves. `retain_graph` (as `create_graph` unless given) keeps what is needed for another
    backward. `inputs` limits the accumulation to these tensors. Raises RuntimeError for a non-scalar without a seed,
    for a tensor without history, and for values that were freed or changed in place since.

    >>> import pellucid
    >>> w = pellucid.tensor([1.0, 2.0], requires_grad=True)
    >>> (w * w).sum().backward()
    >>> w.grad
    tensor([2., 4.])
    """
    if grad_tensors is None and isinstance(tensors, Tensor) and tensors._view is None and tensors._requires:
        roots, seeds = [tensors], [_seed(tensors)]  # as _roots would say, sooner
    else:
        roots, seeds = _roots(tensors, grad_tensors)
    if state.watchers:
        for watcher in tuple(state.watchers):  # one may end while it is told
            watcher.backward(roots)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, seeds, keep, create_graph)
        return
    chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    if not chosen:
        raise RuntimeError("'inputs' argument to backward() cannot be empty")
    found = run(roots, seeds, keep, create_graph, chosen)
    for one, gradient in zip(chosen, found, strict=True):
        if gradient is not None:
            _accumulate(one, gradient, lifted=True, owned=False, create=create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | Sequence[Tensor],
    grad_outputs: Any = None,
    retain_graph: bool | None = None,
    create_graph: bool = False,
    only_inputs: bool = True,
    allow_unused: bool | None = None,
    is_grads_batched: bool = False,
    materialize_grads: bool = False,
) -> tuple[Tensor | None, ...]:
    """The gradients of `outputs` with respect to `inputs`, returned instead of accumulated.

    Raises RuntimeError for an input that `outputs` do not depend on, unless `allow_unused` (None is returned for it)
    or `materialize_grads` (zeros).

    >>> import pellucid
    >>> x = pellucid.tensor(3.0, requires_grad=True)
    >>> (first,) = grad(x**3, x, create_graph=True)
    >>> grad(first, x)
    (tensor(18.),)
    """
    if is_grads_batched:
        raise NotImplementedError("is_grads_batched: call grad() once for each seed, or autograd.functional.jacobian")
    chosen = [inputs] if isinstance(inputs, Tensor) else list(inputs)
    for index, one in enumerate(chosen):
        if not one.requires_grad:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: input {index} with shape "
                f"{tuple(one.shape)}; call requires_grad_() on it before it is used"
            )
    roots, seeds = _roots(outputs, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = run(roots, seeds, keep, create_graph, chosen)
    if materialize_grads:
        found = [zeros_like(one) if got is None else got for one, got in zip(chosen, found, strict=True)]
    elif not allow_unused:
        for index, got in enumerate(found):
            if got is None:
                raise RuntimeError(
                    "One of the differentiated Tensors appears to not have been used in the graph: input "
                    f"{index} with shape {tuple(chosen[index].shape)}. Set allow_unused=True if this is what you want."
                )
    return tuple(found)


def _roots(tensors: Any, seeds: Any) -> tuple[list[Tensor], list[Tensor]]:
    roots: list[Tensor] = [tensors] if isinstance(tensors, Tensor) else list(tensors)
    given: list[Any] = [seeds] if seeds is None or isinstance(seeds, Tensor) else list(seeds)
    if given == [None]:
        given = [None] * len(roots)
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    ready: list[Tensor] = []
    for root, seed in zip(roots, given, strict=True):
        if not root.requires_grad:
            raise RuntimeError(
                with_line(
                    "element 0 of tensors does not require grad and does not have a grad_fn: nothing that it was "
                    "computed from requires a gradient, or the computation ran under no_grad() or through "
                    "detach()/numpy(). Set requires_grad=True on what should be differentiated"
                )
            )
        if seed is None:
            seed = _seed(root)
        elif not isinstance(seed, Tensor):
            raise TypeError(f"gradients can be either Tensors or None, but got {type(seed).__name__}")
        elif seed._array.shape != root._array.shape:
            raise RuntimeError(
                with_line(
                    f"Mismatch in shape: the gradient has shape {tuple(seed.shape)} and the output {tuple(root.shape)}"
                )
            )
        elif seed._array.dtype != root._array.dtype:
            seed = TABLE["cast"](seed, dtype=root.dtype)
        ready.append(seed)
    return roots, ready


def _seed(root: Tensor) -> Tensor:
    """The gradient of a scalar with respect to itself: 1."""
    array = root._array
    if array.shape == () and type(array) is _ndarray:
        return wrap(np.array(1, array.dtype))  # a fifth of the time of numpy.ones
    if array.size != 1:
        raise RuntimeError(
            with_line(
                "grad can be implicitly created only for scalar outputs, this one has shape "
                f"{tuple(root.shape)}. Reduce it first (.sum(), .mean()), or pass the gradient of what comes after it: "
                "backward(gradient=...)"
            )
        )
    return wrap(backend.of_array(array).xp.ones(array.shape, array.dtype))


def run(
    roots: list[Tensor], seeds: list[Tensor], keep: bool, create: bool, targets: list[Tensor] | None = None
) -> list[Any]:
    """Walk back from `roots`. Without `targets`, accumulate into leaves; with, return a gradient for each."""
    if not create and not state.interpreters:
        return _run(roots, seeds, keep, create, False, targets)  # no op is applied, but in what is called back
    before, state.grad = state.grad, create
    try:
        return _run(roots, seeds, keep, create, True, targets)
    finally:
        state.grad = before


def _run(
    roots: list[Tensor], seeds: list[Tensor], keep: bool, create: bool, lifted: bool, targets: list[Tensor] | None
) -> list[Any]:
    pending: dict[Any, Any] = {}  # node or leaf -> gradient so far
    owned: set[Any] = set()  # those whose gradient is an array of our own, which may be added to in place
    queue: list[tuple[int, Node]] = []
    wanted = None if targets is None else [target.grad_fn or target for target in targets]
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
                heapq.heappush(queue, (-edge.number, edge))
        elif lifted or type(known) is not _ndarray:
            pending[edge] = known + gradient
        elif edge in owned:
            np.add(known, gradient, out=known)
        else:
            pending[edge] = np.asarray(known + gradient)  # NumPy makes 0-d sums scalars
            owned.add(edge)

    vocabulary: Any = LIFTED if lifted else _vocabulary(roots[0]._array)
    for root, seed in zip(roots, seeds, strict=True):
        arrive(root.grad_fn or root, seed if lifted else seed._array, False)

    call = state.run
    while queue:
        node = heapq.heappop(queue)[1]
        g = pending.pop(node)
        if node.hooks:
            g = _call_hooks(node.hooks, g, lifted)
            owned.discard(node)
        if node.retain is not None:
            _retain(node, g, lifted)
        if useful is not None:
            if node in goal:
                found[node] = g
            if not any(edge in useful for edge in node.edges if edge is not None):
                continue
        if lifted:
            outer, state.node = state.node, node
            try:
                _lifted_rules(node, g, create, arrive, useful)
            finally:
                state.node = outer
        elif isinstance(node, OpNode):
            if node.freed:
                _saved(node)
            saved = node.saved
            for counter, version, _ in node.guards:
                if counter[0] != version:
                    _saved(node)
            if g.dtype is _HALF:
                g, saved = _wide(g), [_wide(value) for value in saved]
            edges, elementwise = node.edges, node.op.elementwise
            for (position, rule, slots), (shape, dtype) in zip(node.plan.rules, node.metas):  # noqa: B905  as long
                edge = edges[position]
                if useful is not None and edge not in useful:
                    continue
                try:
                    if len(slots) == 1:
                        gradient = call(rule, vocabulary, g, saved[slots[0]])
                    else:
                        gradient = call(rule, vocabulary, g, *[saved[slot] for slot in slots])
                except RuntimeError as failure:
                    if not is_reentry(failure):
                        raise
                    gradient = run_within(rule, vocabulary, g, *[saved[slot] for slot in slots])
                if gradient is None:
                    continue
                if elementwise and gradient.shape != shape:
                    gradient = sum_to(vocabulary, gradient, shape)
                if gradient.dtype is not dtype and gradient.dtype != dtype:
                    gradient = gradient.astype(dtype)
                if type(gradient) is not _ndarray and vocabulary is _NUMPY:
                    gradient = np.asarray(gradient)
                arrive(edge, gradient, gradient.base is None and getrefcount(gradient) == _ALONE)
        else:
            for edge, gradient in node.propagate(g, vocabulary, False, False):
                arrive(edge, gradient, False)
        if not keep:
            node.free()

    if wanted is not None:
        taken = {id(seed._array) for seed in seeds}
        return [_result(found, pending, edge, lifted, edge in owned, taken) for edge in wanted]
    for leaf, gradient in pending.items():
        if leaf._hooks:
            gradient = _call_hooks(leaf._hooks, gradient, lifted)
            owned.discard(leaf)  # a hook may have kept it
        _accumulate(leaf, gradient, lifted, leaf in owned, create)
    return []


def _wide(value: Any) -> Any:
    """float16 as float32. A rule computes in float32 and its result is rounded once, as in PyTorch's kernels: a count
    or a factor above 65504 must not become infinite on the way.
    """
    if isinstance(value, list):
        return [_wide(part) for part in cast("list[Any]", value)]
    return value.astype(np.float32) if getattr(value, "dtype", None) == _HALF else value


def _wide_tensor(value: Any) -> Any:
    if isinstance(value, list):
        return [_wide_tensor(part) for part in cast("list[Any]", value)]
    if isinstance(value, Tensor) and value._array.dtype == _HALF:
        return TABLE["cast"](value, dtype=float32)
    return value


def _vocabulary(array: Any) -> Raw:
    if type(array) is _ndarray:
        return _NUMPY
    library = backend.of_array(array)
    return _NUMPY if library is backend.NUMPY else _raw.setdefault(library, Raw(library.xp))


def _result(
    found: dict[Any, Any], pending: dict[Any, Any], edge: Any, lifted: bool, owned: bool, taken: set[int]
) -> Tensor | None:
    """The gradient of one target, in memory of its own: not what a rule handed on, not another target's (`taken`)."""
    gradient = found.get(edge)
    if gradient is None and not isinstance(edge, Node):
        gradient = pending.get(edge)
        if gradient is not None and edge._hooks:
            gradient = found[edge] = _call_hooks(edge._hooks, gradient, lifted)
            owned = False
    if gradient is None:
        return None
    array = gradient._array if lifted else gradient
    if not (owned or lifted) or id(array) in taken or array.base is not None:
        gradient = TABLE["clone"](gradient) if lifted else gradient.copy()
        array = gradient._array if lifted else gradient
    taken.add(id(array))
    return gradient if lifted else wrap(gradient)


def _leading_to(wanted: list[Any], roots: list[Tensor]) -> set[Any]:
    """All nodes and leaves between `roots` and `wanted`: the walk goes nowhere else."""
    goal = set(wanted)
    stack: list[Any] = [root._node for root in roots if root._node is not None]
    seen: set[Any] = set(stack)
    users: dict[Any, list[Node]] = {}
    while stack:
        node = stack.pop()
        for edge in node.edges:
            if edge is not None:
                users.setdefault(edge, []).append(node)
                if isinstance(edge, Node) and edge not in seen:
                    seen.add(edge)
                    stack.append(edge)
    useful, stack = set(goal), list(goal)
    while stack:
        for user in users.get(stack.pop(), ()):
            if user not in useful:
                useful.add(user)
                stack.append(user)
    return useful


def _saved(node: OpNode) -> list[Any]:
    """What the node kept, if it is still there and unchanged."""
    if node.freed:
        raise RuntimeError(
            with_line(
                f"Trying to backward through the graph a second time: what {node.op.name} had saved for backward was "
                "freed when backward() ran first. Write backward(retain_graph=True) there if you need two, or "
                "compute the loss anew; a value carried from one step to the next wants .detach()"
            )
        )
    for counter, version, slot in node.guards:
        if counter[0] != version:
            raise RuntimeError(_modified(node, counter[0], version, slot))
    return node.saved


def _modified(node: OpNode, now: int, then: int, slot: int) -> str:
    what, which = node.plan.saves[slot]
    value = node.saved[slot]
    name = (
        "its result"
        if what == OUT
        else f"its input {node.op.inputs[(node.op.star or 0) if which is None else which]!r}"
    )
    shape = f"{value.dtype} {tuple(value.shape)}" if hasattr(value, "dtype") else "a list"
    where = f" recorded at {node.where}" if node.where else ""
    return with_line(
        "one of the variables needed for gradient computation has been modified by an inplace operation: "
        f"{node.op.name}{where} needs {name} ({shape}), which is at version {now}; expected version {then} instead. "
        "Write the op that is not in place, or clone() before changing it"
    )


def _lifted_rules(node: Node, g: Tensor, create: bool, arrive: Any, useful: set[Any] | None) -> None:
    """Call the rules of a node on Tensors."""
    if not isinstance(node, OpNode):
        for edge, gradient in node.propagate(g, LIFTED, True, create):
            arrive(edge, gradient, False)
        return
    values = [
        _lift(node, what, which, value, create)
        for (what, which), value in zip(node.plan.saves, _saved(node), strict=True)
    ]
    if g._array.dtype == _HALF:
        g, values = _wide_tensor(g), [_wide_tensor(value) for value in values]
    for (position, rule, slots), (shape, dtype) in zip(node.plan.rules, node.metas, strict=True):
        if useful is not None and node.edges[position] not in useful:
            continue
        gradient = rule(LIFTED, g, *[values[slot] for slot in slots])
        if gradient is None:
            continue
        if node.op.elementwise and gradient._array.shape != shape:
            gradient = sum_to(LIFTED, gradient, shape)
        if gradient._array.dtype != dtype:
            gradient = TABLE["cast"](gradient, dtype=OF_NUMPY[dtype])
        if create and node.op.piecewise and node.edges[0] is not None:
            gradient = TABLE["along"](gradient, _input_in_name(node, gradient))
        arrive(node.edges[position], gradient, False)


def _input_in_name(node: OpNode, gradient: Tensor) -> Tensor:
    """A tensor with the history of the op's first input, for ops that ask for the history alone."""
    edge = node.edges[0]
    if isinstance(edge, Tensor):
        return edge
    shape, dtype = node.metas[0]
    xp = backend.of_array(gradient._array).xp
    return _with_history(xp.broadcast_to(xp.zeros((), dtype), shape), edge)


def _lift(node: OpNode, what: int, which: Any, value: Any, create: bool) -> Any:
    """A saved array as the Tensor that it was, with its history."""
    if what == OUT:
        return _with_history(value, node)
    if what == VALUE:
        if which is None:
            return [_with_history(one, edge) for one, edge in zip(value, node.edges[node.op.star :], strict=True)]
        return _with_history(value, node.edges[which])
    if what == AUX:
        name: str = node.op.aux[which]  # pyright: ignore[reportUnknownVariableType]
        if create and name in node.op.recompute:
            return _recomputed(node, node.op.recompute[name])
        return wrap(value)
    return value


def _recomputed(node: OpNode, rule: Any) -> Any:
    import inspect

    op = node.op
    names: list[str] = list(inspect.signature(rule).parameters)[1:]
    kept = dict(zip(node.plan.saves, node.saved, strict=True))
    given: list[Any] = []
    for name in names:
        if name in op.inputs:
            position = op.inputs.index(name)
            if (VALUE, position) not in kept:
                raise TypeError(f"{op.name}: a rule that uses a recomputed by-product must also ask for {name!r}")
            given.append(_with_history(kept[VALUE, position], node.edges[position]))
        else:
            given.append(node.kwargs.get(name, op.attributes[name]))
    return rule(LIFTED, *given)


def _with_history(array: Any, edge: Any) -> Any:
    if edge is not None and not isinstance(edge, Node):
        return edge  # the leaf itself
    if array is None or isinstance(array, int | float):
        return array
    tensor = wrap(array)
    if edge is not None:
        tensor._node, tensor._requires = edge, True
    return tensor


def sum_to(m: Any, gradient: Any, shape: tuple[int, ...]) -> Any:
    """Undo broadcasting: sum over the dimensions that were stretched or added."""
    extra = len(gradient.shape) - len(shape)
    dims = tuple(range(extra)) + tuple(
        i + extra for i, length in enumerate(shape) if length == 1 and gradient.shape[i + extra] != 1
    )
    if dims:
        gradient = m.sum(gradient, dim=dims, keepdim=True)
    return m.reshape(gradient, shape=shape) if extra else gradient


def _call_hooks(hooks: list[Any], g: Any, lifted: bool) -> Any:
    tensor = g if lifted else wrap(g)
    with set_grad_enabled(lifted and state.grad):
        for hook in list(hooks):
            changed = hook(tensor)
            if changed is not None:
                _check_hooked(hook, tensor, changed)
                tensor = changed
    return tensor if lifted else tensor._array


def _check_hooked(hook: Any, before: Any, after: Any) -> None:
    name: Any = getattr(hook, "__name__", repr(hook))
    if not isinstance(after, Tensor):
        raise TypeError(f"expected a Tensor (or None), but hook {name!r} returned {type(after).__name__!r}")
    if (after.shape, after.dtype) != (before.shape, before.dtype):
        raise RuntimeError(
            f"hook {name!r} has changed the size or type of the gradient: from {before.dtype!r} {tuple(before.shape)} "
            f"to {after.dtype!r} {tuple(after.shape)}"
        )


def _retain(node: Node, g: Any, lifted: bool) -> None:
    tensor = node.retain() if node.retain is not None else None
    if tensor is not None:
        gradient = TABLE["clone"](g) if lifted else wrap(g.copy())
        with set_grad_enabled(lifted and state.grad):
            tensor._grad = gradient if tensor._grad is None else tensor._grad + gradient


def _accumulate(leaf: Tensor, gradient: Any, lifted: bool, owned: bool, create: bool) -> None:
    known = leaf._grad
    if lifted:
        if known is None:
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
        known._array += gradient
        if known._counter is not None:
            known._counter[0] += 1
    if leaf._after_hooks:
        with set_grad_enabled(create):
            for hook in list(leaf._after_hooks):
                hook(leaf)
