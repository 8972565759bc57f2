"""The search for faults: the record is asked, what is suspected is tried in forks, and what is left is asked again."""

from __future__ import annotations

from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pellucid.doctor.report import Finding

from . import joint
from .compare import (
    better,
    does_well,
    is_still,
    is_too_short,
    is_worse,
    may_fall,
    other_targets,
    outcome,
    reached,
    says_nothing,
    stands,
)
from .confirmation import as_good_as_best, confirms, sooner
from .findings import finding_of, proved_beside, rank
from .laboratory import Laboratory, is_part
from .record import ProgramRecord
from .rules import data, gradients, held_out, hinges, loss, model, numbers, objective, rate, splits
from .suspicion import Suspicion
from .treatments import Clip, Longer, Treatment

Rule = Callable[[ProgramRecord], Iterator[Suspicion]]
STATED: tuple[Rule, ...] = (
    *numbers.STATED, *model.STATED, *data.RULES, *gradients.RULES, *loss.RULES, *held_out.RULES,
    *splits.RULES, *hinges.RULES, rate.hardly_any,
)  # fmt: skip
GROUPS: tuple[tuple[Rule, ...], ...] = (
    (
        *gradients.CONDITIONS,
        rate.summed,
        *model.CONDITIONS,
        *objective.CONDITIONS,
        rate.scheduled,
        *numbers.CONDITIONS,
    ),
    (rate.few,),
    model.ANYHOW,
    (rate.near,),
    (rate.further,),
)
# what may be wrong beside a fault of the training, and does not hide it
BESIDE = ("train-eval-mode", "train-val-leak", "train-val-preprocessing-mismatch", "overfitting", "noisy-labels")
OF_EVALUATION = ("train-val-preprocessing-mismatch", "train-val-leak", "train-eval-mode")
# what a record speaks for clearly, and is still no fault where a fork does worse without it
REFUTABLE = ("train-eval-mode", "samples-mixed", "no-nonlinearity", "output-range-mismatch", "activation-before-loss")
ROUNDS = 4
UNSURE = 0.4  # the confidence in what the record speaks for, and neither proves nor a fork confirms
NEARLY = 0.1  # of the loss, by which a guess may be worse than another
HALF_WAY = 0.6  # from chance to all answers right
ENOUGH = 10  # backwards without which a run says nothing of how it learns


def _makes_targets(record: ProgramRecord) -> bool:
    """Whether there are nearly as many calls under no_grad() whose result is compared with nothing as there are steps,
    as of a network that plays a game, or says what its next state is worth. What is called once the last step was made
    makes no targets."""
    known = [h.accuracy is not None or h.loss is not None for h in record.held_out if h.step < len(record.steps)]
    compared = sum(known) / len(known) if known else 0.0
    return (1 - compared) * record.asked > 0.9 * len(record.steps) > 0


class Search:
    """The findings of a program, one fault after the other: each is looked for with those before it treated."""

    def __init__(self, laboratory: Laboratory, base: ProgramRecord) -> None:
        self.laboratory, self.base, self.current = laboratory, base, base
        self.treatments: list[Treatment] = []
        self.found: list[Finding] = []
        self.tried: set[tuple[Any, ...]] = set()
        self.alone: list[tuple[Suspicion, ProgramRecord]] = []  # what was tried by itself
        self.unproved: list[tuple[Finding, Suspicion]] = []  # what is treated, though that did not help by itself
        self.untried: list[Suspicion] = []  # what the record states, and no fork came far enough to tell
        self.open: list[Finding] = []  # what the record proves, while its treatment is tried
        self.unfinished = False  # whether something that was to be tried could not be, for want of time
        self.seconds = 3.0 * base.seconds + 2.0

    def findings(self) -> list[Finding]:
        for _ in range(ROUNDS):
            while self._stated() and len(self.treatments) < 2 * ROUNDS:
                pass
            if not self.learns or self._blocked():
                break
            if not self._conditions():
                self._jointly()
                break
        self._prove()
        wrong = any(f.severity == "error" for f in self.found)
        if self.learns and (not wrong or stands(self.current)):
            self.found += [f for f in self._by_data(wrong) if all(f.cause != known.cause for known in self.found)]
        return sorted(self.found, key=rank)

    def _by_data(self, wrong: bool) -> list[Finding]:
        """What labels say where nothing else was found, or what was `wrong` and mended leaves it at a guess; of the
        first, what evaluations say, too."""
        fails = held_out.fails(self.base)
        asked = stands(self.current) or fails
        found = list(data.unrelated(self.base, *([data.FEWER] if fails else []))) if asked else []
        found = found or ([] if wrong else list(held_out.by_chance(self.base)))
        return [finding_of(suspicion, self.base, None) for suspicion in found]

    def _prove(self) -> None:
        """A fault that helps only where another one is treated, too: all treatments are tried without its own."""
        while self.unproved and self.current is not self.base:
            finding, suspicion = self.unproved.pop()
            rest = [t for t in self.treatments if all(t is not own for own in suspicion.treatments)]
            if not rest or finding not in self.found:
                continue
            kept, self.treatments = self.treatments, rest[:-1]
            (without,) = self._try([replace(suspicion, treatments=rest[-1:])])
            self.treatments = kept
            if without is not None and confirms(suspicion, without, self.current):
                finding.confidence = suspicion.confidence
                others = [f.cause for f in self.found if f is not finding and f.fork]
                proved_beside(finding, others, without, self.current)

    def _jointly(self) -> None:
        """Faults that hide each other, where a program stands still and no treatment helps by itself.

        All of them at once, with rates that are usual; where that helps, those without which it does not are found. Of
        a program that comes half way the treatments alone are tried, at its own rate.
        """
        wrong = any(f.severity == "error" and f.cause not in BESIDE for f in self.found)
        if (
            self.treatments or wrong or reached(self.current) > HALF_WAY
        ):  # runs by themselves were made without any other
            return
        single = joint.best_alone(self.current, self.alone) if stands(self.current) else None
        attempts = [[single]] if single is not None else joint.attempts(self.current, self.alone)
        if not stands(self.current):
            attempts = [parts for parts in attempts[:1] if not any(part.direction for part in parts)]
        known = [next((r for s, r in self.alone if [s] == parts), None) for parts in attempts]
        runs = [run for run in known if run] or self._runs_of(attempts)
        for parts, run in zip(attempts, runs, strict=True):
            if run is None or not joint.helps(parts, self.current, run):
                continue
            lacking: dict[int, ProgramRecord] = {}  # by the part, the run with all of the others
            untold = set[int]()  # parts for which the time for that was up
            for part in list(parts):
                rest = [other for other in parts if other is not part]
                known = next((r for s, r in self.alone if rest == [s]), None)
                without = known or (self._runs_of([rest])[0] if rest else None)
                if without is not None and joint.as_good(rest, self.current, without, run):
                    parts, run, lacking = rest, without, {}
                elif without is not None:
                    lacking[id(part)] = without
                elif len(parts) > 1:
                    untold.add(id(part))
            for part in parts:
                finding = finding_of(part, self.current, run)
                finding.verified = True
                if id(part) in lacking and len(parts) > 1:
                    others = [other.cause for other in parts if other is not part]
                    proved_beside(finding, others, lacking[id(part)], run)
                if id(part) in untold:
                    finding.verified, finding.severity = False, "info"
                self._add(finding)
                self.treatments += part.treatments
            self.current = run
            return

    def _runs_of(self, attempts: list[list[Suspicion]]) -> list[ProgramRecord | None]:
        return self._try([replace(a[0], treatments=[t for part in a for t in part.treatments]) for a in attempts])

    @property
    def learns(self) -> bool:
        """Whether the program learns from data by a loss that is to fall, so that rates and scales can be asked about.

        Not of games and of adversaries, whose losses need not fall, nor where a network makes the targets.
        """
        base = self.base
        if base.rewarded or not (base.loss.kind or may_fall(base)) or any(f.turns for f in base.functions):
            return False
        if len(base.steps) < ENOUGH or _makes_targets(base) or (base.factor < 0 and objective.attacks(base)):
            return False
        if not base.optimizers:
            return "step" in base.lines
        if len(base.optimizers) == 1 and base.optimizers[0].name != "LBFGS":
            return base.optimizers[0].steps >= ENOUGH  # gradients of several backwards may add up
        return all(optimizer.steps >= 0.9 * len(base.steps) for optimizer in base.optimizers)

    def _blocked(self) -> bool:
        """Whether a fault that no fork can treat hides whatever else there may be."""
        sure = [f for f in self.found if f.severity == "error" and f.confidence > UNSURE]
        return any(f.verified is None and f.cause not in BESIDE for f in sure)

    def _ask(self, rules: Iterable[Rule]) -> list[Suspicion]:
        """What the record of now speaks for, but what was found, or tried with nothing changed since."""
        settled = [f for f in self.found if not f.fork or (f.severity == "error" and f.verified is not False)]
        found = {(f.cause, f.file, f.line) for f in (*settled, *(f for f, _ in self.unproved))}
        new: list[Suspicion] = []
        for rule in rules:
            if rule in (model.ignored, objective.given_up) and self.treatments:
                continue  # it is asked of the program as it is written, without what a fork changes
            if rule is held_out.overfitted and any(isinstance(treatment, Longer) for treatment in self.treatments):
                continue  # the program itself ends before that
            if rule in (*held_out.RULES, *splits.RULES) and any(treatment.of_function for treatment in self.treatments):
                continue
            for suspicion in rule(self.current):
                key = (suspicion.cause, *(suspicion.place or (None, None)))
                again = (*key, len(self.treatments)) in self.tried and suspicion.direction <= 0
                if key not in found and not again:  # a higher rate is another trial than more updates, of one cause
                    new.append(suspicion)
        return new

    def _is_tried(self, suspicion: Suspicion) -> None:
        self.tried.add((suspicion.cause, *(suspicion.place or (None, None)), len(self.treatments)))

    def _try(self, suspicions: list[Suspicion]) -> list[ProgramRecord | None]:
        beyond = any(s.by_held_out for s in suspicions)  # to the evaluation that follows the last step
        treated = [[*self.treatments, *s.treatments] for s in suspicions if s.treatments]
        steps = max(len(self.current.steps), ENOUGH) * max((s.times for s in suspicions), default=1) + beyond
        self.laboratory.pace = self.current.losses if all(s.direction for s in suspicions) else ()
        runs = self.laboratory.several(treated, steps, self.seconds)
        self.laboratory.pace = ()
        self.unfinished |= any(run is None or says_nothing(self.current, run) for run in runs)
        each = iter(runs)
        found = [next(each, None) if s.treatments else None for s in suspicions]
        # at another rate a network makes itself other targets: no loss of theirs is comparable
        same = [
            r is None or not (s.direction and other_targets(self.current, r))
            for s, r in zip(suspicions, found, strict=True)
        ]
        return [run if kept else None for run, kept in zip(found, same, strict=True)]

    def _try_rates(self, suspicions: list[Suspicion]) -> list[ProgramRecord | None]:
        """Tenfold changes of the rate first; further ones only in a direction that does not make it worse."""
        near = [s for s in suspicions if not s.beyond]
        runs = dict(zip(map(id, near), self._try(near), strict=True))
        clearly = NEARLY if stands(self.current) else 0.0  # who guesses, and guesses a little worse, says nothing
        worse = {
            s.direction for s in near if (run := runs[id(s)]) and (run.behind or is_worse(self.current, run, clearly))
        }
        far = [s for s in suspicions if s.beyond and s.direction not in worse]
        runs |= dict(zip(map(id, far), self._try(far), strict=True))
        return [runs.get(id(s)) for s in suspicions]

    def _stated(self) -> bool:
        """Faults that the record states. Whether one was found that was treated, after which to look again."""
        # What is wrong with an evaluation first: it is not asked once what the network computes is treated. Nor may be
        # seen any more what is stated without a treatment.
        suspicions = sorted(
            self._ask(STATED),
            key=lambda s: (s.cause not in OF_EVALUATION or bool(s.treatments), bool(s.treatments) or not s.certain),
        )
        self.open = [finding_of(suspicion, self.current, None) for suspicion in suspicions if suspicion.certain]
        runs = self._try(suspicions)
        self.open = []
        for suspicion, run in zip(suspicions, runs, strict=True):
            self._is_tried(suspicion)
            if suspicion.treatments and (run is None or says_nothing(self.current, run)):
                self.untried.append(suspicion)
            if run is not None and run.error and suspicion.certain and is_too_short(self.current, run):
                run = None  # the program cannot be run like this, which says nothing of what it states
            helped = confirms(suspicion, self.current, run)
            if not (suspicion.certain or helped or suspicion.otherwise):
                continue
            finding = finding_of(suspicion, self.current, run)
            told = run is not None and not says_nothing(self.current, run)
            shown = helped or (suspicion.certain and sooner(suspicion, self.current, run))
            finding.verified = shown if told else True if suspicion.curves else None
            if told and shown and self.current is not self.base and finding.fork:
                mended = [f.cause for f in self.found if f.fork and f.cause != finding.cause]
                finding.fork = {**finding.fork, **({"beside": ", ".join(dict.fromkeys(mended))} if mended else {})}
            if told and not shown and suspicion.cause in REFUTABLE and self._is_refuted(run):
                finding.severity = "warning"
            if not suspicion.certain and not helped:
                finding.severity, finding.confidence = suspicion.otherwise, UNSURE
            self._add(finding)
            harmless = run is not None and len(run.steps) >= len(self.current.steps) and not better(run, self.current)
            if run is not None and (helped or (finding.severity == "error" and harmless)):
                self.treatments += suspicion.treatments
                self.current = run
                if not helped:
                    self.unproved.append((finding, suspicion))
                return True
        self._did_not_help(suspicions, runs)
        return self._in_pairs(list(zip(suspicions, runs, strict=True)))

    def _is_refuted(self, run: ProgramRecord | None) -> bool:
        """Whether a fork does clearly worse with the treatment, or the program learns all there is without it."""
        return does_well(self.current) or (run is not None and better(run, self.current))

    def _did_not_help(self, suspicions: list[Suspicion], runs: list[ProgramRecord | None]) -> None:
        self.alone += [(s, r) for s, r in zip(suspicions, runs, strict=True) if r is not None and not s.certain]

    def _in_pairs(self, tried: list[tuple[Suspicion, ProgramRecord | None]]) -> bool:
        """A fault that the record proves, whose treatment alone makes it worse, with that of another one beside it.

        Where the second is confirmed, with the first treated, both were there.
        """
        proved = [(s, run) for s, run in tried if s.certain and s.treatments and run is not None]
        others = [s for s, _ in tried if s.treatments and not s.certain]
        for first, alone in proved[:1]:
            both = self._try([replace(s, treatments=[*first.treatments, *s.treatments]) for s in others])
            for suspicion, run in zip(others, both, strict=True):
                if run is not None and confirms(suspicion, alone, run) and better(self.current, run):
                    finding = finding_of(suspicion, alone, run)
                    finding.verified = True
                    self._add(finding)
                    self.treatments += [*first.treatments, *suspicion.treatments]
                    self.current = run
                    self.unproved += [(f, first) for f in self.found if f.cause == first.cause and not f.verified]
                    return True
        return False

    def _add(self, finding: Finding) -> None:
        """Enter a finding, in the place of what was said of the same before."""
        place = (finding.cause, finding.file, finding.line)
        before = [f for f in self.found if (f.cause, f.file, f.line) == place]
        if finding.severity == "info" and any(f.severity == "error" for f in before):
            return  # what the program as it is speaks for, and does no harm once another fault is treated
        self.found = [f for f in self.found if (f.cause, f.file, f.line) != place]
        self.found.append(finding)

    def _conditions(self) -> bool:
        """Faults of scale, which only a fork can tell: the first group in which one is confirmed ends the search.

        Whether one was found after which to look again.
        """
        for rules in GROUPS:
            if does_well(self.current) and rules is not model.ANYHOW:
                continue
            suspicions = self._ask(rules)
            of_rate = rules[0] in (rate.near, rate.further)
            if self.base.continues and not stands(self.current):  # it is to change little of what was learnt before
                suspicions = [s for s in suspicions if s.direction <= 0 and s.times == 1]
            if of_rate and is_part(self.base) and not is_still(self.current):
                # Of a program that learns, and of which only the beginning was seen, nobody knows how far it comes.
                suspicions = [s for s in suspicions if s.direction <= 0]
            if any(isinstance(treatment, Clip) for treatment in self.treatments):
                suspicions = [s for s in suspicions if s.direction <= 0]  # of steps that a fork made short
            runs = self._try_rates(suspicions) if rules[0] is rate.near else self._try(suspicions)
            confirmed = [
                (s, r) for s, r in zip(suspicions, runs, strict=True) if r is not None and confirms(s, self.current, r)
            ]
            self._did_not_help(suspicions, runs)
            if not of_rate:
                for suspicion in suspicions:
                    self._is_tried(suspicion)
            if rules[0] is rate.near and any(s.beyond and s.direction > 0 for s, _ in confirmed):
                more = list(rate.up_to_usual(self.current))
                confirmed += [
                    (s, r) for s, r in zip(more, self._try(more), strict=True) if r and confirms(s, self.current, r)
                ]
            if confirmed:
                suspicion, run = as_good_as_best(confirmed, of_rate)
                finding = finding_of(suspicion, self.current, run)
                finding.verified = True
                self.found.append(finding)
                badly = outcome(self.current).progress < 0.6
                unrelated = list(data.unrelated(self.base)) if of_rate and badly else []
                if unrelated:  # another rate only learns by heart what goes with nothing
                    finding.severity, finding.confidence = "info", 0.3
                    self.found += [finding_of(s, self.current, None) for s in unrelated]
                    return False
                before = list(self.treatments)
                self.treatments += suspicion.treatments
                self.current = run
                self._prove()
                if of_rate and not self._stated():  # what a rate hid can be told now
                    self._at_higher(joint.at_higher_rates(suspicion, confirmed), before)
                if of_rate:
                    self._classes()
                return not of_rate
        return False

    def _classes(self) -> None:
        """Classes that are not learnt at the right rate either, which a wrong one hides."""
        suspicions = self._ask([model.failed_classes])
        for suspicion, run in zip(suspicions, self._try(suspicions), strict=True):
            if run is not None and confirms(suspicion, self.current, run):
                finding = finding_of(suspicion, self.current, run)
                finding.verified = True
                self._add(finding)
                self.treatments, self.current = [*self.treatments, *suspicion.treatments], run

    def _at_higher(self, tried: list[tuple[Suspicion, ProgramRecord]], before: list[Treatment]) -> None:
        """See `joint.at_higher_rates`: each brings its rate, in the place of the one that was chosen."""
        kept, self.treatments = self.treatments, before
        runs = self._try([suspicion for suspicion, _ in tried])
        self.treatments = kept
        for (suspicion, alone), run in zip(tried, runs, strict=True):
            if run is not None and confirms(suspicion, alone, run) and better(self.current, run):
                finding = finding_of(suspicion, alone, run)
                finding.verified = True
                self._add(finding)
                self.treatments, self.current = [*before, *suspicion.treatments], run
                return
