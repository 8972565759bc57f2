"""`torch.utils.data._utils`: what programs import from it."""

from . import collate, worker

__all__ = ["collate", "worker"]
