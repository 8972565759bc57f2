"""Products, convolutions, pooling, normalisation, attention."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from .errors import OnnxExporterError
from .table import writes
from .writer import Term, Writer


@writes("linear")
def linear(w: Writer, input: Term, weight: Term, bias: Term | None = None) -> Term:
    if input.rank == 2 and weight.rank == 2 and (bias is None or bias.rank == 1):
        made = w.Gemm(input, weight, bias, transB=1)
    else:
        made = w.MatMul(input, w.permute(weight, [1, 0]) if weight.rank == 2 else weight)
        made = made if bias is None else made + bias
    made.origin = (input, weight, bias)
    return made


@writes("matmul")
def matmul(w: Writer, input: Term, other: Term) -> Term:
    return w.MatMul(input, other)


@writes("contract")
def contract(w: Writer, *operands: Term, inputs: tuple[str, ...], output: str) -> Term:
    return w.Einsum(*operands, equation=",".join(inputs) + "->" + output)


# --- convolution and pooling (images; one dimension is a height of 1) -------------------------------------------------


def _window(**sizes: Any) -> dict[str, Any]:
    """ONNX's attributes for what an op of images calls `kernel`, `stride`, `padding`, `dilation`."""
    names = {"kernel": "kernel_shape", "stride": "strides", "dilation": "dilations"}
    found = {names[key]: list(value) for key, value in sizes.items() if key in names}
    return found | {"pads": [*sizes["padding"], *sizes["padding"]]}


@writes("convolution")
def convolution(
    w: Writer, input: Term, weight: Term, bias: Term | None = None, *, stride: Any, padding: Any, dilation: Any,
    groups: int, windows: Any = None,
) -> Term:  # fmt: skip
    how = _window(kernel=weight.fixed[2:], stride=stride, padding=padding, dilation=dilation)
    made = w.Conv(input, weight, bias, group=groups, **how)
    if windows is not None:
        made = w.Slice(made, w.ints([0, 0]), w.ints(windows), w.ints([2, 3]))
    return made


@writes("convolution_input")
def convolution_input(
    w: Writer, input: Term, weight: Term, *, shape: Any, stride: Any, padding: Any, dilation: Any, groups: int
) -> Term:
    more: list[int] = []
    for axis in (0, 1):
        reach = (input.known[2 + axis] - 1) * stride[axis] - 2 * padding[axis]  # type: ignore[operator]
        left = shape[2 + axis] - (reach + dilation[axis] * (weight.fixed[2 + axis] - 1) + 1)
        if not isinstance(left, int):
            raise OnnxExporterError("a transposed convolution whose output does not follow from its input's size")
        more.append(left)
    how = _window(kernel=weight.fixed[2:], stride=stride, padding=padding, dilation=dilation)
    if all(left < max(stride[axis], dilation[axis]) for axis, left in enumerate(more)):
        return w.ConvTranspose(input, weight, group=groups, output_padding=more, **how)
    made = w.ConvTranspose(input, weight, group=groups, **how)
    return w.Pad(made, w.ints([0] * 6 + more), w.constant(0, input.dtype))


@writes("max_pool")
def max_pool(
    w: Writer, input: Term, *, kernel: Any, stride: Any, padding: Any, dilation: Any, ceil_mode: bool = False
) -> tuple[Term, Term]:
    how = _window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    values, places = w.MaxPool(input, outputs=2, ceil_mode=int(ceil_mode), **how)
    places.dtype = np.dtype(np.int64)
    places.image = input.known  # counted through the whole batch, see below
    return values, places


@writes("max_pool_indices")
def max_pool_indices(w: Writer, place: Term, **_: Any) -> Term:
    _, _, height, width = place.image  # type: ignore[misc]
    return w.Mod(place, w.scalar(height * width))  # type: ignore[operator]


@writes("avg_pool")
def avg_pool(
    w: Writer, input: Term, *, kernel: Any, stride: Any, padding: Any, ceil_mode: bool = False,
    count_include_pad: bool = True, divisor: int | None = None,
) -> Term:  # fmt: skip
    how = _window(kernel=kernel, stride=stride, padding=padding)
    if divisor is None and not ceil_mode:
        return w.AveragePool(input, count_include_pad=int(count_include_pad), **how)
    # Sums of windows over sums of ones, whatever the readers of a file do with windows that run over the edge.
    if ceil_mode:
        raise_size = [k - 1 for k in kernel]
        around = [0, 0, padding[0], padding[1], 0, 0, padding[0] + raise_size[0], padding[1] + raise_size[1]]
    else:
        around = [0, 0, *padding, 0, 0, *padding]
    zero = w.constant(0, input.dtype)
    how = _window(kernel=kernel, stride=stride, padding=(0, 0))
    area = math.prod(kernel)
    total = w.AveragePool(w.Pad(input, w.ints(around), zero), **how) * area
    counted = input.fixed_from(2)
    ones = np.zeros([1, 1, *(counted[i] + around[2 + i] + around[6 + i] for i in (0, 1))], input.dtype)
    reach = [padding[i] if count_include_pad else 0 for i in (0, 1)]
    ones[:, :, *(slice(padding[i] - reach[i], padding[i] + counted[i] + reach[i]) for i in (0, 1))] = 1
    windows = np.lib.stride_tricks.sliding_window_view(ones, kernel, (2, 3))[:, :, :: stride[0], :: stride[1]]
    counts = windows.sum((-1, -2)) if divisor is None else np.full(windows.shape[:4], divisor, input.dtype)
    out = [_count(counted[i], kernel[i], stride[i], padding[i], ceil_mode) for i in (0, 1)]
    total = w.Slice(total, w.ints([0, 0]), w.ints(out), w.ints([2, 3]))
    return total / w.constant(counts[:, :, : out[0], : out[1]], input.dtype)


def _count(length: int, kernel: int, stride: int, padding: int, ceil_mode: bool) -> int:
    reach = length + 2 * padding - kernel
    count = (reach + (stride - 1 if ceil_mode else 0)) // stride + 1
    return count - 1 if ceil_mode and (count - 1) * stride >= length + padding else count


@writes("im2col")
def im2col(w: Writer, input: Term, *, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Term:
    """A convolution by kernels of a single one, so that each puts out one pixel of every window."""
    channels, area = input.known[1], math.prod(kernel)
    if not isinstance(channels, int):
        raise OnnxExporterError("the number of channels must be fixed")
    eye = np.tile(np.eye(area, dtype=input.dtype).reshape(area, 1, *kernel), (channels, 1, 1, 1))
    how = _window(kernel=kernel, stride=stride, padding=padding, dilation=dilation)
    made = w.Conv(input, w.constant(eye), group=channels, **how)
    return w.Reshape(made, w.ints([0, channels * area, -1]))


@writes("col2im")
def col2im(w: Writer, input: Term, *, size: Any, kernel: Any, stride: Any, padding: Any, dilation: Any) -> Term:
    how = _window(stride=stride, padding=padding, dilation=dilation)
    return w.Col2Im(input, w.ints(size), w.ints(kernel), **how)


# --- normalisation ----------------------------------------------------------------------------------------------------


def _normalised(w: Writer, x: Term, weight: Term | None, bias: Term | None, dims: Any, eps: float) -> Term:
    around = x - w.reduce("ReduceMean", x, dims, True)
    made = around / w.Sqrt(w.reduce("ReduceMean", around * around, dims, True) + eps)
    made = made if weight is None else made * weight
    return made if bias is None else made + bias


@writes("layer_norm")
def layer_norm(
    w: Writer, input: Term, weight: Term | None = None, bias: Term | None = None, *, dims: Any, eps: float = 1e-5
) -> tuple[Term | None, ...]:
    dims = [dim % input.rank for dim in dims]
    last = dims == list(range(input.rank - len(dims), input.rank))
    shape = tuple(input.known[dim] for dim in dims)
    given = weight if weight is not None else bias
    if last and given is not None and given.shape == shape and (bias is None or bias.shape == shape):
        scale = weight if weight is not None else w.constant(np.ones(given.fixed), input.dtype)
        return w.LayerNormalization(input, scale, bias, axis=dims[0], epsilon=float(eps)), None
    return _normalised(w, input, weight, bias, dims, eps), None


@writes("batch_norm")
def batch_norm(
    w: Writer, input: Term, weight: Term | None = None, bias: Term | None = None, *, dims: Any, eps: float = 1e-5
) -> tuple[Term | None, ...]:
    """By the statistics of the batch itself, as `InstanceNorm` does."""
    dims = [dim % input.rank for dim in dims]
    if weight is not None or bias is not None:
        kept = [1 if dim in dims else input.known[dim] for dim in range(input.rank)]
        weight, bias = (None if term is None else w.reshape(term, kept) for term in (weight, bias))  # type: ignore[arg-type]
    return _normalised(w, input, weight, bias, dims, eps), None


@writes("attention")
def attention(
    w: Writer, query: Term, key: Term, value: Term, mask: Term | None = None, *, scale: float, causal: bool = False
) -> Term:
    order = [*range(key.rank - 2), key.rank - 1, key.rank - 2]
    scores = w.MatMul(query * scale, w.permute(key, order))
    if causal:
        rows, columns = query.known[-2], key.known[-2]
        steps = w.unsqueeze(w.Range(w.scalar(0), w.scalar(rows), w.scalar(1)), 1)  # type: ignore[arg-type]
        later = w.Greater(w.Range(w.scalar(0), w.scalar(columns), w.scalar(1)), steps, dtype=bool)  # type: ignore[arg-type]
        scores = w.where(later, float("-inf"), scores)
    if mask is not None:
        scores = scores + mask
    probs = w.Softmax(scores, axis=-1)
    if mask is not None:  # a query that may see no key gets zeros
        probs = w.where(w.IsNaN(probs, dtype=bool), 0.0, probs)
    return w.MatMul(probs, value)
