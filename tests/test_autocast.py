"""Autocast on the CPU: the dtype of each result as in PyTorch, gradients in the dtype of the weights, its switches."""

# ruff: noqa: E501 (a program a line)

from __future__ import annotations

import math
import warnings

import numpy as np
import pytest
import torch

import pellucid

SETUP = """
F, nn = T.nn.functional, T.nn
T.manual_seed(0)
x = T.randn(4, 6)
classes = T.tensor([0, 1, 2, 3])
low = nn.Linear(6, 6)(x)
"""
PROGRAMS = (
    "x.mv(x[0])", "T.dot(x[0], x[0])", "T.einsum('ij,kj->ik', x, x)", "T.einsum('ij->i', x)", "x @ x[0]", "T.inner(x, x)",
    "T.addmv(x[:, 0], x, x[0])", "T.addr(x, x[:, 0], x[0])", "T.tensordot(x, x.t(), 1)", "T.kron(x, x)", "T.cov(x)",
    "nn.Bilinear(6, 6, 2)(x, x)", "nn.GRU(6, 5)(x)[0]", "nn.RNN(6, 5)(x)[0]", "nn.LSTMCell(6, 5)(x)[0]",
    "nn.LSTMCell(6, 5)(x)[1]", "nn.GRUCell(6, 5)(x)", "nn.RNNCell(6, 5)(x)", "nn.MultiheadAttention(6, 2)(x, x, x)[0]",
    "nn.TransformerEncoderLayer(6, 2, 8)(x)", "nn.LayerNorm(6)(low)", "nn.BatchNorm1d(6)(low)", "nn.GroupNorm(2, 6)(low)",
    "nn.InstanceNorm1d(4)(low[None])", "low.softmax(-1)", "F.cross_entropy(low, classes)", "F.mse_loss(low, x)",
    "F.binary_cross_entropy(low.sigmoid(), x.sigmoid())", "low.sum()", "low.prod()", "T.trace(low)", "F.log_softmax(low, -1)",
    "F.nll_loss(F.log_softmax(low, -1), classes)", "T.cat([low, x])", "low + x", "T.mm(x.double(), x.double().t())",
    "T.mm(x, x.t().bfloat16())", "T.mm(x.half(), x.t().half())", "nn.Conv1d(4, 3, 3)(x[None])",
    "nn.ConvTranspose1d(4, 3, 3)(x[None])", "F.scaled_dot_product_attention(x[None], x[None], x[None])",
    "T.addmm(x[:, :4], x, x.t())", "T.baddbmm(x[None, :, :4], x[None], x.t()[None])", "nn.PReLU()(x)",
    "nn.Embedding(3, 4)(classes[:1])", "F.gelu(low)", "low.norm()", "T.cdist(low, x)",
    "F.kl_div(F.log_softmax(low, -1), x.softmax(-1))", "F.pad(low[None], (1, 1), mode='reflect')", "F.pad(low[None], (1, 1))",
    "T.chain_matmul(x, x.t(), x)", "T.linalg.inv(low[:4, :4])", "F.cosine_similarity(low, x)", "T.quantile(low, 0.5)",
    "F.binary_cross_entropy_with_logits(low, x.sigmoid())", "F.gaussian_nll_loss(low, x, x.abs())", "T.matmul(x[0], x[0])",
    "F.max_pool3d(low[None, None], 1)", "F.interpolate(low[None], scale_factor=2.0)", "x.clone().add_(low)", "low.exp()",
    "T.addbmm(x[:, :4], x[None], x.t()[None])", "T.mm(x, x.t(), out=T.empty(4, 4))", "F.smooth_l1_loss(low, x)",
    "F.triplet_margin_loss(low, x, x)", "F.linear(x, x)", "x.matmul(x.t())",
)  # fmt: skip
CALLS = (
    "T.autocast('cpu').fast_dtype", "T.autocast('cpu', dtype=T.float32)._enabled", "T.autocast('cuda')._enabled",
    "T.cpu.amp.autocast()._enabled", "T.cuda.amp.autocast()._enabled", "T.autocast('bogus')", "T.autocast(3)",
    "T.autocast('cpu')(3)", "T.amp.is_autocast_available('cpu')", "T.amp.is_autocast_available('cuda')",
    "T.amp.is_autocast_available('bogus')", "T.get_autocast_dtype('cpu')", "T.get_autocast_dtype('cuda')",
    "T.is_autocast_enabled()", "T.is_autocast_enabled('cpu')", "T.is_autocast_cpu_enabled()", "T.get_autocast_cpu_dtype()",
    "T.is_autocast_cache_enabled()", "T.autocast('mps', enabled=False).fast_dtype",
)  # fmt: skip


def run(program: str, library):
    names = {"T": library}
    with library.autocast("cpu"):
        exec(SETUP, names)  # noqa: S102
        return eval(program, names)  # noqa: S307


@pytest.mark.parametrize("program", PROGRAMS)
@pytest.mark.filterwarnings("ignore")
def test_dtypes_and_values(program):
    ours, theirs = run(program, pellucid), run(program, torch)
    assert str(ours.dtype) == str(theirs.dtype)
    torch.testing.assert_close(
        torch.tensor(ours.tolist()), torch.tensor(theirs.tolist()), rtol=0.05, atol=0.05, equal_nan=True
    )


@pytest.mark.parametrize("call", CALLS)
def test_calls(call):
    def outcome(library):
        with warnings.catch_warnings(record=True) as seen:
            warnings.simplefilter("always")
            try:
                found = str(eval(call, {"T": library}))  # noqa: S307
            except Exception as error:
                found = type(error).__name__
        return found, [(w.category, str(w.message).partition(" (Triggered")[0]) for w in seen]

    assert outcome(pellucid) == outcome(torch)


def test_blocks_in_each_other():
    def kinds(T):
        x = T.ones(2, 2)
        found = []

        def note():
            found.append((str((x @ x).dtype), T.is_autocast_enabled("cpu"), str(T.get_autocast_dtype("cpu"))))

        note()
        with T.autocast("cpu"):
            note()
            with T.autocast("cpu", enabled=False):
                note()
                with T.autocast("cpu", dtype=T.float16):
                    note()
            note()
            with T.autocast("cuda", enabled=False):
                note()
        note()

        @T.autocast("cpu")
        def product():
            return (x @ x).dtype

        found.append(str(product()))
        with pytest.raises(ZeroDivisionError), T.autocast("cpu"):
            raise ZeroDivisionError
        note()
        return found

    ours, theirs = kinds(pellucid), kinds(torch)
    # Where autocast is off PyTorch still remembers the dtype of the block around.
    assert [entry[:2] for entry in ours if isinstance(entry, tuple)] == [
        entry[:2] for entry in theirs if isinstance(entry, tuple)
    ]
    assert ours[-2] == theirs[-2]


@pytest.mark.parametrize("inside", [False, True])
@pytest.mark.parametrize("kind", ["bfloat16", "float16"])
def test_training(kind, inside):
    """Weights and their gradients stay float32; the losses are PyTorch's within the rounding of the lower precision."""

    def losses(T):
        T.manual_seed(0)
        model = T.nn.Sequential(
            T.nn.Conv2d(1, 4, 3), T.nn.ReLU(), T.nn.Flatten(), T.nn.LayerNorm(144), T.nn.Linear(144, 3)
        )
        optimizer = T.optim.SGD(model.parameters(), lr=0.1, momentum=0.9)
        scaler = T.amp.GradScaler("cpu", enabled=kind == "float16", init_scale=2.0**10)
        x, y = T.randn(8, 1, 8, 8), T.arange(8) % 3
        found = []
        for _ in range(6):
            optimizer.zero_grad()
            with T.autocast("cpu", dtype=getattr(T, kind)):
                out = model(x)
                loss = T.nn.functional.cross_entropy(out, y)
                if inside:
                    scaler.scale(loss).backward()
            if not inside:
                scaler.scale(loss).backward()
            scaler.step(optimizer)
            scaler.update()
            assert out.dtype is getattr(T, kind)
            assert loss.dtype is T.float32
            assert all(p.dtype is T.float32 and p.grad.dtype is T.float32 for p in model.parameters())
            found.append(loss.item())
        return found

    ours, theirs = losses(pellucid), losses(torch)
    assert np.allclose(ours, theirs, rtol=0.05, atol=0.02)
    assert math.isfinite(ours[-1])
    assert ours[-1] < ours[0] / 2


def test_a_function_of_the_user():
    def found(T):
        class Product(T.autograd.Function):
            @staticmethod
            @T.amp.custom_fwd(device_type="cpu", cast_inputs=T.float32)
            def forward(ctx, a, b):
                ctx.save_for_backward(a, b)
                return a @ b

            @staticmethod
            @T.amp.custom_bwd(device_type="cpu")
            def backward(ctx, g):
                a, b = ctx.saved_tensors
                return g @ b.t(), a.t() @ g

        w = T.ones(2, 2, requires_grad=True)
        with T.autocast("cpu"):
            out = Product.apply(w @ w, w)
        out.sum().backward()
        return str(out.dtype), w.grad.tolist()

    assert found(pellucid) == found(torch)
