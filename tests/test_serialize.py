"""Saving and loading: both formats, both ways between pellucid and PyTorch, damage, and files that mean harm."""

import io
import os
import zipfile
from collections import OrderedDict
from pathlib import Path
from pickle import PicklingError, UnpicklingError
from typing import Any

import numpy as np
import pytest

from pellucid.core import Size, Tensor, from_data
from pellucid.serialize import load, save


def tensor(value: Any, dtype: Any = None) -> Tensor:
    return from_data(np.asarray(value, dtype))


DTYPES = ["float16", "float32", "float64", "int8", "int16", "int32", "int64", "uint8", "bool"]

VALUES: dict[str, Any] = {
    "numbers": {"a": 1, "b": -(2**31), "c": 2**31, "d": 2**70, "e": -(2**70), "f": 2.5, "g": True, "h": None},
    "extreme floats": [float("inf"), -float("inf"), 1e-320, -0.0],
    "texts": ["", "é", "\N{SNOWMAN}", "line\nbreak", "same", "same"],
    "nested": {"list": [1, [2, (3, [])]], "tuple": (), "dict": {"x": {}}},
    "keys": {1: "a", "1": "b", (1, 2): "c", None: "d", 2.5: "e"},
    "dollar": {"$tensor": "no tensor", "$tuple": [1]},
    "ordered": OrderedDict(b=1, a=2),
    "tensors": {name: tensor([[0, 1, 2], [3, 4, 5]], name) for name in DTYPES},
    "0-d": tensor(3.0, "float32"),
    "empty": tensor(np.zeros((0, 3)), "float32"),
    "transposed": tensor(np.arange(6).reshape(2, 3), "float32").detach(),
}


def equal(a: Any, b: Any) -> bool:
    if isinstance(a, Tensor):
        return (
            isinstance(b, Tensor)
            and a.dtype is b.dtype
            and a.requires_grad == b.requires_grad
            and np.array_equal(a.detach().numpy(), b.detach().numpy(), equal_nan=a.is_floating_point())
            and a.shape == b.shape
        )
    if type(a) is not type(b):
        return False
    if isinstance(a, dict):
        return list(a) == list(b) and all(equal(a[key], b[key]) for key in a)
    if isinstance(a, (list, tuple)):
        return len(a) == len(b) and all(map(equal, a, b))
    return repr(a) == repr(b)  # tells -0.0 from 0.0


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
@pytest.mark.parametrize("name", VALUES)
def test_what_was_saved_is_loaded(name: str, suffix: str, tmp_path: Path) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    path = tmp_path / f"x.{suffix}"
    save(VALUES[name], path)
    assert equal(load(path), VALUES[name])
    assert [file.name for file in tmp_path.iterdir()] == [path.name]


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_tied_tensors_stay_tied_and_views_save_what_they_show(suffix: str, tmp_path: Path) -> None:
    if suffix == "safetensors":
        pytest.importorskip("safetensors")
    weight = tensor(np.arange(6.0).reshape(2, 3), "float32").requires_grad_()
    column = from_data(weight.detach().numpy().T[1:], copy=False)
    save({"a": weight.detach(), "b": weight.detach(), "w": weight, "column": column}, tmp_path / f"x.{suffix}")
    found = load(tmp_path / f"x.{suffix}")
    assert found["a"].data_ptr() == found["b"].data_ptr()
    assert found["w"].requires_grad
    assert found["column"].tolist() == [[1.0, 4.0], [2.0, 5.0]]


@pytest.mark.parametrize("name", VALUES)
def test_pytorch_reads_what_pellucid_wrote(name: str) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    save(VALUES[name], file)
    file.seek(0)
    found = torch.load(file, weights_only=True)

    def back(value: Any) -> Any:
        if isinstance(value, torch.Tensor):
            return from_data(value.detach().numpy())
        if isinstance(value, dict):
            return type(value)((key, back(item)) for key, item in value.items())
        return type(value)(map(back, value)) if isinstance(value, (list, tuple)) else value

    assert equal(back(found), VALUES[name])


@pytest.mark.parametrize("protocol", [2, 3, 4, 5])
def test_pellucid_reads_what_pytorch_wrote(protocol: int, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    model = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.BatchNorm1d(3))
    optimizer = torch.optim.Adam(model.parameters())
    model(torch.randn(4, 2)).sum().backward()
    optimizer.step()
    base = torch.arange(12.0).reshape(3, 4)
    saved = {
        "model": model.state_dict(),
        "optimizer": optimizer.state_dict(),
        "views": [base, base[1:, ::2].T, base[2]],
        "parameter": torch.nn.Parameter(torch.ones(2)),
        "size": torch.Size([1, 2]),
        "dtype": torch.float32,
        **{name: torch.tensor([0, 1, 1]).to(getattr(torch, name)) for name in DTYPES},
    }
    torch.save(saved, tmp_path / "x.pt", pickle_protocol=protocol)
    found = load(tmp_path / "x.pt")
    for key, value in saved["model"].items():
        assert np.array_equal(found["model"][key].numpy(), value.numpy()), key
    assert found["model"]._metadata == saved["model"]._metadata
    assert found["optimizer"]["param_groups"] == saved["optimizer"]["param_groups"]
    exp_avg = saved["optimizer"]["state"][0]["exp_avg"]
    assert np.array_equal(found["optimizer"]["state"][0]["exp_avg"].numpy(), exp_avg.numpy())
    for ours, theirs in zip(found["views"], saved["views"], strict=True):
        assert ours.tolist() == theirs.tolist()
    found["views"][0].numpy()[2] = -1
    assert found["views"][2].tolist() == [-1.0] * 4  # views of one storage stay views of one storage
    assert found["parameter"].requires_grad
    assert found["size"] == Size((1, 2))
    assert found["dtype"].name == "float32"
    for name in DTYPES:
        assert found[name].dtype.name == name
        assert found[name].tolist() == saved[name].tolist()


def test_versions_of_modules_travel_with_a_state_dict() -> None:
    state = OrderedDict(weight=tensor([1.0]))
    state._metadata = {"": {"version": 2}}  # type: ignore[attr-defined]
    file = io.BytesIO()
    save(state, file)
    file.seek(0)
    assert load(file)._metadata == {"": {"version": 2}}


def test_the_same_object_gives_the_same_file() -> None:
    files = [io.BytesIO(), io.BytesIO()]
    for file in files:
        save(VALUES, file)
    assert files[0].getvalue() == files[1].getvalue()


def test_storages_are_aligned() -> None:
    file = io.BytesIO()
    save([tensor([1.0]), tensor([2.0, 3.0])], file)
    with zipfile.ZipFile(file) as archive:
        for info in archive.infolist():
            file.seek(info.header_offset + 26)
            name, extra = (int.from_bytes(file.read(2), "little") for _ in range(2))
            assert (info.header_offset + 30 + name + extra) % 64 == 0, info.filename


def test_a_failed_save_leaves_the_old_file(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save({"a": 1}, path)
    with pytest.raises((TypeError, PicklingError), match="pickle"):
        save({"a": 1, "b": [1, iter([1]), lambda: 0]}, path)
    assert load(path) == {"a": 1}
    assert [file.name for file in tmp_path.iterdir()] == ["x.pt"]


def test_what_cannot_be_saved_is_named(tmp_path: Path) -> None:
    with pytest.raises((TypeError, PicklingError), match="pickle"):
        save({"a": {"b": (i for i in ())}}, io.BytesIO())
    pytest.importorskip("safetensors")
    with pytest.raises(TypeError, match=r"can't save a\.b: it is a set"):
        save({"a": {"b": {1}}}, tmp_path / "x.safetensors")


class Harm:
    """Pickles as a call of ``os.system``."""

    def __reduce__(self) -> Any:
        return os.system, ("echo harm > harmed",)


def zipped(stream: bytes, **records: bytes) -> io.BytesIO:
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("x/data.pkl", stream)
        archive.writestr("x/version", b"3\n")
        for name, content in records.items():
            archive.writestr(f"x/data/{name[1:]}", content)
    file.seek(0)
    return file


def test_a_malicious_file_is_refused_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    torch = pytest.importorskip("torch")
    monkeypatch.chdir(tmp_path)
    torch.save({"weights": Harm()}, "x.pt")
    with pytest.raises(UnpicklingError, match=r"x\.pt asks for (posix|nt)\.system"):
        load("x.pt")
    assert not (tmp_path / "harmed").exists()


STORAGE = b"(X\x07\x00\x00\x00storagectorch\nFloatStorage\nX\x01\x00\x00\x000X\x03\x00\x00\x00cpuK\x04tQ"
TENSOR = b"ctorch._utils\n_rebuild_tensor_v2\n(" + STORAGE
PICKLES: dict[str, tuple[bytes, str]] = {
    "a builtin": (b"\x80\x02cbuiltins\neval\nX\x03\x00\x00\x001+1\x85R.", r"asks for builtins\.eval"),
    "a name from the stack": (b"\x80\x04\x8c\x02os\x8c\x06system\x93.", r"asks for os\.system"),
    "an instruction that makes objects": (b"\x80\x02ctorch\nSize\n)\x81.", "makes an object"),
    "a call of what is no function": (b"\x80\x02ctorch\nfloat32\n)R.", "calls a dtype"),
    "a change of what was there before": (
        b"\x80\x02ctorch\nfloat32\n}X\x04\x00\x00\x00nameK\x01sb.",
        "sets attributes",
    ),
    "a dict that is none": (b"\x80\x02]K\x01K\x02s.", "puts an item into a list"),
    "a tensor beyond its storage": (TENSOR + b"K\x00K\x05\x85K\x01\x85\x89NtR.", "reaches beyond its storage"),
    "a tensor before its storage": (TENSOR + b"J\xff\xff\xff\xffK\x01\x85K\x01\x85\x89NtR.", "impossible sizes"),
    "a stride backwards": (TENSOR + b"K\x03K\x02\x85J\xff\xff\xff\xff\x85\x89NtR.", "impossible sizes"),
}


@pytest.mark.parametrize("name", PICKLES)
def test_a_pickle_that_wants_more_is_refused(name: str) -> None:
    stream, message = PICKLES[name]
    with pytest.raises(UnpicklingError, match=message):
        load(zipped(stream, _0=bytes(16)))


def test_a_tensor_within_its_storage_is_read() -> None:
    assert load(zipped(TENSOR + b"K\x01K\x03\x85K\x01\x85\x89NtR.", _0=bytes(16))).tolist() == [0.0] * 3


DAMAGED: dict[str, bytes] = {
    "cut": b"\x80\x02}X\x05\x00\x00\x00ab",
    "no mark": b"\x80\x02K\x01t.",
    "empty stack": b"\x80\x02.",
    "unknown memo": b"\x80\x02h\x07.",
    "short storage": TENSOR.replace(b"K\x04tQ", b"K\x20tQ") + b"K\x00K\x05\x85K\x01\x85\x89NtR.",
    "no storage": TENSOR.replace(b"\x00\x00\x000X", b"\x00\x00\x009X") + b"K\x00K\x05\x85K\x01\x85\x89NtR.",
}


@pytest.mark.parametrize("name", DAMAGED)
def test_a_damaged_index_is_said_to_be_damaged(name: str) -> None:
    with pytest.raises(RuntimeError, match=r"index|storage|record"):
        load(zipped(DAMAGED[name], _0=bytes(16)))


def test_a_damaged_file_is_said_to_be_damaged(tmp_path: Path) -> None:
    path = tmp_path / "x.pt"
    save({"a": tensor(np.arange(100.0))}, path)
    whole = path.read_bytes()
    for cut in (0, 10, len(whole) // 2, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(RuntimeError, match="not a whole file"):
            load(path)
    place = whole.index(np.arange(100.0).tobytes()) + 50
    path.write_bytes(whole[:place] + b"\x99" + whole[place + 1 :])
    with pytest.raises(RuntimeError, match="not a whole file"):
        load(path)


def test_other_files_are_told_apart(tmp_path: Path) -> None:
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.pt")
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w") as archive:
        archive.writestr("a.txt", "text")
    file.seek(0)
    with pytest.raises(RuntimeError, match=r"no data\.pkl"):
        load(file)
    file = io.BytesIO()
    with zipfile.ZipFile(file, "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("x/data.pkl", b"\x80\x02}.")
    file.seek(0)
    with pytest.raises(RuntimeError, match="compressed"):
        load(file)


def test_damaged_safetensors(tmp_path: Path) -> None:
    pytest.importorskip("safetensors")
    path = tmp_path / "x.safetensors"
    save({"a": tensor(np.arange(100.0))}, path)
    whole = path.read_bytes()
    for cut in (0, 4, 40, len(whole) - 1):
        path.write_bytes(whole[:cut])
        with pytest.raises(RuntimeError, match="is not a whole safetensors file"):
            load(path)
    with pytest.raises(FileNotFoundError):
        load(tmp_path / "none.safetensors")


def test_safetensors_of_others(tmp_path: Path) -> None:
    numpy = pytest.importorskip("safetensors.numpy")
    arrays = {name: np.arange(6).reshape(2, 3).astype(name) for name in DTYPES}
    numpy.save_file(arrays, tmp_path / "x.safetensors", {"by": "another"})
    found = load(tmp_path / "x.safetensors")
    assert set(found) == set(arrays)
    assert all(equal(found[name], tensor(arrays[name])) for name in arrays)
    save({name: tensor(array) for name, array in arrays.items()}, tmp_path / "x.safetensors")
    found = numpy.load_file(tmp_path / "x.safetensors")
    assert all((found[name] == arrays[name]).all() and found[name].dtype == arrays[name].dtype for name in arrays)


def test_safetensors_is_asked_for_by_name(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(__import__("sys").modules, "safetensors", None)
    with pytest.raises(ModuleNotFoundError, match=r'pip install "pellucid\[standard\]"'):
        save({"a": 1}, tmp_path / "x.safetensors")
    save({"a": 1}, tmp_path / "x.pt")


def test_options() -> None:
    file = io.BytesIO()
    save({"a": tensor([1.0])}, file, pickle_protocol=4)
    file.seek(0)
    assert load(file, map_location="cpu", weights_only=False)["a"].tolist() == [1.0]
    with pytest.raises(TypeError, match="unexpected keyword argument 'colour'"):
        load(file, colour=1)
    for place in (lambda storage, place: storage, {"cuda:0": "cpu"}):
        file.seek(0)
        assert load(file, map_location=place)["a"].tolist() == [1.0]
