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
    Beside,
    Block,
    Code,
    Columns,
    Document,
    Facts,
    Headline,
    Picture,
    Section,
    Table,
    Text,
)
from pellucid.viz.report_network import activations_picture, gradients_picture, model_section, network_section
from pellucid.viz.report_samples import Predictions, TrainingData, data_section, predictions_section
from pellucid.viz.report_text import Passage, passage_section
from pellucid.viz.values import rows_of

_NAMES = {"r2": "R²", "mae": "mean absolute error", "auc": "AUC", "f1": "F1", "lr": "learning rate"}
FOOTER = ("Written by pellucid. This file is complete in itself: it loads nothing from anywhere.",)
MOST_EPOCHS = 200  # rows of the table of epochs; a longer run shows some of them


@dataclass(frozen=True)
class RunReport:
    """All that a report may show; every part may be absent.

    Attributes:
        title, subtitle: what the run is called, and a sentence about it.
        state: "complete", "unfinished", "diverged", "did not learn": a word beside the title.
        problem: what went wrong, shown first.
        recorder: a `Recorder`, or its rows.
        kept: the epoch whose network was kept, where it is not the last.
        headlines: more figures beside those that the rows give: (name, value, note).
        data, predictions, text: see there.
        activations, gradients: `ActivationStats` and `GradientStats`, or their records.
        inside: more pictures of what went on inside the network: how to draw a record, and the record.
        model: a Module: its parameters' histograms, and with `inputs`, which it is called with, its graph and table.
        before: its parameters by name as they were at the start, for the histograms too.
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
    kept: int | None = None
    headlines: Sequence[tuple[str, Any, str]] = ()
    data: TrainingData | None = None
    predictions: Predictions | None = None
    text: Passage | None = None
    activations: Any = None
    gradients: Any = None
    inside: Sequence[tuple[Callable[[Any], Picture], Any]] = ()
    model: Any = None
    inputs: Sequence[Any] = ()
    before: Mapping[str, Any] = field(default_factory=dict)
    settings: Mapping[str, Any] = field(default_factory=dict)
    environment: Sequence[Mapping[str, Any]] = ()
    commands: Sequence[tuple[str, str]] = ()
    notes: Sequence[str] = ()


def report(path: str | Path, **parts: Any) -> Path:
    """Write a report as one HTML file that needs no network: for one's notes, to send, to print.

    Args:
        path: the file; written beside its place and then moved into it.
        parts: the fields of `RunReport`, each of which may be left out: `title`, `recorder`, `activations`,
            `gradients`, `model` and `inputs`, `data`, `predictions`, `settings`, ….

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
    return page.save(compose(RunReport(**parts)), path)


def compose(record: RunReport) -> Document:
    """The page that shows a record."""
    rows = rows_of(record.recorder) if record.recorder is not None else []
    sections = [
        _curves(rows),
        data_section(record.data),
        predictions_section(record.predictions),
        passage_section(record.text),
        network_section(
            [(activations_picture, record.activations), (gradients_picture, record.gradients), *record.inside],
            record.model,
            record.before,
        ),
        model_section(record.model, record.inputs),
        settings_section(record.settings),
        _environment(record.environment),
        commands_section(record.commands),
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
            *_headlines(rows, record.kept),
            *(Headline(name, page.cell(value), note) for name, value, note in record.headlines),
        ],
        sections=found,
        footer=FOOTER,
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


def _headlines(rows: Sequence[Mapping[str, Any]], kept: int | None) -> list[Headline]:
    """Metrics and losses of the network that was kept, by default the last, each with the best of the run."""
    epochs = [row for row in rows if row.get("kind") == "epoch"]
    if not epochs:
        return []
    last = next((row for row in epochs if row.get("epoch") == kept), epochs[-1])
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
    of = "mean of the last epoch" if last is epochs[-1] else f"mean of epoch {kept}, which is kept"
    found.append(Headline("training loss", page.cell(_number(last, "train_loss")), of))
    return found


def _curves(rows: Sequence[Mapping[str, Any]]) -> Section | None:
    if not rows:
        return None
    from pellucid.viz.curves import curves_apart

    epochs = [row for row in rows if row.get("kind") == "epoch"]
    losses, *others = curves_apart(rows)
    beside = [Picture(figure, "Curves of the other quantities over the same steps.") for figure in others]
    blocks: list[Block] = [Beside([Picture(losses, _told(rows)), *beside])]
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


# Settings -----------------------------------------------------------------------------------------------------------


def settings_section(settings: Mapping[str, Any]) -> Section | None:
    """The settings in two columns, without those that are not set."""
    if not settings:
        return None
    given = [(name.replace("_", " "), value) for name, value in settings.items() if value not in (None, (), [])]
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
            changed = ", with changes that are in no commit" if git.get("dirty") is True else ""
            branch = f" ({git['branch']})" if git.get("branch") else ""
            rows.append(("git commit", f"{git.get('commit')}{branch}{changed}"))
        blocks.append(Facts(rows, title))
        if versions:
            listed = [[name, version] for name, version in versions.items()]
            blocks.append(Table(["package", "version"], listed, "Other packages that were installed", folded=True))
    return Section("Environment", blocks, "What the run was computed with.") if blocks else None


def commands_section(commands: Sequence[tuple[str, str]]) -> Section | None:
    """What to type, by what it does."""
    if not commands:
        return None
    return Section("Commands", [Code(command, caption) for caption, command in commands])
