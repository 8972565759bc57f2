"""`torch.compile`, which leaves a function as it is until there is a compiler."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

__all__ = ["compile"]


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False, dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor", mode: str | None = None, options: dict[str, Any] | None = None,
    disable: bool = False, **more: Any,
) -> Any:  # fmt: skip
    """The model or function itself: it computes the same, and nothing is compiled here."""
    if model is None:
        return lambda model: model
    if not callable(model):
        raise TypeError(f"torch.compile expects a function or a module, but got {type(model).__name__}")
    return model
