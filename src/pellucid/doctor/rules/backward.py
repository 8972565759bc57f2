"""From a judgement of the gradients to findings: what is wrong with which tensor, and which mistake it may be."""

from __future__ import annotations

import itertools
import math
import re
from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.doctor.probes.passes import SlopeStudy
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import summed
from pellucid.doctor.rules.cells import cell
from pellucid.doctor.rules.gradient import Judgement, by_its_loss, turned_over
from pellucid.doctor.rules.in_place_of import in_place_of

NEARLY = 0.995  # a cosine that would be shown as that of the same direction


def findings(judgement: Judgement, study: SlopeStudy, found: Parameters, sizes: set[int]) -> list[Finding]:
    """What the comparison of updates and slopes says."""
    if judgement.climbs and not judgement.wrong:
        return [climbing(judgement)]
    if not judgement.wrong:
        return [_times_itself(judgement)] if by_its_loss(study.passes, judgement) else []
    if _accumulates(judgement, study):
        return [_accumulated(judgement)]
    tensors = [_tensor(judgement, name) for name in judgement.verdicts]
    spread = summed.over_units(judgement, study, found.groups)
    mistake, explanation, fix = spread or mistake_of(judgement, study, sizes)
    wrong = ", ".join(judgement.wrong)
    still = [name for name in judgement.wrong if name in found.still]
    resting = {judgement.verdicts[name] for name in judgement.wrong} == {"resting"}
    all_still = bool(still) and len(still) == len(judgement.wrong)
    cause = "parameter-not-optimized" if resting or all_still else "wrong-backward"
    telling = sum(c.state != "silent" for row in judgement.cells.values() for c in row)
    return (
        [
            Finding(
                cause,
                _gravity(still, study) if all_still else "error",
                0.95 if judgement.score > 0.2 else 0.7,
                f"Each weight was nudged, and the slope of {judgement.candidate.title} measured, in "
                f"{len(study.passes)} passes: "
                + "; ".join(t["said"] for t in tensors if t["verdict"] != "right")
                + ".",
                explanation or f"The update of {wrong} does not follow the slope of the loss.",
                fix,
                mistake=mistake,
                tensors=tensors,
            )
        ]
        if telling
        else []
    )


def moves_any(judgement: Judgement) -> bool:
    """Whether a tensor that the loss depends on is moved at all; where none is, the loop only adds up what is trained
    elsewhere, as a loop over the samples adds up a loss."""
    return any(verdict not in ("zero", "unknown") for verdict in judgement.verdicts.values())


def _gravity(still: list[str], study: SlopeStudy) -> str:
    """A parameter that never moves may be meant to: not where its gradient is computed, or its like are moved."""
    moving = {_kind(name) for entry in study.passes for name in entry.given if name not in still}
    seen = {_last(key[1]).lower() for key in study.seen}
    for name in still:
        last = re.escape(_last(name).lower())
        computed = re.compile(rf"(d|grad_?|d_|g_?){last}|{last}_?grad(ient)?")
        if _kind(name) in moving or any(computed.fullmatch(other) for other in seen):
            return "error"
    return "warning"


def _last(name: str) -> str:
    """`b1` of `self.b1`, and of `params['b1']`."""
    return re.split(r"[.\[\]']+", name.strip("]'"))[-1]


def _kind(name: str) -> str:
    return _last(name).lower().rstrip("0123456789_*")


def _accumulates(judgement: Judgement, study: SlopeStudy) -> bool:
    """Whether what a pass adds to the gradient of the one before it follows the slope, in every tensor alike."""
    ratios: list[float] = []
    for earlier, entry in itertools.pairwise(study.passes[:4]):
        if entry.index != earlier.index + 1:
            continue
        for name, slopes in entry.slopes[judgement.candidate].items():
            if cell(entry, judgement.candidate, name).state in ("silent", "drift"):
                continue
            fresh = entry.directions[name] @ (entry.gradient[name] - earlier.gradient[name])
            fine = np.isfinite(slopes)
            size = float(slopes[fine] @ slopes[fine])
            if size == 0:
                continue
            ratio = float(slopes[fine] @ fresh[fine]) / size
            if np.abs(fresh - ratio * slopes)[fine].max() > 1e-3 * np.abs(fresh[fine]).max():
                return False
            ratios.append(ratio)
    return len(ratios) >= 2 and ratios[0] > 0 and all(abs(ratio / ratios[0] - 1) < 0.01 for ratio in ratios)


def _accumulated(judgement: Judgement) -> Finding:
    return Finding(
        "missing-zero-grad",
        "error",
        0.97,
        f"What each pass adds to the gradient of the one before follows the slope of {judgement.candidate.title}; "
        "the whole does not.",
        "The gradients of earlier passes are still in: they are added to, and never set to zero.",
        "set every gradient to zero before the backward pass",
        mistake="accumulated",
        tensors=[{"name": name, "verdict": "accumulated", "said": ""} for name in judgement.verdicts],
    )


def _times_itself(judgement: Judgement) -> Finding:
    title = judgement.candidate.title
    return Finding(
        "wrong-backward",
        "error",
        0.93,
        f"From pass to pass the updates are the slope of {title} times a factor that rises and falls with it.",
        "Each gradient is multiplied by the loss: it is the gradient of half its square, and becomes tiny before the "
        "loss is small.",
        "leave the loss out of the update: W -= lr * dW",
        mistake="wrong-loss",
        tensors=[{"name": name, "verdict": "factor", "said": ""} for name in judgement.verdicts],
    )


def crossed(found: Parameters, at: dict[str, tuple[str, int]]) -> list[Finding]:
    """What is set to another parameter with a step added; `at`: the lines that do so."""
    return [
        Finding(
            "wrong-backward",
            "error",
            0.95,
            f"A change of {owner} before a pass is in {name} after it, and one of {name} itself is not.",
            f"{name} is set to {owner} with a step added: the step should start from {name}.",
            f"start from {name} itself",
            at[name][0],
            at[name][1],
            mistake="swapped-tensors",
            tensors=[{"name": name, "verdict": "across", "said": f"{name} is overwritten"}],
        )
        for name, owner in found.crossed.items()
        if name in at
    ]


def climbing(judgement: Judgement, names: Sequence[str] = ()) -> Finding:
    """That the program goes up the slope: in all tensors, or in these, where others have another mistake beside."""
    return Finding(
        "loss-sign-flipped",
        "error",
        0.97,
        f"In every pass the update of {', '.join(names) or 'every parameter'} is {_number(abs(judgement.ratio))} times "
        f"the slope of {judgement.candidate.title}, not minus it.",
        "The program climbs: each update makes the loss larger.",
        "turn the sign of the update (W -= lr * dW), or that of the gradient, around",
    )


def _tensor(judgement: Judgement, name: str) -> dict[str, Any]:
    verdict = judgement.verdicts[name]
    row = [c for c in judgement.cells[name] if c.state != "silent"]
    factor = judgement.factors.get(name)
    cosine = float(np.mean([c.cosine for c in row if math.isfinite(c.cosine)] or [math.nan]))
    said = {
        "right": f"{name} follows it",
        "unknown": f"{name} could not be compared",
        "zero": f"{name} is never moved, though the loss depends on it",
        "sign": f"{name} is moved up the slope" + _as_far(factor, ", {} times as far as the others down"),
        "factor": f"{name} is moved {_number(factor)} times as far as the others" if factor is not None else "",
        "resting": f"of {name}, {_resting(judgement, name)} never moved, though the loss depends on them",
        "partly": f"{name} follows it in {_share(judgement, name)} passes",
        "across": f"{name} is moved nearly along it (cosine {cosine:.4g}), but at no common rate"
        if cosine >= NEARLY
        else f"{name} is moved in another direction (cosine {cosine:.3g})",
    }[verdict]
    return {"name": name, "verdict": verdict, "factor": factor, "cosine": cosine, "said": said}


def _as_far(factor: float | None, text: str) -> str:
    """How far what goes up the slope is moved, if not as far as the others go down.

    >>> _as_far(-0.75, "{} times"), _as_far(-1.0, "{} times")
    ('0.75 times', '')
    """
    return "" if factor is None or abs(factor + 1) < 0.02 else text.format(_number(abs(factor)))


def _resting(judgement: Judgement, name: str) -> str:
    """Which elements of a tensor are never moved: "2 of 8 elements are (number 3 of each 4)".

    >>> judged = Judgement(None, 0.0, 0.1, [], resting={"w": [3, 7]}, sizes={"w": 8})
    >>> _resting(judged, "w")
    '2 of 8 elements are (number 3 of each 4, counted from 0)'
    """
    places, size = judgement.resting.get(name, []), judgement.sizes.get(name, 0)
    each = size // len(places) if places and size % len(places) == 0 else 0
    same = each > 1 and len({place % each for place in places}) == 1 and len(places) > 1
    where = f" (number {places[0] % each} of each {each}, counted from 0)" if same else ""
    return f"{len(places)} of {size} elements are{where}"


def _share(judgement: Judgement, name: str) -> str:
    row = [(i, c) for i, c in enumerate(judgement.cells[name]) if c.state != "silent"]
    right = sum(c.state == "along" and abs(c.ratio / judgement.ratios[i] - 1) < 0.02 for i, c in row)
    return f"{right} of {len(row)}"


def mistake_of(judgement: Judgement, study: SlopeStudy, sizes: set[int]) -> tuple[str, str, str]:
    """The mistake by the numbers alone, in words, and a fix."""
    wrong = judgement.wrong
    kinds = {judgement.verdicts[name] for name in wrong}
    factors = [judgement.factors[name] for name in wrong if name in judgement.factors]
    names = ", ".join(wrong)
    if kinds == {"zero"}:
        return (
            "zero-gradient",
            f"{names} never moves, though the loss depends on it."
            if len(wrong) == 1
            else f"{names} never move, though the loss depends on them.",
            f"compute the gradient of {names} and apply it",
        )
    if kinds == {"resting"}:
        return (
            "zero-gradient",
            f"Some elements of {names} never move, though the loss depends on them.",
            f"apply the gradient to every element of {names}, the biases among them",
        )
    if turned_over(judgement):
        title, over = judgement.candidate.title, len(turned_over(judgement))
        text = (
            f"In {over} of {len(study.passes)} passes every parameter goes up the slope of {title}, at one rate, and "
            "down in all others: the derivative at the output has the wrong sign for some labels."
        )
        return "wrong-loss", text, f"write the derivative of {title} for every value of the label, and compare its sign"
    if len(factors) == len(wrong):
        same = all(abs(f / factors[0] - 1) < 0.02 for f in factors)
        if same and factors[0] < 0:  # what is left is a rate of its own, or what weights that decay leave of -1
            more = _as_far(factors[0], ", and it is moved {} times as far as the others")
            return "sign", f"The gradient of {names} has the wrong sign{more}.", "turn its sign around"
        for size in sorted(sizes, reverse=True):
            if same and size > 1 and (abs(abs(factors[0]) / size - 1) < 0.01 or abs(abs(factors[0]) * size - 1) < 0.01):
                more = abs(factors[0]) > 1
                return (
                    "batch-factor",
                    f"The gradient of {names} is {_number(factors[0])} times that of the others: "
                    + (
                        "summed over the batch where they are averaged."
                        if more
                        else "averaged over the batch once more than they are."
                    ),
                    f"divide it by {size}" if more else f"multiply it by {size}, or divide by the batch only once",
                )
        if same:
            return (
                "constant-factor",
                f"The gradient of {names} is {_number(factors[0])} times as large as it should be.",
                f"divide it by {_number(factors[0])}",
            )
    instead = in_place_of(judgement, study)
    if instead:
        said = [f"that of {name} takes {taken} for {meant}" for name, (taken, meant) in instead.items()]
        pairs = dict.fromkeys(instead.values())
        fix = "; ".join(f"take {meant} for {taken}" for taken, meant in pairs)
        return "swapped-tensors", f"Of the gradients {', '.join(said)}: in each pass by just that factor.", fix
    swapped = _swapped(judgement, study)
    if swapped:
        return "swapped-tensors", f"The gradient of {swapped[0]} is applied to {swapped[1]}.", "swap them"
    climbing = [name for name in wrong if judgement.verdicts[name] == "sign"]
    if climbing:  # beside another mistake
        return "sign", f"The gradient of {', '.join(climbing)} has the wrong sign.", "turn its sign around"
    return "unknown", "", ""


def _swapped(judgement: Judgement, study: SlopeStudy) -> tuple[str, str] | None:
    for entry in study.passes:
        if any(d.shape[0] != d.shape[1] for d in entry.directions.values()):
            continue
        for name in judgement.wrong:
            for other, slopes in entry.slopes[judgement.candidate].items():
                given = entry.given[name]
                if other != name and slopes.shape == given.shape and given.size > 2 and np.isfinite(slopes).all():
                    size = float((slopes @ slopes) * (given @ given))
                    if size > 0 and float(slopes @ given) ** 2 / size > 1 - 1e-6:
                        return other, name
    return None


def _number(value: float | None) -> str:
    return "?" if value is None else f"{value:.4g}"
