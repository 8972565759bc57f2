"""`pellucid.autograd`: what differentiates. The engine itself is in `pellucid.core`."""

from pellucid.core import enable_grad, inference_mode, no_grad, set_grad_enabled
from pellucid.record.anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from pellucid.reverse import backward, grad
from pellucid.torch_names import absent

from . import _functions as _functions
from . import anomaly_mode, forward_ad, function, functional, grad_mode, graph, profiler, profiler_util, variable
from .function import Function
from .grad_mode import _force_original_view_tracking as _force_original_view_tracking
from .grad_mode import is_multithreading_enabled, is_view_replay_enabled, set_multithreading_enabled
from .gradcheck import GradcheckError, gradcheck, gradgradcheck
from .graph import _unsafe_preserve_version_counter as _unsafe_preserve_version_counter
from .profiler import is_enabled as _profiler_enabled  # noqa: F401  under PyTorch's name
from .profiler import kineto_available
from .saved import SavedTensor
from .variable import Variable

__all__ = [
    "AnomalyError", "Function", "GradcheckError", "SavedTensor", "Variable", "anomaly_mode", "backward",
    "detect_anomaly", "enable_grad", "forward_ad", "function", "functional", "grad", "grad_mode",
    "gradcheck", "gradgradcheck", "graph",
    "inference_mode", "is_anomaly_enabled", "is_multithreading_enabled", "is_view_replay_enabled",
    "kineto_available", "no_grad", "profiler", "profiler_util", "set_detect_anomaly",
    "set_grad_enabled", "set_multithreading_enabled", "variable",
]  # fmt: skip

__getattr__ = absent(__name__)
