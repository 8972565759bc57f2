"""What optimisers and schedules refuse, or do in unusual situations, held to PyTorch: the error's class, or numbers."""

from __future__ import annotations

import warnings
from typing import Any

import pytest

import pellucid
from pellucid import optim

torch = pytest.importorskip("torch")

# Not those that take no vectors, or need a closure; tests/test_optiminfo.py has them.
NAMES = [name for name in optim.OPTIMIZERS if name not in ("LBFGS", "Muon") and hasattr(torch.optim, name)]


def weight(T: Any, *values: float) -> Any:
    return T.nn.Parameter(T.tensor(values or (1.0, 2.0)))


def outcome(call: Any, T: Any) -> Any:
    """What a call comes to: its value, or the classes of the error that PyTorch's class is among."""
    with warnings.catch_warnings(record=True):
        warnings.simplefilter("always")
        try:
            return call(T)
        except Exception as error:
            return error


def compare(call: Any) -> None:
    theirs, ours = outcome(call, torch), outcome(call, pellucid)
    if isinstance(theirs, Exception):
        assert isinstance(ours, type(theirs)), f"PyTorch: {theirs!r}, here: {ours!r}"
        assert str(ours)
    else:
        assert not isinstance(ours, Exception), f"PyTorch: {theirs!r}, here: {ours!r}"
        number = isinstance(theirs, float) or (isinstance(theirs, list) and isinstance(theirs[0], float))
        assert ours == (pytest.approx(theirs, rel=1e-5) if number else theirs)


# ------------------------------------------------------------------------------------------ hyperparameters

OPTIONS: list[dict[str, Any]] = [
    {"lr": -0.1},
    {"lr": 0.0},
    {"eps": -1e-8},
    {"weight_decay": -0.1},
    {"momentum": -0.1},
    {"betas": (-0.1, 0.9)},
    {"betas": (0.9, 1.0)},
    {"betas": (0, 0.9)},
    {"alpha": -0.5},
    {"rho": 1.5},
    {"lr_decay": -1.0},
    {"initial_accumulator_value": -1.0},
    {"momentum_decay": -1.0},
    {"etas": (1.5, 1.2)},
    {"etas": (0.5, 0.9)},
    {"nesterov": True},
    {"nesterov": True, "momentum": 0.9, "dampening": 0.1},
    {"fused": True, "foreach": True},
    {"no_such_option": 1},
]


@pytest.mark.parametrize("options", OPTIONS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_hyperparameters_are_refused_as_in_pytorch(name: str, options: dict[str, Any]) -> None:
    def call(T: Any) -> Any:
        getattr(T.optim, name)([weight(T)], **options)

    compare(call)


TENSORS: list[tuple[dict[str, Any], dict[str, Any]]] = [
    ({"lr": 0.1}, {}),
    ({"lr": 0.1}, {"foreach": True}),
    ({"lr": 0.1}, {"foreach": False}),
    ({"lr": [0.1, 0.2]}, {}),
    ({"lr": [0.1]}, {}),
    ({"lr": -0.1}, {}),
]
BETAS = [{}, {"foreach": True}, {"foreach": False}]


@pytest.mark.parametrize("row", TENSORS, ids=str)
@pytest.mark.parametrize("name", NAMES)
def test_a_learning_rate_may_be_a_tensor_as_in_pytorch(name: str, row: Any) -> None:
    def call(T: Any) -> Any:
        tensors = {key: T.tensor(value) for key, value in row[0].items()}
        parameter = weight(T)
        optimizer = getattr(T.optim, name)([parameter], **tensors, **row[1])
        parameter.grad = T.tensor([0.5, -1.0])
        optimizer.step()
        optimizer.step()
        return parameter.tolist()

    compare(call)


@pytest.mark.parametrize("options", BETAS, ids=str)
@pytest.mark.parametrize("betas", [(0.9, 0.99), ([0.9], 0.99), (0.9,), (1.5, 0.99)], ids=str)
@pytest.mark.parametrize("name", ["Adam", "AdamW"])
def test_betas_may_be_tensors_as_in_pytorch(name: str, betas: Any, options: Any) -> None:
    def call(T: Any) -> Any:
        given = tuple(T.tensor(beta) for beta in betas) if len(betas) == 2 else (T.tensor(betas[0]), 0.99)
        parameter = weight(T)
        optimizer = getattr(T.optim, name)([parameter], betas=given, **options)
        parameter.grad = T.tensor([0.5, -1.0])
        optimizer.step()
        return parameter.tolist()

    compare(call)


# --------------------------------------------------------------------------------------------------- groups


def non_leaf(T: Any, keep: bool = False) -> Any:
    value = weight(T) * 2
    if keep:
        value.retain_grad()
    return value


GROUPS: dict[str, Any] = {
    "a tensor": lambda T: T.optim.SGD(weight(T), lr=0.1),
    "none": lambda T: T.optim.SGD([], lr=0.1),
    "an empty group": lambda T: len(T.optim.SGD([{"params": []}], lr=0.1).param_groups),
    "a number": lambda T: T.optim.SGD([1.0], lr=0.1),
    "a dict of parameters": lambda T: T.optim.SGD({"w": weight(T)}, lr=0.1),
    "a group without params": lambda T: T.optim.SGD([{"lr": 0.1}]),
    "a set": lambda T: T.optim.SGD([{"params": {weight(T)}}], lr=0.1),
    "a non-leaf": lambda T: T.optim.SGD([non_leaf(T)], lr=0.1),
    "a non-leaf that keeps its gradient": lambda T: len(T.optim.SGD([non_leaf(T, True)], lr=0.1).param_groups),
    "partly named": lambda T: T.optim.SGD([("w", weight(T)), weight(T)], lr=0.1),
    "partly named, later": lambda T: T.optim.SGD([weight(T), ("w", weight(T))], lr=0.1),
    "one group named": lambda T: T.optim.SGD([{"params": [("w", weight(T))]}, {"params": [weight(T)]}], lr=0.1),
    "the second group named": lambda T: T.optim.SGD([{"params": [weight(T)]}, {"params": [("w", weight(T))]}], lr=0.1),
    "added with names": lambda T: T.optim.SGD([weight(T)], lr=0.1).add_param_group({"params": [("w", weight(T))]}),
    "added without names": lambda T: T.optim.SGD([("w", weight(T))], lr=0.1).add_param_group({"params": [weight(T)]}),
    "added: no dict": lambda T: T.optim.SGD([weight(T)], lr=0.1).add_param_group([weight(T)]),
    "all named": lambda T: T.optim.SGD([("w", weight(T)), ("b", weight(T))], lr=0.1).param_groups[0]["param_names"],
    "an option that only the group has": lambda T: T.optim.SGD([{"params": [weight(T)], "x": 5}]).param_groups[0]["x"],
}


@pytest.mark.parametrize("name", GROUPS)
def test_groups_are_taken_or_refused_as_in_pytorch(name: str) -> None:
    compare(GROUPS[name])


def test_a_group_is_the_dict_that_was_given() -> None:
    for T in (torch, pellucid):
        group = {"params": [weight(T)]}
        optimizer = T.optim.SGD([weight(T)], lr=0.1)
        optimizer.add_param_group(group)
        assert optimizer.param_groups[1] is group
        assert group["lr"] == 0.1


def test_a_shared_parameter_is_refused() -> None:
    def call(T: Any) -> Any:
        shared = weight(T)
        T.optim.SGD([{"params": [shared]}, {"params": [shared]}], lr=0.1)

    compare(call)


# --------------------------------------------------------------------------------------------------- states


def trained(T: Any, name: str, **options: Any) -> Any:
    parameter = weight(T)
    optimizer = getattr(T.optim, name)([parameter], lr=0.1, **options)
    parameter.grad = T.tensor([0.5, -1.0])
    optimizer.step()
    return optimizer


@pytest.mark.parametrize("other", NAMES)
@pytest.mark.parametrize("name", NAMES)
def test_the_state_of_another_optimizer_is_refused_or_works_as_in_pytorch(name: str, other: str) -> None:
    def call(T: Any) -> Any:
        optimizer = trained(T, name, **({"momentum": 0.9} if name == "SGD" else {}))
        options = {"momentum": 0.9} if other == "SGD" else {}
        optimizer.load_state_dict(trained(T, other, **options).state_dict())
        optimizer.step()
        return optimizer.param_groups[0]["params"][0].tolist()

    theirs, ours = outcome(call, torch), outcome(call, pellucid)
    if isinstance(theirs, Exception):
        assert isinstance(ours, ValueError)
        assert f"belongs to another kind of optimizer than {name}" in str(ours)
    elif isinstance(ours, Exception):  # PyTorch goes on from numbers of another meaning
        assert f"belongs to another kind of optimizer than {name}" in str(ours)
        assert name != other
    else:
        assert ours == pytest.approx(theirs, rel=1e-5)


def test_a_state_without_later_options_is_taken() -> None:
    for name in NAMES:
        optimizer = trained(pellucid, name)
        state = optimizer.state_dict()
        for option in ("maximize", "foreach", "capturable", "differentiable", "fused", "l1"):
            state["param_groups"][0].pop(option, None)
        optimizer.load_state_dict(state)
        optimizer.step()


@pytest.mark.parametrize("name", ["Adam", "RMSprop", "Adagrad"])
def test_a_count_of_steps_that_is_a_number_is_taken(name: str) -> None:
    for T in (torch, pellucid):
        optimizer = trained(T, name)
        state = optimizer.state_dict()
        state["state"][0] = {**state["state"][0], "step": 1}
        optimizer.load_state_dict(state)
        optimizer.step()
        assert optimizer.state[optimizer.param_groups[0]["params"][0]]["step"].item() == 2


def test_hooks_see_states_as_in_pytorch() -> None:
    def call(T: Any) -> Any:
        seen: list[str] = []
        optimizer = trained(T, "Adam")
        optimizer.register_state_dict_pre_hook(lambda o: seen.append("before"))
        optimizer.register_state_dict_post_hook(lambda o, state: {**state, "extra": 1})
        optimizer.register_state_dict_post_hook(lambda o, state: seen.append(f"after {sorted(state)}"))
        optimizer.register_state_dict_post_hook(lambda o, state: seen.append("first"), prepend=True)
        state = optimizer.state_dict()
        optimizer.register_load_state_dict_pre_hook(lambda o, state: seen.append(f"load {sorted(state)}"))
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("loaded")).remove()
        optimizer.register_load_state_dict_post_hook(lambda o: seen.append("done"))
        optimizer.load_state_dict(state)
        return seen

    assert call(pellucid) == call(torch)


# ------------------------------------------------------------------------------------------------- schedules


def scheduler(T: Any, name: str, optimizer: Any) -> Any:
    S = T.optim.lr_scheduler
    return {
        "StepLR": lambda: S.StepLR(optimizer, 2),
        "MultiStepLR": lambda: S.MultiStepLR(optimizer, [1, 3]),
        "ConstantLR": lambda: S.ConstantLR(optimizer, 0.5, 3),
        "LinearLR": lambda: S.LinearLR(optimizer, total_iters=4),
        "ExponentialLR": lambda: S.ExponentialLR(optimizer, 0.5),
        "PolynomialLR": lambda: S.PolynomialLR(optimizer, 4, 2.0),
        "CosineAnnealingLR": lambda: S.CosineAnnealingLR(optimizer, 3),
        "LambdaLR": lambda: S.LambdaLR(optimizer, lambda epoch: 1 / (1 + epoch)),
        "MultiplicativeLR": lambda: S.MultiplicativeLR(optimizer, lambda epoch: 0.9),
        "CosineAnnealingWarmRestarts": lambda: S.CosineAnnealingWarmRestarts(optimizer, 2, 2),
        "CyclicLR": lambda: S.CyclicLR(optimizer, 0.01, 0.5, step_size_up=2),
        "OneCycleLR": lambda: S.OneCycleLR(optimizer, 0.5, total_steps=9),
        "ReduceLROnPlateau": lambda: S.ReduceLROnPlateau(optimizer, patience=0),
        "SequentialLR": lambda: S.SequentialLR(
            optimizer, [S.ConstantLR(optimizer, 0.5, 2), S.StepLR(optimizer, 1)], [2]
        ),
        "ChainedScheduler": lambda: S.ChainedScheduler([S.ConstantLR(optimizer, 0.5, 2), S.StepLR(optimizer, 1)]),
    }[name]()


SCHEDULERS = list(optim.lr_scheduler.SCHEDULERS)


def sgd(T: Any, lr: Any = 0.1) -> Any:
    return T.optim.SGD([weight(T)], lr=lr, momentum=0.9)


def rates(optimizer: Any) -> list[float]:
    return [float(group["lr"]) for group in optimizer.param_groups]


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_group_added_after_a_schedule_is_as_in_pytorch(name: str) -> None:
    def call(T: Any) -> Any:
        optimizer = sgd(T)
        schedule = scheduler(T, name, optimizer)
        optimizer.add_param_group({"params": [weight(T)], "lr": 1.0})
        seen = []
        for _ in range(3):
            optimizer.step()
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            seen += rates(optimizer)
        return seen

    compare(call)


def test_a_late_group_and_the_turn_of_a_cosine() -> None:
    optimizer = sgd(pellucid)
    schedule = pellucid.optim.lr_scheduler.CosineAnnealingLR(optimizer, 1)
    optimizer.add_param_group({"params": [weight(pellucid)], "lr": 1.0})
    optimizer.step()
    schedule.step()
    with pytest.raises(ValueError, match="build the scheduler after add_param_group"):
        schedule.step()


@pytest.mark.parametrize("epochs", [[3], [1, None, 5], [None, 0, None], [4, 2]], ids=str)
@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_step_to_an_epoch_is_as_in_pytorch(name: str, epochs: list[int | None]) -> None:
    def call(T: Any) -> Any:
        optimizer = sgd(T)
        schedule = scheduler(T, name, optimizer)
        optimizer.step()
        seen = []
        for epoch in epochs:
            given = {} if epoch is None else {"epoch": epoch}
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []), **given)
            seen += [*rates(optimizer), optimizer.param_groups[0]["momentum"]]
        return seen

    compare(call)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_step_to_an_epoch_warns_where_pytorch_does(name: str) -> None:
    def call(T: Any) -> Any:
        optimizer = sgd(T)
        schedule = scheduler(T, name, optimizer)
        optimizer.step()
        with warnings.catch_warnings(record=True) as caught:
            warnings.simplefilter("always")
            try:
                schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []), epoch=2)
            except TypeError:
                return "refused"
        assert all(warning.filename == __file__ for warning in caught)
        return [(warning.category.__name__, str(warning.message)[:60]) for warning in caught]

    assert call(pellucid) == call(torch)


@pytest.mark.parametrize("name", SCHEDULERS)
def test_a_tensor_for_a_learning_rate_stays_the_same_tensor(name: str) -> None:
    def call(T: Any) -> Any:
        lr = T.tensor(0.1)
        optimizer = sgd(T, lr)
        schedule = scheduler(T, name, optimizer)
        seen = []
        for _ in range(4):
            optimizer.step()
            schedule.step(*([1.0] if name == "ReduceLROnPlateau" else []))
            seen += [*rates(optimizer), *(float(rate) for rate in schedule.get_last_lr())]
        assert optimizer.param_groups[0]["lr"] is lr
        return seen

    compare(call)


REFUSED: dict[str, Any] = {
    "no optimizer": lambda S, o: S.StepLR(3, 1),
    "no optimizer: lambda": lambda S, o: S.ExponentialLR(None, 0.1),
    "a resume without a start": lambda S, o: S.StepLR(o, 1, last_epoch=3),
    "functions for other groups": lambda S, o: S.LambdaLR(o, [abs, abs]),
    "no function": lambda S, o: S.MultiplicativeLR(o, 3),
    "factor of 2": lambda S, o: S.ConstantLR(o, 2.0),
    "start of 0": lambda S, o: S.LinearLR(o, 0.0),
    "end of 2": lambda S, o: S.LinearLR(o, 0.5, 2.0),
    "T_0 of 0": lambda S, o: S.CosineAnnealingWarmRestarts(o, 0),
    "T_0 of 2.5": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2.5),
    "T_mult of 0": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, 0),
    "eta_min of text": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2, 1, "0"),
    "a negative epoch": lambda S, o: S.CosineAnnealingWarmRestarts(o, 2).step(-1),
    "max_lr for two": lambda S, o: S.OneCycleLR(o, [0.1, 0.2], 5),
    "no steps": lambda S, o: S.OneCycleLR(o, 0.1),
    "minus one step": lambda S, o: S.OneCycleLR(o, 0.1, -1),
    "pct_start of 1": lambda S, o: S.OneCycleLR(o, 0.1, 5, pct_start=1),
    "a strategy": lambda S, o: S.OneCycleLR(o, 0.1, 5, anneal_strategy="x"),
    "a mode": lambda S, o: S.CyclicLR(o, 0.1, 0.2, mode="x"),
    "base_lr for two": lambda S, o: S.CyclicLR(o, [0.1, 0.2], 0.2),
    "factor of 1": lambda S, o: S.ReduceLROnPlateau(o, factor=1.0),
    "a direction": lambda S, o: S.ReduceLROnPlateau(o, "x"),
    "a threshold": lambda S, o: S.ReduceLROnPlateau(o, threshold_mode="x"),
    "min_lr for two": lambda S, o: S.ReduceLROnPlateau(o, min_lr=[0.1, 0.2]),
    "no metric": lambda S, o: S.ReduceLROnPlateau(o).step(),
    "a text as metric": lambda S, o: S.ReduceLROnPlateau(o).step("x"),
    "no schedules": lambda S, o: S.SequentialLR(o, [], []),
    "a number as schedule": lambda S, o: S.SequentialLR(o, [3], []),
    "too few milestones": lambda S, o: S.SequentialLR(o, [S.StepLR(o, 1), S.StepLR(o, 1)], []),
    "a plateau in a sequence": lambda S, o: S.SequentialLR(o, [S.ReduceLROnPlateau(o)], []),
    "nothing chained": lambda S, o: S.ChainedScheduler([]),
    "a plateau chained": lambda S, o: S.ChainedScheduler([S.StepLR(o, 1), S.ReduceLROnPlateau(o)]),
}


@pytest.mark.parametrize("name", REFUSED)
def test_schedules_are_refused_as_in_pytorch(name: str) -> None:
    compare(lambda T: REFUSED[name](T.optim.lr_scheduler, sgd(T)))


@pytest.mark.parametrize("kind", ["SequentialLR", "ChainedScheduler"])
def test_schedules_of_two_optimizers_are_refused(kind: str) -> None:
    def call(T: Any) -> Any:
        S, a, b = T.optim.lr_scheduler, sgd(T), sgd(T)
        parts = [S.StepLR(a, 1), S.StepLR(b, 1)]
        return S.SequentialLR(a, parts, [1]) if kind == "SequentialLR" else S.ChainedScheduler(parts)

    compare(call)


def test_a_schedule_written_for_pytorch_uses_its_closed_form() -> None:
    def call(T: Any) -> Any:
        class Halving(T.optim.lr_scheduler.LRScheduler):
            def get_lr(self) -> Any:
                return [group["lr"] for group in self.optimizer.param_groups]

            def _get_closed_form_lr(self) -> Any:
                return [base * 0.5**self.last_epoch for base in self.base_lrs]

        optimizer = sgd(T)
        schedule = Halving(optimizer)
        optimizer.step()
        schedule.step(3)
        return rates(optimizer)

    compare(call)
