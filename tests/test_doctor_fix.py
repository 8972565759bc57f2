"""`pellucid doctor --fix`, notebooks, directories, and what the command says and returns."""

import ast
import json
import re
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from rich.console import Console
from typer.testing import CliRunner

from pellucid.cli.program import app
from pellucid.doctor import Exists, NoProgram, Report, examine_script
from pellucid.doctor.find import find
from pellucid.doctor.fix import comes_further, fix, what_was_seen
from pellucid.doctor.notebook import Book, by_cells
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding
from pellucid.doctor.text import MARKS, as_text, show, sparkline
from tests.test_doctor_causes import CLOUDS

WRONG = CLOUDS.replace(" * (1 - h ** 2)", "")


def line_of(source: str, text: str) -> int:
    return next(i for i, line in enumerate(source.splitlines(), 1) if text in line)


# Repairs --------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("kind", "line", "repaired"),
    [
        ("sign", "w += lr * dw", "w -= lr * dw"),
        ("loss-sign-flipped", "dz = y - p", "dz = p - y"),
        ("sign", "dz = -(p - y) / n", "dz = -(y - p) / n"),
        ("constant-factor", "dw = x.T @ dz", "dw = (x.T @ dz) / 2"),
        ("transpose", "dh = dz @ w", "dh = dz @ w.T"),
        ("transpose", "dh = np.dot(dz, w.T)", "dh = np.dot(dz, w)"),
        ("missing-broadcast-sum", "db = dz", "db = np.sum(dz, axis=0)"),
        ("missing-broadcast-sum", "db = np.sum(dz) / m", "db = np.sum(dz, axis=0) / m"),
        ("missing-broadcast-sum", "db = lr * dz.sum()", "db = lr * dz.sum(axis=0)"),
        ("symmetric-init", "w = np.zeros((n_in, 8))", "w = np.random.randn(n_in, 8) / np.sqrt(n_in)"),
        ("symmetric-init", "f = np.zeros((3, 3, 3))", "f = np.random.randn(3, 3, 3) / 3"),
        ("dead-units", "b1 = -5 * np.ones((8, 1))", "b1 = np.zeros((8, 1))"),
        ("dead-units", "b = np.random.randn(8) - 9", "b = np.zeros_like(np.random.randn(8) - 9)"),
        ("unshuffled-data", "order = np.arange(len(x))", "order = np.random.permutation(len(x))"),
        ("unshuffled-data", "order = np.argsort(y)", "order = np.random.permutation(len(y))"),
        (
            "unshuffled-data",
            "for i in range(len(x)): step(i)",
            "for i in np.random.permutation(len(x)): step(i)",
        ),
        ("labels-misaligned", "row = np.append(x[i], cls[i - 3])", "row = np.append(x[i], cls[i])"),
        ("labels-misaligned", "y = np.roll(y, 1)", "y = y"),
        ("labels-misaligned", "x, y = x, y[::-1]", "x, y = x, y"),
        ("init-too-large", "w = np.random.randn(3, 8) * 100", "w = (np.random.randn(3, 8) * 100) / 170"),
        ("activation-before-loss", "p = softmax(np.maximum(0, z))", "p = softmax(z)"),
        ("output-range-mismatch", "p = sigmoid(relu(z))", "p = sigmoid(z)"),
        ("double-softmax", "p = softmax(softmax(z))", "p = softmax(z)"),
        ("too-few-updates", "for epoch in range(5): step()", "for epoch in range(100): step()"),
        (
            "softmax-wrong-axis",
            "a = np.exp(z)/sum(np.exp(z))",
            "a = np.exp(z)/np.sum(np.exp(z), axis=-1, keepdims=True)",
        ),
        ("softmax-wrong-axis", "a = e / e.sum(axis=0)", "a = e / np.sum(e, axis=-1, keepdims=True)"),
        ("outer-product", "w -= lr * np.dot(d[i], a[i].T)", "w -= lr * np.outer(d[i], a[i])"),
        ("outer-product", "dw = x @ dz", "dw = np.outer(dz, x)"),
    ],
)
def test_a_repair_changes_the_line_it_is_asked_for(kind: str, line: str, repaired: str) -> None:
    source = f"import numpy as np\n\n{line}\nprint('done')\n"
    tensors = [{"name": "w", "verdict": "factor", "factor": 2.0}]
    finding = Finding(kind, "error", 1, "about 170 times as large", "", "", "t.py", 3, line, tensors=tensors)
    made = list(repairs(finding, source))
    assert source.replace(line, repaired) in made
    assert source not in made
    for program in made:
        ast.parse(program)


def test_of_a_loop_over_batches_the_loop_around_it_becomes_longer() -> None:
    source = "for epoch in range(5):\n    for i in range(0, n, n):\n        step(i)\n"
    finding = Finding("too-few-updates", "warning", 1, "", "", "", "t.py", 2, "for i in range(0, n, n):")
    assert list(repairs(finding, source)) == [source.replace("range(5)", "range(100)")]


def test_all_layers_that_begin_alike_begin_at_random() -> None:
    source = "W1 = np.zeros((2, 8))\nb1 = np.zeros((1, 8))\nW2 = np.zeros((8, 1))\n"
    said = "At the beginning all units of W1, W2 are the same: every weight is 0."
    finding = Finding("symmetric-init", "warning", 1, said, "", "", "t.py", 1, "W1 = np.zeros((2, 8))")
    repaired = (
        "W1 = np.random.randn(2, 8) / np.sqrt(2)\nb1 = np.zeros((1, 8))\nW2 = np.random.randn(8, 1) / np.sqrt(8)\n"
    )
    assert list(repairs(finding, source)) == [repaired]


def test_a_repair_by_the_name_of_an_activation() -> None:
    details = [{"forward": ["t.py", line_of(WRONG, "h = np.tanh")]}]
    finding = Finding(
        "wrong-backward", "error", 1, "", "", "", "t.py", line_of(WRONG, "dh ="), mistake="", details=details
    )
    finding.mistake = "missing-activation-derivative"
    assert next(repairs(finding, WRONG)) == WRONG.replace("dh = dz @ W2.T", "dh = dz @ W2.T * (1 - h ** 2)")


def test_a_repair_by_the_name_that_a_lambda_gives_its_output() -> None:
    source = "relu = lambda z: np.maximum(z, 0)\nh = relu(x @ W1)\ndh = dz @ W2.T\n"
    finding = Finding("wrong-backward", "error", 1, "", "", "", "t.py", 3, mistake="missing-activation-derivative")
    finding.details = [{"forward": ["t.py", 1]}]
    assert list(repairs(finding, source)) == [source.replace("dz @ W2.T", "dz @ W2.T * (h > 0)")]


def test_of_several_outputs_that_is_taken_which_is_multiplied_by_the_matrix_of_the_line() -> None:
    source = (
        "def sigmoid(z):\n    return 1 / (1 + np.exp(-z))\n\nh = sigmoid(x @ W1)\no = sigmoid(np.dot(h, W2) + b2)\n"
        "d = o - y\ndh = d.dot(W2.T)\n"
    )
    finding = Finding("wrong-backward", "error", 1, "", "", "", "t.py", 7, mistake="missing-activation-derivative")
    finding.details = [{"forward": ["t.py", 2]}]
    assert list(repairs(finding, source)) == [source.replace("d.dot(W2.T)", "d.dot(W2.T) * h * (1 - h)")]


@pytest.mark.parametrize("sign", ["+", "-"])
def test_steps_without_a_written_rate_are_all_made_shorter(sign: str) -> None:
    source = f"for i in range(9):\n    n = n + 1\n    w = w {sign} 2 * diff * x\n    b {sign}= 2 * diff\n"
    found = Finding("lr-too-high", "error", 1, "", "", "divide the learning rate by 1e+03", "t.py", 3)
    (made,) = repairs(found, source)
    assert made == source.replace("2 * diff * x", "(2 * diff * x) / 1000").replace(
        "= 2 * diff\n", "= (2 * diff) / 1000\n"
    )
    found.line = 2
    assert list(repairs(found, source)) == []


def test_a_rule_of_an_engine_takes_the_gradient_of_the_output() -> None:
    source = "def _backward():\n    self.grad += (out.data > 0) * out.data\n"
    fix = "give self the derivative of Value.relu by self, times the gradient of the output"
    found = Finding("wrong-backward", "error", 1, "", "", fix, "t.py", 2, mistake="missing-step")
    assert next(repairs(found, source)) == source.replace("* out.data", "* out.grad")


def test_an_update_that_is_missing() -> None:
    source = "dw1 = x.T @ dz\ndb1 = dz.sum(0)\nfor i in range(9):\n    w1 -= lr * dw1\n"
    tensors = [{"name": "b1", "verdict": "zero"}, {"name": "w1", "verdict": "right"}]
    finding = Finding("parameter-not-optimized", "error", 1, "", "", "", "t.py", 4, tensors=tensors)
    assert source + "    b1 -= lr * db1\n" in list(repairs(finding, source))


def told(title: str, line: int) -> Report:
    finding = Finding(title, "error", 1, "", "", "", "train.py", line)
    return Report("faults", [finding])


def test_a_copy_is_written_only_if_the_doctor_calls_it_healthy(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("w = 1.0\nw += 0.1 * w\n")
    report = told("sign", 2)
    report.findings[0].file = str(script)
    tried: list[dict[Path, str]] = []

    def examine(changed: dict[Path, str], seconds: float, status: str = "healthy") -> Report:
        tried.append(changed)
        return Report(status, [])

    fix(report, script, lambda changed, seconds: examine(changed, seconds, "inconclusive"), 60)
    assert report.fix is not None
    assert "path" not in report.fix
    assert len(tried) > 1
    assert list(tmp_path.iterdir()) == [script]
    fix(report, script, examine, 60)
    copy = tmp_path / "train.fixed.py"
    assert copy.read_text() == "w = 1.0\nw -= 0.1 * w\n"
    assert "-w += 0.1 * w\n+w -= 0.1 * w\n" in report.fix["diff"]
    assert script.read_text() == "w = 1.0\nw += 0.1 * w\n"
    with pytest.raises(Exists, match="is there already"):
        fix(report, script, examine, 60)


def of_run(
    reached: float, end: float | None = 0.5, accuracy: float | None = None, cause: str = "sign", loss: str = "mse_loss"
) -> Report:
    run = {"steps": 300, "loss": loss, "guesses": reached < 0.25, "begin": 1.0, "end": end}
    report = told(cause, 2)
    report.facts["run"] = {**run, "accuracy": accuracy, "reached": reached}
    return report


@pytest.mark.parametrize(
    ("was", "now", "further"),
    [
        (of_run(0.1), of_run(0.9), True),
        (of_run(0.1), of_run(0.12), False),  # both guess
        (of_run(0.05), of_run(0.2), True),
        (of_run(0.8), of_run(0.7), False),
        (of_run(0.8), of_run(0.78), True),
        (of_run(0.1), of_run(0.9, end=None), False),
        (of_run(0.5, accuracy=0.7), of_run(0.5, accuracy=0.6), False),
        (of_run(0.9, cause="overfitting"), of_run(0.1), True),  # is to end earlier
        (of_run(0.3, accuracy=0.97, cause="class-imbalance"), of_run(0.8, accuracy=0.89), True),
        (of_run(1.0, loss="cross_entropy"), of_run(0.4), True),  # of what another loss comes to nothing is said
        (of_run(1.0, loss="cross_entropy"), of_run(0.1), False),
        (told("sign", 2), of_run(0.1), True),
    ],
)
def test_what_a_patched_program_has_to_come_to(was: Report, now: Report, further: bool) -> None:
    assert comes_further(was, now) is further


def test_a_copy_that_learns_no_better_is_not_written_and_what_was_seen_is_told(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("w = 1.0\nw += 0.1 * w\n")
    report = of_run(0.1)
    report.findings[0].file = str(script)

    def examine(reached: float) -> Any:
        return lambda source, seconds: Report("healthy", facts=of_run(reached, 0.02, 0.98).facts)

    fix(report, script, examine(0.1), 60)
    assert "path" not in (report.fix or {}) and list(tmp_path.iterdir()) == [script]
    fix(report, script, examine(0.97), 60)
    said = (
        "Run for 300 steps, it comes from a loss of 1 to 0.02 and 98% right answers; the script, in 300 steps, from 1"
    )
    assert report.fix is not None and report.fix["seen"].startswith(said)
    assert "98% right answers" in " ".join(as_text(report).split())
    assert what_was_seen(report, told("sign", 2)) == ""


def test_of_a_fault_in_another_file_it_is_said_where_to_change_it(tmp_path: Path) -> None:
    script, other = tmp_path / "train.py", tmp_path / "net.py"
    script.write_text("from net import w\n")
    other.write_text("w += 0.1 * w\n")
    report = told("sign", 1)
    report.findings[0].file = str(other)
    fix(report, script, lambda changed, seconds: Report("healthy"), 60)
    assert report.fix is not None and "one of train.py, and the fault is in net.py" in report.fix["reason"]
    assert sorted(tmp_path.iterdir()) == [other, script]


def test_two_faults_are_repaired_one_after_the_other(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("w += 0.1 * w\nb += 0.1 * b\n")

    def examine(changed: dict[Path, str], seconds: float = 0) -> Report:
        lines = [i for i, line in enumerate(changed[script].splitlines(), 1) if "+=" in line]
        if not lines:
            return Report("healthy")
        found = Finding("sign", "error", 1, "", "", "", str(script), lines[0])
        found.tensors = [{"name": str(i), "verdict": "sign"} for i in lines]
        return Report("faults", [found])

    report = examine({script: script.read_text()})
    fix(report, script, examine, 60)
    assert (tmp_path / "train.fixed.py").read_text() == "w -= 0.1 * w\nb -= 0.1 * b\n"


@pytest.mark.slow
def test_the_whole_way_from_a_mistake_to_a_program_that_learns(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(WRONG)
    report = examine_script(script, budget=60, fix=True)
    assert report.status == "faults"
    assert report.fix is not None
    assert "+        dh = dz @ W2.T * (1 - h ** 2)" in report.fix["diff"]
    assert (tmp_path / "train.fixed.py").read_text() == WRONG.replace("W2.T\n", "W2.T * (1 - h ** 2)\n")
    assert script.read_text() == WRONG
    assert Report.from_json(report.to_json()).fix == report.fix


# Notebooks ------------------------------------------------------------------------------------------------------------


def notebook(path: Path, *cells: str) -> Path:
    made: list[dict[str, Any]] = [{"cell_type": "markdown", "metadata": {}, "source": "# A title"}]
    for cell in cells:
        made.append({"cell_type": "code", "metadata": {}, "outputs": [], "execution_count": None, "source": cell})
    path.write_text(json.dumps({"cells": made, "metadata": {}, "nbformat": 4, "nbformat_minor": 5}))
    return path


def test_a_notebook_is_its_code_cells(tmp_path: Path) -> None:
    path = notebook(
        tmp_path / "book.ipynb",
        "%matplotlib inline\nx = 1",
        "%%bash\nls",
        "%%time\nfor i in range(3):\n    %time f(i)\nx?",
    )
    book = Book(path)
    assert (
        book.source == "pass  # %matplotlib inline\nx = 1\npass  # %%time\nfor i in range(3):\n    f(i)\npass  # x?\n"
    )
    assert book.places == [(2, 1), (2, 2), (4, 1), (4, 2), (4, 3), (4, 4)]
    changed = book.source.replace("x = 1\n", "x = 2\ny = 3\n")
    patched = json.loads(book.patched(book.source, changed))
    assert "".join(patched["cells"][1]["source"]) == "%matplotlib inline\nx = 2\ny = 3"
    assert patched["cells"][3]["source"].startswith("%%time")


def test_lines_of_a_notebook_are_given_by_cell(tmp_path: Path) -> None:
    path = notebook(tmp_path / "book.ipynb", "a = 1\nb = 2", "c = 3")
    finding = Finding("sign", "error", 1, "", f"see {path}:3: c = 3", "", str(path), 2, "b = 2")
    report = Report("faults", [finding], {"loop": {"file": str(path), "line": 3, "code": "c = 3"}})
    by_cells(report, path)
    assert finding.where == "book.ipynb, cell 2, line 2"
    assert finding.explanation == "see book.ipynb, cell 3, line 1: c = 3"


def test_a_notebook_is_examined(tmp_path: Path) -> None:
    data, loop = WRONG.strip().split("\n\nfor epoch", 1)
    path = notebook(tmp_path / "book.ipynb", "%matplotlib inline\n" + data, "for epoch" + loop + "\n    display(epoch)")
    report = examine_script(path, budget=40)
    assert report.findings[0].title == "wrong-backward: missing-activation-derivative"
    assert report.findings[0].where == "book.ipynb, cell 3, line 8"
    assert report.findings[0].code == "dh = dz @ W2.T"


# Directories ----------------------------------------------------------------------------------------------------------


def test_the_script_of_a_directory_is_the_one_that_runs_the_loop(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(
        "class Net:\n    def fit(self, x, lr):\n        for i in range(9):\n            self.w -= lr * self.g(x)\n"
    )
    (tmp_path / "main.py").write_text("from net import Net\nNet().fit([1.0], 0.1)\n")
    (tmp_path / "plot.py").write_text("total = 0\nfor i in range(9):\n    total += i\nprint(total)\n")
    (tmp_path / "test_net.py").write_text("from net import Net\nNet().fit([1.0], 0.1)\n")
    (tmp_path / "broken.py").write_text("def (:\n")
    assert find(tmp_path) == tmp_path / "main.py"


def test_a_directory_without_a_training(tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text("total = 0\nfor i in range(9):\n    total += i\n")
    with pytest.raises(NoProgram, match="None of the 1 Python files"):
        find(tmp_path)
    with pytest.raises(NoProgram, match="no file"):
        find(tmp_path / "nothing.py")
    with pytest.raises(NoProgram, match="no option --fastt"):
        find(Path("--fastt"))
    (tmp_path / "empty.py").write_text("\n")
    with pytest.raises(NoProgram, match="is empty"):
        find(tmp_path / "empty.py")
    (tmp_path / "points.csv").write_text("x,y\n1,2\n")
    with pytest.raises(NoProgram, match="holds data"):
        find(tmp_path / "points.csv")


def test_a_directory_is_examined(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(WRONG)
    (tmp_path / "helpers.py").write_text("def square(x):\n    return x * x\n")
    report = examine_script(tmp_path, budget=40)
    assert report.facts["script"] == str(tmp_path / "train.py")
    assert report.findings[0].code == "dh = dz @ W2.T"


# The command ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("report", "code"),
    [
        (Report("healthy"), 0),
        (Report("faults"), 1),
        (Report("inconclusive", facts={"error": "ValueError"}), 2),
        (Report("inconclusive", reason="No loss was seen."), 3),
    ],
)
def test_exit_codes(report: Report, code: int, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr("pellucid.cli.doctor.examine_script", lambda *args: report)
    script = tmp_path / "train.py"
    script.write_text("")
    assert CliRunner().invoke(app, ["doctor", str(script)]).exit_code == code


def test_labels_from_1_crash_and_are_named(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import numpy as np\nX = np.random.randn(30, 4)\ny = np.arange(30) % 3 + 1\nW = np.zeros((4, 3))\n"
        "for i in range(50):\n    p = np.exp(X @ W)\n    p /= p.sum(1, keepdims=True)\n"
        "    p[np.arange(30), y] -= 1\n    W -= 0.1 * X.T @ p\n"
    )
    finding = examine_script(script, budget=20).findings[0]
    assert (finding.cause, finding.line) == ("labels-off-by-one", 3)
    assert finding.fix == "count them from 0: y = y - 1"


def test_a_report_fits_into_80_columns(capsys: pytest.CaptureFixture[str]) -> None:
    note = "the pass could not be recorded: Traceback (most recent call last):\n  File x\nValueError: no"
    fork = {"what": "loss", "as it is": [1.0] * 200, "with the right gradient": [1.0, 0.1, 0.01]}
    finding = Finding(
        "wrong-backward", "error", 0.9, "measured in passes " * 9, "explained " * 15, "write this " * 12, "train.py",
        3, "dh = dz @ W2.T", fork=fork, mistake="sign", notes=[note],
    )  # fmt: skip
    parameters = [{"name": f"weight_{i}", "shape": [3]} for i in range(9)]
    show(Report("faults", [finding], {"parameters": parameters}), Console(width=80))
    lines = capsys.readouterr().out.splitlines()
    assert max(map(len, lines)) <= 80
    assert lines[0] == "This program has a fault."
    assert "  Note: the pass could not be recorded: ValueError: no" in lines


def test_curves_of_one_fork_share_a_scale() -> None:
    assert sparkline([1.0, 1.0], 2, 0.0, 1.0) == "██"
    assert sparkline([0.0, None], 2, 0.0, 1.0) == "▁✕"
    assert sparkline([float("nan")] * 3) == "✕"
    assert sparkline(list(np.geomspace(1, 1e-7, 8))) == "█▇▆▅▄▃▂▁"


@pytest.mark.parametrize(
    ("was", "now", "said"),
    [
        ([0.3, 0.3, 0.3, 0.3], [0.3, 0.2, 0.1, 0.05], ""),
        ([100.0, 1.0, 1.0, 1.0], [100.0, 0.1, 0.02, 0.01], "logarithmic"),
        ([9.0, 0.7, 0.7, 0.7, 0.7, 0.7], [9.0, 0.7, 0.69, 0.68, 0.65, 0.65], "█ is 0.7 and more"),
        ([-9.0, 0.7, 0.7, 0.7, 0.7, 0.7], [-9.0, 0.7, 0.6, 0.5, 0.4, 0.3], "(▁ is 0.3 and less)"),
    ],
)
def test_curves_are_drawn_on_a_scale_that_parts_them(was: list[float], now: list[float], said: str) -> None:
    finding = Finding("double-softmax", "error", 0.9, "", "", "", "a.py", 1, "x", True, {"as it is": was, "fixed": now})
    text = as_text(Report("faults", [finding]))
    one, other = (MARKS.index(curve[-1]) for curve in re.findall("  ([▁-█]{4,}) ", text))
    assert abs(one - other) >= 3
    assert said in text


RECURRENT = """def backward(ps, hs, Why, Whh):
    dh_next = 0
    for t in reversed(range(len(ps))):
        dy = ps[t]
        dh = Why.T @ dy
        raw = (1 - hs[t] ** 2) * dh
        dh_next = Whh.T @ raw
    return raw
"""


@pytest.mark.parametrize("mistake", ["dropped-term", "missing-step"])
def test_a_gradient_that_is_computed_and_read_nowhere_is_added(mistake: str) -> None:
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", mistake=mistake, line=5)
    assert "        dh = Why.T @ dy + dh_next\n" in next(repairs(finding, RECURRENT))
    assert not list(repairs(finding, RECURRENT.replace("raw = (1", "raw = dh_next + (1")))


LISTED = """class Net:
    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def forward(self, X):
        self.a = [X]
        for W in self.W:
            self.a.append(self.sigmoid(self.a[-1] @ W))

    def backward(self, Y):
        delta = self.a[-1] - Y
        for i in reversed(range(len(self.W))):
            dW = self.a[i].T @ delta
            delta = delta @ self.W[i].T
"""


def test_a_derivative_is_taken_at_the_outputs_that_a_list_keeps() -> None:
    detail = {"forward": ("train.py", 3)}
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", mistake="missing-activation-derivative", line=14)
    finding.details = [detail]
    assert "delta = delta @ self.W[i].T * self.a[i] * (1 - self.a[i])\n" in next(repairs(finding, LISTED))


def test_rows_are_shuffled_above_the_loop_over_them() -> None:
    source = "for epoch in range(3):\n    for j in range(0, 9, 3):\n        xb = X[j:j + 3]\n"
    finding = Finding("unshuffled-data", "warning", 0.9, "", "", "", line=3)
    finding.patch = {"before": "X = X[order]", "line": 2}
    assert next(repairs(finding, source)).splitlines()[1] == "    X = X[order]"
