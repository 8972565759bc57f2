"""The network of a finished run, and what it answers."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import from_data, no_grad
from pellucid.experiments import build
from pellucid.experiments.config import Config
from pellucid.experiments.errors import UsageError
from pellucid.serialize import load
from pellucid.train import RunFolder, load_checkpoint


def trained(folder: RunFolder, config: Config, data: dict[str, Any], checkpoint: Path | None = None) -> Any:
    """The network of a run, from `data` of its config.json and its model.safetensors, in `eval` mode on the CPU.

    Of a `checkpoint` of the run, it is the network of then.
    """
    if checkpoint is None and not folder.model.exists():
        raise UsageError(f"{folder.path} has no model.safetensors yet: the run writes it when it ends or is stopped.")
    model = build.model(config, tuple(data["sample_shape"]), len(data["classes"]) or None)
    try:
        model.load_state_dict(load(folder.model) if checkpoint is None else load_checkpoint(checkpoint)["model"])
    except RuntimeError as error:  # the file is damaged, or of another network
        raise UsageError(
            f"{error}. Has the file been changed? The checkpoints of the run hold the network, too."
        ) from None
    return model.eval()


def forward(model: Any, x: np.ndarray) -> np.ndarray:
    """The network's outputs for `x`, (N, outputs) in float64."""
    with no_grad():
        parts = [model(from_data(part, copy=False)).numpy() for part in np.array_split(x, -(-len(x) // 1000))]
    return np.concatenate(parts).astype(np.float64)


def probabilities(outputs: np.ndarray, config: Config) -> np.ndarray:
    """A probability for every class, (N, classes), from what the network puts out, (N, outputs).

    A network trained with the quadratic loss gives scores from 0 to 1 that no loss asked to be probabilities; they are
    divided by their sum.
    """
    if outputs.shape[1] == 1:  # binary cross-entropy: one logit, that of the second class
        second = 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
        return np.concatenate([1 - second, second], axis=1)
    if config.loss == "cross-entropy":
        with np.errstate(invalid="ignore"):  # of a run that diverged, NaN stays NaN
            shifted = np.exp(outputs - outputs.max(axis=1, keepdims=True))
            return shifted / shifted.sum(axis=1, keepdims=True)
    scores = outputs if config.loss == "mse" else 1 / (1 + np.exp(-np.clip(outputs, -700, 700)))
    return scores / np.maximum(scores.sum(axis=1, keepdims=True), np.finfo(float).tiny)
