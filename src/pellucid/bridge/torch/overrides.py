"""`torch.overrides`: tensors of one's own classes are not asked by functions, so none has overridden anything."""

from __future__ import annotations

from typing import Any

__all__ = ["has_torch_function", "is_tensor_like"]


def has_torch_function(relevant_args: Any) -> bool:
    """False: functions ask no argument to do their work."""
    return False


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor."""
    import pellucid

    return isinstance(inp, pellucid.Tensor)
