"""The vocabulary of gradient rules for functions over tensors: what both are written in can then be shared."""

from __future__ import annotations

from typing import Any

from pellucid.core import TABLE


class _Ops:
    def __getattr__(self, name: str) -> Any:
        return TABLE[name]


OPS: Any = _Ops()
