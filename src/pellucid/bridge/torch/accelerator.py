"""`torch.accelerator`: there is none."""

from __future__ import annotations

from typing import Any, NoReturn


def is_available() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def current_accelerator(check_available: bool = False) -> None:
    """None."""


def _none(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises RuntimeError."""
    raise RuntimeError("Cannot access accelerator device when none is available.")


current_device_index = current_device_idx = set_device_index = set_device_idx = current_stream = set_stream = _none
synchronize = device_index = memory_stats = memory_allocated = max_memory_allocated = empty_cache = _none
memory_reserved = max_memory_reserved = reset_peak_memory_stats = _none
