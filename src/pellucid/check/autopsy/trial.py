"""Mistakes made on purpose, one by one, and what each explains of the gradients that were given."""

from __future__ import annotations

import itertools
import math
from collections.abc import Iterator
from dataclasses import dataclass, replace

import numpy as np

from pellucid.check.autopsy.activations import activations
from pellucid.check.autopsy.evidence import Evidence, norm
from pellucid.check.autopsy.hypothesis import FEW, Generator, Hypothesis, Said, TapeCase
from pellucid.check.autopsy.losses import losses
from pellucid.check.autopsy.numbers import same
from pellucid.check.autopsy.paths import broadcasts, factors, slices, steps, terms
from pellucid.check.autopsy.products import outers, stale, too_early, transposes
from pellucid.check.autopsy.softmax import softmaxes
from pellucid.check.mistakes import STALE_VALUE, WRONG_LOSS
from pellucid.check.record.reverse import Change, backward
from pellucid.check.record.rules import vjp
from pellucid.check.record.tape import Array, Tape, TapeNode

GENERATORS = (softmaxes, activations, losses, too_early, transposes, outers, broadcasts, factors, steps, stale, slices)
ONE_BY_ONE = (softmaxes, activations, transposes, broadcasts, factors, stale)
PAIRED = (softmaxes, activations, too_early, transposes, broadcasts)  # which are tried two at a time
LIKELY, MOST_PAIRED = 0.7, 40
WORK = 300_000  # nodes that are gone back through for what is unlikely


@dataclass
class Match:
    """A hypothesis, with the gradients that it gives."""

    hypothesis: Hypothesis
    simulated: dict[str, Array]
    explains: set[str]
    breaks: set[str]
    scale: float = 1.0  # what was given is this many times what is simulated

    @property
    def score(self) -> float:
        return len(self.explains) - 0.5 * len(self.breaks) + 0.01 * self.hypothesis.weight


WEAK = 0.8  # the weight below which a mistake is far-fetched beside one that explains everything


@dataclass
class Budget:
    """How many nodes are still gone back through for what is unlikely."""

    left: int = WORK

    @property
    def spent(self) -> bool:
        return self.left < 0


class MistakeTrial:
    """Mistakes made on purpose, and what they explain.

    The unlikely ones, and those that can alter right gradients too, are put off, and tried only while the work that
    it takes, counted in nodes of the tape, is within `WORK`.
    """

    def __init__(
        self,
        case: TapeCase,
        evidence: dict[str, Evidence],
        wrong: dict[str, Evidence],
        rtol: float,
        budget: Budget,
        free: bool = False,
    ) -> None:
        """`free`: the gradients are known up to one factor, common to those that a mistake explains."""
        self.free = free
        self.case, self.wrong, self.rtol = case, wrong, rtol
        self.right = {name: row for name, row in evidence.items() if not row.wrong and row.given is not None}
        self.reach = case.tape.reach()
        self.scale = max((norm(row.true) for row in evidence.values()), default=0.0)
        self.budget = budget
        self.truth = case.way.gradients()

    def likely(self) -> list[Match]:
        """One mistake, in all passes of a loop and all calls of a helper, or in those from one place."""
        found = self.of(GENERATORS) + self.of_earlier()
        everywhere = self.case
        for only, prefix in (("depth", "In one of the layers: "), ("calls", "In one of its calls: ")):
            self.case = replace(everywhere, only=only)
            if self.case.groups() and not any(self._settles(hit) for hit in found):
                found += self.of(ONE_BY_ONE, prefix)
        self.case = everywhere
        return found

    def unlikely(self) -> list[Match]:
        """Two at once, or one in a single pass of a loop."""
        found = self.of((terms,), within=True)
        everywhere = self.case
        for k in range(min(FEW, max((len(nodes) for nodes in everywhere.tape.groups().values()), default=0))):
            self.case = replace(everywhere, only=k)
            if self.case.groups() and not self.budget.spent:
                found += self.of(ONE_BY_ONE, f"In pass {k + 1} alone: ", within=True)
        self.case = everywhere
        return found

    def pairs(self) -> list[tuple[Match, Hypothesis, Hypothesis]]:
        """Two of the more likely mistakes at once; those that explain most come first."""
        able: list[Hypothesis] = []
        for hypothesis in itertools.chain.from_iterable(generator(self.case) for generator in PAIRED):
            if (
                hypothesis.weight >= LIKELY
                and hypothesis.change.reaches(self.case.tape, self.reach) & self.wrong.keys()
            ):
                able.append(hypothesis)
        able = sorted(able, key=lambda first_mistake: -first_mistake.weight)[:MOST_PAIRED]
        found: list[tuple[Match, Hypothesis, Hypothesis]] = []
        for first_mistake, other in itertools.combinations(able, 2):
            if self.budget.spent:
                break
            if first_mistake.change.places() & other.change.places():
                continue
            first, second = sorted((first_mistake, other), key=lambda each: -max(each.change.places(), default=0))
            both = replace(
                first,
                change=first_mistake.change | other.change,
                weight=min(first_mistake.weight, other.weight),
                called=None,
            )
            found += [(hit, first, second) for hit in self.outcomes(both)]
        return sorted(found, key=lambda hit: (-hit[0].score, abs(hit[0].scale - 1.0) > 1e-3))

    def of(self, generators: tuple[Generator, ...], prefix: str = "", within: bool = False) -> list[Match]:
        found: list[Match] = []
        later: list[Hypothesis] = []
        for hypothesis in itertools.chain.from_iterable(generator(self.case) for generator in generators):
            reached = hypothesis.change.reaches(self.case.tape, self.reach)
            if within and self.budget.spent:
                break
            if not reached & self.wrong.keys():
                continue
            if hypothesis.weight < WEAK and any(self._settles(hit) for hit in found):
                continue  # a likely mistake explains it all: a far-fetched one says nothing against it
            if prefix:
                hypothesis = _prefixed(hypothesis, prefix)
            if reached <= self.wrong.keys():
                found += self.outcomes(hypothesis)
            else:
                later.append(hypothesis)
        if not any(hit.explains == set(self.wrong) and not hit.breaks for hit in found):
            for hypothesis in later:
                if self.budget.spent:
                    break
                found += self.outcomes(hypothesis)
        return found

    def _settles(self, hit: Match) -> bool:
        return hit.explains == set(self.wrong) and not hit.breaks and hit.hypothesis.weight >= 1.0

    def of_earlier(self) -> list[Match]:
        """The forward pass is that of an earlier state, kept in a cache; the parameters are those of now."""
        found: list[Match] = []
        for tape in self.case.earlier:
            mixed = _mixed(tape, self.case.tape)
            if mixed is not None:
                hypothesis = Hypothesis(
                    STALE_VALUE,
                    Change(),
                    "The forward values that the backward pass uses are those of an earlier call.",
                    "compute the forward pass anew before each backward, and keep its values for that backward alone",
                    None,
                    1.0,
                )
                found += self.judged(hypothesis, backward(mixed).gradients())
        return found

    def outcomes(self, hypothesis: Hypothesis) -> Iterator[Match]:
        before = self.case.way.work
        with np.errstate(all="ignore"):
            try:
                simulated = self.case.way.changed(hypothesis.change)
            except (ValueError, IndexError):  # the shapes do not allow this mistake here
                return
        self.budget.left -= self.case.way.work - before
        yield from self.judged(hypothesis, simulated)
        if hypothesis.called is None or self.free:
            return
        # Off by a factor: the gradient is linear in it, and what it is follows from where the given one lies.
        tried: list[float] = []
        for name in [earlier for earlier in simulated if earlier in self.wrong]:
            given, path = self.wrong[name].given, self.truth[name] - simulated[name]
            if given is None or given.shape != path.shape or not (path**2).sum() > 1e-24 * (given**2).sum():
                continue
            factor = float(((given - simulated[name]) * path).sum() / (path**2).sum())
            if (
                abs(factor) < 1e-9
                or not math.isfinite(factor)
                or any(math.isclose(factor, earlier, rel_tol=1e-4) for earlier in tried)
            ):
                continue
            tried.append(factor)
            mistake, explanation, fix, weight = hypothesis.called(factor)
            if weight < 0.4 and given.size < 3:
                continue  # some factor or other gives any one or two numbers
            scaled = {
                other: gradient + factor * (self.truth[other] - gradient) for other, gradient in simulated.items()
            }
            change = _scaled(hypothesis.change, factor)
            of_factor = replace(
                hypothesis, mistake=mistake, change=change, explanation=explanation, fix=fix, weight=weight
            )
            for hit in self.judged(of_factor, scaled):
                if self.is_steady(change, hit.explains):
                    yield hit

    def is_steady(self, change: Change, names: set[str]) -> bool:
        """Whether a path that is off by a factor is off by the same one at other points."""
        for way, evidence in self.case.elsewhere:
            try:
                simulated = way.changed(change)
            except (ValueError, IndexError, KeyError):  # the program takes another path there
                continue
            for name in names & simulated.keys():
                if not _fits(simulated[name], replace(evidence[name]), max(self.rtol, 1e-4)):
                    return False
        return True

    def judged(self, hypothesis: Hypothesis, simulated: dict[str, Array]) -> Iterator[Match]:
        if self.free:
            yield from self.up_to_a_factor(hypothesis, simulated)
            return
        explains = {
            name
            for name, gradient in simulated.items()
            if name in self.wrong and _fits(gradient, self.wrong[name], self.rtol)
        }
        if hypothesis.mistake == WRONG_LOSS and all(_is_multiple(self.wrong[name], self.rtol) for name in explains):
            return  # a factor, and no other loss
        if explains:
            breaks = {
                name
                for name, gradient in simulated.items()
                if name in self.right
                and not same(gradient, self.right[name].true, None, max(self.rtol, 1e-6))
                and norm(gradient - self.right[name].true) > 1e-9 * self.scale
            }
            yield Match(hypothesis, simulated, explains, breaks)

    def up_to_a_factor(self, hypothesis: Hypothesis, simulated: dict[str, Array]) -> Iterator[Match]:
        """What a mistake explains where all that it gives is multiplied by one number."""
        factors: dict[str, float] = {}
        for name, gradient in simulated.items():
            given = self.wrong[name].given if name in self.wrong else None
            if given is None or gradient.size != given.size or gradient.size < 3 or not gradient.any():
                continue
            own = gradient.reshape(given.shape)
            with np.errstate(all="ignore"):
                factor = float((own * given).sum() / (own**2).sum())
            if factor and math.isfinite(factor) and same(factor * own, given, None, self.rtol):
                factors[name] = factor
        best: set[str] = set()
        for factor in factors.values():
            alike = {name for name, other in factors.items() if math.isclose(factor, other, rel_tol=1e-4)}
            best = max(best, alike, key=len)
        if best:
            factor = next(factors[name] for name in factors if name in best)
            weight = hypothesis.weight - (0.0 if factor > 0 else 0.3)
            breaks = set(simulated.keys() & self.right.keys())
            yield Match(replace(hypothesis, weight=weight), simulated, best, breaks, factor)


def _is_multiple(row: Evidence, rtol: float) -> bool:
    """Whether what was given is the true gradient times a factor."""
    given = row.given
    if given is None or given.shape != row.true.shape or not row.true.any():
        return False
    ratio = float((given * row.true).sum() / (row.true**2).sum())
    return same(given, ratio * row.true, None, rtol)


def _prefixed(hypothesis: Hypothesis, prefix: str) -> Hypothesis:
    """The same, in one pass or call alone: a little less likely."""
    called = hypothesis.called

    def said(factor: float) -> Said:
        mistake, explanation, fix, weight = called(factor) if called else ("", "", "", 0.0)
        return mistake, prefix + explanation, fix, weight - 0.1

    return replace(
        hypothesis,
        explanation=prefix + hypothesis.explanation,
        weight=hypothesis.weight - 0.1,
        called=said if called else None,
    )


def _mixed(earlier: Tape, now: Tape) -> Tape | None:
    """The tape of an earlier state, with the parameters of now; None where the program did something else then."""
    if [node.op for node in earlier.nodes] != [node.op for node in now.nodes] or earlier.result is None:
        return None
    mixed = Tape()
    for old, new in zip(earlier.nodes, now.nodes, strict=True):
        if old.shape != new.shape:
            return None
        fresh = new.op == "parameter" or (new.op == "move" and mixed.nodes[new.inputs[0].index].cache.get("fresh"))
        inputs = [mixed.nodes[source.index] for source in old.inputs]
        node = mixed.add(old.op, inputs, new.value if fresh else old.value, old.site, old.attributes, old.needs)
        node.cache["fresh"] = fresh
    mixed.parameters = {name: mixed.nodes[node.index] for name, node in now.parameters.items()}
    mixed.result = mixed.nodes[earlier.result.index]
    return mixed


def _scaled(change: Change, factor: float) -> Change:
    """A change that takes edges out, as one that multiplies what goes through them."""

    def edge(node: TapeNode, position: int, adjoint: Array) -> Array:
        return vjp(node, position, adjoint) * factor

    return Change(edges=dict.fromkeys(change.edges, edge))


def _fits(gradient: Array, row: Evidence, rtol: float) -> bool:
    given = row.given
    if given is None:
        return False
    if given.shape == row.true.shape:
        return same(gradient, given, row.difference, rtol)
    if gradient.size == given.size and gradient.squeeze().shape == given.squeeze().shape:
        gradient = gradient.reshape(given.shape)
    return same(gradient, given, None, rtol)
