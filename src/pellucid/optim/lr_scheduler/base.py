"""The base class of learning-rate schedules: when it steps, and what it remembers.

A schedule is one line, from the present learning rate to the next (`LRScheduler.next_lr`), as in PyTorch, so that
several can act on one optimiser, and a change of ``lr`` by hand is carried on.
"""

from __future__ import annotations

import weakref
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from functools import wraps
from typing import Any, ClassVar

from ...core import Tensor
from ...errors import warn
from ..names import Options, Rate
from ..optimizer import Optimizer

__all__ = ["LRScheduler"]

EPOCH_DEPRECATION_WARNING = (
    "The epoch parameter in `scheduler.step()` was not necessary and is being deprecated where possible. Please use "
    "`scheduler.step()` to step the scheduler. During the deprecation, if epoch is different from None, the closed "
    "form is used instead of the new chainable form, where available."
)


class LRScheduler:
    """Base class: define ``next_lr(lr, base_lr)``, or ``get_lr()`` for all groups, as schedules for PyTorch do.

    ``last_epoch`` counts the calls of ``step`` (the first is made here, so it starts at 0); ``base_lrs`` are the
    learning rates of the groups at the start. A schedule that also knows the learning rate at an epoch without the
    one before it defines ``lr_at(base_lr)``; ``step(epoch)`` uses it.
    """

    lr_at: ClassVar[Callable[..., Any] | None] = None
    _is_initial = False
    _get_lr_called_within_step = False

    def __init__(self, optimizer: Optimizer, last_epoch: int = -1) -> None:
        check_optimizer(optimizer)
        self.optimizer = optimizer
        for place, group in enumerate(optimizer.param_groups):
            if last_epoch == -1:
                group.setdefault("initial_lr", own_copy(group["lr"]))
            elif "initial_lr" not in group:
                raise KeyError(
                    f"param 'initial_lr' is not specified in param_groups[{place}] when resuming scheduler with "
                    f"last_epoch={last_epoch}: load the optimizer's state_dict first, or leave last_epoch out"
                )
        self.base_lrs = values(optimizer, "initial_lr")
        self.last_epoch = last_epoch
        _watch_steps(optimizer)
        self._initial_step()

    def _initial_step(self) -> None:
        self._step_count = 0
        self._is_initial = True
        self.step()
        self._is_initial = False

    def step(self, epoch: int | None = None) -> None:
        """Go to the next learning rate; call it after ``optimizer.step()``.

        ``epoch`` goes to that epoch instead, by ``lr_at`` if the schedule has it; as in PyTorch, it warns.
        """
        if self._step_count == 1:
            if not hasattr(self.optimizer.step, "_wrapped_by_lr_sched"):
                warn(
                    "Seems like `optimizer.step()` has been overridden after learning rate scheduler initialization: "
                    "whether it is called before `lr_scheduler.step()` cannot be seen"
                )
            elif not getattr(self.optimizer, "_opt_called", False):
                warn(
                    "Detected call of `lr_scheduler.step()` before `optimizer.step()`: call them in the opposite "
                    "order, or the first value of the learning rate schedule is skipped"
                )
        self._step_count += 1
        if epoch is not None:
            warn(EPOCH_DEPRECATION_WARNING)
        self._update_lr(epoch)

    def _update_lr(self, epoch: int | None = None) -> None:
        self.last_epoch = self.last_epoch + 1 if epoch is None else epoch
        with within_step(self):
            if epoch is None:
                lrs = self.get_lr()
            elif hasattr(self, "_get_closed_form_lr"):  # of a schedule written for PyTorch
                lrs = self._get_closed_form_lr()  # type: ignore[attr-defined]
            elif self.lr_at is not None:
                lrs = [self.lr_at(base) for base in self.base_lrs]
            else:
                lrs = self.get_lr()
        self._set(lrs)

    def _set(self, lrs: list[Rate]) -> None:
        groups = self.optimizer.param_groups
        if len(lrs) != len(groups):
            raise ValueError(
                f"{type(self).__name__} has learning rates for {len(lrs)} parameter groups, but the optimizer has "
                f"{len(groups)}: build the scheduler after the last add_param_group"
            )
        for group, lr in zip(groups, lrs, strict=True):
            set_value(group, "lr", lr)
        self._last_lr = values(self.optimizer, "lr")

    def get_lr(self) -> list[Rate]:
        """The next learning rate of each group; to read the present one, use `get_last_lr`."""
        self._check_within_step()
        groups = self.optimizer.param_groups
        bases = self.base_lrs + [None] * (len(groups) - len(self.base_lrs))  # none, of a group added later
        return [self.next_lr(own_copy(group["lr"]), base) for group, base in zip(groups, bases, strict=True)]

    def next_lr(self, lr: Rate, base_lr: Rate) -> Rate:
        """The learning rate at ``last_epoch``, given the one before it and the one at the start.

        ``base_lr`` is None for a group that was added to the optimiser after the schedule was built.
        """
        raise NotImplementedError(f"{type(self).__name__} must define next_lr(lr, base_lr), or get_lr()")

    def get_last_lr(self) -> list[Rate]:
        """The present learning rate of each group."""
        return self._last_lr

    def _check_within_step(self) -> None:
        if not self._get_lr_called_within_step:
            warn("To get the last learning rate computed by the scheduler, please use `get_last_lr()`.")

    def state_dict(self) -> Options:
        """Everything but the optimiser."""
        return {name: value for name, value in self.__dict__.items() if name != "optimizer"}

    def load_state_dict(self, state_dict: Options) -> None:
        """Take over a `state_dict`."""
        self.__dict__.update(state_dict)


# --------------------------------------------------------------------------------------------------- shared


def check_optimizer(optimizer: Any) -> None:
    """Refuse what is not an optimiser."""
    if not isinstance(optimizer, Optimizer):
        raise TypeError(f"{type(optimizer).__name__} is not an Optimizer")


def known(base_lr: Rate, scheduler: LRScheduler) -> Any:
    """``base_lr``, or an error for a group that came after the schedule was built."""
    if base_lr is None:
        raise ValueError(
            f"{type(scheduler).__name__} needs the learning rate that a parameter group had at the start, and a group "
            "was added to the optimizer after the scheduler was built: build the scheduler after add_param_group"
        )
    return base_lr


@contextmanager
def within_step(scheduler: LRScheduler) -> Iterator[None]:
    """While ``get_lr`` is called by ``step``; called by others it warns."""
    scheduler._get_lr_called_within_step = True
    try:
        yield
    finally:
        scheduler._get_lr_called_within_step = False


def own_copy(value: Any) -> Any:
    """A value that nobody else changes: a tensor is copied."""
    return value.detach().clone() if isinstance(value, Tensor) else value


def values(optimizer: Optimizer, name: str) -> list[Rate]:
    """``group[name]`` of each group, as copies."""
    return [own_copy(group[name]) for group in optimizer.param_groups]


def set_value(group: Options, name: str, value: Any) -> None:
    """Set ``group[name]``; a tensor keeps its identity, since a program may hold it."""
    if isinstance(group[name], Tensor):
        group[name].fill_(value.item() if isinstance(value, Tensor) else value)
    else:
        group[name] = value


def per_group(name: str, optimizer: Optimizer, value: Any) -> list[Rate]:
    """``value``, or one from a list of them, for each group."""
    count = len(optimizer.param_groups)
    if not isinstance(value, (list, tuple)):
        return [own_copy(value) for _ in range(count)]
    if len(value) != count:
        raise ValueError(
            f"{name} must have the same length as optimizer.param_groups. {name} has {len(value)} values, "
            f"param_groups has {count}."
        )
    return [own_copy(each) for each in value]


def set_momentum(group: Options, value: float) -> None:
    """The momentum of a group, which is the first beta of Adam and its like."""
    if "betas" in group:
        group["betas"] = (value, *group["betas"][1:])
    else:
        group["momentum"] = value


def check_momentum(optimizer: Optimizer) -> None:
    """Refuse to cycle the momentum of an optimiser that has none."""
    if "betas" not in optimizer.defaults and "momentum" not in optimizer.defaults:
        raise ValueError("optimizer must support momentum or beta1 with `cycle_momentum` option enabled")


def _watch_steps(optimizer: Optimizer) -> None:
    """Have ``optimizer.step`` leave a mark, so that a schedule that runs ahead of it is noticed."""
    step = optimizer.step
    if hasattr(step, "_wrapped_by_lr_sched"):
        return
    plain = step.__func__  # type: ignore[attr-defined]
    owner = weakref.ref(optimizer)  # a strong one would be a cycle, and keep the parameters alive

    @wraps(plain)
    def marked(*args: Any, **kwargs: Any) -> Any:
        own: Any = owner()
        own._opt_called = True
        return plain(own, *args, **kwargs)

    marked._wrapped_by_lr_sched = True  # type: ignore[attr-defined]
    optimizer.step = marked  # type: ignore[method-assign]
