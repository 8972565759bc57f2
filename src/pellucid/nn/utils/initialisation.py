"""What each way to begin makes of a network, before it is trained: variances through the layers, there and back."""

from __future__ import annotations

import copy
import math
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from ...core import Tensor, enable_grad, from_data
from .. import init
from .lsuv import as_it_was, begin, first_tensor, lsuv_, numbers, variance, weighted

__all__ = ["SCHEMES", "InitialisationReport", "initialisation_report"]

SCHEMES: dict[str, Callable[[Tensor], Any]] = {
    "xavier_uniform": init.xavier_uniform_,
    "xavier_normal": init.xavier_normal_,
    "kaiming_uniform": init.kaiming_uniform_,
    "kaiming_normal": init.kaiming_normal_,
    "orthogonal": init.orthogonal_,
}


@dataclass(frozen=True, repr=False)
class InitialisationReport:
    """Variances per layer, for each scheme.

    Attributes:
        layers: the layers by name and class, in the order in which the model calls them.
        forward: `{scheme: variance of each layer's output}`, float64.
        backward: `{scheme: variance of the gradient of each layer's output}`, float64; NaN where none arrived.
    """

    layers: list[str]
    forward: dict[str, np.ndarray]
    backward: dict[str, np.ndarray]

    def record(self) -> dict[str, Any]:
        """As plain lists and arrays: `{"layers": [...], "forward": {scheme: ...}, "backward": {scheme: ...}}`."""
        return {"layers": self.layers, "forward": self.forward, "backward": self.backward}

    def plot(self, ax: Any = None, save: Any = None) -> Any:
        """Both variances over the layers, as a matplotlib figure; see `viz.initialisation`."""
        from pellucid.viz import initialisation

        return initialisation(self.record(), ax=ax, save=save)

    def __repr__(self) -> str:
        return "\n\n".join(
            f"{what}\n{self._table(values)}"
            for what, values in (
                ("Variance of the output of each layer", self.forward),
                ("Variance of the gradient of that output", self.backward),
            )
        )

    def _table(self, values: dict[str, np.ndarray]) -> str:
        first = max([5, *map(len, self.layers)])
        widths = [max(len(scheme), 8) for scheme in values]
        header = "  ".join([f"{'layer':{first}}", *(f"{s:>{w}}" for s, w in zip(values, widths, strict=True))])
        lines = [
            "  ".join([f"{layer:{first}}", *(f"{v[i]:{w}.3g}" for v, w in zip(values.values(), widths, strict=True))])
            for i, layer in enumerate(self.layers)
        ]
        return "\n".join([header, *lines])


def initialisation_report(
    model: Any,
    inputs: Any,
    loss: Callable[[Any], Tensor] | None = None,
    schemes: Mapping[str, Callable[[Tensor], Any]] | None = None,
) -> InitialisationReport:
    """How the variance of activations and of gradients goes through a network's layers under each way to begin.

    A variance that falls from layer to layer vanishes in a deep network, one that grows explodes; either way the first
    layers do not learn. The model is measured as it is ("as built"), with each scheme for its weights (biases zero),
    and after `lsuv_` ("LSUV"). Each time it is a copy, in the mode that the model is in: the model itself and the
    stream of random numbers stay as they are, to the bit. Every scheme draws from the same random numbers, those to
    come.

    Args:
        model: a Module; measured are the layers that have no layers inside.
        inputs: a batch, as the model takes it; a tuple for several arguments.
        loss: from the model's output to a number; backward begins there. Without it, it begins at the output with a
            gradient of independent normal numbers of variance 1 (the same for all schemes).
        schemes: functions that fill a weight in place, by name; by default ``SCHEMES``, those of `nn.init` without
            further arguments: Kaiming's for ReLU, Xavier's and orthogonal with gain 1.

    Raises ValueError for a model without weights of two dimensions or more.

    >>> import pellucid as torch
    >>> layers = [part for _ in range(9) for part in (torch.nn.Linear(64, 64), torch.nn.ReLU())]
    >>> report = initialisation_report(torch.nn.Sequential(*layers), torch.randn(128, 64))
    >>> bool(report.forward["xavier_normal"][-1] < 0.01 < 0.1 < report.forward["kaiming_normal"][-1])
    True
    """
    if not weighted(model):
        raise ValueError(
            "initialisation_report compares ways to fill weights of two dimensions or more, and the model has none."
        )
    ways: dict[str, Callable[[Any], Any]] = {"as built": lambda network: None}
    for name, scheme in (SCHEMES if schemes is None else schemes).items():
        ways[name] = lambda network, scheme=scheme: [begin(layer, scheme) for layer in weighted(network).values()]
    ways["LSUV"] = lambda network: lsuv_(network, inputs)
    layers: list[str] = []
    forward: dict[str, np.ndarray] = {}
    backward: dict[str, np.ndarray] = {}
    for name, way in ways.items():
        network = copy.deepcopy(model)
        with as_it_was(network):
            way(network)
            outputs, gradients = _measure(network, inputs, loss)
        layers = list(outputs)
        forward[name] = np.array([variance(_joined(arrays)) for arrays in outputs.values()])
        backward[name] = np.array([variance(_joined(gradients[layer])) for layer in layers])
    return InitialisationReport(layers, forward, backward)


def _measure(
    network: Any, inputs: Any, loss: Callable[[Any], Tensor] | None
) -> tuple[dict[str, list[np.ndarray]], dict[str, list[np.ndarray]]]:
    """The output of each call of each layer, and the gradient that came back to it."""
    outputs: dict[str, list[np.ndarray]] = {}
    gradients: dict[str, list[np.ndarray]] = {}

    def hook_of(name: str) -> Any:
        def hook(layer: Any, args: Any, output: Any) -> None:
            tensor = first_tensor(output)
            if tensor is not None and tensor.is_floating_point():
                outputs.setdefault(name, []).append(numbers(tensor))
                arrived = gradients.setdefault(name, [])
                if tensor.requires_grad:
                    tensor.register_hook(lambda gradient: arrived.append(numbers(gradient)))

        return hook

    for name, layer in network.named_modules():
        if next(layer.children(), None) is None:
            kind = type(layer).__name__
            layer.register_forward_hook(hook_of(f"{name} {kind}" if name else kind))
    with enable_grad():
        output = network(*inputs) if isinstance(inputs, tuple) else network(inputs)
        if loss is not None:
            loss(output).backward()
        elif (tensor := first_tensor(output)) is not None and tensor.requires_grad:
            noise = np.random.default_rng(0).standard_normal(tuple(tensor.shape))
            tensor.backward(from_data(noise, dtype=tensor.dtype, device=tensor.device))
    return outputs, gradients


def _joined(arrays: list[np.ndarray]) -> np.ndarray:
    return np.concatenate(arrays) if arrays else np.full(1, math.nan)
