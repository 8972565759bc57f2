"""The gallery of the worst predictions: the samples that the model is most wrong about, each as what it is."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.values import Array, array, class_numbers, is_classes, read_output, same_length


def worst_predictions(
    x: Any,
    target: Any,
    output: Any,
    *,
    n: int = 12,
    losses: Any = None,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    image_shape: tuple[int, ...] | None = None,
    output_is: str = "auto",
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """The `n` samples with the greatest loss: images as images, points as points, other features as a table.

    The loss is −log p(target) for classes and |output − target| for real targets, unless `losses` says otherwise. A
    sample whose loss is not a number comes first.

    Args:
        x: the samples. Images: (N, height, width), (N, 1 or 3, height, width), or (N, height, width, 3). Points:
            (N, 2). Any other features: (N, features).
        target: class numbers (N,), or real numbers (N,) or (N, 1).
        output: what the model gave for `x`: (N, classes), or (N,) or (N, 1).
        n: how many to show.
        losses: (N,), by which to choose, greatest first.
        class_names, feature_names: names for the classes and for the columns of `x`.
        image_shape: the shape of an image, where `x` has flat rows: (8, 8) for scikit-learn's digits.
        output_is: "logits", "probabilities" or "value" (a real number); "auto" takes outputs in [0, 1] that add up to
            1 for probabilities, others for logits, and with real targets for values.
        title, ax, save: as for `curves`.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: the lengths differ, a target has no output, or the shapes are none of these.

        >>> x, target, output = [[0.0, 1.0], [2.0, 3.0]], [0, 1], [[0.9, 0.1], [0.8, 0.2]]
        >>> figure = worst_predictions(x, target, output, n=1)
        >>> [text.get_text() for text in figure.axes[0].texts]
        ['1']
    """
    samples, truth = array(x, "x"), array(target, "target")
    if truth.ndim == 2 and truth.shape[1] == 1:
        truth = truth[:, 0]
    if n < 1:
        raise ValueError(f"n={n}: at least one sample is needed")
    columns = 1 if len(np.shape(output)) == 1 else np.shape(output)[-1]
    of_classes = output_is != "value" and is_classes(truth) and (columns > 1 or bool((truth <= 1).all()))
    kind, scores = read_output(output, output_is, of_classes)
    given = None if losses is None else array(losses, "losses", 1).astype(float)
    same_length(x=samples, target=truth, output=scores, losses=given)
    if image_shape is not None:
        if samples.ndim != 2 or samples.shape[1] != int(np.prod(image_shape)):
            raise ValueError(f"image_shape={image_shape} does not fit samples of shape {samples.shape[1:]}")
        samples = samples.reshape(len(samples), *image_shape)
    if kind == "classes":
        numbers = class_numbers(truth, "target")
        if len(numbers) and int(numbers.max()) >= scores.shape[1]:
            raise ValueError(f"target holds class {int(numbers.max())}; output has {scores.shape[1]} classes")
        words = style.names(scores.shape[1], class_names)
        with np.errstate(divide="ignore"):
            loss = -np.log(scores[np.arange(len(numbers)), numbers])
    else:
        words, loss = [], np.abs(scores - truth)
    loss = loss if given is None else given
    order = np.argsort(np.where(np.isnan(loss), -np.inf, -loss), kind="stable")[:n]
    captions = [_caption(i, kind, truth, scores, words) for i in order]
    with_pictures = samples.ndim >= 3
    columns = min(len(order), 6) or 1
    rows = -(-len(order) // columns) or 1
    height = 0.3 + 1.8 * rows if with_pictures else 4.6 if samples.shape[1:] == (2,) else 1.4 + 0.34 * len(order)
    with style.sheet(ax, save, "worst-predictions", height=max(height, 2.4)) as sheet:
        if not len(order):
            style.say(sheet.axes(), "there are no samples")
        elif with_pictures:
            _images(sheet, samples[order], captions, rows, columns)
        elif samples.shape[1:] == (2,):
            _points(sheet.axes(), samples, truth, order, captions, kind, feature_names)
        elif samples.ndim == 2:
            _table(sheet.axes(), samples, order, captions, feature_names)
        else:
            raise ValueError(f"x has shape {samples.shape}; images, points or rows of features are needed")
        sheet.title(title)
    return sheet.figure


def _caption(i: int, kind: str, truth: Array, scores: Array, words: list[str]) -> tuple[str, str, bool]:
    """(what it is, what it was taken for, whether that is wrong)."""
    if kind == "value":
        return style.number(float(truth[i])), style.number(float(scores[i])), True
    if not np.isfinite(scores[i]).all():
        return words[int(truth[i])], "NaN", True
    guess = int(scores[i].argmax())
    share = style.percent(float(scores[i, guess]))
    return words[int(truth[i])], f"{words[guess]} ({share})", guess != int(truth[i])


def _images(sheet: Any, images: Array, captions: list[tuple[str, str, bool]], rows: int, columns: int) -> None:
    grid = sheet.grid(rows, columns).reshape(-1)
    for axes, picture, (truth, guess, wrong) in zip(grid, images, captions, strict=False):
        axes.imshow(_displayed(picture), cmap="gray_r", interpolation="nearest")
        axes.set(xticks=[], yticks=[])
        axes.grid(False)
        colour = style.VERMILLION if wrong else "black"
        axes.spines[:].set_visible(True)
        axes.spines[:].set(color=colour, linewidth=1.6 if wrong else 0.8, linestyle="-" if wrong else ":")
        axes.set_title(f"true: {truth}", fontsize=9, pad=3)
        axes.set_xlabel(f"{'✗' if wrong else '✓'} {guess}", fontsize=9, labelpad=3, color=colour)
    for axes in grid[len(images) :]:
        axes.set_axis_off()


def _displayed(picture: Array) -> Array:
    """(H, W), or (H, W, 3) in [0, 1]. Colours stretched to the range they use; many channels shown by their mean."""
    if picture.ndim == 3 and picture.shape[0] in (1, 3) and picture.shape[-1] != 3:
        picture = np.moveaxis(picture, 0, -1)  # (C, H, W) -> (H, W, C)
    elif picture.ndim == 3 and picture.shape[-1] not in (1, 3):
        picture = picture.mean(axis=0)
    if picture.ndim == 3 and picture.shape[-1] == 1:
        picture = picture[..., 0]
    if picture.ndim not in (2, 3):
        raise ValueError(f"an image of x has shape {picture.shape}; (H, W), (C, H, W) or (H, W, 3) is needed")
    picture = np.nan_to_num(picture.astype(float))
    low, high = float(picture.min()), float(picture.max())
    return (picture - low) / (high - low) if high > low else picture * 0


def _points(
    axes: Any, x: Array, truth: Array, order: Array, captions: list[tuple[str, str, bool]], kind: str, names: Any
) -> None:
    """All points faintly, the worst with a number; a list of them beside."""
    shapes = class_numbers(truth, "target") if kind == "classes" else np.zeros(len(x), np.int64)
    shown = np.linspace(0, len(x) - 1, min(len(x), 3000)).astype(int)
    for number in np.unique(shapes):
        part = shown[shapes[shown] == number]
        axes.scatter(x[part, 0], x[part, 1], s=10, marker=style.marker(int(number)), color="#B0B0B0", linewidths=0)
    for place, i in enumerate(order):
        axes.scatter(
            x[i, 0], x[i, 1], s=70, marker=style.marker(int(shapes[i])), color=style.VERMILLION, edgecolors="black",
            linewidths=0.8, label=f"{place + 1}. true {captions[place][0]}, taken for {captions[place][1]}", zorder=3,
        )  # fmt: skip
        axes.annotate(
            str(place + 1), (x[i, 0], x[i, 1]), xytext=(5, 5), textcoords="offset points", fontsize=9, zorder=4
        )
    labels = style.names(2, names, "feature_names") if names is not None else ["x₁", "x₂"]
    axes.set(xlabel=labels[0], ylabel=labels[1])
    axes.legend(loc="center left", bbox_to_anchor=(1.01, 0.5), fontsize=8, frameon=False, borderaxespad=0)
    style.clean(axes)


def _table(axes: Any, x: Array, order: Array, captions: list[tuple[str, str, bool]], names: Any) -> None:
    """A row per sample, a column per feature; colour and arrow tell how far a value is from the mean of all samples."""
    from matplotlib.colors import TwoSlopeNorm

    x = x.astype(float)
    mean, std = np.nanmean(x, axis=0), np.nanstd(x, axis=0)
    unusual = (x[order] - mean) / np.where(std > 0, std, 1)
    features = np.arange(x.shape[1])
    if len(features) > 8:  # those in which these samples are the most unusual
        features = np.sort(np.argsort(-np.nanmean(np.abs(unusual), axis=0), kind="stable")[:8])
    names = names if names is not None else [f"x{k + 1}" for k in range(x.shape[1])]
    words = style.names(x.shape[1], names, "feature_names", 20)
    image = axes.imshow(
        unusual[:, features],
        cmap=style.two_sided(),
        norm=TwoSlopeNorm(0, -3, 3),
        aspect="auto",
        interpolation="nearest",
    )
    for row, i in enumerate(order):
        for column, feature in enumerate(features):
            z = unusual[row, feature]
            ink = style.ink_on(image.cmap(image.norm(z))) if np.isfinite(z) else "black"
            way = " ↑" if z > 1 else " ↓" if z < -1 else ""
            axes.text(column, row, f"{x[i, feature]:.3g}{way}", ha="center", va="center", fontsize=8, color=ink)
    axes.set_xticks(
        range(len(features)), [words[k] for k in features], rotation=30 if len(features) > 4 else 0,
        ha="left" if len(features) > 4 else "center",
    )  # fmt: skip
    axes.xaxis.tick_top()
    marks = [f"true {truth}\n{'✗' if wrong else '✓'} {guess}" for truth, guess, wrong in captions]
    axes.set_yticks(range(len(order)), marks, fontsize=8)
    axes.tick_params(length=0)
    axes.grid(False)
    axes.spines[:].set_visible(False)
    axes.figure.colorbar(image, ax=axes, label="standard deviations from the mean\n(beyond one: ↑ ↓)", shrink=0.9)
