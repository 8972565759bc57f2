"""The safetensors format: tensors by name, and the structure they stood in as JSON in the header."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from ..core import Tensor
from ..core.tensor import wrap
from ..files import open_atomically

_KEY = "pellucid"
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write(obj: Any, path: Path) -> None:
    """Write ``obj`` to ``path``."""
    save = _package().numpy.save
    arrays: dict[str, np.ndarray] = {}
    structure = json.dumps(_split(obj, "", arrays, {}), allow_nan=False)
    with open_atomically(path) as file:
        file.write(save(arrays, metadata={_KEY: structure}))


def read(path: Path) -> Any:
    """Read ``path``. A file that something else than pellucid wrote gives a dict of its tensors."""
    package = _package()
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    try:
        with package.safe_open(path, framework="numpy") as file:
            structure = (file.metadata() or {}).get(_KEY)
            names = list(file.keys())
            arrays = {name: wrap(_supported(file.get_tensor(name), name, path)) for name in names}
    except package.SafetensorError as error:
        raise RuntimeError(f"{path} is not a whole safetensors file: {error}") from error
    if structure is None:
        return arrays
    try:
        return _join(json.loads(structure), arrays)
    except (KeyError, ValueError, TypeError) as error:
        raise RuntimeError(f"{path}: the structure in its header does not fit its tensors ({error!r})") from error


def _package() -> Any:
    try:
        import safetensors
        import safetensors.numpy
    except ModuleNotFoundError:
        raise ModuleNotFoundError(
            "files named .safetensors need the safetensors package: pip install 'pellucid[standard]', or save under "
            "another name (.pt), which needs nothing"
        ) from None
    return safetensors


def _supported(array: np.ndarray, name: str, path: Path) -> np.ndarray:
    if array.dtype.kind not in "biuf" or array.dtype.itemsize > 8:
        raise RuntimeError(f"{path}: tensor {name!r} has dtype {array.dtype}, which pellucid has not")
    return array


# A tensor, a tuple, an ordered dict, a dict with keys that are not texts, and a number that JSON has not, are
# written as a dict with one key that begins with "$"; a dict that has such a key itself is written as pairs.


def _split(value: Any, path: str, arrays: dict[str, np.ndarray], names: dict[Any, str]) -> Any:
    if isinstance(value, Tensor):
        array = value.detach().cpu().numpy()
        # The same memory seen in the same way is one tensor: tied weights stay tied.
        key = (array.ctypes.data, array.dtype, array.shape, array.strides)
        if key not in names:
            names[key] = path or "tensor"
            arrays[names[key]] = array.copy(order="C")
        return {"$requires_grad" if value.requires_grad else "$tensor": names[key]}
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": str(value)}
    if isinstance(value, (list, tuple)):
        items = [_split(item, _below(path, place), arrays, names) for place, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        pairs = [(key, _split(item, _below(path, key), arrays, names)) for key, item in value.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs)
        if plain and not isinstance(value, OrderedDict):
            return dict(pairs)
        kind = "$ordered" if isinstance(value, OrderedDict) else "$dict"
        return {kind: [[_split(key, "", {}, {}), item] for key, item in pairs]}
    raise TypeError(
        f"can't save {path or 'the object'}: it is a {type(value).__name__}; tensors, numbers, texts, None and dicts, "
        "lists and tuples of these can be saved"
    )


def _below(path: str, key: Any) -> str:
    return f"{path}.{key}" if path else str(key)


def _join(value: Any, tensors: dict[str, Tensor]) -> Any:
    if isinstance(value, list):
        return [_join(item, tensors) for item in value]
    if not isinstance(value, dict):
        return value
    kind = next(iter(value)) if len(value) == 1 else ""
    match kind:
        case "$tensor":
            return tensors[value[kind]]
        case "$requires_grad":
            return tensors[value[kind]].requires_grad_()
        case "$number":
            return _NUMBERS[value[kind]]
        case "$tuple":
            return tuple(_join(value[kind], tensors))
        case "$dict" | "$ordered":
            pairs = [(_join(key, tensors), _join(item, tensors)) for key, item in value[kind]]
            return OrderedDict(pairs) if kind == "$ordered" else dict(pairs)
    return {key: _join(item, tensors) for key, item in value.items()}
