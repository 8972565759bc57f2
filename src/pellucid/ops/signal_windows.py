"""PyTorch's older window functions, `torch.hann_window(n, periodic=True)`; the newer ones are in `windows`.

A periodic (not symmetric) window of n numbers is the symmetric one of n + 1 without the last.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.core import Tensor, as_dtype, from_data, get_default_dtype
from pellucid.declare import function
from pellucid.errors import with_line


def _made(name: str, M: int, sym: bool, weights: Callable[[int], Any], dtype: Any, requires_grad: bool) -> Tensor:
    """`weights(count)` for a symmetric window of `count` numbers, cut to M."""
    kind = get_default_dtype() if dtype is None else as_dtype(dtype)
    if not kind.is_floating_point:
        raise RuntimeError(with_line(f"{name}() expects floating point dtypes, got: {kind!r}"))
    if M == 0:
        values = np.zeros(0)
    elif M == 1:
        values = np.ones(1)
    else:
        values = np.asarray(weights(M if sym else M + 1), np.float64)[:M]
    return from_data(values, kind).requires_grad_(requires_grad)


def _cosines(count: int, coefficients: list[float]) -> Any:
    """Σ (-1)ᵏ aₖ cos(2πk i / (count - 1))."""
    turn = 2 * math.pi * np.arange(count) / (count - 1)
    return sum((-1) ** k * a * np.cos(k * turn) for k, a in enumerate(coefficients))


_BLACKMAN = [0.42, 0.5, 0.08]


def _bartlett(count: int) -> Any:
    return 1 - np.abs(2 * np.arange(count) / (count - 1) - 1)


def _kaiser(count: int, beta: float) -> Any:
    place = 2 * np.arange(count) / (count - 1) - 1
    return np.i0(beta * np.sqrt(np.maximum(1 - place * place, 0))) / np.i0(beta)


def _older(name: str, length: int, periodic: bool, weights: Callable[[int], Any], others: dict[str, Any]) -> Tensor:
    if length < 0:
        raise RuntimeError(with_line(f"{name} requires non-negative window_length, got window_length={length}"))
    return _made(name, length, not periodic, weights, others.get("dtype"), bool(others.get("requires_grad")))


@function(method=False)
def hann_window(window_length: int, periodic: bool = True, **others: Any) -> Tensor:
    """½ - ½ cos(2πi / n), with n the length of a periodic window and one less for a symmetric one.

    >>> hann_window(4)
    tensor([0.0000, 0.5000, 1.0000, 0.5000])
    """
    return _older("hann_window", window_length, periodic, lambda count: _cosines(count, [0.5, 0.5]), others)


@function(method=False)
def hamming_window(
    window_length: int, periodic: bool = True, alpha: float = 0.54, beta: float = 0.46, **others: Any
) -> Tensor:
    """alpha - beta cos(2πi / n), with n the length of a periodic window and one less for a symmetric one."""
    return _older("hamming_window", window_length, periodic, lambda count: _cosines(count, [alpha, beta]), others)


@function(method=False)
def blackman_window(window_length: int, periodic: bool = True, **others: Any) -> Tensor:
    """0.42 - ½ cos(2πi / n) + 0.08 cos(4πi / n)."""
    return _older("blackman_window", window_length, periodic, lambda count: _cosines(count, _BLACKMAN), others)


@function(method=False)
def bartlett_window(window_length: int, periodic: bool = True, **others: Any) -> Tensor:
    """A triangle from 0 to 1 and back."""
    return _older("bartlett_window", window_length, periodic, _bartlett, others)


@function(method=False)
def kaiser_window(window_length: int, periodic: bool = True, beta: float = 12.0, **others: Any) -> Tensor:
    """I₀(beta √(1 - x²)) / I₀(beta) for x from -1 to 1, I₀ being Bessel's function."""
    return _older("kaiser_window", window_length, periodic, lambda count: _kaiser(count, beta), others)
