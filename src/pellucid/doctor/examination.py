"""The examination of a program that stands at the head of a pass of its training loop."""

from __future__ import annotations

import time
import traceback
from collections.abc import Callable
from dataclasses import dataclass, replace

from pellucid.doctor import by_edit, conditions, engines, uncleared, unfrozen
from pellucid.doctor.against import against_its_own
from pellucid.doctor.finding import calmed
from pellucid.doctor.naming import by_another_loss, by_classes, by_exact_loss, explain, sizes_of, sure
from pellucid.doctor.odd import rank
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.run_on import learns_by_what_it_prints
from pellucid.doctor.probes.training import Mended
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clock import OutOfTime, until
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.moving import root_of
from pellucid.doctor.process.source import Assignments, draws_units
from pellucid.doctor.progress import (
    DRAWN,
    HARDLY_TOLD,
    LEARNS,
    LIMIT,
    MORE,
    NEVER_A_NUMBER,
    NO_LOOP,
    NO_NUMBER,
    ONLY_THERE,
    UNFINISHED,
    UNSEEN,
    UNTOLD,
    Progress,
    facts_of,
    loss_facts,
    no_better,
    no_such_loss,
    no_usual_loss,
)
from pellucid.doctor.proof import as_note, at_ties, changes_nothing, hardly_told, prove, rest_is_wrong, rests_aloft
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.rules import backward, exchanged, gradient, own_rate, update
from pellucid.doctor.standing import HARMLESS, LASTING, besides, disproved, doubted, is_guess, is_shown, proven, stands
from pellucid.doctor.studied import done_otherwise, drawn_at_random, judged, where_slopes_tell


@dataclass
class Options:
    """What was asked for: the loss by name, and how long it may take."""

    loss: str | None = None
    budget: float = 60.0
    conditions: bool = True  # whether to look for what needs a whole program: its data, its epochs


def examine(session: TrainingSession, options: Options) -> Report:
    """Measure, judge, prove. Whatever goes wrong here is said to be the doctor's fault, not the program's."""
    progress = Progress(facts_of(session))
    try:
        if not options.conditions:  # a step of a program that goes on: its alarms are its own
            return Examination(session, options, progress).report()
        with until(session.deadline + SPARE):
            report = Examination(session, options, progress).report()
            unexplained = report.status == "inconclusive" and not report.findings and not session.blown_up
            wild = conditions.runs_away(session) if unexplained else None
            return report if wild is None else Report("faults", [wild], progress.facts)
    except OutOfTime:
        report = progress.report
        if not report.findings and (told := [finding for finding in session.told if is_shown(finding)]):
            report = Report("faults", told, progress.facts)
        report.reason = report.reason or (MORE if report.findings else UNTOLD)
        return report
    except Exception as error:  # noqa: BLE001 (an error of our own must not look like one of the user's program)
        shown = "".join(traceback.format_exception_only(error)).strip()
        place = traceback.extract_tb(error.__traceback__)[-1]
        reason = f"The doctor itself failed, which is a mistake of pellucid: {shown} ({place.filename}:{place.lineno})"
        return Report("inconclusive", facts=facts_of(session), reason=reason)


SPARE = 1.0  # seconds beyond the deadline, which the last answers may take
SLOW = 150  # passes that the slopes of a loss and the proof may take
FAR = 1000.0  # times its first size, which no parameter reaches by training that goes well


class Examination:
    """One examination, by stages: each goes by what those before it found, and may end it with its report."""

    seen: SlopeStudy  # some passes, with the slopes of whatever may be their loss
    judgement: gradient.Judgement | None  # by what loss the updates go, and which of them do not; None: there is none

    def __init__(self, session: TrainingSession, options: Options, progress: Progress) -> None:
        self.session, self.progress, self.facts = session, progress, progress.facts
        self.whole, self.loss = options.conditions, options.loss
        self.named = options.loss is not None
        self.started = time.monotonic()
        self.stuck = session.returned  # what moved in the first pass had stopped
        self.rules: list[Finding] = []  # ops of the program's own engine that are wrong, each tried by itself
        self.taken: list[Finding] = []  # a fork whose pass goes otherwise follows a slope: this is the mistake
        self.findings: list[Finding] = []
        self.more: list[Finding] = []  # mistakes beside those, which one fork puts right together

    def report(self) -> Report:
        """The report of the first stage that has one: the last always does."""
        stages: tuple[Callable[[], Report | None], ...] = (
            self.before_slopes, self.slopes, self.loss_found, self.loss_known, self.mistakes, self.proof,
        )  # fmt: skip
        for stage in stages:
            report = stage()
            if report is not None:
                return report
        return self.verdict()

    def ends(self, findings: list[Finding]) -> Report:
        return Report("faults", findings, self.facts, time.monotonic() - self.started)

    def inconclusive(self, reason: str, findings: list[Finding] | None = None) -> Report:
        return Report("inconclusive", findings or [], self.facts, reason=reason)

    def unchecked(self, reason: str, drawn: bool = False) -> Report:
        """What is said where no slope tells anything: healthy, if the program learns by the number that it prints.

        Not where it computes what it calls a loss, whose slope its updates should follow if they are not `drawn`.
        """
        of_its_own = not drawn and any(c.is_seen and c.named > 0 for c in self.seen.candidates)
        trend = None if of_its_own or self.named or not self.whole else learns_by_what_it_prints(self.session)
        if trend is None:
            return self.inconclusive(reason)
        return Report("healthy", [], self.facts, reason=LEARNS.format(trend.said))

    def before_slopes(self) -> Report | None:
        """What needs no slope: data that are no numbers, ops of an engine, parameters that replace each other."""
        session = self.session
        if self.whole:
            spoilt = conditions.spoilt(session)
            if spoilt is not None:
                return self.ends([spoilt])
            if conditions.strayed(session, FAR):
                conditions.rewind(session)  # where numbers overflow, no slope tells anything
        self.rules = engines.findings(session) if engines.has_engine(session) else []
        if self.rules:
            self.progress.wrong(self.rules)
            if session.found.seconds * SLOW > session.left():  # a rule that was tried by itself needs no slopes
                return self.progress.report
        assigned = Assignments.of(session.program.loops.sources)
        lines = {name: at for name in session.found.crossed if (at := assigned.replaced(root_of(name))) is not None}
        crossed = backward.crossed(session.found, lines)
        for finding in crossed:
            finding.code = session.program.loops.line(*lines[finding.tensors[0]["name"]])
        return self.ends(crossed) if crossed else None

    def slopes(self) -> Report | None:
        """Measure slopes where the program stands, or at its beginning where they tell nothing there."""
        session = self.session
        try:
            try:
                self.seen, self.judgement = judged(session, self.loss)
            except Lost:
                if not self.whole or session.returned:
                    raise
                conditions.rewind(session)
                self.seen, self.judgement = judged(session, self.loss)
            before = self.judgement
            doubtful = before is None or bool(before.wrong)
            partly = before is not None and "partly" in before.verdicts.values()
            if not self.whole or not doubtful or session.returned:
                return None
            if partly or before is None or conditions.strayed(session):
                conditions.rewind(session)  # nor where all units are saturated, or off
                self.seen, now = judged(session, self.loss)
                self.judgement = gradient.keeping(before, now, self.seen)
        except Lost as lost:
            return (
                self.progress.report
                if self.rules
                else self.inconclusive(f"the pass could not be repeated: {lost.said}")
            )
        return None

    def loss_found(self) -> Report | None:
        """What the slopes come to where the pass has no loss, a rate of its own for some updates, or a guess."""
        session, seen, judgement = self.session, self.seen, self.judgement
        if judgement is None and self.rules:
            return self.progress.report
        session.known = seen.known
        if self.whole and judgement is None and (nothing := conditions.no_number(session, seen)) is not None:
            return self.ends([nothing])
        if self.whole and session.doubtful and (judgement is None or not gradient.explains_some(judgement)):
            return self.unchecked(NO_LOOP)
        if judgement is not None and judgement.wrong and not self.rules:
            loops = session.program.loops
            own = own_rate.of_design(judgement, loops.sources, session.found.groups, loops.loops.get(session.number))
            untold = unfrozen.later(session, judgement, seen)
            judgement = replace(judgement, verdicts=judgement.verdicts | dict.fromkeys(own, "right") | untold)
        odd = conditions.of_outputs(session, judgement, seen) if self.whole else []
        if self.whole and not odd and (judgement is None or judgement.wrong):
            self.seen, judgement = where_slopes_tell(session, self.loss, seen, judgement)
        self.judgement = judgement
        self.done_otherwise()
        return self.against_other_losses(odd)

    def done_otherwise(self) -> None:
        """Whether the updates follow the slope once one thing of the pass is done otherwise."""
        session, seen, judgement = self.session, self.seen, self.judgement
        if judgement is None or not judgement.wrong or self.rules:
            return
        told = None
        if (exchange := exchanged.find(seen)) is not None:
            told = exchanged.told(session, seen, exchange)
        if (
            told is None
            and self.whole
            and gradient.accuses(judgement.candidate)
            and {"across", "partly"} & {*judgement.verdicts.values()}
        ):
            told = done_otherwise(session, judgement, seen)
        if told is not None:
            self.judgement, self.taken = told[0], [told[1]]

    def against_other_losses(self, odd: list[Finding]) -> Report | None:
        """What the program itself calls its loss, what was asked for, and what is odd about its outputs."""
        session, seen, judgement = self.session, self.seen, self.judgement
        if self.whole and not self.named and judgement is not None:
            other_loss = against_its_own(session, seen, judgement)
            if other_loss is not None:
                return self.ends([other_loss])
        if self.loss is not None and judgement is not None and not judgement.candidate.is_called(self.loss):
            return self.inconclusive(no_such_loss(self.loss, seen))
        if judgement is not None:
            self.facts |= loss_facts(judgement)
            if seen.passes and not session.found.batches and (rule := update.of(seen, judgement)):
                self.facts["update"] = rule
            if not judgement.wrong and not judgement.climbs and gradient.tells(judgement):
                self.progress.right(judgement, len(seen.passes))
                if self.stuck and session.suspected is not None:
                    self.progress.wrong([session.suspected])
        return self.ends(odd) if odd else None

    def loss_known(self) -> Report | None:
        """Whether there is a loss by which the updates can be judged at all."""
        judgement, seen = self.judgement, self.seen
        if judgement is None and not seen.passes and not seen.complete:
            return self.inconclusive(UNTOLD)
        if judgement is None:
            self.session.lossless = True
            return self.unchecked(NO_NUMBER)
        if judgement.wrong and not backward.moves_any(judgement):
            return self.unchecked(NO_LOOP)
        if judgement.wrong and not seen.complete and len(seen.passes) < 2 and not self.taken and is_guess(judgement):
            return self.inconclusive(UNTOLD)  # other losses may explain what this one does not
        if not judgement.wrong and gradient.strays(judgement) and not self.named:
            if (summed := uncleared.of_errors(self.session, seen)) is not None:
                return self.ends([summed])
            return self.unchecked(no_usual_loss(judgement))
        return None

    def mistakes(self) -> Report | None:
        """What is wrong with the updates, by this loss; nothing can be said of those that are drawn at random."""
        session, seen, judgement = self.session, self.seen, self.of_a_loss
        self.findings = self.taken or backward.findings(judgement, seen, session.found, sizes_of(seen, session.found))
        wrong_rules = bool(self.rules) and any(found.cause == self.rules[0].cause for found in self.findings)
        if wrong_rules:
            self.findings = self.rules  # a rule that was tried by itself is wrong whatever is drawn
        elif judgement.wrong:
            random = drawn_at_random(session, judgement)
            depends = {key[1].split(".")[-1] for key in seen.depends}
            if random >= set(judgement.wrong) or draws_units(session.program.loops.sources, depends):
                return self.unchecked(DRAWN.format(", ".join(judgement.wrong)), drawn=True)
        if not wrong_rules and not self.taken:
            parts = gradient.apart(judgement)
            if len(parts) > 1:
                sizes = sizes_of(seen, session.found)
                self.findings, self.more = (backward.findings(part, seen, session.found, sizes) for part in parts)
            told = [(found, parts[0]) for found in self.findings] + [(found, parts[-1]) for found in self.more]
            self.more = self.more + [other for found, part in told for other in explain(found, session, part, seen)]
        return None

    @property
    def of_a_loss(self) -> gradient.Judgement:
        if self.judgement is None:
            raise LookupError("no loss was found, and a stage after `loss_known` asks for it")
        return self.judgement

    def is_sure(self) -> bool:
        return bool(self.taken) or all(sure(finding, self.of_a_loss, self.named) for finding in self.findings)

    def of_another_loss(self) -> bool:
        """Take what another loss says where it explains what this one does not; whether what is said then is sure."""
        session, seen = self.session, self.seen
        if not self.is_sure():
            self.take(by_another_loss(session, seen, self.of_a_loss, self.named))
        if not self.taken and not self.named:
            self.take(by_exact_loss(session, seen, self.of_a_loss, self.findings))
        certain = self.is_sure()
        if not certain:
            self.take(by_classes(session, seen, self.of_a_loss))
        return certain

    def take(self, told: tuple[gradient.Judgement, list[Finding], list[Finding]] | None) -> None:
        if told is not None:
            self.judgement, self.findings, self.more = told
            self.facts |= loss_facts(told[0])

    def proof(self) -> Report | None:
        """What forks say to what is wrong with the updates, and what else is wrong or holds the program back."""
        session, seen = self.session, self.seen
        certain = self.of_another_loss()
        if certain or proven(self.findings, session, self.of_a_loss, seen):
            return self.proven(certain)
        self.findings = self.of_data()
        return None if self.findings else self.unchecked(no_usual_loss(self.of_a_loss))

    def of_data(self) -> list[Finding]:
        """What is wrong with the data: it is so whatever the gradient is."""
        looked = conditions.look(self.session, self.of_a_loss, self.seen, ("data",)) if self.whole else []
        return [finding for finding in looked if finding.severity == "error"]

    def proven(self, certain: bool) -> Report | None:
        session, judgement, more = self.session, self.of_a_loss, self.more
        findings = self.findings
        if not self.rules and self.whole and all(found.mistake == "swapped-tensors" for found in self.taken):
            placed = by_edit.place([*findings, *more], session, judgement, self.seen)
            findings, more = placed[: len(findings)], placed[len(findings) :]
        if findings:
            self.progress.wrong([*findings, *more])
        rated = uncleared.at_own_rate(session, judgement) if findings and certain else judgement
        mended: Mended | None = None
        for finding in findings if certain else []:
            mended = prove(finding, session, rated, self.facts.get("update", {}).get("rule", "")) or mended
        if any(rests_aloft(finding, judgement) for finding in findings):
            return self.unchecked(no_usual_loss(judgement))
        if findings and not more and self.whole and all(disproved(finding) for finding in findings):
            self.findings = self.of_data()
            return None if self.findings else self.inconclusive(no_better(findings[0]))
        self.weigh_order()
        for other in more:  # one fork has the right gradient of all tensors
            other.fork, other.verified = findings[0].fork, findings[0].verified
        findings = sorted([*findings, *more], key=lambda finding: finding.mistake == "unknown" and bool(more))
        findings += uncleared.beside(session, findings)
        if findings and session.beside:
            findings[0].notes.append("All of this was measured with scaled inputs.")
            findings += session.beside
        notes: list[Finding] = []
        if findings and all(at_ties(finding, judgement) for finding in findings):
            notes, findings = [as_note(findings[0])], []
            self.progress.right(judgement, len(self.seen.passes))
        self.findings = [*(self.with_conditions(findings, mended) if self.whole else findings), *notes]
        return None

    def weigh_order(self) -> None:
        """An update before all gradients are known is a mistake, but may do no harm."""
        if not self.taken or self.taken[0].mistake != "updated-too-early":
            return
        turns = gradient.by_turns(self.of_a_loss, self.seen.passes)
        for finding in self.taken:
            if changes_nothing(finding):
                finding.severity = "warning"
                finding.notes.append(HARMLESS)
            elif turns and not finding.verified:
                finding.severity = "warning"

    def with_conditions(self, findings: list[Finding], mended: Mended | None) -> list[Finding]:
        """These findings, and what is wrong beside the updates: of the program as it is, or with the right gradient."""
        session, judgement, seen = self.session, self.of_a_loss, self.seen
        if not any(finding.severity == "error" for finding in findings):
            return [*findings, *conditions.look(session, judgement, seen)]
        undone = all(finding.verified is False for finding in findings)
        if mended is not None and rest_is_wrong(findings) and session.left() > LASTING:
            rest = besides(session, judgement, seen, mended)
            return doubted(findings, rest) if undone else [*findings, *rest]
        if undone:
            return doubted(findings, conditions.look(session, judgement, seen))
        sources = session.program.loops.sources
        patched = any(True for f in findings for _ in repairs(f, sources.get(f.file or "", "")))
        if mended is not None and not patched and session.left() > LASTING:  # what is patched is looked at as a whole
            return [*findings, *besides(session, judgement, seen, mended, ("data",))]
        return findings

    def verdict(self) -> Report:
        """What all of it comes to."""
        session, findings, judgement = self.session, self.findings, self.of_a_loss
        if self.whole and not findings and (nothing := conditions.no_number(session, self.seen)) is not None:
            findings = [nothing]
        if not findings and self.stuck and session.suspected is not None:
            findings = [session.suspected]
        if self.whole and not findings and session.only_there:
            return self.inconclusive(ONLY_THERE.format(judgement.candidate.title))
        findings.sort(key=lambda f: rank(f, session.found.still))
        if findings and all(hardly_told(finding) for finding in findings):
            return self.inconclusive(HARDLY_TOLD.format(findings[0].evidence))
        faults = any(f.severity == "error" or (f.severity == "warning" and stands(f)) for f in findings)
        if not faults and not self.named and gradient.is_chance(judgement):
            return self.inconclusive(no_usual_loss(judgement), findings)
        if faults:
            return self.ends(findings)
        findings = calmed(findings)
        if session.unfinished:
            return self.inconclusive(UNFINISHED, findings)
        if not findings and session.blown_up:
            return self.inconclusive(NEVER_A_NUMBER)
        if not findings and session.gets_to_a_guess and session.inputs_unseen:
            return self.inconclusive(UNSEEN.format(session.gets_to_a_guess))
        reason = "" if findings or not session.gets_to_a_guess else LIMIT.format(session.gets_to_a_guess)
        return Report("healthy", findings, self.facts, time.monotonic() - self.started, reason=reason)
