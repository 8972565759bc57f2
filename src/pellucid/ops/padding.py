"""Padding: more elements at both ends of some dimensions."""

from __future__ import annotations

from typing import Any

from pellucid.core import Tensor, called
from pellucid.declare import TABLE, function, op
from pellucid.errors import ShapeError, with_line
from pellucid.types.dtypes import number_in

from .dims import sizes_of
from .elements import check_number
from .node_names import padded


@op(public=True, method=False, reference="torch.nn.functional.pad")
def constant_pad_nd(xp: Any, input: Any, *, pad: Any, value: Any = 0) -> Any:
    """A copy with `pad[0]` elements `value` before and `pad[1]` after the last dimension, then the one before it, …

    A negative number takes elements away instead.
    """
    ends = _ends(tuple(pad), input.ndim)
    lengths = [before + n + after for n, (before, after) in zip(input.shape, ends, strict=True)]
    if any(n < 0 for n in lengths):
        raise ShapeError(
            f"The input size {list(input.shape)}, plus negative padding {list(pad)}, resulted in a negative output "
            "size, which is invalid"
        )
    check_number(value, input.dtype)
    out = xp.full(lengths, number_in(value, input.dtype), input.dtype)
    target = tuple(slice(max(before, 0), n - max(after, 0)) for n, (before, after) in zip(lengths, ends, strict=True))
    source = tuple(
        slice(max(-before, 0), n - max(-after, 0)) for n, (before, after) in zip(input.shape, ends, strict=True)
    )
    if out.size:
        out[target] = input[source]
    return out


# The gradient of padding is the opposite padding: what was added is taken away, what was taken away becomes zeros.
constant_pad_nd.vjp(input=lambda m, g, pad: m.constant_pad_nd(g, pad=tuple(-amount for amount in pad)))


def _ends(pad: tuple[int, ...], rank: int) -> list[tuple[int, int]]:
    if len(pad) % 2:
        raise RuntimeError(f"Length of pad must be even but instead it equals {len(pad)}")
    if len(pad) > 2 * rank:
        raise RuntimeError(
            f"Length of pad should be no more than twice the number of dimensions of the input. Pad length is "
            f"{len(pad)} while the input has {rank} dimensions."
        )
    given = [(pad[i], pad[i + 1]) for i in range(0, len(pad), 2)][::-1]
    return [(0, 0)] * (rank - len(given)) + given


@op(public=False, method=False)
def pad_indices(xp: Any, *, length: int, before: int, after: int, mode: str) -> Any:
    """For each element of a padded dimension, the index of the element it repeats."""
    found = xp.arange(-before, length + after)
    if mode == "replicate":
        return xp.clip(found, 0, length - 1)
    if mode == "circular":
        low = max(-before, 0)  # what negative padding takes away is gone before the rest is wrapped
        return low + (found - low) % (length - low - max(-after, 0))
    period = 2 * (length - 1) or 1
    return length - 1 - xp.abs(length - 1 - found % period) if length > 1 else found * 0


@function(public=False, method=False)
@called(padded)
def pad(input: Tensor, pad: Any, mode: str = "constant", value: Any = None) -> Tensor:
    """`input` with more elements at both ends of its last dimensions: (left, right, top, bottom, …).

    `mode`: `constant` (of `value`), `reflect` (mirrored, the edge not repeated), `replicate` (the edge), `circular`
    (from the other end). The latter three pad the last dimensions of a batch: (C, L), (N, C, L), (N, C, H, W), …
    Raises ShapeError (a RuntimeError) for padding that reaches further than the tensor.

    >>> import pellucid
    >>> pad(pellucid.tensor([[1.0, 2.0, 3.0]]), (2, 1), mode="reflect")
    tensor([[3., 2., 1., 2., 3., 2.]])
    """
    from .index import index_select

    widths = sizes_of((pad,))
    if mode == "constant":
        return constant_pad_nd(input, pad=widths, value=0 if value is None else float(value))
    if mode not in ("reflect", "replicate", "circular"):
        raise NotImplementedError(
            with_line(f"Unrecognised padding mode {mode}; there are constant, reflect, replicate and circular")
        )
    if value:
        raise ValueError(with_line(f"Padding mode {mode!r} doesn't take in value argument"))
    count = len(widths) // 2
    if len(widths) % 2 or input.ndim not in (count + 1, count + 2) or count > 3:
        raise NotImplementedError(
            with_line(
                f"Padding size {len(widths)} is not supported for {input.ndim}D input tensor. "
                "Only 2D, 3D, 4D, 5D padding with non-constant padding are supported for now: (C, L) or (N, C, L) take "
                f"2 numbers, (N, C, H, W) 4; got {len(widths)} for shape {tuple(input.shape)}"
            )
        )
    if mode != "circular":
        input = TABLE["kinked"](input)  # as in PyTorch, where these two are ops
    for i in range(count):
        dim = input.ndim - 1 - i
        length, before, after = input.shape[dim], widths[2 * i], widths[2 * i + 1]
        most = length - 1 if mode == "reflect" else length
        if mode != "replicate" and max(before, after) > most:
            raise ShapeError(
                with_line(
                    f"Padding size should be less than the corresponding input dimension, but got: padding "
                    f"({before}, {after}) at dimension {dim} of input {list(input.shape)}"
                )
            )
        if before + length + after < 0 or (length == 0 and max(before, after) > 0):
            raise ShapeError(with_line(f"padding ({before}, {after}) of dimension {dim} with {length} elements"))
        if before or after:
            found = pad_indices(length=length, before=before, after=after, mode=mode)
            input = index_select(input, dim=dim, index=found)
    return input
