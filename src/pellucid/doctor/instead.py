"""The line of a finding as it should be, where that is one thing only: it is said as the fix."""

from __future__ import annotations

import ast
import re

from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding
from pellucid.doctor.process.placing import is_label


def instead(finding: Finding, source: str) -> str:
    """What to write in the place of a line that has the wrong sign, or sums over too much; "" where it is not known."""
    try:
        statement = statement_at(ast.parse(source), finding.line or 0)
    except SyntaxError:
        return ""
    if statement is None or statement.lineno != (statement.end_lineno or 0):
        return ""
    kind = finding.mistake or finding.cause
    text = Text(source)
    if kind in ("sign", "loss-sign-flipped"):
        if "absolute" in finding.fix:  # no sign of it is right
            return ""
        changed = other_sign(statement, text)
    elif kind == "missing-broadcast-sum":
        changed = _with_axis(statement, text, finding.fix)
    else:
        return ""
    return "" if changed is None else _code(changed.splitlines()[statement.lineno - 1])


def _code(line: str) -> str:
    return re.sub(r"\s+#[^'\"]*$", "", line.strip())


def other_sign(statement: ast.stmt, text: Text) -> str | None:
    """`-=` for `+=`, `w + step` for `w - step`, `out - y` for `y - out`, a minus away or, of a product, put before."""
    value = getattr(statement, "value", None)
    if not isinstance(value, ast.expr):
        return None
    differences = [n for n in ast.walk(value) if isinstance(n, ast.BinOp) and isinstance(n.op, ast.Sub)]
    of_label = [n for n in differences if is_label(n.left) != is_label(n.right)]
    negative = [n for n in ast.walk(value) if isinstance(n, ast.UnaryOp) and isinstance(n.op, ast.USub)]
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub) and not _adds_up(statement):
        return text.with_operator(statement, "-=" if isinstance(statement.op, ast.Add) else "+=")
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub) and _is_step(value):
        sign = "-" if isinstance(value.op, ast.Add) else "+"
        return text.with_expression(value, f"{text.of(value.left)} {sign} {text.of(value.right)}")
    if len(of_label) == 1 and not negative:
        (node,) = of_label
        other = text.of(node.left)
        other = f"({other})" if isinstance(node.left, ast.BinOp) else other
        return text.with_expression(node, f"{text.of(node.right)} - {other}")
    if len(negative) == 1 and not differences:
        return text.with_expression(negative[0], text.of(negative[0].operand))
    if isinstance(statement, ast.AugAssign) and not negative:
        return text.with_expression(
            value, f"-{text.of(value)}" if isinstance(value, ast.BinOp) else f"-({text.of(value)})"
        )
    return None


def _adds_up(statement: ast.AugAssign) -> bool:
    """Whether a statement adds to a gradient, `dw += …`, and is no update."""
    name = ast.unparse(statement.target).split(".")[-1]
    return re.match(r"d([A-Z_0-9]|[a-z]\d*$)|grad|delta|nabla", name) is not None or "grad" in name


def _is_step(value: ast.BinOp) -> bool:
    """`w - rate * dw`: something that has a name, and a product."""
    named = isinstance(value.left, ast.Name | ast.Attribute | ast.Subscript)
    return (
        named
        and isinstance(value.right, ast.BinOp)
        and isinstance(value.right.op, ast.Mult)
        and not is_label(value.left)
    )


def _with_axis(statement: ast.stmt, text: Text, fix: str) -> str | None:
    """`np.sum(d, axis=0)` for `np.sum(d)`, with what the fix says of the axis."""
    said = re.search(r"axis=\d(, keepdims=True)?", fix)
    sums = [
        node
        for node in ast.walk(statement)
        if isinstance(node, ast.Call) and re.fullmatch(r"(np|numpy)\.(sum|mean)", ast.unparse(node.func))
    ]
    if said is None or len(sums) != 1 or len(sums[0].args) != 1 or sums[0].keywords:
        return None
    (call,) = sums
    return text.with_expression(call, f"{text.of(call.func)}({text.of(call.args[0])}, {said[0]})")
