"""Numbers as they would be after quantising, for training that counts with it (Jacob and others, arXiv:1712.05877).

There are no quantised tensors here: the result is rounded to what an integer of few bits can stand for, and is a float.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, called, wrap
from pellucid.core.modes import no_grad
from pellucid.declare import TABLE, function
from pellucid.errors import with_line


def _name(input: Tensor, scale: Any, *others: Any) -> str:
    by_tensor = "TensorQparams" if isinstance(scale, Tensor) else ""
    return f"FakeQuantizePerTensorAffineCachemask{by_tensor}Backward0"


@function(method=False)
@called(_name)
def fake_quantize_per_tensor_affine(
    input: Tensor, scale: Any, zero_point: Any, quant_min: int, quant_max: int
) -> Tensor:
    """(clamp(round(x / scale) + zero_point, quant_min, quant_max) - zero_point) · scale, for each x of `input`.

    The gradient is that of the identity where nothing was clamped, else 0. `scale` and `zero_point` are numbers, or
    tensors of one element.

    >>> import pellucid
    >>> fake_quantize_per_tensor_affine(pellucid.tensor([0.26, -9.0]), 0.1, 0, -8, 7)
    tensor([ 0.3000, -0.8000])
    """
    _check_range("fake_quantize_per_tensor_affine", input, quant_min, quant_max)
    steps, zeros = np.float32(_number(scale)), int(_number(zero_point))
    if not quant_min <= zeros <= quant_max:
        raise RuntimeError(with_line(f"`zero_point` must be between `quant_min` and `quant_max`, got {zeros}"))
    return _quantized(input, steps, np.int64(zeros), quant_min, quant_max)


@function(method=False)
@called("FakeQuantizePerChannelAffineCachemaskBackward0")
def fake_quantize_per_channel_affine(
    input: Tensor, scale: Tensor, zero_point: Tensor, axis: int, quant_min: int, quant_max: int
) -> Tensor:
    """`fake_quantize_per_tensor_affine` with a scale and a zero point for each index along `axis`: (C,) each."""
    name = "fake_quantize_per_channel_affine"
    _check_range(name, input, quant_min, quant_max)
    if not (-input.ndim <= axis < input.ndim):
        raise RuntimeError(with_line("`axis` must be between 0 and number of dimensions of input"))
    if zero_point.dtype.name not in ("int32", "float32", "float16"):
        kind = {"int64": "Long", "float64": "Double"}.get(zero_point.dtype.name, zero_point.dtype.name)
        raise RuntimeError(
            with_line(f"Zero-point must be Int32, Float or Half, found {kind}; write zero_point.to(torch.int32)")
        )
    channels = input.shape[axis]
    for what, given in (("scale", scale), ("zero_point", zero_point)):
        if tuple(given.shape) != (channels,):
            raise RuntimeError(
                with_line(
                    f"{name}: dimensions of {what} and input-size are not consistent: {what} has shape "
                    f"{tuple(given.shape)}, and there are {channels} channels along axis {axis}"
                )
            )
    if bool((zero_point < quant_min).any()) or bool((zero_point > quant_max).any()):
        raise RuntimeError(with_line("`zero_point` must be between `quant_min` and `quant_max`."))
    shape = [channels if place == axis % input.ndim else 1 for place in range(input.ndim)]
    zeros = zero_point._array.astype(np.int64).reshape(shape)
    return _quantized(input, scale._array.astype(np.float32).reshape(shape), zeros, quant_min, quant_max)


def _check_range(name: str, input: Tensor, low: int, high: int) -> None:
    if not isinstance(input, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError(with_line(f"{name}(): argument 'input' must be Tensor, not {type(input).__name__}"))
    if low > high:
        raise RuntimeError(with_line(f"`quant_min` should be less than or equal to `quant_max`: {low} and {high}"))


def _number(value: Any) -> Any:
    return value.item() if isinstance(value, Tensor) else value


def _quantized(input: Tensor, scale: Any, zero_point: Any, low: int, high: int) -> Tensor:
    array = input._array
    steps = np.rint(array * (1 / scale).astype(array.dtype)) + zero_point  # PyTorch multiplies by the reciprocal
    inside = wrap(((steps >= low) & (steps <= high)).astype(array.dtype))
    with no_grad():
        rounded = wrap(((np.clip(steps, low, high) - zero_point) * scale).astype(array.dtype))
    if not input.requires_grad:
        return rounded
    passed = TABLE["where"](inside.bool(), input, TABLE["zeros_like"](input.detach()))
    return rounded + (passed - passed.detach())
