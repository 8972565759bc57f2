"""Programs that stop early, and those whose loss is called for each step of a sequence: how far they came is told."""

from __future__ import annotations

import runpy
from collections.abc import Callable
from pathlib import Path
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import does_well, explained, reached
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import knows_of_guesses
from pellucid.doctor.observed.record import OptimizerRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import loss, rate
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import Longer
from pellucid.nn import functional as F
from tests.watching import watched

FULL_BATCH = """
import pellucid as torch
from pellucid import nn, optim
from pellucid.nn import functional as F

def step(network, optimizer, x):
    optimizer.zero_grad()
    for part in range(1):
        F.cross_entropy(network(x), (x[:, 0] > 0).long()).backward()
    optimizer.step()

x = torch.randn(60, 4)
for seed in range(1):
    network = nn.Linear(4, 2)
    optimizer = optim.SGD(network.parameters(), lr=0.5)
    for epoch in range({epochs}):
        step(network, optimizer, x)
"""


def of_file(path: Path, epochs: int) -> Callable[[], object]:
    path.write_text(FULL_BATCH.format(epochs=epochs))
    return lambda: runpy.run_path(str(path))


def test_a_loop_over_epochs_is_made_longer(tmp_path: Path) -> None:
    program = of_file(tmp_path / "train.py", 5)
    record = watched(program)
    at = record.lines["epochs"]
    assert at == (str(tmp_path / "train.py"), 16), "neither that around the optimiser, nor that within a step"
    assert len(record.steps) == 5 and len(watched(program, Longer(10, at)).steps) == 50
    assert list(range(3)) == [0, 1, 2], "it is put back"


def test_a_program_that_stops_while_it_learns(tmp_path: Path) -> None:
    program = of_file(tmp_path / "train.py", 5)
    record = watched(program)
    record.ended = True
    (found,) = rate.hardly_any(record)
    assert found.cause == "too-few-updates" and not found.certain and "still falling" in found.evidence
    assert confirms(found, record, watched(program, *found.treatments))
    record.steps[-1].loss = 2 * record.steps[0].loss
    assert reached(record) > 0.25 and list(rate.hardly_any(record)) == [], "it had come to its end"


@pytest.mark.parametrize(("updates", "before", "after", "told"), [(5, 0.6, 0.85, True), (40, 0.6, 0.85, False)])
def test_how_much_more_updates_have_to_gain(
    updates: int, before: float, after: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    was, now = ProgramRecord([StepRecord(1.0)] * updates), ProgramRecord()
    monkeypatch.setattr("pellucid.doctor.observed.confirmation.reached", lambda r: before if r is was else after)
    assert confirms(Suspicion("too-few-updates", "", "", "", times=10), was, now) is told


@pytest.mark.parametrize(
    ("losses", "before", "after", "told"),
    [
        ([0.9**i for i in range(20)], 0.85, 0.98, True),
        ([0.9**i for i in range(20)], 0.85, 0.93, False),
        ([0.9**i for i in range(20)], 0.95, 0.99, False),
        ([0.2] * 20, 0.85, 0.98, False),
    ],
    ids=["most of the rest", "some of it", "little is left", "it stands still"],
)
def test_a_loss_that_still_falls(
    losses: list[float], before: float, after: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    was, now = ProgramRecord([StepRecord(loss) for loss in losses]), ProgramRecord()
    monkeypatch.setattr("pellucid.doctor.observed.confirmation.reached", lambda r: before if r is was else after)
    assert confirms(Suspicion("too-few-updates", "", "", "", times=10), was, now) is told


EVALUATED: list[tuple[list[float], list[float], bool]] = [
    ([0.9, 0.5], [0.6, 0.49, 0.7], False),
    ([0.9, 0.5], [0.6, 0.3, 0.7], True),
    ([0.9, 0.5], [], True),
    ([], [], True),
]


@pytest.mark.parametrize(("was", "now", "told"), EVALUATED)
@pytest.mark.parametrize("of_answers", [False, True], ids=["by the loss", "by the answers"])
def test_more_updates_that_only_learn_by_heart_are_no_remedy(
    was: list[float], now: list[float], told: bool, of_answers: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    records = ProgramRecord([StepRecord(1.0)] * 40), ProgramRecord()
    curves = {id(record): values for record, values in zip(records, (was, now), strict=True)}
    monkeypatch.setattr("pellucid.doctor.observed.confirmation.reached", lambda r: 0.1 if r is records[0] else 0.9)
    monkeypatch.setattr(
        "pellucid.doctor.observed.confirmation.curve",
        lambda r: [
            (10 * i, None if of_answers else v, 1 - v if of_answers else None) for i, v in enumerate(curves[id(r)])
        ],
    )
    assert confirms(Suspicion("too-few-updates", "", "", "", times=10), *records) is told


def by_steps(rate: float, others: bool = False) -> Callable[[], None]:
    """A recurrence whose loss is the sum of one for each step."""

    def program() -> None:
        network, y = nn.Linear(1, 1), torch.linspace(0, 1, 20)
        optimizer = optim.SGD(network.parameters(), lr=rate)
        for _ in range(200):
            wrong = torch.zeros(())
            for at in range(20):
                wrong = wrong + F.mse_loss(network(y[at : at + 1, None]), 3 * y[at : at + 1, None])
            if others:
                wrong = wrong + F.mse_loss(network(torch.zeros(1, 1)), torch.zeros(1, 1))
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()

    return program


def test_what_a_loss_for_each_step_explains() -> None:
    far, near = watched(by_steps(0.02)), watched(by_steps(1e-6))
    assert does_well(far) and (explained(far) or 0) > 0.95
    assert not does_well(near) and (explained(near) or 0) < 0
    several = watched(by_steps(0.02, others=True))
    assert explained(several) is None, "losses of different lines are not of one kind"
    assert knows_of_guesses(far) and not knows_of_guesses(several)


class OfEach(nn.Module):
    """A loss for each of three maps, whose sum is divided by the rows and the pixels once more."""

    def forward(self, said: Any, maps: Any) -> Any:
        each = sum(F.mse_loss(said[:, i], maps[:, i]) for i in range(3))
        return each / (len(said) * maps[0, 0].numel())


def test_what_a_loss_for_each_of_many_numbers_explains() -> None:
    """Of more than are kept, and with a last batch that is smaller, by which all is divided."""
    x = torch.randn(36, 3, 1, 1) + torch.zeros(36, 3, 16, 16)

    def program() -> None:
        network, loss = nn.Linear(16, 16), OfEach()
        optimizer = optim.SGD(network.parameters(), lr=1e-6)
        for _ in range(10):
            for rows in torch.arange(36).split(16):
                optimizer.zero_grad()
                loss(network(x[rows]), x[rows]).backward()
                optimizer.step()

    record = watched(program)
    assert (explained(record) or 0) < 0.2 and not record.detached, "what a loss gives is read without a detach()"


@pytest.mark.parametrize("how", ["mean", "rows", "all"])
def test_what_a_loss_that_is_written_out_explains(how: str) -> None:
    def program() -> None:
        x = torch.randn(60, 3) @ torch.randn(3, 10)
        into, out = nn.Linear(10, 3), nn.Linear(3, 10)
        optimizer = optim.Adam([*into.parameters(), *out.parameters()], lr=0.02)
        for _ in range(200):
            squares = (out(into(x)) - x) ** 2
            optimizer.zero_grad()
            (squares.mean() if how == "mean" else squares.sum(1).mean() if how == "rows" else squares.sum()).backward()
            optimizer.step()

    record = watched(program)
    assert 0.9 < (explained(record) or 0) <= 1 and does_well(record)


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss", "smooth_l1_loss", "huber_loss"])
@pytest.mark.filterwarnings("ignore:Using a target size")
def test_distances_of_each_prediction_to_each_target(name: str) -> None:
    def program(squeezed: bool) -> None:
        x, network = torch.randn(40, 3), nn.Linear(3, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(12):
            out = network(x)
            optimizer.zero_grad()
            getattr(F, name)(out.squeeze(1) if squeezed else out, x[:, 0]).backward()
            optimizer.step()

    assert list(loss.broadcast(watched(lambda: program(True)))) == []
    was = watched(lambda: program(False))
    (said,) = loss.broadcast(was)
    assert said.cause == "silent-broadcast-loss" and confirms(
        said, was, watched(lambda: program(False), *said.treatments)
    )


@pytest.mark.parametrize(("fell", "told"), [(0.8, False), (0.3, True)])
def test_a_higher_rate_where_nobody_knows_how_low_a_loss_can_be(fell: float, told: bool) -> None:
    was, now = ([StepRecord(1 - far * min(i / 30, 1.0)) for i in range(60)] for far in (fell, 0.99))
    said = Suspicion("lr-too-low", "", "", "", strictly=True, direction=1)
    assert confirms(said, ProgramRecord(was), ProgramRecord(now)) is told


@pytest.mark.parametrize(
    ("lr", "before", "told"), [(1e-3, 0.6, False), (1e-3, 0.3, True), (1e-5, 0.6, True)], ids=["usual", "far", "low"]
)
def test_a_higher_rate_than_one_that_is_usual(
    lr: float, before: float, told: bool, monkeypatch: pytest.MonkeyPatch
) -> None:
    was, now = (ProgramRecord([StepRecord(1.0 if i < 10 else end) for i in range(60)]) for end in (1 - before, 0.05))
    was.optimizers = [OptimizerRecord("Adam", {"lr": lr})]
    for module in ("compare", "confirmation"):
        monkeypatch.setattr(f"pellucid.doctor.observed.{module}.explained", lambda r, *_: before if r is was else 0.95)
    said = Suspicion("lr-too-low", "", "", "", strictly=True, direction=1)
    assert confirms(said, was, now) is told
