"""Sides of `parity` that are functions: of JAX, which differentiates them, or of NumPy, with gradients by hand."""

from __future__ import annotations

import copy
import importlib
import inspect
from collections.abc import Callable, Mapping
from contextlib import AbstractContextManager
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.check.handwritten import backward
from pellucid.check.parity.sides import Array, Batch, Key, cast, leaves, to_array
from pellucid.check.report import Report


@dataclass(frozen=True)
class JAX:
    """A side of `parity`: a function of JAX.

    Attributes:
        function: `function(params, *inputs)`, which gives the output, or `(output, {name: array})` with what there is
            between the layers, to be compared by name. Or a `flax.linen` module without batch statistics.
        params: its parameters, any pytree of arrays; their values are replaced by those of the other side. Without it
            the function gets a flat dict by the other side's names.
    """

    function: Any
    params: Any = None


@dataclass(frozen=True)
class NumPy:
    """A side of `parity`: gradients that were written by hand, as for `check.backward`.

    Attributes:
        loss: `loss(params, *inputs, target)`, a number.
        grads: `grads(params, *inputs, target)`, a dict of arrays by the names of the parameters.
        params: a dict of arrays; their values are replaced by those of the other side. Without it the functions get a
            dict by the other side's names.
        forward: `forward(params, *inputs)`, a dict of what there is between the layers, to be compared by name.
    """

    loss: Callable[..., Any]
    grads: Callable[..., Any]
    params: Mapping[str, Any] | None = None
    forward: Callable[..., Mapping[str, Any]] | None = None


class _FunctionSide:
    """What both have: a flat dict of parameters, and an optimiser that is a function of it."""

    framework = ""

    def __init__(self, params: Mapping[str, Array] | None, optimizer: Any, lr: float, double: bool) -> None:
        self._dtype = np.float64 if double else np.float32
        self.takes_any_names = params is None
        self._params = {name: cast(np.array(value), self._dtype) for name, value in (params or {}).items()}
        self._gradients: dict[str, Array] = {}
        self._optimizer, self._lr = optimizer, lr
        self._state: Any = {}
        if optimizer is not None and not callable(optimizer) and not hasattr(optimizer, "update"):
            raise TypeError(
                f"the optimizer of a function is update(params, gradients, state), which gives the new params, or one "
                f"of optax; received {type(optimizer).__name__} for {self.framework}."
            )

    def parameters(self) -> dict[str, Array]:
        return {name: value.copy() for name, value in self._params.items()}

    def buffers(self) -> dict[str, Array]:
        return {}

    def load(self, values: Mapping[str, Array]) -> None:
        for name, value in values.items():
            self._params[name] = cast(np.array(value, order="C"), self._dtype)

    def update(self) -> None:
        before = self.parameters()
        if self._optimizer is None:
            after = {name: value - self._lr * self._gradients[name] for name, value in before.items()}
        else:
            # State and gradients are its own to change in place.
            given = self._optimizer(before, copy.deepcopy(self._gradients), self._state)
            after = before if given is None else given
            if not isinstance(after, Mapping) or set(after) != set(before):
                raise TypeError(
                    f"the optimizer of {self.framework}, update(params, gradients, state), must give the new params, "
                    f"or change them in place and give None; it gave {type(after).__name__}."
                )
        self._params = {name: cast(to_array(value), self._dtype) for name, value in after.items()}

    def describe(self, kind: str, name: str) -> dict[str, Any]:
        if kind in ("update", "parameter"):
            if self._optimizer is None:
                return {"optimizer": "plain gradient descent", "lr": self._lr}
            return {"optimizer": getattr(self._optimizer, "__name__", type(self._optimizer).__name__)}
        return {}

    def _backward(self, gradients: Mapping[str, Any]) -> dict[Key, Array]:
        """From the loss backwards, as far as the order of the parameters tells."""
        self._gradients = {name: to_array(value) for name, value in gradients.items()}
        return {("gradient", name): self._gradients[name] for name in reversed(self._params)}


class NumPySide(_FunctionSide):
    framework = "NumPy"

    def __init__(self, side: NumPy, loss: Any, optimizer: Any, lr: float, double: bool, training: bool | None) -> None:
        params = None if side.params is None else {str(name): to_array(value) for name, value in side.params.items()}
        super().__init__(params, optimizer, lr, double)
        self._side = side

    def run(self, batch: Batch, seed: int) -> dict[Key, Array]:
        batch = [cast(array, self._dtype) for array in batch]
        tensors: dict[Key, Array] = {}
        if self._side.forward is not None:
            outputs = self._call(self._side.forward, batch[:-1], seed)
            tensors |= {("output", str(name)): to_array(value) for name, value in outputs.items()}
        tensors["loss", ""] = to_array(self._call(self._side.loss, batch, seed))
        given = self._call(self._side.grads, batch, seed)
        if isinstance(given, tuple) and len(given) == 2:  # (loss, gradients)
            given = given[1]
        if not isinstance(given, Mapping):
            raise TypeError(f"grads(params, …) must give a dict of arrays by name; it gave {type(given).__name__}.")
        gradients = {name: given.get(name, given.get(f"d{name}")) for name in self._params}
        missing = [name for name, value in gradients.items() if value is None]
        if missing:
            raise ValueError(
                f"grads gave no gradient for {', '.join(missing)}. "
                f"Expected: {', '.join(self._params)}; received: {', '.join(map(str, given))}."
            )
        return {**tensors, **self._backward(gradients)}

    def autopsy(self, params: dict[str, Array], batch: Batch) -> Report:
        """The gradients against the loss that they belong to: right or wrong, and with which mistake."""
        loss, grads = self._side.loss, self._side.grads
        return backward(lambda p: loss(p, *batch), lambda p: grads(p, *batch), params)

    def _call(self, function: Callable[..., Any], batch: Batch, seed: int) -> Any:
        np.random.seed(seed)  # noqa: NPY002 (the stream that a function of plain NumPy draws from)
        with np.errstate(all="ignore"):
            return function(self.parameters(), *(array.copy() for array in batch))


class JAXSide(_FunctionSide):
    framework = "JAX"

    def __init__(self, side: JAX, loss: Any, optimizer: Any, lr: float, double: bool, training: bool | None) -> None:
        self._jax = _jax()
        self._double = double
        self._function = _flax(side.function)
        self._loss = _loss(loss)
        self._tree: Any = None
        params = None
        if side.params is not None:
            found, self._tree = self._jax.tree_util.tree_flatten_with_path(side.params)
            params = {".".join(_step(step) for step in path): to_array(value) for path, value in found}
        optax = optimizer if hasattr(optimizer, "init") and hasattr(optimizer, "update") else None
        super().__init__(params, optimizer, lr, double)
        if optax is not None:
            self._optimizer = self._with(optax)

    def run(self, batch: Batch, seed: int) -> dict[Key, Array]:
        def forward(params: Any, inputs: Any, target: Any) -> Any:
            given = self._function(self._nested(params), *inputs)
            pair = isinstance(given, tuple) and len(given) == 2 and isinstance(given[1], Mapping)
            output, between = given if pair else (given, {})
            return self._loss(output, target), (between, output)

        with self._precision():
            *inputs, target = (self._jax.numpy.asarray(cast(array, self._dtype)) for array in batch)
            params = {name: self._jax.numpy.asarray(value) for name, value in self._params.items()}
            (loss, (between, output)), gradients = self._jax.value_and_grad(forward, has_aux=True)(
                params, inputs, target
            )
            outputs = {**between, **dict(leaves(output))}
            tensors = {("output", str(name)): to_array(value) for name, value in outputs.items()}
            return {**tensors, ("loss", ""): to_array(loss), **self._backward(gradients)}

    def _nested(self, params: dict[str, Any]) -> Any:
        """The parameters in the structure that the function knows them in."""
        if self._tree is None:
            return params
        # In our order: JAX sorts the keys of a dict that it passes through.
        return self._jax.tree_util.tree_unflatten(self._tree, [params[name] for name in self._params])

    def _precision(self) -> AbstractContextManager[Any]:
        """JAX has no float64 unless it is switched on."""
        if hasattr(self._jax, "enable_x64"):
            return self._jax.enable_x64(self._double)
        return self._jax.experimental.enable_x64(self._double)  # before JAX 0.8

    def _with(self, optax: Any) -> Callable[..., Any]:
        def update(params: dict[str, Array], gradients: dict[str, Array], state: dict[str, Any]) -> Any:
            with self._precision():
                tree, slopes = self._nested(params), self._nested(gradients)
                if "optax" not in state:
                    state["optax"] = optax.init(tree)
                steps, state["optax"] = optax.update(slopes, state["optax"], tree)
                after = self._jax.tree_util.tree_leaves(self._jax.tree_util.tree_map(np.add, tree, steps))
                before = self._jax.tree_util.tree_leaves(self._nested({name: name for name in params}))
                return {name: np.asarray(value) for name, value in zip(before, after, strict=True)}

        update.__name__ = "optax"
        return update


def _jax() -> Any:
    try:
        return importlib.import_module("jax")
    except ImportError as error:
        raise ImportError("parity with a function of JAX runs JAX, which is not installed: pip install jax") from error


def _flax(function: Any) -> Callable[..., Any]:
    """A `flax.linen` module as a function of its parameters, with what is between its layers."""
    if any(base.__module__.split(".")[0] == "flax" for base in type(function).__mro__):
        if not hasattr(function, "apply"):
            raise TypeError(
                f"{type(function).__name__} is a module of flax.nnx: write a function of params and inputs, with "
                "flax.nnx.split and flax.nnx.merge."
            )

        def apply(params: Any, *inputs: Any) -> Any:
            output, kept = function.apply(
                {"params": params}, *inputs, capture_intermediates=True, mutable=["intermediates"]
            )
            return output, dict(_named(kept["intermediates"]))

        return apply
    if not callable(function):
        raise TypeError(f"the function of JAX is function(params, *inputs); received {type(function).__name__}.")
    return function


def _named(kept: Mapping[str, Any], above: str = "") -> Any:
    """What flax captured: {"Dense_0": {"__call__": (array, …)}} → "Dense_0"."""
    for name, value in kept.items():
        if name == "__call__":
            for call, result in enumerate(value, 1):
                for path, array in leaves(result):
                    yield f"{above}{path}" + (f", call {call}" if call > 1 else ""), array
        elif isinstance(value, Mapping):
            yield from _named(value, f"{above}.{name}".removeprefix("."))


def _step(step: Any) -> str:
    """One step of a path in a pytree: a key, an index, an attribute."""
    return str(next(getattr(step, name) for name in ("key", "idx", "name") if hasattr(step, name)))


def _loss(loss: Any) -> Callable[..., Any]:
    if callable(loss):
        if len(inspect.signature(loss).parameters) < 2:
            raise TypeError("the loss for JAX is a function of (output, target).")
        return loss
    if loss in _LOSSES:
        return _LOSSES[loss]
    raise ValueError(f"loss={loss!r} for JAX: write one of {', '.join(_LOSSES)}, or a function of (output, target).")


def _cross_entropy(output: Any, target: Any) -> Any:
    return -_jax().nn.log_softmax(output, axis=-1)[np.arange(len(target)), target].mean()


def _mse(output: Any, target: Any) -> Any:
    return ((output - target) ** 2).mean()


_LOSSES = {"cross_entropy": _cross_entropy, "mse": _mse}
