"""Where a PyTorch program makes the tensors that it trains on, and where its arrays lose their numbers."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.record import Place, ProgramRecord
from pellucid.doctor.observed.rules import data, gradients, hinges, scale
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, Dataset, TensorDataset
from tests.watching import watched

COLUMNS = np.random.default_rng(0).normal(size=(60, 3)) * [1.0, 5.0, 900.0]


def train(batches: Callable[[], Any]) -> None:
    network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
    optimizer = optim.SGD(network.parameters(), lr=0.001)
    for _ in range(3):
        for x, y in batches():
            optimizer.zero_grad()
            F.cross_entropy(network(x), y).backward()
            optimizer.step()


class OneByOne(Dataset[Any]):
    def __len__(self) -> int:
        return len(COLUMNS)

    def __getitem__(self, i: int) -> Any:
        row = COLUMNS[i].astype("float32")
        return torch.from_numpy(row), int(row[0] > 0)  # of a row


def in_a_table() -> None:
    labels = torch.tensor((COLUMNS[:, 0] > 0).astype(int))
    x = torch.tensor(COLUMNS, dtype=torch.float32)  # of a table
    train(lambda: [(x[rows], labels[rows]) for rows in torch.randperm(60).split(10)])


def of_another_precision() -> None:
    labels = torch.tensor((COLUMNS[:, 0] > 0).astype(int))
    x = torch.from_numpy(COLUMNS).float()  # of another precision
    loader = DataLoader(TensorDataset(x, labels), batch_size=10)
    train(lambda: loader)


def by_row() -> None:
    loader = DataLoader(OneByOne(), batch_size=10)
    train(lambda: loader)


def of_its_kind() -> None:
    labels = torch.tensor((COLUMNS[:, 0] > 0).astype(int))
    x = torch.FloatTensor(COLUMNS)  # of its kind
    train(lambda: [(x[:30], labels[:30]), (x[30:], labels[30:])])


def line(remark: str) -> int:
    source = inspect.getsource(inspect.getmodule(line) or line).splitlines()
    return next(n for n, text in enumerate(source, 1) if text.endswith(f"# {remark}"))


def at(place: Place | None) -> int | None:
    return None if place is None else place[1]


@pytest.mark.parametrize(
    ("program", "remark"),
    [
        (in_a_table, "of a table"),
        (of_another_precision, "of another precision"),
        (by_row, "of a row"),
        (of_its_kind, "of its kind"),
    ],
)
def test_columns_are_shown_where_their_tensor_is_made(program: Callable[[], None], remark: str) -> None:
    found = next(s for s in scale.scale(watched(program)) if s.cause == "feature-scale-mismatch")
    assert at(found.place) == line(remark)


def logarithms() -> None:
    fares = np.abs(np.round(COLUMNS[:, :1]))
    logs = np.log(fares)  # no logarithm
    x = torch.tensor(np.concatenate([logs, COLUMNS[:, 1:]], 1), dtype=torch.float32)
    labels = torch.tensor((COLUMNS[:, 0] > 0).astype(int))
    train(lambda: [(x, labels)])


def missing() -> None:
    ages = COLUMNS.copy()
    ages[3, 1] = np.nan
    x = torch.tensor(ages, dtype=torch.float32)  # missing
    labels = torch.tensor((COLUMNS[:, 0] > 0).astype(int))
    loader = DataLoader(TensorDataset(x, labels), batch_size=60)
    train(lambda: loader)


@pytest.mark.parametrize(("program", "remark"), [(logarithms, "no logarithm"), (missing, "missing")])
def test_rows_that_are_no_numbers_are_shown_where_they_come_from(program: Callable[[], None], remark: str) -> None:
    before = np.geterr()
    (found,) = data.not_finite(watched(program))
    assert at(found.place) == line(remark)
    assert np.geterr() == before


def freezes(head: bool) -> Callable[[], None]:
    def program() -> None:
        network = nn.Sequential(nn.Linear(3, 8), nn.ReLU(), nn.Linear(8, 2))
        x = torch.randn(20, 3)
        for parameter in network.parameters():
            parameter.requires_grad = False
        network[2].requires_grad_(head)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            loss = F.cross_entropy(network(x), torch.arange(20) % 2)
            if loss.requires_grad:
                loss.backward()
            optimizer.step()

    return program


@pytest.mark.parametrize("head", [True, False])
def test_an_optimiser_that_has_nothing_to_train(head: bool) -> None:
    found = [s.cause for s in gradients.idle(watched(freezes(head)))]
    assert found == ([] if head else ["parameter-not-optimized"])


@pytest.mark.parametrize("anew", [True, False])
def test_a_network_that_is_made_anew_behind_its_optimiser(anew: bool) -> None:
    def program() -> None:
        network = nn.Linear(3, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(40):
            if step == 20 and anew:
                state = network.state_dict()
                network = nn.Linear(3, 2)
                network.load_state_dict(state)
            optimizer.zero_grad()
            F.cross_entropy(network(torch.randn(20, 3)), torch.arange(20) % 2).backward()
            optimizer.step()

    found = [s.cause for s in gradients.left_behind(watched(program))]
    assert found == (["parameter-not-optimized"] if anew else [])


def says_the_next(by: int) -> ProgramRecord:
    text = torch.randint(0, 12, (30, 24))

    def program() -> None:
        table, head = nn.Embedding(12, 8), nn.Linear(8, 12)
        network = nn.Sequential(table, head)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for rows in torch.randperm(30).split(10):
            x, y = text[rows, :16], text[rows, by : by + 16]
            optimizer.zero_grad()
            F.cross_entropy(network(x).reshape(-1, 12), y.reshape(-1)).backward()
            optimizer.step()

    return watched(program)


@pytest.mark.parametrize(("by", "found"), [(0, []), (1, []), (2, ["labels-misaligned"]), (3, ["labels-misaligned"])])
def test_targets_that_are_shifted_twice(by: int, found: list[str]) -> None:
    assert [s.cause for s in data.shifted(says_the_next(by))] == found


def one_batch(asked: int) -> Callable[[], None]:
    def program() -> None:
        torch.manual_seed(0)
        x, labels = torch.randn(200, 6), torch.arange(200) % 3
        w = torch.zeros(6, 3, requires_grad=True)
        for _ in range(20):
            loss = F.cross_entropy(x[:10] @ w, labels[:10])
            loss.backward()
            with torch.no_grad():
                w -= 0.1 * w.grad
            w.grad = None
        with torch.no_grad():
            (x[10 - asked : 20 - asked] @ w).argmax(1)

    return program


@pytest.mark.parametrize(("asked", "certain"), [(0, True), (10, False)])
def test_one_batch_and_what_weights_without_a_network_are_asked_of(asked: int, certain: bool) -> None:
    (found,) = data.same_rows(watched(one_batch(asked)))
    assert found.certain == certain


class Listed(nn.Module):
    def __init__(self, kept: type[Any]) -> None:
        super().__init__()
        self.layers: Any = kept([nn.Linear(3, 3)])  # a list
        self.head = nn.Linear(3, 2)

    def forward(self, x: Any) -> Any:
        for layer in self.layers:
            x = torch.relu(layer(x))
        return self.head(x)


@pytest.mark.parametrize(("kept", "found"), [(list, ["a list"]), (nn.ModuleList, [])])
def test_layers_in_a_plain_list_are_shown_where_it_is_kept(kept: type[Any], found: list[str]) -> None:
    def program() -> None:
        network, x = Listed(kept), torch.randn(20, 3)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            F.cross_entropy(network(x), torch.arange(20) % 2).backward()
            optimizer.step()

    told = [at(s.place) for s in gradients.unknown(watched(program))]
    assert told == [line(remark) for remark in found]


TRIPLETS = """
import pellucid as torch
from pellucid import nn
from pellucid.nn import functional as F
net = nn.Linear(2, 4)
criterion = nn.TripletMarginLoss(1.0)
def own(anchor, positive, negative):
    return F.triplet_margin_loss(anchor, positive, negative)
optimizer = torch.optim.Adam(net.parameters(), lr=0.01)
p, n = range(40), range(40, 80)
x = torch.cat([torch.randn(40, 2) * 0.1 + 1, torch.randn(40, 2) * 0.1 - 1])
for step in range(60):
    anchor, pos, neg = net(x[:40]), net(x[:40].flip(0)), net(x[40:])
    d_pos, d_neg = (anchor - pos).pow(2).sum(1), (anchor - neg).pow(2).sum(1)
    loss = LOSS
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""


@pytest.mark.parametrize(
    ("loss", "found"),
    [
        ("F.relu(d_pos - d_neg + 1.0).mean()", []),
        ("F.relu(d_neg - d_pos + 1.0).mean()", ["loss-sign-flipped"]),
        ("(1.0 - d_pos + d_neg).clamp(min=0).mean()", ["loss-sign-flipped"]),
        ("criterion(anchor, pos, neg)", []),
        ("criterion(anchor, neg, pos)", ["loss-sign-flipped"]),
        ("own(anchor, pos, neg)", []),
        ("own(anchor, neg, pos)", ["loss-sign-flipped"]),
        ("own(net(x[:40]), net(x[p]), net(x[n]))", []),
        ("own(net(x[:40]), net(x[n]), net(x[p]))", ["loss-sign-flipped"]),
    ],
)
def test_positives_and_negatives_in_the_place_of_each_other(loss: str, found: list[str], tmp_path: Path) -> None:
    path = tmp_path / "train.py"
    unused = "def apart(d_pos, d_neg):\n    return F.relu(d_neg - d_pos + 1.0)\n"  # which nothing calls
    path.write_text(TRIPLETS.replace("LOSS", loss) + unused)
    code = compile(path.read_text(), str(path), "exec")
    record = watched(lambda: exec(code, {"__name__": "__main__"}))  # noqa: S102 (a text of the test's own)
    told = list(hinges.swapped(record))
    assert [s.cause for s in told] == found
    assert all(at(s.place) == 15 for s in told)
