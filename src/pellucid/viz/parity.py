"""How far two models are from each other, tensor by tensor and step by step, and how much of it rounding explains."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, sample

_MOST = 30  # tensors that the map has rows for
_PANELS = (("output", "loss", "input"), ("gradient", "output gradient"), ("update",), ("parameter", "buffer"))
_LEAST = 1e-9  # what a logarithmic axis shows of an error that is zero
_FLOOR = "#D5D5D5"


def parity(record: Any, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
    """The growth of the difference of two models: curves over the steps, and below them a map of every tensor.

    Above: an output, a gradient, an update and a parameter, each time the first that differs or else the one furthest
    from what rounding explains: its greatest difference, and as a grey floor what rounding explains of it. In the grey
    it is rounding; a square is a difference beyond rounding.

    Below: every tensor in the order of a step, in units of rounding; a dot is a difference beyond rounding, and the
    ring is the first. Where nothing differs it is the difference in float32, which is rounding.

    Args:
        record: what `check.parity` gives, or its `record()`: `{"frameworks": (…, …), "tensors": {name: {"kind",
            "step": (n,), "error": (n,), "rounding": (n,), "units": (n,), "beyond": (n,)}}, "first": {"step",
            "tensor"} | None}`; errors and rounding as parts of the tensor's greatest element.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

        >>> output = {"kind": "output", "step": [1, 2], "error": [1e-7, 1e-3], "rounding": [1e-7, 2e-7]}
        >>> output |= {"units": [1, 5000], "beyond": [False, True]}
        >>> figure = parity({"tensors": {"output 0": output}, "first": {"step": 2, "tensor": "output 0"}})
        >>> [axes.get_title(loc="left") for axes in figure.axes[:1]]
        ['output 0']
    """
    record = getattr(record, "record", lambda: record)()
    if not isinstance(record, Mapping) or "tensors" not in record:
        raise TypeError("record is what check.parity gives, or a dict with 'tensors'")
    tensors = {str(name): _entry(entry) for name, entry in record["tensors"].items()}
    first = record.get("first")
    shown = _chosen(tensors, first)
    rows = 0.16 * max(len(shown), 5) + 0.5
    with style.sheet(ax, save, "parity", width=8.0, height=2.8 + rows) as sheet:
        if not tensors:
            style.say(sheet.axes(), "no step has been compared")
            return sheet.figure
        panels = [name for name in (_shown_of(kinds, tensors, first) for kinds in _PANELS) if name]
        cells = sheet.cells(2, len(panels), height_ratios=[2.0, rows])
        _curves([sheet.put(cells[0, column]) for column in range(len(panels))], panels, tensors)
        _map(sheet.figure, sheet.put(cells[1, :]), {name: tensors[name] for name in shown}, len(tensors), first)
        if title is None:
            ours, theirs = (*record.get("frameworks", ()), "first", "second")[:2]
            if first:
                title = f"{ours} / {theirs}: apart from step {first['step']} on, {first['tensor']}"
            else:
                title = f"{ours} / {theirs}: equal up to rounding"
        sheet.title(title)
    return sheet.figure


def _entry(given: Mapping[str, Any]) -> dict[str, Any]:
    entry: dict[str, Any] = {"kind": given["kind"], "step": np.asarray(given["step"], dtype=int)}
    for name in ("error", "rounding", "units"):
        entry[name] = np.asarray(given[name], dtype=float)
    entry["beyond"] = np.asarray(given["beyond"], dtype=bool)
    return entry


def _chosen(tensors: Mapping[str, Any], first: Any) -> list[str]:
    """In the order of a step. Of many an even choice without inputs, which are outputs of others; and the first."""
    names = list(tensors)
    if len(names) <= _MOST:
        return names
    marked = first["tensor"] if first else None
    less = [name for name in names if tensors[name]["kind"] not in ("input", "buffer") or name == marked]
    places = set(sample(len(less), _MOST))
    if marked in less:
        places |= {less.index(marked), max(less.index(marked) - 1, 0)}
    return [less[place] for place in sorted(places)]


def _shown_of(kinds: tuple[str, ...], tensors: Mapping[str, Any], first: Any) -> str | None:
    """The tensor of these kinds that a panel shows: the first that differs, or what is furthest beyond rounding."""
    names = [name for name, entry in tensors.items() if entry["kind"] in kinds]
    if first and first["tensor"] in names:
        return first["tensor"]
    names = [name for name in names if tensors[name]["kind"] == kinds[0]] or names
    return max(names, key=lambda name: float(np.max(_finite(tensors[name]["units"]), initial=0.0)), default=None)


def _curves(row: list[Any], names: list[str], tensors: Mapping[str, Any]) -> None:
    top = 1e-5
    for axes, name in zip(row, names, strict=True):
        entry = tensors[name]
        steps, error, beyond = entry["step"], np.maximum(_finite(entry["error"]), _LEAST), entry["beyond"]
        floor = np.maximum(_finite(entry["rounding"]), _LEAST)
        wide = steps if len(steps) > 1 else np.array([steps[0] - 0.4, steps[0] + 0.4])
        axes.fill_between(wide, _LEAST, floor if len(steps) > 1 else floor.repeat(2), color=_FLOOR, linewidth=0)
        axes.plot(steps, error, color=style.BLUE, linewidth=1.3, zorder=3)
        size = 4 if len(steps) <= 12 else 3 if len(steps) <= 30 else 1.5
        axes.plot(steps[~beyond], error[~beyond], "o", color=style.BLUE, markersize=size, zorder=4)
        axes.plot(steps[beyond], error[beyond], "s", color=style.VERMILLION, markersize=size, zorder=4)
        axes.set_yscale("log")
        axes.set_title(style.plain(name, 24), loc="left", fontsize=9)
        axes.set_xlabel("step")
        style.few_ticks(axes, whole=True, count=4)
        style.clean(axes)
        top = max(top, float(error.max()), float(floor.max()))
    for axes in row:
        axes.set_ylim(_LEAST, 5 * top)
        if axes is not row[0]:
            axes.tick_params(labelleft=False)
    row[0].set_ylabel("greatest difference\n(part of greatest element)", fontsize=9)
    style.note(row[0], "rounding", x=0.96, y=0.03)


def _map(figure: Any, axes: Any, tensors: Mapping[str, Any], count: int, first: Any) -> None:
    from matplotlib.colors import LogNorm

    steps = np.unique(np.concatenate([entry["step"] for entry in tensors.values()]))
    units = np.full((len(tensors), len(steps)), np.nan)
    beyond = np.zeros(units.shape, dtype=bool)
    for row, entry in enumerate(tensors.values()):
        at = np.searchsorted(steps, entry["step"])
        units[row, at] = _finite(entry["units"]) if first else _ratio(entry)
        beyond[row, at] = entry["beyond"]
    top = min(max(100.0, float(np.nanmax(units, initial=1.0))), 1e9)
    width = (steps[-1] - steps[0]) / max(len(steps) - 1, 1) or 1.0
    left, right = steps[0] - width / 2, steps[-1] + width / 2
    image = axes.imshow(
        np.clip(units, 0.1, top), aspect="auto", interpolation="nearest", cmap=style.SEQUENTIAL,
        norm=LogNorm(0.1, top), extent=(left, right, len(tensors) - 0.5, -0.5),
    )  # fmt: skip
    marked = np.argwhere(beyond)
    if len(marked) and len(steps) <= 60:
        colours = [style.ink_on(image.cmap(image.norm(units[row, column]))) for row, column in marked]
        axes.scatter(steps[marked[:, 1]], marked[:, 0], s=5, c=colours, linewidths=0)
    names = list(tensors)
    if first and first["tensor"] in names:
        axes.scatter(
            [first["step"]], [names.index(first["tensor"])], s=90, facecolors="none", edgecolors=style.VERMILLION,
            linewidths=2, zorder=5, clip_on=False,
        )  # fmt: skip
    axes.set_yticks(range(len(names)), [style.plain(name, 34) for name in names], fontsize=7)
    axes.set_xlabel("step")
    axes.grid(False)
    style.few_ticks(axes, whole=True, count=10)
    if len(names) < count:
        axes.set_title(f"{len(names)} of {count} tensors", loc="left", fontsize=9)
    bar = figure.colorbar(image, ax=axes, pad=0.01, fraction=0.05)
    bar.set_label("difference\n(units of rounding)", fontsize=8)


def _ratio(entry: Mapping[str, Any]) -> Array:
    """The float32 difference in units of rounding: of models that are equal it is all there is to see."""
    with np.errstate(divide="ignore", invalid="ignore"):
        return np.nan_to_num(entry["error"] / entry["rounding"], nan=0.0, posinf=0.0)


def _finite(values: Array) -> Array:
    """Far up where they are infinite: there, one side is not a number."""
    return np.where(np.isfinite(values), values, 1e9)
