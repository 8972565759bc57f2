"""Programs that move their parameters in a few passes only, keep what is no parameter, or add a penalty by hand."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import Report, examine_script
from pellucid.doctor.conditions.causes.targets import _are_questions
from pellucid.doctor.probes.data import Batch, Keys, SeenData
from pellucid.doctor.probes.losses import _is_multiple
from pellucid.doctor.process.scout import Scout, Seen

PERCEPTRON = """
import random
random.seed(3)
data = []
for _ in range(60):
    a, b = random.uniform(-1, 1), random.uniform(-1, 1)
    data.append(([a, b], 1 if a + 0.6 * b > 0.1 else 0))
w = [random.uniform(-0.5, 0.5), random.uniform(-0.5, 0.5)]
bias = 0.0
for epoch in range(30):
    for x, target in data:
        s = w[0] * x[0] + w[1] * x[1] + bias
        err = target - (1 if s > 0 else 0)
        w[0] += 0.1 * err * x[0]
        w[1] += 0.1 * err * x[1]
        bias += 0.1 * err
"""

MARGIN = """
import numpy as np
rng = np.random.default_rng(5)
X = np.vstack([rng.normal(-1, 0.8, (50, 2)), rng.normal(1, 0.8, (50, 2))])
Y = np.array([-1] * 50 + [1] * 50)
w, b = np.zeros(2), 0.0
lr, lam = 0.01, 0.01
for epoch in range(40):
    for i in rng.permutation(len(X)):
        x, y = X[i], Y[i]
        if y * (np.dot(w, x) + b) < 1:
            w += lr * (y * x - 2 * lam * w)
            b += lr * y
        else:
            w -= lr * 2 * lam * w
"""


def examined(folder: Path, source: str) -> Report:
    script = folder / "train.py"
    script.write_text(source, encoding="utf-8")
    return examine_script(script)


@pytest.mark.slow
@pytest.mark.parametrize("source", [PERCEPTRON, MARGIN], ids=["perceptron", "margin"])
def test_a_right_rule_that_moves_seldom_is_healthy(source: str, tmp_path: Path) -> None:
    assert examined(tmp_path, source).status == "healthy"


@pytest.mark.slow
def test_tiny_first_weights_are_told_from_a_missing_activation(tmp_path: Path) -> None:
    report = examined(
        tmp_path,
        "import numpy as np\nrng = np.random.default_rng(7)\n"
        "x = np.linspace(-3, 3, 200)[:, None]\ny = np.sin(x) + 0.05 * rng.normal(size=x.shape)\n"
        "W1, b1 = rng.normal(size=(1, 20)) * 1e-4, np.zeros(20)\n"
        "W2, b2 = rng.normal(size=(20, 20)) * 1e-4, np.zeros(20)\n"
        "W3, b3 = rng.normal(size=(20, 1)) * 1e-4, np.zeros(1)\n"
        "for epoch in range(1500):\n"
        "    h1 = np.tanh(x @ W1 + b1)\n    h2 = np.tanh(h1 @ W2 + b2)\n    out = h2 @ W3 + b3\n"
        "    loss = np.mean((out - y) ** 2)\n    d3 = 2 * (out - y) / len(x)\n"
        "    d2 = d3 @ W3.T * (1 - h2 ** 2)\n    d1 = d2 @ W2.T * (1 - h1 ** 2)\n"
        "    for p, g in ((W3, h2.T @ d3), (b3, d3.sum(0)), (W2, h1.T @ d2), (b2, d2.sum(0)), (W1, x.T @ d1),\n"
        "                 (b1, d1.sum(0))):\n        p -= 0.05 * g\n",
    )
    assert [finding.cause for finding in report.findings] == ["init-too-small"]


def test_a_multiple_of_a_parameter_is_the_slope_of_its_penalty() -> None:
    w = np.array([0.5, -2.0, 1.0])
    assert _is_multiple([0.02 * w], [w])
    assert not _is_multiple([w], [w])  # another name of it
    assert not _is_multiple([0.02 * w + 1e-6], [w])
    assert not _is_multiple([np.array([0.01])], [np.array([0.5])])


@pytest.mark.parametrize(
    ("outputs", "questions"),
    [(np.tile([0.6, 0.3, 0.2], (9, 1)), True), (np.tile([0.5, 0.3, 0.2], (9, 1)), False)],
    ids=["chances", "shares of one"],
)
def test_labels_of_several_questions_may_be_the_same_in_each_row(outputs: np.ndarray, questions: bool) -> None:
    labels = np.tile([1.0, 0.0, 0.0], (9, 1))
    data = SeenData(Keys(None, None, None), [Batch(np.arange(9.0)[:, None], labels, outputs)])
    assert _are_questions(data) is questions


def test_each_pass_of_a_loop_that_hardly_moves_is_looked_at() -> None:
    scout = Scout()
    assert scout._rests(Seen(count=37))
    assert not scout._rests(Seen(count=37, tested=1))
    assert not scout._rests(Seen(count=4000))
