"""Checks: is a gradient right, and if it is not, which mistake is it?

`backward` checks one that was written by hand, in plain NumPy, and names the mistake.
"""

from pellucid.check.handwritten import backward
from pellucid.check.report import Report

__all__ = ["Report", "backward"]
