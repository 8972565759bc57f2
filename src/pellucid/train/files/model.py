"""A model's parameters and buffers as a safetensors file, by the names that they have in its state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import from_data
from pellucid.files import write_atomically
from pellucid.train.files.extras import need


def write_model(path: Path, state: dict[str, Any]) -> None:
    """A state dict as safetensors, atomically, by the names that the tensors have in it."""
    save = need("safetensors.numpy", "standard", "A file of a model").save
    arrays = {name: np.array(tensor.detach().cpu().numpy(), order="C") for name, tensor in state.items()}
    write_atomically(path, save(arrays))


def read_model(path: Path) -> dict[str, Any]:
    """The state dict in a safetensors file. Raises ValueError where the file is damaged or something else."""
    safetensors = need("safetensors", "standard", "A file of a model")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            return {name: from_data(file.get_tensor(name), copy=False) for name in file.keys()}  # noqa: SIM118
    except safetensors.SafetensorError as error:
        raise ValueError(f"{path} is no whole safetensors file: {error}") from error
