"""`pellucid train table.csv --folds K`: each row judges once, the figures are over the folds, and one run is kept."""

import json
import os
import signal
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import datasets
from pellucid.cli.program import app
from pellucid.datasets.record import DataError, split_fold
from pellucid.experiments.folds import CrossValidation
from pellucid.train import RunFolder
from tests.trained import noisy_table

PETS = "weight,kind,price\n" + "".join(
    f"{4 + i % 3},cat,{90 + 7 * (i % 5)}\n{18 + i % 7},dog,{200 - 3 * (i % 11)}\n" for i in range(23)
)


def pellucid(*words: object) -> Any:
    return CliRunner().invoke(app, [str(word) for word in words])


@pytest.mark.parametrize(("n", "folds"), [(10, 2), (11, 3), (46, 5), (7, 7)])
def test_each_row_validates_once_and_the_shares_of_classes_are_even(n: int, folds: int) -> None:
    y = np.arange(n) % 3
    parts = [split_fold(y, folds, k, np.random.default_rng(4)) for k in range(1, folds + 1)]
    assert sorted(np.concatenate([val for _, val in parts])) == list(range(n))
    for train, val in parts:
        assert sorted([*train, *val]) == list(range(n))
        counts = np.bincount(y[val], minlength=3)
        assert (np.abs(counts - np.bincount(y, minlength=3) / folds) < 1).all()
    with pytest.raises(DataError, match="of 2 folds, number 3"):
        split_fold(y, 2, 3, np.random.default_rng(0))
    with pytest.raises(DataError, match=f"dealt into 2 to {n} folds"):
        split_fold(y, n + 1, 1, np.random.default_rng(0))


def test_means_and_deviations_are_those_of_the_training_rows(tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text(PETS)
    for fold in (1, 2, 3):
        data = datasets.csv(tmp_path / "pets.csv", "kind", ignore=["price"], folds=3, fold=fold)
        np.testing.assert_allclose(data.x_train.mean(0), 0, atol=1e-6)
        assert data.x_val is not None
        assert len(data.x_val) in (15, 16)


@pytest.mark.slow
@pytest.mark.learns
@pytest.mark.parametrize("target", ["kind", "price"])
def test_folds_are_shown_kept_and_reported(target: str, tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text(PETS)
    run = tmp_path / "run"
    how = ["--target", target, "--epochs", 3, "--model", "mlp:4"]
    answer = pellucid("train", tmp_path / "pets.csv", *how, "--folds", 3, "--no-report", "--out", run)
    assert answer.exit_code == 0, answer.output
    folds = json.loads((run / "folds.json").read_text())
    assert [fold["fold"] for fold in folds] == [1, 2, 3]
    assert sum(fold["val"] for fold in folds) == 46
    losses = [fold["val_loss"] for fold in folds]
    assert f"{np.mean(losses):.4f} ± {np.std(losses, ddof=1):.4f}" in answer.output
    # The run that is kept is that of the best fold, to the bit; so is one that asks for it.
    kept = json.loads((run / "config.json").read_text())["config"]
    assert kept["fold"] == 1 + int(np.argmin(losses))
    assert json.loads((run / "summary.json").read_text())["val_loss"] == min(losses)
    reported = pellucid("report", run)
    assert reported.exit_code == 0, reported.output
    page = (run / "report.html").read_text(encoding="utf-8")
    assert f"{np.mean(losses):.4g}<" in page and f"± {np.std(losses, ddof=1):.2g}: " in page


@pytest.mark.parametrize(
    ("words", "said"),
    [
        (["--folds", 1], "--folds is 1; it must be a whole number from 2, such as 5."),
        (["--fold", 2], "--fold is 2; it needs --folds, such as --folds 5."),
        (["--folds", 3, "--fold", 4], "--fold is 4; it must be from 1 to 3, as --folds says."),
        (["--folds", 99], "46 rows are dealt into 2 to 46 folds"),
    ],
)
def test_folds_that_make_no_sense(words: list[object], said: str, tmp_path: Path) -> None:
    (tmp_path / "pets.csv").write_text(PETS)
    answer = pellucid("train", tmp_path / "pets.csv", "--target", "kind", *words, "--out", tmp_path / "run")
    assert answer.exit_code == 2
    assert said in " ".join(answer.output.split())


def test_folds_belong_to_tables() -> None:
    answer = pellucid("train", "digits", "--folds", 3)
    assert "--folds belongs to a CSV file" in answer.output


def test_what_is_done_is_kept_where_folds_are_interrupted(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "pets.csv").write_text(PETS)
    run, whole = tmp_path / "run", tmp_path / "whole"
    how = ["--target", "kind", "--epochs", 2, "--model", "mlp:4", "--no-report"]
    table = tmp_path / "pets.csv"
    trained = CrossValidation._of_fold

    def interrupted(judging: CrossValidation, number: int) -> Any:
        if number == 3:
            os.kill(os.getpid(), signal.SIGINT)
        return trained(judging, number)

    with monkeypatch.context() as patch:
        patch.setattr(CrossValidation, "_of_fold", interrupted)
        answer = pellucid("train", table, *how, "--folds", 4, "--out", run)
    assert answer.exit_code == 130
    assert "Over 2 of 4 folds" in answer.output and f"to go on: pellucid train --resume {run}" in answer.output
    again = pellucid("train", table, *how, "--folds", 4, "--out", run)
    assert again.exit_code == 2 and f"Go on with it: --resume {run}" in again.output
    again = pellucid("train", "--resume", run, "--seed", 3)
    assert again.exit_code == 2 and "--seed is 3, and the folds in" in again.output
    again = pellucid("train", "--resume", run, "--no-report")
    assert again.exit_code == 0 and "Fold 1 of 4" in again.output and "Over 4 folds" in again.output
    assert pellucid("train", table, *how, "--folds", 4, "--out", whole).exit_code == 0
    assert (run / "folds.json").read_bytes() == (whole / "folds.json").read_bytes()
    assert (run / "model.safetensors").read_bytes() == (whole / "model.safetensors").read_bytes()
    assert not (run / "folds-unfinished.json").exists()


def test_all_folds_are_judged_after_the_same_epoch(tmp_path: Path) -> None:
    table = noisy_table(tmp_path / "noise.csv", 60)
    how = ["--target", "kind", "--lr", 0.02, "--epochs", 30, "--no-report", "--keep", 2]
    answer = pellucid("train", table, *how, "--folds", 3, "--out", tmp_path / "run")
    assert answer.exit_code == 0, answer.output
    folds = json.loads((tmp_path / "run" / "folds.json").read_text())
    means = [np.mean([row["val_loss"] for row in rows]) for rows in zip(*(f["course"] for f in folds), strict=True)]
    epoch = 1 + int(np.argmin(means))
    assert 1 < epoch < 30 and [fold["kept_epoch"] for fold in folds] == [epoch] * 3
    assert [fold["val_loss"] for fold in folds] == [fold["course"][epoch - 1]["val_loss"] for fold in folds]
    accuracies = [fold["course"][epoch - 1]["val_accuracy"] for fold in folds]
    assert f"{np.mean(accuracies):.4f} ± {np.std(accuracies, ddof=1):.4f}" in answer.output
    assert f"Over 3 folds after epoch {epoch}" in answer.output and f"With --epochs {epoch}" in answer.output

    # The run that is kept is of that epoch, too, whichever of its own was the best; and it can be trained on.
    kept = min(folds, key=lambda fold: fold["val_loss"])
    summary = json.loads((tmp_path / "run" / "summary.json").read_text())
    assert (summary["kept_epoch"], summary["val_loss"]) == (epoch, kept["val_loss"])
    assert f"Kept is the run of fold {kept['fold']} after epoch {epoch}, the one" in answer.output
    own = [row["val_loss"] for row in kept["course"]]
    assert 1 + int(np.argmin(own)) != epoch  # what this test is about
    assert pellucid("train", "--resume", tmp_path / "run", "--epochs", 32, "--no-report").exit_code == 0
    assert json.loads((tmp_path / "run" / "summary.json").read_text())["epochs"] == 32


def test_folds_do_not_go_on_with_another_table(tmp_path: Path) -> None:
    table = tmp_path / "pets.csv"
    table.write_text(PETS)
    judging = CrossValidation({"dataset": str(table), "target": "kind", "folds": 3}, RunFolder(tmp_path / "run"))
    judging.done.append({"fold": 1, "train": 30, "val": 16, "val_loss": 1.0})
    judging._keep()
    table.write_text(PETS.replace("cat", "owl"))
    answer = pellucid("train", "--resume", tmp_path / "run")
    assert answer.exit_code == 2 and "has changed since its first folds were trained" in answer.output
    (tmp_path / "run" / "folds-unfinished.json").write_text("{}")
    assert "Was the file changed?" in pellucid("train", "--resume", tmp_path / "run").output
