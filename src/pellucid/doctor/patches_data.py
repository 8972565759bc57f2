"""Repairs of what a network learns from: rows and labels, the loss between them, graphs that are cut, epochs."""

from __future__ import annotations

import ast
import itertools
import re
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import assigned, bracketed, calls, last, loops, to_nn, trained, with_option
from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
DRAWN = r"randperm|randint|permutation|shuffle|choice"


def _longer(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The outermost loop around a backward, `range(2)`, twenty times as long."""
    for loop in loops(ast.parse(text.source))[:1]:
        if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Call) and last(loop.iter) in ("range", "trange"):
            end = loop.iter.args[0 if len(loop.iter.args) == 1 else 1]
            fixed = isinstance(end, ast.Constant) and isinstance(end.value, int)
            yield text.with_expression(end, str(20 * int(ast.literal_eval(end))) if fixed else f"20 * {text.of(end)}")


def _for_each_batch(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The update of an epoch is made after each backward."""
    step = text.of(statement.value) if isinstance(statement, ast.Expr) else ""
    if "within the loop over the batches" not in finding.fix or not step.endswith(".step()"):
        return
    for node in ast.walk(ast.parse(text.source)):
        if isinstance(node, ast.Expr) and calls(node, "backward") and node.lineno < statement.lineno:
            yield Text(text.without(statement)).after(node, step)


def _faster_by_hand(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`w -= lr * w.grad`, times the factor that was tried, in each line of the update."""
    found = re.search(r"the learning rate times ([\d.e+-]+)", finding.fix)
    tree = ast.parse(text.source)
    around: list[ast.stmt] = [loop for loop in loops(tree) if loop.lineno <= statement.lineno]
    around = around or [  # a function that makes one update
        n
        for n in ast.walk(tree)
        if isinstance(n, ast.FunctionDef) and n.lineno < statement.lineno <= (n.end_lineno or 0)
    ]
    if not found or not around:
        return
    pairs: list[tuple[ast.expr, str]] = []
    for node in ast.walk(around[-1]):
        if isinstance(node, ast.AugAssign) and isinstance(node.op, ast.Sub) and ".grad" in text.of(node.value):
            pairs.append((node.value, f"{found[1]} * ({text.of(node.value)})"))
        elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub) and ".grad" in text.of(node.right):
            pairs.append((node.right, f"{found[1]} * ({text.of(node.right)})"))
    if pairs:
        yield text.with_expressions(pairs)


def _not_negative(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`loss = -criterion(…)`, on which backward is called, without its minus."""
    tree = ast.parse(text.source)
    receivers = {
        ast.unparse(call.func.value) for call in calls(tree, "backward") if isinstance(call.func, ast.Attribute)
    }
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) in receivers else None
        if isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
            yield text.with_expression(value, text.of(value.operand))


def _connected(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """What cuts a graph, in the line or in what it is about: `.detach()`, `.data`, `.item()`, a tensor made anew."""
    tree = ast.parse(text.source)
    near = [statement]
    names = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and {ast.unparse(target) for target in node.targets} & names:
            near.append(node)
    anew = [n for n in ast.walk(tree) if isinstance(n, ast.stmt) and _makes_anew(n, assigned(statement))]
    if anew:  # out of the arrays that the line gives, which are tensors then
        whole = text
        for around in (statement, *anew):
            whole = Text(_without_cuts(around, whole))
        yield whole.source
    for around in near:
        changed = _without_cuts(around, text)
        if changed != text.source:
            yield changed


def _makes_anew(node: ast.stmt, names: set[str]) -> bool:
    """Whether a simple statement makes a tensor of what has one of these names: `z = torch.tensor(made)`."""
    if not isinstance(node, ast.Assign | ast.Return | ast.Expr):
        return False
    return any(len(call.args) == 1 and ast.unparse(call.args[0]) in names for call in calls(node, MAKERS))


MAKERS = r"tensor|from_numpy|as_tensor|Tensor|FloatTensor|Variable"
CUTS = r"detach|numpy|item|cpu"


def _without_cuts(around: ast.stmt, text: Text) -> str:
    """The source with the cuts of a statement taken out, one by one."""
    source = text
    for _ in range(8):
        at = statement_at(ast.parse(source.source), around.lineno)
        for node in ast.walk(at) if at is not None else ():
            if isinstance(node, ast.Call) and isinstance(node.func, ast.Attribute):
                if re.fullmatch(CUTS, node.func.attr) and not node.args:
                    source = Text(source.with_expression(node, source.of(node.func.value)))
                    break
                if re.fullmatch(MAKERS, node.func.attr) and node.args and not isinstance(node.args[0], ast.Constant):
                    source = Text(source.with_expression(node, bracketed(node.args[0], source)))
                    break
            if isinstance(node, ast.Attribute) and node.attr == "data" and isinstance(node.ctx, ast.Load):
                source = Text(source.with_expression(node, source.of(node.value)))
                break
        else:
            break
    return source.source


def _within(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The edge kept off: a variable before the line, `log(x)` as `log((x).clamp(…))`, `a / b` as `a / (b + 1e-8)`."""
    logs = calls(statement, r"log\w*|sqrt|rsqrt")
    edges = [edge for edge in (_edge(call) for call in logs) if edge is not None]
    names = list(dict.fromkeys(node.id for node in edges if isinstance(node, ast.Name)))
    written = {ast.unparse(edge) for edge in edges}
    for name in names:  # a share and the rest of it: log(p) and log(1 - p)
        share = f"1 - {name}" in written
        bounds = "1e-6, 1 - 1e-6" if share else "min=1e-3"
        yield text.before(statement, f"{name} = {name}.clamp({bounds})")
    if len(edges) > 1:
        yield text.with_expressions((edge, f"({text.of(edge)}).clamp(min=1e-6)") for edge in edges)
    for edge in edges:
        yield text.with_expression(edge, f"({text.of(edge)}).clamp(min=1e-6)")
    for node in ast.walk(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Div) and not isinstance(node.right, ast.Constant):
            yield text.with_expression(node.right, f"({text.of(node.right)} + 1e-8)")


def _edge(call: ast.Call) -> ast.expr | None:
    """What a log or root is taken of."""
    if isinstance(call.func, ast.Attribute) and not call.args:
        return call.func.value
    return call.args[0] if call.args else None


def _filled(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """NaN and infinite values of the inputs become numbers, wherever the network is called."""
    path = to_nn(text).removesuffix("nn")
    for at, name in trained(ast.parse(text.source), text)[:1] if path and "in the inputs" in finding.evidence else ():
        yield text.after(
            at,
            f"{name.split('.')[0]}.register_forward_pre_hook(lambda module, given: "
            f"({path}nan_to_num(given[0], 0.0, 0.0, 0.0), *given[1:]))",
        )


def _weighted(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The weights of the classes, where the loss is made."""
    found = re.search(r"(pos_weight|weight)=(torch\.tensor\((?:\[.*?\]|[\d.]+)\))", finding.fix)
    path = to_nn(text).removesuffix("nn")
    if not found or not path:
        return
    kinds = (
        "BCEWithLogitsLoss|binary_cross_entropy_with_logits"
        if found[1] == "pos_weight"
        else r"CrossEntropyLoss|cross_entropy|NLLLoss|nll_loss"
    )
    for call in calls(ast.parse(text.source), kinds):
        weighed = with_option(call, found[1], found[2].replace("torch.", path), text)
        if "ten times the learning rate" in finding.fix:
            yield from _ten_times_the_rate(Text(weighed))
        else:
            yield weighed


def _ten_times_the_rate(text: Text) -> Iterator[str]:
    for at, _ in trained(ast.parse(text.source), text):
        for keyword in (keyword for call in calls(at, r"[A-Z]\w*") for keyword in call.keywords):
            if keyword.arg == "lr":
                number = isinstance(keyword.value, ast.Constant)
                new = (
                    f"{10 * ast.literal_eval(keyword.value):g}" if number else f"10 * {bracketed(keyword.value, text)}"
                )
                yield text.with_expression(keyword.value, new)


def _of_logits(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """nll_loss of what are no log-probabilities: log_softmax for softmax, or cross_entropy."""
    tree = ast.parse(text.source)
    for names in (
        {"softmax": "log_softmax", "Softmax": "LogSoftmax"},
        {"nll_loss": "cross_entropy", "NLLLoss": "CrossEntropyLoss"},
    ):
        found = [call for call in calls(tree, "|".join(names)) if isinstance(call.func, ast.Attribute)]
        pairs = [
            (call.func, f"{text.of(call.func.value)}.{names[last(call)]}")
            for call in found
            if isinstance(call.func, ast.Attribute)
        ]
        if pairs:
            yield text.with_expressions(pairs)
            return


def _of_real_values(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A loss for one class of several becomes the one that the targets want."""
    several = "binary_cross_entropy_with_logits, as" in finding.fix
    function, layer = ("binary_cross_entropy_with_logits", "BCEWithLogitsLoss") if several else ("mse_loss", "MSELoss")
    names = {"CrossEntropyLoss": layer, "cross_entropy": function}
    found = [c for c in calls(ast.parse(text.source), "|".join(names)) if isinstance(c.func, ast.Attribute)]
    if found and re.match(rf"{function}\b", finding.fix):
        yield text.with_expressions(
            (call.func, f"{text.of(call.func.value)}.{names[last(call)]}")
            for call in found
            if isinstance(call.func, ast.Attribute)
        )


def _as_often(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Labels that are said again each for itself, `np.repeat(y, 2)`, are said again as a whole, `np.tile(y, 2)`, as the
    rows beside them; and the other way round."""
    names = {"repeat": "tile", "tile": "repeat"}
    for call in calls(ast.parse(text.source), "repeat|tile"):
        of_numpy = isinstance(call.func, ast.Attribute) and text.of(call.func.value) in ("np", "numpy")
        if of_numpy and isinstance(call.func, ast.Attribute) and len(call.args) == 2 and not call.keywords:
            yield text.with_expression(call.func, f"{text.of(call.func.value)}.{names[last(call)]}")
    for call in calls(ast.parse(text.source), "repeat_interleave"):
        if isinstance(call.func, ast.Attribute) and len(call.args) == 1 and not call.keywords:
            yield text.with_expression(call.func, f"{text.of(call.func.value)}.repeat")


def _next_batch(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A batch that is drawn anew in each turn of a loop over batches goes: the loop's own is used."""
    tree = ast.parse(text.source)
    for loop in loops(tree):
        if not isinstance(loop, ast.For):
            continue
        given = assigned(loop.target)
        for node in loop.body:
            if isinstance(node, ast.Assign) and given and given <= assigned(node) and len(given) > 1:
                yield text.without(node)
    made = {
        ast.unparse(node.targets[0]): node.value
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and len(node.targets) == 1 and _is_iterator(node.value)
    }
    for node in ast.walk(tree):  # `x, y = next(iter(loader))` before a loop that makes as many steps
        body = getattr(node, "body", None)
        for one, following in itertools.pairwise(body) if isinstance(body, list) else ():
            loader = _first_of(one.value, made) if isinstance(one, ast.Assign) else None
            if not isinstance(one, ast.Assign) or not isinstance(following, ast.For) or loader is None:
                continue
            if {n.id for part in following.body for n in ast.walk(part) if isinstance(n, ast.Name)} & assigned(
                following.target
            ):  # its number is used
                drawn = f"{text.of(one.targets[0])} = next(batches)"
                kept = Text(text.before(following.body[0], drawn))
                yield kept.with_expression(
                    one, f"batches = (batch for _ in iter(int, 1) for batch in {text.of(loader)})"
                )
            else:
                head = f"for {text.of(one.targets[0])} in {text.of(loader)}:"
                old = text.lines[following.lineno - 1]
                indent = old[: len(old) - len(old.lstrip())]
                lines = list(text.lines)
                lines[following.lineno - 1] = f"{indent}{head}\n"
                yield Text("".join(lines)).without(one)


def _is_iterator(value: ast.expr) -> bool:
    return isinstance(value, ast.Call) and last(value) == "iter" and len(value.args) == 1


def _first_of(value: ast.expr, made: dict[str, ast.expr]) -> ast.expr | None:
    """The loader of `next(iter(loader))`, or of `next(rows)` with `rows = iter(loader)` before."""
    if not (isinstance(value, ast.Call) and last(value) == "next" and value.args):
        return None
    inner = made.get(ast.unparse(value.args[0]), value.args[0])
    return inner.args[0] if isinstance(inner, ast.Call) and _is_iterator(inner) else None


def _same_rows(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Two things that are indexed beside each other take the same index; an order that only one was given goes."""
    tree = ast.parse(text.source)
    for node in ast.walk(tree):
        sides = node.elts if isinstance(node, ast.Tuple) and isinstance(node.ctx, ast.Load) else []
        indexed = [side for side in sides if isinstance(side, ast.Subscript)]
        if len(indexed) == 2 and ast.unparse(indexed[0].slice) != ast.unparse(indexed[1].slice):
            yield text.with_expression(indexed[1].slice, text.of(indexed[0].slice))
    for loop in loops(tree)[-1:]:
        rows = [
            n
            for n in ast.walk(loop)
            if isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Load) and isinstance(n.value, ast.Name)
        ]
        rows.sort(key=lambda n: (n.lineno, n.col_offset))
        slices = {ast.unparse(n.slice): n for n in rows}
        if len({ast.unparse(n.value) for n in rows}) >= 2 and len(slices) == 2:
            first, second = rows[0], next(n for n in rows if ast.unparse(n.slice) != ast.unparse(rows[0].slice))
            yield text.with_expression(second.slice, text.of(first.slice))
    for node in ast.walk(tree):  # `y = y[torch.randperm(len(y))]`
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Subscript) and calls(node.value.slice, DRAWN):
            if ast.unparse(node.targets[0]) == ast.unparse(node.value.value):
                yield text.without(node)
        elif isinstance(node, ast.Expr) and isinstance(node.value, ast.Call) and last(node.value) == "shuffle":
            yield text.without(node)


def _in_any_order(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Rows that are cut out one slice after the other are put into an order by chance before."""
    tree = ast.parse(text.source)
    path = to_nn(text).removesuffix("nn")
    around = loops(tree)
    names: dict[str, None] = {}
    for node in ast.walk(around[-1]) if around else ():
        if isinstance(node, ast.Subscript) and isinstance(node.slice, ast.Slice) and isinstance(node.value, ast.Name):
            names[node.value.id] = None
    if len(names) >= 2 and path:
        both = ", ".join(names)
        mixed = ", ".join(f"{name}[mixed]" for name in names)
        one = next(iter(names))
        yield Text(text.before(around[0], f"mixed = {path}randperm(len({one}))")).source.replace(
            f"mixed = {path}randperm(len({one}))\n",
            f"mixed = {path}randperm(len({one}))\n{' ' * around[0].col_offset}{both} = {mixed}\n",
        )


def _stopped(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """As many epochs as were best for the evaluation."""
    seen = next((d for d in finding.details if "best" in d), None)
    for loop in loops(ast.parse(text.source))[:1] if seen else ():
        if isinstance(loop, ast.For) and isinstance(loop.iter, ast.Call) and last(loop.iter) in ("range", "trange"):
            end = loop.iter.args[0 if len(loop.iter.args) == 1 else 1]
            part = (seen["best"] / max(seen["steps"], 1)) if seen else 1.0
            fixed = isinstance(end, ast.Constant) and isinstance(end.value, int)
            fewer = f"round({part:.3g} * {bracketed(end, text)})"
            yield text.with_expression(end, str(max(round(part * ast.literal_eval(end)), 1)) if fixed else fewer)


def _decayed(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Weights that are drawn to 0 in each step by as much as helped in a fork."""
    decay = next((d["decay"] for d in finding.details if "decay" in d), None)
    for at, _ in trained(ast.parse(text.source), text)[:1] if decay else ():
        for call in calls(at, "Adam|AdamW|SGD")[:1]:
            changed = Text(with_option(call, "weight_decay", f"{decay:.3g}", text))
            again = next(iter(calls(ast.parse(changed.source), last(call))), None)
            apart = again is not None and isinstance(again.func, ast.Attribute) and last(call) == "Adam"
            if apart and again is not None and isinstance(again.func, ast.Attribute):
                yield changed.with_expression(again.func, f"{changed.of(again.func.value)}.AdamW")
            else:
                yield changed.source


PATCHES: dict[str, tuple[Patch, ...]] = {
    "too-few-updates": (_for_each_batch, _longer),
    "overfitting": (_stopped, _decayed),
    "lr-too-low": (_faster_by_hand,),
    "lr-too-high": (_faster_by_hand,),
    "late-instability": (_faster_by_hand,),
    "loss-sign-flipped": (_not_negative,),
    "detached-gradient": (_connected,),
    "log-of-zero": (_within,),
    "non-finite-data": (_filled,),
    "class-imbalance": (_weighted,),
    "wrong-loss-for-task": (_of_logits, _of_real_values),
    "low-coverage": (_next_batch,),
    "labels-misaligned": (_same_rows, _as_often),
    "unshuffled-data": (_in_any_order,),
}
