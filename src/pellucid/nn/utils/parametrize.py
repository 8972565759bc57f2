"""Parametrisations: a weight that is computed from other tensors whenever it is read."""

from __future__ import annotations

import copy
from collections.abc import Generator, Iterable, Sequence
from contextlib import contextmanager
from typing import Any

from ...core import Tensor, no_grad
from ..modules.container import ModuleDict, ModuleList
from ..modules.module import Module
from ..parameter import Parameter

__all__ = [
    "ParametrizationList",
    "cached",
    "is_parametrized",
    "register_parametrization",
    "remove_parametrizations",
    "type_before_parametrizations",
]


class _Cache:
    """What was computed within `cached`, by module and name."""

    depth = 0
    values: dict[tuple[int, str], Any] = {}  # noqa: RUF012


@contextmanager
def cached() -> Generator[None]:
    """Within this block each parametrised tensor is computed once."""
    _Cache.depth += 1
    try:
        yield
    finally:
        _Cache.depth -= 1
        if not _Cache.depth:
            _Cache.values = {}


class ParametrizationList(ModuleList):
    """The parametrisations of one tensor, applied in turn to ``original``, or to ``original0``, ``original1``, …"""

    def __init__(self, modules: Iterable[Module], original: Tensor, unsafe: bool = False) -> None:
        given = list(modules)
        if not given:
            raise ValueError("ParametrizationList requires one or more modules.")
        super().__init__(given)
        self.unsafe = unsafe
        shape, dtype = original.shape, original.dtype
        with no_grad():
            new = self._inverted(original, lenient=True)
        if not isinstance(new, (Tensor, Sequence)):
            raise ValueError(
                "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). "
                f"Got {type(new).__name__}"
            )
        self.is_tensor = isinstance(new, Tensor)
        self.ntensors = 1 if self.is_tensor else len(new)
        if isinstance(new, Tensor):
            if new.dtype is not dtype:
                raise ValueError(
                    "When `right_inverse` outputs one tensor, it may not change the dtype.\n"
                    f"original.dtype: {dtype}\nright_inverse(original).dtype: {new.dtype}"
                )
            original.data = new.detach()
            self._hold("original", original)
        else:
            for place, part in enumerate(new):
                if not isinstance(part, Tensor):
                    raise ValueError(
                        "'right_inverse' must return a Tensor or a Sequence of tensors (list, tuple...). Got element "
                        f"{place} of the sequence with type {type(part).__name__}."
                    )
                own = part.detach()
                kept: Any = Parameter(own, original.requires_grad) if isinstance(original, Parameter) else own
                self._hold(f"original{place}", kept)
        if not unsafe:
            made = self()
            if not isinstance(made, Tensor):
                raise ValueError(f"A parametrization must return a tensor. Got {type(made).__name__}.")
            for what, before, now in (("dtype", dtype, made.dtype), ("shape", shape, made.shape)):
                if before != now:
                    raise ValueError(
                        f"Registering a parametrization may not change the {what} of the tensor, unless `unsafe` flag "
                        f"is enabled.\nunparametrized {what}: {before}\nparametrized {what}: {now}"
                    )

    def _hold(self, name: str, tensor: Tensor) -> None:
        if isinstance(tensor, Parameter):
            self.register_parameter(name, tensor)
        else:
            self.register_buffer(name, tensor)

    def _inverted(self, value: Any, lenient: bool) -> Any:
        """What the parametrisations make `value` of; a lenient one without right_inverse is taken for the identity."""
        for module in reversed(list(self)):
            if hasattr(module, "right_inverse"):
                try:
                    value = module.right_inverse(value)
                except NotImplementedError:
                    if not lenient:
                        raise
            elif not lenient:
                raise RuntimeError(f"parametrization {type(module).__name__} does not implement right_inverse.")
        return value

    def right_inverse(self, value: Tensor) -> None:
        """Set the originals so that the tensor becomes ``value``, by the parametrisations' own right_inverse."""
        with no_grad():
            new = self._inverted(value, lenient=False)
            several = (new,) if self.is_tensor else new
            if len(several) != self.ntensors:
                raise ValueError(
                    f"'right_inverse' must return a sequence of tensors of length {self.ntensors}. Got a sequence of "
                    f"length {len(several)}."
                )
            for own, part in zip(self._originals(), several, strict=True):
                if own.dtype is not part.dtype:
                    raise ValueError(
                        f"The tensor returned by `right_inverse` has dtype {part.dtype} while `original` has dtype "
                        f"{own.dtype}"
                    )
                own.data = part.detach()

    def _originals(self) -> list[Any]:
        if self.is_tensor:
            return [self.original]
        return [getattr(self, f"original{place}") for place in range(self.ntensors)]

    def forward(self) -> Any:
        steps = list(self)
        value = steps[0](*self._originals())
        for module in steps[1:]:
            value = module(value)
        return value


def _read(module: Module, name: str) -> Any:
    parametrization = module.parametrizations[name]
    if not _Cache.depth:
        return parametrization()
    key = (id(module), name)
    if key not in _Cache.values:
        _Cache.values[key] = parametrization()
    return _Cache.values[key]


def _inject_class(module: Module) -> None:
    """Give the module a class of its own, in which parametrised tensors are properties."""
    kind = type(module)

    def pickled(self: Any) -> Any:
        raise RuntimeError(
            "Serialization of parametrized modules is only supported through state_dict(): a class made for one "
            "module cannot be found when it is loaded"
        )

    def copied(self: Any, memo: dict[int, Any]) -> Any:
        made = kind.__new__(type(self))
        memo[id(self)] = made
        made.__setstate__(copy.deepcopy(kind.__getstate__(self), memo))
        return made

    members = {"__getstate__": pickled, "__deepcopy__": copied, "__module__": kind.__module__}
    module.__class__ = type(f"Parametrized{kind.__name__}", (kind,), members)


def register_parametrization(
    module: Module, tensor_name: str, parametrization: Module, *, unsafe: bool = False
) -> Module:
    """Have ``parametrization`` compute the parameter or buffer ``tensor_name`` at each access; the module is returned.

    What it computes it from is ``module.parametrizations.NAME.original``. An assignment to the tensor goes through
    the parametrisation's ``right_inverse``. ``unsafe`` leaves out the checks of dtype and shape.
    """
    parametrization.train(module.training)
    if is_parametrized(module, tensor_name):
        several = module.parametrizations[tensor_name]
        if not unsafe:
            value = getattr(module, tensor_name)
            made = parametrization(value)
            if not isinstance(made, Tensor) or made.dtype is not value.dtype or made.shape != value.shape:
                raise ValueError(
                    "Registering a parametrization may not change the dtype or the shape of the tensor, unless the "
                    f"`unsafe` flag is enabled: {value.dtype} {tuple(value.shape)} became {made!r}"
                )
            if hasattr(parametrization, "right_inverse"):
                parametrization.right_inverse(made)
        several.append(parametrization)
        several.unsafe |= unsafe
        return module
    if tensor_name not in module._buffers and tensor_name not in module._parameters:
        raise ValueError(
            f"Module '{module}' does not have a parameter, a buffer, or a parametrized element with name "
            f"'{tensor_name}'"
        )
    original: Any = getattr(module, tensor_name)
    made = ParametrizationList([parametrization], original, unsafe=unsafe)
    delattr(module, tensor_name)
    if not is_parametrized(module):
        _inject_class(module)
        module.parametrizations = ModuleDict()

    def write(self: Any, value: Tensor) -> None:
        self.parametrizations[tensor_name].right_inverse(value)

    setattr(type(module), tensor_name, property(lambda self: _read(self, tensor_name), write))
    module.parametrizations[tensor_name] = made
    return module


def is_parametrized(module: Module, tensor_name: str | None = None) -> bool:
    """Whether the module, or the tensor of that name, is parametrised."""
    found = getattr(module, "parametrizations", None)
    if not isinstance(found, ModuleDict):
        return False
    return len(found) > 0 if tensor_name is None else tensor_name in found


def remove_parametrizations(module: Module, tensor_name: str, leave_parametrized: bool = True) -> Module:
    """Make the tensor an ordinary one again, with its value of now, or that of the original."""
    if not is_parametrized(module, tensor_name):
        raise ValueError(f"Module {module} does not have a parametrization on {tensor_name}")
    several = module.parametrizations[tensor_name]
    if several.is_tensor:
        original = several.original
        if leave_parametrized:
            with no_grad():
                value = getattr(module, tensor_name)
            original.data = value.detach()
    elif leave_parametrized:
        value = getattr(module, tensor_name).detach()
        wanted = any(part.requires_grad for part in several._originals())
        original = Parameter(value, wanted) if isinstance(several.original0, Parameter) else value
    else:
        raise ValueError(
            "Cannot leave unparametrized (`leave_parametrized=False`) a tensor that is parametrized in terms of a "
            "sequence of tensors."
        )
    delattr(type(module), tensor_name)
    del module.parametrizations[tensor_name]
    if isinstance(original, Parameter):
        module.register_parameter(tensor_name, original)
    else:
        module.register_buffer(tensor_name, original)
    if not is_parametrized(module):
        delattr(module, "parametrizations")
        module.__class__ = type(module).__bases__[0]
    return module


def type_before_parametrizations(module: Module) -> type[Module]:
    """The class that the module had before it was parametrised."""
    return type(module).__bases__[0] if is_parametrized(module) else type(module)
