"""Repairs of inputs far from unit scale, as one writes them: `X = (X - X.mean(0)) / X.std(0)`, where X is made.

Means and deviations are those of the rows that are trained on; what the network is given elsewhere is brought to scale
by the same. Where it cannot be told what these are called, the network is given a hook with the numbers that were seen.
"""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pellucid.doctor.calls import assigned, calls, last, loops, to_nn, trained
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding
from pellucid.doctor.patches_labels import rescaled

HOLDERS = r"\w*Dataset|\w*DataLoader|zip|enumerate"
COPIES = r"tensor|from_numpy|as_tensor|(?:Float)?Tensor|array|asarray"
DEEP = 6  # names and calls between what a network is called with and what holds all rows


def to_scale(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """What the network is given, less its mean, over its spread: where it is made, or else where it comes in."""
    measured = next((d for d in finding.details if "mean" in d and "std" in d), None)
    if measured is None:
        return
    tree = ast.parse(text.source)
    names = list(dict.fromkeys(tables(tree, text)))
    made = _made(tree, names)
    if made is not None:
        by_column = isinstance(measured["mean"], list)
        if measured.get("bytes"):
            yield text.after(made, "; ".join(f"{name} = {name} / 255" for name in names))
        yield text.after(made, _scaled(names, by_column, "clamp" in finding.fix, assigned(tree), made, text))
    yield from _by_hook(measured, tree, text)


def both_to_scale(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """What the network is given, and what it is to give, less their means and over their spreads."""
    measured = next((d for d in finding.details if "targets" in d), None)
    if measured is not None:
        mean, std = measured["targets"]
        for changed in to_scale(finding, statement, text):
            yield from rescaled(changed, f"({{}} - {mean:.6g}) / {std:.6g}")


def _scaled(names: list[str], by_column: bool, still: bool, taken: set[str], made: ast.stmt, text: Text) -> str:
    """The lines that bring tables to the scale of the first one; `still`: some of its columns never change."""
    first, axis = names[0], "0" if by_column else ""
    mean, std = ("mean", "std") if not {"mean", "std"} & taken else (f"{first}_mean", f"{first}_std")
    apart = " + 1e-6" if still else ""
    if len(names) == 1:
        spread = f"({first}.std({axis}){apart})" if still else f"{first}.std({axis})"
        return f"{first} = ({first} - {first}.mean({axis})) / {spread}"
    indent = text.lines[made.lineno - 1][: made.col_offset]
    lines = [
        f"{mean}, {std} = {first}.mean({axis}), {first}.std({axis}){apart}",
        *(f"{name} = ({name} - {mean}) / {std}" for name in names),
    ]
    return f"\n{indent}".join(lines)


def _made(tree: ast.Module, names: list[str]) -> ast.stmt | None:
    """The last statement that makes one of these tables, where all are made in one body, ahead of the training."""
    around = loops(tree)
    if not names or not around:
        return None
    bodies = [n.body for n in ast.walk(tree) if isinstance(n, ast.Module | ast.FunctionDef)]
    for body in bodies:
        before = [node for node in body if node.lineno < around[0].lineno and isinstance(node, ast.Assign)]
        makers = [node for node in before if assigned_here(node) & set(names)]
        if set(names) <= {name for node in makers for name in assigned_here(node)}:
            # What is computed from a table, as the targets may be, is computed from it as it is.
            later = [node for node in before if node.lineno > makers[-1].lineno and _mentions(node.value, names)]
            for last_one in (*later[-1:], makers[-1]):
                others = [n for n in body if n not in makers and _holds(n, names) and n.lineno <= last_one.lineno]
                if not others:
                    return last_one
            return None
    return None


def _mentions(node: ast.AST, names: list[str]) -> bool:
    return any(isinstance(n, ast.Name) and n.id in names for n in ast.walk(node))


def _holds(statement: ast.stmt, names: list[str]) -> bool:
    """Whether a statement gives a table to what keeps it as it is then."""
    return any(isinstance(n, ast.Name) and n.id in names for call in calls(statement, HOLDERS) for n in ast.walk(call))


def assigned_here(node: ast.Assign) -> set[str]:
    """The plain names that a statement assigns to."""
    parts = [p for t in node.targets for p in (t.elts if isinstance(t, ast.Tuple | ast.List) else [t])]
    return {part.id for part in parts if isinstance(part, ast.Name)}


def tables(tree: ast.Module, text: Text) -> Iterator[str]:
    """What holds all rows that the network is called with, those of the training first."""
    networks = {name.split(".")[0] for _, name in trained(tree, text)}
    used = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and isinstance(c.func, ast.Name) and c.args]
    used = [call for call in used if isinstance(call.func, ast.Name) and call.func.id in networks]
    training = {id(call) for loop in loops(tree)[:1] for call in ast.walk(loop)}
    first_loop = loops(tree)[-1:]
    inner = {id(call) for loop in first_loop for call in ast.walk(loop)}
    for call in sorted(used, key=lambda c: (id(c) not in inner, id(c) not in training, c.lineno)):
        for given in _handed(call, tree):
            found = _table(given, tree, DEEP)
            if found is not None:
                yield found


def _handed(call: ast.Call, tree: ast.Module) -> Iterator[ast.expr]:
    """What a network is called with; of an argument of the function around the call, what that is called with."""
    given = call.args[0]
    base = next((n for n in ast.walk(given) if isinstance(n, ast.Name) and not _is_module(n)), None)
    for function in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef)):
        names = [argument.arg for argument in function.args.args]
        if base is None or base.id not in names or not any(n is call for n in ast.walk(function)):
            continue
        place = names.index(base.id)
        for other in calls(tree, re.escape(function.name)):
            if isinstance(other.func, ast.Name) and len(other.args) > place:
                yield other.args[place]
        return
    yield given


def _table(node: ast.expr, tree: ast.Module, depth: int) -> str | None:
    """The name behind an expression: of `xb` in `for xb, yb in loader`, that which its data set was made of."""
    while not isinstance(node, ast.Name):
        if isinstance(node, ast.Subscript | ast.Attribute):
            node = node.value
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and not _is_module(node.func.value):
            node = node.func.value
        elif isinstance(node, ast.Call) and re.fullmatch(f"{HOLDERS}|{COPIES}", last(node)) and node.args:
            node = node.args[0]
        else:
            return None
    for source, whole in _sources(node.id, tree, node.lineno) if depth else ():
        if isinstance(source, ast.Subscript | ast.Name) or (
            isinstance(source, ast.Call) and re.fullmatch(f"{HOLDERS}|{COPIES}", last(source))
        ):
            behind = _table(source, tree, depth - 1) if not (whole and isinstance(source, ast.Subscript)) else node.id
            if behind is not None:
                return behind
    return node.id


def _is_apart(node: ast.Assign | ast.For, line: int) -> bool:
    """Whether a statement is neither above a line nor, if it is a loop, around it."""
    return node.lineno > line or (isinstance(node, ast.For) and (node.end_lineno or 0) < line)


def _is_module(node: ast.expr) -> bool:
    return isinstance(node, ast.Name) and node.id in ("torch", "np", "numpy", "F", "nn", "pellucid")


def _sources(name: str, tree: ast.Module, line: int) -> Iterator[tuple[ast.expr, bool]]:
    """What a name is assigned, or runs through, and whether that is ahead of all loops, as where rows are split.

    Of several, the loop around the line where it is used first, then what stands closest above that.
    """
    made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.For)]
    made.sort(key=lambda n: (_is_apart(n, line), abs(line - n.lineno)))
    for node in made:
        pair: tuple[ast.expr, ast.expr] | None = None
        if isinstance(node, ast.Assign):
            pair = node.targets[0], node.value
        elif isinstance(node, ast.For):
            pair = node.target, node.iter
        if pair is None:
            continue
        whole = isinstance(node, ast.Assign) and node in tree.body
        target, value = pair
        if isinstance(target, ast.Name) and target.id == name:
            yield value, whole
        elif isinstance(target, ast.Tuple):
            for i, part in enumerate(target.elts):
                if isinstance(part, ast.Name) and part.id == name:
                    if isinstance(value, ast.Tuple) and len(value.elts) == len(target.elts):
                        yield value.elts[i], whole
                    elif i == 0:
                        yield value, whole
                elif isinstance(part, ast.Tuple) and part.elts and ast.unparse(part.elts[0]) == name:
                    yield value, whole  # for i, (x, y) in enumerate(loader)


def _by_hook(measured: dict[str, object], tree: ast.Module, text: Text) -> Iterator[str]:
    """What the network is given, wherever it is called, by numbers that were seen."""
    made = trained(tree, text)
    if not made:
        return
    at, name = made[0]
    package = to_nn(text).removesuffix(".nn") if to_nn(text) != "nn" else ""
    numbers = [measured["mean"], measured["std"]]
    if any(isinstance(value, list) for value in numbers) and not package:
        return
    mean, std = (
        f"{package}.tensor({_short(value)})" if isinstance(value, list) else f"{value:.6g}" for value in numbers
    )
    yield text.after(
        at,
        f"{name.split('.')[0]}.register_forward_pre_hook("
        f"lambda module, given: ((given[0] - {mean}) / {std}, *given[1:]))",
    )


def _short(values: list[float]) -> str:
    return "[" + ", ".join(f"{value:.4g}" for value in values) + "]"
