"""ctc_loss against PyTorch's, where sequences differ in length, repeat labels, are impossible or empty."""

from typing import Any

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")

CASES: dict[str, tuple[Any, list[int], list[int], dict[str, Any]]] = {
    "lengths": ([[1, 2, 3], [4, 4, 0], [2, 0, 0]], [8, 7, 3], [3, 2, 1], {}),
    "one after the other": ([1, 2, 3, 4, 4, 2], [8, 8, 5], [3, 2, 1], {"reduction": "none"}),
    "impossible": (
        [[1, 1, 1], [4, 4, 0], [2, 0, 0]],
        [4, 8, 8],
        [3, 2, 1],
        {"reduction": "none", "zero_infinity": True},
    ),
    "empty target": ([[1, 2, 3], [4, 4, 0], [0, 0, 0]], [8, 8, 8], [3, 2, 0], {"reduction": "sum"}),
    "another blank": ([[1, 2, 3], [0, 0, 1], [2, 0, 0]], [8, 8, 8], [3, 2, 1], {"blank": 4}),
}


@pytest.mark.parametrize(("targets", "lengths", "sizes", "options"), CASES.values(), ids=CASES)
def test_loss_and_gradient(targets: Any, lengths: list[int], sizes: list[int], options: dict[str, Any]) -> None:
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        scores = library.randn(8, 3, 5, dtype=library.float64).requires_grad_()
        given = library.tensor(lengths), library.tensor(sizes)
        loss = library.nn.CTCLoss(**options)(scores.log_softmax(-1), library.tensor(targets), *given)
        loss.sum().backward()
        found.append((loss.detach().numpy(), scores.grad.numpy()))
    for expected, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-8, atol=1e-10)


def test_impossible_is_infinite() -> None:
    scores = pellucid.zeros(3, 1, 4).log_softmax(-1)
    assert pellucid.nn.functional.ctc_loss(scores, pellucid.tensor([[1, 1, 1]]), [3], [3]).item() == float("inf")


def test_lengths_are_checked() -> None:
    scores = pellucid.zeros(3, 1, 4)
    with pytest.raises(RuntimeError, match="input_lengths"):
        pellucid.nn.functional.ctc_loss(scores, pellucid.tensor([[1]]), [4], [1])
    with pytest.raises(RuntimeError, match="blank"):
        pellucid.nn.functional.ctc_loss(scores, pellucid.tensor([[1]]), [3], [1], blank=4)
