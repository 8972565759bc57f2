"""Functions and modules of pellucid, and of PyTorch: the same names, so the same code."""

from __future__ import annotations

import inspect
from collections.abc import Iterator
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
    seen_by,
)


class Pellucid:
    """pellucid, by the few names that a check needs."""

    name = "pellucid"

    def __init__(self) -> None:
        from pellucid import core, nn, reverse

        self.Tensor, self.Module, self.float64 = core.Tensor, nn.Module, core.as_dtype("float64")
        self.grad, self.enable_grad = reverse.grad, core.enable_grad
        self._from_data = core.from_data

    def tensor(self, array: Array) -> Any:
        return self._from_data(np.asarray(array, float))


class Torch:
    """PyTorch, by the same names."""

    name = "torch"

    def __init__(self) -> None:
        import torch

        self.Tensor, self.Module, self.float64 = torch.Tensor, torch.nn.Module, torch.float64
        self.grad, self.enable_grad = torch.autograd.grad, torch.enable_grad
        self._from_data = torch.tensor

    def tensor(self, array: Array) -> Any:
        return self._from_data(np.asarray(array, float), dtype=self.float64)


class TensorSubject(Subject):
    """A function of tensors, or a module, with a loss on top where there is one."""

    def __init__(self, library: Any, function: Any, inputs: Any, loss: Any, target: Any) -> None:
        self.lib, self.function, self.loss = library, function, loss
        self.library = library.name
        named = function.forward if isinstance(function, library.Module) else function
        self.args = arguments(named, inputs)
        self.target = target
        self._numbers = not any(self._floating(leaf) for _, leaf in named_leaves(self.args))
        self._numbers = self._numbers and not isinstance(function, library.Module)
        self.args = {name: self._given(value) for name, value in self.args.items()}
        modules = [leaf for leaf in (function, loss) if isinstance(leaf, library.Module)]
        around = seen_by(*(getattr(leaf, "forward", leaf) for leaf in (function, loss)))
        self.modules = _distinct([*modules, *(leaf for leaf in around if isinstance(leaf, library.Module))])
        self.parameters: dict[str, Any] = {}
        for module in modules:
            self.parameters.update(
                (name if module is function else f"loss.{name}", leaf)
                for name, leaf in module.named_parameters()
                if self._floating(leaf) and leaf.requires_grad
            )
        own = {id(leaf) for module in self.modules for leaf in module.parameters()}
        given = {id(leaf) for _, leaf in leaves([*self.args.values(), target])}
        self.loose = _distinct(
            [leaf for leaf in around if self._floating(leaf) and id(leaf) not in own | given and leaf.is_leaf]
        )
        found = {name: leaf for name, leaf in named_leaves(self.args) if self._floating(leaf)}
        marked = {name: leaf for name, leaf in found.items() if leaf.requires_grad}
        self.inputs = marked or found
        if not self.inputs and not self.parameters:
            raise nothing_to_check(self.args, "Write x.double() for a tensor of integers, 3.0 for 3.")
        everything = {**self.parameters, **self.inputs}
        self.point = {name: _array(leaf) for name, leaf in everything.items()}
        self.lowered = {
            name: str(leaf.dtype).rpartition(".")[2]
            for name, leaf in everything.items()
            if leaf.dtype != self.lib.float64
        }
        self.streams = Streams(function, loss)
        self._buffers: list[tuple[Any, str, Any]] = []
        self._lifted = False

    def _floating(self, value: Any) -> bool:
        return isinstance(value, self.lib.Tensor) and value.is_floating_point()

    def _given(self, value: Any) -> Any:
        """An argument with NumPy arrays as tensors; and numbers, where there is nothing else to differentiate by."""
        if isinstance(value, np.ndarray) and value.dtype.kind == "f":
            return self.lib._from_data(value)
        if self._numbers and isinstance(value, float):
            return self.lib.tensor(np.array(value))
        if isinstance(value, list | tuple) and not hasattr(value, "_fields"):
            return type(value)(self._given(item) for item in value)
        return {key: self._given(item) for key, item in value.items()} if type(value) is dict else value

    # --- one evaluation ----------------------------------------------------------------------------------------------

    def run(self, point: Point | None) -> tuple[list[Any], dict[str, Any]]:
        """The outputs with their history, and the leaves by name; at the given dtypes where the point is None."""
        self.streams.rewind()
        for module, name, buffer in self._buffers:
            module._buffers[name] = self._lift(buffer) if self._lifted else buffer.detach().clone()
        found: dict[str, Any] = dict(self.parameters)
        replaced: dict[str, Any] = {}
        for name, leaf in named_leaves(self.args):
            if name in self.inputs:
                fresh = self._like(leaf, point[name]) if point is not None else leaf.detach().clone()
                found[name] = replaced[name] = fresh.requires_grad_(True)
            elif isinstance(leaf, self.lib.Tensor):
                replaced[name] = self._lift(leaf.detach()) if point is not None else leaf.detach().clone()
        if point is not None:
            for name, leaf in self.parameters.items():
                leaf.data = self._like(leaf, point[name])
        with self.lib.enable_grad():
            result = call(self.function, self.args, replaced)
            if self.loss is not None:
                extra = () if self.target is None else (self._lift(self.target) if point is not None else self.target,)
                result = self.loss(result, *extra)
        outs = [leaf for _, leaf in leaves(result) if self._floating(leaf)]
        if not outs:
            raise TypeError(
                f"check.gradients: the function returned {_said(result)}, and no {self.lib.name} tensor of floating "
                "dtype. For a function of NumPy arrays give its gradient too: check.gradients(f, x, grad=df)"
            )
        return outs, found

    def _like(self, tensor: Any, array: Array) -> Any:
        made = self.lib.tensor(array)
        return made if str(tensor.device) == "cpu" else made.to(tensor.device)

    def _lift(self, value: Any) -> Any:
        if isinstance(value, list | tuple):
            return type(value)(self._lift(item) for item in value)
        if not isinstance(value, self.lib.Tensor):
            return value
        return (value.detach().to(self.lib.float64) if self._floating(value) else value).clone()

    def shapes(self) -> list[tuple[int, ...]]:
        return [tuple(out.shape) for out in self.run(None)[0]]

    def outputs(self, point: Point) -> list[Array]:
        return [_array(out) for out in self.run(point)[0]]

    def gradient(self, point: Point, weights: list[Array]) -> Point:
        outs, found = self.run(point)
        return self._slopes(outs, weights, found)

    def lowered_gradient(self, weights: list[Array]) -> Point:
        outs, found = self.run(None)
        return self._slopes(outs, weights, found)

    def second(self, point: Point, weights: list[Array], ways: Point) -> Point:
        outs, found = self.run(point)
        total = self._total(outs, weights)
        zeros = {name: np.zeros(array.shape) for name, array in point.items()}
        if total is None:
            return zeros
        first = self.lib.grad(total, list(found.values()), create_graph=True, allow_unused=True)
        live = {
            name: array for name, array in zip(found, first, strict=True) if array is not None and array.requires_grad
        }
        if not live:
            return zeros
        again = self._total(list(live.values()), [ways[name] for name in live])
        return self._named(found, self.lib.grad(again, list(found.values()), allow_unused=True))

    def _total(self, outs: list[Any], weights: list[Array]) -> Any:
        parts = [
            (out * self._like(out, weight).to(out.dtype)).sum()
            for out, weight in zip(outs, weights, strict=True)
            if out.requires_grad
        ]
        return sum(parts[1:], parts[0]) if parts else None

    def _slopes(self, outs: list[Any], weights: list[Array], found: dict[str, Any]) -> Point:
        total = self._total(outs, weights)
        given: Any = [None] * len(found)
        if total is not None:
            given = self.lib.grad(total, list(found.values()), allow_unused=True)
        return self._named(found, given)

    def _named(self, found: dict[str, Any], given: Any) -> Point:
        return {
            name: np.zeros(tuple(leaf.shape)) if gradient is None else _array(gradient)
            for (name, leaf), gradient in zip(found.items(), given, strict=True)
        }

    # --- all of it left as it was ------------------------------------------------------------------------------------

    @contextmanager
    def held(self) -> Iterator[None]:
        self._buffers = [
            (module, name, buffer)
            for top in self.modules
            for module in top.modules()
            for name, buffer in module._buffers.items()
            if buffer is not None
        ]
        tensors = _distinct([*(tensor for top in self.modules for tensor in top.parameters()), *self.loose])
        before = [(tensor, tensor.data) for tensor in tensors]
        try:
            yield
        finally:
            for tensor, data in before:
                tensor.data = data
            for module, name, buffer in self._buffers:
                module._buffers[name] = buffer
            self.streams.restore()
            self._buffers, self._lifted = [], False

    def lift(self) -> None:
        """From here on in float64: parameters, buffers, and tensors that the function finds around it."""
        self._lifted = True
        for tensor in _distinct([*(tensor for top in self.modules for tensor in top.parameters()), *self.loose]):
            if self._floating(tensor):
                tensor.data = self._lift(tensor)


def _array(tensor: Any) -> Array:
    return np.array(tensor.detach().cpu().numpy(), float)


def _distinct(values: list[Any]) -> list[Any]:
    return list({id(value): value for value in values}.values())


def _said(result: Any) -> str:
    kind = type(result).__name__
    return f"{kind} of {result.dtype}" if hasattr(result, "dtype") else kind


def is_of(module: str, value: Any) -> bool:
    """Whether a value's class, or one that it is derived from, comes from a package; without importing that package."""
    return any(kind.__module__.split(".")[0] == module for kind in type(value).__mro__)


def concerns(module: str, function: Any, inputs: Any) -> bool:
    """Whether a function, or what it is given, belongs to a package."""
    if is_of(module, function) or any(is_of(module, leaf) for _, leaf in leaves(inputs)):
        return True
    home = inspect.getmodule(function)
    return home is not None and home.__name__.split(".")[0] == module
