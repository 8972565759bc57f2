"""Several runs on a page: a narrow figure for each quantity, which says which line is which run."""

from __future__ import annotations

from collections.abc import Mapping, Sequence
from typing import Any

from pellucid.viz import style
from pellucid.viz.curves import compare_curves

LISTED = 8  # runs that each figure lists; of more, only the first does


def compare_apart(runs: Mapping[str, Any], show: Sequence[str]) -> list[Any]:
    """The panels of `compare_curves` as narrow figures, which stand beside each other, or below each other on a
    telephone.

    Args:
        runs: `{name: Recorder or rows}`.
        show: the columns to compare, a figure each.

        >>> rows = [{"kind": "epoch", "epoch": 1, "step": 10, "train_loss": 0.5, "val_loss": 0.6}]
        >>> [figure.axes[0].get_ylabel() for figure in compare_apart({"a": rows, "b": rows}, ["train_loss"])]
        ['training loss']
    """
    figures: list[Any] = []
    for name in show:
        listed = not figures or len(runs) <= LISTED
        with style.sheet(None, None, "compare", 4.2, 3.0 + (0.2 * min(len(runs), 24) + 0.1 if listed else 0)) as sheet:
            axes = sheet.axes()
            compare_curves(runs, show=[name], ax=axes)
            legend = axes.get_legend()
            if legend is not None:
                legend.remove()
                names = [text.get_text() for text in legend.get_texts()]
                if listed:  # below, as often no place inside is free
                    sheet.figure.legend(
                        legend.legend_handles, names, loc="outside lower left", frameon=False, handlelength=4
                    )
        figures.append(sheet.figure)
    return figures
