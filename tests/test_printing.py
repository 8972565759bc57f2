"""Tensors print letter for letter as PyTorch prints them."""

from __future__ import annotations

import numpy as np
import pytest
import torch
from torch import _tensor_str

import pellucid

DTYPES = ("float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool")
SHAPES = ((), (1,), (3,), (20,), (0,), (2, 0), (0, 3), (2, 3), (1, 1), (40, 2), (2, 3, 4), (1, 2, 1, 2), (1001,),
          (40, 40), (12, 12, 12), (2, 600), (600, 2), (3, 1, 400), (1001, 1, 1))  # fmt: skip
SCALES = (1.0, 1e-6, 1e6, 3e9)


def numbers(kind: str, dtype: str, shape: tuple[int, ...], rng: np.random.Generator) -> np.ndarray:
    if dtype == "bool":
        return rng.random(shape) < 0.5
    if not dtype.startswith("float"):
        info = np.iinfo(dtype)
        low, high = (info.min, info.max) if kind == "mixed" else (max(info.min, -9), 100)
        return rng.integers(low, high, shape, dtype=dtype, endpoint=True)
    values = rng.standard_normal(shape)
    if kind == "whole":
        values = np.round(values * 5)  # with negative zeros
    elif kind == "mixed":
        values = values * 10.0 ** rng.integers(-6, 9, shape)
    elif kind == "odd":
        values = np.where(rng.random(shape) < 0.3, rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], shape), values)
    elif kind == "only odd":
        values = rng.choice([np.nan, np.inf, -np.inf, -0.0, 0.0], shape)
    else:
        values = values * float(kind)
    with np.errstate(over="ignore"):
        return np.asarray(values, dtype)


CASES = [
    (shape, dtype, kind)
    for shape in SHAPES
    for dtype in DTYPES
    for kind in (
        ("plain",) if dtype == "bool"
        else ("small", "mixed") if not dtype.startswith("float")
        else ("whole", "mixed", "odd", "only odd", "1.0", "1e-6", "1e6", "3e9")
    )
]  # fmt: skip


@pytest.mark.parametrize("shape", SHAPES, ids=str)
def test_values(shape):
    for number, (_, dtype, kind) in enumerate(case for case in CASES if case[0] == shape):
        array = numbers(kind, dtype, shape, np.random.default_rng(number))
        ours, theirs = pellucid.tensor(array), torch.tensor(array)
        assert repr(ours) == repr(theirs), (shape, dtype, kind)
        assert str(ours) == str(theirs)
        assert f"{ours}" == f"{theirs}"


OPTIONS = [
    {"precision": 2}, {"precision": 0}, {"precision": 10}, {"threshold": 5}, {"threshold": 5, "edgeitems": 1},
    {"threshold": 5, "edgeitems": 0}, {"linewidth": 20}, {"linewidth": 200}, {"profile": "short"}, {"profile": "full"},
    {"profile": "short", "precision": 7}, {"sci_mode": True}, {"sci_mode": False}, {"threshold": float("inf")},
]  # fmt: skip


@pytest.mark.parametrize("options", OPTIONS, ids=str)
def test_options(options):
    with pellucid.printoptions(**options), _tensor_str.printoptions(**options):
        assert {**_tensor_str.get_printoptions(), "shape": False} == pellucid.get_printoptions()
        for number, (shape, dtype, kind) in enumerate(CASES):
            if np.prod(shape) > 200 and shape != (40, 40):
                continue
            array = numbers(kind, dtype, shape, np.random.default_rng(number))
            assert repr(pellucid.tensor(array)) == repr(torch.tensor(array)), (shape, dtype, kind)
    assert repr(pellucid.tensor([1 / 3])) == "tensor([0.3333])"


def test_options_hold_until_they_are_set_again():
    try:
        for module in (pellucid, torch):
            module.set_printoptions(precision=2, sci_mode=True)
            module.set_printoptions(edgeitems=1)  # forgets sci_mode
        assert {**_tensor_str.get_printoptions(), "shape": False} == pellucid.get_printoptions()
    finally:
        for module in (pellucid, torch):
            module.set_printoptions(profile="default")
    with pytest.raises(ValueError, match="'default', 'short' or 'full', not 'long'"):
        pellucid.set_printoptions(profile="long")


def test_shape_is_an_option():
    rows = pellucid.ones(2, 3)
    with pellucid.printoptions(shape=True):
        assert repr(rows) == "tensor([[1., 1., 1.],\n        [1., 1., 1.]], shape=(2, 3))"
        assert repr(pellucid.arange(2000)).endswith("1999], shape=(2000,))")
        assert repr(pellucid.ones(3)) == "tensor([1., 1., 1.])"
    assert "shape" not in repr(rows)


def everything(T, default):
    """What a program may print, in one module or the other."""
    T.set_default_dtype(getattr(T, default))
    x = T.tensor([1.0, 2.5, -3.0], requires_grad=True)
    wide = T.full((3, 9), 0.125, requires_grad=True)

    class Mine(T.Tensor):
        pass

    class Cubed(T.autograd.Function):
        @staticmethod
        def forward(ctx, x):
            return x**3

        @staticmethod
        def backward(ctx, g):
            return g

    made = [
        x, wide, x * 2, (wide * 2), wide.sum(), T.empty(0, requires_grad=True), T.zeros(2, 0).requires_grad_() * 2,
        T.nn.Parameter(T.ones(2)), T.nn.Parameter(T.ones(2, 30)), T.nn.Parameter(T.tensor(1.0), requires_grad=False),
        Cubed.apply(x), x.detach(), T.tensor([1, 2]).to(T.int32),
        T.full((30,), 12345, dtype=T.int32), T.full((8,), 1.0, dtype=T.float64), T.full((7,), 1.0, dtype=T.float16),
        T.ones(3, dtype=T.float64, requires_grad=True) * 2, T.ones(2, 3, dtype=T.bool), Mine([1.0, 1.0]), T.float32,
        T.bool, T.Size([2, 3]), T.ones(2, 3).shape,
        T.ones(()).shape, {"a": T.ones(2)}, [T.tensor(1.0), T.tensor(True)], T.nn.ParameterList([x]), T.device("cpu"),
    ]  # fmt: skip
    return [repr(item) for item in made] + [str(item) for item in made] + [f"{item}" for item in made]


@pytest.mark.parametrize("default", ["float32", "float64"])
def test_all_that_stands_around_values(default):
    try:
        assert everything(pellucid, default) == everything(torch, default)
    finally:
        for T in (pellucid, torch):
            T.set_default_dtype(T.float32)


SPECS = [(1 / 3, ""), (1 / 3, ".3f"), (1 / 3, "10.2e"), (7, "5d"), (7, ""), (True, ""), (0.5, ".0%"), (1e10, ","),
         (float("nan"), "8.3f")]  # fmt: skip


@pytest.mark.parametrize(("value", "spec"), SPECS)
def test_a_format_is_that_of_the_number(value, spec):
    assert format(pellucid.tensor(value), spec) == format(torch.tensor(value), spec)


NODES = [
    "x[0]", "x[:]", "x[0:1]", "x[0, :]", "x[:, 0]", "x[None]", "x[0, 1:, None]", "x[:, :, None]", "x[[0, 1]]",
    "x[x > 0]", "F.linear(x, T.ones(5, 4), T.ones(5))", "F.linear(x, T.ones(5, 4))", "F.linear(x[0], T.ones(5, 4))",
    "F.linear(x[0], T.ones(5, 4), T.ones(5))", "x @ x.mT", "x @ T.ones(4, 2)", "x @ T.ones(4)", "x[0] @ T.ones(4, 1)",
    "x[0].mm(T.ones(4, 1))", "x[0, 0] @ x[0, 0]", "x[0] @ T.ones(4)", "x[0].T", "x.mT", "x[0].t()", "x.movedim(0, 1)",
    "x.transpose(0, 1)", "x.reshape(24)", "x.permute(2, 0, 1).reshape(24)", "x.flatten()", "x.view(6, 4)",
    "x.sort()[0]", "2**x", "x**2", "x**x", "1 - x", "x - 1", "x / 2", "1 / x", "x % 2", "x % x", "x.norm()",
    "x.square()", "x.double()", "x.unbind()[0]", "next(iter(x))", "x.split(1)[0]", "x.split([1, 1])[0]",
    "x.chunk(2)[0]", "x.squeeze()", "x.clone()", "x.squeeze(0)", "x.squeeze((0, 1))", "x.clamp(0, 1)",
    "x.clamp(T.zeros(4))", "x.softmax(-1)", "x.log_softmax(-1)", "x.masked_fill(x > 0, 1.0)", "T.where(x > 0, x, 0.0)",
    "T.stack([x, x])", "T.cat([x, x])", "x.var()", "x.std()", "x.sum()", "x.sum(0)", "x.mean()", "x.mean(0)",
    "x.prod()", "x.prod(0)", "x.max()", "x.max(0)[0]", "x.amax(0)", "x.median()", "x.median(0)[0]", "x.kthvalue(1)[0]",
    "x.cumsum(0)", "x.abs()", "-x", "(x * 1).add_(1)", "x.log1p()", "(x * 1).relu_()", "F.relu(x * 1, inplace=True)",
    "x.tanh()", "F.gelu(x)", "F.hardswish(x)", "F.glu(x)", "F.silu(x)", "F.mse_loss(x, x * 2)", "F.l1_loss(x, x * 2)",
    "F.smooth_l1_loss(x, x * 2)", "F.huber_loss(x, x * 2)", "x[0].trace()",
    "F.cross_entropy(x[0], T.tensor([0, 1, 2]))", "F.nll_loss(x[0], T.tensor([0, 1, 2]))", "x.expand(5, 2, 3, 4)",
    "F.binary_cross_entropy(x.sigmoid(), T.ones(2, 3, 4))", "F.binary_cross_entropy_with_logits(x, T.ones(2, 3, 4))",
    "F.layer_norm(x, (4,))", "F.batch_norm(x, None, None, training=True)", "F.max_pool2d(x[None], 2)", "x.diagonal()",
    "F.avg_pool2d(x[None], 2)", "F.conv2d(x[None], T.ones(1, 2, 1, 1))", "F.embedding(T.tensor([0]), x[0])",
    "x.tril()", "x.repeat(2, 1, 1)", "x.gather(0, T.zeros(1, 1, 1, dtype=T.int64))",
    "T.addmm(x[0, :, :3], x[0], x[0].T)", "x.roll(1)", "F.dropout(x, 0.5)", "T.linalg.norm(x)", "x.flip(0)",
    "x.lerp(x, 0.5)", "T.var_mean(x)[1]", "x.half()",
]  # fmt: skip


@pytest.mark.parametrize("program", NODES)
def test_the_name_of_the_node(program):
    def name(T):
        x = T.ones(2, 3, 4, requires_grad=True)
        return eval(program, {"T": T, "F": T.nn.functional, "x": x}).grad_fn.name()  # noqa: S307

    assert name(pellucid) == name(torch)


def test_a_result_that_is_an_argument_keeps_its_node():
    x = pellucid.ones(2, 2, requires_grad=True).exp()
    assert pellucid.nn.functional.dropout(x, training=False).grad_fn.name() == "ExpBackward0"
    assert pellucid.nn.functional.batch_norm(x, *pellucid.zeros(2, 2), training=True) is not x
    assert x.grad_fn.name() == "ExpBackward0"


def test_a_format_for_many_numbers_is_refused():
    for T in (pellucid, torch):
        with pytest.raises(TypeError, match="unsupported format string"):
            format(T.ones(2), ".2f")
        with pytest.raises(TypeError, match="unsupported format string"):
            format(T.nn.Parameter(T.tensor(1.0)), ".2f")
        assert f"{T.nn.Parameter(T.tensor(1.0))}" == "Parameter containing:\ntensor(1., requires_grad=True)"
