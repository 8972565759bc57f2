"""Mistakes at an activation: no derivative, one taken at the wrong point, the mask of something else."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from pellucid.check.autopsy.hypothesis import Hypothesis, TapeCase, line
from pellucid.check.autopsy.regions import KNOWN, Region, known_as, regions
from pellucid.check.mistakes import (
    DERIVATIVE_AT_WRONG_POINT,
    MISSING_ACTIVATION_DERIVATIVE,
    MISSING_STEP,
    STALE_VALUE,
    UNKNOWN,
    WRONG_MASK,
)
from pellucid.check.record.reverse import Change
from pellucid.check.record.rules import ELEMENTWISE, extreme_mask, vjp
from pellucid.check.record.tape import Array, TapeNode

# What is a step of a formula more often than an activation.
ARITHMETIC = {"square", "sqrt", "exp", "log", "1/z"}
SIGMOIDAL = ("tanh", "sigmoid")  # whose derivatives are taken for one another
LONG = 150  # steps of a program of whose loops the passes are not looked at one by one for this
MOST_POINTS = 40  # other arrays at which a derivative is tried
MOST_FORMULAS = 12  # of the program, that are tried as a derivative


def instead(found: list[Region], slopes: list[Array]) -> Change:
    """On the way back through these regions, multiply by something other than their derivatives."""
    return Change(
        jumps={
            region.out.index: (lambda adjoint, region=region, slope=slope: [(region.start, adjoint * slope)])
            for region, slope in zip(found, slopes, strict=True)
        }
    )


def activations(case: TapeCase) -> Iterator[Hypothesis]:
    found = case.selected(regions(case.tape), lambda region: region.out)
    masks = list(_masks(case))
    for group in found.values():
        region = group[0]
        slopes = [member.derivative() for member in group]
        if _is_constant(np.concatenate([slope.ravel() for slope in slopes])):
            continue  # a scaling, not an activation
        name = known_as(region)
        called = name or "this function"
        steps = 0.0 if name else 0.01 * len(region.nodes)
        where = line(region.out)
        derivative = KNOWN[name][1] if name else "f'(z)"
        fixed = not name and all(_is_fixed(member) for member in group)  # dropout: the mask is no function of the input
        yield Hypothesis(
            WRONG_MASK if fixed else MISSING_ACTIVATION_DERIVATIVE,
            instead(group, [np.ones(()) for _ in group]),
            f"The gradient passes the mask of {where} unchanged."
            if fixed
            else f"The gradient passes {called} of {where} unchanged: dz = da, without its derivative.",
            "dz = da * mask, with the mask of the forward pass" if fixed else f"dz = da * ({derivative})",
            region.out,
            (0.75 if name in ARITHMETIC else 1.5 if name else 1.0) - steps,
        )
        if name != "exp" and not fixed:
            yield Hypothesis(
                DERIVATIVE_AT_WRONG_POINT,
                instead(group, [member.out.value for member in group]),
                f"The gradient is multiplied by what {called} of {where} gives, and not by its derivative.",
                f"dz = da * ({derivative})",
                region.out,
                (0.85 if name and name not in ARITHMETIC else 0.6) - steps,
            )
        yield from _of_the_program(case, group, called, derivative)
        switching = all(_is_switch(slope) for slope in slopes)
        if switching:
            yield from _wrong_masks(case, group, slopes, masks, called)
            continue
        with np.errstate(all="ignore"):
            at_output = [member.derivative_at(member.out.value)[0] for member in group]
        yield Hypothesis(
            DERIVATIVE_AT_WRONG_POINT,
            instead(group, at_output),
            f"The derivative of {called} in {where} is taken at its output, and must be taken at its input.",
            f"dz = da * ({derivative}), with z what goes into {called}, not what comes out",
            region.out,
            (0.9 if name else 0.65) - steps,
        )
        if name:
            _, _, by_output, function = KNOWN[name]
            with np.errstate(all="ignore"):
                at_input = [function(member.start.value) for member in group]
            yield Hypothesis(
                DERIVATIVE_AT_WRONG_POINT,
                instead(group, at_input),
                f"The derivative of {name} in {where} is written for its output, {by_output}, and is given its input.",
                f"dz = da * ({by_output}), with a what comes out of {name}",
                region.out,
                1.2,
            )
            for other in SIGMOIDAL if name in SIGMOIDAL else ():
                if other != name:
                    yield Hypothesis(
                        DERIVATIVE_AT_WRONG_POINT,
                        instead(group, [KNOWN[other][3](member.out.value) for member in group]),
                        f"The derivative is that of {other}, {KNOWN[other][2]}; {where} is {name}.",
                        f"dz = da * ({by_output}), with a what comes out of {name}",
                        region.out,
                        0.9,
                    )
        if not isinstance(case.only, int) or len(case.tape.useful()) <= LONG:
            yield from _elsewhere(case, group, slopes, called)
        yield Hypothesis(
            UNKNOWN,
            instead(group, [slope * slope for slope in slopes]),
            f"The derivative of {called} in {where} is multiplied twice.",
            "multiply by the derivative once",
            region.out,
            0.5 - steps,
        )
    yield from _pools(case)


def _of_the_program(case: TapeCase, group: list[Region], called: str, derivative: str) -> Iterator[Hypothesis]:
    """Whatever the backward pass computes, element by element, from the forward pass alone, taken for a derivative:
    a wrong formula where it comes of this activation, else the derivative of another."""
    if len(group) > 1 or case.only not in (None, "calls"):  # of one step of many it says too little
        return
    region = group[0]
    own = {region.start.index, *(node.index for node in region.nodes)}
    useful = {node.index for node in case.tape.useful()}
    seen: set[bytes] = set()
    for node in case.tape.nodes[region.out.index :]:
        if node.index in useful or not node.needs or node.op not in ELEMENTWISE or node.value.size < 2:
            continue
        if not _broadcasts(node.shape, region.out.shape) or node.value.tobytes() in seen:
            continue
        origins = _origins(node, useful)
        if not origins:
            continue
        seen.add(node.value.tobytes())
        if len(seen) > MOST_FORMULAS:
            return
        yield Hypothesis(
            DERIVATIVE_AT_WRONG_POINT,
            instead(group, [node.value]),
            f"What {line(node)} computes is not the derivative of {called} of {line(region.out)}.",
            f"dz = da * ({derivative})",
            region.out,
            0.6 if origins <= own else 0.5,
        )


def _broadcasts(shape: tuple[int, ...], to: tuple[int, ...]) -> bool:
    return len(shape) == len(to) and all(n in (1, m) for n, m in zip(shape, to, strict=True))


def _origins(node: TapeNode, useful: set[int]) -> set[int]:
    """The values of the forward pass that one of the backward pass is computed from, if from nothing else."""
    todo, found, steps = [node], set[int](), 0
    while todo:
        for source in todo.pop().inputs:
            steps += 1
            if source.index in useful:
                found.add(source.index)
            elif source.needs and source.op in ELEMENTWISE and steps < MOST_POINTS:
                todo.append(source)
            elif source.needs or source.value.size > 1:
                return set()
    return found


def _is_fixed(region: Region) -> bool:
    """Whether a region only multiplies by constants."""
    return all(
        node.op in ("multiply", "divide") and sum(source.needs for source in node.inputs) == 1 for node in region.nodes
    )


def _elsewhere(case: TapeCase, group: list[Region], slopes: list[Array], called: str) -> Iterator[Hypothesis]:
    """The derivative at another array's values: of the step before or after, of another layer."""
    region = group[0]
    name = known_as(region)
    by_output = KNOWN[name][3] if name else None

    def hypothesis(mistake: str, values: list[Array], said: str, weight: float) -> Hypothesis:
        return Hypothesis(
            mistake,
            instead(group, values),
            f"The derivative of {called} of {line(region.out)} is taken at {said}.",
            f"take it at what {called} was computed from in this very step",
            region.out,
            weight,
        )

    with np.errstate(all="ignore"):
        if len(group) > 1 and len({member.out.shape for member in group}) == 1:
            still = (
                by_output(np.zeros(region.out.shape))
                if by_output
                else region.derivative_at(np.zeros(region.out.shape))[0]
            )
            yield hypothesis(MISSING_STEP, [still, *slopes[:-1]], "the value of the previous step", 0.95)
            yield hypothesis(MISSING_STEP, [slopes[0], *slopes[:-1]], "the value of the previous step", 0.9)
            yield hypothesis(MISSING_STEP, [*slopes[1:], slopes[-1]], "the value of the next step", 0.9)
        seen: set[bytes] = {member.tobytes() for member in slopes}
        seen |= {member.derivative_at(member.out.value)[0].tobytes() for member in group}
        # nobody writes the derivative of what is only a step of an activation, as of 1/z within a sigmoid
        for values, said in _errors(case, group) if name not in ARITHMETIC else ():
            for slope in (
                [member.derivative_at(value)[0] for member, value in zip(group, values, strict=True)],
                [] if by_output is None else [by_output(value) for value in values],
            ):
                if slope and np.isfinite(slope[0]).all() and slope[0].tobytes() not in seen:
                    yield hypothesis(DERIVATIVE_AT_WRONG_POINT, slope, said, 0.85)
        count = 0
        for node in case.tape.useful():
            shapes = [member for member in group if member.out.shape == node.shape]
            far = case.near is not None and node.index not in case.near
            if far or not shapes or node.value.ndim == 0 or node.op == "assign" or count >= MOST_POINTS:
                continue
            points = [] if by_output is None else [by_output(node.value)]
            points.append(region.derivative_at(node.value)[0] if region.start.shape == node.shape else None)
            for slope in points:
                if slope is None or slope.tobytes() in seen:
                    continue
                seen.add(slope.tobytes())
                count += 1
                values = [slope if member in shapes else own for member, own in zip(group, slopes, strict=True)]
                part = any(node in member.start.inputs for member in group)  # such as a sum without its bias
                mistake = DERIVATIVE_AT_WRONG_POINT if part else STALE_VALUE
                yield hypothesis(mistake, values, f"that of {line(node)}, which is another", 0.7)


def _errors(case: TapeCase, group: list[Region]) -> Iterator[tuple[list[Array], str]]:
    """What is not what the activation was computed from: the error, and the gradient that comes from above."""
    yield [case.adjoint(member.out) for member in group], "the gradient that comes from above"
    yield [case.adjoint(member.start) for member in group], "the gradient that goes down"
    if len(group) > 1:
        return
    out, seen = group[0].out, set[bytes]()
    for node in case.tape.nodes:
        if node.op == "constant" and node.shape == out.shape and node.value.dtype.kind in "fiu":
            error = np.asarray(out.value - node.value, float)
            if error.tobytes() not in seen:
                seen.add(error.tobytes())
                yield [error], "the error"
                yield [-error], "the error"


def _is_constant(slope: Array) -> bool:
    return bool(np.ptp(slope) <= 1e-12 * np.abs(slope).max(initial=1e-300)) if slope.size else True


def _is_switch(slope: Array) -> bool:
    """Whether a derivative takes a few values only: a mask, a rectifier, a sign."""
    return slope.size > 3 and len(np.unique(slope.round(12))) <= 2


def _masks(case: TapeCase) -> Iterator[tuple[TapeNode, Array]]:
    """Every on-or-off pattern in the program, and the signs of its arrays."""
    seen: set[bytes] = set()
    for node in case.tape.nodes:
        if node.value.ndim == 0 or node.op in ("assign",):
            continue
        values = np.asarray(node.value, dtype=float)
        mask = (values > 0).astype(float)
        key = mask.tobytes() + str(mask.shape).encode()
        if key not in seen and 0 < mask.mean() < 1:
            seen.add(key)
            yield node, mask


def _wrong_masks(
    case: TapeCase, group: list[Region], slopes: list[Array], masks: list[tuple[TapeNode, Array]], called: str
) -> Iterator[Hypothesis]:
    region = group[0]
    values = np.unique(np.concatenate([slope.ravel() for slope in slopes]).round(12))
    low, high = values[0], values[-1]
    kind = "mask" if not known_as(region) else f"{called}'s mask"
    yield Hypothesis(
        WRONG_MASK,
        instead(group, [low + high - slope for slope in slopes]),
        f"The {kind} of {line(region.out)} is the wrong way round: the gradient goes where it was shut.",
        "dz = da * (z > 0), not (z < 0)" if called == "relu" else "use the mask of the forward pass as it is",
        region.out,
        1.2,
    )
    for step in (1, -1):  # the mask of the pass of a loop before or after
        if len(group) > 1:
            shifted = [slopes[min(max(i + step, 0), len(slopes) - 1)] for i in range(len(slopes))]
            if all(member.shape == other.shape for member, other in zip(slopes, shifted, strict=True)):
                yield Hypothesis(
                    WRONG_MASK,
                    instead(group, shifted),
                    f"The {kind} of {line(region.out)} is that of another step.",
                    "keep each step's own mask for the way back",
                    region.out,
                    1.0,
                )
    yield Hypothesis(
        WRONG_MASK,
        Change(
            jumps={
                member.out.index: lambda adjoint, member=member: [
                    (member.start, adjoint * (low + (high - low) * (adjoint > 0)))
                ]
                for member in group
            }
        ),
        f"The {kind} of {line(region.out)} is taken from the gradient's own sign.",
        "the mask is where the forward input is positive, not the gradient",
        region.out,
        0.8 if known_as(region) else 0.5,
    )
    if len(group) > 1:
        return
    own = (slopes[0] == high).astype(float)
    for node, mask in masks:
        for candidate, said in ((mask, "positive"), (1 - mask, "not positive")):
            if candidate.shape == own.shape and not np.array_equal(candidate, own):
                yield Hypothesis(
                    WRONG_MASK,
                    instead(group, [low + (high - low) * candidate]),
                    f"The {kind} of {line(region.out)} is not its own: it is where {line(node)} is {said}.",
                    "dz = da * (z > 0), with z what went into this layer"
                    if called == "relu"
                    else "use this layer's mask",
                    region.out,
                    0.9 if said == "positive" else 0.6,
                )


def _pools(case: TapeCase) -> Iterator[Hypothesis]:
    """Maxima: the gradient goes to the largest element alone."""
    for (_, op), nodes in case.groups().items():
        if op not in ("max", "min"):
            continue
        node = nodes[0]

        def spread(pooled: TapeNode, position: int, adjoint: Array, weight: str = "all") -> Array:
            whole = vjp(TapeNode(-1, "sum", pooled.inputs, pooled.attributes, pooled.value, None, True), 0, adjoint)
            mask = extreme_mask(pooled)
            if weight == "all":
                return whole
            if weight == "others":
                return whole * (mask == 0)
            if weight == "even":
                return whole / (mask.size / max(pooled.value.size, 1))
            opposite = TapeNode(
                -1, "min" if pooled.op == "max" else "max", pooled.inputs, pooled.attributes, pooled.value, None, True
            )
            return whole * extreme_mask(opposite)

        for weight, said, mistake in (
            ("all", "every element gets the whole gradient, as if each were the largest", WRONG_MASK),
            ("others", "the gradient goes to the elements that are not the largest", WRONG_MASK),
            ("even", "the gradient is spread evenly, as for a mean", WRONG_MASK),
            ("opposite", "the gradient goes to the smallest element", WRONG_MASK),
        ):
            yield Hypothesis(
                mistake,
                Change(
                    edges={
                        (pooled.index, 0): (lambda n, p, g, weight=weight: spread(n, p, g, weight)) for pooled in nodes
                    }
                ),
                f"At the {op} of {line(node)} {said}.",
                "dx = (x == x.max(…)) * dy",
                node,
                1.0,
            )
