"""Why a gradient is wrong: mistakes are made on purpose, one by one, until one gives the gradient that was found.

`examine` is the door for whoever has a loss, parameters and gradients from any program, known up to a common factor.
"""

from pellucid.check.autopsy.diagnose import Diagnosis, diagnose
from pellucid.check.autopsy.examine import Examination, TensorFinding, examine

__all__ = ["Diagnosis", "Examination", "TensorFinding", "diagnose", "examine"]
