"""A state of the program in which slopes say something.

With inputs of 300, or first weights of 50, every unit is saturated, and with weights of 0 no slope gets through: the
loss is flat or jumps, and no difference tells whether a gradient is right. It is then judged in a fork with inputs of
unit scale and random weights of the usual size. Right there, it is right, and what was changed for it may well be the
cause; the conditions are asked next.
"""

from __future__ import annotations

from collections.abc import Generator
from typing import Any

import numpy as np

from pellucid.doctor.conditions import start
from pellucid.doctor.conditions.case import Case, at
from pellucid.doctor.conditions.causes import scale
from pellucid.doctor.probes import data as probe
from pellucid.doctor.probes.tables import Holder
from pellucid.doctor.probes.trials import Change, beginning, gently, scaled, to_values, transformed
from pellucid.doctor.process.lab import Lab, Next, PassOutcome, PassRun
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.gradient import Judgement

SMALL = 0.2  # of the usual size, below which a signal is nearly gone after some layers, and any step crosses kinks
FAINT = 1e-4  # of a signal: what is left of it by all layers together, where slopes are hardly more than rounding
NEARLY = 0.9  # the cosine of an update that a step over kinks may have parted from the slope


def changes(case: Case, judgement: Judgement | None = None) -> tuple[Change, ...]:
    """What makes the program fit to be asked for its slopes; nothing where it is."""
    sizes = start.sizes(case.tensors)
    large = {name: size for name, size in sizes.items() if size > 4}
    small = {name: size for name, size in sizes.items() if 0 < size < SMALL}
    if len(small) > 2 and (nearly(judgement) or np.prod([*small.values()]) < FAINT):
        large |= small
    found = case.session.found
    rng = np.random.default_rng(0)
    alike = [name for name in start.symmetric(case.tensors) if name not in large]
    return (
        *(
            to_values(found, n, rng.normal(0, 1 / np.sqrt(np.mean(case.tensors[n].shape)), case.tensors[n].size))
            for n in alike
        ),
        *(to_values(found, name, case.tensors[name].ravel() / size) for name, size in large.items()),
        *(_standardised(case, holder) for holder in _unscaled(case)),
    )


def nearly(judgement: Judgement | None) -> bool:
    """Whether every update goes nearly along the slope, though some of them not as exactly as others."""
    rows = judgement.cells.values() if judgement is not None else ()
    cosines = [c.cosine for row in rows for c in row if c.state in ("along", "across")]
    return bool(cosines) and min(cosines) > NEARLY


def of_inputs(case: Case, there: Judgement) -> Finding | None:
    """What is said of inputs without whose scaling no slope says anything; None where they were not the reason."""
    held = _unscaled(case)
    if not held or case.keys.inputs is None:
        return None
    seen = case.study.seen[case.keys.inputs][0]
    if not _is_unscaled(np.atleast_2d(seen)) and not start.unscaled(seen.reshape(1, -1)):
        return None  # what is unscaled is another array than the one that a pass sees
    holder, place = scale.written(case, held, case.keys.inputs[1])
    values = holder.read(case.session.scope).reshape(holder.shape)
    rows = values if values.shape[0] >= values.shape[1] else values.T
    right = [name for name, verdict in there.verdicts.items() if verdict == "right"]
    last, new, _ = scale.scaled_by(holder, rows)
    finding = Finding(
        "input-not-scaled",
        "warning",
        0.9,
        f"The inputs have a mean of {rows.mean():.4g} and a standard deviation of {rows.std():.4g}. As they are, no "
        f"update follows the slope of a loss, which is flat or jumps; in a fork with scaled inputs those of "
        f"{', '.join(right)} follow that of {there.candidate.title}.",
        "With inputs of this size units and outputs saturate, and the first updates throw the weights far away.",
        f"scale them before the training, all rows by the numbers of the training rows: {last} = {new}",
        verified=True,
    )
    at(finding, place)
    return case.placed(finding)


def _unscaled(case: Case) -> list[Holder]:
    if case.keys.inputs is None:
        return []
    first = case.study.seen[case.keys.inputs][0]
    widths = {n for n in first.shape if n > 1} or {1}
    excluded = frozenset(case.session.found.groups)
    groups = {g.name: g for width in widths for g in probe.holders(case.session.scope, width, excluded)}
    return [group for group in groups.values() if _is_unscaled(group.read(case.session.scope).reshape(group.shape))]


def _is_unscaled(values: np.ndarray) -> bool:
    rows = values if values.shape[0] >= values.shape[1] else values.T
    return bool(np.isfinite(rows).all()) and (start.unscaled(rows) or bool(start.unequal(rows)))


def _standardised(case: Case, holder: Holder) -> Change:
    def standard(values: np.ndarray) -> np.ndarray:
        rows = values if values.shape[0] >= values.shape[1] else values.T
        mean, std = start.columns(rows)
        return (values - mean) / std if rows is values else (values - mean[:, None]) / std[:, None]

    return transformed([holder], standard)


def under(
    lab: Lab, case: Case, made: tuple[Change, ...], work: Generator[PassRun, PassOutcome, Any]
) -> Generator[PassRun, PassOutcome, Any]:
    """In a laboratory: the work, from the first parameters on, with these changes made, and hardly any training."""
    found = case.session.found
    yield Next(before=beginning(lab, found, case.initial, made), after=scaled(lab, found, 1e-9))
    return (yield from gently(lab, found, work))
