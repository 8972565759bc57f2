"""Normal numbers by Box and Muller's transform, in the steps of PyTorch's vector code: see `random.box_muller`.

Each fused step is one instruction here, where the NumPy lines round a float64 sum, which gives the same float32.
"""

from __future__ import annotations

import math
from collections.abc import Sequence

import numpy as np

from pellucid.backend import Array

from .compiler import target
from .emitter import Emitter, Value, vector
from .pool import share
from .table import Kernel

BLOCK = 16
LEAST = 64  # numbers: below, a call costs as much as it saves
_EACH = 1024  # blocks that a thread takes at least

_LANES = BLOCK // 2
_FLOATS, _INTEGERS, _WORDS = (vector(_LANES, lane) for lane in ("float", "i32", "i64"))
# Cephes logf.c: ln(1 + x) = x − x²/2 + x³·P(x) for √½ ≤ 1 + x < √2, and ln 2 in two parts.
LOG = (
    7.0376836292e-2, -1.1514610310e-1, 1.1676998740e-1, -1.2420140846e-1, 1.4249322787e-1, -1.6668057665e-1,
    2.0000714765e-1, -2.4999993993e-1, 3.3333331174e-1,
)  # fmt: skip
LN2_LOW, LN2_HIGH = -2.12194440e-4, 0.693359375
ROOT_HALF_BITS = 0x3F3504F3
# Cephes sinf.c: π/4 in three parts, and the polynomials of sin and cos on [−π/4, π/4].
QUARTER_PI = (0.78515625, 2.4187564849853515625e-4, 3.77489497744594108e-8)
SIN = (-1.9515295891e-4, 8.3321608736e-3, -1.6666654611e-1)
COS = (2.443315711809948e-5, -1.388731625493765e-3, 4.166664568298827e-2)


def _whole(k: Emitter, word: str, left: Value, right: int | Value) -> Value:
    """left `word` right, of integers: `and`, `xor`, `shl`, `ashr`, …"""
    return k.add(left.type, f"{word} {left.type} {left.name}, {k.like(left, right).name}")


def _fused(k: Emitter, x: Value, factor: Value | float, addend: Value | float) -> Value:
    """x · factor + addend, rounded once."""
    return k.intrinsic("fma", x, k.like(x, factor), k.like(x, addend))


def _polynomial(k: Emitter, coefficients: Sequence[float], x: Value) -> Value:
    found = k.like(x, coefficients[0])
    for coefficient in coefficients[1:]:
        found = _fused(k, found, x, coefficient)
    return found


def _log(k: Emitter, x: Value) -> Value:
    """ln x for x in (0, 1]."""
    bits = k.bits(x, _INTEGERS)
    exponent = _whole(k, "ashr", _whole(k, "sub", bits, ROOT_HALF_BITS), 23)
    mantissa = k.bits(_whole(k, "sub", bits, _whole(k, "shl", exponent, 23)), _FLOATS)
    e = k.convert(exponent, _FLOATS)
    x = mantissa - 1.0
    square = x * x
    y = _polynomial(k, LOG, x)
    y = _rounded(k, y, x)
    y = _fused(k, y, square, _rounded(k, e, LN2_LOW))
    y = _fused(k, square, -0.5, y)
    return _fused(k, e, LN2_HIGH, k.add(_FLOATS, f"fadd {_FLOATS} {x.name}, {y.name}"))


def _rounded(k: Emitter, left: Value, right: Value | float) -> Value:
    """left · right, never fused with what follows."""
    return k.add(left.type, f"fmul {left.type} {left.name}, {k.like(left, right).name}")


def _sin_cos(k: Emitter, x: Value) -> tuple[Value, Value]:
    """sin x and cos x for x in [0, 2π)."""
    octant = k.add(_INTEGERS, f"fptosi {_FLOATS} {_rounded(k, x, 4 / math.pi).name} to {_INTEGERS}")
    octant = _whole(k, "and", _whole(k, "add", octant, 1), ~1)
    multiple, reduced = k.convert(octant, _FLOATS), x
    for part in QUARTER_PI:
        reduced = _fused(k, multiple, -part, reduced)
    square = _rounded(k, reduced, reduced)
    cos = _rounded(k, _polynomial(k, COS, square), square)
    cos = k.add(
        _FLOATS, f"fadd {_FLOATS} {_fused(k, cos, square, _rounded(k, square, -0.5)).name}, {k.like(x, 1.0).name}"
    )
    sin = _fused(k, _rounded(k, _polynomial(k, SIN, square), square), reduced, reduced)
    swapped = k.compare("==", _whole(k, "and", octant, 2), 2)
    sin, cos = k.select(swapped, cos, sin), k.select(swapped, sin, cos)
    turned = _whole(k, "xor", _whole(k, "sub", octant, 2), -1)
    return _signed(k, sin, octant), _signed(k, cos, turned)


def _signed(k: Emitter, value: Value, octant: Value) -> Value:
    """The value, turned round where the octant's third bit is set."""
    sign = _whole(k, "shl", _whole(k, "and", octant, 4), 29)
    return k.bits(_whole(k, "xor", k.bits(value, _INTEGERS), sign), _FLOATS)


def _emit(name: str, type: str) -> Emitter:
    """out = Box and Muller's pairs of the uniforms in 32-bit words, times `std` plus `mean`, by blocks of sixteen."""
    k = Emitter(name, {"words": "ptr", "out": "ptr", "mean": type, "std": type}, blocked=True)

    def uniform(at: Value) -> Value:
        low = k.add(_INTEGERS, f"trunc {_WORDS} {k.load(_WORDS, k.words, at).name} to {_INTEGERS}")
        return _rounded(k, k.convert(_whole(k, "and", low, 0xFFFFFF), _FLOATS), 2.0**-24)

    mean, std = (k.broadcast(value, _FLOATS) for value in (k.mean, k.std))
    with k.loop(k.start, k.stop) as block:
        first = block * BLOCK
        u, v = uniform(first), uniform(first + _LANES)
        radius = k.intrinsic("sqrt", _rounded(k, _log(k, 1.0 - u), -2.0))
        sin, cos = _sin_cos(k, _rounded(k, v, 2 * math.pi))
        for angle, at in ((cos, first), (sin, first + _LANES)):
            k.store(_fused(k, _rounded(k, radius, angle), std, mean), k.out, at)
    return k


_blocks = Kernel("normal_blocks", _emit, ("float",))


def normal_blocks(words: Array, mean: float, std: float) -> Array | None:
    """Normal numbers in float32 from words of 32 bits (as uint64), or None where the NumPy lines are to run.

    Shape: (16·k,) -> (16·k,).
    """
    made = target() if words.size >= LEAST else None
    if made is None or not made.has("fma"):
        return None
    function = _blocks.function(np.dtype(np.float32))
    if function is None:
        return None
    out = np.empty(words.size, np.float32)
    share(function, words.size // BLOCK, _EACH, words, out, mean, std)
    return out
