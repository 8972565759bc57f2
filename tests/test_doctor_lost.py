"""Kinds of programs for the doctor: what is lost on its way, functions of one's own, penalties, names and pace."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.compare import better, is_behind, says_nothing
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import _cut_off
from pellucid.doctor.observed.laboratory import is_part
from pellucid.doctor.observed.observer import Observer
from pellucid.doctor.observed.record import ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import gradients, loss, model
from pellucid.doctor.observed.treatments import LearningRate
from pellucid.nn import functional as F
from tests.watching import watched

# What is lost ---------------------------------------------------------------------------------------------------------


def once_an_epoch(every: int) -> Callable[[], None]:
    """Gradients are cleared before each backward, and an update is made after each so many."""

    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(80, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.5)
        for step in range(40):
            rows = x[step % 20 * 4 : step % 20 * 4 + 4]
            optimizer.zero_grad()
            F.cross_entropy(network(rows), (rows[:, 0] > 0).long()).backward()
            if step % every == every - 1:
                optimizer.step()

    return program


def test_gradients_that_are_cleared_before_an_update() -> None:
    record = watched(once_an_epoch(5))
    (found,) = gradients.cleared(record)
    assert found.cause == "too-few-updates" and found.place == record.lines["step"] and record.wasted == 32
    assert better(record, watched(once_an_epoch(5), *found.treatments)), "with an update after each backward"
    assert list(gradients.cleared(watched(once_an_epoch(1)))) == []


def test_gradients_of_inputs_are_not_lost() -> None:
    """Examples that mislead a network are made by gradients that no update is made of."""

    def program() -> None:
        network, x = nn.Linear(4, 3), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(5):
            for _ in range(4):
                given = x.clone().requires_grad_(True)
                F.cross_entropy(network(given), (x[:, 0] > 0).long()).backward()
                optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()
            optimizer.zero_grad()

    assert list(gradients.cleared(watched(program))) == []


def test_gradients_that_a_loss_is_made_of_are_no_rows() -> None:
    """A field is learnt as the slope of an energy: of what has no gradient, weights meet that of a sum first."""

    def program() -> None:
        x, network = torch.randn(40, 2).requires_grad_(), nn.Sequential(nn.Linear(2, 8), nn.Tanh(), nn.Linear(8, 1))
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(8):
            (field,) = torch.autograd.grad(network(x).sum(), x, create_graph=True)
            optimizer.zero_grad()
            F.mse_loss(field, x.detach() * torch.tensor([1.0, -1.0])).backward()
            optimizer.step()

    record = watched(program)
    assert len(record.steps) == 8 and list(model.ignored(record)) == [] == record.rows


class Forgets(nn.Module):
    def __init__(self) -> None:
        super().__init__()
        self.first, self.second = nn.Linear(4, 8), nn.Linear(8, 3)

    def forward(self, x: Any) -> Any:
        x = self.first(x)
        F.relu(x)
        return self.second(x)


def test_an_activation_whose_result_nobody_takes() -> None:
    def program() -> None:
        network, x = Forgets(), torch.randn(20, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    (found,) = model.linear(watched(program))
    assert found.place is not None and found.place[1] == Forgets.forward.__code__.co_firstlineno + 2


def test_a_graph_is_cut_where_the_pass_goes_on_with_what_was_cut() -> None:
    def program() -> None:
        first, second, x = nn.Linear(4, 3), nn.Linear(3, 3), torch.randn(20, 4)
        optimizer = optim.SGD([*first.parameters(), *second.parameters()], lr=0.1)
        for _ in range(5):
            optimizer.zero_grad()
            hidden = first(x)
            print(hidden.detach().mean().item(), end="")
            state = hidden.data
            F.cross_entropy(second(state), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    (found,) = gradients.no_history(watched(program))
    assert found.place is not None and found.place[1] == program.__code__.co_firstlineno + 7


def test_rows_and_labels_that_are_split_apart(tmp_path: Any) -> None:
    script = tmp_path / "train.py"
    script.write_text(
        "X_a, X_b = train_test_split(X, random_state=1)\ny_a, y_b = train_test_split(y, random_state=2)\n"
    )
    assert orders.alone((str(script), 1)) == (str(script), 2)
    script.write_text("X_a, X_b, y_a, y_b = train_test_split(X, y, random_state=1)\n")
    assert orders.alone((str(script), 1)) is None


# Functions of one's own -----------------------------------------------------------------------------------------------


class Turned(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x.view_as(x)

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        return -0.5 * g


class Stepped(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any, scale: Any) -> Any:
        ctx.save_for_backward(x, scale)
        return torch.round(x / scale) * scale

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        x, scale = ctx.saved_tensors
        return g, (g * (torch.round(x / scale) - x / scale)).sum()


class Squared(torch.autograd.Function):
    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        ctx.save_for_backward(x)
        return x * x

    @staticmethod
    def backward(ctx: Any, g: Any) -> Any:
        (x,) = ctx.saved_tensors
        return -2 * x * g


def applied(function: Callable[[Any], Any]) -> Callable[[], None]:
    def program() -> None:
        first, second, x = nn.Linear(4, 8), nn.Linear(8, 2), torch.randn(40, 4)
        optimizer = optim.Adam([*first.parameters(), *second.parameters()], lr=0.05)
        for _ in range(60):
            optimizer.zero_grad()
            F.cross_entropy(second(function(first(x))), (x[:, 0].abs() > 0.7).long()).backward()
            optimizer.step()

    return program


def test_backwards_that_are_meant_to_be_others() -> None:
    """Gradients that are turned on their way, and what goes past a step, whose own slope is 0."""
    scale = torch.tensor(0.3, requires_grad=True)
    for function in (Turned.apply, lambda x: Stepped.apply(x, scale)):
        record = watched(applied(function))
        assert any(abs(f.said - f.true) > 0.02 * abs(f.said) for f in record.functions)
        assert list(gradients.functions(record)) == []


def test_a_function_is_differentiated_by_its_forward() -> None:
    wrong = watched(applied(Squared.apply))
    (found,) = gradients.functions(wrong)
    right = watched(applied(lambda x: Squared.apply(x)), *found.treatments)
    assert found.cause == "wrong-backward" and better(wrong, right) and right.functions == []
    assert list(gradients.functions(watched(applied(Squared.apply)))), "and put back"


# Penalties ------------------------------------------------------------------------------------------------------------


def penalised(factor: float) -> Callable[[], None]:
    def program() -> None:
        network, x = nn.Sequential(nn.Linear(4, 16), nn.Tanh(), nn.Linear(16, 2)), torch.randn(60, 4)
        optimizer = optim.Adam(network.parameters(), lr=0.03)
        for _ in range(120):
            optimizer.zero_grad()
            decay = factor * sum((p**2).sum() for p in network.parameters())
            (F.cross_entropy(network(x), (x[:, 0] * x[:, 1] > 0).long()) + decay).backward()
            optimizer.step()

    return program


def test_a_penalty_on_the_weights_that_is_written_out() -> None:
    record = watched(penalised(0.3))
    (found,) = model.penalty(record)
    assert found.cause == "excessive-weight-decay" and found.place is not None
    assert found.place[1] == penalised.__code__.co_firstlineno + 6, "the line of the penalty"
    mended = watched(penalised(0.3), *found.treatments)
    assert confirms(found, record, mended) and not confirms(found, mended, record)
    assert list(model.penalty(watched(penalised(1e-5)))) == []


def test_a_state_that_is_left_out_is_not_cut_off() -> None:
    class Leaves(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.layer, self.head = nn.GRU(3, 5, batch_first=True), nn.Linear(5, 2)

        def forward(self, x: Any) -> Any:
            start = torch.zeros(1, len(x), 5)
            self.layer(x, start)
            return self.head(start[-1])

    def program() -> None:
        network, x = Leaves(), torch.randn(12, 4, 3)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(7):
            optimizer.zero_grad()
            F.cross_entropy(network(x), (x[:, 0, 0] > 0).long()).backward()
            optimizer.step()

    record = watched(program)
    assert list(gradients.no_history(record)) == []
    assert [s.cause for s in model.ignored(record)] == ["input-ignored"]


# Names and pace -------------------------------------------------------------------------------------------------------


def test_layers_in_plain_lists_are_called_what_the_program_calls_them() -> None:
    class Network(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.hidden = [nn.Linear(4, 4) for _ in range(2)]
            self.kinds = {"out": nn.Linear(4, 2)}
            self.shift = [nn.Parameter(torch.zeros(4))]
            self.listed = nn.Linear(4, 4)

        def forward(self, x: Any) -> Any:
            for layer in (self.listed, *self.hidden):
                x = torch.tanh(layer(x)) + self.shift[0]
            return self.kinds["out"](x)

    def program() -> None:
        network, x = Network(), torch.randn(20, 4)
        scale = torch.ones(4, requires_grad=True)
        optimizer = optim.SGD([*network.parameters(), scale], lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            F.cross_entropy(network(x * scale), (x[:, 0] > 0).long()).backward()
            optimizer.step()

    record = watched(program)
    names = {p.name for p in record.parameters.values() if p.reached and not p.listed}
    assert {"hidden[0].weight", "hidden[1].bias", "kinds['out'].weight", "shift[0]", "scale"} <= names
    assert not any(name.startswith("tensor") for name in record.parameters)


def test_which_run_is_behind() -> None:
    pace = [2.0 - i / 100 for i in range(150)]
    assert is_behind([2.5] * 75, pace) and is_behind([2.5] * 112, pace)
    assert not is_behind([2.5] * 74, pace), "it is asked half way, and once more"
    assert not is_behind(pace[:75], pace) and not is_behind([1.0] * 75, pace)
    risen = [*pace, *[5.0] * 50]
    assert not is_behind([2.5] * 100, risen), "who ends far above may be overtaken from behind"
    assert not is_behind([-0.1] * 75, [-1.0] * 150) and not is_behind([2.5] * 10, pace[:20])


def descent(rate: float) -> Callable[[], None]:
    def program() -> None:
        network, x = nn.Linear(4, 1), torch.randn(40, 4)
        optimizer = optim.SGD(network.parameters(), lr=rate)
        for _ in range(30):
            optimizer.zero_grad()
            F.mse_loss(network(x), x[:, :1]).backward()
            optimizer.step()

    return program


def test_a_run_that_falls_behind_is_given_up() -> None:
    pace = watched(descent(0.5)).losses * 4  # as of a run that is longer

    class Given(Exception):
        pass

    def enough() -> None:
        raise Given

    observer = Observer([LearningRate(1e-6)], enough=enough, pace=pace)

    def program() -> None:
        for _ in range(4):
            descent(0.5)()

    observer.start()
    try:
        with pytest.raises(Given):
            program()
    finally:
        observer.stop()
    record, whole = observer.record, ProgramRecord([StepRecord(value, count=20) for value in pace])
    assert record.behind and len(record.steps) == 60
    assert not says_nothing(whole, record), "that it ended early is no want of time"
    assert not better(whole, record)


# Classes that are taken for numbers -----------------------------------------------------------------------------------


def ids(asked: bool, by_class: bool = False) -> Callable[[], None]:
    """The mean of the outputs for each class is drawn to the class's number; or what is meant by it."""

    def program() -> None:
        network, x = nn.Sequential(nn.Embedding(9, 6), nn.Flatten(), nn.Linear(12, 4)), torch.randint(0, 9, (40, 2))
        labels = x[:, 0] % 4
        optimizer, right = optim.SGD(network.parameters(), lr=0.1), list[float]()
        for _ in range(3):
            optimizer.zero_grad()
            given = network(x)
            wrong = F.cross_entropy(given, labels) if by_class else F.mse_loss(given.mean(1), labels.float())
            wrong.backward()
            optimizer.step()
            with torch.no_grad():
                said = network(x).argmax(1) if asked else network(x).mean(1).round()
                right.append((said == labels).float().mean().item())

    return program


def test_outputs_of_which_the_largest_is_asked_are_no_distance_to_a_number() -> None:
    (found,) = loss.class_ids(watched(ids(asked=True)))
    assert found.cause == "wrong-loss-for-task" and "which is the largest" in found.evidence
    assert list(loss.class_ids(watched(ids(asked=True, by_class=True)))) == []
    assert not watched(ids(asked=False)).chosen


def test_what_actions_bring_is_no_class() -> None:
    """A game asks which action is worth most, too, and draws the worth of the one that was taken to a number."""

    def program() -> None:
        network, x = nn.Linear(3, 4), torch.randn(40, 3)
        best, taken = torch.arange(40) % 4, torch.arange(40) % 3
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.mse_loss(network(x).gather(1, taken[:, None]).squeeze(1), (torch.arange(40) % 4).float()).backward()
            optimizer.step()
            with torch.no_grad():
                assert 0 <= (network(x).argmax(1) == best).float().mean().item() <= 1

    record = watched(program)
    assert record.chosen == {0.0, 1.0, 2.0, 3.0} and list(loss.class_ids(record)) == []


def test_a_program_of_which_hardly_a_step_was_seen_is_not_called_healthy() -> None:
    def cut(steps: int, ended: bool) -> str:
        record = ProgramRecord([StepRecord(1.0)] * steps)
        record.ended = ended
        return _cut_off(record)

    assert "1 step of its training" in cut(1, ended=False) and "--budget" in cut(9, ended=False)
    assert not cut(1, ended=True) and not cut(10, ended=False)
    long = ProgramRecord([StepRecord(1.0)] * 40)
    assert is_part(long), "of which the rest is missing"
    long.ended = True
    assert not is_part(long)
