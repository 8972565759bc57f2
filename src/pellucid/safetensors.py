"""Files of arrays by name, in the safetensors format, each with a checksum.

The safetensors package reads and writes them; what is added is a SHA-256 over all that a file holds, in its metadata.
Reading checks it, so that one flipped bit is noticed. Files that others wrote have none, and are read too.
"""

from __future__ import annotations

import hashlib
import json
from collections.abc import Mapping
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np

from .files import write_atomically

__all__ = ["Contents", "SafetensorsError", "encode", "read", "write"]

_DTYPES = {
    "F64": "<f8",
    "F32": "<f4",
    "F16": "<f2",
    "BF16": "V2",  # as `pellucid.types.bfloat16` keeps it
    "I64": "<i8",
    "I32": "<i4",
    "I16": "<i2",
    "I8": "i1",
    "U64": "<u8",
    "U32": "<u4",
    "U16": "<u2",
    "U8": "u1",
}
_METADATA, _CHECKSUM = "__metadata__", "sha256"


class SafetensorsError(ValueError, RuntimeError):
    """A file that is not a whole safetensors file, or that holds what cannot be read."""


class Contents(NamedTuple):
    """What a file holds. Arrays of bfloat16, which NumPy lacks, are of the type ``V2``: their 16 bits."""

    arrays: dict[str, np.ndarray]
    metadata: dict[str, str]


def write(path: str | Path, arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> None:
    """Write a file, which is there whole or not at all."""
    write_atomically(path, encode(arrays, metadata))


def encode(arrays: Mapping[str, np.ndarray], metadata: Mapping[str, str] | None = None) -> bytes:
    """The bytes of a file.

    Raises:
        SafetensorsError: an array's dtype or name has no place in the format.

    >>> encode({"a": np.ones(2, np.float32)})[8:17]
    b'{"__metad'
    """
    if _METADATA in arrays:
        raise SafetensorsError(f"an array cannot be called {_METADATA!r}: safetensors keeps its texts there")
    package = _package()
    plain = {name: np.array(array, array.dtype.newbyteorder("<"), order="C") for name, array in arrays.items()}
    texts = dict(metadata or {})
    parts = ((name, array.shape, array.tobytes()) for name, array in plain.items())
    narrow = [name for name, array in plain.items() if array.dtype == _DTYPES["BF16"]]
    try:
        checked = {**texts, _CHECKSUM: _digest(texts, parts)}
        content = package.numpy.save({**plain, **{name: plain[name].view("<u2") for name in narrow}}, checked)
        return _with_bfloat16(content, narrow) if narrow else content
    except (package.SafetensorError, KeyError) as error:
        kinds = ", ".join(sorted({str(array.dtype) for array in plain.values()}))
        raise SafetensorsError(f"safetensors cannot hold these arrays ({kinds}): {error}") from None


def _with_bfloat16(content: bytes, names: list[str]) -> bytes:
    """The file with bfloat16 in its header for these arrays: the package takes NumPy's types alone, here uint16."""
    end = 8 + int.from_bytes(content[:8], "little")
    header = json.loads(content[8:end])
    for name in names:
        header[name]["dtype"] = "BF16"
    text = json.dumps(header, ensure_ascii=False, separators=(",", ":")).encode()
    text += b" " * (-len(text) % 8)
    return len(text).to_bytes(8, "little") + text + content[end:]


def read(path: str | Path) -> Contents:
    """Read a file.

    Raises:
        FileNotFoundError: there is none.
        SafetensorsError: it is damaged, or of another format, or has a dtype that NumPy does not have.
    """
    package = _package()
    content = Path(path).read_bytes()
    try:
        entries = package.deserialize(content)
        texts = json.loads(content[8 : 8 + int.from_bytes(content[:8], "little")]).get(_METADATA, {})
    except (package.SafetensorError, ValueError, RecursionError) as error:
        raise SafetensorsError(f"{path} is not a whole safetensors file: {error}") from None
    checksum = texts.pop(_CHECKSUM, None)
    if checksum is not None and checksum != _digest(texts, ((name, e["shape"], e["data"]) for name, e in entries)):
        raise SafetensorsError(
            f"{path} is not a whole safetensors file: its contents do not match the checksum that was written with them"
        )
    arrays: dict[str, np.ndarray] = {}
    for name, entry in entries:
        kind, data = entry["dtype"], bytes(entry["data"])
        if kind == "BOOL":  # a byte that is neither 0 nor 1 would be neither True nor False
            array = np.frombuffer(data, "u1") != 0
        elif kind in _DTYPES:
            array = np.frombuffer(data, _DTYPES[kind]).copy()
        else:
            raise SafetensorsError(f"{path}: tensor {name!r} has dtype {kind}, which pellucid does not have")
        arrays[name] = array.reshape(entry["shape"])
    return Contents(arrays, texts)


def _package() -> Any:
    try:
        import safetensors.numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            'files named .safetensors need the safetensors package: pip install "pellucid[standard]", or save under '
            "another name (.pt), which needs nothing"
        ) from None
    return safetensors


def _digest(texts: Mapping[str, str], parts: Any) -> str:
    """Over the texts, and over the name, shape and bytes of each array."""
    digest = hashlib.sha256(json.dumps(dict(texts), sort_keys=True).encode())
    for name, shape, data in sorted(parts, key=lambda part: part[0]):
        digest.update(json.dumps([name, list(shape), len(data)]).encode())
        digest.update(data)
    return digest.hexdigest()
