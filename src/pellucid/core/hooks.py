"""Functions that are called with a gradient as it passes, and the handle that takes one away again."""

from __future__ import annotations

import itertools
import weakref
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

Hooks = OrderedDict[int, Any]  # by the number of the handle, in order of registration

_next_id = itertools.count().__next__


class RemovableHandle:
    """What registering a hook returns: `remove()` takes the hook away again; also a context manager."""

    def __init__(self, hooks_dict: Hooks) -> None:
        self.id = _next_id()
        self._table = weakref.ref(hooks_dict)

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        table = self._table()
        if table is not None:
            table.pop(self.id, None)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *exc: object) -> None:
        self.remove()


class NodeHooks:
    """What a node calls `before` its rules, with the gradient of its result, and `after` them, with those they made."""

    __slots__ = ("after", "before")

    def __init__(self) -> None:
        self.before, self.after = Hooks(), Hooks()


def hang(table: Hooks, hook: Any) -> RemovableHandle:
    """Enter a hook into the table."""
    handle = RemovableHandle(table)
    table[handle.id] = hook
    return handle


def hang_on_node(node: Any, hook: Callable[[Any], Any]) -> RemovableHandle:
    """Have a node call `hook` with the gradient of its result."""
    if node.hooks is None:
        node.hooks = Hooks()
    return hang(node.hooks, hook)
