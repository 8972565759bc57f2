"""Programs with an engine of their own: findings from the local rules of its ops."""

from __future__ import annotations

from pellucid.doctor.probes.engine import WrongRule, rules
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.parameters import is_of_node
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
