"""Points in the plane, coloured by what the model makes of them; and what it makes of every place of the plane."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, array, ask, class_numbers, is_classes, points, read_output, same_length, sample

_PALE = 0.5  # of a region's colour, so that a point of the same colour is seen on it
MOST = 4000  # points drawn: more would only cover each other


def scatter(
    x: Any,
    predicted: Any,
    target: Any = None,
    *,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    output_is: str = "auto",
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """Points in the plane: the colour is the predicted class, the shape the true one, and a wrong one has a cross.

    Args:
        x: (N, 2).
        predicted: class numbers (N,); or the model's output, (N, classes), or (N, 1) or (N,) real numbers: where the
            target is real, or there is none, they are drawn on a colour scale.
        target: class numbers or real numbers (N,), or None.
        class_names, feature_names: names for the classes and for the two columns of `x`.
        output_is: as for `worst_predictions`.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure. Of more than 4,000 points an even choice is drawn, all wrong ones first.

    Raises:
        ValueError: `x` is not (N, 2), or the lengths differ.

        >>> scatter([[0, 0], [1, 1], [2, 0]], [0, 1, 1], [0, 1, 0]).axes[0].get_title()
        '2 of 3 right, 66.7 %'
    """
    at = points(x)
    truth = None if target is None else array(target, "target")
    if truth is not None and truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    guess = array(predicted, "predicted")
    same_length(x=at, predicted=guess, target=truth)
    of_classes = output_is != "value" and (is_classes(guess) if truth is None else is_classes(truth))
    if guess.ndim == 1 and is_classes(guess) and of_classes:
        guess = class_numbers(guess, "predicted")
    elif (guess.ndim == 2 and guess.shape[1] > 1) or of_classes:
        guess = decided(read_output(guess, output_is, True, "predicted")[1])
    else:
        guess = guess.reshape(len(guess))
    with style.sheet(ax, save, "scatter", width=8.0, height=5.0) as sheet:
        axes = sheet.axes()
        _name_axes(axes, feature_names)
        style.clean(axes)
        if not len(at):
            style.say(axes, "there are no points")
        elif guess.dtype.kind == "f":
            _by_value(axes, at, guess, truth)
        else:
            numbers = None if truth is None else class_numbers(truth, "target")
            _by_class(axes, at, guess, numbers, class_names)
        sheet.title(title)
    return sheet.figure


def decision_regions(
    predict: Callable[[Any], Any],
    x: Any,
    y: Any,
    *,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    output_is: str = "auto",
    resolution: int = 200,
    margin: float = 0.08,
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """What the model decides at every place of the plane, with the data over it.

    Of two classes, the colour is the probability of class 1, with lines at 0.1, 0.5 (the boundary, thick) and 0.9. Of
    more, each class has its colour, paler where the model is less sure, its name in its region, and a line around it.
    Of a real target, the colour is the value. The points' colour and shape are their true class.

    Args:
        predict: called with points (M, 2) float32; gives (M, classes), (M, 1) or (M,): an array or a Tensor.
        x: the data's points, (N, 2): they decide what part of the plane is drawn.
        y: their class numbers, or real numbers, (N,).
        class_names, feature_names: names for the classes and for the two columns of `x`.
        output_is: as for `worst_predictions`.
        resolution: points of the grid along each axis.
        margin: how far beyond the data the picture goes, in parts of their range.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: `x` is not (N, 2), the lengths differ, or `predict` gives another number of answers than points.

        >>> figure = decision_regions(lambda p: p[:, 0], [[-1, 0], [1, 1]], [0, 1], output_is="logits", resolution=20)
        >>> figure.axes[0].get_xlabel()
        'x₁'
    """
    at = points(x)
    truth = array(y, "y").reshape(len(at), -1)[:, 0] if len(at) else array(y, "y")
    same_length(x=at, y=array(y, "y"))
    with style.sheet(ax, save, "decision-regions", width=7.2, height=5.4) as sheet:
        axes = sheet.axes()
        if not len(at):
            style.say(axes, "there are no points")
            return sheet.figure
        answer = answers(predict, at, truth, output_is, resolution, margin)
        shown = draw_regions(axes, answer, class_names)
        if shown is not None:
            sheet.figure.colorbar(shown, ax=axes, label=_scale_name(answer, class_names))
        draw_points(axes, at, truth, answer, class_names)
        _name_axes(axes, feature_names)
        axes.set(xlim=answer.x[[0, -1]], ylim=answer.y[[0, -1]])
        sheet.title(title, pad=22)
    return sheet.figure


# What the model answers over the plane ------------------------------------------------------------------------------


@dataclass(frozen=True)
class GridPrediction:
    """What a model says on a grid of the plane: `of` is "classes" (`values` are probabilities, (ny, nx, classes)) or
    "value" (real numbers, (ny, nx))."""

    x: Array
    y: Array
    of: str
    values: Array


def answers(
    predict: Callable[[Any], Any], at: Array, truth: Array, output_is: str, resolution: int, margin: float
) -> GridPrediction:
    """The grid around the points, and what `predict` says there."""
    if resolution < 2:
        raise ValueError(f"resolution={resolution}: at least 2 points along each axis are needed")
    known = at[np.isfinite(at).all(axis=1)]
    if not len(known):
        raise ValueError("x holds no point whose two coordinates are finite")
    low, high = known.min(axis=0).astype(float), known.max(axis=0).astype(float)
    size = np.where(high > low, high - low, 1.0)
    across = np.linspace(low[0] - margin * size[0], high[0] + margin * size[0], resolution)
    up = np.linspace(low[1] - margin * size[1], high[1] + margin * size[1], resolution)
    grid = np.stack(np.meshgrid(across, up), axis=-1).reshape(-1, 2).astype(np.float32)
    answer = ask(predict, grid)
    of_classes = output_is != "value" and is_classes(truth)
    if answer.ndim == 1 and answer.dtype.kind in "biu":  # classes already decided
        answer = np.eye(max(int(answer.max()) + 1, 2))[class_numbers(answer, "the answer of predict")]
        output_is = "probabilities"
    of, values = read_output(answer, output_is, of_classes, "the answer of predict")
    return GridPrediction(across, up, of, values.reshape(resolution, resolution, *values.shape[1:]))


def draw_regions(axes: Any, answer: GridPrediction, class_names: Sequence[Any] | None) -> Any:
    """The plane behind the points. Returns what a colour bar needs, or None where there is none to be."""
    axes.grid(False)
    if not np.isfinite(answer.values).any():
        style.say(axes, "the model answers NaN everywhere")
        return None
    if answer.of == "value":
        return _level_map(axes, answer, answer.values)
    if answer.values.shape[2] == 2:
        return _two_classes(axes, answer)
    _many_classes(axes, answer, class_names)
    return None


def _two_classes(axes: Any, answer: GridPrediction) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import Normalize

    share = np.ma.masked_invalid(answer.values[..., 1])
    colours, norm = style.two_sided(_PALE), Normalize(0, 1)
    axes.contourf(answer.x, answer.y, share, levels=np.linspace(0, 1, 21), cmap=colours, norm=norm)
    if share.min() < 0.5 < share.max():
        axes.contour(answer.x, answer.y, share, levels=[0.5], colors="black", linewidths=1.8)
    levels = [level for level in (0.1, 0.9) if share.min() < level < share.max()]
    if levels:
        lines = axes.contour(
            answer.x, answer.y, share, levels=levels, colors="#333333", linewidths=0.8, linestyles="dashed"
        )
        axes.clabel(lines, fontsize=8, fmt="%.1f")
    return ScalarMappable(norm, colours)


def _level_map(axes: Any, answer: GridPrediction, values: Array) -> Any:
    values = np.ma.masked_invalid(values)
    if values.min() == values.max():  # one value everywhere has no levels
        return axes.pcolormesh(answer.x, answer.y, values, cmap="viridis", shading="nearest", rasterized=True)
    shown = axes.contourf(answer.x, answer.y, values, levels=15, cmap="viridis")
    lines = axes.contour(answer.x, answer.y, values, levels=shown.levels[::3], colors="white", linewidths=0.8)
    axes.clabel(lines, fontsize=8, fmt=lambda level: style.number(float(level)))
    return shown


def _many_classes(axes: Any, answer: GridPrediction, class_names: Sequence[Any] | None) -> None:
    shares = answer.values
    count = shares.shape[2]
    colours = np.array(style.class_colours(count))
    winner = decided(shares)
    sure = np.where(winner >= 0, shares.max(axis=2), 0)[..., None]
    strength = 0.1 + (_PALE - 0.1) * np.clip((sure - 1 / count) / (1 - 1 / count), 0, 1)
    image = np.where(winner[..., None] >= 0, 1 - strength * (1 - colours[winner]), 1.0)
    extent = (answer.x[0], answer.x[-1], answer.y[0], answer.y[-1])
    axes.imshow(image, origin="lower", extent=extent, aspect="auto", interpolation="bilinear")
    words = style.names(count, class_names)
    winners = np.unique(winner[winner >= 0])
    for number in winners:
        inside = winner == number
        lead = shares[..., number] - np.delete(shares, number, axis=2).max(axis=2)
        if not inside.all():
            axes.contour(answer.x, answer.y, np.ma.masked_invalid(lead), levels=[0.0], colors="black", linewidths=0.9)
        if len(winners) <= 20:
            row, column = _deepest(inside)
            axes.text(
                answer.x[column], answer.y[row], words[number], ha="center", va="center", fontsize=9, zorder=4,
                fontweight="bold", bbox={"facecolor": "white", "alpha": 0.85, "edgecolor": "black", "pad": 1.5},
            )  # fmt: skip


def _deepest(inside: Array) -> tuple[int, int]:
    """A place of the region that is far from its border: what is left of it when it is eaten away from all sides."""
    left = inside.copy()
    left[[0, -1], :] = left[:, [0, -1]] = False  # words at the edge of the picture would be cut off
    left = left if left.any() else inside
    while True:
        core = left.copy()
        core[1:] &= left[:-1]
        core[:-1] &= left[1:]
        core[:, 1:] &= left[:, :-1]
        core[:, :-1] &= left[:, 1:]
        core[[0, -1], :] = core[:, [0, -1]] = False
        if not core.any():
            rows, columns = np.nonzero(left)
            return int(rows[len(rows) // 2]), int(columns[len(columns) // 2])
        left = core


def decided(shares: Array) -> Array:
    """The class with the greatest probability, (…, classes) -> (…); −1 where one is not a number."""
    broken = ~np.isfinite(shares).all(axis=-1)
    return np.where(broken, -1, np.where(np.isfinite(shares), shares, -np.inf).argmax(axis=-1))


def _scale_name(answer: GridPrediction, class_names: Sequence[Any] | None) -> str:
    if answer.of == "value":
        return "prediction"
    return f"probability of {style.names(2, class_names)[1] if class_names is not None else 'class 1'}"


# Points -------------------------------------------------------------------------------------------------------------


def draw_points(axes: Any, at: Array, truth: Array, answer: GridPrediction, class_names: Sequence[Any] | None) -> None:
    """The data over the regions, colour and shape by their class; or on the colours of a real target."""
    shown = sample(len(at), 1500)
    if answer.of == "value":
        low, high = np.nanmin(answer.values), np.nanmax(answer.values)
        axes.scatter(
            *at[shown].T, c=truth[shown].astype(float), cmap="viridis", vmin=low, vmax=high, s=22, edgecolors="white",
            linewidths=0.6, zorder=3,
        )  # fmt: skip
        return
    numbers = class_numbers(truth, "y")
    count = max(answer.values.shape[2], int(numbers.max()) + 1)
    colours, words = style.class_colours(count), style.names(count, class_names)
    for number in np.unique(numbers):
        part = shown[numbers[shown] == number]
        axes.scatter(
            *at[part].T, s=20 if len(shown) > 300 else 30, marker=style.marker(int(number)), color=[colours[number]],
            edgecolors="black", linewidths=0.5, label=words[number], zorder=3,
        )  # fmt: skip
    if len(np.unique(numbers)) <= 8:
        axes.legend(
            loc="lower left", bbox_to_anchor=(-0.01, 1.0), ncols=8, frameon=False, handletextpad=0.1, columnspacing=1.2,
            borderaxespad=0.2,
        )  # fmt: skip


def _by_value(axes: Any, at: Array, value: Array, truth: Array | None) -> None:
    shown = sample(len(at), MOST)
    drawn = axes.scatter(*at[shown].T, c=value[shown], cmap="viridis", s=22, edgecolors="#555555", linewidths=0.3)
    axes.figure.colorbar(drawn, ax=axes, label="prediction")
    if truth is not None:
        error = float(np.nanmean(np.abs(value - truth)))
        axes.set_title(f"mean absolute error {style.number(error)}", fontsize=10)


def _by_class(axes: Any, at: Array, guess: Array, truth: Array | None, class_names: Sequence[Any] | None) -> None:
    count = int(max(guess.max(), -1 if truth is None else truth.max())) + 1
    colours, words = style.class_colours(count), style.names(count, class_names)
    wrong = np.zeros(len(at), bool) if truth is None else guess != truth
    shown = sample(len(at), MOST)
    if len(at) > MOST:
        right = np.flatnonzero(~wrong)
        missed = np.flatnonzero(wrong)
        missed = missed[sample(len(missed), MOST // 2)]
        shown = np.concatenate([right[sample(len(right), MOST - len(missed))], missed])
        style.note(axes, f"{len(shown):,} of {len(at):,} points drawn", x=0.01, y=0.01)
    shapes = guess if truth is None else truth
    size = 30 if len(shown) <= 600 else 16
    for number in np.unique(shapes):
        part = shown[shapes[shown] == number]
        face = [colours[k] if k >= 0 else (1, 1, 1) for k in guess[part]]
        axes.scatter(
            *at[part].T, s=size, marker=style.marker(int(number)), c=face, edgecolors="#444444", linewidths=0.4
        )
    missed = shown[wrong[shown]]
    axes.scatter(*at[missed].T, s=size * 2.2, marker="x", color="black", linewidths=1.1, zorder=3)
    if truth is not None:
        right = int((~wrong).sum())
        axes.set_title(f"{right:,} of {len(at):,} right, {style.percent(right / len(at), 1)}", fontsize=10)
    _explain(axes, np.unique(guess), np.unique(shapes), truth is not None, len(missed) > 0, colours, words)


def _explain(
    axes: Any, guessed: Array, true: Array, with_truth: bool, with_wrong: bool, colours: list[Any], words: list[str]
) -> None:
    """A legend in words: which colour is which prediction, which shape which truth."""
    from matplotlib.lines import Line2D

    def dot(shape: str, face: Any, label: str, edge: Any = "#444444") -> Any:
        return Line2D(
            [],
            [],
            linestyle="none",
            marker=shape,
            markerfacecolor=face,
            markeredgecolor=edge,
            markersize=7,
            label=label,
        )

    if len(guessed) > 12 or len(true) > 12:
        axes.figure.colorbar(_classes_scale(len(colours)), ax=axes, label="predicted class")
        handles = []
    elif with_truth:
        handles = [dot("o", "white", f"predicted {'NaN' if k < 0 else words[k]}") for k in guessed]
        for handle, k in zip(handles, guessed, strict=True):
            handle.set_markerfacecolor(colours[k] if k >= 0 else "white")
            handle.set_marker("s")
            handle.set_markeredgecolor("none" if k >= 0 else "#444444")
        handles += [dot(style.marker(int(k)), "none", f"truly {words[k]}") for k in true]
    else:
        handles = [dot(style.marker(int(k)), colours[k], words[k]) for k in true if k >= 0]
    if with_wrong:
        handles.append(dot("x", "none", "wrong", "black"))
    if handles:
        axes.legend(handles=handles, loc="center left", bbox_to_anchor=(1.01, 0.5), frameon=False, borderaxespad=0)


def _classes_scale(count: int) -> Any:
    from matplotlib.cm import ScalarMappable
    from matplotlib.colors import ListedColormap, Normalize

    return ScalarMappable(Normalize(-0.5, count - 0.5), ListedColormap(style.class_colours(count)))


def _name_axes(axes: Any, names: Sequence[Any] | None) -> None:
    labels = ["x₁", "x₂"] if names is None else style.names(2, names, "feature_names", 40)
    axes.set(xlabel=labels[0], ylabel=labels[1])
