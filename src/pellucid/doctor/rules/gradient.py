"""Whether the updates of a program follow the slope of a loss: a pure function of what the laboratory measured."""

from __future__ import annotations

import itertools
import math
from collections.abc import Sequence
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.probes.usual import PIECEWISE, SIGNED
from pellucid.doctor.rules.cells import TensorCell, left_out, near, shared, table

NEARLY = 3e-5  # a residual that differences and rounding of 64 bits do not reach
HARDLY = 0.999  # the cosine of a direction that is nearly that of the slope
CLOSE = 1e-4  # a residual of what follows the slope of a loss that is a guess, and not nearly that of another
SEVERAL = 4  # passes in which a single number has one ratio by no chance
ALONG = 0.4  # the cosine of updates that go along with a slope; of a slope and its signs it is 0.8, or a little less
AT_ONE_RATE = 0.02  # of a rate, by which two of them are the same


@dataclass
class Judgement:
    """The loss that explains most, and what is wrong about each tensor by it.

    Attributes:
        ratio: what all right tensors share: the learning rate, times a constant of the loss.
        verdicts: "right", "factor", "sign", "zero", "across", "partly" (right in some passes only),
            "resting" (right, but for elements that are never moved), "unknown".
        factors: how many times too large, where that is one number.
        climbs: the program goes up the slope, in all tensors alike.
    """

    candidate: Candidate
    score: float
    ratio: float
    ratios: list[float]
    verdicts: dict[str, str] = field(default_factory=dict)
    factors: dict[str, float] = field(default_factory=dict)
    cells: dict[str, list[TensorCell]] = field(default_factory=dict)
    single: frozenset[str] = frozenset()  # single numbers
    climbs: bool = False
    climbs_partly: bool = False
    resting: dict[str, list[int]] = field(default_factory=dict)  # the elements that are never moved
    sizes: dict[str, int] = field(default_factory=dict)  # of each tensor

    @property
    def wrong(self) -> list[str]:
        return [name for name, verdict in self.verdicts.items() if verdict not in ("right", "unknown")]

    @property
    def amiss(self) -> list[str]:
        """What is moved otherwise than along the slope."""
        return [name for name in self.wrong if self.verdicts[name] != "resting"]


def judge(study: SlopeStudy) -> Judgement | None:
    """The judgement by the candidate that explains most; None where nothing that was seen explains anything."""
    judged = [
        found for candidate in study.candidates if (found := by(study.passes, candidate, study.rates)) is not None
    ]
    # What rises and is not called a loss is no loss: a margin, a likelihood.
    judged = [f for f in judged if not (f.climbs and f.candidate.is_seen and f.candidate.named <= 0)]
    # What some elements never follow is no other loss's slope.
    for good in (lambda f: not f.amiss and not f.climbs, lambda f: not f.amiss):
        whole = [found for found in judged if good(found) and tells(found)]
        if whole and all(_both_ways(found) for found in whole) and any(turned_over(found) for found in judged):
            continue  # a rate that is up and down the slope by turns explains anything of single numbers
        if whole:
            return _afresh(study.passes, whole, _exact(whole, max(whole, key=lambda found: found.score)))
    judged = [f for f in judged if accuses(f.candidate)] or judged
    # Nothing explains everything. What the program calls its loss is its loss, unless another explains far more: all of
    # a tensor at least.
    named = max(
        (f for f in judged if f.candidate.is_seen and f.candidate.named > 0), key=lambda f: f.score, default=None
    )
    best = max(judged, key=lambda found: (explains_some(found), found.score), default=None)
    if best is not None and is_chance(best):
        best = _steadier(judged, best)
    if best is not None and best.candidate.kind in PIECEWISE:  # which has a slope in half of the passes at most
        pair = (best.candidate.output, best.candidate.label)
        smooth = [
            f for f in judged if (f.candidate.output, f.candidate.label) == pair and f.candidate.kind not in PIECEWISE
        ]
        best = max((f for f in smooth if f.score > best.score - 2 * TIE), key=lambda f: f.score, default=best)
    if named is None or best is None or (explains_some(best) and not explains_some(named)):
        return best
    return _afresh(study.passes, judged, named) if best.score < named.score + 0.3 else best


def _afresh(passes: list[StudiedPass], judged: list[Judgement], best: Judgement) -> Judgement:
    """The best, or where it goes on from pass to pass, as `0.999 * smooth + 0.001 * loss`, what a pass adds to it: of
    numbers whose slopes are one up to a factor, that of which they are far more."""
    if not best.candidate.is_seen:
        return best
    named = [f for f in judged if f.candidate.is_seen and f.candidate.named > 0 and f.score > best.score - TIE]
    least = MUCH * _felt(passes, best.candidate)
    afresh = [f for f in named if _felt(passes, f.candidate) > least and alike(passes, best.candidate, f.candidate)]
    return max(afresh, key=lambda found: found.score, default=best)


def _felt(passes: list[StudiedPass], candidate: Candidate) -> float:
    """How much a loss changes with the parameters, as a share of it."""
    sizes = [(entry.slopes[candidate], abs(entry.losses.get(candidate, math.nan))) for entry in passes]
    shares = [math.sqrt(sum(float(np.nansum(s * s)) for s in slopes.values())) / loss for slopes, loss in sizes if loss]
    return float(np.median(shares)) if shares and np.isfinite(shares).all() else 0.0


MUCH = 8.0  # times the share of a change that a smoothed number, or a sum over many passes, has


def _both_ways(found: Judgement) -> bool:
    """Whether a rate of its own in each pass is down the slope in some and up in others."""
    return len({ratio > 0 for ratio in found.ratios if math.isfinite(ratio)}) == 2


def turned_over(found: Judgement) -> list[int]:
    """The passes in which all goes up the slope of a loss that all others follow at one rate: the sign is that of
    another loss for some labels. By a usual loss that is a guess, as far up as down."""
    candidate, over = found.candidate, list[int]()
    known = (candidate.is_seen and accuses(candidate)) or (candidate.kind in LOGARITHMIC and candidate.named > 0)
    if not known or not found.ratio > 0 or not explains_some(found):
        return []
    down = 0
    for i in range(len(found.ratios)):
        cells = [row[i] for row in found.cells.values() if row[i].state != "silent"]
        if not all(c.state == "along" and c.residual < CLOSE and near(c.ratio, cells[0].ratio, CLOSE) for c in cells):
            return []
        if cells and near(cells[0].ratio, found.ratio, CLOSE):
            down += 1
        elif cells and cells[0].ratio < 0 and (candidate.is_seen or near(-cells[0].ratio, found.ratio, CLOSE)):
            over.append(i)
        elif cells:
            return []
    return over if down > 1 else []


LOGARITHMIC = ("log", "cross", "log-logits", "cross-logits")


def keeping(first: Judgement | None, then: Judgement | None, study: SlopeStudy) -> Judgement | None:
    """The judgement of another state of the program; by the loss that went first before, where it says the same there.

    While outputs are zero, several losses have one slope.
    """
    if first is None or then is None or first.candidate == then.candidate or first.candidate not in study.candidates:
        return then
    again = by(study.passes, first.candidate, study.rates)
    same = again is not None and again.verdicts == then.verdicts and again.score > then.score - TIE
    return again if same and tells(first) else then


TIE = 0.05  # of scores, which names and kinds alone may differ by


def accuses(candidate: Candidate) -> bool:
    """Whether a program may be called wrong by it: not by a number whose name does not say that it is a loss, as the
    sum that a unit takes. Were it one, a loss of outputs and labels would explain as much."""
    return not candidate.is_seen or candidate.named > 0


def _exact(whole: list[Judgement], best: Judgement) -> Judgement:
    """The best, or another usual loss of the same output and label that explains exactly what the best explains nearly.

    While outputs are small, the squared error of labels −1 and 1 has nearly the slope of the hinge loss.
    """
    if is_chance(best):
        return _steadier(whole, best)
    if best.candidate.is_seen or residual(best) < NEARLY:
        return best
    pair = (best.candidate.output, best.candidate.label)
    exact = [f for f in whole if (f.candidate.output, f.candidate.label) == pair and residual(f) < NEARLY / 10]
    return max(exact, key=lambda found: found.score, default=best)


def _steadier(judged: list[Judgement], chance: Judgement) -> Judgement:
    """Of losses by which nothing is wrong, the best of those that are followed at one rate; or else the one given."""
    steady = [f for f in judged if not f.amiss and not f.climbs and not is_chance(f)]
    return max(steady, key=lambda found: found.score, default=chance)


def residual(found: Judgement) -> float:
    """How much of an update that goes along the slope is not of it, at most."""
    return max((c.residual for row in found.cells.values() for c in row if c.state == "along"), default=0.0)


def explains_some(found: Judgement) -> bool:
    """Whether the loss explains all of a tensor that is more than one number, in most passes, and not by chance."""
    if not found.candidate.is_seen and _at_any_rate(found):
        return False
    agreeing = 0
    for name, row in found.cells.items():
        telling = [c for c in row if c.state not in ("silent", "drift")]
        along = sum(c.state == "along" and (found.candidate.is_seen or c.residual < CLOSE) for c in telling)
        if along > len(telling) / 2 and (name not in found.single or _is_steady(found, telling)):
            agreeing += along
    return agreeing > 1


def of_some_rows(judgement: Judgement) -> bool:
    """Whether a guessed loss explains all of most passes, and of the others no tensor that can be compared, whatever
    layer it is of: then it is the loss that is another one there, as where some rows count more."""
    wrong = {judgement.verdicts[name] for name in judgement.wrong}
    if judgement.candidate.is_seen or wrong != {"partly"}:
        return False
    rows = [row for row in judgement.cells.values() if any(cell.state != "silent" for cell in row)]
    passes = [[cell for cell in cells if cell.state != "silent"] for cells in zip(*rows, strict=False)]
    follows = [[_is_along(cell, judgement.ratio) for cell in cells] for cells in passes if cells]
    return len(rows) > 1 and all(all(each) or not any(each) for each in follows) and not all(map(all, follows))


def _is_along(cell: TensorCell, ratio: float) -> bool:
    """Whether a tensor is moved as far as the others are: a single number is always moved along its slope."""
    return cell.state == "along" and abs(cell.ratio - ratio) <= AT_ONE_RATE * abs(ratio)


def _at_any_rate(found: Judgement) -> bool:
    """Whether the rate of each pass is another, up the slope in some and down in others: where a pass depends on its
    parameters by one number alone, as a score of one row, every loss of it has a slope of that direction."""
    known = sorted(abs(ratio) for ratio in found.ratios if math.isfinite(ratio))
    return _both_ways(found) and len(known) > 2 and not near(known[0], known[-1], 0.5)


def _is_steady(found: Judgement, telling: list[TensorCell]) -> bool:
    """Whether a single number, which is a multiple of any other, is the same multiple of its slope in many passes that
    differ: those of a training that came to rest say one thing many times."""
    ratios = [c.ratio for c in telling if c.state == "along"]
    if all(math.isfinite(c.size) for c in telling) and len({f"{c.size:.6e}" for c in telling}) < SEVERAL:
        return False
    return len(ratios) >= SEVERAL and found.candidate.kind not in PIECEWISE and all(near(r, ratios[0]) for r in ratios)


def is_chance(found: Judgement) -> bool:
    """Whether all that a loss explains, which is a guess, is one number at a rate of its own in each pass: it is a
    multiple of the slope of any loss."""
    told = [name for name, verdict in found.verdicts.items() if verdict != "unknown"]
    if found.candidate.is_seen or len(told) != 1 or told[0] not in found.single:
        return False
    ratios = [c.ratio for c in found.cells[told[0]] if c.state == "along"]
    return not all(near(ratio, ratios[0], CLOSE) for ratio in ratios)


def by_its_loss(passes: list[StudiedPass], found: Judgement) -> bool:
    """Whether the rate is no constant and no schedule, but a multiple of the loss of each pass."""
    pairs = [
        (ratio, entry.losses.get(found.candidate, math.nan))
        for entry, ratio in zip(passes, found.ratios, strict=True)
        if math.isfinite(ratio)
    ]
    if len(pairs) < SEVERAL or any(not (math.isfinite(loss) and loss > 0 and ratio > 0) for ratio, loss in pairs):
        return False
    shares = [ratio / loss for ratio, loss in pairs]
    losses, rates = [loss for _, loss in pairs], [ratio for ratio, _ in pairs]
    spread = min(max(losses) / min(losses), max(rates) / min(rates))
    turns = [b > a for a, b in itertools.pairwise(losses)]
    return spread > 2 and any(turns) and not all(turns) and max(shares) < 1.05 * min(shares)


def at_odds(passes: list[StudiedPass], found: Judgement) -> float:
    """The rate of a loss whose slope the updates hardly follow, by their lengths; 0 where they go along with it.

    A rule that scales each element, or turns the slope by its curvature, goes along with it.
    """
    cosines: list[float] = []
    rates: list[float] = []
    for entry in passes:
        for name, slopes in entry.slopes[found.candidate].items():
            fine = np.isfinite(slopes)
            s, g = slopes[fine], entry.given[name][fine]
            size = float((s @ s) * (g @ g))
            if size > 0 and len(s) > 2:
                cosines.append(float(s @ g) / math.sqrt(size))
                rates.append(math.sqrt(float(g @ g) / float(s @ s)))
    return float(np.median(rates)) if len(cosines) > 2 and float(np.median(cosines)) < ALONG else 0.0


def tells(found: Judgement) -> bool:
    """Whether a judgement speaks of most of the parameters, and of one rate."""
    known = sum(verdict != "unknown" for verdict in found.verdicts.values())
    return known > 0.5 * len(found.verdicts) and found.score > 0.4


def by_turns(found: Judgement, passes: Sequence[StudiedPass]) -> bool:
    """Whether what is wrong are tables of which a pass moves a few rows, and goes along with the slope all the same: as
    in a factorisation whose factors are moved by turns, each along its own slope, which does as well."""
    cosines = [c.cosine for name in found.wrong for c in found.cells[name] if c.state in ("along", "across")]
    rows = all((entry.update[name] == 0).any() for name in found.wrong for entry in passes if name in entry.update)
    return bool(cosines) and min(cosines) > HARDLY and rows


def passes_by(found: Judgement) -> bool:
    """Whether as many tensors are moved where a guessed loss has no slope in them as it says anything of: its output
    lies before them, such as that of a hidden unit."""
    rows = [{c.state for c in row} - {"silent"} for row in found.cells.values()]
    beyond = sum(states == {"drift"} for states in rows)
    return not found.candidate.is_seen and beyond > 0 and 2 * beyond >= sum(bool(states) for states in rows)


def strays(found: Judgement) -> bool:
    """Whether what agrees with a loss does so at no common rate, and other tensors are moved where it has no slope."""
    return not tells(found) and any(c.state == "drift" for row in found.cells.values() for c in row)


def ranked(study: SlopeStudy) -> list[Judgement]:
    """Every judgement, the one that `judge` takes first, then those that explain most."""
    first = judge(study)
    judged = [
        found for candidate in study.candidates if (found := by(study.passes, candidate, study.rates)) is not None
    ]
    rest = [f for f in sorted(judged, key=lambda f: -f.score) if first is None or f.candidate != first.candidate]
    return rest if first is None else [first, *rest]


def by(passes: list[StudiedPass], candidate: Candidate, rates: frozenset[float] = frozenset()) -> Judgement | None:
    """What is right and wrong if this is the loss. `rates`: the learning rates that the program writes."""
    if candidate.kind in SIGNED and any(math.isnan(entry.losses.get(candidate, 0.0)) for entry in passes):
        return None  # the labels of another pass are none of its
    cells = table(passes, candidate)
    names = list(cells)
    for i in range(len(passes)):  # where the loss is flat, behind a guard or saturated, there is nothing to compare
        if all(row[i].state in ("silent", "drift") for row in cells.values()):
            for row in cells.values():
                row[i] = TensorCell("silent")
    if candidate.kind in PIECEWISE or _by_intervals(
        cells
    ):  # a pass without any step may be one whose outputs are right: of a perceptron, say
        for i in range(len(passes)):
            if all(row[i].state in ("silent", "zero") for row in cells.values()):
                for row in cells.values():
                    row[i] = TensorCell("silent")
    along = [(i, name, c.ratio) for name in names for i, c in enumerate(cells[name]) if c.state == "along"]
    if not any(c.state in ("along", "across", "zero") for row in cells.values() for c in row):
        return None
    telling = sum(c.state != "silent" for row in cells.values() for c in row)
    written = rates if candidate.is_seen else frozenset[float]()
    sizes = {name: float(passes[0].values[name].size) if name in passes[0].values else 1.0 for name in names}
    whole = shared([(ratio, sizes[name]) for _, name, ratio in along], written=written)
    for name, row in cells.items():  # a slope that rounding hides is not 0
        for i, c in enumerate(row):
            if c.state == "drift" and float(np.abs(passes[i].given[name]).max()) < 1e4 * abs(whole) * _noise(
                passes[i], candidate, name
            ):
                row[i] = TensorCell("silent")
    ratios = [
        shared([(ratio, sizes[name]) for j, name, ratio in along if j == i], whole, written) for i in range(len(passes))
    ]
    fixed = sum(near(ratio, whole) for _, _, ratio in along) / telling
    each = sum(near(ratio, ratios[i]) for i, _, ratio in along) / telling
    flips = sum(near(abs(ratio), abs(whole)) for _, _, ratio in along) / telling
    steady = _steady(ratios)
    score = max(fixed, 0.9 * each * steady, 0.85 * flips)
    if not along:
        score = 0.3 * float(
            np.mean([abs(c.cosine) for row in cells.values() for c in row if math.isfinite(c.cosine)] or [0])
        )
    score += {"squared": 0.02, "log": 0.01, "cross": 0.01, "hinge": 0.005}.get(candidate.kind, 0.0)
    score += 0.03 * max(0, min(candidate.named, 2)) + (0.02 if candidate.is_seen and candidate.named > 0 else 0.0)
    score -= 0.08 * candidate.output[0].startswith("loop") + 0.04 * (candidate.which in ("first", "last"))
    score -= 0.05 * candidate.frozen  # a label that is known explains more than one that the network makes
    score -= 0.15 * (whole < 0) + (0.2 if candidate.is_seen and candidate.named < 0 else 0.0)
    constant = fixed >= 0.9 * each * steady
    found = Judgement(candidate, score, whole, [whole] * len(passes) if constant else ratios, cells=cells)
    found.sizes = {name: int(size) for name, size in sizes.items()}
    found.single = frozenset(name for entry in passes for name, d in entry.directions.items() if d.shape[1] == 1)
    for name in names:
        _verdict(found, name, passes)
    signs = [ratio for ratio in found.ratios if math.isfinite(ratio)]
    found.climbs = bool(signs) and all(ratio < 0 for ratio in signs)
    return found


def _by_intervals(cells: dict[str, list[TensorCell]]) -> bool:
    """Whether all tensors are moved in the same passes, along the slope, and rest in the others: the update stands in
    a branch that is taken now and then."""
    each = [{row[i].state for row in cells.values()} - {"silent"} for i in range(len(next(iter(cells.values()), [])))]
    together = all(len(states) < 2 for states in each) and set().union(*each) == {"along", "zero"}
    return together and sum(states == {"along"} for states in each) > 2


def alike(passes: list[StudiedPass], first: Candidate, other: Candidate) -> bool:
    """Whether the slopes of two losses go the same way: one is the other, up to a factor or a penalty."""
    together, sizes = 0.0, [0.0, 0.0]
    for entry in passes:
        for name, slopes in entry.slopes[first].items():
            again = entry.slopes[other][name]
            fine = np.isfinite(slopes) & np.isfinite(again)
            together += float(slopes[fine] @ again[fine])
            sizes[0] += float(slopes[fine] @ slopes[fine])
            sizes[1] += float(again[fine] @ again[fine])
    return min(sizes) > 0 and together > 0.99 * math.sqrt(sizes[0] * sizes[1])


def _scaled_down(found: Judgement, passes: list[StudiedPass], name: str, telling: list[tuple[int, TensorCell]]) -> bool:
    """Whether the tensor follows the slope in all passes, only less far where its norm would be larger than allowed."""
    if not any(entry.clips for entry in passes) or not all(c.state == "along" for _, c in telling):
        return False
    less = [(i, c) for i, c in telling if not near(c.ratio, found.ratios[i])]
    if not all(0 < c.ratio / found.ratios[i] < 1 for i, c in less):
        return False
    norms = [float(np.linalg.norm(passes[i].gradient[name])) for i, _ in less]
    others = [float(np.linalg.norm(g)) for entry in passes for g in entry.gradient.values()]
    return 2 * len(less) <= len(telling) or all(sum(near(n, other, 1e-6) for other in others) > 1 for n in norms)


def _noise(entry: StudiedPass, candidate: Candidate, name: str) -> float:
    return entry.noise.get(candidate, {}).get(name, 0.0)


def _verdict(found: Judgement, name: str, passes: list[StudiedPass]) -> None:
    row = found.cells[name]
    telling = [(i, c) for i, c in enumerate(row) if c.state != "silent"]
    if not telling:
        found.verdicts[name] = "unknown"
        return
    right = [follows(found, name, i) for i, _ in telling]
    if all(right) or _scaled_down(found, passes, name, telling):
        resting = left_out(passes, found.candidate, name)
        found.verdicts[name] = "right" if resting is None else "resting"
        if resting is not None:
            found.resting[name] = [int(i) for i in np.flatnonzero(resting)]
        return
    states = {c.state for _, c in telling}
    if "drift" in states and states <= {"drift", "zero"} and name in found.single:  # a counter, a running sum
        found.verdicts[name] = "unknown"
        return
    if all(c.state == "zero" for _, c in telling):
        found.verdicts[name] = "zero"
        return
    along = [
        (i, c) for i, c in telling if c.state == "along" and math.isfinite(found.ratios[i]) and found.ratios[i] != 0
    ]
    factors = [c.ratio / found.ratios[i] for i, c in along]
    if len(along) == len(telling) and all(near(f, factors[0], 0.01) for f in factors):
        if near(factors[0], 1.0, 0.01):  # where outputs are saturated, rounding is seen in the slopes
            found.verdicts[name] = "right"
            return
        found.factors[name] = float(np.median(factors))
        found.verdicts[name] = "sign" if factors[0] < 0 else "factor"
    elif any(right) and not all(right):
        found.verdicts[name] = "partly"
    else:
        found.verdicts[name] = "across"


def apart(found: Judgement) -> list[Judgement]:
    """What is moved otherwise than along the slope, and by itself what only some elements of are moved: two mistakes,
    of which each is looked for as if the other were none."""
    if len({found.verdicts[name] == "resting" for name in found.wrong}) < 2:
        return [found]
    alone: list[Judgement] = []
    for resting in (False, True):
        fine = {name: "right" for name in found.wrong if (found.verdicts[name] == "resting") != resting}
        alone.append(replace(found, verdicts=found.verdicts | fine, resting=found.resting if resting else {}))
    return alone


def follows(found: Judgement, name: str, index: int) -> bool:
    """Whether a tensor follows the slope in one pass, at the rate of the others."""
    told = found.cells[name][index]
    return told.state == "along" and near(told.ratio, found.ratios[index])


def _steady(ratios: list[float]) -> float:
    """1 where the ratio changes as a schedule might: one sign, and no jumps to and fro."""
    known = [ratio for ratio in ratios if math.isfinite(ratio)]
    if len(known) < 2:
        return 0.5
    if any(a * b < 0 for a, b in itertools.pairwise(known)):
        return 0.3
    steps = [math.log(abs(b / a)) for a, b in itertools.pairwise(known)]
    turns = sum(a * b < 0 and min(abs(a), abs(b)) > 0.05 for a, b in itertools.pairwise(steps))
    return 1.0 if not turns and max(map(abs, steps)) < 2.5 else 0.5
