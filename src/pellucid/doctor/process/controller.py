"""Who listens to the loops: a scout until the training loop is found; in a fork of it, a laboratory."""

from __future__ import annotations

import time
from collections.abc import Callable
from types import FrameType
from typing import Any

from pellucid.doctor.process.child import ChildAnswer, Fork, Lost, fork
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.paths import Group, Scope, root_name
from pellucid.doctor.process.program import UserProgram
from pellucid.doctor.process.scout import Parameters, Scout, back_to_start, is_named, movers, parameters

SURE = 20  # passes in one run of a loop, after which it is no loop over layers or steps of time


class Finished(BaseException):
    """The examination is over; the program need not run on."""


class Controller:
    """Finds the training loop, and hands the program over to `examine` at the head of one of its passes.

    `examine(session)` runs in the parent, while the program stands still; what it tries out runs in forks.
    """

    def __init__(self, program: UserProgram, examine: Callable[[TrainingSession], Any], deadline: float) -> None:
        self.program, self.examine, self.deadline = program, examine, deadline
        self.scout = Scout()
        self.lab: Lab | None = None
        self.number = -1  # the training loop, once it is known
        self.rejected: dict[int, Parameters | str] = {}
        self.failures: list[str] = []

    # The hooks --------------------------------------------------------------------------------------------------

    def enter(self, number: int) -> None:
        if self.lab is None:
            self.scout.enter(number)

    def head(self, number: int, frame: FrameType) -> None:
        if self.lab is not None:
            if number == self.number:
                self.lab.head(self.program.scope(frame))
            return
        if self.scout.head(number, lambda: self.program.scope(frame)):
            self._try(number, frame)
        if time.monotonic() > self.deadline:
            raise Finished

    def tail(self, number: int, frame: FrameType) -> bool:
        if self.lab is not None:
            if number == self.number:
                return self.lab.tail(self.program.scope(frame))
            self.lab.turn(number, frame)
            return False
        self.scout.tail(number, lambda: self.program.scope(frame))
        return False

    # Within -----------------------------------------------------------------------------------------------------

    def _try(self, number: int, frame: FrameType) -> None:
        session = TrainingSession(self, number, frame)
        try:
            self._test(session)
        except Forked:
            return

    def _test(self, session: TrainingSession) -> None:
        number = session.number
        seen = self.scout.loops[number]
        try:
            moving = self._lasting(number, session)
            found = self._parameters(session, moving)
            begun = {name for _, moved in seen.moves[:1] for name in moved if is_named(name)}
            if begun - found.groups.keys() and back_to_start(seen, session.scope):  # some are stuck by now
                session.returned = True
                again = self._parameters(session, moving)
                found = again if len(again.parameters) >= len(found.parameters) else found
        except Lost as lost:
            self.failures.append(str(lost))
            return
        if not found.parameters:
            self.rejected[number] = found
            return
        session.found = found
        self.examine(session)
        raise Finished

    def _parameters(self, session: TrainingSession, moving: dict[str, Group]) -> Parameters:
        for _ in range(5):
            found = session.lab(parameters, moving, min(15.0, session.left() / 3))
            if not isinstance(found, str):
                return found
            moving = {name: group for name, group in moving.items() if name != found}
        raise Lost("the program ends when what moves is changed a little")

    def _lasting(self, number: int, session: TrainingSession) -> dict[str, Group]:
        """What may be a parameter: not what only variables lead to that are set anew before each run of the loop, such
        as a delta that is passed back through the layers."""
        loop, seen = self.program.loops.loops[number], self.scout.loops[number]
        anew = loop.anew if seen.activation > 1 or seen.count < SURE else frozenset[str]()
        anew |= loop.own | (loop.local if seen.activation > 1 else frozenset[str]())
        scope = session.scope
        here = scope.frame.f_locals if scope.frame is not None else {}
        # what grows or goes back with each turn, such as out = out + w * x, unless it is called like a parameter
        doubtful = loop.local if seen.count < SURE else frozenset[str]()
        values = {name for name in doubtful if hasattr(here.get(name), "grad")}
        scope.fleeting |= anew | doubtful
        kind = "local" if scope.frame is not None and scope.frame.f_code.co_name != "<module>" else "global"
        found = movers(scope)
        lasting: dict[str, Group] = {}
        for name, group in found.items():
            root = root_name(group.paths[0])
            if group.paths[0][0][0] == kind and (
                root in anew or root in values or (root in doubtful and not is_named(name))
            ):
                continue
            lasting[name] = group
        if len(lasting) < len(found) and seen.count < SURE:
            seen.tested -= 1  # it is asked again when that is known
        return lasting


class TrainingSession:
    """The program at the head of a pass of its training loop."""

    def __init__(self, controller: Controller, number: int, frame: FrameType) -> None:
        self.controller, self.number, self.frame = controller, number, frame
        self.program = controller.program
        self.found = Parameters({}, [], {})
        self.returned = False  # the parameters were put back to what they were at first
        self.known: dict[str, Group] = {}  # what a pass leaves behind, and where: known once a laboratory saw it all

    @property
    def scope(self) -> Scope:
        return self.program.scope(self.frame)

    def left(self) -> float:
        return self.controller.deadline - time.monotonic()

    def start(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Fork | None:
        """Begin `work` in a laboratory at this pass. In the fork, None: the program is to run on."""
        end = fork()
        if isinstance(end, ChildAnswer):
            deadline = time.monotonic() + seconds * 0.9
            lab = Lab(work, groups, self.program.loops.sources, self.program.modules(), deadline, end, self.known)
            lab.pairs = self.program.loops.pairs
            self.controller.number = self.number
            self.controller.lab = lab
            lab.head(self.scope)
            raise Forked
        return end

    def lab(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Any:
        """What `work` found. Raises Lost; and `Forked` in the fork itself, to be let through to the hook."""
        end = self.start(work, groups, seconds)
        if end is None:
            raise Forked
        return end.result(seconds)


class Forked(BaseException):
    """In a fork: back to the user's program, at the hook where it was forked."""
