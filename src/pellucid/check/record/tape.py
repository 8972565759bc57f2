"""A recording of what a NumPy program computed: every operation with its values, in order."""

from __future__ import annotations

from collections.abc import Iterable
from dataclasses import dataclass, field
from typing import Any

import numpy as np

Array = np.ndarray


@dataclass(frozen=True)
class Site:
    """A place in the user's program: a line, and the instruction in it. A loop passes the same site again and again."""

    file: str
    line: int
    instruction: int
    part: str = ""  # which step of a function that is recorded as several, such as the mean within `var`
    calls: tuple[Any, ...] = field(
        default=(), compare=False
    )  # the calls that led there: a helper is called from several

    @property
    def where(self) -> str:
        return f"{self.file}:{self.line}"


@dataclass(eq=False)
class TapeNode:
    """One operation: its inputs, its value, and whether a parameter stands behind it."""

    index: int
    op: str
    inputs: tuple[TapeNode, ...]
    attributes: dict[str, Any]
    value: Array
    site: Site | None
    needs: bool
    cache: dict[Any, Any] = field(default_factory=dict)  # what its derivative rule computes but once

    @property
    def shape(self) -> tuple[int, ...]:
        return self.value.shape

    def __repr__(self) -> str:
        return f"{self.index}:{self.op}{self.shape}"


@dataclass(eq=False)
class Tape:
    """The operations of one evaluation in their order, the parameters by name, and the node of the result."""

    nodes: list[TapeNode] = field(default_factory=list)
    parameters: dict[str, TapeNode] = field(default_factory=dict)
    result: TapeNode | None = None
    _useful: list[TapeNode] | None = None

    def add(
        self,
        op: str,
        inputs: Iterable[TapeNode],
        value: Any,
        site: Site | None = None,
        attributes: dict[str, Any] | None = None,
        needs: bool | None = None,
    ) -> TapeNode:
        inputs = tuple(inputs)
        behind = any(node.needs for node in inputs) if needs is None else needs
        node = TapeNode(len(self.nodes), op, inputs, attributes or {}, np.array(value), site, behind)
        self.nodes.append(node)
        self._useful = None
        return node

    def useful(self) -> list[TapeNode]:
        """The nodes between the parameters and the result, in order."""
        if self.result is None:
            return []
        if self._useful is not None:
            return self._useful
        reached: set[int] = set()
        todo = [self.result]
        while todo:
            node = todo.pop()
            if node.index in reached or not node.needs:
                continue
            reached.add(node.index)
            todo += node.inputs
        self._useful = [node for node in self.nodes if node.index in reached]
        return self._useful

    def means(self) -> list[int]:
        """The counts that the means on the way to the result divide by."""
        counts = [round(node.attributes.get("mean", 0)) for node in self.useful()]
        return list(dict.fromkeys(count for count in counts if count > 1))

    def reach(self) -> dict[int, frozenset[str]]:
        """For each node, the parameters behind it: what a mistake there can alter."""
        names = {node.index: frozenset([name]) for name, node in self.parameters.items()}
        found: dict[int, frozenset[str]] = {}
        for node in self.nodes:
            if node.needs:
                own = names.get(node.index, frozenset())
                found[node.index] = own.union(*(found.get(source.index, frozenset()) for source in node.inputs))
        return found

    def groups(self) -> dict[tuple[Site | None, str], list[TapeNode]]:
        """The useful nodes by the place in the program that made them: the passes of a loop stand together."""
        found: dict[tuple[Site | None, str], list[TapeNode]] = {}
        for node in self.useful():
            found.setdefault((node.site, node.op), []).append(node)
        return found
