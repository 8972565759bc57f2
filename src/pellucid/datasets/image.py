"""A picture of a digit from anywhere, made to look like those of the data sets."""

from pathlib import Path

import numpy as np

from pellucid.datasets.record import DataError, need

MARGIN = 4 / 28  # MNIST's digits lie in the inner 20 of 28 pixels
FAINT = 0.2  # part of the range below which a pixel is paper


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """One handwritten character as an array of `size`, light on dark, from 0 to 1.

    As MNIST was made: the character is cut out, scaled to fill the inner part of the picture with its proportions kept,
    and laid with its centre of mass in the middle (pictures under 16 pixels, scikit-learn's, are filled to the edge).
    Whether it is dark on light is told by the border, which is paper.

    Shape: any -> (height, width) float32.

    Raises:
        DataError: no picture that can be read, or one without anything on it.

    Source: LeCun, Cortes and Burges, The MNIST database of handwritten digits, 1998.
    """
    try:
        from PIL import Image, UnidentifiedImageError
    except ImportError as error:
        raise need("pillow", "reading an image") from error
    try:
        with Image.open(path) as image:
            if image.mode in ("RGBA", "LA", "P"):  # what is transparent is paper
                image = image.convert("RGBA")
                image = Image.alpha_composite(Image.new("RGBA", image.size, "white"), image)
            grey = np.asarray(image.convert("L"), dtype=np.float64) / 255
    except (UnidentifiedImageError, OSError, ValueError) as error:
        raise DataError(f"{path} is no image that can be read: {error}") from error
    border = np.concatenate([grey[0], grey[-1], grey[:, 0], grey[:, -1]])
    ink = np.abs(grey - np.median(border))
    if ink.max() < FAINT:
        raise DataError(f"{path} is of one shade: there is nothing on it to recognise")
    ink /= ink.max()
    rows, columns = np.nonzero(ink.max(axis=1) > FAINT)[0], np.nonzero(ink.max(axis=0) > FAINT)[0]
    cut = ink[rows[0] : rows[-1] + 1, columns[0] : columns[-1] + 1]
    inner = min(size) - (2 * round(MARGIN * min(size)) if min(size) >= 16 else 0)
    scale = inner / max(cut.shape)
    width, height = (max(1, round(scale * length)) for length in (cut.shape[1], cut.shape[0]))
    small = np.asarray(Image.fromarray(cut.astype(np.float32)).resize((width, height), Image.Resampling.BOX))
    return _centred(np.clip(small, 0, 1), size)


def _centred(small: np.ndarray, size: tuple[int, int]) -> np.ndarray:
    """`small` on an empty picture of `size`, its centre of mass as near the middle as its edges allow."""
    picture = np.zeros(size, np.float32)
    place: list[slice] = []
    for axis in (0, 1):
        mass = small.sum(axis=1 - axis)
        centre = float((mass * (np.arange(len(mass)) + 0.5)).sum() / mass.sum())
        start = min(max(round(size[axis] / 2 - centre), 0), size[axis] - small.shape[axis])
        place.append(slice(start, start + small.shape[axis]))
    picture[tuple(place)] = small
    return picture
