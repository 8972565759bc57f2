"""How ops and functions are declared, and how what is declared is called: PyTorch's parser, `out=`, names.

| file | what it is about |
|---|---|
| `operation` | `op` and `elementwise` declare an op, which is called through the door; the table of all ops |
| `arguments` | the types of arguments, as PyTorch's parser sees them |
| `overrides` | `__torch_function__`: what classes of a program's own make of functions |
| `outputs` | `out=`, for all ops and functions |
| `export` | functions composed of ops, and the names under which all are offered |

What is declared is data (`core.declaration`), which the engine reads; here it becomes something that a user calls.
"""

from .arguments import Number, integer, is_integer, is_list, is_number, parsed, spread
from .export import FUNCTIONS, function, install_ops
from .operation import TABLE, Op, elementwise, op

__all__ = [
    "FUNCTIONS", "TABLE", "Number", "Op", "elementwise", "function", "install_ops", "integer", "is_integer", "is_list",
    "is_number", "op", "parsed", "spread",
]  # fmt: skip
