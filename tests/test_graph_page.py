"""Drawn graphs: DOT that Graphviz takes, a page that works in a browser, files, the command."""

import functools
import html
import json
import re
import shutil
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

import pellucid as torch
from pellucid import nn, viz
from pellucid.cli.program import app
from pellucid.scalar import Value
from pellucid.viz.graph import for_script
from pellucid.viz.graph_view import GraphView
from tests.browser import in_browser

NASTY = '</script><script>alert("x")</script> & <b>"quoted"\\ {{ data }} \u2028 \n é'


class Recurrent(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inputs, self.hidden, self.out = nn.Linear(3, 4), nn.Linear(4, 4), nn.Linear(4, 2)

    def forward(self, x: Any) -> Any:
        h = torch.zeros(x.shape[0], 4)
        for t in range(x.shape[1]):
            h = torch.tanh(self.inputs(x[:, t]) + self.hidden(h))
        return self.out(h)


def network() -> tuple[Any, Any]:
    return nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 2)), torch.randn(5, 4)


@functools.cache
def drawings() -> dict[str, Any]:
    a, b = torch.tensor(2.0, requires_grad=True), torch.tensor(float("nan"), requires_grad=True)
    model, x = network()
    with torch.record_graph(NASTY) as record:
        loss = nn.functional.cross_entropy(model(x), torch.tensor([0, 1, 0, 1, 0]))
        loss.backward()
    return {
        "scalar": viz.graph((a * b + 1).tanh(), backward=True, title="scalar"),
        "network": viz.graph(model, x, backward=True),
        "loop": viz.graph(Recurrent(), torch.ones(2, 30, 3)),
        "opened": viz.graph(Recurrent(), torch.ones(2, 5, 3), depth=9),
        "closed": viz.graph(model, x, depth=0),
        "step": viz.graph(record),
        "leaf": viz.graph(torch.ones(2)),
    }


NAMES = ("scalar", "network", "loop", "opened", "closed", "step", "leaf")


def data_of(page: str) -> dict[str, Any]:
    found = re.findall(r'<script type="application/json" class="data">(.*?)</script>', page, re.DOTALL)
    assert len(found) == 1
    return json.loads(found[0])


# --- what is open --------------------------------------------------------------------------------------------------


def test_the_outermost_module_is_open_and_layers_and_loops_are_closed() -> None:
    record = Recurrent().__graph__(torch.ones(2, 30, 3))
    assert [record.groups[group].type for group in GraphView(record).open] == ["Recurrent"]
    assert GraphView(record, depth=0).open == set()
    assert {record.groups[group].kind for group in GraphView(record, depth=2).open} == {"module", "loop"}


def test_a_deep_network_opens_as_far_as_it_is_legible() -> None:
    block = lambda: nn.Sequential(*(nn.Linear(2, 2) for _ in range(6)))  # noqa: E731
    model = nn.Sequential(*(block() for _ in range(30)))
    view = GraphView(model.__graph__(torch.ones(1, 2)))
    shown = {id(view.shown(node)) for node in view.record.nodes}
    assert 30 <= len(shown) <= 60


def test_what_closed_groups_say() -> None:
    drawing = drawings()["loop"]
    assert "30 rounds" in drawing.dot
    assert "part, inputs, hidden, add, tanh" in drawing.dot
    assert "4 → 2" in drawing.dot
    assert "10 parameters" in drawing.dot
    model = nn.Sequential(nn.Conv2d(3, 8, 5, stride=2), nn.MaxPool2d(2), nn.ReLU(inplace=True))
    dot = viz.graph(model, torch.ones(1, 3, 20, 20)).dot
    assert "3 → 8, 5×5, stride 2" in dot
    assert "kernel_size=2, stride=2\\n" in dot


def test_a_calculation_with_single_numbers() -> None:
    x, w = Value(3.0, label="x"), Value(-2.0, label="w")
    y = (x * w + 1).tanh() + x
    y.label = "y"
    y.backward()
    drawing = viz.graph(y)
    assert 'label="x\\n= 3\\n' in drawing.dot
    assert 'label="+ → y\\n' in drawing.dot
    assert drawing.dot.count(" -> ") == 7
    data = data_of(drawing.html())
    assert [node["gradient"]["numbers"] for node in data["nodes"] if node["name"] == "x"] == [pytest.approx(x.grad)]
    chain = x
    for _ in range(20_000):
        chain = chain + 1
    assert len(viz.graph(chain).record.nodes) == 1000


# --- DOT and pictures ----------------------------------------------------------------------------------------------


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's `dot` is not installed")
@pytest.mark.parametrize("name", NAMES)
def test_graphviz_takes_the_dot(name: str) -> None:
    drawing = drawings()[name]
    picture = drawing.svg()
    boxes = picture.count('class="node"')
    assert boxes == len(re.findall(r"^\s*[ng]\d+ \[label", drawing.dot, re.MULTILINE)) > 0
    assert picture.count('class="edge"') == drawing.dot.count(" -> ")
    assert drawing._repr_svg_() == picture


@pytest.mark.skipif(shutil.which("dot") is None, reason="Graphviz's `dot` is not installed")
def test_a_picture_is_saved(tmp_path: Path) -> None:
    drawing = drawings()["network"]
    assert drawing.save(tmp_path / "graph.png").read_bytes().startswith(b"\x89PNG")
    assert "<svg" in drawing.save(str(tmp_path / "graph.svg")).read_text()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["graph.png", "graph.svg"]


def test_without_graphviz_the_error_names_the_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    drawing = drawings()["scalar"]
    monkeypatch.setenv("PATH", str(tmp_path))
    with pytest.raises(RuntimeError, match=r"`dot` is not installed.*Save it as \.html"):
        drawing.save(tmp_path / "graph.svg")
    assert list(tmp_path.iterdir()) == []
    assert drawing._repr_svg_() is None
    drawing.save(tmp_path / "graph.dot")
    drawing.save(tmp_path / "graph.html")
    assert (tmp_path / "graph.dot").read_text(encoding="utf-8") == drawing.dot


def test_other_endings_are_refused(tmp_path: Path) -> None:
    with pytest.raises(ValueError, match=r"\.html, \.svg, \.png or \.dot, and not as 'graph\.jpg'; write graph\.html"):
        drawings()["leaf"].save(tmp_path / "graph.jpg")


@pytest.mark.parametrize(
    ("call", "message"),
    [
        (lambda: viz.graph(lambda: 1), r"received function.*with pellucid\.record_graph\(\) as record"),
        (lambda: viz.graph(3), "a Tensor, a Module or a record of pellucid, received int"),
        (lambda: viz.graph(nn.Linear, torch.ones(1)), "received the class Linear"),
        (lambda: viz.graph(torch.ones(1), torch.ones(1)), r"Tensor is drawn as it is; inputs are for a Module"),
        (lambda: viz.graph(torch.ones(1).__graph__(), backward=True), r"call loss\.backward\(\) inside"),
        (lambda: viz.graph_fragment(torch.ones(1), theme="sepia"), "write 'auto', 'light' or 'dark'"),
    ],
)  # fmt: skip
def test_what_cannot_be_drawn_is_told(call: Any, message: str) -> None:
    with pytest.raises((TypeError, ValueError), match=f"(?s){message}"):
        call()


# --- the page ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", NAMES)
def test_the_page_holds_the_record_and_asks_for_nothing(name: str) -> None:
    drawing = drawings()[name]
    page = drawing.html()
    data = data_of(page)
    assert [node["name"] for node in data["nodes"]] == [node.name for node in drawing.record.nodes]
    assert len(data["edges"]) == len(drawing.record.edges)
    assert data["title"] == drawing.title
    outside = re.sub(r"<script>.*?</script>", "", page, flags=re.DOTALL)
    assert not re.search(r"<(link|img|iframe)|@import|url\(|src=", outside)
    assert page.count("<script") == page.count("</script>") == 2


def test_text_cannot_break_out_of_the_page() -> None:
    drawing = drawings()["step"]
    page = drawing.html()
    assert data_of(page)["title"] == NASTY
    assert "alert(" not in page.replace("\\u003c/script\\u003e\\u003cscript\\u003ealert(", "").replace(
        html.escape(NASTY, quote=True), ""
    )
    assert "<b>" not in page
    assert html.escape(page, quote=True) in drawing._repr_html_()


def test_data_for_a_script_is_json_that_ends_nothing() -> None:
    value = {"text": NASTY, "numbers": [float("nan"), float("inf"), -float("inf"), 1e308, None, True], "<": (1, 2)}
    text = for_script(value)
    assert not set("<>&\u2028\u2029") & set(text)
    back = json.loads(text)
    assert back["text"] == NASTY
    assert back["numbers"] == ["NaN", "∞", "−∞", 1e308, None, True]
    assert back["<"] == [1, 2]


DRAWN = """
const root = document.querySelector(".pellucid-graph");
const graph = root.pellucidGraph;
const boxes = () => [...root.querySelectorAll(".node[data-key]")].map((box) => box.textContent);
"""


def test_the_pages_draw_in_a_browser(tmp_path: Path) -> None:
    fragments = [viz.graph_fragment(drawing.record) for drawing in drawings().values()]
    page = f"<!DOCTYPE html><html><head></head><body>{''.join(fragments)}</body></html>"
    script = """return [...document.querySelectorAll(".pellucid-graph")].map((root) => [
    root.querySelectorAll(".node[data-key]").length, root.querySelectorAll("svg.drawing path.edge:not(.quiet)").length,
    root.pellucidGraph.view().scale])"""
    found = in_browser(page, tmp_path, script)
    for drawing, (boxes, edges, scale) in zip(drawings().values(), found, strict=True):
        dot = viz.graph(drawing.record).dot
        assert boxes == len(re.findall(r"^\s*[ng]\d+ \[label", dot, re.MULTILINE))
        assert edges == dot.count(" -> ")
        assert scale >= 0.6


def test_a_linear_layer_without_a_bias_shows_none(tmp_path: Path) -> None:
    script = 'return document.querySelector(".pellucid-graph").textContent'
    for bias in (True, False):
        drawing = viz.graph(nn.Linear(2, 3, bias=bias), torch.ones(1, 2))
        assert ("xWᵀ+b" in in_browser(drawing.html(), tmp_path, script)) == bias


def test_the_page_searches_opens_closes_and_tells(tmp_path: Path) -> None:
    page = viz.graph(Recurrent(), torch.ones(2, 12, 3)).html()
    script = (
        DRAWN
        + """
    const told = {};
    const panel = root.querySelector(".panel");
    const field = root.querySelector("input[type=search]");
    const type = (text) => { field.value = text; field.dispatchEvent(new Event("input", { bubbles: true })); };
    const click = (selector) => root.querySelector(selector).dispatchEvent(new MouseEvent("click", { bubbles: true }));
    told.first = boxes();
    type("out.weight");
    told.count = root.querySelector(".hits").textContent;
    told.hidden = boxes().some((text) => text.includes("out.weight"));
    field.dispatchEvent(new KeyboardEvent("keydown", { key: "Enter", bubbles: true }));
    told.revealed = boxes().some((text) => text.includes("out.weight"));
    told.panel = panel.textContent;
    type("no such thing");
    told.none = root.querySelector(".hits").textContent;
    type("");
    const loop = [...root.querySelectorAll(".node.loop")][0];
    loop.querySelector(".sign").dispatchEvent(new MouseEvent("click", { bubbles: true }));
    told.rounds = boxes().filter((text) => text.includes("round ")).length;
    told.frame = root.querySelectorAll(".cluster.loop").length > 0;
    click(".close-all");
    told.closed = boxes();
    click(".open-all");
    told.opened = boxes().length;
    click(".turn");
    click(".fit");
    const linear = [...root.querySelectorAll(".node")].find((box) => box.textContent.includes("linear"));
    linear.dispatchEvent(new PointerEvent("pointermove", { bubbles: true, clientX: 300, clientY: 300 }));
    told.tip = root.querySelector(".tip").hidden ? "" : root.querySelector(".tip").textContent;
    linear.dispatchEvent(new MouseEvent("click", { bubbles: true }));
    told.line = panel.textContent;
    const parameters = root.querySelector("input[name=parameters]");
    parameters.click();
    told.without = boxes().some((text) => text.includes("weight"));
    return told;
    """
    )
    told = in_browser(page, tmp_path, script)
    assert any("12 rounds" in text for text in told["first"])
    assert not any("weight" in text for text in told["first"])
    assert told["count"] == "1 found"
    assert not told["hidden"]
    assert told["revealed"]
    assert "parameter" in told["panel"] and "2 × 4" in told["panel"] and "Value" in told["panel"]
    assert told["none"] == "no match"
    assert told["rounds"] == 12
    assert told["frame"]
    assert len(told["closed"]) == 3  # input, the model, output
    assert told["opened"] > 60
    assert "linear" in told["tip"] and "float32" in told["tip"]
    assert "torch.tanh(self.inputs(x[:, t]) + self.hidden(h))" in told["line"]
    assert "test_graph_page.py" in told["line"]
    assert not told["without"]


def test_a_page_shows_text_as_text(tmp_path: Path) -> None:
    with torch.record_graph(NASTY) as record:
        torch.ones(2) + 1
    drawing = viz.graph(record)
    drawing.record.nodes[0].line = f"file.py:1, in f: {NASTY}"
    drawing.record.nodes[0].name = NASTY
    script = (
        DRAWN
        + """
    graph.reveal("n0");
    const text = (selector) => root.querySelector(selector).textContent;
    return [root.querySelectorAll("b, script").length, text("h3.title"), text(".panel")];
    """
    )
    found = in_browser(drawing.html(), tmp_path, script)
    assert found[0] == 1  # the data, and no other
    assert found[1].split() == NASTY.split()
    assert "<b>" in found[2]


def test_two_fragments_in_one_page_do_not_meet(tmp_path: Path) -> None:
    model, x = network()
    one = viz.graph_fragment(model.__graph__(x), height="20rem", theme="dark")
    other = viz.graph_fragment((torch.ones(1, requires_grad=True) * 2).__graph__())
    page = f"<!DOCTYPE html><html><head></head><body><h2>mine</h2>{one}<p>between</p>{other}</body></html>"
    found = in_browser(
        page, tmp_path,
        """return [...document.querySelectorAll(".pellucid-graph")].map((root) => [
        root.querySelectorAll(".node[data-key]").length, root.offsetHeight, root.classList.contains("dark")])
        .concat([[getComputedStyle(document.querySelector("h2")).fontSize, Object.keys(window).includes("dagre")]]);""",
    )  # fmt: skip
    assert found[0] == [6, 320, True]
    assert found[1] == [2, 640, False]
    assert found[2] == ["24px", False]


class Block(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.a = nn.Sequential(nn.Linear(4, 4), nn.ReLU(), nn.Linear(4, 4))
        self.norm = nn.LayerNorm(4)

    def forward(self, x: Any) -> Any:
        return self.norm(x + self.a(x))


def test_nothing_overlaps_when_all_of_it_is_open(tmp_path: Path) -> None:
    """Boxes and frames are apart or one inside another, upright and turned; and the key for the search works."""
    page = viz.graph(nn.Sequential(Block(), Block()), torch.randn(3, 4), backward=True).html()
    script = (
        DRAWN
        + """
    const met = () => {
      const { frames, boxes } = graph.layout();
      const all = [...frames.map((f) => [f.x, f.y, f.x + f.width, f.y + f.height]), ...[...boxes.values()].map((b) =>
        [b.x - b.width / 2, b.y - b.height / 2, b.x + b.width / 2, b.y + b.height / 2])];
      const inside = (a, b) => a[0] >= b[0] - 1 && a[1] >= b[1] - 1 && a[2] <= b[2] + 1 && a[3] <= b[3] + 1;
      const apart = (a, b) => a[2] <= b[0] + 1 || b[2] <= a[0] + 1 || a[3] <= b[1] + 1 || b[3] <= a[1] + 1;
      return [frames.length, all.flatMap((a, i) => all.slice(0, i).filter((b) =>
        !apart(a, b) && !inside(a, b) && !inside(b, a))).length];
    };
    root.querySelector(".open-all").click();
    const found = [met()];
    root.querySelector(".turn").click();
    found.push(met());
    document.body.dispatchEvent(new KeyboardEvent("keydown", { key: "/", bubbles: true }));
    return [found, document.activeElement.type];
    """
    )
    found, focused = in_browser(page, tmp_path, script)
    assert all(frames > 10 and overlaps == 0 for frames, overlaps in found), found
    assert focused == "search"


def test_too_much_is_not_drawn_at_once(tmp_path: Path) -> None:
    x = torch.tensor(1.0, requires_grad=True)
    y = x
    for _ in range(4000):
        y = y * 1.5
    script = (
        DRAWN
        + """
    const before = boxes();
    root.querySelector(".sign").dispatchEvent(new MouseEvent("click", { bubbles: true }));
    return [before, boxes().length, root.querySelector(".message").textContent];
    """
    )
    before, after, message = in_browser(viz.graph(y).html(), tmp_path, script)
    assert len(before) == after == 1 + 1
    assert message == "4,001 boxes are too many to draw at once"


# --- the command ---------------------------------------------------------------------------------------------------


def test_the_command_writes_the_page_and_prints_the_table(tmp_path: Path) -> None:
    out = tmp_path / "digits.html"
    done = CliRunner().invoke(app, ["graph", "digits", "--model", "mlp:16", "--batch-size", "8", "--out", str(out)])
    assert done.exit_code == 0, done.output
    assert re.search(r"├─ 1: Linear +8 × 16 +1,040 +8,192 +512 B\n", done.output)
    assert f"Graph: {out}" in done.output
    data = data_of(out.read_text(encoding="utf-8"))
    assert data["title"] == "digits · mlp:16"
    assert {row["line"] for row in [*data["nodes"], *data["groups"]]} == {""}  # no line is the user's
    assert data["parameters"] == 64 * 16 + 16 + 16 * 10 + 10


def test_the_command_shows_a_training_step(tmp_path: Path) -> None:
    out = tmp_path / "step.dot"
    done = CliRunner().invoke(app, ["graph", "moons", "--model", "mlp:4", "--backward", "--out", str(out)])
    assert done.exit_code == 0, done.output
    text = out.read_text(encoding="utf-8")
    assert "∂ 0\\ngradient of weight, bias" in text
    assert "CrossEntropyLoss" in text
    assert 'label="target' in text


@pytest.mark.parametrize(
    ("arguments", "message"),
    [
        (["--out", "graph.jpg"], "Write --out graph.html."),
        (["--out", "nowhere/graph.html"], "There is no folder"),
        (["--model", "vgg"], "Unknown model 'vgg'"),
        (["--model", "mpl:32"], "Unknown model 'mpl'. Did you mean mlp?"),
    ],
)  # fmt: skip
def test_the_command_says_what_is_wrong(arguments: list[str], message: str) -> None:
    done = CliRunner().invoke(app, ["graph", "digits", *arguments])
    assert done.exit_code == 2
    assert message in done.output
