"""The record of a run: a row per step and per epoch, kept in the checkpoint, shown as a table, as CSV, as curves."""

from __future__ import annotations

import csv
import io
import math
from array import array
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.files import write_atomically
from pellucid.train.files.extras import need
from pellucid.train.loop import Callback, Loop
from pellucid.train.records.hyperparameters import Hyperparameters
from pellucid.train.records.stopwatch import Stopwatch

Row = dict[str, Any]

WRITE_SHARE = 0.01  # of the time may go into writing the file
WRITE_SECONDS = 2.0  # from one writing to the next in the midst of an epoch


class Recorder(Callback):
    """Records losses, metrics, learning rates and times, per step and per epoch.

    A row of kind `step` (one per `every` steps; none for a batch that was skipped before it had a loss) has the loss of
    that step's batch. A row of kind `epoch` has the mean training loss over the epoch, and the validation loss and
    metrics after it as `val_loss`, `val_<metric>`; a metric that is no single number, such as a confusion matrix, is
    left out. Both have the learning rate of that moment, as `lr` (`lr_1`, … of further parameter groups);
    every other hyperparameter of the optimiser (`momentum`, `beta1`, …) has a column if it changed during the run.
    `seconds` counts the time spent in `fit`, over all resumes.

    Args:
        every: steps from one row of kind `step` to the next.
        path: a file to write the rows to as CSV, at the end, after an epoch, and in the midst of one that takes
            longer than two seconds (unless that would take more than a hundredth of the time: in a long run of short
            epochs); whole at any moment.

    A step costs about a microsecond and 32 bytes: numbers are appended to an array, and only `rows` makes dicts of
    them. Raises ValueError if `every` is less than 1.

    >>> from pellucid import nn, optim, tensor
    >>> from pellucid.train import Learner
    >>> model = nn.Linear(1, 1)
    >>> batches = [(tensor([[1.0]]), tensor([[3.0]])), (tensor([[2.0]]), tensor([[5.0]]))]
    >>> learner = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))
    >>> learner.fit(3)
    >>> [row["step"] for row in learner.recorder.steps]
    [1, 2, 3, 4, 5, 6]
    >>> list(learner.recorder.epochs[-1])
    ['kind', 'epoch', 'step', 'train_loss', 'lr', 'seconds']
    """

    observes = True
    order = 10

    def __init__(self, every: int = 1, path: str | Path | None = None) -> None:
        if every < 1:
            raise ValueError(f"Recorder was given every={every}: it is the number of steps between rows, at least 1.")
        self.every, self.path = every, None if path is None else Path(path)
        self._forget()

    def _forget(self) -> None:
        # Three numbers a step (epoch, step, loss), one after the other, and the seconds: arrays of floats hold a
        # million steps in 32 MB and go into a checkpoint as they are. A float64 counts exactly up to 2⁵³.
        self._numbers, self._times = array("d"), array("d")
        self._epochs: list[tuple[int, Row]] = []  # with the number of step rows before it
        self._count = 0  # of rows of both kinds
        self._written = -1  # how many of them are in the file
        self._next_write = 0.0  # when to write it again, in seconds of the run
        self._next_pulse = math.inf  # the same in the midst of an epoch
        self._hyperparameters = Hyperparameters()
        self._rows: list[Row] = []
        self._watch = Stopwatch()

    def __repr__(self) -> str:
        """What it holds: the numbers of rows, and the figures of the last epoch."""
        last = self._epochs[-1][1] if self._epochs else {}
        figures = [f"{name} {value:.4g}" for name, value in last.items() if name.startswith(("train_", "val_"))]
        held = f"{len(self._epochs)} epochs, {self._count - len(self._epochs)} steps"
        return f"Recorder({'; '.join([held, *([', '.join(figures)] if figures else [])])})"

    @property
    def seconds(self) -> float:
        """Time spent in `fit` so far, in seconds."""
        return self._watch.seconds

    @property
    def rows(self) -> list[Row]:
        """All rows in the order in which they came."""
        if len(self._rows) != self._count:
            self._rows = self._make_rows()
        return self._rows

    @property
    def steps(self) -> list[Row]:
        """The rows of kind `step`."""
        return [row for row in self.rows if row["kind"] == "step"]

    @property
    def epochs(self) -> list[Row]:
        """The rows of kind `epoch`."""
        return [row for row in self.rows if row["kind"] == "epoch"]

    @property
    def best(self) -> Row | None:
        """The row of the epoch with the least validation loss; None where none was measured."""
        measured = [row for row in self.epochs if math.isfinite(row.get("val_loss", math.nan))]
        return min(measured, key=lambda row: row["val_loss"], default=None)

    # The hooks

    def before_fit(self, learner: Loop) -> None:
        if self._count:  # of a run that goes on, and whose file may lack its last epochs, or be ahead
            self._write()
        self._watch.start()
        self._next_pulse = math.inf if self.path is None else self.seconds + WRITE_SECONDS
        self._hyperparameters.watch(learner.optimizer.param_groups)

    def after_batch(self, learner: Loop) -> None:
        step = learner.step
        if step % self.every or learner.loss is None:
            return
        self._numbers.extend((learner.epoch + 1, step, learner.loss_value))
        seconds = self._watch.seconds
        self._times.append(seconds)
        self._hyperparameters.look(self._count)
        self._count += 1
        if seconds >= self._next_pulse:
            self._write_at(seconds)

    def amend(self, loss: float) -> None:
        """Put `loss` in the place of that of the last step: a loop that is not a Learner's may tell it late."""
        if self._numbers:
            self._numbers[len(self._numbers) - 1] = loss
            self._rows = []

    def after_epoch(self, learner: Loop) -> None:
        values = {"train_loss": learner.train_loss, **scalars(learner.evaluation)}
        row = {"kind": "epoch", "epoch": learner.epoch, "step": learner.step, **values, "seconds": self.seconds}
        self._hyperparameters.look(self._count)
        self._epochs.append((len(self._times), row))
        self._count += 1
        if self.seconds >= self._next_write:
            self._write_at(self.seconds)

    def after_fit(self, learner: Loop) -> None:
        self._watch.stop()
        self._write()

    # What is made of it

    def to_csv(self, path: str | Path | None = None) -> str:
        """The rows as CSV, also written to `path`; full precision, an empty cell where a row has no such value."""
        text = csv_text(self.rows)
        if path is not None:
            write_atomically(Path(path), text)
        return text

    def to_pandas(self) -> Any:
        """The rows as a pandas DataFrame, with NaN where a row has no such value.

        Raises ModuleNotFoundError where pandas is not installed.
        """
        return need("pandas", None, "Recorder.to_pandas()").DataFrame(self.rows)

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """The curves of loss, metrics and learning rate, as a matplotlib figure; see `pellucid.viz.curves`."""
        from pellucid.viz import curves

        return curves(self.rows, ax=ax, save=save)

    def _write_at(self, start: float) -> None:
        """Write, and say when to do so next."""
        self._write()
        now = self.seconds
        self._next_write = now + (now - start) / WRITE_SHARE
        self._next_pulse = math.inf if self.path is None else max(self._next_write, now + WRITE_SECONDS)

    def _write(self) -> None:
        if self.path is not None and self._written != self._count:
            self.to_csv(self.path)
            self._written = self._count

    # The state

    def state_dict(self) -> dict[str, Any]:
        times = {"total": self.seconds, "steps": np.array(self._times)}  # the one thing that is not to be repeated
        return {
            "numbers": np.array(self._numbers),
            "epochs": [list(entry) for entry in self._epochs],
            "hyperparameters": self._hyperparameters.state_dict(),
            "seconds": times,
        }

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._forget()
        self._numbers.frombytes(np.asarray(state["numbers"], np.float64).tobytes())
        self._times.frombytes(np.asarray(state["seconds"]["steps"], np.float64).tobytes())
        self._epochs = [(before, dict(row)) for before, row in state["epochs"]]
        self._count = len(self._times) + len(self._epochs)
        self._hyperparameters.load_state_dict(state["hyperparameters"])
        self._watch = Stopwatch(state["seconds"]["total"])

    def _make_rows(self) -> list[Row]:
        """The rows. All of them, each time: a hyperparameter that begins to change has a column from the start."""
        numbers = np.array(self._numbers).reshape(-1, 3).tolist()
        rows: list[Row] = [
            {"kind": "step", "epoch": int(epoch), "step": int(step), "train_loss": loss, "seconds": seconds}
            for (epoch, step, loss), seconds in zip(numbers, self._times, strict=True)
        ]
        for place, (before, row) in enumerate(self._epochs):
            rows.insert(before + place, dict(row))
        columns = self._hyperparameters.columns(len(rows))
        for place, row in enumerate(rows):
            seconds = row.pop("seconds")  # the one column that differs from run to run comes last
            row.update((name, value) for name, values in columns.items() if (value := values[place]) == value)
            row["seconds"] = seconds
        return rows


def scalars(evaluation: dict[str, Any]) -> dict[str, float]:
    """The single numbers of an evaluation, as `val_<name>`.

    >>> scalars({"loss": 0.5, "confusion": np.eye(2)})
    {'val_loss': 0.5}
    """
    return {f"val_{name}": float(value) for name, value in evaluation.items() if np.ndim(value) == 0}


def csv_text(rows: list[Row]) -> str:
    """Rows as CSV, with a column for each name that any of them has; `seconds` comes last.

    >>> csv_text([{"kind": "step", "train_loss": 0.5}, {"kind": "epoch", "val_loss": 0.25}])
    'kind,epoch,step,train_loss,val_loss\\nstep,,,0.5,\\nepoch,,,,0.25\\n'
    """
    names = list(dict.fromkeys(["kind", "epoch", "step", "train_loss", *(name for row in rows for name in row)]))
    names.sort(key=lambda name: name == "seconds")
    text = io.StringIO()
    writer = csv.DictWriter(text, names, lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()
