"""Which statement, written otherwise, makes the updates of a pass follow the slope: tried out, one by one."""

from __future__ import annotations

import itertools
import time
from collections.abc import Generator, Iterator, Sequence
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass, descent
from pellucid.doctor.process.edited import EditedPass
from pellucid.doctor.process.instrument import ProgramLoop
from pellucid.doctor.process.lab import Lab, Next, PassOutcome, PassRun, Values
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.state import SavedState
from pellucid.doctor.process.variants import Variant, unread, variants
from pellucid.doctor.rules import gradient

FEW = 3  # directions, which may go along by chance
LEFT = 0.35  # of the time, for the passes in which a change has to hold
ROUNDS = 3  # mistakes beside each other
AGAIN = 2  # further passes that a change has to hold in
KINDS = (
    "dtype",
    "sign",
    "transpose",
    "swap",
    "mask",
    "sum",
    "name",
    "index",
    "factor",
    "derivative",
    "term",
    "extra",
    "scale",
)


@dataclass
class Change:
    """A statement that was written otherwise, and the tensors that follow the slope by it."""

    kind: str
    file: str
    line: int
    text: str
    tensors: list[str]
    whole: bool = False  # whether no tensor is wrong any more, with those before it


Line = tuple[str, int]
Steps = Generator[PassRun, PassOutcome, Any]


def changes(
    lab: Lab,
    found: Parameters,
    candidate: Candidate,
    study: SlopeStudy,
    index: int,
    loop: ProgramLoop,
    lines: Sequence[Line],
    told: Sequence[Line],
    scales: Sequence[float],
) -> Steps:
    """In a laboratory at the first pass that was studied: the changes that mend what is wrong in the pass `index`.

    `lines`: those that a gradient comes by, the likeliest first; `told`: where a mistake is said to be.
    """
    entries = [study.passes[index], *study.passes[index + 1 : index + 1 + AGAIN]]
    for _ in range(entries[0].index):
        yield Next()
    tried = [_Pass(lab, found, candidate, study, entries[0], loop)]
    if not (yield from tried[0].begin()):
        return []
    made: list[Change] = []
    least = LEFT * lab.left()
    while len(made) < ROUNDS and tried[0].wrong and (best := tried[0].best(lines, told, scales, least)) is not None:
        made.append(best)
    if not made:
        return []
    seen = [tried[0].mended]
    for before, entry in itertools.pairwise(entries):
        for _ in range(entry.index - before.index):
            yield Next()
        again = _Pass(lab, found, candidate, study, entry, loop)
        if not (yield from again.begin()):
            return []
        seen.append(again.with_all(tried[0].edited.variants))
    judged = None if None in seen else gradient.by([entry for entry in seen if entry], candidate, study.rates)
    mended = {name for change in made for name in change.tensors}
    return made if judged is not None and not judged.climbs and not mended & {*judged.wrong} else []


class _Pass:
    """A pass that is run with changes, and judged by the slopes that were measured in it."""

    def __init__(
        self,
        lab: Lab,
        found: Parameters,
        candidate: Candidate,
        study: SlopeStudy,
        entry: StudiedPass,
        loop: ProgramLoop,
    ) -> None:
        self.lab, self.found, self.loop = lab, found, loop
        self.candidate, self.study, self.entry = candidate, study, entry
        self.before: Values = {}
        self.plain: dict[str, np.ndarray] = {}  # the gradients of the pass as it is
        self.wrong: set[str] = set()
        self.right: set[str] = set()
        self.scaled = False  # whether what is wrong differs by a factor alone: which side is right, nobody knows

    def begin(self) -> Steps:
        """Whether the pass can be run so, and comes to what it came to when its slopes were measured."""
        outcome = yield PassRun()
        self.before = outcome.before
        if self.lab.scope is None:
            return False
        self.state = self.lab.state or SavedState(self.lab.scope)
        try:
            self.edited = EditedPass(self.lab.scope, self.loop, dict(self.lab.files))
            started = time.process_time()
            self.edited.shapes()
            self.edited.limit = 20 * (time.process_time() - started)
            self.state.restore()
            gradients = self._run()
        except (LookupError, SyntaxError, ValueError, TypeError, NameError, AttributeError, RuntimeError):
            self.state.restore()
            return False
        same = gradients is not None and all(_near(gradients[n], self.entry.gradient[n]) for n in self.entry.gradient)
        if not same or gradients is None:
            return False
        self.plain = gradients
        judged = self._judged(gradients)
        if judged is None:
            return False
        self.wrong = {*judged.wrong}
        self.scaled = bool(self.wrong) and all(judged.verdicts[name] == "factor" for name in self.wrong)
        self.right = {name for name, verdict in judged.verdicts.items() if verdict == "right"}
        return True

    def best(self, lines: Sequence[Line], told: Sequence[Line], scales: Sequence[float], least: float) -> Change | None:
        """The change that mends most, without harm; what does as much as the mistake that is known, where that is."""
        mending: list[tuple[tuple[Any, ...], Variant, set[str]]] = []
        whole: tuple[str, int] | None = None  # a line that a change of mends all
        for order, variant in enumerate(self._variants([*told, *lines], scales)):
            if self.lab.left() < least or (whole and (variant.file, variant.line) != whole):
                break
            gradients = self._run(variant)
            judged = None if gradients is None else self._judged(gradients)
            if judged is None or gradients is None:
                continue
            now = {name for name, verdict in judged.verdicts.items() if verdict == "right"}
            if not self.right <= now or not now & self.wrong or judged.climbs:
                continue
            at = (variant.file, variant.line)
            apart = not self.scaled and any(not _near(gradients[name], self.plain[name]) for name in self.right)
            mended = now & self.wrong
            if not self.right and all(len(self.entry.directions[name]) < FEW for name in mended):
                continue  # a number or two are a multiple of any slope
            rank = (-len(mended), apart, variant.kind == "scale", at not in told, KINDS.index(variant.kind), order)
            mending.append((rank, variant, mended))
            if mended == self.wrong and not apart and not self.scaled and variant.kind != "scale":
                whole = at
        if not mending:
            return None
        mending.sort(key=lambda item: item[0])
        _, variant, mended = mending[0]
        self.edited.variants.append(variant)
        self.wrong -= mended
        self.right |= mended
        self.plain = self._run() or self.plain
        return Change(variant.kind, variant.file, variant.line, variant.text, sorted(mended), not self.wrong)

    def with_all(self, changed: Sequence[Variant]) -> StudiedPass | None:
        """This pass with these changes."""
        self.edited.variants = [self._as_here(variant) for variant in changed]
        gradients = self._run()
        return None if gradients is None else self._studied(gradients)

    @property
    def mended(self) -> StudiedPass | None:
        """This pass with what was found."""
        return self.with_all(self.edited.variants)

    def _as_here(self, variant: Variant) -> Variant:
        """The same change of the statement in the tree of this pass."""
        for _, statements in self.edited.units():
            for statement in statements:
                if statement.lineno == variant.line and type(statement) is type(variant.old):
                    return replace(variant, old=statement)
        return variant

    def _all(self, lines: Sequence[Line], scales: Sequence[float]) -> Iterator[tuple[tuple[int, int], Variant]]:
        place = {at: i for i, at in reversed(list(enumerate(lines)))}
        everywhere = {k: v for unit, known in self.edited.ran.items() if unit[1] == "" for k, v in known.items()}
        for unit, statements in self.edited.units():
            known = everywhere | self.edited.ran.get(unit, {})
            for statement in statements:
                order = (place.get((unit[0], statement.lineno), len(lines)), -statement.lineno)
                for kind, new in variants(statement, known, unread(statements), scales):
                    yield order, Variant(kind, unit[0], statement.lineno, statement, new)

    def _variants(self, lines: Sequence[Line], scales: Sequence[float]) -> list[Variant]:
        every = sorted(self._all(lines, scales), key=lambda item: (item[0], KINDS.index(item[1].kind)))
        seen: set[tuple[int, str]] = {(v.line, v.text) for v in self.edited.variants}
        fresh: list[Variant] = []
        for _, variant in every:
            if (variant.line, variant.text) not in seen and all(v.old is not variant.old for v in self.edited.variants):
                seen.add((variant.line, variant.text))
                fresh.append(variant)
        return fresh

    def _run(self, *changed: Variant) -> dict[str, np.ndarray] | None:
        """The gradient of each tensor in the pass with these changes; None where it does not run."""
        try:
            scope = self.edited.run(*changed)
            after = {name: group.read(scope) for name, group in self.lab.groups.items()}
            outcome = PassOutcome(self.before, after, {})
            if any(after[name].shape != self.before[name].shape for name in self.entry.gradient):
                return None
            return {name: descent(name, outcome, self.found) for name in self.entry.gradient}
        except Exception:  # noqa: BLE001 (a change may break the program in any way)
            return None
        finally:
            self.state.restore()

    def _studied(self, gradients: dict[str, np.ndarray]) -> StudiedPass:
        given = {name: self.entry.directions[name] @ g for name, g in gradients.items()}
        return replace(self.entry, given=given, gradient=gradients, update={n: -g for n, g in gradients.items()})

    def _judged(self, gradients: dict[str, np.ndarray]) -> gradient.Judgement | None:
        if not all(np.isfinite(g).all() for g in gradients.values()):
            return None
        return gradient.by([self._studied(gradients)], self.candidate, self.study.rates)


def _near(first: np.ndarray, other: np.ndarray) -> bool:
    largest = float(np.abs(other).max(initial=0.0))
    return first.shape == other.shape and bool(np.allclose(first, other, rtol=1e-6, atol=1e-12 + 1e-9 * largest))
