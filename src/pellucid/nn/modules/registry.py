"""Where a module keeps what was registered with it: dicts whose entries are also plain attributes."""

from __future__ import annotations

import weakref
from typing import Any, Generic, Self, TypeVar

from ...core import Tensor
from ...ops.tensor_types import typename
from ...sparse import CompressedTensor, SparseTensor
from ..parameter import Buffer, Parameter

T = TypeVar("T")

REGISTRIES = ("_parameters", "_buffers", "_modules")
TENSORS: Any = (Tensor, SparseTensor, CompressedTensor)  # what a buffer may be: a graph's adjacency is sparse


class Registry(dict[str, T], Generic[T]):
    """A dict whose entries are also plain attributes of the module that owns it."""

    __slots__ = ("_owner",)

    def __init__(self, owner: object) -> None:
        super().__init__()
        self._owner = weakref.ref(owner)

    def _attributes(self) -> dict[str, Any]:
        owner = self._owner()
        # A class with a `__getattr__` of its own is asked for what is registered, as in PyTorch.
        return {} if owner is None or hasattr(type(owner), "__getattr__") else owner.__dict__

    def belongs_to(self, module: object) -> bool:
        """Whether it is this module's own."""
        return self._owner() is module

    def __setitem__(self, name: str, value: T) -> None:
        super().__setitem__(name, value)
        self._attributes()[name] = value

    def __delitem__(self, name: str) -> None:
        super().__delitem__(name)
        self._attributes().pop(name, None)

    def pop(self, name: str, *default: Any) -> Any:
        if name not in self and default:
            return default[0]
        value = self[name]
        del self[name]
        return value

    def popitem(self) -> tuple[str, T]:
        name = next(reversed(self))
        return name, self.pop(name)

    def clear(self) -> None:
        for name in list(self):
            del self[name]

    def update(self, *args: Any, **kwargs: Any) -> None:
        for name, value in dict(*args, **kwargs).items():
            self[name] = value

    def setdefault(self, name: str, default: Any = None) -> T:
        if name not in self:
            self[name] = default
        return self[name]

    def __ior__(self, other: Any) -> Self:
        self.update(other)
        return self

    def __reduce__(self) -> Any:
        # A copy that has left its module is a plain dict; Module.__setstate__ makes registries again.
        return dict, (dict(self),)

    def __copy__(self) -> dict[str, T]:
        return dict(self)

    copy = __copy__


class RegistryOf:
    """The attribute `_parameters` of modules, or one of its like: a dict that a program assigns becomes a registry."""

    def __set_name__(self, owner: type, name: str) -> None:
        self.name = name

    def __get__(self, module: Any, owner: type | None = None) -> Any:
        if module is None:
            return self
        try:
            return module.__dict__[self.name]
        except KeyError:
            raise AttributeError(f"{type(module).__name__!r} object has no attribute {self.name!r}") from None

    def __set__(self, module: Any, value: Any) -> None:
        before, values = module.__dict__.get(self.name), dict(value)
        if value is before:  # of `module._parameters |= more`
            return
        if isinstance(before, Registry) and before.belongs_to(
            module
        ):  # not that of a module whose `__dict__` it copied
            before.clear()
        registry: Registry[Any] = Registry(module)
        module.__dict__[self.name] = registry
        registry.update(values)

    def __delete__(self, module: Any) -> None:
        del module.__dict__[self.name]


def registry_for(own: dict[str, Any], name: str, value: Any, module: bool) -> str | None:
    """Which registry an assignment ``self.name = value`` belongs to; None is a plain attribute."""
    if isinstance(value, Parameter):
        return "_parameters"
    if module:
        return "_modules"
    if isinstance(value, Buffer):
        return "_buffers"
    for registry, wanted in (
        ("_parameters", "torch.nn.Parameter or None expected); wrap it: Parameter(tensor"),
        ("_modules", "torch.nn.Module or None expected"),
        ("_buffers", "torch.Tensor or None expected"),
    ):
        if name in own.get(registry, ()):
            if value is not None and not (registry == "_buffers" and isinstance(value, TENSORS)):
                kind = {"_parameters": "parameter", "_modules": "child module", "_buffers": "buffer"}[registry]
                raise TypeError(f"cannot assign '{typename(value)}' as {kind} '{name}' ({wanted})")
            return registry
    return None
