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
HARDLY_TOLD = (
    "{} So it is where several numbers are the largest of a pooling, which is no mistake; the time was up before that, "
    "or a mistake, could be told. Give it more: pellucid doctor SCRIPT --budget 300"
)
UNSEEN = (
    "The gradient is right, but in {} passes the training comes no further than saying the mean label for every row, "
    "and neither other rates nor other first weights do in forks. The inputs were not found, or are too large to be "
    "looked at, so that scaling them was not tried: give fewer rows, and divide pixels from 0 to 255 by 255."
)
LIMIT = (
    "The gradient is right, but in {} passes the training comes no further than saying the mean label for every row, "
    "and none of what was tried in forks (other rates, scaled inputs, other first weights) does: the limit is what the "
    "network can compute (without a hidden layer, classes that a straight line divides), or the data."
)
DRAWN = (
    "The updates of {} are drawn at random in part, so no slope of a loss can be compared with them. Where that is "
    "meant, as in a policy gradient or an evolution, nothing is wrong with it; where it is not, run it without the "
    "noise."
)
NO_NUMBER = (
    "No number that was seen in a pass, and no usual loss of what was seen, depends on the parameters. "
    "Name the loss: pellucid doctor SCRIPT --loss NAME"
)
ONLY_THERE = (
    "With inputs and first weights of the usual size every update follows the slope of {}; as they are, no update "
    "follows that of any loss. Scale the inputs, and look whether the loss falls then."
)
LEARNS = (
    "No slope of a loss could be compared with what this program does in a pass, so its updates are unchecked. But it "
    "learns by the number that it prints: {}."
)
UNFINISHED = (
    "The gradient is right, but the time was up before every cause of a loss that hardly moves was tried. Give it "
    "more: pellucid doctor SCRIPT --budget 300"
)
NEVER_A_NUMBER = (
    "The gradient is right, but the loss becomes infinite or no number, and nothing that was tried in forks (a lower "
    "rate, scaled inputs, other first weights) prevents that."
)


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
