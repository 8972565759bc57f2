"""Columns that name the rows, rows of names, and columns without one: what is left out of a table, and what is not."""

from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.datasets import DataError
from pellucid.datasets import csv as read_csv
from pellucid.experiments import data as source

RNG = np.random.default_rng(0)


def table(path: Path, columns: dict[str, Any], rows: int = 60) -> Path:
    """A table of these columns, a measure, and two classes."""
    every = {**columns, "measure": [f"{v:.2f}" for v in RNG.normal(size=rows)], "kind": list("ab" * (rows // 2))}
    lines = [",".join(every), *(",".join(map(str, cells)) for cells in zip(*every.values(), strict=True))]
    path.write_text("\n".join(lines) + "\n", encoding="utf-8")
    return path


def role(path: Path, name: str, **how: Any) -> tuple[str, str]:
    return next(
        (row["role"], row["note"]) for row in read_csv(path, "kind", **how).facts["table"] if row["name"] == name
    )


GAPS = sorted(RNG.choice(10_000, 60, replace=False).tolist())


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("id", GAPS),
        ("ID", GAPS[::-1]),
        ("customer_id", RNG.permutation(GAPS).tolist()),
        ("PassengerId", GAPS),
        ("passengerid", GAPS),
        ("Nr.", GAPS),
        ("index", GAPS),
        ("row_number", GAPS),
        ("id", [f"{number}.0" for number in GAPS]),
        ("id", GAPS[:50] + GAPS[:10]),  # rows that are in the table twice
    ],
)
def test_an_identifier_is_left_out_whatever_gaps_it_has(tmp_path: Path, name: str, numbers: list[Any]) -> None:
    found, why = role(table(tmp_path / "t.csv", {name: numbers}), name)
    assert found == "left out" and why.endswith("an identifier")
    if name == "id":
        assert role(table(tmp_path / "t.csv", {name: numbers}), name, numeric=["id"])[0] == "feature"


def test_an_identifier_is_left_out_where_rows_are_dropped(tmp_path: Path) -> None:
    age = [str(20 + i % 40) if i % 7 else "" for i in range(60)]
    path = table(tmp_path / "t.csv", {"id": range(1, 61), "age": age})
    assert role(path, "id", missing="drop")[0] == "left out"
    holes = [str(i) if i % 9 else "" for i in range(60)]
    assert role(table(tmp_path / "t.csv", {"id": holes}), "id", missing="mean")[0] == "left out"


@pytest.mark.parametrize(
    ("name", "numbers"),
    [
        ("paid", RNG.permutation(GAPS).tolist()),
        ("humid", RNG.permutation(GAPS).tolist()),
        ("price_index", RNG.permutation(GAPS).tolist()),
        ("income", RNG.permutation(GAPS).tolist()),
        ("store_id", [i % 12 for i in range(60)]),
        ("id", [f"{v:.3f}" for v in RNG.normal(size=60)]),
    ],
)
def test_a_quantity_is_not_taken_for_an_identifier(tmp_path: Path, name: str, numbers: list[Any]) -> None:
    assert role(table(tmp_path / "t.csv", {name: numbers}), name) == ("feature", "")


def test_what_may_be_an_identifier_is_asked(tmp_path: Path) -> None:
    for rising in ([i for i in range(70) if i % 7][:60], [1000 + 37 * i + i % 5 for i in range(60)]):
        assert (
            "rises from row to row: an identifier? --ignore seat"
            in role(table(tmp_path / "t.csv", {"seat": rising}), "seat")[1]
        )
    again = [1000 + 37 * (i % 25) for i in range(60)]
    assert "--categorical shop_id takes it as one" in role(table(tmp_path / "t.csv", {"shop_id": again}), "shop_id")[1]


@pytest.mark.parametrize(
    "index",
    [range(60), range(1, 61), GAPS, RNG.permutation(60).tolist(), [*range(30), *range(30)]],
    ids=["from 0", "from 1", "rows dropped", "shuffled", "two tables in one"],
)
def test_the_index_that_pandas_writes_is_no_feature(tmp_path: Path, index: Any) -> None:
    path = table(tmp_path / "t.csv", {"": index})
    assert read_csv(path, "kind").feature_names == ("measure",)
    assert role(path, "column 1") == ("left out", "numbers the rows, and has no name")
    assert read_csv(path, "kind", ignore=[""]).feature_names == ("measure",)


def test_another_column_without_a_name_can_be_left_out(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", {"": list("xyz" * 20)})
    assert read_csv(path, "kind").feature_names[:3] == ("(no name)=x", "(no name)=y", "(no name)=z")
    assert read_csv(path, "kind", ignore=[""]).feature_names == ("measure",)
    with pytest.raises(DataError, match="no column '' to be ignored"):
        read_csv(table(tmp_path / "t.csv", {}), "kind", ignore=[""])


@pytest.mark.parametrize(
    "rows",
    [
        "5.1,3.5,setosa\n4.9,3.0,setosa\n6.2,2.9,virginica\n",
        "63,1,yes\n41,0,no\n55,1,yes\n",
        "p,x,s\ne,x,s\np,b,y\n",
        "2024-01-05,7\n2024-01-06,9\n",
        "1,2\n3,4\n5,6\n",
    ],
)
def test_a_first_row_that_is_no_header_is_noticed(tmp_path: Path, rows: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text(rows * 5)
    with pytest.raises(DataError, match="the first row must name the columns.*--no-header"):
        read_csv(path, rows.split("\n")[0].split(",")[-1])
    last = f"c{rows.partition(chr(10))[0].count(',') + 1}"
    assert len(read_csv(path, last, header=False, val_fraction=0, categorical=[last]).x_train) == rows.count("\n") * 5


@pytest.mark.parametrize(
    ("header", "row"),
    [("country,1990,1991", "Chad,{i}.5,{i}"), ("0,1,2,kind", "{i},2.5,1,a"), ("0,1,2", "{i},2.5,1"), ("a,b", "a,{i}")],
)
def test_a_header_of_numbers_is_one(tmp_path: Path, header: str, row: str) -> None:
    path = tmp_path / "t.csv"
    path.write_text("\n".join([header, *(row.format(i=i * i) for i in range(12))]) + "\n")
    names = {
        each["name"] for each in read_csv(path, header.split(",")[1], categorical=header.split(",")[:1]).facts["table"]
    }
    assert names == set(header.split(","))


def test_the_first_row_is_a_header_where_it_is_said_so(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("5.1,yes\n" + "1,yes\n2,no\n" * 6)
    data = source.load({"dataset": str(path), "target": "yes", "header": True})
    assert data.feature_names == ("5.1",)


def test_it_is_said_how_many_rows_are_left_out_and_why(tmp_path: Path) -> None:
    age = ["" if i in (3, 5, 9) else 20 + i for i in range(60)]
    fare = ["" if i == 5 or i == 20 else f"{i}.5" for i in range(60)]
    data = read_csv(table(tmp_path / "t.csv", {"age": age, "fare": fare}), "kind", missing="drop")
    assert data.description.startswith("56 rows of t.csv (4 rows left out for a missing value: age 3, fare 2); ")
    assert data.facts["rows_left_out"] == 4
    for way in ("mean", "indicator"):
        assert "left out" not in read_csv(tmp_path / "t.csv", "kind", missing=way).description
    price = ["" if i == 7 else i % 9 for i in range(60)]
    data = read_csv(table(tmp_path / "t.csv", {"age": age, "price": price}), "price", missing="mean")
    assert "(1 row left out for a missing value: price 1)" in data.description


def test_a_column_that_is_there_twice_is_learned_from_once(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("a,kind,a,kind\n" + "".join(f"{i * i},{'xy'[i % 2]},{i * i},{'xy'[i % 2]}\n" for i in range(12)))
    assert read_csv(path, "kind").feature_names == ("a",)
    assert role(path, "column 3") == ("left out", "repeats column 1, a")
    assert role(path, "column 4") == ("left out", "repeats column 2, kind")


def test_a_category_that_is_written_in_two_ways_is_told(tmp_path: Path) -> None:
    path = table(tmp_path / "t.csv", {"answer": ["Yes", "no", "yes", "No way", "No  way", "no"] * 10})
    assert role(path, "answer") == ("feature", "'No  way' and 'No way' count as two: written in one way, they are one")
    assert role(table(tmp_path / "t.csv", {"answer": ["Yes", "no"] * 30}), "answer") == ("feature", "")


def test_where_an_identifier_is_all_there_is_it_is_said(tmp_path: Path) -> None:
    path = tmp_path / "t.csv"
    path.write_text("id,y\n" + "".join(f"{5 + 3 * i},{'ab'[i % 2]}\n" for i in range(20)))
    with pytest.raises(DataError, match="column 'id' has a number of its own for each row: an identifier"):
        read_csv(path, "y")
    assert read_csv(path, "y", numeric=["id"]).feature_names == ("id",)
