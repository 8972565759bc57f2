"""report.html: written for every run, whole by itself, and safe whatever the data are called."""

import importlib
import json
import re
import shlex
import shutil
import subprocess
import sys
from html.parser import HTMLParser
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from matplotlib.figure import Figure
from typer.testing import CliRunner

import pellucid as torch
from pellucid import nn, optim, viz
from pellucid.cli.program import app
from pellucid.experiments import report as of_run
from pellucid.experiments.parts import PARTS, Part
from pellucid.experiments.session import RunSession, start, statistics_every
from pellucid.train import ActivationStats, Callback, GradientStats, RunFolder, watch
from pellucid.viz import document
from pellucid.viz.document import Document, Gallery, Picture, Section, Table, Text
from pellucid.viz.report_samples import Predictions, TrainingData
from tests.browser import in_browser
from tests.sampled import sampled
from tests.trained import Runs

EVIL = "<script>alert(1)</script>"
BREAKOUT = '"><img src=x onerror=alert(1)>'
RUNS = ("plane", "digits", "pets", "circle")


def pellucid(*arguments: object) -> Any:
    return CliRunner().invoke(app, [str(argument) for argument in arguments])


@pytest.fixture(scope="module")
def runs(tmp_path_factory: pytest.TempPathFactory) -> Runs:
    """A folder of runs: images, points in the plane, a real target, classes of a table with names that attack."""
    folder = tmp_path_factory.mktemp("runs")
    rng = np.random.default_rng(0)
    plane = [f"{a:.3f},{b:.3f},{500 + 30 * a - 10 * b:.2f}" for a, b in rng.normal(size=(80, 2))]
    (folder / "plane.csv").write_text("\n".join(["a,b,height", *plane]))
    kinds = [BREAKOUT, r"$\frac$"]
    pets = [
        f'{w:.3f},"{("long", "short <i>")[i % 2]}","{kinds[i % 2].replace(chr(34), chr(34) * 2)}"'
        for i, w in enumerate(rng.normal(size=60))
    ]
    (folder / "pets.csv").write_text("\n".join([f'"{EVIL}",_fur$,kind', *pets]))
    words: dict[str, list[object]] = {
        "digits": ["digits", "--epochs", 2],
        "circle": ["circle", "--epochs", 3, "--model", "mlp:8"],
        "plane": [folder / "plane.csv", "--target", "height", "--epochs", 2, "--model", "mlp:4"],
        "pets": [folder / "pets.csv", "--target", "kind", "--epochs", 1, "--model", "mlp:4", "--lr", 1e-6],
    }
    return Runs(folder, words)


class Page(HTMLParser):
    """The elements of a page; what is opened must be closed in its turn."""

    VOID = frozenset({"meta", "link", "img", "br", "input", "hr"})

    def __init__(self, text: str) -> None:
        super().__init__()
        self.elements: list[tuple[str, dict[str, str | None]]] = []
        self.words: dict[str, list[str]] = {}
        self._open: list[str] = []
        self.feed(text)
        self.close()
        assert not self._open

    def handle_starttag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))
        if tag not in self.VOID:
            self._open.append(tag)
        if tag == "pre":
            self.words.setdefault("pre", []).append("")

    def handle_startendtag(self, tag: str, attrs: list[tuple[str, str | None]]) -> None:
        self.elements.append((tag, dict(attrs)))

    def handle_endtag(self, tag: str) -> None:
        assert self._open.pop() == tag

    def handle_data(self, data: str) -> None:
        if "pre" in self._open:  # whatever its parts are
            self.words["pre"][-1] += data
        else:
            self.words.setdefault(self._open[-1] if self._open else "", []).append(data)

    def all(self, tag: str) -> list[dict[str, str | None]]:
        return [attributes for name, attributes in self.elements if name == tag]

    @property
    def contents(self) -> list[str]:
        """The table of contents."""
        return self.words.get("a", [])

    def text(self, *tags: str) -> str:
        return " ".join(word for tag in tags or self.words for word in self.words.get(tag, []))


def read(runs: Runs, name: str) -> str:
    return (runs / name / "report.html").read_text(encoding="utf-8")


# What is in it


@pytest.mark.parametrize("name", sampled(RUNS, 2))
def test_the_page_is_one_file_and_says_in_words_what_its_pictures_show(runs: Runs, name: str) -> None:
    page = Page(read(runs, name))
    for tag, attributes in page.elements:
        for key in ("src", "href", "xlink:href", "srcset", "poster", "action", "data"):
            value = attributes.get(key) or ""
            assert value.startswith(("#", "data:")) or not value, (tag, key, value[:80])
        assert not [key for key in attributes if key.startswith("on")], (tag, attributes)
        if tag == "img":
            assert attributes.get("alt")
        if tag == "svg" and "plot" in (attributes.get("class") or ""):
            assert attributes.get("role") == "img" and attributes.get("aria-label")
    styles = page.text("style") + " ".join(attributes.get("style") or "" for _, attributes in page.elements)
    assert "@import" not in styles
    assert not re.search(r"url\((?!['\"]?(#|data:))", styles)
    policy = next(m["content"] for m in page.all("meta") if m.get("http-equiv") == "Content-Security-Policy")
    assert policy is not None and policy.startswith("default-src 'none'") and "http" not in policy
    identities = [attributes["id"] for _, attributes in page.elements if attributes.get("id")]
    assert len(identities) == len(set(identities))
    targets = {(a.get("href") or "")[1:] for a in page.all("a")}
    assert targets and targets <= set(identities)
    assert len(read(runs, name)) < 3_000_000


@pytest.mark.parametrize(
    ("name", "sections", "words"),
    sampled(
        [
            (
                "plane",
                ["Curves", "Data", "Predictions", "Inside the network", "Model"],
                ["R²", "height", "largest errors"],
            ),
            ("digits", ["Curves", "Data", "Predictions", "Inside the network", "Model"], ["1,438 training", "4,810"]),
            ("pets", ["Curves", "Data", "Predictions", "Inside the network", "Model"], ["first rows", EVIL, BREAKOUT]),
            ("circle", ["Curves", "Data", "Predictions", "Inside the network", "Model"], ["8,000 training", "relief"]),
        ],
        2,
    ),
)
def test_what_a_run_is_shown_by(runs: Runs, name: str, sections: list[str], words: list[str]) -> None:
    page = Page(read(runs, name))
    notes = ["Notes"] if name == "pets" else []  # so few of them that nothing is learned, and the page says so
    assert page.contents == [*notes, *sections, "Settings", "Environment", "Commands"]
    shown = page.text("p", "td", "th", "dd", "span", "figcaption", "summary", "pre", "h1")
    stored = json.loads((runs / name / "config.json").read_text())
    state = "did not learn" if name == "pets" else "complete"
    for word in [*words, state, stored["data"]["fingerprint"], np.__version__, "pellucid train", "--seed 0"]:
        assert word in shown, word
    pictures = [a.get("aria-label") or a.get("alt") or "" for tag, a in page.elements if tag in ("svg", "img")]
    assert any("training loss goes from" in told for told in pictures)
    assert any("Heat maps" in told for told in pictures)
    if name == "digits":
        assert sum(told.startswith("image labelled") for told in pictures) == 20
        assert any("taken for" in told for told in pictures)


@pytest.mark.slow
def test_the_statistics_are_in_the_folder(runs: Runs) -> None:
    """About twenty records of a short run, at least one in 200 steps of a long one."""
    activations = ActivationStats.load(runs / "digits/activations.npz").record()
    assert list(activations) == ["1", "2", "3"]
    assert activations["2"]["step"].tolist() == [1, *range(4, 91, 4)]
    gradients = GradientStats.load(runs / "digits/gradients.npz").record()
    assert list(gradients) == ["1.weight", "1.bias", "3.weight", "3.bias"]
    assert [statistics_every(steps) for steps in (1, 20, 2150, 10**6)] == [1, 1, 107, 200]


@pytest.mark.slow
def test_the_curves_are_those_of_the_run(runs: Runs) -> None:
    page = Page(read(runs, "digits"))
    summary = json.loads((runs / "digits/summary.json").read_text())
    values = [text for text in page.words["span"] if re.fullmatch(r"[\d.,]+", text)]
    assert values[:3] == [f"{summary[name]:.4g}" for name in ("val_accuracy", "val_loss", "train_loss")]


def test_names_that_attack_stay_words(runs: Runs) -> None:
    page = Page(read(runs, "pets"))
    assert not [a for a in page.all("img") if not (a.get("src") or "").startswith("data:")]
    # As code the words stand nowhere: in the scripts at most as text of the graph, where "<" is escaped.
    assert EVIL not in page.text("script") and "<script>alert" not in page.text("style")
    assert len(page.all("script")) == len(Page(read(runs, "plane")).all("script"))


def console(browser: str, profile: Path, page: Path) -> tuple[list[str], str]:
    """What the browser's console says of a page, and the page as its scripts left it."""
    quiet = ["--headless", "--no-sandbox", "--disable-gpu", "--enable-logging=stderr", "--virtual-time-budget=3000"]
    done = subprocess.run(
        [browser, *quiet, f"--user-data-dir={profile}", "--dump-dom", page.as_uri()],
        capture_output=True,
        text=True,
        timeout=300,
    )
    return [line for line in done.stderr.splitlines() if "CONSOLE" in line], done.stdout


@pytest.mark.slow
def test_the_browser_has_nothing_to_complain_of(runs: Runs, tmp_path: Path) -> None:
    browser = next(filter(None, map(shutil.which, ("chromium", "chromium-browser", "google-chrome"))), None)
    if browser is None:
        pytest.skip("no Chromium on this machine to open the pages with")
    wrong = tmp_path / "wrong.html"
    wrong.write_text("<!DOCTYPE html><script>nothing.there()</script>")
    assert console(browser, tmp_path, wrong)[0]  # this is how it would be seen
    for name in ("digits", "pets"):
        said, left = console(browser, tmp_path, runs / name / "report.html")
        assert not said
        assert left.count('<g class="node') > 4  # the graph was drawn


# When and from what it is written


@pytest.mark.slow
def test_a_complete_run_that_is_resumed_has_the_same_page(runs: Runs) -> None:
    before = {path.name: path.read_bytes() for path in (runs / "pets").iterdir() if path.is_file()}
    assert "report.html" in before
    assert pellucid("train", "--resume", runs / "pets").exit_code == 0
    assert {path.name: path.read_bytes() for path in (runs / "pets").iterdir() if path.is_file()} == before


@pytest.mark.slow
def test_a_run_whose_data_are_elsewhere(runs: Runs, tmp_path: Path) -> None:
    """The folder is enough for all but the pictures of samples; told where the data are, these are there too."""
    moved = shutil.copytree(runs / "plane", tmp_path / "moved")
    config = json.loads((moved / "config.json").read_text())
    config["config"]["dataset"] = str(tmp_path / "gone.csv")
    (moved / "config.json").write_text(json.dumps(config))
    result = pellucid("report", moved)
    assert result.exit_code == 0 and "gone.csv" in result.output and "--data PATH" in result.output
    page = Page((moved / "report.html").read_text(encoding="utf-8"))
    assert page.contents[:3] == ["Notes", "Curves", "Data"] and "Predictions" not in page.contents
    assert "Model" in page.contents
    found = of_run.gather(RunFolder(moved), where=runs / "plane.csv")
    assert found.predictions is not None and found.data is not None and not found.notes
    assert found.data.head == (["a", "b", "height"], read_head(runs / "plane.csv"))
    other = tmp_path / "other.csv"
    other.write_text((runs / "plane.csv").read_text().replace("0.1", "0.2"))
    (note,) = of_run.gather(RunFolder(moved), where=other).notes
    assert "their checksum differs" in note


def read_head(path: Path) -> list[list[str]]:
    return [line.split(",") for line in path.read_text().splitlines()[1:9]]


def test_a_damaged_part_is_named_and_left_out(runs: Runs, tmp_path: Path) -> None:
    damaged = shutil.copytree(runs / "plane", tmp_path / "damaged")
    for name in ("activations.npz", "model.safetensors"):
        (damaged / name).write_bytes((damaged / name).read_bytes()[:-50])
    (damaged / "summary.json").unlink()
    result = pellucid("report", damaged)
    assert result.exit_code == 0
    assert "Without statistics" in result.output and "Without the network" in result.output
    page = Page((damaged / "report.html").read_text(encoding="utf-8"))
    assert "Curves" in page.contents and "Model" not in page.contents
    assert "unfinished" in page.words["span"] and f"pellucid train --resume {damaged}" in page.text("pre")


@pytest.mark.parametrize(
    ("arguments", "words"),
    [(["nowhere"], "no run folder nowhere"), (["."], "holds 2 runs"), (["a/checkpoints"], "no config.json")],
)
def test_a_folder_without_a_run(
    runs: Runs, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, arguments: list[str], words: str
) -> None:
    for name in "ab":
        shutil.copytree(runs / "plane", tmp_path / name)
    monkeypatch.chdir(tmp_path)
    result = pellucid("report", *arguments)
    assert result.exit_code == 2 and words in result.output


def test_a_run_that_diverged_has_a_page_that_says_so(tmp_path: Path) -> None:
    run = tmp_path / "run"
    result = pellucid("train", "moons", "--optimizer", "sgd", "--lr", 1e9, "--out", run)
    assert result.exit_code == 1
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "diverged" in page.words["span"]
    assert "The loss became" in page.text("p") and "linear is the first op" in page.text("p")
    assert not [told for told in page.all("svg") if "Confusion" in (told.get("aria-label") or "")]  # all is NaN


class Interrupts(Callback):
    """Ends a run in a step, as Ctrl-C does."""

    def __init__(self, session: RunSession) -> None:
        self.session = session

    def after_step(self, learner: Any) -> None:
        if learner.step == 69:
            self.session.stop()


@pytest.mark.slow
def test_a_run_that_was_interrupted_has_a_page_that_says_how_to_go_on(tmp_path: Path) -> None:
    session = start({"dataset": "moons", "model": "logistic"}, tmp_path / "run", quiet=True)
    session.learner.add(Interrupts(session))
    assert session.run() == "stopped"
    session.write_report()
    page = Page((tmp_path / "run/report.html").read_text(encoding="utf-8"))
    assert "unfinished" in page.words["span"] and "of 30; 70 steps" in page.words["span"]
    assert f"pellucid train --resume {tmp_path / 'run'}" in page.text("pre")
    assert "Predictions" in page.contents and "Inside the network" in page.contents


@pytest.mark.parametrize("missing", sampled(["jinja2", "a part of the page"], 2))
def test_a_run_is_whole_without_its_page(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, missing: str) -> None:
    if missing == "jinja2":
        monkeypatch.setitem(sys.modules, "jinja2", None)
    else:
        monkeypatch.setattr(of_run, "render", lambda page: [][0])
    result = pellucid("train", "moons", "--epochs", 1, "--out", tmp_path / "run")
    assert result.exit_code == 0
    told = 'pip install "pellucid[standard]"' if missing == "jinja2" else "IndexError"
    assert "No report.html was written" in result.output and told in result.output
    assert (tmp_path / "run/summary.json").exists() and not (tmp_path / "run/report.html").exists()
    if missing == "jinja2":
        result = pellucid("report", tmp_path / "run")
        assert result.exit_code == 2 and told in result.output


@pytest.mark.slow
def test_the_command_of_the_page_makes_the_same_run(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    words = ["moons", "--epochs", 2, "--model", "mlp:3", "--callback", "ema:decay=0.9", "--schedule", "cosine"]
    assert pellucid("train", *words, "--no-report", "--out", "one").exit_code == 0
    command = next(text for caption, text in of_run.gather(RunFolder("one")).commands if caption == "The same run")
    program, *rest = shlex.split(command)
    assert program == "pellucid"
    assert pellucid(*rest, "--no-report", "--out", "two").exit_code == 0
    for name in ("config.json", "model.safetensors"):
        assert Path("one", name).read_bytes() == Path("two", name).read_bytes()


@pytest.mark.slow
def test_a_part_more_is_kept_and_shown(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """One entry, and the run records it, leaves its file, and shows its picture; nothing else is touched."""

    def picture(record: Any) -> Picture:
        return Picture(Figure(), f"Weights of {', '.join(record)}.")

    more = (*PARTS, Part("weights", GradientStats, picture))
    for module in (of_run, importlib.import_module("pellucid.experiments.session")):
        monkeypatch.setattr(module, "PARTS", more)
    run = tmp_path / "run"
    assert pellucid("train", "moons", "--model", "logistic", "--epochs", 1, "--out", run).exit_code == 0
    assert (run / "weights.npz").exists()
    page = Page((run / "report.html").read_text(encoding="utf-8"))
    assert "Weights of" in " ".join(picture.get("aria-label") or "" for picture in page.all("svg"))


# Without the command line


def test_a_page_of_few_parts(tmp_path: Path) -> None:
    assert viz.report(tmp_path / "empty.html") == tmp_path / "empty.html"
    page = Page((tmp_path / "empty.html").read_text(encoding="utf-8"))
    assert page.text("h1") == "A run" and not page.contents
    rows = [{"kind": "step", "epoch": 1, "step": i, "train_loss": 1 / i, "lr": 0.1} for i in range(1, 50)]
    viz.report(tmp_path / "rows.html", title=f"{EVIL} & more", recorder=rows, settings={"lr": 0.1, EVIL: None})
    page = Page((tmp_path / "rows.html").read_text(encoding="utf-8"))
    assert page.text("h1").strip() == page.text("title") == f"{EVIL} & more"
    assert page.contents == ["Curves", "Settings"]
    with pytest.raises(TypeError, match="recordr"):
        viz.report(tmp_path / "typo.html", recordr=rows)
    assert not (tmp_path / "typo.html").exists()


@pytest.mark.slow
def test_a_page_of_ones_own_loop(tmp_path: Path) -> None:
    model = nn.Sequential(nn.Linear(2, 3), nn.ReLU(), nn.Linear(3, 1))
    optimizer = optim.SGD(model.parameters(), lr=0.1)
    with watch(model, optimizer, every=2) as watcher:
        for _ in range(4):
            optimizer.zero_grad()
            (model(torch.ones(5, 2)) ** 2).mean().backward()
            optimizer.step()
    watcher.report(tmp_path / "own.html", inputs=[torch.ones(1, 2)], title="by hand")
    page = Page((tmp_path / "own.html").read_text(encoding="utf-8"))
    assert page.contents == ["Curves", "Inside the network", "Model"]


def test_images_in_colour_and_nan() -> None:
    """What no data set of the command line has: images in colour, and some outputs that are NaN."""
    rng = np.random.default_rng(0)
    images = rng.random((6, 4, 5, 3))
    output = np.array([[0.9, 0.1]] * 3 + [[np.nan, np.nan]] * 3)
    report = importlib.import_module("pellucid.viz.report")
    shown = document.render(
        report.compose(
            report.RunReport(
                data=TrainingData(x=images, y=np.array([0, 1] * 3), class_names=["cat", "dog"]),
                predictions=Predictions("test", images, [0, 1, 1, 0, 1, 0], output, class_names=["cat", "dog"]),
            )
        )
    )
    page = Page(shown)
    assert "For 3 of 6 samples the network answers NaN." in page.text("p")
    assert "Confusion matrix: 1 of 3 samples are on its diagonal, 33.3%." in shown
    assert "All mistakes" in page.text("figcaption")


def test_blocks() -> None:
    figure = Figure()
    figure.subplots().set_title("a < b & c")
    blocks = [
        Table(["class", "n"], [["a", 3], ["b", 0], [EVIL, None]], "counts"),
        Table(["class", "n"], [["a", 4], ["b", 1]], bars="n", folded=True, caption="folded"),
        Gallery(np.full((1, 2, 2), np.nan), ["one"], ["a picture of nothing"]),
        Picture(figure, 'alt "of" <it>', "caption"),
        Picture(figure, "pixels", pixels=True),
        Text(BREAKOUT, "warning"),
    ]
    page = Page(document.render(Document("title", [Section("A & B", blocks)])))
    assert page.text("td").split() == ["a", "3", "b", "0", *EVIL.split(), "–", "a", "4", "b", "1"]
    assert [i["style"] for i in page.all("i")] == ["width:100.0%", "width:25.0%"]
    assert next(s for s in page.all("svg"))["aria-label"] == 'alt "of" <it>'
    assert "a < b & c" in page.text("text")
    assert [i["alt"] for i in page.all("img")] == ["a picture of nothing", "pixels"]
    assert page.all("h2") == [{"id": "a-b"}]


@pytest.mark.parametrize(
    ("value", "shown"),
    [
        (None, "–"), (True, "yes"), (1234567, "1,234,567"), (0.93214, "0.9321"), (12345.678, "12,346"),
        (3.21e-7, "3.21e-07"), (0.00048612, "0.000486"), (float("nan"), "NaN"), (float("-inf"), "−∞"), (0.0, "0"),
        ("x", "x"), (np.float32(0.5), "0.5"),
    ],
)  # fmt: skip
def test_cells(value: Any, shown: str) -> None:
    assert document.cell(value) == shown


# The policy


def pages(folder: Path) -> dict[str, str]:
    """A page of each kind that has one, as it is written."""
    from pellucid import nn, randn, tensor
    from pellucid.derivation import explain

    model = nn.Sequential(nn.Linear(2, 3), nn.Tanh())
    made = {"graph": viz.graph(model, randn(2, 2)), "op": explain("tanh"), "walk": explain(model, tensor([[1.0, 2.0]]))}
    for name, page in made.items():
        page.save(folder / f"{name}.html")
    rows = [{"kind": "epoch", "epoch": i, "step": i, "train_loss": 1 / i} for i in (1, 2)]
    viz.report(folder / "report.html", recorder=rows, model=model, inputs=[randn(2, 2)])
    return {path.stem: path.read_text(encoding="utf-8") for path in folder.glob("*.html")}


@pytest.mark.slow
def test_a_page_runs_its_own_scripts_and_no_other(tmp_path: Path) -> None:
    for name, page in pages(tmp_path).items():
        found = re.search(r'<meta http-equiv="Content-Security-Policy" content="([^"]*)">', page)
        assert found is not None and page.index(found[0]) < page.index("<title>") < 4000, name
        policy = {word.split()[0]: word.split()[1:] for word in found[1].split("; ")}
        assert policy["default-src"] == ["'none'"]
        assert not {"'unsafe-inline'", "'unsafe-eval'"} & {*policy.get("script-src", ()), *policy["style-src-elem"]}
        assert in_browser(page, tmp_path, "return document.title")  # and the console has nothing to say
        folder = tmp_path / f"{name} attacked"
        folder.mkdir()
        attacked = page.replace("<body>", "<body><script>document.title = 'mine'</script>", 1)
        assert attacked != page
        script = "const found = [document.title, ...troubles]; troubles.length = 0; return found"
        title, *refused = in_browser(attacked, folder, script)
        assert title != "mine" and len(refused) == 1 and refused[0].startswith("policy: script-src")


def test_a_drawing_is_set_in_the_letters_of_the_page_and_holds_no_name_that_nothing_refers_to() -> None:
    figure = Figure(figsize=(3, 2))
    axes = figure.subplots()
    axes.plot([0.123456789, 1], [0, 1], marker="o")
    axes.set(yscale="log", ylim=(1e-3, 1), xlabel="0.123456 of font-family: Serif; at step 2.71828, id")
    text = document.svg(figure, "f7", "", "")
    assert "0.123456 of font-family: Serif; at step 2.71828, id</text>" in text  # what the user wrote stays
    written = set(re.findall(r'style="[^"]*font-family: ([^;"]+)', text))
    assert written == {"var(--font)"}
    names = re.findall(r' id="([^"]+)"', text)
    used = re.findall(r'url\(#([^)]+)\)|href="#([^"]+)"', text)
    assert set(names) == {"".join(pair) for pair in used} and all(name.startswith("f7-") for name in names)
    places = re.findall(r' (?:x|y)="([^"]+)"', text)
    assert places and all(len(place.partition(".")[2]) <= 2 for place in places)


def test_what_was_too_large_as_a_drawing_is_laid_out_once(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(document, "MOST_SVG", 10)
    figure = Figure(layout="constrained")
    figure.subplots()
    engine = figure.get_layout_engine()
    count = []
    monkeypatch.setattr(type(engine), "execute", lambda *_: count.append(1))
    assert document.embed(Picture(figure, "a"), "f").startswith("<img")
    assert count == [1] and figure.get_layout_engine() is engine
    document.embed(Picture(figure, "a", pixels=True), "f")
    assert len(count) > 1
