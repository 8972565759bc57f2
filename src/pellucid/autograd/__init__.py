"""`pellucid.autograd`: what differentiates. The engine itself is in `pellucid.core`."""

from pellucid.core import (
    AnomalyError,
    Function,
    backward,
    detect_anomaly,
    enable_grad,
    grad,
    inference_mode,
    is_anomaly_enabled,
    no_grad,
    set_detect_anomaly,
    set_grad_enabled,
)

from . import function, functional

__all__ = [
    "AnomalyError", "Function", "backward", "detect_anomaly", "enable_grad", "function", "functional", "grad",
    "inference_mode", "is_anomaly_enabled", "no_grad", "set_detect_anomaly", "set_grad_enabled",
]  # fmt: skip
