"""What the backward passes of the exercises are tried with."""

from __future__ import annotations

from typing import Any

import numpy as np

# The shapes of x and of the parameters, by exercise; a list has several.
_SHAPES: dict[str, list[dict[str, tuple[int, ...]]]] = {
    "relu": [{"x": (3, 4)}],
    "sigmoid": [{"x": (3, 4)}],
    "tanh": [{"x": (3, 4)}],
    "linear": [{"x": (4, 3), "w": (3, 3), "b": (3,)}, {"x": (5, 2), "w": (2, 3), "b": (3,)}],
    "mse": [{"x": (2, 3)}],
    "softmax-cross-entropy": [{"x": (4, 3)}],
    "softmax": [{"x": (4, 3)}],
    "matmul": [{"x": (2, 3, 3), "w": (2, 3, 3)}, {"x": (2, 3, 4), "w": (2, 4, 5)}],
    "broadcast": [{"x": (2, 4, 3), "b": shape} for shape in ((3,), (4, 1), (1, 1), (1, 4, 3), (2, 4, 3))],
    "max-pool": [{"x": (2, 2, 4, 6)}],
    "conv2d": [{"x": (2, 2, 5, 5), "w": (3, 2, 3, 2), "b": (3,)}],
    "batch-norm": [{"x": (5, 3), "gamma": (3,), "beta": (3,)}],
    "layer-norm": [{"x": (5, 3), "gamma": (3,), "beta": (3,)}],
    "rnn-cell": [{"x": (4, 2, 3), "w": (3, 3), "u": (3, 3)}],
    "lstm-cell": [{"x": (2, 3), "h": (2, 3), "c": (2, 3), "w": (3, 12), "u": (3, 12), "b": (12,)}],
    "attention": [{"x": (3, 4), "k": (5, 4), "v": (5, 2)}],
}


def examples(name: str) -> list[tuple[Any, dict[str, Any]]]:
    """Inputs and parameters for an exercise.

    >>> [x.shape for x, params in examples("linear")]
    [(4, 3), (5, 2)]
    """
    rng = np.random.default_rng(0)
    if name == "embedding":
        return [(np.array([3, 0, 3, 1]), {"table": rng.normal(size=(4, 2))})]
    made = [{key: rng.normal(size=shape) for key, shape in shapes.items()} for shapes in _SHAPES[name]]
    return [(values.pop("x"), values) for values in made]
