"""The history of a run: a row per epoch and per k steps, kept in the checkpoint and written as CSV."""

from __future__ import annotations

import csv
import io
import time
from pathlib import Path
from typing import Any

from pellucid.train.callback import Callback
from pellucid.train.files import write_atomically
from pellucid.train.learner import Learner

Row = dict[str, Any]


class History(Callback):
    """Records the run.

    A row of kind `step` (one per `every` steps) has the loss of that step's batch; a row of kind `epoch` has the mean
    training loss over the epoch and the validation loss and metrics after it. `seconds` counts the time spent in
    `fit`, over all resumes.
    """

    order = 10

    def __init__(self, every: int = 50, path: Path | None = None) -> None:
        self.every, self.path = every, path
        self.rows: list[Row] = []
        self.best: Row | None = None
        self._seconds = 0.0
        self._started: float | None = None

    @property
    def seconds(self) -> float:
        return self._seconds + (time.perf_counter() - self._started if self._started is not None else 0.0)

    @property
    def epochs(self) -> list[Row]:
        return [row for row in self.rows if row["kind"] == "epoch"]

    def before_fit(self, learner: Learner) -> None:
        self._started = time.perf_counter()

    def after_batch(self, learner: Learner) -> None:
        if learner.step % self.every == 0:
            self._add(learner, "step", learner.epoch + 1, train_loss=learner.loss_value)

    def after_epoch(self, learner: Learner) -> None:
        values = {f"val_{name}": value for name, value in learner.evaluation.items()}
        row = self._add(learner, "epoch", learner.epoch, train_loss=learner.train_loss, **values)
        if "val_loss" in row and (self.best is None or row["val_loss"] < self.best["val_loss"]):
            self.best = row
        self.write()

    def after_fit(self, learner: Learner) -> None:
        self._seconds, self._started = self.seconds, None
        self.write()

    def write(self) -> None:
        if self.path is not None:
            write_atomically(self.path, self.to_csv())

    def to_csv(self) -> str:
        """The rows as CSV; numbers in full precision, an empty cell where a row has no such value."""
        names = list(dict.fromkeys(["kind", "epoch", "step", "train_loss", *(n for row in self.rows for n in row)]))
        names.sort(key=lambda name: name == "seconds")  # the one column that differs from run to run comes last
        text = io.StringIO()
        writer = csv.DictWriter(text, names, lineterminator="\n")
        writer.writeheader()
        writer.writerows(self.rows)
        return text.getvalue()

    def state_dict(self) -> dict[str, Any]:
        return {"rows": list(self.rows), "best": self.best, "seconds": self.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self.rows, self.best, self._seconds = list(state["rows"]), state["best"], state["seconds"]

    def _add(self, learner: Learner, kind: str, epoch: int, **values: float) -> Row:
        rate = learner.optimizer.param_groups[0]["lr"]
        row: Row = {"kind": kind, "epoch": epoch, "step": learner.step, **values, "lr": rate, "seconds": self.seconds}
        self.rows.append(row)
        return row
