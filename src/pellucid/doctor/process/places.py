"""Where in the source a setting is written: the learning rate, the first values of a parameter, the data."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator, Sequence
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
    calls, assigned, defaults = _rates(sources)
    for found in (calls, _in_force(assigned), defaults):
        if found:
            return found[0]
    return _literal(sources, updates)


def rate_values(sources: dict[str, str]) -> frozenset[float]:
    """Every number that the source gives to something called like a learning rate."""
    calls, assigned, defaults = _rates(sources)
    places = [*calls, *(place for _, place in assigned), *defaults]
    return frozenset(place.value for place in places if place.value)


def _rates(sources: dict[str, str]) -> tuple[list[SourcePlace], list[tuple[str, SourcePlace]], list[SourcePlace]]:
    """What calls give, assignments with their names, and defaults."""
    calls: list[SourcePlace] = []
    assigned: list[tuple[str, SourcePlace]] = []  # with the name
    defaults: list[SourcePlace] = []
    positions: dict[str, tuple[int, bool]] = {}  # the function's name, and where the rate is among its parameters
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.FunctionDef):
                defaults += _defaults(file, node, positions)
            elif isinstance(node, ast.Assign | ast.AnnAssign):
                targets = node.targets if isinstance(node, ast.Assign) else [node.target]
                if node.value is not None:
                    assigned += _named_numbers(file, targets, node.value)
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
    return calls, assigned, defaults


def _named_numbers(file: str, targets: Sequence[ast.expr], value: ast.expr) -> list[tuple[str, SourcePlace]]:
    """What an assignment, `lr = 0.1` or `lr, epochs = 0.1, 100`, gives to learning rates."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs += zip(target.elts, value.elts, strict=False)
        else:
            pairs.append((target, value))
    return [
        (ast.unparse(target), _at(file, item, number))
        for target, item in pairs
        if (number := _number(item)) is not None and any(RATE.match(name) for name in names_in(target))
    ]


def _in_force(assigned: list[tuple[str, SourcePlace]]) -> list[SourcePlace]:
    """Of assignments to one name in one file, the last: the ones before it are overwritten."""
    last: dict[tuple[str, str], tuple[str, SourcePlace]] = {}
    for name, place in assigned:
        known = last.get((name, place.file))
        last[name, place.file] = max(known or (name, place), (name, place), key=lambda item: item[1].line)
    return [place for _, place in last.values()]


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
    """Where a parameter gets its first values: the first assignment to its name that is no update of it; else its row
    of a dict, or the first `append` to its list."""
    last = re.sub(r"\[[^\]]*\]", "", name).split(".")
    wanted = next((part for part in reversed(last) if part not in ("data", "value", "val")), last[-1])
    keys = re.findall(r"\['(\w+)'\]", name)
    if keys:
        wanted = keys[-1]

    def is_it(node: ast.AST) -> bool:
        targets = node.targets if isinstance(node, ast.Assign) else [getattr(node, "target", None)]
        value: Any = getattr(node, "value", None)
        names = [n for target in targets if target is not None for n in names_in(target)]
        return wanted in names and value is not None and wanted not in set(names_in(value)) and not _is_alias(node)

    def appends(node: ast.AST) -> bool:
        if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
            return False
        return node.func.attr == "append" and wanted in set(names_in(node.func.value))

    found = first(sources, lambda node: isinstance(node, ast.Assign | ast.AnnAssign) and is_it(node))
    row = _row(sources, wanted)
    if keys and row is not None:
        return row
    drawn = first(sources, lambda node: isinstance(node, ast.Assign) and _draws_into(node, wanted))
    if found is not None and drawn is not None and 0 < drawn.line - found.line <= NEAR:
        return drawn
    if keys and found is None:
        built = first(sources, lambda node: isinstance(node, ast.Assign) and _builds_key(node, keys[-1]))
        if built is not None:
            return built
    return found if found is not None and not _is_empty(sources, found) else first(sources, appends) or row or found


NEAR = 12  # lines between where a matrix is made and where it is filled


def _draws_into(node: ast.Assign, name: str) -> bool:
    """`self.wi[i][j] = rand(-1, 1)`: a matrix that was made before gets its first values."""
    target = node.targets[0]
    while isinstance(target, ast.Subscript):
        target = target.value
    if target is node.targets[0] or ast.unparse(target).split(".")[-1] != name or name in names_in(node.value):
        return False
    calls = [ast.unparse(part.func) for part in ast.walk(node.value) if isinstance(part, ast.Call)]
    return any(re.search(r"rand|uniform|gauss|normal", call) for call in calls)


def _builds_key(node: ast.Assign, key: str) -> bool:
    """`params["W" + str(l)] = …` or `params[f"W{l}"] = …`, for a key `W1`."""
    target = node.targets[0]
    if not isinstance(target, ast.Subscript) or isinstance(target.slice, ast.Constant):
        return False
    if isinstance(node.value, ast.BinOp) and isinstance(node.value.left, ast.Subscript):
        return False  # params[…] = params[…] - rate * …
    parts = [part.value for part in ast.walk(target.slice) if isinstance(part, ast.Constant)]
    return any(isinstance(part, str) and part and key.startswith(part) and key[len(part) :].isdigit() for part in parts)


def _is_alias(node: ast.AST) -> bool:
    """`W1, b1 = model["W1"], model["b1"]`: what is read there was made elsewhere."""
    value: Any = getattr(node, "value", None)
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    return all(isinstance(p, ast.Subscript) and isinstance(p.slice, ast.Constant) and isinstance(p.slice.value, str)
               for p in parts)  # fmt: skip


def _is_empty(sources: dict[str, str], place: SourcePlace) -> bool:
    """`weights = []`, to be filled below."""
    return (
        re.search(r"=\s*(\[\]|list\(\)|\{\}|dict\(\))\s*(#.*)?$", sources[place.file].splitlines()[place.line - 1])
        is not None
    )


def _row(sources: dict[str, str], wanted: str) -> SourcePlace | None:
    """`{"W1": …}` or `Layer(W1=…)`."""
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == wanted and not isinstance(value, ast.Name):
                        return SourcePlace(file, value.lineno)
            elif isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == wanted and isinstance(keyword.value, ast.Call):
                        return SourcePlace(file, keyword.value.lineno)
    return None


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
        return [name for target in node.targets for name in names_in(target)]
    if isinstance(node, ast.AugAssign | ast.AnnAssign):
        return list(names_in(node.target))
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


INPUTS = re.compile(r"^(x|xs|x_?\w*|\w*_x|inputs?|data|features?|images?|samples?)$", re.I)
LABELS = re.compile(r"^(y|ys|y_?\w*|\w*_y|t|targets?|labels?\w*|\w*labels?)$", re.I)
OUT = re.compile(r"softmax|sigmoid|tanh|relu|exp|maximum", re.I)


def of_cause(cause: str, sources: dict[str, str], keys: Any) -> SourcePlace | None:
    """The line that a cause points to by itself."""
    names = {key[1].split(".")[-1] for key in (keys.outputs,) if key is not None and not key[1].startswith("return")}
    if cause == "softmax-wrong-axis":
        return (
            first(sources, lambda node: isinstance(node, ast.Return | ast.Assign) and _sums(node, "0"))
            or first(sources, lambda node: isinstance(node, ast.Return | ast.Assign) and _sums(node, None))
            or first(sources, lambda node: isinstance(node, ast.Return | ast.Assign) and _sums(node, "1"))
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


def product(sources: dict[str, str], name: str) -> SourcePlace | None:
    """The first line that multiplies something by a parameter and is no gradient: where its layer is computed."""
    wanted = re.findall(r"\w+", name)[-1]

    def multiplies(node: ast.AST) -> bool:
        if not isinstance(node, ast.Assign | ast.Return) or node.value is None:
            return False
        if any(re.match(r"d[A-Z_]|grad|delta|g[A-Z]|back", target) for target in assigned(node)):
            return False
        return any(
            wanted in set(names_in(part))
            for part in ast.walk(node.value)
            if (isinstance(part, ast.BinOp) and isinstance(part.op, ast.MatMult))
            or (isinstance(part, ast.Call) and re.search(r"(dot|matmul|einsum)$", ast.unparse(part.func)))
        )

    return first(sources, multiplies)


def logarithm(sources: dict[str, str]) -> SourcePlace | None:
    """The first line that takes a logarithm of something bare: without a small number that is added to it."""
    return first(
        sources,
        lambda node: (
            isinstance(node, ast.Call)
            and re.search(r"(^|\.)log(2|10)?$", ast.unparse(node.func)) is not None
            and bool(node.args)
            and not re.search(r"eps|e-\d+|clip|tiny|maximum|exp|sum\(", ast.unparse(node.args[0]))
        ),
    )


def softmax_again(sources: dict[str, str]) -> SourcePlace | None:
    """Where what a softmax gave goes through another one: `p = e / e.sum()`, later `np.exp(p) / np.exp(p).sum()`."""
    for file, tree in trees(sources):
        for scope in ast.walk(tree):
            if not isinstance(scope, ast.Module | ast.FunctionDef):
                continue
            nodes = [node for node in ast.walk(scope) if isinstance(node, ast.Assign | ast.Return) and node.value]
            given: dict[str, int] = {}
            for node in sorted(nodes, key=lambda node: node.lineno):
                value = ast.unparse(node.value) if node.value is not None else ""
                makes = re.search(r"softmax\(", value) or ("/" in value and "sum" in value)
                if not makes:
                    for name in assigned(node):
                        given.pop(name, None)
                    continue
                for name, line in given.items():
                    inner = rf"(softmax|exp)\({re.escape(name)}( - [^()]*)?[(),]"
                    if line < node.lineno and re.search(inner, value):
                        return SourcePlace(file, node.lineno)
                given |= {name: node.lineno for name in assigned(node) if len(name) > 0}
    return None


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


def names_in(node: ast.AST) -> Iterator[str]:
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


def number_at(file: str, node: ast.expr) -> list[SourcePlace]:
    """The place of an expression that is a number; none where it is something else."""
    number = _number(node)
    return [] if number is None else [_at(file, node, number)]


def _at(file: str, node: Any, number: float) -> SourcePlace:
    return SourcePlace(file, node.lineno, number, ast.unparse(node))
