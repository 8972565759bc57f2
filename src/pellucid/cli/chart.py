"""Curves drawn with characters, for a terminal: each cell of Braille holds two by four points."""

from __future__ import annotations

import math
from collections.abc import Callable, Sequence
from itertools import pairwise

from rich.text import Text

Points = Sequence[tuple[float, float]]

_BRAILLE = 0x2800
_DOTS = ((0x01, 0x02, 0x04, 0x40), (0x08, 0x10, 0x20, 0x80))  # by column, from the top
SPREAD = 30.0  # the greatest over the least value from which the scale is logarithmic
MARGIN = 9  # columns for the figures at the left


def draw(curves: dict[str, tuple[Points, str]], width: int, height: int, plain: bool = False) -> Text:
    """Curves by name, each of points and a style, on one scale; the last is on top.

    What is not finite is left out. `plain` draws with an ASCII character a cell, the first letter of the curve's name.

    >>> print(draw({"loss": ([(0, 1.0), (1, 0.5), (2, 0.25)], "")}, width=16, height=3, plain=True))
           1 ll
               ll
        0.25     lll
    """
    kept = {
        name: [(x, y) for x, y in points if math.isfinite(x) and math.isfinite(y)]
        for name, (points, _) in curves.items()
    }
    everything = [point for points in kept.values() for point in points]
    result = Text()
    if not everything:
        return result
    columns = max(4, width - MARGIN)
    low, high = min(y for _, y in everything), max(y for _, y in everything)
    left, right = min(x for x, _ in everything), max(x for x, _ in everything)
    scale = math.log if low > 0 and high / low > SPREAD else float
    across, down = (columns, height) if plain else (2 * columns, 4 * height)
    cells: dict[tuple[int, int], tuple[int, str, str]] = {}
    for name, points in kept.items():
        style = curves[name][1]
        for i, j in _line(points, (left, right), (scale(low), scale(high)), scale, across, down):
            cell = (i, j) if plain else (i // 2, j // 4)
            dots = cells.get(cell, (0, "", ""))[0] | (0 if plain else _DOTS[i % 2][j % 4])
            cells[cell] = dots, style, name[0]
    for row in range(height):
        label = f"{high:.3g}" if row == 0 else f"{low:.3g}" if row == height - 1 else ""
        result.append(f"{label:>{MARGIN - 1}} ", "dim")
        last = max((i for i, j in cells if j == row), default=-1)
        for column in range(last + 1):
            dots, style, letter = cells.get((column, row), (0, "", " "))
            result.append(letter if plain else chr(_BRAILLE + dots), style)
        result.append("\n" if row < height - 1 else "")
    return result


def _line(
    points: Points,
    xs: tuple[float, float],
    ys: tuple[float, float],
    scale: Callable[[float], float],
    across: int,
    down: int,
) -> list[tuple[int, int]]:
    """The places of a grid through which straight lines from point to point go; of a column with several, the mean."""
    columns: dict[int, list[float]] = {}
    for x, y in points:
        i = round((x - xs[0]) / ((xs[1] - xs[0]) or 1.0) * (across - 1))
        columns.setdefault(i, []).append((ys[1] - scale(y)) / ((ys[1] - ys[0]) or 1.0) * (down - 1))
    means = sorted((i, sum(js) / len(js)) for i, js in columns.items())
    found = [(i, round(j)) for i, j in means[:1]]
    for (i0, j0), (i1, j1) in pairwise(means):
        count = max(i1 - i0, abs(round(j1) - round(j0)))
        found += [(round(i0 + (i1 - i0) * k / count), round(j0 + (j1 - j0) * k / count)) for k in range(1, count + 1)]
    return found
