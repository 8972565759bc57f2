"""Ops that rearrange elements: most of them are views, which cost nothing and share memory."""

# pyright: reportUnknownLambdaType=false, reportUnknownMemberType=false, reportUnknownVariableType=false
from __future__ import annotations

from typing import Any

from pellucid.core import op


@op(view=True, method=False, public=False)
def reshape(xp: Any, input: Any, *, shape: Any) -> Any:
    """The same elements in row-major order under another shape; a view where the memory allows it, else a copy."""
    return input.reshape(shape)


reshape.vjp(input=lambda m, g, input_shape: m.reshape(g, shape=input_shape))


@op(view=True)
def permute(xp: Any, input: Any, *, dims: Any) -> Any:
    """A view with the dimensions in the order `dims`."""
    return input.transpose(dims)


permute.vjp(input=lambda m, g, dims: m.permute(g, dims=_inverse(dims)))


def _inverse(dims: Any) -> tuple[int, ...]:
    rank = len(dims)
    return tuple(sorted(range(rank), key=lambda i: dims[i] % rank))
