"""What is wrong between the prediction and the loss."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import replace

import numpy as np

from pellucid.doctor.probes.neighbours import MOST, nearest

from ..compare import does_well, is_still
from ..criterion import BINARY, DISTANCES, SHAPING
from ..fits import in_a_row
from ..record import LossRecord, OpRecord, ProgramRecord
from ..suspicion import Suspicion
from ..treatments import Attribute, Bypass, LogProbabilities, SameShape, Treatment
from .objective import apart, bottomless, climbing, one_for_all, over_rows, punishing, scaled, upside_down
from .ranges import RANGES, axis_of, beyond_states, held_back, unreachable

SEPARATE = 0.7  # of the rows, whose nearest other one is of the same class
UNITY = 0.01  # by which a sum of probabilities may differ from 1
PICKING = ("gather", "index", "take_along_dim")
LOGITS = ("cross_entropy", "binary_cross_entropy_with_logits")
TIMES = frozenset(("mul", "div", "true_divide", "add", "neg"))  # by which logits stay logits
CUTTING = ("relu", "tanh", "sigmoid", "hardtanh", "clamp", "clip", "relu6", "softsign", "hardsigmoid", "threshold")
BOUNDED, SEVERAL = ("sigmoid", "hardsigmoid"), 3  # ranges, and classes, of which a cross entropy stays far from 0


def first(chain: list[OpRecord], *names: str) -> OpRecord | None:
    return next((op for op in chain if op.key[0] in names), None)


def broadcast(record: ProgramRecord) -> Iterator[Suspicion]:
    """(N, 1) against (N,): every prediction is compared with every target."""
    loss = record.start or record.loss
    if (loss.subtraction is None and loss.kind != "binary_cross_entropy") or loss.prediction is None:
        return
    if loss.target is None:
        return
    p, t = loss.prediction.shape, loss.target.shape
    made = int(np.prod(np.broadcast_shapes(p, t)))
    if made <= max(loss.prediction.size, loss.target.size) or loss.prediction.size != loss.target.size:
        return
    yield Suspicion(
        "silent-broadcast-loss",
        f"The prediction is {p} and the target {t}: they become {np.broadcast_shapes(p, t)}.",
        "Prediction and target broadcast against each other, so every prediction is drawn to every target; the best "
        "that can be learnt is the mean.",
        "give both the same shape: target.view_as(prediction), or prediction.squeeze(1)",
        loss.place,
        [SameShape(loss.subtraction, made)],
        certain=True,
    )


def normalised_twice(record: ProgramRecord) -> Iterator[Suspicion]:
    """Softmax before a loss that has one, over the wrong axis, or over a single unit."""
    loss = record.start or record.loss
    soft = first(loss.chain, "softmax", "log_softmax")
    shape = () if loss.prediction is None else loss.prediction.shape
    real = loss.target is not None and not set(np.unique(loss.target)) <= {0.0, 1.0}
    if loss.kind == "cross_entropy" and len(shape) >= 2 and shape[1] == 1 and not real:
        yield _single(loss.place, "cross entropy of one logit")
        return
    if soft is None:
        # One of several heads may say a share of 1 on purpose, as of a mixture of one: then the rest learns.
        one = record.lines.get("softmax over one") if not loss.kind and is_still(record) else None
        yield from _other_axes(loss) if one is None else [_single(one, "softmax over an axis of one number")]
        return
    dim = axis_of(soft)
    count = record.steps[0].count if record.steps else 0
    stacked = dim == 0 and len(soft.shape) == 3 and soft.shape[0] == 1 < soft.shape[-1] and soft.shape[1] == count > 1
    if stacked:  # as of the last states of a recurrence, (layers, batch, classes), where no axis is named
        yield _over_layers(loss, soft)
        return
    one_row = dim == 0 and len(soft.shape) >= 2 and soft.shape[1] > 1  # in a batch of one
    if soft.shape and dim is not None and soft.shape[dim] == 1 and not one_row:
        yield _single(soft.place, f"{soft.key[0]} of shape {soft.shape} over axis {dim}")
        return
    if loss.kind == "nll_loss" and soft.key[0] == "log_softmax" and len(soft.shape) > 2 and dim is not None:
        classes = None if loss.prediction is None or loss.prediction.ndim < 2 else loss.prediction.shape[1]
        axes = [axis for axis, length in enumerate(soft.shape) if axis != dim and length == classes]
        if axes and not _sums_to_one(loss, soft):
            asked = f"{dim}, and the classes, which nll_loss asks for, are along axis {axes[-1]}"
            yield _not_over_classes(soft, asked, "the classes of one target", "places", axes[-1])
            return
    if dim == 0 and len(soft.shape) >= 2 and record.steps and record.steps[0].count in (0, soft.shape[0]):
        yield _not_over_classes(soft, "0, which is the batch", "one sample", "the samples of a batch")
        return
    inner = first(loss.chain[loss.chain.index(soft) + 1 :], "softmax")
    if inner is not None and axis_of(inner) == dim:  # after log_softmax, both change nothing
        yield Suspicion(
            "double-softmax",
            f"{inner.key[0]} of shape {inner.shape} is followed by {soft.key[0]}.",
            f"{soft.key[0]} takes logits. Of probabilities it makes almost equal ones, and gradients fade.",
            f"hand the logits to {soft.key[0]}: leave the {inner.key[0]} before it out",
            inner.place,
            [Bypass(inner.key)],
            certain=True,
        )
    elif loss.kind == "cross_entropy" and soft.key[0] == "softmax":
        classes = soft.shape[dim] if dim is not None else 2
        floor = np.log(np.e + classes - 1) - 1
        yield Suspicion(
            "double-softmax",
            f"softmax is applied at the output, and cross_entropy applies it again: with {classes} classes such a loss "
            f"cannot go below {floor:.3f}.",
            "cross_entropy takes logits. Of probabilities it makes almost equal ones, and gradients fade.",
            "hand the logits to cross_entropy: leave the softmax out",
            soft.place,
            [Bypass(soft.key)],
            certain=True,
        )
    elif loss.kind == "binary_cross_entropy_with_logits" and soft.key[0] == "softmax" and _ends_in(loss, soft):
        yield Suspicion(
            "double-softmax",
            "softmax is applied at the output, and binary_cross_entropy_with_logits applies a sigmoid to it: of "
            "numbers from 0 to 1 that makes probabilities from 0.5 to 0.731, and what is not there cannot be said.",
            "binary_cross_entropy_with_logits takes logits, one for each label, which need not sum to 1.",
            "hand the logits to binary_cross_entropy_with_logits: leave the softmax out",
            soft.place,
            [Bypass(soft.key)],
            certain=True,
        )


def _ends_in(loss: LossRecord, op: OpRecord) -> bool:
    """Whether what is handed to a loss is the result of an op, in whatever shape."""
    return all(between.key[0] in SHAPING for between in loss.chain[: loss.chain.index(op)])


def _over_layers(loss: LossRecord, soft: OpRecord) -> Suspicion:
    """A softmax over an axis of length 1 beside that of the classes."""
    again = loss.kind == "cross_entropy" and soft.key[0] == "softmax"
    last = len(soft.shape) - 1
    return Suspicion(
        "softmax-wrong-axis",
        f"{soft.key[0]} of shape {soft.shape} is taken over axis 0, of length 1: its result is the same whatever comes "
        f"in, and the {soft.shape[-1]} classes are along axis {last}.",
        "Without dim= the axis of a softmax is 0 for three axes, and 1 for two: what is normalised is one number.",
        "hand the logits to cross_entropy: leave the softmax out" if again else f"{soft.key[0]}(…, dim={last})",
        soft.place,
        [Bypass(soft.key) if again else Attribute(soft.key, "dim", last)],
        certain=True,
        same_loss=False,
    )


def _sums_to_one(loss: LossRecord, soft: OpRecord) -> bool:
    """Whether what nll_loss is given, which is only the result of a log_softmax in another shape, are logarithms of
    probabilities along the axis of the classes."""
    given = loss.prediction
    behind = loss.chain[: loss.chain.index(soft)]
    if given is None or given.ndim < 2 or any(op.key[0] not in SHAPING for op in behind):
        return True
    return bool(np.abs(np.exp(np.minimum(given.astype(float), 50.0)).sum(1) - 1).max() < UNITY)


def _not_over_classes(
    soft: OpRecord, axis: str, sums: str, over: str, right: int = 1, same: str = "class"
) -> Suspicion:
    return Suspicion(
        "softmax-wrong-axis",
        f"{soft.key[0]} of shape {soft.shape} is taken over axis {axis}.",
        f"Probabilities of {sums} do not sum to 1; what is normalised is a {same} over {over}.",
        f"{soft.key[0]}(…, dim={right})",
        soft.place,
        [Attribute(soft.key, "dim", right)],
        certain=True,
        same_loss=False,
        by_single=axis_of(soft) == 0,
    )


def _other_axes(loss: LossRecord) -> Iterator[Suspicion]:
    """A softmax within the network, as of attention, over another axis than the last."""
    rows = None if loss.prediction is None or loss.target is None else len(np.atleast_1d(loss.target))
    for op in loss.body:
        dim = axis_of(op) if op.key[0] == "softmax" else None
        each = rows is not None and loss.prediction is not None and loss.prediction.shape[:1] == op.shape[:1] == (rows,)
        if dim == 0 and each and len(op.shape) == 2 and 1 < op.shape[1] != op.shape[0] > 1:
            yield _not_over_classes(op, "0, which is the batch", "one sample", "the samples of a batch", same="weight")
            return
        if dim is not None and len(op.shape) >= 3 and dim != len(op.shape) - 1:
            yield Suspicion(
                "softmax-wrong-axis",
                f"softmax of shape {op.shape} is taken over axis {dim}.",
                "Attention weights are normalised over the keys, which is the last axis.",
                "softmax(…, dim=-1)",
                op.place,
                [
                    Attribute(o.key, "dim", -1) for o in loss.body if o.place == op.place and axis_of(o) == dim
                ],  # of each block
                certain=dim < len(op.shape) - 2 and op.shape[-1] == op.shape[-2] > 1,  # scores of all with all
                by_single=dim == 0,
            )
            return


def _single(place: tuple[str, int] | None, what: str) -> Suspicion:
    return Suspicion(
        "softmax-single-unit",
        f"{what[0].upper()}{what[1:]}: its result is the same whatever comes in.",
        "A softmax over one unit is always 1, so there is no gradient.",
        "one logit with binary_cross_entropy_with_logits, or two units with cross_entropy",
        place,
        certain=True,
    )


def nll_of_no_logs(record: ProgramRecord) -> Iterator[Suspicion]:
    """nll_loss of what are no log-probabilities."""
    loss = record.start or record.loss
    if loss.kind != "nll_loss" or loss.prediction is None or loss.prediction.ndim != 2:
        return
    if first(loss.chain, "log_softmax") is not None:
        return
    sums = np.exp(np.minimum(loss.prediction.astype(float), 50.0)).sum(1)
    if np.abs(sums - 1).max() < UNITY:
        return
    soft = first(loss.chain, "softmax")
    treatments: list[Treatment] = [LogProbabilities(("nll_loss", 0))]
    if soft is not None:
        treatments.insert(0, Bypass(soft.key))
    yield Suspicion(
        "wrong-loss-for-task",
        f"nll_loss takes log-probabilities, whose exponentials sum to 1 in each row; here they sum to {sums[0]:.3g}.",
        "Without the logarithm of a softmax before it, nll_loss has no lower bound and no sense of the other classes.",
        "cross_entropy(logits, target), or nll_loss(log_softmax(logits, dim=1), target)",
        loss.place,
        treatments,
        certain=True,
        same_loss=False,
    )


def cut_logits(record: ProgramRecord) -> Iterator[Suspicion]:
    """An activation between the last layer and a loss that takes logits."""
    loss = record.start or record.loss
    if loss.kind not in (*LOGITS, "nll_loss", "binary_cross_entropy"):
        return
    inner = loss.chain
    if loss.kind not in LOGITS:  # behind the squashing that the loss asks for
        at = next((i for i, op in enumerate(inner) if op.key[0] in ("sigmoid", "log_softmax", "softmax")), None)
        inner = [] if at is None else inner[at + 1 :]
    op = first(inner, *CUTTING)
    if op is None or any(between.key[0] not in SHAPING | TIMES for between in inner[: inner.index(op)]):
        return  # or of features, of which a distance is taken
    twice = op.key[0] == "sigmoid" and loss.kind.endswith("logits")
    floor = _floor(loss, op)
    last = first(record.loss.chain, op.key[0])
    off = last.zero if last is not None and op.key[0] in ("relu", "relu6") and not does_well(record) else 0.0
    yield Suspicion(
        "activation-before-loss",
        f"The logits pass {op.key[0]} before {loss.kind}: they lie between {op.low:.3g} and {op.high:.3g}."
        + (f" {off:.0%} of them are 0 on every row of a batch: such a class is never said." if off else "")
        + (f" Of numbers from 0 to 1, cross_entropy cannot come below {floor:.3f} here." if floor else ""),
        f"{loss.kind} takes any number; what {op.key[0]} cuts off, it cannot say.",
        f"hand the output of the last layer to {loss.kind} as it is: leave {op.key[0]} out",
        op.place,
        [Bypass(op.key)],
        certain=twice or off > 0 or (floor > 0 and not does_well(record)),
        slightly=True,
    )


def _floor(loss: LossRecord, op: OpRecord) -> float:
    """The least that a cross entropy of several classes can be of numbers from 0 to 1; 0 of others."""
    shape = () if loss.prediction is None else loss.prediction.shape
    if loss.kind != "cross_entropy" or len(shape) < 2 or shape[1] < SEVERAL or op.key[0] not in BOUNDED:
        return 0.0
    low, high = RANGES[op.key[0]]
    return float(np.log1p((shape[1] - 1) * np.exp(low - high)))


def class_ids(record: ProgramRecord) -> Iterator[Suspicion]:
    """A distance to class ids, as if class 3 lay between 2 and 4."""
    loss = record.start or record.loss
    if loss.kind not in DISTANCES or loss.prediction is None or not record.targets or record.classes:
        return
    if loss.prediction.size != len(loss.prediction):
        return
    y = np.concatenate([t.ravel() for t in record.targets]).astype(float)
    ids, counts = np.unique(y, return_counts=True)
    if not (3 <= len(ids) <= 50) or (ids != np.round(ids)).any() or ids[-1] - ids[0] >= 2 * len(ids):
        return
    picked = first(loss.chain, *PICKING) is not None  # what one action is worth, of several
    if (
        record.chosen and record.chosen <= set(ids.tolist()) and not picked
    ):  # outputs that it takes for those of classes
        yield _of_ids(loss, ids, "; of the outputs, the program asks which is the largest.")
        return
    x = [batch for batch in record.inputs if len(batch)]
    if len({batch.shape[1] for batch in x}) != 1 or len(y) != sum(len(batch) for batch in x) or record.whole_numbers:
        return
    rows = np.concatenate(x).astype(float)
    _, first_seen = np.unique(np.concatenate(record.rows)[: len(rows)], return_index=True)
    first_seen = first_seen[:MOST]
    near = nearest(rows[first_seen])
    labels = y[first_seen]
    right = float((labels == labels[near]).mean())
    apart = np.abs(labels - labels[near])[labels != labels[near]]
    ordered = len(apart) > 0 and float((apart == 1).mean()) > 0.75  # what is confused lies next to each other
    if ordered and (right <= SEPARATE or not record.rounded):
        return  # as of ratings, whose rounded value may well be asked for
    if counts.min() < 0.02 * len(y) or not (record.rounded or right > SEPARATE) or in_a_row(rows, y):
        return
    yield _of_ids(
        loss, ids, f"; the nearest other row is of the same class for {right:.0%} of the rows." if right > 0.5 else "."
    )


def _of_ids(loss: LossRecord, ids: np.ndarray, said: str) -> Suspicion:
    return Suspicion(
        "wrong-loss-for-task",
        f"{loss.kind} draws one output to the class ids {ids[0]:.0f} … {ids[-1]:.0f}{said}",
        "Class ids are names: that 1 lies between 0 and 2 says nothing, and one number cannot be sure of no class.",
        f"{len(ids)} outputs with cross_entropy, and argmax for the answer",
        loss.place,
        certain=True,
        confidence=0.8,
    )


def no_logarithms(record: ProgramRecord) -> Iterator[Suspicion]:
    """kl_div of probabilities, which takes their logarithms."""
    loss = record.start or record.loss
    if loss.kind != "kl_div" or loss.prediction is None or first(loss.chain, "log_softmax", "log") is not None:
        return
    if float(loss.prediction.min()) >= 0:
        yield Suspicion(
            "wrong-loss-for-task",
            f"kl_div takes logarithms of probabilities, which are at most 0; here they go from "
            f"{loss.prediction.min():.3g} to {loss.prediction.max():.3g}.",
            "Of probabilities it makes a number that is no distance.",
            "kl_div(log_softmax(logits, dim=1), target, reduction='batchmean')",
            loss.place,
            certain=True,
        )


def real_targets(record: ProgramRecord) -> Iterator[Suspicion]:
    """A classification loss on what are no classes."""
    loss = record.start or record.loss
    t = loss.target
    if t is None or loss.prediction is None:
        return
    if loss.kind == "cross_entropy" and t.shape == loss.prediction.shape and t.dtype.kind == "f" and t.ndim == 2:
        sums = t.sum(1)
        if np.abs(sums - 1).max() > 0.05 or t.min() < -1e-6:
            yield Suspicion(
                "wrong-loss-for-task",
                f"The targets of cross_entropy are real numbers from {t.min():.3g} to {t.max():.3g} whose rows sum to "
                f"{sums.min():.3g} … {sums.max():.3g}: no probabilities.",
                "cross_entropy is for classes of which one holds: its rows of probabilities sum to 1.",
                "binary_cross_entropy_with_logits, as several labels may hold at once"
                if np.isin(t, (0, 1)).all()
                else "mse_loss, as for any real values",
                loss.place,
                certain=True,
            )
    many = np.unique(t)
    if loss.kind in BINARY and (t.min() < -1e-6 or t.max() > 1 + 1e-6) and (many != np.round(many)).mean() > 0.5:
        yield Suspicion(
            "wrong-loss-for-task",
            f"The targets of {loss.kind} are real numbers from {t.min():.3g} to {t.max():.3g}.",
            "Binary cross entropy is for what is so or not so; real values want a distance.",
            "mse_loss, and no sigmoid at the output",
            loss.place,
            certain=True,
        )
    elif loss.kind in BINARY and (t.min() < -1e-6 or t.max() > 1 + 1e-6):
        yield Suspicion(
            "labels-out-of-range",
            f"The targets of {loss.kind} go from {t.min():.3g} to {t.max():.3g}.",
            "Binary cross entropy takes targets from 0 to 1; others make it climb without end.",
            _to_unit(float(t.min()), float(t.max())),
            loss.place,
            certain=True,
            confidence=0.97,  # of which a logarithm of 0 may come
        )


def _to_unit(low: float, high: float) -> str:
    """What brings labels that go from one number to another to 0 and 1, as those of a mask that is read from a picture.

    >>> _to_unit(0, 255), _to_unit(-1, 1), _to_unit(1, 2)
    ('target = target / 255', 'target = (target + 1) / 2', 'target = target - 1')
    """
    moved = f"target {'-' if low > 0 else '+'} {abs(low):g}" if low else "target"
    over = f" / {high - low:g}" if high - low != 1 else ""
    return f"target = {f'({moved})' if low and over else moved}{over}"


def _of_others(record: ProgramRecord) -> Iterator[Suspicion]:
    """What is wrong with a loss that is computed beside the last one in each pass, and added to it."""
    for other in record.others.values():
        asked = replace(record, loss=other, start=None)
        for rule in (broadcast, nll_of_no_logs, normalised_twice, cut_logits, no_logarithms):
            yield from rule(asked)


RULES = (
    _of_others,
    punishing,
    upside_down,
    over_rows,
    apart,
    bottomless,
    broadcast,
    one_for_all,
    nll_of_no_logs,
    normalised_twice,
    cut_logits,
    unreachable,
    beyond_states,
    held_back,
    real_targets,
    class_ids,
    no_logarithms,
    climbing,
    scaled,
)
