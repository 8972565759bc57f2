"""Two models trained in lockstep: the first tensor in which they part, and whether rounding explains it."""

from pellucid.check.parity.compare import parity
from pellucid.check.parity.functions import JAX, NumPy
from pellucid.check.parity.report import ParityReport

__all__ = ["JAX", "NumPy", "ParityReport", "parity"]
