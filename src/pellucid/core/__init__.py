"""The engine: tensors, the declaration of ops, the door that every op goes through, and backward.

Read in this order: `tensor` (the data), `op` (how an op is declared), `door` (how it is applied), `node` (what is
recorded), `engine` (backward); then `promote`, `views`, `modes`, `function`, `anomaly`, `errors`, `format`.
"""

from .function import Function  # isort: skip  (first: `function` below must not be hidden by the module's name)
from .anomaly import AnomalyError, detect_anomaly, is_anomaly_enabled, set_detect_anomaly
from .devices import device
from .domain import Domain, integers, interval, nonzero, positive, real
from .door import apply, below, interpreter
from .dtypes import as_dtype, dtype, get_default_dtype, set_default_dtype
from .engine import backward, grad
from .errors import DimensionError, ShapeError
from .export import FUNCTIONS, function, in_place
from .generator import Generator, default_generator
from .methods import RemovableHandle, method
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, Size
from .op import Op, elementwise, op
from .promote import as_arguments, promote, result_type
from .state import TABLE, Interpreter, state
from .tensor import Tensor, from_data, wrap

__all__ = [
    "AnomalyError", "DimensionError", "Domain", "FUNCTIONS", "Function", "Generator", "Interpreter", "Node", "Op",
    "RemovableHandle", "ShapeError", "Size", "TABLE", "Tensor", "apply", "as_arguments", "as_dtype", "backward",
    "below", "default_generator", "detect_anomaly", "device", "dtype", "elementwise", "enable_grad", "from_data",
    "function", "get_default_dtype", "grad", "in_place", "inference_mode", "integers", "interpreter", "interval",
    "is_anomaly_enabled", "is_grad_enabled", "is_inference_mode_enabled",
    "method", "no_grad", "nonzero", "op", "positive", "promote", "real",
    "result_type", "set_default_dtype", "set_detect_anomaly", "set_grad_enabled", "state", "wrap",
]  # fmt: skip
