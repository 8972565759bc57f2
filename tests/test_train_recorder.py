"""The Recorder: its rows, how they are written and drawn, and that a Learner has one."""

import math
import sys
from pathlib import Path

import numpy as np
import pytest
import torch

from pellucid import optim
from pellucid.train import (
    Accuracy,
    Callback,
    ConfusionMatrix,
    Learner,
    Recorder,
    SkipBatch,
    TensorBoard,
)
from pellucid.train.files.extras import need
from pellucid.train.records import stopwatch as stopwatch_module
from pellucid.train.records.hyperparameters import Hyperparameters
from tests.recorded import STEPS, learner


def test_the_rows_of_a_recorder() -> None:
    run = learner()
    run.fit(2)
    record = run.recorder
    kinds = ["step"] * STEPS + ["epoch"]
    assert [row["kind"] for row in record.rows] == kinds * 2
    assert [row["step"] for row in record.steps] == list(range(1, 2 * STEPS + 1))
    assert [(row["epoch"], row["step"]) for row in record.epochs] == [(1, STEPS), (2, 2 * STEPS)]
    assert list(record.steps[0]) == ["kind", "epoch", "step", "train_loss", "lr", "seconds"]
    assert list(record.epochs[0]) == [
        "kind", "epoch", "step", "train_loss", "val_loss", "val_accuracy", "lr", "seconds",
    ]  # fmt: skip
    assert record.epochs[1]["val_accuracy"] == run.evaluation["accuracy"]
    assert record.best == min(record.epochs, key=lambda row: row["val_loss"])
    times = [row["seconds"] for row in record.rows]
    assert times == sorted(times)
    assert times[0] > 0


def test_the_losses_of_a_recorder_are_those_of_the_steps() -> None:
    seen: list[float] = []

    class Watch(Callback):
        def after_loss(self, learner: Learner) -> None:
            seen.append(learner.loss.item())

    run = learner(Watch())
    run.fit(2)
    assert [row["train_loss"] for row in run.recorder.steps] == seen


def test_a_skipped_batch_has_no_row() -> None:
    class Skip(Callback):
        def before_batch(self, learner: Learner) -> None:
            if learner.step in (0, 3):
                raise SkipBatch

    run = learner(Skip())
    run.fit(1)
    assert [row["step"] for row in run.recorder.steps] == [2, 3, 5]


def test_rows_are_made_when_asked_for_and_again_when_there_are_more() -> None:
    run = learner()
    run.fit(1)
    rows = run.recorder.rows
    assert run.recorder.rows is rows
    run.fit(1)
    assert len(run.recorder.rows) == 2 * len(rows)
    assert run.recorder.rows[: len(rows)] == rows


def test_what_changes_in_the_optimiser_is_a_column() -> None:
    """Learning rates of all groups always; of the others those that change, from the first row on."""

    class Change(Callback):
        def before_batch(self, learner: Learner) -> None:
            groups = learner.optimizer.param_groups
            groups[0]["lr"] = 0.1 / (learner.step + 1)
            if learner.step == 2:
                groups[1]["betas"] = (0.8, 0.999)

    run = learner(Change())
    layers = run.model
    run.optimizer = optim.Adam([{"params": layers[0].parameters()}, {"params": layers[3].parameters(), "lr": 0.5}])
    run.fit(1)
    rows = run.recorder.steps
    assert list(rows[0])[4:-1] == ["lr", "lr_1", "beta1_1"]
    assert [row["lr"] for row in rows] == [0.1 / (step + 1) for step in range(STEPS)]
    assert [row["lr_1"] for row in rows] == [0.5] * STEPS
    assert [row["beta1_1"] for row in rows] == [0.9, 0.9, 0.8, 0.8, 0.8]


def test_hyperparameters_that_are_tensors_or_come_and_go() -> None:
    rate = torch.tensor(0.25)
    group = {"params": [], "lr": rate, "nesterov": True, "foreach": None, "name": "head"}
    seen = Hyperparameters()
    seen.watch([group])
    seen.look(0)
    rate.mul_(2)  # in place, as a schedule of PyTorch does with such a rate
    seen.look(1)
    assert seen.columns(2) == {"lr": [0.25, 0.5]}
    seen.watch([{"params": []}, {"params": [], "lr": 1}])
    seen.look(2)
    columns = seen.columns(3)
    assert columns["lr"][:2] == [0.25, 0.5]
    assert math.isnan(columns["lr"][2])
    assert math.isnan(columns["lr_1"][0])
    assert columns["lr_1"][2] == 1.0
    assert seen.current() == {"lr_1": 1.0}


def test_a_metric_that_is_no_number_is_left_out() -> None:
    run = learner()
    run.metrics = {"confusion": ConfusionMatrix, "accuracy": Accuracy}
    run.fit(1)
    assert np.ndim(run.evaluation["confusion"]) == 2
    assert "val_confusion" not in run.recorder.epochs[0]
    assert "val_accuracy" in run.recorder.epochs[0]


def test_the_best_epoch_is_a_finite_one() -> None:
    run = learner()
    assert run.recorder.best is None
    run.fit(2)
    state = run.recorder.state_dict()
    state["epochs"][0][1]["val_loss"] = math.nan
    run.recorder.load_state_dict(state)
    assert run.recorder.best == run.recorder.epochs[1]


def test_a_recorder_as_a_data_frame() -> None:
    run = learner()
    run.fit(2)
    frame = run.recorder.to_pandas()
    assert frame.shape == (2 * STEPS + 2, 8)
    assert frame["kind"].tolist().count("epoch") == 2
    assert frame["val_loss"].notna().sum() == 2
    assert frame["train_loss"].tolist() == [row["train_loss"] for row in run.recorder.rows]


def test_what_is_not_installed_is_asked_for_by_its_extra(monkeypatch: pytest.MonkeyPatch) -> None:
    run = learner()
    monkeypatch.setitem(sys.modules, "pandas", None)
    with pytest.raises(ModuleNotFoundError, match=r"to_pandas\(\) needs the package pandas: pip install pandas$"):
        run.recorder.to_pandas()
    monkeypatch.setitem(sys.modules, "tensorboardX", None)
    with pytest.raises(ModuleNotFoundError, match=r"TensorBoard needs .*tensorboardX: .*pellucid\[experiments\]"):
        TensorBoard("folder")


def test_a_package_that_is_there_and_broken_is_told_from_one_that_is_not(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "broken.py").write_text("import that_is_missing")
    monkeypatch.syspath_prepend(tmp_path)
    with pytest.raises(ModuleNotFoundError, match="that_is_missing"):
        need("broken", "standard", "A test")


def test_a_recorder_writes_and_draws(tmp_path: Path) -> None:
    run = learner(record := Recorder(path=tmp_path / "history.csv"))
    run.fit(2)
    assert (tmp_path / "history.csv").read_text() == record.to_csv()
    assert record.to_csv(tmp_path / "copy.csv") == (tmp_path / "copy.csv").read_text()
    figure = record.plot(save=tmp_path / "curves.png")
    assert "loss" in [axes.get_ylabel() for axes in figure.axes]
    assert (tmp_path / "curves.png").read_bytes().startswith(b"\x89PNG")


def test_a_recorder_writes_seldom_where_writing_takes_long(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that an epoch moves on by ten seconds, and a writing by a quarter of one."""
    now = 0.0
    epochs: list[int] = []

    class Tick(Callback):
        def before_epoch(self, learner: Learner) -> None:
            nonlocal now
            now += 10

    def write(path: Path, text: str) -> None:
        nonlocal now
        now += 0.25
        epochs.append(int(text.splitlines()[-1].split(",")[1]))

    monkeypatch.setattr(stopwatch_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr("pellucid.train.records.recorder.write_atomically", write)
    learner(Tick(), Recorder(path=tmp_path / "history.csv")).fit(8)
    assert epochs == [1, 4, 7, 8]


def test_a_recorder_writes_in_the_midst_of_a_long_epoch(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """By a clock that a step moves on by 1.5 seconds: so whoever looks on sees an epoch of hours go on."""
    now = 0.0
    steps: list[int] = []

    class Tick(Callback):
        def before_batch(self, learner: Learner) -> None:
            nonlocal now
            now += 1.5

    monkeypatch.setattr(stopwatch_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr(
        "pellucid.train.records.recorder.write_atomically", lambda _, text: steps.append(text.count("\nstep,"))
    )
    run = learner(Tick(), Recorder(path=tmp_path / "history.csv"))
    run.fit(1)
    assert steps[:-1] == list(range(2, len(run.loader) + 1, 2))


def test_a_learner_has_one_recorder_and_says_so_where_it_has_none() -> None:
    own = Recorder(every=7)
    assert learner(own).recorder is own
    bare = learner(defaults=())
    assert bare.callbacks == []
    with pytest.raises(AttributeError, match=r"no Recorder: add one, learner\.add\(Recorder\(\)\)"):
        _ = bare.recorder
