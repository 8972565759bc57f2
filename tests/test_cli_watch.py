"""`pellucid watch`: a run seen while it goes on, in a pipe and in a terminal, until it ends."""

import os
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pellucid.cli import watch as command
from pellucid.cli.chart import draw
from pellucid.cli.program import app
from pellucid.experiments.errors import UsageError
from pellucid.experiments.following import follow, newest
from pellucid.experiments.session import RunSession, start
from pellucid.train import Callback
from pellucid.train.files.lock import run_lock
from pellucid.train.records import recorder

SETTINGS: dict[str, Any] = {"dataset": "moons", "model": "mlp:8", "epochs": 3, "batch_size": 128, "lr": 0.01}


@pytest.fixture(autouse=True)
def written_at_each_epoch(monkeypatch: pytest.MonkeyPatch) -> None:
    """However long that takes: epochs this short would have their history written seldom."""
    monkeypatch.setattr(recorder, "WRITE_SHARE", float("inf"))


class After(Callback):
    """Calls a function after each epoch of a run, when its history has been written."""

    order = 90

    def __init__(self, call: Any) -> None:
        self.call = call

    def after_epoch(self, learner: Any) -> None:
        self.call()


def watched(folder: Path, stop_after: int | None = None) -> tuple[RunSession, list[Any]]:
    """A run, and what a follower sees of it that looks after each epoch and after the end."""
    session = start(SETTINGS, folder)
    moments = follow(folder, lambda: None)
    seen: list[Any] = []

    def look() -> None:
        seen.append(next(moments))
        if len(seen) == stop_after:
            session.stop()

    session.learner.add(After(look))
    session.run()
    seen.extend(moments)
    return session, seen


@pytest.fixture(scope="module")
def whole(tmp_path_factory: pytest.TempPathFactory) -> tuple[RunSession, list[Any]]:
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(recorder, "WRITE_SHARE", float("inf"))
        return watched(tmp_path_factory.mktemp("made") / "run")


def test_each_epoch_is_seen_and_how_the_run_ends(whole: tuple[RunSession, list[Any]]) -> None:
    session, seen = whole
    assert [(len(moment.run.epochs), moment.state) for moment in seen] == [
        (1, "running"), (2, "running"), (3, "running"), (3, "complete")
    ]  # fmt: skip
    assert [moment.progress for moment in seen] == pytest.approx([1 / 3, 2 / 3, 1, 1])
    assert seen[0].steps == 3 * len(session.loaders.train)


def test_a_stopped_run_ends_the_view(tmp_path: Path) -> None:
    _, seen = watched(tmp_path / "run", stop_after=1)
    assert seen[-1].state == "stopped"
    result = CliRunner().invoke(app, ["watch", str(tmp_path / "run")])
    assert f"To go on: pellucid train --resume {tmp_path / 'run'}" in result.stdout


def test_a_running_run_comes_before_a_newer_one_that_ended(tmp_path: Path) -> None:
    with pytest.raises(UsageError, match="no runs in"):
        newest(tmp_path / "absent")
    for second, name in enumerate(["first", "b/second"]):
        config = tmp_path / name / "config.json"
        config.parent.mkdir(parents=True)
        config.write_text("{}")
        os.utime(config, (1e9 + second, 1e9 + second))
    assert newest(tmp_path) == (tmp_path / "b/second", [])
    with run_lock(tmp_path / "first"):
        assert newest(tmp_path) == (tmp_path / "first", [])
        with run_lock(tmp_path / "b/second"):
            assert newest(tmp_path) == (tmp_path / "b/second", [tmp_path / "first"])


@pytest.mark.parametrize(("width", "height"), [(80, 40), (40, 15)])
@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_the_picture_fits_the_terminal(
    width: int, height: int, encoding: str, whole: tuple[RunSession, list[Any]], tmp_path: Path
) -> None:
    _, seen = whole
    with open(
        tmp_path / "screen", "w", encoding=encoding, errors="strict" if encoding == "utf-8" else "replace"
    ) as file:
        console = Console(file=file, force_terminal=True, color_system=None, width=width, height=height, emoji=False)
        console.print(command.view(seen[-1], console))
    lines = (tmp_path / "screen").read_text(encoding).splitlines()
    assert max(map(len, lines)) <= width
    text = "\n".join(lines)
    assert "100%" in text
    assert "loss: train and validation" in text
    assert any("\u2800" < mark <= "\u28ff" for mark in text) == (encoding == "utf-8")


def test_the_curve_goes_through_its_points() -> None:
    falling = [(float(x), 2.0**-x) for x in range(9)]
    lines = draw({"loss": (falling, "")}, width=18, height=9, plain=True).plain.splitlines()  # a logarithmic scale
    assert [line[9:].rstrip().rfind("l") for line in lines] == list(range(9))
    assert draw({"loss": ([(0.0, float("nan"))], "")}, 20, 4).plain == ""
    assert draw({"loss": ([(0.0, 1.0), (1.0, float("inf")), (2.0, 1.0)], "")}, 20, 4).plain


RUN = """
import sys
from pathlib import Path
from pellucid.experiments.session import start
session = start({"dataset": "moons", "model": "mlp:8", "epochs": 1000000, "lr": 0.01, "keep": 1}, Path("a run"))
session.run()
"""


@pytest.mark.slow
@pytest.mark.skipif(os.name == "nt", reason="Windows has no SIGINT to send to another process")
def test_ctrl_c_ends_the_view_and_not_the_run(tmp_path: Path) -> None:
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    trained = subprocess.Popen([sys.executable, "-c", RUN], cwd=tmp_path, env=environment)
    view = None
    try:
        while not (tmp_path / "a run" / "history.csv").exists():
            assert trained.poll() is None
            time.sleep(0.02)
        view = subprocess.Popen(
            [sys.executable, "-m", "pellucid", "watch", "a run"],
            cwd=tmp_path, env=environment, stdout=subprocess.PIPE, text=True,
        )  # fmt: skip
        assert view.stdout
        assert view.stdout.readline().startswith("a run: moons, mlp:8")
        assert view.stdout.readline().startswith("epoch ")
        view.send_signal(signal.SIGINT)
        rest = view.stdout.read()
        assert view.wait() == 130
        assert rest.rstrip().endswith("No longer watched; the run in a run is left as it is.")
        assert trained.poll() is None
    finally:
        for process in filter(None, (trained, view)):
            process.kill()
            process.communicate()
