"""What the doctor tries in forks of programs that train with pellucid, what confirms it, and how it is ranked."""

from __future__ import annotations

import math
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor import examine, examine_script
from pellucid.doctor.finding import Finding
from pellucid.doctor.observed.compare import better_held_out, says_nothing
from pellucid.doctor.observed.findings import rank
from pellucid.doctor.observed.observer import Enough
from pellucid.doctor.observed.record import FinalRecord, HeldOutRecord, OptimizerRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rows import distinct, inside, told_apart
from pellucid.doctor.observed.rules import data, gradients, held_out, numbers, rate
from pellucid.doctor.observed.rules import model as model_rules
from pellucid.doctor.observed.treatments import Contract, DropRows, LearningRate, Shrink, Treatment
from pellucid.nn import functional as F
from tests.watching import watched


def run(losses: Sequence[float], lr: float = 0.1, name: str = "SGD") -> ProgramRecord:
    record = ProgramRecord([StepRecord(loss, count=20) for loss in losses])
    record.optimizers = [OptimizerRecord(name, {"lr": lr})]
    return record


# Rates ----------------------------------------------------------------------------------------------------------------


def rates_tried(rules: Iterator[Any], lr: float) -> list[float]:
    return [lr * t.factor for s in rules for t in s.treatments if isinstance(t, LearningRate)]


@pytest.mark.parametrize(("name", "lr", "usual"), [("SGD", 1e-9, 0.1), ("Adam", 1e-12, 1e-3), ("RMSprop", 1e-10, 1e-3)])
def test_a_rate_is_looked_for_up_to_what_is_usual(name: str, lr: float, usual: float) -> None:
    still = run([1.0] * 100, lr, name)
    assert max(rates_tried(rate.further(still), lr)) >= usual
    assert not list(rate.near(still)), "factors near by can do nothing"


def test_what_a_high_rate_did_is_said() -> None:
    jumped, grew, stays = run([1.0, 9.0, *[0.9] * 98]), run([1.0, *[math.inf] * 99]), run([1.0] * 100)
    said = [next(rate.lower(record)).explanation for record in (jumped, grew, stays)]
    assert [text.partition(": ")[2] for text in said] == [
        "the loss jumps up to 9.", "the loss grows until it is no number.", "the loss stays at 1."
    ]  # fmt: skip


def test_updates_up_the_slope_are_turned_where_the_program_makes_them_itself() -> None:
    climbs = run(list(np.linspace(1, 3, 100)))
    climbs.optimizers, climbs.loss.kind, climbs.lines["step"] = [], "mse_loss", ("train.py", 7)
    first = next(rate.near(climbs))
    assert first.cause == "loss-sign-flipped" and first.treatments == [LearningRate(-1.0)]
    falls = run(list(np.linspace(3, 1, 100)))
    falls.optimizers, falls.loss.kind = [], "mse_loss"
    assert "loss-sign-flipped" not in [s.cause for s in rate.near(falls)]


def test_a_usual_rate_is_tried_near_by() -> None:
    still, falls = run([1.0] * 100), run(list(np.linspace(1, 0.7, 100)), 1e-9)
    assert len(list(rate.near(still))) == len(list(rate.near(falls))) == 4
    assert rates_tried(rate.further(still), 0.1)[:3] == pytest.approx([1e2, 1e3, 1e4])
    assert not list(rate.further(falls))


@pytest.mark.slow
def test_a_rate_that_is_far_too_low_is_found() -> None:
    x = torch.randn(200, 5)
    model = nn.Sequential(nn.Linear(5, 16), nn.ReLU(), nn.Linear(16, 2))
    batches = [(x[i : i + 20], (x[i : i + 20, 0] > 0).long()) for i in range(0, 200, 20)]
    optimizer = optim.SGD(model.parameters(), lr=1e-8)
    report = examine(model, nn.CrossEntropyLoss(), optimizer, batches, steps=60)
    assert [f.cause for f in report.findings] == ["lr-too-low"] and report.status == "faults"
    assert 1e-3 <= float(report.findings[0].fix.removeprefix("lr=")) <= 1.0


# What is said first ---------------------------------------------------------------------------------------------------


def test_what_is_wrong_comes_before_what_does_not_suit() -> None:
    findings = [
        Finding("lr-too-high", "error", 0.9, "", "", ""),
        Finding("input-not-scaled", "warning", 0.9, "", "", ""),
        Finding("missing-zero-grad", "error", 0.4, "", "", ""),
        Finding("labels-misaligned", "error", 0.8, "", "", ""),
        Finding("parameter-not-optimized", "info", 0.9, "", "", ""),
    ]
    said = [f.cause for f in sorted(findings, key=rank)]
    assert said == [
        "labels-misaligned", "missing-zero-grad", "lr-too-high", "input-not-scaled", "parameter-not-optimized"
    ]  # fmt: skip


def test_a_head_that_is_trained_alone_has_to_do_badly() -> None:
    model = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3))

    def program() -> None:
        optimizer = optim.SGD(model[2].parameters(), lr=0.1)
        x = torch.randn(40, 4)
        for _ in range(6):
            optimizer.zero_grad()
            F.cross_entropy(model(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    record = watched(program)
    for accuracy, strictly in ((0.9, True), (0.5, False)):
        for step in record.steps:
            step.accuracy = accuracy
        found, *more = list(gradients.unknown(record))
        assert found.cause == "parameter-not-optimized" and not found.certain and found.strictly is strictly
        assert found.otherwise == "info"
        # Where it does badly, the others are trained by an optimiser of their own as well, which has to gain much.
        assert [(other.cause, other.strictly, other.otherwise) for other in more] == (
            [] if strictly else [("parameter-not-optimized", True, "")]
        )


# Rows -----------------------------------------------------------------------------------------------------------------


def test_rows_are_told_apart_wherever_they_come() -> None:
    table = torch.randn(30, 7)
    numbers_ = told_apart(table.numpy())
    assert inside(told_apart(table[5:9].numpy()), numbers_).all()
    assert not inside(told_apart(torch.randn(4, 7).numpy()), numbers_).any()
    assert distinct(table.repeat(3, 1)) == 30


@pytest.mark.parametrize(("rows", "low"), [(20, True), (200, False)])
def test_rows_that_are_repeated_on_purpose_are_no_low_coverage(rows: int, low: bool) -> None:
    x = torch.randn(20, 4).repeat(10, 1) if not low else torch.randn(200, 4)
    model = nn.Linear(4, 2)

    def program() -> None:
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        for step in range(70):
            batch = x[torch.arange(10) + step * 10 % rows]
            optimizer.zero_grad()
            F.cross_entropy(model(batch), (batch[:, 0] > 0).long()).backward()
            optimizer.step()

    assert [s.cause for s in data.same_rows(watched(program))] == ["low-coverage"] * low


def test_rows_are_told_by_all_that_a_network_is_given() -> None:
    users, items = nn.Embedding(4, 3), nn.Embedding(6, 3)

    class Ratings(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.users, self.items = users, items

        def forward(self, user: Any, item: Any) -> Any:
            return (self.users(user) * self.items(item)).sum(-1)

    model = Ratings()
    pairs = torch.arange(24)

    def program() -> None:
        optimizer = optim.SGD(model.parameters(), lr=0.01)
        for _ in range(8):
            rows = torch.randperm(24)[:12]
            optimizer.zero_grad()
            F.binary_cross_entropy_with_logits(model(pairs[rows] % 4, pairs[rows] // 4), (rows % 2).float()).backward()
            optimizer.step()

    record = watched(program)
    assert len(np.unique(np.round(np.concatenate(record.rows), 6))) == 24
    assert not list(data.conflicting(record))


@pytest.mark.parametrize(("scale", "shift", "seen"), [(1.0, 0.0, True), (3e4, 2e5, True), (0.0, 1.0, False)])
def test_a_network_at_its_limits_does_not_ignore_its_input(scale: float, shift: float, seen: bool) -> None:
    model = nn.Sequential(nn.Linear(3, 8), nn.Sigmoid(), nn.Linear(8, 1), nn.Sigmoid())
    x = torch.randn(30, 3)

    def program() -> None:
        optimizer = optim.SGD(model.parameters(), lr=0.1)
        for _ in range(7):
            optimizer.zero_grad()
            F.binary_cross_entropy(model(x * scale + shift).squeeze(1), (x[:, 0] > 0).float()).backward()
            optimizer.step()

    assert [s.cause for s in model_rules.ignored(watched(program))] == ([] if seen else ["input-ignored"])


def gradient_after(treatments: list[Treatment], x: Any, y: Any, loss: Callable[[Any, Any], Any], out: int) -> Any:
    torch.manual_seed(1)
    model = nn.Linear(4, out)

    def program() -> None:
        loss(model(x), y).backward()

    watched(program, *treatments)
    assert model.weight.grad is not None
    return model.weight.grad.numpy()


@pytest.mark.parametrize("kind", ["cross_entropy", "nll", "binary"])
def test_rows_that_are_dropped_do_not_count(kind: str) -> None:
    x = torch.randn(12, 4)
    binary = kind == "binary"
    y = (x[:, 0] > 0).float() if binary else (x[:, 0] > 0).long() + 1

    def loss(out: Any, target: Any) -> Any:
        if binary:
            return F.binary_cross_entropy_with_logits(out.squeeze(1), target)
        return F.cross_entropy(out, target) if kind == "cross_entropy" else F.nll_loss(F.log_softmax(out, 1), target)

    dropped = DropRows(told_apart(x[:5].numpy()))
    out = 1 if binary else 3
    without = gradient_after([dropped], x, y, loss, out)
    meant = gradient_after([], x[5:], y[5:], loss, out)
    np.testing.assert_allclose(without, meant, rtol=1e-5, atol=1e-7)
    assert np.abs(without - gradient_after([], x, y, loss, out)).max() > 1e-3


@pytest.mark.parametrize(("kinds", "again", "leak"), [(16, 60, True), (16, 4, False), (2, 60, False)])
def test_rows_of_few_kinds_come_in_both_sets_by_nature(kinds: int, again: int, leak: bool) -> None:
    draw = np.random.default_rng(0)
    tokens = draw.integers(0, kinds, (900, 6))
    record = run([1.0] * 20)
    record.whole_numbers = True
    record.inputs, record.rows = [tokens[:700]], [told_apart(tokens[:700])]
    held = told_apart(tokens[700 - again : 900 - again])
    record.held_out = [HeldOutRecord(10, None, held, frozenset(("x_val",)))]
    assert [s.cause for s in held_out.leak(record)] == ["train-val-leak"] * leak


# The evaluation of the program ----------------------------------------------------------------------------------------


def evaluated(
    curve: Sequence[tuple[float | None, float | None]], rows: int = 200, train: float = 0.99
) -> ProgramRecord:
    """A run that was evaluated every ten steps, on rows that it was not trained on."""
    draw = np.random.default_rng(0)
    record = run(list(np.linspace(1.0, 0.01, 10 * len(curve))))
    record.rows = [draw.normal(size=50)]
    held = draw.normal(size=rows)
    record.held_out = [
        HeldOutRecord(10 * (i + 1), None, held, frozenset(("x_val",)), loss, accuracy)
        for i, (loss, accuracy) in enumerate(curve)
    ]
    record.final = FinalRecord(train)
    return record


@pytest.mark.parametrize(
    ("was", "now", "confirmed"),
    [
        ((0.9, 0.80), (0.3, 0.90), True),
        ((0.9, 0.80), (0.8, 0.81), False),
        ((0.9, 0.80), (0.3, 0.80), True),  # as right, and much surer of it
        ((0.9, 0.80), (0.3, 0.70), False),
        ((None, 0.80), (None, 0.88), True),
        ((0.9, None), (0.5, None), True),
        ((0.9, None), (0.7, None), False),
    ],
)
def test_by_its_own_evaluation_a_run_is_better(was: Any, now: Any, confirmed: bool) -> None:
    assert better_held_out(evaluated([was] * 5), evaluated([now] * 5)) is confirmed
    assert not better_held_out(evaluated([was] * 5), evaluated([now] * 2)), "it broke off"


def test_a_loss_that_rises_again_proves_itself() -> None:
    falls_and_rises = [(0.9, 0.7), (0.5, 0.8), (0.7, 0.8), (0.9, 0.78), (1.1, 0.78), (1.2, 0.77)]
    (found,) = list(held_out.overfitted(evaluated(falls_and_rises)))
    assert found.certain and found.curves["with the fix"] == [0.9, 0.5] and not found.treatments
    assert not list(held_out.overfitted(evaluated([(0.9, 0.7), (0.5, 0.8), (0.5, 0.8), (0.51, 0.8), (0.5, 0.81)])))


def test_a_gap_alone_has_to_be_confirmed() -> None:
    record = evaluated([(None, 0.75), (None, 0.7), (None, 0.65), (None, 0.65)])
    found = list(held_out.overfitted(record))
    assert [type(s.treatments[0]) for s in found] == [Shrink, Shrink]
    assert all(s.by_held_out and not s.certain and s.otherwise == "warning" for s in found)


def test_labels_that_are_doubted_have_to_be_confirmed() -> None:
    record = evaluated([(0.5, 0.92)] * 3, train=0.7)
    record.steps = [StepRecord(1 - i / 60, accuracy=0.3 + i / 100, count=20) for i in range(30)]
    record.targets = [np.arange(60) % 3]
    assert record.final is not None
    record.final.doubted = np.arange(7.0)
    for held in record.held_out:
        held.target = np.zeros(200)
    assert list(held_out.mislabelled(record)) == [], "rows that never come again may be made noisy"
    record.rows = [np.arange(20.0)] * 5
    (found,) = list(held_out.mislabelled(record))
    assert found.by_held_out and not found.certain and found.otherwise == "info"
    assert isinstance(found.treatments[0], DropRows)


@pytest.mark.slow
def test_wrong_labels_are_found_by_training_without_them(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(NOISY)
    report = examine_script(script, budget=60)
    assert [(f.cause, f.verified) for f in report.findings] == [("noisy-labels", True)]


NOISY = """
import torch
from torch import nn

torch.manual_seed(3)
x = torch.randn(700, 12)
y = (x @ torch.randn(12, 4)).argmax(1)
x_train, y_train, x_val, y_val = x[:500], y[:500].clone(), x[500:], y[500:]
wrong = torch.rand(500) < 0.4
y_train[wrong] = torch.randint(0, 4, (int(wrong.sum()),))
model = nn.Sequential(nn.Linear(12, 24), nn.ReLU(), nn.Linear(24, 4))
optimizer = torch.optim.SGD(model.parameters(), lr=0.1)
for epoch in range(12):
    for rows in torch.randperm(500).split(50):
        loss = nn.functional.cross_entropy(model(x_train[rows]), y_train[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        print((model(x_val).argmax(1) == y_val).float().mean().item())
"""


# Gradients that grow through time -------------------------------------------------------------------------------------


def recurrent(gain: float, steps: int = 12) -> Callable[[], None]:
    def program() -> None:
        into, again, out = nn.Linear(2, 10), nn.Linear(10, 10, bias=False), nn.Linear(10, 1)
        nn.init.orthogonal_(again.weight, gain=gain)
        network = nn.ModuleList([into, again, out])

        class Net(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.parts = network

            def forward(self, x: Any) -> Any:
                h = torch.zeros(len(x), 10)
                for t in range(steps):
                    h = torch.relu(into(x[:, t]) + again(h))
                return out(h)

        net = Net()
        optimizer = optim.SGD(net.parameters(), lr=1e-4)
        x = torch.randn(16, steps, 2)
        for _ in range(8):
            optimizer.zero_grad()
            F.mse_loss(net(x), x[:, 0, :1] * 3).backward()
            optimizer.step()

    return program


@pytest.mark.parametrize(("gain", "alternatives"), [(1.9, 3), (1.0, 0)])
def test_a_recurrence_that_stretches_is_tried_with_smaller_weights(gain: float, alternatives: int) -> None:
    found = list(numbers.exploding(watched(recurrent(gain))))
    assert len(found) == alternatives
    if found:
        assert "stretches by up to 1.9" in found[0].evidence
        assert [type(t).__name__ for s in found for t in s.treatments] == ["Clip", "Contract", "Clip", "FreshWeights"]


def test_weights_are_contracted_once() -> None:
    layer = nn.Linear(6, 6, bias=False)
    with torch.no_grad():
        layer.weight.mul_(9.0)
    contract = Contract()
    contract.module(layer, ())
    assert math.isclose(np.linalg.norm(layer.weight.detach().numpy(), 2), 1.0, rel_tol=1e-5)
    with torch.no_grad():
        layer.weight.mul_(3.0)
    contract.module(layer, ())
    assert math.isclose(np.linalg.norm(layer.weight.detach().numpy(), 2), 3.0, rel_tol=1e-5)


# Faults that hide each other ------------------------------------------------------------------------------------------

BOTH = """import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(200, 6)
y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
net = nn.Sequential(nn.Linear(6, 24), nn.ReLU(), nn.Linear(24, 4), nn.Softmax(dim=1))
optimizer = torch.optim.SGD(net.parameters(), lr=0.3)
for step in range(200):
    rows = torch.randint(0, 200, (20,))
    loss = nn.functional.cross_entropy(net(x[rows]), y[rows])
    loss.backward()
    optimizer.step()
"""


@pytest.mark.slow
def test_a_fault_that_only_helps_beside_another_is_proved_beside_it(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(BOTH)
    report = examine_script(script)
    said = {f.cause: f for f in report.findings}
    assert set(said) == {"missing-zero-grad", "double-softmax"}
    assert all(f.verified for f in said.values())
    assert said["double-softmax"].fork["beside"] == "missing-zero-grad"
    assert "with missing-zero-grad mended in both" in " ".join(str(report).split())


RING = """import torch
from torch import nn

torch.manual_seed(0)
x = torch.randn(500, 2)
y = (x.square().sum(1) > 1.4).long()
x_train, y_train, x_val, y_val = x[:400], y[:400], 9 * x[400:] + 20, y[400:]
net = nn.Sequential(nn.Linear(2, 16), nn.Linear(16, 2))
optimizer = torch.optim.Adam(net.parameters(), lr=0.02)
for epoch in range(12):
    for rows in torch.randperm(400).split(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(net(x_train[rows]), y_train[rows]).backward()
        optimizer.step()
    with torch.no_grad():
        print((net(x_val).argmax(1) == y_val).float().mean().item())
"""


@pytest.mark.slow
@pytest.mark.parametrize("as_trained", [False, True])
def test_an_evaluation_of_rows_far_off_beside_another_fault(tmp_path: Path, as_trained: bool) -> None:
    script = tmp_path / "train.py"
    script.write_text(RING.replace("9 * x[400:] + 20", "x[400:]") if as_trained else RING)
    said = {f.cause for f in examine_script(script).findings}
    assert said == {"no-nonlinearity"} | ({"train-val-preprocessing-mismatch"} if not as_trained else set())


@pytest.mark.filterwarnings("ignore:Using a target size")
def test_ops_have_the_keys_that_they_have_in_later_passes() -> None:
    def program() -> None:
        x, y = torch.randn(60, 3), torch.randn(60)
        y = (y - y.mean()) / y.std()  # a difference ahead of the first pass, and of no other
        network = nn.Linear(3, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.05)
        for i in range(0, 60, 20):
            optimizer.zero_grad()
            nn.MSELoss()(network(x[i : i + 20]), y[i : i + 20]).backward()
            optimizer.step()

    record = watched(program)
    assert record.start is not None and record.start.subtraction == record.loss.subtraction == ("sub", 0)


# Time -----------------------------------------------------------------------------------------------------------------


def test_what_was_cut_off_says_nothing_and_what_ran_away_does() -> None:
    was = run([1.0] * 100)
    assert says_nothing(was, run([1.0] * 40))
    assert not says_nothing(was, run([1.0] * 70))
    assert not says_nothing(was, run([1.0, *[math.nan] * 20]))


def test_a_fork_in_which_the_loss_became_no_number_ends() -> None:
    def program() -> None:
        network = nn.Linear(2, 1)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for _ in range(60):
            optimizer.zero_grad()
            (network(torch.ones(4, 2)) ** 2).mean().backward()
            optimizer.step()

    with pytest.raises(Enough):
        watched(program, LearningRate(1e30))
    assert len(watched(program).steps) == 60


@pytest.mark.slow
def test_where_the_time_was_up_nothing_is_called_healthy(tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "import torch\nfrom torch import nn\ntorch.manual_seed(0)\nx = torch.randn(200, 4)\n"
        "y = (x[:, 0] > 0).long()\nnet = nn.Linear(4, 2)\no = torch.optim.SGD(net.parameters(), lr=1e-7)\n"
        "for step in range(100):\n    o.zero_grad()\n    loss = nn.functional.cross_entropy(net(x), y)\n"
        "    loss.backward()\n    o.step()\n    sum(range(3_000_000))\n"
    )
    report = examine_script(script, budget=4)
    assert report.status == "inconclusive"
    assert "--budget" in report.reason
