"""PyTorch's file format: an uncompressed zip with one record for each storage and a pickle that says what they are."""

from __future__ import annotations

import sys
import zipfile
from pickle import UnpicklingError
from typing import Any, BinaryIO

import numpy as np

from . import allowed, objects, reader, writer

_ALIGNMENT = 64  # of each storage in the file, so that it can be mapped into memory


def write(obj: Any, file: BinaryIO, name: str) -> None:
    """Write ``obj`` into ``file``; ``name`` is the folder inside the zip that holds all records."""
    try:
        stream, storages = writer.pickled(obj)
    except TypeError:  # more than tensors and plain data
        stream, storages = objects.pickled(obj)
    with zipfile.ZipFile(file, "w", zipfile.ZIP_STORED) as archive:
        _put(archive, f"{name}/data.pkl", stream)
        _put(archive, f"{name}/.format_version", b"1")
        _put(archive, f"{name}/.storage_alignment", str(_ALIGNMENT).encode())
        _put(archive, f"{name}/byteorder", b"little")
        for number, array in enumerate(storages):
            _put(archive, f"{name}/data/{number}", array.astype(array.dtype.newbyteorder("<"), copy=False).tobytes())
        _put(archive, f"{name}/version", b"3\n")


def _put(archive: zipfile.ZipFile, name: str, content: bytes) -> None:
    """Add a record whose bytes begin at a multiple of 64, by a field of padding in its header, as PyTorch does."""
    info = zipfile.ZipInfo(name, (1980, 1, 1, 0, 0, 0))  # no time of day: the same object gives the same file
    position = archive.fp.tell() + 30 + len(name.encode()) + 4  # type: ignore[union-attr]
    padding = -position % _ALIGNMENT
    info.extra = b"FB" + padding.to_bytes(2, "little") + b"Z" * padding
    archive.writestr(info, content)


def read(file: BinaryIO, source: str, weights_only: bool = True) -> Any:
    """Read what `write`, or ``torch.save``, wrote; without ``weights_only`` by unpickling, which can run code."""
    try:
        with zipfile.ZipFile(file) as archive:
            stream, storage = _read(archive, source)
            if weights_only:
                return reader.unpickled(stream, storage, source)
            return objects.unpickled(stream, storage, source)
    except objects.Raised as error:  # by what the file runs: told as it is
        raise error.cause from None
    except UnpicklingError:
        raise
    except Exception as error:
        # zipfile raises errors of many classes for damaged files; what was raised here says of which file it speaks.
        if type(error) is RuntimeError and source in str(error):
            raise
        raise _torn(source, error) from None


def names(file: BinaryIO, source: str) -> list[str]:
    """The names that a file asks for beside tensors, plain data, and what the program has allowed."""
    with zipfile.ZipFile(file) as archive:
        stream, _ = _read(archive, source)
    found = [name.rpartition(".") for name in reader.wanted(stream)]
    return [f"{module}.{name}" for module, _, name in found if allowed.find(module, name) is None]


def _torn(source: str, error: Exception) -> RuntimeError:
    return RuntimeError(
        f"{source} is not a whole file of PyTorch's zip format: {error}. Nor does it begin as files from before "
        "PyTorch 1.6 do"
    )


def _read(archive: zipfile.ZipFile, source: str) -> tuple[bytes, reader.Storage]:
    names = set(archive.namelist())
    pickles = [name for name in names if name.endswith("/data.pkl") and name.count("/") == 1]
    if len(pickles) != 1:
        raise RuntimeError(f"{source} is a zip file, but not one that torch.save writes: it has no data.pkl")
    folder = pickles[0].removesuffix("data.pkl")
    if folder + "constants.pkl" in names:
        raise RuntimeError(f"{source} is a TorchScript program, not saved tensors: save its state_dict instead")

    def record(name: str) -> bytes:
        try:
            info = archive.getinfo(folder + name)
        except KeyError:
            raise RuntimeError(f"{source} lacks the record {name!r} that its index names") from None
        if info.compress_type != zipfile.ZIP_STORED:  # torch.save never compresses; a small file stays small in memory
            raise RuntimeError(f"{source}: the record {name!r} is compressed, which PyTorch's format never is")
        try:
            return archive.read(info)
        except Exception as error:  # noqa: BLE001
            raise _torn(source, error) from None

    order = record("byteorder").decode() if folder + "byteorder" in names else "little"
    if order not in ("little", "big"):
        raise RuntimeError(f"{source} has an unknown byte order {order!r}")

    raw: dict[str, np.ndarray] = {}

    def storage(key: str, dtype: np.dtype[Any], count: int) -> np.ndarray:
        if key not in raw:
            raw[key] = np.frombuffer(bytearray(record(f"data/{key}")), np.uint8)
        content = raw[key]
        whole = content[: content.size - content.size % dtype.itemsize]
        if whole.size < count * dtype.itemsize:
            raise RuntimeError(
                f"{source}: storage {key} holds {whole.size // dtype.itemsize} elements, but its index says {count}"
            )
        if dtype == np.bool_:  # a byte that is neither 0 nor 1 would be neither True nor False
            np.minimum(whole, 1, out=whole)
        array = whole.view(dtype)
        return array if order == sys.byteorder or dtype.itemsize == 1 else array.byteswap()

    return record("data.pkl"), storage
