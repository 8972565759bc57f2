"""`torch._tensor`, from which some programs import `Tensor`."""

from pellucid.core import Tensor

__all__ = ["Tensor"]
