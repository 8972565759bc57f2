"""A compiled function whose `backward()` is called outside: two plans, and the history between them."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, optim
from tests.test_compile import MODELS, OPTIMIZERS, compiling

functional = nn.functional


def quietly(function: Any) -> Any:
    return compiling(function, fullgraph=True)


def train(model: str, compiled: bool, steps: int = 8) -> Any:
    """Losses, weights, buffers, gradients and the random stream; the model runs twice before each backward."""
    build, batch = MODELS[model]
    pellucid.manual_seed(7)
    net = build()
    run = quietly(net) if compiled else net
    descent = OPTIMIZERS["SGD with momentum"](net.parameters())
    schedule = optim.lr_scheduler.StepLR(descent, 3, 0.5)
    rng = np.random.default_rng(3)
    losses = []
    for _ in range(steps):
        (x, y), (x2, y2) = batch(rng), batch(rng)
        loss = functional.cross_entropy(run(x), y) + 2 * functional.cross_entropy(run(x2), y2)
        descent.zero_grad()
        loss.backward()
        descent.step()
        schedule.step()
        losses.append(loss.item())
    assert not compiled or run.runs >= 2 * steps - 2  # the first call may find what is made once
    grads = [parameter.grad.numpy() for parameter in net.parameters()]
    return (
        losses,
        [*(each.numpy() for each in net.state_dict().values()), *grads],
        pellucid.default_generator.get_state(),
    )


@pytest.mark.parametrize(
    "model", [pytest.param(name, marks=() if name == "CNN" else pytest.mark.slow) for name in MODELS]
)
def test_a_model_whose_loss_is_outside(model: str) -> None:
    got, expected = train(model, True), train(model, False)
    np.testing.assert_allclose(got[0], expected[0], rtol=2e-4)
    for entry, other in zip(got[1], expected[1], strict=True):
        np.testing.assert_allclose(entry, other, rtol=2e-4, atol=2e-5)
    assert np.array_equal(got[2], expected[2])


def pair(x: Any, factor: float = 2.0) -> Any:
    bent = (x * factor).sin()
    return {"bent": bent, "twice": (bent, [x, bent.detach()]), "much": (bent > 0).float(), "count": 3}


def test_gradients_of_arguments_and_nests_of_results() -> None:
    run = quietly(pair)
    for i in range(4):
        x: Any = pellucid.linspace(i, i + 1, 5).requires_grad_()
        y = x * 3  # with a history of its own
        other: Any = x.detach().clone().requires_grad_()
        for given, function in ((y, run), (other * 3, pair)):
            found = function(given)
            assert found["count"] == 3
            assert found["bent"].requires_grad and not found["much"].requires_grad
            assert found["twice"][1][0] is given and not found["twice"][1][1].requires_grad
            (found["bent"] * found["twice"][0]).sum().backward()
        np.testing.assert_allclose(x.grad.numpy(), other.grad.numpy(), rtol=1e-6)
    assert run.runs == 3


def linear() -> tuple[Any, Any, Any]:
    model = nn.Sequential(nn.Linear(3, 4), nn.Tanh(), nn.Linear(4, 2))
    run = quietly(model)
    x = pellucid.ones(5, 3)
    run(x)
    return model, run, x


def twice(model: Any, run: Any, x: Any) -> None:
    loss = run(x).sum()
    loss.backward()
    loss.backward()


def changed(model: Any, run: Any, x: Any) -> None:
    loss = run(x).sum()
    with pellucid.no_grad():
        model[2].weight.mul_(2)
    loss.backward()


def changed_output(model: Any, run: Any, x: Any) -> None:
    run = quietly(model[:2])
    run(x)
    out = run(x)
    with pellucid.no_grad():
        out.detach().mul_(2)
    out.sum().backward()


def changed_input(model: Any, run: Any, x: Any) -> None:
    loss = run(x).sum()
    x.add_(1)
    loss.backward()


def replaced(model: Any, run: Any, x: Any) -> None:
    loss = run(x).sum()
    model[2].weight.data = pellucid.zeros(2, 4)
    loss.backward()


def second_order(model: Any, run: Any, x: Any) -> None:
    x.requires_grad_()
    run(x)
    loss: Any = run(x).square().sum()
    slope: Any
    (slope,) = pellucid.autograd.grad(loss, x, create_graph=True)
    slope.sum().backward()


@pytest.mark.parametrize(
    ("mistake", "message"),
    [
        (twice, "a second time"), (changed, "modified by an inplace"), (changed_output, "modified by an inplace"),
        (changed_input, "modified by an inplace"), (replaced, "memory of a parameter was replaced"),
        (second_order, "differentiate twice"),
    ],
)  # fmt: skip
def test_what_would_give_wrong_gradients_is_refused(mistake: Callable[..., None], message: str) -> None:
    with pytest.raises(RuntimeError, match=message):
        mistake(*linear())


def test_backward_may_be_kept_and_called_again() -> None:
    model, run, x = linear()
    loss = run(x).sum()
    loss.backward(retain_graph=True)
    once = model[0].weight.grad.clone()
    run(x)  # in other memory
    loss.backward()
    np.testing.assert_allclose(model[0].weight.grad.numpy(), 2 * once.numpy(), rtol=1e-6)


def test_without_gradients_and_with_them_are_two_records() -> None:
    _, run, x = linear()
    for grad in (True, False, True, False):
        with pellucid.set_grad_enabled(grad):
            assert run(x).requires_grad is grad
    for part in ("the forward pass, after the passes", "the backward pass, after the passes"):
        assert part in run.explain()


class Warming(nn.Module):
    """Reads an attribute of its class, and makes a table the first time."""

    factor = 2.0

    def __init__(self) -> None:
        super().__init__()
        self.table: Any = None

    def forward(self, x: Any) -> Any:
        if self.table is None:
            self.table = pellucid.arange(3.0)
        return x * self.table * self.factor


def test_what_is_made_once_and_what_the_class_holds() -> None:
    model = Warming()
    run = quietly(model)
    try:
        for factor in (2.0, 2.0, 2.0, 3.0, 3.0, 3.0):
            Warming.factor = factor
            assert run(pellucid.ones(3)).tolist() == [0.0, factor, 2 * factor]
        assert run.runs == 3
    finally:
        Warming.factor = 2.0


SCHEDULES: dict[str, Callable[[Any], Any]] = {
    "step": lambda descent: optim.lr_scheduler.StepLR(descent, 2, 0.5),
    "one cycle": lambda descent: optim.lr_scheduler.OneCycleLR(descent, 0.3, total_steps=20),
    "sequence": lambda descent: optim.lr_scheduler.SequentialLR(
        descent,
        [optim.lr_scheduler.ConstantLR(descent, 0.1), optim.lr_scheduler.ExponentialLR(descent, 0.9)],
        milestones=[3],
    ),
}


@pytest.mark.parametrize("within", [False, True])
@pytest.mark.parametrize("name", SCHEDULES)
def test_a_schedule_of_the_learning_rate(name: str, within: bool) -> None:
    """In the step or behind it: it goes on as in eager mode, and the rate is read at each run."""

    def trained(compiled: bool) -> Any:
        pellucid.manual_seed(0)
        model = nn.Linear(3, 2)
        descent = optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        schedule = SCHEDULES[name](descent)

        def step(x: Any) -> Any:
            descent.zero_grad()
            loss = model(x).square().sum()
            loss.backward()
            descent.step()
            if within:
                schedule.step()
            return loss

        run = quietly(step) if compiled else step
        rates = []
        for _ in range(9):
            run(pellucid.ones(2, 3))
            if not within:
                schedule.step()
            rates.append(descent.param_groups[0]["lr"])
        assert not compiled or run.runs >= 6
        return rates, model.weight.tolist(), schedule.last_epoch

    got, expected = trained(True), trained(False)
    assert got[0] == expected[0] and got[2] == expected[2]
    np.testing.assert_allclose(got[1], expected[1], rtol=1e-4)


def test_a_schedule_before_the_update_is_left_to_eager() -> None:
    model = nn.Linear(3, 2)
    descent = optim.SGD(model.parameters(), lr=0.1)
    schedule = optim.lr_scheduler.ExponentialLR(descent, 0.9)

    def step(x: Any) -> None:
        model(x).sum().backward()
        schedule.step()
        descent.step()

    run = compiling(step)
    descent.step()
    run(pellucid.ones(2, 3))
    with pytest.warns(UserWarning, match="before an update"):
        run(pellucid.ones(2, 3))


def test_a_module_that_pytorch_compiles() -> None:
    """In a program of PyTorch's it looks as there, and sets what it is given at the module."""
    import torch

    from pellucid.bridge.torch import compile as bridged

    def shown(library: Any, compile: Any) -> list[Any]:
        net = library.nn.Sequential(library.nn.Linear(3, 2), library.nn.Dropout(0.5))
        model = compile(net)
        model.mark = 3
        found = [repr(model), [*model.state_dict()], [name for name, _ in model.named_modules()], net.mark, len(model)]
        model.eval()
        return [*found, net.training, model.training, type(model).__name__, model._orig_mod is net]

    assert shown(pellucid, bridged) == shown(torch, lambda net: torch.compile(net, backend="eager"))
    net = nn.Linear(3, 2)
    model = bridged(net, fullgraph=True)
    x = pellucid.ones(4, 3)
    for _ in range(3):
        np.testing.assert_allclose(model(x).detach().numpy(), net(x).detach().numpy(), rtol=1e-6)
    assert model._compiled.runs == 2
    assert bridged(abs, mode="max-autotune")(-1) == 1 and bridged(disable=True)(abs) is abs
    net.compile()
    assert pellucid.equal(net(x), net(x))
