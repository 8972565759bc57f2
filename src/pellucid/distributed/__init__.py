"""`torch.distributed` on MPI: processes that train a model together.

    pellucid launch -n 4 train.py

starts four of them (so do `mpiexec` and Slurm's `srun`), and in `train.py`

    dist.init_process_group("mpi")
    model = nn.parallel.DistributedDataParallel(model)

has each train on its own part of the data, with the mean of the gradients of all. A program that was started by
itself is a group of a single process, for which nothing needs to be installed.
"""

from __future__ import annotations

from importlib.util import find_spec

from pellucid.torch_names import absent

from . import ending
from .buffers import ReduceOp
from .collectives import (
    all_gather,
    all_gather_into_tensor,
    all_reduce,
    all_to_all,
    all_to_all_single,
    barrier,
    broadcast,
    gather,
    monitored_barrier,
    reduce,
    reduce_scatter,
    reduce_scatter_tensor,
    scatter,
)  # fmt: skip
from .environment import launched_size, place
from .group import (
    GroupMember,
    destroy_process_group,
    get_backend,
    get_global_rank,
    get_group_rank,
    get_node_local_rank,
    get_process_group_ranks,
    get_rank,
    get_world_size,
    group,
    init_process_group,
    is_initialized,
    new_group,
    new_subgroups,
    new_subgroups_by_enumeration,
)  # fmt: skip
from .objects import all_gather_object, broadcast_object_list, gather_object, scatter_object_list
from .point_to_point import P2POp, batch_isend_irecv, irecv, isend, recv, recv_object_list, send, send_object_list
from .ranks import ProcessGroup
from .work import Work

__all__ = [
    "Backend", "GroupMember", "P2POp", "ProcessGroup", "ReduceOp", "Work", "all_gather", "all_gather_into_tensor",
    "all_gather_object", "all_reduce", "all_to_all", "all_to_all_single", "barrier", "batch_isend_irecv", "broadcast",
    "broadcast_object_list", "destroy_process_group", "ending", "gather", "gather_object", "get_backend",
    "get_global_rank", "get_group_rank", "get_node_local_rank", "get_process_group_ranks", "get_rank",
    "get_world_size", "group", "init_process_group", "irecv", "is_available", "is_gloo_available", "is_initialized",
    "is_mpi_available", "is_nccl_available", "is_torchelastic_launched", "isend", "launched_size",
    "monitored_barrier", "new_group",
    "new_subgroups", "new_subgroups_by_enumeration", "place", "recv", "recv_object_list", "reduce", "reduce_scatter",
    "reduce_scatter_tensor", "scatter", "scatter_object_list", "send", "send_object_list",
]  # fmt: skip


class Backend(str):
    """The name of a way to send."""

    GLOO, NCCL, MPI, UNDEFINED = "gloo", "nccl", "mpi", "undefined"


def is_available() -> bool:
    """True: a group of a single process needs nothing."""
    return True


def is_mpi_available() -> bool:
    """Whether mpi4py is installed."""
    return find_spec("mpi4py") is not None


def is_gloo_available() -> bool:
    """True: "gloo" is taken for "mpi"."""
    return True


def is_nccl_available() -> bool:
    """False."""
    return False


def is_torchelastic_launched() -> bool:
    """False: `pellucid launch` starts no process anew."""
    return False


__getattr__ = absent(__name__)
