"""Right programs of PyTorch's names that do on purpose what looks like a fault, each beside one that has the fault."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import SimpleNamespace

import pytest

from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import data, gradients, held_out, loss, model, objective, rate
from pellucid.doctor.observed.search import Search
from pellucid.doctor.observed.suspicion import Suspicion
from tests.watching import watched, written

Rule = Callable[[ProgramRecord], Iterator[Suspicion]]

HEAD = """
import pellucid as torch
from pellucid import nn
from pellucid.nn import functional as F
x = torch.randn(300, 6)
y = (x[:, 0] > 0).long()
"""

STEP = """
    optimizer.zero_grad()
    loss.backward()
    optimizer.step()
"""

# Rows of the training are asked of, too, by a name that says so: `train_eval_loader`, and not `val_loader`.
WATCHED = (
    HEAD
    + """
from pellucid.utils.data import DataLoader, TensorDataset
NAME = DataLoader(TensorDataset(x[:100], y[:100]), 50)
network = nn.Linear(6, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(20):
    loss = F.cross_entropy(network(x[:200]), y[:200])
"""
    + STEP
    + """
network.eval()
with torch.no_grad():
    for inputs, labels in NAME:
        (network(inputs).argmax(1) == labels).float().mean()
"""
)

# Each batch of a stream is asked of before it is learnt; or after it.
STREAM = (
    HEAD
    + """
network = nn.Linear(6, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for start in range(0, 300, 30):
    x_test, y_test = x[start : start + 30], y[start : start + 30]
    if BEFORE:
        with torch.no_grad():
            (network(x_test).argmax(1) == y_test).float().mean()
    loss = F.cross_entropy(network(x_test), y_test)
"""
    + STEP
    + """
    if not BEFORE:
        with torch.no_grad():
            (network(x_test).argmax(1) == y_test).float().mean()
"""
)

# A few rows of a table are learnt, and the others asked of; or all of them.
FEW_ROWS = (
    HEAD
    + """
network = nn.Linear(6, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(40):
    loss = F.cross_entropy(network(x[:30]), y[:30])
"""
    + STEP
    + """
with torch.no_grad():
    (network(x[ASKED:]).argmax(1) == y[ASKED:]).float().mean()
"""
)

# What all rows are drawn to, as the middle of a normal one; or each row to a number of its own.
CENTER = (
    HEAD
    + """
network = nn.Linear(6, 3)
middle = torch.tensor([0.3, -0.2, 0.5])
optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
for step in range(20):
    rows = torch.randperm(300)[:30]
    loss = ((network(x[rows]) - TARGET) ** 2).sum(1).mean()
"""
    + STEP
)

# Rows are told apart among those of a batch; or all of them have one label.
IN_BATCH = (
    HEAD
    + """
class Pairs(nn.Module):
    def __init__(self):
        super().__init__()
        self.a, self.b = nn.Linear(3, 4), nn.Linear(3, 4)

    def forward(self, rows):
        return self.a(rows[:, :3]) @ self.b(rows[:, 3:]).T

network = Pairs()
optimizer = torch.optim.SGD(network.parameters(), lr=1e-3)
for epoch in range(6):
    for rows in torch.randperm(300).split(30):
        loss = F.cross_entropy(network(x[rows]), torch.arange(30))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
)

# The first of two goes before the second, always; or every row has the label 1.
FIRST_OF_TWO = (
    HEAD
    + """
network = nn.Linear(6, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(20):
    rows, others = torch.randperm(300)[:60].split(30)
    said = network(x[rows]) - network(x[others]) if PAIRS else network(x[rows])
    loss = F.binary_cross_entropy_with_logits(said, torch.ones(30, 1))
"""
    + STEP
)

# A term that holds rows of one kind where they are, beside another one.
BESIDE_ANOTHER = (
    HEAD
    + """
network = nn.Linear(6, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(20):
    rows = torch.randperm(300)[:30]
    loss = F.mse_loss(network(x[rows]), torch.ones(30, 1)) + WEIGHT * network(torch.randn(30, 6)).exp().mean()
"""
    + STEP
)

# What a network draws is looked at; or compared with labels.
DRAWN = (
    HEAD
    + """
network = nn.Sequential(nn.Linear(6, 16), nn.BatchNorm1d(16), nn.ReLU(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(20):
    rows = torch.randperm(200)[:30]
    loss = F.cross_entropy(network(x[rows]), y[rows])
"""
    + STEP
    + """
with torch.no_grad():
    said = network(x[200:])
    if COMPARED:
        (said.argmax(1) == y[200:]).float().mean()
"""
)

# Rows of another kind, to see whether the network is as sure of them; or the rows that are to be answered.
OTHER_KIND = (
    HEAD
    + """
network = nn.Sequential(nn.Linear(6, 16), nn.Tanh(), nn.Linear(16, 2))
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for step in range(60):
    loss = F.cross_entropy(network(x[:200]), y[:200])
"""
    + STEP
    + """
x_test, y_test, x_other = x[200:], y[200:], 20 * x[200:] + 30
network.eval()
with torch.no_grad():
    (network(FIRST).argmax(1) == y_test).float().mean()
    network(x_other).logsumexp(1).mean()
"""
)

# A row that tells more of itself by the others of its batch, on purpose; or learns nothing by what is mixed up.
TOGETHER = (
    HEAD
    + """
class Beside(nn.Module):
    def __init__(self):
        super().__init__()
        self.out = nn.Linear(6, 2)

    def forward(self, rows):
        return self.out(rows + 0.1 * rows.flip(0)) if APART else self.out(rows.T.reshape(rows.shape))

network = Beside()
optimizer = torch.optim.Adam(network.parameters(), lr=0.1)
for epoch in range(12):
    for rows in torch.randperm(300).split(30):
        loss = F.cross_entropy(network(x[rows]), y[rows])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
)

# A picture that a network which rests is to take for another; or weights before it, and the rest is forgotten.
SOUGHT = (
    HEAD
    + """
network = nn.Linear(6, 3)
sought = torch.randn(4, 6, requires_grad=True)
weights = torch.randn(6, 6, requires_grad=True)
optimizer = torch.optim.SGD([sought if INPUT else weights], lr=0.1)
for step in range(20):
    loss = F.mse_loss(network(sought if INPUT else x[:40] @ weights), x[:4, :3] if INPUT else x[:40, :3])
"""
    + STEP
)

# Of five passes in a row four train one of two networks; or one of them is never trained.
BY_TURNS = (
    HEAD
    + """
maker, judge = nn.Linear(6, 6), nn.Linear(6, 1)
first, second = torch.optim.SGD(maker.parameters(), lr=0.1), torch.optim.SGD(judge.parameters(), lr=0.1)
for step in range(30):
    for _ in range(4):
        loss = judge(maker(x[:40]).detach()).mean() - judge(x[40:80]).mean()
        second.zero_grad()
        loss.backward()
        second.step()
    made = maker(x[:40])
    loss = -judge(made if BOTH else made.detach()).mean()
    first.zero_grad()
    loss.backward()
    first.step()
"""
)

# Rows of a table are labelled as they are asked for; or are there from the first.
LABELLED = (
    HEAD
    + """
network = nn.Linear(6, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for round in range(3):
    known = torch.arange(10 * (round + 1) if ASKED else 30)
    for step in range(20):
        loss = F.cross_entropy(network(x[known]), y[known])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        network(x[len(known) :] if ASKED else x).softmax(1).max(1)
"""
)

# Grades, of which a rounded one is asked for; or names of classes.
GRADES = (
    HEAD
    + """
kinds = torch.randint(0, 3, (300,))
x = torch.randn(300, 6) + 4 * torch.eye(6)[kinds] if NAMES else x
grades = kinds if NAMES else (x[:, 0] + x[:, 1] + torch.randn(300) * 0.3).clamp(-2.4, 2.4).round() + 3
network = nn.Linear(6, 1)
optimizer = torch.optim.SGD(network.parameters(), lr=0.01)
for step in range(20):
    loss = F.mse_loss(network(x[:200]), grades[:200, None].float())
"""
    + STEP
    + """
with torch.no_grad():
    (network(x[200:]).round() == grades[200:, None]).float().mean()
"""
)

# A few steps, to see whether it runs.
FEW_STEPS = (
    HEAD
    + """
def train():
    for step in range(4):
        loss = F.cross_entropy(network(x[:30]), y[:30])
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()

network = nn.Linear(6, 2)
optimizer = torch.optim.SGD(network.parameters(), lr=1e-4)
train()
"""
)

# A part of the labels is drawn anew each time, against learning by heart; or rows have labels of others.
DISTURBED = (
    HEAD
    + """
network = nn.Linear(6, 2)
optimizer = torch.optim.Adam(network.parameters(), lr=0.02)
for epoch in range(20):
    for rows in torch.randperm(300).split(50):
        labels = torch.where(torch.rand(50) < 0.25, 1 - y[rows], y[rows])
        loss = F.cross_entropy(network(x[rows]), y[torch.randperm(300)[:50]] if MISALIGNED else labels)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
"""
)


@pytest.mark.parametrize(
    ("source", "meant", "wrong", "rule"),
    [
        (WATCHED, ("NAME", "train_eval_loader"), ("NAME", "val_loader"), held_out.leak),
        (STREAM, ("BEFORE", "True"), ("BEFORE", "False"), held_out.leak),
        (FEW_ROWS, ("ASKED", "30"), ("ASKED", "0"), data.same_rows),
        (CENTER, ("TARGET", "middle"), ("TARGET", "x[rows, 0:1]"), objective.one_for_all),
        (FIRST_OF_TWO, ("PAIRS", "True"), ("PAIRS", "False"), data.constant),
        (BESIDE_ANOTHER, ("WEIGHT", "1.0"), ("WEIGHT", "0.0"), data.constant),
        (DRAWN, ("COMPARED", "False"), ("COMPARED", "True"), model.modes),
        (OTHER_KIND, ("FIRST", "x_test"), ("FIRST", "x_other"), held_out.prepared),
        (TOGETHER, ("APART", "True"), ("APART", "False"), data.mixed),
        (SOUGHT, ("INPUT", "True"), ("INPUT", "False"), gradients.unknown),
        (BY_TURNS, ("BOTH", "True"), ("BOTH", "False"), gradients.no_history),
        (LABELLED, ("ASKED", "True"), ("ASKED", "False"), data.same_rows),
        (GRADES, ("NAMES", "False"), ("NAMES", "True"), loss.class_ids),
        (DISTURBED, ("MISALIGNED", "False"), ("MISALIGNED", "True"), data.conflicting),
    ],
    ids=[
        "watched",
        "stream",
        "few rows",
        "center",
        "pairs",
        "terms",
        "drawn",
        "other kind",
        "together",
        "sought",
        "by turns",
        "labelled",
        "grades",
        "disturbed",
    ],
)
def test_what_is_meant_is_told_from_the_fault(
    source: str, meant: tuple[str, str], wrong: tuple[str, str], rule: Rule
) -> None:
    certain = [any(s.certain for s in rule(watched(written(source.replace(*how))))) for how in (meant, wrong)]
    assert certain == [False, True]


@pytest.mark.parametrize("rule", [data.conflicting, data.mixed, data.constant])
def test_rows_that_are_told_apart_in_their_batch_have_no_labels(rule: Rule) -> None:
    assert not list(rule(watched(written(IN_BATCH))))


def test_a_few_steps_are_too_few_where_more_of_them_learn() -> None:
    """Whether more of them do is asked of a fork: it may be run for a moment on purpose, to see whether it runs."""
    record = watched(written(FEW_STEPS))
    record.ended, record.lines["epochs"] = True, ("train.py", 9)
    (found,) = rate.hardly_any(record)
    assert (found.certain, found.otherwise) == (False, "info") and found.treatments


def test_what_works_against_itself_has_no_rate_that_is_too_low() -> None:
    """A gradient that is turned on its way: the loss need not fall."""
    source = (
        HEAD
        + """
class Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx, h):
        return h.clone()

    @staticmethod
    def backward(ctx, g):
        return SIGN * g

body, head = nn.Linear(6, 8), nn.Linear(8, 2)
optimizer = torch.optim.SGD([*body.parameters(), *head.parameters()], lr=1e-3)
for step in range(20):
    loss = F.cross_entropy(head(Turned.apply(body(x))), y)
"""
        + STEP
    )
    for sign, learns in (("-1", False), ("1", True)):
        record = watched(written(source.replace("SIGN", sign)))
        assert Search.learns.fget(SimpleNamespace(base=record)) is learns  # type: ignore[attr-defined]


@pytest.mark.parametrize(("named", "sign"), [("cost", 0), ("score", 1)])
def test_a_policy_that_makes_costs_small_goes_the_right_way(named: str, sign: int) -> None:
    source = (
        HEAD
        + """
policy = nn.Linear(6, 3)
optimizer = torch.optim.SGD(policy.parameters(), lr=0.01)
for step in range(12):
    logits = policy(x[:40])
    actions = torch.randint(0, 3, (40,))
    NAMED = (actions - y[:40]).abs().float()
    returns = NAMED - NAMED.mean()
    loss = (logits.log_softmax(1)[torch.arange(40), actions] * returns).mean()
"""
        + STEP
    ).replace("NAMED", named)
    assert bool(list(objective.punishing(watched(written(source))))) is bool(sign)


@pytest.mark.parametrize(("lr", "higher"), [(0.05, False), (0.0005, True)])
def test_who_learns_slowly_and_steadily_at_a_usual_rate_is_asked_for_no_higher_one(lr: float, higher: bool) -> None:
    """The next of a few words: the loss is below a guess, and goes on falling. At a hundredth of the
    rate it is not."""
    source = (
        HEAD
        + """
text = torch.randint(0, 12, (60,)).repeat(40)
network = nn.Sequential(nn.Embedding(12, 8), nn.Linear(8, 24), nn.Tanh(), nn.Linear(24, 12))
optimizer = torch.optim.SGD(network.parameters(), lr=RATE)
for rows in torch.randperm(2395).split(5):
    loss = F.cross_entropy(network(text[rows]), text[rows + 1])
"""
        + STEP
    ).replace("RATE", str(lr))
    assert any(suspicion.direction > 0 for suspicion in rate.near(watched(written(source)))) is higher


def test_rows_that_are_kept_back_are_not_taken_from_what_they_are_no_part_of() -> None:
    """A table of few kinds beside one of numbers: all of it is trained on, and more rows are asked of than it has."""
    record = watched(
        written(
            HEAD
            + """
from pellucid.utils.data import DataLoader, TensorDataset
kinds = torch.randint(0, 5, (300, 2))
class Both(nn.Module):
    def __init__(self):
        super().__init__()
        self.table, self.out = nn.Embedding(5, 2), nn.Linear(10, 2)

    def forward(self, kinds, rows):
        return self.out(torch.cat([self.table(kinds).flatten(1), rows], 1))

network = Both()
optimizer = torch.optim.SGD(network.parameters(), lr=0.1)
for epoch in range(10):
    for k, a, b in DataLoader(TensorDataset(kinds[:100], x[:100], y[:100]), 20, shuffle=True):
        loss = F.cross_entropy(network(k, a), b)
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
    with torch.no_grad():
        (network(kinds[100:], x[100:]).argmax(1) == y[100:]).float().mean()
"""
        )
    )
    assert not list(data.same_rows(record))
