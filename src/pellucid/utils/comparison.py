"""What the two computations of a checkpoint did, op by op, for the error that says that they differ."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from ..core import Tensor
from ..core.node import Arguments, Attributes
from ..errors import user_line
from ._python_dispatch import TorchDispatchMode
from .overloads import OpOverload

__all__ = ["Comparison"]


class _Log(TorchDispatchMode):
    """Writes each op into a list, with what it got and where it was called."""

    def __init__(self, lines: list[str]) -> None:
        super().__init__()
        self.lines = lines

    def __torch_dispatch__(
        self, func: OpOverload, types: tuple[type, ...], args: Arguments = (), kwargs: Attributes | None = None
    ) -> Any:
        kwargs = kwargs or {}
        given = [*map(_short, args), *(f"{name}={_short(value)}" for name, value in kwargs.items())]
        self.lines.append(f"{func}({', '.join(given)})  at {user_line()}")
        return func(*args, **kwargs)


def _short(value: object) -> str:
    return f"{value.dtype.name}{list(value.shape)}" if isinstance(value, Tensor) else repr(value)


class Comparison:
    """The ops of both computations, "original" and "recompute"."""

    def __init__(self) -> None:
        self.lines: dict[str, list[str]] = {"original": [], "recompute": []}

    @contextlib.contextmanager
    def around(self, context: contextlib.AbstractContextManager[Any], which: str) -> Iterator[Any]:
        """The context, and within it the ops are written down."""
        with _Log(self.lines[which]), context as made:
            yield made

    def text(self, message: str) -> str:
        """The message with the ops of both, the first that differs marked."""
        first, second = self.lines["original"], self.lines["recompute"]
        pairs = enumerate(zip(first, second, strict=False))
        parts = next((place for place, (one, other) in pairs if one != other), min(len(first), len(second)))
        return (
            f"{message}\n\nYou are seeing this error because you passed `debug=True` to checkpoint and tensors to be "
            "saved during the original forward and differ between those saved during recomputation.\n\n"
            f"Operations executed during the original forward:\n{_listed(first, parts)}\n"
            f"Operations executed during recomputation:\n{_listed(second, parts)}"
        )


def _listed(lines: list[str], marked: int) -> str:
    return "\n".join(f"{'-> ' if place == marked else '   '}{line}" for place, line in enumerate(lines)) or "   none"
