"""A real target: what was predicted against what is true."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import array, same_length, sample

MOST_POINTS = 2000


def predicted_against_true(
    target: Any, output: Any, *, unit: str = "target", title: str | None = None, ax: Any = None, save: Any = None
) -> Any:
    """Predicted against true values, and the distribution of their differences.

    A perfect prediction is a point on the dashed diagonal. Where there are more than 2,000 samples, the left panel
    shows 2,000 of them, evenly chosen; the right one has all.

    Args:
        target: the true values, (N,) or (N, 1).
        output: the predicted ones, in the same units.
        unit: what the values are, for the axes.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: there are not as many of each.

        >>> figure = predicted_against_true([1.0, 2.0, 3.0], [1.1, 1.9, 3.2], unit="price")
        >>> [axes.get_xlabel() for axes in figure.axes]
        ['true price', 'predicted − true price']
    """
    true = array(target, "target").astype(np.float64).reshape(-1)
    said = array(output, "output").astype(np.float64).reshape(-1)
    same_length(target=true, output=said)
    name = style.plain(unit, 30)
    known = np.isfinite(true) & np.isfinite(said)
    with style.sheet(ax, save, "predicted-true", height=3.8) as sheet:
        left, right = sheet.grid(1, 2, width_ratios=[1, 1])[0]
        if not known.any():
            style.say(left, "no prediction is a finite number")
            right.set_axis_off()
            return sheet.figure
        shown = np.flatnonzero(known)
        shown = shown[sample(len(shown), MOST_POINTS)]
        crowded = len(shown) > 200
        left.plot(
            true[shown], said[shown], "o", color=style.BLUE, markersize=2.5 if crowded else 4,
            alpha=0.4 if crowded else 0.7, markeredgewidth=0, linestyle="none",
        )  # fmt: skip
        both = np.concatenate([true[known], said[known]])
        ends = [float(both.min()), float(both.max())]
        left.plot(ends, ends, color=style.BLACK, linestyle="--", linewidth=1, label="predicted = true")
        left.set(xlabel=f"true {name}", ylabel=f"predicted {name}")
        left.legend(loc="upper left")
        error = said[known] - true[known]
        right.hist(error, bins=min(max(int(np.sqrt(len(error))), 5), 50), color=style.SKY, edgecolor=style.BLUE)
        right.axvline(0, color=style.BLACK, linestyle="--", linewidth=1)
        right.set(xlabel=f"predicted − true {name}", ylabel="samples")
        for axes in (left, right):
            style.clean(axes)
            style.few_ticks(axes, count=4)  # numbers of six digits have room beside each other
        sheet.title(title)
    return sheet.figure
