"""The optimisers' updates in a compiled step: one call for each parameter, hyperparameters read anew at each run.

A learning rate that a schedule changes needs no new trace: what the optimiser's group says now is what is used.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from pellucid.backend import Array

from .graph import Node, Value


class Owner:
    """The group of an optimiser that a parameter is in: where the attributes of its update come from."""

    def __init__(self, optimizer: Any, group: dict[str, Any]) -> None:
        self.optimizer, self.group = optimizer, group

    def options(self) -> dict[str, Any]:
        """The hyperparameters as they are now."""
        return self.optimizer.options(self.group)


class Attributes:
    """The attributes of an update that runs as eager mode computes it."""

    def __init__(self, node: Node) -> None:
        self.node = node

    def refresh(self) -> None:
        """Take the hyperparameters from the optimiser."""
        self.node.kwargs.update(self.node.live.options())


Update = Any
Make = Callable[[Node, Callable[[Value], Array | None]], Update | None]
UPDATES: dict[str, Make] = {}
