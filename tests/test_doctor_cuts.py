"""Networks that cut their own graph, states that fade through time, and likelihoods with a spread of their own."""

from __future__ import annotations

from typing import Any

import pytest

import pellucid as torch
from pellucid.doctor.observed.examination import confirms
from pellucid.doctor.observed.observer import Observer
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import data, gradients, model, rate
from pellucid.doctor.observed.treatments import LearningRate, Treatment

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


def watched(source: str, *treatments: Treatment) -> ProgramRecord:
    kept = torch.get_rng_state()
    observer = Observer(treatments)
    observer.start()
    try:
        exec(compile(source, "train.py", "exec"), {"__name__": "__main__"})  # noqa: S102 (the programs above)
    finally:
        observer.stop()
        torch.set_rng_state(kept)
    return observer.finish()


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
    was = watched(source)
    said = list(rule(was))
    assert [s.cause for s in said] == [cause]
    if said[0].treatments:
        assert confirms(said[0], was, watched(source, *said[0].treatments))


def test_a_written_likelihood_with_a_spread_is_a_loss() -> None:
    record = watched(SPREAD.replace("range(120)", "range(3)"))
    assert record.loss.kind == "gaussian_nll_loss"
    assert record.targets[0].shape == (40, 1)
    assert record.factor == 1.0


def test_rates_go_as_far_as_is_usual_and_no_further() -> None:
    record = watched(SPREAD.replace("lr=0.01", "lr=1e-6").replace("range(120)", "range(3)"))
    factors = [t.factor for s in rate.up_to_usual(record) for t in s.treatments if isinstance(t, LearningRate)]
    assert factors == [1e3, 1e4]
    assert [s.cause for s in rate.lower(record)] == ["lr-too-high"] * 2
