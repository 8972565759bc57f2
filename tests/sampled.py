"""A table of which the README's test command runs some rows and CI all."""

from collections.abc import Iterable
from typing import Any

import pytest


def sampled(rows: Iterable[Any], every: int) -> list[Any]:
    """The rows as parameters: each `every`th, from the first on, is quick, and the others have the marker `slow`."""
    return [
        pytest.param(*(row if isinstance(row, tuple) else (row,)), marks=() if index % every == 0 else pytest.mark.slow)
        for index, row in enumerate(rows)
    ]
