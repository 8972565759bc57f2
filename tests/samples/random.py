"""Rows for `ops/random.py`: both libraries start from the same seed, so the numbers must be the same."""

import numpy as np
import torch

import pellucid
from tests.op_samples import Row, positive, real, row

DOUBLE = pellucid.float64


def rows_in_place(name: str, *parameters: float, **attributes: float) -> list[Row]:
    """A few, enough for a block of normal numbers, and a matrix: PyTorch takes the parameters by position."""

    def theirs(x: torch.Tensor, **_: float) -> torch.Tensor:
        return getattr(x.clone(), name)(*parameters)

    return [row(real(*shape), reference=theirs, gradient=False, **attributes) for shape in ((5,), (40,), (9, 7))]


def dropped(x: torch.Tensor, p: float, feature: bool = False) -> torch.Tensor:
    return (torch.feature_dropout if feature else torch.dropout)(torch.ones_like(x), p, True)[
        (slice(None), slice(None), *(slice(0, 1),) * (x.ndim - 2)) if feature else ()
    ]


def kept(x: torch.Tensor, p: float) -> torch.Tensor:
    return torch.empty_like(x).bernoulli_(1 - p)


def kept_features(x: torch.Tensor, p: float, feature: bool) -> torch.Tensor:
    return torch.empty(*x.shape[:2], *(1 for _ in x.shape[2:]), dtype=x.dtype).bernoulli_(1 - p)


def rrelu(x: torch.Tensor, lower: float, upper: float) -> torch.Tensor:
    y = torch.nn.functional.rrelu(x, lower, upper, training=True)
    return torch.where(x <= 0, y / x, 1.0)


SAMPLES = {
    "rand": [row(size=(3, 9), dtype=pellucid.float32), row(size=(5,), dtype=DOUBLE)],
    "randn": [row(size=(3, 9), dtype=pellucid.float32), row(size=(5,), dtype=DOUBLE)],
    "randint": [row(low=-3, high=9, size=(4, 5))],
    "randperm": [row(n=11)],
    "normal_of_size": [
        row(size=(4, 5), mean=1.0, std=2.0, reference=lambda size, mean, std: torch.normal(mean, std, size)),
    ],
    "rand_like": [row(real(4, 5), gradient=False)],
    "randn_like": [row(real(4, 5), gradient=False)],
    "randint_like": [
        row(real(4, 5), low=-2, high=7, reference=lambda x, low, high: torch.randint_like(x, low, high)),
    ],
    "normal": [row(real(4, 5), positive(5), gradient="torch"), row(real(4, 5), 2.0, gradient="torch")],
    "bernoulli": [row(real(4, 5, low=0.0, high=1.0), gradient="torch")],
    "standard_gamma": [row(positive(4, 5), gradient=False), row(0.2 * positive(9), gradient=False)],
    "gamma_cdf": [row(positive(4, 5), positive(4, 5), gradient=False)],
    "poisson_numbers": [row(8 * positive(4, 5), gradient="torch")],
    "binomial_numbers": [
        row(np.full((4, 5), 7.0), real(4, 5, low=0.0, high=1.0), gradient="torch"),
        row(np.full((4, 5), 60.0), real(4, 5, low=0.0, high=1.0), gradient="torch"),
    ],
    "multinomial": [
        row(positive(6), num_samples=3),
        row(positive(2, 6), num_samples=9, replacement=True),
    ],
    "uniform_": rows_in_place("uniform_", -1.0, 2.0, low=-1.0, high=2.0),
    "normal_": rows_in_place("normal_", 1.0, 2.0, mean=1.0, std=2.0),
    "random_": rows_in_place("random_", -3, 12, low=-3, high=12) + rows_in_place("random_", 12, low=12),
    "bernoulli_": [
        *rows_in_place("bernoulli_"),
        row(real(4, 5), np.array([0.1, 0.5, 0.9, 0.0, 1.0]), gradient=False),
    ],
    "exponential_": rows_in_place("exponential_", 2.0, lambd=2.0),
    "cauchy_": rows_in_place("cauchy_", 1.0, 2.0, median=1.0, sigma=2.0),
    "log_normal_": rows_in_place("log_normal_", 0.5, 0.3, mean=0.5, std=0.3),
    "geometric_": rows_in_place("geometric_", 0.3, p=0.3),
    "dropout_mask": [
        row(real(4, 5), p=0.3, reference=dropped),
        row(real(2, 3, 4), p=0.3, feature=True, reference=dropped),
    ],
    "keep_mask": [
        row(real(4, 5), p=0.3, reference=kept),
        row(real(2, 3, 4), p=0.3, feature=True, reference=kept_features),
    ],
    "rrelu_noise": [row(real(4, 5), lower=0.1, upper=0.4, reference=rrelu)],
}

ELSEWHERE = {"standard_gamma_slope": "tests/test_distributions.py"}
