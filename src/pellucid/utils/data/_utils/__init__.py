"""`torch.utils.data._utils`: what programs import from it."""

from . import collate

__all__ = ["collate"]
