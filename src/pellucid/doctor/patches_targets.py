"""Repairs of what a network is to say: targets of one value, labels overwritten by chance, classes as numbers."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator
from typing import TypeGuard

from pellucid.doctor.calls import assigned, bracketed, calls, last, to_nn, with_option
from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
DRAWN = r"rand|randn|randint|random|integers|randperm|permutation|choice|bernoulli|uniform"
LABELS = r"label|target|class|digit|kind|(^|\W|_)y(\W|_|$)"
CASTS = r"float|long|int|view|reshape|unsqueeze|squeeze|to|type|double|flatten"


def _as_they_vary(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Targets that one statement makes the same for all rows: without it, without a whole division, without a cast."""
    tree = ast.parse(text.source)
    near = {n.id for c in calls(statement, r"\w+") if len(c.args) == 2 for n in ast.walk(c.args[1]) if _is_name(n)}
    near |= set(assigned(statement)) if isinstance(statement, ast.Assign) else set()  # where they are made
    for node in (n for n in ast.walk(tree) if isinstance(n, ast.Assign)):
        if not any(name in near or re.search(LABELS, name) for name in assigned(node)):
            continue
        own = {ast.unparse(target) for target in node.targets}
        read = {n.id for n in ast.walk(node.value) if isinstance(n, ast.Name)}
        if own & read and calls(node.value, r"\w+_like|full|zeros|ones|fill"):
            yield text.without(node)
        for inner in ast.walk(node.value):
            if isinstance(inner, ast.BinOp) and isinstance(inner.op, ast.FloorDiv):
                yield text.with_expression(inner, text.of(inner.left))
            if isinstance(inner, ast.Call) and isinstance(inner.func, ast.Attribute):
                whole = inner.func.attr in ("long", "int") or (inner.func.attr == "astype" and "int" in text.of(inner))
                if whole and isinstance(inner.func.value, ast.BinOp):
                    yield text.with_expression(inner, text.of(inner.func.value.left))


def _is_name(node: ast.AST) -> TypeGuard[ast.Name]:
    return isinstance(node, ast.Name)


def _not_overwritten(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Labels that some rows are given by chance, `y[wrong] = torch.randint(…)`, left as they are."""
    tree = ast.parse(text.source)
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and isinstance(node.targets[0], ast.Subscript):
            name = ast.unparse(node.targets[0].value)
            index = node.targets[0].slice
            where = {n.id for n in ast.walk(index) if isinstance(n, ast.Name)}
            by_chance = calls(index, DRAWN) or any(
                isinstance(n, ast.Assign) and assigned(n) & where and calls(n.value, DRAWN) for n in ast.walk(tree)
            )
            if by_chance and re.search(LABELS, name):
                yield text.without(node)
        elif isinstance(node, ast.Assign) and calls(node.value, "where") and calls(node.value, DRAWN):
            for call in calls(node.value, "where"):
                kept = [a for a in call.args[1:] if not calls(a, DRAWN)]
                if len(call.args) == 3 and len(kept) == 1:
                    yield text.with_expression(call, text.of(kept[0]))


def _classes(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """One output that is drawn to class ids becomes one for each class, with cross_entropy, and argmax for round()."""
    found = re.search(r"(\d+) outputs with cross_entropy", finding.fix)
    tree = ast.parse(text.source)
    loss = next((c for c in calls(statement, r"\w+") if len(c.args) == 2 and "backward" not in last(c)), None)
    if found is None or loss is None:
        return
    given, labels = _bare(loss.args[0]), _bare(loss.args[1])
    cross = (loss.func, f"{to_nn(text)}.functional.cross_entropy")
    target = (loss.args[1], f"{text.of(labels)}.long().flatten()")
    largest = _largest(given, tree)
    if largest is not None:  # the loss of an argmax, through which no gradient flows
        changed = Text(text.with_expressions([cross, (loss.args[0], text.of(largest)), target]))
        yield _without_flags(changed)
        return
    if isinstance(loss.args[0], ast.Call) and last(loss.args[0]) in ("mean", "sum") and given is not loss.args[0]:
        yield text.with_expressions([cross, (loss.args[0], text.of(given)), target])
        return
    layers = [c for c in calls(tree, "Linear") if len(c.args) > 1 and ast.unparse(c.args[1]) == "1"]
    pairs = [cross, target, *((layer.args[1], found[1]) for layer in layers[-1:])]
    if text.of(given) != text.of(loss.args[0]):
        pairs.append((loss.args[0], text.of(given)))
    pairs += _rounded(tree, text)
    if layers:
        yield text.with_expressions(pairs)


def _bare(node: ast.expr) -> ast.expr:
    """`labels` of `labels.float().view(-1, 1)`."""
    while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
        if not re.fullmatch(f"{CASTS}|mean|sum|round", node.func.attr):
            break
        node = node.func.value
    return node


def _largest(given: ast.expr, tree: ast.Module) -> ast.expr | None:
    """What the largest was taken of: `outputs` of `_, preds = torch.max(outputs, 1)` and of `outputs.argmax(1)`."""
    made: list[ast.expr] = [given]
    if isinstance(given, ast.Name):
        made = [n.value for n in ast.walk(tree) if isinstance(n, ast.Assign) and given.id in assigned(n)]
    for value in made:
        for call in calls(value, "argmax|max"):
            of_module = isinstance(call.func, ast.Attribute) and ast.unparse(call.func.value) in ("torch", "pellucid")
            if of_module and call.args:
                return call.args[0]
            if isinstance(call.func, ast.Attribute) and not of_module:
                return call.func.value
    return None


def _without_flags(text: Text) -> str:
    """Without `loss.requires_grad = True`, which a loss that was computed needs not."""
    source = text
    for node in ast.walk(ast.parse(text.source)):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith("loss.requires_grad"):
            again = statement_at(ast.parse(source.source), node.lineno)
            source = Text(source.without(again)) if again is not None else source
    return source.source


def _rounded(tree: ast.Module, text: Text) -> Iterator[tuple[ast.expr, str]]:
    """`net(x).round().view(-1)` as `net(x).argmax(1)`, each in its outermost form."""
    chains = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and isinstance(n.func, ast.Attribute)]
    inner: set[int] = set()
    for call in chains:  # an outer call comes first
        names: list[str] = []
        node: ast.expr = call
        while isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
            if not re.fullmatch(f"{CASTS}|round|clamp", node.func.attr):
                break
            names.append(node.func.attr)
            inner.add(id(node.func.value))
            node = node.func.value
        if "round" in names and id(call) not in inner:
            yield call, f"{text.of(node)}.argmax(1)"


def _with_minus(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`losses.append(log_prob * r)`, and the loss that is a sum of such, with the minus that they lack."""
    if "a minus before" not in finding.fix:
        return
    call = statement.value if isinstance(statement, ast.Expr) else None
    kept = isinstance(call, ast.Call) and last(call) in ("append", "extend") and len(call.args) == 1
    value = call.args[0] if kept and isinstance(call, ast.Call) else getattr(statement, "value", None)
    if isinstance(value, ast.expr) and (kept or isinstance(statement, ast.Assign | ast.AugAssign | ast.Return)):
        yield text.with_expression(value, f"-{bracketed(value, text)}")


def _summed_too(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The sum of a loss, where what stands beside it is a sum: `reduction="sum"`, here or where the loss is made."""
    if "reduction='sum'" not in finding.fix:
        return
    named = {ast.unparse(call.func) for call in calls(statement, r"\w+")}
    for call in calls(statement, r"\w*(?:loss|cross_entropy\w*|kl_div)"):
        if len(call.args) >= 2 and isinstance(call.func, ast.Attribute) and re.fullmatch(FUNCTIONS, text.of(call.func)):
            yield with_option(call, "reduction", '"sum"', text)
    for node in ast.walk(ast.parse(text.source)):
        made = node.value if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in named else None
        if isinstance(made, ast.Call) and re.fullmatch(r"\w+Loss", last(made)):
            yield with_option(made, "reduction", '"sum"', text)


def _cut_for_one(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`made = net(z).detach()`, which two losses take, cut for the first of them alone."""
    cut = statement.value if isinstance(statement, ast.Assign) else None
    if not isinstance(cut, ast.Call) or not isinstance(cut.func, ast.Attribute) or cut.func.attr != "detach":
        return
    tree, name = ast.parse(text.source), next(iter(assigned(statement)), "")
    ends = [call.lineno for call in calls(tree, "backward") if call.lineno > statement.lineno]
    uses = [n for n in ast.walk(tree) if _is_name(n) and n.id == name and isinstance(n.ctx, ast.Load)]
    first = [n for n in uses if statement.lineno < n.lineno <= min(ends, default=0)]
    if first and len(ends) > 1 and any(n.lineno > min(ends) for n in uses):
        pairs: list[tuple[ast.expr, str]] = [(n, f"{name}.detach()") for n in first]
        yield text.with_expressions([(cut, text.of(cut.func.value)), *pairs])


FUNCTIONS = r"(?:F|nn\.functional|torch\.nn\.functional|pellucid\.nn\.functional)\.\w+"
PATCHES: dict[str, tuple[Patch, ...]] = {
    "detached-gradient": (_cut_for_one,),
    "loss-reduction-scale": (_summed_too,),
    "loss-sign-flipped": (_with_minus,),
    "constant-target": (_as_they_vary,),
    "noisy-labels": (_not_overwritten,),
    "wrong-loss-for-task": (_classes,),
}
