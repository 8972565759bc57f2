"""A log of the run as CSV that grows with every step."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import IO, Any

from pellucid.files import write_atomically
from pellucid.train.loop import Callback, Loop
from pellucid.train.records.history import START, parse
from pellucid.train.records.hyperparameters import Hyperparameters
from pellucid.train.records.recorder import scalars
from pellucid.train.records.stopwatch import Stopwatch


class CSVLogger(Callback):
    """Appends the rows of a `Recorder` to a file as they come, so that a run that is killed leaves all of them.

    A fit that begins at step 0 begins the file anew. One that goes on with a run goes on with its file: rows of steps
    after the checkpoint, which will be made again, are cut off first, and a last line that was torn. A column that
    turns up during the run (a hyperparameter that begins to change) is put into the rows before it too, for which the
    file is written anew, whole at any moment.

    Args:
        path: the file; its folder is made when the fit begins.
        every: steps from one row of kind `step` to the next.

    Raises:
        ValueError: `every` is less than 1; or (when the fit begins) the file is there and is not such a log.
    """

    observes = True
    order = 20

    def __init__(self, path: str | Path, every: int = 1) -> None:
        if every < 1:
            raise ValueError(f"CSVLogger was given every={every}: it is the number of steps between rows, at least 1.")
        self.path, self.every = Path(path), every
        self._hyperparameters, self._watch = Hyperparameters(), Stopwatch()
        self._columns: list[str] = []
        self._file: IO[str] | None = None

    def before_fit(self, learner: Loop) -> None:
        self.path.parent.mkdir(parents=True, exist_ok=True)
        rows = self._read()
        kept = [row for row in rows if learner.step and _is_before(row, learner)]
        self._columns = list(kept[0]) if kept else [*START, "lr", "seconds"]
        self._write(kept)
        self._hyperparameters.watch(learner.optimizer.param_groups)
        self._watch.start()

    def after_batch(self, learner: Loop) -> None:
        if learner.step % self.every == 0 and learner.loss is not None:
            self._add(learner, "step", learner.epoch + 1, {"train_loss": learner.loss_value})

    def after_epoch(self, learner: Loop) -> None:
        self._add(learner, "epoch", learner.epoch, {"train_loss": learner.train_loss, **scalars(learner.evaluation)})

    def after_fit(self, learner: Loop) -> None:
        self._watch.stop()
        if self._file is not None:
            self._file.close()
            self._file = None

    def state_dict(self) -> dict[str, Any]:
        return {"hyperparameters": self._hyperparameters.state_dict(), "seconds": self._watch.seconds}

    def load_state_dict(self, state: dict[str, Any]) -> None:
        self._hyperparameters.load_state_dict(state["hyperparameters"])
        self._watch = Stopwatch(state["seconds"])

    def _add(self, learner: Loop, kind: str, epoch: int, values: dict[str, float]) -> None:
        self._hyperparameters.look(learner.step)
        row = {"kind": kind, "epoch": epoch, "step": learner.step, **values, **self._hyperparameters.current()}
        row["seconds"] = self._watch.seconds
        new = [name for name in row if name not in self._columns]
        if new:
            self._widen(new)
        # The file is buffered by lines: what is written here stays when the process is killed.
        csv.DictWriter(self._file, self._columns, lineterminator="\n").writerow(row)  # pyright: ignore[reportArgumentType]

    def _widen(self, new: list[str]) -> None:
        rows = self._read()
        self._columns = sorted([*self._columns, *new], key=_place)
        for row in rows:
            for name in new:
                first = self._hyperparameters.first(name)
                row[name] = "" if first is None else str(first)
        self._write(rows)

    def _read(self) -> list[dict[str, str]]:
        """The rows of the file, but for a last line that was cut short."""
        try:
            return [row for _, row in parse(self.path)]
        except FileNotFoundError:
            return []
        except ValueError as error:
            raise ValueError(
                f"{self.path} is there and is no log of CSVLogger: give the path of a new file. ({error})"
            ) from None

    def _write(self, rows: list[dict[str, str]]) -> None:
        """Put these rows into the file, and open it to append to it."""
        if self._file is not None:
            self._file.close()
        text = io.StringIO()
        writer = csv.DictWriter(text, self._columns, lineterminator="\n")
        writer.writeheader()
        writer.writerows(rows)
        write_atomically(self.path, text.getvalue())
        self._file = open(self.path, "a", encoding="utf-8", newline="", buffering=1)  # noqa: SIM115 (closed by after_fit)


def _place(name: str) -> tuple[int, int]:
    """The place of a column: what says which row it is, the evaluation, the hyperparameters, and the time last."""
    if name in START:
        return 0, START.index(name)
    return (3 if name == "seconds" else 1 if name.startswith("val_") else 2), 0


def _is_before(row: dict[str, str], learner: Loop) -> bool:
    """Whether the row is of what the run has done already."""
    return int(row["step"]) <= learner.step and (row["kind"] == "step" or int(row["epoch"]) <= learner.epoch)
