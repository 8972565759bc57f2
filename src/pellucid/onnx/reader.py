"""Which function computes an operator of ONNX that is read: `f(attributes, *inputs)` gives a tensor, or several."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

Reader = Callable[..., Any]
Attributes = dict[str, Any]

READERS: dict[str, Reader] = {}


def reads(*names: str) -> Callable[[Reader], Reader]:
    """The function computes the operators `names`."""

    def declare(function: Reader) -> Reader:
        for name in names:
            READERS[name] = function
        return function

    return declare
