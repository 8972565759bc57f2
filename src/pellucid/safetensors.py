"""The safetensors format (https://github.com/huggingface/safetensors): arrays by name, and a header of texts.

A file is the length of its header (8 bytes), the header (JSON: the dtype, shape and place of each array), and the bytes
of the arrays. What is written here has a SHA-256 over all of it in the header, and reading checks it, so that one
flipped bit is noticed. Files that others wrote have none, and are read too.
"""

from __future__ import annotations

import hashlib
import json
import math
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .files import write_atomically

__all__ = ["Contents", "SafetensorsError", "encode", "read", "write"]

DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
    "BOOL": "?",
}
_NAMES = {np.dtype(text): name for name, text in DTYPES.items()}
_METADATA, _CHECKSUM = "__metadata__", "sha256"
_LONGEST_HEADER = 100_000_000  # as the safetensors package has it


class SafetensorsError(ValueError, RuntimeError):
    """A file that is no whole safetensors file, or that holds what cannot be read."""


class Contents(NamedTuple):
    """What a file holds. ``bfloat16`` names the arrays that were of that dtype; they are float32 here, exactly."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, str]
    bfloat16: list[str]


def write(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write a file, which is there whole or not at all."""
    write_atomically(path, encode(arrays, metadata))


def encode(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file.

    >>> encode({"a": np.ones(2, np.float32)})[8:17]
    b'{"__metad'
    """
    header: dict[str, Any] = {_METADATA: {}}
    # As the package orders them: the widest elements first, so that each array is aligned.
    names = sorted(arrays, key=lambda name: (-arrays[name].dtype.itemsize, name))
    parts: list[bytes] = []
    end = 0
    for name in names:
        array = arrays[name]
        kind = _NAMES.get(array.dtype.newbyteorder("<"))
        if kind is None or name == _METADATA:
            raise SafetensorsError(f"safetensors has no place for {name!r} of dtype {array.dtype}")
        parts.append(array.astype(DTYPES[kind], order="C", copy=False).tobytes())
        header[name] = {"dtype": kind, "shape": list(array.shape), "data_offsets": [end, end + len(parts[-1])]}
        end += len(parts[-1])
    texts = dict(metadata or {})
    header[_METADATA] = {**texts, _CHECKSUM: _digest(texts, header, b"".join(parts))}
    text = json.dumps(header, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + b"".join(parts)


def read(path: str | Path) -> Contents:
    """Read a file.

    Raises:
        FileNotFoundError: there is none.
        SafetensorsError: it is damaged, or of another format, or has a dtype that NumPy does not have.
    """
    content = Path(path).read_bytes()
    length = int.from_bytes(content[:8], "little")
    if len(content) < 8 or not 2 <= length <= min(len(content) - 8, _LONGEST_HEADER):
        raise SafetensorsError(f"{path} is no whole safetensors file: it has no header, or was cut short")
    try:
        header = json.loads(content[8 : 8 + length])
        data = memoryview(content)[8 + length :]
        texts = header.get(_METADATA, {})
        if not all(isinstance(text, str) for text in texts.values()):
            raise TypeError("its metadata are not texts")
        entries = {name: _entry(entry) for name, entry in header.items() if name != _METADATA}
    except (ValueError, TypeError, KeyError, AttributeError, RecursionError) as error:
        raise SafetensorsError(f"{path} is no whole safetensors file: its header is damaged ({error})") from None
    end = 0
    for begin, stop, _, _ in sorted(entry for entry in entries.values()):
        if begin != end:
            raise SafetensorsError(f"{path} is no whole safetensors file: its header does not fit its arrays")
        end = stop
    if end != len(data):
        raise SafetensorsError(
            f"{path} is no whole safetensors file: its arrays take {end} bytes, but {len(data)} are there"
        )
    checksum = texts.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _digest(texts, header, data):
        raise SafetensorsError(
            f"{path} is no whole safetensors file: it is damaged, for its contents do not match the checksum that was "
            "written with them"
        )
    arrays: dict[str, np.ndarray] = {}
    bfloat16: list[str] = []
    for name, (begin, stop, kind, shape) in entries.items():
        if kind == "BF16":
            bfloat16.append(name)
            arrays[name] = widened(np.frombuffer(data[begin:stop], "<u2")).reshape(shape)
        elif kind not in DTYPES:
            raise SafetensorsError(f"{path}: tensor {name!r} has dtype {kind}, which pellucid has not")
        elif kind == "BOOL":  # a byte that is neither 0 nor 1 would be neither True nor False
            arrays[name] = (np.frombuffer(data[begin:stop], "u1") != 0).reshape(shape)
        else:
            arrays[name] = np.frombuffer(data[begin:stop], DTYPES[kind]).reshape(shape).copy()
    return Contents(arrays, texts, bfloat16)


def widened(bits: np.ndarray) -> np.ndarray:
    """The float32 numbers that bfloat16 numbers, given as their 16 bits, are: the upper half of the bits."""
    return (bits.astype(np.uint32) << 16).view(np.float32)


_SIZES = {**{kind: np.dtype(text).itemsize for kind, text in DTYPES.items()}, "BF16": 2}


def _entry(entry: Any) -> tuple[int, int, str, tuple[int, ...]]:
    """(Begin, end, dtype, shape) of an array, checked against each other."""
    kind, shape, (begin, stop) = entry["dtype"], tuple(entry["shape"]), entry["data_offsets"]
    if not isinstance(kind, str) or not all(type(n) is int and n >= 0 for n in (begin, stop, *shape)):
        raise ValueError(f"impossible entry {entry}")
    if kind in _SIZES and stop - begin != math.prod(shape) * _SIZES[kind]:
        raise ValueError(f"{kind} of shape {list(shape)} in {stop - begin} bytes")
    return begin, stop, kind, shape


def _digest(texts: Mapping[str, str], header: Mapping[str, Any], data: Any) -> str:
    entries = {name: entry for name, entry in header.items() if name != _METADATA}
    digest = hashlib.sha256(json.dumps([dict(texts), entries], sort_keys=True).encode())
    digest.update(data)
    return digest.hexdigest()
