"""bfloat16, computed in float32 and rounded once: values, dtypes, views, gradients and printed text as in PyTorch."""

# ruff: noqa: E501 (a program a line)

from __future__ import annotations

import copy
import io
import pickle
from contextlib import redirect_stdout

import numpy as np
import pytest
import torch

import pellucid
from pellucid.types.bfloat16 import rounded, widened

SETUP = """
x = T.tensor([1.0, float("nan"), float("inf"), -float("inf"), 1e-40, -0.0, 3.3961775292304957e38, 1.00390625, 1.01171875,
              65536.0, 3.4e38]).to(B)
y = (T.arange(12).reshape(3, 4) * 0.7 - 3).to(B)
q = T.ones(3, dtype=B)
"""
# Each program prints the same under PyTorch, letter by letter.
SAME = {
    "special numbers": "print(x, x.view(T.int16), x.isnan(), x == x, x.float(), x.half(), x.double(), x.bool())",
    "from other types": "print(T.tensor([2**24 + 1, 257, 258, 259, -3]).to(B), T.tensor([True]).to(B), T.tensor([1.5]).double().to(B))",
    "the type": "print(B, B.itemsize, B.is_floating_point, B.is_complex, B.is_signed, B.to_complex(), T.finfo(B), x.type(), x.nbytes)",
    "views": "z = y.t(); z[0] = 5; print(y); z.mul_(2); y[0].zero_(); y.view(-1)[3:5].fill_(1.1); print(y, z)",
    "indexing": "print(y[1], y[:, 1:3], y[y > 1], y[[0, 2]], y[..., None].shape); y[y > 0] = -1; y[1] = T.ones(4); print(y)",
    "in place": "y += 1; y -= 0.3; y *= 2; y /= 3; y **= 2; y.add_(T.ones(3, 4)); y.masked_fill_(y > 3, 0); print(y)",
    "numbers": "print(y + 0.3, y - 0.3, 0.3 - y, y * 0.3, y / 0.3, y % 0.3, y // 0.3, y < 0.3, y == y, y.add(y, alpha=0.3))",
    "single numbers": "s = T.tensor(0.3); print(y + s, y * s, y / s, (s.double() * y).dtype, y * s.double())",
    "moved": "print(T.cat([y, y]), T.stack([y, y]), T.where(y > 0, y, 0), y.flip(0), y.roll(1, 0), y.repeat(1, 2), y.tril())",
    "windows": "print(y.unfold(1, 2, 2), y.diagonal(), y.as_strided((2,), (3,)), y.view(T.float32).view(B), y.expand(2, 3, 4))",
    "created": "print(T.zeros(2, dtype=B), T.ones(2, dtype=B), T.full((2,), 1.1, dtype=B), T.arange(0, 1, 0.3, dtype=B), T.eye(2, dtype=B), "
    "T.linspace(0, 1, 5, dtype=B), T.tensor([1.1, 2], dtype=B), T.empty(2, dtype=B).dtype)",
    "like": "print(T.zeros_like(y), T.ones_like(y), T.full_like(y, 0.1), y.new_tensor([1.1]), y.new_full((1,), 2), y.new_zeros(2))",
    "reduced": "print(y.sum(), y.mean(0), y.max(0), y.argmax(), y.topk(2), y.sort(1), y.cumsum(0), y.var(1), y.norm(), y.unique())",
    "with a dtype": "print(q.sum(dtype=T.float32), T.ones(3).sum(dtype=B), T.softmax(T.ones(3), 0, dtype=B), q.log_softmax(0, dtype=T.float64))",
    "products": "print(y @ y.t(), T.dot(y[0], y[1]), y.mv(y[0]), T.einsum('ij,kj->ik', y, y), T.outer(y[0], y[1]))",
    "as Python's": "print(y.tolist(), y[0, 0].item(), float(y[0, 0]), int(y[0, 0]), bool(y[0, 0]), f'{y[0, 0]:.2f}', [v for v in y[0]])",
    "empty": "print(T.zeros(0, dtype=B), T.zeros(2, 0, dtype=B), T.zeros(0, dtype=B).sum())",
    "many": "T.manual_seed(0); a = T.randn(2000).to(B); print(a, a.sum(), a.mean())",
    "copied": "a = copy.deepcopy(y); print(a.equal(y), pickle.loads(pickle.dumps(y)), pickle.loads(pickle.dumps(B)) is B)",
    "out": "o = T.empty(3, dtype=B); T.add(q, q, out=o); print(o); T.mul(q, T.ones(3), out=o); print(o)",
    "gradients": "w = T.ones(3, dtype=B, requires_grad=True); (w * 3 + w * w).sum().backward(); print(w.grad); w.exp().sum().backward(); "
    "print(w.grad)",
    "through a cast": "w = T.ones(3, requires_grad=True); (w.to(B) * 1.1).sum().backward(); print(w.grad)",
    "of a view": "w = T.zeros(4, dtype=B); v = w[1:3]; s = T.ones(2, dtype=B, requires_grad=True); v.copy_(s * 3); (w * w).sum().backward(); "
    "print(w, s.grad)",
    "second derivative": "w = T.tensor([1.5, 2.0], dtype=B, requires_grad=True); g, = T.autograd.grad((w**3).sum(), w, create_graph=True); "
    "print(g.detach(), T.autograd.grad(g.sum(), w))",
    "the default": "T.set_default_dtype(B); print(T.tensor(1.5), T.zeros(2), T.tensor([1]) / 2, T.ones(1).float())",
    "layers": "T.manual_seed(0); m = T.nn.Sequential(T.nn.Linear(4, 3), T.nn.LayerNorm(3), T.nn.GELU()).to(B); print(m(y), m[0].weight)",
    "mixed weights": "T.manual_seed(0); m = T.nn.LayerNorm(4); print(m(y).dtype, T.nn.BatchNorm1d(4)(y).dtype)",
}  # fmt: skip
RANDOM = (
    "T.randn(n, dtype=B)", "T.rand(n, dtype=B)", "t.normal_(2, 3)", "t.uniform_(-1, 1)", "t.exponential_()", "t.cauchy_()",
    "t.bernoulli_(0.3)", "t.log_normal_()", "t.geometric_(0.2)", "t.random_()", "t.random_(100)", "T.randn_like(t)",
    "T.rand_like(t)", "T.randint(0, 50, (n,), dtype=B)", "T.nn.functional.dropout(T.ones(n, dtype=B))",
    "T.nn.init.trunc_normal_(t)", "T.nn.init.kaiming_uniform_(t[None])[0]", "T.bernoulli(T.full((n,), 0.3, dtype=B))",
)  # fmt: skip
REFUSED = {
    "y.numpy()": TypeError, "np.asarray(y)": TypeError, "y @ y.t().float()": RuntimeError, "y & y": NotImplementedError,
    "T.nn.functional.linear(y, y.float())": RuntimeError, "y.index_add_(0, T.tensor([0]), T.ones(1, 4))": RuntimeError,
    "y.scatter_(1, T.tensor([[0]]), T.ones(1, 1))": RuntimeError, "T.linalg.inv(y[:3, :3])": RuntimeError,
    "y.int().add_(y)": RuntimeError, "T.complex(y, y)": RuntimeError, "y.masked_scatter_(y > 0, T.ones(20))": RuntimeError,
    "T.mul(q, q, out=T.zeros(3, dtype=T.int64))": RuntimeError,
}  # fmt: skip


def run(program: str, library, **more) -> str:
    library.manual_seed(0)
    names = {"T": library, "B": library.bfloat16, "np": np, "copy": copy, "pickle": pickle, **more}
    printed = io.StringIO()
    try:
        with redirect_stdout(printed):
            exec(SETUP + program, names)  # noqa: S102
    finally:
        library.set_default_dtype(library.float32)
    return printed.getvalue()


@pytest.mark.parametrize("what", SAME)
def test_the_same_text(what):
    assert run(SAME[what], pellucid) == run(SAME[what], torch)


@pytest.mark.parametrize("program", RANDOM)
@pytest.mark.parametrize("n", [7, 40])
def test_the_same_random_numbers(program, n):
    program = f"t = T.zeros(n, dtype=B); print({program}, T.rand(2))"
    assert run(program, pellucid, n=n) == run(program, torch, n=n)


@pytest.mark.parametrize("program", REFUSED)
def test_what_is_refused(program):
    for library in (torch, pellucid):
        with pytest.raises(REFUSED[program]):
            run(program, library)


def test_rounding_of_every_upper_half():
    """All numbers next to and in the middle between two of bfloat16, whatever their sign and size."""
    upper = np.arange(2**16, dtype=np.uint32) << 16
    for lower in (0, 1, 0x7FFF, 0x8000, 0x8001, 0xFFFF):
        numbers = (upper | lower).astype(np.uint32).view(np.float32)
        wanted = torch.from_numpy(numbers.copy()).bfloat16().float().numpy()
        assert np.array_equal(widened(rounded(numbers)), wanted, equal_nan=True)
        assert np.array_equal(
            np.signbit(wanted[~np.isnan(wanted)]), np.signbit(widened(rounded(numbers))[~np.isnan(wanted)])
        )


@pytest.mark.parametrize("name", ["float16", "float32", "float64", "int64", "uint8", "bool", "complex64", "bfloat16"])
def test_promotion(name):
    def found(library):
        kind, narrow = getattr(library, name), library.bfloat16
        pairs = [
            (library.ones(a, dtype=narrow), library.ones(b, dtype=kind))
            for a, b in (((2,), (2,)), ((2,), ()), ((), (2,)))
        ]
        types = [str((a + b).dtype) for a, b in pairs] + [str((b * a).dtype) for a, b in pairs]
        types += [str(library.result_type(a, b)) for a, b in pairs]
        casts = [library.can_cast(kind, narrow), library.can_cast(narrow, kind)]
        return types, casts, str(library.promote_types(kind, narrow)), str(library.promote_types(narrow, kind))

    assert found(pellucid) == found(torch)


@pytest.mark.parametrize("kind", ["SGD", "Adam", "AdamW", "RMSprop", "Adagrad"])
def test_training_in_bfloat16(kind):
    """Five steps: the parameters and gradients stay bfloat16, and follow PyTorch's within a few roundings."""

    def trained(library):
        library.manual_seed(0)
        model = library.nn.Sequential(library.nn.Linear(8, 16), library.nn.Tanh(), library.nn.Linear(16, 1))
        model.to(library.bfloat16)
        optimizer = getattr(library.optim, kind)(model.parameters(), lr=0.01)
        x, y = library.randn(32, 8).to(library.bfloat16), library.randn(32, 1).to(library.bfloat16)
        for _ in range(5):
            optimizer.zero_grad()
            loss = library.nn.functional.mse_loss(model(x), y)
            loss.backward()
            optimizer.step()
        for parameter in model.parameters():
            assert parameter.dtype is library.bfloat16
            assert parameter.grad.dtype is library.bfloat16
        return [loss.float().item(), *model[0].weight.float().flatten().tolist()]

    assert np.allclose(trained(pellucid), trained(torch), rtol=0.05, atol=0.01)


def test_a_traced_program_computes_in_bfloat16():
    w = pellucid.ones(3, dtype=pellucid.bfloat16)
    program = pellucid.compile.trace(lambda x: (x * w + 0.3).exp(), w.clone())
    x = pellucid.tensor([0.1, 0.2, 0.3]).bfloat16()
    assert program(x).equal((x * w + 0.3).exp())
