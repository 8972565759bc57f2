"""What layers compute: products, look-ups, dropout."""

from __future__ import annotations

from typing import Any

from ...core import Tensor, called, no_grad
from ...declare import op
from ...errors import warn
from .. import vocabulary as ops
from .rows import may_be_sparse, with_sparse_gradient

__all__ = [
    "alpha_dropout",
    "bilinear",
    "conv_tbc",
    "dropout",
    "dropout1d",
    "dropout2d",
    "dropout3d",
    "embedding",
    "feature_alpha_dropout",
    "linear",
    "local_response_norm",
    "pdist",
]


def linear(input: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x Wᵀ + b."""
    return ops.linear(input, weight, bias)


def bilinear(input1: Tensor, input2: Tensor, weight: Tensor, bias: Tensor | None = None) -> Tensor:
    """x₁ᵀ A x₂ + b for each matrix A of the weight (out, in1, in2)."""
    if tuple(input1.shape[:-1]) != tuple(input2.shape[:-1]):
        raise RuntimeError(
            "bilinear(): input batch dimensions do not match: got "
            f"{tuple(input1.shape)} and {tuple(input2.shape)}, which must agree but for the last"
        )
    out = ops.einsum("...i,oij,...j->...o", input1, weight, input2)
    return out if bias is None else out + bias


def embedding(
    input: Tensor,
    weight: Tensor,
    padding_idx: int | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    sparse: bool = False,
) -> Tensor:
    """Row i of ``weight`` for each index i.

    The row ``padding_idx`` gets no gradient; with ``scale_grad_by_freq`` the gradient of a row is divided by how often
    it was named. With ``max_norm``, rows of a larger ``norm_type``-norm are scaled down to it first, in place.
    With ``sparse``, the gradient of a weight that is a leaf is a sparse tensor of the rows that were named.
    """
    if weight.ndim != 2:
        raise RuntimeError(f"'weight' must be 2-D, but got shape {tuple(weight.shape)}")
    rows = weight.shape[0]
    if padding_idx is not None and not -rows <= padding_idx < rows:
        raise ValueError(f"Padding_idx must be within num_embeddings: {padding_idx} is not one of {rows} rows")
    padding = -1 if padding_idx is None else padding_idx % rows
    if max_norm is not None:
        with no_grad():
            embedding_renorm_(weight, input, max_norm=float(max_norm), norm_type=float(norm_type))
    if sparse and not scale_grad_by_freq and may_be_sparse(weight):
        return with_sparse_gradient(ops.embedding(weight.detach(), input), weight, input, padding)
    return ops.embedding(weight, input, padding_idx=padding, scale_grad_by_freq=scale_grad_by_freq)


@op(mutates=(0,), method=False, public=False, reference="torch.embedding_renorm_")
def embedding_renorm_(xp: Any, weight: Any, indices: Any, *, max_norm: float, norm_type: float) -> Any:
    """Scale the rows that ``indices`` names, and that are longer, down to the norm ``max_norm``."""
    rows = xp.unique(indices)
    norms = xp.linalg.norm(weight[rows], norm_type, axis=1)
    long = norms > max_norm
    weight[rows[long]] *= (max_norm / (norms[long] + 1e-7))[:, None]
    return weight


def local_response_norm(input: Tensor, size: int, alpha: float = 1e-4, beta: float = 0.75, k: float = 1.0) -> Tensor:
    """x / (k + alpha · mean of x² over ``size`` channels around)^beta: (N, C, …), and the same out."""
    if input.ndim < 3:
        raise ValueError(f"Expected 3D or higher dimensionality input (got {input.ndim} dimensions)")
    if not input.numel():
        return input
    squares = ops.square(input)
    ends = (0,) * (2 * (input.ndim - 2)) + (size // 2, (size - 1) // 2)
    around = ops.constant_pad_nd(squares, pad=ends).unfold(1, size, 1).mean(-1)
    return input / (around * alpha + k) ** beta


def _dropped(name: str, input: Tensor, p: float, training: bool, inplace: bool) -> Tensor:
    if not 0.0 <= p <= 1.0:
        raise ValueError(f"dropout probability has to be between 0 and 1, but got {p}")
    return getattr(ops, name + "_" if inplace else name)(input, p, training)


def dropout(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero each element with probability ``p`` and divide the others by 1 - p; in evaluation, the input itself."""
    return _dropped("dropout", input, p, training, inplace)


def alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """Dropout that keeps the mean and variance of what SELU gives (arXiv:1706.02515)."""
    return _dropped("alpha_dropout", input, p, training, inplace)


def feature_alpha_dropout(input: Tensor, p: float = 0.5, training: bool = False, inplace: bool = False) -> Tensor:
    """`alpha_dropout` of whole channels of (N, C, …)."""
    return _dropped("feature_alpha_dropout", input, p, training, inplace)


def _channels(name: str, input: Tensor, p: float, training: bool, inplace: bool, sides: int) -> Tensor:
    if sides > 1 and input.ndim not in (sides + 1, sides + 2):
        warn(
            f"{name}: Received a {input.ndim}-D input to {name}, which is deprecated and will result in an error in a "
            f"future release: it is made for {sides + 1}-D and {sides + 2}-D inputs, whose channels it drops whole"
        )
        if sides == 2:
            return _dropped("feature_dropout", input, p, training, inplace)
    elif input.ndim not in (sides + 1, sides + 2):
        raise RuntimeError(
            f"{name}: Expected {sides + 1}D or {sides + 2}D input, but received a {input.ndim}D input of shape "
            f"{tuple(input.shape)}"
        )
    if input.ndim == sides + 2:
        return _dropped("feature_dropout", input, p, training, inplace)
    return _dropped("feature_dropout", input.unsqueeze(0), p, training, inplace).squeeze(0)


def dropout1d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, L) or (C, L)."""
    return _channels("dropout1d", input, p, training, inplace, 1)


def dropout2d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, H, W) or (C, H, W)."""
    if input.ndim == 3:  # PyTorch reads three dimensions as a batch here, and has announced a change
        return _dropped("feature_dropout", input, p, training, inplace)
    return _channels("dropout2d", input, p, training, inplace, 2)


def dropout3d(input: Tensor, p: float = 0.5, training: bool = True, inplace: bool = False) -> Tensor:
    """Zero whole channels of (N, C, D, H, W) or (C, D, H, W)."""
    return _channels("dropout3d", input, p, training, inplace, 3)


@called("ConvTbcBackward0")
def conv_tbc(input: Tensor, weight: Tensor, bias: Tensor, pad: int = 0) -> Tensor:
    """Convolution along time, time first: (T, N, C_in) and a weight (K, C_in, C_out) to (T', N, C_out)."""
    if input.ndim != 3 or weight.ndim != 3 or bias.ndim != 1:
        raise RuntimeError(
            "conv_tbc: expected input and weight of 3 dimensions and bias of 1, but got shapes "
            f"{tuple(input.shape)}, {tuple(weight.shape)}, {tuple(bias.shape)}"
        )
    out = ops.conv1d(input.permute(1, 2, 0), weight.permute(2, 1, 0), bias, padding=pad)
    return out.permute(2, 0, 1)


@called("PdistBackward0")
def pdist(input: Tensor, p: float = 2.0) -> Tensor:
    """The p-norm distance of each pair of rows: (N, M) to (N · (N - 1) / 2), in the order (0, 1), (0, 2), …"""
    if input.ndim != 2:
        raise RuntimeError(f"pdist only supports 2D tensors, got: {input.ndim}D")
    if not input.is_floating_point():
        raise RuntimeError("pdist only supports floating-point dtypes")
    if p < 0:
        raise RuntimeError(f"pdist only supports non-negative p values, but got {p}")
    count = input.shape[0]
    first, second = ops.triu_indices(count, count, 1)
    return (input[first] - input[second]).norm(p=p, dim=1)
