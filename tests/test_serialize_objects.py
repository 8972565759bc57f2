"""Whole modules, arrays and objects of one's own in PyTorch's format, both ways."""

import argparse
import enum
import io
import sys
import warnings
from collections import namedtuple
from collections.abc import Callable
from pathlib import Path
from pickle import UnpicklingError
from typing import Any

import numpy as np
import pytest

import pellucid
from pellucid.bridge.torch import serialization

torch = pytest.importorskip("torch")
MODELS = {
    "Linear": lambda lib: lib.nn.Linear(3, 2),
    "a chain": lambda lib: lib.nn.Sequential(
        lib.nn.Conv2d(1, 2, 3), lib.nn.ReLU(), lib.nn.BatchNorm2d(2), lib.nn.Flatten()
    ),
    "Embedding": lambda lib: lib.nn.Embedding(4, 3),
    "LayerNorm": lambda lib: lib.nn.LayerNorm(3),
    "Dropout": lambda lib: lib.nn.Sequential(lib.nn.Linear(3, 3), lib.nn.Dropout(0.5), lib.nn.GELU()).eval(),
}
INPUTS = {"a chain": (2, 1, 5, 5), "Embedding": None}


def there_and_back(obj: Any, write: Any, read: Any, **how: Any) -> Any:
    file = io.BytesIO()
    write.save(obj, file)
    file.seek(0)
    return read.load(file, **how)


@pytest.mark.parametrize("name", MODELS)
@pytest.mark.parametrize("ways", ["ours to theirs", "theirs to ours", "ours to ours"])
def test_a_whole_module_goes_both_ways(name: str, ways: str) -> None:
    libraries = {"ours": pellucid, "theirs": torch}
    source, target = (libraries[word] for word in ways.split(" to "))
    source.manual_seed(0)
    model = MODELS[name](source)
    found = there_and_back(model, source, target, weights_only=False)
    assert type(found) is type(MODELS[name](target)) and repr(found) == repr(model)
    shape = INPUTS.get(name, (2, 3))
    values = np.random.default_rng(0).standard_normal(shape).astype(np.float32) if shape else np.array([1, 3])
    results = [made(lib.from_numpy(values)).detach().numpy() for lib, made in ((source, model), (target, found))]
    np.testing.assert_allclose(*results, rtol=1e-5, atol=1e-6)
    assert all(type(parameter) is target.nn.Parameter for parameter in found.parameters())
    found.train(), found.zero_grad(), found.state_dict(), found.to(target.float64)


def test_arrays_sets_dtypes_and_shared_memory_go_both_ways() -> None:
    for source, target in ((pellucid, torch), (torch, pellucid), (pellucid, pellucid)):
        base = source.arange(6, dtype=source.float32)
        obj = {"a": np.arange(4.0), "s": {1, 2}, "whole": base, "part": base[2:4], "t": base.reshape(2, 3).T,
               "kind": source.float64, "size": base.shape, "device": source.device("cpu"),
               "v": np.float32(2)}  # fmt: skip
        found = there_and_back(obj, source, target, weights_only=False)
        assert found["a"].tolist() == [0, 1, 2, 3] and found["s"] == {1, 2} and found["v"] == 2
        assert found["kind"] is target.float64 and found["size"] == (6,) and found["device"] == target.device("cpu")
        assert found["t"].tolist() == [[0, 3], [1, 4], [2, 5]]
        found["whole"][2] = 9
        assert found["part"].tolist() == [9, 3]


class Own:
    """A class of the program's."""

    def __init__(self) -> None:
        self.layer = pellucid.nn.Linear(2, 2)
        self.again = self


def test_an_object_of_a_class_of_ones_own() -> None:
    made = Own()
    found = there_and_back(made, pellucid, pellucid, weights_only=False)
    assert type(found) is Own and found.again is found and pellucid.equal(found.layer.weight, made.layer.weight)


def test_an_optimiser_goes_on_after_it_was_written(tmp_path: Path) -> None:
    for source, target in ((pellucid, torch), (torch, pellucid)):
        ends = []
        for lib in (source, target):
            layer = lib.nn.Linear(2, 1, bias=False)
            with lib.no_grad():
                layer.weight.copy_(lib.tensor([[1.0, -2.0]]))
            ends.append((lib, layer, lib.optim.AdamW(layer.parameters(), lr=0.1)))
        (_, layer, optimizer), (_, other, again) = ends
        for _ in range(3):
            layer(source.ones(1, 2)).sum().backward()
            optimizer.step()
        source.save({"model": layer.state_dict(), "optimizer": optimizer.state_dict()}, tmp_path / "x.pt")
        state = target.load(tmp_path / "x.pt")
        other.load_state_dict(state["model"]), again.load_state_dict(state["optimizer"])
        for lib, module, stepper in ends:
            module.zero_grad()
            module(lib.ones(1, 2)).sum().backward()
            stepper.step()
        np.testing.assert_allclose(layer.weight.tolist(), other.weight.tolist(), rtol=1e-6)


class Trap:
    """Unpickling it runs something."""

    def __reduce__(self) -> Any:
        return sys.setrecursionlimit, (sys.getrecursionlimit() + 1,)


@pytest.mark.parametrize("how", [{}, {"weights_only": True}, {"weights_only": None}])
def test_nothing_is_executed_unless_the_program_says_so(how: dict[str, Any]) -> None:
    before = sys.getrecursionlimit()
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")
        with pytest.raises(UnpicklingError, match=r"asks for .*setrecursionlimit.*weights_only=False"):
            there_and_back([Own(), Trap()], pellucid, pellucid, **how)
    assert sys.getrecursionlimit() == before
    try:
        there_and_back(Trap(), pellucid, pellucid, weights_only=False)
        assert sys.getrecursionlimit() == before + 1
    finally:
        sys.setrecursionlimit(before)


class Colour(enum.Enum):
    """An enumeration of the program."""

    RED = 1


Pair = namedtuple("Pair", "first second")


class Settings(argparse.Namespace):
    """A class that a program may allow."""


NUMPY: list[Any] = [np.arange(1).__reduce__()[0], np.ndarray, np.dtype, np.dtypes.Float64DType]
ALLOWED: dict[str, tuple[Callable[[], Any], list[Any]]] = {
    "a class of the program": (lambda: Settings(lr=0.1, dims=[1, 2]), [Settings]),
    "a member of an enumeration": (lambda: Colour.RED, [Colour]),
    "a named tuple": (lambda: [Pair(1, 2)], [Pair]),
    "an array": (lambda: np.arange(3.0), NUMPY),
    "by another name": (lambda: Settings(lr=0.1), [(argparse.Namespace, f"{__name__}.Settings")]),
}  # fmt: skip


@pytest.mark.parametrize("what", ALLOWED)
def test_what_a_program_allows_is_made(what: str) -> None:
    make, allowed = ALLOWED[what]
    said = []
    for lib, rules in ((torch, torch.serialization), (pellucid, serialization)):
        file = io.BytesIO()
        lib.save(make(), file)
        file.seek(0)
        said.append([sorted(rules.get_unsafe_globals_in_checkpoint(file))])
        file.seek(0)
        with pytest.raises(UnpicklingError):
            lib.load(file)
        file.seek(0)
        with rules.safe_globals(allowed):
            said[-1].append(repr(lib.load(file)))
    if what != "an array":  # whose bytes PyTorch allows without saying so
        assert said[0][0] == said[1][0]
    assert said[0][1] == said[1][1]


def test_plain_data_of_python_needs_no_leave() -> None:
    plain = {"s": {1, 2}, "c": 1j, "b": b"\xff", "a": bytearray(b"x")}
    assert there_and_back(plain, pellucid, pellucid) == plain == there_and_back(plain, torch, pellucid)


def test_what_was_allowed_is_forgotten() -> None:
    serialization.add_safe_globals([Settings])
    assert serialization.get_safe_globals() == [Settings]
    serialization.clear_safe_globals()
    with pytest.raises(UnpicklingError, match=r"Settings.*add_safe_globals"):
        there_and_back(Settings(), pellucid, pellucid)
