"""What the doctor reads from the answers that a network gave for each row as its training went on."""

from collections.abc import Callable

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import better_held_out, recalls
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.history import early
from pellucid.doctor.observed.record import FinalRecord, HeldOutRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import held_out, model
from pellucid.nn import functional as F
from tests.watching import watched


def learns_by_heart(wrong: float, rows: int = 160, binary: bool = False) -> Callable[[], None]:
    """A wide network on few rows, of which a share is labelled wrongly; the rows of its evaluation are not."""

    def program() -> None:
        draw = np.random.default_rng(1)
        x = torch.tensor(draw.normal(size=(rows + 200, 8)).astype("float32"))
        y = (x[:, 0] + x[:, 1] > 0).long()
        shown, turned = y[:rows].clone(), torch.tensor(draw.permutation(rows)[: int(wrong * rows)]).long()
        shown[turned] = 1 - shown[turned]
        network = nn.Sequential(nn.Linear(8, 128), nn.ReLU(), nn.Linear(128, 1 if binary else 2))
        optimizer = optim.Adam(network.parameters(), lr=0.02)
        for _ in range(40):
            for idx in torch.randperm(rows).split(20):
                optimizer.zero_grad()
                out = network(x[:rows][idx])
                if binary:
                    loss = F.binary_cross_entropy_with_logits(out.squeeze(1), shown[idx].float())
                else:
                    loss = F.cross_entropy(out, shown[idx])
                loss.backward()
                optimizer.step()
            with torch.no_grad():
                out = network(x[rows:])
                said = (out.squeeze(1) > 0).long() if binary else out.argmax(1)
                said.eq(y[rows:]).float().mean().item()

    return program


@pytest.mark.parametrize("binary", [False, True])
def test_wrong_labels_that_are_learnt_by_heart(binary: bool) -> None:
    was = watched(learns_by_heart(0.3, binary=binary))
    (found,) = list(held_out.learnt_by_heart(was))
    assert (found.cause, found.certain, found.otherwise) == ("noisy-labels", False, "")
    now = watched(learns_by_heart(0.3, binary=binary), *found.treatments)
    assert confirms(found, was, now)
    known = early(was)
    assert known is not None and known.steps < len(was.steps) / 2 and 0.15 < known.share < 0.45


def test_right_labels_that_are_learnt_by_heart_are_not_called_wrong() -> None:
    was = watched(learns_by_heart(0.0, rows=30))
    for found in held_out.learnt_by_heart(was):
        assert not confirms(found, was, watched(learns_by_heart(0.0, rows=30), *found.treatments))


def test_answers_are_clearly_better_only_by_their_number() -> None:
    def run(loss: float, hits: float) -> ProgramRecord:
        record = ProgramRecord([StepRecord(1.0)] * 10)
        record.held_out = [HeldOutRecord(9, None, np.arange(200.0), frozenset({"x_val"}), loss, hits)]
        return record

    assert better_held_out(run(2.0, 0.6), run(1.0, 0.6))
    assert not better_held_out(run(2.0, 0.6), run(1.0, 0.6), strictly=True)
    assert better_held_out(run(2.0, 0.6), run(1.0, 0.63)) and not better_held_out(run(2.0, 0.6), run(1.0, 0.63), True)
    assert better_held_out(run(2.0, 0.6), run(2.0, 0.7), strictly=True)


def test_many_wrong_labels_are_a_fault_even_where_a_network_bears_them() -> None:
    def record(train: float) -> ProgramRecord:
        found = ProgramRecord([StepRecord(1 - i / 60, accuracy=0.3 + i / 100, count=20) for i in range(30)])
        found.targets, found.rows = [np.arange(60) % 3], [np.arange(20.0)] * 5
        found.final = FinalRecord(train, doubted=np.arange(7.0))
        found.held_out = [HeldOutRecord(29, None, np.arange(100.0, 200.0), frozenset({"x_val"}), 0.5, 0.92)]
        found.held_out[0].target = np.zeros(100)
        return found

    assert [s.otherwise for train in (0.6, 0.75) for s in held_out.mislabelled(record(train))] == ["error", "info"]


def test_what_was_once_said_of_other_rows_is_no_guess() -> None:
    record = ProgramRecord([StepRecord(1.0, accuracy=0.2 + 0.01 * i, count=20) for i in range(60)])
    draw = np.random.default_rng(0)
    record.targets, record.rows = [np.arange(20) % 5] * 3, [draw.normal(size=20) for _ in range(3)]
    record.loss.prediction = np.zeros((20, 5))
    last = HeldOutRecord(60, None, draw.normal(size=300), frozenset({"x_val"}))
    last.outputs, last.target = draw.normal(size=(300, 5)), draw.integers(0, 5, 300)
    for hits, causes in ((0.22, ["labels-misaligned"]), (0.5, [])):
        record.held_out = [HeldOutRecord(20, None, last.rows, frozenset({"x_val"}), None, hits), last]
        assert [s.cause for s in held_out.by_chance(record)] == causes


def test_a_rare_class_of_a_network_of_bare_tensors() -> None:
    def program() -> None:
        x = torch.randn(400, 3)
        y = (x[:, 0] + 0.3 * torch.randn(400) > 1.9).float()
        w, b = torch.zeros(3, requires_grad=True), torch.zeros(1, requires_grad=True)
        optimizer = optim.SGD([w, b], lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(x @ w + b, y).backward()
            optimizer.step()

    was = watched(program)
    assert was.final is None and set(recalls(was)) == {0, 1} and recalls(was)[1] < 0.2 < recalls(was)[0]
    (found,) = list(model.failed_classes(was))
    assert confirms(found, was, watched(program, *found.treatments))
