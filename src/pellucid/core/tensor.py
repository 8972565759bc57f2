"""The Tensor: an array, and what autograd must know of it.

This file is the data alone. What needs an op (arithmetic, indexing, reductions, …) is put onto the class from the op
table (`ops/__init__.py`), what needs the engine (`backward`, hooks, …) from `core/methods.py`.
"""

# pyright: reportPrivateUsage=false, reportUnknownMemberType=false
# pyright: reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

import warnings
from typing import TYPE_CHECKING, Any, cast

import numpy as np

from pellucid import backend

from . import devices
from .dtypes import OF_NUMPY, as_dtype, dtype, get_default_dtype
from .errors import ShapeError
from .node import Node, Size

if TYPE_CHECKING:  # what `ops` and `core.methods` put on the class; tools/stubs.py writes it from the op table
    from .tensor_methods import TensorMethods
else:
    TensorMethods = object

_new: Any = object.__new__


class Tensor(TensorMethods):
    """An n-dimensional array that remembers how it was computed.

    Made by `pellucid.tensor(...)` and by ops. The attributes below with defaults are set on an instance only when
    they differ, so that making a tensor costs a tenth of a microsecond.
    """

    _array: Any
    _grad: Tensor | None = None
    _node: Node | None = None  # the op application that made it; None for a leaf
    _requires: bool = False
    _counter: list[int] | None = None  # [number of in-place changes], shared by views; made when first needed
    _view: Any = None  # views.View: base and chain of view ops, for a view
    _epoch: int = 0  # how often in-place ops gave it a new history; views compare theirs
    _hooks: list[Any] | None = None  # of a leaf; those of others are on the node
    _after_hooks: list[Any] | None = None
    _retained: bool = False

    prints_plainly = True  # as `tensor(...)`; a class of a user's own prints under its name

    __array_priority__ = 1000  # NumPy leaves `array * tensor` to Tensor.__rmul__
    __hash__ = object.__hash__

    def __init_subclass__(cls, **how: Any) -> None:
        super().__init_subclass__(**how)
        cls.prints_plainly = cls.__dict__.get("prints_plainly", False)

    def __init__(self, *data: Any, dtype: dtype | None = None) -> None:
        """From data, or of the sizes that are given, as PyTorch's `Tensor(2, 3)` (here of zeros)."""
        if data and all(type(one) is int for one in data):
            data = (np.zeros(data),)
        made = from_data(data[0] if data else (), dtype or get_default_dtype())
        self._array = made._array

    # --- the array ---------------------------------------------------------------------------------------------------

    @property
    def dtype(self) -> dtype:
        """Element type."""
        return OF_NUMPY[self._array.dtype]

    @property
    def device(self) -> devices.device:
        """Where the numbers are."""
        if type(self._array) is np.ndarray:
            return devices.CPU
        return devices.of_array(self._array)

    @property
    def shape(self) -> Size:
        """Length of each dimension."""
        return Size(self._array.shape)

    def size(self, dim: int | None = None) -> Any:
        """The shape, or the length of one dimension."""
        return self.shape if dim is None else self._array.shape[dim]

    @property
    def ndim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    def dim(self) -> int:
        """Number of dimensions."""
        return self._array.ndim

    ndimension = dim

    def numel(self) -> int:
        """Number of elements."""
        return int(self._array.size)

    nelement = numel

    @property
    def itemsize(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    def element_size(self) -> int:
        """Bytes of one element."""
        return self._array.itemsize

    @property
    def nbytes(self) -> int:
        """Bytes of all elements."""
        return self._array.nbytes

    def stride(self, dim: int | None = None) -> Any:
        """Steps in elements from one index to the next in each dimension (PyTorch counts elements, NumPy bytes)."""
        size = self._array.itemsize
        steps = tuple(step // size for step in self._array.strides)
        return steps if dim is None else steps[dim]

    def is_contiguous(self, memory_format: Any = None) -> bool:
        """Whether the elements lie in memory in row-major order without gaps."""
        return bool(self._array.flags.c_contiguous)

    def data_ptr(self) -> int:
        """Address of the first element."""
        return int(self._array.ctypes.data) if isinstance(self._array, np.ndarray) else int(self._array.data.ptr)

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating type."""
        return self._array.dtype.kind == "f"

    def is_complex(self) -> bool:
        """Always False: pellucid has no complex numbers."""
        return False

    def is_signed(self) -> bool:
        """Whether the dtype has negative numbers."""
        return self.dtype.is_signed

    is_cuda = property(lambda self: self.device.type == "cuda")
    is_sparse = False
    is_quantized = False
    layout = "strided"

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    # --- autograd's flags --------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated: for a leaf that requires one, or after `retain_grad()`."""
        found = self._grad
        if found is None and self._node is not None and not self._retained:
            warnings.warn(
                "The .grad attribute of a Tensor that is not a leaf Tensor is being accessed: backward() fills it for "
                "leaves alone. Write .retain_grad() on this one before, or look at the leaf",
                UserWarning,
                stacklevel=2,
            )
        return found

    @grad.setter
    def grad(self, value: Tensor | None) -> None:
        if value is not None:
            if not isinstance(value, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
                raise TypeError(f"assigned grad expected to be a Tensor or None but got {type(value).__name__}")
            if (value._array.shape, value._array.dtype) != (self._array.shape, self._array.dtype):
                raise RuntimeError(
                    f"attempting to assign a gradient of {value._array.dtype} {tuple(value.shape)} as the grad of a "
                    f"tensor of {self._array.dtype} {tuple(self.shape)}: they must be the same"
                )
        self._grad = value

    @grad.deleter
    def grad(self) -> None:
        self._grad = None

    @property
    def requires_grad(self) -> bool:
        """Whether a gradient is wanted for this tensor or for one that it was computed from."""
        if self._view is not None:
            self._view.refresh(self)
        return self._requires

    @requires_grad.setter
    def requires_grad(self, value: bool) -> None:
        self.requires_grad_(value)

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient (or no longer), in place; returns the tensor."""
        if not requires_grad and self._node is not None:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want a computed tensor without "
                "its history, write tensor.detach()"
            )
        if requires_grad and self._array.dtype.kind != "f":
            raise RuntimeError(
                f"only Tensors of floating point dtype can require gradients, this one is {self.dtype!r}; "
                "write tensor.float() first"
            )
        self._requires = bool(requires_grad)
        return self

    @property
    def is_leaf(self) -> bool:
        """Whether the tensor was made by the user rather than by an op that is recorded."""
        return self.grad_fn is None

    @property
    def grad_fn(self) -> Node | None:
        """The recorded op application that made this tensor."""
        if self._view is not None:
            self._view.refresh(self)
        return self._node

    @property
    def retains_grad(self) -> bool:
        """Whether `backward` also fills the `grad` of this non-leaf."""
        return self._retained

    @property
    def output_nr(self) -> int:
        """Index among the outputs of its op; always 0 here, since exactly one is differentiable."""
        return 0

    @property
    def _version(self) -> int:
        """How often the memory was changed in place."""
        return self._counter[0] if self._counter else 0

    @property
    def _base(self) -> Tensor | None:
        """The tensor that this one is a view of."""
        return None if self._view is None else self._view.base

    @property
    def data(self) -> Tensor:
        """The same memory without history. Changes through it are not seen by autograd: prefer `detach()`."""
        return wrap(self._array)

    @data.setter
    def data(self, value: Tensor) -> None:
        self._array = value._array

    # --- to Python and NumPy -----------------------------------------------------------------------------------------

    def item(self) -> Any:
        """The value of a tensor with one element, as a Python number."""
        if self._array.size != 1:
            raise ShapeError(
                f"a Tensor with {self._array.size} elements cannot be converted to Scalar: item() takes a tensor with "
                f"one element, this one has shape {tuple(self._array.shape)}; reduce it first (.sum(), .mean()) or "
                "write .tolist()"
            )
        note_read(self)
        return self._array.item()

    def tolist(self) -> Any:
        """The values as (nested lists of) Python numbers."""
        note_read(self)
        return self._array.tolist()

    def numpy(self, *, force: bool = False) -> Any:
        """The values as a NumPy array that shares memory with the tensor.

        Raises for a tensor that requires a gradient (changes through the array would go unnoticed) and for one on a
        GPU; `force=True` detaches and copies instead.
        """
        if self._requires and not force:
            raise RuntimeError("Can't call numpy() on Tensor that requires grad. Use tensor.detach().numpy() instead.")
        note_read(self)
        of = backend.of_array(self._array)
        if of.device != "cpu" and not force:
            raise TypeError(f"can't convert {self.device} tensor to numpy; write tensor.cpu().numpy()")
        return of.to_numpy(self._array)

    def __array__(self, dtype: Any = None, copy: bool | None = None) -> Any:
        array = self.numpy()
        if dtype is not None and array.dtype != dtype:
            return array.astype(dtype)
        return array.copy() if copy else array

    def __dlpack__(self, **how: Any) -> Any:
        if self._requires:
            raise BufferError("can't export a Tensor that requires grad by DLPack; write tensor.detach()")
        note_read(self)
        return self._array.__dlpack__(**how)

    def __dlpack_device__(self) -> Any:
        return self._array.__dlpack_device__()

    def __bool__(self) -> bool:
        if self._array.size != 1:
            raise RuntimeError(
                f"Boolean value of Tensor with {'more than one value' if self._array.size else 'no values'} is "
                f"ambiguous (shape {tuple(self._array.shape)}): write (…).all() or (…).any()"
            )
        return bool(self.item())

    def __int__(self) -> int:
        return int(self.item())

    def __float__(self) -> float:
        return float(self.item())

    def __index__(self) -> int:
        if self._array.dtype.kind == "f" or self._array.ndim:
            raise TypeError("only integer tensors of a single element can be converted to an index")
        return int(self.item())


readers: list[Any] = []
"""Called with each tensor whose values leave for Python; the tracer is told so, since they would be frozen in."""


def note_read(tensor: Tensor) -> None:
    """Tell who wants to know that the values of `tensor` leave for Python."""
    for reader in readers:
        reader(tensor)


def wrap(array: Any) -> Tensor:
    """A tensor around `array` itself, no copy."""
    tensor = _new(Tensor)
    tensor._array = array
    return tensor


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros of the tensor's shape, dtype and device, made outside the door: a constant, to what is recorded."""
    return wrap(backend.of_array(tensor._array).xp.zeros(tensor._array.shape, tensor._array.dtype))


def ones_like(tensor: Tensor) -> Tensor:
    """Ones, like `zeros_like`."""
    return wrap(backend.of_array(tensor._array).xp.ones(tensor._array.shape, tensor._array.dtype))


def like(source: Tensor, array: Any) -> Tensor:
    """A tensor around an array that shares `source`'s memory and so its count of in-place changes."""
    tensor = _new(Tensor)
    tensor._array = array
    tensor._counter = counter_of(source)
    return tensor


def counter_of(tensor: Tensor) -> list[int]:
    """The list that counts in-place changes of the tensor's memory."""
    counter = tensor._counter
    if counter is None:
        counter = tensor._counter = [0]
    return counter


def from_data(data: Any, dtype: dtype | None = None, device: Any = None, *, copy: bool = True) -> Tensor:
    """A leaf from numbers, nested lists, arrays or a tensor; floats become the default dtype."""
    if isinstance(data, Tensor):
        array = data._array
    elif isinstance(data, np.ndarray | np.generic) or hasattr(data, "__array__"):
        array = np.asarray(data)
    else:
        array, python = _from_lists(data)
        if python and dtype is None:
            dtype = get_default_dtype()
    target = as_dtype(dtype).numpy if dtype is not None else _known(array.dtype)
    to = devices.device(device).backend if device is not None else backend.of_array(array)
    if to is not backend.of_array(array):
        array, copy = to.from_numpy(backend.of_array(array).to_numpy(array)), False
    if array.dtype != target:
        with np.errstate(all="ignore"):
            array = array.astype(target)
    elif copy:
        array = array.copy()
    if isinstance(data, Tensor) and array is not data._array:
        note_read(data)
    return wrap(array)


def _known(found: np.dtype[Any]) -> np.dtype[Any]:
    if found in OF_NUMPY:
        return OF_NUMPY[found].numpy  # the native object, so that identity holds
    names = ", ".join(one.name for one in OF_NUMPY.values())
    raise TypeError(f"can't convert an array of dtype {found} to a tensor; pellucid has {names}")


def _from_lists(data: Any) -> tuple[Any, bool]:
    """An array, and whether its elements are Python's floats, which become the default type unless told otherwise."""
    types = _types(data)
    if any(issubclass(one, Tensor) for one in types):
        data = _plain(data)
    try:
        array = np.array(data)
    except ValueError:
        raise ValueError(
            "expected nested lists of equal length at each level; the lengths differ somewhere in what was given"
        ) from None
    if array.dtype.kind in "OUS":
        odd = next((one for one in types if not issubclass(one, _NUMBERS)), type(data))
        raise TypeError(f"can't make a tensor from {type(data).__name__} with elements of type {odd.__name__}")
    return array, array.dtype == np.float64 and np.float64 not in types and np.ndarray not in types


_NUMBERS = (int, float, np.generic, np.ndarray, Tensor)


def _types(data: Any) -> set[type]:
    """The types of all that is in nested lists."""
    if not isinstance(data, list | tuple):
        return {type(data)}
    found = set(map(type, cast("list[Any]", data)))
    if list in found or tuple in found:
        for one in cast("list[Any]", data):
            if isinstance(one, list | tuple):
                found |= _types(one)
        found -= {list, tuple}
    return found


def _plain(data: Any) -> Any:
    if isinstance(data, Tensor):
        return data.tolist()
    return [_plain(one) for one in data] if isinstance(data, list | tuple) else data
