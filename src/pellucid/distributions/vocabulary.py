"""The ops and functions of the library under their names, for formulas: `m.log(x)`, `m.where(a, b, c)`."""

from __future__ import annotations

from typing import Any

from ..declare import FUNCTIONS, TABLE

__all__ = ["m"]


class _Vocabulary:
    def __getattr__(self, name: str) -> Any:
        found = FUNCTIONS.get(name) or TABLE.get(name)
        if found is None:
            raise AttributeError(f"there is no op {name!r}", name=name, obj=self)
        setattr(self, name, found)
        return found


m: Any = _Vocabulary()
