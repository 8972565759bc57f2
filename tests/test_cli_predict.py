"""`pellucid predict`: a run is asked about new samples, from its folder alone."""

import csv
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

from pellucid import datasets
from pellucid.cli.program import app
from pellucid.datasets import read_image
from tests.sampled import sampled
from tests.trained import Runs

PETS = "weight,fur,kind,price\n" + "".join(
    f"{w},{f},{k},{p}\n"
    for i in range(20)
    for w, f, k, p in [(4 + i % 3, "long", "cat", 100.5 + i), (20 + i, "short", "dog", 300.25 - i)]
)

pytestmark = pytest.mark.learns


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """One run of each kind of data, and the files they learned from."""
    folder = tmp_path_factory.mktemp("runs")
    (folder / "pets.csv").write_text(PETS)
    words: dict[str, list[object]] = {
        "digits": ["digits", "--epochs", 15],
        "scores": ["digits", "--epochs", 20, "--loss", "mse"],
        "circle": ["circle", "--epochs", 10],
        "moons": ["moons", "--epochs", 3, "--loss", "bce"],
        "kind": [folder / "pets.csv", "--target", "kind", "--epochs", 60],
        "price": [folder / "pets.csv", "--target", "price", "--epochs", 200],
    }
    return Runs(folder, words, "--quiet", "--no-report")


def predicted(run: Path, file: Path, out: Path) -> tuple[list[dict[str, str]], str]:
    result = pellucid("predict", run, file, "--out", out)
    assert result.exit_code == 0, result.output
    with open(out, newline="") as rows:
        return list(csv.DictReader(rows)), result.output


@pytest.mark.parametrize("run", sampled(["digits", "scores"], 2))
def test_an_array_of_images_is_predicted_as_the_validation_was(run: str, runs: Runs, tmp_path: Path) -> None:
    data = datasets.digits()
    assert data.x_val is not None
    for x in (data.x_val, data.x_val[:, 0], (data.x_val * 255).round().astype(np.uint8)):
        np.save(tmp_path / "x.npy", x)
        rows, _ = predicted(runs / run, tmp_path / "x.npy", tmp_path / "out.csv")
        right = np.mean([row["prediction"] == str(y) for row, y in zip(rows, data.y_val, strict=True)])
        assert right > 0.8
    total = sum(float(value) for name, value in rows[0].items() if name.startswith("p("))
    assert total == pytest.approx(1)


def test_points_are_scaled_as_the_training_data_were(runs: Runs, tmp_path: Path) -> None:
    raw = datasets.circle()  # the run standardised them
    assert raw.x_val is not None
    np.save(tmp_path / "x.npy", raw.x_val)
    rows, _ = predicted(runs / "circle", tmp_path / "x.npy", tmp_path / "out.csv")
    names = [raw.class_names[k] for k in raw.y_val]  # type: ignore[union-attr]
    assert np.mean([row["prediction"] == name for row, name in zip(rows, names, strict=True)]) > 0.9


def test_points_from_a_table_and_one_logit(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "points.csv"
    file.write_text("x2,x1,name\n1,0,a\n-0.5,1,b\n")  # the middle of each moon, columns in another order
    rows, _ = predicted(runs / "moons", file, tmp_path / "out.csv")
    assert [row["prediction"] for row in rows] == ["upper moon", "lower moon"]


def test_a_table_with_its_target_is_judged(runs: Runs, tmp_path: Path) -> None:
    rows, output = predicted(runs / "kind", runs / "pets.csv", tmp_path / "out.csv")
    assert "40 of 40 right: accuracy 1.0000" in output
    assert "… and 20 more" in output
    assert rows[0]["prediction"] == "cat"
    rows, output = predicted(runs / "price", runs / "pets.csv", tmp_path / "out.csv")
    assert "Mean absolute error" in output
    prices = [float(line.split(",")[3]) for line in PETS.splitlines()[1:]]
    assert np.corrcoef(prices, [float(row["prediction"]) for row in rows])[0, 1] > 0.9


def test_a_table_without_its_target_and_with_a_new_category(runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / "new.csv"
    file.write_text("price,fur,colour,weight\n110,long,black,4\n290,bald,red,30\n")
    rows, output = predicted(runs / "kind", file, tmp_path / "out.csv")
    assert [row["prediction"] for row in rows] == ["cat", "dog"]
    assert "right" not in output


def test_a_picture_of_a_digit(runs: Runs, tmp_path: Path) -> None:
    from PIL import Image

    data = datasets.digits()
    right = 0
    for k in range(10):
        sample = next(x for x, y in zip(data.x_train, data.y_train, strict=True) if y == k)[0]
        grey = (255 * (1 - sample)).astype(np.uint8)  # ink on paper
        page = Image.new("L", (300, 200), "white")
        page.paste(Image.fromarray(grey).resize((120, 120), Image.Resampling.BICUBIC), (150, 40))
        page.save(tmp_path / "digit.png")
        result = pellucid("predict", runs / "digits", tmp_path / "digit.png")
        right += f"prediction: {k}" in result.output
    assert right >= 6


@pytest.mark.parametrize("mode", ["L", "RGB", "RGBA", "dark"])
def test_a_picture_is_cut_out_and_laid_in_the_middle(mode: str, tmp_path: Path) -> None:
    from PIL import Image, ImageDraw

    clear = mode == "RGBA"
    page = Image.new("RGBA" if clear else "RGB", (400, 300), (0, 0, 0, 0) if clear else "white")
    ImageDraw.Draw(page).rectangle((300, 50, 339, 129), fill="black")  # 40 × 80, far from the middle
    if mode == "dark":
        page = Image.eval(page, lambda value: 255 - value)
    (page.convert(mode) if mode in ("L", "RGB") else page).save(tmp_path / "bar.png")
    picture = read_image(tmp_path / "bar.png", (28, 28))
    rows, columns = np.nonzero(picture.max(axis=1))[0], np.nonzero(picture.max(axis=0))[0]
    assert picture.dtype == np.float32
    assert (rows[0], rows[-1], columns[0], columns[-1]) == (4, 23, 9, 18)
    assert picture.max() == 1


@pytest.mark.parametrize(
    ("run", "name", "content", "text"),
    [
        ("digits", "missing.png", None, "There is no file"),
        ("digits", "x.csv", b"a,b\n1,2\n", "learned from images of 8 × 8"),
        ("digits", "x.pt", b"PK\3\4", "learned from images of 8 × 8"),
        ("kind", "x.pt", b"PK\3\4\0\0\xff", "is a workbook (.xlsx) or another archive"),
        ("kind", "x.png.csv", b"\x89PNG\r\n", "is a picture"),
        ("kind", "x.xlsx", b"PK\3\4\0\0\xff", "is a workbook (.xlsx) or another archive"),
        ("digits", "x.png", b"no picture", "is no image that can be read"),
        ("circle", "x.png", b"", "learned from the columns"),
        ("circle", "x.csv", b"a,b\n1,2\n", "has no column 'x1'"),
        ("kind", "x.csv", b"weight\n1\n", "has no column 'fur' (nor 'price') that the network learned from"),
        (
            "kind",
            "x.csv",
            b"weight,fur,price\n1,long,2\nx,long,3\n",
            "correct the cell, as the column was read so",
        ),
        (
            "kind",
            "x.csv",
            b"weight,fur,price\n1,long,2\n,long,3\n",
            "fill it in, or remove the row; the network",
        ),
        ("kind", "x.csv", b"weight,fur\n1,long\nx,long\n", "row 3, column 'weight'"),
        ("kind", "x.csv", b"weight,fur\n", "no rows"),
        ("digits", "x.npy", b"not numpy", "no .npy file"),
        ("digits", "x.npy", np.zeros((3, 5)), r"shape (3, 5)"),
        ("digits", "x.npy", np.zeros((0, 8, 8)), r"shape (0, 8, 8)"),
        ("digits", "x.npy", np.array(["a"]), "numbers were expected"),
        ("nothing", "x.npy", b"", "There is no run folder"),
    ],
)
def test_what_cannot_be_predicted(run: str, name: str, content: Any, text: str, runs: Runs, tmp_path: Path) -> None:
    file = tmp_path / name
    if isinstance(content, bytes):
        file.write_bytes(content)
    elif content is not None:
        np.save(file, content)
    result = pellucid("predict", runs / run, file)
    assert result.exit_code == 2
    assert text in result.stderr
    assert "Traceback" not in result.output


def test_an_empty_picture_is_refused(runs: Runs, tmp_path: Path) -> None:
    from PIL import Image

    Image.new("L", (50, 50), 200).save(tmp_path / "grey.png")
    result = pellucid("predict", runs / "digits", tmp_path / "grey.png")
    assert result.exit_code == 2
    assert "of one shade" in result.stderr


@pytest.mark.parametrize(
    ("run", "content", "says"),
    [
        ("price", "weight,fur,kind,price\n4,long,cat,0\n5,long,cat,0.0\n", "over 2 rows"),
        ("price", "weight,fur,kind,price\n4,long,cat,nan\n5,long,cat,100\n", "over 1 of 2 rows; 1 row has no target"),
        ("price", "weight,fur,kind,price\n4,long,cat,\n5,long,cat,?\n", "Not judged: no row has a target."),
        ("kind", "weight,fur,price,kind\n4,long,100,\n25,short,290,NA\n", "Not judged: no row has a target."),
        ("kind", "weight,fur,price,kind\n4,long,100,cat\n25,short,290,\n", "1 of 1 right: accuracy 1.0000; 1 row has"),
        (
            "kind",
            "weight,fur,price,kind\n4,long,100,cat\n25,short,290,cow\n",
            "1 of 2 right.*never met in training.*cow",
        ),
        ("kind", "kind;price;fur;weight;more\ncat;100,5;long;4,5;x\ndog;290,25;short;25;y\n", "2 of 2 right"),
        ("kind", "weight,fur,price\n4,bald,100\n25,short,290\n", "'fur': 1 cell holds a category .*not meet .bald."),
        ("price", 'weight,fur,kind,price\n4,long,cat,"$1,000.50"\n5,long,cat,$100\n', "over 2 rows"),
    ],
)
def test_the_figures_are_over_the_rows_that_have_a_target(
    run: str, content: str, says: str, runs: Runs, tmp_path: Path
) -> None:
    import re

    (tmp_path / "x.csv").write_text(content)
    result = pellucid("predict", runs / run, tmp_path / "x.csv")
    assert result.exit_code == 0, result.output
    assert re.search(says, result.output), result.output
    assert "nan" not in result.output


@pytest.mark.parametrize(
    ("cells", "shown", "error"),
    sampled(
        [
            ("{}%", "%", r"error: [\d.]+ %, over 2"),
            ("${}", "$", r"error: [\d.]+ \$"),
            ("{} kg", "kg", r"error: [\d.]+ kg"),
        ],
        3,
    ),
)
def test_a_real_target_is_shown_in_its_unit(cells: str, shown: str, error: str, tmp_path: Path) -> None:
    import re

    rows = [f"{k},{cells.format(10 + k / 4)}" for k in range(40)]
    (tmp_path / "x.csv").write_text("\n".join(["a,b", *rows]) + "\n")
    result = pellucid(
        "train", tmp_path / "x.csv", "--target", "b", "--epochs", 40, "--out", tmp_path / "run", "--no-report"
    )
    assert result.exit_code == 0, result.output
    (tmp_path / "new.csv").write_text("\n".join(["a,b", rows[20], rows[21]]) + "\n")
    result = pellucid("predict", tmp_path / "run", tmp_path / "new.csv")
    assert result.exit_code == 0, result.output
    values = re.findall(rf"│ +([\d.]+) {re.escape(shown)} │", result.output)
    assert len(values) == 2
    assert all(abs(float(value) - 15) < 3 for value in values), result.output
    assert re.search(error, result.output), result.output


def test_a_picture_that_moves_is_told(runs: Runs, tmp_path: Path) -> None:
    from PIL import Image, ImageDraw

    frames = [Image.new("L", (60, 60), 255) for _ in range(2)]
    for x, frame in zip((20, 30), frames, strict=True):
        ImageDraw.Draw(frame).rectangle((x, 10, x + 6, 50), fill=0)
    frames[0].save(tmp_path / "x.gif", save_all=True, append_images=frames[1:])
    result = pellucid("predict", runs / "digits", tmp_path / "x.gif")
    assert result.exit_code == 0, result.output
    assert "holds 2 pictures: the first" in result.output


def test_a_number_in_another_way_of_writing_is_the_same_number(runs: Runs, tmp_path: Path) -> None:
    (tmp_path / "a.csv").write_text("weight,fur,kind\n4.5,long,cat\n20.25,short,dog\n")
    (tmp_path / "b.csv").write_text("kind;fur;weight\ncat;long;4,5\ndog;short;20,25\n")
    plain, other = (predicted(runs / "price", tmp_path / name, tmp_path / "out.csv")[0] for name in ("a.csv", "b.csv"))
    assert [row["prediction"] for row in plain] == [row["prediction"] for row in other]
    (tmp_path / "c.csv").write_text('weight,fur,kind\n"1,234",long,cat\n')
    result = pellucid("predict", runs / "price", tmp_path / "c.csv")
    assert result.exit_code == 2
    assert "row 2, column 'weight': '1,234' may be 1234 or 1.234" in result.stderr
    assert pellucid("predict", runs / "price", tmp_path / "c.csv", "--decimal", ",").exit_code == 0


def test_samples_with_their_classes_in_an_archive(runs: Runs, tmp_path: Path) -> None:
    data = datasets.digits()
    assert data.x_val is not None
    assert data.y_val is not None
    for y in (data.y_val, np.eye(10)[data.y_val]):
        np.savez(tmp_path / "x.npz", x=16 * data.x_val[:, 0], y=y)
        result = pellucid("predict", runs / "digits", tmp_path / "x.npz")
        assert "of 359 right: accuracy 0.9" in result.output, result.output


def test_the_columns_are_shown_before_training(tmp_path: Path) -> None:
    table = tmp_path / "t.csv"
    table.write_text("area;kind;when;name\n" + "".join(f"{i},5;{'ab'[i % 2]};2024-01-{i};n{i}\n" for i in range(1, 25)))
    ways = ["--ignore", "when", "--out", tmp_path / "run", "--no-report"]
    result = pellucid("train", table, "--target", "kind", "--epochs", 1, *ways)
    assert result.exit_code == 0, result.output
    words = [line.split() for line in result.output.splitlines()]
    assert ["area", "feature", "number", "1.5", "to", "24.5", "decimal", "comma"] in words
    assert ["when", "left", "out", "as", "asked,", "--ignore"] in words
    assert any(line[:3] == ["name", "left", "out"] for line in words)
    result = pellucid("train", "--resume", tmp_path / "run", "--epochs", 2, "--no-report")
    assert result.exit_code == 0, result.output
