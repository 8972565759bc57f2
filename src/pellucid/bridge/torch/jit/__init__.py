"""`torch.jit`: a script or a trace of a function is the function itself."""

from __future__ import annotations

import contextlib
from collections.abc import Callable
from typing import Any, Final, NoReturn, TypeVar

from pellucid.nn import Module

__all__ = [
    "Attribute", "Final", "Future", "ScriptFunction", "ScriptModule", "TracerWarning", "annotate",
    "enable_onednn_fusion", "export", "fork", "freeze", "fuser", "ignore", "interface", "is_scripting", "is_tracing",
    "isinstance", "load",
    "onednn_fusion_enabled", "optimize_for_inference", "optimized_execution", "save", "script", "script_if_tracing",
    "script_method", "set_fusion_strategy", "strict_fusion", "trace", "trace_module", "unused", "wait",
]  # fmt: skip

F = TypeVar("F")


class ScriptModule(Module):
    """What programs descend from, or ask of a module; `script` and `trace` give the module itself, which is none."""


class ScriptFunction:
    """What PyTorch makes of a function; nothing here is one."""


def script(obj: F, *args: Any, **kwargs: Any) -> F:
    """The function, class or module itself."""
    return obj


def trace(func: F, example_inputs: Any = None, *args: Any, **kwargs: Any) -> F:
    """The function or module itself."""
    return func


def trace_module(mod: F, inputs: Any = None, *args: Any, **kwargs: Any) -> F:
    """The module itself."""
    return mod


def freeze(mod: F, *args: Any, **kwargs: Any) -> F:
    """The module itself, which has to be in eval mode as in PyTorch."""
    if getattr(mod, "training", False):
        raise RuntimeError(
            "Freezing is currently only implemented for modules in eval mode. Please call .eval() on your module "
            "before freezing."
        )
    return mod


optimize_for_inference = script


def _itself(function: F) -> F:
    return function


export = script_method = script_if_tracing = interface = _overload = _overload_method = _script_if_tracing = _itself


class TracerWarning(Warning):
    """Of a trace that does not see a branch: never said here; programs silence it."""


def ignore(drop: Any = False, **kwargs: Any) -> Any:
    """The function itself, as a decorator with or without arguments."""
    return drop if callable(drop) else _itself


def unused(fn: F) -> F:
    """The function itself."""
    return fn


def is_scripting() -> bool:
    """False: code runs as Python."""
    return False


def is_tracing() -> bool:
    """False: code runs as Python."""
    return False


def annotate(the_type: Any, the_value: F) -> F:
    """The value itself."""
    return the_value


def Attribute(value: F, type: Any) -> F:
    """The value itself."""
    return value


def isinstance(obj: Any, target_type: Any) -> bool:
    """Python's own, for a class or a tuple of them."""
    import builtins
    import typing

    origin = typing.get_origin(target_type)
    return builtins.isinstance(obj, target_type if origin is None else origin)


class Future:
    """The result of `fork`, which is there at once."""

    def __init__(self, result: Any) -> None:
        self.result = result

    def wait(self) -> Any:
        """The result."""
        return self.result

    value = wait

    def done(self) -> bool:
        """True."""
        return True


def fork(func: Callable[..., Any], *args: Any, **kwargs: Any) -> Future:
    """Call the function, now."""
    return Future(func(*args, **kwargs))


def wait(future: Future) -> Any:
    """The result of a `fork`."""
    return future.wait()


_fork, _wait = fork, wait


@contextlib.contextmanager
def optimized_execution(should_optimize: bool) -> Any:
    """A context that does nothing."""
    yield


@contextlib.contextmanager
def fuser(name: str) -> Any:
    """A context that does nothing."""
    yield


@contextlib.contextmanager
def strict_fusion() -> Any:
    """A context that does nothing."""
    yield


def enable_onednn_fusion(enabled: bool) -> None:
    """Nothing: nothing is fused."""


def onednn_fusion_enabled() -> bool:
    """False."""
    return False


def set_fusion_strategy(strategy: Any) -> None:
    """Nothing: nothing is fused."""


def save(m: Any, f: Any, _extra_files: Any = None) -> NoReturn:
    """Raises NotImplementedError: there is no such program to write."""
    raise NotImplementedError(
        "torch.jit.save writes a TorchScript program, which pellucid does not make: save the state with "
        "torch.save(model.state_dict(), path)"
    )


def load(f: Any, map_location: Any = None, _extra_files: Any = None) -> NoReturn:
    """Raises NotImplementedError: pellucid cannot run such a program."""
    raise NotImplementedError(
        "torch.jit.load reads a TorchScript program, which pellucid cannot run: save model.state_dict() where the "
        "program was written, and load it into the model's class"
    )
