"""Take down everything that training changes, and put it back to the bit."""

from __future__ import annotations

import random
from collections.abc import Callable, Iterator
from types import ModuleType
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.random import Generator, default_generator
from pellucid.train.loop import Loop


class Snapshot:
    """The state of a learner's model, loss, optimiser, counters and random streams.

    What is put back is what is in the objects themselves: the numbers of every Tensor, the contents of every dict and
    list that the modules and the optimiser have as attributes. So whoever holds one of these objects finds it as it
    was. A gradient is put back as the Tensor it is: set `grad` to None before training, so that nothing is added to it.
    Callbacks are not part of it, nor is what a data set might remember of having been read, but its random generators
    are.
    """

    def __init__(self, learner: Loop) -> None:
        self._restores: list[Callable[[], Any]] = []
        self._seen: dict[int, Any] = {}  # the objects too, so that no other can get their number
        self._own = vars(learner), dict(vars(learner))
        for owner in (learner.model, learner.loss_function):
            for module in owner.modules() if hasattr(owner, "modules") else ():
                self._note(vars(module))
        self._note(vars(learner.optimizer))
        self._restores += [_state_of_stream(stream) for stream in _streams(learner.loader)]

    def restore(self) -> None:
        """Put everything back. A Ctrl-C in the midst of it has to wait until it is done."""
        try:
            self._restore()
        except KeyboardInterrupt:
            self._restore()
            raise

    def _restore(self) -> None:
        for restore in self._restores:
            restore()
        now, before = self._own
        now.clear()
        now.update(before)

    def _note(self, value: Any) -> None:
        if id(value) in self._seen:
            return
        if isinstance(value, Tensor):
            self._seen[id(value)] = value
            self._restores.append(_tensor(value))
        elif isinstance(value, np.ndarray):
            self._seen[id(value)] = value
            self._restores.append(_array(value))
        elif isinstance(value, dict):
            self._seen[id(value)] = value
            self._restores.append(_dict(value))
            for item in value.values():
                self._note(item)
        elif isinstance(value, list):
            self._seen[id(value)] = value
            self._restores.append(_list(value))
            for item in value:
                self._note(item)
        elif isinstance(value, tuple):
            for item in value:
                self._note(item)


def _tensor(tensor: Tensor) -> Callable[[], None]:
    array, numbers = tensor._array, tensor._array.copy()
    grad = tensor.grad if tensor.is_leaf else None

    def restore() -> None:
        array[...] = numbers
        tensor._array = array  # another array may have been put into it: tensor.data = …
        if tensor.is_leaf:
            tensor.grad = grad

    return restore


def _array(array: np.ndarray) -> Callable[[], None]:
    numbers = array.copy()

    def restore() -> None:
        if array.flags.writeable:
            array[...] = numbers

    return restore


def _dict(items: dict[Any, Any]) -> Callable[[], None]:
    before = dict(items)

    def restore() -> None:
        items.clear()
        items.update(before)

    return restore


def _list(items: list[Any]) -> Callable[[], None]:
    before = list(items)

    def restore() -> None:
        items[:] = before

    return restore


_STREAMS = (Generator, random.Random, np.random.Generator, np.random.RandomState)


def _streams(loader: Any, depth: int = 3) -> Iterator[Any]:
    """The random streams of the program, and those that the loader, its sampler, its data set have as attributes."""
    if depth == 3:
        yield from (default_generator, random, np.random)
    for value in vars(loader).values() if hasattr(loader, "__dict__") else ():
        if isinstance(value, _STREAMS):
            yield value
        elif depth and not isinstance(value, Tensor | np.ndarray | type | ModuleType):
            yield from _streams(value, depth - 1)


def _state_of_stream(stream: Any) -> Callable[[], Any]:
    if isinstance(stream, np.random.Generator):
        state = stream.bit_generator.state
        return lambda: setattr(stream.bit_generator, "state", state)
    if stream is random or isinstance(stream, random.Random):
        state = stream.getstate()
        return lambda: stream.setstate(state)
    state = stream.get_state()
    return lambda: stream.set_state(state)
