"""`torch._dynamo`, of which programs set switches and mark functions and tensors: it is kept, and changes nothing."""

from __future__ import annotations

from types import SimpleNamespace
from typing import Any, TypeVar

from ..compiler import allow_in_graph, assume_constant_result, disable, is_compiling, reset
from . import eval_frame
from .eval_frame import OptimizedModule

__all__ = [
    "OptimizedModule", "allow_in_graph", "assume_constant_result", "config", "disable", "disallow_in_graph",
    "eval_frame", "graph_break", "is_compiling", "mark_dynamic", "mark_static", "mark_static_address",
    "maybe_mark_dynamic", "reset",
]  # fmt: skip

F = TypeVar("F")

config = SimpleNamespace(suppress_errors=False, verbose=False, cache_size_limit=8, recompile_limit=8)


def disallow_in_graph(fn: F) -> F:
    """The function itself."""
    return fn


def graph_break(msg: str = "") -> None:
    """Nothing: what is not compiled has no graph to break."""


def mark_dynamic(t: Any, index: Any, **given: Any) -> None:
    """Nothing: a size may change as it likes."""


maybe_mark_dynamic = mark_static = mark_dynamic


def mark_static_address(t: Any, guard: bool = True) -> None:
    """Nothing: memory stays where it is."""
