"""Several faults in one program: what is told beside the first, and when the search goes on."""

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.process.moving import Parameters
from pellucid.doctor.proof import rest_is_wrong
from pellucid.doctor.report import Finding
from pellucid.doctor.uncleared import uncleared


def moving(response: dict[str, float], signs: dict[str, float]) -> Parameters:
    return Parameters({}, ["W", "b"], {name: name[-1] for name in response}, response, signs)


@pytest.mark.parametrize(
    ("response", "signs", "expected"),
    [
        ({"dW": 1.0, "db": 1.0}, {"dW": -1.0, "db": -1.0}, ["dW", "db"]),
        ({"grads.W": 1.0}, {"grads.W": -1.0}, []),  # not called a gradient itself
        ({"dW": 1.0, "db": 0.0}, {"dW": -1.0, "db": -1.0}, []),  # one of them is set to zero
        ({"dW": 0.9, "db": 0.9}, {"dW": -1.0, "db": -1.0}, []),  # a velocity
        ({"dW": 1.0, "db": 1.0}, {"dW": 1.0, "db": -1.0}, []),
        ({"vW": 1.0}, {"vW": -1.0}, []),
    ],
)
def test_gradients_that_a_pass_adds_to_and_leaves(response, signs, expected) -> None:
    assert uncleared(moving(response, signs)) == expected


def proved(better: list[float]) -> Finding:
    return Finding("wrong-backward", "error", 0.9, "", "", "", fork={"with the right gradient": better})


def test_the_search_goes_on_where_the_right_gradient_learns_nothing() -> None:
    flat, falling = [1.0] * 100, [*np.linspace(1.0, 0.2, 100)]
    assert rest_is_wrong([proved(flat)])
    assert not rest_is_wrong([proved(falling)])
    assert not rest_is_wrong([proved(flat), proved(falling)])
    assert not rest_is_wrong([Finding("wrong-backward", "error", 0.9, "", "", "")])


HIDDEN = """
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(60, 4)){scale}
t = (X[:, 0] > {middle}).astype(int) + (X[:, 1] > {middle})
Y = np.eye(3)[t]
W1, b1, W2, b2 = {first}, np.zeros(8), {second}, np.zeros(3)
for epoch in range(200):
    h = np.tanh(X @ W1 + b1)
    z = h @ W2 + b2
    e = np.exp(z - z.max(1, keepdims=True))
    p = e / e.sum({axis}, keepdims=True)
    loss = -(Y * np.log(p + 1e-9)).sum() / len(X)
    dz = (p - Y) / len(X)
    dh = dz @ W2.T{slope}
    W2 -= 0.2 * h.T @ dz
    b2 -= 0.2 * dz.sum(0)
    W1 -= 0.2 * X.T @ dh
    b1 -= 0.2 * dh.sum(0)
"""
RANDOM = {"first": "rng.normal(size=(4, 8)) / 2", "second": "rng.normal(size=(8, 3)) / 3"}


def told(tmp_path: Path, **parts: str) -> list[str]:
    script = tmp_path / "train.py"
    script.write_text(HIDDEN.format(**parts), encoding="utf-8")
    return [f.cause for f in examine_script(script).findings if f.severity in ("error", "warning")]


@pytest.mark.slow
@pytest.mark.parametrize(
    ("second", "expected"),
    [
        ("np.full((8, 3), 0.2)", ["softmax-wrong-axis", "symmetric-init"]),
        (RANDOM["second"], ["softmax-wrong-axis"]),  # then the units of the first layer go apart
    ],
)
def test_units_that_stay_alike_are_told_beside_outputs_that_are_wrong(second, expected, tmp_path: Path) -> None:
    parts = {"scale": "", "middle": "0", "slope": " * (1 - h ** 2)", "first": "np.full((4, 8), 0.1)", "axis": "0"}
    assert told(tmp_path, second=second, **parts) == expected


@pytest.mark.slow
@pytest.mark.parametrize(
    ("scale", "middle", "expected"),
    [(" * 60 + 400", "400", ["wrong-backward", "input-not-scaled"]), ("", "0", ["wrong-backward"])],
)
def test_inputs_far_from_zero_are_told_beside_a_wrong_gradient(scale, middle, expected, tmp_path: Path) -> None:
    assert told(tmp_path, scale=scale, middle=middle, slope="", axis="1", **RANDOM) == expected
