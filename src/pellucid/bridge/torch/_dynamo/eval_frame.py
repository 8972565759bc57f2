"""`torch._dynamo.eval_frame`: the class by which programs ask whether a module was compiled."""

from __future__ import annotations

from pellucid.nn import Module

__all__ = ["OptimizedModule"]


class OptimizedModule(Module):
    """What `torch.compile` makes of a module in PyTorch; nothing here is one: it stays the module that it was."""
