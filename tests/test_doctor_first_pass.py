"""Programs whose first pass already makes NaN, and programs of whose gradients none is right."""

from pathlib import Path

import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.probes.overflow import Leaving, origin

OVERFLOW = """
import numpy as np
rng = np.random.RandomState(1)
X = rng.randint(0, 256, (100, 30)).astype(float)
labels = X[:, :3].argmax(axis=1)
W = rng.randn(30, 3)
b = np.zeros(3)
for step in range(200):
    scores = X @ W + b
    exps = np.exp(scores)
    probs = exps / exps.sum(axis=1, keepdims=True)
    loss = -np.log(probs[np.arange(100), labels]).mean()
    probs[np.arange(100), labels] -= 1
    W -= 0.0001 * X.T @ probs
    b -= 0.0001 * probs.sum(axis=0)
"""
LOGARITHM = """
import numpy as np
rng = np.random.RandomState(0)
X = rng.randn(100, 2) * 60
y = (X[:, 0] + X[:, 1] > 0).astype(float)
w = rng.randn(2) * 9
b = 0.0
for epoch in range(300):
    p = 1 / (1 + np.exp(-np.clip(X @ w + b, -500, 500)))
    loss = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
    w = w - 0.01 * X.T @ (p - y) / 100
    b = b - 0.01 * np.mean(p - y)
"""
AT_THE_ERROR = """
import numpy as np

def nonlin(x, deriv=False):
    return x * (1 - x) if deriv else 1 / (1 + np.exp(-x))

rng = np.random.RandomState(1)
X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
syn0 = 2 * rng.rand(3, 4) - 1
syn1 = 2 * rng.rand(4, 1) - 1
for i in range(2000):
    l1 = nonlin(X @ syn0)
    l2 = nonlin(l1 @ syn1)
    l2_error = y - l2
    l2_delta = l2_error * nonlin(l2_error, deriv=True)
    l1_delta = (l2_delta @ syn1.T) * nonlin(l1, deriv=True)
    syn1 += l1.T @ l2_delta
    syn0 += X.T @ l1_delta
"""


def said_of(source: str, tmp_path: Path) -> tuple[Report, str]:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script, budget=60)
    line = report.findings[0].line if report.findings else None
    return report, source.splitlines()[line - 1].strip() if line else ""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "line"),
    [(OVERFLOW, "exps = np.exp(scores)"), (LOGARITHM, LOGARITHM.splitlines()[9].strip())],
    ids=["overflow", "logarithm"],
)
def test_the_line_that_makes_the_first_nan_is_named(source, line, tmp_path):
    report, found = said_of(source, tmp_path)
    assert report.status == "faults"
    assert report.findings[0].cause == "log-of-zero"
    assert found == line


@pytest.mark.slow
def test_where_no_gradient_is_right_a_usual_loss_and_a_mistake_explain_them(tmp_path):
    report, found = said_of(AT_THE_ERROR, tmp_path)
    assert [finding.mistake for finding in report.findings[:1]] == ["derivative-at-wrong-point"]
    assert found == "l2_delta = l2_error * nonlin(l2_error, deriv=True)"


def test_a_power_that_overflows_is_where_an_invalid_division_comes_from():
    power, ratio = Leaving("overflow", "train.py", 3), Leaving("invalid value", "train.py", 4)
    logarithm = Leaving("divide by zero", "train.py", 9)
    assert origin([power, ratio, logarithm]) == power
    assert origin([power, logarithm, ratio]) == logarithm
    assert origin([power]) is None  # 1 / (1 + infinity) is 0
