"""Rows for `ops/index.py`, `scatter.py`, `subscript.py`, `masks.py`, `search.py`."""

from collections.abc import Callable
from typing import Any

import numpy as np
import torch

from tests.op_samples import booleans, integers, real, row

I = np.array([2, 0, 2])  # noqa: E741 (indices)
J = np.array([[0, 2], [1, 0]])
K = np.array([[0, 1, 2, 0], [2, 2, 1, 1]])
MASK = np.array([[True, False, True, False], [False, False, True, True], [True, True, False, False]])


def by_dim(function: Callable[..., Any]) -> Callable[..., Any]:
    """PyTorch's order of arguments: the dimension stands behind the input."""
    return lambda input, *others, dim, **how: function(input, dim, *others, **how)


def embedded(read: Callable[..., Any]) -> Callable[..., Any]:
    """The gradient of a reading op for a result with the gradient `x`."""

    def add(x: torch.Tensor, *indices: torch.Tensor, shape: tuple[int, ...], **how: Any) -> torch.Tensor:
        base = torch.zeros(shape, dtype=x.dtype, requires_grad=True)
        return torch.autograd.grad(read(base, *indices, **how), base, x, create_graph=True)[0]

    return add


def keyed(indices: Any, slots: tuple[bool, ...]) -> tuple[Any, ...]:
    left = iter(indices)
    return tuple(next(left) if slot_is_index else slice(None) for slot_is_index in slots)


def read(x: torch.Tensor, *indices: torch.Tensor, slots: tuple[bool, ...]) -> torch.Tensor:
    return x[keyed(indices, slots)]


def put(x: torch.Tensor, values: Any, *indices: torch.Tensor, slots: Any, accumulate: bool = False) -> torch.Tensor:
    key = tuple(next_ if isinstance(next_, torch.Tensor) else None for next_ in keyed(indices, slots))
    return torch.ops.aten.index_put(x, list(key), torch.as_tensor(values, dtype=x.dtype), accumulate)


EDGES = np.array([[0.0, 2.0, 3.0, 0.0], [0.0, 2.0, 1.5, 1.5], [0.0, 0.0, 3.0, 3.0]])  # zeros and ties
EDGE = np.array([[0, 0, 1, 0], [0, 0, 1, 2]])


def reduce(function: str, **how: Any) -> Any:
    return row(real(3, 4), K, real(2, 4), dim=0, reduce=function, reference=by_dim(torch.scatter_reduce), **how)


def per_class(x: torch.Tensor, num_classes: int) -> torch.Tensor:
    return torch.nn.functional.one_hot(x, num_classes)


def embed_rows(weight: torch.Tensor, indices: torch.Tensor, **how: Any) -> torch.Tensor:
    return torch.nn.functional.embedding(indices, weight, **how)


def once(x: torch.Tensor, dim: int | None) -> Any:
    values, inverse, counts = torch.unique(x, return_inverse=True, return_counts=True, dim=dim)
    return values, inverse, counts


def runs(x: torch.Tensor, dim: int | None) -> Any:
    return torch.unique_consecutive(x, return_inverse=True, return_counts=True, dim=dim)


def sought(sequence: torch.Tensor, x: torch.Tensor, sorter: Any = None, *, side: str, out_int32: bool) -> torch.Tensor:
    return torch.searchsorted(sequence, x, side=side, out_int32=out_int32, sorter=sorter)


LARGER = "PyTorch has no gradient for a source that is larger than the index"

ROWS = np.array([[1, 2], [1, 2], [0, 5], [1, 2]])

SAMPLES = {
    "gather": [row(real(3, 4), K, dim=0, reference=by_dim(torch.gather)),
               row(real(3, 4), J, dim=1, reference=by_dim(torch.gather)),
               row(real(), np.array(0), dim=0, reference=by_dim(torch.gather)),
               row(real(2, 3), np.zeros((0, 3), int), dim=0, reference=by_dim(torch.gather))],
    "gather_embed": [row(real(2, 4), K, shape=(3, 4), dim=0,
                         reference=embedded(lambda base, index, dim: base.gather(dim, index)))],
    "scatter": [row(real(3, 4), np.array([[0, 1, 2, 0]]), real(1, 4), dim=0, reference=by_dim(torch.scatter)),
                row(real(3, 4), np.array([[0, 1, 2, 0]]), real(2, 4), dim=0, skip=LARGER),
                row(real(3, 4), np.array([[3], [0]]), 1.5, dim=1, reference=by_dim(torch.scatter)),
                row(real(), np.array(0), real(), dim=0, reference=by_dim(torch.scatter)),
                row(real(3, 4), K, real(2, 4), dim=0, reduce="add", gradient="torch", drop=("reduce",),
                    reference=by_dim(torch.scatter_add)),
                row(real(3, 4), K, 2.0, dim=0, reduce="multiply", reference=by_dim(torch.scatter), gradient=False)],
    "scatter_add": [row(real(3, 4), K, real(2, 4), dim=0, reference=by_dim(torch.scatter_add)),
                    row(real(3, 4), J, real(2, 2), dim=1, reference=by_dim(torch.scatter_add)),
                    row(real(3, 4), K, real(3, 4), dim=0, skip=LARGER),
                    row(real(3, 4), K, real(3, 4), dim=0, gradient=False, reference=by_dim(torch.scatter_add)),
                    row(integers(3), np.array([1, 1]), integers(2), dim=0, reference=by_dim(torch.scatter_add))],
    "scatter_reduce": [reduce(how, include_self=own) for how in ("sum", "prod", "mean", "amax", "amin")
                       for own in (True, False)]
                      + [row(*arrays, dim=0, reduce=how, include_self=own, gradient="torch",
                             reference=by_dim(torch.scatter_reduce))
                         for how in ("mean", "prod", "amax", "amin") for own in (True, False)
                         for arrays in ((EDGES if own else EDGES + 9, EDGE, EDGES[:2]), (EDGES, EDGE[:1], EDGES[1:2]))
                         if own or how not in ("amax", "amin") or arrays[0] is not EDGES]
                      + [row(EDGES, EDGE[:1], EDGES[1:2], dim=0, reduce=how, include_self=False,
                             skip="PyTorch counts an input that is left out among the equals, and loses its share")
                         for how in ("amax", "amin")]
                      + [row(EDGES, EDGE, EDGES[:2], dim=0, reduce=how, include_self=False, gradient="torch",
                             reference=by_dim(torch.scatter_reduce)) for how in ("mean", "prod")]
                      + [row(real(3, 4), EDGE, real(2, 4), dim=0, reduce=how, include_self=own,
                             reference=by_dim(torch.scatter_reduce))
                         for how in ("mean", "prod", "amax") for own in (True, False)]
                      + [row(real(3, 4), K, real(3, 4), dim=0, reduce=how, include_self=own, skip=LARGER)
                         for how in ("mean", "prod", "amax") for own in (True, False)]
                      + [row(integers(3, 4), K, integers(2, 4), dim=0, reduce=how, include_self=False,
                             reference=by_dim(torch.scatter_reduce)) for how in ("mean", "amax", "amin", "prod")],
    "index_select": [row(real(3, 4), I, dim=0, reference=by_dim(torch.index_select)),
                     row(real(2, 3, 2), I, dim=-2, reference=by_dim(torch.index_select)),
                     row(real(), np.array([0]), dim=0, reference=by_dim(torch.index_select))],
    "index_embed": [row(real(3, 4), I, shape=(3, 4), dim=0,
                        reference=embedded(lambda base, index, dim: base.index_select(dim, index))),
                    row(real(2, 3, 2), I, shape=(2, 3, 2), dim=1,
                        reference=embedded(lambda base, index, dim: base.index_select(dim, index)))],
    "index_add": [row(real(), np.array([0]), real(), dim=0, reference=by_dim(torch.index_add)),
                  row(real(3, 4), I, real(3, 4), dim=0, reference=by_dim(torch.index_add)),
                  row(real(2, 3, 2), I, real(2, 3, 2), dim=1, alpha=-2, reference=by_dim(torch.index_add)),
                  row(integers(3), I, integers(3), dim=0, alpha=3, reference=by_dim(torch.index_add))],
    "index_copy": [row(real(3), np.array([1]), real(), dim=0, reference=by_dim(torch.index_copy)),
                   row(real(3, 4), np.array([2, 0]), real(2, 4), dim=0, reference=by_dim(torch.index_copy))],
    "index_fill": [row(real(3, 4), I, 1.5, dim=0, reference=by_dim(torch.index_fill)),
                   row(real(3, 4), np.array([0, 1, 1]), real(), dim=1, reference=by_dim(torch.index_fill))],
    "unique_values": [row(np.array([3, 1, 3]), reference=torch.unique)],
    "take": [row(real(3, 4), np.array([[0, -1], [5, 5]]))],
    "take_embed": [row(real(2, 2), np.array([[0, -1], [5, 5]]), shape=(3, 4), reference=embedded(torch.take))],
    "put": [row(real(3, 4), np.array([[0, -1], [5, 6]]), real(2, 2)),
            row(real(3, 4), np.array([0, 5, 5]), real(3), accumulate=True)],
    "index": [row(real(3, 4), I, slots=(True,), reference=read),
              row(real(3, 4), I, I, slots=(True, True), reference=read),
              row(real(3, 2, 4), I, J[:, :1], slots=(True, False, True), reference=read),
              row(real(2, 3, 4), J, slots=(False, True), reference=read),
              row(real(3, 4), MASK, slots=(True,), reference=read),
              row(real(3, 4, 2), MASK, np.array([0]), slots=(True, True), reference=read)],
    "index_zeros_put": [row(real(3, 4), I, shape=(3, 4), slots=(True,), reference=embedded(read)),
                        row(real(2, 3, 2), I, J[:, :1], shape=(3, 2, 4), slots=(True, False, True),
                            reference=embedded(read)),
                        row(real(6), MASK, shape=(3, 4), slots=(True,), reference=embedded(read))],
    "index_put": [row(real(3, 4), real(2, 4), np.array([2, 0]), slots=(True,), reference=put),
                  row(real(3, 4), real(1), np.array([2, 0]), slots=(False, True), reference=put),
                  row(real(3, 4), 1.5, MASK, slots=(True,), reference=put),
                  row(real(3, 4), real(3, 1), I, slots=(True,), accumulate=True, reference=put),
                  row(real(3, 4), real(6), MASK, slots=(True,), accumulate=True, reference=put)],
    "masked_fill": [row(real(3, 4), MASK, 1.5), row(real(3, 4), MASK[0], real()), row(integers(3, 4), MASK, 7)],
    "masked_scatter": [row(real(3, 4), MASK[0], real(12)), row(real(3, 4), MASK[:, :1], real(12)),
                       row(real(3, 4), MASK, real(8)), row(real(), np.array(True), real(2))],
    "fill": [row(real(3), 2.5), row(real(3), real()), row(integers(3), 2)],
    "zero_": [row(real(3), reference=torch.zeros_like), row(integers(3), reference=torch.zeros_like)],
    "nonzero": [row(integers(3, 4)), row(real(2)), row(np.array(0)), row(booleans(2, 3))],
    "wrap_indices": [row(np.array([-1, 0, -3]), size=3, reference=lambda x, size: x % size)],
    "unique": [row(integers(7), dim=None, reference=once), row(ROWS, dim=0, reference=once)],
    "unique_consecutive": [row(np.array([1, 1, 2, 1]), dim=None, reference=runs), row(ROWS, dim=0, reference=runs),
                           row(ROWS[:0], dim=0, reference=runs)],
    "isin": [row(integers(3, 4), integers(3)), row(integers(3), 2, invert=True), row(3, integers(5))],
    "searchsorted": [row(np.array([1, 3, 3, 5]), np.array([[3, 0], [6, 4]]), side=side, out_int32=small,
                         reference=sought) for side in ("left", "right") for small in (True, False)]
                    + [row(np.array([[1, 3], [2, 2]]), np.array([[3], [2]]), side="right", out_int32=False,
                           reference=sought),
                       row(np.array([5, 1, 3]), np.array([2, 4]), np.array([1, 2, 0]), side="left", out_int32=False,
                           reference=sought)],
    "one_hot": [row(np.array([[0, 2], [1, 1]]), num_classes=n, reference=per_class) for n in (-1, 5)],
    # The gradient of the row padding_idx is left out on purpose, so that it is no true gradient.
    "embedding": [row(real(4, 2), J, reference=embed_rows),
                  row(real(4, 2), J, padding_idx=0, gradient="torch", reference=embed_rows),
                  row(real(4, 2), J, padding_idx=2, gradient="torch", reference=embed_rows),
                  row(real(4, 2), J, scale_grad_by_freq=True, gradient="torch", reference=embed_rows),
                  row(real(4, 2), np.array(1), reference=embed_rows)],
    "frequencies": [row(J, reference=lambda x: torch.bincount(x.ravel())[x])],
}  # fmt: skip
