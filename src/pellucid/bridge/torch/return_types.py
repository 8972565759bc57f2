"""`torch.return_types`: the named tuples that functions return."""

from typing import Any

from pellucid.ops import return_types as _made


def __getattr__(name: str) -> Any:
    found = _made.known().get(name)
    if found is None:
        raise AttributeError(f"module 'torch.return_types' has no attribute {name!r}")
    return found


def __dir__() -> list[str]:
    return sorted(_made.known())
