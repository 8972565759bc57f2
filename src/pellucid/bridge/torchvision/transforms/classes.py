"""The transforms: what each is set to, what it draws, and the function that it calls."""

from __future__ import annotations

import math
import numbers
import random
from collections.abc import Callable, Sequence
from typing import Any

import pellucid
from pellucid import nn
from pellucid.core import Tensor

from . import functional as F
from .functional import InterpolationMode

__all__ = [
    "CenterCrop", "ColorJitter", "Compose", "ConvertImageDtype", "FiveCrop", "GaussianBlur", "Grayscale", "Lambda",
    "Normalize", "PILToTensor", "Pad", "RandomAffine", "RandomApply", "RandomChoice", "RandomCrop", "RandomErasing",
    "RandomGrayscale", "RandomHorizontalFlip", "RandomInvert", "RandomOrder", "RandomResizedCrop", "RandomRotation",
    "RandomVerticalFlip", "Resize", "ToPILImage", "ToTensor",
]  # fmt: skip


def uniform(low: float, high: float) -> float:
    """A number between two, as torchvision draws it."""
    return float(pellucid.empty(1).uniform_(float(low), float(high)).item())


def _pair(size: Any) -> tuple[int, int]:
    if isinstance(size, numbers.Number):
        return int(size), int(size)  # type: ignore[call-overload]
    return (size[0], size[0]) if len(size) == 1 else (size[0], size[1])


class Compose:
    """One transform after the other."""

    def __init__(self, transforms: Sequence[Callable[[Any], Any]]) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join(["Compose(", *(f"    {transform}" for transform in self.transforms), ")"])


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


class Lambda:
    """A function of one's own."""

    def __init__(self, lambd: Callable[[Any], Any]) -> None:
        if not callable(lambd):
            raise TypeError(f"Argument lambd should be callable, got {type(lambd).__name__!r}")
        self.lambd = lambd

    def __call__(self, img: Any) -> Any:
        return self.lambd(img)

    def __repr__(self) -> str:
        return "Lambda()"


class _TransformModule(nn.Module):
    """A transform that is a module; `shown` are the settings in its text."""

    shown: tuple[str, ...] = ()

    def __repr__(self) -> str:
        return f"{type(self).__name__}({', '.join(f'{name}={getattr(self, name)}' for name in self.shown)})"


class ConvertImageDtype(_TransformModule):
    """Another dtype, and its range."""

    def __init__(self, dtype: Any) -> None:
        super().__init__()
        self.dtype = dtype

    def forward(self, image: Tensor) -> Tensor:
        return F.convert_image_dtype(image, self.dtype)


class Normalize(_TransformModule):
    """(tensor − mean) / std, for each channel."""

    shown = ("mean", "std")

    def __init__(self, mean: Any, std: Any, inplace: bool = False) -> None:
        super().__init__()
        self.mean, self.std, self.inplace = mean, std, inplace

    def forward(self, tensor: Tensor) -> Tensor:
        return F.normalize(tensor, self.mean, self.std, self.inplace)


class Resize(_TransformModule):
    """Another size: (height, width), or the length of the shorter side."""

    def __init__(
        self, size: Any, interpolation: Any = InterpolationMode.BILINEAR, max_size: int | None = None,
        antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.interpolation, self.max_size, self.antialias = size, interpolation, max_size, antialias

    def forward(self, img: Any) -> Any:
        return F.resize(img, self.size, self.interpolation, self.max_size, self.antialias)

    def __repr__(self) -> str:
        name = F.mode_name(self.interpolation)
        return f"Resize(size={self.size}, interpolation={name}, max_size={self.max_size}, antialias={self.antialias})"


class CenterCrop(_TransformModule):
    """The middle."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = _pair(size)

    def forward(self, img: Any) -> Any:
        return F.center_crop(img, self.size)


class FiveCrop(_TransformModule):
    """The corners and the middle."""

    shown = ("size",)

    def __init__(self, size: Any) -> None:
        super().__init__()
        self.size = _pair(size)

    def forward(self, img: Any) -> Any:
        return F.five_crop(img, self.size)


class Pad(_TransformModule):
    """A margin."""

    shown = ("padding", "fill", "padding_mode")

    def __init__(self, padding: Any, fill: Any = 0, padding_mode: str = "constant") -> None:
        super().__init__()
        self.padding, self.fill, self.padding_mode = padding, fill, padding_mode

    def forward(self, img: Any) -> Any:
        return F.pad(img, self.padding, self.fill, self.padding_mode)


class Grayscale(_TransformModule):
    """Grey."""

    shown = ("num_output_channels",)

    def __init__(self, num_output_channels: int = 1) -> None:
        super().__init__()
        self.num_output_channels = num_output_channels

    def forward(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, self.num_output_channels)


class RandomCrop(_TransformModule):
    """A part of that size, anywhere in the picture."""

    shown = ("size", "padding")

    def __init__(
        self, size: Any, padding: Any = None, pad_if_needed: bool = False, fill: Any = 0, padding_mode: str = "constant"
    ) -> None:
        super().__init__()
        self.size, self.padding, self.pad_if_needed = _pair(size), padding, pad_if_needed
        self.fill, self.padding_mode = fill, padding_mode

    @staticmethod
    def get_params(img: Any, output_size: tuple[int, int]) -> tuple[int, int, int, int]:
        """Where: top, left, height, width."""
        _, h, w = F.get_dimensions(img)
        th, tw = output_size
        if h < th or w < tw:
            raise ValueError(f"Required crop size {(th, tw)} is larger than input image size {(h, w)}")
        if w == tw and h == th:
            return 0, 0, h, w
        i = int(pellucid.randint(0, h - th + 1, size=(1,)).item())
        j = int(pellucid.randint(0, w - tw + 1, size=(1,)).item())
        return i, j, th, tw

    def forward(self, img: Any) -> Any:
        if self.padding is not None:
            img = F.pad(img, self.padding, self.fill, self.padding_mode)
        _, height, width = F.get_dimensions(img)
        if self.pad_if_needed and width < self.size[1]:
            img = F.pad(img, [self.size[1] - width, 0], self.fill, self.padding_mode)
        if self.pad_if_needed and height < self.size[0]:
            img = F.pad(img, [0, self.size[0] - height], self.fill, self.padding_mode)
        return F.crop(img, *self.get_params(img, self.size))


class RandomResizedCrop(_TransformModule):
    """A part of some size and shape, in the size that is wanted."""

    def __init__(
        self, size: Any, scale: Any = (0.08, 1.0), ratio: Any = (3.0 / 4.0, 4.0 / 3.0),
        interpolation: Any = InterpolationMode.BILINEAR, antialias: bool | None = True,
    ) -> None:  # fmt: skip
        super().__init__()
        self.size, self.scale, self.ratio = _pair(size), scale, ratio
        self.interpolation, self.antialias = interpolation, antialias

    @staticmethod
    def get_params(img: Any, scale: Any, ratio: Any) -> tuple[int, int, int, int]:
        """Where: top, left, height, width."""
        _, height, width = F.get_dimensions(img)
        log_ratio = pellucid.log(pellucid.tensor(ratio))
        for _ in range(10):
            target = height * width * uniform(scale[0], scale[1])
            drawn = pellucid.empty(1).uniform_(float(log_ratio[0]), float(log_ratio[1]))
            aspect = pellucid.exp(drawn).item()
            w, h = round(math.sqrt(target * aspect)), round(math.sqrt(target / aspect))
            if 0 < w <= width and 0 < h <= height:
                i = int(pellucid.randint(0, height - h + 1, size=(1,)).item())
                j = int(pellucid.randint(0, width - w + 1, size=(1,)).item())
                return i, j, h, w
        w, h = width, height
        if width / height < min(ratio):
            h = round(width / min(ratio))
        elif width / height > max(ratio):
            w = round(height * max(ratio))
        return (height - h) // 2, (width - w) // 2, h, w

    def forward(self, img: Any) -> Any:
        where = self.get_params(img, self.scale, self.ratio)
        return F.resized_crop(img, *where, self.size, self.interpolation, self.antialias)

    def __repr__(self) -> str:
        scale, ratio = (tuple(round(v, 4) for v in pair) for pair in (self.scale, self.ratio))
        name = F.mode_name(self.interpolation)
        return (
            f"RandomResizedCrop(size={self.size}, scale={scale}, ratio={ratio}, interpolation={name}, "
            f"antialias={self.antialias})"
        )


class _Perhaps(_TransformModule):
    """A change that is made with some probability."""

    shown = ("p",)

    def __init__(self, p: float = 0.5) -> None:
        super().__init__()
        self.p = p

    def forward(self, img: Any) -> Any:
        return self.change(img) if pellucid.rand(1).item() < self.p else img

    def change(self, img: Any) -> Any:
        """The change."""
        raise NotImplementedError


class RandomHorizontalFlip(_Perhaps):
    """Left and right changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.hflip(img)


class RandomVerticalFlip(_Perhaps):
    """Top and bottom changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.vflip(img)


class RandomInvert(_Perhaps):
    """Dark and bright changed, perhaps."""

    def change(self, img: Any) -> Any:
        return F.invert(img)


class RandomGrayscale(_Perhaps):
    """Grey, perhaps."""

    def __init__(self, p: float = 0.1) -> None:
        super().__init__(p)

    def change(self, img: Any) -> Any:
        return F.rgb_to_grayscale(img, F.get_dimensions(img)[0])


class RandomApply(_TransformModule):
    """Transforms, all or none."""

    def __init__(self, transforms: Any, p: float = 0.5) -> None:
        super().__init__()
        self.transforms, self.p = transforms, p

    def forward(self, img: Any) -> Any:
        if self.p < pellucid.rand(1).item():
            return img
        for transform in self.transforms:
            img = transform(img)
        return img

    def __repr__(self) -> str:
        return "\n".join(["RandomApply(", f"    p={self.p}", *(f"    {t}" for t in self.transforms), ")"])


class RandomChoice:
    """One of some transforms."""

    def __init__(self, transforms: Any, p: Any = None) -> None:
        self.transforms, self.p = transforms, p

    def __call__(self, *args: Any) -> Any:
        return random.choices(self.transforms, weights=self.p)[0](*args)


class RandomOrder:
    """Transforms in some order."""

    def __init__(self, transforms: Any) -> None:
        self.transforms = transforms

    def __call__(self, img: Any) -> Any:
        order = list(range(len(self.transforms)))
        random.shuffle(order)
        for i in order:
            img = self.transforms[i](img)
        return img


class RandomRotation(_TransformModule):
    """Turned by some angle."""

    def __init__(
        self, degrees: Any, interpolation: Any = InterpolationMode.NEAREST, expand: bool = False, center: Any = None,
        fill: Any = 0,
    ) -> None:  # fmt: skip
        super().__init__()
        self.degrees = [-float(degrees), float(degrees)] if isinstance(degrees, numbers.Number) else list(degrees)  # type: ignore[arg-type]
        self.interpolation, self.expand, self.center, self.fill = interpolation, expand, center, fill

    def __repr__(self) -> str:
        center = f", center={self.center}" if self.center is not None else ""
        fill = f", fill={self.fill}" if self.fill is not None else ""
        name = F.mode_name(self.interpolation)
        return f"RandomRotation(degrees={self.degrees}, interpolation={name}, expand={self.expand}{center}{fill})"

    def forward(self, img: Any) -> Any:
        fill = self.fill
        channels = F.get_dimensions(img)[0]
        if isinstance(fill, int | float) and channels > 1:
            fill = [int(fill)] * channels
        return F.rotate(img, uniform(*self.degrees), self.interpolation, self.expand, self.center, fill)


class RandomAffine(_TransformModule):
    """Turned, moved, scaled and sheared by some amounts."""

    def __init__(
        self, degrees: Any, translate: Any = None, scale: Any = None, shear: Any = None,
        interpolation: Any = InterpolationMode.NEAREST, fill: Any = 0, center: Any = None,
    ) -> None:  # fmt: skip
        super().__init__()
        self.degrees = [-float(degrees), float(degrees)] if isinstance(degrees, numbers.Number) else list(degrees)  # type: ignore[arg-type]
        self.translate, self.scale, self.interpolation, self.fill, self.center = (
            translate, scale, interpolation, fill, center,
        )  # fmt: skip
        self.shear = [-float(shear), float(shear)] if isinstance(shear, numbers.Number) else shear  # type: ignore[arg-type]

    def __repr__(self) -> str:
        usual = {"translate": None, "scale": None, "shear": None, "interpolation": "nearest", "fill": 0, "center": None}
        values = {**{name: getattr(self, name) for name in usual}, "interpolation": F.mode_name(self.interpolation)}
        shown = [f", {name}={values[name]}" for name, default in usual.items() if values[name] != default]
        return f"RandomAffine(degrees={self.degrees}{''.join(shown)})"

    def forward(self, img: Any) -> Any:
        width, height = F.get_image_size(img)
        angle = uniform(*self.degrees)
        move = (0, 0)
        if self.translate is not None:
            most_x, most_y = float(self.translate[0] * width), float(self.translate[1] * height)
            move = (round(uniform(-most_x, most_x)), round(uniform(-most_y, most_y)))
        scale = uniform(*self.scale) if self.scale is not None else 1.0
        shear = [0.0, 0.0]
        if self.shear is not None:
            shear[0] = uniform(self.shear[0], self.shear[1])
            if len(self.shear) == 4:
                shear[1] = uniform(self.shear[2], self.shear[3])
        return F.affine(img, angle, move, scale, shear, self.interpolation, self.fill, self.center)


class ColorJitter(_TransformModule):
    """Brightness, contrast, saturation and hue changed, each by some amount, in some order."""

    shown = ("brightness", "contrast", "saturation", "hue")

    def __init__(self, brightness: Any = 0, contrast: Any = 0, saturation: Any = 0, hue: Any = 0) -> None:
        super().__init__()
        self.brightness, self.contrast = self._range(brightness), self._range(contrast)
        self.saturation, self.hue = self._range(saturation), self._range(hue, 0, (-0.5, 0.5), False)

    @staticmethod
    def _range(value: Any, center: float = 1, bound: Any = (0, float("inf")), clip: bool = True) -> Any:
        if isinstance(value, numbers.Number):
            if value < 0:  # type: ignore[operator]
                raise ValueError("If this is a single number, it must be non negative.")
            value = [center - float(value), center + float(value)]  # type: ignore[arg-type]
            if clip:
                value[0] = max(value[0], 0.0)
        elif not bound[0] <= value[0] <= value[1] <= bound[1]:
            raise ValueError(f"values should be between {bound}, but got {value}.")
        return None if value[0] == value[1] == center else tuple(value)

    def forward(self, img: Any) -> Any:
        order = pellucid.randperm(4).tolist()
        settings = (self.brightness, self.contrast, self.saturation, self.hue)
        drawn = [None if setting is None else uniform(*setting) for setting in settings]
        change = (F.adjust_brightness, F.adjust_contrast, F.adjust_saturation, F.adjust_hue)
        for i in order:
            factor = drawn[i]
            if factor is not None:
                img = change[i](img, factor)
        return img


class GaussianBlur(_TransformModule):
    """Blurred by some width."""

    shown = ("kernel_size", "sigma")

    def __init__(self, kernel_size: Any, sigma: Any = (0.1, 2.0)) -> None:
        super().__init__()
        self.kernel_size = _pair(kernel_size)
        self.sigma: Any = (sigma, sigma) if isinstance(sigma, numbers.Number) else sigma

    def forward(self, img: Any) -> Any:
        sigma = uniform(*self.sigma)
        return F.gaussian_blur(img, self.kernel_size, [sigma, sigma])


class RandomErasing(_TransformModule):
    """A part of a tensor overwritten, perhaps."""

    shown = ("p", "scale", "ratio", "value", "inplace")

    def __init__(
        self, p: float = 0.5, scale: Any = (0.02, 0.33), ratio: Any = (0.3, 3.3), value: Any = 0, inplace: bool = False
    ) -> None:
        super().__init__()
        self.p, self.scale, self.ratio, self.value, self.inplace = p, scale, ratio, value, inplace

    def forward(self, img: Tensor) -> Tensor:
        if pellucid.rand(1).item() >= self.p:
            return img
        channels, height, width = img.shape[-3:]
        log_ratio = pellucid.log(pellucid.tensor(self.ratio))
        for _ in range(10):
            area = height * width * uniform(self.scale[0], self.scale[1])
            drawn = pellucid.empty(1).uniform_(float(log_ratio[0]), float(log_ratio[1]))
            aspect = pellucid.exp(drawn).item()
            h, w = round(math.sqrt(area * aspect)), round(math.sqrt(area / aspect))
            if not (h < height and w < width):
                continue
            if self.value == "random":
                v = pellucid.empty([channels, h, w]).normal_()
            else:
                values = [float(self.value)] if isinstance(self.value, int | float) else list(self.value)
                v = pellucid.tensor(values)[:, None, None]
            i = int(pellucid.randint(0, height - h + 1, size=(1,)).item())
            j = int(pellucid.randint(0, width - w + 1, size=(1,)).item())
            return F.erase(img, i, j, h, w, v, self.inplace)
        return img
