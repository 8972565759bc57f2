"""Programs that make several trainings, one after the other, each with an optimiser of its own."""

from __future__ import annotations

from collections.abc import Callable
from contextlib import suppress
from pathlib import Path
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor import examine_script
from pellucid.doctor.observed.examination import _together
from pellucid.doctor.observed.observer import Enough
from pellucid.doctor.observed.phase_observer import PhaseObserver
from pellucid.doctor.observed.phases import Phase, phases_of
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import gradients
from pellucid.doctor.observed.treatments import LearningRate
from pellucid.doctor.report import Finding, Report
from pellucid.nn import functional as F
from tests.watching import watched


def train(network: Any, optimizer: Any, steps: int = 12) -> None:
    for _ in range(steps):
        x = torch.randn(8, 4)
        optimizer.zero_grad()
        F.mse_loss(network(x), x[:, :1]).backward()
        optimizer.step()


def one_after_the_other() -> None:
    first, second = nn.Linear(4, 1), nn.Linear(4, 1)
    slow = optim.SGD(first.parameters(), lr=0.1)
    fast = optim.Adam(second.parameters(), lr=0.1)
    train(first, slow)
    train(second, fast, 20)


def in_turns() -> None:
    first, second = nn.Linear(4, 1), nn.Linear(4, 1)
    slow = optim.SGD(first.parameters(), lr=0.1)
    fast = optim.Adam(second.parameters(), lr=0.1)
    for _ in range(12):
        train(first, slow, 1)
        train(second, fast, 2)


def another_optimizer() -> None:
    network = nn.Linear(4, 1)
    train(network, optim.Adam(network.parameters(), lr=0.1))
    train(network, optim.SGD(network.parameters(), lr=0.01))


def all_of_it_later() -> None:
    body, head = nn.Linear(4, 4), nn.Linear(4, 1)
    network = nn.Sequential(body, head)
    train(network, optim.Adam(head.parameters(), lr=0.1))
    train(network, optim.Adam(network.parameters(), lr=0.01))


def with_others_between() -> None:
    first, second = nn.Linear(4, 1), nn.Linear(4, 1)
    train(first, optim.SGD(first.parameters(), lr=0.1))
    for _ in range(5):  # as of how much each weight matters
        first(torch.randn(8, 4)).sum().backward()
    optimizer = optim.Adam(second.parameters(), lr=0.1)
    for i in range(20):
        second(torch.randn(8, 4)).sum().backward()
        if i % 2:
            optimizer.step()


def rates() -> None:
    for rate in (1e-6, 0.1, 1e-5):
        network = nn.Linear(4, 1)
        train(network, optim.SGD(network.parameters(), lr=rate))


def a_try_before() -> None:
    first, second = nn.Linear(4, 1), nn.Linear(4, 1)
    train(first, optim.SGD(first.parameters(), lr=0.1), 3)
    train(second, optim.Adam(second.parameters(), lr=0.1), 20)


def tasks() -> None:
    for steps in (12, *[4] * 19):  # as of a network that is copied, and adapted to another task each time
        network = nn.Linear(4, 1)
        train(network, optim.SGD(network.parameters(), lr=0.01), steps)


@pytest.mark.parametrize(
    ("program", "found"),
    [
        (one_after_the_other, [Phase(0, 12, frozenset([0])), Phase(12, 20, frozenset([1]))]),
        (in_turns, []),
        (another_optimizer, []),
        (all_of_it_later, [Phase(0, 12, frozenset([0])), Phase(12, 12, frozenset([1]), continues=True)]),
        (with_others_between, [Phase(0, 12, frozenset([0])), Phase(17, 20, frozenset([1]))]),
        (rates, [Phase(12, 12, frozenset([1]))]),
        (a_try_before, [Phase(3, 20, frozenset([1]))]),
        (tasks, [Phase(0, 12, frozenset([0]), continues=True)]),
    ],
    ids=lambda value: value.__name__ if callable(value) else "",
)
def test_which_trainings_a_program_makes(program: Callable[[], None], found: list[Phase]) -> None:
    assert phases_of(watched(program)) == found


@pytest.mark.parametrize(("first", "steps", "number"), [(0, 12, 0), (12, 20, 1)])
def test_one_of_them_is_watched_and_treated(first: int, steps: int, number: int) -> None:
    moved: list[float] = []

    def program() -> None:
        for count in (12, 20):
            layer = nn.Linear(4, 1)
            before = layer.weight.detach().clone()
            train(layer, optim.SGD(layer.parameters(), lr=0.1), count)
            moved.append(float((layer.weight.detach() - before).abs().max()))

    observer = PhaseObserver(Phase(first, steps, frozenset([number])), [LearningRate(1e-6)])
    torch.manual_seed(0)
    observer.start()
    with suppress(Enough):
        program()
    observer.stop()
    record = observer.finish()
    assert len(record.steps) == len(record.rows) == steps and len(record.optimizers) == 1
    assert record.optimizers[0].steps == steps and len(record.layers) == 1
    assert [m < 1e-3 for m in moved] == ([True] if number == 0 else [False, True])


@pytest.mark.parametrize("needed", [True, False])
def test_what_is_wrong_with_a_training_that_another_one_builds_on(needed: bool) -> None:
    def wrong(cause: str) -> Finding:
        return Finding(cause, "error", 0.9, "", "", "", file="train.py", line=3)

    first, last = Phase(0, 20, frozenset([0])), Phase(20, 20, frozenset([1]))
    record = ProgramRecord(builds_on=frozenset([0] if needed else []))
    before = Report("faults", [wrong("lr-too-low")])
    said = _together([(last, record, Report("healthy", [])), (first, ProgramRecord(), before)])
    assert [f.severity for f in said.findings] == ["error" if needed else "info"]
    assert said.status == ("faults" if needed else "healthy")


def test_on_which_trainings_one_builds() -> None:
    torch.manual_seed(0)
    observer = PhaseObserver(Phase(24, 12, frozenset([2])))
    observer.start()
    with suppress(Enough):
        body, head, other = nn.Linear(4, 4), nn.Linear(4, 1), nn.Linear(4, 1)
        train(other, optim.SGD(other.parameters(), lr=0.1))
        train(nn.Sequential(body, nn.Linear(4, 1)), optim.Adam(body.parameters(), lr=0.1))
        train(lambda x: head(body(x).detach()), optim.Adam(head.parameters(), lr=0.1))
    observer.stop()
    assert observer.finish().builds_on == {1}


PRETRAINED = """
import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.randn(400, 2) @ torch.randn(2, 8)
y = (x[:, 0].abs() > x[:, 0].abs().median()).long()
encoder = nn.Sequential(nn.Linear(8, 24), nn.ReLU(), nn.Linear(24, 4))
decoder = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 8))
optimizer = torch.optim.Adam([*encoder.parameters(), *decoder.parameters()], lr=0.003)
for epoch in range(12):
    for rows in torch.randperm(400).split(40):
        optimizer.zero_grad()
        nn.functional.mse_loss(decoder(encoder(x[rows])), x[rows]).backward()
        optimizer.step()

for parameter in encoder.parameters():
    parameter.requires_grad = False
head = nn.Sequential(nn.Linear(4, 24), nn.ReLU(), nn.Linear(24, 2))
optimizer = torch.optim.Adam(head.parameters(), lr=0.02)
for epoch in range(20):
    for rows in torch.randperm(400).split(40):
        optimizer.zero_grad()
        nn.functional.cross_entropy(head(encoder(x[rows])), y[rows]).backward()
        optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("old", "new", "found"),
    [("", "", []), ("lr=0.02", "lr=1e-7", [("lr-too-low", 20)]), ("lr=0.003", "lr=1e-8", [("lr-too-low", 10)])],
    ids=["right", "the second", "the first"],
)
def test_each_training_is_judged_by_itself(old: str, new: str, found: list[Any], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(PRETRAINED.replace(old, new))
    report = examine_script(tmp_path / "train.py", budget=60)
    said = [(f.cause, f.line) for f in report.findings if f.severity == "error"]
    assert said[:1] == found, "what follows may come of it"


@pytest.mark.parametrize("how", ["frozen", "cut off", "let go of at once"])
def test_what_was_trained_before_and_is_left_as_it_is(how: str) -> None:
    """A head on what an encoder gives that is trained before, and again after it, when nothing is frozen any more."""

    def program() -> None:
        encoder, head = nn.Linear(4, 4), nn.Linear(4, 1)
        train(nn.Sequential(encoder, nn.Linear(4, 1)), optim.SGD(encoder.parameters(), lr=0.01))
        encoder.requires_grad_(how != "frozen")
        optimizer = optim.SGD(head.parameters(), lr=0.01)
        for _ in range(20):
            x = torch.randn(8, 4)
            features = encoder(x).detach() if how == "cut off" else encoder(x)
            optimizer.zero_grad()
            F.mse_loss(head(features), x[:, :1]).backward()
            optimizer.step()
        encoder.requires_grad_(True)
        network = nn.Sequential(encoder, head)
        train(network, optim.Adam(network.parameters(), lr=0.01))

    observer = PhaseObserver(Phase(12, 20, frozenset([1]), continues=True))
    torch.manual_seed(0)
    observer.start()
    with suppress(Enough):
        program()
    observer.stop()
    record = observer.finish() if not observer.record.ended else observer.record
    assert len(record.steps) == 20 and sum(p.elsewhere for p in record.parameters.values()) == 2
    assert sum(p.frozen for p in record.parameters.values()) == (2 if how == "frozen" else 0)
    assert list(gradients.no_history(record)) == list(gradients.unknown(record)) == []
