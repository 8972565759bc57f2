"""The learning rate finder's curve, with what it suggests marked."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.curves import legends_above
from pellucid.viz.values import array, same_length, thinned, wide


def lr_finder(result: Any, *, title: str | None = None, ax: Any = None, save: Any = None) -> Any:
    """The loss of the mock training over the learning rate, with a mark at each rate that the finder suggests.

    Args:
        result: what `learner.lr_find()` gives: `lrs` and `losses`, of the same length; `smoothed`, the losses'
            moving average; `suggestions`, `{name: rate or None}`; `usable` and `reason`: where the curve says
            nothing, that is written over it.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: rates and losses do not have the same length, or a rate is not above 0.

        >>> from types import SimpleNamespace
        >>> found = SimpleNamespace(lrs=[0.01, 0.1, 1.0], losses=[2.0, 1.0, 9.0], suggestions={"steepest": 0.05})
        >>> lr_finder(found).axes[0].get_xscale()
        'log'
    """
    lrs, losses = array(result.lrs, "lrs", 1).astype(float), array(result.losses, "losses", 1).astype(float)
    smooth = getattr(result, "smoothed", None)
    mean = losses if smooth is None else array(smooth, "smoothed", 1).astype(float)
    same_length(lrs=lrs, losses=losses, smoothed=mean)
    if not (lrs > 0).all():
        raise ValueError("lrs holds a rate that is not above 0: the finder tries a geometric range")
    suggestions = {name: rate for name, rate in dict(getattr(result, "suggestions", None) or {}).items() if rate}
    usable, reason = bool(getattr(result, "usable", True)), str(getattr(result, "reason", "") or "")
    with style.sheet(ax, save, "lr-finder") as sheet:
        axes = sheet.axes()
        axes.set(xlabel="learning rate", ylabel="loss")
        style.clean(axes)
        if not np.isfinite(losses).any():
            style.say(axes, reason or "no loss was a finite number")
            return sheet.figure
        if smooth is not None:
            axes.plot(*thinned(lrs, losses), color=style.SKY, linewidth=0.9, label="each batch")
        axes.plot(
            *thinned(lrs, mean), color=style.BLUE, linewidth=1.8, label="each batch" if smooth is None else "smoothed"
        )
        axes.set_xscale("log")
        _limit(axes, mean if np.isfinite(mean).any() else losses, losses)
        for i, (name, rate) in enumerate(suggestions.items()):
            at = _value_at(lrs, mean, rate)
            label = f"{style.plain(name)}: {rate:.2g}"
            how = style.line(i + 1, max(len(suggestions) + 1, 2))
            axes.axvline(rate, linewidth=1.2, **how)
            axes.plot(
                rate, at, marker=style.MARKERS[(i + 1) % 8], markersize=9, markeredgecolor="white", label=label, **how
            )
        if not usable:
            axes.text(
                0.5, 0.5, _wrapped("not usable: " + reason), transform=axes.transAxes, ha="center", va="center",
                fontsize=10, bbox={"facecolor": "#FFF4D6", "edgecolor": "black", "boxstyle": "round,pad=0.5"},
            )  # fmt: skip
        axes.legend(loc="lower left" if usable else "best")  # the curve begins high
        sheet.title(title)
    return sheet.figure


def finder_apart(result: Any) -> list[Any]:
    """The curve of `lr_finder`, and what became of each rate that was tried, as narrow figures for a page.

    >>> from types import SimpleNamespace
    >>> found = SimpleNamespace(lrs=[0.01, 0.1, 1.0], losses=[2.0, 1.0, 9.0], trials={0.01: 1.5, 0.1: 0.5})
    >>> [figure.axes[0].get_ylabel() for figure in finder_apart(found)]
    ['loss', 'mean loss of the last steps']
    """
    with style.sheet(None, None, "lr-finder", 4.2, 3.8) as sheet:
        axes = sheet.axes()
        lr_finder(result, ax=axes)
        legends_above([axes])
    figures = [sheet.figure]
    trials = dict(getattr(result, "trials", None) or {})
    if any(math.isfinite(loss) for loss in trials.values()):
        with style.sheet(None, None, "lr-trials", 4.2, 3.8) as sheet:
            _trials(sheet.axes(), trials, dict(getattr(result, "suggestions", None) or {}).get("best"))
        figures.append(sheet.figure)
    return figures


def _trials(axes: Any, trials: dict[float, float], best: float | None) -> None:
    """The loss that a training with each rate came to; a rate that did not stay finite is a cross at the top."""
    rates = np.array(sorted(trials))
    losses = np.array([trials[rate] for rate in rates])
    came = np.isfinite(losses)
    axes.plot(rates[came], losses[came], "o-", color=style.BLUE, linewidth=1.2, markersize=6, label="a rate, tried")
    if not came.all():
        axes.plot(
            rates[~came], np.full(int((~came).sum()), 0.95), "x", color=style.VERMILLION, markersize=8,
            markeredgewidth=2, linestyle="none", transform=axes.get_xaxis_transform(), label="came apart",
        )  # fmt: skip
    if best:
        axes.axvline(best, label=f"best: {best:.2g}", linewidth=1.2, **style.line(1, 4))
    axes.set_xscale("log")
    if wide(losses[came], 30):
        axes.set_yscale("log")
    axes.set(xlabel="learning rate", ylabel="mean loss of the last steps")
    style.clean(axes)
    axes.legend()
    legends_above([axes])


def _limit(axes: Any, mean: np.ndarray, losses: np.ndarray) -> None:
    """The part of the loss axis that matters: at the end of the range the loss may be anything."""
    mean = mean[np.isfinite(mean)]
    start, least = float(mean[0]), float(mean.min())
    top = start + 0.5 * max(start - least, 0.1 * abs(start), 1e-12)
    if wide(mean[mean <= top], 30):
        axes.set_yscale("log")
        axes.set_ylim(least / 1.5, top * 1.5)
        return
    low = max(least - 0.1 * (top - least), float(np.nanmin(losses[np.isfinite(losses)])) - 0.05 * (top - least))
    if float(mean.max()) > top:
        axes.set_ylim(low, top)


def _value_at(lrs: np.ndarray, mean: np.ndarray, rate: float) -> float:
    known = np.isfinite(mean)
    return float(np.interp(math.log(rate), np.log(lrs[known]), mean[known])) if known.any() else math.nan


def _wrapped(text: str, width: int = 64) -> str:
    import textwrap

    return "\n".join(textwrap.wrap(text.replace("$", r"\$"), width))
