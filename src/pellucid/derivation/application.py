"""One op, applied to given tensors: its result, its vector-Jacobian product, its Jacobian, and that by differences."""

from __future__ import annotations

from collections.abc import Callable, Generator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.autograd.numeric import STEPS, slope
from pellucid.core import Tensor, enable_grad, from_data, no_grad
from pellucid.core.context import state
from pellucid.declare import Op
from pellucid.errors import argument_names
from pellucid.random import undrawn
from pellucid.reverse import grad

MOST = 64  # numbers in an input or in a result, for which a Jacobian is looked at


class Application:
    """An op applied to tensors, numbers and None, once more and apart: what is asked of it changes nothing outside.

    Attributes: `op`, `args`, `kwargs`; `names`, one for each argument; `out`, the result; `aux`, by-products by name;
    `differentiable`, the positions of the arguments that have a gradient.
    """

    def __init__(self, op: Op, args: tuple[Any, ...], kwargs: dict[str, Any], *, double: bool = False) -> None:
        self.op, self.kwargs = op, kwargs
        self.args = tuple(_apart(argument, double) for argument in args)
        self.names = argument_names(op, len(args))
        self.differentiable = [
            position
            for position, argument in enumerate(self.args)
            if isinstance(argument, Tensor)
            and argument.dtype.is_floating_point
            and (position if op.star is None else min(position, op.star)) in op.rules
        ]
        with unwatched(), same_draws(op, kwargs), enable_grad():
            self.leaves = [self.args[i].requires_grad_() for i in self.differentiable]
            given = [
                argument.clone() if i in op.mutates and argument is not None else argument
                for i, argument in enumerate(self.args)
            ]
            found = op(*given, **kwargs)
        results = found if isinstance(found, tuple) else (found,)
        self._out: Tensor = results[0]
        self._jacobians: dict[int, np.ndarray] | None = None
        self.aux = {name: _numbers(result) for name, result in zip(op.aux, results[1:], strict=False)}
        self.out = _numbers(self._out)
        if not (self._out.dtype.is_floating_point and self._out.requires_grad):
            self.differentiable, self.leaves = [], []

    @property
    def random(self) -> bool:
        """Whether the result is drawn at random."""
        return "generator" in self.op.attributes

    def values(self) -> dict[str, Any]:
        """The arguments, attributes, by-products and the result, by the names that a gradient rule has for them."""
        found: dict[str, Any] = {**dict.fromkeys(self.op.inputs), **self.op.attributes}
        found.update(self.kwargs)
        for name, entry in zip(self.names, self.args, strict=True):
            found[name] = _numbers(entry) if isinstance(entry, Tensor) else entry
        found.update(self.aux)
        found["out"] = self.out
        return found

    def array(self, position: int) -> np.ndarray:
        """The numbers of a tensor argument."""
        return _numbers(self.args[position])

    def vjp(self, g: np.ndarray) -> dict[int, np.ndarray]:
        """The gradient of each differentiable argument, where that of the result is `g`: what the engine computes."""
        if not self.differentiable:
            return {}
        seed = from_data(np.array(g, dtype=self.out.dtype).reshape(self.out.shape))
        with unwatched():
            found = grad(self._out, self.leaves, seed, retain_graph=True, allow_unused=True)
        return {
            position: np.zeros(leaf.shape) if got is None else _numbers(got)
            for position, leaf, got in zip(self.differentiable, self.leaves, found, strict=True)
        }

    def jacobians(self) -> dict[int, np.ndarray]:
        """Of each differentiable argument ∂out[j]/∂x[i], both counted row by row: shape (numbers out, numbers in).

        Row j is the vector-Jacobian product of the j-th unit vector. Empty for more than `MOST` numbers.
        """
        if self._jacobians is not None:
            return self._jacobians
        if self.out.size > MOST or any(self.array(i).size > MOST for i in self.differentiable):
            return {}
        rows: dict[int, list[np.ndarray]] = {i: [] for i in self.differentiable}
        for j in range(self.out.size):
            unit = np.zeros(self.out.size)
            unit[j] = 1
            for i, row in self.vjp(unit.reshape(self.out.shape)).items():
                rows[i].append(row.ravel())
        self._jacobians = {i: np.array(found).reshape(self.out.size, self.array(i).size) for i, found in rows.items()}
        return self._jacobians

    def numeric(self) -> dict[int, tuple[np.ndarray, np.ndarray]]:
        """The Jacobians by differences, and which of their entries have a kink at this point."""
        return {i: self._numeric(i) for i in self.differentiable}

    def _numeric(self, position: int) -> tuple[np.ndarray, np.ndarray]:
        point = self.array(position)
        found, kinks = np.zeros((self.out.size, point.size)), np.zeros((self.out.size, point.size), bool)
        for i in range(point.size):
            known: dict[float, np.ndarray] = {}

            def moved(t: float, i: int = i, known: dict[float, np.ndarray] = known) -> np.ndarray:
                if t not in known:
                    there = point.copy()
                    there.reshape(-1)[i] += t
                    known[t] = self._forward(position, there)
                return known[t]

            moves = np.ptp([moved(t) for h in STEPS for t in (h, -h)] + [moved(0.0)], axis=0) != 0
            for j in np.flatnonzero(moves).tolist():  # where an element of the result does not move its derivative is 0

                def along(t: float, j: int = j, moved: Callable[[float], np.ndarray] = moved) -> float:
                    return float(moved(t)[j])

                got = slope(along)
                found[j, i], kinks[j, i] = got.value, got.kink
        return found, kinks

    def _forward(self, position: int, array: np.ndarray) -> np.ndarray:
        given = [argument.detach().clone() if isinstance(argument, Tensor) else argument for argument in self.args]
        given[position] = from_data(array)
        with unwatched(), same_draws(self.op, self.kwargs), no_grad():
            found = self.op(*given, **self.kwargs)
        return _numbers(found[0] if isinstance(found, tuple) else found).ravel()


def _apart(entry: Any, double: bool) -> Any:
    if not isinstance(entry, Tensor):
        return entry
    made = entry.detach().cpu().clone()
    return made.double() if double and made.dtype.is_floating_point else made


def _numbers(tensor: Tensor) -> np.ndarray:
    return np.array(tensor.detach().cpu().numpy())


@contextmanager
def unwatched() -> Generator[None]:
    """No interpreter sees what is done inside."""
    before = state.interpreters
    state.interpreters = ()
    try:
        yield
    finally:
        state.interpreters = before


@contextmanager
def same_draws(op: Op, kwargs: dict[str, Any]) -> Generator[None]:
    """What the op draws at random inside was not drawn: the streams are put back."""
    if "generator" not in op.attributes:
        yield
        return
    own = kwargs.get("generator")
    with undrawn() if own is None else undrawn(own):
        yield
