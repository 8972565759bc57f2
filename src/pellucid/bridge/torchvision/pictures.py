"""What a picture is: Pillow's, a tensor (…, C, H, W), or an array (H, W, C)."""

from __future__ import annotations

from typing import Any

import numpy as np

import pellucid
from pellucid.core import Tensor, state
from pellucid.core.tensor import wrap

__all__ = ["array_of", "from_bytes", "image_module", "is_pil", "size_of", "to_pil", "to_tensor"]


def image_module() -> Any:
    """Pillow, or an error that says how to install it."""
    try:
        from PIL import Image
    except ImportError:
        raise ImportError("pictures need Pillow, which is not installed: pip install pillow") from None
    return Image


def is_pil(picture: Any) -> bool:
    """Whether a picture is Pillow's."""
    return hasattr(picture, "getbands") and hasattr(picture, "convert")


def size_of(picture: Any) -> tuple[int, int]:
    """Height and width."""
    if is_pil(picture):
        return picture.height, picture.width
    if isinstance(picture, Tensor):
        return int(picture.shape[-2]), int(picture.shape[-1])
    raise TypeError(f"img should be PIL Image or Tensor. Got {type(picture)}")


def array_of(picture: Any) -> np.ndarray:
    """The numbers of a picture of Pillow's, (H, W) or (H, W, C)."""
    kinds = {"I": np.int32, "I;16": np.uint16, "F": np.float32}
    found = np.array(picture, kinds.get(picture.mode, np.uint8))
    return found * 255 if picture.mode == "1" else found


def to_tensor(picture: Any) -> Tensor:
    """A picture of Pillow's, or an array (H, W, C), as a tensor (C, H, W); bytes become numbers from 0 to 1."""
    if isinstance(picture, np.ndarray):
        if picture.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {picture.ndim} dimensions.")
        found = picture
    elif is_pil(picture):
        found = array_of(picture)
    else:
        raise TypeError(f"pic should be PIL Image or ndarray. Got {type(picture)}")
    found = found[:, :, None] if found.ndim == 2 else found
    found = found.transpose(2, 0, 1)
    if found.dtype == np.uint8 and (made := from_bytes(found)) is not None:
        return made
    tensor = pellucid.from_numpy(np.ascontiguousarray(found))
    return tensor.to(pellucid.get_default_dtype()).div(255) if tensor.dtype is pellucid.uint8 else tensor


def from_bytes(pixels: np.ndarray) -> Tensor | None:
    """Bytes as numbers from 0 to 1, past the door; None where somebody stands behind it, or floats are not plain."""
    kind = pellucid.get_default_dtype()
    if state.interpreters or kind not in (pellucid.float32, pellucid.float64):
        return None
    numbers = np.empty(pixels.shape, kind.numpy)  # in this order, whatever that of the pixels is
    return wrap(np.divide(pixels, numbers.dtype.type(255), out=numbers, dtype=numbers.dtype))


def to_pil(picture: Any, mode: str | None = None) -> Any:
    """A tensor (C, H, W) or an array (H, W, C) as a picture of Pillow's; floats from 0 to 1 become bytes."""
    if isinstance(picture, Tensor):
        if picture.ndim not in (2, 3):
            raise ValueError(f"pic should be 2/3 dimensional. Got {picture.ndim} dimensions.")
        if picture.is_floating_point() and mode != "F":
            picture = picture.mul(255).byte()
        found = picture.detach().numpy()
        found = found.transpose(1, 2, 0) if found.ndim == 3 else found[:, :, None]
    elif isinstance(picture, np.ndarray):
        found = picture if picture.ndim == 3 else picture[:, :, None]
    else:
        raise TypeError(f"pic should be Tensor or ndarray. Got {type(picture)}.")
    channels = found.shape[2]
    if channels > 4:
        raise ValueError(f"pic should not have > 4 channels. Got {channels} channels.")
    if channels == 1:
        return image_module().fromarray(np.ascontiguousarray(found[:, :, 0]))
    made = image_module().fromarray(np.ascontiguousarray(found))
    return made if mode is None or mode == made.mode else made.convert(mode)
