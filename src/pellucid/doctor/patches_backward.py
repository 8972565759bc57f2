"""Repairs of a backward pass by what the program has already: a list of activations, a gradient that nobody reads."""

from __future__ import annotations

import ast
import re
from collections.abc import Iterator

from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding
from pellucid.doctor.instead import other_sign

ALIKE = ", and the other updates alike"
OF_DERIVATIVE = re.compile(r"deriv|prime|grad|slope|^d_?(?=[a-z])|_d$|der$|backward", re.IGNORECASE)


def as_said(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The statement that the fix consists of in the place of the one that stands there, and updates beside it alike."""
    said, alike, _ = finding.fix.partition(ALIKE)
    new = _parsed(said)
    if new is None or not isinstance(statement, ast.Assign | ast.AugAssign) or type(new) is not type(statement):
        return
    if ast.unparse(_target(new)) != ast.unparse(_target(statement)):
        return
    pairs: list[tuple[ast.expr | ast.stmt, str]] = [(statement, said)]
    for other in _beside(text, statement) if alike else []:
        turned = other_sign(other, Text(text.source))
        if turned is not None:
            pairs.append((other, turned.splitlines()[other.lineno - 1].strip()))
    yield text.with_expressions(pairs)


def _parsed(said: str) -> ast.Assign | ast.AugAssign | None:
    try:
        body = ast.parse(said).body
    except SyntaxError:
        return None
    return body[0] if len(body) == 1 and isinstance(body[0], ast.Assign | ast.AugAssign) else None


def _target(statement: ast.Assign | ast.AugAssign) -> ast.expr:
    return statement.targets[0] if isinstance(statement, ast.Assign) else statement.target


def _beside(text: Text, statement: ast.stmt) -> list[ast.stmt]:
    """The other steps by the same sign, in the block of a step."""
    for node in ast.walk(ast.parse(text.source)):
        body = getattr(node, "body", None)
        if isinstance(body, list) and any(getattr(s, "lineno", 0) == statement.lineno for s in body):
            steps = [s for s in body if _step(s) is not None and s.lineno == s.end_lineno]
            return [s for s in steps if s.lineno != statement.lineno and _sign(s) == _sign(statement)]
    return []


def _sign(step: ast.stmt) -> type[ast.AST]:
    if isinstance(step, ast.AugAssign):
        return type(step.op)
    value = step.value if isinstance(step, ast.Assign) else None
    return type(value.op) if isinstance(value, ast.BinOp) else type(step)


def by_helper(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`d * sigmoid_derivative(z)` with what comes out of the activation, `a = sigmoid(z)`, where the helper is written
    for that, or the other way round."""
    calls = [n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    given_input = "is given its input" in finding.explanation
    for call in [n for n in ast.walk(statement) if isinstance(n, ast.Call) and len(n.args) == 1 and not n.keywords]:
        if not OF_DERIVATIVE.search(ast.unparse(call.func).split(".")[-1]):
            continue
        taken = ast.unparse(call.args[0])
        for forward in calls:
            called, passed = forward.value, forward.targets[0]
            if not isinstance(called, ast.Call) or len(called.args) != 1 or called.keywords:
                continue
            goes_in, comes_out = ast.unparse(called.args[0]), ast.unparse(passed)
            if given_input and goes_in == taken != comes_out:
                yield text.with_expression(call.args[0], comes_out)
            elif not given_input and comes_out == taken != goes_in:
                yield text.with_expression(call.args[0], goes_in)


def from_list(finding: Finding, text: Text) -> Iterator[str]:
    """The outputs of an activation that a forward pass keeps in a list, `a.append(sigmoid(z))`, as the function with
    the wrong line takes them: `a[i]`."""
    tree = ast.parse(text.source)
    inside = function_around(tree, finding.line or 0)
    forward = next((detail["forward"] for detail in finding.details if detail.get("forward")), None)
    activation = function_around(tree, int(forward[1])) if forward else None
    if inside is None or activation is None:
        return
    kept = {
        ast.unparse(node.func.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr == "append"
        and node.args and any(_calls(part, activation.name) for part in ast.walk(node.args[0]))
    }  # fmt: skip
    taken = [ast.unparse(n) for n in ast.walk(inside) if isinstance(n, ast.Subscript) and ast.unparse(n.value) in kept]
    yield from sorted(dict.fromkeys(taken), key=lambda name: name.endswith("[-1]"))


def multiplied(outputs: list[str], finding: Finding, tree: ast.Module) -> list[str]:
    """Of the outputs of activations the one that the forward pass multiplies by a matrix of the wrong line, `h @ W2`
    for `d @ W2.T`; all where that is not one alone."""
    statement = statement_at(tree, finding.line or 0)
    own = (
        {ast.unparse(node) for node in ast.walk(statement) if isinstance(node, ast.Name | ast.Attribute)}
        if statement
        else set[str]()
    )
    products: list[list[str]] = []
    for node in ast.walk(tree):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            products.append([ast.unparse(node.left), ast.unparse(node.right)])
        elif isinstance(node, ast.Call) and ast.unparse(node.func) in ("np.dot", "np.matmul"):
            products.append([ast.unparse(argument) for argument in node.args])
    found = [h for h in dict.fromkeys(outputs) if any(h in pair and own & {*pair} - {h} for pair in products)]
    return found if len(found) == 1 else outputs


def with_unread(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The sum with a value that the same function computes and nothing reads: `dh = Why.T @ dy + dh_next`."""
    inside = function_around(ast.parse(text.source), statement.lineno) or ast.parse(text.source)
    names = [node for node in ast.walk(inside) if isinstance(node, ast.Name)]
    read = {node.id for node in names if isinstance(node.ctx, ast.Load)}
    value = statement.value if isinstance(statement, ast.Assign) else None
    own = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for name in dict.fromkeys(node.id for node in names if isinstance(node.ctx, ast.Store)):
        if value is not None and name not in read | own and not name.startswith("_"):
            yield text.with_expression(value, f"{text.of(value)} + {name}")


def function_around(tree: ast.AST, line: int) -> ast.FunctionDef | None:
    """The innermost function that holds a line."""
    functions = [node for node in ast.walk(tree) if isinstance(node, ast.FunctionDef)]
    around = [node for node in functions if node.lineno <= line <= (node.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno, default=None)


def before_line(source: str, line: int, new: str) -> str:
    """The source with another statement above the one at a line."""
    statement = statement_at(ast.parse(source), line)
    return source if statement is None else Text(source).before(statement, new)


def _calls(node: ast.AST, name: str) -> bool:
    return isinstance(node, ast.Call) and ast.unparse(node.func).split(".")[-1] == name


def over_classes(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`e / sum(e)` and `e / np.sum(e, axis=0)` of a softmax, over the axis of the classes: the last, or the first. So
    is `s = e.sum()`, by which it is divided afterwards."""
    below = [n.right for n in ast.walk(statement) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Div)]
    for node in [*below, *([statement.value] if isinstance(statement, ast.Assign | ast.AugAssign) else [])]:
        if not isinstance(node, ast.Call):
            continue
        called, given = ast.unparse(node.func), node.args
        of_array = called.endswith(".sum") and called not in ("np.sum", "numpy.sum")
        summed = called.removesuffix(".sum") if of_array else text.of(given[0]) if given else ""
        if summed and (of_array or called in ("sum", "np.sum", "numpy.sum")):
            columns = re.search(r"- \w+(\[[^\]]*\])?\.T\b", text.source)  # labels that are turned over to be subtracted
            for axis in (0, -1) if columns else (-1, 0):
                yield text.with_expression(node, f"np.sum({summed}, axis={axis}, keepdims=True)")


def as_outer(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`np.dot(d, a.T)` of two vectors as `np.outer(d, a)`, and the other way round."""
    for node in ast.walk(statement):
        pair: list[ast.expr] = []
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
            pair = [node.left, node.right]
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("dot", "inner"):
            pair = [node.func.value, *node.args] if len(node.args) == 1 else node.args[:2]
        if len(pair) == 2 and isinstance(node, ast.expr):
            a, b = (text.of(side).removesuffix(".T") for side in pair)
            yield text.with_expression(node, f"np.outer({a}, {b})")
            yield text.with_expression(node, f"np.outer({b}, {a})")


def shorter(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The steps of an update in which no rate is written, `w = w + step * diff`, each over what the rate is too large
    by; so are those beside it."""
    found = re.search(r"divide the learning rate by ([\d.e+]+)", finding.fix)
    bodies = [getattr(node, "body", None) for node in ast.walk(ast.parse(text.source))]
    for body in (b for b in bodies if found and isinstance(b, list)):
        steps = [step for step in map(_step, body) if step is not None]
        if any(step.lineno == statement.lineno for step in steps):
            by = f"{float(found[1] if found else 1):g}"
            yield text.with_expressions((step, f"({text.of(step)}) / {by}") for step in steps)
            return


def _step(node: ast.stmt) -> ast.expr | None:
    """What is added to or taken from a name by an update."""
    if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Add | ast.Sub):
        return None if isinstance(node.value, ast.Constant) else node.value
    value = node.value if isinstance(node, ast.Assign) and len(node.targets) == 1 else None
    if isinstance(node, ast.Assign) and isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        same = ast.unparse(value.left) == ast.unparse(node.targets[0])
        return value.right if same and not isinstance(value.right, ast.Constant) else None
    return None


def at_the_end(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The updates of a block behind the last of them, where what is computed between them reads what they change."""
    for node in ast.walk(ast.parse(text.source)):
        body = getattr(node, "body", None)
        if not isinstance(body, list) or all(s.lineno != statement.lineno for s in body):
            continue
        steps = [s for s in body if _step(s) is not None and sum(_stores(o, _target(s)) for o in body) == 1]
        until = body.index(steps[-1]) + 1 if steps else 0
        early = [s for s in steps if _is_read(_target(s), body[body.index(s) + 1 : until])]
        if early:
            taken = {line for s in early for line in range(s.lineno, (s.end_lineno or s.lineno) + 1)}
            end = steps[-1].end_lineno or steps[-1].lineno
            head = [line for i, line in enumerate(text.lines[:end], 1) if i not in taken]
            last = "" if head[-1].endswith("\n") else "\n"
            yield "".join([*head, last, *(text.lines[line - 1] for line in sorted(taken)), *text.lines[end:]])
        return


def _stores(statement: ast.stmt, target: ast.expr) -> bool:
    """Whether a statement gives a value to this."""
    targets = statement.targets if isinstance(statement, ast.Assign) else []
    targets = [statement.target] if isinstance(statement, ast.AugAssign) else targets
    return any(ast.unparse(one) == ast.unparse(target) for one in targets)


def _is_read(target: ast.expr, behind: list[ast.stmt]) -> bool:
    """Whether what is stored to here is read in the statements behind."""
    name = ast.unparse(target)
    loads = (n for s in behind for n in ast.walk(s) if isinstance(getattr(n, "ctx", None), ast.Load))
    return any(ast.unparse(node) == name for node in loads)


def times_gradient(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """In a rule of an engine of one's own, `out.data` where the gradient of the output belongs."""
    value = statement.value if isinstance(statement, ast.Assign | ast.AugAssign) else None
    if value is None or "times the gradient of the output" not in finding.fix or ".grad" in text.of(value):
        return
    taken = [n for n in ast.walk(value) if isinstance(n, ast.Attribute) and n.attr == "data"]
    for node in sorted(taken, key=lambda n: -n.col_offset):
        yield text.with_expression(node, f"{text.of(node.value)}.grad")
