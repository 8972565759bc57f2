"""The engine: tensors, the declaration of ops, the door that every op goes through, and backward.

Read in this order, an evening's reading:

| file | what it is about |
|---|---|
| `dtypes`, `devices`, `errors` | element types, where the numbers are, errors that teach: to be looked up |
| `tensor` | the data, and what autograd must know of it |
| `domain`, `declaration` | how an op is declared |
| `node` | what is recorded of an application |
| `context`, `modes` | what holds for the length of a block: grad mode, interpreters |
| `promotion` | how the dtypes of arguments mix |
| `door` | how an op is applied: the one door |
| `engine` | backward |
| `views` | views that share memory, and changes in place |
| `custom_function` | ops with a backward written by the user, `autograd.Function` |
| `methods`, `export`, `format` | what is put on Tensor, what is offered under `pellucid.`, how a tensor prints |
"""

from .dtypes import as_dtype, dtype, get_default_dtype, set_default_dtype  # isort: skip  (in reading order)
from .context import TABLE, Interpreter, state
from .custom_function import Function
from .declaration import Op, elementwise, op
from .devices import device
from .domain import Domain, integers, interval, nonzero, positive, real
from .door import apply, below, interpreter
from .engine import backward, grad
from .errors import DimensionError, ShapeError
from .export import FUNCTIONS, function, in_place
from .format import get_printoptions, printoptions, set_printoptions
from .methods import RemovableHandle, method
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, Size, called
from .promotion import as_arguments, promote, result_type
from .tensor import Tensor, from_data, wrap

__all__ = [
    "as_dtype", "dtype", "get_default_dtype", "set_default_dtype",
    "device",
    "DimensionError", "ShapeError",
    "Tensor", "from_data", "wrap",
    "Domain", "integers", "interval", "nonzero", "positive", "real",
    "Op", "elementwise", "op",
    "Node", "Size", "called",
    "TABLE", "Interpreter", "state",
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
    "as_arguments", "promote", "result_type",
    "apply", "below", "interpreter",
    "backward", "grad",
    "Function",
    "RemovableHandle", "method",
    "FUNCTIONS", "function", "in_place",
    "get_printoptions", "printoptions", "set_printoptions",
]  # fmt: skip
