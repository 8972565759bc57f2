"""`torch.cuda` on a machine without CUDA: it says so, and what only sets something up does nothing."""

from __future__ import annotations

import contextlib
from typing import Any

from .._device import Requires, refuse


def is_available() -> bool:
    """False: tensors are in main memory."""
    return False


_initialized = False  # which layers that compute again ask before they keep the state of a device's generator


def is_initialized() -> bool:
    """False."""
    return _initialized


def is_bf16_supported(including_emulation: bool = True) -> bool:
    """False."""
    return False


def is_current_stream_capturing() -> bool:
    """False."""
    return False


def device_count() -> int:
    """0."""
    return 0


def get_arch_list() -> list[str]:
    """Empty: there is no device to compile for."""
    return []


def manual_seed(seed: int) -> None:
    """Nothing: there is no generator of a device to seed."""
    int(seed)


manual_seed_all = manual_seed


def seed() -> None:
    """Nothing."""


seed_all = empty_cache = seed


def get_rng_state_all() -> list[Any]:
    """Empty: one state for each device."""
    return []


def set_rng_state_all(new_states: Any) -> None:
    """Nothing, for no state."""
    if list(new_states):
        refuse("CUDA")


def memory_allocated(device: Any = None) -> int:
    """0 bytes."""
    return 0


max_memory_allocated = memory_reserved = max_memory_reserved = memory_cached = max_memory_cached = memory_allocated


def memory_stats(device: Any = None) -> dict[str, Any]:
    """Empty."""
    return {}


def _refused(name: str) -> Any:
    def refused(*args: Any, **kwargs: Any) -> Any:
        refuse("CUDA")

    refused.__name__ = refused.__qualname__ = name
    refused.__doc__ = "Raises AssertionError: there is no CUDA here."
    return refused


for _name in (
    "current_device", "current_stream", "default_stream", "get_device_name", "get_device_properties",
    "get_device_capability", "synchronize", "set_device", "mem_get_info", "get_rng_state", "set_rng_state",
    "initial_seed", "init", "ipc_collect", "reset_peak_memory_stats", "memory_summary", "can_device_access_peer",
    "utilization", "temperature", "power_draw", "clock_rate", "set_per_process_memory_fraction", "memory_snapshot",
    "reset_max_memory_allocated", "current_blas_handle", "cudart", "make_graphed_callables", "graph",
):  # fmt: skip
    globals()[_name] = _refused(_name)


@contextlib.contextmanager
def _nothing(what: Any) -> Any:
    if what is not None and not (isinstance(what, int) and what < 0):
        refuse("CUDA")
    yield


def stream(stream: Any) -> Any:
    """A context that does nothing for None, and refuses any other stream."""
    return _nothing(stream)


def device(device: Any) -> Any:
    """A context that does nothing for None and -1, and refuses any other device."""
    return _nothing(device)


class Stream(Requires):
    """Raises RuntimeError: there is no CUDA here."""


class Event(Requires):
    """Raises RuntimeError: there is no CUDA here."""


class CUDAGraph(Requires):
    """Raises RuntimeError: there is no CUDA here."""


class OutOfMemoryError(RuntimeError):
    """Never raised here; programs name it in `except`."""


class _Typed(type):
    """A type of tensors on a GPU: no tensor is of it, and none can be made."""

    def __instancecheck__(cls, instance: Any) -> bool:
        return False

    def __call__(cls, *args: Any, **kwargs: Any) -> Any:
        raise TypeError(f"type torch.cuda.{cls.__name__} not available. Torch not compiled with CUDA enabled.")


for _name in ("Float", "Double", "Half", "BFloat16", "Long", "Int", "Short", "Char", "Byte", "Bool"):
    globals()[f"{_name}Tensor"] = _Typed(f"{_name}Tensor", (), {"__module__": "torch.cuda"})

from . import amp  # noqa: E402, F401  the submodules are there without being imported, as in PyTorch
