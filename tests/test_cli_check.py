"""`pellucid check`: what a script may define, what the exit code says, what the JSON holds, and what goes wrong."""

import json
from pathlib import Path
from typing import Any

import pytest
from typer.testing import CliRunner

from pellucid.check.mistakes import TABLE
from pellucid.cli.program import app

DATA = """
import numpy as np
rng = np.random.default_rng(0)
x, t = rng.normal(size=(8, 3)), rng.normal(size=(8, 2))
params = {"w": rng.normal(size=(3, 2)), "b": np.zeros(2)}
"""
LOSS = """
def loss(params):
    return ((np.tanh(x @ params["w"] + params["b"]) - t) ** 2).mean()
"""
GRADS = """
def grads(params):
    a = np.tanh(x @ params["w"] + params["b"])
    d = 2 * (a - t) / t.size * (1 - a ** 2)
    return {"w": x.T @ d, "b": d.sum(axis=0)}
"""


@pytest.fixture(autouse=True)
def _elsewhere(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def checked(text: str, *options: str) -> Any:
    Path("script.py").write_text(text)
    return CliRunner().invoke(app, ["check", "script.py", *options])


FORMS = {
    "functions of params": DATA + LOSS + GRADS,
    "functions of params and the data": DATA + (LOSS + GRADS).replace("(params):", "(params, x, t):"),
    "functions of nothing": DATA + (LOSS + GRADS).replace("(params):", "():"),
    "a dict of gradients": DATA + LOSS + GRADS + "\ngrads = grads(params)\n",
    "gradients named dw": DATA + LOSS + GRADS.replace('"w": x.T', '"dw": x.T').replace('"b": d.', '"db": d.'),
    "a guard": DATA + LOSS + GRADS + '\nif __name__ == "__main__":\n    raise SystemExit(3)\n',
    "much to say": DATA + LOSS + GRADS + '\nprint("epoch 1")\n',
}


@pytest.mark.parametrize("form", FORMS)
def test_a_right_script_in_every_form(form: str) -> None:
    result = checked(FORMS[form])
    assert result.exit_code == 0, result.output
    assert result.stdout.startswith("The gradients are right.")


@pytest.mark.parametrize("form", FORMS)
def test_a_wrong_script_in_every_form(form: str) -> None:
    result = checked(FORMS[form].replace(" * (1 - a ** 2)", ""), "--json", "report.json", "--picture", "report.png")
    assert result.exit_code == 1, result.output
    report = json.loads(Path("report.json").read_text())
    assert report["status"] == "wrong"
    rows = {row["name"]: row for row in report["tensors"]}
    assert list(rows) == ["w", "b"]
    for row in rows.values():
        assert row["mistake"] == "missing-activation-derivative"
        assert {"relative_error", "ratio", "cosine", "confidence", "explanation", "fix"} <= set(row)
        assert isinstance(row["relative_error"], float)
        assert 0 < row["confidence"] <= 1
    assert Path("report.png").read_bytes().startswith(b"\x89PNG")


def test_the_record_of_a_right_script() -> None:
    assert checked(FORMS["functions of params"], "--json", "report.json").exit_code == 0
    report = json.loads(Path("report.json").read_text())
    assert report["status"] == "right"
    assert [(row["name"], row["mistake"]) for row in report["tensors"]] == [("w", None), ("b", None)]


def test_the_names_are_those_of_the_vocabulary(shared_vocabulary: set[str] | None) -> None:
    if shared_vocabulary is None:
        pytest.skip("the shared vocabulary is not here")
    assert shared_vocabulary == TABLE.keys()


@pytest.fixture
def shared_vocabulary() -> set[str] | None:
    page = Path(__file__).resolve().parent.parent.parent / "shared" / "check" / "mistakes.md"
    if not page.is_file():
        return None
    return {line.split("`")[1] for line in page.read_text(encoding="utf-8").splitlines() if line.startswith("| `")}


def test_what_cannot_be_told_is_not_right() -> None:
    text = DATA + LOSS.replace("return ", "return np.random.default_rng().normal() + ") + GRADS
    result = checked(text, "--json", "report.json")
    assert result.exit_code == 1
    assert json.loads(Path("report.json").read_text())["status"] == "inconclusive"


@pytest.mark.parametrize(
    ("text", "said"),
    [
        ("", "defines no params and no loss and no grads"),
        (DATA + LOSS, "defines no grads"),
        (DATA + LOSS + "grads = 3\n", "grads is int"),
        (DATA.replace("params =", "params = 3 #") + LOSS + GRADS, "params is int"),
        (DATA + "loss = 3.0\n" + GRADS, "loss is float"),
        (DATA + LOSS.replace("(params)", "(params, wrong)") + GRADS, "asks for wrong beside params"),
        (DATA + LOSS + GRADS.replace("x.T @ d", "x @ d"), "script.py, line"),
        ("import nowhere_to_be_found\n", "line 1: import nowhere_to_be_found"),
        ("raise SystemExit(4)\n", "ended itself with exit code 4"),
        ("def f(:\n", "SyntaxError"),
        (DATA.replace("np.zeros(2)", '"a"') + LOSS + GRADS, "real numbers is expected"),
    ],
)
def test_what_cannot_be_checked(text: str, said: str) -> None:
    result = checked(text)
    assert result.exit_code == 2, result.output
    assert said in " ".join(result.stderr.split())
    assert "Traceback" not in result.output


def test_a_missing_file() -> None:
    result = CliRunner().invoke(app, ["check", "nothing.py"])
    assert result.exit_code == 2
    assert "There is no file nothing.py" in result.stderr
