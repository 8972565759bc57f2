"""Runs of the user's program in forks of a process that has pellucid imported: as it is, and with treatments."""

from __future__ import annotations

import linecache
import random
import sys
import time
import traceback
from collections.abc import Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

import pellucid.random as streams
from pellucid.bridge import run_script
from pellucid.bridge.torch import multiprocessing
from pellucid.doctor.ended import remedy
from pellucid.doctor.misfit import misfit
from pellucid.doctor.process import sandbox
from pellucid.doctor.process.child import ChildAnswer, Fork, Lost, fork
from pellucid.doctor.process.descriptors import is_installed
from pellucid.doctor.sources import as_if, home_of, instead
from pellucid.errors import in_package
from pellucid.utils.data import DataLoader

from .elsewhere import Elsewhere
from .firsts import firsts
from .following import Follower
from .observer import Observer
from .phase_observer import PhaseObserver
from .phases import Phase
from .record import Place, ProgramRecord
from .treatments import Treatment

MOST = 3000  # backwards of a run that are watched
MOST_OF_IT = 0.8  # of the time that is left, for one run
TOGETHER = 2  # forks that run at a time


def is_part(record: ProgramRecord) -> bool:
    """Whether only the beginning of a program was seen, for want of time."""
    return not record.ended and not record.error and len(record.steps) < MOST


@dataclass
class Laboratory:
    """Makes runs of something that trains, each in a fork of this process: as it is, and with treatments.

    What a run writes is kept in its memory. A run ends with the training, after `MOST` backwards, or when its seconds
    are over; the record says how far it came.
    """

    deadline: float
    runs: int = field(default=0, init=False)
    loss: str = field(default="", kw_only=True)  # the variable that holds it, where the user says so
    alone: float = field(default=0.0, init=False)  # seconds of the program by itself
    looks: Sequence[int] = field(default=(), init=False)  # backwards that are looked at in full, beside the usual
    pace: Sequence[float] = field(default=(), init=False)  # losses of a run: others are given up where they fall behind
    patience: float = field(default=3.0, init=False)  # seconds beyond its own that the first step of a run may take
    ends: float | None = field(default=None, init=False)  # when what was found by then has to be said
    search: Any = field(default=None, init=False)  # that is going on
    judged: list[Any] = field(default_factory=list, init=False)  # phases, their records and reports, the last one first
    phase: Phase | None = field(default=None, init=False)  # that is watched, of a program that makes several trainings
    lost: str = field(default="", init=False)  # why the last run that gave no record gave none

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def run(
        self, treatments: Sequence[Treatment] = (), steps: int = MOST, seconds: float = 20.0
    ) -> ProgramRecord | None:
        """The record of a run; None where it gave none."""
        return self.several([treatments], steps, seconds)[0]

    def several(self, each: Sequence[Sequence[Treatment]], steps: int, seconds: float) -> list[ProgramRecord | None]:
        """The records of several runs, which are made side by side, a few at a time."""
        found: list[ProgramRecord | None] = []
        for start in range(0, len(each), TOGETHER):
            forks: list[Fork] = []
            allowed = min(seconds, MOST_OF_IT * self.left())
            if allowed < 0.5:
                return [*found, *[None] * (len(each) - len(found))]
            for treatments in each[start : start + TOGETHER]:
                end = fork()
                if isinstance(end, ChildAnswer):
                    load_here()
                    self._program(end, treatments, steps, allowed)
                else:
                    forks.append(end)
                self.runs += 1
            for running in forks:
                try:
                    found.append(running.result(allowed + max(3.0, min(allowed, self.left()) / 2)))
                except Lost as lost:
                    self.lost = str(lost).strip().splitlines()[-1]
                    found.append(None)
        return found

    def _program(self, end: ChildAnswer, treatments: Sequence[Treatment], steps: int, seconds: float) -> None:
        """In the fork: the training from its beginning; it does not return."""
        raise NotImplementedError


def load_here() -> None:
    """In a fork: loaders that have worker processes load by themselves, and what would train in one process that is
    started for it trains in this one.

    Processes share what lies in files, and a fork writes none; the rows and their order are the same.
    """
    passed = DataLoader.__iter__

    def alone(self: DataLoader) -> Any:
        workers, self.num_workers = self.num_workers, 0
        try:
            return passed(self)
        finally:
            self.num_workers = workers

    DataLoader.__iter__ = alone  # type: ignore[method-assign]
    started = multiprocessing.start_processes

    def start(fn: Any, args: Any = (), nprocs: int = 1, join: bool = True, *more: Any, **named: Any) -> Any:
        return fn(0, *args) if nprocs == 1 and join else started(fn, args, nprocs, join, *more, **named)

    multiprocessing.start_processes = start


def note_error(record: ProgramRecord, error: BaseException, trace: Any, args: Sequence[str] = ("",)) -> None:
    """What ended a run, the innermost line of the user's, and what to do about it."""
    record.error = "".join(traceback.format_exception_only(error)).strip()
    frames = [(frame, line) for frame, line in traceback.walk_tb(trace) if not in_package(frame)]
    own = [pair for pair in frames if not is_installed(pair[0].f_code.co_filename)] or frames
    for frame, line in own[-1:]:
        file = frame.f_code.co_filename
        record.error_place = (file, line)
        hints = misfit(error, frame, line), remedy(error, linecache.getline(file, line), list(args))
        record.misfit = " ".join(filter(None, hints))


@dataclass
class ScriptLaboratory(Laboratory):
    """Starts a script over and over, each time from its first line, with the same random numbers."""

    script: Path
    args: list[str]
    changed: dict[Path, str] = field(default_factory=dict, init=False)  # what is to stand in files of the program
    follows: Sequence[np.ndarray | None] = field(default=(), init=False)  # rows of an evaluation: see `followed`

    def patched(self, path: Path, source: str, steps: int, seconds: float) -> ProgramRecord | None:
        """The record of a run of the program as if this stood in one of its files; None where it gave none."""
        self.changed = {path: source}
        try:
            return self.run((), steps, seconds)
        finally:
            self.changed = {}

    def followed(self, held: np.ndarray | None, seconds: float) -> dict[str, Place]:
        """A run up to the first update, line by line: see `firsts`."""
        self.follows = (held,)
        try:
            record = self.run((), 1, seconds)
        finally:
            self.follows = ()
        return {} if record is None else record.firsts

    def _program(self, end: ChildAnswer, treatments: Sequence[Treatment], steps: int, seconds: float) -> None:
        """In the fork: the program from its first line; it does not return."""
        sandbox.quiet()
        streams.manual_seed(0)
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        how = {"looks": self.looks, "pace": self.pace}
        if self.phase is None:
            observer = Observer(treatments, steps, seconds, **how)
        else:
            observer = PhaseObserver(self.phase, treatments, steps, seconds, **how)
        observer.passes.named = self.loss
        home = home_of(self.script)
        follower = Follower(home.root) if self.follows else None

        def told() -> ProgramRecord:
            if follower is not None:
                follower.stop()
                with observer.aside():
                    observer.record.firsts = firsts(follower, observer.record, self.follows[0])
            return observer.record

        observer.enough = lambda: end.send(told())

        def crashed(kind: type[BaseException], error: BaseException, trace: Any) -> None:
            note_error(observer.record, error, trace, self.args)

        sys.__excepthook__ = crashed  # type: ignore[misc]
        try:
            observer.start()
            elsewhere = Elsewhere(observer, end, lambda error, trace: note_error(observer.record, error, trace))
            for path, text in self.changed.items():
                as_if(text, path)
            if follower is not None:
                follower.start()
            run_script(self.script, self.args, instead(self.script), [*map(str, home.folders)], home.package or None)
            elsewhere.finish()
            observer.stop()
            observer.record.ended = True
            observer.finish()
            end.send(told())
        except BaseException as error:  # noqa: BLE001 (whatever it was, this process ends here)
            end.fail(error)
