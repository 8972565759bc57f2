"""Complex numbers beside PyTorch's: numbers, types, printed text, and gradients (conjugate Wirtinger derivatives)."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid

Z = [[1 + 2j, -0.5 + 0.25j], [0.3 - 1j, 2 - 0.1j]]
W = [[0.5 - 1j, 1 + 1j], [-2 + 0.5j, 0.1 + 0.2j]]
R = [[1.5, -2.0], [0.25, 3.0]]

FUNCTIONS: dict[str, Callable[..., Any]] = {
    "products": lambda t, z, w, r: (z * w * r + z / w - r * 1j).abs(),
    "powers": lambda t, z, w, r: (z**2 + z**-1 + z**0.5 + 2.0**z + z**w).real,
    "of a negative number": lambda t, z, w, r: ((-2.0) ** z).real,
    "exponential": lambda t, z, w, r: (t.exp(z) + t.log(w) + t.sqrt(z) + t.rsqrt(w)).imag,
    "circular": lambda t, z, w, r: (t.sin(z) * t.cos(w) + t.tan(z)).abs(),
    "hyperbolic": lambda t, z, w, r: (t.sinh(z) * t.cosh(w) + t.tanh(z) + t.sigmoid(z)).abs(),
    "inverse": lambda t, z, w, r: (t.asin(z) + t.acos(w) + t.atan(z) + t.asinh(z) + t.acosh(w) + t.atanh(w)).abs(),
    "conjugate": lambda t, z, w, r: (z * z.conj() + w.conj() * r).real,
    "parts": lambda t, z, w, r: z.real * w.imag + t.real(r),
    "angle": lambda t, z, w, r: z.angle() * w.abs() + r,
    "sign": lambda t, z, w, r: (z.sgn() * w).real,
    "pairs": lambda t, z, w, r: t.view_as_real(z * w).sum(-1) + t.view_as_complex(t.stack([r, r * 2], -1)).abs(),
    "from parts": lambda t, z, w, r: (t.complex(r, r * r) * z).real,
    "polar": lambda t, z, w, r: (t.polar(r.abs(), r) * z).imag,
    "matmul": lambda t, z, w, r: (z @ w.mH).abs() + (z.mT @ w).real,
    "einsum": lambda t, z, w, r: t.einsum("ij,jk->ik", z, w).abs(),
    "real times complex": lambda t, z, w, r: (r.to(z.dtype) @ z).abs(),
    "sums": lambda t, z, w, r: (z.sum(0) * w.mean(1) + z.prod(0)).abs() + z.cumsum(1).abs().sum(0),
    "spread": lambda t, z, w, r: z.var() + w.std(0).sum() + t.linalg.vector_norm(z),
    "where": lambda t, z, w, r: t.where(r > 0, z, w).abs() + z.masked_fill(r < 0, 1j).real,
    "indexing": lambda t, z, w, r: (z[0] * w[:, 1]).abs() + t.cat([z, w])[t.tensor([0, 3])].imag.sum(0),
    "inverse of a matrix": lambda t, z, w, r: (t.linalg.inv(z) + t.linalg.solve(w, z)).abs() + t.det(z).abs(),
    "vdot": lambda t, z, w, r: t.vdot(z[0], w[0]).abs(),
    "lerp": lambda t, z, w, r: (t.addcmul(z, z, w, value=2) + t.addcdiv(z, w, z)).abs(),
}


def given(library: Any, dtype: str, requires_grad: bool = True) -> list[Any]:
    real = "float32" if dtype == "complex64" else "float64"
    made = [library.tensor(Z, dtype=getattr(library, dtype)), library.tensor(W, dtype=getattr(library, dtype))]
    made.append(library.tensor(R, dtype=getattr(library, real)))
    return [tensor.requires_grad_(requires_grad) for tensor in made]


def close(ours: Any, theirs: Any, tolerance: float) -> None:
    assert (ours is None) == (theirs is None)
    if ours is not None:
        assert str(ours.dtype) == str(theirs.dtype)
        assert tuple(ours.shape) == tuple(theirs.shape)
        expected = theirs.detach().resolve_conj().numpy()
        np.testing.assert_allclose(ours.detach().numpy(), expected, rtol=tolerance, atol=tolerance)


@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("name", FUNCTIONS)
def test_values_and_gradients(name: str, dtype: str) -> None:
    """Forward, first and second gradients; those of real tensors are real."""
    found = []
    for library in (pellucid, torch):
        inputs = given(library, dtype)
        out = FUNCTIONS[name](library, *inputs)
        first = library.autograd.grad(out.sum(), inputs, create_graph=True, allow_unused=True)
        norm = sum((part * part.conj()).real.sum() for part in first if part is not None)
        second = [None] * 3
        if norm.requires_grad:
            second = library.autograd.grad(norm, inputs, allow_unused=True)
        plain = FUNCTIONS[name](library, *given(library, dtype)).sum()
        leaves = given(library, dtype)
        FUNCTIONS[name](library, *leaves).sum().backward()
        found.append([out, *first, *(leaf.grad for leaf in leaves), plain, *second])
    for ours, theirs in zip(*found, strict=True):
        if ours is None or theirs is None:  # PyTorch has zeros where here no path is, or the other way round
            assert not np.any((theirs if ours is None else ours).detach().numpy() if ours is not theirs else 0)
            continue
        close(ours, theirs, 1e-9 if dtype == "complex128" else 2e-4)


PROMOTION = [
    lambda t: t.ones(2) * 1j,
    lambda t: t.ones(2, dtype=t.float64) + 1j,
    lambda t: t.ones(2, dtype=t.int64) * 2j,
    lambda t: t.ones(2, dtype=t.bool) * 2j,
    lambda t: t.ones(2, dtype=t.complex64) * t.ones(2, dtype=t.float64),
    lambda t: t.ones(2, dtype=t.complex64) * t.ones((), dtype=t.float64),
    lambda t: t.ones(2, dtype=t.complex64) * t.ones(2, dtype=t.int64),
    lambda t: t.ones(2, dtype=t.complex64) + 1,
    lambda t: 1j - t.ones(2),
    lambda t: t.tensor([1, 2j]),
    lambda t: t.tensor(1j, dtype=t.complex128),
    lambda t: t.full((2,), 1 + 1j),
    lambda t: t.zeros(2, dtype=t.cfloat),
    lambda t: t.ones(2).cdouble(),
    lambda t: t.ones(2, dtype=t.complex128).abs(),
    lambda t: t.ones(2, dtype=t.complex64).mean(),
    lambda t: t.ones(2, dtype=t.complex64) == 1,
    lambda t: t.ones(2, dtype=t.complex64) == t.ones(2),
    lambda t: t.ones(2, dtype=t.complex64).std(),
    lambda t: t.tensor(np.array([1j])),
    lambda t: t.eye(2, dtype=t.complex64),
    lambda t: t.tensor([3 - 4j]).isreal(),
]


@pytest.mark.parametrize("index", range(len(PROMOTION)))
def test_types(index: int) -> None:
    close(PROMOTION[index](pellucid), PROMOTION[index](torch), 1e-7)


PRINTED = [
    lambda t: t.tensor([1 + 2j, 3 - 4j]),
    lambda t: t.tensor([1.5 + 2j, -30.25 - 4j]),
    lambda t: t.tensor(1.5 - 2j),
    lambda t: t.tensor([1e-8 + 1j, 1e5 + 2j]),
    lambda t: t.tensor([[1 + 1j, 2], [3j, -4]], dtype=t.complex128),
    lambda t: t.zeros(2, 0, dtype=t.complex64),
    lambda t: t.tensor([complex("nan"), complex("inf"), 1 + complex("infj")]),
    lambda t: t.tensor([1j], requires_grad=True) * 2,
    lambda t: t.arange(1200).to(t.complex64),
    lambda t: t.complex(t.arange(20.0) / 3, -t.arange(20.0)),
]


@pytest.mark.parametrize("index", range(len(PRINTED)))
def test_prints_as_pytorch(index: int) -> None:
    assert repr(PRINTED[index](pellucid)) == repr(PRINTED[index](torch))


REFUSED = [
    lambda t: t.tensor([1j]) < t.tensor([2j]),
    lambda t: t.tensor([1j]).max(),
    lambda t: t.tensor([1j]).argmax(),
    lambda t: t.tensor([1j, 2]).sort(),
    lambda t: t.tensor([1j]).clamp(0, 1),
    lambda t: t.tensor([1j]).floor(),
    lambda t: t.tensor([1j]).relu(),
    lambda t: t.tensor([1j]) // 2,
    lambda t: t.tensor([1j]) % 2,
    lambda t: t.erf(t.tensor([1j])),
    lambda t: t.ones(2).mul_(1j),
    lambda t: t.imag(t.ones(2)),
    lambda t: t.view_as_complex(t.ones(3)),
    lambda t: t.view_as_real(t.ones(3)),
    lambda t: t.complex(t.ones(2), t.ones(2, dtype=t.float64)),
    lambda t: t.complex(t.ones(2, dtype=t.int64), t.ones(2, dtype=t.int64)),
    lambda t: t.tensor([1j], requires_grad=True).sum().backward(),
    lambda t: float(t.tensor(1j)),
    lambda t: t.tensor([1j], dtype=t.float32),
]


@pytest.mark.parametrize("index", range(len(REFUSED)))
def test_refuses_what_pytorch_refuses(index: int) -> None:
    raised = []
    for library in (torch, pellucid):
        with pytest.raises((RuntimeError, TypeError)) as failure:
            REFUSED[index](library)
        raised.append(failure.value)
    assert isinstance(raised[1], RuntimeError) == isinstance(raised[0], RuntimeError)


def test_gradcheck_of_complex_numbers() -> None:
    z = pellucid.tensor(Z, dtype=pellucid.complex128).requires_grad_()
    r = pellucid.tensor(R, dtype=pellucid.float64).requires_grad_()

    def right(z: Any, r: Any) -> Any:
        return (z * r).exp() @ z.conj(), z.abs()

    assert pellucid.autograd.gradcheck(right, (z, r))
    assert pellucid.autograd.gradcheck(right, (z, r), fast_mode=True)
    assert pellucid.autograd.gradgradcheck(lambda z: z * z * z.conj(), (z,))
    seed = pellucid.tensor(W, dtype=pellucid.complex128).requires_grad_()
    assert pellucid.autograd.gradgradcheck(lambda z: z**3, (z,), seed)

    class Unconjugated(pellucid.autograd.Function):
        @staticmethod
        def forward(ctx: Any, z: Any) -> Any:
            ctx.save_for_backward(z)
            return z * z

        @staticmethod
        def backward(ctx: Any, g: Any) -> Any:
            return g * 2 * ctx.saved_tensors[0]

    assert not pellucid.autograd.gradcheck(Unconjugated.apply, (z,), raise_exception=False)


def test_parts_are_views() -> None:
    for library in (torch, pellucid):
        z = library.tensor([1 + 2j, 3 - 4j])
        z.real.mul_(2)
        z.imag = library.tensor([7.0, 8.0])
        library.view_as_real(z)[0, 0] = 5
        assert z.tolist() == [5 + 7j, 6 + 8j]
        assert complex(z[0]) == 5 + 7j
        assert z.is_complex()
        assert library.is_complex(z)
        assert z.resolve_conj().tolist() == z.tolist()


def test_casting_to_real_warns() -> None:
    with pytest.warns(UserWarning, match="discards the imaginary part"):
        assert pellucid.tensor([1 + 2j]).float().tolist() == [1.0]
    x = pellucid.tensor([2.0], requires_grad=True)
    with warnings.catch_warnings():
        warnings.simplefilter("error")  # the engine takes real parts without a word
        (x * 1j * 1j).real.sum().backward()
    assert x.grad.tolist() == [-1.0]


@pytest.mark.parametrize("n", [1, 3, 8, 9, 40])
@pytest.mark.parametrize("dtype", ["complex128", "complex64"])
@pytest.mark.parametrize("draw", [
    lambda t, n, kind: t.rand(n, dtype=kind),
    lambda t, n, kind: t.randn(n, 2, dtype=kind),
    lambda t, n, kind: t.randn_like(t.zeros(n, dtype=kind)),
])  # fmt: skip
def test_draws(draw: Callable[..., Any], dtype: str, n: int) -> None:
    """Both parts are drawn, each with half the variance; what is drawn next follows on."""
    results: list[Any] = []
    for library in (pellucid, torch):
        library.manual_seed(0)
        results.append((draw(library, n, getattr(library, dtype)), library.rand(1)))
    (ours, next_ours), (theirs, next_theirs) = results
    close(ours, theirs, 1e-6 if dtype == "complex64" else 1e-14)
    assert next_ours.item() == next_theirs.item()
