"""Signal processing under PyTorch's name: `pellucid.signal.windows`."""

from .ops import windows

__all__ = ["windows"]
