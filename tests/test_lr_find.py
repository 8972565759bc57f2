"""The learning rate finder: what it leaves behind (nothing), and what it reads off curves of all kinds."""

import copy
import math
import random
import sys
from collections.abc import Callable, Iterator
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid import Generator, datasets, default_generator, from_numpy, manual_seed, nn, optim, tensor
from pellucid.train import (
    EMA,
    Accumulate,
    Accuracy,
    Callback,
    GradientClip,
    Learner,
    LRFinder,
    MixUp,
    NaNGuard,
    lr_find,
)
from pellucid.train.probes.lr_curve import Reading, read
from pellucid.utils.data import DataLoader, TensorDataset
from tests.test_train import StopAt, arrays, same
from tests.test_train import learner as make_learner


def state(learner: Learner) -> dict[str, Any]:
    """All that lr_find could disturb, copied."""
    return {
        "model": arrays(learner.model.state_dict()),
        "gradients": [None if p.grad is None else p.grad.numpy().copy() for p in learner.model.parameters()],
        "attributes": [(m.calls, list(m.seen)) for m in learner.model.modules() if isinstance(m, Draws)],
        "modes": [module.training for module in learner.model.modules()],
        "optimizer": arrays(learner.optimizer.state_dict()["state"]),
        "groups": [{k: v for k, v in group.items() if k != "params"} for group in learner.optimizer.param_groups],
        "default": default_generator.get_state(),
        "order": learner.loader.generator.get_state() if hasattr(learner.loader, "generator") else None,
        "numpy": np.random.get_state(legacy=False)["state"]["key"].copy(),  # noqa: NPY002
        "python": random.getstate(),
        "counters": (learner.epoch, learner.step, learner.batch, learner.epochs, learner.loss_sum, learner.samples),
        "learner": {name: id(value) for name, value in vars(learner).items()},
        "callbacks": [(id(callback), arrays(callback.state_dict())) for callback in learner.callbacks],
    }


def equal(first: Any, other: Any) -> bool:
    if isinstance(first, np.ndarray):
        return first.dtype == other.dtype and first.tobytes() == other.tobytes()
    if isinstance(first, dict):
        return first.keys() == other.keys() and all(equal(first[key], other[key]) for key in first)
    if isinstance(first, list | tuple):
        return len(first) == len(other) and all(map(equal, first, other))
    return first == other


def differing(first: dict[str, Any], other: dict[str, Any]) -> list[str]:
    return [name for name in first if not equal(first[name], other[name])]


class Draws(nn.Module):
    """A layer that draws from every random stream there is, rebinds a buffer, and counts in an attribute."""

    def __init__(self) -> None:
        super().__init__()
        self.register_buffer("mean", tensor(0.0))
        self.calls, self.seen = 0, []

    def forward(self, x: Any) -> Any:
        self.calls += 1
        self.seen.append(self.calls)
        self.mean = self.mean * 0.5 + x.detach().mean() * 0.5
        noise = np.random.normal() + random.random()  # noqa: NPY002
        return x + 1e-3 * noise


def drawing_learner(*callbacks: Callback, optimizer: str = "sgd") -> Learner:
    """With dropout, batch normalisation, and that layer."""
    run = make_learner(*callbacks, optimizer=optimizer)
    run.model.append(Draws())
    return run


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("when", ["new", "after an epoch", "within an epoch", "with gradients"])
def test_training_goes_on_as_if_it_had_never_run(optimizer: str, when: str) -> None:
    """On a model with dropout and batch normalisation, against a learner that never looked."""

    def train(look: bool) -> dict[str, Any]:
        np.random.seed(0)  # noqa: NPY002
        random.seed(0)
        run = drawing_learner(NaNGuard(), GradientClip(norm=1.0), MixUp(), EMA(0.9), optimizer=optimizer)
        run.model[3].eval()  # a layer that is not in the mode of the others
        if when == "after an epoch":
            run.fit(1)
        if when == "within an epoch":
            with run.added(StopAt(7)):
                run.fit(3)
        if when == "with gradients":
            inputs, target = next(iter(run.loader))
            run.loss_function(run.model(inputs), target).backward()
        if look:
            before = state(run)
            found = lr_find(run, start=1e-4, steps=30)
            assert len(found.lrs) > 10
            assert differing(before, state(run)) == []
        run.fit(until=3)
        return {"run": run.state_dict(), "calls": np.array(run.model[5].calls)}

    assert same(train(True), train(False))


@pytest.mark.parametrize("error", [KeyboardInterrupt, RuntimeError, SystemExit])
@pytest.mark.parametrize("where", ["loss", "model", "loader", "optimizer"])
def test_an_interruption_leaves_no_trace_either(error: type[BaseException], where: str) -> None:
    run = drawing_learner(EMA(0.9), Accumulate(2), optimizer="adam")
    run.fit(1)
    count = 0

    def now_and_then(function: Callable[..., Any]) -> Callable[..., Any]:
        def called(*args: Any, **kwargs: Any) -> Any:
            nonlocal count
            count += 1
            if count == 7:
                raise error("now")
            return function(*args, **kwargs)

        return called

    if where == "loss":
        run.loss_function = now_and_then(run.loss_function)
    elif where == "model":
        run.model[4].forward = now_and_then(run.model[4].forward)
    elif where == "optimizer":
        run.optimizer.step = now_and_then(run.optimizer.step)
    else:
        run.loader.collate_fn = now_and_then(run.loader.collate_fn)
    before = state(run)
    with pytest.raises(error, match="now"):
        run.lr_find(start=1e-3, steps=40)
    assert differing(before, state(run)) == []
    with pytest.raises(RuntimeError, match="no fit is under way"):
        run.at_end(lambda: None)


def test_a_ctrl_c_while_it_puts_back_waits(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.train.probes import rewind

    run = drawing_learner()
    run.fit(1)
    before = state(run)
    restore, calls = rewind.Snapshot._restore, []

    def interrupted(self: Any) -> None:
        calls.append(1)
        if len(calls) == 1:
            self._restores[0]()
            raise KeyboardInterrupt
        restore(self)

    monkeypatch.setattr(rewind.Snapshot, "_restore", interrupted)
    with pytest.raises(KeyboardInterrupt):
        run.lr_find(start=1e-3, steps=20)
    assert len(calls) == 2
    assert differing(before, state(run)) == []


def test_what_others_hold_stays_the_same_object() -> None:
    """A schedule of PyTorch's kind, or a plot, may hold the groups, the state's tensors, a parameter's gradient."""
    run = make_learner(optimizer="adam")
    run.fit(1)
    parameter = next(iter(run.model.parameters()))
    held = [run.optimizer.param_groups[0], run.optimizer.state[parameter], run.optimizer.state[parameter]["exp_avg"]]
    arrays_before = [id(p._array) for p in run.model.parameters()]
    run.lr_find(steps=20)
    now = [run.optimizer.param_groups[0], run.optimizer.state[parameter], run.optimizer.state[parameter]["exp_avg"]]
    assert all(a is b for a, b in zip(held, now, strict=True))
    assert [id(p._array) for p in run.model.parameters()] == arrays_before
    assert run.optimizer.state[parameter]["step"].item() == 5


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_any_optimiser(kind: str) -> None:
    run = make_learner()
    run.optimizer = getattr(optim, kind)(run.model.parameters(), lr=0.01)
    before = state(run)
    found = run.lr_find()
    assert differing(before, state(run)) == []
    assert found.lrs[0] == pytest.approx(1e-7) and (np.diff(np.log(found.lrs)) > 0).all()
    assert np.isfinite(found.losses).all()


# What a step is made of


def test_the_groups_are_scaled_together() -> None:
    run = make_learner()
    parameters = list(run.model.parameters())
    run.optimizer = optim.SGD([{"params": parameters[:2], "lr": 0.001}, {"params": parameters[2:], "lr": 0.01}])
    seen: list[list[float]] = []
    step = run.optimizer.step

    def watched() -> None:
        seen.append([group["lr"] for group in run.optimizer.param_groups])
        step()

    run.optimizer.step = watched
    found = run.lr_find(start=1e-5, end=1e-2, steps=10)
    assert np.array(seen)[:, 1] == pytest.approx(np.geomspace(1e-5, 1e-2, 10))
    assert np.array(seen)[:, 0] == pytest.approx(np.geomspace(1e-6, 1e-3, 10))
    assert list(found.lrs) == [rates[1] for rates in seen]
    assert [group["lr"] for group in run.optimizer.param_groups] == [0.001, 0.01]


def test_a_rate_of_zero_is_no_obstacle() -> None:
    run = make_learner()
    run.optimizer.param_groups[0]["lr"] = 0.0
    assert len(run.lr_find(steps=20).lrs) > 10
    assert run.optimizer.param_groups[0]["lr"] == 0.0


def test_the_loader_is_gone_through_again() -> None:
    seen: list[int] = []

    class Counting:
        def __len__(self) -> int:
            return 3

        def __iter__(self) -> Iterator[Any]:
            for place in range(3):
                seen.append(place)
                yield from_numpy(np.ones((4, 3), np.float32)) * place, tensor([0, 1, 0, 1])

    run = make_learner()
    run.loader = Counting()
    run.lr_find(start=1e-6, end=1e-4, steps=11)
    assert seen == [0, 1, 2] * 3 + [0, 1]


def test_which_callbacks_take_part() -> None:
    class Witness(Callback):
        def __init__(self) -> None:
            self.calls = 0

        def before_batch(self, learner: Learner) -> None:
            self.calls += 1

    class Part(Witness):
        changes_step = True

    copies: list[Part] = []

    class Copied(Part):
        def __deepcopy__(self, memo: Any) -> Any:
            copies.append(Copied())
            return copies[-1]

    plain, part, asked = Witness(), Copied(), Witness()
    run = make_learner(plain, part)
    run.lr_find(start=1e-6, end=1e-4, steps=12)
    assert (plain.calls, part.calls, copies[0].calls) == (0, 0, 12)
    run.lr_find(start=1e-6, end=1e-4, steps=12, callbacks=[])
    assert len(copies) == 1
    run.lr_find(start=1e-6, end=1e-4, steps=12, callbacks=[asked])
    assert asked.calls == 0 and run.recorder.rows == []  # it was copied


def test_gradients_that_lie_about_are_not_part_of_it() -> None:
    plain, other = make_learner(), make_learner()
    for parameter in other.model.parameters():
        parameter.grad = tensor(1000.0).expand(parameter.shape).clone()
    manual_seed(1)
    first = plain.lr_find(start=1e-4, end=1e-2, steps=20).losses
    manual_seed(1)
    assert equal(first, other.lr_find(start=1e-4, end=1e-2, steps=20).losses)


def test_gradient_clipping_makes_another_curve() -> None:
    curves = [make_learner(*callbacks).lr_find(steps=60).losses for callbacks in ([], [GradientClip(norm=1e-3)])]
    assert not equal(list(curves[0]), list(curves[1]))


def test_the_verbs_of_the_learner_are_used() -> None:
    class Doubled(Learner):
        def get_loss(self) -> None:
            super().get_loss()
            self.loss = self.loss * 2
            self.loss_value *= 2

    run = make_learner()
    first = run.lr_find(steps=10, end=1e-6).losses
    run.__class__ = Doubled
    assert run.lr_find(steps=10, end=1e-6).losses == pytest.approx(2 * first, rel=1e-4)


def plane() -> tuple[np.ndarray, Learner]:
    """64 points of a plane, and a learner that fits it to them."""
    x = np.random.default_rng(0).normal(size=(64, 4)).astype(np.float32)
    y = x @ np.array([[1], [2], [3], [4]], np.float32)
    model = nn.Linear(4, 1)
    loader = DataLoader(TensorDataset(from_numpy(x), from_numpy(y)), batch_size=16, generator=Generator())
    return x, Learner(model, loader, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))


def test_it_ends_when_the_loss_diverges() -> None:
    x, run = plane()
    found = run.lr_find(end=1e6, steps=100)
    assert len(found.lrs) < 75
    assert found.lrs[-1] < 10
    assert found.usable and found.reason == ""
    # The largest stable rate of gradient descent is 2 / (largest eigenvalue of the curvature).
    limit = 2 / np.linalg.eigvalsh(2 * x.T @ x / len(x))[-1]
    assert found.suggestions["best"] is not None
    for rate in filter(None, found.suggestions.values()):
        assert limit / 100 < rate < 2 * limit
    assert len(run.lr_find(end=1e6, steps=100, divergence=1e9).lrs) > len(found.lrs)


def test_a_loss_of_nan_at_once() -> None:
    run = make_learner()
    run.loss_function = lambda output, target: output.sum() * math.nan
    found = run.lr_find()
    assert not found.usable and len(found.lrs) == len(found.losses) == len(found.smoothed) == 0
    assert found.reason.startswith("the loss was not finite in the first step")
    assert set(found.suggestions.values()) == {None}
    assert str(found).startswith("no learning rate to suggest: the loss was not finite")


def test_a_model_that_does_not_learn() -> None:
    run = make_learner()
    run.optimizer = optim.SGD(nn.Linear(2, 2).parameters(), lr=0.1)
    found = run.lr_find()
    assert not found.usable
    assert "flat" in found.reason and "the optimiser have the model's parameters" in found.reason


def test_a_loss_with_the_wrong_sign() -> None:
    run = make_learner()
    right = run.loss_function

    def get_loss() -> None:
        Learner.get_loss(run)
        run.loss = -right(run.output, run.target)

    run.get_loss = get_loss  # type: ignore[method-assign]
    found = run.lr_find()
    assert not found.usable and "the loss rises" in found.reason


@pytest.mark.parametrize(
    ("options", "message"),
    [
        ({"start": 0.0}, "0 < start < end, but was given 0.0 and 10"),
        ({"start": 1.0, "end": 0.1}, "but was given 1.0 and 0.1"),
        ({"end": math.inf}, "but was given 1e-07 and inf"),
        ({"steps": 9}, "at least 10 steps .* steps=9"),
        ({"steps": 20.0}, "steps=20.0"),
        ({"divergence": 1.0}, "above 1; it is 1.0"),
    ],
)
def test_arguments_that_make_no_sense(options: dict[str, Any], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make_learner().lr_find(**options)


def test_a_learner_without_batches_or_within_a_fit() -> None:
    run = make_learner()
    run.loader = []
    with pytest.raises(ValueError, match="no batches"):
        run.lr_find()

    class Looks(Callback):
        def after_batch(self, learner: Learner) -> None:
            learner.lr_find()

    with pytest.raises(RuntimeError, match="lr_find was called while fit is running"):
        make_learner(Looks()).fit(1)


# Reading curves

RATES = np.geomspace(1e-7, 10, 100)


def sigmoid(x: Any) -> Any:
    return 1 / (1 + np.exp(-x))


def valley_curve(at: float, fall: float = 1.0, noise: float = 0.0, level: float = 2.3, seed: int = 0) -> np.ndarray:
    """Flat, then falling around the rate `at` over about a decade, then rising steeply from 30 times that rate on."""
    decades = np.log10(RATES / at)
    curve = level - fall * sigmoid(4 * decades) + level * np.exp(np.minimum(6 * (decades - 1.5), 5))
    return curve + noise * np.random.default_rng(seed).normal(size=len(RATES))


@pytest.mark.parametrize("at", [1e-5, 1e-3, 1e-2])
@pytest.mark.parametrize("noise", [0.0, 0.05, 0.15])
@pytest.mark.parametrize("seed", range(4))
def test_suggestions_on_noisy_curves(at: float, noise: float, seed: int) -> None:
    curve = valley_curve(at, noise=noise, seed=seed)
    kept = curve < 10
    found = read(RATES[kept], curve[kept], diverged=True)
    assert found.usable and found.reason == ""
    steepest, valley = (found.suggestions[name] for name in ("steepest", "valley"))
    assert steepest is not None and at / 4 < steepest < at * 4
    assert valley is not None and at / 3 < valley < at * 12
    least = RATES[kept][found.smoothed.argmin()]
    assert at / 5 < least / 10 < at * 3
    assert max(steepest, valley) <= least


def test_the_valley_is_two_thirds_into_the_fall() -> None:
    curve = np.concatenate([np.full(30, 3.0), np.linspace(3.0, 1.0, 31), np.linspace(1.0, 4.0, 39)])
    found = read(RATES, curve, diverged=False)
    valley = found.suggestions["valley"]
    assert valley is not None
    place = int(np.argmin(np.abs(RATES - valley)))
    assert abs(place - (30 + 20)) <= 3
    assert abs(int(found.smoothed.argmin()) - 60) <= 2


@pytest.mark.parametrize("noise", [0.01, 0.1, 0.5])
@pytest.mark.parametrize("seed", range(10))
def test_noise_alone_suggests_nothing(noise: float, seed: int) -> None:
    curve = 2.3 + noise * np.random.default_rng(seed).normal(size=100)
    found = read(RATES, curve, diverged=False)
    assert not found.usable
    assert set(found.suggestions.values()) == {None}


def test_of_400_curves_of_noise_fewer_than_5_in_100_get_a_suggestion() -> None:
    suggested = 0
    for noise in (0.01, 0.05, 0.1, 0.5):
        for seed in range(1000, 1100):
            curve = 2.3 + noise * np.random.default_rng(seed).normal(size=100)
            suggested += read(RATES, curve, diverged=False).usable
    assert suggested < 20


@pytest.mark.parametrize("seed", range(5))
def test_a_curve_that_only_rises_suggests_nothing(seed: int) -> None:
    curve = 1.0 + 0.02 * np.random.default_rng(seed).normal(size=100) + np.exp(np.log10(RATES) * 2)
    found = read(RATES, curve, diverged=True)
    assert not found.usable
    assert "the loss rises" in found.reason


def test_batches_whose_losses_leap_suggest_nothing() -> None:
    """As with a batch size of 1: the noise grows with the rate, upwards more than downwards."""
    for seed in range(5):
        random = np.random.default_rng(seed)
        curve = 2.3 + random.normal(size=100) * 0.1
        curve[60:] = random.exponential(2.3 * np.geomspace(1, 5, 40))
        assert not read(RATES, curve, diverged=False).usable


def test_a_single_outlier_is_not_a_minimum() -> None:
    curve = valley_curve(1e-3, noise=0.02)
    plain = read(RATES[:70], curve[:70], diverged=True)
    curve[[12, 30]] = 40.0, 9.0
    spoilt = read(RATES[:70], curve[:70], diverged=True)
    for name, rate in plain.suggestions.items():
        assert rate is not None and rate / 2 < (spoilt.suggestions[name] or 0) < rate * 2


def test_negative_losses_and_other_scales() -> None:
    """The suggestions go by the shape of the curve alone."""
    curve = valley_curve(1e-3, noise=0.05)[:75]
    plain = read(RATES[:75], curve, diverged=True).suggestions
    for scale in (1e-6, 1e6):
        assert read(RATES[:75], curve * scale, diverged=True).suggestions == plain
    moved = read(RATES[:75], curve - 1.8, diverged=True)
    assert moved.usable
    for name, rate in plain.items():
        assert rate is not None and rate / 2 < (moved.suggestions[name] or 0) < rate * 2


def test_a_loss_that_still_falls_at_the_end_says_so() -> None:
    curve = 2.0 - sigmoid(np.log10(RATES) * 2)
    found = read(RATES, curve, diverged=False)
    assert found.usable and "a larger `end` would show more" in found.reason
    result = LRFinder(RATES, curve, found.smoothed, found.suggestions, True, found.reason)
    assert str(result).startswith("suggested learning rates: steepest ") and "larger `end`" in str(result)


@pytest.mark.parametrize("count", [0, 1, 4, 5, 6, 11, 1000])
def test_curves_of_any_length(count: int) -> None:
    rates = np.geomspace(1e-6, 1, count) if count else np.array([])
    for curve in (np.linspace(3, 1, count), np.full(count, 1.0), np.zeros(count)):
        found = read(rates, curve, diverged=True)
        assert len(found.smoothed) == count
        assert found.usable == (count >= 5 and bool(curve[0] == 3))


def test_the_plot_shows_the_suggestions(tmp_path: Path) -> None:
    found = make_learner().lr_find()
    figure = found.plot(save=tmp_path / "curve.png")
    assert (tmp_path / "curve.png").stat().st_size > 10_000
    assert figure.axes[0].get_xscale() == "log"
    manual_seed(0)
    copy.deepcopy(found)  # a plain record


# For each kind of training: its optimiser, its epochs, and a rate that is known to be good.
TRAININGS: dict[str, tuple[str, Callable[[Any, float], Any], int, float]] = {
    "the README's": ("moons", lambda parameters, lr: optim.Adam(parameters, lr=lr), 5, 0.01),
    "circle, Adam": ("circle", lambda parameters, lr: optim.Adam(parameters, lr=lr), 5, 0.01),
    "moons, momentum": ("moons", lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9), 5, 0.1),
    "moons, SGD": ("moons", lambda parameters, lr: optim.SGD(parameters, lr=lr), 5, 0.5),
    "digits, momentum": ("digits", lambda parameters, lr: optim.SGD(parameters, lr=lr, momentum=0.9), 5, 0.1),
    "digits, Adam": ("digits", lambda parameters, lr: optim.Adam(parameters, lr=lr), 5, 0.01),
}


@pytest.mark.learns
@pytest.mark.parametrize("seed", [0, 1, *(pytest.param(seed, marks=pytest.mark.slow) for seed in range(2, 6))])
@pytest.mark.parametrize("training", TRAININGS)
def test_what_it_suggests_trains_no_worse_than_a_rate_that_is_known_to_be_good(training: str, seed: int) -> None:
    """On other points and weights for each seed."""
    name, optimizer_of, epochs, known = TRAININGS[training]
    if name == "digits":
        data = datasets.digits()
    else:
        data = datasets.standardised(getattr(datasets, name)(n=1000, seed=seed))

    def make(lr: float) -> Learner:
        manual_seed(seed)
        features = data.x_train[0].size
        model = nn.Sequential(nn.Flatten(), nn.Linear(features, 32), nn.ReLU(), nn.Linear(32, len(set(data.y_train))))
        train, valid = (
            TensorDataset(from_numpy(np.asarray(x, np.float32)), from_numpy(np.asarray(y)))
            for x, y in ((data.x_train, data.y_train), (data.x_val, data.y_val))
        )
        loaders = DataLoader(train, batch_size=32, shuffle=True), DataLoader(valid, batch_size=400)
        return Learner(
            model, loaders, nn.CrossEntropyLoss(), optimizer_of(model.parameters(), lr), metrics=[Accuracy], defaults=()
        )

    found = make(known).lr_find()
    rate = found.suggestions["best"]
    assert rate is not None
    run, fixed = make(rate), make(known)
    run.fit(epochs)
    fixed.fit(epochs)
    mine, theirs = run.evaluate(), fixed.evaluate()
    # The same rate with another order of the batches differs by as much.
    worse = mine["accuracy"] < theirs["accuracy"] - 0.06 and mine["loss"] > theirs["loss"]
    assert not worse, (rate, mine, theirs, found.trials)
    assert mine["loss"] < 2 * theirs["loss"] + 0.05, (rate, mine, theirs, found.trials)


@pytest.mark.slow
@pytest.mark.parametrize("seed", range(2))
def test_where_the_loss_rises_before_it_falls_it_looks_closer(seed: int) -> None:
    """A deep network whose first steps are slow: of a hundred rates in eight decades, too few move it."""
    from pellucid.cli.find_lr import make_learner
    from pellucid.experiments import data as source
    from pellucid.experiments import options as settings

    options = settings.check({"dataset": "digits", "model": "cnn", "batch_size": 64, "optimizer": "sgd", "seed": seed})
    samples = source.load({**options, "quiet": True})
    learner = make_learner(settings.complete(options, source.classes_of(samples)), samples)
    assert not learner.lr_find(trials=0).usable
    found = learner.lr_find()
    rate = found.suggestions["best"]
    assert found.usable and rate is not None and 0.05 < rate < 0.5
    assert found.lrs[0] > 1e-3 and len(found.lrs) > 50


@pytest.mark.parametrize("rates", [(1e-3, 0.1), (0.1, 30.0), (1e-5, 1e-4)])
def test_a_rate_whose_trial_stays_behind_or_is_larger_than_the_best_is_withdrawn(
    rates: tuple[float, float], monkeypatch: pytest.MonkeyPatch
) -> None:
    """Whatever the curve says: too small, it would hardly move the weights; too large, it leaps about or bursts."""
    names = ("valley", "steepest")

    def reading(lrs: np.ndarray, losses: np.ndarray, diverged: bool) -> Reading:
        return replace(read(lrs, losses, diverged), suggestions=dict(zip(names, rates, strict=True)))

    monkeypatch.setattr(sys.modules[LRFinder.__module__], "read", reading)
    _, run = plane()
    found = run.lr_find()
    gained = {rate: float(found.losses[0]) - loss for rate, loss in found.trials.items()}
    far, best = max(gained.values()) / 2, found.suggestions["best"]
    assert best is not None
    for name, rate in zip(names, rates, strict=True):
        assert found.suggestions[name] == (rate if gained[rate] >= far and rate <= best else None)
    assert None in found.suggestions.values()
    assert "None" not in str(found)


@pytest.mark.parametrize("seed", range(5))
def test_nothing_is_suggested_behind_the_first_rise(seed: int) -> None:
    """The loss falls at 0.003, is back at 0.15, and falls deeper at 2: where it was back, no rate trains."""
    lrs = np.geomspace(1e-7, 10, 100)
    place = np.log10(lrs)
    losses = 2.3 - 1 / (1 + np.exp(-3 * (place + 2.5)))
    losses += 1.5 * np.exp(-(((place + 0.8) / 0.35) ** 2)) - 0.3 * np.exp(-(((place - 0.3) / 0.3) ** 2))
    losses += np.random.default_rng(seed).normal(0, 0.03, 100)
    reading = read(lrs, losses, diverged=False)
    rates = list(reading.suggestions.values())
    assert reading.usable and all(rate is not None and 1e-4 < rate < 0.05 for rate in rates)


def test_any_noise_is_read() -> None:
    """Also where the curve rises all the way from what is taken for a fall to its end."""
    lrs = np.geomspace(1e-7, 10, 100)
    for seed in range(10_000, 10_400):
        noise = np.random.default_rng(seed).normal(size=100)
        read(lrs, 0.7 + (0.02, 0.1, 0.3)[(seed - 10_000) % 3] * noise, False)


def test_of_an_optimiser_with_a_line_search_no_rate_is_suggested() -> None:
    model = nn.Linear(1, 1)
    batches = [(tensor([[1.0], [2.0], [3.0]]), tensor([[3.0], [5.0], [8.0]]))]
    for search, usable in (("strong_wolfe", False), (None, True)):
        optimizer = optim.LBFGS(model.parameters(), lr=1, max_iter=1, line_search_fn=search)
        found = Learner(model, batches, nn.MSELoss(), optimizer, defaults=()).lr_find(steps=30)
        assert found.usable == usable
        assert usable or ("line search" in found.reason and not any(found.suggestions.values()))
