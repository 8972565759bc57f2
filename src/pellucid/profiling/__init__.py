"""`pellucid.profile(step)`: what each op of a computation costs, forward and backward, and when it runs.

`torch.profiler` and `torch.autograd.profiler` are there too, with PyTorch's table of names; this adds what they leave
out here: bytes, operations, modules, the backward of each op, and a chart of the time.
"""

from .profiler import profile
from .result import OpCost, Profile

__all__ = ["OpCost", "Profile", "profile"]
