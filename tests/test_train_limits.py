"""What ends a run: TimeLimit, and NaNGuard at the first number that is not finite."""

import math
import random
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, optim
from pellucid.train import (
    Accumulate,
    Callback,
    Learner,
    NaNGuard,
    NonFiniteError,
    TimeLimit,
)
from pellucid.train.callbacks.guard import all_finite
from pellucid.train.records import stopwatch as stopwatch_module
from tests.recorded import StopAt, learner, parameters


@pytest.mark.parametrize(
    ("limit", "seconds"),
    [(20, 20), (0.5, 0.5), ("90", 90), ("90s", 90), ("10m", 600), ("1.5h", 5400), ("1h30m", 5400), ("1d 2H", 93600)],
)
def test_limits_in_words(limit: float | str, seconds: float) -> None:
    assert TimeLimit(limit).limit == seconds


def test_a_run_stops_when_its_time_is_up_and_counts_over_resumes(monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that a step moves on by a second, and that begins somewhere else in another process."""
    now = 100.0
    monkeypatch.setattr(stopwatch_module.time, "perf_counter", lambda: now)

    class Tick(Callback):
        def before_batch(self, learner: Learner) -> None:
            nonlocal now
            now += 1

    first = learner(Tick(), limit := TimeLimit(12), StopAt(4))
    first.fit(until=4)
    assert limit.spent == 4
    now = 5000.0
    second = learner(Tick(), limit := TimeLimit(12))
    second.load_state_dict(first.state_dict())
    second.fit(until=4)
    assert (second.step, limit.spent) == (12, 12)
    assert second.recorder.rows[-1]["seconds"] == 12
    third = learner(Tick(), TimeLimit(12))
    third.load_state_dict(second.state_dict())
    third.fit(until=4)
    assert third.step == 12  # its time is up
    fourth = learner(Tick(), TimeLimit(1000))
    fourth.load_state_dict(second.state_dict())
    fourth.fit(until=4)
    assert fourth.epoch == 4


@pytest.mark.parametrize("count", [1, 2, 7, 999, 1000, 1001, 1500])
@pytest.mark.parametrize("dtype", [np.float16, np.float32, np.float64])
def test_no_number_that_is_not_finite_hides(count: int, dtype: Any) -> None:
    """At the ends and in the middle, among zeros (∞ · 0), and where two infinities would cancel."""
    array = np.zeros(count, dtype)
    assert all_finite(pellucid.from_numpy(array))
    for bad in (math.nan, math.inf, -math.inf):
        for place in {0, count // 3, (count - 1) // 2, count // 2, count - 1}:
            array[:] = 0
            array[place] = bad
            assert not all_finite(pellucid.from_numpy(array)), (bad, place)
    array[:] = 1
    array[0], array[count - 1] = math.inf, -math.inf
    assert not all_finite(pellucid.from_numpy(array))
    array[:] = np.finfo(dtype).max
    assert all_finite(pellucid.from_numpy(array))  # their squares overflow, they do not


def test_the_guard_looks_at_views_of_any_order() -> None:
    array = np.zeros((40, 50), np.float32)
    array[13, 17] = math.nan
    for view in (array, array.T, array[:, ::-1], array[3:, 2:], array[None]):
        assert not all_finite(pellucid.from_numpy(np.ascontiguousarray(view)))
        assert not all_finite(pellucid.from_numpy(array).T[17:, 13:])


@pytest.mark.parametrize("layer", ["0.weight", "0.bias", "3.weight", "3.bias"])
@pytest.mark.parametrize("bad", [math.nan, math.inf])
def test_the_guard_catches_a_gradient_at_its_step(layer: str, bad: float) -> None:
    """Whichever parameter it is of, and wherever in it; the parameters are those of before the step."""
    before: list[list[bytes]] = []

    class Break(Callback):
        order = -200

        def after_backward(self, learner: Learner) -> None:
            before.append(parameters(learner))
            if learner.step == 3:
                dict(learner.model.named_parameters())[layer].grad.view(-1)[-1] = bad

    run = learner(NaNGuard(), Break())
    with pytest.raises(NonFiniteError, match=f"The gradient of {layer} is not finite at step 4") as caught:
        run.fit(1)
    assert caught.value.step == 4
    assert parameters(run) == before[-1]


@pytest.mark.parametrize("stream", ["default", "numpy", "python", "of the model"])
def test_the_guard_repeats_the_step_with_the_same_numbers(stream: str) -> None:
    """A step that fails for some draws alone is found again, whoever drew them."""

    class Unlucky(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.generator = np.random.default_rng(3)

        def forward(self, x: Any) -> Any:
            drawn = {
                "default": lambda: float(pellucid.rand(())),
                "numpy": lambda: np.random.random(),  # noqa: NPY002
                "python": lambda: random.random(),
                "of the model": lambda: self.generator.random(),
            }[stream]()
            return x.log() if drawn < 0.1 else x.abs()

    np.random.seed(0)  # noqa: NPY002
    random.seed(0)
    run = learner(NaNGuard())
    run.model.append(Unlucky())
    with pytest.raises(NonFiniteError) as caught:
        run.fit(until=40)
    assert "log is the first op" in caught.value.cause
    assert "4: Unlucky" in caught.value.cause


@pytest.mark.parametrize("callbacks", [[], [Accumulate(2)]], ids=["alone", "accumulated"])
def test_a_batch_in_which_every_target_is_ignored_is_no_failure(callbacks: list[Callback]) -> None:
    batches = [
        (pellucid.rand(3, 2), pellucid.tensor(target)) for target in ([0, 1, 1], [-100, -100, -100], [1, -100, 0])
    ]
    model = nn.Linear(2, 2)
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    run = Learner(model, batches, nn.CrossEntropyLoss(), optimizer, callbacks=[NaNGuard(), *callbacks], defaults=())
    run.fit(2)
    assert run.step == 6 and math.isfinite(run.train_loss)
    assert all_finite(model.weight)
    run.loss_function = lambda output, target: output.sum() * math.nan
    with pytest.raises(NonFiniteError):
        run.fit(1)
