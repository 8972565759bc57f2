"""How the rows of an evaluation go with those of the training: each kind wrong and right."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import held_out, splits
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
from tests.watching import watched

Rule = Callable[[ProgramRecord], Iterator[Suspicion]]


def fit(network: Any, x: Any, y: Any, asked: Any, labels: Any, epochs: int = 20) -> None:
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    for _ in range(epochs):
        for rows in torch.randperm(len(x)).split(40):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        with torch.no_grad():
            (torch.max(network(asked).data, 1)[1] == labels).float().mean().item()


def windows(how: str) -> None:
    draw = np.random.default_rng(0)
    series = [draw.normal(size=(120, 2)).cumsum(0) + 3 * (i % 2) for i in range(12)]
    cut = [(s[start : start + 20], i % 2, i) for i, s in enumerate(series) for start in range(0, 101, 5)]
    x, y = (np.stack([np.asarray(w[place]) for w in cut]) for place in (0, 1))
    own = np.array([w[2] for w in cut])
    held = draw.random(len(cut)) < 0.25 if how == "at random" else own > 8
    rows = np.arange(len(cut)) >= 0 if how == "all for a picture" else held
    x, y = torch.tensor(x.astype(np.float32)), torch.tensor(y)
    network = nn.Sequential(nn.Flatten(), nn.Linear(40, 16), nn.ReLU(), nn.Linear(16, 2))
    fit(network, x[~held], y[~held], x[rows], y[rows], 3)


class Bag(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.words, self.head = nn.Embedding(40, 8), nn.Linear(8, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.words(x).mean(1))


def words(how: str) -> None:
    draw = np.random.default_rng(0)
    y = draw.integers(0, 2, 500)
    x = draw.integers(10, 40, (500, 8))
    x[:, 0] = 2 * draw.integers(0, 5, 500) + y
    if how == "two":
        x[350:] = draw.permutation(40)[x[350:]]
    x, y = torch.tensor(x), torch.tensor(y)
    fit(Bag(), x[:350], y[:350], x[350:], y[350:])


def labels(how: str) -> None:
    draw = np.random.default_rng(0)
    y = draw.integers(0, 3, 200)
    x = torch.tensor((np.eye(3)[y] * 3 + draw.normal(size=(200, 3))).astype(np.float32))
    shown = torch.tensor(y // 2 if how == "cut" else np.where(y == 2, 1, y) if how == "one is not known" else y)
    fit(nn.Linear(3, 3), x[:150], shown[:150], x[150:], torch.tensor(y[150:]))


def folds(how: str) -> None:
    x = torch.randn(120, 8)
    y = (x[:, 0] > 0).long()
    network = nn.Linear(8, 2)
    for fold in range(3):
        if how == "anew":
            network = nn.Linear(8, 2)
        held = torch.arange(120) % 3 == (fold if how != "one part" else 0)
        fit(network, x[~held], y[~held], x[held], y[held], 5)


def asked_of_both(_: str) -> None:
    """One function counts right answers: of rows that are kept as long as it trains, and in the end of the others."""
    x = torch.randn(200, 8)
    y = (x[:, 0] > 0).long()
    network = nn.Linear(8, 2)
    optimizer = optim.Adam(network.parameters(), lr=0.02)

    def right(rows: Any, labels: Any) -> float:
        with torch.no_grad():
            return (network(rows).argmax(1) == labels).float().mean().item()

    for _ in range(10):
        for rows in torch.randperm(170).split(34):
            loss = F.cross_entropy(network(x[rows]), y[rows])
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()
        right(x[170:], y[170:])
    for rows in torch.randperm(170).split(34):
        loss = F.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right(x[:170], y[:170])


def one_after_the_other(_: str) -> None:
    """Each batch is asked for before it is trained on, and all of them in the end."""
    x = torch.randn(400, 8)
    y = (x[:, 0] > 0).long()
    network = nn.Linear(8, 2)
    optimizer = optim.SGD(network.parameters(), lr=0.1)

    def right(rows: Any, labels: Any) -> float:
        with torch.no_grad():
            return (network(rows).argmax(1) == labels).float().mean().item()

    for rows in torch.arange(400).split(20):
        right(x[rows], y[rows])
        loss = F.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    right(x, y)


class Pairs(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.users, self.items = nn.Embedding(30, 4), nn.Embedding(20, 4)

    def forward(self, user: Any, item: Any) -> Any:
        return (self.users(user) * self.items(item)).sum(1)


def pairs(how: str) -> None:
    """Pairs of users and items, of which those that are liked are few, and others are drawn anew in each epoch."""
    draw = np.random.default_rng(0)
    likes = draw.permutation(600)
    liked, asked = likes[:40], likes[40:120]
    if how == "leak":
        asked = np.concatenate([liked, likes[580:]])
    network = Pairs()
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    for _ in range(6):
        others = draw.choice(likes[40:580], 20 if how == "leak" else 200)
        both = torch.tensor(np.concatenate([liked, others]))
        labels = (torch.arange(len(both)) < 40).float()
        optimizer.zero_grad()
        F.binary_cross_entropy_with_logits(network(both // 20, both % 20), labels).backward()
        optimizer.step()
        with torch.no_grad():
            rows = torch.tensor(asked)
            F.binary_cross_entropy_with_logits(network(rows // 20, rows % 20), (torch.arange(len(rows)) < 40).float())


def guessed(_: str) -> None:
    """First on rows with labels, then on others, with what the network says of them for labels."""
    x = torch.randn(600, 8)
    y, network = (x[:, 0] > 0).long(), nn.Linear(8, 2)
    optimizer = optim.SGD(network.parameters(), lr=0.1)
    for epoch in range(8):
        for rows in torch.randperm(100).split(25) if epoch < 2 else (100 + torch.randperm(500)).split(50):
            labels = y[rows]
            if epoch > 1:
                with torch.no_grad():
                    labels = network(x[rows]).argmax(1)
            optimizer.zero_grad()
            F.cross_entropy(network(x[rows]), labels).backward()
            optimizer.step()


def made_again(how: str) -> None:
    """Rows are measured by their labels, which the network was not given: it was to make the rows from themselves."""
    x = torch.randn(300, 4)
    y, body, head = (x[:, 0] > 0).long(), nn.Linear(4, 8), nn.Linear(8, 4)
    network = nn.Sequential(body, head)
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    for _ in range(4):
        for rows in torch.randperm(250).split(50):
            optimizer.zero_grad()
            said = network(x[rows])
            (F.mse_loss(said, x[rows]) if how == "themselves" else F.cross_entropy(said, y[rows])).backward()
            optimizer.step()
    with torch.no_grad():
        (network(x[50:]).argmax(1) == y[50:]).float().mean()


@pytest.mark.parametrize(
    ("program", "how", "rule", "cause"),
    [
        (windows, "at random", splits.overlapping, "train-val-leak"),
        (windows, "by recording", splits.overlapping, None),
        (windows, "all for a picture", splits.overlapping, None),
        (folds, "one network", splits.folds, "train-val-leak"),
        (folds, "one part", splits.folds, None),
        (asked_of_both, "", splits.folds, None),
        (one_after_the_other, "", splits.folds, None),
        (guessed, "", splits.folds, None),
        (guessed, "", held_out.leak, None),
        (pairs, "drawn", held_out.leak, None),
        (pairs, "leak", held_out.leak, "train-val-leak"),
        (made_again, "themselves", held_out.leak, None),
        (made_again, "labels", held_out.leak, "train-val-leak"),
        (words, "two", splits.other_words, "train-val-preprocessing-mismatch"),
        (words, "two", held_out.overfitted, None),
        (words, "one", splits.other_words, None),
        (labels, "cut", splits.merged, "labels-out-of-range"),
        (labels, "one is not known", splits.merged, None),
        (labels, "as they are", splits.merged, None),
    ],
)
def test_what_an_evaluation_says(program: Callable[[str], None], how: str, rule: Rule, cause: str | None) -> None:
    found = list(rule(watched(lambda: program(how))))
    assert [suspicion.cause for suspicion in found] == ([cause] if cause else [])


def counted_elsewhere(how: str) -> None:
    X_train, X_test = torch.randn(120, 4), torch.randn(60, 4)
    y_train, y_test = (X_train[:, 0] > 0).long(), (X_test[:, 0] > 0).long()
    network = nn.Linear(4, 2)
    optimizer = optim.Adam(network.parameters(), lr=0.05)
    loader = DataLoader(TensorDataset(X_test, y_test), batch_size=30)
    for _ in range(30):
        optimizer.zero_grad()
        F.cross_entropy(network(X_train), y_train).backward()
        optimizer.step()
    with torch.no_grad():
        for batch, _ in loader if how == "loader" else [(X_test, y_test)]:
            network(X_test if how == "names" else batch).numpy().argmax(1)


@pytest.mark.parametrize("how", ["loader", "names"])
def test_answers_that_are_counted_elsewhere(how: str) -> None:
    record = watched(lambda: counted_elsewhere(how))
    assert all(h.accuracy is not None and h.accuracy > 0.85 and h.target is not None for h in record.held_out)
