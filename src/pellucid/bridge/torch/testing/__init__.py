"""`torch.testing`: tensors that should be close, and tensors to try things on."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor

__all__ = ["assert_allclose", "assert_close", "make_tensor"]

# By dtype, as PyTorch's: relative and absolute.
_TOLERANCES = {"float16": (1e-3, 1e-5), "bfloat16": (1.6e-2, 1e-5), "float32": (1.3e-6, 1e-5),
               "float64": (1e-7, 1e-7), "complex64": (1.3e-6, 1e-5), "complex128": (1e-7, 1e-7)}  # fmt: skip


def assert_close(
    actual: Any, expected: Any, *, allow_subclasses: bool = True, rtol: float | None = None, atol: float | None = None,
    equal_nan: bool = False, check_device: bool = True, check_dtype: bool = True, check_layout: bool = True,
    check_stride: bool = False, msg: Any = None,
) -> None:  # fmt: skip
    """Ask that tensors, or sequences and mappings of them, are close: |actual − expected| ≤ atol + rtol · |expected|.

    Without tolerances those of the dtype are used, 1.3e-6 and 1e-5 for float32; integers have to be equal.

    Raises:
        AssertionError: they are not; the message says where the greatest difference is.
        ValueError: only one of `rtol` and `atol` is given.
    """
    if (rtol is None) != (atol is None):
        raise ValueError(f"Both 'rtol' and 'atol' must be either specified or unspecified, but got {rtol=}, {atol=}")
    how = {"rtol": rtol, "atol": atol, "equal_nan": equal_nan, "check_dtype": check_dtype, "check_stride": check_stride}
    wrong = _difference(actual, expected, "", how)
    if wrong:
        raise AssertionError(msg(wrong) if callable(msg) else msg or wrong)


def _difference(actual: Any, expected: Any, where: str, how: dict[str, Any]) -> str | None:
    if isinstance(actual, Mapping) and isinstance(expected, Mapping):
        if set(actual) != set(expected):
            return f"The keys of the mappings do not match: {sorted(actual)} and {sorted(expected)}"
        pairs = [(f"[{key!r}]", actual[key], expected[key]) for key in actual]
    elif _is_sequence(actual) and _is_sequence(expected):
        if len(actual) != len(expected):
            return f"The length of the sequences mismatch: {len(actual)} != {len(expected)}"
        pairs = [(f"[{i}]", a, b) for i, (a, b) in enumerate(zip(actual, expected, strict=True))]
    else:
        return _unequal(actual, expected, where, how)
    found = (_difference(a, b, where + place, how) for place, a, b in pairs)
    return next(filter(None, found), None)


def _is_sequence(value: Any) -> bool:
    return isinstance(value, Sequence) and not isinstance(value, str | bytes)


def _unequal(actual: Any, expected: Any, where: str, how: dict[str, Any]) -> str | None:
    item = f"Item {where}: " if where else ""
    if type(actual) is str or actual is None or expected is None:
        return None if actual == expected else f"{item}{actual!r} is not {expected!r}"
    scalars = not isinstance(actual, Tensor) and not isinstance(expected, Tensor)
    a, b = (value if isinstance(value, Tensor) else pellucid.tensor(value) for value in (actual, expected))
    if a.shape != b.shape:
        return f"{item}The values for attribute 'shape' do not match: {a.shape} != {b.shape}."
    if how["check_dtype"] and not scalars and a.dtype != b.dtype:
        return f"{item}The values for attribute 'dtype' do not match: {a.dtype} != {b.dtype}."
    if how["check_stride"] and a.stride() != b.stride():
        return f"{item}The values for attribute 'stride()' do not match: {a.stride()} != {b.stride()}."
    tolerances = [_TOLERANCES.get(value.dtype.name, (0.0, 0.0)) for value in (a, b)]
    rtol = max(pair[0] for pair in tolerances) if how["rtol"] is None else how["rtol"]
    atol = max(pair[1] for pair in tolerances) if how["atol"] is None else how["atol"]
    x, y = (value.float() if value.dtype is pellucid.bfloat16 else value for value in (a.detach(), b.detach()))
    x, y = x.numpy(), y.numpy()
    wide = np.promote_types(np.promote_types(x.dtype, y.dtype), np.float64)
    x, y = x.astype(wide), y.astype(wide)
    close = np.isclose(x, y, rtol=rtol, atol=atol, equal_nan=how["equal_nan"])
    if close.all():
        return None
    off = np.where(close, 0, np.abs(x - y))
    with np.errstate(divide="ignore", invalid="ignore"):
        relative = np.where(close, 0, off / np.abs(y))
    if x.ndim == 0:
        return (
            f"{item}Scalars are not close!\n\nExpected {y} but got {x}.\n"
            f"Absolute difference: {off} (up to {atol} allowed)\nRelative difference: {relative} (up to {rtol} allowed)"
        )
    at, at_relative = (tuple(int(i) for i in np.unravel_index(np.nanargmax(d), d.shape)) for d in (off, relative))
    return (
        f"{item}Tensor-likes are not close!\n\n"
        f"Mismatched elements: {int((~close).sum())} / {close.size} ({(~close).mean():.1%})\n"
        f"Greatest absolute difference: {off[at]} at index {at} (up to {atol} allowed)\n"
        f"Greatest relative difference: {relative[at_relative]} at index {at_relative} (up to {rtol} allowed)"
    )


def assert_allclose(
    actual: Any,
    expected: Any,
    rtol: float | None = None,
    atol: float | None = None,
    equal_nan: bool = True,
    msg: str = "",
) -> None:
    """The older name of `assert_close`, which compares no dtypes."""
    assert_close(actual, expected, rtol=rtol, atol=atol, equal_nan=equal_nan, check_dtype=False, msg=msg or None)


def make_tensor(
    *shape: Any, dtype: Any, device: Any = "cpu", low: float | None = None, high: float | None = None,
    requires_grad: bool = False, noncontiguous: bool = False, exclude_zero: bool = False, memory_format: Any = None,
) -> Tensor:  # fmt: skip
    """A tensor of random numbers from [low, high): by default [-9, 9), [0, 10) for uint8, [0, 2) for bool."""
    sizes = shape[0] if len(shape) == 1 and not isinstance(shape[0], int) else shape
    if dtype is pellucid.bool:
        made = pellucid.randint(0, 2, sizes).to(dtype)
    elif not dtype.is_floating_point and not dtype.is_complex:
        lowest = 0 if dtype is pellucid.uint8 else -9
        made = pellucid.randint(lowest if low is None else int(low), 10 if high is None else int(high), sizes).to(dtype)
    else:
        first, last = (-9.0 if low is None else low), (9.0 if high is None else high)
        made = (pellucid.rand(sizes, dtype=pellucid.float64) * (last - first) + first).to(dtype)
    if exclude_zero:
        made[made == 0] = 1
    if noncontiguous and made.numel() > 1:
        made = made.repeat_interleave(2, dim=-1)[..., ::2]
    return made.requires_grad_(requires_grad)
