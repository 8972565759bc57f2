"""Whether the updates follow the slope where one thing in the pass is done otherwise.

A loop goes through its values the other way round: then a way back through layers or steps is written as a way forward,
`for layer in layers:`. Or a parameter keeps its value until the end of the pass: then it is updated too early.
"""

from __future__ import annotations

from collections.abc import Callable, Iterator
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass, descent
from pellucid.doctor.probes.trials import as_studied
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab, Next, PassRun, Work
from pellucid.doctor.rules.gradient import by

MOST = 10  # loops that are tried
PASSES = 2  # in which all has to be right then


@dataclass(frozen=True)
class Otherwise:
    """Where the pass is to be another one, and the rate that all updates have then.

    `what`: of a loop, what it goes through; of a parameter, its name.
    """

    file: str
    line: int
    what: str
    rate: float


def turned(session: TrainingSession, passes: list[StudiedPass], candidate: Candidate) -> Otherwise | None:
    """The loop that has to be turned round."""
    found = session.found
    try:
        known: dict[int, str] = session.lab(_known, found.groups, 2.0)
    except Lost:
        return None
    for number in list(known)[-1 : -MOST - 1 : -1]:  # the way back comes last
        if session.left() < 6:
            break
        try:
            made = _in_lab(session, lambda lab, n=number: _turned(lab, found, passes[:PASSES], n))
        except Lost:  # a way forward that is turned round seldom runs at all
            continue
        rate = _rate(made, candidate)
        if rate:
            file, line = session.program.loops.orders[number]
            return Otherwise(file, line, known[number], rate)
    return None


def early(session: TrainingSession, passes: list[StudiedPass], candidate: Candidate) -> Otherwise | None:
    """The parameter that is updated too early, and the line; None where an optimiser keeps a memory of updates."""
    found = session.found
    if found.memory or len(found.parameters) > MOST or not _are_amiss(passes[:PASSES], candidate):
        return None
    everything: Otherwise | None = None
    for names in (tuple(found.parameters), *((name,) for name in found.parameters)):
        try:
            made, lines = _in_lab(session, lambda lab, n=names: _held(lab, found, passes[:PASSES], n))
        except Lost:
            return everything
        rate = _rate(made, candidate)
        if rate and lines:
            file, line = lines[0]
            told = Otherwise(file, line, names[0], rate)
            if len(names) == 1:
                return told
            everything = told
        elif everything is None:
            return None
    return everything


def _are_amiss(passes: list[StudiedPass], candidate: Candidate) -> bool:
    """Whether the passes that are tried again show what is wrong: those of other passes prove nothing of it."""
    judged = by(passes, candidate)
    return judged is not None and bool(judged.wrong)


def _in_lab(session: TrainingSession, steps: Callable[[Lab], Work]) -> Any:
    """What comes of some steps, on the passes as they were studied."""
    return session.lab(lambda lab: as_studied(session, lab, steps(lab)), session.found.groups, 4.0)


def _known(lab: Lab) -> Work:
    yield PassRun()
    return dict(lab.orders)


def _turned(lab: Lab, found: Any, passes: list[StudiedPass], number: int) -> Work:
    """The passes as they are studied, with what the program does where the loop is turned round."""
    made: list[StudiedPass] = []
    for entry in passes:
        while lab.passes < entry.index:
            yield Next()
        outcome = yield PassRun(turned=number)
        given: dict[str, np.ndarray] = {}
        for name, directions in entry.directions.items():
            if name in outcome.after and outcome.after[name].shape == outcome.before[name].shape:
                given[name] = directions @ descent(name, outcome, found)
        if all(name in given and np.array_equal(given[name], values) for name, values in entry.given.items()):
            return None
        made.append(replace(entry, given=given))
    return made


def _held(lab: Lab, found: Any, passes: list[StudiedPass], names: tuple[str, ...]) -> Work:
    """The passes as they are studied, with these parameters held; and the lines that would have moved them."""
    made: list[StudiedPass] = []
    lines: list[tuple[str, int]] = []
    for entry in passes:
        while lab.passes < entry.index:
            yield Next()
        outcome = yield PassRun(hold=names)
        if outcome.held is None or outcome.held.late:
            return None, []
        moves = {name: outcome.after[name] - outcome.before[name] for name in entry.directions if name in outcome.after}
        moves |= outcome.held.moved
        made.append(
            replace(entry, given={n: -(entry.directions[n] @ moves[n]) for n in entry.directions if n in moves})
        )
        lines = lines or [line for name in names for line in outcome.held.lines[name]]
    return made, lines


def _rate(passes: list[StudiedPass] | None, candidate: Candidate) -> float:
    """The rate at which all updates follow the slope; 0 where they do not."""
    judged = by(passes, candidate) if passes else None
    if judged is None or judged.wrong or judged.climbs or "right" not in judged.verdicts.values():
        return 0.0
    return judged.ratio


def written(line: str) -> Iterator[str]:
    """The loop as it should be: `for layer in reversed(layers):`."""
    head, found, rest = line.partition(" in ")
    values, colon, tail = rest.rpartition(":")
    if found and colon:
        values = values.strip()
        turned = values[9:-1] if values.startswith("reversed(") and values.endswith(")") else f"reversed({values})"
        yield f"{head} in {turned}:{tail}"
