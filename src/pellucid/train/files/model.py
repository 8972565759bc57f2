"""A model's parameters and buffers as a safetensors file, by the names that they have in its state dict."""

from __future__ import annotations

from pathlib import Path
from typing import Any

from pellucid import safetensors
from pellucid.core import from_data


def write_model(path: Path, state: dict[str, Any]) -> None:
    """A state dict as safetensors, atomically, by the names that the tensors have in it, with a checksum."""
    safetensors.write(path, {name: tensor.detach().cpu()._array for name, tensor in state.items()})


def read_model(path: Path) -> dict[str, Any]:
    """The state dict in a safetensors file.

    Raises ValueError where the file is damaged or something else.
    """
    return {name: from_data(array, copy=False) for name, array in safetensors.read(path).arrays.items()}
