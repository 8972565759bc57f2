"""The network of a program as one, whatever it is written as: what leads in a pass from the rows to the predictions.

An encoder and a head, a cell that is called step by step, a network that gives its loss beside its logits, or weights
without any module: what was done with the rows is done again with others, call by call, as it was done in that pass.
"""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from itertools import chain
from typing import Any

from pellucid.core import Tensor, apply

from .criterion import SeenOp
from .record import Place

MOST = 2000  # calls and ops of a pass
DRAWING = ("rand", "dropout", "normal", "bernoulli", "uniform", "multinomial")  # in the names of ops that draw numbers


@dataclass
class Called:
    """A module that was called by the program, not by another module, with what it was given and gave."""

    module: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any
    place: Place | None = None  # of the call

    def again(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return self.module(*args, **kwargs)


@dataclass
class _Op:
    op: Any
    args: tuple[Any, ...]
    kwargs: dict[str, Any]
    result: Any

    def again(self, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        return apply(self.op, args, kwargs)


class Composed:
    """Called as a network with rows, it gives what the pass would have predicted of them.

    Args:
        path: what is done, each after what it is made of.
        rows: the tensors that stand for the rows in it.
        prediction: the tensor that stands for what is given.
        number: of rows that it can be called with, where something of the pass belongs to as many; None of any.
    """

    def __init__(self, path: list[Called | _Op], rows: Sequence[Any], prediction: Any, number: int | None) -> None:
        self.path, self.rows, self.prediction, self.number = path, rows, prediction, number

    @property
    def called(self) -> list[Any]:
        """The modules that are called in it."""
        return list({id(step.module): step.module for step in self.path if isinstance(step, Called)}.values())

    def modules(self) -> Iterator[Any]:
        return chain.from_iterable(module.modules() for module in self.called)

    def buffers(self) -> Iterator[Any]:
        return chain.from_iterable(module.buffers() for module in self.called)

    def parameters(self) -> Iterator[Any]:
        return chain.from_iterable(module.parameters() for module in self.called)

    def __call__(self, x: Any) -> Any:
        if self.number is not None and len(x) != self.number:
            raise ValueError(f"it is known for {self.number} rows alone")
        now: dict[int, Any] = {id(rows): x for rows in self.rows}
        for step in self.path:
            result = step.again(_with(step.args, now), _with(step.kwargs, now))
            now.update(zip(map(id, leaves(step.result)), leaves(result), strict=True))
            now.update((id(rows), x) for rows in self.rows)
        return now[id(self.prediction)]


def leaves(value: Any) -> list[Any]:
    """The tensors in what a module was given or gave: in lists, dicts and objects of the program's own."""
    if isinstance(value, Tensor):
        return [value]
    if isinstance(value, slice):
        return leaves((value.start, value.stop, value.step))
    if isinstance(value, dict):
        value = list(value.values())
    elif hasattr(value, "__dataclass_fields__") or type(value).__name__ == "SimpleNamespace":
        value = list(vars(value).values())
    return [leaf for part in value for leaf in leaves(part)] if isinstance(value, list | tuple) else []


def _with(value: Any, now: dict[int, Any]) -> Any:
    """The same with other tensors, by the ids of those that were there."""
    if isinstance(value, Tensor):
        return now.get(id(value), value)
    if isinstance(value, slice):
        return slice(*(_with(part, now) for part in (value.start, value.stop, value.step)))
    if type(value) is dict:
        return {key: _with(part, now) for key, part in value.items()}
    if type(value) in (list, tuple):
        return type(value)(_with(part, now) for part in value)
    return value


def compose(called: list[Called], seen: list[SeenOp], rows: Sequence[Any], prediction: Any) -> Composed | None:
    """What leads from rows to a prediction in a pass of these calls and ops; None where it does not lead there, changes
    what is there already, draws numbers, or begins with a part of the rows."""
    beside = [_Op(op.op, op.args, op.kwargs, op.result) for op in seen if not op.module and op.op is not None]
    if not isinstance(prediction, Tensor) or len(called) + len(beside) > MOST or not rows:
        return None
    made = {id(leaf): step for step in [*beside, *called] for leaf in leaves(step.result)}
    first = made.get(id(rows[0]))
    inputs = {id(each) for each in rows}
    path, number, found = _path(made, inputs, prediction)
    others = [leaf for step in path for leaf in leaves((step.args, step.kwargs)) if id(leaf) not in inputs]
    if not found or any(isinstance(step, _Op) and _draws(step.op) for step in path):
        return None
    if first is not None and any(id(whole) in map(id, others) for whole in leaves((first.args, first.kwargs))):
        return None  # of which the rest goes in beside them
    size = len(rows[0])
    for leaf in others:
        if id(leaf) not in made and not leaf.requires_grad and leaf.dim() and size in leaf.shape[:2]:
            number = True
    return Composed(path, rows, prediction, size if number else None)


def _draws(op: Any) -> bool:
    return bool(getattr(op, "mutates", ())) or any(name in op.name for name in DRAWING)


def _path(made: dict[int, Any], inputs: set[int], prediction: Any) -> tuple[list[Any], bool, bool]:
    """What a prediction is made by, in the order in which it is; whether the number of rows stands in it, and whether
    the rows do. What is made of other things alone is taken as it is."""
    order: list[Any] = []
    done, of_rows, numbered = set[int](), set[int](), False
    todo: list[tuple[Any, bool]] = [(prediction, False)]
    while todo:
        tensor, ready = todo.pop()
        step = made.get(id(tensor))
        if id(tensor) in inputs or step is None or (id(step) in done and not ready):
            continue
        given = leaves((step.args, step.kwargs))
        if not ready:
            done.add(id(step))
            todo += [(tensor, True), *((leaf, False) for leaf in given)]
            continue
        if any(id(leaf) in inputs or id(made.get(id(leaf))) in of_rows for leaf in given):
            of_rows.add(id(step))
            order.append(step)
    rows = {leaf.shape[0] for step in order for leaf in leaves(step.args) if id(leaf) in inputs}
    for step in order:
        numbered |= any(number in rows for number in _numbers((step.args, step.kwargs)))
    return order, numbered, bool(order)


def _numbers(value: Any) -> list[int]:
    """The whole numbers in what an op was given, as the shape of a view has them."""
    if isinstance(value, int) and not isinstance(value, bool):
        return [value]
    if isinstance(value, slice):
        value = (value.start, value.stop)
    if isinstance(value, dict):
        value = list(value.values())
    return [number for part in value for number in _numbers(part)] if isinstance(value, list | tuple) else []
