"""`import torch` finds pellucid: a finder of modules, put before Python's own, and the module `torch` itself."""

from __future__ import annotations

import importlib
import importlib.abc
import importlib.machinery
import importlib.util
import sys
from collections.abc import Sequence
from types import ModuleType, TracebackType
from typing import Any

import pellucid
from pellucid import torch_names

__all__ = ["VERSION", "as_torch"]

VERSION = f"{torch_names.known().version}+pellucid"

_ANSWERED = ("torch", "torchvision", "functorch")
_OWN = "pellucid.bridge"


class as_torch:
    """Make `import torch`, its submodules, and `torchvision` give pellucid, from this call on.

    As a context manager it is undone at the end of the `with`; otherwise `undo()` undoes it, or nothing does.

        with as_torch() as torch:
            import torch.nn.functional as F
            print(F.relu(torch.tensor([-1.0, 2.0])))

    Raises:
        RuntimeError: the real torch is imported in this process already.
    """

    _held = 0
    _finder: _Finder | None = None

    def __init__(self) -> None:
        cls = as_torch
        if cls._held == 0:
            for name in _ANSWERED:
                if name in sys.modules:
                    raise RuntimeError(
                        f"as_torch() was called where {name} itself is imported already: what was made with it would "
                        "not fit. Call as_torch() before anything imports it, or start the program with: "
                        "pellucid run SCRIPT"
                    )
            cls._finder = _Finder()
            sys.meta_path.insert(0, cls._finder)
        cls._held += 1
        self._undone = False

    def undo(self) -> None:
        """Take it back: from here on `import torch` finds what is installed. A second call does nothing."""
        if self._undone:
            return
        self._undone = True
        cls = as_torch
        cls._held -= 1
        if cls._held == 0 and cls._finder is not None:
            sys.meta_path.remove(cls._finder)
            cls._finder = None
            for name in [name for name in sys.modules if name.split(".")[0] in _ANSWERED]:
                del sys.modules[name]

    def __enter__(self) -> Any:
        return importlib.import_module("torch")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, at: TracebackType | None) -> None:
        self.undo()


def module_of(name: str) -> str | None:
    """The module of pellucid that answers a module of PyTorch's; None if there is none.

    >>> module_of("torch.nn.functional")
    'pellucid.nn.functional'
    """
    top, _, rest = name.partition(".")
    own = f"{_OWN}.{name}"
    if _exists(own):
        return own
    if name in _ELSEWHERE:
        return _ELSEWHERE[name]
    if top != "torch" or not rest:
        return None
    there = f"pellucid.{rest}"
    # Files of pellucid's own arrangement are no part of PyTorch: `torch.core` is not there, nor `torch.nn.graph`.
    return there if (name in torch_names.known().modules or name in _BESIDE) and _exists(there) else None


# Files of PyTorch's whose names are in another file here.
_ELSEWHERE = {
    "torch.utils.model_zoo": "pellucid.bridge.torch._model_zoo",
    "torch.optim.adamw": "pellucid.optim.adam",
    "torch.nn.modules.channelshuffle": "pellucid.nn.modules.flatten",
    "torch.nn.modules.distance": "pellucid.nn.modules.similarity",
    "torch.nn.modules.fold": "pellucid.nn.modules.flatten",
    "torch.nn.modules.pixelshuffle": "pellucid.nn.modules.flatten",
    "torch.signal.windows": "pellucid.ops.windows",
    "torch.cpu.amp.autocast_mode": "pellucid.bridge.torch.cpu.amp",
    "torch.cpu.amp.grad_scaler": "pellucid.bridge.torch.cpu.amp",
    "torch.cuda.amp.autocast_mode": "pellucid.bridge.torch.cuda.amp",
    "torch.cuda.amp.grad_scaler": "pellucid.bridge.torch.cuda.amp",
    "torch.cuda.memory": "pellucid.bridge.torch.cuda",
    "torch.cuda.random": "pellucid.bridge.torch.cuda",
    "torch.cuda.streams": "pellucid.bridge.torch.cuda",
    "torch.profiler.profiler": "pellucid.bridge.torch.profiler",
    "torch.utils.tensorboard.writer": "pellucid.utils.tensorboard",
}

# Modules that programs import though the table of names leaves them out: their names begin with an underscore, or
# PyTorch does not import them by itself.
_BESIDE = frozenset(
    {
        "torch.utils._pytree", "torch.utils._python_dispatch", "torch._ops", "torch.utils.data._utils",
        "torch.utils.data._utils.collate", "torch.utils.data._utils.worker", "torch._utils",
        "torch.distributed.constants", "torch.distributed.nn", "torch.distributed.nn.functional",
        "torch.distributed.algorithms",
        "torch.distributed.algorithms.join", "torch.nn.parallel.scatter_gather",
    }
)  # fmt: skip


def _exists(name: str) -> bool:
    try:
        spec = importlib.util.find_spec(name)
        return spec is not None and spec.origin is not None  # a folder without modules has none
    except ModuleNotFoundError:  # the package around it is absent, or is a module
        return False


class _Finder(importlib.abc.MetaPathFinder):
    """Finds `torch`, `torchvision`, `functorch` and what is below them."""

    def find_spec(
        self, fullname: str, path: Sequence[str] | None, target: ModuleType | None = None
    ) -> importlib.machinery.ModuleSpec | None:
        if fullname.split(".")[0] not in _ANSWERED:
            return None
        if fullname == "torch":
            return importlib.machinery.ModuleSpec(fullname, _Face(), is_package=True)
        answer = module_of(fullname)
        if answer is None:
            where, _, name = fullname.rpartition(".")
            known = torch_names.known().modules
            there = [
                other.rpartition(".")[2] for other in known if other.rpartition(".")[0] == where and module_of(other)
            ]
            raise ModuleNotFoundError(torch_names.message(where, name, there), name=fullname)
        return importlib.machinery.ModuleSpec(fullname, _Alias(answer), is_package=True)


class _Alias(importlib.abc.Loader):
    """Puts a module of pellucid under PyTorch's name. It is the same module: what is changed in it is changed there."""

    def __init__(self, answer: str) -> None:
        self.answer = answer

    def exec_module(self, module: ModuleType) -> None:
        found = importlib.import_module(self.answer)
        sys.modules[module.__name__] = _with_room(found, module.__name__)
        # What is loaded below it counts as imported: Python would otherwise put the module over the function of the
        # same name, `torch.autograd.gradcheck`, where a program imports something from that module.
        for name in [name for name in sys.modules if name.startswith(f"{self.answer}.")]:
            there = module.__name__ + name.removeprefix(self.answer)
            if there not in _ELSEWHERE and module_of(there) == name:
                sys.modules.setdefault(there, _with_room(sys.modules[name], there))


def _with_room(found: ModuleType, name: str) -> ModuleType:
    """The module that answers `name`, as a package where PyTorch has one: a file here may be a folder there."""
    if not hasattr(found, "__path__") and any(other.startswith(f"{name}.") for other in _ELSEWHERE):
        found.__path__ = []  # Python looks for modules only in a package
    return found


class _Face(importlib.abc.Loader):
    """Makes the module `torch`."""

    def create_module(self, spec: importlib.machinery.ModuleSpec) -> ModuleType:
        return _Torch("torch", pellucid.__doc__)

    def exec_module(self, module: ModuleType) -> None:
        from .torch.torch_version import TorchVersion

        module.__file__ = pellucid.__file__
        module.torch = module  # type: ignore[attr-defined]  as PyTorch's own file imports itself
        module.__version__ = TorchVersion(VERSION)  # type: ignore[attr-defined]


class _Torch(ModuleType):
    """The module `torch`: pellucid's names as far as they are PyTorch's, and its version."""

    def __getattr__(self, name: str) -> Any:
        if name == "__all__":
            return [name for name in sorted(torch_names.known().names["torch"]) if hasattr(self, name)]
        if name.startswith("__") and name != "__config__":
            raise AttributeError(f"module 'torch' has no attribute {name!r}")
        rest = importlib.import_module(f"{_OWN}.torch")
        found = getattr(rest, name, _MISSING) if name in rest.__all__ else _MISSING
        answer = module_of(f"torch.{name}") if found is _MISSING else None
        if answer is not None:
            found = importlib.import_module(answer)
        if found is _MISSING and name in torch_names.known().names["torch"]:
            found = getattr(pellucid, name, _MISSING)
        if found is _MISSING:
            raise torch_names.lacking("torch", name, dir(pellucid))
        vars(self)[name] = found
        return found

    def __dir__(self) -> list[str]:
        return [*vars(self), *self.__all__]


_MISSING = object()
