"""The causes that need no gradient: the rules on records, and the doctor on small programs that have one."""

import json
import subprocess
import sys
from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.conditions import learning, start
from pellucid.doctor.conditions.case import Case
from pellucid.doctor.conditions.causes import (
    alignment,
    class_numbers,
    coverage,
    decay,
    linear,
    order,
    reach,
    scale,
    softmax,
)
from pellucid.doctor.page import render
from pellucid.doctor.probes.data import Batch, Keys, SeenData, distinct, rows_of, samples, undone
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.passes import StudiedPass
from pellucid.doctor.probes.trials import Trial
from pellucid.doctor.process import culprits, orders, origins, rates
from pellucid.doctor.report import Finding
from pellucid.doctor.rules import cells
from tests.browser import in_browser
from tests.pages import ROOT, blocks

RNG = np.random.default_rng(0)


def data(*batches: Batch) -> SeenData:
    return SeenData(Keys(None, None, None), list(batches))


def trained(*losses: float) -> Trial:
    return Trial(at=list(range(len(losses))), losses=list(losses), passes=len(losses))


# The rules -----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("lying", [False, True])
def test_the_column_of_ones_of_an_intercept_is_not_scaled_away(lying: bool) -> None:
    rows = np.column_stack([np.ones(50), 67 + 15 * RNG.normal(size=50), 0.1 * np.ones(50), np.zeros(50)])
    mean, std = start.columns(rows)
    kept = (rows - mean) / std
    assert np.array_equal(kept[:, [0, 2, 3]], rows[:, [0, 2, 3]])
    assert abs(float(kept[:, 1].mean())) < 1e-9
    X = rows.T if lying else rows
    holder = SimpleNamespace(name="X", shape=X.shape)
    _, new, _ = scale.scaled_by(cast("Any", holder), rows)
    written = eval(new, {"np": np, "X": X})  # noqa: S307
    assert np.abs((written.T if lying else written) - kept).max() < 1e-6
    assert "where" not in scale.scaled_by(cast("Any", holder), rows[:, 1:2])[1]


def test_rows_that_come_again_are_counted() -> None:
    rows = RNG.normal(size=(100, 3))
    same = data(*(Batch(inputs=rows[:10]) for _ in range(12)))
    whole = data(*(Batch(inputs=rows[i * 10 % 100 :][:10]) for i in range(40)))
    finding = coverage.repeated_rows(same, 100)
    assert finding is not None
    assert finding.evidence.startswith("In 12 passes 10 of 100 different rows were used")
    assert coverage.repeated_rows(whole, 100) is None
    assert distinct(np.array([[1, 2], [1, 2], [3, 4]])) == distinct([[1, 2], [1, 2], [3, 4]]) == 2
    assert coverage.repeated_rows(data(*(Batch(inputs=rows) for _ in range(12))), 100) is None


def test_labels_that_change_for_a_row() -> None:
    rows, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 2, (50, 1)).astype(float)
    right = data(Batch(rows, labels), Batch(rows[::-1], labels[::-1]))
    torn = data(Batch(rows, labels), Batch(rows[::-1], labels))
    assert alignment.conflicting(right) == 0
    assert alignment.conflicting(torn) > 0.2


def test_sorted_labels() -> None:
    labels = np.repeat([0.0, 1.0, 2.0], 40)[:, None]
    batches = [Batch(labels=labels[i : i + 10]) for i in range(0, 120, 10)]
    mixed = [Batch(labels=part) for part in RNG.permutation(labels).reshape(12, 10, 1)]
    assert order.sorted_labels(data(*batches)) == (3, 2)
    assert order.sorted_labels(data(*mixed)) is None
    assert order.sorted_labels(data(*[Batch(labels=labels)] * 6)) is None  # the whole at once has no order


@pytest.mark.parametrize(
    ("outputs", "labels", "reached"),
    [
        (1 / (1 + np.exp(-np.maximum(0, RNG.normal(size=40)))), RNG.integers(0, 2, 40), False),
        (1 / (1 + np.exp(-RNG.normal(size=40))), RNG.integers(0, 2, 40), True),
        (np.full(40, 0.999), RNG.integers(1, 9, 40), False),
        (RNG.normal(size=40), RNG.normal(size=40), True),
        (np.maximum(0, RNG.normal(size=40)), RNG.normal(size=40), True),  # zeros, but not where labels are negative
        (np.maximum(0, np.linspace(-1, 1, 40)), np.linspace(-1, 1, 40), False),
    ],
)
def test_outputs_that_cannot_reach_their_labels(outputs: np.ndarray, labels: np.ndarray, reached: bool) -> None:
    if len(outputs) == 40 and reached and outputs.min() == 0:
        labels = np.where(outputs > 0, labels, np.abs(labels))
    finding = reach.out_of_reach(Batch(), Batch(outputs=outputs[:, None], labels=labels[:, None].astype(float)))
    assert (finding is None) is reached


def test_a_softmax_over_the_batch() -> None:
    exps = np.exp(RNG.normal(size=(6, 3)))
    over_batch = softmax.softmax_axis(Batch(outputs=exps / exps.sum(0)))
    assert over_batch is not None
    assert over_batch.cause == "softmax-wrong-axis"
    assert softmax.softmax_axis(Batch(outputs=exps / exps.sum(1, keepdims=True))) is None


def test_a_softmax_over_the_batch_is_seen_where_a_pass_calls_the_network_again_and_again() -> None:
    """As where the gradient is taken by differences: the labels stand beside, once."""
    exps = np.exp(RNG.normal(size=(6, 3)))
    key, labels = ("predict", "y"), {("", "t"): [np.eye(3)[RNG.integers(0, 3, 6)]]}
    (batch,) = softmax._of_many_calls({key: [exps / exps.sum()] * 9, **labels}, {key})
    assert softmax.softmax_axis(batch) is not None
    assert not [*softmax._of_many_calls({key: [exps / exps.sum()] * 9, ("", "t"): [np.ones((6, 3))]}, {key})]


@pytest.mark.slow
@pytest.mark.parametrize(("top", "told"), [(2.0, True), (1.5, False)])
def test_labels_beyond_what_a_tanh_is_multiplied_with(top: float, told: bool, tmp_path: Path) -> None:
    source = f"""
import numpy as np
rng = np.random.default_rng(3)
X = rng.normal(size=(30, 3))
y = np.where(X[:, :1] > 0, {top}, 1.0)
def act(x):
    return 1.716 * np.tanh(2 / 3 * x)
def slope(x):
    return 1.716 * (2 / 3) * (1 - np.tanh(2 / 3 * x) ** 2)
W, V = rng.uniform(-1, 1, (3, 4)), rng.uniform(-1, 1, (4, 1))
for epoch in range(300):
    for i in range(len(X)):
        a = np.dot(X[i], W)
        h = act(a)
        b = np.dot(h, V)
        output = act(b)
        d = (y[i] - output) * slope(b)
        dh = np.dot(d, V.T) * slope(a)
        V += 0.05 * np.outer(h, d)
        W += 0.05 * np.outer(X[i], dh)
"""
    (tmp_path / "train.py").write_text(source)
    found = [finding.cause for finding in examine_script(tmp_path / "train.py").findings]
    assert ("output-range-mismatch" in found) is told


def test_what_learns_and_what_is_a_remedy() -> None:
    frozen, slow = trained(*[1.0] * 40), trained(*np.linspace(1.0, 0.5, 40))
    stuck, cured = trained(*[1.0] * 40), trained(*np.geomspace(1.0, 0.01, 40))
    assert learning.learns(frozen, slow)
    assert not learning.learns(frozen, stuck)
    assert learning.confirmed(frozen, stuck, cured)
    assert not learning.confirmed(frozen, stuck, trained(*np.linspace(1.0, 0.9, 40)))
    assert not learning.confirmed(frozen, stuck, trained(*[1.0] * 39, float("nan")))
    assert learning.confirmed(frozen, trained(1.0, 9.0, float("inf")), cured)


@pytest.mark.parametrize(("level", "learns", "right", "told"), [
    (0.076, True, None, False), (0.05, True, None, True), (0.076, False, None, True), (0.076, True, 0.8, True)
])  # fmt: skip
def test_who_learns_and_only_gets_a_little_further_has_no_fault(
    level: float, learns: bool, right: float | None, told: bool
) -> None:
    case = SimpleNamespace(learns=learns, was=trained(0.13, 0.13), hits=lambda _: right)
    assert Case.only_faster(cast("Any", case), trained(level, level)) is not told


def test_what_stands_out_at_the_beginning() -> None:
    random = RNG.normal(size=(4, 3))
    assert start.symmetric({"W1": np.zeros((4, 3)), "W2": random}) == ["W1"]
    assert start.symmetric({"W": np.zeros((4, 3))}) == []  # one layer may begin at zero
    assert start.unequal(np.array([[1.0, 1000.0], [2.0, 2000.0], [-1.0, 500.0]])) == [1]
    assert not start.unscaled(random)
    assert start.unscaled(50 + random)


@pytest.mark.parametrize(
    ("label", "outputs", "count"),
    [
        (np.zeros(8), None, 8),
        (np.eye(3)[[0, 1, 2, 0]], np.zeros((4, 3)), 4),
        (np.eye(4)[[0, 1, 2, 3, 0]].T, np.zeros((4, 5)), 5),
        (np.array([0.0, 1.0, 0.0]), np.zeros(3), 1),
        (np.zeros((7, 1)), None, 7),
    ],
)
def test_how_many_samples_labels_are_for(label: np.ndarray, outputs: np.ndarray | None, count: int) -> None:
    assert samples([label], None if outputs is None else [outputs]) == count


@pytest.mark.parametrize(
    ("source", "line", "value"),
    [
        ("lr = 0.5\nw -= lr * g\n", 1, 0.5),
        ("class N:\n    def __init__(self, n, lr=0.1):\n        self.lr = lr\nN(3)\n", 2, 0.1),
        ("class N:\n    def __init__(self, n, lr=0.1):\n        self.lr = lr\nN(3, 7.0)\n", 4, 7.0),
        ("def fit(x, eta):\n    pass\nfit(1, eta=3.0)\n", 3, 3.0),
        ("w -= 0.01 * g\n", 1, 0.01),
        ("lr = 0.5\nlr = 0.2\nw -= lr * g\n", 2, 0.2),  # the one that is in force
        ("epochs, lr = 50, 0.3\nw -= lr * g\n", 1, 0.3),
    ],
)
def test_where_the_learning_rate_is_written(source: str, line: int, value: float) -> None:
    found = rates.rate({"a.py": source}, [("a.py", 1)])
    assert found is not None
    assert (found.line, found.value) == (line, value)


@pytest.mark.parametrize(("moved", "found"), [(1, True), (-57, True), (0, False)])
def test_labels_that_are_shifted_against_their_inputs(moved: int, found: bool) -> None:
    rows = RNG.normal(size=(200, 4))
    labels = (rows[:, :1] + rows[:, 1:2] > 0).astype(float)
    said = alignment.shift(rows, np.roll(labels, moved, axis=0))
    assert (said is not None) is found
    assert said is None or f"{abs(moved)} rows {'later' if moved > 0 else 'earlier'}" in said


def test_labels_in_the_reverse_order_and_labels_of_nothing() -> None:
    rows = RNG.normal(size=(200, 3))
    labels = rows @ RNG.normal(size=(3, 1))
    assert "reverse" in (alignment.shift(rows, labels[::-1]) or "")
    assert alignment.shift(rows, RNG.normal(size=(200, 1))) is None


def test_noise_in_labels_is_no_other_order() -> None:
    rows, labels = RNG.normal(size=(50, 2)), RNG.integers(0, 2, (50, 1)).astype(float)
    noisy = [Batch(rows, np.where(RNG.random((50, 1)) < 0.1, 1 - labels, labels)) for _ in range(8)]
    torn = [Batch(rows, RNG.permutation(labels)) for _ in range(8)]
    anew = [Batch(rows, RNG.normal(size=(50, 1))) for _ in range(8)]
    assert not alignment.changing(data(*noisy))
    assert alignment.changing(data(*torn))
    assert not alignment.changing(data(*anew))


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("order = np.random.permutation(9)\nX = X[order]\nfit(X, y)\n", 2),
        ("np.random.shuffle(X)\nnp.random.shuffle(y)\n", 2),
        ("order = np.random.permutation(9)\nX = X[order]\ny = y[order]\n", None),
        ("np.random.shuffle(data)\nX = data[:, :2]\n", None),
        ("a, b = d.data, d.target\nrng.shuffle(a)\nrng.shuffle(b)\n", 3),  # by what they are made of
        ("train, test = data[:50], data[50:]\nrng.shuffle(train)\nrng.shuffle(test)\n", None),
        ("cats, dogs = d.images[:5], d.images[5:]\nrng.shuffle(cats)\nrng.shuffle(dogs)\n", None),
        ("np.random.seed(1)\nnp.random.shuffle(X)\nnp.random.seed(1)\nnp.random.shuffle(y)\nnp.random.seed(2)\n", None),
    ],
)
def test_where_inputs_and_labels_are_torn_apart(source: str, line: int | None) -> None:
    found = orders.torn({"a.py": source})
    assert (found and found.place.line) == line


# The page ------------------------------------------------------------------------------------------------------------


def test_the_page_says_the_verdict_first_and_escapes_the_program() -> None:
    finding = Finding(
        "lr-too-high", "warning", 0.9, "measured <b>", "too long", "try 0.1", "a.py", 3, "lr = 5  # <script>", True,
        {"what": "loss", "as it is": [1.0, 9.0, None], "with the fix": [1.0, 0.1, 0.01]},
    )  # fmt: skip
    page = render(Report("faults", [finding]))
    assert "<script" not in page
    assert "lr = 5  # &lt;script&gt;" in page
    assert page.index("This program has a fault.") < page.index("lr-too-high")
    assert page.count("<polyline") == 2
    assert "default-src 'none'" in page


def test_the_page_in_a_browser(tmp_path: Path) -> None:
    page = render(Report("healthy", facts={"parameters": [{"name": "W" * 300, "shape": [2, 3], "elements": 6}]}))
    script = "return document.documentElement.scrollWidth <= innerWidth && getComputedStyle(document.body).margin"
    assert "no script" not in page
    assert in_browser(page.replace("default-src 'none'", "script-src 'unsafe-inline'"), tmp_path, script) == "0px"


# The doctor ----------------------------------------------------------------------------------------------------------

CLOUDS = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(200, 3))
y = (X[:, :1] * X[:, 1:2] > 0).astype(float)
W1 = rng.normal(size=(3, 8))
b1 = np.zeros(8)
W2 = rng.normal(size=(8, 1)) / 3
b2 = np.zeros(1)
lr = 0.5

def sigmoid(z):
    return 1 / (1 + np.exp(-z))

for epoch in range(600):
    for i in range(0, len(X), 50):
        xb = X[i:i + 50]
        yb = y[i:i + 50]
        h = np.tanh(xb @ W1 + b1)
        p = sigmoid(h @ W2 + b2)
        dz = (p - yb) / len(xb)
        dh = dz @ W2.T * (1 - h ** 2)
        W2 -= lr * h.T @ dz
        b2 -= lr * dz.sum(0)
        W1 -= lr * xb.T @ dh
        b1 -= lr * dh.sum(0)
"""


def examined(folder: Path, *change: str) -> Report:
    source = CLOUDS
    for old, new in zip(change[::2], change[1::2], strict=True):
        assert old in source
        source = source.replace(old, new)
    script = folder / "program.py"
    script.write_text(source)
    return examine_script(script, budget=40)


def test_a_program_that_learns_is_healthy(tmp_path: Path) -> None:
    report = examined(tmp_path)
    assert report.status == "healthy", report.to_json()


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "line", "change"),
    [
        ("lr-too-high", 11, ("lr = 0.5", "lr = 4000.0")),
        ("lr-too-low", 11, ("lr = 0.5", "lr = 0.00002")),
        ("low-coverage", 18, ("X[i:i + 50]", "X[:50]", "y[i:i + 50]", "y[:50]")),
        (
            "symmetric-init",
            7,
            ("W1 = rng.normal(size=(3, 8))", "W1 = np.zeros((3, 8))", "rng.normal(size=(8, 1)) / 3", "np.ones((8, 1))"),
        ),
        ("input-not-scaled", 5, ("size=(200, 3))", "size=(200, 3)) * 300", "lr = 0.5", "lr = 0.1")),
        (  # with the rate that is there all rectifiers would die of scaled inputs, too
            "input-not-scaled",
            5,
            (
                *("size=(200, 3))", "size=(200, 3)) * 300", "lr = 0.5", "lr = 8.0", "(1 - h ** 2)", "(h > 0)"),
                *("np.tanh(xb @ W1 + b1)", "np.maximum(xb @ W1 + b1, 0)"),
            ),
        ),
    ],
)
def test_a_cause_is_named_with_its_line(cause: str, line: int, change: tuple[str, ...], tmp_path: Path) -> None:
    report = examined(tmp_path, *change)
    assert report.status == "faults", report.to_json()
    assert (report.findings[0].cause, report.findings[0].line) == (cause, line)


@pytest.mark.slow
def test_units_that_stay_alike_are_told_though_other_weights_learn_no_better(tmp_path: Path) -> None:
    """Four layers of sigmoids learn nothing in so few passes from any weights; that all of them begin at 0 is a mistake
    of its own."""
    source = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(120, 6))
Y = np.eye(4)[(X[:, 0] > 0) * 2 + (X[:, 1] > 0)]
sizes = [6, 20, 16, 12, 4]
W = [np.zeros((a, b)) for a, b in zip(sizes, sizes[1:])]
B = [np.zeros((1, b)) for b in sizes[1:]]
for epoch in range(6):
    for x, y in zip(X, Y):
        acts = [x[None]]
        for w, b in zip(W[:-1], B[:-1]):
            acts.append(1 / (1 + np.exp(-(acts[-1] @ w + b))))
        out = acts[-1] @ W[-1] + B[-1]
        loss = ((out - y) ** 2).sum()
        d = 2 * (out - y)
        for i in reversed(range(4)):
            dw, db = acts[i].T @ d, d.sum(0, keepdims=True)
            if i:
                d = d @ W[i].T * acts[i] * (1 - acts[i])
            W[i] -= 0.01 * dw
            B[i] -= 0.01 * db
"""
    (tmp_path / "train.py").write_text(source)
    report = examine_script(tmp_path / "train.py")
    assert [(finding.cause, finding.line) for finding in report.findings][:1] == [("symmetric-init", 7)]


def softmax_of(z: np.ndarray) -> np.ndarray:
    exps = np.exp(z - z.max(1, keepdims=True))
    return exps / exps.sum(1, keepdims=True)


def test_what_the_outputs_of_a_pass_show() -> None:
    z = RNG.normal(size=(40, 4))
    p = softmax_of(z)
    seen = {("", "p"): [p], ("", "q"): [softmax_of(p)], ("", "z"): [z]}
    twice = softmax.twice(seen, set(seen), softmax_of(p))
    assert twice is not None and twice.cause == "double-softmax"
    assert softmax.twice(seen, set(seen), p) is None
    cut = softmax.rectified(softmax_of(np.maximum(0, z)))
    assert cut is not None and cut.cause == "activation-before-loss"
    assert softmax.rectified(p) is None
    assert softmax.rectified(softmax_of(np.zeros((40, 4)))) is None  # first weights of zero


def test_outputs_that_a_pass_changed_in_place() -> None:
    p, y = softmax_of(RNG.normal(size=(40, 3))), RNG.integers(0, 3, 40).astype(float)
    error = p - np.eye(3)[y.astype(int)]
    for given in (error, error / 40):
        seen = {("", "probs"): [given], ("", "y"): [y]}
        ((_, _, found),) = undone(seen, {("", "probs")})
        assert np.allclose(found, p, rtol=0, atol=1e-12)
    assert not list(undone({("", "z"): [RNG.normal(size=(40, 3))], ("", "y"): [y]}, {("", "z")}))


def test_two_classes_that_a_rectifier_cuts_off() -> None:
    z = RNG.normal(size=(60, 2))
    cut = softmax.rectified(softmax_of(np.maximum(0, z)))
    assert cut is not None and cut.cause == "activation-before-loss"
    assert softmax.rectified(softmax_of(z)) is None
    assert softmax.rectified(np.full((60, 2), 0.5)) is None


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("p = softmax(z)\nq = softmax(p)\n", 2),
        ("p = e / e.sum(1)\np = np.exp(p) / np.exp(p).sum(1)\n", 2),
        ("e = np.exp(z)\np = e / e.sum(1)\nloss = -np.log(p).sum()\n", None),
        ("e = np.exp(s - s.max())\np = e / e.sum()\ns = h @ W\np = np.exp(s) / np.exp(s).sum()\n", None),
    ],
)
def test_where_a_softmax_is_taken_of_a_softmax(source: str, line: int | None) -> None:
    found = culprits.softmax_again({"a.py": source})
    assert (found and found.line) == line


CORNERS = np.array([[0.0, 0], [0, 1], [1, 0], [1, 1]])


@pytest.mark.parametrize(
    ("inputs", "labels", "output", "found"),
    [
        (CORNERS, [0, 1, 1, 0], lambda x: x @ [1.0, -2.0], True),
        (CORNERS, [0, 1, 1, 0], lambda x: 1 / (1 + np.exp(-x @ [1.0, -2.0])), True),
        (CORNERS, [0, 1, 1, 0], lambda x: np.tanh(x) @ [1.0, 2.0] + x[:, 0] * x[:, 1], False),
        (CORNERS, [0, 0, 1, 1], lambda x: x @ [1.0, -2.0], False),  # these a line can give
        (None, "product", lambda x: x @ [1.0, 0.5], True),
        (None, "line", lambda x: x @ [1.0, 0.5], False),
    ],
)
def test_layers_that_are_one_linear_map(inputs: object, labels: object, output: object, found: bool) -> None:
    x = CORNERS if inputs is not None else np.random.default_rng(1).normal(size=(300, 2))
    y = {"product": x[:, 0] * x[:, 1], "line": x[:, 0] - x[:, 1]}.get(labels) if isinstance(labels, str) else labels
    batch = Batch(x, np.array(y, dtype=float)[:, None], output(x)[:, None])  # type: ignore[operator]
    assert (linear.only_linear(batch) is not None) is found


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("loss = -np.log(p).mean()\n", 1),
        ("loss = -np.log(p + 1e-9).mean()\n", None),
        ("z = np.log(np.exp(s).sum(1))\nloss = -np.sum(y * np.log(p))\n", 2),
    ],
)
def test_where_a_bare_logarithm_is(source: str, line: int | None) -> None:
    found = culprits.logarithm({"a.py": source})
    assert (found and found.line) == line


def test_the_rows_of_several_passes() -> None:
    x, y = ("", "x"), ("", "y")
    seen = {x: [RNG.normal(size=(5, 2)) for _ in range(3)], y: [np.zeros((5, 1))] * 3}
    batch = rows_of(seen, Keys(x, y, None))
    assert batch.inputs is not None and batch.inputs.shape == (15, 2)
    assert batch.labels is not None and batch.labels.shape == (15, 1)


@pytest.mark.parametrize(
    ("source", "names", "line"),
    [
        ("for i in range(9):\n    xb = X[:50]\n", {"X"}, 2),
        ("order = np.zeros(9)\nfor i in range(9):\n    k = order[i:i + 3]\n    step(X[k])\n", {"X"}, 1),
        ("for i in range(9):\n    k = np.arange(20)\n    step(X[k])\n", {"X"}, 2),
        ("o = np.random.permutation(9)\nfor i in range(9):\n    k = o[:3]\n    step(X[k])\n", {"X"}, 3),
    ],
)
def test_where_the_rows_of_a_batch_are_chosen(source: str, names: set[str], line: int) -> None:
    first = next(i for i, text in enumerate(source.splitlines(), 1) if text.startswith("for"))
    found = orders.batch({"a.py": source}, names, first, 99)
    assert found is not None and found.line == line


@pytest.mark.parametrize(
    ("name", "source", "line"),
    [
        ("p['W1']", 'p = {\n    "W1": np.ones(3),\n}\nW1 = p["W1"]\n', 2),
        ("W1", 'def f(p):\n    W1, b1 = p["W1"], p["b1"]\nW1 = np.ones(3)\n', 3),
        (
            "net.weights[*]",
            "class N:\n  def __init__(self):\n    self.weights = []\n    self.weights.append(randn(3))\n",
            4,
        ),
    ],
)
def test_where_a_parameter_begins(name: str, source: str, line: int) -> None:
    found = origins.first_values({"a.py": source}, name)
    assert found is not None and found.line == line


@pytest.mark.parametrize(
    ("labels", "cause"),
    [([0, 1, 2, 1], None), ([1, 2, 3, 1], "labels-off-by-one"), ([-1, 0, 1, 0], "labels-out-of-range")],
)
def test_numbers_of_classes(labels: list[int], cause: str | None) -> None:
    finding = class_numbers.out_of_range(np.array(labels, dtype=float), 3, "y")
    assert (finding.cause if finding else None) == cause


@pytest.mark.parametrize(
    ("cause", "code", "change"),
    [
        ("non-finite-data", "X[7, 1] = np.nan", ("y = (X[:, :1]", "X[7, 1] = np.nan\ny = (X[:, :1]")),
        (
            "output-range-mismatch",
            "p = sigmoid(np.maximum(0, h @ W2 + b2))",
            ("sigmoid(h @ W2 + b2)", "sigmoid(np.maximum(0, h @ W2 + b2))"),
        ),
        ("labels-misaligned", "", ("for epoch in", "np.random.shuffle(X)\nfor epoch in")),
        pytest.param(
            "labels-misaligned",
            "yb = y[rng.integers(0, 200, 50)]",
            ("yb = y[i:i + 50]", "yb = y[rng.integers(0, 200, 50)]"),
            marks=pytest.mark.slow,
        ),
    ],
)
def test_what_the_data_shows(cause: str, code: str, change: tuple[str, ...], tmp_path: Path) -> None:
    finding = examined(tmp_path, *change).findings[0]
    assert finding.cause == cause
    assert not code or finding.code == code


@pytest.mark.slow
@pytest.mark.parametrize(
    ("cause", "line", "change"),
    [
        ("dead-units", 8, ("b1 = np.zeros(8)", "b1 = np.full(8, -30.0)")),
    ],
)
def test_a_cause_of_the_parameters_is_named(cause: str, line: int, change: tuple[str, ...], tmp_path: Path) -> None:
    report = examined(tmp_path, *change)
    assert report.status == "faults", report.to_json()
    assert (report.findings[0].cause, report.findings[0].line) == (cause, line)


def test_scores_that_are_alike_because_their_weights_are_are_not_cut_off() -> None:
    z = np.repeat(RNG.normal(size=(40, 2)), [1, 3], axis=1)  # three classes that nothing told apart yet
    assert softmax.rectified(softmax_of(z)) is None


def test_the_recipe_for_a_cause_is_found_by_the_doctor(tmp_path: Path) -> None:
    recipe = next(block for block in blocks(ROOT / "docs" / "how-it-works.md", "python") if "CAUSES.insert" in block)
    script = tmp_path / "program.py"
    script.write_text(CLOUDS.replace("b1 = np.zeros(8)", "b1 = np.full(8, 40.0)"))
    run = tmp_path / "run.py"
    run.write_text(recipe + "\nfrom pellucid.doctor.subject import main\n\nmain()\n")
    out = tmp_path / "report.json"
    asked = {"script": str(script), "args": [], "loss": None, "budget": 40, "out": str(out), "changed": {}}
    subprocess.run([sys.executable, str(run), json.dumps(asked)], check=True, timeout=100)
    report = Report.from_json(out.read_text())
    assert [finding.cause for finding in report.findings] == ["vanishing-gradients"]
    assert report.overhead > 1


@pytest.mark.parametrize(("share", "found"), [(0.3, 0.3), (0.0, None)])
def test_a_decay_is_what_an_update_takes_beside_the_slope(share: float, found: float | None) -> None:
    candidate = Candidate("squared", ("", "p"), ("", "y"))
    slopes, values = RNG.normal(size=12), RNG.normal(size=12)
    given = 0.05 * slopes + share * values
    entry = StudiedPass(0, {"w": np.eye(12)}, {"w": given}, {candidate: {"w": slopes}}, values={"w": values})
    measured = decay.decay([entry], candidate, "w")
    assert measured == (None if found is None else pytest.approx(found))


@pytest.mark.parametrize(
    ("ratio", "share", "state"), [(-0.05, 0.3, "along"), (-0.05, -0.3, "along"), (0.05, -0.3, "across")]
)
def test_what_climbs_may_have_a_decay_beside_it(ratio: float, share: float, state: str) -> None:
    candidate = Candidate("squared", ("", "p"), ("", "y"))
    slopes, values = RNG.normal(size=12), RNG.normal(size=12)
    given = ratio * slopes + share * values
    entry = StudiedPass(0, {"w": np.eye(12)}, {"w": given}, {candidate: {"w": slopes}}, values={"w": values})
    entry.update["w"] = -given
    found = cells.cell(entry, candidate, "w")
    assert found.state == state
    assert state == "across" or found.ratio == pytest.approx(ratio)


def test_where_a_decay_is_written() -> None:
    found = rates.decay({"a.py": "lr, reg = 0.1, 8.0\nw -= lr * (g + reg * w)\n"})
    assert found is not None
    assert (found.line, found.value) == (1, 8.0)


def test_outputs_that_are_the_same_for_every_row() -> None:
    keys = Keys(None, ("", "y"), ("", "p"))
    labels = [RNG.integers(0, 2, (10, 1)).astype(float) for _ in range(5)]
    assert learning.says_the_same(
        {("", "y"): labels, ("", "p"): [np.full((10, 1), 0.5 + i / 99) for i in range(5)]}, keys
    )
    assert not learning.says_the_same({("", "y"): labels, ("", "p"): [0.9 * y for y in labels]}, keys)
