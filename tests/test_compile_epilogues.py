"""A bias, and a matrix that a product is added to, within the product's kernel in a compiled step."""

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import kernels, nn

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
functional = nn.functional
ROWS, INNER, OUT = 70, 40, 52  # rows enough for a kernel that begins with a bias


class Held:
    """What the functions below compute with."""

    def __init__(self, dtype: Any, inner: int = INNER, out: int = OUT) -> None:
        pellucid.manual_seed(0)
        self.x, self.w = pellucid.randn(ROWS, inner, dtype=dtype), pellucid.randn(out, inner, dtype=dtype)
        self.bias, self.matrix = pellucid.randn(out, dtype=dtype), pellucid.randn(ROWS, out, dtype=dtype)
        self.cube = pellucid.randn(7, 10, inner, dtype=dtype)


def both(h: Held) -> Any:
    return (h.matrix + functional.linear(h.x, h.w, h.bias)).cumsum(0)


# what is computed, and how many sums a product takes over
CASES: dict[str, tuple[Callable[[Held], Any], int]] = {
    "a bias": (lambda h: functional.linear(h.x, h.w, h.bias).cumsum(0), 1),
    "a bias for rows of a cube": (lambda h: functional.linear(h.cube, h.w, h.bias).cumsum(0), 1),
    "a matrix": (lambda h: (h.x @ h.w.T + h.matrix).cumsum(0), 1),
    "a bias and a matrix": (both, 2),
    "a matrix turned": (lambda h: (h.x @ h.w.T + h.matrix.T.contiguous().T).cumsum(0), 0),
    "a matrix that is made later": (lambda h: ((p := h.x @ h.w.T), q := p.cumsum(0), (p + q).cumsum(0))[-1], 0),
    "more than sums": (lambda h: functional.linear(h.x, h.w, h.bias).relu().cumsum(0), 0),
    "a number": (lambda h: (h.x @ h.w.T + 2).cumsum(0), 0),
    "the product itself": (lambda h: ((p := h.x @ h.w.T) + p).cumsum(0), 0),
    "a product that is used twice": (lambda h: ((p := h.x @ h.w.T) + h.bias).cumsum(0) * p.cumsum(1), 0),
    "a result that is handed out": (lambda h: functional.linear(h.x, h.w, h.bias), 0),
    "another product": (lambda h: (h.x @ h.w.T + (h.x + 1) @ h.w.T).cumsum(0), 1),
}


@pytest.mark.parametrize("threads", [1, 2])
@pytest.mark.parametrize("dtype", [pellucid.float32, pellucid.float64], ids=str)
@pytest.mark.parametrize("name", CASES)
def test_a_product_begins_with_what_is_added_to_it(name: str, dtype: Any, threads: int) -> None:
    function, count = CASES[name]
    before = kernels.pool.get_num_threads()
    kernels.pool.set_num_threads(threads)
    try:
        held = Held(dtype)
        expected = function(held).numpy().copy()
        compile: Any = pellucid.compile
        run = compile(lambda: function(held), fullgraph=True)
        for _ in range(3):
            found = run().numpy()
        size = np.abs(expected).max()
        np.testing.assert_allclose(found, expected, rtol=0, atol=size * (1e-5 if dtype is pellucid.float32 else 1e-13))
        made = run.explain().split("what runs")[1]
        assert sum(part.count(" + ") for part in made.split(", ") if " @ " in part) == count
    finally:
        kernels.pool.set_num_threads(before)


@pytest.mark.parametrize("inner", [3, 95, 96, 97, 200])  # of which 96 are gone through at a time
@pytest.mark.parametrize("out", [5, 47, 49, 100])
def test_all_of_a_product_is_added_once(inner: int, out: int) -> None:
    held = Held(pellucid.float64, inner, out)
    expected = both(held).numpy().copy()
    compile: Any = pellucid.compile
    run = compile(lambda: both(held), fullgraph=True)
    for _ in range(3):
        np.testing.assert_allclose(run().numpy(), expected, rtol=1e-11, atol=1e-11)
