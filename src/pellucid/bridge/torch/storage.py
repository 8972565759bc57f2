"""`torch.storage`: the classes of what `Tensor.storage()` returns."""

from __future__ import annotations

import io
from typing import Any

from pellucid.ops.storage import TypedStorage, UntypedStorage
from pellucid.serialize import load
from pellucid.torch_names import absent

__all__ = ["TypedStorage", "UntypedStorage"]


def _load_from_bytes(b: bytes) -> Any:
    """The storage in a pickle of a tensor that PyTorch made with Python's `pickle`, for `_rebuild_tensor_v2`."""
    return load(io.BytesIO(b))


__getattr__ = absent(__name__)
