"""What PyTorch refuses is refused with the same class of error, and what it spells in two ways is taken in both."""

from __future__ import annotations

import itertools

import pytest
import torch

import pellucid

REFUSED = (
    # a dimension, a flag or a size of a wrong type
    *(f"x.{name}({bad})" for name in ("sum", "mean", "prod", "amax", "argmax", "median", "cumsum", "softmax", "unbind",
                                      "squeeze", "flip", "sort", "logsumexp", "nansum", "kthvalue", "max", "diff")
      for bad in ("'a'", "1.5", "dim='a'", "dim=1.5", "dim=True", "[0.5]")),
    *(f"x.{name}(dim=0, keepdim={bad})" for name in ("sum", "mean", "amax", "argmax", "all", "logsumexp")
      for bad in ("0", "'a'", "None")),
    *(f"x.{name}({bad})" for name in ("reshape", "view", "expand", "repeat", "tile", "permute", "flip", "broadcast_to")
      for bad in ("", "'a'", "1.5", "None", "[0.5]", "True")),
    "x.reshape(-3)", "x.reshape(-1, -1)", "x.reshape(5)", "x.permute(0)", "x.permute(0, 0)", "x.expand(3)",
    "x.sum(5)", "x.sum([0, 0])", "x.sum(-3)", "x.softmax(2)", "x.unbind(2)", "x.transpose(0, 2)", "x.select(0, 9)",
    # no tensor where one is needed
    *(f"x.{name}({bad})" for name in ("mm", "mv", "dot", "matmul", "bmm", "outer", "kron", "dist", "equal", "allclose",
                                      "maximum", "atan2", "masked_select", "view_as", "expand_as", "isclose", "hypot")
      for bad in ("None", "'a'", "[1]", "1.5")),
    *(f"x.{name}(None)" for name in ("add", "sub", "mul", "div", "eq", "lt", "fmod", "remainder", "pow",
    "floor_divide")),
    "xe.add(None)", "xe.maximum(None)", "x.masked_fill(1, 0)", "x.gather(0, 0)", "x.index_select(0, 1)",
    "x.addcmul(1, 2)", "x.lerp(1, 0.5)", "T.cdist(x, 0)", "T.atleast_1d(x, 0)", "T.block_diag(x, 0)", "T.cat([x, 1])",
    "T.stack([x, 1])", "T.cat(x)", "T.cat([])", "T.stack([])", "T.cat([x, x], dim=2)", "T.sum(1.0)", "T.exp('a')",
    # a dtype that the function does not have
    "xb.median()", "xb.median(0)", "xb.nanmedian()", "xb.kthvalue(1)", "xb.topk(1)", "xb.mean()", "xi.mean()", "-xb",
    "T.linspace(0, 1, 3, dtype=T.bool)", "T.logspace(0, 1, 3, dtype=T.bool)", "T.arange(0, 3, dtype=T.bool)",
    "x.take_along_dim(T.zeros(1, 4, dtype=T.int32), 0)", "x.take_along_dim(T.zeros(1, 4), 0)", "x & x", "xi.std()",
    "x.gather(0, T.zeros(1, 4))", "x.gather(0, xi[:1] * 0 + 9)",
    "x.scatter(0, xi[:1] * 0 + 9, x)", "x.index_add(0, T.tensor([9]), x[:1])",
    "x.index_select(0, T.tensor([0.0]))", "xb - xb", "x.bitwise_and(1)", "xi.softmax(0)",
    # an index
    "x.reshape(2, 2, 3)[..., 0, ..., 0]", "x['a']", "x[b'a']", "x[0.5]", "x[9]", "x[0, 0, 0]", "x[{1}]", "x[::-1]",
    "x[T.tensor([0.5])]",
    "x[T.tensor([True])]", "x[:, T.ones(3, dtype=T.bool)]", "x[T.tensor([9])]", "put(x, 0, [1, 2, 3, 4])", "x[1.0:]",
    "put(x, 0, (1, 2, 3, 4))", "put(x, 0, 'a')", "put(x, 0, None)", "put(x, 0, {1})", "put(x, 'a', 1)", "put(x, 9, 1)",
    "put(x, 0, T.ones(5))", "T.tensor(1.0)[0]", "x[..., 9]",
    # numbers
    "T.zeros(-1)", "T.zeros(2.5)", "T.zeros('a')", "T.eye(-1)", "T.arange(0, 5, 0)", "T.arange(5, 0, 1)",
    "T.arange('a')",
    "T.linspace(0, 1, -1)", "T.randint(5, 5, (2,))", "T.randperm(-1)", "T.tensor('a')", "T.tensor([1, 'a'])",
    "T.tensor([[1], [1, 2]])", "T.full((2,), 300, dtype=T.uint8)", "x.add(x, alpha='a')", "xi.add(xi, alpha=0.5)",
    "x.clamp()", "x.topk(9)", "x.kthvalue(9)", "x.quantile(2.0)", "x.narrow(0, 0, 9)", "x.chunk(0)", "x.split(-1)",
    "x.unflatten(0, (2, 2))", "x.repeat(1)", "x.diag(1.5)", "x.tril(1.5)", "x.roll(1.5)", "x.rot90(1, [0])",
    # what PyTorch takes by keyword alone, and what it does not know
    "x.round(0)", "x.sub(x, 2)", "T.addmm(x, x, x.T, 1.0)", "x.addcmul(x, x, 2.0)", "x.sum(0, True, T.float64)",
    "x.cumsum(0, T.float64)", "x.sort(0, True, True)", "x.float(True)", "x.index_add(0, xi[0, :3], x, 2)",
    "x.flip(0, foo=1)",
    "x.gather(0, xi[:1] * 0, 1)", "x.scatter(0, xi[:1] * 0, x, 'add')", "x.reshape(4, 3, foo=1)", "x.split(1, foo=1)",
    "T.arange(1, 2, 1, 4)", "T.zeros()", "x.new_ones()", "T.rand()", "x.diagonal(0, 0, 1, 2)",
    # integers of more than 64 bits
    *(f"x.{call}" for call in ("cumsum(2**63)", "sum(2**63)", "softmax(2**64)", "argmax(2**63)", "narrow(0, 2**63, 1)",
                               "select(0, 2**63)", "tril(2**63)", "expand(2**63, 4)", "repeat(2**63, 1)")),
    "T.zeros(2**63)", "T.eye(2**63)", "T.linspace(0, 2**64, 3)", "T.randint(2**64, (2,))", "xb + 2**63", "xb < 2**63",
    # one number is no list, and a list no number
    "T.full(3, 1.0)", "x.new_full(3, 1.0)", "T.randint(3, 3)", "T.full([2], [1.0])", "T.arange([3])",
    "T.full((2,), T.ones(1))",
    "T.arange(T.ones(2))", "T.linspace('a', 1, 3)", "T.randint(1.5, (2,))", "T.randint_like(x, 1.5)", "T.randperm(1.5)",
    # the types of a function's arguments, where it could do with others
    *(f"F.{call}" for call in ("poisson_nll_loss(x, x, full='a')", "dropout(x, 0.5, 1)",
                               "leaky_relu(x, 'a')", "batch_norm(x, None, None, training=1)", "cross_entropy(1.5, xi)",
                               "nll_loss(x, [1])", "embedding(1, x)", "prelu(x, 1.0)", "gelu(x, approximate=1)")),
    "x.repeat_interleave([1])", "T.repeat_interleave(2)", "T.nansum(1.5)",
    "T.rand_like(1.5)", "T.zeros(2, device=1.5)", "T.zeros(2, device=3)", "x.chunk(True)", "T.eye(True)",
)  # fmt: skip


_ACTIVATIONS = (
    "leaky_relu", "elu", "selu", "celu", "rrelu", "gelu", "silu", "mish", "softplus", "hardshrink", "softshrink",
    "hardsigmoid", "hardswish", "logsigmoid", "glu",
)  # fmt: skip
_LOSSES = (
    "mse_loss", "smooth_l1_loss", "huber_loss", "kl_div", "binary_cross_entropy", "soft_margin_loss",
    "binary_cross_entropy_with_logits",
)  # fmt: skip
# Whole numbers and bools where PyTorch has no kernel for them; empty and without dimensions, too.
WITHOUT_KERNEL = (
    *(f"F.{name}({x}[:, :2])" for name in _ACTIVATIONS for x in ("xi", "xb") if (name, x) != ("softshrink", "xb")),
    *(f"F.{name}({x}, {x}, reduction='none')" for name in _LOSSES for x in ("xi[:2] // 12", "T.arange(0)")),
    *(f"F.{name}(x, x, reduction='bad')" for name in (*_LOSSES, "l1_loss", "poisson_nll_loss")),
    *(f"F.{name}(xb, xb, reduction='bad')" for name in (*_LOSSES, "l1_loss", "poisson_nll_loss")),
    *(f"T.{name}({x}, {x})" for name in ("hypot", "logaddexp", "logaddexp2", "nextafter", "igamma", "igammac")
      for x in ("xi", "xb", "xi[0, 0]", "xi[:0]")),
    "T.lerp(xi, xi, 0.5)", "T.lerp(xb, xb, 0.5)", "F.layer_norm(xi, (4,))", "F.layer_norm(xb, (4,))",
    "F.batch_norm(xi, None, None, training=True)", "F.batch_norm(xi, T.zeros(4), T.ones(4))", "F.group_norm(xi, 2)",
    "F.instance_norm(xi[None])", "F.adaptive_avg_pool1d(xi, 2)", "F.adaptive_max_pool1d(xi, 2)", "F.avg_pool1d(xb, 2)",
    "F.prelu(xi, T.tensor([0.25]))", "F.prelu(x.double(), T.tensor([0.25]))", "F.threshold(xb, 0, 1)", "xb @ xb.T",
    "xb[0] @ xb[0]", "F.linear(xb, xb)", "xb.trace()", "T.isin(xb, xb)", "T.addcmul(xb, xb, xb)",
    "F.binary_cross_entropy(x.sigmoid(), xi)", "F.binary_cross_entropy_with_logits(x, xi)",
    "F.binary_cross_entropy(x.sigmoid(), x.double())", "F.nll_loss(xi, xi[:, 0] // 4)", "F.kl_div(x, xi)",
    "F.huber_loss(xi, x)", "F.mse_loss(x.cfloat(), x.cfloat())", "T.nansum(x.cfloat())",
    "T.isin(x.cfloat(), x.cfloat())",
    "T.i0(x.cfloat())", "xi.softmax(0)", "xi.softmax(5)", "xb.log_softmax(5)", "F.softmin(xi, 0)",
    *(f"F.interpolate(xi[{at}], scale_factor=2, mode={mode!r})" for at, mode in (
        ("None", "nearest"), ("None", "linear"), ("None, None", "bilinear"), ("None, None", "bicubic"),
        ("None, None", "area"), ("None, None, None", "trilinear"))),
    "F.interpolate(xi[None].byte(), scale_factor=2, mode='linear')", "F.unfold(xi[None, None], 2)",
    "F.fold(T.ones(1, 4, 4).int(), (4, 4), 2, stride=2)", "F.max_pool1d(xi[None], 2)", "F.max_pool1d(xb[None], 2)",
    "F.grid_sample(xi[None, None], T.zeros(1, 2, 2, 2).long(), align_corners=False)", "F.cosine_similarity(xi, xi)",
    "F.avg_pool2d(x, 2)", "F.avg_pool2d(x[0], 2)", "F.avg_pool2d(x[None, None, None], 2)",
    "F.nll_loss(x[0], T.tensor([1, 2]))", "F.cross_entropy(x[0], T.tensor([1, 2]))", "F.dropout1d(x[0])",
    "~x", "T.nn.GELU()(xi)", "T.nn.BatchNorm1d(4)(xi)", "T.nn.LayerNorm(4)(xi)",
    "T.nn.Linear(4, 2)(xi)", "T.nn.Sequential(T.nn.Linear(4, 2), T.nn.ReLU())(xi)", "T.nn.BCEWithLogitsLoss()(xi, xi)",
)  # fmt: skip


def run(program, T):
    def put(x, key, value):
        x[key] = value

    tensors = {"x": T.arange(12.0).reshape(3, 4), "xi": T.arange(12).reshape(3, 4), "xe": T.zeros(0, 4),
               "xb": T.ones(3, 4, dtype=T.bool)}  # fmt: skip
    return eval(program, {"T": T, "F": T.nn.functional, "put": put, **tensors})  # noqa: S307


# What programs and PyTorch's own tests look for in the words of an error: both libraries say it.
SAID = {
    "x['0':'1']": "slice indices must be integers",
    "x[0.5:]": "slice indices must be integers",
    "T.unravel_index(T.tensor([1]), T.tensor([1, 2, 3]))": "expected 'shape' to be int or sequence",
    "T.unravel_index(T.tensor([1]), (1, 2, 2.0))": "expected 'shape' sequence to only contain ints",
    "T.tensor_split(T.tensor(1.0), 10)": "expected at least a 1-dimensional tensor, but got a tensor with 0 dims",
    "T.tensor_split(x, T.tensor(1.1))": "to have dtype of long, but got Float",
    "T.tensor_split(x, T.tensor(((1,),)))": "zero-dimensional or one-dimensional tensor, but got a tensor with 2 dims",
    "T.tensor(1.0).view(T.float64)": r"self.dim\(\) cannot be 0",
    "x[:, ::2].view(T.float64)": r"self.stride\(-1\) must be 1",
    "T.broadcast_shapes(1.5)": "Input shapes should be of type ints, a tuple of ints, or a list of ints",
    "T.empty((), dtype=T.float64).resize_([2, 4, 2**29, 2**29])": "Storage size calculation overflowed",
    "xe[:, [9]][[1]]": "is out of bounds for dimension",
    "xe.t()[:, [0, 1]]": "index is out of bounds for dimension with size 0",
    "T.nonzero(x, as_tuple=True, out=xi)": "nonzero does not support the out kwarg when as_tuple is True",
    "x.__delitem__(0)": "does not support deleting items",
}


@pytest.mark.parametrize("lib", [torch, pellucid], ids=["torch", "pellucid"])
@pytest.mark.parametrize("program", SAID)
def test_the_same_words(program, lib):
    with pytest.raises((TypeError, RuntimeError, IndexError), match=SAID[program]):
        run(program, lib)


# What PyTorch computes though the arguments are unusual.
COMPUTED = (
    "T.zeros(3).uniform_(to=0)", "T.zeros(3).uniform_(**{'from': 2, 'to': 2})", "T.ones(3).random_(to=1)",
    "T.ones(3).random_(**{'from': 4, 'to': 5})", "x.cpu(memory_format=T.preserve_format)",
    "x.to(T.promote_types(type1=T.int8, type2=T.float16))", "x * T.can_cast(from_=T.float32, to=T.int64)",
    "F.cosine_similarity(x, xi)", "F.cosine_similarity(x.double(), x)", "F.cosine_similarity(xb, x.half())",
    "F.cross_entropy(T.zeros(2, 0), T.zeros(2, 0))", "F.cross_entropy(T.zeros(0, 3), T.zeros(0, 3))",
    "F.cross_entropy(T.zeros(2, 0), T.zeros(2, 0), reduction='sum')",
    "F.max_pool1d(xi[None], 2, return_indices=True)[1]",
    "F.interpolate(xi[None, None].byte(), scale_factor=2, mode='bilinear')", "F.unfold(xb[None, None], 2)",
)  # fmt: skip


@pytest.mark.parametrize("program", COMPUTED)
def test_the_same_numbers(program):
    ours, theirs = run(program, pellucid), run(program, torch)
    assert str(ours.dtype) == str(theirs.dtype)
    torch.testing.assert_close(torch.tensor(ours.tolist(), dtype=theirs.dtype), theirs, equal_nan=True)


@pytest.mark.parametrize("name", ["dropout2d", "dropout3d"])
def test_channels_of_a_matrix_are_dropped_with_a_warning(name):
    found = []
    for lib in (torch, pellucid):
        lib.manual_seed(0)
        with pytest.warns(UserWarning, match=f"Received a 2-D input to {name}"):
            dropped = getattr(lib.nn.functional, name)(lib.ones(6, 4))
        found.append(dropped.tolist())
    assert found[0] == found[1]


def test_what_is_a_view_says_so():
    for lib in (torch, pellucid):
        x = lib.ones(2, 2)
        assert [y._is_view() for y in (x, x.T, x[0], x + 1, x.clone(), x.reshape(-1))] == [
            False, True, True, False, False, True,
        ]  # fmt: skip


@pytest.mark.parametrize("program", REFUSED)
def test_the_same_class_of_error(program):
    with pytest.raises(Exception) as theirs:
        run(program, torch)
    with pytest.raises(theirs.type):
        run(program, pellucid)


@pytest.mark.parametrize("program", WITHOUT_KERNEL)
@pytest.mark.filterwarnings("ignore:reduction:UserWarning", "ignore:size_average:UserWarning")
def test_a_dtype_that_has_no_kernel(program):
    with pytest.raises(Exception) as theirs:
        run(program, torch)
    with pytest.raises(theirs.type):
        run(program, pellucid)


@pytest.mark.parametrize(
    "program",
    [
        "F.threshold(xi, 3, 0.5)", "F.threshold(xi, 2.5, 7)", "T.zeros(0).median()", "T.arange(0).median()",
        "T.zeros(0, dtype=T.uint8).median()", "T.arange(0).nanmedian()", "T.kron(T.tensor(2.0), T.tensor(3.0))",
        "(x * 1e30).std()", "(x * 1e-30).std(0)", "(x * 1e30).var(0)", "T.arange(0).softmax(0)", "xb[:0].softmax(0)",
        "T.mode(T.tensor([2.0, float('nan')]))",
        "F.huber_loss(x, xi.float())", "xi.hypot(x)", "F.leaky_relu(x[:0])", "F.mse_loss(xi, x)", "T.lerp(x, x, 0.5)",
    ],
)  # fmt: skip
def test_edges_of_dtypes(program):
    assert repr(run(program, pellucid)) == repr(run(program, torch))


def test_the_error_says_what_to_write():
    with pytest.raises(NotImplementedError, match=r'"gelu" not implemented for .Long.: .* write .float\(\) first'):
        pellucid.nn.functional.gelu(pellucid.arange(3))


SPELLINGS = [
    f"x.{name}({spelled})"
    for name, spelled in itertools.product(
        ("sum", "mean", "prod", "max", "min", "amax", "argmax", "median", "std", "var", "any", "all", "logsumexp",
        "mode",
         "nansum", "nanmean", "nanmedian", "aminmax"),
        ("axis=0", "axis=1, keepdims=True", "dim=0, keepdims=True"),
    )
] + [
    "x.sort(axis=0)", "x.argsort(axis=0)", "x.cumsum(axis=0)", "x.cummax(axis=0)", "x.diff(axis=0)",
    "x.squeeze(axis=0)",
    "x.softmax(axis=0)", "x.count_nonzero(axis=0)", "T.cat([x, x], axis=1)", "T.stack([x, x], axis=1)", "x.flip(0, 1)",
    "x.broadcast_to(2, 3, 4)", "x.broadcast_to((2, 3, 4))", "T.broadcast_to(x, (2, 3, 4))", "x.expand(2, -1, 4)",
    "x.repeat(2, 1)", "x.repeat((2, 1))", "x.tile(2)", "x.tile((2, 2))", "x.permute(1, 0)", "x.permute((1, 0))",
    "x.reshape(4, 3)", "x.reshape((4, 3))", "x.view(4, 3)", "x.view((4, 3))", "x.add(x, alpha=T.tensor(2))",
    "x[..., 0, ...]", "x[..., 0, ..., 0]", "x[0, ...]", "x.sum((0, 1))", "x.sum([])", "x.new_zeros(2, 3)",
    "x.new_zeros((2, 3))",
    "x.select(0, T.tensor(1))", "x.unflatten(1, (2, 2))", "x.movedim((0, 1), (1, 0))", "xb.unique()", "x.sum(dim=None)",
]  # fmt: skip


@pytest.mark.parametrize("program", SPELLINGS)
def test_two_spellings(program):
    ours, theirs = run(program, pellucid), run(program, torch)
    assert repr(ours) == repr(theirs)


@pytest.mark.parametrize("shape", [(0, 3), (2, 0, 3), (3, 0), (0,), (2, 3), (1, 1), ()], ids=str)
def test_strides_of_what_is_empty(shape):
    assert pellucid.ones(shape).stride() == torch.ones(shape).stride()


def test_a_message_names_argument_and_type():
    x = pellucid.ones(3, 4)
    for program, words in (
        (lambda: x.mm(1.5), "mm(): argument 'mat2' must be Tensor, not float; write tensor(1.5)"),
        (lambda: x.sum(dim=0, keepdim=1), "sum(): argument 'keepdim' must be bool, not int"),
        (lambda: x.max("a"), "max(): argument 'dim' must be int or a tuple of ints, not str"),
        (lambda: x.flip(), 'flip() missing 1 required positional arguments: "dims"'),
    ):
        with pytest.raises(TypeError) as raised:
            program()
        assert words in str(raised.value)
        assert "test_refusals.py" in str(raised.value)  # the user's line
