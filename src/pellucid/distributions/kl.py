"""The Kullback-Leibler divergence between distributions.

KL(p ‖ q) = E_p[log p - log q] is -H(p) less the mean of log q under p. For many q, log q is a sum of few statistics
of x (x, x², log x, log(1 - x), exp(-t x)), whose means under p are known: `_LOG`, `_LOG_OF_REST` and `_EXP` have them,
`_CROSS_ENTROPY` the sums, so a pair of different families needs no formula of its own.
"""

from __future__ import annotations

import math
from collections.abc import Callable
from typing import Any

from .. import linalg
from ..core import Tensor
from ..reverse import grad
from .bernoulli import Bernoulli
from .beta import Beta
from .binomial import Binomial
from .categorical import Categorical
from .cauchy import Cauchy
from .continuous_bernoulli import ContinuousBernoulli
from .dirichlet import Dirichlet
from .distribution import Distribution
from .exp_family import ExponentialFamily
from .exponential import Exponential
from .gamma import Gamma
from .geometric import Geometric
from .gumbel import Gumbel
from .half_normal import HalfNormal
from .independent import Independent
from .laplace import Laplace
from .lowrank_multivariate_normal import LowRankMultivariateNormal
from .multivariate_normal import MultivariateNormal, half_log_det, mahalanobis
from .normal import Normal
from .one_hot_categorical import OneHotCategorical
from .pareto import Pareto
from .poisson import Poisson
from .transformed_distribution import TransformedDistribution
from .uniform import Uniform
from .utils import euler_constant, sum_rightmost
from .vocabulary import m

__all__ = ["kl_divergence", "register_kl"]

_Rule = Callable[[Any, Any], Tensor]
_REGISTRY: dict[tuple[type, type], _Rule] = {}


def register_kl(type_p: type, type_q: type) -> Callable[[_Rule], _Rule]:
    """Decorator: the function computes KL(p ‖ q) for p and q of these types and their subclasses.

    Raises:
        TypeError: one is not a class of distributions.
    """
    for kind in (type_p, type_q):
        if not isinstance(kind, type):  # a library may have distributions that descend from none of PyTorch's
            raise TypeError(f"Expected a Distribution subclass but got {kind}")

    def register(rule: _Rule) -> _Rule:
        _REGISTRY[type_p, type_q] = rule
        return rule

    return register


def kl_divergence(p: Distribution, q: Distribution) -> Tensor:
    """KL(p ‖ q), of the shape of the batch.

    Raises:
        NotImplementedError: no formula is known for these types.
    """
    rule = _found(type(p), type(q))
    if rule is None:
        raise NotImplementedError(
            f"No KL(p || q) is implemented for p type {type(p).__name__} and q type {type(q).__name__}: register one "
            "with register_kl, or estimate it by the mean of p.log_prob(x) - q.log_prob(x) over samples x of p"
        )
    return rule(p, q)


def _found(type_p: type, type_q: type) -> _Rule | None:
    """The rule of the classes that come first among the bases of both."""
    fitting = [key for key in _REGISTRY if issubclass(type_p, key[0]) and issubclass(type_q, key[1])]
    if not fitting:
        return None
    order_p, order_q = type_p.__mro__, type_q.__mro__
    return _REGISTRY[min(fitting, key=lambda key: (order_p.index(key[0]), order_q.index(key[1])))]


# ------------------------------------------------------------------------------------------------ the same family


@register_kl(Bernoulli, Bernoulli)
def _bernoulli(p: Any, q: Any) -> Tensor:
    t1 = p.probs * (m.softplus(-q.logits) - m.softplus(-p.logits))
    t1 = m.where(p.probs == 0, 0.0, m.where(q.probs == 0, math.inf, t1))
    t2 = (1 - p.probs) * (m.softplus(q.logits) - m.softplus(p.logits))
    return t1 + m.where(p.probs == 1, 0.0, m.where(q.probs == 1, math.inf, t2))


@register_kl(Beta, Beta)
def _beta(p: Any, q: Any) -> Tensor:
    return _dirichlet(p._dirichlet, q._dirichlet)


@register_kl(Binomial, Binomial)
def _binomial(p: Any, q: Any) -> Tensor:
    if bool((p.total_count < q.total_count).any()):
        raise NotImplementedError("KL between Binomials where q.total_count > p.total_count is not implemented")
    kl = p.total_count * (p.probs * (p.logits - q.logits) + (-p.probs).log1p() - (-q.probs).log1p())
    return m.where(p.total_count > q.total_count, math.inf, kl)


@register_kl(Categorical, Categorical)
def _categorical(p: Any, q: Any) -> Tensor:
    t = p.probs * (p.logits - q.logits)
    return m.where(p.probs == 0, 0.0, m.where(q.probs == 0, math.inf, t)).sum(-1)


@register_kl(OneHotCategorical, OneHotCategorical)
def _one_hot_categorical(p: Any, q: Any) -> Tensor:
    return _categorical(p._categorical, q._categorical)


@register_kl(Cauchy, Cauchy)
def _cauchy(p: Any, q: Any) -> Tensor:
    t1 = ((p.scale + q.scale).pow(2) + (p.loc - q.loc).pow(2)).log()
    return t1 - (4 * p.scale * q.scale).log()


@register_kl(ContinuousBernoulli, ContinuousBernoulli)
def _continuous_bernoulli(p: Any, q: Any) -> Tensor:
    own = p._cont_bern_log_norm() + m.log1p(-p.probs)
    return p.mean * (p.logits - q.logits) + own - q._cont_bern_log_norm() - m.log1p(-q.probs)


@register_kl(Dirichlet, Dirichlet)
def _dirichlet(p: Any, q: Any) -> Tensor:
    sum_p, sum_q = p.concentration.sum(-1), q.concentration.sum(-1)
    t1 = sum_p.lgamma() - sum_q.lgamma()
    t2 = (p.concentration.lgamma() - q.concentration.lgamma()).sum(-1)
    t4 = p.concentration.digamma() - sum_p.digamma().unsqueeze(-1)
    return t1 - t2 + ((p.concentration - q.concentration) * t4).sum(-1)


@register_kl(Exponential, Exponential)
def _exponential(p: Any, q: Any) -> Tensor:
    ratio = q.rate / p.rate
    return -ratio.log() + ratio - 1


@register_kl(ExponentialFamily, ExponentialFamily)
def _exponential_family(p: Any, q: Any) -> Tensor:
    if type(p) is not type(q):
        raise NotImplementedError(
            "The cross KL-divergence between different exponential families cannot be computed using Bregman "
            f"divergences: {type(p).__name__} and {type(q).__name__}"
        )
    natural = [param.detach().requires_grad_() for param in p._natural_params]
    normalizer = p._log_normalizer(*natural)
    gradients = grad(normalizer.sum(), natural, create_graph=True)
    result = q._log_normalizer(*q._natural_params) - normalizer
    for own, other, gradient in zip(natural, q._natural_params, gradients, strict=True):
        result = result - sum_rightmost((other - own) * gradient, len(q.event_shape))
    return result


@register_kl(Gamma, Gamma)
def _gamma(p: Any, q: Any) -> Tensor:
    t1 = q.concentration * (p.rate / q.rate).log()
    t2 = m.lgamma(q.concentration) - m.lgamma(p.concentration)
    t3 = (p.concentration - q.concentration) * m.digamma(p.concentration)
    return t1 + t2 + t3 + (q.rate - p.rate) * (p.concentration / p.rate)


@register_kl(Geometric, Geometric)
def _geometric(p: Any, q: Any) -> Tensor:
    return -p.entropy() - m.log1p(-q.probs) / p.probs - q.logits


@register_kl(Gumbel, Gumbel)
def _gumbel(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, (q.loc - p.loc) / q.scale
    return -ratio.log() - off + ratio * euler_constant + m.exp(off + (1 + ratio).lgamma()) - (1 + euler_constant)


@register_kl(HalfNormal, HalfNormal)
def _half_normal(p: Any, q: Any) -> Tensor:
    return _normal(p.base_dist, q.base_dist)


@register_kl(Laplace, Laplace)
def _laplace(p: Any, q: Any) -> Tensor:
    ratio, off = p.scale / q.scale, (p.loc - q.loc).abs()
    return -ratio.log() + off / q.scale + ratio * m.exp(-off / p.scale) - 1


@register_kl(Normal, Normal)
def _normal(p: Any, q: Any) -> Tensor:
    ratio = (p.scale / q.scale).pow(2)
    return 0.5 * (ratio + ((p.loc - q.loc) / q.scale).pow(2) - 1 - ratio.log())


@register_kl(Pareto, Pareto)
def _pareto(p: Any, q: Any) -> Tensor:
    ratio = q.alpha / p.alpha
    kl = q.alpha * (p.scale / q.scale).log() - ratio.log() + ratio - 1
    return m.where(p.scale < q.scale, math.inf, kl)


@register_kl(Poisson, Poisson)
def _poisson(p: Any, q: Any) -> Tensor:
    return p.rate * (p.rate.log() - q.rate.log()) - (p.rate - q.rate)


@register_kl(Uniform, Uniform)
def _uniform(p: Any, q: Any) -> Tensor:
    kl = ((q.high - q.low) / (p.high - p.low)).log()
    return m.where((q.low > p.low) | (q.high < p.high), math.inf, kl)


@register_kl(Independent, Independent)
def _independent(p: Any, q: Any) -> Tensor:
    if p.reinterpreted_batch_ndims != q.reinterpreted_batch_ndims:
        raise NotImplementedError(
            f"KL of Independents with {p.reinterpreted_batch_ndims} and {q.reinterpreted_batch_ndims} dimensions"
        )
    return sum_rightmost(kl_divergence(p.base_dist, q.base_dist), p.reinterpreted_batch_ndims)


@register_kl(TransformedDistribution, TransformedDistribution)
def _transformed(p: Any, q: Any) -> Tensor:
    if p.transforms != q.transforms or p.event_shape != q.event_shape:
        raise NotImplementedError("KL of transformed distributions with different transforms or events")
    return kl_divergence(p.base_dist, q.base_dist)


# ------------------------------------------------------------------------------------------- multivariate normal


@register_kl(MultivariateNormal, MultivariateNormal)
@register_kl(LowRankMultivariateNormal, MultivariateNormal)
@register_kl(MultivariateNormal, LowRankMultivariateNormal)
@register_kl(LowRankMultivariateNormal, LowRankMultivariateNormal)
def _multivariate_normal(p: Any, q: Any) -> Tensor:
    """(log det Σq - log det Σp + tr(Σq⁻¹ Σp) + the square of the distance of the means - n) / 2."""
    if p.event_shape != q.event_shape:
        raise ValueError(
            "KL-divergence between two (Low Rank) Multivariate Normals with different event shapes cannot be computed: "
            f"{p.event_shape} and {q.event_shape}"
        )
    p_factor, q_factor = (
        d._unbroadcasted_scale_tril if isinstance(d, MultivariateNormal) else d.scale_tril for d in (p, q)
    )
    trace = linalg.solve_triangular(*m.broadcast_tensors(q_factor, p_factor), upper=False).pow(2).sum((-2, -1))
    square = mahalanobis(q_factor, q.loc - p.loc)
    return half_log_det(q_factor) - half_log_det(p_factor) + 0.5 * (trace + square - p.event_shape[0])


# ---------------------------------------------------------------------------------------------- different families


def _x_log_x(x: Tensor) -> Tensor:
    return m.xlogy(x, x)


def _uniform_log(low: Tensor, high: Tensor) -> Tensor:
    return (_x_log_x(high) - _x_log_x(low)) / (high - low) - 1


# E[log x], E[log(1 - x)] and E[exp(-t x)] under p.
_LOG: dict[type, Callable[[Any], Tensor]] = {
    Beta: lambda p: m.digamma(p.concentration1) - m.digamma(p.concentration1 + p.concentration0),
    Exponential: lambda p: -euler_constant - p.rate.log(),
    Gamma: lambda p: m.digamma(p.concentration) - p.rate.log(),
    Pareto: lambda p: p.scale.log() + p.alpha.reciprocal(),
    Uniform: lambda p: _uniform_log(p.low, p.high),
}
_LOG_OF_REST: dict[type, Callable[[Any], Tensor]] = {Uniform: lambda p: _uniform_log(1 - p.high, 1 - p.low)}
_EXP: dict[type, Callable[[Any, Tensor], Tensor]] = {
    Exponential: lambda p, t: p.rate / (p.rate + t),
    Gamma: lambda p, t: (1 + t / p.rate).pow(-p.concentration),
    Normal: lambda p, t: m.exp(-p.loc * t + 0.5 * (p.scale * t).pow(2)),
    Uniform: lambda p, t: (m.exp(-p.low * t) - m.exp(-p.high * t)) / ((p.high - p.low) * t),
}


def _known(table: dict[type, Any], p: Any) -> Any:
    """The entry of the class of ``p``, or of the first of its bases that has one."""
    return next(table[kind] for kind in type(p).__mro__ if kind in table)


def _to_exponential(p: Any, q: Any) -> Tensor:
    return -q.rate.log() + q.rate * p.mean


def _to_gamma(p: Any, q: Any) -> Tensor:
    a = q.concentration
    return a.lgamma() - a * q.rate.log() - (a - 1) * _known(_LOG, p)(p) + q.rate * p.mean


def _to_normal(p: Any, q: Any) -> Tensor:
    square = (p.variance + (p.mean - q.loc).pow(2)) / (2 * q.scale.pow(2))
    return 0.5 * math.log(2 * math.pi) + q.scale.log() + square


def _to_uniform(p: Any, q: Any) -> Tensor:
    return (q.high - q.low).log()


def _to_beta(p: Any, q: Any) -> Tensor:
    a, b = q.concentration1, q.concentration0
    log_beta = a.lgamma() + b.lgamma() - (a + b).lgamma()
    return log_beta - (a - 1) * _known(_LOG, p)(p) - (b - 1) * _known(_LOG_OF_REST, p)(p)


def _to_continuous_bernoulli(p: Any, q: Any) -> Tensor:
    return -p.mean * q.logits - m.log1p(-q.probs) - q._cont_bern_log_norm()


def _to_gumbel(p: Any, q: Any) -> Tensor:
    t = q.scale.reciprocal()
    return q.scale.log() + (p.mean - q.loc) * t + m.exp(q.loc * t) * _known(_EXP, p)(p, t)


def _to_pareto(p: Any, q: Any) -> Tensor:
    return -q.alpha.log() - q.alpha * q.scale.log() + (q.alpha + 1) * _known(_LOG, p)(p)


_CROSS_ENTROPY: dict[type, _Rule] = {
    Beta: _to_beta,
    ContinuousBernoulli: _to_continuous_bernoulli,
    Exponential: _to_exponential,
    Gamma: _to_gamma,
    Gumbel: _to_gumbel,
    Normal: _to_normal,
    Pareto: _to_pareto,
    Uniform: _to_uniform,
}


def _bounds(d: Any) -> tuple[Any, Any]:
    """The ends of a support."""
    if isinstance(d, Uniform):
        return d.low, d.high
    if isinstance(d, Pareto):
        return d.scale, math.inf
    if isinstance(d, (Beta, ContinuousBernoulli)):
        return 0.0, 1.0
    return (0.0 if isinstance(d, (Exponential, Gamma)) else -math.inf), math.inf


def _different(p: Any, q: Any) -> Tensor:
    """-H(p) plus the cross entropy; infinite where p has values that q has not."""
    kl = -p.entropy() + _known(_CROSS_ENTROPY, q)(p, q)
    (p_low, p_high), (q_low, q_high) = _bounds(p), _bounds(q)
    outside = (kl != kl) & False
    for low, high in ((p_low, q_low), (q_high, p_high)):
        if isinstance(low, Tensor) or isinstance(high, Tensor) or low < high:
            outside = outside | (low < high)
    return m.where(outside, math.inf, kl)


def _infinite(p: Any, q: Any) -> Tensor:
    return m.full(p.batch_shape, math.inf, dtype=p.mean.dtype)


for _p, _finite, _impossible in (
    (Beta, (ContinuousBernoulli, Exponential, Gamma, Normal, Uniform), (Pareto,)),
    (ContinuousBernoulli, (Exponential, Normal, Uniform), (Pareto,)),
    (Exponential, (Gamma, Gumbel, Normal), (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gamma, (Exponential, Gumbel, Normal), (Beta, ContinuousBernoulli, Pareto, Uniform)),
    (Gumbel, (Normal,), (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Laplace, (Normal,), (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Normal, (Gumbel,), (Beta, ContinuousBernoulli, Exponential, Gamma, Pareto, Uniform)),
    (Pareto, (Exponential, Gamma, Normal), (Beta, ContinuousBernoulli, Uniform)),
    (Uniform, (Beta, ContinuousBernoulli, Exponential, Gamma, Gumbel, Normal, Pareto), ()),
    (Poisson, (), (Bernoulli, Binomial)),
):
    for _q in _finite:
        register_kl(_p, _q)(_different)
    for _q in _impossible:
        register_kl(_p, _q)(_infinite)


@register_kl(Bernoulli, Poisson)
def _bernoulli_poisson(p: Any, q: Any) -> Tensor:
    return -p.entropy() - (p.probs * q.rate.log() - q.rate)


@register_kl(Normal, Laplace)
def _normal_laplace(p: Any, q: Any) -> Tensor:
    off = p.loc - q.loc
    ratio = off / p.scale
    t2 = math.sqrt(2 / math.pi) * p.scale * m.exp(-0.5 * ratio.pow(2))
    t3 = off * m.erf(math.sqrt(0.5) * ratio)
    return -m.log(p.scale / q.scale) + (t2 + t3) / q.scale - 0.5 * (1 + math.log(0.5 * math.pi))
