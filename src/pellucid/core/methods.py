"""Methods of Tensor that need the engine or an op; `ops` adds those that follow from the op table."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import numpy as np

from . import devices, engine
from .context import note_read, state
from .conversion import from_data
from .dtypes import as_dtype, dtype
from .errors import with_line
from .operation import TABLE
from .tensor import Tensor, like, method


class RemovableHandle:
    """What registering a hook returns: `handle.remove()` takes the hook away again; also a context manager."""

    def __init__(self, hooks: list[Any], hook: Any) -> None:
        self._hooks, self._hook = hooks, hook

    def remove(self) -> None:
        """Take the hook away; a second call does nothing."""
        if self._hook in self._hooks:
            self._hooks.remove(self._hook)

    def __enter__(self) -> RemovableHandle:
        return self

    def __exit__(self, *_: object) -> None:
        self.remove()


@method
def backward(
    self: Tensor, gradient: Any = None, retain_graph: bool | None = None, create_graph: bool = False, inputs: Any = None
) -> None:
    """Add the gradients of this tensor to the `grad` of its leaves; see `pellucid.autograd.backward`."""
    engine.backward(self, gradient, retain_graph, create_graph, inputs)


@method
def register_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(grad)` when this tensor's gradient has been computed; what it returns, if not None, replaces it."""
    if not self.requires_grad:
        raise RuntimeError(with_line("cannot register a hook on a tensor that doesn't require gradient"))
    node = self.grad_fn
    hooks: list[Any] = (self._hooks if node is None else node.hooks) or []
    if node is None:
        self._hooks = hooks
    else:
        node.hooks = hooks
    hooks.append(hook)
    return RemovableHandle(hooks, hook)


@method
def register_post_accumulate_grad_hook(self: Tensor, hook: Callable[[Tensor], Any]) -> RemovableHandle:
    """Call `hook(tensor)` after `backward` has added to this leaf's `grad`."""
    if not self.is_leaf:
        raise RuntimeError("post accumulate grad hooks cannot be registered on non-leaf tensors")
    self._after_hooks = self._after_hooks or []
    self._after_hooks.append(hook)
    return RemovableHandle(self._after_hooks, hook)


@method
def retain_grad(self: Tensor) -> None:
    """Have `backward` fill the `grad` of this non-leaf, too."""
    if not self.requires_grad:
        raise RuntimeError("can't retain_grad on Tensor that has requires_grad=False")
    if self.grad_fn is not None:
        self.grad_fn.retain = weakref.ref(self)
        self._retained = True


@method
def detach(self: Tensor) -> Tensor:
    """The same memory without history; in-place changes are still counted for both."""
    return like(self, self._array)


@method
def detach_(self: Tensor) -> Tensor:
    """Cut this tensor from its history, in place."""
    if self._view is not None:
        raise RuntimeError("Can't detach views in-place. Use detach() instead.")
    self._node, self._requires = None, False
    return self


@method
def to(
    self: Tensor, *args: Any, dtype: Any = None, device: Any = None, non_blocking: bool = False, copy: bool = False,
    memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """This tensor in another dtype or on another device: `to(dtype)`, `to(device, dtype)`, `to(other)`."""
    flags = [one for one in args if isinstance(one, bool)]  # non_blocking, copy
    copy = copy or flags[1:2] == [True]
    for one in args:
        if isinstance(one, Tensor):
            dtype, device = one.dtype, one.device
        elif isinstance(one, str | devices.device):
            device = one
        elif one is not None and not isinstance(one, bool):
            dtype = one
    result = self
    if device is not None:
        target = devices.device(device)
        if target.type != result.device.type:
            result = TABLE["to_device"](result, device=target)
    if dtype is not None and as_dtype(dtype) is not result.dtype:
        result = TABLE["cast"](result, dtype=as_dtype(dtype))
    return TABLE["clone"](result) if copy and result is self else result


def _casting(name: str, to: dtype) -> None:
    def cast(self: Tensor, memory_format: Any = None) -> Tensor:
        return self if self.dtype is to else TABLE["cast"](self, dtype=to)

    cast.__name__, cast.__doc__ = name, f"This tensor as {to.name}."
    method(cast)


for _name, _to in {
    "float": "float32", "double": "float64", "half": "float16", "long": "int64", "int": "int32", "short": "int16",
    "char": "int8", "byte": "uint8", "bool": "bool",
}.items():  # fmt: skip
    _casting(_name, as_dtype(_to))


@method
def cpu(self: Tensor) -> Tensor:
    """This tensor in main memory."""
    return self.to("cpu")  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


@method
def cuda(self: Tensor, device: Any = None) -> Tensor:
    """This tensor on the GPU (needs CuPy)."""
    return self.to("cuda")  # pyright: ignore[reportUnknownMemberType, reportAttributeAccessIssue, reportUnknownVariableType]


@method
def type_as(self: Tensor, other: Tensor) -> Tensor:
    """This tensor in the dtype of `other`."""
    return self if self.dtype is other.dtype else TABLE["cast"](self, dtype=other.dtype)


@method
def contiguous(self: Tensor, memory_format: Any = None) -> Tensor:
    """This tensor, or a copy in row-major order if it is not in that order."""
    return self if self.is_contiguous() else TABLE["clone"](self)


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
            "Only Tensors created explicitly by the user (graph leaves) support the deepcopy protocol at the moment; "
            "write tensor.detach().clone()"
        )
    made: Tensor = type(self).__new__(type(self))
    memo[id(self)] = made
    made.__dict__.update({k: v for k, v in self.__dict__.items() if k not in _SHARED})
    if state.interpreters:  # who records the ops must see a copy as the op that it is
        made._array = TABLE["clone"](self.detach())._array
    else:
        note_read(self)
        made._array = _deep_copied(self._array, memo) if type(self._array) is np.ndarray else self._array.copy()
    if self._grad is not None:
        made._grad = TABLE["clone"](self._grad.detach())
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
    made: Tensor = kind.__new__(kind)
    made._array = array
    return made.requires_grad_(requires_grad)


@method
def new_tensor(
    self: Tensor, data: Any, *, dtype: Any = None, device: Any = None, requires_grad: bool = False
) -> Tensor:
    """A tensor from `data` in this one's dtype and on its device unless told otherwise."""
    made = from_data(data, dtype or self.dtype, device or self.device)
    return made.requires_grad_(requires_grad)
