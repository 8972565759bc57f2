"""Layers, losses and initialisers, a row for each, against PyTorch: weights, text, results, gradients, buffers."""

import inspect
import warnings
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn
from pellucid.core import Tensor

torch = pytest.importorskip("torch")

# An input is a shape (normal numbers), or ("int", high, shape), ("sign", shape), ("prob", shape), ("pos", shape).
IMAGE = (2, 4, 8, 7)
LINE = (2, 4, 9)
ROWS_OF = (5, 6)
Row = tuple[tuple[Any, ...], dict[str, Any], list[Any]]

SAME = [ROWS_OF, ROWS_OF]
LAYERS: dict[str, list[Row]] = {
    "Identity": [((1,), {"a": 2}, [ROWS_OF])],
    "Linear": [((6, 3), {}, [ROWS_OF]), ((6, 3), {"bias": False}, [(2, 5, 6)]), ((6, 3), {"dtype": "float64"}, [(6,)])],
    "Bilinear": [((6, 4, 3), {}, [ROWS_OF, (5, 4)]), ((6, 4, 3), {"bias": False}, [(2, 5, 6), (2, 5, 4)])],
    "Conv1d": [
        ((4, 6, 3), {}, [LINE]),
        ((4, 6, 3), {"stride": 2, "padding": 1, "dilation": 2, "groups": 2, "bias": False}, [LINE]),
        ((4, 6, 4), {"padding": "same", "padding_mode": "reflect"}, [LINE]),
    ],
    "Conv2d": [
        ((4, 6, 3), {}, [IMAGE]),
        ((4, 6, (3, 2)), {"stride": (2, 1), "padding": (1, 0), "dilation": 2, "groups": 2}, [IMAGE]),
        ((4, 6, 3), {"padding": "same"}, [IMAGE]),
        ((4, 6, 3), {"padding": "valid", "bias": False}, [(4, 8, 7)]),
        ((4, 6, 3), {"padding": (1, 2), "padding_mode": "circular"}, [IMAGE]),
        ((4, 6, 3), {"padding": 1, "padding_mode": "replicate"}, [IMAGE]),
    ],
    "MaxPool1d": [((2,), {}, [LINE]), ((3,), {"stride": 2, "padding": 1, "ceil_mode": True}, [LINE])],
    "MaxPool2d": [
        ((2,), {}, [IMAGE]),
        (((3, 2),), {"stride": (2, 1), "padding": 1, "dilation": (1, 2)}, [IMAGE]),
        ((3,), {"stride": 2, "ceil_mode": True, "return_indices": True}, [IMAGE]),
    ],
    "AvgPool1d": [((2,), {}, [LINE]), ((3,), {"stride": 2, "padding": 1, "count_include_pad": False}, [LINE])],
    "AvgPool2d": [
        ((2,), {}, [IMAGE]),
        (((3, 2),), {"stride": (2, 1), "padding": 1, "ceil_mode": True}, [IMAGE]),
        ((3,), {"divisor_override": 5}, [IMAGE]),
    ],
    "AdaptiveAvgPool2d": [((1,), {}, [IMAGE]), (((3, None),), {}, [IMAGE]), (((5, 3),), {}, [(4, 8, 7)])],
    "Flatten": [((), {}, [IMAGE]), ((0, 1), {}, [IMAGE])],
    "Unflatten": [((1, (2, 2)), {}, [IMAGE]), ((2, (-1, 3)), {}, [LINE])],
    "Embedding": [
        ((10, 3), {}, [("int", 10, (4, 2))]),
        ((10, 3), {"padding_idx": 2}, [("int", 10, (30,))]),
        ((10, 3), {"max_norm": 1.0}, [("int", 10, (4, 2))]),  # the op embedding_renorm_
        ((10, 3), {"max_norm": 1.0, "norm_type": 1.0, "padding_idx": 0}, [("int", 10, (4, 2))]),
        ((10, 3, -1), {"scale_grad_by_freq": True}, [("int", 10, (30,))]),
    ],
    "Dropout": [((), {}, [IMAGE]), ((0.2,), {"inplace": True}, [IMAGE]), ((0.0,), {}, [LINE]), ((1.0,), {}, [LINE])],
    "Dropout1d": [((0.3,), {}, [LINE]), ((0.3,), {}, [(4, 9)])],
    "Dropout2d": [((0.3,), {}, [IMAGE])],
    "BatchNorm1d": [
        ((6,), {}, [ROWS_OF]),
        ((4,), {"eps": 1e-3, "momentum": None, "bias": False}, [LINE]),
        ((6,), {"affine": False, "track_running_stats": False}, [ROWS_OF]),
    ],
    "BatchNorm2d": [((4,), {}, [IMAGE]), ((4,), {"momentum": 0.5, "affine": False}, [IMAGE])],
    "LayerNorm": [
        ((7,), {}, [IMAGE]),
        (((8, 7),), {"eps": 1e-3}, [IMAGE]),
        ((7,), {"bias": False}, [IMAGE]),
        (([8, 7],), {"elementwise_affine": False}, [IMAGE]),
    ],
    "RMSNorm": [((7,), {}, [IMAGE]), (((8, 7),), {"eps": 1e-3, "elementwise_affine": False}, [IMAGE])],
    "GroupNorm": [((2, 4), {}, [IMAGE]), ((4, 4), {"affine": False}, [LINE]), ((1, 4), {"bias": False}, [(2, 4)])],
    "CELU": [((), {}, [ROWS_OF]), ((0.5,), {"inplace": True}, [ROWS_OF])],
    "ELU": [((), {}, [ROWS_OF]), ((0.5,), {"inplace": True}, [ROWS_OF])],
    "GELU": [((), {}, [ROWS_OF]), (("tanh",), {}, [ROWS_OF])],
    "GLU": [((), {}, [ROWS_OF]), ((1,), {}, [IMAGE])],
    "Hardshrink": [((), {}, [ROWS_OF]), ((0.1,), {}, [ROWS_OF])],
    "Hardsigmoid": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "Hardswish": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "Hardtanh": [((), {}, [ROWS_OF]), ((-0.5, 0.2), {"inplace": True}, [ROWS_OF])],
    "LeakyReLU": [((), {}, [ROWS_OF]), ((0.2,), {"inplace": True}, [ROWS_OF])],
    "LogSigmoid": [((), {}, [ROWS_OF])],
    "LogSoftmax": [((1,), {}, [ROWS_OF]), ((), {"dim": -2}, [IMAGE])],
    "Mish": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "PReLU": [((), {}, [ROWS_OF]), ((4, 0.1), {}, [IMAGE])],
    "ReLU": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "ReLU6": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "SELU": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "SiLU": [((), {}, [ROWS_OF]), ((True,), {}, [ROWS_OF])],
    "Sigmoid": [((), {}, [ROWS_OF])],
    "Softmax": [((1,), {}, [ROWS_OF]), ((), {"dim": -2}, [IMAGE])],
    "Softmin": [((1,), {}, [ROWS_OF])],
    "Softplus": [((), {}, [ROWS_OF]), ((3.0, 1.0), {}, [ROWS_OF])],
    "Softshrink": [((), {}, [ROWS_OF]), ((0.1,), {}, [ROWS_OF])],
    "Softmax2d": [((), {}, [IMAGE]), ((), {}, [(4, 8, 7)])],
    "RReLU": [((), {}, [ROWS_OF]), ((0.1, 0.3, True), {}, [ROWS_OF])],
    "BatchNorm3d": [((4,), {}, [(2, 4, 3, 2, 2)]), ((4,), {"affine": False}, [(2, 4, 3, 2, 2)])],
    "Dropout3d": [((0.3,), {}, [(2, 4, 3, 2, 2)])],
    "AlphaDropout": [((0.3,), {}, [ROWS_OF])],
    "AdaptiveAvgPool1d": [((1,), {}, [LINE]), ((3,), {}, [LINE])],
    "AdaptiveMaxPool2d": [((2,), {}, [IMAGE]), (((3, None),), {"return_indices": True}, [IMAGE])],
    "CosineSimilarity": [((), {}, SAME), ((0,), {"eps": 0.1}, SAME)],
    "PairwiseDistance": [((), {}, SAME), ((1.0,), {"keepdim": True}, SAME)],
    "PixelShuffle": [((2,), {}, [IMAGE])],
    "PixelUnshuffle": [((2,), {}, [(2, 3, 4, 6)])],
    "ChannelShuffle": [((2,), {}, [IMAGE])],
    "Unfold": [((2,), {}, [IMAGE]), (((3, 2), 1, 1, 2), {}, [IMAGE])],
    "Fold": [(((4, 5), 2), {}, [(2, 12, 12)]), (((4, 5), (2, 3), 1, 1, 2), {}, [(2, 12, 9)])],
    **{
        f"{kind}{rank}d": [((1, *value), {}, [shape]), ((tuple(range(2 * rank)), *value), {}, [shape])]
        for kind, value in (
            ("ZeroPad", ()),
            ("ConstantPad", (0.5,)),
            ("ReflectionPad", ()),
            ("ReplicationPad", ()),
            ("CircularPad", ()),
        )
        for rank, shape in ((1, (2, 3, 7)), (2, (2, 3, 7, 6)), (3, (1, 2, 7, 6, 8)))
    },
    "Upsample": [
        ((), {"scale_factor": 2}, [IMAGE]),
        ((5,), {"mode": "linear", "align_corners": True}, [LINE]),
        (((6, 4),), {"mode": "bicubic"}, [IMAGE]),
    ],
    "UpsamplingNearest2d": [((), {"scale_factor": (2, 3)}, [IMAGE])],
    "UpsamplingBilinear2d": [(((5, 6),), {}, [IMAGE])],
    "Softsign": [((), {}, [ROWS_OF])],
    "Tanh": [((), {}, [ROWS_OF])],
    "Tanhshrink": [((), {}, [ROWS_OF])],
    "Threshold": [((0.1, 20.0), {}, [ROWS_OF]), ((0.1, 20.0, True), {}, [ROWS_OF])],
}

CLASSES = ("int", 6, (5,))
WEIGHT6 = np.array([0.5, 1.0, 2.0, 0.1, 0.0, 3.0], np.float32)
LOSSES: dict[str, list[Row]] = {
    "MSELoss": [((), {}, SAME)],
    "L1Loss": [((), {}, SAME)],
    "SmoothL1Loss": [((), {}, SAME), ((), {"beta": 0.3}, SAME), ((), {"beta": 0.0}, SAME)],
    "HuberLoss": [((), {}, SAME), ((), {"delta": 0.3}, SAME)],
    "CrossEntropyLoss": [
        ((), {}, [ROWS_OF, CLASSES]),
        ((), {"ignore_index": 2, "label_smoothing": 0.1}, [ROWS_OF, CLASSES]),
        ((WEIGHT6,), {}, [ROWS_OF, CLASSES]),
        ((WEIGHT6,), {"label_smoothing": 0.2, "ignore_index": 1}, [ROWS_OF, CLASSES]),
        ((), {}, [ROWS_OF, ("prob", ROWS_OF)]),
        ((WEIGHT6,), {"label_smoothing": 0.2}, [ROWS_OF, ("prob", ROWS_OF)]),
        ((), {}, [(2, 6, 3, 4), ("int", 6, (2, 3, 4))]),
        ((), {}, [(6,), ("int", 6, ())]),
    ],
    "NLLLoss": [
        ((), {}, [ROWS_OF, CLASSES]),
        ((WEIGHT6,), {"ignore_index": 2}, [ROWS_OF, CLASSES]),
        ((), {}, [(2, 6, 3, 4), ("int", 6, (2, 3, 4))]),
    ],
    "BCELoss": [
        ((), {}, [("prob", ROWS_OF), ("prob", ROWS_OF)]),
        ((WEIGHT6,), {}, [("prob", ROWS_OF), ("bit", ROWS_OF)]),
        ((), {}, [("bit", ROWS_OF), ("bit", ROWS_OF)]),
    ],
    "BCEWithLogitsLoss": [
        ((), {}, [ROWS_OF, ("bit", ROWS_OF)]),
        ((WEIGHT6,), {"pos_weight": WEIGHT6}, [ROWS_OF, ("prob", ROWS_OF)]),
        ((), {}, [("large", ROWS_OF), ("bit", ROWS_OF)]),
    ],
    "KLDivLoss": [((), {}, [ROWS_OF, ("prob", ROWS_OF)]), ((), {"log_target": True}, SAME)],
    "HingeEmbeddingLoss": [((), {}, [ROWS_OF, ("sign", ROWS_OF)]), ((0.3,), {}, [ROWS_OF, ("sign", ROWS_OF)])],
    "MarginRankingLoss": [((0.3,), {}, [ROWS_OF, ROWS_OF, ("sign", ROWS_OF)])],
    "CosineEmbeddingLoss": [((0.3,), {}, [ROWS_OF, ROWS_OF, ("sign", (5,))]), ((), {}, [(6,), (6,), ("sign", ())])],
    "SoftMarginLoss": [((), {}, [ROWS_OF, ("sign", ROWS_OF)])],
    "MultiMarginLoss": [
        ((), {}, [ROWS_OF, CLASSES]),
        ((2, 0.5), {"weight": WEIGHT6}, [ROWS_OF, CLASSES]),
        ((), {}, [(6,), ("int", 6, ())]),
    ],
    "PoissonNLLLoss": [
        ((), {}, [ROWS_OF, ("int", 5, ROWS_OF)]),
        ((), {"log_input": False, "full": True}, [("pos", ROWS_OF), ("pos", ROWS_OF)]),
    ],
    "GaussianNLLLoss": [
        ((), {}, [ROWS_OF, ROWS_OF, ("pos", ROWS_OF)]),
        ((), {"full": True, "eps": 0.5}, [ROWS_OF, ROWS_OF, ("pos", (5, 1))]),
        ((), {}, [ROWS_OF, ROWS_OF, ("pos", (5,))]),
    ],
    "TripletMarginWithDistanceLoss": [
        ((), {}, [ROWS_OF] * 3),
        ((), {"margin": 0.5, "swap": True, "reduction": "sum"}, [ROWS_OF] * 3),
    ],
    "TripletMarginLoss": [((), {}, [ROWS_OF] * 3), ((0.5, 1.0), {"swap": True}, [ROWS_OF] * 3)],
}

CONTAINERS = {"Module", "Sequential", "ModuleList", "ModuleDict", "ParameterList", "ParameterDict"}
BASES = {"RNNBase", "RNNCellBase"}
ELSEWHERE = {  # in test_nn_images, test_nn_lazy, test_bridge*, and as part of Transformer
    "MaxUnpool1d", "MaxUnpool2d", "MaxUnpool3d", "TransformerDecoder", "LazyLinear", "DataParallel",
    *(f"Lazy{kind}Norm{rank}d" for kind in ("Batch", "Instance") for rank in (1, 2, 3)),
    # test_nn_rest
    "AdaptiveLogSoftmaxWithLoss", "CrossMapLRN2d", "EmbeddingBag", "FeatureAlphaDropout", "NLLLoss2d", "SyncBatchNorm",
}  # fmt: skip


def test_every_layer_of_pytorchs_has_a_row() -> None:
    classes = {n for n in nn.__all__ if inspect.isclass(getattr(nn, n)) and issubclass(getattr(nn, n), nn.Module)}
    classes &= set(dir(pytest.importorskip("torch").nn))
    module_db = pytest.importorskip("torch.testing._internal.common_modules").module_db
    in_torchs_table = {info.name.removeprefix("nn.") for info in module_db}  # test_moduleinfo has them
    assert classes - in_torchs_table == (set(LAYERS) | set(LOSSES) | CONTAINERS | BASES | ELSEWHERE) - in_torchs_table


def numbers(spec: Any, rng: np.random.Generator, dtype: Any = np.float32) -> np.ndarray:
    kind = spec[0] if spec and isinstance(spec[0], str) else "normal"
    shape = spec if kind == "normal" else spec[-1]
    match kind:
        case "normal":
            return np.asarray(rng.standard_normal(shape), dtype)
        case "int":
            return np.asarray(rng.integers(0, spec[1], shape))
        case "sign":
            return np.asarray(rng.choice([-1.0, 1.0], shape), dtype)
        case "bit":
            return np.asarray(rng.integers(0, 2, shape), dtype)
        case "prob":
            return np.asarray(rng.uniform(0.01, 0.99, shape), dtype)
        case "pos":
            return np.asarray(rng.uniform(0.1, 3.0, shape), dtype)
        case "large":
            return np.asarray(rng.standard_normal(shape) * 100, dtype)
    raise ValueError(kind)


def converted(library: Any, value: Any, name: str = "") -> Any:
    if isinstance(value, np.ndarray):
        return library.from_numpy(value.copy())
    return getattr(library, value) if name == "dtype" else value


def build(library: Any, name: str, row: Row) -> Any:
    args, options, _ = row
    library.manual_seed(5)
    return getattr(library.nn, name)(
        *(converted(library, value) for value in args),
        **{key: converted(library, value, key) for key, value in options.items()},
    )


def run(library: Any, module: Any, row: Row, arrays: list[np.ndarray]) -> list[Any]:
    """Result, gradients and buffers of one call and one backward, as arrays."""
    inputs = [converted(library, tensor) for tensor in arrays]
    for tensor in inputs:
        if tensor.is_floating_point():
            tensor.requires_grad_()
    library.manual_seed(6)
    # In-place layers may not change a leaf; every layer is given something computed.
    result = module(*(tensor * 1 if tensor.is_floating_point() else tensor for tensor in inputs))
    outputs = list(result) if isinstance(result, tuple) else [result]
    weights = np.random.default_rng(1).standard_normal(tuple(outputs[0].shape))
    if outputs[0].requires_grad:
        (outputs[0] * converted(library, weights.astype(str(outputs[0].dtype).split(".")[1]))).sum().backward()
    grads = [tensor.grad for tensor in [*inputs, *module.parameters()]]
    found = [tensor.detach().numpy() for tensor in outputs]
    found += [None if tensor is None else tensor.numpy() for tensor in grads]
    return found + [tensor.numpy() for tensor in module.state_dict().values()]


def close(ours: Any, theirs: Any, name: str) -> None:
    assert (ours is None) == (theirs is None), name
    if ours is not None:
        assert (ours.dtype, ours.shape) == (theirs.dtype, theirs.shape), name
        unit = np.finfo(ours.dtype).eps if ours.dtype.kind == "f" else 0
        size = max(1.0, np.abs(theirs[np.isfinite(theirs)]).max(initial=0.0))  # sums round by their largest terms
        np.testing.assert_allclose(ours, theirs, rtol=40 * unit, atol=40 * unit * size, err_msg=name)


LAYER_ROWS = [pytest.param(name, row, id=f"{name}{row[0]}{row[1]}") for name, rows in LAYERS.items() for row in rows]


@pytest.mark.parametrize(("name", "row"), LAYER_ROWS)
def test_layers_are_pytorchs(name: str, row: Row) -> None:
    ours, theirs = build(pellucid, name, row), build(torch, name, row)
    assert repr(ours) == repr(theirs)
    mine, expected = ours.state_dict(), theirs.state_dict()
    assert list(mine) == list(expected)
    assert [key for key, _ in ours.named_parameters()] == [key for key, _ in theirs.named_parameters()]
    for key, value in expected.items():
        if name == "Embedding":  # normal numbers: to one unit in the last place
            np.testing.assert_allclose(mine[key].numpy(), value.numpy(), rtol=3e-7)
            with torch.no_grad():
                value.copy_(torch.from_numpy(mine[key].numpy()))
        else:
            assert mine[key].numpy().tobytes() == value.numpy().tobytes(), key
    rng = np.random.default_rng(0)
    dtype = np.dtype(row[1].get("dtype", "float32"))
    for training in (True, False):
        ours.train(training)
        theirs.train(training)
        arrays = [numbers(spec, rng, dtype) for spec in row[2]]
        for place, (a, b) in enumerate(
            zip(run(pellucid, ours, row, arrays), run(torch, theirs, row, arrays), strict=True)
        ):
            close(a, b, f"{training=} {place}")


LOSS_ROWS = [
    pytest.param(name, row, reduction, id=f"{name} {place} {reduction}")
    for name, rows in LOSSES.items()
    for place, row in enumerate(rows)
    for reduction in ("mean", "sum", "none", *(["batchmean"] if name == "KLDivLoss" else []))
]


@pytest.mark.parametrize(("name", "row", "reduction"), LOSS_ROWS)
@pytest.mark.filterwarnings("ignore:reduction. 'mean' divides")
@pytest.mark.parametrize("dtype", [np.float32, np.float64])
def test_losses_are_pytorchs(name: str, row: Row, reduction: str, dtype: Any) -> None:
    args, options, specs = row
    args = tuple(value.astype(dtype) if isinstance(value, np.ndarray) else value for value in args)
    options = {key: value.astype(dtype) if isinstance(value, np.ndarray) else value for key, value in options.items()}
    row = (args, {**options, "reduction": reduction}, specs)
    ours, theirs = build(pellucid, name, row), build(torch, name, row)
    assert repr(ours) == repr(theirs)
    assert list(ours.state_dict()) == list(theirs.state_dict())
    rng = np.random.default_rng(0)
    arrays = [numbers(spec, rng, dtype) for spec in specs]
    # The target is data: PyTorch gives most losses no gradient for it.
    for module in (ours, theirs):
        module.inner = module.forward
        target = 1 if name not in ("MarginRankingLoss", "CosineEmbeddingLoss", "TripletMarginLoss") else 2
        module.forward = lambda *a, m=module, t=target: m.inner(
            *(array.detach() if place == t and name != "TripletMarginLoss" else array for place, array in enumerate(a))
        )
    for place, (a, b) in enumerate(zip(run(pellucid, ours, row, arrays), run(torch, theirs, row, arrays), strict=True)):
        close(a, b, str(place))


# Hardtanh's deprecated names, a choice between two libraries, results into given memory.
NOT_OFFERED = {"cudnn_enabled", "cudnn_enable", "out"}


def test_signatures_are_pytorchs() -> None:
    for name in [*LAYERS, *LOSSES]:
        ours = list(inspect.signature(getattr(nn, name).__init__).parameters)
        theirs = list(inspect.signature(getattr(torch.nn, name).__init__).parameters)
        assert ours == [p for p in theirs if p not in NOT_OFFERED], name


def test_functions_have_pytorchs_signatures() -> None:
    for name in nn.functional.__all__:
        theirs = getattr(torch.nn.functional, name)
        try:
            expected = [p for p in inspect.signature(theirs).parameters.values() if p.name not in NOT_OFFERED]
        except ValueError:
            continue  # written in C++, without a signature
        if name.startswith(("max_pool", "adaptive_max")) or [p.name for p in expected] == ["args", "kwargs"]:
            continue  # PyTorch dispatches these
        ours = inspect.signature(getattr(nn.functional, name)).parameters.values()
        ours = [p for p in ours if p.name not in NOT_OFFERED]
        assert [p.name for p in ours] == [p.name for p in expected], name
        assert [p.default for p in ours] == [p.default for p in expected], name


# ------------------------------------------------------------------------------------------------------ init

INIT: dict[str, list[tuple[tuple[int, ...], tuple[Any, ...], dict[str, Any]]]] = {
    "uniform_": [((3, 4), (), {}), ((30,), (-2.0, 5.0), {})],
    "normal_": [((3, 4), (), {}), ((30,), (1.0, 2.0), {})],
    "trunc_normal_": [((5, 6), (), {}), ((5, 6), (0.0, 0.02, -0.02, 0.02), {}), ((40,), (0.0, 1.0, 2.0, 3.0), {})],
    "constant_": [((3, 4), (0.3,), {})],
    "ones_": [((3, 4), (), {})],
    "zeros_": [((3, 4), (), {})],
    "eye_": [((3, 5), (), {}), ((5, 3), (), {})],
    "dirac_": [((4, 4, 3), (), {}), ((4, 2, 3, 3), (2,), {}), ((3, 5, 1, 2, 3), (), {})],
    "xavier_uniform_": [((5, 7), (), {}), ((4, 3, 2, 2), (2.0,), {})],
    "xavier_normal_": [((5, 7), (), {}), ((4, 3, 2, 2), (2.0,), {})],
    "kaiming_uniform_": [((5, 7), (), {}), ((4, 3, 2), (0.1, "fan_out"), {}), ((5, 7), (), {"nonlinearity": "relu"})],
    "kaiming_normal_": [((5, 7), (), {}), ((4, 3, 2), (0.1, "fan_out"), {}), ((5, 7), (), {"nonlinearity": "tanh"})],
    "orthogonal_": [((5, 7), (), {}), ((7, 5), (2.0,), {}), ((4, 2, 3), (), {})],
    "sparse_": [((10, 6), (0.3,), {}), ((10, 6), (0.95, 2.0), {})],
}
EXACT = {"uniform_", "constant_", "ones_", "zeros_", "eye_", "dirac_", "xavier_uniform_", "kaiming_uniform_"}
INIT_ROWS = [pytest.param(name, row, id=f"{name} {row}") for name, rows in INIT.items() for row in rows]


def test_every_initialiser_has_a_row() -> None:
    assert set(nn.init.__all__) - {"calculate_gain"} == set(INIT)


@pytest.mark.parametrize("dtype", ["float32", "float64"])
@pytest.mark.parametrize(("name", "row"), INIT_ROWS)
def test_initialisers_are_pytorchs(name: str, row: Any, dtype: str) -> None:
    shape, args, options = row
    found = []
    for library in (pellucid, torch):
        library.manual_seed(11)
        tensor = library.empty(shape, dtype=getattr(library, dtype)).requires_grad_()
        result = getattr(library.nn.init, name)(tensor, *args, **options)
        assert result is tensor
        assert tensor.is_leaf and tensor.requires_grad
        after = library.rand(3)
        found.append((tensor.detach().numpy(), after.numpy()))
    (ours, after), (theirs, expected) = found
    assert ours.dtype == theirs.dtype
    if name in EXACT:
        assert ours.tobytes() == theirs.tobytes()
    else:
        unit = np.finfo(ours.dtype).eps
        # A factorisation carries one unit of a normal number on; all else is that unit.
        atol = (1000 if name == "orthogonal_" else 4) * unit * max(1.0, np.abs(theirs).max())
        np.testing.assert_allclose(ours, theirs, rtol=0, atol=atol)
    assert after.tobytes() == expected.tobytes()  # and as many numbers were drawn


def test_gains_are_pytorchs() -> None:
    for args in [("linear",), ("conv2d",), ("conv_transpose3d",), ("sigmoid",), ("tanh",), ("relu",), ("selu",)]:
        assert nn.init.calculate_gain(*args) == torch.nn.init.calculate_gain(*args)
    for args in [("leaky_relu",), ("leaky_relu", 0.2), ("leaky_relu", 1)]:
        assert nn.init.calculate_gain(*args) == torch.nn.init.calculate_gain(*args)


# ---------------------------------------------------------------------------------------------------- errors


def zeros(*shape: int) -> Tensor:
    return pellucid.zeros(*shape)


F = nn.functional
ERRORS: dict[str, tuple[Any, type[Exception], str]] = {
    "kernel of groups": (lambda: nn.Conv2d(3, 4, 3, groups=2), ValueError, "in_channels must be divisible by groups"),
    "outputs of groups": (lambda: nn.Conv2d(4, 3, 3, groups=2), ValueError, "out_channels must be divisible"),
    "no groups": (lambda: nn.Conv1d(4, 4, 3, groups=0), ValueError, "positive integer, but got 0"),
    "odd padding": (lambda: nn.Conv2d(4, 4, 3, padding="all"), ValueError, "Invalid padding string 'all'"),
    "same with stride": (lambda: nn.Conv2d(4, 4, 3, padding="same", stride=2), ValueError, "strided convolutions"),
    "odd padding mode": (lambda: nn.Conv2d(4, 4, 3, padding_mode="x"), ValueError, "padding_mode='x'"),
    "dropout of 2": (lambda: nn.Dropout(2.0), ValueError, "between 0 and 1, but got 2.0"),
    "dropout of -1": (lambda: F.dropout(zeros(2), -1.0), ValueError, "between 0 and 1, but got -1.0"),
    "dropout1d of a row": (lambda: nn.Dropout1d()(zeros(2)), RuntimeError, "Expected 2D or 3D input"),
    "batch norm of an image": (lambda: nn.BatchNorm1d(3)(zeros(2, 3, 4, 4)), ValueError, "expected 2D or 3D input"),
    "batch norm of a row": (lambda: nn.BatchNorm2d(3)(zeros(2, 3)), ValueError, "expected 4D input"),
    "batch norm of one": (lambda: nn.BatchNorm1d(3)(zeros(1, 3)), ValueError, "Expected more than 1 value per channel"),
    "group norm": (lambda: nn.GroupNorm(2, 3), ValueError, r"num_channels \(3\) must be divisible"),
    "hardtanh": (lambda: nn.Hardtanh(1.0, 0.0), ValueError, "max_val above min_val"),
    "embedding of 3 rows": (lambda: nn.Embedding(3, 2, padding_idx=3), ValueError, "3 is not one of 3 rows"),
    "embedding from a row": (lambda: nn.Embedding.from_pretrained(zeros(3)), ValueError, "2-dimensional"),
    "embedding of other weights": (lambda: nn.Embedding(3, 2, _weight=zeros(2, 2)), ValueError, r"expected \(3, 2\)"),
    "unflatten by a name": (lambda: nn.Unflatten("a", (1, 2)), TypeError, "number of a dimension"),  # type: ignore[arg-type]
    "unflatten by halves": (lambda: nn.Unflatten(1, (1.5, 2)), TypeError, "tuple of ints"),
    "bilinear of nothing": (lambda: nn.Bilinear(0, 1, 1), ValueError, "in1_features must be > 0"),
    "prelu": (lambda: nn.PReLU(3)(zeros(2, 4)), RuntimeError, "one for each of the 4 channels"),
    "gelu": (lambda: nn.GELU("x")(zeros(2)), RuntimeError, "either none or tanh"),
    "glu": (lambda: nn.GLU()(zeros(3)), RuntimeError, "must be even"),
    "softshrink": (lambda: nn.Softshrink(-1.0)(zeros(3)), RuntimeError, "greater or equal to 0"),
    "reduction": (lambda: nn.MSELoss(reduction="all")(zeros(2), zeros(2)), ValueError, "all is not a valid value"),
    "negative beta": (lambda: nn.SmoothL1Loss(beta=-1.0)(zeros(2), zeros(2)), RuntimeError, "negative values for beta"),
    "negative delta": (lambda: nn.HuberLoss(delta=0.0)(zeros(2), zeros(2)), RuntimeError, "non-positive values"),
    "bce sizes": (lambda: nn.BCELoss()(zeros(3), zeros(3, 1)), ValueError, "different to the input size"),
    "bce sizes from scores": (
        lambda: nn.BCEWithLogitsLoss()(zeros(3, 1), zeros(3)),
        ValueError,
        r"must be the same as input size .*write input\.squeeze\(-1\)",
    ),
    "margin of 3 and 2": (
        lambda: nn.MarginRankingLoss()(zeros(3), zeros(3), zeros(3, 1)),
        RuntimeError,
        "should have same dimension",
    ),
    "cosine of rows": (lambda: nn.CosineEmbeddingLoss()(zeros(3), zeros(3), zeros(3)), RuntimeError, r"takes \(N, D\)"),
    "margin to the 3": (lambda: nn.MultiMarginLoss(3), ValueError, "only p == 1 and p == 2"),
    "margin of one": (lambda: nn.MultiMarginLoss()(zeros(3, 2), zeros(2).long()), RuntimeError, r"\(N, C\)"),
    "negative variance": (lambda: F.gaussian_nll_loss(zeros(2), zeros(2), -1.0), ValueError, "negative entry"),
    "odd variance": (lambda: F.gaussian_nll_loss(zeros(2, 3), zeros(2, 3), zeros(3)), ValueError, "incorrect size"),
    "margin of a triplet": (lambda: nn.TripletMarginLoss(0.0), ValueError, "greater than 0"),
    "fan of a row": (lambda: nn.init.xavier_uniform_(zeros(3)), ValueError, "fewer than 2 dimensions"),
    "eye of a row": (lambda: nn.init.eye_(zeros(3)), ValueError, "Only tensors with 2 dimensions"),
    "dirac of a matrix": (lambda: nn.init.dirac_(zeros(3, 3)), ValueError, "3, 4, or 5 dimensions"),
    "dirac of groups": (lambda: nn.init.dirac_(zeros(3, 3, 3), 2), ValueError, "divisible by groups"),
    "orthogonal row": (lambda: nn.init.orthogonal_(zeros(3)), ValueError, "2 or more dimensions"),
    "fan of what": (lambda: nn.init.kaiming_normal_(zeros(3, 3), mode="fan"), ValueError, "Mode fan not supported"),
    "gain of what": (lambda: nn.init.calculate_gain("x"), ValueError, "Unsupported nonlinearity x"),
    "gain of a word": (lambda: nn.init.calculate_gain("leaky_relu", "x"), ValueError, "not a valid number"),  # type: ignore[arg-type]
}


@pytest.mark.parametrize("name", ERRORS)
def test_errors_say_what_to_do(name: str) -> None:
    call, kind, message = ERRORS[name]
    with pytest.raises(kind, match=message):
        call()


@pytest.mark.parametrize("loss", [nn.MSELoss(), nn.L1Loss(), nn.SmoothL1Loss(), nn.HuberLoss()], ids=repr)
def test_a_loss_that_broadcasts_warns(loss: Any) -> None:
    with pytest.warns(UserWarning, match=r"Using a target size .*\[3, 1\].*\[3\].*write target\.squeeze\(-1\)") as seen:
        loss(zeros(3), zeros(3, 1))
    assert seen[0].filename == __file__
    with pytest.warns(UserWarning, match=r"write input\.squeeze\(-1\), or target\.unsqueeze\(-1\)"):
        loss(zeros(3, 1), zeros(3))
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        loss(zeros(3, 1), zeros(3, 1))


def test_old_flags_of_losses() -> None:
    with pytest.warns(UserWarning, match="use reduction='sum'"):
        assert nn.MSELoss(size_average=False).reduction == "sum"
    with pytest.warns(UserWarning, match="use reduction='none'"):
        assert F.l1_loss(zeros(3), zeros(3), reduce=False).shape == (3,)


def test_softmax_without_a_dimension_warns() -> None:
    for shape, dim in (((3,), 0), ((3, 4), 1), ((2, 3, 4), 0)):
        x = pellucid.randn(*shape)
        with pytest.warns(UserWarning, match=f"include dim=X.*dim={dim} was taken"):
            assert F.softmax(x).tolist() == F.softmax(x, dim=dim).tolist()


def test_initialisers_that_warn() -> None:
    with pytest.warns(UserWarning, match="zero-element"):
        nn.init.kaiming_uniform_(zeros(0, 3))
    with pytest.warns(UserWarning, match="more than 2 std"):
        nn.init.trunc_normal_(zeros(3), mean=4.5)


def test_dropout_draws_pytorchs_masks() -> None:
    for p in (0.1, 0.5, 0.9):
        pellucid.manual_seed(4)
        torch.manual_seed(4)
        ours, theirs = nn.Dropout(p)(pellucid.ones(1000)), torch.nn.Dropout(p)(torch.ones(1000))
        assert ours.numpy().tobytes() == theirs.numpy().tobytes()


# Options that change what is printed, besides those of the rows above.
PRINTED: list[tuple[str, tuple[Any, ...], dict[str, Any]]] = [
    ("Conv2d", (4, 6, 3), {"padding": "same", "padding_mode": "circular", "bias": False, "groups": 2}),
    ("Conv2d", (4, 6, 3), {"padding": 0, "dilation": (1, 2)}),
    ("Conv1d", (4, 6, 3), {"padding": 1, "dilation": 1}),
    ("Embedding", (5, 3), {"padding_idx": -1, "max_norm": 1.0, "norm_type": 3.0, "scale_grad_by_freq": True}),
    ("Embedding", (5, 3), {"sparse": True}),
    ("GELU", (), {"approximate": "tanh"}),
    ("LayerNorm", ((3, 4),), {"bias": False}),
    ("LayerNorm", (3,), {"elementwise_affine": False}),
    ("BatchNorm1d", (3,), {"momentum": None, "affine": False, "track_running_stats": False}),
    ("AdaptiveAvgPool2d", ((None, 3),), {}),
    ("MaxPool2d", ((2, 3),), {"stride": 1, "ceil_mode": True}),
]


@pytest.mark.filterwarnings("ignore")
def test_every_layer_prints_as_in_pytorch() -> None:
    torch = pytest.importorskip("torch")
    rows = [
        (name, args, options)
        for table in (LAYERS, LOSSES)
        for name, given in table.items()
        for args, options, _ in given
    ]
    for name, args, options in [*rows, *PRINTED]:
        ours, theirs = (build(library, name, (args, options, [])) for library in (pellucid, torch))
        assert repr(ours) == repr(theirs)
        assert repr(nn.Sequential(ours, ours)) == repr(torch.nn.Sequential(theirs, theirs))


@pytest.mark.parametrize("name", sorted(n for n in nn.modules.__all__ if n not in {*CONTAINERS, "NLLLoss2d"}))
def test_a_layer_has_the_options_of_pytorchs(name: str) -> None:
    torch = pytest.importorskip("torch")
    if not hasattr(torch.nn, name):
        pytest.skip(f"PyTorch has no layer called {name}")
    ours, theirs = (inspect.signature(getattr(library.nn, name)) for library in (pellucid, torch))
    defaults = [
        {p.name: getattr(p.default, "__name__", p.default) for p in signature.parameters.values()}
        for signature in (ours, theirs)
    ]
    assert defaults[0] == defaults[1]


def test_a_subclass_prints_what_its_base_does() -> None:
    class Own(nn.Conv2d):
        def __init__(self, channels: int) -> None:
            super().__init__(channels, channels, 3, padding=1)

    class Silent(nn.Module):
        shown = "anything"  # a name of the user's

    assert repr(Own(4)) == "Own(4, 4, kernel_size=(3, 3), stride=(1, 1), padding=(1, 1))"
    assert repr(Silent()) == "Silent()"
