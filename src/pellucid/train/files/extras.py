"""Third-party packages that only some callbacks need: imported where they are used, asked for by name."""

from __future__ import annotations

import importlib
from typing import Any


def need(module: str, extra: str | None, what: str) -> Any:
    """The module, or an error that says what to install for `what`: an extra of pellucid's, or the package itself.

    >>> need("json", "standard", "a list").dumps([1])
    '[1]'
    >>> need("absent", "experiments", "a table of absences")
    Traceback (most recent call last):
    ...
    ModuleNotFoundError: a table of absences needs the package absent: pip install "pellucid[experiments]"
    """
    try:
        return importlib.import_module(module)
    except ModuleNotFoundError as error:
        package = module.partition(".")[0]
        if (error.name or "").partition(".")[0] != package:
            raise  # it is there, and something that it needs is missing
        install = package if extra is None else f'"pellucid[{extra}]"'
        message = f"{what} needs the package {package}: pip install {install}"
        raise ModuleNotFoundError(message, name=package) from None
