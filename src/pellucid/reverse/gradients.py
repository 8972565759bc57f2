"""What is asked of the engine: `backward` adds to the `grad` of leaves, `grad` returns gradients."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any, NamedTuple, cast

import numpy as np

from pellucid import backend
from pellucid.core.context import state
from pellucid.core.node import AccumulateGrad, Node, Source
from pellucid.core.tensor import Tensor, wrap, zeros_like
from pellucid.declare import FUNCTIONS, TABLE
from pellucid.declare.overrides import ask, derived, overriding
from pellucid.errors import with_line
from pellucid.types.bfloat16 import filled

from .engine import arrive_at, run


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
        for watcher in tuple(state.watchers):  # a hook may end its watcher
            watcher.before_backward(roots)
    keep = create_graph if retain_graph is None else retain_graph
    if inputs is None:
        run(roots, seeds, keep, create_graph)
        return
    chosen = _listed(inputs)
    if not chosen:
        raise RuntimeError("'inputs' argument to backward() cannot be empty")
    for target in chosen:
        if isinstance(target, Tensor) and not target.is_leaf:
            target.retain_grad()
    found = run(roots, seeds, keep, create_graph, [source_of(target) for target in chosen], accumulates=True)
    for target, gradient in zip(chosen, found, strict=True):
        if gradient is not None and isinstance(target, Tensor) and target.is_leaf:
            arrive_at(target, gradient, lifted=True, owned=False, create=create_graph)


def grad(
    outputs: Tensor | Sequence[Tensor],
    inputs: Tensor | GradientEdge | Sequence[Tensor | GradientEdge],
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
    if derived and (asked := overriding((_listed(outputs), _listed(inputs)), {})):
        given = (grad_outputs, retain_graph, create_graph, only_inputs, allow_unused, is_grads_batched)
        return ask(asked, grad, (outputs, inputs, *given, materialize_grads), {})
    if is_grads_batched:
        again = (create_graph, only_inputs, allow_unused, False, materialize_grads)
        return _batched(_listed(outputs), _listed(inputs), grad_outputs, *again)
    if materialize_grads and allow_unused is False:
        raise ValueError(
            "Expected allow_unused to be True or not passed when materialize_grads=True, but got: allow_unused=False."
        )
    chosen = _listed(inputs)
    if any(map(_is_sparse, (*chosen, *_listed(outputs)))):
        again = (retain_graph, create_graph, only_inputs, allow_unused, is_grads_batched, materialize_grads)
        return _of_sparse(_listed(outputs), chosen, grad_outputs, *again)
    for index, target in enumerate(chosen):
        if isinstance(target, Tensor) and not target.requires_grad:
            raise RuntimeError(
                f"One of the differentiated Tensors does not require grad: input {index} with shape "
                f"{tuple(target.shape)}; call requires_grad_() on it before it is used"
            )
    roots, seeds = _roots(outputs, grad_outputs)
    keep = create_graph if retain_graph is None else retain_graph
    found = run(roots, seeds, keep, create_graph, [source_of(target) for target in chosen])
    if materialize_grads:
        found = [
            _zeros(target, create_graph) if got is None else got for target, got in zip(chosen, found, strict=True)
        ]
    elif not allow_unused:
        for index, got in enumerate(found):
            if got is None:
                raise RuntimeError(
                    f"The differentiated Tensor at index {index} appears to not have been used in the graph. Set "
                    f"allow_unused=True if this is the desired behavior. It is input {index}{_shape_of(chosen[index])}"
                )
    return tuple(found)


def _zeros(target: Any, wanted: bool) -> Tensor:
    """The gradient, where one is to be made, of what was not used."""
    if isinstance(target, GradientEdge):
        raise RuntimeError(
            "materialize_grads cannot be used when the given input is a GradientEdge: give the tensor, or allow_unused"
        )
    made = zeros_like(target)
    return made.requires_grad_() if wanted else made


class GradientEdge(NamedTuple):
    """Where a gradient flows to: a node of the graph, and which of its results; from `get_gradient_edge`.

    That function leaves in `ownership_token` the shape and the dtype of the result.
    """

    node: Node
    output_nr: int
    ownership_token: Any = None


def source_of(target: Any) -> Source:
    """The node or the leaf at which the gradient of a tensor, or of a `GradientEdge`, arrives."""
    if isinstance(target, GradientEdge):
        return target.node.variable if isinstance(target.node, AccumulateGrad) else target.node
    return target.grad_fn or target


def _listed(given: Any) -> list[Any]:
    return [given] if isinstance(given, Tensor | GradientEdge) or _is_sparse(given) else list(given)


def _is_sparse(value: object) -> bool:
    """Whether this is a sparse tensor by coordinates, of a room above: it has methods for what is asked of it here."""
    return getattr(type(value), "is_sparse", False) is True


def _of_sparse(outputs: list[Any], inputs: list[Any], seeds: Any, *how: Any) -> tuple[Any, ...]:
    """`grad` where some of the tensors are sparse: that of their values, and by sparse inputs a sparse one."""
    given = [seeds] if seeds is None or isinstance(seeds, Tensor) or _is_sparse(seeds) else list(seeds)
    ends: list[Any] = []
    begins = [target._numbers if _is_sparse(target) else target for target in inputs]
    for place, output in enumerate(outputs):
        seed = given[place] if place < len(given) else None
        ends.append(output._numbers if _is_sparse(output) else output)
        if seed is not None and _is_sparse(output):
            given[place] = output._picked(seed)
    found = grad(ends, begins, given if any(seed is not None for seed in given) else None, *how)
    pairs = zip(inputs, found, strict=True)
    return tuple(target._gradient(got) if got is not None and _is_sparse(target) else got for target, got in pairs)


def _shape_of(target: Any) -> str:
    return f" with shape {tuple(target.shape)}" if isinstance(target, Tensor) else ""


def _end(edge: GradientEdge, seed: Any) -> Tensor:
    """A tensor that a backward can begin at in place of an edge: its values are not asked for."""
    known = edge.ownership_token
    if not isinstance(seed, Tensor) and known is None:
        raise RuntimeError(
            "a backward that begins at a GradientEdge needs the gradient there: give grad_tensors (of grad(), "
            "grad_outputs), or the tensor in place of its edge"
        )
    source = source_of(edge)
    if isinstance(source, Tensor):
        return source
    end = wrap(seed._array if known is None else np.broadcast_to(np.zeros((), known[1]), known[0]))
    end._node, end._requires = cast("Node", source), True
    return end


def _batched(outputs: list[Any], inputs: list[Any], seeds: Any, *how: Any) -> tuple[Tensor | None, ...]:
    """The gradients for each row of the seeds, stacked."""
    given: list[Any] = [seeds] if isinstance(seeds, Tensor) else list(seeds)
    rows: list[Any] = list(zip(*(seed.unbind(0) for seed in given if seed is not None), strict=True))
    if not rows:
        raise RuntimeError("is_grads_batched=True needs grad_outputs, each with a first dimension of one length")
    for place, (each, output) in enumerate(zip(given, outputs, strict=True)):
        if each is not None and each.shape[1:] != output.shape:
            raise RuntimeError(
                with_line(
                    "If `is_grads_batched=True`, we interpret the first dimension of each grad_output as the batch "
                    "dimension. The sizes of the remaining dimensions are expected to match the shape of corresponding "
                    f"output, but a mismatch was detected: grad_output[{place}] has a shape of {each.shape!r} and "
                    f"output[{place}] has a shape of {output.shape!r}. If you only want some tensors in `grad_output` "
                    "to be considered batched, consider using vmap."
                )
            )
    found: list[Any] = []
    for row in rows:
        seed = iter(row)
        at = [None if each is None else next(seed) for each in given]
        found.append(grad(outputs, inputs, at, True, *how))
    stack = FUNCTIONS["stack"]
    return tuple(None if column[0] is None else stack(column) for column in map(list, zip(*found, strict=True)))


def _roots(tensors: Any, seeds: Any) -> tuple[list[Tensor], list[Tensor]]:
    roots: list[Any] = _listed(tensors)
    given: list[Any] = [seeds] if seeds is None or isinstance(seeds, Tensor) else list(seeds)
    if given == [None]:
        given = [None] * len(roots)
    if len(given) != len(roots):
        raise RuntimeError(f"got {len(roots)} tensors and {len(given)} gradients")
    ready: list[Tensor] = []
    for place, (root, seed) in enumerate(zip(roots, given, strict=True)):
        if isinstance(root, GradientEdge):
            root = roots[place] = _end(root, seed)
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
        elif tuple(seed.shape) != root._array.shape:
            raise RuntimeError(
                f"Mismatch in shape: grad_output[{place}] has a shape of {seed.shape!r} and output[{place}] has a "
                f"shape of {root.shape!r}."
            )
        elif seed.is_complex() is not root.is_complex():
            raise RuntimeError(
                with_line(
                    f"For complex Tensors, both grad_output[{place}] and output[{place}] are required to have the same "
                    f"dtype. Mismatch in dtype: grad_output[{place}] has a dtype of {seed.dtype!r} and output[{place}] "
                    f"has a dtype of {root.dtype!r}."
                )
            )
        elif _is_sparse(seed):  # which only a leaf can keep
            seed = seed.to(root.dtype) if root.is_leaf else seed.to_dense()
        elif seed._array.dtype != root._array.dtype:
            seed = TABLE["cast"](seed, dtype=root.dtype)
        ready.append(seed)
    return roots, ready


def _seed(root: Tensor) -> Tensor:
    """The gradient of a scalar with respect to itself: 1."""
    array = root._array
    if array.dtype.kind == "c":
        raise RuntimeError(
            with_line(
                f"grad can be implicitly created only for real scalar outputs but got {root.dtype!r}; take .abs() or "
                ".real of it, or pass the gradient of what comes after it: backward(gradient=...)"
            )
        )
    if array.shape == () and type(array) is np.ndarray and array.dtype.kind == "f":
        return wrap(np.array(1, array.dtype))  # a fifth of the time of numpy.ones
    if array.size != 1:
        raise RuntimeError(
            with_line(
                "grad can be implicitly created only for scalar outputs, this one has shape "
                f"{tuple(root.shape)}. Reduce it first (.sum(), .mean()), or pass the gradient of what comes after it: "
                "backward(gradient=...)"
            )
        )
    return wrap(filled(backend.of_array(array).xp, array.shape, 1, array.dtype))
