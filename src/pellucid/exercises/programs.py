"""Checks of answers that are no single backward pass: an engine, optimisers, dropout, programs with a fault.

Each takes what the file defines and returns what is wrong, in sentences (none where all is right), and what to write.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.check import backward
from pellucid.core import Tensor, from_data, no_grad
from pellucid.nn import Linear, Module, Parameter
from pellucid.optim import SGD, Adam

Names = dict[str, Any]
Found = tuple[list[str], str]
RIGHT: Found = ([], "")


def _ends(given: Names, least: float, above: bool = False) -> Found:
    """Whether `train()` ends where it should."""
    last = float(given["train"]()[-1])
    if (last > least) if above else (last < least):
        return RIGHT
    side = "above" if above else "below"
    return [f"train() ends at {last:.4f}, and not {side} {least:g}: the fault is still in, or another was made."], ""


# The engine and the optimisers ----------------------------------------------------------------------------------------


def _engine(given: Names) -> Found:
    Value = given["Value"]
    cases: tuple[tuple[str, Callable[..., Any]], ...] = (
        ("a + b", lambda a, b: a + b),
        ("a * b", lambda a, b: a * b),
        ("tanh(a)", lambda a, b: a.tanh() + b),
        ("a used twice: a * a + b", lambda a, b: a * a + b),
        ("one result used twice: c = a * b; c * c + c", lambda a, b: (lambda c: c * c + c)(a * b)),
        ("a chain: c = tanh(a * b); d = c + a; d * c", lambda a, b: (lambda c: (c + a) * c)((a * b).tanh())),
    )
    for title, expression in cases:

        def loss(p: Any, expression: Callable[..., Any] = expression) -> Any:
            return expression(_Plain(p["a"]), _Plain(p["b"])).data.sum()

        def grads(p: Any, expression: Callable[..., Any] = expression) -> Any:
            a, b = Value(float(p["a"][0])), Value(float(p["b"][0]))
            expression(a, b).backward()
            return {"a": np.array([a.grad]), "b": np.array([b.grad])}

        point = {"a": np.array([0.7]), "b": np.array([-0.4])}
        made = expression(Value(0.7), Value(-0.4)).data
        if abs(made - float(loss(point))) > 1e-9:
            return [f"{title}: its data is {made:.6g}, and should be {float(loss(point)):.6g}."], ""
        report = backward(loss, grads, point)
        for name, evidence in report.tensors.items():
            if evidence.wrong:
                said = (
                    f"{title}: the gradient of {name} is {float(evidence.given[0]):.6g}, "
                    if evidence.given is not None
                    else ""
                )
                said += f"and should be {float(evidence.true[0]):.6g}."
                hint = "A Value that is used twice gets a share from each use." if "twice" in title else ""
                if "chain" in title or "result" in title:
                    hint = "A Value hands on its gradient only when it has all of it: mind the order, and add up."
                return [said, *([hint] if hint else [])], ""
    return RIGHT


class _Plain:
    """The same expressions on arrays, which `check` can record."""

    def __init__(self, data: Any) -> None:
        self.data = data

    def __add__(self, other: _Plain) -> _Plain:
        return _Plain(self.data + other.data)

    def __mul__(self, other: _Plain) -> _Plain:
        return _Plain(self.data * other.data)

    def tanh(self) -> _Plain:
        return _Plain(np.tanh(self.data))


START = np.array([1.0, -2.0, 0.5])
CURVES = np.array([1.0, 4.0, 0.25])
STEPS = 6


def _walk(step: Callable[..., Any]) -> list[Any]:
    """The weights after each of some steps down Σ c w² / 2."""
    w, state, found = START.copy(), {}, []
    for _ in range(STEPS):
        w = np.asarray(step(w.copy(), CURVES * w, state), float)
        found.append(w.copy())
    return found


def _true_walk(make: Callable[[list[Parameter]], Any]) -> list[Any]:
    w = Parameter(from_data(START.copy()))
    optimizer, found = make([w]), []
    for _ in range(STEPS):
        w.grad = from_data(CURVES * w.detach().numpy())
        optimizer.step()
        found.append(np.array(w.detach().numpy()))
    return found


def _optimiser(given: Names, true: list[Any], usual: dict[str, Callable[..., Any]]) -> Found:
    found = _walk(given["step"])
    for number, (mine, right) in enumerate(zip(found, true, strict=True), 1):
        if mine.shape != right.shape:
            return [f"Step {number}: step() returns shape {mine.shape}, and w has {right.shape}."], ""
        away = np.abs(mine - right)
        if np.isfinite(mine).all() and away.max() <= 1e-9:
            continue
        at = int(np.nanargmax(away)) if np.isfinite(away).any() else 0
        said = f"Step {number}: w[{at}] is {mine[at]:.8g}, and should be {right[at]:.8g}."
        if number > 1:
            said = f"The first {number - 1} steps are right. " + said
        for hint, other in usual.items():
            if np.allclose(found, _walk(other), rtol=0, atol=1e-12):
                return [said, hint], ""
        return [said], ""
    return RIGHT


def _momentum(given: Names) -> Found:
    def damped(w: Any, g: Any, state: Names) -> Any:
        state["v"] = 0.9 * state.get("v", 0) + 0.1 * g
        return w - 0.1 * state["v"]

    def nesterov(w: Any, g: Any, state: Names) -> Any:
        state["v"] = 0.9 * state.get("v", 0) + g
        return w - 0.1 * (g + 0.9 * state["v"])

    usual = {
        "v is forgotten from one step to the next: these are the steps without momentum.": lambda w, g, s: w - 0.1 * g,
        "The gradient has a factor (1 - momentum): PyTorch's momentum has none.": damped,
        "The step looks ahead, as Nesterov's does.": nesterov,
        "The sign is flipped: the step goes up.": lambda w, g, s: w + 0.1 * g,
    }
    return _optimiser(given, _true_walk(lambda p: SGD(p, lr=0.1, momentum=0.9)), usual)


def _adam(given: Names) -> Found:
    def variant(**how: Any) -> Callable[..., Any]:
        def step(w: Any, g: Any, state: Names) -> Any:
            t = state["t"] = state.get("t", how.get("first", 0)) + 1
            m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * g
            v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * (np.abs(g) if how.get("plain") else g**2)
            corrected = how.get("corrected", True)
            a = m / (1 - 0.9**t) if corrected else m
            b = v / (1 - 0.999**t) if corrected and not how.get("half") else v
            root = np.sqrt(b + 1e-8) if how.get("inside") else np.sqrt(b) + 1e-8
            return w - 0.1 * a / (b + 1e-8 if how.get("rootless") else root)

        return step

    usual = {
        "The corrections by 1 - b^t are missing.": variant(corrected=False),
        "v is not corrected by 1 - b2^t.": variant(half=True),
        "eps is inside the square root: it is added after it.": variant(inside=True),
        "The square root of v is missing.": variant(rootless=True),
        "v is a mean of squares of g, not of sizes.": variant(plain=True),
        "t is one too large: it is 1 in the first step.": variant(first=1),
    }
    return _optimiser(given, _true_walk(lambda p: Adam(p, lr=0.1)), usual)


def _dropout(given: Names) -> Found:
    x = np.ones((400, 50))
    y, cache = given["dropout"](x, 0.3, np.random.default_rng(0))
    share, mean = float((np.asarray(y) == 0).mean()), float(np.mean(y))
    if abs(share - 0.3) > 0.02:
        return [
            f"{share:.0%} of the elements are 0, and with p = 0.3 it should be 30 %: p is the share that is dropped."
        ], ""
    if abs(mean - 1) > 0.02:
        return [f"The mean of ones becomes {mean:.3f}: divide what is left by 1 - p, the share that is left."], ""
    dy = np.random.default_rng(1).normal(size=x.shape)
    dx = np.asarray(given["backward"](dy, cache))
    if dx.shape != x.shape:
        return [f"dx has shape {dx.shape}, and {x.shape} is needed."], ""
    place = np.unravel_index(int(np.argmax(np.abs(dx - dy * y))), x.shape)
    if abs(dx[place] - (dy * y)[place]) > 1e-9:
        said = f"dx is wrong: at [{place[0]}, {place[1]}] it is {dx[place]:.6g}, and should be {(dy * y)[place]:.6g}."
        return [said, "The backward pass multiplies by the same mask and factor as the forward pass."], ""
    return RIGHT


# Programs with a fault ------------------------------------------------------------------------------------------------


def _loop(given: Names) -> Found:
    """The same batch twice with a rate of 0: the second gradient is the first."""
    model = Linear(1, 1)
    x, y = given["data"]()
    optimizer = SGD(model.parameters(), lr=0.0)
    gradients = []
    for _ in range(2):
        given["step"](model, optimizer, x, y)
        if model.weight.grad is None:
            said = "After step() the network has no gradients: backward() must be called, and nothing may clear them "
            return [said + "before the optimiser's step."], ""
        gradients.append(float(model.weight.grad))
    if abs(gradients[1] - gradients[0]) > 1e-6 * abs(gradients[0]):
        return [
            (
                f"Two steps on one batch, with a rate of 0: the gradient is {gradients[0]:.4g} in the first and "
                f"{gradients[1]:.4g} in the second. What is left of the first?"
            )
        ], "call optimizer.zero_grad() before backward()"
    before = model.weight.item()
    given["step"](model, SGD(model.parameters(), lr=0.1), x, y)
    if model.weight.item() == before:
        return ["step() does not move the weights: are the gradients cleared between backward() and step()?"], ""
    return _ends(given, 0.002)


def _loss(given: Names) -> Found:
    x, _ = given["data"]()
    model = given["make_model"]()
    with no_grad():
        output = model(x)
    if bool((output.sum(dim=1) - 1).abs().max() < 1e-4) or bool((output.exp().sum(dim=1) - 1).abs().max() < 1e-4):
        return [
            (
                "The network ends in probabilities, and the loss takes a softmax of what it is given: softmax is "
                "applied twice."
            )
        ], "leave out nn.Softmax: nn.CrossEntropyLoss takes scores"
    return _ends(given, 0.2)


def _parameters(given: Names) -> Found:
    model: Module = given["make_model"]()
    known = {id(p) for group in given["make_optimizer"](model).param_groups for p in group["params"]}
    lost = [name for name, parameter in model.named_parameters() if id(parameter) not in known]
    if lost:
        return [f"{', '.join(lost)}: the optimiser does not know them, so they stay as they were drawn."], (
            "give the optimiser model.parameters()"
        )
    frozen = [name for name, parameter in model.named_parameters() if not parameter.requires_grad]
    if frozen:
        return [f"{', '.join(frozen)} require no gradient, so they stay as they were drawn."], ""
    return _ends(given, 0.01)


def _shapes(given: Names) -> Found:
    predicted, target = from_data(np.array([[1.0], [2.0], [4.0]])), from_data(np.array([1.0, 2.0, 4.0]))
    value = given["loss_of"](predicted, target)
    if not isinstance(value, Tensor) or value.numel() != 1:
        return ["loss_of must give one number, as a Tensor."], ""
    if abs(value.item()) > 1e-6:
        return [
            (
                f"Three predictions that are right have a loss of {value.item():.4g}, and it should be 0: how large is "
                "predicted - target?"
            )
        ], "predicted.squeeze(1) - target"
    away = given["loss_of"](from_data(np.array([[2.0], [2.0], [4.0]])), target).item()
    if abs(away - 1 / 3) > 1e-6:
        return [
            f"One of three predictions is off by 1: the loss is {away:.4g}, and the mean of the squares is 0.3333."
        ], ""
    return _ends(given, 0.01)


def _pairs(given: Names) -> Found:
    x = np.arange(24, dtype=np.float32)[:, None]
    seen, orders = [], []
    for _ in range(2):
        order = []
        for inputs, target in given["batches"](x.copy(), 10 * x, 7, np.random.default_rng(len(orders))):
            wrong = np.flatnonzero(target.numpy()[:, 0] != 10 * inputs.numpy()[:, 0])
            if len(wrong):
                a, b = inputs.numpy()[wrong[0], 0], target.numpy()[wrong[0], 0]
                return [f"Input {a:g} came with the target {b:g}, which belongs to another: each must keep its own."], (
                    "order = rng.permutation(len(x)); x, y = x[order], y[order]"
                )
            order += inputs.numpy()[:, 0].tolist()
        seen.append(len(set(order)))
        orders.append(order)
    if min(seen) < 24:
        return [f"Of 24 rows the batches have {min(seen)}."], ""
    if orders[0] == orders[1] or orders[0] == sorted(orders[0]):
        return ["The batches come in the same order each time: they are to be shuffled."], ""
    return _ends(given, 0.15)


def _evaluation(given: Names) -> Found:
    x, labels = given["data"]()
    model = given["make_model"]()
    if not any(type(module).__name__ == "Dropout" and module.p > 0 for module in model.modules()):
        return ["The dropout is gone: leave the network as it is, and mend how it is evaluated."], ""
    found = {given["evaluate"](model, x, labels) for _ in range(8)}
    if len(found) > 1:
        return [
            (
                f"The same network on the same data has accuracies from {min(found):.3f} to {max(found):.3f}: "
                "something is drawn at random while it is evaluated."
            )
        ], "call model.eval() before, and model.train() after"
    if not model.training:
        return ["After evaluate() the network is left in eval(): dropout is off in the training that follows."], (
            "call model.train() at the end of evaluate()"
        )
    return _ends(given, 0.9, above=True)


PROGRAMS: dict[str, Callable[[Names], Found]] = {
    "scalar-engine": _engine,
    "sgd-momentum": _momentum,
    "adam": _adam,
    "dropout": _dropout,
    "fault-loop": _loop,
    "fault-loss": _loss,
    "fault-optimiser": _parameters,
    "fault-shapes": _shapes,
    "fault-data": _pairs,
    "fault-evaluation": _evaluation,
}
