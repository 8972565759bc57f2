"""What is wrong with gradients that do not follow the slope, and where: mistake and line, by a recorded pass."""

from __future__ import annotations

import re
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

from pellucid.doctor import engines, odd
from pellucid.doctor.by_passes import of_all_passes, where_it_belongs
from pellucid.doctor.instead import instead
from pellucid.doctor.probes.losses import Candidate, of_classes
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.recorded import DISAGREES, TOO_LONG, Autopsy, Named, autopsy
from pellucid.doctor.probes.trials import as_studied
from pellucid.doctor.probes.usual import PIECEWISE
from pellucid.doctor.process import culprits, placing
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clearing import to_clear
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.crossings import crossing
from pellucid.doctor.process.last_terms import only_last
from pellucid.doctor.process.source import Assignments, handed_on, last_name, suspect
from pellucid.doctor.process.unmoved import beside, should_move, unread
from pellucid.doctor.proof import only_rates
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import backward, gradient, summed
from pellucid.doctor.rules.cells import EXACT
from pellucid.doctor.rules.in_place_of import in_place_of, taken_at

FACTORS = ("sign", "constant-factor", "batch-factor", "zero-gradient", "swapped-tensors")
OF_ONE_NUMBER = ("constant-factor", "batch-factor", "zero-gradient")
OF_A_STEP = ("missing-activation-derivative", "derivative-at-wrong-point", "wrong-mask", "dropped-term")
OTHERS = 3  # losses of which it is asked whether they and a mistake explain all that is seen
PLAUSIBLE = ("seen", "squared", "log", "cross", "log-logits", "cross-logits", "nll")
DOUBTED = 0.8  # the confidence of what is known by its line, and fits exactly
OF_SCORES = "leave the activation of the last layer away: the softmax takes the scores as they are"
FIRST_WRONG = (
    " On the way back from the loss this is the first line that goes wrong: what it takes is right, and what it gives "
    "is the gradient of nothing that the forward pass computes."
)
RESERVE = 12.0  # seconds that are left to what comes after


def by_another_loss(
    session: TrainingSession, seen: SlopeStudy, first: gradient.Judgement, by_name: bool
) -> tuple[gradient.Judgement, list[Finding], list[Finding]] | None:
    """Where no loss explains even a part: one by which a mistake that is made on purpose gives exactly the updates.

    Those come first of which the program subtracts a label, and the usual ones.
    """
    others = [found for found in gradient.ranked(seen) if found.wrong and found.candidate.kind in PLAUSIBLE]
    others = [
        found for found in others if found.candidate.named > 0 and not (found.candidate.frozen or found.candidate.both)
    ]
    others.sort(key=lambda found: (-found.candidate.named, _order(found.candidate, seen)))
    for found in others[: 3 * OTHERS]:
        accumulating = backward.findings(found, seen, session.found, set())
        if accumulating and accumulating[0].mistake == "accumulated":
            return found, accumulating, explain(accumulating[0], session, found, seen)
    for found in [found for found in others if found.candidate != first.candidate][:OTHERS]:
        if session.left() < RESERVE:
            break
        findings = backward.findings(found, seen, session.found, sizes_of(seen, session.found))
        if len(findings) != 1 or findings[0].cause != "wrong-backward":
            continue
        more = explain(findings[0], session, found, seen)
        guessed = not found.candidate.is_seen and any(row["mistake"] == "wrong-loss" for row in findings[0].details)
        if sure(findings[0], found, by_name) and not guessed:  # another loss than one that is a guess says nothing
            return found, findings, more
    return None


def by_exact_loss(
    session: TrainingSession, seen: SlopeStudy, first: gradient.Judgement, findings: list[Finding]
) -> tuple[gradient.Judgement, list[Finding], list[Finding]] | None:
    """Where a guessed loss explains a part nearly, and no mistake has a name by it: another usual loss of the same
    output and label by which all that is seen is exactly that of a mistake.

    Outputs near 0.5 have the slope of the squared error, up to a factor, also of the log loss.
    """
    pair = (first.candidate.output, first.candidate.label)
    if first.candidate.is_seen or len(findings) != 1 or findings[0].mistake not in ("", "unknown"):
        return None
    if findings[0].cause != "wrong-backward" or gradient.residual(first) < NEARLY:
        return None
    others = [f for f in gradient.ranked(seen) if (f.candidate.output, f.candidate.label) == pair and f.wrong]
    for found in [f for f in others if f.candidate.kind in SMOOTH and f.candidate != first.candidate][:OTHERS]:
        if session.left() < RESERVE:
            break
        again = backward.findings(found, seen, session.found, sizes_of(seen, session.found))
        if len(again) == 1 and again[0].cause == "wrong-backward":
            more = explain(again[0], session, found, seen)
            named = {row["tensor"] for row in again[0].details if row["mistake"] not in ("unknown", "wrong-loss")}
            if named >= set(found.wrong):
                return found, again, more
    return None


SMOOTH = ("squared", "log", "cross")
NEARLY = 1e-5  # of an update, what a slope may leave


def _order(candidate: Candidate, seen: SlopeStudy) -> int:
    """Probabilities of classes and class numbers go together by the cross entropy; everything else as it is usual."""
    return -1 if of_classes(candidate, seen.seen) else PLAUSIBLE.index(candidate.kind)


def by_classes(
    session: TrainingSession, seen: SlopeStudy, first: gradient.Judgement
) -> tuple[gradient.Judgement, list[Finding], list[Finding]] | None:
    """The judgement by the cross entropy of what can hardly be meant for anything else."""
    others = [found for found in gradient.ranked(seen) if found.wrong and of_classes(found.candidate, seen.seen)]
    if not others or first.candidate.is_seen or session.left() < RESERVE:
        return None
    findings = backward.findings(others[0], seen, session.found, sizes_of(seen, session.found))
    return others[0], findings, [m for finding in findings for m in explain(finding, session, others[0], seen)]


ABSOLUTE = re.compile(r"=\s*(np\.|math\.)?(f?abs|absolute)\(")  # what is assigned, not what a sum is taken of


def explain(
    finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> list[Finding]:
    """Where a finding about the gradient is, and what mistake it is; further mistakes are findings of their own."""
    more: list[Finding] = []
    if finding.mistake == "accumulated":
        groups = [session.found.groups[name] for name in judgement.verdicts]
        loops = session.program.loops
        at = to_clear(loops.sources, loops.loops[session.number], groups)
        if at is not None:
            _put(finding, session, at)
        return more
    _place(finding, session, judgement, seen)
    if finding.cause == "wrong-backward" and judgement.wrong and not gradient.turned_over(judgement):
        more = _name(finding, session, judgement, seen)
        if judgement.climbs and gradient.explains_some(judgement):
            up = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
            more.append(backward.climbing(judgement, up))
            _place(more[-1], session, judgement, seen, up)
    elif finding.cause == "loss-sign-flipped":
        _where_it_turns(finding, session, judgement, seen)
    moved = [at for lines in seen.update_lines.values() for at in lines] if len(judgement.verdicts) > 1 else []
    for found in (finding, *more):
        if found.mistake == "swapped-tensors" and (at := crossing(session.program.loops.sources)) is not None:
            _put(found, session, (at.file, at.line))
        if found.mistake in OF_A_STEP[:2] and found.fix != OF_SCORES:
            _in_own_names(found, session)
        if found.mistake in ("", "unknown", "missing-step", "zero-gradient"):
            _of_last_term(found, session, judgement.wrong)
        if found.cause == "wrong-backward" and (inner := _within(found, session, judgement)) is not None:
            _put(found, session, inner)
        of_line = instead(found, session.program.loops.sources.get(found.file or "", ""))
        shared = found.cause == "loss-sign-flipped" and any(at == (found.file, found.line) for at in moved)
        found.fix = f"{of_line}, and the other updates alike" if of_line and shared else of_line or found.fix
    return more


def sure(finding: Finding, judgement: gradient.Judgement, by_name: bool) -> bool:
    """Whether a program may be called wrong: by a loss that explains a part of it, or that was asked for (`by_name`);
    or by a mistake that, made on purpose, gives exactly the numbers that were found."""
    if finding.cause == "parameter-not-optimized" and judgement.candidate.kind in PIECEWISE:
        return _trusted(judgement)  # such a loss has no slope but in the outputs of one side
    if finding.cause != "wrong-backward" or not judgement.wrong or finding.confidence == engines.CERTAIN:
        return True
    if gradient.turned_over(judgement):
        return True
    asked = by_name and judgement.candidate.is_seen
    doubtful = DISAGREES in finding.notes or not gradient.accuses(judgement.candidate) or gradient.passes_by(judgement)
    if (doubtful and not asked) or _slopeless(finding, judgement) or gradient.of_some_rows(judgement):
        return False
    if _trusted(judgement):
        return True
    if not judgement.candidate.is_seen and any(row["mistake"] == "wrong-loss" for row in finding.details):
        return False  # that the loss is another says nothing of one that is a guess
    named = {
        row["tensor"]
        for row in finding.details
        # one number is always a multiple of another one
        if row["mistake"] not in ({"unknown", *OF_ONE_NUMBER} if row["tensor"] in judgement.single else {"unknown"})
    }
    return asked or (bool(named) and named >= set(judgement.wrong))


def _slopeless(finding: Finding, judgement: gradient.Judgement) -> bool:
    """Whether all that is known to be wrong is that something moves in which the loss has no slope: so does what is no
    parameter, such as a state, a mean that is kept, or a row that is looked at."""
    states = {cell.state for name in judgement.wrong for cell in judgement.cells.get(name, ())} - {"silent"}
    return finding.mistake in ("", "unknown") and states == {"drift"}


def is_named(finding: Finding) -> bool:
    """Whether a mistake that was made on purpose in the recorded pass gave exactly the numbers of the program."""
    return bool(finding.details) and not any(
        row["mistake"] in FACTORS
        or (row["mistake"] == "unknown" and (row.get("confidence", 0.0) <= DOUBTED or only_rates(finding)))
        for row in finding.details
    )


def _trusted(judgement: gradient.Judgement) -> bool:
    """Whether the loss is known well enough to call a program wrong by it."""
    return not judgement.wrong or gradient.explains_some(judgement)


def sizes_of(seen: SlopeStudy, found: Any) -> set[int]:
    """Lengths of axes of what was seen, but for those of the parameters: a batch may be one of them."""
    sizes = {n for series in seen.seen.values() for value in series[:1] for n in value.shape}
    sizes |= {len(series) for series in seen.seen.values()}
    return {n for n in sizes if n > 1}


def _name(finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy) -> list[Finding]:
    """The mistake and its line, by a recording of the pass; further mistakes, each of other tensors, are returned."""
    found = session.found
    index = telling(judgement, seen)
    entry = seen.passes[index]
    sizes = sizes_of(seen, found)
    files = session.program.loops.sources
    agreed = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
    untold = [name for name, verdict in judgement.verdicts.items() if verdict == "unknown"]
    try:
        result: Autopsy = session.lab(
            lambda lab: as_studied(
                session,
                lab,
                autopsy(
                    lab,
                    found,
                    judgement.candidate,
                    entry,
                    seen.passes[:index],
                    sizes,
                    files,
                    agreed,
                    judgement.factors,
                    untold,
                ),
            ),
            found.groups,
            min(10.0, session.left() / 3),
        )
    except Lost as lost:
        finding.notes.append(f"the pass could not be recorded: {lost.said}")
        return []
    # by the numbers alone it is known what the mistake is, if not always where
    told = finding.mistake not in ("", "unknown")
    if not told and (not result.named or any(item.mistake == "unknown" for item in result.named)):
        replaced = placing.summed_last(files, result.chain)
        if replaced is not None:
            finding.details = [vars(item) for item in result.named if item.mistake != "unknown"]
            _only_last(finding, session, *replaced)
            return []
    finding.notes += [note for note in result.notes if not (told and note == TOO_LONG)]
    instead = in_place_of(judgement, seen) if finding.mistake == "swapped-tensors" else {}  # by all passes
    if finding.mistake == summed.MISTAKE or instead:  # of all that are wrong: a sum of 0 is one, though nothing is cut
        finding.details = [vars(item) for item in result.named]
        named = [item.backward for item in result.named if item.mistake == finding.mistake]
        taken = taken_at(instead, Assignments.of(files), found.groups)
        at = taken or next((line for line in named if line is not None), result.first_wrong)
        _put_credible(finding, session, at, judgement.wrong, seen)
        return []
    if not told and not finding.fix:
        finding.fix = result.meant
    if not result.named:
        at = result.first_wrong if finding.mistake not in FACTORS else _line_of(result, judgement.wrong)
        _put_credible(finding, session, at, judgement.wrong, seen)
        _say_what_is_known(finding, result)
        return []
    by_one_pass = result.named
    result.named = [of_all_passes(item, judgement, seen.passes) for item in by_one_pass]
    result.named = [where_it_belongs(item, judgement, files, found.groups) for item in result.named]
    if result.named != by_one_pass and finding.mistake == "unknown":
        changed = next(item for item, old in zip(result.named, by_one_pass, strict=True) if item != old)
        finding.explanation, finding.fix = changed.text, changed.fix
    finding.details = [vars(item) for item in result.named]
    kinds = list(dict.fromkeys((item.mistake, item.backward if result.apart else None) for item in result.named))
    whole = replace(finding, notes=[], details=[])
    more: list[Finding] = []
    for kind in kinds:
        own = [item for item in result.named if item.mistake == kind[0] and kind[1] in (None, item.backward)]
        other = finding if kind == kinds[0] else replace(whole)
        if kind == kinds[0] or kind[0] != "unknown":
            _of_autopsy(other, own, result, session, judgement, seen, alone=len(kinds) == 1)
        if other is not finding and kind[0] != "unknown":
            more.append(other)
    return more


def _where_it_turns(
    finding: Finding, session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy
) -> None:
    """The line by which a recorded gradient has the other sign, where the update is a descent: `W -= lr * dW`."""
    groups = session.found.groups
    source = Assignments.of(session.program.loops.sources)
    signs = {update.sign for name in judgement.verdicts for update in source.steps(groups[name])}
    if 1 in signs or placing.label_less_output(session.program.loops.sources) is not None:
        return
    found, files = session.found, session.program.loops.sources
    factors = dict.fromkeys(judgement.verdicts, -1.0)
    entry, sizes = seen.passes[0], sizes_of(seen, found)
    try:
        result: Autopsy = session.lab(
            lambda lab: as_studied(
                session, lab, autopsy(lab, found, judgement.candidate, entry, [], sizes, files, [], factors)
            ),
            groups,
            min(8.0, session.left() / 4),
        )
    except Lost:
        return
    at = _line_of(result, list(judgement.verdicts))
    if at is not None and not any((u.file, u.line) == at for name in factors for u in source.updates(groups[name])):
        _put(finding, session, at)


def _of_autopsy(
    finding: Finding,
    named: list[Named],
    result: Autopsy,
    session: TrainingSession,
    judgement: gradient.Judgement,
    seen: SlopeStudy,
    alone: bool,
) -> None:
    """What the autopsy says of some tensors, all by one mistake. `alone`: there is no other mistake."""
    best, tensors = named[0], [item.tensor for item in named]
    files = session.program.loops.sources
    if best.mistake != "unknown" or not finding.mistake or best.confidence > DOUBTED:  # not every one has a name
        if best.mistake in FACTORS and (not alone or finding.mistake != best.mistake):
            finding.mistake = best.mistake
            _place(finding, session, judgement, seen, tensors)
        finding.mistake, finding.explanation, finding.fix = best.mistake, best.text, best.fix
        finding.confidence = min(finding.confidence, best.confidence)
    if not alone:
        finding.tensors = [row for row in finding.tensors if row["name"] in tensors]
        if finding.tensors:
            said = "; ".join(row["said"] for row in finding.tensors)
            finding.evidence = f"Each weight was nudged, and the slope of {judgement.candidate.title} measured: {said}."
    at = best.backward
    if at is None:
        at = _line_of(result, tensors) if best.mistake in FACTORS else result.first_wrong
        if best.mistake not in FACTORS and at is not None and not _is_credible(session, at, judgement.wrong, seen):
            _place(finding, session, judgement, seen, tensors)
            at = (finding.file, finding.line) if finding.file and finding.line else at
    if best.forward is not None and best.mistake in OF_A_STEP:
        at = placing.undoing(files, best.forward, at, best.mistake == OF_A_STEP[0]) or at
    if best.forward is not None and best.mistake == "wrong-mask":
        at = placing.in_helper(files, best.forward, at) or at
    if best.mistake == OF_A_STEP[0]:
        at = (result.first_wrong if result.derived else None) or at
        at = handed_on(files, at) or at
        scores = culprits.softmax(files, "", "activation-before-loss")
        if scores is not None and best.forward == (scores.file, scores.line):
            at, finding.fix = best.forward, OF_SCORES
    moved = [line for name in tensors for line in seen.update_lines.get(name, ())]
    if (
        at is not None and at == best.forward and at not in moved and moved and finding.fix != OF_SCORES
    ):  # its gradient is computed in the update
        at = moved[0]
    if best.mistake == "sign":
        at = odd.minus(tensors, session, judgement) or odd.other_way(tensors, session, judgement) or at
    if best.mistake in ("missing-step", "dropped-term"):
        at = placing.thrown_away(files) or at
    if best.mistake == "batch-factor":
        at = odd.undivided(tensors, session, judgement) or at
    if at is not None:
        _put(finding, session, at)
    _say_what_is_known(finding, result)


def _say_what_is_known(finding: Finding, result: Autopsy) -> None:
    """Of a mistake without a name: that its line is the first one on the way back that goes wrong."""
    at = (finding.file, finding.line)
    if finding.mistake in ("", "unknown") and at == result.first_wrong and FIRST_WRONG not in finding.explanation:
        finding.explanation += FIRST_WRONG
        finding.fix = finding.fix or "write here, by the chain rule, the derivative of what the forward pass computes"


def _of_last_term(finding: Finding, session: TrainingSession, wrong: Sequence[str]) -> None:
    """Name what a loop leaves of a sum, where the line that goes wrong is one that replaces it in each turn; or, where
    what was recorded tells no line, one that the gradient comes by."""
    if finding.cause != "wrong-backward" or finding.file is None or finding.line is None:
        return
    sources = session.program.loops.sources
    begun = finding.mistake != "zero-gradient"  # of a sequence that begins with zeros the last term is none
    meant = only_last(sources.get(finding.file, ""), finding.line, begun)
    if meant is None and begun:
        source = Assignments.of(sources)
        chain = [line for name in wrong for line in source.slice(session.found.groups[name], 6)]
        replaced = placing.summed_last(sources, chain) if (finding.file, finding.line) in chain else None
        if replaced is not None:
            _only_last(finding, session, *replaced)
    elif meant is not None:
        _only_last(finding, session, (finding.file, finding.line), meant)


def _only_last(finding: Finding, session: TrainingSession, at: tuple[str, int], meant: str) -> None:
    _put(finding, session, at)
    finding.mistake = "dropped-term"
    finding.explanation = "Each turn of the loop replaces what the turn before left: only the last term is kept."
    finding.fix = meant


def _within(finding: Finding, session: TrainingSession, judgement: gradient.Judgement) -> tuple[str, int] | None:
    """The line of a function of the program that computes what the line of a finding only takes from a call of it."""
    groups, source = session.found.groups, Assignments.of(session.program.loops.sources)
    wrong = [row["name"] for row in finding.tensors if row["verdict"] not in ("right", "unknown")] or judgement.wrong
    lines = [line for name in wrong if name in groups for line in source.slice(groups[name])]
    right = [name for name, verdict in judgement.verdicts.items() if verdict == "right"]
    cleared = {line for name in right if name in groups for line in source.slice(groups[name])}
    return placing.within(session.program.loops.sources, (finding.file or "", finding.line or 0), lines, cleared)


def _in_own_names(finding: Finding, session: TrainingSession) -> None:
    """What to write instead of the line, by the names of the program."""
    source = session.program.loops.sources.get(finding.file or "", "")
    changed = list(repairs(finding, source))
    if len(changed) == 1 and finding.line is not None:
        finding.fix = changed[0].splitlines()[finding.line - 1].strip()


def _place(
    finding: Finding,
    session: TrainingSession,
    judgement: gradient.Judgement,
    seen: SlopeStudy,
    tensors: Sequence[str] = (),
) -> None:
    """The line, by the source; of these tensors, or of all that are wrong."""
    groups = session.found.groups
    source = Assignments.of(session.program.loops.sources)
    wrong = [groups[name] for name in (tensors or judgement.wrong or judgement.verdicts) if name in groups]
    right = (
        [groups[name] for name, verdict in judgement.verdicts.items() if verdict == "right"] if judgement.wrong else []
    )
    at = suspect(source, wrong, right)
    moved = [line for group in wrong for line in seen.update_lines.get(group.name, ())]
    if at is None and moved:  # nothing in the source says more than where it was moved
        at = moved[0]
    if judgement.resting and finding.cause == "parameter-not-optimized":  # the update leaves them out
        written = [(update.file, update.line) for group in wrong for update in source.updates(group)]
        others = {line for name, lines in seen.update_lines.items() if name not in judgement.resting for line in lines}
        own = [line for line in written if line in moved and line not in others]  # of tensors of one name
        at = next(iter(own or written or moved), at)
    if finding.cause == "loss-sign-flipped":
        at = placing.climbing(source, session.program.loops.sources, wrong, moved) or at
        chain = sorted({line for group in wrong for line in source.slice(group, 6)})
        bare = [line for line in chain if ABSOLUTE.search(session.program.loops.line(*line))]
        if bare:
            at = bare[0]
            finding.explanation = "The absolute value loses the sign of the error: the updates go one way only."
            finding.fix = "leave the absolute value away where the error is computed, and print that of it"
    elif finding.mistake == "sign":
        at = source.other_way(wrong, right) or at
    elif finding.mistake == "zero-gradient":
        rest, fix = should_move(session.program.loops.sources, wrong, right, seen.seen)
        at, finding.fix = rest or at or beside(source, wrong, right), fix or finding.fix
        if unread(session.program.loops.sources, {last_name(group) for group in wrong}) is not None:
            finding.severity = "error"  # that it is meant to rest, nobody writes like this
    if at is not None:
        _put(finding, session, at)


def _put(finding: Finding, session: TrainingSession, at: tuple[str, int]) -> None:
    finding.file, finding.line = at
    finding.code = session.program.loops.line(*at)


def _put_credible(
    finding: Finding, session: TrainingSession, at: tuple[str, int] | None, wrong: Sequence[str], seen: SlopeStudy
) -> None:
    """The line that a recording gave, or the one that is known by the source where that cannot be it."""
    if at is not None and (finding.line is None or _is_credible(session, at, wrong, seen)):
        _put(finding, session, at)


def _is_credible(session: TrainingSession, at: tuple[str, int], wrong: Sequence[str], seen: SlopeStudy) -> bool:
    return placing.credible(at, seen.update_lines, wrong, Assignments.of(session.program.loops.sources))


def _line_of(result: Autopsy, tensors: list[str]) -> tuple[str, int] | None:
    """The line by which most of these tensors are off by their factor."""
    lines = [result.lines[name] for name in tensors if name in result.lines]
    return max(lines, key=lines.count, default=None)


NEAR_BY = 8  # passes to go on for one that tells more


def telling(judgement: gradient.Judgement, seen: SlopeStudy) -> int:
    """The pass in which what is wrong goes far from the slope, where a factor of its own explains nothing, and what is
    right follows it exactly. Of the first that is wrong and those that come soon after it."""
    wrong = [i for i in range(len(seen.passes)) if any(_is_wrong(judgement, name, i) for name in judgement.wrong)]
    near = [i for i in wrong if seen.passes[i].index <= seen.passes[wrong[0]].index + NEAR_BY]

    def told(i: int) -> tuple[int, float, float]:
        cells = [judgement.cells[name][i] for name in judgement.wrong]
        away = [c.residual for c in cells if c.state == "across"]
        follow = [judgement.cells[name][i] for name, verdict in judgement.verdicts.items() if verdict == "right"]
        guarded = max((c.residual for c in follow if c.state == "along"), default=0.0)  # as by log(p + 1e-8)
        return len(away), min(FAR_OFF, *away) if away else 0.0, -max(guarded, EXACTLY)

    return max(near, key=told, default=0)


EXACTLY = 1e-6  # a residual of differences
FAR_OFF = 0.05  # a residual that no factor explains


def _is_wrong(judgement: gradient.Judgement, name: str, index: int) -> bool:
    cell = judgement.cells[name][index]
    if cell.state == "along":
        return abs(cell.ratio / judgement.ratios[index] - 1) > EXACT or cell.residual > EXACT
    return cell.state != "silent"
