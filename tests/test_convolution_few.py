"""Convolutions of images that have shrunk to a few pixels: the places of a kernel that meet none are left out."""

from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.kernels import table
from pellucid.ops.needed_taps import needed

CASES = {  # shapes of input and weight, options, and the shape of the kernel that is needed
    "one pixel": ((6, 40, 1, 1), (24, 40, 3, 3), {"padding": 1}, (1, 1)),
    "one pixel, large kernel": ((3, 5, 1, 1), (7, 5, 7, 5), {"padding": (3, 2)}, (1, 1)),
    "to one pixel": ((6, 40, 2, 2), (24, 40, 3, 3), {"padding": 1, "stride": 2}, (2, 2)),
    "two pixels": ((6, 24, 2, 2), (40, 24, 3, 3), {"padding": 1}, None),
    "two pixels, large kernel": ((2, 9, 2, 2), (20, 9, 5, 5), {"padding": 2}, (3, 3)),
    "one row": ((4, 16, 1, 9), (33, 16, 3, 3), {"padding": 1}, (1, 3)),
    "dilated": ((5, 20, 3, 3), (18, 20, 3, 3), {"padding": 4, "dilation": 4}, (1, 1)),
    "dilated, some": ((5, 20, 4, 4), (18, 20, 3, 3), {"padding": 2, "dilation": 2, "stride": 3}, None),
    "groups": ((4, 24, 1, 1), (36, 6, 3, 3), {"padding": 1, "groups": 4}, (1, 1)),
    "each channel": ((4, 24, 1, 1), (24, 1, 3, 3), {"padding": 1, "groups": 24}, (1, 1)),
    "more padding than image": ((4, 6, 1, 2), (8, 6, 2, 2), {"padding": 2}, None),
    "no padding": ((6, 32, 4, 4), (64, 32, 3, 3), {"stride": 1}, None),
    "few outputs": ((9, 32, 4, 4), (1, 32, 4, 4), {}, None),
    "stride over pixels": ((9, 32, 6, 6), (48, 32, 2, 2), {"stride": 4}, None),
}


def both(name: str, dtype: str, bias: bool) -> list[list[np.ndarray]]:
    """Result, gradients, and gradients of a sum of these, in pellucid and in PyTorch."""
    shape, weight, options, _ = CASES[name]
    rng = np.random.default_rng(0)
    arrays = [rng.normal(size=each).astype(dtype) for each in (shape, weight, weight[:1])[: 3 if bias else 2]]
    found = []
    for library in (pellucid, torch):
        given = [library.from_numpy(array.copy()).requires_grad_() for array in arrays]
        out = library.nn.functional.conv2d(*given, **options)
        first = library.autograd.grad((out * out).sum(), given, create_graph=True)
        sum((each * each).sum() for each in first).backward()
        found.append([each.detach().numpy() for each in (out, *first, *(each.grad for each in given))])
    return found


@pytest.mark.parametrize("name", CASES)
@pytest.mark.parametrize("kernels", [True, False])
@pytest.mark.parametrize("dtype", ["float32", "float64"])
def test_few_pixels_give_what_pytorch_gives(
    name: str, kernels: bool, dtype: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    if not kernels:
        monkeypatch.setattr(table.Kernel, "function", lambda self, *key: None)
    for bias in (True, False):
        for ours, theirs in zip(*both(name, dtype, bias), strict=True):
            size = float(np.abs(theirs).max()) if theirs.size else 0.0
            assert ours.shape == theirs.shape and ours.dtype == theirs.dtype
            np.testing.assert_allclose(ours, theirs, 1e-4 if dtype == "float32" else 1e-11, size * 1e-6)


@pytest.mark.parametrize("name", CASES)
def test_the_places_that_are_needed(name: str) -> None:
    (_, _, *image), (_, _, *kernel), options, wanted = CASES[name]

    def pair(option: str, default: int) -> tuple[int, int]:
        given: Any = options.get(option, default)
        return given if isinstance(given, tuple) else (given, given)

    stride, padding, dilation = pair("stride", 1), pair("padding", 0), pair("dilation", 1)
    out = [(image[i] + 2 * padding[i] - dilation[i] * (kernel[i] - 1) - 1) // stride[i] + 1 for i in (0, 1)]
    found = needed(image, kernel, out, stride, padding, dilation)
    assert (found is None) == (wanted is None)
    if found is not None:
        assert tuple(part.stop - part.start for part in found[0]) == wanted
