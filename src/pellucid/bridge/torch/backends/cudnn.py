"""`torch.backends.cudnn`: not there; its switches keep what they are set to."""

from __future__ import annotations

import contextlib
from typing import Any

enabled, benchmark, deterministic, allow_tf32, benchmark_limit = True, False, False, True, 10


def is_available() -> bool:
    """False."""
    return False


def version() -> int | None:
    """None."""
    return None


def is_acceptable(tensor: Any) -> bool:
    """False: no tensor is on a GPU."""
    return False


@contextlib.contextmanager
def flags(**switches: Any) -> Any:
    """The switches, set for the length of a `with`."""
    before = {name: globals()[name] for name in switches}
    globals().update(switches)
    try:
        yield
    finally:
        globals().update(before)
