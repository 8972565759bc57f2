"""What `export` is called with: refused here where the file would otherwise be of something else than was meant."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import numpy as np

from ..nn import Module

# Settings of `torch.onnx.export` that change nothing here.
IGNORED = """
    export_params verbose training operator_export_type do_constant_folding keep_initializers_as_inputs custom_opsets
    export_modules_as_functions autograd_inlining dynamo external_data custom_translation_table report optimize
    profile dump_exported_program artifacts_dir fallback input_observer
""".split()


def check_call(model: Any, args: Any, f: Any, settings: dict[str, Any]) -> None:
    """Raise TypeError or OSError for a model, arguments, a path or settings that are none."""
    if not isinstance(model, Module):
        raise TypeError(
            f"onnx.export writes a Module, and was given a {type(model).__name__}: call a function from the forward of "
            "one"
        )
    if unknown := sorted(set(settings) - set(IGNORED)):
        raise TypeError(f"onnx.export has no setting {', '.join(unknown)}, and neither has torch.onnx.export")
    for value in args if isinstance(args, tuple | list) else (args,):
        if isinstance(value, np.ndarray):
            raise TypeError(
                f"onnx.export takes tensors, and was given an array of shape {value.shape}, which would become a "
                "constant of the file: torch.from_numpy(it)"
            )
    if f is None or hasattr(f, "write"):
        return
    path = Path(os.fspath(f))
    if path.is_dir():
        raise IsADirectoryError(f"{path} is a folder; the name of a file is needed, such as {path / 'model.onnx'}")
    if not path.parent.is_dir():
        raise FileNotFoundError(f"there is no folder {path.parent} to write {path.name} to; make it first")
