"""A Learner in several processes: each computes its rows of every batch, and all make the step of the whole batch.

Every rank goes through the same batches in the same order and takes its part of each. Gradients are weighted by what
the rank's rows count in the loss, and summed while backward goes on; losses are put together likewise, and outputs are
gathered before metrics see them. So a run is that of a single process to rounding, whatever the number of ranks, and
its checkpoint says nothing of that number: what four have saved, two go on with.
"""

from __future__ import annotations

from collections.abc import Iterator
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid.core import Tensor, from_data, no_grad
from pellucid.distributed import ReduceOp, all_gather_into_tensor, all_reduce, broadcast_object_list
from pellucid.distributed import environment as started
from pellucid.distributed.group import begun, get_rank, get_world_size, init_process_group, is_initialized
from pellucid.distributed.reducer import Reducer, broadcast_all, check_same
from pellucid.random import default_generator

__all__ = ["Ranks", "first_of_all", "ranks_of"]


def ranks_of(model: Any, hooks: bool) -> Ranks | None:
    """The ranks among which a model is trained; None where there is a single one.

    Processes that were started together and are not in a group yet enter that of all.
    """
    if not is_initialized():
        if started.launched_size() == 1 or started.place() is None:
            return None
        init_process_group("mpi")
    return Ranks(model, hooks) if get_world_size() > 1 else None


def first_of_all() -> bool:
    """Whether this process is the first of those that train together, or the only one."""
    return not is_initialized() or get_rank() == 0


class Ranks:
    """What the ranks of a Learner do together.

    Args:
        model: has `named_parameters()` and `buffers()`; those of rank 0 go to all.
        hooks: whether gradients are sent while backward goes on, or after it.
    """

    def __init__(self, model: Any, hooks: bool) -> None:
        self.group = begun()
        self.rank, self.size = self.group.rank(), self.group.size()
        self.model = model
        named = [(name, parameter) for name, parameter in model.named_parameters() if parameter.requires_grad]
        check_same(named, self.group)
        broadcast_all([*model.parameters(), *model.buffers()], self.group)
        self.reducer = Reducer(named, self.group, by_caller=True, hooks=hooks)
        self.weight = 0.0  # of the whole batch, see `Loop.weight`
        self._kept: list[Any] | None = None  # gradients, while those of a batch are computed

    def close(self) -> None:
        """Leave the parameters as they were."""
        self.reducer.remove()

    # A batch ---------------------------------------------------------------------------------------------------------

    def rows(self, count: int) -> slice:
        """This rank's rows of a batch of `count`; the first one where it has none, which then counts nothing."""
        begin, end = self.rank * count // self.size, (self.rank + 1) * count // self.size
        return slice(begin, end) if end > begin else slice(0, 1)

    def divide(self, value: Any, count: int) -> Any:
        """This rank's rows of all tensors of a batch of `count` rows."""
        if isinstance(value, Tensor | np.ndarray):
            return value[self.rows(count)] if value.ndim and len(value) == count else value
        if isinstance(value, dict):
            return {name: self.divide(part, count) for name, part in value.items()}
        if isinstance(value, tuple | list):
            return type(value)(self.divide(part, count) for part in value)
        return value

    def has_rows(self, count: int) -> bool:
        """Whether this rank has rows of its own of a batch of `count`."""
        return (self.rank + 1) * count // self.size > self.rank * count // self.size

    def whole(self, part: Any, count: int) -> Any:
        """The rows of all ranks, in order: of outputs, for a batch of `count`; None where they have no such rows."""
        own = self.rows(count)
        if not isinstance(part, Tensor) or not part.ndim or len(part) != own.stop - own.start:
            return None
        most = -(-count // self.size)
        padded = np.zeros((most, *part.shape[1:]), part.detach().cpu().numpy().dtype)
        padded[: len(part)] = part.detach().cpu().numpy()
        found = from_data(np.zeros((self.size, *padded.shape), padded.dtype))
        all_gather_into_tensor(found, from_data(padded))
        rows = [(rank + 1) * count // self.size - rank * count // self.size for rank in range(self.size)]
        return from_data(np.concatenate([found._array[rank, :n] for rank, n in enumerate(rows)]))

    @contextmanager
    def own_random(self, step: int) -> Iterator[None]:
        """For the forward of a step: buffers as at rank 0, and random numbers (dropout) of each rank's own.

        The default generator, from which the order of the data comes, is where it was before.
        """
        broadcast_all(self.model.buffers(), self.group)
        state = default_generator.get_state()
        words = np.random.SeedSequence([default_generator.initial_seed(), step, self.rank]).generate_state(1)
        default_generator.manual_seed(int(words[0]))
        try:
            yield
        finally:
            default_generator.set_state(state)

    def weigh(self, loss: float, weight: float, summed: bool) -> float:
        """The loss of the whole batch, of the loss of this rank's rows and what they weigh.

        Sets `weight` to what the whole batch weighs, and how this rank's gradients count.
        """
        table = from_data(np.array([weight, loss * (1.0 if summed else weight) if weight else 0.0], np.float64))
        all_reduce(table)
        self.weight, total = float(table._array[0]), float(table._array[1])
        if summed:
            self.reducer.factor = 1.0 if weight else 0.0
            return total
        self.reducer.factor = weight / self.weight if self.weight else 1.0
        return total / self.weight if self.weight else loss

    # Gradients --------------------------------------------------------------------------------------------------------

    def set_aside(self) -> None:
        """Keep the gradients that are there: those of this batch come alone, are summed, and added to them."""
        self._kept = [parameter._grad for parameter in self.reducer.parameters]
        for parameter in self.reducer.parameters:
            parameter._grad = None
        self.reducer.arm()

    def collect(self) -> None:
        """Complete the sums of the gradients of this batch, and add those that were set aside."""
        self.reducer.complete()
        self.put_back()

    def put_back(self) -> None:
        """Add the gradients that were set aside, where they still are."""
        kept, self._kept = self._kept, None
        self.reducer.armed = False
        if kept is None:
            return
        with no_grad():
            for parameter, grad in zip(self.reducer.parameters, kept, strict=True):
                if grad is not None:
                    parameter._grad = grad if parameter._grad is None else grad.add_(parameter._grad)

    # Decisions --------------------------------------------------------------------------------------------------------

    def any(self, value: bool) -> bool:
        """Whether it holds at any rank."""
        flag = from_data(np.array([value]))
        all_reduce(flag, ReduceOp.MAX)
        return bool(flag._array[0])

    def of_first(self, value: Any) -> Any:
        """The object of rank 0."""
        given = [value]
        broadcast_object_list(given, 0)
        return given[0]
