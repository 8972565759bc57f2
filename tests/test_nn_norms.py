"""weight_norm and spectral_norm of nn.utils against PyTorch: names and values over some steps of training."""

from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn

torch = pytest.importorskip("torch")

LAYERS: dict[str, Any] = {
    "Linear": (lambda t: t.nn.Linear(4, 3), (5, 4)),
    "Conv2d": (lambda t: t.nn.Conv2d(2, 3, 2), (2, 2, 4, 5)),
    "ConvTranspose2d": (lambda t: t.nn.ConvTranspose2d(2, 3, 2), (2, 2, 4, 5)),
}
NORMS: dict[str, Any] = {
    "spectral_norm": lambda t, layer: t.nn.utils.spectral_norm(layer),
    "spectral_norm, three steps": lambda t, layer: t.nn.utils.spectral_norm(layer, n_power_iterations=3),
    "weight_norm": lambda t, layer: t.nn.utils.weight_norm(layer),
    "weight_norm of all": lambda t, layer: t.nn.utils.weight_norm(layer, dim=None),
}


@pytest.mark.filterwarnings("ignore:.*weight_norm. is deprecated")
@pytest.mark.parametrize("norm", NORMS)
@pytest.mark.parametrize("layer", LAYERS)
def test_training(layer: str, norm: str) -> None:
    build, shape = LAYERS[layer]
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        module = NORMS[norm](library, build(library))
        optimizer = library.optim.SGD(module.parameters(), lr=0.1)
        for _ in range(3):
            optimizer.zero_grad()
            loss = (module(library.randn(*shape)) - module(library.randn(*shape)) ** 2).sum()
            loss.backward()
            optimizer.step()
        module.eval()
        out = module(library.ones(*shape))
        state = module.state_dict()
        remove = getattr(library.nn.utils, "remove_" + norm.split(",")[0].removesuffix(" of all"))
        plain = {f"plain {name}": value for name, value in remove(module).state_dict().items()}
        found.append({"out": out, **state, **plain})
    expected, got = found
    assert list(got) == list(expected)
    for name, value in expected.items():
        np.testing.assert_allclose(got[name].detach().numpy(), value.detach().numpy(), rtol=1e-4, atol=1e-5)


def test_refusals() -> None:
    layer = nn.utils.spectral_norm(nn.Linear(2, 2))
    with pytest.raises(RuntimeError, match="two spectral_norm hooks"):
        nn.utils.spectral_norm(layer)
    with pytest.raises(ValueError, match="not found"):
        nn.utils.remove_weight_norm(layer)
    with pytest.raises(ValueError, match="positive"):
        nn.utils.spectral_norm(nn.Linear(2, 2), n_power_iterations=0)
