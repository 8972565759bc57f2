"""The functions of layers and losses that PyTorch has in `torch` itself, with the order of arguments of its kernels.

They are `torch.nn.functional`'s under another signature: a reduction is a number here (0 none, 1 mean, 2 sum).
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import pellucid
import pellucid.nn.functional as F
from pellucid.core import Tensor
from pellucid.nn.functional import bilinear, conv_tbc

__all__ = [
    "adaptive_max_pool1d", "batch_norm", "bilinear", "binary_cross_entropy_with_logits", "conv_tbc",
    "cosine_embedding_loss", "ctc_loss", "gru_cell", "kl_div", "lstm_cell", "max_pool1d_with_indices",
    "native_dropout", "norm_except_dim", "rnn_relu_cell", "rnn_tanh_cell",
]  # fmt: skip

_REDUCTIONS = ("none", "mean", "sum")


def batch_norm(
    input: Tensor, weight: Tensor | None, bias: Tensor | None, running_mean: Tensor | None, running_var: Tensor | None,
    training: bool, momentum: float, eps: float, cudnn_enabled: bool,
) -> Tensor:  # fmt: skip
    """(x − mean) / √(variance + eps) · weight + bias, by the batch's statistics in training."""
    return F.batch_norm(input, running_mean, running_var, weight, bias, training, momentum, eps)


def binary_cross_entropy_with_logits(
    input: Tensor, target: Tensor, weight: Tensor | None = None, pos_weight: Tensor | None = None, reduction: int = 1
) -> Tensor:
    """−(y log σ(x) + (1 − y) log(1 − σ(x)))."""
    return F.binary_cross_entropy_with_logits(
        input, target, weight, pos_weight=pos_weight, reduction=_REDUCTIONS[reduction]
    )


def cosine_embedding_loss(
    input1: Tensor, input2: Tensor, target: Tensor, margin: float = 0.0, reduction: int = 1
) -> Tensor:
    """1 − cos for pairs of target 1, max(0, cos − margin) for those of −1."""
    return F.cosine_embedding_loss(input1, input2, target, margin, reduction=_REDUCTIONS[reduction])


def ctc_loss(
    log_probs: Tensor, targets: Tensor, input_lengths: Any, target_lengths: Any, blank: int = 0, reduction: int = 1,
    zero_infinity: bool = False,
) -> Tensor:  # fmt: skip
    """Minus the log probability of all alignments of the targets (connectionist temporal classification)."""
    return F.ctc_loss(
        log_probs, targets, input_lengths, target_lengths, blank, _REDUCTIONS[reduction], zero_infinity
    )  # fmt: skip


def kl_div(input: Tensor, target: Tensor, reduction: int = 1, *, log_target: bool = False) -> Tensor:
    """t (log t − x), of log probabilities x."""
    values = F.kl_div(input, target, reduction="none", log_target=log_target)
    return values.mean() if reduction == 1 else values.sum() if reduction else values


def adaptive_max_pool1d(input: Tensor, output_size: Any) -> tuple[Tensor, Tensor]:
    """The largest number of each of `output_size` parts, and where it is."""
    return F.adaptive_max_pool1d(input, output_size, return_indices=True)


def max_pool1d_with_indices(
    input: Tensor, kernel_size: Any, stride: Any = (), padding: Any = 0, dilation: Any = 1, ceil_mode: bool = False
) -> tuple[Tensor, Tensor]:
    """The largest number of each window, and where it is."""
    return F.max_pool1d(input, kernel_size, stride or None, padding, dilation, ceil_mode, return_indices=True)


def native_dropout(input: Tensor, p: float, train: bool | None) -> tuple[Tensor, Tensor]:
    """What dropout keeps, and where it kept something."""
    if train is False or p == 0:
        return input.clone(), pellucid.ones_like(input, dtype=pellucid.bool)
    kept = pellucid.empty_like(input, dtype=pellucid.bool).bernoulli_(1 - p)
    return input * kept * (1 / (1 - p) if p < 1 else 0.0), kept


def norm_except_dim(v: Tensor, pow: int = 2, dim: int = 0) -> Tensor:
    """The norm over all dimensions but one, of which the others are left with length 1; over all for `dim=-1`."""
    if dim == -1:
        return v.norm(pow)
    others = tuple(at for at in range(v.ndim) if at != dim)
    return pellucid.linalg.vector_norm(v, pow, dim=others, keepdim=True) if others else v.abs()


def _gates(input: Tensor, h: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Any, b_hh: Any) -> Tensor:
    return F.linear(input, w_ih, b_ih) + F.linear(h, w_hh, b_hh)


def rnn_tanh_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h' = tanh(W_ih x + b_ih + W_hh h + b_hh)."""
    return _gates(input, hx, w_ih, w_hh, b_ih, b_hh).tanh()


def rnn_relu_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h' = max(0, W_ih x + b_ih + W_hh h + b_hh)."""
    return _gates(input, hx, w_ih, w_hh, b_ih, b_hh).relu()


def lstm_cell(
    input: Tensor, hx: Sequence[Tensor], w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None,
    b_hh: Tensor | None = None,
) -> tuple[Tensor, Tensor]:  # fmt: skip
    """(h', c') of a long short-term memory, from (h, c): c' = f c + i g, h' = o tanh c'."""
    i, f, g, o = _gates(input, hx[0], w_ih, w_hh, b_ih, b_hh).chunk(4, -1)
    cell = f.sigmoid() * hx[1] + i.sigmoid() * g.tanh()
    return o.sigmoid() * cell.tanh(), cell


def gru_cell(
    input: Tensor, hx: Tensor, w_ih: Tensor, w_hh: Tensor, b_ih: Tensor | None = None, b_hh: Tensor | None = None
) -> Tensor:
    """h' of a gated recurrent unit: (1 − z) n + z h."""
    r_x, z_x, n_x = F.linear(input, w_ih, b_ih).chunk(3, -1)
    r_h, z_h, n_h = F.linear(hx, w_hh, b_hh).chunk(3, -1)
    r, z = (r_x + r_h).sigmoid(), (z_x + z_h).sigmoid()
    n = (n_x + r * n_h).tanh()
    return (hx - n) * z + n
