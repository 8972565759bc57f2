"""Rows for `ops/attention.py`."""

import torch

from tests.op_samples import real, row


def _attention(query, key, value, mask=None, *, scale, causal=False):
    attend = torch.nn.functional.scaled_dot_product_attention
    if causal and mask is not None:
        mask, causal = mask + _future(mask), False
    return attend(query, key, value, mask, scale=scale, is_causal=causal)


def _future(scores):
    return torch.full(scores.shape[-2:], -torch.inf, dtype=scores.dtype).triu(1)


SAMPLES = {
    "attention": [
        row(real(2, 3, 4), real(2, 5, 4), real(2, 5, 6), reference=_attention, scale=0.5),
        row(real(2, 4, 3), real(2, 4, 3), real(2, 4, 3), reference=_attention, scale=0.7, causal=True),
        row(real(2, 2, 3, 4), real(2, 2, 3, 4), real(2, 2, 3, 4), real(2, 2, 3, 3), reference=_attention, scale=0.3),
        row(real(2, 3, 4), real(2, 3, 4), real(2, 3, 4), real(2, 3, 3), reference=_attention, scale=0.3, causal=True),
    ],
    "future": [row(real(2, 3, 4), reference=_future, gradient=False)],
}

ELSEWHERE = {"attention_gradients": "tests/test_attention.py"}
