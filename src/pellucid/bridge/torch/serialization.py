"""`torch.serialization`: `save` and `load`."""

from pellucid.serialize import load, save

__all__ = ["load", "save"]
