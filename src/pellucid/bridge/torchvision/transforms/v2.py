"""`torchvision.transforms.v2`: the same transforms, and those that only it has."""

from __future__ import annotations

from typing import Any

import pellucid
from pellucid.core import Tensor

from . import functional
from .classes import *  # noqa: F403
from .classes import __all__ as _classes
from .classes import _TransformModule
from .functional import InterpolationMode

__all__ = [*_classes, "Identity", "InterpolationMode", "ToDtype", "ToImage", "ToPureTensor", "functional"]


class ToImage(_TransformModule):
    """A picture of Pillow's or an array (H, W, C) as a tensor (C, H, W) of the same numbers."""

    def forward(self, inpt: Any) -> Any:
        if isinstance(inpt, Tensor):
            return inpt
        if hasattr(inpt, "getbands"):
            return functional.pil_to_tensor(inpt)
        array = inpt[:, :, None] if inpt.ndim == 2 else inpt
        return pellucid.from_numpy(array.transpose(2, 0, 1).copy())


class ToDtype(_TransformModule):
    """Another dtype; with `scale` its range, too."""

    def __init__(self, dtype: Any, scale: bool = False) -> None:
        super().__init__()
        self.dtype, self.scale = dtype, scale

    def forward(self, inpt: Any) -> Any:
        if not isinstance(inpt, Tensor):
            return inpt
        return functional.convert_image_dtype(inpt, self.dtype) if self.scale else inpt.to(self.dtype)


class Identity(_TransformModule):
    """The picture itself."""

    def forward(self, inpt: Any) -> Any:
        return inpt


class ToPureTensor(Identity):
    """The tensor itself."""
