"""What is no parameter: numbers that are set once, the variables of loops, and other names for a parameter."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.causes import reach
from pellucid.doctor.probes.data import Batch, Keys, held_rows, holders
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.process import origins, parameters
from pellucid.doctor.process.paths import Scope, groups, leaves, store
from pellucid.doctor.process.scout import Seen, back_to_start


@pytest.mark.parametrize(
    ("source", "name", "drawn"),
    [
        ("b = random.random()\n", "b", True),
        ("class N:\n    def __init__(self):\n        self.bias = rng.uniform(-1, 1)\n", "net.n[*].bias", True),
        ("self.bias = 2 * np.random.rand() - 1\n", "net.bias", True),
        ("self.bias = bias if bias else random.random()\nself.bias = bias\n", "net.bias", False),
        ("self.b = np.mean(R[R != 0])\n", "mf.b", False),
        ("self.beta = beta\n", "mf.beta", False),
        ("x = 1\n", "b", True),  # nobody knows
    ],
)
def test_a_number_that_is_set_once_is_told_from_one_that_is_drawn(source: str, name: str, drawn: bool) -> None:
    assert origins.is_drawn({"a.py": source}, name) is drawn


def test_what_counts_stays_a_whole_number_when_it_is_put_back() -> None:
    names = {"i": 3, "j": 3, "b": 0}
    scope = Scope(None, {"__main__": names})
    for name, value in (("i", 2.0), ("b", 0.5)):
        store(scope, (("global", ("__main__", name)),), np.array(value))
    assert names == {"i": 2, "j": 3, "b": 0.5} and type(names["i"]) is int


def test_the_variable_of_a_loop_over_weights_is_not_put_back_to_its_start() -> None:
    names = {"w_ho": 1, "w": np.ones(2)}
    scope = Scope(None, {"__main__": names})
    seen = Seen(initial={"w_ho": np.array([0.0]), "w": np.array([0.5, 0.5])})
    assert [*back_to_start(seen, scope)] == ["w"] and names["w_ho"] == 1 and names["w"][0] == 0.5


def test_of_two_names_the_one_that_a_parameter_may_have() -> None:
    weights, other = np.ones(2), np.zeros(2)
    names = {"caches": [[(other, weights)]], "parameters": {"W1": weights}}
    scope = Scope(None, {"__main__": names})
    known = groups(leaves(scope))
    assert len(known) == 3
    assert parameters._without_aliases(list(known), known, scope) == [n for n in known if n != "caches[0][0][1]"]


def test_rows_of_millions_of_numbers_are_found() -> None:
    images = np.zeros((9000, 1000), np.float32)
    scope = Scope(None, {"__main__": {"images": images, "labels": np.zeros(9000, int)}})
    assert [holder.name for holder in holders(scope, 1000, frozenset())] == ["images"]
    rows = held_rows(scope, 9000, frozenset())
    assert rows is not None and rows.shape == (1000, 1000)
    assert "images" not in groups(leaves(scope))  # it is read in no pass


def test_the_derivative_of_a_loss_is_no_loss() -> None:
    called = {name: Candidate("seen", (f"N.{name}", "return")).named for name in ("pd_error_wrt_output", "error")}
    assert called["pd_error_wrt_output"] < 1 < called["error"]


def test_outputs_of_a_rectifier_between_0_and_1_are_no_sigmoid_s() -> None:
    labels = np.linspace(-1, 0.9, 40)[:, None]
    finding = reach.out_of_reach(Batch(), Batch(outputs=np.maximum(0, labels), labels=labels))
    assert finding is not None and "rectifier" in finding.explanation


def test_one_sample_that_comes_again_and_again_has_one_output() -> None:
    keys = Keys(None, ("", "t"), ("", "p"))
    seen = {("", "t"): [np.array([0.01, 0.99])] * 40, ("", "p"): [np.array([0.015, 0.98])] * 40}
    assert not learning.says_the_same(seen, keys)


ONE_SAMPLE = """
import math

class Unit:
    def __init__(self, w, bias):
        self.w, self.bias = list(w), bias

    def out(self, x):
        self.x = x
        self.o = 1 / (1 + math.exp(-(sum(a * b for a, b in zip(self.w, x)) + self.bias)))
        return self.o

    def error(self, t):
        return 0.5 * (t - self.o) ** 2

    def pd_error_wrt_net(self, t):
        return -(t - self.o) * self.o * (1 - self.o)

class Net:
    rate = 0.5

    def __init__(self):
        self.hidden = [Unit([0.15, 0.2], 0.35), Unit([0.25, 0.3], 0.35)]
        self.outer = [Unit([0.4, 0.45], 0.6), Unit([0.5, 0.55], 0.6)]

    def run(self, x):
        h = [u.out(x) for u in self.hidden]
        return [u.out(h) for u in self.outer]

    def train(self, x, t):
        self.run(x)
        d = [u.pd_error_wrt_net(t[o]) for o, u in enumerate(self.outer)]
        dh = [0] * 2
        for h in range(2):
            s = 0
            for o in range(2):
                s += d[o] * self.outer[o].w[h]
            dh[h] = s * self.hidden[h].o * (1 - self.hidden[h].o)
        for o in range(2):
            for w_ho in range(2):
                self.outer[o].w[w_ho] -= self.rate * d[o] * self.outer[o].x[w_ho]
        for h in range(2):
            for w_ih in range(2):
                self.hidden[h].w[w_ih] -= self.rate * dh[h] * self.hidden[h].x[w_ih]

    def total_error(self, x, t):
        self.run(x)
        return sum(u.error(t[o]) for o, u in enumerate(self.outer))

net = Net()
for i in range(4000):
    net.train([0.05, 0.1], [0.01, 0.99])
    print(i, net.total_error([0.05, 0.1], [0.01, 0.99]))
"""


@pytest.mark.slow
def test_given_biases_and_loops_over_weights_are_right(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ONE_SAMPLE)
    report = examine_script(script)
    assert report.status == "healthy", report.to_json()
