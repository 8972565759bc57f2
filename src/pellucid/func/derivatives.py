"""Derivatives of functions, as functions: `grad`, Jacobians and their products with vectors, nested to any depth.

Each takes the arguments it differentiates by as new leaves, connected to their history if they have one, and
differentiates with a graph. A result keeps that graph where it leads to something else that wants a gradient (an outer
derivative, a parameter of a module); else it is handed out without.
"""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import Tensor, enable_grad
from ..core.modes import pushing
from ..core.tensor import ones_like, zeros_like
from ..declare import FUNCTIONS
from ..reverse import grad as _gradients
from ..reverse.engine import reached
from .trees import leaves, rebuilt, tree_map

__all__ = ["grad", "grad_and_value", "hessian", "jacfwd", "jacrev", "jvp", "linearize", "vjp"]


def grad(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False) -> Callable[..., Any]:
    """The gradient of a function that returns one number, by the arguments at ``argnums``, as a function.

    With ``has_aux`` the function returns a pair, (number, anything), and its gradient (gradient, anything).

    Raises:
        RuntimeError: the function returns something else than one number.

    >>> from pellucid import tensor
    >>> grad(grad(lambda x: x**3))(tensor(2.0))
    tensor(12.)
    """
    both = grad_and_value(func, argnums, has_aux)

    @functools.wraps(func)
    def gradient(*args: Any, **kwargs: Any) -> Any:
        slopes, value = both(*args, **kwargs)
        return (slopes, value[1]) if has_aux else slopes

    return gradient


def grad_and_value(
    func: Callable[..., Any], argnums: int | tuple[int, ...] = 0, has_aux: bool = False
) -> Callable[..., Any]:
    """As `grad`, together with the value: (gradient, value), or (gradient, (value, aux))."""

    @functools.wraps(func)
    def both(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            args, at = _entered(args, argnums)
            output, aux = _split(func(*args, **kwargs), has_aux)
            if not isinstance(output, Tensor) or output.numel() != 1 or output.ndim:
                shown = f"one of shape {tuple(output.shape)}" if isinstance(output, Tensor) else type(output).__name__
                raise RuntimeError(f"grad takes a function that returns a tensor of one number, 0-d, but got {shown}")
            found = _pulled([output], leaves(at), [ones_like(output.detach())])
        slopes = rebuilt(at, _left(found, at))
        value = _left([output], at)[0]
        return slopes, ((value, _left_tree(aux, at)) if has_aux else value)

    return both


def vjp(func: Callable[..., Any], *primals: Any, has_aux: bool = False) -> Any:
    """(outputs, f) with f(cotangents) the product of vectors of the outputs' shape with the Jacobian."""
    with enable_grad():
        _, at = _entered(primals, tuple(range(len(primals))))
        outputs, aux = _split(func(*at), has_aux)

    def pull(*cotangents: Any, **_: Any) -> Any:
        given = leaves(cotangents[0] if len(cotangents) == 1 else cotangents)
        with enable_grad():
            found = _pulled(leaves(outputs), leaves(at), given)
        slopes = rebuilt(at, _left(found, at))
        return slopes if len(primals) != 1 or len(cotangents) == 0 else (slopes[0],)

    result = _left_tree(outputs, at)
    return (result, pull, _left_tree(aux, at)) if has_aux else (result, pull)


def jvp(func: Callable[..., Any], primals: Any, tangents: Any, *, has_aux: bool = False) -> Any:
    """(outputs, J · tangents): how the outputs change along ``tangents``, by differentiating u ↦ uᵀ J twice."""
    with enable_grad():
        _, at = _entered(tuple(primals), tuple(range(len(primals))))
        outputs, aux = _split(func(*at), has_aux)
        pushed = _pushed(leaves(outputs), leaves(at), leaves(tuple(tangents)))
    result = _left_tree(outputs, at), rebuilt(outputs, _left(pushed, at))
    return (*result, _left_tree(aux, at)) if has_aux else result


def linearize(func: Callable[..., Any], *primals: Any) -> Any:
    """(outputs, f) with f(*tangents) = J · tangents, the function being evaluated once."""
    with enable_grad():
        _, at = _entered(primals, tuple(range(len(primals))))
        outputs = func(*at)

    def push(*tangents: Any) -> Any:
        with enable_grad():
            pushed = _pushed(leaves(outputs), leaves(at), leaves(tangents))
        return rebuilt(outputs, _left(pushed, at))

    return _left_tree(outputs, at), push


def jacrev(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    *,
    has_aux: bool = False,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """The Jacobian by the arguments at ``argnums``, as a function, row by row: ``(*output.shape, *input.shape)``.

    Each output has a nest of the arguments' structure. ``chunk_size`` is accepted and changes nothing.
    """

    @functools.wraps(func)
    def jacobian(*args: Any, **kwargs: Any) -> Any:
        with enable_grad():
            args, at = _entered(args, argnums)
            outputs, aux = _split(func(*args, **kwargs), has_aux)
            blocks = [rebuilt(at, _left(_rows(output, leaves(at)), at)) for output in leaves(outputs)]
        result = rebuilt(outputs, blocks)
        return (result, _left_tree(aux, at)) if has_aux else result

    return jacobian


def jacfwd(
    func: Callable[..., Any],
    argnums: int | tuple[int, ...] = 0,
    has_aux: bool = False,
    *,
    chunk_size: int | None = None,
    randomness: str = "error",
) -> Callable[..., Any]:
    """The Jacobian, equal to that of `jacrev`; here there is one way to compute it."""
    return jacrev(func, argnums, has_aux=has_aux)


def hessian(func: Callable[..., Any], argnums: int | tuple[int, ...] = 0) -> Callable[..., Any]:
    """The Hessian, the Jacobian of the Jacobian, as a function."""
    return jacfwd(jacrev(func, argnums), argnums)


# ------------------------------------------------------------------------------------------------------- shared


def _entered(args: tuple[Any, ...], argnums: int | tuple[int, ...]) -> tuple[tuple[Any, ...], Any]:
    """The arguments, with new leaves at ``argnums``; and those, as one nest if ``argnums`` is a number."""
    places = (argnums,) if isinstance(argnums, int) else tuple(argnums)
    entered = list(args)
    for place in places:
        if not -len(args) <= place < len(args):
            raise RuntimeError(
                f"argnums is {argnums}, but the function was called with {len(args)} positional arguments"
            )
        entered[place] = tree_map(_leaf, args[place])
    at = entered[argnums] if isinstance(argnums, int) else tuple(entered[place] for place in places)
    return tuple(entered), at


def _leaf(value: Any) -> Any:
    if not isinstance(value, Tensor):
        raise ValueError(f"expected a Tensor to differentiate by, or a nest of them, but got {type(value).__name__}")
    return value.view_as(value) if value.requires_grad else value.detach().requires_grad_()


def _split(result: Any, has_aux: bool) -> tuple[Any, Any]:
    if not has_aux:
        return result, None
    if not (isinstance(result, tuple) and len(result) == 2):
        raise RuntimeError(
            f"with has_aux=True the function must return a pair (output, aux), but got {type(result).__name__}"
        )
    return result


def _pulled(outputs: list[Tensor], inputs: list[Tensor], cotangents: list[Tensor]) -> list[Tensor]:
    """Gradients with a graph; zeros where there is no dependence."""
    live = [(o, c) for o, c in zip(outputs, cotangents, strict=True) if isinstance(o, Tensor) and o.requires_grad]
    found: Any = [None] * len(inputs)
    if live:
        found = _gradients(
            [output for output, _ in live],
            inputs,
            [cotangent for _, cotangent in live],
            create_graph=True,
            retain_graph=True,
            allow_unused=True,
        )
    return [zeros_like(at.detach()) if got is None else got for at, got in zip(inputs, found, strict=True)]


def _pushed(outputs: list[Tensor], inputs: list[Tensor], tangents: list[Tensor]) -> list[Tensor]:
    duals = [zeros_like(output.detach()).requires_grad_() for output in outputs]
    with pushing():
        pulled = _pulled(outputs, inputs, duals)
    return _pulled(pulled, duals, tangents)


def _rows(output: Tensor, inputs: list[Tensor]) -> list[Tensor]:
    """The Jacobian of one output by each input."""
    flat = output.reshape(-1)
    rows = [_pulled([element], inputs, [ones_like(element.detach())]) for element in flat.unbind()]
    if not rows:
        return [zeros_like(at.detach())[:0].reshape(*output.shape, *at.shape) for at in inputs]
    stack = FUNCTIONS["stack"]
    return [stack([row[place] for row in rows]).reshape(*output.shape, *at.shape) for place, at in enumerate(inputs)]


def _left(results: list[Any], at: Any) -> list[Any]:
    """Results as they leave a derivative: without their graph, unless it leads to another tensor than the leaves."""
    own = {id(leaf) for leaf in leaves(at)}
    return [
        result.detach()
        if isinstance(result, Tensor) and result.requires_grad and not _leads_out(result, own)
        else result
        for result in results
    ]


def _left_tree(tree: Any, at: Any) -> Any:
    return rebuilt(tree, _left(leaves(tree), at))


def _leads_out(result: Tensor, own: set[int]) -> bool:
    """Whether the graph of ``result`` reaches a tensor that wants a gradient and is not one of ``own``."""
    return any(isinstance(source, Tensor) and id(source) not in own for source in reached([result]))
