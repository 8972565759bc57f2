"""Data sets: anything with ``__getitem__`` and ``__len__``, and the ways to combine them.

A data set may also define ``__getbatch__(indices)``, which returns a whole collated batch at once. `TensorDataset`
does, with one indexing per tensor, so that loading costs no more than copying the rows.
"""

from __future__ import annotations

import bisect
import itertools
import math
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, Generic, TypeVar

import numpy as np

from ...core import Tensor, state
from ...core.tensor import wrap
from ...random import Generator
from . import draws

__all__ = [
    "ConcatDataset",
    "Dataset",
    "IterableDataset",
    "StackDataset",
    "Subset",
    "TensorDataset",
    "random_split",
]

T_co = TypeVar("T_co", covariant=True)


class DatasetError(ValueError, AssertionError):
    """Data sets that do not fit together. PyTorch asserts that they do."""


class Dataset(Generic[T_co]):
    """Base class of data sets with an index: define ``__getitem__`` (one sample) and ``__len__``."""

    def __getitem__(self, index: Any) -> T_co:
        raise NotImplementedError(f"{type(self).__name__} must define __getitem__(self, index), which returns a sample")

    def __add__(self, other: Dataset[Any]) -> ConcatDataset[Any]:
        return ConcatDataset([self, other])


class IterableDataset(Dataset[T_co]):
    """Base class of data sets that only stream: define ``__iter__``."""

    def __iter__(self) -> Iterator[T_co]:
        raise NotImplementedError(f"{type(self).__name__} must define __iter__(self), which yields samples")

    def __add__(self, other: Dataset[Any]) -> ChainDataset:  # type: ignore[override]
        return ChainDataset([self, other])


class ChainDataset(IterableDataset[Any]):
    """Streams one after the other."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)

    def __iter__(self) -> Iterator[Any]:
        for dataset in self.datasets:
            if not isinstance(dataset, IterableDataset):
                raise AssertionError("ChainDataset only supports IterableDataset")
            yield from dataset

    def __len__(self) -> int:
        return sum(len(dataset) for dataset in self.datasets)  # type: ignore[arg-type]


class TensorDataset(Dataset[tuple[Tensor, ...]]):
    """Tensors of the same first size; sample ``i`` is row ``i`` of each.

    >>> import pellucid as torch
    >>> data = TensorDataset(torch.arange(6).reshape(3, 2), torch.tensor([0, 1, 0]))
    >>> data[1]
    (tensor([2, 3]), tensor(1))
    """

    def __init__(self, *tensors: Tensor) -> None:
        sizes = [tensor.shape[0] for tensor in tensors]
        if len(set(sizes)) > 1:
            raise DatasetError(
                "Size mismatch between tensors: TensorDataset needs the same first size everywhere, but got "
                + ", ".join(str(tuple(tensor.shape)) for tensor in tensors)
            )
        self.tensors = tensors

    def __getitem__(self, index: Any) -> tuple[Tensor, ...]:
        return tuple(tensor[index] for tensor in self.tensors)

    def __getbatch__(self, indices: Sequence[int]) -> list[Tensor]:
        rows = draws.index_tensor(indices)
        if state.interpreters or any(not _is_plain(tensor) for tensor in self.tensors):
            return [tensor[rows] for tensor in self.tensors]
        try:
            return [wrap(tensor._array.take(rows._array, 0)) for tensor in self.tensors]  # the same, past the door
        except IndexError:
            return [tensor[rows] for tensor in self.tensors]  # says which index it is

    def __len__(self) -> int:
        return self.tensors[0].shape[0]


def _is_plain(tensor: Tensor) -> bool:
    """Whether rows of it are numbers and nothing more: no gradient flows there, and no other type sees to them."""
    array = tensor._array
    return (
        type(tensor) is Tensor and type(array) is np.ndarray and array.flags.c_contiguous and not tensor.requires_grad
    )


class StackDataset(Dataset[Any]):
    """Several data sets side by side: a tuple (or a dict, by keyword) of their samples."""

    def __init__(self, *args: Dataset[Any], **kwargs: Dataset[Any]) -> None:
        if args and kwargs:
            raise ValueError(
                "Supported either ``tuple``- (via ``args``) or``dict``- (via ``kwargs``) like input/output, but both "
                "types are given."
            )
        if not args and not kwargs:
            raise ValueError("At least one dataset should be passed")
        self.datasets: Any = args or kwargs
        sizes = [len(dataset) for dataset in (args or kwargs.values())]  # type: ignore[arg-type]
        if len(set(sizes)) > 1:
            raise ValueError(f"Size mismatch between datasets: StackDataset got lengths {sizes}")
        self._length = sizes[0]

    def __getitem__(self, index: int) -> Any:
        if isinstance(self.datasets, dict):
            return {name: dataset[index] for name, dataset in self.datasets.items()}
        return tuple(dataset[index] for dataset in self.datasets)

    def __getitems__(self, indices: list[int]) -> list[Any]:
        """The samples at several indices, asked for at once of each data set that has such a method itself."""
        if isinstance(self.datasets, dict):
            columns = [_several(dataset, indices) for dataset in self.datasets.values()]
            return [dict(zip(self.datasets, row, strict=True)) for row in zip(*columns, strict=True)]
        return list(zip(*(_several(dataset, indices) for dataset in self.datasets), strict=True))

    def __len__(self) -> int:
        return self._length


def _several(dataset: Any, indices: list[int]) -> list[Any]:
    if not callable(getattr(dataset, "__getitems__", None)):
        return [dataset[index] for index in indices]
    found = dataset.__getitems__(indices)
    if len(found) != len(indices):
        raise ValueError(f"Nested dataset's output size mismatch. Expected {len(indices)}, got {len(found)}")
    return found


class ConcatDataset(Dataset[T_co]):
    """Data sets one after the other under one index."""

    def __init__(self, datasets: Iterable[Dataset[Any]]) -> None:
        self.datasets = list(datasets)
        if not self.datasets:
            raise DatasetError("datasets should not be an empty iterable: give at least one data set")
        for dataset in self.datasets:
            if isinstance(dataset, IterableDataset):
                raise DatasetError("ConcatDataset does not support IterableDataset: add them, a + b, to chain streams")
        self.cumulative_sizes = list(itertools.accumulate(len(dataset) for dataset in self.datasets))  # type: ignore[arg-type]

    def __len__(self) -> int:
        return self.cumulative_sizes[-1]

    def __getitem__(self, index: int) -> T_co:
        if not -len(self) <= index < len(self):
            kind = ValueError if index < 0 else IndexError  # as PyTorch
            raise kind(f"index {index} is out of range for a ConcatDataset of length {len(self)}")
        index %= len(self)
        which = bisect.bisect_right(self.cumulative_sizes, index)
        before = self.cumulative_sizes[which - 1] if which else 0
        return self.datasets[which][index - before]


class Subset(Dataset[T_co]):
    """The samples of ``dataset`` at ``indices``."""

    def __init__(self, dataset: Dataset[T_co], indices: Sequence[int]) -> None:
        self.dataset = dataset
        self.indices = indices

    def __getitem__(self, index: Any) -> T_co:
        if isinstance(index, list):
            return self.dataset[[self.indices[i] for i in index]]
        return self.dataset[self.indices[index]]

    def __getbatch__(self, indices: Sequence[int]) -> Any:
        # `DataLoader` asks `loads_whole_batches` first, so the data set below has __getbatch__.
        return self.dataset.__getbatch__([self.indices[i] for i in indices])  # type: ignore[attr-defined]

    def __len__(self) -> int:
        return len(self.indices)


def loads_whole_batches(dataset: Any) -> bool:
    """Whether ``dataset.__getbatch__`` gives what collating its samples would.

    A subclass that redefines ``__getitem__`` alone is asked sample by sample: its change must not be passed over.
    """
    for cls in type(dataset).__mro__:
        if "__getbatch__" in vars(cls):
            return not isinstance(dataset, Subset) or loads_whole_batches(dataset.dataset)
        if "__getitem__" in vars(cls):
            return False
    return False


def random_split(
    dataset: Dataset[T_co], lengths: Sequence[int | float], generator: Generator | None = None
) -> list[Subset[T_co]]:
    """Cut a data set at random into parts of the given lengths, or fractions that sum to 1.

    >>> import pellucid as torch
    >>> [len(part) for part in random_split(range(10), [0.7, 0.3])]
    [7, 3]
    """
    size = len(dataset)  # type: ignore[arg-type]
    if math.isclose(sum(lengths), 1) and sum(lengths) <= 1:
        for place, fraction in enumerate(lengths):
            if not 0 <= fraction <= 1:
                raise ValueError(f"Fraction at index {place} is not between 0 and 1: {fraction}")
        counts = [math.floor(size * fraction) for fraction in lengths]
        for place in range(size - sum(counts)):  # what rounding left over goes round, one each
            counts[place % len(counts)] += 1
    else:
        counts = [int(length) for length in lengths]
        if any(length != count for length, count in zip(lengths, counts, strict=True)):
            raise ValueError(
                "Sum of input lengths does not equal the length of the input dataset! lengths are whole numbers of "
                f"samples, or fractions that sum to 1, but got {list(lengths)}"
            )
    if sum(counts) != size:
        raise ValueError(
            f"Sum of input lengths does not equal the length of the input dataset! {list(lengths)} sum to "
            f"{sum(counts)}, but the data set has {size} samples"
        )
    indices = draws.permutation(size, generator)
    ends = list(itertools.accumulate(counts))
    return [Subset(dataset, indices[end - count : end]) for end, count in zip(ends, counts, strict=True)]
