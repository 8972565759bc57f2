"""Window functions, `pellucid.signal.windows`: numbers that rise from the edges of a signal to its middle.

M numbers; `sym=True` gives the symmetric window for filters, `sym=False` the periodic one for spectra.
"""

from __future__ import annotations

import math
from collections.abc import Iterable
from typing import Any

from pellucid.core import Tensor, as_dtype, get_default_dtype

from .bessel import i0
from .creation import ones
from .from_data import tensor
from .ranges import arange, linspace

__all__ = [
    "bartlett", "blackman", "cosine", "exponential", "gaussian", "general_cosine", "general_hamming", "hamming", "hann",
    "kaiser", "nuttall",
]  # fmt: skip


def _checked(name: str, M: int, layout: Any, **how: Any) -> dict[str, Any]:
    """The keywords of what is made, once M and the dtype are seen to be right."""
    if M < 0:
        raise ValueError(f"{name} requires non-negative window length, got M={M}")
    if layout not in (None, "strided"):
        raise ValueError(f"{name} is implemented for strided tensors only, got: {layout}")
    how["dtype"] = get_default_dtype() if how["dtype"] is None else as_dtype(how["dtype"])
    if how["dtype"].name not in ("float32", "float64"):
        raise ValueError(f"{name} expects float32 or float64 dtypes, got: {how['dtype']!r}")
    return how


def _points(start: float, step: float, M: int, how: dict[str, Any]) -> Tensor:
    return linspace(start * step, (start + (M - 1)) * step, M, **how)


def general_cosine(
    M: int, *, a: Iterable[float], sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """Σ (-1)^i · a[i] · cos(2π i n / (M - 1)) for n from 0 to M - 1."""
    how = _checked("general_cosine", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    if M < 2:
        return ones((M,), **how)
    if not isinstance(a, Iterable):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise TypeError("Coefficients must be a list/tuple")
    weights = [(-1) ** i * weight for i, weight in enumerate(a)]
    if not weights:
        raise ValueError("Coefficients cannot be empty")
    k = _points(0.0, 2 * math.pi / (M - 1 if sym else M), M, how)
    i = arange(len(weights), dtype=how["dtype"])
    return (tensor(weights, **how).unsqueeze(-1) * (i.unsqueeze(-1) * k).cos()).sum(0)


def general_hamming(M: int, *, alpha: float = 0.54, **how: Any) -> Tensor:
    """alpha - (1 - alpha) · cos(2π n / (M - 1))."""
    return general_cosine(M, a=[alpha, 1.0 - alpha], **how)


def hamming(M: int, **how: Any) -> Tensor:
    """0.54 - 0.46 · cos(2π n / (M - 1))."""
    return general_hamming(M, **how)


def hann(M: int, **how: Any) -> Tensor:
    """½ - ½ · cos(2π n / (M - 1))."""
    return general_hamming(M, alpha=0.5, **how)


def blackman(M: int, **how: Any) -> Tensor:
    """0.42 - 0.5 · cos(2π n / (M - 1)) + 0.08 · cos(4π n / (M - 1))."""
    return general_cosine(M, a=[0.42, 0.5, 0.08], **how)


def nuttall(M: int, **how: Any) -> Tensor:
    """The four-term window of Nuttall that is smallest in its side lobes."""
    return general_cosine(M, a=[0.3635819, 0.4891775, 0.1365995, 0.0106411], **how)


def bartlett(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A triangle: 1 - |2n / (M - 1) - 1|."""
    how = _checked("bartlett", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    if M < 2:
        return ones((M,), **how)
    return 1 - linspace(-1, -1 + (M - 1) * 2 / (M - 1 if sym else M), M, **how).abs()


def cosine(
    M: int, *, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """sin(π (n + ½) / M)."""
    how = _checked("cosine", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    return _points(0.5, math.pi / (M + 1 if not sym and M > 1 else max(M, 1)), M, how).sin()


def exponential(
    M: int, *, center: float | None = None, tau: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None,
    device: Any = None, requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """e^(-|n - center| / tau)."""
    how = _checked("exponential", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    if tau <= 0:
        raise ValueError(f"Tau must be positive, got: {tau} instead.")
    if sym and center is not None:
        raise ValueError("Center must be None for symmetric windows")
    middle = (M if not sym and M > 1 else M - 1) / 2 if center is None else center
    return (-_points(-middle, 1 / tau, M, how).abs()).exp()


def gaussian(
    M: int, *, std: float = 1.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """e^(-½ (n - (M - 1) / 2)² / std²)."""
    how = _checked("gaussian", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    if std <= 0:
        raise ValueError(f"Standard deviation must be positive, got: {std} instead.")
    start = -(M if not sym and M > 1 else M - 1) / 2
    return (-(_points(start, 1 / (std * math.sqrt(2)), M, how) ** 2)).exp()


def kaiser(
    M: int, *, beta: float = 12.0, sym: bool = True, dtype: Any = None, layout: Any = None, device: Any = None,
    requires_grad: bool = False,
) -> Tensor:  # fmt: skip
    """i0(beta · √(1 - (2n / (M - 1) - 1)²)) / i0(beta)."""
    how = _checked("kaiser", M, layout, dtype=dtype, device=device, requires_grad=requires_grad)
    if beta < 0:
        raise ValueError(f"beta must be non-negative, got: {beta} instead.")
    if M < 2:
        return ones((M,), **how)
    edge = tensor(beta, dtype=how["dtype"])
    end = edge.minimum(-edge + (M - 1) * 2.0 * edge / (M - 1 if sym else M))
    k = linspace(-edge, end, M, **how)
    return i0((edge * edge - k * k).sqrt()) / i0(edge)
