"""`torch.utils.checkpoint`, which saves memory by computing twice: here everything is computed once, and kept."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, context_fn: Any = None,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """The function of its arguments. Values and gradients are PyTorch's; no memory is saved."""
    return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """One function after the other; see `checkpoint`."""
    for function in functions.children() if hasattr(functions, "children") else functions:  # type: ignore[attr-defined]
        input = function(input)
    return input
