"""A function of the program that computes a derivative: whether it is that of a usual activation at all."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import replace

import numpy as np

from pellucid.check.record.tape import Site, Tape
from pellucid.doctor.probes.lines import of_forward, place
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Value, Values


def _sigmoid(x: np.ndarray) -> np.ndarray:
    return 1 / (1 + np.exp(-x))


# Of what an activation is given, and of what it gives.
USUAL: tuple[Callable[[np.ndarray], np.ndarray], ...] = (
    lambda x: _sigmoid(x) * (1 - _sigmoid(x)),
    lambda x: x * (1 - x),
    lambda x: 1 - np.tanh(x) ** 2,
    lambda x: 1 - x**2,
    lambda x: _sigmoid(x) * (1 + x * (1 - _sigmoid(x))),  # silu
)
FEWEST = 2  # numbers: a single one is a multiple of any other
Line = tuple[str, int]


def wrong_functions(
    tape: Tape, moved: Mapping[str, np.ndarray], lines: set[Line], files: Mapping[str, str]
) -> dict[Line, Line]:
    """For each of these lines of the backward pass that multiplies by what a function of the program makes of one
    value, the line of that function, where what it makes is no usual derivative, neither of an activation's input nor
    of its output: then the function is to blame, and not what it is given there."""
    right = Values(tape, moved)
    found: dict[Line, Line] = {}
    for step in right.steps.values():
        at = place(step.site, files)
        if at not in lines or at is None or step.op not in ("multiply", "mul") or step.nodes[0].index in right.forward:
            continue
        inside = place(_amiss(step, right), files)
        if inside is not None:
            found[at] = inside
    return found


def _amiss(step: Value, right: Values) -> Site | None:
    site = step.site
    factors = [s for s in right.sources(step) if s.needs and s.nodes[0].index not in right.forward]
    inner = [s for s in factors if s.site is not None and site is not None and len(s.site.calls) > len(site.calls)]
    inner = [s for s in inner if of_forward(s, right)]
    if site is None or len(inner) != 1 or inner[0].site is None:
        return None
    factor, depth = inner[0], len(site.calls)
    given = _given(factor, right, depth)
    if given is None or given.value.size != factor.value.size or factor.value.size < FEWEST:
        return None
    x, made = given.value.ravel(), factor.value.ravel()
    with np.errstate(all="ignore"):
        if any(np.isfinite(d := usual(x)).all() and along(made, d) for usual in USUAL) or _is_step(x, made):
            return None
    return _within(inner[0].site, depth)


def _given(factor: Value, right: Values, depth: int) -> Value | None:
    """The one value that the function was given; None where it was several."""
    todo, seen, found = [factor], {factor.index}, dict[int, Value]()
    while todo:
        for source in right.sources(todo.pop()):
            if source.index in seen or not source.needs:
                continue
            seen.add(source.index)
            inside = source.site is not None and len(source.site.calls) > depth
            if inside and source.nodes[0].index not in right.forward:
                todo.append(source)
            else:
                found[source.index] = source
    return next(iter(found.values())) if len(found) == 1 else None


def _is_step(x: np.ndarray, made: np.ndarray) -> bool:
    """Whether the derivative is one number above 0 and another below, as that of a rectifier is."""
    return all(np.ptp(part) == 0 for part in (made[x > 0], made[x < 0]) if part.size)


def _within(site: Site, depth: int) -> Site:
    """The place in the function that was called first, of those that led to `site`."""
    extra = len(site.calls) - depth
    if extra < 4:
        return site
    code, instruction = site.calls[extra - 4 : extra - 2]
    return replace(site, file=code.co_filename, line=instruction // 10_000**2)
