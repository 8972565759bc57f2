"""`pellucid.autograd`: what differentiates. The engine itself is in `pellucid.core`."""

from pellucid.core import backward, enable_grad, grad, inference_mode, no_grad, set_grad_enabled
from pellucid.record.anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly

from . import function, functional
from .function import Function
from .gradcheck import GradcheckError, gradcheck, gradgradcheck

__all__ = [
    "AnomalyError", "Function", "GradcheckError", "backward", "detect_anomaly", "enable_grad", "function", "functional",
    "grad", "gradcheck", "gradgradcheck", "inference_mode", "is_anomaly_enabled", "no_grad", "set_detect_anomaly",
    "set_grad_enabled",
]  # fmt: skip
