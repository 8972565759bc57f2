"""Repairs of the mode of a network: train() where it is trained, eval() where it is evaluated."""

from __future__ import annotations

import ast
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import MODULES, assigned, calls, last, with_option
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
Block = ast.FunctionDef | ast.AsyncFunctionDef | ast.For | ast.While | ast.With


def _train(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """train() at the head of the loop that trains."""
    if "before the evaluation" in finding.fix or "training=" in finding.fix:
        return
    tree = ast.parse(text.source)
    names = [text.of(c.func.value) for c in calls(tree, "eval") if isinstance(c.func, ast.Attribute)]
    loops = [n for n in ast.walk(tree) if isinstance(n, ast.For | ast.While) and calls(n, "backward")]
    for name in dict.fromkeys(names):
        for loop in sorted(loops, key=lambda node: -node.lineno):
            yield text.before(loop.body[0], f"{name}.train()")


def _instead(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`model.train()` of an evaluation: by the argument that says whether it is one, or eval() until its end."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if "before the evaluation" not in finding.fix or not isinstance(call, ast.Call) or last(call) != "train":
        return
    if not isinstance(call.func, ast.Attribute):
        return
    network = text.of(call.func.value)
    around = _around(ast.parse(text.source), statement)
    function = next((block for block in around if isinstance(block, ast.FunctionDef)), None)
    if function is not None:
        for test in _asked_for_training(function, text):
            yield text.with_expression(call, f"{network}.train({test})")
    yield text.with_expression(call, f"{network}.eval()")
    if function is not None and not calls(function, "backward"):
        ending = function.body[-1]
        put = text.before if isinstance(ending, ast.Return) else text.after
        yield Text(put(ending, f"{network}.train()")).with_expression(call, f"{network}.eval()")


def _asked_for_training(function: ast.FunctionDef, text: Text) -> Iterator[str]:
    """What a function asks to know whether it is to train: `train`, `phase == "train"`, `optimizer is not None`."""
    given = {argument.arg for argument in (*function.args.args, *function.args.kwonlyargs)}
    tests: list[ast.expr] = [c.args[0] for c in calls(function, "set_grad_enabled") if c.args]
    tests += [n.test for n in ast.walk(function) if isinstance(n, ast.If) and any(calls(s, "backward") for s in n.body)]
    yield from dict.fromkeys(text.of(t) for t in tests if _names(t) and _names(t) <= given)


def _names(node: ast.expr) -> set[str]:
    return {inner.id for inner in ast.walk(node) if isinstance(inner, ast.Name)}


def _evaluated(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """eval() before the outermost block that evaluates, and train() after it."""
    if "before the evaluation" not in finding.fix:
        return
    tree = ast.parse(text.source)
    named = assigned(tree)
    blocks: list[ast.stmt] = []
    for block in _around(tree, statement):
        if isinstance(block, ast.FunctionDef | ast.AsyncFunctionDef) or calls(block, "backward"):
            break
        blocks.append(block)
    whole = next(reversed(blocks), statement)
    for call in calls(statement, r"\w+"):
        network = text.of(call.func)
        attribute = isinstance(call.func, ast.Attribute) and network.startswith("self.") and network.count(".") == 1
        known = attribute and f"{network} =" in text.source
        if call.args and (known or (isinstance(call.func, ast.Name) and network in named)):
            yield Text(text.after(whole, f"{network}.train()")).before(whole, f"{network}.eval()")


def _around(tree: ast.Module, statement: ast.stmt) -> list[Block]:
    """The blocks that hold a statement, the innermost first."""
    found = [n for n in ast.walk(tree) if isinstance(n, Block) and n.lineno <= statement.lineno <= (n.end_lineno or 0)]
    return sorted(found, key=lambda node: -node.lineno)


def _asked(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`F.dropout(x, 0.5)` in a method of a network is also given `training=self.training`: each of them."""
    source = text
    for _ in range(20):
        methods = [n for n in ast.walk(ast.parse(source.source)) if isinstance(n, ast.FunctionDef)]
        left = [
            (call, method.args.args[0].arg)
            for method in methods
            for call in calls(method, r"(?:alpha_|feature_)?dropout[123]?d?")
            if method.args.args and method.args.args[0].arg == "self" and _of_a_module(call) and len(call.args) < 3
            if all(keyword.arg != "training" for keyword in call.keywords)
        ]
        if not left or "training" not in finding.fix:
            break
        source = Text(with_option(left[0][0], "training", f"{left[0][1]}.training", source))
    if source is not text:
        yield source.source


def _of_a_module(call: ast.Call) -> bool:
    """Whether a function of a module is called, as in `F.dropout(x)`, or one by its name."""
    return isinstance(call.func, ast.Name) or ast.unparse(call.func).rpartition(".")[0] in MODULES


PATCHES: dict[str, tuple[Patch, ...]] = {"train-eval-mode": (_asked, _instead, _evaluated, _train)}
