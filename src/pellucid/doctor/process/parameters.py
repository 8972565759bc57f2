"""Which of the numbers that move in a loop are parameters, tried out in a fork.

A parameter that is changed a little keeps that change, and alters how others move. A sum or a counter alters nothing, a
variable of the pass is overwritten, an optimiser's memory touches one element of one parameter only.
"""

from __future__ import annotations

import re
import time
from collections.abc import Generator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.process.lab import Ended, Lab, PassOutcome, PassRun, Work
from pellucid.doctor.process.paths import NUMBER_NAMES, Group, Path, Scope, is_node, root_name
from pellucid.doctor.process.scout import PARAMETER_NAME, differ, is_named, is_whole

MOST_GROUPS = 60


@dataclass
class Parameters:
    """What moves in a training loop: the parameters, and the memory that an optimiser keeps for them."""

    groups: dict[str, Group]
    parameters: list[str]
    memory: dict[str, str]  # the parameter that it belongs to, by the name of the memory
    response: dict[str, float] = field(default_factory=dict)  # how much of a change of it is left after the pass
    signs: dict[str, float] = field(default_factory=dict)  # which way a memory moves its parameter
    still: list[str] = field(default_factory=list)  # parameters that never move
    shared: list[str] = field(default_factory=list)  # memories of which each is that of several parameters
    crossed: dict[str, str] = field(default_factory=dict)  # what is overwritten by a step from another parameter
    repeatable: bool = True
    seconds: float = 0.0  # of the processor that a pass takes


def parameters(lab: Lab) -> Work:
    """In a laboratory: which of the groups that move are parameters; or the name of one that must not be changed, since
    the program ended when it was."""
    plain = yield PassRun()
    nodes: dict[str, Any] = {}

    def noted(scope: Scope) -> None:
        for name, group in lab.groups.items():
            if is_of_node(scope, group):
                nodes[name] = scope.get(group.paths[0][:-1])

    def lasting(scope: Scope) -> list[str]:
        return [name for name, node in nodes.items() if _held(scope, lab.groups[name]) is node]

    started = time.process_time()
    again = yield PassRun(before=noted, after=lasting)
    seconds = time.process_time() - started
    moved = [
        name
        for name, values in plain.after.items()
        if name in plain.before
        and values.shape == plain.before[name].shape
        and differ(values, plain.before[name])
        and not (values.size == 1 and is_whole(np.append(values, plain.before[name])))  # a position in a text, a count
        and not _is_shuffled(plain.before[name], values)
    ]
    # Sums over a set come in another order each time: what rounds differently is no change.
    noise = {name: _away(plain.after[name], again.after.get(name)) for name in moved}
    same = all(share <= 1e-9 for share in noise.values())
    moved = _without_aliases(moved, lab.groups, lab.scope)[:MOST_GROUPS]
    kept = [name for name in moved if name in again.said]
    if kept and seconds * len(moved) > 0.3 * lab.left():  # the nodes that an engine trains are known without a trial
        known = {name: lab.groups[name] for name in kept}
        return Parameters(known, kept, {}, dict.fromkeys(kept, 1.0), repeatable=same, seconds=seconds)
    rng = np.random.default_rng(0)
    shifts: dict[str, np.ndarray] = {}
    answers: dict[str, dict[str, np.ndarray]] = {}
    for name in moved:
        if lab.left() < 0:
            break
        old = plain.before[name]
        shifts[name] = step = _step(old, plain.after[name], lab.groups[name]) * rng.choice([-1.0, 1.0], old.shape)
        if old.size > 1:
            unchanged = rng.permutation(old.size)[: old.size // 2]
            moves = np.flatnonzero(plain.after[name] != old)
            if len(moves) < old.size:  # of an embedding a pass moves a few rows: half of what it moves is changed
                unchanged = np.setdiff1d(unchanged, moves[: (len(moves) + 1) // 2])
                step[plain.after[name] == old] = 0.0  # inputs that are held beside what moves are none of it
            step[unchanged] = 0.0
            if (old >= 0).all() and (plain.after[name] >= 0).all():  # a mean of squares, of which a root is taken
                step = shifts[name] = np.abs(step)
        try:
            outcome = yield PassRun({name: old + step})
            if _drowned(outcome.after[name] - plain.after[name], step):
                update = plain.after[name] - old
                step = shifts[name] = step * max(1.0, 30 * np.abs(update).max() / np.abs(step).max())
                outcome = yield PassRun({name: old + step})
        except Ended:
            return name
        answers[name] = {
            other: outcome.after[other] - plain.after[other]
            for other in moved
            if other in outcome.after and outcome.after[other].shape == plain.after[other].shape
        }
    found = classify(
        lab.groups, moved, plain.before, plain.after, shifts, answers, same, max(noise.values(), default=0.0)
    )
    if not found.parameters:
        yield from _far(lab, found, moved, plain)
    yield from _ask_once_more(lab, found, shifts, plain)
    yield from _look_ahead(lab, found, shifts, plain)
    if found.parameters:
        yield from _stills(lab, found, plain)
    found.seconds = seconds
    return found


def is_of_node(scope: Scope, group: Group) -> bool:
    """Whether a group is what nodes of an engine of the program's own hold: each has its gradient beside it."""
    path = group.paths[0]
    return len(path) > 1 and path[-1][0] == "attr" and path[-1][1] in NUMBER_NAMES and is_node(_held(scope, group))


def _held(scope: Scope, group: Group) -> Any:
    """What holds the first value of a group; None where it is gone."""
    try:
        return scope.get(group.paths[0][:-1])
    except (LookupError, AttributeError, TypeError):
        return None


def _drowned(own: np.ndarray, step: np.ndarray) -> bool:
    """Whether the update changed by more than the parameter did: Adam's, where gradients are small, leaps about."""
    if own.shape != step.shape or step.size < 4 or not np.isfinite(own).all():
        return False
    size = float(np.linalg.norm(own) * np.linalg.norm(step))
    return float(np.linalg.norm(own)) > 0.5 * float(np.linalg.norm(step)) and abs(float(own @ step)) < 0.7 * size


def _far(lab: Lab, found: Parameters, moved: list[str], plain: PassOutcome) -> Generator[PassRun, PassOutcome, None]:
    """What touches nothing by a small change, but itself by a large one: the weights of a perceptron or of a support
    vector machine, whose step depends on the side of a margin that a sample is on."""
    for name in moved:
        old, own = plain.before[name], plain.after[name] - plain.before[name]
        share = found.response.get(name, 0.0)
        if lab.left() < 1 or not 0.5 < share < 1.5 or name.endswith(".grad"):
            continue
        size = 10 * max(float(np.linalg.norm(old)), float(np.linalg.norm(own)))
        for direction in (own, -own, -old):
            length = float(np.linalg.norm(direction))
            if length == 0:
                continue
            try:
                far = yield PassRun({name: old + size / length * direction})
            except Ended:
                break
            change = far.after[name] - plain.after[name] - share * size / length * direction
            if np.linalg.norm(change) > 0.3 * np.linalg.norm(own):
                found.parameters.append(name)
                found.groups[name] = lab.groups[name]
                break


def _look_ahead(
    lab: Lab, found: Parameters, shifts: dict[str, np.ndarray], plain: PassOutcome
) -> Generator[PassRun, PassOutcome, None]:
    """A velocity that a gradient is taken ahead by: what changes with it changes alike with its parameter, w + µ v."""
    pairs = [
        (name, other)
        for name in found.parameters
        if VELOCITY.search(root_of(name)) and name not in found.still
        for other in found.parameters
        if other != name
        and not VELOCITY.search(root_of(other))
        and lab.groups[other].shape == lab.groups[name].shape
        and abs(found.response[name]) < abs(found.response[other])
    ]
    if not pairs:
        return
    before = yield PassRun(watch="all")
    own = {("", name) for name in found.groups}
    for name, other in pairs:
        if name not in found.parameters or lab.left() < 1:
            continue
        step = 1e-2 * shifts[other] if np.abs(shifts[other]).max() > 1e-3 else shifts[other]
        first = yield PassRun({name: plain.before[name] + step}, watch="all")
        second = yield PassRun({other: plain.before[other] + step}, watch="all")
        ratios: list[float] = []
        for key, series in before.seen.items():
            if key in own or key not in first.seen or key not in second.seen:
                continue
            for a, b, c in zip(series, first.seen[key], second.seen[key], strict=False):
                if a.shape == b.shape == c.shape and np.isfinite(a).all() and differ(a, c) and a.size > 1:
                    x, y = (b - a).ravel(), (c - a).ravel()
                    share = float(x @ y) / float(y @ y)
                    ratios.append(share if np.abs(x - share * y).max() < 0.02 * np.abs(x).max() else np.nan)
        middle = float(np.nanmedian(ratios)) if ratios and not np.isnan(ratios).all() else 0.0
        if 0.05 < middle < 1 and np.mean(np.isclose(ratios, middle, rtol=0.02)) > 0.5:
            found.parameters.remove(name)
            found.memory[name] = other
            found.signs[name] = 1.0


VELOCITY = re.compile(r"^(v|vel\w*|m|mom\w*|delta|d|prev\w*|change|step|update)(_?[a-z]?\w?)$", re.I)


def root_of(name: str) -> str:
    """The last name of a tensor: `vW` of `self.vW`, the key of `v['W1']` with what holds it."""
    parts = re.findall(r"\w+", name)
    words = [part for part in parts if not part.isdigit() and part != "self"]
    return words[0] if words else name


def _ask_once_more(
    lab: Lab, found: Parameters, shifts: dict[str, np.ndarray], plain: PassOutcome
) -> Generator[PassRun, PassOutcome, None]:
    """A number that touches one other may be a parameter before it: then what changes with the other changes with it.

    A change of a memory is seen in the update alone.
    """
    asked = [name for name in found.memory if not name.endswith("grad") and plain.before[name].size == 1][:6]
    if not asked:
        return
    before = yield PassRun(watch="all")
    changes: dict[str, set[Any]] = {}
    for name in {*asked, *(found.memory[name] for name in asked)}:
        if lab.left() < 1:
            return
        after = yield PassRun({name: plain.before[name] + shifts[name]}, watch="all")
        changes[name] = {
            key
            for key, series in before.seen.items()
            if key in after.seen
            and any(a.shape == b.shape and differ(a, b) for a, b in zip(series, after.seen[key], strict=False))
        }
    for name in asked:
        other = changes[found.memory[name]]
        if len(changes[name] & other) > 0.6 * len(other):
            del found.memory[name], found.signs[name]
            found.parameters.append(name)


def _stills(lab: Lab, found: Parameters, plain: PassOutcome) -> Generator[PassRun, PassOutcome, None]:
    """Add what is named and held like the parameters and alters their updates, yet never moves."""
    if lab.scope is None:
        return
    beside: set[Any] = {_holder(path) for n in found.parameters for path in lab.groups[n].paths}
    rng = np.random.default_rng(2)
    seen = (yield PassRun(watch="all")).seen
    for name, group in lab.groups.items():
        if name in found.groups or name not in plain.before or len(found.still) >= 8 or lab.left() < 0.5:
            continue
        path = group.paths[0]
        names = [str(k[1]) if isinstance(k, tuple) else str(k) for _, k in path if not isinstance(k, int)]
        last = names[-1] if names[-1] not in ("data", "value") or len(names) < 2 else names[-2]
        near = (_holder(path) in beside or len(path) > 2) and root_name(path) not in lab.scope.fleeting
        named = PARAMETER_NAME.search(last.lower()) is not None
        if not near or not (named or _has_gradient(last, group, seen)) or not _floats(lab, group):
            continue
        old = plain.before[name]
        outcome = yield PassRun({name: old + _step(old, old, group) * rng.choice([-1.0, 1.0], old.shape)})
        touched = any(
            outcome.after[p].shape == plain.after[p].shape and not np.array_equal(outcome.after[p], plain.after[p])
            for p in found.parameters
        )
        if touched and np.array_equal(plain.after.get(name, old), old):
            found.still.append(name)
    known = {id(lab.scope.get(path)) for n in found.parameters for path in lab.groups[n].paths} if lab.scope else set()
    for name in found.still:
        if lab.scope is None or id(lab.scope.get(lab.groups[name].paths[0])) not in known:
            found.parameters.append(name)
            found.groups[name] = lab.groups[name]


def _has_gradient(last: str, group: Group, seen: dict[Any, list[np.ndarray]]) -> bool:
    """Whether something of its size is called its gradient, or is returned under its name."""
    called = re.compile(rf"(d|grad_?|d_|g_?|nabla_?){re.escape(last)}|{re.escape(last)}_?grad(ient)?s?", re.I)
    return group.size > 1 and any(
        series[0].size == group.size
        and (called.fullmatch(name) or (name.startswith("return[") and name.endswith(f"['{last}']")))
        for (_, name), series in seen.items()
    )


def _holder(path: Path) -> Any:
    """What a value is held by: an object or a list, or the variables of a function or a module."""
    return path[:-1] if len(path) > 1 else next(iter(path))[:1]


def _floats(lab: Lab, group: Group) -> bool:
    try:
        value = lab.scope.get(group.paths[0]) if lab.scope is not None else None
    except (LookupError, AttributeError, TypeError):
        return False
    return isinstance(value, float | list) or (isinstance(value, np.ndarray) and value.dtype.kind == "f")


def classify(
    known: dict[str, Group],
    moved: list[str],
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    shifts: dict[str, np.ndarray],
    answers: dict[str, dict[str, np.ndarray]],
    repeatable: bool,
    noise: float = 0.0,
) -> Parameters:
    """From what a small change of each group did to the others: what is a parameter, what an optimiser's memory."""
    response: dict[str, float] = {}
    affects: dict[str, list[str]] = {}
    local: dict[str, bool] = {}
    spreads: dict[str, bool] = {}
    for name, changes in answers.items():
        step = shifts[name]
        own = changes.get(name)
        if own is None or not np.isfinite(own).all():
            continue
        still = step == 0
        response[name] = float((own * step).sum() / (step * step).sum())
        scale = float(np.abs(step).max())
        touched = [
            other
            for other, change in changes.items()
            if other != name and np.abs(change).max(initial=0) > _noise(after[other], before[other], scale, noise)
        ]
        spread = bool(np.abs(own[still]).max(initial=0) > _noise(after[name], before[name], scale, noise))
        affects[name] = touched
        local[name] = not spread and all(
            changes[other].shape == step.shape
            and np.abs(changes[other][still]).max(initial=0) <= _noise(after[other], before[other], scale, noise)
            for other in touched
        )
        spreads[name] = spread
    kept = {name for name, share in response.items() if abs(share) > 1e-3}
    shared: list[str] = []
    for name in kept:  # one list for the memory of all parameters
        step, touched = shifts[name], [other for other in affects[name] if other in kept]
        if len(touched) > 1 and step.size > 1 and not local[name] and not spreads[name]:
            least = float(np.abs(step).max())
            changed = [np.abs(answers[name][o]) > _noise(after[o], before[o], least, noise) for o in touched]
            if sum(int(found.sum()) for found in changed) <= int((step != 0).sum()):
                local[name] = True
                shared.append(name)
    memory: dict[str, str] = {}
    for name in kept:
        partners = [other for other in affects[name] if other in kept and before[other].size == before[name].size]
        if local[name] and partners and before[name].size > 1:
            memory[name] = max(partners, key=lambda other: len(affects[other]))
        elif (
            before[name].size == 1
            and len(partners) == 1 == len(kept & {*affects[name]})
            and _is_memory_of(name, partners[0], affects, response)
        ):
            memory[name] = partners[0]
    for name, owner in list(memory.items()):  # of two that touch each other alone, the one that stays is no memory
        if memory.get(owner) == name and abs(response[owner]) >= abs(response[name]):
            del memory[owner]
    found = [
        name
        for name in moved
        if name in kept
        and name not in memory
        and not name.endswith(".grad")
        and (not local[name] or (before[name].size == 1 and affects[name]))
        and (_overlaps(name, shifts, answers) or (is_named(name) and _leaps(before[name], after[name])))
    ]
    memory = {name: owner for name, owner in memory.items() if owner in found}
    signs = {name: float(np.sign((answers[name][owner] * shifts[name]).sum())) for name, owner in memory.items()}
    groups = {name: known[name] for name in (*found, *memory)}
    if shared:  # then gradients are read where an engine keeps them
        beside = [f"{name.rpartition('.')[0]}.grad" for name in found]
        groups |= {name: known[name] for name in beside if name in known and name not in groups}
    crossed = _crossed(response, before, after, shifts, answers)
    return Parameters(groups, found, memory, response, signs, [], shared, crossed, repeatable)


def _crossed(
    response: dict[str, float],
    before: dict[str, np.ndarray],
    after: dict[str, np.ndarray],
    shifts: dict[str, np.ndarray],
    answers: dict[str, dict[str, np.ndarray]],
) -> dict[str, str]:
    """What is called a parameter and alters how a parameter moves, and itself becomes another one with a step added:
    `b = w - lr * db`. A mere copy, of the values before or after, is a memory."""
    crossed: dict[str, str] = {}
    for name, share in response.items():
        if abs(share) > 0.3 or not is_named(name) or KEPT.search(name) or VELOCITY.search(root_of(name)):
            continue
        for owner in (other for other, own in response.items() if 0.5 < own < 1.5):
            change, step = answers[owner].get(name), shifts[owner]
            if change is None or change.shape != step.shape or not np.any(answers[name].get(owner, 0.0)):
                continue
            share = float((change * step).sum() / (step * step).sum())
            copied = any(np.allclose(after[name], values[owner], rtol=1e-12, atol=0.0) for values in (before, after))
            if abs(share - 1) < 0.3 and not copied:
                crossed[name] = owner
    return crossed


KEPT = re.compile(r"prev|old|new|last|best|av(era)?g|mean|target|copy|ema|shadow", re.I)


def _is_memory_of(name: str, partner: str, affects: dict[str, list[str]], response: dict[str, float]) -> bool:
    """One number that touches one other: its memory, unless the other touches no more than that either."""
    if len(affects[partner]) > 1:
        return True
    return abs(response[name]) < 0.9999 * abs(response.get(partner, 0.0)) and abs(response[name]) < 0.9995


def _overlaps(name: str, shifts: dict[str, np.ndarray], answers: dict[str, dict[str, np.ndarray]]) -> bool:
    """Whether the change is still there after the pass, where it was made: no state that a network computes anew."""
    step, own = shifts[name], answers[name][name]
    size = float(np.sqrt((own * own).sum() * (step * step).sum()))
    return step.size < 4 or (size > 0 and abs(float((own * step).sum())) / size > 0.5)


def _leaps(before: np.ndarray, after: np.ndarray) -> bool:
    """A step so long that what is small before it is not small after it."""
    return float(np.linalg.norm(after - before)) > 0.3 * float(np.linalg.norm(before))


def _noise(after: np.ndarray, before: np.ndarray, scale: float, noise: float) -> float:
    size = max(float(np.abs(after).max(initial=0)), float(np.abs(before).max(initial=0)))
    return max(1e-13, 30 * noise) * max(size, scale)


def _away(first: np.ndarray, other: np.ndarray | None) -> float:
    """How far apart two results are, as a share of their size."""
    if other is None or first.shape != other.shape:
        return np.inf
    size = float(np.abs(first).max(initial=0))
    return float(np.abs(first - other).max(initial=0)) / size if size > 0 else 0.0


def _step(old: np.ndarray, new: np.ndarray, group: Group) -> float:
    size = float(np.sqrt(np.mean(old * old)))
    return 1e-4 * size if size > 0 else 1e-4


def _is_shuffled(old: np.ndarray, new: np.ndarray) -> bool:
    """Whether an array holds the same numbers in another order: data, shuffled in place."""
    return old.size > 8 and len(np.unique(old)) > 1 and bool(np.array_equal(np.sort(old), np.sort(new)))


def _without_aliases(names: list[str], known: dict[str, Group], scope: Scope | None) -> list[str]:
    """Of several names for one array, the first."""
    seen: set[tuple[int, ...]] = set()
    kept: list[str] = []
    for name in names:
        try:
            values = [scope.get(path) for path in known[name].paths] if scope is not None else []
        except (LookupError, AttributeError, TypeError):
            values = []
        arrays = tuple(id(value) for value in values if isinstance(value, np.ndarray | list))
        if arrays and arrays in seen:
            continue
        seen.add(arrays)
        kept.append(name)
    return kept
