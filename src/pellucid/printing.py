"""How a tensor prints: letter for letter as in PyTorch, and the options that change it.

A tensor of more than `threshold` elements is summarised by its first and last `edgeitems` along each dimension. All
numbers of one tensor share one width and one form, which follow from the numbers that are shown: whole floats as
`2.`, others with `precision` digits, in scientific notation where the range is wide.
"""

from __future__ import annotations

import math
from collections.abc import Generator, Iterable
from contextlib import contextmanager
from typing import Any

import numpy as np

from pellucid import backend
from pellucid.backend import Array
from pellucid.core.context import note_read
from pellucid.core.tensor import Tensor, method, printed
from pellucid.declare.export import function
from pellucid.types.bfloat16 import is_narrow, widened
from pellucid.types.dtypes import bool_, get_default_dtype, int64

_DEFAULTS: dict[str, Any] = {
    "precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80, "sci_mode": None, "shape": False,
}  # fmt: skip
_PROFILES: dict[str, dict[str, Any]] = {
    "default": {"precision": 4, "threshold": 1000, "edgeitems": 3, "linewidth": 80},
    "short": {"precision": 2, "threshold": 1000, "edgeitems": 2, "linewidth": 80},
    "full": {"precision": 4, "threshold": math.inf, "edgeitems": 3, "linewidth": 80},
}
_options = dict(_DEFAULTS)


@function(method=False)
def set_printoptions(
    precision: int | None = None,
    threshold: float | None = None,
    edgeitems: int | None = None,
    linewidth: int | None = None,
    profile: str | None = None,
    sci_mode: bool | None = None,
    *,
    shape: bool | None = None,
) -> None:
    """Choose how tensors print; what is None stays as it is, except `sci_mode`, which None leaves to the numbers.

    `precision` digits follow the point; more than `threshold` elements are summarised by `edgeitems` at each end of a
    dimension; lines break at `linewidth`; `profile` is "default", "short" or "full"; `sci_mode` turns scientific
    notation on or off. `shape=True`, which PyTorch does not have, adds the shape where the values do not show it:
    for more than one dimension, and for a summary.

    >>> import pellucid
    >>> pellucid.set_printoptions(precision=2, shape=True)
    >>> pellucid.tensor([[1 / 3, 2 / 3]])
    tensor([[0.33, 0.67]], shape=(1, 2))
    >>> pellucid.set_printoptions(profile="default", shape=False)
    """
    if profile is not None:
        if profile not in _PROFILES:
            raise ValueError(f"set_printoptions(): profile is 'default', 'short' or 'full', not {profile!r}")
        _options.update(_PROFILES[profile])
    given = {"precision": precision, "threshold": threshold, "edgeitems": edgeitems, "linewidth": linewidth,
             "shape": shape}  # fmt: skip
    _options.update({name: value for name, value in given.items() if value is not None})
    _options["sci_mode"] = sci_mode


@function(method=False)
def get_printoptions() -> dict[str, Any]:
    """The options of printing, as `set_printoptions` takes them."""
    return dict(_options)


@function(method=False)
@contextmanager
def printoptions(**options: Any) -> Generator[None]:
    """The options of `set_printoptions` for the length of a `with` block."""
    before = get_printoptions()
    set_printoptions(**options)
    try:
        yield
    finally:
        _options.update(before)


@method
def __repr__(self: Tensor) -> str:
    note_read(self)
    return tensor_text(self)


@method
def __format__(self: Tensor, spec: str) -> str:
    """A 0-d tensor formats as its number; any other takes no format."""
    if self._array.ndim == 0 and type(self) is Tensor:
        return format(self.item(), spec)
    if spec:
        raise TypeError(
            f"unsupported format string {spec!r} for a {type(self).__name__} of shape {tuple(self.shape)}: a format "
            "is for a single number; write tensor.tolist() and format its elements, or set_printoptions()"
        )
    return str(self)


def tensor_text(tensor: Tensor) -> str:
    """`tensor(values, …)`, with what the values do not show."""
    prefix = "tensor(" if tensor.prints_plainly else f"{type(tensor).__name__}("
    library = backend.of_array(tensor._array)
    if not library.has_numbers:
        return with_suffixes(prefix + "...", _parts(tensor, tensor._array, False), len(prefix))
    array = library.to_numpy(tensor._array)
    if is_narrow(array):
        array = widened(array)
    return with_suffixes(prefix + _values(array, len(prefix)), _parts(tensor, array), len(prefix))


def with_suffixes(text: str, parts: Iterable[str], indent: int = 7, new_line: bool = False) -> str:
    """The text of values, and after it what they do not show, on this line as far as it goes."""
    length = len(text) - text.rfind("\n") + 1
    for part in parts:
        if new_line or length + len(part) + 2 > _options["linewidth"]:
            text += ",\n" + " " * indent + part
            length, new_line = indent + len(part), False
        else:
            text += ", " + part
            length += len(part) + 2
    return text + ")"


def part_text(tensor: Tensor, indent: int) -> str:
    """`tensor(values)` as a part of another text, from column `indent` on."""
    array = backend.of_array(tensor._array).to_numpy(tensor._array)
    if is_narrow(array):
        array = widened(array)
    size = "" if array.size else f", size={tuple(array.shape)}"
    return "tensor(" + _values(array, indent + len("tensor(")) + size + ")"


def _parts(tensor: Tensor, array: Array, has_numbers: bool = True) -> Generator[str]:
    """What follows the values: device, shape, dtype, history, as far as they are not what one expects."""
    shape, kind = tuple(array.shape), tensor.dtype
    if tensor.device.type != "cpu":
        yield f"device='{tensor.device}'"
    if not array.size or not has_numbers:
        if array.ndim != 1 or not has_numbers:
            yield f"size={shape}"
        if kind is not get_default_dtype():
            yield f"dtype={kind!r}"
    else:
        if not _options["edgeitems"]:
            yield f"size={shape}"
        elif _options["shape"] and ((array.ndim > 1 and array.size > 1) or array.size > _options["threshold"]):
            yield f"shape={shape}"
        if kind not in (get_default_dtype(), get_default_dtype().to_complex(), int64, bool_):
            yield f"dtype={kind!r}"
    try:
        node = tensor.grad_fn
    except RuntimeError:  # a view whose base was changed, and which has no history since
        yield "grad_fn=<Invalid>"
        return
    if node is not None:
        yield f"grad_fn=<{node.name()}>"
    elif tensor.requires_grad:
        yield "requires_grad=True"
    for told in printed:
        yield from told(tensor)


def _values(array: Array, indent: int) -> str:
    if not array.size:
        return "[]"
    summarise = array.size > _options["threshold"]
    shown = _edges(array) if summarise else array
    return _nested(array, indent, summarise, _ComplexForm(shown) if array.dtype.kind == "c" else _Form(shown))


def _nested(array: Array, indent: int, summarise: bool, form: _Form | _ComplexForm) -> str:
    if array.ndim == 0:
        return form.text(array.item())
    if array.ndim == 1:
        return _row(array, indent, summarise, form)
    edge = _options["edgeitems"]
    if summarise and len(array) > 2 * edge:
        shown = [*array[:edge], None, *array[len(array) - edge :]]
    else:
        shown = list(array)
    rows = ["..." if part is None else _nested(part, indent + 1, summarise, form) for part in shown]
    return "[" + ("," + "\n" * (array.ndim - 1) + " " * (indent + 1)).join(rows) + "]"


def _row(array: Array, indent: int, summarise: bool, form: _Form | _ComplexForm) -> str:
    edge = _options["edgeitems"]
    if summarise and not edge:
        texts = ["..."]
    elif summarise and len(array) > 2 * edge:
        texts = [*map(form.text, array[:edge].tolist()), " ...", *map(form.text, array[-edge:].tolist())]
    else:
        texts = list(map(form.text, array.tolist()))
    a_line = max(1, (_options["linewidth"] - indent) // (form.width + 2))
    lines = [", ".join(texts[i : i + a_line]) for i in range(0, len(texts), a_line)]
    return "[" + (",\n" + " " * (indent + 1)).join(lines) + "]"


def _edges(array: Array) -> Array:
    """The elements that a summary shows."""
    edge = _options["edgeitems"]
    for axis, length in enumerate(array.shape):
        if length > 2 * edge:
            array = array.take([*range(edge), *range(length - edge, length)], axis)
    return array


class _Form:
    """How each number of a tensor is written: `whole`, `fixed` or `scientific` floats, or as Python does; the width."""

    def __init__(self, shown: Array) -> None:
        self.width, self.kind, self.digits = 1, "plain", _options["precision"]
        if shown.dtype.kind == "f":
            self.kind = "whole"
            shown = shown[np.isfinite(shown) & (shown != 0)].astype(np.float64)
            if shown.size:
                self.kind = self._kind(shown)
        self.width = max((len(self._number(value)) for value in shown.ravel().tolist()), default=1)

    @staticmethod
    def _kind(values: Array) -> str:
        sizes = np.abs(values)
        least, most = sizes.min(), sizes.max()
        scientific = _options["sci_mode"]
        if scientific is None:
            scientific = most / least > 1000.0 or most > 1.0e8 or least < 1.0e-4
        return "scientific" if scientific else "whole" if bool(np.all(values == np.ceil(values))) else "fixed"

    def _number(self, value: Any) -> str:
        if self.kind == "plain":
            return str(value)
        if self.kind == "scientific":
            return f"{value:.{self.digits}e}"
        if self.kind == "whole":
            return f"{value:.0f}" + ("." if math.isfinite(value) else "")
        return f"{value:.{self.digits}f}"

    def text(self, value: Any) -> str:
        """The number, right-aligned to the width of the widest."""
        return self._number(value).rjust(self.width)


class _ComplexForm:
    """How complex numbers are written: the real parts in one form, the imaginary ones in another."""

    def __init__(self, shown: Array) -> None:
        self.real, self.imaginary = _Form(shown.real), _Form(shown.imag)
        self.width = self.real.width + self.imaginary.width + 1

    def text(self, value: Any) -> str:
        """`1.0000+2.0000j`: the real part right-aligned, the imaginary one with its sign."""
        imaginary = (self.imaginary.text(value.imag) + "j").lstrip()
        return self.real.text(value.real) + ("" if imaginary[0] in "+-" else "+") + imaginary
