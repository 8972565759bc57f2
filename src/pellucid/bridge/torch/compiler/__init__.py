"""`torch.compiler`: what steers the compiler of PyTorch; ours needs no steering."""

from __future__ import annotations

from typing import Any, TypeVar

from .._compile import compile

__all__ = [
    "allow_in_graph", "assume_constant_result", "compile", "cudagraph_mark_step_begin", "disable", "is_compiling",
    "is_dynamo_compiling", "is_exporting", "list_backends", "reset", "set_stance",
]  # fmt: skip

F = TypeVar("F")


def disable(fn: Any = None, recursive: bool = True, *, reason: str | None = None) -> Any:
    """The function itself, as a decorator with or without arguments."""
    return fn if fn is not None else lambda fn: fn


def allow_in_graph(fn: F) -> F:
    """The function itself."""
    return fn


assume_constant_result = allow_in_graph


def is_compiling() -> bool:
    """False."""
    return False


is_dynamo_compiling = is_exporting = is_compiling


def reset() -> None:
    """Nothing: nothing is kept of a compilation."""


cudagraph_mark_step_begin = reset


def list_backends(exclude_tags: Any = ()) -> list[str]:
    """Empty."""
    return []


def set_stance(*args: Any, **kwargs: Any) -> Any:
    """A context that does nothing."""
    import contextlib

    return contextlib.nullcontext()
