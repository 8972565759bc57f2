"""What a program decides by the product of a label and an output."""

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.margins import factor, truths


@pytest.mark.parametrize(
    ("text", "label"),
    [
        ("y * z < 1", "y"),
        ("z * y[i] <= 0 (line 9)", "y"),
        ("1 > self.y * (x @ w + b)", "self.y"),
        ("y * p > 0.5", None),  # counts what is right of one class
        ("y * p == 1", None),
        ("y - p < 1", None),
        ("x * w < 1", None),
    ],
)
def test_the_label_of_a_margin(text: str, label: str | None) -> None:
    assert factor(text) == label


@pytest.mark.parametrize(
    ("source", "meant"),
    [
        ("hit = y[i] * (z >= 1)\nif hit:\n    pass", ["y[i] * z >= 1"]),
        ("if y * (z < 1):\n    pass", ["y * z < 1"]),
        ("g = np.where(y * (z < 1), -1, 0)", ["y * z < 1"]),
        ("g = y * (z < 1)\nw += g @ x", []),  # which rows count, each with its label
        ("if y * z < 1:\n    pass", []),
        ("if n * (z < 1):\n    pass", []),
    ],
)
def test_a_product_with_an_answer_that_is_asked_for_its_truth(source: str, meant: list[str]) -> None:
    assert [said for *_, said in truths({"train.py": source})] == meant


ROWS = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 2))
y = np.where(X @ np.array([2.0, -1.0]) > 0, 1, {label})
w, b = np.zeros(2), 0.0
for epoch in range(200):
    z = X @ w + b
    mask = (y * z < 1).astype(float)
    w -= 0.05 * (X.T @ (-mask * y) / 80 + 0.01 * w)
    b -= 0.05 * np.sum(-mask * y) / 80
"""
ONE = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(80, 2))
y = np.where(X @ np.array([2.0, -1.0]) > 0, 1, -1)
w, b = np.zeros(2), 0.0
for epoch in range(100):
    for i in range(80):
        if {asked}:
            w = w - 0.01 * 0.01 * w
        else:
            w = w + 0.01 * (y[i] * X[i] - 0.01 * w)
            b = b + 0.01 * y[i]
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "found"),
    [
        (ROWS.format(label=0), [("labels-out-of-range", 5)]),
        (ROWS.format(label=-1), []),
        (ONE.format(asked="y[i] * (X[i] @ w + b >= 1)"), [("wrong-backward", 9)]),
        (ONE.format(asked="y[i] * (X[i] @ w + b) >= 1"), []),
    ],
)
def test_margins_of_other_labels(source: str, found: list[tuple[str, int]], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    assert [(finding.cause, finding.line) for finding in examine_script(script).findings] == found
