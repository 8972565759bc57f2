"""too-few-updates: a run that ends while its loss still falls."""

from __future__ import annotations

from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.case import Case, Found, at
from pellucid.doctor.conditions.causes.rate import noisy
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import places, settings

FEW = 40  # passes that nobody takes for a training: asked before what else would speed it up


def find_very_few(case: Case) -> Found | None:
    return find(case) if case.was.ended and case.was.passes <= FEW else None


def find(case: Case) -> Found | None:
    """Confirmed by a training in which each pass is run many times."""
    was = case.was
    falls = was.finite and learning.share(case.frozen.level, was.level) > 0.01
    if not was.ended or was.passes > 200 or len(was.losses) < 2 or not falls or noisy(was):
        return None
    remedy = Remedy("too-few-updates", "with each pass run 20 times", repeat=20)
    seconds = max(1.0, min(4.0, case.session.left() / 5))
    other = case.run(case.so_far.and_(remedy), was.passes * 20, seconds, case.asked)
    if not other.losses or not other.finite:
        return None
    gains, went = (learning.share(case.frozen.level, done.level) for done in (other, was))
    if not learning.worthwhile(case.guess, was, other, (case.hits(was), case.hits(other))):
        return None
    if not case.learns and gains < 2.5 * max(0.08, went):
        return None
    finding = case.confirmed(
        remedy, other,
        f"The program makes {was.passes} updates and ends while its loss still falls.",
        "Nothing is wrong with the updates; there are too few of them.",
        "train for more epochs",
    )  # fmt: skip
    loop = case.session.program.loops.loops[case.session.number]
    while loop.outer is not None:
        loop = case.session.program.loops.loops[loop.outer]
    at(finding, settings.count(case.sources, loop.file, loop.line) or places.SourcePlace(loop.file, loop.line))
    return Found(finding, remedy, other)
