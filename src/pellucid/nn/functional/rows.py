"""The gradient of an embedding as a sparse tensor: the rows that were looked up, and nothing of the others."""

from __future__ import annotations

from typing import Any

from ...backend import Array
from ...core import Tensor, state
from ...core.node import Node, Source, Vocabulary, next_number
from ...core.tensor import wrap
from ...sparse import SparseTensor


class SparseRows(Node):
    """The node of rows looked up in `weight`, a leaf; the row `padding` gets no gradient."""

    def __init__(self, weight: Tensor, indices: Tensor, padding: int) -> None:
        self.edges, self.kwargs = [weight], {}
        self.size, self.indices, self.padding = tuple(weight.shape), indices._array.reshape(-1).copy(), padding
        self.number = next_number()

    def propagate(
        self, g: Array, vocabulary: Vocabulary, lifted: bool, create: bool
    ) -> list[tuple[Source | None, Any]]:
        values = (g._array if isinstance(g, Tensor) else g).reshape(-1, self.size[1])
        rows = self.indices
        if self.padding >= 0:
            kept = rows != self.padding
            rows, values = rows[kept], values[kept]
        return [(self.edges[0], SparseTensor(wrap(rows[None].astype("int64")), wrap(values), self.size))]

    def name(self) -> str:
        return "EmbeddingBackward0"


def may_be_sparse(weight: Tensor) -> bool:
    """Whether the gradient of `weight` arrives at a leaf, and nobody listens who knows ops alone."""
    return state.grad and not state.interpreters and weight.requires_grad and weight.is_leaf


def with_sparse_gradient(looked_up: Tensor, weight: Tensor, indices: Tensor, padding: int) -> Tensor:
    """The rows, computed without history, with a history that gives a sparse gradient."""
    looked_up._node, looked_up._requires = SparseRows(weight, indices, padding), True
    return looked_up
