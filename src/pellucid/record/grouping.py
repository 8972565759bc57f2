"""Groups in a record: its loops, and where what came from outside belongs.

The same lines of code run again and again are a group of kind "loop", and each round a "step" in it.
"""

from __future__ import annotations

from typing import Any

from .graph import Graph, GraphGroup

ROUNDS = 3  # what comes round less often is left as it is
LONGEST = 64  # steps in one round; longer ones are not looked for

Item = tuple[str, int]  # ("node" or "group", its id)


def fold(
    graph: Graph, order: list[Item], node_sites: dict[int, tuple[Any, ...]], group_sites: dict[int, tuple[Any, ...]]
) -> None:
    """Add to `graph` a group of kind "loop" for each run of equal rounds, with a "step" for each round.

    Two steps are equal where they are the same op, or the same module, called from the same place in the code.
    """
    inside: dict[int | None, list[Item]] = {}
    for kind, number in order:
        if kind == "node" and graph.nodes[number].phase == "forward":
            inside.setdefault(graph.nodes[number].group, []).append((kind, number))
        elif kind == "group" and graph.groups[number].kind != "backward":
            inside.setdefault(graph.groups[number].parent, []).append((kind, number))
    known: dict[tuple[Any, ...], int] = {}

    def site(item: Item) -> int:
        kind, number = item
        found = (node_sites if kind == "node" else group_sites).get(number, (kind, number))
        return known.setdefault(found, len(known))

    for group, items in inside.items():
        _fold_items(graph, group, items, [site(item) for item in items])


def _fold_items(graph: Graph, parent: int | None, items: list[Item], sites: list[int]) -> None:
    start = 0
    while start < len(items):
        length, rounds = _best(sites, start)
        if rounds < ROUNDS:
            start += 1
            continue
        loop = _group(graph, "loop", f"{rounds} rounds", parent, items[start])
        for number in range(rounds):
            step = _group(graph, "step", f"round {number + 1} of {rounds}", loop, items[start])
            begin = start + number * length
            mine = items[begin : begin + length]
            for kind, item in mine:
                if kind == "node":
                    graph.nodes[item].group = step
                else:
                    graph.groups[item].parent = step
            if length >= ROUNDS:
                _fold_items(graph, step, mine, sites[begin : begin + length])  # a loop in the loop
        start += length * rounds


def _best(sites: list[int], start: int) -> tuple[int, int]:
    """The length of the round at `start` whose repetitions cover most, and their number."""
    best, rounds_of_best = 1, 1
    for length in range(1, min(LONGEST, (len(sites) - start) // ROUNDS) + 1):
        if sites[start] != sites[start + length]:
            continue
        block = sites[start : start + length]
        rounds = 1
        while sites[start + rounds * length : start + (rounds + 1) * length] == block:
            rounds += 1
        if rounds >= ROUNDS and length * rounds > best * rounds_of_best:
            best, rounds_of_best = length, rounds
    return best, rounds_of_best


def _group(graph: Graph, kind: str, name: str, parent: int | None, first: Item) -> int:
    of, number = first
    line = graph.nodes[number].line if of == "node" else graph.groups[number].line
    made = GraphGroup(len(graph.groups), kind, name, parent, line=line)
    graph.groups.append(made)
    return made.id


def settle(graph: Graph, places: dict[int, int | None]) -> None:
    """Put what came from outside into the innermost group that has all its users in it, or where it was before."""
    users: dict[int, list[int]] = {}
    for edge in graph.edges:
        users.setdefault(edge.source, []).append(edge.target)
    for node in graph.nodes:
        if node.kind not in ("parameter", "buffer", "leaf", "constant"):
            continue
        all_users = [graph.nodes[user] for user in users.get(node.id, ())]
        forward = [user for user in all_users if user.phase == "forward"]
        if all_users and not forward:
            node.phase = "backward"
        common: list[int] | None = None
        for user in forward:
            above = _ancestors(graph, places.get(node.id, user.group))
            common = above if common is None else [a for a, b in zip(common, above, strict=False) if a == b]
        if node.kind == "leaf":  # the user's tensor was there before the loop
            while common and graph.groups[common[-1]].kind in ("loop", "step"):
                common.pop()
        node.group = common[-1] if common else None


def _ancestors(graph: Graph, group: int | None) -> list[int]:
    """The groups that a group is in, outermost first, and itself."""
    found: list[int] = []
    while group is not None:
        found.append(group)
        group = graph.groups[group].parent
    return found[::-1]
