"""Cross-validation: the same training once for each part of a table, which it is then judged by.

Each row of the table is in one of K parts (of classes, each part has the same share of each), and judges once. What the
parts say together is the estimate of what the network is worth on new rows; the run that is kept is that of one part.
All are judged after the same epoch: the last, or, where the mean of their losses rose again, that of its least. So one
number is chosen by what judges, and not one for each part, which would promise too much.

Source: Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, 1974.
"""

from __future__ import annotations

import hashlib
import json
import math
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pellucid.experiments import baseline, build, overfitting
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.train import Callback, Learner, NaNGuard, NonFiniteError, RunFolder, write_json
from pellucid.train.loop import Loop

FILE = "folds.json"
UNFINISHED = "folds-unfinished.json"  # what a cross-validation has so far, and what it was asked for

# fold, train, val (rows), and what was measured: val_loss, val_accuracy, …; chance_loss, and in "course" what was
# measured after each epoch (empty where the network is not that of the last one); kept_epoch, where it is no last one
Fold = dict[str, Any]


class CrossValidation:
    """A training for each fold, of which nothing is kept but the figures, in the folder of the run that will be kept.

    Args:
        options: checked ones, with `folds`.
        done: what is known of the first folds.
    """

    def __init__(self, options: Options, folder: RunFolder, done: list[Fold] | None = None) -> None:
        self.options, self.folder = options, folder
        self.done: list[Fold] = done or []
        self.stopped = False
        self._learner: Learner | None = None  # that of the fold which is trained now

    @property
    def count(self) -> int:
        return self.options["folds"]

    def stop(self) -> None:
        """End after the step that is under way: the fold that it belongs to begins anew when it is gone on with."""
        self.stopped = True
        if self._learner is not None:
            self._learner.stop()

    def run(self, each: Callable[[Fold], None] = lambda fold: None) -> bool:
        """Train those that are left, and call `each` with the figures of one; whether all are done.

        Raises:
            UsageError: a training came apart, or the options make no sense.
        """
        self.folder.check_free(besides=[UNFINISHED])
        for number in range(len(self.done) + 1, self.count + 1):
            found = self._of_fold(number)
            if self.stopped:
                return False
            self.done.append(found)
            if number < self.count:
                self._keep()
            each(found)
        self.done = after_the_same_epoch(self.done)
        return True

    def _of_fold(self, number: int) -> Fold:
        own = {**self.options, "fold": number}
        data = source.load({**own, "quiet": True})
        config = settings.complete(own, source.classes_of(data))
        loaders = source.loaders(data, config.batch_size, config.seed, config.device)
        with tempfile.TemporaryDirectory() as folder:  # for what callbacks write
            course = _Course()
            learner = self._learner = build.learner(config, data, loaders, [NaNGuard(), course], folder=Path(folder))
            try:
                if not self.stopped:
                    learner.fit(config.epochs)
            except NonFiniteError as error:
                raise UsageError(
                    f"Fold {number} of {self.count} came apart: {str(error).splitlines()[0]} A smaller learning "
                    f"rate often helps: --lr {config.lr / 10:g}."
                ) from error
        if self.stopped:
            return {}
        chance = baseline.chance(data, config.loss, config.class_weights == "balanced").get("chance_loss", 1.0)
        rows = course.rows if overfitting.has_its_last_weights(learner) else []
        sizes = {"train": len(data.x_train), "val": len(loaders.val.dataset), "chance_loss": chance}
        return {"fold": number, **sizes, **_figures(learner.evaluate(loaders.val)), "course": rows}

    def _keep(self) -> None:
        self.folder.path.mkdir(parents=True, exist_ok=True)
        state = {"options": self.options, "table": _checksum(self.options), "folds": self.done}
        write_json(self.folder.path / UNFINISHED, state)


def take_up(path: Path, given: Options) -> CrossValidation | None:
    """The cross-validation that was interrupted in a folder; None where there is none.

    Raises:
        UsageError: something else is asked for than was then, or the table has changed.
    """
    file = path / UNFINISHED
    if not file.is_file() or RunFolder(path).config.exists():
        return None
    try:
        state = json.loads(file.read_text(encoding="utf-8"))
        options, table, done = state["options"], state["table"], state["folds"]
        list(measured(done * 2))
        same = _checksum(options) == table
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{file} does not hold the folds of a cross-validation. Was the file changed?") from error
    if not same:
        raise UsageError(f"{options['dataset']} has changed since its first folds were trained: begin anew.")
    options = settings.check(options)
    asked = settings.check({"dataset": options["dataset"], "target": options["target"], **given})
    for name, value in asked.items():
        if value != options.get(name):
            raise UsageError(
                f"--{name.replace('_', '-')} is {value}, and the folds in {path} were trained otherwise. Leave it out "
                "to go on with them, or begin anew without --resume."
            )
    return CrossValidation(options, RunFolder(path), done)


def _checksum(options: Options) -> str:
    try:
        return hashlib.sha256(Path(options["dataset"]).read_bytes()).hexdigest()
    except OSError as error:
        raise UsageError(f"{options['dataset']} cannot be read: {error.strerror}.") from error


class _Course(Callback):
    """What was measured after each epoch."""

    observes = True

    def __init__(self) -> None:
        self.rows: list[dict[str, Any]] = []

    def after_epoch(self, learner: Loop) -> None:
        self.rows.append({"epoch": learner.epoch, **_figures(learner.evaluation)})


def _figures(evaluation: dict[str, float]) -> dict[str, float]:
    return {f"val_{name}": value for name, value in evaluation.items()}


def after_the_same_epoch(folds: list[Fold]) -> list[Fold]:
    """The folds as they were after the epoch with the least mean loss, where that rose much since; else as they are.

    >>> losses = {1: (0.5, 0.2, 0.9), 2: (0.5, 0.4, 0.3)}
    >>> folds = [
    ...     {
    ...         "fold": k,
    ...         "chance_loss": 0.7,
    ...         "val_loss": each[-1],
    ...         "course": [{"epoch": i + 1, "val_loss": loss} for i, loss in enumerate(each)],
    ...     }
    ...     for k, each in losses.items()
    ... ]
    >>> [(fold["val_loss"], fold["kept_epoch"]) for fold in after_the_same_epoch(folds)]
    [(0.2, 2), (0.4, 2)]
    >>> after_the_same_epoch([{"fold": 1, "val_loss": 0.5}])  # of an older version, without its course
    [{'fold': 1, 'val_loss': 0.5}]
    """
    courses = [fold.get("course", []) for fold in folds]
    if not courses[0] or len({len(course) for course in courses}) > 1:  # they ended early, and are judged as they did
        return folds
    means = [
        {"epoch": rows[0]["epoch"], "val_loss": statistics.fmean(row.get("val_loss", math.nan) for row in rows)}
        for rows in zip(*courses, strict=True)
    ]
    turn = overfitting.turning(means, statistics.fmean(fold["chance_loss"] for fold in folds))
    if turn is None:
        return folds
    kept = {"kept_epoch": turn["epoch"]}
    then = [next(row for row in course if row["epoch"] == turn["epoch"]) for course in courses]
    measured_then = [{name: row[name] for name in row if name.startswith("val_")} for row in then]
    return [{**fold, **row, **kept} for fold, row in zip(folds, measured_then, strict=True)]


def judged_after(folds: list[Fold], epochs: int) -> int | None:
    """The epoch after which the folds of a training of `epochs` epochs were judged; None where they were trained for
    another number, or not judged after the same one.

    >>> course = [{"epoch": 1}, {"epoch": 2}, {"epoch": 3}]
    >>> judged_after([{"course": course, "kept_epoch": 2}], 3), judged_after([{"course": course}], 3)
    (2, 3)
    >>> judged_after([{"course": course, "kept_epoch": 2}], 6), judged_after([{"course": []}], 3), judged_after([], 3)
    (None, None, None)
    """
    if not folds or any(len(fold.get("course", [])) != epochs for fold in folds):
        return None
    return folds[0].get("kept_epoch", epochs)


def best(folds: list[Fold]) -> int:
    """The fold whose network has the least loss on its part."""
    return min(folds, key=lambda fold: fold["val_loss"])["fold"]


def measured(folds: list[Fold]) -> Iterator[tuple[str, float, float]]:
    """Each figure with its mean over the folds and their standard deviation (of a sample, n − 1).

    >>> list(measured([{"fold": 1, "val": 9, "val_loss": 1.0}, {"fold": 2, "val": 9, "val_loss": 3.0}]))
    [('val_loss', 2.0, 1.4142135623730951)]
    """
    for name in folds[0]:
        if name.startswith("val_"):
            values = [fold[name] for fold in folds]
            yield name, statistics.fmean(values), statistics.stdev(values)


def write(folder: RunFolder, folds: list[Fold]) -> None:
    """Keep the figures in the folder of the run that is kept."""
    write_json(folder.path / FILE, folds)
    (folder.path / UNFINISHED).unlink(missing_ok=True)


def read(folder: RunFolder) -> list[Fold]:
    """The figures of the folds, empty where the run is of none; UsageError where the file is damaged."""
    path = folder.path / FILE
    if not path.is_file():
        return []
    try:
        folds = json.loads(path.read_text(encoding="utf-8"))
        list(measured(folds))
    except (ValueError, TypeError, LookupError, AttributeError) as error:
        raise UsageError(f"{path} does not hold the figures of folds. Was the file changed?") from error
    return folds
