"""`Variable`, which tensors that need a gradient had to be wrapped in before PyTorch 0.4."""

from __future__ import annotations

from pellucid.core import Tensor
from pellucid.reverse.engine import at_end

__all__ = ["Variable"]


class _OfTensors(type):
    """Every tensor is a `Variable`."""

    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, Tensor)

    def __call__(cls, data: object = None, requires_grad: bool = False, volatile: bool | None = None) -> Tensor:
        if not isinstance(data, Tensor):
            raise TypeError(f"Variable data has to be a tensor, but got {type(data).__name__}")
        return data.detach().requires_grad_(requires_grad)


class _Engine:
    """What PyTorch calls the engine: `Variable._execution_engine`, of which programs use one method."""

    queue_callback = staticmethod(at_end)


class Variable(metaclass=_OfTensors):
    """`Variable(tensor, requires_grad)` is a leaf over the memory of the tensor; each tensor is an instance of it."""

    _execution_engine = _Engine
