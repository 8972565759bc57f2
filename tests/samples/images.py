"""Rows for `ops/convolution.py`, `ops/columns.py`, `ops/pooling.py` and `ops/adaptive_pooling.py`."""

import numpy as np
import torch
from torch.nn import grad as gradients

from tests.op_samples import integers, real, row

PLAIN = {"stride": (1, 1), "padding": (0, 0), "dilation": (1, 1), "groups": 1}
VARIED = {"stride": (2, 1), "padding": (1, 2), "dilation": (1, 2), "groups": 2}


def _convolution(*args, windows=None, **how):
    out = torch.nn.functional.conv2d(*args, **how)
    return out if windows is None else out[:, :, : windows[0], : windows[1]]


def _input(g, weight, *, shape, **how):
    return gradients.conv2d_input(shape, weight, g, **how)


def _weight(g, image, *, shape, **how):
    return gradients.conv2d_weight(image, shape, g, **how)


def _flat(place, width, kernel, stride, padding, dilation):
    """Places in windows as indices into flattened images."""
    oh, ow = place.shape[2:]
    down, across = place.long() // kernel[1], place.long() % kernel[1]
    row = torch.arange(oh)[:, None] * stride[0] - padding[0] + down * dilation[0]
    return row * width + torch.arange(ow) * stride[1] - padding[1] + across * dilation[1]


def _max_pool(x, *, kernel, **how):
    return torch.nn.functional.max_pool2d(x, kernel, **how)


def _scatter(g, place, *, shape, **how):
    flat = torch.zeros(shape[0] * shape[1], shape[2] * shape[3], dtype=g.dtype)
    where = _flat(place, shape[3], **how).flatten(2).flatten(0, 1)
    return flat.scatter_add(1, where, g.flatten(2).flatten(0, 1)).reshape(shape)


def _gather(x, place, **how):
    return x.flatten(2).gather(2, _flat(place, x.shape[3], **how).flatten(2)).reshape(place.shape)


def _avg_pool(x, *, kernel, divisor=None, **how):
    return torch.nn.functional.avg_pool2d(x, kernel, divisor_override=divisor, **how)


def _spread(g, *, shape, **how):
    x = torch.zeros(shape, dtype=g.dtype, requires_grad=True)
    return torch.autograd.grad(_avg_pool(x, **how), x, g, create_graph=True)[0]


POOL = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0), "dilation": (1, 1)}
OVERLAP = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "dilation": (1, 2)}
MEAN = {"kernel": (2, 2), "stride": (2, 2), "padding": (0, 0)}
MEANS = {"kernel": (3, 2), "stride": (2, 1), "padding": (1, 1), "ceil_mode": True, "count_include_pad": False}
COLUMNS = {"kernel": (2, 3), "stride": (1, 2), "padding": (1, 0), "dilation": (2, 1)}

SAMPLES = {
    "convolution": [
        row(real(2, 3, 5, 4), real(4, 3, 3, 2), real(4), reference=_convolution, **PLAIN),
        row(real(2, 4, 6, 7), real(6, 2, 3, 2), None, reference=_convolution, **VARIED),
        row(real(1, 2, 4, 4), real(2, 1, 1, 1), real(2), reference=_convolution, windows=(2, 3),
            **{**PLAIN, "groups": 2}),
        row(real(0, 3, 5, 4), real(4, 3, 3, 2), real(4), reference=_convolution, **PLAIN),
        row(real(4, 5, 3, 2).transpose(3, 2, 0, 1), real(4, 3, 3, 2), real(4), reference=_convolution, **PLAIN),
    ],
    "convolution_input": [
        row(real(2, 4, 3, 3), real(4, 3, 3, 2), shape=(2, 3, 5, 4), reference=_input, **PLAIN),
        row(real(2, 6, 3, 9), real(6, 2, 3, 2), shape=(2, 4, 6, 7), reference=_input, **VARIED),
    ],
    "convolution_weight": [
        row(real(2, 4, 3, 3), real(2, 3, 5, 4), shape=(4, 3, 3, 2), reference=_weight, **PLAIN),
        row(real(2, 6, 3, 9), real(2, 4, 6, 7), shape=(6, 2, 3, 2), reference=_weight, **VARIED),
    ],
    "im2col": [
        row(real(2, 3, 5, 6), **COLUMNS, reference=lambda x, kernel, stride, padding, dilation:
            torch.nn.functional.unfold(x, kernel, dilation, padding, stride)),
    ],
    "col2im": [
        row(real(2, 18, 10), size=(5, 6), **COLUMNS, reference=lambda x, size, kernel, stride, padding, dilation:
            torch.nn.functional.fold(x, size, kernel, dilation, padding, stride)),
    ],
    "max_pool": [
        row(real(2, 3, 4, 6), reference=_max_pool, **POOL), row(real(2, 3, 5, 4), reference=_max_pool, **OVERLAP),
        row(real(1, 1, 5, 5), reference=_max_pool, ceil_mode=True, **POOL),
        row(integers(2, 3, 4, 4), reference=_max_pool, **POOL),
    ],
    "max_pool_scatter": [
        row(real(2, 3, 2, 3), integers(2, 3, 2, 3, low=0, high=4).astype(np.uint8), shape=(2, 3, 5, 6),
            reference=_scatter, **POOL),
        row(real(1, 2, 3, 2), integers(1, 2, 3, 2, low=0, high=4).astype(np.uint8), shape=(1, 2, 4, 3),
            reference=_scatter, **{**POOL, "stride": (1, 1)}),
    ],
    "max_pool_gather": [
        row(real(2, 3, 5, 6), integers(2, 3, 2, 3, low=0, high=4).astype(np.uint8), reference=_gather, **POOL),
    ],
    "max_pool_indices": [
        row(integers(2, 3, 2, 3, low=0, high=6).astype(np.uint8), width=8, reference=_flat, **OVERLAP),
    ],
    "avg_pool": [
        row(real(2, 3, 4, 6), reference=_avg_pool, **MEAN), row(real(2, 3, 5, 4), reference=_avg_pool, **MEANS),
        row(real(2, 3, 4, 6), reference=_avg_pool, divisor=3, **MEAN),
    ],
    "avg_pool_spread": [
        row(real(2, 3, 2, 3), shape=(2, 3, 4, 6), reference=_spread, **MEAN),
    ],
}  # fmt: skip
