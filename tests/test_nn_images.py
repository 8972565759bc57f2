"""Lines, images and volumes against PyTorch: sizes, grids, unpooling, convolutions and pools of volumes."""

import itertools
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")

Call = Callable[..., Any]
LINE, IMAGE, VOLUME = (2, 3, 5), (2, 3, 5, 7), (1, 2, 3, 4, 5)
FLAT = ("nearest", "nearest-exact", "area")


def interpolated(**options: Any) -> Call:
    return lambda t, x: t.nn.functional.interpolate(x, **options)


def sampled(*options: Any) -> Call:
    return lambda t, x, grid: t.nn.functional.grid_sample(x, grid, *options)


def called(name: str, *args: Any, **options: Any) -> Call:
    return lambda t, *tensors: getattr(t.nn.functional, name)(*tensors, *args, **options)


def unpooled(rank: int) -> Call:
    def call(t: Any, x: Any) -> Any:
        pool, back = (getattr(t.nn, f"Max{name}{rank}d") for name in ("Pool", "Unpool"))
        found, indices = pool(2, return_indices=True)(x)
        return back(2)(found, indices, output_size=x.shape)

    return call


CALLS: dict[str, tuple[Call, list[tuple[int, ...]]]] = {}
for modes, shape in (
    (("nearest", "nearest-exact", "linear", "area"), LINE),
    (("nearest", "nearest-exact", "bilinear", "bicubic", "area"), IMAGE),
    (("nearest", "trilinear", "area"), VOLUME),
):
    for mode in modes:
        for option in (
            {"scale_factor": 2},
            {"scale_factor": 1.7},
            {"scale_factor": 0.6},
            {"size": (9, 8, 7)[: len(shape) - 2]},
            {"scale_factor": 1.7, "recompute_scale_factor": True},
        ):
            for align in (None,) if mode in FLAT else (False, True):
                call = interpolated(mode=mode, align_corners=align, **option)
                CALLS[f"{mode} {len(shape) - 2}d {option} {align}"] = call, [shape]
SMALLER = ({"size": 3}, {"scale_factor": 0.4})
for mode, align, option in itertools.product(("bilinear", "bicubic"), (False, True), SMALLER):
    call = interpolated(mode=mode, align_corners=align, antialias=True, **option)
    CALLS[f"{mode} smoothed {option} {align}"] = call, [(2, 3, 9, 11)]
for mode, padding, align in itertools.product(
    ("bilinear", "nearest", "bicubic"), ("zeros", "border", "reflection"), (True, False)
):
    CALLS[f"grid {mode} {padding} {align}"] = sampled(mode, padding, align), [(2, 3, 5, 4), (2, 4, 3, 2)]
    if mode != "bicubic":
        shapes = [(2, 2, 3, 5, 4), (2, 2, 4, 3, 3)]
        CALLS[f"grid of a volume {mode} {padding} {align}"] = sampled(mode, padding, align), shapes
CALLS |= {
    "affine grid": (called("affine_grid", [2, 3, 4, 5], align_corners=True), [(2, 2, 3)]),
    "affine grid of a volume": (called("affine_grid", [2, 3, 4, 5, 3], align_corners=False), [(2, 3, 4)]),
    "unpool 1d": (unpooled(1), [(2, 3, 6)]),
    "unpool 2d": (unpooled(2), [(2, 3, 6, 8)]),
    "unpool 3d": (unpooled(3), [(2, 3, 6, 8, 4)]),
    "conv3d": (
        called("conv3d", None, (2, 1, 2), (1, 2, 0), (2, 1, 1), 2),
        [(2, 4, 6, 5, 4), (6, 2, 3, 2, 2)],
    ),
    "conv3d, same": (called("conv3d", padding="same"), [(2, 4, 6, 5, 4), (6, 4, 3, 2, 2)]),
    "max_pool3d": (
        called("max_pool3d", (2, 3, 2), (1, 2, 1), (1, 1, 0), 1, True),
        [(2, 2, 7, 6, 5)],
    ),
    "max_pool3d, indices": (
        lambda t, x: t.nn.functional.max_pool3d(x, 3, dilation=2, return_indices=True)[1] + 0 * x.sum(),
        [(2, 2, 7, 6, 5)],
    ),
    "avg_pool3d": (
        called("avg_pool3d", (2, 3, 2), (1, 2, 2), (1, 1, 0), True, False),
        [(2, 2, 7, 6, 5)],
    ),
    "avg_pool3d, divisor": (called("avg_pool3d", 3, 2, 1, True, True, 5), [(2, 2, 7, 6, 5)]),
}
for rank in (1, 2, 3):
    shapes = [(2, 3, *(3, 4, 3)[:rank]), (3, 2, *(3, 2, 3)[:rank])]
    CALLS[f"conv_transpose{rank}d"] = called(f"conv_transpose{rank}d", None, 2, 1, 1, 1, 2), shapes


def answers(call: Call, shapes: list[tuple[int, ...]], library: Any) -> list[np.ndarray]:
    rng = np.random.default_rng(0)
    inputs = [library.tensor(rng.standard_normal(shape).tolist()).requires_grad_() for shape in shapes]
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        out = call(library, *inputs)
    (out * library.arange(float(out.numel())).reshape(out.shape) / out.numel()).sum().backward()
    return [tensor.detach().numpy() for tensor in (out, *(given.grad for given in inputs))]


@pytest.mark.parametrize(("call", "shapes"), CALLS.values(), ids=CALLS)
def test_values_and_gradients(call: Call, shapes: list[tuple[int, ...]]) -> None:
    for expected, got in zip(answers(call, shapes, torch), answers(call, shapes, pellucid), strict=True):
        np.testing.assert_allclose(got, expected, rtol=2e-5, atol=2e-5 * max(1.0, np.abs(expected).max()))


REFUSED: dict[str, Call] = {
    "two sizes": lambda t: t.nn.functional.interpolate(t.randn(2, 3, 4), 2, 2.0),
    "no size": lambda t: t.nn.functional.interpolate(t.randn(2, 3, 4)),
    "mode of another rank": lambda t: t.nn.functional.interpolate(t.randn(2, 3, 4), 2, mode="bilinear"),
    "corners of nearest": lambda t: t.nn.functional.interpolate(t.randn(2, 3, 4), 2, align_corners=True),
    "grid of another rank": lambda t: t.nn.functional.grid_sample(
        t.randn(2, 3, 4, 4), t.randn(2, 4, 3), align_corners=False
    ),
    "mode of a grid": lambda t: t.nn.functional.grid_sample(t.randn(2, 3, 4, 4), t.randn(2, 4, 4, 2), "cubic"),
    "channels": lambda t: t.nn.Conv3d(3, 4, 2)(t.randn(1, 2, 4, 4, 4)),
    "kernel too large": lambda t: t.nn.Conv3d(2, 4, 5)(t.randn(1, 2, 4, 4, 4)),
    "rank": lambda t: t.nn.ConvTranspose2d(2, 4, 5)(t.randn(2, 4)),
    "output size": lambda t: t.nn.ConvTranspose2d(2, 4, 3, 2)(t.randn(1, 2, 4, 4), output_size=(20, 20)),
    "padding mode": lambda t: t.nn.ConvTranspose2d(2, 4, 3, padding_mode="reflect"),
}


@pytest.mark.parametrize("call", REFUSED.values(), ids=REFUSED)
def test_refusals(call: Call) -> None:
    with pytest.raises(Exception, match=".") as theirs:
        call(torch)
    with pytest.raises(theirs.type):
        call(pellucid)


@pytest.mark.parametrize("antialias", [False, True])
@pytest.mark.parametrize("align", [False, True])
@pytest.mark.parametrize("mode", ["bilinear", "bicubic"])
def test_bytes_are_whole_numbers_after_each_side(mode: str, align: bool, antialias: bool) -> None:
    if not torch.backends.cpu.get_cpu_capability().startswith("AVX"):
        pytest.skip("PyTorch's kernel for bytes is one for AVX2; without it, it rounds once")
    numbers = np.random.default_rng(0)
    for before, after in (((64, 64), (10, 10)), ((7, 9), (13, 20)), ((20, 30), (20, 11))):
        x = numbers.integers(0, 256, (2, 3, *before)).astype(np.uint8)
        ours, theirs = (
            lib.nn.functional.interpolate(
                lib.tensor(x), size=after, mode=mode, align_corners=align, antialias=antialias
            ).numpy()
            for lib in (pellucid, torch)
        )
        np.testing.assert_array_equal(ours, theirs)
