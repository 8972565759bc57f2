"""Where two computations part: nested states or sequences of named tensors in, the first difference out.

Equal means equal in every bit. Beyond that there are two kinds of difference: one that rounding explains (the same
formula summed in another order, by another BLAS or another number of threads), and one that it does not.
"""

from __future__ import annotations

import math
from collections.abc import Iterator, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.core import Tensor

# A sum of n terms is off by about √n units in the last place of its greatest term, a few layers multiply that:
# 2⁷ units are 1.5e-5 of the greatest element in float32, and 3e-14 in float64.
ROUNDING_UNITS = 128


@dataclass(frozen=True)
class Difference:
    """How two values of one name differ.

    Attributes:
        name: of the tensor.
        kind: "value"; or "shape", "dtype", where elements cannot be compared; or "missing", on one side only.
        left, right: the values: the element that differs most, or the shapes, or the dtypes.
        index: where that element is.
        elements, size: how many elements differ in any bit, of how many.
        max_abs: greatest |left − right|; infinite where only one of them is finite.
        max_rel: `max_abs` as a part of the greatest magnitude in either tensor.
        rounding: whether rounding explains it: `max_rel` is at most 128 units in the last place of the dtype (or the
            tolerance that was asked for). Never so for whole numbers.
    """

    name: str
    kind: str
    left: str
    right: str
    index: tuple[int, ...] = ()
    elements: int = 0
    size: int = 0
    max_abs: float = math.inf
    max_rel: float = math.inf
    rounding: bool = False

    def __str__(self) -> str:
        if self.kind == "missing":
            return f"{self.name} is on one side only: {self.left} / {self.right}"
        if self.kind != "value":
            return f"{self.name} has another {self.kind}: {self.left} / {self.right}"
        if self.size == 1:
            what = f"{self.name} is {self.left} / {self.right}"
        else:
            at = ", ".join(str(i) for i in self.index)
            what = (
                f"{self.name} differs in {self.elements:,} of {self.size:,} elements, most at [{at}]: "
                f"{self.left} / {self.right}"
            )
        if self.max_abs == 0:
            return f"{what} (in bits only: the sign of a zero, or the kind of NaN)"
        level = "as small as rounding" if self.rounding else "more than rounding"
        return f"{what} (by {self.max_abs:.3g}, {self.max_rel:.2g} × the greatest element: {level})"


def named_arrays(state: Any, name: str = "") -> Iterator[tuple[str, np.ndarray]]:
    """The tensors, arrays and numbers of nested dicts, lists and tuples, each with its path, in order.

    Texts and None are passed over: they are settings, not numbers.

    >>> dict(named_arrays({"weight": np.ones(2), "groups": [{"lr": 0.1, "name": "all"}]}))
    {'weight': array([1., 1.]), 'groups.0.lr': array(0.1)}
    """
    if isinstance(state, Mapping):
        for key, value in state.items():
            yield from named_arrays(value, f"{name}.{key}" if name else str(key))
    elif isinstance(state, list | tuple):
        for place, value in enumerate(state):
            yield from named_arrays(value, f"{name}.{place}" if name else str(place))
    elif isinstance(state, Tensor):
        yield name, state.detach().cpu().numpy()
    elif isinstance(state, np.ndarray | np.generic | bool | int | float):
        yield name, np.asarray(state)


def first_difference(
    left: Any, right: Any, *, beyond_rounding: bool = False, tolerance: float | None = None
) -> Difference | None:
    """The first tensor in which two states differ, in the order of `left`; None where they are equal.

    Args:
        left, right: nested dicts, lists and tuples of tensors, arrays and numbers, see `named_arrays`.
        beyond_rounding: pass over differences that rounding explains. Otherwise every bit counts.
        tolerance: what rounding is, as a part of the greatest magnitude in a tensor; by default 128 units in the last
            place of its dtype.

    >>> ours = {"weight": np.array([1.0, 2.0]), "bias": np.array([0.5])}
    >>> theirs = {"weight": np.array([1.0, 2.0]), "bias": np.array([0.25])}
    >>> print(first_difference(ours, theirs))
    bias is 0.5 / 0.25 (by 0.25, 0.5 × the greatest element: more than rounding)
    >>> first_difference(ours, ours) is None
    True
    """
    ours, theirs = dict(named_arrays(left)), dict(named_arrays(right))
    for name, array in ours.items():
        if name not in theirs:
            return Difference(name, "missing", _describe(array), "not there")
        found = difference(name, array, theirs[name], tolerance=tolerance)
        if found is not None and not (beyond_rounding and found.rounding):
            return found
    for name, array in theirs.items():
        if name not in ours:
            return Difference(name, "missing", "not there", _describe(array))
    return None


def difference(name: str, left: np.ndarray, right: np.ndarray, *, tolerance: float | None = None) -> Difference | None:
    """How two arrays differ, or None where each bit is the same (a NaN equals the same NaN).

    >>> difference("x", np.float32([1, 2]), np.float32([1, 2.0000002])).rounding
    True
    """
    if left.shape != right.shape:
        return Difference(name, "shape", str(left.shape), str(right.shape))
    if left.dtype != right.dtype:
        return Difference(name, "dtype", str(left.dtype), str(right.dtype))
    differs = _bits(left) != _bits(right)
    count = int(differs.sum())
    if not count:
        return None
    # float64 holds every float32 and every difference of two; whole numbers beyond 2⁵³ differ by their bits anyway.
    ours, theirs = left.astype(np.float64), right.astype(np.float64)
    with np.errstate(invalid="ignore", over="ignore"):
        distance = np.where(differs, np.abs(ours - theirs), 0.0)
        # NaN here and a number there, or two infinities of unlike sign.
        distance = np.where(np.isnan(distance), np.where(np.isnan(ours) & np.isnan(theirs), 0.0, np.inf), distance)
    at = np.unravel_index(int(distance.argmax() if distance.max() > 0 else differs.argmax()), left.shape)
    greatest = max(float(np.abs(x[np.isfinite(x)]).max(initial=0.0)) for x in (ours, theirs))
    max_abs = float(distance.max())
    max_rel = max_abs / greatest if greatest and math.isfinite(max_abs) else (math.inf if max_abs else 0.0)
    exact = not np.issubdtype(left.dtype, np.floating)
    if tolerance is None:
        tolerance = 0.0 if exact else ROUNDING_UNITS * float(np.finfo(left.dtype).eps)
    return Difference(
        name,
        "value",
        _number(left[at]),
        _number(right[at]),
        tuple(int(i) for i in at),
        count,
        left.size,
        max_abs,
        max_rel,
        max_rel <= tolerance and not exact,
    )


def _bits(array: np.ndarray) -> np.ndarray:
    """Each element as a whole number of its bits."""
    array = np.ascontiguousarray(array).reshape(array.shape)  # ascontiguousarray makes 0-d arrays 1-d
    return array.view(f"u{array.dtype.itemsize}") if array.dtype.itemsize in (1, 2, 4, 8) else array


def _number(value: Any) -> str:
    """As many digits as tell it from its neighbours."""
    return np.format_float_positional(value, trim="0") if 1e-4 <= abs(value) < 1e7 else f"{value!s}"


def _describe(array: np.ndarray) -> str:
    return f"{array.dtype} {array.shape}"
