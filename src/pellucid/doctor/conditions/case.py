"""What is known of a program while its conditions are looked at, and how a remedy is tried in forks of it."""

from __future__ import annotations

import re
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid.doctor.conditions import learning
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.roles import Pair, alike, nudged, pair_of, pair_of_sum, watched
from pellucid.doctor.probes.training import Mended
from pellucid.doctor.probes.trials import BURST, WIDE, Change, Remedy, Trial, shaken, to_values, trial
from pellucid.doctor.process import culprits, places, settings
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.no_labels import no_labels
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.scout import is_named, movers
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

LONGEST = 3.5  # seconds of the processor that a training in a fork may take
MOST_PASSES = 200_000
QUICK = 2e-3  # seconds of a pass, of which some hundreds are nothing
PROVED = 0.2  # of the loss of the training so far: one that is there has shown enough
MEAN = "means of the last of them"  # a level is; a curve goes on to its last value
WORSE = 1.5  # times the loss of a guess, for a training that got nowhere
NOWHERE = 0.97  # of the loss of a guess: who ends there has learnt nothing that tells one row from another
EXPLAINS = 0.9  # the score of a loss that is the one, or proportional to it


@dataclass
class Found:
    """A cause that a fork confirmed: the finding, the remedy, and the training with it."""

    finding: Finding
    remedy: Remedy
    trial: Trial


@dataclass
class Case:
    """A program at the head of a pass of its training loop.

    Attributes:
        initial: the parameters before the first pass; `tensors`: the same in their shapes.
        still: what is named like a parameter, and was moved by no pass.
        data: the rows that some passes saw; None where the labels are not known.
        frozen: the loss of the first passes without any update; `as_is`: the training left alone.
        so_far, was: the remedies that were found, and the training with them. Without any, `was` is `as_is`.
    """

    session: TrainingSession
    candidate: Candidate
    study: SlopeStudy
    keys: probe.Keys
    initial: dict[str, np.ndarray]
    tensors: dict[str, np.ndarray] = field(default_factory=dict)
    still: dict[str, Group] = field(default_factory=dict)
    data: probe.SeenData | None = None
    frozen: Trial = field(default_factory=Trial)
    as_is: Trial = field(default_factory=Trial)
    so_far: Remedy = field(default_factory=Remedy)
    was: Trial = field(default_factory=Trial)
    findings: list[Finding] = field(default_factory=list)
    output_is_known: bool = False  # the gradient is right by a usual loss of the output
    tried: Trial = field(default_factory=Trial)  # what the last attempt came to
    shaken: tuple[Remedy, Trial] | None = None  # the training so far, with other draws
    mended: Mended | None = None  # the right gradient, where the program's is wrong
    pair: Pair | None = None  # of a loss that is the program's own number: the usual loss that it is

    @classmethod
    def of(cls, session: TrainingSession, judgement: gradient.Judgement | None, study: SlopeStudy) -> Case:
        """A case by the loss that explains the updates; where none does, by a usual loss of what is called output."""
        candidate = judgement.candidate if judgement is not None else None
        scores = {
            c: found.score
            for c in study.candidates
            if c.label is not None and _goes_with(study, c) and (found := gradient.by(study.passes, c)) is not None
        }
        usual = sorted(scores, key=lambda c: -scores[c])
        known = candidate is not None and candidate.label is not None
        if judgement is not None and not known and not judgement.wrong:  # an output is what the loss reads
            usual = [c for c in usual if not probe.is_gradient(c.output)]
            read = [c for c in usual if gradient.alike(study.passes, judgement.candidate, c)]
            usual = read or [c for c in usual if c.named > 1]
            pair = usual[0] if usual else None
        else:
            pair = candidate if known else probe.pair_of(usual, study.seen, study.depends)
        keys = probe.keys_of(study.seen, study.depends, pair, frozenset(session.found.groups))
        loss = candidate or pair or Candidate("seen", ("", ""))
        case = cls(session, loss, study, keys, session.controller.scout.loops[session.number].initial)
        explained = pair is not None and (pair is candidate or scores.get(pair, 0.0) > EXPLAINS)
        case.output_is_known = judgement is not None and not judgement.wrong and explained
        for name in session.found.parameters:
            values = case.initial.get(name)
            if values is not None and values.size == session.found.groups[name].size:
                case.tensors[name] = values.reshape(session.found.groups[name].shape)
        beside = {_numbered(name) for name in session.found.parameters}
        case.still = {
            name: group
            for name, group in movers(session.scope).items()
            if (is_named(name) or _numbered(name) in beside)
            and name not in session.found.groups
            and _unmoved(case.initial.get(name), group, session)
        }
        return case

    def look_for_outputs(self) -> None:
        """Where the loss is a number of the program's own: what outputs and labels it is computed from."""
        if self.candidate.label is not None:
            self.pair = Pair(self.candidate, 1.0)
            return
        session, depends = self.session, self.study.depends
        # What counts the passes, or the units, is no label of theirs, though a loss of it can be as near as of one.
        excluded = frozenset(session.found.groups) | settings.counters(self.sources)
        no_pair = excluded | no_labels(self.sources)
        series = session.lab(lambda lab: watched(lab), session.found.groups, 3.0 + 12 * session.found.seconds)
        if alike(series, self.candidate):
            names = session.found.parameters
            series = session.lab(lambda lab: nudged(lab, names), session.found.groups, 3.0 + 12 * session.found.seconds)
        pairs = session.program.loops.pairs
        self.pair = pair_of(series, depends, no_pair, self.candidate, pairs)
        summed = pair_of_sum(series, depends, no_pair, self.candidate, pairs) if self.pair is None else None
        if summed is not None:
            self.candidate, self.pair = summed.loss, Pair(summed.loss, 1.0)
        if self.pair is not None:
            self.keys = probe.keys_of(self.study.seen, depends, self.pair.loss, excluded)

    def by_usual_loss(self) -> None:
        """From here on, outputs and labels are those of the candidate, a usual loss of the two."""
        self.pair = Pair(self.candidate, 1.0)
        excluded = frozenset(self.session.found.groups)
        self.keys = probe.keys_of(self.study.seen, self.study.depends, self.candidate, excluded)

    @property
    def begun(self) -> dict[str, np.ndarray]:
        """The first values of all parameters, also of those that no pass moves: weights that no gradient reaches."""
        still = {name: self.initial[name].reshape(group.shape) for name, group in self.still.items()}
        return {**self.tensors, **still}

    def to_values(self, name: str, values: np.ndarray) -> Change:
        """Begin with other values of a parameter, or of what should be one."""
        group = self.still.get(name)
        if group is None:
            return to_values(self.session.found, name, values)
        return lambda scope: group.write(scope, values)

    # Trainings in forks -----------------------------------------------------------------------------------------

    def run(
        self,
        remedy: Remedy,
        passes: int,
        seconds: float,
        keys: frozenset[Any] = frozenset(),
        enough: float | None = None,
    ) -> Trial:
        """A training from the first parameters on, in a fork; it may end where the loss is below `enough`."""
        found, burst = self.session.found, self.burst
        return self.session.lab(
            lambda lab: trial(
                lab, found, self.candidate, self.initial, passes, seconds, remedy, keys, burst, enough, self.mended
            ),
            found.groups,
            max(min(seconds * 3 + 1, self.session.left()), seconds * 1.3 + 1),  # of the clock: the machine may be busy
        )

    @property
    def burst(self) -> int:
        """The passes in a row that say what the loss is: of one row each, more of them."""
        label = self.study.seen.get(self.keys.labels or ("", ""), [])
        rows = probe.samples(label, self.study.seen.get(self.keys.outputs or ("", ""), [])) * len(label) if label else 8
        return WIDE if rows < 8 and self.session.found.seconds < QUICK else BURST

    def alone(self, passes: int, seconds: float) -> Trial:
        """The training left alone, for a number of passes: the one that is known, where it had no more."""
        return self.as_is if self.as_is.passes <= passes else self.run(Remedy(), passes, seconds)

    def attempt(self, remedy: Remedy, worth: float = learning.WORTH, again: bool = True) -> Trial | None:
        """The training with a remedy, if it is one: better by far and beyond noise, and with other draws as well.

        `worth`: of the gain, the share that a program which learns has to leave. Without `again` the other draws are
        left to the caller. Whatever came of it is in `tried`.
        """
        seconds = max(0.8, min(LONGEST, 2.2 * self.was.seconds, self.session.left() / 5))
        enough = self._enough() if again else None
        passes = max(self.was.passes, 1) if self.was.finite else MOST_PASSES  # one that blew up was broken off
        self.tried = other = self.run(self.so_far.and_(remedy), passes, seconds, self.asked, enough)
        return other if self.better(other, worth) and (not again or self.again(remedy, other)) else None

    def _enough(self) -> float | None:
        """The loss below which a training with a remedy need not go on, since the one so far stays far above it."""
        if self.learns or not self.frozen.finite or not self.frozen.level > 0:
            return None
        if not self.was.finite:
            return PROVED * self.frozen.level
        return PROVED * min(self.was.level, self.frozen.level) if self.was.level > 0 else None

    def better(self, other: Trial, worth: float = learning.WORTH) -> bool:
        """Whether a training is better than the one so far, by what may be called a fault of the program.

        One that comes down, too, to the loss of saying the mean label for every row, only sooner, has learnt nothing.
        """
        if self.ends_at_a_guess and not other.level < NOWHERE * (self._mean_label() or 0.0):
            return False
        if not self.learns and learning.confirmed(self.frozen, self.was, other):
            return True
        if not self.learns and not self.nowhere:
            return False
        return learning.worthwhile(self.guess, self.was, other, (self.hits(self.was), self.hits(other)), worth)

    def only_faster(self, other: Trial) -> bool:
        """Whether a program that learns numbers comes a little further by a remedy, in as many passes: what keeps a
        signal or a step from being felt would have left it where it began. Of classes the rows that are right tell."""
        return self.learns and self.hits(self.was) is None and other.level > learning.HALF * self.was.level

    def hits(self, done: Trial) -> learning.Hits | None:
        """How many rows a training gets right at its end."""
        return learning.hits(probe.rows_of(done.last, self.keys))

    @property
    def labels_are_guessed(self) -> bool:
        """Whether nothing says that they are labels but that a usual loss of them comes near to the updates: the
        program computes no loss, subtracts them from no output, and has another name for them."""
        return not self.candidate.is_seen and not self.candidate.subtracted and self.candidate.named <= 0

    @property
    def asked(self) -> frozenset[Any]:
        """The keys of outputs and labels."""
        return frozenset(key for key in (self.keys.labels, self.keys.outputs) if key is not None)

    @property
    def arrived(self) -> bool:
        """Whether there is nothing left to gain that would be seen: nearly no loss, or nearly all rows right."""
        if not self.learns:
            return False
        right = self.hits(self.was)
        return self.was.level < learning.DONE * abs(self.guess) or (right is not None and right.share > 0.97)

    def again(self, remedy: Remedy, first: Trial) -> bool:
        """Both branches once more, from parameters a little larger or smaller and with other random draws."""
        if self.session.left() < 4:
            return True
        passes = max(40, first.passes)
        seconds = max(0.6, min(2.0, self.session.left() / 8))
        shake = Remedy(begin=(shaken(self.session.found, 1),))
        known = self.shaken  # without the remedy nothing differs from remedy to remedy
        if known is None or known[0] is not self.so_far or known[1].passes < 0.9 * passes:
            known = self.shaken = (self.so_far, self.run(self.so_far.and_(shake), passes, seconds))
        other = self.run(self.so_far.and_(remedy).and_(shake), passes, seconds)
        return learning.better(self.frozen, known[1], other)

    def fixed_at(self, done: Trial, remedy: Remedy) -> Remedy:
        """The same conditions, with the parameters fixed where a training left them: those that it left as they are."""
        found = self.session.found
        values = [to_values(found, name, done.values[name]) for name in found.groups if name in done.values]
        return Remedy(scale=0.0, begin=(*remedy.begin, *values))

    @property
    def learns(self) -> bool:
        """Whether the program, with what was found so far, gets anywhere: further than to say the same of every row."""
        if not learning.learns(self.frozen, self.was) or self._worse_than_a_guess() or self.nowhere:
            return False
        return self.was is not self.as_is or not learning.says_the_same(self.as_is.last, self.keys)

    @property
    def nowhere(self) -> bool:
        """Whether the training ends as near as nothing to the loss of saying the mean label for every row, though it
        may have come down to it from far above."""
        guess = self._mean_label()
        return guess is not None and self.was.finite and self.was.level > NOWHERE * guess

    @property
    def ends_at_a_guess(self) -> bool:
        """Whether it ends at that loss: neither below it nor, as one that climbs, far above."""
        return self.nowhere and self.was.level < WORSE * (self._mean_label() or 0.0)

    def _worse_than_a_guess(self) -> bool:
        """Whether the training, left alone, ends far above the loss of saying the mean label for every row.

        After a beginning in the thousands a loss may have lost nearly all of it and still be that.
        """
        guess = self._mean_label() if self.was is self.as_is else None
        return guess is not None and self.was.level > WORSE * guess

    def _mean_label(self) -> float | None:
        """The loss of saying the mean label for every row; None where the labels or outputs are not known."""
        y = self.data.all("labels") if self.data is not None else None
        if y is None or self.keys.single or not np.ptp(y, axis=0).any():  # one sample, again and again
            return None
        labels, outputs = (self.as_is.last.get(key or ("", ""), []) for key in (self.keys.labels, self.keys.outputs))
        pair = self.pair or Pair(self.candidate, 1.0)
        turns = len(self.study.seen.get(pair.loss.output, [])) if pair.loss.which == "all" else 1
        guess = learning.guessed(pair.loss, y, labels, outputs, max(turns, 1))
        return None if guess is None else pair.factor * guess

    @property
    def inputs(self) -> np.ndarray | None:
        """Rows of the inputs: those that the passes saw; of arrays too large to be kept, some that the loop holds."""
        rows = self.data.all("inputs") if self.data is not None else None
        labels = self.data.batches[0].labels if self.data is not None and self.data.batches else None
        if rows is not None or labels is None:
            return rows
        return probe.held_rows(self.session.scope, len(labels), frozenset(self.session.found.groups))

    @property
    def guess(self) -> float:
        """The loss of who has learnt nothing: of the mean label, or of the first parameters if that is less."""
        mean = self._mean_label()
        return self.frozen.level if mean is None else min(mean, self.frozen.level)

    @property
    def first(self) -> probe.Batch:
        """The rows of the first passes of the training as it is."""
        return probe.rows_of(self.as_is.first, self.keys)

    @property
    def last(self) -> probe.Batch:
        """The rows of its last passes."""
        return probe.rows_of(self.as_is.last, self.keys)

    # Findings ---------------------------------------------------------------------------------------------------

    def confirmed(
        self, remedy: Remedy, other: Trial, evidence: str, explanation: str, fix: str, cause: str = ""
    ) -> Finding:
        """The finding of a remedy that helped, with both curves."""
        went = self.was.level if other.passes >= 0.9 * self.was.passes else self.was.level_at(other.passes)
        longer = other.passes > 1.1 * self.was.passes
        proof = f"After {self.was.passes if longer else other.passes} passes the loss is {number(went)}; "
        proof += f"{remedy.what} it is {other.level:.4g}{f' after {other.passes}' if longer else ''} "
        proof += f"({MEAN}; it begins at {self.frozen.level:.4g})."
        return Finding(
            cause or remedy.name,
            "warning",
            0.9,
            f"{evidence} {proof}".strip(),
            explanation,
            fix,
            verified=True,
            fork={"what": self.candidate.title, "as it is": self.was.drawn(other.passes), remedy.what: other.drawn()},
        )

    @property
    def sources(self) -> dict[str, str]:
        return self.session.program.loops.sources

    def path(self, name: str) -> Any:
        """The path of a variable that the loop sees: `X`, or `self.X`. Raises StopIteration where there is none."""
        frame = self.session.frame
        parts = name.split(".")
        if frame.f_code.co_name != "<module>" and parts[0] in frame.f_locals:
            root: Any = ("local", parts[0])
        else:
            module = next(m for m, names in self.session.program.modules().items() if parts[0] in names)
            root = ("global", (module, parts[0]))
        return (root, *(("attr", part) for part in parts[1:]))

    def add(self, finding: Finding) -> None:
        """Note what was found, also for where the time is up before the rest is looked at."""
        self.findings.append(self.placed(finding))
        self.session.told = self.findings

    def placed(self, finding: Finding) -> Finding:
        """With the line of the source, where the cause says which one it is."""
        if finding.line is None:
            at(finding, culprits.of_cause(finding.cause, self.sources, self.keys))
        if finding.file is not None and finding.line is not None:
            finding.code = self.session.program.loops.line(finding.file, finding.line)
        return finding


def _numbered(name: str) -> str:
    """A name without the numbers in it, which tell layers apart: `net[0][1]` is to a layer what `net[1][1]` is."""
    return re.sub(r"\d+", "#", name) if "[" in name else name


def _goes_with(study: SlopeStudy, candidate: Candidate) -> bool:
    """Whether a label is more than one number where the output is many, or is called a label."""
    key = candidate.label or ("", "")
    label, output = study.seen.get(key, []), study.seen.get(candidate.output, [])
    if not label or not output:
        return False
    called_so = places.LABELS.match(re.split(r"[.\[]", key[1].removeprefix("self."))[0]) is not None
    return len(label) > 1 or label[0].size > 1 or output[0].size == 1 or called_so


def _unmoved(old: np.ndarray | None, group: Group, session: TrainingSession) -> bool:
    return old is not None and old.size == group.size and bool(np.array_equal(old, group.read(session.scope)))


def error(cause: str, confidence: float, evidence: str, explanation: str, fix: str, **more: Any) -> Finding:
    """A finding that what was seen proves by itself."""
    return Finding(cause, "error", confidence, evidence, explanation, fix, **more)


def at(finding: Finding, place: places.SourcePlace | None) -> None:
    """Put a finding at a place, if there is one."""
    if place is not None:
        finding.file, finding.line = place.file, place.line


def called(key: Any) -> str:
    """The name of a value that was seen."""
    return key[1] if key is not None else ""


def number(value: float) -> str:
    return "no number any more" if not np.isfinite(value) else f"{value:.4g}"
