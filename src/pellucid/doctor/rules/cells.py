"""One tensor in one pass: what its update has to do with the slope of a loss, clipped and decaying ones as well."""

from __future__ import annotations

import math
from collections import Counter
from dataclasses import dataclass, replace

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass

EXACT = 1e-3  # a residual, or a difference of ratios, that differences and rounding explain
FEW = 4  # numbers, of which two columns explain many by chance
WRONG = 1e-3  # one that nothing but a mistake explains


@dataclass
class TensorCell:
    """One tensor in one pass: `given ≈ ratio · slope`, but for `residual`, a share of given.

    `state`: "silent" (both zero), "zero" (no update where there is a slope), "drift" (an update where there is no
    slope), "along" (one factor), "across" (another direction). `size`: the length of the slope, where it is known.
    """

    state: str
    ratio: float = math.nan
    residual: float = 0.0
    cosine: float = math.nan
    size: float = math.nan


def table(passes: list[StudiedPass], candidate: Candidate) -> dict[str, list[TensorCell]]:
    """The cells of each tensor, one a pass, but for what clipping and decay explain."""
    names = list(dict.fromkeys(name for entry in passes for name in entry.given))
    still = {name: at_rest(passes, name) for name in names}
    cells = {name: [cell(entry, candidate, name, still[name]) for entry in passes] for name in names}
    _without_clipped(passes, candidate, cells)
    _at_full_length(passes, cells)
    for name, row in cells.items():
        ratios = [c.ratio for c in row if c.state == "along"]
        if any(c.state == "across" for c in row) or not all(near(ratio, ratios[0]) for ratio in ratios):
            cells[name] = _decaying(passes, candidate, name, row)
    return cells


def at_rest(passes: list[StudiedPass], name: str) -> np.ndarray | None:
    """Which elements of a tensor no pass moves, where some are moved; none where no pass tried each by itself."""
    known = [entry for entry in passes if name in entry.update and entry.update[name].any()]
    if len(known) < 2 or not any(_each(entry, name) for entry in known):
        return None
    moved = np.any([entry.update[name] != 0 for entry in known], axis=0)
    return None if moved.all() else ~moved


def left_out(passes: list[StudiedPass], candidate: Candidate, name: str) -> np.ndarray | None:
    """The elements of a tensor that no pass moves though the loss has a slope in them in nearly all passes, which is
    not by design: not one value that all of them have, as pruned weights and those at a bound do."""
    still = at_rest(passes, name)
    if still is None:
        return None
    known = [entry for entry in passes if name in entry.update and entry.update[name].any() and _each(entry, name)]
    sloping = np.array([_sloping(entry.slopes[candidate][name]) for entry in known]).mean(0) > 0.7
    values = known[0].values[name][still]
    if not sloping[still].all() or (values.size > 1 and not np.ptp(values)) or (values == 0).all():
        return None
    return still


def _each(entry: StudiedPass, name: str) -> bool:
    """Whether each element was moved by itself."""
    return entry.directions[name].shape == (entry.update[name].size,) * 2


def _sloping(slopes: np.ndarray) -> np.ndarray:
    size = np.abs(slopes)
    return size > 1e-4 * np.nanmax(size, initial=0.0)


def cell(entry: StudiedPass, candidate: Candidate, name: str, still: np.ndarray | None = None) -> TensorCell:
    """One tensor in one pass; without the elements that no pass moves."""
    if name not in entry.given or _stands_still(entry):
        return TensorCell("silent")
    slopes, given = entry.slopes[candidate][name], entry.given[name]
    fine = np.isfinite(slopes) & np.isfinite(given)
    if still is not None and not _each(entry, name):  # the sum of all elements tells nothing of those that move
        return TensorCell("silent")
    if still is not None:
        fine &= ~still
    if not fine.any():
        return TensorCell("silent")
    s, g = slopes[fine], given[fine]
    most_s = max((np.nanmax(np.abs(v), initial=0) for v in entry.slopes[candidate].values()), default=0.0)
    most_g = max((np.abs(v[np.isfinite(v)]).max(initial=0) for v in entry.given.values()), default=0.0)
    ss, gg = float(s @ s), float(g @ g)
    no_slope, no_step = math.sqrt(ss) <= 1e-7 * most_s * math.sqrt(len(s)), math.sqrt(gg) <= 1e-9 * most_g
    if (no_slope and no_step) or (no_slope and gg == 0):
        return TensorCell("silent")
    if no_slope:
        return TensorCell("drift")
    if no_step:
        return TensorCell("zero", 0.0, 0.0)
    ratio = float(s @ g) / ss
    residual = math.sqrt(max(0.0, float(((g - ratio * s) ** 2).sum())) / gg)
    cosine = float(s @ g) / math.sqrt(ss * gg)
    # weights that decay beside: given ≈ ratio · slope + decay · weight; by its sign, of few numbers, all passes tell
    for signs, spared in BESIDE if residual >= WRONG and len(s) >= 4 else ():
        if signs and np.count_nonzero(entry.update[name]) <= FEW:
            break
        w = _weights(entry, name, signs, spared)[fine]
        (own, decay), *_ = np.linalg.lstsq(np.stack([s, w], 1), g, rcond=None)
        rest = math.sqrt(float(((g - own * s - decay * w) ** 2).sum()) / gg)
        if rest < WRONG / 10 and own and (own < 0 or decay > 0):
            return TensorCell("along", float(own), rest, cosine, math.sqrt(ss))
    return TensorCell("along" if residual < WRONG else "across", ratio, residual, cosine, math.sqrt(ss))


def _stands_still(entry: StudiedPass) -> bool:
    """Whether what the pass does to all parameters is no more than rounding: at a saddle point, zero weights say."""
    moved = max((np.abs(update).max(initial=0.0) for update in entry.update.values()), default=0.0)
    size = max((np.abs(values).max(initial=0.0) for values in entry.values.values()), default=0.0)
    return bool(0 < moved < 1e-15 * max(size, 1.0))


def _without_clipped(passes: list[StudiedPass], candidate: Candidate, cells: dict[str, list[TensorCell]]) -> None:
    """Where gradients were clipped by value there is nothing to compare: their largest elements are one number."""
    if not any(entry.clips for entry in passes):
        return
    counts: Counter[str] = Counter()
    for entry in passes:
        for gradient in entry.gradient.values():
            size = np.abs(gradient)
            largest = size.max(initial=0)
            # what is one number for all units, and in one place alone, is the sum of all of them
            one = size.size > 2 and not np.ptp(gradient)
            counts[f"{largest:.6e}"] += 1 if one else int((size >= largest * (1 - 1e-8)).sum())
    cut = [
        (i, name)
        for i, entry in enumerate(passes)
        for name, gradient in entry.gradient.items()
        if gradient.any()
        and (counts[f"{np.abs(gradient).max():.6e}"] > 1 or _largest_is_cut(entry, candidate, name, cells[name][i]))
    ]
    whole = {(i, name) for name, row in cells.items() for i, c in enumerate(row) if c.state != "silent"} - {*cut}
    # what goes along with the slope at the rate of those was not cut: of a hinge loss, the bias moves by one number
    rate = shared([(cells[name][i].ratio, 1.0) for i, name in whole if cells[name][i].state == "along"])
    cut = [(i, n) for i, n in cut if cells[n][i].state != "along" or not near(cells[n][i].ratio, rate)]
    for i, name in cut:
        cells[name][i] = TensorCell("silent") if whole else _by_signs(passes[i], candidate, name)


def _by_signs(entry: StudiedPass, candidate: Candidate, name: str) -> TensorCell:
    """What is left to compare where every tensor is clipped in every pass: whether it goes along with the slope, as a
    ratio of 1, or against it."""
    slopes, given = entry.slopes[candidate][name], entry.given[name]
    fine = np.isfinite(slopes) & np.isfinite(given)
    s, g = slopes[fine], given[fine]
    if _each(entry, name):
        s, g = np.sign(s), np.sign(g)
    size = float(np.linalg.norm(s) * np.linalg.norm(g))
    cosine = float(s @ g) / size if size > 0 else 0.0
    if len(s) < 2 or abs(cosine) < (SIGNS if _each(entry, name) else PROJECTED):
        return TensorCell("silent")
    return TensorCell("along", math.copysign(1.0, cosine), 0.0, cosine)


SIGNS, PROJECTED = 0.9, 0.5  # cosines of signs, and of sums along directions, that go along


def _largest_is_cut(entry: StudiedPass, candidate: Candidate, name: str, found: TensorCell) -> bool:
    """Whether the tensor follows the slope, but for its largest element, which should be larger."""
    slopes, given, directions = entry.slopes[candidate][name], entry.given[name], entry.directions[name]
    fine = np.isfinite(slopes) & np.isfinite(given)
    if found.state != "across" or fine.sum() < 3:
        return False
    largest = int(np.abs(entry.gradient[name]).argmax())
    columns = np.stack([slopes, directions[:, largest]], 1)[fine]
    (ratio, lacking), *_ = np.linalg.lstsq(columns, given[fine], rcond=None)
    rest = float(np.linalg.norm(given[fine] - columns @ np.array([ratio, lacking])))
    return rest < WRONG * float(np.linalg.norm(given[fine])) and lacking * entry.gradient[name][largest] < 0


def _at_full_length(passes: list[StudiedPass], cells: dict[str, list[TensorCell]]) -> None:
    """Where each tensor is clipped by a norm of its own, those that were cut have one norm, which is the largest: they
    follow the slope, and the rate is that of the others, or where all were cut, none that is known."""
    told = [(name, i) for name, row in cells.items() for i, c in enumerate(row) if c.state not in ("silent", "drift")]
    along = [(name, i) for name, i in told if cells[name][i].state == "along" and cells[name][i].ratio]
    norms = {(name, i): float(np.linalg.norm(passes[i].gradient[name])) for name, i in along}
    longest = max(norms.values(), default=0.0)
    cut = [at for at in along if near(norms[at], longest, 1e-7)]
    whole = [abs(cells[name][i].ratio) for name, i in along if (name, i) not in cut]
    if len({passes[i].gradient[name].size for name, i in cut}) < 2 or len(cut) < 3 or (not whole and cut != told):
        return
    rate = shared([(ratio, 1.0) for ratio in whole or [max(abs(cells[name][i].ratio) for name, i in cut)]])
    sizes = [abs(cells[name][i].ratio) for name, i in cut]
    if not all(near(ratio, rate) for ratio in whole) or max(sizes) > rate * (1 + WRONG):
        return
    for name, i in cut:
        cells[name][i] = replace(cells[name][i], ratio=math.copysign(rate, cells[name][i].ratio))


def _decaying(passes: list[StudiedPass], candidate: Candidate, name: str, row: list[TensorCell]) -> list[TensorCell]:
    """The same cells, if in all passes together one rate, one decay of the weights and one share of each momentum
    explain what each pass, with few directions, cannot tell: given = ratio · slope + decay · weight."""
    for beside in ("weights", "signs", "momentum"):
        if beside == "signs" and max(np.count_nonzero(entry.update.get(name, 0)) for entry in passes) <= FEW:
            continue
        if (found := _explained(passes, candidate, name, row, beside)) is not None:
            return found
    return row


def _explained(
    passes: list[StudiedPass], candidate: Candidate, name: str, row: list[TensorCell], beside: str
) -> list[TensorCell] | None:
    """`beside`: what the update has beside the slope: a share of the weights, of their signs, or of its memories."""
    momentum = beside == "momentum"
    unit = _of_memory(passes, name) if momentum else 1.0
    told: list[tuple[int, np.ndarray, np.ndarray]] = []
    for i, entry in enumerate(passes):
        if row[i].state not in ("along", "across"):
            continue
        slopes, given = entry.slopes[candidate][name], entry.given[name]
        columns = [slopes, _weights(entry, name, beside == "signs")]
        if momentum:  # the update itself, not what is left of it without what its memory is thought to add
            given = -(entry.directions[name] @ entry.update[name]) / unit
            columns = [slopes, *(entry.directions[name] @ values for values in entry.memory.get(name, ()))]
        fine = np.isfinite(slopes) & np.isfinite(given)
        told.append((i, np.stack(columns, 1)[fine], given[fine]))
    if momentum and len(told[0][1][0] if told and len(told[0][1]) else ()) < 2:
        return None
    if sum(len(given) for _, _, given in told) < 6 or len(told) < 2:
        return None
    design, target = np.concatenate([t[1] for t in told]), np.concatenate([t[2] for t in told])
    (ratio, *shares), *_ = np.linalg.lstsq(design, target, rcond=None)
    if ratio == 0 or (not momentum and ratio > 0 and not shares[0] > 0):
        return None
    rests = {
        i: float(np.linalg.norm(g - columns @ np.array([ratio, *shares])) / max(np.linalg.norm(g), 1e-300))
        for i, columns, g in told
    }
    if max(rests.values()) >= WRONG:
        return None
    return [TensorCell("along", float(ratio), rests[i], c.cosine) if i in rests else c for i, c in enumerate(row)]


def _of_memory(passes: list[StudiedPass], name: str) -> float:
    """How many times its memory after a pass each update is, the gradient being what is new in that; 1 where it is no
    multiple, as with a step ahead."""
    shares = list[float]()
    for entry in passes:
        known, update = entry.memories.get(name, []), entry.update.get(name, np.zeros(0))
        if len(known) != 1 or known[0][2].size != update.size or not known[0][2].any():
            return 1.0
        after = known[0][2].ravel()
        shares.append(abs(float(update @ after) / float(after @ after)))
        if np.abs(np.abs(update) - shares[-1] * np.abs(after)).max() > WRONG * np.abs(update).max():
            return 1.0
    return shares[0] if shares and shares[0] > 0 and all(near(share, shares[0]) for share in shares) else 1.0


# What decays, weights or their signs; and the intercept among them that does not: the first of them, or the last.
BESIDE = ((False, None), (False, 0), (False, -1), (True, None))


def _weights(entry: StudiedPass, name: str, signs: bool = False, spared: int | None = None) -> np.ndarray:
    """The weights along the directions, or their signs; of an embedding, only the rows that the pass moved decay."""
    values = np.sign(entry.values[name]) if signs else entry.values[name]
    if spared is not None:
        values = np.where(np.arange(values.size) == spared % max(values.size, 1), 0.0, values)
    return entry.directions[name] @ np.where(entry.update[name] != 0, values, 0.0)


def near(value: float, other: float, tolerance: float = WRONG) -> bool:
    return math.isfinite(value) and math.isfinite(other) and abs(value - other) <= tolerance * abs(other)


NEARLY_AS_OFTEN = 0.7  # passes: units that are off have no slope in some


def shared(
    found: list[tuple[float, float]], preferred: float = math.nan, written: frozenset[float] = frozenset()
) -> float:
    """The ratio that most agree on, each with the size of its tensor.

    Of several, the preferred one, one that the program writes for its rate, a descent, and that of the larger tensors.
    """
    found = [(ratio, size) for ratio, size in found if math.isfinite(ratio) and ratio != 0]
    if not found:
        return math.nan

    def votes(ratio: float) -> tuple[float, ...]:
        alike = [size for other, size in found if near(other, ratio)]
        known = any(near(ratio, rate) for rate in written)
        return len(alike), near(ratio, preferred), known, ratio > 0, sum(alike)

    best = max((ratio for ratio, _ in found), key=votes)
    if best < 0 and any(near(ratio, -best) for ratio, _ in found):  # a number that climbs beside tensors that descend
        up, down = votes(best), votes(next(ratio for ratio, _ in found if near(ratio, -best)))
        best = -best if down[0] >= NEARLY_AS_OFTEN * up[0] and down[-1] > up[-1] else best
    return float(np.median([other for other, _ in found if near(other, best)]))
