"""A bias that is moved by a gradient for each sample grows: the sum lacks, and no label is of a wrong shape."""

from __future__ import annotations

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.unsummed import _grown, _is_bias, offsets
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


EVERY_LABEL = """
import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 4))
y = (X.sum(1) > 0) * 1.0
W = np.zeros((4, 1))
b = 0.0
for epoch in range(300):
    p = 1 / (1 + np.exp(-(X @ W + b)))
    W = W - 0.1 * X.T @ (p - y) / 60
    b = b - 0.1 * np.mean(p - y)
"""


@pytest.mark.slow
def test_weights_that_grow_were_compared_with_all_labels(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(EVERY_LABEL)
    report = examine_script(script)
    assert [finding.cause for finding in report.findings] == ["silent-broadcast-loss"]


@pytest.mark.parametrize(
    ("name", "found"),
    [
        *(
            (name, True)
            for name in ("b", "self.b1", "layer1.bias", "by", "b_out", "hidden_bias", "params['b2']", "biases[0]")
        ),
        *((name, False) for name in ("W2", "beta", "self.w")),
    ],
)
def test_what_is_called_a_bias(name: str, found: bool) -> None:
    assert _is_bias(name) is found


@pytest.mark.slow
@pytest.mark.parametrize(("source", "code"), [(ROWS, "db1 = d1"), (COLUMNS, "db = dz")])
def test_a_bias_that_grows_by_the_samples_lacks_a_sum(source: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source)
    report = examine_script(script)
    assert [finding.title for finding in report.findings] == ["wrong-backward: missing-broadcast-sum"]
    assert report.findings[0].code.strip() == code


LINE = """import numpy as np

x, b, w = np.linspace(1, 9, 60), 0, 0
b = 0
y = 3 * x + np.random.default_rng(0).normal(size=60)
for step in range(400):
    p = w * x + b
    dw = -2 * np.mean(x * (y - p))
    db = -2 / 60 * (y - p)
    w = w - 0.01 * dw
    b = b - 0.01 * db
"""


@pytest.mark.slow
@pytest.mark.parametrize(("gradient", "found"), [("-2 / 60 * (y - p)", 9), ("-2 * np.mean(y - p)", None)])
def test_an_offset_that_becomes_one_for_each_row(gradient: str, found: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LINE.replace("-2 / 60 * (y - p)", gradient))
    said = [(finding.title, finding.line) for finding in examine_script(script).findings]
    assert said == ([("wrong-backward: missing-broadcast-sum", found)] if found else [])


@pytest.mark.parametrize(
    ("source", "names"),
    [
        ("{0}for _ in r:\n p = w * x + b\n b = b - 0.1 * (p - y)", {"b"}),
        ("{0}for _ in r:\n p = w * x + b\n b -= 0.1 * (p - y)", {"b"}),
        ("{0}for _ in r:\n p = w * x + b\n b -= 0.1 * (p - y).sum()", set()),
        ("{0}for _ in r:\n p = w * x + b\n d = np.mean(p - y)\n b -= 0.1 * d", set()),
        ("{0}for k in r:\n b = b + w[k] * x**k", set()),  # a polynomial
        ("for _ in r:\n {0} b = b + w * x\n p = v * x + b", set()),
        ("b = np.zeros(4)\nfor _ in r:\n p = w * x + b\n b = b - 0.1 * (p - y)", set()),
    ],
)
def test_which_names_are_offsets(source: str, names: set[str]) -> None:
    assert offsets({"train.py": source.format("b = 0\n")}).keys() == names


@pytest.mark.parametrize(
    ("size", "shape", "grown"),
    [(6, (60, 6), (0, 60)), (5, (5, 100), (1, 100)), (1, (1, 60), (1, 60)), (6, (6,), None), (6, (1, 6), None)],
)
def test_what_has_grown_and_along_which_axis(size: int, shape: tuple[int, ...], grown: tuple[int, int] | None) -> None:
    assert _grown(size, shape) == grown


def test_an_item_of_a_list_of_gradients_is_no_output() -> None:
    assert all(is_no_output(("", name)) for name in ("dws[1]", "dbs[0]", "grads['W1']", "dW"))
    assert not any(is_no_output(("", name)) for name in ("a[1]", "outs[0]", "dots"))
