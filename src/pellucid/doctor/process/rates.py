"""Where in the source the learning rate and the weight decay are written."""

from __future__ import annotations

import ast
import re
from collections.abc import Sequence

from pellucid.doctor.process.places import SourcePlace, names_in, number_at, number_of, placed, trees

RATE = re.compile(r"^(lr\w*|\w*learning_?rate|learn_?rate|alpha|eta|step_?size|l_?rate|rate|LR|ALPHA|ETA)\d*$", re.I)

# Of a drawing, alpha is how opaque it is.
DRAWS = re.compile(
    r"(plt|pyplot|matplotlib|sns|seaborn|fig\w*|ax\w*|axs?\[.*\])\.|.*\.(plot|scatter|hist|grid|legend)$"
)


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
                    placed(file, keyword.value, number)
                    for keyword in ([] if DRAWS.match(ast.unparse(node.func)) else node.keywords)
                    if keyword.arg and RATE.match(keyword.arg) and (number := number_of(keyword.value)) is not None
                ]
                calls += option(file, node, RATE)
            elif isinstance(node, ast.Dict):
                calls += entries(file, node, RATE)
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
                    if 0 <= where < len(node.args) and (number := number_of(node.args[where])) is not None:
                        calls.append(placed(file, node.args[where], number))
    return calls, assigned, defaults


def option(file: str, call: ast.Call, wanted: re.Pattern[str]) -> list[SourcePlace]:
    """The default of an option of the command line, `add_argument("--lr", type=float, default=0.1)`."""
    names = [str(part.value).lstrip("-").replace("-", "_") for part in call.args if isinstance(part, ast.Constant)]
    if not ast.unparse(call.func).endswith("add_argument") or not any(wanted.match(name) for name in names):
        return []
    return [place for k in call.keywords if k.arg == "default" for place in number_at(file, k.value)]


def entries(file: str, node: ast.Dict, wanted: re.Pattern[str]) -> list[SourcePlace]:
    """The number of a row of settings, `{"lr": 0.1, "epochs": 20}`."""
    return [
        place
        for key, value in zip(node.keys, node.values, strict=True)
        if isinstance(key, ast.Constant) and wanted.match(str(key.value))
        for place in number_at(file, value)
    ]


def growing(sources: dict[str, str], file: str, first: int, last: int) -> SourcePlace | None:
    """Where a loop makes the learning rate larger in each pass: `rate = rate0 * 1.01 ** t`, `lr *= 1.05`.

    >>> growing({"a.py": "for t in range(9):\\n    lr = 0.1 * 1.01 ** t"}, "a.py", 1, 2).line
    2
    >>> growing({"a.py": "for t in range(9):\\n    lr *= 0.99"}, "a.py", 1, 2)
    """
    for other, tree in trees(sources):
        for node in ast.walk(tree):
            if not isinstance(node, ast.Assign | ast.AugAssign) or other != file or not first < node.lineno <= last:
                continue
            targets = node.targets if isinstance(node, ast.Assign) else [node.target]
            if any(RATE.match(name) for target in targets for name in names_in(target)) and _grows(node):
                return SourcePlace(file, node.lineno)
    return None


def _grows(node: ast.Assign | ast.AugAssign) -> bool:
    """Whether a statement adds to what it sets, or multiplies it by a number above 1, or by a power of one."""
    value = node.value
    if isinstance(node, ast.AugAssign):
        if isinstance(node.op, ast.Mult | ast.Add):
            return isinstance(node.op, ast.Add) or (number_of(value) or 0.0) > 1
        return isinstance(node.op, ast.Div) and 0 < (number_of(value) or 1.0) < 1
    own = {name for target in node.targets for name in names_in(target)}
    for part in ast.walk(value):
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Pow) and (number_of(part.left) or 0.0) > 1:
            below = [p.right for p in ast.walk(value) if isinstance(p, ast.BinOp) and isinstance(p.op, ast.Div)]
            return not any(part is inner for right in below for inner in ast.walk(right))
        if isinstance(part, ast.BinOp) and isinstance(part.op, ast.Mult) and own & set(names_in(part)):
            return any((number_of(side) or 0.0) > 1 for side in (part.left, part.right))
    return False


def _named_numbers(file: str, targets: Sequence[ast.expr], value: ast.expr) -> list[tuple[str, SourcePlace]]:
    """What an assignment, `lr = 0.1` or `lr, epochs = 0.1, 100`, gives to learning rates."""
    pairs: list[tuple[ast.expr, ast.expr]] = []
    for target in targets:
        if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple):
            pairs += zip(target.elts, value.elts, strict=False)
        else:
            pairs.append((target, value))
    return [
        (ast.unparse(target), placed(file, item, number))
        for target, item in pairs
        if (number := number_of(item)) is not None and any(RATE.match(name) for name in names_in(target))
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
                    return placed(file, node, float(node.value))
        return SourcePlace(file, line)
    return None


def _defaults(file: str, node: ast.FunctionDef, positions: dict[str, tuple[int, bool]]) -> list[SourcePlace]:
    names = [argument.arg for argument in node.args.args]
    found: list[SourcePlace] = []
    for i, name in enumerate(names):
        if RATE.match(name):
            positions[node.name] = (i, names[:1] == ["self"])
            back = i - len(names) + len(node.args.defaults)
            if back >= 0 and (number := number_of(node.args.defaults[back])) is not None:
                found.append(placed(file, node.args.defaults[back], number))
    for argument, default in zip(node.args.kwonlyargs, node.args.kw_defaults, strict=True):
        if RATE.match(argument.arg) and default is not None and (number := number_of(default)) is not None:
            found.append(placed(file, default, number))
    return found


DECAY = re.compile(r"^(\w*decay\w*|reg(_?lambda|ularization|_strength)?|lam(b|bda)?(_\w+)?|lmbda|wd|l2(_\w+)?)$", re.I)


def decay(sources: dict[str, str]) -> SourcePlace | None:
    """Where the weight decay is given: an argument of a call, an assignment, or a default."""
    found: list[tuple[int, SourcePlace]] = []
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.Dict):
                found += [(0, place) for place in entries(file, node, DECAY)]
            elif isinstance(node, ast.Call):
                found += [(0, place) for place in option(file, node, DECAY)]
                named = [(keyword.arg or "", keyword.value) for keyword in node.keywords]
                found += [
                    (0, placed(file, v, n)) for k, v in named if DECAY.match(k) and (n := number_of(v)) is not None
                ]
            elif isinstance(node, ast.Assign):
                for target in node.targets:
                    pairs = [(target, node.value)]
                    if isinstance(target, ast.Tuple) and isinstance(node.value, ast.Tuple):
                        pairs = list(zip(target.elts, node.value.elts, strict=False))
                    for name, value in pairs:
                        called = ast.unparse(name).split(".")[-1]
                        if DECAY.match(called) and (n := number_of(value)) is not None:
                            found.append((1, placed(file, value, n)))
            elif isinstance(node, ast.FunctionDef):
                arguments = [*node.args.args[len(node.args.args) - len(node.args.defaults) :]]
                for argument, default in zip(arguments, node.args.defaults, strict=True):
                    if DECAY.match(argument.arg) and (n := number_of(default)) is not None:
                        found.append((2, placed(file, default, n)))
    return min(found, key=lambda item: item[0])[1] if found else None
