"""The engine forward: tensors, what is declared of an op, the door that every op goes through, and what it records.

Read in this order, an evening's reading:

| file | what it is about |
|---|---|
| `domain`, `declaration` | what is declared of an op |
| `node` | what is recorded of a computation, and what backward walks |
| `tensor` | the data, and what autograd must know of it; views |
| `context`, `modes` | what holds for the length of a block: grad mode, interpreters, watchers |
| `conversion` | tensors from numbers, lists and arrays |
| `promotion` | how the dtypes of arguments mix |
| `application` | one application of an op: computed, recorded |
| `recorder`, `collector` | what records it; Python's garbage collector and large graphs |
| `views` | views that share memory, and changes in place |
| `door` | the one door that every op goes through, and the interpreters behind it |
| `hooks` | functions that are called with a gradient as it passes |

Beneath it are `types` (dtypes, shapes, devices) and `errors`; above it `declare` (how ops are declared and called) and
`reverse` (backward).
"""

# isort: off  (in reading order)
from pellucid.types import Size, as_dtype, device, dtype, get_default_dtype, set_default_dtype

from .context import EngineWatcher, state
from .conversion import from_data
from .declaration import Declaration
from .domain import Domain, integers, interval, nonzero, positive, real
from .door import Interpreter, apply, below, interpreter, promote
from .hooks import RemovableHandle, hang_on_node
from .modes import enable_grad, inference_mode, is_grad_enabled, is_inference_mode_enabled, no_grad, set_grad_enabled
from .node import Node, called
from .promotion import as_arguments, result_type
from .tensor import Tensor, method, wrap

# isort: on

__all__ = [
    "Size", "as_dtype", "dtype", "get_default_dtype", "set_default_dtype", "device",
    "Domain", "integers", "interval", "nonzero", "positive", "real", "Declaration",
    "Node", "called", "Tensor", "method", "wrap", "EngineWatcher", "state",
    "enable_grad", "inference_mode", "is_grad_enabled", "is_inference_mode_enabled", "no_grad", "set_grad_enabled",
    "from_data", "as_arguments", "result_type", "Interpreter", "apply", "below", "interpreter", "promote",
    "RemovableHandle", "hang_on_node",
]  # fmt: skip
