"""The named tuples that some functions return: `values, indices = x.max(dim=0)`, or `x.max(dim=0).values`."""

from __future__ import annotations

import collections
from typing import Any

_known: dict[str, Any] = {}


def return_type(name: str, *fields: str) -> Any:
    """The class `return_types.NAME`, a named tuple that prints each field on its own line, as PyTorch's."""
    if name not in _known:
        base: Any = collections.namedtuple(name, fields)  # pyright: ignore[reportUntypedNamedTuple]
        made: Any = type(name, (base,), {"__slots__": (), "__repr__": _text})
        made.__module__, made.__doc__ = "pellucid.return_types", f"What `{name}` returns: {', '.join(fields)}."
        _known[name] = made
    return _known[name]


def _text(self: Any) -> str:
    body = ",\n".join(f"{field}={value!r}" for field, value in zip(self._fields, self, strict=True))
    return f"torch.return_types.{type(self).__name__}(\n{body})"


def known() -> dict[str, Any]:
    """The classes by name."""
    return _known
