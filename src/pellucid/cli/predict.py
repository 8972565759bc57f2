"""`pellucid predict RUN FILE`: what a trained network says of data that it has not seen."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import typer
from rich.console import Console
from rich.table import Table

from pellucid.experiments import config as settings
from pellucid.experiments.errors import UsageError
from pellucid.experiments.network import forward, trained
from pellucid.experiments.prediction import in_unit, judged, predictions, samples
from pellucid.experiments.stored import check_data, readable
from pellucid.train import RunFolder, write_atomically

SHOWN = 20  # rows of a table that one still reads


def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns that the run learned from, an image, or a .npy or .npz file of samples.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write every row, with all probabilities, to this CSV file.")] = None,
    decimal: Annotated[
        str | None, typer.Option(help="The decimal mark of the file, . or , where its cells leave it open (1,234).")
    ] = None,
) -> None:
    """Predict with the network of RUN for each sample in FILE.

    A table is scaled as the training data were. An image may be of any size, dark on light or light on dark. If a CSV
    file has the target's column too, or a .npz file an array y beside x, the share that is right (for a real target,
    the mean absolute error) is shown, over the rows that have a target.

    Example: pellucid predict runs/digits-mlp-64-20260101-120000 seven.png
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}.")
    folder = RunFolder(run)
    stored = folder.read_config()
    config = settings.from_json(stored.get("config", {}))
    data = check_data(stored.get("data", {}), f"{folder.config}, data")
    if decimal not in (None, ".", ","):
        raise UsageError(f"--decimal is {decimal!r}; it must be . or ,")
    with readable(run):
        read = samples(file, config, data, decimal)
        rows = predictions(forward(trained(folder, config, data), read.x), config, data)
        names = [str(name) for name in data["classes"]]
        unit = str(data["facts"].get("target", {}).get("unit", ""))
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if out is not None:
        write_atomically(out, to_csv(rows))
    if len(rows) == 1 and names:
        console.print(_bars(rows[0]))
    else:
        console.print(_table(rows[:SHOWN], names, unit))
        if len(rows) > SHOWN:
            console.print(
                f"… and {len(rows) - SHOWN:,} more rows" + ("" if out else ": --out FILE.csv writes them all")
            )
    for note in read.notes:
        console.print(note)
    if read.targets is not None:
        console.print(judged(rows, read.targets, names, unit))
    if out is not None:
        console.print(f"Written: {out}")


def to_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
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
