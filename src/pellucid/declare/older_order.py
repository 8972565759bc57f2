"""PyTorch's older order of arguments, numbers before tensors: `x.add_(-lr, grad)`, `x.addmm_(1, -2, a, b)`.

Programs from before PyTorch 1.5 are full of it, and PyTorch still takes it, with a warning, once.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.core.node import Arguments, Attributes
from pellucid.core.tensor import Tensor
from pellucid.errors import warn

_PRODUCTS = ("addbmm", "addmm", "addmv", "addr", "baddbmm")
# By name: how many tensors there are, and which numbers may stand before the last of them.
_ORDERS: dict[str, tuple[int, tuple[str, ...]]] = {
    "add": (2, ("alpha",)),
    "sub": (2, ("alpha",)),
    "addcmul": (3, ("value",)),
    "addcdiv": (3, ("value",)),
    **dict.fromkeys(_PRODUCTS, (3, ("beta", "alpha"))),
}
_warned: set[str] = set()


def newer_order(name: str, args: Arguments, kwargs: Attributes) -> tuple[Arguments, Attributes] | None:
    """The arguments of a call in today's order, tensors first; None where they are in no order that PyTorch had."""
    count, names = _ORDERS.get(name.removesuffix("_"), (0, ()))
    tensors = tuple(arg for arg in args if isinstance(arg, Tensor))
    numbers: list[Any] = [arg for arg in args if isinstance(arg, (int, float, complex, np.number))]
    if len(tensors) != count or not 1 <= len(numbers) <= len(names) or len(tensors) + len(numbers) != len(args):
        return None
    if not count or not isinstance(args[-1], Tensor):
        return None
    given: Attributes = dict(zip(names, numbers, strict=False))
    if not given.keys().isdisjoint(kwargs):
        return None
    if not _warned:
        _warned.add(name)
        older, others = ", ".join(f"Number {number}" for number in given), ", ".join(["Tensor"] * (count - 1))
        warn(
            f"This overload of {name} is deprecated:\n\t{name}({older}, {others})\nConsider using one of the following "
            f"signatures instead:\n\t{name}({others}, *, {', '.join(f'Number {number} = 1' for number in given)})"
        )
    return tensors, {**kwargs, **given}
