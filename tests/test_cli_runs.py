"""`pellucid runs`: a table of runs, filtered and sorted, whatever lies beside them."""

import contextlib
import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.cli.runs import table
from pellucid.experiments.listing import listing
from pellucid.experiments.options import check
from pellucid.experiments.session import Diverged, start
from pellucid.train.files.lock import run_lock

SETTINGS: dict[str, Any] = {"dataset": "moons", "model": "mlp:8", "epochs": 2, "batch_size": 128, "lr": 0.01}


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def made(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """Runs that ended in each way, each begun a second after the one before it."""
    root = tmp_path_factory.mktemp("made")
    for name, more in {
        "good": {},
        "sweep/0": {"model": "mlp:4", "optimizer": "adamw", "lr": 0.05},
        "stuck": {"optimizer": "sgd", "lr": 1e-9},
        "burst": {"optimizer": "sgd", "lr": 1e30, "dataset": "circle"},
    }.items():
        with contextlib.suppress(Diverged):
            start({**SETTINGS, **more}, root / name).run()
    session = start(SETTINGS, root / "half")
    session.stop()
    session.run()
    (root / "half" / "summary.json").unlink(missing_ok=True)
    for second, name in enumerate(["good", "sweep/0", "stuck", "burst", "half"]):
        os.utime(root / name / "config.json", (1e9 + second, 1e9 + second))
    return root


@pytest.fixture
def root(made: Path, tmp_path: Path) -> Path:
    shutil.copytree(made, tmp_path / "runs")
    return tmp_path / "runs"


def names(result: Any) -> list[str]:
    assert result.exit_code == 0, result.output
    return [line.split()[0] for line in result.stdout.splitlines()[1:]]


def test_the_newest_is_first_and_each_says_how_it_ended(root: Path) -> None:
    result = pellucid("runs", root)
    assert names(result) == ["half", "burst", "stuck", "sweep/0", "good"]
    lines = {line.split()[0]: line for line in result.stdout.splitlines()}
    for name, state in {
        "good": "complete", "sweep/0": "complete", "stuck": "did not learn", "half": "stopped", "burst": "diverged",
    }.items():  # fmt: skip
        assert lines[name].rstrip().endswith(state), lines[name]
    assert " 2/2 " in lines["good"]


@pytest.mark.parametrize(
    ("condition", "left"),
    [
        ("state=complete", ["sweep/0", "good"]),
        ("lr=1e-09", ["stuck"]),
        ("lr=0.010", ["half", "good"]),
        ("model=mlp:4*", ["sweep/0"]),
        ("data=circle", ["burst"]),
        ("optimizer=adam", ["half", "good"]),
        ("batch-size=128", ["half", "burst", "stuck", "sweep/0", "good"]),
    ],
)
def test_filters(root: Path, condition: str, left: list[str]) -> None:
    assert names(pellucid("runs", root, "--filter", condition)) == left


def test_sorting_has_the_best_first_and_what_is_not_known_last(root: Path) -> None:
    rows = json.loads(pellucid("runs", root, "--sort", "val-accuracy", "--json").stdout)
    known = [row["val_accuracy"] for row in rows if row["val_accuracy"] is not None]
    assert known == sorted(known, reverse=True)
    assert [row["val_accuracy"] for row in rows[: len(known)]] == known
    losses = [row["val_loss"] for row in json.loads(pellucid("runs", root, "--sort", "val-loss", "--json").stdout)]
    assert [loss for loss in losses if loss is not None] == sorted(loss for loss in losses if loss is not None)
    assert rows[0]["settings"]["dataset"] == "moons"


def test_a_run_at_work_is_running(root: Path) -> None:
    with run_lock(root / "good"):
        assert names(pellucid("runs", root, "--filter", "state=running")) == ["good"]
    assert names(pellucid("runs", root, "--filter", "name=good")) == ["good"]


@pytest.mark.parametrize(
    ("file", "text"),
    [
        ("config.json", "{"),
        ("config.json", "[]"),
        ("config.json", "{}"),
        ("config.json", '{"config": {"dataset": 3, "epochs": "x"}}'),
        ("history.csv", "kind\n1,2,3\n"),
        ("summary.json", "[1]"),
        ("summary.json", '{"val_accuracy": [1]}'),
    ],
)
def test_a_damaged_folder_is_a_sentence_and_the_others_are_shown(root: Path, file: str, text: str) -> None:
    (root / "good" / file).write_text(text)
    result = pellucid("runs", root)
    assert names(result) == ["half", "burst", "stuck", "sweep/0"]
    assert result.stderr.count("\n") == 1
    assert str(root / "good") in result.stderr


@pytest.mark.parametrize(
    ("arguments", "says"),
    [
        (["--sort", "acuracy"], "Did you mean val_accuracy?"),
        (["--filter", "modle=cnn"], "Did you mean model?"),
        (["--filter", "model"], "write key=value"),
    ],
)
def test_what_is_misspelt_is_refused(root: Path, arguments: list[str], says: str) -> None:
    result = pellucid("runs", root, *arguments)
    assert result.exit_code == 2
    assert says in result.stderr


def test_a_folder_without_runs(tmp_path: Path) -> None:
    assert pellucid("runs", tmp_path).stdout == f"There are no runs in {tmp_path}.\n"
    assert "There is no folder" in pellucid("runs", tmp_path / "absent").stderr


def test_a_narrow_terminal_shows_fewer_columns(root: Path) -> None:
    shown, _ = listing(root)
    assert [column.header for column in table(shown, narrow=True).columns] == [
        "run", "model", "lr", "epochs", "val accuracy", "val loss", "state",
    ]  # fmt: skip


def test_settings_are_as_the_command_line_gave_them(root: Path) -> None:
    shown, _ = listing(root)
    good = next(run for run in shown if run.values["name"] == "good")
    assert good.settings["model"] == check(SETTINGS)["model"]
