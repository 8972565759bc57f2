"""`torch.autograd._functions`: Functions of PyTorch's own that are written in Python."""

from __future__ import annotations

from pellucid.core import Tensor
from pellucid.core.node import Arguments

from .function import Function, FunctionCtx

__all__ = ["Resize"]


class Resize(Function):
    """A tensor in another shape with as many elements; older than `view`.

    >>> import pellucid
    >>> Resize.apply(pellucid.ones(4), (2, 2)).shape
    torch.Size([2, 2])
    """

    @staticmethod
    def forward(ctx: FunctionCtx, tensor: Tensor, sizes: tuple[int, ...]) -> Tensor:
        """The tensor's elements in the new shape."""
        vars(ctx)["before"] = tuple(tensor.shape)
        return tensor.contiguous().view(*sizes)

    @staticmethod
    def backward(ctx: FunctionCtx, grad_output: Tensor) -> Arguments:
        """The gradient in the shape that the tensor had."""
        return grad_output.contiguous().view(*vars(ctx)["before"]), None
