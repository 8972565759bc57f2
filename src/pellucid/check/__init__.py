"""Checks: is a gradient right, and if it is not, which mistake is it?

`backward` checks one that was written by hand, in plain NumPy, and names the mistake; `layer` and `layers` do so for
single layers. `gradients` checks any function, module or op, of pellucid, PyTorch, JAX or NumPy. `parity` trains two
models in lockstep and names the first tensor in which they part.
"""

from pellucid.check.gradients import gradients
from pellucid.check.handwritten import backward
from pellucid.check.layer import layer, layers
from pellucid.check.parity import JAX, NumPy, ParityReport, parity
from pellucid.check.report import Report

__all__ = ["JAX", "NumPy", "ParityReport", "Report", "backward", "gradients", "layer", "layers", "parity"]
