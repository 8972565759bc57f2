"""`torch.storage`: the classes of what `Tensor.storage()` returns."""

from pellucid.ops.storage import TypedStorage, UntypedStorage
from pellucid.torch_names import absent

__all__ = ["TypedStorage", "UntypedStorage"]

__getattr__ = absent(__name__)
