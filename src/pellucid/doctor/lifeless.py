"""A loop whose passes all take a step of no length: its weights rest, whatever values a fork gives them."""

from __future__ import annotations

from pellucid.doctor.process.controller import Controller
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.scout import is_named, moved_again
from pellucid.doctor.process.steps import read_for_step, root, step
from pellucid.doctor.report import Finding

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
    return _unheard(controller)


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
