"""`pellucid.autograd`: what differentiates. The engine itself is in `pellucid.core`."""

from pellucid.core import enable_grad, inference_mode, no_grad, set_grad_enabled
from pellucid.record.anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from pellucid.reverse import backward, grad
from pellucid.torch_names import absent

from . import function, functional, variable
from .function import Function
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .variable import Variable

__all__ = [
    "AnomalyError", "Function", "GradcheckError", "Variable", "backward", "detect_anomaly", "enable_grad", "function",
    "functional", "grad", "gradcheck", "gradgradcheck", "inference_mode", "is_anomaly_enabled", "no_grad",
    "set_detect_anomaly", "set_grad_enabled", "variable",
]  # fmt: skip

__getattr__ = absent(__name__)
