"""missing-broadcast-sum by the numbers: a bias whose gradient is summed over its units as well as over the samples."""

from __future__ import annotations

from collections.abc import Mapping

import numpy as np

from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.process.paths import Group
from pellucid.doctor.rules.gradient import Judgement

MISTAKE = "missing-broadcast-sum"
SAME = 1e-6  # by how much elements may differ that were given one number
CLOSE = 5e-3  # the same, of a slope by differences and an update
NOTHING = 1e-5  # of the slopes of single elements: a sum that is 0, as that of a softmax is


def over_units(judgement: Judgement, study: SlopeStudy, groups: Mapping[str, Group]) -> tuple[str, str, str] | None:
    """The mistake, in words, and a fix, where every wrong tensor is moved by one number in all its elements, and that
    is the sum, or the mean, of its true gradient over them.

    A sum that is 0 is no proof by itself: one of the tensors has to be moved.
    """
    wrong = judgement.wrong
    for share in ("sum", "mean"):
        told = [_told(judgement, study, name, share == "mean") for name in wrong]
        if any(told) and None not in told:
            names = ", ".join(wrong)
            shape = groups[wrong[0]].shape
            axis = "axis=1" if len(shape) == 2 and shape[1] == 1 else "axis=0"
            axis += ", keepdims=True" if len(shape) == 2 else ""
            return (
                MISTAKE,
                f"The gradient of {names} is one number for all units: the {share} over units and samples alike.",
                f"{share} over the samples only: np.{share}(…, {axis})",
            )
    return None


def _told(judgement: Judgement, study: SlopeStudy, name: str, is_mean: bool) -> bool | None:
    """Whether the tensor shows the mistake; False where its sum is 0, as its update is, None where it is another."""
    found: list[bool] = []
    for entry, ratio in zip(study.passes, judgement.ratios, strict=False):
        gradient, total = entry.gradient.get(name), _total(entry, judgement, name)
        if gradient is None or gradient.size < 2 or total is None or not np.isfinite(ratio):
            return None
        whole, largest = total
        given, expected = float(gradient.mean()), ratio * whole / (gradient.size if is_mean else 1)
        if abs(whole) <= NOTHING * largest and abs(given) <= NOTHING * abs(ratio) * largest:
            found.append(False)
        elif float(np.ptp(gradient)) <= SAME * abs(given) and abs(given - expected) <= CLOSE * abs(expected):
            found.append(True)
        else:
            return None
    return any(found) if found else None


def _total(entry: StudiedPass, judgement: Judgement, name: str) -> tuple[float, float] | None:
    """The slope along all elements at once, and the largest one that was measured; None where that is not known."""
    directions, slopes = entry.directions.get(name), entry.slopes.get(judgement.candidate, {}).get(name)
    if directions is None or slopes is None:
        return None
    fine = np.isfinite(slopes)  # a kink may be near one of them
    directions, slopes = directions[fine], slopes[fine]
    if not fine.any():
        return None
    ones = np.ones(directions.shape[1])
    shares = np.linalg.lstsq(directions.T, ones, rcond=None)[0]
    if np.abs(shares @ directions - ones).max() > 1e-9:
        return None
    return float(shares @ slopes), float(np.abs(slopes).max())
