"""Kinds of programs for the doctor: halves that belong together, axes of sequences, losses that have no name."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed import orders
from pellucid.doctor.observed.compare import better, is_still, is_worse, may_fall
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import _unknown
from pellucid.doctor.observed.record import OptimizerRecord, ParameterRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, loss, model
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import BatchFirst, LearningRate
from pellucid.nn import functional as F
from tests.watching import watched


def run(*losses: float, lr: float = 0.1, kind: str = "") -> ProgramRecord:
    record = ProgramRecord([StepRecord(value, count=20) for value in losses])
    record.optimizers = [OptimizerRecord("SGD", {"lr": lr}, steps=len(losses))]
    record.loss.kind = kind
    return record


# Halves ---------------------------------------------------------------------------------------------------------------


def halves(gives_back: bool) -> Callable[[], None]:
    """Of a network of two halves, the optimiser has the second only."""

    def program() -> None:
        inner, outer = nn.Linear(6, 2), nn.Linear(2, 6)
        network, x = nn.Sequential(inner, nn.Tanh(), outer), torch.randn(20, 6)
        y = x if gives_back else torch.randn(20, 6)
        optimizer = optim.Adam(outer.parameters(), lr=0.01)
        for _ in range(8):
            optimizer.zero_grad()
            F.mse_loss(network(x + 0.1 * torch.randn(20, 6)), y).backward()
            optimizer.step()

    return program


def test_an_encoder_that_no_optimiser_has() -> None:
    """It is believed where it helps at all; random features may well be meant, where the aim is another."""
    (own, _), (other, *_) = (list(gradients.unknown(watched(halves(back)))) for back in (True, False))
    assert own.cause == "parameter-not-optimized" and own.slightly and not own.strictly
    assert not other.slightly


def test_what_helps_slightly() -> None:
    was, now, same = run(*[1.0] * 40), run(*[0.85] * 40), run(*[0.95] * 40)
    slightly = Suspicion("parameter-not-optimized", "", "", "", slightly=True)
    assert not better(was, now) and confirms(slightly, was, now)
    assert not confirms(slightly, was, same) and not confirms(slightly, now, was)
    assert is_worse(same, was) and not is_worse(same, was, 0.1)


# Axes -----------------------------------------------------------------------------------------------------------------


def recurrent(batch_first: bool) -> Callable[[], None]:
    def program() -> None:
        layer, head = nn.GRU(2, 5, batch_first=batch_first), nn.Linear(5, 1)

        class Network(nn.Module):
            def __init__(self) -> None:
                super().__init__()
                self.layer, self.head = layer, head

            def forward(self, x: Any) -> Any:
                return self.head(self.layer(x)[0][:, -1])

        network, x = Network(), torch.randn(60, 7, 2)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(8):
            rows = x[step % 4 * 15 : step % 4 * 15 + 15]
            optimizer.zero_grad()
            F.mse_loss(network(rows), rows.sum((1, 2))[:, None]).backward()
            optimizer.step()

    return program


def test_an_axis_of_time_that_is_taken_for_that_of_the_batch_is_named_where_the_layer_was_made() -> None:
    record = watched(recurrent(batch_first=False))
    (found,) = data.mixed(record)
    assert found.place == record.lines["time first"] and isinstance(found.treatments[0], BatchFirst)
    first = recurrent.__code__.co_firstlineno
    assert found.place is not None and found.place[1] == first + 2, "the line of nn.GRU"
    assert list(model.partly_ignored(record)) == [], "that parts of a row have no effect comes of it"
    assert list(data.mixed(watched(recurrent(batch_first=False), BatchFirst()))) == []
    assert list(data.mixed(watched(recurrent(batch_first=True)))) == []


def texts(dim: int, shaped: Callable[[Any], Any]) -> Callable[[], None]:
    """Logarithms of probabilities of (B, T, C), which nll_loss is given as (B · T, C) or (B, C, T)."""

    def program() -> None:
        network, x = nn.Sequential(nn.Embedding(9, 8), nn.Linear(8, 9)), torch.randint(0, 9, (6, 5))
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            given = shaped(torch.log_softmax(network(x), dim))
            optimizer.zero_grad()
            F.nll_loss(given, x if given.ndim == 3 else x.reshape(-1)).backward()
            optimizer.step()

    return program


SHAPES = [lambda x: x.reshape(-1, 9), lambda x: x.transpose(1, 2), lambda x: x.view(30, 9)]


@pytest.mark.parametrize("shaped", SHAPES)
def test_a_softmax_over_time(shaped: Callable[[Any], Any]) -> None:
    for dim in (0, 1):
        found = list(loss.normalised_twice(watched(texts(dim, shaped))))
        assert [(s.cause, s.treatments[0].value) for s in found] == [("softmax-wrong-axis", 2)], dim  # type: ignore[attr-defined]
    assert list(loss.normalised_twice(watched(texts(2, shaped)))) == []


def test_windows_of_a_text_that_repeats_itself_are_told_apart() -> None:
    def program() -> None:
        text, network = torch.arange(8).repeat(60), nn.Sequential(nn.Embedding(8, 8), nn.Linear(8, 8))
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(12):
            starts = [(7 * step + 3 * i) % 400 for i in range(10)]
            x, y = (torch.stack([text[s + ahead : s + ahead + 6] for s in starts]) for ahead in (0, 1))
            optimizer.zero_grad()
            F.cross_entropy(network(x).reshape(-1, 8), y.reshape(-1)).backward()
            optimizer.step()

    record = watched(program)
    assert record.available == 80 and record.distinct == 4
    assert list(data.same_rows(record)) == []


# Losses without a name ------------------------------------------------------------------------------------------------


def unnamed(record: ProgramRecord, moved: float = 0.5) -> ProgramRecord:
    record.parameters["w"] = ParameterRecord("w", (2, 2), moved=moved)
    return record


def test_of_which_numbers_a_fall_is_asked() -> None:
    falling, flat = [2.0 - i / 40 for i in range(40)], [2.0] * 40
    assert may_fall(unnamed(run(*falling))) and may_fall(unnamed(run(*flat)))
    assert not may_fall(unnamed(run(*[(-1.0) ** i for i in range(40)]))), "what has any sign need not fall"
    assert may_fall(unnamed(run(*[-2.0] * 40), moved=0.0)), "but in a program that does not move at all"
    games = unnamed(run(*falling))
    games.weighed = True
    assert not may_fall(games)
    assert _unknown(unnamed(run(*flat))) and not _unknown(unnamed(run(*falling)))
    assert is_still(run(*flat)) and not _unknown(run(*flat, kind="mse_loss")), "a loss that is known is another matter"


def dice(rate: float) -> Callable[[], None]:
    def program() -> None:
        network, x = nn.Linear(4, 1), torch.randn(40, 4)
        y = (x[:, :1] > 0).float()
        optimizer = optim.SGD(network.parameters(), lr=rate)
        for _ in range(30):
            p = torch.sigmoid(network(x))
            optimizer.zero_grad()
            (1 - (2 * (p * y).sum() + 1) / (p.sum() + y.sum() + 1)).backward()
            optimizer.step()

    return program


def test_a_loss_that_has_no_name_is_watched_by_its_number() -> None:
    slow, fast = watched(dice(1e-4)), watched(dice(1e-4), LearningRate(1e5))
    assert not slow.loss.kind and may_fall(slow) and is_still(slow)
    assert better(slow, fast, strictly=True) and not is_still(fast)


def test_actions_are_weighed_whatever_their_weights_are_called() -> None:
    def program(weighed: bool) -> Callable[[], None]:
        def body() -> None:
            network, x = nn.Linear(3, 2), torch.randn(12, 3)
            optimizer = optim.SGD(network.parameters(), lr=0.1)
            for _ in range(4):
                logs = torch.log_softmax(network(x), 1)[torch.arange(12), torch.arange(12) % 2]
                brought = torch.arange(12).float() if weighed else torch.ones(12)
                optimizer.zero_grad()
                (-(logs * brought).sum() / 12).backward()
                optimizer.step()

        return body

    assert watched(program(weighed=True)).weighed and not watched(program(weighed=False)).weighed


# Rates ----------------------------------------------------------------------------------------------------------------


def test_a_usual_decay_under_a_rate_that_nobody_would_take() -> None:
    def decays(lr: float, share: float) -> bool:
        record = run(*[1.0] * 40)
        record.optimizers = [OptimizerRecord("AdamW", {"lr": lr, "weight_decay": share}, steps=40)]
        return any(True for _ in model.decay(record))

    assert not decays(1000.0, 0.01), "it is the rate that takes so much off the weights"
    assert decays(1000.0, 1.0) and decays(0.1, 0.3)


def test_a_rate_under_which_less_is_known_than_who_guesses() -> None:
    """Of rare events a network that says nothing is right nearly always: no gain in answers can be large."""

    def of(accuracy: float, value: float) -> ProgramRecord:
        record = ProgramRecord(steps=[StepRecord(value, accuracy=accuracy, count=50) for _ in range(40)])
        record.targets = [(np.arange(500) % 25 == 0).astype(int)]
        return record

    assert better(of(0.6, 0.7), of(0.96, 0.17), strictly=True)
    assert not better(of(0.6, 0.3), of(0.96, 0.17), strictly=True) and not better(of(0.95, 0.7), of(0.96, 0.1), True)


# Terms of a loss ------------------------------------------------------------------------------------------------------


def encoder(sign: float, rate: float = 0.05) -> Callable[[], None]:
    """A distance, and a divergence of what is drawn from the unit normal distribution, with one sign or the other."""

    def program() -> None:
        network, x = nn.Linear(4, 4), torch.randn(40, 4)
        optimizer = optim.Adam(network.parameters(), lr=rate)
        for _ in range(25):
            mean, log = network(x).chunk(2, 1)
            away = sign * 0.5 * (1 + log - mean.pow(2) - log.exp()).sum() / 40
            wrong = F.mse_loss(network(x), x)
            optimizer.zero_grad()
            (wrong + away).backward()
            optimizer.step()

    return program


def test_a_term_without_a_lower_bound() -> None:
    record = watched(encoder(1.0))
    (found,) = loss.bottomless(record)
    assert (found.cause, found.without) == ("loss-sign-flipped", found.treatments[0].key)  # type: ignore[attr-defined]
    assert found.place is not None and found.place[1] == encoder.__code__.co_firstlineno + 8, "the line of the term"
    mended = watched(encoder(1.0), *found.treatments)
    assert confirms(found, record, mended) and not confirms(found, mended, record)
    assert list(loss.bottomless(mended)) == [] and list(loss.bottomless(watched(encoder(-1.0)))) == []


def test_terms_of_a_loss() -> None:
    def program() -> None:
        network, x = nn.Linear(4, 4), torch.ones(5, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.0)
        for _ in range(3):
            optimizer.zero_grad()
            first, second = (network(x) - 1).pow(2).sum(1), network(x).abs().sum(1)
            (2 + (first - second).mean()).backward()
            optimizer.step()

    first, second = watched(program).terms[2]
    assert first.value > 0 > second.value and first.place != (None,)
    assert watched(dice(0.1)).terms == {}


def test_what_is_not_finite_is_shown_where_it_was_made() -> None:
    def program() -> None:
        x, network = torch.tensor([[1.0, 2.0, 3.0], [1.0, 4.0, 1.0]] * 20), nn.Linear(3, 2)
        x = (x - x.mean(0)) / x.std(0)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            F.cross_entropy(network(x), torch.arange(40) % 2).backward()
            optimizer.step()

    (found,) = data.not_finite(watched(program))
    assert found.place is not None and found.place[1] == program.__code__.co_firstlineno + 2


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
        network, x = nn.Linear(4, 2), torch.randn(60, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(60):
            optimizer.zero_grad()
            decay = factor * sum((p**2).sum() for p in network.parameters())
            (F.cross_entropy(network(x), (x[:, 0] > 0).long()) + decay).backward()
            optimizer.step()

    return program


def test_a_penalty_on_the_weights_that_is_written_out() -> None:
    record = watched(penalised(3.0))
    (found,) = model.penalty(record)
    assert found.cause == "excessive-weight-decay" and found.place is not None
    assert found.place[1] == penalised.__code__.co_firstlineno + 6, "the line of the penalty"
    mended = watched(penalised(3.0), *found.treatments)
    assert confirms(found, record, mended) and not confirms(found, mended, record)
    assert list(model.penalty(watched(penalised(1e-4)))) == []


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
