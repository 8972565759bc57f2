"""A mistake that somebody might have made, in a form in which it can be tried."""

from __future__ import annotations

import linecache
from collections.abc import Callable, Iterator
from dataclasses import dataclass, field
from functools import lru_cache
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.check.autopsy.evidence import Evidence
from pellucid.check.record.reverse import Change, ReversePass
from pellucid.check.record.tape import Array, Tape, TapeNode

FEW = 12  # passes of a loop that are also looked at one by one


Said = tuple[str, str, str, float]  # a mistake, its explanation, its fix, its weight


@dataclass
class Hypothesis:
    """What the gradients would be, had this mistake been made.

    Attributes:
        mistake: its name in the vocabulary.
        change: the change on the way back through the tape that makes it.
        explanation, fix: what is wrong, and what to write instead, in words and a formula.
        node: where in the forward pass the step is whose backward is wrong.
        weight: how likely it is beforehand; decides where several give the same numbers.
        called: for a change that takes a path out: what it is called where the path is not gone but off by a factor.
    """

    mistake: str
    change: Change
    explanation: str
    fix: str
    node: TapeNode | None = None
    weight: float = 1.0
    called: Callable[[float], Said] | None = None


@dataclass
class TapeCase:
    """What there is to go by: the way back through the tape at the parameters in question, tapes of earlier states, the
    sizes of batches; and which passes of a loop have the mistake: all of them, or a single one."""

    way: ReversePass
    earlier: list[Tape] = field(default_factory=list)
    sizes: tuple[int, ...] = ()
    updated: dict[str, Array] = field(default_factory=dict)  # the parameters after the program's own update
    elsewhere: list[tuple[ReversePass, dict[str, Evidence]]] = field(default_factory=list)  # other points, for a factor
    only: int | str | None = None  # the number of a pass; "calls": each place from which a helper is called; "depth"
    near: frozenset[int] | None = None  # the nodes at which a mistake is looked for; None: at all

    @property
    def tape(self) -> Tape:
        return self.way.tape

    def adjoint(self, node: TapeNode) -> Array:
        return self.way.adjoints.get(node.index, np.zeros(node.shape))

    def groups(self) -> dict[Any, list[TapeNode]]:
        """The useful nodes by their places in the program."""
        return self.selected(self.tape.groups())

    def loops(self) -> dict[Any, list[TapeNode]]:
        """The same, apart by the calls that led there: what stands together are passes of a loop."""
        return self._nearby(_by_calls(self.tape.groups(), lambda node: node, 0), lambda node: node)

    def selected(
        self, groups: dict[Any, list[Any]], node: Callable[[Any], TapeNode] = lambda member: member
    ) -> dict[Any, list[Any]]:
        """Of the groups of what stands at the same place, those that are looked at."""
        groups = self._nearby(groups, node)
        if self.only is None:
            return groups
        if self.only == "depth":
            return self._by_depth(groups, node)
        if isinstance(self.only, str):
            return _by_calls(groups, node, 1)
        return {
            key: [passes[self.only]]
            for key, passes in groups.items()
            if self.only < len(passes) and 1 < len(passes) <= FEW
        }

    def _nearby(self, groups: dict[Any, list[Any]], node: Callable[[Any], TapeNode]) -> dict[Any, list[Any]]:
        near = self.near
        if near is None:
            return groups
        return {key: found for key, found in groups.items() if any(node(member).index in near for member in found)}

    def _by_depth(self, groups: dict[Any, list[Any]], node: Callable[[Any], TapeNode]) -> dict[Any, list[Any]]:
        """Apart by how many products lie behind: one line in a loop over layers, in a loop over samples."""
        depth: dict[int, int] = {}
        for later in reversed(self.tape.useful()):
            own = depth.setdefault(later.index, 0) + (later.op == "matmul")
            for source in later.inputs:
                depth[source.index] = max(depth.get(source.index, 0), own)
        found: dict[Any, list[Any]] = {}
        for key, passes in groups.items():
            apart: dict[int, list[Any]] = {}
            for member in passes:
                apart.setdefault(depth.get(node(member).index, 0), []).append(member)
            if 1 < len(apart) < len(passes):
                found |= {(key, level): members for level, members in apart.items()}
        return found


def _by_calls(groups: dict[Any, list[Any]], node: Callable[[Any], TapeNode], more_than: int) -> dict[Any, list[Any]]:
    found: dict[Any, list[Any]] = {}
    for key, passes in groups.items():
        apart: dict[Any, list[Any]] = {}
        for member in passes:
            site = node(member).site
            apart.setdefault(site.calls if site else (), []).append(member)
        if len(apart) > more_than:
            found |= {(key, calls): members for calls, members in apart.items()}
    return found


Generator = Callable[[TapeCase], Iterator[Hypothesis]]


def on_edges(nodes: list[TapeNode], position: int, function: Callable[[TapeNode, int, Array], Any]) -> Change:
    """The same change at every pass of a loop."""
    return Change(edges={(node.index, position): function for node in nodes})


def edges(case: TapeCase, groups: dict[Any, list[TapeNode]] | None = None) -> Iterator[tuple[list[TapeNode], int]]:
    """Each input of each place in the program that leads to a parameter, with the passes of a loop in which it does.

    The state that an RNN begins with is a constant: its first pass has no such input.
    """
    for nodes in (case.groups() if groups is None else groups).values():
        for position in range(max(len(node.inputs) for node in nodes)):
            found = [node for node in nodes if len(node.inputs) > position and node.inputs[position].needs]
            if found:
                yield found, position


def line(node: TapeNode | None) -> str:
    """The user's line of a node: `net.py:12: h = np.tanh(z)`."""
    return "" if node is None or node.site is None else _line(node.site.file, node.site.line)


@lru_cache(maxsize=4096)
def _line(file: str, number: int) -> str:
    text = linecache.getline(file, number).strip()
    return f"{Path(file).name}:{number}" + (f": {text}" if text else "")


def forget_lines() -> None:
    """A file may have been changed since it was last looked at."""
    linecache.checkcache()
    _line.cache_clear()


def shape(value: Array | TapeNode) -> str:
    return str(tuple(value.shape))
