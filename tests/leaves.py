"""Leaves of a graph, with values that tests of autograd share."""

from typing import Any

A = [[0.5, -1.0, 2.0], [1.5, 0.25, -0.75]]
B = [0.3, 0.7, -1.1]


def leaf(library: Any, data: Any, kind: str = "float64") -> Any:
    return library.tensor(data, dtype=getattr(library, kind), requires_grad=True)
