"""What a user may pass for dimensions and sizes, brought to one form: plain integers that are in range."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

from pellucid.declare.arguments import integer
from pellucid.errors import DimensionError, with_line


def dim_of(dim: Any, rank: int) -> int:
    """`dim` as an index from the left. A tensor without dimensions is taken as having one, as PyTorch does."""
    rank = max(rank, 1)
    known = dim if type(dim) is int and -rank <= dim < rank else integer(dim, "a dimension")
    if not -rank <= known < rank:
        raise DimensionError(
            with_line(f"Dimension out of range (expected to be in range of [{-rank}, {rank - 1}], but got {known})")
        )
    return known % rank


def dims_of(dims: Any, rank: int) -> tuple[int, ...]:
    """Several dimensions (or one) as indices from the left; raises RuntimeError for one that is named twice."""
    found = tuple(dim_of(dim, rank) for dim in _many(dims))
    if len(set(found)) < len(found):
        twice = next(entry for entry in found if found.count(entry) > 1)
        raise RuntimeError(with_line(f"dim {twice} appears multiple times in the list of dims {tuple(found)}"))
    return found


def _many(dims: Any) -> Iterable[Any]:
    return dims if isinstance(dims, Iterable) else (dims,)  # pyright: ignore[reportUnknownVariableType]


def said(name: str, given: tuple[Any, ...], argument: str, keywords: dict[str, Any]) -> tuple[int, ...]:
    """What a call says of sizes or dimensions: by separate arguments, by one sequence, or by the keyword `argument`.

    Raises TypeError where it says nothing, or has another keyword.
    """
    value = keywords.pop(argument, None)
    for other in keywords:
        raise TypeError(with_line(f"{name}() got an unexpected keyword argument {other!r}"))
    if not given and value is None:
        raise TypeError(with_line(f'{name}() missing 1 required positional arguments: "{argument}"'))
    return sizes_of(given, value)


def sizes_of(sizes: tuple[Any, ...], given: Any = None) -> tuple[int, ...]:
    """Sizes given as separate arguments, as one sequence, or by keyword (`given`)."""
    if given is not None:
        sizes = (given,)
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    return tuple(integer(size, "a size", wide=TypeError) for size in sizes)
