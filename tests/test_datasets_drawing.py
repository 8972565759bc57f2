"""`data.plot()`: what is in a data set is in its figure, in the numbers and words of the file."""

from pathlib import Path
from typing import Any

import matplotlib.pyplot as plt
import numpy as np
import pytest

from pellucid import datasets
from pellucid.datasets import DataSet


def heights(axes: Any) -> list[float]:
    return [float(patch.get_height()) for patch in axes.patches]


def widths(axes: Any) -> list[float]:
    return [float(patch.get_width()) for patch in axes.patches]


def words(labels: Any) -> list[str]:
    return [label.get_text() for label in labels]


@pytest.fixture
def table(tmp_path: Path) -> DataSet:
    rows = [
        f"{'' if i % 10 == 0 else i % 4},{('red', 'blue', '')[i % 3]},{i % 50} %,{i % 28 + 1}.2.2024,{'ab'[i % 2]}\n"
        for i in range(80)
    ]
    (tmp_path / "t.csv").write_text("rooms,ink,share,day,kind\n" + "".join(rows))
    return datasets.csv(tmp_path / "t.csv", "kind", missing="indicator", val_fraction=0.25)


def test_each_column_of_a_table_is_drawn_as_it_is_in_the_file(table: DataSet) -> None:
    figure = table.plot()
    target, rooms, ink, share, day = (axes for axes in figure.axes if axes.get_title())
    assert words([axes.title for axes in figure.axes])[:5] == ["kind (target)", "rooms", "ink", "share (%)", "day"]
    assert widths(target) == [30, 30] and words(target.get_yticklabels()) == ["a", "b"]
    missing = int(table.x_train[:, 1].sum())
    assert sum(heights(rooms)) == 60 - missing and f"{missing} missing" in words(rooms.texts)
    assert set(words(ink.get_yticklabels())) == {"red", "blue", "(empty)"} and sum(widths(ink)) == 60
    low, high = share.get_xlim()
    assert -5 < low < 2 and 45 < high < 55 and sum(heights(share)) == 60
    figure.canvas.draw()
    assert any("Feb" in label for label in [*words(day.get_xticklabels()), day.xaxis.get_offset_text().get_text()])
    assert target.get_xlabel() == "samples, in the colours of all panels"


def test_a_table_of_many_columns_and_classes_says_what_it_leaves_out(tmp_path: Path) -> None:
    head = ",".join(f"x{k}" for k in range(20))
    rows = "".join(",".join(str(np.sin(i * k + k)) for k in range(20)) + f",k{i % 30}\n" for i in range(120))
    (tmp_path / "t.csv").write_text(f"{head},kind\n{rows}")
    figure = datasets.csv(tmp_path / "t.csv", "kind", val_fraction=0.25).plot()
    assert "6 more columns are not drawn" in figure.get_suptitle() and len(figure.axes) == 15
    assert words(figure.axes[0].get_yticklabels())[-1] == "23 others" and sum(widths(figure.axes[0])) == 90


def test_pictures_points_and_characters(tmp_path: Path) -> None:
    digits = datasets.digits()
    figure = digits.plot()
    assert sum(len(axes.images) for axes in figure.axes) == 80
    seven = next(axes for axes in figure.axes if axes.get_ylabel().startswith("7\n"))
    assert seven.get_ylabel() == f"7\n{(digits.y_train == 7).sum()}"
    assert any(np.allclose(seven.images[0].get_array(), x[0]) for x in digits.x_train[digits.y_train == 7])

    moons = datasets.standardised(datasets.moons(n=200))
    axes = moons.plot(title="two moons").axes[0]
    raw = datasets.moons(n=200)
    drawn = np.concatenate([np.stack(line.get_data(), axis=1) for line in axes.lines])
    np.testing.assert_allclose(np.sort(drawn, axis=0), np.sort(raw.x_train, axis=0), rtol=1e-4, atol=1e-5)

    (tmp_path / "n.txt").write_text("ada\nbo\nanna\neve\n" * 5)
    names = datasets.passages(tmp_path / "n.txt", lines=True)
    figure, lengths = names.plot(), (names.y_train >= 0).sum(axis=1) - 1
    assert words(figure.axes[0].get_xticklabels())[:2] in (["a", "↵"], ["↵", "a"])
    assert heights(figure.axes[1]) == np.bincount(lengths).tolist()
    whole = datasets.text(tmp_path / "n.txt").plot()
    assert sum(heights(whole.axes[0])) == pytest.approx(100)


def test_a_figure_goes_to_a_file_and_into_axes(table: DataSet, tmp_path: Path) -> None:
    table.plot(save=tmp_path / "t.png")
    assert (tmp_path / "t.png").stat().st_size > 10_000
    figure, axes = plt.subplots(1, 2)
    assert table.plot(ax=axes[0]) is figure and len(figure.axes) > 4
    plt.close(figure)
