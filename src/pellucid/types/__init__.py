"""What a tensor is made of, under PyTorch's names: element types, shapes, and devices.

Read `size`, `dtypes` (and how they mix) and `devices`; the engine that computes with them is in `core`.
"""

from .devices import device
from .dtypes import as_dtype, dtype, get_default_dtype, set_default_dtype
from .size import Size

__all__ = ["Size", "as_dtype", "device", "dtype", "get_default_dtype", "set_default_dtype"]
