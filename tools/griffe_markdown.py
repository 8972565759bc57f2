"""What mkdocstrings shows of a docstring: the same in Markdown (mkdocs.yml names this file under `extensions`)."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from typing import Any

import griffe  # pyright: ignore[reportMissingImports]  (of the extra docs)

sys.path.insert(0, str(Path(__file__).parent.parent))  # where mkdocs runs this file it is not there
from tools.docstrings import markdown


class Markdown(griffe.Extension):
    """Rewrites the docstring of each object that is read."""

    def on_object(self, *, obj: Any, **_: Any) -> None:
        if obj.docstring is not None:
            obj.docstring.value = markdown(obj.docstring.value)

    def on_class(self, *, cls: Any, **_: Any) -> None:
        """A docstring that is put together when the class is made cannot be read in the source."""
        if "__doc__" in cls.members:
            made = getattr(importlib.import_module(cls.module.path), cls.name)
            cls.docstring = griffe.Docstring(markdown(made.__doc__), parent=cls)
