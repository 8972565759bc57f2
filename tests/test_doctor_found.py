"""Right programs whose parameters, loss or labels are hard to find, or whose loss leaps on the way."""

from pathlib import Path

import pytest

from pellucid.doctor import examine_script

# Of inputs whose mean is 0, the slope and the offset do not touch one another; the weights begin as whole numbers.
APART = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.normal(size=80)
x = (x - x.mean()) / x.std()
y = 0.7 * x + rng.normal(0, 0.1, 80)


def slopes(W):
    return np.array([
        sum(b - (W[0][0] + W[1][0] * a) for a, b in zip(x, y)),
        sum((b - (W[0][0] + W[1][0] * a)) * a for a, b in zip(x, y)),
    ]).reshape(2, 1)


def RSS(W):
    return sum((b - (W[0][0] + W[1][0] * a)) ** 2 for a, b in zip(x, y))


W = np.array([0, 0]).reshape(2, 1)
for i in range(300):
    W = W + 2 * 0.0005 * slopes(W)
    print(RSS(W))
"""

# Samples far from 0 throw the parameters off, and those near it bring them back, in each epoch.
LEAPS = """
import random

random.seed(1)
rows = [(x, 20 * x + 5) for x in range(-50, 50)]
theta = [random.uniform(-1, 1), random.uniform(-1, 1)]


def slope(x, y, theta):
    error = theta[0] * x + theta[1] - y
    return [2 * error * x, 2 * error]


for epoch in range(100):
    for x, y in rows:
        theta = [t - 0.001 * g for t, g in zip(theta, slope(x, y, theta))]
    print(epoch, theta)
"""

# Summed over all rows, every gradient is clipped in every pass.
CLIPPED = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.uniform(size=(400, 5))
y = (X @ np.array([[0.2], [0.6], [0.1], [0.05], [0.1]])) / 1.05
sizes = [5, 16, 8, 1]
weights = [rng.uniform(-1, 1, (a, b)) * np.sqrt(2 / a) for a, b in zip(sizes, sizes[1:])]
biases = [np.zeros((1, b)) for b in sizes[1:]]

for epoch in range(1500):
    acts = [X]
    for i, (w, b) in enumerate(zip(weights, biases)):
        z = acts[-1] @ w + b
        acts.append(np.maximum(0, z) if i < 2 else z)
    loss = np.mean(np.square(y - acts[-1]))
    deltas = [None, None, y - acts[-1]]
    for i in (1, 0):
        deltas[i] = deltas[i + 1] @ weights[i + 1].T * np.where(acts[i + 1] > 0, 1, 0)
    for i in range(3):
        weights[i] += 0.005 * np.clip(acts[i].T @ deltas[i], -1, 1)
        biases[i] += 0.005 * np.clip(deltas[i].sum(axis=0, keepdims=True), -1, 1)
"""

# All arithmetic is by functions, the labels have a name like that of a gradient, and no loss is seen before the update.
BY_FUNCTIONS = """
import numpy as np

rng = np.random.default_rng(0)
X = np.concatenate([np.ones((1, 200)), rng.normal(size=(3, 200))])
gradient_Y = (X[1:2] - X[2:3] + rng.normal(0, 0.5, (1, 200)) > 0).astype(float).T
new = rng.normal(0, 0.1, (4, 1))
theta = new
for i in range(400):
    says = 1 / np.add(1, np.exp(-np.dot(theta.transpose(), X)))
    diff = np.subtract(says, gradient_Y.transpose())
    theta = np.subtract(new, np.multiply(0.5 / 200, np.dot(diff, X.transpose()).transpose()))
    new = theta
"""

# A derivative of the two losses is written out, with 1 less the labels; their product is what a softmax gives.
PRODUCT = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(120, 3))
Y = np.eye(2)[(X[:, 0] * X[:, 1] > 0).astype(int)]


class Net:
    def __init__(self):
        self.W1, self.b1 = rng.uniform(-1, 1, (3, 12)), np.zeros((1, 12))
        self.W2, self.b2 = rng.uniform(-1, 1, (12, 2)), np.zeros((1, 2))

    def sigmoid(self, z):
        return 1 / (1 + np.exp(-z))

    def softmax(self, z):
        e = np.exp(z - np.max(z, axis=-1, keepdims=True))
        return e / np.sum(e, axis=-1, keepdims=True)

    def loss_gradient(self, h, y):
        return -(h / y) + (1 - h) / (1 - y)

    def fit(self, X, y):
        for _ in range(2000):
            hidden = self.sigmoid(X @ self.W1 + self.b1)
            z = hidden @ self.W2 + self.b2
            p = self.softmax(z)
            d = self.loss_gradient(y, p) * self.softmax(z) * (1 - self.softmax(z))
            dh = d @ self.W2.T * hidden * (1 - hidden)
            self.W2 -= 0.01 * hidden.T @ d
            self.b2 -= 0.01 * d.sum(0, keepdims=True)
            self.W1 -= 0.01 * X.T @ dh
            self.b1 -= 0.01 * dh.sum(0, keepdims=True)


Net().fit(X, Y)
"""

# The states are made by a loop of its own, which moves a number in each step beside weights that stay as they are.
RESERVOIR = """
import numpy as np


def onehot(symbol, size):
    v = np.zeros(size)
    v[symbol] = 1.0
    return v


def run(sequences, size, units=30, epochs=150, rate=0.2):
    rng = np.random.default_rng(0)
    W_rec = rng.normal(0, 1 / np.sqrt(units), (units, units))
    W_in = rng.normal(0, 1, (units, size))
    W_out = np.zeros((size, units))

    def states_for(sequence):
        u = np.zeros(units)
        states = []
        for t in range(len(sequence)):
            u = 0.9 * u + W_rec @ np.tanh(u) + W_in @ onehot(sequence[t], size)
            states.append(np.tanh(u))
        return np.array(states)

    for epoch in range(epochs):
        for sequence in sequences:
            S = states_for(sequence)
            for t in range(len(sequence) - 1):
                z = W_out @ S[t]
                p = np.exp(z - z.max())
                p /= p.sum()
                W_out += rate * np.outer(onehot(sequence[t + 1], size) - p, S[t])
    return W_out


run([[i, 4, 5, 6, 7, 8, 9 + i] for i in range(4)], 13)
"""

# What is predicted stands nowhere: each of its parts is subtracted from what is left of the labels.
PARTS = """
import numpy as np

rng = np.random.default_rng(0)
x = rng.uniform(-3, 3, 40)
y = 0.3 + 1.5 * np.sin(1.2 * x) + 0.1 * rng.normal(size=40)
w = np.array([-0.2, 1.0, 0.9, 0.2])
for _ in range(500):
    w0_grad = -2 * np.sum(y - w[0] - w[1] * np.sin(w[2] * x + w[3]))
    w1_grad = -2 * np.sum((y - w[0] - w[1] * np.sin(w[2] * x + w[3])) * np.sin(w[2] * x + w[3]))
    w2_grad = -2 * np.sum((y - w[0] - w[1] * np.sin(w[2] * x + w[3])) * w[1] * x * np.cos(w[2] * x + w[3]))
    w3_grad = -2 * np.sum((y - w[0] - w[1] * np.sin(w[2] * x + w[3])) * w[1] * np.cos(w[2] * x + w[3]))
    w = w - 0.001 * np.array([w0_grad, w1_grad, w2_grad, w3_grad])
"""

# All weights decay but the intercept, which is the first of them.
INTERCEPT = """
import numpy as np

rng = np.random.default_rng(0)
X = np.column_stack([np.ones(120), rng.normal(size=(120, 5))])
y = (X @ np.array([0.8, 2.0, -1.0, 0.5, 0.0, 0.0]) + 0.3 * rng.normal(size=120) > 0).astype(float)
theta = np.zeros(6)


def gradient(theta, X, y, strength):
    h = 1 / (1 + np.exp(-(X @ theta)))
    penalty = theta.copy()
    penalty[0] = 0
    return X.T @ (h - y) / len(y) + strength * penalty / len(y)


for epoch in range(800):
    theta = theta - 0.5 * gradient(theta, X, y, 2.0)
"""

# Data, predictions and weights are what pandas holds.
TABLES = """
import numpy as np
import pandas as pd

rng = np.random.default_rng(0)
data = pd.DataFrame(rng.normal(size=(60, 3)), columns=["a", "b", "c"])
data["y"] = 0.7 * data.a - 1.2 * data.b + 0.1 * rng.normal(size=60)
features = data[["a", "b", "c"]]
y = data.y
w = pd.Series(0.1, index=features.columns)
slope = 0.0
for i in range(400):
    predicted = features.dot(w) + slope
    error = predicted - y
    w = w - 0.1 * features.mul(error, axis=0).mean()
    slope = slope - 0.1 * error.mean()
"""

# Each pass writes to a stream that is kept from the beginning, as a progress bar does.
PROGRESS = """
import sys
import numpy as np

rng = np.random.default_rng(0)
stream = sys.stderr
X = rng.normal(size=(80, 3))
y = X @ np.array([1.0, -2.0, 0.5])
w = np.zeros(3)
for epoch in range(300):
    w = w - 0.1 / len(X) * X.T @ (X @ w - y)
    stream.write(f"\\r{epoch}")
    stream.flush()
"""

PROGRAMS = {
    "apart": APART,
    "leaps": LEAPS,
    "clipped": CLIPPED,
    "by-functions": BY_FUNCTIONS,
    "product": PRODUCT,
    "reservoir": RESERVOIR,
    "parts": PARTS,
    "intercept": INTERCEPT,
    "tables": TABLES,
    "progress": PROGRESS,
}


def written(name: str, folder: Path, right: str = "", wrong: str = "") -> Path:
    if name == "tables":
        pytest.importorskip("pandas")
    assert right in PROGRAMS[name]
    program = folder / "train.py"
    program.write_text(PROGRAMS[name].replace(right, wrong) if right else PROGRAMS[name])
    return program


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_a_right_program_is_healthy(name: str, tmp_path: Path) -> None:
    program = written(name, tmp_path)
    report = examine_script(program)
    assert report.status == "healthy", report.reason or [(f.title, f.line) for f in report.findings]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("name", "right", "wrong"),
    [
        ("apart", "W = W + 2", "W = W - 2"),
        ("leaps", "t - 0.001 * g", "t + 0.001 * g"),
        ("clipped", "biases[i] += 0.005", "biases[i] -= 0.005"),
        ("by-functions", "np.subtract(new, np.mul", "np.add(new, np.mul"),
        ("product", "self.W2 -=", "self.W2 +="),
        ("reservoir", "W_out += rate", "W_out -= rate"),
        ("parts", "w = w - 0.001", "w = w + 0.001"),
        ("intercept", "theta - 0.5", "theta + 0.5"),
        ("tables", "predicted - y", "y - predicted"),
        ("progress", "w - 0.1", "w + 0.1"),
    ],
    ids=PROGRAMS,
)
def test_the_same_with_a_sign_that_is_wrong_is_not(name: str, right: str, wrong: str, tmp_path: Path) -> None:
    program = written(name, tmp_path, right, wrong)
    assert examine_script(program).status == "faults"
