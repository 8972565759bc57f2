"""`save` and `load`: tensors in nested dicts, lists and tuples, to a file and back.

Two formats, chosen by the name of the file. ``.safetensors`` is the format of the safetensors package (install
``pellucid[standard]``); what is not a tensor is in its header as JSON, with a checksum that is checked on loading.
Any other name is PyTorch's own zip format, which ``torch.load`` reads and ``torch.save`` writes; the format before it
is read, too.

Neither executes anything on loading. PyTorch's format is a pickle; it is read by a reader that knows a handful of
names and refuses a file that asks for another, unless the program says ``weights_only=False``: then it is unpickled, as
whole modules and arrays have to be.

Tensors that share memory, views and tied weights, share it again when they are loaded. Memory is written from the first
to the last element that the tensors in question show. In safetensors files, each tensor is written in full, for other
readers too; tensors that overlap while none of them holds the others are refused.
"""

from __future__ import annotations

import io
import os
from pathlib import Path
from typing import Any, BinaryIO

from ..core import Tensor
from ..files import open_atomically
from . import older, safe, torchzip

__all__ = ["load", "save"]


def save(obj: Any, f: str | os.PathLike[str] | BinaryIO, **options: Any) -> None:
    """Write ``obj`` to a file, which is there whole or not at all, or into an open binary file (PyTorch's format).

    ``obj`` is a tensor, number, text, None, or dicts, lists and tuples of these: a ``state_dict``, a checkpoint. In
    PyTorch's format it may also be anything that can be pickled: a whole module, an array; classes of pellucid's go by
    PyTorch's names there.
    Options of ``torch.save`` (``pickle_protocol``, …) are accepted and have no meaning here.

    >>> import pellucid as torch, io
    >>> file = io.BytesIO()
    >>> save({"epoch": 3, "weight": torch.ones(2)}, file)
    >>> _ = file.seek(0)
    >>> load(file)
    {'epoch': 3, 'weight': tensor([1., 1.])}

    Raises:
        TypeError: what is to go to safetensors is neither a tensor nor plain data; the message says where it is.
        pickle.PicklingError, TypeError: something in ``obj`` cannot be pickled.
        RuntimeError: tensors share memory in a way that safetensors cannot express; the message names them.
    """
    _known_options("save", options, {"pickle_module", "pickle_protocol", "_use_new_zipfile_serialization"})
    if not isinstance(f, (str, os.PathLike)):
        torchzip.write(obj, f, "archive")
        return
    path = Path(f)
    if path.suffix == ".safetensors":
        safe.write(obj, path)
        return
    with open_atomically(path) as file:
        torchzip.write(obj, file, path.stem or "archive")


def load(f: str | os.PathLike[str] | BinaryIO, map_location: Any = None, **options: Any) -> Any:
    """Read what `save`, or ``torch.save``, wrote.

    Tensors come to the CPU, or to the device ``map_location``; a function or a dict there chooses among devices of the
    file, and they come to the CPU. A parameter comes back as one. Nothing is executed unless ``weights_only=False``
    asks for it.

    Raises:
        FileNotFoundError: there is no such file.
        RuntimeError: the file is damaged, cut short, or of another format.
        pickle.UnpicklingError: the file asks for something else than tensors and plain data; the message names it.
    """
    _known_options("load", options, {"pickle_module", "weights_only", "mmap", "encoding"})
    if isinstance(map_location, dict) or callable(map_location):
        map_location = None
    weights_only = options.get("weights_only") is not False
    if not isinstance(f, (str, os.PathLike)):
        found = _read(io.BytesIO(f.read()), getattr(f, "name", "the open file"), weights_only)
    elif Path(f).suffix == ".safetensors":
        found = safe.read(Path(f))
    else:
        with open(f, "rb") as file:
            found = _read(file, str(f), weights_only)
    return found if map_location is None else _moved(found, map_location)


def _read(file: BinaryIO, source: str, weights_only: bool) -> Any:
    begin = file.read(32)
    file.seek(0)
    if older.is_older(begin):
        return older.read(file.read(), source, weights_only)
    return torchzip.read(file, source, weights_only)


def _moved(value: Any, device: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(device=device)
    if isinstance(value, dict):
        for key, item in value.items():
            value[key] = _moved(item, device)
        return value
    if isinstance(value, (list, tuple)):
        return type(value)(_moved(item, device) for item in value)
    return value


def _known_options(function: str, given: dict[str, Any], known: set[str]) -> None:
    for name in given:
        if name not in known:
            raise TypeError(f"{function}() got an unexpected keyword argument {name!r}")
