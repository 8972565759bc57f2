"""What a network is called with, whatever it lies in, what it keeps of it, and what a loss makes of it: each kind wrong
and right."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import outcome
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.rules import data, held_out, loss, model, numbers, objective, ranges
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset, random_split
from tests.watching import watched


class Two(nn.Module):
    """Two halves of a row, in a list, a dict, or by name."""

    def __init__(self) -> None:
        super().__init__()
        self.left, self.right, self.out = nn.Linear(4, 8), nn.Linear(4, 8), nn.Linear(16, 2)
        self.drop = nn.Dropout(0.6)

    def forward(self, parts: Any = None, **named: Any) -> Any:
        left, right = (named or parts).values() if named or isinstance(parts, dict) else parts
        return self.out(self.drop(torch.cat([F.relu(self.left(left)), F.relu(self.right(right))], 1)))


CALLS: dict[str, Callable[[Any, Any, Any], Any]] = {
    "list": lambda network, a, b: network([a, b]),
    "dict": lambda network, a, b: network({"a": a, "b": b}),
    "name": lambda network, a, b: network(a=a, b=b),
}


@pytest.mark.parametrize("call", CALLS.values(), ids=CALLS)
@pytest.mark.parametrize("woken", [False, True], ids=["right", "train() in the evaluation"])
def test_the_mode_of_an_evaluation_of_several_tensors(call: Callable[[Any, Any, Any], Any], woken: bool) -> None:
    line = 0

    def program() -> None:
        nonlocal line
        x = torch.randn(160, 8)
        y = (x[:, 0] + x[:, 5] > 0).long()
        network = Two()
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(20):
            network.train()
            for start in range(0, 120, 40):
                rows = slice(start, start + 40)
                optimizer.zero_grad()
                F.cross_entropy(call(network, x[rows, :4], x[rows, 4:]), y[rows]).backward()
                optimizer.step()
            network.eval()
            with torch.no_grad():
                if woken:
                    network.train()
                call(network, x[120:, :4], x[120:, 4:])

    record = watched(program)
    line = program.__code__.co_firstlineno + 16
    assert [(s.cause, s.place) for s in model.modes(record)] == [("train-eval-mode", (__file__, line))] * woken
    assert len(record.rows[0]) == 40 and len(record.held_out) == 20


class Parts:
    """The parts of a data set, and the loaders of them, as a trainer asks for them."""

    def __init__(self, right: bool) -> None:
        x = torch.randn(200, 6)
        self.whole = TensorDataset(x, (x[:, 0] > 0).long())
        first, self.kept = random_split(self.whole, [150, 50])
        self.first = first if right else self.whole

    def first_loader(self) -> Any:
        return DataLoader(self.first, batch_size=25, shuffle=True)

    def validation_loader(self) -> Any:
        return DataLoader(self.kept, batch_size=25)


@pytest.mark.parametrize("right", [True, False], ids=["right", "the whole is trained on"])
def test_rows_are_named_by_what_makes_their_loader(right: bool) -> None:
    def evaluate(network: Any, loader: Any) -> None:
        with torch.no_grad():
            for x, y in loader:
                (network(x).argmax(1) == y).float().mean()

    def program() -> None:
        parts, network = Parts(right), nn.Linear(6, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            for x, y in parts.first_loader():
                optimizer.zero_grad()
                F.cross_entropy(network(x), y).backward()
                optimizer.step()
            evaluate(network, parts.first_loader())
            evaluate(network, parts.validation_loader())

    assert [s.cause for s in held_out.leak(watched(program))] == ["train-val-leak"] * (not right)


def sequences(right: bool, noisy: bool = True) -> None:
    """Walks, of which each number is to be said by that before: of all of them, or of the last."""
    network = nn.Sequential(nn.Linear(1, 16), nn.Tanh(), nn.Linear(16, 1))
    optimizer = optim.Adam(network.parameters(), lr=0.02)
    for _ in range(150):
        x = torch.randn(9, 1) if noisy else torch.ones(9, 1)
        said = network(x[:8])
        optimizer.zero_grad()
        F.mse_loss(said, 2 * x[:8] if right else 2 * x[7:8]).backward()
        optimizer.step()


@pytest.mark.filterwarnings("ignore:Using a target size")
@pytest.mark.parametrize(("right", "noisy"), [(True, True), (False, True), (False, False)])
def test_one_target_for_all_steps_of_a_sequence(right: bool, noisy: bool) -> None:
    record = watched(lambda: sequences(right, noisy))
    wrong = not right and noisy  # where all are to be one number, one says it
    assert [s.cause for s in loss.one_for_all(record)] == ["silent-broadcast-loss"] * wrong


class Code(nn.Module):
    """A code of rows, whose spread is to be 1: for each row, or the sum over all of them for each row once more."""

    def __init__(self, right: bool) -> None:
        super().__init__()
        self.to_code, self.back, self.right = nn.Linear(6, 4), nn.Linear(2, 6), right

    def forward(self, x: Any) -> Any:
        mean, log = self.to_code(x).chunk(2, 1)
        recon = (self.back(mean + torch.randn_like(mean) * torch.exp(0.5 * log)) - x).pow(2).sum(1)
        far = 1 + log - mean.pow(2) - log.exp()
        apart = -0.5 * (far.sum(1) if self.right else torch.sum(far))
        return (recon + apart).sum() / torch.ones(len(x)).sum()


@pytest.mark.parametrize("right", [True, False], ids=["right", "a sum over the batch"])
def test_a_term_that_the_others_are_given_up_for(right: bool) -> None:
    def program() -> None:
        hidden = torch.randn(200, 2)
        x = torch.cat([hidden, hidden, hidden], 1) + 0.05 * torch.randn(200, 6)
        network = Code(right)
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(120):
            for rows in torch.randperm(200).split(100):
                optimizer.zero_grad()
                network(x[rows]).backward()
                optimizer.step()

    record = watched(program)
    found = list(objective.given_up(record))
    assert [s.cause for s in found] == ["loss-reduction-scale"] * (not right)
    assert all(confirms(s, record, watched(program, *s.treatments)) for s in found)


@pytest.mark.parametrize("trained", [True, False], ids=["labels of its own", "labels that are counted"])
def test_what_is_trained_on_is_no_evaluation(trained: bool) -> None:
    """Labels that a network guesses, in train() as it is then, for other rows than it has labels of."""

    def program() -> None:
        x, network = torch.randn(120, 8), nn.Sequential(nn.Linear(8, 8), nn.Dropout(0.5), nn.Linear(8, 2))
        y, optimizer = (x[:, 0] > 0).long(), optim.SGD(network.parameters(), lr=0.1)
        for _ in range(8):
            loss = F.cross_entropy(network(x[:60]), y[:60])
            with torch.no_grad():
                guessed = network(x[60:] + 0.1 * torch.randn(60, 8)).argmax(1)
                (guessed == y[60:]).float().mean()
            if trained:
                loss = loss + F.cross_entropy(network(x[60:]), guessed)
            optimizer.zero_grad()
            loss.backward()
            optimizer.step()

    record = watched(program)
    assert [s.cause for s in model.modes(record)] == ["train-eval-mode"] * (not trained)
    assert len(record.held_out) == (0 if trained else 7)


@pytest.mark.parametrize("taken", ["max", "topk"])
def test_an_op_of_two_results_in_a_pass_that_comes_behind_an_evaluation(taken: str) -> None:
    def program() -> None:
        x, network = torch.randn(20, 4, 3), nn.Linear(3, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for _ in range(3):
            said = network(x).max(1)[0] if taken == "max" else network(x).topk(2, 1)[0].mean(1)
            optimizer.zero_grad()
            F.cross_entropy(said, torch.zeros(20).long()).backward()
            optimizer.step()
            with torch.no_grad():
                network(x)

    assert len(watched(program).steps) == 3


@pytest.mark.parametrize("where", ["in the data", "under no_grad()"])
def test_a_target_that_is_no_number_is_laid_to_what_makes_it(where: str) -> None:
    def program() -> None:
        x, network = 1 * torch.rand(100, 3), nn.Linear(3, 1)
        x[60, 0] = 1.5 if where == "under no_grad()" else float("nan")
        optimizer = optim.SGD(network.parameters(), lr=0.01)
        for rows in torch.arange(100).split(10):
            with torch.no_grad():
                target = torch.log(1 - x[rows, :1].clamp(max=2) + 4 * (x[rows, :1] < 1.5))
            optimizer.zero_grad()
            F.mse_loss(network(x[rows]), target).backward()
            optimizer.step()

    record = watched(program)
    told = [s.cause for rule in (data.not_finite, numbers.domain) for s in rule(record)]
    assert record.bad_at == 6
    assert told == (["log-of-zero"] if where == "under no_grad()" else ["non-finite-data"])


@pytest.mark.parametrize("batches", [2, 3])
@pytest.mark.parametrize("kind", ["class", "number"])
def test_a_batch_of_no_rows_is_told(kind: str, batches: int) -> None:
    def program() -> None:
        x, network = torch.randn(7, 3), nn.Linear(3, 2)
        for start in range(0, 4 * batches, 4):
            rows = x[start : start + 4]
            of = F.cross_entropy if kind == "class" else F.mse_loss
            of(network(rows), rows[:, 0].long() * 0 if kind == "class" else rows[:, :2]).backward()

    record = watched(program)
    assert [len(batch) for batch in record.inputs] == [4, 3] and len(record.steps) == batches
    assert [s.cause for s in numbers.no_rows(record)] == ["log-of-zero"] * (batches == 3)


@pytest.mark.parametrize(
    ("last", "range_"),
    [
        (lambda x: torch.sigmoid(x), (0, 1)),
        (lambda x: torch.sigmoid(torch.sigmoid(x)), (0.5, 0.7311)),
        (lambda x: torch.sigmoid(torch.relu(x)).view(-1, 1), (0.5, 1)),
        (lambda x: torch.relu(torch.tanh(x)), (0, 1)),
    ],
)
def test_what_activations_one_behind_the_other_can_give(
    last: Callable[[Any], Any], range_: tuple[float, float]
) -> None:
    def program() -> None:
        network, x = nn.Linear(3, 1), torch.randn(60, 3)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.mse_loss(last(network(x)), torch.sigmoid(2 * x[:, :1])).backward()
            optimizer.step()

    record = watched(program)
    assert ranges.range_of(record.loss.chain) == pytest.approx(range_, abs=1e-4)
    assert [s.cause for s in ranges.unreachable(record)] == ["output-range-mismatch"] * (range_[0] == 0.5)


def two_losses(how: str) -> Callable[[], None]:
    """A class and a number for each row, by two heads whose losses are added."""

    def program() -> None:
        x = torch.randn(200, 6)
        kinds, sizes = (x[:, 0] > 0).long() + (x[:, 1] > 1), x[:, :1] + 1
        network, kind, size = nn.Linear(6, 16), nn.Linear(16, 3), nn.Linear(16, 1)
        optimizer = optim.Adam([*network.parameters(), *kind.parameters(), *size.parameters()], lr=0.01)
        for _ in range(40):
            for rows in torch.randperm(200).split(20):
                hidden = torch.tanh(network(x[rows]))
                said = kind(hidden)
                said = F.softmax(said, 1) if how == "softmax" else F.relu(said) if how == "relu" else said
                of_class = F.cross_entropy(said, kinds[rows])
                loss = of_class + F.mse_loss(size(hidden), sizes[rows])
                optimizer.zero_grad()
                loss.backward()
                optimizer.step()

    return program


@pytest.mark.parametrize(
    ("how", "cause"), [("right", ""), ("softmax", "double-softmax"), ("relu", "activation-before-loss")]
)
def test_each_of_several_losses_is_looked_at(how: str, cause: str) -> None:
    record = watched(two_losses(how))
    found = [s for rule in loss.RULES for s in rule(record)]
    assert [s.cause for s in found] == [cause] * bool(cause)
    assert all(outcome(watched(two_losses(how), *s.treatments)).loss < outcome(record).loss for s in found)


@pytest.mark.parametrize("edge", [0.5, 0.0], ids=["right", "as of logits"])
def test_answers_that_are_told_as_of_logits(edge: float) -> None:
    def program() -> None:
        x_train, x_test = torch.randn(200, 2), torch.randn(80, 2)
        y_train, y_test = ((x[:, :1] > 0).float() for x in (x_train, x_test))
        network = nn.Sequential(nn.Linear(2, 16), nn.ReLU(), nn.Linear(16, 1))
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(20):
            for rows in torch.randperm(200).split(20):
                optimizer.zero_grad()
                F.mse_loss(network(x_train[rows]), y_train[rows]).backward()
                optimizer.step()
        with torch.no_grad():
            ((network(x_test) > edge).float() == y_test).float().mean()

    assert [s.cause for s in held_out.decided(watched(program))] == ["wrong-loss-for-task"] * (edge == 0.0)


@pytest.mark.parametrize("kind", ["one-hot", "class", "number", "one number for each row"])
def test_one_row_without_an_axis_for_the_batch(kind: str) -> None:
    def program() -> None:
        x = torch.randn(40, 6)
        network = nn.PReLU() if kind.startswith("one number") else nn.Linear(6, 1 if kind == "number" else 3)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(40):
            row = x[step]
            label = (row[0] > 0).long() + (row[1] > 0)
            optimizer.zero_grad()
            if kind == "one-hot":
                F.mse_loss(network(row), F.one_hot(label, 3).float()).backward()
            elif kind == "class":
                F.cross_entropy(network(row), label).backward()
            elif kind == "number":
                F.mse_loss(network(row), row[:1]).backward()
            else:
                F.mse_loss(network(row), 2 * row).backward()
            optimizer.step()

    record = watched(program)
    of_classes, many = kind in ("one-hot", "class"), kind == "one number for each row"
    assert record.classes == of_classes
    assert len(record.inputs) == 40 and {len(batch) for batch in record.inputs} == {6 if many else 1}
    assert {len(target) for target in record.targets} == {6 if many else 1}


class First(nn.Module):
    """Which of two kinds a sequence is, as its first step says, and nothing after it."""

    def __init__(self, cell: type[Any]) -> None:
        super().__init__()
        self.inner, self.head = cell(2, 24, batch_first=True), nn.Linear(24, 2)

    def forward(self, x: Any) -> Any:
        return self.head(self.inner(x)[0][:, -1])


@pytest.mark.parametrize(("cell", "steps", "told"), [(nn.RNN, 100, True), (nn.RNN, 20, False), (nn.GRU, 100, False)])
def test_a_plain_recurrence_that_forgets_its_first_step(cell: type[Any], steps: int, told: bool) -> None:
    def program() -> None:
        x = 0.5 * torch.randn(400, steps, 2)
        y = (torch.rand(400) > 0.5).long()
        x[:, 0, 0] += 2 * y.float() - 1
        network = First(cell)
        optimizer = optim.Adam(network.parameters(), lr=0.003)
        for _ in range(15):
            for rows in torch.randperm(400).split(25):
                optimizer.zero_grad()
                F.cross_entropy(network(x[rows]), y[rows]).backward()
                optimizer.step()

    record = watched(program)
    found = list(model.forgetful(record))
    assert [s.cause for s in found] == ["vanishing-gradients"] * (2 * told)  # as turns, and by what all steps say
    assert all(confirms(s, record, watched(program, *s.treatments)) for s in found)


@pytest.mark.parametrize("features", [True, False], ids=["of a distance", "of logits"])
def test_features_that_an_activation_ends_are_no_logits(features: bool) -> None:
    def program() -> None:
        x, network = torch.randn(60, 4), nn.Linear(4, 8 if features else 2)
        y = (x[:, 0] > 0).long()
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(6):
            said = torch.relu(network(x))
            if features:
                middles = torch.stack([said[y == kind].mean(0) for kind in (0, 1)])
                said = -(said[:, None] - middles[None]).pow(2).sum(2)
            optimizer.zero_grad()
            F.cross_entropy(3 * said, y).backward()
            optimizer.step()

    assert [s.cause for s in loss.cut_logits(watched(program))] == ["activation-before-loss"] * (not features)
