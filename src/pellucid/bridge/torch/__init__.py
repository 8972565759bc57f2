"""What PyTorch has and no other room: devices that are not there, settings, compilers.

The files are at PyTorch's places: `torch.cuda.amp` is `cuda/amp.py`. `pellucid` itself looks here for a name that it
does not have, so `import pellucid as torch` finds the same.
"""

from __future__ import annotations

import math
from typing import Any

from pellucid.autograd import is_anomaly_enabled
from pellucid.autograd import set_detect_anomaly as set_anomaly_enabled
from pellucid.core import Tensor
from pellucid.errors import warn
from pellucid.ops.storage import (
    BFloat16Storage,
    BoolStorage,
    ByteStorage,
    CharStorage,
    ComplexDoubleStorage,
    ComplexFloatStorage,
    DoubleStorage,
    FloatStorage,
    HalfStorage,
    IntStorage,
    LongStorage,
    ShortStorage,
    TypedStorage,
    UntypedStorage,
)  # fmt: skip
from pellucid.ops.tensor_types import (
    BFloat16Tensor,
    BoolTensor,
    ByteTensor,
    CharTensor,
    DoubleTensor,
    FloatTensor,
    HalfTensor,
    IntTensor,
    LongTensor,
    ShortTensor,
)  # fmt: skip
from pellucid.types.layouts import contiguous_format

from . import _compiled, _foreach, _layers, _symbols
from ._compile import compile
from ._layers import *  # noqa: F403
from ._older import (
    celu,
    detach,
    detach_,
    dsmm,
    hardshrink,
    hinge_embedding_loss,
    instance_norm,
    is_signed,
    margin_ranking_loss,
    pdist,
    pixel_shuffle,
    pixel_unshuffle,
    poisson_nll_loss,
    prelu,
    range,
    selu,
    sparse_csr_tensor,
    threshold,
    triplet_margin_loss,
    vander,
    vmap,
)
from ._records import PyTorchFileReader
from ._settings import (
    are_deterministic_algorithms_enabled,
    get_default_device,
    get_deterministic_debug_mode,
    get_device_module,
    get_float32_matmul_precision,
    get_num_interop_threads,
    get_num_threads,
    is_deterministic_algorithms_warn_only_enabled,
    is_warn_always_enabled,
    set_default_device,
    set_default_tensor_type,
    set_deterministic_debug_mode,
    set_float32_matmul_precision,
    set_flush_denormal,
    set_num_interop_threads,
    set_num_threads,
    set_warn_always,
    use_deterministic_algorithms,
)  # fmt: skip
from ._symbols import *  # noqa: F403
from .amp import GradScaler, autocast
from .amp.autocast_mode import active, fast_dtype
from .futures import Future
from .jit import fork, wait

__all__ = [
    "PyTorchFileReader",
    "BFloat16Storage", "BoolStorage", "ByteStorage", "CharStorage", "ComplexDoubleStorage", "ComplexFloatStorage",
    "DoubleStorage", "FloatStorage", "HalfStorage", "IntStorage", "LongStorage", "ShortStorage", "Storage",
    "AcceleratorError", "BFloat16Tensor", "BoolTensor", "ByteTensor", "CharTensor", "DoubleTensor", "Event",
    "FloatTensor", "Future", "GradScaler", "HalfTensor", "IntTensor", "LongTensor", "OutOfMemoryError",
    "ShortTensor", "Stream", "TypedStorage", "UntypedStorage", "are_deterministic_algorithms_enabled", "autocast",
    "celu", "compile", "detach", "detach_", "dsmm", "e", "fork", "get_autocast_cpu_dtype", "get_autocast_dtype",
    "get_autocast_gpu_dtype", "get_default_device", "get_deterministic_debug_mode", "get_device_module",
    "get_float32_matmul_precision", "get_num_interop_threads", "get_num_threads", "hardshrink", "has_lapack",
    "has_mkl", "has_openmp", "hinge_embedding_loss", "inf", "instance_norm", "is_anomaly_enabled",
    "is_autocast_cache_enabled", "is_autocast_cpu_enabled", "is_autocast_enabled",
    "is_deterministic_algorithms_warn_only_enabled", "is_distributed", "is_inference", "is_signed", "is_storage",
    "is_warn_always_enabled", "legacy_contiguous_format", "margin_ranking_loss",
    "nan", "newaxis", "pdist", "pi", "pixel_shuffle",
    "pixel_unshuffle", "poisson_nll_loss", "prelu", "range", "selu", "set_anomaly_enabled", "set_default_device",
    "set_default_tensor_type", "set_deterministic_debug_mode", "set_float32_matmul_precision", "set_flush_denormal",
    "set_num_interop_threads", "set_num_threads", "set_warn_always", "sparse_csr_tensor", "threshold",
    "triplet_margin_loss", "use_deterministic_algorithms", "vander", "vmap", "wait",
]  # fmt: skip

__all__ += _layers.__all__
__all__ += _symbols.__all__

for _room, _names in ((_foreach, _foreach.NAMES), (_symbols, _symbols.PRIVATE), (_compiled, _compiled.PRIVATE)):
    globals().update({_name: getattr(_room, _name) for _name in _names})
    __all__ += _names  # pyright: ignore[reportUnsupportedDunderAll]

Storage = FloatStorage

legacy_contiguous_format = contiguous_format
nan, inf, pi, e, newaxis = math.nan, math.inf, math.pi, math.e, None
has_lapack, has_mkl, has_openmp = True, False, False


class OutOfMemoryError(RuntimeError):
    """Of a GPU: never raised here; programs name it in `except`."""


class AcceleratorError(RuntimeError):
    """Of a GPU: never raised here; programs name it in `except`."""


class Stream:
    """An order of work on a device; on the CPU there is one, and all that was asked for is done."""

    device_type = "cpu"

    def __init__(self, device: Any = None, *, priority: int = 0) -> None:
        if device is not None and "cpu" not in str(device):
            raise RuntimeError("Cannot access accelerator device when none is available.")

    def synchronize(self) -> None:
        """Nothing: what was asked for is done."""

    def __enter__(self) -> Stream:
        return self

    def __exit__(self, *error: Any) -> None:
        """Nothing."""


class Event:
    """Raises RuntimeError: there is no device that marks its work."""

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError("Cannot access accelerator device when none is available.")


def is_autocast_enabled(device_type: str = "cuda") -> bool:
    """Whether ops on that kind of device are cast to a lower precision now: only ever on the CPU."""
    return device_type.startswith("cpu") and active() is not None


def is_autocast_cpu_enabled() -> bool:
    """Whether ops are cast to a lower precision now."""
    _deprecated("is_autocast_cpu_enabled()", "is_autocast_enabled('cpu')")
    return active() is not None


def is_autocast_cache_enabled() -> bool:
    """True, PyTorch's default; here a weight is cast anew each time that it is used, to the same numbers."""
    return True


def get_autocast_dtype(device_type: str) -> Any:
    """The dtype that some ops run in under autocast: on the CPU bfloat16, unless a block says otherwise."""
    return fast_dtype(device_type)


def get_autocast_cpu_dtype() -> Any:
    """The dtype that some ops run in under autocast on the CPU."""
    _deprecated("get_autocast_cpu_dtype()", "get_autocast_dtype('cpu')")
    return fast_dtype("cpu")


def get_autocast_gpu_dtype() -> Any:
    """The dtype that some ops would run in under autocast on a GPU."""
    _deprecated("get_autocast_gpu_dtype()", "get_autocast_dtype('cuda')")
    return fast_dtype("cuda")


def _deprecated(name: str, instead: str) -> None:
    warn(f"torch.{name} is deprecated. Please use torch.{instead} instead.", DeprecationWarning)


def is_storage(obj: Any) -> bool:
    """Whether something is a storage."""
    return isinstance(obj, TypedStorage | UntypedStorage)


def is_distributed(tensor: Tensor) -> bool:
    """False: each tensor is in one place."""
    return False


def is_inference(tensor: Tensor) -> bool:
    """Whether a tensor was made in inference mode, and cannot be saved for backward."""
    return tensor.is_inference()
