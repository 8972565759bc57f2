"""What a run says while it trains and where it does not run in a terminal, and how objects of a training look."""

import re
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid import nn, optim, tensor
from pellucid.cli import train as command
from pellucid.cli.program import app
from pellucid.experiments.session import start
from pellucid.train import Learner, Recorder, RunFolder, RunFolderError
from tests.recorded import learner

SMALL = ["moons", "--model", "mlp:4", "--batch-size", 512]


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def test_a_log_has_a_line_an_epoch() -> None:
    result = pellucid("train", *SMALL, "--epochs", 11, "--no-report", "--out", "run")
    lines = [line for line in result.output.splitlines() if line.startswith("epoch ")]
    assert len(lines) == 11
    number = r"\d+\.\d{4}"
    assert re.fullmatch(
        rf"epoch  1/11  loss {number}  val loss {number}  val accuracy {number}  lr 0.01  \d+\.\d s", lines[0]
    ), lines[0]
    assert lines[-1].startswith("epoch 11/11  ")
    again = pellucid("train", "--resume", "run", "--epochs", 12, "--no-report")
    assert [line.split("  ")[0] for line in again.output.splitlines() if line.startswith("epoch ")] == ["epoch 12/12"]


def test_a_quiet_run_has_none() -> None:
    assert pellucid("train", *SMALL, "--epochs", 1, "--no-report", "--out", "run", "--quiet").output == "run\n"


@pytest.mark.parametrize("failing", [True, False])
def test_an_old_report_is_not_announced(failing: bool, monkeypatch: pytest.MonkeyPatch) -> None:
    """Neither where none was asked for, nor where the new one could not be written."""
    assert pellucid("train", *SMALL, "--epochs", 1, "--no-report", "--out", "run").exit_code == 0
    Path("run/report.html").write_text("of the shorter run")

    def fails(self: object) -> None:
        raise RuntimeError("no room")

    monkeypatch.setattr(command.RunSession, "write_report", fails)
    more = [] if failing else ["--no-report"]
    result = pellucid("train", "--resume", "run", "--epochs", 2, *more)
    assert result.exit_code == 0
    assert "report.html\n" not in result.output
    assert ("No report.html was written (RuntimeError: no room)" in result.output) == failing


def test_an_interrupt_names_the_folder_and_the_command() -> None:
    session = start({"dataset": "moons", "epochs": 1}, Path("my runs"))
    said = command._ending(session)  # pyright: ignore[reportPrivateUsage]
    assert said == "finishing step 1, then saving to my runs; to go on: pellucid train --resume 'my runs'"
    session.lock.close()


@pytest.mark.parametrize(
    ("place", "said"),
    [
        ("run", "what the last checkpoint holds is in my run; to go on: pellucid train --resume 'my run'"),
        ("write_report", "the run is whole in my run. Its page: pellucid report 'my run'"),
    ],
)
def test_a_second_interrupt_does_too(place: str, said: str, monkeypatch: pytest.MonkeyPatch) -> None:
    """Whether it ends the training, or the writing of the page when the run is complete."""

    def interrupt(self: Any) -> None:
        raise KeyboardInterrupt

    monkeypatch.setattr(command.RunSession, place, interrupt)
    result = pellucid("train", "moons", "--epochs", 1, "--out", "my run")
    assert result.exit_code == 130
    assert result.stderr.splitlines()[-1] == f"pellucid: interrupted; {said}"


def test_interrupts_of_a_sweep_name_its_folder_and_the_command(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.cli.sweep import Sweep

    def interrupt(self: Sweep, jobs: int) -> None:
        print(self._ending())  # pyright: ignore[reportPrivateUsage]
        raise KeyboardInterrupt

    monkeypatch.setattr(Sweep, "run", interrupt)
    result = pellucid("sweep", "moons", "--grid", "lr=0.1", "--out", "my sweep")
    assert result.exit_code == 130
    again = "to go on: pellucid sweep --resume 'my sweep'"
    assert result.stdout == f"finishing the steps under way, then saving to my sweep; {again}\n"
    assert result.stderr.startswith("pellucid: interrupted; ") and result.stderr.endswith(f"in my sweep; {again}\n")


def test_commands_to_go_on_are_quoted_as_a_shell_takes_them() -> None:
    start({"dataset": "moons", "epochs": 1}, Path("my runs")).lock.close()
    with pytest.raises(RunFolderError, match="--resume 'my runs'; or"):
        RunFolder("my runs").check_free()
    first = pellucid("sweep", "moons", "--grid", "lr=0.1", "--epochs", 1, "--out", "my sweep")
    assert first.exit_code == 0, first.output
    other = pellucid("sweep", "moons", "--grid", "lr=0.2", "--epochs", 1, "--out", "my sweep")
    assert "--resume 'my sweep'" in other.stderr


def test_a_learner_says_what_it_is_and_how_far() -> None:
    run = learner()
    assert repr(run) == "Learner(Sequential (50 parameters), CrossEntropyLoss, SGD lr 0.1; epoch 0, step 0)"
    assert repr(run.recorder) == "Recorder(0 epochs, 0 steps)"
    run.fit(2)
    last = run.recorder.epochs[-1]
    figures = ", ".join(f"{name} {last[name]:.4g}" for name in ("train_loss", "val_loss", "val_accuracy"))
    assert repr(run).endswith(f"; epoch 2, step 10, {figures})")
    assert repr(run.recorder) == f"Recorder(2 epochs, 10 steps; {figures})"
    assert repr(Recorder(every=10)) == "Recorder(0 epochs, 0 steps)"


def test_a_learner_of_unusual_parts_has_a_repr_too() -> None:
    model = nn.Linear(1, 1)
    steps = optim.SGD([{"params": [model.weight], "lr": 0.1}, {"params": [model.bias]}], lr=0.01)
    batches = [(tensor([[1.0]]), tensor([[1.0]]))]
    assert "mse_loss, SGD lr 0.1 / 0.01;" in repr(Learner(model, batches, nn.functional.mse_loss, steps))
