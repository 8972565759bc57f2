"""What is no parameter, no label and no output: numbers that are set once, the variables of loops, decisions."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from pellucid.doctor import examine_script
from pellucid.doctor.conditions import learning
from pellucid.doctor.conditions.causes import rate, reach
from pellucid.doctor.probes import roles
from pellucid.doctor.probes.data import Batch, Keys, held_rows, holders
from pellucid.doctor.probes.losses import Candidate
from pellucid.doctor.probes.trials import Trial
from pellucid.doctor.process import culprits, origins, parameters
from pellucid.doctor.process.no_labels import no_labels
from pellucid.doctor.process.paths import Scope, groups, leaves, store
from pellucid.doctor.process.scout import Seen, back_to_start
from pellucid.doctor.process.state import SavedState

RNG = np.random.default_rng(0)


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


def test_a_view_of_a_part_of_a_parameter_is_none() -> None:
    table, flat = np.ones((5, 3)), np.zeros(6)
    names = {"w_in": table, "h": table[2], "theta": flat, "W1": flat[:4]}
    scope = Scope(None, {"__main__": names})
    known = groups(leaves(scope))
    assert set(parameters._without_aliases(list(known), known, scope)) == {"w_in", "theta", "W1"}


def test_what_a_loop_counts_is_no_label() -> None:
    source = (
        "for t in reversed(range(9)):\n    x = f(t)\nfor y in labels:\n    pass\nfor i, k in enumerate(rows):\n    pass"
    )
    assert no_labels({"train.py": source}) == {"i", "t"}


@pytest.mark.parametrize(
    ("goes_through", "counts"),
    [
        ("np.arange(1, n)[::-1]", True),
        ("np.arange(len(rows) - 1)", True),
        ("np.arange(0, 1, 0.1)", False),
        ("np.arange(0, n / 2)", False),
        ("np.arange(9, dtype=float)", False),
        ("range(9)[3:]", True),
        ("labels[::-1]", False),
    ],
)
def test_what_counts_by_an_array_of_whole_numbers_is_no_label(goes_through: str, counts: bool) -> None:
    assert ("d" in no_labels({"train.py": f"for d in {goes_through}:\n    x = f(d)"})) is counts


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


ABSOLUTE = """
import random
random.seed(0)
data = [((0, 0), 0), ((0, 1), 0), ((1, 0), 0), ((1, 1), 1)]
weights = [random.uniform(-1, 1), random.uniform(-1, 1)]
bias = random.uniform(-1, 1)

def step(x):
    return 1 if x >= 0 else 0

for epoch in range(200):
    total = 0
    for (x1, x2), target in data:
        out = step(x1 * weights[0] + x2 * weights[1] + bias)
        error = abs(target - out)
        weights[0] += 0.1 * error * x1
        weights[1] += 0.1 * error * x2
        bias += 0.1 * error
        total += error
    print(epoch, total)
"""


def test_what_a_step_decides_is_no_label_and_an_error_without_its_sign_is_told(tmp_path: Path) -> None:
    """It was called healthy: by the hinge loss of a sum and of the step of it."""
    script = tmp_path / "train.py"
    script.write_text(ABSOLUTE)
    report = examine_script(script)
    assert [(f.cause, f.line) for f in report.findings] == [("loss-sign-flipped", 15)], report.to_json()
    assert "absolute" in report.findings[0].fix


def test_a_shape_that_a_pass_changes_is_put_back() -> None:
    rows = np.arange(6.0).reshape(2, 3)
    names = {"rows": rows, "img": rows[0]}
    state = SavedState(Scope(None, {"__main__": names}))
    names["img"].shape += (1,)
    state.restore()
    assert names["img"].shape == (3,)


def test_the_loss_of_the_last_step_is_told_from_that_of_the_first() -> None:
    """While weights are small the outputs of all steps are nearly one."""
    series = []
    for i, y in enumerate(RNG.integers(0, 2, 6)):
        first, last = np.array([[0.01 * i], [0.0]]), np.array([[0.01 * i + 1e-6 * (i + 1)], [0.0]])
        loss = -float(np.log(np.exp(last)[y, 0] / np.exp(last).sum()))
        series.append(
            {("", "outs[0]"): [first], ("", "outs[-1]"): [last], ("", "t"): [np.array(y)], ("", "L"): [np.array(loss)]}
        )
    depends = {("", "outs[0]"), ("", "outs[-1]"), ("", "L")}
    pair = roles.pair_of(series, depends, frozenset(), Candidate("seen", ("", "L")))
    assert pair is not None and pair.loss.output == ("", "outs[-1]")


def test_a_usual_loss_goes_up_and_down_with_the_one_that_it_is() -> None:
    values = np.array([0.70, 0.68, 0.71, 0.69])
    assert roles._goes_along(2 * values + 0.03, values)
    assert not roles._goes_along(np.array([0.71, 0.69, 0.68, 0.70]), values)


@pytest.mark.parametrize(
    ("curve", "other", "told"),
    [([0.7, 0.5, 0.5, 0.5], 0.5, True), ([0.7, 0.52, 0.51, 0.505], 0.505, False), ([0.7, 0.5, 0.5, 0.5], 0.4, False)],
)
def test_a_training_that_comes_to_rest_at_any_rate_is_not_stopped_by_its_rate(
    curve: list[float], other: float, told: bool
) -> None:
    def trained(levels: list[float]) -> Trial:
        return Trial(at=[40 * i + j for i in range(len(levels)) for j in range(40)],
                     losses=[level for level in levels for _ in range(40)])  # fmt: skip

    assert rate.arrives_too(trained(curve), trained([0.7, 0.6, other])) is told


@pytest.mark.parametrize(
    ("source", "line"),
    [
        ("a2 = np.exp(z) / sum(np.exp(z))\ndb2 = 1 / m * np.sum(d, axis=0)\n", 1),
        ("db2 = 1 / m * np.sum(d, axis=0)\ne = np.exp(z)\np = e / e.sum(axis=0)\n", 3),
        ("s = np.sum(np.exp(z), axis=0)\np = np.exp(z) / s\n", 1),
    ],
)
def test_where_a_softmax_goes_over_the_wrong_axis(source: str, line: int) -> None:
    place = culprits.of_cause("softmax-wrong-axis", {"a.py": source}, Keys(None, None, None))
    assert place is not None and place.line == line


def test_a_label_is_that_of_the_pass_as_it_is() -> None:
    """A network that is copied now and then gives labels that depend on the parameters in the passes that copy it."""
    loss = Candidate("squared", ("", "q"), ("", "target"))
    plain = {("", "q"): [np.array(1.0)], ("", "target"): [np.array(3.0)]}
    moved = {("", "q"): [np.array(2.0)], ("", "target"): [np.array(2.0)]}
    assert loss.value(moved, plain) == 0.5 and loss.value(moved) == 0.0
