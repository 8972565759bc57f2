"""Gradients that are added to in each pass and never set to zero, told beside what else is wrong with them."""

from __future__ import annotations

import ast
from collections.abc import Generator, Sequence
from dataclasses import replace

import numpy as np

from pellucid.doctor import engines
from pellucid.doctor.probes.batches import uncleared
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.process.child import Lost
from pellucid.doctor.process.clearing import to_clear
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun
from pellucid.doctor.process.places import assigned, first
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.gradient import Judgement


def beside(session: TrainingSession, known: list[Finding]) -> list[Finding]:
    """The finding of such gradients beside those of a wrong backward pass, whose right gradient is that of one pass."""
    names = uncleared(session.found)
    if not names or not any(f.cause == "wrong-backward" and f.severity == "error" for f in known):
        return []
    if any(f.mistake == "accumulated" for f in known):
        return []
    finding = Finding(
        "missing-zero-grad",
        "error",
        0.97,
        f"What is added to {', '.join(names[:3])}{' …' if len(names) > 3 else ''} before a pass is in it whole "
        "after the pass, and has moved its parameter.",
        "The gradients of earlier passes are still in: they are added to, and never set to zero.",
        "set every gradient to zero before the backward pass",
        mistake="accumulated",
        fork=known[0].fork,
        verified=known[0].verified,
    )
    groups = [session.found.groups[name] for name in session.found.parameters]
    loops = session.program.loops
    at = to_clear(loops.sources, loops.loops[session.number], groups) or engines.updates_of(session)
    if at is not None:
        finding.file, finding.line = at
        finding.code = session.program.loops.line(*at)
    return [finding]


def of_errors(session: TrainingSession, seen: SlopeStudy) -> Finding | None:
    """A number that moves, in each pass, by the error of that pass: the errors of all passes are added up, and the
    gradient is made of their sum. Asked where no loss explains the updates at one rate."""
    squared = [candidate for candidate in seen.candidates if candidate.kind == "squared"]
    name = next((n for n in session.found.parameters for c in squared if _goes_by_error(seen.passes, n, c)), None)
    if name is None:
        return None
    finding = Finding(
        "missing-zero-grad",
        "error",
        0.95,
        f"In each of {len(seen.passes)} passes {name} changes by the error of that pass, and is never set to zero.",
        "The errors of earlier passes are still in: the gradient is made of their sum.",
        f"set {name} to the error of the pass, or to zero before it",
        mistake="accumulated",
    )
    sources = session.program.loops.sources
    at = first(sources, lambda node: isinstance(node, ast.AugAssign) and name.split(".")[-1] in assigned(node))
    if at is not None:
        finding.file, finding.line = at.file, at.line
        finding.code = session.program.loops.line(at.file, at.line)
    return finding


def _goes_by_error(passes: Sequence[StudiedPass], name: str, squared: Candidate) -> bool:
    """Whether a single number moves by the root of twice a squared error, which is half the square of an error."""
    pairs = [(entry.update.get(name, np.zeros(0)), entry.losses.get(squared, np.nan)) for entry in passes]
    return len(pairs) >= SEVERAL and all(
        step.size == 1 and loss > 0 and abs(float(step.ravel()[0]) ** 2 / (2 * loss) - 1) < 1e-6 for step, loss in pairs
    )


SEVERAL = 4  # passes


def at_own_rate(session: TrainingSession, judgement: Judgement) -> Judgement:
    """The judgement with the rate by which the program multiplies its sums: that of one pass's slope to such a sum
    grows from pass to pass."""
    found, names = session.found, uncleared(session.found)
    if not names:
        return judgement

    def measured(lab: Lab) -> Generator[PassRun, PassOutcome, float]:
        plain = yield PassRun()
        rates: list[float] = []
        for name in names:
            total, owner = plain.after[name], found.memory[name]
            step = plain.after[owner] - plain.before[owner]
            if total.shape == step.shape and total.any():
                rates.append(-float(step @ total) / float(total @ total))
        return float(np.median(rates)) if rates else 0.0

    try:
        rate = session.lab(measured, found.groups, 3.0)
    except Lost:
        return judgement
    return replace(judgement, ratio=rate) if rate > 0 else judgement
