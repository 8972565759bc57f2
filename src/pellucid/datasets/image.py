"""A picture of a digit from anywhere, made to look like those of the data sets."""

import struct
import warnings
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np

from pellucid.datasets.ink import character
from pellucid.datasets.record import DataError, need

MOST_PIXELS = 64_000_000  # a photograph has up to 50 million; a file of some kilobytes may claim any number
GREY = np.array([0.299, 0.587, 0.114])  # what the eye makes of red, green and blue (ITU-R BT.601)


def read_image(path: Path, size: tuple[int, int]) -> np.ndarray:
    """One handwritten character as an array of `size`, light on dark, from 0 to 1.

    The picture is turned as its camera says, is of any depth and kind of colour, and of several frames the first that
    holds anything counts. What is clear is paper. `character` says how the digit is found and laid.

    Shape: any -> (height, width) float32.

    Raises:
        DataError: no picture that can be read, one with more pixels than any photograph, or nothing on it.
    """
    with _opened(path) as image:
        return _first_character(image, size, path)


def read_picture(path: Path, size: tuple[int, int], channels: int) -> np.ndarray:
    """Any picture, turned as its camera says, scaled until it covers `size`, and cut to its middle.

    What is clear is white; of several frames the first counts.

    Shape: any -> (channels, height, width) float32 from 0 to 1; `channels` is 1 (grey) or 3 (red, green, blue).

    Raises:
        DataError: no picture that can be read, or one with more pixels than any photograph.
    """
    with _opened(path) as image:
        from PIL import Image, ImageOps

        _check_pixels(image, path)
        image.draft("RGB" if image.mode == "RGB" else None, (2 * max(size), 2 * max(size)))
        upright: Any = ImageOps.exif_transpose(image)
        if upright.mode.startswith("I") or upright.mode == "F":
            upright = Image.fromarray(np.rint(255 * _shades(upright, path)).astype(np.uint8))
        elif upright.mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in upright.info:
            clear = upright.convert("RGBA")
            upright = Image.alpha_composite(Image.new("RGBA", clear.size, "white"), clear)
        height, width = size
        fitted = ImageOps.fit(upright.convert("L" if channels == 1 else "RGB"), (width, height), Image.Resampling.BOX)
        array = np.asarray(fitted, dtype=np.float32) / 255
        return array[None] if channels == 1 else np.ascontiguousarray(array.transpose(2, 0, 1))


@contextmanager
def _opened(path: Path) -> Iterator[Any]:
    """A picture, opened; whatever goes wrong while it is read is a DataError."""
    try:
        from PIL import Image
    except ImportError as error:
        raise need("pillow", "reading an image") from error
    try:
        with warnings.catch_warnings():
            warnings.simplefilter("ignore")  # of odd metadata; the number of pixels is checked here
            with Image.open(path) as image:
                yield image
    except DataError:
        raise
    except Image.DecompressionBombError as error:
        raise DataError(f"{path} is too large: {error}. Scale it down, to 1000 pixels a side for example") from error
    except (OSError, ValueError, SyntaxError, TypeError, KeyError, IndexError, EOFError, OverflowError) as error:
        raise DataError(f"{path} is no image that can be read: {error}") from error
    except (struct.error, MemoryError, RuntimeError, AttributeError, ZeroDivisionError) as error:  # of broken headers
        raise DataError(f"{path} is no image that can be read: {type(error).__name__} {error}") from error


def frame_count(path: Path) -> int:
    """How many pictures a file holds that `read_image` has read: more than one in a moving GIF, say."""
    from PIL import Image

    with Image.open(path) as image:
        return getattr(image, "n_frames", 1)


def grey_of(colours: np.ndarray) -> np.ndarray:
    """Shades (H, W) from 0 to 1 of a picture whose last axis is grey; red, green, blue; or these with opacity.

    What is clear is paper. Where the ink is all that can be seen, of whatever colour, it is dark on white; where a
    sheet can be seen, what lies around it has the sheet's shade.

    Shape: (H, W, C) with C from 1 to 4 -> (H, W).
    """
    channels = colours.shape[-1]
    grey = colours[..., 0] if channels < 3 else _by_colour(colours[..., :3])
    if channels in (1, 3):
        return grey
    opacity = colours[..., -1]
    seen = opacity > 0.5
    if not seen.any():
        return np.ones_like(grey) - opacity
    if opacity.min() > 0.95:
        return grey
    shades = grey[seen]
    rows, columns = np.nonzero(seen.any(axis=1))[0], np.nonzero(seen.any(axis=0))[0]
    box = (rows[-1] + 1 - rows[0]) * (columns[-1] + 1 - columns[0])
    is_sheet = seen.sum() > 0.8 * box and np.percentile(shades, 99) - np.percentile(shades, 1) > 0.2
    if not is_sheet:
        return 1 - opacity
    return grey * opacity + float(np.median(shades)) * (1 - opacity)


def _by_colour(colours: np.ndarray) -> np.ndarray:
    """Shades of red, green and blue; where ink and paper differ in colour and hardly in shade, by the colour."""
    grey = colours @ GREY
    border = np.concatenate([colours[0], colours[-1], colours[:, 0], colours[:, -1]])
    distance = np.abs(colours - np.median(border, axis=0)).max(axis=-1)
    contrast = np.abs(grey - np.median(border @ GREY))
    return 1 - distance if np.percentile(contrast, 99) < 0.4 * np.percentile(distance, 99) else grey


def full_scale(array: np.ndarray, name: str) -> float:
    """The number that is white in an array of shades from 0: 1, 16 (scikit-learn's digits), 255, or of more bits.

    Raises:
        DataError: it is not finite, or has numbers below 0.
    """
    if not np.isfinite(array).all():
        raise DataError(f"{name} holds a number that is not finite at {_place(~np.isfinite(array))}: mend or remove it")
    low, high = float(array.min()), float(array.max())
    if low < -0.02 * max(high, 1):
        raise DataError(
            f"{name} holds numbers from {low:.4g} to {high:.4g}, and shades were expected, from 0 to 1, 16 or 255: "
            f"undo its standardisation, x * std + mean"
        )
    return next((white for white in (1, 16, 255, 1023, 4095, 65535) if high <= white * 1.02), high)


def _place(wrong: np.ndarray) -> str:
    return str([int(k) for k in np.argwhere(wrong)[0]])


def _check_pixels(image: Any, path: Path) -> int:
    """How many pixels a picture has; DataError for more than a photograph has, and for none."""
    count = image.size[0] * image.size[1]
    if count > MOST_PIXELS:
        raise DataError(
            f"{path} claims {image.size[0]:,} × {image.size[1]:,} pixels, and at most {MOST_PIXELS:,} are read: scale "
            f"it down, to 1000 pixels a side for example"
        )
    if count == 0:
        raise DataError(f"{path} has no pixels")
    return count


def _first_character(image: Any, size: tuple[int, int], path: Path) -> np.ndarray:
    """Of the frames of a picture, the first on which a character can be seen."""
    from PIL import ImageOps

    count = _check_pixels(image, path)
    frames = min(getattr(image, "n_frames", 1), 1 + MOST_PIXELS // (8 * count))
    for frame in range(max(1, frames)):
        if frame:
            image.seek(frame)
        else:
            image.draft("RGB" if image.mode == "RGB" else None, (1024, 1024))  # a JPEG is decoded at a smaller size
        upright = ImageOps.exif_transpose(image)
        if max(upright.size) > 2048:
            upright = _eight_bits(upright).reduce(max(upright.size) // 1024)
        try:
            return character(_shades(upright, path), size, str(path))
        except DataError:
            if frame + 1 >= frames:
                raise
    raise DataError(f"{path} has no frames")


def _eight_bits(image: Any) -> Any:
    """A picture in a mode that can be made smaller by means."""
    if image.mode in ("P", "PA") or "transparency" in image.info:
        return image.convert("RGBA")
    return (
        image
        if image.mode in ("L", "RGB", "RGBA", "LA", "I", "F", "CMYK")
        else image.convert("L" if image.mode == "1" else "I" if image.mode.startswith("I;16") else "RGB")
    )


def _shades(image: Any, path: Path) -> np.ndarray:
    """The shades of grey of a picture in any mode, (H, W) from 0 to 1."""
    mode = image.mode
    if mode.startswith("I") or mode == "F":  # more bits than eight: no conversion of Pillow's keeps them
        shades = np.asarray(image, dtype=np.float64)
        low = shades.min() if np.isfinite(shades).all() else 0.0
        shades = shades - min(low, 0.0)
        return np.clip(shades / full_scale(shades, str(path)), 0, 1)
    if mode in ("RGBA", "LA", "PA", "RGBa", "La") or "transparency" in image.info:
        return grey_of(np.asarray(image.convert("RGBA"), dtype=np.float64) / 255)
    if mode in ("L", "1"):
        return np.asarray(image.convert("L"), dtype=np.float64) / 255
    return grey_of(np.asarray(image.convert("RGB"), dtype=np.float64) / 255)
