"""Rows for `ops/loss.py`: cross-entropy with its options, in its layouts."""

from typing import Any

import numpy as np
import torch

import pellucid
from tests.op_samples import positive, real, row

F = torch.nn.functional
FLAT, DEEP = np.array([0, 2, 1, 2, 0]), np.array([[[0, 1], [2, 2]], [[1, 0], [0, 1]]])
IGNORED = np.array([0, -100, 1, -100, 2])
TARGETS = [((5, 3), FLAT), ((5, 3), IGNORED), ((2, 3, 2, 2), DEEP), ((3,), np.array(1))]
OPTIONS = [
    {}, {"reduction": "sum"}, {"reduction": "none"}, {"ignore_index": 2},
    {"label_smoothing": 0.2}, {"label_smoothing": 0.2, "reduction": "none"},
]  # fmt: skip
# By keyword, so that no gradient is asked of it: neither library has one.
WEIGHTS = [{}, {"weight": pellucid.tensor([0.5, 2.0, 1.25], dtype=pellucid.float64)}]


def calls(options: list[dict[str, Any]], weights: list[dict[str, Any]]) -> list[tuple[Any, Any, dict[str, Any]]]:
    return [
        (shape, target, how | weight)
        for shape, target in TARGETS
        for weight in weights
        for how in options
        if "ignore_index" not in how or (target >= 0).all()
    ]


def torch_weight(x: torch.Tensor, weight: Any) -> torch.Tensor | None:
    return None if weight is None else torch.tensor(weight.numpy()).to(x.dtype)


def cross_entropy(x: torch.Tensor, target: torch.Tensor, weight: Any = None, **how: Any) -> torch.Tensor:
    return F.cross_entropy(x, target, torch_weight(x, weight), **how)


def nll_loss(x: torch.Tensor, target: torch.Tensor, weight: Any = None, **how: Any) -> torch.Tensor:
    return F.nll_loss(x, target, torch_weight(x, weight), **how)


def backward(
    g: torch.Tensor, probs: torch.Tensor, target: torch.Tensor, weight: Any = None, **how: Any
) -> torch.Tensor:
    """The gradient of cross_entropy at scores whose softmax is `probs`."""
    scores = probs.log().requires_grad_(True)
    return torch.autograd.grad(cross_entropy(scores, target, weight, **how), scores, g)[0]


def class_weights(x: torch.Tensor, target: torch.Tensor, weight: Any = None, **how: Any) -> torch.Tensor:
    logs = torch.zeros_like(x).requires_grad_(True)
    return -torch.autograd.grad(nll_loss(logs, target, weight, **how).sum(), logs)[0]


def probabilities(shape: tuple[int, ...]) -> np.ndarray:
    made = positive(*shape)
    return made / made.sum(1 if len(shape) > 1 else 0, keepdims=True)


def chances(*shape: int) -> np.ndarray:
    return real(*shape, low=0.05, high=0.95)


def binary_cross_entropy(x: torch.Tensor, target: torch.Tensor) -> torch.Tensor:
    return F.binary_cross_entropy(x, target, reduction="none")


def smooth_l1(x: torch.Tensor, target: torch.Tensor, beta: float) -> torch.Tensor:
    return F.smooth_l1_loss(*torch.broadcast_tensors(x, target), reduction="none", beta=beta)


SAMPLES = {
    "cross_entropy": [
        *[row(real(*shape), target, reference=cross_entropy, **how) for shape, target, how in calls(OPTIONS, WEIGHTS)],
        row(np.array([[1e4, -1e4, 0.0]]), np.array([1]), reference=cross_entropy, gradient=False),
    ],
    "cross_entropy_backward": [
        row(real(*(target.shape if how.get("reduction") == "none" else ())), probabilities(shape), target,
            reference=backward, gradient=False, **how)
        for shape, target, how in calls(OPTIONS, WEIGHTS)
    ] + [
        row(real(*(target.shape if how.get("reduction") == "none" else ())), probabilities(shape), target,
            skip="PyTorch has the gradient of cross_entropy_backward only where probs is a softmax", **how)
        for shape, target, how in calls(OPTIONS, WEIGHTS)
    ],
    "class_weights": [
        row(real(*shape), target, reference=class_weights, gradient=False, **how)
        for shape, target, how in calls(OPTIONS[:4], WEIGHTS)
    ],
    "nll_loss": [
        row(real(*shape), target, reference=nll_loss, **how) for shape, target, how in calls(OPTIONS[:4], WEIGHTS)
    ],
    "binary_cross_entropy": [
        row(chances(3, 4), chances(3, 4), reference=binary_cross_entropy),
        row(np.array([0.0, 1.0, 0.0, 1.0]), np.array([0.0, 1.0, 1.0, 0.0]), gradient="torch",
            reference=binary_cross_entropy),
    ],
    "smooth_l1": [
        row(real(3, 4), real(3, 4), reference=smooth_l1, beta=0.5),
        row(real(3, 4), real(4), reference=smooth_l1, beta=1.0),
    ],
}  # fmt: skip
