"""Pictures of noise."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pellucid

from ..pictures import to_pil
from .vision import VisionDataset

__all__ = ["FakeData"]


class FakeData(VisionDataset):
    """Random pictures with random labels, each from a seed of its own, so that a sample is the same each time."""

    def __init__(
        self, size: int = 1000, image_size: tuple[int, ...] = (3, 224, 224), num_classes: int = 10,
        transform: Callable[[Any], Any] | None = None, target_transform: Callable[[Any], Any] | None = None,
        random_offset: int = 0,
    ) -> None:  # fmt: skip
        super().__init__(transform=transform, target_transform=target_transform)
        self.size, self.num_classes, self.image_size, self.random_offset = size, num_classes, image_size, random_offset

    def __getitem__(self, index: int) -> tuple[Any, Any]:
        if index >= len(self):
            raise IndexError(f"{type(self).__name__} index out of range")
        with pellucid.random.fork_rng():
            pellucid.manual_seed(index + self.random_offset)
            picture = pellucid.randn(*self.image_size)
            target = pellucid.randint(0, self.num_classes, size=(1,), dtype=pellucid.long)[0]
        return self.changed(to_pil(picture), int(target))

    def __len__(self) -> int:
        return self.size
