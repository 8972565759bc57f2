"""Every kind of page at the widths of a telephone, a tablet and a desk: nothing overlaps, is cut, or moves sideways.

What is wider than a telephone (a table, a listing) is moved within a frame of its own. Whatever a screen reader comes
to has a name.
"""

import io
from collections.abc import Iterator
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner

import pellucid as torch
from pellucid import nn, viz
from pellucid.cli.program import app
from pellucid.doctor import Report
from pellucid.doctor.page import render
from pellucid.doctor.report import Finding
from pellucid.viz import document
from tests.devtools import Tab, chromium, tab
from tests.pages import ROOT
from tests.test_pages import PAGES

SPOKEN = {"button", "link", "checkbox", "combobox", "searchbox", "textbox", "image", "region", "table", "columnheader"}
WIDTHS = (400, 500, 800, 1400)

# Whatever reaches beyond the window, but for what lies in a frame that moves by itself. What slides to its place after
# a change of width (menus of the documentation) is looked at where it comes to rest.
BEYOND = """(() => {
  for (const move of document.getAnimations()) {
    if (move.effect.getComputedTiming().endTime === Infinity) move.cancel();
    else move.finish();
  }
  const width = document.documentElement.clientWidth;
  const framed = (part) => {
    for (let it = part.parentElement; it; it = it.parentElement)
      if (/auto|scroll|hidden|clip/.test(getComputedStyle(it).overflowX)) return true;
    return false;
  };
  const found = [...document.querySelectorAll("body *")].filter((part) => {
    const box = part.getBoundingClientRect();
    return box.width && (box.right > width + 1 || box.left < -1) && !framed(part) && part.checkVisibility();
  }).filter((part) => getComputedStyle(part).position !== "fixed");
  const told = found.slice(0, 5).map((part) => `${part.tagName} ${part.textContent.trim().slice(0, 60)}`);
  return document.documentElement.scrollWidth > width ? ["the page moves sideways", ...told] : told;
})()"""

# The letters of drawings that are too small to read, and pairs of them that lie on each other.
LETTERS = """(() => {
  const texts = [...document.querySelectorAll("figure svg text")].filter((text) => text.checkVisibility());
  const small = texts.filter((text) => parseFloat(getComputedStyle(text).fontSize) * text.getScreenCTM().a < 12);
  const boxes = texts.map((text) => text.getBoundingClientRect());
  const meet = (a, b) => a.left < b.right - 1 && b.left < a.right - 1 && a.top < b.bottom - 3 && b.top < a.bottom - 3;
  const over = boxes.flatMap((a, i) => boxes.slice(i + 1).filter((b) => meet(a, b)).map(() => texts[i].textContent));
  return [texts.length > 0, small.map((text) => text.textContent), over];
})()"""

# How wide the page leaves its curves, and what its curves reach.
CURVES = """[document.querySelector(".beside").clientWidth, document.querySelector(".beside").scrollWidth]"""

# Options that a line's end divides, and what is copied from a command.
COMMANDS = """[...document.querySelectorAll("pre.command")].map((line) => {
  getSelection().selectAllChildren(line);
  const words = [...line.children].filter((word) => word.textContent.startsWith("--"));
  return [words.filter((word) => word.offsetHeight > 30).length, getSelection().toString(), line.textContent];
})"""


@pytest.fixture
def page(tmp_path: Path) -> Iterator[Tab]:
    if chromium() is None:
        pytest.skip("no browser is installed")
    with tab("about:blank", tmp_path) as opened:
        yield opened


def look(page: Tab, path: Path, spoken: bool = True) -> None:
    """Fails where something reaches beyond the window at one of the widths, or, where it is `spoken`, has no name."""
    page.call("Page.navigate", url=path.as_uri())
    page.until(f"document.readyState === 'complete' && location.href === {path.as_uri()!r}")
    for width in WIDTHS:
        for dark in (False, True):
            page.shown_as(width, dark=dark)
            assert page.evaluate(BEYOND) == [], (path.name, width)
    assert page.troubles == []
    assert not spoken or [row for row in page.read_out() if row[0] in SPOKEN and not row[1].strip()] == [], path.name


def step() -> Any:
    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh(), nn.Linear(3, 2))
    return lambda: nn.functional.cross_entropy(model(torch.ones(4, 2)), torch.tensor([0, 1, 1, 0])).backward()


@pytest.mark.slow
def test_pages_of_computations(page: Tab, tmp_path: Path) -> None:
    model = nn.Sequential(nn.Conv2d(1, 2, 3), nn.ReLU(), nn.Flatten(), nn.Linear(8, 2))
    torch.explain("conv2d").save(tmp_path / "op.html")
    torch.explain(nn.Sequential(nn.Linear(2, 3), nn.Tanh()), torch.ones(4, 2)).save(tmp_path / "walk.html")
    viz.graph(model, torch.randn(1, 1, 4, 4)).save(tmp_path / "graph.html")
    torch.profile(step()).save(tmp_path / "profile.html")
    for name in ("op", "walk", "graph", "profile"):
        look(page, tmp_path / f"{name}.html")


@pytest.mark.slow
def test_pages_of_the_doctor(page: Tab, tmp_path: Path) -> None:
    long = " " * 8 + "loss = nn.functional.cross_entropy(model(x[i : i + 64].reshape(-1, 784)), y[i : i + 64])"
    curves = {
        "what": "loss",
        "as it is": [12345.0, 9.0, 12345.0] * 20,
        "with the right gradient": [12345.0, 1.0, 0.5] * 20,
    }
    finding = Finding(
        "double-softmax", "error", 0.9, "measured", "what it means", "write less", "train.py", 7, long, True, curves
    )
    path = tmp_path / "doctor.html"
    facts = {"parameters": [{"name": "W" * 300, "shape": [2, 3], "elements": 6}]}
    path.write_text(render(Report("faults", [finding], facts=facts)), encoding="utf-8")
    look(page, path)
    for width in WIDTHS:
        page.shown_as(width)
        assert page.evaluate(LETTERS) == [True, [], []], width
        cut = "[...document.querySelectorAll('pre')].filter((one) => one.scrollWidth > one.clientWidth).length"
        assert page.evaluate(cut) == 0, "the line that is wrong must be seen whole"


@pytest.mark.slow
def test_pages_of_runs(page: Tab, tmp_path: Path) -> None:
    rng = np.random.default_rng(0)
    table = ["a measurement with a long name,day,colour,height"]
    table += [
        f"{a!r},2024-01-1{i % 9},{('red', 'blue')[i % 2]},{a * 3!r}" for i, a in enumerate(rng.normal(size=60).tolist())
    ]
    (tmp_path / "table.csv").write_text("\n".join(table))
    (tmp_path / "names.txt").write_text("\n".join(["anna", "berta", "carl", "dora"] * 30))
    for name, words in {
        "table": [tmp_path / "table.csv", "--target", "height", "--model", "mlp:4", "--weight-decay", 0.01],
        "names": [tmp_path / "names.txt", "--model", "mlp:8"],
    }.items():
        told = CliRunner().invoke(
            app, [str(word) for word in ["train", *words, "--epochs", 1, "--out", tmp_path / name]]
        )
        assert told.exit_code == 0, told.output
        look(page, tmp_path / name / "report.html")
        for width in (400, 500, 760):
            page.shown_as(width)
            assert page.evaluate(CURVES) == [width - 40] * 2, "curves are seen whole"
        page.shown_as(400)
        commands = page.evaluate(COMMANDS)
        assert len(commands) >= 3
        for divided, copied, whole in commands:
            assert divided == 0 and copied == whole
    text = (tmp_path / "table" / "report.html").read_text(encoding="utf-8")
    assert "Long numbers are shortened." in text and "2024-01-10" in text
    assert table[1].split(",")[0] not in text


@pytest.mark.slow
@pytest.mark.parametrize("name", ["rates", "two runs", "thirty runs", "of two"])
def test_pages_of_several_trainings(page: Tab, tmp_path: Path, name: str) -> None:
    path = tmp_path / "page.html"
    path.write_text(document.render(PAGES[name][0]()), encoding="utf-8")
    look(page, path)
    page.shown_as(400)
    assert page.evaluate(CURVES) == [360] * 2, "curves are seen whole"


@pytest.mark.slow
def test_pages_of_the_documentation(page: Tab) -> None:
    """Where it was built."""
    if not (ROOT / "site" / "index.html").is_file():
        pytest.skip("the documentation is not built: mkdocs build")
    for name in ("index", "getting-started", "doctor", "looking", "exercises", "notebooks/circle", "commands/train",
                 "reference/ops/trigonometric", "pytorch-names"):  # fmt: skip
        look(page, ROOT / "site" / f"{name}.html", spoken=False)


def test_the_marks_of_errors_in_hundred_thousands_stand_apart() -> None:
    true = np.linspace(3e4, 1.2e6, 80)
    figure = viz.predicted_against_true(true, true + np.linspace(-125_000, 55_000, 80), unit="price")
    figure.savefig(io.BytesIO(), format="png")
    for axes in figure.axes:
        low, high = axes.get_xlim()
        marks = [
            label for at, label in zip(axes.get_xticks(), axes.get_xticklabels(), strict=True) if low <= at <= high
        ]
        boxes = [label.get_window_extent() for label in marks]
        assert len(boxes) > 2 and all(box.x1 < after.x0 for box, after in pairwise(boxes))
