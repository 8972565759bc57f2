"""`torch.serialization`: `save` and `load`, and which classes a file may name."""

from __future__ import annotations

import io
import os
from collections.abc import Callable
from pathlib import Path
from typing import IO, Any, BinaryIO

from pellucid.serialize import load, save, torchzip
from pellucid.serialize.allowed import add_safe_globals, clear_safe_globals, get_safe_globals, safe_globals
from pellucid.torch_names import absent

__all__ = [
    "DEFAULT_PROTOCOL", "FileLike", "MAP_LOCATION", "add_safe_globals", "clear_safe_globals", "get_safe_globals",
    "get_unsafe_globals_in_checkpoint", "load", "safe_globals", "save",
]  # fmt: skip

DEFAULT_PROTOCOL = 2  # of the pickle in a file

# What programs annotate their own functions with.
FileLike = str | os.PathLike[str] | IO[bytes]
MAP_LOCATION = Callable[[Any, str], Any] | str | dict[str, str] | None


def get_unsafe_globals_in_checkpoint(f: str | os.PathLike[str] | BinaryIO) -> list[str]:
    """The names that a file asks for, and that neither tensors and plain data need nor `add_safe_globals` allowed."""
    content = Path(f).read_bytes() if isinstance(f, (str, os.PathLike)) else f.read()
    return torchzip.names(io.BytesIO(content), str(f))


__getattr__ = absent(__name__)
