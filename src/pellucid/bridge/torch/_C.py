"""`torch._C`: the names of PyTorch's compiled part that programs reach into, each answered truthfully."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pellucid.nn.functional as _nn
from pellucid.core import Tensor
from pellucid.declare.overrides import NoOverrides as DisableTorchFunctionSubclass
from pellucid.declare.overrides import as_it_is as _disabled_torch_function_impl
from pellucid.ops.linalg.checks import LinAlgError as _LinAlgError
from pellucid.random import Generator, default_generator
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
    from pellucid.core.context import state

    return bool(state.interpreters)


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
