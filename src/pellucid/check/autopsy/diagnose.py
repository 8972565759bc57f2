"""From wrong gradients to the mistakes behind them: one is tried after the other until the numbers agree."""

from __future__ import annotations

import math
from collections.abc import Collection, Iterator, Mapping
from dataclasses import dataclass, field

import numpy as np

from pellucid.check.autopsy.evidence import Evidence, norm
from pellucid.check.autopsy.hypothesis import TapeCase, forget_lines, line
from pellucid.check.autopsy.numbers import Explanation, by_numbers, same
from pellucid.check.autopsy.trial import Budget, Match, MistakeTrial
from pellucid.check.mistakes import DROPPED_TERM, SIGN, UNKNOWN, WRONG_LOSS
from pellucid.check.record.reverse import Change, ReversePass, backward
from pellucid.check.record.rules import ELEMENTWISE, has_ties
from pellucid.check.record.tape import Array, Site, Tape

SQUARES = ("square", "power", "multiply")  # by which a variance is written


@dataclass
class Diagnosis:
    """What is most likely wrong with one tensor's gradient.

    Attributes:
        mistake: a name of the vocabulary; UNKNOWN where nothing that was tried gives these numbers.
        confidence: from 0 to 1. Below 1 where other mistakes would give the same numbers.
        explanation, fix: in words.
        where: the user's line of the forward step whose backward is wrong, if it is known.
        others: further mistakes that would give the same numbers.
    """

    mistake: str
    confidence: float
    explanation: str
    fix: str
    where: str = ""
    others: list[str] = field(default_factory=list)
    site: Site | None = field(default=None, repr=False, compare=False)  # of the forward step
    backward: Site | None = field(default=None, repr=False, compare=False)  # of the line that is wrong
    second: str = ""  # a further mistake on the same path, which is made as well
    then: Diagnosis | None = field(default=None, repr=False, compare=False)  # the same, by itself
    wrong_value: Array | None = field(
        default=None, repr=False, compare=False
    )  # the first that is wrong on the way back


def diagnose(
    evidence: dict[str, Evidence],
    tape: Tape | None,
    earlier_tapes: list[Tape],
    earlier: list[dict[str, Array]],
    sizes: tuple[int, ...],
    rtol: float = 1e-6,
    updated: dict[str, Array] | None = None,
    base: Change | None = None,
    elsewhere: list[tuple[ReversePass, dict[str, Evidence]]] | None = None,
) -> dict[str, Diagnosis]:
    """A diagnosis for each tensor whose evidence says that it is wrong.

    First the numbers alone; then, on the tape, every mistake that there is a rule for, at every place where it can be
    made. One that explains several tensors at once, and spoils none that is right, comes before one that explains a
    single tensor. What a first mistake does not explain is looked at once more with that one in place; then two at
    once are tried, and one times a factor.

    `elsewhere` are ways back at other points, with the evidence there: a path that is off by a factor has to be off by
    the same one there. `base` is what the backward pass does otherwise than the recording and may: it leaves a guard
    out.
    """
    base = base or Change()
    wrong = {name: row for name, row in evidence.items() if row.wrong}
    if not wrong:
        return {}
    forget_lines()
    all_true = {name: row.true for name, row in evidence.items()}
    repeats = {name: _repeats(tape, name) for name in wrong} if tape is not None else {}
    plain = {
        name: list(by_numbers(row, all_true, sizes, earlier, rtol, repeats.get(name, 0))) for name, row in wrong.items()
    }
    result: dict[str, Diagnosis] = {}
    # Zero, accumulated, another tensor's: said by the numbers with more certainty than any simulation.
    for name, verdicts in plain.items():
        certain = [verdict for verdict in verdicts if verdict.weight >= 2.4]
        if certain:
            result[name] = _from_numbers(certain, [])
    wrong = {name: row for name, row in wrong.items() if name not in result}
    found: list[Match] = []
    change, budget = base, Budget()
    if tape is not None and wrong:
        best = ""
        for ties, fixed in conventions(tape, base):
            convene(tape, ties)
            case = TapeCase(backward(tape, fixed), earlier_tapes, sizes, updated or {}, elsewhere or [])
            trial = MistakeTrial(case, evidence, wrong, rtol, budget)
            likely = trial.likely()
            if not best or len(_explained(likely)) > len(_explained(found)):
                found, change, best = likely, fixed, ties
            if len(_explained(found)) == len(wrong):
                break
        convene(tape, best)
        told = {name for name in wrong if any(verdict.weight >= 2.0 for verdict in plain[name])}
        whole = any(row.explains == wrong.keys() and not row.breaks for row in found)
        if not whole and not wrong.keys() <= _explained(found) | told:
            case = TapeCase(backward(tape, change), earlier_tapes, sizes, updated or {})
            trial = MistakeTrial(case, evidence, wrong, rtol, budget)
            found += trial.unlikely()
    remaining = dict.fromkeys(wrong)
    while remaining:
        best = _best(found, remaining)
        alone = {name: plain[name] for name in remaining if plain[name]}
        together = len(best.explains & remaining.keys()) if best is not None else 0
        if best is None or (together == 1 and alone and best.explains & alone.keys()):
            if not alone:
                break
            for name, verdicts in alone.items():
                rivals = [row for row in found if name in row.explains]
                result[name] = _judge(name, verdicts, rivals)
                del remaining[name]
            continue
        value = _first_wrong(tape, change, best.hypothesis.change)
        explained = [name for name in remaining if name in best.explains]
        for name in explained:
            rivals = [row for row in found if name in row.explains and row is not best]
            result[name] = _from_simulation(best, rivals, plain[name])
            result[name].wrong_value = value
        for name in explained:
            del remaining[name]
        if remaining and tape is not None:
            change = change | best.hypothesis.change
            again = TapeCase(backward(tape, change), earlier_tapes, sizes, updated or {})
            trial = MistakeTrial(again, evidence, {name: wrong[name] for name in remaining}, rtol, budget)
            found = trial.likely()
            if len(_explained(found)) < len(remaining):
                found += trial.unlikely()
            mistaken = again.way.gradients()
            for name in remaining:
                moved = Evidence(name, mistaken[name], wrong[name].given)
                _ratio(moved)
                plain[name] += list(by_numbers(moved, {**all_true, **mistaken}, sizes, earlier, rtol))
    if remaining and tape is not None:
        case = TapeCase(backward(tape, change), earlier_tapes, sizes, updated or {})
        left = {name: wrong[name] for name in remaining}
        for attempt in (_times_a_factor, _two_at_once):
            left = {name: row for name, row in left.items() if name not in result}
            result |= attempt(case, evidence, left, rtol, budget) if left else {}
    _loss_of_another_sign(result, evidence, tape)
    for name in [name for name in remaining if name not in result]:
        result[name] = Diagnosis(
            UNKNOWN,
            0.5,
            f"The gradient of {name} is wrong ({wrong[name].pattern}); no mistake that was tried gives these numbers.",
            UNKNOWN.fix,
        )
    return {name: result[name] for name in evidence if name in result}


def _loss_of_another_sign(result: dict[str, Diagnosis], evidence: dict[str, Evidence], tape: Tape | None) -> None:
    """A loss below 0 that everything climbs: its minus sign is missing, and the gradients are those with it."""
    if tape is None or tape.result is None or not float(tape.result.value) < 0:
        return
    if result.keys() != evidence.keys() or any(diagnosis.mistake != SIGN for diagnosis in result.values()):
        return
    for diagnosis in result.values():
        diagnosis.mistake, diagnosis.others = WRONG_LOSS, [SIGN, *diagnosis.others]
        diagnosis.explanation += (
            " The loss is negative, as no usual loss is: these are the gradients of minus the loss."
        )
        diagnosis.fix = "put the minus sign before the loss: -np.mean(…log…)"


def _times_a_factor(
    case: TapeCase, evidence: dict[str, Evidence], wrong: dict[str, Evidence], rtol: float, budget: Budget
) -> dict[str, Diagnosis]:
    """A mistake and a factor at once: the direction is that of a mistake, the length is not."""
    result: dict[str, Diagnosis] = {}
    found = MistakeTrial(case, evidence, wrong, rtol, budget, free=True).likely()
    while best := _best(found, wrong.keys() - result.keys()):
        for name in sorted(best.explains - result.keys()):
            rivals = [hit for hit in found if name in hit.explains and hit is not best]
            result[name] = _from_simulation(best, rivals, [])
            result[name].confidence *= 0.8
            result[name].explanation += f" Beside that, it is {best.scale:.6g} times what it should be."
            result[name].wrong_value = _first_wrong(case.tape, case.way.change, best.hypothesis.change)
    return result


AND_ANOTHER = " And a second mistake: "


def _two_at_once(
    case: TapeCase, evidence: dict[str, Evidence], wrong: dict[str, Evidence], rtol: float, budget: Budget
) -> dict[str, Diagnosis]:
    """Two mistakes on one path, neither of which gives these numbers alone: both are said, the one nearer the loss
    first. They may be off by a factor as well."""
    trial = MistakeTrial(case, evidence, wrong, rtol, budget, free=True)
    result: dict[str, Diagnosis] = {}
    for best, first, second in trial.pairs():
        for name in sorted(best.explains - result.keys()):
            said = f"{first.explanation}{AND_ANOTHER}{second.explanation}"
            if not math.isclose(best.scale, 1.0, rel_tol=1e-3):
                said += f" Beside that, it is {best.scale:.6g} times what it should be."
            own = Diagnosis(first.mistake, 0.7, said, f"{first.fix}; and {second.fix}", line(first.node))
            own.site = first.node.site if first.node is not None else None
            own.second = second.mistake
            own.wrong_value = _first_wrong(case.tape, case.way.change, first.change)
            own.then = Diagnosis(second.mistake, 0.7, second.explanation, second.fix, line(second.node))
            own.then.site = second.node.site if second.node is not None else None
            own.then.wrong_value = _first_wrong(case.tape, case.way.change | first.change, second.change)
            result[name] = own
    return result


def free_scale(
    true: Mapping[str, Array],
    given: Mapping[str, Array | None],
    tape: Tape | None,
    earlier: list[Tape],
    sizes: tuple[int, ...],
    updated: dict[str, Array],
    rtol: float = 1e-5,
) -> float:
    """The factor common to gradients of which none is right: that of the mistake that explains most of them.

    nan where no mistake explains one up to a factor.
    """
    wrong = {name: Evidence(name, value, given.get(name)) for name, value in true.items()}
    votes: list[tuple[float, float]] = []
    for name, own in true.items():
        value = given.get(name)
        if value is None or not value.any():
            continue
        others = [other for other_name, other in true.items() if other_name != name]
        others += [own.T] if own.ndim == 2 and min(own.shape) > 1 else []
        for other in others:
            if other.shape == value.shape and other.size > 2 and other.any():
                factor = float((other * value).sum() / (other**2).sum())
                if same(factor * other, value, None, rtol):
                    votes.append((1.0, abs(factor)))
    if tape is not None:
        budget = Budget()
        trial = MistakeTrial(TapeCase(backward(tape), earlier, sizes, updated), wrong, wrong, rtol, budget, free=True)
        found = trial.likely() or trial.unlikely()
        votes += [(len(hit.explains) + 0.1 * hit.hypothesis.weight, abs(hit.scale)) for hit in found]
    return max(votes, default=(0.0, math.nan))[1]


def _repeats(tape: Tape, name: str) -> int:
    """How often the forward pass broadcasts each element of a parameter; 0 where that is not the same for all."""
    parameter = tape.parameters[name]
    total = np.zeros(parameter.shape)
    views: dict[int, Array] = {parameter.index: np.arange(parameter.value.size).reshape(parameter.shape)}
    for node in tape.useful():
        for source in node.inputs:
            places = views.get(source.index)
            if places is None:
                continue
            if node.op == "move":
                own = node.attributes["places"]
                views[node.index] = np.where(own >= 0, places.ravel()[np.maximum(own, 0)], -1)
            elif node.op in ELEMENTWISE and places.size:
                times = node.value.size / places.size
                total += times * np.bincount(places[places >= 0].ravel(), minlength=total.size).reshape(total.shape)
    return round(float(total.flat[0])) if total.size and np.ptp(total) == 0 else 0


def _first_wrong(tape: Tape | None, base: Change, change: Change) -> Array | None:
    """On the way back, the first adjoint that a mistake makes wrong."""
    if tape is None:
        return None
    right, wrong = backward(tape, base).adjoints, backward(tape, base | change).adjoints
    for index in sorted(wrong, reverse=True):
        before = right.get(index)
        if before is None or before.shape != wrong[index].shape or not np.allclose(before, wrong[index], 1e-9, 1e-14):
            return wrong[index]
    return None


def _explained(found: list[Match]) -> set[str]:
    return {name for hit in found for name in hit.explains}


def conventions(tape: Tape, base: Change | None = None) -> Iterator[tuple[str, Change]]:
    """The ways to write a right gradient, between which a mistake may make a difference.

    The maximum that is subtracted in a stabilised softmax can be taken for a constant; a maximum's gradient can be
    shared among ties evenly, given whole to each, or to the first.
    """
    ties = any(node.op in ("max", "min") and has_ties(node) for node in tape.useful())
    base = base or Change()
    shifts = _shifts(tape)
    for tie in ("shared", "each", "first") if ties else ("shared",):
        if shifts.edges:
            yield tie, base | shifts
        yield tie, base


def _shifts(tape: Tape) -> Change:
    """`z - z.max()` with the maximum taken for a constant: where that leaves the gradient as it is."""
    change = Change()
    for node in tape.useful():
        if node.op == "subtract" and node.inputs[1].needs:
            largest = node.inputs[1]
            while largest.op == "move":
                largest = largest.inputs[0]
            if largest.op == "max" and largest.inputs[0] is node.inputs[0]:
                change.edges[node.index, 1] = lambda n, p, g: None
    whole = backward(tape)
    truth = whole.gradients()
    size = max((norm(gradient) for gradient in truth.values()), default=0.0)
    cut = whole.changed(change)
    return change if all(norm(cut[name] - truth[name]) <= 1e-9 * size for name in cut) else Change()


def convene(tape: Tape, ties: str) -> None:
    for node in tape.useful():
        if node.op in ("max", "min"):
            node.attributes["ties"] = ties


def _ratio(row: Evidence) -> None:
    if row.given is not None and row.given.shape == row.true.shape and row.true.any():
        row.ratio = float((row.given * row.true).sum() / (row.true**2).sum())


def _best(found: list[Match], remaining: Collection[str]) -> Match | None:
    useful = [hit for hit in found if not hit.explains.isdisjoint(remaining)]

    def explained(hit: Match) -> float:
        return len(hit.explains.intersection(remaining)) - 0.5 * len(hit.breaks)

    best = max(useful, key=lambda hit: (explained(hit), hit.hypothesis.weight), default=None)
    if best is None or best.hypothesis.node is None or best.hypothesis.node.op not in SQUARES:
        return best
    # What passes the squares of a variance wrongly may vanish on the way, since deviations sum to nothing: left out.
    left_out = [h for h in useful if h.hypothesis.mistake == DROPPED_TERM and explained(h) >= explained(best)]
    return max(left_out, key=lambda hit: hit.hypothesis.weight, default=best)


def _from_simulation(best: Match, rivals: list[Match], numbers: list[Explanation]) -> Diagnosis:
    """Confidence: less where a mistake of another name explains as much, and where it should have spoiled more."""
    own = best.hypothesis
    others = [
        rival.hypothesis.mistake
        for rival in rivals
        if rival.hypothesis.mistake != own.mistake
        and len(rival.explains) >= len(best.explains)
        and len(rival.breaks) <= len(best.breaks)
    ]
    if len(best.explains) == 1:
        others += [rival.mistake for rival in numbers if rival.mistake != own.mistake]
    others = list(dict.fromkeys(others))
    confidence = 0.97 if not others else 0.8 if len(others) == 1 else 0.6
    if best.breaks:
        confidence *= 0.7
    site = own.node.site if own.node is not None else None
    return Diagnosis(own.mistake, confidence, own.explanation, own.fix, line(own.node), others, site)


def _from_numbers(verdicts: list[Explanation], others: list[str]) -> Diagnosis:
    best = max(verdicts, key=lambda verdict: verdict.weight)
    confidence = 0.95 if not others else 0.75
    return Diagnosis(best.mistake, confidence, best.explanation, best.fix, "", others)


def _judge(name: str, verdicts: list[Explanation], rivals: list[Match]) -> Diagnosis:
    """One tensor that its numbers explain: unless a simulation has the better claim."""
    best = max(verdicts, key=lambda hit: hit.weight)
    clean = [hit for hit in rivals if not hit.breaks and hit.explains == {name}]
    top = max(clean, key=lambda hit: hit.hypothesis.weight, default=None)
    if top is not None and top.hypothesis.weight > 1.0 and best.weight <= 1.0:
        return _from_simulation(top, [hit for hit in rivals if hit is not top], verdicts)
    others = list(dict.fromkeys(hit.hypothesis.mistake for hit in clean if hit.hypothesis.mistake != best.mistake))
    diagnosis = _from_numbers(verdicts, others)
    if top is not None and top.hypothesis.mistake == diagnosis.mistake:
        diagnosis.where = line(top.hypothesis.node)
        diagnosis.site = top.hypothesis.node.site if top.hypothesis.node is not None else None
    return diagnosis
