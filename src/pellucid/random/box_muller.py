"""Normal numbers from uniform ones, in the arithmetic of PyTorch's vector code.

Box and Muller (1958): if u and v are uniform on [0, 1), then with r = √(−2·ln(1 − u)) and θ = 2π·v

    r·cos θ   and   r·sin θ

are two independent standard normal numbers. PyTorch fills the tensor with uniform numbers and rewrites it in blocks
of sixteen: the first eight are the u, the last eight the v; the cosines go where the u were, the sines where the v
were.

In float32 it takes ln, sin and cos from the polynomials of S. Moshier's Cephes library, evaluated with fused
multiply-adds. Here each fused step is done in float64, where the product of two float32 numbers is exact, and then
rounded once to float32; so the bits are those of PyTorch on a processor with AVX2 or AVX-512. (PyTorch on another
processor takes the functions of its C library, and is itself some units in the last place away from these.)
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np
import numpy.typing as npt

from pellucid.kernels import normal as kernels

Array = npt.NDArray[Any]

BLOCK = 16
_CHUNK = 1024 * BLOCK  # the working arrays of one chunk stay in the processor's cache


def normal_blocks(uniforms: Array, mean: float = 0.0, std: float = 1.0) -> Array:
    """Normal numbers of `mean` and `std` from uniforms on [0, 1), in their dtype (float32 or float64).

    Shape: (16·k,) -> (16·k,). In float64 the functions are those of the C library, which PyTorch calls there.

    >>> normal_blocks(np.zeros(16, np.float32), mean=3.0)[:2]
    array([3., 3.], dtype=float32)
    """
    out = np.empty_like(uniforms)
    one_chunk = _float64_blocks if uniforms.dtype == np.float64 else _float32_blocks
    for start in range(0, uniforms.size, _CHUNK):
        blocks = uniforms[start : start + _CHUNK].reshape(-1, 2, BLOCK // 2)  # (block, u or v, 8)
        radius_cos, radius_sin = one_chunk(blocks[:, 0], blocks[:, 1])
        target = out[start : start + _CHUNK].reshape(blocks.shape)
        target[:, 0] = _scaled(radius_cos, mean, std)
        target[:, 1] = _scaled(radius_sin, mean, std)
    return out


def _scaled(normals: Array, mean: float, std: float) -> Array:
    if normals.dtype == np.float64:
        return fused_multiply_add(normals, std, mean)
    return (normals * np.float64(np.float32(std)) + np.float64(np.float32(mean))).astype(np.float32)


def fused_multiply_add(x: Array, factor: float, addend: float | Array) -> Array:
    """x·factor + addend in float64, rounded once, as PyTorch's compiler has the processor do it.

    NumPy rounds the product first. Its rounding error is recovered by Dekker's exact product (1971), that of the
    sum by Knuth's exact sum, and both are added back.

    >>> x = np.array([1 + 2.0**-30])
    >>> (fused_multiply_add(x, 1 - 2.0**-30, -1.0) / 2.0**-60).item(), (x * (1 - 2.0**-30) - 1.0).item()
    (-1.0, 0.0)
    """
    product = x * factor
    if factor == 1 or not math.isfinite(factor) or np.all(addend == 0):
        return product + addend
    x_high, x_low = _halves(x)
    f_high, f_low = _halves(np.float64(factor))
    product_error = ((x_high * f_high - product) + x_high * f_low + x_low * f_high) + x_low * f_low
    total = product + addend
    rounded = total - product
    total_error = (product - (total - rounded)) + (addend - rounded)
    return total + (total_error + product_error)


def _halves(x: Any) -> tuple[Any, Any]:
    """The leading 26 bits of x, and the rest."""
    scaled = x * (2.0**27 + 1)
    high = scaled - (scaled - x)
    return high, x - high


def libm(name: str, x: Array, dtype: npt.DTypeLike) -> Array:
    """The function `name` of float64 numbers, for a result of `dtype`.

    A float64 result comes from the C library, as PyTorch's does; NumPy's own vector functions differ from it in
    the last bit now and then. A narrower result forgets that bit, and takes NumPy's, which are faster.
    """
    if dtype != np.float64:
        return getattr(np, name)(x)
    scalar: Callable[[float], float] = getattr(math, name)
    return np.fromiter(map(scalar, x.ravel().tolist()), np.float64, x.size).reshape(x.shape)


def _float64_blocks(u: Array, v: Array) -> tuple[Array, Array]:
    radius = np.sqrt(-2.0 * libm("log", 1.0 - u, np.float64))
    angle = 2.0 * math.pi * v
    return radius * libm("cos", angle, np.float64), radius * libm("sin", angle, np.float64)


def _float32_blocks(u: Array, v: Array) -> tuple[Array, Array]:
    radius = np.sqrt(np.float32(-2) * _log(np.float32(1) - u))
    sin, cos = _sin_cos(np.float32(2 * math.pi) * v)
    return radius * cos, radius * sin


def _float32_constants(*values: float) -> tuple[float, ...]:
    return tuple(float(np.float32(value)) for value in values)


_LOG, _SIN, _COS = (_float32_constants(*values) for values in (kernels.LOG, kernels.SIN, kernels.COS))
_QUARTER_PI = _float32_constants(*kernels.QUARTER_PI)
_LN2_LOW, _LN2_HIGH = _float32_constants(kernels.LN2_LOW, kernels.LN2_HIGH)


def _round(x: Array) -> Array:
    """To the nearest float32, still held as float64."""
    return x.astype(np.float32).astype(np.float64)


def _polynomial(coefficients: tuple[float, ...], x: Array) -> Array:
    result: Any = coefficients[0]
    for coefficient in coefficients[1:]:
        result = _round(result * x + coefficient)
    return result


def _log(x: Array) -> Array:
    """ln x for float32 x in (0, 1]."""
    bits = x.view(np.int32)
    exponent = (bits - kernels.ROOT_HALF_BITS) >> 23
    mantissa = (bits - (exponent << 23)).view(np.float32)  # x = mantissa·2**exponent, √½ ≤ mantissa < √2
    e = exponent.astype(np.float64)
    x = mantissa.astype(np.float64) - 1.0  # exact
    square = _round(x * x)
    y = _round(_polynomial(_LOG, x) * x)
    y = _round(y * square + _round(e * _LN2_LOW))
    y = _round(y - 0.5 * square)
    y = _round(x + y)
    return (e * _LN2_HIGH + y).astype(np.float32)


def _sin_cos(x: Array) -> tuple[Array, Array]:
    """sin x and cos x for float32 x in [0, 2π)."""
    octant = (x * np.float32(4 / math.pi)).astype(np.int32)
    octant = (octant + 1) & ~1  # the even octant nearest to x: x − octant·π/4 is within ±π/4
    multiple = octant.astype(np.float64)
    reduced = x.astype(np.float64)
    for part in _QUARTER_PI:
        reduced = _round(reduced - multiple * part)
    square = _round(reduced * reduced)
    cos = _round(_polynomial(_COS, square) * square)
    cos = (_round(cos * square - 0.5 * square) + 1.0).astype(np.float32)
    sin = _round(_polynomial(_SIN, square) * square)
    sin = (sin * reduced + reduced).astype(np.float32)
    swapped = (octant & 2) != 0  # an odd number of quarter turns
    sin, cos = np.where(swapped, cos, sin), np.where(swapped, sin, cos)
    sin.view(np.int32)[...] ^= (octant & 4) << 29
    cos.view(np.int32)[...] ^= (~(octant - 2) & 4) << 29
    return sin, cos
