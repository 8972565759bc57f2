"""Functions of plain arrays: NumPy with a gradient by hand, and JAX."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Mapping
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.check.subject.subject import (
    Array,
    Point,
    Streams,
    Subject,
    arguments,
    call,
    leaves,
    named_leaves,
    nothing_to_check,
)


class NumpySubject(Subject):
    """A function of NumPy arrays that returns a number, and one that returns its gradients."""

    library = "NumPy"
    analytic = True

    def __init__(self, function: Callable[..., Any], inputs: Any, grad: Callable[..., Any], loss: Any, target: Any):
        self.function, self.grad, self.loss, self.target = function, grad, loss, target
        self.args = arguments(function, inputs)
        found = {name: value for name, value in named_leaves(self.args) if _floating(value)}
        if not found:
            raise nothing_to_check(self.args, "Write x.astype(float) for an array of integers, 3.0 for 3.")
        self.point = {name: np.array(value, float) for name, value in found.items()}
        self.lowered = {
            name: str(value.dtype)
            for name, value in found.items()
            if isinstance(value, np.ndarray | np.generic) and value.dtype != np.float64
        }
        self.streams = Streams(function, grad, loss)

    def _call(self, function: Callable[..., Any], point: Point) -> Any:
        self.streams.rewind()
        found = {name: value.copy() if value.ndim else value[()] for name, value in point.items()}
        with np.errstate(all="ignore"):
            return call(function, self.args, {**self._copies(), **found})

    def _copies(self) -> dict[str, Any]:
        return {name: value.copy() for name, value in named_leaves(self.args) if isinstance(value, np.ndarray)}

    @contextmanager
    def held(self) -> Iterator[None]:
        try:
            yield
        finally:
            self.streams.restore()

    def result(self, point: Point) -> Any:
        """What the function returns, as it is."""
        result = self._call(self.function, point)
        if self.loss is None:
            return result
        return self.loss(result) if self.target is None else self.loss(result, self.target)

    def outputs(self, point: Point) -> list[Array]:
        result = self.result(point)
        array = np.asarray(result)
        if array.size != 1 or array.dtype.kind not in "fiuc":
            raise TypeError(
                f"check.gradients: the function returned {type(result).__name__} of shape {array.shape} and dtype "
                f"{array.dtype}; with grad= it must return one number. Give loss=np.sum, or check the layer by itself: "
                "check.layer(forward, backward, x)"
            )
        return [array.reshape(())]

    def gradient(self, point: Point, weights: list[Array]) -> Point:
        return self._named(self._call(self.grad, point), point)

    def lowered_gradient(self, weights: list[Array]) -> Point:
        given = {name: np.asarray(value) for name, value in named_leaves(self.args) if name in self.point}
        return self._named(self._call(self.grad, given), self.point)

    def second(self, point: Point, weights: list[Array], ways: Point) -> Point:
        raise TypeError(
            "check.gradients: a gradient written by hand has no second order. Check the function that it is: "
            "check.gradients(lambda x: (grad(x) * v).sum(), x, grad=second)"
        )

    def _named(self, result: Any, point: Point) -> Point:
        """The gradients by name: from a dict, from a tuple in the order of the inputs, or from one array."""
        if isinstance(result, Mapping):
            found = dict(leaves(result))
            given = [found.get(name) for name in point]
        elif isinstance(result, tuple | list) and len(result) == len(point):
            given = list(result)
        elif len(point) == 1:
            given = [result]
        else:
            raise TypeError(
                f"check.gradients: grad returned {type(result).__name__}; expected is a gradient for each of "
                f"{', '.join(point)}: a tuple in this order, or a dict by these names"
            )
        return {
            name: np.zeros(value.shape) if gradient is None else np.array(gradient, float)
            for (name, value), gradient in zip(point.items(), given, strict=True)
        }


def _floating(value: Any) -> bool:
    return isinstance(value, float) or (isinstance(value, np.ndarray | np.generic) and value.dtype.kind == "f")


class JaxSubject(Subject):
    """A JAX function, differentiated by `jax.vjp`, in 64 bits."""

    library = "JAX"

    def __init__(self, function: Callable[..., Any], inputs: Any, loss: Any, target: Any) -> None:
        self.function, self.loss, self.target = function, loss, target
        self.args = arguments(function, inputs)
        found: dict[str, Any] = {
            name: value
            for name, value in named_leaves(self.args)
            if isinstance(value, float) or (hasattr(value, "dtype") and np.dtype(value.dtype).kind == "f")
        }
        if not found:
            raise nothing_to_check(self.args, "Write x.astype(float) for an array of integers, 3.0 for 3.")
        self.point = {name: np.array(value, float) for name, value in found.items()}
        self.given = found
        self.lowered = {
            name: str(value.dtype) for name, value in found.items() if hasattr(value, "dtype") and value.dtype != float
        }

    def _total(self, point: Mapping[str, Any], weights: list[Array]) -> Any:
        import jax.numpy as jnp

        outs = self._outs(point)
        return sum(jnp.sum(out * jnp.asarray(weight, out.dtype)) for out, weight in zip(outs, weights, strict=True))

    def _outs(self, point: Mapping[str, Any]) -> list[Any]:
        import jax.numpy as jnp

        result = call(self.function, self.args, point)
        if self.loss is not None:
            result = self.loss(result) if self.target is None else self.loss(result, self.target)
        return [jnp.asarray(out) for _, out in leaves(result) if np.dtype(jnp.asarray(out).dtype).kind == "f"]

    def outputs(self, point: Point) -> list[Array]:
        return [np.array(out, float) for out in self._outs(_lifted(point))]

    def gradient(self, point: Point, weights: list[Array]) -> Point:
        import jax

        return _plain(jax.grad(self._total)(_lifted(point), weights))

    def lowered_gradient(self, weights: list[Array]) -> Point:
        import jax

        return _plain(jax.grad(self._total)(dict(self.given), weights))

    def second(self, point: Point, weights: list[Array], ways: Point) -> Point:
        import jax
        import jax.numpy as jnp

        def along(at: Any) -> Any:
            first = jax.grad(self._total)(at, weights)
            return sum(jnp.sum(first[name] * ways[name]) for name in at)

        return _plain(jax.grad(along)(_lifted(point)))

    @contextmanager
    def held(self) -> Iterator[None]:
        import jax

        if hasattr(jax, "enable_x64"):
            wide = jax.enable_x64(True)
        else:  # before 0.8
            from jax.experimental import enable_x64  # pyright: ignore[reportAttributeAccessIssue]

            wide = enable_x64()
        with wide:
            yield


def _lifted(point: Point) -> dict[str, Any]:
    import jax.numpy as jnp

    return {name: jnp.asarray(value, np.float64) for name, value in point.items()}


def _plain(found: Mapping[str, Any]) -> Point:
    return {name: np.array(value, float) for name, value in found.items()}
