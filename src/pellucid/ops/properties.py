"""Questions about a tensor, as functions; the methods of the same names are on Tensor."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, function


@function(method=False)
def is_tensor(obj: Any) -> bool:
    """Whether `obj` is a Tensor."""
    return isinstance(obj, Tensor)


@function(method=False)
def is_floating_point(input: Tensor) -> bool:
    """Whether the dtype of `input` is a floating type."""
    return input.is_floating_point()


@function(method=False)
def is_complex(input: Tensor) -> bool:
    """Whether the dtype of `input` is complex: never, pellucid has no complex numbers."""
    return input.is_complex()


@function(method=False)
def numel(input: Tensor) -> int:
    """Number of elements of `input`."""
    return input.numel()


@function()
def is_nonzero(input: Tensor) -> bool:
    """Whether the one element of `input` is not 0. Raises RuntimeError for any other number of elements."""
    if input.numel() != 1:
        raise RuntimeError(
            f"Boolean value of Tensor with {input.numel()} elements is ambiguous; write .any() or .all()"
        )
    return bool(input.item())


@function()
def is_same_size(input: Tensor, other: Tensor) -> bool:
    """Whether both have the same shape."""
    return input.shape == other.shape
