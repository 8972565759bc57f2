"""The engine: tensors, the declaration of ops, the door that every op goes through, and backward.

Read in this order, an evening's reading:

| file | what it is about |
|---|---|
| `size`, `dtypes`, `devices` | shapes, element types, where the numbers are: to be looked up |
| `domain`, `declaration` | what is declared of an op |
| `errors` | errors that teach: to be looked up |
| `node` | what backward walks |
| `tensor` | the data, and what autograd must know of it; views |
| `context`, `modes` | what holds for the length of a block: grad mode, who watches |
| `conversion` | numbers in and out of tensors |
| `promotion` | how the dtypes of arguments mix |
| `application` | one application of an op: computed, recorded |
| `views` | views that share memory, and changes in place |
| `door` | the one door that every op goes through, and the interpreters behind it |
| `operation` | how an op is declared |
| `vocabulary`, `engine` | backward |
| `custom_function` | ops with a backward written by the user, `autograd.Function` |
| `methods`, `export`, `format` | what is put on Tensor, what is offered under `pellucid.`, how a tensor prints |
"""

# isort: off  (in reading order)
from .context import Watcher, state
from .conversion import from_data
from .custom_function import Function
from .declaration import Declaration
from .devices import device
from .domain import Domain, integers, interval, nonzero, positive, real
from .door import Interpreter, apply, below, interpreter, promote
from .dtypes import as_dtype, dtype, get_default_dtype, set_default_dtype
from .engine import backward, grad
from .errors import DimensionError, ShapeError
from .export import FUNCTIONS, function, install_ops
from .format import get_printoptions, printoptions, set_printoptions
from .methods import RemovableHandle
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, called
from .operation import TABLE, Op, elementwise, op
from .promotion import as_arguments, result_type
from .size import Size
from .tensor import Tensor, method, wrap

# isort: on

__all__ = [
    "Size", "as_dtype", "dtype", "get_default_dtype", "set_default_dtype", "device",
    "Domain", "integers", "interval", "nonzero", "positive", "real", "Declaration", "DimensionError", "ShapeError",
    "Node", "called", "Tensor", "method", "wrap", "Watcher", "state",
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
    "from_data", "as_arguments", "result_type",
    "Interpreter", "apply", "below", "interpreter", "promote",
    "TABLE", "Op", "elementwise", "op",
    "backward", "grad", "Function",
    "RemovableHandle", "FUNCTIONS", "function", "install_ops", "get_printoptions", "printoptions", "set_printoptions",
]  # fmt: skip
