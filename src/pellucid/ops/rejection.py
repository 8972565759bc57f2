"""Random numbers by rejection: gamma, with a gradient to its shape, Dirichlet, Poisson and binomial."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.backend import special
from pellucid.core import Tensor
from pellucid.declare import TABLE, elementwise, function, op
from pellucid.random import default_generator, rejection


def _drawn(draw: Callable[..., float], generator: Any, dtype: Any, *arrays: Any) -> Any:
    """One number for each element, drawn in row-major order."""
    arrays = np.broadcast_arrays(*(np.asarray(array, np.float64) for array in arrays))
    source = default_generator if generator is None else generator
    rows = zip(*(array.ravel().tolist() for array in arrays), strict=True)
    return np.array([draw(*row, source) for row in rows], np.float64).reshape(arrays[0].shape).astype(dtype)


@op(name="standard_gamma", method=False, public=False, reference="torch._standard_gamma")
def _gamma_numbers(xp: Any, input: Any, *, generator: Any = None) -> Any:
    """A gamma number of rate 1 for each element, its concentration."""
    drawn = _drawn(rejection.standard_gamma, generator, input.dtype, input)
    return xp.asarray(np.maximum(drawn, np.finfo(drawn.dtype).tiny))


@op(method=False, public=False, reference="torch._standard_gamma_grad")
def standard_gamma_slope(xp: Any, input: Any, drawn: Any) -> Any:
    """The derivative of a gamma number by its concentration a, at a fixed quantile: -(∂F/∂a) / (∂F/∂x).

    F is the distribution function; its derivative by a is a difference of fourth order in float64, of the tail in
    which it is small.
    """
    a: Any = np.asarray(input, np.float64)
    x: Any = np.asarray(drawn, np.float64)
    step = 1e-3 * np.minimum(a, 1.0)
    upper = x > a + 1

    def tail(at: Any) -> Any:
        return np.where(upper, -special.gammaincc(at, x), special.gammainc(at, x))

    by_a: Any = (8 * (tail(a + step) - tail(a - step)) - (tail(a + 2 * step) - tail(a - 2 * step))) / (12 * step)
    with np.errstate(all="ignore"):
        density: Any = np.exp((a - 1) * np.log(x) - x - special.gammaln(a))
        near_zero: Any = x * (special.digamma(a + 1) - np.log(x)) / a  # F = x^a / Γ(a + 1), nearly
        slope = xp.where(x < 1e-4 * np.minimum(a, 1.0), near_zero, -by_a / density)
    return xp.where(xp.isfinite(slope), slope, 0.0).astype(input.dtype)


@elementwise(method=False, public=False, reference="torch.special.gammainc")
def gamma_cdf(xp: Any, a: Any, x: Any) -> Any:
    """The distribution function of a gamma number of the concentration a and of rate 1, at x."""
    return xp.asarray(special.gammainc(np.asarray(a), np.asarray(x)))


gamma_cdf.vjp(x=lambda m, g, a, x: g * m.exp((a - 1) * m.log(x) - x - m.lgamma(a)))


_gamma_numbers.vjp(input=lambda m, g, input, out: g * m.standard_gamma_slope(input, out))


@op(name="poisson_numbers", method=False, public=False, reference="torch.poisson")
def _poisson_numbers(xp: Any, input: Any, *, generator: Any = None) -> Any:
    """A Poisson number for each element, its rate."""
    return xp.asarray(_drawn(rejection.poisson, generator, input.dtype, input))


_poisson_numbers.vjp(input=lambda m, g: m.zeros_like(g))


@function(method=False)
def poisson(input: Tensor, generator: Any = None) -> Tensor:
    """A Poisson number of the dtype of `input` for each of its elements, the rate. RuntimeError for one below 0."""
    if not input.is_floating_point():
        raise RuntimeError(f"poisson expects rates of a floating-point dtype, got {input.dtype!r}")
    if bool((input < 0).any()):
        raise RuntimeError(f"invalid Poisson rate, expected rate to be non-negative, but the least is {input.min()}")
    return TABLE["poisson_numbers"](input, generator=generator)


@op(name="binomial_numbers", method=False, public=False, reference="torch.binomial")
def _binomial_numbers(xp: Any, count: Any, prob: Any, *, generator: Any = None) -> Any:
    """A binomial number for each pair of a count of trials and a probability."""
    return xp.asarray(_drawn(rejection.binomial, generator, count.dtype, count, prob))


_binomial_numbers.vjp(count=lambda m, g: m.zeros_like(g), prob=lambda m, g: m.zeros_like(g))


@function(method=False)
def binomial(count: Tensor, prob: Tensor, generator: Any = None) -> Tensor:
    """How many of `count` trials succeed with the probability `prob`, for each pair of elements."""
    if not count.is_floating_point() or count.dtype != prob.dtype:
        raise RuntimeError(
            f"binomial expects count and prob of one floating-point dtype, got {count.dtype!r} and {prob.dtype!r}"
        )
    return TABLE["binomial_numbers"](count, prob, generator=generator)
