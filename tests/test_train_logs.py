"""Logs for other programs to read: CSVLogger and TensorBoard."""

import csv
import io
import math
from pathlib import Path

import numpy as np
import pytest

from pellucid.train import (
    Callback,
    CSVLogger,
    Learner,
    OneCycle,
    TensorBoard,
)
from tests.recorded import StopAt, board_scalars, csv_rows, events, learner, without_seconds


def test_a_csv_log_has_the_rows_of_a_recorder(tmp_path: Path) -> None:
    run = learner(CSVLogger(tmp_path / "run.csv"), OneCycle(0.2))
    run.fit(2)
    log, record = csv_rows(tmp_path / "run.csv"), csv.DictReader(io.StringIO(run.recorder.to_csv()))
    assert without_seconds(log) == without_seconds(list(record))
    assert list(log[0])[-2:] == ["momentum", "seconds"]


def test_a_csv_log_is_there_row_by_row(tmp_path: Path) -> None:
    """Each row is in the file when its step is done: what a kill leaves."""
    path = tmp_path / "run.csv"
    lines: list[int] = []

    class Look(Callback):
        order = 100

        def after_batch(self, learner: Learner) -> None:
            lines.append(len(path.read_text().splitlines()))

    learner(CSVLogger(path, every=2), Look()).fit(1)
    assert lines == [1, 2, 2, 3, 3]  # the first is the header
    assert len(path.read_text().splitlines()) == 4


@pytest.mark.parametrize("torn", ["s", "step,1", "step,1,", "step,1,4", "step,1,4,0.6,,,0.1,0.00", "step,1,5,0.6"])
def test_a_csv_log_goes_on_after_a_torn_line(torn: str, tmp_path: Path) -> None:
    path = tmp_path / "run.csv"
    whole = learner(CSVLogger(tmp_path / "whole.csv"))
    whole.fit(until=2)
    first = learner(CSVLogger(path), StopAt(4))
    first.fit(until=2)
    state = first.state_dict()
    with open(path, "a") as file:
        file.write(torn)
    second = learner(CSVLogger(path))
    second.load_state_dict(state)
    second.fit(until=2)
    assert without_seconds(csv_rows(path)) == without_seconds(csv_rows(tmp_path / "whole.csv"))


def test_a_csv_log_of_a_new_run_begins_anew(tmp_path: Path) -> None:
    for _ in range(2):
        learner(CSVLogger(tmp_path / "run.csv")).fit(1)
    assert [row["step"] for row in csv_rows(tmp_path / "run.csv")] == ["1", "2", "3", "4", "5", "5"]


@pytest.mark.parametrize("content", ["sepal,petal\n1,2\n", "notes", "kind,epoch\n"])
def test_a_csv_log_leaves_another_file_alone(content: str, tmp_path: Path) -> None:
    path = tmp_path / "flowers.csv"
    path.write_text(content)
    with pytest.raises(ValueError, match="no log of CSVLogger: give the path of a new file"):
        learner(CSVLogger(path)).fit(1)
    assert path.read_text() == content


def test_tensorboard_scalars(tmp_path: Path) -> None:
    run = learner(TensorBoard(tmp_path / "board", every=2), OneCycle(0.2))
    run.fit(2)
    shown = board_scalars(tmp_path / "board")
    steps = {row["step"]: row for row in run.recorder.steps}
    losses = {step: value for (tag, step), value in shown.items() if tag == "train/loss"}
    assert losses == {step: pytest.approx(steps[step]["train_loss"]) for step in range(2, 11, 2)}
    assert shown["hyperparameters/lr", 4] == pytest.approx(steps[4]["lr"])
    assert shown["hyperparameters/momentum", 4] == pytest.approx(steps[4]["momentum"])
    assert shown["val/accuracy", 10] == pytest.approx(run.evaluation["accuracy"])
    assert shown["val/loss", 5] == pytest.approx(run.recorder.epochs[0]["val_loss"])
    assert shown["train/epoch_loss", 5] == pytest.approx(run.recorder.epochs[0]["train_loss"])


def test_tensorboard_forgets_what_a_run_that_goes_back_has_not_done_yet(tmp_path: Path) -> None:
    run = learner(TensorBoard(tmp_path, every=1))
    run.fit(1)
    state = run.state_dict()
    run.fit(2)
    assert board_scalars(tmp_path)["train/loss", 15]
    run.load_state_dict(state)
    run.add(StopAt(7))
    run.fit(1)
    shown = board_scalars(tmp_path)
    assert {step for tag, step in shown if tag == "train/loss"} == {1, 2, 3, 4, 5, 6, 7}
    assert {step for tag, step in shown if tag == "val/loss"} == {5}


def test_tensorboard_histograms(tmp_path: Path) -> None:
    seen: dict[int, np.ndarray] = {}

    class Look(Callback):
        def after_backward(self, learner: Learner) -> None:
            if learner.step == 1:
                learner.model[0].weight.grad[0, 0] = math.nan
            seen[learner.step + 1] = learner.model[0].weight.grad.numpy().copy()

    run = learner(Look(), TensorBoard(tmp_path, histograms=2))
    run.fit(1)
    found = {
        (value.tag, event.step): value.histo
        for event in events(tmp_path)
        for value in event.summary.value
        if value.HasField("histo")
    }
    assert {step for _, step in found} == {2, 4}
    names = {"0.weight", "0.bias", "3.weight", "3.bias"}
    assert {tag for tag, _ in found} == {f"{kind}/{name}" for kind in ("parameters", "gradients") for name in names}
    gradient = found["gradients/0.weight", 2]
    assert gradient.num == 23  # of 24, one is not a number
    assert gradient.min == np.nanmin(seen[2])
    assert gradient.max == np.nanmax(seen[2])
