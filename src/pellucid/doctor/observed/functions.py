"""The backward of a custom `autograd.Function` against differences, along a random direction of ±1."""

from __future__ import annotations

import ast
import inspect
import textwrap
from typing import Any

import numpy as np

from pellucid.core import Tensor, enable_grad

from .record import FunctionRecord, Place

STEPS = (1e-4, 1e-6)  # the second where some of many numbers lie so near to a kink that the first goes over it


def examine(kind: type[Any], args: tuple[Any, ...]) -> list[FunctionRecord]:
    """For each argument with a gradient, its slope as the backward says and as differences say, in double precision.

    A Function that cannot be called again (it changes its arguments, or draws at random) is left out.
    """
    found: list[FunctionRecord] = []
    draw = np.random.default_rng(3)
    wide = [a.detach().double() if isinstance(a, Tensor) and a.is_floating_point() else a for a in args]
    for number, argument in enumerate(args):
        if not (isinstance(argument, Tensor) and argument.requires_grad and argument.is_floating_point()):
            continue
        try:
            along = draw.choice([-1.0, 1.0], size=tuple(argument.shape))
            slopes = _steady(kind, wide, number, along)
        except Exception:  # noqa: BLE001 (the program itself will say what is wrong with it)
            continue
        if slopes is not None:
            said, true, same = slopes
            found.append(FunctionRecord(kind.__name__, number, said, true, _line_of(kind), same))
    return found


def way_of(args: tuple[Any, ...]) -> tuple[Any, ...]:
    """Of the tensors that a Function is given: their shapes, and whether they have a gradient."""
    return tuple((tuple(a.shape), a.requires_grad) for a in args if isinstance(a, Tensor))


def _steady(kind: Any, args: list[Any], number: int, along: np.ndarray) -> tuple[float, float, bool] | None:
    """`_slopes` by a step that says the same as a smaller one: on a kink, differences tell nothing."""
    for step in STEPS:
        said, true, same = _slopes(kind, args, number, along, step)
        _, again, _ = _slopes(kind, args, number, along, step / 8)
        if abs(true - again) <= 1e-3 * max(abs(true), abs(again), 1e-6):
            return said, true, same
    return None


def _slopes(kind: Any, args: list[Any], number: int, along: np.ndarray, step: float) -> tuple[float, float, bool]:
    """As its backward says, as differences say, and whether its result is that argument as it is."""
    weights: np.ndarray | None = None
    same = False

    def value(shift: float) -> tuple[Any, Any]:
        nonlocal weights, same
        moved = list(args)
        moved[number] = args[number].new_tensor(args[number].numpy() + shift * along).requires_grad_()
        with enable_grad():
            result = kind.apply(*moved)
            first = result[0] if isinstance(result, tuple) else result
            if weights is None:
                weights = np.random.default_rng(5).uniform(0.5, 1.5, size=tuple(first.shape))
                same = np.array_equal(first.detach().numpy(), moved[number].detach().numpy())
            return (first * first.new_tensor(weights)).sum(), moved[number]

    total, leaf = value(0.0)
    total.backward()
    said = float((leaf.grad.numpy() * along).sum())
    up, down = value(step)[0].item(), value(-step)[0].item()
    return said, (up - down) / (2 * step), same


def _line_of(kind: type[Any]) -> Place | None:
    """The line of `backward` that computes, where there is one beside what it takes from its context and the names that
    it gives back, or that computes what it gives back; else that of its `def`."""
    function = getattr(kind, "backward", None)
    try:
        file = inspect.getsourcefile(function)  # type: ignore[arg-type]
        lines, first = inspect.getsourcelines(function)  # type: ignore[arg-type]
        (written,) = ast.parse(textwrap.dedent("".join(lines))).body
    except (TypeError, OSError, SyntaxError, ValueError):
        return None
    if not file or not isinstance(written, ast.FunctionDef):
        return None
    computing = [s for s in written.body if not isinstance(s, ast.Expr) and "ctx.saved" not in ast.unparse(s)]
    last = computing[-1:]
    if len(computing) == 2 and last and isinstance(last[0], ast.Return) and _hands_on(last[0].value):
        filled = any(isinstance(n, ast.Subscript) and isinstance(n.ctx, ast.Store) for n in ast.walk(written))
        computing = computing[:1] if isinstance(computing[0], ast.Assign) and not filled else computing
    given = last[0].value if last and isinstance(last[0], ast.Return) else None
    parts = given.elts if isinstance(given, ast.Tuple) else [given]
    by_last = sum(not isinstance(part, ast.Constant) for part in parts) == 1  # beside None, of what has no gradient
    by_last = by_last and any(isinstance(part, ast.BinOp | ast.Call) for part in parts)
    at = computing[0] if len(computing) == 1 else last[0] if by_last else written
    return file, first + at.lineno - 1


def _hands_on(given: ast.expr | None) -> bool:
    """Whether names alone are given back, or nothing."""
    parts = given.elts if isinstance(given, ast.Tuple) else [given]
    return all(isinstance(part, ast.Name | ast.Constant) for part in parts)
