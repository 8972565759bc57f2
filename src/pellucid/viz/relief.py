"""The prediction over the plane as a surface in three dimensions."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import numpy as np

from pellucid.viz import style
from pellucid.viz.plane import GridPrediction, answers, decided
from pellucid.viz.values import Array, array, class_numbers, points, same_length, sample

_FLOOR = -1.0  # below the probabilities, so that the surface hides few of the points


def surface(
    predict: Callable[[Any], Any],
    x: Any,
    y: Any,
    *,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    output_is: str = "auto",
    resolution: int = 90,
    margin: float = 0.08,
    view: tuple[float, float] = (32.0, -60.0),
    title: str | None = None,
    ax: Any = None,
    save: Any = None,
) -> Any:
    """What the model predicts over the plane, as height.

    Of two classes the height is the probability of class 1; of more, that of the class that is decided for, whose
    colour it has. The points lie on the floor, with the boundary between two classes. Of a real target the height is
    the value, and the points are where theirs is. A narrow valley is drawn as the mean over its surroundings of a
    grid cell.

    Args:
        predict, x, y, class_names, feature_names, output_is, margin: as for `decision_regions`.
        resolution: points of the grid along each axis.
        view: elevation and azimuth of the eye, in degrees.
        title, save: as for `curves`.
        ax: axes to draw in; those that are not three-dimensional are replaced by ones that are.

    Returns:
        The matplotlib figure.

    Raises:
        ValueError: as for `decision_regions`.

        >>> figure = surface(lambda p: p[:, 0], [[-1, 0], [1, 1]], [0, 1], output_is="logits", resolution=10)
        >>> figure.axes[0].get_zlabel()
        'probability of class 1'
    """
    at = points(x)
    same_length(x=at, y=array(y, "y"))
    truth = array(y, "y").reshape(len(at), -1)[:, 0] if len(at) else array(y, "y")
    with style.sheet(ax, save, "surface", width=7.2, height=5.4) as sheet:
        if not len(at):
            style.say(sheet.axes(), "there are no points")
            return sheet.figure
        answer = coarser(answers(predict, at, truth, output_is, 2 * resolution, margin))
        if not np.isfinite(answer.values).any():
            style.say(sheet.axes(), "the model answers NaN everywhere")
            return sheet.figure
        axes = sheet.axes("3d")
        draw_surface(axes, answer, at, truth, class_names, feature_names, view)
        sheet.title(title)
    return sheet.figure


def coarser(answer: GridPrediction) -> GridPrediction:
    """The mean of each 2 × 2 places: at the few places of a surface a steep flank would be drawn as a row of spikes."""

    def mean(values: Array, axes: int) -> Array:
        for axis in range(axes):
            half = values.shape[axis] // 2
            shape = (*values.shape[:axis], half, 2, *values.shape[axis + 1 :])
            values = values.take(range(2 * half), axis).reshape(shape).mean(axis + 1)
        return values

    return GridPrediction(mean(answer.x, 1), mean(answer.y, 1), answer.of, mean(answer.values, 2))


def draw_surface(
    axes: Any,
    answer: GridPrediction,
    at: Array,
    truth: Array,
    class_names: Any,
    feature_names: Any,
    view: tuple[float, float],
) -> None:
    """The surface, its boundary, and the points."""
    shown = sample(len(at), 600)
    across, up = np.meshgrid(answer.x, answer.y)
    labels = ["x₁", "x₂"] if feature_names is None else style.names(2, feature_names, "feature_names", 30)
    how: dict[str, Any] = {"rcount": len(answer.y), "ccount": len(answer.x), "linewidth": 0, "antialiased": False}
    if answer.of == "value":
        axes.plot_surface(across, up, answer.values, cmap="viridis", alpha=0.85, **how)
        axes.scatter(*at[shown].T, truth[shown].astype(float), s=12, color="black", depthshade=False)
        height = "prediction"
    else:
        numbers = class_numbers(truth, "y")
        count = max(answer.values.shape[2], int(numbers.max()) + 1)
        colours, words = style.class_colours(count), style.names(count, class_names)
        if answer.values.shape[2] == 2:
            share = answer.values[..., 1]
            axes.plot_surface(across, up, share, cmap=style.two_sided(0.9), vmin=0, vmax=1, **how)
            if np.nanmin(share) < 0.5 < np.nanmax(share):
                axes.contour(across, up, share, levels=[0.5], colors="black", linewidths=1.5, zdir="z", offset=_FLOOR)
            height = f"probability of {words[1] if class_names is not None else 'class 1'}"
        else:
            winner, share = decided(answer.values), answer.values.max(axis=2)
            faces = np.array([*colours, (1.0, 1.0, 1.0)])[winner]
            axes.plot_surface(across, up, share, facecolors=faces, shade=True, **how)
            height = "probability of the winning class"
        for number in np.unique(numbers):
            part = shown[numbers[shown] == number]
            axes.scatter(
                *at[part].T, np.full(len(part), _FLOOR), s=14, marker=style.marker(int(number)),
                color=[colours[number]], edgecolors="black", linewidths=0.4, depthshade=False, label=words[number],
            )  # fmt: skip
        axes.set_zlim(_FLOOR, 1.02)
        axes.set_zticks(np.linspace(0, 1, 5))
        if len(np.unique(numbers)) <= 12:
            axes.legend(loc="upper left", title="true class", title_fontsize=9)
    axes.set(xlabel=labels[0], ylabel=labels[1], zlabel=height)
    axes.view_init(*view)
    axes.set_box_aspect((1, 1, 0.72), zoom=0.92)
