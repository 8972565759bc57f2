"""`torch.overrides`: what a program asks where its own functions, too, are to be taken over by its tensor classes."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from typing import Any

from pellucid.core import Tensor
from pellucid.declare.overrides import TorchFunctionMode, ask, modes, overriding
from pellucid.torch_names import absent

__all__ = [
    "BaseTorchFunctionMode", "TorchFunctionMode", "handle_torch_function", "has_torch_function",
    "has_torch_function_unary", "has_torch_function_variadic", "is_tensor_like",
]  # fmt: skip


class BaseTorchFunctionMode(TorchFunctionMode):
    """A mode that changes nothing."""

    def __torch_function__(
        self, func: Callable[..., Any], types: tuple[type, ...], args: Any = (), kwargs: Any = None
    ) -> Any:
        return func(*args, **(kwargs or {}))


def _get_current_function_mode() -> TorchFunctionMode | None:
    """The innermost mode that is on (under PyTorch's name)."""
    return modes.on[-1] if modes.on else None


def has_torch_function(relevant_args: Iterable[Any]) -> bool:
    """Whether one of the arguments is of a class with a say in what functions do."""
    return bool(overriding(tuple(relevant_args), {}))


def has_torch_function_unary(argument: Any) -> bool:
    """`has_torch_function` of one argument."""
    return has_torch_function((argument,))


def has_torch_function_variadic(*arguments: Any) -> bool:
    """`has_torch_function` of several."""
    return has_torch_function(arguments)


def handle_torch_function(
    public_api: Callable[..., Any], relevant_args: Iterable[Any], *args: Any, **kwargs: Any
) -> Any:
    """What the classes of the relevant arguments make of a call of `public_api`; TypeError where none takes it."""
    return ask(overriding(tuple(relevant_args), {}), public_api, args, kwargs)


def is_tensor_like(inp: Any) -> bool:
    """Whether something is a tensor, or of a class that functions ask."""
    return isinstance(inp, Tensor) or hasattr(type(inp), "__torch_function__")


__getattr__ = absent(__name__)
