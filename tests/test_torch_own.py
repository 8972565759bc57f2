"""What PyTorch's own tests ask for, file by file, in groups: each is run with both libraries and the texts compared."""

from __future__ import annotations

import importlib
import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
import pellucid.bridge.functorch
from pellucid import torch_names

Made = Callable[[Any], Any]


def text(lib: Any, program: Made) -> str:
    """What a program returns, or its error's class and the beginning of its words."""
    lib.manual_seed(0)
    try:
        return repr(program(lib))
    except Exception as failure:
        return f"{type(failure).__name__}: {str(failure)[:35]}"


# --- test_indexing ----------------------------------------------------------------------------------------------------

VALUES: dict[str, Made] = {
    "floats": lambda lib: lib.ones(2), "a number": lambda lib: lib.tensor(1.0), "a row": lambda lib: lib.ones(1),
    "the same": lambda lib: lib.tensor([1, 2]), "bool": lambda lib: lib.tensor(True),
}  # fmt: skip
PLACES: dict[str, Made] = {
    "indices": lambda lib: lib.tensor([0, 1]), "a mask": lambda lib: lib.tensor([True, True, False]),
    "a slice": lambda lib: slice(0, 2), "a list": lambda lib: [0, 1],
}  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("key", PLACES)
def test_values_of_another_dtype(key: str, values: str) -> None:
    """A view is written with a cast; where tensors index, other dtypes are refused, but not a number for a mask."""

    def written(lib: Any) -> Any:
        x = lib.zeros(3, dtype=lib.int64)
        x[PLACES[key](lib)] = VALUES[values](lib)
        return x

    assert text(pellucid, written) == text(torch, written)


@pytest.mark.parametrize("row", [[[2, 1, 2]], [[1, 2, 1]], [[2, 1, 1, 2], [1, 0, 2, 0]], [[2, 2, 2, 1, 1]]])
def test_mode_of_several_nan(row: list[list[int]]) -> None:
    def found(lib: Any) -> Any:
        return lib.mode(lib.tensor([[float("nan") if n == 2 else float(n) for n in line] for line in row]))

    assert text(pellucid, found) == text(torch, found)


# --- test_shape_ops ---------------------------------------------------------------------------------------------------

INDICES: dict[str, Callable[[Any, Any], Any]] = {
    **{name: lambda lib, out, f=name: getattr(lib, f)(lib.ones(2, 2), out=out) for name in ("nonzero", "argmax")},
    "argmin": lambda lib, out: lib.argmin(lib.ones(2, 2), 1, out=out),
    **{
        name: lambda lib, out, f=name, k=k: getattr(lib, f)(lib.arange(4.0).reshape(2, 2), k, out=(lib.empty(0), out))[
            1
        ]
        for name, k in {"sort": 0, "max": 1, "min": 0, "median": 1, "mode": 0, "cummax": 1, "topk": 1}.items()
    },
    "searchsorted": lambda lib, out: lib.searchsorted(lib.ones(2), lib.ones(2), out=out),
    "bucketize": lambda lib, out: lib.bucketize(lib.ones(2), lib.ones(2), out_int32=True, out=out),
}
SAME = ("neg", "negative", "sgn", "sign", "ceil", "floor", "round", "trunc", "fix", "frac", "nan_to_num", "amax", "exp")


@pytest.mark.parametrize("name", [*INDICES, *SAME])
@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16", "int32", "uint8", "bool", "int64"])
def test_what_is_not_cast(dtype: str, name: str) -> None:
    def stored(lib: Any) -> Any:
        try:
            if name in SAME:
                return getattr(lib, name)(lib.ones(2), out=lib.empty(0, dtype=getattr(lib, dtype)))
            return INDICES[name](lib, lib.empty(0, dtype=getattr(lib, dtype)))
        except RuntimeError:
            return "refused"

    assert text(pellucid, stored) == text(torch, stored)


# --- test_view_ops and test_type_promotion ---------------------------------------------------------------------------

EXPANDED = [
    ((5,), (1, 1, 5)),
    ((5,), (3, 1, 5)),
    ((5,), (1, 3, 5)),
    ((), (1, 1)),
    ((2, 1), (1, 2, 1)),
    ((4, 1), (4, 3)),
]


@pytest.mark.parametrize(("shape", "size"), EXPANDED)
def test_strides_of_what_is_expanded(shape: tuple[int, ...], size: tuple[int, ...]) -> None:
    assert pellucid.ones(shape).expand(size).stride() == torch.ones(shape).expand(size).stride()
    base = pellucid.zeros(5)
    base.expand(1, 1, 5)[0, 0, 1] = 1  # a view still
    assert base.tolist() == [0, 1, 0, 0, 0]


@pytest.mark.parametrize("kinds", ["float64 float32 1", "float32 float32 float64", "float32 float32 float32"])
def test_lerp_is_of_one_dtype(kinds: str) -> None:
    for lib in (pellucid, torch):
        input, end, weight = (1 if kind == "1" else lib.ones(2, dtype=getattr(lib, kind)) for kind in kinds.split())
        if len({*kinds.split()}) == 1:
            assert lib.lerp(input, end, weight).tolist() == [1, 1]
        else:
            with pytest.raises(RuntimeError, match="expected dtype (double|float) for `(end|weight)` but got dtype"):
                lib.lerp(input, end, weight)


# --- test_sort_and_select ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["float32", "float64", "bfloat16"])
@pytest.mark.parametrize("shape", [(6,), (16,), (12, 1), (6, 2), (2, 4, 2)])
def test_unique_of_several_nan(shape: tuple[int, ...], dtype: str) -> None:
    """Each NaN differs from every other; along a dimension it stays where sorting by insertion leaves it."""
    numbers = np.random.default_rng(0).integers(-1, 3, (9, *shape))

    def found(lib: Any) -> Any:
        given = [lib.tensor(row, dtype=getattr(lib, dtype)) for row in np.where(numbers < 0, np.nan, numbers)]
        return [
            [lib.unique(x, return_inverse=True, return_counts=True, **how) for x in given]
            for how in ({}, *({"dim": dim} for dim in range(len(shape))))
        ]

    assert text(pellucid, found) == text(torch, found)


def test_many_slices_with_nan() -> None:
    x = pellucid.tensor([[float("nan"), 1.0], [2.0, 0.0], [0.0, 3.0]]).repeat(7, 1)
    values, inverse, counts = x.unique(dim=0, return_inverse=True, return_counts=True)
    assert counts.tolist() == [7, 7, *([1] * 7)]
    assert repr(values[inverse]) == repr(x)


# --- test_view_ops: memory formats ------------------------------------------------------------------------------------

MADE: dict[str, Callable[..., Any]] = {
    "empty": lambda lib, shape, **how: lib.empty(shape, **how),
    "zeros_like": lambda lib, shape, **how: lib.zeros_like(lib.ones(shape), **how),
    "ones_like": lambda lib, shape, **how: lib.ones_like(lib.zeros(shape), dtype=lib.int64, **how),
    "empty_like": lambda lib, shape, **how: lib.empty_like(lib.ones(shape), **how),
    "full_like": lambda lib, shape, **how: lib.full_like(lib.ones(shape), 3, requires_grad=True, **how),
}


@pytest.mark.parametrize("name", MADE)
@pytest.mark.parametrize("wanted", ["channels_last", "channels_last_3d", "contiguous_format"])
def test_new_tensors_in_a_memory_format(wanted: str, name: str) -> None:
    def made(lib: Any) -> Any:
        found = []
        for shape in ((2, 3, 4, 5), (2, 3, 4, 5, 2), (1, 3, 2, 2), (3,)):
            try:
                x = MADE[name](lib, shape, memory_format=getattr(lib, wanted))
            except RuntimeError:
                found.append("refused")
                continue
            found.append((x.stride(), x.is_leaf, x.requires_grad, x.shape, x.dtype))
        return found

    assert text(pellucid, made) == text(torch, made)


# --- test_autograd ----------------------------------------------------------------------------------------------------


def classes_of_nodes(lib: Any) -> Any:
    class Twice(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 2

    x = lib.ones(3, requires_grad=True)
    written = x * 1
    written[0] = x[0]
    results = [x * 2, (x * 2).sum(), x.exp(), x.chunk(2)[0], x.max(0)[0], x[:2], Twice.apply(x), written]
    again = type((x * 3).grad_fn) is type(results[0].grad_fn)
    ends = [type(result.grad_fn.next_functions[0][0]) for result in results]
    return again, type(x.grad_fn), [type(result.grad_fn) for result in results], ends


def test_the_class_of_a_node_has_its_name() -> None:
    assert text(pellucid, classes_of_nodes) == text(torch, classes_of_nodes)


# --- what test_autograd asks of gradcheck -----------------------------------------------------------------------------


def checked(lib: Any) -> Any:
    from_torch = lib.autograd
    x = lib.tensor([0.3, -0.7, 1.1], dtype=lib.float64, requires_grad=True)
    return (
        from_torch.gradcheck(lib.sin, x, check_forward_ad=True, check_batched_grad=True),
        from_torch.gradcheck(lib.exp, x, check_forward_ad=True, check_backward_ad=False),
        from_torch.gradgradcheck(lambda x: x**3, (x,), check_fwd_over_rev=True, gen_non_contig_grad_outputs=True),
    )


def checked_sparse(lib: Any) -> Any:
    """A function of sparse tensors, real and complex, at the values that they keep."""
    found = []
    for kind in (lib.float64, lib.complex128):
        whole = lib.tensor([[0.0, 0.5], [1.5, 0.0]], dtype=kind)
        x = whole.to_sparse().requires_grad_()
        found.append(lib.autograd.gradcheck(lambda x: (x * 3).to_dense().pow(2), x, masked=True))
    return found


GRADCHECKS: dict[str, Made] = {
    "sparse": checked_sparse,
    "all": checked,
    "neither": lambda lib: lib.autograd.gradcheck(
        lib.exp, lib.ones(1, dtype=lib.float64, requires_grad=True), check_backward_ad=False),
    "batched forward": lambda lib: lib.autograd.gradcheck(
        lib.exp, lib.ones(1, dtype=lib.float64, requires_grad=True), check_batched_forward_grad=True),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:.*torch.jit:DeprecationWarning")
@pytest.mark.parametrize("name", GRADCHECKS)
def test_the_options_of_gradcheck(name: str) -> None:
    assert text(pellucid, GRADCHECKS[name]) == text(torch, GRADCHECKS[name])


def test_a_wrong_tangent_is_found(monkeypatch: pytest.MonkeyPatch) -> None:
    from pellucid.autograd import forward_ad

    right = forward_ad.unpack_dual
    monkeypatch.setattr(forward_ad, "unpack_dual", lambda dual: right(dual)._replace(tangent=right(dual).primal * 5))
    x = pellucid.tensor([0.3, -0.7], dtype=pellucid.float64, requires_grad=True)
    with pytest.raises(pellucid.autograd.GradcheckError, match="forward mode"):
        pellucid.autograd.gradcheck(pellucid.exp, x, check_forward_ad=True)


class Drifting(pellucid.autograd.Function):
    """Its gradient depends on how often it was asked: batched and separate ones differ."""

    asked = 0

    @staticmethod
    def forward(ctx: Any, x: Any) -> Any:
        return x * 2

    @staticmethod
    def backward(ctx: Any, *grads: Any) -> Any:
        return grads[0] * (2 if grads[0].abs().max() <= 1 else 3)


def test_a_gradient_that_depends_on_its_batch_is_found() -> None:
    x = pellucid.tensor([0.3, -0.7], dtype=pellucid.float64, requires_grad=True)
    with pytest.raises(pellucid.autograd.GradcheckError):
        pellucid.autograd.gradcheck(lambda x: Drifting.apply(x) * 4, x, check_batched_grad=True)


# --- test_torch, test_quantization, functorch -------------------------------------------------------------------------


def spaced(lib: Any) -> Any:
    return lib.linspace(-3, 3, 50).view(2, 25)


def gradient(lib: Any, quantized: Made) -> Any:
    x = spaced(lib).requires_grad_()
    y = quantized(x)
    y.sum().backward()
    return y, x.grad


def ensemble(lib: Any) -> Any:
    functorch: Any = pellucid.bridge.functorch if lib is pellucid else importlib.import_module("functorch")
    lib.manual_seed(0)
    function, params = functorch.make_functional(lib.nn.Linear(2, 2))
    models = [lib.nn.BatchNorm1d(2).eval() for _ in range(3)]
    together, stacked, buffers = functorch.combine_state_for_ensemble(models)
    rows = functorch.vmap(together, (0, 0, None))(stacked, buffers, lib.ones(4, 2))
    return function(params, lib.ones(2)).detach(), rows.shape, [tuple(p.shape) for p in stacked]


FEATURES: dict[str, Made] = {
    "copies of parts": lambda lib: [
        lib.slice_copy(lib.arange(6).reshape(2, 3), 1, 0, 3, 2), lib.select_copy(lib.arange(6).reshape(2, 3), -1, 1),
    ],
    "fake quantised": lambda lib: gradient(lib, lambda x: lib.fake_quantize_per_tensor_affine(x, 0.1, 3, -8, 7)),
    "by tensors": lambda lib: lib.fake_quantize_per_tensor_affine(
        spaced(lib), lib.tensor(0.3), lib.tensor(1, dtype=lib.int32), 0, 15),
    "by channel": lambda lib: gradient(lib, lambda x: lib.fake_quantize_per_channel_affine(
        x, lib.tensor([0.1, 0.4]), lib.tensor([3, 0], dtype=lib.int32), 0, -8, 7)),
    "zero point": lambda lib: lib.fake_quantize_per_tensor_affine(spaced(lib), 0.1, 300, 0, 255),
    "range": lambda lib: lib.fake_quantize_per_tensor_affine(spaced(lib), 0.1, 0, 5, 2),
    "its dtype": lambda lib: lib.fake_quantize_per_channel_affine(
        spaced(lib), lib.ones(2), lib.zeros(2, dtype=lib.int64), 0, 0, 255),
    "low rank": lambda lib: [v.abs().mul(1000).round() for v in lib.svd_lowrank(spaced(lib).cos(), 2)],
    "components": lambda lib: lib.pca_lowrank(lib.eye(5)[:, :3] * 2, q=2, niter=4)[1].round(decimals=2),
    "too many components": lambda lib: lib.pca_lowrank(spaced(lib), 9),
    "strides": lambda lib: (x := lib.arange(6.0)).as_strided_((2, 2), (2, 1), 1) is x and x,
    "channels last": lambda lib: (
        (x := lib.zeros(2, 3, 4, 5).to(memory_format=lib.channels_last)).stride(), x.is_contiguous(),
        x.is_contiguous(memory_format=lib.channels_last), x.contiguous().stride(), (x + 1).stride(),
        lib.nn.Conv2d(3, 4, 3).to(memory_format=lib.channels_last).weight.stride(), lib.empty(0).resize_(
            1, 2, 3, 4, memory_format=lib.channels_last).stride()),
    "ensemble": ensemble,
    "next functions": lambda lib: [f and type(f).__name__ for f, _ in (lib.ones(2, requires_grad=True) * 2)
                                   .grad_fn.next_functions],
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:We've integrated functorch")
@pytest.mark.parametrize("name", FEATURES)
def test_features(name: str) -> None:
    ours, theirs = text(pellucid, FEATURES[name]), text(torch, FEATURES[name])
    assert ours.replace("-0.0000", " 0.0000") == theirs.replace("-0.0000", " 0.0000")


@pytest.mark.parametrize(
    "call", [float, complex, lambda x: pellucid.no_grad()(lambda of: float(of))(x), lambda x: x.item(), int]
)
def test_float_of_what_requires_a_gradient(call: Callable[[Any], Any], monkeypatch: pytest.MonkeyPatch) -> None:
    """PyTorch warns once in a process, so which calls warn is written here."""
    from pellucid.ops import values

    monkeypatch.setattr(values, "_said", [])
    x = pellucid.ones((), requires_grad=True)
    with warnings.catch_warnings(record=True) as said:
        warnings.simplefilter("always")
        call(x)
        call(x)
    assert [str(warning.message)[:40] for warning in said] == ["Converting a tensor with requires_grad=Tr"[:40]] * (
        call in (float, complex)
    )


@pytest.mark.parametrize(
    ("name", "said"),
    [("nested", "pad_sequence"),
     ("export", "state_dict"), ("ao", "fake_quantize"), ("quint8", "fake_quantize"),
     ("float8_e4m3fn", "bfloat16")],
)  # fmt: skip
def test_what_is_absent_is_refused_with_what_to_do(name: str, said: str) -> None:
    assert said in torch_names.message("torch", name, dir(pellucid))
    assert said in torch_names.message(f"torch.{name}", "anything", [])


# --- what is kept for backward, lists of tensors, memory of others ----------------------------------------------------


def kept(lib: Any) -> Any:
    x = lib.tensor([0.5, 1.5], requires_grad=True)
    y = (x * x).exp()
    node = y.grad_fn
    names = [name for name in dir(node) if name.startswith("_saved")]
    total = x.sum(0, keepdim=True).grad_fn
    return names, node._saved_result, node.next_functions[0][0]._saved_self is x, total._saved_keepdim


def freed(lib: Any) -> Any:
    y = lib.tensor([0.5], requires_grad=True).exp()
    y.sum().backward()
    return y.grad_fn._saved_result


def uncounted(lib: Any) -> Any:
    x = lib.ones(2)
    with lib.autograd._unsafe_preserve_version_counter(x):
        x.add_(1)
    return x, x._version


def each(lib: Any) -> Any:
    rows = [lib.ones(2), lib.arange(3.0)]
    lib._foreach_mul_(rows, 0.5)
    lib._foreach_add_(rows, [lib.ones(2), lib.ones(3)], alpha=2)
    lib._foreach_lerp_(rows, [lib.zeros(2), lib.zeros(3)], 0.1)
    results = lib._foreach_norm(rows), lib._foreach_sqrt(rows), lib._foreach_maximum(rows, 2.0)
    lib._foreach_zero_(rows[:1])
    return (
        rows,
        results,
        lib._foreach_add(rows, [1.0, 2.0]),
        lib._foreach_addcdiv(rows, results[1], results[2], value=2),
    )


def of_bytes(lib: Any) -> Any:
    memory = bytearray(8)
    x = lib.frombuffer(memory, dtype=lib.int32, offset=4)
    x.fill_(5)
    return x, bytes(memory), lib.frombuffer(memory, dtype=lib.uint8, count=2)


BUFFERS: dict[str, Made] = {
    "kept": kept, "freed": freed, "uncounted": uncounted, "each": each, "of bytes": of_bytes,
    "too few": lambda lib: lib._foreach_add([lib.ones(1)], [1.0, 2.0]),
    "no multiple": lambda lib: lib.frombuffer(bytearray(6), dtype=lib.int32),
    "beyond": lambda lib: lib.frombuffer(bytearray(8), dtype=lib.int32, count=3),
    "behind": lambda lib: lib.frombuffer(bytearray(8), dtype=lib.int32, offset=8),
    "nothing": lambda lib: lib.frombuffer(bytearray(), dtype=lib.int32),
    "close": lambda lib: lib.testing.assert_close(lib.ones(2).bfloat16(), lib.ones(2).bfloat16() * 1.001),
    "put": lambda lib: lib.index_put_(lib.zeros(3), (lib.tensor([0, 2]),), lib.tensor([1.0, 2.0])),
    "a module": lambda lib: (lib.nn.Linear(2, 2).bfloat16().weight.dtype, lib.is_anomaly_enabled()),
    "a dict": lambda lib: list(lib.nn.ParameterDict({"a": lib.ones(1)}) | lib.nn.ParameterDict({"b": lib.ones(1)})),
}  # fmt: skip


@pytest.mark.parametrize("name", BUFFERS)
def test_memory(name: str) -> None:
    assert text(pellucid, BUFFERS[name]) == text(torch, BUFFERS[name])


WORDS: dict[str, Made] = {
    "matmul": lambda lib: lib.ones(3, 4) @ lib.ones(3, 4), "a layer": lambda lib: lib.nn.Linear(2, 3)(lib.ones(2, 5)),
    "mv": lambda lib: lib.ones(2, 3) @ lib.ones(4), "dot": lambda lib: lib.ones(3) @ lib.ones(4),
    "bmm": lambda lib: lib.ones(2, 3, 4) @ lib.ones(2, 3, 4), "broadcast": lambda lib: lib.ones(3, 4) + lib.ones(5),
    "embedding": lambda lib: lib.nn.functional.embedding(lib.tensor([9]), lib.ones(3, 4)),
    "conv": lambda lib: lib.nn.functional.conv2d(lib.ones(3, 4), lib.ones(1, 1, 2, 2)),
    "targets": lambda lib: lib.nn.functional.nll_loss(lib.ones(3, 4), lib.ones(3)),
    "einsum": lambda lib: lib.einsum("ij,jk", lib.ones(3, 4), lib.ones(3, 4)),
    "einsum's output": lambda lib: lib.einsum("ij,ij->k", lib.ones(3, 4), lib.ones(3, 4)),
    "mean": lambda lib: lib.ones(2, dtype=lib.int32).mean(), "lists": lambda lib: lib.tensor([[1], [1, 2]]),
    "deep lists": lambda lib: lib.tensor([[[1, 2], [3]]]), "clamp": lambda lib: lib.ones(2).clamp(),
    "seed": lambda lib: lib.ones(2, requires_grad=True).sum().backward(lib.ones(2)),
    "again": lambda lib: [(y := lib.ones(1, requires_grad=True).exp()).backward(), y.backward()],
    "pad": lambda lib: lib.nn.functional.pad(lib.ones(3, 4), (1, 1, 1, 1), mode="reflect"),
    "a parameter": lambda lib: setattr(lib.nn.Linear(1, 1), "weight", lib.ones(1)),
    "mm": lambda lib: lib.mm(lib.ones(3, 4), lib.ones(3)), "meshgrid": lambda lib: lib.meshgrid(lib.ones(2, 2)),
    "offset of a view": lambda lib: lib.ones(4, 4, 3)[:, :, 1:].view(lib.float64),
    "stride of a view": lambda lib: lib.ones(4, 4, 2).as_strided((4, 4, 2), (2, 1, 1)).view(lib.float64),
    "size of a view": lambda lib: lib.ones(4, 3).view(lib.float64),
    "a complex view": lambda lib: lib.view_as_complex(lib.ones(3, 3).as_strided((2, 2), (1, 1))),
    "values that do not fit": lambda lib: lib.zeros(3).__setitem__(lib.tensor([0, 1]), lib.ones(3, dtype=lib.int64)),
    "layer norm": lambda lib: lib.nn.functional.layer_norm(lib.ones(3, 4), (3,)),
}  # fmt: skip


@pytest.mark.filterwarnings("ignore:torch.meshgrid:UserWarning")
@pytest.mark.parametrize("name", WORDS)
def test_errors_have_the_words_of_torch(name: str) -> None:
    """And are of the same class; more words of our own go around them."""
    with pytest.raises(Exception, match=".") as theirs:
        WORDS[name](torch)
    with pytest.raises(theirs.type) as ours:
        WORDS[name](pellucid)
    first = str(theirs.value).split("\n", 1)[0].split(" Saved intermediate", 1)[0].rstrip(".: ")
    assert first.split(" got: ", 1)[0] in str(ours.value)
