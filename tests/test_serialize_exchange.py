"""Files exchanged with PyTorch, kind by kind: what one library wrote is read by the other and looks the same there."""

from __future__ import annotations

import copy
import io
import pickle
from collections.abc import Callable
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.nn.modules.rnn import RNNBase

torch = pytest.importorskip("torch")
pytestmark = pytest.mark.filterwarnings("ignore:(Sparse|LSTM with projections):UserWarning")  # PyTorch's own

DTYPES = (
    "float64 float32 float16 bfloat16 complex64 complex128 int8 int16 int32 int64 uint8 bool uint16 uint32 uint64"
).split()
TENSORS: dict[str, Callable[[Any], Any]] = {
    **{name: lambda lib, name=name: lib.tensor([[1, 0, 3], [4, 5, 0]]).to(getattr(lib, name)) for name in DTYPES},
    "0-d": lambda lib: lib.tensor(2.5),
    "empty": lambda lib: lib.empty(0),
    "empty of two dimensions": lambda lib: lib.empty(0, 3),
    "transposed": lambda lib: lib.arange(24.0).reshape(4, 6).t(),
    "permuted": lambda lib: lib.arange(24.0).reshape(2, 3, 1, 4).permute(3, 2, 0, 1),
    "channels last": lambda lib: lib.arange(48.0).reshape(2, 3, 4, 2).to(memory_format=lib.channels_last),
    "every second": lambda lib: lib.arange(24.0).reshape(4, 6)[1:3, ::2],
    "expanded": lambda lib: lib.ones(3, 1).expand(3, 4),
    "wants a gradient": lambda lib: lib.ones(3, requires_grad=True),
    "conjugate": lambda lib: lib.tensor([1 + 2j, 3 - 1j]).conj(),
    "imaginary part of a conjugate": lambda lib: lib.tensor([1 + 2j, 3 - 1j]).conj().imag,
    "parameter": lambda lib: lib.nn.Parameter(lib.ones(2, 3)),
    "frozen parameter": lambda lib: lib.nn.Parameter(lib.ones(2), requires_grad=False),
    "by coordinates": lambda lib: lib.sparse_coo_tensor([[0, 1, 0], [2, 0, 2]], [3.0, 4.0, 1.0], (2, 3)),
    "by coordinates, coalesced": lambda lib: lib.sparse_coo_tensor([[1, 0], [0, 2]], [3.0, 4.0], (2, 3)).coalesce(),
    "by rows": lambda lib: lib.tensor([[0.0, 0, 3], [4, 0, 0]]).to_sparse_csr(),
    "by coordinates, within a dict": lambda lib: {"a": lib.sparse_coo_tensor([[0], [2]], [3.0], (2, 3))},
}


def shown(obj: Any) -> Any:
    """What is compared: values, dtype, shape and strides, and whether a gradient is wanted."""
    if isinstance(obj, dict):
        return {key: shown(value) for key, value in obj.items()}
    if str(obj.layout) != "torch.strided":
        coalesced = obj.is_coalesced() if obj.is_sparse else None
        return str(obj.layout), str(obj.dtype), coalesced, obj.to_dense().tolist()
    values = obj.detach().resolve_conj().resolve_neg().tolist()
    return type(obj).__name__, str(obj.dtype), tuple(obj.shape), values, bool(obj.requires_grad)


def exchanged(obj: Any, source: Any, target: Any, weights_only: bool, older: bool = False) -> Any:
    file = io.BytesIO()
    source.save(obj, file, _use_new_zipfile_serialization=not older)
    file.seek(0)
    return target.load(file, weights_only=weights_only)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("name", TENSORS)
def test_a_tensor_goes_both_ways(name: str, weights_only: bool) -> None:
    for source, target in ((torch, pellucid), (pellucid, torch)):
        made = TENSORS[name](source)
        found = exchanged(made, source, target, weights_only)
        assert shown(found) == shown(made) == shown(TENSORS[name](target))
        strided = isinstance(found, target.Tensor) and str(found.layout) == "torch.strided" and "conj" not in name
        parts = name in ("every second", "expanded")  # of which pellucid writes what they show, row by row
        if strided and (source is torch or not parts):
            assert found.stride() == made.stride()


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.parametrize("name", [name for name in TENSORS if name not in ("uint16", "uint32", "uint64")])
def test_a_tensor_in_an_older_file(name: str, weights_only: bool) -> None:
    made = TENSORS[name](torch)
    assert shown(exchanged(made, torch, pellucid, weights_only, older=True)) == shown(made)


@pytest.mark.parametrize("weights_only", [True, False])
@pytest.mark.filterwarnings("ignore:TypedStorage is deprecated")
def test_storages_go_both_ways(weights_only: bool) -> None:
    def made(lib: Any) -> Any:
        row = lib.arange(6.0)
        return {"row": row, "memory": row[2:4].storage(), "double": lib.DoubleStorage([1, 2]),
                "bytes": lib.UntypedStorage([1, 2, 3]),
                "half": [lib.tensor([1.0, 2], dtype=lib.bfloat16).storage()]}  # fmt: skip

    for source, target in ((torch, pellucid), (pellucid, torch)):
        found = exchanged(made(source), source, target, weights_only)
        assert repr(found) == repr(exchanged(made(torch), torch, torch, weights_only))
        found["memory"][2] = 7.0
        assert found["row"].tolist() == [0, 1, 7, 3, 4, 5]  # which share their memory
        assert target.is_storage(found["double"])
        alone = exchanged(source.LongStorage([4, 5]), source, target, weights_only)
        assert isinstance(alone, target.LongStorage)
        assert alone.tolist() == [4, 5]


def test_a_conjugate_beside_its_tensor() -> None:
    for older in (False, True):
        base = torch.tensor([1 + 2j, 3 - 1j])
        found = exchanged({"z": base, "conj": base.conj(), "plain": base}, torch, pellucid, True, older)
        assert found["z"].tolist() == found["plain"].tolist() == base.tolist()
        assert found["conj"].tolist() == base.conj().tolist()
        found["z"][0] = 5
        assert found["plain"][0] == 5


def test_sparse_parts_that_do_not_fit_are_refused() -> None:
    file = io.BytesIO()
    indices, values = torch.tensor([[0, 7], [0, 0]]), torch.ones(2)
    torch.save(torch.sparse_coo_tensor(indices, values, (2, 2), check_invariants=False), file)
    for weights_only in (True, False):
        file.seek(0)
        with pytest.raises((RuntimeError, pickle.UnpicklingError), match="index 7"):
            pellucid.load(file, weights_only=weights_only)


LAYERS: dict[str, Callable[[Any], Any]] = {
    "RNN": lambda lib: lib.nn.RNN(3, 4, nonlinearity="relu"),
    "LSTM of two layers": lambda lib: lib.nn.LSTM(3, 4, 2, bidirectional=True),
    "LSTM with a projection": lambda lib: lib.nn.LSTM(3, 4, proj_size=2),
    "GRU without a bias": lambda lib: lib.nn.GRU(3, 4, bias=False),
    "MultiheadAttention": lambda lib: lib.nn.TransformerEncoderLayer(3, 1, 8, dropout=0.0),
    "ModuleDict": lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.PReLU(), lib.nn.LayerNorm(3)),
}


@pytest.mark.parametrize("name", LAYERS)
def test_a_whole_layer_goes_both_ways(name: str) -> None:
    for source, target in ((torch, pellucid), (pellucid, torch), (pellucid, pellucid)):
        source.manual_seed(0)
        made = LAYERS[name](source)
        found = exchanged(made, source, target, False)
        values = np.random.default_rng(0).standard_normal((5, 2, 3)).astype(np.float32)
        given, got = (layer(lib.from_numpy(values)) for lib, layer in ((source, made), (target, found)))
        if isinstance(given, tuple):
            given, got = given[0], got[0]
        np.testing.assert_allclose(got.detach().numpy(), given.detach().numpy(), rtol=1e-5, atol=1e-6)
        assert repr(found) == repr(made)
        assert not (isinstance(found, RNNBase) and "_flat_weights" in vars(found))  # they would not follow `to`
        found.double()(target.from_numpy(values.astype(np.float64)))


OPTIMISERS: dict[str, dict[str, Any]] = {
    "SGD": {"momentum": 0.9, "nesterov": True}, "Adam": {"amsgrad": True}, "AdamW": {}, "RMSprop": {"centered": True},
    "Adagrad": {}, "Adadelta": {}, "NAdam": {}, "RAdam": {}, "Rprop": {}, "ASGD": {}, "Adamax": {},
}  # fmt: skip


def stepped(lib: Any, weight: Any, optimiser: Any) -> list[float]:
    """The weight after two more steps on (weight - 1)^4."""
    for _ in range(2):
        optimiser.zero_grad()
        ((weight - 1) ** 4).sum().backward()
        optimiser.step()
    return [float(number) for number in weight.detach()]


@pytest.mark.parametrize("name", OPTIMISERS)
def test_an_optimiser_goes_on_in_the_other_library(name: str) -> None:
    for source, target in ((torch, pellucid), (pellucid, torch)):
        weight = source.nn.Parameter(source.tensor([0.5, -2.0]))
        optimiser = getattr(source.optim, name)([weight], lr=0.01, **OPTIMISERS[name])
        stepped(source, weight, optimiser)
        found_weight, found, state = exchanged(
            (weight, optimiser, optimiser.state_dict()), source, target, weights_only=False
        )
        assert repr(found) == repr(optimiser)
        other = target.nn.Parameter(found_weight.detach().clone())
        again = getattr(target.optim, name)([other], lr=1.0, **OPTIMISERS[name])
        again.load_state_dict(copy.deepcopy(state))  # which shares the memory of `found`
        wanted = stepped(source, weight, optimiser)
        np.testing.assert_allclose(stepped(target, found_weight, found), wanted, rtol=1e-5)
        np.testing.assert_allclose(stepped(target, other, again), wanted, rtol=1e-5)


def test_an_l1_that_is_asked_for_is_kept() -> None:
    weight = pellucid.nn.Parameter(pellucid.ones(2))
    found = exchanged(pellucid.optim.SGD([weight], lr=0.1, l1=0.5), pellucid, pellucid, False)
    assert found.param_groups[0]["l1"] == 0.5


def test_a_file_is_read_record_by_record(tmp_path: Any) -> None:
    path = tmp_path / "kept.pt"
    torch.save({"w": torch.arange(6.0), "n": torch.arange(3)}, path)

    def read(library: Any) -> list[Any]:
        reader = library.PyTorchFileReader(str(path))
        kinds = ((6, library.float32), (24, library.UntypedStorage))
        storages = [reader.get_storage_from_record("data/0", *kind).untyped_storage() for kind in kinds]
        found = [sorted(reader.get_all_records()), reader.get_record("data.pkl"), storages[0].tolist()[:24]]
        return [*found, storages[1].tolist()[:24], reader.has_record("data/1"), reader.has_record("x")]

    assert read(pellucid) == read(torch)
