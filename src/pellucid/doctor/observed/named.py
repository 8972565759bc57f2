"""The loss that the user names: a variable where backward() is called, or in what called that."""

from __future__ import annotations

from types import FrameType
from typing import Any

from pellucid.core import Tensor
from pellucid.errors import in_package, user_frame

from .arrays import array_of


def find(name: str) -> Any:
    """The value of a variable, `loss`, or of an attribute of one, `self.loss`; None where there is none."""
    first, *rest = name.split(".")
    for frame in _frames():
        for scope in (frame.f_locals, frame.f_globals):
            if first in scope:
                value = scope[first]
                for attribute in rest:
                    value = getattr(value, attribute, None)
                return value
    return None


def number(value: Any) -> float | None:
    """What it is as a number."""
    if isinstance(value, Tensor):
        return float(array_of(value).reshape(())) if value.numel() == 1 else None
    return float(value) if isinstance(value, float | int) and not isinstance(value, bool) else None


def candidates() -> list[str]:
    """Names of tensors of one number that a gradient flows to, where backward() is called."""
    for frame in _frames()[:1]:
        return [name for name, value in frame.f_locals.items() if _may_be(value)]
    return []


def _may_be(value: Any) -> bool:
    return isinstance(value, Tensor) and value.numel() == 1 and value.requires_grad


def _frames() -> list[FrameType]:
    """The user's frames, the innermost first."""
    found: list[FrameType] = []
    frame = user_frame()
    while frame is not None:
        if not in_package(frame):
            found.append(frame)
        frame = frame.f_back
    return found
