"""Curves over the steps of a run."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

# Okabe and Ito's colours, which all kinds of colour vision tell apart; the lines differ in shape too, for print.
TRAIN, VALIDATION, FAINT = "#0072B2", "#D55E00", "#56B4E9"


def loss_curves(rows: Sequence[dict[str, Any]], title: str, metric: str = "accuracy", path: Any = None) -> Any:
    """Training and validation loss, and beside them the validation metric, over the steps of a run.

    Args:
        rows: the rows of a `History`: `kind` ("step" or "epoch"), `step`, `train_loss`, `val_loss`, `val_<metric>`.
        title: what the figure is called.
        metric: the name of the metric.
        path: a file to write the figure to (PNG, SVG, PDF by its ending), or None.

    Returns the matplotlib figure: 1600 × 720 pixels, legible at half of that.
    """
    from matplotlib.figure import Figure

    figure = Figure(figsize=(8, 3.6), dpi=200, layout="constrained")
    left, right = figure.subplots(1, 2, width_ratios=(3, 2))
    figure.suptitle(title, fontsize=11)
    steps = [row for row in rows if row["kind"] == "step"]
    epochs = [row for row in rows if row["kind"] == "epoch"]
    at = [row["step"] for row in epochs]
    few = len(epochs) <= 40
    left.plot(
        [row["step"] for row in steps],
        [row["train_loss"] for row in steps],
        color=FAINT,
        linewidth=0.8,
        alpha=0.7,
        label="training, one batch",
    )
    left.plot(
        at,
        [row["train_loss"] for row in epochs],
        color=TRAIN,
        marker="o" if few else None,
        markersize=4,
        label="training, mean of the epoch",
    )
    measured = [row for row in epochs if "val_loss" in row]
    after = [row["step"] for row in measured]
    left.plot(
        after,
        [row["val_loss"] for row in measured],
        color=VALIDATION,
        linestyle="--",
        marker="s" if few else None,
        markersize=4,
        label="validation, after the epoch",
    )
    positive = [value for row in rows for value in (row["train_loss"], row.get("val_loss", 1.0)) if value > 0]
    if positive and max(positive) > 20 * min(positive):
        left.set_yscale("log")  # a loss falls by factors
    left.set(xlabel="step", ylabel="loss")
    left.legend(frameon=False, fontsize=9)
    values = [row[f"val_{metric}"] for row in measured]
    right.plot(after, values, color=VALIDATION, linestyle="--", marker="s" if few else None, markersize=4)
    name = "R²" if metric == "r2" else metric
    right.set(xlabel="step", ylabel=f"validation {name}")
    if values:
        right.set_title(f"{name} {values[-1]:.4f} at the end", fontsize=10)
    for axis in (left, right):
        axis.grid(alpha=0.25)
        axis.spines[["top", "right"]].set_visible(False)
    if path is not None:
        figure.savefig(path)
    return figure
