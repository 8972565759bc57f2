"""`device="meta"`: tensors that have a shape, strides and a dtype, and no numbers."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import numpy as np
import pytest
import torch

import pellucid
from pellucid.core import Tensor, apply
from pellucid.declare import TABLE
from pellucid.derivation.examples import example_of
from tests.sampled import sampled

# What is refused since its shape depends on the numbers, or since it looks at them.
REFUSED = {
    "bincount", "embedding_renorm_", "frequencies", "histc", "masked_select", "nonzero", "repeat_indices", "to_device",
    "unique",    "unique_consecutive", "unique_values",
}  # fmt: skip


def examples() -> dict[str, Any]:
    found: dict[str, Any] = {}
    for name, op in TABLE.items():
        if op.forward.__module__.startswith("pellucid.optim"):
            continue  # the formulas of optimisers read how many steps there were; they are there where `optim` is
        try:
            args, attributes = example_of(op)
        except LookupError:
            continue
        found[name] = tuple(pellucid.tensor(arg) if isinstance(arg, np.ndarray) else arg for arg in args), attributes
    return found


EXAMPLES = examples()


def layouts(result: Any) -> list[Any]:
    """Of the result the strides too; by-products lie in memory as it suits a kernel."""
    first, *rest = result if isinstance(result, tuple) else (result,)
    parts = [part for part in (first, *rest) if isinstance(part, Tensor)]
    return [first.stride() if isinstance(first, Tensor) else None, *((tuple(part.shape), part.dtype) for part in parts)]


@pytest.mark.parametrize("name", sampled(sorted(EXAMPLES), 40))
def test_the_layout_is_that_of_numbers(name: str) -> None:
    args, attributes = EXAMPLES[name]
    without = tuple(arg.to("meta") if isinstance(arg, Tensor) else arg for arg in args)
    if name in REFUSED:
        with pytest.raises(NotImplementedError, match="meta"):
            apply(TABLE[name], without, attributes)
        return
    result = apply(TABLE[name], without, attributes)
    assert layouts(result) == layouts(apply(TABLE[name], args, attributes))
    if any(isinstance(arg, Tensor) for arg in args):
        assert all(part.device.type == "meta" for part in (result if isinstance(result, tuple) else (result,)))


def in_context(lib: Any) -> Any:
    lib.manual_seed(0)
    with lib.device("meta"):
        model = lib.nn.Sequential(lib.nn.Linear(4, 8), lib.nn.Dropout(), lib.nn.GELU(), lib.nn.Linear(8, 2))
        made = lib.randn(2), lib.tensor([1, 2]), lib.arange(3), lib.zeros_like(model[0].bias), lib.eye(2)
    out = model(lib.ones(5, 4, device="meta"))
    return made, out, out.shape, lib.rand(2), lib.ones(1).device, [p.device for p in model.parameters()]


def filled_later(lib: Any) -> Any:
    with lib.device("meta"):
        model = lib.nn.Linear(3, 2)
    lib.manual_seed(1)
    model.to_empty(device="cpu").reset_parameters()
    return model.weight


def assigned(lib: Any) -> Any:
    lib.manual_seed(1)
    full, model = lib.nn.Linear(3, 2), lib.nn.Linear(3, 2, device="meta")
    model.load_state_dict(full.state_dict(), assign=True)
    return model.weight, model.bias


def gradients(lib: Any) -> Any:
    x = lib.empty(3, 4, device="meta", requires_grad=True)
    y = (x @ x.t()).softmax(-1)
    y.sum().backward()
    return x, y, x.grad


def layers(lib: Any) -> Any:
    nn, empty = lib.nn, lambda *shape: lib.empty(*shape, device="meta")
    return (
        nn.Conv2d(3, 8, 3, stride=2, padding=1, device="meta")(empty(2, 3, 32, 32)),
        nn.LSTM(4, 8, 2, batch_first=True, device="meta")(empty(2, 5, 4))[1][0],
        nn.Embedding(10, 4, device="meta")(lib.zeros(2, 3, dtype=lib.long, device="meta")),
        nn.TransformerEncoderLayer(8, 2, device="meta")(empty(3, 2, 8)).shape,
        nn.BatchNorm2d(8, device="meta")(empty(2, 8, 4, 4)),
        nn.MaxPool2d(2)(empty(1, 2, 9, 9)),
        nn.functional.cross_entropy(empty(4, 3), lib.zeros(4, dtype=lib.long, device="meta")),
    )


PROGRAMS: dict[str, Callable[[Any], Any]] = {
    "printed": lambda lib: [lib.ones(2, 3, device="meta"), lib.ones(2, dtype=lib.int64, device="meta").t()],
    "views": lambda lib: [lib.ones(2, 3, device="meta").t().stride(), lib.ones(4, 4, device="meta")[1:, ::2].stride()],
    "in a context": in_context, "filled later": filled_later, "assigned": assigned, "gradients": gradients,
    "layers": layers, "moved": lambda lib: lib.nn.Linear(3, 3).to("meta").weight, "is_meta": lambda lib: (
        lib.ones(1, device="meta").is_meta, lib.ones(1).is_meta, lib.ones(1).to("meta").device),
}  # fmt: skip


@pytest.mark.parametrize("name", PROGRAMS)
def test_as_in_torch(name: str) -> None:
    assert repr(PROGRAMS[name](pellucid)) == repr(PROGRAMS[name](torch))


READS: dict[str, Callable[[Any], Any]] = {
    "item": lambda lib: lib.ones(1, device="meta").item(), "bool": lambda lib: bool(lib.ones((), device="meta")),
    "cpu": lambda lib: lib.ones(1, device="meta").cpu(), "numpy": lambda lib: lib.ones(1, device="meta").numpy(),
    "tolist": lambda lib: lib.ones(2, device="meta").tolist(),
    "nonzero": lambda lib: lib.ones(2, device="meta").nonzero(),
    "a module": lambda lib: lib.nn.Linear(2, 2, device="meta").to("cpu"),
    "another device": lambda lib: lib.ones(2, device="meta") + lib.ones(2),
}  # fmt: skip


@pytest.mark.parametrize("name", READS)
def test_what_needs_numbers_is_refused(name: str) -> None:
    with pytest.raises(Exception, match=".") as theirs:
        READS[name](torch)
    with pytest.raises(theirs.type, match="meta"):
        READS[name](pellucid)


def test_memory_is_not_taken() -> None:
    """Twelve gigabytes of parameters, which are made, computed with and thrown away."""
    layer = pellucid.nn.Linear(40_000, 80_000, device="meta")
    assert layer(pellucid.empty(7, 40_000, device="meta")).shape == (7, 80_000)


def test_the_default_device() -> None:
    from pellucid.bridge.torch import get_default_device, set_default_device

    set_default_device("meta")
    try:
        assert (pellucid.ones(1).device.type, get_default_device().type) == ("meta", "meta")
    finally:
        set_default_device(None)
    assert pellucid.ones(1).device.type == "cpu"
