"""`pellucid predict RUN FILE`: what a trained network says of data that it has not seen."""

from __future__ import annotations

import csv
import io
from pathlib import Path
from typing import Annotated, Any

import numpy as np
import typer
from rich.console import Console
from rich.table import Table

from pellucid.datasets import DataError, read_features, read_image
from pellucid.datasets.table import read_table
from pellucid.experiments import config as settings
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.network import forward, probabilities, trained
from pellucid.train import RunFolder, write_atomically

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
SHOWN = 20  # rows of a table that one still reads


def predict(
    run: Annotated[Path, typer.Argument(help="The run folder.", metavar="RUN", show_default=False)],
    file: Annotated[
        Path,
        typer.Argument(
            help="A CSV file with the columns that the run learned from, an image, or a .npy file of samples.",
            metavar="FILE",
            show_default=False,
        ),
    ],
    out: Annotated[Path | None, typer.Option(help="Write every row, with all probabilities, to this CSV file.")] = None,
) -> None:
    """Predict with the network of RUN for each sample in FILE.

    A table is scaled as the training data were. An image may be of any size, dark on light or light on dark. If a CSV
    file has the target's column too, the share that is right (for a real target, the mean absolute error) is shown.

    Example: pellucid predict runs/digits-mlp-64-20260101-120000 seven.png
    """
    if not run.is_dir():
        raise UsageError(f"There is no run folder {run}.")
    folder = RunFolder(run)
    stored = folder.read_config()
    config, data = settings.from_json(stored.get("config", {})), stored.get("data", {})
    x, labels = samples(file, config, data)
    outputs = forward(trained(folder, config, data), x)
    names = [str(name) for name in data["classes"]]
    rows = classified(outputs, names, config) if names else regressed(outputs, data["facts"])
    console = Console(highlight=False, markup=False, emoji=False, soft_wrap=True)
    if out is not None:
        write_atomically(out, to_csv(rows))
    if len(rows) == 1 and names:
        console.print(_bars(rows[0]))
    else:
        console.print(_table(rows[:SHOWN], names))
        if len(rows) > SHOWN:
            console.print(
                f"… and {len(rows) - SHOWN:,} more rows" + ("" if out else ": --out FILE.csv writes them all")
            )
    if labels is not None:
        console.print(judged(rows, labels, bool(names)))
    if out is not None:
        console.print(f"Written: {out}")


def samples(path: Path, config: Config, data: dict[str, Any]) -> tuple[np.ndarray, list[str] | None]:
    """The samples of a file as the network wants them, (N, *sample_shape), and their targets if the file has them."""
    if not path.is_file():
        raise UsageError(f"There is no file {path} to predict from.")
    shape = tuple(data.get("sample_shape", ()))
    if not shape:
        raise UsageError("config.json of the run is of an older version of pellucid: it does not say what a sample is.")
    kind = path.suffix.lower()
    if kind == ".npy":
        return _scaled(_array(path, shape), data), None
    if len(shape) == 3:
        if kind not in IMAGES:
            raise UsageError(
                f"{path}: the run learned from images of {shape[1]} × {shape[2]}, so FILE is an image "
                f"({', '.join(IMAGES)}) or a .npy file of shape (N, {shape[1]}, {shape[2]})."
            )
        return read_image(path, (shape[1], shape[2]))[None, None], None
    if kind in IMAGES:
        raise UsageError(f"{path}: the run learned from the columns {', '.join(data['features'])}, not from images.")
    table = read_table(path)
    target = config.target
    labels = table.columns.get(target) if target else None
    if settings.is_csv(config.dataset):
        return read_features(table, data["facts"]), labels
    missing = [name for name in data["features"] if name not in table.columns]
    if missing:
        raise DataError(
            f"{path} has no column {missing[0]!r}; the run learned from {', '.join(data['features'])}, and the file "
            f"has {', '.join(table.columns)}"
        )
    return _scaled(np.stack([table.numbers(name) for name in data["features"]], axis=1), data), None


def classified(outputs: np.ndarray, names: list[str], config: Config) -> list[dict[str, Any]]:
    """For each sample the class and a probability for every class."""
    return [
        {"row": i + 1, "prediction": names[int(row.argmax())]}
        | {f"p({name})": float(p) for name, p in zip(names, row, strict=True)}
        for i, row in enumerate(probabilities(outputs, config))
    ]


def regressed(outputs: np.ndarray, facts: dict[str, Any]) -> list[dict[str, Any]]:
    """For each sample the number, in the units of the file."""
    values = outputs[:, 0] * facts.get("target_std", 1.0) + facts.get("target_mean", 0.0)
    return [{"row": i + 1, "prediction": float(value)} for i, value in enumerate(values)]


def judged(rows: list[dict[str, Any]], labels: list[str], classes: bool) -> str:
    """How the predictions compare with the targets that the file has."""
    if classes:
        right = sum(_same(row["prediction"], label) for row, label in zip(rows, labels, strict=True))
        return f"{right:,} of {len(rows):,} right: accuracy {right / len(rows):.4f}"
    errors = [
        abs(row["prediction"] - value) for row, label in zip(rows, labels, strict=True) if (value := _number(label))
    ]
    return f"Mean absolute error: {np.mean(errors):.4g}, over {len(errors):,} rows" if errors else ""


def to_csv(rows: list[dict[str, Any]]) -> str:
    text = io.StringIO()
    writer = csv.DictWriter(text, list(rows[0]), lineterminator="\n")
    writer.writeheader()
    writer.writerows(rows)
    return text.getvalue()


def _array(path: Path, shape: tuple[int, ...]) -> np.ndarray:
    try:
        array = np.load(path, allow_pickle=False)
    except (ValueError, EOFError) as error:
        raise DataError(f"{path} is no .npy file of numbers: {error}") from error
    if not np.issubdtype(array.dtype, np.number) and array.dtype != bool:
        raise DataError(f"{path} holds {array.dtype}, and numbers were expected")
    width = int(np.prod(shape))
    plain = shape[1:] if len(shape) == 3 and shape[0] == 1 else shape  # an image need not name its one channel
    fits = array.shape in (shape, plain) or (array.ndim > 1 and array.shape[1:] in (shape, plain, (width,)))
    if not fits or not array.size:
        raise DataError(
            f"{path} has shape {array.shape}: the run learned from samples of shape {shape}, so a file of shape "
            f"{('N', *plain)!r} was expected".replace("'N'", "N")
        )
    whole = array.dtype == np.uint8 and len(shape) == 3
    return (array / 255 if whole else array).reshape(-1, *shape).astype(np.float32)


def _scaled(x: np.ndarray, data: dict[str, Any]) -> np.ndarray:
    """As the training data were standardised, if they were by column."""
    mean, std = data["facts"].get("feature_mean"), data["facts"].get("feature_std")
    return ((x - np.array(mean)) / np.array(std)).astype(np.float32) if isinstance(mean, list) else x.astype(np.float32)


def _same(prediction: str, label: str) -> bool:
    return prediction == label or (_number(prediction) is not None and _number(prediction) == _number(label))


def _number(text: str) -> float | None:
    try:
        return float(text)
    except ValueError:
        return None


def _bars(row: dict[str, Any]) -> Table:
    """One sample: the classes with their probabilities, the most probable first."""
    table = Table(title=f"prediction: {row['prediction']}", title_justify="left", show_header=False, box=None)
    items = [(name[2:-1], p) for name, p in row.items() if name.startswith("p(")]
    for name, p in sorted(items, key=lambda item: -item[1])[:10]:
        table.add_row(name, f"{p:.4f}", "█" * round(30 * p))
    return table


def _table(rows: list[dict[str, Any]], names: list[str]) -> Table:
    table = Table()
    table.add_column("row", justify="right")
    table.add_column("prediction", justify="left" if names else "right")
    if names:
        table.add_column("probability", justify="right")
    for row in rows:
        if names:
            table.add_row(str(row["row"]), row["prediction"], f"{row['p(' + row['prediction'] + ')']:.4f}")
        else:
            table.add_row(str(row["row"]), f"{row['prediction']:.6g}")
    return table
