"""Cross-validation: the same training once for each part of a table, which it is then judged by.

Each row of the table is in one of K parts (of classes, each part has the same share of each), and judges once. What the
parts say together is the estimate of what the network is worth on new rows; the run that is kept is that of one part.

Source: Stone, Cross-Validatory Choice and Assessment of Statistical Predictions, 1974.
"""

from __future__ import annotations

import json
import statistics
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

from pellucid.experiments import build
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Options
from pellucid.experiments.errors import UsageError
from pellucid.train import NaNGuard, NonFiniteError, RunFolder, write_atomically

FILE = "folds.json"

Fold = dict[str, Any]  # fold, train, val (rows), and what was measured: val_loss, val_accuracy, …


def cross_validate(given: Options, each: Callable[[Fold], None] = lambda fold: None) -> list[Fold]:
    """Train once for each fold, and keep nothing but the figures; `each` is called with those of a fold.

    Raises:
        UsageError: a training came apart, or the options make no sense.
    """
    options = settings.check(given)
    found: list[Fold] = []
    for number in range(1, options["folds"] + 1):
        own = {**options, "fold": number}
        data = source.load({**own, "quiet": True})
        config = settings.complete(own, source.classes_of(data))
        loaders = source.loaders(data, config.batch_size, config.seed, config.device)
        with tempfile.TemporaryDirectory() as folder:  # for what callbacks write
            learner = build.learner(config, data, loaders, [NaNGuard()], folder=Path(folder))
            try:
                learner.fit(config.epochs)
            except NonFiniteError as error:
                raise UsageError(
                    f"Fold {number} of {options['folds']} came apart: {str(error).splitlines()[0]} A smaller learning "
                    f"rate often helps: --lr {config.lr / 10:g}."
                ) from error
        figures = {f"val_{name}": value for name, value in learner.evaluate(loaders.val).items()}
        found.append({"fold": number, "train": len(data.x_train), "val": len(loaders.val.dataset), **figures})
        each(found[-1])
    return found


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
    write_atomically(folder.path / FILE, json.dumps(folds, indent=2) + "\n")


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
