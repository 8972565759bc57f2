"""The numbers of a tensor, whatever its type."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.core.narrow import is_narrow, widened


def array_of(tensor: Tensor) -> np.ndarray:
    """What `tensor.detach().numpy()` gives, and for a type that NumPy lacks, such as bfloat16, a wider one."""
    held: Any = tensor._array
    return widened(held) if is_narrow(held) else tensor.detach().numpy()
