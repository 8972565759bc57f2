"""nn.utils.parametrize against PyTorch: names, texts, values, gradients, assignment, removal."""

import copy
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.parametrizations")


def symmetric(library: Any) -> Any:
    class Symmetric(library.nn.Module):  # type: ignore[misc, name-defined]
        def forward(self, x: Any) -> Any:
            return x.triu() + x.triu(1).transpose(-1, -2)

        def right_inverse(self, a: Any) -> Any:
            return a.triu()

    return Symmetric()


WAYS: dict[str, Any] = {
    "symmetric": lambda t, p: p.parametrize.register_parametrization(t.nn.Linear(3, 3), "weight", symmetric(t)),
    "spectral_norm": lambda t, p: p.parametrizations.spectral_norm(t.nn.Linear(4, 3)),
    "spectral_norm of a bias": lambda t, p: p.parametrizations.spectral_norm(t.nn.Linear(4, 3), "bias"),
    "spectral_norm, transposed": lambda t, p: p.parametrizations.spectral_norm(t.nn.ConvTranspose1d(4, 3, 2)),
    "weight_norm": lambda t, p: p.parametrizations.weight_norm(t.nn.Linear(4, 3)),
    "weight_norm, then spectral_norm": lambda t, p: p.parametrizations.spectral_norm(
        p.parametrizations.weight_norm(t.nn.Linear(4, 3))
    ),
}


@pytest.mark.parametrize("way", WAYS)
def test_training(way: str) -> None:
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        module = WAYS[way](library, library.nn.utils)
        shape = (2, 4, 5) if "transposed" in way else (5, module.in_features)
        optimizer = library.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            (module(library.randn(*shape)) ** 2).sum().backward()
            optimizer.step()
        module.eval()
        name = "bias" if "bias" in way else "weight"
        text = repr(module), type(module).__name__
        values = {**module.state_dict(), "value": getattr(module, name), "copy": getattr(copy.deepcopy(module), name)}
        library.nn.utils.parametrize.remove_parametrizations(module, name)
        values |= {f"plain {key}": value for key, value in module.state_dict().items()}
        found.append((text, repr(module), list(values), [value.detach().numpy() for value in values.values()]))
    assert found[0][:3] == found[1][:3]
    for expected, got in zip(found[0][3], found[1][3], strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)


def test_assignment_goes_through_the_inverse() -> None:
    module = nn.utils.parametrize.register_parametrization(nn.Linear(3, 3), "weight", symmetric(pellucid))
    wanted = pellucid.arange(9.0).reshape(3, 3)
    module.weight = wanted + wanted.T
    assert pellucid.equal(module.weight, wanted + wanted.T)
    assert pellucid.equal(module.parametrizations.weight.original, (wanted + wanted.T).triu())
    with nn.utils.parametrize.cached():
        assert module.weight is module.weight
    assert module.weight is not module.weight
    assert nn.utils.parametrize.type_before_parametrizations(module) is nn.Linear


def test_refusals() -> None:
    class Wider(nn.Module):
        def forward(self, x: Any) -> Any:
            return pellucid.cat([x, x])

    with pytest.raises(ValueError, match="may not change the shape"):
        nn.utils.parametrize.register_parametrization(nn.Linear(2, 2), "weight", Wider())
    with pytest.raises(ValueError, match="does not have a parameter"):
        nn.utils.parametrize.register_parametrization(nn.Linear(2, 2), "wieght", Wider())
    with pytest.raises(ValueError, match="does not have a parametrization"):
        nn.utils.parametrize.remove_parametrizations(nn.Linear(2, 2), "weight")
