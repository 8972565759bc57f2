"""The rows that a program trains on, kept up to a number."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor

from .arrays import array_of
from .criterion import LossCall
from .origins import Origins
from .record import ProgramRecord, StepRecord
from .rows import numbers

KEPT = 4000  # rows of the batches that are kept
WIDTH = 4096  # numbers of a row that are kept
ANSWERS = 300_000  # that are kept, from the first on
CLASSES = 20  # of which it is noted how much of each is recognised


class BatchNotes:
    """Enters batches in a record."""

    def __init__(self, record: ProgramRecord) -> None:
        self.record = record
        self.origins = Origins(record)
        self.kept = self.answers = 0
        self.times: list[float] = []  # of each pass: see `ProgramRecord.times`

    def note(self, given: tuple[Any, ...], call: LossCall, step: StepRecord) -> None:
        record = self.record
        step.recognised = _recognised(call)
        target, batch = call.target_array(), given[0] if given else None
        if batch is None or target is None or batch.dim() == 0:
            return
        if call.single:
            given = tuple(a[None] if isinstance(a, Tensor) and a.dim() else a for a in given)
            batch = given[0]
        x = array_of(batch)
        step.count = len(x)
        record.whole_numbers = not batch.is_floating_point()
        record.shape = tuple(x.shape[1:])
        flat = x.reshape(len(x), int(np.prod(x.shape[1:])))
        self.origins.note(flat)
        # Of what is no number, a program may make more, as the states of a game.
        if not record.steps or np.isfinite(record.steps[-1].loss):
            record.bad_inputs |= not bool(np.isfinite(flat).all())
            record.bad_targets |= not bool(np.isfinite(target.astype(float)).all())
        whole = target.ndim > 0 and len(target) >= len(x) and len(target) % max(len(x), 1) == 0
        record.rows.append(numbers(given) if whole else np.empty(0))  # one after the other in one long row, or by time
        self._note_answers(call, step, whole)
        if self.kept < KEPT:
            self.kept += len(x)
            record.inputs.append(flat[:, :WIDTH].copy())
            record.targets.append(target.copy())

    def note_several(self, calls: list[LossCall], loss: float) -> None:
        """A pass that calls a loss several times in one line, as for each step of a sequence, and what it comes to."""
        record, targets = self.record, [call.target_array() for call in calls]
        sizes = [target.size for target in targets if target is not None]
        alike = len({(call.kind, call.reduction, call.place) for call in calls}) == 1 and len(sizes) == len(calls)
        mean = sum(call.value or 0.0 for call in calls) / len(calls)
        if not alike or calls[0].reduction != "mean" or not mean:
            return
        if sum(map(len, record.every)) < KEPT:  # of many, as of pictures, some in the same distance stand for all
            apart = -(-sum(sizes) // KEPT)
            record.every.append(np.concatenate([target.ravel() for target in targets if target is not None])[::apart])
        self.times.append(loss / mean)
        record.times = float(np.median(self.times))  # the last batch may be smaller than others

    def _note_answers(self, call: LossCall, step: StepRecord, whole: bool) -> None:
        """Which rows are answered rightly."""
        right, labels = call.right(), call.labels()
        each = right is not None and labels is not None and right.size == labels.size == step.count and whole
        if right is None or labels is None or not each:
            self.record.answers.append(np.empty(0, bool))
            return
        kept = self.answers < ANSWERS
        self.answers += right.size
        self.record.answers.append(right.ravel().copy() if kept else np.empty(0, bool))


def _recognised(call: LossCall) -> dict[int, tuple[int, int]]:
    """See `StepRecord.recognised`."""
    right, labels = call.right(), call.labels()
    if right is None or labels is None or right.size != labels.size or not labels.size:
        return {}
    known = np.unique(labels)
    if len(known) > CLASSES:
        return {}
    return {int(c): (int(right.ravel()[labels == c].sum()), int((labels == c).sum())) for c in known}
