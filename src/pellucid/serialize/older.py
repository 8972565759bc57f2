"""The file format of PyTorch before its version 1.6, in which tensors still go through Python's pickle.

Pickles one after the other: a magic number, a version, facts about the machine, the object, the keys of its storages.
The storages follow, each after the number of its elements.
"""

from __future__ import annotations

import io
import pickletools
from pickle import UnpicklingError
from typing import Any

import numpy as np

from . import objects, reader, rebuilt

_MAGIC = b"\x80\x02\x8a\x0al\xfc\x9cF\xf9 j\xa8P\x19."  # the pickle of 0x1950a86a20f9469cfc6c


def is_older(content: bytes) -> bool:
    """Whether bytes begin as such a file does."""
    return content.startswith(_MAGIC)


def read(content: bytes, source: str, weights_only: bool = True) -> Any:
    """The object in a file's bytes; without `weights_only` by unpickling, which can run code.

    Raises:
        RuntimeError: the bytes end too early, or come from a machine of another byte order.
        pickle.UnpicklingError: the object is more than tensors and plain data.
    """
    file = io.BytesIO(content)
    arrays: dict[str, np.ndarray] = {}

    def storage(key: str, dtype: np.dtype[Any], count: int) -> np.ndarray:
        if count < 0 or count * dtype.itemsize > len(content):
            raise RuntimeError(f"{source}: storage {key} of {count} elements is longer than the file")
        array = arrays.setdefault(key, np.zeros(count, dtype))  # filled below: the order is that of the keys
        rebuilt.unfilled.setdefault(id(array), [])
        return array

    facts = [_next(file, source) for _ in range(3)][-1]
    machine = reader.unpickled(facts, storage, source)
    if not (isinstance(machine, dict) and machine.get("little_endian")):
        raise RuntimeError(f"{source} comes from a machine whose numbers begin with the highest byte; load it there")
    stream, keys = _next(file, source), reader.unpickled(_next(file, source), storage, source)
    unpickled = reader.unpickled if weights_only else objects.unpickled
    try:
        found = unpickled(stream, storage, source)
    except objects.Raised as error:  # by what the file runs: told as it is
        raise error.cause from None
    finally:
        later = [task for array in arrays.values() for task in rebuilt.unfilled.pop(id(array), ())]
    for key in keys:
        _fill(arrays.get(key), file, source, key)
    for task in later:
        task()
    return found


def _next(file: io.BytesIO, source: str) -> bytes:
    """The bytes of the pickle that begins here; nothing is executed."""
    start = file.tell()
    try:
        for _ in pickletools.genops(file):
            pass
    except ValueError as error:
        raise RuntimeError(f"{source} is not a whole file of PyTorch's older format: {error}") from None
    return file.getvalue()[start : file.tell()]


def _fill(array: np.ndarray | None, file: io.BytesIO, source: str, key: Any) -> None:
    count = int.from_bytes(file.read(8), "little")
    if array is None or count != array.size:
        raise UnpicklingError(f"{source}: its index does not say what storage {key!r} of {count} elements is")
    content = np.frombuffer(file.read(array.nbytes), np.uint8)
    if content.size != array.nbytes:
        raise RuntimeError(f"{source} ends within storage {key!r}")
    if array.dtype == np.bool_:  # a byte that is neither 0 nor 1 would be neither True nor False
        content = np.minimum(content, 1)
    array.view(np.uint8)[:] = content
