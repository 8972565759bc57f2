"""The pages of find-lr, compare and sweep: whole by themselves, narrow enough for a telephone, safe whatever things are
called."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import pytest

from pellucid.experiments import pages
from pellucid.experiments.comparison import comparison
from pellucid.experiments.runs import Run
from pellucid.experiments.search import Search
from pellucid.experiments.space import parse
from pellucid.train import LRFinder
from pellucid.viz.document import Document, render
from tests.browser import in_browser

EVIL = "<script>alert(1)</script>"


def finder(usable: bool = True, trials: dict[float, float] | None = None) -> Document:
    import numpy as np

    rates = np.geomspace(1e-5, 10, 40)
    losses = 2.0 - np.log10(rates) / 9 + np.where(rates > 1, rates, 0)
    best = {"best": 0.2, "steepest": 0.1, "valley": None} if usable else dict.fromkeys(["best", "steepest", "valley"])
    reason = "" if usable else "the loss is flat"
    found = LRFinder(rates, losses, losses, best, usable, reason, trials or {})
    return pages.of_finder(
        found, EVIL, "digits", {"seed": 0, "lr": 3.0}, [("To train with the best", "pellucid train")]
    )


def run(label: str, lr: float, epochs: int = 3) -> Run:
    rows: list[dict[str, Any]] = [
        {
            "kind": "epoch",
            "epoch": i + 1,
            "step": 10 * i,
            "train_loss": 1 / (i + 1),
            "val_loss": 1 / (i + 2),
            "val_r2": 0.5,
        }
        for i in range(epochs)
    ]
    return Run(label, Path(label), {"lr": lr, "loss": "mse"}, {}, rows, {}, [], {})


def compared(count: int, epochs: int = 3) -> Document:
    runs = [run(EVIL if i == 0 else f"run {i}", 0.1 * (i + 1), epochs) for i in range(count)]
    measures = ["train_loss", "val_r2"] if epochs else []
    return pages.of_runs(
        runs, comparison(runs), measures, "First difference.\n  in step 1" if count == 2 else "", ["a note"]
    )


def swept(parameters: int, count: int, diverged: int = 0, metric: str = "val_accuracy") -> Document:
    grid = ["lr=0.1,0.2", "batch-size=8,16", "optimizer=sgd,adam"][:parameters]
    space = parse(grid, [], {"dataset": "moons"})
    values = {"lr": [0.1, 0.2], "batch_size": [8, 16], "optimizer": ["sgd", "adam"]}
    search = Search(Path("found"), {"dataset": EVIL}, space, "grid", 8, metric, 1, "")
    search.records = [
        {
            "index": i,
            "state": "diverged" if i < diverged else "complete",
            "params": {name: values[name][i >> j & 1] for j, name in enumerate(space)},
            "value": None if i < diverged else 0.1 * i,
            "summary": {} if i < diverged else {"val_loss": 0.5, "seconds": 1.0},
            "message": "",
        }
        for i in range(count)
    ]
    return pages.of_sweep(search)


# What is drawn: the number of pictures.
PAGES = {
    "rates": (lambda: finder(trials={0.1: 1.0, 0.2: 0.5, 3.0: float("inf")}), 2),
    "rates, none tried": (finder, 1),
    "rates, none to suggest": (lambda: finder(usable=False), 1),
    "two runs": (lambda: compared(2), 2),
    "thirty runs": (lambda: compared(30), 2),
    "runs without an epoch": (lambda: compared(2, epochs=0), 0),
    "a sweep of one setting": (lambda: swept(1, 2), 1),
    "of two": (lambda: swept(2, 4, diverged=1), 3),
    "of three, unfinished": (lambda: swept(3, 6, diverged=1, metric="val_loss"), 4),
    "of which nothing came": (lambda: swept(2, 2, diverged=2), 0),
}


@pytest.mark.parametrize(("make", "pictures"), PAGES.values(), ids=PAGES)
def test_a_page_is_whole_and_safe(make: Any, pictures: int) -> None:
    page = render(make())
    assert page.count('class="plot') == pictures
    assert EVIL not in page
    assert "&lt;script&gt;" in page


def test_a_run_folder_is_named_where_it_is(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """Of a search that machines share, the best run may lie in the folder of another one."""
    monkeypatch.chdir(tmp_path)
    assert "Its run folder" not in render(swept(1, 2))
    (tmp_path / "found/trials/0001").mkdir(parents=True)
    assert "Its run folder" in render(swept(1, 2))


def test_pages_in_a_browser(tmp_path: Path) -> None:
    """Nothing is asked for, and no picture that stands beside others is wider than a telephone's page can show."""
    made = {"rates": PAGES["rates"][0], "runs": PAGES["two runs"][0], "sweep": PAGES["of two"][0]}
    for name, make in made.items():
        (folder := tmp_path / name).mkdir()
        found = in_browser(
            render(make()),
            folder,
            """document.body.style.width = "400px";
            return [...document.querySelectorAll(".beside .plot")].map((plot) => {
              const words = [...plot.querySelectorAll("text")].map((text) => text.getBoundingClientRect().height);
              return [plot.getBoundingClientRect().width, Math.min(...words)];
            });""",
        )
        assert found and all(width <= 400 and letters > 7 for width, letters in found), found


def test_more_runs_than_stand_side_by_side_are_rows() -> None:
    (section,) = [section for section in compared(30).sections if section.title == "Runs"]
    table: Any = section.blocks[0]
    assert len(table.rows) == 30 and table.columns[:2] == ["run", "lr"]


def test_settings_that_a_finder_does_without_are_not_shown() -> None:
    (section,) = [section for section in finder().sections if section.title == "Settings"]
    columns: Any = section.blocks[0]
    shown = [name for facts in columns.blocks for name, _ in facts.rows]
    assert shown == ["seed"]


def test_parts_of_a_finder_may_be_absent() -> None:
    from pellucid.viz.finder import finder_apart

    bare: Any = SimpleNamespace(lrs=[0.1, 1.0], losses=[2.0, 1.0])
    assert len(finder_apart(bare)) == 1
