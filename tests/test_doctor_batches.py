"""Gradients of several batches that are added up, cleared in one pass and used in another."""

from __future__ import annotations

from pathlib import Path
from types import SimpleNamespace
from typing import Any, cast

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.batches import added_up, contributed, may_add_up, uncleared
from pellucid.doctor.process.lab import Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.moving import Parameters

ADDED = """
import numpy as np
rng = np.random.default_rng(1)
X = rng.normal(size=(240, 6))
y = np.sin(X @ rng.normal(size=6))[:, None]
W1, b1, W2, b2 = rng.normal(size=(6, 12)) * 0.4, np.zeros(12), rng.normal(size=(12, 1)) * 0.3, np.zeros(1)
params = {"W1": W1, "b1": b1, "W2": W2, "b2": b2}
grads = {k: np.zeros_like(v) for k, v in params.items()}
for epoch in range(60):
    for i in range(24):
        xb, yb = X[i * 10:i * 10 + 10], y[i * 10:i * 10 + 10]
        CLEAR
        h = np.tanh(xb @ W1 + b1)
        out = h @ W2 + b2
        loss = np.mean((out - yb) ** 2)
        d = 2 * (out - yb) / len(xb) / 4
        dz = d @ W2.T * (1 - h ** 2)
        grads["W2"] += h.T @ d
        grads["b2"] += d.sum(0)
        grads["W1"] += xb.T @ dz
        grads["b1"] += dz.sum(0)
        if (i + 1) % 4 == 0:
            for k in params:
                params[k] -= 0.1 * grads[k]
                STEP
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("clear", "step"),
    [("", "grads[k][...] = 0"), ("if i % 4 == 0: [g.fill(0) for g in grads.values()]", "")],
    ids=["after the step", "before the first"],
)
def test_batches_that_are_added_up_on_purpose_are_healthy(clear: str, step: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ADDED.replace("CLEAR", clear or "pass").replace("STEP", step or "pass"), encoding="utf-8")
    report = examine_script(script)
    assert report.status == "healthy", (report.reason, report.findings)


def drive(cycle: int, names: list[str]) -> Any:
    """`added_up` over a program that clears its gradient in each pass of this number; 0: in none."""
    lab = SimpleNamespace(left=lambda: 10.0)
    steps = added_up(cast(Lab, lab), names)
    request, count, total = next(steps), 1, 5.0
    try:
        while True:
            kept = 0.0 if cycle and count % cycle == 0 else 1.0
            before = float(request.values.get("w.grad", np.array([total]))[0])
            after = kept * before + 1.0
            outcome = PassOutcome({"w.grad": np.array([before])}, {"w.grad": np.array([after])}, {})
            if isinstance(request, Next):
                count, total = count + 1, after
            request = steps.send(outcome)
    except StopIteration as end:
        return end.value


@pytest.mark.parametrize(("cycle", "said"), [(0, False), (1, False), (2, True), (4, True)])
def test_added_up_is_what_some_passes_clear_and_others_keep(cycle: int, said: bool) -> None:
    assert drive(cycle, ["w.grad"]) is said


def test_what_is_cleared_now_and_then_is_not_called_uncleared() -> None:
    found = Parameters({}, ["w"], {"w.grad": "w"}, {"w.grad": 1.0}, {"w.grad": -1.0})
    assert uncleared(found) == ["w.grad"] == may_add_up(found)
    found.batches = ("w.grad",)
    assert uncleared(found) == []
    named = Parameters({}, ["W1"], {"grads['W1']": "W1"}, {"grads['W1']": 0.0}, {})
    assert may_add_up(named) == ["grads['W1']"]
    decaying = Parameters({}, ["w"], {"w.grad": "w"}, {"w.grad": 0.9}, {})
    assert may_add_up(decaying) == []


@pytest.mark.parametrize(("share", "added"), [(1.0, {"w": 3.0}), (0.0, {})])
def test_what_a_pass_adds(share: float, added: dict[str, float]) -> None:
    """Nothing is known of a pass that uses the sum and clears it."""
    found = Parameters({}, ["w"], {"w.grad": "w"}, batches=("w.grad",))

    def one(values: np.ndarray) -> PassOutcome:
        return PassOutcome({"w.grad": values}, {"w.grad": share * (values + 3.0)}, {})

    plain = one(np.array([2.0]))
    steps = contributed(found, plain)
    request = next(steps)
    assert isinstance(request, PassRun)
    with pytest.raises(StopIteration) as end:
        steps.send(one(request.values["w.grad"]))
    assert {name: float(values[0]) for name, values in end.value.value.items()} == added


BITS = """
import numpy as np
np.random.seed(0)
X = np.random.randint(0, 2, (400, 7)).astype(float)
Y = X.sum(axis=1, keepdims=True) / 7
W1, b1 = np.random.randn(7, 10) * 0.4, np.zeros(10)
W2, b2 = np.random.randn(10, 1) * 0.4, np.zeros(1)
for epoch in range(30):
    perm = np.random.permutation(400)
    for k in range(0, 400, 20):
        xb = X[perm[k:k + 20]]
        yb = Y[perm[k:k + 20]]
        h = np.tanh(xb @ W1 + b1)
        d = (h @ W2 + b2 - yb) / 20
        dh = d @ W2.T * (1 - h ** 2)
        W2 -= 0.1 * h.T @ d
        b2 -= 0.1 * d.sum(axis=0)
        W1 -= 0.1 * xb.T @ dh
        b1 -= 0.1 * dh.sum(axis=0)
"""


@pytest.mark.parametrize("taken", ["Y[perm[k:k + 20]]", "Y[perm[0:20]]"])
def test_numbers_taken_by_other_indices_than_rows_that_come_again(taken: str, tmp_path: Path) -> None:
    script = tmp_path / "bits.py"
    script.write_text(BITS.replace("Y[perm[k:k + 20]]", taken))
    report = examine_script(script, budget=40)
    found = [(finding.cause, finding.code) for finding in report.findings if finding.severity == "error"]
    assert found == ([] if "perm[k" in taken else [("labels-misaligned", f"yb = {taken}")])
