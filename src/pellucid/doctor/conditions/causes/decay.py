"""excessive-weight-decay: the weights are pulled to 0 harder than the data pulls them away."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from pellucid.doctor.conditions.case import LONGEST, Case, Found, at
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.trials import Remedy
from pellucid.doctor.process import rates


def find(case: Case) -> Found | None:
    """Confirmed by a training in which what decays is given back after each pass.

    Where the loss of the program has the penalty in it, its updates follow the slope of that, and the decay is what
    they have beside the slope of a usual loss. That loss is then what the trainings are asked by.
    """
    shares = _shares(case, case.candidate)
    if not shares and not case.learns:
        usual = (c for c in case.study.candidates if c.label is not None)
        without = next(((c, found) for c in usual if (found := _shares(case, c))), None)
        if without is not None:
            case.candidate, shares = without
            case.by_usual_loss()
            case.frozen = case.run(Remedy(scale=0.0), case.burst, 1.5)
            case.as_is = case.was = case.run(Remedy(), max(case.as_is.passes, 1), LONGEST, case.asked)
    if not shares:
        return None
    remedy = Remedy("excessive-weight-decay", "without the decay", undecayed=tuple(shares.items()))
    other = case.attempt(remedy)
    if other is None:
        return None
    name = max(shares, key=lambda key: shares[key])
    finding = case.confirmed(
        remedy, other,
        f"In each pass {name} loses {100 * shares[name]:.3g} % of its size beside what the loss asks for.",
        "The weight decay outweighs the data: the parameters are held near 0.",
        "divide the weight decay by 100, or leave it away",
    )  # fmt: skip
    place = rates.decay(case.sources)
    at(finding, place)
    if place is not None and place.text and place.value is not None:
        old = case.session.program.loops.line(place.file, place.line)
        finding.patch = {"old": old, "new": old.replace(place.text, f"{place.value / 100:.3g}", 1)}
    return Found(finding, remedy, other)


def _shares(case: Case, candidate: Candidate) -> dict[str, float]:
    """The share of each tensor that every pass takes away, beside what this loss asks for."""
    shares: dict[str, float] = {}
    passes = case.study.passes
    for name in case.session.found.parameters:
        each = [share for entry in passes if (share := decay([entry], candidate, name)) is not None]
        if len(each) > len(passes) / 2 and np.std(each) < 0.05 * np.mean(each):
            shares[name] = float(np.mean(each))
        elif not each and (share := decay(passes, candidate, name)) is not None:  # of few numbers all passes tell
            shares[name] = share
    return shares


def decay(entries: Sequence[StudiedPass], candidate: Candidate, name: str) -> float | None:
    """The share of a tensor that updates take away beside a multiple of the slope, the same in these passes; None where
    there is none."""
    parts = [part for entry in entries if (part := _columns(entry, candidate, name)) is not None]
    s, w, g = np.concatenate(parts, 1) if parts else np.zeros((3, 0))
    if len(g) < 4 or not w.any() or not s.any():
        return None
    (own, share), *_ = np.linalg.lstsq(np.stack([s, w], 1), g, rcond=None)
    rest = float(np.linalg.norm(g - own * s - share * w))
    is_one = rest < 1e-4 * float(np.linalg.norm(g)) and own > 0 and 1e-5 < share < 1
    return float(share) if is_one and float(np.linalg.norm(share * w)) > 1e-2 * float(np.linalg.norm(g)) else None


def _columns(entry: StudiedPass, candidate: Candidate, name: str) -> np.ndarray | None:
    """The slope, the weights and the update of a pass along the directions that were measured."""
    if name not in entry.given or candidate not in entry.slopes:
        return None
    slopes, given = entry.slopes[candidate][name], entry.given[name]
    fine = np.isfinite(slopes) & np.isfinite(given)
    return np.stack([slopes, entry.directions[name] @ entry.values[name], given])[:, fine]
