"""Checkpoints: everything that decides a run, in one file that is whole or refused, and that executes nothing.

A checkpoint is a safetensors file. The arrays are its tensors; everything else is one JSON text in its header. The
file's SHA-256 is over both, so that a file that was cut short or damaged on the disk is noticed.
"""

from __future__ import annotations

import json
import re
from pathlib import Path
from typing import Any

import numpy as np

from pellucid import safetensors
from pellucid.core import Tensor, from_data

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
    arrays: dict[str, np.ndarray] = {}
    return json.dumps(_split(state, "", arrays)), arrays


def write(path: Path, text: str, arrays: dict[str, np.ndarray]) -> None:
    """Write what `take` gave, atomically."""
    safetensors.write(path, arrays, {_KEY: json.dumps({"format": FORMAT, "state": text})})


def load_checkpoint(path: Path) -> dict[str, Any]:
    """Read what `save_checkpoint` wrote: the same structure, the same bits.

    Raises:
        CheckpointError: the file is missing, cut short, damaged, or not a checkpoint of pellucid.
    """
    try:
        arrays, texts = safetensors.read(path)
        header = json.loads(texts[_KEY])
        if header["format"] != FORMAT:
            raise CheckpointError(f"{path} has checkpoint format {header['format']}; this pellucid reads {FORMAT}.")
        state = _join(json.loads(header["state"]), arrays)
        if not isinstance(state, dict):
            raise TypeError(f"its state is a {type(state).__name__}")
    except CheckpointError:
        raise
    except (OSError, ValueError, LookupError, TypeError, AttributeError, RecursionError) as error:
        raise CheckpointError(f"{path} is no whole checkpoint of pellucid: {error}") from error
    return state


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
        name, number = path.lstrip("."), 1
        while name in arrays:  # "a.b" is also what "b" in "a" is called
            number += 1
            name = f"{path.lstrip('.')}#{number}"
        array = np.asarray(value.detach().cpu()._array if isinstance(value, Tensor) else value)
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
