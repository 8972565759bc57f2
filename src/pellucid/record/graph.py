"""The record of a computation as a graph: plain data, which `viz` draws and tests read.

A `Graph` has nodes (op applications, and what goes into them), edges (which result is which op's argument) and groups
(modules, loops) that nest. Two things make one: `history`, from what autograd kept of a Tensor, and `recording`, which
watches a computation while it runs and so knows more: every value, and the user's lines.
"""

from __future__ import annotations

import math
import sys
from collections.abc import Iterator
from dataclasses import dataclass, field
from typing import Any

import numpy as np

from pellucid import backend

from ..core.declaration import Declaration
from ..core.tensor import Tensor
from ..errors import in_package
from ..types.bfloat16 import is_narrow, widened

FULL = 64  # of an array with more numbers than this, statistics are kept instead of the numbers
BINS = 32


@dataclass
class TensorSummary:
    """What a tensor held: its numbers where they are few (`FULL`), and statistics over those that are finite."""

    shape: tuple[int, ...]
    dtype: str
    numbers: Any = None  # nested lists
    minimum: float | None = None
    maximum: float | None = None
    mean: float | None = None
    std: float | None = None
    zeros: float = 0.0  # share of exact zeros
    not_finite: int = 0  # how many are NaN or infinite
    counts: list[int] = field(default_factory=list[int])  # histogram in equal parts of [minimum, maximum]


@dataclass
class GraphNode:
    """One op application, or a tensor that came from outside.

    `kind` is "op", "input", "parameter", "buffer", "leaf" (a tensor made by the user that gets a gradient),
    "constant", "gradient" (what arrived in a leaf's `grad`), "output" or "cut" (earlier ops that are left out).
    """

    id: int
    kind: str
    name: str  # of the op; of the parameter; what the user calls the tensor
    shape: tuple[int, ...] | None = None
    dtype: str = ""
    variable: str = ""  # what the user calls the result of an op
    value: TensorSummary | None = None
    gradient: TensorSummary | None = None
    attributes: dict[str, str] = field(default_factory=dict[str, str])
    formula: str = ""
    line: str = ""  # the user's: `file.py:12, in train: loss = net(x)`
    phase: str = "forward"  # or "backward"
    group: int | None = None
    nbytes: int = 0  # memory that is new with this node: 0 for a view
    multiply_adds: int = 0
    trainable: bool = False


@dataclass
class GraphEdge:
    """The result of `source` is the argument `argument` of `target`."""

    source: int
    target: int
    argument: str = ""


@dataclass
class GraphGroup:
    """Nodes and groups that belong together: `kind` is "module" (one call of one), "loop", "step" or "backward"."""

    id: int
    kind: str
    name: str
    parent: int | None = None
    path: str = ""  # of a module: `layers.0.attention`
    type: str = ""  # of a module: `Linear`
    detail: str = ""  # of a module: `in_features=3, out_features=2`
    call: int = 1  # which call of the module it is
    of: int | None = None  # of a "backward": the group whose backward it is, where it is not that of a single op
    root: int = 0  # which of several models it is a part of, in the order of their first calls
    line: str = ""
    outputs: list[tuple[int, ...]] = field(default_factory=list[tuple[int, ...]])  # shapes of what a module returned


@dataclass
class GraphParameter:
    """A parameter of a module, used or not. `shared` is the first name of one that has several."""

    name: str
    shape: tuple[int, ...]
    dtype: str
    nbytes: int
    trainable: bool
    shared: str = ""
    buffer: bool = False
    root: int = 0


@dataclass
class Graph:
    """The record of a computation; `viz.graph(record)` draws it."""

    title: str
    nodes: list[GraphNode] = field(default_factory=list[GraphNode])
    edges: list[GraphEdge] = field(default_factory=list[GraphEdge])
    groups: list[GraphGroup] = field(default_factory=list[GraphGroup])
    parameters: list[GraphParameter] = field(default_factory=list[GraphParameter])
    outputs: list[int] = field(default_factory=list[int])  # ids of the nodes with the results
    left_out: int = 0  # earlier ops that the record does not hold

    def __graph__(self) -> Graph:
        return self


def measure(array: Any) -> TensorSummary:
    """The `TensorSummary` of an array of any library."""
    array = backend.of_array(array).to_numpy(array)
    narrow = is_narrow(array)
    array = widened(array) if narrow else array
    value = TensorSummary(tuple(array.shape), "bfloat16" if narrow else str(array.dtype))
    if array.size <= FULL:
        value.numbers = array.tolist()
    if array.size == 0:
        return value
    if array.size == 1 and array.dtype.kind == "f":  # what follows, in a tenth of the time
        single = float(array.item())
        value.zeros, value.not_finite = float(single == 0), int(not math.isfinite(single))
        if math.isfinite(single):
            value.minimum = value.maximum = value.mean = single
            value.std = 0.0
        return value
    numbers = array.astype(np.float64).ravel()
    finite = numbers[np.isfinite(numbers)]
    value.not_finite = int(numbers.size - finite.size)
    value.zeros = float((numbers == 0).mean())
    if finite.size:
        low, high = float(finite.min()), float(finite.max())
        value.minimum, value.maximum = low, high
        with np.errstate(over="ignore", invalid="ignore"):  # numbers near the largest of all
            value.mean, value.std = float(finite.mean()), float(finite.std())
        if array.size > FULL and low < high and np.isfinite(high - low):
            value.counts = np.histogram(finite, BINS, (low, high))[0].tolist()
    return value


def formula_of(op: Declaration) -> str:
    """The first line of the op's docstring, which is its formula in words or signs."""
    return (op.__doc__ or "").strip().split("\n", 1)[0]


def attributes_of(kwargs: dict[str, Any]) -> dict[str, str]:
    """An op's attributes as text, generators and large things left out."""
    shown = {name: _short(value) for name, value in kwargs.items() if not hasattr(value, "get_state")}
    return {name: text for name, text in shown.items() if text}


def _short(value: Any) -> str:
    if value is None or isinstance(value, Tensor | np.ndarray):
        return ""
    text = _key(value) if isinstance(value, tuple) and any(isinstance(entry, slice) for entry in value) else repr(value)
    text = text.replace("pellucid.", "")
    return text if len(text) <= 80 else text[:79] + "…"


def _key(key: tuple[Any, ...]) -> str:
    """A subscript as it is written: `[:, 0, 1:3]`."""
    parts: list[str] = []
    for entry in key:
        if isinstance(entry, slice):
            bounds = [entry.start, entry.stop] if entry.step is None else [entry.start, entry.stop, entry.step]
            parts.append(":".join("" if bound is None else str(bound) for bound in bounds))
        else:
            parts.append("..." if entry is ... else str(entry))
    if parts[-1] == "..." and len(parts) > 1:
        parts.pop()  # it says nothing at the end
    return f"[{', '.join(parts)}]"


def user_tensors() -> Iterator[tuple[str, Tensor, bool]]:
    """(name, tensor, whether it is a parameter) of what the callers outside of pellucid have in variables.

    Those of the innermost caller come first; a parameter of a module in a variable is called by both names.
    """
    frame: Any = sys._getframe(1)  # pyright: ignore[reportPrivateUsage]
    while frame is not None:
        if not in_package(frame):
            for name, value in list(frame.f_locals.items()):
                if name.startswith("_"):
                    continue
                if isinstance(value, Tensor):
                    yield name, value, False
                elif hasattr(type(value), "named_parameters"):
                    for path, parameter in value.named_parameters():
                        yield (path if name == "self" else f"{name}.{path}"), parameter, True
        frame = frame.f_back
