"""One function over many inputs: `vmap`."""

from __future__ import annotations

import functools
from collections.abc import Callable
from typing import Any

from ..core import Tensor
from ..declare import FUNCTIONS
from ..random import default_generator
from .trees import leaves, rebuilt

__all__ = ["vmap"]


def vmap(
    func: Callable[..., Any],
    in_dims: Any = 0,
    out_dims: Any = 0,
    randomness: str = "error",
    *,
    chunk_size: int | None = None,
) -> Callable[..., Any]:
    """``func`` for each slice of the arguments along ``in_dims`` (None: the whole for all), its results stacked.

    The function is called once for each slice, so results are those of a loop, and so is the time: what the batch
    dimension of an op would do faster is to be written with it. ``in_dims`` is a number, or a nest of them like the
    arguments; ``out_dims`` says where the new dimension of each result is. ``randomness`` is ``"error"`` (drawing is
    refused), ``"different"`` (each slice draws its own) or ``"same"``. ``chunk_size`` is accepted and changes nothing.

    Raises:
        ValueError: nothing is mapped over, sizes differ, or ``in_dims`` does not fit the arguments.
        RuntimeError: random numbers were drawn with ``randomness="error"``.

    >>> from pellucid import tensor
    >>> vmap(lambda x, y: x @ y, in_dims=(0, None))(tensor([[1.0, 2.0], [3.0, 4.0]]), tensor([1.0, 1.0]))
    tensor([3., 7.])
    """
    if randomness not in ("error", "different", "same"):
        raise RuntimeError(f"Only allowed values for randomness are 'error', 'different', or 'same'. Got {randomness}")

    @functools.wraps(func)
    def mapped(*args: Any, **kwargs: Any) -> Any:
        given, dims = leaves(args), _dims(in_dims, args)
        sizes = {leaf.shape[dim] for leaf, dim in zip(given, dims, strict=True) if dim is not None}
        if len(sizes) != 1:
            if not sizes:
                raise ValueError("vmap: got no inputs to map over: at least one of in_dims must not be None")
            raise ValueError(
                "vmap: Expected all tensors to have the same size in the mapped dimension, got sizes "
                f"{sorted(sizes)} for the mapped dimension"
            )
        results = []
        start = default_generator.get_state()
        for place in range(sizes.pop()):
            if randomness == "same":
                default_generator.set_state(start)
            sliced = [leaf if dim is None else leaf.select(dim, place) for leaf, dim in zip(given, dims, strict=True)]
            results.append(func(*rebuilt(args, sliced), **kwargs))
            if randomness == "error" and not (default_generator.get_state() == start).all():
                default_generator.set_state(start)
                raise RuntimeError(
                    "vmap: called random operation while in randomness error mode. Please either use the 'same' or "
                    "'different' randomness flags on vmap or perform the randomness operation out of vmap"
                )
        return _stacked(results, out_dims)

    return mapped


def _dims(in_dims: Any, args: tuple[Any, ...]) -> list[int | None]:
    """The mapped dimension of each leaf of the arguments."""
    if isinstance(in_dims, (tuple, list)) and len(in_dims) != len(args):
        raise ValueError(
            f"vmap: in_dims is not compatible with the structure of inputs: it has {len(in_dims)} entries for "
            f"{len(args)} arguments"
        )
    found = _spread(in_dims, args)
    for leaf, dim in zip(leaves(args), found, strict=True):
        if dim is None:
            continue
        if not isinstance(dim, int) or not isinstance(leaf, Tensor):
            raise ValueError(
                f"vmap: Got in_dim={dim} for an input of type {type(leaf).__name__}: a number maps over a Tensor; use "
                "None for what is the same in all calls"
            )
        if not -leaf.ndim <= dim < leaf.ndim:
            raise ValueError(
                f"vmap: Got in_dim={dim} for some input, but that input is a Tensor of {leaf.ndim} dimensions"
            )
    return found


def _spread(dims: Any, tree: Any) -> list[Any]:
    """``dims``, a nest that may end earlier than ``tree``, for each of its leaves."""
    if isinstance(tree, dict):
        each = dims if isinstance(dims, dict) else dict.fromkeys(tree, dims)
        return [dim for key, value in tree.items() for dim in _spread(each[key], value)]
    if isinstance(tree, (list, tuple)):
        each = dims if isinstance(dims, (list, tuple)) else [dims] * len(tree)
        return [dim for inner, value in zip(each, tree, strict=True) for dim in _spread(inner, value)]
    return [dims]


def _stacked(results: list[Any], out_dims: Any) -> Any:
    if not results:
        raise ValueError("vmap: the mapped dimension has size 0, so there is no result whose shape could be known")
    first = results[0]
    dims = _spread(out_dims, first)
    columns = zip(*(leaves(result) for result in results), strict=True)
    stack = FUNCTIONS["stack"]
    made = []
    for column, dim in zip(columns, dims, strict=True):
        if not isinstance(column[0], Tensor):
            raise ValueError(f"vmap: the function must only return Tensors, got {type(column[0]).__name__}")
        made.append(column[0] if dim is None else stack(list(column), dim))
    return rebuilt(first, made)
