"""`pellucid.profile`: whose time it is, what is counted, the table, and the page."""

from pathlib import Path
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim, viz
from pellucid.viz.flame import Flame, Frame

from .browser import in_browser

NASTY = "</script><script>alert(1)</script>"


class Net(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first = nn.Linear(4, 8)
        self.second = nn.Linear(8, 8)

    def forward(self, x: torch.Tensor) -> torch.Tensor:
        x = self.first(x).tanh()
        return self.second(self.second(x)).sum()


def training_step(counted: list[int] | None = None) -> Any:
    torch.manual_seed(0)
    model = Net()
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    x = torch.randn(16, 4)

    def step() -> None:
        if counted is not None:
            counted.append(1)
        optimizer.zero_grad()
        model(x).backward()
        optimizer.step()

    return step


def test_each_op_has_its_calls_its_phases_its_bytes_and_its_operations() -> None:
    rows = {row.op: row for row in torch.profile(training_step()).rows}
    assert {name: row.calls for name, row in rows.items()} == {
        "linear": 3, "tanh": 1, "sum": 1, "sgd_": 4, "adding gradients": 0,
    }  # fmt: skip
    assert all(rows[name].forward > 0 and rows[name].backward > 0 for name in ("linear", "tanh"))
    assert rows["sgd_"].update > 0
    assert rows["sgd_"].forward == rows["sgd_"].backward == rows["linear"].update == 0
    products = 2 * 16 * (4 * 8 + 8 * 8 + 8 * 8)
    assert products * 2 <= rows["linear"].operations <= products * 4  # of backward, x needs no gradient
    assert rows["tanh"].bytes >= 2 * 4 * 16 * 8


def test_the_rows_are_in_order_and_add_up_with_what_is_outside() -> None:
    measured = torch.profile(training_step(), steps=1)
    times = [row.seconds for row in measured.rows]
    assert times == sorted(times, reverse=True)
    assert sum(times) + measured.outside == pytest.approx(measured.seconds)


def test_what_is_called_and_how_often() -> None:
    counted: list[int] = []
    torch.profile(training_step(counted), steps=3)
    assert len(counted) == 7
    doubled = torch.profile(lambda x, by: x * by, torch.ones(3), by=2.0)
    assert [(row.op, row.calls, row.operations) for row in doubled.rows] == [("mul", 1, 3)]
    assert doubled.name == "<lambda>"
    assert torch.profile(Net(), torch.ones(1, 4)).name == "Net"


def test_watching_changes_nothing() -> None:
    def trained(watched: bool) -> list[float]:
        torch.manual_seed(1)
        layer = nn.Linear(3, 1)
        x = torch.randn(5, 3)

        def step() -> None:
            loss = nn.functional.dropout(layer(x), 0.5).square().mean()
            loss.backward()

        if watched:
            torch.profile(step, steps=2)
        else:
            for _ in range(5):
                step()
        assert layer.weight.grad is not None
        return [*torch.ravel(layer.weight.grad).tolist(), torch.rand(()).item()]

    assert trained(True) == trained(False)


@pytest.mark.parametrize(
    ("arguments", "named", "kind", "said"),
    [
        ((torch.ones(2),), {}, TypeError, "fn must be a function, but got Tensor"),
        ((len, [1]), {"steps": 0}, ValueError, "steps must be at least 1, but got 0"),
        ((len, [1]), {"steps": 2.0}, TypeError, "steps must be a whole number, but got 2.0"),
        ((len, [1]), {}, RuntimeError, "len called no op of pellucid"),
    ],
)
def test_errors(arguments: tuple[Any, ...], named: dict[str, Any], kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        torch.profile(*arguments, **named)


def test_an_error_in_the_step_ends_the_watching() -> None:
    calls: list[int] = []

    def step() -> None:
        calls.append(1)
        torch.ones(2).exp()
        if len(calls) == 3:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine"):
        torch.profile(step)
    before = len(calls)
    assert [row.op for row in torch.profile(lambda: torch.ones(2).log(), steps=1).rows if row.op != "full"] == ["log"]
    assert len(calls) == before


def test_the_table() -> None:
    measured = torch.profile(training_step())
    lines = measured.table().splitlines()
    assert lines[0].startswith("step: ") and "median of 5" in lines[0]
    assert lines[2].split() == [
        "op", "calls", "forward", "µs", "backward", "µs", "share", "kB", "1000", "ops", "Gop/s",
    ]  # fmt: skip
    assert {line.split("  ")[0] for line in lines[4:]} == {
        "linear", "tanh", "sum", "sgd_", "adding gradients", "outside of ops",
    }  # fmt: skip
    assert "4 more" in measured.table(limit=1)
    assert repr(measured) == measured.table()


def test_the_roofline_has_each_op_that_computes() -> None:
    measured = torch.profile(training_step(), steps=1)
    (axes,) = viz.roofline(measured).axes
    assert {text.get_text() for text in axes.texts} == {"linear", "tanh", "sum", "sgd_", "adding gradients"}
    step = torch.compile(training_step())
    with pytest.raises(ValueError, match="has not been recorded yet"):
        viz.roofline(step)
    with pytest.raises(TypeError, match="obj must be a profile or a compiled step, but got int"):
        viz.roofline(3)
    for _ in range(3):
        step()
    (axes,) = viz.roofline(step).axes
    assert any("matmul" in text.get_text() for text in axes.texts)


def test_neighbours_within_the_same_are_one_box() -> None:
    frames = [
        Frame(("forward", "net\0001", "linear"), 0.0, 1.0, "tip"),
        Frame(("forward", "net\0001", "linear"), 1.0, 1.0),
        Frame(("forward", "net\0002", "relu"), 3.0, 0.5),
        Frame(("backward", "relu"), 4.0, 1.0),
    ]
    assert [(box["name"], box["depth"], box["from"], box["to"]) for box in Flame("t", frames, 5.0).boxes()] == [
        ("forward", 0, 0.0, 3.5),
        ("net", 1, 0.0, 2.0),
        ("linear", 2, 0.0, 1.0),
        ("linear", 2, 1.0, 2.0),
        ("net", 1, 3.0, 3.5),
        ("relu", 2, 3.0, 3.5),
        ("backward", 0, 4.0, 5.0),
        ("relu", 1, 4.0, 5.0),
    ]


def test_the_page(tmp_path: Path) -> None:
    measured = torch.profile(training_step(), steps=1)
    page = measured.save(tmp_path / "profile.html").read_text(encoding="utf-8")
    assert "Op by op" in page and "second Linear" in page
    assert "<iframe" in measured._repr_html_()
    assert "<script>alert" not in Flame(NASTY, [Frame((NASTY,), 0.0, 1.0, NASTY)], 1.0, NASTY).html()
    with pytest.raises(ValueError, match=r"a flame chart is saved as \.html, and not as 'profile\.png'"):
        measured.save(tmp_path / "profile.png")


def test_the_names_of_a_roofline_cover_no_mark_and_stay_within_the_axes() -> None:
    from matplotlib.backends.backend_agg import FigureCanvasAgg

    rows = [("batch_norm", 2e5, 1.5e6, 1e-3), ("adding gradients", 3e3, 2.4e4, 2e-5), ("linear", 5e5, 1.5e5, 1e-4),
            ("relu", 1e4, 1e5, 3e-5), ("add", 2.1e5, 1.5e6, 1e-3)]  # fmt: skip
    figure = viz.roofline({"operations": 1e11, "bytes": 2e10, "rows": rows})
    canvas = FigureCanvasAgg(figure)
    canvas.draw()
    (axes,) = figure.axes
    names = [text.get_bbox_patch().get_window_extent() for text in axes.texts]
    marks = axes.transData.transform([(operations / moved, operations / s / 1e9) for _, operations, moved, s in rows])
    assert not any(name.contains(*mark) for name in names for mark in marks)
    assert all(axes.bbox.y0 <= name.y0 and name.y1 <= axes.bbox.y1 for name in names)
    assert not any(a.overlaps(b) for i, a in enumerate(names) for b in names[i + 1 :])


@pytest.mark.slow
def test_the_page_in_a_browser(tmp_path: Path) -> None:
    frames = [
        Frame(("forward", "net", "linear"), 0.0, 1.0, "12 kB"),
        Frame(("backward", NASTY), 1.0, 1.0),
    ]
    script = """
    const names = () => [...document.querySelectorAll(".box")].map((box) => box.textContent);
    const told = { first: names() };
    document.querySelectorAll(".box")[2].click();
    told.zoomed = names();
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "Escape" }));
    told.whole = names().length;
    document.dispatchEvent(new KeyboardEvent("keydown", { key: "/" }));
    told.focus = document.activeElement.id;
    const search = document.getElementById("search");
    search.value = "lin";
    search.dispatchEvent(new Event("input"));
    told.found = [document.querySelectorAll(".found").length, document.getElementById("said").textContent];
    told.label = document.querySelectorAll(".box")[2].getAttribute("aria-label");
    return told;
    """
    assert in_browser(Flame("t", frames, 2.0).html(), tmp_path, script) == {
        "first": ["forward", "net", "linear", "backward", NASTY],
        "zoomed": ["forward", "net", "linear"],
        "whole": 5,
        "focus": "search",
        "found": [1, "1 found, 1.00 s in all"],
        "label": "linear: 1.00 s, 50.0 % of the step, forward\n12 kB",
    }
