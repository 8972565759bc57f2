"""ONNX: every layer of nn written, checked by onnx and run by onnxruntime; read back, it trains."""

import inspect
import warnings
from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn
from tests.sampled import sampled

pytest.importorskip("onnx", reason='ONNX files need the package onnx: pip install "pellucid[onnx]"')
pytest.importorskip("onnxruntime", reason='ONNX files are run by onnxruntime: pip install "pellucid[onnx]"')

from pellucid.onnx import OnnxExporterError, OnnxLoadError, difference, export, load
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
    samples = inputs(info, "float32", False)
    for sample in samples[:: 1 + len(samples) // 20]:  # of the hundreds that one layer has, those that lie apart
        if sample.forward_input is not None:
            given, forward = sample.constructor_input, sample.forward_input
            pellucid.manual_seed(0)
            yield made(*convert(given.args), **convert(given.kwargs)), convert(forward.args), convert(forward.kwargs)


def written(model: Any, args: tuple[Any, ...], kwargs: dict[str, Any], **how: Any) -> Any:
    """The model's export, whose answers by onnxruntime and by `load` are the model's."""
    model.eval()
    with pellucid.no_grad():
        wanted = [tensor.detach().numpy() for _, tensor in leaves(model(*args, **kwargs))]
    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", ".*was read in Python while exporting")
        exported = export(model, args, kwargs=kwargs, **how)
    assert difference(exported, [tensor.detach().numpy() for _, tensor in leaves(args)], wanted) <= BOUND
    with pellucid.no_grad():
        again = [tensor for _, tensor in leaves(load(exported.proto)(*[tensor for _, tensor in leaves(args)]))]
    for ours, theirs in zip(wanted, again, strict=True):
        np.testing.assert_allclose(
            theirs.detach().numpy(), ours, rtol=BOUND, atol=BOUND * max(1.0, np.abs(ours).max(initial=0))
        )
    return exported


def test_every_layer_of_pytorchs_has_a_row() -> None:
    theirs = set(dir(pytest.importorskip("torch").nn))
    layers = {
        name
        for name, layer in inspect.getmembers(nn, inspect.isclass)
        if issubclass(layer, nn.Module) and name not in FORMS and name in theirs
    }
    assert layers == set(NAMES)


def test_every_op_is_written_or_refused_with_a_reason() -> None:
    from pellucid.declare import TABLE

    places = {name: op.forward.__module__ for name, op in TABLE.items()}
    # No layer applies the formula of an optimiser.
    ours = {
        name
        for name, place in places.items()
        if place.startswith("pellucid.") and not place.startswith("pellucid.optim.")
    }
    known = {*CONVERTERS, *OPS}
    assert {name for name in ours if name not in known and name.removesuffix("_") not in known} == set()
    assert {name for name in known if name not in ours} == set()
    assert not set(CONVERTERS) & set(OPS)


@pytest.mark.filterwarnings("ignore")  # of the layers: deprecated, of no elements, nested tensors
@pytest.mark.parametrize("name", sampled(NAMES, 30))
def test_every_layer_is_written_and_answers_the_same(name: str) -> None:
    count = 0
    for model, args, kwargs in cases(name):
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
    ("mean over a part of a window", lambda: nn.Sequential(nn.Conv2d(3, 3, 1), nn.AvgPool2d(3, 2, 1, True, False)),
     (_x(2, 3, 8, 7),), {"input": {0: "batch"}}, (_x(5, 3, 8, 7),)),
    *((f"bags, {mode}", lambda mode=mode: nn.EmbeddingBag(10, 3, mode=mode), (pellucid.tensor([[1, 2, 4], [4, 3, 9]]),),
       {"input": {0: "batch", 1: "words"}}, (pellucid.randint(0, 10, (5, 4)),)) for mode in ("sum", "mean", "max")),
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
    ("size", lambda x: x @ pellucid.ones(4, 2), {"dynamic_axes": {"x": {1: "n"}}}, ("takes no axis 'n' of 5", "leave")),
]  # fmt: skip


def _written_into(x: Any) -> Any:
    x[0] = 0
    return x


@pytest.mark.parametrize(("forward", "how", "parts"), [pytest.param(*row[1:], id=row[0]) for row in REFUSED])
def test_what_has_no_form_is_refused_by_name(forward: Any, how: Any, parts: Any) -> None:
    said = _refusal(forward, **how)
    for part in parts:
        assert part in said, said


WRONG: list[tuple[Any, Any, Any, dict[str, Any], type[Exception], str]] = [
    (abs, _x(2), None, {}, TypeError, "writes a Module, and was given a builtin_function_or_method"),
    (nn.ReLU(), np.ones(3), None, {}, TypeError, r"an array of shape \(3,\), .*torch.from_numpy"),
    (nn.ReLU(), _x(2), None, {"opset": 18}, TypeError, "no setting opset"),
    (nn.ReLU(), _x(2), "absent/relu.onnx", {}, FileNotFoundError, "there is no folder absent"),
    (nn.ReLU(), _x(2), ".", {}, IsADirectoryError, r"\. is a folder"),
    (nn.Bilinear(2, 2, 2), (_x(1, 2), _x(1, 2)), None, {"input_names": ["a", "a"]}, OnnxExporterError, "of its own"),
    (nn.Linear(2, 2).bfloat16(), _x(1, 2).bfloat16(), None, {}, OnnxExporterError, r"model\.float\(\)"),
    (nn.Conv1d(2, 2, 1).double(), _x(1, 2, 3).double(), None, {"verify": True}, OnnxExporterError, "cannot run it"),
    (nn.Embedding(4, 2, max_norm=1.0), pellucid.tensor([1]), None, {}, OnnxExporterError, "in place, .*max_norm"),
]


@pytest.mark.parametrize(("model", "args", "path", "how", "kind", "said"), WRONG)
def test_a_wrong_call_is_refused(model: Any, args: Any, path: Any, how: Any, kind: type[Exception], said: str) -> None:
    with pytest.raises(kind, match=said):
        export(model, args, path, **how)


def test_dynamic_shapes_are_dynamic_axes_in_another_form() -> None:
    args = _x(1, 2), _x(1, 3)
    model = nn.Bilinear(2, 3, 2)
    wanted = export(model, args, dynamic_axes={"input1": {0: "batch"}, "input2": {0: "batch"}}).proto
    named = {"input1": {0: "batch"}, "input2": {0: type("batch", (), {})}}
    for shapes in (named, tuple(named.values()), [("batch", None), ["batch", 3]]):
        assert export(model, args, dynamic_shapes=shapes).proto == wanted
    assert "input float32 (input_dim_0, 2)" in repr(export(nn.ReLU(), _x(3, 2), dynamic_shapes=[{0: object()}]))


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


# --- read back --------------------------------------------------------------------------------------------------------


def _same_gradients(model: Any, read: Any, args: tuple[Any, ...]) -> None:
    for each in (model, read):
        pellucid.manual_seed(3)
        total: Any = 0
        for _, tensor in leaves(each(*args)):
            total = total + (tensor * pellucid.randn(*tensor.shape)).sum()
        total.backward()
    theirs = dict(read.named_parameters())
    for name, parameter in model.named_parameters():
        wanted = parameter.grad.numpy()
        np.testing.assert_allclose(
            theirs[name].grad.numpy(), wanted, rtol=1e-4, atol=2e-5 * max(1, np.abs(wanted).max())
        )


@pytest.mark.parametrize(("make", "args", "axes", "other"), [pytest.param(*row[1:], id=row[0]) for row in DYNAMIC])
def test_what_is_read_has_the_names_and_gradients_of_the_model(make: Any, args: Any, axes: Any, other: Any) -> None:
    pellucid.manual_seed(0)
    model = make().eval()
    read = load(export(model, args, dynamic_axes=axes).proto)
    state = {name: tensor for name, tensor in model.state_dict().items() if not name.endswith("num_batches_tracked")}
    assert {name: tensor.shape for name, tensor in read.state_dict().items()} == {
        name: tensor.shape for name, tensor in state.items()
    }
    assert {name for name, _ in read.named_buffers()} <= {name for name, _ in model.named_buffers()}
    _same_gradients(model, read, other)


def test_what_is_read_can_be_trained_and_written_again(tmp_path: Any) -> None:
    pellucid.manual_seed(0)
    export(nn.Sequential(nn.Linear(4, 8), nn.Tanh(), nn.Linear(8, 1)), _x(2, 4), tmp_path / "net.onnx",
           dynamic_axes={"input": {0: "batch"}})  # fmt: skip
    read = load(tmp_path / "net.onnx")
    x = _x(32, 4)
    y = x.sum(1, keepdim=True)
    optimizer = pellucid.optim.Adam(read.parameters(), lr=0.05)
    first = last = 0.0
    for step in range(30):
        loss = ((read(x) - y) ** 2).mean()
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        first, last = loss.item() if step == 0 else first, loss.item()
    assert last < 0.2 * first
    written(read, (x,), {}, dynamic_axes={"input": {0: "batch"}})


def test_files_of_pytorch_are_read() -> None:
    """Graphs as other writers make them: nodes that `export` does not write, against onnxruntime."""
    from onnx import TensorProto, helper, numpy_helper
    from onnxruntime import InferenceSession

    rng = np.random.default_rng(0)
    weights = {
        "w": rng.normal(size=(4, 2, 3, 3)), "scale": rng.normal(size=4), "shift": rng.normal(size=4),
        "mean": rng.normal(size=4), "var": rng.uniform(1, 2, 4), "head": rng.normal(size=(4, 3)), "low": np.array(0.0),
        "six": np.array(6.0),
    }  # fmt: skip
    nodes = [
        helper.make_node("Conv", ["x", "w"], ["a"], auto_pad="SAME_UPPER", strides=[2, 2]),
        helper.make_node("BatchNormalization", ["a", "scale", "shift", "mean", "var"], ["b"]),
        helper.make_node("Clip", ["b", "low", "six"], ["c"]),
        helper.make_node("MaxPool", ["c"], ["d"], kernel_shape=[2, 2], pads=[0, 0, 1, 1]),
        helper.make_node("InstanceNormalization", ["d", "scale", "shift"], ["e"]),
        helper.make_node("HardSigmoid", ["e"], ["f"]),
        helper.make_node("GlobalAveragePool", ["f"], ["g"]),
        helper.make_node("Flatten", ["g"], ["h"]),
        helper.make_node("Gemm", ["h", "head"], ["i"], alpha=0.5),
        helper.make_node("Dropout", ["i"], ["y"]),
    ]
    graph = helper.make_graph(
        nodes, "other",
        [helper.make_tensor_value_info("x", TensorProto.FLOAT, [1, 2, 7, 7])],
        [helper.make_tensor_value_info("y", TensorProto.FLOAT, [1, 3])],
        [numpy_helper.from_array(value.astype(np.float32), name) for name, value in weights.items()],
    )  # fmt: skip
    proto = helper.make_model(graph, opset_imports=[helper.make_opsetid("", 17)], ir_version=8)
    x = rng.normal(size=(1, 2, 7, 7)).astype(np.float32)
    session = InferenceSession(proto.SerializeToString(), providers=["CPUExecutionProvider"])
    read = load(proto)
    wanted: Any = session.run(None, {"x": x})[0]
    np.testing.assert_allclose(read(pellucid.from_numpy(x)).detach().numpy(), wanted, atol=1e-5)
    assert sorted(name for name, _ in read.named_parameters()) == ["head", "scale", "shift", "w"]
    assert sorted(name for name, _ in read.named_buffers()) == ["mean", "var"]


def test_what_is_not_read_is_refused_by_name(tmp_path: Any) -> None:
    from onnx import TensorProto, helper

    def graph(*nodes: Any) -> Any:
        info = helper.make_tensor_value_info
        made = helper.make_graph(
            list(nodes), "g", [info("x", TensorProto.FLOAT, [2])], [info("y", TensorProto.FLOAT, [2])]
        )
        return helper.make_model(made)

    with pytest.raises(
        OnnxLoadError, match=r"the operator MelWeightMatrix \(node 'first'\) is not one that pellucid reads"
    ):
        load(graph(helper.make_node("MelWeightMatrix", ["x"], ["y"], name="first")))
    (tmp_path / "text.onnx").write_text("no model")
    with pytest.raises(OnnxLoadError, match=r"text.onnx is no ONNX file"):
        load(tmp_path / "text.onnx")
    with pytest.raises(OnnxLoadError, match="there is no file"):
        load(tmp_path / "absent.onnx")


# --- the command line -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "name"),
    [
        (["digits", "--model", "mlp:8"], "input"),
        pytest.param(["digits", "--model", "resnet"], "input", marks=pytest.mark.slow),
        pytest.param(["{text}", "--model", "lstm:16"], "characters", marks=pytest.mark.slow),
        pytest.param(["{text}", "--model", "transformer:16,1"], "characters", marks=pytest.mark.slow),
    ],
)
def test_the_network_of_a_run_is_written(words: list[str], name: str, tmp_path: Any) -> None:
    import json

    import onnx
    from typer.testing import CliRunner

    from pellucid.cli.program import app

    (tmp_path / "text.txt").write_text("anna\nbob\nemma\nolivia\nava\nmia\n" * 40)
    words = [word.format(text=tmp_path / "text.txt") for word in words]
    run, file = tmp_path / "run", tmp_path / "net.onnx"
    trained = CliRunner().invoke(app, ["train", *words, "--epochs", "1", "--quiet", "--no-report", "--out", str(run)])
    assert trained.exit_code == 0, trained.output
    answer = CliRunner().invoke(app, ["export", str(run), "--onnx", str(file)])
    assert answer.exit_code == 0, answer.output
    assert "ONNX opset 18" in answer.output
    assert "onnxruntime's answer differs from the network's by" in answer.output
    proto = onnx.load(str(file))
    about = {entry.key: entry.value for entry in proto.metadata_props}
    assert json.loads(about["classes"])
    assert proto.graph.input[0].name == name
    assert proto.graph.input[0].type.tensor_type.shape.dim[0].dim_param == "batch"
    refused = CliRunner().invoke(app, ["export", str(run), "--opset", "12"])
    assert refused.exit_code
    assert "--opset is 12; it must be a whole number from 18 to 23." in " ".join(refused.output.split())
