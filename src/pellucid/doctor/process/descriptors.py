"""Descriptors of files that are kept in memory, for programs that ask for them: to have a file synced, locked or
mapped, or to write it past Python, as NumPy's `tofile` does.

A file that is mapped is memory of this process alone: its forks see what was in it, and change it for nobody else.
"""

from __future__ import annotations

import contextlib
import io
import mmap
import os
import site
import sys
import sysconfig
from collections.abc import Callable
from pathlib import Path
from types import FrameType
from typing import Any

import numpy as np

LARGE = (
    1 << 28
)  # bytes of a file of the disk that is mapped for writing: of a larger one, what is changed is kept alone

_open, _close, _dup, _fstat, _ftruncate = os.open, os.close, os.dup, os.fstat, os.ftruncate
_numbered: dict[int, Numbered] = {}
_ours = str(Path(__file__).resolve().parents[2])
_installed = tuple(
    {
        path + os.sep
        for path in (*map(sysconfig.get_path, ("stdlib", "platstdlib")), *site.getsitepackages(), _ours)
        if path is not None
    }
)


class Numbered(io.BytesIO):
    """A file in memory that has a descriptor."""

    _number = _lent = -1

    def fileno(self) -> int:
        if not _may_ask(sys._getframe(1)):
            raise io.UnsupportedOperation("a file in memory has no descriptor")
        if self._number < 0:
            self._number = _open(os.devnull, os.O_RDWR)
            _numbered[self._number] = self
        return self._number

    def close(self) -> None:
        if self._number >= 0:
            del _numbered[self._number]
            _close(self._number)
            self._number = -1
        super().close()

    def seek(self, offset: int, whence: int = 0) -> int:
        if self._lent >= 0:
            self._take_back()
        return super().seek(offset, whence)

    def lend(self) -> int:
        """A descriptor that may be written past Python, until `seek` is called: NumPy does so when it is done."""
        if not hasattr(os, "memfd_create"):
            raise io.UnsupportedOperation("a file in memory has no descriptor")
        self._lent = os.memfd_create("kept")
        _limit(lifted=True)
        os.write(self._lent, self.getvalue())
        os.lseek(self._lent, self.tell(), os.SEEK_SET)
        return _dup(self._lent)

    def _take_back(self) -> None:
        memory, self._lent = self._lent, -1
        _limit(lifted=False)
        content = os.pread(memory, _fstat(memory).st_size, 0)
        _close(memory)
        super().seek(0)
        self.write(content)
        self.truncate()

    def note_map(self, memory: Mapped, start: int) -> None:
        """It is mapped, from this byte on."""


class Mapped(mmap.mmap):
    """As `mmap.mmap`, of what is kept, too."""

    def __new__(cls, fileno: int, length: int, *args: Any, **kwargs: Any) -> Mapped:
        kept = _numbered.get(fileno)
        if kept is None:
            return super().__new__(cls, fileno, length, *args, **kwargs)
        start = int(kwargs.get("offset", 0))
        content = kept.getvalue()[start : start + length if length else None]
        made = super().__new__(cls, -1, length or len(content), flags=mmap.MAP_PRIVATE | mmap.MAP_ANONYMOUS)
        made[: len(content)] = content
        kept.note_map(made, start)
        return made


def keep(known: Callable[[Numbered], os.stat_result], on_disk: Callable[[Any], int]) -> None:
    """From here on, in this process, kept files have descriptors.

    Args:
        known: what `os.fstat` says of a file.
        on_disk: the size of a file of that path that is not kept; 0 where there is none.
    """
    mmap.mmap = Mapped  # type: ignore[misc]

    def dup(number: int) -> int:
        return _numbered[number].lend() if number in _numbered else _dup(number)

    def fstat(number: int) -> os.stat_result:
        return known(_numbered[number]) if number in _numbered else _fstat(number)

    def ftruncate(number: int, length: int) -> None:
        if number in _numbered:
            _numbered[number].truncate(length)

    os.dup, os.fstat, os.ftruncate = dup, fstat, ftruncate
    for name in ("fsync", "fdatasync"):
        if hasattr(os, name):
            setattr(os, name, lambda number: None)
    own = np.memmap.__new__

    def mapped(kind: Any, filename: Any, dtype: Any = np.uint8, mode: Any = "r+", *args: Any, **kwargs: Any) -> Any:
        if mode in ("r+", "readwrite") and on_disk(filename) > LARGE:
            mode = "c"
        return own(kind, filename, dtype, mode, *args, **kwargs)

    np.memmap.__new__ = mapped  # type: ignore[method-assign]


def _may_ask(frame: FrameType) -> bool:
    """Whether a descriptor is given to who asks: not to libraries that would write by it past Python, and do without
    where a file has none."""
    file = Path(frame.f_code.co_filename)
    return not (file.name == "shutil.py" or (file.parent.name == "PIL" and is_installed(str(file))))


def is_installed(file: str) -> bool:
    """Whether a file belongs to a library, not to a program."""
    return file.startswith((*_installed, "<frozen "))


def _limit(lifted: bool) -> None:
    """Lift the limit of what this process may write to files, or put it back."""
    with contextlib.suppress(ImportError, OSError, ValueError):
        import resource

        hard = resource.getrlimit(resource.RLIMIT_FSIZE)[1]
        if lifted:
            _limits.append(resource.getrlimit(resource.RLIMIT_FSIZE)[0])
            resource.setrlimit(resource.RLIMIT_FSIZE, (hard, hard))
        elif _limits:
            resource.setrlimit(resource.RLIMIT_FSIZE, (_limits.pop(), hard))


_limits: list[int] = []
