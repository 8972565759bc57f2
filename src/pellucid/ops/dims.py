"""What a user may pass for dimensions and sizes, brought to one form: plain integers that are in range."""

from __future__ import annotations

import operator
from collections.abc import Iterable
from typing import Any

from pellucid.core import DimensionError
from pellucid.core.errors import with_line


def dim_of(dim: Any, rank: int) -> int:
    """`dim` as an index from the left. A tensor without dimensions is taken as having one, as PyTorch does."""
    rank = max(rank, 1)
    if type(dim) is bool:
        raise TypeError(with_line(f"a dimension must be int, not bool: {dim}"))
    known = operator.index(dim)
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


def some(name: str, given: tuple[Any, ...], argument: str, keyword: Any = None) -> None:
    """Raise where neither separate arguments nor the keyword say what PyTorch must be told."""
    if not given and keyword is None:
        raise TypeError(with_line(f'{name}() missing 1 required positional arguments: "{argument}"'))


def sizes_of(sizes: tuple[Any, ...], given: Any = None) -> tuple[int, ...]:
    """Sizes given as separate arguments, as one sequence, or by keyword (`given`)."""
    if given is not None:
        sizes = (given,)
    if len(sizes) == 1 and isinstance(sizes[0], tuple | list):
        sizes = tuple(sizes[0])  # pyright: ignore[reportUnknownArgumentType, reportUnknownVariableType]
    if any(type(size) is bool for size in sizes):
        raise TypeError(with_line(f"sizes must be a tuple of ints, not bools: {sizes}"))
    return tuple(operator.index(size) for size in sizes)
