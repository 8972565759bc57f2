"""Mistakes named one after the other along a recorded backward pass.

On the way back from the loss the first value is looked for that is no true gradient, though all that it was computed
from is right. Mistakes are made on purpose, one at a time, only in the steps of the forward pass next to it; the one
that gives this very value, or the gradients of the program, is made for good, and the search goes on with what is
right by it. So a long pass needs few trials, and two mistakes on one path are found one after the other.
"""

from __future__ import annotations

import heapq
import itertools
from collections.abc import Callable, Iterable, Iterator, Mapping
from dataclasses import dataclass, field, replace

import numpy as np

from pellucid.check.autopsy.diagnose import conventions
from pellucid.check.autopsy.hypothesis import Hypothesis, TapeCase
from pellucid.check.autopsy.trial import GENERATORS
from pellucid.check.mistakes import (
    DERIVATIVE_AT_WRONG_POINT,
    DROPPED_TERM,
    MISSING_ACTIVATION_DERIVATIVE,
    MISSING_STEP,
    STALE_VALUE,
    WRONG_LOSS,
)
from pellucid.check.record.reverse import Change, ReversePass, backward, contributions
from pellucid.check.record.tape import Site, Tape, TapeNode
from pellucid.doctor.probes.lines import first_alike, origins
from pellucid.doctor.probes.truths import along
from pellucid.doctor.probes.values import Value, Values

MOST = 4  # mistakes
DEPTH = 6  # steps of the forward pass before those whose gradients are right
WEAKEST = 0.4
SHORT = 250  # steps of a forward pass in which all mistakes may be tried for what one explains
AT_ANOTHER = (DERIVATIVE_AT_WRONG_POINT, STALE_VALUE)
FITS = 1e-5
LEFT_OUT = (DROPPED_TERM, MISSING_STEP)


Hit = tuple[int, Hypothesis, list[str]]  # how many tensors a mistake explains, the mistake, and what it spoils


def _score(hit: Hit | None) -> tuple[float, float]:
    return (-1.0, 0.0) if hit is None else (hit[0], hit[1].weight)


@dataclass
class Step:
    """A mistake that was found: what it is, the line that is wrong, and the tensors that it spoils."""

    hypothesis: Hypothesis
    site: Site | None
    tensors: list[str] = field(default_factory=list)


def stepwise(
    tape: Tape,
    given: Mapping[str, np.ndarray],
    wrong: Iterable[str],
    right: Iterable[str],
    moved: Mapping[str, np.ndarray],
    sizes: Iterable[int],
    goes_on: Callable[[], bool],
) -> tuple[list[Step], set[str]]:
    """The mistakes, the one nearest to the loss first, and the tensors whose gradients they do not explain.

    All is compared up to a factor, for as long as `goes_on` says that there is time.
    """
    base = _convention(tape, given, right)
    search = _Search(tape, given, set(wrong), set(right), dict(moved), tuple(sizes), goes_on, base)
    while search.left and len(search.found) < MOST and goes_on() and search.next():
        pass
    return search.found, search.left


def _convention(tape: Tape, given: Mapping[str, np.ndarray], right: Iterable[str]) -> Change:
    """The way to write a right gradient by which most of the right tensors are."""
    names = list(right)
    best, most = Change(), -1
    for _, change in conventions(tape):
        gradients = backward(tape, change).gradients()
        count = sum(fits(gradients[name], given[name]) for name in names if name in given)
        if count > most:
            best, most = change, count
    return best


@dataclass
class _Search:
    tape: Tape
    given: Mapping[str, np.ndarray]
    left: set[str]
    right: set[str]
    moved: dict[str, np.ndarray]
    sizes: tuple[int, ...]
    goes_on: Callable[[], bool]
    change: Change
    found: list[Step] = field(default_factory=list)

    def next(self) -> bool:
        """Find the next mistake; whether there was one."""
        way = backward(self.tape, self.change)
        values = Values(self.tape, self.moved, way)
        culprit = self._culprit(values)
        if culprit is None:
            return False
        near = self._near(culprit, values)
        best = self._best(way, near, culprit)
        if best is None:
            return False
        _, hypothesis, spoilt = best
        part = _unfinished(culprit, values) if hypothesis.mistake in LEFT_OUT else None
        if hypothesis.mistake == MISSING_ACTIVATION_DERIVATIVE:  # the line that makes what should have been multiplied
            part = _handed_on(culprit, values)
        self.found.append(Step(hypothesis, (part or culprit).site, spoilt))
        self.change = self.change | hypothesis.change
        gradients = backward(self.tape, self.change).gradients()
        self.left = {name for name in self.left if not fits(gradients[name], self.given[name])}
        return True

    def _culprit(self, values: Values) -> Value | None:
        """The first value that goes wrong on the way to a tensor that is not explained."""
        starts = first_alike(values, sorted(self.left), self.given)
        found = [origin for start in starts.values() for origin in origins(start, values)[:1]]
        return min(found, key=lambda step: step.index, default=None)

    def _near(self, culprit: Value, values: Values) -> frozenset[int]:
        """The steps of the forward pass at which a mistake gives that value: by the right ones that it came of."""
        todo, seen, known = [culprit], set[int](), set[int]()
        while todo:
            for source in values.sources(todo.pop()):
                if source.index in seen or source.nodes[0].index in values.forward or not source.needs:
                    continue
                seen.add(source.index)
                truth = values.truth(source)
                if truth is not None:
                    known |= truth.nodes
                else:
                    todo.append(source)
        nodes = self.tape.nodes
        starts = [nodes[index] for index in known] or ([self.tape.result] if self.tape.result is not None else [])
        deep = DEPTH if known else 2 * DEPTH
        near = {node.index for node in starts}
        edge: list[TapeNode] = list(starts)
        for _ in range(deep):
            edge = [source for node in edge for source in node.inputs if source.needs and source.index not in near]
            near |= {node.index for node in edge}
        users = {node.index for node in self.tape.useful() if any(source.index in near for source in node.inputs)}
        return frozenset(near | users)

    def _best(self, way: ReversePass, near: frozenset[int], culprit: Value) -> Hit | None:
        """The mistake that explains most, and what it spoils: of those that give the wrong value, or of all."""
        case = TapeCase(way, [], self.sizes, self.moved, near=near)
        able: list[Hypothesis] = []
        best: Hit | None = None
        for only in (None, "calls", "depth"):
            found = list(self._hypotheses(replace(case, only=only), near))
            able += found
            giving = [h for h in found if self.goes_on() and _gives(h.change, way, near, culprit)]
            best = max(self._explaining(giving, way, True), best, key=_score)
            if best is not None and best[0] == len(self.left):
                return best
        if best is None or (best[0] == 0 and len(self.tape.useful()) < SHORT):  # what gives a part of a product only
            return max(best, self._explaining(able, way, False), key=_score)
        return best

    def _hypotheses(self, case: TapeCase, near: frozenset[int]) -> Iterator[Hypothesis]:
        for hypothesis in itertools.chain.from_iterable(generator(case) for generator in GENERATORS):
            if not self.goes_on():
                return
            if hypothesis.weight >= WEAKEST and hypothesis.change.places() & near and not _of_guess(hypothesis):
                yield hypothesis

    def _explaining(self, able: list[Hypothesis], way: ReversePass, local: bool) -> Hit | None:
        """Of some mistakes the one that explains most tensors and spoils none that is right; none at all if `local`."""
        truth = way.gradients()
        fine = [name for name in self.given if name not in self.left and fits(truth[name], self.given[name])]
        best: Hit | None = None
        for hypothesis in able:
            if not self.goes_on():
                break
            with np.errstate(all="ignore"):
                try:
                    altered = way.changed(hypothesis.change)
                except (ValueError, IndexError):  # the shapes do not allow this mistake here
                    continue
            named = [n for n in altered if n in self.left and fits(altered[n], self.given[n])]
            explained = len(named)
            spoilt = [n for n in altered if not fits(altered[n], truth[n])]
            enough = explained or local
            if hypothesis.mistake == WRONG_LOSS:  # some usual loss of some constant gives any few numbers
                enough = any(_tells(self.given[n]) for n in named)
            if not spoilt or any(n in fine for n in spoilt) or not enough:
                continue
            best = max((explained, hypothesis, spoilt), best, key=_score)
        return best


def _tells(gradient: np.ndarray) -> bool:
    """Whether a gradient has three different numbers: of two, and of one that is repeated, many are multiples."""
    return len(np.unique(np.round(gradient / (np.abs(gradient).max(initial=0) or 1.0), 9))) > 2


def _of_guess(hypothesis: Hypothesis) -> bool:
    """Whether it is said of a step of a usual loss, which the program computes nowhere, that its derivative is taken at
    another value: there is no line of which that could be true."""
    site = hypothesis.node.site if hypothesis.node is not None else None
    return site is not None and site.part.startswith("loss ") and hypothesis.mistake in AT_ANOTHER


def _gives(change: Change, way: ReversePass, near: frozenset[int], culprit: Value) -> bool:
    """Whether a mistake gives the wrong value itself."""
    size = culprit.value.size
    if size < 3:
        return False
    with np.errstate(all="ignore"):
        try:
            return any(v.size == size and along(culprit.value, v) for v in _altered(way, change, near))
        except (ValueError, IndexError):  # the shapes do not allow this mistake here
            return False


def _altered(way: ReversePass, change: Change, near: frozenset[int]) -> Iterator[np.ndarray]:
    """The gradients that a further change alters, of these nodes alone, and the terms that they are sums of."""
    both, nodes = way.change | change, way.tape.nodes
    todo = [-index for index in change.places() if index in near and index in way.adjoints]
    heapq.heapify(todo)
    seen, deltas = set(todo), dict[int, np.ndarray]()
    while todo:
        index = -heapq.heappop(todo)
        node = nodes[index]
        before = way.raw.get(index, way.adjoints[index])
        after, new = contributions(node, before + deltas[index] if index in deltas else before, both)
        yield after
        old = [(source, -value) for source, value in contributions(node, before, way.change)[1]]
        yield from (value for _, value in new)
        for source, value in (*new, *old):
            deltas[source.index] = deltas.get(source.index, 0.0) + value
            if source.index in near and source.index in way.adjoints and -source.index not in seen:
                seen.add(-source.index)
                heapq.heappush(todo, -source.index)


def _unfinished(culprit: Value, values: Values) -> Value | None:
    """Of a value that was computed from a part of a gradient, as if it were the whole, that part."""
    for source in values.sources(culprit):
        truth = values.truth(source) if source.nodes[0].index not in values.forward and source.needs else None
        if truth is not None and not truth.whole and source.site is not None:
            return source
    return None


def _handed_on(culprit: Value, values: Values) -> Value | None:
    """The one gradient that a value was computed from, where there is but one."""
    found = [
        s for s in values.sources(culprit)
        if s.value.size > 1 and s.needs and s.site is not None and s.nodes[0].index not in values.forward and values(s)
    ]  # fmt: skip
    return found[0] if len(found) == 1 else None


def fits(gradient: np.ndarray, given: np.ndarray) -> bool:
    """Whether a gradient is the given one, up to a factor."""
    if gradient.size != given.size:
        return False
    own, other = gradient.ravel(), given.ravel()
    sizes = float(np.linalg.norm(own)), float(np.linalg.norm(other))
    if not (np.isfinite(sizes).all() and all(sizes)):
        return sizes == (0.0, 0.0)
    return float(np.linalg.norm(own / sizes[0] - np.sign(own @ other) * other / sizes[1])) < FITS
