"""A way back that goes the way of the forward pass, and parameters that are updated within it: told by forks in which
the pass is done otherwise."""

from __future__ import annotations

import ast
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.probes.otherwise import written
from pellucid.doctor.probes.passes import _signed, descent
from pellucid.doctor.process.instrument import ORDER, Loops
from pellucid.doctor.process.lab import Ended, Lab, Next, PassOutcome, PassRun
from pellucid.doctor.process.moving import Parameters
from pellucid.doctor.process.paths import Scope, groups, leaves

LAYERS = """
import numpy as np
rng = np.random.default_rng(2)
class Dense:
    def __init__(self, n, m):
        self.W, self.b = rng.normal(0, 0.5, (n, m)), np.zeros(m)
    def forward(self, x):
        self.x = x
        return np.tanh(x @ self.W + self.b)
    def backward(self, g, y, lr):
        g = g * (1 - y ** 2)
        dx = g @ self.W.T
        self.W -= lr * self.x.T @ g
        self.b -= lr * g.sum(0)
        return dx
layers = [Dense(3, 3), Dense(3, 3), Dense(3, 3)]
X = rng.normal(size=(64, 3))
T = np.sin(X)[:, ::-1] * 0.8
for epoch in range(400):
    outs = [X]
    for layer in layers:
        outs.append(layer.forward(outs[-1]))
    loss = ((outs[-1] - T) ** 2).sum()
    grad = 2 * (outs[-1] - T)
    for layer, out in zip(layers, outs[1:]):
        grad = layer.backward(grad, out, 0.001)
"""

STEPS = """
import numpy as np
rng = np.random.default_rng(0)
seqs = rng.integers(0, 2, (120, 7)).astype(float)
targets = seqs.sum(1) / 7
Wx, Wh, bh = rng.normal(0, 0.4, (6, 1)), rng.normal(0, 0.4, (6, 6)), np.zeros((6, 1))
Wy, by = rng.normal(0, 0.4, (1, 6)), np.zeros((1, 1))
for epoch in range(30):
    for n in range(120):
        hs = [np.zeros((6, 1))]
        for t in range(7):
            hs.append(np.tanh(Wx * seqs[n, t] + Wh @ hs[-1] + bh))
        y = Wy @ hs[-1] + by
        e = y - targets[n]
        dh = Wy.T @ e
        Wy -= 0.05 * e @ hs[-1].T
        by -= 0.05 * e
        for t in reversed(range(7)):
            dz = dh * (1 - hs[t + 1] ** 2)
            Wx -= 0.05 * dz * seqs[n, t]
            Wh -= 0.05 * dz @ hs[t].T
            bh -= 0.05 * dz
            dh = Wh.T @ dz
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "mistake", "code"),
    [
        (LAYERS, "stale-value", "for layer, out in zip(layers, outs[1:]):"),
        (STEPS, "updated-too-early", "Wh -= 0.05 * dz @ hs[t].T"),
    ],
    ids=["layers", "steps"],
)
def test_what_has_to_be_done_otherwise_is_told(source: str, mistake: str, code: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(source, encoding="utf-8")
    finding = examine_script(script).findings[0]
    assert (finding.mistake, finding.code) == (mistake, code)


@pytest.mark.parametrize(
    ("line", "fixed"),
    [
        ("for layer in layers:", "for layer in reversed(layers):"),
        ("for t in reversed(range(T)):", "for t in range(T):"),
        ("while True:", None),
    ],
)
def test_the_loop_is_written_the_other_way_round(line: str, fixed: str | None) -> None:
    assert next(written(line), None) == fixed


def test_each_for_is_handed_to_the_hook_also_in_the_methods_of_an_engine() -> None:
    loops = Loops()
    source = "class V:\n    def __mul__(self, o): ...\n    def backward(self):\n        for v in self.topo: v()\n"
    loops.compile(source + "for x in data:\n    print(x)\n", "a.py")
    assert loops.orders == [("a.py", 4), ("a.py", 5)]
    assert ORDER not in ast.unparse(ast.parse(source))  # what the user reads is left as it is


def test_only_the_loop_that_is_asked_for_is_turned_round() -> None:
    lab = Lab(lambda lab: iter(()), {}, {}, {}, 1.0, None)  # type: ignore[arg-type,return-value]
    lab.request = PassRun(turned=3)
    assert lab.order(3, [1, 2]) == [2, 1]
    assert lab.order(4, range(2)) == range(2)
    assert lab.orders == {4: "numbers"}


def test_a_loop_that_is_begun_anew_with_tensors_of_other_sizes_is_another_training() -> None:
    heard: list[str] = []

    def work(lab: Lab) -> Any:
        try:
            while True:
                heard.append(str((yield Next()).before["w"].size))
        except Ended as end:
            heard.append(str(end))

    held = {"w": np.zeros(3)}
    scope = Scope(None, {}, held)
    group = next(iter(groups(leaves(scope)).values()))
    lab = Lab(work, {"w": group}, {}, {}, 9.0, None)
    lab.head(scope)
    lab.tail(scope)
    held["w"] = np.zeros(5)
    with pytest.raises(StopIteration):
        lab.head(scope)
    assert heard == ["3", "the program ended"]


@pytest.mark.parametrize(
    ("values", "signed"), [([0.4, 0.9, 0.3, 0.8], False), ([0.4, -0.9, 0.3, 0.8], True)], ids=["squares", "gradients"]
)
def test_squares_that_hardly_grow_are_told_from_a_mean_of_gradients(values: list[float], signed: bool) -> None:
    """The share that is kept is known to some digits only, and what is added may seem to be below zero by as much."""
    before = np.array(values)
    plain = PassOutcome({"m": before}, {"m": 0.999 * before + 1e-9}, {})
    found = Parameters({}, ["w"], {"m": "w"}, {"m": 0.999 + 1e-7})
    assert _signed("m", plain, found) is signed


def test_the_memories_of_a_single_number_are_told_by_those_of_the_other_tensors() -> None:
    """They may be reached by another name, and a mean of gradients that is above zero looks like one of squares."""
    g = {"W": np.array([0.5, -2.0, 1.0]), "c": np.array([0.4])}
    names = {"opt['W']['m']": "W", "opt['W']['v']": "W", "o['m']": "c", "o['v']": "c"}
    before, after = {n: np.ones(v.size) for n, v in g.items()}, {n: np.ones(v.size) - 0.01 for n, v in g.items()}
    for memory, owner in names.items():
        mean = memory.endswith("['m']")
        share = 0.9 if mean else 0.999
        before[memory] = np.full(g[owner].size, 0.2) if mean else np.full(g[owner].size, 0.05)
        after[memory] = share * before[memory] + (1 - share) * (g[owner] if mean else g[owner] ** 2)
    shares = {memory: 0.9 if memory.endswith("['m']") else 0.999 for memory in names}
    found = Parameters({}, ["W", "c"], names, shares, dict.fromkeys(names, -1.0))
    for name, gradient in g.items():
        assert descent(name, PassOutcome(before, after, {}), found) == pytest.approx(0.1 * gradient)
