"""The safetensors format: tensors by name, and the structure they stood in as JSON in the header."""

from __future__ import annotations

import json
import math
from collections import OrderedDict
from pathlib import Path
from typing import Any

import numpy as np

from .. import safetensors
from ..core import Tensor
from ..core.tensor import wrap
from ..types.dtypes import OF_NUMPY
from .memory import Piece, shared_pieces

_KEY = "pellucid"
_NUMBERS = {"nan": math.nan, "inf": math.inf, "-inf": -math.inf}


def write(obj: Any, path: Path) -> None:
    """Write ``obj`` to ``path``."""
    taken = _Taken()
    structure = json.dumps(_split(obj, "", taken), allow_nan=False)
    views = _views(taken, path)
    arrays = {name: array.copy(order="C") for name, array in taken.arrays.items()}
    metadata = {_KEY: structure, **({"pellucid.views": json.dumps(views)} if views else {})}
    safetensors.write(path, arrays, metadata)


def read(path: Path) -> Any:
    """Read ``path``. A file that something else than pellucid wrote gives a dict of its tensors."""
    if not path.exists():
        raise FileNotFoundError(f"there is no file {path}")
    arrays, metadata = safetensors.read(path)
    for name, array in arrays.items():
        if array.dtype not in OF_NUMPY:
            raise RuntimeError(f"{path}: tensor {name!r} has dtype {array.dtype}, which pellucid has not")
    try:
        for name, (whole, offset, strides) in json.loads(metadata.get("pellucid.views", "{}")).items():
            arrays[name] = _view(arrays[whole], arrays[name].shape, offset, strides)
        tensors = {name: wrap(array) for name, array in arrays.items()}
        return _join(json.loads(metadata[_KEY]), tensors) if _KEY in metadata else tensors
    except (KeyError, ValueError, TypeError, AttributeError, RecursionError) as error:
        raise RuntimeError(f"{path}: the structure in its header does not fit its tensors ({error!r})") from error


class _Taken:
    """The arrays that are to be written, by name."""

    def __init__(self) -> None:
        self.arrays: dict[str, np.ndarray] = {}
        self.known: dict[Any, str] = {}

    def name(self, array: np.ndarray, path: str) -> str:
        """The name of an array: that of the same memory seen in the same way, or a new one like ``path``."""
        key = (array.ctypes.data, array.dtype, array.shape, array.strides)
        if key not in self.known or not array.size:
            name, number = path or "tensor", 1
            while name in self.arrays:  # "a.b" is also what "b" in "a" is called
                number += 1
                name = f"{path}#{number}"
            self.known[key] = name
            self.arrays[name] = array
        return self.known[key]


def _views(taken: _Taken, path: Path) -> dict[str, Any]:
    """Which arrays are part of which other: (its name, the offset in it, strides), in elements.

    They are written in full too, for other readers. Raises RuntimeError where arrays overlap and none holds the others.
    """
    names = {id(array): name for name, array in taken.arrays.items()}
    found: dict[str, Any] = {}
    for pieces in shared_pieces(taken.arrays.values()):
        whole = max(pieces, key=lambda piece: (piece.array.size, piece.array.flags.c_contiguous))
        for piece in pieces:
            if piece is whole:
                continue
            if not _holds(whole, piece):
                raise RuntimeError(
                    f"Some tensors share memory, and none of them holds the others: {names[id(whole.array)]!r} and "
                    f"{names[id(piece.array)]!r} overlap. Files named .safetensors cannot express that in {path}: save "
                    "under another name (.pt), or save tensor.clone()"
                )
            offset, strides = piece.within(whole)
            found[names[id(piece.array)]] = [names[id(whole.array)], offset, strides]
    return found


def _holds(whole: Piece, piece: Piece) -> bool:
    return (
        whole.array.flags.c_contiguous
        and whole.begin <= piece.begin
        and piece.end <= whole.end
        and whole.array.dtype == piece.array.dtype
    )


def _view(whole: np.ndarray, shape: tuple[int, ...], offset: int, strides: list[int]) -> np.ndarray:
    size = whole.itemsize
    return np.ndarray(shape, whole.dtype, whole.reshape(-1), offset * size, [stride * size for stride in strides])


# A tensor, a tuple, an ordered dict, a dict with keys that are not texts, and a number that JSON has not, are
# written as a dict with one key that begins with "$"; a dict that has such a key itself is written as pairs.


def _split(value: Any, path: str, taken: _Taken) -> Any:
    if isinstance(value, Tensor):
        name = taken.name(value.detach().cpu()._array, path)
        return {"$requires_grad" if value.requires_grad else "$tensor": name}
    if value is None or isinstance(value, (bool, str)) or type(value) is int:
        return value
    if isinstance(value, float):
        return value if math.isfinite(value) else {"$number": str(value)}
    if isinstance(value, (list, tuple)):
        items = [_split(item, _below(path, place), taken) for place, item in enumerate(value)]
        return items if isinstance(value, list) else {"$tuple": items}
    if isinstance(value, dict):
        pairs = [(key, _split(item, _below(path, key), taken)) for key, item in value.items()]
        plain = all(isinstance(key, str) and not key.startswith("$") for key, _ in pairs)
        if plain and not isinstance(value, OrderedDict):
            return dict(pairs)
        kind = "$ordered" if isinstance(value, OrderedDict) else "$dict"
        return {kind: [[_split(key, "", _Taken()), item] for key, item in pairs]}
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
