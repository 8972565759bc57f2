"""ONNX: models written for other runtimes, checked, and read back as modules that train.

`export` runs a model's forward once and writes what ran, op by op, so that functions are written as layers are.
"""

from .errors import OnnxExporterError, OnnxLoadError
from .exporting import OPSETS, Exported, difference, export
from .loading import OnnxModule, load

__all__ = ["OPSETS", "Exported", "OnnxExporterError", "OnnxLoadError", "OnnxModule", "difference", "export", "load"]
