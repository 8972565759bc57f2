"""What one array library is to pellucid."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any, Protocol

Array = Any  # numpy.ndarray, cupy.ndarray, …: whatever the backend's namespace works on


class Moves(Protocol):
    """How arrays come from NumPy and go back to it."""

    def __call__(self, array: Array, /) -> Array: ...


@dataclass(frozen=True)
class Backend:
    """One array library."""

    device: str  # "cpu", "cuda", "meta"
    xp: Any  # the namespace that op declarations are written against
    array_type: type
    from_numpy: Moves
    to_numpy: Moves
    has_numbers: bool = True  # False where arrays have a layout alone: nothing is drawn for them
