"""`check.parity`: models that are equal pass, and of those that are not the first tensor that differs is named."""

from __future__ import annotations

import json
from collections.abc import Callable
from itertools import pairwise
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid import check
from pellucid.check import parity

RNG = np.random.default_rng(0)
POINTS = [(RNG.normal(size=(16, 5)).astype(np.float32), RNG.integers(0, 3, 16)) for _ in range(4)]
IMAGES = [(RNG.normal(size=(8, 2, 6, 6)).astype(np.float32), RNG.integers(0, 3, 8)) for _ in range(4)]
LENGTHS = np.array([4, 2, 3, 1])
MASK = (np.arange(4) < LENGTHS[:, None]).astype(np.float32)
WORDS = [(RNG.normal(size=(4, 4, 5)).astype(np.float32), MASK, RNG.integers(0, 3, 4))]


def mlp(library: Any, **change: Any) -> Any:
    nn = library.nn
    return nn.Sequential(
        nn.Linear(5, 8),
        nn.BatchNorm1d(8, **{key: change[key] for key in ("eps", "momentum") if key in change}),
        nn.GELU(approximate=change.get("approximate", "none")),
        nn.Dropout(change.get("p", 0.3)),
        nn.Linear(8, 3),
    )


def cnn(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(
        nn.Conv2d(2, 4, 3, padding=1), nn.BatchNorm2d(4), nn.ReLU(inplace=True), nn.MaxPool2d(2), nn.Flatten(),
        nn.Linear(36, 3),
    )  # fmt: skip


def pooled(library: Any, masked: bool = True) -> Any:
    """A mean over the words of a sentence, without those that only fill it up."""

    class Pooled(library.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed = library.nn.Linear(5, 6)
            self.pool = Pool()
            self.head = library.nn.Linear(6, 3)

        def forward(self, x: Any, mask: Any) -> Any:
            return self.head(self.pool(self.embed(x).tanh(), mask))

    class Pool(library.nn.Module):
        def forward(self, x: Any, mask: Any) -> Any:
            weights = mask if masked else library.ones_like(mask)
            return (x * weights.unsqueeze(-1)).sum(1) / weights.sum(1, keepdim=True)

    return Pooled()


def square(library: Any, transposed: bool = False) -> Any:
    class Square(library.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight = library.nn.Parameter(library.eye(5) + 0.1 * library.ones(5, 5).triu())
            self.head = library.nn.Linear(5, 3)

        def forward(self, x: Any) -> Any:
            return self.head(x @ (self.weight.T if transposed else self.weight))

    return Square()


def sgd(library: Any, **options: Any) -> Callable[[Any], Any]:
    return lambda parameters: library.optim.SGD(parameters, **{"lr": 0.1, **options})


def adam(library: Any, kind: str = "Adam", **options: Any) -> Callable[[Any], Any]:
    return lambda parameters: getattr(library.optim, kind)(parameters, **{"lr": 0.01, **options})


# Equal ----------------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(("model", "batches"), [(mlp, POINTS), (cnn, IMAGES), (pooled, WORDS), (square, POINTS)])
@pytest.mark.parametrize(
    "optimizer",
    [
        None,
        lambda library: sgd(library, momentum=0.9, nesterov=True, weight_decay=0.01),
        lambda library: adam(library, weight_decay=0.01),
    ],
    ids=["plain", "momentum", "adam"],
)
def test_equal_models_are_equal_for_twenty_steps(model: Any, batches: Any, optimizer: Any) -> None:
    pair = optimizer and (optimizer(pellucid), optimizer(torch))
    report = parity(model(pellucid), model(torch), batches, steps=20, loss="cross_entropy", optimizer=pair)
    assert report.status == "equal", str(report)
    assert report.ok
    assert report.steps == 20
    assert report.trace is None, str(report)
    assert report.notes == []
    kinds = {row.kind for row in report.rows}
    assert kinds >= {"input", "output", "loss", "output gradient", "gradient", "update", "parameter"}
    assert max(row.step for row in report.rows) == 20


def test_the_weights_are_carried_over_buffers_included_and_the_models_stay_as_they_are() -> None:
    ours, theirs = mlp(pellucid), mlp(torch)
    ours[1].running_mean.fill_(0.5)
    before = {name: value.clone() for name, value in theirs.state_dict().items()}
    theirs.eval()
    torch.manual_seed(3)
    state = torch.get_rng_state()
    random = np.random.get_state()[1].copy()  # noqa: NPY002
    report = parity(ours, theirs, POINTS, steps=2, loss="cross_entropy", training=True)
    assert report.status == "equal", str(report)
    assert not theirs.training
    assert all(torch.equal(value, before[name]) for name, value in theirs.state_dict().items())
    assert theirs[0].weight.grad is None
    assert torch.equal(torch.get_rng_state(), state)
    assert np.array_equal(np.random.get_state()[1], random)  # noqa: NPY002


@pytest.mark.parametrize("frozen", [0, 1])
def test_each_module_is_compared_in_the_mode_in_which_it_is(frozen: int) -> None:
    """A frozen batch norm stays frozen, on one side alone is a difference, and on both is none."""
    ours, theirs = mlp(pellucid), mlp(torch)
    ours[1].eval()
    if frozen:
        theirs[1].eval()
    report = parity(ours, theirs, POINTS, steps=2, loss="cross_entropy")
    assert report.status == ("equal" if frozen else "different"), str(report)
    if not frozen:
        assert "training: False (pellucid), True (torch)." in str(report)


@pytest.mark.parametrize("lr", [1e30, float("nan")])
def test_what_is_not_finite_on_either_side_is_not_equal(lr: float) -> None:
    report = parity(mlp(pellucid), mlp(pellucid), POINTS, steps=4, loss="cross_entropy", lr=lr)
    assert report.status == "inconclusive", str(report)
    assert "is not finite on either side" in report.notes[-1]


def test_in_evaluation_mode_nothing_is_dropped() -> None:
    report = parity(mlp(pellucid), mlp(torch, p=0.9), POINTS, steps=3, loss="cross_entropy", training=False)
    assert report.status == "equal"


def test_optimisers_that_were_given_are_copied_with_their_models() -> None:
    ours, theirs = mlp(pellucid), mlp(torch)
    pair = (pellucid.optim.Adam(ours.parameters(), lr=0.01), torch.optim.Adam(theirs.parameters(), lr=0.01))
    assert parity(ours, theirs, POINTS, loss="cross_entropy", optimizer=pair).status == "equal"
    assert not pair[1].state
    other = (pair[0], torch.optim.Adam(mlp(torch).parameters()))
    with pytest.raises(ValueError, match="holds no parameter of the model"):
        parity(ours, theirs, POINTS, loss="cross_entropy", optimizer=other)


def test_a_tensor_that_is_zero_but_for_rounding_is_no_difference() -> None:
    """The bias before a batch norm: its gradient is rounding alone, and Adam makes steps of full size of it."""
    report = parity(
        mlp(pellucid), mlp(torch), POINTS, steps=20, loss="cross_entropy", optimizer=(adam(pellucid), adam(torch))
    )
    rows = [row.verdict for row in report.rows if (row.kind, row.name) == ("update", "0.bias")]
    assert max(entry.rounding for entry in rows) > 1e-3
    assert not any(entry.beyond for entry in rows)


# Different ------------------------------------------------------------------------------------------------------------


class WrongAdam(torch.optim.Optimizer):
    """The second moment is corrected as if each step were the first."""

    def __init__(self, params: Any, lr: float = 0.01) -> None:
        super().__init__(params, {"lr": lr})

    @torch.no_grad()
    def step(self) -> None:  # type: ignore[override]
        for p in self.param_groups[0]["params"]:
            state = self.state[p]
            t = state["t"] = state.get("t", 0) + 1
            m = state["m"] = 0.9 * state.get("m", 0) + 0.1 * p.grad
            v = state["v"] = 0.999 * state.get("v", 0) + 0.001 * p.grad**2
            p -= self.param_groups[0]["lr"] * (m / (1 - 0.9**t)) / ((v / (1 - 0.999)).sqrt() + 1e-8)


def wrong_way_back(library: Any) -> Any:
    """A ReLU whose gradient forgets the mask."""

    class Through(torch.autograd.Function):
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x.clamp(min=0)

        @staticmethod
        def backward(ctx: Any, gradient: Any) -> Any:
            return gradient

    class ReLU(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return Through.apply(x)

    return torch.nn.Sequential(torch.nn.Linear(5, 8), ReLU(), torch.nn.Linear(8, 3))


def relu_mlp(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(nn.Linear(5, 8), nn.ReLU(), nn.Linear(8, 3))


def summed(library: Any) -> Any:
    return lambda output, target: library.nn.functional.cross_entropy(output, target, reduction="sum")


def layer_normed(library: Any, eps: float = 1e-5) -> Any:
    nn = library.nn
    return nn.Sequential(nn.Linear(5, 8), nn.LayerNorm(8, eps=eps), nn.Tanh(), nn.Linear(8, 3))


def planted(ours: Any, theirs: Any, batches: Any = POINTS, loss: Any = "cross_entropy", optimizer: Any = None) -> Any:
    return SimpleNamespace(ours=ours, theirs=theirs, batches=batches, loss=loss, optimizer=optimizer)


MISTAKES: dict[str, tuple[Any, tuple[int, str, str], str]] = {
    "eps of a batch norm": (planted(mlp(pellucid), mlp(torch, eps=1e-4)), (1, "output", "1"), "eps=0.0001"),
    "eps of a layer norm, below what is seen in float32": (
        planted(layer_normed(pellucid), layer_normed(torch, 9e-6)), (1, "output", "1"), "eps=9e-06",
    ),
    "momentum of a batch norm": (
        planted(mlp(pellucid), mlp(torch, momentum=0.2)), (1, "buffer", "1.running_mean"), "momentum=0.2",
    ),
    "probability of dropout": (planted(mlp(pellucid), mlp(torch, p=0.4)), (1, "output", "3"), "p=0.4"),
    "gelu by tanh": (planted(mlp(pellucid), mlp(torch, approximate="tanh")), (1, "output", "2"), "'tanh'"),
    "sum in place of mean": (
        planted(mlp(pellucid), mlp(torch), loss=("cross_entropy", summed(torch))), (1, "loss", ""),
        "16 is the number of samples: the first takes a mean, the second a sum",
    ),
    "mean in place of sum": (
        planted(mlp(pellucid), mlp(torch), loss=(summed(pellucid), "cross_entropy")), (1, "loss", ""), "1/16 ×",
    ),
    "a transposed weight": (planted(square(pellucid), square(torch, True)), (1, "input", "head"), ""),
    "no mask of padding": (
        planted(pooled(pellucid), pooled(torch, masked=False), WORDS), (1, "output", "pool"),
        "Along axis 0, of size 4, it agrees only at 0",
    ),
    "weight decay": (
        planted(mlp(pellucid), mlp(torch), optimizer=(sgd(pellucid, weight_decay=1e-4), sgd(torch, weight_decay=2e-4))),
        (1, "update", "0.weight"), "weight_decay: 0.0001 (pellucid), 0.0002 (torch)",
    ),
    "weight decay, at a small rate": (
        planted(
            mlp(pellucid), mlp(torch),
            optimizer=(sgd(pellucid, lr=1e-4, weight_decay=1e-4), sgd(torch, lr=1e-4, weight_decay=2e-4)),
        ),
        (1, "update", "0.weight"), "weight_decay",
    ),
    "decoupled weight decay": (
        planted(
            mlp(pellucid), mlp(torch),
            optimizer=(adam(pellucid, weight_decay=0.01), adam(torch, "AdamW", weight_decay=0.01)),
        ),
        (1, "update", "0.weight"), "optimizer: Adam (pellucid), AdamW (torch)",
    ),
    "bias correction of Adam": (
        planted(relu_mlp(pellucid), relu_mlp(torch), optimizer=(adam(pellucid), WrongAdam)),
        (2, "update", "0.weight"), "WrongAdam",
    ),
    "dampening": (
        planted(
            mlp(pellucid), mlp(torch),
            optimizer=(sgd(pellucid, momentum=0.9), sgd(torch, momentum=0.9, dampening=0.1)),
        ),
        (2, "update", "0.weight"), "dampening: 0 (pellucid), 0.1 (torch)",
    ),
    "a way back": (
        planted(relu_mlp(pellucid), wrong_way_back(torch)), (1, "output gradient", "0"), "what differs is the way back",
    ),
}  # fmt: skip


@pytest.mark.parametrize("mistake", MISTAKES)
def test_the_first_difference_is_named(mistake: str) -> None:
    case, place, said = MISTAKES[mistake]
    report = parity(case.ours, case.theirs, case.batches, steps=4, loss=case.loss, optimizer=case.optimizer)
    assert report.status == "different"
    assert report.first is not None
    assert (report.first.step, report.first.kind, report.first.name) == place, str(report)
    assert said in str(report)
    assert not report.first.difference.rounding
    assert report.first.verdict.units > 4


def test_both_ways_round() -> None:
    report = parity(mlp(torch), mlp(pellucid, eps=1e-4), POINTS, loss="cross_entropy")
    assert report.first is not None
    assert (report.frameworks, report.first.name) == (("torch", "pellucid"), "1")


def test_two_models_of_one_library_can_be_compared() -> None:
    report = parity(mlp(pellucid), mlp(pellucid, approximate="tanh"), POINTS, loss="cross_entropy")
    assert report.first is not None
    assert report.first.name == "2"
    assert "(first)" in str(report)
    assert "two models of pellucid" in str(report)


def test_a_difference_smaller_than_float32_resolves_is_told_but_is_none() -> None:
    report = parity(layer_normed(pellucid), layer_normed(torch, 1e-5 * (1 + 1e-4)), POINTS[:1], loss="cross_entropy")
    assert report.status == "equal"
    assert report.trace is not None
    assert (report.trace.kind, report.trace.name) == ("output", "1")
    assert "less than float32 resolves" in str(report)


# Rounding -------------------------------------------------------------------------------------------------------------


def casting(half_too: bool) -> Any:
    """A layer that computes in half precision: in float32 only, or always."""

    class Cast(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.half().to(x.dtype) if half_too or x.dtype == torch.float32 else x

    return torch.nn.Sequential(torch.nn.Linear(5, 8), Cast(), torch.nn.Linear(8, 3))


@pytest.mark.parametrize("always", [False, True])
def test_lost_precision_is_no_rounding_of_ours(always: bool) -> None:
    identity = pellucid.nn.Sequential(pellucid.nn.Linear(5, 8), pellucid.nn.Identity(), pellucid.nn.Linear(8, 3))
    report = parity(identity, casting(always), POINTS, loss="cross_entropy")
    assert report.first is not None
    assert (report.first.step, report.first.kind, report.first.name) == (1, "output", "1")
    assert report.first.verdict.reason == ("formula" if always else "precision")
    assert ("one side loses more digits" in str(report)) is not always


def test_an_overflow_of_one_side_is_found() -> None:
    class Naive(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x.exp() / x.exp().sum(1, keepdim=True)

    x = 100 + RNG.normal(size=(4, 5))
    ours = pellucid.nn.Sequential(pellucid.nn.Softmax(1), pellucid.nn.Linear(5, 3))
    theirs = torch.nn.Sequential(Naive(), torch.nn.Linear(5, 3))
    report = parity(ours, theirs, [(x, RNG.integers(0, 3, 4))], loss="cross_entropy")
    assert report.first is not None
    assert (report.first.kind, report.first.name, report.first.verdict.reason) == ("output", "0", "precision")
    assert "On the second side it is not finite" in str(report)
    assert json.dumps(report.to_dict()["first"]["step"]) == "1"


def test_a_side_that_knows_only_float32_is_compared_by_its_last_place() -> None:
    class Fixed(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.turn = [torch.eye(8)]  # in a list: not moved to float64 with the module

        def forward(self, x: Any) -> Any:
            return x @ self.turn[0]

    def theirs(eps: float) -> Any:
        nn = torch.nn
        return nn.Sequential(nn.Linear(5, 8), Fixed(), nn.LayerNorm(8, eps=eps), nn.Linear(8, 3))

    nn = pellucid.nn
    ours = nn.Sequential(nn.Linear(5, 8), nn.Identity(), nn.LayerNorm(8), nn.Linear(8, 3))
    equal = parity(ours, theirs(1e-5), POINTS, steps=20, loss="cross_entropy")
    assert equal.status == "equal", str(equal)
    assert "torch does not run in float64" in equal.notes[0]
    different = parity(ours, theirs(1e-3), POINTS, loss="cross_entropy")
    assert different.first is not None
    assert (different.first.kind, different.first.name) == ("output", "2")


def test_numbers_that_no_seed_sets_give_no_verdict() -> None:
    class Noise(torch.nn.Module):
        def forward(self, x: Any) -> Any:
            return x + torch.as_tensor(np.random.default_rng().normal(size=tuple(x.shape)), dtype=x.dtype)

    theirs = torch.nn.Sequential(torch.nn.Linear(5, 8), Noise(), torch.nn.Linear(8, 3))
    nn = pellucid.nn
    ours = nn.Sequential(nn.Linear(5, 8), nn.Identity(), nn.Linear(8, 3))
    report = parity(ours, theirs, POINTS, loss="cross_entropy")
    assert report.status == "inconclusive"
    assert "random numbers that no seed sets" in str(report)


def noisy(library: Any, scale: float) -> Any:
    """A layer of noise, which float64 draws otherwise than float32."""

    class Noise(library.nn.Module):
        def forward(self, x: Any) -> Any:
            return x + scale * library.randn(*x.shape, dtype=x.dtype)

    nn = library.nn
    return nn.Sequential(
        nn.Linear(5, 8), nn.BatchNorm1d(8), nn.ReLU(), nn.Linear(8, 8), Noise(), nn.Tanh(), nn.Linear(8, 3)
    )


def test_random_numbers_that_are_others_in_float64_are_compared_in_float32() -> None:
    options: Any = {"steps": 20, "loss": "cross_entropy", "optimizer": (adam(pellucid), adam(torch))}
    report = parity(noisy(pellucid, 1.0), noisy(torch, 1.0), POINTS, **options)
    assert report.status == "equal", str(report)
    assert "torch has other numbers in float64 from the output of layer 4 on" in str(report)
    report = parity(noisy(pellucid, 1.0), noisy(torch, 1.01), POINTS, **options)
    assert report.first is not None
    assert (report.first.step, report.first.kind, report.first.name) == (1, "output", "4")


# NumPy and JAX --------------------------------------------------------------------------------------------------------


def softmax_regression(mistake: str = "") -> check.NumPy:
    """Two layers and a cross entropy, differentiated by hand."""

    def forward(p: Any, x: Any) -> dict[str, Any]:
        h = np.tanh(x @ p["w1"] + p["b1"])
        return {"1": h, "2": h @ p["w2"] + p["b2"]}

    def probabilities(p: Any, x: Any) -> Any:
        z = forward(p, x)["2"]
        e = np.exp(z - z.max(1, keepdims=True))
        return e / e.sum(1, keepdims=True)

    def loss(p: Any, x: Any, t: Any) -> Any:
        return -np.log(probabilities(p, x)[np.arange(len(t)), t]).mean()

    def grads(p: Any, x: Any, t: Any) -> dict[str, Any]:
        h = forward(p, x)["1"]
        d = probabilities(p, x)
        d[np.arange(len(t)), t] -= 1
        d /= 1 if mistake == "batch" else len(t)
        back = d @ p["w2"].T
        if mistake != "tanh":
            back = back * (1 - h**2)
        return {"w1": x.T @ back, "b1": back.sum(0), "w2": h.T @ d, "b2": d.sum(0)}

    return check.NumPy(loss, grads, forward=forward)


NAMES = {"0.weight": "w1", "0.bias": "b1", "2.weight": "w2", "2.bias": "b2"}
TURNED = ["0.weight", "2.weight"]


def tanh_mlp(library: Any) -> Any:
    nn = library.nn
    return nn.Sequential(nn.Linear(5, 8), nn.Tanh(), nn.Linear(8, 3))


@pytest.mark.parametrize("library", [torch, pellucid], ids=["torch", "pellucid"])
def test_gradients_by_hand_are_compared_with_a_module(library: Any) -> None:
    options: Any = {"loss": "cross_entropy", "names": NAMES, "transpose": TURNED}
    report = parity(tanh_mlp(library), softmax_regression(), POINTS, steps=20, **options)
    assert report.status == "equal", str(report)
    assert {"output 1", "output 2", "gradient 0.weight"} <= set(report.record()["tensors"])
    report = parity(tanh_mlp(library), softmax_regression("tanh"), POINTS, steps=3, **options)
    assert report.first is not None
    assert (report.first.step, report.first.kind, report.first.name) == (1, "gradient", "0.bias")
    assert "check.backward" in str(report)
    assert report.first.autopsy is not None
    found = report.first.autopsy()
    assert {diagnosis.mistake for diagnosis in found.diagnoses.values()} == {"missing-activation-derivative"}
    report = parity(tanh_mlp(library), softmax_regression("batch"), POINTS, steps=3, **options)
    assert report.first is not None
    assert (report.first.kind, report.first.name) == ("gradient", "2.bias")
    assert "16 is the number of samples: the first takes a mean, the second a sum" in str(report)


def test_an_optimiser_by_hand_is_compared_with_one_of_a_library() -> None:
    def momentum(mistake: bool) -> Any:
        def update(params: Any, gradients: Any, state: Any) -> None:
            for name, gradient in gradients.items():
                state[name] = (0.9 * state[name] if name in state else 0) + gradient
                params[name] -= 0.1 * (gradient if mistake else state[name])

        return update

    options: Any = {"loss": "cross_entropy", "names": NAMES, "transpose": TURNED, "steps": 5}
    for mistake, status in ((False, "equal"), (True, "different")):
        pair = (sgd(torch, momentum=0.9), momentum(mistake))
        report = parity(tanh_mlp(torch), softmax_regression(), POINTS, optimizer=pair, **options)
        assert report.status == status, str(report)
    assert report.first is not None
    assert (report.first.step, report.first.kind) == (2, "update")


def jax_mlp(eps: float = 0.0) -> Callable[..., Any]:
    def function(params: Any, x: Any) -> Any:
        import jax.numpy as jnp

        (w1, b1), last = params["layers"][0], params["last"]
        h = jnp.tanh(x @ w1 + b1 + eps)
        return h @ last["w"] + last["b"], {"1": h}

    return function


def jax_params() -> Any:
    zeros = np.zeros
    return {"layers": [(zeros((5, 8)), zeros(8))], "last": {"w": zeros((8, 3)), "b": zeros(3)}}


JAX_NAMES = {"0.weight": "layers.0.0", "0.bias": "layers.0.1", "2.weight": "last.w", "2.bias": "last.b"}


@pytest.mark.parametrize("library", [torch, pellucid], ids=["torch", "pellucid"])
def test_a_function_of_jax_is_compared_with_a_module(library: Any) -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    options: Any = {"loss": "cross_entropy", "names": JAX_NAMES, "transpose": TURNED, "steps": 5}
    report = parity(tanh_mlp(library), check.JAX(jax_mlp(), jax_params()), POINTS, **options)
    assert report.status == "equal", str(report)
    assert report.notes == [f"Only {report.frameworks[0]} has 0, 2: not compared."]
    report = parity(tanh_mlp(library), check.JAX(jax_mlp(1e-3), jax_params()), POINTS, **options)
    assert report.first is not None
    assert (report.first.step, report.first.kind, report.first.name) == (1, "output", "1")


def test_a_function_of_jax_takes_our_names_and_a_loss_and_an_optimiser_of_its_own() -> None:
    pytest.importorskip("jax", reason="JAX is not installed")
    x, t = POINTS[0][0], RNG.normal(size=(16, 2)).astype(np.float32)
    model = pellucid.nn.Linear(5, 2)

    def function(params: Any, x: Any) -> Any:
        return x @ params["weight"].T + params["bias"]

    class Transformation:
        """As of optax: momentum, with the sign in the update."""

        def init(self, params: Any) -> Any:
            return {name: 0 * value for name, value in params.items()}

        def update(self, gradients: Any, state: Any, params: Any) -> Any:
            state = {name: 0.9 * state[name] + gradient for name, gradient in gradients.items()}
            return {name: -0.1 * value for name, value in state.items()}, state

    pair = (sgd(pellucid, momentum=0.9), Transformation())
    report = parity(model, function, [(x, t)], steps=5, loss="mse", optimizer=pair)
    assert report.status == "equal", str(report)
    losses = ("mse", lambda output, target: 2 * ((output - target) ** 2).mean())
    report = parity(model, function, [(x, t)], steps=5, loss=losses, optimizer=pair)
    assert report.first is not None
    assert report.first.kind == "loss"
    assert "is 2 × the first's" in str(report)


def test_a_module_of_flax_with_an_optimiser_of_optax_is_compared_layer_by_layer() -> None:
    pytest.importorskip("flax", reason="flax is not installed")
    optax = pytest.importorskip("optax", reason="optax is not installed")
    import flax.linen
    import jax

    class Network(flax.linen.Module):
        @flax.linen.compact
        def __call__(self, x: Any) -> Any:
            hidden = flax.linen.tanh(flax.linen.Dense(8)(x))
            return flax.linen.Dense(3)(hidden)

    theirs = check.JAX(Network(), Network().init(jax.random.PRNGKey(0), POINTS[0][0])["params"])
    names = {f"{i}.{a}": f"Dense_{i // 2}.{b}" for i in (0, 2) for a, b in (("weight", "kernel"), ("bias", "bias"))}
    options: Any = {"loss": "cross_entropy", "names": names, "transpose": TURNED, "steps": 5}
    report = parity(tanh_mlp(pellucid), theirs, POINTS, optimizer=(adam(pellucid), optax.adam(0.01)), **options)
    assert report.status == "equal", str(report)
    assert {"output 0", "output 2", "update 0.bias"} <= set(report.record()["tensors"])
    wrong = (adam(pellucid), optax.adam(0.01, b2=0.99))
    report = parity(tanh_mlp(pellucid), theirs, POINTS, optimizer=wrong, **options)
    assert report.first is not None
    assert (report.first.step, report.first.kind) == (2, "update")


def tied(library: Any, bend: str = "tanh") -> Any:
    """A layer that is called three times, one weight under two names, one that is frozen, one that is not used."""
    nn = library.nn

    class Tied(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.unused = nn.Embedding(11, 6), nn.Linear(2, 2)
            self.layer, self.frozen, self.out = nn.Linear(6, 6), nn.Linear(6, 6), nn.Linear(6, 11, bias=False)
            self.out.weight = self.embed.weight
            self.frozen.requires_grad_(False)

        def forward(self, x: Any) -> Any:
            h = self.embed(x)
            for place in range(3):
                h = getattr(self.layer(h), bend if place == 1 else "tanh")() + self.frozen(h)
            return self.out(h).reshape(-1, 11)

    return Tied()


def test_shared_frozen_and_unused_layers_are_compared_call_by_call() -> None:
    batches = [(RNG.integers(0, 11, (4, 7)), RNG.integers(0, 11, 28))]
    decay = {"optimizer": (adam(pellucid, "AdamW"), adam(torch, "AdamW"))}
    report = parity(tied(pellucid), tied(torch), batches, steps=5, loss="cross_entropy", **decay)
    assert report.status == "equal", str(report)
    assert {"output layer, call 3", "parameter frozen.weight"} <= set(report.record()["tensors"])
    report = parity(tied(pellucid), tied(torch, "sigmoid"), batches, loss="cross_entropy")
    assert report.first is not None
    assert str(report.first) == "the input of layer layer, call 3"


# What is asked wrongly ------------------------------------------------------------------------------------------------


def linear(library: Any, *sizes: int) -> Any:
    return library.nn.Sequential(*(library.nn.Linear(a, b) for a, b in pairwise(sizes)))


WRONG: dict[str, tuple[Callable[[], Any], str]] = {
    "a layer more": (
        lambda: parity(linear(pellucid, 5, 8, 3), linear(torch, 5, 8, 8, 3), POINTS, loss="mse"),
        "Only the second has 2.weight (3, 8), 2.bias (3,)",
    ),
    "other names": (
        lambda: parity(tanh_mlp(pellucid), linear(torch, 5, 8, 3), POINTS, loss="mse"),
        "write names={'2.weight': '1.weight', '2.bias': '1.bias'}",
    ),
    "another shape": (
        lambda: parity(linear(pellucid, 5, 8), linear(torch, 5, 9), POINTS, loss="mse"),
        "0.weight has shape (8, 5) in the first model (pellucid), and 0.weight has (9, 5) in the second (torch)",
    ),
    "lying transposed": (
        lambda: parity(
            linear(pellucid, 5, 3),
            check.NumPy(print, print, {"w": np.zeros((5, 3)), "b": np.zeros(3)}), POINTS,
            loss="cross_entropy", names={"0.weight": "w", "0.bias": "b"},
        ),
        "write transpose=['0.weight']",
    ),
    "no loss": (lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS), "write loss='cross_entropy'"),
    "an unknown loss": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS, loss="crossentropy"),
        "pellucid's nn.functional has no such loss",
    ),
    "a single optimiser": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS, loss="mse", optimizer=adam(torch)),
        "optimizer=(ours, theirs)",
    ),
    "a batch alone": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS[0], loss="mse"), "[(inputs, target)]",
    ),
    "inputs alone": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), [POINTS[0][0]], loss="mse"),
        "a batch is (inputs, target)",
    ),
    "no batches": (lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), [], loss="mse"), "batches is empty"),
    "no steps": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS, loss="mse", steps=0), "received 0",
    ),
    "no model": (lambda: parity(linear(pellucid, 5, 3), 3, POINTS, loss="mse"), "received int"),
    "a name as transpose": (
        lambda: parity(linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS, loss="mse", transpose="0.weight"),
        "write transpose=['0.weight']",
    ),
    "no scalar": (
        lambda: parity(
            linear(pellucid, 5, 3), linear(torch, 5, 3), POINTS,
            loss=("cross_entropy", lambda output, target: output.sum(1)),
        ),
        "the loss must be one number",
    ),
    "no dict of gradients": (
        lambda: parity(
            linear(pellucid, 5, 3), check.NumPy(lambda p, x, t: 1.0, lambda p, x, t: [1]), POINTS, loss="cross_entropy"
        ),
        "it gave list",
    ),
    "a gradient missing": (
        lambda: parity(
            linear(pellucid, 5, 3), check.NumPy(lambda p, x, t: 1.0, lambda p, x, t: {"0.bias": np.ones(3)}), POINTS,
            loss="cross_entropy",
        ),
        "grads gave no gradient for 0.weight",
    ),
}  # fmt: skip


@pytest.mark.parametrize("question", WRONG)
def test_a_wrong_question_is_answered_with_what_to_write(question: str) -> None:
    ask, said = WRONG[question]
    with pytest.raises((TypeError, ValueError)) as error:
        ask()
    assert said in str(error.value)


def test_a_failure_of_a_model_is_passed_on_with_its_side() -> None:
    class Fails(torch.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.weight, self.bias = torch.nn.Parameter(torch.zeros(3, 5)), torch.nn.Parameter(torch.zeros(3))

        def forward(self, x: Any) -> Any:
            raise KeyError("mine")

    with pytest.raises(KeyError, match="mine") as error:
        parity(pellucid.nn.Linear(5, 3), Fails(), POINTS, loss="cross_entropy")
    assert error.value.__notes__ == ["This was on the side of torch, at step 1 of parity."]


# The report -----------------------------------------------------------------------------------------------------------


def test_the_report_is_a_record_a_file_and_a_picture(tmp_path: Path) -> None:
    report = parity(mlp(pellucid), mlp(torch, eps=1e-3), POINTS, loss="cross_entropy")
    assert not report
    report.save(tmp_path / "report.json")
    kept = json.loads((tmp_path / "report.json").read_text())
    assert kept["status"] == "different"
    first = kept["first"]
    assert (first["step"], first["kind"], first["name"], first["reason"]) == (1, "output", "1", "formula")
    assert first["max_rel"] == pytest.approx(first["max_abs"] / report.first.verdict.scale, rel=1e-3)  # type: ignore[union-attr]
    assert first["units"] > 1000
    row = next(row for row in kept["tensors"] if row["beyond"])
    assert (row["step"], row["kind"], row["name"]) == (1, "output", "1")
    figure = report.plot(save=tmp_path / "report.png")
    assert "apart from step 1 on, output 1" in figure.get_suptitle()
    assert (tmp_path / "report.png").stat().st_size > 10_000


def test_layers_of_one_side_alone_are_named() -> None:
    nn = torch.nn

    class Functional(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.add_module("0", nn.Linear(5, 8))
            self.add_module("2", nn.Linear(8, 3))

        def forward(self, x: Any) -> Any:
            first, last = self.children()
            return last(torch.tanh(first(x)))

    report = parity(tanh_mlp(pellucid), Functional(), POINTS, loss="cross_entropy")
    assert report.status == "equal"
    assert report.notes == ["Only pellucid has 1: not compared."]
