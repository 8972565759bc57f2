"""Which arrays share memory, so that what is saved shares it again when it is loaded."""

from __future__ import annotations

from collections.abc import Iterable
from typing import NamedTuple

import numpy as np

__all__ = ["Piece", "hull", "shared_pieces"]


class Piece(NamedTuple):
    """An array, and the addresses between which its elements are."""

    begin: int
    end: int
    array: np.ndarray

    def within(self, whole: Piece) -> tuple[int, list[int]]:
        """The offset in ``whole`` and the strides, in elements."""
        size = self.array.itemsize
        first = self.array.__array_interface__["data"][0]
        return (first - whole.begin) // size, [stride // size for stride in self.array.strides]


def hull(pieces: list[Piece]) -> np.ndarray | None:
    """The memory from the first element of these arrays to the last, as one array of their dtype.

    None where they are not all of one dtype, or step backwards, or the memory is not NumPy's own.
    """
    begin, end = min(piece.begin for piece in pieces), max(piece.end for piece in pieces)
    first = pieces[0].array
    if any(piece.array.dtype != first.dtype or min(piece.array.strides, default=0) < 0 for piece in pieces):
        return None
    root = first
    while type(root.base) is np.ndarray:
        root = root.base
    low, high = np.lib.array_utils.byte_bounds(root)
    contiguous = root.flags.c_contiguous or root.flags.f_contiguous
    size = first.itemsize
    if not contiguous or begin < low or end > high or any((piece.begin - begin) % size for piece in pieces):
        return None
    return root.ravel(order="K").view(np.uint8)[begin - low : end - low].view(first.dtype)


def shared_pieces(arrays: Iterable[np.ndarray]) -> list[list[Piece]]:
    """The arrays that share memory with others, in groups that are connected by it."""
    pieces = sorted(
        (Piece(*np.lib.array_utils.byte_bounds(array), array) for array in arrays if array.size),
        key=lambda piece: piece[:2],
    )
    groups: list[list[Piece]] = []
    end = -1
    for piece in pieces:
        if piece.begin < end:
            groups[-1].append(piece)
        else:
            groups.append([piece])
        end = max(end, piece.end) if piece.begin < end else piece.end
    return [group for near in groups for group in _connected(near) if len(group) > 1]


def _connected(pieces: list[Piece]) -> list[list[Piece]]:
    """Of arrays whose addresses interleave, those that have elements in common (columns of a matrix have none)."""
    groups: list[list[Piece]] = []
    for piece in pieces:
        joined, apart = [piece], []
        for group in groups:
            if any(_overlap(piece.array, other.array) for other in group):
                joined += group
            else:
                apart.append(group)
        groups = [*apart, joined]
    return groups


def _overlap(a: np.ndarray, b: np.ndarray) -> bool:
    try:
        return np.shares_memory(a, b, max_work=100_000)  # type: ignore[arg-type]  # NumPy's stub knows 0 and -1 only
    except np.exceptions.TooHardError:
        return True
