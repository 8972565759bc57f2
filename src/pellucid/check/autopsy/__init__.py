"""Why a gradient is wrong: mistakes are made on purpose, one by one, until one gives the gradient that was found."""

from pellucid.check.autopsy.diagnose import Diagnosis, diagnose

__all__ = ["Diagnosis", "diagnose"]
