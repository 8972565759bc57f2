"""What each op reaches of what the machine can do: operations a second, over operations for each byte moved."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

from pellucid.viz import style

_NAMED = 9  # of the most expensive; the names of more would cover each other


def roofline(obj: Any, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
    """Each op as a point below the roof that the machine puts over it.

    An op that does I operations for each byte that it moves cannot do more than min(P, I·B) of them a second, where P
    is the machine's peak and B its bandwidth, both measured. Left of the ridge it waits for memory, right of it for
    the arithmetic units. The larger a point, the more time its op takes, and the most expensive have their names; of a
    compiled step, whose kernels are not timed by themselves, the points lie on the roof, hollow.

    Args:
        obj: what `pellucid.profile` found, or a compiled step that has run. Or what their `__roofline__()` returns: a
            dict of `operations` and `bytes` a second, the machine's peaks, and `rows`, a list of (name, operations,
            bytes, seconds or None).
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        TypeError: `obj` is none of these.
        ValueError: a compiled step has not run yet.

    Source: Williams, Waterman and Patterson, Roofline: an insightful visual performance model, 2009.

        >>> rows = [("matmul", 2e6, 1e4, 1e-4), ("add", 1e3, 1.2e4, 2e-6)]
        >>> figure = roofline({"operations": 1e11, "bytes": 1e10, "rows": rows})
        >>> figure.axes[0].get_xlabel()
        'operations for each byte'
    """
    if not isinstance(obj, dict) and not hasattr(obj, "__roofline__"):
        raise TypeError(
            f"roofline: obj must be a profile or a compiled step, but got {type(obj).__name__}; write "
            "viz.roofline(pellucid.profile(step))"
        )
    known = obj if isinstance(obj, dict) else obj.__roofline__()
    peak, bandwidth = float(known["operations"]), float(known["bytes"])
    rows = [row for row in known["rows"] if row[1] > 0 and row[2] > 0]
    if not rows:
        with style.sheet(ax, save, "roofline") as sheet:
            style.say(sheet.axes(), "no op computes anything")
            sheet.title(title)
        return sheet.figure
    points = [_point(row, peak, bandwidth) for row in rows]
    ridge = peak / bandwidth
    low = min(*(x for x, _, _ in points), ridge) / 3
    high = max(*(x for x, _, _ in points), ridge) * 4
    bottom = min(*(y for _, y, _ in points), low * bandwidth) / 2
    with style.sheet(ax, save, "roofline", height=4.4) as sheet:
        axes = sheet.axes()
        roof = [low, ridge, high]
        label = f"{peak / 1e9:,.0f} · 10⁹ operations and {bandwidth / 1e9:,.1f} GB a second"
        axes.plot(roof, [min(peak, x * bandwidth) / 1e9 for x in roof], color=style.BLACK, linewidth=1.5, label=label)
        axes.axvline(ridge, color=style.GREY, linestyle=":", linewidth=1)
        _draw(axes, points, ridge, hollow=all(row[3] is None for row in rows))
        axes.set(xscale="log", yscale="log", xlim=(low, high), ylim=(bottom / 1e9, 4 * peak / 1e9))
        axes.set(xlabel="operations for each byte", ylabel="10⁹ operations a second")
        largest = sorted(range(len(rows)), key=lambda i: -points[i][2])[:_NAMED]
        _name(axes, [(points[i][0], points[i][1] / 1e9, str(rows[i][0])) for i in largest])
        axes.legend(loc="lower right")
        style.clean(axes)
        sheet.title(title)
    return sheet.figure


def _draw(axes: Any, points: Sequence[tuple[float, float, float]], ridge: float, hollow: bool) -> None:
    """The points, and in the legend what each kind waits for."""
    whole = sum(seconds for _, _, seconds in points)
    for waits, colour, marker in (("memory", style.VERMILLION, "o"), ("arithmetic", style.BLUE, "s")):
        group = [point for point in points if (point[0] < ridge) == (waits == "memory")]
        how: dict[str, Any] = {
            "facecolors": "none" if hollow else colour,
            "edgecolors": colour,
            "marker": marker,
            "alpha": 0.8,
            "zorder": 3,
        }
        axes.scatter(
            [x for x, _, _ in group],
            [y / 1e9 for _, y, _ in group],
            s=[18 + 400 * seconds / whole for _, _, seconds in group],
            **how,
        )
        axes.scatter([], [], s=40, label=f"waits for {waits}", **how)


def _point(row: Sequence[Any], peak: float, bandwidth: float) -> tuple[float, float, float]:
    """Operations for each byte, operations a second, and seconds: measured, or the least."""
    _, operations, moved, seconds = row
    least = max(operations / peak, moved / bandwidth)
    return operations / moved, operations / (seconds or least), seconds or least


def _name(axes: Any, points: Sequence[tuple[float, float, str]]) -> None:
    """Write the names beside their points, on the right; one that would cover another, or a mark, as near as it can."""
    low, high = (math.log10(edge) for edge in axes.get_xlim())
    bottom, top = (math.log10(edge) for edge in axes.get_ylim())
    # Left, right and middle, in parts of the axes: first of the marks, then of the names.
    marks = [((math.log10(x) - low) / (high - low), (math.log10(y) - bottom) / (top - bottom)) for x, y, _ in points]
    taken = [(x - 0.015, x + 0.015, y) for x, y in marks]
    for x, y, name in sorted(points, key=lambda point: -point[1]):
        name = name if len(name) <= 28 else name[:27] + "…"
        left, start = (math.log10(x) - low) / (high - low) + 0.02, (math.log10(y) - bottom) / (top - bottom)
        wide = 0.013 * len(name)
        if left + wide > 1:
            left -= wide + 0.05
        beside = [at for begin, end, at in taken if left < end and begin < left + wide]
        free = [
            start + step / 100
            for step in range(-100, 101)
            if 0.03 < start + step / 100 < 0.97 and all(abs(start + step / 100 - at) >= 0.055 for at in beside)
        ]
        height = min(free, key=lambda at: abs(at - start), default=start)
        taken.append((left, left + wide, height))
        line = {"arrowstyle": "-", "color": style.GREY, "linewidth": 0.5} if abs(height - start) > 0.02 else None
        axes.annotate(
            style.plain(name), (x, y), (left, height), textcoords="axes fraction", fontsize=9, va="center",
            arrowprops=line, bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5}, zorder=4,
        )  # fmt: skip
