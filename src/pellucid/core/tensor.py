"""The Tensor: an array, and what autograd must know of it.

This file is the data alone. What needs an op (arithmetic, indexing, reductions, …) is put onto the class from the op
table (`ops/__init__.py`), among it what makes Python's numbers of it; what needs the engine (`backward`, hooks, …)
is in `methods`.

The history of a view (`_node`, `_requires`) is right only once it has been refreshed: outside of this file and of what
records applications, read `grad_fn`, `requires_grad` or `edge_of`, which refresh it.
"""

from __future__ import annotations

import threading
import warnings
from collections.abc import Callable, Iterable
from typing import TYPE_CHECKING, Any, TypeVar

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.errors import with_line
from pellucid.types import devices, layouts
from pellucid.types.bfloat16 import filled
from pellucid.types.dtypes import OF_NUMPY, dtype
from pellucid.types.size import Size

from .declaration import Declaration
from .hooks import Hooks
from .node import Attributes, Counter, Node, Source, Vocabulary, next_number, node_name, with_named_class

if TYPE_CHECKING:
    from .tensor_fields import TensorFields  # which of its private names the package uses
    from .tensor_methods import TensorMethods  # what `ops` puts on the class; tools/stubs.py writes it

    class Declared(TensorFields, TensorMethods): ...
else:
    Declared = object

F = TypeVar("F", bound=Callable[..., Any])
Chain = tuple[tuple[Declaration, Attributes], ...]  # view ops, each with its attributes

printed: list[Callable[[Tensor], Iterable[str]]] = []
"""What is said of a tensor that is printed, besides its values, dtype and history."""

derived: list[type[object]] = []
"""The classes that a program derived from Tensor: without any, no call looks for them (`declare.overrides`)."""


def as_it_is(
    function: Callable[..., object], types: object, args: tuple[object, ...] = (), kwargs: Attributes | None = None
) -> object:
    """The `__torch_function__` of classes whose objects are tensors like any other, as `Parameter` is."""
    return function(*args, **(kwargs or {}))


class Tensor(Source, Declared):
    """An n-dimensional array that remembers how it was computed.

    Made by `pellucid.tensor(...)` and by ops. The attributes below with defaults are set on an instance only when
    they differ, so that making a tensor costs a tenth of a microsecond.
    """

    # `_array`, which each has; the types of all are in `tensor_fields.pyi`
    _grad = None
    _node = None  # the op application that made it; None for a leaf
    _requires = False  # whether a gradient is wanted
    _counter = None  # of changes in place, made when first needed
    _view = None  # of which tensor it is a part
    _hooks = None  # of a leaf; those of others are on the node
    _after_hooks = None
    _retained = False  # whether `backward` fills the grad of this non-leaf

    prints_plainly = True  # as `tensor(...)`; a class of a user's own prints under its name

    __array_priority__ = 1000  # NumPy leaves `array * tensor` to Tensor.__rmul__
    __hash__ = object.__hash__

    def __init_subclass__(cls, **how: Any) -> None:
        super().__init_subclass__(**how)
        cls.prints_plainly = cls.__dict__.get("prints_plainly", False)
        if getattr(cls, "__torch_function__", None) is not as_it_is and cls.layout is layouts.strided:
            derived.append(cls)  # sparse ones, our own, are asked where a function fails

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

    def is_floating_point(self) -> bool:
        """Whether the dtype is a floating type."""
        return self._array.dtype.kind in "fV"  # "V" is bfloat16

    def is_complex(self) -> bool:
        """Whether the dtype is complex."""
        return self._array.dtype.kind == "c"

    is_cuda = property(lambda self: self.device.type == "cuda")
    is_sparse = False
    is_quantized = False
    layout = layouts.strided

    def __len__(self) -> int:
        if self._array.ndim == 0:
            raise TypeError("len() of a 0-d tensor")
        return len(self._array)

    # --- autograd's flags --------------------------------------------------------------------------------------------

    @property
    def grad(self) -> Tensor | None:
        """The gradient that `backward` accumulated: for a leaf that requires one, or after `retain_grad()`."""
        found = self._grad
        if found is None and not self._retained and self._node is not None:
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
            if value is self:
                raise RuntimeError("can't assign Variable as its own grad: write tensor.grad = tensor.detach().clone()")
            if (tuple(value.shape), value.dtype) != (self._array.shape, self.dtype):
                raise RuntimeError(
                    f"attempting to assign a gradient of {value.dtype.name} {tuple(value.shape)} as the grad of a "
                    f"tensor of {self.dtype.name} {tuple(self.shape)}: they must be the same"
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

    @requires_grad.deleter
    def requires_grad(self) -> None:
        raise RuntimeError("requires_grad must be a bool; write tensor.requires_grad_(False)")

    def requires_grad_(self, requires_grad: bool = True) -> Tensor:
        """Ask for a gradient (or no longer), in place; returns the tensor."""
        if not requires_grad and not self.is_leaf:
            raise RuntimeError(
                "you can only change requires_grad flags of leaf variables. If you want a computed tensor without "
                "its history, write tensor.detach()"
            )
        if requires_grad and self._counter is UNCOUNTED and not inference.on:
            raise RuntimeError("Setting requires_grad=True on inference tensor outside InferenceMode is not allowed.")
        if requires_grad and self._array.dtype.kind not in "fcV":
            raise RuntimeError(
                f"Only Tensors of floating point and complex dtype can require gradients, this one is {self.dtype!r}; "
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
        """The recorded op application that made this tensor. RuntimeError for a view that may not be used any more."""
        if self._view is not None:
            self._view.refresh(self)
            self._view.check(self)
        return None if self._node is None else with_named_class(self._node)

    @property
    def _grad_fn(self) -> Node | None:
        """`grad_fn` (under PyTorch's name, which may be deleted no more than that)."""
        return self.grad_fn

    @_grad_fn.deleter
    def _grad_fn(self) -> None:
        raise RuntimeError("Deletion of _grad_fn not allowed. Detach tensor instead!")

    @property
    def _backward_hooks(self) -> Hooks | None:
        """The hooks that `register_hook` hung on this tensor, by number; None where there are none."""
        return self._hooks if self._node is None else self._node.hooks

    @_backward_hooks.setter
    def _backward_hooks(self, hooks: Hooks | None) -> None:
        if self._node is None:
            self._hooks = hooks
        else:
            self._node.hooks = hooks

    @_backward_hooks.deleter
    def _backward_hooks(self) -> None:
        raise RuntimeError("Deletion of _backwards_hooks not allowed! Remove each by its handle")

    @property
    def retains_grad(self) -> bool:
        """Whether `backward` also fills the `grad` of this non-leaf."""
        return self._retained

    @property
    def output_nr(self) -> int:
        """Index among the outputs of its Function; 0 for those of ops, of which one alone is differentiable."""
        return 0 if self._node is None else self._node.output_nr

    @property
    def _version(self) -> int:
        """How often the memory was changed in place (under PyTorch's name, which programs use)."""
        if self._counter is UNCOUNTED:
            raise RuntimeError("Inference tensors do not track version counter.")
        return self._counter[0] if self._counter else 0

    def is_inference(self) -> bool:
        """Whether it was made in inference mode, or is a part of one that was."""
        return self._counter is UNCOUNTED

    @property
    def _base(self) -> Tensor | None:
        """The tensor that this one is a view of (under PyTorch's name)."""
        return None if self._view is None else self._view.base

    def _is_view(self) -> bool:
        """Whether this tensor is a view of another one, its `_base` (under PyTorch's name)."""
        return self._view is not None

    def __delitem__(self, key: object) -> None:
        raise TypeError("Tensor does not support deleting items")

    @property
    def data(self) -> Tensor:
        """The same memory without history. Changes through it are not seen by autograd: prefer `detach()`."""
        made = wrap(self._array)
        if type(self) in derived:
            made.__class__ = type(self)
        return made

    @data.setter
    def data(self, value: Tensor) -> None:
        if not isinstance(value, Tensor):  # pyright: ignore[reportUnnecessaryIsInstance]
            raise TypeError(f"Variable data has to be a tensor, but got {type(value).__name__}")
        if value.layout is not layouts.strided:
            raise RuntimeError(
                "Attempted to call `variable.set_data(tensor)`, but `variable` and `tensor` have incompatible tensor "
                "type: one is sparse"
            )
        if self._requires and value._array.dtype.kind not in "fcV":
            raise RuntimeError("data set to a tensor that requires gradients must be floating point or complex dtype")
        self._array = value._array

    @data.deleter
    def data(self) -> None:
        raise RuntimeError("Deleting tensor data is not allowed. Delete tensor instead!")


class View:
    """How a tensor is a part of another: `base`, the chain of view ops from there, and the memory's version then.

    The tensor's history is that of the version: once the memory was changed, it is "this part of the present base".
    Some views have no such history, by PyTorch's rules, and may then no longer be used where gradients are recorded:
    `untracked` says so. It is True for a view made under `no_grad()`, else a text: why it must not change in place.
    """

    __slots__ = ("base", "chain", "inherited", "untracked", "version")

    def __init__(
        self, base: Tensor, chain: Chain, version: int, untracked: bool | str, inherited: bool = False
    ) -> None:
        self.base = base
        self.inherited = inherited
        self.chain = chain
        self.version = version
        self.untracked = untracked

    def refresh(self, tensor: Tensor) -> None:
        """Give `tensor`, whose view this is, the history it has in the present base."""
        counter = tensor._counter
        if counter is not None and self.version != counter[0]:
            self.renew(tensor)
        elif self.base._requires and not tensor._requires:
            tensor._requires = True

    def renew(self, tensor: Tensor) -> None:
        base = self.base
        if base._requires or tensor._node is not None:
            tensor._requires = base._requires
            if not self.untracked:
                self.version = counter_of(tensor)[0]
                before, tensor._node = tensor._node, ReplayNode(base, self.chain) if base._requires else None
                pass_on_retain(before, tensor._node)

    def check(self, tensor: Tensor) -> None:
        """Raise RuntimeError where `tensor` has no history since its memory was changed."""
        if not self.untracked or self.version == counter_of(tensor)[0]:
            return
        if self.base._requires or tensor._node is not None:
            raise RuntimeError(
                with_line(self.refusal().replace("is being", "its base or another view of its base has been", 1))
            )

    def refusal(self) -> str:
        """Why the view must not be changed in place."""
        said = self.untracked if isinstance(self.untracked, str) else _UNTRACKED
        # Made where ops are recorded, it would have a history, but for a view that it is a part of.
        return said.replace("A view was", "This is a view of a view which was", 1) if self.inherited else said


_UNTRACKED = (
    "A view was created in no_grad mode and is being modified inplace with grad mode enabled. Make the view and the "
    "change both inside the no_grad block (not to be tracked), or both outside"
)
OF_INFERENCE = _UNTRACKED.replace("no_grad mode", "inference mode").replace("no_grad block", "inference_mode block")


class ReplayNode(Node):
    """The node of a view whose base has a new history: "this part of the new base"."""

    def __init__(self, base: Tensor, chain: Chain) -> None:
        self.edges = [base._node or base]
        self.kwargs = {"shape": base._array.shape, "chain": chain}
        self.number = next_number()

    def propagate(self, g: Any, vocabulary: Vocabulary, lifted: bool, create: bool) -> list[tuple[Source | None, Any]]:
        return [(self.edges[0], vocabulary.view_embed(g, **self.kwargs))]

    def name(self) -> str:
        if replays.on and self.called is None:
            return node_name(self.kwargs["chain"][-1][0].name)
        return self.called or "AsStridedBackward0"


class _Replays(threading.local):
    """Whether, in a thread, a view whose base has a new history is named after its op, and not after its strides."""

    on = False


replays = _Replays()


def pass_on_retain(before: Node | None, after: Node | None) -> None:
    """`retain_grad` holds for what the tensor is now: its new node keeps the gradient, the one before no longer."""
    if before is not None and after is not None:
        after.retain, before.retain = before.retain, None


def edge_of(tensor: Tensor) -> Source | None:
    """Where a gradient for `tensor` goes: the node that made it, the leaf itself, or None where it wants none."""
    if tensor._view is not None:
        tensor._view.refresh(tensor)
        tensor._view.check(tensor)
    return (tensor._node or tensor) if tensor._requires else None


def method(function: F) -> F:
    """Put a function on Tensor, under its name."""
    setattr(Tensor, function.__name__, function)
    return function


def wrap(array: Array) -> Tensor:
    """A tensor around `array` itself, no copy."""
    tensor = object.__new__(Tensor)
    tensor._array = array
    return tensor


def zeros_like(tensor: Tensor) -> Tensor:
    """Zeros of the tensor's shape, dtype and device, made outside the door: a constant, to what is recorded."""
    return wrap(backend.of_array(tensor._array).xp.zeros(tensor._array.shape, tensor._array.dtype))


def ones_like(tensor: Tensor) -> Tensor:
    """Ones, like `zeros_like`."""
    array = tensor._array
    return wrap(filled(backend.of_array(array).xp, array.shape, 1, array.dtype))


def like(source: Tensor, array: Array) -> Tensor:
    """A tensor around an array that shares `source`'s memory and so its count of in-place changes."""
    tensor = object.__new__(Tensor)
    tensor._array = array
    tensor._counter = counter_of(source)
    return tensor


class Uncounted(list[int]):
    """Where a count of changes would be, in a tensor that was made in inference mode.

    It is false, so that what saves or changes a tensor, and asks first whether there is a count, takes the slow way
    (`recorder.savable`, `views.changeable`), where this is refused.
    """

    def __bool__(self) -> bool:
        return False

    def __setitem__(self, at: object, value: object) -> None:
        """Nothing: in inference mode a change is not counted."""


UNCOUNTED: Counter = Uncounted([0])


class Inference(threading.local):
    """Whether `inference_mode` is open in a thread."""

    on = False


inference = Inference()


def counter_of(tensor: Tensor) -> Counter:
    """The list that counts in-place changes of the tensor's memory."""
    counter = tensor._counter
    if counter is None:
        counter = tensor._counter = [0]
    return counter
