"""`DistributedDataParallel`: the same model in each process, each with its part of a batch."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

import numpy as np

from pellucid.core import Tensor, is_grad_enabled
from pellucid.distributed.group import begun, member
from pellucid.distributed.ranks import ProcessGroup
from pellucid.distributed.reducer import Reducer, broadcast_all, check_same
from pellucid.errors import with_line
from pellucid.reverse.engine import reached
from pellucid.torch_names import absent

from ..modules.module import Module

__all__ = ["DistributedDataParallel"]


class DistributedDataParallel(Module):
    """The model, as `module`, whose gradients are the means over all ranks: the same as of all their batches together.

    grad = (1 / N) Σᵢ gradᵢ over the N ranks

    At the start the parameters and buffers of rank 0 go to all; with each call in training its buffers do. The mean is
    that of one process with the whole batch where each rank has an equal part of it and the loss is a mean.

    Args:
        module: the model, built alike at each rank.
        process_group: among whom gradients are averaged; all processes by default.
        broadcast_buffers: whether the buffers of rank 0 go to all before each forward in training.
        bucket_cap_mb: the size of the parts, in MiB, in which gradients are sent while backward goes on; 25.
        find_unused_parameters: whether a loss may leave some parameters without a gradient.

    The names in its state dict begin with `module.`, as in PyTorch. What concerns GPUs is accepted, and nothing
    follows from it.

    Raises:
        ValueError: `init_process_group` was not called.
        RuntimeError: the model has no parameter that requires a gradient, or the ranks have different models.

    >>> import pellucid
    >>> from pellucid import distributed
    >>> distributed.init_process_group("mpi")  # in a process that was started by itself: a group of one
    >>> model = DistributedDataParallel(pellucid.nn.Linear(2, 1))
    >>> list(model.state_dict())
    ['module.weight', 'module.bias']
    >>> distributed.destroy_process_group()
    """

    def __init__(
        self, module: Module, device_ids: Any = None, output_device: Any = None, dim: int = 0,
        broadcast_buffers: bool | None = None, init_sync: bool = True, process_group: Any = None,
        bucket_cap_mb: float | None = None, find_unused_parameters: bool = False, check_reduction: bool = False,
        gradient_as_bucket_view: bool = False, static_graph: bool = False, **kwargs: Any,
    ) -> None:  # fmt: skip
        super().__init__()
        begun()
        group = member(process_group)
        if group is None:
            raise ValueError(with_line("This process is not in the group that was given to DistributedDataParallel"))
        named = [(name, parameter) for name, parameter in module.named_parameters() if parameter.requires_grad]
        if not named:
            raise RuntimeError(
                with_line(
                    "DistributedDataParallel is not needed when a module doesn't have any parameter that requires a "
                    "gradient."
                )
            )
        self.module = module
        self.process_group: ProcessGroup = group
        self.broadcast_buffers = broadcast_buffers is not False
        self.find_unused_parameters = find_unused_parameters
        self.bucket_cap_mb = 25 if bucket_cap_mb is None else bucket_cap_mb
        self.require_backward_grad_sync = True
        self._join: _Join | None = None
        self.reducer: Reducer | None = None
        if group.size() == 1:
            return
        if init_sync:
            check_same(named, group)
            broadcast_all([*module.parameters(), *module.buffers()], group)
        self.reducer = Reducer(named, group, self.bucket_cap_mb * 1024 * 1024)

    def forward(self, *inputs: Any, **kwargs: Any) -> Any:
        reducer = self.reducer
        if reducer is None:
            return self.module(*inputs, **kwargs)
        training = is_grad_enabled() and self.training
        averaged = is_grad_enabled() and self.require_backward_grad_sync
        if self._join is not None and training:
            self._join.enter(averaged)
        if training and self.require_backward_grad_sync:
            self.send_buffers(0 if self._join is None else self._join.first)
        output = self.module(*inputs, **kwargs)
        if averaged:
            reducer.arm(_leaves(output) if self.find_unused_parameters else None)
        return output

    def send_buffers(self, root: int) -> None:
        """Give all ranks the buffers of a rank."""
        if self.broadcast_buffers:
            broadcast_all(self.module.buffers(), self.process_group, root)

    @contextlib.contextmanager
    def no_sync(self) -> Iterator[None]:
        """Within it gradients are added up at each rank by itself; the next backward after it sends the sums."""
        before, self.require_backward_grad_sync = self.require_backward_grad_sync, False
        try:
            yield
        finally:
            self.require_backward_grad_sync = before

    @contextlib.contextmanager
    def join(
        self, divide_by_initial_world_size: bool = True, enable: bool = True, throw_on_early_termination: bool = False
    ) -> Iterator[None]:
        """Within it ranks may have different numbers of batches: one that has no more takes part with zeros.

        Args:
            divide_by_initial_world_size: whether sums are divided by the number of all ranks, or of those that still
                have batches.
            throw_on_early_termination: whether all ranks raise RuntimeError when the first has no more batches.
        """
        if not enable or self.reducer is None:
            yield
            return
        self._join = _Join(self, divide_by_initial_world_size, throw_on_early_termination)
        try:
            yield
            self._join.shadow()
        finally:
            self._join = None
            self.reducer.divisor = self.process_group.size()


class _Join:
    """What the ranks tell each other before each forward: who still has batches, and whether gradients are sent."""

    def __init__(self, model: DistributedDataParallel, by_all: bool, throws: bool) -> None:
        self.model, self.by_all, self.throws = model, by_all, throws
        self.first = self.last = 0  # of the ranks that still have batches
        self._averaged = False

    def enter(self, averaged: bool) -> None:
        """This rank has a batch."""
        self._exchange(True, averaged)

    def _exchange(self, active: bool, averaged: bool) -> bool:
        """Whether any rank still has a batch."""
        group, reducer = self.model.process_group, self.model.reducer
        table = np.zeros((group.size(), 2), np.int32)
        group.agree("a batch, or the end of the batches, within join()").check()
        group.wire.call("Allgather", np.array([active, averaged], np.int32), table)
        ranks = np.flatnonzero(table[:, 0])
        if self.throws and 0 < len(ranks) < group.size():
            done = [rank for rank in range(group.size()) if rank not in ranks]
            raise RuntimeError(
                with_line(
                    f"Detected at least one rank that exhausted inputs. Throwing across all ranks: ranks {done} have "
                    "no more batches"
                )
            )
        if len(ranks):
            self.first, self.last = int(ranks[0]), int(ranks[-1])
            self._averaged = bool(table[ranks[0], 1])
            if not self.by_all and reducer is not None:
                reducer.divisor = len(ranks)
        return bool(len(ranks))

    def shadow(self) -> None:
        """This rank has no more batches: follow the others until they have none, and take over their parameters."""
        model, reducer = self.model, self.model.reducer
        while self._exchange(False, False):
            if self._averaged and reducer is not None:
                model.send_buffers(self.first)
                reducer.shadow(model.find_unused_parameters)
        broadcast_all([*model.module.parameters(), *model.module.buffers()], model.process_group, self.last)


def _leaves(output: Any) -> list[Any]:
    """What the tensors in an output were computed from."""
    roots: list[Tensor] = []
    stack = [output]
    while stack:
        value = stack.pop()
        if isinstance(value, Tensor):
            if value.requires_grad:
                roots.append(value)
        elif isinstance(value, dict):
            stack.extend(value.values())
        elif isinstance(value, list | tuple):
            stack.extend(value)
        elif hasattr(value, "__dataclass_fields__"):
            stack.extend(vars(value).values())
    return [source for source in reached(roots) if isinstance(source, Tensor)]


__getattr__ = absent(__name__)
