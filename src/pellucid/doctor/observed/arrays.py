"""The numbers of a tensor, whatever its type, and the tensors that a network is called with, whatever they lie in."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.core.narrow import is_narrow, widened


def array_of(tensor: Tensor) -> np.ndarray:
    """What `tensor.detach().numpy()` gives, and for a type that NumPy lacks, such as bfloat16, a wider one.

    Without a call of detach(), which is watched: it would be taken for one of the program's own.
    """
    held: Any = tensor._array
    return widened(held) if is_narrow(held) else held if isinstance(held, np.ndarray) else tensor.detach().numpy()


def given_to(args: Sequence[Any], kwargs: Mapping[str, Any]) -> tuple[Any, ...]:
    """What a network is called with, its rows first: its arguments as they are, where the first is a tensor; else the
    tensors in lists, tuples and dicts among them, and those that are given by name, where all have as many rows. () of
    others, as of a list that holds the rows one by one.

    >>> from pellucid import ones
    >>> len(given_to(([ones(4, 2), ones(4, 3)],), {})), given_to(([ones(4), ones(3)],), {})
    (2, ())
    """
    if args and isinstance(args[0], Tensor):
        return tuple(args)
    found: list[Any] = []
    for value in (*args, *kwargs.values()):
        parts: Any = (
            value.values() if isinstance(value, dict) else value if isinstance(value, list | tuple) else (value,)
        )
        found += [part for part in parts if isinstance(part, Tensor)]
    rows = {len(part) if part.dim() else 0 for part in found}
    return tuple(found) if len(rows) == 1 and len(found) < max(rows) else ()
