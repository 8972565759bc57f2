"""Right programs whose data say little by their nature: clicks, one picture, labels that are random on purpose."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.compare import better_held_out
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import weighed
from pellucid.doctor.observed.findings import status_of
from pellucid.doctor.observed.matching import ranks
from pellucid.doctor.observed.record import FinalRecord, HeldOutRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, held_out
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.report import Finding
from pellucid.nn import functional as F
from tests.watching import watched


def clicks(torn: bool) -> None:
    """Who is shown what, of so many that few come twice, and then once with a click and once without one."""
    ids = torch.stack([torch.randint(0, 60, (1500,)), torch.randint(60, 110, (1500,))], 1)
    y = torch.rand(1500).lt(0.3).float()
    table = nn.Embedding(110, 1)
    optimizer = optim.SGD(table.parameters(), lr=0.1)
    for _ in range(2):
        order = torch.randperm(1500)
        x = ids[order] if torn else ids
        for rows in torch.randperm(1500).split(50):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(table(x[rows]).sum(1).squeeze(1), y[rows]).backward()
            optimizer.step()


@pytest.mark.parametrize("torn", [True, False])
def test_rows_that_come_twice_with_two_labels(torn: bool) -> None:
    record = watched(lambda: clicks(torn))
    assert 0.7 * record.available < record.distinct < record.available
    assert [s.cause for s in data.conflicting(record)] == (["labels-misaligned"] if torn else [])


@pytest.mark.parametrize(("middle", "causes"), [(True, []), (False, ["constant-target"])])
def test_the_middle_of_what_is_said_at_first(middle: bool, causes: list[str]) -> None:
    def program() -> None:
        x = torch.randn(60, 6) + 1
        network = nn.Sequential(nn.Linear(6, 4), nn.ReLU(), nn.Linear(4, 4))
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        center = network(x).detach().mean(0) if middle else torch.tensor([3.0, -2.0, 1.0, 0.0])
        for _ in range(3):
            for rows in torch.randperm(60).split(20):
                optimizer.zero_grad()
                F.mse_loss(network(x[rows]), center.expand(20, 4)).backward()
                optimizer.step()

    assert [s.cause for s in data.constant(watched(program))] == causes


def fitted(size: int, rows: int, residual: bool = False) -> None:
    target = torch.rand(1, size).expand(rows, size) if not residual else torch.zeros(rows, size)
    network = nn.Linear(6, size)
    optimizer = optim.SGD(network.parameters(), lr=0.01)
    for _ in range(30):
        x = torch.randn(rows, 6)
        out = network(x) - x.sum(1, keepdim=True).expand(rows, size) if residual else network(x)
        optimizer.zero_grad()
        F.mse_loss(out, target).backward()
        optimizer.step()


@pytest.mark.parametrize(
    ("size", "rows", "residual", "causes"),
    [
        (64, 1, False, []),  # one picture, from noise
        (1, 1, False, ["constant-target"]),
        (3, 8, False, ["constant-target"]),
        (1, 8, True, []),  # what is left of an equation
    ],
)
def test_one_target_for_all(size: int, rows: int, residual: bool, causes: list[str]) -> None:
    assert [s.cause for s in data.constant(watched(lambda: fitted(size, rows, residual)))] == causes


@pytest.mark.parametrize("classes", [1, 2, 4])
@pytest.mark.parametrize("knows", [True, False])
def test_what_is_known_where_one_class_is_said_of_all_rows(classes: int, knows: bool) -> None:
    draw = np.random.default_rng(0)
    labels = draw.integers(0, max(classes, 2), 600)
    shown = labels if knows else draw.integers(0, max(classes, 2), 600)
    outputs = draw.normal(size=(600, classes)) + 0.5 * (shown[:, None] == (np.arange(classes) if classes > 1 else [1]))
    outputs[:, 0] += 9.0
    assert (ranks(outputs, labels) > held_out.RANKED) is knows


@pytest.mark.parametrize(
    ("confidence", "verified", "status"),
    [(orders.UNSEEN, None, "healthy"), (orders.UNSEEN, True, "faults"), (0.6, None, "faults"), (0.9, None, "faults")],
)
def test_labels_of_which_nothing_shows_that_they_were_torn_away(
    confidence: float, verified: bool | None, status: str
) -> None:
    finding = Finding("labels-misaligned", "error", confidence, "", "", "")
    finding.verified = verified
    assert status_of(weighed([finding])) == status


def test_labels_that_are_random_on_purpose() -> None:
    def program() -> None:
        x, y = torch.randn(300, 3), torch.randint(0, 2, (300,))
        network = nn.Linear(3, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for _ in range(12):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()

    (found,) = data.unrelated(watched(program))
    assert found.confidence == orders.UNSEEN


@pytest.mark.parametrize(
    ("text", "line"),
    [
        ("def sample(n):\n    return tokens[torch.randperm(n)], label\n", 2),
        ("p = torch.randperm(n)\nx, y = x[p], y[p]\n", None),
        ("x, y = shuffle(x), shuffle(y)\n", None),
        ("files = sorted(glob.glob('*.npy'))\nlabels = [r[1] for r in csv.reader(open('labels.csv'))]\n", 1),
        ("files = sorted(glob.glob('*.npy'), key=number)\nlabels = np.loadtxt('labels.csv')\n", None),
        ("order = torch.randperm(9)\nself.windows = self.windows[order]\n", 2),
        ("order = torch.randperm(9)\nwindows = windows[order]\nkinds = kinds[order]\n", None),
        ("order = torch.randperm(9)\nwindows = windows[order]\nprint(order)\n", None),
        ("files = sorted(glob.glob('*.npy'))\nlabels = [int(f.split('_')[0]) for f in files]\n", None),
    ],
)
def test_a_line_that_puts_one_of_two_into_another_order(text: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(text)
    assert orders.alone((str(script), 1)) == ((str(script), line) if line else None)
    other = tmp_path / "other.py"
    other.write_text("import train\nfrom train import it\n")
    assert orders.alone((str(other), 1)) == ((str(script), line) if line else None)


@pytest.mark.parametrize(("common", "recall", "told"), [(0.74, 0.67, False), (0.74, 0.9, True), (0.95, 0.67, True)])
def test_a_weight_that_has_one_guess_in_the_place_of_another(common: float, recall: float, told: bool) -> None:
    def run(recalls: dict[int, float]) -> ProgramRecord:
        record = ProgramRecord([StepRecord(0.5, accuracy=common, count=100) for _ in range(20)])
        record.targets, record.final = [(np.arange(100) >= 100 * common).astype(int)], FinalRecord(common, recalls)
        return record

    suspicion = Suspicion("class-imbalance", "", "", "", by_recall=True)
    assert confirms(suspicion, run({0: 0.99, 1: 0.05}), run({0: recall, 1: recall})) is told


@pytest.mark.parametrize(("rows", "told"), [(100, False), (1000, True)])
def test_a_few_answers_more_of_few_rows(rows: int, told: bool) -> None:
    def run(accuracy: float) -> ProgramRecord:
        record = ProgramRecord([StepRecord(0.5, accuracy=0.9, count=10) for _ in range(10)])
        asked: Any = np.arange(float(rows))
        record.held_out = [HeldOutRecord(10, None, asked, frozenset({"x_val"}), None, accuracy)]
        return record

    assert better_held_out(run(0.70), run(0.74)) is told
