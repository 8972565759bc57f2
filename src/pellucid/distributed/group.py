"""The groups that there are: how they begin and end, and who is in them."""

from __future__ import annotations

import atexit
import math
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

from pellucid.errors import warn, with_line

from .ending import GRACE, abort, claim, leaving, sign, tell, watched
from .environment import complete, launched_size, place
from .ranks import Agreement, ProcessGroup, named
from .wire import Alone, Wire, over_mpi

__all__ = [
    "GroupMember", "ProcessGroup", "begun", "destroy_process_group", "enter", "get_backend", "get_global_rank",
    "get_group_rank", "get_node_local_rank", "get_process_group_ranks", "get_rank", "get_world_size", "group",
    "init_process_group", "is_initialized", "member", "new_group", "new_subgroups", "new_subgroups_by_enumeration",
]  # fmt: skip

_TIMEOUT = 30 * 60.0
LONG = 20.0
"""Seconds that a rank which came to its end waits for the others before it says so."""

# The groups that there are --------------------------------------------------------------------------------------------

_groups: list[ProcessGroup] = []  # the first is that of all
_entered: list[ProcessGroup] = []  # all that were started together, from when MPI was entered until the program ends


class GroupMember:
    """Marks of groups: `NON_GROUP_MEMBER` is what `new_group` returns to a process that is not in the group."""

    NON_GROUP_MEMBER = -100


class _World(type):
    @property
    def WORLD(cls) -> ProcessGroup | None:
        """The group of all processes; None before `init_process_group`."""
        return _groups[0] if _groups else None

    @WORLD.setter
    def WORLD(cls, value: ProcessGroup | None) -> None:
        """PyTorch's programs may reset it."""


class group(metaclass=_World):
    """`group.WORLD` is the group of all processes."""


def is_initialized() -> bool:
    """Whether `init_process_group` was called."""
    return bool(_groups)


def begun() -> ProcessGroup:
    """The group of all; ValueError where it was not begun."""
    if not _groups:
        raise ValueError("Default process group has not been initialized, please make sure to call init_process_group.")
    return _groups[0]


def member(group: Any, what: str | None = None) -> ProcessGroup | None:
    """The group meant by an argument `group`; None, and with `what` a warning, where this process is not in it."""
    world = begun()
    if group is None:
        return world
    if group == GroupMember.NON_GROUP_MEMBER:
        if what:
            warn(f"Running {what} on global rank {world.rank()} which does not belong to the given group.")
        return None
    if not isinstance(group, ProcessGroup):
        raise TypeError(f"group must be what new_group returned, or None for all processes, not {group!r}")
    if group not in _groups:
        raise ValueError("The given group does not exist: it was destroyed")
    return group


def init_process_group(
    backend: str | None = None, init_method: str | None = None, timeout: timedelta | None = None, world_size: int = -1,
    rank: int = -1, store: Any = None, group_name: str = "", pg_options: Any = None, device_id: Any = None,
) -> None:  # fmt: skip
    """Enter the group of all processes.

    A process that was started by itself is a group of a single process. Those that `pellucid launch`, `mpiexec` or
    `srun` started together find each other by MPI, whatever `backend`, `init_method` and `store` say; `world_size` and
    `rank`, where given, must be theirs.

    Args:
        backend: "mpi"; other names of PyTorch's are taken for it.
        timeout: how long a rank waits for the others before it raises an error; 30 minutes. At the end of the program
            it waits for no less than 30 minutes, as one rank may still evaluate, and says for whom.

    Raises:
        ValueError: it was called already, or `rank` and `world_size` are not those of this process.
        RuntimeError: `world_size` processes were asked for, and this one was not started with others.
    """
    if _groups:
        raise ValueError("trying to initialize the default process group twice!")
    complete()
    launched, found = launched_size(), place()
    asked = world_size if world_size != -1 else int(os.environ.get("WORLD_SIZE", launched))
    if rank >= asked or rank < -1:
        raise ValueError(f"rank={rank} of world_size={asked} processes: it must be from 0 to {asked - 1}")
    name = str(backend or "mpi").lower()
    seconds = _TIMEOUT if timeout is None else timeout.total_seconds()
    if asked > 1 and found is None:
        raise RuntimeError(
            f"pellucid runs as one process, but world_size={asked} was asked for: start the program with "
            f"pellucid launch -n {asked} SCRIPT, or call init_process_group(world_size=1, rank=0)"
        )
    shared = enter() if launched > 1 else None
    wire: Wire = Alone() if shared is None else shared.wire
    if wire.size != asked:
        hint = ""
        if found is not None and wire.size == 1:
            hint = (
                f": MPI does not see the processes that {found.launcher} started. Start them with pellucid launch, or "
                "with the mpiexec that belongs to the MPI library; Slurm: srun --mpi=pmi2"
            )
        raise RuntimeError(f"world_size={asked} was asked for, but MPI has {wire.size} process(es){hint}")
    if rank not in (-1, wire.rank):
        raise ValueError(f"rank={rank} was asked for, but this process is rank {wire.rank} of {wire.size}")
    if shared is not None:
        shared.agree("init_process_group").check(seconds)
        shared.seconds = max(_TIMEOUT, seconds)  # at the end: one rank may evaluate while the others are done
        wire = shared.wire.copied()
        if name.split(":")[-1] not in ("mpi", "undefined") and wire.rank == 0:
            warn(f"backend {name!r}: pellucid sends by MPI, whatever the name")
    _groups.append(ProcessGroup(wire, range(wire.size), name, seconds))


def enter() -> ProcessGroup | None:
    """Enter MPI where a launcher started this process with others, and have an error of any of them end all.

    Called as a program begins, a rank that fails or ends before it calls `init_process_group` is noticed by the
    others. None where this process was started by itself. Raises what `over_mpi` raises.
    """
    if launched_size() == 1 or place() is None:
        return None
    if not _entered:
        complete()
        sign(int(os.environ["RANK"]))
        sys.excepthook = watched(sys.excepthook)
        _entered.append(ProcessGroup(over_mpi(), range(launched_size()), "mpi", _TIMEOUT))
        atexit.register(_leave_at_exit)
        os._exit = leaving(os._exit, _leave_at_exit)
    return _entered[0]


def destroy_process_group(group: ProcessGroup | None = None) -> None:
    """End a group; without one all of them. Each rank must call it, or come to its end.

    Raises RuntimeError where other ranks still communicate.
    """
    chosen = member(group)
    if chosen is None:
        return
    ended = list(_groups) if chosen is _groups[0] else [chosen]
    _leave(ended)
    for each in ended:
        if not each.broken:  # what was begun in it never ends
            each.wire.free()
        _groups.remove(each)


def _leave(groups: Sequence[ProcessGroup], saying: bool = False) -> None:
    """Tell the others of these groups that this rank ends, and wait until they do; RuntimeError where they do not.

    `saying`: where that takes long, print for whom.
    """
    agreements: list[Agreement] = []
    for each in groups:
        if each.broken or each.size() == 1:
            continue
        agreements.append(each.leave())
    for agreement in agreements:
        agreement.check(look=_patience(agreement) if saying else None)
        agreement.take_notes()


def _patience(agreement: Agreement) -> Callable[[], None]:
    """What to call while a rank waits for others to end: after a while the first of those that wait says so, once."""
    late, group = time.monotonic() + LONG, agreement.group

    def look() -> None:
        nonlocal late
        if time.monotonic() < late:
            return
        late = math.inf
        absent = agreement.absent()
        if absent and group.rank() == min(set(group.ranks) - set(absent)):
            sys.stderr.write(
                f"rank {group.rank()} of {group.size()} has come to the end of the program and waits for "
                f"{named(absent)}, for up to {group.seconds / 60:g} minutes. If nothing goes on there, or its machine "
                "cannot be reached, Ctrl-C ends all.\n"
            )
            sys.stderr.flush()

    return look


def _leave_at_exit() -> None:
    """End all groups as the program ends; where the others go on communicating, see that all processes end."""
    try:
        _leave([*_entered, *_groups], saying=True)
    except RuntimeError as error:
        time.sleep(GRACE)  # the rank that was left alone raises an error where it stands, which says more
        rank, size = _entered[0].rank(), _entered[0].size()
        if claim(rank):
            tell(f"rank {rank} of {size}: {error}\n")
        abort(1)


def new_group(
    ranks: Sequence[int] | None = None, timeout: timedelta | None = None, backend: str | None = None,
    pg_options: Any = None, use_local_synchronization: bool = False, group_desc: str | None = None,
    device_id: Any = None, sort_ranks: bool = True,
) -> Any:  # fmt: skip
    """A group of some of the processes, `ranks` of the group of all. All processes call it, also those not in it.

    With `use_local_synchronization` only those in it do. Returns `GroupMember.NON_GROUP_MEMBER` to the others.

    Raises ValueError where the ranks are not some of all, each once.
    """
    world = begun()
    chosen = list(range(world.size())) if ranks is None else [int(rank) for rank in ranks]
    if len({*chosen}) != len(chosen) or not chosen or not all(0 <= rank < world.size() for rank in chosen):
        raise ValueError(
            with_line(f"new_group({chosen}): it takes some of the ranks 0 to {world.size() - 1}, each at most once")
        )
    chosen = sorted(chosen) if sort_ranks else chosen
    if not use_local_synchronization:
        world.agree(f"new_group({chosen})").check()
    wire = world.wire.part(chosen, use_local_synchronization)
    if wire is None:
        return GroupMember.NON_GROUP_MEMBER
    seconds = world.seconds if timeout is None else timeout.total_seconds()
    made = ProcessGroup(wire, chosen, str(backend or world.backend).lower(), seconds)
    _groups.append(made)
    return made


def new_subgroups(
    group_size: int | None = None, group: Any = None, timeout: timedelta | None = None, backend: str | None = None,
    pg_options: Any = None, group_desc: str | None = None,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """Groups of `group_size` ranks that follow each other; by default the ranks of each machine.

    Returns that of this process, and all. Raises ValueError where the number of processes is not divisible by the size.
    """
    count = begun().size()
    if group_size is None:
        group_size = int(os.environ.get("LOCAL_WORLD_SIZE", count))
    if group_size < 1 or count % group_size:
        raise ValueError(with_line(f"The world size ({count}) must be divisible by group_size={group_size}"))
    ranks = [list(range(first, first + group_size)) for first in range(0, count, group_size)]
    return new_subgroups_by_enumeration(ranks, timeout, backend, pg_options, group_desc)


def new_subgroups_by_enumeration(
    ranks_per_subgroup_list: Sequence[Sequence[int]], timeout: timedelta | None = None, backend: str | None = None,
    pg_options: Any = None, group_desc: str | None = None,
) -> tuple[Any, list[Any]]:  # fmt: skip
    """A group of each list of ranks: that of this process, or `GroupMember.NON_GROUP_MEMBER`; and all.

    Raises ValueError where a rank is in two of them.
    """
    listed = [rank for ranks in ranks_per_subgroup_list for rank in ranks]
    if len({*listed}) != len(listed) or not listed:
        raise ValueError(
            with_line(f"each rank may be only once in {ranks_per_subgroup_list!r}, which may not be empty")
        )
    made = [new_group(ranks, timeout, backend, pg_options) for ranks in ranks_per_subgroup_list]
    own = next((group for group in made if group != GroupMember.NON_GROUP_MEMBER), GroupMember.NON_GROUP_MEMBER)
    return own, made


# What programs ask ----------------------------------------------------------------------------------------------------


def get_rank(group: Any = None) -> int:
    """The rank of this process in a group; -1 where it is not in it."""
    found = member(group)
    return -1 if found is None else found.rank()


def get_world_size(group: Any = None) -> int:
    """The number of processes in a group; -1 where this one is not in it."""
    found = member(group)
    return -1 if found is None else found.size()


def get_backend(group: Any = None) -> str:
    """The name that `init_process_group` was given."""
    found = member(group)
    if found is None:
        raise ValueError("Invalid process group specified: this process is not in it")
    return found.backend


def get_process_group_ranks(group: Any = None) -> list[int]:
    """The global ranks of a group, in its order."""
    found = member(group)
    return [] if found is None else list(found.ranks)


def get_global_rank(group: Any, group_rank: int) -> int:
    """The global rank of a rank of a group; ValueError where it has none such."""
    ranks = get_process_group_ranks(group)
    if not 0 <= group_rank < len(ranks):
        raise ValueError(f"Group rank {group_rank} is not part of group {group}")
    return ranks[group_rank]


def get_group_rank(group: Any, global_rank: int) -> int:
    """The rank in a group of a global rank; ValueError where it is not in it."""
    ranks = get_process_group_ranks(group)
    if global_rank not in ranks:
        raise ValueError(f"Global rank {global_rank} is not part of group {group}")
    return ranks.index(global_rank)


def get_node_local_rank(fallback_rank: int | None = None) -> int:
    """The rank among the processes of this machine: `LOCAL_RANK`, or `fallback_rank`; else RuntimeError."""
    if "LOCAL_RANK" in os.environ:
        return int(os.environ["LOCAL_RANK"])
    if fallback_rank is not None:
        return int(fallback_rank)
    raise RuntimeError(
        "LOCAL_RANK is not in the environment. Consider passing fallback_rank to allow get_node_local_rank to work"
    )
