"""A run's folder as one page, for one's notes; made from the folder alone."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import shell
from pellucid.core import from_data
from pellucid.datasets import DataError, DataSet, read_table
from pellucid.experiments import baseline, choices, folds, overfitting
from pellucid.experiments import data as source
from pellucid.experiments import options as settings
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.importance import columns_of, importance
from pellucid.experiments.in_torch import in_torch
from pellucid.experiments.network import forward, probabilities, trained
from pellucid.experiments.parts import PARTS, Part
from pellucid.experiments.runs import Run, read
from pellucid.experiments.sampling import WRITTEN, read_written
from pellucid.experiments.shown import HEAD, cells_of, head_of
from pellucid.train import CheckpointError, RunFolder, load_checkpoint, write_atomically
from pellucid.viz import curves
from pellucid.viz.document import render
from pellucid.viz.report import RunReport, compose
from pellucid.viz.report_samples import Predictions, TrainingData
from pellucid.viz.report_text import Passage

MOST_POINTS = 2000  # of a scatter plot, and of the sample of a training part
READ = 800  # characters of a text that the network is shown to read


def write(record: RunReport, path: Path) -> None:
    """Put the page of `record` at `path`."""
    write_atomically(path, render(compose(record)))


def write_curves(record: RunReport, path: Path) -> None:
    """Draw the curves of `record` as the picture `path`."""
    curves(record.recorder, title=record.title, save=path)


def gather(folder: RunFolder, data: DataSet | None = None, where: Path | None = None) -> RunReport:
    """Everything that the report shows, from the folder, and the data: those given, or loaded as the run did."""
    (run,) = read([folder.path])
    config, described = settings.from_json(run.config), run.data
    notes: list[str] = []
    if data is None:
        data = _load(config, described, where, notes)
    model = _model(folder, config, described, notes)
    first = np.zeros((1, *described.get("sample_shape", ())), np.float32) if data is None else data.x_train[:1]
    failure = folder.failure.read_text(encoding="utf-8") if folder.failure.exists() else ""
    unlearned = baseline.unlearned(run.summary, described.get("val", 0))
    return RunReport(
        title=config.title,
        subtitle=_how(config),
        state=_state(run, bool(failure), bool(unlearned)),
        problem=failure.strip() or unlearned or _overfitted(run, config),
        recorder=run.rows,
        kept=run.summary.get("kept_epoch"),
        headlines=_headlines(run, config, model),
        data=_data(config, described, data, where),
        predictions=None if model is None or data is None else _predictions(config, described, data, model, where),
        text=_passage(folder, data, model) if config.source == "text" else None,
        inside=[(part.picture, _load_part(part, folder, notes)) for part in PARTS],
        model=model,
        before=_at_the_start(run),
        inputs=[from_data(np.ascontiguousarray(first))],
        settings={**config.options, "data fingerprint": described.get("fingerprint")},
        environment=folder.read_environment(),
        commands=[*_commands(config, folder, run.complete), *_in_torch(model, folder, described)],
        notes=notes,
    )


def _overfitted(run: Run, config: Config) -> str:
    ended = any(text.startswith("early-stopping") for text in config.callback)  # in time, as was asked for
    return "" if ended else overfitting.told(run.summary, run.epochs)


def _state(run: Run, failed: bool, unlearned: bool) -> str:
    if not run.complete:
        return "diverged" if failed else "unfinished"
    return "did not learn" if unlearned else "complete"


# What the folder holds ----------------------------------------------------------------------------------------------


def _load_part(part: Part, folder: RunFolder, notes: list[str]) -> Mapping[str, Any]:
    try:
        return part.load(folder)
    except ValueError as error:
        notes.append(f"Without statistics: {error}")
        return {}


def _at_the_start(run: Run) -> dict[str, Any]:
    """The parameters before the first step; empty where that checkpoint is gone."""
    try:
        return load_checkpoint(run.checkpoints[0])["model"]
    except (KeyError, CheckpointError):
        return {}


def _model(folder: RunFolder, config: Config, described: dict[str, Any], notes: list[str]) -> Any:
    if not described.get("sample_shape"):
        notes.append("config.json does not say what a sample is, so the network cannot be built again.")
        return None
    try:
        return trained(folder, config, described)
    except (UsageError, RuntimeError, ValueError) as error:  # not there, of another model, or damaged
        notes.append(f"Without the network: {error}")
        return None


def _load(config: Config, described: dict[str, Any], where: Path | None, notes: list[str]) -> DataSet | None:
    options = dict(config.options)
    is_file = config.source in source.FILES
    if where is not None and config.dataset != "mnist" and not is_file:
        notes.append(f"--data {where} was not read: the data of {config.dataset} are not in a file.")
        where = None
    if where is not None:
        options["dataset" if is_file else "data"] = str(where.absolute())
    try:
        data = source.load({**options, "quiet": True, "download": False})
    except (DataError, OSError) as error:
        hint = "" if where is not None else " Say where they are: pellucid report RUN --data PATH."
        notes.append(f"Without the data: {str(error).rstrip('.')}.{hint}")
        return None
    if source.fingerprint(data) != described.get("fingerprint"):
        notes.append(
            "Without the data: those at hand are not those that the run was made with (their checksum differs)."
        )
        return None
    return data


def _how(config: Config) -> str:
    """The run in a line: what was minimised, by what, in which steps."""
    words = [config.loss, f"{config.optimizer}, learning rate {config.lr:g}"]
    if config.schedule != "constant":
        words.append(f"{config.schedule} schedule")
    words += [f"batches of {config.batch_size}", *getattr(config, "callback", ()), f"seed {config.seed}"]
    return " · ".join(words)


def _headlines(run: Run, config: Config, model: Any) -> list[tuple[str, Any, str]]:
    """What the rows do not tell at a glance: figures on the test part, size, length, time."""
    found: list[tuple[str, Any, str]] = [
        (name.replace("test_", "test ").replace("r2", "R²"), value, "")
        for name, value in run.summary.items()
        if name.startswith("test_")
    ]
    if "chance_mae" in run.summary:
        found.append(("mean absolute error of always answering the mean", run.summary["chance_mae"], ""))
    judged = folds.read(RunFolder(run.path))
    for name, mean, spread in folds.measured(judged) if judged else ():
        each = ", ".join(f"{fold[name]:.4g}" for fold in judged)
        label = name.replace("val_", "validation ").replace("r2", "R²")
        found.append((f"{label}, mean of {len(judged)} folds", f"{mean:.4g}", f"± {spread:.2g}: {each}"))
    if model is not None:
        found.append(("parameters", sum(parameter.numel() for parameter in model.parameters()), ""))
    found.append(("epochs", len(run.epochs), f"of {config.epochs}; {run.steps:,} steps"))
    seconds = run.rows[-1].get("seconds") if run.rows else None
    if seconds:
        found.append(("time", _duration(seconds), f"{1000 * seconds / max(run.rows[-1]['step'], 1):.3g} ms per step"))
    return found


def _duration(seconds: float) -> str:
    if seconds < 60:
        return f"{seconds:.1f} s"
    minutes, hours = int(seconds // 60), int(seconds // 3600)
    return f"{minutes} min {seconds % 60:.0f} s" if not hours else f"{hours} h {minutes % 60} min"


def _commands(config: Config, folder: RunFolder, complete: bool) -> list[tuple[str, str]]:
    path = shell.quote(folder.path)
    found = [("The same run", settings.command(config.options))]
    if not complete:
        found.append(("Go on with it", f"pellucid train --resume {path}"))
    elif not choices.spread(config.schedule):
        found.append(("Train on", f"pellucid train --resume {path} --epochs {2 * config.epochs}"))
    if config.source == "text":
        found.append(("Have its network write", f"pellucid sample {path}"))
    else:
        found.append(("Predict with its network", f"pellucid predict {path} FILE"))
    found.append(("This page again", f"pellucid report {path}"))
    return found


def _in_torch(model: Any, folder: RunFolder, described: dict[str, Any]) -> list[tuple[str, str]]:
    if model is None:
        return []
    shape, classes = tuple(described.get("sample_shape", ())), described.get("classes", ())
    program = in_torch(model, folder.model, shape, classes, bool(described.get("facts", {}).get("lines")))
    return [("Load its network in PyTorch", program)] if program else []


# The data -----------------------------------------------------------------------------------------------------------


def _data(config: Config, described: dict[str, Any], data: DataSet | None, where: Path | None) -> TrainingData:
    table = (where or Path(config.dataset)) if config.source == "csv" else None
    facts: dict[str, Any] = described.get("facts", {})
    names = [str(name) for name in described.get("features", [])]
    plain = {
        _TOLD.get(name, name.replace("_", " ")): _WAYS.get(str(value), value) if name == "missing" else value
        for name, value in facts.items()
        if isinstance(value, str | int | float) and not name.startswith(("target_", "feature_", "task_")) and value != 0
    }
    record: dict[str, Any] = {
        "description": described.get("description", ""),
        "counts": {part: described.get(key, 0) for part, key in _PARTS.items()},
        "class_names": [str(name) for name in described.get("classes", [])],
        "facts": plain,
        "columns": [] if table is None else _columns(names, facts),
        "column_heads": ("column", "role", "kind", "missing", "holds", "note") if facts.get("table") else (),
    }
    if data is None:
        return TrainingData(**record)
    if data.task == "text":
        record["class_names"] = []  # the characters are in the description
        return TrainingData(**record, head=_opening(data), caption="Some samples of the training part.")
    if record["class_names"]:
        record["class_counts"] = np.bincount(data.y_train, minlength=len(record["class_names"])).tolist()
    if table is not None and table.is_file():
        record["head"] = head_of(read_table(table, config.header, config.encoding))
    whole = data.x_train.ndim > 2  # of images, a few of each class are picked
    x, y = (data.x_train, data.y_train) if whole else (data.x_train[:MOST_POINTS], data.y_train[:MOST_POINTS])
    axes = (names[0], names[1]) if len(names) == 2 else ("x₁", "x₂")
    return TrainingData(**record, x=_as_seen(x, names, facts), y=_in_units(y, facts), axes=axes)


_TOLD = {
    "missing": "cells without a value",
    "rows_left_out": "rows left out for a missing value",
    "unseen_categories": "cells of a category that only the validation part has",
}
_WAYS = {
    "drop": "their rows are left out",
    "category": "a category of their own",
    "mean": "the mean of their column; among texts, a category",
    "indicator": "the mean of their column, and a column that says where; among texts, a category",
}
_PARTS = {"training": "train", "validation": "val", "test": "test"}


def _as_seen(x: np.ndarray, names: list[str], facts: dict[str, Any]) -> np.ndarray:
    """Samples as a person knows them: images without their one channel, features before they were standardised."""
    if x.ndim == 4:
        return x[:, 0] if x.shape[1] == 1 else x.transpose(0, 2, 3, 1)  # (N, C, H, W) -> (N, H, W, C)
    mean, std = _scale(names, facts)
    seen = x * std + mean
    seen[abs(seen) < 1e-6 * (std + abs(mean))] = 0  # what float32 left of it
    return seen


def _in_units(y: np.ndarray, facts: dict[str, Any]) -> np.ndarray:
    if y.dtype.kind != "f":
        return y
    return y.reshape(-1) * facts.get("target_std", 1.0) + facts.get("target_mean", 0.0)


def _scale(names: list[str], facts: dict[str, Any]) -> tuple[np.ndarray, np.ndarray]:
    """Mean and deviation that each feature was standardised with; 0 and 1 where it was not."""
    mean, std = facts.get("feature_mean", {}), facts.get("feature_std", {})
    if isinstance(mean, dict):  # of a table, whose categories were not
        mean, std = [mean.get(name, 0.0) for name in names], [std.get(name, 1.0) for name in names]
    return np.asarray(mean, dtype=np.float64), np.asarray(std, dtype=np.float64)


def _columns(names: list[str], facts: dict[str, Any]) -> list[tuple[Any, ...]]:
    """How each column of a table was understood, and what is left out and why; of an older run, what was made of it."""
    if facts.get("table"):
        keys = ("name", "role", "kind", "missing", "holds", "note")
        return [tuple(row.get(key) or "" for key in keys) for row in facts["table"]]
    mean, std = facts.get("feature_mean", {}), facts.get("feature_std", {})
    numbers = [(name, f"numbers, mean {mean[name]:.4g}, standard deviation {std[name]:.4g}") for name in mean]
    categories = [
        (name, f"{len(values)} categories: {', '.join(values[:8])}{', …' if len(values) > 8 else ''}")
        for name, values in facts.get("categories", {}).items()
    ]
    order = {name.partition("=")[0]: i for i, name in reversed(list(enumerate(names)))}
    return sorted([*numbers, *categories], key=lambda pair: order.get(pair[0], len(order)))


def _predictions(
    config: Config, described: dict[str, Any], data: DataSet, model: Any, where: Path | None
) -> Predictions | None:
    if data.x_val is None or data.y_val is None or data.task == "text":
        return None
    facts, names = described.get("facts", {}), [str(name) for name in described.get("features", [])]
    classes = [str(name) for name in described.get("classes", [])]

    def answers(x: np.ndarray) -> np.ndarray:
        outputs = forward(model, x)
        return probabilities(outputs, config) if classes else _in_units(outputs, facts)

    mean, std = _scale(names, facts)

    def at_points(points: Any) -> np.ndarray:
        return answers(((np.asarray(points) - mean) / std).astype(np.float32))

    worth = _importance(config, data, answers, columns_of(names, facts), facts)
    path = (where or Path(config.dataset)) if config.source == "csv" else None
    table = read_table(path, config.header, config.encoding) if path is not None and path.is_file() else None
    in_the_plane = data.x_val.ndim == 2 and data.x_val.shape[1] == 2
    return Predictions(
        part="validation",
        x=_as_seen(data.x_val, names, facts),
        target=_in_units(data.y_val, facts),
        output=answers(data.x_val),
        predict=at_points if in_the_plane else None,
        class_names=classes,
        names=[f"{name}(empty)" if name.endswith("=") else name for name in names],
        unit=config.target or "target",
        cells=cells_of(table, data, facts, [name for name, _, _ in worth]),
        importance=worth,
    )


def _importance(
    config: Config,
    data: DataSet,
    answers: Callable[[np.ndarray], np.ndarray],
    places: dict[str, list[int]],
    facts: dict[str, Any],
) -> list[tuple[str, float, float]]:
    """What the columns of a table are worth; of one column nothing is to be said."""
    if config.source != "csv" or len(places) < 2 or data.x_val is None or data.y_val is None:
        return []
    return importance(answers, data.x_val, _in_units(data.y_val, facts), places, config.seed)


# Text ---------------------------------------------------------------------------------------------------------------


def _opening(data: DataSet) -> tuple[list[str], list[list[str]]]:
    """The first samples that were learned from, as they are read and as they are to be gone on with."""
    rows = [["".join(data.class_names[i] for i in row[row >= 0]) for row in pair] for pair in _pairs(data)]
    shown = [[text.replace("\n", "⏎") for text in row] for row in rows]
    return ["characters", "the next of each"], shown


def _pairs(data: DataSet) -> Iterator[tuple[np.ndarray, np.ndarray]]:
    for x, y in zip(data.x_train[:HEAD], data.y_train[:HEAD], strict=True):
        yield np.where(y >= 0, x, -1), y


def _passage(folder: RunFolder, data: DataSet | None, model: Any) -> Passage:
    """What the network wrote, and how it reads the beginning of the validation part."""
    written = read_written(folder.path / WRITTEN)
    if data is None or model is None or data.x_val is None or data.y_val is None:
        return Passage(written)
    length = data.sample_shape[0]
    x, y = data.x_val[: max(1, READ // length)], data.y_val[: max(1, READ // length)]
    scores = forward(model, x)  # (N, V, T)
    shifted = scores - scores.max(axis=1, keepdims=True)
    logs = shifted - np.log(np.exp(shifted).sum(axis=1, keepdims=True))
    cost = -np.take_along_axis(logs, np.maximum(y, 0)[:, None], axis=1)[:, 0] / np.log(2)  # (N, T)
    kept = y >= 0
    first = [] if data.facts["lines"] else [(int(x[0, 0]), None)]  # of running text nothing comes before it
    found = [*first, *((int(number), float(bits)) for number, bits in zip(y[kept], cost[kept], strict=True))]
    return Passage(written, "".join(data.class_names[number] for number, _ in found), [bits for _, bits in found])
