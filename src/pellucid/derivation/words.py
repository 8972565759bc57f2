"""Numbers and matrices as text, for a terminal that is 80 columns wide."""

from __future__ import annotations

import math
import textwrap
from typing import Any

import numpy as np

WIDTH = 78
MOST = 8  # rows and columns shown of a matrix


def figure(value: Any) -> str:
    """Four digits: `0.7616`, `-1.2`, `3`, `1e-07`."""
    if isinstance(value, bool | np.bool_):
        return str(bool(value))
    if isinstance(value, int | np.integer):
        return str(int(value))
    if not isinstance(value, float | np.floating):
        return str(value)
    number = float(value)
    if not math.isfinite(number):
        return str(number)
    text = f"{number:.4g}"
    return "0" if text == "-0" else text


def largest(array: np.ndarray) -> float:
    """The size of the largest finite number; 0 where there is none."""
    sizes = np.abs(array.astype(float))
    return float(sizes[np.isfinite(sizes)].max(initial=0.0))


def rows_of(array: np.ndarray, most: int = MOST) -> list[list[str]]:
    """A matrix of figures; of more than two dimensions the leading ones go below each other.

    Of the rows `MOST` are shown, of the columns `most`.
    """
    flat = array.reshape(1, -1) if array.ndim < 2 else array.reshape(-1, array.shape[-1])
    scale = largest(flat) if flat.dtype.kind == "f" else 0.0
    rows = [
        [figure(0.0 if flat.dtype.kind == "f" and abs(cell) < 1e-12 * scale else cell) for cell in row[:most]]
        + (["…"] if len(row) > most else [])
        for row in flat[:MOST]
    ]
    return [*rows, ["⋮"] * len(rows[0])] if len(flat) > MOST else rows


def columns(rows: list[list[str]], gap: str = "  ") -> list[str]:
    """Rows of words, aligned at the right."""
    if not rows:
        return []
    widths = [max(len(row[i]) for row in rows) for i in range(len(rows[0]))]
    return [gap.join(word.rjust(width) for word, width in zip(row, widths, strict=True)).rstrip() for row in rows]


def block(array: np.ndarray, room: int = WIDTH - 4) -> list[str]:
    """A matrix between brackets, as many of its columns as there is room for; a number as it is."""
    if array.ndim == 0:
        return [figure(array.item())]
    if not array.size:
        return ["[ ]"]
    lines: list[str] = []
    for most in range(MOST, 0, -1):
        lines = columns(rows_of(array, most))
        if max(map(len, lines)) <= room - 4:
            break
    width = max(map(len, lines))
    if len(lines) == 1:
        return [f"[ {lines[0]} ]"]
    signs = [("⎡", "⎤"), *[("⎢", "⎥")] * (len(lines) - 2), ("⎣", "⎦")]
    return [f"{left} {line.ljust(width)} {right}" for (left, right), line in zip(signs, lines, strict=True)]


def beside(blocks: list[list[str]]) -> list[str]:
    """Blocks side by side, centred upon each other."""
    height = max(map(len, blocks))
    full: list[list[str]] = []
    for block in blocks:
        width, above = max(map(len, block)), (height - len(block)) // 2
        lines = [""] * above + block + [""] * (height - len(block) - above)
        full.append([line.ljust(width) for line in lines])
    return [" ".join(parts).rstrip() for parts in zip(*full, strict=True)]


def equation(terms: list[Any], indent: int = 2) -> list[str]:
    """An equation in numbers: side by side where that fits, else each of its matrices on lines of its own."""
    shown = [term for term in terms if isinstance(term, str) or term.array.size]
    lines = beside([[step] if isinstance(step, str) else block(step.array) for step in shown])
    if max(map(len, lines)) <= WIDTH - indent:
        return [" " * indent + line for line in lines]
    found: list[str] = []
    width = max(len(step.symbol) for step in shown if not isinstance(step, str))
    for part in shown:
        if not isinstance(part, str):
            found += labelled(f"{part.symbol.ljust(width)} =", part.array, indent)
    return found


def labelled(label: str, array: np.ndarray, indent: int) -> list[str]:
    """A matrix behind its name; below it where there is no room beside it."""
    lines = beside([[label], block(array)])
    if max(map(len, lines)) > WIDTH - indent:
        lines = [label, *("  " + line for line in block(array, WIDTH - indent - 2))]
    return [" " * indent + line for line in lines]


def wrapped(text: str, indent: int = 2, hanging: int = 0) -> list[str]:
    return textwrap.wrap(
        text, WIDTH, initial_indent=" " * indent, subsequent_indent=" " * (indent + hanging), break_long_words=False,
        break_on_hyphens=False,
    )  # fmt: skip


def heading(text: str) -> list[str]:
    return ["", text, "─" * len(text)]


def code(text: str) -> list[str]:
    """Lines of source, the long ones broken."""
    found: list[str] = []
    for line in text.splitlines():
        indent = " " * (min(len(line) - len(line.lstrip()), 16) + 2)
        found += textwrap.wrap(
            line.strip(), WIDTH, initial_indent=indent, subsequent_indent=indent + "      ", break_on_hyphens=False,
        ) or [""]  # fmt: skip
    return found
