"""Rows for the elementwise ops that need more than numbers from a domain: bounds, conditions, attributes."""

import numpy as np
import torch

from tests.op_samples import booleans, integers, positive, real, row


def step_backward(grad_output: torch.Tensor, input: torch.Tensor, threshold: float = 0.0) -> torch.Tensor:
    return torch.ops.aten.threshold_backward(grad_output, input, threshold)


NONFINITE = np.array([np.inf, -np.inf, np.nan, 1.0])

SAMPLES = {
    "clamp": [
        row(real(3, 4), -0.7, 0.6),
        row(real(3, 4), None, 0.6),
        row(real(3, 4), -0.7),
        row(real(3, 4), real(4), real(3, 1)),
        row(real(3, 4), real(4), None),
        row(real(3, 4), None, real(4)),
        row(real(3, 4), 1.0, -1.0),  # min > max gives max
        row(integers(3, 4), -1, 2),
        row(np.array([np.nan, np.inf, -np.inf]), 0.0, 1.0, gradient="torch"),
        *[
            row(np.array([-1.0, 0.5, 1.0]), *bounds, gradient="torch")  # at the bounds, and where they are equal
            for low, high in ((-1.0, 1.0), (np.full(3, -1.0), np.full(3, 1.0)), (np.array([1.0, 1.0, 2.0]), np.ones(3)))
            for bounds in ((low, high), (low, None), (None, high))
        ],
    ],
    "where": [
        row(booleans(3, 4), real(3, 4), real(4)),
        row(booleans(3, 1), real(4), real(1)),
        row(booleans(3, 4), real(3, 4), 0.5),
        row(booleans(3, 4), 2, real(3, 4)),
        row(np.array([True, False, True, False]), NONFINITE, NONFINITE, gradient="torch"),
        row(booleans(3), integers(3), real(3), gradient=False),
    ],
    "trunc_divide": [
        row(real(3, 4), positive(4), reference=lambda x, y: torch.div(x, y, rounding_mode="trunc")),
        row(integers(9), np.array([-2, 3, -3, 2, 1, -1, 7, 2, -2]),
            reference=lambda x, y: torch.div(x, y, rounding_mode="trunc"), gradient=False),
    ],
    "polygamma_of": [
        row(positive(3, 4), n=1, skip="PyTorch's trigamma has nine digits"),
        row(positive(3, 4), n=2, reference=lambda x, n: torch.polygamma(n, x)),
        row(positive(3, 4), n=3, reference=lambda x, n: torch.polygamma(n, x), gradient=False),
    ],
    "zeros_like": [row(real(2, 3))],
    "threshold_backward": [
        row(real(3, 4), real(3, 4), reference=step_backward),
        row(NONFINITE, np.array([-1.0, 0.0, 1.0, np.nan]), reference=step_backward, gradient=False),
        row(real(), real(), reference=step_backward),
        row(real(3, 4), real(3, 4), threshold=0.3, reference=step_backward),
    ],
    "isclose": [
        row(np.array([1.0, 1.0, np.nan, np.inf]), np.array([1.0 + 1e-9, 1.1, np.nan, np.inf])),
        row(np.array([1.0, 1.0, np.nan, np.inf]), np.array([1.0, 1.1, np.nan, -np.inf]), equal_nan=True),
        row(np.array([1.0, 1.0]), np.array([1.4, 2.0]), rtol=0.0, atol=0.5),
        row(np.array([1, 2, 3]), np.array([1, 2, 4]), atol=1.0),
    ],
    # With attributes other than the defaults that the domain's test has:
    "add": [row(real(3, 4), real(4), alpha=2.5), row(real(3, 4), 1.5), row(integers(3), integers(3), alpha=3)],
    "sub": [row(real(3, 4), real(4), alpha=2.5), row(2.0, real(4))],
    "rsub": [row(real(3, 4), real(4), alpha=2.5), row(real(3, 4), 2)],
    "addcmul": [row(real(3, 4), real(4), real(3, 1), value=0.5), row(real(3), real(3), real(3), value=2)],
    "addcdiv": [row(real(3, 4), real(4), positive(3, 1), value=0.5)],
    "lerp": [row(real(3, 4), real(4), 0.3), row(real(3, 4), real(4), 0.8), row(real(3, 4), real(3, 4), real(4))],
    "logit": [row(real(3, 4, low=-0.2, high=1.2), eps=0.1), row(real(5, low=0.1, high=0.9)),
              row(np.array([0.25, 0.5, 0.75]), eps=0.25, gradient="torch")],
    "round": [row(real(3, 4), decimals=1), row(100 * real(3, 4), decimals=-1)],
    "nan_to_num": [
        row(NONFINITE, nan=2.0, posinf=3.0, neginf=-3.0, gradient="torch"),
        row(NONFINITE, gradient="torch"),
    ],
    "pow": [
        row(positive(3, 4), 2), row(real(3, 4), 3), row(positive(3, 4), 0.5), row(real(3, 4), 0), row(real(3, 4), -1),
        row(real(3, 4), 1), row(real(3, 4), 2.0),
        row(positive(3), -2.5), row(2.0, real(3, 4)),
        row(np.array([0.0, 0.0, 2.0]), np.array([0.0, 2.0, 0.0]), gradient="torch"),
        row(np.array([0.0, 2.0, -1.0]), 0, gradient="torch"), row(np.array([0.0, 2.0]), 0.0, gradient="torch"),
        row(0.0, np.array([0.0, 2.0, -1.0, 0.5]), gradient="torch"),
        row(-2.0, np.array([0.0, 2.0, -1.0]), gradient="torch"), row(2, real(3)), row(0.5, real(3)),
        row(2.0, np.array([-1.0, 0.0, 1.0])),
        row(integers(6), np.array([0, 1, 2, 3, -1, -2]), gradient=False), row(real(3, 4), integers(4, low=1)),
    ],
    "gelu": [row(real(3, 4)), row(real(3, 4), approximate="tanh")],
    "elu": [
        row(real(3, 4), alpha=0.7),
        row(np.array([1e4, 0.5, -1e4]), alpha=0.7),
        row(np.array([0.0, -0.0]), alpha=0.7, gradient="torch"),
        row(real(3, 4), alpha=1.5, scale=2.0, input_scale=0.5,
            reference=lambda x, **how: torch._C._nn.elu(x, how["alpha"], how["scale"], how["input_scale"])),
    ],
    "leaky_relu": [row(real(3, 4), negative_slope=0.3)],
    "softplus": [row(real(3, 4), beta=2.0, threshold=1.0)],
    "hardtanh": [row(real(3, 4), min_val=-0.5, max_val=0.7)],
}  # fmt: skip

X = np.array([-3.7, -0.4, 0.0, 0.3, 1.9, 4.2, 9.5])
for _name in ("airy_ai", "bessel_j0", "bessel_j1", "bessel_y0", "bessel_y1", "modified_bessel_i0", "modified_bessel_i1",
              "modified_bessel_k0", "modified_bessel_k1", "scaled_modified_bessel_k0", "scaled_modified_bessel_k1",
              "spherical_bessel_j0"):  # fmt: skip
    SAMPLES[f"special_{_name}"] = [row(X, gradient=False)]
for _name in ("chebyshev_polynomial_t", "chebyshev_polynomial_u", "chebyshev_polynomial_v", "chebyshev_polynomial_w",
              "hermite_polynomial_h", "hermite_polynomial_he", "laguerre_polynomial_l",
              "legendre_polynomial_p"):  # fmt: skip
    SAMPLES[f"special_{_name}"] = [row(real(3, 4), np.arange(-1.0, 3.0), gradient=False)]
    if _name.startswith("chebyshev"):
        SAMPLES[f"special_shifted_{_name}"] = [row(real(3, 4), np.arange(-1.0, 3.0), gradient=False)]
SAMPLES["special_zeta"] = [row(np.array([1.5, 2.0, 3.5]), np.array([0.7, 2.0, 5.0]), gradient=False)]
SAMPLES["igamma"] = [row(positive(3, 4), positive(4), gradient=False)]
SAMPLES["igammac"] = SAMPLES["igamma"]
SAMPLES["frexp"] = [row(real(3, 4))]
