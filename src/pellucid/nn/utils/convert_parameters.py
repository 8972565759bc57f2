"""All parameters as one vector, and back."""

from __future__ import annotations

from collections.abc import Iterable

from ...core import Tensor
from .. import vocabulary as ops

__all__ = ["parameters_to_vector", "vector_to_parameters"]


def parameters_to_vector(parameters: Iterable[Tensor]) -> Tensor:
    """The elements of all parameters one after the other; gradients flow through."""
    return ops.cat([param.reshape(-1) for param in parameters], 0)


def vector_to_parameters(vec: Tensor, parameters: Iterable[Tensor]) -> None:
    """Give each parameter its part of ``vec`` (sharing memory with it), in order."""
    if not isinstance(vec, Tensor):
        raise TypeError(f"expected torch.Tensor, but got: {type(vec).__name__}")
    start = 0
    for param in parameters:
        count = param.numel()
        param.data = vec[start : start + count].reshape(param.shape).data
        start += count
