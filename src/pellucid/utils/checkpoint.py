"""`torch.utils.checkpoint`, which saves memory by computing twice: here everything is computed once, and kept."""

from __future__ import annotations

import warnings
from collections.abc import Callable, Iterable
from typing import Any

__all__ = ["checkpoint", "checkpoint_sequential"]


def checkpoint(
    function: Callable[..., Any], *args: Any, use_reentrant: bool | None = None, context_fn: Any = None,
    determinism_check: str = "default", debug: bool = False, early_stop: bool = True, preserve_rng_state: bool = True,
    **kwargs: Any,
) -> Any:  # fmt: skip
    """The function of its arguments. Values and gradients are PyTorch's; no memory is saved."""
    _say_which(use_reentrant, "checkpoint")
    return function(*args, **kwargs)


def checkpoint_sequential(
    functions: Iterable[Callable[..., Any]], segments: int, input: Any, use_reentrant: bool | None = None, **kwargs: Any
) -> Any:
    """One function after the other; see `checkpoint`."""
    _say_which(use_reentrant, "checkpoint_sequential")
    for function in functions.children() if hasattr(functions, "children") else functions:  # type: ignore[attr-defined]
        input = function(input)
    return input


def _say_which(use_reentrant: bool | None, name: str) -> None:
    """PyTorch has two ways of computing again and warns where a call does not say which; here there is neither."""
    if use_reentrant is None:
        where = "" if name == "checkpoint" else f".{name}"
        warnings.warn(
            f"torch.utils.checkpoint{where}: the use_reentrant parameter should be passed explicitly. "
            "use_reentrant=False is recommended",
            UserWarning,
            stacklevel=3,
        )
