"""Updates that follow a usual loss exactly, by which the loss that the program itself computes rises."""

from __future__ import annotations

import ast
import math
from dataclasses import replace

import numpy as np

from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.probes.trials import Remedy, trial
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.places import trees
from pellucid.doctor.proof import prove
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import gradient

FEWEST = 3  # passes that tell
AGAINST = -0.1  # the cosine of each of them, of what the program goes along with its own loss
BY_FAR = -0.3  # the same of their mean
LONG = 4000  # passes in which it is looked whether the program's own loss grows
GROWN = 1.1  # times what it is at first
MUCH = 0.5  # of its own loss, which a fork by its slope has to lose


def against_its_own(session: TrainingSession, study: SlopeStudy, taken: gradient.Judgement) -> Finding | None:
    """The finding of updates that go up what the program calls its loss, in all passes, though they follow the slope
    of a usual loss of some labels: then a label, or a sign, is not that of its own loss. A fork that goes down its own
    loss has to lose most of it, which the program does not."""
    if taken.candidate.is_seen or taken.wrong or taken.climbs:
        return None
    own = [c for c in study.candidates if c.is_seen and c.named > 1 and not c.turned and c.which == "all"]
    for candidate in own:
        found = gradient.by(study.passes, candidate, study.rates)
        rate = gradient.at_odds(study.passes, found) if found is not None and climbs(study.passes, candidate) else 0.0
        if found is None or not rate:
            continue
        finding = _finding(session, taken.candidate, candidate)
        prove(finding, session, replace(found, ratio=rate))
        curves = finding.fork or {}
        was, better = curves.get("as it is", []), curves.get("with the right gradient", [])
        if len(better) > 2 and _end(better) < MUCH * better[0] and _end(was) > _end(better) / MUCH and better[0] > 0:
            finding.fork = {"what": candidate.title, "as it is": was, "down its own slope": better}
            finding.verified = True
            return finding
        if (rising := _rises(session, candidate)) is not None:
            finding.fork, finding.verified = {"what": candidate.title, "as it is": rising}, True
            return finding
    return None


def _rises(session: TrainingSession, own: Candidate) -> list[float] | None:
    """The curve of the program's own loss where no fork goes down it, if it grows from its beginning on."""
    seconds, found = min(4.0, session.left() / 5), session.found
    initial = session.controller.scout.loops[session.number].initial
    try:
        done = session.lab(
            lambda lab: trial(lab, found, own, initial, LONG, seconds, Remedy()), found.groups, 3 * seconds
        )
    except Lost:
        return None
    curve = done.curve()
    return curve if done.finite and len(curve) > 2 and curve[-1] - 3 * done.noise > GROWN * curve[0] > 0 else None


def climbs(passes: list[StudiedPass], candidate: Candidate) -> bool:
    """Whether the updates of every pass that tells go up the slope of a loss."""
    cosines: list[float] = []
    for entry in passes:
        together, slope, step = 0.0, 0.0, 0.0
        for name, slopes in entry.slopes.get(candidate, {}).items():
            fine = np.isfinite(slopes)
            s, g = slopes[fine], entry.given[name][fine]
            together, slope, step = together + float(s @ g), slope + float(s @ s), step + float(g @ g)
        if slope > 0 and step > 0:
            cosines.append(together / math.sqrt(slope * step))
    return len(cosines) >= FEWEST and max(cosines) < AGAINST and float(np.mean(cosines)) < BY_FAR


def _end(curve: list[float]) -> float:
    return float(np.mean(curve[-max(1, len(curve) // 10) :]))


def _finding(session: TrainingSession, taken: Candidate, own: Candidate) -> Finding:
    finding = Finding(
        "wrong-backward",
        "error",
        0.9,
        f"Every update follows the slope of {taken.title}; in every pass that makes {own.title} larger.",
        f"The gradient is that of another loss than {own.title}, which the program computes and which grows by it: a "
        "label or the sign of a term is not that of its loss.",
        f"write the derivative of {own.title} there, or give {taken.label[1] if taken.label else 'the labels'} the "
        "values that it goes with",
        mistake="wrong-loss",
    )
    at = _line(session.program.loops.sources, taken)
    if at is not None:
        finding.file, finding.line = at
        finding.code = session.program.loops.line(*at)
    return finding


def _line(sources: dict[str, str], taken: Candidate) -> tuple[str, int] | None:
    """Where the output and the label are subtracted from one another; else where the label is assigned."""
    label = taken.label[1] if taken.label is not None else ""
    sides, assigned = {taken.output[1], label}, None
    for file, tree in trees(sources):
        for node in ast.walk(tree):
            if isinstance(node, ast.BinOp) and isinstance(node.op, ast.Sub):
                if {ast.unparse(node.left), ast.unparse(node.right)} == sides:
                    return file, node.lineno
            elif isinstance(node, ast.Assign) and any(ast.unparse(target) == label for target in node.targets):
                assigned = assigned or (file, node.lineno)
    return assigned
