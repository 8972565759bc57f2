"""Which op's gradient rule is wrong: each op of a computation is checked by itself, on the inputs that it had."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from dataclasses import dataclass, replace
from typing import Any

import numpy as np

from pellucid import core
from pellucid.autograd.gradcheck import beside
from pellucid.autograd.numeric import slopes
from pellucid.check.autopsy.diagnose import Diagnosis, diagnose
from pellucid.check.autopsy.evidence import Evidence, evidence_of
from pellucid.check.autopsy.regions import KNOWN
from pellucid.check.mistakes import (
    CONSTANT_FACTOR,
    DERIVATIVE_AT_WRONG_POINT,
    MISSING_ACTIVATION_DERIVATIVE,
    UNKNOWN,
    WRONG_MASK,
)
from pellucid.check.record.tape import Array
from pellucid.check.subject.measure import Measured, Measurement, Target
from pellucid.check.subject.subject import Point
from pellucid.check.subject.tensors import Pellucid, TensorSubject
from pellucid.errors import argument_names, user_line

MOST = 300  # ops that are looked at


@dataclass
class Culprit:
    """An op, or a custom `autograd.Function`, whose gradient is not its derivative."""

    name: str
    line: str
    said: str
    diagnosis: Diagnosis


@dataclass
class _Applied:
    """One application, to be repeated on other numbers."""

    name: str
    function: Callable[..., Any]
    args: tuple[Any, ...]
    line: str
    names: list[str]  # of the arguments


class _InputWatch(core.Interpreter):
    """An interpreter that keeps the inputs of every op that a gradient goes through."""

    def __init__(self) -> None:
        self.found: dict[Any, _Applied] = {}

    def apply(self, op: core.Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        if core.state.grad and any(isinstance(arg, core.Tensor) and arg.requires_grad for arg in args) and op.rules:

            def function(*tensors: Any) -> Any:
                if op.mutates:
                    tensors = (tensors[0].clone(), *tensors[1:])
                result = core.apply(op, tensors, kwargs)
                return result[0] if isinstance(result, tuple) else result

            self.keep(f"the op {op.name}", function, args, argument_names(op, len(args)))
        return core.below(self, op, args, kwargs)

    def function(self, kind: type[Any], args: tuple[Any, ...], kwargs: dict[str, Any]) -> None:
        given = list(inspect.signature(kind.forward).parameters)[kind.setup_context is None :]
        names = [given[i] if i < len(given) else str(i) for i in range(len(args))]
        self.keep(
            f"the autograd.Function {kind.__name__}", lambda *tensors: kind.apply(*tensors, **kwargs), args, names
        )

    def keep(self, name: str, function: Callable[..., Any], args: tuple[Any, ...], names: list[str]) -> None:
        line = user_line() or ""
        shapes = tuple(tuple(arg.shape) if isinstance(arg, core.Tensor) else str(arg) for arg in args)
        if (name, line, shapes) not in self.found and len(self.found) < MOST:
            copies = tuple(
                arg.detach().clone().requires_grad_(arg.requires_grad) if isinstance(arg, core.Tensor) else arg
                for arg in args
            )
            self.found[name, line, shapes] = _Applied(name, function, copies, line, names)


def culprits(run: Callable[[], Any], order: int = 1, seed: int = 0) -> list[Culprit]:
    """Run a computation and check each of its ops. `order` 2: the gradients of their gradients."""
    watch = _InputWatch()
    with core.interpreter(watch):
        run()
    found: dict[tuple[str, str], Culprit] = {}
    for applied in watch.found.values():
        if (applied.name, applied.line) in found:
            continue
        culprit = _examine(applied, order, np.random.default_rng(seed))
        if culprit is not None:
            found[applied.name, applied.line] = culprit
    return list(found.values())


def _examine(applied: _Applied, order: int, rng: np.random.Generator) -> Culprit | None:
    subject = TensorSubject(Pellucid(), applied.function, applied.args, None, None)
    with subject.held():
        subject.lift()
        try:
            outs = subject.outputs(subject.point)
        except TypeError:  # its result is of integers
            return None
        weights = [rng.uniform(0.5, 1.5, out.shape) * rng.choice([-1.0, 1.0], out.shape) for out in outs]
        target = _target(subject, weights, order, rng)
        wrong, measured = _wrong(target, rng)
        if not wrong:  # at zeros and ones a wrong rule may give the right number
            there = {name: beside(array, rng) for name, array in target.point.items()}
            subject.point = there
            wrong, measured = _wrong(replace(target, point=there), rng)
        if not wrong:
            return None
        outs = subject.outputs(subject.point)
        evidence: dict[str, Evidence] = {}
        for name, measure in wrong.items():
            evidence[name] = evidence_of(name, measure, measured)
        name, measure = next(iter(evidence.items()))
        sizes = tuple(dict.fromkeys(out.shape[0] for out in outs if out.ndim and out.shape[0] > 1))
        diagnosis = diagnose(evidence, None, [], [], sizes, rtol=1e-5)[name]
        if order == 1 and diagnosis.mistake in (UNKNOWN, CONSTANT_FACTOR):
            diagnosis = _elementwise(subject, name, outs, weights, measured[name].given) or diagnosis
    said = f"with respect to its input {name}, relative error {measure.relative_error:.2g}"
    said += f", ratio {measure.ratio:.4g}" if np.isfinite(measure.ratio) else ""
    said += ". " + (diagnosis.explanation if diagnosis.mistake != UNKNOWN else f"{measure.pattern.capitalize()}.")
    for i, own in enumerate(applied.names):
        said = said.replace(f"tensors[{i}]", own)
    return Culprit(applied.name, applied.line, said, diagnosis)


def _wrong(target: Target, rng: np.random.Generator) -> tuple[dict[str, Measured], dict[str, Measured]]:
    measurement = Measurement(target, rng, every=64)
    measured = {name: measurement.tensor(name) for name in target.point}
    return {name: measure for name, measure in measured.items() if measure.wrong}, measured


def _target(subject: TensorSubject, weights: list[Array], order: int, rng: np.random.Generator) -> Target:
    def value(point: Point) -> float:
        outs = subject.outputs(point)
        return sum(float((out * weight).sum()) for out, weight in zip(outs, weights, strict=True))

    if order == 1:
        return Target(subject.point, value, lambda point: subject.gradient(point, weights))
    ways = {name: rng.normal(size=array.shape) for name, array in subject.point.items()}

    def along(point: Point) -> float:
        found = subject.gradient(point, weights)
        return sum(float((found[name] * ways[name]).sum()) for name in point)

    return Target(subject.point, along, lambda point: subject.second(point, weights, ways))


def _elementwise(
    subject: TensorSubject, name: str, outs: list[Array], weights: list[Array], given: Array
) -> Diagnosis | None:
    """What is wrong with an activation's rule, by the factor that it puts before the gradient."""
    x = subject.point[name]
    if len(outs) != 1 or outs[0].shape != x.shape or given.shape != x.shape:
        return None
    y, (weight,) = outs[0], weights

    def derivative(at: Array) -> Array:
        return slopes(lambda t: subject.outputs({**subject.point, name: at + t})[0]).value

    def same(first: Any, other: Any) -> bool:
        return bool(np.allclose(first, other, rtol=1e-5, atol=1e-8))

    factor, right = given / weight, derivative(x)
    if same(factor, 1.0):
        return Diagnosis(
            MISSING_ACTIVATION_DERIVATIVE, 0.95,
            "It hands the gradient on unchanged, without the derivative of the function.",
            "return g * (the derivative at the input)",
        )  # fmt: skip
    with np.errstate(all="ignore"):
        if same(factor, derivative(y)):
            return Diagnosis(
                DERIVATIVE_AT_WRONG_POINT, 0.9, "The derivative is taken at the output, not at the input.",
                "save the input for backward, and take the derivative there",
            )  # fmt: skip
        for known, (function, _, by_output, of_output) in KNOWN.items():
            if same(function(x), y) and same(factor, of_output(x)):
                return Diagnosis(
                    DERIVATIVE_AT_WRONG_POINT, 0.9,
                    f"The derivative of {known} is written for the output, {by_output}, and is given the input.",
                    "save the output for backward, and put it in",
                )  # fmt: skip
    values = np.unique(right.round(6))
    if len(values) == 2 and np.isin(factor.round(6), values).all():
        return Diagnosis(
            WRONG_MASK, 0.85, "The mask is not that of the forward pass: the gradient passes where it was shut.",
            "use the mask by which forward chose, (input > 0) for relu",
        )  # fmt: skip
    return None
