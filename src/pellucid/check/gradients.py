"""`check.gradients`: is the gradient of any function its derivative, and if it is not, where and why?"""

from __future__ import annotations

import dataclasses
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.autograd.gradcheck import beside as moved
from pellucid.check.autopsy import Diagnosis, diagnose
from pellucid.check.autopsy.culprit import culprits
from pellucid.check.autopsy.evidence import compare, evidence_of
from pellucid.check.handwritten import backward
from pellucid.check.mistakes import DROPPED_TERM, UNKNOWN, ZERO_GRADIENT
from pellucid.check.report import Report
from pellucid.check.subject.arrays import JaxSubject, NumpySubject
from pellucid.check.subject.measure import EVERY, Measured, Measurement, Target
from pellucid.check.subject.subject import Point, Subject, named_leaves
from pellucid.check.subject.tensors import Pellucid, TensorSubject, Torch, concerns

DIRECTIONS, NEARBY = 6, 12  # directions and points that show whether a difference is a tie or a mistake
FAR, NEAR = 2.0**-18, 2.0**-26  # how far from the point they lie, and the step of a slope there
SECOND = " (second order)"


def gradients(
    function: Callable[..., Any],
    inputs: Any,
    *,
    loss: Callable[..., Any] | None = None,
    target: Any = None,
    grad: Callable[..., Any] | None = None,
    order: int = 1,
    seed: int = 0,
    every: int = EVERY,
    beside: bool = True,
) -> Report:
    """Check the gradient of a function against central differences, and say what is wrong with it.

    Args:
        function: whatever has a gradient: a function of pellucid tensors or a pellucid Module, a function of PyTorch
            tensors or a `torch.nn.Module` (differentiated by torch), a function of JAX arrays (differentiated by JAX),
            or a function of NumPy arrays that returns a number, with its gradient in `grad`.
        inputs: what it is called with: one tensor, array, or nest of them in a dict; or a tuple or list of those.
            Every floating one is differentiated by, or where some have `requires_grad`, those alone. Integers are
            handed on. So are the parameters of a module that require a gradient.
        loss: called with what the function returned (and with `target` where it is given). Without one, the outputs are
            added up with random weights.
        target: the second argument of `loss`.
        grad: for NumPy alone: `grad(*inputs)` returns the gradients in the order of the inputs, or a dict.
        order: 2 checks the gradient of the gradient too, along a random direction.
        seed: of the weights, the directions and the points beside the given one.
        every: tensors of at most this size are checked element by element, larger ones along random directions;
            where one of those disagrees, the rows, columns or entries at fault are found by bisection.
        beside: whether a gradient that is right at the point is looked at a little beside it as well. At ones and
            zeros, with which many a parameter begins, a wrong rule may give the right number.

    All is done in float64: parameters, buffers and float32 inputs are lifted, and how far the gradient in their own
    dtype is from it is reported. Random streams are set back before each call, so dropout takes the same mask each
    time. Afterwards parameters, buffers, gradients and random streams are what they were.

    A gradient is wrong where it is off by more than ten times the estimated error of the difference (and rounding). At
    a kink (relu at 0, a tie of a maximum) a point beside it is taken. The complex step is used in place of differences
    where a NumPy function allows it and both agree.

    >>> import pellucid
    >>> x = pellucid.tensor([[1.0, 2.0], [3.0, 4.0]])
    >>> gradients(lambda x: (x**3).mean(), x).status
    'right'
    >>> report = gradients(lambda x: (x**3).sum(), np.array([1.0, 2.0]), grad=lambda x: x**2)
    >>> report.status, report.diagnoses["x"].mistake
    ('wrong', 'constant-factor')

    Returns:
        A report. Its status is "inconclusive" where the function is random, not finite, or has kinks all around.

    Raises:
        TypeError: nothing floating to differentiate by, or an output that is no tensor of the library.
        ValueError: an order other than 1 and 2.
    """
    if order not in (1, 2):
        raise ValueError(f"check.gradients: order is {order!r}; 1 checks the gradient, 2 that of the gradient as well")
    if not callable(function):
        raise TypeError(f"check.gradients: the function is {type(function).__name__}, which cannot be called")
    if target is not None and loss is None:
        raise TypeError("check.gradients: a target without a loss: give loss=, which is called as loss(output, target)")
    subject = _subject(function, inputs, grad, loss, target)
    rng = np.random.default_rng(seed)
    with subject.held():
        report = _checked(subject, order, rng, every, beside)
    if report.status == "wrong":
        _explain(report, subject, seed)
    return report


def _subject(function: Any, inputs: Any, grad: Any, loss: Any, target: Any) -> Subject:
    if grad is not None:
        if concerns("torch", function, inputs) or concerns("pellucid", None, inputs):
            raise TypeError("check.gradients: grad= is for functions of NumPy arrays; tensors have one of their own")
        return NumpySubject(function, inputs, grad, loss, target)
    if concerns("torch", function, inputs):
        return TensorSubject(Torch(), function, inputs, loss, target)
    if concerns("jax", function, inputs) or concerns("jaxlib", function, inputs):
        return JaxSubject(function, inputs, loss, target)
    return TensorSubject(Pellucid(), function, inputs, loss, target)


# --- the verdict ------------------------------------------------------------------------------------------------------


def _checked(subject: Subject, order: int, rng: np.random.Generator, every: int, beside: bool) -> Report:
    notes: list[str] = []
    shapes = subject.shapes()
    weights = _weights(shapes, rng)
    first = subject.lowered_gradient(weights) if subject.lowered else None
    subject.lift()
    outs, again = subject.outputs(subject.point), subject.outputs(subject.point)
    if not all(np.isfinite(out).all() for out in outs):
        return Report("inconclusive", notes=["The function is not finite at the point: NaN or infinity comes out."])
    if not all(np.array_equal(out, other) for out, other in zip(outs, again, strict=True)):
        return Report(
            "inconclusive",
            notes=["The function gives another output each time, from random numbers of its own: fix its seed."],
        )
    if shapes != [()]:
        sizes = ", ".join(map(str, shapes))
        notes.append(f"The outputs, of shape {sizes}, were added up with random weights.")
    if first is not None:
        notes.append(_precision(subject, first, subject.gradient(subject.point, weights)))
    target = Target(subject.point, _scalar(subject, weights), lambda p: subject.gradient(p, weights), subject.analytic)
    report = _verdict(subject, target, rng, every, "", notes, beside)
    if order == 2 and report.status == "right":
        ways = {name: rng.normal(size=array.shape) for name, array in subject.point.items()}

        def along(point: Point) -> float:
            found = subject.gradient(point, weights)
            return sum(float((found[name] * ways[name]).sum()) for name in point)

        two = Target(subject.point, along, lambda p: subject.second(p, weights, ways))
        later = _verdict(subject, two, rng, every, SECOND, notes, beside)
        report = Report(later.status, {**report.tensors, **later.tensors}, later.diagnoses, notes)
    return report


def _weights(shapes: list[tuple[int, ...]], rng: np.random.Generator) -> list[Any]:
    if len(shapes) == 1 and shapes[0] == ():
        return [np.ones(())]
    return [rng.uniform(0.5, 1.5, shape) * rng.choice([-1.0, 1.0], shape) for shape in shapes]


def _scalar(subject: Subject, weights: list[Any]) -> Callable[[Point], Any]:
    def value(point: Point) -> Any:
        total: Any = 0.0
        for out, weight in zip(subject.outputs(point), weights, strict=True):
            total = total + (out * weight).sum()
        return total

    return value


def _precision(subject: Subject, first: Point, exact: Point) -> str:
    most = max(float(np.sqrt((array**2).sum())) for array in exact.values())  # a gradient that is zero but for rounding
    losses = {name: _loss(first[name], exact[name], 1e-3 * most) for name in subject.lowered if name in first}
    worst = max(losses, key=lambda name: losses[name])
    kinds = ", ".join(sorted(set(subject.lowered.values())))
    loss = f"is off by at most {losses[worst]:.1g} relatively ({worst})" if losses[worst] else "is the same"
    return f"Lifted from {kinds} to float64. The gradient in {subject.lowered[worst]} {loss}."


def _loss(rough: Any, exact: Any, least: float) -> float:
    size = max(float(np.sqrt((exact**2).sum())), least)
    return float(np.sqrt(((rough - exact) ** 2).sum())) / size if size else 0.0


def _verdict(
    subject: Subject,
    target: Target,
    rng: np.random.Generator,
    every: int,
    suffix: str,
    notes: list[str],
    beside: bool,
) -> Report:
    before = target.gradient({name: array + 0.01 for name, array in target.point.items()})
    given, again = target.gradient(target.point), target.gradient(target.point)
    if not all(
        np.array_equal(measured, other, True) for measured, other in zip(given.values(), again.values(), strict=True)
    ):
        notes.append("The gradient is another one each time it is computed, at the same point.")
    odd = sum(int((~np.isfinite(measured)).sum()) for measured in given.values())
    if odd:
        notes.append(
            f"At the point {odd} of the elements of the gradient{suffix} {'is' if odd == 1 else 'are'} not finite."
        )
    misshapen = [name for name, array in target.point.items() if given[name].shape != array.shape]
    if misshapen:
        own = target.gradient
        blank = {name: np.full(target.point[name].shape, np.nan) for name in misshapen}
        target = dataclasses.replace(target, gradient=lambda point: {**own(point), **blank})
    measurement = Measurement(target, rng, every)
    found = {name: measurement.tensor(name) for name in target.point}
    ties = _ties(found, target, rng)
    for name in ties:
        found[name].wrong, found[name].true, found[name].away = False, found[name].given, 0.0
    if ties:
        notes.append(
            f"At the point alone, the gradient{suffix} of {', '.join(ties)} is another than the difference, not beside "
            "it: there is a tie."
        )
    evidence = {name + suffix: evidence_of(name + suffix, measured, found) for name, measured in found.items()}
    for name in misshapen:
        evidence[name + suffix] = compare(name + suffix, found[name].true, given[name], 0.0, 0.0)
    error = max((measured.error for measured in found.values()), default=0.0)
    stepped = all(measured.complex for measured in found.values())
    how = "the complex step" if stepped else "central differences"
    large = sorted(name for name, measured in found.items() if target.point[name].size > every)
    notes.append(
        f"Compared with {how}{suffix}, whose estimated error is at most {error:.1g} of the largest element"
        + (f"; {', '.join(large)} along random directions." if large else ".")
    )
    kinks, lost = (
        sum(measured.kinks for measured in found.values()),
        sum(measured.left_out for measured in found.values()),
    )
    if kinks:
        notes.append(
            f"{kinks} {'element has' if kinks == 1 else 'elements have'} a kink at the point, and "
            f"{'was' if kinks == 1 else 'were'} looked at beside it{f'; {lost} could not be judged' if lost else ''}."
        )
    wrong = any(measured.wrong for measured in found.values())
    whole = sum(measured.elements for measured in found.values())
    status = "wrong" if wrong else "inconclusive" if whole and 2 * lost > whole else "right"
    if status == "right" and beside:
        there = {name: moved(array, rng) for name, array in target.point.items()}
        nearby = Measurement(dataclasses.replace(target, point=there), rng, every=0)
        if any(nearby.tensor(name).wrong for name in there):
            notes.append(f"The gradient{suffix} is right at the point that was given, and wrong a little beside it.")
            return _verdict(subject, nearby.target, rng, every, suffix, notes, False)
    report = Report(status, evidence, notes=notes)
    if wrong:
        # A gradient that is the same everywhere is no sign of a stale one.
        earlier = [
            {
                name + suffix: measured
                for name, measured in before.items()
                if not np.allclose(measured, given[name], equal_nan=True)
            }
        ]
        sizes = _sizes(subject)
        report.diagnoses = diagnose(evidence, None, [], earlier, sizes, rtol=max(1e-6, min(1e-3, 10 * error)))
        for name, measured in found.items():
            if measured.where and name + suffix in report.diagnoses:
                report.tensors[name + suffix].pattern = measured.where
    return report


def _ties(found: dict[str, Measured], target: Target, rng: np.random.Generator) -> list[str]:
    """The tensors that are wrong at the point alone, where there is no derivative to be had.

    Three elements share a mode: to move any of them changes nothing, and one has to get the gradient. The kink shows
    where several are moved at once: the slopes to the right and to the left differ, and the gradient lies between them.
    At a point where the function is smooth there is no such excuse.
    """
    wrong = [name for name, measured in found.items() if measured.wrong and np.isfinite(measured.given).all()]
    if not wrong:
        return []
    right = set(wrong)
    for _ in range(2):
        there = {name: moved(array, rng) for name, array in target.point.items()}
        nearby = Measurement(dataclasses.replace(target, point=there), rng, every=0)
        for name in wrong:
            measured = nearby.tensor(name)
            if measured.wrong or measured.left_out:
                right.discard(name)
    return [name for name in wrong if name in right and _is_between(name, target, rng)]


def _is_between(name: str, target: Target, rng: np.random.Generator) -> bool:
    """Whether there is a kink at the point, and the gradient lies between the slopes around it, along every direction.

    That is what a generalised gradient does (Clarke 1975). The slopes: to the right, to the left, and at points nearby.
    """
    array, given = target.point[name], target.gradient(target.point)[name]

    def value(moved: Any) -> float:
        return float(np.real(target.value({**target.point, name: moved})))

    middle, bent = value(array), False
    for _ in range(DIRECTIONS):
        way = rng.uniform(0.5, 1.5, array.shape) * rng.choice([-1.0, 1.0], array.shape)
        right, left = ((value(array + h * way) - middle) / h for h in (FAR, -FAR))
        around = [array + FAR * rng.normal(size=array.shape) for _ in range(NEARBY)]
        slopes = [(value(there + NEAR * way) - value(there - NEAR * way)) / (2 * NEAR) for there in around]
        own = float((given * way).sum())
        every = [right, left, *slopes]
        if not np.isfinite([own, *every]).all():
            return False
        allowed = 1e-4 * max(abs(slope) for slope in (own, *every)) + 1e-7
        bent = bent or abs(right - left) > 10 * allowed
        if not min(every) - allowed <= own <= max(every) + allowed:
            return False
    return bent


def _sizes(subject: Subject) -> tuple[int, ...]:
    """What might be the number of samples: the first axis of what the function is called with."""
    found = [
        int(leaf.shape[0]) for _, leaf in named_leaves(subject.args) if getattr(leaf, "ndim", 0) and leaf.shape[0] > 1
    ]
    return tuple(dict.fromkeys(found))


# --- the explanation --------------------------------------------------------------------------------------------------


def _explain(report: Report, subject: Subject, seed: int) -> None:
    """Beyond the numbers: by a recording of a NumPy function, by the ops of a pellucid graph one by one."""
    if isinstance(subject, NumpySubject):
        _by_recording(report, subject, seed)
    elif isinstance(subject, TensorSubject) and subject.library == "pellucid":
        with subject.held():
            subject.lift()
            second = any(name.endswith(SECOND) for name in report.diagnoses)
            found = culprits(lambda: subject.run(subject.point), 2 if second else 1, seed)
        if not found:
            for name, own in report.diagnoses.items():
                if own.mistake != ZERO_GRADIENT:
                    report.diagnoses[name] = _left_the_graph(own)
            report.notes.append("The rule of every op is right by itself, on the inputs that it had.")
            return
        first = found[0]
        for name, own in report.diagnoses.items():
            known = first.diagnosis.mistake != UNKNOWN
            report.diagnoses[name] = Diagnosis(
                first.diagnosis.mistake if known else own.mistake,
                first.diagnosis.confidence if known else own.confidence,
                f"The gradient rule of {first.name} is wrong: {first.said}",
                first.diagnosis.fix if known else own.fix,
                first.line,
                own.others if not known else [],
            )
        report.notes += [
            f"The rule of {further.name} is wrong too: {further.said} ({further.line})" for further in found[1:]
        ]


def _left_the_graph(own: Diagnosis) -> Diagnosis:
    """What is left where no rule is wrong: a path that is not in the graph."""
    return Diagnosis(
        DROPPED_TERM, 0.6,
        "No op's rule is wrong, so a part of the dependence does not go through the graph: detach(), .data, .numpy(), "
        "no_grad(), or a hook that changes a gradient.",
        "compute it with tensors throughout, or pass what is meant to be constant as a constant",
        "", [] if own.mistake in (UNKNOWN, DROPPED_TERM) else [own.mistake],
    )  # fmt: skip


def _by_recording(report: Report, subject: NumpySubject, seed: int) -> None:
    later = backward(subject.result, lambda point: subject.gradient(point, []), subject.point, seed)
    for name, diagnosis in later.diagnoses.items():
        own = report.diagnoses.get(name)
        if own is not None and diagnosis.mistake != UNKNOWN:
            report.diagnoses[name] = diagnosis  # from several points, and by what was computed
