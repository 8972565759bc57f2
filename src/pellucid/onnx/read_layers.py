"""Operators of ONNX that are layers: products, convolution, pooling, normalisation, recurrences."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import numpy as np

from ..core import Tensor, from_data
from ..nn import functional as F
from ..nn import vocabulary as t
from ..ops.recurrent import gru_scan, lstm_scan, rnn_scan
from ..types.dtypes import int64
from .errors import OnnxLoadError
from .reader import Attributes, reads


@reads("Gemm")
def gemm(a: Attributes, x: Tensor, y: Tensor, c: Tensor | None = None) -> Tensor:
    x = x.transpose(0, 1) if a.get("transA") else x
    alpha, beta = a.get("alpha", 1.0), a.get("beta", 1.0)
    if a.get("transB") and alpha == beta == 1 and (c is None or c.ndim == 1):
        return F.linear(x, y, c)
    made = x @ (y.transpose(0, 1) if a.get("transB") else y)
    made = made if alpha == 1 else made * alpha
    return made if c is None else made + (c if beta == 1 else c * beta)


@reads("MatMul")
def matmul(a: Attributes, x: Tensor, y: Tensor) -> Tensor:
    return x @ y


@reads("Einsum")
def einsum(a: Attributes, *xs: Tensor) -> Tensor:
    return t.einsum(a["equation"], *xs)


# --- convolution and pooling ------------------------------------------------------------------------------------------


def _pads(a: Attributes, sides: Sequence[int], kernel: Sequence[int]) -> list[tuple[int, int]]:
    """What is added before and after each side."""
    rank = len(kernel)
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    mode = a.get("auto_pad", "NOTSET")
    if mode == "VALID":
        return [(0, 0)] * rank
    if mode in ("SAME_UPPER", "SAME_LOWER"):
        found: list[tuple[int, int]] = []
        for side, size, step, apart in zip(sides, kernel, strides, dilations, strict=True):
            whole = max((math.ceil(side / step) - 1) * step + apart * (size - 1) + 1 - side, 0)
            less, more = whole // 2, whole - whole // 2
            found.append((less, more) if mode == "SAME_UPPER" else (more, less))
        return found
    pads = a.get("pads", [0] * 2 * rank)
    return list(zip(pads[:rank], pads[rank:], strict=True))


def _around(x: Tensor, pads: list[tuple[int, int]], value: float = 0.0) -> Tensor:
    if not any(before or after for before, after in pads):
        return x
    return F.pad(x, [width for pair in reversed(pads) for width in pair], value=value)


def _same(pads: list[tuple[int, int]]) -> bool:
    return all(before == after for before, after in pads)


@reads("Conv")
def conv(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.ndim - 2
    pads = _pads(a, x.shape[2:], weight.shape[2:])
    inner = [before for before, _ in pads] if _same(pads) else [0] * rank
    x = x if _same(pads) else _around(x, pads)
    function = getattr(F, f"conv{rank}d")
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    return function(x, weight, bias, tuple(strides), tuple(inner), tuple(dilations), a.get("group", 1))


@reads("ConvTranspose")
def conv_transpose(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    rank = x.ndim - 2
    if "output_shape" in a or a.get("auto_pad", "NOTSET") != "NOTSET":
        raise OnnxLoadError("ConvTranspose with output_shape or auto_pad is not read")
    pads = _pads(a, x.shape[2:], weight.shape[2:])
    strides, dilations = a.get("strides", [1] * rank), a.get("dilations", [1] * rank)
    more = a.get("output_padding", [0] * rank)
    function = getattr(F, f"conv_transpose{rank}d")
    if _same(pads):
        inner = tuple(before for before, _ in pads)
        return function(x, weight, bias, tuple(strides), inner, tuple(more), a.get("group", 1), tuple(dilations))
    made = function(x, weight, bias, tuple(strides), 0, tuple(more), a.get("group", 1), tuple(dilations))
    return _around(made, [(-before, -after) for before, after in pads])


@reads("MaxPool")
def max_pool(a: Attributes, x: Tensor) -> Any:
    kernel = a["kernel_shape"]
    rank = len(kernel)
    pads = _pads(a, x.shape[2:], kernel)
    padded = not _same(pads) or any(2 * before > size for (before, _), size in zip(pads, kernel, strict=True))
    if padded and a["outputs"] > 1:
        raise OnnxLoadError("MaxPool with indices and padding that differs at the two ends is not read")
    x = _around(x, pads, -math.inf) if padded else x
    inner = [0] * rank if padded else [before for before, _ in pads]
    values, places = getattr(F, f"max_pool{rank}d")(
        x, kernel, a.get("strides", [1] * rank), inner, a.get("dilations", [1] * rank), bool(a.get("ceil_mode")), True
    )
    if a["outputs"] == 1:
        return values
    planes = x.shape[0] * x.shape[1]
    first = t.arange(planes).reshape(x.shape[0], x.shape[1], *[1] * rank) * math.prod(x.shape[2:])
    return values, places + first


@reads("AveragePool")
def average_pool(a: Attributes, x: Tensor) -> Tensor:
    kernel = a["kernel_shape"]
    rank = len(kernel)
    if any(apart != 1 for apart in a.get("dilations", [])):
        raise OnnxLoadError("AveragePool with dilations is not read")
    pads = _pads(a, x.shape[2:], kernel)
    function, strides = getattr(F, f"avg_pool{rank}d"), a.get("strides", [1] * rank)
    ceil, include = bool(a.get("ceil_mode")), bool(a.get("count_include_pad"))
    if _same(pads):
        return function(x, kernel, strides, [before for before, _ in pads], ceil, include)
    total = function(_around(x, pads), kernel, strides, 0, ceil)
    return total if include else total / function(_around(x * 0 + 1, pads), kernel, strides, 0, ceil)


@reads("GlobalAveragePool")
def global_average_pool(a: Attributes, x: Tensor) -> Tensor:
    return x.mean(tuple(range(2, x.ndim)), keepdim=True)


@reads("GlobalMaxPool")
def global_max_pool(a: Attributes, x: Tensor) -> Tensor:
    return x.amax(tuple(range(2, x.ndim)), keepdim=True)


@reads("Col2Im")
def col2im(a: Attributes, x: Tensor, size: Tensor, kernel: Tensor) -> Tensor:
    pads = a.get("pads", [0, 0, 0, 0])
    return F.fold(x, size.tolist(), kernel.tolist(), a.get("dilations", [1, 1]), pads[:2], a.get("strides", [1, 1]))


@reads("Resize", "Upsample")
def resize(a: Attributes, x: Tensor, *more: Any) -> Tensor:
    given = more if a["opset"] >= 11 else (None, *more)  # region, scales, sizes; before opset 11 scales alone
    settings: list[Any] = [*given, None, None]
    scales, sizes = settings[1:3]
    mode = {"nearest": "nearest", "linear": ["linear", "bilinear", "trilinear"][x.ndim - 3]}.get(
        a.get("mode", "nearest")
    )
    place = a.get("coordinate_transformation_mode", "half_pixel")
    if mode is None or place not in ("half_pixel", "pytorch_half_pixel", "asymmetric", "align_corners"):
        raise OnnxLoadError(f"Resize with mode={a.get('mode')}, {place} is not read")
    wanted = sizes.tolist()[2:] if sizes is not None and sizes.numel() else None
    factor = None if wanted is not None else scales.tolist()[2:]
    corners = None if mode == "nearest" else place == "align_corners"
    return F.interpolate(x, wanted, factor, mode, corners)


# --- normalisation ----------------------------------------------------------------------------------------------------


@reads("BatchNormalization")
def batch_norm(a: Attributes, x: Tensor, weight: Tensor, bias: Tensor, mean: Tensor, var: Tensor) -> Tensor:
    return F.batch_norm(x, mean, var, weight, bias, False, 0.0, a.get("epsilon", 1e-5))


@reads("LayerNormalization")
def layer_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor | None = None) -> Tensor:
    axis = a.get("axis", -1)
    shape = tuple(x.shape[axis:])
    if tuple(scale.shape) == shape:
        return F.layer_norm(x, shape, scale, bias, a.get("epsilon", 1e-5))
    made = F.layer_norm(x, shape, None, None, a.get("epsilon", 1e-5)) * scale
    return made if bias is None else made + bias


@reads("InstanceNormalization")
def instance_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    return F.instance_norm(x, weight=scale, bias=bias, eps=a.get("epsilon", 1e-5))


@reads("GroupNormalization")
def group_norm(a: Attributes, x: Tensor, scale: Tensor, bias: Tensor) -> Tensor:
    groups = a["num_groups"]
    if scale.shape[0] == x.shape[1]:
        return F.group_norm(x, groups, scale, bias, a.get("epsilon", 1e-5))
    each = x.shape[1] // groups  # before opset 21: a number for each group
    return F.group_norm(x, groups, scale.repeat_interleave(each), bias.repeat_interleave(each), a.get("epsilon", 1e-5))


@reads("LRN")
def local_response_norm(a: Attributes, x: Tensor) -> Tensor:
    return F.local_response_norm(x, a["size"], a.get("alpha", 1e-4), a.get("beta", 0.75), a.get("bias", 1.0))


# --- recurrences ------------------------------------------------------------------------------------------------------


def _gates(packed: Tensor, order: Sequence[int]) -> Tensor:
    """Rows of gates in our order."""
    size = packed.shape[0] // len(order)
    places = np.concatenate([np.arange(size) + size * gate for gate in order])
    return t.index_select(packed, dim=0, index=from_data(places, int64))


def _recurrence(a: Attributes, kind: str, order: Sequence[int], usual: list[str], inputs: tuple[Any, ...]) -> Any:
    every: list[Any] = [*inputs, *[None] * (8 - len(inputs))]
    x, w, r, b, lengths, *states = every
    strange = [name for name in ("clip", "input_forget", "layout") if a.get(name)]
    names = a.get("activations", usual)
    if lengths is not None or strange or states[2] is not None:
        raise OnnxLoadError(f"{kind} with {', '.join(strange) or 'sequence_lens or peepholes'} is not read")
    directions = [False, True] if a.get("direction") == "bidirectional" else [a.get("direction") == "reverse"]
    size = a["hidden_size"]
    ends: list[list[Tensor]] = [[], []]
    rows: list[Tensor] = []
    for place, reverse in enumerate(directions):
        before = [x.new_zeros(x.shape[1], size) if state is None else state[place] for state in states[:2]]
        own, across = _gates(w[place], order), _gates(r[place], order)
        given: Any = None
        inner: Any = None
        if b is not None:
            half = b.shape[1] // 2
            given, inner = _gates(b[place, :half], order), _gates(b[place, half:], order)
        last = 0 if reverse else -1
        if kind == "LSTM":
            gates = F.linear(x, own, given if given is None else given + inner)
            packed = lstm_scan(gates, across, *before, reverse=reverse)[0]
            split = x.shape[0] * before[0].numel()
            cells = packed[split:].reshape(x.shape[0], *before[1].shape)
            out = packed[:split].reshape(x.shape[0], *before[0].shape)
            ends[1].append(cells[last])
        elif kind == "GRU":
            out = gru_scan(F.linear(x, own, given), across, before[0], inner, reverse=reverse)[0]
        else:
            relu = names[place if place < len(names) else 0] == "Relu"
            gates = F.linear(x, own, given if given is None else given + inner)
            out = rnn_scan(gates, across, before[0], relu=relu, reverse=reverse)
        rows.append(out)
        ends[0].append(out[last])
    return (t.stack(rows, dim=1), *(t.stack(several, dim=0) for several in ends if several))


@reads("LSTM")
def lstm(a: Attributes, *inputs: Any) -> Any:
    if a.get("activations", ["Sigmoid", "Tanh", "Tanh"])[:3] != ["Sigmoid", "Tanh", "Tanh"]:
        raise OnnxLoadError(f"LSTM with activations {a['activations']} is not read")
    return _recurrence(a, "LSTM", [0, 2, 3, 1], [], inputs)  # i, o, f, g there; i, f, g, o here


@reads("GRU")
def gru(a: Attributes, *inputs: Any) -> Any:
    if not a.get("linear_before_reset"):
        raise OnnxLoadError("GRU with linear_before_reset=0, the reset gate before the product, is not read")
    return _recurrence(a, "GRU", [1, 0, 2], [], inputs)  # z, r, n there; r, z, n here


@reads("RNN")
def rnn(a: Attributes, *inputs: Any) -> Any:
    if not set(a.get("activations", ["Tanh"])) <= {"Tanh", "Relu"}:
        raise OnnxLoadError(f"RNN with activations {a['activations']} is not read")
    return _recurrence(a, "RNN", [0], ["Tanh", "Tanh"], inputs)
