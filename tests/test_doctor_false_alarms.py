"""Right programs of kinds that once raised an alarm, or could not be told: each has to be called healthy."""

from pathlib import Path

import pytest

from pellucid.doctor import Report, examine_script

HEAD = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
y = (X[:, 0] * X[:, 1] > 0).astype(int)
"""

# multiprocessing gives the main module a second name, and the data were taken for twice as much
PROBABILITIES_IN_PLACE = (
    "import multiprocessing"
    + HEAD
    + """
def fit(passes=400):
    W1, b1 = rng.normal(size=(3, 8)), np.zeros((1, 8))
    W2, b2 = rng.normal(size=(8, 2)), np.zeros((1, 2))
    for i in range(passes):
        a1 = np.tanh(X.dot(W1) + b1)
        z2 = a1.dot(W2) + b2
        exp_scores = np.exp(z2)
        probs = exp_scores / np.sum(exp_scores, axis=1, keepdims=True)
        delta3 = probs
        delta3[range(len(X)), y] -= 1
        delta2 = delta3.dot(W2.T) * (1 - a1 ** 2)
        dW2, dW1 = a1.T.dot(delta3) + 0.01 * W2, X.T.dot(delta2) + 0.01 * W1
        W2 += -0.01 * dW2
        b2 += -0.01 * delta3.sum(axis=0, keepdims=True)
        W1 += -0.01 * dW1
        b1 += -0.01 * delta2.sum(axis=0)

fit()
"""
)

CLOSURE = (
    HEAD
    + """
def make(lr):
    W, b = np.zeros(3), 0.0

    def step(x, t):
        nonlocal W, b
        error = x @ W + b - t
        W = W - lr * x.T @ error / len(x)
        b = b - lr * error.mean()

    return step

step = make(0.1)
for epoch in range(40):
    for i in range(0, 60, 10):
        step(X[i:i + 10], y[i:i + 10])
"""
)

NAMES_TWICE = (
    HEAD
    + """
class Model:
    def fit(self, X, y):
        self.w, self.b = np.zeros(3), 0.0
        for _ in range(100):
            p = 1 / (1 + np.exp(-(X @ self.w + self.b)))
            dz = p - y
            self.w -= 0.5 * X.T @ dz / len(y)
            self.b -= 0.5 * dz.mean()

Model().fit(X[:40], y[:40])
"""
)


def examined(folder: Path, source: str) -> Report:
    script = folder / "program.py"
    script.write_text(source)
    return examine_script(script, budget=40)


@pytest.mark.parametrize("source", [PROBABILITIES_IN_PLACE, CLOSURE, NAMES_TWICE])
def test_a_right_program_is_healthy(source: str, tmp_path: Path) -> None:
    report = examined(tmp_path, source)
    assert report.status == "healthy", report.to_json()
