"""The mean of the gradients over all ranks, sent while backward still computes the rest.

Parameters are put into buckets, the last ones first, since backward comes to them first. When the gradients of a bucket
are there its sum is begun (`Iallreduce`), and backward goes on; after the last gradient the sums are waited for. All
ranks begin the buckets in the same order, whatever the order in which their gradients come.

Source: Li et al. (2020), PyTorch Distributed: Experiences on Accelerating Data Parallel Training.
"""

from __future__ import annotations

from collections.abc import Iterable, Sequence
from typing import Any

import numpy as np

from pellucid.core import Tensor, wrap
from pellucid.errors import describe, with_line

from .buffers import ReduceOp, Reduction, outgoing, put
from .collectives import broadcast
from .objects import all_gather_object
from .ranks import Agreement, ProcessGroup

__all__ = ["Bucket", "Reducer", "broadcast_all", "check_same"]

FIRST = 1024 * 1024  # bytes of the first bucket, which is small so that sending begins early


class Bucket:
    """Parameters whose gradients are sent as a single array; `places` are theirs among all, and where in it."""

    def __init__(self, kind: np.dtype[Any]) -> None:
        self.kind = kind
        self.places: list[tuple[int, slice]] = []
        self.length = self.missing = 0
        self.array: Any = None
        self.request: Any = None

    def add(self, place: int, size: int) -> None:
        self.places.append((place, slice(self.length, self.length + size)))
        self.length += size


class Reducer:
    """Averages the gradients of parameters over the ranks of a group.

    Args:
        named: names and parameters, the same at all ranks.
        bucket_bytes: of each bucket but the first, which is 1 MiB at most.
        by_caller: whether the caller says when backward is over (`complete`), and by `factor` what the gradients of
            this rank count in the sum; else it is over with the last gradient, and the sum is divided by `divisor`.
        hooks: whether the parameters say when their gradients are there; else `complete` sends them all.
    """

    def __init__(
        self, named: Sequence[tuple[str, Tensor]], group: ProcessGroup, bucket_bytes: float = 25 * 1024 * 1024, *,
        by_caller: bool = False, hooks: bool = True,
    ) -> None:  # fmt: skip
        self.group, self.by_caller, self.factor = group, by_caller, 1.0
        self.names = [name for name, _ in named]
        self.parameters = [parameter for _, parameter in named]
        self.buckets = _buckets(self.parameters, bucket_bytes)
        self._bucket_of = {place: bucket for bucket in self.buckets for place, _ in bucket.places}
        self.armed = False  # whether the next backward is averaged
        self.passes = 0
        self.divisor = 1 if by_caller else group.size()
        self._ready: set[int] = set()
        self._used: set[int] | None = None  # where unused parameters are looked for: those that were used here
        self._next = 0
        self._agreement: Agreement | None = None
        self._handles = [
            parameter.register_post_accumulate_grad_hook(lambda _, place=place: self._arrived(place))  # type: ignore[attr-defined]
            for place, parameter in enumerate(self.parameters if hooks else ())
        ]

    def remove(self) -> None:
        """Take the hooks off the parameters."""
        for handle in self._handles:
            handle.remove()

    def arm(self, used: Iterable[Tensor] | None = None) -> None:
        """Have the next backward averaged. `used`: the parameters that it will reach, where some may be unused.

        Raises RuntimeError where the backward before did not reach all parameters.
        """
        if self._ready and self.armed:
            lacking = [name for place, name in enumerate(self.names) if place not in self._ready]
            shown = ", ".join(lacking[:8]) + (", …" if len(lacking) > 8 else "")
            raise RuntimeError(
                with_line(
                    "Expected to have finished reduction in the prior iteration before starting a new one. These "
                    f"parameters received no gradient in it: {shown}. Where a loss does not depend on all parameters, "
                    "write DistributedDataParallel(model, find_unused_parameters=True)"
                )
            )
        self.armed = True
        self._begin()
        if used is not None:
            reached = {id(tensor) for tensor in used}
            self._used = {place for place, parameter in enumerate(self.parameters) if id(parameter) in reached}

    def _begin(self) -> None:
        self._ready.clear()
        self._used, self._next, self._agreement = None, 0, None
        for bucket in self.buckets:
            bucket.missing, bucket.array, bucket.request = len(bucket.places), None, None

    def _arrived(self, place: int) -> None:
        """A gradient is there."""
        if not self.armed:
            return
        if place in self._ready:
            raise RuntimeError(
                with_line(
                    f"Expected to mark a variable ready only once: the gradient of {self.names[place]} came twice in "
                    "one backward. Was the model called again within it (a checkpointed block)?"
                )
            )
        if not self._ready and self._used is not None:
            for other in range(len(self.parameters)):
                if other not in self._used and other != place:
                    self._fill(other, None)
        grad = self.parameters[place]._grad
        if grad is not None and grad.is_sparse:
            raise RuntimeError(with_line(f"the gradient of {self.names[place]} is sparse: it is not averaged"))
        self._fill(place, grad)
        if len(self._ready) == len(self.parameters) and not self.by_caller:
            self.finish()

    def _fill(self, place: int, grad: Tensor | None) -> None:
        self._ready.add(place)
        bucket = self._bucket_of[place]
        if bucket.array is None:
            bucket.array = np.zeros(bucket.length, bucket.kind)
        if grad is not None and self.factor:  # what counts nothing may be NaN
            where = next(part for other, part in bucket.places if other == place)
            reduction = Reduction(ReduceOp.SUM, grad._array.dtype, self.group.size())
            np.multiply(reduction.widen(outgoing(grad)).reshape(-1), self.factor, out=bucket.array[where])
        bucket.missing -= 1
        self._send()

    def _send(self) -> None:
        """Begin the sums of the buckets that are full, in their order, and look after those under way."""
        while self._next < len(self.buckets) and not self.buckets[self._next].missing:
            if self._agreement is None:
                self.passes += 1
                self._agreement = self.group.agree(f"the gradients of backward pass {self.passes}")
            bucket = self.buckets[self._next]
            bucket.request = self.group.wire.start("Allreduce", None, bucket.array, "SUM")
            self._next += 1
        for bucket in self.buckets[: self._next]:
            if bucket.request is not None:
                bucket.request.Test()  # MPI goes on sending while it is called

    def complete(self) -> None:
        """Backward is over: send the gradients that were not sent, and wait for all sums."""
        used = {place for place, parameter in enumerate(self.parameters) if parameter._grad is not None}
        for place in range(len(self.parameters)):
            if place not in self._ready:
                self._fill(place, self.parameters[place]._grad)
        self._used = used
        self.finish()

    def finish(self) -> None:
        """Wait for all sums and put the means into the gradients."""
        self.armed = False
        if self._agreement is not None:
            self._agreement.check()
        lookup = None
        if self._used is not None:
            lookup = np.array([place in self._used for place in range(len(self.parameters))], np.int32)
            self.group.wire.call("Allreduce", None, lookup, "MAX")
        for bucket in self.buckets:
            self.group.wait(bucket.request, "the sum of gradients")
            if self.divisor != 1:
                bucket.array /= self.divisor
            for place, where in bucket.places:
                if lookup is None or lookup[place]:  # used by some rank
                    self._store(self.parameters[place], bucket.array[where])
        self._begin()

    def _store(self, parameter: Tensor, mean: Any) -> None:
        kind = parameter._array.dtype
        array = Reduction(ReduceOp.SUM, kind, self.group.size()).finish(mean).reshape(parameter._array.shape)
        if parameter._grad is None:
            parameter._grad = wrap(np.empty_like(outgoing(parameter)))
        put(parameter._grad, array)

    def shadow(self, find_unused: bool) -> None:
        """Take part in a backward of the others with gradients of zero."""
        self._begin()
        self.armed = True
        self._used = set() if find_unused else None
        kept = [parameter._grad for parameter in self.parameters]
        for place in range(len(self.parameters)):
            self._fill(place, None)
        self.finish()
        for parameter, grad in zip(self.parameters, kept, strict=True):
            parameter._grad = grad


def _buckets(parameters: Sequence[Tensor], bucket_bytes: float) -> list[Bucket]:
    """The buckets, the first that backward fills first."""
    open_: dict[Any, Bucket] = {}
    made: list[Bucket] = []
    limit = min(FIRST, bucket_bytes)
    for place in reversed(range(len(parameters))):
        array = parameters[place]._array
        kind = Reduction(ReduceOp.SUM, array.dtype, 1)
        dtype = np.dtype(np.float32) if kind.narrow else array.dtype
        bucket = open_.get(dtype)
        if bucket is None:
            bucket = open_[dtype] = Bucket(dtype)
            made.append(bucket)
        bucket.add(place, array.size)
        if bucket.length * dtype.itemsize >= limit:
            del open_[dtype]
            limit = bucket_bytes
    return made


def check_same(named: Sequence[tuple[str, Tensor]], group: ProcessGroup) -> None:
    """Raise RuntimeError, at all ranks, where their parameters differ in name, dtype or shape."""
    own = [f"{name}: {describe(tensor)}" for name, tensor in named]
    all_of: list[Any] = [None] * group.size()
    all_gather_object(all_of, own, group)
    for rank, other in zip(group.ranks, all_of, strict=True):
        if other == all_of[0]:
            continue
        ours, theirs = next(
            (pair for pair in zip(all_of[0], other, strict=False) if pair[0] != pair[1]),
            (f"{len(all_of[0])} parameters", f"{len(other)} parameters"),
        )
        raise RuntimeError(
            with_line(
                f"the model of rank {rank} is another one than that of rank {group.ranks[0]}: it has {theirs}, and "
                f"rank {group.ranks[0]} has {ours}. Build the same model at each rank"
            )
        )


def broadcast_all(tensors: Iterable[Tensor], group: ProcessGroup, root: int = 0) -> None:
    """Give all ranks the tensors of a rank of the group: those of one dtype together."""
    if group.size() == 1:
        return
    by_kind: dict[Any, list[Tensor]] = {}
    for tensor in tensors:
        by_kind.setdefault(tensor._array.dtype, []).append(tensor)
    for those in by_kind.values():
        if len(those) == 1:
            broadcast(those[0], group=group, group_src=root)
            continue
        whole = wrap(np.concatenate([outgoing(tensor).reshape(-1) for tensor in those]))
        broadcast(whole, group=group, group_src=root)
        if group.rank() != root:
            ends = np.cumsum([tensor.numel() for tensor in those])[:-1]
            for tensor, part in zip(those, np.split(whole._array, ends), strict=True):
                put(tensor, part)
