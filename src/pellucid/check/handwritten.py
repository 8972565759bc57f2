"""A backward pass that somebody wrote by hand, checked: plain NumPy, no framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.check.autopsy import Diagnosis, diagnose
from pellucid.check.autopsy.evidence import Evidence, compare
from pellucid.check.autopsy.guards import guards
from pellucid.check.autopsy.pointing import point_out
from pellucid.check.record.plain import Untraceable, strip
from pellucid.check.record.recording import record, trace
from pellucid.check.record.reverse import Change, gradients
from pellucid.check.record.reverse import backward as backward_along
from pellucid.check.record.tape import Array, Tape
from pellucid.check.report import Report
from pellucid.check.subject.surroundings import surroundings

Params = dict[str, Array]
TOLERANCE = {"double": 1e-6, "single": 2e-3}
MOST = 20_000  # parameters that are measured one by one where the program cannot be recorded


def backward(
    loss: Callable[[Any], Any],
    grads: Callable[[Any], Any] | Mapping[str, Any],
    params: Mapping[str, Any],
    seed: int = 0,
) -> Report:
    """Check gradients that were written by hand, and say what is wrong with them.

    Args:
        loss: `loss(params)`, a number.
        grads: `grads(params)`, a dict of arrays by the same names: d loss / d params, as somebody derived it. Or that
            dict itself, as it is at `params`: what only shows in further calls is not found then.
        params: a dict of arrays. They are lifted to float64 for the check and left as they were.
        seed: of the random numbers by which the parameters are moved: the check is made at several points, since at
            a single one (biases that are zero, say) many mistakes do not show.

    The truth: `loss` is run once on arrays that record what is done with them, and differentiated along the recording;
    that derivative has to agree with central differences of `loss` itself along random directions. A program that
    cannot be recorded is differentiated by differences alone.

    The diagnosis: mistakes that people make are made on purpose in the derivative along the recording, one by one, at
    each place, until one gives the gradient that `grads` gave.

    >>> x, t = np.array([[1.0, 2.0], [3.0, -1.0], [0.5, 1.0]]), np.array([[1.0], [0.0], [2.0]])
    >>> def loss(p):
    ...     return np.mean((np.tanh(x @ p["w"]) - t) ** 2)
    >>> def grads(p):
    ...     a = np.tanh(x @ p["w"])
    ...     return {"w": x.T @ (2 * (a - t) / len(x))}
    >>> report = backward(loss, grads, {"w": np.array([[0.1], [0.2]])})
    >>> report.status, report.diagnoses["w"].mistake
    ('wrong', 'missing-activation-derivative')

    Raises:
        TypeError: `params` is no dict of arrays of real numbers, or `loss` gives no number.
    """
    start = _checked(params)
    if isinstance(grads, Mapping):
        known = grads
        calls = _Calls(loss, lambda _: known, params, start)
        calls.fixed = True
    else:
        calls = _Calls(loss, grads, params, start)
    with calls.undone():
        return _examine(calls, start, np.random.default_rng(seed))


def _examine(calls: _Calls, start: Params, rng: np.random.Generator) -> Report:
    points = [start, start, start] if calls.fixed else [start, _moved(start, rng), _moved(start, rng)]
    first = [calls.loss(points[1]), calls.loss(points[1])]
    if not all(math.isfinite(value) for value in first):
        return Report("inconclusive", notes=[f"The loss is {first[0]} where the parameters were moved a little."])
    if first[0] != first[1]:
        return Report(
            "inconclusive",
            notes=["The loss is another number each time, from random numbers of its own: fix its seed, or its mask."],
        )
    notes: list[str] = []
    tapes, why = _recordings(calls, points)
    truths = [gradients(tape) for tape in tapes]
    if tapes:
        away = [_disagreement(calls, point, truth, rng) > 1e-4 for point, truth in zip(points, truths, strict=True)]
        if away == [True, False, False]:  # a kink where the parameters are: weights of 0 before a rectifier
            points[0], tapes[0], truths[0] = points[1], tapes[1], truths[1]
        elif any(away):
            tapes, why = [], "what was recorded of it does not agree with its values"
    if not tapes:
        count = sum(value.size for value in start.values())
        if count > MOST:
            return Report(
                "inconclusive",
                notes=[
                    f"The loss cannot be recorded ({why}), and {count:,} parameters are too many to move one by one."
                ],
            )
        notes.append(f"The loss could not be recorded ({why}); the true gradient is by central differences.")
        truths = [_differences(calls, point) for point in points]
    largest = [max((float(np.abs(value).max(initial=0)) for value in truth.values()), default=0.0) for truth in truths]
    if not any(largest):
        return Report(
            "inconclusive",
            notes=["The loss does not change when the parameters do: does it read them from its argument?"],
        )
    given = [calls.grads(points[0]), calls.grads(points[1]), calls.grads(points[1]), calls.grads(points[2])]
    for one in given:
        if isinstance(one, str):
            return Report("inconclusive", notes=[one])
    return _verdict(calls, points, tapes, truths, given, notes)  # type: ignore[arg-type]


def _verdict(
    calls: _Calls,
    points: list[Params],
    tapes: list[Tape],
    truths: list[Params],
    given: list[dict[str, Any]],
    notes: list[str],
) -> Report:
    order = [0, 1, 1, 2]  # the point of each call
    single = any(getattr(value, "dtype", None) == np.float32 for one in given for value in one.values())
    tolerance = TOLERANCE["single" if single else "double"]
    if not tapes:
        tolerance = max(tolerance, 1e-5)
    if single:
        notes.append("The gradients are float32: compared to a relative error of 0.002.")
    unknown = [name for name in given[0] if name not in truths[0]]
    if unknown:
        notes.append(f"The gradients {', '.join(map(str, unknown))} belong to no parameter and were not looked at.")
    evidence = [_evidence(truths[point], one, tolerance) for point, one in zip(order, given, strict=True)]
    # The last call, at parameters that were moved, says most; an earlier one is looked at where it is right there.
    at = next((call for call in (3, 2, 1, 0) if any(one.wrong for one in evidence[call].values())), None)
    base = Change()
    if at is not None and tapes:
        said, base, truths, evidence = _without_guards(tapes, truths, given, order, tolerance, evidence)
        at = next((call for call in (3, 2, 1, 0) if any(one.wrong for one in evidence[call].values())), None)
        if said:
            notes.append(f"The gradients are compared without {said}, which is left out of most backward passes.")
    if at is None:
        return Report("right", evidence[3], notes=notes)
    tape = tapes[order[at]] if tapes else None
    if calls.fixed:
        order, at, given = [0], 0, given[:1]
    before = sorted({order[call] for call in range(at)} | {0}, reverse=True)
    earlier_tapes = [tapes[point] for point in before if point != order[at]] if tapes else []
    earlier = [given[call] for call in reversed(range(at))] + [truths[point] for point in before if point != order[at]]
    rtol = 1e-3 if single else 1e-5 if tapes else 1e-4
    _single_ratios(evidence, at)
    diagnoses = diagnose(evidence[at], tape, earlier_tapes, earlier, calls.sizes(tape), rtol, base=base)
    _point_out(calls, points[order[at]], diagnoses)
    # A gradient that is wrong only where it was called before is not computed from this call's values.
    return Report("wrong", evidence[at], diagnoses, notes)


def _without_guards(
    tapes: list[Tape],
    truths: list[Params],
    given: list[dict[str, Any]],
    order: list[int],
    tolerance: float,
    evidence: list[dict[str, Evidence]],
) -> tuple[str, Change, list[Params], list[dict[str, Evidence]]]:
    """The way to treat guards (`log(p + 1e-7)`) by which most gradients are right: how, and what is true by it."""
    best = ("", Change(), truths, evidence)
    fewest = sum(one.wrong for found in evidence for one in found.values())
    ways = [backward_along(tape) for tape in tapes]
    for said, change in guards(tapes[-1]):
        try:
            open_ = [{**truth, **way.changed(change)} for truth, way in zip(truths, ways, strict=True)]
        except (IndexError, ValueError):  # the program takes another path at another point
            continue
        again = [_evidence(open_[point], one, tolerance) for point, one in zip(order, given, strict=True)]
        count = sum(one.wrong for found in again for one in found.values())
        if count < fewest:
            fewest, best = count, (said, change, open_, again)
    return best


def _point_out(calls: _Calls, point: Params, diagnoses: dict[str, Diagnosis]) -> None:
    """Where the backward pass can be recorded, the line of it that is wrong is told too."""
    if all(one.wrong_value is None for one in diagnoses.values()):
        return
    try:
        nodes = calls.trace(point).nodes
    except Exception:  # noqa: BLE001 (a backward pass that cannot be recorded is judged all the same)
        return
    point_out(nodes, diagnoses)


def _single_ratios(evidence: list[dict[str, Evidence]], at: int) -> None:
    """A single number is always a multiple of another: a factor is one only if it is the same at another point."""
    for name, one in evidence[at].items():
        if one.true.size == 1:
            others = [found[name].ratio for call, found in enumerate(evidence) if call != at and found[name].true.any()]
            if not any(math.isclose(one.ratio, other, rel_tol=1e-4) for other in others):
                one.ratio = math.nan


def _evidence(truth: Params, given: dict[str, Any], tolerance: float) -> dict[str, Evidence]:
    scale = max(float(np.sqrt((value**2).sum())) for value in truth.values())
    return {name: compare(name, value, given.get(name), tolerance, scale) for name, value in truth.items()}


# The truth ----------------------------------------------------------------------------------------------------------


def _recordings(calls: _Calls, points: list[Params]) -> tuple[list[Tape], str]:
    try:
        return [calls.record(point) for point in points], ""
    except Untraceable as error:
        return [], str(error)
    except Exception as error:  # noqa: BLE001 (whatever an unusual program does with an unusual array)
        return [], f"{type(error).__name__}: {error}"


def _disagreement(calls: _Calls, point: Params, truth: Params, rng: np.random.Generator) -> float:
    """How far the recording's derivative is from central differences, along the best of a few directions.

    The best: a kink between two points spoils a difference, and never makes a wrong derivative look right.
    """
    least = math.inf
    for _ in range(4):
        way = {name: rng.normal(size=value.shape) for name, value in point.items()}
        exact = sum(float((truth[name] * way[name]).sum()) for name in point)
        size = math.sqrt(sum(float((value**2).sum()) for value in truth.values())) or 1.0
        step = 1e-5
        there = calls.loss({name: value + step * way[name] for name, value in point.items()})
        here = calls.loss({name: value - step * way[name] for name, value in point.items()})
        least = min(least, abs((there - here) / (2 * step) - exact) / max(abs(exact), size))
    return least


def _differences(calls: _Calls, point: Params) -> Params:
    """Central differences with one extrapolation, parameter by parameter: (4·D(h/2) − D(h)) / 3."""
    result: Params = {}
    for name, value in point.items():
        slope = np.zeros(value.shape)
        for index in np.ndindex(value.shape):
            estimates: list[float] = []
            for step in (2e-4, 1e-4):
                moved = {key: array.copy() for key, array in point.items()}
                moved[name][index] += step
                there = calls.loss(moved)
                moved[name][index] -= 2 * step
                estimates.append((there - calls.loss(moved)) / (2 * step))
            slope[index] = (4 * estimates[1] - estimates[0]) / 3
        result[name] = slope
    return result


# The user's functions -------------------------------------------------------------------------------------------------


class _Calls:
    """The two functions, called so that nothing of one call decides the next: arguments are copies, random streams are
    set back, and the dict that the program itself holds has the values that are asked for."""

    def __init__(
        self, loss: Callable[[Any], Any], grads: Callable[[Any], Any], params: Mapping[str, Any], start: Params
    ) -> None:
        self._loss, self._grads, self._params, self._start = loss, grads, params, start
        self.fixed = False  # whether the gradients are those of one point alone
        seen = [place.value for place in surroundings(loss, grads)]
        self._arrays = [value for value in seen if isinstance(value, np.ndarray) and not _among(value, params)]
        self._generators = [value for value in seen if isinstance(value, np.random.Generator)]
        self._random = (np.random.get_state(), [g.bit_generator.state for g in self._generators])  # noqa: NPY002 (the stream that the user may draw from)
        self._kept = dict(params)

    def loss(self, point: Params) -> float:
        with np.errstate(all="ignore"):
            return _number(self._loss(self._given(point)))

    def grads(self, point: Params) -> dict[str, Any] | str:
        self.loss(point)  # a forward pass may leave behind what the backward pass reads
        with np.errstate(all="ignore"):
            result = self._grads(self._given(point))
        if isinstance(result, tuple) and len(result) == 2:
            result = result[1] if isinstance(result[1], Mapping) else result[0]
        if not isinstance(result, Mapping):
            return f"grads returned {type(result).__name__} where a dict of arrays by name is expected."
        named = {str(name): strip(value) for name, value in result.items()}
        for name in point:  # {"dW": …} is what people write, too
            for alias in (f"d{name}", f"grad_{name}", f"d_{name}", f"{name}_grad"):
                if name not in named and alias in named:
                    named[name] = named.pop(alias)
        return {name: None if value is None else np.array(value) for name, value in named.items()}

    def record(self, point: Params) -> Tape:
        self._rewind()
        return record(self._loss, {name: value.copy() for name, value in point.items()})

    def trace(self, point: Params) -> Tape:
        self.loss(point)
        self._rewind()
        return trace(self._grads, {name: value.copy() for name, value in point.items()})

    def sizes(self, tape: Tape | None) -> tuple[int, ...]:
        """The numbers of samples, as far as they can be told.

        What the loss divides by, where some axis is as long; the first axis of the data; and the last one where arrays
        of different heights share it (samples in columns).
        """
        data = [value for value in self._arrays if value.ndim and value.size > 1]
        lengths = {n for value in data for n in (*value.shape, value.size)}
        found: list[int] = []
        for node in tape.useful() if tape is not None else []:
            if node.attributes.get("mean", 0) > 1:
                found.append(round(node.attributes["mean"]))
            for source in node.inputs:
                if node.op in ("multiply", "divide") and not source.needs and source.value.size == 1:
                    scale = abs(float(source.value.ravel()[0]))
                    found += [n for n in lengths if n > 1 and (math.isclose(scale, n) or math.isclose(scale, 1 / n))]
        found += [value.shape[0] for value in data]
        wide = [value for value in data if value.ndim == 2]
        found += [
            one.shape[1]
            for one in wide
            if any(one.shape[1] == other.shape[1] and one.shape[0] != other.shape[0] for other in wide)
        ]
        return tuple(dict.fromkeys(size for size in found if size > 1))

    @contextmanager
    def undone(self) -> Iterator[None]:
        before = {name: np.array(value) for name, value in self._kept.items()}
        try:
            yield
        finally:
            self._rewind()
            for name, value in self._kept.items():
                if isinstance(value, np.ndarray):
                    value[...] = before[name]

    def _given(self, point: Params) -> Params:
        self._rewind()
        for name, value in self._kept.items():  # for a program that reads them where it defined them
            if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.flags.writeable:
                value[...] = point[name]
        return {name: value.copy() for name, value in point.items()}

    def _rewind(self) -> None:
        np.random.set_state(self._random[0])  # noqa: NPY002
        for generator, state in zip(self._generators, self._random[1], strict=True):
            generator.bit_generator.state = state


def _among(value: Any, params: Mapping[str, Any]) -> bool:
    return any(value is one for one in params.values())


def _checked(params: Mapping[str, Any]) -> Params:
    if not isinstance(params, Mapping) or not params:
        raise TypeError(
            f"params is a dict of arrays by name, received {type(params).__name__}: write {{'w': w, 'b': b}}."
        )
    result: Params = {}
    for name, value in params.items():
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"params[{name!r}] holds {array.dtype}: an array of real numbers is expected.")
        result[str(name)] = array.astype(float)
    return result


def _moved(start: Params, rng: np.random.Generator) -> Params:
    """The parameters, each moved by a part of its spread: a bias of zeros is zero no longer."""
    moved: Params = {}
    for name, value in start.items():
        spread = float(value.std()) if value.size > 1 else 0.0
        size = max(0.3 * spread, 0.05 * float(np.abs(value).mean()) if value.size else 0.0, 0.02)
        moved[name] = np.asarray(value + size * rng.normal(size=value.shape))
    return moved


def _number(result: Any) -> float:
    if isinstance(result, tuple | list) and result:
        result = result[0]
    array = np.asarray(strip(result))
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise TypeError(
            f"loss returned {type(result).__name__} of shape {array.shape} and dtype {array.dtype}: one number is "
            "expected. Sum or average over the samples."
        )
    return float(array.reshape(()))
