"""`pellucid predict RUN FILE`: what a trained network says of data that it has not seen."""

from __future__ import annotations

import csv
import dataclasses
import io
from collections.abc import Iterator
from dataclasses import dataclass
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pellucid.datasets import DataError
from pellucid.experiments import options as settings
from pellucid.experiments.errors import UsageError
from pellucid.experiments.network import forward, trained
from pellucid.experiments.prediction import IMAGES, Samples, files_in, in_unit, judged, predictions, samples
from pellucid.experiments.seen import trained_on
from pellucid.experiments.stored import check_data, readable
from pellucid.train import RunFolder, write_atomically

SHOWN = 20  # rows of a table that one still reads


def predict(
    run: Annotated[
        Path, typer.Argument(help="The run folder, or a checkpoint in it.", metavar="RUN", show_default=False)
    ],
    files: Annotated[
        list[Path],
        typer.Argument(
            help="CSV or Parquet files with the columns that the run learned from, images, .npy or .npz files; or "
            "folders of them.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write every row, with all probabilities, to this CSV file.")] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The decimal mark of the file, . or , where its cells leave it open (1,234).")
    ] = None,
    encoding: Annotated[
        str | None, typer.Option(help="The encoding of a CSV file, such as cp1252.", show_default="as in training")
    ] = None,
    header: Annotated[
        bool | None,
        typer.Option(
            "--header/--no-header",
            help="Whether the first row of a CSV file names its columns; else they go by their places in training.",
            show_default="as in training",
        ),
    ] = None,
) -> None:
    """Predict with the network of RUN for each sample in FILE.

    A table is scaled as the training data were. An image may be of any size, dark on light or light on dark. If a CSV
    file has the target's column too, or a .npz file an array y beside x, the share that is right (for a real target,
    the mean absolute error) is shown, over the rows that have a target; so it is for a folder of pictures with a folder
    for each class. Of several files, --out writes one CSV file.

    Example: pellucid predict runs/digits-mlp-64-20260101-120000 seven.png
    """
    run, checkpoint = _of_run(run)
    folder = RunFolder(run)
    stored = folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    data = check_data(stored.get("data", {}), f"{folder.config}, data")
    if decimal not in (None, ".", ","):
        raise UsageError(f"--decimal is {decimal!r}; it must be . or ,")
    with readable(run):
        network = trained(folder, config, data, checkpoint)
        names = [str(name) for name in data["classes"]]
        answers, damaged = [], []
        for place in files:
            for file, name in files_in(place, config, names):
                try:
                    held = _of_class(samples(file, config, data, decimal, encoding, header), name)
                except DataError as error:  # of a folder of pictures, as in training, those that can be read
                    if not place.is_dir() or file.suffix.lower() not in IMAGES:
                        raise
                    damaged.append(error)
                    continue
                seen = trained_on(held.x, config, data["fingerprint"]) if config.source == "csv" else None
                answers.append(
                    Answer(file, held, predictions(forward(network, held.x), config, data, held.places), seen)
                )
        if not answers:
            raise damaged[0]
        unit = str(data["facts"].get("target", {}).get("unit", ""))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    several = len(answers) > 1
    if out is not None:
        every = [({"file": str(answer.file)} if several else {}) | row for answer in answers for row in _whole(answer)]
        write_atomically(out, to_csv(every))
    if several and names and all(len(answer.rows) == 1 for answer in answers):
        console.print(_pictures(answers))
        for note in (note for answer in answers for note in answer.read.notes):
            console.print(note)
    else:
        for answer in answers:
            if several:
                console.print(f"{answer.file}:")
            _show(console, answer, names, unit, whole=out is not None)
    for error in damaged:
        console.print(f"Left out: {error}")
    if several and any(answer.read.targets is not None for answer in answers):
        judgable = [answer for answer in answers if answer.read.targets is not None]
        rows = [row for answer in judgable for row in answer.rows]
        console.print("All files: " + judged(rows, [t for a in judgable for t in a.read.targets or ()], names, unit))
    if out is not None:
        console.print(f"Written: {out}")


def _of_run(path: Path) -> tuple[Path, Path | None]:
    """The folder of a run, and the checkpoint in it that is asked for, if one is: RUN/checkpoints/best.safetensors."""
    if path.is_dir():
        return path, None
    if not path.is_file():
        raise UsageError(f"There is no run folder {path}.")
    if path.suffix != ".safetensors":
        raise UsageError(f"{path} is a file, where the folder of a run was expected: pellucid predict RUN FILE.")
    if path.parent.name == "checkpoints":
        return path.parent.parent, path
    return path.parent, None  # model.safetensors: the network of the run


def _of_class(read: Samples, name: str | None) -> Samples:
    """The samples of a file, which are of the class that its folder says, if it says one."""
    return read if name is None else dataclasses.replace(read, targets=[name] * len(read.x))


@dataclass(frozen=True)
class Answer:
    """What a file holds, and a row for each sample of it."""

    file: Path
    read: Samples
    rows: list[dict[str, Any]]
    seen: np.ndarray | None = None  # for each row whether one like it was trained on, where that is known


def _whole(answer: Answer) -> Iterator[dict[str, Any]]:
    """The rows of a file with all that it says of each, as the file has it, and then the answers."""
    own = {name for row in answer.rows[:1] for name in row} | {"file"}
    given = {f"{name} (given)" if name in own else name: cells for name, cells in answer.read.columns.items()}
    for i, row in enumerate(answer.rows):
        yield {"row": row["row"]} | {name: cells[i] for name, cells in given.items()} | row


def _show(console: Console, answer: Answer, names: list[str], unit: str, whole: bool) -> None:
    """The first rows of a file, and how right they are; `whole`: all of them are written elsewhere."""
    rows = answer.rows
    if len(rows) == 1 and names:
        console.print(_bars(rows[0]))
    else:
        console.print(_table(rows[:SHOWN], names, unit))
        if len(rows) > SHOWN:
            console.print(
                f"… and {len(rows) - SHOWN:,} more rows" + ("" if whole else ": --out FILE.csv writes them all")
            )
    for note in answer.read.notes:
        console.print(note)
    if answer.read.targets is not None:
        console.print(judged(rows, answer.read.targets, names, unit))
    if answer.seen is not None:
        for line in _by_heart(answer, names, unit):
            console.print(line)


def _by_heart(answer: Answer, names: list[str], unit: str) -> Iterator[str]:
    """What is to be said of rows that were trained on, where they are many; and how right the others are."""
    seen, targets = answer.seen, answer.read.targets
    if seen is None or 2 * seen.sum() < len(seen) or (targets is None and not seen.all()):
        return
    count = "Every row is" if seen.all() else f"{seen.sum():,} of the {len(seen):,} rows are"
    yield f"{count} among those that the network was trained on: how right it is there says little of new rows."
    others = np.flatnonzero(~seen)
    if targets is not None and len(others):
        yield "The others: " + judged([answer.rows[i] for i in others], [targets[i] for i in others], names, unit)


def to_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    names = dict.fromkeys(name for row in rows for name in row)  # several files may have other columns
    writer = csv.DictWriter(text, list(names), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _bars(row: dict[str, Any]) -> Table:
    """One sample: the classes with their probabilities, the most probable first."""
    table = Table(title=f"prediction: {row['prediction']}", title_justify="left", show_header=False, box=None)
    items = [(name[2:-1], p) for name, p in row.items() if name.startswith("p(")]
    for name, p in sorted(items, key=lambda item: -item[1])[:10]:
        table.add_row(name, f"{p:.4f}", "█" * round(30 * p))
    return table


def _pictures(answers: list[Answer]) -> Table:
    """A line for each file of one sample."""
    table = Table()
    table.add_column("file", overflow="fold")
    table.add_column("prediction")
    table.add_column("probability", justify="right")
    for answer in answers[:SHOWN]:
        row = answer.rows[0]
        table.add_row(str(answer.file), row["prediction"], f"{row['p(' + row['prediction'] + ')']:.4f}")
    if len(answers) > SHOWN:
        table.add_row(f"… and {len(answers) - SHOWN:,} more files")
    return table


def _table(rows: list[dict[str, Any]], names: list[str], unit: str) -> Table:
    table = Table()
    table.add_column("row", justify="right")
    table.add_column("prediction", justify="left" if names else "right")
    if names:
        table.add_column("probability", justify="right")
    for row in rows:
        if names:
            table.add_row(str(row["row"]), row["prediction"], f"{row['p(' + row['prediction'] + ')']:.4f}")
        else:
            table.add_row(str(row["row"]), in_unit(row["prediction"], unit))
    return table
