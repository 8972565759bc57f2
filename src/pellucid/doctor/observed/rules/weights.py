"""Weights at first that are far from 1 / √fan_in, and tables that an output layer multiplies with."""

from __future__ import annotations

import re
from collections.abc import Iterator

import numpy as np

from ..criterion import LOOKING_UP, WEIGHTED
from ..record import OpRecord, ParameterRecord, Place, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import FreshWeights

RECURRENT = re.compile(r"weight_[ih]h_l\d")  # which are drawn by the number of units, whatever comes in
FAR_OFF = 3.0  # times the loss of a guess
FADING = 0.1  # times 1 / √fan_in: weights through which signals fade
SAME = 1e-6  # of its mean, for the spread of numbers that are one number, by rounding


def first_weights(record: ProgramRecord) -> Iterator[Suspicion]:
    """Weights at first that are far from 1 / √fan_in."""
    weights = [p for p in record.parameters.values() if len(p.shape) >= 2 and p.std > SAME * abs(p.mean) and p.reached]
    body = (record.start or record.loss).body
    tables = {op.weight for op in body if op.key[0] == "embedding"}
    tables |= {p.name for p in weights if is_table(p.name) or RECURRENT.search(p.name)}
    tables |= {op.weight for op in body if op.key[0] in LOOKING_UP}
    fans = {p.name: _fan_in(p, body) for p in weights if p.name not in tables}
    made: dict[str, Place | None] = {}
    if tied := _tied(record, body, tables):  # a table that the output layer multiplies with, too
        tables = tables - {tied}
        made = {op.weight: op.place for op in body if op.key[0] == "embedding"}
        fans[tied] = record.parameters[tied].shape[1]
    ratios = {p.name: p.std * np.sqrt(fans[p.name]) for p in weights if p.name not in tables}
    # what all weights have in common, which is not averaged away: it grows with their number
    sums = {p.name: abs(p.mean) * fans[p.name] for p in weights if p.name in ratios and p.std < abs(p.mean)}
    alone = len({op.weight for op in body if op.key[0] in WEIGHTED and op.weight} - tables) == 1
    large = [name for name, ratio in ratios.items() if max(ratio, sums.get(name, 0.0)) > 4]
    small = [name for name, ratio in ratios.items() if ratio < FADING and name not in large]
    for cause, names, what in (("init-too-large", large, "large"), ("init-too-small", small, "small")):
        if names:
            name = names[0]
            begins = _begins_far_off(record) if what == "large" else ""
            parameter, spread = record.parameters[name], f"{ratios[name]:.3g} times 1/√{fans[name]}"
            if ratios[name] <= 4 and what == "large":
                spread += f", about a mean of {parameter.mean:.3g}: nearly all have one sign, so what comes in adds up"
            if what == "large" and (alone or name == tied) and not begins:
                continue  # from one layer nothing blows up, and its weights come down wherever they begin
            yield Suspicion(
                cause,
                f"The weights of {name} begin with a standard deviation of {parameter.std:.3g}, "
                f"which is {spread}.{begins}",
                f"Weights so {what} make signals {'blow up' if what == 'large' else 'fade'} from layer to layer.",
                "nn.init.normal_(table.weight, std=0.02)"
                if name == tied
                else "the initialisation that the layers have by themselves, or nn.init.kaiming_uniform_",
                record.lines.get("init") or made.get(name) or parameter.place,
                [FreshWeights()],
                slightly=bool(begins),
            )


def _tied(record: ProgramRecord, body: list[OpRecord], tables: set[str]) -> str:
    """The table of vectors that the last layer multiplies with, too; "" where it has weights of its own."""
    loss = record.start or record.loss
    shape = () if loss.prediction is None else loss.prediction.shape
    last = next((op for op in body if op.key[0] in ("linear", "matmul", "mm") and op.weight in tables), None)
    looked_up = {op.weight for op in body if op.key[0] in ("embedding", *LOOKING_UP)}
    known = last is not None and last.weight in looked_up and len(shape) > 1
    return last.weight if known and last is not None and last.shape[-1:] == shape[1:2] else ""


def _fan_in(parameter: ParameterRecord, body: list[OpRecord]) -> int:
    """How many numbers a weight takes for each that it gives: by its first axis, where rows are multiplied with it as
    it is, `x @ w`."""
    by_right = any(
        op.weight == parameter.name and op.key[0] in ("matmul", "mm") and op.inputs[-1:] == [parameter.shape]
        for op in body
    )
    return parameter.shape[0] if by_right and len(parameter.shape) == 2 else parameter.fan_in


def _begins_far_off(record: ProgramRecord) -> str:
    """What is said of a classifier whose first loss is far above that of a guess; "" of others."""
    shape = () if record.loss.prediction is None else record.loss.prediction.shape
    if record.loss.kind not in ("cross_entropy", "nll_loss") or len(shape) < 2 or not record.losses:
        return ""
    guess = float(np.log(shape[1]))
    if not FAR_OFF * guess < record.losses[0] < np.inf:
        return ""
    return f" The first loss is {record.losses[0]:.3g}, and that of a guess among {shape[1]} classes {guess:.3g}."


def is_table(name: str) -> bool:
    """Whether a name is that of a table of vectors."""
    return "emb" in name.lower() or "pos" in name.lower()
