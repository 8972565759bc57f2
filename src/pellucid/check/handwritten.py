"""A backward pass that somebody wrote by hand, checked: plain NumPy, no framework."""

from __future__ import annotations

import math
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np

from pellucid.autograd.numeric import slope
from pellucid.check.autopsy import Diagnosis, diagnose
from pellucid.check.autopsy.evidence import Evidence, compare, norm
from pellucid.check.autopsy.guards import guards
from pellucid.check.autopsy.pointing import point_out
from pellucid.check.mistakes import CLIPPED, UNKNOWN
from pellucid.check.record.plain import Untraceable
from pellucid.check.record.recording import record, trace
from pellucid.check.record.reverse import Change, gradients
from pellucid.check.record.reverse import backward as backward_along
from pellucid.check.record.tape import Tape
from pellucid.check.report import Report
from pellucid.check.subject.program import CheckedProgram, moved
from pellucid.check.subject.subject import Point

TOLERANCE = {8: 1e-6, 4: 2e-3, 2: 5e-2}  # by the bytes of the coarsest numbers that are computed with
MOST = 20_000  # parameters that are measured one by one where the program cannot be recorded
MOST_NOISY = 2_000  # the same, where the loss is rounded and each needs many steps
STEP = 1e-4  # of a difference
NOISY = 1e-7  # a relative error of a difference beyond which the loss is rounded
LOOSE = 2e-2  # a difference that is known no better than this says nothing
REDRAWN = 3  # how often a point is drawn anew where the loss has a kink
SURE = 10.0  # estimated errors by which a gradient has to be off to be wrong
CUSTOMARY = 1.0  # bounds from which on people clip gradients to keep them from exploding
NEAR = 1e-4  # a relative error that a guard against 0 or another order of sums may explain


def backward(
    loss: Callable[[Any], Any],
    grads: Callable[[Any], Any] | Mapping[str, Any],
    params: Any,
    seed: int = 0,
) -> Report:
    """Check gradients that were written by hand, and say what is wrong with them.

    Args:
        loss: `loss(params)`, a number.
        grads: `grads(params)`, a dict of arrays by the same names: d loss / d params, as somebody derived it. Or that
            dict (or list) itself, as it is at `params`: what only shows in further calls is not found then.
        params: a dict of arrays, a list of them, or a nest of dicts and lists, in the form in which `loss` and `grads`
            take and return them. They are lifted to float64 for the check and left as they were.
        seed: of the random numbers by which the parameters are moved: the check is made at several points, since at
            a single one (biases that are zero, say) many mistakes do not show.

    The truth: `loss` is run once on arrays that record what is done with them, and differentiated along the recording;
    that derivative has to agree with central differences of `loss` itself along random directions. A program that
    cannot be recorded is differentiated by differences alone. How exact a difference is, is measured first: where the
    loss is rounded or passes through float32, a gradient is wrong only if it is off by more than that explains, and
    where nothing can be told, the status is "inconclusive".

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
        TypeError: `params` holds no arrays of real numbers, or `loss` gives no number.
    """
    if callable(grads):
        program = CheckedProgram(loss, grads, params)
    else:
        known = grads
        program = CheckedProgram(loss, lambda _: known, params)
    with program.undone():
        return _Check(program, not callable(grads), np.random.default_rng(seed)).report()


class _Check:
    """One check of a program: the points, what is true at them, what was given, and the verdict.

    Attributes:
        fixed: whether the gradients are those of the first point alone.
        errors: for each point, how far off each element of the truth may be: infinitely, where there is a kink. Empty
            where the truth is recorded.
    """

    def __init__(self, program: CheckedProgram, fixed: bool, rng: np.random.Generator) -> None:
        self.program, self.fixed, self.rng = program, fixed, rng
        start = program.start
        self.points = [start] * 3 if fixed else [start, moved(start, rng), moved(start, rng)]
        self.tapes: list[Tape] = []
        self.truths: list[Point] = []
        self.errors: list[Point] = []
        self.noise = 0.0  # the relative error of the truth, where it is by differences
        self.notes: list[str] = []

    def report(self) -> Report:
        reason = self._unsteady() or self._measured()
        if reason:
            return Report("inconclusive", notes=[*self.notes, reason])
        given: list[dict[str, Any]] = []
        for point in (0, 1, 1, 2):
            found = self.program.grads(self.points[point])
            if isinstance(found, str):
                return Report("inconclusive", notes=[found])
            given.append(found)
        return self._verdict(given)

    def _unsteady(self) -> str:
        """Why the loss is no function of the parameters; empty where it is one."""
        values = [self.program.loss(self.points[1]) for _ in range(3)]
        if not all(math.isfinite(value) for value in values):
            return f"The loss is {values[0]} where the parameters were moved a little."
        if values[1] != values[2]:  # a first call may fill a cache or scale the data
            return "The loss is another number each time, from random numbers of its own: fix its seed, or its mask."
        return ""

    # The truth ------------------------------------------------------------------------------------------------------

    def _measured(self) -> str:
        """Find what is true at each point, by recording or by differences; or say why it cannot be found."""
        why = self._recorded()
        if not self.tapes:
            reason = self._by_differences(why)
            if reason:
                return reason
        if not any(value.any() for truth in self.truths for value in truth.values()):
            return "The loss does not change when the parameters do: does it read them from its argument?"
        return ""

    def _recorded(self) -> str:
        """Record the loss at each point, and hold the recordings against differences."""
        try:
            for number, point in enumerate(self.points):
                known = next((i for i in range(number) if self.points[i] is point), None)
                self.tapes.append(self.tapes[known] if known is not None else self._tape(point))
        except Untraceable as error:
            self.tapes = []
            return str(error)
        except Exception as error:  # noqa: BLE001 (whatever an unusual program does with an unusual array)
            self.tapes = []
            return f"{type(error).__name__}: {error}"
        self.truths = [gradients(tape) for tape in self.tapes]
        agreed = [self._agrees(point, truth) for point, truth in zip(self.points, self.truths, strict=True)]
        for number in (1, 2):
            for _ in range(REDRAWN if agreed[number] is False and not self.fixed else 0):  # a point on a kink
                point = moved(self.program.start, self.rng)
                tape = self._tape(point)
                if self._agrees(point, gradients(tape)):
                    self.points[number], self.tapes[number], self.truths[number] = point, tape, gradients(tape)
                    agreed[number] = True
                    break
        if agreed == [False, True, True]:  # a kink where the parameters are: weights of 0 before a rectifier
            for values in (self.points, self.tapes, self.truths):
                values[0] = values[1]  # type: ignore[index]
        elif False in agreed:
            self.tapes, self.truths = [], []
            return "what was recorded of it does not agree with its values"
        elif None in agreed:
            self.tapes, self.truths = [], []
            return "it is rounded too coarsely to be compared with what was recorded of it"
        return ""

    def _tape(self, point: Point) -> Tape:
        self.program.rewind()
        return record(
            self.program.function, {name: value.copy() for name, value in point.items()}, self.program.functions
        )

    def _agrees(self, point: Point, truth: Point) -> bool | None:
        """Whether the recording's derivative agrees with differences along some direction; None: it cannot be told.

        Some: a kink between two points spoils a difference, and never makes a wrong derivative look right.
        """
        size = math.sqrt(sum(float((value**2).sum()) for value in truth.values())) or 1.0
        ways = [{name: self.rng.normal(size=value.shape) for name, value in point.items()} for _ in range(4)]
        for way in ways:
            step = 1e-5
            there = self.program.loss({name: value + step * way[name] for name, value in point.items()})
            here = self.program.loss({name: value - step * way[name] for name, value in point.items()})
            if abs((there - here) / (2 * step) - _along(truth, way)) <= 1e-4 * size:
                return True
        told = False
        for way in ways:
            found = self._slope(point, way)
            if found.kink or not found.error <= LOOSE * size:
                continue
            told = True
            if abs(found.value - _along(truth, way)) <= 1e-4 * size + SURE * found.error:
                return True
        return False if told else None

    def _slope(self, point: Point, way: Point) -> Any:
        return slope(lambda t: self.program.loss({name: value + t * way[name] for name, value in point.items()}), 1.0)

    def _by_differences(self, why: str) -> str:
        """Move each parameter by itself."""
        count = sum(value.size for value in self.program.start.values())
        noise, steep = self._noise(self.points[1])
        noisy = noise / STEP > NOISY * max(steep, 1e-9)
        most = MOST_NOISY if noisy else MOST
        if count > most:
            return f"The loss cannot be recorded ({why}), and {count:,} parameters are too many to move one by one."
        self.notes.append(f"The loss could not be recorded ({why}); the true gradient is by central differences.")
        for number, point in enumerate(self.points):
            known = next((i for i in range(number) if self.points[i] is point), None)
            truth, errors = (
                (self.truths[known], self.errors[known])
                if known is not None
                else self._differences(point, noise, noisy)
            )
            self.truths.append(truth)
            self.errors.append(errors)
        size = max(norm(value) for value in self.truths[-1].values())
        unknown = [away[~np.isfinite(away)].size for away in self.errors[-1].values()]
        worst = max(norm(away[np.isfinite(away)]) for away in self.errors[-1].values())
        if 2 * sum(unknown) > count or not worst <= LOOSE * size:
            told = "The loss is rounded too coarsely, or jumps: differences of it do not tell its slope."
            return f"{told} Compute it in float64 throughout, without rounding." if size or noisy else ""
        self.noise = SURE * worst / size if size else 0.0
        if noisy:
            self.notes.append(
                f"The loss is rounded on its way: its slopes are known to {worst / size:.1g} of the largest."
            )
        if sum(unknown):
            self.notes.append(f"{sum(unknown)} of {count} elements lie at a kink and were not judged there.")
        return ""

    def _noise(self, point: Point) -> tuple[float, float]:
        """How far the loss is from any smooth function on a short stretch, and how steep it is there.

        On a stretch of ±1e-4 a smooth loss is a cubic; what is left beside the best one is rounding. The stretch that
        has the least is taken, since one may cross a kink.
        """
        best = (math.inf, 0.0)
        places = np.linspace(-1.0, 1.0, 16)
        for _ in range(2):
            way = {name: self.rng.normal(size=value.shape) for name, value in point.items()}
            values = np.array(
                [
                    self.program.loss({name: value + STEP * t * way[name] for name, value in point.items()})
                    for t in places
                ]
            )
            fitted = np.polynomial.Polynomial.fit(places, values, 3)
            best = min(best, (float(np.sqrt(((values - fitted(places)) ** 2).mean())), abs(float(fitted.deriv()(0.0)))))
        return best[0], best[1] / STEP

    def _differences(self, point: Point, noise: float, noisy: bool) -> tuple[Point, Point]:
        """The gradient by central differences, and how far off each element of it may be."""
        result = {name: np.zeros(value.shape) for name, value in point.items()}
        errors = {name: np.zeros(value.shape) for name, value in point.items()}
        middle = self.program.loss(point)
        for name, value in point.items():
            for index in np.ndindex(value.shape):

                def along(t: float, name: str = name, index: Any = index) -> float:
                    there = {key: array.copy() for key, array in point.items()}
                    there[name][index] += t
                    return self.program.loss(there)

                if noisy:
                    found = slope(along, max(1.0, abs(float(value[index]))))
                    known = (0.0, math.inf) if found.kink else (found.value, found.error)
                else:
                    known = _difference(along, middle, noise)
                result[name][index], errors[name][index] = known
        every = np.concatenate([away.ravel() for away in errors.values()])
        every = every[np.isfinite(every)]
        common = float(every.max(initial=0.0)) if noisy else 0.0  # noise is the same everywhere, its estimates are not
        return result, {name: np.maximum(away, common) for name, away in errors.items()}

    # The verdict ----------------------------------------------------------------------------------------------------

    def _verdict(self, given: list[dict[str, Any]]) -> Report:
        order = [0, 1, 1, 2]  # the point of each call
        tolerance = self._tolerance(given)
        unknown = [name for name in given[0] if name not in self.truths[0]]
        if unknown:
            self.notes.append(
                f"The gradients {', '.join(map(str, unknown))} belong to no parameter and were not looked at."
            )
        truths, bases = self.truths, [Change(), Change(), Change()]
        evidence = self._evidence(truths, given, order, tolerance)
        # The last call, at parameters that were moved, says most; an earlier one is looked at where it is right there.
        at = _first_wrong(evidence)
        if at is not None and self.tapes:
            said, bases, truths, evidence = self._without_guards(given, order, tolerance, evidence)
            at = _first_wrong(evidence)
            if said:
                self.notes.append(f"The gradients are compared without {said}, which most backward passes leave out.")
        if at is None:
            return Report("right", evidence[3], notes=self.notes)
        tape = self.tapes[order[at]] if self.tapes else None
        if self.fixed:
            order, at, given, evidence = [0], 0, given[:1], evidence[:1]
        point = order[at]
        before = sorted({order[call] for call in range(at)} | {0}, reverse=True)
        earlier_tapes = [self.tapes[number] for number in before if number != point] if tape is not None else []
        earlier = [given[call] for call in reversed(range(at))] + [truths[n] for n in before if n != point]
        rtol = max(1e-5 if tape is not None else 1e-4, 0.5 * tolerance, self.noise)
        self._steady(evidence, order, at)
        elsewhere = [
            (backward_along(self.tapes[order[call]], bases[order[call]]), evidence[call])
            for call in range(len(order))
            if tape is not None and order[call] not in (point, 0) and call != 1
        ]
        diagnoses = diagnose(
            evidence[at], tape, earlier_tapes, earlier, self._sizes(tape), rtol,
            updated=self._updated(point), base=bases[point], elsewhere=elsewhere,
        )  # fmt: skip
        if all(row.mistake == UNKNOWN for row in diagnoses.values()) and all(
            row.relative_error < NEAR for row in evidence[at].values() if row.wrong
        ):
            self.notes.append(
                "The gradients are so near the true ones that another guard against 0 or coarser numbers would explain "
                "the rest, and no mistake does."
            )
            return Report("inconclusive", evidence[at], notes=self.notes)
        self._point_out(self.points[point], diagnoses)
        return self._clipped(Report("wrong", evidence[at], diagnoses, self.notes), evidence)

    def _tolerance(self, given: list[dict[str, Any]]) -> float:
        """The relative error up to which a gradient is right, by the coarsest numbers that it is computed with."""
        kinds = [value.dtype for found in given for value in found.values() if value is not None]
        bytes_ = min((kind.itemsize for kind in kinds if kind.kind == "f"), default=8)
        said = "The gradients are"
        if self.tapes:
            recorded = [node.value.dtype for tape in self.tapes for node in tape.useful()]
            coarsest = min((kind.itemsize for kind in recorded if kind.kind == "f"), default=8)
            if coarsest < bytes_:
                bytes_, said = coarsest, "The loss is computed in"
        tolerance = TOLERANCE.get(bytes_, TOLERANCE[8])
        if tolerance > TOLERANCE[8]:
            self.notes.append(f"{said} float{8 * bytes_}: compared to a relative error of {tolerance:g}.")
        return tolerance if self.tapes else max(tolerance, 1e-5)

    def _evidence(
        self, truths: list[Point], given: list[dict[str, Any]], order: list[int], tolerance: float
    ) -> list[dict[str, Evidence]]:
        """The evidence of each call. What a difference cannot tell is not held against a gradient."""
        result: list[dict[str, Evidence]] = []
        for point, found in zip(order, given, strict=True):
            largest = max(norm(value) for value in truths[point].values())
            rows: dict[str, Evidence] = {}
            for name, true in truths[point].items():
                value, away = found.get(name), self.errors[point][name] if self.errors else None
                if away is not None and value is not None and value.shape == true.shape:
                    value = np.where(np.isfinite(away), value, true)  # a kink: both of its slopes are right
                row = rows[name] = compare(name, true, value, tolerance, largest)
                off = row.difference
                if away is not None and off is not None and off <= SURE * norm(away[np.isfinite(away)]):
                    row.wrong = False
            result.append(rows)
        return result

    def _without_guards(
        self, given: list[dict[str, Any]], order: list[int], tolerance: float, evidence: list[dict[str, Evidence]]
    ) -> tuple[str, list[Change], list[Point], list[dict[str, Evidence]]]:
        """The way to treat guards (`log(p + 1e-7)`) by which most gradients are right: how, and what is true by it."""
        best = ("", [Change() for _ in self.tapes], self.truths, evidence)
        fewest = _count(evidence)
        ways = [backward_along(tape) for tape in self.tapes]
        for conventions in zip(*(guards(tape) for tape in self.tapes), strict=False):
            said, changes = conventions[-1][0], [change for _, change in conventions]
            try:
                found = [way.changed(change) for way, change in zip(ways, changes, strict=True)]
            except (IndexError, ValueError):  # the program takes another path at another point
                continue
            bare = [{**truth, **own} for truth, own in zip(self.truths, found, strict=True)]
            again = self._evidence(bare, given, order, tolerance)
            if _count(again) < fewest:
                fewest, best = _count(again), (said, changes, bare, again)
        return best

    def _steady(self, evidence: list[dict[str, Evidence]], order: list[int], at: int) -> None:
        """A factor is one only if it is the same at another point; of a single number, any other is a multiple."""
        for name, row in evidence[at].items():
            others = [
                found[name].ratio
                for call, found in enumerate(evidence)
                if order[call] != order[at] and found[name].true.any()
            ]
            if row.true.size == 1 or (others and not self.fixed):
                row.steady = any(math.isclose(row.ratio, other, rel_tol=max(1e-4, self.noise)) for other in others)
                if row.true.size == 1 and not row.steady:
                    row.ratio = math.nan

    def _sizes(self, tape: Tape | None) -> tuple[int, ...]:
        scales = [
            abs(float(source.value.ravel()[0]))
            for node in (tape.useful() if tape is not None else [])
            if node.op in ("multiply", "divide")
            for source in node.inputs
            if not source.needs and source.value.size == 1
        ]
        return self.program.sizes(scales, tape.means() if tape is not None else [])

    def _updated(self, point: int) -> Point:
        """The parameters as the last call at a point left them, where `grads` updates them itself."""
        if self.fixed:
            return {}
        self.program.grads(self.points[point])
        left = self.program.after
        return {name: np.asarray(left[name], float) for name in self.truths[point] if name in left}

    def _point_out(self, point: Point, diagnoses: dict[str, Diagnosis]) -> None:
        """Where the backward pass can be recorded, name the line of it that is wrong, too."""
        if all(diagnosis.wrong_value is None for diagnosis in diagnoses.values()):
            return
        try:
            self.program.loss(point)
            self.program.rewind()
            copies = {name: value.copy() for name, value in point.items()}
            nodes = trace(self.program.backward, copies, self.program.functions).nodes
        except Exception:  # noqa: BLE001 (a backward pass that cannot be recorded is judged all the same)
            return
        point_out(nodes, diagnoses)

    def _clipped(self, report: Report, evidence: list[dict[str, Evidence]]) -> Report:
        """Clipping at 1 or more keeps an update from exploding; so does any that is idle at the user's own point."""
        if any(diagnosis.mistake != CLIPPED for diagnosis in report.diagnoses.values()):
            return report
        bounds = [float(np.abs(report.tensors[name].given).max()) for name in report.diagnoses]  # type: ignore[arg-type]
        idle = not any(diagnosis.wrong for diagnosis in evidence[0].values())
        if not idle and min(bounds) < CUSTOMARY:
            return report
        for name in report.diagnoses:
            report.tensors[name].wrong = False
            report.tensors[name].pattern = ""
        report.notes.append(
            f"The gradients of {', '.join(report.diagnoses)} are right before they are clipped; the clipping is taken "
            "for a part of the update."
        )
        return Report("right", report.tensors, notes=report.notes)


def _difference(along: Callable[[float], float], middle: float, noise: float) -> tuple[float, float]:
    """The slope at 0 of a loss that is not rounded, and its error: infinite at a kink.

    (4·D(h/2) − D(h)) / 3 of central differences D. What the slopes to the right and to the left differ by halves with
    the step where the loss is smooth, and stays where it has a kink.
    """
    slopes: list[float] = []
    bends: list[float] = []
    for step in (2 * STEP, STEP):
        ahead, behind = along(step), along(-step)
        slopes.append((ahead - behind) / (2 * step))
        bends.append(abs(ahead - 2 * middle + behind) / step)
    value = (4 * slopes[1] - slopes[0]) / 3
    kink = bends[1] > 0.75 * bends[0] and bends[1] > 1e-4 * abs(value) + 8 * noise / STEP + 1e-9 * (1 + abs(middle))
    return value, math.inf if kink else 1e-2 * abs(slopes[1] - slopes[0]) + 2 * noise / STEP


def _first_wrong(evidence: list[dict[str, Evidence]]) -> int | None:
    return next((call for call in (3, 2, 1, 0) if any(row.wrong for row in evidence[call].values())), None)


def _count(evidence: list[dict[str, Evidence]]) -> int:
    return sum(row.wrong for found in evidence for row in found.values())


def _along(gradient: Point, way: Point) -> float:
    return sum(float((value * way[name]).sum()) for name, value in gradient.items())
