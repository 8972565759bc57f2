"""One process at a time in the folder of a run: a lock that the system takes back when its process dies."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

from pellucid.files import remove_partials

NAME = ".lock"


class RunFolderError(ValueError):
    """A folder that cannot take a run, that holds none to go on with, or that another process is at work in."""


@contextmanager
def run_lock(folder: str | Path) -> Iterator[None]:
    """Be the only one at work in `folder`, which must exist, for the length of a `with`.

    What a killed process left unfinished there is removed. The lock is the system's (`flock`, on Windows
    `msvcrt.locking`) on the file `.lock`, so it ends with the process, however that ends; a file that was left behind
    locks nobody out. On a file system without locks nothing is locked.

    Raises:
        RunFolderError: another process, or another part of this one, has it; or nothing can be written there.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with run_lock(folder):
    ...     with run_lock(folder):
    ...         pass
    Traceback (most recent call last):
    ...
    pellucid.train.files.lock.RunFolderError: ... is in use by process ...
    """
    folder = Path(folder)
    descriptor = _take(folder)
    try:
        remove_partials(folder)
        yield
    finally:
        _give_back(descriptor, folder / NAME)


def is_locked(folder: str | Path) -> bool:
    """Whether somebody is at work in `folder`. Nothing is written there, and a lock that was left behind is none.

    >>> import tempfile
    >>> folder = tempfile.mkdtemp()
    >>> with run_lock(folder):
    ...     inside = is_locked(folder)
    >>> inside, is_locked(folder)
    (True, False)
    """
    try:
        descriptor = os.open(Path(folder) / NAME, os.O_RDWR | getattr(os, "O_NOFOLLOW", 0))
    except OSError:
        return False
    try:
        return not _lock(descriptor)
    finally:
        os.close(descriptor)  # which gives the lock back where it was free


def _take(folder: Path) -> int:
    path = folder / NAME
    while True:
        try:
            descriptor = os.open(path, os.O_CREAT | os.O_RDWR | getattr(os, "O_NOFOLLOW", 0), 0o666)
        except OSError as error:
            raise RunFolderError(f"Cannot write to {folder}: {error.strerror}. Use another folder.") from error
        try:
            if not _lock(descriptor):
                owner = os.read(descriptor, 100).decode(errors="replace").strip() or "of another user"
                raise RunFolderError(
                    f"{folder} is in use by process {owner}: wait until it has ended, or use another folder."
                )
            # Whoever had it before removed the file when it was done: a lock on a removed file is none.
            if os.name == "nt" or _is_at(descriptor, path):
                os.truncate(descriptor, 0)
                os.write(descriptor, str(os.getpid()).encode())
                return descriptor
        except BaseException:
            os.close(descriptor)
            raise
        os.close(descriptor)


def _lock(descriptor: int) -> bool:
    """Whether the lock could be had; where the file system has none, it counts as had."""
    if sys.platform == "win32":
        import msvcrt

        try:
            os.lseek(descriptor, 1 << 20, os.SEEK_SET)  # beyond what is written there, which so can be read
            msvcrt.locking(descriptor, msvcrt.LK_NBLCK, 1)
            os.lseek(descriptor, 0, os.SEEK_SET)
        except OSError:
            return False
        return True
    import fcntl

    try:
        fcntl.flock(descriptor, fcntl.LOCK_EX | fcntl.LOCK_NB)
    except BlockingIOError:
        return False
    except OSError:
        return True
    return True


def _is_at(descriptor: int, path: Path) -> bool:
    try:
        return os.path.samestat(os.fstat(descriptor), os.stat(path, follow_symlinks=False))
    except FileNotFoundError:
        return False


def _give_back(descriptor: int, path: Path) -> None:
    if os.name != "nt":  # an open file cannot be removed there
        path.unlink(missing_ok=True)
    os.close(descriptor)
