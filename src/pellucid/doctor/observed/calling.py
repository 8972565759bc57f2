"""From which lines a network is called to train, and from which only to look at what it gives, without `no_grad()`."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

from pellucid.core import Tensor
from pellucid.core.node import Node

from .record import Place

TRAINED = 10  # steps after which a network in eval() is evaluated
MOST = 50_000  # nodes of a graph that are gone through


class CallingLines:
    """Tells the lines of a program apart by whether what they give ever leads to a backward.

    One that is called again, with backwards in between of which none came to its result, is there to evaluate.
    """

    def __init__(self) -> None:
        self._trains: dict[Place, bool] = {}
        # Of a line that is not known: the last result, and the backwards so far.
        self._open: dict[Place, tuple[Any, int]] = {}

    def evaluates(self, at: Place | None, steps: int, stilled: bool = False) -> bool:
        """Whether a line that is about to call a network does so to evaluate it.

        Args:
            stilled: whether it is in eval(), and was trained in train(): then its first call says so already.
        """
        if at is None or not any(self._trains.values()):
            return False
        if stilled and steps >= TRAINED and at not in self._trains and at not in self._open:
            return True
        if at in self._open and self._open[at][1] < steps:
            self._trains[at] = False
            del self._open[at]
        return self._trains.get(at) is False

    def gave(self, at: Place | None, result: Any, steps: int) -> None:
        """A line called a network."""
        if at is not None and at not in self._trains and isinstance(result, Tensor):
            self._open[at] = result, steps

    def before_backward(self, root: Any, results: Sequence[Any]) -> int:
        """A backward is about to run, of a pass with these results of networks: which of them is the first that leads
        to it. Not asked where all lines are known: 0."""
        if not self._open:
            return 0
        nodes = _nodes(root)

        def leads(result: Any) -> bool:
            return isinstance(result, Tensor) and (result is root or id(result.grad_fn) in nodes)

        for at, (result, _) in list(self._open.items()):
            if leads(result):
                self._trains[at] = True
                del self._open[at]
        return next((i for i, result in enumerate(results) if leads(result)), 0)


def _nodes(root: Any) -> set[int]:
    """All nodes of the graph behind a tensor."""
    todo, seen = [root.grad_fn], set[int]()
    while todo and len(seen) < MOST:
        node = todo.pop()
        if isinstance(node, Node) and id(node) not in seen:
            seen.add(id(node))
            todo += node.edges
    return seen
