"""`torch._ops`: the classes of what is in `torch.ops`."""

from pellucid.torch_names import absent
from pellucid.utils.overloads import OpOverload, OpOverloadPacket

__all__ = ["OpOverload", "OpOverloadPacket"]

__getattr__ = absent(__name__)
