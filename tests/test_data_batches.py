"""Batches of rows past the door, and permutations by machine code: the same as by the ops and the lines beside them."""

from typing import Any

import numpy as np
import pytest

import pellucid as torch
from pellucid.core import interpreter
from pellucid.kernels.shuffling import LEAST, shuffled
from pellucid.random import generator
from pellucid.utils.data import TensorDataset


class Watching(torch.core.Interpreter):
    def __init__(self) -> None:
        self.seen: list[str] = []

    def apply(self, op: Any, args: Any, kwargs: Any) -> Any:
        self.seen.append(op.name)
        return super().apply(op, args, kwargs)


@pytest.mark.parametrize("rows", [[3, 0, -1], [], [7], [2, 2]])
def test_a_batch_is_what_indexing_gives(rows: list[int]) -> None:
    parts = [torch.randn(8, 3), torch.arange(8), torch.randn(3, 8).t(), torch.arange(8) > 3, torch.randn(8, 2, 2)]
    for found, part in zip(TensorDataset(*parts).__getbatch__(rows), parts, strict=True):
        wanted = part[torch.tensor(rows, dtype=torch.int64)]
        assert found.dtype == wanted.dtype
        assert found.stride() == wanted.stride()
        np.testing.assert_array_equal(found.numpy(), wanted.numpy())


def test_an_index_out_of_range_is_refused_as_by_indexing() -> None:
    x = torch.randn(8, 3)
    with pytest.raises(IndexError) as wanted:
        x[torch.tensor([1, 8])]
    with pytest.raises(IndexError) as found:
        TensorDataset(x).__getbatch__([1, 8])
    assert str(found.value).splitlines()[0] == str(wanted.value).splitlines()[0]


def test_a_batch_of_what_learns_has_a_history() -> None:
    x = torch.randn(8, 3, requires_grad=True)
    (batch,) = TensorDataset(x).__getbatch__([0, 2])
    batch.sum().backward()
    assert x.grad is not None
    assert x.grad.sum(1).tolist() == [3, 0, 3, 0, 0, 0, 0, 0]


def test_who_stands_behind_the_door_sees_a_batch() -> None:
    data = TensorDataset(torch.randn(8, 3))
    with interpreter(Watching()) as watching:
        data.__getbatch__([0, 2])
    assert watching.seen == ["index"]


@pytest.mark.parametrize("n", [LEAST, LEAST + 1, 20_000])
def test_a_kernel_shuffles_as_the_lines_do(n: int, monkeypatch: pytest.MonkeyPatch) -> None:
    if shuffled(LEAST, np.arange(LEAST)) is None:
        pytest.skip("no kernel runs here")
    found = torch.Generator().manual_seed(3).order(n)
    monkeypatch.setattr(generator, "shuffled", lambda n, partners: None)
    assert found == torch.Generator().manual_seed(3).order(n)
    assert sorted(found) == [*range(n)]
    assert found != [*range(n)]
    assert type(found[0]) is int


def test_few_numbers_are_shuffled_by_the_lines() -> None:
    assert shuffled(LEAST - 1, np.arange(LEAST - 1)) is None
