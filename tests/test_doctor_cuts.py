"""Graphs that are cut, states that fade through time, losses that are written out, networks without modules."""

from __future__ import annotations

import runpy
from pathlib import Path
from typing import Any

import pytest

from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.rules import data, gradients, model, rate, scale
from pellucid.doctor.observed.rules import loss as loss_rules
from pellucid.doctor.observed.treatments import LearningRate
from tests.watching import watched, written

RECALL = """import pellucid as torch
from pellucid import nn

torch.manual_seed(1)
x = torch.rand(160, 6, 1) * 2 - 1
y = x[:, 0, 0]


class Memory(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.again, self.say = nn.Linear(1, 16), nn.Linear(16, 16), nn.Linear(16, 1)
        nn.init.orthogonal_(self.again.weight)

    def forward(self, x):
        h = torch.zeros(len(x), 16)
        for t in range(6):
            h = torch.tanh(self.inner(x[:, t]) + self.again(h))
        return self.say(h).squeeze(-1)


net = Memory()
optimizer = torch.optim.SGD(net.parameters(), lr=0.1, momentum=0.9)
for step in range(120):
    rows = torch.randperm(160)[:32]
    optimizer.zero_grad()
    nn.functional.mse_loss(net(x[rows]), y[rows]).backward()
    optimizer.step()
"""
SPREAD = """import pellucid as torch
from pellucid import nn

torch.manual_seed(1)
x = torch.rand(200, 1) * 4 - 2
y = torch.cos(2 * x) + 0.1 * torch.randn(200, 1)
body = nn.Sequential(nn.Linear(1, 24), nn.Tanh(), nn.Linear(24, 24), nn.Tanh(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(body.parameters(), lr=0.01)
for step in range(120):
    rows = torch.randint(0, 200, (40,))
    mean, log_s = body(x[rows]).chunk(2, 1)
    loss = (log_s + 0.5 * ((y[rows] - mean) / log_s.exp()) ** 2).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("source", "rule", "cause"),
    [
        (RECALL.replace("self.again(h))", "self.again(h.detach()))"), gradients.cut_within, "detached-gradient"),
        (RECALL.replace("torch.tanh(", "torch.sigmoid("), model.fading, "vanishing-gradients"),
        (SPREAD.replace("nn.Tanh(), ", ""), model.linear, "no-nonlinearity"),
        (SPREAD.replace("(y[rows] -", "(y[torch.randint(0, 200, (40,))] -"), data.conflicting, "labels-misaligned"),
    ],
)  # fmt: skip
def test_what_is_cut_or_spread_is_named(source: str, rule: Any, cause: str) -> None:
    was = watched(written(source))
    said = list(rule(was))
    assert [s.cause for s in said] == [cause]
    if said[0].treatments:
        assert confirms(said[0], was, watched(written(source), *said[0].treatments))


def test_a_written_likelihood_with_a_spread_is_a_loss() -> None:
    record = watched(written(SPREAD.replace("range(120)", "range(3)")))
    assert record.loss.kind == "gaussian_nll_loss"
    assert record.targets[0].shape == (40, 1)
    assert record.factor == 1.0


def test_rates_go_as_far_as_is_usual_and_no_further() -> None:
    record = watched(written(SPREAD.replace("lr=0.01", "lr=1e-6").replace("range(120)", "range(3)")))
    factors = [t.factor for s in rate.up_to_usual(record) for t in s.treatments if isinstance(t, LearningRate)]
    assert factors == [1e3, 1e4]
    assert [s.cause for s in rate.lower(record)] == ["lr-too-high"] * 2


@pytest.mark.parametrize(("rate_of_it", "far"), [(0.01, False), (0.1, False), (30.0, True), (1000.0, True)])
def test_of_a_rate_that_nobody_would_take_usual_ones_are_tried(rate_of_it: float, far: bool) -> None:
    record = watched(written(SPREAD.replace("lr=0.01", f"lr={rate_of_it}").replace("range(120)", "range(3)")))
    for tried in (list(rate.lower(record)), [s for s in rate.near(record) if s.direction < 0]):
        assert all(s.strictly != far for s in tried)
        rates = [rate_of_it * t.factor for s in tried for t in s.treatments if isinstance(t, LearningRate)]
        assert len(rates) == 2 and (not far or max(rates) < 0.02)


# Losses that are written out, networks without modules, and rows beside those with labels -----------------------------

BY_HAND = """import pellucid as torch
from pellucid import nn
from pellucid.nn import functional as F

torch.manual_seed(3)
x = torch.randn(200, 4)
y = (x[:, 0] + x[:, 1] > 0).float()
net = nn.Sequential(nn.Linear(4, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
for step in range(60):
    rows = torch.randperm(200)[:50]
    p = net(x[rows])
    loss = -(y[rows] * torch.log(p + 1e-6) + (1 - y[rows]) * torch.log(1 - p + 1e-6)).mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""
TWICE = BY_HAND.replace("(16, 1), nn.Sigmoid()", "(16, 2), nn.Softmax(dim=1)")
TWICE = TWICE.replace(
    "-(y[rows] * torch.log(p + 1e-6) + (1 - y[rows]) * torch.log(1 - p + 1e-6)).mean()",
    "F.nll_loss(F.log_softmax(p, dim=1), y[rows].long())",
)
BARE = """import pellucid as torch
from pellucid.nn import functional as F

torch.manual_seed(3)
x = torch.rand(200, 2) * torch.tensor([1.0, 9000.0])
y = (x[:, 0] + x[:, 1] / 9000 > 1).float()[:, None]
w, b = (torch.randn(2, 12) * 0.5).requires_grad_(), torch.zeros(12, requires_grad=True)
v = (torch.randn(12, 1) * 0.3).requires_grad_()
optimizer = torch.optim.Adam([w, b, v], lr=0.02)
for step in range(120):
    rows = torch.randperm(200)[:50]
    loss = F.binary_cross_entropy_with_logits(torch.tanh(x[rows] @ w + b) @ v, y[rows])
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("source", "rule", "cause", "line"),
    [
        (BY_HAND, loss_rules.broadcast, "silent-broadcast-loss", 13),
        (TWICE, loss_rules.normalised_twice, "double-softmax", 8),
        (BARE, scale.scale, "feature-scale-mismatch", 12),
    ],
)
def test_what_is_written_by_hand_is_treated(source: str, rule: Any, cause: str, line: int) -> None:
    was = watched(written(source))
    said = next(rule(was))
    assert said.cause == cause
    assert said.place is not None and said.place[1] == line
    assert confirms(said, was, watched(written(source), *said.treatments))


@pytest.mark.parametrize("beside", [True, False])
def test_a_network_that_is_given_rows_without_labels_is_shown_them(beside: bool) -> None:
    few = TWICE.replace("rows = torch.randperm(200)[:50]", "rows = torch.arange(40)\n    x[rows]")
    other = "p = net(x[rows])\n    near = net(x[torch.randperm(200)[:60]]).mean()"
    both = few.replace("p = net(x[rows])", other).replace("long())\n", "long()) + 0 * near\n")
    record = watched(written(both if beside else few))
    record.available = record.distinct = 200
    assert bool(list(data.same_rows(record))) is not beside


def test_a_log_softmax_of_log_probabilities_changes_nothing() -> None:
    record = watched(
        written(TWICE.replace("nn.Softmax(dim=1)", "nn.LogSoftmax(dim=1)").replace("range(60)", "range(3)"))
    )
    assert [op.key[0] for op in record.loss.chain] == ["log_softmax", "log_softmax"]
    assert not list(loss_rules.normalised_twice(record))


EQUATION = """import pellucid as torch
from pellucid import nn

torch.manual_seed(0)
layers = []
for a, b in ((1, 16), (16, 1)):
    layers += [nn.Linear(a, b), nn.Tanh()]
net = nn.Sequential(*layers)
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
zero = torch.zeros(1, 1)
for step in range(150):
    t = torch.rand(40, 1).requires_grad_()
    u = net(t)
    slope = torch.autograd.grad(u, t, torch.ones_like(u), create_graph=True)[0]
    loss = (slope - u).pow(2).mean() + 5 * (net(zero) - 3.0).abs().mean()
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


def test_an_equation_whose_solution_the_last_activation_cannot_give() -> None:
    was = watched(written(EQUATION))
    assert was.loss.kind == "sum_of_squares" and len(was.loss.outermost) == 2
    (said,) = loss_rules.held_back(was)
    assert (said.cause, said.place) == ("output-range-mismatch", ("train.py", 7))
    assert confirms(said, was, watched(written(EQUATION), *said.treatments))
    reached = EQUATION.replace("- 3.0", "- 0.3").replace("range(150)", "range(60)")
    assert not list(loss_rules.held_back(watched(written(reached))))


@pytest.mark.parametrize("term", ["u.exp().mean()", "u.mean()", "-u.pow(2).mean()", "(u * net(zero)).mean()"])
def test_what_is_no_sum_of_squares(term: str) -> None:
    source = EQUATION.replace("(slope - u).pow(2).mean()", term).replace("range(150)", "range(2)")
    assert watched(written(source)).loss.kind == ""


OWN_LAYER = """import pellucid as torch
from pellucid import nn


class Dense(nn.Module):
    def __init__(self, a, b):
        super().__init__()
        self.weight = nn.Parameter(torch.randn(a, b) * 20)

    def forward(self, x):
        return x @ self.weight


torch.manual_seed(0)
net, x = nn.Sequential(Dense(5, 9), nn.ReLU(), Dense(9, 2)), torch.randn(40, 5)
for step in range(3):
    nn.functional.cross_entropy(net(x), (x[:, 0] > 0).long()).backward()
"""


def test_a_weight_is_shown_where_it_is_made() -> None:
    (said,) = model.first_weights(watched(written(OWN_LAYER)))
    assert (said.cause, said.place) == ("init-too-large", ("train.py", 8))


LEFT_OUT = """import pellucid as torch
from pellucid import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.take = nn.Linear(4, 8)
        self.say = nn.Linear(8, 2)

    def forward(self, x):
        h = torch.relu(self.take(x))
        h = torch.ones_like(h)
        return self.say(h)


torch.manual_seed(0)
net, x = Net(), torch.randn(60, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(30):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), (x[:, 0] > 0).long()).backward()
    optimizer.step()
"""


def test_an_input_that_is_ignored_is_shown_where_the_rest_begins() -> None:
    (said,) = model.ignored(watched(written(LEFT_OUT)))
    assert (said.cause, said.place) == ("input-ignored", ("train.py", 14))


ENCODED = """import pellucid as torch
from pellucid import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.take, self.say = nn.Linear(4, 8), nn.Linear(8, 2)
        self.scale = nn.Parameter(torch.ones(()))

    @torch.no_grad()
    def encode(self, x):
        return torch.relu(self.take(x))

    def forward(self, x):
        return self.scale * HEAD


torch.manual_seed(0)
net, x = Net(), torch.randn(60, 4)
optimizer = torch.optim.SGD(net.parameters(), lr=0.1)
for step in range(30):
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x), (x.prod(1) > 0).long()).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("head", "lines"),
    [("self.encode(x)[:, :2]", [11]), ("self.say(self.encode(x))", []), ("torch.relu(self.take(x))[:, :2]", [])],
    ids=["all of it", "features", "none of it"],
)
def test_what_is_computed_without_gradients(head: str, lines: list[int], tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(ENCODED.replace("HEAD", head))
    record = watched(lambda: runpy.run_path(str(script)))
    found = [said for said in gradients.no_history(record) if said.certain]
    assert [said.place for said in found] == [(str(script), line) for line in lines]


@pytest.mark.parametrize("meant", [True, False], ids=["the head alone", "all of it"])
def test_features_without_gradients_that_an_optimiser_is_to_train(meant: bool) -> None:
    source = ENCODED.replace("HEAD", "self.say(self.encode(x))").replace("range(30)", "range(300)")
    source = source.replace("net.parameters()", "net.say.parameters()") if meant else source
    record = watched(written(source))
    found = [(said.cause, said.certain, said.place) for said in gradients.no_history(record)]
    assert found == ([] if meant else [("detached-gradient", False, ("train.py", 13))])
    for said in gradients.no_history(record):
        assert confirms(said, record, watched(written(source), *said.treatments))


LAST_OF_ALL = """import pellucid as torch
from pellucid import nn


class Net(nn.Module):
    def __init__(self):
        super().__init__()
        self.inner, self.say = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 2)

    def forward(self, x):
        return self.say(self.inner(x)[0][:, TAKEN])


torch.manual_seed(0)
net, x = Net(), torch.randn(80, 6, 1)
optimizer = torch.optim.Adam(net.parameters(), lr=3.0)
for step in range(60):
    rows = torch.randperm(80)[:40]
    optimizer.zero_grad()
    nn.functional.cross_entropy(net(x[rows]), (x[rows].sum((1, 2)) > 0).long()).backward()
    optimizer.step()
"""


@pytest.mark.parametrize(("taken", "unused"), [("-1", (0, 6)), ("0", (5, 6))])
def test_a_training_that_goes_wrong_is_no_network_that_ignores_its_input(taken: str, unused: tuple[int, int]) -> None:
    record = watched(written(LAST_OF_ALL.replace("TAKEN", taken)))
    assert record.unused == unused
