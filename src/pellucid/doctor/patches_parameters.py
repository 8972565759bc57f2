"""Repairs of parameters that no optimiser knows: layers in lists, tensors, optimisers made before their layers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import FUNCTION, assigned, calls, last, loops, to_nn
from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
MAKERS = r"rand|randn|zeros|ones|full|empty"
LAYERS = r"Linear|Bilinear|Embedding|Conv\w+|LSTM|GRU|RNN|\w*Norm\w*|Sequential|\w+Block|\w+Layer"
KINDS = {"append": "ModuleList", "extend": "ModuleList", "insert": "ModuleList"}


def _kept_in_list(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`self.layers = [nn.Linear(…), …]`, or one that is filled line by line, becomes an nn.ModuleList."""
    tree = ast.parse(text.source)
    for node in ast.walk(tree):
        if not isinstance(node, ast.Assign) or not ast.unparse(node.targets[0]).startswith("self."):
            continue
        plain = isinstance(node.value, ast.List | ast.ListComp | ast.BinOp | ast.Dict | ast.DictComp)
        if plain and calls(node.value, f"{LAYERS}|{FUNCTION}|[A-Z]\\w+"):
            kind = "ModuleDict" if isinstance(node.value, ast.Dict | ast.DictComp) else "ModuleList"
            yield text.with_expression(node.value, f"{to_nn(text)}.{kind}({text.of(node.value)})")
    yield from _filled_line_by_line(tree, text)


def _filled_line_by_line(tree: ast.Module, text: Text) -> Iterator[str]:
    """`self.layers = []` and `self.layers.append(nn.Linear(…))`, or `layers.append(…)` and `self.layers = layers`."""
    for kind in (n for n in ast.walk(tree) if isinstance(n, ast.ClassDef)):
        filled = dict(pair for node in ast.walk(kind) for pair in _filling(node))
        for node in (n for n in ast.walk(kind) if isinstance(n, ast.Assign | ast.AnnAssign) and n.value is not None):
            target = ast.unparse(node.targets[0] if isinstance(node, ast.Assign) else node.target)
            value = node.value
            if value is None or not target.startswith("self."):
                continue
            empty = isinstance(value, ast.List | ast.Dict | ast.Call) and ast.unparse(value) in EMPTY
            if target in filled and empty:
                yield text.with_expression(value, f"{to_nn(text)}.{filled[target]}()")
            elif isinstance(value, ast.Name | ast.Call) and _inner(value) in filled:
                name = _inner(value)
                yield text.with_expression(value, f"{to_nn(text)}.{filled[name]}({name})")


def _filling(node: ast.AST) -> Iterator[tuple[str, str]]:
    """What a statement puts a layer into, and what that has to be."""
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in KINDS:
        if any(calls(given, LAYERS) for given in node.args):
            yield ast.unparse(node.func.value), KINDS[node.func.attr]
    elif isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript) and calls(node.value, LAYERS):
        yield ast.unparse(node.targets[0].value), "ModuleDict"


EMPTY = ("[]", "{}", "list()", "dict()")


def _inner(value: ast.expr) -> str:
    """`layers` of `layers`, and of `list(layers)`."""
    if isinstance(value, ast.Call) and last(value) in ("list", "tuple", "dict") and len(value.args) == 1:
        return ast.unparse(value.args[0])
    return ast.unparse(value) if isinstance(value, ast.Name) else ""


def _as_parameter(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`self.w = torch.randn(3, 4, requires_grad=True)` becomes an nn.Parameter, here and where others are made."""
    pairs: list[tuple[ast.expr, str]] = []
    for kind in (n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.ClassDef)):
        for node in (n for n in ast.walk(kind) if isinstance(n, ast.Assign)):
            if ast.unparse(node.targets[0]).startswith("self.") and _wants_gradient(node.value):
                pairs.append((node.value, f"{to_nn(text)}.Parameter({text.of(node.value)})"))
    if pairs:
        yield text.with_expressions(pairs)


def _wants_gradient(value: ast.expr) -> bool:
    if not isinstance(value, ast.Call) or last(value) == "Parameter":
        return False
    said = any(k.arg == "requires_grad" and ast.unparse(k.value) == "True" for k in value.keywords)
    return said or last(value) == "requires_grad_"


def _made_after(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """An optimiser that is made before a layer is replaced, `model.fc = nn.Linear(…)`, or the whole network is made
    anew, goes below that; with it what is made of it in between."""
    tree = ast.parse(text.source)
    for body in _bodies(tree):
        if not any(node.lineno == statement.lineno for node in body) or not isinstance(statement, ast.Assign):
            continue
        given = [_first(c.func.value) for c in calls(statement, r"\w*parameters") if isinstance(c.func, ast.Attribute)]
        ends = [loop.lineno for loop in loops(tree) if loop.lineno > statement.lineno]
        between = [n for n in body if statement.lineno < n.lineno < min(ends, default=1 << 30)]
        replaced = [n for n in between if _replaces(n, set(given))]
        if not replaced:
            continue
        name = ast.unparse(statement.targets[0])
        moved = [statement, *(n for n in between if n.lineno < replaced[-1].lineno and _mentions(n, name))]
        written = [_lines(node, text) for node in moved]
        after = replaced[-1].end_lineno or replaced[-1].lineno
        gone = {i for node in moved for i in range(node.lineno, (node.end_lineno or node.lineno) + 1)}
        kept = [line for i, line in enumerate(text.lines, 1) if i not in gone and i <= after]
        yield "".join([*kept, *written, *text.lines[after:]])


def _bodies(tree: ast.Module) -> Iterator[list[ast.stmt]]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Module | ast.FunctionDef | ast.If | ast.With):
            yield node.body


def _first(node: ast.expr) -> str:
    return re.split(r"\W", ast.unparse(node), maxsplit=1)[0]


def _replaces(node: ast.stmt, networks: set[str]) -> bool:
    """Whether a statement puts something else in the place of a network or of a part of it."""
    if not isinstance(node, ast.Assign):
        return False
    made = isinstance(node.value, ast.Call) and re.match(r"[A-Z]", last(node.value)) is not None
    return made and any(_first(target) in networks for target in node.targets)


def _mentions(node: ast.stmt, name: str) -> bool:
    return any(isinstance(n, ast.Name) and n.id == name for n in ast.walk(node))


def _lines(node: ast.stmt, text: Text) -> str:
    written = "".join(text.lines[node.lineno - 1 : node.end_lineno or node.lineno])
    return written if written.endswith("\n") else f"{written}\n"


def _in_order(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`optimizer.zero_grad()` between a backward and its step goes above the backward; a backward that is missing comes
    above the step."""
    tree = ast.parse(text.source)
    calls_of = [n for n in ast.walk(tree) if isinstance(n, ast.Expr) and isinstance(n.value, ast.Call)]
    if "zero_grad() before loss.backward()" in finding.fix and calls(statement, "zero_grad"):
        above = [n for n in calls_of if calls(n, "backward") and n.lineno < statement.lineno]
        if above:
            moved = Text(text.before(above[-1], _lines(statement, text).strip()))
            again = statement_at(ast.parse(moved.source), statement.lineno + 1)
            yield moved.without(again) if again is not None else ""
    if "loss.backward() before" in finding.fix:
        steps = [n for n in calls_of if calls(n, "step") and n.lineno == statement.lineno]
        made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and n.lineno < statement.lineno]
        names = [name for n in sorted(made, key=lambda n: n.lineno) for name in assigned(n) if _is_loss(name)]
        if steps and names:
            yield text.before(steps[0], f"{names[-1]}.backward()")


def _is_loss(name: str) -> bool:
    return re.search(r"loss|cost|error|objective", name, re.I) is not None and not name.endswith("es")


def _usual_size(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`torch.randn(784, 10, requires_grad=True)` over the root of 784: tensors of two axes, drawn at their usual size,
    and those of one number drawn by chance; what is done to them right where they are made goes with it."""
    pairs: list[tuple[ast.expr, str]] = []
    for node in (n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.Assign)):
        made = [call for call in calls(node.value, MAKERS) if isinstance(call.func, ast.Attribute)]
        shape = _shape(made[0]) if len(made) == 1 else []
        wanted = any(_wants_gradient(call) or last(call) == "Parameter" for call in calls(node.value, r"\w+"))
        if len(shape) != 2 or not wanted or not isinstance(made[0].func, ast.Attribute):
            continue
        rows, columns = (text.of(side) for side in shape)
        others = "".join(f", {k.arg}={text.of(k.value)}" for k in made[0].keywords if k.arg in ("dtype", "generator"))
        drawn = f"{text.of(made[0].func.value)}.randn({rows}, {columns}{others}) / {_root(shape[0], rows)}"
        kept = calls(node.value, "Parameter")
        layer = kept[0].func if kept else None
        pairs.append((node.value, f"{text.of(layer)}({drawn})" if layer else f"({drawn}).requires_grad_()"))
    if pairs:
        yield text.with_expressions(pairs)


def _shape(call: ast.Call) -> list[ast.expr]:
    """The sides of what is made: `torch.zeros(2, 3)`, `torch.zeros((2, 3))`, `torch.full((2, 3), 0.1)`."""
    if call.args and isinstance(call.args[0], ast.Tuple | ast.List):
        return call.args[0].elts
    return [] if last(call) == "full" or any(isinstance(a, ast.Starred) for a in call.args) else list(call.args)


def _root(node: ast.expr, written: str) -> str:
    simple = isinstance(node, ast.Constant | ast.Name | ast.Attribute)
    return f"{written} ** 0.5" if simple else f"({written}) ** 0.5"


PATCHES: dict[str, tuple[Patch, ...]] = {
    "parameter-not-optimized": (_in_order, _made_after, _kept_in_list, _as_parameter),
    "init-too-large": (_usual_size,),
    "init-too-small": (_usual_size,),
    "symmetric-init": (_usual_size,),
}
