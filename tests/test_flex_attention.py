"""`flex_attention` and its masks against PyTorch's."""

import warnings

import numpy as np
import pytest
import torch as real
from torch.nn.attention import flex_attention as theirs

import pellucid
from pellucid.nn.attention import flex_attention as ours

BOTH = ((pellucid, ours), (real, theirs))
VALUES = np.random.default_rng(0).normal(size=(3, 2, 4, 6, 8)).astype("float32")


def causal(b, h, q_idx, kv_idx):
    return q_idx >= kv_idx


def window(b, h, q_idx, kv_idx):
    return (q_idx - kv_idx).abs() <= 1 + h % 2


def nothing_for_the_first(b, h, q_idx, kv_idx):
    return q_idx + b > 0


def relative(score, b, h, q_idx, kv_idx):
    return score + (kv_idx - q_idx) * 0.5 ** (h + 1)


def capped(score, b, h, q_idx, kv_idx):
    return 2 * (score / 2).tanh()


@pytest.mark.slow  # PyTorch imports its compiler at the first call
@pytest.mark.parametrize("score", [None, relative, capped])
@pytest.mark.parametrize("mask", [None, causal, window, nothing_for_the_first])
def test_values(score, mask):
    results = []
    for library, flex in BOTH:
        q, k, v = map(library.tensor, VALUES[:, :1])
        block = None if mask is None else flex.create_block_mask(mask, 1, 4, 6, 6, device="cpu")
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # PyTorch's, that it is not compiled
            out, extra = flex.flex_attention(q, k, v, score, block, return_aux=flex.AuxRequest(lse=True))
        results.append([out.numpy(), extra.lse.numpy()])
    for a, b in zip(*results, strict=True):
        np.testing.assert_allclose(a, b, rtol=2e-5, atol=2e-6)


def test_values_and_gradients_are_those_of_attention_with_a_mask_of_numbers():
    """PyTorch's own has no gradients on a CPU; its attention with such a mask has."""
    places = np.arange(6)
    bias = (places - places[:, None]) * 0.5 ** np.arange(1, 5).reshape(4, 1, 1)
    bias = np.where(places[:, None] >= places, bias, -np.inf).astype("float32")
    q, k, v = (pellucid.tensor(x).requires_grad_() for x in VALUES)
    out = ours.flex_attention(q, k, v, relative, ours.create_block_mask(causal, None, None, 6, 6))
    (out * pellucid.arange(8.0)).sum().backward()
    query, keys, values = (real.tensor(x).requires_grad_() for x in VALUES)
    expected = real.nn.functional.scaled_dot_product_attention(query, keys, values, real.tensor(bias))
    (expected * real.arange(8.0)).sum().backward()
    np.testing.assert_allclose(out.detach().numpy(), expected.detach().numpy(), rtol=2e-5, atol=2e-6)
    for mine, other in ((q, query), (k, keys), (v, values)):
        np.testing.assert_allclose(mine.grad.numpy(), other.grad.numpy(), rtol=2e-4, atol=2e-5)


@pytest.mark.slow
def test_shared_heads():
    results = []
    for library, flex in BOTH:
        q, k, v = map(library.tensor, VALUES)
        with pytest.raises(ValueError, match="Try setting enable_gqa=True"):
            flex.flex_attention(q, k[:, :2], v[:, :2])
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")
            results.append(flex.flex_attention(q, k[:, :2], v[:, :2], enable_gqa=True).numpy())
    np.testing.assert_allclose(*results, rtol=2e-5, atol=2e-6)


@pytest.mark.parametrize("mask", [causal, window])
@pytest.mark.parametrize(("length", "size"), [(512, 128), (300, 64), (2600, 128), (96, (32, 16))])
def test_blocks(mask, length, size):
    def make(library, flex):
        made = flex.create_block_mask(mask, 1, 2, length, length, device="cpu", BLOCK_SIZE=size)
        return str(made), made.shape, made.sparsity(), made.to_dense().tolist(), made.kv_num_blocks.tolist()

    assert make(*BOTH[0]) == make(*BOTH[1])


def test_masks_of_masks():
    def make(library, flex):
        both, either = flex.and_masks(causal, window), flex.or_masks(causal, window)
        return [flex.create_mask(mask, 1, 2, 5, 5, device="cpu").tolist() for mask in (both, either, flex.noop_mask)]

    assert make(*BOTH[0]) == make(*BOTH[1])
