"""From wrong gradients to the mistakes behind them: one is tried after the other until the numbers agree."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.check.autopsy.activations import activations
from pellucid.check.autopsy.evidence import Evidence
from pellucid.check.autopsy.hypothesis import FEW, Case, Generator, Hypothesis, line
from pellucid.check.autopsy.numbers import Verdict, by_numbers, same
from pellucid.check.autopsy.paths import broadcasts, factors, slices, steps, terms
from pellucid.check.autopsy.products import stale, transposes
from pellucid.check.autopsy.softmax import softmaxes
from pellucid.check.rules import ELEMENTWISE, has_ties
from pellucid.check.tape import Array, Change, Tape, backward

GENERATORS = (softmaxes, activations, transposes, broadcasts, factors, steps, stale, slices)
ONE_BY_ONE = (softmaxes, activations, transposes, broadcasts, factors, stale)
WORK = 300_000  # nodes gone back through for mistakes that would spoil right gradients too


@dataclass
class Diagnosis:
    """What is most likely wrong with one tensor's gradient.

    Attributes:
        mistake: a name of the vocabulary; "unknown" where nothing that was tried gives these numbers.
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


@dataclass
class _Found:
    """A hypothesis, with the gradients that it gives."""

    hypothesis: Hypothesis
    simulated: dict[str, Array]
    explains: set[str]
    breaks: set[str]

    @property
    def score(self) -> float:
        return len(self.explains) - 0.5 * len(self.breaks) + 0.01 * self.hypothesis.weight


def diagnose(
    evidence: dict[str, Evidence],
    tape: Tape | None,
    earlier_tapes: list[Tape],
    earlier: list[dict[str, Array]],
    sizes: tuple[int, ...],
    rtol: float = 1e-6,
) -> dict[str, Diagnosis]:
    """A diagnosis for each tensor whose evidence says that it is wrong.

    First the numbers alone; then, on the tape, every mistake that there is a rule for, at every place where it can be
    made. One that explains several tensors at once, and spoils none that is right, comes before one that explains a
    single tensor. What a first mistake does not explain is looked at once more with that one in place.
    """
    wrong = {name: one for name, one in evidence.items() if one.wrong}
    if not wrong:
        return {}
    all_true = {name: one.true for name, one in evidence.items()}
    repeats = {name: _repeats(tape, name) for name in wrong} if tape is not None else {}
    plain = {
        name: list(by_numbers(one, all_true, sizes, earlier, rtol, repeats.get(name, 0))) for name, one in wrong.items()
    }
    found: list[_Found] = []
    if tape is not None:
        for ties in conventions(tape):
            convene(tape, ties)
            case = Case(backward(tape), earlier_tapes, sizes)
            found = _all(case, evidence, wrong, rtol)
            if set(wrong) <= {name for one in found for name in one.explains}:
                break
    result: dict[str, Diagnosis] = {}
    change = Change()
    remaining = set(wrong)
    # Zero, accumulated, another tensor's: said by the numbers with more certainty than any simulation.
    for name in list(remaining):
        certain = [verdict for verdict in plain[name] if verdict.weight >= 2.4]
        if certain:
            result[name] = _from_numbers(certain, [])
            remaining.discard(name)
    while remaining:
        best = _best(found, remaining)
        alone = {name: plain[name] for name in remaining if plain[name]}
        together = len(best.explains & remaining) if best is not None else 0
        if best is None or (together == 1 and alone and next(iter(best.explains & remaining)) in alone):
            if not alone:
                break
            for name, verdicts in alone.items():
                rivals = [one for one in found if name in one.explains]
                result[name] = _judge(name, verdicts, rivals)
                remaining.discard(name)
            continue
        explained = best.explains & remaining
        for name in explained:
            rivals = [one for one in found if name in one.explains and one is not best]
            result[name] = _from_simulation(best, rivals, plain[name])
        remaining -= explained
        if remaining and tape is not None:
            change = change | best.hypothesis.change
            again = Case(backward(tape, change), earlier_tapes, sizes)
            found = _all(again, evidence, {name: wrong[name] for name in remaining}, rtol)
            base = again.way.gradients()
            for name in remaining:
                moved = Evidence(name, base[name], wrong[name].given)
                _ratio(moved)
                plain[name] += list(by_numbers(moved, {**all_true, **base}, sizes, earlier, rtol))
    for name in remaining:
        result[name] = Diagnosis(
            "unknown",
            0.5,
            f"The gradient of {name} is wrong ({wrong[name].pattern}); no mistake that was tried gives these numbers.",
            "compare it with the true gradient, entry by entry, in the picture",
        )
    return result


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


def conventions(tape: Tape) -> tuple[str, ...]:
    """The ways to share a maximum's gradient among ties, where there are any: evenly, whole to each, to the first."""
    ties = any(node.op in ("max", "min") and has_ties(node) for node in tape.useful())
    return ("shared", "each", "first") if ties else ("shared",)


def convene(tape: Tape, ties: str) -> None:
    for node in tape.useful():
        if node.op in ("max", "min"):
            node.attributes["ties"] = ties


def _ratio(one: Evidence) -> None:
    if one.given is not None and one.given.shape == one.true.shape and one.true.any():
        one.ratio = float((one.given * one.true).sum() / (one.true**2).sum())


def _all(case: Case, evidence: dict[str, Evidence], wrong: dict[str, Evidence], rtol: float) -> list[_Found]:
    """What explains any of the wrong gradients: first the likely, then two mistakes at once and single passes of a loop."""
    trial = _Trial(case, evidence, wrong, rtol)
    found = trial.of(GENERATORS)
    if any(one.explains == set(wrong) and not one.breaks for one in found):
        return found
    found += trial.of((terms,))
    for k in range(min(FEW, max((len(nodes) for nodes in case.tape.groups().values()), default=0))):
        trial.case = replace(case, only=k)
        if trial.case.groups():
            found += trial.of(ONE_BY_ONE, f"In pass {k + 1} alone: ")
    return found


class _Trial:
    """Mistakes made on purpose, and what they explain.

    One that can alter right gradients too is put off, and tried only while the work that it takes, in nodes of the
    tape, is within `WORK`.
    """

    def __init__(self, case: Case, evidence: dict[str, Evidence], wrong: dict[str, Evidence], rtol: float) -> None:
        self.case, self.wrong, self.rtol = case, wrong, rtol
        self.right = {name: one for name, one in evidence.items() if not one.wrong and one.given is not None}
        self.reach = case.tape.reach()
        self.work = WORK
        self.truth = case.way.gradients()

    def of(self, generators: tuple[Generator, ...], prefix: str = "") -> list[_Found]:
        found: list[_Found] = []
        later: list[Hypothesis] = []
        for hypothesis in itertools.chain.from_iterable(generator(self.case) for generator in generators):
            reached = frozenset[str]().union(*(self.reach.get(i, ()) for i in hypothesis.change.places()))
            if not reached & self.wrong.keys():
                continue
            if prefix:
                hypothesis = replace(
                    hypothesis, explanation=prefix + hypothesis.explanation, weight=hypothesis.weight - 0.1
                )
            if reached <= self.wrong.keys():
                found += self.one(hypothesis)
            else:
                later.append(hypothesis)
        if not any(one.explains == set(self.wrong) and not one.breaks for one in found):
            for hypothesis in later:
                if self.work < 0:
                    break
                found += self.one(hypothesis)
        return found

    def one(self, hypothesis: Hypothesis) -> Iterator[_Found]:
        self.work -= max(hypothesis.change.places(), default=0)
        with np.errstate(all="ignore"):
            try:
                simulated = self.case.way.changed(hypothesis.change)
            except (ValueError, IndexError):  # the shapes do not allow this mistake here
                return
        yield from self.judged(hypothesis, simulated)
        if hypothesis.called is None:
            return
        # Off by a factor: the gradient is linear in it, and what it is follows from where the given one lies.
        tried: list[float] = []
        for name in simulated.keys() & self.wrong.keys():
            given, path = self.wrong[name].given, self.truth[name] - simulated[name]
            if given is None or given.shape != path.shape or not (path**2).sum() > 1e-24 * (given**2).sum():
                continue
            factor = float(((given - simulated[name]) * path).sum() / (path**2).sum())
            if (
                abs(factor) < 1e-9
                or not math.isfinite(factor)
                or any(math.isclose(factor, one, rel_tol=1e-4) for one in tried)
            ):
                continue
            tried.append(factor)
            said = hypothesis.called(factor)
            if said is None or (said[3] < 0.5 and given.size < 3):
                continue
            mistake, explanation, fix, weight = said
            scaled = {
                other: gradient + factor * (self.truth[other] - gradient) for other, gradient in simulated.items()
            }
            yield from self.judged(
                replace(hypothesis, mistake=mistake, explanation=explanation, fix=fix, weight=weight), scaled
            )

    def judged(self, hypothesis: Hypothesis, simulated: dict[str, Array]) -> Iterator[_Found]:
        explains = {
            name
            for name, gradient in simulated.items()
            if name in self.wrong and _fits(gradient, self.wrong[name], self.rtol)
        }
        if explains:
            breaks = {
                name
                for name, gradient in simulated.items()
                if name in self.right
                and self.right[name].true.any()
                and not same(gradient, self.right[name].true, None, max(self.rtol, 1e-6))
            }
            yield _Found(hypothesis, simulated, explains, breaks)


def _fits(gradient: Array, one: Evidence, rtol: float) -> bool:
    given = one.given
    if given is None:
        return False
    if given.shape == one.true.shape:
        return same(gradient, given, one.difference, rtol)
    if gradient.size == given.size and gradient.squeeze().shape == given.squeeze().shape:
        gradient = gradient.reshape(given.shape)
    return same(gradient, given, None, rtol)


def _best(found: list[_Found], remaining: set[str]) -> _Found | None:
    useful = [one for one in found if one.explains & remaining]
    return max(
        useful,
        key=lambda one: (
            len(one.explains & remaining) - 0.5 * len(one.breaks),
            one.hypothesis.weight,
        ),
        default=None,
    )


def _from_simulation(best: _Found, rivals: list[_Found], numbers: list[Verdict]) -> Diagnosis:
    """Confidence: less where a mistake of another name explains as much, and where it should have spoiled more."""
    own = best.hypothesis
    others = [
        one.hypothesis.mistake
        for one in rivals
        if one.hypothesis.mistake != own.mistake
        and len(one.explains) >= len(best.explains)
        and len(one.breaks) <= len(best.breaks)
    ]
    if len(best.explains) == 1:
        others += [one.mistake for one in numbers if one.mistake != own.mistake]
    others = list(dict.fromkeys(others))
    confidence = 0.97 if not others else 0.8 if len(others) == 1 else 0.6
    if best.breaks:
        confidence *= 0.7
    return Diagnosis(own.mistake, confidence, own.explanation, own.fix, line(own.node), others)


def _from_numbers(verdicts: list[Verdict], others: list[str]) -> Diagnosis:
    best = max(verdicts, key=lambda one: one.weight)
    confidence = 0.95 if not others else 0.75
    return Diagnosis(best.mistake, confidence, best.explanation, best.fix, "", others)


def _judge(name: str, verdicts: list[Verdict], rivals: list[_Found]) -> Diagnosis:
    """One tensor that its numbers explain: unless a simulation has the better claim."""
    best = max(verdicts, key=lambda one: one.weight)
    clean = [one for one in rivals if not one.breaks and one.explains == {name}]
    top = max(clean, key=lambda one: one.hypothesis.weight, default=None)
    if top is not None and top.hypothesis.weight > 1.0 and best.weight <= 1.0:
        return _from_simulation(top, [one for one in rivals if one is not top], verdicts)
    others = list(dict.fromkeys(one.hypothesis.mistake for one in clean if one.hypothesis.mistake != best.mistake))
    diagnosis = _from_numbers(verdicts, others)
    if top is not None and top.hypothesis.mistake == diagnosis.mistake:
        diagnosis.where = line(top.hypothesis.node)
    return diagnosis
