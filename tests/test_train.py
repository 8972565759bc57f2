"""The training loop, its checkpoints, its history and its guard, on models small enough to train hundreds of times."""

import csv
import io
import json
import math
import os
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

from pellucid import Generator, Tensor, from_numpy, manual_seed, nn, optim, tensor
from pellucid.train import (
    HOOKS,
    Accuracy,
    Callback,
    Checkpoint,
    CheckpointError,
    CosineDecay,
    Learner,
    NaNGuard,
    NonFiniteError,
    Recorder,
    RunFolder,
    RunFolderError,
    load_checkpoint,
    save_checkpoint,
    write_atomically,
)
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.utils.data import DataLoader, TensorDataset
from tests.sampled import sampled

EVALUATION = ["before_evaluate", "after_evaluate"]
STEPS = 5  # per epoch, the last of them on a smaller batch


def learner(*callbacks: Callback, optimizer: str = "sgd", seed: int = 0) -> Learner:
    """A network with dropout and batch normalisation: both have state beyond the parameters."""
    rng = np.random.default_rng(0)
    x = from_numpy(rng.normal(size=(34, 3)).astype(np.float32))
    y = from_numpy(rng.integers(0, 2, 34))
    manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    makers: dict[str, Callable[[Any], Any]] = {
        "sgd": lambda p: optim.SGD(p, lr=0.1, momentum=0.9, nesterov=True),
        "adam": lambda p: optim.Adam(p, lr=0.01),
        "adamw": lambda p: optim.AdamW(p, lr=0.01),
    }
    loader = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=Generator().manual_seed(seed))
    return Learner(
        model,
        (loader, DataLoader(TensorDataset(x[:7], y[:7]), batch_size=3)),
        nn.CrossEntropyLoss(),
        makers[optimizer](model.parameters()),
        {"accuracy": Accuracy},
        callbacks,
    )


class StopAt(Callback):
    """Stops the fit after a step, as Ctrl-C would."""

    order = 100

    def __init__(self, step: int) -> None:
        self.step = step

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.step:
            learner.stop()


def arrays(state: Any) -> list[np.ndarray]:
    """Every tensor and array in a nested state, in order; but for the times of the Recorder, which never repeat."""
    if isinstance(state, np.ndarray):
        return [state.copy()]
    if isinstance(state, Tensor):
        return [state.detach().numpy().copy()]
    if isinstance(state, dict):
        return [array for name, item in state.items() if name != "seconds" for array in arrays(item)]
    items = state if isinstance(state, list | tuple) else []
    return [array for item in items for array in arrays(item)]


def same(first: Any, other: Any) -> bool:
    """Whether two states hold the same bits."""
    a, b = arrays(first), arrays(other)
    return len(a) == len(b) > 0 and all(
        x.dtype == y.dtype and x.tobytes() == y.tobytes() for x, y in zip(a, b, strict=True)
    )


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


# The loop


def test_the_hooks_come_in_order() -> None:
    calls: list[str] = []
    witness = type(
        "Witness", (Callback,), {hook: lambda self, learner, hook=hook: calls.append(hook) for hook in HOOKS}
    )
    learner(witness()).fit(1)
    batch = ["before_batch", "after_predict", "after_loss", "after_backward", "after_step", "after_batch"]
    assert calls == ["before_fit", "before_epoch", *batch * STEPS, *EVALUATION, "after_epoch", "after_fit"]


def test_callbacks_are_called_by_order() -> None:
    calls: list[str] = []

    class First(Callback):
        order = 1

        def before_fit(self, learner: Learner) -> None:
            calls.append("first")

    class Second(Callback):
        order = 2

        def before_fit(self, learner: Learner) -> None:
            calls.append("second")

    learner(Second(), First()).fit(1)
    assert calls == ["first", "second"]


def test_a_misspelt_hook_is_an_error() -> None:
    with pytest.raises(TypeError, match="after_bach is no hook.*Did you mean after_batch"):

        class Wrong(Callback):
            def after_bach(self, learner: Learner) -> None: ...


def test_the_losses_are_means_over_samples() -> None:
    """The last batch is smaller, so a mean over batches would be another number."""
    seen: list[tuple[float, int]] = []

    class Watch(Callback):
        def after_batch(self, learner: Learner) -> None:
            seen.append((learner.loss_value, len(learner.target)))

    history = Recorder(every=1)
    trained = learner(Watch(), history)
    trained.fit(1)
    assert [size for _, size in seen] == [8, 8, 8, 8, 2]
    assert history.epochs[0]["train_loss"] == sum(loss * size for loss, size in seen) / 34
    trained.model.eval()
    x, y = trained.valid.dataset.tensors
    output = trained.model(x)
    assert trained.evaluation["loss"] == pytest.approx(nn.CrossEntropyLoss()(output, y).item(), rel=1e-6)
    assert trained.evaluation["accuracy"] == float((output.detach().numpy().argmax(1) == y.numpy()).mean())


def test_evaluation_leaves_the_model_and_the_random_stream_alone() -> None:
    trained = learner()
    trained.fit(1)
    before = trained.state_dict()
    model = [array.copy() for array in arrays(before["model"])]
    trained.evaluate([(x, y) for x, y in trained.valid])
    assert all((a == b).all() for a, b in zip(model, arrays(trained.state_dict()["model"]), strict=True))
    assert trained.model.training
    assert same(before["random"]["loader"], trained.state_dict()["random"]["loader"])


def test_a_fit_without_validation_data() -> None:
    history = Recorder(every=2)
    trained = learner(history)
    trained.valid = None
    trained.fit(2)
    assert history.best is None
    assert "val_loss" not in history.epochs[-1]


# Resuming


@pytest.mark.parametrize("optimizer", ["sgd", "adam", "adamw"])
@pytest.mark.parametrize("step", sampled(range(3 * STEPS + 1), 4))
def test_a_resumed_run_equals_the_uninterrupted_one(optimizer: str, step: int, tmp_path: Path) -> None:
    """Interrupted after each possible step in turn: within an epoch, at its end, before the first, after the last."""
    whole = learner(Recorder(every=2), optimizer=optimizer)
    whole.fit(until=3)

    saved = Checkpoint(tmp_path)
    first = learner(Recorder(every=2), StopAt(step), saved, optimizer=optimizer)
    if step == 0:
        saved.save(first)
    else:
        first.fit(until=3)
    assert first.step == step

    manual_seed(99)  # nothing of the first process is left, least of all its random stream
    second = learner(Recorder(every=2), optimizer=optimizer, seed=7)
    second.load_state_dict(load_checkpoint(checkpoint_files(tmp_path)[0]))
    assert second.step == step
    second.fit(until=3)

    assert same(whole.state_dict(), second.state_dict())
    histories = [run.recorder for run in (whole, second)]
    assert without_seconds(histories[0].rows) == without_seconds(histories[1].rows)
    assert without_seconds([histories[0].best or {}]) == without_seconds([histories[1].best or {}])


def test_a_run_interrupted_again_and_again(tmp_path: Path) -> None:
    whole = learner()
    whole.fit(until=3)
    folder = tmp_path / "made" / "where needed"
    for step in (1, 3, 4, 7, 10, 11, 99):
        part = learner(StopAt(step), Checkpoint(folder))
        if files := checkpoint_files(folder):
            part.load_state_dict(load_checkpoint(files[0]))
        part.fit(until=3)
    assert same(whole.state_dict(), part.state_dict())


def test_cosine_decay_falls_to_zero_as_pytorchs_does(tmp_path: Path) -> None:
    history = Recorder(every=1)
    learner(history, CosineDecay(0.1)).fit(until=3)
    rates = [row["lr"] for row in history.rows if row["kind"] == "step"]
    optimizer = torch.optim.SGD([torch.zeros(1, requires_grad=True)], lr=0.1)
    schedule = torch.optim.lr_scheduler.CosineAnnealingLR(optimizer, T_max=3 * STEPS)
    for rate in rates:
        assert rate == pytest.approx(schedule.get_last_lr()[0], rel=1e-9)
        optimizer.step()
        schedule.step()

    first = learner(Recorder(every=1), CosineDecay(0.1), StopAt(7), Checkpoint(tmp_path))
    first.fit(until=3)
    second = learner(resumed := Recorder(every=1), CosineDecay(0.1))
    second.load_state_dict(load_checkpoint(checkpoint_files(tmp_path)[0]))
    second.fit(until=3)
    assert without_seconds(resumed.rows) == without_seconds(history.rows)


# Checkpoints

STATE = {
    "tensor": tensor([[1.0, -0.0], [math.nan, math.inf]]),
    "integers": tensor([2**62, -1]),
    "array": np.arange(6, dtype=np.uint8).reshape(2, 3)[:, ::2],
    "empty": tensor([]),
    "scalar": tensor(3.0),
    "nested": {0: {"step": 3}, 1: {"buffer": None}},
    "tuple": (1, (2.5, "text"), [True, {"$": "a key of ours"}]),
    "numbers": [0.1, 1e-300, 2**70, math.inf, -math.inf],
}


def test_a_checkpoint_comes_back_as_it_was(tmp_path: Path) -> None:
    save_checkpoint(tmp_path / "c.safetensors", STATE)
    back = load_checkpoint(tmp_path / "c.safetensors")
    assert list(back) == list(STATE)
    assert same(STATE, back)
    assert all(type(back[name]) is type(value) for name, value in STATE.items())
    assert back["scalar"].shape == STATE["scalar"].shape
    assert (back["array"] == STATE["array"]).all() and back["array"].dtype == np.uint8
    for name in ("nested", "tuple", "numbers"):
        assert back[name] == STATE[name]
        assert type(back[name]) is type(STATE[name])


def test_a_checkpoint_keeps_what_was_and_not_what_becomes(tmp_path: Path) -> None:
    value = np.ones(3)
    save_checkpoint(tmp_path / "c.safetensors", {"value": value})
    value[:] = 2
    assert (load_checkpoint(tmp_path / "c.safetensors")["value"] == 1).all()


def test_a_checkpoint_refuses_what_it_cannot_hold(tmp_path: Path) -> None:
    with pytest.raises(TypeError, match=r"cannot hold a set \(at 'a.b'\)"):
        save_checkpoint(tmp_path / "c.safetensors", {"a": {"b": {1, 2}}})
    assert not list(tmp_path.iterdir())


def test_a_torn_checkpoint_is_told_from_a_whole_one(tmp_path: Path) -> None:
    """Cut at many places, and with one bit changed at many places: refused each time, never read as something else."""
    path = tmp_path / "c.safetensors"
    save_checkpoint(path, STATE)
    whole = path.read_bytes()
    for length in range(0, len(whole), 37):
        path.write_bytes(whole[:length])
        with pytest.raises(CheckpointError):
            load_checkpoint(path)
    for position in range(0, len(whole), 11):
        path.write_bytes(whole[:position] + bytes([whole[position] ^ 1]) + whole[position + 1 :])
        try:
            back = load_checkpoint(path)
        except CheckpointError:
            continue
        # The header is padded with spaces; elsewhere nothing may change unnoticed.
        assert same({"tensor": STATE["tensor"]}, {"tensor": back["tensor"]})
        assert back["numbers"] == STATE["numbers"]
        assert position < 8 + int.from_bytes(whole[:8], "little")


def test_a_file_of_something_else_is_no_checkpoint(tmp_path: Path) -> None:
    from safetensors.numpy import save_file

    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load_checkpoint(tmp_path / "missing.safetensors")
    save_file({"weight": np.ones(2)}, tmp_path / "model.safetensors")
    with pytest.raises(CheckpointError, match="no whole checkpoint"):
        load_checkpoint(tmp_path / "model.safetensors")


def test_a_write_that_fails_leaves_the_old_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = tmp_path / "file"
    write_atomically(path, "old")

    def fail(descriptor: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(os, "fsync", fail)
    with pytest.raises(OSError, match="No space left"):
        write_atomically(path, "new")
    assert path.read_text() == "old"


def test_the_bytes_reach_the_disk_before_the_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    order: list[str] = []
    fsync, replace = os.fsync, os.replace
    monkeypatch.setattr(os, "fsync", lambda d: (order.append("fsync"), fsync(d))[1])
    monkeypatch.setattr(os, "replace", lambda a, b: (order.append("replace"), replace(a, b))[1])
    write_atomically(tmp_path / "file", b"x")
    assert order[:2] == ["fsync", "replace"]


# The Recorder


def test_history_as_csv() -> None:
    history = Recorder(every=2)
    learner(history).fit(2)
    rows = list(csv.DictReader(io.StringIO(history.to_csv())))
    assert [(row["kind"], int(row["epoch"]), int(row["step"])) for row in rows] == [
        ("step", 1, 2),
        ("step", 1, 4),
        ("epoch", 1, 5),
        ("step", 2, 6),
        ("step", 2, 8),
        ("step", 2, 10),
        ("epoch", 2, 10),
    ]
    assert list(rows[0])[-1] == "seconds"
    assert float(rows[2]["val_loss"]) == history.epochs[0]["val_loss"]  # in full precision
    assert rows[0]["val_loss"] == ""
    times = [float(row["seconds"]) for row in rows]
    assert times == sorted(times) and times[0] > 0


def test_history_knows_the_best_epoch() -> None:
    history = Recorder()
    learner(history).fit(4)
    assert history.best == min(history.epochs, key=lambda row: row["val_loss"])


# The guard


def diverging(loss: Callable[[Any, Any], Any], tmp_path: Path, at: int = 3) -> tuple[Learner, NonFiniteError]:
    """A run whose loss does something wrong from step `at` on."""
    run = learner(NaNGuard(), Recorder(every=1), Checkpoint(tmp_path))
    own = run.loss_function
    run.loss_function = lambda output, target: loss(output, target) if run.step >= at - 1 else own(output, target)
    with pytest.raises(NonFiniteError) as caught:
        run.fit(2)
    return run, caught.value


def test_the_guard_names_the_step_and_the_op(tmp_path: Path) -> None:
    run, error = diverging(lambda output, target: (output - output).log().mean(), tmp_path)
    assert (error.epoch, error.step) == (1, 3)
    assert "The loss became" in error.what
    assert "log" in error.cause
    assert Path(__file__).name in error.cause  # the line above
    assert run.step == 2


def test_the_guard_stops_at_a_gradient_before_it_is_stepped_into_the_parameters(tmp_path: Path) -> None:
    """The loss is finite; its gradient, that of a square root at 0, is not."""
    run, error = diverging(lambda output, target: (output * 0).sqrt().sum(), tmp_path)
    assert "The gradient of 0.weight is not finite" in error.what
    assert "sqrt" in error.cause
    assert all(np.isfinite(array).all() for array in arrays(run.model.state_dict()))


def test_the_guard_saves_the_state_that_leads_to_the_failure(tmp_path: Path) -> None:
    _, error = diverging(lambda output, target: (output - output).log().mean(), tmp_path)
    again = learner(NaNGuard())
    again.load_state_dict(load_checkpoint(checkpoint_files(tmp_path)[0]))
    again.loss_function = lambda output, target: (output - output).log().mean()
    with pytest.raises(NonFiniteError) as caught:
        again.fit(until=2)
    assert caught.value.step == error.step


def test_the_guard_knows_parameters_that_were_not_finite_before_the_step() -> None:
    run = learner(NaNGuard())
    state = run.model.state_dict()
    state["4.weight"] = state["4.weight"] * math.inf
    run.model.load_state_dict(state)
    with pytest.raises(NonFiniteError, match=r"made these parameters infinite or NaN: 4\.weight"):
        run.fit(1)


def test_the_guard_lets_large_finite_numbers_pass() -> None:
    from pellucid.train.callbacks.guard import all_finite

    with np.errstate(over="ignore"):
        assert all_finite(tensor([1e30, -1e30]))  # their squares overflow, they do not
    assert not all_finite(tensor([1.0, math.inf]))
    assert not all_finite(tensor([1.0, math.nan]))
    assert all_finite(tensor([]))


def test_the_guard_changes_nothing_in_a_healthy_run() -> None:
    plain = learner()
    plain.fit(2)
    guarded = learner(NaNGuard())  # made afterwards: both draw their dropout from the one default generator
    guarded.fit(2)
    assert same(plain.state_dict(), guarded.state_dict())


# The run folder


def test_a_taken_folder_is_refused(tmp_path: Path) -> None:
    run = RunFolder(tmp_path / "run")
    run.check_free()
    run.create({"seed": 0})
    with pytest.raises(RunFolderError, match="holds a run already.*--resume"):
        run.check_free()
    run.write_summary({"val_loss": math.nan})
    with pytest.raises(RunFolderError, match="holds a finished run already"):
        run.check_free()
    assert json.loads(run.summary.read_text()) == {"val_loss": None}
    (tmp_path / "other").mkdir()
    (tmp_path / "other" / "letter.txt").write_text("mine")
    with pytest.raises(RunFolderError, match="is not empty"):
        RunFolder(tmp_path / "other").check_free()


def test_a_folder_that_cannot_be_is_refused_before_anything_is_made(tmp_path: Path) -> None:
    (tmp_path / "file").write_text("")
    for path in (tmp_path / "file", tmp_path / "file" / "run" / "deep"):
        with pytest.raises(RunFolderError, match="Cannot write to.*is a file"):
            RunFolder(path).check_free()
    RunFolder(tmp_path / "a" / "b").check_free()
    assert not (tmp_path / "a").exists()
