"""`torch.xpu`: no GPU of Intel's is used here."""

from __future__ import annotations

from typing import Any

from ._device import refuse


def is_available() -> bool:
    """False."""
    return False


def is_initialized() -> bool:
    """False."""
    return False


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a device to seed."""
    int(seed)


manual_seed_all = manual_seed


def empty_cache() -> None:
    """Nothing."""


def _none(*args: Any, **kwargs: Any) -> Any:
    """Raises AssertionError."""
    refuse("XPU")


synchronize = current_device = set_device = get_device_name = get_device_properties = get_device_capability = _none
memory_allocated = max_memory_allocated = memory_reserved = mem_get_info = current_stream = _none
