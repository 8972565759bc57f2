"""Checkpoints: everything that decides a run, in one file that is whole or refused, and that executes nothing.

A checkpoint is a safetensors file. The arrays are its tensors; everything else is one JSON text in its header, together
with a SHA-256 over both, so that a file cut short or damaged on the disk is told from a whole one.
"""

from __future__ import annotations

import hashlib
import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data
from pellucid.files import write_atomically
from pellucid.train.files.extras import need

FORMAT = 1
_KEY = "pellucid"
_NAME = re.compile(r"epoch-(\d+)-step-(\d+)\.safetensors")


class CheckpointError(ValueError):
    """A checkpoint that cannot be used: torn, damaged, of another format or of another model."""


def save_checkpoint(path: Path, state: dict[str, Any]) -> None:
    """Write `state` (nested dicts, lists and tuples of Tensors, arrays, numbers, texts, None) to `path`, atomically."""
    write(path, *take(state))


def take(state: dict[str, Any]) -> tuple[str, dict[str, np.ndarray]]:
    """What `state` is now, copied: the JSON text of its structure and its arrays by name, as `write` takes them."""
    need("safetensors.numpy", "standard", "A checkpoint")
    arrays: dict[str, np.ndarray] = {}
    return json.dumps(_split(state, "", arrays)), arrays


def write(path: Path, text: str, arrays: dict[str, np.ndarray]) -> None:
    """Write what `take` gave, atomically."""
    from safetensors.numpy import save

    header = json.dumps({"format": FORMAT, "sha256": _digest(text, arrays), "state": text})
    write_atomically(path, save(arrays, metadata={_KEY: header}))


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: the same structure, the same bits.

    Raises:
        CheckpointError: the file is missing, cut short, damaged, or not a checkpoint of pellucid.
    """
    safetensors = need("safetensors", "standard", "A checkpoint")
    try:
        with safetensors.safe_open(path, framework="numpy") as file:
            header = json.loads((file.metadata() or {})[_KEY])
            arrays = {name: file.get_tensor(name) for name in file.keys()}  # noqa: SIM118 (not a dict)
        text = header["state"]
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} has checkpoint format {header['format']}; this pellucid reads {FORMAT}.")
        whole = header["sha256"] == _digest(text, arrays)
    except (OSError, safetensors.SafetensorError, KeyError, TypeError, json.JSONDecodeError) as error:
        raise CheckpointError(f"{path} is no whole checkpoint of pellucid: {error}") from error
    if not whole:
        raise CheckpointError(f"{path} is damaged: its contents do not match the checksum written with them.")
    return _join(json.loads(text), arrays)


def checkpoint_files(folder: Path) -> list[Path]:
    """The checkpoints in `folder`, the one with the most steps first."""
    found = [(int(match[2]), path) for path in folder.glob("*.safetensors") if (match := _NAME.fullmatch(path.name))]
    return [path for _, path in sorted(found, reverse=True)]


def steps_of(path: Path) -> int:
    """The steps in the name of a checkpoint file; -1 for a file of another name."""
    match = _NAME.fullmatch(path.name)
    return int(match[2]) if match else -1


# The structure goes into JSON, with a note where an array, a tuple or a dict with keys that are not texts has been.


def _split(value: Any, path: str, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, Tensor | np.ndarray):
        name = path.lstrip(".")
        array = np.asarray(value.detach().cpu().numpy() if isinstance(value, Tensor) else value)
        # A view saves as what it shows; a copy, because the state goes on changing.
        arrays[name] = np.array(array, order="C")
        return {"$": "tensor" if isinstance(value, Tensor) else "array", "name": name}
    if isinstance(value, dict):
        if all(isinstance(key, str) for key in value) and "$" not in value:
            return {key: _split(item, f"{path}.{key}", arrays) for key, item in value.items()}
        return {"$": "dict", "items": [[key, _split(item, f"{path}.{key}", arrays)] for key, item in value.items()]}
    if isinstance(value, tuple):
        return {"$": "tuple", "items": [_split(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]}
    if isinstance(value, list):
        return [_split(item, f"{path}.{i}", arrays) for i, item in enumerate(value)]
    if value is None or isinstance(value, bool | int | float | str):
        return value
    raise TypeError(f"A checkpoint cannot hold a {type(value).__name__} (at {path.lstrip('.')!r}).")


def _join(value: Any, arrays: dict[str, np.ndarray]) -> Any:
    if isinstance(value, list):
        return [_join(item, arrays) for item in value]
    if not isinstance(value, dict):
        return value
    match value.get("$"):
        case None:
            return {key: _join(item, arrays) for key, item in value.items()}
        case "tensor":
            return from_data(arrays[value["name"]], copy=False)
        case "array":
            return arrays[value["name"]]
        case "dict":
            return {key: _join(item, arrays) for key, item in value["items"]}
        case "tuple":
            return tuple(_join(item, arrays) for item in value["items"])
        case other:
            raise CheckpointError(f"A checkpoint with an entry of unknown kind {other!r}.")


def _digest(text: str, arrays: dict[str, np.ndarray]) -> str:
    digest = hashlib.sha256(text.encode())
    for name in sorted(arrays):
        array = arrays[name]
        digest.update(f"{name} {array.dtype.str} {array.shape}".encode())
        digest.update(np.ascontiguousarray(array).data)
    return digest.hexdigest()
