"""Functions that run around a module's ``forward`` and ``backward``, and the handles that remove them."""

from __future__ import annotations

import warnings
from collections import OrderedDict
from collections.abc import Callable
from typing import Any

from ...autograd.function import Function
from ...core import Tensor, is_grad_enabled
from ...core.hooks import RemovableHandle, hang

Module = Any  # `module.Module`, which is above this file

__all__ = [
    "RemovableHandle",
    "register_module_backward_hook",
    "register_module_buffer_registration_hook",
    "register_module_forward_hook",
    "register_module_forward_pre_hook",
    "register_module_full_backward_hook",
    "register_module_full_backward_pre_hook",
    "register_module_module_registration_hook",
    "register_module_parameter_registration_hook",
]


class Hook:
    """A registered function that wants to be called in another way than the usual; any other is entered as it is."""

    __slots__ = ("always_call", "fn", "with_kwargs")

    def __init__(self, fn: Callable[..., Any], with_kwargs: bool = False, always_call: bool = False) -> None:
        self.fn, self.with_kwargs, self.always_call = fn, with_kwargs, always_call

    def __call__(self, *args: Any) -> Any:
        return self.fn(*args)


def _hang(
    table: OrderedDict[int, Callable[..., Any]], fn: Callable[..., Any], *, prepend: bool = False, **flags: bool
) -> RemovableHandle:
    """Enter ``fn`` into ``table``, at its front if ``prepend``."""
    if not callable(fn):
        raise TypeError(f"a hook is a function, but got {type(fn).__name__}: {fn!r}")
    handle = hang(table, Hook(fn, **flags) if any(flags.values()) else fn)
    if prepend:
        table.move_to_end(handle.id, last=False)
    return handle


# Hooks on every module, for tools that watch a whole network. ``global_hooks`` is what Module.__call__ asks:
# it holds one entry per registered hook of any of the four kinds.
global_hooks: OrderedDict[int, tuple[str, Callable[..., Any]]] = OrderedDict()


def _register_global(kind: str, fn: Callable[..., Any], **flags: bool) -> RemovableHandle:
    return hang(global_hooks, (kind, Hook(fn, **flags) if any(flags.values()) else fn))


class Hooked:
    """The methods of `Module` that hang functions around it."""

    _backward_hooks: OrderedDict[int, Callable[..., Any]]
    _backward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_hooks: OrderedDict[int, Callable[..., Any]]
    _forward_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_hooks: OrderedDict[int, Callable[..., Any]]
    _state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_pre_hooks: OrderedDict[int, Callable[..., Any]]
    _load_state_dict_post_hooks: OrderedDict[int, Callable[..., Any]]

    def register_forward_pre_hook(
        self, hook: Callable[..., Any], *, prepend: bool = False, with_kwargs: bool = False
    ) -> RemovableHandle:
        """``hook(module, args)`` before ``forward``; what it returns (if not None) replaces the arguments."""
        return _hang(self._forward_pre_hooks, hook, prepend=prepend, with_kwargs=with_kwargs)

    def register_forward_hook(
        self,
        hook: Callable[..., Any],
        *,
        prepend: bool = False,
        with_kwargs: bool = False,
        always_call: bool = False,
    ) -> RemovableHandle:
        """``hook(module, args, output)`` after ``forward``; what it returns (if not None) replaces the output.

        ``always_call`` runs it, with output None, even where ``forward`` raised.
        """
        return _hang(self._forward_hooks, hook, prepend=prepend, with_kwargs=with_kwargs, always_call=always_call)

    def register_full_backward_pre_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """``hook(module, grad_output)`` when the gradients of the outputs are known; may return new ones."""
        return _hang(self._backward_pre_hooks, hook, prepend=prepend)

    def register_full_backward_hook(self, hook: Callable[..., Any], prepend: bool = False) -> RemovableHandle:
        """``hook(module, grad_input, grad_output)`` when the gradients of the inputs are known; may replace them."""
        return _hang(self._backward_hooks, hook, prepend=prepend)

    def register_backward_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """The former name of `register_full_backward_hook`."""
        return self.register_full_backward_hook(hook)

    def register_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(module, prefix, keep_vars)`` before ``state_dict`` collects this module."""
        return _hang(self._state_dict_pre_hooks, hook)

    def register_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(module, state_dict, prefix, local_metadata)`` after ``state_dict`` collected; edits in place."""
        return _hang(self._state_dict_hooks, hook)

    _register_state_dict_hook = register_state_dict_post_hook

    def register_load_state_dict_pre_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(module, state_dict, prefix, local_metadata, strict, missing, unexpected, errors)`` before a load."""
        return _hang(self._load_state_dict_pre_hooks, lambda *args: hook(self, *args))

    def _register_load_state_dict_pre_hook(self, hook: Any, with_module: bool = False) -> RemovableHandle:
        # Older programs use it; the module is among the arguments only where they ask for it.
        if with_module:
            return self.register_load_state_dict_pre_hook(hook)
        return _hang(self._load_state_dict_pre_hooks, hook)

    def register_load_state_dict_post_hook(self, hook: Callable[..., Any]) -> RemovableHandle:
        """``hook(module, incompatible_keys)`` after a load; edits the two lists in place."""
        return _hang(self._load_state_dict_post_hooks, hook)


def register_module_forward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, args)`` before the forward of every module."""
    return _register_global("_forward_pre_hooks", hook)


def register_module_forward_hook(
    hook: Callable[..., Any], *, with_kwargs: bool = False, always_call: bool = False
) -> RemovableHandle:
    """``hook(module, args, output)`` after the forward of every module."""
    return _register_global("_forward_hooks", hook, with_kwargs=with_kwargs, always_call=always_call)


def register_module_full_backward_pre_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, grad_output)`` in the backward of every module."""
    return _register_global("_backward_pre_hooks", hook)


def register_module_full_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, grad_input, grad_output)`` in the backward of every module."""
    return _register_global("_backward_hooks", hook)


def register_module_backward_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """The former name of `register_module_full_backward_hook`."""
    return register_module_full_backward_hook(hook)


# What is asked when a module gets something new, by the registry it goes into.
registration_hooks: dict[str, OrderedDict[int, Callable[..., Any]]] = {
    "_parameters": OrderedDict(),
    "_buffers": OrderedDict(),
    "_modules": OrderedDict(),
}


def register_module_parameter_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, name, param)`` before a module gets a parameter; what it returns (if not None) replaces it."""
    return hang(registration_hooks["_parameters"], hook)


def register_module_buffer_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, name, buffer)`` before a module gets a buffer; what it returns (if not None) replaces it."""
    return hang(registration_hooks["_buffers"], hook)


def register_module_module_registration_hook(hook: Callable[..., Any]) -> RemovableHandle:
    """``hook(module, name, submodule)`` before a module gets a child; what it returns (if not None) replaces it."""
    return hang(registration_hooks["_modules"], hook)


def registered(kind: str, module: Module, name: str, value: Any) -> Any:
    """What is put under ``name``: the value, or what a registration hook made of it."""
    if value is None and kind == "_parameters":  # a name that is kept free
        return value
    for hook in registration_hooks[kind].values():
        changed = hook(module, name, value)
        value = value if changed is None else changed
    return value


def _hooks_of(module: Module, kind: str) -> list[Callable[..., Any]]:
    everywhere = [hook for a_kind, hook in global_hooks.values() if a_kind == kind]
    return everywhere + list(getattr(module, kind).values())


def call_with_hooks(module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
    """``module(*args, **kwargs)`` with everything that was hung around it."""
    called: set[int] = set()
    result: Any = None
    after = _hooks_of(module, "_forward_hooks")
    try:
        for hook in _hooks_of(module, "_forward_pre_hooks"):
            args, kwargs = _call_before(hook, module, args, kwargs)
        gate = _BackwardGate(module, _hooks_of(module, "_backward_pre_hooks"), _hooks_of(module, "_backward_hooks"))
        args = gate.enter(args)
        result = module.forward(*args, **kwargs)
        for hook in after:
            called.add(id(hook))
            changed = hook(module, args, kwargs, result) if _takes_kwargs(hook) else hook(module, args, result)
            if changed is not None:
                result = changed
        return gate.leave(result)
    except Exception:
        for hook in after:
            if isinstance(hook, Hook) and hook.always_call and id(hook) not in called:
                try:
                    hook(module, args, kwargs, result) if hook.with_kwargs else hook(module, args, result)
                except Exception as error:  # noqa: BLE001
                    warnings.warn(
                        "module forward hook with ``always_call=True`` raised an exception that was silenced as "
                        f"another error was raised in forward: {error}",
                        stacklevel=3,
                    )
        raise


def _takes_kwargs(hook: Callable[..., Any]) -> bool:
    return isinstance(hook, Hook) and hook.with_kwargs


def _call_before(
    hook: Callable[..., Any], module: Module, args: tuple[Any, ...], kwargs: dict[str, Any]
) -> tuple[tuple[Any, ...], dict[str, Any]]:
    if not _takes_kwargs(hook):
        changed = hook(module, args)
        if changed is None:
            return args, kwargs
        return (changed if isinstance(changed, tuple) else (changed,)), kwargs
    changed = hook(module, args, kwargs)
    if changed is None:
        return args, kwargs
    if not (isinstance(changed, tuple) and len(changed) == 2):
        raise RuntimeError(
            f"forward pre-hook must return None or a tuple of (new_args, new_kwargs), but got {changed}."
        )
    return changed


class BackwardHookFunction(Function):
    """Hands tensors through unchanged; in backward, ``fire`` sees all their gradients together.

    What comes out is a view. An op that changes it in place, such as the ``ReLU(inplace=True)`` after a module with a
    backward hook, is refused, as in PyTorch: the hook would see the gradient of the value after the change.
    """

    @staticmethod
    def forward(ctx: Any, fire: Callable[[tuple[Any, ...]], Any], *tensors: Tensor) -> Any:
        ctx.fire = fire
        ctx.set_materialize_grads(False)
        return tuple(tensor.view_as(tensor) for tensor in tensors)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return (None, *ctx.fire(grads))


class _BackwardGate:
    """The two identities put around one call of a module: they see the gradients that leave and enter it."""

    def __init__(self, module: Module, pre_hooks: list[Callable[..., Any]], hooks: list[Callable[..., Any]]) -> None:
        self.module, self.pre_hooks, self.hooks = module, pre_hooks, hooks
        self.active = bool(pre_hooks or hooks) and is_grad_enabled()
        self.n_inputs = 0
        self.watches_input = False
        self.grad_output: tuple[Any, ...] | None = None

    def enter(self, args: tuple[Any, ...]) -> tuple[Any, ...]:
        """Put an identity before the module, if an input wants a gradient."""
        self.n_inputs = len(args)
        if not (self.active and any(isinstance(arg, Tensor) and arg.requires_grad for arg in args)):
            return args
        self.watches_input = True
        return _through(args, self._input_grads)

    def leave(self, result: Any) -> Any:
        """Put an identity behind the module."""
        if not self.active:
            return result
        outputs = result if isinstance(result, tuple) else (result,)
        if not all(isinstance(output, (Tensor, type(None))) for output in outputs):
            warnings.warn(
                "For backward hooks to be called, module output should be a Tensor or a tuple of Tensors but received "
                f"{type(result)}",
                stacklevel=4,
            )
        if not any(isinstance(output, Tensor) and output.requires_grad for output in outputs):
            return result
        outputs = _through(outputs, self._output_grads)
        return outputs if isinstance(result, tuple) else outputs[0]

    def _output_grads(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        for hook in self.pre_hooks:
            grads = _replaced(grads, hook(self.module, grads), "grad_output")
        if self.watches_input:
            self.grad_output = grads
            return grads
        nothing = (None,) * self.n_inputs
        for hook in self.hooks:
            changed = hook(self.module, nothing, grads)
            if changed is not None and any(grad is not None for grad in changed):
                raise RuntimeError(
                    "Backward hook for Modules where no input requires gradient should always return None or None "
                    "for all gradients."
                )
        return grads

    def _input_grads(self, grads: tuple[Any, ...]) -> tuple[Any, ...]:
        if self.grad_output is None:  # a gradient that reached the input without passing the output
            return grads
        for hook in self.hooks:
            grads = _replaced(grads, hook(self.module, grads, self.grad_output), "grad_input")
        self.grad_output = None
        return grads


def _replaced(grads: tuple[Any, ...], given: Any, name: str) -> tuple[Any, ...]:
    if given is None:
        return grads
    given = given if isinstance(given, tuple) else (given,)
    if len(given) != len(grads):
        raise RuntimeError(
            f"Backward hook returned an invalid number of {name}, got {len(given)}, but expected {len(grads)}"
        )
    return given


def _through(values: tuple[Any, ...], fire: Callable[[tuple[Any, ...]], tuple[Any, ...]]) -> tuple[Any, ...]:
    """Pass the tensors among ``values`` through an identity; ``fire`` sees gradients at the places of ``values``."""
    places = [place for place, value in enumerate(values) if isinstance(value, Tensor)]

    def fire_with_gaps(grads: tuple[Any, ...]) -> tuple[Any, ...]:
        full: list[Any] = [None] * len(values)
        for place, grad in zip(places, grads, strict=True):
            full[place] = grad
        full = list(fire(tuple(full)))
        return tuple(full[place] for place in places)

    passed = list(values)
    outputs = BackwardHookFunction.apply(fire_with_gaps, *(values[place] for place in places))
    outputs = outputs if isinstance(outputs, tuple) else (outputs,)
    for place, output in zip(places, outputs, strict=True):
        passed[place] = output
    return type(values)(*passed) if hasattr(values, "_fields") else tuple(passed)
