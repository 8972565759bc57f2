"""A graph's record in DOT, the language of Graphviz (https://graphviz.org/doc/info/lang.html)."""

from __future__ import annotations

from typing import Any

from pellucid.viz.graph_view import GraphView
from pellucid.viz.style import number

# Fill, line, and what Graphviz calls the shape and the style: told apart in black and white too.
_LOOKS: dict[str, tuple[str, str, str, str]] = {
    "op": ("#ffffff", "#6e7781", "box", "rounded,filled"),
    "input": ("#e1f0fa", "#0072b2", "ellipse", "filled"),
    "leaf": ("#e1f0fa", "#0072b2", "ellipse", "filled"),
    "output": ("#e1f0fa", "#0072b2", "ellipse", "filled,bold"),
    "parameter": ("#fdf0d5", "#b37700", "box", "filled"),
    "buffer": ("#fdf0d5", "#b37700", "box", "filled,dashed"),
    "constant": ("#f0f1f3", "#767676", "box", "filled,dashed"),
    "cut": ("#f0f1f3", "#767676", "box", "filled,dashed"),
    "gradient": ("#fbe5d9", "#c24e00", "ellipse", "filled,bold"),
    "module": ("#e3f3ec", "#007a5a", "component", "filled"),
    "loop": ("#f3e6ef", "#99527b", "box3d", "filled"),
    "step": ("#f3e6ef", "#99527b", "box", "rounded,filled"),
    "backward": ("#fbe5d9", "#c24e00", "box", "rounded,filled,dotted"),
}


def dot_text(view: GraphView) -> str:
    """The graph with what is open at first: closed groups are boxes, open ones frames."""
    record = view.record
    boxes: dict[tuple[str, int], Any] = {}
    for node in record.nodes:
        if node.phase == "backward" and not view.backward:
            continue
        box = view.shown(node)
        boxes[_key(box)] = box
    lines = [
        "digraph {",
        f"  label={_quoted(view.title)}; labelloc=t; fontsize=16;",
        f"  rankdir={'TB' if record.groups else 'LR'}; ranksep=0.35; nodesep=0.25;",
        '  graph [fontname="Helvetica"];',
        '  node [fontname="Helvetica", fontsize=11, margin="0.12,0.06", height=0.3];',
        '  edge [color="#7d8590", arrowsize=0.7];',
    ]
    inside: dict[int | None, list[Any]] = {}
    for box in boxes.values():
        inside.setdefault(_parent(box), []).append(box)
    _frame(view, inside, None, lines, 1)
    seen: dict[tuple[Any, Any], str] = {}
    for edge in record.edges:
        source, target = record.nodes[edge.source], record.nodes[edge.target]
        ends = _key(view.shown(source)), _key(view.shown(target))
        if ends[0] != ends[1] and ends[0] in boxes and ends[1] in boxes:
            seen[ends] = _line(source, target, *map(_id, ends))
    lines += [f"  {line};" for line in seen.values()]
    lines.append("}")
    return "\n".join(lines) + "\n"


def _line(source: Any, target: Any, start: str, end: str) -> str:
    """An edge. The backward pass is laid out from its end, so that it stands beside the forward pass."""
    if source.phase == "backward":
        return f'{end} -> {start} [dir=back, color="#c24e00", style=dashed]'
    if target.phase == "backward":
        return f"{start} -> {end} [style=dotted, constraint=false]"
    return f"{start} -> {end}"


def _frame(
    view: GraphView, inside: dict[int | None, list[Any]], group: int | None, lines: list[str], level: int
) -> None:
    """The boxes in a group, and the frames of the open groups in it. Groups nest as modules do: some ten deep."""
    pad = "  " * level
    lines += [f"{pad}{_box(view, box)}" for box in inside.get(group, ())]
    for below in view.inside.get(group, ()):
        if below.id not in view.open or (below.kind == "backward" and not view.backward):
            continue
        _, line, _, _ = _LOOKS[below.kind]
        kind = f"  {below.type}" if below.type not in ("", below.name) else ""
        lines.append(f"{pad}subgraph cluster_{below.id} {{")
        name = ("∂ " if below.kind == "backward" else "") + below.name
        lines.append(
            f'{pad}  label={_quoted(name + kind)}; labeljust=l; fontsize=11; style="rounded"; color="{line}"; '
            f"tooltip={_quoted(below.line or below.name)};"
        )
        _frame(view, inside, below.id, lines, level + 1)
        lines.append(f"{pad}}}")


def _box(view: GraphView, box: Any) -> str:
    kind = "backward" if box.kind == "op" and box.phase == "backward" else box.kind
    fill, line, shape, style = _LOOKS[kind]
    words = _node_words(box) if hasattr(box, "formula") else _group_words(view, box)
    tip = "\n".join(line for line in (getattr(box, "formula", ""), box.line) if line) or words[0]
    return (
        f"{_id(_key(box))} [label={_quoted(chr(10).join(words))}, shape={shape}, "
        f'style="{style}", fillcolor="{fill}", color="{line}", tooltip={_quoted(tip)}];'
    )


def _node_words(node: Any) -> list[str]:
    name = node.name or node.kind
    words = [f"{name} → {node.variable}" if node.variable else name]
    shown = [f"{key} {text}" for key, text in node.attributes.items() if key in ("input", "other", "exponent")]
    if node.shape:
        shown.insert(0, " × ".join(map(str, node.shape)))
    if shown:
        words.append(" · ".join(shown))
    for sign, value in (("=", node.value), ("∂", node.gradient)):
        single = _single(value)
        if single is not None:
            words.append(f"{sign} {number(single) if isinstance(single, float) else single}")
    return words


def _single(value: Any) -> Any:
    """The number, where a tensor holds just one."""
    found = None if value is None else value.numbers
    while isinstance(found, list) and len(found) == 1:
        found = found[0]
    return None if isinstance(found, list) else found


def _group_words(view: GraphView, group: Any) -> list[str]:
    name = ("∂ " if group.kind == "backward" else "") + group.name
    if group.kind == "module":
        name += f" (call {group.call})" if group.call > 1 else ""
        name += f": {group.type}" if group.type != group.name else ""
    words = [name]
    if short := view.words(group):
        words.append(short if len(short) <= 44 else short[:43] + "…")
    facts = ["→ " + ", ".join(" × ".join(map(str, shape)) for shape in group.outputs)] if group.outputs else []
    if parameters := view.parameters_of(group):
        facts.append(f"{parameters:,} parameters")
    return [*words, " · ".join(facts)] if facts else words


def _key(box: Any) -> tuple[str, int]:
    return ("n" if hasattr(box, "formula") else "g", box.id)


def _id(key: tuple[str, int]) -> str:
    return f"{key[0]}{key[1]}"


def _parent(box: Any) -> int | None:
    return box.group if hasattr(box, "formula") else box.parent


def _quoted(text: str) -> str:
    """A string of DOT: only the quote and the backslash are special, and a line ends with \\n."""
    escaped = text.replace("\\", "\\\\").replace('"', '\\"').replace("\n", "\\n")
    return f'"{escaped}"'
