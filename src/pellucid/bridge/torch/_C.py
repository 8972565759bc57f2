"""`torch._C`: the names of PyTorch's compiled part that programs reach into, each answered truthfully."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import Any

import pellucid.nn.functional as _nn
from pellucid.autograd import Function, saved
from pellucid.core import Tensor
from pellucid.core.context import state
from pellucid.core.node import AccumulateGrad
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


def _current_graph_task_id() -> int:
    """The number of the backward that is running in this thread; -1 where none is."""
    return state.walk.number if isinstance(state.walk, Walk) else -1


class _WeakTensorRef:
    """Whether a tensor is still there, asked without holding it."""

    def __init__(self, tensor: Tensor) -> None:
        self._reference = weakref.ref(tensor)

    def expired(self) -> bool:
        """Whether it is gone."""
        return self._reference() is None


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

    class UndefinedGrad:
        """Hands a tensor on, and no gradient back."""

        def __call__(self, tensor: Tensor) -> Tensor:
            return _Undefined.apply(tensor)

    class DelayedError:
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
