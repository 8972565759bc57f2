"""What moves in a training loop, told apart by what a small change of each does to the others."""

from __future__ import annotations

import re
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.scout import is_named

ITSELF = 1e-6  # what a parameter's own slope changes of it, and no sum's
STAYS = 0.2  # of a change, that is left of it in a parameter after a pass: of a state hardly any of it is


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
    batches: tuple[str, ...] = ()  # gradients of several passes that are added up and cleared now and then

    def without(self, doubtful: frozenset[str]) -> Parameters:
        """The same, but for parameters of these names, and for what is remembered of them."""
        kept = [name for name in self.parameters if name not in doubtful]
        memory = {name: owner for name, owner in self.memory.items() if owner in kept}
        dropped = ({*self.parameters} - {*kept}) | ({*self.memory} - {*memory})
        groups = {name: group for name, group in self.groups.items() if name not in dropped}
        return replace(self, parameters=kept, memory=memory, groups=groups)


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
    for name in affects.keys() - kept:
        other = affects[name][0] if len(affects[name]) == 1 else ""
        if before[name].size > 1 and other in kept and _is_added(shifts[name], answers[name][other]):
            memory[name] = other  # the last step alone: `w += lr * dw + mu * last; last = dw`
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
        and (abs(response[name]) > STAYS or is_named(name))
        and (_overlaps(name, shifts, answers) or (is_named(name) and _leaps(before[name], after[name])))
    ]
    found = (
        found
        or [  # whose elements do not touch one another, as the slope and the offset where the inputs' mean is 0
            name
            for name in kept
            if is_named(name) and not affects[name] and abs(response[name]) > STAYS and abs(response[name] - 1) > ITSELF
        ]
    )
    touched_ones = {other for touched in affects.values() for other in touched}
    shrinking = [
        name for name in found if name not in touched_ones and _shrinks(before[name], after[name], response[name])
    ]
    if len(shrinking) < len(found):
        found = [name for name in found if name not in shrinking]
    memory = {name: owner for name, owner in memory.items() if owner in found}
    signs = {name: float(np.sign((answers[name][owner] * shifts[name]).sum())) for name, owner in memory.items()}
    groups = {name: known[name] for name in (*found, *memory)}
    if shared:  # then gradients are read where an engine keeps them
        beside = [f"{name.rpartition('.')[0]}.grad" for name in found]
        groups |= {name: known[name] for name in beside if name in known and name not in groups}
    crossed = _crossed(response, before, after, shifts, answers)
    return Parameters(groups, found, memory, response, signs, [], shared, crossed, repeatable)


def _shrinks(before: np.ndarray, after: np.ndarray, response: float) -> bool:
    """Whether a pass multiplies a number with another one and does no more: a rate that decays, of which the parameters
    take nothing back."""
    return before.size == 1 and bool(np.abs(after - response * before).max() <= 1e-6 * np.abs(before).max())


def _is_added(step: np.ndarray, change: np.ndarray) -> bool:
    """Whether what was changed went into what answered as it is, times one number."""
    if change.shape != step.shape:
        return False
    share = float((change * step).sum() / (step * step).sum())
    return share != 0 and np.abs(change - share * step).max() < 1e-6 * abs(share) * np.abs(step).max()


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


VELOCITY = re.compile(r"^(v|vel\w*|m|mom\w*|delta|d|prev\w*|change|step|update)(_?[a-z]?\w?)$", re.I)


def root_of(name: str) -> str:
    """The last name of a tensor: `vW` of `self.vW`, the key of `v['W1']` with what holds it."""
    parts = re.findall(r"\w+", name)
    words = [part for part in parts if not part.isdigit() and part != "self"]
    return words[0] if words else name
