"""Sequences of different lengths in one batch: padded to one length, or packed, without what pads them.

A `PackedSequence` has the rows of all sequences by step: first the first step of each, then the second of those that
have one, … The sequences are in order of falling length, so that each step takes the first ones of the step before.
"""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any, NamedTuple, Self

import numpy as np

from ..core import Tensor, from_data
from ..types.dtypes import int64
from . import vocabulary as ops

__all__ = [
    "PackedSequence",
    "invert_permutation",
    "pack_padded_sequence",
    "pack_sequence",
    "pad_packed_sequence",
    "pad_sequence",
    "unpack_sequence",
    "unpad_sequence",
]


class _Fields(NamedTuple):
    data: Tensor
    batch_sizes: Tensor
    sorted_indices: Tensor | None
    unsorted_indices: Tensor | None


class PackedSequence(_Fields):
    """The rows of sequences by step: `data` (Σ lengths, …), of which `batch_sizes[t]` belong to step t.

    `sorted_indices` put the user's sequences in order of falling length, `unsorted_indices` put them back; both are
    None where they came in that order. It is made by `pack_padded_sequence` and `pack_sequence`.
    """

    def __new__(
        cls,
        data: Any,
        batch_sizes: Tensor | None = None,
        sorted_indices: Tensor | None = None,
        unsorted_indices: Tensor | None = None,
    ) -> Self:
        if unsorted_indices is None:
            unsorted_indices = invert_permutation(sorted_indices)
        if batch_sizes is None:
            if not (isinstance(data, (list, tuple)) and len(data) == 2):
                raise AssertionError("Expected data to be a list or tuple of length 2")
            data, batch_sizes = data
        return super().__new__(cls, data, batch_sizes, sorted_indices, unsorted_indices)  # type: ignore[arg-type]

    def to(self, *args: Any, **kwargs: Any) -> Self:
        """As `Tensor.to`, of the data."""
        data = self.data.to(*args, **kwargs)
        if data is self.data:
            return self
        moved = [None if index is None else index.to(data.device) for index in self[2:]]
        return type(self)(data, self.batch_sizes, *moved)

    def cpu(self) -> Self:
        """On the CPU."""
        return self.to("cpu")

    def cuda(self, *args: Any, **kwargs: Any) -> Self:
        """On a CUDA device."""
        return self.to(*args, **{"device": "cuda", **kwargs})

    @property
    def is_cuda(self) -> bool:
        """Whether the data is on a CUDA device."""
        return self.data.device.type == "cuda"


def _conversion(name: str) -> Callable[[PackedSequence], PackedSequence]:
    def convert(self: PackedSequence) -> PackedSequence:
        data = getattr(self.data, name)()
        return self if data is self.data else type(self)(data, *self[1:])

    convert.__name__, convert.__doc__ = name, f"As `Tensor.{name}`, of the data."
    return convert


for _name in ("double", "float", "half", "long", "int", "short", "char", "byte"):
    setattr(PackedSequence, _name, _conversion(_name))


def invert_permutation(permutation: Tensor | None) -> Tensor | None:
    """The permutation that puts back what `permutation` moved."""
    if permutation is None:
        return None
    return from_data(np.argsort(permutation.detach().cpu().numpy()), int64, permutation.device)


def pack_padded_sequence(
    input: Tensor, lengths: Any, batch_first: bool = False, enforce_sorted: bool = True
) -> PackedSequence:
    """Take the padding out of a batch of sequences: (T, B, …), or (B, T, …) with `batch_first`.

    `lengths` has the length of each; they must fall unless `enforce_sorted=False`. Raises RuntimeError for lengths that
    are not positive, or do not fall where they must.

    >>> import pellucid as torch
    >>> packed = pack_padded_sequence(torch.tensor([[1, 2, 3], [4, 5, 0]]), [3, 2], batch_first=True)
    >>> packed.data, packed.batch_sizes
    (tensor([1, 4, 2, 5, 3]), tensor([2, 2, 1]))
    """
    given = lengths.detach().cpu().numpy() if isinstance(lengths, Tensor) else np.asarray(lengths, np.int64)
    counts = given.astype(np.int64)
    axis = 0 if batch_first else 1
    order: Tensor | None = None
    if not enforce_sorted:
        placed = np.argsort(-counts, kind="stable")
        counts = counts[placed]
        order = from_data(placed, int64, input.device)
        input = ops.index_select(input, dim=axis, index=order)
    if input.ndim < 2 or counts.ndim != 1 or input.shape[axis] != len(counts):
        raise RuntimeError(
            f"Expected `len(lengths)` to be equal to batch_size, but got {counts.size} (batch_size="
            f"{input.shape[axis] if input.ndim > axis else None}) for an input of shape {tuple(input.shape)}"
        )
    if not len(counts) or counts.min() <= 0:
        raise RuntimeError(
            "Length of all samples has to be greater than 0, but found an element in 'lengths' that is <= 0"
        )
    if (counts[1:] > counts[:-1]).any():
        raise RuntimeError(
            "`lengths` array must be sorted in decreasing order when `enforce_sorted` is True. You can pass "
            "`enforce_sorted=False` to pack_padded_sequence and/or pack_sequence to sidestep this requirement"
        )
    if counts[0] > input.shape[1 - axis]:
        raise RuntimeError(
            f"Expected sequences of at most {input.shape[1 - axis]} steps, which an input of shape "
            f"{tuple(input.shape)} has, but got a length of {counts[0]}"
        )
    sizes = (counts[None] > np.arange(counts[0])[:, None]).sum(1)
    steps, members = packed_places(sizes)
    width = input.shape[1]
    flat = ops.reshape(input, shape=(-1, *input.shape[2:]))
    places = members * width + steps if batch_first else steps * width + members
    data = ops.index_select(flat, dim=0, index=from_data(places, int64, input.device))
    return PackedSequence(data, from_data(sizes, int64), order)


def packed_places(sizes: Any) -> tuple[Any, Any]:
    """The step and the sequence of each row of packed data, from the number of sequences at each step."""
    steps = np.repeat(np.arange(len(sizes)), sizes)
    return steps, np.arange(len(steps)) - np.repeat(np.cumsum(sizes) - sizes, sizes)


def padded(data: Tensor, sizes: Any, value: float, steps: int) -> Tensor:
    """Packed rows (Σ sizes, …) as (steps, B, …), with `value` where there is none."""
    at, members = packed_places(sizes)
    places = np.full((steps, int(sizes[0])), len(at))
    places[at, members] = np.arange(len(at))
    more = ops.cat((data, ops.full((1, *data.shape[1:]), value, dtype=data.dtype, device=data.device)))
    rows = ops.index_select(more, dim=0, index=from_data(places.reshape(-1), int64, data.device))
    return ops.reshape(rows, shape=(*places.shape, *data.shape[1:]))


def pad_packed_sequence(
    sequence: PackedSequence, batch_first: bool = False, padding_value: float = 0.0, total_length: int | None = None
) -> tuple[Tensor, Tensor]:
    """(Padded sequences (T, B, …), or (B, T, …) with `batch_first`; their lengths): the inverse of packing.

    `total_length` pads to that many steps. Raises ValueError where the longest sequence has more.
    """
    sizes = sequence.batch_sizes.numpy()
    steps = len(sizes) if total_length is None else total_length
    if steps < len(sizes):
        raise ValueError(
            "Expected total_length to be at least the length of the longest sequence in input, but got "
            f"total_length={total_length} and max sequence length being {len(sizes)}"
        )
    out = padded(sequence.data, sizes, padding_value, steps)
    lengths = from_data((sizes[:, None] > np.arange(sizes[0])).sum(0), int64)
    if batch_first:
        out = out.transpose(0, 1)
    if sequence.unsorted_indices is None:
        return out, lengths
    back = sequence.unsorted_indices
    return ops.index_select(out, dim=0 if batch_first else 1, index=back), lengths[back.cpu()]


def pad_sequence(
    sequences: Any, batch_first: bool = False, padding_value: float = 0.0, padding_side: str = "right"
) -> Tensor:
    """Sequences (length, …) as one tensor (T, B, …), or (B, T, …) with `batch_first`, T the longest length."""
    if not isinstance(sequences, Iterable):
        raise RuntimeError(
            f"pad_sequence: Expected iterable for input sequences, but got arg of type: {type(sequences)}"
        )
    if padding_side not in ("right", "left"):
        raise ValueError(f"padding_side should be one of 'left' or 'right', got {padding_side}")
    rows: list[Tensor] = list(sequences)
    if not rows:
        raise RuntimeError("received an empty list of sequences")
    longest = max(len(row) for row in rows)
    made: list[Tensor] = []
    for row in rows:
        if row.shape[1:] != rows[0].shape[1:]:
            raise RuntimeError(
                "pad_sequence: the sequences may differ in their first dimension alone, but got shapes "
                f"{tuple(rows[0].shape)} and {tuple(row.shape)}"
            )
        missing = longest - len(row)
        around = (0, missing) if padding_side == "right" else (missing, 0)
        ends = (*(0,) * (2 * (row.ndim - 1)), *around)
        made.append(ops.constant_pad_nd(row, pad=ends, value=padding_value) if missing else row)
    return ops.stack(made, 0 if batch_first else 1)


def unpad_sequence(padded_sequences: Tensor, lengths: Tensor, batch_first: bool = False) -> list[Tensor]:
    """The sequences of a padded batch, each of its own length."""
    batch = padded_sequences if batch_first else padded_sequences.transpose(0, 1)
    return [row[: int(length)] for row, length in zip(batch, lengths, strict=True)]


def pack_sequence(sequences: list[Tensor], enforce_sorted: bool = True) -> PackedSequence:
    """Pack a list of sequences (length, …)."""
    lengths = [len(row) for row in sequences]
    return pack_padded_sequence(pad_sequence(sequences), lengths, enforce_sorted=enforce_sorted)


def unpack_sequence(packed_sequences: PackedSequence) -> list[Tensor]:
    """The list of sequences that were packed."""
    rows, lengths = pad_packed_sequence(packed_sequences, batch_first=True)
    return unpad_sequence(rows, lengths, batch_first=True)
