"""Which loop trains, and which of the numbers it moves are parameters."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.process.instrument import Loops
from pellucid.doctor.process.paths import Scope, groups, leaves
from pellucid.doctor.process.scout import Scout, Seen, movers
from pellucid.doctor.process.widen import widen


def test_the_loop_of_a_generator_is_told_from_others() -> None:
    loops = Loops()
    loops.compile("def g():\n    for x in y:\n        yield x\nfor x in y:\n    def f():\n        yield x\n", "a.py")
    assert [loop.yields for loop in loops.loops.values()] == [True, False]


def test_what_a_function_sets_on_its_object_is_made_anew() -> None:
    loops = Loops()
    source = "def f(self):\n    self.h = 0\n    self.w = self.w + 1\n    for x in y:\n        self.h = g(self.h)\n"
    loops.compile(source, "a.py")
    assert "self.h" in loops.loops[0].local and "self.w" not in loops.loops[0].local


def test_a_narrow_array_is_widened_under_all_its_names() -> None:
    weights, flat = np.ones(3, np.float32), np.zeros(4, np.float32)
    names = {"w": weights, "params": [weights], "a": flat[:2], "b": flat[2:]}
    scope = Scope(None, {"__main__": names})
    widen(scope, groups(leaves(scope)).values())
    assert names["w"].dtype == np.float64 and names["params"][0] is names["w"]
    assert names["a"].dtype == np.float32 and names["a"].base is names["b"].base  # they share their memory


RECURRENT = """
import numpy as np
rng = np.random.default_rng(0)
U, W, V = rng.normal(size=(1, 5)) * 0.4, rng.normal(size=(5, 5)) * 0.4, rng.normal(size=(5, 1)) * 0.4

def run(x):
    h = np.zeros((len(x), 5))
    states = [h]
    for t in range(x.shape[1]):
        hn = np.tanh(x[:, t:t + 1] @ U + h @ W)
        h = hn
        states.append(h)
    return states, h @ V

for step in range(600):
    x = rng.normal(size=(20, 6))
    y = x.sum(1, keepdims=True) / 3
    states, p = run(x)
    loss = ((p - y) ** 2).mean()
    d = 2 * (p - y) / len(y)
    dV, dh = states[-1].T @ d, d @ V.T
    dU, dW = np.zeros_like(U), np.zeros_like(W)
    for t in reversed(range(6)):
        dz = dh * (1 - states[t + 1] ** 2)
        dU += x[:, t:t + 1].T @ dz
        dW += states[t].T @ dz
        dh = dz @ W.T
    U -= 0.1 * dU
    W -= 0.1 * dW
    V -= 0.1 * dV
"""

UNITS = """
import math, random
random.seed(4)
H = 5
w1 = [random.uniform(-1, 1) for _ in range(H)]
b1 = [random.uniform(-1, 1) for _ in range(H)]
w2 = [random.uniform(-0.5, 0.5) for _ in range(H)]
data = [(-2 + 4 * i / 19.0, math.sin(-2 + 4 * i / 19.0)) for i in range(20)]
for epoch in range(300):
    random.shuffle(data)
    for x, t in data:
        h = [math.tanh(w1[i] * x + b1[i]) for i in range(H)]
        err = sum(w2[i] * h[i] for i in range(H)) - t
        for i in range(H):
            gh = err * w2[i] * (1 - h[i] ** 2)
            w2[i] -= 0.05 * err * h[i]
            w1[i] -= 0.05 * gh * x
            b1[i] -= 0.05 * gh
"""

NARROW = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3)).astype(np.float32)
Y = (X[:, :1] * X[:, 1:2] > 0).astype(np.float32)
W, V = (rng.normal(size=(3, 8)) * 0.6).astype(np.float32), (rng.normal(size=(8, 1)) * 0.6).astype(np.float32)

def batches():
    order = rng.permutation(200)
    for s in range(0, 200, 20):
        yield X[order[s:s + 20]], Y[order[s:s + 20]]

for epoch in range(200):
    for x, y in batches():
        h = np.tanh(x @ W)
        p = 1 / (1 + np.exp(-h @ V))
        loss = -(y * np.log(p) + (1 - y) * np.log(1 - p)).mean()
        d = (p - y) / len(y)
        dV, dW = h.T @ d, x.T @ (d @ V.T * (1 - h * h))
        W = W - np.float32(0.5) * dW
        V = V - np.float32(0.5) * dV
"""


LAYERS = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 2))
Y = (X[:, :1] * X[:, 1:] > 0).astype(float)

class Dense:
    def __init__(self, n, m):
        self.w = rng.normal(size=(n, m))

    def forward(self, x):
        self.x = x
        return x @ self.w

    def backward(self, d):
        self.dw = self.x.T @ d
        return d @ self.w.T

class Norm:
    def __init__(self, n):
        self.gamma, self.mean, self.var = np.ones(n), np.zeros(n), np.ones(n)

    def forward(self, x):
        self.mean, self.var = 0.9 * self.mean + 0.1 * x.mean(0), 0.9 * self.var + 0.1 * x.var(0)
        self.h = np.tanh(x)
        return self.h * self.gamma

    def backward(self, d):
        self.dgamma = (d * self.h).sum(0)
        return d * self.gamma * (1 - self.h ** 2)

net = [Dense(2, 8), Norm(8), Dense(8, 8), Norm(8), Dense(8, 1)]

def predict(x):
    for layer in net:
        x = layer.forward(x)
    return 1 / (1 + np.exp(-x))

for epoch in range(40):
    for s in range(0, 120, 20):
        d = (predict(X[s:s + 20]) - Y[s:s + 20]) / 20
        for layer in reversed(net):
            d = layer.backward(d)
        for layer in net:
            if isinstance(layer, Dense):
                layer.w -= 0.5 * layer.dw
            else:
                layer.gamma -= 0.5 * layer.dgamma
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "code", "parameters"),
    [
        (LAYERS, "for s in range(0, 120, 20):", {"net[0].w", "net[1].gamma", "net[2].w", "net[3].gamma", "net[4].w"}),
        (RECURRENT, "for step in range(600):", {"U", "W", "V"}),
        (UNITS, "for x, t in data:", {"w1", "b1", "w2"}),
        (NARROW, "for x, y in batches():", {"W", "V"}),
    ],
    ids=[
        "layers that keep their statistics",
        "a loop over time",
        "a loop over units",
        "a generator of batches, float32",
    ],
)
def test_the_loop_that_trains(source: str, code: str, parameters: set[str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script)
    assert report.facts["loop"]["code"] == code
    assert {p["name"].removesuffix("[*]") for p in report.facts["parameters"]} == parameters
    assert report.status == "healthy", report


ROW_BY_ROW = """
import numpy as np
rng = np.random.default_rng(0)
W, V = rng.normal(size=(2, 6)), rng.normal(size=(6, 1))
for step in range(400):
    X = rng.normal(size=(8, 2))
    rows, deltas = [], []
    loss = 0.0
    for i in range(8):
        h = np.tanh(X[i:i + 1] @ W)
        p = h @ V
        rows.append(h)
        deltas.append(p - np.sin(X[i, 0]))
        loss += 0.5 * float((deltas[-1] ** 2).sum())
    for i in range(8):
        dh = deltas[i] @ V.T
        V -= 0.03 * rows[i].T @ deltas[i]
        W -= 0.03 * X[i:i + 1].T @ (dh * (1 - rows[i] ** 2))
"""


@pytest.mark.slow
def test_a_loop_that_only_applies_what_was_measured_before_it_is_not_the_one_that_trains(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ROW_BY_ROW, encoding="utf-8")
    report = examine_script(script, budget=40)
    assert report.facts["loop"]["line"] == 5
    assert report.findings[0].tensors[0]["name"] == "W", str(report)  # V is moved before it hands errors back


def test_the_derivative_at_an_output_called_y_is_no_product_with_a_label() -> None:
    loops = Loops()
    loops.compile("def slope(y):\n    return y * (1 - y)\nfor x, y in rows:\n    margin = y * (x @ w)\n", "a.py")
    assert ("y", "x @ w") in loops.pairs
    assert ("y", "1 - y") not in loops.pairs


def test_samples_in_a_list_are_gone_through_for_data_alone() -> None:
    samples = [(np.ones(3), 1.0) for _ in range(200)]
    layers = [(np.ones((2, 3)), np.ones(3)) for _ in range(3)]
    scope = Scope(None, {"m": {"samples": samples, "batches": [samples[i : i + 2] for i in range(100)], "net": layers}})
    assert {path[0][1][1] for path in leaves(scope)} == {"samples", "net"}
    assert {path[0][1][1] for path in leaves(scope, rows=False)} == {"net"}


@pytest.mark.parametrize(
    ("count", "more", "tests"), [(50, "", False), (20, "", True), (50, "w", True), (50, "dw", False)]
)
def test_a_loop_whose_test_took_long_in_vain_is_tested_for_a_reason(count: int, more: str, tests: bool) -> None:
    scout = Scout()
    seen = scout.loops[0] = Seen(count - 1, 1, again={"state", *filter(None, [more])}, asked=True)
    assert scout.head(0, lambda: Scope(None, {}))
    seen.count, seen.tested, seen.refused = count - 1, 1, frozenset({"state"})
    assert scout.head(0, lambda: Scope(None, {})) == tests


def test_the_number_of_a_unit_beside_its_weight_is_no_parameter() -> None:
    scope = Scope(None, {"m": {"inputs": [(0, 1.5), (1, -2.0), (2, 0.25)], "pairs": [(1, 2), (3, 4)]}})
    found = {group.paths[0][0][1][1]: group.read(scope).tolist() for group in movers(scope).values()}
    assert found == {"inputs": [1.5, -2.0, 0.25], "pairs": [1, 2, 3, 4]}


A_LINE = """
import numpy as np
rows = np.array([[float(x), 2.0 * x + 1 + (x % 3 - 1)] for x in range(1, 30)])

def step(b_now, m_now, points, rate):
    b_gradient = m_gradient = 0
    n = float(len(points))
    for i in range(len(points)):
        x, y = points[i, 0], points[i, 1]
        b_gradient += -(2 / n) * (y - (m_now * x + b_now))
        m_gradient += {sign}(2 / n) * x * (y - (m_now * x + b_now))
    return [b_now - rate * b_gradient, m_now - rate * m_gradient]

def train(points):
    b, m = 0, 0
    for i in range(300):
        b, m = step(b, m, points, 0.0005)
    return b, m

train(rows)
"""


@pytest.mark.parametrize("sign", ["-", ""])
def test_a_slope_that_is_handed_on_beside_an_offset_is_a_parameter(sign: str, tmp_path: Path) -> None:
    """Before a loop has run long, what a function sets anew may be a memory, if its name says nothing."""
    script = tmp_path / "program.py"
    script.write_text(A_LINE.format(sign=sign), encoding="utf-8")
    report = examine_script(script, budget=40)
    assert {each["name"] for each in report.facts["parameters"]} == {"b", "m"}
    assert [(found.mistake, found.line) for found in report.findings if found.severity == "error"] == (
        [] if sign else [("sign", 11)]
    )


GENERATOR = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(100, 3))
y = (X[:, :1] * 2 - X[:, 1:2] > 0).astype(float)
W1, b1 = rng.normal(size=(3, 6)), np.zeros((1, 6))
W2, b2 = rng.normal(size=(6, 1)), np.zeros((1, 1))


def training(epochs):
    global W1, b1, W2, b2
    for epoch in range(epochs):
        h = np.tanh(X @ W1 + b1)
        p = 1 / (1 + np.exp(-(h @ W2 + b2)))
        d = (p - y) / len(X)
        dh = d @ W2.T * (1 - h**2)
        W2, b2 = W2 - 0.5 * h.T @ d, b2 - 0.5 * d.sum(0, keepdims=True)
        W1, b1 = W1 - 0.5 * X.T @ dh, b1 - 0.5 * dh.sum(0, keepdims=True)
        yield epoch, -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))


"""
CONSUMERS = {
    "for": "for epoch, loss in training(600):\n    if epoch % 50 == 0:\n        print(epoch, loss)\n",
    "list": "losses = list(training(600))\nprint(losses[-1])\n",
}


@pytest.mark.slow
@pytest.mark.parametrize("consumer", CONSUMERS)
@pytest.mark.parametrize(
    ("slope", "found"), [(" * (1 - h**2)", []), ("", [("missing-activation-derivative", 16)])], ids=["right", "wrong"]
)
def test_a_generator_that_trains(slope: str, found: list[tuple[str, int]], consumer: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(GENERATOR.replace(" * (1 - h**2)", slope) + CONSUMERS[consumer])
    report = examine_script(script)
    assert [(finding.mistake, finding.line) for finding in report.findings] == found, report.reason
    assert report.status == ("faults" if found else "healthy")
