"""`torch._subclasses`: the tensors without numbers with which PyTorch's compiler tries a program out."""

from __future__ import annotations

from . import fake_tensor
from .fake_tensor import FakeTensor

__all__ = ["FakeTensor", "fake_tensor"]
