"""`torch.cpu.amp`, the older names for `torch.amp` with the device "cpu"."""

from __future__ import annotations

import sys
from typing import Any

from pellucid.types.dtypes import bfloat16

from .. import amp
from ..amp.autocast_mode import deprecated

__all__ = ["GradScaler", "autocast"]


class autocast(amp.autocast):
    """`torch.amp.autocast("cpu", …)`."""

    def __init__(self, enabled: bool = True, dtype: Any = bfloat16, cache_enabled: bool = True) -> None:
        deprecated("torch.cpu.amp.autocast", "torch.amp.autocast('cpu', args...)")
        super().__init__("cpu", dtype=dtype, enabled=enabled, cache_enabled=cache_enabled)


class GradScaler(amp.GradScaler):
    """`torch.amp.GradScaler("cpu", …)`."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        deprecated("torch.cpu.amp.GradScaler", "torch.amp.GradScaler('cpu', args...)")
        super().__init__("cpu", *args, **kwargs)


autocast_mode = grad_scaler = sys.modules[__name__]  # files of their own in PyTorch
