"""Weights that no pass moves because of the values that they begin with."""

from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.process.asleep import asleep, awake, woken
from pellucid.doctor.process.lab import Lab, PassOutcome
from pellucid.doctor.process.paths import Scope
from pellucid.doctor.process.scout import Scout


def slept(objects: dict[str, Any], moved: tuple[str, ...] = ()) -> set[str]:
    scope = Scope(None, {}, objects)
    scout = Scout()
    scout.enter(0)
    for _ in range(3):
        scout.head(0, lambda: scope)
        for name in moved:
            objects[name] -= 0.01 * objects["x"].mean()
        scout.tail(0, lambda: scope)
    return set(asleep(scout.loops[0], scope))


X = np.random.default_rng(0).normal(1, 1, (5, 3))
RANDOM = np.random.default_rng(1).normal(0, 1, (3, 4))


class Parameter:
    def __init__(self, value: np.ndarray) -> None:
        self.value, self.m = value, np.zeros_like(value)


@pytest.mark.parametrize(
    ("objects", "moved", "names"),
    [
        ({"W1": np.zeros((3, 4)), "W2": np.zeros((4, 1)), "b1": np.zeros((1, 4))}, (), {"W1", "W2"}),
        ({"W1": np.zeros((3, 4)), "W2": np.zeros((4, 1)), "b2": np.zeros(1)}, ("b2",), {"W1", "W2"}),
        ({"W1": np.zeros((3, 4)), "vW1": np.zeros((3, 4)), "W2": np.zeros((4, 1))}, (), {"W1", "W2"}),  # a velocity
        (
            {"params": [RANDOM.copy(), RANDOM.T.copy()], "vs": [np.zeros((3, 4)), np.zeros((4, 3))]},  # squares
            (),
            {"params[0]", "params[1]"},
        ),
        (  # the squares of an optimiser of the program's own
            {
                "net": [{"W": RANDOM.copy()}, {"W": RANDOM.T.copy()}],
                "opt": {"v": [{"W": np.zeros((3, 4))}, {"W": np.zeros((4, 3))}]},
            },
            (),
            {"net[0]['W']", "net[1]['W']"},
        ),
        ({"W1": RANDOM.copy(), "p": {"w0": Parameter(RANDOM.copy())}}, ("W1",), set()),  # what is beside a value
        ({"w_hidden": RANDOM.copy(), "w_out": np.full(4, 70.0)}, (), {"w_hidden", "w_out"}),  # one output unit
        ({"W1": RANDOM.copy(), "b1": np.full(4, -9.0), "W2": RANDOM.T.copy()}, (), {"W1", "b1", "W2"}),  # units off
        ({"W1": RANDOM.copy(), "W2": np.zeros((4, 1))}, ("W2",), set()),  # it moves first, and the other then
        ({"E": RANDOM.copy(), "W1": RANDOM.copy(), "W2": np.ones((4, 1))}, ("W1",), {"W2"}),
        ({"w": np.zeros((3, 1)), "b": np.zeros(1)}, (), set()),  # one layer learns from 0
    ],
)
def test_what_sleeps(objects: dict[str, Any], moved: tuple[str, ...], names: set[str]) -> None:
    assert slept({"x": X, **objects}, moved) == names


def test_biases_wake_as_zeros_and_weights_at_random() -> None:
    objects = {"x": X, "W1": RANDOM.copy(), "b1": np.full(4, -9.0), "W2": RANDOM.T.copy()}
    scope = Scope(None, {}, objects)
    scout = Scout()
    scout.enter(0)
    for _ in range(3):
        scout.head(0, lambda: scope)
        scout.tail(0, lambda: scope)
    values = awake(asleep(scout.loops[0], scope))
    assert not values["b1"].any()
    assert (values["W1"] > 0).any() and (values["W1"] < 0).any()


PROGRAM = """import numpy as np

np.random.seed(0)
X = np.random.randn(200, 2)
y = (X[:, :1] * X[:, 1:] > 0).astype(float)
W1 = {first}
b1 = {bias}
W2 = {second}
b2 = np.zeros((1, 1))
for i in range(1500):
    h = np.maximum(0, X @ W1 + b1)
    p = 1 / (1 + np.exp(-(h @ W2 + b2)))
    loss = -np.mean(y * np.log(p + 1e-9) + (1 - y) * np.log(1 - p + 1e-9))
    d = (p - y) / len(X)
    dh = d @ W2.T * (h > 0)
    W2 -= 0.5 * h.T @ d
    b2 -= 0.5 * d.sum(0, keepdims=True)
    W1 -= 0.5 * X.T @ dh
    b1 -= 0.5 * dh.sum(0, keepdims=True)
"""
USUAL = {"first": "np.random.randn(2, 12)", "bias": "np.zeros((1, 12))", "second": "np.random.randn(12, 1) * 0.3"}


@pytest.mark.slow
@pytest.mark.parametrize(
    ("changed", "cause", "line"),
    [
        ({"first": "np.zeros((2, 12))", "second": "np.zeros((12, 1))"}, "symmetric-init", 6),
        ({"bias": "-9.0 * np.ones((1, 12))"}, "dead-units", 7),
    ],
)
def test_a_training_that_moves_nothing_is_found_and_its_cause_named(
    changed: dict[str, str], cause: str, line: int, tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(PROGRAM.format(**{**USUAL, **changed}))
    report = examine_script(script, budget=200.0)
    assert [(finding.cause, finding.line) for finding in report.findings] == [(cause, line)]


def test_nan_from_the_first_pass_on_is_the_data_s(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    text = PROGRAM.format(**USUAL).replace("W1 = np", "X[3, 0] = np.nan\nW1 = np", 1)
    script.write_text(text)
    report = examine_script(script, budget=200.0)
    assert [finding.cause for finding in report.findings] == ["non-finite-data"]


def test_a_name_that_stands_for_another_tensor_in_each_pass_is_not_woken() -> None:
    """As that of a loop over layers."""
    work: Any = woken(cast(Lab, None), {"w": np.ones(4), "u": np.ones(3)})
    next(work)
    first = PassOutcome({"w": np.zeros(4), "u": np.zeros(3)}, {"w": np.zeros(4), "u": np.zeros(3)}, {})
    work.send(first)
    other = PassOutcome({"w": np.ones(6), "u": np.ones(3)}, {"w": np.zeros(6), "u": np.zeros(3)}, {})
    with pytest.raises(StopIteration) as ended:
        work.send(other)
    assert ended.value.value == ["u"]


BY_DIFFERENCES = """
import numpy as np
rng = np.random.default_rng(0)
X = rng.normal(size=(40, 3))
T = np.eye(2)[(X[:, 0] > 0).astype(int)]
net = {"W1": rng.normal(size=(3, 4)), "b1": np.zeros(4), "W2": rng.normal(size=(4, 2)), "b2": np.zeros(2)}
def loss():
    h = np.tanh(X @ net["W1"] + net["b1"])
    z = h @ net["W2"] + net["b2"]
    p = np.exp(z) / np.exp(z).sum(1, keepdims=True)
    return -np.mean(np.sum(T * np.log(p), 1))
def slopes(x, h=1e-4):
    grad = np.zeros_like(x)
    for i in np.ndindex(x.shape):
        old = x[i]
        x[i] = old + h
        up = loss()
        x[i] = old SIGN h
        down = loss()
        grad[i] = (up - down) / (2 * h)
        x[i] = old
    return grad
for step in range(60):
    grads = {k: slopes(v) for k, v in net.items()}
    for k in net:
        net[k] -= 0.5 * grads[k]
    if step % 10 == 0:
        print(loss())
"""


@pytest.mark.slow
@pytest.mark.parametrize(("sign", "titles"), [("+", ["wrong-backward: zero-gradient"]), ("-", [])])
def test_a_step_of_no_length_is_told_where_nothing_ever_moves(sign: str, titles: list[str], tmp_path: Path) -> None:
    """Both losses of a difference are taken at one place: no pass moves anything, whatever the weights are."""
    (tmp_path / "train.py").write_text(BY_DIFFERENCES.replace("SIGN", sign))
    report = examine_script(tmp_path / "train.py")
    assert [finding.title for finding in report.findings] == titles
    assert [finding.code for finding in report.findings] == ["net[k] -= 0.5 * grads[k]"] * len(titles)
    assert report.status == ("faults" if titles else "healthy")


# The output is rounded before the derivative of its sigmoid is taken, which is 0 then.
ROUNDED = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(90, 4))
Y = (X[:, 0] > X[:, 1]).astype(float)


class Unit:
    def __init__(self):
        self.w, self.b = rng.normal(size=4), 0.0

    def says(self, x):
        p = 1 / (1 + np.exp(-(x @ self.w + self.b)))
        return {said}

    def learn(self, x, y):
        p = self.says(x)
        d = (y - p) * {slope}
        self.w += 0.1 * d * x
        self.b += 0.1 * d


unit = Unit()
for epoch in range(20):
    for x, y in zip(X, Y):
        unit.learn(x, y)
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("said", "slope", "found"),
    [
        ("float(p >= 0.5)", "p * (1 - p)", [("zero-gradient", 19)]),
        ("float(p >= 0.5)", "1", []),  # a perceptron
        ("p", "p * (1 - p)", []),
    ],
)
def test_updates_of_a_single_unit_that_are_always_zero(
    said: str, slope: str, found: list[tuple[str, int]], tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(ROUNDED.format(said=said, slope=slope))
    report = examine_script(script, budget=200.0)
    assert [(finding.mistake, finding.line) for finding in report.findings] == found, report.reason


# The odds are 1 / e for every row, so that each pass takes the same step, whatever the weights are.
UNHEARD = """import numpy as np

rng = np.random.default_rng(0)
X = rng.normal(size=(60, 3))
y = (X[:, 0] > X[:, 1]).astype(float)
w = np.zeros(3)


def odds(x, w):
    return {odds}


for epoch in range(150):
    slope = np.zeros(3)
    for i in range(60):
        slope += (odds(X[i], w) - y[i]) * X[i]
    w -= 0.5 / 60 * slope
"""

# A memory of patterns: how well it fits is computed with its weights, and what it learns is not.
HEBB = """import numpy as np

rng = np.random.default_rng(0)
patterns = np.sign(rng.normal(size=(80, 12)))
w = np.zeros((12, 12))
for pattern in patterns:
    energy = -0.5 * pattern @ w @ pattern
    print(energy)
    w += np.outer(pattern, pattern) / 12.5
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("program", "found"),
    [
        (UNHEARD.format(odds="np.exp(x @ w) / np.exp(1 + x @ w)"), [("input-ignored", 16)]),
        (UNHEARD.format(odds="np.exp(x @ w) / (1 + np.exp(x @ w))"), []),
        (HEBB, []),
    ],
    ids=["always-the-same", "a-sigmoid", "hebb"],
)
def test_steps_that_are_the_same_whatever_the_weights_are(
    program: str, found: list[tuple[str, int]], tmp_path: Path
) -> None:
    script = tmp_path / "train.py"
    script.write_text(program)
    report = examine_script(script, budget=200.0)
    assert [(finding.cause, finding.line) for finding in report.findings] == found, report.reason
