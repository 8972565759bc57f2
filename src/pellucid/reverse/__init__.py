"""Backward: from the nodes that `core` recorded back to what a result was computed from.

Read in this order:

| file | what it is about |
|---|---|
| `vocabulary` | the ops as rules speak them: on arrays, and on Tensors |
| `rules` | the rules of one node, called on its gradient, either way |
| `hooking` | the hooks that users hang on tensors and on nodes |
| `engine` | the walk from node to node |
| `gradients` | what is asked of it: `backward`, `grad` |
| `methods` | what it puts on Tensor: `backward`, hooks, `detach` |
"""

from . import methods
from .gradients import backward, grad
from .vocabulary import LIFTED, of_array, sum_to

__all__ = ["LIFTED", "backward", "grad", "methods", "of_array", "sum_to"]
