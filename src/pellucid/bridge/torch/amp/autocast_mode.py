"""`torch.autocast`: the context is entered and left, and every op computes in the dtype of its tensors."""

from __future__ import annotations

import functools
import warnings
from collections.abc import Callable
from typing import Any

import pellucid

__all__ = ["autocast", "is_autocast_available"]

_KINDS = ("cpu", "cuda", "mps", "xpu", "mtia", "maia", "hpu", "xla", "ipu", "privateuseone")


def is_autocast_available(device_type: str) -> bool:
    """Whether ops can be run in lower precision on that kind of device: here never."""
    if device_type not in _KINDS:
        raise RuntimeError(f"User specified an unsupported autocast device_type '{device_type}'")
    return False


class autocast:
    """A context, or a decorator, in which PyTorch runs some ops in lower precision; here each keeps its dtype.

    For a device that is not there PyTorch warns and does the same. For the CPU it would compute in bfloat16: numbers
    are then more exact here than there, and a warning says so.

    Raises:
        RuntimeError: `device_type` is no kind of device.
    """

    def __init__(
        self, device_type: str, dtype: Any = None, enabled: bool = True, cache_enabled: bool | None = None
    ) -> None:
        if not isinstance(device_type, str):
            raise ValueError(f"Expected `device_type` of type `str`, got: `{type(device_type)}`")
        is_autocast_available(device_type)
        self.device, self.fast_dtype = device_type, dtype or getattr(pellucid, "bfloat16", pellucid.float16)
        if enabled and device_type == "cuda":
            warnings.warn("User provided device_type of 'cuda', but CUDA is not available. Disabling", stacklevel=2)
        elif enabled and device_type == "cpu":
            warnings.warn(
                "autocast on the CPU computes in the dtype of the tensors here, not in bfloat16", stacklevel=2
            )
        self._enabled = False

    def __enter__(self) -> autocast:
        return self

    def __exit__(self, *error: Any) -> bool:
        return False

    def __call__(self, func: Callable[..., Any]) -> Callable[..., Any]:
        @functools.wraps(func)
        def inside(*args: Any, **kwargs: Any) -> Any:
            with self:
                return func(*args, **kwargs)

        return inside
