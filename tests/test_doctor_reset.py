"""A function that sets an item of a parameter in place, while it computes something else."""

from pathlib import Path

import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions.causes.reset import resets

LOOP = "for _ in range(9):\n    theta = theta - grad(theta)\n"


@pytest.mark.parametrize(
    ("body", "found"),
    [
        ("w[0] = 0\n    return X.T @ w", ["w[0] = 0"]),
        ("v = w\n    v[1] = 0.0\n    return X.T @ v", ["v[1] = 0.0"]),
        ("v = w.copy()\n    v[0] = 0\n    return X.T @ v", []),
        ("w = w * 1\n    w[0] = 0\n    return X.T @ w", []),
        ("w[0] = 0\n    return w", []),  # what is meant to be set so, is handed back
        ("w[0] = 0", []),
        ("w[k] = 0\n    return X.T @ w", []),
        ("g = X.T @ w\n    g[0] = 0\n    return g", []),
    ],
)
def test_what_a_function_sets_in_its_argument(body: str, found: list[str]) -> None:
    source = f"def grad(w):\n    {body}\n" + LOOP
    assert [reset.written for reset in resets({"train.py": source}) if reset.name == "theta"] == found


PROGRAM = """import numpy as np

rng = np.random.default_rng(0)
X = np.hstack([np.ones((80, 1)), rng.normal(size=(80, 2))])
y = (X @ np.array([1.5, 2.0, -1.0]) > 0) * 1.0


def gradient(theta, X, y):
    h = 1 / (1 + np.exp(-X @ theta))
    small = {copy}
    small[0] = 0
    return X.T @ (h - y) / 80 + 0.01 * small / 80


theta = np.zeros(3)
for step in range(400):
    theta = theta - 0.5 * gradient(theta, X, y)
"""


@pytest.mark.slow
@pytest.mark.parametrize(("copy", "found"), [("theta", [("wrong-backward", 11)]), ("theta.copy()", [])])
def test_a_bias_that_is_set_in_each_pass(copy: str, found: list[tuple[str, int]], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(PROGRAM.format(copy=copy))
    assert [(finding.cause, finding.line) for finding in examine_script(script).findings] == found
