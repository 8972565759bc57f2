"""The doctor for programs of PyTorch's names: what questions of people whose network does not learn have in common."""

from __future__ import annotations

import inspect
import linecache
import os
import subprocess
import sys
from collections.abc import Callable
from dataclasses import replace
from pathlib import Path
from typing import Any, cast

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor import examine_script
from pellucid.doctor.observed import fits, joint
from pellucid.doctor.observed.compare import better, explained, guesses, outcome
from pellucid.doctor.observed.examination import examine
from pellucid.doctor.observed.record import ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, held_out, model, rate, scale
from pellucid.doctor.observed.rules import loss as of_loss
from pellucid.doctor.observed.search import Search
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import LearningRate, ScaleInputs
from pellucid.doctor.repairs import repairs
from pellucid.doctor.report import Finding
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched

XOR = torch.tensor([[0.0, 0.0], [0.0, 1.0], [1.0, 0.0], [1.0, 1.0]])
ONE_OF_TWO = torch.tensor([[0.0], [1.0], [1.0], [0.0]])
BOTH = torch.tensor([[0.0], [0.0], [0.0], [1.0]])


def descend(network: Any, x: Any, y: Any, steps: int = 30, lr: float = 0.01, criterion: Any = F.mse_loss) -> Any:
    """A loop in which the network is called as `call(network, x)`."""
    optimizer = optim.SGD(network.parameters(), lr=lr)
    for _ in range(steps):
        optimizer.zero_grad()
        criterion(network(x), y).backward()
        optimizer.step()


# What is noted --------------------------------------------------------------------------------------------------------


class Doubler(nn.Module):
    """Is called by its forward, with rows as a list."""

    def __init__(self) -> None:
        super().__init__()
        self.layer = nn.Linear(3, 1)

    def forward(self, rows: Any) -> Any:
        return self.layer.forward(torch.as_tensor(rows))


@pytest.mark.parametrize("given", [lambda x: x, lambda x: x.tolist()], ids=["tensor", "list"])
def test_a_call_of_forward_is_a_call_of_the_network(given: Callable[[Any], Any]) -> None:
    x = 100 * torch.randn(12, 3)

    def program() -> None:
        network = Doubler()
        optimizer = optim.SGD(network.parameters(), lr=1e-5)
        for _ in range(5):
            optimizer.zero_grad()
            F.mse_loss(network.forward(given(x)), x[:, :1]).backward()
            optimizer.step()

    record = watched(program)
    assert np.allclose(record.inputs[0], x.numpy()) and record.calls == 5
    assert record.parameters["layer.weight"].listed
    assert {s.cause for s in scale.scale(record)} == {"input-not-scaled"}
    assert "forward" in vars(Doubler) and Doubler.forward.__module__ == __name__, "put back at the end"


def test_a_call_of_forward_within_a_call_is_none_of_its_own() -> None:
    x = torch.randn(12, 3)
    record = watched(lambda: descend(Doubler(), x, x[:, :1], steps=4))
    assert record.calls == 4 and len(record.parameters) == 2


def test_an_optimizer_that_is_made_anew_for_each_update_is_one() -> None:
    x, network = torch.randn(12, 3), nn.Linear(3, 1)

    def update() -> None:
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        optimizer.zero_grad()
        F.mse_loss(network(x), x[:, :1]).backward()
        optimizer.step()

    def program() -> None:
        for _ in range(15):
            update()

    (one,) = watched(program).optimizers
    assert (one.steps, one.anew, one.shared) == (15, 14, False)

    def two() -> None:
        for part in (nn.Linear(3, 1), nn.Linear(3, 1)):
            optim.SGD(part.parameters(), lr=0.01)

    assert len(watched(two).optimizers) == 2, "of other parameters"


# How far a run came ---------------------------------------------------------------------------------------------------


def test_what_a_summed_loss_explains() -> None:
    x = torch.linspace(-1, 1, 200)[:, None]
    y = x**3

    def trained(rate: float) -> ProgramRecord:
        def summed(p: Any, t: Any) -> Any:
            return F.mse_loss(p, t, reduction="sum")

        return watched(lambda: descend(nn.Linear(1, 1, bias=False), x, y, 40, rate, summed))

    still, far = trained(1e-9), trained(1e-3)
    assert (explained(still) or 0) < 0.2 < 0.7 < (explained(far) or 0)


def test_what_a_cross_entropy_to_shades_explains() -> None:
    shades = torch.rand(200, 6)

    def ends_at(loss: float) -> ProgramRecord:
        def program() -> None:
            layer = nn.Linear(6, 6)
            F.binary_cross_entropy_with_logits(layer(shades), shades).backward()

        record = watched(program)
        record.steps = [StepRecord(value) for value in (0.8, *[loss] * 9)]
        return record

    t = shades.numpy().astype(float)
    mean = t.mean(0)
    guess = float(-(t * np.log(mean) + (1 - t) * np.log(1 - mean)).mean())
    least = float(-(t * np.log(t) + (1 - t) * np.log(1 - t)).mean())
    assert explained(ends_at(guess)) == pytest.approx(0.0, abs=1e-3)
    assert explained(ends_at(least)) == pytest.approx(1.0, abs=1e-3)
    assert better(ends_at(guess), ends_at(0.5 * (guess + least)), strictly=True)
    assert not better(ends_at(guess), ends_at(0.9 * guess + 0.1 * least), strictly=True)
    assert better(ends_at(guess), ends_at(0.6 * guess + 0.4 * least))  # of what can be known, and not of the loss
    assert not better(ends_at(guess), ends_at(0.8 * guess + 0.2 * least))


def run(*losses: float) -> ProgramRecord:
    record = ProgramRecord(steps=[StepRecord(value) for value in losses], ended=True)
    record.loss.kind = "mse_loss"
    return record


def test_a_run_that_runs_away_is_no_measure_of_noise() -> None:
    away = run(*[1e3 * 300.0**i for i in range(10)])
    assert outcome(away).noise > 0.5 * outcome(away).loss
    assert better(away, run(*[1e3 * 0.5**i for i in range(10)]), strictly=True)
    assert not better(run(3.0, 900.0), run(2.0, 800.0))


@pytest.mark.parametrize(("loss", "guess"), [(1.09, True), (0.9, False)])
def test_little_that_can_be_known_is_more_than_a_guess(loss: float, guess: bool) -> None:
    record = run(*[loss] * 20)
    record.loss.kind, record.targets = "cross_entropy", [np.arange(30) % 3]
    for step in record.steps:
        step.accuracy, step.count = 0.4, 30
    assert guesses(record) is guess


class Guessing:
    """Gives the runs that a search asks for: a little worse, and at a hundred times the rate far better."""

    pace: Any = ()
    patience = 3.0

    def __init__(self) -> None:
        self.asked: list[float] = []

    def several(self, each: Any, steps: int, seconds: float) -> list[ProgramRecord]:
        found = []
        for (treatment,) in each:
            assert isinstance(treatment, LearningRate)
            self.asked.append(treatment.factor)
            found.append(run(*[0.01 if treatment.factor > 50 else 0.255] * 40))
        return found


def test_a_guess_that_is_a_little_worse_leaves_no_direction_of_rates() -> None:
    def rates() -> list[Suspicion]:
        return [
            Suspicion(
                "lr", "", "", "", treatments=[LearningRate(f)], direction=1 if f > 1 else -1, beyond=f in (0.01, 100)
            )
            for f in (0.1, 0.01, 10.0, 100.0)
        ]

    for at, asked in ((0.25, {0.1, 10.0, 0.01, 100.0}), (0.2, {0.1, 10.0})):
        laboratory: Any = Guessing()
        Search(laboratory, run(*[at] * 40))._try_rates(rates())
        assert set(laboratory.asked) == asked


@pytest.mark.parametrize(("each", "slightly"), [(1, True), (20, False)])
def test_a_schedule_by_which_hardly_any_update_counts(each: int, slightly: bool) -> None:
    x, y = torch.randn(60, 4), torch.arange(60) % 3

    def program() -> None:
        network = nn.Linear(4, 3)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        scheduler = optim.lr_scheduler.StepLR(optimizer, step_size=each, gamma=0.5)
        for _ in range(300):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()
            scheduler.step()

    (said,) = rate.scheduled(watched(program))
    assert said.cause == "lr-too-low" and said.slightly is slightly and said.strictly is not slightly


# Scales ---------------------------------------------------------------------------------------------------------------


def prices(name: str) -> Callable[[], None]:
    x = 100 + 10 * torch.randn(60, 4)
    y = x.mean(1, keepdim=True)

    def program() -> None:
        network = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 1))
        descend(network, x, y, 40, 1e-3, lambda p, t: getattr(F, name)(p, t))

    return program


@pytest.mark.parametrize("name", ["mse_loss", "l1_loss"])
def test_targets_are_brought_to_scale_with_the_inputs_and_losses_are_told_in_their_own(name: str) -> None:
    program = prices(name)
    was = watched(program)
    both = [s for s in scale.scale(was) if len(s.treatments) == 2]
    assert [s.cause for s in both] == ["input-not-scaled"] and both[0].strictly
    now = watched(program, *both[0].treatments)
    assert now.targets[0].mean() > 90, "the targets are told as they are"
    assert now.factor == pytest.approx(1.0)
    assert now.losses[0] < 0.2 * was.losses[0] and now.losses[0] > 3, "in the scale of the program"


def test_small_targets_are_left() -> None:
    x = 100 + 10 * torch.randn(60, 4)
    record = watched(lambda: descend(nn.Linear(4, 1), x, x.mean(1, keepdim=True) / 100, 5, 1e-6))
    assert [len(s.treatments) for s in scale.scale(record)] == [1]


def test_two_ways_to_scale_are_not_taken_together() -> None:
    ways = [
        Suspicion(cause, "", "", "", treatments=[ScaleInputs(np.zeros(1), np.ones(1))])
        for cause in ("feature-scale-mismatch", "input-not-scaled")
    ]
    tried = joint.attempts(run(*[1.0] * 20), [(way, run(*[1.0] * 20)) for way in ways])
    assert all(sum(isinstance(t, ScaleInputs) for s in parts for t in s.treatments) <= 1 for parts in tried)


def test_inputs_that_are_small_are_no_fault_where_a_program_learns_with_them() -> None:
    y = torch.arange(60) % 3

    def rows(size: float) -> Any:
        return size * F.one_hot(y, 3).float()

    def said(size: float, lr: float, optimizer: Any = optim.SGD) -> list[bool]:
        def program() -> None:
            network = nn.Linear(3, 3)
            made = optimizer(network.parameters(), lr=lr)
            for _ in range(40):
                made.zero_grad()
                F.cross_entropy(network(rows(size)), y).backward()
                made.step()

        return [s.strictly for s in scale.scale(watched(program)) if s.cause == "input-not-scaled"]

    assert said(0.01, 0.01) == [False] and said(0.01, 1.0, optim.Adam) == [True]
    wide = F.one_hot(torch.arange(60) % 60, 200).float()
    one_hot = watched(lambda: descend(nn.Linear(200, 3), wide, y, 5, criterion=F.cross_entropy))
    assert list(scale.scale(one_hot)) == [], "a row of length 1 is not small, however many columns are 0"


# Evaluations ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("drops", [False, True])
def test_an_evaluation_without_no_grad_is_one(drops: bool) -> None:
    x, y = torch.randn(160, 4), torch.arange(160) % 2
    x[:, 0] += 2.0 * y

    def program() -> None:
        network = nn.Sequential(nn.Linear(4, 16), nn.Dropout(0.5 if drops else 0.0), nn.Linear(16, 2))
        optimizer, criterion = optim.SGD(network.parameters(), lr=0.5), nn.CrossEntropyLoss()
        loaders = [DataLoader(TensorDataset(a, b), batch_size=20) for a, b in ((x[:80], y[:80]), (x[80:], y[80:]))]
        for _ in range(4):
            for xb, yb in loaders[0]:
                optimizer.zero_grad()
                criterion(network(xb), yb).backward()
                optimizer.step()
            for xb, yb in loaders[1]:
                out = network(xb)
                loss = criterion(out, yb)
                right = (out.argmax(1) == yb).sum()
                assert loss.item() > 0 and right.item() >= 0

    record = watched(program)
    assert len(record.steps) == 16 and len(np.unique(np.concatenate(record.rows))) == 80, "rows of the training alone"
    noted = [held for held in record.held_out if held.step > 4]
    assert {held.step for held in noted} == {8, 12, 16} and all(held.loss and held.accuracy for held in noted)
    assert not any(s.cause == "train-val-leak" for s in held_out.leak(record))
    assert any(mode.differs > 0.05 for mode in record.evaluated) is drops
    assert len({tuple(op.key for op in record.loss.body)}) == 1 and record.loss.body[-1].key == ("linear", 0)


def test_networks_whose_results_lead_to_a_backward_later_are_trained() -> None:
    x, y = torch.randn(40, 4), torch.randn(40, 1)

    def twice() -> None:
        network = nn.Linear(4, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for i in range(12):
            optimizer.zero_grad()
            first = network(x[:20])
            kept = network(x[20:]) if i % 3 == 0 else None
            F.mse_loss(first, y[:20]).backward()
            if kept is not None:
                F.mse_loss(kept, y[20:]).backward()
            optimizer.step()

    record = watched(twice)
    assert record.held_out == [] and record.calls == 16


def test_a_training_in_two_parts_has_no_noisy_labels() -> None:
    x, y = torch.randn(240, 4), torch.arange(240) % 2
    x[:, 0] = 4.0 * y - 2.0 + 0.3 * x[:, 0]

    def program(parts: Any) -> ProgramRecord:
        def run_it() -> None:
            network = nn.Linear(4, 2)
            optimizer = optim.SGD(network.parameters(), lr=0.5)
            for labels in parts:
                for _ in range(30):
                    optimizer.zero_grad()
                    F.cross_entropy(network(x[:160]), labels[:160]).backward()
                    optimizer.step()
                    with torch.no_grad():
                        network(x[160:]).argmax(1).eq(y[160:]).float().mean()

        return watched(run_it)

    noisy = y.clone()
    noisy[:160:5] = 1 - noisy[:160:5]
    assert [s.cause for s in held_out.mislabelled(program([noisy]))] == ["noisy-labels"]
    assert list(held_out.mislabelled(program([1 - y, y]))) == []


class Speller(nn.Module):
    """Reads a letter at a time, and says a class after each."""

    def __init__(self) -> None:
        super().__init__()
        self.state, self.out = nn.Linear(40 + 8, 8), nn.Linear(8, 2)

    def forward(self, letter: Any, state: Any) -> Any:
        state = torch.tanh(self.state(torch.cat([letter, state], 1)))
        return F.log_softmax(self.out(state), dim=1), state


def test_words_that_begin_with_the_same_letter_may_have_other_labels() -> None:
    def program() -> None:
        reader = Speller()
        for i in range(150):
            state, out = torch.zeros(1, 8), None
            for letter in ((7 * i) % 30, 30 + i % 2):
                out, state = reader(F.one_hot(torch.tensor([letter]), 40).float(), state)
            F.nll_loss(out, torch.tensor([(i // 30) % 2])).backward()
            for p in reader.parameters():
                p.data.add_(cast(Any, p.grad).data, alpha=-0.01)
            reader.zero_grad()

    record = watched(program)
    assert record.calls == 300 and list(data.conflicting(record)) == [] and list(data.unrelated(record)) == []
    assert "step" in record.lines, "the update of a program without an optimiser"
    assert "unused activation" not in record.lines, "the last result of the line is taken"


def test_the_line_that_takes_layers_for_the_batch() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.GRU(3, 6, 2, batch_first=True), nn.Linear(12, 3)

        def forward(self, given: Any) -> Any:
            _, state = self.rnn(given)
            mixed = state.view(len(given), -1)
            return self.out(mixed).view(-1, 3)

    x, y = torch.randn(240, 5, 3), torch.arange(240) % 3

    def program() -> None:
        network = Net()
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for rows in torch.arange(240).split(24):
            optimizer.zero_grad()
            F.cross_entropy(network(x[rows]), y[rows]).backward()
            optimizer.step()

    (said,) = data.mixed(watched(program))
    assert said.place is not None and "mixed = state.view" in linecache.getline(*said.place)


# First weights --------------------------------------------------------------------------------------------------------


def characters(size: float) -> Callable[[], None]:
    """A table of vectors, a layer, and an output layer with first weights of a size, in tensors of its own."""
    following = torch.arange(20)
    x, y = following.repeat(6), (following.repeat(6) + 1) % 20

    def program() -> None:
        table, w1, w2 = torch.randn(20, 6), torch.randn(6, 40) / 6**0.5, size * torch.randn(40, 20)
        for p in (table, w1, w2):
            p.requires_grad = True
        for _ in range(120):
            rows = torch.randint(0, 120, (40,))
            loss = F.cross_entropy(torch.tanh(table[x[rows]] @ w1) @ w2, y[rows])
            for p in (table, w1, w2):
                p.grad = None
            loss.backward()
            for p in (table, w1, w2):
                p.data += -0.1 * cast(Any, p.grad)

    return program


def test_first_weights_by_which_a_first_loss_is_far_above_that_of_a_guess() -> None:
    record = watched(characters(3.0))
    (said,) = model.first_weights(record)
    assert said.cause == "init-too-large" and said.slightly and "that of a guess among 20 classes 3" in said.evidence
    assert "1/√40" in said.evidence, "the rows are multiplied from the right"
    assert "step" in record.lines and len(record.inputs) and record.whole_numbers
    now = watched(characters(3.0), *said.treatments)
    assert now.losses[0] == record.losses[0] and now.losses[1] < 0.3 * record.losses[1]
    assert list(model.first_weights(watched(characters(40**-0.5)))) == []


def test_how_far_a_sum_of_distances_came_is_told_by_what_a_guess_has() -> None:
    draw = np.random.default_rng(0)
    y = draw.normal(size=(400, 1)) * 3 + 5

    def ends_at(loss: float) -> ProgramRecord:
        record = ProgramRecord(steps=[StepRecord(9000.0), *[StepRecord(loss) for _ in range(20)]], targets=[y])
        record.loss.kind, record.loss.reduction = "l1_loss", "mean"
        return record

    guess = float(np.abs(y - np.median(y)).mean())
    assert explained(ends_at(guess)) == pytest.approx(0.0, abs=1e-6)
    assert explained(ends_at(0.0)) == pytest.approx(1.0)
    assert explained(ends_at(guess / 2)) == pytest.approx(0.75)
    assert better(ends_at(30 * guess), ends_at(guess / 10), strictly=True), "it fell far, and says less than a guess"


@pytest.mark.parametrize(("between", "learns"), [(False, True), (True, False)])
def test_calls_behind_the_last_step_make_no_targets(between: bool, learns: bool) -> None:
    x, y = torch.randn(60, 4), torch.randint(0, 2, (60,))

    def program() -> None:
        network = nn.Linear(4, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(30):
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()
            with torch.no_grad():
                _ = [network(x[i : i + 1]) for i in range(3 * between)]
        with torch.no_grad():
            sum(int(network(x[i : i + 1]).argmax(1).item()) == int(y[i]) for i in range(60))

    assert Search(cast(Any, None), watched(program)).learns == learns


@pytest.mark.parametrize(("size", "causes"), [(1.0, ["init-too-large"]), (0.02, [])])
@pytest.mark.parametrize("tied", [True, False])
def test_a_table_that_is_the_output_layer_too(size: float, causes: list[str], tied: bool) -> None:
    following = torch.arange(40)

    def program() -> None:
        table, layer, head = nn.Embedding(40, 64), nn.Linear(64, 64), nn.Linear(64, 40, bias=False)
        nn.init.normal_(table.weight, std=size)
        head.weight = table.weight if tied else head.weight
        network = nn.Sequential(table, layer, head)
        optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
        for _ in range(5):
            optimizer.zero_grad()
            x = table(following)
            F.cross_entropy(head(x + layer(x)), (following + 1) % 40).backward()
            optimizer.step()

    found = list(model.first_weights(watched(program)))
    assert [s.cause for s in found] == (causes if tied else [])


@pytest.mark.parametrize(("layers", "causes"), [(1, []), (2, ["init-too-large"])])
def test_one_layer_whose_weights_begin_large_is_no_fault(layers: int, causes: list[str]) -> None:
    x = torch.randn(60, 8)

    def program() -> None:
        w, v = 9.0 * torch.randn(8, 3), torch.randn(3, 3)
        for p in (w, v):
            p.requires_grad = True
        for _ in range(5):
            given = x @ w if layers == 1 else torch.tanh(x @ w) @ v
            ((given - x[:, :3]) ** 2).mean().backward()
            for p in (w, v)[:layers]:
                p.data -= 1e-3 * cast(Any, p.grad)

    assert [s.cause for s in model.first_weights(watched(program))] == causes


@pytest.mark.parametrize(("shift", "causes"), [(0.5, ["init-too-large"]), (0.0, [])])
def test_first_weights_of_one_sign_add_up_what_comes_in(shift: float, causes: list[str]) -> None:
    x = torch.randn(60, 48)

    def program() -> None:
        w, v = torch.rand(48, 48) - 0.5 + shift, torch.randn(48, 3) / 48**0.5
        for p in (w, v):
            p.requires_grad = True
        for _ in range(5):
            ((torch.tanh(x @ w) @ v - x[:, :3]) ** 2).mean().backward()
            for p in (w, v):
                p.data -= 1e-3 * cast(Any, p.grad)

    found = list(model.first_weights(watched(program)))
    assert [s.cause for s in found] == causes
    assert all("nearly all have one sign" in s.evidence for s in found)


# Where it is said -----------------------------------------------------------------------------------------------------

BY_HAND = """
import torch
from torch import nn

layer = nn.Linear(3, 1)
for p in layer.parameters():
    p.data.uniform_(-900, 900)
w, b = torch.randn(3, 1), torch.zeros(1)
w.requires_grad, b.requires_grad = True, True
x = torch.randn(20, 3)
for _ in range(3):
    ((layer(x) - x[:, :1]) ** 2).mean().backward()
    ((x @ w + b - x[:, :1]) ** 2).mean().backward()
"""


LOOK = """
import sys, time
from pathlib import Path
from pellucid.doctor.observed.laboratory import ScriptLaboratory
record = ScriptLaboratory(time.monotonic() + 60, Path(sys.argv[1]), []).run()
print([record.error, record.lines["init"][1], *(record.parameters[name].place for name in "wb")])
"""


def test_lines_of_first_weights_that_are_written_by_hand(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(BY_HAND)
    # In a process of its own: another test may have imported the real torch.
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(path for path in sys.path if path)}
    told = subprocess.run(
        [sys.executable, "-c", LOOK, str(script)], env=environment, capture_output=True, text=True, timeout=120
    )
    assert told.returncode == 0, told.stderr
    assert told.stdout.splitlines()[-1] == repr(["", 7, (str(script), 8), (str(script), 8)])


SLOW = """
import time
import torch
from torch import nn

model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
x, y = torch.randn(40, 4), torch.arange(40) % 3
for _ in range(30):
    time.sleep(6.0)
    optimizer.zero_grad()
    nn.functional.cross_entropy(model(x), y).backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_first_step_that_takes_long_is_waited_for(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(SLOW)
    report = examine_script(tmp_path / "train.py", budget=12)
    assert [f.cause for f in report.findings] == ["double-softmax"]


# Layers with nothing between them -------------------------------------------------------------------------------------


def bare(y: Any, lr: float = 0.1) -> ProgramRecord:
    return watched(lambda: descend(nn.Sequential(nn.Linear(2, 5), nn.Linear(5, 1), nn.Sigmoid()), XOR, y, 40, lr))


@pytest.mark.parametrize(("y", "certain"), [(ONE_OF_TWO, True), (BOTH, False)], ids=["xor", "and"])
def test_a_table_that_no_plane_parts_proves_that_activations_are_missing(y: Any, certain: bool) -> None:
    record = bare(y)
    (said,) = model.linear(record)
    assert said.cause == "no-nonlinearity" and said.certain is certain
    assert fits.is_parted(record) is not certain
    assert ("No plane" in said.evidence) is certain


def test_what_runs_away_is_not_asked_for_activations() -> None:
    x = 100 * torch.randn(60, 2)
    record = watched(lambda: descend(nn.Sequential(nn.Linear(2, 8), nn.Linear(8, 1)), x, x[:, :1], 40, 1.0))
    assert not outcome(record).finite and list(model.linear(record)) == []


def test_what_a_line_explains() -> None:
    x = torch.randn(200, 2)

    def of(y: Any) -> ProgramRecord:
        return watched(lambda: descend(nn.Linear(2, 1), x, y, 3))

    straight, bent, noise = of(x[:, :1] - 1), of((x**2).sum(1, keepdim=True)), of(torch.randn(200, 1))
    assert fits.by_a_line(straight) == pytest.approx(1.0) and (fits.by_a_line(bent) or 0) < 0.1
    assert fits.is_told(straight) and fits.is_told(bent) and not fits.is_told(noise)
    assert fits.is_parted(bent) is None


# Losses ---------------------------------------------------------------------------------------------------------------


def test_a_softmax_over_the_layers_of_a_recurrence() -> None:
    x, y = torch.randn(24, 5, 3), torch.arange(24) % 3

    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.rnn, self.out = nn.LSTM(3, 6, batch_first=True), nn.Linear(6, 3)

        def forward(self, given: Any) -> Any:
            _, (state, _) = self.rnn(given)
            return F.softmax(self.out(state), dim=0).view(-1, 3)

    (said,) = of_loss.normalised_twice(watched(lambda: descend(Net(), x, y, 5, criterion=F.cross_entropy)))
    assert said.cause == "softmax-wrong-axis" and "(1, 24, 3)" in said.evidence and "leave the softmax out" in said.fix


def test_the_share_of_a_mixture_of_one_is_no_output() -> None:
    x = torch.linspace(-2, 2, 60).unsqueeze(1)
    layer, share, mean = nn.Linear(1, 16), nn.Linear(16, 1), nn.Linear(16, 1)

    def program() -> None:
        optimizer = optim.Adam([*layer.parameters(), *share.parameters(), *mean.parameters()], lr=0.02)
        for _ in range(80):
            units = layer(x).tanh()
            likely = F.softmax(share(units), dim=-1) * torch.exp(-((x**2 - mean(units)) ** 2) / 2)
            optimizer.zero_grad()
            (-torch.log(likely.sum(1) + 1e-9).mean()).backward()
            optimizer.step()

    assert list(of_loss.normalised_twice(watched(program))) == []


@pytest.mark.parametrize(("classes", "found"), [(10, ["softmax-wrong-axis"]), (2, [])])
def test_a_row_at_a_time_by_a_product_with_ones(classes: int, found: list[str]) -> None:
    x = torch.randn(12, 4)

    def program() -> None:
        layer = nn.Linear(4, classes)
        optimizer = optim.SGD(layer.parameters(), lr=0.1)
        for i in range(12):
            asked = F.one_hot(torch.tensor([i % classes]), classes).float()
            optimizer.zero_grad()
            (-torch.mean(torch.sum(asked * torch.log(F.softmax(layer(x[i : i + 1]), dim=0)), dim=0))).backward()
            optimizer.step()

    assert [s.cause for s in of_loss.normalised_twice(watched(program))] == found


def test_what_is_not_sure_hides_nothing() -> None:
    laboratory: Any = Guessing()
    search = Search(laboratory, run(*[1.0] * 20))
    search.found = [Finding("detached-gradient", "error", 0.4, "", "", "")]
    assert not search._blocked()
    search.found[0].confidence = 0.9
    assert search._blocked()


@pytest.mark.parametrize(("bias", "certain"), [(-5.0, True), (3.0, False)], ids=["off", "on"])
def test_logits_that_a_rectifier_turns_off(bias: float, certain: bool) -> None:
    x, y = torch.randn(60, 4), torch.arange(60) % 3

    def program() -> None:
        layer = nn.Linear(4, 3)
        nn.init.constant_(layer.bias, 3.0)
        layer.bias.data[1] = bias
        descend(nn.Sequential(layer, nn.ReLU()), x, y, 25, 1e-3, F.cross_entropy)

    (said,) = of_loss.cut_logits(watched(program))
    assert said.cause == "activation-before-loss" and said.certain is certain
    assert ("is never said" in said.evidence) is certain


@pytest.mark.parametrize("learns", [False, True])
def test_what_there_was_no_time_to_try_is_told_as_suspected(learns: bool) -> None:
    class Hurried(Guessing):
        """Whose runs are cut off."""

        loss, alone, lost, looks, deadline = "", 0.0, "", (), 0.0

        def left(self) -> float:
            return 50.0

        def run(self, **options: Any) -> ProgramRecord:
            x, y = torch.randn(60, 4), torch.arange(60) % 3
            if learns:
                x = torch.cat([F.one_hot(y, 3) * 9.0, x[:, :1]], 1)

            def program() -> None:
                layer = nn.Linear(4, 3)
                nn.init.constant_(layer.bias, 3.0)
                descend(nn.Sequential(layer, nn.ReLU()), x, y, 60, 0.1 if learns else 1e-3, F.cross_entropy)

            record = watched(program)
            record.ended = True
            return record

        def several(self, each: Any, steps: int, seconds: float) -> list[Any]:
            return [None] * len(each)

    laboratory: Any = Hurried()
    report = examine(laboratory)
    assert report.status == ("healthy" if learns else "inconclusive")
    assert ("activation-before-loss" in report.reason) is not learns


class Overwriting(nn.Module):
    """Layers of a loop that all take the same, so that the last one alone counts; or one after the other."""

    def __init__(self, chained: bool) -> None:
        super().__init__()
        self.layers = nn.ModuleList(nn.Linear(4, 4) for _ in range(4))
        self.out, self.chained = nn.Linear(4, 3), chained

    def forward(self, x: Any) -> Any:
        h = x
        for layer in self.layers:
            h = torch.tanh(layer(h if self.chained else x))
        return self.out(h)


@pytest.mark.parametrize(
    ("chained", "shown", "otherwise"), [(True, False, ""), (False, False, "error"), (False, True, "info")]
)
def test_results_that_nothing_takes_are_no_cut(chained: bool, shown: bool, otherwise: str) -> None:
    y = torch.arange(60) % 3
    x = torch.cat([9.0 * F.one_hot(y, 3), torch.randn(60, 1)], 1) if shown else torch.randn(60, 4)
    record = watched(lambda: descend(Overwriting(chained), x, y, 60, 0.3 if shown else 0.01, F.cross_entropy))
    found = list(gradients.no_history(record))
    assert [(s.cause, s.otherwise, s.certain) for s in found] == (
        [("detached-gradient", otherwise, False)] if otherwise else []
    )
    assert all("nothing on the way" in s.evidence and s.place == record.lines["left out"] for s in found)


@pytest.mark.parametrize("takes", [False, True])
def test_a_network_whose_result_nothing_takes(takes: bool) -> None:
    """A small one beside a large one, which is given something else in its place."""
    reading, saying = nn.Linear(4, 4), nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 3))

    def program() -> None:
        x, y = torch.randn(60, 4), torch.arange(60) % 3
        optimizer = optim.SGD([*reading.parameters(), *saying.parameters()], lr=0.01)
        for _ in range(20):
            optimizer.zero_grad()
            h = reading(x)
            F.cross_entropy(saying(h if takes else torch.zeros(60, 4)), y).backward()
            optimizer.step()

    found = list(gradients.no_history(watched(program)))
    first = inspect.getsourcelines(program)[1]
    assert [(s.cause, s.place, s.certain) for s in found] == (
        [] if takes else [("detached-gradient", (__file__, first + 5), True)]
    )


def test_a_result_whose_numbers_are_taken_out_is_cut() -> None:
    class Numbers(Overwriting):
        def forward(self, x: Any) -> Any:
            return self.out(torch.from_numpy(super().forward(x).detach().numpy() @ np.ones((3, 4), np.float32)))

    x, y = torch.randn(60, 4), torch.arange(60) % 3
    (found,) = gradients.no_history(watched(lambda: descend(Numbers(True), x, y, 10, 0.1, F.cross_entropy)))
    assert found.certain and "graph is cut" in found.explanation


# Patches --------------------------------------------------------------------------------------------------------------

SCHEDULED = """
def epoch(loader):
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        scheduler.step()
    return 0.0
"""
SCHEDULED_RIGHT = """
def epoch(loader):
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        optimizer.step()
        pass
    scheduler.step()
    return 0.0
"""
CURVE = """
x = torch.linspace(-50, 50, 200)[:, None]
y = x**3
model = nn.Linear(1, 1)
optimizer = optim.SGD(model.parameters(), lr=0.1)
for i in range(9):
    loss = criterion(model(x), y)
    loss.backward()
    optimizer.step()
"""
CURVE_RIGHT = CURVE.replace("y = x**3\n", "y = x**3\ny = (y - 5) / 300\nx = (x - x.mean()) / x.std()\n")
BY_FUNCTION = """
def update():
    loss = criterion(x @ w, y)
    loss.backward()
    with torch.no_grad():
        w -= w.grad * lr
"""
STACKED = "def forward(self, x):\n    return F.softmax(self.out(x))\n"


@pytest.mark.parametrize(
    ("source", "cause", "line", "fix", "right"),
    [
        (SCHEDULED, "lr-too-low", 7, "scheduler.step() once an epoch, or a slower decay", SCHEDULED_RIGHT),
        (CURVE, "input-not-scaled", 7, "x = (x - x.mean()) / x.std() and y = …", CURVE_RIGHT),
        (
            BY_FUNCTION,
            "lr-too-high",
            6,
            "the learning rate times 0.1",
            BY_FUNCTION.replace("w.grad * lr", "0.1 * (w.grad * lr)"),
        ),
        (
            STACKED,
            "softmax-wrong-axis",
            2,
            "hand the logits to cross_entropy: leave the softmax out",
            STACKED.replace("F.softmax(self.out(x))", "self.out(x)"),
        ),
    ],
    ids=["schedule", "scale", "function", "softmax"],
)
def test_patches(source: str, cause: str, line: int, fix: str, right: str) -> None:
    finding = Finding(cause, "error", 1.0, "", "", fix, "train.py", line)
    finding.details = [{"mean": 0.0, "std": 29.0, "targets": [5.0, 300.0]}]
    head = "import torch\nfrom torch import nn, optim\n"
    assert right in [made.removeprefix(head) for made in repairs(replace(finding, line=line + 2), head + source)]


# Whole programs -------------------------------------------------------------------------------------------------------

CUSTOMERS = """
import torch
import torch.nn as nn

torch.manual_seed(0)
age, money = torch.randint(18, 80, (400,)), torch.randint(20000, 150000, (400,))
x = torch.stack([age, money], 1).float()
y = ((age > 45) & (money < 90000)).float().view(-1, 1)
net = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1), nn.Sigmoid())
optimizer = torch.optim.SGD(net.parameters(), lr=0.01)
for epoch in range(400):
    optimizer.zero_grad()
    loss = nn.BCELoss()(net.forward(x), y)
    loss.backward()
    optimizer.step()
"""
SUM = """
import random
import torch
from torch import nn

model = nn.Sequential(nn.Linear(2, 10), nn.Linear(10, 1))
optimizer = torch.optim.SGD(model.parameters(), lr=0.01)
for i in range(500):
    a, b = random.randint(1, 100), random.randint(1, 100)
    out = model(torch.tensor([float(a), float(b)]))
    loss = nn.MSELoss()(out, torch.tensor([float(a + b)]))
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("source", "causes"),
    [(CUSTOMERS, {"feature-scale-mismatch", "input-not-scaled"}), (SUM, {"input-not-scaled", "lr-too-high"})],
    ids=["forward", "sum"],
)
def test_questions(source: str, causes: set[str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(source)
    report = examine_script(tmp_path / "train.py", budget=60)
    assert report.status == "faults" and report.findings[0].cause in causes
    assert not any(f.cause == "no-nonlinearity" for f in report.findings)
