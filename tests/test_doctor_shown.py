"""Faults that the doctor for frameworks once missed, or showed in another line than the one where they are."""

from __future__ import annotations

import inspect
import time
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.autograd import Variable
from pellucid.doctor.observed import examination
from pellucid.doctor.observed.compare import guesses, outcome, stands
from pellucid.doctor.observed.confirmation import confirms, sooner
from pellucid.doctor.observed.laboratory import Laboratory
from pellucid.doctor.observed.record import LossRecord, ParameterRecord, Place, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, held_out, loss, model, numbers, objective, rate
from pellucid.doctor.observed.search import Search
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import Clip, Descend, LearningRate
from pellucid.doctor.report import Finding, Report
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched


def line_of(function: Any, text: str) -> int:
    """The line of this file in which a function says something."""
    lines, first = inspect.getsourcelines(function)
    return first + next(i for i, line in enumerate(lines) if text in line)


def found(rule: Callable[[ProgramRecord], Any], record: ProgramRecord) -> list[tuple[str, int | None]]:
    return [(s.cause, s.place and s.place[1]) for s in rule(record)]


def trained(network: Any, x: Any, y: Any, steps: int = 12) -> None:
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for _ in range(steps):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        optimizer.step()


def rows(count: int = 40) -> tuple[Any, Any]:
    x = torch.randn(count, 4)
    return x, (x[:, 0] > 0).long()


# Gradients ------------------------------------------------------------------------------------------------------------


def test_gradients_that_add_up_in_a_network_whose_units_went_off() -> None:
    """Where the gradients are 0, nothing can be told of whether they were cleared."""

    def program(clears: bool) -> None:
        network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2))
        optimizer, (x, y) = optim.SGD(network.parameters(), lr=0.1), rows()
        for step in range(40):
            if clears or step % 10 == 0:
                optimizer.zero_grad()
            if step == 10:
                for parameter in network.parameters():
                    parameter.data.mul_(0)
            (F.cross_entropy(network(x), y) * float(step < 10)).backward()
            optimizer.step()

    assert [cause for cause, _ in found(gradients.stale, watched(lambda: program(False)))] == ["missing-zero-grad"]
    assert found(gradients.stale, watched(lambda: program(True))) == []


@pytest.mark.parametrize("clears", ["its own", "the other one's", "by hand"])
def test_an_optimizer_whose_gradients_nobody_clears_beside_another_one(clears: str) -> None:
    """Two that leave gradients in each other's parameters, as a generator does in those of a discriminator."""

    def program() -> None:
        first, second = nn.Linear(4, 4), nn.Linear(4, 2)
        one, other = optim.SGD(first.parameters(), lr=0.1), optim.SGD(second.parameters(), lr=0.1)
        x, y = rows()
        for _ in range(12):
            one.zero_grad()
            F.cross_entropy(second(first(x)), 1 - y).backward()
            one.step()
            if clears == "by hand":
                for parameter in second.parameters():
                    parameter.grad = None
            else:
                (other if clears == "its own" else one).zero_grad()
            F.cross_entropy(second(first(x).detach()), y).backward()  # of another one
            other.step()

    expected = [("missing-zero-grad", line_of(program, "# of another one"))] if clears == "the other one's" else []
    assert found(gradients.stale, watched(program)) == expected


def test_a_training_by_gradients_that_are_asked_for() -> None:
    """As many steps as with backward(), whose sign and rate can be changed, with the line of the update."""

    def program() -> None:
        x, y = rows()
        w, b = torch.zeros(4, 2, requires_grad=True), torch.zeros(2, requires_grad=True)
        for _ in range(30):
            log_p = torch.log(torch.softmax(x @ w + b, dim=1) + 1e-7)
            right = (torch.eye(2)[y] * log_p).sum(1).mean()
            for p, g in zip((w, b), torch.autograd.grad(right, (w, b)), strict=True):
                with torch.no_grad():
                    p -= 0.1 * g
            assert w.grad is None

    record = watched(program)
    assert len(record.steps) == 30 and record.lines["step"][1] == line_of(program, "p -= 0.1 * g")
    assert "loss-sign-flipped" in [cause for cause, _ in found(rate.trials, record)]
    turned = watched(program, LearningRate(-1.0))
    assert outcome(turned).accuracy and outcome(turned).accuracy > 0.9 > (outcome(record).accuracy or 0)


def test_gradients_of_inputs_and_of_what_goes_on_are_no_training() -> None:
    x, y = rows()

    def program() -> None:
        network, given = nn.Linear(4, 2), x.clone().requires_grad_()
        torch.autograd.grad(F.cross_entropy(network(given), y), given)
        torch.autograd.grad(F.cross_entropy(network(x), y), list(network.parameters()), create_graph=True)
        torch.autograd.grad(F.cross_entropy(network(x), y), list(network.parameters()))
        trained(network, x, y)

    record = watched(program)
    assert len(record.steps) == len(record.rows) == 12, "once backward() is called, it is what trains"


@pytest.mark.parametrize("named", [True, False])
def test_what_a_backward_gives_back_is_its_line(named: bool) -> None:
    class Swish(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x * torch.sigmoid(x)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            share = torch.sigmoid(x)
            slope = share * (share - 1)
            return g * x * slope

    class Relu(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            ctx.save_for_backward(x)
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            (x,) = ctx.saved_tensors
            given = g.clone()
            given[x > 0] = 0
            return given

    kind: Any = Relu if named else Swish
    (found,) = watched(lambda: kind.apply(torch.randn(5, requires_grad=True)).sum().backward()).functions
    assert found.place and found.place[1] == line_of(kind, "def backward" if named else "return g *")


# Lines ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("cut", [lambda code: Variable(code.data), lambda code: torch.tensor(code.detach().numpy())])
def test_the_line_that_hands_on_numbers_without_their_graph(cut: Callable[[Any], Any]) -> None:
    def program() -> None:
        first, second, (x, y) = nn.Linear(4, 5), nn.Linear(5, 2), rows()
        optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
        for _ in range(6):
            code = first(x)
            given = cut(code)
            optimizer.zero_grad()
            F.cross_entropy(second(given), y).backward()
            optimizer.step()

    ((cause, line),) = found(gradients.no_history, watched(program))
    assert cause == "detached-gradient" and line in (line_of(program, "cut(code)"), cut.__code__.co_firstlineno)


@pytest.mark.parametrize("apart", [True, False])
def test_inputs_and_labels_of_two_loaders(apart: bool) -> None:
    x, y = rows(60)

    def program() -> None:
        network = nn.Linear(4, 2)
        first = DataLoader(TensorDataset(x), batch_size=20, shuffle=apart)
        second = DataLoader(TensorDataset(y), batch_size=20, shuffle=apart)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            for (a,), (b,) in zip(first, second, strict=True):
                optimizer.zero_grad()
                F.cross_entropy(network(a), b).backward()
                optimizer.step()

    line = line_of(program, "second = DataLoader")
    assert found(data.conflicting, watched(program)) == ([("labels-misaligned", line)] if apart else [])


@pytest.mark.parametrize("factor", [1.0, 50.0])
def test_an_evaluation_is_shown_by_its_loader_where_that_gives_its_rows(factor: float) -> None:
    x, y = rows(200)

    def program() -> None:
        network = nn.Linear(4, 2)
        trained(network, x[:100], y[:100])
        network.eval()
        others = DataLoader(TensorDataset(50.0 / factor * x[100:] + 400 / factor, y[100:]), batch_size=50)
        with torch.no_grad():
            for a, b in others:
                given = a if factor == 1 else a * factor
                right = (network(given).argmax(1) == b).float().mean()
            assert right < 0.9

    text = "others = DataLoader" if factor == 1 else "right = (network"
    assert found(held_out.prepared, watched(program)) == [
        ("train-val-preprocessing-mismatch", line_of(program, text))
    ], "what is done to its rows later is done where the network is called"


def test_large_first_weights_are_shown_where_they_are_drawn() -> None:
    at: Place = ("train.py", 7)
    record = ProgramRecord([StepRecord(5.0, norm=n) for n in (500.0, 400.0, 900.0, 300.0, float("inf"), 100.0)])
    record.optimizers = watched(lambda: trained(nn.Linear(4, 2), *rows())).optimizers
    record.parameters = {
        name: ParameterRecord(name, (9, 9), reached=True, std=std, fan_in=9, moved=1.0)
        for name, std in (("a", 5.0), ("b", 0.3))
    }
    record.lines = {"step": ("train.py", 20), "init": at}
    assert {s.place for s in numbers.exploding(record) if s.cause == "exploding-gradients"} == {at}
    record.parameters["a"].std = 0.3
    assert {s.place for s in numbers.exploding(record) if s.cause == "exploding-gradients"} == {("train.py", 20)}


@pytest.mark.parametrize("factor", [-1.0, 0.001, 1.0])
def test_a_multiple_of_a_loss_is_shown_where_it_is_made(factor: float) -> None:
    def program() -> None:
        network, (x, y) = nn.Linear(4, 2), rows()
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            wrong = F.cross_entropy(network(x), y)
            wrong = wrong * factor
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()

    rule = objective.climbing if factor < 0 else objective.scaled
    cause = "loss-sign-flipped" if factor < 0 else "loss-reduction-scale"
    line = line_of(program, "wrong * factor")
    assert found(rule, watched(program)) == ([] if factor == 1 else [(cause, line)])


def test_the_line_that_leaves_a_network_in_eval() -> None:
    def program() -> None:
        network, (x, y) = nn.Sequential(nn.Linear(4, 8), nn.BatchNorm1d(8), nn.Linear(8, 2)), rows()
        network.eval()
        trained(network, x, y)

    assert found(model.modes, watched(program)) == [("train-eval-mode", line_of(program, "network.eval()"))]


# What the record proves -----------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("dim", "told"), [(0, True), (1, False)])
def test_weights_of_attention_over_the_rows_of_a_batch(dim: int, told: bool) -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.score, self.last = nn.Embedding(9, 6), nn.Linear(6, 1), nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            each = self.table(x)
            share = F.softmax(self.score(each).squeeze(2), dim=dim)
            return self.last((share.unsqueeze(2) * each).sum(1))

    words = torch.randint(0, 9, (40, 7))
    record = watched(lambda: trained(Attending(), words, (words[:, 0] > 4).long()))
    line = line_of(Attending.forward, "F.softmax")
    assert found(loss.normalised_twice, record) == ([("softmax-wrong-axis", line)] if told else [])


def test_attention_of_sequences_of_which_time_comes_first() -> None:
    class Attending(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.score, self.last = nn.Linear(6, 1), nn.Linear(6, 2)

        def forward(self, x: Any) -> Any:
            share = F.softmax(self.score(x).squeeze(2), dim=0)
            return self.last((share.unsqueeze(2) * x).sum(0))

    x = torch.randn(7, 40, 6)
    assert found(loss.normalised_twice, watched(lambda: trained(Attending(), x, (x[0, :, 0] > 0).long()))) == []


def test_a_fork_that_comes_as_far_and_sooner() -> None:
    def run(*hits: float) -> ProgramRecord:
        return ProgramRecord([StepRecord(1 - hit, accuracy=hit, count=50) for hit in hits])

    slow, quick = run(*[0.5] * 20, *[0.98] * 20), run(*[0.5] * 5, *[0.98] * 35)
    sure = Suspicion("softmax-wrong-axis", "", "", "", None, [Descend()], certain=True)
    assert not confirms(sure, slow, quick) and sooner(sure, slow, quick)
    assert not sooner(sure, slow, slow) and not sooner(sure, quick, slow) and not sooner(sure, slow, None)


def test_rare_classes_that_a_low_rate_hides() -> None:
    """Weights for the classes are tried at a higher rate as well, where nothing of the rare ones is recognised."""

    def program(rate: float) -> None:
        network, x = nn.Linear(4, 2), torch.randn(200, 4)
        y = (x[:, 0] > 1.6).long()
        optimizer = optim.SGD(network.parameters(), lr=rate)
        for _ in range(20):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()

    record = watched(lambda: program(0.1))
    assert [len(s.treatments) for s in model.failed_classes(record)] == [1, 2]


# Rows -----------------------------------------------------------------------------------------------------------------


def test_rows_that_hold_no_numbers_are_not_told_apart() -> None:
    """Of data with NaN in it nothing is said but that."""
    x, y = rows(100)
    x[:, 1] = float("nan")

    def program() -> None:
        network = nn.Linear(4, 2)
        for _ in range(8):
            trained(network, x[:50], y[:50], steps=1)
            trained(network, x[50:], y[50:], steps=1)
        with torch.no_grad():
            for _ in range(3):
                (network(x).argmax(1) == y).float().mean()

    record = watched(program)
    assert [s.cause for rule in (*data.RULES, held_out.leak) for s in rule(record)] == ["non-finite-data"]


@pytest.mark.parametrize("filled", [True, False])
def test_a_network_may_fill_what_is_no_number(filled: bool) -> None:
    class Filling(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.last = nn.Linear(4, 2)

        def forward(self, x: Any) -> Any:
            return self.last(torch.nan_to_num(x) if filled else x)

    x, y = rows(100)
    x[::7, 1] = float("nan")
    record = watched(lambda: trained(Filling(), x, y, steps=4))
    assert [s.cause for s in data.not_finite(record)] == ([] if filled else ["non-finite-data"])


def test_a_network_that_is_given_one_number() -> None:
    """A letter at a time, each by its id, a tensor without axes."""

    class Letters(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.last = nn.Embedding(5, 4), nn.Linear(4, 5)

        def forward(self, letter: Any) -> Any:
            return self.last(self.table(letter.view(1, -1)).view(1, -1))

    def program() -> None:
        network, text = Letters(), torch.randint(0, 5, (9,))
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            wrong = torch.zeros(())
            for at in range(8):
                wrong = wrong + F.cross_entropy(network(text[at]), text[at + 1].view(1))
            optimizer.zero_grad()
            wrong.backward()
            optimizer.step()

    assert len(watched(program).steps) == 8


# Time -----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("found", [[Finding("lr-too-low", "error", 0.9, "", "", "")], [], None])
def test_what_was_found_is_said_when_the_time_is_up(
    found: list[Finding] | None, monkeypatch: pytest.MonkeyPatch
) -> None:
    def examine(laboratory: Laboratory) -> Report:
        if found is not None:
            laboratory.search = Search(laboratory, watched(lambda: trained(nn.Linear(4, 2), *rows())))
            laboratory.search.open += found
        time.sleep(30)
        return Report("healthy")

    monkeypatch.setattr(examination, "examine", examine)
    laboratory = Laboratory(time.monotonic() + 60)
    laboratory.ends = time.monotonic() + 0.2
    report = examination.report_on(laboratory)
    assert (report.status, report.findings) == ("faults" if found else "inconclusive", found or [])
    assert "time was up" in report.reason or found


def test_a_rate_is_not_called_low_beside_gradients_that_a_fork_clips(monkeypatch: pytest.MonkeyPatch) -> None:
    base = watched(lambda: trained(nn.Linear(4, 2), *rows()))
    base.ended = True
    search = Search(Laboratory(time.monotonic() + 60), base)
    asked: list[float] = []
    monkeypatch.setattr(search, "_try", lambda suspicions: [None] * len(suspicions))
    monkeypatch.setattr(search, "_try_rates", lambda s: asked.extend(one.direction for one in s) or [None] * len(s))
    monkeypatch.setattr("pellucid.doctor.observed.search.does_well", lambda record: False)
    search._conditions()
    assert 1 in asked and -1 in asked
    asked.clear()
    search.treatments.append(Clip())
    search._conditions()
    assert set(asked) == {-1}


@pytest.mark.parametrize("padded", [True, False])
def test_a_recurrence_that_reads_a_long_tail_of_padding(padded: bool) -> None:
    """After it, nothing is left of what came before; the network does not ignore that."""

    class Reader(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.table, self.last = nn.Embedding(9, 6, 0), nn.Linear(6, 2)
            self.memory = nn.RNN(6, 6, batch_first=True)

        def forward(self, x: Any) -> Any:
            _, state = self.memory(self.table(x))
            return self.last(state.squeeze(0))

    words = torch.randint(1, 9, (40, 6))
    x = torch.cat([words, torch.zeros(40, 94 if padded else 0, dtype=torch.long)], 1)
    record = watched(lambda: trained(Reader(), x, (words[:, 0] > 4).long(), steps=25))
    line = line_of(Reader, "self.memory = nn.RNN")
    assert found(model.ignored, record) == ([("vanishing-gradients", line)] if padded else [])


@pytest.mark.parametrize("gathered", [1, 10])
def test_updates_of_many_backwards_are_few_where_they_are_made(gathered: int) -> None:
    def program() -> None:
        network, (x, y) = nn.Linear(4, 2), rows()
        optimizer = optim.SGD(network.parameters(), lr=1e-9)
        for step in range(4 * gathered):
            (F.cross_entropy(network(x), y) / gathered).backward()
            if step % gathered == gathered - 1:
                optimizer.step()
                optimizer.zero_grad()

    record = watched(program)
    record.ended = True
    text = "optimizer.step()" if gathered > 1 else "optimizer = "
    assert found(rate.hardly_any, record) == [("too-few-updates", line_of(program, text))]
    (said,) = rate.hardly_any(record)
    fewer, often = ("fewer batches than 10" in said.fix), ("backward() 40 times" in said.evidence)
    assert fewer is often is (gathered > 1)


@pytest.mark.parametrize(("what", "told"), [("weight", True), ("none", False)])
def test_weights_that_are_frozen_as_they_were_drawn(what: str, told: bool) -> None:
    """A layer whose bias alone is trained, in a network of which the rest was trained before."""

    def program() -> None:
        network, (x, y) = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 2)), rows()
        trained(network, x, y)
        network[2] = nn.Linear(8, 2)
        network[0].weight.requires_grad = True
        for name, parameter in network.named_parameters():
            if what in name:
                parameter.requires_grad = False
        trained(network, x, 1 - y)

    suspicions = [s for s in gradients.unknown(watched(program)) if s.certain]
    line = line_of(test_weights_that_are_frozen_as_they_were_drawn, "requires_grad = False")
    assert [(s.cause, s.place and s.place[1]) for s in suspicions] == (
        [("parameter-not-optimized", line)] if told else []
    )


def test_a_code_that_says_something_of_pictures_is_no_guess() -> None:
    shades = np.linspace(0.05, 0.95, 40).reshape(-1, 1)
    record = ProgramRecord(loss=LossRecord("binary_cross_entropy", reduction="mean"), targets=[shades])
    record.steps = [StepRecord(loss) for loss in [0.9] * 8 + [0.665] * 32]
    assert stands(record) and not guesses(record)
    record.steps = [StepRecord(loss) for loss in [0.9] * 8 + [0.692] * 32]
    assert guesses(record)
