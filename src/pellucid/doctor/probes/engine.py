"""An engine of the program's own, values with `data` and `grad`: the local rule of each op, compared with differences.

After a pass the engine's values are there with their closures. Each is asked by itself: with a gradient of 1 at the
output, what does its rule add to the inputs? And how does the output change when an input does?
"""

from __future__ import annotations

import ast
import inspect
import math
import textwrap
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.doctor.process.lab import Lab, PassOutcome, PassRun, Work
from pellucid.doctor.process.paths import Scope, attributes, walk


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
    outcome: PassOutcome = yield PassRun(after=lambda scope: list(_wrong(scope, lab.files)))
    return outcome.said


def _wrong(scope: Scope, files: Any) -> Iterator[WrongRule]:
    seen: set[Any] = set()
    for _, value in walk(scope):
        backward = _rule_of(value)
        if backward is None or backward.__code__.co_filename not in files:
            continue
        op = backward.__qualname__.split(".<locals>")[0]
        inputs = {name: cell for name, cell in _cells(backward).items() if _is_value(cell) and cell is not value}
        key = (op, tuple(sorted(inputs)))
        if not inputs or sum(known[:2] == key for known in seen) >= 6:
            continue
        seen.add((*key, len(seen)))
        yield from _compare(value, backward, op, inputs)


def _rule_of(value: Any) -> Any:
    if not _is_value(value):
        return None
    for _, item in attributes(value):  # `_backward`, `grad_fn`, `back`: a closure over the values that it came from
        if getattr(item, "__code__", None) is not None and any(map(_is_value, _cells(item).values())):
            return item
    return None


def _is_value(value: Any) -> bool:
    data = getattr(value, "data", None)
    return hasattr(value, "grad") and isinstance(data, float | int | np.floating) and not isinstance(data, bool)


def _cells(function: Any) -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, cell in zip(function.__code__.co_freevars, function.__closure__ or (), strict=False):
        try:
            found[name] = cell.cell_contents
        except ValueError:
            continue
    return found


def _compare(out: Any, backward: Any, op: str, inputs: dict[str, Any]) -> Iterator[WrongRule]:
    forward = _forward(out, op, _cells(backward))
    if forward is None or len({id(v) for v in inputs.values()}) < len(inputs):
        return
    values = [out, *inputs.values()]
    before = [(v, v.data, v.grad) for v in values]
    try:
        for name, value in inputs.items():
            size = 1e-5 * max(1.0, abs(value.data))
            middle = value.data
            value.data = middle + size
            high = forward()
            value.data = middle - size
            low = forward()
            value.data = middle
            true = (high - low) / (2 * size)
            here = forward()
            kink = abs((high - here) - (here - low)) > 1e-3 * abs(high - low) + 1e-12
            claimed, added = (_claimed(out, backward, values, value, start) for start in (0.0, 1.0))
            if kink or not all(map(math.isfinite, (true, claimed, added))):
                continue
            wrong = abs(claimed - true) > 1e-4 * max(1.0, abs(true))
            lost = not wrong and abs(added - 1.0 - claimed) > 1e-9 * max(1.0, abs(claimed))
            if wrong or lost:
                kind = "wrong" if wrong else "overwrites"
                others = [v.data for n, v in inputs.items() if n != name]
                yield WrongRule(
                    op, name, claimed, true, kind, *_line(backward, name), _mistake(claimed, true, kind, others)
                )
    except Exception:  # noqa: BLE001 (an op that cannot be called by itself is left out)
        return
    finally:
        for value, data, grad in before:
            value.data, value.grad = data, grad


def _claimed(out: Any, backward: Any, values: list[Any], value: Any, start: float) -> float:
    for item in values:
        item.grad = 0.0
    value.grad = start
    out.grad = 1.0
    if inspect.signature(backward).parameters:
        backward(1.0)
    else:
        backward()
    return float(value.grad)


def _forward(out: Any, op: str, cells: dict[str, Any]) -> Any:
    """The op itself, called anew on its inputs; None where what it was called with is not known."""
    method = getattr(type(out), op.rpartition(".")[2], None)
    if method is None:
        return None
    given: list[Any] = []
    for name, parameter in inspect.signature(method).parameters.items():
        if name in cells:
            given.append(cells[name])
        elif parameter.default is parameter.empty:
            return None
    return lambda: float(method(*given).data)


def _line(backward: Any, name: str) -> tuple[str, int]:
    """The line of a rule that writes the gradient of one input."""
    code = backward.__code__
    try:
        lines, first = inspect.getsourcelines(code)
        tree = ast.parse(textwrap.dedent("".join(lines)))
    except (OSError, SyntaxError):
        return code.co_filename, code.co_firstlineno
    for node in ast.walk(tree):
        target = (
            node.target
            if isinstance(node, ast.AugAssign)
            else node.targets[0]
            if isinstance(node, ast.Assign)
            else None
        )
        if isinstance(target, ast.Attribute) and isinstance(target.value, ast.Name) and target.value.id == name:
            return code.co_filename, first + target.lineno - 1
    return code.co_filename, code.co_firstlineno + 1


def _mistake(claimed: float, true: float, kind: str, others: list[float]) -> str:
    if kind == "overwrites":
        return "dropped-term"
    if claimed == 0.0:
        return "zero-gradient"
    if math.isclose(claimed, -true, rel_tol=1e-4):
        return "sign"
    if math.isclose(claimed, 1.0, rel_tol=1e-9) and not others:
        return "missing-activation-derivative"
    ratio = claimed / true if true else math.inf
    if any(math.isclose(ratio, factor, rel_tol=1e-4) for factor in (2.0, 0.5, 3.0, 1 / 3)):
        return "constant-factor"
    return "swapped-tensors" if others else "derivative-at-wrong-point"
