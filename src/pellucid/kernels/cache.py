"""Machine code on disk, so that a kernel is compiled once for a machine.

A file holds the digest of what it was made from (the kernel's text, LLVM's version, the processor and its features),
the digest of the code, and the code. A file that is damaged, that was made from something else, or that another user
could have written is as if it were not there. Where nothing can be written, nothing is kept.

The folder is `$PELLUCID_CACHE/kernels`, else `$XDG_CACHE_HOME/pellucid/kernels`, else `~/.cache/pellucid/kernels`.
"""

from __future__ import annotations

import hashlib
import os
import stat
from pathlib import Path

from pellucid.files import write_atomically

_HEAD = b"pellucid kernel 1\n"
_DIGEST = hashlib.sha256().digest_size


def folder() -> Path:
    """Where code is kept."""
    own = os.environ.get("PELLUCID_CACHE")
    if own:
        return Path(own) / "kernels"
    return Path(os.environ.get("XDG_CACHE_HOME") or Path.home() / ".cache") / "pellucid" / "kernels"


def read(text: str, key: str) -> bytes | None:
    """The code that was made of `text` for the processor `key`, if it is there and whole."""
    made_from = _digest(text, key)
    try:
        with open(folder() / f"{made_from.hex()[:32]}.o", "rb") as file:
            if not _own(os.fstat(file.fileno())):
                return None
            content = file.read()
    except (OSError, RuntimeError):  # RuntimeError: there is no home
        return None
    head = _HEAD + made_from
    code = content[len(head) + _DIGEST :]
    if not content.startswith(head) or content[len(head) : len(head) + _DIGEST] != hashlib.sha256(code).digest():
        return None
    return code


def write(text: str, key: str, code: bytes) -> None:
    """Keep the code, where that is possible."""
    made_from = _digest(text, key)
    try:
        place = folder()
        place.mkdir(mode=0o700, parents=True, exist_ok=True)
        content = _HEAD + made_from + hashlib.sha256(code).digest() + code
        write_atomically(place / f"{made_from.hex()[:32]}.o", content)
    except (OSError, RuntimeError):
        return


def _digest(text: str, key: str) -> bytes:
    return hashlib.sha256(f"{key}\0{text}".encode()).digest()


def _own(state: os.stat_result) -> bool:
    """Whether nobody else can have written the file: code is run as it is."""
    if not hasattr(os, "getuid"):
        return True
    return state.st_uid == os.getuid() and not state.st_mode & (stat.S_IWGRP | stat.S_IWOTH)
