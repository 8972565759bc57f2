"""Who listens to the loops: a scout until the training loop is found; in a fork of it, a laboratory."""

from __future__ import annotations

import os
import re
import threading
import time
from collections.abc import Callable, Collection, Iterator
from dataclasses import dataclass, field
from types import FrameType
from typing import Any

import numpy as np

from pellucid.doctor.process import own_time
from pellucid.doctor.process.asleep import asleep, awake, rests, woken
from pellucid.doctor.process.child import TIME_UP, ChildAnswer, Fork, Lost, fork, patience
from pellucid.doctor.process.endings import end_process
from pellucid.doctor.process.instrument import made_anew
from pellucid.doctor.process.lab import Lab
from pellucid.doctor.process.parameters import Parameters, parameters, recurs
from pellucid.doctor.process.paths import Group, Scope, leaves, root_name, show
from pellucid.doctor.process.places import handed_on_together
from pellucid.doctor.process.program import UserProgram
from pellucid.doctor.process.scout import (
    MOST_TESTS,
    SURE,
    Scout,
    Seen,
    back_to_start,
    ever_moved,
    is_named,
    moved_again,
    movers,
    spoilt,
    stalled,
)
from pellucid.doctor.process.steps import root, step
from pellucid.doctor.process.widen import widen
from pellucid.doctor.report import Finding

CONSUMED = 12  # turns of a generator, by which a loop that trains with what it gives was found
OFTEN = 40  # passes, after which the weights of a single layer that did not move are, too
WATCHED = 4  # passes, after which weights that did not move are taken to sleep
QUICK = 0.05  # seconds of a pass, of which everything may be tried twice
LONG = 1.0  # seconds of a test that is not made again without a reason


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
        self.around = -1  # the loop around it that goes through its data again and again; -1 where there is none
        self.rejected: dict[int, Parameters | str] = {}
        self.failures: list[str] = []
        self.lifeless: dict[int, list[str]] = {}  # by loop, weights that no pass moves, whatever values they have
        self.awaits = False  # whether a pass waits for another thread, which no fork has
        self.waiting: Waiting | None = None  # at a loop that trains only if no other does

    # The hooks --------------------------------------------------------------------------------------------------

    def hears(self, number: int) -> bool:
        """Whether anything is done at a turn of a loop: in a laboratory only at that which trains, and while a pass is
        watched. A pass may have ten thousands of turns."""
        lab = self.lab
        if lab is None or number == self.number or number == self.around:
            return True
        return lab.running and lab.watch is not None

    def enter(self, number: int) -> None:
        if self.lab is None:
            self.scout.enter(number)
        elif number == self.number:
            self.lab.entered += 1

    def head(self, number: int, frame: FrameType) -> None:
        if self.lab is not None:
            if number == self.number:
                self.lab.head(self.program.scope(frame))
            return
        if self.program.loops.loops[number].yields and self._may_be_consumed(number):
            return
        if self.scout.head(number, lambda: self.program.scope(frame)) or self._may_sleep(number, frame):
            self._try(number, frame)
        elif self.scout.loops[number].count == OFTEN:
            self._look_for_rest(number, frame)
        if time.monotonic() > self.deadline or (self.waiting is not None and self.waiting.late()):
            raise Finished

    def tail(self, number: int, frame: FrameType) -> bool:
        if self.lab is not None:
            if number == self.number:
                return self.lab.tail(self.program.scope(frame))
            self.lab.turn(number, frame)
            return number == self.around and self.lab.around()
        self.scout.tail(number, lambda: self.program.scope(frame))
        return False

    # Within -----------------------------------------------------------------------------------------------------

    def _may_be_consumed(self, number: int) -> bool:
        """Whether the loop of a generator may be one over data: what consumes it has the same passes, and sees more of
        them. As long as no training was found there; but its first pass is looked at."""
        seen = self.scout.loops.setdefault(number, Seen())
        seen.consumed += 1
        return 1 < seen.consumed <= CONSUMED

    def _may_sleep(self, number: int, frame: FrameType) -> bool:
        """Whether no pass moved what looks like weights, because of the values that they begin with."""
        seen = self.scout.loops[number]
        return seen.count == WATCHED and not seen.tested and bool(asleep(seen, self.program.scope(frame)))

    def _look_for_rest(self, number: int, frame: FrameType) -> None:
        """Note the weights, of a single layer too, that each of many passes updates and none of them moves."""
        seen, loop = self.scout.loops[number], self.program.loops.loops[number]
        resting = asleep(seen, self.program.scope(frame), 1)
        names = {root(name) for name in resting}
        if not resting or step(self.program.loops.sources, loop.file, loop.line, names) is None:
            return
        session = TrainingSession(self, number, frame)
        own_time.stand_still()
        try:
            if session.lab(lambda lab: rests(lab, resting), resting, min(4.0, session.left() / 4)):
                self.lifeless[number] = sorted(resting)
        except (Forked, Lost):
            return
        finally:
            own_time.go_on()

    def _try(self, number: int, frame: FrameType) -> None:
        session = TrainingSession(self, number, frame)
        own_time.stand_still()
        try:
            self._test(session)
        except Forked:
            return
        finally:
            own_time.go_on()

    def _test(self, session: TrainingSession) -> None:
        number, started = session.number, time.monotonic()
        seen = self.scout.loops[number]
        try:
            slept = self._wake(seen, session)
            moving, doubtful = self._lasting(number, session)
            found = self._parameters(session, moving, doubtful)
            still = stalled(seen) and seen.activation == 1  # of several runs, a look at each may be at another element
            certain = slept or still or moved_again(seen) & {*found.parameters}
            if found.parameters and not certain and not self._recurs(session, found):
                # A loop over units or layers moves each element in one of its turns.
                seen.in_vain += 1
                self._refuse(seen, started)
                seen.tested -= seen.in_vain < MOST_IN_VAIN
                return
            begun = {name for _, moved in seen.moves[:1] for name in moved if is_named(name)}
            stuck = begun - found.groups.keys()  # by now
            if _is_stuck(stuck, found) and not slept and (put := back_to_start(seen, session.scope)):
                session.returned = True
                again = self._parameters(session, moving, doubtful)
                found = again if len(again.parameters) >= len(found.parameters) else found
                if {*found.parameters} < {*put} and spoilt(seen, put):  # so long a step hides what the others are
                    found = Parameters(put, [*put], {}, seconds=max(found.seconds, again.seconds))
                    session.doubtful = True
        except Lost as lost:
            self.failures.append(lost.said)
            self.awaits = lost.said == TIME_UP and _has_threads(self.program)
            if self.awaits:  # as each pass will
                raise Finished from None
            return
        if not found.parameters:
            self.rejected[number] = found
            self._refuse(seen, started)
            for group, old in slept:
                group.write(session.scope, old)
            return
        session.found = found
        if of_one_call(session):
            seen.tested = MOST_TESTS
            self._wait(session)
            return
        self._end_waiting()
        self.examine(session)
        if session.lossless and self.program.loops.loops[number].outer is not None:
            seen.tested = MOST_TESTS  # the way back through a sequence: its loss is in the loop around it
            return
        raise Finished

    def _refuse(self, seen: Seen, started: float) -> None:
        moved = moved_again(seen)
        seen.refusals += not any(map(is_named, moved))
        if seen.refusals > 1 or time.monotonic() - started > LONG:
            seen.refused = frozenset(moved)

    def _recurs(self, session: TrainingSession, found: Parameters) -> bool:
        """Whether the passes of one run of the loop move the same elements again, as those of a table of vectors do."""
        return session.lab(lambda lab: recurs(lab, found), found.groups, 3.0)

    def _wake(self, seen: Seen, session: TrainingSession) -> list[tuple[Group, np.ndarray]]:
        """Give weights that sleep random values, where passes move them then; with what they were."""
        sleeping = asleep(seen, session.scope)
        if not sleeping:
            return []
        values = awake(sleeping)
        moved = session.lab(lambda lab: woken(lab, values), sleeping, min(8.0, session.left() / 4))
        if not moved:
            self.lifeless[session.number] = sorted(sleeping)
            return []
        old = [(group, group.read(session.scope)) for group in sleeping.values()]
        for name, group in sleeping.items():
            group.write(session.scope, values[name])
        return old

    def _wait(self, session: TrainingSession) -> None:
        """Have a fork wait at this pass, and the program run on: what calls this loop may be what trains."""
        depth = sum(1 for _ in _callers(session.frame))
        if self.waiting is not None and self.waiting.depth <= depth:
            return
        reading, writing = os.pipe()
        end = fork()
        if isinstance(end, ChildAnswer):
            os.close(writing)
            if not os.read(reading, 1):
                end_process(0)
            self.waiting, session.doubtful = None, True
            end.send(self.examine(session))
        os.close(reading)
        self._end_waiting()
        self.waiting = Waiting(end, writing, depth)

    def _end_waiting(self) -> None:
        if self.waiting is not None:
            self.waiting.end()
            self.waiting = None

    def of_waiting(self) -> Any:
        """What `examine` says of the loop where a fork waits; None where none does. Raises Lost."""
        if self.waiting is None:
            return None
        waiting, self.waiting = self.waiting, None
        return waiting.go(max(self.deadline - time.monotonic(), 1.0) + 3)

    def _parameters(
        self, session: TrainingSession, moving: dict[str, Group], doubtful: frozenset[str] = frozenset()
    ) -> Parameters:
        seen = ever_moved(self.scout.loops[session.number])
        for _ in range(5):
            found = session.lab(lambda lab: parameters(lab, seen), moving, min(15.0, session.left() / 3))
            if not isinstance(found, str):
                return found.without(doubtful)
            moving = {name: group for name, group in moving.items() if name != found}
        raise Lost("the program ends when what moves is changed a little")

    def _lasting(self, number: int, session: TrainingSession) -> tuple[dict[str, Group], frozenset[str]]:
        """What may be a parameter: not what only variables lead to that are set anew before each run of the loop, such
        as a delta that is passed back through the layers. And the names of what may be an optimiser's memory at most,
        as long as that is not known."""
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
        together = handed_on_together(self.program.loops.sources[loop.file], loop.line, loop.last_line)
        lasting: dict[str, Group] = {}
        memories: set[str] = set()
        for name, group in found.items():
            root = root_name(group.paths[0])
            if group.paths[0][0][0] == kind and (root in anew or root in values or name in seen.resized):
                continue
            lasting[name] = group
            if group.paths[0][0][0] == kind and root in doubtful and not is_named(name):
                beside = [names for names in together if root in names]
                if not any(is_named(other) for names in beside for other in names & found.keys()):
                    memories.add(name)
        if len(lasting) - len(memories) < len(found) and seen.count < SURE:
            seen.tested -= 1  # it is asked again when that is known
        return lasting, frozenset(memories)


class TrainingSession:
    """The program at the head of a pass of its training loop."""

    def __init__(self, controller: Controller, number: int, frame: FrameType) -> None:
        self.controller, self.number, self.frame = controller, number, frame
        self.program = controller.program
        self.found = Parameters({}, [], {})
        self.doubtful = False  # what moves is made anew in each call: only updates that follow a slope are training
        self.returned = False  # the parameters were put back to what they were at first
        self.ended_by: tuple[int, str] = (
            0,
            "",
        )  # the passes, and what is said of an error, after which a fork ended as it trained
        self.unfinished = False  # it does not learn, and there was no time to ask all causes of that
        self.lossless = False  # nothing that a pass sees depends on what it moves
        self.blown_up = False  # its loss becomes infinite or no number, and no cause of that was found
        self.inputs_unseen = False
        self.gets_to_a_guess = 0  # passes after which it says no more than the mean label, and no cause was found
        self.told: list[Finding] = []  # what is known of its conditions by now
        self.beside: list[Finding] = []  # what is reported beside a wrong gradient, which was measured without it
        self.suspected: Finding | None = None  # unscaled inputs, without whose scaling no slope told anything
        self.only_there = False  # no loss explained anything but in a fork with scaled inputs and weights
        self.known: dict[str, Group] = {}  # what a pass leaves behind, and where: known once a laboratory saw it all

    @property
    def scope(self) -> Scope:
        return self.program.scope(self.frame)

    @property
    def around(self) -> int:
        """The loop whose turns are the epochs, in this function or in one that calls it: not one that makes the
        parameters anew in each turn, as a loop over several rates does. -1 where there is none."""
        loops, frame, number = self.program.loops.loops, self.frame, self.number
        outer, here = loops[number].outer, True
        while outer is None:
            caller = frame.f_back
            if caller is None:
                return -1
            frame, here = caller, False
            outer = _loop_at(frame, self.program)
        paths = [path for name in self.found.parameters for path in self.found.groups[name].paths]
        if here:
            return -1 if {root_name(path) for path in paths} & loops[number].anew else outer
        scope, known = self.scope, {**frame.f_globals, **frame.f_locals}
        held = {id(scope.get(path[:end])) for path in paths for end in (1, len(path))}
        made = made_anew(self.program.loops.sources[loops[outer].file], loops[outer].line)
        return -1 if any(id(known.get(name)) in held for name in made) else outer

    @property
    def deadline(self) -> float:
        return self.controller.deadline

    def left(self) -> float:
        return self.deadline - time.monotonic()

    def start(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Fork | None:
        """Begin `work` in a laboratory at this pass. In the fork, None: the program is to run on."""
        end = fork()
        if isinstance(end, ChildAnswer):
            modules = self.program.modules()
            lab = Lab(
                work,
                groups,
                self.program.loops.sources,
                modules,
                seconds * 0.9,
                end,
                self.known,
                patience(seconds, self.left()),
            )
            lab.pairs = self.program.loops.pairs
            self.controller.number, self.controller.around = self.number, self.around
            self.controller.lab = lab
            widen(self.scope, groups.values())
            lab.head(self.scope)
            raise Forked
        return end

    def lab(self, work: Callable[[Lab], Any], groups: dict[str, Group], seconds: float) -> Any:
        """What `work` found. Raises Lost; and `Forked` in the fork itself, to be let through to the hook."""
        end = self.start(work, groups, seconds)
        if end is None:
            raise Forked
        return end.result(patience(seconds, self.left()))


def _has_threads(program: UserProgram) -> bool:
    """Whether the program has another thread than this; a library may have threads for what it shows."""
    own, here = {"threading", *program.modules()}, threading.current_thread()
    return any(type(thread).__module__ in own for thread in threading.enumerate() if thread is not here)


MOST_IN_VAIN = 6
PATIENCE = 6.0  # seconds of the processor that another loop has, once a fork waits at one


@dataclass
class Waiting:
    """A fork that waits at a pass of a loop, and examines it when it is asked to."""

    fork: Fork
    telling: int
    depth: int  # of calls: the loop of fewer calls is waited at
    since: float = field(default_factory=time.process_time)

    def late(self) -> bool:
        return time.process_time() > self.since + PATIENCE

    def go(self, seconds: float) -> Any:
        os.write(self.telling, b"1")
        os.close(self.telling)
        return self.fork.result(seconds)

    def end(self) -> None:
        os.close(self.telling)
        self.fork.end()


def _is_stuck(names: Collection[str], found: Parameters) -> bool:
    """Whether to go back for the parameters of these names, which no longer touch anything: not for a few of many where
    a pass takes long."""
    return bool(names) and (found.seconds < QUICK or len(names) > len(found.parameters))


# How the state of a recurrent network is called.
STATE = re.compile(r"(h|c|s|hs|hc)(_?(prev|last|t|0|1|2|n))?$|\w*(state|hidden|cell|memory)\w*$", re.I)


def of_one_call(session: TrainingSession) -> bool:
    """Whether all that moves is made in this call of a function, and a loop calls it: the state of a recurrent network
    over the steps of a sequence, a discounted sum. Whatever trains for good outlives the call.

    What a function makes and trains, called for each of several rates, is such a state, too: so this is no proof.
    """
    loop, frame = session.program.loops.loops[session.number], session.frame
    code = frame.f_code
    if code.co_name == "<module>" or not any(_in_loop(caller, session.program) for caller in _callers(frame)):
        return False
    given = code.co_argcount + code.co_kwonlyargcount
    own = set(code.co_varnames[given:]) | set(code.co_cellvars)
    own |= {name for name in code.co_varnames[:given] if STATE.match(name)}  # `def sample(h, seed, n)`
    scope, found = session.scope, session.found
    beyond = {
        id(value)
        for path, value in leaves(scope).items()
        if isinstance(value, np.ndarray) and not (path[0][0] == "local" and path[0][1] in own)
    }

    def passing(group: Group) -> bool:
        path = group.paths[0]
        if path[0][0] == "local" and path[0][1] in own:
            return id(scope.get(path)) not in beyond
        return re.split(r"\[", show(path))[0] in loop.local

    return all(passing(found.groups[name]) for name in found.parameters if name not in found.still)


def _callers(frame: FrameType) -> Iterator[FrameType]:
    caller = frame.f_back
    while caller is not None:
        yield caller
        caller = caller.f_back


def _in_loop(frame: FrameType, program: UserProgram) -> bool:
    """Whether a frame is in the body of a loop."""
    return _loop_at(frame, program) is not None


def _loop_at(frame: FrameType, program: UserProgram) -> int | None:
    """The innermost loop whose body a frame is in."""
    file, line = frame.f_code.co_filename, frame.f_lineno
    name = frame.f_code.co_name
    inside = [
        loop
        for loop in program.loops.loops.values()
        if loop.file == file and loop.line < line <= loop.last_line and loop.function.rpartition(".")[2] == name
    ]
    return max(inside, key=lambda loop: loop.line).number if inside else None


class Forked(BaseException):
    """In a fork: back to the user's program, at the hook where it was forked."""
