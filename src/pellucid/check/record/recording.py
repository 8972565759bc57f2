"""Run a NumPy program on arrays that record: the program's data, what it makes anew, and Python's math included."""

from __future__ import annotations

from collections.abc import Callable, Iterator, Sequence
from contextlib import ExitStack, contextmanager
from typing import Any
from unittest import mock

import numpy as np

from pellucid.check.record import functions as _functions  # noqa: F401 (it fills the table of handlers)
from pellucid.check.record import matrices
from pellucid.check.record.plain import Untraceable
from pellucid.check.record.stand_ins import builtin_stand_ins, stand_ins
from pellucid.check.record.tape import Array, Tape
from pellucid.check.record.traced import ArrayRecorder, Traced
from pellucid.check.subject.surroundings import ReadVariable, replaced, surroundings

LARGEST = 2**26  # bytes of an array of data that is still taken along


@contextmanager
def recording(*functions: Any, spaces: Sequence[dict[str, Any]] = ()) -> Iterator[ArrayRecorder]:
    """NumPy records on one tape, for the length of a `with`.

    New arrays are traced, since they may be filled; so are the arrays that the functions can see, since `x.dot(w)` asks
    x alone what to do; and what it has imported by name (`from numpy import zeros`) is replaced where it stands.

    `spaces` are the globals of modules whose code runs in the `with` and is not reached from `functions`, such as those
    of a script: `float`, functions that it imported by name and what it vectorised are replaced there, its arrays not.
    """
    recorder = ArrayRecorder()
    new = list(stand_ins(recorder))
    by_name = {id(getattr(module, name)): stand_in for module, name, stand_in in new}
    vectorize, vectorized = np.vectorize, next(stand_in for _, name, stand_in in new if name == "vectorize")

    def replacement(value: Any) -> Any:
        if type(value) is np.ndarray and value.dtype.kind == "f" and value.nbytes <= LARGEST:
            return recorder.wrap(recorder.tape.add("constant", (), value, needs=False))
        if type(value) is matrices.MATRIX and value.nbytes <= LARGEST:
            return matrices.traced(recorder, value) if value.dtype.kind in "fiu" else None
        if type(value) is vectorize:
            return vectorized(value.pyfunc, excluded=value.excluded, signature=value.signature)
        return by_name.get(id(value))

    with ExitStack() as stack:
        stack.enter_context(_with_names(_spaces(functions, spaces), lambda v: _callable(v, replacement)))
        if functions:
            stack.enter_context(replaced(replacement, *functions))
        for module, name, stand_in in new:
            stack.enter_context(mock.patch.object(module, name, stand_in))
        recorder.recording = True
        try:
            yield recorder
        finally:
            recorder.recording = False


def _callable(value: Any, replacement: Callable[[Any], Any]) -> Any:
    return replacement(value) if callable(value) and not isinstance(value, np.ndarray) else None


def _spaces(functions: Sequence[Any], more: Sequence[dict[str, Any]]) -> list[dict[str, Any]]:
    """The globals of the user's modules in which these functions, and those behind them, are written."""
    spaces = {id(space): space for space in more}
    for function in functions:
        for place in (ReadVariable("", function, lambda value: None), *surroundings(function)):
            space = getattr(getattr(place.value, "__func__", place.value), "__globals__", None)
            name = str(space.get("__name__", "")) if isinstance(space, dict) else "numpy"
            if space is not None and name.partition(".")[0] not in ("numpy", "scipy", "pellucid"):
                spaces[id(space)] = space
    return list(spaces.values())


@contextmanager
def _with_names(spaces: Sequence[dict[str, Any]], stand_in: Callable[[Any], Any]) -> Iterator[None]:
    """Modules have stand-ins for Python's own names, and for what they imported by name: `float(x)` of a recorded
    number is that number."""
    kept: list[tuple[dict[str, Any], str, Any]] = []
    own = builtin_stand_ins()
    try:
        for space in spaces:
            kept += [(space, name, None) for name in own if name not in space]
            space.update({name: value for name, value in own.items() if name not in space})
            for name, value in list(space.items()):
                new = None if name in own else stand_in(value)
                if new is not None:
                    kept.append((space, name, value))
                    space[name] = new
        yield
    finally:
        for space, name, value in kept:
            if value is None:
                space.pop(name, None)
            else:
                space[name] = value


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
