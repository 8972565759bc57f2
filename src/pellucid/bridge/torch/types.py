"""`torch.types`: names for annotations."""

from __future__ import annotations

import builtins
import os
from collections.abc import Sequence
from typing import Any

import pellucid

__all__ = ["Device", "FileLike", "Number", "Storage"]

Device = pellucid.device | str | builtins.int | None
Number = builtins.int | builtins.float | builtins.bool
FileLike = str | os.PathLike[str] | Any
Storage = Any
_dtype, _device, _size, _int, _float, _bool = (
    pellucid.dtype, pellucid.device, pellucid.Size | Sequence[builtins.int],
    builtins.int, builtins.float, builtins.bool,
)  # fmt: skip
