"""A loop whose passes all take a step of no length: its weights rest, whatever values a fork gives them."""

from __future__ import annotations

from pellucid.doctor.process.controller import Controller
from pellucid.doctor.process.steps import root, step
from pellucid.doctor.report import Finding

MANY = 4  # passes, in which nothing has moved


def finding(controller: Controller) -> Finding | None:
    """Where weights are updated in every pass and never move: their gradients are zero."""
    loops = controller.program.loops
    for number, still in sorted(controller.lifeless.items(), key=lambda item: loops.loops[item[0]].line):
        loop = loops.loops[number]
        found = step(loops.sources, loop.file, loop.line, {root(name) for name in still})
        if found is not None and controller.scout.loops[number].count >= MANY:
            file, line, names = *found[:2], [name for name in still if root(name) == found[2]]
            return Finding(
                "wrong-backward",
                "error",
                0.9,
                f"No pass of the loop in line {loop.line} moves {', '.join(names)}, neither from the values that the "
                "program gives them nor from random ones, though each pass updates them.",
                "What is subtracted from the weights is zero in every pass: the gradient is.",
                "look where the gradient is computed: a derivative of an output that was rounded to 0 or 1, o * (1 - "
                "o), a difference of two losses at one and the same place, a mask that nothing passes, or an array of "
                "zeros that is never filled",
                file,
                line,
                loops.line(file, line),
                mistake="zero-gradient",
            )
    return None
