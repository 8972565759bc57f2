"""`torch.cpu`: the device that is there."""

from __future__ import annotations

from typing import Any


def is_available() -> bool:
    """True."""
    return True


def device_count() -> int:
    """1."""
    return 1


def current_device() -> str:
    """The CPU."""
    return "cpu"


def synchronize(device: Any = None) -> None:
    """Nothing: what was computed is there."""


def set_device(device: Any) -> None:
    """Nothing."""


def is_initialized() -> bool:
    """True."""
    return True


from . import amp  # noqa: E402, F401  the submodule is there without being imported, as in PyTorch
