"""A group of processes, and how its ranks see that they do the same thing.

Before each collective every rank sends the others one line that says what it is about to do (`Agreement`). Where the
lines differ (another shape or dtype, another function, a rank that has come to its end) each rank raises an error
which names the ranks, where MPI would wait for ever or mix up the numbers.
"""

from __future__ import annotations

import time
from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.errors import user_line, with_line

from .wire import Request, Wire, until

__all__ = ["FIRST_TAG", "LEFT", "Agreement", "ProcessGroup", "named"]

END = "the end of the program, or destroy_process_group"
# Tags of messages: that a rank has ended; that it waits, and in which of its group's calls; and the user's tag 0.
LEFT, WAITS, FIRST_TAG = 0, 1, 2
_LINE = 128
_PATIENCE = 0.5  # seconds after which a rank tells the others that it waits for them


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

    def leave(self) -> Agreement:
        """Tell the others that this rank ends, and begin to compare that with what they do."""
        agreement = self.agree(END)
        for rank in range(self.size()):
            if rank != self.rank():
                _communicator(self).Isend(np.empty(0, np.uint8), rank, LEFT)
        return agreement

    def wait(
        self, request: Request | None, what: str, look: Any = None, seconds: float | None = None,
        absent: Callable[[], list[int]] | None = None,
    ) -> None:  # fmt: skip
        """Wait for a transfer; RuntimeError after `seconds`, by default the group's timeout, which names `absent`."""
        seconds = self.seconds if seconds is None else seconds
        if until(request, seconds, look):
            return
        ranks = absent() if absent is not None else []
        who = f"{named(ranks)} did not come to it" if ranks else "the other ranks did not follow"
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

    def check(self, seconds: float | None = None, look: Callable[[], None] | None = None) -> None:
        """Raise RuntimeError where a rank does something else, or does not come in `seconds`; meanwhile call `look`."""
        if self.request is None:
            return
        limit = self.group.seconds if seconds is None else seconds

        def looking() -> None:
            self._say_that_it_waits(limit)
            if look is not None:
                look()

        try:
            self.group.wait(self.request, self.what, looking, limit, self.absent)
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

    def absent(self) -> list[int]:
        """The ranks, among all, that have not said that they wait in this call."""
        here = {self.group.rank(), *self._waiting()}
        return [global_rank for rank, global_rank in enumerate(self.group.ranks) if rank not in here]

    def _message(self) -> str:
        ranks: dict[str, list[int]] = {}
        for rank, line in zip(self.group.ranks, self._lines, strict=True):
            ranks.setdefault(bytes(line).rstrip(b"\0").decode(errors="replace"), []).append(rank)
        rows = [f"  {named(those)}: {text}" for text, those in ranks.items()]
        if END in ranks:
            advice = (
                f"{named(ranks[END]).capitalize()} came to the end while the others still communicate. Where it had "
                "fewer batches than they: give each the same number (DistributedSampler does), or train within "
                "`with model.join():` of DistributedDataParallel"
            )
        else:
            advice = "Each rank must call the same functions in the same order, with the same shapes and dtypes"
        message = "\n".join(["the ranks do not agree on what is to be communicated:", *rows, advice])
        return f"{message}\n  at {self.line}" if self.line else message


def _communicator(group: ProcessGroup) -> Any:
    return group.wire.communicator  # type: ignore[attr-defined]  # a group of several has one


def named(ranks: list[int]) -> str:
    """ "rank 1", or "ranks 0, 2"."""
    return f"rank {ranks[0]}" if len(ranks) == 1 else f"ranks {', '.join(map(str, ranks))}"
