"""Callbacks that record a run: what they keep is right, survives a resume, and costs the run nothing but time."""

import json
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import pytest

import pellucid
from pellucid.train import (
    Callback,
    Checkpoint,
    CSVLogger,
    NaNGuard,
    OneCycle,
    Progress,
    Recorder,
    Snapshots,
    TensorBoard,
    TimeLimit,
    load_checkpoint,
)
from tests.recorded import STEPS, FailAt, StopAt, board_scalars, csv_rows, learner, parameters, without_seconds

# A table over all of them: what each makes in a folder, and what of it is to be the same in a run that was resumed.


@dataclass
class Case:
    make: Callable[[Path], Callback]
    product: Callable[[Any, Path], Any]


def files(folder: Path) -> dict[str, bytes]:
    return {path.name: path.read_bytes() for path in sorted(folder.iterdir())}


CASES = {
    "Recorder": Case(lambda folder: Recorder(), lambda made, folder: without_seconds(made.rows)),
    "Recorder of each third step": Case(
        lambda folder: Recorder(3, folder / "history.csv"),
        lambda made, folder: (without_seconds(made.rows), without_seconds(csv_rows(folder / "history.csv"))),
    ),
    "Progress": Case(lambda folder: Progress(), lambda made, folder: None),
    "CSVLogger": Case(
        lambda folder: CSVLogger(folder / "log" / "run.csv"),
        lambda made, folder: without_seconds(csv_rows(folder / "log" / "run.csv")),
    ),
    "TensorBoard": Case(
        lambda folder: TensorBoard(folder / "board", every=1), lambda made, folder: board_scalars(folder / "board")
    ),
    "Snapshots": Case(
        lambda folder: Snapshots(folder / "snapshots", every=2), lambda made, folder: files(folder / "snapshots")
    ),
    "Checkpoint": Case(
        lambda folder: Checkpoint(folder / "own", "accuracy", "max"),
        lambda made, folder: (made.best_epoch, made.best_value),
    ),
    "TimeLimit": Case(lambda folder: TimeLimit("1h"), lambda made, folder: made.spent > 0),
    "NaNGuard": Case(lambda folder: NaNGuard(), lambda made, folder: None),
}


@pytest.fixture(scope="module")
def plain() -> list[bytes]:
    run = learner()
    run.fit(3)
    return parameters(run)


@pytest.mark.parametrize("name", CASES)
def test_it_changes_nothing_in_the_run(name: str, tmp_path: Path, plain: list[bytes]) -> None:
    run = learner(CASES[name].make(tmp_path))
    run.fit(3)
    assert parameters(run) == plain


@pytest.mark.parametrize("step", [1, 3, STEPS, 2 * STEPS - 1])
@pytest.mark.parametrize("name", CASES)
def test_a_resumed_run_keeps_what_the_uninterrupted_one_does(name: str, step: int, tmp_path: Path) -> None:
    """The schedule moves learning rate and momentum, so that there is something to record."""
    case = CASES[name]
    folders = tmp_path / "whole", tmp_path / "resumed"
    for folder in folders:
        folder.mkdir()
    whole = learner(made := case.make(folders[0]), OneCycle(0.2))
    whole.fit(until=3)

    saved = Checkpoint(tmp_path / "saved")
    first = learner(case.make(folders[1]), OneCycle(0.2), saved, StopAt(step))
    first.fit(until=3)
    # After the checkpoint the run went on for a little, and was then killed.
    doomed = learner(case.make(folders[1]), OneCycle(0.2), FailAt(step + 2))
    doomed.load_state_dict(load_checkpoint(saved.last))
    with pytest.raises(RuntimeError, match="a bug"):
        doomed.fit(until=3)

    second = learner(again := case.make(folders[1]), OneCycle(0.2), seed=7)
    second.load_state_dict(load_checkpoint(saved.last))
    second.fit(until=3)
    assert case.product(again, folders[1]) == case.product(made, folders[0])
    assert parameters(second) == parameters(whole)


@pytest.mark.parametrize("name", CASES)
def test_it_can_be_used_for_fit_after_fit(name: str, tmp_path: Path) -> None:
    """Fits of one epoch, of none and of two leave what one fit of three leaves."""
    folders = tmp_path / "one", tmp_path / "two"
    for folder in folders:
        folder.mkdir()
    case = CASES[name]
    learner(made := case.make(folders[0])).fit(3)
    run = learner(again := case.make(folders[1]))
    run.fit(1)
    run.fit(0)
    run.fit(2)
    assert case.product(again, folders[1]) == case.product(made, folders[0])


@pytest.mark.parametrize(
    ("make", "message"),
    [
        (lambda: Recorder(0), "every=0.*number of steps.*at least 1"),
        (lambda: CSVLogger("log.csv", every=0), "every=0.*at least 1"),
        (lambda: Snapshots("folder", every=-1), "every=-1.*at least 1"),
        (lambda: TensorBoard("folder", every=0), "every=0.*at least 1"),
        (lambda: TensorBoard("folder", histograms=0), "histograms=0.*at least 1"),
        (lambda: Checkpoint("folder", mode="least"), "mode='least'.*'min' or 'max'"),
        (lambda: Checkpoint("folder", keep=0), "keep=0.*None keeps all"),
        (lambda: TimeLimit("soon"), "'soon' is no time.*'1h30m'"),
        (lambda: TimeLimit("10 x"), "'10 x' is no time"),
        (lambda: TimeLimit(0), "0 is no time"),
        (lambda: TimeLimit(math.nan), "nan is no time"),
    ],
)
def test_wrong_settings_are_refused_with_what_to_write(make: Callable[[], Callback], message: str) -> None:
    with pytest.raises(ValueError, match=message):
        make()


@pytest.mark.slow
def test_the_benchmark_runs(tmp_path: Path) -> None:
    """A round of it, on epochs of three steps."""
    from benchmarks import learner as benchmark

    x, y = pellucid.rand(4, 784), pellucid.zeros(4, dtype=pellucid.int64)
    learners = benchmark.contestants([(x, y)] * 3, tmp_path, True, time.perf_counter)
    rows = benchmark.measure(learners, 1)
    assert list(rows)[:4] == ["without callbacks", "default callbacks", "without statistics", "pellucid train"]
    assert all(value > 0 for row in rows.values() for name, value in row.items() if "microseconds" in name)
    lines = benchmark.lines_of_the_loop()
    assert lines["in all"] == sum(value for name, value in lines.items() if name != "in all")
    assert json.dumps(rows)
