"""The op table. Importing this package declares every op and puts methods and operators on Tensor.

A file is a chapter of the table. An op declared in any of them becomes `pellucid.NAME`, `Tensor.NAME` and a row of
every table of tests, unless its declaration says otherwise.
"""

from pellucid.core import TABLE, Tensor

from . import (
    activation,
    arithmetic,
    axes,
    choice,
    compare,
    convolution,
    creation,
    diagonals,
    einsum,
    elements,
    exponential,
    extremes,
    index,
    joining,
    logic,
    loss,
    masks,
    memory,
    names,
    normalize,
    norms,
    operators,
    padding,
    parts,
    pooling,
    powers,
    products,
    properties,
    random,
    reduce,
    rounding,
    scan,
    scatter,
    search,
    shape,
    softmax,
    sorting,
    special,
    statistics,
    subscript,
    trigonometric,
    view_methods,
)

names.install()
for _name, _op in TABLE.items():
    if _op.method and not hasattr(Tensor, _name):
        setattr(Tensor, _name, _op)
operators.install()
names.install_methods()

__all__ = [
    "activation",
    "arithmetic",
    "axes",
    "choice",
    "compare",
    "convolution",
    "creation",
    "diagonals",
    "einsum",
    "elements",
    "exponential",
    "extremes",
    "index",
    "joining",
    "logic",
    "loss",
    "masks",
    "memory",
    "names",
    "normalize",
    "norms",
    "operators",
    "padding",
    "parts",
    "pooling",
    "powers",
    "products",
    "properties",
    "random",
    "reduce",
    "rounding",
    "scan",
    "scatter",
    "search",
    "shape",
    "softmax",
    "sorting",
    "special",
    "statistics",
    "subscript",
    "trigonometric",
    "view_methods",
]
