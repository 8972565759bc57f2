"""From pictures to tensors and back, and numbers normalised."""

from __future__ import annotations

from typing import Any

import pellucid
from pellucid.core import Tensor

from . import functional as F
from .base import TransformModule

__all__ = [
    "ConvertImageDtype",
    "LinearTransformation",
    "Normalize",
    "PILToTensor",
    "ToPILImage",
    "ToTensor",
]


class ToTensor:
    """A picture of Pillow's or an array as a tensor (C, H, W) of numbers from 0 to 1."""

    def __call__(self, pic: Any) -> Tensor:
        return F.to_tensor(pic)

    def __repr__(self) -> str:
        return "ToTensor()"


class PILToTensor:
    """A picture of Pillow's as a tensor of bytes."""

    def __call__(self, pic: Any) -> Tensor:
        return F.pil_to_tensor(pic)

    def __repr__(self) -> str:
        return "PILToTensor()"


class ToPILImage:
    """A tensor or an array as a picture of Pillow's."""

    def __init__(self, mode: str | None = None) -> None:
        self.mode = mode

    def __call__(self, pic: Any) -> Any:
        return F.to_pil_image(pic, self.mode)

    def __repr__(self) -> str:
        return f"ToPILImage({f'mode={self.mode}' if self.mode is not None else ''})"


class ConvertImageDtype(TransformModule):
    """Another dtype, and its range."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(TransformModule):
    """(tensor − mean) / std, for each channel."""

    shown = ("mean", "std")

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class LinearTransformation(TransformModule):
    """(x − mean) @ matrix of the whole picture as one row: whitening."""

    def __init__(self, transformation_matrix: Tensor, mean_vector: Tensor) -> None:
        super().__init__()
        rows, columns = transformation_matrix.shape
        if rows != columns or mean_vector.shape[0] != rows:
            raise ValueError(
                f"transformation_matrix should be square and as long as mean_vector. Got {rows} x {columns} and "
                f"{mean_vector.shape[0]}"
            )
        self.transformation_matrix, self.mean_vector = transformation_matrix, mean_vector

    def forward(self, tensor: Tensor) -> Tensor:
        rows = tensor.reshape(-1, self.mean_vector.shape[0]) - self.mean_vector
        return pellucid.mm(rows, self.transformation_matrix.to(rows.dtype)).reshape(tensor.shape)
