"""`torch.utils.data._utils`: what programs import from it."""

from . import collate, worker

__all__ = ["MP_STATUS_CHECK_INTERVAL", "collate", "worker"]

MP_STATUS_CHECK_INTERVAL = 5.0
"""Seconds after which a loader and its workers look whether the other still lives."""
