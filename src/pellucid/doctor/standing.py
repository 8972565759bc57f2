"""What of the findings of an examination stands: what a fork confirms, what it disproves, what is said beside it."""

from __future__ import annotations

from dataclasses import replace

from pellucid.doctor import conditions
from pellucid.doctor.naming import is_named
from pellucid.doctor.probes.losses import of_classes
from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.probes.training import Mended
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.proof import prove
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

FAR_BETTER = 1.5  # times what the program itself gains in as many passes


def stands(finding: Finding) -> bool:
    """Whether a warning makes a program a faulty one: a fork confirms it, or it is a mistake that does no harm here."""
    return bool(finding.verified) or HARMLESS in finding.notes


HARMLESS = (
    "In a fork the right order trains by the same curve: it is a mistake, but not what holds this program back, if "
    "anything does."
)

LASTING = 10.0  # seconds, the fewest in which a second fault can be told
OF_LENGTH = ("too-few-updates", "lr-too-high", "lr-too-low", "late-instability")  # what the measured rate may be off by


def besides(
    session: TrainingSession,
    judgement: gradient.Judgement,
    seen: SlopeStudy,
    mended: Mended,
    stages: tuple[str, ...] = ("data", "training"),
) -> list[Finding]:
    """What keeps a program from learning though its gradient is mended, each confirmed by a fork with that gradient or
    seen in the data as it is."""
    right = replace(judgement, verdicts=dict.fromkeys(judgement.verdicts, "right"), climbs=False)
    found = conditions.look(session, right, seen, stages, mended)
    session.unfinished = session.blown_up = False
    session.gets_to_a_guess = 0
    confirmed = [finding for finding in found if is_shown(finding) and finding.cause not in OF_LENGTH]
    for finding in confirmed:
        called = {"as it is": "with the right gradient"}
        finding.fork = {called.get(name, name): curve for name, curve in finding.fork.items()}
    return confirmed


def is_shown(finding: Finding) -> bool:
    """Whether a fork confirms it, or what was seen proves it by itself."""
    return bool(finding.verified) or (finding.verified is None and finding.severity == "error")


def is_guess(judgement: gradient.Judgement) -> bool:
    """Whether the loss is one that the program does not compute, and explains nothing of the updates exactly."""
    return not judgement.candidate.is_seen and not gradient.explains_some(judgement)


def proven(findings: list[Finding], session: TrainingSession, judgement: gradient.Judgement, seen: SlopeStudy) -> bool:
    """Whether what the program calls its loss falls far better by its own slope, which the updates hardly follow."""
    candidate = judgement.candidate
    meant = (candidate.is_seen and candidate.named > 0) or of_classes(candidate, seen.seen)
    if len(findings) != 1 or not meant:
        return False
    rate = gradient.at_odds(seen.passes, judgement)
    if not rate:
        return False
    prove(findings[0], session, replace(judgement, ratio=rate))
    curves = findings[0].fork or {}
    was, better = curves.get("as it is", []), curves.get("with the right gradient", [])
    return bool(findings[0].verified) and len(better) > 2 and better[0] - better[-1] > FAR_BETTER * (was[0] - was[-1])


def disproved(finding: Finding) -> bool:
    """Whether nobody could say what is wrong, and the program learns as well as a fork with the right gradient."""
    curves = finding.fork or {}
    was, better = curves.get("as it is", []), curves.get("with the right gradient", [])
    told = finding.mistake != "unknown" or is_named(finding)
    if finding.verified is not False or told or len(was) < 3 or len(better) < 3:
        return False
    gained = was[0] - was[-1]
    return gained > LEARNT * abs(was[0]) and better[0] - better[-1] < 1.02 * gained


EXACT = ("sign", "updated-too-early")  # of the latter a fork that does it in order has shown all of it
LEARNT = 0.3  # of the loss at the beginning


def doubted(findings: list[Finding], others: list[Finding]) -> list[Finding]:
    """With the right gradient a fork went no better: a condition that one confirmed goes before what slopes said.

    Where numbers overflow or units are saturated, slopes mislead. More updates do not make them right.
    """
    confirmed = [finding for finding in others if is_shown(finding) and finding.cause != "too-few-updates"]
    if not confirmed:
        return findings
    if all(  # correctness first: what is wrong is wrong beside all else
        is_named(finding) or finding.mistake in EXACT for finding in findings
    ):
        return [*findings, *confirmed]
    for finding in findings:
        finding.severity, finding.confidence = "info", 0.3
    return [*confirmed, *findings]
