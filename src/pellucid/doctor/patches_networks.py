"""Repairs of networks: their first weights, their activations, the size of what they are given and of gradients."""

from __future__ import annotations

import ast
import difflib
import re
from collections.abc import Callable, Iterator

from pellucid.doctor.calls import assigned, calls, last, loops, to_nn, trained, with_option
from pellucid.doctor.edits import Text
from pellucid.doctor.finding import Finding
from pellucid.doctor.patches_scale import both_to_scale, to_scale

Patch = Callable[[Finding, ast.stmt, Text], Iterator[str]]
LAYERS = r"Linear|Conv[123]d"


def _drawn_anew(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """First weights as layers have them by themselves, right before the training; then, of the usual size."""
    tree = ast.parse(text.source)
    made = trained(tree, text)
    for at, name in made[:1]:
        whole = name.split(".")[0]
        again = f"{whole}.apply(lambda layer: layer.reset_parameters() if hasattr(layer, 'reset_parameters') else None)"
        drawn = f"[{to_nn(text)}.init.xavier_uniform_(p) for p in {whole}.parameters() if p.dim() > 1]"
        around = [loop for loop in loops(tree) if loop.lineno > at.lineno and loop.col_offset == at.col_offset][:1]
        yield text.before(around[0], again) if around else text.after(at, again)
        yield text.before(around[0], drawn) if around else text.after(at, drawn)


def _clipped(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Gradients clipped before each step; and first weights drawn anew beside that."""
    tree = ast.parse(text.source)
    names = list(dict.fromkeys(name.split(".")[0] for _, name in trained(tree, text)))
    for node in ast.walk(tree):
        call = node.value if isinstance(node, ast.Expr) else None
        if isinstance(node, ast.Expr) and isinstance(call, ast.Call) and last(call) == "step" and names:
            given = f"{names[0]}.parameters()"
            if "sched" in text.of(call.func):
                continue
            changed = text.before(node, f"{to_nn(text)}.utils.clip_grad_norm_({given}, 1.0)")
            yield changed
            yield from list(_drawn_anew(finding, statement, Text(changed)))[::-1]
            return


def _unclipped(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    found = re.search(r"reach: ([\d.e+-]+)", finding.fix)
    for call in calls(statement, r"clip_grad_\w+") if found else ():
        if len(call.args) > 1:
            yield text.with_expression(call.args[1], f"{float(found[1]):g}" if found else "")


BENT = {"Sigmoid": "ReLU", "Tanh": "ReLU", "sigmoid": "relu", "tanh": "relu"}


def _rectified(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Sigmoids and tanhs between layers become rectifiers: all of them, or those of the line."""
    tree = ast.parse(text.source)
    outputs: set[int] = set()
    for node in ast.walk(tree):
        if isinstance(node, ast.Return) and node.value is not None:
            outputs.add(id(node.value))
        if isinstance(node, ast.Call) and last(node) == "Sequential" and node.args:
            outputs.add(id(node.args[-1]))
    every = [c for c in calls(tree, "|".join(BENT)) if id(c) not in outputs]
    here = calls(statement, "|".join(BENT))
    if "torch.tanh" in finding.fix and calls(statement, "sigmoid"):
        yield text.with_expressions(_renamed(call, "tanh", text) for call in calls(statement, "sigmoid"))
    written = {(call.lineno, call.col_offset) for call in every}
    for chosen in (every, [*every, *(c for c in here if (c.lineno, c.col_offset) not in written)]):
        if chosen:
            yield text.with_expressions(_renamed(call, BENT[last(call)], text) for call in chosen)


def _renamed(call: ast.Call, new: str, text: Text) -> tuple[ast.expr, str]:
    """What is called, under another name: `torch.tanh` as `torch.relu`."""
    head = f"{text.of(call.func.value)}." if isinstance(call.func, ast.Attribute) else ""
    return call.func, head + new


def _leaky(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """Rectifiers with a slope where they are off."""
    named = {"ReLU": "LeakyReLU", "relu": "leaky_relu"}
    found = calls(ast.parse(text.source), "ReLU|relu")
    pairs: list[tuple[ast.expr, str]] = []
    for call in found:
        if last(call) == "relu":
            method = isinstance(call.func, ast.Attribute) and not re.match(r"torch|F$|nn", text.of(call.func.value))
            if method or not call.args:
                return
            pairs.append((call.func, f"{to_nn(text)}.functional.leaky_relu"))
        else:
            pairs.append(_renamed(call, named["ReLU"], text))
    if pairs:
        yield text.with_expressions(pairs)


def _taken(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`F.relu(x)`, whose result nobody takes, as `x = F.relu(x)`."""
    call = statement.value if isinstance(statement, ast.Expr) else None
    if isinstance(call, ast.Call) and "x = F.relu(x)" in finding.fix:
        by_method = call.func.value if isinstance(call.func, ast.Attribute) and not call.args else None
        given = call.args[0] if call.args else by_method
        if isinstance(given, ast.Name):
            yield text.with_expression(call, f"{given.id} = {text.of(call)}")


def _bent(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """An activation after each layer but the last: within Sequential, and where a forward calls one after the other."""
    tree = ast.parse(text.source)
    for stack in calls(tree, "Sequential"):
        after: list[tuple[ast.expr, str]] = []
        for one, following in zip(stack.args, stack.args[1:], strict=False):
            if _is_layer(one) and _is_layer(following):
                after.append((one, f"{text.of(one)}, {to_nn(text)}.ReLU()"))
        if after:
            last_one = stack.args[-1]
            if not _next_is_output(stack, tree):
                after.append((last_one, f"{text.of(last_one)}, {to_nn(text)}.ReLU()"))
            yield text.with_expressions(after)
            return
    layers = {
        ast.unparse(node.targets[0])
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call) and _is_layer(node.value)
    }
    for forward in (n for n in ast.walk(tree) if isinstance(n, ast.FunctionDef) and n.name == "forward"):
        used = [c for c in ast.walk(forward) if isinstance(c, ast.Call) and ast.unparse(c.func) in layers]
        used.sort(key=lambda c: (c.end_lineno or 0, c.end_col_offset or 0))  # an inner call ends before its outer one
        inner = used[:-1]
        source = text
        for call in sorted(inner, key=lambda c: (c.lineno, c.col_offset)):
            at = next((c for c in _again(source) if ast.unparse(c) == ast.unparse(call)), None)
            if at is not None:
                source = Text(source.with_expression(at, f"{source.of(at)}.relu()"))
        if source is not text:
            yield source.source
            return


def _again(text: Text) -> list[ast.Call]:
    return [node for node in ast.walk(ast.parse(text.source)) if isinstance(node, ast.Call)]


def _is_layer(node: ast.expr) -> bool:
    return isinstance(node, ast.Call) and re.fullmatch(LAYERS, last(node)) is not None


def _next_is_output(stack: ast.Call, tree: ast.AST) -> bool:
    """Whether a stack of layers ends in the output of the network: nothing is called on its result."""
    for node in ast.walk(tree):
        if isinstance(node, ast.Assign) and node.value is stack and ast.unparse(node.targets[0]).startswith("self."):
            name = ast.unparse(node.targets[0])
            uses = [c for c in ast.walk(tree) if isinstance(c, ast.Call) and ast.unparse(c.func) == name]
            returned = [n.value for n in ast.walk(tree) if isinstance(n, ast.Return)]
            return any(use is value for use in uses for value in returned)
    return True


def _one_unit(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A softmax over one unit becomes a sigmoid; before a loss that takes logits, it goes."""
    for call in calls(statement, "Softmax|softmax"):
        by_logits = re.search(r"with_?logits", text.source, re.I) is not None
        if last(call) == "Softmax":
            yield text.with_expression(call, f"{to_nn(text)}.{'Identity' if by_logits else 'Sigmoid'}()")
        elif isinstance(call.func, ast.Attribute):
            module = re.fullmatch(r"torch|F|(torch\.)?nn\.functional", text.of(call.func.value)) is not None
            given = text.of(call.args[0] if module and call.args else call.func.value)
            yield text.with_expression(call, given if by_logits else f"({given}).sigmoid()")


def _batch_first(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A recurrence or attention that takes its axis of time first, told that the batch is."""
    kinds = r"LSTM|GRU|RNN|MultiheadAttention|Transformer(?:Encoder|Decoder)Layer"
    for call in calls(ast.parse(text.source), kinds):
        if not any(keyword.arg == "batch_first" for keyword in call.keywords):
            yield with_option(call, "batch_first", "True", text)


def _by_its_forward(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """A Function whose own backward is left out: what its forward computes is differentiated as it is."""
    line = finding.line or 0
    for kind in ast.walk(ast.parse(text.source)):
        if not isinstance(kind, ast.ClassDef) or not kind.lineno <= line <= (kind.end_lineno or 0):
            continue
        forward = next((n for n in kind.body if isinstance(n, ast.FunctionDef) and n.name == "forward"), None)
        if forward is None or not any("Function" in ast.unparse(base) for base in kind.bases):
            continue
        kept = '"save_for_backward": lambda *kept: None, "mark_non_differentiable": lambda *kept: None'
        context = forward.args.args and forward.args.args[0].arg == "ctx"
        given = f'type("Context", (), {{{kept}}})(), *given' if context else "*given"
        yield text.after(kind, f"{kind.name}.apply = lambda *given: {kind.name}.forward({given})")


def _used(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """What takes the place of the input within a network, such as `torch.zeros_like(x)` or `0 * x`, becomes it."""
    for forward in (n for n in ast.walk(ast.parse(text.source)) if isinstance(n, ast.FunctionDef)):
        for node in ast.walk(forward) if forward.name == "forward" else ():
            if isinstance(node, ast.Call) and re.fullmatch(r"\w+_like", last(node)) and node.args:
                yield text.with_expression(node, text.of(node.args[0]))
            elif isinstance(node, ast.BinOp) and isinstance(node.op, ast.Mult):
                for zero, other in ((node.left, node.right), (node.right, node.left)):
                    if isinstance(zero, ast.Constant) and zero.value == 0:
                        yield text.with_expression(node, text.of(other))
            elif isinstance(node, ast.Subscript) and "the last step" in finding.fix and _is_first(node.slice):
                yield text.with_expression(node.slice, ":, -1")
        if forward.name == "forward":
            yield from _read_instead(forward, text)


def _read_instead(forward: ast.FunctionDef, text: Text) -> Iterator[str]:
    """A name that the forward computes from its input and never reads, in the place of one that is not made of it."""
    inputs = {argument.arg for argument in forward.args.args[1:]}
    names = [n for n in ast.walk(forward) if isinstance(n, ast.Name)]
    read = {n.id for n in names if isinstance(n.ctx, ast.Load)}
    unread = list(dict.fromkeys(n.id for n in names if isinstance(n.ctx, ast.Store) and n.id not in read))
    known = set(inputs)  # what is made of the input
    for node in sorted((n for n in ast.walk(forward) if isinstance(n, ast.Assign)), key=lambda n: n.lineno):
        if any(isinstance(n, ast.Name) and n.id in known for n in ast.walk(node.value)) and not _only_shape(
            node, known
        ):
            known |= assigned(node)
    returned = [n.value for n in ast.walk(forward) if isinstance(n, ast.Return) and n.value is not None]
    for value in returned:
        for node in ast.walk(value):
            own = isinstance(node, ast.Name) and node.id not in known | {"self"} and node.id in assigned(forward)
            alike = _alike(unread, ast.unparse(node)) if own else []
            for name in alike:
                if isinstance(node, ast.Name) and name in known:
                    yield text.with_expression(node, name)


def _alike(names: list[str], to: str) -> list[str]:
    """The names that are most like another first."""
    return sorted(names, key=lambda name: -difflib.SequenceMatcher(a=name, b=to).ratio())


def _only_shape(node: ast.Assign, known: set[str]) -> bool:
    """Whether all that a value takes of these names is their size, as `torch.zeros(1, x.size(0), 8)`."""
    sized = {
        id(n.value)
        for n in ast.walk(node.value)
        if isinstance(n, ast.Attribute) and n.attr in ("size", "shape", "device", "dtype", "dim")
    }
    counted = {id(c.args[0]) for c in calls(node.value, "len") if c.args}
    used = [n for n in ast.walk(node.value) if isinstance(n, ast.Name) and n.id in known]
    return all(id(n) in sized | counted for n in used)


def _is_first(index: ast.expr) -> bool:
    return ast.unparse(index).strip("()") == ":, 0"


def _other_way_round(finding: Finding, statement: ast.stmt, text: Text) -> Iterator[str]:
    """`mask = ids != PAD` becomes `mask = ids == PAD`, where a mask is said to be the wrong way round."""
    turned = {"!=": "==", "==": "!="}
    for node in ast.walk(ast.parse(text.source)) if "mask" in finding.fix else ():
        given = node.value if isinstance(node, ast.Assign | ast.keyword) else None
        name = node.arg if isinstance(node, ast.keyword) else " ".join(assigned(node)) if given else ""
        if isinstance(given, ast.Compare) and re.search("mask|pad", name or "", re.I) and len(given.ops) == 1:
            first, second = text.of(given.left), text.of(given.comparators[0])
            sign = "!=" if isinstance(given.ops[0], ast.NotEq) else "=="
            if isinstance(given.ops[0], ast.Eq | ast.NotEq):
                yield text.with_expression(given, f"{first} {turned[sign]} {second}")


PATCHES: dict[str, tuple[Patch, ...]] = {
    "init-too-small": (_drawn_anew,),
    "init-too-large": (_drawn_anew,),
    "symmetric-init": (_drawn_anew,),
    "dead-units": (_drawn_anew, _leaky),
    "exploding-gradients": (_clipped,),
    "lr-too-low": (_unclipped,),
    "vanishing-gradients": (_rectified,),
    "no-nonlinearity": (_taken, _bent),
    "input-not-scaled": (both_to_scale, to_scale),
    "feature-scale-mismatch": (to_scale,),
    "softmax-single-unit": (_one_unit,),
    "wrong-backward": (_by_its_forward,),
    "samples-mixed": (_batch_first,),
    "input-ignored": (_other_way_round, _used),
}
