"""Arrays of samples from NumPy's files, read without trust: what a header promises must be in the file."""

import tokenize
import zipfile
import zlib
from pathlib import Path
from typing import IO

import numpy as np

from pellucid.datasets.image import full_scale, grey_of
from pellucid.datasets.ink import as_seen, character
from pellucid.datasets.record import DataError

MOST_BYTES = 2**31  # of an array that is packed; one that is not packed is as large as its file
SMALLEST = 8  # pixels along the side of a picture of another size than the network's

# What NumPy and Python raise for headers and archives that are not what they should be.
_DAMAGE = (ValueError, EOFError, OSError, SyntaxError, TypeError, KeyError, OverflowError, MemoryError)
_PACKED = (*_DAMAGE, tokenize.TokenError, zipfile.BadZipFile, zlib.error, NotImplementedError, RuntimeError)


def read_arrays(path: Path) -> dict[str, np.ndarray]:
    """The arrays of a .npz file by name, or the one of a .npy file under the name "x".

    Raises:
        DataError: it is no such file, is damaged, promises more than it holds, or holds other things than numbers.
    """
    try:
        with open(path, "rb") as file:
            if file.read(4)[:2] == b"PK":
                file.seek(0)
                arrays = _unzipped(file, path)
            else:
                file.seek(0, 2)
                length = file.tell()
                file.seek(0)
                arrays = {"x": _array(file, length, str(path))}
    except DataError:
        raise
    except _PACKED as error:
        kind = ".npz" if path.suffix.lower() == ".npz" else ".npy"
        raise DataError(f"{path} is no {kind} file of numbers: {error}") from error
    for name, array in arrays.items():
        if array.dtype.kind not in "buif":
            where = path if len(arrays) == 1 else f"{path}, array {name!r},"
            raise DataError(f"{where} holds {array.dtype}, and numbers were expected")
    return arrays


def pictures(array: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """An array of pictures in any of the usual layouts, as a network that learned from digits of `size` wants them.

    Those that have the size already are taken as they are, but for their scale, light on dark, and a digit off the
    middle; the digit of others is cut out as from a photograph.

    Shape: (H, W), (N, H, W), (N, 1, H, W), (N, H · W), with a last axis of 1, 3 or 4 for the colours, or (N, 3, H, W)
        -> (N, 1, height, width) float32.

    Raises:
        DataError: another shape, nothing on a picture, or numbers that are no shades.
    """
    layout = _layout(array, size)
    if layout is None or not array.size:
        height, width = size
        raise DataError(
            f"{name} has shape {array.shape}: the run learned from samples of shape (1, {height}, {width}), so a file "
            f"of shape (N, {height}, {width}) was expected, or a picture (H, W) or (H, W, 3)"
        )
    shades = layout.astype(np.float64)  # (N, H, W, C)
    shades = np.clip(shades / full_scale(shades, name), 0, 1)
    greys = [grey_of(picture) for picture in shades]
    if shades.shape[1:3] == size:
        found = [as_seen(grey) for grey in greys]
    else:
        alone = len(greys) == 1
        found = [character(grey, size, name if alone else f"picture {k + 1} of {name}") for k, grey in enumerate(greys)]
    return np.stack(found)[:, None].astype(np.float32)


def columns(array: np.ndarray, width: int, name: str) -> np.ndarray:
    """An array of samples of `width` numbers each, (N, width) float64; a single sample may lack its first axis.

    Raises:
        DataError: another shape, or a number that is not finite.
    """
    if array.shape == (width,):
        array = array[None]
    if array.ndim != 2 or array.shape[1] != width or not array.size:
        raise DataError(
            f"{name} has shape {array.shape}: the run learned from samples of shape ({width},), so a file of shape "
            f"(N, {width}) was expected"
        )
    array = array.astype(np.float64)
    if not np.isfinite(array).all():
        row, column = np.argwhere(~np.isfinite(array))[0]
        raise DataError(
            f"{name} holds {array[row, column]} in sample {row + 1}, number {column + 1}, and finite numbers were "
            f"expected"
        )
    return array


def class_labels(array: np.ndarray, count: int, names: list[str], where: str) -> list[str]:
    """The class of each sample, from class numbers (N,) or from one-hot rows (N, classes).

    Raises:
        DataError: neither, or not as many as there are samples.
    """
    if array.ndim == 2 and array.shape[1] == 1:
        array = array[:, 0]
    if array.shape == (count, len(names)) and ((array == 0) | (array == 1)).all() and (array.sum(axis=1) == 1).all():
        array = array.argmax(axis=1)
    whole = (
        array.shape == (count,)
        and (array == np.floor(array)).all()
        and (array >= 0).all()
        and (array < len(names)).all()
    )
    if not whole:
        raise DataError(
            f"{where} has shape {array.shape}, and is to say the class of each of {count:,} samples: a number from 0 "
            f"to {len(names) - 1} each, shape ({count},), or one-hot rows of a 1 among 0s, ({count}, {len(names)})"
        )
    return [names[int(k)] for k in array]


def _layout(array: np.ndarray, size: tuple[int, int]) -> np.ndarray | None:
    """The array as (N, H, W, C), whichever of the usual layouts it has; None for another."""
    pixels = size[0] * size[1]
    shape = array.shape
    if shape == (pixels,) or (array.ndim == 2 and shape[1] == pixels and shape != size):
        return array.reshape(-1, *size, 1)
    if array.ndim == 2:
        found = array[None, :, :, None]
    elif array.ndim == 3 and shape[2] in (1, 3, 4) and shape[1] > 4:
        found = array[None]  # (H, W, C)
    elif array.ndim == 3:
        found = array[..., None]  # (N, H, W)
    elif array.ndim == 4 and shape[3] in (1, 3, 4):
        found = array
    elif array.ndim == 4 and shape[1] in (1, 3, 4):
        found = array.transpose(0, 2, 3, 1)
    else:
        return None
    return found if found.shape[1:3] == size or min(found.shape[1:3]) >= SMALLEST else None


def _unzipped(file: IO[bytes], path: Path) -> dict[str, np.ndarray]:
    arrays: dict[str, np.ndarray] = {}
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            if not info.filename.endswith(".npy"):
                raise DataError(f"{path} is no .npz file of numbers: it holds {info.filename!r}, which is no array")
            if info.file_size > MOST_BYTES:
                raise DataError(
                    f"{path} promises {info.file_size:,} bytes in {info.filename!r}, and at most {MOST_BYTES:,} are "
                    f"read"
                )
            with archive.open(info) as member:
                name = info.filename.removesuffix(".npy")
                arrays[name] = _array(member, info.file_size, f"{path}, array {name!r},")
    if not arrays:
        raise DataError(f"{path} is an archive without an array")
    return arrays


def _array(file: IO[bytes], length: int, name: str) -> np.ndarray:
    """One array in NumPy's format, of `length` bytes with its header."""
    version = np.lib.format.read_magic(file)
    read = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
    shape, by_columns, dtype = read(file)
    if dtype.hasobject:
        raise DataError(f"{name} holds Python objects, and numbers were expected")
    count = 1
    for axis in shape:
        count *= axis
    promised, held = count * dtype.itemsize, length - file.tell()
    if promised > held:
        raise DataError(
            f"{name} is damaged: its header promises shape {shape} of {dtype}, {promised:,} bytes, and "
            f"{max(held, 0):,} follow"
        )
    data = file.read(promised)
    if len(data) < promised:
        raise DataError(f"{name} is damaged: it ends after {len(data):,} of {promised:,} bytes")
    return np.frombuffer(data, dtype, count).reshape(shape, order="F" if by_columns else "C")
