"""A training in a fork: where it may end, and which part of its curve is shown."""

import re
from collections.abc import Generator
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pellucid.doctor.conditions.case import Case
from pellucid.doctor.page import render
from pellucid.doctor.probes.data import Keys, observe
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.trials import BURST, Remedy, Trial, as_studied, scaled, trial
from pellucid.doctor.process.lab import Next, PassOutcome
from pellucid.doctor.process.parameters import Parameters
from pellucid.doctor.report import Finding, Report

LOSS = Candidate("seen", ("", "loss"))


def driven(work: Generator[Any, Any, Any], seen: Any) -> Any:
    """What a work returns whose passes see `seen(number)`."""
    number = 0
    try:
        next(work)
        while True:
            outcome = SimpleNamespace(before={}, after={}, seen=seen(number))
            number += 1
            work.send(outcome)
    except StopIteration as end:
        return end.value


def lab() -> Any:
    return SimpleNamespace(left=lambda: 100.0, groups={}, before={})


@pytest.mark.parametrize("returned", [True, False])
def test_what_is_recorded_is_the_pass_that_was_measured(returned: bool) -> None:
    """After a return to the first weights, slopes are those of passes that hardly move."""
    session: Any = SimpleNamespace(returned=returned, found=Parameters({}, [], {}))
    request = next(as_studied(session, lab(), (step for step in [Next()])))
    assert (request.after is not None) is returned


@pytest.mark.parametrize(("enough", "passes"), [(None, 3000), (0.5, 745), (1e-3, 3000), (2.0, 41)])
def test_a_training_ends_where_its_loss_is_low_enough(enough: float | None, passes: int) -> None:
    found = Parameters({}, [], {})
    work = trial(lab(), found, LOSS, {}, 3000, 60.0, Remedy(), enough=enough)
    done = driven(work, lambda number: {("", "loss"): [np.array(np.exp(-number / 1000))]})
    assert done.passes == pytest.approx(passes, abs=150)
    if enough is not None and passes < 3000:
        assert done.level < enough


def test_what_a_training_leaves_in_another_size_fixes_no_parameter() -> None:
    found: Any = SimpleNamespace(groups={"w": SimpleNamespace(size=3), "b": SimpleNamespace(size=3)}, parameters=["w"])
    work = trial(lab(), found, LOSS, {}, 1, 60.0, Remedy())
    next(work)
    before = {"w": np.ones(3), "b": np.ones(3)}
    with pytest.raises(StopIteration) as end:
        work.send(PassOutcome(before, {"w": np.ones(3), "b": np.ones(13)}, {("", "loss"): [np.array(1.0)]}))
    case: Any = SimpleNamespace(session=SimpleNamespace(found=found))
    assert list(end.value.value.values) == ["w"]
    assert len(Case.fixed_at(case, end.value.value, Remedy()).begin) == 1


def test_a_pass_that_makes_no_update_is_not_run_again_and_again() -> None:
    """Of ten passes one moves the parameter: it is run twenty times, the others twice, to see that they do not."""
    found = Parameters({}, ["w"], {})
    work = trial(lab(), found, LOSS, {}, 400, 60.0, Remedy(repeat=20))
    runs, w, at, moves = [0], 0.0, 0, 0
    request = next(work)
    try:
        while True:
            moved = w + (at % 10 == 0)
            before, after = {"w": np.array([w])}, {"w": np.array([moved])}
            moves += moved != w
            w = moved
            seen = {("", "loss"): [np.array(1.0)]}
            runs[-1] += 1
            if type(request) is Next:
                at += 1
                runs.append(0)
            request = work.send(SimpleNamespace(before=before, after=after, seen=seen))  # type: ignore[arg-type]
    except StopIteration:
        pass
    assert runs[:20] == [20, *[2] * 9, 20, *[2] * 9]


def test_with_no_updates_an_optimiser_remembers_none() -> None:
    """A velocity that went on would take the passes farther and farther ahead of parameters that rest."""
    held = {"w": np.array([2.0]), "v": np.array([3.0])}

    def group(name: str) -> Any:
        return SimpleNamespace(read=lambda scope: held[name], write=lambda scope, v: held.update({name: v}), size=1)

    found = Parameters({name: group(name) for name in held}, ["w"], {})
    found.memory["v"] = "w"
    here: Any = SimpleNamespace(before={"w": np.array([1.0]), "v": np.array([0.0])}, groups=found.groups)
    scaled(here, found, 0.0)(None)  # type: ignore[arg-type]
    assert held == {"w": 1.0, "v": 0.0}


def test_a_curve_is_cut_where_another_training_ended() -> None:
    done = Trial(at=[*range(2 * BURST), *range(200, 200 + BURST)], losses=[1.0] * BURST + [0.5] * BURST + [0.1] * BURST)
    assert done.curve() == [1.0, 0.5, 0.1]
    assert done.curve(150) == [1.0, 0.5]
    assert done.curve(3) == [1.0, 0.5]  # a line needs two points


def test_rows_that_come_again_and_again_are_looked_at_no_longer() -> None:
    keys = Keys(("", "x"), ("", "y"), None)
    x, y = np.random.default_rng(0).normal(size=(40, 3)), np.arange(40.0)

    def batches(number: int) -> Any:
        rows = np.arange(10) + 10 * (number % 4)
        return {("", "x"): [x[rows]], ("", "y"): [y[rows]]}

    whole = driven(observe(lab(), keys, LOSS, 400, 60.0), lambda number: {("", "x"): [x], ("", "y"): [y]})
    parts = driven(observe(lab(), keys, LOSS, 400, 60.0), batches)
    assert len(whole.batches) == 9
    assert len(parts.batches) == 24


def test_a_loss_that_explodes_leaves_the_picture_and_its_axis_has_room() -> None:
    fork = {"what": "loss", "as it is": [2.0, 50.0, 1e5, 1e40, 1e200], "with scaled inputs": [2.0, 1.5, 1.0, 0.8, 0.5]}
    page = render(Report("faults", [Finding("lr-too-high", "warning", 0.9, "", "", "", fork=fork)]))
    was = re.findall(r'<polyline class="curve was" points="([^"]*)"', page)[0].split()
    assert len(was) == 3  # the last of which is at the upper edge
    label = re.findall(r'<text x="(\d+)" y="26" text-anchor="end">(.*?)</text>', page)[0]
    assert label[1] == "2e+03"
    assert int(label[0]) >= 13 * len(label[1])  # what 24 pixels high letters take


def test_every_loss_of_a_short_training_is_drawn() -> None:
    done = Trial(at=[*range(30)], losses=[float(i) for i in range(30)])
    assert done.curve() == [14.5]
    assert done.drawn(4) == [0.0, 1.0, 2.0, 3.0]
