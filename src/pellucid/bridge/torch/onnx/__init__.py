"""`torch.onnx`: refused, with what to do instead."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["OnnxExporterError", "export", "is_in_onnx_export"]


class OnnxExporterError(RuntimeError):
    """A model cannot be written as ONNX."""


def is_in_onnx_export() -> bool:
    """False."""
    return False


def export(*args: Any, **kwargs: Any) -> NoReturn:
    """Raises OnnxExporterError."""
    raise OnnxExporterError(
        "pellucid does not write ONNX: save model.state_dict() with torch.save, load it with PyTorch, and export there"
    )
