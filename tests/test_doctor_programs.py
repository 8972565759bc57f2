"""The doctor on small programs without a framework: right ones are healthy, each planted mistake is found."""

from pathlib import Path

import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.process.placing import undoing
from pellucid.doctor.process.source import draws_units
from pellucid.doctor.standing import HARMLESS
from tests.sampled import sampled

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


@pytest.mark.parametrize("source", sampled([TWO_LAYERS, SCALARS], 2))
def test_a_right_program_is_healthy(source: str, tmp_path: Path) -> None:
    report = examined(tmp_path, source)
    assert report.status == "healthy", report.to_json()
    assert "squared error" in report.facts["loss"]["title"]


@pytest.mark.parametrize(
    ("source", "old", "new", "wrong"),
    sampled(
        [
            (TWO_LAYERS, "syn1 += l1", "syn1 -= l1", {"syn1"}),
            (TWO_LAYERS, "l1_error * sigmoid(l1, deriv=True)", "l1_error", {"syn0"}),
            (SCALARS, "d_h = [d_o", "d_h = [-d_o", {"w_h[*]", "b_h"}),
        ],
        3,
    ),
)
def test_a_wrong_tensor_is_found(source: str, old: str, new: str, wrong: set[str], tmp_path: Path) -> None:
    report = examined(tmp_path, source, old, new)
    assert report.status == "faults"
    finding = report.findings[0]
    assert finding.cause == "wrong-backward"
    assert {t["name"] for t in finding.tensors if t["verdict"] != "right"} == wrong
    assert finding.fork["with the right gradient"]


def test_a_sign_that_is_wrong_for_one_label(tmp_path: Path) -> None:
    report = examined(tmp_path, SCALARS, "(o - t) * o * (1 - o)", "o - t if t else t - o")
    assert [finding.mistake for finding in report.findings[:1]] == ["wrong-loss"]
    assert report.findings[0].code is not None and "t - o" in report.findings[0].code


def test_an_update_that_climbs(tmp_path: Path) -> None:
    report = examined(tmp_path, TWO_LAYERS, "syn1 += ", "syn1 -= ", "syn0 += ", "syn0 -= ")
    assert [finding.cause for finding in report.findings] == ["loss-sign-flipped"]


def test_an_update_that_climbs_by_a_gradient_that_lacks_a_derivative(tmp_path: Path) -> None:
    changes = "y - l2", "l2 - y", "l1_error * sigmoid(l1, deriv=True)", "l1_error"
    report = examined(tmp_path, TWO_LAYERS, *changes)
    assert [finding.cause for finding in report.findings[:2]] == ["loss-sign-flipped", "wrong-backward"]
    assert report.findings[0].code == "l2_error = l2 - y"
    assert report.findings[0].fix == "l2_error = y - l2"
    assert report.findings[1].mistake == "missing-activation-derivative"


def test_of_a_mistake_without_a_name_it_is_said_that_its_line_is_the_first_wrong_one(tmp_path: Path) -> None:
    finding = examined(tmp_path, TWO_LAYERS, "l2_delta.dot(syn1.T)", "np.cos(3 * l2_delta.dot(syn1.T))").findings[0]
    assert (finding.cause, finding.mistake) == ("wrong-backward", "unknown")
    assert finding.code == "l1_error = np.cos(3 * l2_delta.dot(syn1.T))"
    assert "the first line that goes wrong" in finding.explanation
    assert finding.fix


def test_the_program_writes_nothing_where_it_is_examined(tmp_path: Path) -> None:
    (tmp_path / "trace.txt").write_text("as it was")
    writes = "    open('trace.txt', 'a').write(f'{j}\\n')\n"
    source = TWO_LAYERS + writes
    script = tmp_path / "program.py"
    script.write_text(source.replace("'trace.txt'", repr(str(tmp_path / "trace.txt"))))
    examine_script(script, budget=30)
    assert (tmp_path / "trace.txt").read_text() == "as it was"


ENGINE = """
import random, math

class Value:
    def __init__(self, data, _children=()):
        self.data = data
        self.grad = 0.0
        self._backward = lambda: None
        self._prev = _children

    def __add__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data + other.data, (self, other))
        def _backward():
            self.grad += out.grad
            other.grad += out.grad
        out._backward = _backward
        return out

    def __mul__(self, other):
        other = other if isinstance(other, Value) else Value(other)
        out = Value(self.data * other.data, (self, other))
        def _backward():
            self.grad += other.data * out.grad
            other.grad += self.data * out.grad
        out._backward = _backward
        return out

    def tanh(self):
        t = math.tanh(self.data)
        out = Value(t, (self,))
        def _backward():
            self.grad += (1 - t**2) * out.grad
        out._backward = _backward
        return out

    def backward(self):
        order, seen = [], set()
        def build(v):
            if v not in seen:
                seen.add(v)
                for c in v._prev:
                    build(c)
                order.append(v)
        build(self)
        self.grad = 1.0
        for v in reversed(order):
            v._backward()

random.seed(1)
ws = [Value(random.uniform(-1, 1)) for _ in range(3)]
v = Value(0.7)
data = [([1.0, 2.0, -1.0], 0.5), ([0.3, -1.0, 0.5], -0.5)]
for k in range(100):
    loss = Value(0.0)
    for x, t in data:
        s = Value(0.0)
        for w, xi in zip(ws, x):
            s = s + w * xi
        e = s.tanh() * v + (-t)
        loss = loss + e * e
    for p in ws + [v]:
        p.grad = 0.0
    loss.backward()
    for p in ws + [v]:
        p.data -= 0.05 * p.grad
"""


@pytest.mark.parametrize(
    ("old", "new", "line", "title"),
    sampled(
        [
            ("(1 - t**2)", "(1 - t)", "self.grad += (1 - t) * out.grad", "wrong-backward: derivative-at-wrong-point"),
            (
                "self.grad += other.data *",
                "self.grad += self.data *",
                "self.grad += self.data * out.grad",
                "wrong-backward",
            ),
            (
                "other.grad += self.data",
                "other.grad = self.data",
                "other.grad = self.data * out.grad",
                "wrong-backward: dropped-term",
            ),
            ("        p.grad = 0.0\n    loss.b", "        pass\n    loss.b", "", "missing-zero-grad"),
        ],
        4,
    ),
)
def test_a_rule_of_an_engine(old: str, new: str, line: str, title: str, tmp_path: Path) -> None:
    report = examined(tmp_path, ENGINE, old, new)
    assert report.status == "faults", report.to_json()
    assert report.findings[0].title.startswith(title)
    assert not line or report.findings[0].code == line


def test_an_engine_that_is_right(tmp_path: Path) -> None:
    assert examined(tmp_path, ENGINE).status == "healthy"


def test_a_parameter_that_never_moves(tmp_path: Path) -> None:
    report = examined(tmp_path, TWO_LAYERS, "    syn0 += X.T.dot(l1_delta)", "    syn0_delta = X.T.dot(l1_delta)")
    assert report.findings[0].title == "parameter-not-optimized: zero-gradient"


NAMED = """
import math, random

random.seed(4)
a1, a2, b1, b2 = [random.uniform(-1, 1) for _ in range(4)]
c1, c2, c3 = 0.5, -0.4, 0.1

def f(s):
    return 1 / (1 + math.exp(-s))

for epoch in range(3000):
    for x1, x2, y in [(0, 0, 0), (0, 1, 1), (1, 0, 1), (1, 1, 0)]:
        h1, h2 = f(a1 * x1 + a2 * x2), f(b1 * x1 + b2 * x2)
        o = f(c1 * h1 + c2 * h2 + c3)
        so = (y - o) * o * (1 - o)
        s1, s2 = so * c1 * h1 * (1 - h1), so * c2 * h2 * (1 - h2)
        c1 += 0.7 * so * h1
        c2 += 0.7 * so * h2
        c3 += 0.7 * so
        a1 += 0.7 * s1 * x1
        a2 += 0.7 * s1 * x2
        b1 += 0.7 * s2 * x1
        b2 += 0.7 * s2 * x2
"""


CLOSURE = """
import numpy as np

rng = np.random.default_rng(9)

def net(lr):
    w, bw = rng.normal(size=(2, 16)), np.zeros(16)
    v, bv = rng.normal(size=(16, 1)) / 4, np.zeros(1)

    def predict(x):
        return np.tanh(x @ w + bw) @ v + bv

    def step(x, y):
        nonlocal w, bw, v, bv
        hidden = np.tanh(x @ w + bw)
        error = (hidden @ v + bv - y) / len(x)
        gv, gbv = hidden.T @ error, error.sum(axis=0)
        back = error @ v.T * (1 - hidden ** 2)
        gw, gbw = x.T @ back, back.sum(axis=0)
        w, new = w - lr * gw, bw - lr * gbw
        v, bv = v - lr * gv, bv - lr * gbv

    return predict, step

x = rng.uniform(-1, 1, (500, 2))
y = x[:, :1] * x[:, 1:] + 0.3 * x[:, :1]
predict, step = net(0.2)
for k in range(3000):
    i = k * 10 % 500
    step(x[i:i + 10], y[i:i + 10])
"""


@pytest.mark.slow
def test_what_is_wrong_beside_an_early_update_comes_first(tmp_path: Path) -> None:
    """Each of the two has its line; the derivative is taken at what came out of the sigmoid, as if it went in."""
    early, derivative = "    syn1 += l1.T.dot(l2_delta)\n", "l1_error * sigmoid(l1, deriv=True)"
    later = "l1_error * (lambda s: s * (1 - s))(sigmoid(l1))"
    program = TWO_LAYERS.replace(early, "").replace("    l1_error =", early + "    l1_error =")
    report = examined(tmp_path, program, derivative, later)
    assert [finding.mistake for finding in report.findings] == ["derivative-at-wrong-point", "updated-too-early"]
    assert [finding.code.split()[0] for finding in report.findings] == ["l1_delta", "l1_error"]


@pytest.mark.slow
def test_a_variable_of_a_closure_that_never_moves(tmp_path: Path) -> None:
    report = examined(tmp_path, CLOSURE)
    assert [finding.cause for finding in report.findings[:1]] == ["parameter-not-optimized"]
    assert {t["name"] for t in report.findings[0].tensors if t["verdict"] != "right"} == {"predict.bw"}


@pytest.mark.slow
def test_a_weight_that_never_moves_and_whose_input_is_zero_in_the_first_pass(tmp_path: Path) -> None:
    report = examined(tmp_path, NAMED.replace("        b2 += 0.7 * s2 * x2\n", ""))
    assert [finding.cause for finding in report.findings] == ["parameter-not-optimized"]
    assert {t["name"] for t in report.findings[0].tensors if t["verdict"] != "right"} == {"b2"}


@pytest.mark.slow
def test_a_mask_that_nothing_passes(tmp_path: Path) -> None:
    report = examined(tmp_path, TWO_LAYERS, "l1_error * sigmoid(l1, deriv=True)", "l1_error * (l1 < 0)")
    assert report.findings[0].title == "parameter-not-optimized: zero-gradient"
    assert report.findings[0].code.startswith("l1_delta =")
    assert "l1_delta is zero in every pass" in report.findings[0].fix


@pytest.mark.slow
def test_weights_that_are_updated_too_early(tmp_path: Path) -> None:
    early = "    syn1 += l1.T.dot(l2_delta)\n"
    report = examined(tmp_path, TWO_LAYERS, early, "", "    l1_error =", early + "    l1_error =")
    assert report.findings[0].title == "wrong-backward: updated-too-early"
    assert report.status == "faults"
    assert (report.findings[0].severity == "warning") is (HARMLESS in report.findings[0].notes)


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changes", "expected"),
    [
        (
            ("d_o * w_o[j] * h[j] * (1 - h[j])", "d_o * w_o[j]", "b_h[j] -= lr", "b_h[j] += lr"),
            [("missing-activation-derivative", "d_h = ["), ("sign", "b_h[j] += lr")],
        ),
        (
            ("w_h[j][i] -= lr * d_h[j] * x[i]", "w_h[j][i] += lr * d_h[j] * x[i]"),
            [("sign", "w_h[j][i] += lr")],
        ),
    ],
)
def test_each_mistake_has_its_line(changes: tuple[str, ...], expected: list[tuple[str, str]], tmp_path: Path) -> None:
    report = examined(tmp_path, SCALARS, *changes)
    assert [finding.mistake for finding in report.findings] == [mistake for mistake, _ in expected], report.to_json()
    for finding, (_, code) in zip(report.findings, expected, strict=True):
        assert finding.code.startswith(code)


LAYERS = """class Relu:
    def forward(self, x):
        self.x = x
        return np.maximum(0, x)

    def backward(self, grad):
        return grad

def sigmoid(x):
    return 1 / (1 + np.exp(-x))

def sigmoid_derivative(out):
    return sigmoid(out) * (1 - sigmoid(out))

def tanh(x):
    return np.tanh(x)

def tanh_derivative(x):
    return 1 - np.tanh(x) ** 2

d = h.T @ e

def logistic(z):
    return 1 / (1 + np.exp(-z))

def logistic_deriv(a):
    return 1 / (1 + np.exp(-a)) * (1 - 1 / (1 + np.exp(-a)))
"""


@pytest.mark.parametrize(
    ("forward", "missing", "line"),
    [
        (4, True, 7),  # the derivative is missing in the layer's own backward
        (10, False, 13),  # written for the input, and its parameter is called an output
        (10, True, None),  # there is a derivative, but nobody calls it
        (16, False, None),
        (21, True, None),
        (24, False, 27),
    ],
)
def test_the_backward_pass_of_a_step(forward: int, missing: bool, line: int | None) -> None:
    found = undoing({"a.py": LAYERS}, ("a.py", forward), ("a.py", 21), missing)
    assert found == (None if line is None else ("a.py", line))


def test_a_line_that_returns_nothing_is_no_place() -> None:
    text = LAYERS.replace("        return grad\n", "        self.dx = grad\n        return None\n")
    assert undoing({"a.py": text}, ("a.py", 4), ("a.py", 22), True) == ("a.py", 7)


@pytest.mark.parametrize(
    ("source", "drawn"),
    [
        ("h = (ph > rng.rand(*ph.shape)).astype(float)", True),
        ("h = np.random.binomial(1, ph)", True),
        ("h = np.random.random(ph.shape) < ph", True),
        ("mask = np.random.rand(*ph.shape) < keep", False),
        ("hit = ph > 0.5", False),
    ],
)
def test_units_that_are_drawn(source: str, drawn: bool) -> None:
    assert draws_units({"a.py": source}, {"ph"}) is drawn


NO_HIDDEN_LAYER = """
import numpy as np

X = np.array([[0, 0], [0, 1], [1, 0], [1, 1]])
y = np.array([[0, 1, 1, 0]]).T
np.random.seed(1)
w = 2 * np.random.random((2, 1)) - 1
for i in range(10000):
    p = 1 / (1 + np.exp(-np.dot(X, w)))
    w += np.dot(X.T, (y - p) * p * (1 - p))
"""


@pytest.mark.slow
def test_a_network_that_cannot_compute_it_is_said_to_come_no_further_than_a_guess(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(NO_HIDDEN_LAYER)
    report = examine_script(script)
    assert report.status == "healthy" and "no further than saying the mean label" in report.reason


PIXELS = """
import numpy as np

rng = np.random.default_rng(0)
labels = rng.integers(0, 10, 700)
shapes = rng.integers(0, 256, (10, 784)) * (rng.random((10, 784)) < 0.2)
X = np.where(rng.random((700, 784)) < 0.8, shapes[labels], rng.integers(0, 256, (700, 784)) // 8).T
Y = np.eye(10)[labels].T
W1, b1 = rng.random((10, 784)) - 0.5, rng.random((10, 1)) - 0.5
W2, b2 = rng.random((10, 10)) - 0.5, rng.random((10, 1)) - 0.5
for i in range(300):
    Z1 = W1.dot(X) + b1
    A1 = np.maximum(Z1, 0)
    Z2 = W2.dot(A1) + b2
    A2 = np.exp(Z2 - Z2.max(0)) / np.exp(Z2 - Z2.max(0)).sum(0)
    dZ2 = A2 - Y
    dZ1 = W2.T.dot(dZ2) * (Z1 > 0)
    W2 = W2 - 0.1 / 700 * dZ2.dot(A1.T)
    b2 = b2 - 0.1 / 700 * dZ2.sum(1, keepdims=True)
    W1 = W1 - 0.1 / 700 * dZ1.dot(X.T)
    b1 = b1 - 0.1 / 700 * dZ1.sum(1, keepdims=True)
"""


@pytest.mark.slow
def test_pixels_of_more_numbers_than_are_kept_are_scaled_too(tmp_path: Path) -> None:
    """A sample a column, all in one batch; it comes down to the loss of a guess from far above, and no further."""
    script = tmp_path / "train.py"
    script.write_text(PIXELS)
    report = examine_script(script)
    assert [finding.cause for finding in report.findings] == ["input-not-scaled"]
    assert "X / 255" in report.findings[0].fix


CLIMBS = """
import numpy as np

x = np.linspace(0, 100, 200)
y = 3 * x + 5
w, b = 0.5, 0.5
for i in range(8):
    e = w * x + b - y
    w -= 0.001 * (e * x).sum()
    b -= 0.001 * e.sum()
"""


@pytest.mark.slow
def test_a_loss_that_climbs_from_pass_to_pass_is_not_at_the_loss_of_a_guess(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(CLIMBS)
    report = examine_script(script)
    assert report.status == "faults"
    assert report.findings[0].cause in ("input-not-scaled", "lr-too-high")
