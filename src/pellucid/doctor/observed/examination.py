"""The order of questions: run the program, ask the rules, try in forks, look again at what is left."""

from __future__ import annotations

import importlib
import linecache
import traceback
from collections.abc import Callable, Iterable, Iterator
from dataclasses import replace
from typing import Any

from pellucid.doctor.finding import SEVERITIES
from pellucid.doctor.report import Finding, Report

from . import joint
from .compare import (
    better,
    better_held_out,
    by_guessing,
    does_well,
    explained,
    is_worse,
    outcome,
    reached,
    stands,
    stays,
)
from .laboratory import Laboratory
from .record import ProgramRecord
from .rules import crash, data, gradients, held_out, loss, model, numbers, rate
from .suspicion import Suspicion
from .treatments import Treatment

Rule = Callable[[ProgramRecord], Iterator[Suspicion]]
STATED: tuple[Rule, ...] = (
    *numbers.STATED, *model.STATED, *data.RULES, *gradients.RULES, *loss.RULES, *held_out.RULES,
    rate.hardly_any,
)  # fmt: skip
GROUPS: tuple[tuple[Rule, ...], ...] = (
    (*gradients.CONDITIONS, *model.CONDITIONS, rate.scheduled, *numbers.CONDITIONS),
    (rate.few,),
    model.CLASSES,
    (rate.near,),
    (rate.further,),
)
# what may be wrong beside a fault of the training, and does not hide it
BESIDE = ("train-eval-mode", "train-val-leak", "train-val-preprocessing-mismatch", "overfitting", "noisy-labels")
# what a wrong gradient or wrong data may look like, and never the other way round
OF_SCALE = (
    "lr-too-low", "lr-too-high", "late-instability", "too-few-updates", "exploding-gradients", "excessive-weight-decay"
)  # fmt: skip
NO_BACKWARD = "backward() was never called: no training was seen in the program."
LONG = 26.0  # seconds that an examination takes, but of a program that takes long itself
ROUNDS = 4
ASTRAY = 10.0  # times the loss at first
FAR = 0.3  # of the way from chance to all answers right, that more updates have to gain
POINTS = 60
ENOUGH = 10  # backwards without which a run says nothing of how it learns


def report_on(laboratory: Laboratory) -> Report:
    """`examine`; whatever goes wrong in it is said to be the doctor's fault, not the program's."""
    try:
        return examine(laboratory)
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        at = traceback.extract_tb(error.__traceback__)[-1]
        shown = "".join(traceback.format_exception_only(error)).strip()
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({at.filename}:{at.lineno})"
        return Report("inconclusive", reason=reason)


def examine(laboratory: Laboratory) -> Report:
    """Run the program as it is, find what is wrong with it, and try what would help."""
    whole = laboratory.left()
    base = laboratory.run(seconds=max(whole * 0.28, 3.0))
    if base is None:
        return Report("inconclusive", reason=f"The program gave no record: {laboratory.lost}")
    laboratory.alone = base.seconds - base.own_seconds
    busy = base.seconds / max(base.processor_seconds, 0.5)  # above 1 on a machine that has other work
    laboratory.deadline -= max(whole - max(LONG * max(busy, 1.0), 5 * base.seconds), 0.0)
    if base.bad_at is not None and not base.bad_inputs:
        _look_closer(laboratory, base)
    for name in base.modules:
        importlib.import_module(name)  # so that each fork need not
    facts = facts_of(base)
    findings: list[Finding] = []
    if base.error:
        findings = findings_of_error(base)
        if not findings and len(base.steps) < ENOUGH:
            where = f" ({base.error_place[0]}, line {base.error_place[1]})" if base.error_place else ""
            facts["error"] = base.error
            return Report("inconclusive", [], facts, reason=f"The program ended with {base.error}{where}")
    if laboratory.loss and base.steps and not base.named:
        there = ", ".join(base.numbers) or "none that a gradient flows to"
        reason = f"--loss {laboratory.loss}: no number has this name where backward() is called. There: {there}."
        return Report("inconclusive", [], facts, reason=reason)
    if not base.steps and not findings:
        findings = [_finding(s, base, None) for s in gradients.no_backward(base)]
        if findings:
            return Report(status_of(findings), findings, facts)
        return Report("inconclusive", [], facts, reason=NO_BACKWARD)
    if not findings:
        search = _Search(laboratory, base)
        findings = search.findings()
        if search.learns and status_of(findings) == "healthy" and (reason := _astray(base)):
            return Report("inconclusive", findings, facts, reason=reason)
    return Report(status_of(findings), findings, facts)


def _look_closer(laboratory: Laboratory, base: ProgramRecord) -> None:
    """Run the program again up to where numbers were no longer finite, to see which op made them so."""
    at = base.bad_at or 0
    laboratory.looks = (at - 1, at, at + 1)
    again = laboratory.several([()], at + 2, base.seconds + 2)[0]
    laboratory.looks = ()
    if again is not None and again.first_bad not in ("", "loss"):
        base.first_bad, base.bad_at = again.first_bad, again.bad_at
        if "first bad" in again.lines:
            base.lines["first bad"] = again.lines["first bad"]


def findings_of_error(record: ProgramRecord) -> list[Finding]:
    """What the error says that ended a run."""
    return [_finding(suspicion, record, None) for suspicion in crash.crashed(record)]


def status_of(findings: Iterable[Finding]) -> str:
    faults = any(f.severity == "error" or (f.severity == "warning" and f.verified) for f in findings)
    return "faults" if faults else "healthy"


def _astray(record: ProgramRecord) -> str:
    """What is said of a run whose loss ends far above where it began, of which nothing was found; "" of others."""
    end, share = outcome(record), explained(record)
    if end.finite and (end.loss <= ASTRAY * max(abs(record.losses[0]), by_guessing(record)) or (share or 0.0) > 0):
        return ""
    return (
        f"The loss is {record.losses[0]:.4g} at first and {end.loss:.4g} at the end, and nothing that was tried in "
        "forks (a lower rate, other first weights, clipped gradients, …) prevents that."
    )


class _Search:
    """The findings of a program, one fault after the other: each is looked for with those before it treated."""

    def __init__(self, laboratory: Laboratory, base: ProgramRecord) -> None:
        self.laboratory, self.base, self.current = laboratory, base, base
        self.treatments: list[Treatment] = []
        self.found: list[Finding] = []
        self.tried: set[tuple[Any, ...]] = set()
        self.alone: list[tuple[Suspicion, ProgramRecord]] = []  # what was tried by itself
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
        if self.learns and stands(self.current) and not any(f.severity == "error" for f in self.found):
            self.found += [_finding(s, self.current, None) for s in data.unrelated(self.base)]
        if self.learns and not any(f.severity == "error" for f in self.found):
            self.found += [_finding(s, self.base, None) for s in held_out.by_chance(self.base)]
        return sorted(self.found, key=_rank)

    def _jointly(self) -> None:
        """Faults that hide each other, where a program stands still and no treatment helps by itself.

        All of them at once, with rates that are usual; where that helps, those without which it does not are found.
        """
        wrong = any(f.severity == "error" and f.cause not in BESIDE for f in self.found)
        if self.treatments or wrong or not stands(self.current):  # runs by themselves were made without any other
            return
        single = joint.best_alone(self.current, self.alone)
        attempts = [[single]] if single is not None else joint.attempts(self.current, self.alone)
        known = [next((r for s, r in self.alone if [s] == parts), None) for parts in attempts]
        runs = [run for run in known if run] or self._runs_of(attempts)
        for parts, run in zip(attempts, runs, strict=True):
            if run is None or not joint.helps(parts, self.current, run):
                continue
            for part in list(parts):
                rest = [other for other in parts if other is not part]
                known = next((r for s, r in self.alone if rest == [s]), None)
                without = known or (self._runs_of([rest])[0] if rest else None)
                if without is not None and joint.as_good(rest, self.current, without, run):
                    parts, run = rest, without
            for part in parts:
                finding = _finding(part, self.current, run)
                finding.verified = True
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
        if not base.loss.kind or len(base.steps) < ENOUGH or base.without_grad > 0.9 * len(base.steps) > 0:
            return False
        if not base.optimizers:
            return "step" in base.lines
        if len(base.optimizers) == 1 and base.optimizers[0].name != "LBFGS":
            return base.optimizers[0].steps >= ENOUGH  # gradients of several backwards may add up
        return all(optimizer.steps >= 0.9 * len(base.steps) for optimizer in base.optimizers)

    def _blocked(self) -> bool:
        """Whether a fault that no fork can treat hides whatever else there may be."""
        return any(f.severity == "error" and f.verified is None and f.cause not in BESIDE for f in self.found)

    def _ask(self, rules: Iterable[Rule]) -> list[Suspicion]:
        """What the record of now speaks for, but what was found, or tried with nothing changed since."""
        found = {(f.cause, f.file, f.line) for f in self.found if f.severity == "error" or not f.fork}
        new: list[Suspicion] = []
        for rule in rules:
            if rule is model.ignored and self.treatments:
                continue  # it is measured on the network as it is written, without what a fork changes
            if rule in held_out.RULES and any(treatment.of_function for treatment in self.treatments):
                continue
            for suspicion in rule(self.current):
                key = (suspicion.cause, *(suspicion.place or (None, None)))
                if key not in found and (*key, len(self.treatments)) not in self.tried:
                    new.append(suspicion)
        return new

    def _is_tried(self, suspicion: Suspicion) -> None:
        self.tried.add((suspicion.cause, *(suspicion.place or (None, None)), len(self.treatments)))

    def _try(self, suspicions: list[Suspicion]) -> list[ProgramRecord | None]:
        beyond = any(s.by_held_out for s in suspicions)  # to the evaluation that follows the last step
        runs = iter(
            self.laboratory.several(
                [[*self.treatments, *s.treatments] for s in suspicions if s.treatments],
                max(len(self.current.steps), ENOUGH) * max((s.times for s in suspicions), default=1) + beyond,
                self.seconds,
            )
        )
        return [next(runs, None) if s.treatments else None for s in suspicions]

    def _try_rates(self, suspicions: list[Suspicion]) -> list[ProgramRecord | None]:
        """Tenfold changes of the rate first; further ones only in a direction that does not make it worse."""
        near = [s for s in suspicions if not s.beyond]
        runs = dict(zip(map(id, near), self._try(near), strict=True))
        worse = {s.direction for s in near if is_worse(self.current, runs[id(s)])}
        far = [s for s in suspicions if s.beyond and s.direction not in worse]
        runs |= dict(zip(map(id, far), self._try(far), strict=True))
        return [runs.get(id(s)) for s in suspicions]

    def _stated(self) -> bool:
        """Faults that the record states. Whether one was found that was treated, after which to look again."""
        suspicions = self._ask(STATED)
        runs = self._try(suspicions)
        for suspicion, run in zip(suspicions, runs, strict=True):
            self._is_tried(suspicion)
            helped = confirms(suspicion, self.current, run)
            if not (suspicion.certain or helped or suspicion.otherwise):
                continue
            finding = _finding(suspicion, self.current, run)
            finding.verified = helped if run is not None else True if suspicion.curves else None
            if not suspicion.certain and not helped:
                finding.severity, finding.confidence = suspicion.otherwise, 0.4
            self._add(finding)
            harmless = run is not None and len(run.steps) >= len(self.current.steps) and not better(run, self.current)
            if run is not None and (helped or (finding.severity == "error" and harmless)):
                self.treatments += suspicion.treatments
                self.current = run
                return True
        self._did_not_help(suspicions, runs)
        return self._in_pairs(list(zip(suspicions, runs, strict=True)))

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
                    finding = _finding(suspicion, alone, run)
                    finding.verified = True
                    self._add(finding)
                    self.treatments += [*first.treatments, *suspicion.treatments]
                    self.current = run
                    return True
        return False

    def _add(self, finding: Finding) -> None:
        """Enter a finding, in the place of what was said of the same before."""
        place = (finding.cause, finding.file, finding.line)
        self.found = [f for f in self.found if (f.cause, f.file, f.line) != place]
        self.found.append(finding)

    def _conditions(self) -> bool:
        """Faults of scale, which only a fork can tell: the first group in which one is confirmed ends the search.

        Whether one was found after which to look again.
        """
        for rules in GROUPS:
            if does_well(self.current) and rules is not model.CLASSES:
                continue
            suspicions = self._ask(rules)
            of_rate = rules[0] in (rate.near, rate.further)
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
                suspicion, run = _as_good_as_best(confirmed, of_rate)
                finding = _finding(suspicion, self.current, run)
                finding.verified = True
                self.found.append(finding)
                badly = outcome(self.current).progress < 0.6
                unrelated = list(data.unrelated(self.base)) if of_rate and badly else []
                if unrelated:  # another rate only learns by heart what goes with nothing
                    finding.severity, finding.confidence = "info", 0.3
                    self.found += [_finding(s, self.current, None) for s in unrelated]
                    return False
                before = list(self.treatments)
                self.treatments += suspicion.treatments
                self.current = run
                if of_rate and not self._stated():  # what a rate hid can be told now
                    self._at_higher(joint.at_higher_rates(suspicion, confirmed), before)
                return not of_rate
        return False

    def _at_higher(self, tried: list[tuple[Suspicion, ProgramRecord]], before: list[Treatment]) -> None:
        """See `joint.at_higher_rates`: each brings its rate, in the place of the one that was chosen."""
        kept, self.treatments = self.treatments, before
        runs = self._try([suspicion for suspicion, _ in tried])
        self.treatments = kept
        for (suspicion, alone), run in zip(tried, runs, strict=True):
            if run is not None and confirms(suspicion, alone, run) and better(self.current, run):
                finding = _finding(suspicion, alone, run)
                finding.verified = True
                self._add(finding)
                self.treatments, self.current = [*before, *suspicion.treatments], run
                return


def _rank(finding: Finding) -> tuple[int, bool, float]:
    """The worst first; of errors, what is wrong before what does not suit."""
    return SEVERITIES.index(finding.severity), finding.cause in OF_SCALE, -finding.confidence


def _as_good_as_best(pairs: list[tuple[Suspicion, ProgramRecord]], of_rate: bool) -> tuple[Suspicion, ProgramRecord]:
    """The first of those that do about as well as the best; of rates, which are easily compared, nearly as well."""
    best = outcome(max(pairs, key=lambda pair: _quality(pair[1]))[1])
    for suspicion, run in pairs:
        end = outcome(run)
        if not of_rate and _quality(run) >= 0.9 * (best.progress if best.accuracy is None else best.accuracy):
            return suspicion, run
        if of_rate and end.accuracy is not None and best.accuracy is not None and end.accuracy >= best.accuracy - 0.01:
            return suspicion, run
        if of_rate and end.accuracy is None and end.loss <= best.loss + 0.1 * abs(best.loss):
            return suspicion, run
    return pairs[0]


def _quality(record: ProgramRecord) -> float:
    end = outcome(record)
    return end.progress if end.accuracy is None else end.accuracy


def confirms(suspicion: Suspicion, was: ProgramRecord, now: ProgramRecord | None) -> bool:
    """Whether a fork with the treatment did better, by what counts for this suspicion."""
    if now is None:
        return False
    if suspicion.by_recall:
        return was.final is not None and now.final is not None and _recall(now) - _recall(was) > 0.12
    if suspicion.by_held_out:
        return better_held_out(was, now)
    if suspicion.by_final:
        if was.final is None or now.final is None:
            return False
        if was.final.accuracy is not None and now.final.accuracy is not None:
            return now.final.accuracy - was.final.accuracy > 0.08
        if was.final.loss is not None and now.final.loss is not None:
            return now.final.loss < 0.6 * was.final.loss
        return False
    if suspicion.times > 1:
        return reached(now) - max(reached(was), 0.0) > FAR
    strictly = suspicion.strictly and not (suspicion.direction > 0 and stays(was))  # of no step at all, any is better
    return better(was, now, strictly, suspicion.same_loss)


def _recall(record: ProgramRecord) -> float:
    """The mean over the classes of what is recognised of each."""
    recalls = list(record.final.recalls.values()) if record.final is not None else []
    return sum(recalls) / len(recalls) if recalls else 0.0


def _finding(suspicion: Suspicion, was: ProgramRecord, now: ProgramRecord | None) -> Finding:
    finding = Finding(
        suspicion.cause, "error", suspicion.confidence, suspicion.evidence, suspicion.explanation, suspicion.fix
    )
    if suspicion.place is not None:
        finding.file, finding.line = suspicion.place
        finding.code = linecache.getline(*suspicion.place).strip()
    finding.details = [suspicion.measured] if suspicion.measured else []
    finding.fork = curves(was, now) if now is not None else dict(suspicion.curves)
    return finding


def curves(was: ProgramRecord, now: ProgramRecord) -> dict[str, Any]:
    """Both runs, for the report."""
    classes = was.classes and now.classes
    most = len(now.steps) if len(now.steps) > 2 * len(was.steps) else len(was.steps)  # where more updates are the fix
    values = [[step.accuracy if classes else step.loss for step in record.steps[:most]] for record in (was, now)]
    return {
        "as it was": _thinned(values[0]),
        "with the fix": _thinned(values[1]),
        "what": "share of right answers in the batch" if classes else "loss",
    }


def _thinned(values: list[float | None]) -> list[float | None]:
    known = [0.0 if value is None else value for value in values]
    size = max(len(known) // POINTS, 1)
    return [sum(known[i : i + size]) / len(known[i : i + size]) for i in range(0, len(known), size)]


def facts_of(record: ProgramRecord) -> dict[str, Any]:
    """How the program was understood."""
    facts: dict[str, Any] = {
        "parameters": [
            {"name": p.name, "shape": list(p.shape), "elements": _size(p.shape)}
            for p in record.parameters.values()
            if p.known
        ],
        "steps": len(record.steps),
    }
    at = record.lines.get("backward")
    if at is not None:
        facts["loop"] = {"file": at[0], "line": at[1], "function": "", "code": linecache.getline(*at).strip()}
    if record.loss.kind:
        facts["loss"] = {"title": record.loss.kind, "how": "seen as it was called", "kind": record.loss.kind}
    if record.optimizers:
        facts["optimizer"] = {"name": record.optimizers[0].name, **record.optimizers[0].options}
    return facts


def _size(shape: tuple[int, ...]) -> int:
    count = 1
    for length in shape:
        count *= length
    return count
