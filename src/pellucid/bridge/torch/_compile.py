"""`torch.compile` in a program of PyTorch's: `pellucid.compile`, and what cannot be compiled runs as it is in silence.

Programs print the names of parameters, save them and look at their modules, so a module becomes what it becomes in
PyTorch: an `OptimizedModule`, with the module itself as its `_orig_mod`.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid import nn
from pellucid.compile import compile as compiled

__all__ = ["OptimizedModule", "compile"]


class OptimizedModule(nn.Module):
    """A module that runs compiled. What it does not have itself, it has of the module."""

    _orig_mod: Any

    def __init__(self, module: Any, dynamo_ctx: Any = None) -> None:
        super().__init__()
        nn.Module.__setattr__(self, "_orig_mod", module)
        object.__setattr__(self, "_compiled", compiled(module, quiet=True))

    def forward(self, *args: Any, **kwargs: Any) -> Any:
        return self._compiled(*args, **kwargs)

    @property
    def training(self) -> bool:  # type: ignore[override]
        return self._orig_mod.training if "_orig_mod" in self._modules else True

    @training.setter
    def training(self, mode: bool) -> None:
        if "_orig_mod" in self._modules:
            self._orig_mod.training = mode

    def __getattr__(self, name: str) -> Any:
        if name == "_orig_mod":
            return self._modules["_orig_mod"]
        return getattr(self._modules["_orig_mod"], name)

    def __setattr__(self, name: str, value: Any) -> None:
        if "_orig_mod" in self.__dict__.get("_modules", {}) and name not in ("_orig_mod", "training"):
            setattr(self._modules["_orig_mod"], name, value)
        else:
            super().__setattr__(name, value)

    def __len__(self) -> int:
        return len(self._orig_mod)

    def __reduce__(self) -> Any:
        return OptimizedModule, (self._modules["_orig_mod"],)


def compile(
    model: Callable[..., Any] | None = None, *, fullgraph: bool = False, dynamic: bool | None = None,
    backend: str | Callable[..., Any] = "inductor", mode: str | None = None, options: dict[str, Any] | None = None,
    disable: bool = False, **more: Any,
) -> Any:  # fmt: skip
    """The model or function, compiled. `fullgraph` and other options are accepted, and change nothing."""
    if model is None:
        return lambda model: compile(model, disable=disable)
    if not callable(model):
        raise TypeError(f"torch.compile expects a function or a module, but got {type(model).__name__}")
    if disable:
        return model
    return OptimizedModule(model) if isinstance(model, nn.Module) else compiled(model, quiet=True)
