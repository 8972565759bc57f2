"""`torch.ops`: PyTorch's ops by namespace, of which there is `aten`."""

from pellucid.torch_names import absent
from pellucid.utils.overloads import aten

__all__ = ["aten"]

__getattr__ = absent("torch.ops")
