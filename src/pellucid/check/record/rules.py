"""The derivative rules of a recording, on plain arrays: written apart from the engine's, so one checks the other."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.check.record.probe import probed
from pellucid.check.record.tape import Array, TapeNode

Derivative = Callable[[list[Array], Array], Array]

# Elementwise operations: the derivative with respect to each input, from the inputs and the output.
ELEMENTWISE: dict[str, list[Derivative]] = {
    "add": [lambda x, y: np.ones(()), lambda x, y: np.ones(())],
    "subtract": [lambda x, y: np.ones(()), lambda x, y: -np.ones(())],
    "multiply": [lambda x, y: x[1], lambda x, y: x[0]],
    "divide": [lambda x, y: 1 / x[1], lambda x, y: -x[0] / x[1] ** 2],
    "power": [
        lambda x, y: x[1] * np.where(x[1] == 0, 1.0, x[0]) ** np.where(x[1] == 0, 1.0, x[1] - 1),
        lambda x, y: y * np.log(np.where(x[0] > 0, x[0], 1.0)),
    ],
    "negative": [lambda x, y: -np.ones(())],
    "positive": [lambda x, y: np.ones(())],
    "exp": [lambda x, y: y],
    "exp2": [lambda x, y: y * np.log(2)],
    "expm1": [lambda x, y: y + 1],
    "log": [lambda x, y: 1 / x[0]],
    "log2": [lambda x, y: 1 / (x[0] * np.log(2))],
    "log10": [lambda x, y: 1 / (x[0] * np.log(10))],
    "log1p": [lambda x, y: 1 / (1 + x[0])],
    "sqrt": [lambda x, y: 0.5 / y],
    "cbrt": [lambda x, y: 1 / (3 * y**2)],
    "square": [lambda x, y: 2 * x[0]],
    "reciprocal": [lambda x, y: -(y**2)],
    "absolute": [lambda x, y: np.sign(x[0])],
    "sin": [lambda x, y: np.cos(x[0])],
    "cos": [lambda x, y: -np.sin(x[0])],
    "tan": [lambda x, y: 1 + y**2],
    "sinh": [lambda x, y: np.cosh(x[0])],
    "cosh": [lambda x, y: np.sinh(x[0])],
    "tanh": [lambda x, y: 1 - y**2],
    "arctan": [lambda x, y: 1 / (1 + x[0] ** 2)],
    "arcsin": [lambda x, y: 1 / np.sqrt(1 - x[0] ** 2)],
    "arccos": [lambda x, y: -1 / np.sqrt(1 - x[0] ** 2)],
    "arctanh": [lambda x, y: 1 / (1 - x[0] ** 2)],
    "arcsinh": [lambda x, y: 1 / np.sqrt(1 + x[0] ** 2)],
    "maximum": [lambda x, y: _larger(x[0], x[1]), lambda x, y: _larger(x[1], x[0])],
    "minimum": [lambda x, y: _larger(-x[0], -x[1]), lambda x, y: _larger(-x[1], -x[0])],
    "logaddexp": [lambda x, y: np.exp(x[0] - y), lambda x, y: np.exp(x[1] - y)],
    "hypot": [lambda x, y: x[0] / y, lambda x, y: x[1] / y],
    "where": [lambda x, y: np.zeros(()), lambda x, y: x[0] != 0, lambda x, y: x[0] == 0],
    "clip": [lambda x, y: (x[0] > x[1]) & (x[0] < x[2]), lambda x, y: x[0] <= x[1], lambda x, y: x[0] >= x[2]],
    "erf": [lambda x, y: 2 / np.sqrt(np.pi) * np.exp(-(x[0] ** 2))],
    "expit": [lambda x, y: y * (1 - y)],
    "log_expit": [lambda x, y: -np.expm1(y)],
    "logit": [lambda x, y: 1 / (x[0] * (1 - x[0]))],
    "xlogy": [lambda x, y: np.log(np.where(x[1] > 0, x[1], 1.0)), lambda x, y: x[0] / x[1]],
    "arctan2": [lambda x, y: x[1] / (x[0] ** 2 + x[1] ** 2), lambda x, y: -x[0] / (x[0] ** 2 + x[1] ** 2)],
    "remainder": [lambda x, y: np.ones(()), lambda x, y: -np.floor(x[0] / x[1])],
    "fmod": [lambda x, y: np.ones(()), lambda x, y: -np.trunc(x[0] / x[1])],
    "logaddexp2": [lambda x, y: np.exp2(x[0] - y), lambda x, y: np.exp2(x[1] - y)],
    "deg2rad": [lambda x, y: np.full((), np.pi / 180)],
    "rad2deg": [lambda x, y: np.full((), 180 / np.pi)],
    # What has no slope is recorded too, so that it is known where a mask came from.
    "flat": [lambda x, y: np.zeros(())] * 3,
}


def _larger(a: Array, b: Array) -> Array:
    """1 where a > b, and where both are the same the half: as the ties of a maximum are shared."""
    return np.where(a == b, 0.5, (a > b).astype(float))


def derivative(node: TapeNode, position: int) -> Array:
    """d output / d input of an elementwise operation, of a shape that broadcasts with the output's."""
    known = node.cache.get(position)
    if known is not None:
        return known
    with np.errstate(all="ignore"):
        values = [np.asarray(source.value, dtype=float) for source in node.inputs]
        slope = np.asarray(ELEMENTWISE[node.op][position](values, np.asarray(node.value, dtype=float)), dtype=float)
    if node.op in ("maximum", "minimum") and not node.inputs[1 - position].needs:
        slope = np.where(slope == 0.5, 0.0, slope)  # a rectifier is flat at 0, as everywhere
    node.cache[position] = slope
    return slope


def vjp(node: TapeNode, position: int, adjoint: Array) -> Array:
    """What one input gets of the adjoint of the output."""
    source = node.inputs[position]
    if node.op == "add":
        return unbroadcast(adjoint, source.shape)
    if node.op in ELEMENTWISE:
        return unbroadcast(adjoint * derivative(node, position), source.shape)
    return STRUCTURAL[node.op](node, position, adjoint)


def unbroadcast(adjoint: Array, shape: tuple[int, ...]) -> Array:
    """The adjoint summed over what was broadcast."""
    if adjoint.shape == shape:
        return adjoint
    return adjoint.sum(axis=broadcast_axes(adjoint.shape, shape)).reshape(shape)


def broadcast_axes(big: tuple[int, ...], small: tuple[int, ...]) -> tuple[int, ...]:
    """The axes of `big` along which `small` was repeated."""
    lead = len(big) - len(small)
    return (*range(lead), *(lead + i for i, n in enumerate(small) if n == 1 and big[lead + i] != 1))


def _sum(node: TapeNode, position: int, adjoint: Array) -> Array:
    """`sum`, with its scale where it is a mean. An adjoint that already has the input's shape was not summed before."""
    source = node.inputs[0]
    if adjoint.shape != source.shape and not node.attributes["keepdims"]:
        axes = node.attributes["axes"]
        adjoint = adjoint.reshape([1 if i in axes else n for i, n in enumerate(source.shape)])
    whole = np.empty(source.shape)
    whole[...] = adjoint
    return whole


def _extreme(node: TapeNode, position: int, adjoint: Array) -> Array:
    return _sum(node, 0, adjoint) * extreme_mask(node)


def extreme_mask(node: TapeNode) -> Array:
    """Where the maximum (minimum) is, shared among ties."""
    ties = node.attributes.get("ties", "shared")
    if ties not in node.cache:
        node.cache[ties] = _extreme_mask(node, ties)
    return node.cache[ties]


def _extreme_mask(node: TapeNode, ties: str) -> Array:
    source, axes = node.inputs[0].value, node.attributes["axes"]
    best = source.max(axis=axes, keepdims=True) if node.op == "max" else source.min(axis=axes, keepdims=True)
    mask = (source == best).astype(float)
    if ties == "first":
        kept = [i for i in range(mask.ndim) if i not in axes]
        moved = mask.transpose([*kept, *axes])
        flat = moved.reshape([*(mask.shape[i] for i in kept), -1])
        first = ((np.cumsum(flat, axis=-1) == 1) & (flat == 1)).astype(float)
        return first.reshape(moved.shape).transpose(np.argsort([*kept, *axes]))
    return mask if ties == "each" else mask / mask.sum(axis=axes, keepdims=True)


def has_ties(node: TapeNode) -> bool:
    """Whether a maximum is there more than once, so that its gradient is a matter of convention."""
    mask = extreme_mask(TapeNode(-1, node.op, node.inputs, {**node.attributes, "ties": "each"}, node.value, None, True))
    return bool((mask.sum(axis=node.attributes["axes"]) > 1).any())


def _prod(node: TapeNode, position: int, adjoint: Array) -> Array:
    """d prod / d x is the product of the others, taken without a division: it is right at 0 as well."""
    source, axes = node.inputs[0].value, node.attributes["axes"]
    kept = [i for i in range(source.ndim) if i not in axes]
    order = [*kept, *axes]
    flat = source.transpose(order).reshape([*(source.shape[i] for i in kept), -1])
    count = flat.shape[-1]
    others = np.stack([np.delete(flat, k, axis=-1).prod(-1) for k in range(count)], axis=-1)
    moved = [source.shape[i] for i in order]
    return _sum(node, 0, adjoint) * others.reshape(moved).transpose(np.argsort(order))


def matmul_vjp(a: Array, b: Array, position: int, adjoint: Array) -> Array:
    """The products of a matrix product's backward, with vectors and stacks of matrices as NumPy takes them."""
    left, right, g = a, b, np.asarray(adjoint)
    if a.ndim == b.ndim == 1:
        return adjoint * (b if position == 0 else a)
    if a.ndim == 1:
        left, g = a[None, :], g[..., None, :]
    if b.ndim == 1:
        right, g = b[:, None], g[..., :, None] if a.ndim > 1 else g[..., None]
    if position == 0:
        result = g @ np.swapaxes(right, -1, -2)
        return unbroadcast(result[..., 0, :] if a.ndim == 1 else result, a.shape)
    result = np.swapaxes(left, -1, -2) @ g
    return unbroadcast(result[..., 0] if b.ndim == 1 else result, b.shape)


def _matmul(node: TapeNode, position: int, adjoint: Array) -> Array:
    return matmul_vjp(node.inputs[0].value, node.inputs[1].value, position, adjoint)


def einsum_vjp(spec: str, values: list[Array], position: int, adjoint: Array) -> Array:
    """An einsum whose operands have no index twice and no ellipsis: its backward is an einsum."""
    inputs, output = spec.split("->")
    terms = inputs.split(",")
    wanted = terms[position]
    others = [term for i, term in enumerate(terms) if i != position]
    known = set(output).union(*others) if others else set(output)
    inner = "".join(letter for letter in wanted if letter in known)
    rest = [value for i, value in enumerate(values) if i != position]
    result = np.einsum(",".join([output, *others]) + "->" + inner, adjoint, *rest)
    shape = [values[position].shape[wanted.index(letter)] if letter in inner else 1 for letter in wanted]
    return np.broadcast_to(result.reshape(shape), values[position].shape) + 0.0


def _einsum(node: TapeNode, position: int, adjoint: Array) -> Array:
    return einsum_vjp(node.attributes["spec"], [source.value for source in node.inputs], position, adjoint)


def _move(node: TapeNode, position: int, adjoint: Array) -> Array:
    """Where elements are only moved, each goes back to where it came from: `places` says from where (−1: nowhere)."""
    if "known" not in node.cache:
        places = node.attributes["places"].ravel()
        known = places >= 0
        node.cache["known"] = (places[known], None if known.all() else known)
    places, known = node.cache["known"]
    source = node.inputs[0]
    flat = adjoint.ravel() if adjoint.shape == node.shape else np.broadcast_to(adjoint, node.shape).ravel()
    if known is not None:
        flat = flat[known]
    return np.bincount(places, flat, minlength=source.value.size).reshape(source.shape)


def _join(node: TapeNode, position: int, adjoint: Array) -> Array:
    """`concatenate`: each part of the adjoint to its input."""
    axis = node.attributes["axis"]
    start = sum(source.shape[axis] for source in node.inputs[:position])
    length = node.inputs[position].shape[axis]
    return np.take(adjoint, range(start, start + length), axis=axis)


def _assign(node: TapeNode, position: int, adjoint: Array) -> Array:
    """`buffer[index] = value`: the value gets what lies there, the buffer the rest."""
    index, adjoint = node.attributes["index"], np.asarray(adjoint)
    if position == 1:
        taken, shape = np.asarray(adjoint[index]), node.inputs[1].shape
        return unbroadcast(taken.reshape((*[1] * (len(shape) - taken.ndim), *taken.shape)), shape)
    rest = np.array(adjoint)
    rest[index] = 0
    return rest


def _cumsum(node: TapeNode, position: int, adjoint: Array) -> Array:
    axis = node.attributes["axis"]
    return np.flip(np.cumsum(np.flip(adjoint, axis), axis), axis)


def _scatter(node: TapeNode, position: int, adjoint: Array) -> Array:
    """`np.add.at(zeros, index, values)`: each value gets what lies where it was added."""
    source = node.inputs[0]
    return unbroadcast(np.asarray(adjoint[node.attributes["index"]]), source.shape)


def _inverse(node: TapeNode, position: int, adjoint: Array) -> Array:
    transposed = np.swapaxes(node.value, -1, -2)
    return -transposed @ adjoint @ transposed


STRUCTURAL: dict[str, Callable[[TapeNode, int, Array], Any]] = {
    "sum": _sum,
    "max": _extreme,
    "min": _extreme,
    "prod": _prod,
    "matmul": _matmul,
    "einsum": _einsum,
    "move": _move,
    "join": _join,
    "assign": _assign,
    "cumsum": _cumsum,
    "inverse": _inverse,
    "scatter": _scatter,
    "probed": probed,
}
