"""Collectives through which gradients flow: each returns new tensors, and backward is a collective, too.

The loss is the sum of the losses of all ranks, so the gradient of what was copied to all ranks is the sum of theirs:

    forward          backward
    broadcast        the sum at `src`
    reduce           broadcast from `dst`
    all_reduce       the sum
    scatter          gather at `src`
    gather           scatter from `dst`
    all_gather       the sum of each rank's part, at that rank
    reduce_scatter   all_gather
    all_to_all       all_to_all, back

Every rank must call backward, in the same order. Ranks that are not `src` or `dst` get zeros, through which no
gradient flows. Of reductions only SUM and AVG have a gradient here: PyTorch reduces gradients by the same operation,
which for MAX, MIN and PRODUCT is not the gradient; their backward raises RuntimeError.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.autograd import Function
from pellucid.core import Tensor
from pellucid.errors import with_line

from .. import collectives
from ..buffers import ReduceOp
from ..group import get_rank, get_world_size

__all__ = [
    "all_gather", "all_reduce", "all_to_all", "all_to_all_single", "broadcast", "gather", "reduce", "reduce_scatter",
    "scatter",
]  # fmt: skip


def broadcast(tensor: Tensor, src: int, group: Any = None) -> Tensor:
    """The tensor of rank `src`, at each rank."""
    return _Broadcast.apply(src, group, tensor)


def gather(tensor: Tensor, dst: int = 0, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all ranks at rank `dst`; zeros at the others."""
    return _Gather.apply(dst, group, tensor)


def scatter(tensors: Sequence[Tensor], src: int = 0, group: Any = None) -> Tensor:
    """The i-th tensor of rank `src`, at rank i. Each rank gives as many tensors of the same shape."""
    return _Scatter.apply(src, group, *tensors)


def reduce(tensor: Tensor, dst: int, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The tensors of all ranks put together at rank `dst`; the others get a copy of theirs."""
    return _Reduce.apply(dst, op, group, tensor)


def reduce_scatter(output: Tensor, input_list: Sequence[Tensor], op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The i-th tensors of all ranks put together, at rank i; `output` has the shape and is not written to."""
    return _ReduceScatter.apply(op, group, output, *input_list)


def all_gather(tensor: Tensor, group: Any = None) -> tuple[Tensor, ...]:
    """The tensors of all ranks, at each rank."""
    return _AllGather.apply(group, tensor)


def all_to_all(
    output_tensor_list: Sequence[Tensor], input_tensor_list: Sequence[Tensor], group: Any = None
) -> tuple[Tensor, ...]:
    """From each rank the tensor that it has for this one; the outputs give the shapes and are not written to."""
    return _AllToAll.apply(group, list(output_tensor_list), *input_tensor_list)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None, group: Any = None,
) -> Tensor:  # fmt: skip
    """The same with rows of one tensor, divided by the sizes; `output` has the shape and is not written to."""
    return _AllToAllSingle.apply(group, output, output_split_sizes, input_split_sizes, input)


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None) -> Tensor:
    """The tensors of all ranks put together, at each rank."""
    return _AllReduce.apply(op, group, tensor)


# Their gradients ------------------------------------------------------------------------------------------------------


def _new(tensor: Tensor, shape: tuple[int, ...] | None = None) -> Tensor:
    """Zeros to be written to, with the shape and dtype of a tensor."""
    return Tensor(np.zeros(tensor.shape if shape is None else shape, tensor._array.dtype))


def _differentiable(op: Any) -> None:
    if op not in (ReduceOp.SUM, ReduceOp.AVG):
        raise RuntimeError(
            with_line(f"the gradient of a reduction by {op.name} is not defined here: use SUM or AVG, or detach()")
        )


class _Broadcast(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, tensor: Tensor) -> Tensor:
        ctx.src, ctx.group = src, group
        tensor = tensor.clone()
        collectives.broadcast(tensor, src, group)
        return tensor

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        total = _Reduce.apply(ctx.src, ReduceOp.SUM, ctx.group, grad)
        return None, None, total if get_rank() == ctx.src else total * 0


class _Gather(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, group: Any, tensor: Tensor) -> tuple[Tensor, ...]:
        ctx.dst, ctx.group = dst, group
        parts = [_new(tensor) for _ in range(get_world_size(group))]
        collectives.gather(tensor.contiguous(), parts if get_rank() == dst else None, dst, group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, _Scatter.apply(ctx.dst, ctx.group, *grads)


class _Scatter(Function):
    @staticmethod
    def forward(ctx: Any, src: int, group: Any, *tensors: Tensor) -> Tensor:
        ctx.src, ctx.group = src, group
        output = _new(tensors[0])
        given = [tensor.contiguous() for tensor in tensors]
        collectives.scatter(output, given if get_rank() == src else None, src, group)
        return output

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, *_Gather.apply(ctx.src, ctx.group, grad)


class _Reduce(Function):
    @staticmethod
    def forward(ctx: Any, dst: int, op: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.dst, ctx.op, ctx.group = dst, op, group
        tensor = tensor.clone()
        collectives.reduce(tensor, dst, op, group)
        return tensor

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        _differentiable(ctx.op)
        back = _Broadcast.apply(ctx.dst, ctx.group, grad)
        return None, None, None, back if ctx.op == ReduceOp.SUM else back / get_world_size(ctx.group)


class _ReduceScatter(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, output: Tensor, *tensors: Tensor) -> Tensor:
        ctx.op, ctx.group = op, group
        made = _new(output)
        collectives.reduce_scatter(made, [tensor.contiguous() for tensor in tensors], op, group)
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        _differentiable(ctx.op)
        parts = _AllGather.apply(ctx.group, grad)
        size = 1 if ctx.op == ReduceOp.SUM else get_world_size(ctx.group)
        return None, None, None, *(part / size for part in parts)


class _AllGather(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, tensor: Tensor) -> tuple[Tensor, ...]:
        ctx.group = group
        parts = [_new(tensor) for _ in range(get_world_size(group))]
        collectives.all_gather(parts, tensor.contiguous(), group)
        return tuple(parts)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, _ReduceScatter.apply(ReduceOp.SUM, ctx.group, grads[0], *grads)


class _AllToAll(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, outputs: list[Tensor], *tensors: Tensor) -> tuple[Tensor, ...]:
        ctx.group, ctx.inputs = group, [_new(tensor) for tensor in tensors]
        made = [_new(output) for output in outputs]
        collectives.all_to_all(made, [tensor.contiguous() for tensor in tensors], group)
        return tuple(made)

    @staticmethod
    def backward(ctx: Any, *grads: Tensor) -> Any:
        return None, None, *_AllToAll.apply(ctx.group, ctx.inputs, *grads)


class _AllToAllSingle(Function):
    @staticmethod
    def forward(ctx: Any, group: Any, output: Tensor, to_here: Any, from_here: Any, tensor: Tensor) -> Tensor:
        ctx.group, ctx.sizes, ctx.like = group, (from_here, to_here), _new(tensor)
        made = _new(output)
        collectives.all_to_all_single(made, tensor.contiguous(), to_here, from_here, group)
        return made

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        return None, None, None, None, _AllToAllSingle.apply(ctx.group, ctx.like, *ctx.sizes, grad)


class _AllReduce(Function):
    @staticmethod
    def forward(ctx: Any, op: Any, group: Any, tensor: Tensor) -> Tensor:
        ctx.op, ctx.group = op, group
        tensor = tensor.clone()
        collectives.all_reduce(tensor, op, group)
        return tensor

    @staticmethod
    def backward(ctx: Any, grad: Tensor) -> Any:
        _differentiable(ctx.op)
        return None, None, _AllReduce.apply(ctx.op, ctx.group, grad)
