"""`pellucid playground`: what trains is the written program, with its mistakes; only the page can drive it."""

import importlib.util
import json
import queue
import re
import runpy
import signal
import subprocess
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import Finding, Report
from pellucid.playground import MISTAKES, Settings, SettingsError, write
from pellucid.playground import server as served
from pellucid.playground.session import Session
from pellucid.playground.settings import ACTIVATIONS, CLASSES, DATA, LOSSES, OPTIMISERS
from pellucid.playground.training import Training
from pellucid.playground.verdict import verdict
from tests.devtools import chromium, tab
from tests.pages import ROOT
from tests.sampled import sampled

SMALL: dict[str, Any] = {"samples": 40, "batch": 10}
TOKEN, HOST = "secret", "127.0.0.1:8765"
OWN = {"host": HOST, "origin": f"http://{HOST}"}  # what the page's own socket says
pytestmark = pytest.mark.filterwarnings("ignore:Using .httpx. with")  # Starlette's, where it is imported first


def printed(source: str, folder: Path, capsys: Any, epochs: int = 2) -> list[list[float]]:
    """The losses that a program prints, for each epoch."""
    path = folder / "program.py"
    path.write_text(source.replace("EPOCHS = 100", f"EPOCHS = {epochs}"))
    runpy.run_path(str(path), run_name="__main__")
    return [
        [float(number) for number in re.findall(r"loss (\S+)", line)] for line in capsys.readouterr().out.splitlines()
    ]


def trained(settings: Settings, name: str | None = None, epochs: int = 2, look: bool = False) -> Training:
    training = Training(settings, MISTAKES[name] if name else None)
    for _ in range(epochs * len(training.program.loader)):
        training.run(1)
        if look:
            training.frame()
    return training


def rounded(training: Training) -> list[list[float]]:
    """The losses of each epoch, as the program prints them."""
    return [[float(f"{loss:.6f}") for loss in row[1:]] for row in training.epochs[1:]]


# Programs -------------------------------------------------------------------------------------------------------------

WAYS = [
    *({"data": data, "loss": "mse" if data == "plane" else "cross-entropy"} for data in DATA),
    *({"data": data, "outputs": outputs} for data, counts in CLASSES.items() for outputs in counts),
    *({"activation": name} for name in ACTIVATIONS),
    *({"loss": name, "outputs": outputs} for name in LOSSES for outputs in (1, 2)),
    *({"optimiser": name, "rate": 0.01} for name in OPTIMISERS),
    *({"regularisation": kind, "strength": 0.01} for kind in ("l1", "l2")),
    {"optimiser": "adamw", "regularisation": "l2"},
    {"hidden": ()},
    {"hidden": (3, 2, 4)},
    {"seed": 7, "share": 0.5, "noise": 0.3},
]


@pytest.mark.parametrize("way", sampled(WAYS, 11), ids=str)
def test_the_program_gets_the_losses_of_the_page(way: dict[str, Any], tmp_path: Path, capsys: Any) -> None:
    settings = Settings(**{**SMALL, **way})
    training = trained(settings)
    assert printed(training.source, tmp_path, capsys) == rounded(training)
    assert training.epochs[2] != training.epochs[0]


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", sampled(list(MISTAKES), 12))
def test_a_planted_mistake_is_in_the_program_and_in_the_training(name: str, tmp_path: Path, capsys: Any) -> None:
    """Its losses are those of the page, and are not those of the right program with the same settings."""
    mistake = MISTAKES[name]
    training = trained(Settings(**SMALL), name)
    np.testing.assert_array_equal(printed(training.source, tmp_path, capsys), rounded(training))
    right = trained(mistake.adapted(Settings(**SMALL)))
    assert mistake.edits == () or not np.array_equal(right.epochs[1:], training.epochs[1:], equal_nan=True)
    assert mistake.edits != () or training.settings != Settings(**SMALL)


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize("name", sampled(list(MISTAKES), 13))
def test_a_mistake_is_planted_whatever_is_set(name: str) -> None:
    """Also in a regression by a linear network, for those that need classes and layers."""
    settings = Settings(data="plane", loss="huber", hidden=(), activation="elu", optimiser="adamw", **SMALL)
    assert trained(settings, name, epochs=1).seen


def test_thirty_mistakes_with_causes_that_the_doctor_knows() -> None:
    sources = (ROOT / "src" / "pellucid" / "doctor").rglob("*.py")
    known = set(re.findall(r'"([a-z-]+)"', "".join(path.read_text(encoding="utf-8") for path in sources)))
    assert len(MISTAKES) >= 30
    assert f"one of {len(MISTAKES)} can be planted" in (ROOT / "docs" / "playground.md").read_text(encoding="utf-8")
    for mistake in MISTAKES.values():
        assert {mistake.cause, *mistake.also} <= known, mistake.name
    assert len({mistake.title for mistake in MISTAKES.values()}) == len(MISTAKES)


@pytest.mark.slow
def test_a_downloaded_program_runs_by_itself(tmp_path: Path) -> None:
    (tmp_path / "playground.py").write_text(write(Settings(**SMALL)).replace("EPOCHS = 100", "EPOCHS = 3"))
    done = subprocess.run([sys.executable, "playground.py"], cwd=tmp_path, capture_output=True, text=True, check=True)
    assert done.stdout.count("test loss") == 3


@pytest.mark.parametrize(
    ("given", "said"),
    [
        ({"data": "houses"}, "choose one of circles"),
        ({"noise": float("nan")}, "a number from 0 to 1"),
        ({"samples": 2.5}, "a whole number from 20 to 2000"),
        ({"samples": True}, "a whole number"),
        ({"hidden": [0]}, "a whole number from 1 to 64"),
        ({"hidden": "8"}, "at most 6 layers"),
        ({"hidden": [1] * 7}, "at most 6 layers"),
        ({"rate": "0.1; import os"}, "a number from"),
        ({"data": "plane"}, "choose mse, mae or huber"),
        ({"data": "plane", "loss": "mse", "outputs": 2}, "has 1 output"),
        ({"data": "moons", "outputs": 3}, "choose 1 or 2"),
        ({"code": "print()"}, "there is no setting code"),
        ([1], "received list"),
    ],
)
def test_a_choice_that_cannot_be_trained_is_refused(given: Any, said: str) -> None:
    with pytest.raises(SettingsError, match=said):
        Settings.from_dict(given)


# Training -------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", [None, "strong-dropout", "dropout-in-test"])
def test_looking_changes_nothing(name: str | None) -> None:
    settings = Settings(**SMALL)
    assert trained(settings, name, look=True).epochs == trained(settings, name).epochs


def test_two_pages_do_not_disturb_each_other() -> None:
    one, two = (Training(Settings(**SMALL), MISTAKES["strong-dropout"]) for _ in range(2))
    for _ in range(2 * len(one.program.loader)):
        one.run(1)
        two.run(1)
    assert one.epochs == two.epochs == trained(Settings(**SMALL), "strong-dropout").epochs


def frame_of(data: bytes) -> tuple[dict[str, Any], list[np.ndarray]]:
    length = int.from_bytes(data[:4], "little")
    header, at, parts = json.loads(data[4 : 4 + length]), 4 + length, []
    for i, count in enumerate(header["lengths"]):
        parts.append(np.frombuffer(data[at : at + count], "<f4" if i < 2 else np.uint8))
        at += count
    assert at == len(data)
    return header, parts


def test_a_frame_holds_weights_gradients_and_pictures() -> None:
    training = trained(Settings(**SMALL), epochs=1)
    header, (weights, gradients, units, output) = frame_of(training.frame(since=1))
    assert (header["epoch"], header["step"], header["epochs"][0][0]) == (1, 3, 1)
    first = training.linears[0]
    np.testing.assert_array_equal(weights[:8].reshape(4, 2), first.weight.detach().numpy())
    np.testing.assert_array_equal(gradients[8:12], first.bias.grad.numpy())  # pyright: ignore[reportOptionalMemberAccess]
    assert (len(units), len(output)) == (6 * 20 * 20, 48 * 48)
    inside = training.program.predict(np.zeros((1, 2))).item() * 255  # the middle of the plane is in the picture
    assert abs(output.reshape(48, 48)[22:26, 22:26].mean() - inside) < 20


def test_the_picture_of_a_unit_is_its_value_over_the_plane() -> None:
    training = Training(Settings(**SMALL, hidden=(1,)))
    with training._unseen():
        pictures, _ = training._pictures()
    model, low, side = training.model, training.low, training.side
    corner = np.array([[low[0] + side / 40, low[1] + side - side / 40]])  # the middle of the first square: above, left
    value = model[1](model[0](training.program.prepare(corner))).item()  # type: ignore[index]
    scale = np.abs(pictures[0].astype(float) - 128).max()
    assert abs((pictures[0][0] - 128.0) / scale * 1.0) <= 1 and np.sign(pictures[0][0] - 128.0) == np.sign(value)


@pytest.mark.parametrize(
    ("name", "right"),
    [(None, True), ("strong-dropout", True), ("missing-activation-derivative", False), ("no-zero-grad", False)],
)
def test_a_weight_has_its_gradient_and_the_slope_by_differences(name: str | None, right: bool) -> None:
    training = Training(Settings(**SMALL, regularisation="l1"), MISTAKES[name] if name else None)
    assert training.weight(0, 0, 0)["gradient"] is None
    training.run(3)
    before = training.frame()
    found = [training.weight(0, unit, source) for unit in range(4) for source in (-1, 0, 1)]
    off = max(abs(row["gradient"] - row["checked"]) for row in found)
    assert (off < 1e-5) == right
    assert training.frame() == before
    with pytest.raises(LookupError, match="no layer 9"):
        training.weight(8, 0, 0)
    with pytest.raises(LookupError, match="no weight from 4 to 1"):
        training.weight(0, 0, 3)


def test_the_loss_surface_has_the_loss_in_its_middle() -> None:
    training = trained(Settings(**SMALL), epochs=1)
    found = training.surface()
    assert found["losses"][7][7] == pytest.approx(training.epochs[-1][1], rel=1e-5)
    assert found == training.surface()


# A page's orders ------------------------------------------------------------------------------------------------------


class Page:
    """A session, and what it sends."""

    def __init__(self) -> None:
        self.answers: queue.Queue[Any] = queue.Queue()
        self.session = Session(self.answers.put)
        self.session.start()

    def ask(self, **order: Any) -> None:
        self.session.order(order)

    def next(self, kind: str) -> Any:
        """The next answer of a kind, "frame" for one; the others are passed over."""
        while True:
            answer = self.answers.get(timeout=30)
            if isinstance(answer, bytes):
                if kind == "frame":
                    return frame_of(answer)[0]
            elif answer["kind"] == kind:
                return answer

    def __enter__(self) -> "Page":
        self.ask(do="settings", settings=SMALL)
        return self

    def __exit__(self, *_: Any) -> None:
        self.session.close()


def test_a_page_plays_pauses_steps_and_resets() -> None:
    with Page() as page:
        assert page.next("begun")["sizes"] == [2, 4, 2, 1]
        assert page.next("frame")["step"] == 0
        page.ask(do="step")
        assert page.next("frame")["step"] == 1
        page.ask(do="play")
        page.ask(do="frame")
        assert page.next("frame")["step"] > 1
        page.ask(do="pause")
        paused = page.next("frame")["step"]
        page.ask(do="step")
        assert page.next("frame")["step"] == paused + 1
        page.ask(do="speed", speed=1)
        page.ask(do="reset")
        assert page.next("frame")["step"] == 0


@pytest.mark.parametrize(
    ("order", "said"),
    [
        ({"do": "settings", "settings": {"batch": 100, "samples": 50}}, "a batch of 100"),
        ({"do": "settings", "settings": {"rate": -1}}, "rate is -1"),
        ({"do": "run", "code": "1"}, "no order"),
        ({}, "no order"),
        ({"do": "plant", "mistake": "all"}, "no mistake"),
        ({"do": "speed", "speed": "9"}, "speed is '9'"),
        ({"do": "weight", "layer": "0"}, "named by layer"),
        ({"do": "guess", "mistake": "detached"}, "no quiz"),
    ],
)
def test_what_a_page_cannot_ask_for_is_refused(order: dict[str, Any], said: str) -> None:
    with Page() as page:
        page.next("frame")
        page.session.order(order or {"do": None})
        assert said in page.next("refused")["text"]


def test_a_quiz_does_not_give_itself_away() -> None:
    with Page() as page:
        page.next("frame")
        page.session._draw.seed(0)
        page.ask(do="quiz")
        begun = page.next("begun")
        assert (begun["mistake"], begun["quiz"]) == (None, True)
        page.ask(do="program")
        assert "guess first" in page.next("refused")["text"]
        planted = page.session._mistake
        assert planted is not None
        page.ask(do="guess", mistake=planted.name)
        answer = page.next("guessed")
        assert answer["right"] and answer["why"] == planted.why
        page.ask(do="program")
        assert page.next("program")["text"] == write(Settings(**SMALL), planted)


@pytest.mark.slow
def test_the_doctor_ends_with_the_page() -> None:
    with Page() as page:
        page.next("frame")
        page.ask(do="doctor")
        page.ask(do="doctor")
        assert "looking at it already" in page.next("refused")["text"]
        while page.session._examiner is None:
            page.ask(do="step")
            page.next("frame")
        examiner = page.session._examiner
        assert examiner.poll() is None
    assert examiner.poll() is not None
    assert "could not look at it" in page.next("refused")["text"]


def test_an_error_of_the_program_is_shown() -> None:
    with Page() as page:
        page.next("frame")

        def broken(*_: Any) -> float:
            raise RuntimeError("no such batch")

        assert page.session._training is not None
        page.session._training.program.step = broken
        page.ask(do="step")
        assert page.next("failed")["text"] == "RuntimeError: no such batch"


def test_a_verdict_is_shown_step_by_step() -> None:
    finding = Finding(
        "lr-too-high", "error", 0.9, "It was tried.", "It jumps.", "lr=0.1", "playground.py", 7, "optimizer = …",
        verified=True, fork={"as it was": [1.0, 2.0], "with the fix": [1.0, 0.5], "what": "loss"},
    )  # fmt: skip
    report = Report("faults", [finding], {"loss": {"title": "mse"}}, seconds=3.0)
    found = verdict(report, MISTAKES["rate-too-high"])
    assert [step["title"] for step in found["steps"]] == [
        "What the doctor saw", "Measured (lr-too-high)", "What it means", "Tried in a fork of the program",
        "What to write", "Verdict",
    ]  # fmt: skip
    assert found["found"] is True and verdict(report, MISTAKES["detached"])["found"] is False
    assert found["steps"][3]["curves"] == {"as it was": [1.0, 2.0], "with the fix": [1.0, 0.5]}
    assert verdict(Report("inconclusive", reason="Too short."))["steps"][-1]["text"].startswith(
        "It could not be told. Too"
    )


# The server -----------------------------------------------------------------------------------------------------------


@pytest.fixture
def client() -> Any:
    if importlib.util.find_spec("starlette") is None or importlib.util.find_spec("httpx") is None:
        pytest.skip('starlette and httpx are not installed: pip install "pellucid[test]"')
    from starlette.testclient import TestClient

    return TestClient(served.application(TOKEN, 8765), base_url=f"http://{HOST}")


@pytest.mark.parametrize(
    ("path", "headers", "status"),
    [
        (f"/?token={TOKEN}", {}, 200),
        ("/", {}, 403),
        ("/?token=other", {}, 403),
        (f"/?token={TOKEN}", {"host": "evil.example"}, 403),
        (f"/?token={TOKEN}", {"host": "127.0.0.1:80"}, 403),
        ("/choices", {}, 403),
        (f"/choices?token={TOKEN}", {}, 200),
        ("/playground.js", {}, 200),
        ("/playground.js", {"host": "evil.example"}, 403),
        ("/playground.css", {}, 200),
        ("/index.html", {}, 404),
        ("/..%2Fserver.py", {}, 404),
        ("/absent.js", {}, 404),
    ],
)
def test_only_the_page_is_answered(client: Any, path: str, headers: dict[str, str], status: int) -> None:
    answer = client.get(path, headers=headers)
    assert answer.status_code == status
    if status != 404 or "Content-Security-Policy" in answer.headers:
        policy = answer.headers["Content-Security-Policy"]
        assert "default-src 'none'" in policy and "unsafe" not in policy and "frame-ancestors 'none'" in policy


@pytest.mark.parametrize(
    ("token", "headers"),
    [
        ("other", OWN),
        (TOKEN, {"host": HOST, "origin": "http://evil.example"}),
        (TOKEN, {"host": HOST}),
        (TOKEN, OWN | {"host": "evil.example"}),
    ],
)
def test_no_other_site_opens_a_socket(client: Any, token: str, headers: dict[str, str]) -> None:
    from starlette.websockets import WebSocketDisconnect

    with pytest.raises(WebSocketDisconnect), client.websocket_connect(f"/live?token={token}", headers=headers):
        pass


def test_the_page_trains_over_its_socket(client: Any) -> None:
    with client.websocket_connect(f"/live?token={TOKEN}", headers=OWN) as socket:
        socket.send_text(json.dumps({"do": "settings", "settings": SMALL}))
        assert socket.receive_json()["kind"] == "begun"
        assert frame_of(socket.receive_bytes())[0]["step"] == 0
        socket.send_text("no json")
        assert "no order" in socket.receive_json()["text"]
        socket.send_text("x" * 20_000)
        assert "20000 characters" in socket.receive_json()["text"]
        socket.send_text(json.dumps({"do": "step"}))
        assert frame_of(socket.receive_bytes())[0]["step"] == 1


def test_the_page_fetches_nothing_from_elsewhere_and_labels_everything() -> None:
    for path in served.PAGE.iterdir():
        text = path.read_text(encoding="utf-8")
        assert not re.findall(r"https?://(?!www\.w3\.org/2000/svg)", text), path.name
        assert not re.findall(r"\son\w+=|style=|javascript:|innerHTML", text), path.name
    page = (served.PAGE / "index.html").read_text(encoding="utf-8")
    for canvas in re.findall(r"<canvas[^>]*>", page):
        assert 'role="img"' in canvas and "aria-label=" in canvas
    labelled = re.sub(r"<label\b.*?</label>", "", page, flags=re.DOTALL)
    assert not re.findall(r"<(?:select|input)\b[^>]*>", labelled), "a control without a label"


def test_what_to_install_is_said(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.util, "find_spec", lambda name: None)
    with pytest.raises(served.Absent, match=r'starlette, uvicorn, websockets: pip install "pellucid\[playground\]"'):
        served.need()


FOCUSED = """(() => {
  const control = document.activeElement;
  if (control === document.body) return "";
  const seen = getComputedStyle(control).outlineStyle === "solid" ? "" : " unseen";
  return [...document.querySelectorAll("*")].indexOf(control) + seen;
})()"""

# In a browser ---------------------------------------------------------------------------------------------------------


@pytest.fixture
def address() -> Any:
    if chromium() is None:
        pytest.skip("no browser is installed (chromium)")
    process = subprocess.Popen(
        [sys.executable, "-m", "pellucid", "playground", "--no-browser"], stdout=subprocess.PIPE, text=True
    )
    try:
        assert process.stdout is not None
        yield process.stdout.readline().split()[-1]
    finally:
        process.terminate()
        process.wait(timeout=30)
        assert process.stdout is not None
        process.stdout.close()


@pytest.mark.slow
def test_the_page_in_a_browser(address: str, tmp_path: Path) -> None:
    """By the keyboard alone: play, pause, a weight, a planted mistake, the program; and at three widths."""
    with tab(address, tmp_path) as page:
        page.shown_as(1400)
        page.until("window.playground?.state.frame")
        page.key("s")
        page.until("playground.state.frame.step === 1")
        page.key("w")
        page.until("document.getElementById('weight-said').textContent === \"The gradient is the loss's slope.\"")
        page.key("p")
        page.until("playground.state.frame.epoch >= 2 && playground.state.playing")
        page.key("p")
        page.until("!playground.state.playing")
        page.until("/Epoch \\d+: training loss/.test(document.getElementById('summary').textContent)")
        page.key("c")
        page.until("document.getElementById('source').textContent.includes('pellucid playground')")
        assert page.evaluate("document.getElementById('download').href").startswith("blob:")
        # A field that is left empty is named as it is on the page.
        change = "share.dispatchEvent(new Event('change', { bubbles: true }))"
        page.evaluate(f"(() => {{ const {{ share }} = settings.elements; share.value = ''; {change}; }})()")
        page.until("document.getElementById('trouble').textContent.startsWith('For training, %: ')")
        page.evaluate(f"(() => {{ const {{ share }} = settings.elements; share.value = 70; {change}; }})()")
        page.until("document.getElementById('trouble').hidden")
        page.key("q")
        page.until("playground.state.quiz && !document.getElementById('quiz-panel').hidden")
        page.evaluate("document.getElementById('look').click()")
        page.until("/It is: /.test(document.getElementById('planted').textContent)")
        # Every control is reached by Tab, and its focus is seen.
        count = page.evaluate(
            "[...document.querySelectorAll('a[href], button, input, select, pre[tabindex]')]"
            ".filter((control) => control.checkVisibility() && !control.disabled).length"
        )
        page.evaluate("document.activeElement.blur(); getSelection().collapse(document.body, 0)")
        reached = set()
        for _ in range(count + 2):
            page.key("Tab")
            reached.add(page.evaluate(FOCUSED))
        reached.discard("")
        assert len(reached) >= count and not [place for place in reached if "unseen" in str(place)]
        for width in (400, 800, 1400):
            for dark in (False, True):
                page.shown_as(width, dark=dark)
                assert page.evaluate("document.documentElement.scrollWidth") <= width
        assert page.troubles == []


SPOKEN = {"button", "link", "checkbox", "combobox", "spinbutton", "searchbox", "textbox", "image", "region", "table"}


@pytest.mark.slow
def test_a_screen_reader_finds_names_states_and_what_pictures_show(address: str, tmp_path: Path) -> None:
    with tab(address, tmp_path) as page:
        page.until("window.playground?.state.frame")
        page.key("s")
        page.until("/\\d+ gradients/.test(document.getElementById('histogram').ariaLabel) && playground.state.surface")
        found = page.read_out()
        assert [row for row in found if row[0] in SPOKEN and not row[1].strip()] == []
        pictures = [name for role, name, _ in found if role == "image"]
        assert len(pictures) == 5
        for said in (
            "A network 2-4-2-1",
            "test loss 0.",
            "The loss by epoch, from 0.",
            "gradients by size",
            "The loss is 0.",
        ):
            assert any(said in name for name in pictures), (said, pictures)
        shortcuts = {kept["keyshortcuts"] for _, _, kept in found if "keyshortcuts" in kept}
        assert shortcuts == set("psrgqdwfc")
        page.key("q")  # what happens is said
        page.until("playground.state.quiz")
        page.evaluate("document.getElementById('look').click()")
        page.until("/It is: /.test(document.getElementById('planted').textContent)")
        live = page.evaluate(
            "[...document.querySelectorAll('[role=status], [role=alert], [aria-live]')].map((e) => e.id)"
        )
        assert {"trouble", "summary", "planted", "doctor-state", "doctor-steps", "weight-said"} <= set(live)
        page.evaluate("playground.send({ do: 'settings', settings: { rate: -1 } })")
        page.until("!document.getElementById('trouble').hidden")
        assert any(role == "alert" and kept.get("live") == "assertive" for role, _, kept in page.read_out())


@pytest.mark.slow
def test_by_keyboard_and_ear_alone(address: str, tmp_path: Path) -> None:
    """Training, a planted mistake, the doctor and the quiz: reached by Tab, and told by the live regions."""
    with tab(address, tmp_path) as page:
        page.until("window.playground?.state.frame")

        def reach(place: str) -> None:
            for _ in range(80):
                if page.evaluate(f"document.activeElement.id === '{place}'"):
                    return
                page.key("Tab")
            raise AssertionError(f"{place} is not reached by Tab")

        def told(region: str, what: str, seconds: float = 20) -> str:
            end = time.monotonic() + seconds
            while not re.search(what, said := page.announced().get(region, "")):
                assert time.monotonic() < end, (region, what, said)
                time.sleep(0.1)
            return said

        assert told("#summary", r"^Epoch 0: training loss 0\.\d{4}, test loss 0\.\d{4}\.$")
        reach("play")
        page.key("Enter")
        told("#summary", r"^Epoch [1-9]\d*: training loss")  # while it trains: every few seconds
        assert page.evaluate("playground.state.playing")
        page.key("Enter")
        reach("mistake")
        page.key("ArrowDown")
        told("#planted", r"^Planted: .*\.")
        reach("ask")
        page.key("Enter")
        told("#doctor-state", "^The doctor runs the program")
        told("#doctor-state", r"^The doctor is done, in \d+ steps. It (names|does not name) the planted mistake", 120)
        first = told("#doctor-steps", r"\w")
        reach("next-step")
        page.key("Enter")
        assert told("#doctor-steps", f"^{re.escape(first)} .").startswith(first)
        reach("quiz")
        page.key("Enter")
        told("#planted", "^A mistake is planted. Train, look")
        assert "#doctor-state" not in page.announced()  # it was about another mistake
        reach("guess")
        page.key("ArrowDown")
        reach("look")
        page.key("Enter")
        told("#planted", r"^(Right|Nearly.*|No)\. It is: .*\.")
        assert page.troubles == []


@pytest.mark.slow
def test_ctrl_c_ends_it_and_a_port_that_is_taken_is_said() -> None:
    words = [sys.executable, "-m", "pellucid", "playground", "--no-browser", "--port"]
    with subprocess.Popen([*words, "0"], stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as process:
        try:
            assert process.stdout is not None
            port = re.findall(r":(\d+)/\?token=", process.stdout.readline())[0]
            taken = subprocess.run([*words, port], capture_output=True, text=True, check=False)
            assert (taken.returncode, taken.stderr) == (2, "pellucid: Address already in use\n")
            process.send_signal(signal.SIGINT)
            output, errors = process.communicate(timeout=60)
        finally:
            process.kill()
    assert (process.returncode, errors) == (0, "")
    assert output.endswith("The playground has ended.\n")


@pytest.mark.slow
def test_the_doctor_finds_a_planted_mistake_on_the_page(address: str, tmp_path: Path) -> None:
    with tab(address, tmp_path) as page:
        page.until("window.playground?.state.frame")
        page.evaluate("(() => { const s = document.getElementById('mistake'); s.value = 'frozen-layer';"
                      "s.dispatchEvent(new Event('change')) })()")  # fmt: skip
        page.until("/Planted/.test(document.getElementById('planted').textContent)")
        page.key("d")
        assert page.until("playground.state.verdict?.causes", 120)[0] == "parameter-not-optimized"
        assert page.until("playground.state.verdict.found") is True
        assert page.evaluate("document.querySelectorAll('#doctor-steps li').length") == 1
        page.key("n")
        page.until("document.querySelectorAll('#doctor-steps li').length === 2")
        assert page.troubles == []
