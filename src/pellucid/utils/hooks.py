"""`torch.utils.hooks`: the handle of a hook."""

from pellucid.core.hooks import RemovableHandle
from pellucid.torch_names import absent

__all__ = ["RemovableHandle", "unserializable_hook"]


def unserializable_hook(f: object) -> object:
    """Mark a hook that should not be saved with a tensor; here none is."""
    vars(f)["__torch_unserializable__"] = True
    return f


__getattr__ = absent(__name__)
