"""Copies of whole tensors: `copy.deepcopy`, and pickling, by which a tensor goes to another process."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core import Tensor, method, state
from pellucid.core.context import note_read

from .memory import clone


@method
def share_memory_(self: Tensor) -> Tensor:
    """PyTorch's call for sharing between processes; pellucid trains in one, so it does nothing."""
    return self


_SHARED = ("_counter", "_view", "_hooks", "_after_hooks", "_grad")  # what a copy does not take over


@method
def __deepcopy__(self: Tensor, memo: dict[int, Any]) -> Tensor:
    """A copy of a leaf, with its flag and its gradient. Tensors that share memory do so in the copy too."""
    if not self.is_leaf:
        raise RuntimeError(
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment. "
            "Write tensor.detach().clone()"
        )
    made: Tensor = object.__new__(type(self))
    memo[id(self)] = made
    made.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _SHARED})
    if state.interpreters:  # who records the ops must see a copy as the op that it is
        made._array = clone(self.detach())._array
    else:
        note_read(self)
        made._array = _deep_copied(self._array, memo) if type(self._array) is np.ndarray else self._array.copy()
    if self._grad is not None:
        made._grad = clone(self._grad.detach())
    return made


def _deep_copied(array: Any, memo: dict[Any, Any]) -> Any:
    """A copy of `array`, as a part of the one copy that `memo` keeps of the memory which `array` is a part of."""
    root = array
    while type(root.base) is np.ndarray:
        root = root.base
    if root.base is not None or not (root.flags.c_contiguous or root.flags.f_contiguous) or root.dtype.hasobject:
        return array.copy(order="K")  # a part of what is not NumPy's own, such as a file
    key = ("memory", id(root))
    if key not in memo:
        memo[key] = root.copy(order="K"), root  # the root too: its id must stay its own
    copied = memo[key][0]
    if array is root:
        return copied
    offset = array.__array_interface__["data"][0] - root.__array_interface__["data"][0]
    return np.ndarray(array.shape, array.dtype, copied.ravel(order="K"), offset, array.strides)


@method
def __reduce_ex__(self: Tensor, protocol: Any) -> Any:
    """Pickled as its numbers and its flag, to go to another process; history stays behind."""
    note_read(self)
    return (
        _rebuild,
        (type(self), self._array, self.requires_grad),
        {name: value for name, value in self.__dict__.items() if not name.startswith("_")},
    )


def _rebuild(kind: type[Tensor], array: Any, requires_grad: bool) -> Tensor:
    made: Tensor = object.__new__(kind)
    made._array = array
    return made.requires_grad_(requires_grad)
