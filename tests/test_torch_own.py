"""What PyTorch's own tests ask for, file by file, in groups: each is run with both libraries and the texts compared."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import pytest
import torch

import pellucid

Made = Callable[[Any], Any]


def text(lib: Any, program: Made) -> str:
    """What a program returns, or its error's class and the beginning of its words."""
    try:
        return repr(program(lib))
    except Exception as failure:
        return f"{type(failure).__name__}: {str(failure)[:40]}"


# --- test_indexing ----------------------------------------------------------------------------------------------------

VALUES: dict[str, Made] = {
    "floats": lambda lib: lib.ones(2), "a number": lambda lib: lib.tensor(1.0), "a row": lambda lib: lib.ones(1),
    "the same": lambda lib: lib.tensor([1, 2]), "bool": lambda lib: lib.tensor(True),
}  # fmt: skip
PLACES: dict[str, Made] = {
    "indices": lambda lib: lib.tensor([0, 1]), "a mask": lambda lib: lib.tensor([True, True, False]),
    "a slice": lambda lib: slice(0, 2), "a list": lambda lib: [0, 1],
}  # fmt: skip


@pytest.mark.parametrize("values", VALUES)
@pytest.mark.parametrize("key", PLACES)
def test_values_of_another_dtype(key: str, values: str) -> None:
    """A view is written with a cast; where tensors index, other dtypes are refused, but not a number for a mask."""

    def written(lib: Any) -> Any:
        x = lib.zeros(3, dtype=lib.int64)
        x[PLACES[key](lib)] = VALUES[values](lib)
        return x

    assert text(pellucid, written) == text(torch, written)


@pytest.mark.parametrize("row", [[[2, 1, 2]], [[1, 2, 1]], [[2, 1, 1, 2], [1, 0, 2, 0]], [[2, 2, 2, 1, 1]]])
def test_mode_of_several_nan(row: list[list[int]]) -> None:
    def found(lib: Any) -> Any:
        return lib.mode(lib.tensor([[float("nan") if n == 2 else float(n) for n in line] for line in row]))

    assert text(pellucid, found) == text(torch, found)


# --- test_autograd ----------------------------------------------------------------------------------------------------


def classes_of_nodes(lib: Any) -> Any:
    class Twice(lib.autograd.Function):  # type: ignore[misc, name-defined]
        @staticmethod
        def forward(ctx: Any, x: Any) -> Any:
            return x * 2

        @staticmethod
        def backward(ctx: Any, *grads: Any) -> Any:
            return grads[0] * 2

    x = lib.ones(3, requires_grad=True)
    written = x * 1
    written[0] = x[0]
    results = [x * 2, (x * 2).sum(), x.exp(), x.chunk(2)[0], x.max(0)[0], x[:2], Twice.apply(x), written]
    again = type((x * 3).grad_fn) is type(results[0].grad_fn)
    ends = [type(result.grad_fn.next_functions[0][0]) for result in results]
    return again, type(x.grad_fn), [type(result.grad_fn) for result in results], ends


def test_the_class_of_a_node_has_its_name() -> None:
    assert text(pellucid, classes_of_nodes) == text(torch, classes_of_nodes)
