"""Layers and helpers of nn that few programs use, each beside PyTorch: values, gradients, texts, states, errors."""

import warnings
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")
pytest.importorskip("torch.nn.utils.prune")

# Each row computes something with the library that it is given; tensors, texts and errors in it are compared.
ROWS: dict[str, Callable[[Any], Any]] = {}


def row(function: Callable[[Any], Any]) -> Callable[[Any], Any]:
    ROWS[function.__name__] = function
    return function


def rows(name: str, makers: dict[str, Callable[[Any], Any]]) -> None:
    ROWS.update({f"{name}: {key}": made for key, made in makers.items()})


def trained(t: Any, module: Any, *inputs: Any) -> list[Any]:
    """The text, the state, the result and all gradients."""
    out = module(*inputs)
    out.sum().backward() if out.ndim == 0 else (out * t.arange(out.numel()).reshape(out.shape)).sum().backward()
    grads = [p.grad for p in module.parameters()] + [x.grad for x in inputs if x is not None and x.requires_grad]
    return [repr(module), *module.state_dict(), *module.state_dict().values(), out, out.grad_fn.name(), *grads]


# -------------------------------------------------------------------------------------------------- EmbeddingBag

INDICES = [1, 2, 4, 5, 4, 3, 2, 9, 4]


def bag(t: Any, *given: Any, shape: Any = (3, 3), offsets: Any = None, weights: bool = False, **options: Any) -> Any:
    t.manual_seed(0)
    module = t.nn.EmbeddingBag(10, 3, *given, **options)
    offsets = None if offsets is None else t.tensor(offsets)
    scale = t.arange(9.0).reshape(shape).requires_grad_() if weights else None
    indices = t.tensor(INDICES).reshape(shape)
    out = module(indices, offsets, scale)
    (out * t.arange(out.numel()).reshape(out.shape)).sum().backward()
    name = out.grad_fn.name()
    return [repr(module), module.weight, out, name, module.weight.grad, None if scale is None else scale.grad]


rows(
    "embedding_bag",
    {
        "mean": lambda t: bag(t),
        "sum": lambda t: bag(t, mode="sum"),
        "max": lambda t: bag(t, mode="max"),
        "offsets": lambda t: bag(t, shape=(9,), offsets=[0, 4]),
        "empty bags": lambda t: bag(t, shape=(9,), offsets=[0, 4, 4, 9], mode="sum"),
        "empty bags of a mean": lambda t: bag(t, shape=(9,), offsets=[0, 0, 4, 4]),
        "empty bags of a maximum": lambda t: bag(t, shape=(9,), offsets=[0, 4, 4, 9], mode="max"),
        "last offset": lambda t: bag(t, shape=(9,), offsets=[0, 4, 9], mode="sum", include_last_offset=True),
        "weights": lambda t: bag(t, mode="sum", weights=True),
        "weights and offsets": lambda t: bag(t, shape=(9,), offsets=[0, 2], mode="sum", weights=True),
        "padding": lambda t: bag(t, padding_idx=4),
        "padding of a sum": lambda t: bag(t, padding_idx=-6, mode="sum"),
        "padding of a maximum": lambda t: bag(t, padding_idx=4, mode="max"),
        "norm": lambda t: bag(t, 1.0, mode="sum"),
        "1-norm": lambda t: bag(t, 1.0, 1.0),
        "offsets with rows": lambda t: bag(t, offsets=[0, 4]),
        "no offsets": lambda t: bag(t, shape=(9,)),
        "offsets in rows": lambda t: bag(t, shape=(9,), offsets=[[0, 4]]),
        "first offset": lambda t: bag(t, shape=(9,), offsets=[1, 4]),
        "large offset": lambda t: bag(t, shape=(9,), offsets=[0, 10]),
        "weights of a mean": lambda t: bag(t, weights=True),
        "frequencies of a maximum": lambda t: bag(t, mode="max", scale_grad_by_freq=True),
        "mode": lambda t: bag(t, mode="median"),
        "padding out of range": lambda t: bag(t, padding_idx=10),
        "three dimensions": lambda t: bag(t, shape=(3, 3, 1)),
        "pretrained": lambda t: repr(t.nn.EmbeddingBag.from_pretrained(t.ones(2, 3), mode="sum")),
    },
)

# ---------------------------------------------------------------------------------------------- adaptive softmax


def adaptive(t: Any, *, target: Any = (0, 3, 7, 11, 4), size: Any = (5, 8), **options: Any) -> list[Any]:
    t.manual_seed(0)
    module = t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4, 8], **options)
    x = t.randn(*size, requires_grad=True)
    output, loss = module(x, t.tensor(target))
    loss.backward()
    grads = [p.grad for p in module.parameters()]
    more = [module.log_prob(x), module.predict(x)] if x.ndim == 2 else []
    return [repr(module), output, loss, x.grad, *grads, *more]


rows(
    "adaptive softmax",
    {
        "usual": lambda t: adaptive(t),
        "biased": lambda t: adaptive(t, head_bias=True, div_value=2.0),
        "rare alone": lambda t: adaptive(t, target=(9, 9, 9, 9, 9)),
        "frequent alone": lambda t: adaptive(t, target=(0, 1, 2, 3, 0)),
        "one sample": lambda t: adaptive(t, target=5, size=(8,)),
        "no such class": lambda t: adaptive(t, target=(0, 1, 2, 3, 12)),
        "sizes": lambda t: adaptive(t, target=(0, 1)),
        "shapes": lambda t: adaptive(t, target=((0, 1),)),
        "cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [4, 12]),
        "descending cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, [8, 4]),
        "no cutoffs": lambda t: t.nn.AdaptiveLogSoftmaxWithLoss(8, 12, []),
    },
)

# ------------------------------------------------------------------------------------------------- other layers


def images(t: Any, channels: int = 4) -> Any:
    t.manual_seed(1)
    return t.randn(2, channels, 3, 3, requires_grad=True)


def former_loss(t: Any) -> Any:
    with pytest.warns(FutureWarning, match="NLLLoss2d"):
        return t.nn.NLLLoss2d(t.arange(4.0))


def evaluated(t: Any) -> list[Any]:
    net = t.nn.Sequential(t.nn.Conv2d(4, 3, 3), t.nn.BatchNorm2d(3), t.nn.Sequential(t.nn.BatchNorm2d(3, affine=False)))
    net(images(t))
    net.eval()
    made = t.nn.SyncBatchNorm.convert_sync_batchnorm(net)
    return [repr(made), made is net, made[1].training, made(images(t)), *made.state_dict()]


rows(
    "layer",
    {
        "SyncBatchNorm": lambda t: trained(t, t.nn.SyncBatchNorm(4), images(t)),
        "SyncBatchNorm of vectors": lambda t: trained(t, t.nn.SyncBatchNorm(3, affine=False), t.randn(5, 3)),
        "SyncBatchNorm, converted": evaluated,
        "SyncBatchNorm of one dimension": lambda t: t.nn.SyncBatchNorm(3)(t.randn(3)),
        "SyncBatchNorm of no channels": lambda t: t.nn.SyncBatchNorm(0)(t.randn(3, 0)),
        "CrossMapLRN2d": lambda t: [repr(t.nn.CrossMapLRN2d(5)), t.nn.CrossMapLRN2d(5, alpha=0.5)(images(t, 3))],
        "CrossMapLRN2d, many channels": lambda t: t.nn.CrossMapLRN2d(3, 0.5)(images(t, 9)),
        "CrossMapLRN2d, even": lambda t: t.nn.CrossMapLRN2d(4, 0.5)(images(t, 9)),
        "CrossMapLRN2d of vectors": lambda t: t.nn.CrossMapLRN2d(3)(t.randn(2, 3)),
        "FeatureAlphaDropout": lambda t: trained(t, t.nn.FeatureAlphaDropout(0.4), images(t)),
        "FeatureAlphaDropout, evaluated": lambda t: t.nn.FeatureAlphaDropout().eval()(images(t)),
        "NLLLoss2d": lambda t: former_loss(t)(images(t), t.ones(2, 3, 3, dtype=t.long)),
        "LinearCrossEntropyOptions": lambda t: repr(t.nn.LinearCrossEntropyOptions(batch_chunk_size=2)),
        "wrong LinearCrossEntropyOptions": lambda t: t.nn.LinearCrossEntropyOptions(chunking_method="best"),
        "conv_tbc": lambda t: t.nn.functional.conv_tbc(t.arange(24.0).reshape(4, 2, 3), t.ones(2, 3, 5), t.ones(5), 1),
    },
)


def changed(t: Any, name: str, *given: Any) -> list[Any]:
    leaf = t.tensor([-2.0, -0.5, 0.0, 0.5, 7.0], requires_grad=True)
    x = leaf * 1
    out = getattr(t.nn.functional, name)(x, *given)
    out.sum().backward()
    return [out is x, out, out.grad_fn.name(), leaf.grad]


rows(
    "in place",
    {
        name: lambda t, name=name: changed(t, name, *([0.1, 3.0] if name == "threshold_" else []))
        for name in ("celu_", "elu_", "hardtanh_", "leaky_relu_", "relu_", "rrelu_", "selu_", "threshold_")
    },
)
rows(
    "pool",
    {
        name: lambda t, name=name: list(getattr(t.nn.functional, name)(t.arange(64.0).reshape(1, 4, 4, 4).cos(), 2))
        for name in (
            "max_pool2d_with_indices", "max_pool3d_with_indices", "adaptive_max_pool2d_with_indices",
            "adaptive_max_pool3d_with_indices",
        )
    },
)  # fmt: skip


@row
def pdist(t: Any) -> list[Any]:
    x = t.tensor([[1.0, 2.0], [3.0, 5.0], [1.0, 2.0], [0.0, -1.0]], requires_grad=True)
    out = t.nn.functional.pdist(x)
    out.sum().backward()
    others = [t.nn.functional.pdist(x, p) for p in (0.0, 1.0, 3.0, float("inf"))]
    return [out, out.grad_fn.name(), x.grad, *others]


# ------------------------------------------------------------------------------------------------- initialisers


def former(t: Any, name: str, *given: Any) -> list[Any]:
    t.manual_seed(0)
    with pytest.warns(FutureWarning) as caught:
        out = getattr(t.nn.init, name)(t.empty(4, 4), *given)
    return [out, str(caught[0].message)]


rows(
    "init",
    {
        name: lambda t, name=name, given=given: former(t, name, *given)
        for name, given in {
            "constant": (2.0,), "eye": (), "kaiming_normal": (), "kaiming_uniform": (), "normal": (), "orthogonal": (),
            "sparse": (0.5,), "uniform": (), "xavier_normal": (), "xavier_uniform": (),
        }.items()
    },
)  # fmt: skip

# ----------------------------------------------------------------------------------------------------- pruning


def pruned(t: Any, *ways: Callable[[Any, Any], Any], then: Callable[[Any, Any], Any] | None = None) -> list[Any]:
    t.manual_seed(0)
    module = t.nn.Linear(6, 4)
    for way in ways:
        way(t.nn.utils.prune, module)
    found = [t.nn.utils.prune.is_pruned(module), type(module.weight).__name__, *trained(t, module, t.randn(3, 6))]
    optimizer = t.optim.SGD(module.parameters(), lr=0.1)
    optimizer.step()
    module(t.randn(3, 6))
    found += [module.weight, [type(h).__name__ for h in module._forward_pre_hooks.values()]]
    t.nn.utils.prune.remove(module, "weight")
    return [*found, *module.state_dict(), *module.state_dict().values(), type(module.weight).__name__]


def l1(p: Any, m: Any) -> Any:
    return p.l1_unstructured(m, "weight", 0.3)


def everything(t: Any) -> list[Any]:
    t.manual_seed(0)
    net = t.nn.Sequential(t.nn.Linear(6, 4), t.nn.Linear(4, 2))
    where = [(net[0], "weight"), (net[1], "weight"), (net[1], "bias")]
    t.nn.utils.prune.l1_unstructured(net[0], "weight", 2)
    t.nn.utils.prune.global_unstructured(where, t.nn.utils.prune.L1Unstructured, amount=0.4)
    return [repr(net), *net.state_dict(), *net.state_dict().values()]


rows(
    "prune",
    {
        "l1": lambda t: pruned(t, l1),
        "l1 of a number": lambda t: pruned(t, lambda p, m: p.l1_unstructured(m, "weight", 5)),
        "l1 by scores": lambda t: pruned(
            t, lambda p, m: p.l1_unstructured(m, "weight", 5, t.arange(24.0).reshape(4, 6) - 8)
        ),
        "random": lambda t: pruned(t, lambda p, m: p.random_unstructured(m, "weight", 0.3)),
        "random structured": lambda t: pruned(t, lambda p, m: p.random_structured(m, "weight", 2, dim=1)),
        "ln structured": lambda t: pruned(t, lambda p, m: p.ln_structured(m, "weight", 0.5, n=2, dim=0)),
        "ln structured, last": lambda t: pruned(t, lambda p, m: p.ln_structured(m, "weight", 2, n=1, dim=-1)),
        "identity": lambda t: pruned(t, lambda p, m: p.identity(m, "weight")),
        "mask": lambda t: pruned(
            t, lambda p, m: p.custom_from_mask(m, "weight", t.arange(24).reshape(4, 6).remainder(2))
        ),
        "twice": lambda t: pruned(t, l1, l1),
        "structured after unstructured": lambda t: pruned(t, l1, lambda p, m: p.ln_structured(m, "weight", 1, 2, 0)),
        "three times": lambda t: pruned(t, l1, l1, lambda p, m: p.random_unstructured(m, "weight", 3)),
        "global": everything,
        "nothing": lambda t: pruned(t),
        "too many": lambda t: pruned(t, lambda p, m: p.l1_unstructured(m, "weight", 25)),
        "more than all": lambda t: pruned(t, lambda p, m: p.l1_unstructured(m, "weight", 1.5)),
        "negative": lambda t: pruned(t, lambda p, m: p.random_unstructured(m, "weight", -1)),
        "no number": lambda t: pruned(t, lambda p, m: p.random_unstructured(m, "weight", "all")),
        "slices of a vector": lambda t: pruned(t, lambda p, m: p.ln_structured(m, "bias", 1, 2, 0)),
        "no such dimension": lambda t: pruned(t, lambda p, m: p.ln_structured(m, "weight", 1, 2, 2)),
        "structured at once": lambda t: t.nn.utils.prune.global_unstructured(
            [(t.nn.Linear(2, 2), "weight")], t.nn.utils.prune.LnStructured, amount=1, n=2
        ),
    },
)

# --------------------------------------------------------------------------------------- orthogonal, fused, skipped


def orthogonal(t: Any, module: str = "Linear", *given: Any, sizes: Any = (4, 4), **options: Any) -> list[Any]:
    t.manual_seed(0)
    made = getattr(t.nn, module)(*sizes)
    layer = t.nn.utils.parametrizations.orthogonal(made, "weight", *given, **options)
    before = layer.weight.detach().clone()
    optimizer = t.optim.SGD(layer.parameters(), lr=0.05)
    for _ in range(2):
        optimizer.zero_grad()
        (layer(t.randn(3, sizes[0])) ** 2).sum().backward()
        optimizer.step()
    product = layer.weight @ layer.weight.mT if sizes[1] <= sizes[0] else layer.weight.mT @ layer.weight
    return [repr(layer), before, layer.weight, product, *layer.state_dict()]


rows(
    "orthogonal",
    {
        "square": lambda t: orthogonal(t),
        "wide": lambda t: orthogonal(t, sizes=(5, 3)),
        "tall": lambda t: orthogonal(t, sizes=(3, 5)),
        "cayley": lambda t: orthogonal(t, "Linear", "cayley"),
        "cayley, wide": lambda t: orthogonal(t, "Linear", "cayley", sizes=(5, 3)),
        "matrix_exp, tall": lambda t: orthogonal(t, "Linear", "matrix_exp", sizes=(3, 5)),
        "householder": lambda t: orthogonal(t, "Linear", "householder"),
        "householder alone": lambda t: orthogonal(t, "Linear", "householder", use_trivialization=False),
        "householder alone, wide": lambda t: orthogonal(
            t, "Linear", "householder", sizes=(5, 3), use_trivialization=False
        ),
        "name": lambda t: orthogonal(t, "Linear", "qr"),
        "vector": lambda t: t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), "bias"),
        "nothing": lambda t: t.nn.utils.parametrizations.orthogonal(t.nn.Linear(2, 2), "w"),
    },
)


def fused(t: Any, layer: Any, norm: Any, x: Any, fuse: str, *given: Any) -> list[Any]:
    norm(x if layer is None else layer(x))
    made = getattr(t.nn.utils, fuse)(layer.eval(), norm.eval(), *given)
    with t.no_grad():
        same = t.allclose(made(x), norm(layer(x)), atol=1e-5)
    return [same, repr(made), made.weight, made.bias]


def seeded(t: Any, kind: str, *given: Any, **options: Any) -> Any:
    t.manual_seed(3)
    return getattr(t.nn, kind)(*given, **options)


rows(
    "fuse",
    {
        "conv": lambda t: fused(
            t, seeded(t, "Conv2d", 4, 3, 2), t.nn.BatchNorm2d(3), images(t), "fuse_conv_bn_eval"
        ),
        "transposed": lambda t: fused(
            t, seeded(t, "ConvTranspose2d", 4, 3, 2, bias=False), t.nn.BatchNorm2d(3, affine=False), images(t),
            "fuse_conv_bn_eval", True,
        ),
        "linear": lambda t: fused(
            t, seeded(t, "Linear", 3, 5, bias=False), t.nn.BatchNorm1d(5), t.arange(12.0).reshape(4, 3).cos(),
            "fuse_linear_bn_eval",
        ),
        "training": lambda t: t.nn.utils.fuse_conv_bn_eval(t.nn.Conv2d(1, 1, 1), t.nn.BatchNorm2d(1)),
        "sizes": lambda t: t.nn.utils.fuse_linear_bn_eval(t.nn.Linear(2, 3).eval(), t.nn.BatchNorm1d(2).eval()),
    },
)  # fmt: skip


@row
def skip_init(t: Any) -> list[Any]:
    t.manual_seed(0)
    layer = t.nn.utils.skip_init(t.nn.Linear, 3, 2, dtype=t.float64)
    return [repr(layer), layer.weight.dtype is t.float64, type(layer.weight).__name__, t.rand(2)]


rows(
    "skip_init of",
    {"a function": lambda t: t.nn.utils.skip_init(dict), "no device": lambda t: t.nn.utils.skip_init(t.nn.ReLU)},
)


@row
def stateless(t: Any) -> Any:
    layer = t.nn.Linear(2, 1)
    call = t.nn.utils.stateless.functional_call
    with warnings.catch_warnings():
        warnings.simplefilter("ignore", FutureWarning)
        return call(layer, {"weight": t.ones(1, 2), "bias": t.ones(1)}, t.ones(3, 2))


@row
def registration_hooks(t: Any) -> list[str]:
    seen: list[str] = []
    hooks = t.nn.modules.module
    handles = [
        getattr(hooks, f"register_module_{kind}_registration_hook")(
            lambda module, name, value, kind=kind: seen.append(f"{kind} {type(module).__name__} {name}")
        )
        for kind in ("parameter", "buffer", "module")
    ]
    net = t.nn.Sequential(t.nn.Linear(2, 2, bias=False), t.nn.BatchNorm1d(2))
    net.more = t.nn.Linear(1, 1)
    net[0].weight = t.nn.Parameter(t.ones(2, 2))
    net[1].running_mean = t.ones(2)
    for handle in handles:
        handle.remove()
    t.nn.Linear(2, 2)
    return seen


@row
def a_registration_hook_replaces(t: Any) -> str:
    handle = t.nn.modules.module.register_module_module_registration_hook(
        lambda module, name, child: t.nn.Identity() if isinstance(child, t.nn.ReLU) else None
    )
    net = t.nn.Sequential(t.nn.Linear(2, 2), t.nn.ReLU())
    handle.remove()
    return repr(net)


@row
def clip_grad_norm(t: Any) -> list[Any]:
    w = t.nn.Parameter(t.ones(4))
    w.grad = t.ones(4)
    with pytest.warns(FutureWarning):
        norm = t.nn.utils.clip_grad_norm([w], 1.0)
    return [norm, w.grad]


@row
def module_methods(t: Any) -> list[Any]:
    net = t.nn.Linear(2, 2)
    seen: list[str] = []
    net._register_load_state_dict_pre_hook(lambda state, prefix, *rest: seen.append(type(state).__name__))
    net.load_state_dict(net.state_dict())
    empty = net.to_empty(device="cpu")
    return [seen, empty is net, net.weight.shape == (2, 2)]


def test_frequencies_of_bags_are_those_of_single_rows() -> None:
    # PyTorch divides by the frequency of another row here (its backward reads `counts[indices[i]]` by the wrong i).
    weight = pellucid.ones(10, 3, requires_grad=True)
    indices = pellucid.tensor(INDICES).reshape(3, 3)
    functional = pellucid.nn.functional
    bags = functional.embedding_bag(indices, weight, mode="sum", scale_grad_by_freq=True)
    single = functional.embedding(indices, weight, scale_grad_by_freq=True).sum(1)
    seeds = pellucid.arange(9.0).reshape(3, 3)
    found = [pellucid.autograd.grad(out, weight, seeds)[0] for out in (bags, single)]
    assert pellucid.equal(*found)


@pytest.mark.parametrize("name", ["celu", "elu", "leaky_relu", "rrelu", "selu", "hardsigmoid", "silu", "relu6"])
def test_names_of_nodes(name: str) -> None:
    def names(t: Any) -> list[str]:
        x = [t.ones(2, requires_grad=True) * 1 for _ in range(2)]
        function = getattr(t.nn.functional, name)
        return [function(x[0]).grad_fn.name(), function(x[1], inplace=True).grad_fn.name()]

    assert names(pellucid) == names(torch)


def outcome(made: Callable[[Any], Any], library: Any) -> Any:
    library.manual_seed(0)
    try:
        return made(library)
    except Exception as error:
        return [type(error)]


@pytest.mark.parametrize("name", ROWS)
def test_as_pytorch(name: str) -> None:
    same(outcome(ROWS[name], torch), outcome(ROWS[name], pellucid), name)


def same(expected: Any, got: Any, where: str) -> None:
    if isinstance(expected, (list, tuple)):
        assert len(expected) == len(got), f"{where}: expected {expected}, got {got}"
        for place, (a, b) in enumerate(zip(expected, got, strict=True)):
            same(a, b, f"{where}[{place}]")
    elif isinstance(expected, torch.Tensor):
        assert str(expected.dtype).endswith(str(got.dtype).split(".")[-1]), where
        a, b = expected.detach().numpy(), got.detach().numpy()
        assert a.shape == b.shape, where
        np.testing.assert_allclose(b, a, rtol=2e-5, atol=2e-5, err_msg=where)
    elif isinstance(expected, type) and issubclass(expected, BaseException):
        assert issubclass(got, expected), f"{where}: expected {expected}, got {got}"
    else:
        assert expected == got, where
