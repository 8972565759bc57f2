"""Cases of every schedule: fifty steps on several optimisers, the state, and what goes on from it."""

import functools
import types
from collections.abc import Callable, Iterator
from copy import deepcopy
from typing import Any

from tests.optiminfo.compare import Case

STEPS = 50


def _lr(T: Any) -> Any:
    return T.optim.lr_scheduler


def halved(epoch: int) -> float:
    return 0.95**epoch


def shrinking(epoch: int) -> float:
    return 0.9 if epoch % 7 == 0 else 1.0


# By name: a function of the library and the optimiser.
SCHEDULES: dict[str, Callable[[Any, Any], Any]] = {
    "LambdaLR": lambda T, o: _lr(T).LambdaLR(o, halved),
    "LambdaLR list": lambda T, o: _lr(T).LambdaLR(o, [halved] * len(o.param_groups)),
    "MultiplicativeLR": lambda T, o: _lr(T).MultiplicativeLR(o, shrinking),
    "StepLR": lambda T, o: _lr(T).StepLR(o, 7, gamma=0.5),
    "StepLR default": lambda T, o: _lr(T).StepLR(o, 10),
    "MultiStepLR": lambda T, o: _lr(T).MultiStepLR(o, [3, 9, 9, 30], gamma=0.3),
    "ConstantLR": lambda T, o: _lr(T).ConstantLR(o),
    "ConstantLR factor": lambda T, o: _lr(T).ConstantLR(o, factor=0.5, total_iters=12),
    "LinearLR": lambda T, o: _lr(T).LinearLR(o),
    "LinearLR down": lambda T, o: _lr(T).LinearLR(o, start_factor=1.0, end_factor=0.1, total_iters=30),
    "ExponentialLR": lambda T, o: _lr(T).ExponentialLR(o, gamma=0.93),
    "PolynomialLR": lambda T, o: _lr(T).PolynomialLR(o),
    "PolynomialLR power": lambda T, o: _lr(T).PolynomialLR(o, total_iters=20, power=0.9),
    "CosineAnnealingLR": lambda T, o: _lr(T).CosineAnnealingLR(o, T_max=10),
    "CosineAnnealingLR eta_min": lambda T, o: _lr(T).CosineAnnealingLR(o, T_max=50, eta_min=1e-3),
    "CosineAnnealingWarmRestarts": lambda T, o: _lr(T).CosineAnnealingWarmRestarts(o, T_0=5),
    "CosineAnnealingWarmRestarts mult": lambda T, o: _lr(T).CosineAnnealingWarmRestarts(o, 3, T_mult=2, eta_min=1e-3),
    "CyclicLR": lambda T, o: _lr(T).CyclicLR(o, 0.001, 0.1, step_size_up=5),
    "CyclicLR triangular2": lambda T, o: _lr(T).CyclicLR(o, 0.001, 0.1, 5, 7, mode="triangular2"),
    "CyclicLR exp_range": lambda T, o: _lr(T).CyclicLR(o, 0.001, 0.1, 5, mode="exp_range", gamma=0.97),
    "CyclicLR no momentum": lambda T, o: _lr(T).CyclicLR(o, 0.001, 0.1, 5, cycle_momentum=False),
    "OneCycleLR": lambda T, o: _lr(T).OneCycleLR(o, 0.2, total_steps=60),
    "OneCycleLR three phases": lambda T, o: _lr(T).OneCycleLR(o, 0.2, epochs=6, steps_per_epoch=10, three_phase=True),
    "OneCycleLR linear": lambda T, o: _lr(T).OneCycleLR(o, 0.2, 55, anneal_strategy="linear", cycle_momentum=False),
    "OneCycleLR list": lambda T, o: _lr(T).OneCycleLR(o, [0.2] * len(o.param_groups), total_steps=51),
    "SWALR": lambda T, o: T.optim.swa_utils.SWALR(o, swa_lr=0.05),
    "SWALR linear": lambda T, o: T.optim.swa_utils.SWALR(o, 0.05, anneal_epochs=20, anneal_strategy="linear"),
    "SWALR at once": lambda T, o: T.optim.swa_utils.SWALR(o, 0.05, anneal_epochs=0),
    "ReduceLROnPlateau": lambda T, o: _lr(T).ReduceLROnPlateau(o, patience=3),
    "ReduceLROnPlateau max": lambda T, o: _lr(T).ReduceLROnPlateau(
        o, mode="max", factor=0.5, patience=1, threshold=0.01, threshold_mode="abs", cooldown=2, min_lr=1e-3
    ),
    "ChainedScheduler": lambda T, o: _lr(T).ChainedScheduler(
        [_lr(T).ConstantLR(o, factor=0.1, total_iters=4), _lr(T).ExponentialLR(o, gamma=0.9)]
    ),
    "ChainedScheduler optimizer": lambda T, o: _lr(T).ChainedScheduler(
        [_lr(T).LinearLR(o), _lr(T).StepLR(o, 9), _lr(T).MultiStepLR(o, [20])], optimizer=o
    ),
    "SequentialLR": lambda T, o: _lr(T).SequentialLR(
        o, [_lr(T).LinearLR(o, total_iters=5), _lr(T).CosineAnnealingLR(o, T_max=45)], milestones=[5]
    ),
    "SequentialLR three": lambda T, o: _lr(T).SequentialLR(
        o, [_lr(T).ConstantLR(o), _lr(T).ExponentialLR(o, 0.9), _lr(T).StepLR(o, 4)], milestones=[10, 25]
    ),
    "SequentialLR of chained": lambda T, o: _lr(T).SequentialLR(
        o,
        [_lr(T).LinearLR(o), _lr(T).ChainedScheduler([_lr(T).ExponentialLR(o, 0.9), _lr(T).StepLR(o, 4)])],
        milestones=[6],
    ),
}  # fmt: skip


def _weights(T: Any, count: int) -> list[Any]:
    return [T.nn.Parameter(T.ones(2)) for _ in range(count)]


OPTIMIZERS: dict[str, Callable[[Any], Any]] = {
    "SGD": lambda T: T.optim.SGD(_weights(T, 1), lr=0.1, momentum=0.9),
    "Adam": lambda T: T.optim.Adam(_weights(T, 1), lr=0.01),
    "groups": lambda T: T.optim.SGD(
        [{"params": _weights(T, 1), "lr": 0.05}, {"params": _weights(T, 2)}], lr=0.5, momentum=0.5
    ),
    "RMSprop": lambda T: T.optim.RMSprop(_weights(T, 2), lr=0.1, momentum=0.1),
    "a tensor for lr": lambda T: T.optim.SGD(_weights(T, 1), lr=T.tensor(0.1), momentum=0.9),
}


def cases() -> Iterator[Case]:
    for name in SCHEDULES:
        for optimizer in OPTIMIZERS:
            for kind, ask in KINDS.items():
                yield Case(name.split(" ")[0], kind, f"{name} {optimizer}", functools.partial(ask, name, optimizer))


def _stepped(scheduler: Any, step: int) -> None:
    if "Plateau" in type(scheduler).__name__:
        scheduler.step(abs((step % 17) - 8) / (1 + step))
    else:
        scheduler.step()


def _seen(optimizer: Any) -> Any:
    names = ("lr", "momentum", "betas", "initial_lr", "max_lr", "min_lr", "max_momentum", "base_momentum", "swa_lr")
    return [{name: deepcopy(group[name]) for name in names if name in group} for group in optimizer.param_groups]


def fifty(name: str, kind: str, T: types.ModuleType) -> Any:
    optimizer = OPTIMIZERS[kind](T)
    scheduler = SCHEDULES[name](T, optimizer)
    answers = [_seen(optimizer)]
    for step in range(STEPS):
        optimizer.step()
        _stepped(scheduler, step)
        answers.append([*_seen(optimizer), deepcopy(scheduler.get_last_lr())])
    return answers


def _state(scheduler: Any) -> Any:
    """The state, its keys in order, with functions left out."""

    def plain(value: Any) -> Any:
        if isinstance(value, dict):
            return {key: plain(value[key]) for key in sorted(value, key=str)}
        if isinstance(value, (list, tuple)):
            return [plain(item) for item in value]
        return "a function" if callable(value) else value

    return plain(deepcopy(scheduler.state_dict()))


def state(name: str, kind: str, T: types.ModuleType) -> Any:
    """At the start and on the way; then the state is loaded into another, which goes on."""
    optimizer = OPTIMIZERS[kind](T)
    scheduler = SCHEDULES[name](T, optimizer)
    answers = [_state(scheduler)]
    for step in range(STEPS // 2):
        optimizer.step()
        _stepped(scheduler, step)
    answers.append(_state(scheduler))
    other = OPTIMIZERS[kind](T)
    resumed = SCHEDULES[name](T, other)
    other.load_state_dict(optimizer.state_dict())
    resumed.load_state_dict(deepcopy(scheduler.state_dict()))
    for step in range(STEPS // 2, STEPS):
        other.step()
        _stepped(resumed, step)
    return [*answers, _state(resumed), _seen(other)]


KINDS = {"fifty steps": fifty, "state": state}
