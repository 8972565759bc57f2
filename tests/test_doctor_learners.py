"""Programs as learners write them, each with a mistake: what the doctor calls it, and the line that it names."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes import alignment, rate
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.trials import Trial

MATRICES = """
import numpy as np

def squash(z):
    return np.tanh(z)

def slope(a):
    return 1 - np.power(a, 2)

rng = np.random.RandomState(0)
X = np.matrix(rng.randn(40, 3))
Y = np.matrix(np.sign(np.asarray(X)[:, :1] * np.asarray(X)[:, 1:2]))
W = [np.matrix(rng.randn(8, 3) * 0.5), np.matrix(rng.randn(5, 8) * 0.5), np.matrix(rng.randn(1, 5) * 0.5)]
b = [np.matrix(np.zeros((8, 1))), np.matrix(np.zeros((5, 1))), np.matrix(np.zeros((1, 1)))]
for epoch in range(50):
    for k in range(40):
        acts = [X[k].T]
        for w, c in zip(W, b):
            acts.append(squash(w * acts[-1] + c))
        delta = np.multiply(acts[-1] - Y[k].T, slope(acts[-1]))
        for l in (2, 1, 0):
            gw, gb = delta * acts[l].T, delta
            if l > 0:
                delta = np.multiply(W[l].T * delta, slope(acts[l]))
            W[l] = W[l] - 0.1 * gw
            b[l] = b[l] - 0.1 * gb
"""

NEURONS = """
import math, random
random.seed(1)

class Neuron:
    def __init__(self, n):
        self.weights = [random.uniform(-1, 1) for _ in range(n)]
        self.bias = random.uniform(-1, 1)

    def activate(self, inputs):
        s = self.bias
        for w, i in zip(self.weights, inputs):
            s += w * i
        self.output = 1.0 / (1.0 + math.exp(-s))
        return self.output

layers = [[Neuron(2) for _ in range(4)], [Neuron(4) for _ in range(3)]]

def forward(row):
    for layer in layers:
        row = [neuron.activate(row) for neuron in layer]
    return row

def backward(expected):
    for i in (1, 0):
        for j, neuron in enumerate(layers[i]):
            if i == 1:
                error = neuron.output - expected[j]
            else:
                error = 0.0
                for above in layers[i + 1]:
                    error += above.weights[j] * above.delta
            neuron.delta = error * neuron.output * (1 - neuron.output)

def update(row, lr):
    for layer in layers:
        for neuron in layer:
            for k in range(len(row)):
                neuron.weights[k] -= lr * neuron.delta * row[k]
            neuron.bias -= lr * neuron.delta
        row = [neuron.output for neuron in layer]

data = [([2.7, 2.5], 0), ([1.4, 2.3], 0), ([3.3, 4.4], 0), ([7.6, 2.7], 1), ([5.3, 2.0], 1), ([6.9, 1.7], 1),
        ([1.0, 8.0], 2), ([2.0, 7.5], 2), ([1.5, 9.1], 2)]
for epoch in range(300):
    total = 0
    for row, label in data:
        out = forward(row)
        exp = [0, 0, 0]
        exp[label] = 1
        total += sum((e - o) ** 2 for e, o in zip(exp, out))
        backward(exp)
        update(row, 0.5)
"""

HALF = """
import numpy as np

def sigmoid(x):
    return 1.0 / (1.0 + np.exp(-x))

def sigmoid_prime(x):
    return sigmoid(x) * (1 - sigmoid(x))

np.random.seed(3)
X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0], [1], [1], [0]])
syn0 = 2 * np.random.random((2, 4)) - 1
syn1 = 2 * np.random.random((4, 1)) - 1
for j in range(3000):
    z1 = X.dot(syn0)
    l1 = sigmoid(z1)
    z2 = l1.dot(syn1)
    l2 = sigmoid(z2)
    l2_delta = (y - l2) * sigmoid_prime(z2)
    l1_delta = l2_delta.dot(syn1.T) * sigmoid_prime(z1)
    syn1 += l1.T.dot(l2_delta)
    syn0 += X.T.dot(l1_delta)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "changes", "mistake", "code"),
    [
        (
            MATRICES,
            {"np.multiply(W[l].T * delta, slope(acts[l]))": "W[l].T * delta"},
            "missing-activation-derivative",
            "delta = W[l].T * delta",
        ),
        (
            NEURONS,
            {"error += above": "error = above"},
            "dropped-term",
            "error = above.weights[j] * above.delta",
        ),
        (
            # outputs near 0.5 follow the log loss, nearly
            HALF,
            {"sigmoid_prime(z2)": "sigmoid_prime(l2)", "sigmoid_prime(z1)": "sigmoid_prime(l1)"},
            "derivative-at-wrong-point",
            "l2_delta = (y - l2) * sigmoid_prime(l2)",
        ),
    ],
)  # fmt: skip
def test_a_mistake_has_its_name_and_its_line(
    source: str, changes: dict[str, str], mistake: str, code: str, tmp_path: Path
) -> None:
    for old, new in changes.items():
        assert old in source
        source = source.replace(old, new)
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script, budget=90)
    assert report.status == "faults", report.to_json()
    assert (report.findings[0].mistake, report.findings[0].code) == (mistake, code), report.to_json()


ONE_UNIT = """
import numpy as np

def softmax(A):
    e = np.exp(A)
    return e / e.sum(axis=1, keepdims=True)

np.random.seed(0)
x = np.arange(0, 10, 0.1).reshape(-1, 1)
y = np.sin(x)
w1, w2 = np.random.randn(1, 3), np.random.randn(3, 1)
for i in range(500):
    hidden = np.tanh(np.dot(x, w1))
    output = softmax(np.dot(hidden, w2))
    error = np.subtract(output, y)
    w2 = np.subtract(w2, 0.001 * np.dot(hidden.T, error))
    w1 = np.subtract(w1, 0.001 * np.dot(x.T, np.dot(error, w2.T) * (1 - hidden ** 2)))
"""

MAXIMUM = """
import numpy as np

np.random.seed(0)
x = np.random.normal(0.5, 0.5, (10, 300))
y = np.max(x, 0).reshape(1, 300)
w = np.zeros((1, 10))
for i in range(1000):
    z = np.dot(w, x)
    a = 1 / (1 + np.exp(-z))
    J = (-np.vdot(y, np.log(a)) - np.vdot(1 - y, np.log(1 - a))) / 300
    dw = np.dot(a - y, x.T) / 300
    w = w - 0.001 * dw
"""

MARGIN = """
import numpy as np

rng = np.random.RandomState(1)
X = rng.randn(80, 2) + 2.0
Y = (X[:, 0] > X[:, 1]).astype(int)

def gradient(w, X, y):
    z = X.dot(w)
    yz = y * z
    p = 1 / (1 + np.exp(-yz))
    return X.T.dot((p - 1) * y) / len(y)

w = rng.rand(2)
for i in range(1000):
    w = w - 0.1 * gradient(w, X, Y)
"""

THRESHOLD = """
import random

random.seed(2)
w = [random.uniform(-1, 1), random.uniform(-1, 1)]
threshold = 0.5

def predict(x):
    s = 0
    for i in range(len(w)):
        s += w[i] * x[i]
    return 1 if s > threshold else 0

for epoch in range(100):
    for x, t in zip([(0, 0), (0, 1), (1, 0), (1, 1)], [0, 0, 0, 1]):
        o = predict(x)
        err = o - t
        for i in range(len(w)):
            w[i] += 0.1 * err * x[i]
"""

GRADES = """
import numpy as np

def squash(v):
    return 1 / (1 + np.exp(-v))

X = np.array([[1, 2], [0.2, 3], [4, 1], [6, 1], [2, 2], [5, 3]])
grades = np.array([[1], [2], [2], [3], [1], [3]])
w, c = np.full((2, 1), 0.1), 0.1
for round in range(40):
    for i in range(len(X)):
        row, wanted = X[i].reshape(1, -1), grades[i]
        out = squash(row @ w + c)
        off = wanted - out
        w += 0.1 * off * out * (1 - out) * row.T
        c += 0.1 * off * out * (1 - out)
"""

RUNS_AWAY = """
import numpy as np

x, y = np.array([2, 3, 4, 5]), np.array([5, 7, 9, 5])
m, b, error = 0.3, 0.1, 0
for q in range(1000):
    for i in range(len(x)):
        predicted = m * x[i] + b
        error += (predicted - y[i]) ** 2
    m = m - (x * error) * 0.0001
    b = b - 0.0001 * error
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "cause", "code"),
    [
        (ONE_UNIT, "softmax-single-unit", "output = softmax("),
        (MAXIMUM, "output-range-mismatch", "a = 1 / (1 + np.exp(-z))"),
        (MARGIN, "labels-out-of-range", "Y = "),
        (THRESHOLD, "loss-sign-flipped", ""),
        (GRADES, "output-range-mismatch", "grades = "),
        (RUNS_AWAY, "exploding-gradients", "m = m - (x * error)"),
    ],
)  # fmt: skip
def test_a_cause_is_named(source: str, cause: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script, budget=90)
    assert report.status == "faults", report.to_json()
    assert report.findings[0].cause == cause and report.findings[0].code.startswith(code), report.to_json()


@pytest.mark.slow
def test_a_perceptron_with_a_threshold_may_be_right(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(THRESHOLD.replace("err = o - t", "err = t - o"))
    report = examine_script(script, budget=90)
    assert report.status == "healthy", report.to_json()


def test_a_parameter_that_is_lost_along_the_slope_has_a_rate_too_high() -> None:
    case: Any = SimpleNamespace(
        was=Trial(values={"w": np.array([1.0, 2.0])}, passes=7),
        candidate=Candidate("seen", ("", "loss")),
        session=SimpleNamespace(found=SimpleNamespace(groups={}, parameters=[])),
        sources={"train.py": "lr = 0.1\nw = w - lr * dw\n"},
    )
    assert rate.blown_up(case) is None
    case.was.values["w"] = np.array([1.0, np.inf])
    finding = rate.blown_up(case)
    assert finding is not None and finding.cause == "lr-too-high" and "7 passes" in finding.evidence
    case.was = Trial(values={"w": np.array([1.0, 1e154])}, at=[0, 1], losses=[1.0, np.inf], passes=2)
    assert rate.blown_up(case) is not None  # its square is what overflows
    case.was.values["w"] = np.array([1.0, 2.0])
    assert rate.blown_up(case) is None


def test_one_of_the_inputs_is_no_other_label() -> None:
    x = np.array([[1.0, 5.0], [2.0, 6.0], [1.0, 7.0]])
    assert alignment.is_column(x, np.array([1.0, 2.0, 1.0])) and not alignment.is_column(x, np.array([1.0, 2.0, 2.0]))


UNTIL_RIGHT = """
import math


class Unit:
    def __init__(self, weights, rate=0.1):
        self.weights, self.rate = weights, rate

    def output(self, row):
        total = 0
        for i in range(len(self.weights)):
            total += (row + [-1])[i] * self.weights[i]
        return 1 / (1 + math.exp(-total))

    def update(self, row, wanted):
        actual = self.output(row)
        error = wanted - actual
        for i in range(len(self.weights)):
            self.weights[i] += self.rate * error * (row + [-1])[i]


rows, wanted = [[0, 0, 0], [0, 1, 0], [1, 0, 0], [1, 1, 0], [1, 1, 1]], [1, 0, 0, 0, 0]
unit = Unit([0.5, 0.5, 0.5, -1])
while True:
    right = True
    for i in range(len(rows)):
        unit.update(rows[i], wanted[i])
        if round(unit.output(rows[i])) != wanted[i]:
            right = False
    if right:
        break
"""


@pytest.mark.parametrize("head", ["while True:", "for _ in range(5):"], ids=["until-right", "epochs"])
def test_a_program_that_ends_because_all_rows_are_right_makes_enough_updates(head: str, tmp_path: Path) -> None:
    """Its loss still falls, as that of a program does which ends after a few epochs."""
    program = tmp_path / "train.py"
    program.write_text(UNTIL_RIGHT.replace("while True:", head))
    report = examine_script(program)
    assert [f.cause for f in report.findings] == ([] if head.startswith("while") else ["too-few-updates"])


BELOW_A_MESSAGE = """
import numpy as np

rng = np.random.default_rng(0)
x = np.linspace(-3, 3, 200)
y = np.sin(x)
a, b, c, d = rng.normal(size=4)
for t in range(2000):
    out = a + b * x + c * x ** 2 + d * x ** 3
    loss = np.square(out - y).sum()
    if t % 100 == 99:
        print(t, loss)
        g = 2.0 * (out - y)
        da, db, dc, dd = g.sum(), (g * x).sum(), (g * x ** 2).sum(), (g * x ** 3).sum()
        a -= 1e-5 * da
        b -= 1e-5 * db
        c -= 1e-5 * dc
        d -= 1e-5 * dd
"""


@pytest.mark.parametrize("indented", [True, False], ids=["below", "in-each-pass"])
def test_updates_below_a_message_that_is_printed_now_and_then(indented: bool, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    head, text = BELOW_A_MESSAGE.split("        print(t, loss)\n")
    program.write_text(
        BELOW_A_MESSAGE if indented else head + "        print(t, loss)\n" + text.replace("        ", "    ")
    )
    report = examine_script(program)
    assert [(f.cause, f.line) for f in report.findings] == ([("too-few-updates", 11)] if indented else [])
