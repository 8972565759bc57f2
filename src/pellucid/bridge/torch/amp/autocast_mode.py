"""`torch.autocast`: products in lower precision and losses in float32 for the length of a block (`ops.autocast`)."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from contextlib import AbstractContextManager
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.ops.autocast import active, autocasting
from pellucid.types.dtypes import bfloat16, float16, float64

__all__ = ["autocast", "custom_bwd", "custom_fwd", "is_autocast_available"]

_KINDS = ("cpu", "cuda", "mps", "xpu", "mtia", "maia", "hpu", "xla", "ipu", "privateuseone")
_SUPPORTED = (bfloat16, float16)


def is_autocast_available(device_type: str) -> bool:
    """Whether PyTorch knows autocast for that kind of device, be one there or not."""
    return _kind(device_type) in _KINDS


def _kind(device_type: str) -> str:
    kind = device_type.partition(":")[0]
    if kind not in _KINDS and kind != "meta":
        raise RuntimeError(f"Expected one of {', '.join(_KINDS)} device type at start of device string: {device_type}")
    return kind


def fast_dtype(device_type: str) -> Any:
    """The dtype that some ops run in under autocast: on the CPU bfloat16, unless a block says otherwise."""
    kind = _kind(device_type)
    if kind == "meta":
        raise RuntimeError("unsupported scalarType")
    found = active() if kind == "cpu" else None
    return found.fast if found is not None else bfloat16 if kind in ("cpu", "xla", "hpu", "ipu") else float16


def deprecated(name: str, instead: str) -> None:
    """PyTorch's warning for one of the older names."""
    warnings.warn(f"`{name}(args...)` is deprecated. Please use `{instead}` instead.", FutureWarning, stacklevel=3)


class autocast:
    """A context, or a decorator, in which some ops run in lower precision, by PyTorch's lists for the CPU.

    For a GPU, which is not there, and for a dtype that is neither bfloat16 nor float16, PyTorch warns and casts
    nothing, and so does this. `cache_enabled` has no meaning here: a weight is cast each time that it is used.

    Raises:
        RuntimeError: `device_type` is no kind of device.
        ValueError: it is no text.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        self.fast_dtype = fast_dtype(device_type) if dtype is None else dtype
        if not is_autocast_available(device_type):
            raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
        self.device = device_type
        if enabled and device_type == "cuda":
            warnings.warn("CUDA is not available or torch_xla is imported. Disabling autocast.", stacklevel=2)
            enabled = False
        elif enabled and self.fast_dtype not in _SUPPORTED:
            name = device_type.upper()
            warnings.warn(
                f"In {name} autocast, but the target dtype is not supported. Disabling autocast.\n{name} Autocast only "
                "supports dtypes of torch.bfloat16, torch.float16 currently.",
                stacklevel=2,
            )
            enabled = False
        self._enabled = enabled
        self._open: list[AbstractContextManager[None]] = []

    def __enter__(self) -> autocast:
        found = active()  # what is around it goes on, where this is for another kind of device
        ours = self.device.startswith("cpu")
        block = autocasting((self.fast_dtype if self._enabled else None) if ours else found and found.fast)
        block.__enter__()
        self._open.append(block)
        return self

    def __exit__(self, *error: Any) -> bool:
        self._open.pop().__exit__(None, None, None)
        return False

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        if not callable(func):
            raise TypeError(
                f"autocast()(func) requires a callable, but got {type(func).__name__}. Did you mean to use autocast as "
                "a context manager? For example:\n    with torch.autocast(device_type=...):\n        output = model(x)"
            )

        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside


def _cast(value: Any, dtype: Any) -> Any:
    if isinstance(value, Tensor):
        return value.to(dtype) if value.is_floating_point() and value.dtype is not float64 else value
    if isinstance(value, dict):
        return {_cast(key, dtype): _cast(entry, dtype) for key, entry in value.items()}
    if isinstance(value, list | tuple) and not isinstance(value, np.ndarray):
        return type(value)(_cast(entry, dtype) for entry in value)
    return value


def custom_fwd(fwd: Callable[..., Any] | None = None, *, device_type: str, cast_inputs: Any = None) -> Any:
    """Decorates the forward of a `Function`: its backward will run as it did, under autocast or not.

    With `cast_inputs`, its tensors are cast to that dtype under autocast, and its ops then run as they are.
    """
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if fwd is None:
        return functools.partial(custom_fwd, device_type=device_type, cast_inputs=cast_inputs)

    @functools.wraps(fwd)
    def forward(*args: Any, **kwargs: Any) -> Any:
        on = device_type == "cpu" and active() is not None
        args[0]._dtype = fast_dtype(device_type)
        args[0]._fwd_used_autocast = on and cast_inputs is None
        if not on or cast_inputs is None:
            return fwd(*args, **kwargs)
        with autocast(device_type, enabled=False):
            return fwd(*_cast(args, cast_inputs), **_cast(kwargs, cast_inputs))

    return forward


def custom_bwd(bwd: Callable[..., Any] | None = None, *, device_type: str) -> Any:
    """Decorates the backward of a `Function`, to run under autocast if the forward did (see `custom_fwd`)."""
    if not isinstance(device_type, str):
        raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
    if bwd is None:
        return functools.partial(custom_bwd, device_type=device_type)

    @functools.wraps(bwd)
    def backward(*args: Any, **kwargs: Any) -> Any:
        with autocast(device_type, enabled=args[0]._fwd_used_autocast, dtype=args[0]._dtype):
            return bwd(*args, **kwargs)

    return backward
