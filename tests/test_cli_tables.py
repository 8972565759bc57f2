"""Tables as people have them: without a header, in another encoding, with gaps, of rare classes, in several files."""

import csv
import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.datasets import DataError, read_features, read_table
from pellucid.datasets import csv as read_csv
from pellucid.datasets.record import split, split_by_class
from pellucid.experiments.build import class_weights


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


def write(text: str, name: str = "table.csv", encoding: str = "utf-8") -> Path:
    Path(name).write_text(text, encoding=encoding)
    return Path(name)


def rows_of(name: str) -> list[dict[str, str]]:
    return list(csv.DictReader(Path(name).read_text(encoding="utf-8").splitlines()))


def flowers(times: int = 8) -> str:
    return "5.1,3.5,a\n4.9,3.0,a\n4.7,3.2,a\n6.1,2.2,b\n6.3,2.9,b\n5.8,2.7,b\n5.9,2.8,b\n" * times


def flawed() -> str:
    """Gaps in a column of numbers and in one of texts."""
    return "size,fur,kind\n" + "1,long,a\n2,,a\n,short,b\n4,short,b\n3,NA,b\n" * 8


# Rows without a header


def test_without_a_header_the_columns_have_numbers() -> None:
    data = read_csv(write(flowers()), "c3", header=False)
    assert data.feature_names == ("c1", "c2")
    assert len(data.x_train) + len(data.x_val) == 56  # type: ignore[arg-type]
    assert data.facts["names"] == ["c1", "c2", "c3"]
    with pytest.raises(DataError, match="add a header row"):
        read_csv(write("1,2\n3,4\n5,6\n"), "c2")


def test_the_way_out_is_named_where_a_header_is_missing() -> None:
    write("1,2\n3,4\n5,6\n")
    result = pellucid("train", "table.csv", "--target", "c2", "--no-report")
    assert result.exit_code == 2 and "--no-header" in result.stderr
    result = pellucid("train", "table.csv", "--no-header")
    assert result.exit_code == 2 and "of these: c1, c2." in result.stderr


@pytest.mark.parametrize("target", ["c3", "c1"])
def test_a_file_without_the_target_is_predicted_from_by_place(target: str) -> None:
    rows = [line.split(",") for line in flowers().split()]
    if target == "c1":
        rows = [[kind, *numbers] for *numbers, kind in rows]
    table = write("".join(",".join(row) + "\n" for row in rows))
    made = pellucid("train", table, "--target", target, "--no-header", "--out", "run", "--epochs", 3, "--no-report")
    assert made.exit_code == 0, made.output
    rest = write("5.1,3.5\n6.3,2.9\n", "rest.csv")
    assert pellucid("predict", "run", table, "--out", "whole.csv").exit_code == 0
    assert pellucid("predict", "run", rest, "--out", "rest_out.csv").exit_code == 0
    whole, others = (rows_of(name) for name in ("whole.csv", "rest_out.csv"))
    found = [float(row["p(a)"]) for row in (*others, whole[0], whole[4])]
    np.testing.assert_allclose(found[:2], found[2:], rtol=1e-5)
    result = pellucid("predict", "run", write("1\n", "thin.csv"))
    assert result.exit_code == 2 and "all but the target" in result.stderr


# Encodings


def test_an_encoding_that_is_named() -> None:
    table = write("größe,art\n" + "1,Bär\n9,Mücke\n" * 10, encoding="cp1252")
    refused = pellucid("train", table, "--target", "art", "--no-report")
    assert refused.exit_code == 2 and "--encoding cp1252" in refused.stderr
    made = pellucid(
        "train", table, "--target", "art", "--encoding", "cp1252", "--epochs", 1, "--out", "run", "--no-report"
    )
    assert made.exit_code == 0, made.output
    assert json.loads(Path("run/config.json").read_text(encoding="utf-8"))["data"]["classes"] == ["Bär", "Mücke"]
    assert pellucid("predict", "run", table).exit_code == 0
    plain = write("größe\n1\n", "plain.csv")
    assert pellucid("predict", "run", plain, "--encoding", "utf-8").exit_code == 0
    assert "there is no encoding 'cp9'" in pellucid("train", table, "--target", "art", "--encoding", "cp9").stderr


# Gaps


@pytest.mark.parametrize(
    ("missing", "names"),
    [
        ("mean", ["size", "fur=", "fur=NA", "fur=long", "fur=short"]),
        ("indicator", ["size", "size missing", "fur=", "fur=NA", "fur=long", "fur=short"]),
    ],
)
def test_gaps_are_filled_in(missing: Any, names: list[str]) -> None:
    data = read_csv(write(flawed()), "kind", missing=missing, val_fraction=0.2)
    assert list(data.feature_names) == names
    x = np.concatenate([data.x_train, data.x_val])  # type: ignore[list-item]
    assert np.isfinite(x).all()
    train = data.x_train[:, 0]
    present = train[train != 0]
    assert abs(present.mean()) < 1e-6 and abs(present.std() - 1) < 1e-5  # the gaps do not count
    assert (x[:, 0] == 0).sum() == 8
    if missing == "indicator":
        assert ((x[:, 1] == 1) == (x[:, 0] == 0)).all()
    note = next(row["note"] for row in data.facts["table"] if row["name"] == "size")
    assert note.startswith("missing: the mean")
    other = read_features(read_table(write("size,fur\n,long\n2,\n", "new.csv")), data.facts)
    assert other.shape == (2, len(names))
    assert other[0, 0] == 0 and other[1, 0] != 0
    if missing == "indicator":
        assert other[:, 1].tolist() == [1, 0]


def test_a_row_without_a_target_is_left_out_where_gaps_are_filled() -> None:
    text = "size,kind\n" + "1,a\n2,b\n,b\n3,\n" * 6
    data = read_csv(write(text), "kind", missing="mean")
    assert len(data.x_train) + len(data.x_val) == 18  # type: ignore[arg-type]


def test_the_error_names_the_ways() -> None:
    with pytest.raises(DataError, match="--missing drop.*--missing mean"):
        read_csv(write(flawed()), "kind")


# Classes alike in both parts


@pytest.mark.parametrize("seed", range(20))
def test_both_parts_have_the_same_shares(seed: int) -> None:
    y = np.random.default_rng(seed).permutation(np.repeat([0, 1, 2, 3], [70, 25, 4, 1]))
    train, val = split_by_class(y, 0.2, np.random.default_rng(seed))
    assert val is not None
    assert sorted([*train, *val]) == list(range(100)) and len(val) == 20
    counts = np.bincount(y[val], minlength=4)
    assert np.abs(counts - 0.2 * np.bincount(y)).max() <= 1.01
    assert (np.bincount(y[train], minlength=4) > 0).all()
    assert (np.diff(train) < 0).any()  # mixed


def test_what_a_split_refuses_is_the_same() -> None:
    for n, fraction in ((3, 0.01), (3, 1.5)):
        for cut in (split, lambda n, *rest: split_by_class(np.zeros(n, np.int64), *rest)):
            with pytest.raises(DataError, match="validation fraction"):
                cut(n, fraction, np.random.default_rng(0))
    assert split_by_class(np.zeros(3, np.int64), 0, np.random.default_rng(0))[1] is None


def test_a_table_is_split_by_class_unless_told_otherwise() -> None:
    text = "x,kind\n" + "".join(f"{i},{'rare' if i % 20 == 0 else 'common'}\n" for i in range(200))
    shares = {
        seed: read_csv(write(text), "kind", seed=seed, categorical=["kind"]).y_val.tolist().count(1)  # type: ignore[union-attr]
        for seed in range(6)
    }
    assert set(shares.values()) == {2}
    loose = {read_csv(write(text), "kind", seed=seed, stratify=False).y_val.tolist().count(1) for seed in range(6)}  # type: ignore[union-attr]
    assert len(loose) > 1
    made = pellucid(
        "train", "table.csv", "--target", "kind", "--no-stratify", "--epochs", 1, "--out", "run", "--no-report"
    )
    assert made.exit_code == 0, made.output
    assert json.loads(Path("run/config.json").read_text())["config"]["stratify"] is False
    assert pellucid("train", "--resume", "run", "--epochs", 2, "--no-report").exit_code == 0


def test_an_option_that_is_on_or_off_belongs_to_a_table() -> None:
    result = pellucid("train", "moons", "--no-header")
    assert result.exit_code == 2 and "--no-header belongs to a CSV file" in result.stderr


# Several files


def test_many_files_are_one_csv() -> None:
    table = write("x,y,kind\n" + flowers())
    made = pellucid("train", table, "--target", "kind", "--epochs", 2, "--out", "run", "--no-report")
    assert made.exit_code == 0, made.output
    other = write("y,x\n3,5\n2,6\n", "other.csv")
    result = pellucid("predict", "run", table, other, "--out", "all.csv")
    assert result.exit_code == 0, result.output
    rows = rows_of("all.csv")
    assert [row["file"] for row in rows] == ["table.csv"] * 56 + ["other.csv"] * 2
    assert [row["row"] for row in rows[-2:]] == ["1", "2"]
    assert result.output.count(" of 56 right") == 2  # of the file, and of all files


# Rare classes


@pytest.mark.learns
@pytest.mark.slow
def test_balanced_classes_find_what_is_rare() -> None:
    rng = np.random.default_rng(0)
    rows = [(rng.normal(), "common") for _ in range(380)] + [(rng.normal() + 1.8, "rare") for _ in range(20)]
    write("x,kind\n" + "".join(f"{x:.4f},{kind}\n" for x, kind in rows))
    found = {}
    for weights in ("none", "balanced"):
        made = pellucid(
            "train", "table.csv", "--target", "kind", "--class-weights", weights, "--epochs", 15, "--lr", 0.01,
            "--model", "logistic", "--out", weights, "--no-report",
        )  # fmt: skip
        assert made.exit_code == 0, made.output
        assert pellucid("predict", weights, "table.csv", "--out", f"{weights}.csv").exit_code == 0
        answers = rows_of(f"{weights}.csv")[380:]
        found[weights] = sum(row["prediction"] == "rare" for row in answers)
    assert found["none"] < 10 < found["balanced"]
    assert pellucid("train", "--resume", "balanced", "--epochs", 16, "--no-report").exit_code == 0


def test_the_weights_make_every_class_count_the_same() -> None:
    weights = class_weights(np.array([0, 0, 0, 1, 3, 3]), 4).numpy()
    np.testing.assert_allclose(weights * [3, 1, 0, 2], [2, 2, 0, 2], rtol=1e-6)


def test_weights_are_for_cross_entropy() -> None:
    result = pellucid("train", "moons", "--class-weights", "balanced", "--loss", "mse")
    assert result.exit_code == 2 and "--loss cross-entropy" in result.stderr
    assert "Did you mean balanced?" in pellucid("train", "moons", "--class-weights", "balance").stderr


def test_balanced_classes_are_judged_by_the_balanced_accuracy() -> None:
    x = np.random.default_rng(0).normal(size=600)
    table = write("x,kind\n" + "".join(f"{v},{'rare' if v > 1.8 else 'usual'}\n" for v in x))
    words = ("--target", "kind", "--class-weights", "balanced", "--epochs", 6, "--no-report", "--out", "run")
    result = pellucid("train", table, *words)
    summary = json.loads(Path("run/summary.json").read_text())
    rare = round((x > 1.8).sum() * 0.2)
    assert summary["val_balanced_accuracy"] > 0.9 and summary["chance_balanced_accuracy"] == 0.5
    assert summary["judged"] == round(4 / (1 / rare + 1 / (120 - rare))) and summary["chance_loss"] == np.log(2)
    assert "did not learn" not in result.output and "judge it" not in result.output
    small = write("x,kind\n" + "".join(f"{k},{'ab'[k % 2]}\n" for k in range(5)), "small.csv")
    result = pellucid("train", small, *words[:2], "--epochs", 1, "--no-report", "--out", "small")
    assert "Only 1 row judges it" in result.output


# A column that numbers the rows


def test_a_column_that_numbers_the_rows_is_noticed() -> None:
    order = np.random.default_rng(0).permutation(40)
    year = [2000 + k % 7 for k in range(40)]
    table = "customer no,year,kind\n" + "".join(f"{1001 + n},{year[n]},{'ab'[n % 2]}\n" for n in order)
    notes = {row["name"]: row["note"] for row in read_csv(write(table), "kind").facts["table"]}
    assert notes["customer no"] == "numbers the rows: an identifier"
    assert notes["year"] == ""
    assert "customer no" not in read_csv(write(table), "kind").facts["columns"]
    other = table.replace("customer no", "distance so far")
    notes = {row["name"]: row["note"] for row in read_csv(write(other), "kind").facts["table"]}
    assert notes["distance so far"] == "numbers the rows: an identifier? --ignore 'distance so far' leaves it out"
    gaps = other.replace("\n1001,", "\n2001,")
    assert read_csv(write(gaps), "kind").facts["table"][0]["note"] == ""
    target = read_csv(write(table), "customer no", ignore=["kind"]).facts["table"][0]
    assert target["role"] == "target" and "--ignore" not in target["note"]
