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

KEPT = 512 << 20
_LARGEST = 32 << 20  # of a block that is kept: the most that glibc allows
_TRIM_THRESHOLD, _MMAP_THRESHOLD = -1, -3  # M_… of malloc.h
_OWN = ("MALLOC_TRIM_THRESHOLD_", "MALLOC_MMAP_THRESHOLD_", "MALLOC_TOP_PAD_", "GLIBC_TUNABLES", "LD_PRELOAD")


@functools.cache
def keep_freed() -> bool:
    """Do so, once; whether it is done."""
    if sys.platform != "linux" or os.environ.get("PELLUCID_KEEP_MEMORY") == "0" or any(map(os.environ.get, _OWN)):
        return False
    import ctypes

    library = ctypes.CDLL(None)
    if not (hasattr(library, "gnu_get_libc_version") and hasattr(library, "mallopt")):
        return False
    return bool(library.mallopt(_MMAP_THRESHOLD, _LARGEST) and library.mallopt(_TRIM_THRESHOLD, KEPT))
