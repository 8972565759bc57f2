"""The op table. Importing this package declares every op and puts methods and operators on Tensor.

A file is a chapter of the table. An op declared in any of them becomes `pellucid.NAME`, `Tensor.NAME` and a row of
every table of tests, unless its declaration says otherwise.
"""

from pellucid.core import TABLE, Tensor

from . import (
    arithmetic,
    axes,
    convolution,
    creation,
    diagonals,
    einsum,
    exponential,
    extremes,
    index,
    joining,
    loss,
    masks,
    memory,
    normalize,
    norms,
    operators,
    padding,
    parts,
    pooling,
    products,
    random,
    reduce,
    scan,
    scatter,
    search,
    shape,
    softmax,
    sorting,
    statistics,
    subscript,
    view_methods,
)

for _name, _op in TABLE.items():
    if _op.method and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _op)
operators.install()

__all__ = [
    "arithmetic",
    "view_methods",
    "subscript",
    "search",
    "scatter",
    "parts",
    "padding",
    "masks",
    "joining",
    "index",
    "diagonals",
    "axes",
    "convolution",
    "creation",
    "einsum",
    "exponential",
    "extremes",
    "loss",
    "memory",
    "normalize",
    "norms",
    "operators",
    "pooling",
    "products",
    "random",
    "reduce",
    "scan",
    "shape",
    "softmax",
    "sorting",
    "statistics",
]
