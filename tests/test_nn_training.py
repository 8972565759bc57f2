"""Whole training steps: recorded and replayed they are the eager ones bit for bit, with every optimiser."""

from typing import Any

import pytest

import pellucid
from pellucid import nn, optim
from pellucid.compile import trace

OPTIMIZERS: dict[str, dict[str, Any]] = {
    "SGD": {"lr": 0.1, "momentum": 0.9, "weight_decay": 0.01, "nesterov": True},
    "Adam": {"amsgrad": True},
    "AdamW": {},
    "RMSprop": {"momentum": 0.9, "centered": True},
    "Adagrad": {"lr_decay": 0.1},
    "NAdam": {"momentum_decay": 0.1},
    "RAdam": {"lr": 0.01, "betas": (0.9, 0.95)},
    "Rprop": {},
    "ASGD": {"t0": 2},
    "Adadelta": {},
    "Adamax": {"weight_decay": 0.01},
}


def training(name: str) -> tuple[nn.Module, Any]:
    """A network with buffers, random masks and clipped gradients, and the function that trains it by one batch."""
    pellucid.manual_seed(0)
    model = nn.Sequential(
        nn.Conv2d(1, 2, 3, padding=1),
        nn.BatchNorm2d(2),
        nn.GELU(),
        nn.MaxPool2d(2),
        nn.Flatten(),
        nn.Dropout(0.3),
        nn.Linear(8, 3),
    )
    optimizer = getattr(optim, name)(model.parameters(), **OPTIMIZERS.get(name, {}))
    pellucid.manual_seed(1)

    def step(x: Any, y: Any) -> Any:
        optimizer.zero_grad()
        loss = nn.functional.cross_entropy(model(x), y)
        loss.backward()
        nn.utils.clip_grad_norm_(model.parameters(), 1.0)
        optimizer.step()
        return loss

    return model, step


# LBFGS asks for a closure, Muon takes matrices alone, Adafactor's step counts on the host: none can be traced.
@pytest.mark.parametrize("name", sorted({*optim.OPTIMIZERS} - {"LBFGS", "Muon", "Adafactor"}))
def test_a_recorded_step_replays_as_it_ran(name: str) -> None:
    batches = [(pellucid.randn(4, 1, 4, 4), pellucid.randint(0, 3, (4,))) for _ in range(5)]
    model, step = training(name)
    losses = [step(*batch).item() for batch in batches]
    replayed, step = training(name)
    program = trace(step, *batches[0])  # this runs the first step, in which the optimiser's state is made
    assert [program(*batch).item() for batch in batches[1:]] == losses[1:]
    for key, value in model.state_dict().items():
        assert replayed.state_dict()[key].numpy().tobytes() == value.numpy().tobytes(), key


@pytest.mark.learns
@pytest.mark.parametrize("name", OPTIMIZERS)
def test_the_loss_goes_down(name: str) -> None:
    model, step = training(name)
    x, y = pellucid.randn(16, 1, 4, 4), pellucid.randint(0, 3, (16,))
    before = nn.functional.cross_entropy(model.eval()(x), y).item()
    model.train()
    for _ in range(60):
        step(x, y)
    assert nn.functional.cross_entropy(model.eval()(x), y).item() < before
