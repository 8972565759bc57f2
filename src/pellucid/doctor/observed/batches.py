"""The rows that a program trains on: kept up to a number, and told apart by one number each."""

from __future__ import annotations

from typing import Any

import numpy as np

from .criterion import LossCall
from .record import ProgramRecord, StepRecord

KEPT = 4000  # rows of the batches that are kept
WIDTH = 4096  # numbers of a row that are kept


class BatchNotes:
    """Enters batches in a record."""

    def __init__(self, record: ProgramRecord) -> None:
        self.record = record
        self.kept = 0
        self._projections: dict[int, np.ndarray] = {}

    def told_apart(self, flat: np.ndarray) -> np.ndarray:
        """A number for each row, the same for the same row."""
        width = flat.shape[1]
        if width not in self._projections:
            self._projections[width] = np.random.default_rng(7).normal(size=width)
        return flat @ self._projections[width]

    def note(self, batch: Any, call: LossCall, step: StepRecord) -> None:
        record = self.record
        target = call.target_array()
        if batch is None or target is None or batch.dim() == 0:
            return
        x = batch.detach().numpy()
        step.count = len(x)
        record.whole_numbers = not batch.is_floating_point()
        record.shape = tuple(x.shape[1:])
        flat = x.reshape(len(x), -1)
        record.bad_inputs = record.bad_inputs or not bool(np.isfinite(flat).all())
        record.bad_targets = record.bad_targets or not bool(np.isfinite(target.astype(float)).all())
        record.rows.append(self.told_apart(flat))
        if self.kept < KEPT:
            self.kept += len(x)
            record.inputs.append(flat[:, :WIDTH].copy())
            record.targets.append(target.copy())
