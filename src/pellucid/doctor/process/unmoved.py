"""Where in the source a parameter that never moves should be moved."""

from __future__ import annotations

import ast
import re
from collections.abc import Mapping, Sequence
from difflib import SequenceMatcher
from typing import Any

from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.places import names_in, trees
from pellucid.doctor.process.source import Assignments, last_name

Key = tuple[str, str]


def should_move(
    sources: dict[str, str], wrong: Sequence[Group], right: Sequence[Group], seen: Mapping[Key, Sequence[Any]]
) -> tuple[tuple[str, int] | None, str]:
    """The line at which parameters that never move should be moved, and what to write there where that can be said.

    `seen`: the values of some passes, by which it is known what is computed and what is always zero.
    """
    source = Assignments.of(sources)
    computed = {key[1].split(".")[-1] for key, series in seen.items() if series[0].any()}
    at, fix = None, ""
    names = {last_name(group) for group in wrong}
    at = (
        kept(source, names)
        or unread(sources, names)
        or put_aside(source, names)
        or copied(sources, names)
        or left_out(sources, names, {last_name(group) for group in right})
        or filtered(sources, wrong, right)
        or source.unmoved(list(wrong), used_with(source, wrong, right), computed)
    )
    zero = {key[1].split(".")[-1] for key, series in seen.items() if not any(value.any() for value in series)}
    chain = {line for group in wrong for line in source.slice(group, 6)}
    cut = min(
        (
            (a.file, a.line, min(a.targets & zero))
            for a in source.assignments
            if a.targets & zero and not a.update and (a.file, a.line) in chain
        ),
        default=None,
    )
    if cut is not None:
        at = cut[:2]
        fix = (
            f"the gradient is computed, and {cut[2]} is zero in every pass: look for a mask that nothing passes, "
            "or a factor of 0, in this line"
        )
    lost = source.misdirected(list(wrong))
    if lost is not None:
        name, line = lost
        at = line.file, line.line
        fix = f"write {name} = …: here the new {name} is put into {', '.join(sorted(line.targets))}"
    return at, fix


def beside(source: Assignments, wrong: Sequence[Group], right: Sequence[Group]) -> tuple[str, int] | None:
    """The update beside which one that is missing belongs: that of the parameter whose name is most like its own."""
    for group in wrong:
        with_it = used_with(source, [group], right)
        known = [] if source.updates(group) else [other for other in with_it if source.updates(other)]
        if known:
            name = last_name(group)
            found = source.updates(max(known, key=lambda g: SequenceMatcher(None, last_name(g), name).ratio()))
            return found[0].file, found[0].line
    return None


def used_with(source: Assignments, wrong: Sequence[Group], right: Sequence[Group]) -> list[Group]:
    """The parameters that the forward pass takes in one statement with one of these, the last that is updated first: of
    `out = h @ W2 + b2`, W2 is that of b2; all of them where there is none."""
    names = {last_name(group) for group in wrong}
    beside = [a.sources for a in source.assignments if not a.update and a.sources & names]
    found = [other for other in right if source.updates(other) and any(last_name(other) in s for s in beside)]
    return sorted(found, key=lambda other: -source.updates(other)[-1].line) or list(right)


def filtered(sources: dict[str, str], wrong: Sequence[Group], right: Sequence[Group]) -> tuple[str, int] | None:
    """The comprehension that hands on some parameters of a container alone: `[p for k, p in net.params.items() if
    k.startswith("w")]`, where those that move and those that do not are all in `net.params`."""
    part = sliced(sources, [group.name for group in wrong])
    homes = {group.name.partition("[")[0] for group in (*wrong, *right) if "[" in group.name}
    if part is not None or len(homes) != 1 or not right:
        return part
    home = homes.pop().rpartition(".")[2]
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.ListComp | ast.DictComp | ast.GeneratorExp):
                parts = [part for part in node.generators if part.ifs]
                if any(home in {*names_in(part.iter)} for part in parts):
                    return file, node.lineno
    return None


def sliced(sources: dict[str, str], names: Sequence[str]) -> tuple[str, int] | None:
    """The call, or the loop, that is given a part of what holds parameters, without these.

    >>> sliced({"a.py": "model = [Linear(2, 5), Linear(5, 1)]\\noptim = SGD(model[1:], 0.1)"}, ["model[0].weight"])
    ('a.py', 2)
    >>> sliced({"a.py": "optim = SGD(model[1:], 0.1)"}, ["model[1].weight"]) is None
    True
    """
    found = [re.match(r"([\w.]+)\[(\d+)\]", name) for name in names]
    held = {(match[1].rpartition(".")[2], int(match[2])) for match in found if match is not None}
    if len({home for home, _ in held}) != 1 or None in found:
        return None
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Call) or ast.unparse(node.func) in ("zip", "reversed", "enumerate", "len"):
                continue
            for part in node.args:
                if isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Slice):
                    kept = _part(part.slice)
                    name = ast.unparse(part.value).rpartition(".")[2]
                    if kept is not None and all(name == home and i not in kept for home, i in held):
                        return file, node.lineno
    return None


def _part(cut: ast.Slice) -> range | None:
    """The places of a long list that `[1:]` or `[:3]` takes; None where they are not written so."""
    bounds: list[int | None] = []
    for value in (cut.lower, cut.upper, cut.step):
        if value is not None and not (isinstance(value, ast.Constant) and isinstance(value.value, int)):
            return None
        bounds.append(value.value if isinstance(value, ast.Constant) and isinstance(value.value, int) else None)
    return range(10**6)[slice(*bounds)]


def kept(source: Assignments, names: set[str]) -> tuple[str, int] | None:
    """The line of an update that sets a parameter to itself: `W = W`, where others of the function take a step."""
    moving = {a.function for a in source.assignments if a.update and a.sign}
    found = [
        (a.file, a.line)
        for a in source.assignments
        if not a.update
        and a.targets & names
        and a.sources <= a.targets | {"self"}
        and a.sources
        and a.function in moving
    ]
    return min(found, default=None)


def put_aside(source: Assignments, names: set[str]) -> tuple[str, int] | None:
    """The line that gives a parameter with its step another name, `new_W = W - lr * dW`, of which it learns nothing."""
    found = [
        (a.file, a.line)
        for a in source.assignments
        if a.sign and not a.update and any(n in a.sources and n in t and n != t for n in names for t in a.targets)
    ]
    return min(found, default=None)


def unread(sources: dict[str, str], names: set[str]) -> tuple[str, int] | None:
    """The line that takes the step of a parameter into a name that nothing reads: `c = b - lr * db`."""
    for file, tree in trees(sources):
        read = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name) and isinstance(node.ctx, ast.Load)}
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not isinstance(node.value, ast.BinOp):
                continue
            bound = [target.id for target in node.targets if isinstance(target, ast.Name)]
            steps = isinstance(node.value.op, ast.Sub | ast.Add) and any(names_in(node.value.right))
            own = ast.unparse(node.value.left).split(".")[-1] in names
            if steps and own and len(bound) == len(node.targets) and not set(bound) & (read | names):
                return file, node.lineno
    return None


def copied(sources: dict[str, str], names: set[str]) -> tuple[str, int] | None:
    """The line that moves a copy of a part of a parameter, of which the parameter learns nothing: `v = v - lr * dv`,
    where `v = W[i]` was set before. What is changed where it is, `v -= lr * dv`, changes the parameter, too."""
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.FunctionDef | ast.Module):
                continue
            assigns = [node for node in ast.walk(scope) if isinstance(node, ast.Assign)]
            parts = {
                target.id
                for node in assigns
                for target in node.targets
                if isinstance(target, ast.Name) and _is_part(node.value, names)
            }
            for node in assigns:
                target, value = node.targets[0], node.value
                if not isinstance(target, ast.Name) or target.id not in parts or not isinstance(value, ast.BinOp):
                    continue
                if isinstance(value.left, ast.Name) and value.left.id == target.id and isinstance(value.op, ast.Sub):
                    return file, node.lineno
    return None


def _is_part(value: ast.expr, names: set[str]) -> bool:
    if not isinstance(value, ast.Subscript) or isinstance(value.slice, ast.Constant):
        return False
    return ast.unparse(value.value).split(".")[-1] in names


def left_out(sources: dict[str, str], names: set[str], others: set[str]) -> tuple[str, int] | None:
    """The loop over the names of the parameters that are moved, which leaves some out: `for key in ("W2", "b2")`."""
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.For):
                continue
            keys = {part.value for part in ast.walk(node.iter) if isinstance(part, ast.Constant)}
            if not keys & others or keys & names or not keys <= others | {0, 1, -1}:
                continue
            bound = set(names_in(node.target))
            moves = [p for p in ast.walk(node) if isinstance(p, ast.AugAssign) or _is_step(p)]
            if any(bound & set(names_in(move)) for move in moves):
                return file, node.lineno
    return None


def _is_step(node: ast.AST) -> bool:
    """`p[k] = p[k] - …`."""
    value = node.value if isinstance(node, ast.Assign) else None
    return (
        isinstance(node, ast.Assign)
        and isinstance(value, ast.BinOp)
        and (ast.unparse(value.left) == ast.unparse(node.targets[0]))
    )
