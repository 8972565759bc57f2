"""What is said of an examination beside its findings: its facts, and what it comes to where the time is up."""

from __future__ import annotations

from typing import Any

from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.report import Finding, Report
from pellucid.doctor.rules import gradient

NO_BACKWARD = "backward() was never called: no training was seen in the program."
NO_LOOP = (
    "No loop was seen that moves numbers a little in each pass, as training by gradients does. A search by chance, an "
    "evolution, k-means or a table of values has no slope that could be compared. Where a step of yours does follow "
    "a gradient, call it by itself: pellucid.doctor.examine(step)"
)
NO_GRADIENT = (
    "Where the rule follows the gradient of no loss (Hebb's rule, a search by chance, an evolution, a table of "
    "values), there is no slope that it could be compared with"
)
MORE = "The time was up before all was looked at: give it more, --budget 300"
UNTOLD = "The time was up before the slopes of a loss were measured: give it more, --budget 300"


class Progress:
    """What is to be reported if the time is up now."""

    def __init__(self, facts: dict[str, Any]) -> None:
        self.facts = facts
        self.report = Report("inconclusive", facts=facts, reason=UNTOLD)

    def right(self, judgement: gradient.Judgement, passes: int) -> None:
        """The gradient is right; what else there may be was not looked at to the end."""
        said = f"Every update follows the slope of {judgement.candidate.title} in {passes} passes, but the time was up "
        said += "before all else was looked at: give it more, --budget 300"
        self.report = Report("inconclusive", facts=self.facts, reason=said)

    def wrong(self, findings: list[Finding]) -> None:
        """The gradient is wrong; its line, or the proof, may not be known yet."""
        self.report = Report("faults", findings, self.facts)


def facts_of(session: TrainingSession) -> dict[str, Any]:
    loop = session.program.loops.loops[session.number]
    found = session.found
    return {
        "loop": {
            "file": loop.file,
            "line": loop.line,
            "function": loop.function,
            "code": session.program.loops.line(loop.file, loop.line),
        },
        "parameters": [
            {"name": name, "shape": list(found.groups[name].shape), "elements": found.groups[name].size}
            for name in found.parameters
        ],
        "memory": dict(found.memory),
        "repeatable": found.repeatable,
    }


def no_such_loss(name: str, seen: SlopeStudy) -> str:
    """What is said where the loss that was asked for is no number that a pass sees."""
    known = sorted({candidate.output[1] for candidate in seen.candidates if candidate.is_seen})[:8]
    said = f"No number called {name} that depends on the parameters was seen in a pass. "
    return said + (f"Those that do are {', '.join(known)}" if known else "Leave --loss out") + "."


def no_usual_loss(judgement: gradient.Judgement) -> str:
    """What is said where no loss that was tried explains the updates."""
    return (
        f"No usual loss explains the updates; {judgement.candidate.title} comes nearest. "
        "Name the loss, as a variable that holds it in each pass: pellucid doctor SCRIPT --loss NAME. "
        f"{NO_GRADIENT}."
    )


def no_better(finding: Finding) -> str:
    """What is said where updates do not follow a slope, and a fork in which they do learns no better."""
    return (
        f"{finding.evidence} But in a fork whose updates do follow it the loss falls no further, so this may be a rule "
        "of yours that is not known here."
    )


def loss_facts(judgement: gradient.Judgement) -> dict[str, Any]:
    candidate = judgement.candidate
    return {
        "loss": {
            "title": candidate.title,
            "how": "seen in the pass"
            if candidate.is_seen
            else "not computed in the pass; the usual loss that explains the updates best",
            "kind": candidate.kind,
        },
        "rate": abs(judgement.ratio),
    }
