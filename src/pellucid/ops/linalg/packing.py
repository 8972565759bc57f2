"""Several matrices in one array, for factorisations: an op has one differentiable result, and these have two or three.

A factorisation is an op whose result is its factors, flattened and joined: (…, m, k) and (…, k, n) -> (…, m·k + k·n).
`piece` takes a factor out again. The rule of the op sees the gradients of all factors at once, which is how they are
derived, and being written in ops it gives every order.
"""

from __future__ import annotations

import math
from typing import Any

from pellucid.declare import op

Shape = tuple[int, ...]


@op(method=False, public=False)
def piece(xp: Any, input: Any, *, start: int, shape: Shape) -> Any:
    """The elements from `start` on of the last dimension, as arrays of `shape`."""
    taken = input[..., start : start + math.prod(shape)]
    return xp.array(taken.reshape((*input.shape[:-1], *shape)), order="C")


@op(method=False, public=False)
def piece_embed(xp: Any, input: Any, *, start: int, shape: Shape, length: int) -> Any:
    """Zeros of `length` in the last dimension, with arrays of `shape` flattened from `start` on."""
    batch = input.shape[: input.ndim - len(shape)]
    out = xp.zeros((*batch, length), input.dtype)
    out[..., start : start + math.prod(shape)] = input.reshape((*batch, math.prod(shape)))
    return out


piece.vjp(
    input=lambda m, g, input_shape, start, shape: m.piece_embed(g, start=start, shape=shape, length=input_shape[-1])
)
piece_embed.vjp(input=lambda m, g, start, shape: m.piece(g, start=start, shape=shape))


def pack(xp: Any, batch: Shape, *arrays: Any) -> Any:
    """The arrays, all with the leading dimensions `batch`, flattened and joined."""
    flat = [array.reshape((*batch, math.prod(array.shape[len(batch) :]))) for array in arrays]
    return xp.concatenate(flat, axis=-1)


def unpack(m: Any, packed: Any, *shapes: Shape) -> tuple[Any, ...]:
    """The arrays of these shapes, without their leading dimensions, that `packed` is made of."""
    found: list[Any] = []
    start = 0
    for shape in shapes:
        found.append(m.piece(packed, start=start, shape=shape))
        start += math.prod(shape)
    return tuple(found)
