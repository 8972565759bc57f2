"""`Size`: a shape that prints and counts as PyTorch's."""

from __future__ import annotations

from typing import Any, cast


class Size(tuple[int, ...]):
    """A shape: a tuple that prints and counts as PyTorch's."""

    def numel(self) -> int:
        """The product of the lengths."""
        count = 1
        for length in self:
            count *= length
        return count

    def __repr__(self) -> str:
        return f"torch.Size({list(self)})"

    def __getitem__(self, index: Any) -> Any:
        found = cast("Any", super().__getitem__(index))
        return Size(found) if isinstance(index, slice) else found

    def __add__(self, other: Any) -> Size:
        return Size(tuple(self) + tuple(other))
