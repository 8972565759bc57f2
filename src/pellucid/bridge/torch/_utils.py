"""`torch._utils`: what programs take from there, tensors as one long row and back."""

from __future__ import annotations

import sys
import traceback
from collections.abc import Iterable, Sequence
from typing import Any, NoReturn

import pellucid
from pellucid.core import Tensor
from pellucid.serialize.reader import known
from pellucid.utils.data.workers import Lines

__all__ = [
    "ExceptionWrapper", "_element_size", "_flatten_dense_tensors", "_reorder_tensors_as", "_take_tensors",
    "_unflatten_dense_tensors",
]  # fmt: skip


# What the pickles of tensors name, which Python's own `pickle` reads, too.
_rebuild_tensor, _rebuild_tensor_v2, _rebuild_parameter = (
    known("torch._utils", name) for name in ("_rebuild_tensor", "_rebuild_tensor_v2", "_rebuild_parameter")
)


class ExceptionWrapper:
    """An error as it goes from a worker process to its parent: its class, and the text of its traceback.

    Args:
        exc_info: what `sys.exc_info()` gives; by default that of the error which is being handled.
        where: what is said of the place where it was raised.
    """

    def __init__(self, exc_info: Any = None, where: str = "in background") -> None:
        found: Any = exc_info or sys.exc_info()
        self.exc_type: Any = found[0]
        self.where = where
        self.exc_msg = "".join(traceback.format_exception(*found))

    def reraise(self) -> NoReturn:
        """Raise an error of the same class, whose words are the traceback."""
        said = f"Caught {self.exc_type.__name__} {self.where}.\nOriginal {self.exc_msg}"
        if self.exc_type is KeyError:
            raise KeyError(Lines(said))
        try:
            error = self.exc_type(message=said) if getattr(self.exc_type, "message", None) else self.exc_type(said)
        except Exception:  # noqa: BLE001  a class whose constructor wants something else
            error = RuntimeError(said)
        raise error


def _element_size(dtype: pellucid.dtype) -> int:
    """The bytes of a number of this dtype."""
    return dtype.itemsize


def _flatten_dense_tensors(tensors: Sequence[Tensor]) -> Tensor:
    """All numbers of the tensors, which are of one dtype, in one row."""
    return pellucid.cat([tensor.contiguous().view(-1) for tensor in tensors])


def _unflatten_dense_tensors(flat: Tensor, tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """Views of the row in the shapes of the tensors."""
    sizes = [tensor.numel() for tensor in tensors]
    return tuple(part.view_as(tensor) for part, tensor in zip(flat.split(sizes), tensors, strict=True))


def _take_tensors(tensors: Iterable[Tensor], size_limit: int) -> Iterable[list[Tensor]]:
    """The tensors in groups of one dtype, each of up to `size_limit` bytes."""
    held: dict[Any, tuple[list[Tensor], int]] = {}
    for tensor in tensors:
        group, size = held.get(tensor.dtype, ([], 0))
        own = tensor.numel() * tensor.element_size()
        if group and size + own > size_limit:
            yield group
            group, size = [], 0
        held[tensor.dtype] = [*group, tensor], size + own
    yield from (group for group, _ in held.values() if group)


def _reorder_tensors_as(tensors: Sequence[Tensor], ordered_tensors: Sequence[Tensor]) -> tuple[Tensor, ...]:
    """The tensors, which come grouped by dtype, in the order of the dtypes of the others."""
    left: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        left.setdefault(tensor.dtype, []).append(tensor)
    return tuple(left[tensor.dtype].pop(0) for tensor in ordered_tensors)
