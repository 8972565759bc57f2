"""What the network of a run says of the samples in a file, and how that compares with the targets it holds."""

from __future__ import annotations

from dataclasses import dataclass, field
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets import DataError, read_image
from pellucid.datasets.arrays import class_labels, columns, pictures, read_arrays
from pellucid.datasets.columnar import ENDINGS as TABLES
from pellucid.datasets.image import frame_count, read_picture
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.experiments.network import probabilities
from pellucid.experiments.rows import rows_of, scaled

IMAGES = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
ARRAYS = (".npy", ".npz")


@dataclass(frozen=True)
class Samples:
    """The samples of a file as the network wants them.

    Attributes:
        x: (N, *sample_shape) float32.
        targets: for each sample its class or number, None where the file has none; None where it has no such column.
        notes: what is to be said about the file.
        columns: those of a table, as it has them.
        places: which row of the table each is, from 0; None for all of them.
    """

    x: np.ndarray
    targets: list[str | float | None] | None = None
    notes: list[str] = field(default_factory=list)
    columns: dict[str, list[str]] = field(default_factory=dict)
    places: list[int] | None = None


def files_in(path: Path, config: Config, classes: list[str]) -> list[tuple[Path, str | None]]:
    """The files that a folder holds for the network of a run, or the file itself, each with the class that it is of.

    In a folder with a folder for each class, as it was learned from, that is the class; else it is not known.

    Raises:
        UsageError: the folder holds no such file.
    """
    if not path.is_dir():
        return [(path, None)]
    pictures = config.source == "folder" or config.source in ("digits", "mnist")
    endings = (*IMAGES, *ARRAYS) if pictures else (".csv", ".tsv", *TABLES)

    def within(place: Path) -> list[Path]:
        return sorted(file for file in place.iterdir() if file.is_file() and file.suffix.lower() in endings)

    found: list[tuple[Path, str | None]] = [(file, None) for file in within(path)]
    found += [(file, name) for name in classes if (path / name).is_dir() for file in within(path / name)]
    if not found:
        raise UsageError(f"{path} holds no file to predict from: it was expected to hold some of {', '.join(endings)}.")
    return found


def samples(
    path: Path,
    config: Config,
    data: dict[str, Any],
    decimal: str | None = None,
    encoding: str | None = None,
    header: bool | None = None,
) -> Samples:
    """Read a table, an image or arrays; `data` is what config.json says of the data that were learned from.

    A table has a header, or none, as that which was learned from, and its encoding, unless something else is said.
    """
    if not path.is_file():
        raise UsageError(f"There is no file {path} to predict from.")
    shape = tuple(data.get("sample_shape", ()))
    if not shape:
        raise UsageError("config.json of the run is of an older version of pellucid: it does not say what a sample is.")
    if config.source == "text":
        raise UsageError(f"The run learned from the text {config.dataset}: it writes, pellucid sample RUN.")
    kind = path.suffix.lower()
    if kind in ARRAYS and config.source != "folder":
        return _from_arrays(path, shape, data)
    if config.source == "folder":
        if kind not in IMAGES:
            raise UsageError(f"{path}: the run learned from pictures, so FILE is one ({', '.join(IMAGES)}).")
        return Samples(read_picture(path, (shape[1], shape[2]), shape[0])[None])
    if len(shape) == 3:
        if kind not in IMAGES:
            raise UsageError(
                f"{path}: the run learned from images of {shape[1]} × {shape[2]}, so FILE is an image "
                f"({', '.join(IMAGES)}) or a .npy file of shape (N, {shape[1]}, {shape[2]})."
            )
        return Samples(read_image(path, (shape[1], shape[2]))[None, None], notes=_of_frames(path))
    if kind in IMAGES:
        raise UsageError(f"{path}: the run learned from the columns {', '.join(data['features'])}, not from images.")
    rows = rows_of(path, config, data, decimal, encoding, header)
    return Samples(rows.x, rows.targets, rows.notes, rows.columns, rows.places)


def predictions(
    outputs: np.ndarray, config: Config, data: dict[str, Any], places: list[int] | None = None
) -> list[dict[str, Any]]:
    """A row for each sample: of classes the likeliest and all probabilities, else the number in the file's units."""
    places = list(range(len(outputs))) if places is None else places
    names = [str(name) for name in data["classes"]]
    if not names:
        values = outputs[:, 0] * data["facts"].get("target_std", 1.0) + data["facts"].get("target_mean", 0.0)
        return [{"row": i + 1, "prediction": float(value)} for i, value in zip(places, values, strict=True)]
    return [
        {"row": i + 1, "prediction": names[int(row.argmax())]}
        | {f"p({name})": float(p) for name, p in zip(names, row, strict=True)}
        for i, row in zip(places, probabilities(outputs, config), strict=True)
    ]


def judged(rows: list[dict[str, Any]], targets: list[str | float | None], classes: list[str], unit: str = "") -> str:
    """How the predictions compare with the targets, over the rows that have one.

    >>> rows = [{"prediction": 1.0}, {"prediction": 5.0}, {"prediction": 3.0}]
    >>> judged(rows, [0.0, None, 2.0], [])
    'Mean absolute error: 1, over 2 of 3 rows; 1 row has no target'
    """
    pairs = [(row["prediction"], target) for row, target in zip(rows, targets, strict=True) if target is not None]
    without = len(rows) - len(pairs)
    if not pairs:
        return "Not judged: no row has a target." if len(rows) > 1 else "Not judged: the row has no target."
    tail = f"; {without:,} {'row has' if without == 1 else 'rows have'} no target" if without else ""
    if not classes:
        error = np.mean([abs(prediction - float(target)) for prediction, target in pairs])
        over = f"{len(pairs):,} of {len(rows):,} rows" if without else _rows(len(pairs))
        return f"Mean absolute error: {in_unit(float(error), unit, 4)}, over {over}{tail}"
    right = sum(prediction == target for prediction, target in pairs)
    new = sorted({str(target) for _, target in pairs if target not in classes})
    if new:
        shown = ", ".join(new[:4]) + (f" and {len(new) - 4} more" if len(new) > 4 else "")
        tail += f"; never met in training, so never right: {shown}"
    return f"{right:,} of {len(pairs):,} right: accuracy {right / len(pairs):.4f}{tail}"


def in_unit(value: float, unit: str, digits: int = 6) -> str:
    """A number as the target's column wrote it; a share is held as 0.05 and written as 5 %.

    >>> in_unit(0.05, "%"), in_unit(2.5, "kg"), in_unit(2.5, "")
    ('5 %', '2.5 kg', '2.5')
    """
    value *= {"%": 100, "‰": 1000}.get(unit, 1)
    return f"{value:.{digits}g}" + (f" {unit}" if unit else "")


def _of_frames(path: Path) -> list[str]:
    count = frame_count(path)
    return (
        [f"{path} holds {count:,} pictures: the first on which something can be seen is predicted"] if count > 1 else []
    )


def _rows(count: int) -> str:
    return f"{count:,} row" if count == 1 else f"{count:,} rows"


def _from_arrays(path: Path, shape: tuple[int, ...], data: dict[str, Any]) -> Samples:
    arrays = read_arrays(path)
    labels = arrays.pop("y", None) if len(arrays) > 1 else None
    if len(arrays) > 1 and "x" not in arrays:
        raise DataError(
            f"{path} holds the arrays {', '.join(arrays)}: name that of the samples x, and that of the classes, if "
            f"there is one, y"
        )
    array = arrays.get("x", next(iter(arrays.values())))
    if len(shape) == 3:
        x = pictures(array, (shape[1], shape[2]), str(path))
    else:
        x = scaled(columns(array, shape[0], str(path)), data)
    names = [str(name) for name in data["classes"]]
    if labels is None:
        return Samples(x)
    if names:
        return Samples(x, [*class_labels(labels, len(x), names, f"{path}, array 'y',")])
    if labels.size != len(x):
        raise DataError(f"{path}: x has {len(x):,} samples and y, of shape {labels.shape}, {labels.size:,} targets")
    return Samples(x, [float(value) if np.isfinite(value) else None for value in labels.reshape(-1)])
