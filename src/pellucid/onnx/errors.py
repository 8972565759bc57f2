"""What cannot be written as ONNX, or read from it."""

from __future__ import annotations


class OnnxExporterError(RuntimeError):
    """A model cannot be written as ONNX; the message names the op, the layer and the line."""


class OnnxLoadError(RuntimeError):
    """A file cannot be read as a module; the message names the node."""
