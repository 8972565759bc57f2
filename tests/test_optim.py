"""Optimisers and schedules, held to PyTorch's: parameters after each step, state, text, errors."""

import copy
import inspect
import io
import math
import warnings
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import optim
from pellucid.core import Interpreter, Tensor, below, interpreter, wrap
from pellucid.optim import lr_scheduler
from pellucid.serialize import load, save

OPTIMIZERS: dict[str, list[dict[str, Any]]] = {
    "SGD": [
        {"lr": 0.1},
        {"lr": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "maximize": True, "weight_decay": 0.1},
        {"lr": 0.1, "momentum": 0.9},
        {"lr": 0.1, "momentum": 0.9, "dampening": 0.3},
        {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01},
        {"lr": 0.1, "momentum": 0.9, "maximize": True},
    ],
    "Adam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.9), "eps": 1e-3},
        {"lr": 0.1, "weight_decay": 0.1, "amsgrad": True},
        {"lr": 0.1, "maximize": True},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True},
    ],
    "AdamW": [{}, {"lr": 0.1, "weight_decay": 0.3, "amsgrad": True}, {"lr": 0.1, "maximize": True}],
    "RMSprop": [
        {},
        {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.1},
        {"lr": 0.1, "centered": True},
        {"lr": 0.1, "centered": True, "momentum": 0.5, "maximize": True},
    ],
    "NAdam": [
        {},
        {"lr": 0.1, "weight_decay": 0.1, "momentum_decay": 0.1},
        {"lr": 0.1, "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "RAdam": [
        {},
        {"lr": 0.1, "betas": (0.5, 0.6), "weight_decay": 0.1},
        {"lr": 0.1, "betas": (0.5, 0.95), "weight_decay": 0.1, "decoupled_weight_decay": True, "maximize": True},
    ],
    "Rprop": [{}, {"lr": 0.1, "etas": (0.3, 1.5), "step_sizes": (0.05, 0.2)}, {"lr": 0.1, "maximize": True}],
    "ASGD": [{}, {"lr": 0.1, "lambd": 0.1, "t0": 2, "weight_decay": 0.1}, {"lr": 0.1, "t0": 0, "maximize": True}],
    "Adadelta": [{}, {"lr": 0.5, "rho": 0.5, "weight_decay": 0.1}, {"maximize": True, "eps": 1e-3}],
    "Adamax": [{}, {"lr": 0.1, "betas": (0.5, 0.9), "weight_decay": 0.1}, {"lr": 0.1, "maximize": True}],
    "Adagrad": [
        {},
        {"lr": 0.1, "lr_decay": 0.1, "weight_decay": 0.1},
        {"lr": 0.1, "initial_accumulator_value": 0.5, "maximize": True},
    ],
}
ROWS = [pytest.param(name, row, id=f"{name} {row}") for name, rows in OPTIMIZERS.items() for row in rows]
SHAPES = [(5, 7), (3,), (), (0, 2)]


def parameter(array: np.ndarray) -> Tensor:
    return wrap(array.copy()).requires_grad_()


def test_every_optimizer_of_pytorchs_has_a_row() -> None:
    theirs = set(dir(pytest.importorskip("torch").optim))
    found = {name for name in optim.__all__ if inspect.isclass(getattr(optim, name)) and name in theirs}
    # They do not take every shape, need a closure or sparse gradients: test_optiminfo.py, test_program_names.py.
    elsewhere = {"LBFGS", "Muon", "Adafactor", "SparseAdam"}
    assert found - {"Optimizer"} - elsewhere == set(OPTIMIZERS)


def torch_pair(name: str, options: dict[str, Any], dtype: Any, rng: np.random.Generator) -> Any:
    torch = pytest.importorskip("torch")
    starts = [rng.standard_normal(shape).astype(dtype) for shape in SHAPES]
    ours = [parameter(np.asarray(start)) for start in starts]
    theirs = [torch.tensor(start, requires_grad=True) for start in starts]
    return (
        ours,
        theirs,
        getattr(optim, name)(ours, **options),
        getattr(torch.optim, name)(theirs, foreach=False, **options),
    )


def give_gradients(ours: list[Tensor], theirs: list[Any], rng: np.random.Generator) -> None:
    import torch

    for mine, other in zip(ours, theirs, strict=True):
        grad = np.asarray(rng.standard_normal(mine.shape), mine.dtype.numpy)
        mine.grad, other.grad = wrap(grad.copy()), torch.tensor(grad)


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize(("name", "options"), ROWS)
def test_steps_are_pytorchs(name: str, options: dict[str, Any], dtype: Any) -> None:
    rng = np.random.default_rng(0)
    ours, theirs, optimizer, reference = torch_pair(name, options, dtype, rng)
    # PyTorch's kernels fuse a multiplication and an addition where NumPy rounds twice, and take some square roots one
    # unit off: two units in the last place of the larger operand in one step, which then add up.
    unit = np.finfo(dtype).eps
    for step in range(1, 21):
        give_gradients(ours, theirs, rng)
        optimizer.step()
        reference.step()
        for mine, other in zip(ours, theirs, strict=True):
            np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=0, atol=4 * unit * step)
    state, expected = optimizer.state_dict(), reference.state_dict()
    assert list(state["state"]) == list(expected["state"])
    for number, values in expected["state"].items():
        assert list(state["state"][number]) == list(values)
        for key, value in values.items():
            mine = state["state"][number][key]
            assert (mine.dtype.name, tuple(mine.shape)) == (str(value.dtype)[6:], tuple(value.shape)), key
            np.testing.assert_allclose(mine.numpy(), value.numpy(), rtol=0, atol=100 * unit)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_groups_and_text_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")

    def build(library: Any, make: Any) -> Any:
        groups = [{"params": [make(2), make(3)]}, {"params": make(1), "lr": 0.5}]
        return getattr(library, name)(groups, lr=0.25)

    ours = build(optim, lambda size: parameter(np.ones(size, np.float32)))
    theirs = build(torch.optim, lambda size: torch.ones(size, requires_grad=True))
    mine, expected = ours.state_dict()["param_groups"], theirs.state_dict()["param_groups"]
    assert [{key: value for key, value in group.items() if key != "l1"} for group in mine] == expected
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_options_are_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = inspect.signature(getattr(torch.optim, name).__init__).parameters
    ours = inspect.signature(getattr(optim, name).__init__).parameters
    assert {p for p in ours if p != "l1"} == set(theirs)
    assert {p: (ours[p].default, ours[p].kind) for p in theirs} == {
        p: (theirs[p].default, theirs[p].kind) for p in theirs
    }
    by_position = [p for p in theirs if theirs[p].kind is not inspect.Parameter.KEYWORD_ONLY]
    assert [p for p in ours if ours[p].kind is not inspect.Parameter.KEYWORD_ONLY] == by_position


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_a_resumed_run_is_the_uninterrupted_one(name: str) -> None:
    options = OPTIMIZERS[name][-1]

    def run(optimizer: Any, weights: Tensor, grads: Any) -> Tensor:
        for grad in grads:
            weights.grad = wrap(grad)
            optimizer.step()
        return weights

    grads = np.random.default_rng(0).standard_normal((6, 10)).astype(np.float32)
    start = np.linspace(-1, 1, 10, dtype=np.float32)
    whole = parameter(start)
    run(getattr(optim, name)([whole], **options), whole, grads)

    first = parameter(start)
    optimizer = getattr(optim, name)([first], **options)
    run(optimizer, first, grads[:3])
    file = io.BytesIO()
    save([first.detach(), optimizer.state_dict()], file)
    run(optimizer, first, grads[3:])  # what is saved must not go on with the run
    file.seek(0)
    weights, state = load(file)
    second = parameter(weights.numpy())
    resumed = getattr(optim, name)([second], lr=123.0)
    resumed.load_state_dict(state)
    kept = copy.deepcopy(state["state"])
    run(resumed, second, grads[3:])
    assert second.detach().numpy().tobytes() == whole.detach().numpy().tobytes()
    for number, values in kept.items():  # and loading must not tie the optimiser to what it was loaded from
        for key, value in values.items():
            assert value.numpy().tobytes() == state["state"][number][key].numpy().tobytes()


@pytest.mark.parametrize("name", OPTIMIZERS)
def test_pytorchs_checkpoint_can_be_carried_on(name: str) -> None:
    torch = pytest.importorskip("torch")
    rng = np.random.default_rng(0)
    options = OPTIMIZERS[name][-1]
    ours, theirs, _, reference = torch_pair(name, options, np.float32, rng)
    give_gradients(ours, theirs, rng)
    reference.step()
    file = io.BytesIO()
    torch.save([reference.state_dict(), [p.detach() for p in theirs]], file)
    file.seek(0)
    state, weights = load(file)
    ours = [parameter(weight.numpy()) for weight in weights]
    optimizer = getattr(optim, name)(ours)
    optimizer.load_state_dict(state)
    give_gradients(ours, theirs, rng)
    optimizer.step()
    reference.step()
    for mine, other in zip(ours, theirs, strict=True):
        np.testing.assert_allclose(mine.detach().numpy(), other.detach().numpy(), rtol=1e-5, atol=1e-6)


@pytest.mark.parametrize("name", ["SGD", "Adam", "AdamW"])
def test_l1_adds_its_subgradient(name: str) -> None:
    values = np.array([2.0, -3.0, 0.0], np.float32)
    penalised, plain = parameter(values), parameter(values)
    first = getattr(optim, name)([{"params": [penalised], "l1": 0.5}], lr=0.1)
    other = getattr(optim, name)([plain], lr=0.1)
    penalised.grad = wrap(np.array([1.0, 1.0, 0.25], np.float32))
    plain.grad = wrap(np.array([1.5, 0.5, 0.25], np.float32))
    first.step()
    other.step()
    np.testing.assert_allclose(penalised.detach().numpy(), plain.detach().numpy(), rtol=1e-6)
    assert penalised.grad.tolist() == [1.0, 1.0, 0.25]


def test_a_step_with_state_allocates_nothing_new() -> None:
    import tracemalloc

    weights = parameter(np.ones(1_000_000, np.float32))
    weights.grad = wrap(np.ones(1_000_000, np.float32))
    for name in OPTIMIZERS:
        optimizer = getattr(optim, name)([weights], **OPTIMIZERS[name][-1])
        optimizer.step()
        tracemalloc.start()
        optimizer.step()
        peak = tracemalloc.get_traced_memory()[1]
        tracemalloc.stop()
        assert peak < (2_100_000 if name == "Rprop" else 100_000), name  # Rprop: two masks


def test_threads_do_not_share_scratch() -> None:
    from concurrent.futures import ThreadPoolExecutor

    def train(seed: int) -> bytes:
        rng = np.random.default_rng(seed)
        weights = parameter(rng.standard_normal(50_000))
        optimizer = optim.Adam([weights], lr=0.1)
        for _ in range(5):
            weights.grad = wrap(rng.standard_normal(50_000))
            optimizer.step()
        return weights.detach().numpy().tobytes()

    with ThreadPoolExecutor(4) as pool:
        assert list(pool.map(train, range(8))) == [train(seed) for seed in range(8)]


def test_a_step_is_seen_by_autograd() -> None:
    weights = parameter(np.ones(3, np.float32))
    product = weights * weights
    weights.grad = wrap(np.ones(3, np.float32))
    optim.SGD([weights], lr=0.1).step()
    with pytest.raises(RuntimeError, match="modified by an inplace operation"):
        product.sum().backward()


def test_closure_hooks_and_parameters_without_gradient() -> None:
    used, unused = parameter(np.ones(2, np.float32)), parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([used, unused], lr=0.5)
    calls: list[str] = []
    before = optimizer.register_step_pre_hook(lambda *_: calls.append("before"))
    optimizer.register_step_post_hook(lambda *_: calls.append("after"))

    def closure() -> Any:
        optimizer.zero_grad()
        loss = (used * used).sum()
        loss.backward()
        return loss

    assert optimizer.step(closure).item() == 2.0
    assert used.tolist() == [0.0, 0.0]
    assert unused.tolist() == [1.0, 1.0]
    before.remove()
    optimizer.step()
    assert calls == ["before", "after", "after"]
    optimizer.zero_grad(set_to_none=False)
    assert used.grad.tolist() == [0.0, 0.0]
    optimizer.zero_grad()
    assert used.grad is None


@pytest.mark.parametrize("library", ["pellucid", "torch"])
def test_step_hooks_are_called_as_in_pytorch(library: str) -> None:
    lib: Any = pytest.importorskip(library)

    class OwnStep(lib.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            return closure and closure()

    class Extended(lib.optim.SGD):
        def step(self, closure: Any = None) -> Any:
            super().step()
            return closure and closure()

    # PyTorch calls the hooks of a step that calls its base's step once for each of the two.
    for kind in (OwnStep, Extended) if library == "pellucid" else (OwnStep,):
        weight = lib.nn.Parameter(lib.ones(2))
        optimizer = kind([weight], lr=0.5)
        seen: list[Any] = []

        def before(given: Any, args: Any, kwargs: Any, seen: list[Any] = seen) -> Any:
            seen.append(("before", given is args[0], args[1:], kwargs))
            return (args[0], lambda: 7), {}

        def after(given: Any, args: Any, kwargs: Any, seen: list[Any] = seen) -> None:
            seen.append(("after", given is args[0], len(args), kwargs))

        handles = [optimizer.register_step_pre_hook(before), optimizer.register_step_post_hook(after)]
        assert optimizer.step(None) == 7  # the arguments that the hook returned are those of the step
        assert seen == [("before", True, (None,), {}), ("after", True, 2, {})]
        handles[0].remove()
        optimizer.register_step_pre_hook(lambda *_: "nonsense")
        with pytest.raises(RuntimeError, match="None or a tuple of \\(new_args, new_kwargs\\), but got nonsense"):
            optimizer.step()


@pytest.mark.parametrize("library", ["pellucid", "torch"])
def test_hooks_of_every_optimizer_go_around_those_of_each(library: str) -> None:
    lib: Any = pytest.importorskip(library)
    optimizer = lib.optim.Adam([lib.nn.Parameter(lib.ones(2))])
    seen: list[str] = []
    every = pytest.importorskip(f"{library}.optim.optimizer")
    handles = [
        optimizer.register_step_pre_hook(lambda *_: seen.append("its pre")),
        every.register_optimizer_step_pre_hook(lambda o, args, kwargs: seen.append(f"pre {o is optimizer is args[0]}")),
        every.register_optimizer_step_post_hook(lambda o, args, kwargs: seen.append(f"post {o is optimizer}")),
        optimizer.register_step_post_hook(lambda *_: seen.append("its post")),
    ]
    optimizer.step()
    assert seen == ["pre True", "its pre", "its post", "post True"]
    for handle in handles:
        handle.remove()
    optimizer.step()
    assert len(seen) == 4


def test_an_optimizer_written_for_pytorch() -> None:
    class Plain(optim.Optimizer):
        def __init__(self, params: Any, lr: float) -> None:
            super().__init__(params, {"lr": lr})

        def step(self, closure: Any = None) -> None:
            with pellucid.no_grad():
                for group in self.param_groups:
                    for p in group["params"]:
                        p.copy_(p - p.grad * group["lr"])
                        self.state[p]["seen"] = True

    weights = parameter(np.ones(2, np.float32))
    optimizer = Plain([weights], lr=0.5)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    weights.grad = wrap(np.ones(2, np.float32))
    optimizer.step()
    scheduler.step()
    assert weights.tolist() == [0.5, 0.5]
    assert optimizer.state_dict()["state"] == {0: {"seen": True}}
    assert optimizer.param_groups[0]["lr"] == 0.05


def test_a_copied_optimizer_with_a_schedule_steps_itself() -> None:
    weights = parameter(np.ones(2, np.float32))
    optimizer = optim.SGD([weights], lr=0.5)
    lr_scheduler.StepLR(optimizer, 1)
    twin = copy.copy(optimizer)
    assert "step" not in vars(twin)


W = parameter(np.ones(2, np.float32))
ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "no parameters": (lambda: optim.SGD([]), ValueError, "empty parameter list"),
    "one tensor": (lambda: optim.SGD(W), TypeError, "iterable of Tensors or dicts"),
    "numbers": (lambda: optim.SGD([1]), TypeError, "one of the params is int"),
    "a computed tensor": (lambda: optim.SGD([W * 2]), ValueError, "can't optimize a non-leaf"),
    "a set": (lambda: optim.SGD([{"params": {W}}]), TypeError, "ordered collections"),
    "twice": (lambda: optim.SGD([{"params": W}, {"params": W}]), ValueError, "more than one parameter group"),
    "no dict": (lambda: optim.SGD([W]).add_param_group(3), TypeError, "param_group must be a dict"),  # type: ignore[arg-type]
    "negative lr": (lambda: optim.SGD([W], lr=-1), ValueError, "Invalid learning rate: -1"),
    "NaN": (lambda: optim.SGD([W], lr=math.nan), ValueError, "Invalid learning rate: nan"),
    "negative momentum": (lambda: optim.SGD([W], momentum=-1), ValueError, "Invalid momentum value: -1"),
    "negative decay": (lambda: optim.SGD([W], weight_decay=-1), ValueError, "Invalid weight_decay value: -1"),
    "negative l1": (lambda: optim.SGD([W], l1=-1), ValueError, "Invalid l1 value: -1"),
    "nesterov alone": (lambda: optim.SGD([W], nesterov=True), ValueError, "requires a momentum and zero dampening"),
    "differentiable": (lambda: optim.SGD([with_grad()], differentiable=True).step(), RuntimeError, "leaf"),
    "foreach, differentiable": (
        lambda: optim.Adam([with_grad()], differentiable=True, foreach=True).step(),
        AssertionError,
        "foreach=True or",
    ),
    "capturable": (lambda: optim.Adam([with_grad()], capturable=True).step(), AssertionError, "leave it out"),
    "negative eps": (lambda: optim.Adam([W], eps=-1), ValueError, "Invalid epsilon value: -1"),
    "beta of 1": (lambda: optim.Adam([W], betas=(0.9, 1.0)), ValueError, "Invalid beta parameter at index 1: 1.0"),
    "groups differ": (
        lambda: optim.SGD([W]).load_state_dict({"state": {}, "param_groups": []}),
        ValueError,
        "different number of parameter groups",
    ),
    "sizes differ": (
        lambda: optim.SGD([W]).load_state_dict({"state": {}, "param_groups": [{"params": [0, 1]}]}),
        ValueError,
        "doesn't match the size of optimizer's group",
    ),
    "no update": (lambda: optim.Optimizer([with_grad()], {}).step(), NotImplementedError, "must define update"),
    "no optimizer": (lambda: lr_scheduler.StepLR(3, 1), TypeError, "int is not an Optimizer"),  # type: ignore[arg-type]
    "not begun": (
        lambda: lr_scheduler.StepLR(optim.SGD([W]), 1, last_epoch=3),
        KeyError,
        "'initial_lr' is not specified",
    ),
    "too many steps": (lambda: step_on(scheduled("OneCycleLR", 0.1, 2), 3), ValueError, "step 3 times"),
    "no steps": (lambda: scheduled("OneCycleLR", 0.1), ValueError, "total_steps OR"),
    "half a step": (lambda: scheduled("OneCycleLR", 0.1, 2.5), ValueError, "positive integer total_steps"),
    "odd strategy": (lambda: scheduled("OneCycleLR", 0.1, 2, anneal_strategy="x"), ValueError, "instead got x"),
    "odd fraction": (lambda: scheduled("OneCycleLR", 0.1, 2, pct_start=2.0), ValueError, "pct_start, but got 2.0"),
    "too many lrs": (lambda: scheduled("OneCycleLR", [0.1, 0.2], 2), ValueError, "max_lr has 2 values"),
    "no momentum": (
        lambda: lr_scheduler.OneCycleLR(optim.Adagrad([W]), 0.1, 5),
        ValueError,
        "must support momentum or beta1",
    ),
    "factor of 1": (lambda: scheduled("ReduceLROnPlateau", factor=1.0), ValueError, "Factor should be < 1.0"),
    "odd mode": (lambda: scheduled("ReduceLROnPlateau", "least"), ValueError, "mode least is unknown"),
    "odd threshold": (lambda: scheduled("ReduceLROnPlateau", threshold_mode="x"), ValueError, "mode x is unknown"),
    "odd start": (lambda: scheduled("LinearLR", 0.0), ValueError, "greater than 0"),
    "odd end": (lambda: scheduled("LinearLR", 0.5, 2.0), ValueError, "between 0 and 1, but got 2.0"),
    "too many functions": (lambda: scheduled("LambdaLR", [abs, abs]), ValueError, "Expected 1 lr_lambdas"),
    "no formula": (lambda: lr_scheduler.LRScheduler(optim.SGD([W])), NotImplementedError, "must define next_lr"),
}


def with_grad() -> Tensor:
    weights = parameter(np.ones(2, np.float32))
    weights.grad = wrap(np.ones(2, np.float32))
    return weights


def scheduled(name: str, *args: Any, **options: Any) -> Any:
    weights = with_grad()
    optimizer = optim.SGD([weights], lr=0.1, momentum=0.9)
    scheduler = getattr(lr_scheduler, name)(optimizer, *args, **options)
    optimizer.step()
    return scheduler


def step_on(scheduler: Any, times: int) -> None:
    for _ in range(times):
        scheduler.step()


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_do(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


def test_a_parameter_given_twice_is_warned_of() -> None:
    with pytest.warns(UserWarning, match="duplicate parameters"):
        optim.SGD([W, W])


def test_names_are_kept() -> None:
    optimizer = optim.SGD([("weight", W)])
    assert optimizer.state_dict()["param_groups"][0]["param_names"] == ["weight"]


# ------------------------------------------------------------------------------------------------- schedules

METRICS = [3.0, 2.0, 2.0, 2.1, 2.0, 1.9999, 1.0, 1.0, 1.0, 1.0, 5.0, 5.0, 0.5, 0.5, 0.6, 0.6, 0.6, 0.6, 0.6, 0.6]

SCHEDULES: dict[str, list[tuple[tuple[Any, ...], dict[str, Any]]]] = {
    "StepLR": [((3,), {}), ((2, 0.5), {})],
    "MultiStepLR": [(([2, 3, 3, 8],), {"gamma": 0.3})],
    "ExponentialLR": [((0.9,), {})],
    "CosineAnnealingLR": [((7,), {}), ((30, 0.01), {})],
    "LinearLR": [((), {}), ((0.5, 0.1, 8), {})],
    "LambdaLR": [
        ((lambda epoch: 1 / (1 + epoch),), {}),
        (([lambda epoch: math.sqrt(epoch), lambda epoch: math.exp(epoch)],), {}),
    ],
    "MultiplicativeLR": [((lambda epoch: 1 - 0.01 * epoch,), {}), (([lambda epoch: 0.9, lambda epoch: 1.1],), {})],
    "ConstantLR": [((), {}), ((0.2, 8), {})],
    "PolynomialLR": [((), {}), ((8, 2.0), {})],
    "CosineAnnealingWarmRestarts": [((4,), {}), ((3, 2, 0.01), {})],
    "CyclicLR": [
        ((0.01, 0.5), {"step_size_up": 4}),
        (([0.01, 0.1], 0.5), {"step_size_up": 3, "step_size_down": 2, "mode": "triangular2"}),
        ((0.01, 0.5), {"step_size_up": 4, "mode": "exp_range", "gamma": 0.9, "cycle_momentum": False}),
        ((0.01, 0.5), {"step_size_up": 4, "scale_fn": lambda x: 1 / x, "scale_mode": "cycle"}),
    ],
    "SequentialLR": [
        ((lambda S, o: [o, [S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)], [4]],), {}),
        ((lambda S, o: [o, [S.LinearLR(o), S.CosineAnnealingLR(o, 5), S.StepLR(o, 2)], [5, 9]],), {}),
    ],
    "ChainedScheduler": [((lambda S, o: [[S.ConstantLR(o, 0.1, 3), S.ExponentialLR(o, 0.9)], o],), {})],
    "ReduceLROnPlateau": [
        ((), {"patience": 1}),
        (("max", 0.5), {"patience": 1, "cooldown": 2, "min_lr": [0.05, 0.01]}),
        ((), {"threshold_mode": "abs", "threshold": 0.2, "patience": 0, "min_lr": 0.001}),
    ],
    "OneCycleLR": [
        ((0.5, 20), {}),
        (([0.5, 1.0],), {"epochs": 4, "steps_per_epoch": 5, "anneal_strategy": "linear"}),
        ((0.5, 20), {"three_phase": True, "div_factor": 10, "cycle_momentum": False}),
    ],
}
SCHEDULE_ROWS = [
    pytest.param(name, row, optimizer, id=f"{name} {place} {optimizer}")
    for name, rows in SCHEDULES.items()
    for place, row in enumerate(rows)
    for optimizer in ("SGD", "Adam")
]


def build_schedule(S: Any, name: str, optimizer: Any, args: Any, options: Any) -> Any:
    if name in ("SequentialLR", "ChainedScheduler"):
        return getattr(S, name)(*args[0](S, optimizer))
    return getattr(S, name)(optimizer, *args, **options)


def test_every_schedule_has_a_row() -> None:
    assert set(lr_scheduler.__all__) - {"LRScheduler"} == set(SCHEDULES)


@pytest.mark.parametrize(("name", "row", "kind"), SCHEDULE_ROWS)
def test_schedules_are_pytorchs(name: str, row: Any, kind: str) -> None:
    torch = pytest.importorskip("torch")
    args, options = row

    def run(library: Any, make: Any) -> Any:
        optimizer = getattr(library, kind)([{"params": [make()], "lr": 0.2}, {"params": [make()]}], lr=0.1)
        scheduler = build_schedule(library.lr_scheduler, name, optimizer, args, options)
        seen = []
        for metric in METRICS:
            seen.append([(g["lr"], g.get("momentum"), g.get("betas")) for g in optimizer.param_groups])
            optimizer.step()
            scheduler.step(metric) if name == "ReduceLROnPlateau" else scheduler.step()
        return seen, scheduler.get_last_lr(), scheduler.state_dict()

    *ours, state = run(optim, lambda: parameter(np.ones(1, np.float32)))
    *theirs, expected = run(torch.optim, lambda: torch.ones(1, requires_grad=True))
    assert ours == theirs
    assert state == expected


@pytest.mark.parametrize(("name", "row", "kind"), SCHEDULE_ROWS)
def test_a_resumed_schedule_is_the_uninterrupted_one(name: str, row: Any, kind: str) -> None:
    args, options = row

    def build() -> Any:
        made = [parameter(np.ones(1, np.float32)) for _ in range(2)]
        optimizer = getattr(optim, kind)([{"params": [made[0]], "lr": 0.2}, {"params": [made[1]]}], lr=0.1)
        return optimizer, build_schedule(lr_scheduler, name, optimizer, args, options)

    def run(optimizer: Any, scheduler: Any, metrics: list[float]) -> list[float]:
        for metric in metrics:
            optimizer.step()
            scheduler.step(metric) if name == "ReduceLROnPlateau" else scheduler.step()
        return scheduler.get_last_lr()

    expected = run(*build(), METRICS)
    optimizer, scheduler = build()
    run(optimizer, scheduler, METRICS[:9])
    states = copy.deepcopy((optimizer.state_dict(), scheduler.state_dict()))
    optimizer, scheduler = build()
    optimizer.load_state_dict(states[0])
    scheduler.load_state_dict(states[1])
    assert run(optimizer, scheduler, METRICS[9:]) == expected


def test_a_schedule_ahead_of_its_optimizer_is_warned_of() -> None:
    optimizer = optim.SGD([W], lr=0.1)
    scheduler = lr_scheduler.StepLR(optimizer, 1)
    with pytest.warns(UserWarning, match=r"`lr_scheduler\.step\(\)` before `optimizer\.step\(\)`"):
        scheduler.step()
    with pytest.warns(UserWarning, match="use `get_last_lr"):
        scheduler.get_lr()
    optimizer.step()
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        scheduler.step()


def test_functions_with_a_state_are_saved_by_it() -> None:
    class Halving:
        def __init__(self, every: int) -> None:
            self.every = every

        def __call__(self, epoch: int) -> float:
            return 0.5 ** (epoch // self.every)

    state = scheduled("LambdaLR", Halving(3)).state_dict()
    assert state["lr_lambdas"] == [{"every": 3}]
    other = scheduled("LambdaLR", Halving(9))
    other.load_state_dict(state)
    assert other.lr_lambdas[0].every == 3


def test_a_dropped_optimizer_with_a_schedule_is_freed() -> None:
    import weakref

    optimizer = optim.SGD([parameter(np.ones(2, np.float32))], lr=0.1)
    lr_scheduler.StepLR(optimizer, 1)
    gone = weakref.ref(optimizer)
    del optimizer
    assert gone() is None


class _Seen(Interpreter):
    """An interpreter that notes what is applied."""

    def __init__(self) -> None:
        self.names: list[str] = []

    def apply(self, op: Any, args: tuple[Any, ...], kwargs: dict[str, Any]) -> Any:
        self.names.append(op.name)
        return below(self, op, args, kwargs)


@pytest.mark.parametrize("name", list(OPTIMIZERS))
def test_a_step_is_one_op_for_each_parameter(name: str) -> None:
    parameters = [wrap(np.ones(3, np.float32)).requires_grad_() for _ in range(2)]
    optimizer = getattr(optim, name)(parameters, lr=0.1)
    for _ in range(2):  # the first step also makes the state
        for parameter in parameters:
            parameter.grad = wrap(np.ones(3, np.float32))
        seen = _Seen()
        with interpreter(seen):
            optimizer.step()
    assert seen.names == [optimizer.formula.name] * 2


def test_a_schedule_may_derive_from_the_former_name() -> None:
    """As nearly every schedule that was written by hand does, with a `get_lr`."""

    class Halved(lr_scheduler._LRScheduler):
        def get_lr(self) -> list[float]:
            return [rate * 0.5**self.last_epoch for rate in self.base_lrs]

    optimizer = optim.SGD([pellucid.ones(2, requires_grad=True)], lr=0.8)
    schedule = Halved(optimizer)
    for _ in range(2):
        optimizer.step()
        schedule.step()
    assert schedule.get_last_lr() == [0.2]


def test_an_optimiser_around_another_need_not_call_the_constructor() -> None:
    """Lookahead and the like, as they are published, take `param_groups` from the optimiser inside, and no more."""

    class Around(optim.Optimizer):
        def __init__(self, inside: optim.Optimizer) -> None:
            self.inside, self.param_groups = inside, inside.param_groups

        def step(self, closure: Any = None) -> Any:
            return self.inside.step(closure)

    weight = pellucid.ones(2, requires_grad=True)
    optimizer = Around(optim.SGD([weight], lr=0.5))
    weight.sum().backward()
    optimizer.step()
    assert weight.tolist() == [0.5, 0.5]
