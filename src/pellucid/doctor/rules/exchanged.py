"""Numbers that are moved by the slope of another one: `w -= lr * err; b -= lr * err * x`.

A single number is a multiple of any other in each pass, so no direction tells that its gradient is wrong. But over
several passes one constant, the rate of all the others, turns the slope of another number into its update.
"""

from __future__ import annotations

import math
from dataclasses import dataclass, replace

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.gradient import Judgement, by

FEWEST = 3  # passes in which a number moves
MOST = 40  # numbers
SAME = 1e-3
Element = tuple[str, int]


@dataclass(frozen=True)
class Exchange:
    """The rate, and of each number that is moved by the slope of another one, that other."""

    candidate: Candidate
    rate: float
    taken: dict[Element, Element]


def find(study: SlopeStudy) -> Exchange | None:
    """By the candidates whose names speak for them."""
    for candidate in study.candidates:
        if candidate.named > 0 and not candidate.frozen and (found := exchange(study.passes, candidate)) is not None:
            return found
    return None


def exchange(passes: list[StudiedPass], candidate: Candidate) -> Exchange | None:
    """What is exchanged if this is the loss; None where nothing is, or where it does not explain all that moves."""
    told = _table(passes, candidate)
    if told is None:
        return None
    elements, slopes, given = told
    rates: dict[tuple[int, int], float] = {}
    for i in range(len(elements)):
        for j in range(len(elements)):
            rate = _rate(slopes[:, j], given[:, i])
            if rate > 0:
                rates[i, j] = rate
    best: tuple[int, int, float] = (0, 0, math.nan)
    for rate in rates.values():
        explained = {i for (i, _), other in rates.items() if _near(other, rate)}
        own = sum(_near(rates.get((i, i), math.nan), rate) for i in explained)
        best = max(best, (len(explained), own, rate), key=lambda item: item[:2])
    count, own, rate = best
    moving = [i for i in range(len(elements)) if given[:, i].any()]
    if count < max(2, len(moving)) or own == count:
        return None
    taken: dict[Element, Element] = {}
    for i in moving:
        if not _near(rates.get((i, i), math.nan), rate):
            fits = [j for j in range(len(elements)) if _near(rates.get((i, j), math.nan), rate)]
            if len(fits) != 1:
                return None
            taken[elements[i]] = elements[fits[0]]
    return Exchange(candidate, rate, taken)


def _table(passes: list[StudiedPass], candidate: Candidate) -> tuple[list[Element], np.ndarray, np.ndarray] | None:
    """The numbers, and in each pass the slope by each of them and what it is moved by, (passes, numbers)."""
    if len(passes) < FEWEST or any(candidate not in entry.slopes for entry in passes):
        return None
    names = [*passes[0].given]
    sizes = {name: passes[0].directions[name].shape[1] for name in names}
    if not 2 <= sum(sizes.values()) <= MOST:
        return None
    rows: list[tuple[np.ndarray, np.ndarray]] = []
    for entry in passes:
        if [*entry.given] != names or any(not _is_each(entry.directions[n]) for n in names):
            continue
        slopes = np.concatenate([entry.slopes[candidate][n] for n in names])
        given = np.concatenate([entry.given[n] for n in names])
        if np.isfinite(slopes).all() and np.isfinite(given).all() and given.any():
            rows.append((slopes, given))
    if len(rows) < FEWEST:
        return None
    elements = [(name, i) for name in names for i in range(sizes[name])]
    return elements, np.array([s for s, _ in rows]), np.array([g for _, g in rows])


def _is_each(directions: np.ndarray) -> bool:
    """Whether the directions are those of the numbers themselves, one after the other."""
    return directions.shape[0] == directions.shape[1] and np.array_equal(directions, np.eye(len(directions)))


def _rate(slopes: np.ndarray, given: np.ndarray) -> float:
    """The one constant that turns these slopes into these steps in all passes; nan where there is none."""
    size = float(slopes @ slopes)
    if size == 0 or not given.any() or np.count_nonzero(slopes) < FEWEST or np.ptp(np.abs(slopes)) == 0:
        return math.nan
    rate = float(slopes @ given) / size
    return rate if np.abs(given - rate * slopes).max() <= SAME * np.abs(given).max() else math.nan


def _near(value: float, other: float) -> bool:
    return math.isfinite(value) and abs(value - other) <= SAME * abs(other)


def told(session: TrainingSession, study: SlopeStudy, found: Exchange) -> tuple[Judgement, Finding] | None:
    """The judgement and the finding."""
    judgement = by(study.passes, found.candidate, study.rates)
    if judgement is None:
        return None
    wrong = dict.fromkeys(name for name, _ in found.taken)
    verdicts = {name: "across" if name in wrong else "right" for name in judgement.verdicts}
    judgement = replace(
        judgement, ratio=found.rate, ratios=[found.rate] * len(study.passes), verdicts=verdicts, climbs=False
    )
    groups = session.found.groups

    def called(element: Element) -> str:
        group = groups[element[0]]
        return group.name if group.size == 1 else group.element(element[1])

    said = {
        one: f"{called(one)} is moved by {found.rate:.4g} times the slope by {called(other)}"
        for one, other in found.taken.items()
    }
    source = Assignments.of(session.program.loops.sources)
    lines: list[tuple[str, int, str]] = []
    for one in found.taken:
        updates = [(u.file, u.line) for u in source.updates(groups[one[0]])]
        written = [(file, line, session.program.loops.line(file, line)) for file, line in updates]
        exact = [row for row in written if row[2].startswith(called(one))]
        lines += [row for row in exact or written if row not in lines][:1]
    written_out = "; ".join(row[2] for row in lines)
    if set(found.taken) == set(found.taken.values()) and len(lines) > 1:
        explanation, fix = "Each has the gradient of the other.", f"exchange what the two are moved by: {written_out}"
    else:
        explanation = "It has the gradient of another number: a factor of its own is missing."
        fix = f"multiply by what it is multiplied with in the forward pass: {written_out}"
    finding = Finding(
        "wrong-backward",
        "error",
        0.95,
        f"Each weight was nudged, and the slope of {found.candidate.title} measured, in {len(study.passes)} passes: "
        f"{'; '.join(said.values())}, and by no multiple of its own.",
        explanation,
        fix,
        mistake="swapped-tensors",
        tensors=[
            {"name": name, "verdict": "across", "said": "; ".join(said[one] for one in said if one[0] == name)}
            for name in wrong
        ],
    )
    if lines:
        finding.file, finding.line, finding.code = lines[0]
    return judgement, finding
