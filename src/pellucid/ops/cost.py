"""What an op costs: the multiply-adds of the products that make up nearly all of a network's work."""

from __future__ import annotations

import math
from typing import Any

_PER_ELEMENT = ("batch_norm", "layer_norm")  # weight · x̂ + bias


def multiply_adds(op: str, shapes: list[Any], out: tuple[int, ...], attributes: dict[str, Any]) -> int:
    """How many times the op multiplies two numbers and adds the product to a third.

    Counted are matrix products, convolutions and contractions (an einsum), and one for each element that is normalised;
    not what an op does to each element alone, pooling, sums, or the addition of a bias.

    Args:
        op: its name.
        shapes: of its inputs, None for a number or what is not given.
        out: the shape of its result.
        attributes: what it was called with.

    >>> multiply_adds("linear", [(32, 784), (10, 784), (10,)], (32, 10), {})
    250880
    >>> multiply_adds("relu", [(32, 10)], (32, 10), {})
    0
    """
    size = math.prod(out)
    if op in ("linear", "matmul"):
        return size * (shapes[0][-1] if shapes[0] else 1)
    if op == "convolution":  # each output is a sum over the channels of its group and the kernel
        return size * math.prod(shapes[1][1:])
    if op == "contract":
        lengths = {
            label: length
            for labels, shape in zip(attributes["inputs"], shapes, strict=True)
            for label, length in zip(labels, shape, strict=True)
        }
        return math.prod(lengths.values()) * max(len(shapes) - 1, 0)
    return size if op in _PER_ELEMENT else 0
