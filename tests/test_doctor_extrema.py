"""Losses that are none of those that are known: which way they go."""

from collections.abc import Callable
from typing import Any

import pytest

import pellucid as torch
from pellucid import nn, optim
from pellucid.doctor.observed.rules import objective
from pellucid.nn import functional as F
from tests.watching import watched


def cosine(said: Any, asked: Any) -> Any:
    return F.cosine_similarity(said, asked, dim=1).mean()


def by_hand(said: Any, asked: Any) -> Any:
    return ((said * asked).sum(1) / (said.norm(dim=1) * asked.norm(dim=1))).mean()


def likelihood(said: Any, asked: Any) -> Any:
    return torch.distributions.Normal(said, 0.5).log_prob(asked).mean()


def explains(said: Any, asked: Any) -> Any:
    return 1 - ((said - asked) ** 2).sum() / ((asked - asked.mean(0)) ** 2).sum()


def weighed(said: Any, asked: Any) -> Any:
    """Actions that cost something are to become less likely."""
    costs = torch.rand(len(asked))
    return (torch.distributions.Normal(said, 1.0).log_prob(asked).sum(1) * costs).mean()


def masked(said: Any, asked: Any) -> Any:
    return torch.logsumexp(said * (asked > 0).float(), dim=1).mean()


@pytest.mark.parametrize("upwards", [False, True])
@pytest.mark.parametrize(
    ("score", "turned"),
    [(cosine, True), (by_hand, True), (likelihood, True), (explains, True), (weighed, False), (masked, False)],
)
def test_a_loss_that_is_highest_at_its_target(score: Callable[..., Any], turned: bool, upwards: bool) -> None:
    def program() -> None:
        x = torch.randn(60, 4)
        network, asked = nn.Linear(4, 3), torch.tanh(x @ torch.randn(4, 3)) * torch.rand(60, 3)
        optimizer = optim.Adam(network.parameters(), lr=0.01)
        for _ in range(8):
            optimizer.zero_grad()
            said = score(network(x), asked)
            (-said if upwards else said).backward()
            optimizer.step()

    record = watched(program)
    expected = ["loss-sign-flipped"] if turned and not upwards else []
    assert [s.cause for s in objective.upside_down(record)] == expected and len(record.tops) > 3
