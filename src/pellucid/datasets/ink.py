"""From shades of grey to the character that a person sees on them, laid as the data sets lay theirs."""

import numpy as np

from pellucid.datasets.record import DataError

MARGIN = 4 / 28  # MNIST's digits lie in the inner 20 of 28 pixels
FAINT = 0.2  # part of the range below which a pixel is paper
EVEN = 0.1  # paper whose shades differ by more is lit unevenly
LARGEST = 512  # pixels along a side: more show nothing that a network of 28 × 28 could see
OFF = 0.12  # part of the side by which a centre of mass may lie beside the middle


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
        start = round(size[axis] / 2 - _centre(small, axis))
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
    if off <= OFF:
        return sample
    rows, columns = np.nonzero(ink.any(axis=1))[0], np.nonzero(ink.any(axis=0))[0]
    return centred(sample[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1], (sample.shape[0], sample.shape[1]))


def _ink(grey: np.ndarray, name: str) -> np.ndarray:
    """How much ink is at each pixel, from 0 to 1, on paper of any shade, evenly lit or not."""
    border = _border(grey)
    low, high = np.percentile(border, [10, 90])
    paper: float | np.ndarray = float(np.median(border))
    difference = grey - paper
    if np.abs(difference).max() < FAINT:
        raise DataError(f"{name} is of one shade: there is nothing on it to recognise")
    if high - low > EVEN and min(grey.shape) >= 32:
        # Strokes are narrow and the light is not: what is left of a mean over a wide window leans to the ink's side.
        local = grey - _blurred(grey, max(3, min(grey.shape) // 4))
        sign = -1.0 if (local**3).mean() < 0 else 1.0
        window = max(3, min(grey.shape) // 5)
        closed = _extreme(_extreme(sign * -grey, window, np.maximum), window, np.minimum)  # the paper, strokes filled
        ink = np.clip(sign * grey + _blurred(closed, max(3, window // 2)), 0, None)
        strong = float(np.percentile(ink, 99.5))
        if strong < FAINT / 2:
            raise DataError(f"{name} has no strokes on it that stand out from their paper: nothing to recognise")
        ink = np.clip(ink / strong, 0, 1)
        return np.clip((ink - _between(ink) / 2) / (1 - _between(ink) / 2), 0, 1)
    # The border is paper, whatever its shade; ink is on the side of it where more is.
    darker, lighter = np.clip(-difference, 0, None), np.clip(difference, 0, None)
    ink = darker if darker.sum() >= lighter.sum() else lighter
    if ink.max() < FAINT:
        ink = np.abs(difference)
    ink = ink / ink.max()
    noise = float(np.percentile(np.abs(border - paper), 90))
    return np.clip((ink - 2 * noise) / max(1 - 2 * noise, 0.1), 0, 1) if noise > 0.01 else ink


def _without_specks(ink: np.ndarray) -> np.ndarray:
    """The ink without what is small and apart from the character: dust, the corner of another line."""
    step = -(-max(ink.shape) // 48)
    if step < 2:
        return ink
    coarse = _pooled(ink, step)
    label = np.zeros(coarse.shape, np.int64)
    masses: list[float] = [0.0]
    for start in zip(*np.nonzero(coarse > FAINT), strict=True):
        if label[start]:
            continue
        label[start] = len(masses)
        mass, open_ = 0.0, [start]
        while open_:
            row, column = open_.pop()
            mass += float(coarse[row, column])
            for near in ((row + i, column + j) for i in (-1, 0, 1) for j in (-1, 0, 1)):
                inside = 0 <= near[0] < coarse.shape[0] and 0 <= near[1] < coarse.shape[1]
                if inside and not label[near] and coarse[near] > FAINT:
                    label[near] = len(masses)
                    open_.append(near)
        masses.append(mass)
    small = [k for k, mass in enumerate(masses) if mass < 0.05 * max(masses)]
    if len(masses) == 1 or small == [0]:
        return ink
    speck = np.isin(label, [k for k in small if k]).repeat(step, 0).repeat(step, 1)[: ink.shape[0], : ink.shape[1]]
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


def _pooled(grey: np.ndarray, step: int, whole: bool = False) -> np.ndarray:
    """Means over blocks of step × step; the pixels that make no whole block are left out, or padded with 0."""
    height, width = grey.shape
    if whole:
        grey = grey[: height // step * step, : width // step * step]
    else:
        grey = np.pad(grey, ((0, -height % step), (0, -width % step)))
    return grey.reshape(grey.shape[0] // step, step, grey.shape[1] // step, step).mean(axis=(1, 3))


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


def _between(ink: np.ndarray) -> float:
    """The shade between paper and ink that divides them best.

    Source: Otsu, A threshold selection method from gray-level histograms, 1979.
    """
    counts, edges = np.histogram(ink, bins=64, range=(0, 1))
    middles = (edges[:-1] + edges[1:]) / 2
    below, total = np.cumsum(counts), counts.sum()
    sums = np.cumsum(counts * middles)
    inside = (below > 0) & (below < total)
    below, part = below[inside], sums[inside]
    between = (sums[-1] * below / total - part) ** 2 / (below * (total - below))
    return float(edges[1:][inside][int(np.argmax(between))]) if inside.any() else 0.5


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
