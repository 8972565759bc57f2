"""Many parameters in one step: where an optimiser has a kernel, one call updates all of a group.

An optimiser says which loop that is in `at_once`. The addresses of the parameters and of their state stay in a table
from step to step; those of the gradients are put in anew. What does not fit (a sparse gradient, a view, the first step
of a parameter, which makes its state) is left to `Optimizer.update`, whose loop is the same.
"""

from __future__ import annotations

from collections import defaultdict
from typing import ClassVar, NamedTuple, Protocol

import numpy as np

from ..backend import Array
from ..core import Tensor, state
from ..core.tensor import counter_of
from ..kernels.calling import address as address_of
from ..kernels.optimisers import DType, Loop, Rows, fit
from .names import Options

_ndarray = np.ndarray


class Stepping(Protocol):
    """What is asked of an optimiser."""

    state: defaultdict[Tensor, Options]
    scalars: ClassVar[dict[str, float]]
    _slots: ClassVar[tuple[tuple[str, str | None], ...]]

    def at_once(self, dtype: DType, steps: float, options: Options) -> Loop | None: ...


class Entry(NamedTuple):
    """A parameter as it was in the step before: its memory, and the pieces of its state with theirs."""

    param: Tensor
    array: Array
    shape: tuple[int, ...]
    strides: tuple[int, ...]
    address: int
    nbytes: int
    held: tuple[tuple[str, Tensor, Array], ...]


class Together:
    """The parameters of one group: an entry for each, or None for those that had no gradient."""

    def __init__(self, entries: list[Entry | None], counting: list[str]) -> None:
        self.entries = entries
        some = [entry for entry in entries if entry is not None]
        kept = [[array for name, _, array in entry.held if name not in counting] for entry in some]
        self.rows = Rows([(entry.array, *arrays) for entry, arrays in zip(some, kept, strict=True)])
        self.dtype = some[0].array.dtype
        self.counts = [array for entry in some for name, _, array in entry.held if name in counting]
        self.counters = [
            counter_of(each) for entry in some for each in (entry.param, *(held[1] for held in entry.held))
        ]
        self.options: Options | None = None
        self.loop: Loop | None = None

    def gradients(self, params: list[Tensor], states: defaultdict[Tensor, Options]) -> list[int] | None:
        """Where the gradients are; None where something is not as it was in the step before."""
        if len(params) != len(self.entries):
            return None
        places: list[int] = []
        for param, entry in zip(params, self.entries, strict=True):
            grad = param._grad
            if entry is None:
                if grad is not None:
                    return None
                continue
            known, array, shape, strides, address, nbytes, held = entry
            if param is not known or param._array is not array or type(grad) is not Tensor or grad._view is not None:
                return None
            if held:
                own = states.get(param)
                for name, tensor, memory in held:
                    if own is None or own.get(name) is not tensor or tensor._array is not memory:
                        return None
            found = grad._array
            if type(found) is not _ndarray or found.dtype != self.dtype:
                return None
            if found.shape != shape or found.strides != strides:
                return None
            place = address_of(found)
            if -nbytes < place - address < nbytes:
                return None
            places.append(place)
        return places

    def chosen(self, optimizer: Stepping, options: Options) -> Loop | None:
        """The loop with its numbers; None where each parameter is to be updated by itself."""
        if self.counts:
            steps = {float(count) for count in self.counts}
            return optimizer.at_once(self.dtype, max(steps) + 1, options) if len(steps) == 1 else None
        if options != self.options:
            self.options, self.loop = options, optimizer.at_once(self.dtype, 1.0, options)
        return self.loop


def update_together(optimizer: Stepping, group: Options, options: Options) -> bool:
    """Update all the parameters by one call; False where each is to be updated by itself, and nothing was done."""
    if state.interpreters or options.get("differentiable") or "update" in optimizer.__dict__:
        return False
    known: dict[int, Together] = optimizer.__dict__.setdefault("_together", {})
    found = known.get(id(group))
    places = None if found is None else found.gradients(group["params"], optimizer.state)
    if found is None or places is None:
        found = _made(optimizer, group["params"], options)
        if found is None:
            known.pop(id(group), None)
            return False
        known[id(group)] = found
        places = found.gradients(group["params"], optimizer.state)
        if places is None:
            return False
    loop = found.chosen(optimizer, options)
    if loop is None or not found.rows.step(loop, places):
        return False
    for count in found.counts:
        count += 1
    for counter in found.counters:
        counter[0] += 1
    return True


def _made(optimizer: Stepping, params: list[Tensor], options: Options) -> Together | None:
    """What is known of these parameters from now on."""
    names = [name for name, option in optimizer._slots if option is None or options[option]]
    counting = [name for name in names if name in optimizer.scalars]
    entries: list[Entry | None] = []
    for param in params:
        if param._grad is None:
            entries.append(None)
            continue
        own = optimizer.state[param]  # which is there from the first step on
        if param._view is not None or any(own.get(name) is None for name in names):
            return None
        held = tuple((name, own[name], own[name]._array) for name in names)
        array = param._array
        arrays = [array, *(memory for name, _, memory in held if name not in counting)]
        if not fit(*arrays) or not all(each.flags.c_contiguous and each.flags.writeable for each in arrays):
            return None
        place = address_of(array)
        entries.append(Entry(param, array, array.shape, array.strides, place, array.nbytes, held))
    dtypes = {entry.array.dtype for entry in entries if entry is not None}
    return Together(entries, counting) if len(dtypes) == 1 else None
