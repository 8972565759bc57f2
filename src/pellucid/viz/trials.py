"""The trials of a search over hyperparameters: what each parameter does to the value that is sought."""

from __future__ import annotations

import math
from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.curves import legends_above
from pellucid.viz.values import Array, cell, wide


def sweep(
    records: Iterable[Mapping[str, Any]],
    value: str = "value",
    *,
    parameters: Sequence[str] | None = None,
    best: str = "min",
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """The trials of a sweep. The best is ringed; one without a value (failed, diverged) is a cross at the worst end.

    One parameter: the value over it. Two: also a map, a cell per combination (the mean where one was tried several
    times) where they form a grid, a dot per trial where they do not. More: a panel per parameter, and below them all
    trials as lines through parallel axes.

    Args:
        records: a dict per trial: the parameters (numbers or words) and, under the name `value`, what came out: a
            number; None or NaN where nothing did.
        value: the name of what came out.
        parameters: which of the other keys are parameters; by default those that differ between trials.
        best: "min" where a small value is good, such as a loss; "max" where a great one is.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: no record has the value or one of the parameters, or `best` is neither.

        >>> trials = [{"lr": 0.1, "value": 0.5}, {"lr": 0.01, "value": 0.3}]
        >>> sweep(trials).axes[0].get_xlabel()
        'lr'
    """
    if best not in ("min", "max"):
        raise ValueError(f"best={best!r}: write 'min' or 'max'")
    rows = [dict(record) for record in records]
    with style.sheet(ax, save, "sweep", height=_height(rows, value, parameters)) as sheet:
        if not rows:
            style.say(sheet.axes(), "no trial has been run yet")
            return sheet.figure
        if not any(value in row for row in rows):
            keys = sorted({str(key) for row in rows for key in row})
            raise ValueError(f"value={value!r}: no record has that; they have {', '.join(keys)}")
        trials = _read(rows, value, parameters, best)
        if not trials.scales:
            style.say(sheet.axes(), "no parameter differs between the trials")
        elif not np.isfinite(trials.values).any():
            style.say(sheet.axes(), f"none of the {len(rows)} trials has a value")
        elif len(trials.scales) == 1:
            axes = sheet.axes()
            _over_one(axes, trials, 0)
            axes.legend(loc="best")
        elif len(trials.scales) == 2:
            cells = sheet.cells(2, 2, width_ratios=(1.7, 1))
            _map(sheet, sheet.put(cells[:, 0]), trials)
            for i in range(2):
                axes = sheet.put(cells[i, 1])
                _over_one(axes, trials, i)
        else:
            _many(sheet, trials)
        sheet.title(title)
    return sheet.figure


def sweep_apart(
    records: Iterable[Mapping[str, Any]], value: str, parameters: Sequence[str], best: str = "min"
) -> list[Any]:
    """The panels of `sweep` as figures of their own, which stand beside each other, or below each other on a telephone.

    Returns:
        Where the parameters are several, a figure of them all together: of two their map, of more the parallel axes,
        which is as wide as they need. Then one for each of them.

        >>> trials = [{"lr": 0.1, "width": 8, "value": 0.5}, {"lr": 0.01, "width": 9, "value": 0.3}]
        >>> [figure.axes[0].get_xlabel() for figure in sweep_apart(trials, "value", ["lr", "width"])]
        ['lr', 'lr', 'width']
    """
    trials = _read([dict(record) for record in records], value, parameters, best)
    count = len(trials.scales)
    figures: list[Any] = []
    if count > 1:
        with style.sheet(
            None, None, "sweep", *((4.2, 4.2) if count == 2 else (max(4.2, 1.3 * count + 1.3), 3.4))
        ) as sheet:
            (_map if count == 2 else _parallel)(sheet, sheet.axes(), trials)
        figures.append(sheet.figure)
    for i in range(count):
        with style.sheet(None, None, "sweep", 4.2, 3.2) as sheet:
            axes = sheet.axes()
            _over_one(axes, trials, i)
            legends_above([axes.legend().axes])
        figures.append(sheet.figure)
    return figures


@dataclass(frozen=True)
class Scale:
    """A parameter: its name, where each trial stands on its axis, and what is written at which places."""

    name: str
    at: Array
    ticks: list[tuple[float, str]] | None  # of words, which stand at 0, 1, 2, …
    log: bool

    def part(self) -> Array:
        """Where each trial stands, from 0 to 1."""
        at = np.log(self.at) if self.log else self.at
        low, high = np.nanmin(at), np.nanmax(at)
        return (at - low) / (high - low) if high > low else np.full(len(at), 0.5)


@dataclass(frozen=True)
class Trials:
    """The records, read."""

    value: str
    values: Array
    scales: list[Scale]
    best: int
    minimum: bool

    @property
    def log(self) -> bool:
        return wide(self.values)


def _read(rows: list[dict[str, Any]], value: str, parameters: Sequence[str] | None, best: str) -> Trials:
    values = np.array([math.nan if (v := cell(row, value)) is None else v for row in rows])
    values[~np.isfinite(values)] = np.nan
    if parameters is None:
        parameters = _differing(rows, value)
    for name in parameters:
        if not any(name in row for row in rows):
            raise ValueError(f"parameters: no record has {name!r}")
    signed = values if best == "min" else -values
    at = int(np.nanargmin(signed)) if np.isfinite(values).any() else -1
    return Trials(
        value, values, [_scale(name, [row.get(name) for row in rows]) for name in parameters], at, best == "min"
    )


def _differing(rows: list[dict[str, Any]], value: str) -> list[str]:
    """The parameters: what differs between trials, but the value and the book-keeping around it."""
    keys = dict.fromkeys(key for row in rows for key in row)
    book = {value, "trial", "number", "state", "seconds", "path", "run", "folder", "error", "seed"}
    return [key for key in keys if key not in book and len({repr(row.get(key)) for row in rows}) > 1]


def _scale(name: str, given: list[Any]) -> Scale:
    numbers = [cell({"": value}, "") if not isinstance(value, str) else None for value in given]
    if all(number is not None or value is None for number, value in zip(numbers, given, strict=True)):
        at = np.array([math.nan if number is None else number for number in numbers])
        known = np.unique(at[np.isfinite(at)])
        # A geometric range, as of learning rates or batch sizes, has equal steps on a logarithmic axis only.
        return Scale(name, at, None, bool(wide(known, 7.9)) and _off_centre(np.log(known)) < _off_centre(known))
    words = list(dict.fromkeys(str(value) for value in given))
    return Scale(
        name, np.array([words.index(str(value)) for value in given], float),
        [(i, style.plain(word, 14)) for i, word in enumerate(words)], False,
    )  # fmt: skip


def _off_centre(values: Array) -> float:
    """How far the median lies from the middle of the range, in parts of the range."""
    low, high = values.min(), values.max()
    return abs(float(np.median(values) - (low + high) / 2)) / float(high - low)


def _height(rows: list[dict[str, Any]], value: str, parameters: Sequence[str] | None) -> float:
    count = len(_differing(rows, value) if parameters is None else parameters)
    return 3.6 if count <= 1 else 4.2 if count == 2 else 3.4 + 2.1 * math.ceil(count / 4)


def _over_one(axes: Any, trials: Trials, i: int) -> None:
    """The value over one parameter, a dot per trial."""
    scale, values = trials.scales[i], trials.values
    ran = np.isfinite(values) & np.isfinite(scale.at)
    axes.scatter(
        scale.at[ran], values[ran], s=26, color=style.BLUE, edgecolors="white", linewidths=0.5, label="a trial"
    )
    if trials.log:
        axes.set_yscale("log")
    _ring(axes, scale.at[trials.best], trials)
    failed = ~np.isfinite(values) & np.isfinite(scale.at)
    if failed.any():
        axes.plot(
            scale.at[failed], np.full(int(failed.sum()), 0.94 if trials.minimum else 0.06), "x", color=style.VERMILLION,
            markersize=7, markeredgewidth=1.8, transform=axes.get_xaxis_transform(), label="no value",
        )  # fmt: skip
        axes.margins(y=0.15)
    _mark(axes.xaxis, scale)
    axes.set(xlabel=style.plain(scale.name, 24), ylabel=style.plain(trials.value, 24))
    style.clean(axes)


def _ring(axes: Any, at: float, trials: Trials) -> None:
    best = trials.values[trials.best]
    axes.plot(
        at, best, marker="o", markersize=12, markerfacecolor="none", markeredgecolor="black", markeredgewidth=1.5,
        linestyle="none", label=f"best: {style.number(float(best))}", clip_on=False, zorder=5,
    )  # fmt: skip


def _mark(axis: Any, scale: Scale) -> None:
    """Ticks: words where they are words, the values tried where they are few, else what the axis finds."""
    from matplotlib.ticker import NullFormatter, NullLocator

    is_x = axis.axis_name == "x"
    if scale.log:
        (axis.axes.set_xscale if is_x else axis.axes.set_yscale)("log")
    known = np.unique(scale.at[np.isfinite(scale.at)])
    few = _few_and_apart(known, scale.log)
    if scale.ticks is not None:
        axis.set_ticks([at for at, _ in scale.ticks], [word for _, word in scale.ticks])
        if is_x and sum(len(word) for _, word in scale.ticks) > 24:
            axis.set_tick_params(rotation=30)
    elif few or scale.log:
        marks = known if few else _round_numbers(known, scale.log)
        axis.set_ticks(marks, [style.number(float(at)) for at in marks])
        if few:
            axis.set_minor_locator(NullLocator())
        axis.set_minor_formatter(NullFormatter())


def _map(sheet: Any, axes: Any, trials: Trials) -> None:
    """Both parameters and the value as colour: cells where the trials form a grid, else dots."""
    from matplotlib.colors import LogNorm, Normalize
    from matplotlib.patches import Rectangle
    from matplotlib.ticker import MaxNLocator

    across, up = trials.scales
    values = trials.values
    known = values[np.isfinite(values)]
    norm = (LogNorm if trials.log else Normalize)(float(known.min()), float(known.max()))
    # Dark is good: the smallest where the least is sought.
    colours = "viridis" if trials.minimum else "viridis_r"
    first, second = (np.unique(scale.at[np.isfinite(scale.at)]) for scale in (across, up))
    grid = len(first) * len(second) <= 2 * len(values) and len(first) <= 30 and len(second) <= 30
    if grid:
        table = np.full((len(second), len(first)), np.nan)
        tried = np.zeros(table.shape, bool)
        for row, b in enumerate(second):
            for column, a in enumerate(first):
                here = (across.at == a) & (up.at == b)
                tried[row, column] = here.any()
                if np.isfinite(values[here]).any():
                    table[row, column] = np.nanmean(values[here])
        shown = axes.imshow(
            np.ma.masked_invalid(table), origin="lower", aspect="auto", cmap=colours, norm=norm, interpolation="nearest"
        )
        small = table.size <= 80
        for (row, column), number in np.ndenumerate(table):
            if not tried[row, column]:
                continue
            if np.isnan(number):
                axes.text(column, row, "✗", ha="center", va="center", color=style.VERMILLION, fontsize=11)
            elif small:
                ink = style.ink_on(shown.cmap(shown.norm(number)))
                axes.text(column, row, _digits(number, known), ha="center", va="center", color=ink, fontsize=8)
        place = np.argwhere(table == (np.nanmin(table) if trials.minimum else np.nanmax(table)))[0]
        axes.add_patch(
            Rectangle(
                (place[1] - 0.5, place[0] - 0.5), 1, 1, fill=False, edgecolor=style.VERMILLION, linewidth=3,
                clip_on=False, zorder=4,
            )
        )  # fmt: skip
        for axis, scale, places in ((axes.xaxis, across, first), (axes.yaxis, up, second)):
            words = dict(scale.ticks or [])
            step = max(1, len(places) // 8)
            axis.set_ticks(
                range(0, len(places), step),
                [words.get(float(at), style.number(float(at))) for at in places[::step]],
            )
        axes.grid(False)
        axes.spines[:].set_visible(False)
    else:
        ran = np.isfinite(values) & np.isfinite(across.at) & np.isfinite(up.at)
        shown = axes.scatter(
            across.at[ran], up.at[ran], c=values[ran], cmap=colours, norm=norm, s=70, edgecolors="black", linewidths=0.5
        )
        axes.plot(
            across.at[~ran], up.at[~ran], "x", color=style.VERMILLION, markersize=8, markeredgewidth=2, linestyle="none"
        )
        axes.plot(
            across.at[trials.best], up.at[trials.best], marker="o", markersize=15, markerfacecolor="none",
            markeredgecolor=style.VERMILLION, markeredgewidth=2.2, linestyle="none",
        )  # fmt: skip
        _mark(axes.xaxis, across)
        _mark(axes.yaxis, up)
        style.clean(axes)
    axes.set(xlabel=style.plain(across.name, 24), ylabel=style.plain(up.name, 24))
    axes.set_title(f"best: {style.number(float(values[trials.best]))}", fontsize=10)
    bar = sheet.figure.colorbar(
        shown, ax=axes, label=style.plain(trials.value, 24), location="bottom", shrink=0.8, aspect=30
    )
    if not trials.log:
        bar.locator = MaxNLocator(4)
        bar.update_ticks()


def _digits(number: float, among: Array) -> str:
    """A value of the map with the digits that tell it from the others, the same number for all that are alike."""
    spread = float(among.max() - among.min())
    if not spread or not 1e-3 <= abs(number) < 1e5:
        return style.number(number)
    return f"{number:.{min(max(2 - math.floor(math.log10(spread)), 0), 4)}f}"


def _many(sheet: Any, trials: Trials) -> None:
    """A panel per parameter above, parallel axes below."""
    count = len(trials.scales)
    columns = min(4, count)
    above = math.ceil(count / columns)
    cells = sheet.cells(above + 1, columns, height_ratios=[1] * above + [1.45])
    for i in range(count):
        axes = sheet.put(cells[i // columns, i % columns])
        _over_one(axes, trials, i)
        if i % columns:
            axes.set_ylabel("")
            axes.tick_params(labelleft=False)
    _parallel(sheet, sheet.put(cells[above, :]), trials)


def _parallel(sheet: Any, axes: Any, trials: Trials) -> None:
    """Each trial a line through its parameters to its value; good ones dark and on top, the best thick."""
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import LogNorm, Normalize

    values = trials.values
    known = values[np.isfinite(values)]
    outcome = Scale(trials.value, values, None, trials.log)
    scales = [*trials.scales, outcome]
    places = np.stack([scale.part() for scale in scales], axis=1)
    norm = (LogNorm if trials.log else Normalize)(float(known.min()), float(known.max()))
    scale_colours = ScalarMappable(norm, "viridis" if trials.minimum else "viridis_r")
    rings: dict[str, Any] = {"marker": "o", "markersize": 8, "markerfacecolor": "white", "markeredgecolor": "black"}
    order = np.argsort(np.where(np.isnan(values), np.inf if trials.minimum else -np.inf, values), kind="stable")
    for i in order[::-1] if trials.minimum else order:
        if np.isnan(values[i]):
            axes.plot(range(len(scales) - 1), places[i, :-1], color="#BBBBBB", linestyle=":", linewidth=1)
            continue
        main = i == trials.best
        axes.plot(
            range(len(scales)), places[i], color=style.VERMILLION if main else scale_colours.to_rgba(values[i]),
            linewidth=2.6 if main else 1.1, alpha=1 if main else 0.75, zorder=4 if main else 2,
            **(rings if main else {}),
        )  # fmt: skip
    for i, scale in enumerate(scales):
        axes.axvline(i, color="black", linewidth=1, zorder=3)
        for at, word in _labels(scale):
            axes.text(
                i + 0.04, at, word, fontsize=8, va="center", zorder=5,
                bbox={"facecolor": "white", "alpha": 0.7, "edgecolor": "none", "pad": 0.5},
            )  # fmt: skip
    axes.set_xticks(range(len(scales)), [style.plain(scale.name, 14) for scale in scales])
    axes.set_yticks([])
    axes.set(xlim=(-0.1, len(scales) - 0.6), ylim=(-0.06, 1.06))
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.set_title(f"all {len(values)} trials; the best is thick, with rings", fontsize=9)


def _labels(scale: Scale) -> list[tuple[float, str]]:
    """What is written along a parallel axis, and where on it from 0 to 1."""
    part = scale.part()
    if scale.ticks is not None:
        return [(float(part[np.flatnonzero(scale.at == at)[0]]), word) for at, word in scale.ticks[:8]]
    known = np.unique(scale.at[np.isfinite(scale.at)])
    if not _few_and_apart(known, scale.log):
        known = _round_numbers(known, scale.log)
    low, high = (math.log(v) if scale.log else v for v in (np.nanmin(scale.at), np.nanmax(scale.at)))
    middle = [((math.log(at) if scale.log else at) - low) / (high - low) if high > low else 0.5 for at in known]
    return [(place, style.number(float(at))) for place, at in zip(middle, known, strict=True)]


def _few_and_apart(known: Array, log: bool) -> bool:
    """Whether each value that was tried can be written at its place on an axis, without touching the next."""
    at = np.log(known) if log else known
    return len(known) <= 5 and bool((np.diff(at) >= 0.15 * (at[-1:] - at[:1])).all())


def _round_numbers(known: Array, log: bool) -> Array:
    """A few round numbers within the range: powers of ten on a logarithmic axis that is long enough."""
    from matplotlib.ticker import LogLocator, MaxNLocator

    steps = (1.0,) if known[-1] >= 100 * known[0] else (1.0, 2.0, 5.0)
    locator = LogLocator(subs=steps, numticks=6) if log else MaxNLocator(4)
    found = np.asarray(locator.tick_values(known[0], known[-1]))
    found = found[(found >= known[0]) & (found <= known[-1])]
    return found if len(found) > 1 else known[[0, -1]]
