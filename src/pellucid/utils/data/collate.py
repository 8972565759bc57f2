"""From a list of samples to a batch."""

from __future__ import annotations

import copy
from collections.abc import Mapping, MutableMapping, MutableSequence, Sequence
from typing import Any

import numpy as np

from ...core import Tensor, from_data
from ...declare import FUNCTIONS, TABLE
from ...types.dtypes import float64

__all__ = ["default_collate"]


def default_collate(batch: Sequence[Any]) -> Any:
    """Stack tensors (and arrays and numbers) along a new first dimension, through tuples, lists and dicts.

    >>> default_collate([(1, 2.0), (3, 4.0)])
    [tensor([1, 3]), tensor([2., 4.], dtype=torch.float64)]
    """
    first = batch[0]
    if isinstance(first, Tensor):
        stack = FUNCTIONS.get("stack") or TABLE["stack"]
        return stack(list(batch), dim=0)
    if isinstance(first, np.ndarray):
        if first.dtype.kind not in "biufc":
            raise TypeError(f"default_collate: arrays must be numeric, but got one of dtype {first.dtype}")
        return from_data(np.stack(batch), copy=False)
    if isinstance(first, np.generic):
        return from_data(np.stack(batch), copy=False)
    if isinstance(first, float):
        return from_data(list(batch), float64)
    if isinstance(first, int):
        return from_data(list(batch))
    if isinstance(first, (str, bytes)):
        return batch
    if isinstance(first, Mapping):
        collated = {key: default_collate([sample[key] for sample in batch]) for key in first}
        return _like(first, collated)
    if isinstance(first, Sequence):
        if any(len(sample) != len(first) for sample in batch):
            raise RuntimeError(
                "each element in list of batch should be of equal size, but got lengths "
                f"{[len(sample) for sample in batch]}: give the DataLoader a collate_fn that pads them"
            )
        columns = [default_collate(column) for column in zip(*batch, strict=True)]
        if isinstance(first, tuple):
            return type(first)(*columns) if hasattr(first, "_fields") else columns
        return _like(first, columns)
    raise TypeError(
        "default_collate: batch must contain tensors, numpy arrays, numbers, dicts or lists; "
        f"found {type(first).__name__}: give the DataLoader a collate_fn that turns a list of them into a batch"
    )


def default_convert(data: Any) -> Any:
    """What a loader without batches does to a sample: arrays become tensors, containers of its classes stay."""
    if isinstance(data, np.generic) or (isinstance(data, np.ndarray) and data.dtype.kind in "biufc"):
        return from_data(np.asarray(data), copy=False)
    if isinstance(data, Mapping):
        return _like(data, {key: default_convert(value) for key, value in data.items()})
    if isinstance(data, tuple) and hasattr(data, "_fields"):
        return type(data)(*(default_convert(value) for value in data))
    if isinstance(data, tuple):
        return [default_convert(value) for value in data]
    if isinstance(data, Sequence) and not isinstance(data, str | bytes):
        return _like(data, [default_convert(value) for value in data])
    return data


def _like(kind: Any, made: dict[Any, Any] | list[Any]) -> Any:
    """A dict or a list as the class of `kind`, if that can be made of it, with what else `kind` holds."""
    if type(kind) is type(made):
        return made
    try:
        if isinstance(kind, MutableMapping):
            kind = copy.copy(kind)
            kind.update(made)
            return kind
        if isinstance(kind, MutableSequence):
            kind = copy.copy(kind)
            for place, value in enumerate(made):
                kind[place] = value
            return kind
        return type(kind)(made)
    except TypeError:
        return made
