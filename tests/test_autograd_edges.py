"""The gradient where a function is not smooth or not defined: whatever PyTorch gives there, pellucid gives."""

from typing import Any

import numpy as np
import pytest

import pellucid
from tests.twins import same

INF, NAN = float("inf"), float("nan")

# name: (the function, where)
EDGES: dict[str, tuple[Any, Any]] = {
    "sqrt": (lambda L, x: x.sqrt(), [0.0, 4.0, -1.0, INF]),
    "rsqrt": (lambda L, x: x.rsqrt(), [0.0, 4.0, -1.0]),
    "sqrt times zero": (lambda L, x: x.sqrt() * 0, [0.0, 4.0]),
    "log": (lambda L, x: x.log(), [0.0, 1.0, -1.0, INF]),
    "log1p": (lambda L, x: x.log1p(), [-1.0, 0.0, -2.0]),
    "log2": (lambda L, x: x.log2(), [0.0, 2.0]),
    "reciprocal": (lambda L, x: 1 / x, [0.0, -0.0, INF]),
    "x over x": (lambda L, x: x / x, [0.0, 2.0]),
    "abs": (lambda L, x: x.abs(), [0.0, -0.0, -2.0, 3.0, NAN]),
    "sign": (lambda L, x: x.sign(), [0.0, -2.0, 3.0]),
    "relu": (lambda L, x: x.relu(), [0.0, -0.0, -1.0, 1.0, NAN]),
    "sigmoid": (lambda L, x: x.sigmoid(), [1000.0, -1000.0, 0.0]),
    "tanh": (lambda L, x: x.tanh(), [1000.0, -1000.0, 0.0]),
    "asin": (lambda L, x: x.asin(), [1.0, -1.0, 0.0, 2.0]),
    "acos": (lambda L, x: x.acos(), [1.0, -1.0, 0.0]),
    "atan2": (lambda L, x: L.atan2(x[0], x[1]), [0.0, 0.0]),
    "hypot": (lambda L, x: L.hypot(x[0], x[1]), [0.0, 0.0]),
    "clamp": (lambda L, x: x.clamp(-1, 1), [-1.0, 1.0, -2.0, 2.0, 0.5, NAN]),
    "clamp from below": (lambda L, x: x.clamp(min=0), [0.0, -1.0, 1.0]),
    "clamp with bounds crossed": (lambda L, x: x.clamp(1, -1), [-1.0, 1.0, -2.0, 2.0, 0.5]),
    "clamp by tensors": (lambda L, x: x[:2].clamp(x[2:4], x[4:]), [0.0, 3.0, 0.0, 1.0, 1.0, 2.0]),
    "pow 2": (lambda L, x: x**2, [0.0, -1.0]),
    "pow 0": (lambda L, x: x**0, [0.0, -1.0, INF]),
    "pow 0.5": (lambda L, x: x**0.5, [0.0, 4.0, -1.0]),
    "pow -1": (lambda L, x: x**-1, [0.0, 4.0]),
    "pow 1": (lambda L, x: x**1, [0.0, -3.0]),
    "zero to the": (lambda L, x: 0.0**x, [0.0, 1.0, 2.0, -1.0]),
    "one to the": (lambda L, x: 1**x, [0.0, 1.0, 2.0]),
    "two to the": (lambda L, x: 2**x, [0.0, -INF]),
    "both powers": (lambda L, x: x[:3] ** x[3:], [0.0, 0.0, 2.0, 0.0, 2.0, 0.0]),
    "a negative base": (lambda L, x: x[:2] ** x[2:], [-2.0, -2.0, 2.0, 0.5]),
    "norm": (lambda L, x: x.norm(), [0.0, 0.0]),
    "norm of order 1": (lambda L, x: x.norm(1), [0.0, -2.0]),
    "norm of order 3": (lambda L, x: x.norm(3), [0.0, 0.0]),
    "norm of order inf": (lambda L, x: x.norm(INF), [2.0, -2.0, 1.0]),
    "norm by rows": (lambda L, x: x.reshape(2, 2).norm(dim=1), [0.0, 0.0, 3.0, 4.0]),
    "vector norm": (lambda L, x: L.linalg.vector_norm(x), [0.0, 0.0]),
    "std of equal numbers": (lambda L, x: x.std(), [2.0, 2.0]),
    "std of one number": (lambda L, x: x.std(), [2.0]),
    "var of equal numbers": (lambda L, x: x.var(), [2.0, 2.0]),
    "var of one number": (lambda L, x: x.var(), [2.0]),
    "mean of nothing": (lambda L, x: x[:0].mean(), [2.0]),
    "max": (lambda L, x: x.max(), [1.0, 3.0, 3.0, 3.0]),
    "min": (lambda L, x: x.min(), [1.0, 1.0, 3.0]),
    "max of NaN": (lambda L, x: x.max(), [1.0, NAN, 3.0]),
    "max by dim": (lambda L, x: x.reshape(2, 2).max(dim=1)[0], [1.0, 1.0, 3.0, 2.0]),
    "amax": (lambda L, x: x.amax(), [1.0, 3.0, 3.0, 3.0]),
    "amin": (lambda L, x: x.reshape(2, 2).amin(dim=0), [1.0, 1.0, 1.0, 1.0]),
    "maximum": (lambda L, x: L.maximum(x[:2], x[2:]), [1.0, 2.0, 1.0, 3.0]),
    "minimum": (lambda L, x: L.minimum(x[:2], x[2:]), [1.0, 2.0, 1.0, 3.0]),
    "maximum with NaN": (lambda L, x: L.maximum(x[:2], x[2:]), [NAN, 2.0, 1.0, NAN]),
    "median": (lambda L, x: x.median(), [1.0, 2.0, 2.0, 3.0]),
    "sort": (lambda L, x: x.sort()[0] * L.arange(1.0, 5, dtype=L.float64), [2.0, 1.0, 2.0, 1.0]),
    "topk": (lambda L, x: x.topk(2)[0], [2.0, 1.0, 0.0, 3.0]),
    "prod with a zero": (lambda L, x: x.prod(), [2.0, 0.0, 3.0]),
    "prod with two zeros": (lambda L, x: x.prod(), [0.0, 0.0, 3.0]),
    "prod by dim with zeros": (lambda L, x: x.reshape(2, 2).prod(dim=1), [0.0, 2.0, 0.0, 0.0]),
    "cumprod with zeros": (lambda L, x: x.cumprod(0), [2.0, 0.0, 3.0, 0.0]),
    "logsumexp of -inf": (lambda L, x: x.logsumexp(0), [-INF, 1.0]),
    "logsumexp of -inf alone": (lambda L, x: x.logsumexp(0), [-INF, -INF]),
    "softmax of huge numbers": (lambda L, x: x.softmax(0)[0], [1000.0, 1000.0, -1000.0]),
    "softmax with -inf": (lambda L, x: x.softmax(0)[1], [-INF, 1.0, 2.0]),
    "log_softmax with -inf": (lambda L, x: x.log_softmax(0)[1:], [-INF, 1.0, 2.0]),
    "where the branch not taken is NaN": (lambda L, x: L.where(x > 0, x, L.tensor(NAN, dtype=x.dtype)), [1.0, 2.0]),
    "where log is taken outside of its domain": (lambda L, x: L.where(x > 0, x.log(), x), [1.0, -2.0]),
    "where sqrt is infinitely steep": (lambda L, x: L.where(x > 0, x.sqrt(), x * 0), [4.0, 0.0]),
    "where made safe before": (lambda L, x: L.where(x > 0, L.where(x > 0, x, x * 0 + 1).log(), x), [1.0, -2.0]),
    "masked_fill over NaN": (lambda L, x: x.log().masked_fill(x < 0, 0.0), [1.0, -2.0]),
    "remainder": (lambda L, x: x % 2, [4.0, -3.0, 0.5]),
    "floor": (lambda L, x: x.floor(), [1.5, 2.0]),
    "round": (lambda L, x: x.round(), [0.5, 1.5]),
    "trunc": (lambda L, x: x.trunc(), [0.5, -1.5]),
    "frac": (lambda L, x: x.frac(), [0.5, -1.5]),
    "floor division": (lambda L, x: L.nan_to_num(x), [NAN, INF, -INF, 1.0]),
    "xlogy": (lambda L, x: L.xlogy(x[:3], x[3:]), [0.0, 0.0, 1.0, 0.0, 2.0, 0.0]),
    "logaddexp": (lambda L, x: L.logaddexp(x[:2], x[2:]), [-INF, 1.0, -INF, 1.0]),
    "cosine similarity of zeros": (
        lambda L, x: L.nn.functional.cosine_similarity(x[:2], x[2:], dim=0), [0.0, 0.0, 1.0, 2.0]
    ),
    "normalize zeros": (lambda L, x: L.nn.functional.normalize(x, dim=0), [0.0, 0.0]),
    "l1 loss at zero": (lambda L, x: L.nn.functional.l1_loss(x[:2], x[2:]), [1.0, 2.0, 1.0, 3.0]),
    "smooth l1 at its knee": (lambda L, x: L.nn.functional.smooth_l1_loss(x, x * 0), [1.0, -1.0, 0.0]),
    "huber at its knee": (lambda L, x: L.nn.functional.huber_loss(x, x.detach() * 0), [1.0, -1.0, 0.0]),
    "binary cross-entropy at 0 and 1": (
        lambda L, x: L.nn.functional.binary_cross_entropy(x, L.tensor([0.0, 1.0, 1.0, 0.0], dtype=x.dtype)),
        [0.0, 1.0, 0.0, 1.0],
    ),
    "dist of equals": (lambda L, x: L.dist(x[:2], x[2:]), [1.0, 2.0, 1.0, 2.0]),
    "leaky relu": (lambda L, x: L.nn.functional.leaky_relu(x, 0.1), [0.0, -1.0, 1.0]),
    "relu6": (lambda L, x: L.nn.functional.relu6(x), [0.0, 6.0, 7.0]),
    "hardtanh": (lambda L, x: L.nn.functional.hardtanh(x), [-1.0, 1.0, 0.0]),
    "hardsigmoid": (lambda L, x: L.nn.functional.hardsigmoid(x), [-3.0, 3.0, 0.0]),
    "hardswish": (lambda L, x: L.nn.functional.hardswish(x), [-3.0, 3.0, 0.0]),
    "softplus far out": (lambda L, x: L.nn.functional.softplus(x), [-1000.0, 1000.0, 20.0]),
    "elu": (lambda L, x: L.nn.functional.elu(x), [0.0, -1000.0]),
    "max pooling with ties": (
        lambda L, x: L.nn.functional.max_pool2d(x.reshape(1, 1, 2, 2), 2), [1.0, 1.0, 1.0, 0.0]
    ),
}  # fmt: skip


@pytest.mark.parametrize("name", EDGES)
@pytest.mark.parametrize("kind", ["float32", "float64"])
@pytest.mark.filterwarnings("ignore:var|std.*degrees of freedom:UserWarning")
def test_edge(name: str, kind: str) -> None:
    function, where = EDGES[name]

    def program(library: Any) -> Any:
        x = library.tensor(where, dtype=getattr(library, kind), requires_grad=True)
        y = function(library, x)
        library.autograd.backward(y.sum())
        return y, x.grad

    tight = kind == "float64"
    with np.errstate(all="ignore"):
        same(program, rtol=1e-7 if tight else 1e-5, atol=1e-12 if tight else 1e-6)


SECOND = ["abs", "relu", "sqrt", "pow 2", "pow 0", "pow 1", "prod with a zero", "prod with two zeros", "norm", "clamp",
          "maximum", "tanh", "sigmoid", "cumprod with zeros", "where log is taken outside of its domain",
          "log"]  # fmt: skip


@pytest.mark.parametrize("name", SECOND)
def test_second_order_at_the_edge(name: str) -> None:
    function, where = EDGES[name]

    def program(library: Any) -> Any:
        x = library.tensor(where, dtype=library.float64, requires_grad=True)
        (slope,) = library.autograd.grad(function(library, x).sum(), x, create_graph=True)
        if not slope.requires_grad:
            return slope
        return slope.detach(), library.autograd.grad(slope.sum(), x, allow_unused=True, materialize_grads=True)

    with np.errstate(all="ignore"):
        same(program, rtol=1e-9)


def test_sinc_has_its_derivatives_near_0() -> None:
    """Where sin(πx) / πx is 0/0 and its derivative a difference of equals: −π²x/3, and −π²/3."""
    for x in (0.0, 1e-12, -1e-6, 0.0099, 0.0101):
        at = pellucid.tensor(x, dtype=pellucid.float64, requires_grad=True)
        (slope,) = pellucid.autograd.grad(pellucid.sinc(at), at, create_graph=True)
        (second,) = pellucid.autograd.grad(slope, at)
        square = (np.pi * x) ** 2
        assert slope.item() == pytest.approx(-(np.pi**2) * x / 3 * (1 - square / 10 + square**2 / 280), rel=1e-10)
        assert second.item() == pytest.approx(-(np.pi**2) / 3 * (1 - 3 * square / 10 + square**2 / 56), rel=1e-7)
