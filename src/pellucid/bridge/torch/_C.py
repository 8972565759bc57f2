"""`torch._C`: the names of PyTorch's compiled part that programs reach into, each answered truthfully."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pellucid.nn.functional as _nn
from pellucid.autograd import Function, is_multithreading_enabled, saved
from pellucid.autograd.tangents import switch
from pellucid.core import Tensor
from pellucid.core.context import state
from pellucid.core.node import AccumulateGrad, Node, with_named_class
from pellucid.declare.overrides import NoOverrides as DisableTorchFunctionSubclass
from pellucid.declare.overrides import as_it_is as _disabled_torch_function_impl
from pellucid.ops.linalg.checks import LinAlgError as _LinAlgError
from pellucid.random import Generator, default_generator
from pellucid.reverse.engine import Walk
from pellucid.torch_names import absent
from pellucid.types.devices import device
from pellucid.types.dtypes import dtype

__all__ = [
    "DisableTorchFunctionSubclass", "Generator", "_LinAlgError", "_TensorBase", "_disabled_torch_function_impl", "_nn",
    "default_generator", "device", "dtype",
]  # fmt: skip

_TensorBase = TensorBase = Tensor
DisableTorchFunction = DisableTorchFunctionSubclass  # modes, which PyTorch's also turns off, are not there


def _get_tracing_state() -> None:
    """None: nothing is being traced by TorchScript."""


def _are_functorch_transforms_active() -> bool:
    """Whether a function is being transformed by `torch.func`."""
    return bool(state.interpreters)


def is_grad_enabled() -> bool:
    """Whether ops are recorded now."""
    return state.grad


def _set_grad_enabled(mode: bool) -> None:
    """Record ops from here on, or do not."""
    state.grad = mode


def _is_fwd_grad_enabled() -> bool:
    """Whether ops compute tangents where a level of forward mode is open."""
    return switch.on


def _set_fwd_grad_enabled(mode: bool) -> None:
    """Have ops compute tangents from here on, or not."""
    switch.on = mode


def _current_graph_task_id() -> int:
    """The number of the backward that is running in this thread; -1 where none is."""
    return state.walk.number if isinstance(state.walk, Walk) else -1


def _current_autograd_node() -> Node | None:
    """The node whose rules the backward that is running in this thread calls; None where none is."""
    return with_named_class(state.walk.node) if isinstance(state.walk, Walk) and state.walk.node else None


def _running(name: str) -> Walk:
    if not isinstance(state.walk, Walk):
        raise RuntimeError(f"{name} should only be called during the backward pass")
    return state.walk


def _current_graph_task_execution_order() -> list[Node]:
    """The nodes of the backward that is running in this thread, as it comes to them.

    Raises:
        RuntimeError: none is running; `set_multithreading_enabled(False)` was not said.
    """
    walk = _running("_current_graph_task_execution_order")
    if is_multithreading_enabled():
        raise RuntimeError(
            "_current_graph_task_execution_order expects the current backward to be executed with multithreading "
            "disabled, e.g. by running: with torch.autograd.set_multithreading_enabled(False)"
        )
    return [with_named_class(source) if isinstance(source, Node) else AccumulateGrad(source) for source in walk.order()]


def _will_engine_execute_node(node: Node) -> bool:
    """Whether a gradient arrives at a node in the backward that is running in this thread.

    Raises:
        RuntimeError: none is running; no node was given; the node of a leaf in `autograd.grad`.
    """
    if not isinstance(node, Node):  # pyright: ignore[reportUnnecessaryIsInstance]
        raise RuntimeError(f"_will_engine_execute_node expects an grad_fn, but got {type(node).__name__}")
    walk = _running("_get_should_execute_nodes")
    leaf = isinstance(node, AccumulateGrad)
    if leaf and walk.targets is not None and not walk.accumulates:
        raise RuntimeError(
            "A leaf node was passed to _will_engine_execute_node but we are currently running autograd.grad(). This is "
            "currently not supported."
        )
    return walk.visits(node.variable if leaf else node)


class _WeakTensorRef:
    """Whether a tensor is still there, asked without holding it."""

    def __init__(self, tensor: Tensor) -> None:
        self._reference = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether it is gone."""
        return self._reference() is None


_cached: weakref.WeakValueDictionary[int, Tensor] = weakref.WeakValueDictionary()  # by id


def _set_cached_tensors_enabled(enabled: bool) -> None:
    """Nothing: which tensors a graph of kernels would keep is noted in any case."""


def _add_cached_tensor(tensor: Tensor) -> None:
    """Note that a tensor is kept by what replays kernels: here nothing does."""
    _cached[id(tensor)] = tensor


def _remove_cached_tensor(tensor: Tensor) -> None:
    """Forget it again."""
    _cached.pop(id(tensor), None)


def _is_cached_tensor(tensor: Tensor) -> bool:
    """Whether it was noted."""
    return id(tensor) in _cached


class _Undefined(Function):
    @staticmethod
    def forward(ctx: Any, tensor: Tensor) -> Tensor:
        return tensor.view_as(tensor)

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return None


class _functions:
    """The nodes of PyTorch's own that programs name."""

    AccumulateGrad = AccumulateGrad

    class UndefinedGrad(Node):
        """Hands a tensor on, and no gradient back."""

        def __call__(self, tensor: Tensor) -> Tensor:
            return _Undefined.apply(tensor)

    class DelayedError(Node):
        """Hands tensors on, and raises RuntimeError with a message in their backward."""

        def __init__(self, message: str, count: int) -> None:
            self.message = message

        def __call__(self, *tensors: Tensor) -> Any:
            def backward(ctx: Any, *grads: Any) -> Any:
                raise RuntimeError(self.message)

            def forward(ctx: Any, *given: Tensor) -> Any:
                made = tuple(tensor.view_as(tensor) for tensor in given)
                return made[0] if len(made) == 1 else made

            methods = {"forward": staticmethod(forward), "backward": staticmethod(backward)}
            return type("DelayedError", (Function,), methods).apply(*tensors)


class _autograd:
    """What programs ask the engine about."""

    SavedTensor = saved.SavedTensor

    @staticmethod
    def _saved_tensors_hooks_is_enabled() -> bool:
        """Whether `saved_tensors_hooks` may be entered."""
        return not saved.forbidden

    @staticmethod
    def _get_current_graph_task_keep_graph() -> bool:
        """Whether the backward that is running was told to keep the graph; True where none is."""
        return state.walk.keep if isinstance(state.walk, Walk) else True


def _log_api_usage_once(event: str) -> None:
    """Nothing: no use is counted."""


def _get_default_device() -> str:
    """Where new tensors are made."""
    return "cpu"


def _get_privateuse1_backend_name() -> str:
    """What a backend of somebody's own would be called."""
    return "privateuseone"


def _cuda_getDeviceCount() -> int:
    """0: there is none."""
    return 0


def _switch(name: str) -> Callable[..., bool]:
    def switch(value: Any = False) -> bool:
        return False

    switch.__name__ = name
    switch.__doc__ = "False: TorchScript compiles nothing here, so nothing is switched."
    return switch


for _name in (
    "_jit_set_texpr_fuser_enabled", "_jit_set_profiling_mode", "_jit_set_profiling_executor",
    "_jit_override_can_fuse_on_gpu", "_jit_override_can_fuse_on_cpu", "_jit_set_nvfuser_enabled",
    "_jit_set_nvfuser_guard_mode", "_jit_can_fuse_on_gpu", "_jit_can_fuse_on_cpu", "_jit_set_bailout_depth",
):  # fmt: skip
    globals()[_name] = _switch(_name)

__getattr__ = absent(__name__)


class _OfTensors(type):
    def __instancecheck__(cls, instance: object) -> bool:
        return isinstance(instance, type) and issubclass(instance, Tensor)


class _TensorMeta(type, metaclass=_OfTensors):
    """The class of the classes of tensors: `isinstance(kind, _TensorMeta)` asks whether a class is one."""


class Graph:
    """A program of TorchScript's, with its parts below. Nothing here is one; editors import them by accident."""


class Block:
    """A block of such a program."""


class Value:
    """A value in such a program."""


class Argument:
    """An argument of a function of such a program."""
