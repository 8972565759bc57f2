"""Nested dicts, lists and tuples of tensors: their leaves in order, and the same nest with other leaves."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

__all__ = ["leaves", "rebuilt", "tree_map"]


def leaves(tree: Any) -> list[Any]:
    """What is neither dict, list nor tuple, from left to right."""
    if isinstance(tree, dict):
        return [leaf for value in tree.values() for leaf in leaves(value)]
    if isinstance(tree, (list, tuple)):
        return [leaf for value in tree for leaf in leaves(value)]
    return [tree]


def rebuilt(tree: Any, values: Any) -> Any:
    """The nest of ``tree`` with ``values`` for its leaves."""
    return _rebuilt(tree, iter(values))


def _rebuilt(tree: Any, values: Iterator[Any]) -> Any:
    if isinstance(tree, dict):
        return {key: _rebuilt(value, values) for key, value in tree.items()}
    if isinstance(tree, (list, tuple)):
        items = [_rebuilt(value, values) for value in tree]
        return type(tree)(*items) if hasattr(tree, "_fields") else type(tree)(items)
    return next(values)


def tree_map(function: Callable[[Any], Any], tree: Any) -> Any:
    """The nest of ``tree`` with ``function(leaf)`` for each leaf."""
    return rebuilt(tree, [function(leaf) for leaf in leaves(tree)])
