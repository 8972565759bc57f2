"""How a tensor prints: values, and shape, dtype and grad_fn where they are not plain to see."""

# pyright: reportPrivateUsage=false, reportUnknownVariableType=false, reportUnknownArgumentType=false
from __future__ import annotations

from typing import Any

import numpy as np

from pellucid import backend

from .dtypes import get_default_dtype
from .tensor import Tensor

_PRECISION, _LINE, _EDGE, _SUMMARY = 4, 80, 3, 1000


def tensor_text(tensor: Tensor) -> str:
    """PyTorch's text, plus the shape wherever the values do not show it (more than one dimension, or summarised)."""
    array = backend.of_array(tensor._array).to_numpy(tensor._array)
    head = "Parameter containing:\n" if type(tensor).__name__ == "Parameter" else ""
    prefix = "tensor("
    parts: list[str] = []
    if array.size == 0:
        text = "[]"
        if array.ndim != 1:
            parts.append(f"size={tuple(array.shape)}")
    else:
        text = _values(array, len(prefix))
        if (array.ndim > 1 and array.size > 1) or array.size > _SUMMARY:
            parts.append(f"shape={tuple(array.shape)}")
    kind = tensor.dtype
    if kind is not get_default_dtype() and (kind.name not in ("int64", "bool") or array.size == 0):
        parts.append(f"dtype={kind!r}")
    if tensor.device.type != "cpu":
        parts.append(f"device='{tensor.device}'")
    if tensor._node is not None:
        parts.append(f"grad_fn={tensor._node!r}")
    elif tensor._requires:
        parts.append("requires_grad=True")
    tail = ", " + ", ".join(parts) if parts else ""
    last = len(text.rsplit("\n", 1)[-1])
    if tail and last + len(tail) + 1 > _LINE:
        tail = ",\n" + " " * len(prefix) + tail[2:]
    return f"{head}{prefix}{text}{tail})"


def _values(array: Any, indent: int) -> str:
    formatter = _formatter(array)
    if array.ndim == 0:
        return formatter(array.item()).strip()
    return np.array2string(
        array, separator=", ", prefix=" " * indent, threshold=_SUMMARY, edgeitems=_EDGE, max_line_width=_LINE,
        formatter={"all": formatter},
    )  # fmt: skip


def _formatter(array: Any) -> Any:
    """PyTorch's choice: whole floats as `2.`, four digits, scientific where the range is wide."""
    shown = _shown(array)
    if array.dtype.kind == "b":
        return lambda value: f"{value!s:>5}" if array.ndim else str(value)  # pyright: ignore[reportUnknownLambdaType]
    if array.dtype.kind in "iu":
        width = max((len(str(one)) for one in shown.ravel().tolist()), default=1)
        return lambda value: f"{int(value):>{width}}"  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]
    values = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
    form = _float_form(np.abs(values))
    width = max((len(_float(one, form)) for one in values.ravel().tolist()), default=1)
    return lambda value: f"{_float(float(value), form):>{width}}"  # pyright: ignore[reportUnknownLambdaType, reportUnknownArgumentType]


def _float(value: float, form: str) -> str:
    if not np.isfinite(value):
        return str(value)
    return f"{value:.0f}." if form == "whole" else format(value, form)


def _float_form(sizes: Any) -> str:
    if sizes.size == 0 or bool(np.all(sizes == np.ceil(sizes))):
        if sizes.size and (sizes.max() / sizes.min() > 1000.0 or sizes.max() > 1.0e8):
            return f".{_PRECISION}e"
        return "whole"
    wide = sizes.max() / sizes.min() > 1000.0 or sizes.max() > 1.0e8 or sizes.min() < 1.0e-4
    return f".{_PRECISION}e" if wide else f".{_PRECISION}f"


def _shown(array: Any) -> Any:
    """The elements that will be printed."""
    if array.size <= _SUMMARY:
        return array
    for axis, length in enumerate(array.shape):
        if length > 2 * _EDGE:
            array = np.concatenate(
                [array.take(range(_EDGE), axis), array.take(range(length - _EDGE, length), axis)], axis
            )
    return array
