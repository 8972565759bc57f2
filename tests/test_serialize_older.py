"""Files from before PyTorch 1.6, and tensors within Python's own pickles, written by PyTorch and read here."""

import importlib
import io
import pickle
import re
from collections import OrderedDict
from pickle import UnpicklingError

import pytest

import pellucid

torch = pytest.importorskip("torch")

DTYPES = ("float32", "float64", "float16", "bfloat16", "complex64", "int64", "int32", "int16", "int8", "uint8", "bool")


def written(obj):
    file = io.BytesIO()
    torch.save(obj, file, _use_new_zipfile_serialization=False)
    return file.getvalue()


def plain(value):
    """Values, dtypes and flags, by which the two libraries are compared."""
    if isinstance(value, dict):
        return {key: plain(item) for key, item in value.items()}
    if isinstance(value, list | tuple):
        return [plain(item) for item in value]
    if hasattr(value, "tolist"):
        return value.tolist(), str(value.dtype).removeprefix("torch."), value.requires_grad, tuple(value.shape)
    return value


def objects():
    x, model = torch.arange(6.0).reshape(2, 3), torch.nn.Linear(2, 3).state_dict()
    return {
        "kinds": {name: torch.tensor([[0, 1], [1, 0]]).to(getattr(torch, name)) for name in DTYPES},
        "views": {"whole": x, "row": x[1], "turned": x.t(), "stepped": x[:, ::2], "empty": torch.zeros(0, 2)},
        "checkpoint": {"epoch": 3, "lr": 0.5, "note": "ä", "sizes": (1, [2, None]), "model": model},
        "order": OrderedDict(a=torch.ones(1, requires_grad=True)),
        "alone": torch.tensor(3.5),
    }  # fmt: skip


@pytest.mark.parametrize("name", ["kinds", "views", "checkpoint", "order", "alone"])
@pytest.mark.parametrize("weights_only", [True, False])
def test_an_older_file_is_read(name, weights_only):
    obj = objects()[name]
    assert plain(pellucid.load(io.BytesIO(written(obj)), weights_only=weights_only)) == plain(obj)


def test_views_share_memory_again():
    found = pellucid.load(io.BytesIO(written(objects()["views"])))
    found["whole"][1, 0] = 9
    assert found["row"].tolist() == [9, 4, 5] and found["turned"][0, 1] == 9


def test_a_module_is_unpickled_where_the_program_asks():
    module = torch.nn.Sequential(torch.nn.Linear(2, 3), torch.nn.ReLU())
    found = pellucid.load(io.BytesIO(written(module)), weights_only=False)
    assert isinstance(found[0].weight, pellucid.nn.Parameter)
    assert plain(found.state_dict()) == plain(module.state_dict())
    with pytest.raises(UnpicklingError, match="torch.nn"):
        pellucid.load(io.BytesIO(written(module)))


class Calls:
    def __reduce__(self):
        return print, ("executed",)


def test_nothing_is_executed(capsys):
    with pytest.raises(UnpicklingError, match="builtins.print"):
        pellucid.load(io.BytesIO(written([Calls()])))
    assert capsys.readouterr().out == ""


def test_a_file_that_is_cut_short_or_of_another_machine_is_refused(tmp_path):
    whole = written({"a": torch.ones(5), "b": torch.ones(3)})
    path = tmp_path / "cut.pt"
    for length in (*range(20, len(whole), 17), len(whole) - 1):
        path.write_bytes(whole[:length])
        with pytest.raises((RuntimeError, UnpicklingError), match="cut.pt"):
            pellucid.load(path)
    path.write_bytes(re.sub(rb"(little_endianq.)\x88", rb"\1" + b"\x89", whole))
    with pytest.raises(RuntimeError, match="highest byte"):
        pellucid.load(path)


class Answered(pickle.Unpickler):
    """Unpickles as in a program that is run as one of PyTorch's."""

    def find_class(self, module, name):
        if module in ("torch._utils", "torch.storage"):
            return getattr(importlib.import_module(f"pellucid.bridge.{module}"), name)
        return super().find_class(module, name)


def test_tensors_in_a_pickle():
    obj = {"x": torch.arange(6.0).reshape(2, 3).t(), "p": torch.nn.Parameter(torch.ones(2)), "i": torch.tensor([True])}
    found = Answered(io.BytesIO(pickle.dumps(obj))).load()
    assert plain(found) == plain(obj)
    assert isinstance(found["p"], pellucid.nn.Parameter) and isinstance(found["x"], pellucid.Tensor)
