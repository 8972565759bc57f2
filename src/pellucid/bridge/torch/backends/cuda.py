"""`torch.backends.cuda`: not there; its switches keep what they are set to."""

from __future__ import annotations

import contextlib
from typing import Any


class _Switches:
    """Whatever is set is kept."""

    allow_tf32 = False
    allow_fp16_reduced_precision_reduction = True
    allow_bf16_reduced_precision_reduction = True
    fp32_precision = "none"


matmul = _Switches()
_sdp = {"flash": True, "mem_efficient": True, "math": True, "cudnn": True}


def is_built() -> bool:
    """False."""
    return False


@contextlib.contextmanager
def sdp_kernel(
    enable_flash: bool = True, enable_math: bool = True, enable_mem_efficient: bool = True, **more: Any
) -> Any:
    """A context that does nothing: there is one way here to compute attention."""
    yield {}


def _switch(kind: str) -> None:
    def enabled() -> bool:
        return _sdp[kind]

    def enable(enabled: bool) -> None:
        _sdp[kind] = bool(enabled)

    enabled.__doc__, enable.__doc__ = f"Whether {kind} attention may be used.", "Keep whether it may be used."
    globals()[f"{kind}_sdp_enabled"], globals()[f"enable_{kind}_sdp"] = enabled, enable


for _kind in list(_sdp):
    _switch(_kind)
