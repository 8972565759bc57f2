"""Whether the output of a row depends on other rows, and how well the networks do at the end: calls in eval()."""

from __future__ import annotations

from collections import Counter
from collections.abc import Callable, Sequence
from contextlib import nullcontext
from dataclasses import replace
from typing import Any

import numpy as np

from pellucid.core import Interpreter, Tensor, below, no_grad, state
from pellucid.random import get_rng_state, set_rng_state

from .arrays import array_of
from .criterion import LossCall
from .record import FinalRecord, ProgramRecord
from .rows import told_apart
from .treatments import Treatment
from .treatments.loss import Attribute

ROWS = 1000
SINGLE = 64  # rows that are given one by one
MOST_PARTS = 64  # of a row, that are looked at one by one
FEW_ROWS = 32


def quietly(network: Any, x: Any) -> Any:
    """What a network gives in eval(), without a trace: modes, buffers and random numbers are put back."""
    modes = [(m, m.training) for m in network.modules()]
    buffers = [(b, array_of(b).copy()) for b in network.buffers()]
    kept = get_rng_state()
    try:
        for module, _ in modes:
            module.training = False
        with no_grad():
            return network(x)
    finally:
        for module, training in modes:
            module.training = training
        for buffer, values in buffers:
            buffer._array[...] = values  # no change that backward would notice
        set_rng_state(kept)


def measure(networks: list[Any], batch: Any, call: LossCall | None, before: Any = None) -> float:
    """By how much, as a share of its spread, the output of the last row changes with the order of the others.

    Where each number of a row has a target of its own, as in a text, the first axis may be that of time, along which
    outputs do depend on each other: then the other axis is asked, too, and only what mixes both mixes samples. Where
    there are as many targets as places along the second axis, that of the samples is the second: so in sequences of
    which time comes first. They have to be others than in the batch before, as those of one graph are not.
    """
    if len(networks) != 1 or not batch.dim() or len(batch) < 4 or call is None or not isinstance(call.target, Tensor):
        return 0.0
    if call.target.dim() == 0:
        return 0.0
    several, rows = batch.dim() >= 2 and batch.shape[1] >= 4, len(call.target)
    each = several and rows == batch.shape[0] * batch.shape[1]
    second = several and batch.dim() >= 3 and rows == batch.shape[1] != len(batch) and _others(before, batch)
    if rows != len(batch) and not each and not second:
        return 0.0
    axes = ((1, 0),) if second else ((0, 0), (1, 1)) if each else ((0, 0),)
    try:
        return min(_mixed(networks[0], batch, axis, of_output) for axis, of_output in axes)
    except Exception:  # noqa: BLE001 (a network that cannot be called like this)
        return 0.0


def _others(before: Any, batch: Any) -> bool:
    """Whether the samples along the second axis are others than in the batch before."""
    if not isinstance(before, Tensor) or before.shape != batch.shape:
        return False
    samples = (np.moveaxis(array_of(x), 1, 0).reshape(x.shape[1], -1) for x in (before, batch))
    then, now = (np.sort(told_apart(rows)) for rows in samples)
    return not np.allclose(then, now)


def _mixed(network: Any, batch: Any, axis: int, of_output: int) -> float:
    """See `measure`: along an axis of the batch, which is that axis of the output."""
    array = np.moveaxis(array_of(batch), axis, 0)
    other = array.copy()
    # To attention all orders are the same, so there the others are put away. Elsewhere they stay, as a normalisation by
    # the numbers of the batch may be meant.
    other[:-1] = array[:1] if _attends_first(network) else array[:-1][::-1]
    was, now = (first_of(quietly(network, x)) for x in (batch, batch.new_tensor(np.moveaxis(other, 0, axis).copy())))
    if not isinstance(was, Tensor) or not isinstance(now, Tensor) or was.dim() <= of_output:
        return 0.0
    a, b = array_of(was), array_of(now)
    if of_output != axis:
        if len(a) != len(array) or not np.array_equal(a, array_of(first_of(quietly(network, batch)))):
            return 0.0  # it draws numbers, or keeps a state
    elif (axis == 1 or a.shape[0] != len(batch)) and a.shape[:2] != tuple(batch.shape[:2]):
        if a.shape[0] != batch.shape[0] * batch.shape[1]:
            return 0.0
        a, b = (x.reshape(batch.shape[0], batch.shape[1], *x.shape[1:]) for x in (a, b))
    a, b = np.moveaxis(a, of_output, 0), np.moveaxis(b, of_output, 0)
    spread = float(np.abs(a - a.mean(0)).mean()) or 1.0
    return float(np.abs(a[-1] - b[-1]).max()) / spread


def _attends_first(network: Any) -> bool:
    """Whether there is attention along the first axis, as of layers without `batch_first`."""
    return any(hasattr(m, "in_proj_weight") and not getattr(m, "batch_first", True) for m in network.modules())


def unused(networks: list[Any], batch: Any, as_at_first: Callable[[], Any] = nullcontext) -> tuple[int, int] | None:
    """Of the parts of a row along its first axis, as steps of time or columns, how many change nothing at all in the
    output, and how many vary; None where it cannot be told.

    Asked of the rows as they are, and at unit scale, as in `ignored`: what has an effect in either is used. Nor is what
    had an effect at first, as a training that goes wrong may leave a network at its limits.
    """
    if len(networks) != 1 or batch.dim() < 2 or not 2 <= batch.shape[1] <= MOST_PARTS or len(batch) < 4:
        return None
    array = array_of(batch)[:FEW_ROWS]
    said = _said(array)
    columns = [(i, array[said[:, i], i].astype(float)) for i in range(array.shape[1])]
    varied = [i for i, column in columns if len(column) and float(np.ptp(column, axis=0).max()) > 0]
    left = varied
    for rows in _scales(array):
        try:
            left = _without_effect(networks[0], batch, rows, left)
            with as_at_first():
                left = _without_effect(networks[0], batch, rows, left) if left else left
        except Exception:  # noqa: BLE001 (a network that cannot be called like this)
            return None
        if left is None:
            return None
    return len(left), len(varied)


def _without_effect(network: Any, batch: Any, array: np.ndarray, parts: list[int]) -> list[int] | None:
    """Those parts that can be exchanged with those of another row, and nothing changes; None of what draws numbers."""
    was, again = (first_of(quietly(network, batch.new_tensor(array))) for _ in range(2))
    if not isinstance(was, Tensor) or not np.array_equal(array_of(was), array_of(again)):
        return None
    found, said = [], _said(array)
    for i in parts:
        other = array.copy()
        other[said[:, i], i] = array[said[:, i], i][::-1]
        now = first_of(quietly(network, batch.new_tensor(other)))
        if np.array_equal(array_of(was), array_of(now)):
            found.append(i)
    return found


def _said(array: np.ndarray) -> np.ndarray:
    """By row and part, whether something is said there: of rows of whole numbers, not what fills them up at their ends,
    as a mask that leaves it out is no use of what is said."""
    whole = np.ones(array.shape[:2], bool)
    if array.ndim != 2 or array.dtype.kind not in "iu":
        return whole
    fills, counts = np.unique(array[:, -1], return_counts=True)
    ends = np.logical_and.accumulate(array[:, ::-1] == fills[counts.argmax()], axis=1)[:, ::-1]
    return ~ends if ends[:, -2].any() else whole


def _scales(array: np.ndarray) -> list[np.ndarray]:
    """Rows as they are, and at unit scale."""
    if array.dtype.kind != "f" or not np.isfinite(array).all():
        return [array]
    return [array, ((array - array.mean(0)) / (array.std(0) + 1e-12)).astype(array.dtype)]


def first_of(result: Any) -> Any:
    """What a network gives first, where it gives several things, as logits and a loss."""
    return result[0] if isinstance(result, tuple | list) and result else result


def ignored(networks: list[Any], batch: Any, call: LossCall | None) -> float | None:
    """By how much, as a share of their size, outputs differ between rows that differ; None where it cannot be told.

    Asked of the rows as they are, and at unit scale: rows that are far too large give the same from a network that is
    at its limits, which does not ignore them.
    """
    if len(networks) != 1 or call is None or not batch.dim() or len(batch) < 4:
        return None
    array = array_of(batch)
    spread = np.ptp(array.reshape(len(array), -1).astype(float), axis=0)
    found = [_differs(networks[0], batch, rows) for rows in _scales(array)]
    known = [differs for differs in found if differs is not None]
    if not known:
        return None
    return max(known) if spread.any() else 0.0  # all rows are the same


def _differs(network: Any, batch: Any, array: np.ndarray) -> float | None:
    try:
        rows, other = batch.new_tensor(array), batch.new_tensor(array[::-1].copy())
        a, b, c = (array_of(first_of(quietly(network, x))).astype(float) for x in (rows, rows, other))
    except Exception:  # noqa: BLE001 (a network that cannot be called like this)
        return None
    if a.ndim == 0 or len(a) != len(array) or not np.isfinite(a).all() or not np.allclose(a, b):
        return None
    return float(max(np.abs(a - c).max(), np.ptp(a, axis=0).max()) / (np.abs(a).max() or 1.0))


def final(
    networks: list[Any], record: ProgramRecord, call: LossCall | None, treatments: Sequence[Treatment] = ()
) -> FinalRecord | None:
    """How well the networks do on the rows that were kept, in eval(); None where it cannot be told.

    With `treatments`, how many answers are right of rows that are given one by one, with the network treated, too.
    """
    if len(networks) != 1 or call is None or not record.inputs:
        return None
    try:
        x, y = np.concatenate(record.inputs), np.concatenate(record.targets)
        if len(x) != len(y):
            return None
        some = np.random.default_rng(1).permutation(len(x))[:ROWS]
        given: Any = call.target
        width = int(np.prod(record.shape)) if record.shape else 1
        if width != x.shape[1]:
            return None
        rows = _like(networks[0], x[some].reshape(len(some), *record.shape), record)
        out = _of_treated(networks[0], rows, [t for t in treatments if t.of_function])
        shape = tuple(call.prediction.shape[1:])
        if not isinstance(out, Tensor) or len(out) != len(some) or out.numel() != len(some) * int(np.prod(shape)):
            return None
        if tuple(out.shape[1:]) != shape and 1 not in out.shape[1:] and 1 not in shape:
            return None
        out = out.reshape(len(some), *shape)
        end = replace(call, prediction=out, target=given.new_tensor(y[some]))
        if not record.classes:
            a, b = array_of(out).astype(float), y[some].astype(float)
            return FinalRecord(loss=float(((a - b) ** 2).mean())) if a.shape == b.shape else None
        doubted = _doubted(networks[0], x, record, call)
        alone = _alone(networks[0], rows[:SINGLE], end, treatments) if over_rows(record, treatments) else None
        return FinalRecord(end.accuracy(), _recalls(end), doubted=doubted, alone=alone)
    except Exception:  # noqa: BLE001 (a network that cannot be called like this)
        return None


def _of_treated(network: Any, rows: Any, treatments: Sequence[Treatment]) -> Any:
    """What a network gives, as these treatments change what it computes in passes that train."""
    before, given = state.interpreters, (rows,)
    state.interpreters = (*before, _Treated(treatments)) if treatments else before
    try:
        for treatment in treatments:
            given = treatment.module(network, given)
        return first_of(quietly(network, given[0]))
    finally:
        state.interpreters = before


def over_rows(record: ProgramRecord, treatments: Sequence[Treatment]) -> bool:
    """Whether something is normalised over the rows of a batch, or was before it was treated."""
    seen = [*record.loss.chain, *record.loss.body]
    return any(isinstance(t, Attribute) for t in treatments) or any(
        op.key[0] in ("softmax", "log_softmax") and op.attributes.get("dim") == 0 for op in seen
    )


def _alone(network: Any, rows: Any, call: LossCall, treatments: Sequence[Treatment]) -> float | None:
    """The share of right answers where each row is given by itself."""
    treated = _Treated(treatments)
    before = state.interpreters
    state.interpreters = (*before, treated)
    try:
        answers: list[int] = []
        for i in range(len(rows)):
            treated.counts.clear()
            given = array_of(first_of(quietly(network, rows[i : i + 1])))
            answers += _answers(call, given.reshape(1, -1)).tolist()
    finally:
        state.interpreters = before
    target = call.target_array()
    if target is None or len(answers) != len(rows):
        return None
    labels = _labels(target[: len(rows)])
    return float((np.array(answers) == labels).mean()) if labels.shape == (len(rows),) else None


class _Treated(Interpreter):
    """The changes of a fork, in a pass of the doctor's own."""

    def __init__(self, treatments: Sequence[Treatment]) -> None:
        self.treatments, self.counts = treatments, Counter[str]()

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        key = (op.name, self.counts[op.name])
        self.counts[op.name] += 1
        for treatment in self.treatments:
            args, kwargs = treatment.op(key, args, kwargs)
        result = below(self, op, args, kwargs)
        for treatment in self.treatments:
            result = treatment.result(key, args, result)
        return result


def _doubted(network: Any, x: np.ndarray, record: ProgramRecord, call: LossCall) -> np.ndarray:
    """See `FinalRecord.doubted`."""
    rows = np.concatenate(record.rows[: len(record.inputs)])
    if len(rows) != len(x):
        return np.empty(0)
    given = (_like(network, part.reshape(len(part), *record.shape), record) for part in _parts(x))
    parts = [first_of(quietly(network, part)) for part in given]
    answers = _answers(call, np.concatenate([array_of(part) for part in parts]))
    labels = _labels(np.concatenate(record.targets))
    return np.unique(rows[answers != labels]) if answers.shape == labels.shape else np.empty(0)


def _parts(x: np.ndarray) -> list[np.ndarray]:
    return [x[start : start + ROWS] for start in range(0, len(x), ROWS)]


def _answers(call: LossCall, given: np.ndarray) -> np.ndarray:
    if given.ndim == 2 and given.shape[1] > 1:
        return given.argmax(1)
    return (given.ravel() > (0.0 if call.kind.endswith("logits") else 0.5)).astype(int)


def _labels(target: np.ndarray) -> np.ndarray:
    return target.argmax(1) if target.ndim == 2 and target.shape[1] > 1 else target.ravel()


def _recalls(call: LossCall) -> dict[int, float]:
    target = call.target_array()
    given = array_of(call.prediction)
    if target is None or given.ndim > 2:
        return {}
    answers, labels = _answers(call, given), _labels(target)
    if answers.shape != labels.shape:
        return {}
    return {int(c): float((answers[labels == c] == c).mean()) for c in np.unique(labels)}


def _like(network: Any, array: np.ndarray, record: ProgramRecord) -> Any:
    parameter = next(iter(network.parameters()))
    made: Callable[..., Any] = parameter.detach().new_tensor
    return made(array).long() if record.whole_numbers else made(array.astype(array_of(parameter).dtype))
