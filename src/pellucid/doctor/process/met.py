"""A program by hand that turns out to import PyTorch, by a way that its text does not show: it is one of PyTorch's."""

from __future__ import annotations

import importlib.abc
import sys
from typing import Any

from pellucid.doctor.process.descriptors import is_installed

OF_FRAMEWORK = 64  # what its process ends with


class MetFramework(BaseException):
    """Raised where it imports torch."""


class _Meeting(importlib.abc.MetaPathFinder):
    def find_spec(self, name: str, path: Any, target: Any = None) -> None:
        if name in ("torch", "torchvision") and _asks_itself():
            raise MetFramework


def when_met() -> None:
    """From here on, raise MetFramework where the program itself imports torch; not where a library of its does."""
    sys.meta_path.insert(0, _Meeting())


def _asks_itself() -> bool:
    frame: Any = sys._getframe(1)
    while frame is not None and (frame.f_code.co_filename.startswith("<frozen importlib") or _is_ours(frame)):
        frame = frame.f_back
    return frame is not None and not is_installed(frame.f_code.co_filename)


def _is_ours(frame: Any) -> bool:
    return frame.f_code.co_filename == __file__ or frame.f_code.co_filename.endswith("importlib/__init__.py")
