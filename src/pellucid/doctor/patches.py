"""Repairs of programs that train with pellucid or PyTorch's names: optimisers, losses, layers, loaders, modes."""

from __future__ import annotations

import ast
import re
from collections.abc import Callable, Iterator

from pellucid.doctor import (
    patches_data,
    patches_labels,
    patches_modes,
    patches_networks,
    patches_parameters,
    patches_rows,
    patches_targets,
    patches_updates,
)
from pellucid.doctor.calls import (
    ACTIVATION,
    FUNCTION,
    MODULES,
    assigned,
    bracketed,
    calls,
    last,
    to_nn,
    trained,
    with_option,
)
from pellucid.doctor.edits import Text, statement_at
from pellucid.doctor.finding import Finding

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]


def _rate(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    found = re.search(r"lr=([\d.e+-]+)", finding.fix)
    for call in calls(statement, r"[A-Z]\w*") if found else ():
        has = any(keyword.arg == "lr" for keyword in call.keywords)
        if not has and len(call.args) > 1:
            yield text.with_expression(call.args[1], found[1] if found else "")
        elif has or call.args:
            yield with_option(call, "lr", found[1] if found else "", text)


def _lower_rate(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`_rate`; and where the program sets the rate as it goes, `group["lr"] = …`, no more than that."""
    yield from _rate(finding, statement, text)
    found = re.search(r"lr=([\d.e+-]+)", finding.fix)
    for node in ast.walk(ast.parse(text.source)) if found else ():
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        key = target.slice if isinstance(target, ast.Subscript) else None
        if isinstance(node, ast.Assign) and isinstance(key, ast.Constant) and key.value == "lr":
            yield text.with_expression(node.value, f"min({text.of(node.value)}, {found[1] if found else ''})")


def _constant_rate(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Without what changes the rate as the program goes: the steps of a scheduler, `group["lr"] = …`."""
    tree = ast.parse(text.source)
    made = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call)]
    schedulers = {
        text.of(n.targets[0]) for n in made if isinstance(n.value, ast.Call) and re.search(r"LR$", last(n.value))
    }
    for node in ast.walk(tree):
        call = node.value if isinstance(node, ast.Expr) else None
        stepped = call.func if isinstance(call, ast.Call) and isinstance(call.func, ast.Attribute) else None
        steps = stepped is not None and stepped.attr == "step" and text.of(stepped.value) in schedulers
        if steps and isinstance(node, ast.Expr):
            yield text.without(node)
        target = node.targets[0] if isinstance(node, ast.Assign) else None
        key = target.slice if isinstance(target, ast.Subscript) else None
        if isinstance(node, ast.Assign) and isinstance(key, ast.Constant) and key.value == "lr":
            yield text.without(node)


def _once_an_epoch(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`scheduler.step()` behind the loop over the batches that it is in."""
    if "once an epoch" not in finding.fix or not isinstance(statement, ast.Expr):
        return
    around = [n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.For) and _is_in(statement, n)]
    if around:
        inner = max(around, key=lambda loop: loop.lineno)
        moved = Text(text.after(inner, text.of(statement.value)))
        again = statement_at(ast.parse(moved.source), statement.lineno)
        if again is not None:
            yield moved.without(again)


def _is_in(statement: ast.stmt, loop: ast.For) -> bool:
    return loop.lineno < statement.lineno <= (loop.end_lineno or 0)


def _no_decay(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    for call in calls(statement, r"[A-Z]\w*"):
        if any(keyword.arg == "weight_decay" for keyword in call.keywords):
            yield with_option(call, "weight_decay", "1e-4", text)


def _less_penalty(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A hundredth of a penalty that is added to the loss: `loss + 0.01 * (decay * penalty)`."""
    value = getattr(statement, "value", None)
    if "factor" not in finding.fix or not isinstance(value, ast.expr):
        return
    if isinstance(statement, ast.AugAssign):
        yield text.with_expression(value, f"0.01 * {bracketed(value, text)}")
    while isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add):  # of several terms the last one first
        yield text.with_expression(value.right, f"0.01 * {bracketed(value.right, text)}")
        value = value.left


def _less_dropout(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Less of it here, and in each other place where it is as strong, or given by the same name."""
    here = _shares(statement)
    given = {text.of(share) for share in here}
    strong = [share for share in _shares(ast.parse(text.source)) if text.of(share) in given or _is_strong(share)]
    if strong:
        yield text.with_expressions((share, "0.1") for share in strong)
    for call in calls(statement, "[Dd]ropout\\w*") if not here else ():
        yield with_option(call, "p", "0.1", text)


def _shares(tree: ast.AST) -> list[ast.expr]:
    """What is said of how much a dropout leaves out, wherever it is."""
    found: list[ast.expr | None] = []
    for call in calls(tree, r"[Dd]ropout\w*"):
        by_name = next((keyword.value for keyword in call.keywords if keyword.arg == "p"), None)
        place = 0 if last(call)[0] == "D" else 1
        found.append(by_name or (call.args[place] if len(call.args) > place else None))
    return [share for share in found if share is not None]


def _is_strong(share: ast.expr) -> bool:
    return isinstance(share, ast.Constant) and isinstance(share.value, float) and share.value >= 0.65


def _shuffled(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    for call in calls(statement, r"\w*DataLoader"):
        if len(call.args) < 3:
            yield with_option(call, "shuffle", "True", text)


def _averaged(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """reduction="sum" becomes "mean", here or where the loss is made."""
    for call in (*calls(statement, r"\w+"), *calls(ast.parse(text.source), r"\w+")):
        for keyword in call.keywords:
            if keyword.arg == "reduction" and isinstance(keyword.value, ast.Constant) and keyword.value.value == "sum":
                yield text.with_expression(keyword.value, '"mean"')
    for call in calls(statement, "backward"):
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(receiver, ast.BinOp) and isinstance(receiver.op, ast.Mult | ast.Div):
            for side in (receiver.left, receiver.right):
                if not isinstance(side, ast.Constant):
                    yield text.with_expression(call, f"{text.of(side)}.backward()")


def _descending(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    for call in calls(statement, "backward"):
        receiver = call.func.value if isinstance(call.func, ast.Attribute) else None
        if isinstance(receiver, ast.UnaryOp) and isinstance(receiver.op, ast.USub):
            yield text.with_expression(call, f"{text.of(receiver.operand)}.backward()")
    for call in calls(statement, r"[A-Z]\w*"):
        if any(keyword.arg == "maximize" for keyword in call.keywords):
            yield with_option(call, "maximize", "False", text)


def _one_minus(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`1 - overlap` where the overlap is made, or handed to backward()."""
    value = getattr(statement, "value", None)
    if "1 - overlap" not in finding.fix or not isinstance(value, ast.expr):
        return
    for call in calls(value, "backward"):
        if isinstance(call.func, ast.Attribute):
            of_loss = call.func.value
            bare = of_loss if isinstance(of_loss, ast.BinOp) else None
            yield text.with_expression(of_loss, f"1 - {text.of(of_loss)}" if bare else f"(1 - {text.of(of_loss)})")
            return
    whole = bracketed(value, text) if isinstance(value, ast.BinOp | ast.IfExp) else text.of(value)
    yield text.with_expression(value, f"1 - {whole}")


def _other_term(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A term of the loss with its sign turned: `0.5 * kl.sum()`, or the second of `wrong - 0.1 * decay`."""
    value = getattr(statement, "value", None)
    if "this term of the loss" not in finding.fix or not isinstance(value, ast.expr):
        return
    if isinstance(value, ast.BinOp) and isinstance(value.op, ast.Add | ast.Sub):
        sign = "-" if isinstance(value.op, ast.Add) else "+"
        yield text.with_expression(value, f"{text.of(value.left)} {sign} {text.of(value.right)}")
    elif isinstance(value, ast.UnaryOp) and isinstance(value.op, ast.USub):
        yield text.with_expression(value, text.of(value.operand))
    else:
        simple = isinstance(value, ast.BinOp) and isinstance(value.op, ast.Mult | ast.Div)
        whole = text.of(value) if simple else bracketed(value, text)
        of_constant = simple and whole.startswith("-")
        yield text.with_expression(value, whole[1:] if of_constant else f"-{whole}")


def _optimizers(text: Text) -> list[str]:
    """What is stepped in the program, as it is written."""
    steps = calls(ast.parse(text.source), "step")
    written = [text.of(call.func.value) for call in steps if isinstance(call.func, ast.Attribute)]
    return sorted(dict.fromkeys(written), key=lambda name: "sched" in name.lower())


def _zeroed(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    for name in _optimizers(text)[:2]:
        yield text.before(statement, f"{name}.zero_grad()")


def _optimized(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The parameters of another network, no freezing, or the step that is missing."""
    tree = ast.parse(text.source)
    if "optimizer.step()" in finding.fix:
        for node in ast.walk(tree):
            made = node.value if isinstance(node, ast.Assign) else None
            if isinstance(node, ast.Assign) and isinstance(made, ast.Call) and calls(made, "parameters"):
                yield text.after(statement, f"{text.of(node.targets[0])}.step()")
        return
    called = {node.func.id for node in ast.walk(tree) if isinstance(node, ast.Call) and isinstance(node.func, ast.Name)}
    named = assigned(tree)
    for call in calls(statement, "parameters"):
        given = text.of(call.func.value) if isinstance(call.func, ast.Attribute) else ""
        of_list = re.match(r"(\w+)\[", given)
        if of_list and of_list[1] not in called:  # one of a list of layers
            every = f"[p for layer in {of_list[1]} for p in layer.parameters()]"
            yield text.with_expression(call, every)
        if "." in given:  # a part of a network
            yield text.with_expression(call, f"{given.split('.')[0]}.parameters()")
        others = sorted(called & named - {given}, key=lambda name: ("loss" in name or "crit" in name, name))
        for name in others:
            yield text.with_expression(call, f"{name}.parameters()")
        for name in others if given else ():  # halves that are trained together
            yield text.with_expression(call, f"[*{name}.parameters(), *{given}.parameters()]")
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and ast.unparse(node.targets[0]).endswith(".requires_grad"):
            yield text.with_expression(node.value, "True")


def _without_activation(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`nn.Softmax(dim=1)` becomes `nn.Identity()`, `F.softmax(x, dim=1)` and `x.softmax(1)` become `x`."""
    said = re.search(r"leave (?:the )?(\w+) out", finding.fix)
    name = (said[1] if said else "").replace("_", "").lower()
    layers = [c for c in calls(statement, ACTIVATION) if isinstance(c.func, ast.Attribute) and last(c).lower() == name]
    yield from _last_use(statement, layers, name, text)
    for call in reversed(layers):
        if isinstance(call.func, ast.Attribute):
            yield text.with_expression(call, f"{text.of(call.func.value)}.Identity()")
    for call in reversed(calls(statement, FUNCTION)):
        if last(call).replace("_", "") != name:
            continue
        module = isinstance(call.func, ast.Name) or text.of(call.func).rpartition(".")[0] in MODULES
        if module and call.args:
            yield text.with_expression(call, text.of(call.args[0]))
        elif not module and isinstance(call.func, ast.Attribute):
            yield text.with_expression(call, text.of(call.func.value))


def _last_use(statement: ast.stmt, made: list[ast.Call], name: str, text: Text) -> Iterator[str]:
    """`self.relu = nn.ReLU()`, which is called between layers as well as at the end: not called at the end."""
    tree = ast.parse(text.source)
    alone = isinstance(statement, ast.Assign) and any(statement.value is call for call in made)
    one = {ast.unparse(statement.targets[0])} if alone and isinstance(statement, ast.Assign) else set[str]()
    every = {
        ast.unparse(n.targets[0])
        for n in ast.walk(tree)
        if isinstance(n, ast.Assign) and isinstance(n.value, ast.Call) and last(n.value).lower() == name
    }
    for layer in one or every:
        used = [n for n in ast.walk(tree) if isinstance(n, ast.Call) and ast.unparse(n.func) == layer and n.args]
        used.sort(key=lambda call: (call.end_lineno or 0, call.end_col_offset or 0))
        here = [call for call in used if statement.lineno <= call.lineno <= (statement.end_lineno or 0)]
        if one and len(used) > 1:
            yield text.with_expression(used[-1], text.of(used[-1].args[0]))
        elif not one and here:
            yield text.with_expression(here[-1], text.of(here[-1].args[0]))
        shared = [n for stack in calls(tree, "Sequential") for n in stack.args if ast.unparse(n) == layer]
        if one and len(shared) > 1:
            yield text.with_expression(shared[-1], f"{to_nn(text)}.Identity()")


def _axis(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    found = re.search(r"dim=(-?\d)", finding.fix)
    for call in calls(statement, rf"{ACTIVATION}|{FUNCTION}") if found else ():
        if "softmax" not in last(call).lower():
            continue
        numbers = [a for a in call.args if isinstance(a, ast.Constant | ast.UnaryOp)]
        value = found[1] if found else ""
        yield text.with_expression(numbers[-1], value) if numbers else with_option(call, "dim", value, text)


def _outputs(tree: ast.AST, networks: set[str]) -> Iterator[ast.expr]:
    """What the forward of each of these networks returns, where it returns one thing."""
    kinds = {
        last(node.value)
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and assigned(node) & networks
    }
    for kind in ast.walk(tree):
        if isinstance(kind, ast.ClassDef) and kind.name in kinds:
            forward = [n for n in kind.body if isinstance(n, ast.FunctionDef) and n.name == "forward"]
            returned = [n.value for f in forward for n in ast.walk(f) if isinstance(n, ast.Return) and n.value]
            yield from returned if len(returned) == 1 else ()


def _same_shape(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """The output of the network, or the prediction in the line, loses its axis of length 1, or the target gets one."""
    tree = ast.parse(text.source)
    networks = {name for _, name in trained(tree, text)}
    flat = re.search(r"prediction is \(\d+,\)", finding.evidence) is not None  # and the target has the axis
    if flat:
        for call in calls(statement, r"\w+"):
            if len(call.args) == 2 and "backward" not in text.of(call.func):
                yield text.with_expression(call.args[1], f"{bracketed(call.args[1], text)}.squeeze(-1)")
                yield text.with_expression(call.args[0], f"{bracketed(call.args[0], text)}.unsqueeze(-1)")
    for value in [] if flat else _outputs(tree, networks):
        yield text.with_expression(value, f"{bracketed(value, text)}.squeeze(-1)")
    near = {node.id for node in ast.walk(statement) if isinstance(node, ast.Name)}
    for node in ast.walk(tree):
        value = node.value if isinstance(node, ast.Assign) and assigned(node) & near else None
        if isinstance(value, ast.Call) and text.of(value.func) in networks:
            yield text.with_expression(value, f"{text.of(value)}.squeeze(-1)")
    for call in calls(statement, r"\w+"):
        if len(call.args) == 2 and "backward" not in text.of(call.func):
            yield text.with_expression(call.args[0], f"{bracketed(call.args[0], text)}.squeeze(-1)")
            yield text.with_expression(call.args[1], f"{bracketed(call.args[1], text)}.unsqueeze(-1)")
    for node in ast.walk(statement):
        if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
            yield text.with_expression(node.left, f"{bracketed(node.left, text)}.squeeze(-1)")
            yield text.with_expression(node.right, f"{bracketed(node.right, text)}.squeeze(-1)")


OF_TRAINING: dict[str, tuple[Patch, ...]] = {
    "lr-too-low": (_once_an_epoch, _rate),
    "lr-too-high": (_lower_rate,),
    "late-instability": (_constant_rate, _lower_rate),
    "excessive-weight-decay": (_no_decay, _less_penalty),
    "excessive-dropout": (_less_dropout,),
    "unshuffled-data": (_shuffled,),
    "loss-reduction-scale": (_averaged,),
    "loss-sign-flipped": (_one_minus, _other_term, _descending),
    "missing-zero-grad": (_zeroed,),
    "parameter-not-optimized": (_optimized,),
    "double-softmax": (_without_activation,),
    "activation-before-loss": (_without_activation,),
    "output-range-mismatch": (_without_activation,),
    "softmax-wrong-axis": (_axis, _without_activation),
    "silent-broadcast-loss": (_same_shape,),
}
KINDS = (
    patches_parameters.PATCHES, patches_targets.PATCHES, patches_updates.PATCHES, OF_TRAINING,
    patches_networks.PATCHES, patches_labels.PATCHES, patches_rows.PATCHES, patches_data.PATCHES,
    patches_modes.PATCHES,
)  # fmt: skip
# those of each cause, the likeliest first
PATCHES: dict[str, tuple[Patch, ...]] = {
    cause: tuple(patch for kind in KINDS for patch in kind.get(cause, ())) for cause in {c: 0 for k in KINDS for c in k}
}
