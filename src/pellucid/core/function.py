"""`autograd.Function`: an op with a forward and a backward written by the user, on Tensors."""

# pyright: reportPrivateUsage=false
from __future__ import annotations

from typing import Any

from .errors import with_line
from .modes import set_grad_enabled
from .node import Node, next_number, shape_and_dtype
from .state import state
from .tensor import Tensor, counter_of, like, wrap


class FunctionCtx:
    """What forward leaves for backward: `save_for_backward` for tensors, attributes for everything else."""

    def __init__(self) -> None:
        self.needs_input_grad: tuple[bool, ...] = ()
        self._saved: tuple[Any, ...] = ()
        self._versions: tuple[Any, ...] = ()
        self._dirty: tuple[Any, ...] = ()
        self._nondifferentiable: tuple[Any, ...] = ()
        self._materialize = True
        self._node: Any = None

    def save_for_backward(self, *tensors: Any) -> None:
        """Keep inputs or outputs for backward; a later change in place is then noticed."""
        self._saved = tensors

    def mark_dirty(self, *tensors: Any) -> None:
        """Name the inputs that forward changed in place."""
        self._dirty = tensors

    def mark_non_differentiable(self, *tensors: Any) -> None:
        """Name the outputs that no gradient flows through."""
        self._nondifferentiable = tensors

    def set_materialize_grads(self, value: bool) -> None:
        """Whether backward gets zeros (default) or None for outputs that nothing used."""
        self._materialize = value

    @property
    def saved_tensors(self) -> tuple[Any, ...]:
        """What `save_for_backward` kept."""
        if self._node is not None and self._node.freed:
            raise RuntimeError(
                with_line(
                    "Trying to backward through the graph a second time (or directly access saved tensors after they "
                    "have already been freed). Write backward(retain_graph=True) there if you need two"
                )
            )
        for one, version in zip(self._saved, self._versions, strict=True):
            if one is not None and one._version != version:
                raise RuntimeError(
                    with_line(
                        "one of the variables needed for gradient computation has been modified by an inplace "
                        f"operation: a tensor of shape {tuple(one.shape)} saved by {self._node.name()}, which is at "
                        f"version {one._version}; expected version {version} instead"
                    )
                )
        return tuple(_unsaved(self, one) for one in self._saved)


def _unsaved(ctx: FunctionCtx, one: Any) -> Any:
    """A saved output was kept without its node (that would be a cycle); here it gets it back."""
    if isinstance(one, _SavedOutput):
        tensor = like(one.tensor, one.tensor._array)
        tensor._node, tensor._requires = _Pick(ctx._node, one.index), True
        return tensor
    return one


class _SavedOutput:
    """An output that the function saved for its own backward."""

    def __init__(self, tensor: Tensor, index: int) -> None:
        self.tensor, self.index = like(tensor, tensor._array), index

    @property
    def _version(self) -> int:
        return self.tensor._version

    @property
    def shape(self) -> Any:
        return self.tensor.shape


class Function:
    """Subclass with static `forward(ctx, *args)` and `backward(ctx, *grads)`; call as `MyFunction.apply(*args)`.

    backward gets one gradient for each output of forward and returns one for each argument (None where there is
    none). With a static `setup_context(ctx, inputs, output)`, forward takes no `ctx`.

    >>> import pellucid
    >>> class Double(Function):
    ...     @staticmethod
    ...     def forward(ctx, x):
    ...         return x * 2
    ...
    ...     @staticmethod
    ...     def backward(ctx, g):
    ...         return g * 2
    >>> x = pellucid.tensor(3.0, requires_grad=True)
    >>> Double.apply(x).backward()
    >>> x.grad
    tensor(2.)
    """

    setup_context: Any = None

    @staticmethod
    def forward(*args: Any, **kwargs: Any) -> Any:
        """Compute the result; not recorded."""
        raise NotImplementedError("a Function needs a static method forward(ctx, *args)")

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        """Turn gradients of the outputs into gradients of the arguments."""
        raise NotImplementedError("to be differentiated, a Function needs a static method backward(ctx, *grads)")

    @classmethod
    def apply(cls, *args: Any, **kwargs: Any) -> Any:
        """Run forward and record it."""
        ctx = FunctionCtx()
        ctx.needs_input_grad = tuple(isinstance(one, Tensor) and one._requires for one in args)
        record = state.grad and any(ctx.needs_input_grad)
        with set_grad_enabled(False):
            if cls.setup_context is None:
                result = cls.forward(ctx, *args, **kwargs)
            else:
                result = cls.forward(*args, **kwargs)
                cls.setup_context(ctx, args, result)
        outputs: tuple[Any, ...] = result if isinstance(result, tuple) else (result,)
        if record:
            node = _FunctionNode(cls, ctx, args, outputs)
            ctx._node = node
            outputs = tuple(_attach(one, node, i, ctx, args) for i, one in enumerate(outputs))
            ctx._saved = tuple(
                next((_SavedOutput(one, i) for i, out in enumerate(outputs) if out is one), one) for one in ctx._saved
            )
        ctx._versions = tuple(None if one is None else one._version for one in ctx._saved)
        return outputs if isinstance(result, tuple) else outputs[0]


def _attach(one: Any, node: _FunctionNode, index: int, ctx: FunctionCtx, args: tuple[Any, ...]) -> Any:
    if (
        not isinstance(one, Tensor)
        or one.dtype.numpy.kind != "f"
        or any(one is not_ for not_ in ctx._nondifferentiable)
    ):
        return one
    dirty = any(one is changed for changed in ctx._dirty)
    if dirty:
        counter_of(one)[0] += 1
        one._epoch += 1
    elif any(one is given for given in args):  # an input handed back is a new tensor with this history
        one = like(one, one._array)
    one._node, one._requires = _Pick(node, index), True
    return one


class Partial:
    """Gradients of some of a function's outputs, on their way to its node, where they add up by output."""

    __slots__ = ("grads",)

    def __init__(self, grads: dict[int, Any]) -> None:
        self.grads = grads

    def __add__(self, other: Partial) -> Partial:
        merged = dict(self.grads)
        for index, g in other.grads.items():
            merged[index] = merged[index] + g if index in merged else g
        return Partial(merged)


class _FunctionNode(Node):
    """The application of a Function; gradients of its outputs arrive as a `Partial`."""

    def __init__(self, cls: type[Function], ctx: FunctionCtx, args: tuple[Any, ...], outputs: tuple[Any, ...]) -> None:
        self.edges = [(one._node or one) if isinstance(one, Tensor) and one._requires else None for one in args]
        self.metas = [shape_and_dtype(one) if isinstance(one, Tensor) else None for one in args]
        self.saved = [cls, ctx, [one._array if isinstance(one, Tensor) else None for one in outputs]]
        self.guards, self.kwargs = [], {}
        self.number = next_number()

    def name(self) -> str:
        return (self.saved[0].__name__ if self.saved else "Function") + "Backward"

    def propagate(self, g: Any, vocabulary: Any, lifted: bool, create: bool) -> list[tuple[Any, Any]]:
        cls, ctx, outputs = self.saved
        grads: list[Any] = []
        for index, array in enumerate(outputs):
            got = g.grads.get(index)
            if got is None:
                grads.append(wrap(array * 0) if ctx._materialize and array is not None else None)
            else:
                grads.append(got if lifted else wrap(got))
        with set_grad_enabled(create):
            result = cls.backward(ctx, *grads)
        given: tuple[Any, ...] = result if isinstance(result, tuple) else (result,)
        if len(given) > len(self.edges) and all(one is None for one in given[len(self.edges) :]):
            given = given[: len(self.edges)]
        if len(given) != len(self.edges):
            raise RuntimeError(
                f"function {self.name()} returned an incorrect number of gradients "
                f"(expected {len(self.edges)}, got {len(given)}): one for each argument of forward, None where there "
                "is none"
            )
        return [
            (edge, self._checked(i, one, meta, lifted))
            for i, (edge, one, meta) in enumerate(zip(self.edges, given, self.metas, strict=True))
            if edge is not None and one is not None
        ]

    def _checked(self, index: int, gradient: Any, meta: Any, lifted: bool) -> Any:
        shape, dtype = meta
        if not isinstance(gradient, Tensor):
            raise RuntimeError(
                f"function {self.name()} returned {type(gradient).__name__} as gradient {index}, expected a Tensor"
            )
        if gradient._array.shape != shape:
            raise RuntimeError(
                f"Function {self.name()} returned an invalid gradient at index {index} - got {list(gradient.shape)} "
                f"but expected shape compatible with {list(shape)}: sum it over the dimensions that forward broadcast"
            )
        if gradient._array.dtype != dtype:
            gradient = gradient.to(dtype)
        return gradient if lifted else gradient._array

    def free(self) -> None:
        _, ctx, _ = self.saved
        if ctx._saved:
            self.freed = True
            ctx._saved, ctx._versions = (), ()


class _Pick(Node):
    """One output of a Function: hands its gradient on to the function's node, marked with its index."""

    def __init__(self, node: _FunctionNode, index: int) -> None:
        self.edges = [node]
        self.saved, self.guards, self.metas, self.kwargs = [index], [], [], {}
        self.number = next_number()

    def name(self) -> str:
        return self.edges[0].name()

    def propagate(self, g: Any, vocabulary: Any, lifted: bool, create: bool) -> list[tuple[Any, Any]]:
        return [(self.edges[0], Partial({self.saved[0]: g}))]

    def free(self) -> None:
        pass
