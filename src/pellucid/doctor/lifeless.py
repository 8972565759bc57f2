"""A loop whose passes all take a step of no length: its weights rest, whatever values a fork gives them."""

from __future__ import annotations

import ast
from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.doctor.process.controller import Controller
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.places import trees
from pellucid.doctor.process.scout import is_named, moved_again
from pellucid.doctor.process.steps import read_for_step, root, step
from pellucid.doctor.report import Finding

LOOK = (
    "look where the gradient is computed: a derivative of an output that was rounded to 0 or 1, o * (1 - o), a "
    "difference of two losses at one and the same place, a mask that nothing passes, or an array of zeros that is "
    "never filled"
)
MANY = 4  # passes, in which nothing has moved
OFTEN, EXACTLY = 20, 1e-6  # passes that move the same; how much of a change may be lost


def finding(controller: Controller) -> Finding | None:
    """Where weights are updated in every pass and never move: their gradients are zero."""
    loops = controller.program.loops
    for number, still in sorted(controller.lifeless.items(), key=lambda item: loops.loops[item[0]].line):
        loop = loops.loops[number]
        found = step(loops.sources, loop.file, loop.line, {root(name) for name in still})
        if found is not None and controller.scout.loops[number].count >= MANY:
            file, line, names = *found[:2], [name for name in still if root(name) == found[2]]
            whole = whole_numbers(loops.sources, controller.program.main.__dict__)
            file, line = whole[:2] if whole else (file, line)
            return Finding(
                "wrong-backward",
                "error",
                0.9,
                f"No pass of the loop in line {loop.line} moves {', '.join(names)}, neither from the values that the "
                "program gives them nor from random ones, though each pass updates them.",
                f"{whole[2]} holds whole numbers, and what is put into it is cut off to them: to zero."
                if whole
                else "What is subtracted from the weights is zero in every pass: the gradient is.",
                f"give {whole[2]} numbers with a fraction: dtype=float" if whole else LOOK,
                file,
                line,
                loops.line(file, line),
                mistake="zero-gradient",
            )
    return _unheard(controller)


def whole_numbers(sources: dict[str, str], names: Mapping[str, Any]) -> tuple[str, int, str] | None:
    """The line that makes an array of whole numbers, all of them zero, into which something is put that is computed.

    >>> whole_numbers({"a.py": "d = np.zeros_like(t)\\nd[0] = e * o"}, {"d": np.zeros(1, dtype=int)})
    ('a.py', 1, 'd')
    """
    for file, tree in trees(sources):
        assigned = [n for n in ast.walk(tree) if isinstance(n, ast.Assign) and len(n.targets) == 1]
        filled = {
            ast.unparse(target.value)
            for node in assigned
            if isinstance(target := node.targets[0], ast.Subscript) and isinstance(node.value, ast.BinOp)
        }
        for node in assigned:
            name = ast.unparse(node.targets[0])
            value = names.get(name)
            is_whole = isinstance(value, np.ndarray) and value.dtype.kind in "iu" and not value.any()
            if name in filled and isinstance(node.value, ast.Call) and is_whole:
                return file, node.lineno, name
    return None


def _unheard(controller: Controller) -> Finding | None:
    """Where a parameter moves in every pass, by a step that is computed with it, and is the same whatever it is: what
    is computed of it does not depend on it."""
    loops = controller.program.loops
    for number, found in controller.rejected.items():
        loop, seen = loops.loops[number], controller.scout.loops[number]
        if not isinstance(found, Parameters) or seen.count < OFTEN:
            continue
        for name, share in found.response.items():
            if not is_named(name) or abs(share - 1) > EXACTLY or name not in moved_again(seen):
                continue
            at = read_for_step(loops.sources, loop.file, loop.line, name)
            if at is not None and step(loops.sources, loop.file, loop.line, {root(name)}) is not None:
                return Finding(
                    "input-ignored",
                    "error",
                    0.9,
                    f"Each pass of the loop in line {loop.line} moves {name}, and by as much whatever {name} is: small "
                    "changes of it and large ones leave all that is computed as it was.",
                    f"What is computed with {name} here does not depend on it: the output is one number for all rows.",
                    "look what the function gives for different inputs: exp(z) / exp(1 + z) is 1 / e for every z, and "
                    "exp(z) / (1 + exp(z)) is the sigmoid",
                    *at,
                    loops.line(*at),
                )
    return None
