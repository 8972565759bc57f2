"""The doctor for programs that train with pellucid: what the observer notes, what the rules say, whole programs."""

from __future__ import annotations

from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.core import state
from pellucid.doctor import examine_script
from pellucid.doctor.observed import joint
from pellucid.doctor.observed.compare import better, does_well, is_worse, outcome, stands
from pellucid.doctor.observed.criterion import LIKELIHOOD
from pellucid.doctor.observed.observer import Observer
from pellucid.doctor.observed.record import (
    LossRecord,
    MatchRecord,
    OptimizerRecord,
    ParameterRecord,
    ProgramRecord,
    StepRecord,
)
from pellucid.doctor.observed.rules import crash, data, gradients, held_out, model, numbers, rate
from pellucid.doctor.observed.search import STATED
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.uses import uses_framework
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched


def suspected(program: Callable[[], Any]) -> set[str]:
    record = watched(program)
    conditions = (*model.CONDITIONS, *numbers.CONDITIONS, *model.ANYHOW)
    return {s.cause for rule in (*STATED, *conditions) for s in rule(record)}


def classes(n: int = 60) -> tuple[Any, Any]:
    x = torch.randn(n, 4)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def net(*last: Any, first: Any = None) -> Any:
    return nn.Sequential(first or nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *last)


def train(
    network: Any,
    loss: Callable[[Any, Any], Any],
    x: Any,
    y: Any,
    optimizer: Any = None,
    steps: int = 24,
    zero: bool = True,
    batch: int = 20,
) -> None:
    optimizer = optimizer or optim.SGD(network.parameters(), lr=0.1)
    for step in range(steps):
        start = step * batch % len(x)
        if zero:
            optimizer.zero_grad()
        loss(network(x[start : start + batch]), y[start : start + batch]).backward()
        optimizer.step()


def healthy() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x, y)


def no_zero() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x, y, zero=False)


def twice() -> None:
    x, y = classes()
    train(net(nn.Softmax(dim=1)), nn.CrossEntropyLoss(), x, y)


def over_the_batch() -> None:
    x, y = classes()
    train(net(nn.LogSoftmax(dim=0)), nn.NLLLoss(), x, y)


def no_log() -> None:
    x, y = classes()
    train(net(), nn.NLLLoss(), x, y)


def broadcast() -> None:
    x, _ = classes()
    train(nn.Sequential(nn.Linear(4, 1)), nn.MSELoss(), x, x.sum(1))


def broadcast_written_out() -> None:
    x, _ = classes()
    train(nn.Sequential(nn.Linear(4, 1)), lambda out, y: ((out - y) ** 2).mean(), x, x.sum(1))


def single() -> None:
    x, _ = classes()
    train(nn.Sequential(nn.Linear(4, 1), nn.Softmax(dim=1)), nn.BCELoss(), x, (x[:, :1] > 0).float())


class Attention(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.inner, self.last = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        tokens = self.inner(x.reshape(-1, 1, 4).expand(-1, 5, 4))
        return self.last(torch.softmax(tokens @ tokens.transpose(1, 2), dim=0) @ tokens)[:, 0]


def heads_over_the_batch() -> None:
    x, y = classes()
    train(Attention(), nn.CrossEntropyLoss(), x, y)


def single_mask() -> None:
    x = torch.randn(200, 1, 6, 6)
    network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.ReLU(), nn.Conv2d(4, 1, 1))
    optimizer = optim.Adam(network.parameters(), lr=0.01)
    for step in range(60):
        rows = x[step % 20 * 10 : step % 20 * 10 + 10]
        mask, wanted = torch.softmax(network(rows), dim=1), (rows > 0.5).float()
        optimizer.zero_grad()
        (1 - (2 * (mask * wanted).sum() + 1) / (mask.sum() + wanted.sum() + 1)).backward()
        optimizer.step()


def rectified() -> None:
    x, y = classes()
    train(net(nn.ReLU()), nn.CrossEntropyLoss(), x, y)


def out_of_reach() -> None:
    x, _ = classes()
    train(nn.Sequential(nn.Linear(4, 1), nn.Sigmoid()), nn.MSELoss(), x, 5 * x[:, :1])


def climbing() -> None:
    x, y = classes()
    train(net(), lambda out, y: -F.cross_entropy(out, y), x, y)


def other_network() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x, y, optim.SGD(net().parameters(), lr=0.1))


def cut() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.a, self.b = nn.Linear(4, 8), nn.Linear(8, 3)

        def forward(self, x: Any) -> Any:
            return self.b(self.a(x).relu().detach())

    x, y = classes()
    train(Net(), nn.CrossEntropyLoss(), x, y)


def made_anew() -> None:
    x, y = classes()
    train(net(), lambda out, y: torch.tensor(F.cross_entropy(out, y).item(), requires_grad=True), x, y)


def no_step() -> None:
    x, y = classes()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for _ in range(5):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()


def nan_inputs() -> None:
    x, y = classes()
    x[3, 2] = float("nan")
    train(net(), nn.CrossEntropyLoss(), x, y)


def torn() -> None:
    x, y = classes()
    train(net(), lambda out, y: F.cross_entropy(out, y[torch.randperm(20)]), x, y)


def same_batch() -> None:
    x, y = classes(100)
    loader = DataLoader(TensorDataset(x, y), batch_size=10)
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for _ in range(40):
        a, b = next(iter(loader))
        optimizer.zero_grad()
        F.cross_entropy(network(a), b).backward()
        optimizer.step()


def in_order() -> None:
    x, y = classes()
    order = y.argsort()
    train(net(), nn.CrossEntropyLoss(), x[order], y[order], batch=10)


def one_value() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x, y * 0)


def straight() -> None:
    x, y = classes()
    train(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), nn.CrossEntropyLoss(), x, y)


def zeros() -> None:
    x, y = classes()
    network = net()
    for parameter in network.parameters():
        nn.init.constant_(parameter, 0.1)
    train(network, nn.CrossEntropyLoss(), x, y)


def two_layers_of_nothing() -> None:
    x, _ = classes()
    network = nn.Sequential(nn.Linear(4, 2), nn.Linear(2, 1))
    for parameter in network.parameters():
        nn.init.zeros_(parameter)
    train(network, nn.MSELoss(), x, x[:, :1] * 2 - x[:, 1:2])


def in_eval() -> None:
    x, y = classes()
    network = net(first=nn.Sequential(nn.BatchNorm1d(4), nn.Linear(4, 8)))
    network.eval()
    train(network, nn.CrossEntropyLoss(), x, y)


def evaluated_in_train() -> None:
    x, y = classes()
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    train(network, nn.CrossEntropyLoss(), x, y)
    with torch.no_grad():
        network(x)


def wrong_function() -> None:
    class Square(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, *args: Any) -> Any:
            ctx.save_for_backward(args[0])
            return args[0] ** 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * ctx.saved_tensors[0]

    x, y = classes()
    network = net()
    train(network, lambda out, y: F.cross_entropy(Square.apply(out), y), x, y)


def large_inputs() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x * 200, y)


def large_weights() -> None:
    x, y = classes()
    network = net()
    nn.init.normal_(network[2].weight, std=10.0)
    train(network, nn.CrossEntropyLoss(), x, y)


def much_dropout() -> None:
    x, y = classes()
    train(net(first=nn.Sequential(nn.Dropout(0.9), nn.Linear(4, 8))), nn.CrossEntropyLoss(), x, y)


def much_decay() -> None:
    x, y = classes()
    network = net()
    train(network, nn.CrossEntropyLoss(), x, y, optim.SGD(network.parameters(), lr=0.1, weight_decay=1.0))


def mixing() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer = nn.Linear(4, 3)

        def forward(self, x: Any) -> Any:
            return self.layer(x.t().reshape(20, 4))

    x, y = classes()
    train(Net(), nn.CrossEntropyLoss(), x, y)


def blind() -> None:
    x, y = classes()
    train(net(), lambda out, y: F.cross_entropy(out, y), x * 0, y)


def log_of_nothing() -> None:
    x, _ = classes()
    network = nn.Sequential(nn.Linear(4, 1), nn.ReLU())
    train(network, lambda out, y: -(y * torch.log(out)).mean(), x, (x[:, :1] > 0).float())


def leaking() -> None:
    x_train, y = classes(100)
    network = net()
    train(network, nn.CrossEntropyLoss(), x_train, y)
    x_test = x_train[:40]
    with torch.no_grad():
        network(x_test)


def clipped_to_nothing() -> None:
    x, y = classes()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for _ in range(24):
        optimizer.zero_grad()
        F.cross_entropy(network(x), y).backward()
        nn.utils.clip_grad_norm_(network.parameters(), 1e-5)
        optimizer.step()


def one_class_only() -> None:
    x, _ = classes(400)
    train(net(), nn.CrossEntropyLoss(), x, (torch.rand(400) > 0.95).long())


FAULTS = [
    (blind, "input-ignored"),
    (log_of_nothing, "log-of-zero"),
    (leaking, "train-val-leak"),
    (clipped_to_nothing, "lr-too-low"),
    (one_class_only, "class-imbalance"),
    (no_zero, "missing-zero-grad"),
    (twice, "double-softmax"),
    (over_the_batch, "softmax-wrong-axis"),
    (no_log, "wrong-loss-for-task"),
    (broadcast, "silent-broadcast-loss"),
    (broadcast_written_out, "silent-broadcast-loss"),
    (single, "softmax-single-unit"),
    (single_mask, "softmax-single-unit"),
    (rectified, "activation-before-loss"),
    (out_of_reach, "output-range-mismatch"),
    (climbing, "loss-sign-flipped"),
    (other_network, "parameter-not-optimized"),
    (cut, "detached-gradient"),
    (made_anew, "detached-gradient"),
    (no_step, "parameter-not-optimized"),
    (nan_inputs, "non-finite-data"),
    (torn, "labels-misaligned"),
    (same_batch, "low-coverage"),
    (in_order, "unshuffled-data"),
    (one_value, "constant-target"),
    (straight, "no-nonlinearity"),
    (zeros, "symmetric-init"),
    (two_layers_of_nothing, "symmetric-init"),
    (in_eval, "train-eval-mode"),
    (evaluated_in_train, "train-eval-mode"),
    (wrong_function, "wrong-backward"),
    (large_inputs, "input-not-scaled"),
    (large_weights, "init-too-large"),
    (much_dropout, "excessive-dropout"),
    (much_decay, "excessive-weight-decay"),
    (mixing, "samples-mixed"),
    (heads_over_the_batch, "softmax-wrong-axis"),
]


Y, CLASSES = torch.tensor([0.0, 1.0, 1.0]), torch.tensor([2, 0, 1])
ROWS, ONE_HOT = torch.arange(3), F.one_hot(CLASSES, 3)
BCE, NLL, MSE = "binary_cross_entropy", "nll_loss", "mse_loss"
LOSSES: list[tuple[str, Callable[[Any], Any], str, str]] = [
    ("bce", lambda z: -(Y * torch.log(probability(z)) + (1 - Y) * torch.log(1 - probability(z))).mean(), BCE, "mean"),
    ("bce in parts", lambda z: (-Y * probability(z).log() - (1 - Y) * (1 - probability(z)).log()).sum(), BCE, "sum"),
    ("bce clamped", lambda z: bce(probability(z).clamp(1e-6, 1 - 1e-6)).sum() / 3, BCE, "mean"),
    ("bce kept off 0", lambda z: bce(probability(z), 1e-8).sum() / len(Y), BCE, "mean"),
    ("bce of logits", lambda z: -logistic(z[:, 0]).mean(), BCE + "_with_logits", "mean"),
    ("nll by number", lambda z: -F.log_softmax(z, 1)[range(3), CLASSES].mean(), NLL, "mean"),
    ("nll by hand", lambda z: -(z - z.exp().sum(1, keepdim=True).log())[ROWS, CLASSES].sum(), NLL, "sum"),
    ("nll gathered", lambda z: -F.log_softmax(z, 1).gather(1, CLASSES[:, None]).mean(), NLL, "mean"),
    ("nll one hot", lambda z: -(ONE_HOT * F.log_softmax(z, 1)).sum(1).mean(), NLL, "mean"),
    ("nll over n", lambda z: -(ONE_HOT * F.log_softmax(z, 1)).sum() / 3, NLL, "mean"),
    ("likelihood", lambda z: -F.softmax(z, 1)[range(3), CLASSES].log().mean(), LIKELIHOOD, "mean"),
    ("squares", lambda z: ((z[:, 0] - Y) ** 2).sum(), MSE, "sum"),
    ("squares over n", lambda z: torch.square(Y - z[:, 0]).sum() / len(Y), MSE, "mean"),
    ("sizes", lambda z: (z[:, 0] - Y).abs().mean(), "l1_loss", "mean"),
    ("actions and their rewards", lambda z: -(F.log_softmax(z, 1)[range(3), CLASSES] * Y).mean(), "", ""),
    ("actions of a game", lambda z: -F.log_softmax(z, 1)[range(3), CLASSES].sum() * 0.7, "", ""),
    ("values of actions", lambda z: -z[range(3), CLASSES].mean(), "", ""),
    ("adversaries", lambda z: -(torch.log(probability(z)) + torch.log(1 - torch.sigmoid(z[:, 1]))).mean(), "", ""),
]


def probability(z: Any) -> Any:
    return torch.sigmoid(z)[:, 0]


def bce(p: Any, small: float = 0.0) -> Any:
    return -(Y * torch.log(p + small) + (1 - Y) * torch.log(1 - p + small))


def logistic(z: Any) -> Any:
    return Y * F.logsigmoid(z) + (1 - Y) * F.logsigmoid(-z)


@pytest.mark.parametrize(("loss", "kind", "reduction"), [row[1:] for row in LOSSES], ids=[row[0] for row in LOSSES])
@pytest.mark.parametrize("sign", [1.0, -1.0])
def test_a_loss_that_is_written_out(loss: Callable[[Any], Any], kind: str, reduction: str, sign: float) -> None:
    x = torch.randn(3, 4)
    weight = torch.randn(4, 3, requires_grad=True)

    def program() -> None:
        for _ in range(3):
            weight.grad = None
            (loss(x @ weight) if sign > 0 else -loss(x @ weight)).backward()

    record = watched(program)
    assert (record.loss.kind, record.loss.reduction) == (kind, reduction)
    if kind:
        assert record.factor == pytest.approx(sign)
        assert record.steps[0].loss == pytest.approx(float(loss(x @ weight).detach()))


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("program", "cause"), FAULTS, ids=[program.__name__ for program, _ in FAULTS])
def test_what_is_seen_of_a_fault(program: Callable[[], Any], cause: str) -> None:
    assert cause in suspected(program)


def accumulating() -> None:
    x, y = classes()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for step in range(24):
        rows = slice(step % 3 * 20, step % 3 * 20 + 20)
        F.cross_entropy(network(x[rows]), y[rows]).backward()
        if step % 4 == 3:
            optimizer.step()
            optimizer.zero_grad()


def adversaries() -> None:
    generator, critic = nn.Sequential(nn.Linear(2, 4)), nn.Sequential(nn.Linear(4, 1))
    steps = optim.Adam(generator.parameters()), optim.Adam(critic.parameters())
    for _ in range(12):
        real, fake = torch.randn(20, 4), generator(torch.randn(20, 2))
        steps[1].zero_grad()
        loss = F.binary_cross_entropy_with_logits(critic(real), torch.ones(20, 1))
        (loss + F.binary_cross_entropy_with_logits(critic(fake.detach()), torch.zeros(20, 1))).backward()
        steps[1].step()
        steps[0].zero_grad()
        F.binary_cross_entropy_with_logits(critic(fake), torch.ones(20, 1)).backward()
        steps[0].step()


def policy() -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = optim.Adam(network.parameters(), lr=0.01)
    for _ in range(12):
        chosen = torch.distributions.Categorical(logits=network(torch.randn(10, 3)))
        actions = chosen.sample()
        optimizer.zero_grad()
        (-chosen.log_prob(actions) * (actions.float() - 0.5)).mean().backward()
        optimizer.step()


def single_rows() -> None:
    x, y = classes()
    train(net(), nn.CrossEntropyLoss(), x, y, batch=1, steps=60)


def head_only() -> None:
    x, y = classes()
    network = net()
    for parameter in network[0].parameters():
        parameter.requires_grad_(False)
    train(network, nn.CrossEntropyLoss(), x, y, optim.SGD(network[2].parameters(), lr=0.1))


def evaluated_in_eval() -> None:
    x, y = classes()
    network = nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Dropout(0.5), nn.Linear(8, 3))
    train(network, nn.CrossEntropyLoss(), x, y)
    network.eval()
    with torch.no_grad():
        network(x)


def small_table() -> None:
    ids, y = torch.randint(0, 9, (60, 4)), torch.randint(0, 3, (60,))
    tokens = nn.Embedding(9, 400)
    train(nn.Sequential(tokens, nn.Flatten(), nn.Linear(1600, 3)), nn.CrossEntropyLoss(), ids, y)


def log_of_logs() -> None:
    x, y = classes()
    train(net(nn.LogSoftmax(dim=1)), nn.CrossEntropyLoss(), x, y)


@pytest.mark.parametrize(
    "program", [healthy, accumulating, adversaries, policy, single_rows, evaluated_in_eval, small_table, log_of_logs]
)
def test_nothing_is_seen_of_what_is_right(program: Callable[[], Any]) -> None:
    assert suspected(program) == set()


def test_updates_without_a_backward() -> None:
    def program() -> None:
        optimizer = optim.SGD(net().parameters(), lr=0.1)
        for _ in range(5):
            optimizer.step()

    assert [s.cause for s in gradients.no_backward(watched(program))] == ["parameter-not-optimized"]
    assert not list(gradients.no_backward(watched(healthy)))


def test_a_wrong_function_is_shown_by_its_def() -> None:
    (found,) = gradients.functions(watched(wrong_function))
    assert found.place is not None
    assert Path(found.place[0]).read_text(encoding="utf-8").splitlines()[found.place[1] - 1].lstrip().startswith("def ")


def test_labels_that_go_with_nothing() -> None:
    def program(torn: bool) -> None:
        x, y = classes(400)
        train(net(), nn.CrossEntropyLoss(), x, y[torch.randperm(400)] if torn else y)

    assert [s.cause for s in data.unrelated(watched(lambda: program(True)))] == ["labels-misaligned"]
    assert not list(data.unrelated(watched(lambda: program(False))))


def test_frozen_layers_are_certain_of_nothing() -> None:
    record = watched(head_only)
    found = [s for rule in STATED for s in rule(record)]
    assert [s.cause for s in found] == ["parameter-not-optimized"]
    assert not found[0].certain and found[0].strictly


def test_the_observer_leaves_no_trace() -> None:
    before = nn.Module.__call__, torch.Tensor.backward, optim.SGD.step, F.cross_entropy, nn.MSELoss.function
    watched(healthy)
    after = nn.Module.__call__, torch.Tensor.backward, optim.SGD.step, F.cross_entropy, nn.MSELoss.function
    assert before == after
    assert state.interpreters == () and not [w for w in state.watchers if isinstance(w, Observer)]


def test_the_observer_changes_no_number() -> None:
    results: list[Any] = []

    def program() -> None:
        x, y = classes()
        network = nn.Sequential(nn.Linear(4, 8), nn.Dropout(0.2), nn.BatchNorm1d(8), nn.Linear(8, 3))
        train(network, nn.CrossEntropyLoss(), x, y)
        results.append(network[0].weight.tolist())

    torch.manual_seed(0)
    program()
    watched(program)
    assert results[0] == results[1]


def test_the_observer_keeps_the_options_of_a_loss() -> None:
    x, _ = classes()

    def program() -> None:
        train(nn.Sequential(nn.Linear(4, 1)), nn.MSELoss(reduction="sum"), x, x[:, :1], steps=2)

    record = watched(program)
    assert record.loss.reduction == "sum" and record.factor == pytest.approx(1.0)
    assert record.losses[0] > 1.0


def test_what_is_noted() -> None:
    record = watched(healthy)
    assert len(record.steps) == 24 and record.optimizers[0].name == "SGD" and record.optimizers[0].steps == 24
    assert record.loss.kind == "cross_entropy" and record.loss.reduction == "mean"
    assert record.loss.place is not None and Path(record.loss.place[0]).name == Path(__file__).name
    assert [p.name for p in record.parameters.values()] == ["0.weight", "0.bias", "2.weight", "2.bias"]
    assert all(p.known and p.used and p.reached and p.moved > 0 for p in record.parameters.values())
    assert [what for what, _ in record.events[:4]] == ["zero_grad", "backward", "step", "zero_grad"]
    assert [op.key[0] for op in record.loss.body] == ["linear", "relu", "linear"]


# Rules on records ----------------------------------------------------------------------------------------------------


def run(*losses: float, accuracy: float | None = None, lr: float = 0.1) -> ProgramRecord:
    record = ProgramRecord([StepRecord(loss, accuracy=accuracy, count=20) for loss in losses])
    record.optimizers = [OptimizerRecord("SGD", {"lr": lr})]
    return record


def test_which_run_is_better() -> None:
    flat, falling = run(*[1.0] * 50), run(*[1.0 - i / 51 for i in range(50)])
    assert better(flat, falling) and better(flat, falling, strictly=True)
    assert not better(falling, flat) and not better(flat, flat)
    assert not better(flat, run(1.0, 0.5)), "a run that broke off says nothing"
    assert better(run(*[float("nan")] * 50), falling) and not better(falling, run(*[float("nan")] * 50))
    assert outcome(flat).progress == 0 and outcome(falling).progress > 0.8 and not does_well(flat)


def test_a_direction_of_rates_that_is_left() -> None:
    falling = run(*[1.0 - i / 51 for i in range(50)])
    assert is_worse(falling, run(*[1.0] * 50)) and is_worse(falling, run(*[float("nan")] * 50))
    assert not is_worse(falling, falling) and not is_worse(falling, None), "what is no worse may be better further on"
    assert not is_worse(run(*[float("nan")] * 50), run(*[float("nan")] * 50))
    flat = run(*[1.0] * 50)
    flat.loss.kind = "mse_loss"
    flat.parameters["w"] = ParameterRecord("w", (2, 2), moved=0.5)
    assert sorted(s.direction for s in rate.near(flat) if s.beyond) == [-1, 1]
    flat.parameters["w"].moved = 0.001
    assert {s.direction for s in rate.near(flat)} == {1}, "what moved nothing cannot have stepped too far"
    lost = run(*[1.0] * 20, *[float("nan")] * 30)
    lost.parameters["w"] = ParameterRecord("w", (2, 2), moved=float("nan"))
    assert {s.direction for s in rate.near(lost)} == {-1}


def classified(accuracy: float, loss: float) -> ProgramRecord:
    record = ProgramRecord(steps=[StepRecord(loss, accuracy=accuracy, count=50) for _ in range(40)])
    record.targets = [np.arange(50) % 2]
    record.optimizers = [OptimizerRecord("Adam", {"lr": 1e-6})]
    return record


def test_treatments_that_help_only_together() -> None:
    stood, learnt = classified(0.5, 0.7), classified(0.9, 0.2)
    assert stands(stood) and not stands(learnt)
    off = [Suspicion("dead-units", "", "", "", measured={"way": way}) for way in (1, 2)]
    decayed = Suspicion("excessive-weight-decay", "", "", "")
    alone = [(off[0], stood), (off[1], classified(0.5, 0.6)), (decayed, stood)]
    tried = joint.attempts(stood, alone)
    assert tried[0] == [off[1], decayed], "of each cause the treatment that did best"
    assert [off[0], decayed] in tried and any(part.cause == "lr-too-low" for parts in tried for part in parts)
    assert joint.attempts(stood, []) == []
    assert joint.helps([off[0], decayed], stood, learnt) and not joint.helps([off[0]], stood, classified(0.6, 0.6))
    assert joint.as_good([decayed], stood, learnt, learnt) and not joint.as_good([decayed], stood, stood, learnt)


def test_what_decays_by_itself_is_looked_at_where_it_takes_much() -> None:
    def decays(name: str, lr: float, steps: int) -> bool:
        record = run(*[1.0] * 20)
        record.optimizers = [OptimizerRecord(name, {"lr": lr, "weight_decay": 0.01}, steps=steps)]
        return any(True for _ in model.decay(record))

    assert decays("SGD", 0.1, 20) and decays("AdamW", 0.1, 300)
    assert not decays("AdamW", 1e-3, 300), "its default takes 0.3 % off the weights"


def prepared(won: int, lost: int, again: bool, off: float = 2.7) -> bool:
    rows = torch.arange(40).numpy().astype(float)
    record = ProgramRecord(rows=[rows, rows] if again else [rows, rows + 100])
    record.matched = MatchRecord("another scale", 0.95, 0.95 + (won - lost) / 450, off, "", True, won, lost)
    return any(True for _ in held_out.prepared(record))


def test_a_preparation_that_costs_a_few_rows() -> None:
    assert prepared(9, 1, again=True)
    assert not prepared(9, 5, again=True), "as many as by chance"
    assert not prepared(9, 1, again=False), "rows of the training that never come again may be made noisy"
    assert not prepared(9, 1, again=True, off=1.2)


def test_large_gradients_of_a_sum() -> None:
    def exploding(reduction: str, *norms: float) -> bool:
        record = run(*[1.0] * len(norms))
        record.loss = LossRecord("mse_loss", reduction=reduction, prediction=np.zeros((50, 1)))
        for step, norm in zip(record.steps, norms, strict=True):
            step.norm = norm
        return any(True for _ in numbers.exploding(record))

    assert exploding("mean", *[200.0] * 8) and not exploding("sum", *[200.0] * 8)
    assert not exploding("mean", 1.0, 2.0, 40.0, 1e5, float("inf"), float("nan")), "thrown off by its steps"


def test_gradients_that_are_large_as_the_loss_was() -> None:
    def exploding(end: float) -> bool:
        record = run(*np.geomspace(8.0, end, 40))
        for step in record.steps:
            step.norm = 4.0 * step.loss
        return any(True for _ in numbers.exploding(record))

    assert not exploding(1e-4) and exploding(0.1)


def test_the_names_of_rates() -> None:
    up_again = [*[1.0 - i / 60 for i in range(50)], *[2.0] * 50]
    names = [s.cause for s in rate.trials(run(*up_again))]
    assert names == ["late-instability", "late-instability", "lr-too-low", "lr-too-low"]
    assert [s.cause for s in rate.trials(run(*[1.0] * 20))][2] == "too-few-updates"
    assert next(rate.trials(run(*[1.0] * 200))).cause == "lr-too-high"


@pytest.mark.parametrize(
    ("said", "cause"),
    [
        ("RuntimeError: element 0 of tensors does not require grad and does not have a grad_fn", "detached-gradient"),
        ("IndexError: Target 3 is out of bounds.", "labels-out-of-range"),
    ],
)
def test_what_an_error_says(said: str, cause: str) -> None:
    assert [s.cause for s in crash.crashed(ProgramRecord(error=said))] == [cause]
    assert not list(crash.crashed(ProgramRecord(error="ValueError: something else")))


def test_an_evaluation_with_a_graph_is_no_pass_of_the_training() -> None:
    def program() -> None:
        x, y = classes()
        network = net()
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            for rows in torch.randperm(60).split(20):
                optimizer.zero_grad()
                F.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()
            network(x).argmax(1)

    record = watched(program)
    assert {len(rows) for rows in record.rows} == {20} and record.final is not None
    assert [op.key for op in record.loss.body if op.key[0] == "relu"] == [("relu", 0)]


def test_units_that_are_off_are_tried_with_a_slope() -> None:
    def program() -> None:
        x, y = classes()
        network = net()
        nn.init.constant_(network[0].bias, -6.0)
        train(network, nn.CrossEntropyLoss(), x, y)

    tried = [s.treatments[0] for s in model.dead(watched(program))]
    assert [type(t).__name__ for t in tried] == ["FreshWeights", "Replace"]
    x = torch.tensor([-1.0, 2.0])
    assert tried[1].result(("relu", 0), (x,), F.relu(x)).tolist() == pytest.approx([-0.1, 2.0])
    assert tried[1].result(("relu", 1), (x,), F.relu(x)).tolist() == [0.0, 2.0], "another rectifier"


def test_which_programs_are_meant(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text("import helper\n")
    (tmp_path / "helper.py").write_text("from torch import nn\n")
    (tmp_path / "plain.py").write_text("import numpy as np\n")
    assert uses_framework(tmp_path / "train.py") and not uses_framework(tmp_path / "plain.py")


# Whole programs ------------------------------------------------------------------------------------------------------

PROGRAM = """
import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.randn(400, 10)
y = (x @ torch.randn(10, 3)).argmax(1)
model = nn.Sequential(nn.Linear(10, 32), nn.ReLU(), nn.Linear(32, 3))
optimizer = torch.optim.Adam(model.parameters(), lr=0.01)
for epoch in range(10):
    order = torch.randperm(400)
    for i in range(0, 400, 40):
        batch = order[i : i + 40]
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
"""


def changed(*pairs: tuple[str, str]) -> str:
    source = PROGRAM
    for old, new in pairs:
        assert source.count(old) == 1
        source = source.replace(old, new)
    return source


WHOLE = [
    ((), None, 0),
    ((("        optimizer.zero_grad()\n", ""), ("lr=0.01", "lr=0.05")), "missing-zero-grad", 15),
    ((("lr=0.01", "lr=1e-6"),), "lr-too-low", 9),
    ((("Adam", "SGD"), ("lr=0.01", "lr=300.0")), "lr-too-high", 9),
    ((("optimizer.step()", "pass"),), "parameter-not-optimized", 16),
    ((("Linear(32, 3))", "Linear(32, 3), nn.Softmax(1))"),), "double-softmax", 8),
]
OFF = """optimizer = torch.optim.Adam(model.parameters(), lr=0.01, weight_decay=2)
nn.init.constant_(model[0].bias, -9.0)
"""


@pytest.mark.parametrize(
    ("pairs", "cause", "line"),
    [pytest.param(*row, marks=[] if i < 2 else pytest.mark.slow) for i, row in enumerate(WHOLE)],
)
def test_whole_programs(tmp_path: Path, pairs: Any, cause: str | None, line: int) -> None:
    script = tmp_path / "train.py"
    script.write_text(changed(*pairs))
    report = examine_script(script, budget=60)
    assert report.reason == ""
    if cause is None:
        assert report.status == "healthy" and report.findings == []
        return
    assert report.status == "faults" and report.exit_code == 1
    assert [(f.cause, f.line) for f in report.findings] == [(cause, line)]
    assert report.findings[0].code == changed(*pairs).splitlines()[line - 1].strip()
    assert report.findings[0].fork or cause == "parameter-not-optimized"


@pytest.mark.slow
def test_two_faults_that_hide_each_other(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(changed(("optimizer = torch.optim.Adam(model.parameters(), lr=0.01)\n", OFF)))
    report = examine_script(tmp_path / "train.py", budget=60)
    assert {f.cause for f in report.findings if f.verified} == {"dead-units", "excessive-weight-decay"}


LAYERS_AND_A_RATE = """
import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.randn(400, 2)
y = (LABELS).long()
model = nn.Sequential(nn.Linear(2, 32), nn.Linear(32, 2))
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
for epoch in range(30):
    for batch in torch.randperm(400).split(40):
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x[batch]), y[batch])
        loss.backward()
        optimizer.step()
"""


@pytest.mark.slow
@pytest.mark.parametrize(
    ("labels", "found"),
    [("x[:, 0] + x[:, 1].abs() > 0.8", {"lr-too-low", "no-nonlinearity"}), ("x[:, 0] + x[:, 1] > 0", {"lr-too-low"})],
    ids=["curved", "straight"],
)
def test_layers_whose_lack_of_activations_shows_at_a_higher_rate(labels: str, found: set[str], tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(LAYERS_AND_A_RATE.replace("LABELS", labels))
    report = examine_script(tmp_path / "train.py", budget=60)
    assert {finding.cause for finding in report.findings if finding.severity == "error"} == found


def test_which_higher_rates_are_tried_with_activations() -> None:
    def program() -> None:
        x, y = classes()
        train(nn.Sequential(nn.Linear(4, 8), nn.Linear(8, 3)), nn.CrossEntropyLoss(), x, y)

    bare = watched(program)
    rates = list(rate.trials(bare, (0.1, 10.0, 100.0, 1000.0)))
    confirmed = [(s, bare) for s in rates]
    tried = joint.at_higher_rates(rates[1], confirmed)
    assert [s.cause for s, _ in tried] == ["no-nonlinearity"] * 2
    assert [s.treatments[0] for s, _ in tried] == [r.treatments[0] for r in rates[2:]], "with the rate of its run"
    assert joint.at_higher_rates(rates[-1], confirmed) == []
    assert joint.at_higher_rates(rates[0], [(s, watched(healthy)) for s in rates]) == [], "there are activations"
