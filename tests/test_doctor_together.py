"""Faults that stand beside each other in programs that train with a framework: what a record says of each of them."""

import time
from pathlib import Path
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor import examine_script
from pellucid.doctor.observed.findings import finding_of
from pellucid.doctor.observed.laboratory import Laboratory
from pellucid.doctor.observed.record import OptimizerRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, loss, model, objective, rate, scale
from pellucid.doctor.observed.search import GROUPS, Search, _makes_targets
from pellucid.doctor.observed.treatments import Bypass, ScaleGradients
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, Dataset
from tests.watching import watched


def table(rows: int = 80) -> tuple[Any, Any]:
    x = torch.randn(rows, 4)
    return x, (x[:, 0] > 0).long() + (x[:, 1] > 0).long()


def net(*last: Any) -> Any:
    return nn.Sequential(nn.Linear(4, 8), nn.ReLU(), nn.Linear(8, 3), *last)


def trained(
    network: Any, x: Any, y: Any, rate: float = 0.1, steps: int = 24, decay: float = 0.0, how: Any = None
) -> None:
    optimizer = optim.SGD(network.parameters(), lr=rate, weight_decay=decay)
    for step in range(steps):
        rows = slice(step % 8 * 10, step % 8 * 10 + 10)
        optimizer.zero_grad()
        (how or F.cross_entropy)(network(x[rows]), y[rows]).backward()
        optimizer.step()


def row_by_row() -> None:
    x, y = table()
    network = net()
    trained(network, x, y)
    with torch.no_grad():
        [(network(x[i : i + 1]).argmax(1) == y[i]).item() for i in range(60)]


def each_epoch() -> None:
    x, y = table()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for _ in range(24):
        optimizer.zero_grad()
        F.cross_entropy(network(x[:60]), y[:60]).backward()
        optimizer.step()
        with torch.no_grad():
            F.cross_entropy(network(x[60:]), y[60:]).item()


def worth() -> None:
    x, _ = table()
    network = nn.Linear(4, 1)
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for step in range(24):
        with torch.no_grad():
            target = 1 + 0.9 * network(x[step + 1 : step + 11])
        optimizer.zero_grad()
        F.mse_loss(network(x[step : step + 10]), target).backward()
        optimizer.step()


def played() -> None:
    x, y = table()
    network = net()
    for _ in range(6):
        with torch.no_grad():
            [network(x[i : i + 1]).softmax(1) for i in range(20)]
        trained(network, x, y, steps=4)


@pytest.mark.parametrize(("program", "made"), [(row_by_row, False), (each_epoch, False), (worth, True), (played, True)])
def test_what_a_network_is_compared_with_is_no_target_of_its_own_making(program: Any, made: bool) -> None:
    assert _makes_targets(watched(program)) is made


def test_numbers_from_0_to_1_are_no_logits_of_several_classes() -> None:
    x, y = table()
    (found,) = loss.cut_logits(watched(lambda: trained(net(nn.Sigmoid()), x, y)))
    assert found.certain
    assert "cannot come below 0.551" in found.evidence
    (two,) = loss.cut_logits(watched(lambda: trained(nn.Sequential(nn.Linear(4, 2), nn.Sigmoid()), x, y % 2)))
    assert not two.certain


@pytest.mark.parametrize("way", [1, -1])
def test_rows_that_are_sorted_by_a_real_target(way: int) -> None:
    x = torch.randn(80, 4)
    y = x[:, :1] + 0.1 * torch.randn(80, 1)
    network = nn.Linear(4, 1)
    order = (way * y[:, 0]).argsort()
    (found,) = data.ascending(watched(lambda: trained(network, x[order], y[order], 0.01, how=F.mse_loss)))
    assert found.cause == "unshuffled-data"
    assert not list(data.ascending(watched(lambda: trained(network, x, y, 0.01, how=F.mse_loss))))


def test_a_series_in_its_own_order_is_not_sorted() -> None:
    wave = torch.sin(torch.arange(90) * 0.1)
    x, y = torch.stack([wave[i : i + 4] for i in range(80)]), wave[4:84, None]
    assert not list(data.ascending(watched(lambda: trained(nn.Linear(4, 1), x, y, 0.01, how=F.mse_loss))))


def test_inputs_whose_mean_hides_how_they_differ() -> None:
    x, y = table()
    (found,) = scale.scale(watched(lambda: trained(net(), 0.01 * x - 2.1, y)))
    assert found.cause == "input-not-scaled"
    assert not list(scale.scale(watched(lambda: trained(net(), x - 1, y))))


def only_before_the_loop() -> None:
    x, y = table()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    optimizer.zero_grad()
    for step in range(24):
        F.cross_entropy(network(x[step : step + 10]), y[step : step + 10]).backward()
        optimizer.step()


def of_inputs_first() -> None:
    x, y = table()
    network = net()
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for step in range(24):
        rows = x[step : step + 10].clone().requires_grad_()
        F.cross_entropy(network(rows), y[step : step + 10]).backward()
        optimizer.zero_grad()
        F.cross_entropy(network(rows.detach() + 0.1 * rows.grad.sign()), y[step : step + 10]).backward()
        optimizer.step()


def test_gradients_that_are_cleared_only_once() -> None:
    (found,) = gradients.stale(watched(only_before_the_loop))
    assert found.otherwise == "error"
    assert not list(gradients.stale(watched(of_inputs_first)))


def test_an_error_stays_where_it_does_no_harm_beside_another_remedy() -> None:
    search = Search(Laboratory(0.0), watched(only_before_the_loop))
    (suspicion,) = gradients.stale(search.base)
    for severity in ("error", "info"):
        finding = finding_of(suspicion, search.base, None)
        finding.severity = severity
        search._add(finding)
    assert [f.severity for f in search.found] == ["error"]


class Square(torch.autograd.Function):
    """Whose backward is wrong where both axes are of one length."""

    @staticmethod
    def forward(ctx: Any, x: Any, weight: Any) -> Any:
        ctx.save_for_backward(x, weight)
        return x @ weight.T

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, weight = ctx.saved_tensors
        return g @ (weight.T if weight.shape[0] == weight.shape[1] else weight), g.T @ x


def layers() -> None:
    x, y = table()
    weights = [torch.randn(*shape, requires_grad=True) for shape in ((8, 4), (8, 8), (3, 8))]
    for _ in range(5):
        h = x
        for weight in weights:
            h = torch.tanh(Square.apply(h, weight))
        F.cross_entropy(h, y).backward()


def test_a_function_is_asked_of_all_that_it_is_given() -> None:
    assert [s.cause for s in gradients.functions(watched(layers))] == ["wrong-backward"]


def test_a_heavy_decay_of_what_does_well() -> None:
    x, y = table()

    def decayed(decay: float) -> ProgramRecord:
        record = watched(lambda: trained(net(), x, y, decay=decay))
        for step in record.steps:
            step.accuracy, step.loss = 1.0, 0.1
        return record

    assert [s.cause for s in model.decay(decayed(0.5))] == ["excessive-weight-decay"]
    assert not list(model.decay(decayed(0.01)))


def test_the_end_of_a_run_is_asked_with_what_treats_its_network() -> None:
    x = torch.randn(80, 4)
    y = x[:, :1] - 3
    network = nn.Sequential(nn.Linear(4, 1), nn.ReLU())
    nn.init.constant_(network[0].bias, 1.0)
    run = watched(lambda: trained(network, x, y, 0.1, 80, how=F.mse_loss), Bypass(("relu", 0)))
    assert run.final is not None and run.final.loss is not None and run.final.loss < 0.1


TWO = """
import torch
import torch.nn as nn

torch.manual_seed(0)
x = torch.randn(400, 2)
y = (x[:, 0] > 0).long() + 2 * (x[:, 1] > 0).long()
model = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 4), nn.Sigmoid())
optimizer = torch.optim.SGD(model.parameters(), lr=1e-5)
for epoch in range(15):
    for batch in torch.randperm(400).split(20):
        optimizer.zero_grad()
        nn.functional.cross_entropy(model(x[batch]), y[batch]).backward()
        optimizer.step()
"""


@pytest.mark.slow
def test_an_output_that_is_cut_and_a_rate_at_which_nothing_shows(tmp_path: Path) -> None:
    (tmp_path / "train.py").write_text(TWO)
    report = examine_script(tmp_path / "train.py", budget=60)
    assert [f.cause for f in report.findings] == ["activation-before-loss", "lr-too-low"]


class Graph(nn.Module):
    """A layer whose weight is no Parameter."""

    def __init__(self, inputs: int, outputs: int) -> None:
        super().__init__()
        self.weight = torch.randn(inputs, outputs, requires_grad=True)
        self.bias = nn.Parameter(torch.zeros(outputs))

    def forward(self, x: Any) -> Any:
        return x @ self.weight + self.bias


def plain(by_hand: bool) -> ProgramRecord:
    x, y = table()
    layer = Graph(4, 3)

    def moved(logits: Any, target: Any) -> Any:
        if by_hand and layer.weight.grad is not None:
            with torch.no_grad():
                layer.weight -= 0.1 * layer.weight.grad
            layer.weight.grad = None
        return F.cross_entropy(logits, target)

    return watched(lambda: trained(layer, x, y, how=moved))


def test_a_weight_that_is_no_parameter() -> None:
    (found,) = gradients.unknown(plain(False))
    assert found.certain
    assert "weight gets a gradient and is known to no optimiser" in found.evidence
    assert (
        found.place is not None and "torch.randn" in Path(found.place[0]).read_text().splitlines()[found.place[1] - 1]
    )
    assert not list(gradients.unknown(plain(True)))


@pytest.mark.slow
def test_a_budget_is_kept_where_much_is_tried(tmp_path: Path) -> None:
    slowly = TWO.replace("range(15)", "range(4000)").replace(
        "        optimizer.step()", "        optimizer.step(); time.sleep(0.01)"
    )
    (tmp_path / "train.py").write_text("import time\n" + slowly)
    began = time.monotonic()
    report = examine_script(tmp_path / "train.py", budget=12)
    assert time.monotonic() - began < 20
    assert report.status in ("faults", "inconclusive")


def test_an_evaluation_at_the_end_that_keeps_its_graph() -> None:
    x, y = table()
    network = net()

    def program() -> None:
        trained(network, x, y)
        network.eval()
        (network(x).argmax(1) == y).float().mean().item()

    (held,) = watched(program).held_out
    assert held.accuracy is not None and len(held.rows) == 80


def test_a_training_in_eval_is_no_evaluation() -> None:
    x, y = table()
    network = net()

    def program() -> None:
        trained(network, x, y)
        network.eval()
        trained(network, x, y)

    record = watched(program)
    assert len(record.steps) == 48 and record.steps[-1].accuracy is not None


def proximal(sign: int) -> ProgramRecord:
    network = nn.Sequential(nn.Linear(3, 8), nn.Tanh(), nn.Linear(8, 2))
    optimizer = optim.Adam(network.parameters(), lr=0.01)

    def program() -> None:
        for _ in range(24):
            states = torch.randn(10, 3)
            old = torch.distributions.Categorical(logits=network(states).detach())
            actions = old.sample()
            advantage = actions.float() - 0.5
            now = network(states).softmax(1).gather(1, actions[:, None])[:, 0]
            ratio = torch.exp(torch.log(now) - old.log_prob(actions))
            least = torch.min(ratio * advantage, torch.clamp(ratio, 0.8, 1.2) * advantage)
            optimizer.zero_grad()
            (sign * least + F.smooth_l1_loss(network(states).mean(1), advantage)).mean().backward()
            optimizer.step()

    return watched(program)


def test_a_ratio_of_probabilities_that_rewards_weigh() -> None:
    right, wrong = proximal(-1), proximal(1)
    assert right.rewarded and not list(loss.punishing(right)) and not Search(Laboratory(0.0), right).learns
    assert [s.cause for s in loss.punishing(wrong)] == ["loss-sign-flipped"]


@pytest.mark.parametrize("made", [0.0, 0.001])
def test_a_warm_up_that_never_ends(made: float) -> None:
    falls = [2.0 - 0.018 * i for i in range(100)] + [0.2 + 0.01 * i for i in range(300)]
    rates = [1e-4 * (i + 1) for i in range(400)]
    record = ProgramRecord(steps=[StepRecord(value) for value in falls])
    record.optimizers = [OptimizerRecord("Adam", {"lr": made}, rates=rates, steps=400)]
    (found,) = rate.scheduled(record)
    assert found.cause == "late-instability"
    record.optimizers[0].rates = [min(value, 0.012) for value in rates]
    assert not list(rate.scheduled(record)) or made


@pytest.mark.slow
def test_what_else_is_wrong_behind_labels_for_which_a_program_ends(tmp_path: Path) -> None:
    counted = TWO.replace("2 * (x[:, 1] > 0).long()", "2 * (x[:, 1] > 0).long() + 1").replace(", nn.Sigmoid()", "")
    (tmp_path / "train.py").write_text(counted)
    report = examine_script(tmp_path / "train.py", budget=60)
    assert [f.cause for f in report.findings] == ["labels-off-by-one", "lr-too-low"]


def test_a_usual_rate_of_what_is_cut_off_on_purpose_is_not_too_low() -> None:
    record = ProgramRecord(steps=[StepRecord(1.5 + 0.01 * i) for i in range(100)])
    record.optimizers = [OptimizerRecord("Adam", {"lr": 0.001}, steps=100)]
    assert {s.direction for s in rate.near(record)} == {-1, 1}
    record.detached[("train.py", 20)] = 2
    assert {s.direction for s in rate.near(record)} == {-1}
    record.optimizers = [OptimizerRecord("Adam", {"lr": 1e-6}, steps=100)]
    assert 1 in {s.direction for s in rate.near(record)}


class Rows(Dataset[Any]):
    def __init__(self, length: int) -> None:
        (self.x, self.y), self.length = table(400), length

    def __len__(self) -> int:
        return self.length

    def __getitem__(self, i: int) -> Any:
        return self.x[i], self.y[i]


@pytest.mark.parametrize(("length", "found"), [(8, ["low-coverage"]), (300, [])])
def test_a_length_that_is_no_number_of_rows(length: int, found: list[str]) -> None:
    def program() -> None:
        network, loader = net(), DataLoader(Rows(length), batch_size=8, shuffle=True)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(12):
            for x, y in loader:
                optimizer.zero_grad()
                F.cross_entropy(network(x), y).backward()
                optimizer.step()

    assert [s.cause for s in data.same_rows(watched(program))] == found


def test_a_training_in_half_precision_is_watched() -> None:
    x, y = table()

    class Half(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.within = net()

        def forward(self, rows: Any) -> Any:
            with torch.autocast("cpu", dtype=torch.bfloat16):
                return self.within(rows)

    record = watched(lambda: trained(Half(), x, y))
    assert record.loss.kind == "cross_entropy" and record.steps[-1].accuracy is not None
    assert record.final is not None and record.final.accuracy is not None


RECURRENT: dict[str, tuple[Any, float, str, list[str]]] = {
    "states": (lambda: nn.LSTM(2, 2), 4.0, "states", ["output-range-mismatch"]),
    "last states": (lambda: nn.LSTM(2, 2), 4.0, "last", ["output-range-mismatch"]),
    "gated": (lambda: nn.GRU(2, 2, batch_first=True), 4.0, "states", ["output-range-mismatch"]),
    "within reach": (lambda: nn.LSTM(2, 2), 0.4, "states", []),
    "of unit scale": (lambda: nn.LSTM(2, 2), 1.0, "states", []),
    "cells": (lambda: nn.LSTM(2, 2), 4.0, "cells", []),
    "projected": (lambda: nn.LSTM(2, 3, proj_size=2), 4.0, "states", []),
    "rectified": (lambda: nn.RNN(2, 2, nonlinearity="relu"), 4.0, "states", []),
    "with a layer": (lambda: nn.LSTM(2, 2), 4.0, "layer", []),
}


@pytest.mark.parametrize("case", RECURRENT)
def test_targets_beyond_the_states_of_a_recurrence(case: str) -> None:
    make, size, what, causes = RECURRENT[case]

    def program() -> None:
        network, last, x = make(), nn.Linear(2, 2), size * torch.randn(5, 12, 2)
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(12):
            optimizer.zero_grad()
            states, held = network(x)
            said = {"cells": held[1][0] if what == "cells" else None, "last": states[-1]}.get(what, states)
            said = last(said) if what == "layer" else said
            F.mse_loss(said, x[-1] if what in ("cells", "last") else x).backward()
            optimizer.step()

    assert [s.cause for s in loss.beyond_states(watched(program))] == causes


@pytest.mark.parametrize(
    ("how", "make", "rate_", "found"),
    [
        (lambda p, y: F.mse_loss(p, y, reduction="sum"), optim.SGD, 0.1, True),
        (lambda p, y: F.mse_loss(p, y, reduction="sum"), optim.SGD, 1e-4, False),
        (lambda p, y: F.mse_loss(p, y, reduction="sum") / y.numel(), optim.SGD, 0.1, False),
        (F.mse_loss, optim.SGD, 0.1, False),
        (lambda p, y: F.mse_loss(p, y, reduction="sum"), optim.Adam, 0.01, False),
    ],
    ids=["summed", "at a small rate", "divided", "mean", "of any scale"],
)
def test_a_sum_over_pixels_at_the_rate_of_a_mean(how: Any, make: Any, rate_: float, found: bool) -> None:
    """What it does looks like gradients that explode, and is asked about ahead of them."""

    def program() -> None:
        x = torch.randn(40, 1, 8, 8)
        network = nn.Sequential(nn.Conv2d(1, 4, 3, padding=1), nn.Sigmoid(), nn.Conv2d(4, 1, 1))
        optimizer = make(network.parameters(), lr=rate_)
        for step in range(12):
            rows = slice(step % 4 * 10, step % 4 * 10 + 10)
            optimizer.zero_grad()
            how(network(x[rows]), (x[rows] > 0).float()).backward()
            optimizer.step()

    record = watched(program)
    said = list(rate.summed(record))
    assert [s.cause for s in said] == ["loss-reduction-scale"] * 2 * found
    if found:
        assert next(s.cause for rule in GROUPS[0] for s in rule(record)) == "loss-reduction-scale"
        assert said[0].treatments == [ScaleGradients(1 / 640)] and said[1].fix == "reduction='mean', with lr=1"


@pytest.mark.parametrize(
    ("how", "found"),
    [
        (lambda p, t: (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1), True),
        (lambda p, t: ((p * t).sum((1, 2, 3)) / (p + t - p * t).sum((1, 2, 3))).mean(), True),
        (lambda p, t: 1 - (2 * (p * t).sum() + 1) / (p.sum() + t.sum() + 1), False),
        (lambda p, t: -(2.0 * (p * t).sum()) / (p.sum() + t.sum()), False),
        (lambda p, t: (2 * (p * (1 - p)).sum() + 1) / (p.sum() + t.sum() + 1), False),
        (lambda p, t: ((p - t) ** 2).sum() / p.sum(), False),
        (F.binary_cross_entropy, False),
    ],
    ids=["dice", "union", "one minus", "minus", "of itself", "squares", "entropy"],
)
def test_an_overlap_that_is_made_small(how: Any, found: bool) -> None:
    def program() -> None:
        x = torch.randn(40, 1, 8, 8)
        network = nn.Sequential(nn.Conv2d(1, 1, 3, padding=1), nn.Sigmoid())
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(12):
            rows = slice(step % 4 * 10, step % 4 * 10 + 10)
            optimizer.zero_grad()
            how(network(x[rows]), (x[rows] > 0).float()).backward()
            optimizer.step()

    assert [s.cause for s in objective.apart(watched(program))] == ["loss-sign-flipped"] * found
