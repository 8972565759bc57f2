"""Layers that put a margin around a line, an image or a volume."""

from __future__ import annotations

from typing import Any, ClassVar

from ...core import Tensor
from .. import functional as F
from .module import Module
from .utils import _ntuple

__all__ = [
    "CircularPad1d",
    "CircularPad2d",
    "CircularPad3d",
    "ConstantPad1d",
    "ConstantPad2d",
    "ConstantPad3d",
    "ReflectionPad1d",
    "ReflectionPad2d",
    "ReflectionPad3d",
    "ReplicationPad1d",
    "ReplicationPad2d",
    "ReplicationPad3d",
    "ZeroPad1d",
    "ZeroPad2d",
    "ZeroPad3d",
]


class _PadNd(Module):
    """``padding`` elements on each side: one number, or one for each side, those of the last dimension first.

    ``rank`` is the number of dimensions that are padded, the last ones; ``mode`` is that of `F.pad`.
    """

    _shown = "padding"
    rank: ClassVar[int]
    mode: ClassVar[str]

    def __init__(self, padding: Any) -> None:
        super().__init__()
        self.padding = _ntuple(2 * self.rank)(padding)

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, self.mode)


class _ConstantPadNd(_PadNd):
    """A margin of ``value``."""

    _shown = "padding= value="
    mode = "constant"

    def __init__(self, padding: Any, value: float) -> None:
        super().__init__(padding)
        self.value = value

    def forward(self, input: Tensor) -> Tensor:
        return F.pad(input, self.padding, "constant", self.value)


class ConstantPad1d(_ConstantPadNd):
    """A margin of ``value`` at both ends of a line."""

    rank = 1


class ConstantPad2d(_ConstantPadNd):
    """A margin of ``value`` around an image."""

    rank = 2


class ConstantPad3d(_ConstantPadNd):
    """A margin of ``value`` around a volume."""

    rank = 3


class ZeroPad1d(_PadNd):
    """A margin of zeros at both ends of a line."""

    rank, mode = 1, "constant"


class ZeroPad2d(_PadNd):
    """A margin of zeros around an image."""

    rank, mode = 2, "constant"


class ZeroPad3d(_PadNd):
    """A margin of zeros around a volume."""

    rank, mode = 3, "constant"


class ReflectionPad1d(_PadNd):
    """The ends of a line mirrored at its last elements."""

    rank, mode = 1, "reflect"


class ReflectionPad2d(_PadNd):
    """The borders of an image mirrored at its last rows and columns."""

    rank, mode = 2, "reflect"


class ReflectionPad3d(_PadNd):
    """The faces of a volume mirrored at its last layers."""

    rank, mode = 3, "reflect"


class ReplicationPad1d(_PadNd):
    """The last elements of a line, repeated."""

    rank, mode = 1, "replicate"


class ReplicationPad2d(_PadNd):
    """The last rows and columns of an image, repeated."""

    rank, mode = 2, "replicate"


class ReplicationPad3d(_PadNd):
    """The last layers of a volume, repeated."""

    rank, mode = 3, "replicate"


class _CircularPadNd(_PadNd):
    """The other end, with or without a batch."""

    mode = "circular"

    def forward(self, input: Tensor) -> Tensor:
        if input.ndim not in (self.rank + 1, self.rank + 2):
            raise ValueError(
                f"expected {self.rank + 1}D or {self.rank + 2}D input (got {input.ndim}D input of shape "
                f"{tuple(input.shape)})"
            )
        return super().forward(input)


class CircularPad1d(_CircularPadNd):
    """A line continued by its other end."""

    rank = 1


class CircularPad2d(_CircularPadNd):
    """An image continued by its other side."""

    rank = 2


class CircularPad3d(_CircularPadNd):
    """A volume continued by its other side."""

    rank = 3
