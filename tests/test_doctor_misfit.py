"""A program that ends in an error of shapes: which arrays stand in the line, and which one in sight would fit."""

from __future__ import annotations

import linecache
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from pellucid.doctor.misfit import misfit


class Net:
    def __init__(self) -> None:
        self.W1, self.W2 = np.ones((2, 4)), np.ones((4, 1))
        self.z2 = np.ones((4, 1))


SIGHT: dict[str, Any] = {
    "np": np,
    "self": Net(),
    "weights": [np.ones((2, 4)), np.ones((4, 1))],
    "params": {"w": np.ones((3, 5))},
    "x": np.ones((7, 2)),
    "h": np.ones((7, 4)),
    "delta": np.ones((7, 1)),
    "error": np.ones((1, 3)),
    "row": np.ones((1, 4)),
    "v2": np.ones((4, 1)),
    "b": np.ones((4, 1)),
    "y": np.ones((7, 3)),
    "k": 1,
}
LINES = {
    "np.dot(delta, self.W1.T) * h": "There delta is (7, 1) and self.W1.T is (4, 2). self.W2.T (1, 4) would fit.",
    "d = delta @ v2 * (1 - h**2)": "There delta is (7, 1) and v2 is (4, 1). v2.T (1, 4) would fit.",
    "error.dot(weights[1].T)": "There error is (1, 3) and weights[1].T is (1, 4).",  # 3 labels, and 1 output
    "error.dot(h)": "There error is (1, 3) and h is (7, 4).",
    "error @ row": "There error is (1, 3) and row is (1, 4). error.T (3, 1) would fit.",
    "h.dot(x)": "There h is (7, 4) and x is (7, 2). h.T (4, 7) would fit.",
    "weights[1] @ h": "There weights[1] is (4, 1) and h is (7, 4). They fit in the other order.",
    "out = h + b": "There h is (7, 4) and b is (4, 1). b.T (1, 4) would fit.",
    "h += b": "There h is (7, 4) and b is (4, 1). b.T (1, 4) would fit.",
    "np.subtract(h, y)": "There h is (7, 4) and y is (7, 3).",
    "np.matmul(x, weights[-1])": "There x is (7, 2) and weights[-1] is (4, 1).",
    "np.matmul(x, weights[k])": "There x is (7, 2) and weights[k] is (4, 1).",
    "x @ params['w']": "There x is (7, 2) and params['w'] is (3, 5).",
    "np.dot(np.tanh(h), x)": "",  # nothing is called to find out
}


@pytest.mark.parametrize("line", LINES)
def test_what_does_not_fit_is_named_and_what_would(line: str, tmp_path: Path) -> None:
    script = tmp_path / "train.py"
    script.write_text(f"n = 0\n{line}\n")
    with pytest.raises(ValueError, match="shape|mismatch|operand") as caught:
        exec(compile(script.read_text(), str(script), "exec"), {**SIGHT, "h": SIGHT["h"].copy()})  # noqa: S102
    linecache.checkcache()
    trace = caught.tb.tb_next
    assert trace is not None
    assert misfit(caught.value, trace.tb_frame, trace.tb_lineno) == LINES[line]


def test_of_other_errors_nothing_is_said() -> None:
    frame = sys._getframe()
    assert misfit(ValueError("too many values to unpack"), frame, frame.f_lineno) == ""
    assert misfit(KeyError("shapes not aligned"), frame, frame.f_lineno) == ""
