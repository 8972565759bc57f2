"""Where a program made a tensor of the rows that it trains on, and where its arrays lost their numbers."""

from __future__ import annotations

import functools
from collections import deque
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.core import Tensor
from pellucid.errors import in_package, user_frame

from .arrays import array_of
from .places import place
from .record import Place, ProgramRecord
from .rows import inside, told_apart

LAST = 4  # tensors of a line that are kept, of which a batch may have been put together
LINES = 200  # that make tensors
INSTALLED = {"site-packages", "dist-packages"}


class Origins:
    """Tensors that were made of other numbers before the first batch, by their lines."""

    def __init__(self, record: ProgramRecord) -> None:
        self.record = record
        self.made: dict[Place, deque[Any]] = {}
        self.found = False

    def making(self, function: Callable[..., Any]) -> Callable[..., Any]:
        """A function that makes a tensor of numbers, as `torch.from_numpy`."""

        @functools.wraps(function)
        def called(*args: Any, **kwargs: Any) -> Any:
            made = function(*args, **kwargs)
            at = None if self.found or len(self.made) >= LINES or not isinstance(made, Tensor) else place()
            if at is not None:
                self.made.setdefault(at, deque(maxlen=LAST)).append(made)
            return made

        return called

    def lost(self, _what: str, _flag: int) -> None:
        """A division by zero, or a logarithm or root of a number that has none, in arrays of the program's."""
        frame = None if self.found or "made bad" in self.record.lines else user_frame()
        while frame is not None and INSTALLED & {*Path(frame.f_code.co_filename).parts}:  # as pandas, that it calls
            frame = frame.f_back
        if frame is not None and not in_package(frame):
            self.record.lines["made bad"] = (frame.f_code.co_filename, frame.f_lineno)

    def note(self, rows: np.ndarray) -> None:
        """The first batch, one row each: which line made a tensor of these numbers."""
        if self.found:
            return
        self.found = True
        asked = _numbers(rows)
        for at, tensors in reversed(self.made.items()):
            if any(_holds(array_of(tensor), asked, rows.shape[1]) for tensor in tensors):
                self.record.lines["made"] = at
                break
        self.made.clear()


def _numbers(rows: np.ndarray) -> np.ndarray:
    """One for each row, whatever the precision is in which it is kept."""
    with np.errstate(all="ignore"):
        return told_apart(np.nan_to_num(rows.astype(np.float32), posinf=0, neginf=0).astype(np.float64))


def _holds(array: np.ndarray, asked: np.ndarray, width: int) -> bool:
    """Whether an array is a table of these rows, or one of them."""
    if not array.size or array.dtype.kind not in "fiub":
        return False
    if array.size == width:
        return bool(inside(_numbers(array.reshape(1, width)), asked).all())
    table = array.ndim > 0 and len(array) >= len(asked) and array.size == len(array) * width
    return table and bool(inside(asked, _numbers(array.reshape(len(array), width))).all())
