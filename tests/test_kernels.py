"""Each kernel beside the NumPy line that it runs instead of, and beside PyTorch: forward and backward."""

import os
import stat
import subprocess
import sys
import threading
import tracemalloc
from collections.abc import Callable, Iterator
from functools import partial
from pathlib import Path
from typing import Any, NamedTuple

import numpy as np
import pytest
import torch
from torch.nn import grad as gradients_of

import pellucid
from pellucid import kernels
from pellucid.compile import loops, segment
from pellucid.kernels import cache, calling, compiler, elementwise, pool, products, table, tiles, windows, winograd
from pellucid.kernels.emitter import Emitter

pytest.importorskip("llvmlite", reason="kernels are compiled by llvmlite")
pytestmark = pytest.mark.filterwarnings("ignore:LSTM with projections is not supported with oneDNN:UserWarning")


class Case(NamedTuple):
    """A function of PyTorch or pellucid (the first argument), and shapes of its tensors, which want gradients."""

    name: str
    function: Callable[..., Any]
    shapes: list[tuple[tuple[int, ...], ...]]
    kernels: tuple[str, ...]  # those that must have run for the last of the shapes, in float32
    dtypes: tuple[str, ...] = ("float32", "float64")
    bound: float = 1.0  # times the tolerance
    skips: bool = False  # whether it leaves out what counts for nothing, be it NaN, which others multiply by 0
    tiled: bool = False  # whether an error is one of the largest number near by, be it left out in the end


def conv(t: Any, *tensors: Any, **options: Any) -> Any:
    return t.nn.functional.conv2d(*tensors, **options)


CONVOLUTIONS = [  # shapes of input, weight and bias
    ("plain", [(9, 5, 21, 26), (7, 5, 3, 3), (7,)], {}),
    ("padded", [(4, 16, 16, 16), (16, 16, 5, 3)], {"padding": 1}),
    ("narrow", [(4, 32, 8, 8), (32, 32, 3, 5), (32,)], {"padding": 1}),
    ("stride", [(4, 16, 35, 33), (24, 16, 3, 3), (24,)], {"stride": 2, "padding": 1}),
    ("stride over pixels", [(7, 16, 40, 50), (16, 16, 2, 2), (16,)], {"stride": 3}),
    ("uneven", [(4, 9, 23, 47), (13, 9, 5, 2), (13,)], {"stride": (1, 2), "padding": (4, 1), "dilation": (2, 1)}),
    ("groups", [(4, 12, 20, 37), (20, 3, 3, 3), (20,)], {"padding": 2, "dilation": 2, "groups": 4}),
    ("each channel", [(8, 16, 32, 32), (16, 1, 3, 3), (16,)], {"padding": 1, "groups": 16}),
    ("few outputs", [(32, 6, 35, 37), (6, 3, 3, 3), (6,)], {"groups": 2, "stride": (2, 1)}),
    ("wide", [(4, 4, 3, 301), (4, 4, 3, 9), (4,)], {"padding": 1}),
    ("one by one", [(16, 16, 35, 33), (24, 16, 1, 1), (24,)], {"stride": 2}),
]

FILTERED = [  # those of 3 by 3 with fewer multiplications
    ("even", [(4, 16, 16, 16), (16, 16, 3, 3)], {"padding": 1}),
    ("odd", [(3, 70, 13, 17), (67, 70, 3, 3), (67,)], {}),
    ("wide", [(1, 30, 6, 77), (31, 30, 3, 3), (31,)], {"padding": (3, 2)}),
    ("small", [(41, 31, 3, 4), (47, 31, 3, 3), (47,)], {"padding": 1}),
    ("large", [(2, 33, 23, 38), (34, 33, 3, 3), (34,)], {"padding": (0, 2)}),
]


def lstm(t: Any, x: Any, hidden: Any, cell: Any, *weights: Any, **options: Any) -> Any:
    layer = t.nn.LSTM(x.shape[2], cell.shape[2], dtype=x.dtype, **options)
    small = [weight * 0.1 for weight in weights]  # else rounding grows from step to step
    named = dict(zip((name for name, _ in layer.named_parameters()), small, strict=True))
    out, (last, inner) = t.func.functional_call(layer, named, (x, (hidden, cell)))
    return t.cat([out.flatten(), last.flatten(), inner.flatten()])


def gru(t: Any, x: Any, hidden: Any, *weights: Any, **options: Any) -> Any:
    layer = t.nn.GRU(x.shape[2], hidden.shape[2], dtype=x.dtype, **options)
    named = dict(zip((name for name, _ in layer.named_parameters()), [w * 0.1 for w in weights], strict=True))
    out, last = t.func.functional_call(layer, named, (x, hidden))
    return t.cat([out.flatten(), last.flatten()])


def rnn(t: Any, x: Any, hidden: Any, *weights: Any, **options: Any) -> Any:
    layer = t.nn.RNN(x.shape[2], hidden.shape[2], dtype=x.dtype, **options)
    named = dict(zip((name for name, _ in layer.named_parameters()), [w * 0.1 for w in weights], strict=True))
    out, last = t.func.functional_call(layer, named, (x, hidden))
    return t.cat([out.flatten(), last.flatten()])


def pooled(t: Any, x: Any, **options: Any) -> Any:
    out, indices = t.nn.functional.max_pool2d(x, return_indices=True, **options)
    return t.cat([out.flatten(), indices.flatten().to(x.dtype)])


def normed(t: Any, x: Any, weight: Any, bias: Any) -> Any:
    return t.nn.functional.layer_norm(x, tuple(weight.shape), weight, bias)


def batch_normed(t: Any, x: Any, *affine: Any) -> Any:
    mean, var = t.zeros(x.shape[1], dtype=x.dtype), t.ones(x.shape[1], dtype=x.dtype)
    out = t.nn.functional.batch_norm(x, mean, var, *affine, training=True)
    return t.cat([out.flatten(), mean, var])


def multiplied(t: Any, *tensors: Any) -> Any:
    return t.nn.functional.linear(*tensors)


def attended(t: Any, *tensors: Any, **options: Any) -> Any:
    return t.nn.functional.scaled_dot_product_attention(*tensors, **options)


def of_parts(t: Any, x: Any) -> Any:
    """As in a transformer: query, key and value are views of one array."""
    parts = [part.view(*part.shape[:2], 4, 10).transpose(1, 2) for part in x.split(40, dim=2)]
    return attended(t, *parts, is_causal=True).transpose(1, 2)


def padded(t: Any, *tensors: Any) -> Any:
    """Some keys are padding, and the last query sees none."""
    mask = t.ones(2, 1, 37, 37, dtype=t.bool)
    mask[1, :, :, 30:] = False
    mask[:, :, 36] = False
    return attended(t, *tensors, attn_mask=mask)


def classified(t: Any, scores: Any, **options: Any) -> Any:
    """With `odd`, some rows are left out: kernels leave that to the lines."""
    target = t.arange(len(scores)) * 7 % scores.shape[1]
    if options.pop("odd", False):
        target[::3] = -100
    return t.nn.functional.cross_entropy(scores, target, **options)


def places_of(t: Any, x: Any, y: Any) -> Any:
    """Where in x the lines of y go: some to the same place."""
    return t.arange(len(y)) * 7 % len(x)


def looked_up(t: Any, weight: Any) -> Any:
    return t.nn.functional.embedding(t.arange(1000).reshape(10, 100) * 7 % (len(weight) // 2), weight)


def stepped(t: Any, param: Any, gradient: Any, name: str = "", **options: Any) -> Any:
    """Three steps of an optimiser, and a gradient of both of what they get, so that the table can ask for one."""
    own = param.detach().clone().requires_grad_()
    optimizer = getattr(t.optim, name)([own], **options)
    for scale in (1.0, -0.5, 2.0):
        own.grad = gradient.detach() * scale
        optimizer.step()
    return own.detach() + 0 * (param + gradient)


STEPS = [
    ("adam", "Adam", {"lr": 0.01}),
    ("adam", "Adam", {"lr": 0.01, "weight_decay": 0.1, "maximize": True, "betas": (0.8, 0.9)}),
    ("adam", "AdamW", {"lr": 0.01, "weight_decay": 0.1}),
    ("sgd", "SGD", {"lr": 0.1, "momentum": 0.9, "dampening": 0.1}),
    ("sgd", "SGD", {"lr": 0.1, "momentum": 0.9, "nesterov": True, "weight_decay": 0.01, "maximize": True}),
    ("adadelta", "Adadelta", {"lr": 1.0}),
    ("adadelta", "Adadelta", {"lr": 0.5, "rho": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("rmsprop", "RMSprop", {"lr": 0.01}),
    ("rmsprop", "RMSprop", {"lr": 0.01, "alpha": 0.9, "momentum": 0.8, "weight_decay": 0.1, "maximize": True}),
    ("rmsprop", "RMSprop", {"lr": 0.01, "alpha": 0.9, "centered": True}),
    ("adagrad", "Adagrad", {"lr": 0.1}),
    ("adagrad", "Adagrad", {"lr": 0.1, "lr_decay": 0.3, "weight_decay": 0.1, "maximize": True}),
]
FLAT = [((0,),), ((1,),), ((2047,),), ((2049,),), ((100, 333),), ((131, 1031),)]
CASES = [
    Case("exp", lambda t, x: t.exp(x), FLAT, ("exp",)),
    Case("tanh", lambda t, x: t.tanh(x), FLAT, ("tanh",)),
    Case("sigmoid", lambda t, x: t.sigmoid(x), FLAT, ("sigmoid",)),
    Case("silu", lambda t, x: t.nn.functional.silu(x), FLAT, ("silu", "silu_backward")),
    Case("relu", lambda t, x: t.relu(x), FLAT, ("relu", "relu_backward")),
    Case("clamp", lambda t, x: t.clamp(x, -1, 0.5) + t.clamp(x, 1.5, 1.0), FLAT, ("hardtanh",)),
    Case("leaky relu", lambda t, x: t.nn.functional.leaky_relu(x, 0.3), FLAT, ("leaky_relu", "leaky_relu_backward")),
    Case("elu", lambda t, x: t.nn.functional.elu(x, 1.5), FLAT, ("elu", "elu_backward")),
    Case("selu", lambda t, x: t.nn.functional.selu(x), FLAT, ("elu", "elu_backward")),
    Case("celu", lambda t, x: t.nn.functional.celu(x, 0.5), FLAT, ("elu", "elu_backward")),
    Case("relu6", lambda t, x: t.nn.functional.relu6(x), FLAT, ("hardtanh", "hardtanh_backward")),
    Case("hardswish", lambda t, x: t.nn.functional.hardswish(x), FLAT, ("hardswish", "hardswish_backward")),
    *[Case(f"power {exponent}", lambda t, x, e=exponent: t.pow(x.abs() + 0.1, e) if e % 1 else t.pow(x, e), FLAT,
           (f"power_{exponent}".replace("-", "_").replace(".", "_"),), ("float32",))
      for exponent in elementwise.powers],
    Case("where", lambda t, x, y: t.where(x > y, x, y * 3), [(shape, shape) for (shape,) in FLAT], ("where",)),
    Case("where a number", lambda t, x: t.where(x < 0.5, x, 7) + t.where(x < -0.5, 2.5, x), FLAT, ("where",)),
    Case("masked fill", lambda t, x: x.masked_fill(x > 1, -1.5), FLAT, ()),
    Case("gelu", lambda t, x: t.nn.functional.gelu(x), FLAT, ("gelu", "gelu_backward")),
    Case("gelu tanh", lambda t, x: t.nn.functional.gelu(x, approximate="tanh"), FLAT,
         ("gelu_tanh", "gelu_tanh_backward")),
    *[
        Case(f"conv {name}", partial(conv, **options), [tuple(shapes)],
             (*(("convolution", "convolution_weight") if options.get("groups", 1) * 4 > shapes[1][0] else
                ("convolution_windows", "convolution_windows_weight")),
              *["convolution_image"][: "padding" in options]), bound=3)
        for name, shapes, options in CONVOLUTIONS
    ],
    *[
        Case(f"filtered {name}", partial(conv, **options), [tuple(shapes)],
             ("winograd", "winograd_kernel", "winograd_weight", "winograd_weight_whole"), bound=3, tiled=True)
        for name, shapes, options in FILTERED
    ],
    *[
        Case(f"max pool {name}", partial(pooled, **options), [((1, 1, 7, 8),), shapes], ("max_pool", kernel))
        for name, kernel, shapes, options in (
            ("apart", "max_pool_spread", ((3, 5, 17, 38),), {"kernel_size": 2}),
            ("overlapping", "max_pool_add", ((3, 5, 17, 23),), {"kernel_size": 3, "stride": 2, "padding": 1}),
            ("uneven", "max_pool_add", ((4, 3, 29, 31),),
             {"kernel_size": (2, 3), "stride": (3, 1), "dilation": (2, 3), "ceil_mode": True}),
        )
    ],
    Case("lstm", lstm, [
        ((1, 1, 3), (1, 1, 2), (1, 1, 2), (8, 3), (8, 2), (8,), (8,)),
        ((7, 9, 10), (1, 9, 65), (1, 9, 65), (260, 10), (260, 65), (260,), (260,)),
    ], ("lstm_sequence", "lstm_sequence_backward"), bound=3),
    Case("lstm both ways", partial(lstm, bidirectional=True), [
        ((3, 17, 10), (2, 17, 32), (2, 17, 32), *[(128, 10), (128, 32), (128,), (128,)] * 2),
    ], ("lstm_sequence", "lstm_sequence_backward"), bound=3),
    Case("gru", gru, [
        ((1, 1, 3), (1, 1, 2), (6, 3), (6, 2), (6,), (6,)),
        ((7, 9, 10), (1, 9, 65), (195, 10), (195, 65), (195,), (195,)),
    ], ("gru_sequence", "gru_sequence_backward"), bound=3),
    Case("gru both ways", partial(gru, bidirectional=True), [
        ((3, 17, 10), (2, 17, 32), *[(96, 10), (96, 32), (96,), (96,)] * 2),
    ], ("gru_sequence", "gru_sequence_backward"), bound=3),
    Case("rnn", rnn, [
        ((1, 1, 3), (1, 1, 2), (2, 3), (2, 2), (2,), (2,)),
        ((7, 9, 10), (1, 9, 65), (65, 10), (65, 65), (65,), (65,)),
    ], ("rnn_sequence", "rnn_sequence_backward"), bound=3),
    Case("rnn both ways", partial(rnn, bidirectional=True, nonlinearity="relu"), [
        ((3, 17, 10), (2, 17, 32), *[(32, 10), (32, 32), (32,), (32,)] * 2),
    ], ("rnn_sequence", "rnn_sequence_backward"), bound=3),
    Case("lstm projected", partial(lstm, proj_size=9), [
        ((3, 17, 10), (1, 17, 9), (1, 17, 32), (128, 10), (128, 9), (128,), (128,), (9, 32)),
    ], ("lstm",), bound=3),
    Case("layer norm", normed, [((0, 5), (5,), (5,)), ((1, 1), (1,), (1,)), ((7, 301), (301,), (301,)),
                                ((5, 9, 8, 11), (8, 11), (8, 11))], ("normalise", "normalise_gradients"), bound=5),
    Case("group norm", lambda t, x, *affine: t.nn.functional.group_norm(x, 3, *affine),
         [((4, 6, 9, 14), (6,), (6,))], ("normalise", "normalise_gradients"), bound=5),
    Case("batch norm", batch_normed, [((3, 2, 1), (2,), (2,)), ((60, 45), (45,), (45,)), ((9, 7, 5, 11), (7,), (7,))],
         ("normalise", "normalise_gradients"), bound=5),
    Case("batch norm alone", batch_normed, [((9, 7, 5, 11),)], ("normalise", "normalise_gradients"), bound=5),
    Case("softmax", lambda t, x: t.softmax(x, -1), [((3, 1),), ((2, 3000),), ((5, 9, 77),)],
         ("softmax", "softmax_backward"), bound=2),
    Case("log softmax", lambda t, x: t.log_softmax(x, -1), [((3, 1),), ((2, 3000),), ((5, 9, 77),)],
         ("log_softmax", "log_softmax_backward"), bound=2),
    Case("softmax of columns", lambda t, x: t.softmax(x, 0), [((77, 45),)], (), bound=2),
    *[
        Case(f"product {name}", multiplied, [shapes], (kernel,), bound=5)
        for name, kernel, shapes in (
            ("of few rows", "product_dot", ((9, 301), (115, 301))),
            ("of few rows with a bias", "product_dot", ((9, 301), (115, 301), (115,))),
            ("of some rows", "product_outer", ((33, 150), (57, 150))),
            ("of many rows", "product_outer", ((517, 97), (50, 97), (50,))),
            ("of many matrices", "product_outer", ((9, 31, 97), (50, 97), (50,))),
            ("of rows that lie far apart", "product_outer", ((65, 128), (128, 128), (128,))),
        )
    ],
    Case("attention", attended, [((2, 1, 1, 4),) * 3, ((2, 3, 61, 10), (2, 3, 51, 10), (2, 3, 51, 21))],
         ("attention", "attention_backward"), bound=5),
    Case("attention of what came before", partial(attended, is_causal=True), [
        ((5, 130, 8), (5, 45, 8), (5, 45, 8)), ((5, 45, 8), (5, 130, 8), (5, 130, 8)), ((2, 3, 77, 8),) * 3,
    ], ("attention", "attention_backward"), bound=5, skips=True),
    Case("attention of parts of a product", of_parts, [((2, 45, 3 * 40),)],
         ("attention", "attention_backward"), bound=5, skips=True),
    Case("attention of whole vectors", partial(attended, is_causal=True),
         [((2, 67, 32), (2, 67, 32), (2, 67, 16)), ((3, 75, 32),) * 3], ("attention", "attention_backward"), bound=5,
         skips=True),
    Case("attention with a mask", lambda t, q, k, v, mask: attended(t, q, k, v, attn_mask=mask),
         [((2, 3, 37, 13),) * 3 + ((2, 3, 37, 37),)], ("attention", "attention_backward"), bound=5),
    Case("attention with a mask for all heads", padded, [((2, 3, 37, 13),) * 3], ("attention", "attention_backward"),
         bound=5),
    Case("cross entropy", classified, [((1, 2),), ((61, 11),), ((33, 700),)],
         ("cross_entropy", "cross_entropy_backward"), bound=3),
    Case("cross entropy in all", partial(classified, reduction="sum"), [((61, 11),)],
         ("cross_entropy", "cross_entropy_backward"), bound=3),
    Case("cross entropy of some", partial(classified, odd=True), [((61, 11),)], ("cross_entropy",), bound=3),
    Case("index add", lambda t, x, y: x.index_add(0, places_of(t, x, y), y, alpha=0.5),
         [((2, 1), (5, 1)), ((41, 3, 11), (101, 3, 11))], ("embedding_gradient",)),
    Case("scatter add of lines",
         lambda t, x, y: x.scatter_add(0, places_of(t, x, y)[:, None].expand(-1, y.shape[1]), y),
         [((2, 1), (5, 1)), ((41, 33), (101, 33))], ("embedding_gradient",)),
    Case("index select", lambda t, x: x.index_select(0, t.arange(300) * 7 % len(x)),
         [((41, 3, 11),)], ("embedding_gradient",)),
    Case("embedding", looked_up, [((2, 1),), ((41, 33),)], ("embedding_gradient",)),
    *[Case(f"{name} {i}", partial(stepped, name=name, **options),
           [((1,), (1,)), ((307, 431), (307, 431)) if name == "Adagrad" else ((61, 47), (61, 47))], (kernel,), bound=3)
      for i, (kernel, name, options) in enumerate(STEPS)],
]  # fmt: skip
TOLERANCE = {"float32": (3e-6, 1e-6), "float64": (1e-13, 1e-14)}  # relative to the largest number, and of each


def inputs(case: Case, shapes: Any, dtype: str, layout: str = "plain") -> list[np.ndarray]:
    random = np.random.default_rng(len(case.name))
    made = [random.standard_normal(shape).astype(dtype) * 2 for shape in shapes]
    if layout == "turned":  # the same numbers, the last index slowest in memory
        made = [np.asfortranarray(array) for array in made]
    if layout == "every other":
        made = [np.repeat(array, 2, axis=-1)[..., ::2] for array in made]
    return made


def computed(library: Any, case: Case, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """The result and the gradients of its sum with random weights."""
    tensors = [library.from_numpy(array).requires_grad_() for array in arrays]
    out = case.function(library, *tensors)
    weight = np.random.default_rng(3).standard_normal(tuple(out.shape)).astype(arrays[0].dtype)
    out.backward(library.from_numpy(weight))
    return [out.detach().numpy(), *[tensor.grad.numpy() for tensor in tensors]]


@pytest.fixture
def ran(monkeypatch: pytest.MonkeyPatch) -> set[str]:
    """The names of the kernels that ran."""
    names: set[str] = set()
    function = table.Kernel.function
    monkeypatch.setattr(products, "_known", {})

    def noted(self: table.Kernel, *key: Any) -> Any:
        found = function(self, *key)
        if found is not None:
            names.add(self.name)
        return found

    monkeypatch.setattr(table.Kernel, "function", noted)
    return names


def line(monkeypatch: pytest.MonkeyPatch, case: Case, arrays: list[np.ndarray]) -> list[np.ndarray]:
    """What the NumPy lines make of it."""
    with monkeypatch.context() as patched:
        patched.setattr(table.Kernel, "function", lambda self, *key: None)
        patched.setattr(products, "_known", {})
        return computed(pellucid, case, arrays)


def near(found: list[np.ndarray], wanted: list[np.ndarray], dtype: str, bound: float) -> None:
    relative, absolute = TOLERANCE[dtype]
    for a, b in zip(found, wanted, strict=True):
        assert a.shape == b.shape
        assert a.dtype == b.dtype
        finite = np.abs(b[np.isfinite(b)])
        size = float(finite.max()) if finite.size else 0.0
        np.testing.assert_allclose(a, b, rtol=bound * relative * 4, atol=bound * (relative * size + absolute))


SAMPLE = (
    "gelu",
    "conv stride",
    "filtered small",
    "lstm",
    "batch norm",
    "softmax",
    "adam 1",
    "attention of whole vectors",
)
OLDER = ("gelu", "softmax", "adam 1", "cross entropy")
ROWS = [
    pytest.param(
        case, dtype, i, id=f"{case.name}-{dtype}-{i}",
        marks=() if dtype == "float32" and i == len(case.shapes) - 1 else pytest.mark.slow,
    )
    for case in CASES for dtype in case.dtypes for i in range(len(case.shapes))
]  # fmt: skip
SAMPLED = [pytest.param(case, id=case.name, marks=() if case.name in SAMPLE else pytest.mark.slow) for case in CASES]


@pytest.mark.parametrize(("case", "dtype", "i"), ROWS)
def test_a_kernel_gives_what_its_line_and_pytorch_give(
    case: Case, dtype: str, i: int, ran: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = inputs(case, case.shapes[i], dtype)
    found = computed(pellucid, case, arrays)
    if i == len(case.shapes) - 1 and dtype == "float32":
        assert ran >= set(case.kernels)
    near(found, line(monkeypatch, case, arrays), dtype, case.bound)
    near(found, computed(torch, case, arrays), dtype, case.bound)


@pytest.mark.parametrize("case", SAMPLED)
@pytest.mark.parametrize("layout", ["turned", "every other"])
def test_another_layout_gives_the_same(case: Case, layout: str, monkeypatch: pytest.MonkeyPatch) -> None:
    arrays = inputs(case, case.shapes[-1], "float32", layout)
    found = computed(pellucid, case, arrays)
    lines = line(monkeypatch, case, arrays)
    near(found, lines, "float32", case.bound)
    near(found, computed(pellucid, case, inputs(case, case.shapes[-1], "float32")), "float32", case.bound)
    assert found[0].strides == lines[0].strides


@pytest.mark.parametrize("case", SAMPLED)
@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf, 1e30, -1e30, 1e-42], ids=str)
def test_numbers_that_are_none_come_out_as_in_pytorch(
    case: Case, value: float, monkeypatch: pytest.MonkeyPatch
) -> None:
    arrays = inputs(case, case.shapes[-1], "float32")
    arrays[0].reshape(-1)[:: max(1, arrays[0].size // 3)] = value
    with np.errstate(all="ignore"):
        found, wanted = computed(pellucid, case, arrays), computed(torch, case, arrays)
        lines = line(monkeypatch, case, arrays)
    for a, b, c in zip(found, wanted, lines, strict=True):
        differ = np.isnan(a) != np.isnan(b)
        differ &= np.isnan(a) != np.isnan(c)  # as in PyTorch, or as in the NumPy line
        assert not (differ & np.isnan(a) if case.skips else differ).any()
        whole = np.isfinite(a) & np.isfinite(b)
        size = float(np.abs(b[whole]).max()) if whole.any() else 0.0
        relative, absolute = 1e-4, 1e-5 * (size if case.tiled else min(size, 1e3))
        whole &= np.isclose(c, b, relative, absolute)  # sums of 1e30 and small numbers depend on their order
        np.testing.assert_allclose(a[whole], b[whole], relative, absolute)


PROCESSORS = {  # older ones whose code runs on this: LLVM's name and the features
    "avx2": ("x86-64-v3", "+avx,+avx2,+fma,-avx512f"),
    "avx": ("sandybridge", "+avx,-avx2,-fma,-avx512f"),
    "sse": ("x86-64", "-avx,-avx2,-fma,-avx512f"),
}


@pytest.fixture(params=PROCESSORS)
def older(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> compiler.Target:
    """Kernels are made for an older processor."""
    host = compiler.target()
    if host is None or not host.triple.startswith("x86_64"):
        pytest.skip("the older processors are those of x86-64")
    name, features = PROCESSORS[request.param]
    needed = [feature for feature in features.split(",") if feature.startswith("+")]
    if any(feature not in host.features for feature in needed):
        pytest.skip(f"this processor has not all of {needed}")
    target = compiler.Target(name, features)
    monkeypatch.setattr(compiler, "_target", lambda: target)
    monkeypatch.setattr(compiler, "_known", target)
    monkeypatch.setattr(products, "_known", {})
    for holder in (*kernels.KERNELS.values(), loops, segment):
        monkeypatch.setattr(holder, "_made", {})
    return target


@pytest.mark.parametrize(
    "case",
    [pytest.param(case, id=case.name, marks=() if case.name in OLDER else pytest.mark.slow) for case in CASES],
)
def test_an_older_processor_gives_the_same(
    case: Case, older: compiler.Target, ran: set[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    assert older.lanes < 16
    arrays = inputs(case, case.shapes[-1], "float32")
    found = computed(pellucid, case, arrays)
    assert ran >= set(case.kernels)
    near(found, line(monkeypatch, case, arrays), "float32", case.bound)


def test_code_for_an_older_processor_has_its_registers(older: compiler.Target) -> None:
    module = older.binding.parse_assembly(doubling().text())
    options = older.binding.create_pipeline_tuning_options(speed_level=3)
    options.loop_vectorization = True
    machine = older.machine()
    builder = older.binding.create_pass_builder(machine, options)
    builder.getModulePassManager().run(module, builder)
    text = machine.emit_assembly(module)
    registers = {4: "xmm", 8: "ymm", 16: "zmm"}
    assert registers[older.lanes] in text
    assert not any(name in text for lanes, name in registers.items() if lanes > older.lanes)


def test_a_compiled_step_runs_on_an_older_processor(older: compiler.Target) -> None:
    nn = pellucid.nn
    losses = []
    for compiled in (False, True):
        pellucid.manual_seed(0)
        model = nn.Sequential(nn.Linear(70, 90), nn.GELU(), nn.LayerNorm(90), nn.Linear(90, 11))
        optimizer = pellucid.optim.AdamW(model.parameters(), lr=0.01)
        x, y = pellucid.randn(50, 70), pellucid.arange(50) % 11

        def step(model: Any = model, optimizer: Any = optimizer, x: Any = x, y: Any = y) -> Any:
            optimizer.zero_grad()
            loss = nn.functional.cross_entropy(model(x), y)
            loss.backward()
            optimizer.step()
            return loss

        run = pellucid.compile(step, fullgraph=True) if compiled else step  # pyright: ignore[reportCallIssue]
        losses.append([run().item() for _ in range(6)])
    np.testing.assert_allclose(losses[1], losses[0], rtol=1e-5)
    assert losses[0][-1] < losses[0][0]


@pytest.fixture
def threads() -> Iterator[Callable[[int], None]]:
    before = kernels.get_num_threads()
    yield kernels.set_num_threads
    kernels.set_num_threads(before)


@pytest.mark.parametrize("case", SAMPLED)
def test_the_number_of_threads_changes_no_bit(
    case: Case, threads: Callable[[int], None], monkeypatch: pytest.MonkeyPatch
) -> None:
    cut: list[int] = []

    def pieces(self: Any, total: int, least: int) -> int:  # as many as there can be, however small the work
        cut.append(min(4 * self.count(), total))
        return cut[-1]

    monkeypatch.setattr(pool._Pool, "pieces", pieces)
    arrays = inputs(case, case.shapes[-1], "float32")
    found = []
    for count in (1, 2, 3):
        threads(count)
        found.append(computed(pellucid, case, arrays))
    assert max(cut, default=0) > 1 or not case.kernels or case.kernels[0] == "cross_entropy"  # which is for one thread
    for other in found[1:]:
        for a, b in zip(found[0], other, strict=True):
            np.testing.assert_array_equal(a, b)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("tile", "of_channels", "of_tiles", "more"), [(2, 64, 36, 12), (4, 752, 1096, 30)])
def test_filtering_is_as_exact_as_it_says(tile: int, of_channels: int, of_tiles: int, more: int, dtype: str) -> None:
    random, unit, high, wide = np.random.default_rng(0), np.finfo(dtype).eps / 2, 14, 19
    x, weight, g = (
        random.standard_normal(shape) for shape in ((2, 45, high, wide), (37, 45, 3, 3), (2, 37, high, wide))
    )
    x[0, :, :, :7] *= 1e4
    x, weight, g = (array.astype(dtype) for array in (x, weight, g))
    found = (
        winograd.forward(x, weight, None, (high, wide), (1, 1), tile),
        winograd.forward(g, weight, None, (high, wide), (1, 1), tile, turned=True),
        winograd.of_weight(g, x, weight.shape, (1, 1), tile),
    )
    exact = [torch.from_numpy(array.astype(np.float64)) for array in (x, weight, g)]
    wanted = (
        torch.nn.functional.conv2d(exact[0], exact[1], padding=1),
        gradients_of.conv2d_input(exact[0].shape, exact[1], exact[2], padding=1),
        gradients_of.conv2d_weight(exact[0], exact[1].shape, exact[2], padding=1),
    )
    down, across = -(-high // tile), -(-wide // tile)

    def largest(array: Any, around: int) -> Any:
        """Of the pixels that each tile sees: (images, channels, tiles down, tiles across)."""
        room = np.pad(np.abs(array), ((0, 0), (0, 0), (around, tile + 1), (around, tile + 1)))
        seen = np.lib.stride_tricks.sliding_window_view(room, (tile + 2 * around,) * 2, axis=(2, 3))
        return seen[:, :, ::tile, ::tile].max((4, 5))[:, :, :down, :across]

    def of_each(array: Any) -> Any:
        return array.repeat(tile, 2).repeat(tile, 3)[:, :, :high, :wide]

    peaks, count = np.abs(weight).max((2, 3)), 2 * down * across
    bounds = (
        of_channels * (45 + more) * np.einsum("nchw,oc->nohw", of_each(largest(x, 1)), peaks),
        of_channels * (37 + more) * np.einsum("nohw,oc->nchw", of_each(largest(g, 1)), peaks),
        of_tiles * (count + more) * np.einsum("nohw,nchw->oc", largest(g, 0), largest(x, 1))[:, :, None, None],
    )
    for got, value, bound in zip(found, wanted, bounds, strict=True):
        assert got is not None
        error = np.abs(got - value.numpy())
        assert (error <= bound * unit).all()
        if dtype == "float32":
            assert np.sqrt((error**2).mean() / (value.numpy() ** 2).mean()) < (8 if tile == 2 else 24) * unit


@pytest.mark.parametrize("tile", [2, 4])
def test_filtering_leaves_what_is_not_finite_to_others(tile: int) -> None:
    x, weight = np.ones((1, 16, 8, 8), np.float32), np.ones((16, 16, 3, 3), np.float32)
    g = np.ones((1, 16, 8, 8), np.float32)
    for value in (np.nan, np.inf, -np.inf):
        for array in (x, weight, g):
            at = (0, 3, 2, 1)
            kept, array[at] = array[at], value
            with np.errstate(all="ignore"):
                forward = winograd.forward(x, weight, None, (8, 8), (1, 1), tile)
                of_input = winograd.forward(g, weight, None, (8, 8), (1, 1), tile, turned=True)
                of_weight = winograd.of_weight(g, x, weight.shape, (1, 1), tile)
            assert (forward is None) == (array is not g)
            assert (of_input is None) == (array is not x)
            assert (of_weight is None) == (array is not weight)
            array[at] = kept


def test_filtering_needs_no_large_stack() -> None:
    x, weight = np.ones((2, 64, 16, 16), np.float32), np.ones((64, 64, 3, 3), np.float32)
    found: list[Any] = []

    def work() -> None:
        found.append(winograd.forward(x, weight, None, (16, 16), (1, 1), 4))
        found.append(winograd.of_weight(x, x, weight.shape, (1, 1), 4))

    work()
    before = threading.stack_size(1 << 18)
    try:
        thread = threading.Thread(target=work)
        thread.start()
        thread.join()
    finally:
        threading.stack_size(before)
    np.testing.assert_array_equal(found[0], found[2])
    np.testing.assert_array_equal(found[1], found[3])


@pytest.mark.parametrize("outputs", [8, 17, 48])  # blocks of 1, 2 and 3 vectors, some of which are not whole
@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize("tile", [2, 4])
def test_filtering_stays_in_its_memory(tile: int, dtype: str, outputs: int) -> None:
    random = np.random.default_rng(0)
    whole = np.full(1 << 22, 0xAB, np.uint8)
    for images, high, wide in ((2, 16, 12), (1, 9, 70), (5, 4, 4)):
        x, weight, g = (
            random.standard_normal(shape).astype(dtype)
            for shape in ((images, 70, high, wide), (outputs, 70, 3, 3), (images, outputs, high, wide))
        )
        winograd._memory.bytes = whole
        found = (
            winograd.forward(x, weight, None, (high, wide), (1, 1), tile),
            winograd.of_weight(g, x, weight.shape, (1, 1), tile),
        )
        wanted = (
            torch.nn.functional.conv2d(torch.from_numpy(x), torch.from_numpy(weight), padding=1),
            gradients_of.conv2d_weight(torch.from_numpy(x), weight.shape, torch.from_numpy(g), padding=1),
        )
        for made, expected in zip(found, wanted, strict=True):
            assert made is not None
            near([made], [expected.numpy()], dtype, 3)
        block = windows.block_of(outputs, x.itemsize)
        assert block is not None
        sizes = tiles.rooms_of(tile, table.TYPES[x.dtype], *block)
        used = sum(-(-size * x.itemsize // 64) * 64 for size in sizes) + 64
        assert used < whole.size and (whole[used:] == 0xAB).all()


@pytest.mark.parametrize(
    ("channels", "outputs", "images", "out", "tile"),
    [(1, 32, 64, 26, 0), (3, 16, 32, 32, 0), (16, 16, 32, 32, 4), (32, 64, 64, 24, 4), (256, 256, 4, 7, 2),
     (512, 512, 1, 2, 0)],
)  # fmt: skip
def test_a_tile_is_as_large_as_pays(channels: int, outputs: int, images: int, out: int, tile: int) -> None:
    asked = partial(winograd.tile_of, (outputs, channels, 3, 3), images=images, out=(out, out), size=4)
    assert asked(stride=(1, 1), dilation=(1, 1), groups=1) == tile
    assert asked(stride=(2, 1), dilation=(1, 1), groups=1) == 0
    assert asked(stride=(1, 1), dilation=(1, 2), groups=1) == 0


def test_attention_keeps_no_matrix_of_all_scores() -> None:
    length, width = 700, 16
    leaves = [pellucid.randn(2, length, width, requires_grad=True) for _ in range(3)]
    attended(pellucid, *leaves, is_causal=True).sum().backward()  # what is made once is there
    tracemalloc.start()
    attended(pellucid, *leaves, is_causal=True).sum().backward()
    _, peak = tracemalloc.get_traced_memory()
    tracemalloc.stop()
    assert peak < 2 * length * length * 4 / 2


def test_threads_that_share_at_once_each_get_their_own(threads: Callable[[int], None]) -> None:
    threads(3)
    x = np.linspace(-3, 3, 400_000, dtype=np.float32)
    wanted, wrong = np.exp(x[:5000]), []

    def work() -> None:
        for _ in range(20):
            found = elementwise.exp(x)
            if found is None or not np.allclose(found[:5000], wanted) or not (found[1:] >= found[:-1]).all():
                wrong.append(found)

    at_work = [threading.Thread(target=work) for _ in range(4)]
    for thread in at_work:
        thread.start()
    threads(2)  # the old threads end when they have done what there is
    for thread in at_work:
        thread.join()
    assert not wrong


def test_an_error_in_a_piece_is_raised(threads: Callable[[int], None]) -> None:
    def work(start: int, stop: int) -> None:
        if start <= 500 < stop:
            raise ValueError("in a piece")

    threads(2)
    with pytest.raises(ValueError, match="in a piece"):
        pool.share(work, 1000, 10)


def test_an_address_is_where_numpy_says_it_is() -> None:
    whole = np.arange(24.0).reshape(4, 6)
    for array in (whole, whole[1:, 2:], whole[::-1], whole.T, np.empty(0), np.array(3.0), np.array([1], np.float32)):
        assert calling.address(array) == array.ctypes.data
    frozen = np.frombuffer(b"abcdefgh")
    assert calling.address(frozen) == frozen.ctypes.data


def test_work_is_shared_once_and_whole(threads: Callable[[int], None]) -> None:
    done: list[int] = []
    names: set[int] = set()

    def work(start: int, stop: int, step: int) -> None:
        names.add(threading.get_ident())
        done.extend(range(start, stop, step))

    threads(3)
    pool.share(work, 1000, 10, 1)
    assert sorted(done) == [*range(1000)]
    pool.share(work, 19, 10, 1)  # too little for two
    assert len(done) == 1019


# ------------------------------------------------------------------------------------------------ code on disk


def doubling(name: str = "doubling") -> Emitter:
    made = Emitter(name, {"x": "ptr", "out": "ptr"})
    with made.loop(made.start, made.stop) as i:
        made.store(made.load("float", made.x, i) * 2.0, made.out, i)
    return made


def doubled() -> bool:
    function = compiler.function(doubling())
    assert function is not None
    x = np.arange(100, dtype=np.float32)
    out = np.empty_like(x)
    function(0, 100, x, calling.address(out))
    return bool((out == 2 * x).all())


@pytest.fixture
def folder(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path))
    return tmp_path / "kernels"


@pytest.fixture
def compiled(monkeypatch: pytest.MonkeyPatch) -> list[str]:
    """What was compiled, and not read."""
    texts: list[str] = []
    original = compiler._compiled
    monkeypatch.setattr(compiler, "_compiled", lambda *given: (texts.append(given[1]), original(*given))[1])
    return texts


def test_code_is_compiled_once(folder: Path, compiled: list[str]) -> None:
    assert doubled()
    assert len(list(folder.iterdir())) == 1
    assert stat.S_IMODE(folder.stat().st_mode) == 0o700
    assert doubled()
    assert len(compiled) == 1


@pytest.mark.parametrize("damage", ["cut", "changed", "empty", "foreign", "writable", "folder"])
def test_a_damaged_or_foreign_file_is_made_anew(folder: Path, compiled: list[str], damage: str) -> None:
    assert doubled()
    (file,) = folder.iterdir()
    content = file.read_bytes()
    if damage == "cut":
        file.write_bytes(content[:-10])
    elif damage == "changed":
        file.write_bytes(content[:-1] + bytes([content[-1] ^ 1]))
    elif damage == "empty":
        file.write_bytes(b"")
    elif damage == "foreign":  # the code of another kernel under this one's name
        key = compiler.target().key  # type: ignore[union-attr]
        code = cache.read(compiler.text_of(doubling()), key)
        assert code is not None
        cache.write("another", key, code)
        (other,) = set(folder.iterdir()) - {file}
        file.write_bytes(other.read_bytes())
    elif damage == "writable":
        file.chmod(0o666)
    else:
        file.unlink()
        file.mkdir()
    assert doubled()
    assert len(compiled) == 2


def test_another_processor_has_code_of_its_own(folder: Path, compiled: list[str]) -> None:
    assert doubled()
    key = compiler.target().key  # type: ignore[union-attr]
    assert cache.read(compiler.text_of(doubling()), key) is not None
    assert cache.read(doubling().text(), key + ",+more") is None
    assert cache.read(doubling("another").text(), key) is None


def test_a_home_that_cannot_be_written_is_no_trouble(
    tmp_path: Path, compiled: list[str], monkeypatch: pytest.MonkeyPatch
) -> None:
    (tmp_path / "file").write_text("no folder")
    monkeypatch.setenv("PELLUCID_CACHE", str(tmp_path / "file"))
    assert doubled()
    assert doubled()
    assert len(compiled) == 2
    monkeypatch.delenv("PELLUCID_CACHE")
    monkeypatch.setattr(cache, "folder", lambda: (_ for _ in ()).throw(RuntimeError("no home")))
    assert doubled()


def test_threads_that_ask_at_once_get_the_same(folder: Path) -> None:
    found: list[bool] = []
    at_work = [threading.Thread(target=lambda: found.append(doubled())) for _ in range(8)]
    for thread in at_work:
        thread.start()
    for thread in at_work:
        thread.join()
    assert found == [True] * 8


@pytest.mark.skipif(not hasattr(os, "fork"), reason="there is no fork")
def test_a_fork_goes_on(threads: Callable[[int], None]) -> None:
    threads(2)
    x = pellucid.from_numpy(np.linspace(-3, 3, 300_000, dtype=np.float32))
    wanted = pellucid.tanh(x).numpy()
    child = os.fork()
    if child == 0:  # pragma: no cover  another process
        same = (pellucid.tanh(x).numpy() == wanted).all() and pool._pool.queue is not None and doubled()
        os._exit(0 if same else 1)
    assert os.waitstatus_to_exitcode(os.waitpid(child, 0)[1]) == 0


PROGRAM = """
import sys
{before}
import pellucid
loaded = {{name.partition(".")[0] for name in sys.modules}}
assert "llvmlite" not in loaded or sys.modules["llvmlite"] is None, "llvmlite must wait for the first kernel"
x = pellucid.linspace(-3, 3, 5000)
x.requires_grad_()
y = pellucid.nn.functional.gelu(x)
y.sum().backward()
print(float(y.sum()), float(x.grad.sum()), pellucid.kernels.status())
"""


@pytest.mark.parametrize(
    ("before", "environment", "status"),
    [
        ("", {}, "llvmlite"),
        ("sys.modules['llvmlite'] = None", {}, 'none: llvmlite is not installed: pip install "pellucid[compile]"'),
        ("", {"PELLUCID_KERNELS": "0"}, "none: the environment variable PELLUCID_KERNELS is 0"),
    ],
)
def test_a_program_runs_with_and_without(before: str, environment: dict[str, str], status: str) -> None:
    done = subprocess.run(
        [sys.executable, "-c", PROGRAM.format(before=before)],
        capture_output=True, text=True, env={**os.environ, **environment}, check=True,
    )  # fmt: skip
    total, gradient, *rest = done.stdout.split(maxsplit=2)
    x = torch.linspace(-3, 3, 5000, requires_grad=True)
    y = torch.nn.functional.gelu(x)
    y.sum().backward()
    assert x.grad is not None
    assert abs(float(total) - y.sum().item()) < 1e-5 * abs(y.sum().item())
    assert abs(float(gradient) - x.grad.sum().item()) < 1e-5 * abs(x.grad.sum().item())
    assert rest[0].startswith(status)
