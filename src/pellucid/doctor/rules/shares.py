"""Shares of a gradient that change from pass to pass."""

from __future__ import annotations

import math
from collections.abc import Sequence


def of_output_derivative(shares: Sequence[float], losses: Sequence[float]) -> bool:
    """Whether shares go with o * (1 - o) from pass to pass, by the log loss of each, of one output alone.

    >>> of_output_derivative([0.5, 0.42, 0.32], [-math.log(p) for p in (0.5, 0.3, 0.2)])
    True
    >>> of_output_derivative([0.5, 0.4, 0.3], [-math.log(p) for p in (0.5, 0.3, 0.2)])
    False
    """
    outputs = [math.exp(-loss) for loss in losses]
    derivatives = [o * (1 - o) for o in outputs]
    if len(shares) < 3 or min(derivatives) <= 0 or max(derivatives) < 1.05 * min(derivatives):
        return False
    ratios = [share / derivative for share, derivative in zip(shares, derivatives, strict=True)]
    return max(ratios) - min(ratios) < 1e-2 * max(map(abs, ratios))
