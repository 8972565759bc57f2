"""Trainings that a program makes one after the other, each with optimisers of its own: a pretraining and what follows
it, the folds of a cross-validation, or several networks that are compared."""

from __future__ import annotations

from dataclasses import dataclass, replace

from .compare import Outcome, outcome
from .record import OptimizerRecord, ProgramRecord

FEWEST = 10  # backwards of a training
TASKS = 20  # trainings that the same lines make, of which each is to adapt to a task, and is short on purpose
AS_GOOD = 0.1  # of the loss, and of right answers, by which one of several like it may be behind the best


@dataclass(frozen=True)
class Phase:
    """One of them.

    Attributes:
        first, steps: the backwards before it, and in it.
        optimizers: which of all that are made, from 0 on.
        continues: whether some of its parameters were trained before, or it is one of many that adapt a network to a
            task each.
    """

    first: int
    steps: int
    optimizers: frozenset[int]
    continues: bool = False


def phases_of(record: ProgramRecord) -> list[Phase]:
    """The trainings of a program, in their order; [] where it makes one.

    Of several that the same lines make, as of each fold, that which comes furthest stands for all: a program that tries
    rates has some that are wrong on purpose.
    """
    parts = _parts(record)
    if len(parts) < 2:
        return []
    by_lines: dict[frozenset[object], list[Phase]] = {}
    for part in parts:
        lines = frozenset(record.optimizers[number].place for number in part.optimizers)
        by_lines.setdefault(lines, []).append(part)
    found: list[Phase] = []
    for every in by_lines.values():
        long = [part for part in every if part.steps >= FEWEST]
        best = [_best(record, long)] if long else []
        found += [replace(part, continues=part.continues or len(every) >= TASKS) for part in best]
    return sorted(found, key=lambda part: part.first)


def _parts(record: ProgramRecord) -> list[Phase]:
    """Stretches of the record, such that no optimiser makes updates in two of them."""
    used = sorted(((note.first, n) for n, note in enumerate(record.optimizers) if note.steps), key=lambda pair: pair[0])
    groups: list[list[int]] = []
    for first, number in used:
        last = max((record.optimizers[n].last for n in groups[-1]), default=0) if groups else 0
        if groups and (first < last or _held(record, groups[-1]) == record.optimizers[number].held):
            groups[-1].append(number)  # in turns, or another optimiser that goes on with the same parameters
        else:
            groups.append([number])
    parts: list[Phase] = []
    before, known = 0, frozenset[int]()
    for group in groups:
        end, held = max(record.optimizers[n].last for n in group), _held(record, group)
        first = max(before, _begins(record.optimizers[group[0]])) if len(group) == 1 else before
        parts.append(Phase(first, end - first, frozenset(group), bool(held & known)))
        before, known = end, known | held
    return parts


def _begins(note: OptimizerRecord) -> int:
    """The backwards before those of the first update, of which there are as many as of each later one."""
    return note.first - max(round((note.last - note.first) / max(note.steps - 1, 1)), 1)


def _held(record: ProgramRecord, group: list[int]) -> frozenset[int]:
    notes: list[OptimizerRecord] = [record.optimizers[number] for number in group]
    return frozenset[int]().union(*(note.held for note in notes))


def _best(record: ProgramRecord, alike: list[Phase]) -> Phase:
    """The first of those that come about as far as the best."""
    ends = [outcome(replace(record, steps=record.steps[p.first : p.first + p.steps])) for p in alike]
    best = max(ends, key=_quality)
    near = AS_GOOD if best.accuracy is not None else AS_GOOD * abs(best.loss)
    return next(p for p, end in zip(alike, ends, strict=True) if end is best or _quality(end) >= _quality(best) - near)


def _quality(end: Outcome) -> float:
    return -end.loss if end.accuracy is None else end.accuracy
