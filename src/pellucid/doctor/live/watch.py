"""`with watch() as watched:` around a training loop: observed as it runs, and tried again in forks when it is over."""

from __future__ import annotations

import os
import time
from collections.abc import Sequence
from dataclasses import dataclass
from types import TracebackType

from pellucid.core import state
from pellucid.doctor.observed.examination import report_on
from pellucid.doctor.observed.findings import findings_of_error
from pellucid.doctor.observed.laboratory import MOST, Laboratory, note_error
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.treatments import Treatment
from pellucid.doctor.process import sandbox
from pellucid.doctor.process.child import ChildAnswer
from pellucid.doctor.report import Report
from pellucid.errors import user_frame

from .lines import Lines
from .observer import Bystander, LiveObserver
from .snapshot import Rerun, Snapshot

SHARE = 0.28  # of the budget, after which no more is noted of the block: a fork has to come as far in its time
UNFINISHED = "The block under watch() is not over yet."
NOTHING = "backward() was never called in the block, so no training was seen. The loop belongs into it."


class Watched(Report):
    """The report on a block: it is there when the block is over."""

    @property
    def report(self) -> Report:
        """The report itself."""
        return self


class Watch:
    """See `watch`."""

    def __init__(self, budget: float = 60.0) -> None:
        if not budget > 0:
            raise ValueError(f"watch was given budget={budget!r}: it takes seconds, more than 0.")
        self.budget = budget
        self.watched = Watched("inconclusive", reason=UNFINISHED)
        self._snapshot: Snapshot | None = None
        self._observer: LiveObserver | None = None
        self._end: ChildAnswer | None = None  # in a fork

    def __enter__(self) -> Watched:
        if any(isinstance(watcher, LiveObserver) for watcher in state.watchers):
            raise RuntimeError("watch() within watch(): one block is watched at a time. Take one of them away.")
        if self._observer is not None:
            raise RuntimeError("This watch() was used before: write watch() anew for each block.")
        lines = Lines(user_frame())
        try:
            if hasattr(os, "fork"):
                self._snapshot = Snapshot()
            self._observer = Bystander(lines, (), MOST, SHARE * self.budget)
        except Rerun as rerun:
            self._observer = self._again(lines, rerun)
        self._observer.start()
        return self.watched

    def _again(self, lines: Lines, rerun: Rerun) -> LiveObserver:
        """In a fork, from here on the block runs once more."""
        sandbox.quiet()
        end = self._end = rerun.end
        observer = LiveObserver(lines, rerun.treatments, rerun.steps, rerun.seconds)
        observer.enough = lambda: end.send(observer.record)
        return observer

    def __exit__(
        self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None
    ) -> None:
        observer = self._observer
        if observer is None:
            return
        observer.stop()
        if error is None:
            observer.record.ended = True
        elif isinstance(error, Exception):
            note_error(observer.record, error, trace)
        if self._end is not None:
            self._end.send(observer.finish())
        started = time.monotonic()
        try:
            record = observer.finish()
            report = self._report(record, error)
        finally:
            if self._snapshot is not None:
                self._snapshot.close()
        report.seconds = time.monotonic() - started
        vars(self.watched).update(vars(report))

    def _report(self, record: ProgramRecord, error: BaseException | None) -> Report:
        if error is not None:
            report = Report("inconclusive", reason=f"The block ended with {record.error or type(error).__name__}")
            if record.error:
                report.facts["error"] = record.error
                report.findings = findings_of_error(record)
            if report.findings:
                report.status, report.reason = "faults", ""
                first = report.findings[0]
                error.add_note(f"pellucid.doctor: {first.cause}: {first.explanation} Fix: {first.fix}")
            return report
        if not record.steps and not record.optimizers:
            return Report("inconclusive", reason=NOTHING)
        laboratory = _BlockLaboratory(time.monotonic() + self.budget * (1 - SHARE), record, self._snapshot)
        return report_on(laboratory)


@dataclass
class _BlockLaboratory(Laboratory):
    """The run is the one that was watched; others are made in forks of the process as it was when the block began."""

    base: ProgramRecord
    snapshot: Snapshot | None

    def run(
        self, treatments: Sequence[Treatment] = (), steps: int = MOST, seconds: float = 20.0
    ) -> ProgramRecord | None:
        return self.base

    def several(self, each: Sequence[Sequence[Treatment]], steps: int, seconds: float) -> list[ProgramRecord | None]:
        allowed = min(seconds, self.left())
        if self.snapshot is None or allowed < 0.5 or not each:
            return [None] * len(each)
        return self.snapshot.several(each, steps, allowed)


def watch(budget: float = 60.0) -> Watch:
    """Watch a training loop that uses pellucid, and say what is wrong with it when it is over.

        with doctor.watch() as watched:
            for x, y in loader:
                optimizer.zero_grad()
                loss = criterion(model(x), y)
                loss.backward()
                optimizer.step()
        print(watched)

    The block computes what it computes without `watch`, to the bit. `watched` is a `Report` that is filled when the
    block is over: what would help is tried first, by running the block again in forks of the process as it was at its
    beginning, which write no file. An error in the block goes on, with a note where the doctor knows its cause.

    Args:
        budget: seconds. After about a quarter of them nothing more is noted, while the block runs on; the rest is for
            the forks.
    """
    return Watch(budget)
