"""`torch._subclasses.fake_tensor`: what asks whether a tensor has numbers. Here each has, but those on "meta"."""

from __future__ import annotations

from collections.abc import Generator
from contextlib import contextmanager

from pellucid.core import Tensor

__all__ = ["FakeTensor", "is_fake", "unset_fake_temporarily"]


class FakeTensor(Tensor):
    """A tensor without numbers, as PyTorch's compiler makes them; nothing here is one."""


def is_fake(x: object) -> bool:
    """Whether a value is such a tensor: no."""
    return isinstance(x, FakeTensor)


@contextmanager
def unset_fake_temporarily() -> Generator[None]:
    """A block in which tensors have numbers, as they have outside of it; gives None, the mode that was left."""
    yield None
