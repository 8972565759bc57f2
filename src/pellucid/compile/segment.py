"""Kernels that follow one another, run by one call: Python is not asked in between.

A `Segment` is a list of calls with all their arguments in a table of 64-bit numbers, and a small function of machine
code that goes through it: it loads the address of the first kernel and its arguments, calls it, and so on. What is the
same in each run (the memory of weights and buffers) is put into the table once, a learning rate when it changes, and
the memory of arguments and of what is handed out in each run.

A kernel may find that it cannot go on (a class that is out of range): then the function returns, and Python lines set
it right before the calls after it run.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any, NamedTuple

import numpy as np

from pellucid.kernels import blas, compiler
from pellucid.kernels.emitter import Emitter
from pellucid.kernels.emitter import Value as Scalar

_made: dict[str, Callable[..., None] | None] = {}  # by the text of the function


class Call(NamedTuple):
    """A kernel and its arguments: integers, floats, addresses, or what is put into the table later."""

    label: str
    address: int
    types: tuple[str, ...]
    arguments: tuple[Any, ...]
    stop: int = 0  # an address: where there is another number than 0 (in float64) after the call, the segment ends


class Later(NamedTuple):
    """An argument that is not known yet: `put(table, place)` is called once, with where it will be.

    `text` is the same as an expression of Python.
    """

    put: Callable[[Any, int], None]
    text: str = ""


class Named(NamedTuple):
    """An address that a Python expression gives in each run."""

    expression: str


def kernel(label: str, function: Any, *arguments: Any, stop: int = 0) -> Call:
    """The call of what `kernels.compiler.function` gave: start, stop and the arguments."""
    code = compiler.code_of(function)
    return Call(label, code.address, ("i64", "i64", *code.types), arguments, stop)


def texts(arguments: tuple[Any, ...]) -> list[str]:
    """Arguments as expressions of Python."""
    named = {Later: "text", Named: "expression"}
    return [getattr(each, named[type(each)]) if type(each) in named else repr(each) for each in arguments]


def product(label: str, type: str, *arguments: Any) -> Call | None:
    """A call of BLAS; None where its address is not known."""
    address = blas.gemm(type)
    if address is None:
        return None
    return Call(label, address, tuple(type if each == "number" else each for each in blas.TYPES), arguments)


class Segment:
    """Calls, in order."""

    def __init__(self) -> None:
        self.calls: list[Call] = []
        self.table: Any = None
        self.named: list[tuple[int, str]] = []  # places in the table that Python fills in each run
        self.stops: list[int] = []  # after which calls the segment may end
        self.function: Any = None

    def add(self, call: Call) -> None:
        """One more."""
        self.calls.append(call)

    def close(self) -> None:
        """Fill the table, and make the function."""
        places: list[list[int]] = []
        size = 1  # the first says whether the segment ended early
        for call in self.calls:
            places.append(list(range(size, size + 1 + len(call.arguments))))
            size += 1 + len(call.arguments)
        self.table = np.zeros(size, np.int64)
        numbers = self.table.view(np.float64)
        for call, own in zip(self.calls, places, strict=True):
            self.table[own[0]] = call.address
            for type, argument, place in zip(call.types, call.arguments, own[1:], strict=True):
                if isinstance(argument, Later):
                    argument.put(numbers if type in ("float", "double") else self.table, place)
                elif isinstance(argument, Named):
                    self.named.append((place, argument.expression))
                else:
                    (numbers if type in ("float", "double") else self.table)[place] = argument
        self.stops = [i for i, call in enumerate(self.calls) if call.stop]
        emitted = _emit(self.calls, places)
        text = emitted.text()
        if text not in _made:
            _made[text] = compiler.function(emitted)
        self.function = _made[text]
        if self.function is None:
            raise RuntimeError(f"a segment could not be compiled: {compiler.status()}")


def _emit(calls: list[Call], places: list[list[int]]) -> Emitter:
    """Make the calls from `start` on; the table's first number is set to which call ended it, plus one, or to 0."""
    k = Emitter("segment", {"table": "ptr"})
    ended = k.variable(k.constant("i64", 0))
    groups: list[list[int]] = [[]]
    for i, call in enumerate(calls):
        groups[-1].append(i)
        if call.stop:
            groups.append([])

    def entry(place: int, type: str) -> Scalar:
        at = k.constant("i64", place)
        if type == "ptr":
            return k.load("ptr", k.table, at)
        if type == "i32":
            whole = k.load("i64", k.table, at)
            return k.add("i32", f"trunc i64 {whole.name} to i32")
        found = k.load("double" if type == "float" else type, k.table, at)
        return k.convert(found, type)

    for group in groups:
        if not group:
            continue
        first = k.constant("i64", group[0])
        runs = k.select(k.compare("==", ended.get(), 0), first + 1, 0)
        with k.when(k.compare("<", k.start, runs)):
            for i in group:
                call, (own, *rest) = calls[i], places[i]
                arguments = [entry(place, type) for place, type in zip(rest, call.types, strict=True)]
                k.call(k.load("ptr", k.table, k.constant("i64", own)), arguments)
                if call.stop:
                    found = k.load("double", entry(rest[call.arguments.index(call.stop)], "ptr"))
                    odd = k.compare("==", found, 0.0)
                    ended.set(k.select(odd, k.constant("i64", 0), k.constant("i64", i + 1)))
    k.store(ended.get(), k.table, k.constant("i64", 0))
    return k
