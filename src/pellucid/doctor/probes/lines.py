"""The line of a recorded backward pass that goes wrong."""

from __future__ import annotations

import re
from collections.abc import Collection, Iterable, Iterator, Mapping
from itertools import pairwise, takewhile
from typing import Any

import numpy as np

from pellucid.check.record.tape import Site, Tape
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Value, Values, layers_of

TERMS = ("add", "subtract")  # of which each is a gradient; of a product one is, and the other a derivative


def place(site: Site | None, files: Any) -> tuple[str, int] | None:
    """A site as a file and a line, if it is in the user's files."""
    return (site.file, site.line) if site is not None and site.file in files else None


def first_wrong(
    tape: Tape, wrong: list[str], given: dict[str, np.ndarray], moved: Mapping[str, np.ndarray], files: Any
) -> tuple[tuple[str, int] | None, bool]:
    """The line of the backward pass that goes wrong: it takes right values, and what it makes is none.
    And whether a value that it takes is multiplied elsewhere by what makes of it another true gradient.

    A value of the backward pass is right if it is, up to a factor and a transposition, the true gradient of a value of
    the forward pass. From the update of a wrong tensor the way leads back through what it was computed from, until all
    that goes in is right, or a parameter that was updated already (`moved`).
    Single numbers that one place computes, turn by turn of a loop, are one value together: those of each layer, or,
    where none is found so, all of them.
    """
    layers = layers_of(tape)
    if any(layers[node.index] and node.value.size == 1 and node.site is not None for node in tape.nodes):
        first = _first_wrong(Values(tape, moved, layers=layers), wrong, given, files)
        if first[0] is not None:
            return first
    return _first_wrong(Values(tape, moved), wrong, given, files)


def _first_wrong(
    right: Values, wrong: list[str], given: dict[str, np.ndarray], files: Any
) -> tuple[tuple[str, int] | None, bool]:
    last = first_alike(right, wrong, given)
    places: dict[tuple[str, int], int] = {}
    derived: set[tuple[str, int]] = set()
    for name, step in last.items():
        taken = _taken(step, name, right)
        culprit = taken or _back(step, right)
        if culprit is None:
            continue
        blamed = _of_helper(culprit, right) or culprit
        at = place(blamed.site, files)
        if at is not None:
            at = _of_caller(blamed, right, files) or at
            places[at] = places.get(at, 0) + 1
            derived |= {at} if taken is None and _is_derived(culprit, right) else set()
    first = max(places, key=lambda at: places[at], default=None)
    return first, first in derived


# Functions that only do arithmetic with what they are given: what is wrong is what they were given.
ARITHMETIC = re.compile(
    r"_*(ele\w*_|elementwise_|vect?(or)?_|mat(rix)?_|scalar_|w_)?"
    r"(mult?(iply|iplication)?|matmul|dot|dot_?prod(uct)?|prod(uct)?|outer(_?prod(uct)?)?|scale|hadamard|add|sub(tract)?|"
    r"transpose)(_\w*)?",
    re.I,
)


def chain(tape: Tape, names: Iterable[str], moved: Mapping[str, np.ndarray], files: Any) -> list[tuple[str, int]]:
    """The lines of the backward pass that the updates of these tensors come by."""
    right = Values(tape, moved)
    led = set[int]().union(*(led_to(name, right) for name in names))
    places = (place(right.steps[index].site, files) for index in sorted(led))
    return list(dict.fromkeys(at for at in places if at is not None))


def _of_caller(culprit: Value, right: Values, files: Any) -> tuple[str, int] | None:
    """The line that calls a function which is not to blame: it only does arithmetic, `vec_mul(scalar, vector)`, or is
    right elsewhere."""
    site, calls = culprit.site, culprit.site.calls if culprit.site is not None else ()
    if site is None or len(calls) < 2:
        return None
    lines = files[site.file].splitlines() if site.file in files else []
    named = [m[1] for row in reversed(lines[: site.line]) if (m := re.match(r"\s*def (\w+)\(", row))]
    code, instruction = calls[0], calls[1]
    if not named or code.co_filename not in files:
        return None
    if not ARITHMETIC.fullmatch(named[0]) and not _is_right_elsewhere(culprit, site, right):
        return None
    return code.co_filename, instruction // 10_000**2


def _is_right_elsewhere(culprit: Value, site: Site, right: Values) -> bool:
    """Whether a line that another call comes by, too, computes the forward pass there; or takes a gradient only here,
    as a derivative that is taken at the error."""
    others = [
        step
        for step in right.steps.values()
        if step.site is not None and step.site.where == site.where and step.site.calls[:2] != site.calls[:2]
    ]
    if any(step.nodes[0].index in right.forward for step in others):
        return True
    if others and _takes_gradient(culprit, right) and not any(_takes_gradient(s, right) for s in others):
        return True
    return _of_gradient_alone(culprit, site, right)


def _of_gradient_alone(culprit: Value, site: Site, right: Values) -> bool:
    """Whether a function was given a true gradient and nothing else: what makes no gradient of it is meant for a value
    of the forward pass, as a derivative is."""
    if right(culprit):  # but for a factor
        return False
    todo, given, within = [culprit], list[Value](), set[int]()
    while todo:
        step = todo.pop()
        within.add(step.index)
        for source in right.sources(step):
            inside = source.site is not None and source.site.calls[:2] == site.calls[:2]
            inside = inside and source.site is not None and source.site.file == site.file and not right(source)
            if inside and source.nodes[0].index not in right.forward and source.index not in within:
                todo.append(source)
            elif source.needs and source.index not in within:
                given.append(source)
    if len({s.index for s in given}) != 1 or given[0].nodes[0].index in right.forward or not right(given[0]):
        return False
    made = given[0].site
    return made is None or made.file != site.file or made.calls[:2] != site.calls[:2]  # not in the same call


def _takes_gradient(step: Value, right: Values) -> bool:
    return any(s.needs and s.nodes[0].index not in right.forward and right(s) for s in right.sources(step))


def _is_derived(culprit: Value, right: Values) -> bool:
    taken = {s.index for s in right.sources(culprit) if s.value.size > 1 and s.needs and right(s)}
    products = [
        s for s in right.steps.values() if s.op in ("multiply", "mul") and s.index not in (culprit.index, *taken)
    ]
    return any(taken & {s.index for s in right.sources(product)} and right(product) for product in products)


def first_alike(right: Values, wanted: Iterable[str], given: Mapping[str, np.ndarray]) -> dict[str, Value]:
    """For each tensor the first value of the backward pass that is its given gradient, up to a factor."""
    names = list(wanted)
    found: dict[str, Value] = {}
    for step in right.steps.values():
        for name in names:
            value = given.get(name)
            if value is None or name in found or step.op == "parameter" or step.site is None:
                continue
            if step.nodes[0].index in right.forward or step.value.size != value.size or right.updated(step, name):
                continue
            if along(step.value, value) if value.size > 1 else _as_large(step.value, value):
                found[name] = step
    for name in names:
        if name not in found and given.get(name) is not None and (step := _by_update(right, name)) is not None:
            found[name] = step
    return found


def _by_update(right: Values, name: str) -> Value | None:
    """Back from the update, where no value has the size of the tensor: one that NumPy broadcast, `db = np.sum(d)`."""
    move = next((s for s in right.steps.values() if s.site is not None and right.updated(s, name)), None)
    found: Value | None = None
    while move is not None:
        before = [s for s in right.sources(move) if s.needs and s.op != "parameter" and s.site is not None]
        before = [s for s in before if s.nodes[0].index not in right.forward]
        if len(before) != 1 or (found is not None and before[0].value.size != found.value.size):
            break
        move = found = before[0]
    return found


def _as_large(first: np.ndarray, other: np.ndarray) -> bool:
    """Of two single numbers, which are multiples of each other whatever they are."""
    return bool(np.allclose(np.abs(first).ravel(), np.abs(other).ravel(), rtol=1e-9, atol=0.0))


def of_factors(
    tape: Tape,
    factors: Mapping[str, float],
    agreed: Iterable[str],
    given: Mapping[str, np.ndarray],
    moved: Mapping[str, np.ndarray],
    files: Any,
) -> dict[str, tuple[str, int]]:
    """For each tensor that is off by a factor, the line that puts it in.

    On the way from the loss to the update, each value is some number times a true gradient. The line is the one where
    that number changes by the factor, and no tensor that is right (`agreed`) comes by; where none does, and the factor
    is below zero, that of the update; else the one that computes the tensor's gradient.
    """
    right = Values(tape, moved)
    lines: dict[str, tuple[str, int]] = {}
    turned: list[tuple[str, int]] = []
    fine = first_alike(right, agreed, given)
    cleared = {
        passed.index
        for step in fine.values()
        for passed in (step, *_chain(step, right), *(_numbers(step, right) if step.value.size == 1 else ()))
    }
    over = [_turned(step, given[name], right) for name, step in fine.items()]
    usual = {value.site for value in over if value is not None}
    for name, step in first_alike(right, factors, given).items():
        steps = [step, *_chain(step, right)] if step.value.size > 1 else [step, *_numbers(step, right)]
        jumps = [
            after
            for after, before in pairwise(steps)
            if after.index not in cleared and _puts_in(factors[name], after, before, right)
        ]
        if jumps:
            culprit = _derivative(jumps[-1], right) or jumps[-1]
        elif step.value.size == 1 and len(steps) > 1:  # what the number was summed up by, before it took the rate
            culprit = [step, *(s for s in steps if s.index not in cleared)][-1]
        elif factors[name] < 0 and step.value.size > 1 and right.times(step) < 0:
            negative = takewhile(lambda s: s.index not in cleared and right.times(s) < 0, steps)
            culprit = [step, *negative][-1]  # where the gradient begins, it has the other sign: y − p for p − y
        elif factors[name] < 0:
            moves = [s for s in right.steps.values() if s.site is not None and right.updated(s, name)]
            culprit = _turned(step, given[name], right, usual) or (moves[0] if moves else step)
        else:
            culprit = _left_out(step, name, factors[name], fine, given, right) or step
        at = _of_caller(culprit, right, files) or place(culprit.site, files)
        if at is not None:
            lines[name] = at
            turned += [at] if step.value.size > 1 and (jumps or right.times(culprit) < 0) else []
    if turned and not cleared and set(factors.values()) == {-1.0}:  # all go up the slope, by one line
        return dict.fromkeys(lines, max(turned, key=turned.count))
    return lines


def _left_out(
    step: Value,
    name: str,
    factor: float,
    fine: Mapping[str, Value],
    given: Mapping[str, np.ndarray],
    right: Values,
) -> Value | None:
    """What leaves a division undone that a right tensor has behind its gradient, `vw = mu * vw - rate * sum_w / m`: the
    value that is made of this gradient in the statement that is like it."""
    own = next((s for s in _onward(step, given[name], right) if _at(s) != _at(step)), None)
    if own is None:
        return None
    for other, begin in fine.items():
        before = begin
        for after in _onward(begin, given[other], right):
            share = float(np.linalg.norm(after.value) / np.linalg.norm(before.value))
            if _near(share * factor, 1.0) and _at(after) != _at(begin):
                return own if _moves(after, other, right) == _moves(own, name, right) else None
            before = after
    return None


def _onward(step: Value, given: np.ndarray, right: Values) -> Iterator[Value]:
    """What is made of a gradient and is one still, one after the other."""
    for after in right.steps.values():
        alike = after.index > step.index and after.value.size == step.value.size and after.value.any()
        if alike and step in right.sources(after) and along(after.value, given):
            step = after
            yield after


def _at(step: Value) -> tuple[str, int] | None:
    return None if step.site is None else (step.site.file, step.site.line)


def _moves(step: Value, name: str, right: Values) -> bool:
    """Whether the line of a value is one that moves the tensor."""
    return any(_at(other) == _at(step) and right.updated(other, name) for other in right.steps.values())


def _turned(step: Value, given: np.ndarray, right: Values, usual: Collection[Site | None] = ()) -> Value | None:
    """What has the other sign than the value that it was made of, behind `step`: the minus of `db = -d.sum(0)`.

    `usual`: where right tensors come by such a minus, as in an update `p += -rate * d`.
    """
    for after in right.steps.values() if step.value.size > 1 else ():
        alike = after.index > step.index and after.value.size == step.value.size and after.site not in usual
        if alike and step in right.sources(after) and along(after.value, given):
            if float(after.value.ravel() @ step.value.ravel()) < 0:
                return after
            step = after
    return None


def _chain(step: Value, right: Values) -> Iterator[Value]:
    """What a value was made of that is a true gradient up to a factor, back to the loss."""
    seen = {step.index}
    while True:
        before = [
            s for s in right.sources(step)
            if s.index not in seen and s.nodes[0].index not in right.forward and s.needs and right(s)
        ]  # fmt: skip
        before = [s for s in before if s.value.size > 1] or before
        if not before:
            return
        step = max(before, key=lambda s: s.index)
        seen.add(step.index)
        yield step


def _numbers(step: Value, right: Values) -> Iterator[Value]:
    """The single numbers of the backward pass that a number was made of, each of the one before it alone: `lr * db`."""
    while True:
        before = [s for s in right.sources(step) if s.needs and s.nodes[0].index not in right.forward]
        if len(before) != 1 or before[0].value.size != 1 or before[0].site is None:
            return
        step = before[0]
        yield step


def _puts_in(factor: float, after: Value, before: Value, right: Values) -> bool:
    """Whether a step puts a factor in; one below zero turns the sign, and its size may be that of a mean, or a rate."""
    if after.value.size == 1 == before.value.size:
        was, now = float(before.value.ravel()[0]), float(after.value.ravel()[0])
    else:
        was, now = right.times(before), right.times(after)
    return was * now < 0 if factor < 0 else _near(now, factor * was)


def _near(value: float, other: float) -> bool:
    return abs(value - other) <= 1e-3 * abs(other)


def _is_moved(step: Value, right: Values) -> bool:
    """Whether a value is one of the forward pass, or one that was turned or copied."""
    node = step.nodes[0]
    while node.op == "move" and node.index not in right.forward:
        node = node.inputs[0]
    return node.index in right.forward


def _taken(step: Value, name: str, right: Values) -> Value | None:
    """Where the whole gradient of another tensor is taken for that of this one: the first value that only the update
    of this one is made of."""
    truth = right.truth(step)
    owners = {n for n, node in right.parameters.items() if truth is not None and truth.whole and node in truth.nodes}
    if not owners or name in owners or step.value.size == 1:  # a number is a multiple of any other
        return None
    led = {owner: led_to(owner, right) for owner in {name, *owners}}
    others = set[int]().union(*(led[owner] for owner in owners))
    alone = [index for index in led[name] - others if index > step.index]
    return right.steps[min(alone)] if step.index in led[name] and alone else None


def led_to(name: str, right: Values) -> set[int]:
    """The values of the backward pass that the update of a tensor is made of, itself among them."""
    after = (s for s in right.steps.values() if s.op != "parameter" and s.nodes[0].index not in right.forward)
    todo = [step for step in after if right.updated(step, name)][:1]
    seen = {step.index for step in todo}
    while todo:
        before = [s for s in right.sources(todo.pop()) if s.index not in seen and s.needs and s.op != "parameter"]
        before = [s for s in before if s.nodes[0].index not in right.forward]
        seen |= {s.index for s in before}
        todo += before
    return seen


def _back(step: Value, right: Values) -> Value | None:
    seen: set[int] = set()
    while step.index not in seen:
        seen.add(step.index)
        sources = _wrong_sources(step, right, seen)
        if not sources:
            return _beginning(step, right)
        step = max(sources, key=lambda s: s.index)
    return step


def _beginning(step: Value, right: Values) -> Value:
    """Where nothing that goes in is a gradient, a backward pass begins with what it makes of the outputs: `d = p - y`.

    The first step that does more than copy them.
    """
    first, seen = step, {step.index}  # the numbers of two places may be made of each other, turn by turn
    while not any(s.needs and right(s) for s in right.sources(step)):
        before = [
            s for s in right.sources(step)
            if s.needs and s.op != "parameter" and s.value.size > 1 and not _is_moved(s, right) and s.index not in seen
        ]  # fmt: skip
        if not before:
            break
        seen |= {s.index for s in before}
        step = max(before, key=lambda s: s.index)
        if step.op != "move":
            first = step
    return first


def origins(step: Value, right: Values) -> list[Value]:
    """All values on the way back that are wrong though what they were computed from is right; the first one first."""
    todo, seen, found = [step], {step.index}, list[Value]()
    while todo:
        here = todo.pop()
        sources = _wrong_sources(here, right, set())
        found += [] if sources else [here]
        todo += [s for s in sources if s.index not in seen]
        seen |= {s.index for s in sources}
    return sorted(found, key=lambda s: s.index)


def behind(step: Value, right: Values) -> list[Value]:
    """The values of the backward pass that a value was made of and that are no true gradients, itself among them."""
    todo, seen, found = [step], {step.index}, list[Value]()
    while todo:
        here = todo.pop()
        if len(here.nodes) == 1 and not right(here):
            found.append(here)
        before = [s for s in right.sources(here) if s.index not in seen and s.needs]
        todo += [s for s in before if s.nodes[0].index not in right.forward and s.op != "parameter"]
        seen |= {s.index for s in before}
    return found


def _wrong_sources(step: Value, right: Values, seen: set[int]) -> list[Value]:
    sources = [
        s for s in right.sources(step)
        if s.nodes[0].index not in right.forward and s.needs and s.op not in ("parameter", "constant")
        and s.index not in seen and not right(s) and not right.updated(s)
        and ((step.op in TERMS and s.value.any() and not _is_decay(s, right)) or not of_forward(s, right))
    ]  # fmt: skip
    return [s for s in sources if s.value.size > 1] or sources


def _is_decay(step: Value, right: Values) -> bool:
    """Whether a value is a multiple of a parameter, as weights that decay beside their gradient are."""
    known = (right.of[node].value for node in right.parameters.values()) if step.value.size > 1 else ()
    return any(step.value.size == value.size and along(step.value, value) != 0 for value in known)


def _of_helper(step: Value, right: Values) -> Value | None:
    """Where a product goes wrong of a right gradient and a factor that a function of the program computes from the
    forward pass alone, as an activation's derivative, that factor; not where it makes a right gradient elsewhere."""
    sources = [s for s in right.sources(step) if s.needs]
    if step.op not in ("multiply", "mul") or not any(right(s) for s in sources) or step.site is None:
        return None
    factors = [s for s in sources if s.nodes[0].index not in right.forward and of_forward(s, right)]
    inner = [s for s in factors if s.site is not None and len(s.site.calls) > len(step.site.calls)]
    return inner[0] if len(inner) == 1 and not _serves(inner[0], step, right) else None


def _serves(factor: Value, step: Value, right: Values) -> bool:
    """Whether what the same place computes makes a right gradient of another one in another product."""
    return any(
        other.index != step.index and other.op in ("multiply", "mul") and right(other)
        for other in right.steps.values()
        if any(s.site == factor.site and s.op == factor.op for s in right.sources(other))
        and any(right(s) and s.nodes[0].index not in right.forward for s in right.sources(other))
    )


def _derivative(step: Value, right: Values) -> Value | None:
    """Where a product of a right gradient and a derivative has a factor too many, which the derivative alone can have
    brought in, that derivative, if a line of its own computes it: `d = y ** 2 - 1`, `g = g * d`."""
    sources = [s for s in right.sources(step) if s.needs]
    if step.op not in ("multiply", "mul") or len(sources) != 2 or not any(right(s) for s in sources):
        return None
    found = [
        s for s in sources
        if s.nodes[0].index not in right.forward and s.value.size > 1 and not right(s) and of_forward(s, right)
    ]  # fmt: skip
    if len(found) != 1 or found[0].site is None or step.site is None or found[0].site.line == step.site.line:
        return None
    return found[0]


def of_forward(step: Value, right: Values) -> bool:
    """Whether a value is a mere function of the forward pass, as an activation's derivative is."""
    todo, seen = [step], set[int]()
    while todo:
        item = todo.pop()
        if item.index in seen:
            continue
        seen.add(item.index)
        if len(seen) > 400:
            return False
        if item.nodes[0].index in right.forward or not item.needs:
            continue
        if right(item):
            return False
        todo += right.sources(item)
    return True
