"""An engine of the program's own, nodes with a number and a gradient: the local rule of each op, by differences.

The ops that a pass called are called anew, each by itself: with some gradient at the output, what does its rule add to
the gradients of the inputs? And how does the output change when an input does?
"""

from __future__ import annotations

import sys
from collections.abc import Callable, Iterator
from contextlib import suppress
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.doctor.probes.nodes import Call, Creations, Handed, number, number_name
from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun, Work
from pellucid.doctor.process.paths import Scope

ELEMENTS = 24  # of an input that are moved, each by itself
EXACT = 1e-4
SECONDS = 4.0


@dataclass
class WrongRule:
    """One op whose rule is wrong for one of its inputs."""

    op: str
    input: str
    claimed: float
    true: float
    kind: str  # "wrong", or "overwrites": right, but the gradient that was there is lost
    file: str
    line: int
    mistake: str


def rules(lab: Lab) -> Work:
    """In a laboratory: the ops of the engine whose local rules are wrong."""
    creations: list[Creations] = []

    def before(scope: Scope) -> None:
        creations.append(Creations(lab.modules, lab.files))
        creations[0].start()

    def after(scope: Scope) -> list[WrongRule]:
        try:
            return list(wrong_rules(creations[0], lab.files, lambda: lab.left() > 0.5))
        finally:
            creations[0].stop()

    outcome: PassOutcome = yield PassRun(before=before, after=after)
    return outcome.said


def wrong_rules(creations: Creations, files: Any, goes_on: Callable[[], bool] = lambda: True) -> Iterator[WrongRule]:
    """The rules that are wrong, of the calls that were taken down; `files`: those of the program."""
    creations.keeps = False
    for call in creations.calls:
        if goes_on():
            yield from _wrong(call, creations, files)


def _wrong(call: Call, creations: Creations, files: Any) -> Iterator[WrongRule]:
    nodes = list(call.inputs.values())
    before = [(node, number(node), node.grad) for node in nodes]
    try:
        with np.errstate(all="ignore"):
            yield from _compared(call, creations, files)
    except Exception:  # noqa: BLE001 (an op that cannot be called by itself is left out)
        return
    finally:
        for node, value, grad in before:
            with suppress(Exception):
                setattr(node, number_name(node), value)
                node.grad = grad


def _compared(call: Call, creations: Creations, files: Any) -> Iterator[WrongRule]:
    count = creations.count
    node = call.function()
    if creations.count != count + 1 or not hasattr(node, "grad"):
        return  # an op made of others
    value = np.asarray(number(node), dtype=float)
    again = np.asarray(number(call.function()), dtype=float)
    if value.shape != again.shape or not np.array_equal(value, again) or not np.isfinite(value).all():
        return
    rng = np.random.default_rng(3)
    seed = rng.normal(size=value.shape) + 0.5
    gradient = seed if isinstance(number(node), np.ndarray) else float(seed)
    handed = Handed(node, call, files)
    claimed, added = handed.push(gradient), handed.push(gradient, 1.0)
    doubled = handed.push(2 * gradient)
    if claimed is None or added is None or doubled is None:
        return
    for name, source in call.inputs.items():
        if name not in claimed and len(claimed) == 0:
            continue
        given = np.asarray(claimed.get(name, np.zeros(np.shape(number(source)))), dtype=float)
        places, true = _differences(call, source, seed, rng)
        if not np.isfinite(true).any():
            continue
        if given.size != np.size(number(source)):
            yield _found(call, name, handed, gradient, given, true, "wrong", "missing-broadcast-sum")
            continue
        said = given.ravel()[places]
        fine = np.isfinite(true) & np.isfinite(said)
        s, t = said[fine], true[fine]
        size = max(float(np.abs(t).max(initial=0)), 1.0 if value.size == 1 else 0.0)
        if not len(t) or size == 0:
            continue
        if np.abs(s - t).max() > EXACT * size:
            mistake = _mistake(call, source, given, places, fine, s, t, seed, np.asarray(doubled.get(name, given)))
            yield _found(call, name, handed, gradient, s, t, "wrong", mistake)
            continue
        rest = np.asarray(added.get(name, given + 1)) - 1 - given
        rounding = 1e-9 * max(1.0, float(np.abs(given).max()))
        if np.abs(rest + 1).max() <= rounding:
            yield _found(call, name, handed, gradient, s, t, "overwrites", "dropped-term")
        elif np.abs(rest).max() > rounding:  # what it adds depends on the gradients that were there
            yield _found(call, name, handed, gradient, s, t, "wrong", "swapped-tensors")


def _differences(call: Call, source: Any, seed: np.ndarray, rng: np.random.Generator) -> tuple[np.ndarray, np.ndarray]:
    """The slopes of the output, times the seed, by some elements of an input; nan at a kink."""
    name, middle = number_name(source), number(source)
    array = np.array(middle, dtype=float)
    places = np.arange(array.size) if array.size <= ELEMENTS else rng.permutation(array.size)[:ELEMENTS]

    def at(place: int, step: float) -> float:
        moved = array.copy()
        moved.reshape(-1)[place] += step
        setattr(source, name, moved if isinstance(middle, np.ndarray) else float(moved))
        return float((seed * np.asarray(number(call.function()), dtype=float)).sum())

    try:
        true = np.zeros(len(places))
        for i, place in enumerate(map(int, places)):
            step = 1e-5 * max(1.0, abs(float(array.reshape(-1)[place])))
            high, here, low = at(place, step), at(place, 0.0), at(place, -step)
            true[i] = (high - low) / (2 * step)
            if abs((high - here) - (here - low)) > 1e-3 * abs(high - low) + 1e-12:
                true[i] = np.nan
        return places, true
    finally:
        setattr(source, name, middle)


def _found(
    call: Call, name: str, handed: Handed, gradient: Any, claimed: np.ndarray, true: np.ndarray, kind: str, mistake: str
) -> WrongRule:
    file, line = line_of(call, name, handed, gradient, 1.0 if kind == "overwrites" else 0.0)
    worst = int(np.nanargmax(np.abs(claimed - true))) if np.shape(claimed) == np.shape(true) else 0
    return WrongRule(
        call.op, name, float(np.ravel(claimed)[worst]), float(np.ravel(true)[worst]), kind, file, line, mistake
    )


def line_of(call: Call, name: str, handed: Handed, gradient: Any, start: float) -> tuple[str, int]:
    """The line of a rule that changes the gradient of an input from `start`, or that returns it."""
    source = call.inputs[name]
    found: list[tuple[str, int]] = []
    returns: list[tuple[str, int]] = []
    last: dict[int, tuple[str, int]] = {}

    def trace(frame: Any, event: str, arg: Any) -> Any:
        if frame.f_code.co_filename not in handed.files:
            return None
        now = np.array(source.grad, dtype=float) if source.grad is not None else None
        if now is not None and (before[0] is None or not np.array_equal(now, before[0])):
            at = last.get(id(frame)) or last.get(id(frame.f_back))
            if at is not None:
                found.append(at)
        before[0] = now
        last[id(frame)] = (frame.f_code.co_filename, frame.f_lineno)
        if event == "return":
            returns.append(last.pop(id(frame)))
        return trace

    before: list[Any] = [None]
    outer = sys.gettrace()
    for way in handed.ways:
        source.grad = np.full(np.shape(number(source)), start) if isinstance(number(source), np.ndarray) else start
        before[0] = np.array(source.grad, dtype=float)
        handed.node.grad = gradient
        sys.settrace(trace)
        try:
            way(gradient)
        except (TypeError, AttributeError):
            continue
        finally:
            sys.settrace(outer)
        break
    inside = [at for at in found if at[0] == call.code.co_filename]
    if inside:
        return inside[-1]
    own = [at for at in returns if _within(call, at)]
    return own[-1] if own else (call.code.co_filename, call.line)


def _within(call: Call, at: tuple[str, int]) -> bool:
    lines = [line for _, _, line in call.code.co_lines() if line is not None]
    return at[0] == call.code.co_filename and min(lines) <= at[1] <= max(lines)


def _mistake(
    call: Call, source: Any, given: np.ndarray, places: np.ndarray, fine: np.ndarray, said: np.ndarray,
    true: np.ndarray, seed: np.ndarray, doubled: np.ndarray,
) -> str:  # fmt: skip
    others = [np.asarray(number(node), dtype=float) for node in call.inputs.values() if node is not source]
    if not said.any():
        return "zero-gradient"
    if _close(said, -true):
        return "sign"
    if np.allclose(doubled, given, rtol=1e-9) and given.any():
        return "missing-step"  # the gradient from above is left out
    upstream = np.broadcast_to(seed, np.shape(number(source))).ravel()[places][fine] if _fits(seed, source) else None
    if upstream is not None and _close(said, upstream):
        return "missing-activation-derivative"
    own = np.asarray(number(source), dtype=float)
    if upstream is not None and any(
        _close(said, upstream * other.ravel()[places][fine])
        for other in (*others, own)
        if others and other.size == given.size
    ):
        return "swapped-tensors"
    factors = said[true != 0] / true[true != 0]
    if len(factors) and _close(said, factors[0] * true):
        sizes = {n for node in call.inputs.values() for n in np.shape(number(node)) if n > 1}
        sizes |= {int(np.size(number(node))) for node in call.inputs.values()} - {1}
        of_batch = any(np.isclose(factors[0], f, rtol=1e-4) for n in sizes for f in (n, 1 / n))
        whole = np.isclose(factors[0], 2.0, rtol=1e-4) or np.isclose(factors[0], 0.5, rtol=1e-4)
        if of_batch and not whole:
            return "batch-factor"
        if len(factors) > 1 or whole or np.isclose(abs(factors[0]), round(abs(factors[0])), rtol=1e-4):
            return "constant-factor"
    if upstream is not None and _is_mask(said, upstream) and _is_mask(true, upstream):
        return "wrong-mask"
    if others:
        if others[0].ndim == own.ndim == 0:
            return "swapped-tensors"
        turned = [product for other in others for product in _products(seed, other) if product.shape == given.shape]
        if _is_turned(given, true, places, fine) or any(_close(given, product) for product in turned):
            return "transpose"
        return "dropped-term"
    return "derivative-at-wrong-point" if upstream is not None else "dropped-term"


def _products(seed: np.ndarray, other: np.ndarray) -> list[np.ndarray]:
    """Every product of two matrices, either of them transposed, that their shapes allow."""
    if seed.ndim != 2 or other.ndim != 2:
        return []
    pairs = [(a, b) for s in (seed, seed.T) for o in (other, other.T) for a, b in ((s, o), (o, s))]
    return [a @ b for a, b in pairs if a.shape[1] == b.shape[0]]


def _is_turned(given: np.ndarray, true: np.ndarray, places: np.ndarray, fine: np.ndarray) -> bool:
    square = given.ndim == 2 and given.shape[0] == given.shape[1]
    return square and _close(given.T.ravel()[places][fine], true)


def _fits(seed: np.ndarray, source: Any) -> bool:
    return np.shape(seed) == np.shape(number(source))


def _is_mask(values: np.ndarray, upstream: np.ndarray) -> bool:
    shares = values / upstream
    return bool((np.isclose(shares, 0) | np.isclose(shares, 1)).all())


def _close(first: np.ndarray, other: np.ndarray) -> bool:
    size = max(float(np.abs(first).max(initial=0)), float(np.abs(other).max(initial=0)))
    return bool(np.abs(first - other).max(initial=0) <= EXACT * size)
