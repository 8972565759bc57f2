"""Run a NumPy program on arrays that record: the program's data, what it makes anew, and Python's math included."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from pellucid.check.record import functions as _functions  # noqa: F401 (it fills the table of handlers)
from pellucid.check.record.plain import Untraceable, strip
from pellucid.check.record.tape import Array, Tape
from pellucid.check.record.traced import Recorder, Traced
from pellucid.check.subject.surroundings import replaced

LARGEST = 2**26  # bytes of an array of data that is still taken along


@contextmanager
def recording(*functions: Any) -> Iterator[Recorder]:
    """NumPy records on one tape, for the length of a `with`.

    New arrays are traced, since they may be filled; so are the arrays that the functions can see, since `x.dot(w)` asks
    x alone what to do; and what it has imported by name (`from numpy import zeros`) is replaced where it stands.
    """
    recorder = Recorder()
    new = {(np, name): maker for name, maker in _makers(recorder).items()}
    new |= {(math, name): _both(getattr(math, name), name) for name in MATH}
    by_name = {id(getattr(module, name)): replacement for (module, name), replacement in new.items()}

    def replacement(value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.kind == "f" and value.nbytes <= LARGEST:
            return recorder.wrap(recorder.tape.add("constant", (), value, needs=False))
        return by_name.get(id(value))

    with ExitStack() as stack:
        if functions:
            stack.enter_context(replaced(replacement, *functions))
        for (module, name), maker in new.items():
            stack.enter_context(mock.patch.object(module, name, maker))
        recorder.recording = True
        try:
            yield recorder
        finally:
            recorder.recording = False


MATH = ("exp", "log", "sqrt", "tanh", "sin", "cos", "log1p", "expm1", "fabs", "pow")


def _both(own: Callable[..., Any], name: str) -> Callable[..., Any]:
    array_function = getattr(np, {"fabs": "abs", "pow": "power"}.get(name, name))

    def function(*values: Any) -> Any:
        traced = any(isinstance(value, Traced) for value in values)
        if traced and name == "log" and len(values) == 2:
            return array_function(values[0]) / own(values[1])
        return array_function(*values) if traced else own(*values)

    return function


def _makers(recorder: Recorder) -> dict[str, Callable[..., Any]]:
    """NumPy's constructors, whose arrays of floats are traced."""
    own = {name: getattr(np, name) for name in ("zeros", "ones", "empty", "full", "eye", "identity")}
    like = {name: getattr(np, name) for name in ("zeros_like", "ones_like", "empty_like", "full_like")}
    into = {
        name: getattr(np, name)
        for name in ("array", "asarray", "asanyarray", "ascontiguousarray", "asfarray")
        if hasattr(np, name)
    }

    def constant(array: Array) -> Any:
        return (
            recorder.wrap(recorder.tape.add("constant", (), array, needs=False)) if array.dtype.kind == "f" else array
        )

    def make(maker: Callable[..., Any]) -> Callable[..., Any]:
        return lambda *args, **kwargs: constant(maker(*strip(args), **strip(kwargs)))

    def convert(maker: Callable[..., Any], name: str) -> Callable[..., Any]:
        def function(value: Any, *args: Any, **kwargs: Any) -> Any:
            if isinstance(value, Traced) and value._tape is recorder:
                kind = args[0] if args else kwargs.get("dtype")
                plain = kind is not None and np.dtype(kind).kind != "f"
                return maker(strip(value), *args, **kwargs) if plain else value if name != "array" else value.copy()
            if _holds(value):
                return _stacked(value)
            made = maker(value, *args, **kwargs)
            return constant(made) if isinstance(value, list | tuple) else made

        return function

    return {name: make(maker) for name, maker in (own | like).items()} | {
        name: convert(maker, name) for name, maker in into.items()
    }


def _holds(value: Any) -> bool:
    return isinstance(value, list | tuple) and any(isinstance(item, Traced) or _holds(item) for item in value)


def _stacked(value: Any) -> Any:
    """A nested list with traced arrays in it, as one."""
    return np.stack([_stacked(item) if isinstance(item, list | tuple) else item for item in value])


def record(function: Callable[..., Any], params: dict[str, Array], seen: Sequence[Any] = ()) -> Tape:
    """Run `function(params)`, a number, and give the tape of how it came about.

    `seen`: the functions behind it, where it only passes its argument on to them.

    Raises:
        Untraceable: it does something that cannot be recorded; what, the message says.
    """
    with recording(*(seen or [function])) as recorder, np.errstate(all="ignore"):
        traced = {name: recorder.parameter(name, value) for name, value in params.items()}
        result = function(traced)
        if isinstance(result, tuple | list):  # (loss, cache)
            result = result[0]
        if isinstance(result, Traced):
            recorder.tape.result = recorder.node(np.reshape(result, ()) if result.size == 1 else np.sum(result))
        else:
            value = float(result)
            known = [node for seen, node in recorder.floats if seen == value and node.value.size == 1]
            if not known:
                raise Untraceable("its result is a plain number, made from others of which nothing is known")
            recorder.tape.result = known[-1]
    return recorder.tape


def trace(function: Callable[..., Any], params: dict[str, Array], seen: Sequence[Any] = ()) -> Tape:
    """The tape of whatever `function(params)` computes, without a result: to look for a value in it."""
    with recording(*(seen or [function])) as recorder, np.errstate(all="ignore"):
        function({name: recorder.parameter(name, value) for name, value in params.items()})
    return recorder.tape
