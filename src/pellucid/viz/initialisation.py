"""What each way to initialise a network does to the variance of activations and gradients through its layers."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

import numpy as np

from pellucid.viz import style


def initialisation(
    record: Mapping[str, Any],
    *,
    schemes: Sequence[str] | None = None,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """Variance of the activations (above) and of the gradients (below) over the layers, a line per scheme.

    A line that stays level is a good beginning; one that falls vanishes, one that climbs explodes. The axes of the
    variance are logarithmic; a variance of 0, or one that is not finite, leaves a gap.

    Args:
        record: what `initialisation_report(...).record()` gives: `{"layers": [n names], "forward": {scheme: (n,)},
            "backward": {scheme: (n,)}}`.
        schemes: which to draw; by default all.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: a scheme is not in the record.

        >>> record = {"layers": ["0 Linear", "1 ReLU"], "forward": {"as built": [1, 0.5]}, "backward": {}}
        >>> [panel.get_ylabel() for panel in initialisation(record).axes]
        ['variance of activations', 'variance of gradients']
    """
    layers = [style.plain(name, 24) for name in record["layers"]]
    known = list(record["forward"])
    chosen = known if schemes is None else list(schemes)
    if missing := [name for name in chosen if name not in known]:
        raise ValueError(f"schemes: the record has no {missing[0]!r}; it has {', '.join(map(repr, known))}")
    with style.sheet(ax, save, "initialisation", height=5.4) as sheet:
        panels = sheet.grid(2, 1)[:, 0]
        for axes, direction, what in zip(panels, ("forward", "backward"), ("activations", "gradients"), strict=True):
            for place, name in enumerate(chosen):
                values = np.asarray(record[direction].get(name, np.full(len(layers), np.nan)), np.float64)
                values = np.where(np.isfinite(values) & (values > 0), values, np.nan)
                axes.plot(
                    np.arange(len(layers)), values, **style.line(place, len(chosen)), marker=style.marker(place),
                    markersize=5, markevery=(place % 3 if len(layers) > 12 else 0, max(1, len(layers) // 10)),
                    linewidth=1.4, label=style.plain(name, 24),
                )  # fmt: skip
            axes.set_yscale("log")
            axes.set_ylabel(f"variance of {what}")
            axes.set_xlim(-0.5, max(len(layers) - 0.5, 0.5))
            style.clean(axes)
        panels[0].axhline(1, color="black", linewidth=0.8, alpha=0.5)
        every = max(1, -(-len(layers) // 24))
        ticks = np.arange(0, len(layers), every)
        panels[0].set_xticks(ticks, [""] * len(ticks))
        panels[1].set_xticks(ticks, [layers[i] for i in ticks], rotation=90 if len(layers) > 6 else 0)
        panels[1].set_xlabel("layer, from input to output")
        panels[0].legend(loc="center left", bbox_to_anchor=(1.01, 0.5))
        sheet.title(title)
    return sheet.figure
