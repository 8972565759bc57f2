"""What all ranks of a group do together: reduce, broadcast, gather, scatter tensors.

Every function takes `group`, and those of tensors `async_op`: with it they return a `Work` to wait for, and what they
write is there after its `wait()`. The ranks `src` and `dst` are global; `group_src` and `group_dst` are those in the
group. A process that is not in the group is warned, and does nothing.
"""

from __future__ import annotations

from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.errors import ShapeError, describe, with_line

from .buffers import ReduceOp, Reduction, check_tensor, check_tensors, incoming, outgoing, put
from .group import get_group_rank, member
from .ranks import ProcessGroup
from .work import Work

__all__ = [
    "all_gather", "all_gather_into_tensor", "all_reduce", "all_to_all", "all_to_all_single", "barrier", "broadcast",
    "gather", "monitored_barrier", "reduce", "reduce_scatter", "reduce_scatter_tensor", "root_of", "scatter",
]  # fmt: skip


def _transfer(
    group: ProcessGroup, what: str, name: str, send: Any, recv: Any, *rest: Any, async_op: bool,
    after: Callable[[], Any],
) -> Work | None:  # fmt: skip
    """Agree on `what`, and make the transfer, or with `async_op` begin it."""
    agreement = group.agree(what)
    if async_op:
        request = group.wire.start(name, send, recv, *rest)
        return Work(group, what, [agreement], request, after, keep=(send, recv))
    agreement.check()
    group.wire.call(name, send, recv, *rest)
    after()
    return None


def _bytes(array: Any) -> Any:
    """The memory of a contiguous array."""
    return array.reshape(-1).view(np.uint8)


def root_of(group: ProcessGroup, given: int | None, in_group: int | None, name: str, default: int | None = None) -> int:
    """The rank in the group of `src` or `dst`, a global rank, or of `group_src` or `group_dst`."""
    if given is not None and in_group is not None:
        raise ValueError(with_line(f"Can't specify both group_{name} and {name}"))
    if in_group is not None:
        if not 0 <= in_group < group.size():
            raise ValueError(with_line(f"group_{name}={in_group}: the group has the ranks 0 to {group.size() - 1}"))
        return in_group
    chosen = default if given is None else given
    if chosen is None:
        raise ValueError(with_line(f"Must specify global_rank or group_rank: {name}, or group_{name}"))
    return get_group_rank(group, chosen)


# Reductions -----------------------------------------------------------------------------------------------------------


def all_reduce(tensor: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False) -> Work | None:
    """Put the tensors of all ranks together, in place: each rank has the result, the same to the bit.

    float16 and bfloat16 are summed in float32.
    """
    chosen = member(group, "all_reduce")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    reduction = Reduction(op, tensor._array.dtype, chosen.size())
    work, after = _reduced_in_place(reduction, tensor)
    what = f"all_reduce({op.name}) of {describe(tensor)}"
    return _transfer(chosen, what, "Allreduce", None, work, reduction.name, async_op=async_op, after=after)


def reduce(
    tensor: Tensor, dst: int | None = None, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False,
    group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """Put the tensors of all ranks together at rank `dst`, in place there; the others keep theirs."""
    chosen = member(group, "reduce")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    root = root_of(chosen, dst, group_dst, "dst")
    reduction = Reduction(op, tensor._array.dtype, chosen.size())
    what = f"reduce({op.name}) to rank {root} of {describe(tensor)}"
    send = recv = None
    if chosen.rank() == root:
        recv, after = _reduced_in_place(reduction, tensor)
    else:
        send, after = reduction.widen(outgoing(tensor)), lambda: None
    return _transfer(chosen, what, "Reduce", send, recv, reduction.name, root, async_op=async_op, after=after)


def _reduced_in_place(reduction: Reduction, tensor: Tensor) -> tuple[Any, Callable[[], None]]:
    """The numbers of a tensor, to be overwritten with the reduced ones, and what then puts these into the tensor."""
    array, arrived = incoming(tensor, read=True)
    work = reduction.widen(array)

    def after() -> None:
        made = reduction.finish(work)
        if made is not array:
            array[...] = made
        arrived()

    return work, after


def reduce_scatter(
    output: Tensor, input_list: Sequence[Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Put the i-th tensors of all ranks together at rank i."""
    chosen = member(group, "reduce_scatter")
    if chosen is None:
        return None
    check_tensor(output, "output")
    given = check_tensors(input_list, "input_list", chosen.size(), output)
    stacked = np.stack([outgoing(tensor) for tensor in given])
    return _reduce_scatter(chosen, "reduce_scatter", output, stacked, op, async_op)


def reduce_scatter_tensor(
    output: Tensor, input: Tensor, op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Work | None:
    """Put the tensors of all ranks together, and leave at rank i the i-th of as many equal parts as there are ranks.

    Shape: `input` has as many elements as the outputs of all ranks together.
    """
    chosen = member(group, "reduce_scatter_tensor")
    if chosen is None:
        return None
    check_tensor(output, "output")
    _check_whole(check_tensor(input, "input"), output, chosen.size(), "input", "output")
    return _reduce_scatter(chosen, "reduce_scatter_tensor", output, outgoing(input), op, async_op)


def _reduce_scatter(group: ProcessGroup, name: str, output: Tensor, array: Any, op: Any, async_op: bool) -> Work | None:
    reduction = Reduction(op, array.dtype, group.size())
    send = reduction.widen(array)
    recv = np.empty(output._array.shape, send.dtype)
    return _transfer(
        group, f"{name}({op.name}) to {describe(output)}", "Reduce_scatter_block", send, recv, reduction.name,
        async_op=async_op, after=lambda: put(output, reduction.finish(recv)),
    )  # fmt: skip


def _check_whole(whole: Tensor, part: Tensor, size: int, name: str, part_name: str) -> None:
    if whole.dtype != part.dtype:
        raise ValueError(
            with_line(f"{name} is {describe(whole)} and {part_name} is {describe(part)}: the dtypes must be the same")
        )
    if whole.numel() != part.numel() * size:
        raise ShapeError(
            with_line(
                f"{name} is {describe(whole)}; it must have as many elements as the {part_name}s {describe(part)} of "
                f"all {size} ranks, {part.numel() * size}"
            )
        )


# Copies ---------------------------------------------------------------------------------------------------------------


def broadcast(
    tensor: Tensor, src: int | None = None, group: Any = None, async_op: bool = False, group_src: int | None = None
) -> Work | None:
    """Give all ranks the tensor of rank `src`, in place."""
    chosen = member(group, "broadcast")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    root = root_of(chosen, src, group_src, "src")
    what = f"broadcast from rank {root} of {describe(tensor)}"
    if chosen.rank() == root:
        array, after = outgoing(tensor), lambda: None
    else:
        array, after = incoming(tensor, read=False)
    return _transfer(chosen, what, "Bcast", None, _bytes(array), root, async_op=async_op, after=after)


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Work | None:
    """Put the tensor of each rank into the list, by rank, at all ranks."""
    chosen = member(group, "all_gather")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    outputs = check_tensors(tensor_list, "tensor_list", chosen.size(), tensor)
    send = outgoing(tensor)
    recv = np.empty((chosen.size(), *send.shape), send.dtype)
    return _transfer(
        chosen, f"all_gather of {describe(tensor)}", "Allgather", _bytes(send), _bytes(recv), async_op=async_op,
        after=lambda: _put_each(outputs, recv),
    )  # fmt: skip


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Work | None:
    """Put the tensors of all ranks into a single tensor at all ranks, one after the other along the first dimension.

    Shape: `output_tensor` has as many elements as the inputs of all ranks together: joined or stacked.
    """
    chosen = member(group, "all_gather_into_tensor")
    if chosen is None:
        return None
    check_tensor(output_tensor, "output_tensor")
    check_tensor(input_tensor, "input_tensor")
    _check_whole(output_tensor, input_tensor, chosen.size(), "output_tensor", "input_tensor")
    send = outgoing(input_tensor)
    recv, arrived = incoming(output_tensor, read=False)
    what = f"all_gather_into_tensor of {describe(input_tensor)}"
    return _transfer(chosen, what, "Allgather", _bytes(send), _bytes(recv), async_op=async_op, after=arrived)


def gather(
    tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int | None = None, group: Any = None,
    async_op: bool = False, group_dst: int | None = None,
) -> Work | None:  # fmt: skip
    """Put the tensor of each rank into the list of rank `dst`."""
    chosen = member(group, "gather")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    root = root_of(chosen, dst, group_dst, "dst", 0)
    outputs = _at_root(chosen, root, gather_list, "gather_list", "destination", tensor)
    send = outgoing(tensor)
    recv = np.empty((len(outputs), *send.shape), send.dtype)  # of no rank but at the root
    return _transfer(
        chosen, f"gather to rank {root} of {describe(tensor)}", "Gather", _bytes(send),
        _bytes(recv) if outputs else None, root, async_op=async_op, after=lambda: _put_each(outputs, recv),
    )  # fmt: skip


def scatter(
    tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int | None = None, group: Any = None,
    async_op: bool = False, group_src: int | None = None,
) -> Work | None:  # fmt: skip
    """Give each rank its tensor of the list of rank `src`."""
    chosen = member(group, "scatter")
    if chosen is None:
        return None
    check_tensor(tensor, "tensor")
    root = root_of(chosen, src, group_src, "src", 0)
    given = _at_root(chosen, root, scatter_list, "scatter_list", "source", tensor)
    send = _bytes(np.stack([outgoing(part) for part in given])) if given else None
    recv, arrived = incoming(tensor, read=False)
    what = f"scatter from rank {root} of {describe(tensor)}"
    return _transfer(chosen, what, "Scatter", send, _bytes(recv), root, async_op=async_op, after=arrived)


def _at_root(
    group: ProcessGroup, root: int, values: Any, name: str, side: str, like: Tensor
) -> list[Tensor]:  # fmt: skip
    """The list that the root alone is given, of a tensor for each rank; empty at the others."""
    if group.rank() != root:
        if values:
            raise ValueError(with_line(f"Argument `{name}` must NOT be specified on non-{side} ranks."))
        return []
    if not values:
        raise ValueError(with_line(f"Argument `{name}` must be specified on {side} rank."))
    return check_tensors(values, name, group.size(), like)


def _put_each(outputs: list[Tensor], parts: Any) -> None:
    for output, part in zip(outputs, parts, strict=True):
        put(output, part)


# All to all -----------------------------------------------------------------------------------------------------------


def all_to_all(
    output_tensor_list: list[Tensor], input_tensor_list: list[Tensor], group: Any = None, async_op: bool = False
) -> Work | None:
    """Send the j-th tensor of rank i to be the i-th of rank j. Their shapes may differ."""
    chosen = member(group, "all_to_all")
    if chosen is None:
        return None
    outputs = check_tensors(output_tensor_list, "output_tensor_list", chosen.size())
    inputs = check_tensors(input_tensor_list, "input_tensor_list", chosen.size())
    kinds = {tensor.dtype for tensor in (*outputs, *inputs)}
    if len(kinds) != 1:
        raise ValueError(with_line(f"all_to_all: the tensors must be of one dtype, and these are {kinds}"))
    parts = [outgoing(tensor).reshape(-1) for tensor in inputs]
    counts = [tensor.numel() for tensor in outputs]

    def after(recv: Any) -> None:
        _put_each(outputs, np.split(recv, np.cumsum(counts)[:-1]))

    name = f"all_to_all of {outputs[0].dtype.name}"
    return _all_to_all(chosen, name, np.concatenate(parts), [part.size for part in parts], counts, after, async_op)


def all_to_all_single(
    output: Tensor, input: Tensor, output_split_sizes: Sequence[int] | None = None,
    input_split_sizes: Sequence[int] | None = None, group: Any = None, async_op: bool = False,
) -> Work | None:  # fmt: skip
    """Cut `input` along its first dimension, send rank j the j-th part, and join what comes along that of `output`.

    Args:
        output_split_sizes: rows that come from each rank; equal parts by default.
        input_split_sizes: rows that go to each rank; equal parts by default.
    """
    chosen = member(group, "all_to_all_single")
    if chosen is None:
        return None
    check_tensor(output, "output")
    check_tensor(input, "input")
    if output.dtype != input.dtype:
        raise ValueError(with_line(f"all_to_all_single: output is {describe(output)}, input {describe(input)}"))
    counts = _counts(output, output_split_sizes, chosen.size(), "output")
    given = _counts(input, input_split_sizes, chosen.size(), "input")
    return _all_to_all(
        chosen, f"all_to_all_single of {input.dtype.name}", outgoing(input).reshape(-1), given, counts,
        lambda recv: put(output, recv), async_op,
    )  # fmt: skip


def _counts(tensor: Tensor, sizes: Sequence[int] | None, size: int, name: str) -> list[int]:
    """Elements of each part."""
    rows = tensor.shape[0] if tensor.ndim else 1
    if not sizes:
        if rows % size:
            raise ShapeError(
                with_line(
                    f"all_to_all_single: {name} is {describe(tensor)}, and its {rows} rows cannot be divided among "
                    f"{size} ranks; give {name}_split_sizes"
                )
            )
        sizes = [rows // size] * size
    if len(sizes) != size or sum(sizes) != rows:
        raise ShapeError(
            with_line(
                f"all_to_all_single: {name}_split_sizes={list(sizes)} must be {size} numbers whose sum is the {rows} "
                f"rows of {name}, {describe(tensor)}"
            )
        )
    return [part * (tensor.numel() // rows if rows else 0) for part in sizes]


def _all_to_all(
    group: ProcessGroup, what: str, send: Any, given: list[int], counts: list[int], after: Callable[[Any], Any],
    async_op: bool,
) -> Work | None:  # fmt: skip
    # What each rank sends must be what the other expects: a table of bytes, which all ranks see before the transfer.
    agreement = group.agree(what)
    agreement.check()
    table = group.wire.objects("allgather", (given, counts))
    for source, (sent, _) in enumerate(table):
        for target, (_, expected) in enumerate(table):
            if sent[target] != expected[source]:
                raise ShapeError(
                    with_line(
                        f"{what}: rank {group.ranks[source]} sends {sent[target]} elements to rank "
                        f"{group.ranks[target]}, which expects {expected[source]}"
                    )
                )
    recv = np.empty(sum(counts), send.dtype)
    bytes_each = send.dtype.itemsize
    sizes = [[n * bytes_each for n in given], [n * bytes_each for n in counts]]
    if async_op:
        request = group.wire.start("Alltoallv", _bytes(send), _bytes(recv), *sizes)
        return Work(group, what, [], request, lambda: after(recv), keep=(send, recv))
    group.wire.call("Alltoallv", _bytes(send), _bytes(recv), *sizes)
    after(recv)
    return None


# Objects, and waiting -------------------------------------------------------------------------------------------------


def barrier(
    group: Any = None, async_op: bool = False, device_ids: Any = None, timeout: timedelta | None = None
) -> Work | None:
    """Wait until all ranks are here; RuntimeError after `timeout`, a timedelta, that names those which are not."""
    chosen = member(group, "barrier")
    if chosen is None:
        return None
    agreement = chosen.agree("barrier")
    if async_op:
        return Work(chosen, "barrier", [agreement], None)
    agreement.check(_seconds(timeout))
    return None


def monitored_barrier(group: Any = None, timeout: timedelta | None = None, wait_all_ranks: bool = False) -> None:
    """Wait until all ranks are here; RuntimeError after `timeout`, a timedelta, that names those which are not."""
    chosen = member(group, "monitored_barrier")
    if chosen is not None:
        chosen.agree("monitored_barrier").check(_seconds(timeout))


def _seconds(timeout: timedelta | None) -> float | None:
    return None if timeout is None else timeout.total_seconds()
