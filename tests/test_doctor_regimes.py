"""Programs whose slopes tell little where they stand: weights that are tiny, inputs that are huge, elements at rest."""

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.conditions import regime
from pellucid.doctor.conditions.regime import nearly
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass, _below_the_root
from pellucid.doctor.process.scout import differ
from pellucid.doctor.rules.cells import TensorCell, at_rest, left_out
from pellucid.doctor.rules.gradient import Judgement

LOSS = Candidate("seen", ("", "loss"))


def studied(values: list[float], update: list[float], slopes: list[float]) -> StudiedPass:
    given = {"w": -np.array(update)}
    return StudiedPass(
        0,
        directions={"w": np.eye(len(values))},
        given=given,
        slopes={LOSS: {"w": np.array(slopes)}},
        update={"w": np.array(update)},
        values={"w": np.array(values)},
    )


@pytest.mark.parametrize(
    ("values", "update", "slopes", "found"),
    [
        ([0.3, -0.2, 0.7, 0.4], [0.1, 0.2, 0.0, 0.0], [-1.0, -2.0, 0.5, 0.3], [2, 3]),
        ([0.3, -0.2, 0.7, 0.4], [0.1, 0.2, 0.0, 0.0], [-1.0, -2.0, 0.0, 0.0], None),  # rows of a table, not drawn
        ([0.3, -0.2, 0.0, 0.0], [0.1, 0.2, 0.0, 0.0], [-1.0, -2.0, 0.5, 0.3], None),  # pruned
        ([0.3, -0.2, 1.0, 1.0], [0.1, 0.2, 0.0, 0.0], [-1.0, -2.0, 0.5, 0.3], None),  # at a bound
        ([0.3, -0.2, 0.7, 0.4], [0.1, 0.2, 0.1, 0.1], [-1.0, -2.0, 0.5, 0.3], None),
    ],
    ids=["left out", "no slope", "pruned", "at a bound", "all move"],
)
def test_elements_that_no_pass_moves(values, update, slopes, found) -> None:
    passes = [studied(values, update, slopes) for _ in range(3)]
    mask = left_out(passes, LOSS, "w")
    assert (None if mask is None else np.flatnonzero(mask).tolist()) == found
    assert at_rest(passes[:1], "w") is None  # one pass says nothing


@pytest.mark.parametrize(("cosines", "expected"), [([0.99, 0.95], True), ([0.99, 0.3], False), ([], False)])
def test_updates_that_go_nearly_along_the_slope(cosines: list[float], expected: bool) -> None:
    row = Judgement(LOSS, 0.5, 0.1, [0.1], cells={"w": [TensorCell("across", 0.1, 0.2, c) for c in cosines]})
    assert nearly(row) is expected


@pytest.mark.parametrize(("size", "made"), [(0.01, 5), (0.15, 0)])
def test_first_weights_that_let_hardly_any_signal_through(size: float, made: int) -> None:
    tensors = {f"W{i}": size * np.random.default_rng(i).normal(size=(4, 4)) / 2 for i in range(5)}
    case = SimpleNamespace(tensors=tensors, session=SimpleNamespace(found=None), keys=SimpleNamespace(inputs=None))
    assert len(regime.changes(cast("Any", case))) == made


def told(tmp_path: Path, source: str) -> Report:
    script = tmp_path / "train.py"
    script.write_text(source, encoding="utf-8")
    return examine_script(script)


UNITS = """
from math import tanh
from random import gauss, seed, shuffle
seed(3)
rows = [[gauss(0, 1), gauss(0, 1)] for _ in range(60)]
data = [(x, 1.0 if x[0] + 0.5 * x[1] > 0.6 else -1.0) for x in rows]
layers = [[[gauss(0, 0.7) for _ in range(3)] for _ in range(4)], [[gauss(0, 0.7) for _ in range(5)]]]
for epoch in range(60):
    shuffle(data)
    for x, t in data:
        values = [x]
        for layer in layers:
            values.append([tanh(u[-1] + sum(w * v for w, v in zip(u, values[-1]))) for u in layer])
        loss = sum((o - t) ** 2 for o in values[-1])
        deltas = [2 * (o - t) * (1 - o * o) for o in values[-1]]
        for k in (1, 0):
            below = [sum(d * u[i] for d, u in zip(deltas, layers[k])) for i in range(len(values[k]))]
            for u, d in zip(layers[k], deltas):
                for i, v in enumerate(values[k]{bias}):
                    u[i] -= 0.05 * d * v
            deltas = [b * (1 - v * v) for b, v in zip(below, values[k])]
    print(epoch, loss)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("bias", "verdict"), [("", "faults"), (" + [1.0]", "healthy")])
def test_biases_within_lists_of_weights_that_are_never_moved(bias: str, verdict: str, tmp_path: Path) -> None:
    report = told(tmp_path, UNITS.format(bias=bias))
    assert report.status == verdict
    if report.findings:
        first = report.findings[0]
        assert (first.cause, first.mistake) == ("parameter-not-optimized", "zero-gradient")
        assert "number 2 of each 3" in first.evidence
        assert "u[i] -=" in first.code


DEEP = """
import numpy as np
rng = np.random.default_rng(5)
X = rng.normal(size=(12, 200))
Y = np.eye(3)[(X[0] > 0.3).astype(int) + (X[1] > 0)].T
sizes = [12, 16, 12, 8, 3]
net = [[rng.normal(size=(m, n)) * {scale}, np.zeros((m, 1))] for n, m in zip(sizes, sizes[1:])]
for it in range(1500):
    acts = [X]
    for W, b in net[:-1]:
        acts.append(np.maximum(W @ acts[-1] + b, 0))
    z = net[-1][0] @ acts[-1] + net[-1][1]
    p = np.exp(z) / np.exp(z).sum(axis=0)
    cost = -np.sum(Y * np.log(p)) / X.shape[1]
    d = (p - Y) / X.shape[1]
    for i in range(len(net) - 1, -1, -1):
        W = net[i][0].copy()
        net[i][0] -= 0.1 * d @ acts[i].T
        net[i][1] -= 0.1 * d.sum(axis=1, keepdims=True)
        d = (W.T @ d) * (acts[i] > 0)
    if it % 100 == 0:
        print(it, cost)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("scale", "cause"), [("0.01", "init-too-small"), ("np.sqrt(2 / n)", None)])
def test_layers_that_begin_so_small_that_each_step_crosses_kinks(scale: str, cause: str | None, tmp_path: Path) -> None:
    report = told(tmp_path, DEEP.format(scale=scale))
    assert ([f.cause for f in report.findings] or [None])[0] == cause


PIXELS = """
import numpy as np
from sklearn.datasets import load_digits
d = load_digits()
rng = np.random.default_rng(0)
X, y = np.floor(d.data[:900] * 15.9), d.target[:900]
Y = np.eye(10)[y]
W1, b1 = rng.uniform(-0.4, 0.4, (64, 12)), np.zeros(12)
W2, b2 = rng.uniform(-0.4, 0.4, (12, 10)), np.zeros(10)
for i in range(300):
    a = np.maximum(X @ W1 + b1, 0)
    z = a @ W2 + b2
    p = np.exp(z) / np.exp(z).sum(axis=1, keepdims=True)
    d2 = (p - Y) / len(X)
    d1 = d2 @ W2.T{mask}
    W2 = W2 - 0.1 * a.T @ d2
    b2 = b2 - 0.1 * d2.sum(axis=0)
    W1 = W1 - 0.1 * X.T @ d1
    b1 = b1 - 0.1 * d1.sum(axis=0)
    if i % 50 == 0:
        print((p.argmax(1) == y).mean())
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("mask", "causes"), [(" * (a > 0)", ["input-not-scaled"]), ("", ["wrong-backward", "input-not-scaled"])]
)
def test_pixels_up_to_255_that_make_the_first_step_overflow(mask: str, causes: list[str], tmp_path: Path) -> None:
    report = told(tmp_path, PIXELS.format(mask=mask))
    assert [f.cause for f in report.findings] == causes
    assert report.findings[-1].code.startswith("X, y =")


def test_arrays_of_other_shapes_differ_and_overflowing_squares_tell_no_root() -> None:
    assert differ(np.zeros(24), np.zeros(576))
    assert not differ(np.array([np.nan, 1.0]), np.array([np.nan, 1.0]))
    huge = np.full(6, 1e200)
    with np.errstate(all="ignore"):
        assert _below_the_root(huge, huge, huge) is None
        assert _below_the_root(np.zeros(6), huge, huge) is None


SUMMED = """
import numpy as np
rng = np.random.default_rng(58)
x = np.round(8 * rng.random((400, 12)) ** 2)
t = np.eye(3)[(x @ rng.normal(size=(12, 3))).argmax(1)]
sigmoid = lambda v: 1 / (1 + np.exp(-v))
w, v = 2 * rng.random((12, 10)) - 1, 2 * rng.random((10, 3)) - 1
for epoch in range(1000):
    h = sigmoid(x @ w)
    o = sigmoid(h @ v)
    d = (t - o) * o * (1 - o)
    e = d @ v.T * h * (1 - h)
    v += {rate}h.T @ d
    w += {rate}x.T @ e
"""


@pytest.mark.slow
@pytest.mark.parametrize("rate", ["", "0.01 * "])
def test_a_rate_that_drives_all_units_to_their_end_is_told_where_the_loss_is_that_of_a_guess(
    rate: str, tmp_path: Path
) -> None:
    """It lost two thirds of its loss, all in the first pass, and came to rest above the loss of a guess."""
    report = told(tmp_path, SUMMED.format(rate=rate))
    causes = [(f.cause, f.verified) for f in report.findings]
    assert causes[:1] == ([] if rate else [("lr-too-high", True)]), report.to_json()


FEW = """
import numpy as np
from sklearn.datasets import load_digits
rng = np.random.default_rng(1)
digits = load_digits()
images, labels = digits.data / 16, np.eye(10)[digits.target]
pairs = []
for i in rng.permutation(1000):
    image, label = images[i], labels[i]
    pairs.append((image, label))
w, b = np.zeros((10, 64)), rng.normal(size=10)
for step in range(100):
    row, label = pairs[step]
    {name} = row
    error = label - (w @ {name} + b)
    w += 0.001 * np.outer(error, {name})
    b += 0.001 * error
"""


@pytest.mark.parametrize("name", ["img", "image"])
def test_what_an_earlier_loop_left_in_its_variable_is_no_input(name: str, tmp_path: Path) -> None:
    """Labels were called those of other rows."""
    report = told(tmp_path, FEW.format(name=name))
    assert "labels-misaligned" not in [finding.cause for finding in report.findings], report.to_json()


WITHIN = """
import numpy as np
x = np.linspace(1, 4, 12).reshape(-1, 1)
y = 3 * x.ravel() + 5
w = b = 0.0
for i in range(500):
    p = x * w + b
    dw = np.sum((p - {label}) * x) / len(x)
    db = np.sum(p - {label}) / len(x)
    w -= 0.01 * dw
    b -= 0.01 * db
print(w, b)
"""


@pytest.mark.parametrize("label", ["y", "y[:, None]"])
def test_a_broadcast_difference_that_no_variable_holds(label: str, tmp_path: Path) -> None:
    report = told(tmp_path, WITHIN.format(label=label))
    found = [(finding.cause, finding.line) for finding in report.findings]
    assert found == ([("silent-broadcast-loss", 8)] if label == "y" else []), report.to_json()


TURNED = """
import numpy as np
from sklearn.datasets import load_digits
rng = np.random.default_rng(0)
digits = load_digits()
pictures = digits.images[:300] / 16
x = pictures.reshape({shape}){turned}
t = (digits.target[:300] < 5).astype(float).reshape(1, 300)
w, b = rng.normal(size=(12, 64)) * 0.1, np.zeros((12, 1))
v, c = rng.normal(size=(1, 12)) * 0.1, np.zeros((1, 1))
for epoch in range(600):
    h = np.tanh(w @ x + b)
    p = 1 / (1 + np.exp(-(v @ h + c)))
    d = (p - t) / 300
    e = v.T @ d * (1 - h**2)
    v -= 0.3 * d @ h.T
    c -= 0.3 * d.sum(1, keepdims=True)
    w -= 0.3 * e @ x.T
    b -= 0.3 * e.sum(1, keepdims=True)
print(np.mean((p > 0.5) == t))
"""


@pytest.mark.slow
@pytest.mark.parametrize(("shape", "turned"), [("64, 300", ""), ("300, 64", ".T")])
def test_rows_that_were_reshaped_where_they_were_to_be_turned(shape: str, turned: str, tmp_path: Path) -> None:
    report = told(tmp_path, TURNED.format(shape=shape, turned=turned))
    found = [(finding.cause, finding.line, finding.verified) for finding in report.findings]
    assert found == ([] if turned else [("samples-mixed", 7, True)]), report.to_json()


DROPPED = """
import numpy as np
from sklearn.datasets import load_digits
rng = np.random.default_rng(2)
x, y = load_digits(return_X_y=True)
x = x[:800] / 16
keep = {keep}
w, v = rng.normal(size=(64, 30)) * 0.1, rng.normal(size=(30, 10)) * 0.1
for epoch in range(20):
    order = rng.permutation(800)
    for k in range(0, 800, 40):
        rows, t = x[order[k:k + 40]], np.eye(10)[y[order[k:k + 40]]]
        h = np.maximum(0, rows @ w)
        mask = (rng.random(h.shape) < keep) / keep
        a = h * mask
        e = np.exp(a @ v)
        p = e / e.sum(1, keepdims=True)
        loss = -(t * np.log(p + 1e-9)).sum() / 40
        d = (p - t) / 40
        g = d @ v.T * mask * (h > 0)
        v -= 0.1 * a.T @ d
        w -= 0.1 * rows.T @ g
print(loss)
"""


@pytest.mark.slow
@pytest.mark.parametrize("keep", [0.05, 0.6])
def test_dropout_that_leaves_nearly_all_units_out(keep: float, tmp_path: Path) -> None:
    report = told(tmp_path, DROPPED.format(keep=keep))
    found = [(finding.cause, finding.line, finding.verified) for finding in report.findings]
    assert found == ([("excessive-dropout", 7, True)] if keep < 0.1 else []), report.to_json()
