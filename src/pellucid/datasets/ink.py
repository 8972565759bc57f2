"""From shades of grey to the character that a person sees on them, laid as the data sets lay theirs."""

import math
from collections.abc import Callable
from typing import Any

import numpy as np

from pellucid.datasets.record import DataError

MARGIN = 4 / 28  # MNIST's digits lie in the inner 20 of 28 pixels
FAINT = 0.2  # part of the range below which a pixel is paper
EVEN = 0.1  # paper whose shades differ by more is lit unevenly
LARGEST = 512  # pixels along a side: more show nothing that a network of 28 × 28 could see
OFF, OFF_SMALL = 0.06, 0.16  # part of the side by which a centre of mass may lie beside the middle; under 16 pixels


def character(grey: np.ndarray, size: tuple[int, int], name: str) -> np.ndarray:
    """One handwritten character as an array of `size`, light on dark, from 0 to 1.

    As MNIST was made: the character is cut out, scaled to fill the inner part of the picture with its proportions kept,
    and laid with its centre of mass in the middle (pictures under 16 pixels, scikit-learn's, are filled to the edge).

    Shape: grey (H, W), from 0, black, to 1, white -> (height, width) float32.

    Raises:
        DataError: there is nothing on it. `name` begins the message.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998.
    """
    ink = _without_specks(_ink(_reduced(grey), name))
    rows, columns = np.nonzero(ink.max(axis=1) > FAINT)[0], np.nonzero(ink.max(axis=0) > FAINT)[0]
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inner = min(size) - (2 * round(MARGIN * min(size)) if min(size) >= 16 else 0)
    scale = inner / max(cut.shape)
    small = _resized(cut, (max(1, round(scale * cut.shape[0])), max(1, round(scale * cut.shape[1]))))
    return centred(np.clip(small, 0, 1), size)


def centred(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`small` on an empty picture of `size`, its centre of mass as near the middle as its edges allow."""
    picture = np.zeros(size, np.float32)
    place: list[slice] = []
    for axis in (0, 1):
        start = size[axis] / 2 - _centre(small, axis)
        # In MNIST the centre lies within pixel 14 of 28, so half a pixel beyond the middle on average.
        start = math.ceil(start - 1e-6) if min(size) >= 16 else round(start)
        start = min(max(start, 0), size[axis] - small.shape[axis])
        place.append(slice(start, start + small.shape[axis]))
    picture[tuple(place)] = small
    return picture


def as_seen(sample: np.ndarray) -> np.ndarray:
    """A sample that has the network's size already: turned to light on dark, and moved where it lies off the middle.

    One that looks like those of the data sets is returned as it is.

    Shape: (H, W) from 0 to 1 -> the same.
    """
    if float(np.median(_border(sample))) > 0.5:
        sample = 1 - sample
    ink = sample > FAINT * max(float(sample.max()), 1e-6)
    off = max(abs(_centre(sample, axis) / sample.shape[axis] - 0.5) for axis in (0, 1)) if ink.any() else 0.0
    if off <= (OFF if min(sample.shape) >= 16 else OFF_SMALL):
        return sample
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    return centred(sample[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], (sample.shape[0], sample.shape[1]))


def _ink(grey: np.ndarray, name: str) -> np.ndarray:
    """How much ink is at each pixel, from 0 to 1, on paper of any shade, evenly lit or not."""
    border = _border(grey)
    paper = float(np.median(border))
    difference = grey - paper
    if np.abs(difference).max() < FAINT:
        raise DataError(f"{name} is of one shade: there is nothing on it to recognise")
    if (np.abs(border - paper) < EVEN / 2).mean() < 0.5 and min(grey.shape) >= 64:
        return _ink_in_uneven_light(grey, name)
    # The border is paper, whatever its shade; ink is on the side of it where more is.
    darker, lighter = np.clip(-difference, 0, None), np.clip(difference, 0, None)
    ink = darker if darker.sum() >= lighter.sum() else lighter
    if ink.max() < FAINT:
        ink = np.abs(difference)
    return _above_noise(ink / ink.max(), float(np.median(np.abs(border - paper))) / float(ink.max()))


def _ink_in_uneven_light(grey: np.ndarray, name: str) -> np.ndarray:
    """The same of a photograph, where strokes are narrow and what the light does to the paper is wide."""
    grey = _blurred(grey, 3)
    local = grey - _blurred(grey, min(grey.shape) // 4)
    sign = -1.0 if (local**3).mean() < 0 else 1.0  # the strokes are few and far from the mean: dark ones below it
    window = min(grey.shape) // 5
    paper = _extreme(_extreme(-sign * grey, window, np.maximum), window, np.minimum)  # wider than strokes: fills them
    paper = _blurred(paper, window // 8)
    ink = 1 - grey / np.maximum(paper, 0.05) if sign < 0 else grey + paper  # a shadow dims paper and ink alike
    ink = np.clip(ink - np.median(ink), 0, None)
    strong = float(_blurred(ink, 3).max())
    if strong < FAINT / 2:
        raise DataError(f"{name} has no strokes that stand out from their paper: nothing to recognise")
    ink = np.clip(ink / strong, 0, 1)
    return _above_noise(ink, float(np.percentile(ink, 75)))


def _above_noise(ink: np.ndarray, noise: float) -> np.ndarray:
    """Ink without what paper of this roughness, the middle of its deviations, shows by itself."""
    floor = min(6 * noise, 0.6)
    return np.clip((ink - floor) / (1 - floor), 0, 1) if noise > 0.005 else ink


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The ink without what is apart from the character and is small or comes in from the edge: dust, another line."""
    step = -(-max(ink.shape) // 48)
    if step < 2:
        return ink
    coarse = _pooled(ink, step)
    inked = _pooled(ink, step, of=np.max) > FAINT
    label = np.zeros(coarse.shape, np.int64)
    masses: list[float] = [0.0]
    edges: set[int] = set()
    for start in zip(*np.nonzero(inked), strict=True):
        if label[start]:
            continue
        label[start] = len(masses)
        mass, open_ = 0.0, [start]
        while open_:
            row, column = open_.pop()
            mass += float(coarse[row, column])
            if min(row, column, coarse.shape[0] - 1 - row, coarse.shape[1] - 1 - column) <= 1:
                edges.add(len(masses))
            for near in ((row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                held = 0 <= near[0] < coarse.shape[0] and 0 <= near[1] < coarse.shape[1]
                if held and not label[near] and inked[near]:
                    label[near] = len(masses)
                    open_.append(near)
        masses.append(mass)
    inside = max((mass for k, mass in enumerate(masses) if k not in edges), default=0.0)
    if inside < 0.2 * max(masses):  # the character itself may reach the edge
        edges, inside = set(), max(masses)
    out = [k for k, mass in enumerate(masses) if k and (k in edges or mass < 0.05 * inside)]
    if not out:
        return ink
    speck = np.isin(label, out).repeat(step, 0).repeat(step, 1)[: ink.shape[0], : ink.shape[1]]
    return np.where(speck, 0.0, ink)


def _border(grey: np.ndarray) -> np.ndarray:
    return np.concatenate([grey[0], grey[-1], grey[1:-1, 0], grey[1:-1, -1]])


def _centre(shades: np.ndarray, axis: int) -> float:
    """Where the mass lies along an axis, in pixels from its beginning."""
    mass = shades.sum(axis=1 - axis, dtype=np.float64)
    return float((mass * (np.arange(len(mass)) + 0.5)).sum() / mass.sum()) if mass.sum() > 0 else len(mass) / 2


def _reduced(grey: np.ndarray) -> np.ndarray:
    """Large pictures by means over blocks, so that no side has more than `LARGEST` pixels."""
    step = -(-max(grey.shape) // LARGEST)
    return grey if step == 1 or min(grey.shape) < 2 * step else _pooled(grey, step, whole=True)


def _pooled(grey: np.ndarray, step: int, whole: bool = False, of: Callable[..., Any] = np.mean) -> np.ndarray:
    """Means, or another figure, over blocks of step × step; `whole` leaves out the pixels that make no whole block."""
    height, width = grey.shape
    if whole:
        grey = grey[: height // step * step, : width // step * step]
    else:
        grey = np.pad(grey, ((0, -height % step), (0, -width % step)), mode="edge")
    return of(grey.reshape(grey.shape[0] // step, step, grey.shape[1] // step, step), axis=(1, 3))


def _blurred(grey: np.ndarray, window: int) -> np.ndarray:
    """Means over windows of about `window` pixels, the edges repeated beyond themselves."""
    half = window // 2
    for axis in (0, 1):
        width = [(half + 1, half) if k == axis else (0, 0) for k in (0, 1)]
        total = np.cumsum(np.pad(grey, width, mode="edge"), axis=axis, dtype=np.float64)
        length = grey.shape[axis]
        upper = np.take(total, np.arange(2 * half + 1, 2 * half + 1 + length), axis)
        grey = (upper - np.take(total, np.arange(length), axis)) / (2 * half + 1)
    return grey


def _extreme(grey: np.ndarray, window: int, of: np.ufunc) -> np.ndarray:
    """The largest or smallest within windows, along rows and then along columns."""
    half = window // 2
    for axis in (0, 1):
        padded = np.pad(grey, [(half, half) if k == axis else (0, 0) for k in (0, 1)], mode="edge")
        views = np.lib.stride_tricks.sliding_window_view(padded, 2 * half + 1, axis)
        grey = of.reduce(views, axis=-1)
    return grey


def _resized(cut: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`cut` at another size, each new pixel the mean of what it covers."""
    for axis in (0, 1):
        old, new = cut.shape[axis], size[axis]
        edges = np.linspace(0, old, new + 1)
        covered = np.clip(
            np.minimum(edges[1:, None], np.arange(1, old + 1)) - np.maximum(edges[:-1, None], np.arange(old)), 0, None
        )
        weights = covered * (new / old)  # (new, old): each row sums to 1
        cut = weights @ cut if axis == 0 else cut @ weights.T
    return cut
