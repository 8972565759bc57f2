"""The places of a convolution's kernel that meet an image at all: in a deep network's last layers few do.

Where an image has shrunk to one pixel, eight of the nine places of a kernel of 3 by 3 lie on padding in each window.
"""

from __future__ import annotations

import functools
from typing import Any

Pair = tuple[int, int]


def needed(
    shape: Any, kernel: Any, out: Any, stride: Pair, padding: Pair, dilation: Pair
) -> tuple[tuple[slice, slice], Pair] | None:
    """Which rows and columns of a kernel are needed, and the padding that is left with them; None where all are.

    `shape`, `kernel` and `out` are (height, width) of the image, of the kernel and of the windows.
    """
    if padding == (0, 0) or (shape[0] >= kernel[0] * dilation[0] and shape[1] >= kernel[1] * dilation[1]):
        return None
    found = [_along(*given) for given in zip(shape, kernel, out, stride, padding, dilation, strict=True)]
    (top, rows, above), (left, columns, beside) = found
    if rows - top == kernel[0] and columns - left == kernel[1]:
        return None
    return (slice(top, rows), slice(left, columns)), (above, beside)


@functools.lru_cache(256)
def _along(size: int, kernel: int, out: int, stride: int, padding: int, dilation: int) -> tuple[int, int, int]:
    """The first place that is needed, the one after the last, and the padding, in one dimension."""
    met = [i for i in range(kernel) if any(0 <= y * stride + i * dilation - padding < size for y in range(out))]
    if met:
        first, last = met[0], met[-1]
        before = padding - first * dilation
        after = (out - 1) * stride + last * dilation - padding - (size - 1)
        if before >= max(0, after):  # padding is as wide on both sides
            return first, last + 1, before
    return 0, kernel, padding
