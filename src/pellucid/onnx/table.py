"""Which function writes which op."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Converter = Callable[..., Any]

CONVERTERS: dict[str, Converter] = {}


def writes(*names: str) -> Callable[[Converter], Converter]:
    """The function writes the ops `names`: `f(writer, *arguments, **attributes)` gives a Term, or several.

    Arguments are Terms, numbers or None, as the op was called; attributes are those of the call.
    """

    def declare(function: Converter) -> Converter:
        for name in names:
            CONVERTERS[name] = function
        return function

    return declare
