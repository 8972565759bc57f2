"""`pellucid compare`, and the comparing of states below it: the first step at which two runs differ, and the tensor."""

import json
import shutil
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import pellucid as torch
from pellucid import nn, optim
from pellucid.cli.program import app
from pellucid.core import from_data
from pellucid.experiments.replay import RunDivergence, first_divergence
from pellucid.experiments.runs import read
from pellucid.experiments.session import RunSession, resume, start
from pellucid.train import Callback, Learner, load_checkpoint, save_checkpoint
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.records.divergence import difference, first_difference, named_arrays
from pellucid.train.records.trace import StepTrace, TensorPlace

SETTINGS: dict[str, Any] = {
    "dataset": "moons",
    "model": "mlp:8",
    "epochs": 2,
    "batch_size": 128,
    "optimizer": "adam",
    "lr": 0.01,
    "log_every": 1,
}


# States of named tensors


def test_equal_states_have_no_difference() -> None:
    state = {"a": from_data(np.arange(3.0)), "b": [np.array([np.nan]), 2], "text": "adam", "none": None}
    assert first_difference(state, state) is None
    assert [name for name, _ in named_arrays(state)] == ["a", "b.0", "b.1"]


@pytest.mark.parametrize(
    ("left", "right", "kind", "rounding"),
    [
        (
            np.array([1, 2], np.float32),
            np.array([1, np.nextafter(np.float32(2), np.float32(3))], np.float32),
            "value",
            True,
        ),
        (np.array([1, 2], np.float32), np.array([1, 2.001], np.float32), "value", False),
        (np.array([1e-9, 2], np.float64), np.array([2e-9, 2], np.float64), "value", False),
        (
            np.array([1e-9, 2], np.float32),
            np.array([2e-9, 2], np.float32),
            "value",
            True,
        ),  # cancelled from elements of about 2
        (np.array([1, np.nan], np.float32), np.array([1, 2], np.float32), "value", False),
        (np.array([1, np.inf], np.float32), np.array([1, -np.inf], np.float32), "value", False),
        (np.array([10**9], np.int64), np.array([10**9 + 1], np.int64), "value", False),
        (np.array([True]), np.array([False]), "value", False),
        (np.zeros(3, np.float32), np.zeros(2, np.float32), "shape", False),
        (np.zeros(3, np.float32), np.zeros(3, np.float64), "dtype", False),
    ],
)
def test_how_two_arrays_differ(left: np.ndarray, right: np.ndarray, kind: str, rounding: bool) -> None:
    found = difference("x", left, right)
    assert found is not None
    assert (found.kind, found.rounding) == (kind, rounding)
    assert (first_difference([left], [right], beyond_rounding=True) is None) == rounding


def test_a_difference_tells_where_and_by_how_much() -> None:
    left = np.ones((2, 3), np.float32)
    right = left.copy()
    right[1, 2], right[0, 0] = 4.0, 2.0
    found = difference("weight", left, right)
    assert found is not None
    assert (found.index, found.elements, found.size, found.max_abs, found.max_rel) == ((1, 2), 2, 6, 3.0, 0.75)
    assert "differs in 2 of 6 elements, most at [1, 2]: 1.0 / 4.0" in str(found)


def test_zeros_of_two_signs_differ_in_bits_only() -> None:
    found = difference("x", np.array([0.0]), np.array([-0.0]))
    assert found is not None
    assert found.max_abs == 0
    assert found.rounding
    assert "in bits only" in str(found)


def test_what_is_on_one_side_only_is_a_difference() -> None:
    both = {"a": np.zeros(1)}
    for left, right in ((both, {}), ({}, both)):
        found = first_difference(left, right)
        assert found is not None
        assert (found.name, found.kind) == ("a", "missing")


def test_a_tolerance_of_ones_own() -> None:
    left, right = {"a": np.array([1.0]), "b": np.array([1.0])}, {"a": np.array([1.01]), "b": np.array([1.1])}
    found = first_difference(left, right, beyond_rounding=True, tolerance=0.05)
    assert found is not None
    assert found.name == "b"


# Every tensor of a step


def test_a_trace_goes_through_a_step_in_order() -> None:
    """A layer that is called twice is there twice; nothing of the validation; no hook is left behind."""
    layer, norm = nn.Linear(2, 2), nn.BatchNorm1d(2)
    model = nn.Sequential(layer, norm, layer)
    batch = [(torch.randn(4, 2), torch.randn(4, 2))]
    seen: list[tuple[TensorPlace, tuple[int, ...]]] = []
    trace = StepTrace(lambda place, array: seen.append((place, array.shape)))
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    Learner(model, (batch, batch), nn.MSELoss(), optimizer, callbacks=[trace], defaults=()).fit(2)
    first = [(place.kind, place.name, shape) for place, shape in seen if place.step == 1]
    assert first[:7] == [
        ("inputs", "", (4, 2)),
        ("target", "", (4, 2)),
        ("layer", "0", (4, 2)),
        ("layer", "1", (4, 2)),
        ("layer", "0, call 2,", (4, 2)),
        ("output", "", (4, 2)),
        ("loss", "", ()),
    ]
    kinds = list(dict.fromkeys(kind for kind, _, _ in first))
    assert kinds == [
        "inputs",
        "target",
        "layer",
        "output",
        "loss",
        "gradient",
        "parameter",
        "buffer",
        "optimizer",
        "random",
    ]
    assert ("optimizer", "momentum_buffer of 0.weight", (2, 2)) in first
    assert [(p.epoch, p.step, p.kind, p.name) for p, _ in seen if p.step == 2] == [
        (2, 2, kind, name) for kind, name, _ in first
    ]
    count = len(seen)
    model(batch[0][0])
    assert len(seen) == count


# Runs


def train(folder: Path, stop_at: int | None = None, **changed: Any) -> Path:
    session = start({**SETTINGS, **changed}, folder, quiet=True)
    if stop_at is not None:
        session.learner.add(StopAt(stop_at, session))
    assert session.run() == ("complete" if stop_at is None else "stopped")
    return folder


class StopAt(Callback):
    """Ends a run after a step, as Ctrl-C does."""

    def __init__(self, step: int, session: RunSession) -> None:
        self.at, self.session = step, session

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.at:
            self.session.stop()


@pytest.fixture(scope="module")
def base(tmp_path_factory: pytest.TempPathFactory) -> Path:
    return train(tmp_path_factory.mktemp("runs") / "base")


@pytest.fixture
def copied(base: Path, tmp_path: Path) -> Callable[[str], Path]:
    return lambda name: Path(shutil.copytree(base, tmp_path / name))


def divergence(first: Path, other: Path, replay: bool = True) -> RunDivergence:
    return first_divergence(*read([first, other]), replay=replay)


def test_the_same_seed_is_identical(base: Path, tmp_path: Path) -> None:
    verdict = divergence(base, train(tmp_path / "twin"))
    assert verdict.identical
    assert (verdict.compared, verdict.place, verdict.notes) == (26, None, [])


def test_another_rate_is_seen_in_a_parameter_after_the_first_update(base: Path, tmp_path: Path) -> None:
    verdict = divergence(base, train(tmp_path / "rate", lr=0.02))
    assert verdict.place is not None
    assert verdict.difference is not None
    assert (verdict.place.epoch, verdict.place.step) == (1, 1)
    assert (verdict.place.kind, verdict.place.name) == ("parameter", "0.weight")
    # Adam's first update is the rate itself, whatever the gradient.
    assert verdict.difference.max_abs == pytest.approx(0.01, rel=1e-4)
    assert verdict.equal == 0
    assert verdict.reproduced == {"base": True, "rate": True}
    assert "lr 0.01 / 0.02" in verdict.why


def test_another_seed_is_seen_in_the_first_weight(base: Path, tmp_path: Path) -> None:
    verdict = divergence(base, train(tmp_path / "seed", seed=1))
    assert verdict.place is not None
    assert (verdict.place.step, verdict.place.kind, verdict.place.name) == (0, "parameter", "0.weight")
    assert "seed 0 / 1" in verdict.why


def test_another_batch_size_is_seen_in_the_first_batch(base: Path, tmp_path: Path) -> None:
    verdict = divergence(base, train(tmp_path / "size", batch_size=64))
    assert verdict.place is not None
    assert verdict.difference is not None
    assert (verdict.place.step, verdict.place.kind, verdict.difference.kind) == (1, "inputs", "shape")
    assert "batch-size 128 / 64" in verdict.why


def test_another_activation_is_seen_in_its_layer(base: Path, tmp_path: Path) -> None:
    verdict = divergence(base, train(tmp_path / "tanh", activation="tanh"))
    assert verdict.place is not None
    assert (verdict.place.step, verdict.place.kind, verdict.place.name) == (1, "layer", "1")


def test_another_order_of_the_batches(base: Path, copied: Callable[[str], Path], tmp_path: Path) -> None:
    """The same weights, and another state of the generator that decides the order."""
    run = copied("order")
    first = checkpoint_files(run / "checkpoints")[-1]
    for path in checkpoint_files(run / "checkpoints")[:-1]:
        path.unlink()
    state = load_checkpoint(first)
    state["random"]["loader"] = load_checkpoint(checkpoint_files(base / "checkpoints")[0])["random"]["loader"]
    save_checkpoint(first, state)
    resume(run).run()
    verdict = divergence(base, run)
    assert verdict.place is not None
    assert (verdict.place.step, verdict.place.kind, verdict.place.name) == (0, "random", "loader")
    assert "the order of the batches" in verdict.why
    assert verdict.notes == ["What differs by it first: the inputs of the batch in step 1."]


@pytest.mark.parametrize(("by", "rounding"), [(0.5, False), (1e-7, True)])
def test_a_checkpoint_that_was_changed_by_hand(
    base: Path, copied: Callable[[str], Path], by: float, rounding: bool
) -> None:
    run = copied("hand")
    path = checkpoint_files(run / "checkpoints")[0]
    state = load_checkpoint(path)
    bias = state["model"]["2.bias"].numpy().copy()
    bias[1] += by
    state["model"]["2.bias"] = from_data(bias)
    save_checkpoint(path, state)
    verdict = divergence(base, run)
    assert verdict.place is not None
    assert verdict.difference is not None
    assert (verdict.place.step, verdict.place.name, verdict.equal) == (26, "2.bias", 13)
    assert (verdict.difference.index, verdict.difference.rounding) == ((1,), rounding)
    assert verdict.reproduced == {"base": True, "hand": False}
    assert any("hand did not give what it recorded" in note for note in verdict.notes)
    assert any("changed by hand" in note for note in verdict.notes)
    assert "blas" not in " ".join(verdict.notes)


def test_what_was_computed_elsewhere_is_told(base: Path, copied: Callable[[str], Path], tmp_path: Path) -> None:
    """Where repeating gives something else, what is not the same here may be why."""
    run = copied("elsewhere")
    rows = (run / "history.csv").read_text().splitlines()
    for i in range(1, len(rows)):
        cells = rows[i].split(",")
        rows[i] = ",".join([*cells[:3], str(float(cells[3]) + 1), *cells[4:]])
    (run / "history.csv").write_text("\n".join(rows) + "\n")
    stretches = json.loads((run / "environment.json").read_text())
    stretches[0]["versions"]["numpy"] = "2.0.0"
    (run / "environment.json").write_text(json.dumps(stretches))
    verdict = divergence(train(tmp_path / "rate", lr=0.02), run)
    assert verdict.reproduced == {"rate": True, "elsewhere": False}
    assert verdict.notes[0].startswith(
        "Repeating elsewhere did not give what it recorded: at step 1 its step row has another train_loss. "
        f"versions.numpy was 2.0.0, and is {np.__version__} here."
    )


def test_a_run_that_was_stopped_and_taken_up_again_is_identical(base: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "resumed", stop_at=17)
    stopped = divergence(base, run)
    assert stopped.identical
    assert stopped.compared == 17
    resume(run).run()
    assert len(checkpoint_files(run / "checkpoints")) == 4
    verdict = divergence(base, run)
    assert verdict.identical
    assert verdict.compared == 26


def test_a_history_that_the_run_did_not_write(base: Path, copied: Callable[[str], Path]) -> None:
    run = copied("edited")
    rows = (run / "history.csv").read_text().splitlines()
    cells = rows[3].split(",")
    cells[3] = "0.125"
    (run / "history.csv").write_text("\n".join([*rows[:3], ",".join(cells), *rows[4:]]) + "\n")
    verdict = divergence(base, run)
    assert verdict.identical
    assert "the histories differ at step 3" in verdict.notes[0]


def test_without_repeating_and_with_a_torn_checkpoint(base: Path, tmp_path: Path) -> None:
    run = train(tmp_path / "rate", lr=0.02)
    path = run / "checkpoints" / "epoch-0001-step-00000013.safetensors"
    path.write_bytes(path.read_bytes()[:-100])
    verdict = divergence(base, run, replay=False)
    assert verdict.place is not None
    assert (verdict.place.step, verdict.place.name, verdict.by, verdict.equal) == (26, "0.weight", "checkpoints", 0)
    assert "passed over" in verdict.notes[0]


def test_data_that_are_gone_leave_the_checkpoints(tmp_path: Path) -> None:
    table = tmp_path / "points.csv"
    values = np.random.default_rng(0).normal(size=(40, 2))
    table.write_text("x,y\n" + "".join(f"{x},{y}\n" for x, y in values))
    csv: dict[str, Any] = {"dataset": str(table), "target": "y", "loss": "mse"}
    first, other = (train(tmp_path / f"lr{lr}", lr=lr, **csv) for lr in (0.01, 0.02))
    table.unlink()
    verdict = divergence(first, other)
    assert verdict.place is not None
    assert (verdict.place.step, verdict.by) == (1, "checkpoints")
    assert "cannot be repeated" in verdict.notes[0]


# The command


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, ["compare", *map(str, arguments)])


def test_the_command(base: Path, tmp_path: Path) -> None:
    other = train(tmp_path / "rate", lr=0.02)
    result = pellucid(base, other, "--out", tmp_path / "curves.png", "--json", tmp_path / "all.json")
    assert result.exit_code == 0, result.output
    assert "First difference in step 1 (epoch 1): the parameter 0.weight." in result.output
    assert "Repeating the steps gave what both runs had recorded." in result.output
    assert (tmp_path / "curves.png").read_bytes()[:4] == b"\x89PNG"
    record = json.loads((tmp_path / "all.json").read_text())
    assert record["settings"] == {"lr": [0.01, 0.02]}
    assert record["figures"]["steps"] == [26, 26]
    assert record["divergence"]["first"]["name"] == "0.weight"
    assert record["divergence"]["difference"]["rounding"] is False
    assert [run["name"] for run in record["runs"]] == ["base", "rate"]


def test_many_runs_are_a_line_each(base: Path, tmp_path: Path) -> None:
    result = pellucid(base, base, base, base, base, "--out", tmp_path / "curves.html")
    page = (tmp_path / "curves.html").read_text(encoding="utf-8")
    assert "base (5)" in page and page.count("<svg") > 2
    assert result.exit_code == 0, result.output
    assert all(f"base ({i})" in result.output for i in range(1, 6))
    assert "First difference" not in result.output


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["RUN"], "two runs or more"),
        (["RUN", "nowhere"], "no run folder nowhere"),
        (["RUN", "PARENT"], "is no run folder: it has no config.json. It holds"),
        (["RUN", "RUN", "--out", "curves.txt"], "must end in .html"),
        (["RUN", "RUN", "--out", "missing/curves.png"], "no folder"),
    ],
)
def test_what_cannot_be_compared(base: Path, arguments: list[str], says: str) -> None:
    given = {"RUN": str(base), "PARENT": str(base.parent)}
    result = pellucid(*(given.get(argument, argument) for argument in arguments))
    assert result.exit_code == 2
    assert says in result.output.replace("\n", " ")
