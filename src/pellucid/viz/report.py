"""The report of a run: its record in, a page out that can be kept, sent and printed. What is absent is left out."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.viz import document as page
from pellucid.viz.document import (
    Block,
    Code,
    Columns,
    Document,
    Facts,
    Gallery,
    Headline,
    Picture,
    Section,
    Table,
    Text,
)
from pellucid.viz.values import rows_of

_NAMES = {"r2": "R²", "mae": "mean absolute error", "auc": "AUC", "f1": "F1", "lr": "learning rate"}
MOST_EPOCHS = 200  # rows of the table of epochs; a longer run shows some of them
MOST_IMAGES = 20
MOST_MARKS = 500  # in a drawing that is stored as SVG
MOST_ROWS, MOST_FEATURES = 12, 8  # of a table of samples


@dataclass(frozen=True)
class Data:
    """What a network was trained on.

    Attributes:
        x, y: a sample of the training part: images (N, height, width[, 3]), points (N, 2), or features (N, F); class
            numbers (N,), or real numbers (N,).
        counts: samples per part.
        class_counts: samples of the training part per class.
        columns: of a table, a row per column: name, what it holds.
        head: of a table, its header and first rows as they are in the file.
        axes: what the two coordinates of points are called.
    """

    description: str = ""
    counts: Mapping[str, int] = field(default_factory=dict)
    x: Any = None
    y: Any = None
    class_names: Sequence[str] = ()
    class_counts: Sequence[int] = ()
    columns: Sequence[tuple[str, str]] = ()
    head: tuple[Sequence[str], Sequence[Sequence[str]]] | None = None
    facts: Mapping[str, Any] = field(default_factory=dict)
    axes: tuple[str, str] = ("x₁", "x₂")


@dataclass(frozen=True)
class Predictions:
    """What a network answers for samples that it did not learn from.

    Attributes:
        part: which samples they are, such as "validation".
        x: images (N, height, width[, 3]), points (N, 2) or features (N, F).
        target: class numbers (N,), or real numbers (N,) in the units of the data.
        output: a score or probability per class (N, C), or real numbers (N,).
        predict: from points (M, 2) to outputs, where x are points.
        names: of a table's features.
        unit: what the target is called, for a real one.
    """

    part: str
    x: Any
    target: Any
    output: Any
    predict: Callable[[Any], Any] | None = None
    class_names: Sequence[str] = ()
    names: Sequence[str] = ()
    unit: str = "target"


@dataclass(frozen=True)
class Report:
    """All that a report may show; every part may be absent.

    Attributes:
        title, subtitle: what the run is called, and a sentence about it.
        state: "complete", "stopped", "diverged".
        problem: what went wrong, shown first.
        recorder: a `Recorder`, or its rows.
        headlines: more figures beside those that the rows give: (name, value, note).
        data, predictions: see there.
        activations, gradients: the records of `ActivationStats` and `GradientStats`.
        parameters: arrays by name, for their histograms.
        summary: the table of the model's layers, as `viz.summary` makes it.
        graph: the model's graph as HTML, as `viz.graph_fragment` makes it.
        settings: names and values.
        environment: what it was computed with, a dict per stretch, as `train.environment()` gives it.
        commands: what to type, by what it does.
        notes: what could not be shown, and why.
    """

    title: str = "A run"
    subtitle: str = ""
    state: str = ""
    problem: str = ""
    recorder: Any = None
    headlines: Sequence[tuple[str, Any, str]] = ()
    data: Data | None = None
    predictions: Predictions | None = None
    activations: Mapping[str, Any] = field(default_factory=dict)
    gradients: Mapping[str, Any] = field(default_factory=dict)
    parameters: Mapping[str, Any] = field(default_factory=dict)
    summary: Any = None
    graph: str = ""
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()


def report(path: str | Path, **parts: Any) -> Path:
    """Write a report as one HTML file that needs no network: for one's notes, to send, to print.

    Args:
        path: the file; written beside its place and then moved into it.
        parts: the fields of `Report`, each of which may be left out: `title`, `recorder`, `activations`, `gradients`,
            `parameters`, `graph`, `data`, `predictions`, `settings`, ….

    Returns:
        The path.

    Raises:
        TypeError: a part that is none of these.
        ImportError: matplotlib or Jinja is not installed; it says what to install.

        >>> import tempfile
        >>> rows = [{"kind": "epoch", "epoch": i, "step": 10 * i, "train_loss": 1 / i} for i in range(1, 5)]
        >>> with tempfile.TemporaryDirectory() as folder:
        ...     written = report(Path(folder) / "run.html", title="circle, two layers", recorder=rows)
        ...     "<h1>circle, two layers" in written.read_text(encoding="utf-8")
        True
    """
    return page.save(compose(Report(**parts)), path)


def compose(record: Report) -> Document:
    """The page that shows a record."""
    rows = rows_of(record.recorder) if record.recorder is not None else []
    sections = [
        _curves(rows),
        _data(record.data),
        _predictions(record.predictions),
        _statistics(record),
        _model(record),
        _settings(record),
        _environment(record.environment),
        _commands(record.commands),
    ]
    opening = [Text(record.problem, "warning")] if record.problem else []
    opening += [Text(note, "note") for note in record.notes]
    found = [section for section in sections if section is not None]
    if opening:
        found.insert(0, Section("Notes", opening))
    return Document(
        title=record.title,
        subtitle=record.subtitle,
        state=record.state,
        headlines=[
            *_headlines(rows),
            *(Headline(name, page.cell(value), note) for name, value, note in record.headlines),
        ],
        sections=found,
        footer=["Written by pellucid. This file is complete in itself: it loads nothing from anywhere."],
    )


# The rows of the run ------------------------------------------------------------------------------------------------


def name_of(column: str) -> str:
    """A column's name in words: "val_top_k" is "validation top k"."""
    for start, word in (("val_", "validation "), ("train_", "training "), ("test_", "test ")):
        if column.startswith(start):
            rest = column[len(start) :]
            return word + _NAMES.get(rest, rest.replace("_", " "))
    return _NAMES.get(column, column.replace("_", " "))


def _number(row: Mapping[str, Any], name: str) -> float | None:
    value = row.get(name)
    return float(value) if isinstance(value, int | float) and not isinstance(value, bool) else None


def _headlines(rows: Sequence[Mapping[str, Any]]) -> list[Headline]:
    """Metrics and losses at the end, each with its best."""
    epochs = [row for row in rows if row.get("kind") == "epoch"]
    if not epochs:
        return []
    last = epochs[-1]
    columns = [name for name in last if name.startswith("val_") and _number(last, name) is not None]
    columns.sort(key=lambda name: name == "val_loss")  # the metrics first
    found: list[Headline] = []
    for column in columns:
        values = [(_number(row, column), row.get("epoch")) for row in epochs]
        known = [(value, epoch) for value, epoch in values if value is not None and math.isfinite(value)]
        falls = "loss" in column or "error" in column or column == "val_mae"
        note = ""
        if known:
            value, epoch = (min if falls else max)(known, key=lambda pair: pair[0])
            word = "least" if falls else "best"
            note = f"the {word} of the run" if value == last[column] else f"{word}: {page.number(value)}, epoch {epoch}"
        found.append(Headline(name_of(column), page.cell(_number(last, column)), note))
    found.append(Headline("training loss", page.cell(_number(last, "train_loss")), "mean of the last epoch"))
    return found


def _curves(rows: Sequence[Mapping[str, Any]]) -> Section | None:
    if not rows:
        return None
    from pellucid.viz.curves import curves

    epochs = [row for row in rows if row.get("kind") == "epoch"]
    blocks: list[Block] = [Picture(curves(rows), _told(rows))]
    if epochs:
        names = [name for name in dict.fromkeys(name for row in epochs for name in row) if name not in ("kind", "step")]
        shown = epochs
        if len(epochs) > MOST_EPOCHS:
            shown = [epochs[i] for i in np.unique(np.linspace(0, len(epochs) - 1, MOST_EPOCHS).astype(int))]
        cells = [[row.get(name) for name in names] for row in shown]
        some = "" if shown is epochs else f"; {len(shown)} of {len(epochs)} epochs"
        titles = [name_of(name) if name != "seconds" else "time [s]" for name in names]
        blocks.append(Table(titles, cells, f"The figures of each epoch as a table{some}", folded=True))
    return Section("Curves", blocks)


def _told(rows: Sequence[Mapping[str, Any]]) -> str:
    """The curves in words, for who cannot see them."""
    losses = [value for row in rows if (value := _number(row, "train_loss")) is not None]
    text = f"Curves over {page.cell(int(rows[-1]['step']))} steps"
    if losses:
        text += f": the training loss goes from {page.number(losses[0])} to {page.number(losses[-1])}"
    measured = [row for row in rows if math.isfinite(_number(row, "val_loss") or math.nan)]
    if measured:
        best = min(measured, key=lambda row: row["val_loss"])
        least, step = page.number(best["val_loss"]), page.cell(int(best["step"]))
        text += f"; the validation loss is least, {least}, at step {step}"
    return text + "."


# Data and predictions -----------------------------------------------------------------------------------------------


def _data(data: Data | None) -> Section | None:
    if data is None:
        return None
    blocks: list[Block] = []
    x = None if data.x is None else np.asarray(data.x)
    y = None if data.y is None else np.asarray(data.y)
    if data.counts:
        counted = ", ".join(f"{count:,} {part}" for part, count in data.counts.items() if count)
        blocks.append(Text(f"Samples: {counted}."))
    if x is not None and x.ndim >= 3 and y is not None:
        chosen = _some_of_each(y, MOST_IMAGES)
        labels = [_class(int(y[i]), data.class_names) for i in chosen]
        alts = [f"image labelled {label}" for label in labels]
        caption = "Images of the training part, each with the class that it is labelled."
        blocks.append(Gallery(x[chosen], labels, alts, caption))
    elif x is not None and x.ndim == 2 and x.shape[1] == 2 and y is not None and data.class_names:
        from pellucid.viz.plane import scatter

        figure = scatter(x, y, class_names=data.class_names, feature_names=data.axes)
        counted = f"{len(x):,} points" if len(x) == sum(data.class_counts or [len(x)]) else f"{len(x):,} of the points"
        told = f"{counted} of the training part in the plane, coloured by their class: {', '.join(data.class_names)}."
        blocks.append(Picture(figure, told, told, pixels=len(x) > MOST_MARKS))
    if data.head is not None:
        header, rows = data.head
        blocks.append(Table(header, rows, "The first rows of the file."))
    if data.columns:
        folded = len(data.columns) > 12
        blocks.append(Table(["column", "holds"], data.columns, "What the columns of the file hold", folded=folded))
    if len(data.class_counts):
        blocks.append(
            Table(
                ["class", "training samples"],
                [[_class(i, data.class_names), int(count)] for i, count in enumerate(data.class_counts)],
                "How many samples each class has.",
                bars="training samples",
                folded=len(data.class_counts) > 30,
            )
        )
    elif y is not None and y.size and y.dtype.kind == "f":
        rows = [("least", y.min()), ("median", np.median(y)), ("mean", y.mean()), ("greatest", y.max())]
        blocks.append(Facts([(name, float(value)) for name, value in rows], "The target in the training part"))
    if data.facts:
        blocks.append(Facts(list(data.facts.items()), "Found while the data were made"))
    return Section("Data", blocks, data.description)


def _some_of_each(y: np.ndarray, count: int) -> np.ndarray:
    """Which samples to show: as many of each class as fit, in the order of the classes."""
    classes = np.unique(y)
    each = max(count // len(classes), 1)
    return np.concatenate([np.flatnonzero(y == one)[:each] for one in classes[:count]])


def _class(number: int, names: Sequence[str]) -> str:
    return str(names[number]) if number < len(names) else str(number)


def _predictions(found: Predictions | None) -> Section | None:
    if found is None or not len(found.target):
        return None
    blocks = _of_classes(found) if found.class_names else _of_numbers(found)
    return Section("Predictions", blocks, f"On the {len(found.target):,} samples of the {found.part} part.")


def _of_classes(found: Predictions) -> list[Block]:
    from pellucid.viz.confusion import confusion_matrix
    from pellucid.viz.values import read_output

    names = list(found.class_names)
    target = np.asarray(found.target).astype(np.int64)
    _, shares = read_output(found.output)
    said = shares.argmax(axis=1)
    matrix = np.zeros((len(names), len(names)), dtype=np.int64)
    np.add.at(matrix, (target, said), 1)
    right = int(np.trace(matrix))
    figure = confusion_matrix(matrix, class_names=names)
    told = f"Confusion matrix: {right:,} of {len(target):,} samples are on its diagonal, {right / len(target):.1%}."
    blocks: list[Block] = [Picture(figure, told, "Rows are the true classes, columns the predicted ones.", width=640)]
    blocks.append(_per_class(matrix, names))
    if found.predict is not None:
        blocks += _plane(found, found.predict, target)
    return [*blocks, *_mistakes(found, shares, said, target, names)]


def _mistakes(
    found: Predictions, shares: np.ndarray, said: np.ndarray, target: np.ndarray, names: Sequence[str]
) -> list[Block]:
    """The mistakes whose true class was given the least probability: as images, or as rows of a table."""
    sure = np.take_along_axis(shares, target[:, None], axis=1)[:, 0]  # (N, C) -> (N,)
    wrong = np.flatnonzero(said != target)
    if not len(wrong):
        return [Text("No sample was taken for another class.", "note")]
    x = np.asarray(found.x)
    worst = wrong[np.argsort(sure[wrong], kind="stable")][: MOST_IMAGES if x.ndim >= 3 else MOST_ROWS]
    all_of = f"The {len(worst)} worst of {len(wrong):,} mistakes" if len(worst) < len(wrong) else "All mistakes"
    caption = f"{all_of}, the one that gave its true class the least probability first."
    true = [_class(int(target[i]), names) for i in worst]
    taken = [_class(int(said[i]), names) for i in worst]
    if x.ndim >= 3:
        labels = [f"{is_} → {as_}" for is_, as_ in zip(true, taken, strict=True)]
        alts = [f"{is_} taken for {as_}" for is_, as_ in zip(true, taken, strict=True)]
        details = [f"{_percent(float(sure[i]))} : {_percent(float(shares[i, said[i]]))}" for i in worst]
        caption += " Below each image: true → predicted, and the probabilities that the two were given."
        return [Gallery(x[worst], labels, alts, caption, details)]
    rows = [[is_, as_, float(sure[i]), *_features(x[i])] for i, is_, as_ in zip(worst, true, taken, strict=True)]
    return [Table(["true", "predicted", "probability of the true class", *_titles(found)], rows, caption)]


def _percent(share: float) -> str:
    return f"{share:.1%}" if share < 0.0995 else f"{share:.0%}"


def _titles(found: Predictions) -> list[str]:
    """The names of the features that a table has room for."""
    width = np.asarray(found.x).shape[1] if np.asarray(found.x).ndim == 2 else 0
    return [str(found.names[j]) if j < len(found.names) else f"x{j + 1}" for j in range(min(width, MOST_FEATURES))]


def _features(sample: np.ndarray) -> list[float]:
    return [float(value) for value in sample[:MOST_FEATURES]] if sample.ndim == 1 else []


def _per_class(matrix: np.ndarray, names: Sequence[str]) -> Table:
    """Precision, recall and F1 of each class, from counts (true, predicted)."""
    right, said, there = np.diag(matrix), matrix.sum(axis=0), matrix.sum(axis=1)
    rows = []
    for i, name in enumerate(names):
        precision = float(right[i] / said[i]) if said[i] else None
        recall = float(right[i] / there[i]) if there[i] else None
        f1 = float(2 * right[i] / (said[i] + there[i])) if said[i] + there[i] else None
        rows.append([name, int(there[i]), precision, recall, f1])
    titles = ["class", "samples", "precision", "recall", "F1"]
    return Table(titles, rows, "Precision, recall and F1 of each class", folded=True)


def _plane(found: Predictions, predict: Callable[[Any], Any], target: np.ndarray) -> list[Block]:
    """What the network answers everywhere in the plane: from above, and as a relief."""
    from pellucid.viz.plane import decision_regions
    from pellucid.viz.relief import surface

    how: dict[str, Any] = {"feature_names": list(found.names) or None, "output_is": "value"}
    what = f"The {found.unit} that the network predicts"
    if found.class_names:
        how |= {"class_names": found.class_names, "output_is": "probabilities"}
        what = "The class that the network predicts"
    x = np.asarray(found.x)
    return [
        Picture(
            decision_regions(predict, x, target, **how),
            f"{what} in the plane, and the {found.part} points.",
            f"{what} at each point of the plane, and the {found.part} points.",
            pixels=len(x) > MOST_MARKS,
        ),
        Picture(
            surface(predict, x, target, **how),
            f"{what} in the plane, as a relief.",
            "The same as a relief.",
            pixels=True,
        ),
    ]


def _of_numbers(found: Predictions) -> list[Block]:
    from pellucid.viz.regression import predicted_against_true

    target = np.asarray(found.target, dtype=np.float64).reshape(-1)
    output = np.asarray(found.output, dtype=np.float64).reshape(-1)
    error = output - target
    told = (
        f"Predicted against true {found.unit}: the mean absolute error is {page.number(float(np.abs(error).mean()))}, "
        f"the root of the mean square error {page.number(float(np.sqrt((error**2).mean())))}."
    )
    blocks: list[Block] = [Picture(predicted_against_true(target, output, unit=found.unit), told, told)]
    if found.predict is not None:
        blocks += _plane(found, found.predict, target)
    worst = np.argsort(-np.abs(np.nan_to_num(error, nan=np.inf)), kind="stable")[:MOST_ROWS]
    x = np.asarray(found.x)
    rows = [[float(target[i]), float(output[i]), float(error[i]), *_features(x[i])] for i in worst]
    titles = ["true", "predicted", "error", *_titles(found)]
    blocks.append(Table(titles, rows, f"The {len(rows)} samples with the largest errors."))
    return blocks


# The network --------------------------------------------------------------------------------------------------------


def _statistics(record: Report) -> Section | None:
    blocks: list[Block] = []
    if record.activations:
        from pellucid.viz.activations import activation_heatmap

        blocks.append(
            Picture(
                activation_heatmap(record.activations),
                f"Heat maps of the activations of {len(record.activations)} layers over the steps of the run.",
                "The distribution of each layer's outputs over the run. A layer that dies turns into one line at 0; "
                "one that saturates gathers at the ends of its range.",
            )
        )
    if record.gradients:
        from pellucid.viz.gradients import gradient_flow

        blocks.append(
            Picture(
                gradient_flow(record.gradients),
                f"Gradient norms and update-to-weight ratios of {len(record.gradients)} parameters over the run.",
                "The size of each parameter's gradient, and of each step against the parameter that it moves: a ratio "
                "about 10⁻³ is usual; far less learns slowly, far more is unstable.",
            )
        )
    if record.parameters:
        from pellucid.viz.gradients import weight_histograms

        blocks.append(
            Picture(
                weight_histograms(record.parameters),
                f"Histograms of the {len(record.parameters)} parameters at the end of the run.",
                "The parameters as the run left them.",
            )
        )
    return Section("Inside the network", blocks) if blocks else None


def _model(record: Report) -> Section | None:
    blocks: list[Block] = []
    if record.graph:
        blocks.append(page.Markup(record.graph))
    if record.summary is not None:
        header, *rows = record.summary.cells()
        blocks.append(Table(header, rows, " · ".join(record.summary.notes()), right=3))
    return Section("Model", blocks) if blocks else None


# Settings -----------------------------------------------------------------------------------------------------------


def _settings(record: Report) -> Section | None:
    if not record.settings:
        return None
    given = [(name.replace("_", " "), value) for name, value in record.settings.items() if value not in (None, (), [])]
    half = math.ceil(len(given) / 2)
    return Section("Settings", [Columns([Facts(given[:half]), Facts(given[half:])])])


def _environment(stretches: Sequence[Mapping[str, Any]]) -> Section | None:
    blocks: list[Block] = []
    for stretch in stretches:
        several = len(stretches) > 1
        title = f"From step {stretch.get('from_step', 0):,}" if several else ""
        blas, processor = stretch.get("blas") or {}, stretch.get("processor") or {}
        versions = dict(stretch.get("versions") or {})
        rows: list[tuple[str, Any]] = [
            (name, versions.pop(name)) for name in ("pellucid", "python", "numpy") if name in versions
        ]
        if blas.get("name"):
            threads = blas.get("threads")
            told = f"{blas['name']} {blas.get('version') or ''}".strip()
            rows.append(("BLAS", told + (f", {threads} thread{'' if threads == 1 else 's'}" if threads else "")))
        if processor.get("name"):
            rows.append(("processor", f"{processor['name']}, {processor.get('cores')} cores"))
        if stretch.get("platform"):
            rows.append(("system", stretch["platform"]))
        git = stretch.get("git")
        if git:
            changed = {True: ", with changes that are in no commit", False: "", None: ""}[git.get("dirty")]
            branch = f" ({git['branch']})" if git.get("branch") else ""
            rows.append(("git commit", f"{git.get('commit')}{branch}{changed}"))
        blocks.append(Facts(rows, title))
        if versions:
            listed = [[name, version] for name, version in versions.items()]
            blocks.append(Table(["package", "version"], listed, "Other packages that were installed", folded=True))
    return Section("Environment", blocks, "What the run was computed with.") if blocks else None


def _commands(commands: Sequence[tuple[str, str]]) -> Section | None:
    if not commands:
        return None
    return Section("Commands", [Code(command, caption) for caption, command in commands])
