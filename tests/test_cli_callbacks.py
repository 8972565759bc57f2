"""`pellucid train --callback …` and `--schedule …`: what is asked for is what runs, and a resumed run has it too."""

import csv
import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments import callbacks
from pellucid.experiments.errors import UsageError
from pellucid.train import EMA, EarlyStopping


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    words = [str(argument) for argument in arguments]
    return CliRunner().invoke(app, [*words, "--no-report"] if words[0] == "train" else words)


def rows(run: str) -> list[dict[str, str]]:
    with open(Path(run) / "history.csv", newline="") as file:
        return list(csv.DictReader(file))


def test_words_become_callbacks() -> None:
    stopping = callbacks.make("early-stopping:patience=7,min_delta=0.5", Path())
    assert isinstance(stopping, EarlyStopping)
    assert (stopping.patience, stopping.min_delta) == (7, 0.5)
    assert isinstance(callbacks.make("ema", Path()), EMA)


def test_every_callback_that_has_defaults_can_be_made_from_its_name() -> None:
    for name in callbacks.known():
        try:
            made = callbacks.make(name, Path("run"))
        except UsageError as error:
            assert "needs" in str(error) or "=" in str(error)  # it says which argument to give  # noqa: PT017
        else:
            assert isinstance(made, callbacks.known()[name])


def test_the_normal_form() -> None:
    assert callbacks.normal("Early_Stopping: patience = 5 , mode=min") == "early-stopping:patience=5,mode=min"
    assert callbacks.normal("EMA") == "ema"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("early-stoping", "Did you mean early-stopping"),
        ("recorder", "Unknown callback"),
        ("early-stopping:patince=3", "Did you mean patience"),
        ("early-stopping:patience", "after the colon come arguments"),
        ("early-stopping:patience=soon", "must be a whole number"),
        ("early-stopping:patience=-1", "patience"),
    ],
)
def test_what_makes_no_sense_is_told_before_a_folder_is_made(text: str, said: str) -> None:
    result = pellucid("train", "moons", "--callback", text, "--out", "run")
    assert result.exit_code == 2
    assert said in result.stderr
    assert not Path("run").exists()


def test_early_stopping_ends_a_run_as_complete() -> None:
    result = pellucid(
        "train", "moons", "--epochs", 50, "--callback", "early-stopping:patience=1,min_delta=10", "--out", "run"
    )
    assert result.exit_code == 0
    summary = json.loads(Path("run/summary.json").read_text())
    assert summary["epochs"] < 50
    assert json.loads(Path("run/config.json").read_text())["config"]["callback"] == [
        "early-stopping:patience=1,min_delta=10"
    ]


def test_a_run_that_stopped_early_is_resumed_as_it_ended() -> None:
    """It says what stopped it, and does not go on."""
    stopping = "early-stopping:patience=1,min_delta=0.2,restore_best=true"
    result = pellucid("train", "moons", "--epochs", 20, "--callback", stopping, "--out", "run")
    assert "val_loss was best after epoch" in result.output and "Stopped after epoch" in result.output
    model, count = Path("run/model.safetensors").read_bytes(), len(rows("run"))
    again = pellucid("train", "--resume", "run")
    assert "Stopped after epoch" in again.output
    assert Path("run/model.safetensors").read_bytes() == model and len(rows("run")) == count


def test_callbacks_come_back_on_resume_and_may_not_change() -> None:
    whole = pellucid("train", "moons", "--epochs", 4, "--callback", "ema:decay=0.9", "--out", "whole")
    part = pellucid("train", "moons", "--epochs", 2, "--callback", "ema:decay=0.9", "--out", "part")
    assert whole.exit_code == part.exit_code == 0
    wrong = pellucid("train", "--resume", "part", "--epochs", 4, "--callback", "ema:decay=0.5")
    assert wrong.exit_code == 2
    assert "--callback" in wrong.stderr
    assert pellucid("train", "--resume", "part", "--epochs", 4).exit_code == 0
    without = [{k: v for k, v in row.items() if k != "seconds"} for row in rows("part")]
    assert without == [{k: v for k, v in row.items() if k != "seconds"} for row in rows("whole")]


@pytest.mark.parametrize("schedule", ["constant", "cosine", "linear", "one-cycle"])
def test_the_schedules(schedule: str) -> None:
    result = pellucid(
        "train", "moons", "--epochs", 2, "--lr", 0.01, "--schedule", schedule, "--log-every", 1, "--out", "run"
    )
    assert result.exit_code == 0, result.output
    rates = [float(row["lr"]) for row in rows("run") if row["kind"] == "step"]
    steps = len(rates)
    if schedule == "constant":
        assert set(rates) == {0.01}
    elif schedule == "linear":
        assert rates == pytest.approx([0.01 * (1 - k / steps) for k in range(steps)])
    elif schedule == "cosine":
        assert rates[0] == 0.01
        assert rates[-1] < 0.001
        assert rates == sorted(rates, reverse=True)
    else:
        assert max(rates) == pytest.approx(0.01)
        assert rates[0] == pytest.approx(0.01 / 25)
        assert 0 < rates.index(max(rates)) < steps - 1
