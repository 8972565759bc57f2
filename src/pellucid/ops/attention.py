"""Attention: the values of a sequence averaged, each by how well its key matches a query."""

from __future__ import annotations

import math
from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import FUNCTIONS, TABLE, function, op
from pellucid.errors import ShapeError
from pellucid.kernels import attention as native
from pellucid.kernels import rows
from pellucid.reverse.vocabulary import of_array

from .in_row import in_row, out_of_row
from .node_names import attended
from .reduction import widened


@op(
    public=False,
    method=False,
    reference="torch.nn.functional.scaled_dot_product_attention",
    node="ScaledDotProductFlashAttentionForCpuBackward0",
)
def attention(
    xp: Any, query: Any, key: Any, value: Any, mask: Any = None, *, scale: float, causal: bool = False
) -> Any:
    """softmax(scale · query keyᵀ + mask) value, over the keys; `causal` leaves out the keys after each query.

    Shape: query (…, L, E), key (…, S, E), value (…, S, V), mask (…, L, S) -> (…, L, V). A query that may see no key
    gets zeros. As in PyTorch, the result lies as the query does. Source: Vaswani et al., arXiv:1706.03762; without a
    matrix of all scores, Dao et al., arXiv:2205.14135.
    """
    kind = query.dtype
    query, key, value = widened(xp, query), widened(xp, key), widened(xp, value)
    found = native.forward(query, key, value, mask, scale, causal)
    if found is not None:
        return found.astype(kind, copy=False)
    scores = xp.matmul(query * query.dtype.type(scale), key.swapaxes(-1, -2))
    if causal:
        scores += _future(xp, scores)
    if mask is not None:
        scores += mask
    if not rows.softmax_(scores, zero=True):
        largest = xp.maximum.reduce(scores, axis=-1, keepdims=True)
        scores -= xp.where(xp.isneginf(largest), largest.dtype.type(0), largest)
        xp.exp(scores, out=scores)
        total = xp.add.reduce(scores, axis=-1, keepdims=True)
        scores /= xp.where(total == 0, total.dtype.type(1), total)
    made = xp.matmul(scores, value, out=native.empty(xp, (*query.shape[:-1], value.shape[-1]), scores.dtype, query))
    return made.astype(kind, copy=False)


def _future(xp: Any, scores: Any) -> Any:
    """-inf for the keys after each query, else 0: (L, S)."""
    return xp.triu(xp.full(scores.shape[-2:], -xp.inf, scores.dtype), 1)


@op(public=False, method=False)
def future(xp: Any, scores: Any) -> Any:
    """-inf where a key comes after its query, else 0: (…, L, S) -> (L, S)."""
    return _future(xp, scores)


def _probabilities(m: Any, query: Any, key: Any, mask: Any, scale: float, causal: bool) -> Any:
    scores = (query * scale) @ m.transpose(key, dim0=-2, dim1=-1)
    if causal:
        scores = scores + m.future(scores)
    if mask is None:
        return m.softmax(scores, dim=-1)
    scores = scores + mask
    blind = m.amax(scores, dim=-1, keepdim=True) == -math.inf
    return m.where(blind, 0.0, m.softmax(m.where(blind, 0.0, scores), dim=-1))


def _of_scores(m: Any, grad: Any, value: Any, probs: Any) -> Any:
    return m.softmax_backward(grad @ m.transpose(value, dim0=-2, dim1=-1), probs, dim=-1)


def _gradients(
    m: Any, grad: Any, query: Any, key: Any, value: Any, mask: Any = None, *, scale: float, causal: bool = False,
    beside: tuple[bool, ...] = (False,) * 3,
) -> Any:  # fmt: skip
    """The gradients of query, key and value, one behind the other, those laid as (…, L, heads, E) that are `beside`."""
    probs = _probabilities(m, query, key, mask, scale, causal)
    delta = _of_scores(m, grad, value, probs)
    found = (
        delta @ (key * scale),
        m.transpose(delta, dim0=-2, dim1=-1) @ (query * scale),
        m.transpose(probs, dim0=-2, dim1=-1) @ grad,
    )
    return in_row(m, *(_turned(m, each, turns) for each, turns in zip(found, beside, strict=True)))


def _turned(m: Any, array: Any, turns: bool) -> Any:
    """(…, heads, L, E) -> (…, L, heads, E), or back."""
    return m.transpose(array, dim0=-3, dim1=-2) if turns else array


def apart(m: Any, row: Any, arrays: tuple[Any, ...], beside: tuple[bool, ...]) -> list[Any]:
    """What `attention_gradients` gives, apart, each with the shape of one of the arrays."""
    shapes = [tuple(array.shape) for array in arrays]
    laid = [
        (*shape[:-3], shape[-2], shape[-3], shape[-1]) if turns else shape
        for shape, turns in zip(shapes, beside, strict=True)
    ]
    return [_turned(m, each, turns) for each, turns in zip(out_of_row(m, row, *laid), beside, strict=True)]


@op(public=False, method=False)
def attention_gradients(
    xp: Any, grad: Any, query: Any, key: Any, value: Any, mask: Any = None, *, scale: float, causal: bool = False,
    beside: tuple[bool, ...] = (False,) * 3,
) -> Any:  # fmt: skip
    """The gradients of `attention`'s query, key and value, one behind the other. The probabilities are made anew.

    Those that are `beside` lie as (…, L, heads, E).
    """
    made = xp.empty(query.size + key.size + value.size, query.dtype)
    parts = apart(of_array(made), made, (query, key, value), beside)
    if native.backward(grad, query, key, value, mask, scale, causal, parts):
        return made
    return _gradients(of_array(query), grad, query, key, value, mask, scale=scale, causal=causal, beside=beside)


attention_gradients.composes(_gradients)


def _shared(m: Any, g: Any, query: Any, key: Any, value: Any, mask: Any, scale: float, causal: bool) -> list[Any]:
    """What `attention_gradients` gives, apart, each laid as what it is the gradient of."""
    given = (query, key, value)
    beside = tuple(map(native.beside, given))
    row = m.attention_gradients(g, query, key, value, mask, scale=scale, causal=causal, beside=beside)
    return apart(m, row, given, beside)


def _of_mask(m: Any, g: Any, query: Any, key: Any, value: Any, mask: Any, scale: float, causal: bool) -> Any:
    return _of_scores(m, g, value, _probabilities(m, query, key, mask, scale, causal))


attention.shares(parts=_shared)
attention.vjp(
    query=lambda m, g, parts: parts[0],
    key=lambda m, g, parts: parts[1],
    value=lambda m, g, parts: parts[2],
    mask=_of_mask,
)


@function(public=False, method=False)
@called(attended)
def scaled_dot_product_attention(
    query: Tensor,
    key: Tensor,
    value: Tensor,
    attn_mask: Tensor | None = None,
    dropout_p: float = 0.0,
    is_causal: bool = False,
    scale: float | None = None,
    enable_gqa: bool = False,
) -> Tensor:
    """softmax(query keyᵀ · scale + mask) value; `scale` is 1/√E unless given.

    `attn_mask`, broadcast to (…, L, S), is added to the scores; a boolean one is True where a query may look.
    `is_causal` leaves out the keys after each query. Dropout is always applied with the probability `dropout_p`.
    With `enable_gqa`, groups of the query's heads share a head of key and value.

    Shape: query (…, L, E), key (…, S, E), value (…, S, V) -> (…, L, V). Raises RuntimeError where these do not fit.

    >>> import pellucid
    >>> x = pellucid.ones(1, 2, 4)
    >>> scaled_dot_product_attention(x, x, x).shape
    torch.Size([1, 2, 4])
    """
    _check(query, key, value, attn_mask, is_causal)
    if enable_gqa and query.shape[-3] != key.shape[-3]:
        repeat = FUNCTIONS["repeat_interleave"]
        key = repeat(key, query.shape[-3] // key.shape[-3], -3)
        value = repeat(value, query.shape[-3] // value.shape[-3], -3)
    lead = FUNCTIONS["broadcast_shapes"](query.shape[:-2], key.shape[:-2], value.shape[:-2])
    query, key, value = (_leading(tensor, lead) for tensor in (query, key, value))
    scale = 1 / math.sqrt(query.shape[-1]) if scale is None else scale
    mask: Any = attn_mask
    if mask is not None:
        if mask.dtype.name == "bool":
            zero = FUNCTIONS["zeros"]((), dtype=query.dtype, device=query.device)
            mask = TABLE["where"](mask, zero, -math.inf)
        mask = FUNCTIONS["broadcast_to"](mask, (*lead, query.shape[-2], key.shape[-2]))
    if not dropout_p:
        return TABLE["attention"](query, key, value, mask, scale=scale, causal=is_causal)
    scores: Any = (query * scale) @ key.mT
    if is_causal:
        scores = scores + future(scores.detach())
    probs = TABLE["softmax"](scores if mask is None else scores + mask, dim=-1)
    return FUNCTIONS["dropout"](probs, dropout_p, True) @ value


def _leading(tensor: Tensor, lead: Any) -> Tensor:
    shape = (*lead, *tensor.shape[-2:])
    return tensor if tuple(tensor.shape) == shape else FUNCTIONS["broadcast_to"](tensor, shape)


def _check(query: Tensor, key: Tensor, value: Tensor, mask: Tensor | None, causal: bool) -> None:
    if query.dtype is not key.dtype or query.dtype is not value.dtype:
        raise RuntimeError(
            "Expected query, key, and value to have the same dtype, but got query.dtype: "
            f"{query.dtype} key.dtype: {key.dtype} and value.dtype: {value.dtype} instead."
        )
    shapes = f"query {tuple(query.shape)}, key {tuple(key.shape)} and value {tuple(value.shape)}"
    if min(query.ndim, key.ndim, value.ndim) < 2:
        raise RuntimeError(f"Expected query, key, and value to all be at least 2 dimensional, but got {shapes}")
    if query.shape[-1] != key.shape[-1] or key.shape[-2] != value.shape[-2]:
        raise ShapeError(f"attention takes a query (…, L, E), a key (…, S, E) and a value (…, S, V), but got {shapes}")
    if mask is None:
        return
    if causal:
        raise RuntimeError("_scaled_dot_product_attention: Explicit attn_mask should not be set when is_causal=True")
    if mask.dtype.name != "bool" and mask.dtype is not query.dtype:
        raise RuntimeError(
            f"Expected attn_mask dtype to be bool or to match query dtype, but got attn_mask.dtype: {mask.dtype} "
            f"and query.dtype: {query.dtype} instead."
        )
