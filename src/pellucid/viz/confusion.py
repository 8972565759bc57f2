"""The confusion matrix: what was taken for what."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, array

_WITH_NUMBERS = 15  # classes: with no more than this there is room for numbers in the cells


def confusion_matrix(
    matrix: Any, class_names: Sequence[Any] | None = None, *, title: str | None = None, ax: Any = None, save: Any = None
) -> Any:
    """True classes down, predicted classes across; darkness is the share of the row.

    Up to 15 classes each cell holds the count and, below it, the share of its true class in per cent. With more
    classes, a list beside the matrix names the most frequent mistakes.

    Args:
        matrix: (classes, classes), counts: `matrix[i, j]` samples of class i were taken for class j.
        class_names: a name per class.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: the matrix is not square, or a count is negative or not finite; too few names.

        >>> figure = confusion_matrix([[8, 2], [0, 5]], ["outside", "inside"])
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['8\\n80 %', '2\\n20 %', '0', '5\\n100 %']
    """
    counts = array(matrix, "matrix")
    if counts.ndim != 2 or counts.shape[0] != counts.shape[1]:
        raise ValueError(f"matrix has shape {counts.shape}; (classes, classes) is needed")
    if not np.isfinite(counts).all() or (counts < 0).any():
        raise ValueError("matrix holds a count that is negative or not a number")
    n = len(counts)
    words = style.names(n, class_names, limit=14 if n > 6 else 20)
    total = counts.sum(axis=1, keepdims=True)
    share = np.divide(counts, total, out=np.zeros(counts.shape), where=total > 0)
    small = n <= _WITH_NUMBERS
    side = min(max(0.62 * n + 1.6, 4.0), 8.0) if small else 4.6
    style.need_matplotlib()
    from matplotlib.colors import LogNorm, Normalize

    with style.sheet(ax, save, "confusion", width=side + 1.0 if small else 8.0, height=side) as sheet:
        if n == 0 or not counts.any():
            style.say(sheet.axes(), "no sample has been counted yet")
            return sheet.figure
        if small:
            axes, listed = sheet.axes(), None
        else:
            cells = sheet.cells(1, 2, width_ratios=(1.9, 1))
            axes, listed = sheet.put(cells[0, 0]), sheet.put(cells[0, 1])
        # A rare mistake among many classes is a pale dot that no one would see on an even scale.
        norm = Normalize(0, 1) if small else LogNorm(1e-3, 1, clip=True)
        shown = share if small else np.ma.masked_equal(share, 0)
        image = axes.imshow(shown, cmap="Blues", norm=norm, interpolation="nearest", aspect="equal")
        axes.grid(False)
        axes.set(xlabel="predicted", ylabel="true")
        _ticks(axes, words)
        accuracy = np.trace(counts) / counts.sum()
        of = f"{int(np.trace(counts)):,} of {int(counts.sum()):,} right, {style.percent(accuracy, 1)}"
        if listed is None:
            _numbers(axes, counts, share, image)
            for edge in np.arange(-0.5, n):
                axes.axhline(edge, color="white", linewidth=1)
                axes.axvline(edge, color="white", linewidth=1)
        else:
            sheet.figure.colorbar(image, ax=axes, label="share of the true class", shrink=0.8)
            _worst(listed, counts, words)
        sheet.title(title)
        axes.set_title(of, fontsize=10)
    return sheet.figure


def _ticks(axes: Any, words: list[str]) -> None:
    n = len(words)
    step = next(step for step in (1, 2, 5, 10, 20, 25, 50, 100, 10**9) if n / step <= 20)
    at = list(range(0, n, step))
    chosen = [words[i] for i in at]
    long = max(len(word) for word in chosen) > (40 // max(len(chosen), 1)) + 2
    axes.set_yticks(at, chosen)
    axes.set_xticks(at, chosen, rotation=90 if len(chosen) > 12 or max(map(len, chosen)) > 12 else 45 if long else 0)
    if long and n <= 12 and max(map(len, chosen)) <= 12:
        for label in axes.get_xticklabels():
            label.set(ha="right", rotation_mode="anchor")
    axes.tick_params(length=0)
    axes.spines[:].set_visible(False)


def _numbers(axes: Any, counts: Array, share: Array, image: Any) -> None:
    n = len(counts)
    size = 10 if n <= 6 else 9 if n <= 10 else 6.5
    for i in range(n):
        for j in range(n):
            count = f"{counts[i, j]:,.0f}" if counts[i, j] == int(counts[i, j]) else f"{counts[i, j]:.3g}"
            text = f"{count}\n{style.percent(share[i, j])}" if counts[i, j] else "0"
            axes.text(
                j, i, text, ha="center", va="center", fontsize=size, linespacing=1.25,
                color=style.ink_on(image.cmap(image.norm(share[i, j]))) if counts[i, j] else "#999999",
            )  # fmt: skip


def _worst(axes: Any, counts: Array, words: list[str], most: int = 12) -> None:
    """The most frequent mistakes as bars with their names."""
    off = counts * (1 - np.eye(len(counts)))
    order = np.argsort(off, axis=None)[::-1][:most]
    pairs = [(int(k) // len(counts), int(k) % len(counts)) for k in order if off.reshape(-1)[k] > 0]
    if not pairs:
        style.say(axes, "no mistake")
        return
    bars = axes.barh(range(len(pairs)), [off[pair] for pair in pairs], color=style.VERMILLION)
    axes.bar_label(bars, fmt=lambda value: f"{value:,.0f}", padding=2, fontsize=8)
    axes.set_yticks(range(len(pairs)), [f"{words[i]} → {words[j]}" for i, j in pairs], fontsize=8)
    axes.invert_yaxis()
    axes.margins(x=0.2)
    axes.set_title("most frequent mistakes", fontsize=9)
    axes.set(xlabel="samples", ylabel="true → predicted")
    style.clean(axes)
    axes.grid(False, axis="y")
