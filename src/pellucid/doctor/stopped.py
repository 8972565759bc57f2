"""What is said of a loop that ended after so few passes that it was not told whether it trains."""

from __future__ import annotations

import ast
import math
from typing import Any

from pellucid.doctor.probes.losses import ERROR_NAME, LOSS_NAME, SCORE_NAME
from pellucid.doctor.process.controller import Controller
from pellucid.doctor.process.instrument import ProgramLoop
from pellucid.doctor.process.scout import Seen, ever_moved, is_named
from pellucid.doctor.report import Finding

FEW = 2  # passes: in the third one a loop is tested


def stopped(controller: Controller) -> tuple[ProgramLoop, ast.While, Seen] | None:
    """The loop with a condition that ended after its first passes, though these moved what is named like parameters."""
    for number, seen in controller.scout.loops.items():
        loop = controller.program.loops.loops[number]
        few = seen.activation == 1 and 0 < seen.count <= FEW and loop.outer is None and not seen.asked
        if few and any(map(is_named, ever_moved(seen))):
            node = written(controller.program.loops.sources[loop.file], loop.line)
            if node is not None:
                return loop, node, seen
    return None


def written(source: str, line: int) -> ast.While | None:
    """The `while` of this line that has a condition to end by."""
    for node in ast.walk(ast.parse(source)):
        if isinstance(node, ast.While) and node.lineno == line and not isinstance(node.test, ast.Constant):
            return node
    return None


def rising(loop: ast.While) -> tuple[str, str] | None:
    """What has to rise for the loop to go on, and the variable that keeps what it was in the pass before.

    >>> rising(ast.parse("while cost - last > 1e-3:\\n    last = cost\\n    cost = step()").body[0])
    ('cost', 'last')
    >>> rising(ast.parse("while last - cost > 1e-3:\\n    last = cost\\n    cost = step()").body[0])
    """
    test = loop.test
    if not isinstance(test, ast.Compare) or len(test.ops) != 1:
        return None
    more, less = test.left, test.comparators[0]
    if isinstance(test.ops[0], ast.Lt | ast.LtE):
        more, less = less, more
    elif not isinstance(test.ops[0], ast.Gt | ast.GtE):
        return None
    if not isinstance(more, ast.BinOp) or not isinstance(more.op, ast.Sub) or isinstance(less, ast.BinOp):
        return None
    now, before = ast.unparse(more.left), ast.unparse(more.right)
    kept = any(
        isinstance(node, ast.Assign) and ast.unparse(node.targets[0]) == before and ast.unparse(node.value) == now
        for node in loop.body
    )
    return (now, before) if kept else None


def finding(controller: Controller) -> Finding | None:
    """That of a loop that goes on as long as its loss rises: it ends as soon as it learns."""
    found = stopped(controller)
    pair = rising(found[1]) if found is not None else None
    if found is None or pair is None:
        return None
    loop, node, seen = found
    now, before = pair
    names = controller.program.modules()["__main__"]
    last = now.split(".")[-1].lower()
    is_loss = LOSS_NAME.search(last) or ERROR_NAME.search(last)
    if not is_loss or SCORE_NAME.search(last) or not _falls(names.get(now), names.get(before)):
        return None
    passes = "one pass" if seen.count == 1 else f"{seen.count} passes"
    return Finding(
        "too-few-updates",
        "error",
        0.95,
        f"The loop ended after {passes}: {now} fell from {float(names[before]):.4g} to {float(names[now]):.4g}.",
        f"`{ast.unparse(node.test)}` holds as long as {now} rises: the loop ends as soon as it falls, which is what "
        "training is to do.",
        f"write {before} - {now} for {now} - {before}, or abs({now} - {before}), and begin with values that let the "
        "first pass run",
        loop.file,
        loop.line,
        controller.program.loops.line(loop.file, loop.line),
    )


def _falls(now: Any, before: Any) -> bool:
    try:
        return math.isfinite(now) and math.isfinite(before) and float(now) < float(before)
    except (TypeError, ValueError):
        return False


def said(controller: Controller) -> str:
    """What is said of such a loop beside that no training was seen; "" where there is none."""
    found = stopped(controller)
    if found is None:
        return ""
    loop, node, seen = found
    passes = "one pass" if seen.count == 1 else f"{seen.count} passes"
    return (
        f" The loop in line {loop.line}, while {ast.unparse(node.test)}, ended after {passes}, too few to be compared: "
        "look whether its condition is meant so."
    )
