"""What shares memory shares it when it is saved and loaded, or copied; damaged files; bfloat16."""

from __future__ import annotations

import copy
import io
import random
import zipfile
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid import nn, safetensors
from pellucid.train import CheckpointError, load_checkpoint, save_checkpoint
from pellucid.train.files.model import read_model, write_model


def through(T: Any, obj: Any) -> Any:
    file = io.BytesIO()
    T.save(obj, file)
    file.seek(0)
    return T.load(file)


def tied(T: Any) -> Any:
    class Net(T.nn.Module):
        def __init__(self) -> None:
            super().__init__()
            self.register_buffer("table", T.arange(6.0))
            self.register_buffer("row", self.table[:3])
            self.rest = self.table[3:]
            self.encoder = T.nn.Linear(2, 2)
            self.decoder = T.nn.Linear(2, 2)
            self.decoder.weight = self.encoder.weight

    return Net()


# name -> a function of the library that gives tensors, of which some share memory
SHARED: dict[str, Any] = {
    "a part": lambda T, w: [w, w[:2]],
    "a part, first": lambda T, w: [w[:2], w],
    "parts that overlap": lambda T, w: [w[:6], w[4:]],
    "parts that do not": lambda T, w: [w[:6], w[6:]],
    "a transpose": lambda T, w: [w.reshape(3, 4), w.reshape(3, 4).T],
    "columns": lambda T, w: [w.reshape(3, 4)[:, 0], w.reshape(3, 4)[:, 1:3], w],
    "every second": lambda T, w: [w[::2], w],
    "expanded": lambda T, w: [w[:1].expand(5), w],
    "a 0-d view": lambda T, w: [w[3], w],
    "in nested containers": lambda T, w: {"a": {"w": w}, "b": (1, [w[2:4]])},
    "of a parameter": lambda T, w: [T.nn.Parameter(w), w[1:3]],
    "a detached one": lambda T, w: [w, w.detach()],
    "alone": lambda T, w: [w[3:5]],
    "apart": lambda T, w: [w, w.clone()],
    "empty": lambda T, w: [w[:0], w],
}


def leaves(value: Any) -> list[Any]:
    if isinstance(value, dict | list | tuple):
        return [leaf for item in (value.values() if isinstance(value, dict) else value) for leaf in leaves(item)]
    return [value] if hasattr(value, "tolist") else []


def after_changes(T: Any, value: Any) -> list[Any]:
    """The numbers of all tensors after each has been changed in turn: they show who shares what."""
    seen = []
    tensors = leaves(value)
    for number, tensor in enumerate(tensors):
        with T.no_grad():
            flat = tensor.detach().reshape(-1)[:1] if tensor.numel() == 1 else tensor.detach()
            if flat.numel() and 0 not in tensor.stride():
                tensor.detach().fill_(100.0 + number) if tensor.ndim == 0 else tensor.detach()[:1].fill_(100.0 + number)
        seen.append([other.detach().tolist() for other in tensors])
    return seen


@pytest.mark.parametrize("name", SHARED)
def test_saving_keeps_what_shares_memory_as_in_pytorch(name: str) -> None:
    torch = pytest.importorskip("torch")
    theirs = through(torch, SHARED[name](torch, torch.arange(12.0)))
    ours = through(pellucid, SHARED[name](pellucid, pellucid.arange(12.0)))
    assert [tuple(t.stride()) for t in leaves(ours)] == [tuple(t.stride()) for t in leaves(theirs)]
    assert after_changes(pellucid, ours) == after_changes(torch, theirs)


@pytest.mark.parametrize("name", SHARED)
def test_pytorch_reads_what_shares_memory(name: str) -> None:
    torch = pytest.importorskip("torch")
    file = io.BytesIO()
    pellucid.save(SHARED[name](pellucid, pellucid.arange(12.0)), file)
    file.seek(0)
    found = torch.load(file)
    assert after_changes(torch, found) == after_changes(torch, through(torch, SHARED[name](torch, torch.arange(12.0))))
    file = io.BytesIO()
    torch.save(SHARED[name](torch, torch.arange(12.0)), file)
    file.seek(0)
    assert after_changes(pellucid, pellucid.load(file)) == after_changes(
        torch, through(torch, SHARED[name](torch, torch.arange(12.0)))
    )


@pytest.mark.parametrize("times", [1, 2])
@pytest.mark.parametrize("name", SHARED)
def test_a_deep_copy_keeps_what_shares_memory_as_in_pytorch(name: str, times: int) -> None:
    torch = pytest.importorskip("torch")
    ours, theirs = SHARED[name](pellucid, pellucid.arange(12.0)), SHARED[name](torch, torch.arange(12.0))
    before = [leaf.detach().tolist() for leaf in leaves(ours)]
    copied = ours
    for _ in range(times):
        copied, theirs = copy.deepcopy(copied), copy.deepcopy(theirs)
    assert after_changes(pellucid, copied) == after_changes(torch, theirs)
    assert [leaf.detach().tolist() for leaf in leaves(ours)] == before


def test_a_deep_copy_of_a_module_keeps_its_views_and_ties() -> None:
    torch = pytest.importorskip("torch")
    for T in (torch, pellucid):
        net = copy.deepcopy(tied(T))
        net.table.zero_()
        assert net.row.tolist() == net.rest.tolist() == [0.0, 0.0, 0.0]
        assert net.encoder.weight is net.decoder.weight
        state = through(T, tied(T).state_dict())
        state["table"].zero_()
        assert state["row"].tolist() == [0.0, 0.0, 0.0]
        state["encoder.weight"].zero_()
        assert state["decoder.weight"].tolist() == [[0.0, 0.0], [0.0, 0.0]]


def test_a_small_part_of_a_large_tensor_is_saved_alone() -> None:
    file = io.BytesIO()
    pellucid.save(pellucid.zeros(1_000_000)[:2], file)
    assert len(file.getvalue()) < 10_000


def test_a_deep_copy_of_a_part_of_a_file_copies_the_part(tmp_path: Path) -> None:
    memory = np.memmap(tmp_path / "x", np.float32, "w+", shape=(1000,))
    copied = copy.deepcopy(pellucid.from_numpy(memory[:3]))
    assert copied.numpy().base is None
    assert copied.tolist() == [0.0, 0.0, 0.0]


# ---------------------------------------------------------------------------------------------- safetensors

HELD = ["a part", "a part, first", "a transpose", "columns", "every second", "in nested containers", "apart", "alone"]


@pytest.mark.parametrize("name", HELD)
def test_safetensors_keeps_what_shares_memory(name: str, tmp_path: Path) -> None:
    value = SHARED[name](pellucid, pellucid.arange(12.0))
    pellucid.save(value, tmp_path / "x.safetensors")
    found = pellucid.load(tmp_path / "x.safetensors")
    assert after_changes(pellucid, found) == after_changes(pellucid, value)


def test_safetensors_refuses_by_name_what_it_cannot_express(tmp_path: Path) -> None:
    w = pellucid.arange(12.0)
    with pytest.raises(RuntimeError, match=r"share memory.*'(a|b)' and '(a|b)' overlap.*tensor\.clone\(\)"):
        pellucid.save({"a": w[:6], "b": w[4:]}, tmp_path / "x.safetensors")
    assert not list(tmp_path.iterdir())


@pytest.mark.parametrize("kind", ["save", "checkpoint"])
def test_tensors_of_one_dotted_name_stay_two(kind: str, tmp_path: Path) -> None:
    state = {"a.b": pellucid.ones(1), "a": {"b": pellucid.zeros(1), "b#2": pellucid.ones(2)}, "": pellucid.ones(3)}
    path = tmp_path / "x.safetensors"
    if kind == "save":
        pellucid.save(state, path)
        found = pellucid.load(path)
    else:
        save_checkpoint(path, state)
        found = load_checkpoint(path)
    assert found["a.b"].tolist() == [1.0]
    assert found["a"]["b"].tolist() == [0.0]
    assert found["a"]["b#2"].tolist() == [1.0, 1.0]
    assert found[""].tolist() == [1.0, 1.0, 1.0]


def test_files_of_models_carry_a_checksum(tmp_path: Path) -> None:
    path = tmp_path / "model.safetensors"
    write_model(path, nn.Linear(2, 2).state_dict())
    whole = bytearray(path.read_bytes())
    assert "sha256" not in safetensors.read(path).metadata  # it is checked, and gone
    for place in range(0, len(whole), 7):
        whole[place] ^= 4
        path.write_bytes(whole)
        try:
            found = read_model(path)
        except ValueError as error:
            assert str(path) in str(error)  # noqa: PT017
        else:
            assert b'"sha256"' not in whole  # the name of the checksum itself was hit: the numbers are whole
            assert set(found) == {"weight", "bias"}
        whole[place] ^= 4


# --------------------------------------------------------------------------------------------------- damage


def contents() -> dict[str, Any]:
    return {"a": pellucid.arange(20.0), "b": {"c": pellucid.ones(3, 2), "n": 3}, "t": ("x", 2.5, None), "v": [True]}


def wholesome(path: Path, kind: str) -> None:
    if kind == "checkpoint":
        save_checkpoint(path, contents())
    else:
        pellucid.save(contents(), path)


def tried(path: Path, kind: str) -> str | None:
    """None if the file is read, else what the error says; an error of another class fails the test."""
    expected: Any = CheckpointError if kind == "checkpoint" else (RuntimeError, UnpicklingError)
    try:
        (load_checkpoint if kind == "checkpoint" else pellucid.load)(path)
    except expected as error:
        return str(error)
    return None


@pytest.mark.filterwarnings("ignore::UserWarning")
@pytest.mark.parametrize("kind", ["pt", "safetensors", "checkpoint"])
def test_damage_anywhere_is_an_error_of_a_sentence(kind: str, tmp_path: Path) -> None:
    path = tmp_path / ("x.pt" if kind == "pt" else "x.safetensors")
    wholesome(path, kind)
    whole = path.read_bytes()
    chance = random.Random(0)
    for _ in range(400):
        damaged = bytearray(whole)
        match chance.randrange(4):
            case 0:
                damaged[chance.randrange(len(whole))] ^= 1 << chance.randrange(8)
            case 1:
                damaged = damaged[: chance.randrange(len(whole))]
            case 2:
                place = chance.randrange(len(whole))
                damaged[place : place + 8] = chance.randbytes(8)
            case 3:
                damaged += chance.randbytes(9)
        path.write_bytes(damaged)
        said = tried(path, kind)
        assert said is None or (len(said) > 20 and "x." in said), said


@pytest.mark.filterwarnings("ignore::UserWarning")
def test_a_damaged_index_of_a_whole_zip_is_an_error_of_a_sentence(tmp_path: Path) -> None:
    file = io.BytesIO()
    pellucid.save(contents(), file)
    with zipfile.ZipFile(file) as archive:
        records = {name: archive.read(name) for name in archive.namelist()}
    index = records["archive/data.pkl"]
    chance = random.Random(0)
    path = tmp_path / "x.pt"
    for number in range(600):
        damaged = bytearray(index)
        if number % 5 == 4:
            damaged = damaged[: chance.randrange(len(index))]
        else:
            for _ in range(1 + number % 3):
                damaged[chance.randrange(len(index))] = chance.randrange(256)
        with zipfile.ZipFile(path, "w") as archive:
            for name, record in {**records, "archive/data.pkl": bytes(damaged)}.items():
                archive.writestr(name, record)
        said = tried(path, "pt")
        assert said is None or (len(said) > 20 and "x.pt" in said), said


@pytest.mark.parametrize(
    "header",
    [
        b"[" * 100_000,
        b"[]",
        b"{}  ",
        b'{"a": 3}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 9]}}',
        b'{"a": {"dtype": "F32", "shape": [-2], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "F32", "shape": [2], "data_offsets": [8, 16]}}',
        b'{"a": {"dtype": "F32", "shape": [1e9, 1e9], "data_offsets": [0, 8]}}',
        b'{"a": {"dtype": "X9", "shape": [2], "data_offsets": [0, 8]}}',
        b'{"__metadata__": {"pellucid": "{"}}',
        b'{"__metadata__": {"pellucid": 3}}',
        b'{"__metadata__": [], "a": {"dtype": "F32", "shape": [2], "data_offsets": [0, 8]}}',
        b"\xff\xfe",
    ],
    ids=lambda header: header[:40].decode("latin-1"),
)
def test_odd_headers_are_refused(header: bytes, tmp_path: Path) -> None:
    path = tmp_path / "x.safetensors"
    path.write_bytes(len(header).to_bytes(8, "little") + header + bytes(8))
    with pytest.raises(RuntimeError, match=r"x\.safetensors"):
        pellucid.load(path)


# ------------------------------------------------------------------------------------------------- bfloat16


@pytest.mark.parametrize("suffix", ["pt", "safetensors"])
def test_bfloat16_goes_both_ways(suffix: str, tmp_path: Path) -> None:
    torch = pytest.importorskip("torch")
    values = torch.tensor([1.0, -2.5, 3.1415927, 1e-40, float("inf"), 65536.0, -0.0]).to(torch.bfloat16).reshape(7, 1)
    path = tmp_path / f"x.{suffix}"
    state = {"w": values, "f": torch.ones(2)}
    if suffix == "pt":
        torch.save(state, path)
    else:
        pytest.importorskip("safetensors.torch").save_file(state, path)
    found = pellucid.load(path)
    assert found["w"].dtype is pellucid.bfloat16
    assert found["w"].float().numpy().tobytes() == values.float().numpy().tobytes()
    assert found["f"].tolist() == [1.0, 1.0]
    found["part"] = found["w"][2:]
    pellucid.save(found, path)
    again = pellucid.load(path)
    again["part"].zero_()
    assert again["w"].tolist() == [[1.0], [-2.5], *[[0.0]] * 5]
    back = torch.load(path) if suffix == "pt" else __import__("safetensors.torch").torch.load_file(path)
    assert back["w"].dtype is torch.bfloat16
    assert torch.equal(back["w"], values)
