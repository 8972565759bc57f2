"""Reading what is to be drawn: arrays and Tensors, outputs of a model, rows of a run; thinning and smoothing."""

from __future__ import annotations

import itertools
import math
from collections.abc import Callable, Iterable, Mapping, Sequence
from typing import Any

import numpy as np

Array = np.ndarray
Row = Mapping[str, Any]


def array(value: Any, name: str, ndim: int | None = None) -> Array:
    """The numbers of an array, a list or a Tensor (of pellucid or PyTorch, with or without a gradient).

    Raises:
        TypeError: they are not numbers.
        ValueError: they do not have `ndim` dimensions.
    """
    if hasattr(value, "detach"):
        value = value.detach().cpu().numpy()
    try:
        made = np.asarray(value)
    except ValueError as error:
        raise ValueError(f"{name} is not an array: {error}") from None
    if made.dtype.kind == "O":  # None stands for a missing number
        try:
            made = made.astype(np.float64)
        except (TypeError, ValueError):
            raise TypeError(f"{name} holds {_kinds(made)}, where numbers are needed") from None
    if made.dtype.kind not in "biuf":
        raise TypeError(f"{name} holds {made.dtype}, where numbers are needed")
    if made.dtype.kind == "f" and made.dtype.itemsize < 4:
        made = made.astype(np.float32)
    if ndim is not None and made.ndim != ndim:
        raise ValueError(f"{name} has {made.ndim} dimensions, shape {made.shape}; {ndim} are needed")
    return made


def _kinds(made: Array) -> str:
    return ", ".join(sorted({type(item).__name__ for item in made.reshape(-1)[:100]}))


def same_length(**arrays: Any) -> int:
    """The common length of the arrays. ValueError where they differ."""
    lengths = {name: len(array) for name, array in arrays.items() if array is not None}
    if len(set(lengths.values())) > 1:
        told = ", ".join(f"{name} has {length}" for name, length in lengths.items())
        raise ValueError(f"as many of each are needed, one per sample: {told}")
    return next(iter(lengths.values()), 0)


def points(x: Any, name: str = "x") -> Array:
    """Points in the plane, (N, 2). ValueError for another shape."""
    made = array(x, name)
    if made.ndim != 2 or made.shape[1] != 2:
        raise ValueError(f"{name} has shape {made.shape}; points in the plane, (N, 2), are needed")
    return made


def class_numbers(value: Any, name: str) -> Array:
    """Class numbers (N,) from class numbers (N,) or (N, 1). Whole numbers from 0; in floats too.

    Raises:
        ValueError: a number is negative, not whole, or not finite.
    """
    made = array(value, name)
    if made.ndim == 2 and made.shape[1] == 1:
        made = made[:, 0]
    if made.ndim != 1:
        raise ValueError(f"{name} has shape {made.shape}; class numbers, (N,), are needed")
    if not is_classes(made):
        raise ValueError(f"{name} holds numbers that are no class numbers: those are whole, from 0 up")
    return made.astype(np.int64)


def is_classes(made: Array) -> bool:
    """Whether all are whole numbers from 0 up."""
    if made.dtype.kind in "bu":
        return True
    if made.dtype.kind == "f" and not (np.isfinite(made).all() and (made == np.floor(made)).all()):
        return False
    return bool((made >= 0).all())


OUTPUTS = ("auto", "logits", "probabilities", "value")


def read_output(output: Any, kind: str = "auto", classes: bool = True, name: str = "output") -> tuple[str, Array]:
    """What a model's output means: ("classes", probabilities (N, C)), C ≥ 2, or ("value", real numbers (N,)).

    Several columns are a score per class, one column is that of class 1 of two, or with `classes=False` (the target
    is real) a real number. Scores are "logits" (made probabilities by softmax, of one column by the sigmoid) or
    "probabilities"; "auto" takes them for probabilities where all are in [0, 1] and, in several columns, add up to 1.
    NaN stays NaN.
    """
    if kind not in OUTPUTS:
        raise ValueError(f"output_is={kind!r}: write one of {', '.join(OUTPUTS)}")
    made = array(output, name).astype(np.float64)
    if made.ndim == 2 and made.shape[1] == 1:
        made = made[:, 0]
    if made.ndim not in (1, 2):
        raise ValueError(f"{name} has shape {made.shape}; (N,), (N, 1) or (N, classes) is needed")
    known = made[np.isfinite(made)]
    shares = bool(((known >= 0) & (known <= 1)).all())
    if made.ndim == 1:
        if kind == "value" or not classes:
            return "value", made
        if kind == "logits" or (kind == "auto" and not shares):
            made = 0.5 * (1 + np.tanh(0.5 * made))  # the sigmoid, without overflow
        return "classes", np.stack([1 - made, made], axis=1)
    if kind == "value":
        raise ValueError(f"output_is='value' is for one number per sample; {name} has shape {made.shape}")
    whole = np.isfinite(made).all(axis=1)
    if kind == "logits" or (kind == "auto" and not (shares and np.allclose(made[whole].sum(axis=1), 1, atol=1e-3))):
        with np.errstate(invalid="ignore", over="ignore"):
            made = np.exp(made - made.max(axis=1, keepdims=True)) if made.size else made
            made = made / made.sum(axis=1, keepdims=True)
    return "classes", made


def ask(predict: Callable[[Any], Any], at: Array, batch: int = 16384) -> Array:
    """What `predict` answers for the points `at`, (M, 2) float32, in batches: (M,) or (M, classes).

    Raises:
        ValueError: it gives another number of answers than it got points.
    """
    if not callable(predict):
        raise TypeError(f"predict is a function from points (M, 2) to outputs, received {type(predict).__name__}")
    answers: list[Array] = []
    for start in range(0, len(at), batch):
        part = at[start : start + batch]
        answer = array(predict(part), "the answer of predict")
        if answer.ndim == 0 or len(answer) != len(part):
            raise ValueError(f"predict got points of shape {part.shape} and gave an answer of shape {answer.shape}")
        answers.append(answer)
    return np.concatenate(answers)


def rows_of(record: Any) -> list[Row]:
    """The rows of a run: a `Recorder` (anything that has `rows`), a pandas table, or the rows themselves."""
    found = getattr(record, "rows", record)
    if hasattr(found, "to_dict") and not isinstance(found, Mapping):
        found = found.to_dict("records")
    if isinstance(found, Mapping | str) or not isinstance(found, Iterable):
        raise TypeError(f"rows is a Recorder or a list of its rows, received {type(record).__name__}")
    rows: list[Any] = list(found)
    for row in rows:
        if not isinstance(row, Mapping) or "step" not in row:
            raise ValueError(f"a row of a run is a dict that has at least 'step', received {row!r}")
    return rows


def column(rows: Sequence[Row], name: str) -> Array:
    """A column of the rows as float64. NaN stands for a cell that is not there or empty, or for NaN itself."""
    cells = [cell(row, name) for row in rows]
    return np.array([math.nan if value is None else value for value in cells], dtype=np.float64)


def cell(row: Row, name: str) -> float | None:
    """The number (maybe NaN) that a row has under that name; None where it has none."""
    value = row.get(name)
    if value is None or isinstance(value, bool) or np.ndim(value) > 0:
        return None
    try:
        return float(value)
    except (TypeError, ValueError):  # text, or the empty cell of a table
        return None


def thinned(x: Array, y: Array, limit: int = 4000) -> tuple[Array, Array]:
    """At most about `limit` of the points of a curve: of each stretch the least, the greatest, and any that is not
    finite, so that neither a spike nor a gap is lost."""
    n = len(y)
    if n <= limit:
        return x, y
    count = limit // 2
    edges = np.linspace(0, n, count + 1).astype(np.int64)
    keep: list[int] = []
    for start, end in itertools.pairwise(edges.tolist()):
        part = y[start:end]
        finite = np.flatnonzero(np.isfinite(part))
        if len(finite) < len(part):
            keep.append(int(start + np.flatnonzero(~np.isfinite(part))[0]))
        if len(finite):
            values = part[finite]
            keep += [int(start + finite[values.argmin()]), int(start + finite[values.argmax()])]
    at = np.unique(np.array([0, *keep, n - 1]))
    return x[at], y[at]


def smoothed(y: Array, beta: float) -> Array:
    """Exponential moving average with bias correction: mᵢ = β·mᵢ₋₁ + (1 − β)·yᵢ, divided by 1 − βⁱ.

    A value that is not finite is passed over, and leaves a gap where it stood.
    """
    out = np.full(len(y), np.nan)
    mean, weight = 0.0, 0.0
    for i, value in enumerate(y.tolist()):
        if math.isfinite(value):
            mean, weight = beta * mean + (1 - beta) * value, beta * weight + (1 - beta)
            out[i] = mean / weight
    return out


def wide(values: Array, factor: float = 20.0) -> bool:
    """Whether the numbers ask for a logarithmic scale: all above 0, over a range of more than `factor`."""
    known = values[np.isfinite(values)]
    return bool(known.size and known.min() > 0 and known.max() > factor * known.min())


def sample(n: int, limit: int) -> Array:
    """At most `limit` of the numbers 0 … n − 1, evenly spread."""
    return np.arange(n) if n <= limit else np.linspace(0, n - 1, limit).astype(np.int64)
