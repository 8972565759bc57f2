"""Lines that are shown where a fault is made: a wrong formula, first numbers, what ends a loop too soon."""

from __future__ import annotations

import inspect
from pathlib import Path
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.functions import _line_of
from pellucid.doctor.observed.rounds import left_at_once
from pellucid.doctor.observed.rules import rate
from pellucid.nn import functional as F
from tests.watching import watched


class Named(torch.autograd.Function):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        wrong = torch.where(x > 0, grads[0], x + 1)
        return wrong, None


class Stepwise(torch.autograd.Function):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        wrong = grads[0].clone()
        wrong[ctx.saved_tensors[0] > 0] = 0
        return wrong


class Beside(torch.autograd.Function):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x,) = ctx.saved_tensors
        inside = (x.abs() <= 1).float()
        return grads[0] * (1 - inside), None


class Two(torch.autograd.Function):
    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        (x, y) = ctx.saved_tensors
        both = x + y
        return grads[0] * both, grads[0] - both


@pytest.mark.parametrize(("kind", "line"), [(Named, 3), (Stepwise, 1), (Beside, 4), (Two, 1)])
def test_the_line_of_a_backward_that_computes(kind: Any, line: int) -> None:
    assert _line_of(kind) == (__file__, inspect.getsourcelines(kind.backward)[1] + line)


LOOP = """
def epoch(loader):
    total = 0.0
    for x, y in loader:
        loss = criterion(model(x), y)
        loss.backward()
        total += loss.item()
{end}

for number in range(9):
    print(epoch(loader))
"""


@pytest.mark.parametrize(
    ("end", "line"),
    [
        ("        return total", 8),
        ("        break", 8),
        ("    return total", None),
        ("        if total > 9:\n            break", None),
    ],
)
def test_what_ends_a_loop_in_its_first_round(end: str, line: int | None, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(LOOP.format(end=end))
    assert left_at_once((str(script), 6)) == ((str(script), line) if line else None)
    assert left_at_once(None) is None and left_at_once((str(tmp_path / "none.py"), 1)) is None


def test_a_pass_over_the_data_that_ends_after_a_batch() -> None:
    network = nn.Linear(4, 3)
    optimizer = optim.SGD(network.parameters(), lr=1e-3)

    def epoch() -> float:
        for _ in range(20):
            optimizer.zero_grad()
            loss = F.cross_entropy(network(torch.randn(8, 4)), torch.arange(8) % 3)
            loss.backward()
            optimizer.step()
            return loss.item()
        return 0.0

    def program() -> None:
        for _ in range(4):
            epoch()

    record = watched(program)
    record.ended = True
    (found,) = rate.hardly_any(record)
    assert found.place == (__file__, inspect.getsourcelines(epoch)[1] + 6)


def test_first_numbers_are_made_where_they_are_drawn() -> None:
    def program() -> None:
        weights = [torch.randn(3, 3) * 1e-4 for _ in range(2)]
        for w in weights:
            w.requires_grad_(True)
        optimizer = optim.SGD(weights, lr=0.1)
        for _ in range(4):
            optimizer.zero_grad()
            (torch.randn(5, 3) @ weights[0] @ weights[1]).pow(2).mean().backward()
            optimizer.step()

    line = inspect.getsourcelines(program)[1] + 1
    assert {p.place for p in watched(program).parameters.values()} == {(__file__, line)}
