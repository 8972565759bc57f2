"""The packages that ONNX files need: imported where they are used, asked for by name."""

from __future__ import annotations

import importlib
from typing import Any


def need(package: str, what: str) -> Any:
    """The package, or an error that says what to install."""
    try:
        return importlib.import_module(package)
    except ModuleNotFoundError as error:
        if error.name != package:
            raise  # it is there, and something that it needs is missing
        message = f'{what} needs the package {package}: pip install "pellucid[onnx]"'
        raise ModuleNotFoundError(message, name=package) from None
