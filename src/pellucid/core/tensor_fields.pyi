"""What the package itself reads and writes of a tensor, and users do not.

The names begin with an underscore, so that they collide with no attribute that a program hangs on a tensor. A type
checker lets no other file use such a name, unless a stub declares it: this one does, for the rooms of the package.
The values they begin with are in `tensor.py`.
"""

from pellucid.backend import Array

from .hooks import Hooks
from .node import Counter, Node
from .tensor import Tensor, View

class TensorFields:
    _array: Array
    _grad: Tensor | None
    _node: Node | None
    _requires: bool
    _counter: Counter | None
    _view: View | None
    _hooks: Hooks | None
    _after_hooks: Hooks | None
    _retained: bool
