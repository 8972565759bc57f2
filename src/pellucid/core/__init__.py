"""The engine: tensors, the declaration of ops, the door that every op goes through, and backward.

Read in this order, an evening's reading:

| file | what it is about |
|---|---|
| `domain`, `declaration` | what is declared of an op |
| `errors` | errors that teach: to be looked up |
| `node` | what backward walks |
| `tensor` | the data, and what autograd must know of it; views |
| `context`, `modes` | what holds for the length of a block: grad mode, interpreters, watchers |
| `conversion` | tensors from numbers, lists and arrays |
| `promotion` | how the dtypes of arguments mix |
| `application` | one application of an op: computed, recorded |
| `views` | views that share memory, and changes in place |
| `door` | the one door that every op goes through, and the interpreters behind it |
| `operation` | how an op is declared |
| `vocabulary`, `rules`, `engine`, `gradients` | backward |
| `hooks` | functions that are called with a gradient as it passes |
| `methods`, `export` | what is put on Tensor, what is offered under `pellucid.` |
"""

# isort: off  (in reading order)
from pellucid.types import Size, as_dtype, device, dtype, get_default_dtype, set_default_dtype

from . import methods
from .context import EngineWatcher, state
from .conversion import from_data
from .declaration import Declaration
from .domain import Domain, integers, interval, nonzero, positive, real
from .door import Interpreter, apply, below, interpreter, promote
from .errors import DimensionError, ShapeError
from .export import FUNCTIONS, function, install_ops
from .gradients import backward, grad
from .hooks import RemovableHandle, hang_on_node
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, called
from .operation import TABLE, Op, elementwise, op
from .promotion import as_arguments, result_type
from .tensor import Tensor, method, wrap

# isort: on

__all__ = [
    "Size", "as_dtype", "dtype", "get_default_dtype", "set_default_dtype", "device",
    "Domain", "integers", "interval", "nonzero", "positive", "real", "Declaration", "DimensionError", "ShapeError",
    "Node", "called", "Tensor", "method", "wrap", "EngineWatcher", "state",
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
    "from_data", "as_arguments", "result_type",
    "Interpreter", "apply", "below", "interpreter", "promote",
    "TABLE", "Op", "elementwise", "op",
    "backward", "grad",
    "RemovableHandle", "hang_on_node", "methods", "FUNCTIONS", "function", "install_ops",
]  # fmt: skip
