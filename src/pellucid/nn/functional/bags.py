"""Bags of rows: the sum, the mean or the largest of the rows of a table that each bag names."""

from __future__ import annotations

import warnings
from typing import Any

import numpy as np

from ...core import Tensor, called, from_data, no_grad
from ...types.dtypes import int64
from .. import vocabulary as ops
from .layers import embedding_renorm_
from .rows import may_be_sparse, with_sparse_gradient

__all__ = ["embedding_bag"]


@called("EmbeddingBagBackward0")
def embedding_bag(
    input: Tensor,
    weight: Tensor,
    offsets: Tensor | None = None,
    max_norm: float | None = None,
    norm_type: float = 2.0,
    scale_grad_by_freq: bool = False,
    mode: str = "mean",
    sparse: bool = False,
    per_sample_weights: Tensor | None = None,
    include_last_offset: bool = False,
    padding_idx: int | None = None,
) -> Tensor:
    """The sum, mean or maximum of the rows of ``weight`` that each bag of indices names; an empty bag gives zeros.

    Shape: ``input`` (B, N), a bag in each row, or (N), where bag i begins at ``offsets[i]``; out (B, width). Indices
    equal to ``padding_idx`` do not count. ``per_sample_weights`` (as ``input``) scale the rows of a sum. With
    ``include_last_offset`` the last offset is the end of the last bag. With ``sparse``, the gradient of a weight that
    is a leaf is a sparse tensor of the rows that were named.
    Raises ValueError for shapes and modes that do not fit.
    """
    if weight.dtype is int64 and input.is_floating_point():
        warnings.warn(
            "Argument order of nn.functional.embedding_bag was changed. Usage `embedding_bag(weight, input, ...)` is "
            "deprecated, and should now be `embedding_bag(input, weight, ...)`.",
            stacklevel=3,
        )
        weight, input = input, weight
    if per_sample_weights is not None and input.shape != per_sample_weights.shape:
        raise ValueError(
            f"embedding_bag: If per_sample_weights ({per_sample_weights.shape}) is not None, then it must have the "
            f"same shape as the input ({input.shape})"
        )
    if weight.ndim != 2:
        raise ValueError(f"weight has to be a 2D Tensor, but got Tensor of dimension {weight.ndim}")
    if mode not in ("sum", "mean", "max"):
        raise ValueError(f"mode has to be one of sum, mean or max, but got {mode!r}")
    if mode == "max" and (scale_grad_by_freq or sparse):
        what = "scaling the gradient by the frequency" if scale_grad_by_freq else "sparse weights"
        raise ValueError(f"max mode does not support {what}")
    indices = input.reshape(-1)
    starts, ends = _bounds(input, offsets, include_last_offset)
    if max_norm is not None:
        with no_grad():
            embedding_renorm_(weight, indices, max_norm=float(max_norm), norm_type=float(norm_type))
    if per_sample_weights is not None and mode != "sum":
        raise NotImplementedError(
            "embedding_bag: per_sample_weights was not None. per_sample_weights is only supported for mode='sum' "
            f"(got mode='{mode}')."
        )
    padding = -1 if padding_idx is None else _row(padding_idx, weight.shape[0])
    if input.ndim == 2 and input.shape[1] and padding_idx is None:  # as many rows in each bag: no counting
        rows = _looked_up(weight, input.long(), scale_grad_by_freq, sparse)
        if mode == "max":
            return rows.max(1).values
        if mode == "mean":
            return rows.mean(1)
        return (rows if per_sample_weights is None else rows * per_sample_weights.unsqueeze(2)).sum(1)
    named = indices.detach().numpy()
    bags = np.repeat(np.arange(len(starts)), ends - starts)
    counted = np.concatenate([np.arange(a, b) for a, b in zip(starts, ends, strict=True)] or [bags])
    keep = named[counted] != padding
    bags, counted = bags[keep], from_data(counted[keep].astype(np.int64))
    rows = _looked_up(weight, indices[counted].long(), scale_grad_by_freq, sparse)
    counts = np.bincount(bags, minlength=len(starts))
    if mode == "max":
        return _largest(rows, counts)
    if per_sample_weights is not None:
        rows = rows * per_sample_weights.reshape(-1)[counted].unsqueeze(1)
    sums = ops.zeros((len(starts), weight.shape[1]), dtype=rows.dtype).index_add(0, from_data(bags), rows)
    if mode == "sum":
        return sums
    return sums / from_data(np.maximum(counts, 1)[:, None], rows.dtype)


def _looked_up(weight: Tensor, indices: Tensor, by_freq: bool, sparse: bool) -> Tensor:
    """The rows of the weight that are named, with the history that is asked for."""
    if sparse and not by_freq and may_be_sparse(weight):
        return with_sparse_gradient(ops.embedding(weight.detach(), indices), weight, indices, -1)
    return ops.embedding(weight, indices, scale_grad_by_freq=by_freq)


def _row(padding_idx: int, rows: int) -> int:
    if not -rows <= padding_idx < rows:
        raise RuntimeError(f"padding_idx must be within the number of embeddings: {padding_idx} is not one of {rows}")
    return padding_idx % rows


def _bounds(input: Tensor, offsets: Tensor | None, include_last_offset: bool) -> tuple[Any, Any]:
    """Where each bag begins and ends in the flat indices."""
    if input.ndim == 2:
        if offsets is not None:
            raise ValueError(
                "if input is 2D, then offsets has to be None, as input is treated is a mini-batch of fixed length "
                f"sequences. However, found offsets of type {type(offsets)}"
            )
        starts = np.arange(input.shape[0]) * input.shape[1]
        return starts, starts + input.shape[1]
    if input.ndim != 1:
        raise ValueError(f"input has to be 1D or 2D Tensor, but got Tensor of dimension {input.ndim}")
    if offsets is None or offsets.ndim != 1:
        raise ValueError("offsets has to be a 1D Tensor" + (" but got None" if offsets is None else ""))
    places = offsets.detach().numpy().astype(np.int64)
    count = input.shape[0]
    if include_last_offset and not len(places):
        raise RuntimeError("include_last_offset: number of offsets should be at least 1")
    if len(places) and places[0] != 0:
        raise RuntimeError(
            "offsets[0] has to be 0, i.e., the first sequence in the mini-batch has to start from position 0. "
            f"However, got {places[0]}"
        )
    if len(places) and places[-1] > count:
        raise RuntimeError(
            f"offsets[-1] can not be greater than input's length {count} but got offsets[-1] of {places[-1]}"
        )
    if include_last_offset:
        return places[:-1], places[1:]
    return places, np.append(places[1:], count) if len(places) else places


def _largest(rows: Tensor, counts: Any) -> Tensor:
    """The largest of each column over ``counts[i]`` rows at a time; the first of equals gets the gradient."""
    longest = int(counts.max(initial=0))
    if not longest:
        return ops.zeros((len(counts), rows.shape[1]), dtype=rows.dtype)
    ends = np.cumsum(counts)
    # A shorter bag repeats its first row, which changes no maximum; an empty one takes row 0 and is set to 0 after it.
    within = np.arange(longest)[None, :] * (np.arange(longest)[None, :] < counts[:, None])
    places = np.minimum((ends - counts)[:, None] + within, len(rows) - 1)
    largest = rows[from_data(places)].max(1).values
    return largest.masked_fill(from_data((counts == 0)[:, None]), 0)
