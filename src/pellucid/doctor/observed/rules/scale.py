"""Inputs, and targets, far from unit scale."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np

from ..compare import reached
from ..record import Place, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import ScaleInputs, ScaleTargets

LEARNT = ("linear", "matmul", "mm", "addmm", "convolution")
BYTE = 255.0  # the largest value of a pixel as it is read from a file
DWARFED, FEW_COLUMNS = 30.0, 0.1  # times as large as others; the share of these
LARGE, SMALL, SHORT = 4.0, 0.1, 0.9  # for the root of the mean square of inputs, and for the length of a row
AWAY = 10.0  # deviations, by which the mean of inputs may be off 0
MIDDLE = 0.75  # … of rows that are small, which many programs bear
FAR = 0.85  # of the way from a guess to all that can be known
LARGE_TARGETS = 4.0  # for the root of the mean square of targets


def scale(record: ProgramRecord) -> Iterator[Suspicion]:
    """Inputs far from unit scale."""
    if record.norm_first or record.whole_numbers or not record.inputs or record.bad_inputs:
        return
    widths = {batch.shape[1] for batch in record.inputs}
    if len(widths) != 1 or int(np.prod(record.shape)) != widths.pop():
        return
    x = np.concatenate(record.inputs).astype(float)
    spread = x.std(0)
    used = spread[spread > 0]
    if not used.size:
        return
    size = float(np.sqrt((x**2).mean()))
    first = [op for op in (record.start or record.loss).body if op.key[0] in LEARNT][-1:]
    place = record.lines.get("made") or (record.loaders[0].place if record.loaders else record.lines.get("forward"))
    place = place or next((op.place for op in first), None)
    apart = used.max() > DWARFED * used.min() and len(record.shape) == 1 and _dwarfed(x) >= FEW_COLUMNS
    per_column = used.max() > DWARFED * float(np.median(used)) or apart
    if per_column and x.shape[1] > 1 and used.max() > 5:
        column = np.where(spread > 0, spread, 1.0).reshape(record.shape)
        yield Suspicion(
            "feature-scale-mismatch",
            f"Column {int(spread.argmax())} has a standard deviation of {used.max():.3g}, and others {used.min():.3g}.",
            "The large columns drown the others, and no learning rate suits both.",
            "x = (x - x.mean(0)) / x.std(0)" + ("" if used.size == spread.size else ".clamp(min=1e-6)"),
            place,
            [ScaleInputs(x.mean(0).reshape(record.shape), column, record.shape)],
            strictly=reached(record) > FAR,
            measured={"mean": x.mean(0).tolist(), "std": column.tolist()} if len(record.shape) == 1 else {},
        )
    small = size < SMALL and float(np.median(np.linalg.norm(x, axis=1))) < SHORT
    away = abs(float(x.mean())) > AWAY * float(x.std()) > 0  # what differs between rows is a small part of them
    if size > LARGE or small or away:
        as_bytes = float(x.min()) == 0.0 and float(x.max()) == BYTE
        yield Suspicion(
            "input-not-scaled",
            f"The inputs have a mean of {x.mean():.3g} and a standard deviation of {x.std():.3g}.",
            "Layers are initialised for inputs of about unit size.",
            "x = x / 255" if as_bytes else "x = (x - x.mean()) / x.std()",
            place,
            [ScaleInputs(np.asarray(x.mean()), np.asarray(x.std() or 1.0), record.shape)],
            # What learns as it is would be quicker at another scale, and is not broken.
            strictly=reached(record) > (MIDDLE if small else FAR),
            measured={"mean": float(x.mean()), "std": float(x.std() or 1.0), "bytes": as_bytes},
        )
        yield from _with_targets(record, x, place)


def _with_targets(record: ProgramRecord, x: np.ndarray, place: Place | None) -> Iterator[Suspicion]:
    """Inputs and the real numbers that they are to give, as prices of the days before and of the next: both are far
    from unit scale."""
    if record.loss.kind not in ("mse_loss", "l1_loss") or record.classes:
        return
    y = np.concatenate([target.ravel() for target in record.targets]).astype(float)
    mean, std = float(y.mean()), float(y.std())
    if not np.isfinite(std) or std <= 0 or float(np.sqrt((y**2).mean())) <= LARGE_TARGETS:
        return
    yield Suspicion(
        "input-not-scaled",
        f"The inputs have a mean of {x.mean():.3g} and a standard deviation of {x.std():.3g}, and the targets one of "
        f"{mean:.3g} and of {std:.3g}.",
        "Layers are initialised for inputs and outputs of about unit size: it takes many steps to come so far.",
        "x = (x - x.mean()) / x.std() and y = (y - y.mean()) / y.std(); what the network gives, times that of y, plus "
        "its mean, is the prediction",
        place,
        [
            ScaleInputs(np.asarray(x.mean()), np.asarray(x.std() or 1.0), record.shape),
            ScaleTargets(mean, std),
        ],
        strictly=True,
        measured={"mean": float(x.mean()), "std": float(x.std() or 1.0), "targets": [mean, std]},
    )


def _dwarfed(x: np.ndarray) -> float:
    """The share of columns, of those that vary, whose values all stay within a small part of what others reach.

    Pixels at the edge of pictures vary little, and still reach far where they do.
    """
    reach = np.abs(x - x.mean(0)).max(0)
    return float((DWARFED * reach[reach > 0] < reach.max()).mean())
