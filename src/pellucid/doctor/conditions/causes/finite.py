"""non-finite-data: NaN or infinity among the inputs or labels."""

from __future__ import annotations

import re
import time
from collections.abc import Generator

import numpy as np

from pellucid.doctor.conditions.case import Case, error
from pellucid.doctor.probes.data import INPUT_NAME, SeenData
from pellucid.doctor.probes.losses import LABEL_NAME
from pellucid.doctor.probes.trials import Change, beginning, transformed
from pellucid.doctor.process.controller import TrainingSession
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.process.paths import groups, leaves
from pellucid.doctor.report import Finding


def at_once(session: TrainingSession) -> tuple[Finding, str] | None:
    """Before anything is measured: NaN in what is called like data, and parameters that it turns into NaN.

    With the name of the data. Confirmed by a fork in which the data has numbers in these places, and the parameters
    stay finite.
    """
    excluded = frozenset(session.found.groups)
    bad: list[tuple[str, np.ndarray]] = []
    for name, group in groups(leaves(session.scope)).items():
        last = re.sub(r"\[[^\]]*\]", "", name).split(".")[-1]
        if (
            name in excluded
            or re.search(r"\.(data|value|val|grad)$", name)
            or not (INPUT_NAME.match(last) or LABEL_NAME.search(last.lower()) or last == "X")
        ):
            continue
        values = group.read(session.scope).reshape(group.shape)
        if values.ndim and not np.isfinite(values).all():
            bad.append((name, values))
    if not bad:
        return None
    initial = session.controller.scout.loops[session.number].initial
    holders = [groups(leaves(session.scope))[name] for name, _ in bad]
    cured = transformed(holders, lambda values: np.nan_to_num(values, posinf=0.0, neginf=0.0))

    def goes(change: tuple[Change, ...]) -> bool:
        return session.lab(lambda lab: _stays_finite(lab, session.found, initial, change), session.found.groups, 3.0)

    if goes(()) or not goes((cured,)):
        return None
    name, values = max(bad, key=lambda item: item[1].ndim)
    rows = int((~np.isfinite(values)).reshape(len(values), -1).any(1).sum())
    finding = error(
        "non-finite-data",
        0.97,
        f"{rows} of {len(values)} rows of {name} hold NaN or infinity, and the parameters become NaN. "
        "With numbers in their place the parameters stay finite.",
        "One NaN in the data turns every parameter into NaN.",
        f"remove these rows, or fill them: {name} = np.nan_to_num({name})",
        verified=True,
    )
    finding.patch = {"insert": f"{name} = np.nan_to_num({name})"}
    return finding, name


def _stays_finite(
    lab: Lab, found: Parameters, initial: dict[str, np.ndarray], change: tuple[Change, ...]
) -> Generator[PassRun, PassOutcome, bool]:
    """In a laboratory: whether the parameters are numbers after some passes."""
    end = time.monotonic() + 1.2
    finite = True
    try:
        for i in range(2000):
            before = beginning(lab, found, initial, change) if i == 0 else None
            outcome = yield Next(before=before)
            finite = all(np.isfinite(outcome.after[name]).all() for name in found.parameters if name in outcome.after)
            if not finite or time.monotonic() > end:
                break
    except Ended:
        pass
    return finite


def find(case: Case) -> Finding | None:
    return not_finite(case.data) if case.data is not None else None


def not_finite(data: SeenData) -> Finding | None:
    """NaN or infinity among the inputs or labels."""
    for what in ("inputs", "labels"):
        values = data.all(what)
        if values is not None and not np.isfinite(values).all():
            bad = ~np.isfinite(values)
            return error(
                "non-finite-data",
                0.97,
                f"{int(bad.any(1).sum())} of {len(values)} rows of the {what} hold NaN or infinity.",
                "One NaN in the data turns every parameter into NaN.",
                "remove these rows, or fill them: X = np.nan_to_num(X)",
            )
    return None
