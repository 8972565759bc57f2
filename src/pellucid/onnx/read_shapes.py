"""Operators of ONNX that move elements: shapes, slices, indices, as functions of pellucid."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from ..core import Tensor, from_data
from ..declare import TABLE
from ..nn import functional as F
from ..nn import vocabulary as t
from ..types.dtypes import bool_, float32, int64
from .errors import OnnxLoadError
from .reader import Attributes, reads


@reads("Shape")
def shape(a: Attributes, x: Tensor) -> Tensor:
    return from_data(list(x.shape)[a.get("start", 0) : a.get("end", x.ndim)], int64)


@reads("Size")
def size(a: Attributes, x: Tensor) -> Tensor:
    return from_data(x.numel(), int64)


@reads("Reshape")
def reshape(a: Attributes, x: Tensor, wanted: Tensor) -> Tensor:
    sizes = wanted.tolist()
    if not a.get("allowzero"):
        sizes = [x.shape[i] if length == 0 else length for i, length in enumerate(sizes)]
    return x.reshape(sizes)


@reads("Flatten")
def flatten(a: Attributes, x: Tensor) -> Tensor:
    axis = a.get("axis", 1)
    rows = math.prod(x.shape[: axis if axis >= 0 else axis + x.ndim])
    return x.reshape(rows, -1)


@reads("Squeeze")
def squeeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = a.get("axes") if axes is None else axes.tolist()
    return x.squeeze() if dims is None else x.squeeze(tuple(dims))


@reads("Unsqueeze")
def unsqueeze(a: Attributes, x: Tensor, axes: Tensor | None = None) -> Tensor:
    dims = a["axes"] if axes is None else axes.tolist()
    rank = x.ndim + len(dims)
    for dim in sorted(dim % rank for dim in dims):
        x = x.unsqueeze(dim)
    return x


@reads("Transpose")
def transpose(a: Attributes, x: Tensor) -> Tensor:
    return x.permute(a.get("perm") or list(range(x.ndim))[::-1])


@reads("Expand")
def expand(a: Attributes, x: Tensor, wanted: Tensor) -> Tensor:
    return x.expand(np.broadcast_shapes(tuple(x.shape), tuple(wanted.tolist())))


@reads("Tile")
def tile(a: Attributes, x: Tensor, repeats: Tensor) -> Tensor:
    return x.repeat(repeats.tolist())


@reads("Concat")
def concat(a: Attributes, *xs: Tensor) -> Tensor:
    return t.cat(xs, dim=a["axis"])


@reads("Split")
def split(a: Attributes, x: Tensor, sizes: Tensor | None = None) -> Any:
    axis = a.get("axis", 0)
    lengths = a.get("split") if sizes is None else sizes.tolist()
    if lengths is None:
        each = -(-x.shape[axis] // a["outputs"])
        lengths = [min(each, x.shape[axis] - start) for start in range(0, x.shape[axis], each)]
    return tuple(x.split(lengths, axis))


@reads("Slice")
def slice_(
    a: Attributes, x: Tensor, starts: Any = None, ends: Any = None, axes: Any = None, steps: Any = None
) -> Tensor:
    begin, end = (a[k] if v is None else v.tolist() for k, v in (("starts", starts), ("ends", ends)))
    dims = a.get("axes", list(range(len(begin)))) if axes is None else axes.tolist()
    strides = [1] * len(dims) if steps is None else steps.tolist()
    for first, last, dim, step in zip(begin, end, dims, strides, strict=True):
        if step > 0:
            x = x[(*[slice(None)] * (dim % x.ndim), slice(first, last, step))]
        else:
            places = range(x.shape[dim])[slice(first, None if last < -x.shape[dim] else last, step)]
            x = t.index_select(x, dim=dim % x.ndim, index=from_data(list(places), int64))
    return x


@reads("Pad")
def pad(a: Attributes, x: Tensor, pads: Any = None, value: Any = None, axes: Any = None) -> Tensor:
    widths = a["pads"] if pads is None else pads.tolist()
    dims = list(range(x.ndim)) if axes is None else [dim % x.ndim for dim in axes.tolist()]
    around = {dim: (widths[i], widths[i + len(dims)]) for i, dim in enumerate(dims)}
    ends = [width for dim in reversed(range(x.ndim)) for width in around.get(dim, (0, 0))]
    mode = a.get("mode", "constant")
    if mode == "constant":
        number = a.get("value", 0) if value is None else value.item()
        return t.constant_pad_nd(x, pad=tuple(ends), value=number)
    while len(ends) > 2 and ends[-2:] == [0, 0]:
        ends = ends[:-2]
    return F.pad(x, ends, mode={"reflect": "reflect", "edge": "replicate", "wrap": "circular"}[mode])


@reads("Trilu")
def trilu(a: Attributes, x: Tensor, k: Tensor | None = None) -> Tensor:
    diagonal = 0 if k is None else int(k.item())
    return t.triu(x, diagonal=diagonal) if a.get("upper", 1) else t.tril(x, diagonal=diagonal)


@reads("Range")
def range_(a: Attributes, start: Tensor, limit: Tensor, delta: Tensor) -> Tensor:
    return t.arange(start.item(), limit.item(), delta.item(), dtype=start.dtype)


@reads("ConstantOfShape")
def constant_of_shape(a: Attributes, wanted: Tensor) -> Tensor:
    value = a.get("value")
    kind, number = (float32, 0.0) if value is None else (value.dtype, value.reshape(-1)[0].item())
    return t.full(size=tuple(wanted.tolist()), fill_value=number, dtype=kind)


# --- indices ----------------------------------------------------------------------------------------------------------


@reads("Gather")
def gather(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0) % max(x.ndim, 1)
    index = index.to(int64)
    if axis == 0 and x.ndim == 2 and index.ndim and x.requires_grad:
        return F.embedding(index, x)
    return x[(*[slice(None)] * axis, index)]


@reads("GatherElements")
def gather_elements(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    axis = a.get("axis", 0)
    return t.gather(x, dim=axis, index=t.where(index < 0, index + x.shape[axis], index))


def _coordinates(index: Tensor) -> tuple[Tensor, ...]:
    return tuple(index[..., i] for i in range(index.shape[-1]))


@reads("GatherND")
def gather_nd(a: Attributes, x: Tensor, index: Tensor) -> Tensor:
    if a.get("batch_dims"):
        raise OnnxLoadError("GatherND with batch_dims is not read")
    return x[_coordinates(index)]


@reads("ScatterElements")
def scatter_elements(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    axis, kind = a.get("axis", 0), a.get("reduction", "none")
    index = t.where(index < 0, index + x.shape[axis], index)
    if kind == "none":
        return TABLE["scatter"](x, index, updates, dim=axis)
    reduce = {"add": "sum", "mul": "prod", "max": "amax", "min": "amin"}[kind]
    return TABLE["scatter_reduce"](x, index, updates, dim=axis, reduce=reduce)


@reads("ScatterND")
def scatter_nd(a: Attributes, x: Tensor, index: Tensor, updates: Tensor) -> Tensor:
    kind = a.get("reduction", "none")
    if kind not in ("none", "add"):
        raise OnnxLoadError(f"ScatterND with reduction={kind} is not read")
    slots = (True,) * index.shape[-1]
    return TABLE["index_put"](x, updates, *_coordinates(index), slots=slots, accumulate=kind == "add")


@reads("NonZero")
def nonzero(a: Attributes, x: Tensor) -> Tensor:
    return t.nonzero(x).transpose(0, 1)


@reads("OneHot")
def one_hot(a: Attributes, index: Tensor, depth: Tensor, values: Tensor) -> Tensor:
    count = int(depth.item())
    hot = t.remainder(index.to(int64), count).unsqueeze(-1) == t.arange(count)
    made = t.where(hot, values[1], values[0])
    axis = a.get("axis", -1)
    return made if axis in (-1, index.ndim) else made.movedim(-1, axis)


@reads("Compress")
def compress(a: Attributes, x: Tensor, condition: Tensor) -> Tensor:
    places = t.nonzero(condition.to(bool_)).reshape(-1)
    return t.index_select(x.reshape(-1) if a.get("axis") is None else x, dim=a.get("axis") or 0, index=places)
