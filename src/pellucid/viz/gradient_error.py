"""A gradient beside the true one: where it is off, and by how much."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array

_MOST = 6  # tensors that one figure holds


def gradient_error(
    tensors: Mapping[str, tuple[Any, Any]],
    mistakes: Mapping[str, str] | None = None,
    *,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """For each tensor three panels side by side: the true gradient, the one that was given, given − true.

    All three of a tensor have one scale, blue below zero and red above; what is beyond two dimensions is laid out in
    rows. A gradient of another shape, or none, is said in words.

    Args:
        tensors: `{name: (true, given)}`; `given` may be None.
        mistakes: `{name: mistake}`, written beside the name.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

        >>> figure = gradient_error({"w": (np.eye(2), -np.eye(2))}, {"w": "sign"})
        >>> [axes.get_title() for axes in figure.axes[:3]]
        ['true', 'given', 'given − true']
    """
    style.need_matplotlib()
    shown = list(tensors.items())[:_MOST]
    rows = max(len(shown), 1)
    with style.sheet(ax, save, "gradient-error", width=8.0, height=1.1 + 1.6 * rows) as sheet:
        if not shown:
            style.say(sheet.axes(), "there is no gradient to compare")
            return sheet.figure
        grid = sheet.grid(rows, 3)
        for row, (name, (true, given)) in enumerate(shown):
            true = _matrix(np.asarray(true, dtype=float))
            said = (mistakes or {}).get(name)
            grid[row, 0].set_ylabel(f"{name}\n{said}" if said else name, fontsize=9)
            heading = ("true", "given", "given − true") if row == 0 else ("", "", "")
            given = None if given is None else np.asarray(given, dtype=float)
            fits = given is not None and given.size == true.size
            other = _matrix(given) if given is not None else None
            panels = (true, other, other.reshape(true.shape) - true if fits and other is not None else None)
            finite = [panel[np.isfinite(panel)] for panel in panels if panel is not None]
            scale = max((float(np.abs(values).max(initial=0)) for values in finite), default=0) or 1.0
            for column, panel in enumerate(panels):
                axes = grid[row, column]
                axes.set_title(heading[column])
                if panel is None:
                    text = "none given" if given is None else f"shape {given.shape}\nis another"
                    style.say(axes, text)
                    continue
                image = axes.imshow(
                    panel, cmap="RdBu_r", vmin=-scale, vmax=scale, aspect="auto", interpolation="nearest"
                )
                axes.grid(False)
                axes.set(xticks=[], yticks=[])
                if column == 2:
                    sheet.figure.colorbar(image, ax=axes, shrink=0.9)
        if len(tensors) > _MOST:
            title = f"{title or ''} ({len(tensors) - _MOST} more)".strip()
        sheet.title(title)
    return sheet.figure


def _matrix(values: Array) -> Array:
    """Any array as rows and columns: a vector is one row, further axes go into the rows."""
    return values.reshape(1, -1) if values.ndim < 2 else values.reshape(-1, values.shape[-1])
