"""Transforms of pictures, under the names of `torchvision.transforms`; they draw what torchvision draws."""

from __future__ import annotations

from pellucid.torch_names import absent

from . import functional, v2
from .classes import *  # noqa: F403
from .classes import __all__ as _classes
from .functional import InterpolationMode

__all__ = [*_classes, "InterpolationMode", "functional", "v2"]

__getattr__ = absent("torchvision.transforms")
