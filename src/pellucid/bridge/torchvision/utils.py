"""`make_grid` and `save_image`: many pictures as one."""

from __future__ import annotations

import math
from typing import Any

import pellucid
from pellucid.core import Tensor

from .pictures import image_module

__all__ = ["make_grid", "save_image"]


def make_grid(
    tensor: Any, nrow: int = 8, padding: int = 2, normalize: bool = False,
    value_range: tuple[float, float] | None = None, scale_each: bool = False, pad_value: float = 0.0, **kwargs: Any,
) -> Tensor:  # fmt: skip
    """Pictures (B, C, H, W), or a list of them, as one picture (C, H', W') with `nrow` in a row.

    `normalize` brings the numbers from `value_range`, or from their least and greatest, to 0 … 1; `scale_each` does so
    for each picture by itself.
    """
    if not isinstance(tensor, Tensor) and not (isinstance(tensor, list) and all(isinstance(t, Tensor) for t in tensor)):
        raise TypeError(f"tensor or list of tensors expected, got {type(tensor)}")
    found = pellucid.stack(tensor, dim=0) if isinstance(tensor, list) else tensor
    if found.dim() == 2:
        found = found.unsqueeze(0)
    if found.dim() == 3:
        found = (pellucid.cat((found, found, found), 0) if found.size(0) == 1 else found).unsqueeze(0)
    if found.dim() == 4 and found.size(1) == 1:
        found = pellucid.cat((found, found, found), 1)
    if normalize:
        found = found.clone()
        if value_range is not None and not isinstance(value_range, tuple):
            raise TypeError("value_range has to be a tuple (min, max) if specified. min and max are numbers")
        for part in found if scale_each else [found]:
            low, high = value_range if value_range is not None else (float(part.min()), float(part.max()))
            part.clamp_(min=low, max=high).sub_(low).div_(max(high - low, 1e-5))
    if found.size(0) == 1:
        return found.squeeze(0)
    count = found.size(0)
    across = min(nrow, count)
    down = math.ceil(count / across)
    height, width = found.size(2) + padding, found.size(3) + padding
    grid = pellucid.full(
        (found.size(1), height * down + padding, width * across + padding), pad_value, dtype=found.dtype
    )
    for k in range(count):
        y, x = divmod(k, across)
        top, left = y * height + padding, x * width + padding
        grid[:, top : top + height - padding, left : left + width - padding] = found[k]
    return grid


def save_image(tensor: Any, fp: Any, format: str | None = None, **kwargs: Any) -> None:
    """Write pictures as one file; numbers from 0 to 1 become bytes."""
    with pellucid.no_grad():
        grid = make_grid(tensor, **kwargs)
        array = grid.mul(255).add_(0.5).clamp_(0, 255).permute(1, 2, 0).to(pellucid.uint8).numpy()
    image_module().fromarray(array.copy()).save(fp, format=format)
