"""torch.masked: what the mask leaves out counts for nothing. (`tests/opinfo` compares each function with PyTorch.)"""

from typing import Any

import numpy as np
import pytest

import pellucid as torch

X = torch.tensor([[3.0, -1.0, 2.0], [0.5, 4.0, -2.0]])
MASK = torch.tensor([[True, False, True], [True, True, False]])
# Each function of the marked numbers of a row, by NumPy.
ROWS = {
    "sum": np.sum, "prod": np.prod, "amax": np.max, "amin": np.min, "mean": np.mean, "norm": np.linalg.norm,
    "var": lambda row: np.var(row, ddof=1), "std": lambda row: np.std(row, ddof=1),
    "logsumexp": lambda row: np.log(np.exp(row).sum()),
}  # fmt: skip


@pytest.mark.parametrize("name", ROWS)
def test_a_row_is_reduced_over_what_is_marked(name: str) -> None:
    found = getattr(torch.masked, name)(X, dim=1, mask=MASK)
    rows = [ROWS[name](X.numpy()[i][MASK.numpy()[i]]) for i in range(2)]
    assert np.allclose(found.numpy(), rows)


@pytest.mark.parametrize("name", ["softmax", "log_softmax", "softmin"])
def test_a_softmax_gives_nothing_to_what_is_left_out(name: str) -> None:
    found: Any = getattr(torch.masked, name)(X, 1, mask=MASK)
    share = found.exp() if name == "log_softmax" else found
    assert torch.allclose(share.sum(1), torch.ones(2)) and not share[~MASK].any()


def test_where_and_cumulative() -> None:
    assert torch.masked.argmax(X, 1, mask=MASK).tolist() == [0.0, 1.0]  # in the input's dtype, as in PyTorch
    assert torch.masked.cumsum(X, 1, mask=MASK).tolist() == [[3.0, 3.0, 5.0], [0.5, 4.5, 4.5]]
    assert torch.masked.normalize(X, 2.0, 1, mask=MASK)[0].tolist() == pytest.approx([3 / 13**0.5, 0, 2 / 13**0.5])
    assert torch.masked.median(torch.tensor([5, 1, 9]), 0, mask=torch.tensor([True, False, True])).tolist() == 5


def test_gradients_reach_what_is_marked_alone() -> None:
    x = X.clone().requires_grad_()
    torch.masked.mean(x, mask=MASK).backward()
    assert torch.allclose(x.grad, MASK / 4)


def test_what_is_refused() -> None:
    with pytest.raises(IndexError, match="broadcastable mask"):
        torch.masked.sum(X[0], mask=MASK)
    with pytest.raises(ValueError, match="Could not infer output dtype"):
        torch.masked.mean(torch.arange(3))
    with pytest.raises(ValueError, match="no fully masked out rows"):
        torch.masked.median(torch.arange(3), 0, mask=torch.zeros(3, dtype=torch.bool))
    with pytest.raises(RuntimeError, match="appears multiple times"):
        torch.masked.sum(X, (0, 0))
    with pytest.raises(AttributeError, match=r"MaskedTensor: keep the mask beside the tensor: torch.masked.sum"):
        _ = torch.masked.MaskedTensor
