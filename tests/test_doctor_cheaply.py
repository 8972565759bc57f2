"""What the doctor does once, or not at all, where a pass has many turns or takes long."""

from __future__ import annotations

import sys
import time
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor.probes import losses
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.usual import USUAL, stacked
from pellucid.doctor.process.alike import same_series
from pellucid.doctor.process.controller import QUICK, Controller, _is_stuck
from pellucid.doctor.process.lab import Lab, Next, PassOutcome
from pellucid.doctor.process.parameters import Parameters, parameters
from pellucid.doctor.process.paths import Group
from pellucid.doctor.process.scout import Seen, ever_moved
from pellucid.doctor.process.watch import Watch

OUTPUT, LABEL = ("loop 1", "out"), ("loop 1", "y")


def watched() -> dict[tuple[str, str], list[np.ndarray]]:
    """What is seen of a loop over the characters of a text, whose states are kept in a dict."""
    watch = Watch({__file__}, {})
    inputs, sums, states = np.ones((40, 3)), np.zeros(3), {}
    for step in range(30):
        sums += inputs[step]
        states[step] = 0.5 * sums
        watch.turn(1, sys._getframe())
    return watch.series


def test_what_a_loop_leaves_as_it_is_is_copied_once() -> None:
    seen = watched()
    assert len(seen["loop 1", "inputs"]) == 30
    assert len({id(value) for value in seen["loop 1", "inputs"]}) == 1
    assert [value[0] for value in seen["loop 1", "sums"]] == list(range(1, 31))


def test_of_a_dict_that_a_loop_fills_each_turn_shows_what_it_adds() -> None:
    seen = watched()
    assert [len(seen["loop 1", f"states[{step}]"]) for step in (7, 8, 29)] == [2, 1, 1]
    assert seen["loop 1", "states[29]"][0][0] == 15.0


def test_series_that_hold_one_array_again_and_again_are_compared_once(monkeypatch: pytest.MonkeyPatch) -> None:
    rows, other, asked = np.ones((200, 30)), np.ones((200, 30)), []
    own = np.array_equal
    monkeypatch.setattr(np, "array_equal", lambda *args, **named: asked.append(1) or own(*args, **named))
    assert same_series([rows] * 100, [other] * 100) and len(asked) == 1
    other[0, 0] = np.nan
    assert not same_series([rows] * 100, [other] * 100) and same_series([other] * 3, [other.copy()] * 3)
    assert not same_series([rows], [rows, rows])


@pytest.mark.parametrize("shape", [(), (1,), (4,), (4, 1), (1, 4), (2, 3)])
@pytest.mark.parametrize("label", ["alike", "one-hot", "number"])
def test_the_samples_of_a_loop_have_one_loss_at_once_and_one_by_one(
    shape: tuple[int, ...], label: str, monkeypatch: pytest.MonkeyPatch
) -> None:
    rng = np.random.default_rng(3)
    size = int(np.prod(shape))
    outputs = [rng.uniform(0.1, 0.3, shape) for _ in range(20)]
    made = {
        "alike": lambda: rng.integers(0, 2, shape).astype(float),
        "one-hot": lambda: np.eye(size)[rng.integers(size)].reshape(shape),
        "number": lambda: np.array(float(rng.integers(size))),
    }
    seen = {OUTPUT: outputs, LABEL: [made[label]() for _ in range(20)]}
    for kind in USUAL:
        at_once = Candidate(kind, OUTPUT, LABEL).value(seen)
        with monkeypatch.context() as patched:
            patched.setattr(losses, "MANY_SAMPLES", 1000)
            assert at_once == pytest.approx(Candidate(kind, OUTPUT, LABEL).value(seen), rel=1e-12, nan_ok=True), kind


def test_samples_whose_shape_would_tell_something_else_as_rows_are_left_alone() -> None:
    rows = [np.full(3, 0.2)] * 12
    assert stacked(rows, [np.eye(3)[0]] * 12, classes=True) is not None
    assert stacked(rows, [np.zeros(3)] * 12, classes=True) is None  # no row says which class
    assert stacked([np.zeros(12)] * 12, [np.array(1.0)] * 12) is None  # as many samples as classes
    assert stacked([np.zeros((2, 3))] * 12, [np.zeros((2, 3))] * 12) is None
    assert stacked([np.zeros(3), np.zeros(2)] * 6, [np.zeros(3)] * 12) is None


@pytest.mark.parametrize(("seen", "waits"), [(None, True), ({"w"}, True), ({"delta"}, False)])
def test_only_what_was_seen_to_move_is_waited_for(seen: set[str] | None, waits: bool) -> None:
    lab = SimpleNamespace(groups={"w": Group("w", ((("global", ("m", "w")),),), (2,), (2,))}, left=lambda: 10.0)
    steps = parameters(cast(Lab, lab), seen)
    next(steps)
    still = {"w": np.ones(2)}
    assert isinstance(steps.send(PassOutcome(still, still, {})), Next) is waits
    assert ever_moved(Seen(moves=[(1, {"w": np.ones(2, bool)})], again={"delta"})) == {"w", "delta"}


def test_a_loop_that_two_tests_refused_is_tested_again_for_a_reason_alone() -> None:
    seen = Seen(again={"total"})
    Controller._refuse(cast(Any, None), seen, time.monotonic())
    assert seen.refused is None
    Controller._refuse(cast(Any, None), seen, time.monotonic())
    assert seen.refused == {"total"}
    seen = Seen(again={"w"})  # which may be a parameter that a pass did not touch
    for _ in range(2):
        Controller._refuse(cast(Any, None), seen, time.monotonic())
    assert seen.refused is None


def test_in_a_laboratory_other_loops_are_heard_while_a_pass_is_watched() -> None:
    controller = Controller(cast(Any, None), lambda session: None, 0.0)
    assert controller.hears(5)  # the scout looks at all loops
    controller.number, controller.around = 2, 1
    lab = SimpleNamespace(running=True, watch=None)
    controller.lab = cast(Any, lab)
    assert [controller.hears(number) for number in (1, 2, 3)] == [True, True, False]
    lab.watch = object()
    assert controller.hears(3)


def test_where_a_pass_takes_long_a_few_parameters_that_stand_still_are_left_out() -> None:
    quick, slow = (Parameters({}, ["v", "w"], {}, seconds=seconds) for seconds in (QUICK / 2, 2 * QUICK))
    assert _is_stuck({"b"}, quick) and not _is_stuck({"b"}, slow) and _is_stuck({"a", "b", "c"}, slow)
    assert not _is_stuck(set(), quick)
