"""gumbel_softmax draws PyTorch's numbers."""

import numpy as np
import pytest

import pellucid

torch = pytest.importorskip("torch")


@pytest.mark.parametrize("hard", [False, True])
def test_gumbel_softmax(hard: bool) -> None:
    found = []
    for library in (torch, pellucid):
        library.manual_seed(0)
        logits = library.randn(5, 6).requires_grad_()
        out = library.nn.functional.gumbel_softmax(logits, 0.7, hard, dim=1)
        (out * library.arange(6.0)).sum().backward()
        found.append((out.detach().numpy(), logits.grad.numpy()))
    for expected, got in zip(*found, strict=True):
        np.testing.assert_allclose(got, expected, rtol=1e-4, atol=1e-5)
