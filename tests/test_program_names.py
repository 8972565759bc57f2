"""Names that published programs use, and few others do: storages, nests, sparse gradients, layouts, older names."""

import collections
import contextlib
import importlib
import io
import warnings
from typing import Any

import pytest
import torch

import pellucid
from tests.twins import both_raise, same


def module(t: Any, name: str) -> Any:
    """A module of PyTorch's, or what answers for it."""
    if t is torch:
        return importlib.import_module(f"torch.{name}")
    for where in ("pellucid", "pellucid.bridge.torch"):
        with contextlib.suppress(ModuleNotFoundError):
            return importlib.import_module(f"{where}.{name}")
    raise ModuleNotFoundError(name)


def storages(t: Any) -> list[Any]:
    points = t.tensor([[4.0, 1.0], [5.0, 3.0], [2.0, 1.0]])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        memory = points.storage()
        text = repr(memory)
        memory[0] = 7.0
        numbers = [list(memory), len(memory), memory.size(), memory.element_size()]
    raw = points.untyped_storage()
    shares = points.t()[1].untyped_storage().data_ptr() == raw.data_ptr()
    part = t.tensor((), dtype=t.float64)
    part.set_(t.arange(10.0, dtype=t.float64).untyped_storage(), storage_offset=1, size=t.Size([3]), stride=[2])
    other = t.zeros(2).set_(points)
    return [text, points, *numbers, shares, raw.nbytes(), len(raw), raw.tolist(), part, other, other.is_set_to(points)]


def storages_made(t: Any) -> list[Any]:
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers, raw = t.FloatStorage([1, 2, 3]), t.UntypedStorage(4).fill_(1)
        whole, kinds = t.TypedStorage([1, 2], dtype=t.int32), (t.Storage, t.LongStorage, t.TypedStorage)
        raw[0], numbers[1] = 5, 9.0
        shared = t.FloatStorage(wrap_storage=raw)
        same_type = [isinstance(numbers, kind) for kind in kinds]
        found = [repr(numbers), repr(raw), repr(whole), repr(t.Storage), same_type, numbers.type(), raw.type(),
                 numbers.double().tolist(), whole.long().dtype, whole.clone().fill_(3).tolist(), whole.tolist(),
                 t.FloatStorage(2).copy_(t.FloatStorage([4, 5])).tolist(), shared.untyped().tolist(), raw[1:3].tolist(),
                 raw.clone().copy_(t.UntypedStorage([7, 8, 9, 6])).tolist(), t.is_storage(raw),
                 numbers.pickle_storage_type(),
                 t.FloatTensor(numbers).clone(),
                 t.tensor(numbers).clone(), raw.cpu() is raw, whole.is_shared()]  # fmt: skip
        t.FloatTensor(numbers)[2] = 8.0
        found.append(numbers.tolist())  # the memory of the tensor
        numbers.resize_(2)
        return [*found, numbers.tolist(), t.ones(3)[3:].data_ptr(), t.ones(0, 4).view(t.uint8).shape]


def nests(t: Any) -> list[Any]:
    tree = module(t, "utils._pytree")
    nest = {"a": (1, [2, 3]), "b": t.ones(2)}
    leaves, spec = tree.tree_flatten(nest)
    doubled = tree.tree_map(lambda leaf: leaf * 2, nest)
    named = t.max(t.ones(2, 2), 0)
    kinds = [tree._get_node_type(value) for value in (nest, [1], 3, collections.namedtuple("P", "x y")(1, 2))]
    parts = tree.SUPPORTED_NODES[collections.namedtuple].flatten_fn(collections.namedtuple("P", "x y")(1, 2))[0]
    return [leaves, repr(spec), tree.tree_unflatten(leaves, spec), doubled, spec.num_leaves, tree.tree_leaves(named),
            [kind in tree.SUPPORTED_NODES for kind in kinds], parts, tree.SUPPORTED_NODES[dict].flatten_fn(nest)[1],
            tree.tree_map_only(int, lambda leaf: leaf + 1, nest), tree.tree_leaves(nest)]  # fmt: skip


def passes(t: Any) -> list[Any]:
    """Which kind of pass through a loader an iterator is, by PyTorch's names for them."""
    there = module(t, "utils.data.dataloader")
    names = ("_BaseDataLoaderIter", "_SingleProcessDataLoaderIter", "_MultiProcessingDataLoaderIter")
    batches = [iter(t.utils.data.DataLoader(range(4), num_workers=workers)) for workers in (0, 1)]
    return [[isinstance(found, getattr(there, name)) for name in names] for found in batches]


def _sparse_program(t: Any, optimizer: Any, padding: int | None = None) -> list[Any]:
    layer = t.nn.Embedding(6, 3, padding_idx=padding, sparse=True)
    with t.no_grad():
        layer.weight.copy_(t.arange(18.0).reshape(6, 3) / 10)
    chosen = optimizer(layer.parameters())
    found: list[Any] = []
    for rows in ([[1, 3], [1, 5]], [[0, 3], [2, 2]]):
        chosen.zero_grad()
        (layer(t.tensor(rows)) ** 2).sum().backward()
        grad = layer.weight.grad
        found += [grad.is_sparse, str(grad.layout), repr(grad.coalesce()), grad.to_dense()]
        chosen.step()
        found.append(layer.weight.detach().clone())
    return found


def sparse_adam(t: Any) -> list[Any]:
    return _sparse_program(t, lambda params: t.optim.SparseAdam(list(params), lr=0.1))


def sparse_sgd(t: Any) -> list[Any]:
    return _sparse_program(t, lambda params: t.optim.SGD(params, lr=0.1), padding=3)


def sparse_adagrad(t: Any) -> list[Any]:
    return _sparse_program(t, lambda params: t.optim.Adagrad(params, lr=0.1, lr_decay=0.1))


def used_twice(t: Any) -> list[Any]:
    """Two sparse gradients, and a sparse and a dense one, add up."""
    layer = t.nn.Embedding(4, 2, sparse=True)
    with t.no_grad():
        layer.weight.copy_(t.arange(8.0).reshape(4, 2))
    (layer(t.tensor([0, 1])).sum() + (layer(t.tensor([1, 3])) ** 2).sum()).backward()
    first = layer.weight.grad.to_dense()
    layer.weight.grad = None
    (layer(t.tensor([0, 1])).sum() + (layer.weight * 2).sum()).backward()
    return [first, layer.weight.grad.to_dense()]


def compressed(t: Any) -> list[Any]:
    dense = t.tensor([[0.0, 2.0, 0.0], [3.0, 0.0, 4.0]])
    kept, rows = dense.to_sparse(), dense.to_sparse_csr()
    made = t.sparse_csr_tensor(t.tensor([0, 1, 3]), t.tensor([1, 0, 2]), t.tensor([2.0, 3.0, 4.0]), size=(2, 3))
    other = t.arange(6.0).reshape(3, 2)
    return [repr(rows), repr(made), repr(kept), rows.crow_indices(), rows.col_indices(), rows.values(), rows @ other,
            made.to_dense(), kept.to_sparse_csr().to_dense(), str(rows.layout), kept.is_sparse, dense.is_sparse,
            module(t, "sparse").softmax(kept, 1).to_dense(), module(t, "sparse").sum(kept, 0).to_dense(),
            module(t, "sparse").addmm(t.ones(2, 2), kept, other)]  # fmt: skip


def convolutions(t: Any) -> list[Any]:
    t.manual_seed(0)
    x, w = t.randn(2, 4, 7, 7), t.randn(6, 2, 3, 3)
    options = {"stride": 2, "padding": 1, "groups": 2}
    g = t.ones_like(t.nn.functional.conv2d(x, w, **options))
    grads = module(t, "nn.grad")
    return [grads.conv2d_input(x.shape, w, g, **options), grads.conv2d_weight(x, w.shape, g, **options)]


def layouts(t: Any) -> list[Any]:
    x = t.ones(2)
    return [str(x.layout), repr(t.strided), f"{t.channels_last}", repr(t.contiguous_format), x.layout == t.strided]


def written_into(t: Any) -> list[Any]:
    a, b = t.arange(9.0).reshape(3, 3), t.ones(3, 3)
    leaf = t.ones(3, 3, requires_grad=True)
    changed = (leaf * 2).tril_()
    changed.sum().backward()
    return [a.clone().tril_(), a.clone().triu_(1), a.clone().cumsum_(0), a.clone().addmm_(a, b), leaf.grad,
            a.clone().cumprod_(1), a.clone().apply_(lambda n: n + 1), a.clone().map_(b, lambda n, m: n - m),
            a.new([1, 2]), a.new(2, 2).shape, a.new(t.Size([2, 3])).shape,
            t.randn_like(a, requires_grad=True).requires_grad,
            t.ones(6).resize_(2, 3), a.is_cpu, a.is_meta, a.is_pinned()]  # fmt: skip


def older(t: Any) -> list[Any]:
    face = pellucid if t is pellucid else torch
    x = t.tensor([-1.0, 0.5, 2.0])
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        numbers = face.range(1, 4)
    return [numbers, face.prelu(x, t.tensor([0.25])), face.vander(t.tensor([1, 2, 3])), face.selu(x), face.celu(x),
            face.threshold(x, 0.0, 5.0), face.hardshrink(x, 1.0), face.vmap(lambda row: row.sum())(t.ones(2, 3)),
            face.detach(x), face.is_signed(x)]  # fmt: skip


def groups(t: Any) -> list[Any]:
    """The keys of a group are in PyTorch's order, which programs print."""
    kinds = ("Adadelta", "Adagrad", "Adam", "AdamW", "NAdam", "RAdam", "RMSprop", "Rprop", "SGD", "Adamax", "ASGD")
    params = [t.nn.Parameter(t.ones(2))]
    found: list[Any] = [list(getattr(t.optim, kind)(params).state_dict()["param_groups"][0]) for kind in kinds]
    return [*found, repr(t.optim.SparseAdam(params))]


def parts_of_data(t: Any) -> list[Any]:
    sampler = module(t, "utils.data.distributed").DistributedSampler
    found = []
    for rank in range(3):
        for how in ({}, {"drop_last": True}, {"shuffle": False}):
            drawn = sampler(range(10), num_replicas=3, rank=rank, **how)
            drawn.set_epoch(2)
            found.append([list(drawn), len(drawn)])
    return found


def marks(t: Any) -> list[Any]:
    """Of what compiles, traces and looks on: names that change nothing."""
    dynamo, jit, init = module(t, "_dynamo"), module(t, "jit"), module(t, "nn.init")
    fake = module(t, "_subclasses.fake_tensor")
    answered = (
        dynamo.eval_frame.OptimizedModule is dynamo.OptimizedModule,
        isinstance(t.nn.ReLU(), dynamo.OptimizedModule),
        isinstance(t.ones(1), fake.FakeTensor),
        fake.is_fake(t.ones(1)),
        [isinstance(kind, module(t, "_C")._TensorMeta) for kind in (t.Tensor, t.nn.Parameter, t.nn.Module, t.ones(1))],
        [isinstance(t.ones(1), getattr(module(t, "_C"), name)) for name in ("Argument", "Block", "Graph", "Value")],
    )
    with fake.unset_fake_temporarily() as before:
        answered = (*answered, before)
    dynamo.mark_static_address(t.ones(1))
    dynamo.mark_dynamic(t.ones(2), 0)
    module(t, "_inductor").cudagraph_mark_step_begin()
    w = t.nn.Parameter(t.ones(2, 3))
    init._no_grad_fill_(w, 2.0)
    fans = [init._calculate_correct_fan(w, mode) for mode in ("fan_in", "fan_out")]
    face = pellucid.bridge.torch if t is pellucid else torch
    kept = face.ones(2) if t is torch else t.ones(2)
    t.manual_seed(0)
    return [
        answered,
        w,
        fans,
        init._no_grad_uniform_(w, 0, 1).detach(),
        issubclass(jit.TracerWarning, Warning),
        kept.contiguous(memory_format=face.legacy_contiguous_format),
        module(t, "serialization").DEFAULT_PROTOCOL,
    ]


def returned(t: Any) -> list[Any]:
    kinds = module(t, "return_types")
    x = t.tensor([[3.0, 1.0], [2.0, 5.0]])
    found = {
        "max": x.max(0),
        "topk": x.topk(1),
        "sort": x.sort(),
        "cummax": x.cummax(0),
        "mode": x.mode(0),
        "linalg_slogdet": t.linalg.slogdet(x),
        "linalg_qr": t.linalg.qr(x),
        "histogram": t.histogram(x, 2),
    }
    return [[isinstance(made, getattr(kinds, name)), repr(made)] for name, made in found.items()]


def kinds_of_reduction(t: Any) -> Any:
    kinds = module(t, "distributed").ReduceOp.RedOpType
    return [
        module(t, "distributed.constants").default_pg_timeout.total_seconds(),
        kinds.__name__ in ("RedOpType", "ReduceOp"),
        [hasattr(kinds, name) for name in ("SUM", "MAX", "PRODUCT")],
    ]


def wrapped_later(t: Any) -> Any:
    """A class that asks its inner module for what it lacks, and gets that module after None."""

    class Wrapper(t.nn.Module):
        def __init__(self, inner: Any = None) -> None:
            super().__init__()
            self.inner = None
            self.inner = inner

        def __getattr__(self, name: str) -> Any:
            try:
                return super().__getattr__(name)
            except AttributeError:
                return getattr(self.__dict__["_modules"]["inner"], name)

    layer = t.nn.Linear(2, 3)
    made = Wrapper(layer)
    return [made.inner is layer, made.out_features, "inner" in made.__dict__, list(made._modules)]


def copied_by_its_dict(t: Any) -> Any:
    """A module that a program copies by hand, with parameters of its own: the first keeps what it has."""
    first = t.nn.Linear(2, 2, bias=False)
    with t.no_grad():
        first.weight.fill_(1.0)
    second = first.__new__(type(first))
    second.__dict__ = first.__dict__.copy()
    for registry in ("_parameters", "_buffers", "_modules"):
        setattr(second, registry, getattr(second, registry).copy())
    second._parameters["weight"] = first._parameters["weight"] * 2
    x = t.ones(1, 2)
    return [first(x), second(x), len(list(first.parameters())), first.weight is second.weight]


def sparse_turned(t: Any) -> Any:
    pair = t.sparse_coo_tensor([[0, 1, 1], [2, 0, 2], [1, 0, 1]], [3.0, 4.0, 5.0], (2, 3, 2))
    return [pair.mT.to_dense(), pair.to_dense().mT, t.eye(3).to_sparse().mT.to_dense()]


def sparse_by_dense(t: Any) -> Any:
    face = pellucid.bridge.torch if t is pellucid else torch
    weights = t.ones(3, 2, requires_grad=True)
    made = face.dsmm(t.sparse_coo_tensor([[0, 1, 1], [2, 0, 2]], [3.0, 4.0, 5.0], (2, 3)), weights)
    (made * t.tensor([[1.0, 2.0], [3.0, 4.0]])).sum().backward()
    return [made.detach(), weights.grad]


PROGRAMS = [
    storages, storages_made, nests, passes, sparse_adam, sparse_sgd, sparse_adagrad, used_twice, compressed,
    convolutions,
    layouts, written_into, marks, returned, sparse_by_dense, kinds_of_reduction, sparse_turned, wrapped_later,
    copied_by_its_dict, older,
    groups, parts_of_data,
]  # fmt: skip


@pytest.mark.parametrize("program", PROGRAMS, ids=lambda program: program.__name__)
@pytest.mark.filterwarnings("ignore:Sparse", "ignore:`torch.jit")
def test_program(program: Any) -> None:
    same(program, rtol=1e-5, atol=1e-6)


def adam_of_sparse(t: Any) -> None:
    layer = t.nn.Embedding(3, 2, sparse=True)
    layer(t.tensor([1])).sum().backward()
    t.optim.Adam(layer.parameters()).step()


def sparse_adam_of_dense(t: Any) -> None:
    w = t.nn.Parameter(t.ones(2))
    w.sum().backward()
    t.optim.SparseAdam([w]).step()


def too_few_leaves(t: Any) -> None:
    tree = module(t, "utils._pytree")
    tree.tree_unflatten([1], tree.tree_flatten((1, 2))[1])


def a_rank_too_high(t: Any) -> None:
    module(t, "utils.data.distributed").DistributedSampler(range(4), num_replicas=2, rank=2)


@pytest.mark.parametrize("refused", [
    adam_of_sparse, sparse_adam_of_dense, too_few_leaves, a_rank_too_high,
])  # fmt: skip
@pytest.mark.filterwarnings("ignore:Sparse")
def test_refused(refused: Any) -> None:
    both_raise(refused)


def test_a_part_beyond_the_storage_is_refused() -> None:
    """PyTorch lengthens the storage; here a tensor's memory is NumPy's, and has one length."""
    with pytest.raises(RuntimeError, match="requiring a storage size of 16 are out of bounds for storage of size 12"):
        pellucid.zeros(2).set_(pellucid.ones(3).untyped_storage(), 0, (4,), (1,))


def test_a_statement_is_timed() -> None:
    benchmark = importlib.import_module("pellucid.utils.benchmark")
    timed = benchmark.Timer(stmt="x * 2", globals={"x": pellucid.ones(3)}, label="double").timeit(20)
    assert 0 < timed.mean == timed.median < 1
    assert repr(timed).splitlines()[1] == "double"
    table = io.StringIO()
    with contextlib.redirect_stdout(table):
        benchmark.Compare([timed]).print()
    assert "[" in table.getvalue()
    assert "Times are in microseconds" in table.getvalue()


def test_attention_has_one_kernel() -> None:
    attention = importlib.import_module("pellucid.nn.attention")
    with attention.sdpa_kernel([attention.SDPBackend.MATH, attention.SDPBackend.FLASH_ATTENTION]):
        assert pellucid.nn.functional.scaled_dot_product_attention(*[pellucid.ones(1, 2, 3)] * 3).shape == (1, 2, 3)
    with pytest.raises(AssertionError), attention.sdpa_kernel("math"):
        pass


OLDER = {
    "add": lambda t, x, a, b: [t.add(x, 2, a), x.add(2, a), x.clone().add_(-0.5, a)],
    "sub": lambda t, x, a, b: [x.sub(2, a), x.clone().sub_(0.5, a)],
    "addcmul": lambda t, x, a, b: [t.addcmul(x, 2, a, b), x.clone().addcmul_(0.5, a, b)],
    "addcdiv": lambda t, x, a, b: [t.addcdiv(x, 2, a, b), x.clone().addcdiv_(-0.1, a, b)],
    "addmm": lambda t, x, a, b: [t.addmm(2, x, 3, a, b), t.addmm(2, x, a, b), x.addmm(2, 3, a, b),
                                 x.clone().addmm_(1, -2, a, b), x.clone().addmm_(3, a, b)],
    "addmv": lambda t, x, a, b: [x[0].addmv(2, 3, a, b[0])],
    "addr": lambda t, x, a, b: [x.addr(2, a[0], b[0])],
    "baddbmm": lambda t, x, a, b: [t.baddbmm(0.5, x[None], 2, a[None], b[None])],
    "addbmm": lambda t, x, a, b: [x.addbmm(2, a[None], b[None])],
}  # fmt: skip


@pytest.mark.parametrize("name", OLDER)
@pytest.mark.filterwarnings("ignore:This overload")
def test_numbers_before_tensors_as_in_old_programs(name: str) -> None:
    def program(t: Any) -> list[Any]:
        x = t.arange(1.0, 10.0).reshape(3, 3)
        return OLDER[name](t, x, x.t() + 1, x * 0.5 + 2)

    same(program)


@pytest.mark.parametrize("line", ["x.add(1, 2, x)", "x.add(x, x, 2)", "x.addmm(1, 2, 3, x, x)", "x.addcmul(1, x)"])
def test_other_orders_are_refused(line: str) -> None:
    both_raise(lambda t: eval(line, {"x": t.ones(2, 2)}), kind=TypeError)  # noqa: S307


def test_the_older_order_is_said_to_be_old(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(importlib.import_module("pellucid.declare.older_order"), "_warned", set())
    with pytest.warns(UserWarning, match=r"This overload of addcmul_ is deprecated:\n\taddcmul_\(Number value, "):
        pellucid.ones(2).addcmul_(2, pellucid.ones(2), pellucid.ones(2))


def test_an_optimiser_that_a_program_brings_may_require_a_number() -> None:
    def program(t: Any, **given: float) -> Any:
        required = module(t, "optim.optimizer").required

        class Steps(t.optim.Optimizer):
            def __init__(self, params: Any, lr: Any = required) -> None:
                super().__init__(params, {"lr": lr})

            def step(self, closure: Any = None) -> None:
                for group in self.param_groups:
                    for p in group["params"]:
                        p.data.add_(-group["lr"], p.grad.data)

        weight = t.nn.Parameter(t.ones(2))
        optimizer = Steps([{"params": [weight], **given}])
        (weight**2).sum().backward()
        optimizer.step()
        return [weight.detach(), repr(optimizer), repr(required)]

    with warnings.catch_warnings():
        warnings.filterwarnings("ignore", "This overload")
        same(lambda t: program(t, lr=0.25))
    both_raise(program, "required optimization parameter", kind=ValueError)


DEPRECATED = {
    "a copy of a tensor": lambda t: t.tensor(t.ones(2)),
    "a mask of bytes": lambda t: t.arange(3)[t.tensor([1, 0, 1], dtype=t.uint8)],
    "a condition of bytes": lambda t: t.where(t.tensor([1, 0], dtype=t.uint8), 1.0, 2.0),
    "a grid without its indexing": lambda t: t.meshgrid(t.ones(2), t.ones(3)),
    "pinned memory": lambda t: next(iter(t.utils.data.DataLoader([1], pin_memory=True))),
}


@pytest.mark.parametrize("name", DEPRECATED)
def test_what_pytorch_warns_of(name: str) -> None:
    with warnings.catch_warnings(record=True) as theirs:
        warnings.simplefilter("always")
        wanted = DEPRECATED[name](torch)
    with warnings.catch_warnings(record=True) as ours:
        warnings.simplefilter("always")
        found = DEPRECATED[name](pellucid)
    assert repr(found) == repr(wanted)
    assert ours  # PyTorch gives some of its warnings once a process
    assert [str(said.message).split(" (Triggered")[0] for said in theirs] in ([], [str(said.message) for said in ours])


PLACES = [
    "torch._tensor: Tensor",
    "torch.nn.init: _no_grad_trunc_normal_",
    "torch.nn.modules.activation: MultiheadAttention",
    "torch.nn.modules.transformer: _get_clones, _get_activation_fn",
    "torch.nn.modules.utils: _quadruple, _reverse_repeat_tuple",
    "torch.optim.adamw: AdamW",
    "torch.optim.optimizer: Optimizer, required, ParamsT",
    "torch.utils.model_zoo: load_url",
    "torchvision.datasets.folder: pil_loader, has_file_allowed_extension",
    "torchvision.io: read_image, ImageReadMode",
    "torchvision.transforms.transforms: Compose",
]


@pytest.mark.parametrize("place", PLACES)
def test_where_published_programs_import_from(place: str) -> None:
    from pellucid.bridge.importing import module_of

    where, _, names = place.partition(": ")
    found = importlib.import_module(module_of(where) or where)
    assert all(hasattr(found, name) for name in names.split(", "))


def test_a_tuple_for_padding() -> None:
    same(lambda t: module(t, "nn.modules.utils")._reverse_repeat_tuple((1, 2, 3), 2))
