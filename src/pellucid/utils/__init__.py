"""``pellucid.utils``: data loading under PyTorch's path."""

from pellucid.torch_names import absent

from . import data

__all__ = ["data"]

__getattr__ = absent(__name__)
