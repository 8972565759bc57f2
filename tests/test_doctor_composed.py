"""What is asked of a network is asked whatever the network is written as: in one, in parts, by hand, with its loss."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.composed import Called, compose
from pellucid.doctor.observed.record import ProgramRecord
from pellucid.doctor.observed.rules import data, model
from pellucid.doctor.observed.treatments import OptimizeAll, StepEach, TrainStrangers, Treatment
from pellucid.nn import functional as F
from tests.watching import watched

Step = Callable[[Any, Any], tuple[Any, Any]]  # of rows and targets: the loss and the predictions


class Mixing(nn.Module):
    """Steps of time for samples: the rows of a batch are reshaped, not transposed."""

    def __init__(self, wrong: str) -> None:
        super().__init__()
        self.gru, self.wrong = nn.GRU(2, 8), wrong

    def forward(self, x: Any) -> Any:
        if self.wrong == "ignored":
            x = 0 * x
        steps = x.reshape(x.shape[1], len(x), 2) if self.wrong == "mixed" else x.transpose(0, 1)
        return self.gru(steps)[0][-1]


@dataclass
class Output:
    loss: Any
    logits: Any


class Whole(nn.Module):
    """All in one, and its loss in it where it is given targets."""

    def __init__(self, wrong: str, how: str) -> None:
        super().__init__()
        self.body, self.head, self.how = Mixing(wrong), nn.Linear(8, 1), how

    def forward(self, x: Any, target: Any = None) -> Any:
        logits = self.head(self.body(x))
        loss = F.mse_loss(logits, target) if target is not None else None
        return {"one": logits, "pair": (loss, logits), "dict": {"loss": loss, "logits": logits}}.get(
            self.how, Output(loss, logits)
        )


def whole(wrong: str, how: str) -> tuple[list[Any], Step]:
    network = Whole(wrong, how)

    def step(x: Any, y: Any) -> tuple[Any, Any]:
        if how == "one":
            logits = network(x)
            return F.mse_loss(logits, y), logits
        given = network(x, y)
        return (
            given
            if how == "pair"
            else (given["loss"], given["logits"])
            if how == "dict"
            else (given.loss, given.logits)
        )

    return list(network.parameters()), step


def parts(wrong: str, how: str) -> tuple[list[Any], Step]:
    body, head = Mixing(wrong), nn.Linear(8, 1)
    weight, bias = (p.detach().clone().requires_grad_() for p in (head.weight, head.bias))

    def step(x: Any, y: Any) -> tuple[Any, Any]:
        given = body(x)
        logits = given @ weight.T + bias if how == "by hand" else head(given.relu() if how == "ops" else given)
        return F.mse_loss(logits, y), logits

    return [*body.parameters(), *([weight, bias] if how == "by hand" else head.parameters())], step


FORMS: dict[str, Callable[[str], tuple[list[Any], Step]]] = {
    how: (lambda wrong, how=how: whole(wrong, how)) for how in ("one", "pair", "dict", "object")
} | {how: (lambda wrong, how=how: parts(wrong, how)) for how in ("parts", "ops", "by hand")}


def trained(form: str, wrong: str) -> ProgramRecord:
    def program() -> None:
        parameters, step = FORMS[form](wrong)
        x = torch.randn(160, 6, 2)
        y = x.sum((1, 2)).unsqueeze(1)
        optimizer = optim.Adam(parameters, lr=0.01)
        for _ in range(10):
            for start in range(0, 160, 20):
                optimizer.zero_grad()
                step(x[start : start + 20], y[start : start + 20])[0].backward()
                optimizer.step()

    return watched(program)


@pytest.mark.parametrize("form", FORMS)
@pytest.mark.parametrize("wrong", ["", "mixed", "ignored"])
def test_a_network_is_asked_in_whatever_form(form: str, wrong: str) -> None:
    record = trained(form, wrong)
    causes = {found.cause for rule in (data.mixed, model.ignored) for found in rule(record)}
    assert causes == ({"mixed": {"samples-mixed"}, "ignored": {"input-ignored"}}.get(wrong, set()))


def test_an_evaluation_goes_on_from_an_encoder_to_its_head() -> None:
    def program() -> None:
        encoder, head = nn.Linear(6, 5), nn.Linear(5, 3)
        optimizer = optim.Adam([*encoder.parameters(), *head.parameters()], lr=0.01)
        x, y = torch.randn(200, 6), torch.randint(0, 3, (200,))
        for _ in range(5):
            for start in range(0, 160, 20):
                optimizer.zero_grad()
                F.cross_entropy(head(encoder(x[start : start + 20])), y[start : start + 20]).backward()
                optimizer.step()
            with torch.no_grad():
                x_val, y_val = x[160:], y[160:]
                (head(encoder(x_val)).argmax(1) == y_val).float().mean().item()

    record = watched(program)
    assert [(len(h.rows), h.names >= {"x_val"}) for h in record.held_out] == [(40, True)] * 5
    assert all(h.accuracy is not None for h in record.held_out)
    last = record.held_out[-1]
    assert last.inputs is not None and last.outputs is not None
    assert last.inputs.shape == (40, 6) and last.outputs.shape == (40, 3)


def test_what_leads_from_rows_to_predictions_is_done_again() -> None:
    body, head, mask = nn.Linear(4, 3), nn.Linear(3, 2), torch.ones(5, 3)
    x, other = torch.randn(5, 4), torch.randn(5, 4)
    inner = body(x)
    out = head(inner)
    made = [Called(body, (x,), {}, inner), Called(head, (inner,), {}, out)]
    network = compose(made, [], [x], out)
    assert network is not None and network.called == [body, head] and network.number is None
    assert np.allclose(network(other).detach().numpy(), head(body(other)).detach().numpy())
    assert len(network(torch.randn(3, 4))) == 3
    assert compose(made, [], [other], out) is None, "that does not lead there"
    masked = compose([Called(body, (x, mask), {}, inner), made[1]], [], [x], out)
    assert masked is not None and masked.number == 5
    with pytest.raises(ValueError, match="5 rows"):
        masked(torch.randn(3, 4))


@pytest.mark.parametrize("how", ["one", "two", "in turn"])
def test_several_optimisers_that_step_together_are_as_one(how: str) -> None:
    """Of an encoder and its head; not those of a game, each of which has backwards of its own."""

    def program() -> None:
        body, head = nn.Linear(6, 5), nn.Linear(5, 1)
        halves = [[*body.parameters(), *head.parameters()]] if how == "one" else [body.parameters(), head.parameters()]
        optimizers = [optim.SGD(half, lr=0.01) for half in halves]
        x = torch.randn(20, 6)
        for i in range(30):
            for optimizer in optimizers:
                optimizer.zero_grad()
            head(body(x)).square().mean().backward()
            for optimizer in optimizers if how != "in turn" else optimizers[i % 2 : i % 2 + 1]:
                optimizer.step()

    assert watched(program).together is (how != "in turn")


@pytest.mark.parametrize("treatment", [OptimizeAll, TrainStrangers])
def test_a_stranger_alone_is_trained_beside_two_optimisers(treatment: Callable[[], Treatment]) -> None:
    """What the other one knows is none: it makes its own updates, no more and no fewer."""
    moved: list[list[float]] = []

    def program() -> None:
        parts = [nn.Linear(4, 4, bias=False) for _ in range(3)]
        before = [part.weight.detach().clone() for part in parts]
        optimizers = [optim.SGD(part.parameters(), lr=0.01) for part in parts[:2]]
        x = torch.randn(20, 4)
        for _ in range(5):
            for optimizer in optimizers:
                optimizer.zero_grad()
            sum((part(x).sum() for part in parts), torch.zeros(())).backward()
            for optimizer in optimizers:
                optimizer.step()
        moved.append([float((part.weight - was).abs().max()) for part, was in zip(parts, before, strict=True)])

    watched(program)
    watched(program, treatment())
    (one, two, stranger), (one_, two_, stranger_) = moved
    assert (one_, two_) == (one, two) and stranger == 0 < stranger_


def test_all_of_several_optimisers_step_behind_each_backward() -> None:
    def program() -> None:
        parts = [nn.Linear(4, 4, bias=False) for _ in range(2)]
        before = [part.weight.detach().clone() for part in parts]
        optimizers = [optim.SGD(part.parameters(), lr=0.01) for part in parts]
        x = torch.randn(20, 4)
        for i in range(10):
            sum((part(x).sum() for part in parts), torch.zeros(())).backward()
            if i % 5 == 0:
                for optimizer in optimizers:
                    optimizer.step()
        moved.append([float((part.weight - was).abs().max()) for part, was in zip(parts, before, strict=True)])

    moved: list[list[float]] = []
    watched(program)
    watched(program, StepEach())
    assert all(now > was for was, now in zip(*moved, strict=True))
