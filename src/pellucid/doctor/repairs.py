"""What to write instead, as source: for a finding, the changed programs that may cure it, the likeliest first.

None of them is offered before it was tried (see `fix`): a repair may be a guess, as long as it is a short one.
"""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Iterator
from dataclasses import replace
from typing import TypeGuard

from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding
from pellucid.doctor.patches import PATCHES
from pellucid.doctor.patches_backward import (
    as_outer,
    as_said,
    at_the_end,
    before_line,
    by_helper,
    from_list,
    multiplied,
    over_classes,
    shorter,
    times_gradient,
    with_unread,
)

MOST = 4  # of one finding


def repairs(finding: Finding, source: str) -> Iterator[str]:
    """The program with this finding repaired, in one way after the other."""
    if finding.line is None:
        return
    try:
        statement = statement_at(ast.parse(source), finding.line)
    except SyntaxError:
        return
    if statement is None:
        return
    text = Text(source)
    kind = finding.mistake or finding.cause
    makers = {**OF_MISTAKE, **OF_CAUSE}
    made: list[str] = []
    if finding.patch and "new" in finding.patch:
        made.append(text.with_line(finding.line, str(finding.patch["old"]), str(finding.patch["new"])))
    if finding.patch and "insert" in finding.patch:
        made.append(text.after(statement, str(finding.patch["insert"])))
    if finding.patch and "before" in finding.patch:
        made.append(before_line(source, int(finding.patch["line"]), str(finding.patch["before"])))
    made += as_said(finding, statement, text)
    for make in (*PATCHES.get(kind, ()), *makers.get(kind, ())):
        made += list(make(finding, statement, text))
    seen = {source}
    for changed in made[:MOST]:
        if changed not in seen and _parses(changed):
            seen.add(changed)
            yield changed


def together(findings: list[Finding], source: str, each: int = 1) -> Iterator[str]:
    """The program with all of these findings repaired at once, by up to `each` repairs of each of them."""
    made = [source]
    for finding in findings:
        changed = [
            repaired for program in made for repaired in list(repairs(moved(finding, source, program), program))[:each]
        ]
        made = changed or made
    yield from (program for program in dict.fromkeys(made) if program != source)


def moved(finding: Finding, source: str, changed: str) -> Finding:
    """A finding at the line where its own is in a program that was changed."""
    if finding.line is None or source == changed:
        return finding
    matcher = difflib.SequenceMatcher(a=source.splitlines(), b=changed.splitlines(), autojunk=False)
    at = finding.line - 1
    for _, start, end, new, until in matcher.get_opcodes():
        if start <= at < end:
            return replace(finding, line=min(new + at - start, max(until - 1, new)) + 1)
    return finding


def _parses(source: str) -> bool:
    try:
        ast.parse(source)
    except SyntaxError:
        return False
    return True


def _value(statement: ast.stmt) -> ast.expr | None:
    """What a statement assigns."""
    return statement.value if isinstance(statement, ast.Assign | ast.AugAssign | ast.AnnAssign) else None


# Mistakes in a backward pass ------------------------------------------------------------------------------------------


def _other_sign(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    if isinstance(statement, ast.AugAssign) and isinstance(statement.op, ast.Add | ast.Sub):
        yield text.with_operator(statement, "-=" if isinstance(statement.op, ast.Add) else "+=")
    value = _value(statement)
    if value is None:
        return
    parts = value.elts if isinstance(value, ast.Tuple) else [value]
    for part in parts:
        yield from _negated(part, text)


def _negated(value: ast.expr, text: Text) -> Iterator[str]:
    if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        yield text.with_expression(value, text.of(value.operand))
        return
    for node in ast.walk(value):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            yield text.with_expression(node, f"{text.of(node.right)} - {_in_brackets(node.left, text)}")
            break
    yield text.with_expression(value, f"-({text.of(value)})")


def _in_brackets(node: ast.expr, text: Text) -> str:
    written = text.of(node)
    return f"({written})" if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Add | ast.Sub) else written


def _other_factor(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """By the factor that the tensors were measured to have."""
    factors = [t["factor"] for t in finding.tensors if t.get("factor")]
    value = _value(statement)
    if value is None or not factors or max(factors) > 1.02 * min(factors):
        return
    by = factors[0]
    if abs(by) >= 1:
        yield text.with_expression(value, f"({text.of(value)}) / {by:.6g}")
    else:
        yield text.with_expression(value, f"({text.of(value)}) * {1 / by:.6g}")


SLOPES = {"tanh": "(1 - {h} ** 2)", "sigmoid": "{h} * (1 - {h})", "relu": "({h} > 0)"}


def _with_slope(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Times the derivative of the activation, by the name of its output."""
    value = _value(statement)
    if value is None:
        return
    for h, kind in _activations(finding, text):
        if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
            yield text.with_expression(value, f"({text.of(value)}) * {SLOPES[kind].format(h=h)}")
        else:
            yield text.with_expression(value, f"{text.of(value)} * {SLOPES[kind].format(h=h)}")


def _at_output(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The derivative of an activation by its own output: `p * (1 - p)` becomes `h * (1 - h)`."""
    value = _value(statement)
    if value is None:
        return
    written = text.of(value)
    called = {
        node.value.id
        for node in ast.walk(value)
        if isinstance(node, ast.Attribute) and isinstance(node.value, ast.Name)
    }
    names = [node.id for node in ast.walk(value) if isinstance(node, ast.Name) and node.id not in called - {"self"}]
    for h, kind in _activations(finding, text):
        for name in dict.fromkeys(names):
            if (
                name != h
                and kind != "relu"
                and re.search(rf"\(1(?:\.0)? - (?:\w+\.(?:power|square)\()?{name}\b", written)
            ):
                yield text.with_expression(value, re.sub(rf"\b{name}\b", h, written))


def _own_slope(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A factor of the output of an activation alone that is not its derivative: `1 - h` of a tanh as `1 - h ** 2`."""
    value = _value(statement)
    if value is None:
        return
    for h, kind in _activations(finding, text):
        for node in (node for node in ast.walk(value) if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult)):
            apart = [factor for factor in _factors(node) if _reads(factor) == {h}]
            if apart and len(apart) < len(_factors(node)):
                others = [factor for factor in _factors(node) if factor not in apart]
                rest = [_as_factor(factor, text, factor is others[0]) for factor in others]
                yield text.with_expression(node, " * ".join([*rest, SLOPES[kind].format(h=h)]))
                break


def _factors(node: ast.expr) -> list[ast.expr]:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
        return [*_factors(node.left), *_factors(node.right)]
    return [node]


def _as_factor(node: ast.expr, text: Text, first: bool) -> str:
    plain = not isinstance(node, ast.BinOp) or (first and isinstance(node.op, ast.MatMult | ast.Div))
    return text.of(node) if plain else f"({text.of(node)})"


def _reads(node: ast.expr) -> set[str]:
    """The variables in it, `h` and `self.h`, without the modules that functions are of."""
    called = {id(call.func) for call in ast.walk(node) if isinstance(call, ast.Call)}
    inner = {
        id(part) for n in ast.walk(node) if id(n) in called or isinstance(n, ast.Attribute) for part in ast.walk(n)
    }
    names = {n.id for n in ast.walk(node) if isinstance(n, ast.Name) and id(n) not in inner}
    return names | {ast.unparse(n) for n in ast.walk(node) if isinstance(n, ast.Attribute) and id(n) not in called}


def _activations(finding: Finding, text: Text) -> Iterator[tuple[str, str]]:
    """The outputs and the kind of the activation that the autopsy names by its forward line.

    Where that line is in a function, the outputs are what its calls are assigned to.
    """
    tree = ast.parse(text.source)
    for detail in finding.details:
        forward = detail.get("forward")
        statement = statement_at(tree, int(forward[1])) if forward else None
        kind = _kind(ast.unparse(statement)) if statement is not None else ""
        if statement is None or not kind:
            continue
        target = statement.targets[0] if isinstance(statement, ast.Assign) else None
        of_lambda = isinstance(statement, ast.Assign) and isinstance(statement.value, ast.Lambda)
        if isinstance(target, ast.Name | ast.Attribute) and not of_lambda:
            yield text.of(target), kind
            return
        around = [f.name for f in ast.walk(tree) if isinstance(f, ast.FunctionDef) and statement in ast.walk(f)]
        around += [ast.unparse(target)] if target is not None and of_lambda else []
        outputs = [
            node.targets[0]
            for node in (ast.walk(tree) if around else ())
            if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
            and ast.unparse(node.value.func).split(".")[-1] == around[-1]
            and isinstance(node.targets[0], ast.Name | ast.Attribute)
        ]  # fmt: skip
        yield from ((h, kind) for h in multiplied([text.of(h) for h in outputs], finding, tree))
        yield from ((h, kind) for h in from_list(finding, text))
        return


def _kind(written: str) -> str:
    for kind, pattern in (
        ("tanh", r"tanh\("),
        ("sigmoid", r"sigm?o?i?d?\w*\(|expit\(|logistic\(|1(?:\.0)? / \(1"),
        ("relu", r"relu\w*\(|maximum\("),
    ):
        if re.search(pattern, written, re.I):
            return kind
    return ""


def _turned(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """One factor of the product transposed, the other, and both the other way round."""
    value = _value(statement)
    for node in ast.walk(value) if value is not None else ():
        pair = _product(node)
        if pair is not None and isinstance(node, ast.expr):
            a, b = (text.of(side) for side in pair)
            for x, y in ((_flip(a), b), (a, _flip(b)), (_flip(b), _flip(a))):
                if isinstance(node, ast.BinOp):
                    yield text.with_expression(node, f"{x} @ {y}")
                else:
                    yield text.with_expression(node, f"np.dot({x}, {y})")
            return


def _product(node: ast.AST) -> tuple[ast.expr, ast.expr] | None:
    if isinstance(node, ast.BinOp) and isinstance(node.op, ast.MatMult):
        return node.left, node.right
    if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute) and node.func.attr in ("dot", "matmul"):
        if len(node.args) == 2:
            return node.args[0], node.args[1]
        if len(node.args) == 1:
            return node.func.value, node.args[0]
    return None


def _flip(written: str) -> str:
    if written.endswith(".T"):
        return written[:-2]
    return f"{written}.T" if re.fullmatch(r"[\w.\[\]']+", written) else f"({written}).T"


def _summed(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A sum over the samples: the one that stands there with an axis, or a new one around the value."""
    value = _value(statement)
    if value is None:
        return
    there = next((part for part in ast.walk(value) if _is_sum(part)), None)
    if re.search(r"\bas np\b|\bimport numpy$", text.source, re.MULTILINE) is None:  # with sums of Python's own alone
        yield text.with_expression(value, f"sum({text.of(value)})")
    for axes in ("axis=0", "axis=0, keepdims=True", "axis=1, keepdims=True"):
        if isinstance(there, ast.Call):
            of_array = isinstance(there.func, ast.Attribute) and ast.unparse(there.func.value) not in ("np", "numpy")
            summed = [] if of_array else [text.of(there.args[0])]
            yield text.with_expression(there, f"{text.of(there.func)}({', '.join([*summed, axes])})")
        else:
            yield text.with_expression(value, f"np.sum({text.of(value)}, {axes})")


def _is_sum(node: ast.AST) -> bool:
    """Whether an expression is `np.sum(d)`, `d.sum()` or a mean, with or without an axis; Python's own takes none."""
    if not isinstance(node, ast.Call) or not isinstance(node.func, ast.Attribute):
        return False
    of_module = ast.unparse(node.func.value) in ("np", "numpy")
    return node.func.attr in ("sum", "mean") and (not of_module or bool(node.args))


def _moved_too(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`b1 -= lr * db1` below `W1 -= lr * dW1`, where db1 is computed and never used."""
    tree = ast.parse(text.source)
    wrong = [_last(t["name"]) for t in finding.tensors if t.get("verdict") == "zero"]
    right = [_last(t["name"]) for t in finding.tensors if t.get("verdict") == "right"]
    names = {node.id for node in ast.walk(tree) if isinstance(node, ast.Name)}
    updates = [node for node in ast.walk(tree) if isinstance(node, ast.AugAssign | ast.Assign)]
    for name in wrong:
        for other in right:
            for gradient in (f"d{name}", f"grad_{name}", f"{name}_grad", f"{name}_delta", f"g{name}"):
                theirs = gradient.replace(name, other)
                if gradient not in names:
                    continue
                for update in updates:
                    written = ast.unparse(update)
                    if re.search(rf"\b{other}\b", written) and re.search(rf"\b{theirs}\b", ast.unparse(update.value)):
                        line = re.sub(rf"\b{theirs}\b", gradient, re.sub(rf"\b{other}\b", name, written))
                        if line != written:
                            yield text.after(update, line)
                            return


def _last(name: str) -> str:
    return re.split(r"[.\[\]']+", name.strip("]'"))[-1]


# Conditions -----------------------------------------------------------------------------------------------------------


def _random(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`np.zeros((3, 8))` becomes random numbers of the usual size, here and where the others begin that are alike."""
    found = re.search(r"all units of (.*?) are the same", finding.evidence)
    names = {_last(name) for name in found[1].split(", ")} if found else set[str]()
    every = (node for node in ast.walk(ast.parse(text.source)) if isinstance(node, ast.Assign))
    others = [node for node in every if node.lineno != statement.lineno and _assigns(node, names)]
    values = [_value(node) for node in (statement, *others)]
    calls = [call for value in values if value is not None for call in _filled(value)]
    source = text
    for node in sorted(calls, key=lambda call: (call.lineno, call.col_offset), reverse=True):
        shape = node.args[0]
        sides = [source.of(side) for side in shape.elts] if isinstance(shape, ast.Tuple) else []
        size = f"np.sqrt({sides[0]})" if len(sides) == 2 else "3"
        source = Text(source.with_expression(node, f"np.random.randn({', '.join(sides)}) / {size}"))
    if calls:
        yield source.source


def _assigns(node: ast.Assign, names: set[str]) -> bool:
    return any(_last(ast.unparse(target)) in names for target in node.targets)


def _filled(value: ast.expr) -> list[ast.Call]:
    """Matrices that are made of one number."""
    return [
        node
        for node in ast.walk(value)
        if isinstance(node, ast.Call)
        and re.search(r"(zeros|ones|full|empty)$", ast.unparse(node.func))
        and node.args
        and isinstance(node.args[0], ast.Tuple)
        and len(node.args[0].elts) >= 2
    ]


def _at_zero(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Biases that keep every unit off begin at 0."""
    value = _value(statement)
    if value is None or isinstance(value, ast.Tuple):
        return
    shapes = [
        call.args[0]
        for call in ast.walk(value)
        if isinstance(call, ast.Call) and re.search(r"(zeros|ones|full)$", ast.unparse(call.func)) and call.args
    ]
    new = f"np.zeros({text.of(shapes[0])})" if len(shapes) == 1 else f"np.zeros_like({text.of(value)})"
    yield text.with_expression(value, new)


def _mixed(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`np.arange(n)`, `np.argsort(y)` and `for i in range(len(X))` become an order by chance."""
    if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Call) and len(statement.iter.args) == 1:
        if ast.unparse(statement.iter.func) == "range":
            yield text.with_expression(statement.iter, f"np.random.permutation({text.of(statement.iter.args[0])})")
        return
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and len(node.args) == 1:
            last = ast.unparse(node.func).split(".")[-1]
            if last in ("arange", "argsort", "range"):
                many = text.of(node.args[0]) if last != "argsort" else f"len({text.of(node.args[0])})"
                yield text.with_expression(node, f"np.random.permutation({many})")


def _in_step(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`labels[i - 3]` becomes `labels[i]`, `np.roll(y, 1)` and `y[::-1]` become `y`."""
    for node in ast.walk(statement):
        if isinstance(node, ast.Call) and re.search(r"(roll|flip|flipud)$", ast.unparse(node.func)) and node.args:
            yield text.with_expression(node, text.of(node.args[0]))
        elif isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice):
            step = node.slice.step
            if step is not None and ast.unparse(step) == "-1" and node.slice.lower is None:
                yield text.with_expression(node, text.of(node.value))
        elif isinstance(node, ast.Subscript) and _is_shifted(node.slice):
            yield text.with_expression(node.slice, text.of(node.slice.left))


def _is_shifted(index: ast.expr) -> TypeGuard[ast.BinOp]:
    """`i - 3`"""
    return isinstance(index, ast.BinOp) and isinstance(index.right, ast.Constant)


def _rescaled(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """First weights divided by how many times too large they are."""
    found = re.search(r"about ([\d.e+-]+) times as large", finding.evidence)
    value = _value(statement)
    if found and isinstance(value, ast.expr) and not isinstance(value, ast.Tuple):
        by = float(found[1])
        change = f"/ {by:.3g}" if by > 1 else f"* {1 / by:.3g}"
        yield text.with_expression(value, f"({text.of(value)}) {change}")


def _without_inner(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`softmax(relu(z))` becomes `softmax(z)`: what stands between the scores and the last activation goes."""
    inner = r"softmax" if finding.cause == "double-softmax" else r"relu|maximum|max$|tanh"
    for node in ast.walk(statement):
        if not isinstance(node, ast.Call) or not re.search(r"softmax|sigmoid|expit|logistic", ast.unparse(node.func)):
            continue
        for argument in node.args:
            if isinstance(argument, ast.Call) and re.search(inner, ast.unparse(argument.func), re.I):
                kept = [a for a in argument.args if not (isinstance(a, ast.Constant) and a.value in (0, 0.0))]
                if len(kept) == 1:
                    yield text.with_expression(argument, text.of(kept[0]))


def _longer(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`range(100)` of the loop over the epochs becomes twenty times as long."""
    if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Call) and len(statement.iter.args) == 3:
        statement = _around(statement, text)  # that of the batches
    if isinstance(statement, ast.For) and isinstance(statement.iter, ast.Call):
        for argument in statement.iter.args[:1] if len(statement.iter.args) == 1 else statement.iter.args[1:2]:
            yield text.with_expression(
                argument,
                str(20 * argument.value)
                if isinstance(argument, ast.Constant) and isinstance(argument.value, int)
                else f"20 * {text.of(argument)}",
            )


def _around(statement: ast.stmt, text: Text) -> ast.stmt:
    """The loop around a statement, the nearest one."""
    loops = [node for node in ast.walk(ast.parse(text.source)) if isinstance(node, ast.For)]
    around = [n for n in loops if n.lineno < statement.lineno <= (n.end_lineno or 0)]
    return max(around, key=lambda node: node.lineno, default=statement)


OF_MISTAKE = {
    "sign": (_other_sign,),
    "constant-factor": (_other_factor,),
    "batch-factor": (_other_factor,),
    "missing-activation-derivative": (_with_slope,),
    "derivative-at-wrong-point": (by_helper, _at_output, _own_slope),
    "transpose": (_turned,),
    "missing-broadcast-sum": (_summed,),
    "zero-gradient": (_moved_too,),
    "dropped-term": (with_unread,),
    "missing-step": (times_gradient, with_unread),
    "outer-product": (as_outer,),
    "updated-too-early": (at_the_end,),
    "softmax-wrong-axis": (over_classes,),
}
OF_CAUSE = {
    "loss-sign-flipped": (_other_sign,),
    "parameter-not-optimized": (_moved_too,),
    "symmetric-init": (_random,),
    "dead-units": (_at_zero,),
    "unshuffled-data": (_mixed,),
    "labels-misaligned": (_in_step,),
    "init-too-large": (_rescaled,),
    "init-too-small": (_rescaled,),
    "double-softmax": (_without_inner,),
    "activation-before-loss": (_without_inner,),
    "output-range-mismatch": (_without_inner,),
    "too-few-updates": (_longer,),
    "lr-too-high": (shorter,),
    "softmax-wrong-axis": (over_classes,),
}
