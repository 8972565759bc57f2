"""Groups of processes: how they begin and end, and how the ranks of one see that they do the same thing.

Before each collective every rank sends the others one line that says what it is about to do (`Agreement`). Where the
lines differ (another shape or dtype, another function, a rank that has come to its end) each rank raises an error
which names the ranks, where MPI would wait for ever or mix up the numbers.
"""

from __future__ import annotations

import atexit
import os
import sys
import time
from collections.abc import Callable, Sequence
from datetime import timedelta
from typing import Any

import numpy as np

from pellucid.errors import user_line, warn, with_line

from .ending import GRACE, abort, claim, leaving, sign, tell, watched
from .environment import complete, launched_size, place
from .wire import Alone, Request, Wire, over_mpi, until

__all__ = [
    "GroupMember", "ProcessGroup", "begun", "destroy_process_group", "enter", "get_backend", "get_global_rank",
    "get_group_rank", "get_node_local_rank", "get_process_group_ranks", "get_rank", "get_world_size", "group",
    "init_process_group", "is_initialized", "member", "new_group", "new_subgroups", "new_subgroups_by_enumeration",
]  # fmt: skip

END = "the end of the program, or destroy_process_group"
# Tags of messages: that a rank has ended; that it waits, and in which of its group's calls; and the user's tag 0.
LEFT, WAITS, FIRST_TAG = 0, 1, 2
_LINE = 128
_PATIENCE = 0.5  # seconds after which a rank tells the others that it waits for them
_TIMEOUT = 30 * 60.0


class ProcessGroup:
    """Some of the processes, in an order: `rank()` of this one among them, `size()` of them."""

    def __init__(self, wire: Wire, ranks: Sequence[int], backend: str, seconds: float) -> None:
        self.wire, self.ranks, self.backend, self.seconds = wire, list(ranks), backend, seconds
        self.broken = False  # the ranks have disagreed: nothing can be sent any more
        self.calls = 0  # in which the ranks have compared what they do
        self.waiting: dict[int, int] = {}  # in which of them other ranks have waited, as far as they have said so
        self.notes: list[Any] = []  # memory of what was sent without waiting for it

    def rank(self) -> int:
        """The place of this process in the group."""
        return self.wire.rank

    def size(self) -> int:
        """The number of processes in the group."""
        return self.wire.size

    def name(self) -> str:
        """The backend that was asked for."""
        return self.backend

    def __repr__(self) -> str:
        return f"<{type(self).__name__}: rank {self.rank()} of {self.size()}, global ranks {self.ranks}>"

    def agree(self, what: str) -> Agreement:
        """Begin to compare `what` this rank does next with what the others do."""
        return Agreement(self, what)

    def wait(
        self, request: Request | None, what: str, look: Any = None, seconds: float | None = None,
        absent: Callable[[], list[int]] | None = None,
    ) -> None:  # fmt: skip
        """Wait for a transfer; RuntimeError after `seconds`, by default the group's timeout, which names `absent`."""
        seconds = self.seconds if seconds is None else seconds
        if until(request, seconds, look):
            return
        ranks = absent() if absent is not None else []
        who = f"{_named(ranks)} did not come to it" if ranks else "the other ranks did not follow"
        raise RuntimeError(
            with_line(
                f"rank {self.rank()} of {self.size()} has waited for {seconds:g} seconds in {what}, and {who}. Does "
                "each rank call it? For slow ranks, give init_process_group a longer timeout"
            )
        )


class Agreement:
    """The line of each rank, under way; `check()` waits for them and compares."""

    def __init__(self, group: ProcessGroup, what: str) -> None:
        self.group, self.what = group, what
        self.line = user_line() if group.size() > 1 else None
        self.request: Request | None = None
        if group.broken:
            raise RuntimeError(
                with_line(f"{what}: the ranks have disagreed before, or one did not come; the group cannot be used")
            )
        group.calls += 1
        self.number, self.begun, self.said = group.calls, time.monotonic(), False
        if group.size() > 1:
            self._mine = np.zeros(_LINE, np.uint8)
            text = what.encode()[:_LINE]
            self._mine[: len(text)] = np.frombuffer(text, np.uint8)
            self._lines = np.empty((group.size(), _LINE), np.uint8)
            self.request = group.wire.start("Allgather", self._mine, self._lines)

    def arrived(self) -> bool:
        """Whether all lines are there."""
        return self.request is None or self.request.Test()

    def check(self, seconds: float | None = None) -> None:
        """Raise RuntimeError where a rank does something else, or does not come in `seconds`."""
        if self.request is None:
            return
        limit = self.group.seconds if seconds is None else seconds
        try:
            self.group.wait(self.request, self.what, lambda: self._say_that_it_waits(limit), limit, self._absent)
        except RuntimeError:
            self.group.broken = True
            self.group.notes += [self.request, self._mine, self._lines]  # which MPI may write to when they come late
            raise
        self.request = None
        if not (self._lines == self._mine).all():
            self.group.broken = True
            raise RuntimeError(self._message())

    def _say_that_it_waits(self, limit: float) -> None:
        """After a while, tell the others in which call this rank waits: so each knows who is not there."""
        if self.said or time.monotonic() - self.begun < min(_PATIENCE, limit / 4):
            return
        self.said = True
        self._waiting()  # what is left of calls before
        communicator, note = _communicator(self.group), np.array([self.number])
        others = [rank for rank in range(self.group.size()) if rank != self.group.rank()]
        self.group.notes = [note, *(communicator.Isend(note, rank, WAITS) for rank in others)]

    def _waiting(self) -> set[int]:
        """Ranks in the group that have said that they wait in this call."""
        from mpi4py import MPI

        communicator, status, number = _communicator(self.group), MPI.Status(), np.zeros(1, np.int64)
        found = self.group.waiting
        while communicator.Iprobe(MPI.ANY_SOURCE, WAITS, status):
            communicator.Recv(number, status.Get_source(), WAITS)
            found[status.Get_source()] = int(number[0])
        return {rank for rank, call in found.items() if call >= self.number}

    def take_notes(self) -> None:
        """Once all have agreed to end, receive their notes: MPI over a network warns of each that nobody took."""
        communicator = _communicator(self.group)
        for rank in range(self.group.size()):
            if rank != self.group.rank():
                communicator.Recv(np.empty(0, np.uint8), rank, LEFT)
        self._waiting()  # notes do not overtake each other: what was sent before is there

    def _absent(self) -> list[int]:
        here = {self.group.rank(), *self._waiting()}
        return [global_rank for rank, global_rank in enumerate(self.group.ranks) if rank not in here]

    def _message(self) -> str:
        ranks: dict[str, list[int]] = {}
        for rank, line in zip(self.group.ranks, self._lines, strict=True):
            ranks.setdefault(bytes(line).rstrip(b"\0").decode(errors="replace"), []).append(rank)
        rows = [f"  {_named(those)}: {text}" for text, those in ranks.items()]
        if END in ranks:
            advice = (
                f"{_named(ranks[END]).capitalize()} came to the end while the others still communicate. Where it had "
                "fewer batches than they: give each the same number (DistributedSampler does), or train within "
                "`with model.join():` of DistributedDataParallel"
            )
        else:
            advice = "Each rank must call the same functions in the same order, with the same shapes and dtypes"
        message = "\n".join(["the ranks do not agree on what is to be communicated:", *rows, advice])
        return f"{message}\n  at {self.line}" if self.line else message


def _communicator(group: ProcessGroup) -> Any:
    return group.wire.communicator  # type: ignore[attr-defined]  # a group of several has one


def _named(ranks: list[int]) -> str:
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"


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
        timeout: how long a rank waits for the others before it raises an error; 30 minutes.

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


def _leave(groups: Sequence[ProcessGroup]) -> None:
    """Tell the others of these groups that this rank ends, and wait until they do; RuntimeError where they do not."""
    agreements: list[Agreement] = []
    for each in groups:
        if each.broken or each.size() == 1:
            continue
        agreements.append(each.agree(END))
        communicator = _communicator(each)
        for rank in range(each.size()):
            if rank != each.rank():
                communicator.Isend(np.empty(0, np.uint8), rank, LEFT)
    for agreement in agreements:
        agreement.check()
        agreement.take_notes()


def _leave_at_exit() -> None:
    """End all groups as the program ends; where the others go on communicating, see that all processes end."""
    try:
        _leave([*_entered, *_groups])
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
