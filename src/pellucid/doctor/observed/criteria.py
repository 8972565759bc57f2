"""Where a program makes the loss that it calls: the line that another loss, or weights for it, would change."""

from __future__ import annotations

import ast
from pathlib import Path

from pellucid.doctor.edits import statement_at
from pellucid.doctor.report import Finding
from pellucid.doctor.sources import text_of

from .findings import show

OF_THE_LOSS = ("class-imbalance", "wrong-loss-for-task")


def made_at(file: str, line: int) -> int | None:
    """The line of `criterion = nn.CrossEntropyLoss()`, where a line calls it; None where it calls none, or it is made
    in several places.

    Raises:
        OSError, SyntaxError, ValueError: the file cannot be read.
    """
    tree = ast.parse(text_of(Path(file)))
    statement = statement_at(tree, line)
    calls = [] if statement is None else [n for n in ast.walk(statement) if isinstance(n, ast.Call)]
    called = {ast.unparse(call.func) for call in calls}
    made = [
        node.lineno
        for node in ast.walk(tree)
        if isinstance(node, ast.Assign) and isinstance(node.value, ast.Call)
        if ast.unparse(node.value.func).endswith("Loss") and {ast.unparse(target) for target in node.targets} & called
    ]
    return made[0] if len(made) == 1 else None


def placed(findings: list[Finding]) -> None:
    """Have what another loss would mend stand where the loss is made."""
    for finding in findings:
        if finding.cause not in OF_THE_LOSS or finding.line is None or not (finding.file or "").endswith(".py"):
            continue
        line = made_at(str(finding.file), finding.line)
        if line is not None:
            show(finding, str(finding.file), line)
