"""Change a module as soon as a program imports it, and not before: most programs import none of them."""

from __future__ import annotations

import importlib.abc
import importlib.machinery
import sys
from collections.abc import Callable
from typing import Any

Change = Callable[[Any], None]


def when_imported(changes: dict[str, Change]) -> None:
    """Call each of these with its module: now, where that is there already; else when it is imported."""
    for name, change in changes.items():
        if name in sys.modules:
            change(sys.modules[name])
    waiting = {name: change for name, change in changes.items() if name not in sys.modules}
    if waiting:
        sys.meta_path.insert(0, _Changes(waiting))


class _Changes(importlib.abc.MetaPathFinder):
    def __init__(self, changes: dict[str, Change]) -> None:
        self._changes = changes

    def find_spec(self, name: str, path: Any, target: Any = None) -> Any:
        change = self._changes.get(name)
        spec = importlib.machinery.PathFinder.find_spec(name, path, target) if change is not None else None
        if spec is None or spec.loader is None or change is None:
            return None
        make = spec.loader.exec_module

        def exec_module(module: Any) -> None:
            make(module)
            change(module)

        spec.loader.exec_module = exec_module  # type: ignore[method-assign]
        return spec
