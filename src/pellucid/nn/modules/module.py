"""The base class of every layer and network: a tree of named parameters, buffers and sub-modules.

Here is what is called and what is registered. Finding things in the tree and doing something to all of it is in `tree`,
hooks are in `hooks`, what is saved and loaded in `state`, what is printed in `text`.

A registered thing is an ordinary attribute. PyTorch keeps parameters only in ``_parameters`` and finds them through a
Python-level ``__getattr__``, which costs a third of a microsecond per access. Here the registries (`registry`) mirror
what they hold into the instance's ``__dict__``: ``self.weight`` is a plain attribute lookup,
``module._parameters["weight"] = p`` still works, and a module without hooks is called at the price of ``forward``.
"""

from __future__ import annotations

import itertools
from collections import OrderedDict
from collections.abc import Mapping
from types import CodeType
from typing import TYPE_CHECKING, Any, ClassVar

from ...core import Tensor
from ...ops.tensor_types import typename
from ..parameter import Parameter
from .hooks import *  # noqa: F403 - PyTorch has the hooks on all modules at this path
from .hooks import Hooked, call_with_hooks, global_hooks, registered
from .registry import REGISTRIES, TENSORS, Registry, RegistryOf, registry_for
from .state import IncompatibleKeys as _IncompatibleKeys
from .state import load_into, load_tree, save_tree
from .text import module_text, options_text
from .tree import Tree

__all__ = ["Module"]

_HOOK_TABLES = (
    "_backward_hooks",
    "_backward_pre_hooks",
    "_forward_hooks",
    "_forward_pre_hooks",
    "_state_dict_hooks",
    "_state_dict_pre_hooks",
    "_load_state_dict_pre_hooks",
    "_load_state_dict_post_hooks",
)


class Module(Tree, Hooked):
    """Base class of all networks: assign layers and `Parameter`s as attributes, and write ``forward``.

    Assigning registers: a `Parameter` joins ``parameters()``, a `Module` joins ``modules()``, both in the order of
    assignment. Calling the module runs ``forward`` with the hooks around it.

    >>> import pellucid as torch
    >>> class Net(torch.nn.Module):
    ...     def __init__(self):
    ...         super().__init__()
    ...         self.fc = torch.nn.Linear(3, 2)
    ...
    ...     def forward(self, x):
    ...         return self.fc(x).relu()
    >>> net = Net()
    >>> tuple(net(torch.ones(4, 3)).shape)
    (4, 2)
    >>> [name for name, _ in net.named_parameters()]
    ['fc.weight', 'fc.bias']
    """

    _shown: ClassVar[str] = ""  # which options are printed, see `options_text`
    dump_patches = False
    _version = 1
    training: bool
    if TYPE_CHECKING:
        _parameters: dict[str, Parameter | None]
        _buffers: dict[str, Tensor | None]
        _modules: dict[str, Module | None]
    else:
        _parameters, _buffers, _modules = RegistryOf(), RegistryOf(), RegistryOf()
    _non_persistent_buffers_set: set[str]

    if TYPE_CHECKING:  # parameters, buffers and children are attributes that no class declares

        def __getattr__(self, name: str) -> Any: ...

    def __init_subclass__(cls, **kwargs: Any) -> None:
        super().__init_subclass__(**kwargs)
        if cls.__name__ != "_Asked" and _names_getattr(cls) and not issubclass(cls, _Asked):
            # It may call super().__getattr__ or self.__getattr__, and wants to be asked for parameters and children.
            bases = tuple(_Asked if base is Module else base for base in cls.__bases__)
            cls.__bases__ = bases if _Asked in bases else (*bases, _Asked)

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        if args or kwargs:
            given = f"{len(args)} positional argument(s)" if args else f"keyword argument {next(iter(kwargs))!r}"
            raise TypeError(
                f"{type(self).__name__}.__init__() handed {given} to Module.__init__(), which takes none: "
                "write super().__init__() with nothing in the brackets"
            )
        own = self.__dict__
        own["training"] = True
        for name in REGISTRIES:
            own[name] = Registry(self)
        own["_non_persistent_buffers_set"] = set()
        for name in _HOOK_TABLES:
            own[name] = OrderedDict()

    # ------------------------------------------------------------------------------------------------- call

    def forward(self, *input: Any) -> Any:
        """What the module computes; every subclass defines it."""
        raise NotImplementedError(
            f'Module [{type(self).__name__}] is missing the required "forward" function: '
            "define forward(self, x) in the class (check its spelling and its indentation)"
        )

    def __call__(self, *args: Any, **kwargs: Any) -> Any:
        if (
            self._forward_hooks
            or self._forward_pre_hooks
            or self._backward_hooks
            or self._backward_pre_hooks
            or global_hooks
        ):
            return call_with_hooks(self, args, kwargs)
        return self.forward(*args, **kwargs)

    # -------------------------------------------------------------------------------------------- registering

    def __setattr__(self, name: str, value: Any) -> None:
        own = self.__dict__
        kind = registry_for(own, name, value, isinstance(value, Module))
        if kind is None:
            object.__setattr__(self, name, value)
            return
        if "_parameters" not in own:
            raise AttributeError(
                f"cannot assign {'module' if isinstance(value, Module) else 'parameter'} before Module.__init__() "
                f"call: begin {type(self).__name__}.__init__ with super().__init__()"
            )
        if kind == "_parameters" and name not in own["_parameters"]:
            for other in ("_buffers", "_modules"):
                own[other].pop(name, None)
            own.pop(name, None)
            self.register_parameter(name, value)
            return
        if kind == "_buffers" and name not in own["_buffers"]:
            for other in ("_parameters", "_modules"):
                own[other].pop(name, None)
            own.pop(name, None)
            self.register_buffer(name, value, getattr(value, "persistent", True))
            return
        for other in REGISTRIES:
            if other != kind:
                own[other].pop(name, None)
        own.pop(name, None)  # what was a plain attribute: it would hide the module from a `__getattr__` of the class
        own[kind][name] = registered(kind, self, name, value)

    def __delattr__(self, name: str) -> None:
        for registry in REGISTRIES:
            if name in self.__dict__[registry]:
                del self.__dict__[registry][name]
                self._non_persistent_buffers_set.discard(name)
                return
        object.__delattr__(self, name)

    def register_parameter(self, name: str, param: Parameter | None) -> None:
        """Add a parameter under ``name``; ``None`` reserves the name (a layer built with ``bias=False``)."""
        self._check_name("parameter", name, self.__dict__.get("_parameters"))
        if param is not None and not isinstance(param, Parameter):
            raise TypeError(
                f"cannot assign '{typename(param)}' object to parameter '{name}' "
                "(torch.nn.Parameter or None required): wrap the tensor, Parameter(tensor)"
            )
        if param is not None and param.grad_fn is not None:
            raise ValueError(
                f"Cannot assign non-leaf Tensor to parameter '{name}'. Model parameters must be created explicitly. "
                f"To express '{name}' as a function of another Tensor, compute the value in the forward() method."
            )
        self._parameters[name] = registered("_parameters", self, name, param)

    def register_buffer(self, name: str, tensor: Tensor | None, persistent: bool = True) -> None:
        """Add a tensor that belongs to the module's state but is not trained (running means, masks).

        ``persistent=False`` keeps it out of ``state_dict``.
        """
        self._check_name("buffer", name, self.__dict__.get("_buffers"))
        if tensor is not None and not isinstance(tensor, TENSORS):
            raise TypeError(
                f"cannot assign '{typename(tensor)}' object to buffer '{name}' (torch Tensor or None required)"
            )
        self._buffers[name] = registered("_buffers", self, name, tensor)
        (self._non_persistent_buffers_set.discard if persistent else self._non_persistent_buffers_set.add)(name)

    def register_module(self, name: str, module: Module | None) -> None:
        """Alias of `add_module`."""
        self.add_module(name, module)

    def add_module(self, name: str, module: Module | None) -> None:
        """Add a child under ``name``, as ``self.name = module`` does."""
        if not isinstance(module, Module) and module is not None:
            raise TypeError(f"{type(module).__name__} is not a Module subclass: give an instance of nn.Module")
        self._check_name("module", name, self.__dict__.get("_modules"))
        self._modules[name] = registered("_modules", self, name, module)

    def _check_name(self, kind: str, name: str, registry: Mapping[str, Any] | None) -> None:
        if registry is None:
            raise AttributeError(
                f"cannot assign {kind} before Module.__init__() call: begin {type(self).__name__}.__init__ with "
                "super().__init__()"
            )
        if not isinstance(name, str):
            raise TypeError(f"{kind} name should be a string. Got {type(name).__name__}")
        if "." in name:
            raise KeyError(
                f'{kind} name can\'t contain "."{", got: " + name if kind == "module" else f" (got {name!r})"}'
            )
        if name == "":
            raise KeyError(f'{kind} name can\'t be empty string ""')
        if name not in registry and hasattr(self, name):
            raise KeyError(f"attribute '{name}' already exists")

    # ---------------------------------------------------------------------------------------------- by dotted path

    def get_submodule(self, target: str) -> Module:
        """The module at a dotted path: ``net.get_submodule("block.0.conv")``; the empty string is ``self``."""
        module: Any = self
        for part in target.split(".") if target else ():
            if not hasattr(module, part):
                raise AttributeError(f"{type(module).__name__} has no attribute `{part}`")
            module = getattr(module, part)
            if not isinstance(module, Module):
                raise AttributeError(f"`{part}` is not an nn.Module")
        return module

    def set_submodule(self, target: str, module: Module, strict: bool = False) -> None:
        """Put ``module`` at a dotted path; with ``strict`` something must be there already."""
        if target == "":
            raise ValueError("Cannot set the submodule without a target name!")
        if not isinstance(module, Module):
            raise ValueError(f"`module` is not an nn.Module, found {type(module)}")
        path, _, name = target.rpartition(".")
        parent = self.get_submodule(path)
        if strict and not hasattr(parent, name):
            raise AttributeError(f"{type(parent).__name__} has no attribute `{name}`")
        if hasattr(parent, name) and not isinstance(getattr(parent, name), Module):
            raise AttributeError(f"`{name}` is not an nn.Module")
        setattr(parent, name, module)

    def get_parameter(self, target: str) -> Parameter:
        """The parameter at a dotted path."""
        return self._get_member(target, Parameter, "an nn.Parameter")

    def get_buffer(self, target: str) -> Tensor:
        """The buffer at a dotted path."""
        return self._get_member(target, TENSORS, "a buffer")

    def _get_member(self, target: str, kind: Any, described: str) -> Any:
        path, _, name = target.rpartition(".")
        module = self.get_submodule(path)
        if not hasattr(module, name):
            raise AttributeError(f"{type(module).__name__} has no attribute `{name}`")
        member = getattr(module, name)
        if not isinstance(member, kind) or (kind is TENSORS and name not in module._buffers):
            raise AttributeError(f"`{name}` is not {described}")
        return member

    # -------------------------------------------------------------------------------------------------- state

    def state_dict(
        self, *, destination: dict[str, Any] | None = None, prefix: str = "", keep_vars: bool = False
    ) -> dict[str, Any]:
        """Parameters and persistent buffers by dotted name, detached, sharing memory with the module.

        >>> import pellucid as torch
        >>> list(torch.nn.BatchNorm1d(2).state_dict())
        ['weight', 'bias', 'running_mean', 'running_var', 'num_batches_tracked']
        """
        return save_tree(self, destination, prefix, keep_vars)

    def _save_to_state_dict(self, destination: dict[str, Any], prefix: str, keep_vars: bool) -> None:
        for name, tensor in itertools.chain(self._parameters.items(), self._buffers.items()):
            if tensor is not None and name not in self._non_persistent_buffers_set:
                destination[prefix + name] = tensor if keep_vars else tensor.detach()
        if self._has_extra_state():
            destination[prefix + "_extra_state"] = self.get_extra_state()

    def load_state_dict(
        self, state_dict: Mapping[str, Any], strict: bool = True, assign: bool = False
    ) -> _IncompatibleKeys:
        """Copy values by name into this module; raises RuntimeError listing all that does not fit.

        ``strict`` also refuses missing and unexpected names; ``assign`` puts the given tensors in place of the
        module's own rather than copying.
        """
        return load_tree(self, state_dict, strict, assign)

    def _load_from_state_dict(
        self,
        state_dict: dict[str, Any],
        prefix: str,
        local_metadata: dict[str, Any],
        strict: bool,
        missing_keys: list[str],
        unexpected_keys: list[str],
        error_msgs: list[str],
    ) -> None:
        load_into(self, state_dict, prefix, local_metadata, strict, missing_keys, unexpected_keys, error_msgs)

    @classmethod
    def _has_extra_state(cls) -> bool:
        """Whether the class defines `get_extra_state`."""
        return cls.get_extra_state is not Module.get_extra_state

    def get_extra_state(self) -> Any:
        """Override, with `set_extra_state`, to put anything else into ``state_dict``."""
        raise RuntimeError(
            f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state together"
        )

    def set_extra_state(self, state: Any) -> None:
        """The other half of `get_extra_state`."""
        raise RuntimeError(
            f"{type(self).__name__} has no extra state: define get_extra_state and set_extra_state together"
        )

    def __getstate__(self) -> dict[str, Any]:
        mirrored = set().union(*(self.__dict__.get(name, ()) for name in REGISTRIES))
        state = {name: value for name, value in self.__dict__.items() if name not in mirrored}
        for name in REGISTRIES:
            if name in state:
                state[name] = dict(state[name])
        return state

    def __setstate__(self, state: dict[str, Any]) -> None:
        for name, value in state.items():
            if name in REGISTRIES:
                registry: Registry[Any] = Registry(self)
                self.__dict__[name] = registry
                registry.update(value)
            else:
                self.__dict__[name] = value

    def __graph__(self, *inputs: Any, backward: bool = False, values: bool = True, **keywords: Any) -> Any:
        """What this module computes from `inputs`, as a graph; see `nn.graph.module_graph`."""
        from ..graph import module_graph

        return module_graph(self, inputs, backward, values, **keywords)

    # --------------------------------------------------------------------------------------------------- text

    def _get_name(self) -> str:
        return type(self).__name__

    def extra_repr(self) -> str:
        """What is between the brackets of this module's line; a subclass overrides it, or names ``_shown``."""
        return options_text(self)

    def __repr__(self) -> str:
        return module_text(self)

    def __dir__(self) -> list[str]:
        return sorted(name for name in {*dir(type(self)), *self.__dict__} if not name[0].isdigit())


def _names_getattr(kind: type[Module]) -> bool:
    """Whether a class defines `__getattr__`, or has a method or a property that calls it by that name."""
    own = vars(kind)
    methods = [part for value in own.values() for part in (value, *(getattr(value, name, None) for name in _WITHIN))]
    codes = (getattr(method, "__code__", None) for method in methods)
    return "__getattr__" in own or any("__getattr__" in code.co_names for code in codes if isinstance(code, CodeType))


_WITHIN = ("fget", "fset", "fdel", "__func__", "__wrapped__")  # where a property and a decorator keep a function


class _Asked(Module):
    """What stands between `Module` and a class with a `__getattr__` of its own: it finds what is registered."""

    if not TYPE_CHECKING:

        def __getattr__(self, name: str) -> Any:
            for registry in REGISTRIES:
                registered_so = self.__dict__.get(registry, {})
                if name in registered_so:
                    return registered_so[name]
            raise AttributeError(f"{type(self).__name__!r} object has no attribute {name!r}")
