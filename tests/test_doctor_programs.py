"""The doctor on small programs without a framework: right ones are healthy, each planted mistake is found."""

from pathlib import Path

import pytest

from pellucid.doctor import Report, examine_script

TWO_LAYERS = """
import numpy as np

def sigmoid(x, deriv=False):
    if deriv:
        return x * (1 - x)
    return 1 / (1 + np.exp(-x))

X = np.array([[0, 0, 1], [0, 1, 1], [1, 0, 1], [1, 1, 1]])
y = np.array([[0], [1], [1], [0]])
np.random.seed(1)
syn0 = 2 * np.random.random((3, 4)) - 1
syn1 = 2 * np.random.random((4, 1)) - 1
for j in range(60000):
    l1 = sigmoid(np.dot(X, syn0))
    l2 = sigmoid(np.dot(l1, syn1))
    l2_error = y - l2
    l2_delta = l2_error * sigmoid(l2, deriv=True)
    l1_error = l2_delta.dot(syn1.T)
    l1_delta = l1_error * sigmoid(l1, deriv=True)
    syn1 += l1.T.dot(l2_delta)
    syn0 += X.T.dot(l1_delta)
"""

SCALARS = """
import math, random

random.seed(3)
data = [([0, 0], 0), ([0, 1], 1), ([1, 0], 1), ([1, 1], 0)]
w_h = [[random.uniform(-1, 1) for _ in range(2)] for _ in range(3)]
b_h = [0.0] * 3
w_o = [random.uniform(-1, 1) for _ in range(3)]
b_o = 0.0
lr = 0.5

def sig(x):
    return 1 / (1 + math.exp(-x))

for epoch in range(5000):
    for x, t in data:
        h = [sig(b_h[j] + sum(w_h[j][i] * x[i] for i in range(2))) for j in range(3)]
        o = sig(sum(w_o[j] * h[j] for j in range(3)) + b_o)
        d_o = (o - t) * o * (1 - o)
        d_h = [d_o * w_o[j] * h[j] * (1 - h[j]) for j in range(3)]
        for j in range(3):
            w_o[j] -= lr * d_o * h[j]
        b_o -= lr * d_o
        for j in range(3):
            for i in range(2):
                w_h[j][i] -= lr * d_h[j] * x[i]
            b_h[j] -= lr * d_h[j]
"""


def examined(folder: Path, source: str, *change: str) -> Report:
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    script = folder / "program.py"
    script.write_text(source)
    return examine_script(script, budget=40)


@pytest.mark.parametrize("source", [TWO_LAYERS, SCALARS])
def test_a_right_program_is_healthy(source: str, tmp_path: Path) -> None:
    report = examined(tmp_path, source)
    assert report.status == "healthy", report.to_json()
    assert "squared error" in report.facts["loss"]["title"]


@pytest.mark.parametrize(
    ("source", "old", "new", "wrong"),
    [
        (TWO_LAYERS, "syn1 += l1", "syn1 -= l1", {"syn1"}),
        (TWO_LAYERS, "l1_error * sigmoid(l1, deriv=True)", "l1_error", {"syn0"}),
        (SCALARS, "d_h = [d_o", "d_h = [-d_o", {"w_h[*]", "b_h"}),
    ],
)
def test_a_wrong_tensor_is_found(source: str, old: str, new: str, wrong: set[str], tmp_path: Path) -> None:
    report = examined(tmp_path, source, old, new)
    assert report.status == "faults"
    finding = report.findings[0]
    assert finding.cause == "wrong-backward"
    assert {t["name"] for t in finding.tensors if t["verdict"] != "right"} == wrong
    assert finding.fork["with the right gradient"]


def test_an_update_that_climbs(tmp_path: Path) -> None:
    report = examined(tmp_path, TWO_LAYERS, "syn1 += ", "syn1 -= ", "syn0 += ", "syn0 -= ")
    assert [finding.cause for finding in report.findings] == ["loss-sign-flipped"]


def test_the_program_writes_nothing_in_forks(tmp_path: Path) -> None:
    writes = "    open('trace.txt', 'a').write(f'{j}\\n')\n"
    source = TWO_LAYERS + writes
    script = tmp_path / "program.py"
    script.write_text(source.replace("'trace.txt'", repr(str(tmp_path / "trace.txt"))))
    examine_script(script, budget=30)
    lines = (tmp_path / "trace.txt").read_text().split()
    assert lines == [str(j) for j in range(len(lines))]
