"""Backward passes with another operator than was meant, a derivative at the wrong point, and an average of errors."""

from pathlib import Path

import pytest

from pellucid.doctor import Report, examine_script

GATE = """
import numpy as np

class Network:
    def __init__(self):
        np.random.seed(1)
        self.w1 = 2 * np.random.random((2, 4)) - 1
        self.w2 = 2 * np.random.random((4, 1)) - 1

    def sigmoid(self, x):
        return 1 / (1 + np.exp(-x))

    def slope(self, x):
        return x * (1 - x)

    def train(self, inputs, outputs, iterations):
        for iteration in range(iterations):
            hidden = self.sigmoid(np.dot(inputs, self.w1))
            output = self.sigmoid(np.dot(hidden, self.w2))
            error = outputs - output
            output_delta = error * self.slope(output)
            hidden_delta = output_delta.dot(self.w2.T) * self.slope(hidden)
            self.w2 += np.dot(hidden.T, output_delta)
            self.w1 += np.dot(inputs.T, hidden_delta)

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
Network().train(X, np.array([[0, 1, 1, 1]]).T, 2000)
"""

# one sample at a time, a list of lists for the derivative, and shapes that are set in place
AT_THE_OUTPUT = """
import random
import numpy as np
random.seed(3)
np.random.seed(3)

def sigmoid(x):
    return 1 / (1 + np.exp(-1 * x))

def slope(x):
    return [[sigmoid(x[i][j]) * (1 - sigmoid(x[i][j])) for j in range(len(x[i]))] for i in range(len(x))]

inputs = np.array([[0, 0], [1, 0], [0, 1], [1, 1]])
labels = np.array([[0], [1], [1], [0]])
W1, b1 = np.random.rand(2, 2), np.zeros([2, 1])
W2, b2 = np.random.rand(1, 2), np.random.rand(1, 1)
for k in range(3000):
    row = random.sample([1, 2, 3], 1)
    X, Y = np.array(inputs[row]), np.array(labels[row])
    X.shape = (2, 1)
    out1 = sigmoid(np.dot(W1, X) + b1)
    pred_y = sigmoid(np.dot(W2, out1) + b2)
    s2 = -2 * pred_y * (1 - pred_y) * (Y - pred_y)
    temp = np.array(slope(out1))
    temp.shape = (1, 2)
    s1 = np.dot(np.diag(temp[0]), W2.T) * s2
    W2 = W2 - 0.05 * s2 * np.transpose(out1)
    b2 = b2 - 0.05 * s2
    W1 = W1 - 0.05 * np.dot(s1, np.transpose(X))
    b1 = b1 - 0.05 * s1
"""

# the sum that a softmax divides by was taken for the loss, and alike outputs of zero weights for one value
MEAN_OF_ERRORS = """
import numpy as np

def softmax(z):
    total = sum(np.exp(x) for x in z)
    return np.array([(np.exp(k) / total) for k in z])

def fit(xs, tau, rate, iterations):
    theta, bias = np.zeros((xs.shape[1], tau.shape[1])), np.zeros(tau.shape[1])
    for _ in range(iterations):
        total_mean_error = 0
        total_gradient = 0
        for i in range(xs.shape[0]):
            o = softmax(np.dot(xs[i], theta) + bias)
            error = o - tau[i]
            total_mean_error += np.mean(error)
            total_gradient += error * xs[i]
        theta -= rate * total_gradient + theta * rate
        bias -= rate * total_mean_error

rows = np.array([0.17, 0.79, 2.66, 2.81, 1.58, 1.86, 2.97, 2.70, 1.64, 1.68]).reshape((-1, 1))
fit(rows, np.eye(3, dtype=int)[[0, 0, 2, 2, 1, 1, 2, 2, 1, 1]], 0.05, 750)
"""

# a sum over all samples within delta, which was told as a derivative that is missing in the loss
SUM_IN_DELTA = """
import numpy as np
np.random.seed(0)
X = np.random.randn(3, 60)
Y = ((X[0] ** 2 + X[1] ** 2) > 1.2).astype(float).reshape(1, -1)
W1, b1 = np.random.randn(6, 3) * 0.5, np.zeros((6, 1))
W2, b2 = np.random.randn(1, 6) * 0.5, np.zeros((1, 1))
for i in range(1000):
    Z1 = W1 @ X + b1
    A1 = np.where(Z1 > 0, Z1, 0.01 * Z1)
    A2 = 1 / (1 + np.exp(-(W2 @ A1 + b2)))
    cost = -np.sum(Y * np.log(A2 + 1e-8) + (1 - Y) * np.log(1 - A2 + 1e-8)) / 60
    dZ2 = A2 - Y
    delta = np.sum(W2.T @ dZ2, axis=1, keepdims=True)
    dZ1 = delta * np.where(Z1 > 0, 1.0, 0.01)
    W2 -= 0.5 * dZ2 @ A1.T / 60
    b2 -= 0.5 * np.sum(dZ2, axis=1, keepdims=True) / 60
    W1 -= 0.5 * dZ1 @ X.T / 60
    b1 -= 0.5 * np.sum(dZ1, axis=1, keepdims=True) / 60
"""

NAMES_ALONE = """
import numpy as np
np.random.seed(0)

def sgd(params, grads, lr):
    for p, g in zip(params, grads):
        p = p - lr * g

X = np.random.randn(80, 3)
y = (X[:, :1] > 0).astype(float)
W, b = np.random.randn(3, 1), np.zeros(1)
for epoch in range(300):
    p = 1 / (1 + np.exp(-(X @ W + b)))
    d = (p - y) / len(X)
    sgd([W, b], [X.T @ d, d.sum(0)], 0.5)
"""

# the derivative of a softmax as a tutorial has it that is copied often
DIAGONAL = """
import numpy as np
np.random.seed(0)
X = np.random.randn(150, 4)
T = np.eye(3)[(X[:, 0] > 0).astype(int) + (X[:, 1] > 0)]
W1, W2 = np.random.randn(6, 4) * 0.5, np.random.randn(3, 6) * 0.5

def softmax(x, derivative=False):
    exps = np.exp(x - x.max())
    if derivative:
        return exps / np.sum(exps, axis=0) * (1 - exps / np.sum(exps, axis=0))
    return exps / np.sum(exps, axis=0)

for epoch in range(20):
    for x, y in zip(X, T):
        A1 = 1 / (1 + np.exp(-W1 @ x))
        Z2 = W2 @ A1
        output = softmax(Z2)
        error = 2 * (output - y) / 3 * softmax(Z2, derivative=True)
        d2 = np.outer(error, A1)
        error = W2.T @ error * A1 * (1 - A1)
        d1 = np.outer(error, x)
        W1 -= 0.1 * d1
        W2 -= 0.1 * d2
"""

AT_THE_ERROR = "back = output_delta.dot(self.w2.T); hidden_delta = back * self.slope(back)".replace(
    "; ", "\n" + 12 * " "
)

PROGRAMS = {
    "a softmax by its diagonal": (DIAGONAL, "dropped-term", "softmax(Z2, derivative=True)"),
    "a sum in delta": (SUM_IN_DELTA, "unknown", "delta = np.sum("),
    "in the hidden layer": (
        GATE.replace("(self.w2.T) * self", "(self.w2.T) + self"),
        "missing-activation-derivative",
        "self.w2.T) + self",
    ),
    "at the output": (GATE.replace("error * self", "error + self"), "missing-activation-derivative", "error + self"),
    "at its output": (AT_THE_OUTPUT, "derivative-at-wrong-point", ""),
    "at the error": (
        GATE.replace("hidden_delta = output_delta.dot(self.w2.T) * self.slope(hidden)", AT_THE_ERROR),
        "derivative-at-wrong-point",
        "hidden_delta = back * self.slope(back)",
    ),
    "a mean over classes": (MEAN_OF_ERRORS, "zero-gradient", ""),
}


def examined(folder: Path, source: str) -> Report:
    script = folder / "program.py"
    script.write_text(source)
    return examine_script(script, budget=60)


@pytest.mark.slow
@pytest.mark.parametrize("name", PROGRAMS)
def test_what_is_wrong_is_named_with_its_line(name: str, tmp_path: Path) -> None:
    source, mistake, code = PROGRAMS[name]
    finding = examined(tmp_path, source).findings[0]
    assert (finding.cause, finding.mistake) == ("wrong-backward", mistake)
    assert code in finding.code
    assert name != "at the error" or finding.fix == "hidden_delta = back * self.slope(hidden)"


@pytest.mark.slow
def test_what_to_write_is_said_where_a_mistake_has_no_name(tmp_path: Path) -> None:
    """The error of the output in the place of that of the hidden layer: the chain rule says what belongs there."""
    source = GATE.replace("output_delta.dot(self.w2.T) * self", "error * self")
    finding = examined(tmp_path, source).findings[0]
    assert (finding.cause, finding.mistake) == ("wrong-backward", "unknown")
    assert finding.code == "hidden_delta = error * self.slope(hidden)"
    assert finding.fix == "hidden_delta = output_delta @ self.w2.T * hidden * (1 - hidden)"


@pytest.mark.slow
def test_an_update_of_a_name_alone_trains_nothing(tmp_path: Path) -> None:
    report = examined(tmp_path, NAMES_ALONE)
    (finding,) = report.findings
    assert (report.status, finding.cause) == ("faults", "parameter-not-optimized")
    assert finding.code == "p = p - lr * g" and "p -= lr * g" in finding.fix
    assert examined(tmp_path, NAMES_ALONE.replace("p = p - lr", "p -= lr")).status == "healthy"


@pytest.mark.slow
def test_the_right_one_is_healthy(tmp_path: Path) -> None:
    assert examined(tmp_path, GATE).status == "healthy"
