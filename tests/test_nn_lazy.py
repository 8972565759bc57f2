"""Lazy layers against PyTorch's: what they print, their weights of one seed, their class after the first input."""

import copy
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")

SHAPES = {1: (2, 4, 9), 2: (2, 4, 8, 7), 3: (2, 4, 5, 6, 7)}
LAYERS: dict[str, tuple[tuple[Any, ...], dict[str, Any], tuple[int, ...]]] = {
    "LazyLinear": ((3,), {}, (5, 6)),
    **{f"LazyConv{rank}d": ((6, 2), {"groups": 2}, shape) for rank, shape in SHAPES.items()},
    **{f"LazyConvTranspose{rank}d": ((6, 2), {"bias": False}, shape) for rank, shape in SHAPES.items()},
    **{f"LazyBatchNorm{rank}d": ((), {}, shape) for rank, shape in SHAPES.items()},
    **{f"LazyInstanceNorm{rank}d": ((), {"track_running_stats": False}, shape) for rank, shape in SHAPES.items()},
}


@pytest.mark.parametrize("name", LAYERS)
def test_lazy_layer(name: str) -> None:
    args, options, shape = LAYERS[name]
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        layer = getattr(library.nn, name)(*args, **options)
        before = repr(layer), [type(param).__name__ for param in layer.parameters()]
        out = layer(library.randn(*shape))
        out.sum().backward()
        after = repr(layer), type(layer).__name__, [type(param).__name__ for param in layer.parameters()]
        state = {key: value.numpy() for key, value in layer.state_dict().items()}
        found.append((before, after, state, out.detach().numpy()))
    (before, after, state, out), (own_before, own_after, own_state, own_out) = found
    assert own_before == before
    assert own_after == after
    assert list(own_state) == list(state)
    for key, value in state.items():
        np.testing.assert_allclose(own_state[key], value, rtol=1e-6, atol=1e-7)
    np.testing.assert_allclose(own_out, out, rtol=1e-4, atol=1e-5)


def test_a_state_gives_the_shapes() -> None:
    whole = pellucid.nn.Conv2d(3, 4, 2)
    lazy = copy.deepcopy(pellucid.nn.LazyConv2d(4, 2))
    assert repr(next(lazy.parameters())) == "<UninitializedParameter>"
    lazy.load_state_dict(whole.state_dict())
    x = pellucid.randn(1, 3, 5, 5)
    assert pellucid.equal(lazy(x), whole(x))


def test_an_input_of_another_rank_is_refused() -> None:
    for library in (torch, pellucid):
        with pytest.raises(RuntimeError, match="Expected 3D"):
            library.nn.LazyConv2d(4, 2)(library.randn(4, 4))
