"""What someone meets who uses the command line for the first time: narrow terminals, pipes, damaged files, slips."""

import io
import os
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest
from rich.console import Console
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.cli.screen import Screen


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def run(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Of two epochs: the second is no better by 2, so it is the last."""
    out = tmp_path_factory.mktemp("first") / "run"
    stop = "early-stopping:min_delta=2,patience=1"
    result = pellucid("train", "moons", "--epochs", 5, "--callback", stop, "--out", out, "--no-report")
    assert result.exit_code == 0, result.output
    (out / "said.txt").write_text(result.stdout)
    return out


def test_a_run_stopped_early_says_where_everything_is(run: Path) -> None:
    said = (run / "said.txt").read_text()
    assert "Stopped after epoch 2" in said
    assert f"To look at it: pellucid report {run}" in said
    assert "loss.png" not in said


def test_a_damaged_network_is_told_in_a_sentence(run: Path, tmp_path: Path) -> None:
    points = tmp_path / "points.csv"
    points.write_text("x1,x2\n0,0\n")
    whole = (run / "model.safetensors").read_bytes()
    (run / "model.safetensors").write_bytes(whole[:40])
    result = pellucid("predict", run, points)
    (run / "model.safetensors").write_bytes(whole)
    assert result.exit_code == 2
    assert "model.safetensors is not a whole safetensors file" in result.stderr
    assert "Traceback" not in result.stderr


def test_damaged_checkpoints_are_told_in_a_sentence(run: Path, tmp_path: Path) -> None:
    import shutil

    torn = Path(shutil.copytree(run, tmp_path / "torn"))
    for path in (torn / "checkpoints").iterdir():
        path.write_bytes(b"")
    result = pellucid("train", "--resume", torn)
    assert result.exit_code == 2
    assert "Nor is any of the 2 before it." in result.stderr
    assert result.stderr.count("no whole checkpoint of pellucid") == 1


def test_a_reader_that_has_read_enough_is_no_error() -> None:
    with subprocess.Popen(
        [sys.executable, "-c", "from pellucid.cli import main; main()", "info"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        env={**os.environ, "PYTHONPATH": "src", "PYTHONUNBUFFERED": "1"},
    ) as process:
        assert process.stdout is not None and process.stderr is not None
        process.stdout.close()
        assert process.stderr.read() == b""


@pytest.mark.parametrize(
    ("arguments", "words"),
    [
        (["train", "--callback", "early-stopping:patience=x"], "patience is 'x'; it must be a whole number."),
        (["sweep", "moons", "--grid", "lr=0.1", "--out", "pyproject.toml"], "pyproject.toml is a file, not a folder."),
        (["graph", "--depth", "-1"], "--depth is -1; it must be a whole number of at least 0"),
    ],
)
def test_errors(arguments: list[str], words: str) -> None:
    result = pellucid(*arguments)
    assert result.exit_code == 2
    assert words in result.stderr


def test_a_file_that_cannot_be_written_goes_by_the_name_that_was_given(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(path: Path, *_: object) -> int:
        raise PermissionError(13, "Permission denied", str(path))

    monkeypatch.setattr("pellucid.files.os.open", refuse)
    result = pellucid("graph", "--out", tmp_path / "net.html")
    assert result.exit_code == 2
    assert result.stderr == f"pellucid: Permission denied: {tmp_path / 'net.html'}\n"


def test_help_breaks_its_lines_at_the_width_of_the_terminal(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("COLUMNS", "100")
    lines = [line.strip() for line in pellucid("train", "-h").stdout.splitlines()]
    assert "The run folder gets config.json, environment.json, history.csv, checkpoints (the first, the" in lines
    assert "Example: pellucid train mnist --model cnn --epochs 3" in lines


@pytest.mark.parametrize(
    ("width", "shown", "left_out"),
    [
        (120, ["loss 0.5000", "val accuracy 0.9000", "samples/s", "left"], []),
        (80, ["epoch 8/2000", "loss 0.5000", "val accuracy 0.9000", "left"], ["samples/s", "…"]),
        (50, ["epoch 8/2000", "loss 0.5000"], ["accuracy", "samples/s", "…"]),
    ],
)
def test_the_progress_bar_of_a_narrow_terminal(width: int, shown: list[str], left_out: list[str]) -> None:
    console = Console(file=io.StringIO(), width=width, force_terminal=True, color_system=None, legacy_windows=False)
    screen = Screen(console, "accuracy")
    learner: Any = SimpleNamespace(loader=range(10), epochs=2000, epoch=7, step=75, samples=640, train_loss=0.5)
    learner.optimizer, learner.evaluation = SimpleNamespace(param_groups=[{"lr": 0.1}]), {"accuracy": 0.9}
    screen.before_fit(learner)
    screen.samples = 64_000
    screen.after_epoch(learner)
    screen.progress.stop()
    line = "epoch    7/2000  loss 0.5000  val accuracy 0.9000  lr 0.1"
    assert line in " ".join(console.file.getvalue().split("\n"))  # type: ignore[attr-defined]
    last = console.file.getvalue().split("epoch")[-1]  # type: ignore[attr-defined]
    assert all(words in f"epoch{last}" for words in shown)
    assert not any(words in last for words in left_out)
