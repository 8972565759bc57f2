"""Which rule turns the gradient into the update, and with which constants: told by the memory that it keeps.

gradient descent      w -= η g
momentum              v = µ v ± (η) g;                 w follows v
Nesterov's            the same;                        w follows v and the fresh part of it
RMSProp, AdaGrad      s = ρ s + (1 - ρ) g²;            w -= η g / √s
Adam                  m, s, with or without 1 - βᵗ;    w -= η m / √s
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.doctor.probes.passes import SlopeStudy, StudiedPass
from pellucid.doctor.rules.gradient import Judgement

FITS = 1e-3  # what ε in a root and rounding leave
BY_RATIO = ("gradient descent", "momentum", "Nesterov's momentum")  # their rate is known by the slopes alone
NO_CONSTANT = ("rule", "written")
LONGEST = 3000  # passes that a training may have had before


@dataclass
class _Memory:
    """A tensor's memory in one pass: `after = share · before + fresh`."""

    share: float
    before: np.ndarray
    after: np.ndarray

    @property
    def fresh(self) -> np.ndarray:
        return self.after - self.share * self.before

    @property
    def of_squares(self) -> bool:
        rounding = 1e-9 * float(np.abs(self.after).max(initial=0.0))
        return bool((self.after >= -rounding).all() and (self.fresh >= -rounding).all())


def of(study: SlopeStudy, judgement: Judgement) -> dict[str, Any]:
    """The rule and its constants, as most right tensors have it; empty where it cannot be told."""
    told: list[dict[str, Any]] = []
    for name, verdict in judgement.verdicts.items():
        if verdict == "right":
            rule = _of_tensor(study.passes, name, abs(judgement.ratio))
            if rule is not None:
                told.append(rule)
    kinds = [rule["rule"] for rule in told]
    if not kinds:
        return {}
    most = max(set(kinds), key=kinds.count)
    rule = next(rule for rule in told if rule["rule"] == most)
    if not judgement.candidate.is_seen and most in BY_RATIO:  # whether the program takes the mean is not seen
        rule = {"rate for the sum of the losses" if key == "rate" else key: value for key, value in rule.items()}
    elif most in BY_RATIO and len(study.rates) == 1:
        (written,) = study.rates
        if not math.isclose(rule["rate"], written, rel_tol=0.01):
            rule["written"] = written
    return rule


def said(rule: dict[str, Any]) -> str:
    """`Adam, rate 0.001, β₁ 0.9, β₂ 0.999`."""
    constants = {
        key: f"{key} {value:.4g}" for key, value in rule.items() if key not in NO_CONSTANT and value is not None
    }
    if "written" not in rule:
        return ", ".join([rule["rule"], *constants.values()])
    constants["rate"] += " on the slope of the loss"
    differs = (
        f"(the program writes {rule['written']:.4g}; a factor in its gradient, or a schedule, makes the difference)"
    )
    return f"{', '.join([rule['rule'], *constants.values()])} {differs}"


def _of_tensor(passes: list[StudiedPass], name: str, ratio: float) -> dict[str, Any] | None:
    entries = [entry for entry in passes if entry.update.get(name, np.zeros(1)).any()]
    if not entries or not math.isfinite(ratio):
        return None
    memories = [[_Memory(*row) for row in entry.memories.get(name, [])] for entry in entries]
    count = len(memories[0])
    if any(len(row) != count for row in memories):
        return None
    if count == 0:
        return {"rule": "gradient descent", "rate": ratio}
    squares = [i for i in range(count) if all(row[i].of_squares for row in memories)]
    linear = [i for i in range(count) if i not in squares]
    updates = [entry.update[name] for entry in entries]
    if len(squares) == 1 and not linear:
        return _of_squares(updates, [row[squares[0]] for row in memories])
    if len(linear) == 1 and not squares:
        return _momentum(updates, [row[linear[0]] for row in memories], ratio)
    if len(linear) == 1 and len(squares) == 1:
        indices = [entry.index for entry in entries]
        return _adam(updates, indices, [row[linear[0]] for row in memories], [row[squares[0]] for row in memories])
    return None


def _momentum(updates: list[np.ndarray], memory: list[_Memory], ratio: float) -> dict[str, Any] | None:
    share = memory[0].share
    for update, v in zip(updates, memory, strict=True):
        follows = _factor(v.after, update)
        if follows is not None:
            return {"rule": "momentum", "rate": ratio * abs(follows), "µ": share}
        design = np.stack([v.after, v.fresh], 1)
        weights, *_ = np.linalg.lstsq(design, update, rcond=None)
        if np.linalg.norm(design @ weights - update) < FITS * np.linalg.norm(update):
            return {"rule": "Nesterov's momentum", "rate": ratio * abs(float(weights[1])), "µ": share}
    return None


def _of_squares(updates: list[np.ndarray], memory: list[_Memory]) -> dict[str, Any] | None:
    share = memory[0].share
    for update, s in zip(updates, memory, strict=True):
        part = max(1 - share, 0.0) if share < 0.99999 else 1.0
        gradient = np.sqrt(np.maximum(s.fresh, 0.0) / part)
        rate = _factor(gradient / (np.sqrt(np.maximum(s.after, 0.0)) + 1e-300), np.abs(update))
        if rate is not None:
            if share >= 0.99999:
                return {"rule": "AdaGrad", "rate": rate}
            return {"rule": "RMSProp", "rate": rate, "ρ": share}
    return None


def _adam(
    updates: list[np.ndarray], indices: list[int], first: list[_Memory], second: list[_Memory]
) -> dict[str, Any] | None:
    beta, gamma = first[0].share, second[0].share
    factors = [
        (index, -factor)
        for index, update, m, s in zip(indices, updates, first, second, strict=True)
        if (factor := _factor(m.after / (np.sqrt(np.maximum(s.after, 0.0)) + 1e-300), update)) is not None
    ]
    if not factors or not 0 < beta < 1 or not 0 < gamma < 1:
        return None
    name = {"rule": "Adam", "rate": None, "β₁": beta, "β₂": gamma}
    if all(_near(factor, factors[0][1]) for _, factor in factors) and len(factors) > 1:
        return {**name, "rate": factors[0][1]}  # without a correction, or so late that there is none
    for before in range(1, LONGEST):
        rates = [factor / _corrected(beta, gamma, before + index) for index, factor in factors]
        if len(rates) > 1 and all(_near(rate, rates[0]) for rate in rates):
            return {**name, "rate": rates[0]}
    return name


def _corrected(beta: float, gamma: float, passes: int) -> float:
    return math.sqrt(1 - gamma**passes) / (1 - beta**passes)


def _factor(base: np.ndarray, update: np.ndarray) -> float | None:
    """The one factor between two tensors, where the larger elements agree on one: ε spoils the small ones."""
    sizes = np.abs(update)
    large = sizes > 0.3 * sizes.max(initial=0.0)
    if not large.any() or not (base[large] != 0).all():
        return None
    factors = update[large] / base[large]
    middle = float(np.median(factors))
    return middle if all(_near(float(factor), middle, 5e-3) for factor in _some(factors)) else None


def _some(values: np.ndarray) -> Iterator[Any]:
    yield from values[:200]


def _near(value: float, other: float, tolerance: float = FITS) -> bool:
    return abs(value - other) <= tolerance * abs(other)
