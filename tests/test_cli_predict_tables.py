"""A run is asked about another table: its gaps, its encoding, its header, and rows learned by heart."""

import csv
import re
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.datasets.another import by_case
from pellucid.datasets.sheet import read_table
from tests.trained import Runs


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def lines(count: int = 60, seed: int = 0) -> Iterator[str]:
    rng = np.random.default_rng(seed)
    for i in range(count):
        kind = "köln" if rng.random() < 0.5 else "bonn"
        yield f"{i},{100 + 3 * i},{rng.normal(1 if kind == 'bonn' else -1):.3f},{rng.normal():.3f},{kind}"


HEADER = ",id,size,weight,town"
TABLE = "\n".join([HEADER, *lines()]) + "\n"
GAPS = re.sub(r",-[\d.]+", ",", TABLE, count=5)  # of five rows a number without a value


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    folder = tmp_path_factory.mktemp("tables")
    (folder / "t.csv").write_text(TABLE, encoding="utf-8")
    (folder / "gaps.csv").write_text(GAPS, encoding="utf-8")
    (folder / "windows.csv").write_text(TABLE, encoding="cp1252")
    (folder / "bare.csv").write_text(TABLE.partition("\n")[2], encoding="utf-8")
    price = TABLE.replace("town", "price").replace("köln", "1.5").replace("bonn", "2.5")
    (folder / "price.csv").write_text(price, encoding="utf-8")
    words: dict[str, list[object]] = {
        "plain": [folder / "t.csv", "--target", "town"],
        "drop": [folder / "gaps.csv", "--target", "town", "--missing", "drop"],
        "mean": [folder / "gaps.csv", "--target", "town", "--missing", "mean"],
        "windows": [folder / "windows.csv", "--target", "town", "--encoding", "cp1252"],
        "price": [folder / "price.csv", "--target", "price"],
        "bare": [folder / "bare.csv", "--target", "c5", "--no-header"],
    }
    return Runs(folder, words, "--quiet", "--no-report", "--epochs", "3")


def said(run: Path, text: str, tmp_path: Path, *more: object, encoding: str = "utf-8") -> str:
    file = tmp_path / "new.csv"
    file.write_text(text, encoding=encoding)
    result = pellucid("predict", run, file, *more)
    assert result.exit_code == 0, result.output + result.stderr
    return result.output


def test_cells_that_are_filled_in_are_told(runs: Runs, tmp_path: Path) -> None:
    told = said(runs / "mean", "size,weight\n1,\n-1,\n", tmp_path)
    assert "Column 'weight': it is empty: each cell is taken as the mean" in told and "'size'" not in told
    told = said(runs / "mean", "size,weight\n1,2\n,3\n5,6\n", tmp_path)
    assert "Column 'size': 1 cell has no value, and is taken as the mean" in told


def test_rows_with_a_gap_have_no_answer_where_such_rows_were_dropped(runs: Runs, tmp_path: Path) -> None:
    told = said(runs / "drop", "size,weight\n1,2\n,3\n5,6\n", tmp_path, "--out", tmp_path / "out.csv")
    assert "1 row has no answer for a missing value" in told and "size 1" in told
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text().splitlines()))
    assert [(row["row"], row["size"]) for row in rows] == [("1", "1"), ("3", "5")]
    (tmp_path / "new.csv").write_text("size,weight\n,2\n")
    result = pellucid("predict", runs / "drop", tmp_path / "new.csv")
    assert result.exit_code == 2 and "row 2, column 'size' is empty" in result.stderr


def test_the_file_of_answers_has_the_columns_of_the_table(runs: Runs, tmp_path: Path) -> None:
    text = "id,size,prediction,weight\nA7,1.50,old,2\nB9,-1,old,3\n"
    said(runs / "plain", text, tmp_path, "--out", tmp_path / "out.csv")
    rows = list(csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines()))
    assert list(rows[0]) == ["row", "id", "size", "prediction (given)", "weight", "prediction", "p(bonn)", "p(köln)"]
    assert (rows[0]["id"], rows[0]["size"], rows[1]["prediction (given)"]) == ("A7", "1.50", "old")
    assert {row["prediction"] for row in rows} <= {"bonn", "köln"}


def test_a_class_in_another_case_is_that_class(runs: Runs, tmp_path: Path) -> None:
    text = "size,weight,town\n1,2,bonn\n-1,0,köln\n"
    plain = said(runs / "plain", text, tmp_path)
    other = said(runs / "plain", text.replace("köln", "KÖLN"), tmp_path, "--out", tmp_path / "out.csv")
    assert "Column 'town': what differs" in other and "(KÖLN as köln)" in other and "what differs" not in plain
    assert re.findall(r"\d of 2 right", plain) == re.findall(r"\d of 2 right", other)
    assert [row["town"] for row in csv.DictReader((tmp_path / "out.csv").read_text().splitlines())] == ["bonn", "KÖLN"]


def test_a_category_in_another_case_is_taken_where_one_alone_is_meant(tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("who,what\nYES,A\nno,a\nMaybe,ä\n", encoding="utf-8")
    table, taken = by_case(
        read_table(tmp_path / "new.csv", None, None), {"who": ["yes", "no"], "what": ["a", "Ä", "ä"]}
    )
    assert table.columns == {"who": ["yes", "no", "Maybe"], "what": ["a", "a", "ä"]}
    assert taken == {"who": {"YES": "yes"}, "what": {"A": "a"}}


def test_the_encoding_is_that_of_the_file(runs: Runs, tmp_path: Path) -> None:
    text = "size,weight,town\n1,2,bonn\n-1,0,köln\n"
    told = said(runs / "windows", text, tmp_path)
    assert "is UTF-8, and was read so" in told and "never met" not in told
    assert "UTF-8" not in said(runs / "windows", text, tmp_path, encoding="cp1252")
    assert "never met in training" in said(runs / "windows", text, tmp_path, "--encoding", "cp1252")


@pytest.mark.parametrize("drop", ["", "target", "index and target", "all that is not learned from"])
def test_a_file_without_a_header_goes_by_the_places_of_the_columns(runs: Runs, tmp_path: Path, drop: str) -> None:
    rows = [line.split(",") for line in lines(8, seed=1)]
    parts = {"": [0, 1, 2, 3, 4], "target": [0, 1, 2, 3], "index and target": [1, 2, 3]}.get(drop, [2, 3])
    text = "".join(",".join(row[i] for i in parts) + "\n" for row in rows)
    named = "size,weight\n" + "".join(",".join(row[2:4]) + "\n" for row in rows)
    answers = []
    for content, more in ((named, ()), (text, ("--no-header",))):
        said(runs / "plain", content, tmp_path, *more, "--out", tmp_path / "out.csv")
        found = csv.DictReader((tmp_path / "out.csv").read_text(encoding="utf-8").splitlines())
        answers.append([row["p(bonn)"] for row in found])
    assert answers[0] == answers[1]


def test_a_file_without_a_header_says_so_or_is_noticed(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("0.5,1\n-0.5,2\n")
    result = pellucid("predict", runs / "plain", tmp_path / "new.csv")
    assert result.exit_code == 2 and "--no-header" in result.stderr
    (tmp_path / "new.csv").write_text("0.5,1,2\n-0.5,2,3\n", encoding="utf-8")  # a number that is learned, or not?
    result = pellucid("predict", runs / "price", tmp_path / "new.csv", "--no-header")
    assert result.exit_code == 2 and "may be id, size, weight or size, weight, price: name them" in result.stderr


def test_a_file_with_a_header_where_training_had_none(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "new.csv").write_text("n,id,size,weight\n1,2,0.5,1\n3,4,-0.5,2\n")
    refused = pellucid("predict", runs / "bare", tmp_path / "new.csv")
    assert refused.exit_code == 2 and "Then say so: --header" in refused.stderr
    told = said(runs / "bare", "n,id,size,weight\n1,2,0.5,1\n3,4,-0.5,2\n", tmp_path, "--header")
    assert "│   2 │" in told


def test_rows_that_were_trained_on_are_told(runs: Runs, tmp_path: Path) -> None:
    told = said(runs / "plain", TABLE, tmp_path)
    assert "48 of the 60 rows are among those that the network was trained on" in told
    assert "The others: " in told and " of 12 right" in told
    assert "trained on" not in said(runs / "plain", "\n".join([HEADER, *lines(30, seed=5)]), tmp_path)
    (runs / "plain").with_name("t.csv").rename(runs.folder / "away.csv")
    try:
        assert "trained on" not in said(runs / "plain", TABLE, tmp_path)  # nothing is known any more
    finally:
        (runs.folder / "away.csv").rename(runs.folder / "t.csv")
