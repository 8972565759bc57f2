"""Attention with several heads, and its masks."""

from __future__ import annotations

import math
from typing import Any

from ...core import Tensor
from ...errors import warn
from ...ops.attention import scaled_dot_product_attention
from .. import vocabulary as ops

__all__ = ["multi_head_attention_forward", "scaled_dot_product_attention"]


def canonical_mask(
    mask: Tensor | None, name: str, other: Tensor | None, other_name: str, dtype: Any, check_other: bool = True
) -> Tensor | None:
    """A mask as numbers to add to the scores: -inf where a boolean one is True. Warns if `other` has another dtype."""
    if mask is None:
        return None
    if mask.dtype.name != "bool" and not mask.is_floating_point():
        raise AssertionError(f"only bool and floating types of {name} are supported, but got {mask.dtype}")
    if check_other and other is not None and mask.dtype is not other.dtype:
        warn(f"Support for mismatched {name} and {other_name} is deprecated. Use same type for both instead.")
    if mask.is_floating_point():
        return mask
    return ops.zeros(mask.shape, dtype=dtype, device=mask.device).masked_fill_(mask, -math.inf)


def _check_shapes(query: Any, key: Any, value: Any, key_padding_mask: Any, attn_mask: Any, num_heads: int) -> bool:
    """Whether there is a batch; AssertionError, as in PyTorch, where the numbers of dimensions do not fit."""
    if query.ndim not in (2, 3):
        raise AssertionError(
            f"query should be unbatched 2D or batched 3D tensor but received {query.ndim}-D query tensor"
        )
    rank = query.ndim
    kind = "batched (3-D)" if rank == 3 else "unbatched (2-D)"
    if key.ndim != rank or value.ndim != rank:
        raise AssertionError(
            f"For {kind} `query`, expected `key` and `value` to be {rank}-D but found {key.ndim}-D and {value.ndim}-D "
            "tensors respectively"
        )
    if key_padding_mask is not None and key_padding_mask.ndim != rank - 1:
        raise AssertionError(
            f"For {kind} `query`, expected `key_padding_mask` to be `None` or {rank - 1}-D but found "
            f"{key_padding_mask.ndim}-D tensor instead"
        )
    if attn_mask is not None:
        if attn_mask.ndim not in (2, 3):
            raise AssertionError(
                f"For {kind} `query`, expected `attn_mask` to be `None`, 2-D or 3-D but found {attn_mask.ndim}-D "
                "tensor instead"
            )
        wanted = (num_heads, query.shape[0], key.shape[0])
        if rank == 2 and attn_mask.ndim == 3 and tuple(attn_mask.shape) != wanted:
            raise AssertionError(f"Expected `attn_mask` shape to be {wanted} but got {tuple(attn_mask.shape)}")
    return rank == 3


def _projected(
    query: Tensor, key: Tensor, value: Tensor, weights: tuple[Tensor, ...], bias: Tensor | None
) -> list[Tensor]:
    """Query, key and value times their matrices; one product where they are the same tensor."""
    if len(weights) == 1:
        (weight,) = weights
        width = query.shape[-1]
        if query is key and key is value:
            whole = ops.linear(query, weight, bias)
            return [whole[..., i * width : (i + 1) * width] for i in range(3)]
        weights = tuple(weight.chunk(3))
    biases = (None,) * 3 if bias is None else bias.chunk(3)
    return [ops.linear(*given) for given in zip((query, key, value), weights, biases, strict=True)]


def multi_head_attention_forward(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    embed_dim_to_check: int,
    num_heads: int,
    in_proj_weight: Tensor | None,
    in_proj_bias: Tensor | None,
    bias_k: Tensor | None,
    bias_v: Tensor | None,
    add_zero_attn: bool,
    dropout_p: float,
    out_proj_weight: Tensor,
    out_proj_bias: Tensor | None,
    training: bool = True,
    key_padding_mask: Tensor | None = None,
    need_weights: bool = True,
    attn_mask: Tensor | None = None,
    use_separate_proj_weight: bool = False,
    q_proj_weight: Tensor | None = None,
    k_proj_weight: Tensor | None = None,
    v_proj_weight: Tensor | None = None,
    static_k: Tensor | None = None,
    static_v: Tensor | None = None,
    average_attn_weights: bool = True,
    is_causal: bool = False,
) -> tuple[Tensor, Tensor | None]:
    """Attention of several heads, each over its share of the features: (output, weights or None).

    Shape: query (L, B, E), key and value (S, B, …), or all without B -> output (L, B, E), weights (B, L, S), or
    (B, heads, L, S) where they are not averaged. Source: Vaswani et al., arXiv:1706.03762.
    """
    batched = _check_shapes(query, key, value, key_padding_mask, attn_mask, num_heads)
    if not batched:
        alone = query, key, value
        query = query.unsqueeze(1)
        key = query if alone[1] is alone[0] else key.unsqueeze(1)
        value = key if alone[2] is alone[1] else value.unsqueeze(1)
        key_padding_mask = None if key_padding_mask is None else key_padding_mask.unsqueeze(0)
    (length, batch, width), source = query.shape, key.shape[0]
    key_padding_mask = canonical_mask(key_padding_mask, "key_padding_mask", attn_mask, "attn_mask", query.dtype)
    if is_causal and attn_mask is None:
        raise RuntimeError(
            "Need attn_mask if specifying the is_causal hint. You may use the Transformer module method "
            "`generate_square_subsequent_mask` to create this mask."
        )
    if is_causal and key_padding_mask is None and not need_weights:
        attn_mask = None
    else:
        attn_mask = canonical_mask(attn_mask, "attn_mask", None, "", query.dtype, False)
        is_causal = is_causal and key_padding_mask is None
    if width != embed_dim_to_check:
        raise AssertionError(f"was expecting embedding dimension of {embed_dim_to_check}, but got {width}")
    each = width // num_heads
    if each * num_heads != width:
        raise AssertionError(f"embed_dim {width} not divisible by num_heads {num_heads}")
    if key.shape[:2] != value.shape[:2] if use_separate_proj_weight else key.shape != value.shape:
        raise AssertionError(f"key shape {key.shape} does not match value shape {value.shape}")
    given: tuple[Any, ...] = (in_proj_weight,)
    if use_separate_proj_weight:
        given = (q_proj_weight, k_proj_weight, v_proj_weight)
    q, k, v = _projected(query, key, value, given, in_proj_bias)

    if attn_mask is not None:
        wanted = (length, source) if attn_mask.ndim == 2 else (batch * num_heads, length, source)
        if tuple(attn_mask.shape) != wanted:
            raise RuntimeError(
                f"The shape of the {attn_mask.ndim}D attn_mask is {attn_mask.shape}, but should be {wanted}."
            )
    more = 0
    if (bias_k is None) != (bias_v is None):
        raise AssertionError("bias_k and bias_v are given together or not at all")
    if bias_k is not None and bias_v is not None:
        if static_k is not None or static_v is not None:
            raise AssertionError("bias cannot be added to static key or value.")
        k = ops.cat((k, bias_k.repeat(1, batch, 1)))
        v = ops.cat((v, bias_v.repeat(1, batch, 1)))
        more += 1

    def heads(rows: Tensor) -> Tensor:  # (S, B, E) -> (B, heads, S, E / heads)
        return ops.permute(ops.reshape(rows, shape=(-1, batch, num_heads, each)), dims=(1, 2, 0, 3))

    def fixed(rows: Tensor, name: str) -> Tensor:
        if rows.shape[0] != batch * num_heads or rows.shape[2] != each:
            raise AssertionError(
                f"expecting {name} of shape ({batch * num_heads}, …, {each}), but got {tuple(rows.shape)}"
            )
        return ops.reshape(rows, shape=(batch, num_heads, -1, each))

    q = heads(q)
    k = heads(k) if static_k is None else fixed(static_k, "static_k")
    v = heads(v) if static_v is None else fixed(static_v, "static_v")
    if add_zero_attn:
        zero = ops.zeros((batch, num_heads, 1, each), dtype=k.dtype, device=k.device)
        k, v = ops.cat((k, zero), 2), ops.cat((v, zero), 2)
        more += 1
    mask = _merged(attn_mask, key_padding_mask, more, batch, num_heads)
    dropout_p = dropout_p if training else 0.0
    weights: Any = None
    if need_weights:
        scores = (q * math.sqrt(1.0 / each)) @ k.mT
        weights = ops.softmax(scores if mask is None else scores + mask, dim=-1)
        if dropout_p:
            weights = ops.dropout(weights, dropout_p, True)
        out = weights @ v
        weights = weights.mean(dim=1) if average_attn_weights else weights
        weights = weights if batched else weights.squeeze(0)
    else:
        out = scaled_dot_product_attention(q, k, v, mask, dropout_p, is_causal and mask is None)
    out = ops.reshape(ops.permute(out, dims=(2, 0, 1, 3)), shape=(length, batch, width))
    out = ops.linear(out, out_proj_weight, out_proj_bias)
    return out if batched else out.squeeze(1), weights


def _merged(attn_mask: Any, padding: Any, more: int, batch: int, num_heads: int) -> Any:
    """Both masks as one that is added to (B, heads, L, S), with `more` keys that all may see."""
    if attn_mask is not None:
        attn_mask = ops.constant_pad_nd(attn_mask, pad=(0, more), value=0) if more else attn_mask
        if attn_mask.ndim == 3:
            attn_mask = ops.reshape(attn_mask, shape=(batch, num_heads, *attn_mask.shape[1:]))
    if padding is None:
        return attn_mask
    padding = ops.constant_pad_nd(padding, pad=(0, more), value=0) if more else padding
    padding = ops.reshape(padding, shape=(padding.shape[0], 1, 1, padding.shape[1]))
    return padding if attn_mask is None else attn_mask + padding
