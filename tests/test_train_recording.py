"""Callbacks that record a run: what they keep is right, survives a resume, and costs the run nothing but time."""

import csv
import io
import json
import math
import random
import struct
import subprocess
import sys
import threading
import time
import types
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid import nn, optim, safetensors
from pellucid.train import (
    Accumulate,
    Accuracy,
    Callback,
    Checkpoint,
    CheckpointError,
    ConfusionMatrix,
    CSVLogger,
    Learner,
    NaNGuard,
    NonFiniteError,
    OneCycle,
    Progress,
    Recorder,
    SkipBatch,
    Snapshots,
    TensorBoard,
    TimeLimit,
    load_checkpoint,
)
from pellucid.train.callbacks import progress as progress_module
from pellucid.train.callbacks.guard import all_finite
from pellucid.train.files.checkpoint import checkpoint_files
from pellucid.train.files.extras import need
from pellucid.train.records import stopwatch as stopwatch_module
from pellucid.train.records.hyperparameters import Hyperparameters
from pellucid.utils.data import DataLoader, TensorDataset

STEPS = 5  # per epoch, the last of them on a smaller batch


def learner(*callbacks: Callback, seed: int = 0, valid: bool = True, **options: Any) -> Learner:
    """A network with dropout, on data in an order drawn from a generator of its own."""
    rng = np.random.default_rng(0)
    x = pellucid.from_numpy(rng.normal(size=(34, 3)).astype(np.float32))
    y = pellucid.from_numpy(rng.integers(0, 2, 34))
    pellucid.manual_seed(seed)
    model = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 2))
    generator = pellucid.Generator().manual_seed(seed)
    train = DataLoader(TensorDataset(x, y), batch_size=8, shuffle=True, generator=generator)
    data = (train, DataLoader(TensorDataset(x[:7], y[:7]), batch_size=3)) if valid else train
    optimizer = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
    return Learner(model, data, nn.CrossEntropyLoss(), optimizer, {"accuracy": Accuracy}, callbacks, **options)


class StopAt(Callback):
    """Stops the fit after a step, as Ctrl-C would."""

    order = 100

    def __init__(self, step: int) -> None:
        self.step = step

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.step:
            learner.stop()


class FailAt(StopAt):
    """Fails after a step, as a bug would."""

    def after_batch(self, learner: Learner) -> None:
        if learner.step == self.step:
            raise RuntimeError("a bug")


def parameters(run: Learner) -> list[bytes]:
    return [parameter.detach().numpy().tobytes() for parameter in run.model.parameters()]


def without_seconds(rows: list[dict[str, Any]]) -> list[dict[str, Any]]:
    return [{name: value for name, value in row.items() if name != "seconds"} for row in rows]


def csv_rows(path: Path) -> list[dict[str, str]]:
    return list(csv.DictReader(io.StringIO(path.read_text(encoding="utf-8"))))


def events(folder: Path) -> list[Any]:
    """What the event files of a folder hold, in the order in which TensorBoard reads them."""
    from tensorboardX.proto.event_pb2 import Event

    found = []
    for path in sorted(folder.iterdir()):
        content, place = path.read_bytes(), 0
        while place < len(content):  # a record: its length, 4 bytes of checksum, itself, 4 bytes of checksum
            (length,) = struct.unpack_from("<Q", content, place)
            found.append(Event.FromString(content[place + 12 : place + 12 + length]))
            place += 16 + length
    return found


def board_scalars(folder: Path) -> dict[tuple[str, int], float]:
    """What TensorBoard shows: a file that goes on from a step hides what earlier ones have of later steps."""
    shown: dict[tuple[str, int], float] = {}
    for event in events(folder):
        if event.HasField("session_log"):
            shown = {(tag, step): value for (tag, step), value in shown.items() if step < event.step}
        for value in event.summary.value:
            if value.HasField("simple_value"):
                shown[value.tag, event.step] = value.simple_value
    return shown


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


# Recorder


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
    with pytest.raises(ModuleNotFoundError, match=r"to_pandas\(\) needs the package pandas: .*pellucid\[experiments\]"):
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


def test_a_learner_has_one_recorder_and_says_so_where_it_has_none() -> None:
    own = Recorder(every=7)
    assert learner(own).recorder is own
    bare = learner(defaults=())
    assert bare.callbacks == []
    with pytest.raises(AttributeError, match=r"no Recorder: add one, learner\.add\(Recorder\(\)\)"):
        _ = bare.recorder


# Progress


class Terminal(io.StringIO):
    def isatty(self) -> bool:
        return True


def test_progress_is_a_bar_on_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(progress_module, "BAR_SECONDS", 0.0)
    run = learner()
    run.fit(2)
    shown = terminal.getvalue()
    assert "epoch 1/2" in shown
    last = shown.rstrip().rpartition("\r")[2]
    assert last.startswith("epoch 2/2 100%|")
    assert f", accuracy {run.evaluation['accuracy']:.3g}" in last
    assert f", loss {run.train_loss:.3g}, val_loss {run.evaluation['loss']:.3g}" in last


def test_progress_of_a_resumed_run_begins_where_it_was(monkeypatch: pytest.MonkeyPatch) -> None:
    first = learner(StopAt(7))
    first.fit(until=2)
    state = first.state_dict()
    second = learner()
    second.load_state_dict(state)
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    second.fit(until=2)
    shown = [line for line in terminal.getvalue().split("\r") if "%" in line]
    assert " 70%|" in shown[0]
    assert "100%|" in shown[-1]


def test_progress_is_silent_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    learner().fit(2)
    assert capfd.readouterr() == ("", "")


def test_progress_is_silent_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a default of each Learner, and a base installation has NumPy alone."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(progress_module, "find_spec", lambda name: None)
    run = learner()
    run.fit(2)
    assert terminal.getvalue() == ""
    assert len(run.recorder.epochs) == 2


def test_a_learner_imports_numpy_alone() -> None:
    """In a pipe: nothing of what only other installations have is imported."""
    program = (
        "import sys\n"
        "from pellucid import nn, optim, tensor\n"
        "from pellucid.train import Learner\n"
        "model = nn.Linear(1, 1)\n"
        "batches = [(tensor([[1.0]]), tensor([[3.0]]))] * 3\n"
        "learner = Learner(model, batches, nn.MSELoss(), optim.SGD(model.parameters(), lr=0.1))\n"
        "learner.fit(2)\n"
        "learner.recorder.to_csv()\n"
        "print(sorted({'tqdm', 'matplotlib', 'pandas', 'safetensors', 'IPython', 'tensorboardX'} & set(sys.modules)))\n"
    )
    environment = {"PYTHONPATH": ":".join(path for path in sys.path if path), "OMP_NUM_THREADS": "1"}
    done = subprocess.run([sys.executable, "-c", program], env=environment, capture_output=True, text=True, check=True)
    assert (done.stdout, done.stderr) == ("[]\n", "")


class Notebook:
    """What IPython is in a kernel, as far as it is asked: pictures are displayed, and updated in their place."""

    def __init__(self, monkeypatch: pytest.MonkeyPatch) -> None:
        self.shown: list[Any] = []  # the places, each with what it shows now
        self.updates = 0
        notebook = self

        class Handle:
            def __init__(self, place: int) -> None:
                self.place = place

            def update(self, picture: Any) -> None:
                notebook.shown[self.place] = picture
                notebook.updates += 1

        class Image:
            def __init__(self, **given: Any) -> None:
                self.given = given

        def display(picture: Any, display_id: bool) -> Handle:
            assert display_id
            self.shown.append(picture)
            return Handle(len(self.shown) - 1)

        ipython = types.ModuleType("IPython")
        ipython.get_ipython = lambda: types.SimpleNamespace(kernel=object())  # type: ignore[attr-defined]
        ipython.version_info = (9, 0)  # type: ignore[attr-defined] (matplotlib asks for it)
        module = types.ModuleType("IPython.display")
        module.Image, module.display = Image, display  # type: ignore[attr-defined]
        monkeypatch.setitem(sys.modules, "IPython", ipython)
        monkeypatch.setitem(sys.modules, "IPython.display", module)


def test_progress_draws_in_a_notebook_and_in_one_place(
    monkeypatch: pytest.MonkeyPatch, capfd: pytest.CaptureFixture[str]
) -> None:
    notebook = Notebook(monkeypatch)
    have = progress_module.find_spec
    monkeypatch.setattr(progress_module, "find_spec", lambda name: None if name == "ipywidgets" else have(name))
    learner().fit(3)
    assert len(notebook.shown) == 1
    assert notebook.updates == 1  # the fit was over within a second: drawn at the first step and at the end
    assert notebook.shown[0].given["data"].startswith(b"\x89PNG")
    assert notebook.shown[0].given["width"] == 800
    assert capfd.readouterr() == ("", "")  # without widgets a bar would be one line of text after another


def test_progress_draws_seldom(monkeypatch: pytest.MonkeyPatch) -> None:
    """At most every second, and with at most a twentieth of the time, by a clock that is ours."""
    notebook = Notebook(monkeypatch)
    now = 0.0
    drawn: list[float] = []

    def draw(rows: Any, **given: Any) -> Any:
        nonlocal now
        drawn.append(now)
        now += 0.02 if len(drawn) < 3 else 0.5
        return types.SimpleNamespace(_repr_png_=lambda: (b"\x89PNG", {"width": 800, "height": 360}), dpi=200)

    class Tick(Callback):
        def before_batch(self, learner: Learner) -> None:
            nonlocal now
            now += 0.3

    monkeypatch.setattr(progress_module.time, "perf_counter", lambda: now)
    monkeypatch.setattr("pellucid.viz.curves", draw)
    monkeypatch.setattr(progress_module, "find_spec", lambda name: None if name == "ipywidgets" else object())
    run = learner(Tick())
    run.fit(16)  # 24 seconds of it
    gaps = np.diff(drawn)
    assert len(drawn) == notebook.updates + 1
    assert 1.0 < gaps[0] < 1.5
    assert gaps[2] > 0.5 / 0.05  # half a second of drawing wants ten of training


def test_the_terminal_of_ipython_is_no_notebook(monkeypatch: pytest.MonkeyPatch) -> None:
    ipython = types.ModuleType("IPython")
    monkeypatch.setitem(sys.modules, "IPython", ipython)
    for shell in (None, types.SimpleNamespace()):
        ipython.get_ipython = lambda shell=shell: shell  # type: ignore[attr-defined]
        assert not progress_module.in_notebook()


# CSVLogger


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


# TensorBoard


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


# Checkpoint


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


# Snapshots


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


# TimeLimit


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


# NaNGuard


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


# What the benchmark says


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
