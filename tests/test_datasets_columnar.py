"""Parquet and Arrow files: the same data set as from the CSV file, and a sentence where they cannot be read."""

import datetime
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import datasets
from pellucid.datasets.columnar import read_columns
from pellucid.datasets.record import DataError
from pellucid.datasets.sheet import read_table

arrow = pytest.importorskip("pyarrow", reason='Parquet files need pyarrow: pip install "pellucid[tables]"')
feather = pytest.importorskip("pyarrow.feather")
parquet = pytest.importorskip("pyarrow.parquet")


def pets() -> dict[str, list[Any]]:
    rows = range(40)
    return {
        "weight": [None if i == 7 else 4.125 + i % 3 if i % 2 else 20.5 + i for i in rows],
        "legs": [3 + i % 2 for i in rows],
        "fur": ["long" if i % 3 else "short" for i in rows],
        "indoor": [i % 5 > 1 for i in rows],
        "kind": ["cat" if i % 2 else "dog" for i in rows],
    }


def write(columns: dict[str, Any], path: Path) -> Path:
    table = arrow.table(columns)
    if path.suffix == ".parquet":
        parquet.write_table(table, path)
    elif path.suffix == ".feather":
        feather.write_feather(table, path)
    else:
        with arrow.OSFile(str(path), "wb") as sink, arrow.ipc.new_stream(sink, table.schema) as writer:
            writer.write_table(table)
    return path


@pytest.mark.parametrize("ending", ["parquet", "feather", "arrow"])
def test_a_typed_table_is_the_data_set_of_its_csv_file(ending: str, tmp_path: Path) -> None:
    lines = [
        ",".join(pets()),
        *(",".join("" if v is None else str(v).lower() for v in row) for row in zip(*pets().values(), strict=True)),
    ]
    (tmp_path / "pets.csv").write_text("\n".join(lines) + "\n")
    path = write(pets(), tmp_path / f"pets.{ending}")
    ours = datasets.csv(path, "kind", missing="mean")
    theirs = datasets.csv(tmp_path / "pets.csv", "kind", missing="mean")
    np.testing.assert_array_equal(ours.x_train, theirs.x_train)
    np.testing.assert_array_equal(ours.y_train, theirs.y_train)
    assert (ours.feature_names, ours.class_names) == (theirs.feature_names, theirs.class_names)


def test_categories_and_decimals_are_read_as_what_they_are(tmp_path: Path) -> None:
    columns = {"price": [1.234, 22.5, 1000.0], "kind": arrow.array(["a", "b", "a"]).dictionary_encode()}
    assert read_columns(write(columns, tmp_path / "t.parquet")) == {
        "price": ["1.2340", "22.5", "1000.0"],
        "kind": ["a", "b", "a"],
    }


def test_what_cannot_be_learned_from_is_named(tmp_path: Path) -> None:
    path = write({"tags": [["a"], []], "y": [1, 2]}, tmp_path / "lists.parquet")
    with pytest.raises(DataError, match=r"column 'tags' holds values of the kind list<.*neither numbers nor texts"):
        read_table(path)
    dates = write(
        {"day": [datetime.date(2026, 1, 1 + i) for i in range(9)], "y": list("abcabcabc")}, tmp_path / "d.parquet"
    )
    assert datasets.csv(dates, "y").facts["dates"] == {"day": "date"}
    (tmp_path / "half.parquet").write_bytes(path.read_bytes()[:40])
    with pytest.raises(DataError, match="half.parquet cannot be read as a Parquet file"):
        read_table(tmp_path / "half.parquet")


def test_without_pyarrow_the_package_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    path = write(pets(), tmp_path / "pets.parquet")
    monkeypatch.setitem(sys.modules, "pyarrow", None)
    with pytest.raises(
        DataError, match=r'is a Parquet file, which needs the package pyarrow: pip install "pellucid\[tables\]"'
    ):
        read_table(path)


@pytest.mark.slow
@pytest.mark.learns
def test_train_and_predict_take_them(tmp_path: Path) -> None:
    from pellucid.cli.program import app

    path = write(pets(), tmp_path / "pets.parquet")
    how = ["--target", "kind", "--missing", "mean", "--epochs", "2", "--no-report", "--out", str(tmp_path / "run")]
    trained = CliRunner().invoke(app, ["train", str(path), *how])
    assert trained.exit_code == 0, trained.output
    other = write(pets(), tmp_path / "more.feather")
    answer = CliRunner().invoke(
        app, ["predict", str(tmp_path / "run"), str(path), str(other), "--out", str(tmp_path / "all.csv")]
    )
    assert answer.exit_code == 0, answer.output
    assert "All files: " in answer.output
    assert len((tmp_path / "all.csv").read_text().splitlines()) == 81
