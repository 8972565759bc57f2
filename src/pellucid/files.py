"""Files that are whole or not there: written beside their place, flushed to the disk, then moved into it.

This is the only place of the package that writes to a temporary name. The name cannot be guessed and the file is made
by the open itself (O_EXCL), so a link that somebody planted in the folder is never followed.
"""

from __future__ import annotations

import io
import json
import math
import os
import re
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path
from typing import Any, BinaryIO


@contextmanager
def beside(path: str | Path) -> Iterator[Path]:
    """The path of a new empty file in the folder of `path`, to be filled; it becomes `path` if the block ends well.

    The bytes reach the disk before the name does, so whoever reads `path`, at any moment, sees the old file or the new
    one, never a part, also when the process or the machine dies midway. On an error the new file is removed.
    """
    path = Path(path)
    partial = _new_name(path)
    os.close(os.open(partial, os.O_CREAT | os.O_EXCL | os.O_WRONLY, 0o666))
    try:
        yield partial
        with open(partial, "rb+") as file, suppress(io.UnsupportedOperation):  # of what is in memory alone
            os.fsync(file.fileno())
        os.replace(partial, path)
    except BaseException:
        partial.unlink(missing_ok=True)
        raise
    _sync_folder(path.parent)


@contextmanager
def open_atomically(path: str | Path) -> Iterator[BinaryIO]:
    """A binary file to write, which takes the name `path` when the block ends well, and vanishes when it does not."""
    with beside(path) as partial, open(partial, "wb") as file:
        yield file


def write_atomically(path: str | Path, content: bytes | str) -> None:
    """Put `content` at `path` (a text in UTF-8). Whoever reads `path` sees the old file or the new one, never a part.

    >>> import tempfile
    >>> path = Path(tempfile.mkdtemp()) / "note.txt"
    >>> write_atomically(path, "whole")
    >>> path.read_text(), [each.name for each in path.parent.iterdir()]
    ('whole', ['note.txt'])
    """
    with open_atomically(path) as file:
        file.write(content.encode() if isinstance(content, str) else content)


def copy_atomically(source: Path, path: Path) -> None:
    """Have at `path` what is at `source`, a file that never changes in place: by a hard link where one can be made."""
    partial = _new_name(path)
    try:
        os.link(source, partial)
    except OSError:  # a file system without hard links
        write_atomically(path, source.read_bytes())
        return
    try:
        os.replace(partial, path)
    finally:
        partial.unlink(missing_ok=True)  # renaming one name of a file to another of it does nothing (POSIX)
    _sync_folder(path.parent)


def write_json(path: str | Path, value: Any) -> None:
    """`value` as indented JSON; a number that JSON does not have (NaN, infinity) becomes null."""
    write_atomically(path, json.dumps(_finite(value), indent=2, allow_nan=False) + "\n")


def remove_partials(folder: Path) -> None:
    """Remove what a killed process left unfinished in a folder. Only for whoever is alone at work there."""
    for path in folder.iterdir():
        if is_partial(path):
            path.unlink(missing_ok=True)


def is_partial(path: Path) -> bool:
    """Whether the name is that of an unfinished file."""
    return _PARTIAL.fullmatch(path.name) is not None


_PARTIAL = re.compile(r"\..*\.[0-9a-f]{16}\.partial(\..*)?")


def _new_name(path: Path) -> Path:
    # The ending stays, for programs that tell by it what to write.
    return path.with_name(f".{path.stem}.{os.urandom(8).hex()}.partial{path.suffix}")


def _finite(value: Any) -> Any:
    if isinstance(value, dict):
        return {key: _finite(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [_finite(item) for item in value]
    return None if isinstance(value, float) and not math.isfinite(value) else value


def _sync_folder(folder: Path) -> None:
    """Make the renaming itself durable, where the system lets a folder be opened (Windows does not)."""
    try:
        descriptor = os.open(folder, os.O_RDONLY)
    except OSError:
        return
    try:
        os.fsync(descriptor)
    finally:
        os.close(descriptor)
