"""`pellucid train table.csv --folds K`: each row judges once, the figures are over the folds, and one run is kept."""

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import datasets
from pellucid.cli.program import app
from pellucid.datasets.record import DataError, split_fold

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
