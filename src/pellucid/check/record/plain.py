"""What a recording has in common with the arrays that it records: how to get these back."""

from __future__ import annotations

from typing import Any

import numpy as np


class Untraceable(Exception):
    """The program does something that cannot be recorded; it is then judged by its numbers alone."""


class Recorded(np.ndarray):
    """An array whose operations may be recorded; what it does is in `traced`."""


def strip(value: Any) -> Any:
    """The same without recording: plain arrays in place of traced ones, in tuples, lists, dicts and slices too."""
    if isinstance(value, Recorded):
        return value.view(np.ndarray)
    if isinstance(value, tuple | list):
        return type(value)([strip(item) for item in value]) if type(value) in (tuple, list) else value
    if isinstance(value, dict):
        return {key: strip(item) for key, item in value.items()}
    if isinstance(value, slice):
        return slice(*(int(v) if isinstance(v, Recorded) else v for v in (value.start, value.stop, value.step)))
    return value
