"""What the layers' activations did over the steps: their histograms as heat maps, mean, spread, zeros, saturation."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, array, same_length, sample

_SHOWN = ("histogram", "mean", "zeros")
_SHARES = (
    ("zeros", style.VERMILLION, "-", "s"),
    ("saturated", style.GREEN, "--", "^"),
    ("dead", style.BLACK, ":", "D"),
)


def activation_heatmap(
    record: Any,
    *,
    layers: Any = None,
    show: Any = _SHOWN,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """A row per layer: the histogram of its activations over the steps; mean ± standard deviation; zeros.

    A heat map's column is one step: how much of the layer had which value, dark for much, on a logarithmic scale. A
    healthy layer keeps its breadth; one that collapses into a line, or drifts, does not learn. The share of exact
    zeros and of dead units (zero for the whole batch) tells of ReLUs, that of saturated values of tanh and sigmoid.

    Args:
        record: an `ActivationStats`, or what its `record()` gives: `{layer: {"step": (n,), "mean": (n,), "std": (n,),
            "zeros": (n,), "saturated": (n,), "dead": (n,), "histogram": (n, bins), "edges": (bins + 1,), "class":
            "ReLU"}}`; or one layer's entry. What an entry lacks is not drawn.
        layers: the names of the layers to draw; by default all, or twelve evenly chosen of more.
        show: which of the columns "histogram", "mean" and "zeros".
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: a layer is not in the record, or the arrays of one do not fit each other.

        >>> layer = {"step": [1, 2], "mean": [0.0, 0.1], "std": [1.0, 0.9], "zeros": [0.5, 0.6]}
        >>> [panel.get_ylabel() for panel in activation_heatmap({"0": layer}).axes]
        ['mean ± std', 'share']
    """
    record = getattr(record, "record", lambda: record)()
    if not isinstance(record, Mapping):
        raise TypeError(f"record is a dict of statistics by layer, received {type(record).__name__}")
    if "step" in record and not isinstance(record["step"], Mapping):
        record = {"": record}
    show = [show] if isinstance(show, str) else list(show)
    if not show or set(show) - set(_SHOWN):
        raise ValueError(f"show={show!r}: write some of {', '.join(map(repr, _SHOWN))}")
    if layers is not None and set(layers) - set(record):
        raise ValueError(f"layers: the record has no {sorted(set(layers) - set(record))}; it has {sorted(record)}")
    chosen = list(record) if layers is None else list(layers)
    left_out = len(chosen) - 12 if layers is None else 0
    if left_out > 0:
        chosen = [chosen[i] for i in sample(len(chosen), 12)]
    entries = {name: _entry(record[name], name) for name in chosen}
    labels = {name: " ".join(dict.fromkeys((name, record[name].get("class", "")))).strip() for name in chosen}
    columns = [c for c in show if any(_has(entry, c) for entry in entries.values())]
    with style.sheet(ax, save, "activations", height=max(3.0, 0.6 + 1.7 * len(chosen))) as sheet:
        if not columns or not any(len(entry["step"]) for entry in entries.values()):
            style.say(sheet.axes(), "no activations have been recorded yet")
            return sheet.figure
        ratios = [1.8 if column == "histogram" else 1 for column in columns]
        grid = sheet.grid(len(chosen), len(columns), width_ratios=ratios)
        image = None
        for row, (name, entry) in zip(grid, entries.items(), strict=True):
            for axes, column in zip(row, columns, strict=True):
                if not _has(entry, column):
                    axes.set_axis_off()
                elif column == "histogram":
                    image = _heat(axes, entry)
                else:
                    (_mean if column == "mean" else _shares)(axes, entry)
                if axes is not grid[-1, columns.index(column)]:
                    axes.tick_params(labelbottom=False)
                else:
                    axes.set_xlabel("step")
                style.few_ticks(axes, whole=True, count=4)
            row[0].set_title(style.plain(labels[name], 50), loc="left", fontweight="bold")
        for panels in grid.T:
            style.align_labels(panels)
        if image is not None:
            # Parts of the height of all rows: a bar needs no more of it below many rows than below few.
            room: dict[str, Any] = {"pad": 0.06 / len(chosen), "fraction": 0.3 / len(chosen)}
            above = list(grid[:, columns.index("histogram")])
            bar = sheet.figure.colorbar(image, ax=above, location="bottom", shrink=0.8, aspect=40, **room)
            bar.set_label("share of the layer's activations")
        _one_legend(grid, columns)
        more = f" ({len(chosen)} of {len(record)} layers)" if left_out > 0 else ""
        sheet.title((title or "") + more)
    return sheet.figure


def _entry(entry: Any, name: str) -> dict[str, Array]:
    """A layer's arrays, checked against each other."""
    if not isinstance(entry, Mapping) or "step" not in entry:
        raise ValueError(f"the record of layer {name!r} is a dict that has at least 'step'")
    read = {key: array(value, f"{name}.{key}") for key, value in entry.items() if key != "class" and value is not None}
    same_length(**{key: value for key, value in read.items() if key != "edges"})
    if "histogram" in read and len(read["step"]):
        counts = read["histogram"]
        edges = read.get("edges")
        if counts.ndim != 2 or edges is None or edges.shape != (counts.shape[1] + 1,):
            raise ValueError(
                f"layer {name!r}: histogram has shape {counts.shape}, edges {None if edges is None else edges.shape}; "
                "(steps, bins) and (bins + 1,) are needed"
            )
    return read


def _has(entry: Mapping[str, Array], column: str) -> bool:
    keys = {"histogram": ("histogram",), "mean": ("mean",), "zeros": ("zeros", "saturated", "dead")}[column]
    return any(key in entry for key in keys) and len(entry["step"]) > 0


def _heat(axes: Any, entry: Mapping[str, Array]) -> Any:
    """Steps across, values up, the share of the activations as darkness."""
    from matplotlib.colors import LogNorm

    counts, step = entry["histogram"].astype(float), entry["step"].astype(float)
    if len(step) > 400:  # neighbouring steps are added up: a column thinner than a pixel would be lost
        starts = np.linspace(0, len(step), 401).astype(int)[:-1]
        counts, step = np.add.reduceat(counts, starts), step[starts]
    edges = _finite_edges(entry["edges"].astype(float))
    middle = (step[1:] + step[:-1]) / 2
    first = step[0] - (middle[0] - step[0] if len(middle) else 0.5)
    last = step[-1] + (step[-1] - middle[-1] if len(middle) else 0.5)
    total = counts.sum(axis=1, keepdims=True)
    share = counts / np.where(total > 0, total, 1)
    share = np.ma.masked_less_equal(np.ma.masked_invalid(share), 0)
    image = axes.pcolormesh(
        np.array([first, *middle, last]), edges, share.T, cmap=style.SEQUENTIAL, norm=LogNorm(1e-4, 1), rasterized=True
    )
    filled = np.flatnonzero(counts.sum(axis=0) > 0)
    if len(filled):  # no paper for values that never came
        axes.set_ylim(edges[max(filled[0] - 1, 0)], edges[min(filled[-1] + 2, len(edges) - 1)])
    axes.grid(False)
    axes.set_ylabel("value")
    return image


def _finite_edges(edges: Array) -> Array:
    """The bins at the ends may reach to infinity; they are drawn as wide as their neighbours."""
    edges = edges.copy()
    if len(edges) > 2:
        if not np.isfinite(edges[0]):
            edges[0] = 2 * edges[1] - edges[2]
        if not np.isfinite(edges[-1]):
            edges[-1] = 2 * edges[-2] - edges[-3]
    return edges


def _mean(axes: Any, entry: Mapping[str, Array]) -> None:
    step, mean = entry["step"], entry["mean"]
    at = sample(len(step), 2000)
    dot: dict[str, Any] = {"marker": "o", "markersize": 3} if len(step) <= 2 else {}
    if "std" in entry:
        std = entry["std"]
        axes.fill_between(step[at], (mean - std)[at], (mean + std)[at], color=style.SKY, alpha=0.45, linewidth=0)
        for edge in (mean - std, mean + std):
            axes.plot(step[at], edge[at], color=style.BLUE, linewidth=0.4, **dot)
    axes.plot(step[at], mean[at], color=style.BLUE, linewidth=1.4, **dot)
    axes.axhline(0, color="black", linewidth=0.6)
    axes.set_ylabel("mean ± std" if "std" in entry else "mean")
    style.clean(axes)


def _shares(axes: Any, entry: Mapping[str, Array]) -> None:
    step = entry["step"]
    at = sample(len(step), 2000)
    for key, colour, dashes, shape in _SHARES:
        share = entry[key].astype(float) if key in entry else np.empty(0)
        if key == "saturated" and "zeros" in entry and np.array_equal(share, entry["zeros"]):
            continue  # of a ReLU the two are one
        if np.isfinite(share).any():
            dot: dict[str, Any] = {"marker": shape, "markersize": 3} if len(step) <= 2 else {}
            axes.plot(step[at], share[at], color=colour, linestyle=dashes, linewidth=1.4, label=key, **dot)
    axes.set_ylim(-0.03, 1.03)
    axes.set_ylabel("share")
    style.clean(axes)


def _one_legend(grid: Array, columns: list[str]) -> None:
    """What the lines of the shares are, said once, in the panel on top."""
    if "zeros" in columns:
        panels = grid[:, columns.index("zeros")]
        known = {line.get_label(): line for axes in panels for line in axes.lines}
        panels[0].legend(known.values(), known.keys(), fontsize=8, loc="best")
