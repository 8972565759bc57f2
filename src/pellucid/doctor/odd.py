"""The line of a wrong tensor that is unlike those of the right ones: another sign, a division more."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.minuses import odd_minus
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.source import Assignments
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.gradient import Judgement

Line = tuple[str, int]


def rank(finding: Finding, still: Collection[str]) -> tuple[bool, bool, bool]:
    """By which findings are put in order: last what a fork says nothing for, then numbers that no pass moves, `still`,
    which may be meant; first that the program climbs."""
    tensors = {row["name"] for row in finding.tensors if row.get("verdict") != "right"}
    rests = finding.mistake == "zero-gradient" and bool(tensors) and tensors <= {*still}
    return finding.severity == "warning" and finding.verified is False, rests, finding.cause != "loss-sign-flipped"


def other_way(tensors: list[str], session: TrainingSession, judgement: Judgement) -> Line | None:
    """The update with the other sign than those of the tensors that are right, or, where none is, than most."""
    right = _right(judgement) or [name for name in judgement.verdicts if name not in tensors]
    source = Assignments.of(session.program.loops.sources)
    return source.other_way(_groups(tensors, session), _groups(right, session))


def undivided(tensors: list[str], session: TrainingSession, judgement: Judgement) -> Line | None:
    """The update that divides by the number of rows where those of right tensors do not, or the reverse."""
    source = Assignments.of(session.program.loops.sources)
    return source.undivided(_groups(tensors, session), _groups(_right(judgement), session))


def minus(tensors: list[str], session: TrainingSession, judgement: Judgement) -> Line | None:
    """The gradient that begins with no minus where those of right tensors do, or the reverse."""
    return odd_minus(session.program.loops.sources, _groups(tensors, session), _groups(_right(judgement), session))


def _right(judgement: Judgement) -> list[str]:
    return [name for name, verdict in judgement.verdicts.items() if verdict == "right"]


def _groups(names: Sequence[str], session: TrainingSession) -> list[Group]:
    return [session.found.groups[name] for name in names]
