"""A kind of device that this machine does not have for pellucid: what each question about it is answered."""

from __future__ import annotations

from typing import Any, NoReturn

__all__ = ["refuse"]


def refuse(kind: str) -> NoReturn:
    """Raise what PyTorch raises where it was built without that kind of device."""
    raise AssertionError(f"Torch not compiled with {kind} enabled: pellucid computes on the CPU; write device='cpu'")


class Requires:
    """A class that cannot be made without the device."""

    kind = "CUDA"

    def __init__(self, *args: Any, **kwargs: Any) -> None:
        raise RuntimeError(f"torch.{self.kind.lower()}.{type(self).__name__} requires {self.kind} support")
