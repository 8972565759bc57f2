"""`detect_anomaly`: stop at the first op that makes a NaN or an infinity, forward or backward, and say where.

An interpreter behind the door: it sees each op with its inputs and its result. What counts as made by an op: a NaN in
the result where no input has one, an infinity where no input has one and none was asked for by number (a mask of
-inf is nobody's mistake).
"""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid import backend

from ..core.application import OpNode
from ..core.context import state
from ..core.declaration import Declaration
from ..core.door import Interpreter, below
from ..core.node import Node
from ..core.tensor import Tensor
from ..errors import argument_names, describe, user_line
from ..types.bfloat16 import is_narrow, widened


class AnomalyError(RuntimeError):
    """A NaN or an infinity appeared; `op` made it, `where` in the user's code, in the "forward" or "backward" pass."""

    def __init__(self, message: str, op: str, where: str | None, phase: str) -> None:
        super().__init__(message)
        self.op, self.where, self.phase = op, where, phase


class _Detector(Interpreter):
    """The interpreter."""

    made: tuple[Node, str] | None = None  # in a Function's backward the first NaN, which may not get out of it

    def returned(self, node: Node, gradients: tuple[Any, ...]) -> None:
        """Raise where a Function's backward returns a NaN: one that it only made on the way does no harm."""
        for index, gradient in enumerate(gradients):
            if _faults(gradient)[0]:
                within = self.made[1] if self.made is not None and self.made[0] is node else ""
                first = f" (in its step {within})" if within else ""
                title = f"detect_anomaly: the backward pass of {node.name()} is the first to make NaN{first}"
                raise AnomalyError(_lines(title, node, index), node.name(), node.where, "backward")

    def apply(self, op: Declaration, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        before = [_faults(argument) for argument in args]  # before the op, which may work in place
        ranges = [_range(argument) for argument in args]
        result = below(self, op, args, kwargs)
        first = result[0] if isinstance(result, tuple) else result
        if not args or not isinstance(first, Tensor):
            return result  # an op that gets no tensor (full, empty) is not at fault
        node = first.grad_fn
        if node is not None and node.where is None:
            node.where = user_line()
        nan, infinite = _faults(first)
        asked = any(
            isinstance(argument, float) and not math.isfinite(argument) for argument in (*args, *kwargs.values())
        )
        if nan and isinstance(state.node, Node) and not isinstance(state.node, OpNode):
            self.made = self.made if self.made is not None and self.made[0] is state.node else (state.node, op.name)
            return result
        if nan and not any(faults[0] for faults in before):
            raise _found("NaN", op, args, ranges, first)
        if infinite and not asked and not any(faults[0] or faults[1] for faults in before):
            raise _found("infinity", op, args, ranges, first)
        for argument, (broken, _) in zip(args, before, strict=True):
            if broken and isinstance(argument, Tensor) and argument.is_leaf and state.node is None and nan:
                raise _found("NaN in what it was given", op, args, ranges, first)
        return result


def _faults(value: Any) -> tuple[bool, bool]:
    """Whether there is a NaN, and whether there is an infinity."""
    if not isinstance(value, Tensor):
        return (isinstance(value, float) and math.isnan(value)), (isinstance(value, float) and math.isinf(value))
    array = widened(value._array) if is_narrow(value._array) else value._array
    if array.dtype.kind != "f" or array.size == 0:
        return False, False
    xp = backend.of_array(array).xp
    return bool(xp.isnan(array).any()), bool(xp.isinf(array).any())


def _range(value: Any) -> str:
    if not isinstance(value, Tensor):
        return repr(value)
    array = widened(value._array) if is_narrow(value._array) else value._array
    if array.size == 0:
        return "empty"
    if array.dtype.kind != "f":
        return f"from {array.min()} to {array.max()}"
    finite = array[np.isfinite(array)] if isinstance(array, np.ndarray) else array
    text = f"from {float(finite.min()):.4g} to {float(finite.max()):.4g}" if finite.size else "nothing finite"
    lost = array.size - finite.size
    return text + (f", {lost} of {array.size} not finite" if lost else "")


def _found(what: str, op: Declaration, args: tuple[Any, ...], ranges: list[str], result: Tensor) -> AnomalyError:
    node = state.node
    where = user_line() if node is None else node.where
    phase = "forward" if node is None else "backward"
    if node is None:
        title = f"detect_anomaly: {op.name} is the first op whose output holds {what}"
    else:
        name = node.op.name if isinstance(node, OpNode) else node.name()
        title = f"detect_anomaly: the backward pass of {name} is the first to make {what} (in its step {op.name})"
    bad = int((~np.isfinite(backend.of_array(result._array).to_numpy(result._array))).sum())
    lines = [_lines(title, node, 0 if what == "NaN" else None)]
    for name, argument, interval in zip(argument_names(op, len(args)), args, ranges, strict=True):
        if argument is not None:
            lines.append(
                f"  {name}: {describe(argument)}, {interval}"
                if isinstance(argument, Tensor)
                else f"  {name}: {argument!r}"
            )
    lines.append(f"  output: {describe(result)}, {bad} of {result.numel()} not finite")
    return AnomalyError("\n".join(lines), op.name if node is None else node.name(), where, phase)


def _lines(title: str, node: Node | None, index: int | None) -> str:
    """The title, what PyTorch says of an output of a node's backward, and where the op or the node was made."""
    where = user_line() if node is None else node.where
    if node is not None and index is not None:
        title += f"\n  Function '{node.name()}' returned nan values in its {index}th output."
    return f"{title}\n  {'at ' + where if where else 'at a line that is not known'}"


class set_detect_anomaly:
    """Switch anomaly detection on or off, from here on or for the length of a `with` block."""

    def __init__(self, mode: bool = True, check_nan: bool = True) -> None:
        self._before: list[Any] = [state.interpreters]
        _switch(mode and check_nan)

    def __enter__(self) -> None:
        pass

    def __exit__(self, *_: object) -> None:
        state.interpreters = self._before.pop()


def _switch(on: bool) -> None:
    others = tuple(pushed for pushed in state.interpreters if not isinstance(pushed, _Detector))
    state.interpreters = (*others, _Detector()) if on else others


class detect_anomaly(set_detect_anomaly):
    """Stop at the first op, forward or backward, that makes a NaN or an infinity.

    The error (an `AnomalyError`, a RuntimeError) names the op, your file and line, and the ranges of its inputs. Each
    op is checked, so expect a training step to take several times as long; switch it on to find a fault.

    >>> import pellucid
    >>> with detect_anomaly():
    ...     pellucid.log(pellucid.tensor([1.0, -1.0]))
    Traceback (most recent call last):
    ...
    pellucid.record.anomaly.AnomalyError: detect_anomaly: log is the first op whose output holds NaN
    ...
    """

    def __init__(self, check_nan: bool = True) -> None:
        self._check = check_nan
        self._before = []

    def __enter__(self) -> None:
        self._before.append(state.interpreters)
        _switch(self._check)


def is_anomaly_enabled() -> bool:
    """Whether anomaly detection is on."""
    return any(isinstance(pushed, _Detector) for pushed in state.interpreters)
