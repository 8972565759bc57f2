"""Kinds of programs for the doctor: halves that belong together, axes of sequences, losses that have no name."""

from __future__ import annotations

import itertools
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.compare import better, is_still, is_worse, may_fall
from pellucid.doctor.observed.confirmation import confirms
from pellucid.doctor.observed.examination import _unknown
from pellucid.doctor.observed.record import OptimizerRecord, ParameterRecord, ProgramRecord, StepRecord
from pellucid.doctor.observed.rules import data, gradients, loss, model
from pellucid.doctor.observed.suspicion import Suspicion
from pellucid.doctor.observed.treatments import BatchFirst, LearningRate, ScaleInputs
from pellucid.nn import functional as F
from pellucid.utils.data import DataLoader, TensorDataset
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


def test_inputs_alone_are_scaled_where_a_network_is_in_two_parts() -> None:
    """What an encoder makes of the rows, of as many columns as they have or of others, is none of them."""

    def program(inside: int) -> None:
        given: list[torch.Tensor] = []
        encoder, head = nn.Linear(4, inside), nn.Linear(inside, 1)

        def note(_: nn.Module, args: tuple[torch.Tensor, ...]) -> None:
            if torch.is_grad_enabled():  # not where the doctor asks them
                given.append(args[0])

        head.register_forward_pre_hook(note)
        encoder.register_forward_pre_hook(note)
        optimizer = optim.SGD([*encoder.parameters(), *head.parameters()], lr=0.01)
        for x in 1000 + 50 * torch.randn(4, 20, 4):
            optimizer.zero_grad()
            head(encoder(x)).square().mean().backward()
            optimizer.step()
        sizes.append([float(each.abs().max()) for each in given])

    sizes: list[list[float]] = []
    for inside in (4, 7):
        watched(lambda inside=inside: program(inside), ScaleInputs(np.full(4, 1000.0), np.full(4, 50.0), (4,)))
    assert max(max(each[::2]) for each in sizes) < 5, "the rows"
    assert max(max(each[1::2]) for each in sizes) < 10, "what is made of them: not scaled once more, to -20 or so"


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


@pytest.mark.parametrize("shuffle", [True, False])
def test_the_first_batches_of_each_epoch_alone_are_named_where_they_are_taken(shuffle: bool) -> None:
    def program() -> None:
        network, x = nn.Linear(3, 1), torch.randn(200, 3)
        rows = DataLoader(TensorDataset(x, x.sum(1, keepdim=True)), batch_size=10, shuffle=shuffle)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for _ in range(12):
            for given, target in itertools.islice(rows, 3):
                optimizer.zero_grad()
                F.mse_loss(network(given), target).backward()
                optimizer.step()
        for given, _ in rows:
            with torch.no_grad():
                network(given)

    found, first = list(data.same_rows(watched(program))), program.__code__.co_firstlineno
    assert [s.place and s.place[1] - first for s in found] == ([] if shuffle else [5])


class OfClips(nn.Module):
    """Each picture of a clip by itself, and what they say one after the other."""

    def __init__(self, turned: bool) -> None:
        super().__init__()
        self.turned, self.layer, self.time, self.head = turned, nn.Linear(4, 6), nn.GRU(6, 5), nn.Linear(5, 1)

    def forward(self, x: Any) -> Any:
        batch, time, _ = x.shape
        each = torch.relu(self.layer(x.view(batch * time, 4)))
        each = each.view(batch, time, -1).transpose(0, 1) if self.turned else each.view(time, batch, -1)
        return self.head(self.time(each)[0][-1])


@pytest.mark.parametrize("turned", [True, False])
def test_an_axis_of_batch_and_time_that_is_split_the_other_way_is_named_where_it_is_split(turned: bool) -> None:
    def program() -> None:
        network, x = OfClips(turned), torch.randn(60, 7, 4)
        optimizer = optim.SGD(network.parameters(), lr=0.1)
        for step in range(8):
            rows = x[step % 4 * 15 : step % 4 * 15 + 15]
            optimizer.zero_grad()
            F.mse_loss(network(rows), rows.sum((1, 2))[:, None]).backward()
            optimizer.step()

    found = list(data.mixed(watched(program)))
    line = OfClips.forward.__code__.co_firstlineno + 3
    assert [s.place and s.place[1] for s in found] == ([] if turned else [line])
    assert not any(s.treatments for s in found)


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
