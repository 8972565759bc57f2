"""Ops and functions composed of them, by name: ``vocabulary.where(...)``, whichever file of `pellucid.ops` has it."""

from __future__ import annotations

from typing import Any

from ..declare import FUNCTIONS, TABLE


def __getattr__(name: str) -> Any:
    found = FUNCTIONS.get(name) or TABLE.get(name)
    if found is None:
        raise AttributeError(f"there is no op {name!r}")
    globals()[name] = found  # the next time, the module has it
    return found
