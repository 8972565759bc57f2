"""The loss around the trained weights, along two random directions: contours and relief."""

from __future__ import annotations

from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import array, wide


def loss_landscape(record: Any, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
    """The loss over the plane that two directions span through the weights, from above and in relief.

    The weights as they are lie in the middle. A logarithmic scale is used where the losses, all above 0, span a
    factor of more than 20; places where the loss is not a finite number stay white.

    Args:
        record: what `train.loss_landscape(...)` gives: `alphas` (n,), `betas` (m,), how far along the first and the
            second direction, and `losses` (n, m); as attributes or as the keys of a dict.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: the shapes do not fit, or there are fewer than two points along a direction.

        >>> losses = [[a * a + b * b for b in (-1, 0, 1)] for a in (-1, 0, 1)]
        >>> figure = loss_landscape({"alphas": [-1, 0, 1], "betas": [-1, 0, 1], "losses": losses})
        >>> figure.axes[0].get_xlabel()
        'first direction'
    """
    read = record.get if isinstance(record, dict) else lambda name: getattr(record, name, None)
    parts = [read(name) for name in ("alphas", "betas", "losses")]
    if any(part is None for part in parts):
        raise TypeError(f"record has alphas, betas and losses; received {type(record).__name__} without them all")
    alphas, betas = array(parts[0], "alphas", 1).astype(float), array(parts[1], "betas", 1).astype(float)
    losses = array(parts[2], "losses", 2).astype(float)
    if losses.shape != (len(alphas), len(betas)) or min(losses.shape) < 2:
        raise ValueError(
            f"losses has shape {losses.shape}, alphas {alphas.shape}, betas {betas.shape}: (n, m), (n,) and (m,) are "
            "needed, with n and m at least 2"
        )
    style.need_matplotlib()
    from matplotlib.ticker import FuncFormatter, MaxNLocator

    across, up = np.meshgrid(alphas, betas, indexing="ij")
    with style.sheet(ax, save, "loss-landscape", width=8.0, height=3.9) as sheet:
        finite = np.isfinite(losses)
        if not finite.any():
            style.say(sheet.axes(), "no loss is a finite number")
            return sheet.figure
        cells = sheet.cells(1, 2, width_ratios=(1, 1))
        flat, relief = sheet.put(cells[0, 0]), sheet.put(cells[0, 1], "3d")
        log = wide(losses)
        height = np.ma.masked_invalid(np.log10(np.where(finite, losses, np.nan)) if log else losses)
        if height.min() == height.max():
            flat.pcolormesh(across, up, height, cmap="viridis", shading="nearest")
            style.note(flat, f"the loss is {style.number(float(losses[finite][0]))} everywhere")
        else:
            shown = flat.contourf(across, up, height, levels=20, cmap="viridis")
            lines = flat.contour(across, up, height, levels=shown.levels[1::4], colors="white", linewidths=0.8)
            flat.clabel(lines, fontsize=8, fmt=lambda level: f"{float(10**level if log else level):.2g}")
        flat.plot(0, 0, marker="*", markersize=14, color=style.VERMILLION, markeredgecolor="white", linestyle="none",
                  label="the weights as they are")  # fmt: skip
        flat.legend(loc="upper right", fontsize=8)
        flat.grid(False)
        flat.set(xlabel="first direction", ylabel="second direction", aspect="equal", title="loss")
        relief.plot_surface(
            across, up, height.filled(np.nan), cmap="viridis", rcount=len(alphas), ccount=len(betas), linewidth=0.2,
            edgecolor="#00000033", vmin=height.min(), vmax=height.max(),
        )  # fmt: skip
        for axis in (flat.xaxis, flat.yaxis):
            axis.set_major_locator(MaxNLocator(5))
        for axis in (relief.xaxis, relief.yaxis, relief.zaxis):
            axis.set_major_locator(MaxNLocator(4, integer=log and axis is relief.zaxis))
        if log:
            relief.zaxis.set_major_formatter(FuncFormatter(lambda level, _: f"{10**level:.2g}"))
        relief.set(xlabel="first direction", ylabel="second direction", title="loss in relief")
        relief.tick_params(labelsize=8, pad=1)
        relief.set_box_aspect((1, 1, 0.75), zoom=0.95)
        relief.view_init(35, -55)
        sheet.title(title)
    return sheet.figure
