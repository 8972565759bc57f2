"""A step through which a gradient flows: the formula of an optimiser, run on tensors instead of arrays.

A formula is written for arrays and changes them in place. Here each of its arrays is a `Ref`: what is stored in one
replaces the tensor that it holds, so nothing that backward will need is overwritten. At the end the parameter and the
state take over what their cells hold, each by one recorded `copy_`.
"""

from __future__ import annotations

from typing import Any

from ..core import Tensor
from ..declare import TABLE, Op
from .names import Options

__all__ = ["Ref", "follow"]


def follow(
    formula: Op, tensors: tuple[Tensor | None, ...], options: Options, constant: frozenset[int] = frozenset()
) -> None:
    """Apply ``formula`` to ``tensors`` and record it, so that what comes out can be differentiated.

    What is stored in those at the places ``constant`` counts as a constant from there on.

    Raises:
        RuntimeError: the parameter is a leaf that requires a gradient, which nothing recorded may change; clone it.
    """
    # Of what will be overwritten a copy: backward may need what it was.
    started = [
        tensor.clone() if tensor is not None and place in formula.mutates else tensor
        for place, tensor in enumerate(tensors)
    ]
    cells = [None if tensor is None else Ref(tensor, place in constant) for place, tensor in enumerate(started)]
    formula.forward(_CELLS, *cells, **options)
    for tensor, before, cell in zip(tensors, started, cells, strict=True):
        if tensor is not None and cell is not None and cell.tensor is not before:
            tensor.copy_(cell.tensor)


class Ref:
    """What stands for an array in a formula that runs on tensors."""

    __array_ufunc__ = None  # a NumPy scalar on the left leaves the operation to us

    def __init__(self, tensor: Tensor, constant: bool = False) -> None:
        self.tensor = tensor
        self.constant = constant

    @property
    def shape(self) -> Any:
        return self.tensor.shape

    @property
    def dtype(self) -> Any:
        return self.tensor.dtype

    def scratch(self, count: int) -> tuple[Ref, ...]:
        """Working memory of this shape, which nobody shares."""
        return tuple(Ref(TABLE["zeros_like"](self.tensor.detach())) for _ in range(count))

    def __float__(self) -> float:
        return float(self.tensor)

    def __setitem__(self, where: Any, value: Any) -> None:
        value = _held(value)
        if where is Ellipsis:
            self.tensor = TABLE["zeros_like"](self.tensor.detach()) + value
        else:
            self.tensor = self.tensor.masked_fill(_held(where), value)

    def __iadd__(self, other: Any) -> Ref:
        self.tensor = self.tensor + _held(other)
        return self

    def __imul__(self, other: Any) -> Ref:
        self.tensor = self.tensor * _held(other)
        return self

    def __add__(self, other: Any) -> Ref:
        return Ref(self.tensor + _held(other))

    def __mul__(self, other: Any) -> Ref:
        return Ref(self.tensor * _held(other))

    def __lt__(self, other: Any) -> Ref:
        return Ref(self.tensor < _held(other))

    def __gt__(self, other: Any) -> Ref:
        return Ref(self.tensor > _held(other))


def _held(value: Any) -> Any:
    return value.tensor if isinstance(value, Ref) else value


class _Cells:
    """The array library of a formula that runs on tensors: NumPy's names, with ``out`` for where the result goes."""

    _operators = {  # noqa: RUF012
        "add": lambda a, b: a + b,
        "subtract": lambda a, b: a - b,
        "multiply": lambda a, b: a * b,
        "divide": lambda a, b: a / b,
        "negative": lambda a: -a,
    }
    _named = {"clip": "clamp"}  # noqa: RUF012

    def __getattr__(self, name: str) -> Any:
        function: Any = self._operators.get(name) or TABLE.get(self._named.get(name, name))
        if function is None:
            raise AttributeError(f"there is no op {name!r}", name=name, obj=self)

        def call(*args: Any, out: Ref | None = None) -> Ref:
            result = function(*map(_held, args))
            if out is None:
                return Ref(result)
            out.tensor = result.detach() if out.constant else result
            return out

        setattr(self, name, call)
        return call


_CELLS = _Cells()
