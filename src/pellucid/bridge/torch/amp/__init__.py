"""`torch.amp`: mixed precision, where there is one precision. Losses are scaled as asked; nothing is cast."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from .autocast_mode import autocast, is_autocast_available
from .grad_scaler import GradScaler

__all__ = ["GradScaler", "autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str = "cuda", cast_inputs: Any = None) -> Any:
    """The forward of a `Function`, as it is: nothing is cast."""
    return fwd if fwd is not None else lambda fwd: fwd


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str = "cuda") -> Any:
    """The backward of a `Function`, as it is: nothing is cast."""
    return bwd if bwd is not None else lambda bwd: bwd
