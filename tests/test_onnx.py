"""ONNX: every layer of nn written, checked by onnx and run by onnxruntime; read back, it trains."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import pytest

import pellucid
from pellucid import nn
from tests.sampled import sampled

pytest.importorskip("onnx", reason="ONNX files need the package onnx: pip install 'pellucid[onnx]'")
pytest.importorskip("onnxruntime", reason="ONNX files are run by onnxruntime: pip install 'pellucid[onnx]'")

from pellucid.onnx import OnnxExporterError, difference, export
from pellucid.onnx.recording import leaves
from pellucid.onnx.table import CONVERTERS
from pellucid.onnx.without import OPS

BOUND = 2e-5  # of the largest value


def _x(*shape: int) -> Any:
    return pellucid.randn(*shape)


# Layers that PyTorch's own table (tests/moduleinfo) does not have: the layer, its arguments.
MORE: dict[str, tuple[Any, tuple[Any, ...]]] = {
    "AdaptiveLogSoftmaxWithLoss": (
        lambda: nn.AdaptiveLogSoftmaxWithLoss(8, 20, [5, 10]),
        (_x(4, 8), pellucid.tensor([1, 7, 12, 19])),
    ),
    "AlphaDropout": (lambda: nn.AlphaDropout(), (_x(3, 4),)),
    "ChannelShuffle": (lambda: nn.ChannelShuffle(2), (_x(2, 4, 3, 3),)),
    "CosineSimilarity": (lambda: nn.CosineSimilarity(), (_x(4, 5), _x(4, 5))),
    "CrossMapLRN2d": (lambda: nn.CrossMapLRN2d(3), (_x(2, 5, 3, 3),)),
    "DataParallel": (lambda: nn.DataParallel(nn.Linear(3, 2)), (_x(4, 3),)),
    "Dropout": (lambda: nn.Dropout(), (_x(3, 4),)),
    "Dropout1d": (lambda: nn.Dropout1d(), (_x(2, 3, 4),)),
    "Dropout2d": (lambda: nn.Dropout2d(), (_x(2, 3, 4, 4),)),
    "Dropout3d": (lambda: nn.Dropout3d(), (_x(2, 3, 4, 4, 2),)),
    "EmbeddingBag": (lambda: nn.EmbeddingBag(10, 3, mode="mean"), (pellucid.tensor([[1, 2, 4], [4, 3, 9]]),)),
    "FeatureAlphaDropout": (lambda: nn.FeatureAlphaDropout(), (_x(2, 3, 4),)),
    "Flatten": (lambda: nn.Flatten(), (_x(2, 3, 4),)),
    "Fold": (lambda: nn.Fold((4, 5), (2, 3)), (_x(2, 12, 9),)),
    "Hardsigmoid": (lambda: nn.Hardsigmoid(), (_x(3, 4) * 4,)),
    "Identity": (lambda: nn.Identity(), (_x(3, 4),)),
    "LazyBatchNorm1d": (lambda: nn.LazyBatchNorm1d(), (_x(4, 3),)),
    "LazyBatchNorm2d": (lambda: nn.LazyBatchNorm2d(), (_x(4, 3, 2, 2),)),
    "LazyBatchNorm3d": (lambda: nn.LazyBatchNorm3d(), (_x(4, 3, 2, 2, 2),)),
    "LazyInstanceNorm1d": (lambda: nn.LazyInstanceNorm1d(), (_x(4, 3, 5),)),
    "LazyInstanceNorm2d": (lambda: nn.LazyInstanceNorm2d(), (_x(4, 3, 2, 2),)),
    "LazyInstanceNorm3d": (lambda: nn.LazyInstanceNorm3d(), (_x(4, 3, 2, 2, 2),)),
    "LazyLinear": (lambda: nn.LazyLinear(2), (_x(4, 3),)),
    "MaxUnpool1d": (lambda: nn.MaxUnpool1d(2), (_x(1, 2, 2), pellucid.tensor([[[1, 2], [0, 3]]]))),
    "MaxUnpool2d": (lambda: nn.MaxUnpool2d(2), (_x(1, 1, 2, 2), pellucid.tensor([[[[1, 6], [8, 15]]]]))),
    "MaxUnpool3d": (lambda: nn.MaxUnpool3d(2), (_x(1, 1, 1, 1, 2), pellucid.tensor([[[[[1, 14]]]]]))),
    "NLLLoss2d": (lambda: nn.NLLLoss2d(), (_x(2, 3, 4, 4), pellucid.randint(0, 3, (2, 4, 4)))),
    "PairwiseDistance": (lambda: nn.PairwiseDistance(), (_x(4, 5), _x(4, 5))),
    "PixelShuffle": (lambda: nn.PixelShuffle(2), (_x(2, 8, 3, 3),)),
    "PixelUnshuffle": (lambda: nn.PixelUnshuffle(2), (_x(2, 2, 4, 4),)),
    "RReLU": (lambda: nn.RReLU(), (_x(3, 4),)),
    "Sequential": (lambda: nn.Sequential(nn.Linear(3, 4), nn.ReLU(), nn.Linear(4, 2)), (_x(5, 3),)),
    "SyncBatchNorm": (lambda: nn.SyncBatchNorm(3), (_x(4, 3, 2),)),
    "TransformerDecoder": (
        lambda: nn.TransformerDecoder(nn.TransformerDecoderLayer(4, 2, 8, batch_first=True), 2),
        (_x(2, 3, 4), _x(2, 5, 4)),
    ),
    "TripletMarginLoss": (lambda: nn.TripletMarginLoss(), (_x(4, 5), _x(4, 5), _x(4, 5))),
    "TripletMarginWithDistanceLoss": (lambda: nn.TripletMarginWithDistanceLoss(), (_x(4, 5), _x(4, 5), _x(4, 5))),
    "Unflatten": (lambda: nn.Unflatten(1, (2, 3)), (_x(4, 6),)),
    "Unfold": (lambda: nn.Unfold((2, 3), padding=1), (_x(2, 3, 5, 6),)),
    "Upsample": (lambda: nn.Upsample(scale_factor=2, mode="bilinear"), (_x(2, 3, 4, 5),)),
    "UpsamplingBilinear2d": (lambda: nn.UpsamplingBilinear2d(scale_factor=2), (_x(2, 3, 4, 5),)),
    "UpsamplingNearest2d": (lambda: nn.UpsamplingNearest2d(scale_factor=2), (_x(2, 3, 4, 5),)),
}
# Containers and bases, which have no forward of their own.
FORMS = {"Module", "ModuleDict", "ModuleList", "ParameterDict", "ParameterList", "RNNBase", "RNNCellBase"}


def _pytorch_table() -> list[str]:
    from tests.moduleinfo.compare import MODULES

    return [name.removeprefix("nn.") for name in MODULES]


NAMES = sorted({*_pytorch_table(), *MORE})


def cases(name: str) -> Iterator[tuple[Any, tuple[Any, ...], dict[str, Any]]]:
    """Modules of a class with the arguments of a call: those of PyTorch's own table, or of the one above."""
    if name in MORE:
        make, args = MORE[name]
        pellucid.manual_seed(0)
        yield make(), args, {}
        return
    from tests.moduleinfo.compare import MODULES, _Converter, counterpart, inputs

    info = MODULES[f"nn.{name}"]
    convert = _Converter(pellucid)
    made: Any = counterpart(info, pellucid)
    for sample in inputs(info, "float32", False):
        if sample.forward_input is not None:
            given, forward = sample.constructor_input, sample.forward_input
            pellucid.manual_seed(0)
            yield made(*convert(given.args), **convert(given.kwargs)), convert(forward.args), convert(forward.kwargs)


def written(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **how: Any) -> Any:
    """The model's export, whose answer by onnxruntime is the model's."""
    model.eval()
    with pellucid.no_grad():
        wanted = [tensor.detach().numpy() for _, tensor in leaves(model(*args, **kwargs))]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was read in Python while exporting")
        exported = export(model, args, kwargs=kwargs, **how)
    assert difference(exported, [tensor.detach().numpy() for _, tensor in leaves(args)], wanted) <= BOUND
    return exported


def test_every_layer_has_a_row() -> None:
    layers = {
        name
        for name, layer in inspect.getmembers(nn, inspect.isclass)
        if issubclass(layer, nn.Module) and name not in FORMS
    }
    assert layers == set(NAMES)


def test_every_op_is_written_or_refused_with_a_reason() -> None:
    import pellucid.optim  # noqa: F401  its formulas are ops
    from pellucid.declare import TABLE

    ours = {name for name, op in TABLE.items() if op.forward.__module__.startswith("pellucid.")}
    known = {*CONVERTERS, *OPS}
    assert {name for name in ours if name not in known and name.removesuffix("_") not in known} == set()
    assert {name for name in known if name not in ours} == set()
    assert not set(CONVERTERS) & set(OPS)


@pytest.mark.parametrize("name", sampled(NAMES, 24))
def test_every_layer_is_written_and_answers_the_same(name: str) -> None:
    count = 0
    for model, args, kwargs in cases(name):
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            model(*args, **kwargs)  # lazy layers learn their sizes
            written(model, args, kwargs)
        count += 1
    assert count


# --- axes of any size -------------------------------------------------------------------------------------------------


class Net(nn.Module):
    """Pictures to scores; the second output is the mean of the features, by functions alone."""

    def __init__(self) -> None:
        super().__init__()
        self.conv, self.norm, self.head = nn.Conv2d(1, 4, 3), nn.BatchNorm2d(4), nn.Linear(36, 5)

    def forward(self, picture: Any) -> Any:
        x = pellucid.max_pool2d(self.norm(self.conv(picture)).relu(), 2)
        x = x.view(x.size(0), -1)
        return self.head(x).log_softmax(1), {"mean": x.mean(0), "rows": x / x.shape[0]}


class Tagger(nn.Module):
    """A transformer and an LSTM over words, with positions."""

    def __init__(self) -> None:
        super().__init__()
        self.words, self.places = nn.Embedding(11, 8), nn.Embedding(16, 8)
        self.block = nn.TransformerEncoderLayer(8, 2, 16, batch_first=True)
        self.recurrent = nn.LSTM(8, 6, 2, batch_first=True, bidirectional=True)

    def forward(self, words: Any) -> Any:
        x = self.words(words) + self.places(pellucid.arange(words.shape[1]))
        future = pellucid.ones(words.shape[1], words.shape[1]).triu(1).bool()
        return self.recurrent(self.block(x, src_mask=future))[0]


DYNAMIC: list[tuple[str, Any, tuple[Any, ...], Any, tuple[Any, ...]]] = [
    ("linear", lambda: nn.Linear(3, 2), (_x(1, 3),), {"input": {0: "batch"}}, (_x(7, 3),)),
    ("pictures", Net, (_x(1, 1, 8, 8),), {"picture": {0: "batch"}}, (_x(6, 1, 8, 8),)),
    (
        "words", Tagger, (pellucid.randint(0, 11, (2, 4)),), {"words": {0: "batch", 1: "time"}},
        (pellucid.randint(0, 11, (3, 9)),),
    ),
    ("gru", lambda: nn.GRU(3, 4, bidirectional=True), (_x(5, 2, 3),), {"input": [0, 1]}, (_x(8, 3, 3),)),
    ("convolution", lambda: nn.Conv2d(2, 3, 3, stride=2), (_x(1, 2, 8, 8),), {"input": [0, 2, 3]}, (_x(2, 2, 11, 9),)),
    ("attention", lambda: nn.MultiheadAttention(4, 2, batch_first=True), (_x(2, 3, 4),) * 3,
     {name: {0: "batch", 1: "time"} for name in ("query", "key", "value")}, (_x(5, 6, 4),) * 3),
]  # fmt: skip


@pytest.mark.parametrize(("make", "args", "axes", "other"), [pytest.param(*row[1:], id=row[0]) for row in DYNAMIC])
def test_a_dynamic_axis_takes_other_sizes(make: Any, args: Any, axes: Any, other: Any) -> None:
    pellucid.manual_seed(0)
    model = make()
    exported = written(model, args, {}, dynamic_axes=axes)
    with pellucid.no_grad():
        wanted = [tensor.detach().numpy() for _, tensor in leaves(model(*other))]
    assert difference(exported, [tensor.numpy() for tensor in other], wanted) <= BOUND


def _refusal(forward: Any, *args: Any, **how: Any) -> str:
    model = type("Model", (nn.Module,), {"forward": lambda self, x: forward(x)})()
    with pytest.raises(OnnxExporterError) as raised:
        export(model, args or (_x(3, 4),), **how)
    return str(raised.value)


BATCH = {"dynamic_axes": {"x": {0: "batch"}}}
REFUSED = [
    ("random", lambda x: x + pellucid.randn_like(x), {}, ("randn_like has no ONNX form: it draws", "test_onnx.py:")),
    ("special", lambda x: pellucid.lgamma(x), {}, ("lgamma has no ONNX form", "special function")),
    ("decomposition", lambda x: pellucid.linalg.svdvals(x), {}, ("svdvals has no ONNX form", "decompositions")),
    ("loop", lambda x: sum(row for row in x), BATCH, ("which ops run depends on the size", "Leave that axis out")),
    ("constant", lambda x: x + pellucid.tensor(list(range(len(x))))[:, None], BATCH, ("that Python made", "arange")),
    ("rounded size", lambda x: x[: len(x) // 2], BATCH, ("depends on the size of a dynamic axis", "part's key")),
    ("memory", lambda x: _written_into(x * 1), {}, ("changed through another tensor", "ONNX has no shared memory")),
    ("no tensor", lambda x: 3, {}, ("returned int",)),
    ("opset", lambda x: x, {"opset_version": 12}, ("opset 12 was asked for; pellucid writes 18 to 23",)),
    ("axis", lambda x: x, {"dynamic_axes": {"y": {0: "n"}}}, ("dynamic_axes names 'y', and the inputs are ['x']",)),
    ("axis number", lambda x: x, {"dynamic_axes": {"x": {2: "n"}}}, ("axis 2 of 'x', which has the shape (3, 4)",)),
    ("names", lambda x: x, {"input_names": ["a", "b"]}, ("1 tensors are given",)),
]  # fmt: skip


def _written_into(x: Any) -> Any:
    x[0] = 0
    return x


@pytest.mark.parametrize(("forward", "how", "parts"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_has_no_form_is_refused_by_name(forward: Any, how: Any, parts: Any) -> None:
    said = _refusal(forward, **how)
    for part in parts:
        assert part in said, said


def test_the_layer_without_a_form_is_named() -> None:
    class Drawn(nn.Module):
        def forward(self, input: Any) -> Any:
            return pellucid.dropout(input, 0.5, True)

    with pytest.raises(OnnxExporterError, match=r"the layer '1' \(Drawn\)"):
        export(nn.Sequential(nn.Linear(4, 4), Drawn()), _x(3, 4))


def test_a_value_read_in_python_is_warned_of() -> None:
    class Branch(nn.Module):
        def forward(self, x: Any) -> Any:
            return x if x.sum() > 0 else -x

    with pytest.warns(
        UserWarning, match=r"read in Python while exporting \(Branch, .*test_onnx.py:\d+, in forward: return x if"
    ):
        export(Branch(), _x(3, 4))


@pytest.mark.parametrize("opset", [18, 20, 23])
def test_the_opset_is_named_in_file_and_text(opset: int, tmp_path: Any) -> None:
    import onnx

    exported = export(Net(), _x(1, 1, 8, 8), tmp_path / "net.onnx", opset_version=opset, verify=True)
    assert f"net.onnx: ONNX opset {opset}, " in repr(exported)
    assert [entry.version for entry in onnx.load(str(tmp_path / "net.onnx")).opset_import] == [opset]


def test_exporting_leaves_the_model_as_it_was() -> None:
    model = nn.Sequential(nn.Linear(4, 4), nn.BatchNorm1d(4), nn.Dropout())
    model[1].eval()
    before = {name: tensor.clone() for name, tensor in model.state_dict().items()}
    export(model, _x(3, 4))
    assert [module.training for module in model.modules()] == [True, True, False, True]
    assert all((tensor == before[name]).all() for name, tensor in model.state_dict().items())


def test_a_program_for_pytorch_exports_by_its_names(tmp_path: Any) -> None:
    from pellucid.bridge.torch import onnx

    assert onnx.export is export
    with open(tmp_path / "linear.onnx", "wb") as file:
        program = onnx.export(nn.Linear(3, 2), (_x(4, 3),), file, export_params=True, do_constant_folding=True)
    assert (tmp_path / "linear.onnx").read_bytes() == program.model_proto.SerializeToString()
