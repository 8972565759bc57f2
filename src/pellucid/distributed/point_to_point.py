"""From rank to rank: `send`, `recv`, `isend`, `irecv`, and many of them together.

A message begins with a line that says what it is, dtype and shape, so that a receiver which expects something else
says so.
"""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data
from pellucid.errors import describe, with_line

from .buffers import check_tensor, outgoing, put
from .collectives import root_of
from .group import member
from .ranks import FIRST_TAG, LEFT, ProcessGroup
from .work import Work

__all__ = [
    "P2POp", "batch_isend_irecv", "irecv", "isend", "recv", "recv_object_list", "send", "send_object_list",
]  # fmt: skip

_LINE = 64
_LATE = 2.0  # seconds for which a message that a rank sent before it ended may still be on its way


def isend(
    tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None
) -> Work | None:
    """Begin to send a tensor to rank `dst`. It may be changed at once.

    Raises ValueError where `dst` is this rank, or is not in the group.
    """
    chosen = member(group, "isend")
    if chosen is None:
        return None
    target = _other(chosen, dst, group_dst, "dst", "destination")
    array = outgoing(check_tensor(tensor, "tensor"))
    message = np.zeros(_LINE + array.nbytes, np.uint8)
    line = _line(tensor)
    message[: len(line)] = np.frombuffer(line, np.uint8)
    message[_LINE:] = array.reshape(-1).view(np.uint8)
    request = _communicator(chosen).Isend(message, target, FIRST_TAG + tag)
    what = f"send of {describe(tensor)} to rank {chosen.ranks[target]}"
    return Work(chosen, what, [], request, look=_has_ended(chosen, target, what), keep=message)


def irecv(
    tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None
) -> Work | None:
    """Begin to receive into a tensor, from rank `src` or from any.

    Its `wait()` raises RuntimeError where what came has another dtype or shape, or where `src` has ended.
    """
    return _receive(tensor, src, group, tag, group_src)[0]


def send(tensor: Tensor, dst: int | None = None, group: Any = None, tag: int = 0, group_dst: int | None = None) -> None:
    """Send a tensor to rank `dst`, which must receive it."""
    work = isend(tensor, dst, group, tag, group_dst)
    if work is not None:
        work.wait()


def recv(tensor: Tensor, src: int | None = None, group: Any = None, tag: int = 0, group_src: int | None = None) -> int:
    """Receive into a tensor, from rank `src` or from any; returns the rank it came from, -1 outside of the group.

    Raises RuntimeError where what came has another dtype or shape, or where `src` has ended.
    """
    work, source = _receive(tensor, src, group, tag, group_src)
    if work is None:
        return -1
    work.wait()
    return source()


def _receive(
    tensor: Tensor, src: int | None, group: Any, tag: int, group_src: int | None
) -> tuple[Work | None, Callable[[], int]]:
    chosen = member(group, "irecv")
    if chosen is None:
        return None, lambda: -1
    from_any = src is None and group_src is None
    if from_any and chosen.size() > 1:
        from mpi4py import MPI

        source = MPI.ANY_SOURCE
    else:
        source = _other(chosen, src, group_src, "src", "source")
    check_tensor(tensor, "tensor")
    message = np.zeros(_LINE + tensor.numel() * tensor._array.dtype.itemsize, np.uint8)
    what = f"recv of {describe(tensor)} from {'any rank' if from_any else f'rank {chosen.ranks[source]}'}"
    request = _Receive(_communicator(chosen).Irecv(message, source, FIRST_TAG + tag))

    def after() -> None:
        came = bytes(message[:_LINE]).rstrip(b"\0")
        if came != _line(tensor) or request.failure is not None:
            rank = chosen.ranks[request.source] if request.source >= 0 else "?"
            raise RuntimeError(
                with_line(
                    f"rank {chosen.rank()} receives into a tensor of {describe(tensor)}, but rank {rank} sent "
                    f"{came.decode(errors='replace') or 'something else'}"
                )
            ) from None
        put(tensor, message[_LINE:].view(tensor._array.dtype))

    look = None if from_any else _has_ended(chosen, source, what)
    return Work(chosen, what, [], request, after, look, keep=message), lambda: chosen.ranks[request.source]


class _Receive:
    """A message that is awaited: from whom it came, and how it failed where it is longer than its place."""

    def __init__(self, request: Any) -> None:
        self.request, self.source, self.failure = request, -1, None

    def Test(self) -> bool:
        from mpi4py import MPI

        status = MPI.Status()
        try:
            if not self.request.Test(status):
                return False
        except MPI.Exception as error:
            self.failure = error
        if self.source < 0:  # a request that was tested before has no status any more
            self.source = status.Get_source()
        return True


def _line(tensor: Tensor) -> bytes:
    return describe(tensor).encode()[:_LINE]


def _communicator(group: ProcessGroup) -> Any:
    return group.wire.communicator  # type: ignore[attr-defined]  # a group of one has refused before


def _other(group: ProcessGroup, given: int | None, in_group: int | None, name: str, what: str) -> int:
    rank = root_of(group, given, in_group, name)
    if rank == group.rank():
        raise ValueError(
            with_line(
                f"Invalid {what} rank: {what} rank should not be the same as the rank of the current process"
                + (", and there is no other process" if group.size() == 1 else "")
            )
        )
    return rank


def _has_ended(group: ProcessGroup, rank: int, what: str) -> Callable[[], None]:
    """What raises RuntimeError when the other rank has come to its end, and nothing can come from it any more."""
    since: list[float] = []

    def look() -> None:
        if since or _communicator(group).Iprobe(rank, LEFT):
            since.append(time.monotonic())
            if since[-1] - since[0] > _LATE:
                raise RuntimeError(
                    with_line(f"rank {group.rank()} waits in {what}, but rank {group.ranks[rank]} has ended")
                )

    return look


# Many, and objects ----------------------------------------------------------------------------------------------------


class P2POp:
    """What `batch_isend_irecv` is given: `isend` or `irecv`, and what it is called with."""

    def __init__(
        self, op: Callable[..., Any], tensor: Tensor, peer: int | None = None, group: Any = None, tag: int = 0,
        group_peer: int | None = None,
    ) -> None:  # fmt: skip
        if op not in (isend, irecv):
            raise ValueError(with_line(f"Invalid op {op!r}: it must be isend or irecv of torch.distributed"))
        check_tensor(tensor, "tensor")
        self.op, self.tensor, self.peer, self.group, self.tag = op, tensor, peer, group, tag
        self.group_peer = group_peer

    def __repr__(self) -> str:
        return f"P2POp({self.op.__name__}, {describe(self.tensor)}, peer={self.peer}, tag={self.tag})"


def batch_isend_irecv(p2p_op_list: list[P2POp]) -> list[Work]:
    """Begin all of them; returns what to wait for."""
    if not p2p_op_list or not all(isinstance(op, P2POp) for op in p2p_op_list):
        raise ValueError(with_line("Invalid `p2p_op_list`: it must be a list of P2POp, with at least one of them"))
    begun = [op.op(op.tensor, op.peer, op.group, op.tag, op.group_peer) for op in p2p_op_list]
    return [work for work in begun if work is not None]


def send_object_list(
    object_list: list[Any], dst: int | None = None, group: Any = None, device: Any = None,
    group_dst: int | None = None, use_batch: bool = False,
) -> None:  # fmt: skip
    """Send objects, pickled, to rank `dst`."""
    chosen = member(group, "send_object_list")
    if chosen is None:
        return
    _other(chosen, dst, group_dst, "dst", "destination")
    from mpi4py import MPI

    data = np.frombuffer(MPI.pickle.dumps(list(object_list)), np.uint8)
    send(from_data(np.array([len(data)])), dst, group, group_dst=group_dst)
    send(from_data(data), dst, group, group_dst=group_dst)


def recv_object_list(
    object_list: list[Any], src: int | None = None, group: Any = None, device: Any = None,
    group_src: int | None = None, use_batch: bool = False,
) -> int:  # fmt: skip
    """Receive objects into the list, from rank `src` or from any; returns the rank they came from."""
    chosen = member(group, "recv_object_list")
    if chosen is None:
        return -1
    length = from_data(np.array([0]))
    rank = recv(length, src, group, group_src=group_src)
    from mpi4py import MPI

    data = from_data(np.empty(int(length._array[0]), np.uint8))
    recv(data, rank, group)
    object_list[:] = MPI.pickle.loads(data._array.tobytes())
    return rank
