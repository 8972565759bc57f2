"""A bias that is moved by a gradient for each sample grows: the sum lacks, and no label is of a wrong shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.unsummed import _grown
from pellucid.doctor.probes.losses import is_no_output

ROWS = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
y = (X.sum(1) > 0) * 1.0
W1 = rng.normal(size=(4, 6))
b1 = np.zeros(6)
W2 = rng.normal(size=(6, 1))
for epoch in range(300):
    h = np.tanh(X @ W1 + b1)
    p = 1 / (1 + np.exp(-(h @ W2)))
    d2 = (p - y.reshape(-1, 1)) / len(X)
    d1 = d2 @ W2.T * (1 - h ** 2)
    db1 = d1
    W2 -= 0.5 * h.T @ d2
    W1 -= 0.5 * X.T @ d1
    b1 = b1 - 0.5 * db1
"""
COLUMNS = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4)).T
y = (X.sum(0) > 0) * 1.0
W = rng.normal(size=(1, 4))
b = np.zeros((1, 1))
for epoch in range(300):
    p = 1 / (1 + np.exp(-(W @ X + b)))
    dz = (p - y.reshape(1, -1)) / 60
    db = dz
    W = W - 0.5 * dz @ X.T
    b = b - 0.5 * db
"""


@pytest.mark.slow
@pytest.mark.parametrize(("source", "code"), [(ROWS, "db1 = d1"), (COLUMNS, "db = dz")])
def test_a_bias_that_grows_by_the_samples_lacks_a_sum(source: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script)
    assert [finding.title for finding in report.findings] == ["wrong-backward: missing-broadcast-sum"]
    assert report.findings[0].code.strip() == code


@pytest.mark.parametrize(
    ("size", "shape", "grown"),
    [(6, (60, 6), (0, 60)), (5, (5, 100), (1, 100)), (1, (1, 60), (1, 60)), (6, (6,), None), (6, (1, 6), None)],
)
def test_what_has_grown_and_along_which_axis(size: int, shape: tuple[int, ...], grown: tuple[int, int] | None) -> None:
    assert _grown(size, shape) == grown


def test_an_item_of_a_list_of_gradients_is_no_output() -> None:
    assert all(is_no_output(("", name)) for name in ("dws[1]", "dbs[0]", "grads['W1']", "dW"))
    assert not any(is_no_output(("", name)) for name in ("a[1]", "outs[0]", "dots"))
