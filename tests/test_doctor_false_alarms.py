"""Right programs of kinds that once raised an alarm, or could not be told: each has to be called healthy."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.conditions.causes.coverage import _are_rows
from pellucid.doctor.probes.data import Batch, Keys, SeenData
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass, _rooted
from pellucid.doctor.probes.usual import USUAL
from pellucid.doctor.process.moving import classify
from pellucid.doctor.process.paths import Group
from pellucid.doctor.proof import as_note, at_ties, changes_nothing, hardly_told
from pellucid.doctor.report import Finding
from pellucid.doctor.rules.backward import moves_any
from pellucid.doctor.rules.cells import TensorCell, _at_full_length, table
from pellucid.doctor.rules.gradient import Judgement, _exact, of_some_rows
from pellucid.doctor.standing import doubted, is_guess

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

# Steps of one length in two columns of which one is 1 and the other 0 cancelled with those of the bias.
INDICATORS = """
import numpy as np
X = np.zeros((10, 3))
X[:, 0] = X[:5, 1] = X[5:, 2] = 1
Y = np.array([0] * 5 + [1] * 5)
w = np.array([0.3, -0.2, 0.4])
for t in range(500):
    delta = X.dot(w) - Y
    w = w - 0.01 * X.T.dot(delta)
    cost = delta.dot(delta) / 10
"""

# What is remembered is the last step alone, and not what was remembered before.
LAST_STEP = (
    HEAD
    + """
class Net:
    def __init__(self):
        self.W = [rng.normal(size=(3, 6)), rng.normal(size=(6, 1))]
        self.last = [0, 0]

    def forward(self, x):
        self.a = [x]
        for w in self.W:
            self.a.append(np.tanh(self.a[-1] @ w))

    def backward(self, t, lr=0.01, momentum=0.1):
        d = [(t - self.a[-1]) * (1 - self.a[-1] ** 2)]
        d.insert(0, d[0] @ self.W[1].T * (1 - self.a[1] ** 2))
        for i in range(2):
            dw = self.a[i].T @ d[i]
            self.W[i] += lr * dw + momentum * self.last[i]
            self.last[i] = dw

net = Net()
for i in range(2000):
    n = rng.integers(60)
    net.forward(X[n:n+1])
    net.backward(2 * y[n:n+1] - 1)
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


TWO_OUTPUTS = """
import math, random
random.seed(0)
w1, w2, b1, w3, w4 = [random.uniform(-1, 1) for _ in range(5)]
points = [(random.uniform(-1, 1), random.uniform(0, 1), random.uniform(0, 1)) for _ in range(20)]
for epoch in range(50):
    for x, t1, t2 in points:
        h = math.tanh(w1 * x + b1)
        o1 = 1 / (1 + math.exp(-w2 * h))
        o2 = 1 / (1 + math.exp(-(w3 * h + w4)))
        d1 = (o1 - t1) * o1 * (1 - o1)
        d2 = (o2 - t2) * o2 * (1 - o2)
        dh = (d1 * w2 + d2 * w3) * (1 - h * h)
        w2, w3, w4 = w2 - 0.5 * d1 * h, w3 - 0.5 * d2 * h, w4 - 0.5 * d2
        w1, b1 = w1 - 0.5 * dh * x, b1 - 0.5 * dh
"""

CLIPPED_ADAGRAD = (
    HEAD
    + """
W, b = rng.normal(size=(3, 2)), np.zeros(2)
V, c = rng.normal(size=(2, 1)), np.zeros(1)
memory = [np.zeros_like(p) for p in (W, b, V, c)]
for i in range(300):
    h = np.tanh(X @ W + b)
    out = h @ V + c
    loss = ((out[:, 0] - y) ** 2).sum()
    d = 2 * (out - y[:, None])
    dh = (d @ V.T) * (1 - h * h)
    gradients = [X.T @ dh, dh.sum(axis=0), h.T @ d, d.sum(axis=0)]
    for p, g, m in zip([W, b, V, c], gradients, memory):
        np.clip(g, -40, 40, out=g)
        m += g * g
        p -= 0.1 * g / np.sqrt(m + 1e-8)
"""
)

# A number added below the fraction of Adagrad is larger than most squares of its gradients
CHARACTERS = """
import numpy as np
data = "the quick brown fox jumps over the lazy dog and runs away from it, again and again. " * 6
chars = sorted(set(data)); V = len(chars); ix = {c: i for i, c in enumerate(chars)}
H = 16; T = 12; lr = 1e-1
rng = np.random.RandomState(0)
Wxh = rng.randn(H, V) * 0.01; Whh = rng.randn(H, H) * 0.01; Why = rng.randn(V, H) * 0.01
bh = np.zeros((H, 1)); by = np.zeros((V, 1))
def lossFun(inputs, targets, hprev):
    xs, hs, ys, ps = {}, {}, {}, {}
    hs[-1] = np.copy(hprev); loss = 0
    for t in range(len(inputs)):
        xs[t] = np.zeros((V, 1)); xs[t][inputs[t]] = 1
        hs[t] = np.tanh(Wxh @ xs[t] + Whh @ hs[t-1] + bh)
        ys[t] = Why @ hs[t] + by
        ps[t] = np.exp(ys[t]) / np.sum(np.exp(ys[t]))
        loss += -np.log(ps[t][targets[t], 0])
    dWxh, dWhh, dWhy = np.zeros_like(Wxh), np.zeros_like(Whh), np.zeros_like(Why)
    dbh, dby = np.zeros_like(bh), np.zeros_like(by); dhnext = np.zeros_like(hs[0])
    for t in reversed(range(len(inputs))):
        dy = np.copy(ps[t]); dy[targets[t]] -= 1
        dWhy += dy @ hs[t].T; dby += dy
        dh = Why.T @ dy + dhnext
        dhraw = (1 - hs[t] * hs[t]) * dh
        dbh += dhraw; dWxh += dhraw @ xs[t].T; dWhh += dhraw @ hs[t-1].T
        dhnext = Whh.T @ dhraw
    for d in [dWxh, dWhh, dWhy, dbh, dby]: np.clip(d, -5, 5, out=d)
    return loss, dWxh, dWhh, dWhy, dbh, dby, hs[len(inputs)-1]
n, p = 0, 0
mem = [np.zeros_like(w) for w in (Wxh, Whh, Why, bh, by)]
smooth = -np.log(1.0 / V) * T
while n < 600:
    if p + T + 1 >= len(data) or n == 0: hprev = np.zeros((H, 1)); p = 0
    inputs = [ix[c] for c in data[p:p+T]]; targets = [ix[c] for c in data[p+1:p+T+1]]
    loss, *grads, hprev = lossFun(inputs, targets, hprev)
    smooth = smooth * .99 + loss * .01
    if n % 100 == 0: print('iter %d, loss: %f' % (n, smooth))
    for param, dparam, m in zip([Wxh, Whh, Why, bh, by], grads, mem):
        m += dparam * dparam
        param += -lr * dparam / np.sqrt(m + 1e-8)
    p += T; n += 1
"""

AT_A_SADDLE = """
import numpy as np
X = np.repeat([[0.0, 1.0], [1.0, 0.0], [1.0, 1.0]], 40, axis=0)
Y = np.repeat(np.eye(3), 40, axis=0)
W1, b1, W2, b2 = np.zeros((2, 5)), np.zeros(5), np.zeros((5, 3)), np.zeros(3)
for i in range(500):
    h = np.maximum(X @ W1 + b1, 0)
    e = np.exp(h @ W2 + b2)
    p = e / e.sum(axis=1, keepdims=True)
    cost = -np.sum(Y * np.log(p)) / len(Y)
    d = (p - Y) / len(Y)
    dh = d @ W2.T * (h > 0)
    W2, b2 = W2 - 0.1 * h.T @ d, b2 - 0.1 * d.sum(axis=0)
    W1, b1 = W1 - 0.1 * X.T @ dh, b1 - 0.1 * dh.sum(axis=0)
"""

NESTEROV = (
    HEAD
    + """
t = X @ np.array([1.0, -2.0, 0.5]) + 0.3
w, c, vw, vc = np.zeros(3), 0.0, np.zeros(3), 0.0

def grad(w, c):
    r = X @ w + c - t
    return X.T @ r / len(t), r.mean()

for i in range(100):
    gw, gc = grad(w + 0.8 * vw, c + 0.8 * vc)
    vw, vc = 0.8 * vw - 0.05 * gw, 0.8 * vc - 0.05 * gc
    w, c = w + vw, c + vc
"""
)

ONE_RATING_AT_A_TIME = """
import numpy as np
rng = np.random.default_rng(8)
P, Q, bu = 0.3 * rng.normal(size=(12, 3)), 0.3 * rng.normal(size=(9, 3)), np.zeros(12)
ratings = [(int(u), int(i), rng.normal() + 3) for u in range(12) for i in range(9) if rng.random() < 0.7]
for epoch in range(20):
    for u, i, r in ratings:
        e = r - (3 + bu[u] + P[u] @ Q[i])
        bu[u] += 0.05 * (e - 0.02 * bu[u])
        pu = P[u].copy()
        P[u] += 0.05 * (e * Q[i] - 0.02 * P[u])
        Q[i] += 0.05 * (e * pu - 0.02 * Q[i])
"""

SWEEP = (
    HEAD
    + """
for alpha in [0.01, 0.1, 1]:
    np.random.seed(1)
    W, b = np.random.normal(size=3), 0.0
    for j in range(2000):
        p = 1 / (1 + np.exp(-(X @ W + b)))
        error = p - y
        W -= alpha * X.T @ error / len(y)
        b -= alpha * error.mean()
"""
)

NEW_DICT_EACH_PASS = (
    HEAD
    + """
def update(parameters, error, rate=0.2):
    weights = parameters["W"] - rate * X.T @ error / len(y)
    return {"W": weights, "b": parameters["b"] - rate * error.mean()}

def model(passes):
    parameters = {"W": np.zeros(3), "b": np.zeros(1)}
    for i in range(passes):
        p = 1 / (1 + np.exp(-(X @ parameters["W"] + parameters["b"])))
        cost = -np.mean(y * np.log(p) + (1 - y) * np.log(1 - p))
        parameters = update(parameters, p - y)

model(500)
"""
)

HINGE = (
    HEAD
    + """
s = np.where(X[:, 0] + X[:, 1] > 0, 1, -1)
w, b = np.zeros(3), 0.0
for epoch in range(10):
    for k in rng.permutation(len(X)):
        margin = s[k] * (np.dot(X[k], w) + b)
        if margin >= 1:
            w -= 0.01 * 0.02 * w
        else:
            w -= 0.01 * (0.02 * w - s[k] * X[k])
            b -= 0.01 * -s[k]
"""
)

NOISE = (
    HEAD
    + """
w = np.zeros(3)
for i in range(200):
    out = X @ w
    loss = ((out - y) ** 2).mean()
    g = 2 * X.T @ (out - y) / len(y)
    g += 0.01 * np.random.randn(3)
    w -= 0.1 * g
"""
)


# the perceptron's rule: its passes without a step were taken for a gradient of zero of the hinge loss
PERCEPTRON = """
import random
random.seed(4)
rows = [(random.gauss(k * 2.0, 0.6), random.gauss(k, 0.3), k) for k in random.choices([-1, 1], k=80)]
w, b = [0.0, 0.0], 0.0

def predict(x):
    s = b + w[0] * x[0] + w[1] * x[1]
    return 1 if s >= 0 else -1

for epoch in range(10):
    errors = 0
    for x1, x2, target in rows:
        update = 0.1 * (target - predict((x1, x2)))
        w[0] += update * x1
        w[1] += update * x2
        b += update
        errors += int(update != 0)
"""


# what the penalty is multiplied with, and the mean of the labels, were taken for parameters that never move
FACTORS = (
    HEAD
    + """
class Factors:
    def __init__(self, R, K, rate, beta):
        self.R, self.rate, self.beta = R, rate, beta
        self.P, self.Q = rng.normal(scale=1 / K, size=(len(R), K)), rng.normal(scale=1 / K, size=(R.shape[1], K))
        self.b_u, self.b_i = np.zeros(len(R)), np.zeros(R.shape[1])
        self.b = np.mean(R[R > 0])

    def train(self, passes):
        for _ in range(passes):
            for i, j in np.argwhere(self.R > 0):
                e = self.R[i, j] - self.rating(i, j)
                self.b_u[i] += self.rate * (e - self.beta * self.b_u[i])
                self.b_i[j] += self.rate * (SIGNe - self.beta * self.b_i[j])
                before = self.P[i, :].copy()
                self.P[i, :] += self.rate * (e * self.Q[j, :] - self.beta * self.P[i, :])
                self.Q[j, :] += self.rate * (e * before - self.beta * self.Q[j, :])

    def rating(self, i, j):
        return self.b + self.b_u[i] + self.b_i[j] + self.P[i, :].dot(self.Q[j, :].T)

Factors(rng.integers(0, 6, (10, 8)).astype(float), 3, 0.05, 0.02).train(40)
"""
)

# updates by turns, in lists; the indices of an operand were taken for the name of a loss
FACTORS_IN_LISTS = """
import random
random.seed(4)
R = [[5, 3, 0, 1], [4, 0, 0, 1], [1, 1, 0, 5], [1, 0, 0, 4], [0, 1, 5, 4]]
P = [[random.random() for _ in range(2)] for _ in R]
Q = [[random.random() for _ in R[0]] for _ in range(2)]
for step in range(300):
    for i in range(len(R)):
        for j in range(len(R[i])):
            if R[i][j] > 0:
                eij = R[i][j] - sum(P[i][k] * Q[k][j] for k in range(2))
                for k in range(2):
                    P[i][k] = P[i][k] + 0.002 * (2 * eij * Q[k][j] - 0.02 * P[i][k])
                    Q[k][j] = Q[k][j] + 0.002 * (2 * eij * P[i][k] - 0.02 * Q[k][j])
"""

# rows that count for more, and no loss that is computed
# one output is compared with each of the words around it
AROUND = """
import numpy as np
np.random.seed(2)
words = [int(c) for c in "012340215034120531402513"]
w_in, w_out = np.random.uniform(-1, 1, (6, 4)), np.random.uniform(-1, 1, (4, 6))
for epoch in range(40):
    for index, center in enumerate(words):
        around = words[max(index - 2, 0) : index] + words[index + 1 : index + 3]
        x = np.zeros((1, 6))
        x[0][center] = 1
        h = np.dot(x, w_in)
        u = np.dot(h, w_out)
        y_pred = np.exp(u - u.max()) / np.exp(u - u.max()).sum()
        total = np.zeros((1, 6))
        for word in around:
            y_truth = np.zeros((1, 6))
            y_truth[0][word] = 1
            total += y_pred - y_truth
        d_in = np.dot(x.T, np.dot(w_out, total.T).T)
        d_out = np.dot(h.T, total)
        w_in = w_in - 0.02 * d_in
        w_out = w_out - 0.02 * d_out
"""

WEIGHTED_ROWS = (
    HEAD
    + """
t = (X @ np.array([1.0, -2.0, 0.5]) + 0.3 * rng.normal(size=60) > 0.8).astype(float)
cw = np.where(t == 1, 60 / (2 * t.sum()), 60 / (2 * (1 - t).sum()))
w, b = np.zeros(3), 0.0
for it in range(500):
    p = 1 / (1 + np.exp(-(X @ w + b)))
    g = cw * (p - t)
    w -= 0.1 * X.T @ g / 60
    b -= 0.1 * g.mean()
"""
)


def examined(folder: Path, source: str) -> Report:
    script = folder / "program.py"
    script.write_text(source)
    return examine_script(script, budget=40)


@pytest.mark.slow
@pytest.mark.parametrize(
    "source",
    [
        TWO_OUTPUTS,
        CLIPPED_ADAGRAD,
        CHARACTERS,
        NESTEROV,
        ONE_RATING_AT_A_TIME,
        SWEEP,
        NEW_DICT_EACH_PASS,
        PERCEPTRON,
        FACTORS.replace("SIGN", ""),
        FACTORS_IN_LISTS,
        WEIGHTED_ROWS,
        AROUND,
    ],
)
def test_another_right_program_is_healthy(source: str, tmp_path: Path) -> None:
    report = examined(tmp_path, source)
    assert report.status == "healthy", report.to_json()


@pytest.mark.slow
def test_a_sign_beside_a_decay_is_a_sign(tmp_path: Path) -> None:
    found = examined(tmp_path, FACTORS.replace("SIGN", "-")).findings[0]
    assert (found.mistake, found.code) == ("sign", "self.b_i[j] += self.rate * (-e - self.beta * self.b_i[j])")


@pytest.mark.slow
def test_a_rule_whose_loss_is_nowhere_computed_is_not_accused(tmp_path: Path) -> None:
    """Of the hinge loss only the margin is: what explains a part of the updates explains them by chance."""
    report = examined(tmp_path, HINGE)
    assert report.status != "faults", report.to_json()
    assert report.status == "healthy" or "--loss NAME" in report.reason


@pytest.mark.slow
def test_noise_in_the_updates_is_no_mistake(tmp_path: Path) -> None:
    report = examined(tmp_path, NOISE)
    assert report.status == "inconclusive", report.to_json()
    assert "at random" in report.reason


@pytest.mark.parametrize("source", [PROBABILITIES_IN_PLACE, INDICATORS, LAST_STEP, CLOSURE, NAMES_TWICE])
def test_a_right_program_is_healthy(source: str, tmp_path: Path) -> None:
    report = examined(tmp_path, source)
    assert report.status == "healthy", report.to_json()


def test_updates_that_are_rounding_are_no_mistake_of_the_gradient(tmp_path: Path) -> None:
    report = examined(tmp_path, AT_A_SADDLE)
    assert all(finding.cause == "symmetric-init" for finding in report.findings), report.to_json()


def test_a_root_of_squares_is_the_gradient_whatever_stands_below_the_fraction() -> None:
    rng = np.random.default_rng(0)
    before, gradient = rng.uniform(0, 1e-3, 50) ** 2, rng.normal(size=50) * 1e-3
    after = before + gradient**2
    update = -0.1 * gradient / np.sqrt(after + 1e-6)
    found = _rooted(after - before, after, -update * np.sqrt(after))
    np.testing.assert_allclose(found, gradient, rtol=1e-9)


@pytest.mark.parametrize(("other", "rate"), [(0.3, 0.1), (0.2, 0.05)])
def test_tensors_clipped_each_by_its_own_norm_have_the_rate_of_the_others(other: float, rate: float) -> None:
    sizes = {"W": (4, 0.3, 0.04), "V": (2, other, 0.05), "b": (3, 0.01, 0.1)}  # elements, norm, ratio
    gradients = {name: np.full(n, norm / np.sqrt(n)) for name, (n, norm, _) in sizes.items()}
    cells = {name: [TensorCell("along", ratio) for _ in range(2)] for name, (_, _, ratio) in sizes.items()}
    _at_full_length([StudiedPass(i, gradient=gradients) for i in range(2)], cells)
    assert [cell.ratio for cell in cells["V"]] == [rate, rate]
    assert [cell.ratio for cell in cells["b"]] == [0.1, 0.1]


@pytest.mark.parametrize(("longer", "along"), [(1.0, [0.1, 0.1, -0.1]), (1.01, [0.04, 0.05, -0.1])])
def test_tensors_that_are_all_clipped_each_by_its_own_norm_follow_the_slope(longer: float, along: list[float]) -> None:
    sizes = {"W": (4, longer, 0.04), "V": (2, 1.0, 0.05), "b": (3, 1.0, -0.1)}  # elements, norm, ratio
    gradients = {name: np.full(n, norm / np.sqrt(n)) for name, (n, norm, _) in sizes.items()}
    cells = {name: [TensorCell("along", ratio) for _ in range(2)] for name, (_, _, ratio) in sizes.items()}
    _at_full_length([StudiedPass(i, gradient=gradients) for i in range(2)], cells)
    assert [row[0].ratio for row in cells.values()] == along


@pytest.mark.parametrize(
    ("residuals", "taken"),
    [((2e-4, 1e-9), "hinge"), ((1e-9, 1e-9), "squared"), ((2e-4, 1e-4), "squared")],
)
def test_a_loss_that_explains_exactly_goes_before_one_that_does_nearly(
    residuals: tuple[float, float], taken: str
) -> None:
    squared, hinge = (
        Judgement(
            Candidate(kind, ("", "o"), ("", "y")), score, 0.1, [0.1], {"w": "right"},
            cells={"w": [TensorCell("along", 0.1, residual)]},
        )
        for kind, score, residual in zip(("squared", "hinge"), (1.08, 1.06), residuals, strict=True)
    )  # fmt: skip
    assert _exact([squared, hinge], squared).candidate.kind == taken


@pytest.mark.parametrize(
    ("base", "rows", "comparable"),
    [
        (np.zeros(400), np.zeros((5, 15)), False),
        (np.zeros(400), np.zeros((5, 1)), True),
        (np.zeros((9, 4)), np.zeros((5, 4)), True),
        (np.zeros((9, 4)), np.zeros((5, 5)), True),  # and a 1 beside them
        (np.zeros((9, 64)), np.zeros((5, 10)), False),  # classes, 1 in 10
    ],
)
def test_a_window_of_a_series_is_no_row_of_it(base: np.ndarray, rows: np.ndarray, comparable: bool) -> None:
    assert _are_rows(base, SeenData(Keys(None, None, None), [Batch(rows)])) is comparable


@pytest.mark.parametrize(
    ("mistake", "first"),
    [
        ("wrong-mask", "wrong-backward"),
        ("sign", "wrong-backward"),
        ("updated-too-early", "wrong-backward"),
        ("unknown", "lr-too-high"),
    ],
)
def test_a_named_mistake_goes_before_a_condition(mistake: str, first: str) -> None:
    wrong = Finding("wrong-backward", "error", 0.9, "", "", "", mistake=mistake)
    wrong.details = [{"mistake": mistake}] if mistake != "updated-too-early" else []
    rate = Finding("lr-too-high", "warning", 0.9, "", "", "", verified=True)
    found = doubted([wrong], [rate])
    assert found[0].cause == first
    assert (wrong.severity == "error") == (first == "wrong-backward")


def test_a_loop_that_moves_no_tensor_of_the_loss_is_not_the_one_that_trains():
    row = Judgement(Candidate("seen", ("", "loss")), 0.5, 1.0, [1.0])
    row.verdicts = {"total": "unknown", "w": "zero", "b": "zero"}
    assert not moves_any(row)
    row.verdicts["w"] = "right"
    assert moves_any(row)


@pytest.mark.parametrize(
    ("right", "better", "no_mistake"),
    [
        (5, [2.3, 2.1001, 1.9], True),
        (5, [2.3, 1.8, 1.4], False),  # the right gradient trains better
        (3, [2.3, 2.1001, 1.9], False),
        (6, [2.3, 2.1001], False),  # curves that cannot be compared
    ],
)
def test_a_gradient_that_differs_at_ties_alone_is_a_note(right: int, better: list[float], no_mistake: bool) -> None:
    row = Judgement(Candidate("seen", ("", "loss")), 0.5, 0.1, [0.1] * 6, {"w": "partly"})
    row.cells = {"w": [TensorCell("along", 0.1)] * right + [TensorCell("across", 0.1, 0.3)] * (6 - right)}
    fork = {"what": "loss", "as it is": [2.3, 2.1, 1.9], "with the right gradient": better}
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", "a.py", 31, mistake="wrong-mask", fork=fork)
    assert at_ties(finding, row) is no_mistake
    note = as_note(finding)
    assert (note.severity, note.title, note.where) == ("info", "wrong-backward", "")


@pytest.mark.parametrize(("left", "parameters"), [(0.1, ["tensor"]), (0.9, ["tensor", "carried"])])
def test_a_state_of_which_hardly_anything_is_left_is_no_parameter(left: float, parameters: list[str]) -> None:
    before = {"tensor": np.linspace(0.5, 2, 8), "carried": np.linspace(-0.5, 0.5, 8)}
    after = {"tensor": before["tensor"] - 0.01, "carried": before["carried"] ** 2}
    step = np.array([1e-4, -1e-4, 1e-4, 1e-4, 0, 0, 0, 0])
    spread = np.full(8, 1e-6)
    answers = {
        "tensor": {"tensor": step + spread, "carried": spread},
        "carried": {"carried": left * step + spread, "tensor": spread},
    }
    known = {name: Group(name, ((),), (8,), (8,)) for name in before}
    found = classify(known, [*before], before, after, dict.fromkeys(before, step), answers, True)
    assert found.parameters == parameters


@pytest.mark.parametrize(
    ("cosine", "fork", "told"),
    [(0.985, {}, False), (0.8, {}, True), (0.985, {"what": "loss", "as it is": [1.0]}, True)],
)
def test_a_direction_that_is_nearly_the_slope_is_no_fault_by_itself(
    cosine: float, fork: dict[str, object], told: bool
) -> None:
    """Of a network with pooling, no pass of which could be recorded in the time that there was."""
    tensors = [{"name": "filters", "verdict": "across", "cosine": cosine}, {"name": "w", "verdict": "right"}]
    finding = Finding("wrong-backward", "error", 0.95, "", "", "", mistake="unknown", tensors=tensors, fork=fork)
    assert hardly_told(finding) is not told


STEPS_OF_AND = """
rate = 0.1
rows = [[1, 0, 0, 0], [1, 0, 1, 0], [1, 1, 0, 0], [1, 1, 1, 1]]
w = [0.9, 0.7, 0.4]

def difference(w, row):
    return (1 if sum(w[i] * row[i] for i in range(3)) > 0 else 0) - row[3]

def improve(w, row):
    d = difference(w, row)
    for i in range(3):
        w[i] -= rate * d * row[i]
    return w

wrong = True
while wrong:
    wrong = False
    for row in rows:
        if difference(w, row) != 0:
            w = improve(w, row)
            wrong = True
"""


def test_how_far_a_decision_is_from_its_target_is_no_label(tmp_path: Path) -> None:
    report = examined(tmp_path, STEPS_OF_AND)
    assert report.status != "faults", report.to_json()


@pytest.mark.slow
@pytest.mark.parametrize("name", ["clip_by_value", "random_crops_of_text"])
def test_a_model_of_text_is_healthy(name: str, tmp_path: Path) -> None:
    """The last step of a loop back through time is 0, and what a text is cut out at is drawn for both parts at once."""
    source = Path(__file__).parent.parent / "benchmarks" / "handwritten" / "healthy" / f"{name}.py"
    report = examined(tmp_path, source.read_text(encoding="utf-8"))
    assert report.status == "healthy", report.to_json()


@pytest.mark.parametrize(
    ("kind", "state", "guess"), [("squared", "across", True), ("squared", "along", False), ("seen", "across", False)]
)
def test_a_loss_that_is_not_computed_and_explains_nothing_is_a_guess(kind: str, state: str, guess: bool) -> None:
    """Where there was time for one pass, another one may explain what it does not."""
    cell = TensorCell(state, 1.0)
    judgement = Judgement(Candidate(kind, ("", "o"), ("", "y")), 0.9, 1.0, [1.0], cells={"u": [cell], "w": [cell]})
    assert is_guess(judgement) is guess


@pytest.mark.parametrize(
    ("better", "verified", "said"),
    [(0.401, False, True), (0.40, True, False), (0.6, False, False)],
    ids=["the same", "better", "worse"],
)
def test_a_mistake_without_which_a_fork_trains_by_the_same_curve_changes_nothing(
    better: float, verified: bool, said: bool
) -> None:
    curves = {"what": "loss", "as it is": [1.0, 0.6, 0.4], "with the right gradient": [1.0, 0.6, better]}
    finding = Finding("wrong-backward", "error", 0.9, "", "", "", fork=curves, verified=verified)
    assert changes_nothing(finding) is said


def test_a_bias_that_moves_by_one_number_is_not_cut_where_it_keeps_to_the_rate() -> None:
    """As that of a hinge loss does, in a program that clips the norm of its weights."""
    candidate = Candidate("hinge", ("", "p"), ("", "y"))
    rng = np.random.default_rng(0)
    passes: list[StudiedPass] = []
    for i in range(4):
        slopes, sign = rng.normal(size=3), (-1.0) ** i
        entry = StudiedPass(i, clips=True)
        entry.slopes[candidate] = {"w": slopes, "b": np.array([sign])}
        for name, slope in entry.slopes[candidate].items():
            entry.directions[name] = np.eye(slope.size)
            entry.gradient[name] = entry.given[name] = 0.1 * slope
            entry.update[name], entry.values[name] = -0.1 * slope, np.ones(slope.size)
        passes.append(entry)
    assert {cell.state for cell in table(passes, candidate)["b"]} == {"along"}
    for entry in passes:
        entry.given["b"] = entry.gradient["b"] = 3 * entry.gradient["b"]
    assert {cell.state for cell in table(passes, candidate)["b"]} == {"silent"}


def test_within_the_margin_labels_of_two_signs_suggest_a_hinge_before_an_absolute_error() -> None:
    kinds = list(USUAL)
    assert kinds.index("hinge") < kinds.index("absolute")


@pytest.mark.parametrize(
    ("kind", "off", "others", "found"),
    [
        ("log", {3, 4}, {3, 4}, True),  # as where rows of a rare class count more, and few batches have one
        ("log", {3, 4}, {3}, False),
        ("log", {3, 4}, set(), False),  # one tensor alone is wrong there
        ("seen", {3, 4}, {3, 4}, False),
    ],
)
def test_a_guessed_loss_that_is_another_one_in_some_passes(
    kind: str, off: set[int], others: set[int], found: bool
) -> None:
    def row(wrong: set[int]) -> list[TensorCell]:
        return [TensorCell("across", 0.03) if i in wrong else TensorCell("along", 0.1) for i in range(6)]

    cells = {"w": row(off), "v": row(others), "b": [TensorCell("along", -0.1 if i in off else 0.1) for i in range(6)]}
    verdicts = dict.fromkeys(["w", "v", "b"], "partly")
    judgement = Judgement(Candidate(kind, ("", "o"), ("", "y")), 0.5, 0.1, [0.1] * 6, verdicts, cells=cells)
    assert of_some_rows(judgement) is found
