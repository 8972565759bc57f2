"""Layer-sequential unit variance: weights scaled by what the data make of them, one layer after the other."""

from __future__ import annotations

import math
from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any, NamedTuple

import numpy as np

from ...core import Tensor, no_grad
from ...random import Generator, undrawn
from .. import init

__all__ = ["Scaled", "LSUVReport", "lsuv_"]


class Scaled(NamedTuple):
    """What was done to one layer.

    `before` and `after` are variances of its output: as the layer came to its turn, and at the end. `iterations` is how
    often its weight was scaled, `converged` whether `after` is within the tolerance of 1. NaN for a layer that the
    model did not call.
    """

    name: str
    kind: str
    before: float
    after: float
    iterations: int
    converged: bool


class LSUVReport(list[Scaled]):
    """A `Scaled` for each layer, in the order in which the model calls them; as text, a table."""

    def __str__(self) -> str:
        width = max([5, *(len(f"{layer.name} {layer.kind}") for layer in self)])
        lines = [f"{'layer':{width}}  variance before     after  scaled"]
        for layer in self:
            fault = "" if layer.converged else "  not called" if math.isnan(layer.after) else "  not converged"
            lines.append(
                f"{f'{layer.name} {layer.kind}':{width}}  {layer.before:15.4g}  {layer.after:8.4g}  "
                f"{layer.iterations:5d}×{fault}"
            )
        return "\n".join(lines)


@no_grad()
def lsuv_(
    model: Any,
    inputs: Any,
    *,
    tolerance: float = 0.01,
    max_iterations: int = 10,
    orthogonal: bool = True,
    generator: Generator | None = None,
) -> LSUVReport:
    r"""Layer-sequential unit variance: give the output of each layer with weights variance 1 on a batch, in place.

    First each weight is made orthogonal and each bias zero. Then, for one layer after the other in the order in which
    the model calls them: while the variance of its output on the batch, :math:`\operatorname{Var}(B)`, over all its
    elements, is further than ``tolerance`` from 1, :math:`W \leftarrow W / \sqrt{\operatorname{Var}(B)}`.

    The model runs in the mode it is in; its buffers (the running averages of batch normalisation) and the random
    numbers of dropout are put back after each run, so only weights and biases change, and of the random numbers only
    those for the orthogonal matrices are used.

    Args:
        model: a Module. Scaled is each layer that has a ``weight`` of two dimensions or more and is no embedding.
        inputs: a batch, as the model takes it; a tuple for several arguments. A few hundred samples are enough.
        tolerance: of the variance.
        max_iterations: how often a weight is scaled at most.
        orthogonal: whether to begin with orthogonal weights and zero biases, or with what is there.
        generator: where the orthogonal matrices are drawn from.

    Returns a report of what was done. A layer whose output is constant, or not finite, cannot be scaled: the report
    says so. Raises ValueError for a model without such layers.

    Source: Mishkin and Matas, `All you need is a good init <https://arxiv.org/abs/1511.06422>`_, 2016, whose tolerance
    is 0.1.

    >>> import pellucid as torch
    >>> model = torch.nn.Sequential(torch.nn.Linear(20, 50), torch.nn.ReLU(), torch.nn.Linear(50, 10))
    >>> report = lsuv_(model, torch.randn(100, 20))
    >>> [(layer.name, layer.converged, round(layer.after, 2)) for layer in report]
    [('0', True, 1.0), ('2', True, 1.0)]
    """
    layers = weighted(model)
    if not layers:
        raise ValueError("lsuv_ scales layers with a weight of two dimensions or more, and the model has none.")
    if orthogonal:
        for layer in layers.values():
            begin(layer, lambda weight: init.orthogonal_(weight, generator=generator))
    scaled: dict[str, tuple[float, int]] = dict.fromkeys(variances(model, inputs, layers), (math.nan, 0))
    for name in scaled:
        variance = before = variances(model, inputs, layers)[name]
        iterations = 0
        while abs(variance - 1) > tolerance and iterations < max_iterations and 0 < variance < math.inf:
            layers[name].weight.mul_(1 / math.sqrt(variance))
            iterations += 1
            variance = variances(model, inputs, layers)[name]
        scaled[name] = before, iterations
    after = variances(model, inputs, layers)
    report = LSUVReport()
    for name in [*scaled, *(name for name in layers if name not in scaled)]:
        before, iterations = scaled.get(name, (math.nan, 0))
        end = after.get(name, math.nan)
        kind = type(layers[name]).__name__
        report.append(Scaled(name, kind, before, end, iterations, abs(end - 1) <= tolerance))
    return report


def weighted(model: Any) -> dict[str, Any]:
    """The layers of a model that have a matrix, or more, of weights; a table of embeddings is none."""
    found: dict[str, Any] = {}
    for name, layer in model.named_modules():
        weight = getattr(layer, "weight", None)
        embeds = any(kind.__name__ in ("Embedding", "EmbeddingBag") for kind in type(layer).__mro__)
        if isinstance(weight, Tensor) and weight.ndim > 1 and not embeds:
            found[name or type(layer).__name__] = layer
    return found


def begin(layer: Any, scheme: Any) -> None:
    """Have ``scheme`` fill a layer's weight, and its bias with zeros."""
    with no_grad():
        scheme(layer.weight)
        if getattr(layer, "bias", None) is not None:
            layer.bias.zero_()


def variances(model: Any, inputs: Any, layers: dict[str, Any]) -> dict[str, float]:
    """The variance of each layer's output on a batch, in the order of the calls; of all calls of a layer together."""
    seen: dict[str, list[np.ndarray]] = {}

    def keep(name: str) -> Any:
        def hook(layer: Any, args: Any, output: Any) -> None:
            seen.setdefault(name, []).append(numbers(first_tensor(output)))

        return hook

    handles = [layer.register_forward_hook(keep(name)) for name, layer in layers.items()]
    try:
        with as_it_was(model), no_grad():
            model(*inputs) if isinstance(inputs, tuple) else model(inputs)
    finally:
        for handle in handles:
            handle.remove()
    return {name: variance(np.concatenate(outputs)) for name, outputs in seen.items()}


def first_tensor(output: Any) -> Tensor | None:
    """The first tensor of what a layer returned."""
    if isinstance(output, Tensor):
        return output
    parts = output.values() if isinstance(output, dict) else output if isinstance(output, tuple | list) else ()
    return next((tensor for part in parts if (tensor := first_tensor(part)) is not None), None)


def numbers(tensor: Tensor | None) -> np.ndarray:
    """A copy of all its numbers, float64."""
    return np.zeros(0) if tensor is None else np.array(tensor.detach().cpu().numpy(), np.float64).reshape(-1)


def variance(values: np.ndarray) -> float:
    """Of all numbers together, divided by their count; NaN if one is not finite."""
    with np.errstate(all="ignore"):
        return float(values.var(dtype=np.float64)) if values.size else math.nan


@contextmanager
def as_it_was(model: Any) -> Iterator[None]:
    """A run of a model that changes neither its buffers nor the random numbers to come."""
    buffers = [(buffer, buffer.clone()) for buffer in model.buffers()]
    try:
        with undrawn():
            yield
    finally:
        with no_grad():
            for buffer, before in buffers:
                buffer.copy_(before)
