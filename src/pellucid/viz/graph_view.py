"""What of a graph's record is shown: which groups are open at first, and what a closed one says of itself."""

from __future__ import annotations

import re
from collections import Counter
from typing import Any

_LEGIBLE = 36  # boxes that still make a legible picture
_BOTH = 24  # boxes of a forward pass beside which the backward pass is shown from the beginning


class GraphView:
    """A record, and the groups that are open at first.

    `depth` is how many levels are open. By default the outermost is, and then the next, level by level, while the
    picture stays legible; a layer that consists of no others, and a loop, are left closed.
    """

    def __init__(self, record: Any, depth: int | None = None, title: str | None = None) -> None:
        self.record = record
        self.title = title or record.title
        self.inside: dict[int | None, list[Any]] = {}
        for group in record.groups:
            self.inside.setdefault(group.parent, []).append(group)
        self.nodes: dict[int | None, list[Any]] = {}
        for node in record.nodes:
            self.nodes.setdefault(node.group, []).append(node)
        self.level: dict[int, int] = {}
        order: list[Any] = []  # level by level
        row = list(self.inside.get(None, ()))
        while row:
            for group in row:
                self.level[group.id] = 0 if group.parent is None else self.level[group.parent] + 1
            order += row
            row = [below for group in row for below in self.inside.get(group.id, ())]
        if depth is not None:
            self.open = {group.id for group in order if self.level[group.id] < depth}
        else:
            self.open = self._legible(order)
        self._operations = self._counts(order)
        boxes = {id(self.shown(node)) for node in record.nodes if node.phase == "forward"}
        self.backward = any(node.phase == "backward" for node in record.nodes) and len(boxes) <= _BOTH

    def _legible(self, order: list[Any]) -> set[int]:
        forward = [group for group in order if group.kind != "backward"]
        roots = [group for group in forward if group.parent is None]
        shown = len(self.nodes.get(None, ())) + len(roots)
        found: set[int] = set()
        for group in forward:
            below = self.inside.get(group.id, [])
            more = len(self.nodes.get(group.id, ())) + len(below) - 1
            if group.kind != "module" or (group.parent is not None and group.parent not in found):
                continue
            if roots == [group] or (below and shown + more <= _LEGIBLE):
                found.add(group.id)
                shown += more
        mirrored = {group.id for group in order if group.kind == "backward" and group.of in found}
        return found | mirrored

    def _counts(self, order: list[Any]) -> dict[int, tuple[int, int]]:
        """Of each group how many operations it has, those of the groups in it included, and their multiply-adds."""
        found: dict[int, tuple[int, int]] = {}
        for group in reversed(order):
            own = [node for node in self.nodes.get(group.id, ()) if node.kind in ("op", "gradient")]
            parts = [(1, node.multiply_adds) for node in own]
            parts += [found[below.id] for below in self.inside.get(group.id, ())]
            found[group.id] = (sum(count for count, _ in parts), sum(cost for _, cost in parts))
        return found

    def shown(self, node: Any) -> Any:
        """The box in which a node is seen: itself, or the outermost closed group that it is in."""
        box, group = node, node.group
        while group is not None:
            above = self.record.groups[group]
            if group not in self.open:
                box = above
            group = above.parent
        return box

    def parameters_of(self, group: Any) -> int:
        """How many numbers the parameters of a module have, those of modules in it included; shared ones once."""
        if group.kind != "module":
            return 0
        start = f"{group.path}." if group.path else ""
        mine = {
            parameter.shared or parameter.name: _size(parameter.shape)
            for parameter in self.record.parameters
            if not parameter.buffer and parameter.root == group.root and parameter.name.startswith(start)
        }
        return sum(mine.values())

    def words(self, group: Any) -> str:
        """What a closed group says of itself in a few words: the sizes of a layer, what a loop does in one round."""
        if group.kind == "module":
            return _brief(group.detail)
        if group.kind == "backward":
            names = [node.name.removeprefix("gradient of ") for node in self._all(group) if node.kind == "gradient"]
            short = [name.removeprefix(f"{group.path}.") for name in names]
            return f"gradient of {', '.join(short)}" if short else ""
        step = self.inside[group.id][0] if group.kind == "loop" else group
        parts = [(node.id, node.name) for node in self.nodes.get(step.id, ()) if node.kind == "op"]
        for below in self.inside.get(step.id, ()):
            parts.append((min((node.id for node in self._all(below) if node.kind == "op"), default=0), below.name))
        names = [name for _, name in sorted(parts)]  # as they ran
        return ", ".join(f"{name} × {n}" if n > 1 else name for name, n in Counter(names).items())

    def _all(self, group: Any) -> list[Any]:
        found = list(self.nodes.get(group.id, ()))
        for below in self.inside.get(group.id, ()):
            found += self._all(below)
        return found

    def data(self) -> dict[str, Any]:
        """All that the page needs, as plain data."""
        record = self.record
        groups: list[dict[str, Any]] = []
        for group in record.groups:
            operations, multiply_adds = self._operations[group.id]
            groups.append(
                {
                    **vars(group),
                    "parameters": self.parameters_of(group),
                    "operations": operations,
                    "multiply_adds": multiply_adds,
                    "words": self.words(group),
                }
            )
        forward = [node for node in record.nodes if node.phase == "forward"]
        return {
            "title": self.title,
            "nodes": [_plain(node) for node in record.nodes],
            "edges": [[edge.source, edge.target, edge.argument] for edge in record.edges],
            "groups": groups,
            "open": sorted(self.open),
            "outputs": record.outputs,
            "show_backward": self.backward,
            "across": not record.groups,
            "parameters": sum(
                _size(tensor.shape) for tensor in record.parameters if not tensor.buffer and not tensor.shared
            ),
            "operations": sum(node.kind == "op" for node in forward),
            "multiply_adds": sum(node.multiply_adds for node in forward),
            "left_out": record.left_out,
        }


def _brief(detail: str) -> str:
    """The sizes out of a layer's `extra_repr`: `64 → 32`, `3 → 16, 3×3, stride 2`; else its beginning."""
    if found := re.match(r"in_features=(\d+), out_features=(\d+)", detail):
        return f"{found[1]} → {found[2]}"
    if found := re.match(r"(\d+), (\d+), kernel_size=\(([\d, ]+?),?\), stride=\(([\d, ]+?),?\)", detail):
        strides = found[4].split(", ")
        stride = "" if set(strides) == {"1"} else f", stride {'×'.join(dict.fromkeys(strides))}"
        return f"{found[1]} → {found[2]}, {found[3].replace(', ', '×')}{stride}"
    usual = r"(eps|momentum|affine|bias|track_running_stats|inplace|elementwise_affine)=[^,]*"
    usual += r"|padding=0|dilation=1|ceil_mode=False|start_dim=1|end_dim=-1"
    return ", ".join(part for part in detail.split(", ") if not re.fullmatch(usual, part))


def _size(shape: tuple[int, ...]) -> int:
    size = 1
    for length in shape:
        size *= length
    return size


def _plain(node: Any) -> dict[str, Any]:
    found = dict(vars(node))
    for name in ("value", "gradient"):
        if found[name] is not None:
            found[name] = dict(vars(found[name]))
    return found
