"""What a fork writes: kept in memory, where this process finds it again, and nobody else does.

A program that saves its best weights and loads them at the end, or that writes the files that it then reads, goes on as
it would; on the disk nothing changes.
"""

from __future__ import annotations

import builtins
import errno
import io
import os
import shutil
import stat
import sys
import time
from collections.abc import Iterator
from typing import Any

from pellucid.doctor.process import databases, descriptors
from pellucid.doctor.process.imported import when_imported

MOST = 1 << 30  # bytes that are kept
MORE = "the doctor keeps no more than 1 GiB of what a program writes"
WRITING = os.O_WRONLY | os.O_RDWR | os.O_CREAT | os.O_APPEND | os.O_TRUNC

_open, _stat, _lstat, _scandir, _listdir = builtins.open, os.stat, os.lstat, os.scandir, os.listdir
_files: dict[str, bytes] = {}
_folders: set[str] = set()
_gone: set[str] = set()  # files and folders of the disk that this process would have removed
_times: dict[str, float] = {}  # when they were written
_maps: dict[str, list[tuple[int, descriptors.Mapped]]] = {}  # what of a file is mapped, each from a byte on


def keep() -> None:
    """From here on, in this process, what is written is kept in memory. There is no way back."""
    if builtins.open is _opened:
        return
    builtins.open = io.open = _opened  # type: ignore[assignment]
    descriptors.keep(lambda file: _as_file(file.getbuffer().nbytes), _size_on_disk)
    when_imported(
        {
            "sqlite3.dbapi2": lambda module: databases.keep(module, lambda place: _files.setdefault(place, b"")),
            "dbm": lambda module: databases.keep_keys(module),
        }
    )
    for module, name in (("bz2", "_builtin_open"), ("tarfile", "bltn_open")):  # which have it by a name of their own
        if module in sys.modules:
            setattr(sys.modules[module], name, _opened)
    openers: Any = getattr(sys.modules.get("numpy.lib._datasource"), "_file_openers", None)
    if hasattr(openers, "_file_openers"):  # of NumPy's texts
        openers._file_openers[None] = _opened
    own_os_open = os.open

    def os_open(path: Any, flags: int, *args: Any, **kwargs: Any) -> int:
        if not flags & WRITING:
            return own_os_open(path, flags, *args, **kwargs)
        if flags & os.O_CREAT and (place := _place(path)) is not None:
            _files.setdefault(place, b"")
        return own_os_open(os.devnull, os.O_RDWR)

    os.open = os_open  # type: ignore[assignment]
    shutil.rmtree = _removed_folder  # type: ignore[assignment]
    for name, other in IN_THEIR_PLACE.items():
        setattr(os, name, other)
    for name in ("truncate", "link", "symlink", "chmod", "chown", "utime", "mkfifo"):
        if hasattr(os, name):
            setattr(os, name, _nothing)


def write_out(path: str | os.PathLike[str], text: str) -> None:
    """Write to the disk, whatever is kept: for what the doctor itself has to say."""
    with _open(path, "w", encoding="utf-8") as file:
        file.write(text)


def _nothing(*args: Any, **kwargs: Any) -> None:
    return None


def _place(path: Any) -> str | None:
    """The full name of a path; None for a descriptor."""
    return None if isinstance(path, int) else os.path.abspath(os.fsdecode(path))


class _Buffer(descriptors.Numbered):
    """A file that is being written."""

    def __init__(self, place: str | None, content: bytes, at_end: bool) -> None:
        super().__init__(content)
        self._place, self.appends = place, at_end
        self.seek(0, os.SEEK_END if at_end else os.SEEK_SET)
        if place is not None:
            _files[place] = content
            _times[place] = time.time()
            _gone.discard(place)
            if not content:
                _maps.pop(place, None)

    def note_map(self, memory: descriptors.Mapped, start: int) -> None:
        if self._place is not None:
            _maps.setdefault(self._place, []).append((start, memory))

    @property
    def name(self) -> str | None:
        return self._place

    @name.setter
    def name(self, given: str) -> None:  # as `tempfile` gives it to what it has opened
        self._place = _place(given)

    def write(self, data: Any) -> int:
        if self.appends:
            self.seek(0, os.SEEK_END)
        if self.tell() > MOST:
            raise OSError(errno.ENOSPC, MORE, self.name)
        return super().write(data)

    def flush(self) -> None:
        super().flush()
        if sum(map(len, _files.values())) > MOST:
            raise OSError(errno.ENOSPC, MORE, self.name)
        if self._place is not None:
            _files[self._place] = self.getvalue()
            _times[self._place] = time.time()

    def close(self) -> None:
        if not self.closed:
            self.flush()
        super().close()


def _opened(
    file: Any,
    mode: str = "r",
    buffering: int = -1,
    encoding: str | None = None,
    errors: str | None = None,
    newline: str | None = None,
    closefd: bool = True,
    opener: Any = None,
) -> Any:
    place = _place(file)
    if place is None or (not any(letter in mode for letter in "wax+") and place not in _files):
        if place is not None and _is_gone(place):
            raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
        return _open(file, mode, buffering, encoding, errors, newline, closefd, opener)
    if opener is not None:  # which makes a name of its own, and then gives it to the file
        os.close(opener(file, os.O_RDWR | os.O_CREAT))
        place = None
    there = place is not None and os.path.isfile(place)
    if "x" in mode and there:
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), file)
    if "r" in mode and not there:
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), file)
    content = _content(place) if place is not None and there and not any(letter in mode for letter in "wx") else b""
    writes = any(letter in mode for letter in "wax+")
    buffer: Any = _Buffer(place, content, "a" in mode) if writes else descriptors.Numbered(content)
    return buffer if "b" in mode else io.TextIOWrapper(buffer, encoding, errors, newline, write_through=writes)


def _content(place: str) -> bytes:
    if place not in _files:
        with _open(place, "rb") as file:
            return file.read()
    content = _files[place]
    for start, memory in _maps.get(place, ()):
        content = content[:start] + memory[:] + content[start + len(memory) :]
    return content


def _size_on_disk(path: Any) -> int:
    place = _place(path) if isinstance(path, str | bytes | os.PathLike) else None
    return 0 if place is None or place in _files or not _on_disk(place) else _lstat(place).st_size


def _as_file(size: int, written: float = 0.0) -> os.stat_result:
    return os.stat_result((stat.S_IFREG | 0o644, 0, 0, 1, 0, 0, size, *[int(written)] * 3, *[written] * 3))


def _known(path: Any) -> os.stat_result | None:
    """What there is to say of what is kept under a path."""
    place = _place(path)
    if place is None:
        return None
    if place in _files:
        return _as_file(len(_files[place]), _times.get(place, 0.0))
    if place in _folders:
        return os.stat_result((stat.S_IFDIR | 0o755, 0, 0, 1, 0, 0, 0, 0, 0, 0))
    if _is_gone(place):
        raise FileNotFoundError(errno.ENOENT, os.strerror(errno.ENOENT), path)
    return None


def _is_gone(place: str) -> bool:
    """Whether that was removed, or a folder that it was in."""
    return bool(_gone) and any(place == other or place.startswith(other + os.sep) for other in _gone)


def _stated(path: Any, **kwargs: Any) -> os.stat_result:
    known = _known(path) if kwargs.get("dir_fd") is None else None  # a name within a folder that is open is another's
    return known or _stat(path, **kwargs)


def _lstated(path: Any, **kwargs: Any) -> os.stat_result:
    known = _known(path) if kwargs.get("dir_fd") is None else None
    return known or _lstat(path, **kwargs)


class _Entry:
    """As `os.DirEntry`, of what is kept."""

    def __init__(self, folder: str, name: str) -> None:
        self.name, self.path = name, os.path.join(folder, name)

    def __fspath__(self) -> str:
        return self.path

    def is_dir(self, *, follow_symlinks: bool = True) -> bool:
        return os.path.isdir(self.path)

    def is_file(self, *, follow_symlinks: bool = True) -> bool:
        return os.path.isfile(self.path)

    def is_symlink(self) -> bool:
        return False

    def stat(self, *, follow_symlinks: bool = True) -> os.stat_result:
        return os.stat(self.path)


class _Entries:
    """As what `os.scandir` gives."""

    def __init__(self, entries: list[Any]) -> None:
        self._left = iter(entries)

    def __iter__(self) -> Iterator[Any]:
        return self._left

    def __next__(self) -> Any:
        return next(self._left)

    def __enter__(self) -> _Entries:
        return self

    def __exit__(self, *_: object) -> None:
        return None

    def close(self) -> None:
        return None


def _within(place: str) -> list[str]:
    """The names of what is kept in a folder."""
    return sorted({os.path.basename(other) for other in (*_files, *_folders) if os.path.dirname(other) == place})


def _scanned(path: Any = ".") -> Any:
    place = _place(path)
    names = _within(place) if place is not None else []
    if place is None or (not names and place not in _folders and not _gone):
        return _scandir(path)
    folder = os.fsdecode(path)
    own: list[Any] = []
    if place not in _folders:
        with _scandir(path) as found:
            own = [e for e in found if e.name not in names and not _is_gone(os.path.join(place, os.fsdecode(e.name)))]
    return _Entries([*own, *(_Entry(folder, name) for name in names)])


def _listed(path: Any = ".") -> list[Any]:
    if isinstance(path, int | bytes):
        return _listdir(path)
    with _scanned(path) as found:
        return [entry.name for entry in found]


def _made_folder(path: Any, mode: int = 0o777, *, dir_fd: Any = None) -> None:
    if dir_fd is not None:
        return
    if os.path.exists(path):
        raise FileExistsError(errno.EEXIST, os.strerror(errno.EEXIST), path)
    place = _place(path)
    while place is not None and not os.path.isdir(place):
        _folders.add(place)
        place = os.path.dirname(place)


def _made_folders(name: Any, mode: int = 0o777, exist_ok: bool = False) -> None:
    if not (exist_ok and os.path.isdir(name)):
        _made_folder(name)


def _removed(path: Any, *, dir_fd: Any = None) -> None:
    place = _place(path) if dir_fd is None else None
    if place is None:
        return
    os.lstat(place)  # which raises of what is not there
    _maps.pop(place, None)
    if _files.pop(place, None) is None or _on_disk(place):
        _gone.add(place)


def _on_disk(place: str) -> bool:
    try:
        _lstat(place)
    except OSError:
        return False
    return True


def _moved(source: Any, target: Any, **_: Any) -> None:
    first, second = _place(source), _place(target)
    if first is None or second is None or not os.path.isfile(first):
        return  # a folder stays where it is
    content = _content(first)
    _removed(first)
    _files[second], _times[second] = content, _times.get(first, 0.0)
    _maps.pop(second, None)
    _gone.discard(second)


def _removed_folder(path: Any, *_: Any, **kwargs: Any) -> None:
    place = _place(path)
    if place is None or kwargs.get("dir_fd") is not None:
        return
    if _on_disk(place):
        _gone.add(place)
    for other in [other for other in _files if other.startswith(place + os.sep)]:
        del _files[other]
    _folders.difference_update({other for other in _folders if (other + os.sep).startswith(place + os.sep)})


IN_THEIR_PLACE: dict[str, Any] = {
    "stat": _stated,
    "lstat": _lstated,
    "scandir": _scanned,
    "listdir": _listed,
    "mkdir": _made_folder,
    "makedirs": _made_folders,
    **dict.fromkeys(("remove", "unlink"), _removed),
    **dict.fromkeys(("rename", "replace", "renames"), _moved),
    **dict.fromkeys(("rmdir", "removedirs"), _removed_folder),
}
"""By the name that `os` has for it, what stands in its place."""
