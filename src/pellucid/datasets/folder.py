"""A folder of pictures, with a folder inside for each class."""

from __future__ import annotations

import os
from pathlib import Path

import numpy as np

from pellucid.datasets.image import read_picture
from pellucid.datasets.record import DataError, DataSet, generator, split_by_class

ENDINGS = (".png", ".jpg", ".jpeg", ".bmp", ".gif", ".tif", ".tiff", ".webp")
SIZE = 32  # pixels along a side
MOST_BYTES = 4 * 2**30  # of all pictures together
MOST_DAMAGED = 0.1  # share of the pictures that may be unreadable: of more, the folder is not what it seems
_PARTS = {"train": ("train", "training"), "val": ("val", "valid", "validation"), "test": ("test",)}
_COLOURED = 0.02  # by how much red, green and blue differ somewhere in a picture that is not grey


def folder(path: str | os.PathLike[str], size: int = SIZE, val_fraction: float = 0.2, seed: int = 0) -> DataSet:
    """Pictures of `size` × `size`, each of the class that its folder names: path/CLASS/picture.png.

    Where there are folders train/ and val/ (or valid/, validation/), and perhaps test/, each with the folders of the
    classes, they are the parts; else a share of each class is for validation. A picture is turned as its camera says,
    scaled until its shorter side fits, and cut to its middle. Where no picture has a colour, they have one channel. A
    file that cannot be read is left out, and named in the description.

    Shape: x (N, C, size, size) float32 from 0 to 1, with C of 1 or 3; y (N,) int64.

    Raises:
        DataError: there is no such folder, it has fewer than two classes, or more than a tenth of the pictures cannot
            be read.
    """
    path = Path(path).expanduser()
    if not path.is_dir():
        raise DataError(f"there is no folder {path}")
    places = {part: _child(path, names) for part, names in _PARTS.items()}
    if places["train"] is None:
        places = {"train": path, "val": None, "test": None}
    root = places["train"] or path
    classes = _classes(root)
    if len(classes) < 2:
        raise DataError(
            f"{path} was expected to hold a folder of pictures for each class, two or more, such as "
            f"{path / 'cats'} and {path / 'dogs'}; it holds {_spoken(classes)}"
        )
    skipped = 0
    found: dict[str, list[tuple[Path, int]]] = {}
    for part, place in places.items():
        if place is None:
            continue
        unknown = sorted(set(_classes(place)) - set(classes))
        if unknown:
            raise DataError(f"{place} has the class {unknown[0]!r}, and {root} has {', '.join(classes)}")
        files = [
            (file, number)
            for number, name in enumerate(classes)
            for file in (_visible(place / name) if (place / name).is_dir() else ())
        ]
        found[part] = [(file, number) for file, number in files if file.suffix.lower() in ENDINGS]
        skipped += len(files) - len(found[part])
    count = sum(len(files) for files in found.values())
    if count * size * size * 12 > MOST_BYTES:
        raise DataError(
            f"{count:,} pictures of {size} × {size} need more than {MOST_BYTES >> 30} GB: choose a smaller size, such "
            f"as --size {max(8, size // 2)}"
        )
    damaged: list[Path] = []
    pictures = {part: _read(files, size, damaged, MOST_DAMAGED * count) for part, files in found.items() if files}
    if all(np.ptp(x, axis=1).max(initial=0) < _COLOURED for x, _ in pictures.values()):
        pictures = {part: (x.mean(axis=1, keepdims=True, dtype=np.float32), y) for part, (x, y) in pictures.items()}
    x, y = pictures["train"]
    if "val" not in pictures:
        rows, kept = split_by_class(y, val_fraction, generator(seed))
        if kept is not None:
            pictures |= {"train": (x[rows], y[rows]), "val": (x[kept], y[kept])}
    val, test = (pictures.get(part, (None, None)) for part in ("val", "test"))
    kind = "grey" if x.shape[1] == 1 else "coloured"
    deeper = sum(_deeper(place / name) for place in places.values() if place is not None for name in classes)
    what = f"{count - len(damaged):,} {kind} pictures of {len(classes)} classes, at {size} × {size}"
    return DataSet(
        name=path.name,
        description=f"{path.name}: {what}{_left_out(damaged, path, deeper)}",
        task="classification",
        class_names=tuple(classes),
        facts={"size": size, **({"files_that_are_no_pictures": skipped} if skipped else {})},
        x_train=pictures["train"][0],
        y_train=pictures["train"][1],
        x_val=val[0],
        y_val=val[1],
        x_test=test[0],
        y_test=test[1],
    )


def _child(path: Path, names: tuple[str, ...]) -> Path | None:
    return next((child for child in _visible(path) if child.is_dir() and child.name.lower() in names), None)


def _visible(path: Path) -> list[Path]:
    """What a folder holds, in the order of the names, but for hidden files."""
    return sorted(child for child in path.iterdir() if not child.name.startswith((".", "__")))


def _classes(path: Path) -> list[str]:
    """The folders that hold a picture."""
    folders = [child for child in _visible(path) if child.is_dir()]
    return [child.name for child in folders if any(file.suffix.lower() in ENDINGS for file in _visible(child))]


def _spoken(classes: list[str]) -> str:
    return f"only {classes[0]}" if classes else "none"


def _read(files: list[tuple[Path, int]], size: int, damaged: list[Path], most: float) -> tuple[np.ndarray, np.ndarray]:
    """The pictures and their classes; those that cannot be read are added to `damaged`, which may hold `most`."""
    x, y = np.empty((len(files), 3, size, size), np.float32), []
    for file, number in files:
        try:
            x[len(y)] = read_picture(file, (size, size), 3)
        except DataError as error:
            damaged.append(file)
            if len(damaged) > most:
                raise DataError(f"{error}. Mend it, or remove it") from error
            continue
        y.append(number)
    return x[: len(y)], np.array(y, np.int64)


def _deeper(place: Path) -> int:
    """How many pictures lie in folders below that of a class, where nothing says what they are of."""
    return sum(file.suffix.lower() in ENDINGS and file.parent != place for file in place.rglob("*"))


def _left_out(damaged: list[Path], root: Path, deeper: int) -> str:
    """What is left out, in words."""
    shown = ", ".join(str(file.relative_to(root)) for file in damaged[:3]) + (", …" if len(damaged) > 3 else "")
    files, pictures = ("1 file" if len(damaged) == 1 else f"{len(damaged):,} files"), f"{deeper:,}"
    return (f"; {files} left out that cannot be read: {shown}" if damaged else "") + (
        f"; {pictures} in folders below those of the classes left out" if deeper else ""
    )
