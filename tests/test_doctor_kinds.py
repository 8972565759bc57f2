"""Kinds of programs that the doctor for frameworks once read wrongly: each as small as it can be, wrong and right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import reached, stands
from pellucid.doctor.observed.observer import Observer
from pellucid.doctor.observed.record import FinalRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, model
from pellucid.doctor.observed.treatments import Clip, SameShape, ScaleInputs
from pellucid.nn import functional as F


@pytest.fixture(autouse=True)
def seeded() -> Iterator[None]:
    kept = torch.get_rng_state()
    torch.manual_seed(0)
    yield
    torch.set_rng_state(kept)


def watched(program: Callable[[], Any]) -> ProgramRecord:
    observer = Observer()
    observer.start()
    try:
        program()
    finally:
        observer.stop()
    return observer.finish()


def causes(rule: Callable[[ProgramRecord], Any], record: ProgramRecord) -> list[str]:
    return [suspicion.cause for suspicion in rule(record)]


# Gradients and updates ------------------------------------------------------------------------------------------------


def accumulating(zero: bool) -> Callable[[], None]:
    """An update after every fourth backward."""

    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(80, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(40):
            rows = x[step % 20 * 4 : step % 20 * 4 + 4]
            (F.cross_entropy(network(rows), (rows[:, 0] > 0).long()) / 4).backward()
            if step % 4 == 3:
                optimizer.step()
                if zero:
                    optimizer.zero_grad()

    return program


def test_gradients_that_are_never_cleared_after_an_update_of_several_backwards() -> None:
    assert causes(gradients.stale, watched(accumulating(zero=False))) == ["missing-zero-grad"]
    assert causes(gradients.stale, watched(accumulating(zero=True))) == []


def in_order(*calls: str) -> Callable[[], None]:
    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            loss = F.cross_entropy(network(x), (x[:, 0] > 0).long())
            for name in calls:
                (loss.backward if name == "backward" else getattr(optimizer, name))()

    return program


def test_gradients_that_are_cleared_before_the_step() -> None:
    wrong = watched(in_order("backward", "zero_grad", "step"))
    found = list(gradients.forgotten(wrong))
    assert [(s.cause, s.place) for s in found] == [("parameter-not-optimized", wrong.lines["zero_grad"])]
    for right in (("backward", "step", "zero_grad"), ("zero_grad", "backward", "step")):
        assert causes(gradients.forgotten, watched(in_order(*right))) == []
    assert causes(gradients.forgotten, watched(accumulating(zero=True))) == []
    assert causes(gradients.forgotten, watched(by_closure)) == []


def by_closure() -> None:
    network, x = nn.Linear(4, 1), torch.randn(20, 4)
    optimizer = optim.LBFGS(network.parameters(), max_iter=3)

    def closure() -> Any:
        optimizer.zero_grad()
        loss = F.mse_loss(network(x), x[:, :1])
        loss.backward()
        return loss

    for _ in range(6):
        optimizer.step(closure)


def adversaries(own: bool) -> Callable[[], None]:
    def program() -> None:
        maker, judge = nn.Linear(2, 2), nn.Linear(2, 1)
        first = optim.Adam(judge.parameters(), lr=1e-3)
        second = optim.Adam((maker if own else judge).parameters(), lr=1e-3)
        for _ in range(6):
            first.zero_grad()
            (judge(maker(torch.randn(8, 2)).detach()).mean() - judge(torch.randn(8, 2)).mean()).backward()
            first.step()
            second.zero_grad()
            (-judge(maker(torch.randn(8, 2))).mean()).backward()
            second.step()

    return program


def test_an_optimiser_that_was_given_the_parameters_of_another_one() -> None:
    record = watched(adversaries(own=False))
    found = list(gradients.unknown(record))
    assert [(s.cause, s.certain, s.place) for s in found] == [
        ("parameter-not-optimized", True, record.optimizers[1].place)
    ]
    assert causes(gradients.unknown, watched(adversaries(own=True))) == []


# Rows -----------------------------------------------------------------------------------------------------------------


class Reader(nn.Module):
    """Logits for each letter, and no loss, as networks of text give them; mixed, letters of other rows are read."""

    def __init__(self, mixed: bool, letters_first: bool = False) -> None:
        super().__init__()
        self.mixed, self.letters_first = mixed, letters_first
        self.table, self.inner, self.out = nn.Embedding(7, 6), nn.GRU(6, 8, batch_first=True), nn.Linear(8, 7)

    def forward(self, rows: Any) -> Any:
        x = self.table(rows.transpose(0, 1) if self.letters_first else rows)
        if self.mixed:
            x = x.transpose(0, 1).contiguous().view(len(rows), rows.shape[1], -1)
        logits = self.out(self.inner(x)[0])
        return (logits.transpose(0, 1) if self.letters_first else logits), None


@pytest.mark.parametrize(("mixed", "letters_first"), [(True, False), (False, False), (False, True)])
def test_rows_of_a_text_that_are_mixed(mixed: bool, letters_first: bool) -> None:
    def program() -> None:
        network = Reader(mixed, letters_first)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            rows = torch.randint(0, 7, (6, 6))
            logits, _ = network(rows)
            optimizer.zero_grad()
            F.cross_entropy(logits.reshape(36, 7), rows.reshape(36)).backward()
            optimizer.step()

    assert causes(data.mixed, watched(program)) == (["samples-mixed"] if mixed else [])


def test_one_long_row_of_all_words_is_no_batch_of_rows() -> None:
    def program() -> None:
        network = nn.EmbeddingBag(9, 4)
        head = nn.Linear(4, 2)
        whole = nn.ModuleList([network, head])
        optimizer = optim.SGD(whole.parameters(), lr=0.1)

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.parts = whole

            def forward(self, words: Any, starts: Any) -> Any:
                return head(network(words, starts))

        net, rows = Net(), torch.arange(60)
        loader = torch.utils.data.DataLoader(torch.utils.data.TensorDataset(rows), batch_size=10, shuffle=True)
        for _ in range(4):
            for (batch,) in loader:
                words = torch.randint(0, 9, (50,))
                optimizer.zero_grad()
                F.cross_entropy(net(words, torch.arange(0, 50, 5)), batch % 2).backward()
                optimizer.step()

    assert causes(data.same_rows, watched(program)) == []


@pytest.mark.parametrize("last", [0, -1])
def test_a_network_that_reads_one_step_of_a_sequence(last: int) -> None:
    def program() -> None:
        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.inner, self.out = nn.GRU(1, 8, batch_first=True), nn.Linear(8, 1)

            def forward(self, x: Any) -> Any:
                return self.out(self.inner(x)[0][:, last])

        net = Net()
        optimizer = optim.Adam(net.parameters(), lr=0.01)
        for _ in range(25):
            x = torch.rand(32, 6, 1)
            optimizer.zero_grad()
            F.mse_loss(net(x), x[:, 2:].sum(1)).backward()
            optimizer.step()

    record = watched(program)
    assert causes(model.partly_ignored, record) == (["input-ignored"] if last == 0 else [])


# How far a run came ---------------------------------------------------------------------------------------------------


def test_classes_that_are_rare_and_recognised() -> None:
    record = ProgramRecord([StepRecord(0.3, accuracy=0.9, count=50) for _ in range(20)])
    record.targets = [(np.arange(50) == 0).astype(int)]
    assert stands(record), "fewer right answers than by saying the common class"
    record.final = FinalRecord(0.9, {0: 0.9, 1: 0.8})
    assert not stands(record) and reached(record) == pytest.approx(0.7)


def test_labels_of_a_rare_class_are_not_compared_with_their_neighbours() -> None:
    draw = np.random.default_rng(0)
    record = ProgramRecord([StepRecord(0.7, accuracy=0.5, count=50)])
    record.inputs, record.rows = [draw.normal(size=(400, 5))], [draw.normal(size=400)]
    record.targets = [draw.integers(0, 2, 400)]
    assert causes(data.unrelated, record) == ["labels-misaligned"]
    record.targets = [(draw.random(400) < 0.03).astype(int)]
    assert causes(data.unrelated, record) == []


def test_what_changes_the_function_leaves_evaluations_behind() -> None:
    assert SameShape(None).of_function and ScaleInputs(np.zeros(1), np.ones(1)).of_function
    assert not Clip().of_function
