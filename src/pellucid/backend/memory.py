"""Have the C library keep the memory that a training step frees, for the next step.

glibc gives large freed blocks back to the system at once, which fills new ones with zeros, page by page, in the next
step: up to a quarter of the time of a step. A step frees what it took and takes as much again, so from the first
backward pass on up to `KEPT` bytes stay with the process. The most memory that it ever has is the same.
`PELLUCID_KEEP_MEMORY=0` leaves the C library as it is, and so do its own variables (`MALLOC_TRIM_THRESHOLD_`, …);
other C libraries, and other systems, are left as they are, too.
"""

from __future__ import annotations

import functools
import os
import sys
from typing import TYPE_CHECKING

if TYPE_CHECKING:
    import ctypes

KEPT = 512 << 20
_LARGEST = 32 << 20  # of a block that is kept: the most that glibc allows
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@functools.cache
def keep_freed() -> bool:
    """Do so, once; whether it is done."""
    if sys.platform != "linux" or os.environ.get("PELLUCID_KEEP_MEMORY") == "0" or any(map(os.environ.get, _OWN)):
        return False
    library = _glibc()
    return bool(library and library.mallopt(_MMAP_THRESHOLD, _LARGEST) and library.mallopt(_TRIM_THRESHOLD, KEPT))


def give_back() -> None:
    """Give what is free now to the system: after work that was done once, and took more than what follows."""
    library = _glibc() if keep_freed() else None
    if library is not None:
        library.malloc_trim(0)


def _glibc() -> ctypes.CDLL | None:
    """The GNU C library, if that is the one."""
    import ctypes

    library = ctypes.CDLL(None)
    names = ("gnu_get_libc_version", "mallopt", "malloc_trim")
    return library if all(hasattr(library, name) for name in names) else None
