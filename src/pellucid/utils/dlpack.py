"""`torch.utils.dlpack`: a tensor's memory, handed to another library without a copy."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor
from pellucid.declare import FUNCTIONS
from pellucid.torch_names import absent

__all__ = ["from_dlpack", "to_dlpack"]


from_dlpack = FUNCTIONS["from_dlpack"]


def to_dlpack(tensor: Tensor) -> Any:
    """A capsule around the tensor's memory; libraries of now take the tensor itself in their `from_dlpack`."""
    return tensor.detach().numpy().__dlpack__()


__getattr__ = absent(__name__)
