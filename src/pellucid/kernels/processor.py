"""The processor as the system describes it: for which one code on disk was made, without asking LLVM.

LLVM asks the processor itself, but to load LLVM costs 0.15 s and 40 MB, and code that is on disk already needs it for
nothing else. On Linux with an x86-64 processor the same is in `/proc/cpuinfo`; elsewhere `described` gives None.
"""

from __future__ import annotations

import platform
import sys
from pathlib import Path
from typing import NamedTuple

_DESCRIBED = Path("/proc/cpuinfo")
_ASKED = ("model name", "vendor_id", "cpu family", "model", "stepping", "flags")


class Processor(NamedTuple):
    """Its name, and the names of what it can do, as LLVM has them (`avx512f`, `fma`)."""

    name: str
    features: frozenset[str]

    @property
    def key(self) -> str:
        """What code for this processor is kept under."""
        return f"{self.name} {' '.join(sorted(self.features))}"


def described() -> Processor | None:
    """The first processor that the system lists, or None where it lists none or in another way."""
    if sys.platform != "linux" or platform.machine() != "x86_64":
        return None
    try:
        lines = _DESCRIBED.read_text(encoding="utf-8", errors="replace").split("\n\n")[0].splitlines()
    except OSError:
        return None
    found = {name.strip(): value.strip() for name, _, value in (line.partition(":") for line in lines)}
    if any(not found.get(name) for name in _ASKED):
        return None
    name, vendor, family, model, stepping, flags = (found[each] for each in _ASKED)
    return Processor(f"{name} ({vendor} {family}.{model}.{stepping})", frozenset(flags.split()))
