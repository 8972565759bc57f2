"""The slopes of what a program may be minimising, by central differences, beside the update that it makes."""

from __future__ import annotations

import re
import time
from collections.abc import Generator, Iterator
from contextlib import suppress
from typing import Any

import numpy as np

from pellucid.doctor.probes.batches import contributed
from pellucid.doctor.probes.joint import together
from pellucid.doctor.probes.losses import Candidate, Key, Seen, candidates, of_classes
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass, descent
from pellucid.doctor.probes.usual import PIECEWISE
from pellucid.doctor.process.alike import same_series
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.no_labels import no_labels
from pellucid.doctor.process.parameters import Parameters, next_move
from pellucid.doctor.process.paths import Scope
from pellucid.doctor.process.places import residuals
from pellucid.doctor.process.rates import rate_values

EACH = 260  # elements up to which every one is moved by itself
DIRECTIONS = 6  # random ±1 directions per tensor, where there are more
CLIPS = re.compile(r"clip|max_?norm|linalg\.norm|(grad|norm)\w*\W.*threshold", re.I)
KINK = 1e-3  # how much the slopes to the two sides may differ, as a share of the largest
WORTH = 3e-4  # how much of a slope may be rounding
EXACTLY = 1e-8  # of what is left of an update that a slope explains
TELLING = 0.9  # how far the updates have to go along the slope of a loss whose name says nothing
QUICK = 0.05  # seconds of a pass, of which one that moves something is waited for
SLOW_ONES = 8  # losses that are measured with the parameters held
RELATIVE = 1e-5  # of a tensor's size: how far it is moved


Steps = Generator[PassRun, PassOutcome, Any]


def study(lab: Lab, found: Parameters, wanted: str | None, passes: int = 6) -> Steps:
    """In a laboratory: several passes, each with the slopes of every candidate for the loss."""
    result = SlopeStudy(rates=rate_values(lab.files))
    begun = lab.passes
    if found.seconds < QUICK:
        yield from _telling(lab, found)
    if found.batches:
        yield from _adding(found)
    plain = yield PassRun(watch="all")
    result.seen, result.known = dict(plain.seen), dict(lab.known)
    rng = np.random.default_rng(1)
    start = {name: plain.before[name] for name in found.parameters if name in plain.before}
    shift = {name: old + _size(old) * 1e-3 * _uneven(rng, old.shape) for name, old in start.items()}
    moved = yield PassRun(shift, watch="all")
    result.depends = {
        key for key, series in plain.seen.items() if key in moved.seen and not same_series(series, moved.seen[key])
    }
    if found.seconds * (60 + 24 * len(found.parameters)) > lab.left():
        return (yield from _slow(lab, found, wanted, result, plain, moved))
    running = yield from _running(lab, plain, result.depends)
    seconds = lab.left() * 0.9
    chosen: list[Candidate] = []
    try:
        for least in (2, None) if wanted is None else (None,):  # by their names first; then whatever else there is
            names, values = frozenset(found.groups), _values(plain, found)
            result.candidates = candidates(
                plain.seen,
                moved.seen,
                names,
                wanted,
                values,
                lab.pairs,
                least,
                running,
                [*shift.values()],
                residuals(lab.files) if wanted is None else (),
                no_labels(lab.files, {name for _, name in result.depends} | {*found.parameters}),
            )
            rough = yield from _measure(lab, found, result.candidates, 0, 3, seconds * 0.25)
            chosen = _pruned(result.candidates, rough, 24, result.seen)
            if any(_explains(rough, candidate) for candidate in chosen):
                break
        hold = tuple(found.parameters)
        keys = frozenset(key for candidate in chosen for key in candidate.keys)
        plain = yield PassRun(watch=keys)
        fast = yield PassRun(watch=keys, hold=hold)
        if fast.held is not None and not fast.held.late:
            result.update_lines, result.held = fast.held.lines, fast.held.moved
            result.late = {c for c in chosen if not _close(c.value(plain.seen), c.value(fast.seen))}
        early_ones = [c for c in chosen if c not in result.late]
        if result.late and not any(c.named > 0 and c.is_seen for c in early_ones):
            slow = [c for c in chosen if c in result.late and c.named > 0][:SLOW_ONES]
        else:
            slow = []
        chosen = early_ones
        result.slow = slow
        held, left_over = bool(result.held), LATE_ONES
        while len(result.passes) < passes and lab.left() > 0:
            early = len(result.passes) < 2
            few = 3 if len(found.parameters) < 8 else 2
            if found.batches:
                yield from _adding(found)
            if (held and chosen and left_over and found.seconds < QUICK) and (yield from is_late(chosen, keys, hold)):
                left_over -= 1
                yield Next()
                continue
            index = lab.passes - begun
            entry = yield from _measure(
                lab, found, chosen, index, DIRECTIONS if early else few, seconds * (0.2 if early else 0.07)
            )
            if slow:
                other = yield from _measure(lab, found, slow, index, DIRECTIONS, seconds * 0.1, hold)
                _merge(entry, other)
            result.passes.append(entry)
            chosen = _pruned(chosen, entry, 12, result.seen) if len(result.passes) == 1 else chosen
            yield Next()
            if not found.batches and not any(update.any() for update in entry.update.values()):
                yield from next_move(lab, found.parameters)
            if len(result.passes) == passes - 2:  # the last ones later in the training
                end = lab.left() - seconds * 0.07
                for _ in range(60):
                    if lab.left() < max(0.5, end):
                        break
                    yield Next()
        result.candidates = chosen
        result.complete = True
    except Ended:
        result.complete = True
    except TimeUp:
        pass
    result.candidates = [c for c in [*chosen, *result.slow] if all(c in entry.slopes for entry in result.passes)]
    return result


def is_late(chosen: list[Candidate], keys: frozenset[Key], hold: tuple[str, ...]) -> Steps:
    """Whether a loss that is computed before the update is not in this pass: where a row is drawn twice, its second
    term sees what the first one moved."""
    plain = yield PassRun(watch=keys)
    fast = yield PassRun(watch=keys, hold=hold)
    return any(not _close(c.value(plain.seen), c.value(fast.seen)) for c in chosen if c.named > 0)


def _adding(found: Parameters) -> Steps:
    """Go on to a pass that does not clear the gradients at its end, if one is near."""
    for _ in range(FURTHER):
        plain = yield PassRun()
        if (yield from contributed(found, plain)):
            return
        yield Next()


LATE_ONES = 20  # passes that are left out
FURTHER = 6  # passes that are gone on for one that moves more than one number


def _telling(lab: Lab, found: Parameters) -> Steps:
    """Go on to a pass that moves several numbers, if one is near: of a sample of which all inputs but one are 0, the
    sum of a unit is a weight, and that weight alone moves."""
    for _ in range(FURTHER):
        plain = yield from next_move(lab, found.parameters)
        known = [n for n in found.parameters if n in plain.before and n in plain.after]
        known = [n for n in known if plain.before[n].shape == plain.after[n].shape]
        if sum(int((plain.after[n] != plain.before[n]).sum()) for n in known) != 1 or len(known) < 2 > _most(plain):
            return
        yield Next()


def _most(plain: PassOutcome) -> int:
    """Of how many numbers the largest tensor is."""
    return max((values.size for values in plain.before.values()), default=0)


def _uneven(rng: np.random.Generator, shape: tuple[int, ...]) -> np.ndarray:
    """A direction whose elements are all of about one size, but not one number: inputs whose columns add up to 1, say,
    let nothing of (1, −1, −1) through."""
    return rng.choice([-1.0, 1.0], shape) * rng.uniform(0.5, 1.5, shape)


def _slow(
    lab: Lab, found: Parameters, wanted: str | None, result: SlopeStudy, plain: PassOutcome, moved: PassOutcome
) -> Steps:
    """A study of one pass that takes long: what is called a loss, along few directions."""
    names, values = frozenset(found.groups), _values(plain, found)
    chosen = candidates(plain.seen, moved.seen, names, wanted, values, lab.pairs, 2 if wanted is None else None)[:24]
    entry = yield from together(lab, found, chosen, 0, plain)
    result.complete = lab.left() > found.seconds
    if entry is None and lab.left() > found.seconds * (3 + 4 * len(found.parameters)):
        with suppress(TimeUp):
            entry = yield from _measure(lab, found, chosen, 0, 2, 0.0)
    if entry is not None:
        result.passes, result.complete = [entry], True
        result.candidates = [candidate for candidate in chosen if candidate in entry.slopes]
    return result


def _running(lab: Lab, plain: PassOutcome, depends: set[Key]) -> Generator[PassRun, PassOutcome, set[Key]]:
    """The sums that go on from pass to pass, `total += loss`: what is added to one at the head is in it at the end."""
    text = "\n".join(lab.files.values())
    names = [name for place, name in depends if place == "" and plain.seen["", name][0].size == 1]
    names = [n for n in names if re.search(rf"\b{re.escape(n.split('.')[-1])}\s*[-+]=|=\s*{re.escape(n)}\s*[-+]", text)]
    held: dict[str, float] = {}

    def before(scope: Scope) -> None:
        for name in names:
            with suppress(LookupError, AttributeError, TypeError, ValueError):
                path = lab.known[name].paths[0]
                value = float(scope.get(path))
                scope.put(path, value + 1.0)
                held[name] = value

    if not names:
        return set()
    moved = yield PassRun(watch=frozenset(("", name) for name in names), before=before)
    return {
        ("", name)
        for name in held
        if ("", name) in moved.seen
        and abs(float(moved.seen["", name][0].ravel()[0] - plain.seen["", name][0].ravel()[0]) - 1.0) < 1e-6
    }


class TimeUp(Exception):
    """The laboratory has to close."""


def _measure(
    lab: Lab,
    found: Parameters,
    chosen: list[Candidate],
    index: int,
    count: int,
    seconds: float,
    hold: tuple[str, ...] = (),
) -> Generator[PassRun, PassOutcome, StudiedPass]:
    """The slopes of a pass, along as many directions as the seconds allow."""
    keys = frozenset(key for candidate in chosen for key in candidate.keys)
    yield PassRun(watch=keys, hold=hold)
    started = time.process_time()
    plain = yield PassRun(watch=keys, hold=hold)
    each = 2 * (time.process_time() - started) + 1e-9
    entry = StudiedPass(index, clips=any(CLIPS.search(text) for text in lab.files.values()))
    start = {name: plain.before[name] for name in found.parameters if name in plain.before and name in plain.after}
    entry.values = start
    entry.losses = {candidate: candidate.value(plain.seen) for candidate in chosen}
    total = sum(values.size for values in start.values())
    added = (yield from contributed(found, plain)) if found.batches else {}
    start = {name: values for name, values in start.items() if not added or name in added}
    rng = np.random.default_rng(index + 7)  # the same directions in each measurement of a pass
    for name, old in start.items():
        entry.update[name] = plain.after[name] - old
        gradient = descent(name, plain, found)
        if plain.held is not None and not found.memory:
            gradient = -plain.held.moved[name]
        gradient = added.get(name, gradient)
        entry.gradient[name] = gradient
        entry.memory[name] = [
            plain.before[m]
            for m, owner in found.memory.items()
            if owner == name
            and m in found.signs
            and plain.before.get(m, old[:0]).size == old.size
            and abs(found.response.get(m, 1.0)) < 0.9999
            and not m.endswith("grad")  # a sum that is never set to zero
        ]
        entry.memories[name] = [
            (found.response[m], plain.before[m], plain.after[m])
            for m, owner in found.memory.items()
            if owner == name and m in found.response and m in plain.after and not m.endswith("grad")
        ]
        affordable = int(seconds / each / max(1, len(start)))
        every = total <= EACH and count == DIRECTIONS and total * each < seconds
        if every or old.size <= min(count, max(2, affordable)):
            directions = np.eye(old.size)
        else:
            directions = _directions(rng, old.size, gradient, min(count, max(2, affordable)))
        entry.directions[name] = directions
        entry.given[name] = directions @ gradient
    slopes: dict[Candidate, dict[str, list[float]]] = {c: {name: [] for name in start} for c in chosen}
    bends: dict[Candidate, dict[str, list[float]]] = {c: {name: [] for name in start} for c in chosen}
    for name, old in start.items():
        size = RELATIVE * _size(old)
        for candidate in chosen:
            entry.noise.setdefault(candidate, {})[name] = 1e-16 * abs(entry.losses[candidate]) / size
        for direction in entry.directions[name]:
            if lab.left() < 0:
                raise TimeUp
            up = yield PassRun({name: old + size * direction}, watch=keys, hold=hold)
            down = yield PassRun({name: old - size * direction}, watch=keys, hold=hold)
            pairs = {c: _bent(c, up.seen, down.seen, plain.seen, entry.losses[c], size) for c in chosen}
            if any(c.named > 0 and bend > KINK * abs(slope) for c, (slope, bend) in pairs.items()):
                # A curve bends less on a shorter way, a kink does not, or is no longer on it.
                up = yield PassRun({name: old + size / 4 * direction}, watch=keys, hold=hold)
                down = yield PassRun({name: old - size / 4 * direction}, watch=keys, hold=hold)
                for c, (slope, bend) in pairs.items():
                    near, less = _bent(c, up.seen, down.seen, plain.seen, entry.losses[c], size / 4)
                    if bend > 0 and 0.15 < less / bend < 0.35:
                        pairs[c] = slope, 0.0
                    elif less < bend:
                        pairs[c] = near, less
            for c, (slope, bend) in pairs.items():
                slopes[c][name].append(slope)
                bends[c][name].append(bend)
    for candidate, by in slopes.items():
        entry.slopes[candidate] = {
            name: _smooth(np.array(values), np.array(bends[candidate][name])) for name, values in by.items()
        }
    return entry


def _bent(candidate: Candidate, up: Seen, down: Seen, plain: Seen, middle: float, size: float) -> tuple[float, float]:
    """The slope of a candidate by central differences, and by how much those to the two sides differ."""
    high, low = candidate.value(up, plain), candidate.value(down, plain)
    slope, bend = (high - low) / (2 * size), abs(high - 2 * middle + low) / size - 1e-12 * abs(middle) / size
    noise = 1e-16 * abs(middle) / size
    if 0 < abs(slope) < noise / WORTH:  # of so flat a loss, rounding is all that is seen
        return float("nan"), bend
    return slope, bend


def _smooth(slopes: np.ndarray, bends: np.ndarray) -> np.ndarray:
    """Slopes, but nan where the two sides differ: one sample of many at a kink is enough to be off."""
    largest = np.nanmax(np.abs(slopes), initial=0.0)
    return np.where(bends > np.minimum(KINK * largest, 0.02 * np.abs(slopes)), np.nan, slopes)


def _directions(rng: np.random.Generator, size: int, gradient: np.ndarray, count: int) -> np.ndarray:
    rows = [rng.choice([-1.0, 1.0], size) for _ in range(max(2, count - 2))]
    if np.ptp(gradient) <= 1e-6 * np.abs(gradient).max():  # one number for all elements may be the sum of theirs
        rows[0] = np.ones(size)
    order = np.argsort(-np.abs(gradient))
    for place in order[:2]:
        row = np.zeros(size)
        row[place] = 1.0
        rows.append(row)
    return np.array(rows)


def _pruned(chosen: list[Candidate], entry: StudiedPass, most: int, seen: Seen) -> list[Candidate]:
    """Without those that do not depend on the parameters smoothly, or explain nothing of any update.

    What explains a tensor exactly comes before what explains none, and counts against one that tensors beyond it are
    moved: the output of a hidden unit goes nearly along with the updates before it.
    """
    kept: list[tuple[float, Candidate]] = []
    exact: dict[Candidate, int] = {}
    for candidate in chosen:
        shares: list[float] = []
        beyond = 0
        for name, slopes in entry.slopes[candidate].items():
            fine = np.isfinite(slopes) & _moved(entry, name)
            if not fine.any() or not np.abs(entry.given[name][fine]).max() > 0:
                continue
            if np.abs(slopes[fine]).max() > 0:
                shares.append(max(_share(slopes[fine], given[fine]) for given in _added(entry, name)))
                exact[candidate] = exact.get(candidate, 0) + (shares[-1] > 1 - EXACTLY and fine.sum() > 2)
            else:
                beyond += 1
        exact[candidate] = max(exact.get(candidate, 0) + _exact_numbers(entry, candidate) - beyond, 0)
        some = any(np.isfinite(s).any() and np.nanmax(np.abs(s)) > 0 for s in entry.slopes[candidate].values())
        share = float(np.mean(shares)) + 0.1 * max(shares) if shares else 0.0
        if not some and candidate.kind in PIECEWISE:
            share = 0.5  # of a sample that is right already it says nothing
        if share > 0.2 or (some and candidate.named > 0):
            kept.append((share, candidate))
    # What has no name that speaks for it goes along with the updates by chance, where there are many.
    kept.sort(
        key=lambda item: (
            not of_classes(item[1], seen),
            -item[1].named if item[1].is_seen else 0,
            not exact[item[1]],
            item[1].named < 2 and item[0] < TELLING,
            -round(item[0], 4),
        )
    )
    return [candidate for _, candidate in kept[:most]]


def _exact_numbers(entry: StudiedPass, candidate: Candidate) -> int:
    """How many parameters of one number are moved along the slope at one rate: any slope explains one of them alone."""
    pairs = [
        (float(slopes[0]), float(entry.given[name][0]))
        for name, slopes in entry.slopes[candidate].items()
        if slopes.size == 1 and np.isfinite(slopes[0]) and np.isfinite(entry.given[name][0])
    ]
    if len(pairs) < 2:
        return 0
    told = _share(*np.array(pairs).T)
    return len(pairs) if told > 1 - EXACTLY else 0


def _added(entry: StudiedPass, name: str) -> Iterator[np.ndarray]:
    """What a tensor is moved by, and what the pass adds to a gradient that is never set to zero."""
    yield entry.given[name]
    for share, before, after in entry.memories.get(name, ()):
        if abs(share - 1) < 1e-4 and before.size == after.size == entry.directions[name].shape[1]:
            yield entry.directions[name] @ (after - before)


def _share(slopes: np.ndarray, given: np.ndarray) -> float:
    size = float((slopes @ slopes) * (given @ given))
    return float(slopes @ given) ** 2 / size if size > 0 else 0.0


def _explains(entry: StudiedPass, candidate: Candidate) -> bool:
    """Whether the updates of most tensors go along its slope, nearly."""
    known, near = 0, 0
    for name, slopes in entry.slopes[candidate].items():
        fine = np.isfinite(slopes) & _moved(entry, name)
        s, g = slopes[fine], entry.given[name][fine]
        size = float((s @ s) * (g @ g))
        if size > 0 and len(s) > 1:
            known += 1
            near += float(s @ g) ** 2 / size > 0.98
    return near > known / 2


def _moved(entry: StudiedPass, name: str) -> np.ndarray:
    """Which directions tell of elements that the pass moves; all, where not each element was tried by itself."""
    update, directions = entry.update[name], entry.directions[name]
    alone = directions.shape == (update.size, update.size) and update.any()
    return update != 0 if alone else np.ones(len(directions), dtype=bool)


def _values(plain: PassOutcome, found: Parameters) -> frozenset[float]:
    """The numbers that parameters are, before the pass and after it; of large ones, the first."""
    arrays = [side[name] for side in (plain.before, plain.after) for name in found.parameters if name in side]
    return frozenset(float(v) for array in arrays for v in array.ravel()[:2000] if v not in (0.0, 1.0))


def _close(first: float, other: float) -> bool:
    return bool(np.isclose(first, other, rtol=1e-9, atol=0.0, equal_nan=True))


def _merge(entry: StudiedPass, other: StudiedPass) -> None:
    """Take the candidates of another measurement of the same pass over, along its own directions."""
    for name, directions in other.directions.items():
        if not np.array_equal(directions, entry.directions[name]):
            return
    entry.slopes |= other.slopes
    entry.losses |= other.losses


def _size(values: np.ndarray) -> float:
    return max(float(np.sqrt(np.mean(values * values))), 1e-2)
