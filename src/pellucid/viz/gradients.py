"""How gradients flow to the parameters, how much each step changes them, and what they look like."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, array, same_length, sample, smoothed, thinned

GUIDE = 1e-3  # an update of about a thousandth of the weight is the usual rule of thumb (Karpathy, CS231n)


def gradient_flow(
    record: Any, *, parameters: Any = None, title: str | None = None, ax: Any = None, save: Any = None
) -> Any:
    """Gradients and updates per parameter: their typical size, first layer on top, and their course over the steps.

    On the left, a row per parameter: the median of its gradient's norm, with a bar from the 5th to the 95th
    percentile. On the right the norm over the steps (its moving geometric mean), and below it the update-to-weight
    ratio ‖Δw‖ / ‖w‖, with a guide at 10⁻³: far above, steps are too large; far below, the parameter hardly learns.

    Args:
        record: an `GradientStats`, or what its `record()` gives: `{parameter: {"step": (n,), "gradient_norm": (n,),
            "update_ratio": (n,), ...}}`; `update_ratio` may be absent.
        parameters: the names of those to draw; by default all, or twenty-four evenly chosen of more.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: a parameter is not in the record, or the arrays of one do not fit each other.

        >>> entry = {"step": [1, 2], "gradient_norm": [0.5, 0.4], "update_ratio": [1e-3, 1e-3]}
        >>> len(gradient_flow({"0.weight": entry, "0.bias": entry}).axes)
        3
    """
    record = getattr(record, "record", lambda: record)()
    if not isinstance(record, Mapping):
        raise TypeError(f"record is a dict of statistics by parameter, received {type(record).__name__}")
    if parameters is not None and set(parameters) - set(record):
        missing = sorted(set(parameters) - set(record))
        raise ValueError(f"parameters: the record has no {missing}; it has {sorted(record)}")
    chosen = list(record) if parameters is None else list(parameters)
    left_out = len(chosen) - 24 if parameters is None else 0
    if left_out > 0:
        chosen = [chosen[i] for i in sample(len(chosen), 24)]
    entries = {name: _entry(record[name], name) for name in chosen}
    with style.sheet(ax, save, "gradient-flow", height=max(4.2, 1.2 + 0.24 * len(chosen))) as sheet:
        if not any(len(entry["step"]) for entry in entries.values()):
            style.say(sheet.axes(), "no gradients have been recorded yet")
            return sheet.figure
        ratios = any("update_ratio" in entry for entry in entries.values())
        cells = sheet.cells(2 if ratios else 1, 2, width_ratios=(1, 1.5))
        _overview(sheet.put(cells[:, 0]), entries)
        norms = sheet.put(cells[0, 1])
        _lines(norms, entries, "gradient_norm")
        norms.set_ylabel("gradient norm")
        last = norms
        if ratios:
            norms.tick_params(labelbottom=False)
            last = sheet.put(cells[1, 1])
            _lines(last, entries, "update_ratio")
            last.axhline(GUIDE, color="black", linewidth=1.5, linestyle=(0, (1, 1)), zorder=5)
            last.annotate(
                "10⁻³", (1.0, GUIDE), xycoords=("axes fraction", "data"), xytext=(2, 0), textcoords="offset points",
                va="center", fontsize=8, annotation_clip=False,
            )  # fmt: skip
            last.set_ylabel("update / weight")
        last.set_xlabel("step")
        more = f" ({len(chosen)} of {len(record)} parameters)" if left_out > 0 else ""
        sheet.title((title or "") + more)
    return sheet.figure


def _entry(entry: Any, name: str) -> dict[str, Array]:
    if not isinstance(entry, Mapping) or "step" not in entry or "gradient_norm" not in entry:
        raise ValueError(f"the record of parameter {name!r} is a dict that has at least 'step' and 'gradient_norm'")
    keys = ("step", "gradient_norm", "update_ratio")
    read = {key: array(entry[key], f"{name}.{key}", 1).astype(float) for key in keys if entry.get(key) is not None}
    same_length(**read)
    return read


def _overview(axes: Any, entries: Mapping[str, Mapping[str, Array]]) -> None:
    """A row per parameter: marker and colour are those of its line on the right, which has no room for names."""
    for i, entry in enumerate(entries.values()):
        norms = entry["gradient_norm"]
        known = norms[np.isfinite(norms) & (norms > 0)]
        colour = style.line(i, len(entries))["color"]
        if len(known):
            low, middle, high = np.percentile(known, (5, 50, 95))
            axes.plot([low, high], [i, i], color=colour, linewidth=2, alpha=0.5, solid_capstyle="round")
            axes.plot(middle, i, marker=style.marker(i), color=colour, markersize=7, markeredgecolor="white")
        odd = len(norms) - int(np.isfinite(norms).sum())
        remark = f"not finite: {odd} of {len(norms)}" if odd else "all zero" if len(norms) and not len(known) else ""
        if remark:
            axes.annotate(remark, (0.03, i), xycoords=("axes fraction", "data"), fontsize=8, va="bottom")
    axes.set_yticks(range(len(entries)), [style.plain(name, 22) for name in entries])
    axes.set_ylim(len(entries) - 0.5, -0.5)
    axes.set_xlabel("gradient norm: median, 5–95 %")
    if axes.lines:
        from matplotlib.ticker import FuncFormatter, LogLocator, MaxNLocator, NullFormatter

        axes.set_xscale("log")
        low, high = axes.get_xlim()
        if high < 100 * low:  # numbers such as 2 × 10⁻¹ beside each other would run into each other
            axes.xaxis.set_major_locator(LogLocator(subs=(1, 3)) if high > 10 * low else MaxNLocator(3))
            axes.xaxis.set_major_formatter(FuncFormatter(lambda value, _: style.number(value)))
            axes.xaxis.set_minor_formatter(NullFormatter())
    style.clean(axes)


def _lines(axes: Any, entries: Mapping[str, Mapping[str, Array]], key: str) -> None:
    for i, entry in enumerate(entries.values()):
        if key not in entry:
            continue
        step, value = entry["step"], np.log(np.where(entry[key] > 0, entry[key], np.nan))
        if len(value) >= 60:  # the batches' noise would hide all lines but the last
            value = smoothed(value, 1 - 1 / max(len(value) / 50, 3))
        step, value = thinned(step, np.exp(value), 600)
        every = max(len(step) // 6, 1)
        axes.plot(
            step, value, marker=style.marker(i), markersize=5, markevery=(i * every // max(len(entries), 1), every),
            markeredgecolor="white", linewidth=1, **style.line(i, len(entries)),
        )  # fmt: skip
    axes.set_yscale("log")
    style.clean(axes)
    style.few_ticks(axes, whole=True)


def weight_histograms(
    weights: Mapping[str, Any],
    *,
    before: Mapping[str, Any] | None = None,
    bins: int = 50,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """A histogram of each parameter, with its mean and standard deviation.

    Args:
        weights: `{name: array}`: arrays or Tensors, as in a `state_dict`. Of more than 24, 24 evenly chosen are drawn.
        before: the same names with earlier values, drawn as an outline: what training has changed.
        bins: how many bars.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: `bins` is less than 1.

        >>> panel = weight_histograms({"weight": [[0.1, -0.2], [0.3, 0.0]]}).axes[0]
        >>> panel.get_title(loc="left")
        'weight (2, 2)'
    """
    if not isinstance(weights, Mapping):
        raise TypeError(f"weights is a dict of arrays by name, as a state_dict is; received {type(weights).__name__}")
    if bins < 1:
        raise ValueError(f"bins={bins}: at least one is needed")
    every = {name: array(value, name) for name, value in weights.items()}
    chosen = [list(every)[i] for i in sample(len(every), 24)]
    columns = min(3, len(chosen)) or 1
    rows = -(-len(chosen) // columns) or 1
    with style.sheet(ax, save, "weights", height=max(2.8, 0.5 + 1.75 * rows)) as sheet:
        if not chosen:
            style.say(sheet.axes(), "there are no parameters")
            return sheet.figure
        grid = [sheet.axes()] if len(chosen) == 1 else list(sheet.grid(rows, columns).reshape(-1))
        for axes, name in zip(grid, chosen, strict=False):
            earlier = None if before is None or name not in before else array(before[name], name)
            _histogram(axes, name, every[name], earlier, bins)
        for axes in grid[len(chosen) :]:
            axes.set_axis_off()
        for axes in grid[max(len(chosen) - columns, 0) : len(chosen)]:
            axes.set_xlabel("value", fontsize=8)
        if before is not None:
            grid[0].legend(loc="upper left", fontsize=8)
        more = f" ({len(chosen)} of {len(every)} parameters)" if len(chosen) < len(every) else ""
        sheet.title((title or "") + more)
    return sheet.figure


def _histogram(axes: Any, name: str, weight: Array, earlier: Array | None, bins: int) -> None:
    values = weight[np.isfinite(weight)].astype(float)
    axes.set_title(f"{style.plain(name, 24)} {tuple(weight.shape)}", loc="left", fontsize=9)
    if not values.size:
        style.say(axes, "no finite value" if weight.size else "empty")
        return
    both = values if earlier is None else np.append(values, earlier[np.isfinite(earlier)])
    low, high = float(both.min()), float(both.max())
    if low == high:
        low, high = low - 0.5 * (abs(low) or 1), high + 0.5 * (abs(high) or 1)
    edges = np.linspace(low, high, min(bins, max(8, int(3 * np.sqrt(values.size)))) + 1)
    axes.hist(values, edges, color=style.BLUE, alpha=0.75, label="now")
    if earlier is not None:
        old = earlier[np.isfinite(earlier)]
        axes.hist(old, edges, histtype="step", color="black", linestyle="--", linewidth=1, label="before")
    axes.axvline(0, color="black", linewidth=0.6)
    odd = weight.size - values.size
    told = f"mean {values.mean():.2g}\nstd {values.std():.2g}" + (f"\nnot finite: {odd:,}" if odd else "")
    axes.set_ylim(top=axes.get_ylim()[1] * 1.4)  # room above the bars for what is written there
    style.note(axes, told)
    axes.set_ylabel("count", fontsize=8)
    style.clean(axes)
    axes.tick_params(labelsize=8)
