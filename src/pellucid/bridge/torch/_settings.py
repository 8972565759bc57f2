"""Settings of PyTorch's that programs make at their head: kept and told, since nothing here depends on them."""

from __future__ import annotations

import warnings
from typing import Any

import pellucid
from pellucid import kernels
from pellucid.core import device as device_type
from pellucid.errors import warn
from pellucid.types import devices

_kept: dict[str, Any] = {
    "interop": None, "precision": "highest", "deterministic": "default", "warn_always": False,
}  # fmt: skip


def get_num_threads() -> int:
    """The number of threads of large kernels; before it is set, of the cores. How many NumPy uses its BLAS decides."""
    return kernels.get_num_threads()


def set_num_threads(num: int) -> None:
    """Set the number of threads of large kernels, and of NumPy's BLAS where threadpoolctl is installed."""
    if not isinstance(num, int):
        raise TypeError(f"set_num_threads expects an int, but got {type(num).__name__}")
    if num <= 0:
        raise RuntimeError("set_num_threads expects a positive integer")
    kernels.set_num_threads(num)
    try:
        import threadpoolctl
    except ImportError:
        return
    threadpoolctl.threadpool_limits(num, user_api="blas")


def get_num_interop_threads() -> int:
    """1: one op runs at a time."""
    return _kept["interop"] or 1


def set_num_interop_threads(num: int) -> None:
    """Keep the number; one op runs at a time whatever it is."""
    if num <= 0:
        raise RuntimeError("set_num_interop_threads expects a positive integer")
    _kept["interop"] = num


def get_float32_matmul_precision() -> str:
    """What was set: "highest" unless it was changed."""
    return _kept["precision"]


def set_float32_matmul_precision(precision: str) -> None:
    """Keep the precision; products of float32 are of float32 whatever it is."""
    if precision in ("highest", "high", "medium"):
        _kept["precision"] = precision
    else:  # PyTorch warns, and keeps what was set before
        warnings.warn(
            f"{precision} is not one of 'highest', 'high', or 'medium'; the current value is {_kept['precision']}",
            stacklevel=2,
        )


def use_deterministic_algorithms(mode: bool, *, warn_only: bool = False) -> None:
    """Keep the mode; every op here is deterministic."""
    _kept["deterministic"] = "default" if not mode else "warn" if warn_only else "error"


def are_deterministic_algorithms_enabled() -> bool:
    """Whether the mode was turned on."""
    return _kept["deterministic"] != "default"


def is_deterministic_algorithms_warn_only_enabled() -> bool:
    """Whether the mode was turned on with `warn_only`."""
    return _kept["deterministic"] == "warn"


def set_deterministic_debug_mode(debug_mode: int | str) -> None:
    """The same mode by number or name: 0 "default", 1 "warn", 2 "error"."""
    modes = ("default", "warn", "error")
    mode = modes[debug_mode] if isinstance(debug_mode, int) and 0 <= debug_mode < 3 else debug_mode
    if mode not in modes:
        raise RuntimeError(
            f"invalid value of debug_mode, expected one of `default`, `warn`, `error`, but got {debug_mode}"
        )
    _kept["deterministic"] = mode


def get_deterministic_debug_mode() -> int:
    """The mode as a number."""
    return ("default", "warn", "error").index(_kept["deterministic"])


def set_warn_always(b: bool) -> None:
    """Keep whether warnings are to come each time; Python's filters decide."""
    _kept["warn_always"] = bool(b)


def is_warn_always_enabled() -> bool:
    """What was set."""
    return _kept["warn_always"]


def set_flush_denormal(mode: bool) -> bool:
    """False: it cannot be set here, and PyTorch answers so on processors that cannot."""
    return False


def get_default_device() -> device_type:
    """Where tensors are made that are given no device: the CPU, unless something else was asked for."""
    return devices.default() or devices.CPU


def set_default_device(device: Any) -> None:
    """Make tensors on `device` where none is given; None for the CPU.

    Raises:
        AssertionError, RuntimeError: for a device that is not there, as of each tensor that would be made on it.
    """
    if device is not None:
        pellucid.empty(0, device=device)
    devices.set_default(None if device is None else device_type(device))


def get_device_module(device: Any = None) -> Any:
    """The module of a kind of device: `torch.cpu`."""
    import importlib

    return importlib.import_module(f"pellucid.bridge.torch.{device_type(device or 'cpu').type}")


def set_default_tensor_type(t: Any) -> None:
    """Make the dtype of a type of tensors, `torch.DoubleTensor`, the one that Python floats become."""
    warn(
        "torch.set_default_tensor_type() is deprecated as of PyTorch 2.1, please use torch.set_default_dtype() and "
        "torch.set_default_device() as alternatives."
    )
    name = t if isinstance(t, str) else f"torch.{t.__name__}"
    kinds = {"torch.FloatTensor": "float32", "torch.DoubleTensor": "float64", "torch.HalfTensor": "float16",
             "torch.BFloat16Tensor": "bfloat16"}  # fmt: skip
    if name not in kinds:
        raise TypeError(f"only floating-point types are supported as the default type, got {name}")
    pellucid.set_default_dtype(getattr(pellucid, kinds[name]))
