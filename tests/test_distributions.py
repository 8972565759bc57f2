"""Distributions, held to PyTorch's: samples for the same seed, densities, moments, divergences, gradients, refusals."""

from __future__ import annotations

import functools
import math
import operator
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import distributions
from pellucid.declare import TABLE
from tests.opinfo.convert import difference
from tests.optiminfo.compare import flat

torch = pytest.importorskip("torch")

Build = Callable[[Any, Any, Callable[..., Any]], Any]

# By name: a function of the distributions, the library, and what makes a parameter (a tensor that wants a gradient).
ROWS: dict[str, list[Build]] = {
    "Normal": [lambda D, T, p: D.Normal(p(0.5, -1.0), p(1.0, 2.0)), lambda D, T, p: D.Normal(0.0, 1.5)],
    "Uniform": [lambda D, T, p: D.Uniform(p(-1.0, 0.5), p(1.0, 2.0)), lambda D, T, p: D.Uniform(0.0, 2.0)],
    "Bernoulli": [
        lambda D, T, p: D.Bernoulli(p(0.2, 0.7)), lambda D, T, p: D.Bernoulli(logits=p(-1.0, 2.0)),
        lambda D, T, p: D.Bernoulli(0.3),
    ],
    "Categorical": [
        lambda D, T, p: D.Categorical(p([0.2, 0.3, 0.5], [1.0, 1.0, 4.0])),
        lambda D, T, p: D.Categorical(logits=p(0.5, -1.0, 2.0)),
    ],
    "OneHotCategorical": [
        lambda D, T, p: D.OneHotCategorical(p([0.2, 0.3, 0.5], [1.0, 1.0, 4.0])),
        lambda D, T, p: D.OneHotCategorical(logits=p(0.5, -1.0, 2.0)),
    ],
    "OneHotCategoricalStraightThrough": [lambda D, T, p: D.OneHotCategoricalStraightThrough(p(0.2, 0.3, 0.5))],
    "Exponential": [lambda D, T, p: D.Exponential(p(0.5, 3.0)), lambda D, T, p: D.Exponential(2.0)],
    "Laplace": [lambda D, T, p: D.Laplace(p(0.5, -1.0), p(1.0, 2.0))],
    "Cauchy": [lambda D, T, p: D.Cauchy(p(0.5, -1.0), p(1.0, 2.0))],
    "Geometric": [lambda D, T, p: D.Geometric(p(0.2, 0.7)), lambda D, T, p: D.Geometric(logits=p(-1.0, 1.0))],
    "Poisson": [lambda D, T, p: D.Poisson(p(0.5, 3.0, 30.0))],
    "Gamma": [lambda D, T, p: D.Gamma(p(0.5, 3.0), p(1.0, 2.0))],
    "Chi2": [lambda D, T, p: D.Chi2(p(1.0, 5.0))],
    "Dirichlet": [lambda D, T, p: D.Dirichlet(p([0.5, 1.0, 3.0], [2.0, 2.0, 2.0]))],
    "Beta": [lambda D, T, p: D.Beta(p(0.5, 3.0), p(2.0, 4.0))],
    "StudentT": [lambda D, T, p: D.StudentT(p(1.5, 5.0), p(0.5, 0.0), p(1.0, 2.0))],
    "FisherSnedecor": [lambda D, T, p: D.FisherSnedecor(p(3.0, 5.0), p(5.0, 7.0))],
    "Binomial": [
        lambda D, T, p: D.Binomial(9, p(0.2, 0.7)),
        lambda D, T, p: D.Binomial(T.tensor([60.0, 60.0]), logits=p(0.5, -2.0)),
    ],
    "NegativeBinomial": [
        lambda D, T, p: D.NegativeBinomial(5, p(0.2, 0.7)), lambda D, T, p: D.NegativeBinomial(p(3.0), logits=p(-0.5)),
    ],
    "Multinomial": [
        lambda D, T, p: D.Multinomial(6, p([0.2, 0.3, 0.5], [1.0, 1.0, 4.0])),
        lambda D, T, p: D.Multinomial(4, logits=p(0.5, -1.0, 2.0)),
    ],
    "LogNormal": [lambda D, T, p: D.LogNormal(p(0.5, -1.0), p(1.0, 0.5))],
    "HalfNormal": [lambda D, T, p: D.HalfNormal(p(0.5, 2.0))],
    "HalfCauchy": [lambda D, T, p: D.HalfCauchy(p(0.5, 2.0))],
    "Gumbel": [lambda D, T, p: D.Gumbel(p(0.5, -1.0), p(1.0, 2.0))],
    "Pareto": [lambda D, T, p: D.Pareto(p(1.0, 2.0), p(3.0, 4.0))],
    "Weibull": [lambda D, T, p: D.Weibull(p(1.0, 2.0), p(3.0, 1.5))],
    "Kumaraswamy": [lambda D, T, p: D.Kumaraswamy(p(1.5, 2.0), p(3.0, 1.5))],
    "InverseGamma": [lambda D, T, p: D.InverseGamma(p(3.0, 4.0), p(1.0, 2.0))],
    "LogisticNormal": [lambda D, T, p: D.LogisticNormal(p([0.5, -1.0], [0.0, 1.0]), p([1.0, 0.5], [2.0, 1.0]))],
    "RelaxedBernoulli": [lambda D, T, p: D.RelaxedBernoulli(T.tensor(0.7), p(0.2, 0.7))],
    "RelaxedOneHotCategorical": [lambda D, T, p: D.RelaxedOneHotCategorical(T.tensor(0.7), p(0.2, 0.3, 0.5))],
    "MixtureSameFamily": [
        lambda D, T, p: D.MixtureSameFamily(
            D.Categorical(p(0.2, 0.3, 0.5)), D.Normal(p(0.0, 1.0, 2.0), p(1.0, 2.0, 3.0))
        ),
        lambda D, T, p: D.MixtureSameFamily(
            D.Categorical(p(0.4, 0.6)), D.Independent(D.Normal(p([0.0, 1.0], [2.0, 3.0]), T.ones(2, 2)), 1)
        ),
    ],
    "ContinuousBernoulli": [
        lambda D, T, p: D.ContinuousBernoulli(p(0.2, 0.5, 0.9)),
        lambda D, T, p: D.ContinuousBernoulli(logits=p(-1.0, 2.0)),
    ],
    "VonMises": [lambda D, T, p: D.VonMises(p(0.5, -1.0), p(1.0, 5.0))],
    "GeneralizedPareto": [lambda D, T, p: D.GeneralizedPareto(p(0.5, 0.0, 1.0), p(1.0, 2.0, 1.0), p(0.2, 0.0, -0.3))],
    "MultivariateNormal": [
        lambda D, T, p: D.MultivariateNormal(p(0.5, -1.0), p([2.0, 0.5], [0.5, 1.0])),
        lambda D, T, p: D.MultivariateNormal(p([0.5, -1.0], [0.0, 0.0]), precision_matrix=p([2.0, 0.5], [0.5, 1.0])),
        lambda D, T, p: D.MultivariateNormal(p(0.5, -1.0), scale_tril=p([2.0, 0.0], [0.5, 1.0])),
    ],
    "LowRankMultivariateNormal": [
        lambda D, T, p: D.LowRankMultivariateNormal(p(0.5, -1.0, 2.0), p([1.0], [0.5], [0.0]), p(1.0, 2.0, 0.5))
    ],
    "LKJCholesky": [lambda D, T, p: D.LKJCholesky(3, p(0.5)), lambda D, T, p: D.LKJCholesky(4, p(1.0, 2.0))],
    "Wishart": [lambda D, T, p: D.Wishart(p(4.0), p([2.0, 0.5], [0.5, 1.0]))],
    "Independent": [lambda D, T, p: D.Independent(D.Normal(p([0.5, -1.0], [0.0, 1.0]), T.ones(2, 2)), 1)],
    "TransformedDistribution": [
        lambda D, T, p: D.TransformedDistribution(
            D.Normal(p(0.5, -1.0), T.ones(2)), [D.SigmoidTransform(), D.AffineTransform(p(1.0), p(-3.0))]
        ),
        lambda D, T, p: D.TransformedDistribution(D.Uniform(T.zeros(2), T.ones(2)), D.TanhTransform()),
    ],
}  # fmt: skip
CASES = [pytest.param(build, id=f"{name}-{place}") for name, rows in ROWS.items() for place, build in enumerate(rows)]


def test_every_distribution_has_a_row() -> None:
    kinds = {
        name
        for name, kind in vars(distributions).items()
        if isinstance(kind, type) and issubclass(kind, distributions.Distribution)
    }
    assert kinds - {"Distribution", "ExponentialFamily"} == set(ROWS)
    theirs = {name for name, kind in vars(torch.distributions).items() if isinstance(kind, type)}
    assert not theirs - set(vars(distributions))


class Side:
    """One library's distribution of a row, and its parameters."""

    def __init__(self, build: Build, T: Any) -> None:
        self.T, self.parameters = T, []
        self.made = build(T.distributions, T, self.parameter)

    def parameter(self, *values: Any) -> Any:
        made = self.T.tensor(values if len(values) > 1 else values[0]).requires_grad_()
        self.parameters.append(made)
        return made


def both(build: Build) -> tuple[Side, Side]:
    return Side(build, torch), Side(build, pellucid)


def given(tensor: Any) -> Any:
    """PyTorch's tensor as one of ours."""
    return pellucid.tensor(tensor.detach().numpy())


def outcome(call: Callable[[], Any]) -> Any:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        try:
            return call()
        except Exception as error:
            return error


def agree(theirs: Any, ours: Any, what: str, slack: float = 20) -> None:
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), f"{what}: PyTorch: {theirs!r}, here: {ours!r}"
        return
    assert not isinstance(ours, Exception), f"{what}: {ours!r}"
    for a, b in zip(flat(theirs), flat(ours), strict=True):
        found = difference(a, b, pellucid, slack=slack)
        assert found is None, f"{what}: {found}"


@pytest.mark.parametrize("build", CASES)
def test_samples_for_a_seed(build: Build) -> None:
    theirs, ours = both(build)
    if isinstance(ours.made, distributions.Wishart):
        return  # PyTorch takes good samples for singular ones and draws them a second time
    for shape in ((), (2,), (3, 2)):
        answers = []
        for side in (theirs, ours):
            side.T.manual_seed(5)
            answers.append(side.made.sample(shape))
        agree(*answers, f"sample{shape}")
        assert not answers[1].requires_grad
    assert ours.made.has_rsample == theirs.made.has_rsample


def values(theirs: Side) -> Any:
    torch.manual_seed(1)
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # of Wishart's, see above
        return theirs.made.sample((4,))


@pytest.mark.parametrize("build", CASES)
def test_densities_and_moments(build: Build) -> None:
    theirs, ours = both(build)
    for name in ("mean", "mode", "variance", "stddev", "batch_shape", "event_shape"):
        asked = operator.attrgetter(name)
        agree(*(outcome(functools.partial(asked, side.made)) for side in (theirs, ours)), name)
    for name in ("entropy", "perplexity", "enumerate_support"):
        agree(outcome(getattr(theirs.made, name)), outcome(getattr(ours.made, name)), name)
    at = values(theirs)
    agree(theirs.made.log_prob(at), ours.made.log_prob(given(at)), "log_prob", 100)
    agree(outcome(lambda: theirs.made.cdf(at)), outcome(lambda: ours.made.cdf(given(at))), "cdf")
    part = torch.linspace(0.1, 0.9, 4).reshape(4, *(1,) * len(theirs.made.batch_shape))
    agree(outcome(lambda: theirs.made.icdf(part)), outcome(lambda: ours.made.icdf(given(part))), "icdf")
    agree(outcome(lambda: repr(theirs.made)), outcome(lambda: repr(ours.made)), "repr")
    agree(outcome(lambda: repr(theirs.made.support)), outcome(lambda: repr(ours.made.support)), "support")
    agree(theirs.made.support.check(at), ours.made.support.check(given(at)), "check")


@pytest.mark.parametrize("build", CASES)
def test_gradients_of_densities(build: Build) -> None:
    theirs, ours = both(build)
    if not ours.parameters:
        return
    at = values(theirs)
    for side, where in ((theirs, at), (ours, given(at))):
        side.made.log_prob(where).sum().backward()
    for a, b in zip(theirs.parameters, ours.parameters, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            agree(a.grad, b.grad, "the gradient of log_prob", 200)


# Of these PyTorch has another gradient of the same sample: by each number of the simplex, not by the gamma numbers.
OTHER_GRADIENTS = ("Dirichlet", "Beta", "LKJCholesky", "Wishart")


@pytest.mark.parametrize("build", CASES)
def test_gradients_through_samples(build: Build, request: pytest.FixtureRequest) -> None:
    theirs, ours = both(build)
    if not ours.made.has_rsample or not ours.parameters or any(name in request.node.name for name in OTHER_GRADIENTS):
        return
    for side in (theirs, ours):
        side.T.manual_seed(2)
        drawn = side.made.rsample((3,))
        (drawn * side.T.arange(drawn.numel()).reshape(drawn.shape)).sum().backward()
    for a, b in zip(theirs.parameters, ours.parameters, strict=True):
        assert (a.grad is None) == (b.grad is None)
        if a.grad is not None:
            agree(a.grad, b.grad, "the gradient of a sample", 500)


@pytest.mark.parametrize("kind", ["Dirichlet", "Beta"])
def test_the_gradient_through_a_simplex_is_that_of_the_mean(kind: str) -> None:
    """The mean of f(x) = x² under Dirichlet, by its concentration, from many samples."""
    pellucid.manual_seed(0)
    start = [2.0, 3.0] if kind == "Beta" else [2.0, 3.0, 4.0]
    concentration = pellucid.tensor(start, dtype=pellucid.float64, requires_grad=True)
    if kind == "Beta":
        made = distributions.Beta(concentration[0], concentration[1])
        second = made.concentration1 * (made.concentration1 + 1) / ((total := concentration.sum()) * (total + 1))
        drawn = made.rsample((4000,)).square().mean()
    else:
        made = distributions.Dirichlet(concentration)
        total = concentration.sum()
        second = (concentration * (concentration + 1) / (total * (total + 1)))[0]
        drawn = made.rsample((4000,))[:, 0].square().mean()
    (expected,) = pellucid.autograd.grad(second, concentration)
    (got,) = pellucid.autograd.grad(drawn, concentration)
    np.testing.assert_allclose(got.numpy(), expected.numpy(), atol=0.004)


def test_standard_gamma_slope() -> None:
    """PyTorch approximates it, to a part in 10,000 or so; here it is a difference of the distribution function."""
    a, x = (np.random.default_rng(seed).uniform(0.05, 30, 200) for seed in (0, 1))
    expected = torch._standard_gamma_grad(torch.tensor(a), torch.tensor(x)).numpy()
    got = TABLE["standard_gamma_slope"](pellucid.tensor(a), pellucid.tensor(x)).numpy()
    np.testing.assert_allclose(got, expected, rtol=1e-2, atol=1e-5)


@pytest.mark.parametrize("build", CASES)
def test_expanded(build: Build) -> None:
    theirs, ours = both(build)
    shape = (3, *theirs.made.batch_shape)
    a, b = theirs.made.expand(shape), ours.made.expand(shape)
    assert tuple(b.batch_shape) == shape
    assert type(b) is type(ours.made)
    assert tuple(b.sample().shape) == (*shape, *b.event_shape)
    at = values(theirs)[:1].expand(3, *theirs.made.batch_shape, *theirs.made.event_shape)
    agree(a.log_prob(at), b.log_prob(given(at)), "log_prob of the expanded", 100)
    agree(outcome(lambda: a.mean), outcome(lambda: b.mean), "mean of the expanded")


PAIRS = [(name, other) for name in ROWS for other in ROWS]


def divergence(name: str, other: str) -> None:
    def build(D: Any, T: Any, p: Any) -> Any:
        return outcome(lambda: D.kl_divergence(ROWS[name][0](D, T, p), ROWS[other][0](D, T, p)))

    theirs, ours = both(build)
    if isinstance(theirs.made, (NotImplementedError, torch.Tensor)):
        agree(theirs.made, ours.made, f"KL of {name} and {other}", 100)


@pytest.mark.parametrize("name", ROWS)
def test_divergences(name: str) -> None:
    for other in ROWS:
        divergence(name, other)


def test_a_divergence_can_be_registered() -> None:
    class Mine(distributions.Normal):
        pass

    @distributions.register_kl(Mine, distributions.Normal)
    def rule(p: Any, q: Any) -> Any:
        return p.loc * 0 + 7.0

    try:
        assert distributions.kl_divergence(Mine(0.0, 1.0), distributions.Normal(0.0, 1.0)).item() == 7.0
        assert distributions.kl_divergence(distributions.Normal(0.0, 1.0), Mine(0.0, 1.0)).item() == 0.0
    finally:
        del distributions.kl._REGISTRY[Mine, distributions.Normal]
    with pytest.raises(TypeError, match="Distribution subclass"):
        distributions.register_kl(3, distributions.Normal)  # type: ignore[arg-type]
    with pytest.raises(NotImplementedError, match="register one with register_kl"):
        distributions.kl_divergence(distributions.Cauchy(0.0, 1.0), distributions.Normal(0.0, 1.0))


REFUSED: dict[str, Callable[[Any, Any], Any]] = {
    "scale": lambda D, T: D.Normal(0.0, -1.0),
    "nan": lambda D, T: D.Normal(T.tensor([0.0, math.nan]), 1.0),
    "probs": lambda D, T: D.Bernoulli(1.5),
    "both": lambda D, T: D.Bernoulli(0.5, 0.5),
    "neither": lambda D, T: D.Categorical(),
    "a number": lambda D, T: D.Categorical(T.tensor(0.5)),
    "simplex": lambda D, T: D.Categorical(T.tensor([-1.0, 2.0])),
    "low": lambda D, T: D.Uniform(1.0, 0.0),
    "support": lambda D, T: D.Bernoulli(0.5).log_prob(T.tensor(0.5)),
    "class": lambda D, T: D.Categorical(T.ones(3)).log_prob(T.tensor(3)),
    "positive": lambda D, T: D.Exponential(1.0).log_prob(T.tensor(-1.0)),
    "shape": lambda D, T: D.Normal(T.zeros(3), 1.0).log_prob(T.zeros(2)),
    "event": lambda D, T: D.Dirichlet(T.ones(3)).log_prob(T.ones(2) / 2),
    "no tensor": lambda D, T: D.Normal(0.0, 1.0).log_prob("no"),
    "string": lambda D, T: D.Normal("no", 1.0),
    "covariance": lambda D, T: D.MultivariateNormal(T.zeros(2), -T.eye(2)),
    "asymmetric": lambda D, T: D.MultivariateNormal(T.zeros(2), T.tensor([[1.0, 0.5], [0.0, 1.0]])),
    "two matrices": lambda D, T: D.MultivariateNormal(T.zeros(2), T.eye(2), T.eye(2)),
    "too many": lambda D, T: D.Independent(D.Normal(0.0, 1.0), 1),
    "no mixture": lambda D, T: D.MixtureSameFamily(D.Normal(0.0, 1.0), D.Normal(T.zeros(2), 1.0)),
    "components": lambda D, T: D.MixtureSameFamily(D.Categorical(T.ones(3)), D.Normal(T.zeros(2), 1.0)),
    "no rsample": lambda D, T: D.Bernoulli(0.5).rsample(),
    "no transform": lambda D, T: D.TransformedDistribution(D.Normal(0.0, 1.0), 3),
    "dim": lambda D, T: D.LKJCholesky(1),
    "geometric": lambda D, T: D.Geometric(0.0),
    "default": lambda D, T: D.Distribution.set_default_validate_args(3),
}


@pytest.mark.parametrize("name", REFUSED)
def test_refused_as_in_pytorch(name: str) -> None:
    theirs = outcome(lambda: REFUSED[name](torch.distributions, torch))
    ours = outcome(lambda: REFUSED[name](distributions, pellucid))
    assert isinstance(theirs, Exception)
    agree(theirs, ours, name)
    assert str(ours)


@pytest.mark.parametrize("row", [
    lambda D, T: D.Normal(T.zeros(2), -1.0),
    lambda D, T: D.Categorical(T.ones(3)).log_prob(T.tensor(3)),
    lambda D, T: D.Normal(T.zeros(3), 1.0).log_prob(T.zeros(2)),
    lambda D, T: D.Dirichlet(T.ones(3)).log_prob(T.ones(2) / 2),
])  # fmt: skip
def test_refusals_say_what_pytorch_says(row: Any) -> None:
    theirs, ours = (outcome(lambda T=T: row(T.distributions, T)) for T in (torch, pellucid))
    assert str(ours).split("\n  at")[0].strip() == str(theirs).strip()


def test_nothing_is_checked_where_nobody_wants_it() -> None:
    assert math.isnan(distributions.Normal(0.0, -1.0, validate_args=False).log_prob(pellucid.tensor(0.0)).item())
    distributions.Distribution.set_default_validate_args(False)
    try:
        distributions.Normal(0.0, -1.0)
    finally:
        distributions.Distribution.set_default_validate_args(True)


# --------------------------------------------------------------------------------------------------- transforms

TRANSFORMS: dict[str, tuple[Callable[[Any, Any], Any], Any]] = {
    "Exp": (lambda D, T: D.ExpTransform(), [[0.5, -1.0]]),
    "Power": (lambda D, T: D.PowerTransform(T.tensor(2.5)), [[0.5, 2.0]]),
    "Sigmoid": (lambda D, T: D.SigmoidTransform(), [[0.5, -1.0]]),
    "Softplus": (lambda D, T: D.SoftplusTransform(), [[0.5, -1.0]]),
    "Tanh": (lambda D, T: D.TanhTransform(), [[0.5, -1.0]]),
    "Abs": (lambda D, T: D.AbsTransform(), [[0.5, 1.0]]),
    "Affine": (lambda D, T: D.AffineTransform(T.tensor([1.0, 2.0]), T.tensor(-3.0)), [[0.5, -1.0]]),
    "Affine of an event": (lambda D, T: D.AffineTransform(1.0, -3.0, event_dim=1), [[0.5, -1.0]]),
    "Softmax": (lambda D, T: D.SoftmaxTransform(), [[0.5, -1.0, 0.0]]),
    "StickBreaking": (lambda D, T: D.StickBreakingTransform(), [[0.5, -1.0, 0.0]]),
    "CorrCholesky": (lambda D, T: D.CorrCholeskyTransform(), [[0.5, -1.0, 0.3, 0.1, -0.4, 0.2]]),
    "LowerCholesky": (lambda D, T: D.LowerCholeskyTransform(), [[[0.5, -1.0], [0.3, 0.2]]]),
    "PositiveDefinite": (lambda D, T: D.PositiveDefiniteTransform(), [[[0.5, 0.0], [0.3, 0.2]]]),
    "Compose": (lambda D, T: D.ComposeTransform([D.ExpTransform(), D.AffineTransform(1.0, 2.0)]), [[0.5, -1.0]]),
    "Compose of events": (
        lambda D, T: D.ComposeTransform([D.AffineTransform(1.0, 2.0), D.StickBreakingTransform()]), [[0.5, -1.0]]
    ),
    "Independent": (lambda D, T: D.IndependentTransform(D.ExpTransform(), 1), [[0.5, -1.0]]),
    "Reshape": (lambda D, T: D.ReshapeTransform((2,), (2, 1)), [[0.5, -1.0]]),
    "Cat": (
        lambda D, T: D.CatTransform([D.ExpTransform(), D.TanhTransform()], dim=1, lengths=[1, 2]), [[0.5, 0.2, 0.1]]
    ),
    "Stack": (lambda D, T: D.StackTransform([D.ExpTransform(), D.TanhTransform()], dim=1), [[0.5, 0.2]]),
    "inverse": (lambda D, T: D.ExpTransform().inv, [[0.5, 2.0]]),
    "cdf": (lambda D, T: D.CumulativeDistributionTransform(D.Normal(0.0, 1.0)), [[0.5, 2.0]]),
    "identity": (lambda D, T: D.identity_transform, [[0.5, 2.0]]),
}  # fmt: skip


@pytest.mark.parametrize("name", TRANSFORMS)
def test_transforms(name: str) -> None:
    build, start = TRANSFORMS[name]
    answers = []
    for T in (torch, pellucid):
        t, x = build(T.distributions, T), T.tensor(start)
        y = t(x)
        answer = [y, t.inv(y), t.forward_shape(x.shape), t.inverse_shape(y.shape), bool(t.bijective)]
        answer += [outcome(lambda t=t, x=x, y=y: t.log_abs_det_jacobian(x, y))]
        answer += [outcome(lambda t=t: t.sign), repr(t), repr(t.domain), repr(t.codomain), t == t, t.inv.inv is t]
        cached = outcome(lambda t=t: t.with_cache(1))
        if not isinstance(cached, Exception):
            answer.append(cached.inv(cached(x)) is x)
        answers.append([str(type(a)) if isinstance(a, Exception) else a for a in answer])
    agree(*answers, name)


CONSTRAINTS: dict[str, Callable[[Any], Any]] = {
    "real": lambda c: c.real, "positive": lambda c: c.positive, "nonnegative": lambda c: c.nonnegative,
    "greater_than": lambda c: c.greater_than(2.0), "less_than": lambda c: c.less_than(2.0),
    "unit_interval": lambda c: c.unit_interval, "interval": lambda c: c.interval(-1.0, 3.0),
    "half_open_interval": lambda c: c.half_open_interval(-1.0, 3.0), "simplex": lambda c: c.simplex,
    "real_vector": lambda c: c.real_vector, "corr_cholesky": lambda c: c.corr_cholesky,
    "lower_cholesky": lambda c: c.lower_cholesky, "positive_definite": lambda c: c.positive_definite,
    "independent": lambda c: c.independent(c.positive, 1), "boolean": lambda c: c.boolean,
    "one_hot": lambda c: c.one_hot,
    "integer_interval": lambda c: c.integer_interval(0, 3), "multinomial": lambda c: c.multinomial(3),
    "cat": lambda c: c.cat([c.positive, c.real], 0, [1, 2]), "stack": lambda c: c.stack([c.positive, c.real], 0),
    "dependent": lambda c: c.dependent, "symmetric": lambda c: c.symmetric, "square": lambda c: c.square,
}  # fmt: skip
POINTS = [[0.2, 0.3, 0.5], [1.0, 0.0, 0.0], [-1.0, 2.0, 3.0], [[1.0, 0.0], [0.6, 0.8]], [[2.0, 0.5], [0.5, 1.0]]]


@pytest.mark.parametrize("name", CONSTRAINTS)
def test_constraints(name: str) -> None:
    answers = []
    for T in (torch, pellucid):
        c = CONSTRAINTS[name](T.distributions.constraints)
        answer = [outcome(lambda c=c, point=point, T=T: c.check(T.tensor(point))) for point in POINTS]
        for registry in (T.distributions.biject_to, T.distributions.transform_to):
            answer.append(outcome(lambda registry=registry, c=c: type(registry(c)).__name__))
        answer += [outcome(lambda c=c: c.is_discrete), outcome(lambda c=c: c.event_dim)]
        answers.append(["raises" if isinstance(a, Exception) else a for a in answer])
    agree(*answers, name)
