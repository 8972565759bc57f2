"""Checkpoint and Snapshots: which files are kept, and that damaged ones are refused."""

import math
import threading
from pathlib import Path
from typing import Any

import pytest

from pellucid import safetensors
from pellucid.train import (
    Callback,
    Checkpoint,
    CheckpointError,
    ConfusionMatrix,
    Learner,
    Snapshots,
    load_checkpoint,
)
from pellucid.train.files.checkpoint import checkpoint_files
from tests.recorded import STEPS, StopAt, learner, parameters


class Values(Callback):
    """Puts values of its own into the evaluation."""

    order = -10

    def __init__(self, *values: float) -> None:
        self.values = values

    def after_epoch(self, learner: Learner) -> None:
        learner.evaluation = {**learner.evaluation, "accuracy": self.values[learner.epoch - 1]}


@pytest.mark.parametrize(
    ("mode", "values", "best"),
    [
        ("max", (0.5, 0.9, 0.7, 0.9), 2),
        ("min", (0.5, 0.2, 0.7, 0.2), 2),
        ("max", (math.nan, 0.1, math.inf, 0.0), 2),
        ("min", (math.nan,) * 4, None),
    ],
)
@pytest.mark.parametrize("monitor", ["accuracy", "val_accuracy"])
def test_the_best_checkpoint(
    monitor: str, mode: str, values: tuple[float, ...], best: int | None, tmp_path: Path
) -> None:
    kept = Checkpoint(tmp_path, monitor, mode, keep=1)
    run = learner(Values(*values), kept)
    run.fit(4)
    assert kept.best_epoch == best
    assert kept.last is not None
    assert load_checkpoint(kept.last)["epoch"] == 4
    assert len(checkpoint_files(tmp_path)) == 1
    if best is None:
        assert kept.best is None
    else:
        assert kept.best == tmp_path / "best.safetensors"
        assert load_checkpoint(kept.best)["epoch"] == best
        again = learner(Values(*values))
        again.load(kept.best)
        again.fit(until=4)
        assert parameters(again) == parameters(run)


def test_a_resumed_run_knows_what_the_best_was(tmp_path: Path) -> None:
    values = (0.5, 0.9, 0.7)
    learner(Values(*values), saved := Checkpoint(tmp_path, "accuracy", "max")).fit(2)
    second = learner(Values(*values), kept := Checkpoint(tmp_path, "accuracy", "max"))
    second.load(saved.last)
    second.fit(until=3)
    assert (kept.best_epoch, kept.best_value) == (2, 0.9)
    assert load_checkpoint(kept.best)["epoch"] == 2


def test_without_validation_data_there_is_no_best(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path)
    learner(kept, valid=False).fit(1)
    assert kept.best is None
    assert kept.last == tmp_path / "epoch-0001-step-00000005.safetensors"
    kept = Checkpoint(tmp_path, "train_loss")
    learner(kept, valid=False).fit(1)
    assert kept.best_epoch == 1


def test_how_many_checkpoints_are_kept(tmp_path: Path) -> None:
    run = learner(Checkpoint(tmp_path / "all"), Checkpoint(tmp_path / "two", keep=2))
    run.fit(3)
    assert len(checkpoint_files(tmp_path / "all")) == 4  # one is of the beginning
    assert [path.name for path in checkpoint_files(tmp_path / "two")] == [
        "epoch-0003-step-00000015.safetensors",
        "epoch-0002-step-00000010.safetensors",
    ]


def test_a_run_that_goes_back_removes_nothing_of_what_went_further(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path, keep=2)
    run = learner(kept)
    run.fit(3)
    run.load(tmp_path / "epoch-0002-step-00000010.safetensors")
    run.add(StopAt(12))
    run.fit(1)
    assert [path.name[6:10] for path in checkpoint_files(tmp_path)] == ["0003", "0002", "0002"]


def test_a_monitor_that_is_not_there_is_refused_before_training(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match="cannot monitor 'f1'; there is val_loss, val_accuracy, train_loss"):
        learner(Checkpoint(tmp_path, "f1")).fit(1)
    with pytest.raises(
        ValueError, match=r"cannot monitor 'accuracy'; there is train_loss\. There are no validation data"
    ):
        learner(Checkpoint(tmp_path, "accuracy"), valid=False).fit(1)
    run = learner(Checkpoint(tmp_path, "confusion"))
    run.metrics = {"confusion": ConfusionMatrix}
    with pytest.raises(ValueError, match=r"can only monitor single numbers, and confusion is \(2, 2\)"):
        run.fit(1)


def test_the_best_checkpoint_where_there_are_no_hard_links(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def link(*_: Any) -> None:
        raise OSError(95, "Operation not supported")

    monkeypatch.setattr("os.link", link)
    kept = Checkpoint(tmp_path)
    learner(kept).fit(1)
    assert kept.best is not None
    assert kept.best.read_bytes() == (tmp_path / "epoch-0001-step-00000005.safetensors").read_bytes()


def test_a_damaged_best_is_refused(tmp_path: Path) -> None:
    kept = Checkpoint(tmp_path)
    run = learner(kept)
    run.fit(1)
    assert kept.best is not None
    kept.best.write_bytes(kept.best.read_bytes()[:-1])
    with pytest.raises(CheckpointError):
        run.load(kept.best)


def test_a_checkpoint_is_of_its_epoch_however_late_it_is_written(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    """It is written beside the training: held up until the next epoch is half over, it has what there was before."""
    half_over = threading.Event()
    seen: list[list[bytes]] = []
    write = safetensors.write_atomically

    def late(path: Path, content: bytes) -> None:
        if "epoch-0001" in path.name:
            assert half_over.wait(60)
        write(path, content)

    class Look(Callback):
        def after_epoch(self, learner: Learner) -> None:
            seen.append(parameters(learner))

        def after_batch(self, learner: Learner) -> None:
            if learner.step == STEPS + 3:
                assert not (tmp_path / "epoch-0001-step-00000005.safetensors").exists()
                half_over.set()

    monkeypatch.setattr(safetensors, "write_atomically", late)
    learner(Look(), Checkpoint(tmp_path)).fit(2)
    again = learner(seed=5)
    again.load(tmp_path / "epoch-0001-step-00000005.safetensors")
    assert parameters(again) == seen[0] != seen[1]


def test_a_disk_that_is_full_ends_the_fit(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(path: Path, content: bytes) -> None:
        if "epoch-0000" not in path.name:
            raise OSError(28, "No space left on device", str(path))

    monkeypatch.setattr(safetensors, "write_atomically", full)
    run = learner(Checkpoint(tmp_path))
    with pytest.raises(OSError, match=r"No space left on device: .*epoch-0001"):
        run.fit(5)
    assert run.epoch == 2  # it was noticed when the next one was to be written
    with pytest.raises(OSError, match=r"No space left on device: .*epoch-0003"):
        run.fit(1)  # or when the fit ended


def test_any_snapshot_is_reloaded_by_its_step(tmp_path: Path) -> None:
    seen: dict[int, list[bytes]] = {}

    class Look(Callback):
        order = 100

        def before_fit(self, learner: Learner) -> None:
            seen[0] = parameters(learner)

        def after_batch(self, learner: Learner) -> None:
            seen[learner.step] = parameters(learner)

    run = learner(Snapshots(tmp_path, every=3), Look())
    run.fit(2)
    read = Snapshots(tmp_path)  # in another process, say
    assert read.steps == [0, 3, 6, 9]
    other = learner(seed=5)
    for step in read.steps:
        assert read.load(step, other.model) is other.model
        assert parameters(other) == seen[step]
        state = read.load(step)
        assert [state[name].numpy().tobytes() for name, _ in run.model.named_parameters()] == seen[step]


def test_a_snapshot_that_is_not_there_lists_the_nearest(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, every=2)
    with pytest.raises(KeyError, match="no snapshot of step 4 in .*; there is none"):
        snapshots.load(4)
    learner(snapshots).fit(2)
    with pytest.raises(KeyError, match="no snapshot of step 5 in .*; the nearest are 2, 4, 6, 8"):
        snapshots.load(5)


def test_snapshots_of_another_run_do_not_stay_among_ours(tmp_path: Path) -> None:
    learner(Snapshots(tmp_path, every=2)).fit(2)
    (tmp_path / "step-notes.safetensors").write_text("mine")
    learner(Snapshots(tmp_path, every=4)).fit(1)
    assert Snapshots(tmp_path).steps == [0, 4]
    assert (tmp_path / "step-notes.safetensors").exists()


def test_a_damaged_snapshot_is_refused(tmp_path: Path) -> None:
    snapshots = Snapshots(tmp_path, every=2)
    learner(snapshots).fit(1)
    path = snapshots.path(2)
    path.write_bytes(path.read_bytes()[:-1])
    with pytest.raises(ValueError, match="step-00000002.safetensors is not a whole safetensors file"):
        snapshots.load(2)
