"""The callbacks that change how training goes: each against its reference, resumed bit for bit, undone at the end."""

import math
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pellucid import Generator, from_numpy, manual_seed, nn, no_grad, optim, tensor
from pellucid import train as room
from pellucid.train import (
    EMA,
    Accumulate,
    Accuracy,
    Callback,
    Checkpoint,
    CosineDecay,
    EarlyStopping,
    GradientClip,
    Learner,
    MixUp,
    OneCycle,
    OverfitOneBatch,
    ParamScheduler,
    Recorder,
    WarmUp,
    load_checkpoint,
)
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.schedule import combine, constant, cosine, exponential, linear, polynomial
from pellucid.utils.data import DataLoader, TensorDataset
from tests.sampled import sampled
from tests.test_train import STEPS, StopAt, arrays, same, without_seconds
from tests.test_train import learner as make_learner

# Every callback of this file: what is true of all of them is tested over this table.
CALLBACKS: dict[str, Callable[[], list[Callback]]] = {
    "ParamScheduler": lambda: [
        ParamScheduler("lr", exponential(0.1, 0.001)),
        ParamScheduler("weight_decay", linear(0.1, 0.0)),
    ],
    "CosineDecay": lambda: [CosineDecay(0.1)],
    "OneCycle": lambda: [OneCycle(0.2)],
    "WarmUp": lambda: [WarmUp(7)],
    "WarmUp of a schedule": lambda: [WarmUp(fraction=0.5), CosineDecay(0.1)],
    "EarlyStopping": lambda: [EarlyStopping(patience=1, restore_best=True)],
    "EarlyStopping that stops": lambda: [EarlyStopping("train_loss", patience=1, min_delta=100, restore_best=True)],
    "GradientClip by norm": lambda: [GradientClip(norm=0.1)],
    "GradientClip by value": lambda: [GradientClip(value=0.01)],
    "Accumulate": lambda: [Accumulate(3)],
    "Accumulate over more than an epoch": lambda: [Accumulate(9)],
    "MixUp": lambda: [MixUp(0.4)],
    "MixUp with a seed": lambda: [MixUp(0.4, seed=3)],
    "EMA": lambda: [EMA(0.9)],
    "OverfitOneBatch": lambda: [OverfitOneBatch(target=0.3, say=None)],
    "all at once": lambda: [
        OneCycle(0.2), WarmUp(2), EarlyStopping(patience=2), GradientClip(norm=0.5), Accumulate(2), MixUp(), EMA(0.5)
    ],
}  # fmt: skip


@pytest.mark.parametrize("step", sampled([4, 0, 5, 8, 14], 5))
@pytest.mark.parametrize("name", CALLBACKS)
def test_a_resumed_run_equals_the_uninterrupted_one(name: str, step: int, tmp_path: Path) -> None:
    """Interrupted before the first step, within an epoch (and a group of batches), at its end, near the end of all."""
    whole = make_learner(*CALLBACKS[name]())
    whole.fit(3)

    saved = Checkpoint(tmp_path)
    first = make_learner(*CALLBACKS[name](), StopAt(step), saved)
    if step == 0:
        first.epochs = 3
        saved.save(first)
    else:
        first.fit(3)
    assert first.step == min(step, whole.step)

    manual_seed(99)
    second = make_learner(*CALLBACKS[name](), seed=7)
    second.load_state_dict(load_checkpoint(checkpoint_files(tmp_path)[0]))
    second.fit(until=3)

    assert same(whole.state_dict(), second.state_dict())
    assert without_seconds(whole.recorder.rows) == without_seconds(second.recorder.rows)


@pytest.mark.parametrize("name", CALLBACKS)
def test_a_fit_that_goes_on_in_the_same_process_equals_the_uninterrupted_one(name: str) -> None:
    whole = make_learner(*CALLBACKS[name]())
    whole.fit(3)
    parts = make_learner(*CALLBACKS[name]())
    for step in (2, 8, 99):
        with parts.added(StopAt(step)):
            if parts.step == 0:
                parts.fit(3)
            else:
                parts.fit(until=3)
    assert same(whole.state_dict(), parts.state_dict())


class Fails(Callback):
    """Raises in the named hook, at the eighth step or in the second evaluation."""

    order = 30

    def __init__(self, hook: str) -> None:
        self.hook = hook

    def fail(self, hook: str, learner: Learner) -> None:
        if hook == self.hook and learner.step >= 7:
            raise RuntimeError(f"failed in {hook}")

    def before_batch(self, learner: Learner) -> None:
        self.fail("before_batch", learner)

    def after_loss(self, learner: Learner) -> None:
        self.fail("after_loss", learner)

    def before_evaluate(self, learner: Learner) -> None:
        self.fail("before_evaluate", learner)

    def after_fit(self, learner: Learner) -> None:
        self.fail("after_fit", learner)


@pytest.mark.parametrize("hook", ["before_batch", "after_loss", "before_evaluate", "after_fit"])
@pytest.mark.parametrize("name", CALLBACKS)
def test_what_a_callback_changes_is_undone_when_the_fit_fails(name: str, hook: str) -> None:
    run = make_learner(*CALLBACKS[name](), Fails(hook))
    loss = run.loss_function
    groups = [{key: value for key, value in group.items() if key != "params"} for group in run.optimizer.param_groups]
    weights: list[np.ndarray] = []

    class Watch(Callback):
        order = 20

        def after_step(self, learner: Learner) -> None:
            weights[:] = arrays(learner.model.state_dict())

    run.add(Watch())
    with pytest.raises(RuntimeError, match=f"failed in {hook}"):
        run.fit(3)
    assert run.loss_function is loss
    after = [{key: value for key, value in group.items() if key != "params"} for group in run.optimizer.param_groups]
    assert after == groups
    assert all(callback._mixture is None for callback in run.callbacks if isinstance(callback, MixUp))
    if "Accumulate" in name:
        assert all(parameter.grad is None for parameter in run.model.parameters())
    if hook == "before_evaluate":  # the averaged weights were in the place of the model's
        assert all((a == b).all() for a, b in zip(weights, arrays(run.model.state_dict()), strict=True))
    run.remove(*[callback for callback in run.callbacks if isinstance(callback, Fails)])
    state = arrays(run.model.state_dict())
    run.evaluate()
    assert all((a == b).all() for a, b in zip(state, arrays(run.model.state_dict()), strict=True))


def test_every_callback_is_in_the_table() -> None:
    here = {type(callback).__name__ for make in CALLBACKS.values() for callback in make()}
    own = {
        name
        for name in room.__all__
        if isinstance(kind := getattr(room, name), type)
        and issubclass(kind, Callback)
        and kind.__module__.rpartition(".")[2]
        in ("schedule", "early_stopping", "gradient_clip", "accumulate", "mixup", "ema", "overfit")
    }
    assert own == here


# Annealing


@pytest.mark.parametrize(
    ("schedule", "values"),
    [
        (constant(3.0), [3.0, 3.0, 3.0]),
        (linear(1.0, 3.0), [1.0, 2.0, 3.0]),
        (cosine(1.0, 3.0), [1.0, 2.0, 3.0]),
        (exponential(1.0, 4.0), [1.0, 2.0, 4.0]),
        (exponential(-1.0, -4.0), [-1.0, -2.0, -4.0]),
        (polynomial(4.0, 0.0), [4.0, 1.0, 0.0]),
        (polynomial(1.0, 3.0, power=1), [1.0, 2.0, 3.0]),
    ],
)
def test_annealing_begins_and_ends_where_it_should(schedule: Callable[[float], float], values: list[float]) -> None:
    assert [schedule(part) for part in (0.0, 0.5, 1.0)] == pytest.approx(values, abs=1e-15)


@pytest.mark.parametrize(
    ("schedule", "make"),
    [
        (linear(0.1, 0.02), lambda o: torch.optim.lr_scheduler.LinearLR(o, 1.0, 0.2, total_iters=12)),
        (cosine(0.1, 0.02), lambda o: torch.optim.lr_scheduler.CosineAnnealingLR(o, T_max=12, eta_min=0.02)),
        (polynomial(0.1, 0.0, 0.9), lambda o: torch.optim.lr_scheduler.PolynomialLR(o, total_iters=12, power=0.9)),
        (exponential(0.1, 0.1 * 0.8**12), lambda o: torch.optim.lr_scheduler.ExponentialLR(o, gamma=0.8)),
        (constant(0.1), lambda o: torch.optim.lr_scheduler.ConstantLR(o, factor=1.0)),
    ],
)
def test_annealing_agrees_with_pytorch(schedule: Callable[[float], float], make: Callable[[Any], Any]) -> None:
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    theirs = make(optimizer)
    for step in range(13):
        assert schedule(step / 12) == pytest.approx(theirs.get_last_lr()[0], rel=1e-9, abs=1e-12)
        optimizer.step()
        theirs.step()


def test_combine() -> None:
    schedule = combine([0.25, 0.0, 0.75], [linear(0.0, 1.0), constant(99.0), linear(2.0, 1.0)])
    assert [schedule(part) for part in (0.0, 0.125, 0.25, 0.625, 1.0)] == [0.0, 0.5, 2.0, 1.5, 1.0]
    thirds = combine([1 / 3] * 3, [constant(0), constant(1), constant(2)])
    assert [thirds(part) for part in (0.0, 0.33, 0.34, 0.66, 0.67, 1.0)] == [0, 0, 1, 1, 2, 2]
    assert combine([1.0, 0.0], [constant(1), constant(2)])(1.0) == 1


@pytest.mark.parametrize(
    ("make", "error", "message"),
    [
        (lambda: exponential(1.0, 0.0), ValueError, "both must be above 0.*given 1.0 and 0.0.*write cosine"),
        (lambda: exponential(1.0, -1.0), ValueError, "both must be above 0"),
        (lambda: polynomial(1.0, 0.0, 0), ValueError, "a power above 0"),
        (lambda: combine([0.5, 0.6], [constant(1)] * 2), ValueError, r"sum to 1, but \[0.5, 0.6\] sum to 1.1"),
        (lambda: combine([-0.5, 1.5], [constant(1)] * 2), ValueError, "from 0"),
        (lambda: combine([1.0], []), ValueError, "1 fractions and 0 parts"),
        (lambda: ParamScheduler("lr", 0.1), TypeError, r"0.1 was given.*write constant\(0.1\)"),
        (lambda: OneCycle(0.1, pct_start=30), ValueError, "from 0 to 1, but it is 30"),
        (lambda: WarmUp(), TypeError, r"WarmUp\(500\)"),
        (lambda: WarmUp(5, fraction=0.1), TypeError, r"WarmUp\(fraction=0.05\)"),
        (lambda: WarmUp(0), ValueError, "at least 1"),
        (lambda: WarmUp(fraction=5), ValueError, "up to 1, but it is 5"),
        (lambda: EarlyStopping(patience=-1), ValueError, "0 or more"),
        (lambda: EarlyStopping("val_loss", mode="down"), ValueError, "'min'.*'max'.*'down'"),
        (lambda: EarlyStopping("val_distance"), ValueError, "less or more of val_distance better"),
        (lambda: GradientClip(), TypeError, r"GradientClip\(norm=1.0\)"),
        (lambda: GradientClip(norm=1, value=1), TypeError, r"GradientClip\(value=0.5\)"),
        (lambda: GradientClip(norm=0), ValueError, "norm must be above 0, but it is 0"),
        (lambda: Accumulate(0), ValueError, "from 1, but it is 0"),
        (lambda: MixUp(0.0), ValueError, "above 0, such as 0.4"),
        (lambda: EMA(1.0), ValueError, "below 1, such as 0.999, but it is 1.0"),
        (lambda: EMA(0.9).average, RuntimeError, "no average before the first step"),
    ],
)
def test_arguments_that_make_no_sense(make: Callable[[], Any], error: type[Exception], message: str) -> None:
    with pytest.raises(error, match=message):
        make()


# Schedules


def rates(run: Learner, name: str = "lr") -> list[float]:
    return [row.get(name, math.nan) for row in run.recorder.steps]


def test_a_schedule_of_any_hyperparameter_and_of_one_group() -> None:
    run = make_learner(ParamScheduler("momentum", linear(0.5, 0.9)), ParamScheduler("lr", linear(1.0, 0.0), group=-1))
    body, head = list(run.model.parameters())[:2], list(run.model.parameters())[2:]
    run.optimizer = optim.SGD([{"params": body, "lr": 0.1}, {"params": head, "lr": 0.2}], momentum=0.9)
    run.fit(2)
    assert rates(run) == [0.1] * 10
    assert rates(run, "lr_1") == pytest.approx([1 - k / 10 for k in range(10)])
    assert rates(run, "momentum") == rates(run, "momentum_1") == pytest.approx([0.5 + 0.04 * k for k in range(10)])
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.1, 0.2]
    assert [group["momentum"] for group in run.optimizer.param_groups] == [0.9, 0.9]


def test_a_schedule_of_adams_betas() -> None:
    run = make_learner(ParamScheduler("betas", lambda part: (0.9, 0.99 - part / 10)), optimizer="adam")
    run.fit(1)
    assert rates(run, "beta2") == pytest.approx([0.99, 0.97, 0.95, 0.93, 0.91])
    run = make_learner(ParamScheduler("momentum", linear(0.5, 1.0)), optimizer="adam")
    run.fit(1)
    assert rates(run, "beta1") == pytest.approx([0.5, 0.6, 0.7, 0.8, 0.9])
    assert run.optimizer.param_groups[0]["betas"] == (0.9, 0.999)


def test_each_fit_is_scheduled_from_its_own_beginning() -> None:
    run = make_learner(ParamScheduler("lr", linear(1.0, 0.0)))
    run.fit(1)
    run.fit(1)
    assert rates(run) == pytest.approx([1.0, 0.8, 0.6, 0.4, 0.2] * 2)


def test_a_hyperparameter_that_is_not_there() -> None:
    with pytest.raises(
        ValueError, match="SGD has no hyperparameter 'learning_rate' to schedule; it has .*lr, momentum"
    ):
        make_learner(ParamScheduler("learning_rate", constant(1.0))).fit(1)
    with pytest.raises(ValueError, match="no group 1 among the 1 groups"):
        make_learner(ParamScheduler("lr", constant(1.0), group=1)).fit(1)
    run = make_learner(OneCycle([0.1, 0.2]))
    with pytest.raises(ValueError, match="2 rates for 1 parameter groups"):
        run.fit(1)
    run = make_learner(OneCycle(0.1))
    run.optimizer = optim.Adagrad(run.model.parameters(), lr=0.1)
    with pytest.raises(ValueError, match="Adagrad has no momentum to cycle. Write .*cycle_momentum=False"):
        run.fit(1)
    run = make_learner(OneCycle(0.1, cycle_momentum=False))
    run.optimizer = optim.Adagrad(run.model.parameters(), lr=0.1)
    run.fit(1)


@pytest.mark.parametrize("optimizer", ["sgd", "adam"])
@pytest.mark.parametrize(
    ("options", "theirs"),
    [
        ({}, {}),
        ({"anneal": linear}, {"anneal_strategy": "linear"}),
        ({"cycle_momentum": False}, {"cycle_momentum": False}),
        ({"pct_start": 0.45, "div_factor": 10.0, "final_div_factor": 100.0, "base_momentum": 0.5},) * 2,
        ({"pct_start": 1.0},) * 2,
    ],
)
def test_one_cycle_agrees_with_pytorch_step_by_step(
    optimizer: str, options: dict[str, Any], theirs: dict[str, Any]
) -> None:
    run = make_learner(OneCycle(0.5, **options), optimizer=optimizer)
    run.fit(3)
    kind = {"sgd": torch.optim.SGD, "adam": torch.optim.Adam}[optimizer]
    weights = [torch.zeros(1, requires_grad=True)]
    reference = kind(weights, lr=0.5, **({"momentum": 0.9} if optimizer == "sgd" else {}))
    schedule = torch.optim.lr_scheduler.OneCycleLR(reference, max_lr=0.5, total_steps=3 * STEPS, **theirs)
    for row in run.recorder.steps:
        group = reference.param_groups[0]
        assert row["lr"] == pytest.approx(group["lr"], rel=1e-9, abs=1e-15)
        if options.get("cycle_momentum", True):
            name, there = ("momentum", group.get("momentum")) if optimizer == "sgd" else ("beta1", group["betas"][0])
            assert row[name] == pytest.approx(there, rel=1e-9)
        reference.step()
        if row["step"] < 3 * STEPS:
            schedule.step()


def test_one_cycle_of_few_steps() -> None:
    """Where the way up has no length, PyTorch divides by zero."""
    for batches in (1, 2, 3, 4):
        run = make_learner(OneCycle(1.0, pct_start=0.25, final_div_factor=100.0))
        run.loader = list(run.loader)[:batches]
        run.fit(1)
        assert rates(run)[-1] == pytest.approx(1 / 2500)
    assert rates(run) == pytest.approx([1.0, 0.75, 0.25, 1 / 2500], abs=1e-3)


def test_fit_one_cycle() -> None:
    run = make_learner()
    run.fit_one_cycle(3, max_lr=0.5)
    other = make_learner(OneCycle(0.5))
    other.fit(3)
    assert rates(run) == rates(other)
    assert not any(isinstance(callback, OneCycle) for callback in run.callbacks)


def test_warm_up() -> None:
    run = make_learner(WarmUp(4))
    run.fit(2)
    assert rates(run) == pytest.approx([0.025, 0.05, 0.075, 0.1] + [0.1] * 6)
    run = make_learner(WarmUp(fraction=0.4, start=0.5))
    run.fit(2)
    assert rates(run) == pytest.approx([0.0625, 0.075, 0.0875, 0.1] + [0.1] * 6)
    plain = make_learner(CosineDecay(0.1))
    plain.fit(2)
    for order in (1, -1):
        run = make_learner(*[WarmUp(2), CosineDecay(0.1)][::order])
        run.fit(2)
        assert rates(run) == pytest.approx([0.5 * rates(plain)[0], *rates(plain)[1:]])


# Early stopping


def scripted(values: list[float], callback: Callback, epochs: int = 20) -> Learner:
    """A fit in whose evaluations the loss takes these values."""
    run = make_learner(callback)

    def evaluate_epoch() -> dict[str, float]:
        return {"loss": values[run.epoch], "accuracy": -values[run.epoch]}

    run.evaluate_epoch = evaluate_epoch  # type: ignore[method-assign]
    run.fit(min(epochs, len(values)))
    return run


@pytest.mark.parametrize(
    ("values", "options", "stopped", "best"),
    [
        ([3, 2, 1, 2, 2, 2, 0], {"patience": 3}, 6, 3),
        ([3, 2, 1, 2, 2, 0, 1], {"patience": 3}, None, 6),
        ([3, 2, 1, 1, 1, 1, 1], {"patience": 2}, 5, 3),
        ([3, 2, 2.5], {"patience": 0}, 3, 2),
        ([3.0, 2.9, 2.7, 2.6], {"patience": 2, "min_delta": 0.25}, None, 3),
        ([3.0, 2.9, 2.8, 2.7], {"patience": 2, "min_delta": 0.35}, 3, 1),
        ([math.nan, 2, math.nan, math.nan], {"patience": 2}, 4, 2),
        ([-3, -2, -1, -2, -3], {"patience": 2, "mode": "max"}, 5, 3),
        ([3, 2, 1, 2, 2], {"patience": 2, "monitor": "val_accuracy"}, 5, 3),
        ([3, 2, 1, 2, 2], {"patience": 2, "monitor": "accuracy"}, 5, 3),
    ],
)
def test_early_stopping(values: list[float], options: dict[str, Any], stopped: int | None, best: int) -> None:
    stopping = EarlyStopping(**options)
    run = scripted(values, stopping)
    assert (stopping.stopped_epoch, stopping.best_epoch) == (stopped, best)
    assert run.epoch == (stopped or len(values))
    assert f"was best after epoch {best}" in stopping.verdict
    assert ("Stopped after epoch" in stopping.verdict) == (stopped is not None)
    assert stopping.best == (-values[best - 1] if "accuracy" in stopping.monitor else values[best - 1])


def test_early_stopping_gives_the_best_weights_back() -> None:
    seen: list[list[np.ndarray]] = []

    class Watch(Callback):
        def after_epoch(self, learner: Learner) -> None:
            seen.append(arrays(learner.model.state_dict()))

    stopping = EarlyStopping(patience=2, restore_best=True)
    run = make_learner(stopping, Watch())
    values = [3, 1, 2, 2, 2]
    run.evaluate_epoch = lambda: {"loss": values[run.epoch]}  # type: ignore[method-assign]
    run.fit(5)
    assert run.epoch == 4
    assert all((a == b).all() for a, b in zip(seen[1], arrays(run.model.state_dict()), strict=True))

    seen.clear()  # a fit that comes to its end, and a new one waits anew
    values[:] = [0] * 4 + [3, 1, 2]
    run.fit(3)
    assert stopping.stopped_epoch is None and run.epoch == 7
    assert all((a == b).all() for a, b in zip(seen[1], arrays(run.model.state_dict()), strict=True))


def test_early_stopping_gives_back_the_weights_that_were_evaluated() -> None:
    """With EMA these are the averaged ones: the figure that was the best is theirs."""
    ema = EMA(0.8)
    stopping = EarlyStopping(patience=2, restore_best=True)
    run = make_learner(ema, stopping)
    run.fit(6)
    run.remove(ema)
    assert run.evaluate()["loss"] == stopping.best == min(row["val_loss"] for row in run.recorder.epochs)


def test_an_interrupted_fit_keeps_its_own_weights() -> None:
    run = make_learner(EarlyStopping(restore_best=True), StopAt(12))
    run.evaluate_epoch = lambda: {"loss": [1, 2, 3][run.epoch]}  # type: ignore[method-assign]
    last: list[list[np.ndarray]] = []

    class Watch(Callback):
        def after_batch(self, learner: Learner) -> None:
            last[:] = [arrays(learner.model.state_dict())]

    run.add(Watch())
    run.fit(3)
    assert all((a == b).all() for a, b in zip(last[0], arrays(run.model.state_dict()), strict=True))


def test_early_stopping_of_what_is_not_measured() -> None:
    with pytest.raises(ValueError, match="does not measure 'val_f1', but only train_loss, val_loss, val_accuracy"):
        make_learner(EarlyStopping("val_f1")).fit(1)
    run = make_learner(EarlyStopping())
    run.valid = None
    with pytest.raises(
        ValueError, match=r"only train_loss. It has no validation data: Learner\(model, \(train, valid\)"
    ):
        run.fit(1)


# Gradients


@pytest.mark.parametrize("options", [{"norm": 0.05}, {"norm": 5.0}, {"value": 0.01}])
def test_gradient_clipping_agrees_with_pytorch(options: dict[str, float]) -> None:
    clip = GradientClip(**options)
    reference: list[torch.Tensor] = []
    norms: list[float] = []

    class Before(Callback):
        order = -1

        def after_backward(self, learner: Learner) -> None:
            gradients = [torch.from_numpy(p.grad.numpy().copy()) for p in learner.model.parameters()]
            norms.append(torch.nn.utils.get_total_norm(gradients).item())
            reference[:] = [torch.zeros(gradient.shape, requires_grad=True) for gradient in gradients]
            for parameter, gradient in zip(reference, gradients, strict=True):
                parameter.grad = gradient
            if "norm" in options:
                torch.nn.utils.clip_grad_norm_(reference, options["norm"])
            else:
                torch.nn.utils.clip_grad_value_(reference, options["value"])

    class After(Callback):
        order = 1

        def after_backward(self, learner: Learner) -> None:
            assert clip.total_norm == pytest.approx(norms[-1], rel=1e-6) and norms[-1] > 0
            for parameter, other in zip(learner.model.parameters(), reference, strict=True):
                assert parameter.grad.numpy() == pytest.approx(other.grad.numpy(), rel=1e-5, abs=1e-8)

    make_learner(Before(), clip, After()).fit(1)
    assert len(norms) == STEPS


def plain_learner(size: int, *callbacks: Callback, dtype: Any = np.float64) -> Learner:
    """Without dropout, batch normalisation or a random order: what is left is the arithmetic."""
    rng = np.random.default_rng(0)
    x, y = from_numpy(rng.normal(size=(34, 3)).astype(dtype)), from_numpy(rng.integers(0, 2, 34))
    manual_seed(0)
    model = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2)).to(x.dtype)
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Learner(model, DataLoader(TensorDataset(x, y), batch_size=size), nn.CrossEntropyLoss(), optimizer,
                   {"accuracy": Accuracy}, callbacks)  # fmt: skip


@pytest.mark.parametrize(("size", "batches", "big"), [(4, 2, 8), (4, 3, 12), (5, 2, 10), (34, 2, 34), (4, 99, 34)])
def test_accumulated_batches_equal_the_big_one(size: int, batches: int, big: int) -> None:
    """34 samples: the last batch and the last group of batches are smaller, each in another way."""
    steps: list[int] = []

    class Count(Callback):
        def after_step(self, learner: Learner) -> None:
            steps.append(learner.step)

    whole, parts = plain_learner(big), plain_learner(size, Accumulate(batches), Count())
    whole.fit(3)
    parts.fit(3)
    for array, other in zip(arrays(whole.model.state_dict()), arrays(parts.model.state_dict()), strict=True):
        assert array == pytest.approx(other, rel=1e-12, abs=1e-14)
    assert len(steps) == whole.step
    assert whole.recorder.epochs[0]["train_loss"] > 0
    assert parts.recorder.epochs[-1]["step"] == 3 * math.ceil(34 / size)


def test_accumulation_clips_the_gradient_of_the_whole_group() -> None:
    whole, parts = plain_learner(8, GradientClip(norm=0.05)), plain_learner(4, Accumulate(2), GradientClip(norm=0.05))
    whole.fit(2)
    parts.fit(2)
    for array, other in zip(arrays(whole.model.state_dict()), arrays(parts.model.state_dict()), strict=True):
        assert array == pytest.approx(other, rel=1e-12, abs=1e-14)


# MixUp


def test_mix_up_mixes_inputs_and_loss() -> None:
    """What the model sees and the loss it gets, put together again from λ and the order."""
    seen: list[tuple[Any, ...]] = []

    class Before(Callback):
        order = -1

        def before_batch(self, learner: Learner) -> None:
            seen.append((learner.inputs, learner.target))

    class After(Callback):
        order = 1

        def after_loss(self, learner: Learner) -> None:
            seen[-1] += (learner.inputs, learner.output, learner.loss_value)

    run = plain_learner(8, Before(), MixUp(0.4, seed=5), After(), dtype=np.float32)
    run.fit(2)
    random = np.random.default_rng(5)
    parts = []
    for x, y, mixed, output, loss in seen:
        part, order = random.beta(0.4, 0.4), random.permutation(len(x))
        parts.append(part)
        x, y, output = x.numpy(), y.numpy(), torch.from_numpy(output.detach().numpy())
        assert mixed.numpy() == pytest.approx(part * x + (1 - part) * x[order], abs=1e-6)
        soft = part * np.eye(2)[y] + (1 - part) * np.eye(2)[y[order]]  # which is the same loss
        assert loss == pytest.approx(torch.nn.functional.cross_entropy(output.double(), torch.from_numpy(soft)).item())
    assert len(set(parts)) == len(parts)


def test_mix_up_is_off_in_evaluation() -> None:
    losses: list[float] = []

    class Watch(Callback):
        order = 1

        def after_epoch(self, learner: Learner) -> None:
            losses.append(learner.evaluation["loss"])

    run = make_learner(MixUp(1.0), Watch())
    run.fit(2)
    assert losses[-1] == run.evaluate()["loss"]


def test_mix_up_follows_the_seed_and_refuses_what_cannot_be_mixed() -> None:
    models = []
    for seed in (0, 0, 1):
        run = make_learner(MixUp(), seed=seed)
        run.fit(1)
        models.append(run.model.state_dict())
    assert same(models[0], models[1])
    assert not same(models[0], models[2])
    words = TensorDataset(tensor([[1, 2], [3, 4]]), tensor([0, 1]))
    run.loader = DataLoader(words, batch_size=2, generator=Generator())
    with pytest.raises(TypeError, match="a Tensor of real numbers.*received .*int64.*by .float()"):
        run.fit(1)


# EMA


def test_the_average_is_that_of_pytorch() -> None:
    ema = EMA(0.8)
    run = plain_learner(8, ema)
    model = torch.nn.Sequential(torch.nn.Linear(3, 8), torch.nn.Tanh(), torch.nn.Linear(8, 2)).double()
    average = torch.optim.swa_utils.AveragedModel(model, multi_avg_fn=torch.optim.swa_utils.get_ema_multi_avg_fn(0.8))

    class Follow(Callback):
        def after_step(self, learner: Learner) -> None:
            with torch.no_grad():
                for name, parameter in model.named_parameters():
                    parameter.copy_(torch.from_numpy(learner.model.state_dict()[name].numpy()))
            average.update_parameters(model)

    run.add(Follow())
    run.fit(3)
    for name, parameter in average.module.named_parameters():
        assert ema.average[name].numpy() == pytest.approx(parameter.detach().numpy(), rel=1e-12)


def test_evaluation_is_with_the_average_and_training_without() -> None:
    ema = EMA(0.9)
    run = make_learner(ema)
    run.fit(2)
    plain = make_learner()  # from the same seed: dropout draws from the one stream there is
    plain.fit(2)
    assert same(run.state_dict()["model"], plain.state_dict()["model"])  # the training is the same
    assert run.evaluation["loss"] != plain.evaluation["loss"]
    outputs = run.predict(run.valid)
    plain.model.load_state_dict(ema.average)
    assert run.evaluation["loss"] == run.evaluate()["loss"] == plain.evaluate()["loss"]
    assert same({"o": outputs}, {"o": plain.predict(plain.valid)})
    assert same(run.state_dict()["model"], run.model.state_dict())
    # The running means of batch normalisation belong to the weights; the count of batches cannot be averaged.
    own = run.model.state_dict()
    assert not same({"m": ema.average["1.running_mean"]}, {"m": own["1.running_mean"]})
    assert ema.average["1.num_batches_tracked"].item() == own["1.num_batches_tracked"].item() == 2 * STEPS


def test_the_average_is_a_copy() -> None:
    ema = EMA(0.5)
    make_learner(ema).fit(1)
    first = arrays(ema.average)
    with no_grad():
        for tensor in ema.average.values():
            tensor.zero_()
    assert all((a == b).all() for a, b in zip(first, arrays(ema.average), strict=True))


# One batch


def test_a_model_that_can_overfit_one_batch() -> None:
    said: list[str] = []
    test = OverfitOneBatch(say=said.append)
    batches: list[np.ndarray] = []

    class Watch(Callback):
        def before_batch(self, learner: Learner) -> None:
            batches.append(learner.inputs.numpy())

    rng = np.random.default_rng(0)
    data = TensorDataset(from_numpy(rng.normal(size=(12, 3)).astype(np.float32)), from_numpy(rng.integers(0, 2, 12)))
    model = nn.Sequential(nn.Linear(3, 32), nn.Tanh(), nn.Linear(32, 2))
    loader = DataLoader(data, batch_size=4, shuffle=True)
    run = Learner(model, loader, nn.CrossEntropyLoss(), optim.Adam(model.parameters(), lr=0.05), None, [test, Watch()])
    run.fit(200)
    assert test.overfitted and run.step < 600  # it ends when it is known
    assert all((batch == batches[0]).all() for batch in batches)
    assert said == [test.verdict]
    assert test.verdict.startswith("The model could overfit one batch: the loss went from ")
    assert test.least <= test.first / 20
    assert f"in {run.step} steps" in test.verdict


def test_a_model_that_cannot_overfit_one_batch() -> None:
    """Whose parameters the optimiser does not have: the commonest mistake."""
    model = nn.Linear(3, 2)
    other = nn.Linear(3, 2)
    batches = [(tensor([[1.0, 2.0, 3.0], [0.0, 1.0, 0.0]]), tensor([0, 1]))] * 2
    test = OverfitOneBatch(say=None)
    run = Learner(model, batches, nn.CrossEntropyLoss(), optim.SGD(other.parameters(), lr=0.1), None, [test])
    run.fit(5)
    assert not test.overfitted
    assert "cannot tell yet" in test.verdict and "fit(200)" in test.verdict  # 10 steps are few
    run.fit(200)
    assert "could not overfit one batch" in test.verdict
    assert "whether the optimiser has all parameters" in test.verdict


def test_a_model_that_is_still_learning_one_batch_is_not_blamed() -> None:
    model = nn.Linear(1, 1)
    test = OverfitOneBatch(say=None)
    batches = [(tensor([[1.0], [2.0]]), tensor([[30.0], [50.0]]))] * 10
    run = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.0003), None, [test])
    run.fit(12)
    assert not test.overfitted and "still falling" in test.verdict and "could not" not in test.verdict
    run.fit(400)
    assert test.overfitted


def test_one_batch_with_a_target_and_without_a_twentieth() -> None:
    test = OverfitOneBatch(target=10.0, say=None)
    make_learner(test).fit(1)
    assert test.overfitted and test.steps == 1
    test = OverfitOneBatch(say=None)
    assert "no step yet" in test.verdict
    run = make_learner(test)
    run.loss_function = lambda output, target: output.sum() * 0 - 1
    run.fit(1)
    assert not test.overfitted
    assert "cannot tell" in test.verdict and "OverfitOneBatch(target=…)" in test.verdict


def test_the_recorder_sees_what_the_schedules_set() -> None:
    """Its order is after theirs, and before what they set is undone."""
    run = make_learner(CosineDecay(0.3), Recorder(every=2))
    run.fit(1)
    assert rates(run) == pytest.approx([0.15 * (1 + math.cos(math.pi * k / STEPS)) for k in (1, 3)])
    assert run.optimizer.param_groups[0]["lr"] == 0.1
