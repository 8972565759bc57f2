"""What a program decides between two numbers, beside labels that are others."""

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.decided import comparisons

WHERE = "p = np.where(z > 0, 1, -1)\n"
METHODS = (
    "class Net:\n def step(self, z):\n  return np.where(z >= 0.0, 1, -1)\n def predict(self, x):\n"
    "  return self.step(self.net(x))\np = Net().predict(x)\n"
)


@pytest.mark.parametrize(
    ("source", "labels"),
    [
        (WHERE + "a = np.mean(p == y)", ["y"]),
        (WHERE + "a = np.sum(y != p) / len(y)", ["y"]),
        (METHODS + "a = accuracy_score(y, p)", ["y"]),
        ("def says(z):\n return 1 if z > 0 else -1\na = says(z) == y", ["y"]),
        ("def f(y):\n p = np.where(z > 0, 1, -1)\n return p == y\nf(t)", []),  # which labels, is not known
        (WHERE + "p[p == -1] = 0\na = np.mean(p == y)", []),
        (WHERE + "y[y == 0] = -1\ny = y.ravel()\na = np.mean(p == y)", []),
        (WHERE + "p = (p + 1) / 2\na = np.mean(p == y)", []),
        ("p = np.where(z > 0, u, v)\na = np.mean(p == y)", []),
    ],
)
def test_what_is_compared_with_a_decision(source: str, labels: list[str]) -> None:
    assert [found.labels for found in comparisons({"train.py": source})] == labels


PROGRAM = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 2))
y = np.where(X @ np.array([2.0, -1.0]) + 0.1 * rng.normal(size=80) > 0, 1, {label})
w, b = np.zeros(2), 0.0
for epoch in range(60):
    errors = y - (X @ w + b)
    w += 0.005 * X.T @ errors
    b += 0.005 * errors.sum()
said = np.where(X @ w + b >= {limit}, 1, {other})
print("accuracy", np.mean(said == y))
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("label", "limit", "other", "found"),
    [
        (0, 0, -1, [("labels-out-of-range", 11)]),
        (-1, 0.5, 0, [("labels-out-of-range", 11)]),
        (-1, 0, -1, []),
        (0, 0.5, 0, []),
    ],
)
def test_labels_that_are_never_decided(
    label: int, limit: float, other: int, found: list[tuple[str, int]], tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(PROGRAM.format(label=label, limit=limit, other=other))
    report = examine_script(script)
    assert [(finding.cause, finding.line) for finding in report.findings] == found


SIGMOID = """import numpy as np

rng = np.random.default_rng(0)
data = np.concatenate([rng.normal(size=(80, 3)), np.zeros((80, 1))], axis=1)
data[:, -1] = np.where(data[:, 0] > data[:, 1], {one}, {other})
X, y = data[:, :-1], data[:, -1]


def sigmoid(z):
    return 1 / (1 + np.exp(-z))


w = np.zeros(3)
for epoch in range(200):
    error = sigmoid(X @ w) - y
    w = w - 0.1 / len(X) * X.T @ error
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("one", "other", "found"), [(8, 6, ["labels-out-of-range"]), (1, -1, ["labels-out-of-range"]), (1, 0, [])]
)
def test_labels_that_no_sigmoid_says(one: int, other: int, found: list[str], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(SIGMOID.format(one=one, other=other))
    report = examine_script(script)
    assert [finding.cause for finding in report.findings] == found, report.reason
