"""Progress: a line an epoch, a bar below them on a terminal, curves in a notebook."""

import io
import re
import subprocess
import sys
import types
from typing import Any

import numpy as np
import pytest

from pellucid.train import (
    Callback,
    Learner,
)
from pellucid.train.callbacks import progress as progress_module
from tests.recorded import StopAt, learner


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


LINE = r"epoch {}/2  loss \d+\.\d{{4}}  val loss \d+\.\d{{4}}  val accuracy \d\.\d{{4}}  lr 0\.\d+  \d+\.\d s"


def test_progress_is_a_line_an_epoch_in_a_pipe(capfd: pytest.CaptureFixture[str]) -> None:
    learner().fit(2)
    printed, told = capfd.readouterr()
    assert printed == ""  # which is the program's own
    for epoch, line in enumerate(told.splitlines(), start=1):
        assert re.fullmatch(LINE.format(epoch), line)
    assert told.count("\n") == 2


def test_progress_leaves_a_line_an_epoch_above_the_bar_of_a_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    learner().fit(2)
    lines = [line.rpartition("\r")[2] for line in terminal.getvalue().split("\n")]
    assert [epoch for epoch in (1, 2) if any(re.fullmatch(LINE.format(epoch), line) for line in lines)] == [1, 2]


def test_progress_is_lines_without_tqdm(monkeypatch: pytest.MonkeyPatch) -> None:
    """It is a default of each Learner, and a base installation has NumPy alone."""
    monkeypatch.setattr(sys, "stderr", terminal := Terminal())
    monkeypatch.setattr(progress_module, "find_spec", lambda name: None)
    run = learner()
    run.fit(2)
    assert [line[:9] for line in terminal.getvalue().splitlines()] == ["epoch 1/2", "epoch 2/2"]
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
    assert done.stdout == "[]\n"
    assert [line[:9] for line in done.stderr.splitlines()] == ["epoch 1/2", "epoch 2/2"]


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
