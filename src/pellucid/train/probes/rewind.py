"""Take down everything that training changes, and put it back to the bit."""

from __future__ import annotations

from collections.abc import Callable
from functools import partial
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.random.streams import find_streams, program_streams, set_stream_state, stream_state
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
        parts = {
            name: getattr(learner, name, None) for name in ("loader", "valid", "model", "loss_function", "callbacks")
        }
        for stream in [
            *program_streams().values(),
            *find_streams(parts, Loop).values(),
        ]:
            try:
                self._restores.append(partial(set_stream_state, stream, stream_state(stream)))
            except TypeError:
                continue  # the numbers of random.SystemRandom never come again anyway

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
