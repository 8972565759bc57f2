"""Checks: is a gradient right, and if it is not, which mistake is it?

`backward` checks one that was written by hand, in plain NumPy, and names the mistake; `gradients` that of any function,
module or op, of pellucid, PyTorch, JAX or NumPy.
"""

from pellucid.check.gradients import gradients
from pellucid.check.handwritten import backward
from pellucid.check.report import Report

__all__ = ["Report", "backward", "gradients"]
