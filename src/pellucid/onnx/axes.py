"""Dynamic axes: which they are, and inputs of several sizes, on which the model shows what depends on them."""

from __future__ import annotations

from typing import Any

import numpy as np

from ..core import Tensor, from_data
from .errors import OnnxExporterError

Axes = dict[str, dict[int, str]]  # the name of an input -> its dynamic axes


def axes_of(given: Any, names: list[str]) -> Axes:
    axes: Axes = {}
    for name, of_input in (given or {}).items():
        if name not in names:
            if given and isinstance(name, str) and "output" in name:
                continue  # what an output depends on is found, not said
            raise OnnxExporterError(f"dynamic_axes names {name!r}, and the inputs are {names}")
        pairs = of_input.items() if isinstance(of_input, dict) else [(axis, f"{name}_dim_{axis}") for axis in of_input]
        axes[name] = {int(axis): str(called) for axis, called in pairs}
    return axes


def axes_of_shapes(given: Any, names: list[str]) -> dict[str, dict[int, str]]:
    """`dynamic_shapes` as `dynamic_axes`: an axis is called by a string, by a `Dim`'s name, or by neither."""
    if not given:
        return {}
    pairs = given.items() if isinstance(given, dict) else zip(names, given, strict=False)
    found: dict[str, dict[int, str]] = {}
    for name, of_input in pairs:
        axes = of_input if isinstance(of_input, dict) else dict(enumerate(of_input or ()))
        found[name] = {
            axis: called if isinstance(called, str) else getattr(called, "__name__", f"{name}_dim_{axis}")
            for axis, called in axes.items()
            if called is not None and not isinstance(called, int)
        }
    return found


def runs_of(axes: Axes, tensors: dict[str, Tensor]) -> list[dict[str, int]]:
    """The sizes to run with: those given (2 at least: a size of 1 broadcasts), each axis longer, all longer still."""
    first: dict[str, int] = {}
    for name, of_input in axes.items():
        for axis, called in of_input.items():
            shape = tuple(tensors[name].shape)
            if not -len(shape) <= axis < len(shape):
                raise OnnxExporterError(f"dynamic_axes names axis {axis} of {name!r}, which has the shape {shape}")
            size = max(int(shape[axis]), 2)
            if first.setdefault(called, size) != size:
                raise OnnxExporterError(
                    f"the axis {called!r} is {first[called]} long in one input, and {size} in {name!r}: give two axes "
                    "one name only where their sizes are the same"
                )
    if not first:
        return [{}]
    longer = [{**first, name: size + 1} for name, size in first.items()]
    return [first, *longer, {name: size + 2 + i for i, (name, size) in enumerate(first.items())}]


def sized_as(args: Any, names: list[str], axes: Axes, run: dict[str, int]) -> Any:
    """The arguments with their dynamic axes as long as in a run, their elements repeated."""
    following = iter(names)

    def sized(value: Any) -> Any:
        if isinstance(value, Tensor):
            array = value._array
            for axis, called in axes.get(next(following), {}).items():
                array = np.take(array, np.arange(run[called]) % max(array.shape[axis], 1), axis)
            return from_data(np.array(array), value.dtype)
        if isinstance(value, dict):
            return {key: sized(entry) for key, entry in value.items()}
        if isinstance(value, tuple) and hasattr(value, "_fields"):
            return type(value)(*map(sized, value))
        return type(value)(map(sized, value)) if isinstance(value, tuple | list) else value

    return sized(args)
