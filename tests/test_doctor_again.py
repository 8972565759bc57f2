"""What the doctor finds once the first fault is put right: the changed program, examined as a whole."""

import os
import subprocess
import sys
import time
from dataclasses import replace
from pathlib import Path

import pytest

import pellucid
from pellucid.doctor import Report, examine_script
from pellucid.doctor.again import SEEN_AGAIN, Changed, changed_lines, further, is_put_right, look_again
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding
from pellucid.doctor.script import _examined
from pellucid.doctor.sources import as_if, text_of

SOURCE = "w += 0.1 * dw\nprint(w)\nx = load()\n"


def found(cause: str, line: int = 1, severity: str = "error", mistake: str = "", wrong: str = "") -> Finding:
    tensors = [{"name": name, "verdict": "across"} for name in wrong]
    return Finding(cause, severity, 0.9, "", "", "", "train.py", line, mistake=mistake, tensors=tensors)


OF_HIDDEN = found("wrong-backward", mistake="missing-activation-derivative", wrong="W")
OF_HIDDEN.tensors.append({"name": "V", "verdict": "right"})


@pytest.mark.parametrize(
    ("wrong", "other", "right"),
    [
        ([found("loss-sign-flipped")], Report("healthy"), True),
        ([found("loss-sign-flipped")], Report("inconclusive"), False),
        ([found("loss-sign-flipped")], Report("faults", [found("loss-sign-flipped", 3)]), False),
        ([found("labels-misaligned")], Report("faults", [found("wrong-backward", wrong="W")]), True),
        ([found("wrong-backward", wrong="Wb")], Report("faults", [found("wrong-backward", 3, wrong="b")]), True),
        ([found("wrong-backward", wrong="b")], Report("faults", [found("wrong-backward", 3, wrong="W")]), False),
        ([found("wrong-backward", wrong="b")], Report("faults", [found("wrong-backward", 3, wrong="b")]), False),
        ([found("wrong-backward", wrong="b")], Report("faults", [found("unshuffled-data", 3)]), True),
    ],
)
def test_a_change_puts_right_what_it_is_to_and_breaks_nothing(wrong, other, right) -> None:
    assert is_put_right(wrong, other) is right


def test_a_change_is_none_where_its_own_line_is_told_of_next() -> None:
    new = changed_lines(SOURCE, SOURCE.replace("0.1", "0.2") + "y = x\n")
    assert new == {1, 4}
    first, other = found("lr-too-low"), Report("faults", [found("wrong-backward", 1, wrong="w")])
    assert not is_put_right([first], other, new)
    assert is_put_right([first], Report("faults", [found("wrong-backward", 3, wrong="w")]), new)


@pytest.mark.parametrize(
    ("first", "second", "holds"),
    [
        (found("wrong-backward", wrong="W"), found("unshuffled-data"), True),
        (found("wrong-backward", wrong="W"), found("unshuffled-data", severity="warning"), False),
        (found("wrong-backward", wrong="W"), replace(found("x", severity="warning"), verified=True), True),
        (found("wrong-backward"), replace(found("lr-too-low", severity="warning"), verified=True), False),
        (found("wrong-backward", wrong="W"), replace(found("lr-too-high"), verified=False), False),
        (found("wrong-backward", wrong="W"), replace(found("lr-too-high"), verified=True), True),
        (found("wrong-backward", wrong="W", mistake="batch-factor"), found("lr-too-high"), False),
        (found("symmetric-init"), replace(found("dead-units"), verified=True), False),
        (found("symmetric-init"), replace(found("lr-too-high"), verified=True), True),
        # without its last activation a program has another gradient
        (found("output-range-mismatch"), found("wrong-backward", mistake="sign", wrong="W"), False),
        (found("labels-misaligned"), found("wrong-backward", mistake="sign", wrong="W"), True),
        (found("softmax-wrong-axis"), OF_HIDDEN, True),  # which the output has no part in
        (found("no-nonlinearity"), OF_HIDDEN, False),
        # and a size that a fork does as well with is one that goes with its rate
        (
            found("labels-misaligned"),
            replace(found("wrong-backward", mistake="constant-factor"), verified=False),
            False,
        ),
    ],
)
def test_what_is_told_of_the_changed_program_and_holds_for_the_program(first, second, holds) -> None:
    assert bool(further([first], Report("faults", [second]), Report("faults", [first]))) is holds


@pytest.mark.parametrize(
    ("title", "how", "holds"),
    [
        ("squared error of y2 and y", "not computed in the pass", True),
        ("squared error of s1 and y1", "not computed in the pass", False),
        ("loss", "seen in the pass", True),
    ],
)
def test_no_gradient_is_held_against_another_loss_that_is_guessed(title: str, how: str, holds: bool) -> None:
    was = Report("faults", [found("dead-units")], {"loss": {"title": "squared error of y2 and y", "how": "guessed"}})
    other = Report(
        "faults", [found("wrong-backward", mistake="sign", wrong="W")], {"loss": {"title": title, "how": how}}
    )
    assert bool(further(was.findings, other, was)) is holds


def told(source: str, script: Path) -> Report:
    """A doctor that sees sorted rows only where the sign is right."""
    if "w +=" in source:
        line = source.splitlines().index("w += 0.1 * dw") + 1
        first = replace(found("loss-sign-flipped", line), file=str(script), fix="w -= 0.1 * dw")
        return Report("faults", [first, replace(first, cause="class-imbalance", severity="info")])
    at = source.splitlines().index("x = load()") + 1
    return Report("faults", [replace(found("unshuffled-data", at), file=str(script), code="")])


def test_a_second_fault_is_told_by_its_line_in_the_program_as_it_is(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SOURCE)
    report = told(SOURCE, script)
    asked: list[str] = []

    def examine(changed: Changed, seconds: float) -> Report:
        asked.append(changed[script])
        return told(changed[script], script)

    look_again(report, script, examine, time.monotonic() + 60)
    assert asked == [SOURCE.replace("+=", "-=")]
    assert [(f.cause, f.severity) for f in report.findings] == [
        ("loss-sign-flipped", "error"), ("unshuffled-data", "error"), ("class-imbalance", "info"),
    ]  # fmt: skip
    assert (report.findings[1].line, report.findings[1].code) == (3, "x = load()")
    assert report.findings[1].notes == [SEEN_AGAIN]


def test_nothing_is_asked_where_there_is_no_time_or_nothing_wrong(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SOURCE)

    def examine(changed: Changed, seconds: float) -> Report:
        raise AssertionError("this was not to be asked")

    look_again(Report("healthy"), script, examine, time.monotonic() + 60)
    late = told(SOURCE, script)
    late.seconds = 100.0
    look_again(late, script, examine, time.monotonic() + 5)
    elsewhere = replace(late.findings[0], file="/usr/lib/net.py")
    look_again(Report("faults", [elsewhere]), script, examine, time.monotonic() + 60)


def test_a_text_is_read_in_the_place_of_a_file(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text("a = 1\n")
    as_if("b = 2\n", script)
    assert text_of(script) == "b = 2\n"
    assert script.read_text() == "a = 1\n"


@pytest.mark.slow
def test_two_mistakes_of_one_backward_pass_are_both_named(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(XOR)
    report = examine_script(script, budget=120)
    errors = [(f.mistake, f.code) for f in report.findings if f.severity == "error"]
    assert errors == [
        ("derivative-at-wrong-point", "hidden_delta = hidden_error * slope(hidden_error)"),
        ("missing-broadcast-sum", "bias_hidden += np.sum(hidden_delta)"),
    ]


XOR = """
import numpy as np
np.random.seed(1)
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])
W1, W2 = np.random.rand(2, 2), np.random.rand(2, 1)
bias_hidden, bias_output = np.random.rand(1, 2), np.random.rand(1, 1)

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def slope(x):
    return x * (1 - x)

for epoch in range(10000):
    hidden = sigmoid(np.dot(X, W1) + bias_hidden)
    output = sigmoid(np.dot(hidden, W2) + bias_output)
    error = y - output
    delta = error * slope(output)
    hidden_error = delta.dot(W2.T)
    hidden_delta = hidden_error * slope(hidden_error)
    W2 += hidden.T.dot(delta)
    W1 += X.T.dot(hidden_delta)
    bias_output += np.sum(delta, axis=0, keepdims=True)
    bias_hidden += np.sum(hidden_delta)
"""


TOO_EARLY = """def train(self, x, t):
    h = self.W1 @ x
    h = h + self.b1
    o = self.W2 @ f(h)
    d = t - o
    self.W2 += 0.1 * np.outer(d, h)
    self.b2 += 0.1 * d
    dh = self.W2.T @ d
    self.W1 += 0.1 * np.outer(dh, x)
    self.b1 += 0.1 * dh
    print(self.W1, self.b1)
"""


def test_an_update_that_comes_too_early_is_put_behind_the_others() -> None:
    finding = Finding("wrong-backward", "error", 1, "", "", "", "t.py", 6, mistake="updated-too-early")
    (made,) = repairs(finding, TOO_EARLY)
    line = "    self.W2 += 0.1 * np.outer(d, h)\n"
    assert made == TOO_EARLY.replace(line, "").replace("0.1 * dh\n", "0.1 * dh\n" + line)


HELPED = """a1 = sigmoid(z1)
z2 = a1 @ W2
out = sigmoid(z2)
d2 = (out - y) * sigmoid_prime(z2)
d1 = d2 @ W2.T * sigmoid_prime(a1)
"""


@pytest.mark.parametrize(
    ("line", "said", "old", "new"),
    [
        (4, "is written for its output, a·(1 − a), and is given its input.", "prime(z2)", "prime(out)"),
        (5, "is taken at its output, and must be taken at its input.", "prime(a1)", "prime(z1)"),
    ],
)
def test_a_helper_is_given_the_other_side_of_the_activation(line, said, old, new) -> None:
    mistake = "derivative-at-wrong-point"
    finding = Finding("wrong-backward", "error", 1, "", f"The derivative {said}", "", "t.py", line, mistake=mistake)
    assert next(repairs(finding, HELPED)) == HELPED.replace(old, new)


def test_a_program_without_numpy_sums_as_python_does() -> None:
    source = "import pandas as pd\nslope = 2 * (p - y) / n\n"
    finding = Finding("wrong-backward", "error", 1, "", "", "", "t.py", 2, mistake="missing-broadcast-sum")
    assert next(repairs(finding, source)) == source.replace("2 * (p - y) / n", "sum(2 * (p - y) / n)")


def test_the_line_that_the_fix_says_is_written_and_updates_beside_it_alike() -> None:
    source = "for i in range(9):\n    W += 0.1 * X.T @ d\n    b += 0.1 * d.sum(0)\n    n -= 1\n"
    finding = Finding("loss-sign-flipped", "error", 1, "", "", "W -= 0.1 * X.T @ d", "t.py", 2)
    assert next(repairs(finding, source)) == source.replace("W +=", "W -=")
    alike = replace(finding, fix=f"{finding.fix}, and the other updates alike")
    assert next(repairs(alike, source)) == source.replace("+=", "-=")


NETWORK = """
import torch
from torch import nn

class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.first, self.last = nn.Linear(4, 16), nn.Linear(16, 3)

    def forward(self, x):
        return torch.tanh(self.last(torch.relu(self.first(x))))
"""
TRAINED = """
import torch
from net import Net

torch.manual_seed(0)
x = torch.randn(300, 4)
y = (x[:, 0] > 0).long() + (x[:, 1] > 0).long()
model = Net()
optimizer = torch.optim.SGD(model.parameters(), lr=0.2)
for epoch in range(10):
    for i in range(15):
        optimizer.zero_grad()
        loss = torch.nn.functional.cross_entropy(model(x[i : i + 20]), y[i : i + 20])
        loss.backward()
        optimizer.step()
print(loss.item())
"""


def test_a_module_is_imported_as_if_another_text_stood_in_it(tmp_path: Path) -> None:
    (tmp_path / "beside_it.py").write_text("VALUE = 1\n")
    code = (
        "import sys; from pathlib import Path; from pellucid.doctor.sources import as_if\n"
        "as_if('VALUE = 2\\n', Path('beside_it.py')); sys.path.insert(0, '.'); import beside_it\n"
        "assert beside_it.VALUE == 2 and beside_it.__file__.endswith('beside_it.py')"
    )
    own = {**os.environ, "PYTHONPATH": str(Path(pellucid.__file__).parents[1])}
    subprocess.run([sys.executable, "-c", code], cwd=tmp_path, check=True, env=own)
    assert not list(tmp_path.glob("__pycache__/beside_it*"))


@pytest.mark.slow
def test_both_faults_of_a_program_in_two_files_are_told(tmp_path: Path) -> None:
    (tmp_path / "net.py").write_text(NETWORK)
    (tmp_path / "train.py").write_text(TRAINED)
    report = examine_script(tmp_path / "train.py", budget=90)
    assert {(f.cause, Path(f.file or "").name) for f in report.findings if f.severity == "error"} >= {
        ("low-coverage", "train.py"), ("activation-before-loss", "net.py"),
    }, report  # fmt: skip
    assert (tmp_path / "net.py").read_text() == NETWORK
    assert not (tmp_path / "__pycache__").exists() or not list((tmp_path / "__pycache__").glob("train*"))


BY_HAND = """
import numpy as np

def forward(x, w1, w2):
    h = np.maximum(x @ w1, 0)
    return h, h @ w2

def backward(x, h, out, y, w2):
    e = (out - y) / len(x)
    d = (e @ w2.T) * (h > 0)
    return x.T @ d, -(h.T @ e)
"""
LOOP = """
import numpy as np
from by_hand import forward, backward

rng = np.random.default_rng(0)
x = rng.normal(size=(200, 4))
y = np.sin(x[:, :1]) + x[:, 1:2]
w1, w2 = 0.5 * rng.normal(size=(4, 16)), 0.5 * rng.normal(size=(16, 1))
for epoch in range(400):
    h, out = forward(x, w1, w2)
    loss = 0.5 * np.mean((out - y) ** 2)
    d1, d2 = backward(x, h, out, y, w2)
    w1 -= 0.1 * d1
    w2 -= 0.1 * d2
print(loss)
"""


@pytest.mark.slow
def test_a_program_without_a_framework_is_examined_as_if_another_text_stood_in_its_module(tmp_path: Path) -> None:
    other, script = tmp_path / "by_hand.py", tmp_path / "train.py"
    other.write_text(BY_HAND)
    script.write_text(LOOP)
    wrong, right = (_examined(script, [], None, 60, changed) for changed in ({}, {other: BY_HAND.replace("-(h", "(h")}))
    assert [(f.mistake, Path(f.file or "").name) for f in wrong.findings] == [("sign", "by_hand.py")]
    assert right.status == "healthy", right
