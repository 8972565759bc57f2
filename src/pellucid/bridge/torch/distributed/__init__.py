"""`torch.distributed` as a group of one process: what it sends to all it has itself.

`init_process_group` takes the settings of one process (`rank` 0 of `world_size` 1, or the variables that `torchrun`
sets); more processes are refused.
"""

from __future__ import annotations

import os
from collections.abc import Callable
from enum import Enum
from typing import Any

from pellucid.core import Tensor

__all__ = [
    "Backend", "ProcessGroup", "ReduceOp", "Work", "all_gather", "all_gather_into_tensor", "all_gather_object",
    "all_reduce", "all_to_all", "all_to_all_single", "barrier", "broadcast", "broadcast_object_list",
    "destroy_process_group", "gather", "gather_object", "get_backend", "get_rank", "get_world_size", "group",
    "init_process_group", "irecv", "is_available", "is_gloo_available", "is_initialized", "is_mpi_available",
    "is_nccl_available", "is_torchelastic_launched", "isend", "monitored_barrier", "new_group", "recv", "reduce",
    "reduce_scatter", "reduce_scatter_tensor", "scatter", "scatter_object_list", "send",
]  # fmt: skip


class ReduceOp(Enum):
    """How the parts of the processes are put together; of one process's part nothing changes."""

    SUM, AVG, PRODUCT, MIN, MAX, BAND, BOR, BXOR = range(8)


class Backend(str):
    """The name of a way to send."""

    GLOO, NCCL, MPI, UNDEFINED = "gloo", "nccl", "mpi", "undefined"


class ProcessGroup:
    """A group of one process."""

    def rank(self) -> int:
        """0."""
        return 0

    def size(self) -> int:
        """1."""
        return 1


class group:
    """The group of all."""

    WORLD = ProcessGroup()


class Work:
    """Something that was sent, and has arrived."""

    def wait(self, timeout: Any = None) -> bool:
        """True."""
        return True

    is_completed = is_success = wait


_backend: list[str] = []


def is_available() -> bool:
    """True: for a group of one."""
    return True


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return bool(_backend)


def is_gloo_available() -> bool:
    """True: for a group of one."""
    return True


def is_nccl_available() -> bool:
    """False."""
    return False


def is_mpi_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False."""
    return False


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: Any = None, world_size: int = -1,
    rank: int = -1, store: Any = None, group_name: str = "", pg_options: Any = None, device_id: Any = None,
) -> None:  # fmt: skip
    """Begin the group of one process.

    Raises:
        RuntimeError: the settings are of more processes.
        ValueError: it was begun already.
    """
    if _backend:
        raise ValueError("trying to initialize the default process group twice!")
    if world_size == -1:
        world_size = int(os.environ.get("WORLD_SIZE", "1"))
    if world_size != 1 or rank not in (-1, 0):
        raise RuntimeError(
            f"pellucid runs as one process, but world_size={world_size} and rank={rank} were asked for: call "
            "init_process_group(world_size=1, rank=0)"
        )
    _backend.append(str(backend or "gloo").lower())


def destroy_process_group(group: Any = None) -> None:
    """End the group."""
    _begun()
    _backend.clear()


def _begun() -> None:
    if not _backend:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")


def get_rank(group: Any = None) -> int:
    """0."""
    _begun()
    return 0


def get_world_size(group: Any = None) -> int:
    """1."""
    _begun()
    return 1


def get_backend(group: Any = None) -> str:
    """The name that `init_process_group` was given."""
    _begun()
    return _backend[-1]


def new_group(ranks: Any = None, *args: Any, **kwargs: Any) -> ProcessGroup:
    """The group of one again."""
    _begun()
    return ProcessGroup()


def _done(async_op: bool) -> Work | None:
    return Work() if async_op else None


def _itself(name: str, meaning: str) -> Callable[..., Any]:
    def done(*args: Any, async_op: bool = False, **kwargs: Any) -> Work | None:
        _begun()
        return _done(async_op)

    done.__name__ = done.__qualname__ = name
    done.__doc__ = f"{meaning} Of one process: nothing changes."
    return done


all_reduce = _itself("all_reduce", "Put the tensors of all processes together, in place.")
reduce = _itself("reduce", "Put the tensors of all processes together at one, in place.")
broadcast = _itself("broadcast", "Give all processes the tensor of one, in place.")
broadcast_object_list = _itself("broadcast_object_list", "Give all processes the objects of one, in place.")
barrier = _itself("barrier", "Wait for all processes.")
monitored_barrier = _itself("monitored_barrier", "Wait for all processes.")


def all_gather(tensor_list: list[Tensor], tensor: Tensor, group: Any = None, async_op: bool = False) -> Any:
    """Put the tensor of each process into the list: here the one."""
    _begun()
    tensor_list[0].copy_(tensor)
    return _done(async_op)


def all_gather_into_tensor(
    output_tensor: Tensor, input_tensor: Tensor, group: Any = None, async_op: bool = False
) -> Any:
    """Put the tensors of all processes into one."""
    _begun()
    output_tensor.copy_(input_tensor.reshape(output_tensor.shape))
    return _done(async_op)


reduce_scatter_tensor = all_to_all_single = all_gather_into_tensor


def all_gather_object(object_list: list[Any], obj: Any, group: Any = None) -> None:
    """Put the object of each process into the list: here the one."""
    _begun()
    object_list[0] = obj


def gather_object(obj: Any, object_gather_list: list[Any] | None = None, dst: int = 0, group: Any = None) -> None:
    """Put the object of each process into the list: here the one."""
    _begun()
    if object_gather_list is not None:
        object_gather_list[0] = obj


def scatter_object_list(out: list[Any], given: list[Any] | None = None, src: int = 0, group: Any = None) -> None:
    """Take one's own of the objects."""
    _begun()
    out[0] = (given or [None])[0]


def gather(
    tensor: Tensor, gather_list: list[Tensor] | None = None, dst: int = 0, group: Any = None, async_op: bool = False
) -> Any:
    """Put the tensor of each process into the list: here the one."""
    _begun()
    if gather_list:
        gather_list[0].copy_(tensor)
    return _done(async_op)


def scatter(
    tensor: Tensor, scatter_list: list[Tensor] | None = None, src: int = 0, group: Any = None, async_op: bool = False
) -> Any:
    """Take one's own of the tensors."""
    _begun()
    if scatter_list:
        tensor.copy_(scatter_list[0])
    return _done(async_op)


def reduce_scatter(
    output: Tensor, input_list: list[Tensor], op: Any = ReduceOp.SUM, group: Any = None, async_op: bool = False
) -> Any:
    """Take one's own of the sums."""
    return scatter(output, input_list, 0, group, async_op)


def all_to_all(outputs: list[Tensor], inputs: list[Tensor], group: Any = None, async_op: bool = False) -> Any:
    """Send each process its tensor: here the one, to itself."""
    return scatter(outputs[0], inputs, 0, group, async_op)


def _refused(name: str) -> Callable[..., Any]:
    def refused(*args: Any, **kwargs: Any) -> Any:
        """Raises ValueError: there is no other process."""
        raise ValueError(f"torch.distributed.{name} needs another process, and pellucid runs as one")

    return refused


send, recv, isend, irecv = _refused("send"), _refused("recv"), _refused("isend"), _refused("irecv")
