"""LSUV and the report on ways to initialise: variances against those of PyTorch, and nothing left changed."""

import copy
import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid import from_numpy, manual_seed, nn, no_grad, ones, randn, tensor, zeros
from pellucid.nn.utils import initialisation_report, lsuv_
from pellucid.viz import initialisation

RNG = np.random.default_rng(0)
X = RNG.normal(size=(60, 12)).astype(np.float32)


def mlp(inplace: bool = False) -> Any:
    manual_seed(0)
    return nn.Sequential(nn.Linear(12, 30), nn.ReLU(inplace), nn.Linear(30, 40), nn.Tanh(), nn.Linear(40, 7))


def stateful() -> Any:
    """A network with state beyond its parameters."""
    manual_seed(0)
    return nn.Sequential(
        nn.Conv1d(1, 4, 3), nn.BatchNorm1d(4), nn.ReLU(), nn.Dropout(0.5), nn.Flatten(), nn.Linear(40, 5)
    )


def twin(model: Any) -> Any:
    """The network of `mlp` in PyTorch, with the same parameters."""
    made = torch.nn.Sequential(
        torch.nn.Linear(12, 30), torch.nn.ReLU(), torch.nn.Linear(30, 40), torch.nn.Tanh(), torch.nn.Linear(40, 7)
    )
    made.load_state_dict({name: torch.from_numpy(t.detach().numpy()) for name, t in model.state_dict().items()})
    return made


def bits(model: Any) -> bytes:
    return b"".join(value.detach().numpy().tobytes() for value in model.state_dict().values())


def outputs(model: Any, x: Any) -> list[Any]:
    found = [x]
    for layer in model:
        found.append(layer(found[-1]))
    return found[1:]


# LSUV


def test_lsuv_gives_each_layer_an_output_of_variance_one() -> None:
    model = mlp()
    report = lsuv_(model, from_numpy(X))
    found = [out.detach().var(correction=0).item() for out in outputs(twin(model), torch.from_numpy(X))]
    assert [row.name for row in report] == ["0", "2", "4"]
    for row in report:
        assert row.kind == "Linear" and row.converged and row.iterations <= 2
        assert row.after == pytest.approx(found[int(row.name)], rel=1e-4) == pytest.approx(1, abs=0.01)
    assert model[0].bias.detach().abs().sum().item() == 0


def test_lsuv_scales_orthogonal_matrices_drawn_from_the_generator() -> None:
    model = nn.Sequential(nn.Linear(12, 30), nn.Linear(30, 12))
    manual_seed(4)
    report = lsuv_(model, from_numpy(X), tolerance=1e-6)
    after = pellucid.get_rng_state()
    manual_seed(4)
    first, second = (nn.init.orthogonal_(pellucid.empty(*layer.weight.shape)) for layer in model)
    assert (after == pellucid.get_rng_state()).all()
    scale = float((from_numpy(X) @ first.T).numpy().std())
    np.testing.assert_allclose(model[0].weight.detach().numpy(), first.numpy() / scale, rtol=1e-5)
    assert report[0].before == pytest.approx(scale**2, rel=1e-5)
    ratio = model[1].weight.detach().numpy() / second.numpy()
    assert ratio.std() < 1e-5 * ratio.mean()
    generator = pellucid.Generator().manual_seed(4)
    lsuv_(
        again := nn.Sequential(nn.Linear(12, 30), nn.Linear(30, 12)), from_numpy(X), tolerance=1e-6, generator=generator
    )
    assert bits(again) == bits(model)


def test_lsuv_can_begin_with_the_weights_that_are_there() -> None:
    model = mlp()
    before = copy.deepcopy(model)
    lsuv_(model, from_numpy(X), orthogonal=False)
    for layer, old in ((model[i], before[i]) for i in (0, 2, 4)):
        ratio = (layer.weight / old.weight).detach().numpy()
        assert ratio.std() < 1e-5 < abs(ratio.mean() - 1)
        assert layer.bias.tolist() == old.bias.tolist()


def test_lsuv_leaves_running_averages_and_dropouts_numbers_alone() -> None:
    model, x = stateful(), from_numpy(X).reshape(60, 1, 12)
    buffers = [buffer.clone() for buffer in model.buffers()]
    manual_seed(7)
    report = lsuv_(model, x)
    after = pellucid.get_rng_state()
    manual_seed(7)
    for layer in (model[0], model[5]):
        nn.init.orthogonal_(pellucid.empty(*layer.weight.shape))
    assert (after == pellucid.get_rng_state()).all()
    assert [buffer.tolist() for buffer in model.buffers()] == [buffer.tolist() for buffer in buffers]
    assert all(row.converged for row in report)
    assert not model[0]._forward_hooks and model.training


def test_lsuv_tells_of_layers_that_it_could_not_scale() -> None:
    class Net(nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.embed, self.fc, self.spare = nn.Embedding(5, 4), nn.Linear(4, 4), nn.Linear(4, 4)

        def forward(self, index: Any, scale: Any) -> Any:
            return self.fc(self.embed(index) * scale)

    model = Net()
    table = model.embed.weight.detach().numpy().copy()
    report = lsuv_(model, (tensor([0, 1, 2]), zeros(1)))
    assert [(row.name, row.converged, row.iterations) for row in report] == [("fc", False, 0), ("spare", False, 0)]
    assert report[0].after == 0.0 and math.isnan(report[1].after)
    np.testing.assert_array_equal(model.embed.weight.detach().numpy(), table)
    lines = str(report).splitlines()
    assert lines[1].endswith("not converged") and lines[2].endswith("not called")
    report = lsuv_(model, (tensor([0, 1, 2]), tensor([math.nan])))
    assert math.isnan(report[0].after) and not report[0].converged
    assert np.isfinite(model.fc.weight.detach().numpy()).all()
    with pytest.raises(ValueError, match="the model has none"):
        lsuv_(nn.ReLU(), ones(1))


def test_lsuv_stops_after_so_many_iterations() -> None:
    class Stubborn(nn.Module):
        """Its output does not depend on the scale of its weight."""

        def __init__(self) -> None:
            super().__init__()
            self.weight = nn.Parameter(randn(3, 12))

        def forward(self, x: Any) -> Any:
            y = x @ self.weight.T
            return 5 * y / y.std()

    report = lsuv_(Stubborn(), from_numpy(X), max_iterations=3)
    assert [(row.name, row.iterations, row.converged) for row in report] == [("Stubborn", 3, False)]
    assert report[0].after == pytest.approx(25, rel=0.02)


# The report


@pytest.mark.parametrize("inplace", [False, True])
@pytest.mark.parametrize("with_loss", [False, True])
def test_the_report_has_the_variances_that_pytorch_finds(inplace: bool, with_loss: bool) -> None:
    model = mlp(inplace)
    loss = (lambda output: (output**2).mean()) if with_loss else None
    report = initialisation_report(model, from_numpy(X), loss)
    other = twin(model)
    found = outputs(other, torch.from_numpy(X))
    for out in found:
        out.retain_grad()
    if with_loss:
        (found[-1] ** 2).mean().backward()
    else:
        noise = np.random.default_rng(0).standard_normal((60, 7)).astype(np.float32)
        found[-1].backward(torch.from_numpy(noise))
    assert report.layers == ["0 Linear", "1 ReLU", "2 Linear", "3 Tanh", "4 Linear"]
    variances = [out.detach().double().var(correction=0).item() for out in found]
    np.testing.assert_allclose(report.forward["as built"], variances, rtol=1e-5)
    variances = [out.grad.double().var(correction=0).item() for out in found]
    np.testing.assert_allclose(report.backward["as built"], variances, rtol=1e-4)
    assert report.forward["LSUV"][[0, 2, 4]] == pytest.approx(1, abs=0.01)


def test_the_report_draws_every_scheme_from_the_numbers_to_come() -> None:
    model = mlp()
    manual_seed(9)
    report = initialisation_report(model, from_numpy(X))
    names = ["as built", "xavier_uniform", "xavier_normal", "kaiming_uniform", "kaiming_normal", "orthogonal", "LSUV"]
    assert list(report.forward) == list(report.backward) == names
    for name in names[1:-1]:
        other = twin(model)
        torch.manual_seed(9)
        for layer in (other[0], other[2], other[4]):
            getattr(torch.nn.init, f"{name}_")(layer.weight)
            torch.nn.init.zeros_(layer.bias)
        variances = [out.detach().double().var(correction=0).item() for out in outputs(other, torch.from_numpy(X))]
        # An orthogonal matrix is PyTorch's up to the rounding of its QR decomposition.
        np.testing.assert_allclose(report.forward[name], variances, rtol=1e-3)


def test_the_report_leaves_model_and_random_numbers_as_they_were() -> None:
    model, x = stateful(), from_numpy(X).reshape(60, 1, 12)
    model(x).sum().backward()
    gradients = [parameter.grad.numpy().copy() for parameter in model.parameters()]
    before, random = bits(model), pellucid.get_rng_state()
    model[2].eval()
    initialisation_report(model, x)
    with pytest.raises(ZeroDivisionError):
        initialisation_report(model, x, loss=lambda output: 1 / 0)
    assert bits(model) == before
    assert (pellucid.get_rng_state() == random).all()
    assert [module.training for module in model.modules()] == [True] * 3 + [False] + [True] * 3
    assert not any(module._forward_hooks for module in model.modules())
    for parameter, gradient in zip(model.parameters(), gradients, strict=True):
        np.testing.assert_array_equal(parameter.grad.numpy(), gradient)


def test_the_report_takes_schemes_of_ones_own_and_shared_or_frozen_layers() -> None:
    shared = nn.Linear(12, 12)
    model = nn.Sequential(shared, nn.Tanh(), shared)
    model.requires_grad_(False)
    report = initialisation_report(model, (from_numpy(X),), schemes={"identity": nn.init.eye_})
    assert list(report.forward) == ["as built", "identity", "LSUV"]
    assert report.layers == ["0 Linear", "1 Tanh"]
    both = np.concatenate([X, np.tanh(X)]).astype(np.float64)  # what the shared layer gives, called twice
    assert report.forward["identity"][0] == pytest.approx(both.var(), rel=1e-5)
    assert np.isnan(report.backward["identity"]).all()
    with pytest.raises(ValueError, match="ways to fill weights of two dimensions or more, and the model has none"):
        initialisation_report(nn.ReLU(), from_numpy(X))


def test_the_report_is_shown_as_tables_and_drawn(tmp_path: Path) -> None:
    with no_grad():
        report = initialisation_report(mlp(), from_numpy(X), schemes={})
    forward, backward = str(report).split("\n\n")
    assert forward.splitlines()[1].split() == ["layer", "as", "built", "LSUV"]
    assert backward.splitlines()[2].split() == [
        "0",
        "Linear",
        *(f"{report.backward[s][0]:.3g}" for s in report.forward),
    ]
    assert not np.isnan(report.backward["as built"]).any()
    report.plot(save=tmp_path / "report.png")
    assert (tmp_path / "report.png").read_bytes().startswith(b"\x89PNG")
    record = {"layers": ["a", "b"], "forward": {"x": [1.0, 0.0]}, "backward": {"x": [math.nan, math.inf]}}
    lines = [line.get_ydata() for panel in initialisation(record).axes for line in panel.get_lines()]
    assert np.isnan(lines[0]).tolist() == [False, True] and np.isnan(lines[2]).all()
    with pytest.raises(ValueError, match="the record has no 'y'; it has 'x'"):
        initialisation(record, schemes=["y"])
