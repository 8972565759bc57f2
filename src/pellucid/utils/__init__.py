"""``pellucid.utils``: data loading under PyTorch's path."""

from . import data

__all__ = ["data"]
