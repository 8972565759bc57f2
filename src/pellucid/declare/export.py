"""What besides ops is offered under `pellucid.` and on Tensor: functions composed of ops."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, TypeVar

from pellucid.core.tensor import Tensor

from .arguments import parsed
from .operation import TABLE

F = TypeVar("F", bound=Callable[..., Any])

FUNCTIONS: dict[str, Callable[..., Any]] = {}
"""Composed functions by name, in order of declaration."""


def function(
    *, method: bool = True, public: bool = True, name: str | None = None, aliases: tuple[str, ...] = ()
) -> Callable[[F], F]:
    """Offer a function over tensors as `pellucid.NAME` and, with `method`, as `Tensor.NAME`; also under `aliases`."""

    def declare(made: F) -> F:
        made = parsed(made, name or made.__name__, outs=public or (name or "").startswith("linalg."))
        for known in (name or made.__name__, *aliases):
            if public:
                FUNCTIONS[known] = made
            if method:
                setattr(Tensor, known, made)
        return made

    return declare


def install_ops() -> None:
    """Offer the ops of the table under their names and aliases, once all are declared."""
    for name, op in TABLE.items():
        for known in (name, *op.aliases):
            if op.method and known not in Tensor.__dict__ and not (known == name and hasattr(Tensor, name)):
                setattr(Tensor, known, Tensor.__dict__.get(name, op))
            if op.public and known != name:
                FUNCTIONS[known] = FUNCTIONS.get(name, op)
