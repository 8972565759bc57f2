"""The element of one array or of another, by a third.

NumPy asks of each element anew, and a processor guesses what the answer will be: where the guesses are wrong, that
takes ten times as long as to look at both.
"""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.backend import Array

from .elementwise import LEAST
from .emitter import Emitter, Value
from .pool import share
from .table import TYPES, Kernel

_EACH = 1 << 16  # elements that a thread takes at least
_WHOLE = 1 << 53  # an integer up to here is a float, too


def _where(name: str, type: str, is_array: tuple[bool, bool]) -> Emitter:
    """out = x where the byte is not 0, else y; of which each is an array or a number."""
    kinds = ["ptr" if each else type for each in is_array]
    k = Emitter("_".join([name, *kinds]), {"holds": "ptr", "x": kinds[0], "y": kinds[1], "out": "ptr"})
    with k.loop(k.start, k.stop) as i:

        def taken(given: Value, i: Value = i) -> Value:
            return k.load(type, given, i) if given.type == "ptr" else given

        k.store(k.select(k.compare("==", k.load("i8", k.holds, i), 0), taken(k.y), taken(k.x)), k.out, i)
    return k


WHERE = Kernel("where", _where)


def _is_number(value: Any) -> bool:
    return type(value) is float or (type(value) is int and -_WHOLE <= value <= _WHOLE)


def where(condition: Any, x: Any, y: Any) -> Array | None:
    """`x` where the condition holds, else `y`, in new memory; None where the NumPy line is to run."""
    if type(condition) is not np.ndarray or condition.dtype != bool or condition.size < LEAST:
        return None
    arrays = [each for each in (x, y) if type(each) is np.ndarray]
    if not arrays or arrays[0].dtype not in TYPES:
        return None
    for given in (condition, *arrays):
        if given.shape != condition.shape or not given.flags.c_contiguous:
            return None
    is_array = type(x) is np.ndarray, type(y) is np.ndarray
    if arrays[-1].dtype != arrays[0].dtype or not (all(is_array) or _is_number(y if is_array[0] else x)):
        return None
    function = WHERE.function(arrays[0].dtype, is_array)
    if function is None:
        return None
    out = np.empty_like(arrays[0])
    share(function, out.size, _EACH, condition, x, y, out)
    return out
