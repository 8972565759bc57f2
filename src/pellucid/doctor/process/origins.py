"""Where in the source what a variable holds comes from: the first values of a parameter, the data."""

from __future__ import annotations

import ast
import re
from typing import Any

from pellucid.doctor.process.places import INPUTS, LABELS, SourcePlace, assigned, first, names_in, trees


def first_values(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where a parameter gets its first values, in the function that makes it where there is one."""
    found = _first_values(sources, name)
    return _made_within(sources, found, name) or found if found is not None else _item(sources, name)


def _item(sources: dict[str, str], name: str) -> SourcePlace | None:
    """The line of an item of a list that is written out, `layers = [Layer(...), Layer(...)]`, for `layers[1].b`.

    >>> _item({"a.py": "net = [\\n    Layer(w(2), b(2)),\\n    Layer(w(3), b(3)),\\n]"}, "net[1].b").line
    3
    """
    at = re.match(r"([\w.]+)\[(\d+)\]", name)
    for file, tree in trees(sources) if at is not None else ():
        for node in ast.walk(tree):
            items = node.value.elts if isinstance(node, ast.Assign) and isinstance(node.value, ast.List) else []
            targets = [ast.unparse(target) for target in node.targets] if isinstance(node, ast.Assign) else []
            if at and at[1] in targets and int(at[2]) < len(items):
                return SourcePlace(file, items[int(at[2])].lineno)
    return None


def is_drawn(sources: dict[str, str], name: str) -> bool:
    """Whether the first value of a parameter is drawn at random, or nobody knows where it comes from."""
    last = re.findall(r"[A-Za-z_]\w*", name)[-1]
    given = [
        node.value
        for _, tree in trees(sources)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and last in {part for target in node.targets for part in names_in(target)}
    ]
    drawn = any(
        isinstance(value, ast.Call | ast.BinOp | ast.ListComp) and DRAWS.search(ast.unparse(value)) for value in given
    )
    return drawn or not given


DRAWS = re.compile(r"\b(rand\w*|uniform|normal|standard_normal|gauss\w*|choice)\(")


def _made_within(sources: dict[str, str], place: SourcePlace, name: str) -> SourcePlace | None:
    """The line of a function of the program, `W1, b1 = init(2, 8)`, that makes what it returns: followed by its place
    among what is returned, or in the lists that are gathered, `layers.append([W, b])`."""
    functions = {
        f.name: (file, f) for file, tree in trees(sources) for f in tree.body if isinstance(f, ast.FunctionDef)
    }
    here = [n for n in ast.walk(ast.parse(sources[place.file])) if getattr(n, "lineno", 0) == place.line]
    node = next((n for n in here if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)), None)
    call = node.value if node is not None else None
    if node is None or not isinstance(call, ast.Call) or call.keywords or ast.unparse(call.func) not in functions:
        return None
    file, function = functions[ast.unparse(call.func)]
    target, last = node.targets[0], re.sub(r"\[.*", "", name).split(".")[-1]
    gives = [part.value for part in ast.walk(function) if isinstance(part, ast.Return) and part.value is not None]
    if isinstance(target, ast.Tuple):
        at = next((i for i, part in enumerate(target.elts) if last in set(names_in(part))), -1)
    else:
        added = [part for part in ast.walk(function) if isinstance(part, ast.Call)]
        gathers = [c.args[0] for c in added if ast.unparse(c.func).endswith(".append") and len(c.args) == 1]
        gives, at = gathers or gives, int((re.findall(r"\[(\d+)\]$", name) or ["-1"])[0])
    if len(gives) != 1:
        return None
    given = gives[0]
    if isinstance(given, ast.Tuple | ast.List):
        if not 0 <= at < len(given.elts):
            return None
        given = given.elts[at]
    if isinstance(given, ast.Name):
        own = [n for n in ast.walk(function) if isinstance(n, ast.Assign) and given.id in assigned(n)]
        return SourcePlace(file, min(n.lineno for n in own)) if own else None
    return SourcePlace(file, given.lineno) if isinstance(given, ast.BinOp | ast.Call) else None


def _first_values(sources: dict[str, str], name: str) -> SourcePlace | None:
    """The first assignment to its name that is no update of it; else its row
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
        if keys and any(_is_of_gradient(target) for target in targets):
            return False
        return wanted in names and value is not None and wanted not in set(names_in(value)) and not _is_alias(node)

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
    return (
        found
        if found is not None and not _is_empty(sources, found)
        else first(sources, lambda node: _appends(node, wanted)) or row or found
    )


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
    """`weights = []`, or `xs, ys = [], []`, to be filled below."""
    line = sources[place.file].splitlines()[place.line - 1]
    return re.search(r"=\s*(\[\]|list\(\)|\{\}|dict\(\))(,\s*(\[\]|list\(\)))*\s*(#.*)?$", line) is not None


GRADIENT = re.compile(r"^(d|g|d_?\w{1,2}|grads?|gradients?|deltas?|nablas?|cache|v|m|s|mom\w*|vel\w*)$", re.I)
BACKWARD = re.compile(r"back|grad|update|deriv", re.I)


def _is_of_gradient(target: ast.AST | None) -> bool:
    """`grads["W1"]`: it has the key of a parameter, and is another thing."""
    if not isinstance(target, ast.Subscript):
        return False
    return GRADIENT.match(ast.unparse(target.value).split(".")[-1]) is not None


def _row(sources: dict[str, str], wanted: str) -> SourcePlace | None:
    """`{"W1": …}` or `Layer(W1=…)`."""
    for file, tree in trees(sources):
        back = [f for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and BACKWARD.search(f.name)]
        of_gradients = {id(part) for function in back for part in ast.walk(function)}
        for node in ast.walk(tree):
            if id(node) in of_gradients:
                continue
            if isinstance(node, ast.Dict):
                for key, value in zip(node.keys, node.values, strict=True):
                    if isinstance(key, ast.Constant) and key.value == wanted and not isinstance(value, ast.Name):
                        return SourcePlace(file, value.lineno)
            elif isinstance(node, ast.Call):
                for keyword in node.keywords:
                    if keyword.arg == wanted and isinstance(keyword.value, ast.Call):
                        return SourcePlace(file, keyword.value.lineno)
    return None


# Data ------------------------------------------------------------------------------------------------------------

MOST_STEPS = 6
KEEPS = ("astype", "reshape", "copy", "array", "asarray", "list", "float", "int", "ravel", "flatten", "T")


def made_at(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where a variable of the data gets its values: the last assignment to it that does more than to put its rows into
    another order. From a batch, a part of a split, an argument of a call or a variable of a loop it is followed back to
    what that was taken out of.

    >>> made_at({"a.py": "y = load() + 1\\nfor i in range(9):\\n    batch = y[i]\\n"}, "batch").line
    1
    """
    wanted = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
    place: SourcePlace | None = None
    for _ in range(MOST_STEPS):
        made = [(file, node) for file, tree in trees(sources) for node in _assignments(tree, wanted)]
        own = [(file, node) for file, node in made if not _only_orders(node, wanted)]
        if own:
            file, node = own[-1]
            place = SourcePlace(file, node.lineno)
            if _is_empty(sources, place):
                return first(sources, lambda node, held=wanted: _appends(node, held)) or place
        taken = _taken_out_of(own[-1][1], wanted) if own else _stands_for(sources, wanted)
        if taken is None or taken == wanted:
            break
        wanted = taken
    return place


def scaled_at(sources: dict[str, str], name: str) -> SourcePlace | None:
    """Where the size of the inputs is settled: the last line of the data's own that multiplies, divides or shifts them,
    `X = X - mu`; None where there is none."""
    wanted = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
    found: list[SourcePlace] = []
    for file, tree in trees(sources):
        makers = [f for f in tree.body if isinstance(f, ast.FunctionDef) and PREPARES.search(f.name)]
        for statement in (*tree.body, *(part for function in makers for part in function.body)):
            if isinstance(statement, ast.Assign) and wanted in assigned(statement) and _rescales(statement.value):
                found.append(SourcePlace(file, statement.lineno))
    return max(found, key=lambda place: place.line, default=None)


PREPARES = re.compile(r"load|make|get|read|prepare|data|generate|create|norm|scale|preproc", re.I)


def _rescales(value: ast.expr) -> bool:
    if isinstance(value, ast.Call) and isinstance(value.func, ast.Attribute) and value.func.attr in KEEPS:
        value = value.func.value
    return isinstance(value, ast.BinOp) and isinstance(value.op, ast.Sub | ast.Div | ast.Mult)


def _assignments(tree: ast.AST, name: str) -> list[ast.Assign | ast.AnnAssign]:
    found = [n for n in ast.walk(tree) if isinstance(n, ast.Assign | ast.AnnAssign) and n.value and name in assigned(n)]
    return sorted(found, key=lambda node: node.lineno)


def _only_orders(node: ast.Assign | ast.AnnAssign, name: str) -> bool:
    """`X, y = X[order], y[order]`, `rows = shuffled(rows)`: what is made of itself without arithmetic."""
    value = _part_for(node, name)
    read = {part.id for part in ast.walk(value) if isinstance(part, ast.Name)}
    read |= {n.attr for n in ast.walk(value) if isinstance(n, ast.Attribute) and ast.unparse(n.value) == "self"}
    if isinstance(value, ast.BinOp) or name not in read:
        return False
    return isinstance(value, ast.Subscript | ast.Call | ast.Attribute)


def _part_for(node: ast.Assign | ast.AnnAssign, name: str) -> ast.expr:
    """What an assignment gives to a name: an element of `a, b = c, d`."""
    value = node.value if node.value is not None else ast.Constant(None)
    target = node.targets[0] if isinstance(node, ast.Assign) else node.target
    if isinstance(target, ast.Tuple) and isinstance(value, ast.Tuple) and len(target.elts) == len(value.elts):
        return next((v for t, v in zip(target.elts, value.elts, strict=True) if name in set(names_in(t))), value)
    return value


def _taken_out_of(node: ast.Assign | ast.AnnAssign, name: str) -> str | None:
    """The variable whose rows an assignment takes: `y` of `yb = y[i:j]`, of `a, b = train_test_split(X, y)`."""
    value = _part_for(node, name)
    if isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in ("train_test_split", "shuffle"):
        kind = LABELS if LABELS.match(name) else INPUTS
        return next((a.id for a in value.args if isinstance(a, ast.Name) and kind.match(a.id)), None)
    while True:
        if isinstance(value, ast.Subscript) or (isinstance(value, ast.Attribute) and value.attr in KEEPS):
            value = value.value
        elif isinstance(value, ast.Call) and ast.unparse(value.func).split(".")[-1] in KEEPS:
            of_method = isinstance(value.func, ast.Attribute) and not isinstance(value.func.value, ast.Name)
            inner = value.func.value if of_method and isinstance(value.func, ast.Attribute) else None
            if inner is None and value.args:
                inner = value.args[0]
            if inner is None:
                return None
            value = inner
        else:
            return value.id if isinstance(value, ast.Name) else None


def _stands_for(sources: dict[str, str], name: str) -> str | None:
    """What the variable of a loop, or the parameter of a function, stands for."""
    for _, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.For) and name in set(names_in(node.target)):
                names = [part.id for part in ast.walk(node.iter) if isinstance(part, ast.Name)]
                held = [n for n in names if n not in ("zip", "enumerate", "range", "len", "reversed", "list", name)]
                target = node.target.elts if isinstance(node.target, ast.Tuple) else [node.target]
                at = next((i for i, part in enumerate(target) if name in set(names_in(part))), 0)
                if held:
                    return held[at] if "zip" in names and at < len(held) else held[0]
    for _, tree in trees(sources):
        positions = {
            f.name: [a.arg for a in f.args.args if a.arg != "self"].index(name)
            for f in ast.walk(tree)
            if isinstance(f, ast.FunctionDef) and name in [a.arg for a in f.args.args]
        }
        for node in ast.walk(tree):
            at = positions.get(ast.unparse(node.func).split(".")[-1]) if isinstance(node, ast.Call) else None
            if at is not None and isinstance(node, ast.Call) and at < len(node.args):
                given = node.args[at]
                while isinstance(given, ast.Subscript):
                    given = given.value
                if isinstance(given, ast.Name) and given.id != name:
                    return given.id
    return None


def _appends(node: ast.AST, name: str) -> bool:
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    return node.func.attr == "append" and name in set(names_in(node.func.value))
