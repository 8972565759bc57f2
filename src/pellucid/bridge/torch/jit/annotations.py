"""`torch.jit.annotations`: the words by which programs annotate what TorchScript compiles, here plain annotations."""

from __future__ import annotations

from typing import Dict, List, Optional, Tuple, Union  # noqa: UP035  the names that programs import

from pellucid.core import Tensor as TensorType

__all__ = [
    "BroadcastingList1", "BroadcastingList2", "BroadcastingList3", "Dict", "List", "Optional", "TensorType", "Tuple",
    "Union",
]  # fmt: skip

BroadcastingList1 = BroadcastingList2 = BroadcastingList3 = list
