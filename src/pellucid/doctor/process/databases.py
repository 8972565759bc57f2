"""Databases in memory, in a process whose writes are kept: each begins as what is on the disk."""

from __future__ import annotations

import importlib
import itertools
import os
import sys
import urllib.parse
from collections.abc import Callable
from typing import Any

LARGE = 1 << 28  # bytes of a database that is not copied, but read only

_kept: dict[str, tuple[str, Any]] = {}  # by the full name of a file, the address of its copy, and what holds that open
_numbers = itertools.count()


def keep(module: Any, made: Callable[[str], Any]) -> None:
    """From here on, `connect` of sqlite3 opens copies.

    Args:
        module: `sqlite3.dbapi2`.
        made: called with the name of each file that would be there from then on.
    """
    own = module.connect

    def connect(database: Any, *args: Any, **kwargs: Any) -> Any:
        place = _place(database, bool(kwargs.get("uri")))
        if place is None:
            return own(database, *args, **kwargs)
        there = os.path.exists(place)
        size = os.stat(place).st_size if there else 0
        if size > LARGE:
            return own(f"file:{urllib.parse.quote(place)}?mode=ro", *args, **{**kwargs, "uri": True})
        if place not in _kept or not there:
            address = f"file:kept{next(_numbers)}{urllib.parse.quote(place, safe='')}?mode=memory&cache=shared"
            _kept[place] = address, own(address, uri=True, check_same_thread=False)
            if size:
                source = own(f"file:{urllib.parse.quote(place)}?mode=ro", uri=True)
                source.backup(_kept[place][1])
                source.close()
            made(place)
        return own(_kept[place][0], *args, **{**kwargs, "uri": True})

    module.connect = connect
    if "sqlite3" in sys.modules:
        sys.modules["sqlite3"].connect = connect  # type: ignore[attr-defined]


def _place(database: Any, uri: bool) -> str | None:
    """The full name of the file of a database; None of one in memory."""
    name = os.fsdecode(database)
    if uri and name.startswith("file:"):
        parts = urllib.parse.urlsplit(name)
        if "mode=memory" in parts.query:
            return None
        name = urllib.parse.unquote(parts.path)
    return None if name in ("", ":memory:") else os.path.abspath(name)


def keep_keys(module: Any) -> None:
    """From here on, `dbm`, and so `shelve`, opens files that are written by Python, and so kept; of what is on the disk
    in another form, a copy."""
    own = module.open

    def opened(file: Any, flag: str = "r", mode: int = 0o666) -> Any:
        by_python = importlib.import_module("dbm.dumb").open
        kind = module.whichdb(file)
        if kind in (None, "", "dbm.dumb") or flag == "n":
            return own(file, flag, mode) if flag in ("r", "w") else by_python(file, flag, mode)
        with own(file, "r") as there:
            rows = {key: there[key] for key in there.keys()}  # noqa: SIM118 (not all of them are iterated over)
        copy = by_python(file, "n", mode)
        for key, value in rows.items():
            copy[key] = value
        return copy

    module.open = opened
