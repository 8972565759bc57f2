"""`torch.utils.data.distributed`: each process draws its own part of a data set."""

from __future__ import annotations

import math
from collections.abc import Iterator, Sized
from typing import Any

from pellucid.declare import FUNCTIONS
from pellucid.distributed import get_rank, get_world_size, is_initialized
from pellucid.random import Generator
from pellucid.torch_names import absent

from .sampler import Sampler

__all__ = ["DistributedSampler"]


class DistributedSampler(Sampler[int]):
    """Every `num_replicas`-th index, from `rank` on, of an order that is shuffled anew for each `set_epoch`.

    Without `num_replicas` and `rank` they are the number of processes and the rank of this one, as
    `init_process_group` found them; before it, 1 and 0. So that all parts are of one length,
    the first indices come again at the end, or with `drop_last` the last are left out.

    Raises:
        ValueError: `rank` is not below `num_replicas`.
    """

    def __init__(
        self, dataset: Sized, num_replicas: int | None = None, rank: int | None = None, shuffle: bool = True,
        seed: int = 0, drop_last: bool = False,
    ) -> None:  # fmt: skip
        alone = not is_initialized()
        if num_replicas is None:
            num_replicas = 1 if alone else get_world_size()
        if rank is None:
            rank = 0 if alone else get_rank()
        self.num_replicas, self.rank = num_replicas, rank
        if not 0 <= self.rank < self.num_replicas:
            raise ValueError(f"Invalid rank {self.rank}, rank should be in the interval [0, {self.num_replicas - 1}]")
        self.dataset, self.shuffle, self.seed, self.drop_last = dataset, shuffle, seed, drop_last
        self.epoch = 0
        length = len(dataset)
        if drop_last and length % self.num_replicas:
            self.num_samples = math.ceil((length - self.num_replicas) / self.num_replicas)
        else:
            self.num_samples = math.ceil(length / self.num_replicas)
        self.total_size = self.num_samples * self.num_replicas

    def __iter__(self) -> Iterator[int]:
        indices = list(range(len(self.dataset)))
        if self.shuffle:
            generator = Generator()
            generator.manual_seed(self.seed + self.epoch)
            permuted: Any = FUNCTIONS["randperm"](len(indices), generator=generator)
            indices = permuted.tolist()
        missing = self.total_size - len(indices)
        if self.drop_last:
            indices = indices[: self.total_size]
        elif missing > 0:
            indices += (indices * math.ceil(missing / len(indices)))[:missing]
        return iter(indices[self.rank : self.total_size : self.num_replicas])

    def __len__(self) -> int:
        return self.num_samples

    def set_epoch(self, epoch: int) -> None:
        """Shuffle otherwise from here on: the seed is `seed + epoch`."""
        self.epoch = epoch


__getattr__ = absent(__name__)
