"""Units that say on which side of a threshold their sum is: the rule of the perceptron follows a slope, too."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.decisions import stays_whole

# The threshold is in the comparison alone, and what it gives is a bool of NumPy.
THRESHOLD = """
import random
from numpy import array, dot, append

random.seed(0)


class Unit(object):
    def __init__(self):
        self.theta, self.rate, self.bias = 0.2, 0.2, array([1])
        self.w = array([random.uniform(-0.5, 0.5) for _ in range(3)])

    def train(self, data):
        while True:
            errors = 0
            for given, wanted in data:
                says = dot(append(self.bias, given), self.w) > self.theta
                error = wanted - says
                if error != 0:
                    errors += 1
                    self.w = array([w + self.rate * error * v for w, v in zip(self.w, append(self.bias, given))])
            if errors == 0:
                return


Unit().train([((0, 0), 1), ((0, 1), 1), ((1, 0), 1), ((1, 1), 0)])
"""

# The label is the last item of a row, and the sum is asked for once in a pass or twice.
ITEM_OF_ROW = """
import random

random.seed(3)
rows = [[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
w = [random.random(), random.random(), random.random()]


def step(z):
    return 1 if z > 0 else 0


def off(w, row):
    return step(sum(w[i] * row[i] for i in range(3))) - row[3]


def improve(w, row):
    d = off(w, row)
    for i in range(3):
        w[i] -= 0.1 * d * row[i]
    return w


wrong = True
while wrong:
    wrong = False
    for row in rows:
        if abs(off(w, row)) > 0.1:
            w = improve(w, row)
            wrong = True
"""

# All weights begin with 0 and the first samples move nothing: the loop over samples is the one that trains.
FROM_NOTHING = """
import numpy as np


class Unit:
    def __init__(self, size):
        self.weights, self.bias = np.zeros(size), 0

    def train(self, inputs, labels):
        for _ in range(1000):
            for x, y in zip(inputs, labels):
                error = y - (np.dot(x, self.weights) + self.bias)
                self.weights += 0.01 * error * np.array(x)
                self.bias += 0.01 * error


Unit(2).train([[0, 0], [0, 1], [1, 0], [1, 1]], [0, 0, 0, 1])
"""


@pytest.mark.parametrize("source", [THRESHOLD, ITEM_OF_ROW, FROM_NOTHING], ids=["threshold", "item", "zeros"])
def test_a_unit_that_decides_is_healthy(source: str, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(source)
    report = examine_script(program)
    assert report.status == "healthy", report.reason or [(f.title, f.line) for f in report.findings]


@pytest.mark.parametrize(
    ("source", "right", "wrong"),
    [
        (THRESHOLD, "self.w = array([w + ", "self.w = array([w - "),
        (ITEM_OF_ROW, "w[i] -= ", "w[i] += "),
    ],
    ids=["threshold", "item"],
)
def test_a_unit_that_goes_the_wrong_way_is_told(source: str, right: str, wrong: str, tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(source.replace(right, wrong))
    report = examine_script(program)
    assert report.status == "faults", report.reason
    assert report.findings[0].cause == "loss-sign-flipped"


# All sigmoids are 1 at first, as if a unit decided.
SATURATED = """
import numpy as np

np.random.seed(0)
marks = np.random.uniform(30, 100, (100, 2))
X = np.concatenate([np.ones((100, 1)), marks], axis=1)
y = (marks.sum(1, keepdims=True) > 130).astype(float)


def sigmoid(x):
    return 1 / (1 + np.exp(-x))


def cost_function(X, y, theta):
    h = sigmoid(np.dot(X, theta.T))
    return (0.001 / len(X) * sum(np.dot(y.T, np.log(h)) - np.dot((1 - y).T, np.log(1 - h))))[0]


def descend(X, y, theta):
    for i in range(30000):
        h = sigmoid(np.dot(X, np.transpose(theta)))
        theta = theta - 0.001 / len(X) * np.transpose(np.dot(np.transpose(X), h - y))
        if i % 10000 == 0:
            print(cost_function(X, y, theta))
    return theta


descend(X, y, np.random.uniform(0, 1, (1, 3)))
"""


@pytest.mark.slow
def test_a_saturated_sigmoid_is_no_decision(tmp_path: Path) -> None:
    program = tmp_path / "train.py"
    program.write_text(SATURATED)
    report = examine_script(program)
    assert "input-not-scaled" in [finding.cause for finding in report.findings], report.to_json()
    assert "perceptron" not in str(report.facts["loss"])


OF_LISTS = """
def step(val):
    return 1 if val > 0 else 0

def product(a, b):
    return sum(x * y for (x, y) in zip(a, b))

rows = [[1, 0, 0], [1, 1, 1], [0, 1, 0], [0, 0, 0]]
w, b = [0, 0], 0
for i in range(10):
    for data in rows:
        y = step(product(w, data[:2]) + b)
        delta = [0.1 * (data[2] - y) * x for x in data[:2]]
        w[0] += delta[0]
        w[1] += delta[1]
        b += 0.1 * (data[2] - y)
"""


def test_a_sum_that_equals_a_weight_is_an_output(tmp_path: Path) -> None:
    """While the threshold is 0, the sum of a row of one 1 is a weight by its value, but not where both are moved."""
    program = tmp_path / "train.py"
    program.write_text(OF_LISTS)
    report = examine_script(program)
    assert report.status == "healthy", report.reason
    assert report.facts["loss"]["title"].startswith("perceptron loss of val")


OF_AN_ACTIVATION = """
import numpy as np

X, y = np.array([[0, 0], [0, 1], [1, 0], [1, 1]]), np.array([0, 0, 0, 1])


def train(activation):
    np.random.seed(42)
    weights = np.random.randn(2) * 0.01
    bias = np.random.randn() * 0.01
    for epoch in range(10):
        for i in range(len(X)):
            z = np.dot(X[i], weights) + bias
            a = activation(z)
            said = 1 if a >= 0.5 else 0
            error = y[i] - said
            weights += 0.1 * error * X[i]
            bias += 0.1 * error


train(lambda z: np.maximum(0, z))
train(lambda z: 1 / (1 + np.exp(-z)))
train(np.tanh)
"""


def test_a_unit_that_comes_to_rest_does_not_climb(tmp_path: Path) -> None:
    """Its rows are right by a threshold of its own, and wrong by one of 0, up whose loss it seems to go."""
    program = tmp_path / "train.py"
    program.write_text(OF_AN_ACTIVATION)
    report = examine_script(program)
    assert report.status != "faults", report.findings[0]


@pytest.mark.parametrize(
    ("says", "decided"),
    [
        (lambda w: np.array([float(np.argmax(w))]), True),
        (lambda w: w @ np.array([1.0, 0.0, 2.0]), False),  # whole only where the weights are
        (lambda w: np.sign(w), True),
    ],
)
def test_an_output_that_is_a_whole_number_wherever_the_weights_are(says: Any, decided: bool) -> None:
    weights, key = np.array([3.0, 1.0, -2.0]), ("train.py", "guess")
    asked = stays_whole(cast("Any", None), cast("Any", SimpleNamespace(parameters=["w"])), key)
    next(asked)
    near = asked.send(cast("Any", SimpleNamespace(before={"w": weights}, seen={key: [says(weights)]})))
    moved = near.values["w"]
    assert not np.array_equal(moved, weights)
    with pytest.raises(StopIteration) as end:
        asked.send(cast("Any", SimpleNamespace(before={}, seen={key: [np.atleast_1d(says(moved))]})))
    assert end.value.value is decided
