"""A film of how the decision came about: a frame per snapshot of the model."""

from __future__ import annotations

import io
from collections.abc import Callable, Mapping, Sequence
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.files import beside
from pellucid.viz import style
from pellucid.viz.plane import GridPrediction, answers, decided, draw_points, draw_regions
from pellucid.viz.relief import coarser, draw_surface
from pellucid.viz.values import Array, array, ask, class_numbers, points, read_output, same_length

_DPI = 125  # 800 × 600 pixels
Predict = Callable[[Any], Any]


def film(
    snapshots: Mapping[Any, Predict] | Sequence[Predict],
    x: Any,
    y: Any,
    save: Any = True,
    *,
    kind: str = "regions",
    frames_per_second: float = 6.0,
    hold: float = 1.5,
    class_names: Sequence[Any] | None = None,
    feature_names: Sequence[Any] | None = None,
    output_is: str = "auto",
    resolution: int | None = None,
    margin: float = 0.08,
    title: str | None = None,
    ax: Any = None,
) -> Any:
    """Write a film of the decision surface over the snapshots of a run: a GIF, or where ffmpeg is installed an MP4.

    Each frame is what `decision_regions` (or `surface`) draws, with the step and the share of points that are right.

    Args:
        snapshots: `{step: predict}` in order, or a list of `predict` functions; each as for `decision_regions`.
        x, y: the data's points (N, 2) and class numbers or real numbers (N,).
        save: a path that ends in ".gif" or ".mp4"; True for a GIF with a timestamped name in the current folder; None
            draws the last frame alone and writes nothing.
        kind: "regions" (seen from above) or "surface" (in three dimensions).
        frames_per_second: how fast it goes.
        hold: seconds for which the last frame stays.
        class_names, feature_names, output_is, margin: as for `decision_regions`.
        resolution: points of the grid along each axis; 120, or 60 for a surface.
        title, ax: as for `curves`.

    Returns:
        The matplotlib figure, with the last frame on it.

    Raises:
        ValueError: there is no snapshot, the path ends in something else, or as for `decision_regions`.
        RuntimeError: an MP4 is asked for and ffmpeg is not on the path.

        >>> steps = {0: lambda p: p[:, 0], 10: lambda p: p[:, 1]}
        >>> figure = film(steps, [[-1, -1], [1, 1]], [0, 1], None, output_is="logits", resolution=10)
        >>> figure.axes[0].get_title(loc="right")
        'step 10 · 100 % right'
    """
    if kind not in ("regions", "surface"):
        raise ValueError(f"kind={kind!r}: write 'regions' or 'surface'")
    named = dict(snapshots) if isinstance(snapshots, Mapping) else dict(enumerate(snapshots))
    if not named:
        raise ValueError("snapshots holds no model: a film needs a frame at least")
    if not frames_per_second > 0 or hold < 0:
        raise ValueError(
            f"frames_per_second={frames_per_second}, hold={hold}: a frame takes time, and none is negative"
        )
    at, given = points(x), array(y, "y")
    if not same_length(x=at, y=given):
        raise ValueError("x holds no points: a film is of the plane around them")
    truth = given.reshape(len(at), -1)[:, 0]
    fine = resolution or (120 if kind == "regions" else 60)
    word = "step" if isinstance(snapshots, Mapping) else "snapshot"
    style.need_matplotlib()
    path = style.target(save, "film", ".gif")
    fine = 2 * fine if kind == "surface" else fine
    shown = [(f"{word} {step}", predict, answers(predict, at, truth, output_is, fine, margin))
             for step, predict in named.items()]  # fmt: skip
    limits = _limits([answer for *_, answer in shown], truth)
    with style.sheet(ax, None, "film", width=6.4, height=4.8) as sheet:
        axes = sheet.axes("3d" if kind == "surface" else None)
        sheet.title(title, pad=36)

        def frame(i: int) -> None:
            words, predict, answer = shown[i]
            axes.clear()
            if kind == "surface":
                if np.isfinite(answer.values).any():
                    draw_surface(axes, coarser(answer), at, truth, class_names, feature_names, (32, -60))
                if answer.of == "value":
                    axes.set_zlim(*limits)
            else:
                _regions(axes, answer, at, truth, class_names, feature_names, limits)
            axes.set_title(f"{words}{_score(predict, at, truth, answer, output_is)}", loc="right", fontsize=10)

        if path is None:
            frame(len(shown) - 1)
        else:
            _write(sheet.figure, frame, len(shown), path, frames_per_second, hold)
    return sheet.figure


def _regions(
    axes: Any,
    answer: GridPrediction,
    at: Array,
    truth: Array,
    class_names: Any,
    names: Any,
    limits: tuple[float, float],
) -> None:
    if answer.of == "value":  # every frame on the same scale, which a colour bar would have to say too
        axes.pcolormesh(
            answer.x, answer.y, np.ma.masked_invalid(answer.values), cmap="viridis", vmin=limits[0], vmax=limits[1],
            shading="nearest", rasterized=True,
        )  # fmt: skip
        axes.scatter(
            *at.T, c=truth.astype(float), cmap="viridis", vmin=limits[0], vmax=limits[1], s=22, edgecolors="white"
        )
    else:
        draw_regions(axes, answer, class_names)
        if np.isfinite(answer.values).any():
            draw_points(axes, at, truth, answer, class_names)
    labels = ["x₁", "x₂"] if names is None else style.names(2, names, "feature_names", 40)
    axes.set(xlim=answer.x[[0, -1]], ylim=answer.y[[0, -1]], xlabel=labels[0], ylabel=labels[1])


def _limits(shown: list[GridPrediction], truth: Array) -> tuple[float, float]:
    """One scale for all frames."""
    known = np.concatenate([truth.astype(float), *(answer.values.reshape(-1) for answer in shown)])
    known = known[np.isfinite(known)]
    low, high = (float(known.min()), float(known.max())) if known.size else (0.0, 1.0)
    return (low, high) if high > low else (low - 0.5, high + 0.5)


def _score(predict: Predict, at: Array, truth: Array, answer: GridPrediction, output_is: str) -> str:
    """How many of the points are right, in words; nothing for a real target."""
    if answer.of == "value":
        return ""
    output = ask(predict, at.astype(np.float32))
    if output.ndim == 1 and output.dtype.kind in "biu":
        guess = output
    else:
        guess = decided(read_output(output, output_is, True)[1])
    return f" · {style.percent(float((guess == class_numbers(truth, 'y')).mean()))} right"


def _write(figure: Any, frame: Callable[[int], None], count: int, path: Path, rate: float, hold: float) -> None:
    """The frames into the file: beside its place first, then moved into it."""
    made = {".gif": _write_gif, ".mp4": _write_mp4}.get(path.suffix.lower())
    if made is None:
        raise ValueError(f"{path}: a film is a .gif or an .mp4")
    with beside(path) as partial:
        made(figure, frame, count, partial, rate, hold)


def _write_gif(figure: Any, frame: Callable[[int], None], count: int, path: Path, rate: float, hold: float) -> None:
    from PIL import Image  # matplotlib itself needs it

    pictures: list[Any] = []
    for i in range(count):
        frame(i)
        content = io.BytesIO()
        figure.savefig(content, format="png", dpi=_DPI)
        pictures.append(Image.open(content).convert("RGB"))
    times = [round(1000 / rate)] * (count - 1) + [round(1000 * max(hold, 1 / rate))]
    pictures[0].save(path, format="GIF", save_all=True, append_images=pictures[1:], duration=times, loop=0)


def _write_mp4(figure: Any, frame: Callable[[int], None], count: int, path: Path, rate: float, hold: float) -> None:
    from matplotlib import animation

    if not animation.FFMpegWriter.isAvailable():
        raise RuntimeError("an MP4 is written by ffmpeg, which is not on the path; write a .gif instead")
    writer: Any = animation.FFMpegWriter(fps=rate)  # pyright: ignore[reportArgumentType]
    with writer.saving(figure, str(path), dpi=_DPI):
        for i in range(count):
            frame(i)
            for _ in range(1 if i < count - 1 else max(round(hold * rate), 1)):
                writer.grab_frame()
