"""The loss around the weights of a model, along two random directions (Li et al. 2018)."""

from __future__ import annotations

from collections.abc import Callable, Iterable
from dataclasses import dataclass
from types import SimpleNamespace
from typing import Any

import numpy as np

from pellucid.core import from_data, no_grad
from pellucid.train.probes.rewind import Snapshot


@dataclass(frozen=True, eq=False)
class Landscape:
    """Losses on a grid through the weights: `losses[i, j]` at w + alphas[i]·d₁ + betas[j]·d₂.

    Shape: `alphas` (n,), `betas` (n,), `losses` (n, n), all float64. At both 0 the weights are as they were.
    """

    alphas: np.ndarray
    betas: np.ndarray
    losses: np.ndarray

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """Contours and relief, as a matplotlib figure; see `viz.loss_landscape`."""
        from pellucid.viz import loss_landscape as draw

        return draw(self, ax=ax, save=save)


def loss_landscape(
    model: Any,
    batches: Iterable[tuple[Any, Any]],
    loss: Callable[[Any, Any], Any],
    *,
    span: float = 1.0,
    points: int = 21,
    seed: int = 0,
) -> Landscape:
    """The loss over `batches` at points × points places around the model's weights.

    Two directions are drawn from the normal distribution and normalised by filter: each row of a weight matrix, each
    filter of a convolution, gets the length of the row or filter that it is added to,

        dᵢ ← dᵢ · ‖wᵢ‖ / ‖dᵢ‖,

    so that landscapes of different networks can be compared though their weights have different scales. Biases and the
    parameters of normalisation layers (those of fewer than two dimensions) are not moved, as in the paper.

    The model computes in eval mode, without gradients; afterwards it is as it was, to the bit: parameters, buffers,
    modes, and the random streams of the program and of the loader. It takes points² passes over `batches`, which are
    read once and kept.

    Args:
        model: has `parameters()`, `modules()`, `eval()`, `state_dict()`; called with the inputs of a batch.
        batches: `(inputs, target)` pairs: a loader, or some of its batches in a list.
        loss: `loss(output, target)`, the mean over the batch.
        span: how far to go in each direction, in multiples of the weights' own length.
        points: places along each direction; an odd number has the weights themselves in the middle.
        seed: of the directions, which are drawn with a generator of their own.

    Raises:
        ValueError: `points` is less than 2, `span` is not above 0, there is no batch, or no parameter has two
            dimensions.

    Source: Li, Xu, Taylor, Studer, Goldstein, "Visualizing the Loss Landscape of Neural Nets", 2018, section 4.

    >>> from pellucid import nn, ones, zeros
    >>> found = loss_landscape(nn.Linear(2, 1), [(ones(4, 2), zeros(4, 1))], nn.MSELoss(), points=5)
    >>> found.losses.shape, bool((found.losses >= 0).all())
    ((5, 5), True)
    """
    if points < 2 or not span > 0:
        raise ValueError(f"points={points}, span={span}: at least 2 points, and a span above 0, are needed")
    if not callable(loss):
        raise TypeError(f"loss is a {type(loss).__name__}. The order is loss_landscape(model, batches, loss).")
    moved = [parameter for parameter in model.parameters() if len(parameter.shape) >= 2]
    if not moved:
        raise ValueError("no parameter of the model has two dimensions: there is nothing to move along a direction")
    arrays = [parameter.detach().cpu().numpy().copy() for parameter in moved]
    rng = np.random.default_rng(seed)
    first, second = ([_direction(weight, rng) for weight in arrays] for _ in range(2))
    steps = np.linspace(-span, span, points)
    losses = np.empty((points, points))
    # What a Learner is made of, but for the optimiser, which is not asked here.
    parts: Any = SimpleNamespace(model=model, loss_function=loss, optimizer=SimpleNamespace(), loader=batches)
    before = Snapshot(parts)
    try:
        read = list(batches)
        if not read:
            raise ValueError("batches holds no batch to take the loss of")
        model.eval()
        for i, alpha in enumerate(steps):
            for j, beta in enumerate(steps):
                for parameter, weight, d1, d2 in zip(moved, arrays, first, second, strict=True):
                    place = (weight + alpha * d1 + beta * d2).astype(weight.dtype)
                    parameter.data = from_data(place, device=parameter.device)
                losses[i, j] = _mean_loss(model, read, loss)
    finally:
        before.restore()
    return Landscape(steps, steps.copy(), losses)


def _direction(weight: np.ndarray, rng: np.random.Generator) -> np.ndarray:
    """A normal direction, each filter of it as long as the weight's."""
    direction = rng.standard_normal(weight.shape)
    axes = tuple(range(1, weight.ndim))
    length = np.sqrt((direction**2).sum(axis=axes, keepdims=True))
    own = np.sqrt((weight.astype(np.float64) ** 2).sum(axis=axes, keepdims=True))
    return direction * own / np.where(length > 0, length, 1)


def _mean_loss(model: Any, batches: list[tuple[Any, Any]], loss: Callable[[Any, Any], Any]) -> float:
    """Mean over the samples; far from the weights it may overflow, which is an answer too."""
    total, samples = 0.0, 0
    with no_grad(), np.errstate(all="ignore"):
        for inputs, target in batches:
            total, samples = total + float(loss(model(inputs), target).item()) * len(target), samples + len(target)
    return total / samples
