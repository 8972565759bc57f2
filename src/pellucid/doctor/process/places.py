"""Where in the source a setting is written: the learning rate, the first values of a parameter, the data."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from dataclasses import dataclass
from typing import Any

RATE = re.compile(r"^(lr\w*|\w*learning_?rate|learn_?rate|alpha|eta|step_?size|l_?rate|rate|LR|ALPHA|ETA)\d*$", re.I)


@dataclass(frozen=True)
class SourcePlace:
    """A line, and the number that is written there if it is one."""

    file: str
    line: int
    value: float | None = None
    text: str = ""  # how the number is written


def trees(sources: dict[str, str]) -> Iterator[tuple[str, ast.Module]]:
    for file, text in sources.items():
        try:
            yield file, ast.parse(text)
        except SyntaxError:
            continue


def rate(sources: dict[str, str], updates: list[tuple[str, int]]) -> SourcePlace | None:
    """Where the learning rate is given: as an argument of a call, an assignment, a default, or in the update itself."""
    calls: list[SourcePlace] = []
    assigned: list[SourcePlace] = []
    defaults: list[SourcePlace] = []
    positions: dict[str, tuple[int, bool]] = {}  # the function's name, and where the rate is among its parameters
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                defaults += _defaults(file, node, positions)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                names = [name for target in targets for name in _names(target)]
                if any(RATE.match(name) for name in names) and (number := _number(node.value)) is not None:
                    assigned.append(_at(file, node.value, number))
            elif isinstance(node, ast.Call):
                calls += [
                    _at(file, keyword.value, number)
                    for keyword in node.keywords
                    if keyword.arg and RATE.match(keyword.arg) and (number := _number(keyword.value)) is not None
                ]
        for node in ast.walk(tree):
            if isinstance(node, ast.ClassDef):
                for item in node.body:
                    if isinstance(item, ast.FunctionDef) and item.name == "__init__" and "__init__" in positions:
                        names = [argument.arg for argument in item.args.args]
                        where = next((i for i, name in enumerate(names) if RATE.match(name)), None)
                        if where is not None:
                            positions[node.name] = (where, True)
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                name = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
                if name in positions:
                    where, method = positions[name]
                    where -= method
                    if 0 <= where < len(node.args) and (number := _number(node.args[where])) is not None:
                        calls.append(_at(file, node.args[where], number))
    for found in (calls, assigned, defaults):
        if found:
            return found[0]
    return _literal(sources, updates)


def _literal(sources: dict[str, str], updates: list[tuple[str, int]]) -> SourcePlace | None:
    for file, line in updates:
        for other, tree in trees(sources):
            if other != file:
                continue
            for node in ast.walk(tree):
                if isinstance(node, ast.Constant) and isinstance(node.value, float) and node.lineno == line:
                    return _at(file, node, float(node.value))
        return SourcePlace(file, line)
    return None


def _defaults(file: str, node: ast.FunctionDef, positions: dict[str, tuple[int, bool]]) -> list[SourcePlace]:
    names = [argument.arg for argument in node.args.args]
    found: list[SourcePlace] = []
    for i, name in enumerate(names):
        if RATE.match(name):
            positions[node.name] = (i, names[:1] == ["self"])
            back = i - len(names) + len(node.args.defaults)
            if back >= 0 and (number := _number(node.args.defaults[back])) is not None:
                found.append(_at(file, node.args.defaults[back], number))
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if RATE.match(argument.arg) and default is not None and (number := _number(default)) is not None:
            found.append(_at(file, default, number))
    return found


DECAY = re.compile(r"^(\w*decay\w*|reg(_?lambda|ularization|_strength)?|lam(b|bda)?(_\w+)?|lmbda|wd|l2(_\w+)?)$", re.I)


def decay(sources: dict[str, str]) -> SourcePlace | None:
    """Where the weight decay is given: an argument of a call, an assignment, or a default."""
    found: list[tuple[int, SourcePlace]] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Call):
                named = [(keyword.arg or "", keyword.value) for keyword in node.keywords]
                found += [(0, _at(file, v, n)) for k, v in named if DECAY.match(k) and (n := _number(v)) is not None]
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    pairs = [(target, node.value)]
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = list(zip(target.elts, node.value.elts, strict=False))
                    for name, value in pairs:
                        called = ast.unparse(name).split(".")[-1]
                        if DECAY.match(called) and (n := _number(value)) is not None:
                            found.append((1, _at(file, value, n)))
            elif isinstance(node, ast.FunctionDef):
                arguments = [*node.args.args[len(node.args.args) - len(node.args.defaults) :]]
                for argument, default in zip(arguments, node.args.defaults, strict=True):
                    if DECAY.match(argument.arg) and (n := _number(default)) is not None:
                        found.append((2, _at(file, default, n)))
    return min(found, key=lambda item: item[0])[1] if found else None


def first_values(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where a parameter gets its first values: the first assignment to its name that is no update of it."""
    last = re.sub(r"\[[^\]]*\]", "", name).split(".")
    wanted = next(part for part in reversed(last) if part not in ("data", "value", "val"))
    keys = re.findall(r"\['(\w+)'\]", name)
    if keys:
        wanted = keys[-1]

    def is_it(node: ast.AST) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value: Any = getattr(node, "value", None)
        names = [n for target in targets if target is not None for n in _names(target)]
        return wanted in names and value is not None and wanted not in set(_names(value))

    return first(sources, lambda node: isinstance(node, ast.Assign | ast.AnnAssign) and is_it(node)) or first(
        sources,
        lambda node: (
            isinstance(node, ast.Call)
            and isinstance(node.func, ast.Attribute)
            and node.func.attr == "append"
            and wanted in set(_names(node.func.value))
        ),
    )


def last_values(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where a variable of the data gets its values: the last assignment to its name."""
    wanted = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
    return last(sources, lambda node: isinstance(node, ast.Assign | ast.AnnAssign) and wanted in assigned(node))


def first(sources: dict[str, str], fits: Callable[[ast.AST], bool]) -> SourcePlace | None:
    """The first line whose statement fits."""
    for file, tree in trees(sources):
        lines = sorted(node.lineno for node in ast.walk(tree) if fits(node))  # type: ignore[attr-defined]
        if lines:
            return SourcePlace(file, lines[0])
    return None


def last(sources: dict[str, str], fits: Callable[[ast.AST], bool]) -> SourcePlace | None:
    for file, tree in trees(sources):
        lines = sorted(node.lineno for node in ast.walk(tree) if fits(node))  # type: ignore[attr-defined]
        if lines:
            return SourcePlace(file, lines[-1])
    return None


def assigned(node: ast.AST) -> list[str]:
    """The names that a statement assigns."""
    if isinstance(node, ast.Assign):
        return [name for target in node.targets for name in _names(target)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return list(_names(node.target))
    return []


def passes(sources: dict[str, str], file: str, line: int, names: dict[str, Any]) -> int | None:
    """How often `for … in range(…)` at a line runs, where that can be read."""
    for _, tree in trees({file: sources[file]} if file in sources else {}):
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and node.lineno == line and isinstance(node.iter, ast.Call):
                call = node.iter
                if isinstance(call.func, ast.Name) and call.func.id == "range" and not call.keywords:
                    try:
                        arguments = [_whole(argument, names) for argument in call.args]
                        return len(range(*arguments))
                    except (TypeError, ValueError, KeyError):
                        return None
    return None


@dataclass(frozen=True)
class Cut:
    """Where a batch is cut out of the data in a loop."""

    place: SourcePlace
    base: str  # what it is cut out of, as `X` or `self.X`


def cut(sources: dict[str, str], file: str, first_line: int, last_line: int, name: str) -> Cut | None:
    """`xb = X[i:i + 32]` within these lines, for the batch called `name`."""
    wanted = re.split(r"[.\[]", name.removeprefix("self."))[0]
    for other, tree in trees(sources):
        if other != file:
            continue
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign) or not first_line < node.lineno <= last_line:
                continue
            value: Any = node.value
            if isinstance(value, ast.Attribute) and value.attr == "T":
                value = value.value
            if wanted not in assigned(node) and not any(_passed_on(tree, target, wanted) for target in assigned(node)):
                continue
            parts = value.elts if isinstance(value, ast.Tuple) else [value]
            for part in parts:
                if isinstance(part, ast.Subscript) and isinstance(part.value, ast.Name | ast.Attribute):
                    return Cut(SourcePlace(file, node.lineno), ast.unparse(part.value))
    return None


def _passed_on(tree: ast.AST, name: str, wanted: str) -> bool:
    """Whether a variable is handed to a function whose parameter has the wanted name."""
    functions = {f.name: [a.arg for a in f.args.args] for f in ast.walk(tree) if isinstance(f, ast.FunctionDef)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Call):
            called = node.func.attr if isinstance(node.func, ast.Attribute) else getattr(node.func, "id", "")
            names = functions.get(called, [])
            names = names[1:] if names[:1] == ["self"] else names
            for argument, parameter in zip(node.args, names, strict=False):
                if parameter == wanted and isinstance(argument, ast.Name) and argument.id == name:
                    return True
    return False


@dataclass(frozen=True)
class Torn:
    """Where inputs are put into another order than their labels."""

    place: SourcePlace
    fix: str
    before_training: bool


INPUTS = re.compile(r"^(x|xs|x_?\w*|\w*_x|inputs?|data|features?|images?|samples?)$", re.I)
LABELS = re.compile(r"^(y|ys|y_?\w*|\w*_y|t|targets?|labels?\w*|\w*labels?)$", re.I)


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
    x = [item for item in shuffles if INPUTS.match(item[0])]
    y = [item for item in shuffles if LABELS.match(item[0])]
    names = {name for node in _own(scope) for name in ([node.id] if isinstance(node, ast.Name) else [])}
    if not (x or y) or (x and y and seeds >= 3) or not any(LABELS.match(name) for name in names):
        return None
    if not (x and y) and not any(INPUTS.match(name) for name in names):
        return None
    line = (y or x)[0][1]
    inside = any(node.lineno <= line <= (node.end_lineno or node.lineno) for node in loops)
    a, b = (x[0][0] if x else "X"), (y[0][0] if y else "y")
    fix = f"order = np.random.permutation(len({a})); {a}, {b} = {a}[order], {b}[order]"
    return Torn(SourcePlace(file, line), fix, not inside)


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
    for node in _own(scope):
        if isinstance(node, ast.Subscript):
            base = ast.unparse(node.value).removeprefix("self.")
            everything.add(base)
            for order in orders & set(_names(node.slice)):
                taken.setdefault(order, []).append((base, node.lineno))
        if isinstance(node, ast.Name):
            everything.add(node.id)
    labels = {name for name in everything if LABELS.match(name)}
    for order, bases in taken.items():
        x = [item for item in bases if INPUTS.match(item[0]) and not LABELS.match(item[0])]
        y = [item for item in bases if LABELS.match(item[0])]
        if x and not y and labels and not any(b not in [n for n, _ in x] for b, _ in bases):
            label = min(labels, key=lambda name: (len(name), name))
            return Torn(SourcePlace(file, x[0][1]), f"take the labels in the same order: {label}[{order}]", False)
        if y and not x and any(INPUTS.match(name) and not LABELS.match(name) for name in everything):
            return Torn(SourcePlace(file, y[0][1]), f"take the inputs in the same order, by {order}, too", False)
    return None


OUT = re.compile(r"softmax|sigmoid|tanh|relu|exp|maximum", re.I)


def of_cause(cause: str, sources: dict[str, str], keys: Any) -> SourcePlace | None:
    """The line that a cause points to by itself."""
    names = {key[1].split(".")[-1] for key in (keys.outputs,) if key is not None and not key[1].startswith("return")}
    if cause == "softmax-wrong-axis":
        return (
            first(sources, lambda node: isinstance(node, ast.Return | ast.Assign) and _sums(node, "0"))
            or first(sources, lambda node: isinstance(node, ast.Return | ast.Assign) and _sums(node, None))
        )  # fmt: skip
    if cause in ("output-range-mismatch", "softmax-single-unit", "activation-before-loss"):
        return last(
            sources,
            lambda node: (
                isinstance(node, ast.Assign)
                and bool(names & set(assigned(node)))
                and any(
                    isinstance(part, ast.Call) and OUT.search(ast.unparse(part.func)) for part in ast.walk(node.value)
                )
            ),
        )
    key = keys.inputs if cause == "non-finite-data" else keys.labels
    return first_values(sources, key[1]) if key is not None and cause in DATA_CAUSES else None


def softmax(sources: dict[str, str], name: str, cause: str) -> SourcePlace | None:
    """Where a softmax takes what it should not: another softmax, or rectified scores; else where `name` is assigned."""
    inner = {"double-softmax": "softmax"}.get(cause, r"relu|maximum|\bmax\(")
    nested = re.compile(rf"[\w.]*(?:softmax|sigmoid|expit|logistic)\w*\(.*(?:{inner})", re.I)
    called = first(sources, lambda node: isinstance(node, ast.Call) and nested.match(ast.unparse(node)) is not None)
    if called is not None or not name:
        return called
    wanted = re.split(r"[.\[]", name.removeprefix("self."))[0]
    return last(sources, lambda node: isinstance(node, ast.Assign | ast.AugAssign) and wanted in assigned(node))


DATA_CAUSES = ("non-finite-data", "constant-target", "class-imbalance", "unshuffled-data")


def _sums(node: ast.AST, axis: str | None) -> bool:
    """Whether a statement divides by a sum over an axis, `sum(…, axis=0)`."""
    for part in ast.walk(node):
        if isinstance(part, ast.Call) and ast.unparse(part.func).endswith("sum"):
            axes = [ast.unparse(keyword.value) for keyword in part.keywords if keyword.arg == "axis"]
            if (axis in axes) if axis is not None else not axes:
                divides = any(isinstance(p, ast.BinOp) and isinstance(p.op, ast.Div) for p in ast.walk(node))
                exp = "exp" in ast.unparse(node) or divides
                if exp:
                    return True
    return False


def _whole(node: ast.expr, names: dict[str, Any]) -> int:
    if isinstance(node, ast.Constant) and isinstance(node.value, int):
        return node.value
    if isinstance(node, ast.Name):
        return int(names[node.id])
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub):
        left, right = _whole(node.left, names), _whole(node.right, names)
        return left + right if isinstance(node.op, ast.Add) else left - right
    raise ValueError


def _names(node: ast.AST) -> Iterator[str]:
    for part in ast.walk(node):
        if isinstance(part, ast.Name):
            yield part.id
        elif isinstance(part, ast.Attribute):
            yield part.attr
        elif isinstance(part, ast.Subscript) and isinstance(part.slice, ast.Constant):
            yield str(part.slice.value)


def _number(node: ast.expr | None) -> float | None:
    if isinstance(node, ast.Constant) and isinstance(node.value, int | float) and not isinstance(node.value, bool):
        return float(node.value)
    return None


def _at(file: str, node: Any, number: float) -> SourcePlace:
    return SourcePlace(file, node.lineno, number, ast.unparse(node))
