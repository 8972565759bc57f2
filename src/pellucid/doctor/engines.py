"""Programs with an engine of their own: findings from the local rules of its ops."""

from __future__ import annotations

import ast

from pellucid.doctor.probes.engine import WrongRule, rules
from pellucid.doctor.probes.nodes import PUSHES
from pellucid.doctor.probes.tape import order
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clearing import before_backward
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.parameters import is_of_node
from pellucid.doctor.process.places import trees
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding

CERTAIN = 0.97  # the confidence of a rule that was tried by itself


def has_engine(session: TrainingSession) -> bool:
    """Whether parameters are the numbers of nodes that hold their gradient."""
    groups = session.found.groups
    return any(is_of_node(session.scope, groups[name]) for name in session.found.parameters)


def findings(session: TrainingSession) -> list[Finding]:
    """What is wrong with the ops, each line a finding of its own, the one that most calls speak for first."""
    try:
        seconds = max(2.0, min(6.0 + 2 * session.found.seconds, session.left() / 3))
        wrong: list[WrongRule] = session.lab(rules, session.found.groups, seconds)
    except Lost:
        return []
    handed = _handed(session) if all(rule.kind == "overwrites" for rule in wrong) else ""
    if handed == "right":  # what is set, not added to, is used but once
        return []
    if handed and not wrong:
        return [_of_order(handed, session)]
    by_line: dict[tuple[str, int], list[WrongRule]] = {}
    for rule in wrong:
        by_line.setdefault((rule.file, rule.line), []).append(rule)
    told = sorted(by_line.values(), key=lambda alike: -len(alike))
    return [_finding(alike, session) for alike in told]


def _finding(alike: list[WrongRule], session: TrainingSession) -> Finding:
    mistakes = [rule.mistake for rule in alike]
    mistake = max(set(mistakes), key=mistakes.count)
    rule = next(rule for rule in alike if rule.mistake == mistake)
    name = rule.input
    if rule.kind == "overwrites":
        said = f"The rule of {rule.op} sets the gradient of {name}: a value that is used twice loses the first."
        fix = f"add to it: {name}.grad += …"
    else:
        said = (
            f"The local rule of {rule.op} is wrong for {name}: with some gradient at the output it gives "
            f"{rule.claimed:.4g}, and differences give {rule.true:.4g}."
        )
        fix = f"give {name} the derivative of {rule.op} by {name}, times the gradient of the output"
    inputs = ", ".join(dict.fromkeys(rule.input for rule in alike))
    finding = Finding(
        "wrong-backward",
        "error",
        CERTAIN,
        f"{rule.op} was called by itself, in {len(alike)} cases, and its rule compared with differences: it is wrong "
        f"for {inputs}.",
        said,
        fix,
        mistake=mistake,
    )
    finding.file, finding.line = rule.file, rule.line
    finding.code = session.program.loops.line(rule.file, rule.line)
    return finding


def _handed(session: TrainingSession) -> str:
    """How the engine hands its gradients on, see `tape.order`."""
    found = session.found
    names = [name for name in found.parameters if is_of_node(session.scope, found.groups[name])]
    try:
        seconds = max(2.0, min(4.0 + 12 * found.seconds, session.left() / 4))
        return session.lab(lambda lab: order(lab, names), found.groups, seconds)
    except Lost:
        return ""


def _of_order(handed: str, session: TrainingSession) -> Finding:
    sources = session.program.loops.sources
    if handed == "accumulated":
        finding = Finding(
            "missing-zero-grad",
            "error",
            CERTAIN,
            "After the backward pass the gradients are those of this pass and those that were there before it, and the "
            "update takes the whole.",
            "The gradients of earlier passes are still in: they are added to, and never set to zero.",
            "set every gradient to zero before the backward pass",
            mistake=handed,
        )
        at = before_backward(sources, session.program.loops.loops[session.number]) or updates_of(session)
    else:
        finding = Finding(
            "wrong-backward",
            "error",
            CERTAIN,
            "The rules of all ops are right, and the same rules, each applied once all that its output is used in has "
            "handed its gradient on, give the slope of the loss; the gradients of the program are not that.",
            "The nodes hand their gradients on in the wrong order: a node does so before its own gradient is complete.",
            "go through the nodes from the output back to the inputs: add each to the list after all nodes that it was "
            "made of, and go through the list in reverse",
            mistake=handed,
        )
        at = order_of(sources)
    if at is not None:
        finding.file, finding.line = at
        finding.code = session.program.loops.line(*at)
    return finding


def updates_of(session: TrainingSession) -> tuple[str, int] | None:
    """The line that updates the parameters."""
    source = Assignments.of(session.program.loops.sources)
    found = [(a.file, a.line) for name in session.found.parameters for a in source.updates(session.found.groups[name])]
    return max(found, key=found.count, default=None)


def order_of(sources: dict[str, str]) -> tuple[str, int] | None:
    """Where the order of the nodes is made: where a node is added to the list before the nodes that it was made of are
    gone through, or else the loop that has them hand their gradients on."""
    loops: list[tuple[str, int]] = []
    for file, tree in trees(sources):
        for function in ast.walk(tree):
            if not isinstance(function, ast.FunctionDef) or function.name not in PUSHES:
                continue
            for inner in ast.walk(function):
                if isinstance(inner, ast.FunctionDef) and inner is not function:
                    early = _added_first(inner)
                    if early is not None:
                        return file, early
                if isinstance(inner, ast.For | ast.While):
                    loops.append((file, inner.lineno))
    return max(loops, key=lambda place: place[1], default=None)


def _added_first(function: ast.FunctionDef) -> int | None:
    """The line at which a function that calls itself adds to a list before it does."""
    calls = [
        part.lineno
        for part in ast.walk(function)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Name) and part.func.id == function.name
    ]
    adds = [
        part.lineno
        for part in ast.walk(function)
        if isinstance(part, ast.Call) and isinstance(part.func, ast.Attribute) and part.func.attr == "append"
    ]
    return min(adds) if calls and adds and min(adds) < min(calls) else None
