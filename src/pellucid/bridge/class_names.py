"""In a program run as PyTorch's, `print(type(tensor))` says `<class 'torch.Tensor'>`."""

from __future__ import annotations

import contextlib
import sys
from collections.abc import Iterator

import pellucid
from pellucid import torch_names
from pellucid.errors import DimensionError, ShapeError

from .importing import module_of

__all__ = ["class_names_of_torch"]


# What a program prints of an error, `type(error).__name__` or a traceback, names the class that PyTorch raises.
_ERRORS: dict[type, type] = {ShapeError: RuntimeError, DimensionError: IndexError}


@contextlib.contextmanager
def class_names_of_torch() -> Iterator[None]:
    """For the length of a block, classes name the module that PyTorch has them in.

    It is done for those that the name then leads back to, `torch.Tensor` or `torch.nn.modules.linear.Linear`, so that
    they can be pickled; a class that PyTorch keeps in a file of another name says where it is.
    """
    before = {kind: kind.__module__ for kind in _loaded()}
    for kind, own in before.items():
        kind.__module__ = _module_in_torch(kind, own)
    names = {kind: (kind.__name__, kind.__module__) for kind in _ERRORS}
    for kind, there in _ERRORS.items():
        kind.__name__, kind.__qualname__, kind.__module__ = there.__name__, there.__name__, there.__module__
    try:
        yield
    finally:
        for kind, (name, own) in names.items():
            kind.__name__, kind.__qualname__, kind.__module__ = name, name, own
        for kind, own in before.items():
            kind.__module__ = own


def _loaded() -> Iterator[type]:
    """The classes of pellucid's under PyTorch's public names, of the modules that are imported."""
    for where, names in torch_names.known().names.items():
        module = sys.modules.get(where.replace("torch", "pellucid", 1))
        for name in names if module is not None else ():
            found = vars(module).get(name)
            if isinstance(found, type) and found.__module__.startswith("pellucid."):
                yield found


def _module_in_torch(kind: type, own: str) -> str:
    name = kind.__name__
    if kind in (pellucid.Tensor, pellucid.Size, pellucid.device, pellucid.dtype):
        return "torch"
    there = own.replace("pellucid", "torch", 1)
    answer = module_of(there)
    if answer is not None and getattr(sys.modules.get(answer), name, None) is kind:
        return there
    # PyTorch has all schedulers in one file, which pellucid has in several.
    return _SCHEDULERS if own.startswith(_SCHEDULERS.replace("torch", "pellucid", 1) + ".") else own


_SCHEDULERS = "torch.optim.lr_scheduler"
