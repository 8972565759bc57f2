"""A program of plain NumPy as the check calls it: a loss and its gradients, by names, each call from the same state."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.check.subject.subject import Point, Streams, leaves, rebuilt
from pellucid.check.subject.surroundings import surroundings


class CheckedProgram:
    """The two functions, called so that nothing of one call decides the next.

    Arguments are copies, random streams are set back, and the dict that the program itself holds has the values that
    are asked for. The parameters are a dict of arrays; or a list of them, or any nest of dicts, lists and tuples, whose
    arrays are then named by their paths: "0", "layers[1].w".
    """

    def __init__(self, loss: Callable[[Any], Any], grads: Callable[[Any], Any] | None, params: Any) -> None:
        self.start, self._kept = _checked(params)
        self._loss, self._grads, self._params = loss, grads, params
        seen = [place.value for place in surroundings(loss, *([] if grads is None else [grads]))]
        self._arrays = [value for value in seen if isinstance(value, np.ndarray) and not _among(value, self._kept)]
        self._streams = Streams(loss, grads)
        self.functions = [
            function for function in (loss, grads) if function is not None
        ]  # whose surroundings are recorded too
        self.after: Point = {}  # the parameters as the last call of `grads` left them

    def function(self, point: Point) -> Any:
        """`loss` of a point by names: what is recorded."""
        return self._loss(self._nest(point))

    def backward(self, point: Point) -> Any:
        """`grads` of a point by names."""
        return self._grads(self._nest(point)) if self._grads is not None else None

    def loss(self, point: Point) -> float:
        with np.errstate(all="ignore"):
            return _number(self._loss(self._nest(self._given(point))))

    def grads(self, point: Point) -> dict[str, Any] | str:
        """The gradients by name, or what is wrong with what `grads` returned."""
        self.loss(point)  # a forward pass may leave behind what the backward pass reads
        given = self._given(point, wholly=True)
        with np.errstate(all="ignore"):
            result = self.backward(given)
        self.after = given
        return self.named(result)

    def named(self, result: Any) -> dict[str, Any] | str:
        """Gradients in whatever form they were returned, by the names of the parameters."""
        named = self._by_name(result)
        if isinstance(named, str):
            return named
        for name in self.start:  # {"dW": …} is what people write, too
            for alias in (f"d{name}", f"grad_{name}", f"d_{name}", f"{name}_grad"):
                if name not in named and alias in named:
                    named[name] = named.pop(alias)
        return {name: None if value is None else np.array(value) for name, value in named.items()}

    def _by_name(self, result: Any) -> dict[str, Any] | str:
        mapping = isinstance(self._params, Mapping)
        if isinstance(result, tuple) and len(result) == 2 and (mapping or not _alike(result, self._params)):
            kinds = (Mapping,) if mapping else (Mapping, list, tuple)  # (loss, gradients), in either order
            result = result[1] if isinstance(result[1], kinds) else result[0]
        if isinstance(result, Mapping) and (mapping or not isinstance(result, list | tuple)):
            flat = any(isinstance(value, Mapping | list | tuple) for value in result.values())
            return {str(n): v for n, v in (leaves(result) if flat else result.items())}
        if mapping:
            return f"grads returned {type(result).__name__} where a dict of arrays by name is expected."
        if isinstance(self._params, list | tuple):
            if not _alike(result, self._params):
                many = f" of {len(result)}" if isinstance(result, list | tuple) else ""
                return (
                    f"grads returned {type(result).__name__}{many} where {type(self._params).__name__} of "
                    f"{len(self._params)} is expected, in the order of the parameters."
                )
            return {_name(path): value for path, value in leaves(result)}
        return {"params": result}

    def _nest(self, point: Point) -> Any:
        """The parameters in the form in which the program has them."""
        if isinstance(self._params, Mapping):
            if all(name in self._params for name in point):
                return point
            return rebuilt(self._params, point)
        if isinstance(self._params, list | tuple):
            return rebuilt(self._params, {f"[{n}]" if n.isdigit() else n: value for n, value in point.items()})
        return point["params"]

    def sizes(self, scales: list[float], means: list[int]) -> tuple[int, ...]:
        """The numbers of samples, as far as they can be told.

        What the loss takes a mean over (`means`) or multiplies by (`scales`), where some axis is as long; the first
        axis of the data; and the last one where arrays of different heights share it (samples in columns).
        """
        data = [value for value in self._arrays if value.ndim and value.size > 1]
        lengths = {n for value in data for n in (*value.shape, value.size)}
        found = list(means)
        for scale in scales:
            found += [n for n in lengths if n > 1 and (math.isclose(scale, n) or math.isclose(scale, 1 / n))]
        found += [value.shape[0] for value in data]
        wide = [value for value in data if value.ndim == 2]
        found += [
            array.shape[1]
            for array in wide
            if any(array.shape[1] == other.shape[1] and array.shape[0] != other.shape[0] for other in wide)
        ]
        return tuple(dict.fromkeys(size for size in found if size > 1))

    @contextmanager
    def undone(self) -> Iterator[None]:
        """For the length of the check: afterwards parameters and random streams are what they were."""
        before = {name: np.array(value) for name, value in self._kept.items()}
        try:
            yield
        finally:
            self._streams.restore()
            for name, value in self._kept.items():
                if isinstance(value, np.ndarray) and value.flags.writeable:
                    value[...] = before[name]

    def rewind(self) -> None:
        """All random streams to where they were."""
        self._streams.restore()

    def _given(self, point: Point, wholly: bool = False) -> Point:
        if wholly:
            self._streams.restore()
        else:
            self._streams.rewind()
        for name, value in self._kept.items():  # for a program that reads them where it defined them
            if isinstance(value, np.ndarray) and value.dtype == np.float64 and value.flags.writeable:
                value[...] = point[name]
        return {name: value.copy() for name, value in point.items()}


def _among(value: Any, params: Mapping[str, Any]) -> bool:
    return any(value is known for known in params.values())


def _alike(result: Any, params: Any) -> bool:
    return isinstance(result, list | tuple) and len(result) == len(params)


def _name(path: str) -> str:
    """The name of an array in a list: "0" for the path "[0]"; a longer path stays as it is."""
    inner = path[1:-1]
    return inner if path.startswith("[") and inner.isdigit() else path


def _checked(params: Any) -> tuple[Point, dict[str, Any]]:
    """The parameters in float64 by name, and the program's own arrays by the same names."""
    if isinstance(params, Mapping | list | tuple):
        found = {_name(path): value for path, value in leaves(params)}
    else:
        found = {"params": params} if isinstance(params, np.ndarray | np.generic | float) else {}
    if not found:
        raise TypeError(
            f"params is a dict of arrays by name (or a list of arrays), received {type(params).__name__}: write "
            "{'w': w, 'b': b}."
        )
    nested = isinstance(params, Mapping) and any(isinstance(value, Mapping | list | tuple) for value in params.values())
    if nested:  # what else stands among them, a name or a size, is handed on as it is
        found = {name: value for name, value in found.items() if np.asarray(value).dtype.kind == "f"}
    result: Point = {}
    for name, value in found.items():
        array = np.asarray(value)
        if array.dtype.kind not in "fiu":
            raise TypeError(f"params[{name!r}] holds {array.dtype}: an array of real numbers is expected.")
        result[name] = array.astype(float)
    return result, found


def moved(start: Point, rng: np.random.Generator) -> Point:
    """The parameters, each moved by a part of its spread: a bias of zeros is zero no longer."""
    result: Point = {}
    for name, value in start.items():
        spread = float(value.std()) if value.size > 1 else 0.0
        size = max(0.3 * spread, 0.05 * float(np.abs(value).mean()) if value.size else 0.0, 0.02)
        result[name] = np.asarray(value + size * rng.normal(size=value.shape))
    return result


def _number(result: Any) -> float:
    if isinstance(result, tuple | list) and result:
        result = result[0]
    array = np.asarray(result)
    if array.size != 1 or array.dtype.kind not in "fiu":
        raise TypeError(
            f"loss returned {type(result).__name__} of shape {array.shape} and dtype {array.dtype}: one number is "
            "expected. Sum or average over the samples."
        )
    return float(array.reshape(()))
