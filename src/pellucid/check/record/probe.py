"""What no rule is known for is probed: its derivative is taken by differences, of that one operation alone."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.check.record.plain import Recorded, strip
from pellucid.check.record.tape import Array, TapeNode

STEP = 2.0**-9
MOST = 4000  # elements of an input that are moved one by one

Function = Callable[[list[Array]], Array]


def gathered(args: Any, kwargs: Any) -> tuple[list[Recorded], Callable[[list[Array]], tuple[Any, Any]]]:
    """The recorded arrays among the arguments, and how to call with other arrays in their places."""
    found: list[Recorded] = []

    def look(value: Any) -> None:
        if isinstance(value, Recorded):
            if not any(value is known for known in found):
                found.append(value)
        elif isinstance(value, list | tuple):
            for item in value:
                look(item)
        elif isinstance(value, dict):
            for item in value.values():
                look(item)

    def put(value: Any, arrays: list[Array]) -> Any:
        if isinstance(value, Recorded):
            return next(array for known, array in zip(found, arrays, strict=True) if known is value)
        if isinstance(value, tuple | list) and type(value) in (tuple, list):
            return type(value)(put(item, arrays) for item in value)
        if isinstance(value, dict):
            return {key: put(item, arrays) for key, item in value.items()}
        return strip(value)

    look(args)
    look(kwargs)
    return found, lambda arrays: (put(args, arrays), put(kwargs, arrays))


def probed(node: TapeNode, position: int, adjoint: Array) -> Array:
    """What one input of a probed operation gets of the adjoint of its output."""
    function: Function = node.attributes["function"]
    values = [source.value.astype(float) if source.value.dtype.kind == "f" else source.value for source in node.inputs]
    key = ("slopes", position)
    if key not in node.cache:
        node.cache[key] = _slopes(function, values, position, node.attributes["elementwise"])
    slopes = node.cache[key]
    adjoint = np.broadcast_to(adjoint, node.shape)
    if node.attributes["elementwise"]:
        return adjoint * slopes
    return np.tensordot(slopes, adjoint, axes=node.value.ndim).reshape(values[position].shape)


def _slopes(function: Function, values: list[Array], position: int, elementwise: bool) -> Array:
    """d output / d input: for each element by itself, or as a matrix with the elements of the input along axis 0."""
    own = values[position]

    def at(moved: Array) -> Array:
        with np.errstate(all="ignore"):
            return np.asarray(
                function([moved if i == position else value.copy() for i, value in enumerate(values)]), float
            )

    size = np.maximum(np.abs(own), 1.0)
    if elementwise:
        return _refined(lambda h: at(own + h * size)) / size
    rows: list[Array] = []
    for index in np.ndindex(own.shape):
        way = np.zeros(own.shape)
        way[index] = size[index]
        rows.append(_refined(lambda h, way=way: at(own + h * way)) / size[index])
    return np.stack(rows) if rows else np.zeros((0, *np.shape(at(own))))


def _refined(along: Callable[[float], Array]) -> Array:
    """A slope by four points, where the function is smooth around; by a sixteenth of the step, where it may not be."""

    def slope(h: float) -> Array:
        return (8 * (along(h) - along(-h)) - (along(2 * h) - along(-2 * h))) / (12 * h)

    wide, narrow = slope(STEP), slope(STEP / 32)
    near = np.abs(wide - narrow) <= 1e-8 * np.maximum(np.abs(wide), 1.0)
    return np.where(near, wide, narrow)
