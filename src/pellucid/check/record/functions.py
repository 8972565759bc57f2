"""How NumPy's functions are recorded that neither only move elements nor are without a slope."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.check.record.plain import strip
from pellucid.check.record.tables import handles
from pellucid.check.record.traced import ArrayRecorder


@handles("sum")
def _sum(
    r: ArrayRecorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any
) -> Any:
    return r.reduced("sum", a, axis, keepdims is True)


@handles("max", "amax")
def _max(r: ArrayRecorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    return r.reduced("max", a, axis, keepdims is True)


@handles("min", "amin")
def _min(r: ArrayRecorder, a: Any, axis: Any = None, out: Any = None, keepdims: Any = False, **_: Any) -> Any:
    return r.reduced("min", a, axis, keepdims is True)


@handles("prod")
def _prod(
    r: ArrayRecorder, a: Any, axis: Any = None, dtype: Any = None, out: Any = None, keepdims: Any = False, **_: Any
) -> Any:
    return r.reduced("prod", a, axis, keepdims is True)


@handles("mean")
def _mean(
    r: ArrayRecorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    keepdims: Any = False,
    part: str = "mean",
    **_: Any,
) -> Any:
    total = r.reduced("sum", a, axis, keepdims is True, f"{part}.sum")
    count = total._node.inputs[0].value.size / max(total.size, 1)  # type: ignore[union-attr]
    scale = r.node(np.array(1 / count))
    return r.wrap(r.add("multiply", [r.node(total), scale], strip(total) / count, f"{part}.scale", mean=count))


@handles("var")
def _var(
    r: ArrayRecorder,
    a: Any,
    axis: Any = None,
    dtype: Any = None,
    out: Any = None,
    ddof: Any = 0,
    keepdims: Any = False,
    **_: Any,
) -> Any:
    centre = _mean(r, a, axis, keepdims=True, part="var.centre")
    away = r.elementwise("subtract", [a, centre], strip(a) - strip(centre), "var.subtract")
    squares = r.elementwise("square", [away], strip(away) ** 2, "var.square")
    result = _mean(r, squares, axis, keepdims=keepdims, part="var.mean")
    if not ddof:
        return result
    count = a.size / max(result.size, 1)
    return r.elementwise(
        "multiply", [result, count / (count - ddof)], strip(result) * count / (count - ddof), "var.ddof"
    )


@handles("std")
def _std(r: ArrayRecorder, a: Any, axis: Any = None, **options: Any) -> Any:
    variance = _var(r, a, axis, **options)
    return r.elementwise("sqrt", [variance], np.sqrt(strip(variance)), "std.sqrt")


@handles("norm")
def _norm(r: ArrayRecorder, x: Any, ord: Any = None, axis: Any = None, keepdims: Any = False) -> Any:
    order: Any = ord
    if ord not in (None, 2, "fro") or (ord == 2 and axis is None and np.ndim(x) > 1):
        if axis is None and np.ndim(x) > 1:
            return r.probe(np.linalg.norm, (x, ord), {"keepdims": keepdims})
        if np.isinf(order):
            return (np.max if order > 0 else np.min)(np.abs(x), axis=axis, keepdims=keepdims)
        return np.sum(np.abs(x) ** order, axis=axis, keepdims=keepdims) ** (1 / order)
    return np.sqrt(np.sum(np.square(x), axis=axis, keepdims=keepdims))


@handles("concatenate", "concat")
def _concatenate(r: ArrayRecorder, arrays: Any, axis: Any = 0, **_: Any) -> Any:
    if axis is None:
        arrays, axis = [np.ravel(array) for array in arrays], 0
    nodes = [r.node(array) for array in arrays]
    value = np.concatenate([node.value for node in nodes], axis=axis)
    return r.wrap(r.add("join", nodes, value, axis=axis % value.ndim))


@handles("vstack", "row_stack")
def _vstack(r: ArrayRecorder, tup: Any, **_: Any) -> Any:
    return np.concatenate([np.atleast_2d(array) for array in tup], axis=0)


@handles("hstack")
def _hstack(r: ArrayRecorder, tup: Any, **_: Any) -> Any:
    arrays = [np.atleast_1d(array) for array in tup]
    return np.concatenate(arrays, axis=0 if arrays[0].ndim == 1 else 1)


@handles("dstack")
def _dstack(r: ArrayRecorder, tup: Any) -> Any:
    return np.concatenate([np.atleast_3d(array) for array in tup], axis=2)


@handles("column_stack")
def _column_stack(r: ArrayRecorder, tup: Any) -> Any:
    return np.concatenate([array if np.ndim(array) > 1 else np.reshape(array, (-1, 1)) for array in tup], axis=1)


@handles("block")
def _block(r: ArrayRecorder, arrays: Any) -> Any:
    def joined(value: Any, depth: int) -> Any:
        if not isinstance(value, list):
            return np.atleast_2d(value)
        return np.concatenate([joined(item, depth - 1) for item in value], axis=-depth)

    depth, inner = 0, arrays
    while isinstance(inner, list):
        depth, inner = depth + 1, inner[0]
    return joined(arrays, depth)


@handles("meshgrid")
def _meshgrid(r: ArrayRecorder, *xi: Any, indexing: str = "xy", **_: Any) -> Any:
    count = len(xi)
    shaped = [np.reshape(x, [-1 if k == i else 1 for k in range(count)]) for i, x in enumerate(xi)]
    if indexing == "xy" and count > 1:
        shaped = [np.swapaxes(x, 0, 1) for x in shaped]
    whole = np.broadcast_shapes(*(x.shape for x in shaped))
    return [np.broadcast_to(x, whole) for x in shaped]


@handles("copyto")
def _copyto(r: ArrayRecorder, dst: Any, src: Any, casting: Any = None, where: Any = True) -> None:
    r.assign(dst, ..., src if where is True else np.where(strip(where), src, dst))


@handles("fill_diagonal")
def _fill_diagonal(r: ArrayRecorder, a: Any, val: Any, wrap: bool = False) -> None:
    r.assign(a, np.diag_indices(min(a.shape), a.ndim), val)


@handles("put_along_axis")
def _put_along_axis(r: ArrayRecorder, arr: Any, indices: Any, values: Any, axis: int) -> None:
    indices, axis = strip(indices), axis % arr.ndim
    places = list(np.ogrid[tuple(slice(n) for n in indices.shape)])
    places[axis] = indices
    r.assign(arr, tuple(places), values)


@handles("average")
def _average(r: ArrayRecorder, a: Any, axis: Any = None, weights: Any = None, returned: bool = False, **_: Any) -> Any:
    if weights is None or returned:
        return np.mean(a, axis=axis)
    weights = weights if isinstance(weights, np.ndarray) else np.asarray(weights, float)
    if axis is not None and np.ndim(weights) == 1 and np.ndim(a) > 1:
        weights = np.reshape(weights, [-1 if i == axis % np.ndim(a) else 1 for i in range(np.ndim(a))])
    return np.sum(a * weights, axis=axis) / np.sum(weights * np.ones(np.shape(a)), axis=axis)


@handles("where")
def _where(r: ArrayRecorder, condition: Any, *branches: Any) -> Any:
    if not branches:
        return np.where(strip(condition))
    return r.elementwise("where", [condition, *branches], np.where(strip(condition), *strip(branches)))


@handles("clip")
def _clip(r: ArrayRecorder, a: Any, a_min: Any = None, a_max: Any = None, out: Any = None, **options: Any) -> Any:
    low, high = options.get("min", a_min), options.get("max", a_max)
    low, high = (-np.inf if low is None else low), (np.inf if high is None else high)
    return r.elementwise("clip", [a, low, high], np.clip(strip(a), strip(low), strip(high)))


@handles("dot")
def _dot(r: ArrayRecorder, a: Any, b: Any, out: Any = None) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(b) <= 2:
        return np.matmul(a, b)
    letters = "abcdefghijklm"
    first, second = letters[: np.ndim(a)], letters[np.ndim(a) : np.ndim(a) + np.ndim(b)]
    second = second[:-2] + first[-1] + second[-1]
    return np.einsum(f"{first},{second}->{first[:-1]}{second.replace(first[-1], '')}", a, b)


@handles("vdot")
def _vdot(r: ArrayRecorder, a: Any, b: Any) -> Any:
    return np.matmul(np.ravel(a), np.ravel(b))


@handles("inner", "vecdot")
def _inner(r: ArrayRecorder, a: Any, b: Any) -> Any:
    if np.ndim(a) == 0 or np.ndim(b) == 0:
        return np.multiply(a, b)
    if np.ndim(a) == np.ndim(b) == 1:
        return np.matmul(a, b)
    return np.tensordot(a, b, axes=([-1], [-1]))


@handles("kron")
def _kron(r: ArrayRecorder, a: Any, b: Any) -> Any:
    if np.ndim(a) == np.ndim(b) == 1:
        return np.ravel(np.outer(a, b))
    if np.ndim(a) == np.ndim(b) == 2:
        rows, columns = a.shape[0] * b.shape[0], a.shape[1] * b.shape[1]
        return np.reshape(np.einsum("ij,kl->ikjl", a, b), (rows, columns))
    return r.probe(np.kron, (a, b), {})


@handles("trace")
def _trace(r: ArrayRecorder, a: Any, offset: Any = 0, *_: Any, **__: Any) -> Any:
    return np.sum(np.diagonal(a, offset), axis=-1)


@handles("outer")
def _outer(r: ArrayRecorder, a: Any, b: Any, out: Any = None) -> Any:
    return np.einsum("i,j->ij", np.ravel(a), np.ravel(b))


@handles("tensordot")
def _tensordot(r: ArrayRecorder, a: Any, b: Any, axes: Any = 2) -> Any:
    if isinstance(axes, int | np.integer):
        axes = (list(range(np.ndim(a) - axes, np.ndim(a))), list(range(axes)))
    first, second = ([axis] if isinstance(axis, int | np.integer) else list(axis) for axis in axes)
    letters = "abcdefghijklmnopqrstuvwxyz"
    left = list(letters[: np.ndim(a)])
    right = list(letters[np.ndim(a) : np.ndim(a) + np.ndim(b)])
    first, second = [axis % np.ndim(a) for axis in first], [axis % np.ndim(b) for axis in second]
    for axis, other in zip(first, second, strict=True):
        right[other] = left[axis]
    summed = {left[axis] for axis in first}
    out = [letter for letter in [*left, *right] if letter not in summed]
    return np.einsum(f"{''.join(left)},{''.join(right)}->{''.join(out)}", a, b)


@handles("einsum")
def _einsum(r: ArrayRecorder, *operands: Any, **_: Any) -> Any:
    spec, *arrays = operands
    if not isinstance(spec, str):  # einsum(a, [0, 1], b, [1, 2], [0, 2])
        arrays, lists = list(operands[0 : len(operands) - 1 : 2]), list(operands[1::2])
        letters = ["".join(chr(97 + axis) for axis in axes) for axes in lists]
        rest = operands[-1] if len(operands) % 2 else None
        spec = ",".join(letters) + ("" if rest is None else "->" + "".join(chr(97 + axis) for axis in rest))
    nodes = [r.node(array) for array in arrays]
    spec = _explicit(spec.replace(" ", ""), [node.value.ndim for node in nodes])
    if any(len(set(term)) < len(term) for term in spec.split("->")[0].split(",")):
        return r.probe(np.einsum, (spec, *arrays), {})
    return r.wrap(r.add("einsum", nodes, np.einsum(spec, *[node.value for node in nodes]), spec=spec))


def _explicit(spec: str, dims: list[int]) -> str:
    """The specification with its output written out, and letters for an ellipsis."""
    inputs, arrow, output = spec.partition("->")
    terms = inputs.split(",")
    free = [letter for letter in "ZYXWVUTSRQPON" if letter not in spec]
    most = max((dim - (len(term) - 3) for term, dim in zip(terms, dims, strict=True) if "..." in term), default=0)
    spread = "".join(free[:most])
    if not arrow:
        letters = "".join(terms).replace(".", "")
        output = ("..." if "..." in inputs else "") + "".join(sorted(c for c in set(letters) if letters.count(c) == 1))
    terms = [
        term.replace("...", spread[most - (dim - (len(term) - 3)) :] if "..." in term else "")
        for term, dim in zip(terms, dims, strict=True)
    ]
    return ",".join(terms) + "->" + output.replace("...", spread)


@handles("cumsum")
def _cumsum(r: ArrayRecorder, a: Any, axis: Any = None, **_: Any) -> Any:
    array = np.ravel(a) if axis is None else a
    axis = 0 if axis is None else axis % np.ndim(a)
    return r.wrap(r.add("cumsum", [r.node(array)], np.cumsum(strip(array), axis=axis), axis=axis))


@handles("pad")
def _pad(r: ArrayRecorder, array: Any, pad_width: Any, mode: Any = "constant", **options: Any) -> Any:
    values = np.pad(strip(array), strip(pad_width), mode, **strip(options))
    options.pop("constant_values", None)  # the places of what is filled in are those of nothing
    return r.move(lambda places: np.pad(places, strip(pad_width), mode, **strip(options)), array, "pad", values)


@handles("sort")
def _sort(r: ArrayRecorder, a: Any, axis: int = -1, **_: Any) -> Any:
    return np.take_along_axis(a, np.argsort(strip(a), axis=axis), axis=axis)


@handles("inv")
def _inv(r: ArrayRecorder, a: Any) -> Any:
    return r.wrap(r.add("inverse", [r.node(a)], np.linalg.inv(strip(a))))


@handles("solve")
def _solve(r: ArrayRecorder, a: Any, b: Any) -> Any:
    return np.matmul(np.linalg.inv(a), b)


@handles("copy")
def _copy(r: ArrayRecorder, a: Any, *_: Any, **__: Any) -> Any:
    return r.wrap(r.node(a))
