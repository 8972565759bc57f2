"""Curves over the steps of a run: losses, metrics, hyperparameters; of one run, or of several laid over each other."""

from __future__ import annotations

import math
from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, Row, cell, column, rows_of, smoothed, thinned, wide

_KNOWN = {"kind", "epoch", "step", "batch", "seconds"}
_AXES = {"step": "step", "epoch": "epoch", "seconds": "time [s]"}
_NAMES = {"r2": "R²", "mae": "mean absolute error", "lr": "learning rate", "auc": "AUC", "f1": "F1"}


def curves(
    rows: Any,
    *,
    show: Sequence[str] | None = None,
    x: str = "step",
    smooth: float | None = None,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """The curves of a run: losses, validation metrics, learning rate.

    The loss of each batch is drawn faintly, and over it its exponential moving average. Where a number was not finite
    the curve has a gap, and the first such step is marked. A loss or rate that spans a factor of more than 20 gets a
    logarithmic axis; a run of very many steps is thinned so that every spike stays.

    Args:
        rows: a `Recorder`, or its rows: dicts of `kind` ("step" or "epoch"), `epoch`, `step`, `train_loss`,
            `val_loss`, `val_<metric>`, `lr`, `seconds`; a row need not have them all.
        show: what to draw, a panel each: "loss" (training and validation), the name of a metric, of a column.
            By default the loss, every metric, the learning rate, and every other hyperparameter that changes.
        x: "step", "epoch" or "seconds".
        smooth: β of the moving average m ← β·m + (1 − β)·value, in [0, 1); 0 draws none. By default it averages
            over about a fiftieth of the run.
        title: what the figure is called.
        ax: axes to draw in, in place of a new figure.
        save: a path to write the figure to, or True for a timestamped name in the current folder.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: `show`, `x` or `smooth` is not one of these.

        >>> rows = [{"kind": "epoch", "epoch": i, "step": 10 * i, "train_loss": 1 / i} for i in range(1, 5)]
        >>> [panel.get_ylabel() for panel in curves(rows).axes]
        ['loss']
    """
    run = rows_of(rows)
    _check(x, smooth)
    panels = _panels(run) if show is None else [_known(name, run) for name in show]
    if not panels:
        raise ValueError("show=[] asks for no panel: write show=['loss'], or leave it out")
    beside = math.ceil(max(len(panels) - 1, 1) / 4)
    below = math.ceil((len(panels) - 1) / beside)
    height = max(3.6, 0.4 + 1.45 * below)
    with style.sheet(ax, save, "curves", height=height) as sheet:
        if len(panels) == 1:
            drawn = [sheet.axes()]
        else:
            cells = sheet.cells(below, 1 + beside, width_ratios=[1.5 if beside == 1 else 1.9] + [1] * beside)
            drawn = [sheet.put(cells[:, 0])]
            drawn += [sheet.put(cells[i % below, 1 + i // below]) for i in range(len(panels) - 1)]
        last = [i % max(below, 1) == 0 or i == len(panels) - 1 for i in range(len(panels))]
        _fill(drawn, panels, run, x, smooth, last)
        if sheet.given is None:
            legends_above(drawn)
        if len(drawn) > 2:
            _same_x(drawn)
        sheet.title(title)
    return sheet.figure


def curves_apart(rows: Any) -> list[Any]:
    """The panels of `curves` as narrow figures, which stand beside each other, or below each other on a telephone.

    Returns:
        A figure of the loss, then one for each four of the other quantities.

        >>> rows = [{"kind": "epoch", "epoch": i, "step": i, "train_loss": 1 / i, "val_accuracy": 0.5} for i in (1, 2)]
        >>> [[panel.get_ylabel() for panel in figure.axes] for figure in curves_apart(rows)]
        [['loss'], ['validation\\naccuracy']]
    """
    run = rows_of(rows)
    panels = _panels(run)
    groups = [panels[:1], *(panels[i : i + 4] for i in range(1, len(panels), 4))]
    height = max(3.6, 0.4 + 1.45 * min(len(panels) - 1, 4))
    figures, drawn = [], []
    for i, group in enumerate(groups):
        size = (3.3, height) if i else (4.2, min(height, 4.4))
        with style.sheet(None, None, "curves", *size) as sheet:
            axes = [sheet.axes()] if len(group) == 1 else list(sheet.grid(len(group), 1).reshape(-1))
            _fill(axes, group, run, "step", None, [name is group[-1] for name in group])
            legends_above(axes)
        figures.append(sheet.figure)
        drawn += axes
    _same_x(drawn)
    return figures


def compare_curves(
    runs: Mapping[str, Any],
    *,
    show: Sequence[str] | None = None,
    x: str = "step",
    smooth: float | None = None,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """Curves of several runs laid over each other: a panel for each quantity, a line for each run.

    Args:
        runs: `{name: Recorder or rows}`.
        show: the columns to compare, a panel each. By default the losses and every metric that some run has.
        x, smooth, title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

        >>> rows = [{"kind": "epoch", "epoch": 1, "step": 10, "train_loss": 0.5, "val_loss": 0.6}]
        >>> [panel.get_ylabel() for panel in compare_curves({"a": rows, "b": rows}).axes]
        ['training loss', 'validation loss']
    """
    if not isinstance(runs, Mapping):
        raise TypeError(f"runs is a dict of the rows of each run by its name, received {type(runs).__name__}")
    read = {style.plain(name, 40): rows_of(rows) for name, rows in runs.items()}
    _check(x, smooth)
    every = [row for rows in read.values() for row in rows]
    panels = [_column(name) for name in show] if show is not None else _comparable(every)
    for name in panels:
        if every and not any(cell(row, name) is not None for row in every):
            raise ValueError(f"show: no run has {name!r}; there are {', '.join(_columns(every))}")
    columns = min(len(panels), 2) or 1
    below = math.ceil(len(panels) / columns) or 1
    listed = min(len(read), 24)
    legend_columns = 1 if listed and max(len(name) for name in read) > 30 else 2 if listed < 12 else 3
    legend_height = 0.2 * math.ceil(listed / legend_columns) + 0.2
    with style.sheet(ax, save, "compare", height=0.4 + 2.8 * below + legend_height) as sheet:
        if not every or not panels:
            style.say(sheet.axes(), "no run has been recorded yet" if not every else "the runs have no loss or metric")
            return sheet.figure
        drawn = [sheet.axes()] if len(panels) == 1 else list(sheet.grid(below, columns).reshape(-1))
        free = drawn[len(panels) :]
        for axes in free:
            axes.set_axis_off()
        for axes, name in zip(drawn, panels, strict=False):
            values = []
            for i, rows in enumerate(read.values()):
                values.append(_run_line(axes, rows, name, x, smooth, style.line(i, len(read)), i))
            _scale(axes, np.concatenate(values), name)
            axes.set(xlabel=_AXES[x], ylabel=_label(name))
            style.clean(axes)
            style.few_ticks(axes, whole=x != "seconds")
        _legend_of_runs(sheet, drawn[0], free, list(read), legend_columns)
        sheet.title(title)
    return sheet.figure


# One run ------------------------------------------------------------------------------------------------------------


def _fill(drawn: list[Any], panels: list[str], rows: list[Row], x: str, smooth: float | None, last: list[bool]) -> None:
    """A quantity in each of the axes; those that are the `last` of their column say what x is."""
    for axes, name, lowest in zip(drawn, panels, last, strict=True):
        (_loss_panel if name == "loss" else _value_panel)(axes, rows, name, x, smooth)
        style.clean(axes)
        style.few_ticks(axes, whole=x != "seconds")
        if lowest:
            axes.set_xlabel(_AXES[x])
        else:
            axes.tick_params(labelbottom=False)


def _loss_panel(axes: Any, rows: list[Row], name: str, x: str, smooth: float | None) -> None:
    steps = _having(rows, "train_loss", "step")
    epochs = _having(rows, "train_loss", "epoch")
    measured = _having(rows, "val_loss", "epoch") or _having(rows, "val_loss", None)
    values: list[Array] = []
    beta = _beta(smooth, len(steps))
    if steps:
        at, y = _where(steps, rows, x), column(steps, "train_loss")
        values.append(y)
        _raw(axes, at, y, "training, each batch" if beta else "training", beta > 0)
        if beta:
            mean = smoothed(y, beta)
            axes.plot(*thinned(at, mean), color=style.BLUE, linewidth=1.6, label="training, smoothed")
        _mark_break(axes, at, y, x, "training", style.BLUE)
    if epochs and not beta:
        at, y = _where(epochs, rows, x), column(epochs, "train_loss")
        values.append(y)
        axes.plot(at, y, color=style.BLUE, label="training, by epoch", **_dots("o", y))
        if not steps:
            _mark_break(axes, at, y, x, "training", style.BLUE)
    if measured:
        at, y = _where(measured, rows, x), column(measured, "val_loss")
        values.append(y)
        axes.plot(*thinned(at, y), color=style.VERMILLION, linestyle="--", label="validation", **_dots("s", y))
        _mark_break(axes, at, y, x, "validation", style.VERMILLION)
        _least(axes, at, y, x)
    axes.set_ylabel("loss")
    if not values:
        style.say(axes, "no loss has been recorded yet")
        return
    _scale(axes, np.concatenate(values), "loss")
    axes.legend(loc="best")


def _value_panel(axes: Any, rows: list[Row], name: str, x: str, smooth: float | None) -> None:
    epochs = _having(rows, name, "epoch") if name.startswith("val_") else []
    having = epochs or _having(rows, name, "step") or _having(rows, name, None)
    axes.set_ylabel(_label(name).replace("validation ", "validation\n"))
    at, y = _where(having, rows, x), column(having, name)
    if name.startswith("val_"):
        axes.plot(*thinned(at, y), color=style.VERMILLION, linestyle="--", **_dots("s", y))
        if np.isfinite(y).any():
            last = y[np.isfinite(y)][-1]
            axes.set_title(f"{style.number(last)} at the end", fontsize=9)
    elif name in _plain_columns(rows):
        axes.plot(*thinned(at, y), color=style.GREEN, **_dots("^", y))
    else:
        beta = _beta(smooth, len(y))
        _raw(axes, at, y, None, beta > 0)
        if beta:
            axes.plot(*thinned(at, smoothed(y, beta)), color=style.BLUE, linewidth=1.6)
    _mark_break(axes, at, y, x, None, "black")
    _scale(axes, y, name)
    known = y[np.isfinite(y)]
    if known.size and known.min() == known.max() != 0:  # a constant: seen from 0, and its one value written
        axes.set_ylim(*sorted((0.0, 1.6 * float(known[0]))))
        axes.set_yticks([0.0, float(known[0])], ["0", style.number(float(known[0]))])


def legends_above(drawn: list[Any]) -> None:
    """Legends above their panels: often no place inside is free. (A user's axes may have a title there.)"""
    for axes in drawn:
        if axes.get_legend() is not None:
            inches = axes.get_position().width * axes.figure.get_size_inches()[0]
            axes.legend(
                loc="lower left", bbox_to_anchor=(-0.35 / inches, 1.0), ncols=2 if inches > 3 else 1, handlelength=1.5,
                columnspacing=0.8, frameon=False,
            )  # fmt: skip


def _raw(axes: Any, at: Array, y: Array, label: str | None, faint: bool) -> None:
    """The curve as it was recorded; behind its average if it has one."""
    at, y = thinned(at, y)
    how: dict[str, Any] = {"color": style.SKY, "linewidth": 0.8, "alpha": 0.75} if faint else {"color": style.BLUE}
    if not faint and len(y) > 60:
        how["linewidth"] = 1.0
    axes.plot(at, y, label=label, **how, **({} if faint else _dots(".", y)))


def _dots(shape: str, y: Array) -> dict[str, Any]:
    """A marker at each value where they are few; where one stands alone between gaps it has no line to be seen by."""
    return {"marker": shape, "markersize": 4} if len(y) <= 40 or not np.isfinite(y).all() else {}


def _mark_break(axes: Any, at: Array, y: Array, x: str, whose: str | None, colour: str) -> None:
    """A line where the curve stopped being a number, and when that was."""
    broken = np.flatnonzero(~np.isfinite(y))
    if not len(broken):
        return
    kind = "NaN" if np.isnan(y[broken[0]]) else "infinite"
    label = f"{whose} {kind} {_place(float(at[broken[0]]), x)}" if whose else None
    axes.axvline(at[broken[0]], color=colour, linestyle=":", linewidth=1.6, label=label)


def _least(axes: Any, at: Array, y: Array, x: str) -> None:
    """A ring around the least value."""
    finite = np.where(np.isfinite(y), y, np.inf)
    if np.isfinite(y).sum() < 2:
        return
    i = int(finite.argmin())
    axes.plot(
        at[i], y[i], "o", markersize=10, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.3,
        linestyle="none", label=f"least: {style.number(y[i])} {_place(float(at[i]), x)}",
    )  # fmt: skip


def _place(at: float, x: str) -> str:
    return f"after {at:.1f} s" if x == "seconds" else f"at {x} {style.number(at)}"


def _same_x(drawn: list[Any]) -> None:
    """The same range of x in all panels, so that they can be read against each other."""
    ranges = [axes.get_xlim() for axes in drawn if axes.lines]
    if ranges:
        for axes in drawn:
            if axes.lines:
                axes.set_xlim(min(low for low, _ in ranges), max(high for _, high in ranges))


# Several runs -------------------------------------------------------------------------------------------------------


def _run_line(
    axes: Any, rows: list[Row], name: str, x: str, smooth: float | None, how: dict[str, Any], i: int
) -> Array:
    """One run's line in a panel of the comparison; what it was drawn from."""
    epochs, steps = _having(rows, name, "epoch"), _having(rows, name, "step")
    beta = _beta(smooth, len(steps))
    having = steps if beta or not epochs else epochs
    at, y = _where(having, rows, x), column(having, name)
    if having is steps and beta:
        axes.plot(*thinned(at, y), color=how["color"], linewidth=0.5, alpha=0.25)
        axes.plot(*thinned(at, smoothed(y, beta)), linewidth=1.6, **how)
    else:
        few = {"marker": style.marker(i), "markersize": 4} if len(y) <= 40 else {}
        axes.plot(*thinned(at, y), **how, **few)
    broken = np.flatnonzero(~np.isfinite(y))
    if len(broken) and broken[0] > 0 and np.isfinite(y[broken[0] - 1]):
        last = broken[0] - 1  # a cross where the run stopped being a number
        axes.plot(at[last], y[last], "x", color=how["color"], markersize=9, markeredgewidth=2)
    return y


def _legend_of_runs(sheet: Any, axes: Any, free: list[Any], names: list[str], columns: int) -> None:
    """Which line is which run: in the place of a panel that is not needed, below the panels, or in the one there is."""
    from matplotlib.lines import Line2D

    listed = names[:24]
    handles = [
        Line2D([], [], label=name, marker=style.marker(i), markersize=4, **style.line(i, len(names)))
        for i, name in enumerate(listed)
    ]
    if len(names) > len(listed):
        handles.append(Line2D([], [], linestyle="none", label=f"… and {len(names) - len(listed)} more"))
    if free and len(handles) <= 12:
        free[0].legend(handles=handles, loc="center", handlelength=4)
    elif sheet.given is None:
        sheet.figure.legend(handles=handles, loc="outside lower center", ncols=columns, handlelength=4)
    else:
        axes.legend(handles=handles, handlelength=3)


# What there is in the rows ------------------------------------------------------------------------------------------


def _columns(rows: list[Row]) -> list[str]:
    """The columns with numbers, in order of appearance, but for those that say where a row is."""
    found = dict.fromkeys(name for row in rows for name in row if name not in _KNOWN and cell(row, name) is not None)
    return list(found)


def _plain_columns(rows: list[Row]) -> list[str]:
    """Hyperparameters: what is neither a loss nor a metric."""
    return [name for name in _columns(rows) if not name.startswith(("val_", "train_")) and name != "loss"]


def _panels(rows: list[Row]) -> list[str]:
    metrics = [name for name in _columns(rows) if name.startswith(("val_", "train_")) and not name.endswith("_loss")]
    settings = _plain_columns(rows)
    changing = [
        name for name in settings if name != "lr" and np.unique(column(_having(rows, name, None), name)).size > 1
    ]
    return ["loss", *metrics, *(["lr"] if "lr" in settings else []), *changing]


def _comparable(rows: list[Row]) -> list[str]:
    return [name for name in _columns(rows) if name.startswith(("train_", "val_"))]


def _column(name: str) -> str:
    return {"loss": "val_loss"}.get(name, name)


def _known(name: str, rows: list[Row]) -> str:
    there = _columns(rows)
    if name == "loss" or name in there:
        return name
    if f"val_{name}" in there:
        return f"val_{name}"
    raise ValueError(f"show: the rows have no {name!r}; there are 'loss', {', '.join(map(repr, there)) or 'no others'}")


def _having(rows: list[Row], name: str, kind: str | None) -> list[Row]:
    """The rows of a kind (any, for None; a row that names none is a step) that have a number under `name`."""
    return [row for row in rows if kind in (None, row.get("kind", "step")) and cell(row, name) is not None]


def _label(name: str) -> str:
    """A column's name in words: "val_top_k" is "validation top k"."""
    for start, word in (("val_", "validation "), ("train_", "training ")):
        if name.startswith(start):
            rest = name[len(start) :]
            return style.plain(word + _NAMES.get(rest, rest.replace("_", " ")), 30)
    return style.plain(_NAMES.get(name, name.replace("_", " ")), 30)


def _where(having: list[Row], rows: list[Row], x: str) -> Array:
    """Where on the x axis the rows stand. Between the ends of epochs, their number grows evenly with the steps."""
    if x != "epoch":
        return column(having, x)
    ends = [row for row in rows if row.get("kind") == "epoch" and cell(row, "epoch") is not None]
    if not ends:
        return column(having, "epoch")
    step, epoch = np.append(0.0, column(ends, "step")), np.append(0.0, column(ends, "epoch"))
    if cell(ends[0], "epoch") != 1:  # the rows begin in the middle of a run
        step, epoch = step[1:], epoch[1:]
    at = column(having, "step")
    place = np.interp(at, step, epoch)
    if len(step) > 1 and step[-1] > step[-2]:
        rate = (epoch[-1] - epoch[-2]) / (step[-1] - step[-2])
        place = np.where(at > step[-1], epoch[-1] + (at - step[-1]) * rate, place)
    return place


def _scale(axes: Any, y: Array, name: str) -> None:
    """A logarithmic axis where a loss or a rate spans factors; an axis that a few infinities do not spoil."""
    if name == "lr":  # most schedules are shapes to be seen on a plain axis; one that falls by factors is not
        if wide(y, 8) and np.nanmax(y) > 8 * np.nanmedian(y):
            axes.set_yscale("log")
        return
    measure = name.startswith("val_") and "loss" not in name and "error" not in name and name != "val_mae"
    if wide(y) and not measure:
        axes.set_yscale("log")
    elif not measure:
        known = y[np.isfinite(y)]
        if known.size and known.min() < 0 and np.abs(known).max() > 1e3 * max(np.median(np.abs(known)), 1e-12):
            axes.set_yscale("symlog", linthresh=max(float(np.median(np.abs(known))), 1e-12))


def _beta(smooth: float | None, count: int) -> float:
    """The β asked for, or the one that averages over a fiftieth of the curve; 0 where that is not worth a line."""
    if smooth is not None:
        return float(smooth)
    return 0.0 if count < 30 else 1 - 1 / max(count / 50, 3)


def _check(x: str, smooth: float | None) -> None:
    if x not in _AXES:
        raise ValueError(f"x={x!r}: write one of {', '.join(map(repr, _AXES))}")
    if smooth is not None and not 0 <= smooth < 1:
        raise ValueError(f"smooth={smooth!r}: β is at least 0 and less than 1")
