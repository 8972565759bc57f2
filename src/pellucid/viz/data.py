"""What a data set holds, before anything is learned from it: columns, pictures of each class, characters."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, sample

MOST_COLUMNS = 15  # panels of a figure that can still be read
MOST_CLASSES = 10  # rows of pictures
MOST_SHADES = 5  # classes that are drawn over each other in a histogram
MOST_BARS = 8
MOST_POINTS = 4000  # more would only cover each other
MOST_CHARACTERS = 40
ACROSS = 8  # pictures of a class


def columns(
    values: Mapping[str, Any],
    target: tuple[str, Any],
    class_names: Sequence[str] = (),
    units: Mapping[str, str] | None = None,
    dates: Sequence[str] = (),
    *,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """The distribution of each column of a table, the target first; numbers by class, where there are few classes.

    Args:
        values: for each column its numbers (N,), NaN where one is missing, or its categories (N,) as texts.
        target: the name of the target and its class numbers or real numbers (N,).
        class_names: what the class numbers are; none for a real target.
        units: what stands beside the numbers of a column.
        dates: the columns whose numbers are days since 1970-01-01.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure. Of more than 15 columns the first are drawn.

        >>> figure = columns(
        ...     {"size": [1.0, 2.0, 3.0], "fur": ["long", "short", "long"]}, ("kind", [0, 1, 0]), ["a", "b"]
        ... )
        >>> [axes.get_title() for axes in figure.axes]
        ['kind (target)', 'size', 'fur']
    """
    name, y = target[0], np.asarray(target[1]).reshape(-1)
    shown = list(values)[: MOST_COLUMNS - 1]
    across = min(3, len(shown) + 1)
    down = -(-(len(shown) + 1) // across)
    with style.sheet(ax, save, "data", width=9.0, height=0.4 + 2.2 * down) as sheet:
        panels = sheet.grid(down, across).reshape(-1)
        panels[0].set_title(f"{style.plain(name, 30)} (target)")
        if class_names:
            counts = np.bincount(y.astype(np.int64), minlength=len(class_names))
            _bars(panels[0], [str(each) for each in class_names], counts, style.class_colours(len(class_names)))
        else:
            _histogram(panels[0], y.astype(np.float64), None, ())
        by_class = y.astype(np.int64) if 1 < len(class_names) <= MOST_SHADES else None
        for axes, column in zip(panels[1:], shown, strict=False):
            held = np.asarray(values[column]).reshape(-1)
            unit = (units or {}).get(column, "")
            axes.set_title(style.plain(f"{column} ({unit})" if unit else column, 34))
            if held.dtype.kind in "fiub":
                _histogram(axes, held.astype(np.float64), by_class, class_names)
                if column in dates:
                    _as_dates(axes)
            else:
                names, counts = np.unique(held.astype(str), return_counts=True)
                order = np.argsort(-counts, kind="stable")
                _bars(axes, names[order].tolist(), counts[order])
        for axes in panels[len(shown) + 1 :]:
            axes.set_axis_off()
        more = len(values) - len(shown)
        if by_class is not None:
            panels[0].set_xlabel("samples, in the colours of all panels")
        sheet.title("; ".join(filter(None, [title, f"{more} more columns are not drawn" if more else ""])))
    return sheet.figure


def points(
    x: Any,
    y: Any,
    class_names: Sequence[str],
    feature_names: Sequence[str] = (),
    *,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """Points in the plane, each class with a colour and a shape of its own.

    Args:
        x: (N, 2).
        y: class numbers (N,).
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure. Of more than 4,000 points an even choice is drawn.

        >>> figure = points([[0, 0], [1, 1], [2, 0]], [0, 1, 1], ["in", "out"])
        >>> [text.get_text() for text in figure.axes[0].get_legend().get_texts()]
        ['in: 1', 'out: 2']
    """
    at, number = np.asarray(x), np.asarray(y).astype(np.int64)
    drawn = np.zeros(len(at), bool)
    drawn[sample(len(at), MOST_POINTS)] = True
    with style.sheet(ax, save, "data", width=7.0, height=5.0) as sheet:
        axes = sheet.axes()
        for k, colour in enumerate(style.class_colours(len(class_names))):
            own = at[drawn & (number == k)]
            axes.plot(
                own[:, 0], own[:, 1], style.marker(k), color=colour, markersize=3.5, markeredgecolor=style.BLACK,
                markeredgewidth=0.3, linestyle="none",
                label=f"{style.plain(class_names[k], 18)}: {int((number == k).sum()):,}",
            )  # fmt: skip
        for which, name in zip(("xlabel", "ylabel"), feature_names, strict=False):
            axes.set(**{which: style.plain(name, 40)})
        if len(at) > MOST_POINTS:
            style.note(axes, f"{MOST_POINTS:,} of {len(at):,} points drawn", x=0.01, y=0.02)
        axes.set_aspect("equal", adjustable="datalim")
        axes.legend(loc="upper left", bbox_to_anchor=(1.0, 1.0), markerscale=1.6)
        style.clean(axes)
        sheet.title(title)
    return sheet.figure


def pictures(
    x: Any, y: Any, class_names: Sequence[str], *, title: str | None = None, ax: Any = None, save: Any = None
) -> Any:
    """Some pictures of each class, a row for each; beside its name how many there are.

    Args:
        x: (N, C, height, width) with C of 1 or 3, in any scale.
        y: class numbers (N,).
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure. Of more than 10 classes the first are drawn; the pictures are an even choice.

        >>> figure = pictures(np.zeros((4, 1, 8, 8)), [0, 0, 0, 1], ["cat", "dog"])
        >>> [axes.get_ylabel() for axes in figure.axes if axes.get_ylabel()]
        ['cat\\n3', 'dog\\n1']
    """
    at, number = np.asarray(x), np.asarray(y).astype(np.int64)
    low, high = float(at.min(initial=0)), float(at.max(initial=1))
    shown = min(len(class_names), MOST_CLASSES)
    with style.sheet(ax, save, "data", width=9.0, height=0.5 + 1.0 * shown) as sheet:
        grid = sheet.grid(shown, ACROSS)
        for k in range(shown):
            rows = np.flatnonzero(number == k)
            for axes, row in zip(grid[k], [*rows[sample(len(rows), ACROSS)], *[None] * ACROSS], strict=False):
                axes.set(xticks=[], yticks=[])
                axes.grid(False)
                for side in axes.spines.values():
                    side.set_visible(False)
                if row is not None:
                    picture = (at[row].transpose(1, 2, 0) - low) / max(high - low, 1e-12)
                    axes.imshow(picture if picture.shape[2] == 3 else picture[..., 0], cmap="gray", vmin=0, vmax=1)
            label = f"{style.plain(class_names[k], 16)}\n{len(rows):,}"
            grid[k, 0].set_ylabel(label, rotation=0, ha="right", va="center", labelpad=8)
        more = len(class_names) - shown
        sheet.title(f"{title or 'pictures'}{f' (and {more} more classes)' if more else ''}")
    return sheet.figure


def characters(
    counts: Mapping[str, int],
    lengths: Any = None,
    *,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """How often each character comes in a text, and, of a list, how long its lines are.

    Args:
        counts: how often each character is met.
        lengths: of the lines (N,); None where the text runs on.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure. The 40 most frequent characters are drawn.

        >>> figure = characters({"a": 5, " ": 3, "\\n": 1}, [3, 2, 2])
        >>> [label.get_text() for label in figure.axes[0].get_xticklabels()]
        ['a', '␣', '↵']
    """
    often = sorted(counts.items(), key=lambda pair: -pair[1])[:MOST_CHARACTERS]
    total = max(sum(counts.values()), 1)
    panels = 1 if lengths is None else 2
    with style.sheet(ax, save, "data", width=9.0, height=2.8 * panels) as sheet:
        grid = sheet.grid(panels, 1)[:, 0]
        axes = grid[0]
        axes.bar(range(len(often)), [100 * count / total for _, count in often], color=style.BLUE)
        axes.set_xticks(range(len(often)), [_visible(char) for char, _ in often])
        axes.set_ylabel("% of the characters")
        more = len(counts) - len(often)
        axes.set_xlabel(f"character{f' ({more} rarer ones are not drawn)' if more else ''}")
        if lengths is not None:
            long = np.asarray(lengths)
            ends = np.arange(long.min(initial=0), long.max(initial=1) + 2) - 0.5
            grid[1].hist(long, bins=ends if len(ends) < 70 else 60, color=style.SKY, edgecolor=style.BLUE)
            grid[1].set(xlabel="characters of a line", ylabel="lines")
        for each in grid:
            style.clean(each)
        sheet.title(title)
    return sheet.figure


def _visible(char: str) -> str:
    """A character that can be seen: blanks have signs of their own, and a dollar begins no formula."""
    signs = {" ": "␣", "\n": "↵", "\t": "⇥", "$": r"\$", "_": r" _"}
    return signs.get(char, char if char.isprintable() else f"{ord(char):x}")


def _bars(axes: Any, names: Sequence[str], counts: Array, colours: Sequence[Any] | None = None) -> None:
    """Counts of categories, the first above; the rest together."""
    order = list(range(len(names)))
    if len(order) > MOST_BARS and colours is not None:
        order = sorted(order, key=lambda k: -int(counts[k]))
    kept = order[: MOST_BARS - (len(order) > MOST_BARS)]
    labels = [style.plain(names[k] or "(empty)", 16) for k in kept]
    numbers = [int(counts[k]) for k in kept]
    fill: list[Any] = [style.SKY if colours is None else colours[k] for k in kept]
    if len(kept) < len(order):
        labels.append(f"{len(order) - len(kept)} others")
        numbers.append(int(sum(int(counts[k]) for k in order)) - sum(numbers))
        fill.append(style.GREY)
    axes.barh(range(len(labels)), numbers, color=fill, edgecolor=style.BLACK, linewidth=0.4)
    axes.set_yticks(range(len(labels)), labels)
    axes.invert_yaxis()
    axes.margins(x=0.18)
    for place, number in enumerate(numbers):
        axes.text(number, place, f" {number:,}", va="center", fontsize=8)
    axes.set_xlabel("samples")
    axes.grid(False)
    style.clean(axes)


def _histogram(axes: Any, values: Array, by_class: Array | None, class_names: Sequence[str]) -> None:
    known = np.isfinite(values)
    there = values[known]
    if not len(there):
        style.say(axes, "no number")
        return
    distinct = np.unique(there)
    if len(distinct) <= 12 and (there == np.floor(there)).all() and np.ptp(there) < 30:
        bins: Any = np.arange(distinct[0], distinct[-1] + 2) - 0.5
    else:
        bins = min(max(int(np.sqrt(len(there))), 6), 30)
    if by_class is None:
        axes.hist(there, bins=bins, color=style.SKY, edgecolor=style.BLUE)
    else:
        parts = [values[known & (by_class == k)] for k in range(len(class_names))]
        axes.hist(
            parts, bins=bins, stacked=True, color=style.class_colours(len(parts)), edgecolor=style.BLACK, linewidth=0.4
        )
    missing = int((~known).sum())
    if missing:
        style.note(axes, f"{missing:,} missing")
    axes.set_ylabel("samples")
    style.clean(axes)


def _as_dates(axes: Any) -> None:
    from matplotlib.dates import AutoDateLocator, ConciseDateFormatter

    locator = AutoDateLocator(maxticks=5)
    axes.xaxis.set_major_locator(locator)
    axes.xaxis.set_major_formatter(ConciseDateFormatter(locator))
