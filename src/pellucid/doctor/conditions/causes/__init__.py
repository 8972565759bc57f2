"""The causes that need no gradient: a file each, and the table of when each is asked.

A cause is a function of a `Case`. It measures (by what the case holds, or in a fork: `case.run`), decides by a rule
without side effects, and, where the numbers do not prove it by themselves, tries its remedy: `case.attempt` trains with
it and without it, twice, and gives the training only if it is better beyond noise. It returns

- None: the program does not have it;
- a `Finding`: what was seen proves it;
- a `Found`: a fork confirmed it. The search goes on with its remedy, until the program learns.
"""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass

from pellucid.doctor.conditions.case import Case, Found
from pellucid.doctor.conditions.causes import (
    alignment,
    broadcast,
    class_numbers,
    coverage,
    dead,
    decay,
    decided,
    died,
    domain,
    dropped,
    finite,
    first_weights,
    held_out,
    imbalance,
    linear,
    margins,
    modes,
    numbered,
    order,
    rate,
    reach,
    reset,
    reshaped,
    scale,
    softmax,
    symmetry,
    targets,
    unsummed,
    updates,
    vanishing,
)
from pellucid.doctor.report import Finding


@dataclass(frozen=True)
class Cause:
    """A row of the table.

    Attributes:
        names: the ids of the vocabulary that it may give.
        find: see above.
        when: "outputs", before the gradient is judged; "data", where the labels of the passes are known; "training",
            where the program does not learn: there the first that is confirmed is taken, and the order matters;
            "arrived", where it has learnt nearly all; "evaluation", whatever it has learnt.
    """

    names: tuple[str, ...]
    find: Callable[[Case], Finding | Found | None]
    when: str


CAUSES = [
    Cause(
        ("softmax-wrong-axis", "softmax-single-unit", "double-softmax", "activation-before-loss"),
        softmax.find,
        "outputs",
    ),
    Cause(("labels-out-of-range", "labels-off-by-one"), class_numbers.find, "outputs"),
    Cause(("labels-out-of-range",), decided.find, "outputs"),
    Cause(("labels-out-of-range", "wrong-backward"), margins.find, "outputs"),
    Cause(("wrong-backward",), reset.find, "outputs"),
    Cause(("wrong-backward",), unsummed.find, "outputs"),
    Cause(("silent-broadcast-loss",), broadcast.find, "outputs"),
    Cause(("wrong-loss-for-task",), numbered.find, "outputs"),
    Cause(("output-range-mismatch",), reach.find_half, "outputs"),
    Cause(("non-finite-data",), finite.find, "data"),
    Cause(("low-coverage",), coverage.find, "data"),
    Cause(("constant-target",), targets.find, "data"),
    Cause(("labels-misaligned",), alignment.find, "data"),
    Cause(("samples-mixed",), reshaped.find, "data"),
    Cause(("output-range-mismatch",), reach.find, "data"),
    Cause(("wrong-loss-for-task",), numbered.find_rounded, "data"),
    Cause(("class-imbalance",), imbalance.find, "data"),
    Cause(("unshuffled-data",), order.find, "data"),
    Cause(("no-nonlinearity",), linear.find, "data"),
    Cause(("too-few-updates",), updates.find_very_few, "training"),
    Cause(("symmetric-init",), symmetry.find, "training"),
    Cause(("excessive-dropout",), dropped.find, "training"),
    Cause(("dead-units",), dead.find, "training"),
    Cause(("input-not-scaled", "feature-scale-mismatch"), scale.find, "training"),
    Cause(("init-too-large",), first_weights.find_large, "training"),
    Cause(("init-too-small",), first_weights.find_small, "training"),
    Cause(("dead-units",), dead.find_all, "training"),
    Cause(("vanishing-gradients",), vanishing.find, "training"),
    Cause(("excessive-weight-decay",), decay.find, "training"),
    Cause(("lr-too-high", "lr-too-low", "late-instability"), rate.find, "training"),
    Cause(("too-few-updates",), updates.find, "training"),
    Cause(("log-of-zero",), domain.find, "training"),
    Cause(("dead-units",), died.find, "training"),
    Cause(("input-not-scaled", "feature-scale-mismatch"), scale.find_far, "arrived"),
    Cause(("train-eval-mode",), modes.find, "evaluation"),
    Cause(("train-val-preprocessing-mismatch",), held_out.find, "evaluation"),
]
