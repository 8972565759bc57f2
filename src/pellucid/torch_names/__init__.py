"""PyTorch's public names, and what is said where one of them is absent.

The names are data, `names.json`, which `tools/torch_names.py` writes; it is read when somebody asks for what is
not there.
"""

from __future__ import annotations

import contextlib
import functools
import importlib
import json
import sys
from collections.abc import Callable, Iterable
from difflib import get_close_matches
from pathlib import Path
from typing import Any, NamedTuple

__all__ = ["COMMAND", "PAGE", "Names", "absent", "covered", "instead", "known", "lacking", "message", "nearest"]

# The page of the documentation, which exists where the documentation was built, and the command that prints the same.
PAGE = "docs/pytorch-names.md"
COMMAND = "pellucid run --names"


class Names(NamedTuple):
    """What PyTorch has.

    Attributes:
        version: of which PyTorch.
        modules: the full names of its modules.
        names: module -> the names in it, of the modules that programs use.
        classes: class -> its public attributes, of the classes that programs use most.
        ops: the names in PyTorch's table of ops, `op_db`, by which it tests them.
    """

    version: str
    modules: frozenset[str]
    names: dict[str, frozenset[str]]
    classes: dict[str, frozenset[str]]
    ops: frozenset[str]


@functools.cache
def known() -> Names:
    """PyTorch's names, from the file."""
    data = json.loads((Path(__file__).parent / "names.json").read_text(encoding="utf-8"))
    names = {where: frozenset(found) for where, found in data["names"].items()}
    classes = {where: frozenset(found) for where, found in data["classes"].items()}
    return Names(data["version"], frozenset(data["modules"]), names, classes, frozenset(data["ops"]))


def nearest(name: str, there: Iterable[str]) -> str | None:
    """The name that a reader would have mistaken ``name`` for, or that does nearly the same; None if there is none.

    >>> nearest("Conv4d", ["Conv2d", "Linear"])
    'Conv2d'
    """
    return _nearest(name, frozenset(there))


@functools.cache  # a program may ask for a name that is absent again and again, and the search takes milliseconds
def _nearest(name: str, there: frozenset[str]) -> str | None:
    names = sorted(there)
    folded = {found.lower(): found for found in reversed(names)}
    found = get_close_matches(name.lower(), folded, 1, 0.6)
    return folded[found[0]] if found else None


def message(where: str, name: str, there: Iterable[str]) -> str:
    """What to say of a name that is not in ``where`` (``"torch.nn"``), which has the names ``there``."""
    there = {found for found in there if not found.startswith("_")}
    names = known()
    of_torch = name in names.names.get(where, ()) or name in names.classes.get(where, ())
    of_torch = of_torch or f"{where}.{name}" in names.modules
    near, advice = nearest(name, there), instead(f"{where}.{name}")
    if of_torch or advice is not None:
        said = f"pellucid does not have {where}.{name}"
        if advice is not None:
            said += f": {advice}. "
        else:
            said += f"; the nearest that it has is {where}.{near}. " if near else ". "
    else:
        kind = "type object" if where in names.classes else "module"
        said = f"{kind} {where!r} has no attribute {name!r}"
        said += f"; did you mean {near!r}? " if near else ". "
    return said + covered(where)


# What to do where a module of PyTorch's is not here, by the beginning of the full name.
_INSTEAD = {
    "torch.nested": "pad the rows with torch.nn.utils.rnn.pad_sequence, and hand on a mask of what is padding",
    "torch.masked.MaskedTensor": "keep the mask beside the tensor: torch.masked.sum(x, mask=mask), x[mask]",
    "torch.export": "there is no other runtime to export to: save the state_dict, and call the model",
    "torch.ao": "there are no quantised tensors: torch.fake_quantize_per_tensor_affine gives the numbers that "
    "quantising would leave, with gradients",
}  # fmt: skip
for _name in (
    "torch.quantization", "torch.nn.quantized", "torch.nn.intrinsic", "torch.nn.quantizable", "torch.nn.qat",
    "torch.quantize_per_tensor", "torch.quantize_per_channel", "torch.qint8", "torch.quint8", "torch.qint32",
):  # fmt: skip
    _INSTEAD[_name] = _INSTEAD["torch.ao"]
for _name in ("torch.float8_e4m3fn", "torch.float8_e5m2", "torch.float8_e4m3fnuz", "torch.float8_e5m2fnuz"):
    _INSTEAD[_name] = "there is no dtype of 8 bits for floats: write torch.bfloat16 or torch.float16"


def instead(name: str) -> str | None:
    """What to write in place of what is absent, by its full name; None where there is nothing to be said.

    >>> instead("torch.nested.nested_tensor")[:13]
    'pad the rows '
    """
    return next((what for start, what in _INSTEAD.items() if f"{name}.".startswith(f"{start}.")), None)


def covered(where: str) -> str:
    """Where to read what there is of a module or class."""
    return f"What is covered: {COMMAND} {where} (in the documentation: {PAGE})"


def absent(module: str) -> Callable[[str], Any]:
    """The ``__getattr__`` of a module whose names are PyTorch's.

    Args:
        module: its name, ``"pellucid.nn"``.
    """
    where = module.replace("pellucid", "torch", 1).replace("torch.bridge.torch", "torch", 1)

    def __getattr__(name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(f"module {where!r} has no attribute {name!r}")
        if f"{where}.{name}" in known().modules:  # a module that nobody has imported yet
            with contextlib.suppress(ModuleNotFoundError):
                return importlib.import_module(f"{module}.{name}")
        there = sys.modules.get(module) or sys.modules[f"pellucid.bridge.{module}"]  # torchvision, in a program or here
        raise lacking(where, name, vars(there))

    return __getattr__


def lacking(where: str, name: str, there: Iterable[str], depth: int = 2) -> AttributeError | ImportError:
    """The error for an absent name: of an import, where that asks `depth` calls from here; else of an attribute."""
    said = message(where, name, there)
    # In `from torch.nn import Name` Python would replace an AttributeError, and what it says, by its own ImportError.
    frame = sys._getframe(depth)
    code, last = frame.f_code.co_code, frame.f_lasti
    if 0 <= last < len(code) and code[last] == _IMPORT_FROM:
        return ImportError(said, name=where)
    return AttributeError(said, name=name)


def _opcode(name: str) -> int:
    from opcode import opmap

    return opmap[name]


_IMPORT_FROM = _opcode("IMPORT_FROM")
