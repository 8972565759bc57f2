"""`pellucid.doctor.examine(step)`: a training step that is called by hand."""

import numpy as np
import pytest

from pellucid import doctor

RNG = np.random.default_rng(0)
X, T = RNG.normal(size=(20, 3)), RNG.normal(size=(20, 1))


class Net:
    def __init__(self, wrong: bool = False) -> None:
        self.w1, self.w2, self.wrong = RNG.normal(size=(3, 4)), RNG.normal(size=(4, 1)), wrong

    def step(self) -> float:
        h = np.tanh(X @ self.w1)
        e = h @ self.w2 - T
        dh = e @ self.w2.T
        dz = dh if self.wrong else dh * (1 - h * h)
        self.w1 = self.w1 - 0.01 * X.T @ dz
        self.w2 = self.w2 - 0.01 * h.T @ e
        return float((e * e).sum())


def test_a_method_is_a_step() -> None:
    assert doctor.examine(Net().step, budget=30).status == "healthy"


def test_the_mistake_is_named() -> None:
    net = Net(wrong=True)
    before = net.w1.copy()
    finding = doctor.examine(net.step, budget=30).findings[0]
    assert finding.title == "wrong-backward: missing-activation-derivative"
    assert np.array_equal(net.w1, before)


@pytest.mark.parametrize(("sign", "status"), [(-1, "healthy"), (1, "faults")])
def test_variables_around_a_function(sign: int, status: str) -> None:
    w, b = np.array([[0.1], [0.2], [0.3]]), np.array([0.5])

    def step() -> None:
        nonlocal b
        p = X @ w + b
        e = p - T
        w[:] += sign * 0.01 * X.T @ e
        b = b + sign * 0.01 * e.sum()

    assert doctor.examine(step, budget=30).status == status


def test_a_step_that_moves_nothing() -> None:
    report = doctor.examine(lambda: None, budget=10)
    assert report.status == "inconclusive"
    assert "examine(step, model" in report.reason
