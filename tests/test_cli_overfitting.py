"""A run that learned its training rows by heart: it is said, and the network of before is the one that is kept."""

import csv
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.experiments.overfitting import turning
from pellucid.serialize import load
from pellucid.train import load_checkpoint
from tests.trained import Runs, noisy_table

EPOCHS = 40


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("overfitting")
    words: dict[str, list[object]] = {"run": [noisy_table(folder / "noise.csv", 80), "--target", "kind", "--lr", 0.02]}
    return Runs(folder, words, "--epochs", str(EPOCHS), "--quiet")


def epochs_of(run: Path) -> list[dict[str, Any]]:
    rows = list(csv.DictReader((run / "history.csv").read_text().splitlines()))
    return [{"epoch": int(row["epoch"]), "val_loss": float(row["val_loss"])} for row in rows if row["kind"] == "epoch"]


def same(left: dict[str, Any], right: dict[str, Any]) -> bool:
    return all(np.array_equal(left[name].numpy(), right[name].numpy()) for name in left)


def test_the_network_of_the_best_epoch_is_kept(runs: Runs) -> None:
    run = runs / "run"
    rows = epochs_of(run)
    best = min(rows, key=lambda row: row["val_loss"])
    assert rows[-1]["val_loss"] > 1.5 * best["val_loss"]  # else this is no such run
    summary = json.loads((run / "summary.json").read_text())
    assert (summary["kept_epoch"], summary["val_loss"]) == (best["epoch"], best["val_loss"])
    kept = load(run / "model.safetensors")
    checkpoints = sorted((run / "checkpoints").glob("epoch-*"))
    assert same(kept, load_checkpoint(run / "checkpoints" / "best.safetensors")["model"])
    assert not same(kept, load_checkpoint(checkpoints[-1])["model"])
    page = re.sub("<[^>]*>", "", (run / "report.html").read_text(encoding="utf-8"))
    assert f"is the network of epoch {best['epoch']}" in page


def test_it_is_said_and_nobody_is_advised_to_train_on(runs: Runs, tmp_path: Path) -> None:
    words = ["--target", "kind", "--lr", 0.02, "--epochs", EPOCHS, "--no-report", "--out", tmp_path / "run"]
    answer = pellucid("train", runs.folder / "noise.csv", *words)
    assert answer.exit_code == 0 and "It overfitted" in answer.output
    assert "early-stopping:patience=10,restore_best=true" in answer.output and "To train on" not in answer.output
    early = ["--callback", "early-stopping:patience=12,restore_best=true"]
    ended = pellucid("train", runs.folder / "noise.csv", *words[:-1], tmp_path / "early", *early)
    assert "Stopped after epoch" in ended.output and "overfitted" not in ended.output
    calm = pellucid(
        "train", runs.folder / "noise.csv", *words[:2], "--epochs", 2, "--no-report", "--out", tmp_path / "calm"
    )
    assert "overfitted" not in calm.output and "To train on" in calm.output
    assert "kept_epoch" not in json.loads((tmp_path / "calm" / "summary.json").read_text())


def test_a_checkpoint_can_be_asked(runs: Runs, tmp_path: Path) -> None:
    run, table = runs / "run", runs.folder / "noise.csv"
    last = sorted((run / "checkpoints").glob("epoch-*"))[-1]
    answers = {}
    for place in (run, run / "model.safetensors", run / "checkpoints" / "best.safetensors", last):
        asked = pellucid("predict", place, table, "--out", tmp_path / "out.csv")
        assert asked.exit_code == 0, asked.output
        answers[place] = (tmp_path / "out.csv").read_text()
    assert len(set(answers.values())) == 2 and answers[last] != answers[run]
    refused = pellucid("predict", table, table)
    assert refused.exit_code == 2 and "the folder of a run was expected" in refused.output
    (tmp_path / "checkpoints").mkdir()
    (tmp_path / "checkpoints" / "best.safetensors").write_bytes(b"")
    assert pellucid("predict", tmp_path / "checkpoints" / "best.safetensors", table).exit_code == 2


def test_a_run_goes_on_from_its_last_weights(runs: Runs, tmp_path: Path) -> None:
    words = ["--target", "kind", "--lr", 0.02, "--no-report"]
    table = runs.folder / "noise.csv"
    assert pellucid("train", table, *words, "--epochs", EPOCHS, "--out", tmp_path / "parts").exit_code == 0
    assert pellucid("train", "--resume", tmp_path / "parts", "--epochs", EPOCHS + 3, "--no-report").exit_code == 0
    assert pellucid("train", table, *words, "--epochs", EPOCHS + 3, "--out", tmp_path / "whole").exit_code == 0
    assert epochs_of(tmp_path / "parts") == epochs_of(tmp_path / "whole")
    models = [load(tmp_path / name / "model.safetensors") for name in ("parts", "whole")]
    assert same(*models)


@pytest.mark.parametrize(
    ("losses", "best"),
    [
        ([0.7, 0.4, 0.9], 2),
        ([0.7, 0.4, 0.42], None),  # a little
        ([0.01, 0.001, 0.01], None),  # ten times as much, of almost nothing
        ([0.9, 0.5, 0.4], None),
        ([float("nan"), 0.3, 0.9], 2),
        ([float("nan")], None),
        ([], None),
    ],
)
def test_when_a_loss_has_turned(losses: list[float], best: int | None) -> None:
    found = turning([{"epoch": k + 1, "val_loss": loss} for k, loss in enumerate(losses)])
    assert (found and found["epoch"]) == best
