"""Where in the source rows are put into an order, or cut out of the data."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

from pellucid.doctor.process.places import INPUTS, LABELS, SourcePlace, assigned, names_in, trees


@dataclass(frozen=True)
class Torn:
    """Where inputs are put into another order than their labels."""

    place: SourcePlace
    fix: str
    before_training: bool


def torn(sources: dict[str, str]) -> Torn | None:
    """Inputs shuffled by themselves, or taken by an order that the labels are not taken by."""
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if isinstance(scope, ast.FunctionDef | ast.Module):
                found = _shuffled_apart(file, scope) or _ordered_apart(file, scope)
                if found is not None:
                    return found
    return None


def _own(scope: ast.AST) -> Iterator[ast.AST]:
    """The nodes of a function or module, without those of the functions in it."""
    for node in ast.iter_child_nodes(scope):
        if not isinstance(node, ast.FunctionDef | ast.ClassDef | ast.Lambda):
            yield node
            yield from _own(node)


def _shuffled_apart(file: str, scope: ast.AST) -> Torn | None:
    shuffles: list[tuple[str, int]] = []
    seeds = 0
    loops = [node for node in _own(scope) if isinstance(node, ast.For | ast.While)]
    for node in _own(scope):
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            seeds += node.func.attr in ("seed", "set_state", "setstate")
            if (
                node.func.attr == "shuffle"
                and len(node.args) == 1
                and isinstance(node.args[0], ast.Name | ast.Attribute)
            ):
                shuffles.append((ast.unparse(node.args[0]).removeprefix("self."), node.lineno))
    drawn = [
        (name, node.lineno) for node in _own(scope) if isinstance(node, ast.Assign) and (name := _drawn_anew(node))
    ]
    if not any(INPUTS.match(name) for name, _ in (*shuffles, *drawn)):  # both may be drawn from one state
        shuffles += drawn
    pairs = {  # for x, y in data: what is shuffled holds both
        ast.unparse(node.iter.value if isinstance(node.iter, ast.Subscript) else node.iter).removeprefix("self.")
        for node in loops
        if isinstance(node, ast.For) and isinstance(node.target, ast.Tuple)
    }
    shuffles = [item for item in shuffles if item[0] not in pairs and not _holds_labels(scope, item[0])]
    x = [item for item in shuffles if INPUTS.match(item[0])]
    y = [item for item in shuffles if LABELS.match(item[0])]
    if len(shuffles) == 2 and not (x and y):  # told apart by what they are made of: `a, b = d.data, d.target`
        made = {name: _made_of(scope, name) for name, _ in shuffles}
        x = x or [item for item in shuffles if item not in y and made[item[0]] == "inputs"]
        y = y or [item for item in shuffles if item not in x and made[item[0]] == "labels"]
        if x and y and seeds < 3:
            return _torn_apart(file, x[0], y[0], loops)
    names = {name for node in _own(scope) for name in ([node.id] if isinstance(node, ast.Name) else [])}
    if not (x or y) or (x and y and seeds >= 3) or not any(LABELS.match(name) for name in names):
        return None
    if not (x and y) and not any(INPUTS.match(name) for name in names):
        return None
    line = (y or x)[0][1]
    return _torn_apart(file, x[0] if x else ("X", line), y[0] if y else ("y", line), loops)


def _torn_apart(file: str, x: tuple[str, int], y: tuple[str, int], loops: list[ast.For | ast.While]) -> Torn:
    a, b, line = x[0], y[0], y[1]
    inside = any(node.lineno <= line <= (node.end_lineno or node.lineno) for node in loops)
    fix = f"order = np.random.permutation(len({a})); {a}, {b} = {a}[order], {b}[order]"
    return Torn(SourcePlace(file, line), fix, not inside)


def _made_of(scope: ast.AST, name: str) -> str:
    """What the first assignment of a name says of it: "labels", where it mentions what is called so, "inputs" where it
    mentions what is called that; empty where it says neither."""
    for node in sorted((n for n in _own(scope) if isinstance(n, ast.Assign)), key=lambda node: node.lineno):
        for target in node.targets:
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=False) if several else ((target, node.value),)  # type: ignore[attr-defined]
            for one, value in pairs:
                if ast.unparse(one) == name:
                    parts = [part for part in ast.walk(value) if isinstance(part, ast.Attribute | ast.Name)]
                    said = {part.attr if isinstance(part, ast.Attribute) else part.id for part in parts}
                    return (
                        "labels" if any(map(LABELS.match, said)) else "inputs" if any(map(INPUTS.match, said)) else ""
                    )
    return ""


def computed(sources: dict[str, str], name: str) -> bool:
    """Whether labels are computed from others, `y = (y + (x > 0)) % 3`: they are meant to be others then.

    >>> computed({"a.py": "y = (d.target + 1) % 3"}, "y"), computed({"a.py": "y = d.target[order + 1]"}, "y")
    (True, False)
    """
    for _, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Assign) and name in assigned(node) and _calculates(node.value):
                return True
    return False


def _calculates(value: ast.AST) -> bool:
    if isinstance(value, ast.BinOp | ast.Compare | ast.BoolOp):
        return True
    inner = [value.value] if isinstance(value, ast.Subscript) else ast.iter_child_nodes(value)
    return any(_calculates(part) for part in inner)


def _drawn_anew(node: ast.Assign) -> str | None:
    """What is replaced by itself in another order: `y = rng.permutation(y)`."""
    if not isinstance(node.value, ast.Call) or len(node.targets) != 1:
        return None
    call, name = node.value, ast.unparse(node.targets[0])
    draws = ast.unparse(call.func).rpartition(".")[2] in ("permutation", "permuted", "shuffle", "sample")
    given = [ast.unparse(argument) for argument in call.args]
    alone = given[:1] == [name] and given[1:] in ([], [f"len({name})"])
    return name.removeprefix("self.") if draws and alone else None


def _holds_labels(scope: ast.AST, name: str) -> bool:
    """Whether labels are cut out of the array: `rows = data[:300].T; y = rows[0]`."""
    parts = {name}
    for node in sorted((n for n in _own(scope) if isinstance(n, ast.Assign)), key=lambda node: node.lineno):
        for target in node.targets:
            several = isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple)
            pairs = zip(target.elts, node.value.elts, strict=False) if several else ((target, node.value),)  # type: ignore[attr-defined]
            for one, value in pairs:
                if isinstance(one, ast.Name) and value is not one and _cut_out_of(value) in parts:
                    parts.add(one.id)
    return any(LABELS.match(part) for part in parts - {name})


def _cut_out_of(value: ast.AST) -> str:
    """The array that `data[:, 0].T`, `data[1:].astype(int)` and the like are parts of; empty for anything else."""
    while isinstance(value, ast.Subscript | ast.Attribute | ast.Call):
        value = value.func if isinstance(value, ast.Call) else value.value
    return value.id if isinstance(value, ast.Name) else ""


def _ordered_apart(file: str, scope: ast.AST) -> Torn | None:
    """`X = X[order]` where no label is taken by `order`."""
    orders = {
        name
        for node in _own(scope)
        if isinstance(node, ast.Assign)
        and any(
            isinstance(part, ast.Attribute) and part.attr in ("permutation", "choice", "randint", "integers", "sample")
            for part in ast.walk(node.value)
        )
        for name in assigned(node)
    }
    for node in _own(scope):  # batch = order[i:i + 32]
        cut_out = node.value if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) else None
        if cut_out is not None and isinstance(cut_out.value, ast.Name) and cut_out.value.id in orders:
            orders |= set(assigned(node))
    taken: dict[str, list[tuple[str, int]]] = {}
    everything: set[str] = set()
    changed: set[tuple[str, str]] = set()
    for node in _own(scope):
        if isinstance(node, ast.Subscript):
            base = ast.unparse(node.value).removeprefix("self.")
            everything.add(base)
            for order in orders & set(names_in(node.slice)):
                if isinstance(node.ctx, ast.Load):
                    taken.setdefault(order, []).append((base, node.lineno))
                else:  # some rows are changed where they are: y[flipped] = 1 - y[flipped]
                    changed.add((order, base))
        if isinstance(node, ast.Name):
            everything.add(node.id)
    labels = {name for name in everything if LABELS.match(name)}
    for node in _own(scope):  # targets = [number[c] for c in text[p + 1 : p + 9]]
        if isinstance(node, ast.Assign) and any(map(LABELS.match, assigned(node))):
            for order in taken.keys() & set(names_in(node.value)):
                taken[order].append((str(assigned(node)[0]), node.lineno))
    for order, bases in taken.items():
        bases = [item for item in bases if (order, item[0]) not in changed]
        x = [
            item
            for item in bases
            if INPUTS.match(item[0]) and not LABELS.match(item[0]) and not _holds_labels(scope, item[0])
        ]
        y = [item for item in bases if LABELS.match(item[0])]
        if x and not y and labels and not any(b not in [n for n, _ in x] for b, _ in bases):
            label = min(labels, key=lambda name: (len(name), name))
            return Torn(SourcePlace(file, x[0][1]), f"take the labels in the same order: {label}[{order}]", False)
        if y and not x and any(INPUTS.match(name) and not LABELS.match(name) for name in everything):
            return Torn(SourcePlace(file, y[0][1]), f"take the inputs in the same order, by {order}, too", False)
    return None


MOVES = ("roll", "flip", "flipud", "sort", "permutation", "shuffle", "sorted", "reversed", "choice", "sample")


def out_of_order(sources: dict[str, str], names: set[str]) -> SourcePlace | None:
    """The line that most likely tears labels from their inputs: one that rolls, turns round, sorts, draws or shifts
    what is called like data; where there is none, the one where the labels are taken out of the data."""
    names = {re.split(r"[\[]", name)[0].split(".")[-1] for name in names}
    for fits in (_rolls, _turns, _shifts, _moves):
        for file, tree in trees(sources):
            places = [
                SourcePlace(file, line)
                for node in ast.walk(tree)
                if (line := getattr(node, "lineno", None)) is not None and fits(node) and _of_data(node, names)
            ]
            if places:
                return min(places, key=lambda place: place.line)
    return _cut(sources, names)


def taken_apart(sources: dict[str, str], inputs: str, labels: str) -> SourcePlace | None:
    """Where labels are taken out of their array by another index than the inputs beside them out of theirs:
    `xb = X[order[i:j]]`, `yb = y[i:j]`."""
    for file, tree in trees(sources):
        for block in (body for node in ast.walk(tree) if isinstance(body := getattr(node, "body", None), list)):
            taken = {name: list(_indices(block, name.split(".")[-1])) for name in (inputs, labels)}
            by = {index for index, _ in taken[inputs]}
            for index, line in taken[labels]:
                if by and index not in by:
                    return SourcePlace(file, line)
    return None


def _indices(block: list[ast.stmt], name: str) -> Iterator[tuple[str, int]]:
    """By which indices the statements of a block take rows out of an array of that name, and their lines."""
    for part in (part for node in block if isinstance(node, ast.Assign) for part in ast.walk(node.value)):
        if isinstance(part, ast.Subscript) and ast.unparse(part.value).split(".")[-1] == name:
            yield ast.unparse(part.slice), part.lineno


def _of_data(node: ast.AST, names: set[str]) -> bool:
    mentioned = {part.id for part in ast.walk(node) if isinstance(part, ast.Name)}
    mentioned |= {part.attr for part in ast.walk(node) if isinstance(part, ast.Attribute)}
    return any(name in names or LABELS.match(name) or INPUTS.match(name) for name in mentioned - {"np", "T", "x"})


def _rolls(node: ast.AST) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] in ("roll", "flip", "flipud")


def _turns(node: ast.AST) -> bool:
    """`y[::-1]`"""
    return isinstance(node, ast.Subscript) and any(
        isinstance(part, ast.Slice) and part.step is not None and ast.unparse(part.step) == "-1"
        for part in ast.walk(node.slice)
    )


def _shifts(node: ast.AST) -> bool:
    """`y[i + 1]`, `labels[1:221]`, `y[i + 3:i + 38]`: two slices of one statement that begin at different places."""
    if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.BinOp):
        return isinstance(node.slice.op, ast.Add | ast.Sub) and isinstance(node.slice.right, ast.Constant)
    if not isinstance(node, ast.Assign | ast.Expr | ast.Return):
        return False
    slices = [p for p in ast.walk(node) if isinstance(p, ast.Subscript) and isinstance(p.slice, ast.Slice)]
    lower = {ast.unparse(p.slice.lower) if isinstance(p.slice, ast.Slice) and p.slice.lower else "" for p in slices}
    return len(slices) > 1 and len(lower) > 1


def _moves(node: ast.AST) -> bool:
    """`y[rng.permutation(n)]`, `np.sort(y)` and the like, on labels."""
    calls = (part for part in ast.walk(node) if isinstance(part, ast.Call))
    if isinstance(node, ast.Call):
        moved = ast.unparse(node.func).split(".")[-1] in ("sort", "sorted", "reversed")
        return moved and any(LABELS.match(n.id) for a in node.args for n in ast.walk(a) if isinstance(n, ast.Name))
    if isinstance(node, ast.Subscript):
        base = ast.unparse(node.value).split(".")[-1]
        drawn = any(ast.unparse(call.func).split(".")[-1] in MOVES for call in calls)
        return drawn and LABELS.match(base) is not None
    return False


def sorted_rows(sources: dict[str, str], names: set[str], file: str, loop: int) -> SourcePlace | None:
    """Where rows are put in the order of their classes, or taken as they come: a line that sorts, one that numbers the
    rows from 0 to n in a loop around the training, the one where labels are taken out of the data, or that loop."""
    sorts = ("argsort", "sort", "sorted", "lexsort")
    for other, tree in trees(sources):
        calls = [node for node in ast.walk(tree) if isinstance(node, ast.Call)]
        by_name = [(ast.unparse(node.func).split(".")[-1], node.lineno) for node in calls]
        found = [line for name, line in by_name if name in sorts]
        if not found and other == file:
            found = [line for name, line in by_name if name == "arange" and abs(line - loop) <= 3]
        if found:
            return SourcePlace(other, min(found))
    return _cut(sources, names) or SourcePlace(file, loop)


def _cut(sources: dict[str, str], names: set[str]) -> SourcePlace | None:
    """The last line in a loop or function that takes labels by an index."""
    found: list[SourcePlace] = []
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.For | ast.While | ast.FunctionDef):
                continue
            for node in ast.walk(scope):
                if isinstance(node, ast.Subscript) and isinstance(node.ctx, ast.Load):
                    base = ast.unparse(node.value).split(".")[-1]
                    if ((base in names or INPUTS.match(base)) and LABELS.match(base)) or LABELS.match(base):
                        found.append(SourcePlace(file, node.lineno))
    return min(found, key=lambda place: place.line) if found else None


def batch(sources: dict[str, str], names: set[str], first: int, last: int) -> SourcePlace | None:
    """Where the rows of a batch are chosen: the line that makes the index, or the slice itself.

    `names` are those of what the batches are cut out of, `first` and `last` the lines of the loop, which is looked at
    before the functions. Followed from `X[index]` to where `index` is made, and on while that is cut out of another.
    """
    for file, tree in trees(sources):
        for node in _subscripts(tree, names, first, last):
            inner = [part.id for part in ast.walk(node.slice) if isinstance(part, ast.Name)]
            return _made(file, tree, inner, node.lineno) or SourcePlace(file, node.lineno)
    return None


def made_between(sources: dict[str, str], name: str, file: str, first: int, last: int) -> bool:
    """Whether a variable is assigned in the lines of a loop: `xb = X[0:16]`, a batch of each pass."""
    return any(
        isinstance(node, ast.Assign) and first < node.lineno <= last and name in assigned(node)
        for other, tree in trees(sources)
        if other == file
        for node in ast.walk(tree)
    )


def _subscripts(tree: ast.AST, names: set[str], first: int, last: int) -> Iterator[ast.Subscript]:
    found = [
        node
        for node in ast.walk(tree)
        if isinstance(node, ast.Subscript)
        and isinstance(node.ctx, ast.Load)
        and ast.unparse(node.value).split(".")[-1] in names
    ]
    yield from (node for node in found if first < node.lineno <= last)
    inside = [function for function in ast.walk(tree) if isinstance(function, ast.FunctionDef)]
    for node in found:
        if any(function.lineno < node.lineno <= (function.end_lineno or 0) for function in inside):
            yield node


def _made(file: str, tree: ast.AST, names: list[str], before: int) -> SourcePlace | None:
    """The last assignment of one of the names above a line, or the loop whose variable it is."""
    for name in names:
        above = [node for node in ast.walk(tree) if _gives(node, name) and getattr(node, "lineno", before) < before]
        if not above:
            continue
        node: Any = max(above, key=lambda found: getattr(found, "lineno", 0))
        if isinstance(node, ast.For):
            if isinstance(node.iter, ast.Call) and ast.unparse(node.iter.func) == "range":
                continue  # for i in range(0, n, 32): the rows are chosen by what is made of i
            return SourcePlace(file, node.lineno)
        value = node.value
        if isinstance(value, ast.Constant):
            continue  # X[:batch_size]: how many rows there are, not which
        moves = isinstance(value, ast.Subscript) and any(isinstance(p, ast.Name) for p in ast.walk(value.slice))
        if moves and isinstance(value.value, ast.Name):
            made = _made(file, tree, [value.value.id], node.lineno)
            if made is not None and not _draws(tree, made.line):
                return made
        return SourcePlace(file, node.lineno)
    return None


def _gives(node: ast.AST, name: str) -> bool:
    """Whether a statement gives a variable its value: an assignment, or a loop over something."""
    if isinstance(node, ast.For):
        return name in {part.id for part in ast.walk(node.target) if isinstance(part, ast.Name)}
    return isinstance(node, ast.Assign) and name in assigned(node)


def _draws(tree: ast.AST, line: int) -> bool:
    """Whether a line makes an order of all rows: then what is cut out of it is at fault."""
    return any(
        isinstance(node, ast.Call)
        and node.lineno == line
        and ast.unparse(node.func).split(".")[-1] in ("permutation", "arange", "shuffle", "sample", "load_digits")
        for node in ast.walk(tree)
    )
