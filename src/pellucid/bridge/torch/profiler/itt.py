"""`torch.profiler.itt`: marks for Intel's profiler, which is not spoken to here."""

from __future__ import annotations

__all__ = ["is_available"]


def is_available() -> bool:
    """False."""
    return False
